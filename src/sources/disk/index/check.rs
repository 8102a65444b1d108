//! Checks of whole arrays, in loops that the compiler can vectorise: each looks at a block without leaving it early.

#![expect(clippy::needless_bitwise_bool, reason = "a loop that cannot end within a block is one the compiler can vectorise")]

use crate::snapshot::columns::{Codes, NO_SOURCE, Texts, UNKNOWN};

/// How much is looked at before a loop may end.
const BLOCK: usize = 4096;

/// Codes that may stand beside those of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// No other.
    Nothing,
    /// [`NONE`](crate::snapshot::columns::NONE), or the same as the end of an interval, and [`UNKNOWN`].
    NoneOrUnknown,
    /// [`NO_SOURCE`].
    NoSource,
}

/// Refuses a code of nothing.
pub(super) fn check_codes(codes: &Codes, limit: u32, allowed: Allowed) -> Result<(), String> {
    let one;
    let all = match codes {
        Codes::Constant(code) => {
            one = [*code];
            &one[..]
        }
        Codes::Each(each) => each.as_slice(),
    };
    match allowed {
        Allowed::Nothing => below(all, limit),
        Allowed::NoneOrUnknown => found(limit, every(all, |code| (code < limit) | (code >= UNKNOWN))),
        Allowed::NoSource => found(limit, every(all, |code| (code < limit) | (code == NO_SOURCE))),
    }
}

/// Refuses a number that is not below `limit`.
pub(super) fn below(codes: &[u32], limit: u32) -> Result<(), String> {
    found(limit, every(codes, |code| code < limit))
}

fn found(limit: u32, fine: bool) -> Result<(), String> {
    if fine { Ok(()) } else { Err(format!("a code stands for none of the {limit} things there are")) }
}

fn every(codes: &[u32], test: impl Fn(u32) -> bool) -> bool {
    codes.chunks(BLOCK).all(|block| block.iter().fold(true, |fine, code| fine & test(*code)))
}

/// Counts two codes in one pass.
pub(super) fn count(codes: &[u32], one: u32, other: u32) -> (u32, u32) {
    codes.iter().fold((0, 0), |(ones, others), code| (ones + u32::from(*code == one), others + u32::from(*code == other)))
}

/// Checks that `n` places from `first` on lie below `limit`.
pub(super) fn span(first: u32, n: u64, limit: u32) -> Result<(), String> {
    let end = u64::from(first) + n;
    if end <= u64::from(limit) { Ok(()) } else { Err(format!("it ends at {end}, and there are {limit}")) }
}

/// Checks that offsets begin at 0, never fall, and end at `end` if that is given; returns how many lists they bound.
pub(super) fn check_offsets(offsets: &[u32], end: Option<usize>) -> Result<u64, String> {
    let Some((last, _)) = offsets.split_last() else { return Err("there are no offsets".to_owned()) };
    let falls = |(one, next): (&[u32], &[u32])| one.iter().zip(next).fold(false, |falls, (one, next)| falls | (one > next));
    let next = offsets.get(1..).unwrap_or(&[]);
    let fine = offsets.first() == Some(&0) && !offsets.chunks(BLOCK).zip(next.chunks(BLOCK)).any(falls);
    if !fine || end.is_some_and(|end| *last as usize != end) {
        return Err("its offsets do not lead through what they belong to".to_owned());
    }
    Ok(next.len() as u64)
}

/// Checks that texts are UTF-8, each on its own, and sorted without repetition; their offsets are checked.
pub(super) fn check_texts(texts: &Texts) -> Result<(), String> {
    let whole = std::str::from_utf8(&texts.bytes).map_err(|_| "a text is not UTF-8")?;
    let mut before: Option<&str> = None;
    for (from, to) in texts.offsets.iter().zip(texts.offsets.iter().skip(1)) {
        let text = whole.get(*from as usize..*to as usize).ok_or("a text is not UTF-8")?;
        if before.is_some_and(|before| before >= text) {
            return Err("its texts are not sorted".to_owned());
        }
        before = Some(text);
    }
    Ok(())
}

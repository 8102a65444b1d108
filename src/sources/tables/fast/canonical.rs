//! Canonical forms of ids and times as the services write them, without detours; anything unusual goes the long way.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::model::{Base, canonical_arm_id, canonical_guid};
use crate::snapshot::columns::parse_guid;

/// How many bytes a GUID takes.
pub(super) const GUID_BYTES: usize = 36;

const NO_DIGIT: u8 = 0xFF;
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut digit: u8 = 0;
    #[expect(clippy::indexing_slicing, reason = "a table of 256 made while compiling")]
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
}

/// Reads a GUID in any case, with hyphens and nothing around it.
pub(super) fn guid(text: &[u8]) -> Option<u128> {
    let text: &[u8; GUID_BYTES] = text.try_into().ok()?;
    let [a0, a1, a2, a3, a4, a5, a6, a7, b'-', b0, b1, b2, b3, b'-', c0, c1, c2, c3, b'-', d0, d1, d2, d3, b'-', e @ ..] = text else {
        return None;
    };
    let [e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, ea, eb] = e;
    let digits =
        [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, ea, eb];
    let (mut high, mut low, mut seen) = (0_u64, 0_u64, 0_u8);
    let value = |byte: &u8| DIGITS.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
    let (first, last) = digits.split_at(16);
    for (one, other) in first.iter().zip(last) {
        let (one, other) = (value(one), value(other));
        seen |= one | other;
        high = high << 4 | u64::from(one & 15);
        low = low << 4 | u64::from(other & 15);
    }
    (seen & 0xF0 == 0).then_some(u128::from(high) << 64 | u128::from(low))
}

/// Returns a key or value of a type in canonical form; `scratch` is used for it.
pub(super) fn canonical<'s>(base: Base, is_key: bool, text: &'s str, scratch: &'s mut String) -> Cow<'s, str> {
    match base {
        Base::ArmId if is_plain_path(text.as_bytes()) => {
            scratch.clear();
            scratch.push_str(text);
            scratch.make_ascii_lowercase();
            Cow::Borrowed(scratch)
        }
        Base::ArmId => Cow::Owned(canonical_arm_id(text)),
        Base::Guid => Cow::Owned(canonical_guid(text)),
        _ if is_key => Cow::Borrowed(text.trim()),
        _ => Cow::Borrowed(text),
    }
}

/// Tells whether only the case of an ARM id may have to change.
fn is_plain_path(text: &[u8]) -> bool {
    // Counted, not searched, so that many bytes are looked at together.
    let odd = text.iter().map(|byte| u32::from(!matches!(byte, b'!'..0x7F))).sum::<u32>();
    let double = text.iter().zip(text.iter().skip(1)).map(|pair| u32::from(pair == (&b'/', &b'/'))).sum::<u32>();
    odd + double == 0 && text.len() > 1 && text.first() == Some(&b'/') && text.last() != Some(&b'/')
}

/// Splits a canonical key into what stands before a GUID at its end, and that GUID.
pub(super) fn split_guid(key: &str) -> Option<(&str, u128)> {
    let at = key.len().checked_sub(GUID_BYTES)?;
    Some((key.get(..at)?, parse_guid(key.as_bytes().get(at..)?)?))
}

/// Returns an instant in nanoseconds, if 64 bits hold it.
pub(super) fn nanos(instant: Timestamp) -> Option<i64> {
    i64::try_from(instant.as_nanosecond()).ok().filter(|nanos| *nanos > super::SMALLEST)
}

/// Reads `2026-12-31T10:00:00Z` and `2026-12-31`; `None` for any other form, which need not be wrong.
pub(super) fn plain_instant(text: &[u8]) -> Option<i64> {
    let (date, time): (&[u8; 10], &[u8]) = text.split_first_chunk()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = date else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let two = |a: &u8, b: &u8| Some(digit(a)? * 10 + digit(b)?);
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    if !(1700..2250).contains(&year) || !(1..=12).contains(&month) || !(1..=28).contains(&day) && !is_late_day(year, month, day) {
        return None;
    }
    let seconds = match time {
        [] => 0,
        [b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'Z'] => {
            let (hour, minute, second) = (two(h0, h1)?, two(i0, i1)?, two(s0, s1)?);
            if hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            hour * 3_600 + minute * 60 + second
        }
        _ => return None,
    };
    Some((days(year, month, day) * 86_400 + seconds) * 1_000_000_000)
}

fn is_late_day(year: i64, month: i64, day: i64) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (29..=last).contains(&day)
}

/// Returns the days since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_instant;

    #[test]
    fn plain_instants_are_those_of_the_long_way() {
        for text in ["2024-02-29", "2023-02-29", "1999-12-31T23:59:59Z", "2000-03-01T00:00:00Z", "1900-02-29", "2026-06-31", "2026-13-01"] {
            let long = parse_instant(text).ok().flatten().and_then(nanos);
            assert_eq!(plain_instant(text.as_bytes()), long, "{text}");
        }
        for day in 0..80_000_i64 {
            let instant = Timestamp::from_second((day - 40_000) * 86_400 + day).unwrap();
            assert_eq!(plain_instant(instant.to_string().as_bytes()), nanos(instant), "{instant}");
        }
    }

    #[test]
    fn guids_in_any_case() {
        let text = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
        assert_eq!(guid(text.as_bytes()), parse_guid(text.as_bytes()));
        assert_eq!(guid(text.to_uppercase().as_bytes()), parse_guid(text.as_bytes()));
        assert_eq!(guid(b"8e3af657-a8ff-443c-a75c-2fe8c4bcb63g"), None);
        assert_eq!(guid(b"8e3af657aa8ff-443c-a75c-2fe8c4bcb635"), None);
    }
}

//! Bytes to parts. Nothing of them is believed: offsets ascend and end where their array does, codes lie below the number
//! of what they stand for, parallel arrays have one length, texts are UTF-8 and sorted.

use std::sync::Arc;

use jiff::Timestamp;

use super::check::{Allowed, below, check_codes, check_offsets, check_texts, count, span};
use super::frame::Loaded;
use super::packed::Unpacker;
use super::parts::{self, Limits};
use crate::snapshot::columns::{
    AttributeColumn, Codes, HistoryColumn, Instants, Keys, LifetimeColumn, LifetimeEnds, ListColumn, MemberTimes, Members, NONE, Part,
    PartData, Reasons, Seconds, SourceColumn, Texts, UNKNOWN,
};

type Read<T> = Result<T, String>;

/// Reads a part from its arrays.
pub(super) fn decode(part: Part, mut file: Loaded, limits: &Limits) -> Read<PartData> {
    if file.kind != parts::kind(part) {
        return Err("it is a part of another kind".to_owned());
    }
    let from = &mut file;
    let data = match part {
        Part::Attribute(_) => PartData::Attribute(attribute(from, limits)?),
        Part::AttributeSources(_) | Part::ListSources(_) | Part::HistorySources(_) => {
            let codes = codes(from, limits.rows)?;
            check_codes(&codes, limits.sources, Allowed::NoSource)?;
            PartData::Sources(SourceColumn(codes))
        }
        Part::AttributeReasons(_) | Part::HistoryReasons(_) => PartData::Reasons(reasons(from, limits)?),
        Part::List(_) => PartData::List(list(from, limits)?),
        Part::History(_) => PartData::History(history(from, limits)?),
        Part::Lifetimes(_) => PartData::Lifetimes(lifetimes(from, limits)?),
        Part::LifetimeEnds(_) => PartData::LifetimeEnds(lifetime_ends(from, limits)?),
        Part::Keys(_) => PartData::Keys(keys(from)?),
        Part::Texts(_) => PartData::Texts(texts(from)?),
        Part::Instants => PartData::Instants(instants(from)?),
        Part::Integers => {
            let integers = from.i64s()?;
            ascending(&integers)?;
            PartData::Integers(integers)
        }
    };
    file.end()?;
    let parallel = matches!(data, PartData::Sources(_) | PartData::Reasons(_) | PartData::LifetimeEnds(_));
    if !parallel && parts::rows(&data) != limits.rows {
        return Err(format!("it has {} rows, and there should be {}", parts::rows(&data), limits.rows));
    }
    Ok(data)
}

/// Reads codes for `rows` places.
fn codes(file: &mut Loaded, rows: u64) -> Read<Codes> {
    let (is_constant, constant, each) = (file.scalar()?, file.scalar()?, file.u32s()?);
    match is_constant {
        0 if each.len() as u64 == rows => Ok(Codes::Each(each)),
        0 => Err(format!("{} codes stand for {rows} places", each.len())),
        1 if each.is_empty() => Ok(Codes::Constant(constant)),
        _ => Err("codes are neither one for all nor one for each place".to_owned()),
    }
}

fn attribute(file: &mut Loaded, limits: &Limits) -> Read<AttributeColumn> {
    let (first, len, n_none, n_unknown) = (file.scalar()?, file.scalar()?, file.scalar()?, file.scalar()?);
    span(first, u64::from(len), limits.entities)?;
    let codes = codes(file, u64::from(len))?;
    check_codes(&codes, limits.values, Allowed::NoneOrUnknown)?;
    let (none, unknown) = match &codes {
        Codes::Constant(code) => (u32::from(*code == NONE) * len, u32::from(*code == UNKNOWN) * len),
        Codes::Each(each) => count(each, NONE, UNKNOWN),
    };
    if none != n_none || unknown != n_unknown {
        return Err("it says how many places are none or unknown, and they are not as many".to_owned());
    }
    Ok(AttributeColumn { first, len, codes, n_none, n_unknown })
}

fn reasons(file: &mut Loaded, limits: &Limits) -> Read<Reasons> {
    let (places, reasons) = (file.u32s()?, file.u32s()?);
    let texts = texts(file)?;
    ascending(&places)?;
    if places.last().is_some_and(|last| u64::from(*last) >= limits.rows) || places.len() != reasons.len() {
        return Err("a reason stands for a place that is not there".to_owned());
    }
    let texts: Vec<Arc<str>> = all_of(&texts)?.into_iter().map(Arc::from).collect();
    let mut found = Vec::with_capacity(places.len());
    for (place, reason) in places.into_iter().zip(reasons) {
        let reason = texts.get(reason as usize).ok_or_else(|| format!("there is no reason {reason}"))?;
        found.push((place, Arc::clone(reason)));
    }
    Ok(Reasons(found))
}

fn list(file: &mut Loaded, limits: &Limits) -> Read<ListColumn> {
    let (first, n_claimed, is_run, run) = (file.scalar()?, file.scalar()?, file.scalar()?, file.scalar()?);
    let (offsets, each) = (file.u32s()?, file.u32s()?);
    let n_lists = check_offsets(&offsets, None)?;
    span(first, n_lists, limits.entities)?;
    let n = offsets.last().copied().unwrap_or(0);
    let members = match is_run {
        0 if each.len() == n as usize => {
            below(&each, limits.values)?;
            Members::Each(each)
        }
        1 if each.is_empty() => {
            span(run, u64::from(n), limits.values)?;
            Members::Consecutive(run)
        }
        _ => return Err(format!("{} members stand where the offsets end at {n}", each.len())),
    };
    let completeness = codes(file, n_lists)?;
    let times = match file.scalar()? {
        0 => MemberTimes::Always,
        1 => MemberTimes::Lifetime,
        2 => {
            let (from, to) = (codes(file, u64::from(n))?, codes(file, u64::from(n))?);
            check_codes(&from, limits.instants, Allowed::NoneOrUnknown)?;
            check_codes(&to, limits.instants, Allowed::NoneOrUnknown)?;
            MemberTimes::Each { from, to }
        }
        other => return Err(format!("{other} is no kind of times")),
    };
    let bytes = file.u8s()?;
    let mut packed = Unpacker(&bytes);
    let n_kinds = packed.count()?;
    let mut completeness_kinds = Vec::new();
    for _ in 0..n_kinds {
        completeness_kinds.push(packed.completeness(limits.sources)?);
    }
    packed.end()?;
    let n_kinds = u32::try_from(n_kinds).map_err(|_| "it has too many claims")?;
    span(0, u64::from(n_claimed), n_kinds)?;
    // A column without lists has nothing to be constant of.
    if n_lists > 0 {
        check_codes(&completeness, n_kinds, Allowed::Nothing)?;
    }
    Ok(ListColumn { first, offsets, members, times, completeness, completeness_kinds, n_claimed })
}

fn history(file: &mut Loaded, limits: &Limits) -> Read<HistoryColumn> {
    let first = file.scalar()?;
    let offsets = file.u32s()?;
    span(first, check_offsets(&offsets, None)?, limits.entities)?;
    let n = u64::from(offsets.last().copied().unwrap_or(0));
    let (from, to, codes) = (codes(file, n)?, codes(file, n)?, codes(file, n)?);
    check_codes(&from, limits.instants, Allowed::NoneOrUnknown)?;
    check_codes(&to, limits.instants, Allowed::NoneOrUnknown)?;
    check_codes(&codes, limits.values, Allowed::NoneOrUnknown)?;
    Ok(HistoryColumn { first, offsets, from, to, codes })
}

fn lifetimes(file: &mut Loaded, limits: &Limits) -> Read<LifetimeColumn> {
    let (first, len) = (file.scalar()?, file.scalar()?);
    span(first, u64::from(len), limits.entities)?;
    let (from, to) = (codes(file, u64::from(len))?, codes(file, u64::from(len))?);
    check_codes(&from, limits.instants, Allowed::NoneOrUnknown)?;
    check_codes(&to, limits.instants, Allowed::NoneOrUnknown)?;
    Ok(LifetimeColumn { first, len, from, to })
}

fn lifetime_ends(file: &mut Loaded, limits: &Limits) -> Read<LifetimeEnds> {
    let mut flag = || match file.scalar()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("{other} is neither 0 nor 1")),
    };
    let (has_from, has_to, from_unknown, to_unknown) = (flag()?, flag()?, flag()?, flag()?);
    let mut instant = |is_there: bool| match file.scalar()? {
        code if is_there && code < limits.instants => Ok(Some(code)),
        0 if !is_there => Ok(None),
        code => Err(format!("{code} stands for none of the {} instants there are", limits.instants)),
    };
    Ok(LifetimeEnds { from_max: instant(has_from)?, to_min: instant(has_to)?, from_unknown, to_unknown })
}

fn keys(file: &mut Loaded) -> Read<Keys> {
    match file.scalar()? {
        0 => {
            let guids = file.u128s()?;
            ascending(&guids)?;
            Ok(Keys::Guids(guids))
        }
        1 => {
            let (guid, prefix, prefixes) = (file.u128s()?, file.u32s()?, texts(file)?);
            if prefix.len() != guid.len() {
                return Err(format!("{} prefixes stand for {} keys", prefix.len(), guid.len()));
            }
            let n_prefixes = u32::try_from(prefixes.offsets.len().saturating_sub(1)).map_err(|_| "it has too many prefixes")?;
            below(&prefix, n_prefixes)?;
            Ok(Keys::Prefixed { prefixes, prefix, guid })
        }
        2 => Ok(Keys::Texts(texts(file)?)),
        other => Err(format!("{other} is no kind of keys")),
    }
}

fn texts(file: &mut Loaded) -> Read<Texts> {
    let texts = Texts { offsets: file.u32s()?, bytes: file.u8s()? };
    check_offsets(&texts.offsets, Some(texts.bytes.len()))?;
    check_texts(&texts)?;
    Ok(texts)
}

fn all_of(texts: &Texts) -> Read<Vec<&str>> {
    let whole = std::str::from_utf8(&texts.bytes).map_err(|_| "a text is not UTF-8")?;
    let pairs = texts.offsets.iter().zip(texts.offsets.iter().skip(1));
    pairs.map(|(from, to)| whole.get(*from as usize..*to as usize).ok_or_else(|| "a text is not UTF-8".to_owned())).collect()
}

/// The ends are looked at one by one only where there are fractions: seconds that ascend lie between the first and the last.
fn instants(file: &mut Loaded) -> Read<Instants> {
    let seconds = match (file.scalar()?, file.scalar()?, file.scalar()?) {
        (0, low, high) => Seconds::After((i64::from(high.cast_signed()) << 32) | i64::from(low), file.u32s()?),
        (1, 0, 0) => Seconds::Each(file.i64s()?),
        _ => return Err("its seconds are of no known kind".to_owned()),
    };
    let nanos: Vec<i32> = file.u32s()?.into_iter().map(u32::cast_signed).collect();
    let instants = Instants { seconds, nanos };
    let n = instants.len();
    if !instants.nanos.is_empty() && instants.nanos.len() != n {
        return Err("the instants have not as many seconds as fractions".to_owned());
    }
    let range = "an instant is out of range";
    if instants.nanos.is_empty() {
        match &instants.seconds {
            Seconds::After(_, after) => ascending(after)?,
            Seconds::Each(seconds) => ascending(seconds)?,
        }
        for at in [0, n.saturating_sub(1)].into_iter().take(n) {
            instants.get(at).ok_or(range)?;
        }
        return Ok(instants);
    }
    let mut before: Option<Timestamp> = None;
    for (at, nano) in (0..n).zip(&instants.nanos) {
        let instant = instants.get(at).filter(|instant| instant.subsec_nanosecond() == *nano).ok_or(range)?;
        if before.is_some_and(|before| before >= instant) {
            return Err("its values are not sorted".to_owned());
        }
        before = Some(instant);
    }
    Ok(instants)
}

fn ascending<T: PartialOrd>(values: &[T]) -> Read<()> {
    if values.is_sorted_by(|one, next| one < next) { Ok(()) } else { Err("its values are not sorted".to_owned()) }
}

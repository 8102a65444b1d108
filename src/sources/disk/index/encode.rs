//! Parts to bytes.

use std::borrow::Cow;

use super::frame::{Frame, Section};
use super::packed::Packer;
use super::parts;
use crate::snapshot::columns::{
    AttributeColumn, Codes, HistoryColumn, Keys, LifetimeColumn, LifetimeEnds, ListColumn, MemberTimes, Members, Part, PartData, Reasons,
    Seconds, Texts,
};

/// Lays a part out; what is large is borrowed.
pub(super) fn encode(part: Part, data: &PartData) -> Frame<'_> {
    let mut frame = Frame { kind: parts::kind(part), scalars: Vec::new(), sections: Vec::new() };
    match data {
        PartData::Attribute(column) => attribute(&mut frame, column),
        PartData::Sources(column) => codes(&mut frame, &column.0),
        PartData::Reasons(column) => reasons(&mut frame, column),
        PartData::List(column) => list(&mut frame, column),
        PartData::History(column) => history(&mut frame, column),
        PartData::Lifetimes(column) => lifetimes(&mut frame, column),
        PartData::LifetimeEnds(ends) => {
            let LifetimeEnds { from_max, to_min, from_unknown, to_unknown } = *ends;
            let flags = [from_max.is_some(), to_min.is_some(), from_unknown, to_unknown].map(u32::from);
            frame.scalars.extend(flags);
            frame.scalars.extend([from_max.unwrap_or(0), to_min.unwrap_or(0)]);
        }
        PartData::Keys(column) => keys(&mut frame, column),
        PartData::Texts(column) => texts(&mut frame, column),
        PartData::Instants(instants) => {
            match &instants.seconds {
                Seconds::After(first, after) => {
                    let [low, high] = halves(*first);
                    frame.scalars.extend([0, low, high]);
                    frame.sections.push(Section::U32(Cow::Borrowed(after)));
                }
                Seconds::Each(seconds) => {
                    frame.scalars.push(1);
                    frame.sections.push(Section::I64(Cow::Borrowed(seconds)));
                }
            }
            frame.sections.push(Section::U32(Cow::Borrowed(bytemuck::cast_slice(&instants.nanos))));
        }
        PartData::Integers(integers) => frame.sections.push(Section::I64(Cow::Borrowed(integers))),
    }
    frame
}

fn halves(number: i64) -> [u32; 2] {
    let bytes = number.to_le_bytes();
    let half = |from: usize| bytes.get(from..from + 4).and_then(|half| half.try_into().ok()).map_or(0, u32::from_le_bytes);
    [half(0), half(4)]
}

fn codes<'a>(frame: &mut Frame<'a>, codes: &'a Codes) {
    let (constant, each): (_, &[u32]) = match codes {
        Codes::Constant(code) => ([1, *code], &[]),
        Codes::Each(each) => ([0, 0], each),
    };
    frame.scalars.extend(constant);
    frame.sections.push(Section::U32(Cow::Borrowed(each)));
}

fn attribute<'a>(frame: &mut Frame<'a>, column: &'a AttributeColumn) {
    frame.scalars.extend([column.first, column.len, column.n_none, column.n_unknown]);
    codes(frame, &column.codes);
}

/// Each different reason is written once.
fn reasons(frame: &mut Frame<'_>, column: &Reasons) {
    let mut different: Vec<&str> = column.0.iter().map(|(_, reason)| &**reason).collect();
    different.sort_unstable();
    different.dedup();
    let place = |reason: &str| different.binary_search(&reason).ok().and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX);
    let mut offsets = vec![0];
    let mut bytes = Vec::new();
    for reason in &different {
        bytes.extend_from_slice(reason.as_bytes());
        offsets.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }
    frame.sections.push(Section::U32(column.0.iter().map(|(at, _)| *at).collect()));
    frame.sections.push(Section::U32(column.0.iter().map(|(_, reason)| place(reason)).collect()));
    frame.sections.push(Section::U32(Cow::Owned(offsets)));
    frame.sections.push(Section::U8(Cow::Owned(bytes)));
}

fn list<'a>(frame: &mut Frame<'a>, column: &'a ListColumn) {
    let (members, each): (_, &[u32]) = match &column.members {
        Members::Consecutive(first) => ([1, *first], &[]),
        Members::Each(each) => ([0, 0], each),
    };
    frame.scalars.extend([column.first, column.n_claimed]);
    frame.scalars.extend(members);
    frame.sections.push(Section::U32(Cow::Borrowed(&column.offsets)));
    frame.sections.push(Section::U32(Cow::Borrowed(each)));
    codes(frame, &column.completeness);
    match &column.times {
        MemberTimes::Always => frame.scalars.push(0),
        MemberTimes::Lifetime => frame.scalars.push(1),
        MemberTimes::Each { from, to } => {
            frame.scalars.push(2);
            codes(frame, from);
            codes(frame, to);
        }
    }
    let mut packer = Packer::default();
    packer.number(column.completeness_kinds.len());
    column.completeness_kinds.iter().for_each(|claim| packer.completeness(claim));
    frame.sections.push(Section::U8(Cow::Owned(packer.0)));
}

fn history<'a>(frame: &mut Frame<'a>, column: &'a HistoryColumn) {
    frame.scalars.push(column.first);
    frame.sections.push(Section::U32(Cow::Borrowed(&column.offsets)));
    codes(frame, &column.from);
    codes(frame, &column.to);
    codes(frame, &column.codes);
}

fn lifetimes<'a>(frame: &mut Frame<'a>, column: &'a LifetimeColumn) {
    frame.scalars.extend([column.first, column.len]);
    codes(frame, &column.from);
    codes(frame, &column.to);
}

fn keys<'a>(frame: &mut Frame<'a>, column: &'a Keys) {
    match column {
        Keys::Guids(guids) => {
            frame.scalars.push(0);
            frame.sections.push(Section::U128(guids));
        }
        Keys::Prefixed { prefixes, prefix, guid } => {
            frame.scalars.push(1);
            frame.sections.push(Section::U128(guid));
            frame.sections.push(Section::U32(Cow::Borrowed(prefix)));
            texts(frame, prefixes);
        }
        Keys::Texts(column) => {
            frame.scalars.push(2);
            texts(frame, column);
        }
    }
}

fn texts<'a>(frame: &mut Frame<'a>, column: &'a Texts) {
    frame.sections.push(Section::U32(Cow::Borrowed(&column.offsets)));
    frame.sections.push(Section::U8(Cow::Borrowed(&column.bytes)));
}

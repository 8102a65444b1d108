//! Vectors: one value, truth, tally or set for each row of a batch.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::value::{Truth, Val};
use super::HashMap;
use crate::snapshot::columns::{CODES_MAX, CodeClass, UNKNOWN};

/// False, in every completion.
pub(super) const FALSE: u8 = 0;
/// Not decided.
pub(super) const DOUBT: u8 = 1;
/// True, in every completion.
pub(super) const TRUE: u8 = 2;

/// Codes from here on stand for members nobody has seen.
pub(super) const UNSEEN_FIRST: u32 = CODES_MAX + 1;
/// Codes from here on stand for values that a policy names and no fact has.
pub(super) const FOREIGN_FIRST: u32 = 0xF000_0000;

pub(super) fn is_unseen(code: u32) -> bool {
    (UNSEEN_FIRST..FOREIGN_FIRST).contains(&code)
}

/// Tells whether a code is a value or entity that is known, foreign values included.
pub(super) fn is_known(code: u32) -> bool {
    code <= CODES_MAX || (FOREIGN_FIRST..UNKNOWN).contains(&code)
}

pub(super) fn truth_code(truth: Truth) -> u8 {
    match truth {
        Truth::False => FALSE,
        Truth::Unknown => DOUBT,
        Truth::True => TRUE,
    }
}

/// Returns the truth that a code of a Bool stands for.
pub(super) fn truth_of_code(code: u32) -> u8 {
    match code {
        0 => FALSE,
        1 => TRUE,
        _ => DOUBT,
    }
}

pub(super) fn truth_of(code: u8) -> Truth {
    match code {
        FALSE => Truth::False,
        TRUE => Truth::True,
        _ => Truth::Unknown,
    }
}

/// How many members satisfy a test: at least `low`, at most `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) low: u64,
    /// `u64::MAX` if there may be any number.
    pub(super) high: u64,
}

/// The members of the sets of a batch, in one array.
#[derive(Debug, Clone)]
pub(super) enum Members<'a> {
    /// Place `i` holds the id `first + i`.
    Consecutive(u32),
    /// As they lie in a column.
    Stored(&'a [u32]),
    /// Computed.
    Made(Arc<Vec<u32>>),
}

/// One set for each row.
#[derive(Debug, Clone)]
pub(super) struct Sets<'a> {
    /// What the members are.
    pub(super) class: CodeClass,
    /// For each row where its members begin and end.
    pub(super) spans: Arc<Vec<(u32, u32)>>,
    /// The members: known ones, and unseen ones.
    pub(super) members: Members<'a>,
    /// For each member [`TRUE`] or [`DOUBT`]; all sure without. Unseen members are always in doubt.
    pub(super) levels: Option<Arc<Vec<u8>>>,
    /// Whether each member of a set stands there once.
    pub(super) distinct: bool,
}

impl<'a> Sets<'a> {
    pub(super) fn empty(class: CodeClass, n: usize) -> Self {
        Self { class, spans: Arc::new(vec![(0, 0); n]), members: Members::Consecutive(0), levels: None, distinct: true }
    }

    pub(super) fn member(&self, at: u32) -> u32 {
        match &self.members {
            Members::Consecutive(first) => first + at,
            Members::Stored(codes) => codes.get(at as usize).copied().unwrap_or(UNKNOWN),
            Members::Made(codes) => codes.get(at as usize).copied().unwrap_or(UNKNOWN),
        }
    }

    pub(super) fn level(&self, at: u32) -> u8 {
        match &self.levels {
            Some(levels) => levels.get(at as usize).copied().unwrap_or(DOUBT),
            None => TRUE,
        }
    }

    pub(super) fn n_members(&self) -> u64 {
        self.spans.iter().map(|(from, to)| u64::from(to - from)).sum()
    }

    /// Returns the span that holds all members if the rows follow each other without gaps.
    pub(super) fn whole_span(&self) -> Option<(u32, u32)> {
        let (first, _) = *self.spans.first()?;
        let mut end = first;
        for (from, to) in self.spans.iter() {
            if *from != end {
                return None;
            }
            end = *to;
        }
        Some((first, end))
    }

    /// Returns all members, one row after the other.
    pub(super) fn flat(&self) -> Vector<'a> {
        if let Some((from, to)) = self.whole_span() {
            return match &self.members {
                Members::Consecutive(first) => Vector::Range(first + from, first + to),
                Members::Stored(codes) => Vector::Codes(self.class, Cow::Borrowed(codes.get(from as usize..to as usize).unwrap_or(&[]))),
                Members::Made(codes) => {
                    Vector::Codes(self.class, Cow::Owned(codes.get(from as usize..to as usize).unwrap_or(&[]).to_vec()))
                }
            };
        }
        let mut flat = Vec::with_capacity(usize::try_from(self.n_members()).unwrap_or(0));
        for (from, to) in self.spans.iter() {
            match &self.members {
                Members::Consecutive(first) => flat.extend((*from..*to).map(|at| first + at)),
                Members::Stored(codes) => flat.extend_from_slice(codes.get(*from as usize..*to as usize).unwrap_or(&[])),
                Members::Made(codes) => flat.extend_from_slice(codes.get(*from as usize..*to as usize).unwrap_or(&[])),
            }
        }
        Vector::Codes(self.class, Cow::Owned(flat))
    }

    /// Returns consecutive rows.
    pub(super) fn slice(&self, begin: usize, end: usize) -> Self {
        Self { spans: Arc::new(self.spans.get(begin..end).unwrap_or(&[]).to_vec()), ..self.clone() }
    }

    /// Returns the rows at these places.
    pub(super) fn gather(&self, rows: impl Iterator<Item = usize>) -> Self {
        let spans = rows.map(|row| self.spans.get(row).copied().unwrap_or((0, 0))).collect();
        Self { spans: Arc::new(spans), ..self.clone() }
    }
}

/// One thing for each row of a batch.
#[derive(Debug, Clone)]
pub(super) enum Vector<'a> {
    /// The same in every row.
    Same(Val),
    /// Entities in order: the ids from the first up to, not including, the second.
    Range(u32, u32),
    /// Values of one class, [`NONE`], [`UNKNOWN`], unseen members.
    Codes(CodeClass, Cow<'a, [u32]>),
    /// Truths.
    Truth(Vec<u8>),
    /// Tallies.
    Tally(Vec<Tally>),
    /// Sets.
    Sets(Sets<'a>),
    /// Values that have no code: computed instants, ranges.
    Values(Vec<Val>),
}

impl Vector<'_> {
    pub(super) fn codes(class: CodeClass, codes: Vec<u32>) -> Self {
        Self::Codes(class, Cow::Owned(codes))
    }

    /// Tells whether nothing is lost by taking codes in place of values: what lies between bounds has no code.
    pub(super) fn has_codes(&self) -> bool {
        !matches!(self, Self::Values(_) | Self::Tally(_) | Self::Same(Val::Range(_)))
    }

    /// Returns the rows at these places.
    pub(super) fn gather(&self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(from: &[T], rows: &[u32], other: T) -> Vec<T> {
            rows.iter().map(|row| from.get(*row as usize).copied().unwrap_or(other)).collect()
        }
        match self {
            Self::Same(value) => Self::Same(value.clone()),
            Self::Range(first, _) => Self::codes(CodeClass::Entity, rows.iter().map(|row| first + row).collect()),
            Self::Codes(class, codes) => Self::codes(*class, pick(codes, rows, UNKNOWN)),
            Self::Truth(truths) => Self::Truth(pick(truths, rows, DOUBT)),
            Self::Tally(tallies) => Self::Tally(pick(tallies, rows, Tally { low: 0, high: u64::MAX })),
            Self::Sets(sets) => Self::Sets(sets.gather(rows.iter().map(|row| *row as usize))),
            Self::Values(values) => {
                Self::Values(rows.iter().map(|row| values.get(*row as usize).cloned().unwrap_or(Val::Unknown)).collect())
            }
        }
    }

    /// Repeats each row as often as `spans` is long there.
    pub(super) fn spread(&self, spans: &[(u32, u32)], total: usize) -> Self {
        fn repeat<T: Copy>(from: impl Iterator<Item = T>, spans: &[(u32, u32)], total: usize) -> Vec<T> {
            let mut spread = Vec::with_capacity(total);
            for (item, (first, end)) in from.zip(spans) {
                spread.extend(std::iter::repeat_n(item, (end - first) as usize));
            }
            spread
        }
        match self {
            Self::Same(value) => Self::Same(value.clone()),
            Self::Range(first, end) => Self::codes(CodeClass::Entity, repeat(*first..*end, spans, total)),
            Self::Codes(class, codes) => Self::codes(*class, repeat(codes.iter().copied(), spans, total)),
            Self::Truth(truths) => Self::Truth(repeat(truths.iter().copied(), spans, total)),
            Self::Tally(tallies) => Self::Tally(repeat(tallies.iter().copied(), spans, total)),
            Self::Sets(sets) => {
                let spread = repeat(sets.spans.iter().copied(), spans, total);
                Self::Sets(Sets { spans: Arc::new(spread), ..sets.clone() })
            }
            Self::Values(values) => {
                let mut spread = Vec::with_capacity(total);
                for (value, (first, end)) in values.iter().zip(spans) {
                    spread.extend(std::iter::repeat_n(value.clone(), (end - first) as usize));
                }
                Self::Values(spread)
            }
        }
    }
}

/// The rows a batch of terms is evaluated for: the arguments of one function.
pub(super) struct Rows<'a> {
    /// How many.
    pub(super) n: usize,
    /// The arguments.
    pub(super) arguments: Vec<Arc<Vector<'a>>>,
    /// Terms that were evaluated for these rows.
    pub(super) known: std::cell::RefCell<HashMap<crate::query::TermId, Arc<Vector<'a>>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(n: usize, arguments: Vec<Arc<Vector<'a>>>) -> Self {
        Self { n, arguments, known: std::cell::RefCell::default() }
    }

    /// Returns the rows at these places.
    pub(super) fn gather(&self, rows: &[u32]) -> Self {
        Self::new(rows.len(), self.arguments.iter().map(|argument| Arc::new(argument.gather(rows))).collect())
    }
}

//! Facts: where they come from, for which time they hold, and whether a list is whole.

use jiff::Timestamp;

/// A source of facts, by its place in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// An answer of a service, live or from a file.
    Api,
    /// A table of facts that ships with the program.
    Table,
    /// A row of a register: attested.
    Register,
    /// Concluded from other facts.
    Derived,
    /// The world of a test.
    Test,
}

/// Who vouches for a fact that no service gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attestation {
    /// Its id, unique in the snapshot.
    pub id: String,
    /// Who.
    pub attested_by: String,
    /// When.
    pub attested_at: Option<Timestamp>,
    /// The evidence file.
    pub evidence_file: Option<String>,
    /// The sha256 of the evidence.
    pub evidence_hash: Option<String>,
    /// The last instant it may be relied on; past it the fact is unknown.
    pub review_due_at: Option<Timestamp>,
}

impl Attestation {
    /// Tells whether it may no longer be relied on: its review is overdue.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.review_due_at.is_some_and(|due| due < now)
    }
}

/// Where facts come from: one answer, one file, one register row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactSource {
    /// What it is.
    pub kind: SourceKind,
    /// The read or register, such as `arm:roleAssignments`.
    pub name: String,
    /// The file, with a line where that helps: `registers/designations.yaml:12`.
    pub location: Option<String>,
    /// The request that gave the answer, if it was recorded.
    pub request: Option<String>,
    /// When it was read, if that was recorded.
    pub read_at: Option<Timestamp>,
    /// Who vouches for it, for a register.
    pub attestation: Option<Attestation>,
}

impl FactSource {
    /// Makes a source without location, request, time or attestation.
    #[must_use]
    pub fn new(kind: SourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), location: None, request: None, read_at: None, attestation: None }
    }

    /// Adds the file it stands in.
    #[must_use]
    pub fn at(self, location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..self }
    }

    /// Writes it for people: name and location.
    #[must_use]
    pub fn display(&self) -> String {
        match &self.location {
            Some(location) => format!("{} ({location})", self.name),
            None => self.name.clone(),
        }
    }
}

/// One end of the time for which a fact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// Without end on this side.
    Unbounded,
    /// At this instant.
    At(Timestamp),
    /// There is an end, and nobody knows when.
    Unknown,
}

/// The half-open time for which a fact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// First instant.
    pub from: Bound,
    /// The instant at which it no longer holds.
    pub to: Bound,
}

impl Interval {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Bound::Unbounded, to: Bound::Unbounded };
    /// Holds when it was read; since when is not known.
    pub const CURRENT: Self = Self { from: Bound::Unknown, to: Bound::Unbounded };

    /// Returns the interval from `from` on.
    #[must_use]
    pub fn since(from: Timestamp) -> Self {
        Self { from: Bound::At(from), to: Bound::Unbounded }
    }

    /// Tells whether `instant` lies inside; `None` when an unknown end leaves it open.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> Option<bool> {
        let after_start = match self.from {
            Bound::Unbounded => Some(true),
            Bound::At(from) => Some(from <= instant),
            Bound::Unknown => None,
        };
        let before_end = match self.to {
            Bound::Unbounded => Some(true),
            Bound::At(to) => Some(instant < to),
            Bound::Unknown => None,
        };
        match (after_start, before_end) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// Whether a list is whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Completeness {
    /// Whether nothing is missing from the list as it was read.
    pub complete: bool,
    /// Why it is not; `None` for a list that nobody tried to read.
    pub reason: Option<String>,
    /// Times for which nothing is missing from the history.
    pub covered: Vec<Interval>,
    /// Who says so.
    pub source: Option<SourceId>,
}

impl Completeness {
    /// A list that is whole now and was so at all times.
    #[must_use]
    pub fn always() -> Self {
        Self { complete: true, reason: None, covered: vec![Interval::ALWAYS], source: None }
    }

    /// A list that is whole as it was read; nothing is known of earlier times.
    #[must_use]
    pub fn now(source: Option<SourceId>) -> Self {
        Self { complete: true, reason: None, covered: Vec::new(), source }
    }

    /// A list that may lack members, and why.
    #[must_use]
    pub fn open(reason: Option<String>, source: Option<SourceId>) -> Self {
        Self { complete: false, reason, covered: Vec::new(), source }
    }

    /// Tells whether nothing is missing from the list as it was at `instant`.
    #[must_use]
    pub fn covers(&self, instant: Timestamp) -> bool {
        self.covered.iter().any(|interval| interval.contains(instant) == Some(true))
    }
}

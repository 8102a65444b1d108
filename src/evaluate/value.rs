//! Values during evaluation: what is known, what is not, and sets that may have more members.

use std::sync::Arc;

use crate::model::{Base, EntityId, PropertyId, Value};

/// Truth in Kleene's sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// False in every completion of the snapshot.
    False,
    /// Not decided by what is known.
    Unknown,
    /// True in every completion of the snapshot.
    True,
}

impl Truth {
    /// Returns the truth of a known condition.
    #[must_use]
    pub fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// Returns the negation.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    /// Returns the negation if `negated`.
    #[must_use]
    pub fn negate_if(self, negated: bool) -> Self {
        if negated { self.negate() } else { self }
    }
}

/// A member of an open set that nobody has seen: every attribute of it is unknown, except the way it was reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unseen {
    /// What it is declared to be.
    pub base: Base,
    /// The single-valued inverse of the navigation it was reached by, and what it leads back to.
    pub origin: Option<(PropertyId, EntityId)>,
}

/// A known member of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The member.
    pub value: Value,
    /// Whether it surely is a member.
    pub sure: bool,
}

/// A set: known members in canonical order, and whether there may be others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetValue {
    /// Known members, sorted, each once.
    pub members: Vec<Member>,
    /// What unseen members would be; empty for a closed set.
    pub unseen: Vec<Unseen>,
}

impl SetValue {
    /// Returns a set of which nothing is known.
    #[must_use]
    pub fn open(base: Base) -> Self {
        Self { members: Vec::new(), unseen: vec![Unseen { base, origin: None }] }
    }

    /// Sorts the members and folds repeated ones: one sure sighting is enough.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.members.sort_by(|a, b| a.value.cmp(&b.value).then(b.sure.cmp(&a.sure)));
        self.members.dedup_by(|a, b| a.value == b.value);
        self.unseen.sort();
        self.unseen.dedup();
        self
    }
}

/// A value that is only known to lie between bounds, both inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The smallest it can be; no bound without.
    pub low: Option<Value>,
    /// The largest it can be; no bound without.
    pub high: Option<Value>,
    /// Whether it may be none.
    pub maybe_none: bool,
}

/// A value during evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Val {
    /// A known value.
    Known(Value),
    /// Known to be absent.
    None,
    /// Not known.
    Unknown,
    /// A member nobody has seen.
    Unseen(Unseen),
    /// Known to lie between bounds.
    Range(Range),
    /// A set.
    Set(Arc<SetValue>),
}

impl Val {
    /// Returns the truth of a Bool.
    #[must_use]
    pub fn truth(&self) -> Truth {
        match self {
            Self::Known(Value::Bool(value)) => Truth::of(*value),
            _ => Truth::Unknown,
        }
    }

    /// Makes a Bool of a truth.
    #[must_use]
    pub fn of_truth(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Known(Value::Bool(true)),
            Truth::False => Self::Known(Value::Bool(false)),
            Truth::Unknown => Self::Unknown,
        }
    }
}

//! Sets of entities that something may have changed for.

use std::collections::BTreeMap;

use crate::model::PropertyId;

/// Entities, and members nobody has seen that lead back to an entity over a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ids {
    /// Sorted.
    pub(super) known: Vec<u32>,
    /// Sorted.
    pub(super) unseen: Vec<(PropertyId, u32)>,
}

impl Ids {
    pub(super) fn of(mut known: Vec<u32>) -> Self {
        known.sort_unstable();
        known.dedup();
        Self { known, unseen: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unseen.is_empty()
    }

    pub(super) fn add(&mut self, other: &Self) {
        union(&mut self.known, &other.known);
        union(&mut self.unseen, &other.unseen);
    }
}

fn union<T: Copy + Ord>(into: &mut Vec<T>, other: &[T]) {
    if other.is_empty() {
        return;
    }
    into.extend_from_slice(other);
    into.sort_unstable();
    into.dedup();
}

/// For which arguments of its function a term may have another value than before: for none that is not named here.
#[derive(Debug, Clone, Default)]
pub(super) struct Touch {
    /// Whether it may for all.
    pub(super) all: bool,
    /// For each argument the entities for which it may, whatever the others are.
    pub(super) by_argument: BTreeMap<u32, Ids>,
}

impl Touch {
    pub(super) fn all() -> Self {
        Self { all: true, by_argument: BTreeMap::new() }
    }

    pub(super) fn argument(at: u32, ids: Ids) -> Self {
        Self { all: false, by_argument: BTreeMap::from([(at, ids)]) }
    }

    pub(super) fn add(&mut self, other: &Self) {
        if self.all || other.all {
            *self = Self::all();
            return;
        }
        for (at, ids) in &other.by_argument {
            self.by_argument.entry(*at).or_default().add(ids);
        }
    }
}

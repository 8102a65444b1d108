//! What differs between two snapshots of one schema, as far as a verdict can depend on it.
//!
//! Ids and codes of two snapshots differ, so they are compared by what they stand for: keys, texts, instants, sources. Reasons
//! and sources that nobody vouches for are left aside: they are shown, and decide nothing. A part that has the same digest on
//! both sides is not loaded where ids and codes are the same on both sides, too.

mod compare;
mod keys;
mod mapping;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Columns;
use crate::model::{EntityTypeId, PropertyId};

pub use mapping::Mapping;

/// What differs between two snapshots. All ids are those of the new one unless said otherwise.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// Old ids and new ids of the same entities: same type, same key.
    pub entities: Mapping,
    /// For each property that was compared the entities of which something of it differs, sorted: its value, its list or what
    /// is claimed of it, its history. Entities that are new are not among them.
    pub changed: BTreeMap<PropertyId, Vec<u32>>,
    /// Entities that exist for another time, sorted.
    pub lifetimes: Vec<u32>,
    /// Entities that are new, sorted.
    pub added: Vec<u32>,
    /// Old ids of those that are gone, sorted.
    pub removed: Vec<u32>,
    /// Types whose list of entities differs, or what is claimed of it, or when one of them exists.
    pub extents: BTreeSet<EntityTypeId>,
    /// The end of the capture, before and now.
    pub captured: (Option<Timestamp>, Option<Timestamp>),
    /// Whether something differs that everything depends on: what silence means.
    pub everything: bool,
}

impl Delta {
    /// Compares two snapshots in these properties.
    ///
    /// # Errors
    /// What could not be read of one of them, in words.
    pub fn between(old: &Columns, new: &Columns, properties: &BTreeSet<PropertyId>) -> Result<Self, String> {
        let delta = compare::compare(old, new, properties);
        match old.trouble().or(new.trouble()) {
            Some(trouble) => Err(trouble.to_owned()),
            None => Ok(delta),
        }
    }

    /// Returns the delta of a snapshot to itself.
    #[must_use]
    pub fn nothing(columns: &Columns) -> Self {
        let captured = columns.meta().captured_to;
        Self { entities: Mapping::same(columns.n()), captured: (captured, captured), ..Self::default() }
    }

    /// Returns the entities of which something of a property differs.
    #[must_use]
    pub fn of(&self, property: PropertyId) -> &[u32] {
        self.changed.get(&property).map_or(&[], Vec::as_slice)
    }

    /// Returns how many facts differ: of how many entities a property does, and entities that came or went.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changed.values().map(Vec::len).sum::<usize>() + self.lifetimes.len() + self.added.len() + self.removed.len()
    }

    /// Tells whether nothing differs that a verdict can depend on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.extents.is_empty() && self.captured.0 == self.captured.1 && !self.everything
    }
}

//! The canonical form of a snapshot: what is stored on disk, before anything is derived.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Completeness, EntityTypeId, FactSource, Interval, PropertyId, SourceId, Value};

/// What is known of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellState {
    /// It has this value.
    Known(Value),
    /// The source says that there is none.
    None,
    /// Nobody knows; the reason, if somebody tried.
    Unknown(Option<Arc<str>>),
}

/// One attribute of one entity and where it was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// What is known.
    pub state: CellState,
    /// Who says so.
    pub source: Option<SourceId>,
}

/// A value an attribute had for a while.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryEntry {
    /// When.
    pub interval: Interval,
    /// The value.
    pub state: CellState,
    /// Who says so.
    pub source: Option<SourceId>,
}

/// A member of a navigation, with the time for which it is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The entity, or the scalar for sets of scalars.
    pub member: Value,
    /// When it is a member.
    pub interval: Interval,
    /// Who says so.
    pub source: Option<SourceId>,
}

/// One entity with everything said about it. Vectors are sorted by property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its type; an abstract one where the source did not tell.
    pub entity_type: EntityTypeId,
    /// Its canonical key.
    pub key: Arc<str>,
    /// When it exists.
    pub lifetime: Interval,
    /// Single-valued properties somebody said something about.
    pub cells: Vec<(PropertyId, Cell)>,
    /// Earlier values.
    pub history: Vec<(PropertyId, HistoryEntry)>,
    /// Members of sets that no single-valued inverse implies.
    pub edges: Vec<(PropertyId, Edge)>,
    /// What was claimed of its lists.
    pub completeness: Vec<(PropertyId, Completeness)>,
}

/// What was claimed of the list of all entities of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// The type.
    pub entity_type: EntityTypeId,
    /// The claim.
    pub completeness: Completeness,
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The directory it describes.
    pub tenant: Option<String>,
    /// Begin of the capture window.
    pub captured_from: Option<Timestamp>,
    /// End of the capture window; the snapshot's `now`.
    pub captured_to: Option<Timestamp>,
    /// What did not fit together, in words, sorted.
    pub problems: Vec<String>,
    /// Whether a list nobody spoke of is complete: true in the worlds of tests only.
    pub closed_world: bool,
}

/// A snapshot in canonical order: entities depth-first over the tree of types, by name, then by key. So ids are dense and
/// stable, and each type with its subtypes is one range of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// About the snapshot.
    pub meta: SnapshotMeta,
    /// All sources, sorted; a [`SourceId`] is a place here.
    pub sources: Vec<FactSource>,
    /// All entities; an [`EntityId`](crate::model::EntityId) is a place here.
    pub entities: Vec<Record>,
    /// Claims about whole types, sorted.
    pub extents: Vec<Extent>,
}

//! What the evaluator asks of a snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::records::{Cell, CellState, Edge, HistoryEntry, Records, SnapshotMeta};
use crate::model::{Completeness, EntityId, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, canonical_key};

/// One set navigation of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nav {
    /// Its known members, sorted.
    pub members: Vec<Edge>,
    /// Whether there may be others.
    pub completeness: Completeness,
}

/// An immutable tenant graph. Entity ids are dense and ordered by type, subtypes after their parent, then by key.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) schema: Arc<Schema>,
    pub(super) records: Records,
    pub(super) navs: Vec<Vec<(PropertyId, Nav)>>,
    /// What was stated of members of derived navigations, before others were gathered.
    pub(super) stated: BTreeMap<(PropertyId, EntityId), Vec<Edge>>,
    pub(super) by_key: HashMap<(EntityTypeId, Arc<str>), EntityId>,
    pub(super) by_type: Vec<Vec<EntityId>>,
    pub(super) extents: Vec<Completeness>,
    pub(super) open_nav: Nav,
    pub(super) unread: Cell,
}

impl Snapshot {
    /// Returns the schema the facts were checked against.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns what the snapshot says of itself.
    #[must_use]
    pub fn meta(&self) -> &SnapshotMeta {
        &self.records.meta
    }

    /// Returns the canonical records the snapshot was made from.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns how many entities there are; ids run from 0.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.entities.len()
    }

    /// Tells whether there is no entity at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.entities.is_empty()
    }

    /// Returns the type of an entity; an abstract one means that the concrete type is not known.
    #[must_use]
    pub fn entity_type(&self, id: EntityId) -> Option<EntityTypeId> {
        self.records.entities.get(id.0 as usize).map(|record| record.entity_type)
    }

    /// Returns the canonical key of an entity.
    #[must_use]
    pub fn key(&self, id: EntityId) -> &str {
        self.records.entities.get(id.0 as usize).map_or("", |record| &record.key)
    }

    /// Returns the entity of a key.
    #[must_use]
    pub fn find(&self, entity_type: EntityTypeId, key: &str) -> Option<EntityId> {
        let ty = self.schema.entity(entity_type)?;
        let key: Arc<str> = Arc::from(canonical_key(ty.key.base, key));
        self.by_key.get(&(ty.root, key)).copied()
    }

    /// Returns the known entities of a type and its subtypes, sorted. Entities whose concrete type is unknown are not in
    /// the list of a subtype; see [`Snapshot::possible`].
    pub fn extent(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        self.schema.subtypes(ty).filter_map(|sub| self.by_type.get(sub.id.0 as usize)).flatten().copied()
    }

    /// Returns the entities that may turn out to be of type `ty`: those recorded with an abstract type above it.
    pub fn possible(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        self.schema
            .entities
            .iter()
            .filter(move |above| above.id != ty && self.schema.is_subtype(ty, above.id))
            .filter_map(|above| self.by_type.get(above.id.0 as usize))
            .flatten()
            .copied()
    }

    /// Tells whether the list of all entities of a type is whole.
    #[must_use]
    pub fn extent_completeness(&self, ty: EntityTypeId) -> &Completeness {
        self.extents.get(ty.0 as usize).unwrap_or(&self.open_nav.completeness)
    }

    /// Returns what is known of a single-valued property.
    #[must_use]
    pub fn cell(&self, id: EntityId, property: PropertyId) -> &Cell {
        let cells = self.records.entities.get(id.0 as usize).map_or(&[][..], |record| &record.cells);
        let found = cells.binary_search_by_key(&property, |(known, _)| *known).ok();
        found.and_then(|at| cells.get(at)).map_or(&self.unread, |(_, cell)| cell)
    }

    /// Returns the recorded earlier values of a property, sorted by time.
    pub fn history(&self, id: EntityId, property: PropertyId) -> impl Iterator<Item = &HistoryEntry> {
        let history = self.records.entities.get(id.0 as usize).map_or(&[][..], |record| &record.history);
        history.iter().filter(move |(known, _)| *known == property).map(|(_, entry)| entry)
    }

    /// Returns a set navigation.
    #[must_use]
    pub fn nav(&self, id: EntityId, property: PropertyId) -> &Nav {
        let navs = self.navs.get(id.0 as usize).map_or(&[][..], Vec::as_slice);
        let found = navs.binary_search_by_key(&property, |(known, _)| *known).ok();
        found.and_then(|at| navs.get(at)).map_or(&self.open_nav, |(_, nav)| nav)
    }

    /// Returns for which time an entity exists.
    #[must_use]
    pub fn lifetime(&self, id: EntityId) -> Interval {
        self.records.entities.get(id.0 as usize).map_or(Interval::CURRENT, |record| record.lifetime)
    }

    /// Returns a source of facts.
    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&FactSource> {
        self.records.sources.get(id.0 as usize)
    }

    /// Returns a name for people: the display name if it is known, else the key.
    #[must_use]
    pub fn label(&self, id: EntityId) -> String {
        let named = self.entity_type(id).and_then(|ty| {
            let property = self.schema.property_named(ty, "display_name")?;
            match &self.cell(id, property.id).state {
                CellState::Known(crate::model::Value::Text(name)) if !name.is_empty() => Some(name.to_string()),
                _ => None,
            }
        });
        named.unwrap_or_else(|| self.key(id).to_owned())
    }
}

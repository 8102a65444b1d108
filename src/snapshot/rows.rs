//! A snapshot as records and what was derived from them: for small worlds, and to be turned into columns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::read::Nav;
use super::records::{Cell, CellState, Edge, HistoryEntry, Records};
use crate::model::{Completeness, EntityId, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, canonical_key};

/// Frozen records.
#[derive(Debug, Clone)]
pub(super) struct Rows {
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

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.records.entities.len()
    }

    pub(super) fn entity_type(&self, id: EntityId) -> Option<EntityTypeId> {
        self.records.entities.get(id.0 as usize).map(|record| record.entity_type)
    }

    pub(super) fn key(&self, id: EntityId) -> &str {
        self.records.entities.get(id.0 as usize).map_or("", |record| &record.key)
    }

    pub(super) fn find(&self, entity_type: EntityTypeId, key: &str) -> Option<EntityId> {
        let ty = self.schema.entity(entity_type)?;
        let key: Arc<str> = Arc::from(canonical_key(ty.key.base, key));
        self.by_key.get(&(ty.root, key)).copied()
    }

    pub(super) fn extent(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        self.schema.subtypes(ty).filter_map(|sub| self.by_type.get(sub.id.0 as usize)).flatten().copied()
    }

    pub(super) fn possible(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        self.schema
            .entities
            .iter()
            .filter(move |above| above.id != ty && self.schema.is_subtype(ty, above.id))
            .filter_map(|above| self.by_type.get(above.id.0 as usize))
            .flatten()
            .copied()
    }

    pub(super) fn extent_completeness(&self, ty: EntityTypeId) -> &Completeness {
        self.extents.get(ty.0 as usize).unwrap_or(&self.open_nav.completeness)
    }

    pub(super) fn cell(&self, id: EntityId, property: PropertyId) -> &Cell {
        let cells = self.records.entities.get(id.0 as usize).map_or(&[][..], |record| &record.cells);
        let found = cells.binary_search_by_key(&property, |(known, _)| *known).ok();
        found.and_then(|at| cells.get(at)).map_or(&self.unread, |(_, cell)| cell)
    }

    pub(super) fn history(&self, id: EntityId, property: PropertyId) -> impl Iterator<Item = &HistoryEntry> {
        let history = self.records.entities.get(id.0 as usize).map_or(&[][..], |record| &record.history);
        history.iter().filter(move |(known, _)| *known == property).map(|(_, entry)| entry)
    }

    pub(super) fn nav(&self, id: EntityId, property: PropertyId) -> &Nav {
        let navs = self.navs.get(id.0 as usize).map_or(&[][..], Vec::as_slice);
        let found = navs.binary_search_by_key(&property, |(known, _)| *known).ok();
        found.and_then(|at| navs.get(at)).map_or(&self.open_nav, |(_, nav)| nav)
    }

    pub(super) fn lifetime(&self, id: EntityId) -> Interval {
        self.records.entities.get(id.0 as usize).map_or(Interval::CURRENT, |record| record.lifetime)
    }

    pub(super) fn source(&self, id: SourceId) -> Option<&FactSource> {
        self.records.sources.get(id.0 as usize)
    }

    pub(super) fn label(&self, id: EntityId) -> String {
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

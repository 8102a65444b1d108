//! What the evaluator asks of a snapshot, answered from records or from columns.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::columns::Columns;
use super::overlay::Overlay;
use super::records::{Cell, Edge, HistoryEntry, Records, SnapshotMeta};
use super::rows::Rows;
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
    schema: Arc<Schema>,
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    /// Frozen records, and their columns once somebody asked for them.
    Rows(Box<Rows>, OnceLock<Arc<Columns>>),
    Columns(Arc<Columns>),
    /// Changes over another snapshot.
    Overlay(Arc<Overlay>, OnceLock<Arc<Columns>>),
}

impl Snapshot {
    /// Derives everything a reader needs from canonical records.
    #[must_use]
    pub fn freeze(schema: Arc<Schema>, records: Records) -> Self {
        let rows = Rows::freeze(Arc::clone(&schema), records);
        Self { schema, store: Store::Rows(Box::new(rows), OnceLock::new()) }
    }

    /// Reads from columns.
    #[must_use]
    pub fn from_columns(columns: impl Into<Arc<Columns>>) -> Self {
        let columns = columns.into();
        Self { schema: Arc::clone(columns.schema()), store: Store::Columns(columns) }
    }

    /// Returns the snapshot as columns; they are made from the records when they are first asked for.
    #[must_use]
    pub fn columns(&self) -> &Arc<Columns> {
        match &self.store {
            Store::Rows(rows, columns) => columns.get_or_init(|| Arc::new(Columns::of_rows(rows))),
            Store::Columns(columns) => columns,
            // Columns number entities anew, so that what they say would be taken for somebody else's.
            Store::Overlay(_, columns) => columns.get_or_init(|| {
                let reason = "a simulation has no columns; it is made anew from its records first";
                Arc::new(Columns::unreadable(Arc::clone(&self.schema), reason))
            }),
        }
    }

    pub(super) fn of_overlay(overlay: Arc<Overlay>) -> Self {
        Self { schema: Arc::clone(overlay.below().schema()), store: Store::Overlay(overlay, OnceLock::new()) }
    }

    pub(super) fn as_overlay(&self) -> Option<&Overlay> {
        match &self.store {
            Store::Overlay(overlay, _) => Some(overlay),
            _ => None,
        }
    }

    fn rows(&self) -> Option<&Rows> {
        match &self.store {
            Store::Rows(rows, _) => Some(rows),
            Store::Columns(_) | Store::Overlay(..) => None,
        }
    }

    fn columnar(&self) -> Option<&Columns> {
        match &self.store {
            Store::Rows(..) | Store::Overlay(..) => None,
            Store::Columns(columns) => Some(columns),
        }
    }

    /// Returns the schema the facts were checked against.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns what the snapshot says of itself.
    #[must_use]
    pub fn meta(&self) -> &SnapshotMeta {
        match &self.store {
            Store::Rows(rows, _) => &rows.records.meta,
            Store::Columns(columns) => columns.meta(),
            Store::Overlay(overlay, _) => overlay.below().meta(),
        }
    }

    /// Returns the canonical records the snapshot was made from, or the same made again from columns.
    #[must_use]
    pub fn records(&self) -> Cow<'_, Records> {
        match &self.store {
            Store::Rows(rows, _) => Cow::Borrowed(&rows.records),
            Store::Columns(columns) => Cow::Owned(columns.records()),
            Store::Overlay(overlay, _) => {
                overlay.rebuilt().map_or_else(|_| Cow::Owned(Records::default()), |made| Cow::Owned(made.records().into_owned()))
            }
        }
    }

    /// Returns what could not be read although it is stored; whatever was decided then must not be believed.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match &self.store {
            Store::Rows(..) => None,
            Store::Columns(columns) => columns.trouble(),
            Store::Overlay(overlay, columns) => overlay.below().trouble().or_else(|| columns.get()?.trouble()),
        }
    }

    /// Returns how many entities there are; ids run from 0.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.store {
            Store::Rows(rows, _) => rows.len(),
            Store::Columns(columns) => columns.n() as usize,
            Store::Overlay(overlay, _) => overlay.len(),
        }
    }

    /// Tells whether there is no entity at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the type of an entity; an abstract one means that the concrete type is not known.
    #[must_use]
    pub fn entity_type(&self, id: EntityId) -> Option<EntityTypeId> {
        match &self.store {
            Store::Rows(rows, _) => rows.entity_type(id),
            Store::Columns(columns) => columns.type_of(id.0),
            Store::Overlay(overlay, _) => overlay.entity_type(id),
        }
    }

    /// Returns the canonical key of an entity.
    #[must_use]
    pub fn key(&self, id: EntityId) -> Cow<'_, str> {
        match &self.store {
            Store::Rows(rows, _) => Cow::Borrowed(rows.key(id)),
            Store::Columns(columns) => columns.key(id.0),
            Store::Overlay(overlay, _) => overlay.key(id),
        }
    }

    /// Returns the entity of a key.
    #[must_use]
    pub fn find(&self, entity_type: EntityTypeId, key: &str) -> Option<EntityId> {
        match &self.store {
            Store::Rows(rows, _) => rows.find(entity_type, key),
            Store::Columns(columns) => {
                let ty = self.schema.entity(entity_type)?;
                columns.find(entity_type, &canonical_key(ty.key.base, key)).map(EntityId)
            }
            Store::Overlay(overlay, _) => overlay.find(entity_type, key),
        }
    }

    /// Returns the known entities of a type and its subtypes. Entities whose concrete type is unknown are not in the list of
    /// a subtype; see [`Snapshot::possible`].
    pub fn extent(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        let over = self.as_overlay().map(|overlay| overlay.extent(ty)).into_iter().flatten();
        let rows = self.rows().map(|rows| rows.extent(ty)).into_iter().flatten();
        over.chain(rows).chain(self.columnar().map(|columns| columns.domain(ty).map(EntityId)).into_iter().flatten())
    }

    /// Returns the entities that may turn out to be of type `ty`: those recorded with an abstract type above it.
    pub fn possible(&self, ty: EntityTypeId) -> impl Iterator<Item = EntityId> {
        // Whatever a simulation makes is of a concrete type.
        let over: Option<Box<dyn Iterator<Item = EntityId>>> =
            self.as_overlay().map(|overlay| Box::new(overlay.below().possible(ty)) as Box<dyn Iterator<Item = EntityId>>);
        let rows = self.rows().map(|rows| rows.possible(ty)).into_iter().flatten();
        over.into_iter()
            .flatten()
            .chain(rows)
            .chain(self.columnar().map(|columns| columns.possible(ty).map(EntityId)).into_iter().flatten())
    }

    /// Tells whether the list of all entities of a type is whole.
    #[must_use]
    pub fn extent_completeness(&self, ty: EntityTypeId) -> &Completeness {
        match &self.store {
            Store::Rows(rows, _) => rows.extent_completeness(ty),
            Store::Columns(columns) => columns.extent_completeness(ty),
            Store::Overlay(overlay, _) => overlay.below().extent_completeness(ty),
        }
    }

    /// Returns what is known of a single-valued property.
    #[must_use]
    pub fn cell(&self, id: EntityId, property: PropertyId) -> Cow<'_, Cell> {
        match &self.store {
            Store::Rows(rows, _) => Cow::Borrowed(rows.cell(id, property)),
            Store::Columns(columns) => Cow::Owned(columns.cell(id.0, property)),
            Store::Overlay(overlay, _) => overlay.cell(id, property),
        }
    }

    /// Returns the recorded earlier values of a property, sorted by time.
    pub fn history(&self, id: EntityId, property: PropertyId) -> impl Iterator<Item = Cow<'_, HistoryEntry>> {
        let over: Option<Box<dyn Iterator<Item = Cow<'_, HistoryEntry>>>> = self
            .as_overlay()
            .filter(|overlay| !overlay.is_added(id))
            .map(|overlay| Box::new(overlay.below().history(id, property)) as Box<dyn Iterator<Item = Cow<'_, HistoryEntry>>>);
        let rows = self.rows().map(|rows| rows.history(id, property)).into_iter().flatten().map(Cow::Borrowed);
        over.into_iter()
            .flatten()
            .chain(rows)
            .chain(self.columnar().map(|columns| columns.entries(id.0, property)).into_iter().flatten().map(Cow::Owned))
    }

    /// Returns a set navigation.
    #[must_use]
    pub fn nav(&self, id: EntityId, property: PropertyId) -> Cow<'_, Nav> {
        match &self.store {
            Store::Rows(rows, _) => Cow::Borrowed(rows.nav(id, property)),
            Store::Columns(columns) => Cow::Owned(columns.nav(id.0, property)),
            Store::Overlay(overlay, _) => overlay.nav(id, property),
        }
    }

    /// Returns for which time an entity exists.
    #[must_use]
    pub fn lifetime(&self, id: EntityId) -> Interval {
        match &self.store {
            Store::Rows(rows, _) => rows.lifetime(id),
            Store::Columns(columns) => columns.lifetime(id.0),
            Store::Overlay(overlay, _) => overlay.lifetime(id),
        }
    }

    /// Returns all sources of facts.
    #[must_use]
    pub fn sources(&self) -> &[FactSource] {
        match &self.store {
            Store::Rows(rows, _) => &rows.records.sources,
            Store::Columns(columns) => columns.sources(),
            Store::Overlay(overlay, _) => overlay.sources(),
        }
    }

    /// Returns a source of facts.
    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&FactSource> {
        self.sources().get(id.0 as usize)
    }

    /// Returns a name for people: the display name if it is known, else the key.
    #[must_use]
    pub fn label(&self, id: EntityId) -> String {
        match &self.store {
            Store::Rows(rows, _) => rows.label(id),
            Store::Columns(columns) => columns.label(id.0),
            Store::Overlay(overlay, _) => overlay.label(id),
        }
    }
}

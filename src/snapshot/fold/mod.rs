//! Folds the snapshot before into a new one, so that what was known then is known still, each fact for the time it was known.
//!
//! In: the records of the earlier snapshot and of the new one, of one directory, the earlier captured first. Out: the new
//! records with histories, ended entities and covered times of the earlier ones.
//!
//! Two captures say what was seen at either; nothing says what was in between but facts that have times of their own, such as
//! the creation of a role assignment or an event of the activity log. So what the earlier snapshot read holds for the instant
//! of its capture ([`Fold::moment`]), lists are covered for that instant, and between the captures a list stays open.
//!
//! Invariants: whatever is known of now comes from the new snapshot alone, but for dates that cannot change; a list is covered
//! for a time only if every member of that time is there; what two snapshots contradict each other about is covered by
//! neither, and noted.
//!
//! - `members`: entities that are members for as long as they exist, such as role assignments
//! - `values`: attributes with a history, and memberships with times
//! - `covers`: for which times lists are whole
//! - `lasting`: dates that do not change: acquisition, first seen

mod covers;
mod lasting;
mod members;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::builder::{Handle, SnapshotBuilder};
use super::records::{Cell, CellState, Record, Records, SnapshotMeta};
use crate::model::{Bound, EntityId, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind, Value, format_instant};

/// Why two snapshots cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoldError {
    /// One of them does not say whose it is.
    #[error("the {which} snapshot does not say which directory it describes, so nothing can be folded")]
    NoTenant {
        /// Which: `earlier` or `new`.
        which: &'static str,
    },
    /// They describe different directories.
    #[error(
        "the earlier snapshot describes the directory {earlier}, and the new one {new}: name an earlier snapshot of the same directory"
    )]
    OtherTenant {
        /// The directory of the earlier one.
        earlier: String,
        /// The directory of the new one.
        new: String,
    },
    /// One of them does not say when it was captured.
    #[error("the {which} snapshot does not say when it was captured, so nothing can be folded")]
    NoTime {
        /// Which: `earlier` or `new`.
        which: &'static str,
    },
    /// The earlier one is not earlier.
    #[error(
        "the capture of the earlier snapshot ends at {earlier}, and that of the new one begins at {new}: name one that was captured before"
    )]
    NotEarlier {
        /// End of its capture.
        earlier: String,
        /// Begin of the new capture.
        new: String,
    },
}

/// Tells whether a snapshot can be folded into one that is captured from `begins_at` on.
///
/// # Errors
/// [`FoldError`], if it is of another directory or not earlier, or does not say.
pub fn can_fold(earlier: &SnapshotMeta, tenant: Option<&str>, begins_at: Option<Timestamp>) -> Result<Timestamp, FoldError> {
    let named = earlier.tenant.as_deref().ok_or(FoldError::NoTenant { which: "earlier" })?;
    let tenant = tenant.ok_or(FoldError::NoTenant { which: "new" })?;
    if !named.eq_ignore_ascii_case(tenant) {
        return Err(FoldError::OtherTenant { earlier: named.to_owned(), new: tenant.to_owned() });
    }
    let captured_at = earlier.captured_to.ok_or(FoldError::NoTime { which: "earlier" })?;
    let begins_at = begins_at.ok_or(FoldError::NoTime { which: "new" })?;
    if captured_at >= begins_at {
        return Err(FoldError::NotEarlier { earlier: format_instant(captured_at), new: format_instant(begins_at) });
    }
    Ok(captured_at)
}

/// Folds an earlier snapshot into a new one. `label` names the earlier one where facts say where they come from.
///
/// # Errors
/// As [`can_fold`].
pub fn fold(schema: &Arc<Schema>, earlier: &Records, new: Records, label: &str) -> Result<Records, FoldError> {
    let captured_at = can_fold(&earlier.meta, new.meta.tenant.as_deref(), new.meta.captured_from)?;
    let whole_types = new.extents.iter().filter(|extent| extent.completeness.complete);
    let whole_types = whole_types.filter_map(|extent| Some((extent.entity_type, extent.completeness.source?))).collect();
    let n_new = u32::try_from(new.entities.len()).unwrap_or(u32::MAX);
    let captured_to = new.meta.captured_to;
    let mut fold = Fold {
        schema: Arc::clone(schema),
        earlier,
        label,
        captured_at,
        seen_until: captured_at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(captured_at),
        captured_to,
        builder: SnapshotBuilder::from_records(Arc::clone(schema), new),
        n_new,
        whole_types,
        sources: BTreeMap::new(),
        carried: BTreeMap::new(),
        contradicted: BTreeSet::new(),
    };
    fold.check_logs();
    fold.take_members();
    fold.take_values();
    fold.take_memberships();
    fold.take_covers();
    fold.take_lasting();
    Ok(fold.builder.records())
}

/// A list of one entity.
type ListOf = (Handle, PropertyId);

/// Two snapshots while they are folded.
struct Fold<'f> {
    schema: Arc<Schema>,
    earlier: &'f Records,
    label: &'f str,
    /// When the earlier snapshot was captured.
    captured_at: Timestamp,
    /// The end of the time for which it knows anything.
    seen_until: Timestamp,
    captured_to: Option<Timestamp>,
    /// The new snapshot, and what is added to it.
    builder: SnapshotBuilder,
    /// How many entities the new snapshot has by itself.
    n_new: u32,
    /// Types all of whose entities the new snapshot holds, with who says so.
    whole_types: BTreeMap<EntityTypeId, SourceId>,
    /// Sources of the earlier snapshot that were taken over.
    sources: BTreeMap<SourceId, SourceId>,
    /// Entities of the earlier snapshot that were taken over, or are in the new one.
    carried: BTreeMap<EntityId, Handle>,
    /// Lists about which the two snapshots contradict each other.
    contradicted: BTreeSet<ListOf>,
}

impl<'f> Fold<'f> {
    fn records(&self) -> impl Iterator<Item = (EntityId, &'f Record)> + use<'f> {
        (0_u32..).map(EntityId).zip(&self.earlier.entities)
    }

    fn record(&self, id: EntityId) -> Option<&'f Record> {
        self.earlier.entities.get(id.0 as usize)
    }

    /// The instant for which the earlier snapshot holds.
    fn moment(&self) -> Interval {
        Interval { from: Bound::At(self.captured_at), to: Bound::At(self.seen_until) }
    }

    /// Returns the part of a time of which the earlier snapshot could know. One whose end is not known says nothing that holds
    /// later.
    fn known_part(&self, interval: Interval) -> Option<Interval> {
        let to = match interval.to {
            Bound::Unbounded => self.seen_until,
            Bound::At(to) => to.min(self.seen_until),
            Bound::Unknown => return None,
        };
        let empty = matches!(interval.from, Bound::At(from) if from >= to);
        (!empty).then_some(Interval { from: interval.from, to: Bound::At(to) })
    }

    /// Returns the entity in the new snapshot that one of the earlier snapshot is, if it is there by itself.
    fn present(&self, id: EntityId) -> Option<Handle> {
        let record = self.record(id)?;
        let handle = self.builder.find(self.schema.entity_name(record.entity_type), &record.key)?;
        (handle.0 < self.n_new).then_some(handle)
    }

    /// Tells whether the new snapshot holds all entities of a type, and who says so.
    fn all_known(&self, ty: EntityTypeId) -> Option<SourceId> {
        self.whole_types.get(&ty).copied()
    }

    /// Returns an entity of the earlier snapshot in the folded one. What the new snapshot does not have keeps its identity; of
    /// what is proved to be gone its name stays, too.
    fn carry(&mut self, id: EntityId) -> Option<Handle> {
        if let Some(handle) = self.carried.get(&id) {
            return Some(*handle);
        }
        let record = self.record(id)?;
        let handle = match self.present(id) {
            Some(handle) => handle,
            None => {
                let handle = self.builder.entity(record.entity_type, &record.key).ok()?;
                let to = self.known_part(record.lifetime).map_or(Bound::At(self.seen_until), |known| known.to);
                self.builder.existed(handle, Interval { from: record.lifetime.from, to });
                if let Some(source) = self.all_known(record.entity_type) {
                    // A type without these attributes says nothing by them.
                    let _ = self.builder.set(handle, "exists", Value::Bool(false), source);
                    self.carry_cell(handle, record, "display_name");
                }
                handle
            }
        };
        self.carried.insert(id, handle);
        Some(handle)
    }

    /// Takes over what was read of one attribute.
    fn carry_cell(&mut self, handle: Handle, record: &Record, name: &str) {
        let property = self.schema.property_named(record.entity_type, name).map(|property| property.id);
        let cell = record.cells.iter().find(|(known, _)| Some(*known) == property);
        if let Some((property, cell)) = cell {
            self.carry_known(handle, *property, cell);
        }
    }

    /// Takes over what was read of an attribute, if it is known.
    fn carry_known(&mut self, handle: Handle, property: PropertyId, cell: &Cell) {
        if !matches!(cell.state, CellState::Unknown(_))
            && let (Some(state), Some(source)) = (self.state(&cell.state), self.source(cell.source))
        {
            self.builder.restate(handle, property, state, source);
        }
    }

    /// Returns a value of the earlier snapshot in the folded one.
    fn value(&mut self, value: &Value) -> Option<Value> {
        match value {
            Value::Entity(id) => self.carry(*id).map(Handle::value),
            other => Some(other.clone()),
        }
    }

    fn state(&mut self, state: &CellState) -> Option<CellState> {
        Some(match state {
            CellState::Known(value) => CellState::Known(self.value(value)?),
            other => other.clone(),
        })
    }

    /// Returns a source of the earlier snapshot in the folded one: it says of which snapshot its place is.
    fn source(&mut self, id: Option<SourceId>) -> Option<SourceId> {
        let id = id?;
        if let Some(known) = self.sources.get(&id) {
            return Some(*known);
        }
        let mut source: FactSource = self.earlier.sources.get(id.0 as usize)?.clone();
        let is_elsewhere = source.location.as_deref().is_some_and(|location| location.starts_with("snapshot "));
        if source.kind != SourceKind::Derived && !is_elsewhere {
            source.location = Some(match &source.location {
                Some(location) => format!("{}: {location}", self.label),
                None => self.label.to_owned(),
            });
        }
        let made = self.builder.source(source);
        self.sources.insert(id, made);
        Some(made)
    }

    /// Notes that what the earlier snapshot knows of a list cannot be told any more.
    fn contradict(&mut self, (holder, list): ListOf, what: &str) {
        if self.contradicted.insert((holder, list)) {
            self.note(holder, list, &format!("{what}, so what the earlier snapshot knew of the list is left out"));
        }
    }

    fn note(&mut self, holder: Handle, list: PropertyId, what: &str) {
        let name = self.schema.property(list).map_or("?", |property| property.name.as_str());
        let text = format!("{name} of {}: {what}", self.builder.key_of(holder));
        self.builder.problem(text);
    }
}

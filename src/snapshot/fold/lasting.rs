//! Dates that do not change: when a subscription was acquired, and in which capture it was first seen.

use super::Fold;
use crate::model::{EntityId, FactSource, SourceKind, Value};
use crate::snapshot::builder::Handle;
use crate::snapshot::records::{Cell, CellState, Record};

/// Sources of the time of acquisition, best first: the alias by which the subscription was made, its purchase, the order at
/// Partner Center, the licence subscription, an event of the activity log.
const RANKS: [&str; 5] = [
    "arm:subscriptionAliases",
    "billing:billingSubscriptions",
    "partnercenter:subscriptions",
    "graph:directory/subscriptions",
    "arm:activityLog",
];

impl Fold<'_> {
    /// Keeps dates that were read before: the best source counts, whichever snapshot has it.
    pub(super) fn take_lasting(&mut self) {
        let Some(subscription) = self.schema.entity_named("Subscription").map(|ty| ty.id) else { return };
        let source = self.builder.source(FactSource::new(SourceKind::Derived, "earlier snapshots"));
        let mut seen = std::collections::BTreeSet::new();
        for (id, record) in self.records() {
            if record.entity_type != subscription {
                continue;
            }
            let Some(handle) = self.present(id) else { continue };
            seen.insert(handle);
            self.take_acquired(handle, record);
            let known = self.cell(record, "first_seen_at").map(|cell| cell.state.clone());
            let first = match known {
                Some(CellState::Known(first)) => first,
                _ => Value::Instant(self.captured_at),
            };
            let _ = self.builder.set(handle, "first_seen_at", first, source);
        }
        let Some(captured_to) = self.captured_to else { return };
        for handle in (0..self.n_new).map(EntityId).map(Handle::of) {
            if self.builder.type_of(handle) == Some(subscription) && !seen.contains(&handle) {
                let _ = self.builder.set(handle, "first_seen_at", Value::Instant(captured_to), source);
            }
        }
    }

    fn take_acquired(&mut self, handle: Handle, record: &Record) {
        let name = "acquired_at";
        let Some(Cell { state: CellState::Known(value), source }) = self.cell(record, name).cloned() else { return };
        let rank = |source: Option<&FactSource>| {
            let name = source.map_or("", |source| source.name.as_str());
            RANKS.iter().position(|known| *known == name).unwrap_or(RANKS.len())
        };
        let before = rank(source.and_then(|id| self.earlier.sources.get(id.0 as usize)));
        let now = self.builder.known_source(handle, name).map(|id| rank(self.builder.sources.get(id.0 as usize)));
        if now.is_none_or(|now| before < now)
            && let (Some(value), Some(source)) = (self.value(&value), self.source(source))
        {
            let _ = self.builder.overwrite(handle, name, Some(value), source);
        }
    }

    fn cell<'r>(&self, record: &'r Record, name: &str) -> Option<&'r Cell> {
        let property = self.schema.property_named(record.entity_type, name)?.id;
        record.cells.iter().find(|(known, _)| *known == property).map(|(_, cell)| cell)
    }
}

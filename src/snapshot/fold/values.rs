//! Attributes with a history, and memberships with times.

use super::Fold;
use crate::model::{Interval, Property};
use crate::snapshot::records::{CellState, Record};

impl Fold<'_> {
    /// Takes over earlier values, and what was read as the value of the instant it was read for.
    pub(super) fn take_values(&mut self) {
        let mut properties: Vec<Property> =
            self.schema.properties.iter().filter(|property| property.history && !property.ty.set).cloned().collect();
        // Whoever stands in a list with a history is taken over; then what else is known of it.
        properties.sort_by_key(|property| (property.inverse.is_none(), property.id));
        for property in properties {
            for (id, record) in self.records() {
                let known = self.carried.contains_key(&id) || self.present(id).is_some() || property.inverse.is_some();
                if known && says_anything(record, &property) {
                    self.take_value(id, record, &property);
                }
            }
        }
    }

    fn take_value(&mut self, id: crate::model::EntityId, record: &Record, property: &Property) {
        let Some(handle) = self.carry(id) else { return };
        let entries = record.history.iter().filter(|(known, _)| *known == property.id).map(|(_, entry)| entry);
        let mut spoken = false;
        for entry in entries {
            let Some(interval) = self.known_part(entry.interval) else { continue };
            spoken |= interval.contains(self.captured_at) == Some(true);
            if let (Some(state), Some(source)) = (self.state(&entry.state), self.source(entry.source)) {
                self.builder.restate_history(handle, property.id, interval, state, source);
            }
        }
        let cell = record.cells.iter().find(|(known, _)| *known == property.id).map(|(_, cell)| cell);
        if let Some(cell) = cell.filter(|cell| !spoken && !matches!(cell.state, CellState::Unknown(_)))
            && let (Some(state), Some(source)) = (self.state(&cell.state), self.source(cell.source))
        {
            self.builder.restate_history(handle, property.id, self.moment(), state, source);
        }
    }

    /// Takes over members of lists whose other side is a list, too.
    pub(super) fn take_memberships(&mut self) {
        let lists: Vec<bool> = self.schema.properties.iter().map(|property| property.history && property.ty.set).collect();
        for (id, record) in self.records() {
            for (property, edge) in &record.edges {
                if !lists.get(property.0 as usize).copied().unwrap_or(false) {
                    continue;
                }
                let interval = if edge.interval == Interval::CURRENT { Some(self.moment()) } else { self.known_part(edge.interval) };
                let Some(interval) = interval else { continue };
                if let (Some(holder), Some(member), Some(source)) = (self.carry(id), self.value(&edge.member), self.source(edge.source)) {
                    self.builder.restate_edge(holder, *property, member, interval, source);
                }
            }
        }
    }
}

fn says_anything(record: &Record, property: &Property) -> bool {
    let known = record.cells.iter().any(|(of, cell)| *of == property.id && !matches!(cell.state, CellState::Unknown(_)));
    known || record.history.iter().any(|(of, _)| *of == property.id)
}

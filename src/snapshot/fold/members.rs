//! Entities that are members of a list for as long as they exist: role assignments of a scope, delegations.

use jiff::Timestamp;

use super::Fold;
use crate::model::{Bound, EntityId, Interval, Property, PropertyId, Value};
use crate::snapshot::builder::Handle;
use crate::snapshot::records::{CellState, Record};

/// What became of a member that both snapshots have.
enum Later {
    /// It is the same one as far as anybody can tell.
    Same,
    /// The same one, and the earlier snapshot says since when.
    Since(Bound),
    /// One of the same id that was made anew, or times that do not fit together.
    Another,
}

impl Fold<'_> {
    /// Takes over the members of the earlier snapshot that are gone.
    pub(super) fn take_members(&mut self) {
        let places: Vec<(Property, PropertyId)> = self.schema.properties.iter().filter_map(|place| self.list_of(place)).collect();
        for (place, list) in places {
            for (id, record) in self.records() {
                if !self.schema.is_subtype(record.entity_type, place.owner) {
                    continue;
                }
                let Some(holder) = holder(record, place.id) else { continue };
                match self.present(id) {
                    Some(handle) => self.compare(handle, record, &place, (holder, list)),
                    None => self.take_gone(id, record, &place, (holder, list)),
                }
            }
        }
    }

    /// Returns a reference without a history whose other side is a list with one, and that list.
    fn list_of(&self, place: &Property) -> Option<(Property, PropertyId)> {
        let inverse = self.schema.property(place.inverse?)?;
        (!place.ty.set && !place.history && inverse.ty.set && inverse.history).then(|| (place.clone(), inverse.id))
    }

    fn compare(&mut self, handle: Handle, record: &Record, place: &Property, (holder, list): (EntityId, PropertyId)) {
        let Some(holder) = self.carry(holder) else { return };
        let elsewhere = self.builder.place_of(handle, place.id).is_some_and(|now| now != holder.value());
        let after = self.builder.lifetime_of(handle);
        let is_told = self.builder.claims_of(holder, list).iter().any(|claim| claim.covers(self.captured_at));
        let later = if elsewhere { Later::Another } else { self.later(record.lifetime, after, is_told) };
        // Where nothing says that it is the same one, whatever differs says that it may be another.
        let is_certain = matches!((record.lifetime.from, after.from), (Bound::At(then), Bound::At(now)) if then == now);
        let later = if !is_certain && self.differs(handle, record) { Later::Another } else { later };
        match later {
            Later::Same if self.ended_since(after).is_none() => {}
            Later::Same => self.complete(handle, record),
            Later::Since(from) => {
                self.builder.existed(handle, Interval { from, to: Bound::Unbounded });
                self.complete(handle, record);
            }
            Later::Another => {
                self.contradict((holder, list), &format!("{} may have been removed and made anew since the earlier capture", record.key));
            }
        }
    }

    /// Tells whether something is known of an entity that is not what the earlier snapshot knew. An entity that only the earlier one
    /// has differs from every one of the new.
    fn differs(&self, handle: Handle, record: &Record) -> bool {
        record.cells.iter().any(|(property, cell)| {
            let before = match &cell.state {
                CellState::Known(Value::Entity(id)) => {
                    let there = self.carried.get(id).copied().or_else(|| self.present(*id));
                    there.map(|handle| CellState::Known(handle.value()))
                }
                CellState::Unknown(_) => return false,
                other => Some(other.clone()),
            };
            self.builder.known(handle, *property).any(|(now, _)| Some(now) != before.as_ref())
        })
    }

    /// Returns when something ended, if it was not there any more when the new snapshot was captured.
    fn ended_since(&self, lifetime: Interval) -> Option<Timestamp> {
        match lifetime.to {
            Bound::At(to) if self.captured_to.is_some_and(|captured| to <= captured) => Some(to),
            _ => None,
        }
    }

    /// Compares for which time each snapshot knows that it was there; `is_told` if events tell all that happened since the earlier
    /// capture, and at it.
    fn later(&self, before: Interval, after: Interval, is_told: bool) -> Later {
        let ended_then = matches!(before.to, Bound::At(to) if to <= self.captured_at);
        let ended_since = self.ended_since(after);
        // It was seen at the earlier capture, so it cannot have ended before that began.
        let begun = self.earlier.meta.captured_from.unwrap_or(self.captured_at);
        let fits = if ended_then { ended_since.is_some() } else { ended_since.is_none_or(|end| end >= begun) };
        if !fits {
            return Later::Another;
        }
        match (before.from, after.from) {
            (Bound::Unknown | Bound::At(_), Bound::At(now)) if now > self.captured_at => Later::Another,
            // Since when one that ended was there may be no more than when its log begins: the earlier snapshot held it possible before.
            (Bound::Unknown, Bound::At(_)) if ended_since.is_some() => Later::Another,
            // Whoever ended was the one that was seen, if nothing happened to it in between.
            (Bound::At(then), Bound::Unknown) if ended_since.is_some() && !ended_then && is_told => Later::Since(Bound::At(then)),
            (Bound::At(then), Bound::At(now)) if then < now && ended_since.is_some() && !ended_then && is_told => {
                Later::Since(Bound::At(then))
            }
            (Bound::At(then), Bound::At(now)) if then != now => Later::Another,
            _ => Later::Same,
        }
    }

    /// What ended has no other value than the last one that was read.
    fn complete(&mut self, handle: Handle, record: &Record) {
        for (property, cell) in &record.cells {
            if self.builder.known(handle, *property).next().is_none() {
                self.carry_known(handle, *property, cell);
            }
        }
    }

    fn take_gone(&mut self, id: EntityId, record: &Record, place: &Property, (holder, list): (EntityId, PropertyId)) {
        let Some(target) = self.carry(holder) else { return };
        let proved = self.all_known(record.entity_type).is_some() || self.is_whole_now(target, list);
        let Some(handle) = self.carry(id) else { return };
        for (property, cell) in &record.cells {
            let lasts = self.lasts(record, *property, place.id);
            if proved || lasts {
                self.carry_known(handle, *property, cell);
            }
        }
        self.lose_unexplained(target, list, record);
    }

    /// What cannot change as long as an entity exists: what it ties together, and since when.
    fn lasts(&self, record: &Record, property: PropertyId, place: PropertyId) -> bool {
        let Some(declared) = self.schema.property(property) else { return false };
        let since = self.schema.entity(record.entity_type).and_then(|ty| ty.lifetime_from);
        property == place || Some(property) == since || (declared.ty.entity().is_some() && !declared.ty.optional)
    }
}

fn holder(record: &Record, place: PropertyId) -> Option<EntityId> {
    record.cells.iter().find(|(known, _)| *known == place).and_then(|(_, cell)| match &cell.state {
        CellState::Known(Value::Entity(id)) => Some(*id),
        _ => None,
    })
}

//! For which times lists are whole.

use super::Fold;
use crate::model::{Bound, Completeness, PropertyId};
use crate::snapshot::builder::Handle;
use crate::snapshot::records::Record;

impl Fold<'_> {
    /// Keeps the times for which events cover lists only where the earlier snapshot saw the list whole within that time.
    ///
    /// What was removed while the new snapshot was read is in no list, and its event may not show yet. If it was there at the
    /// earlier capture, that knows it; if it was made since, an event says so.
    pub(super) fn check_logs(&mut self) {
        let seen: Vec<(Handle, PropertyId)> = self
            .records()
            .flat_map(|(id, record)| record.completeness.iter().map(move |(property, claim)| (id, *property, claim.complete)))
            .filter(|(.., complete)| *complete)
            .filter_map(|(id, property, _)| Some((self.present(id)?, property)))
            .collect();
        let seen: std::collections::BTreeSet<(Handle, PropertyId)> = seen.into_iter().collect();
        for handle in (0..self.n_new).map(crate::model::EntityId).map(Handle::of) {
            for list in self.builder.covered_lists(handle) {
                let within = self.builder.claims_of(handle, list).iter().any(|claim| claim.covers(self.captured_at));
                if !within || !seen.contains(&(handle, list)) {
                    self.builder.forget_covers(handle, list);
                }
            }
        }
    }

    /// Takes over the times for which lists are whole: those that were known, and the instant of a capture that read them whole.
    pub(super) fn take_covers(&mut self) {
        for (id, record) in self.records() {
            for (property, claim) in &record.completeness {
                if !self.schema.property(*property).is_some_and(|property| property.history && property.ty.set) {
                    continue;
                }
                let mut covered: Vec<_> = claim.covered.iter().filter_map(|interval| self.known_part(*interval)).collect();
                if claim.complete {
                    covered.push(self.moment());
                }
                if covered.is_empty() {
                    continue;
                }
                let Some(holder) = self.carried.get(&id).copied().or_else(|| self.present(id)) else { continue };
                if self.contradicted.contains(&(holder, *property)) {
                    continue;
                }
                let source = self.source(claim.source);
                // Nothing is said of now.
                self.builder.restate_claim(holder, *property, Completeness { complete: false, reason: None, covered, source });
            }
        }
    }

    /// Tells whether the new snapshot read a list whole.
    pub(super) fn is_whole_now(&self, holder: Handle, list: PropertyId) -> bool {
        self.builder.claims_of(holder, list).iter().any(|claim| claim.complete)
    }

    /// A list that claims to lack nothing of the time since the earlier capture has to say how a member went. Those of a scope
    /// that was deleted, or of a subscription that moved to another directory, go without an event of their own.
    pub(super) fn lose_unexplained(&mut self, holder: Handle, list: PropertyId, record: &Record) {
        let ended_before = matches!(record.lifetime.to, Bound::At(to) if to <= self.captured_at);
        let until = self.seen_until;
        let after = |claim: &Completeness| claim.covered.iter().any(|interval| !matches!(interval.to, Bound::At(to) if to <= until));
        if !ended_before && self.builder.claims_of(holder, list).iter().any(after) {
            self.builder.forget_covers(holder, list);
            self.note(holder, list, &format!("{} is gone, and no event says when, so events do not tell the history", record.key));
        }
    }
}

//! What another instant of a run may change, of facts that are the same.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::trace::Moved;
use crate::model::{EntityTypeId, PropertyId, Schema};
use crate::query::{Query, RuleQuery, footprint};
use crate::snapshot::columns::delta::Delta;
use crate::snapshot::columns::{Codes, Columns, MemberTimes};

/// The time between two runs.
pub(super) struct Passed<'a> {
    columns: &'a Columns,
    schema: &'a Schema,
    moved: Moved,
    /// Whether facts themselves may read otherwise: an attestation lapsed in between, or a run lies before the capture.
    everything: bool,
    /// Places of instants that were crossed; those of `from` and `to` of intervals.
    crossed: std::ops::Range<u32>,
}

impl<'a> Passed<'a> {
    pub(super) fn new(columns: &'a Columns, schema: &'a Schema, before: Timestamp, now: Timestamp, delta: &Delta) -> Self {
        let captured = delta.captured;
        let moved = Moved { now: before != now, history: before != now || captured.0 != captured.1 };
        let (first, last) = (before.min(now), before.max(now));
        let rank = |at: Timestamp| columns.instants().partition_point(|known| known <= at);
        let lapses = |due: Timestamp| first <= due && due < last;
        let lapsed = columns.sources().iter().filter_map(|source| source.attestation.as_ref()?.review_due_at).any(lapses);
        // At an instant before the end of the capture lists and values are read from their history.
        let lies_before = |at: Timestamp, captured: Option<Timestamp>| captured.is_some_and(|captured| at < captured);
        let then = moved.history && (lies_before(before, captured.0) || lies_before(now, captured.1));
        let crossed = if moved.now { rank(first)..rank(last) } else { 0..0 };
        Self { columns, schema, moved, everything: lapsed || then, crossed }
    }

    pub(super) fn moved(&self) -> Moved {
        self.moved
    }

    /// Tells whether a rule about entities of a type may say something else for that reason alone.
    pub(super) fn concerns(&self, query: &Query, functions: &RuleQuery, entity: EntityTypeId) -> bool {
        if self.everything {
            return true;
        }
        if !self.moved.now {
            return false;
        }
        if functions.due.is_some() {
            return true;
        }
        let read = footprint(query, self.schema, functions);
        let types = read.extents.iter().chain([&entity]);
        let roots: BTreeSet<EntityTypeId> = types.filter_map(|ty| self.schema.entity(*ty)).map(|ty| ty.root).collect();
        read.properties.iter().any(|property| self.list_crosses(*property)) || roots.into_iter().any(|root| self.lives_cross(root))
    }

    /// Tells whether a member of a list begins or ceases to be one in between.
    fn list_crosses(&self, property: PropertyId) -> bool {
        let Some(column) = self.columns.list(property) else { return false };
        match &column.times {
            MemberTimes::Always => false,
            MemberTimes::Each { from, to } => self.any(from) || self.any(to),
            MemberTimes::Lifetime => {
                let member = self.schema.property(property).and_then(|declared| declared.ty.entity());
                member.and_then(|member| self.schema.entity(member)).is_some_and(|member| self.lives_cross(member.root))
            }
        }
    }

    fn lives_cross(&self, root: EntityTypeId) -> bool {
        let Some(ends) = self.columns.lifetime_ends(root) else { return false };
        let begins = ends.from_max.is_some_and(|last| last >= self.crossed.start);
        let ceases = ends.to_min.is_some_and(|first| first < self.crossed.end);
        // Most types have no lifetimes at all, so the column is read only where its ends leave the question open.
        (begins || ceases)
            && self.columns.lifetimes(root).is_some_and(|column| (begins && self.any(&column.from)) || (ceases && self.any(&column.to)))
    }

    fn any(&self, codes: &Codes) -> bool {
        match codes {
            Codes::Constant(code) => self.crossed.contains(code),
            Codes::Each(codes) => codes.iter().any(|code| self.crossed.contains(code)),
        }
    }
}

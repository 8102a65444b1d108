//! What all machines of a run share: the rules, the snapshot, and columns as they hold now, each made once.

use std::sync::OnceLock;

use jiff::Timestamp;

use super::super::evaluator::Evaluator;
use super::super::value::Val;
use super::HashMap;
use super::decide::Plan;
use super::facts::{Attribute, Facts, List};
use super::image::Reverse;
use super::shape::{Shapes, counts};
use super::sizes::Sizes;
use crate::check::Policies;
use crate::model::{Property, PropertyId, Schema};
use crate::query::{Estimates, ParamVersion, Query};
use crate::snapshot::Snapshot;
use crate::snapshot::columns::Columns;

/// A value for each property, made when it is first asked for.
type OfProperties<T> = Vec<OnceLock<T>>;

/// The rules and the facts of a run.
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    pub(super) query: &'a Query,
    pub(super) shapes: &'a Shapes,
    pub(super) params: &'a HashMap<ParamVersion, Val>,
    pub(super) policies: &'a Policies,
    pub(super) schema: &'a Schema,
    pub(super) snapshot: &'a Snapshot,
    pub(super) columns: &'a Columns,
    pub(super) now: Timestamp,
    pub(super) sizes: Sizes,
    estimates: OnceLock<Estimates>,
    attributes: OfProperties<Attribute<'a>>,
    lists: OfProperties<List<'a>>,
    lists_as_read: OfProperties<List<'a>>,
    reverses: OfProperties<Reverse>,
}

fn none_yet<T>(schema: &Schema) -> OfProperties<T> {
    schema.properties.iter().map(|_| OnceLock::new()).collect()
}

impl<'a> Shared<'a> {
    pub(super) fn new(plan: &'a Plan, policies: &'a Policies, snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let schema = &*policies.schema;
        let columns = snapshot.columns();
        Self {
            plan,
            query: &plan.query,
            shapes: &plan.shapes,
            params: &plan.params,
            policies,
            schema,
            snapshot,
            columns,
            now,
            sizes: plan.sizes,
            estimates: OnceLock::new(),
            attributes: none_yet(schema),
            lists: none_yet(schema),
            lists_as_read: none_yet(schema),
            reverses: none_yet(schema),
        }
    }

    /// Returns what terms may cost and yield over this snapshot; its columns are counted when this is first asked.
    pub(super) fn estimates(&self) -> &Estimates {
        self.estimates.get_or_init(|| Estimates::new(self.query, self.schema, &counts(self.query, self.columns)))
    }

    /// Prepares an evaluator; each machine has its own.
    pub(super) fn evaluator(&self) -> Evaluator<'a> {
        Evaluator::new(self.policies, self.snapshot, self.now, Vec::new())
    }

    pub(super) fn attribute(&self, property: &Property, facts: &Facts<'a>) -> Option<&Attribute<'a>> {
        Some(self.attributes.get(property.id.0 as usize)?.get_or_init(|| facts.attribute(property)))
    }

    pub(super) fn list(&self, property: &Property, facts: &Facts<'a>) -> Option<&List<'a>> {
        Some(self.lists.get(property.id.0 as usize)?.get_or_init(|| facts.list(property)))
    }

    pub(super) fn list_as_read(&self, property: &Property, facts: &Facts<'a>) -> Option<&List<'a>> {
        Some(self.lists_as_read.get(property.id.0 as usize)?.get_or_init(|| facts.list_as_read(property)))
    }

    pub(super) fn reverse(&self, property: PropertyId, make: impl FnOnce() -> Reverse) -> Option<&Reverse> {
        Some(self.reverses.get(property.0 as usize)?.get_or_init(make))
    }
}

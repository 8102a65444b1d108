//! What a rule reads.

use std::collections::BTreeSet;

use super::lower::RuleQuery;
use super::term::{FunctionId, Query, Term, TermId, calls, parts};
use crate::model::{EntityTypeId, PropertyId, Schema};

/// Properties and types a rule reads, whatever the snapshot holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Properties, with those that derived ones follow from.
    pub properties: BTreeSet<PropertyId>,
    /// Types whose entities are listed.
    pub extents: BTreeSet<EntityTypeId>,
    /// Properties that are read as of an instant.
    pub past: BTreeSet<PropertyId>,
}

/// Returns what a rule reads, its subjects left aside.
#[must_use]
pub fn footprint(query: &Query, schema: &Schema, rule: &RuleQuery) -> Footprint {
    let mut read = Footprint::default();
    let mut seen: BTreeSet<TermId> = BTreeSet::new();
    let functions = rule.applies.into_iter().chain(rule.due).chain(rule.requirements.iter().copied()).chain(rule.lets.iter().copied());
    let body = |function: FunctionId| query.get_function(function).map(|function| function.body);
    let mut queue: Vec<TermId> = functions.filter_map(body).collect();
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        let term = query.get(id);
        match term {
            Term::Attribute { property, .. } | Term::Navigate { property, .. } | Term::Closure { property, .. } => {
                add(schema, *property, &mut read.properties);
                if let Term::Attribute { at: Some(_), .. } | Term::Navigate { at: Some(_), .. } | Term::Closure { at: Some(_), .. } = term {
                    read.past.insert(*property);
                }
            }
            Term::Extent(ty) => {
                read.extents.insert(*ty);
            }
            // Scopes above are found by the tree.
            Term::Covers(..) => {
                let parent = schema.entity_named("Scope").and_then(|scope| schema.property_named(scope.id, "parent"));
                read.properties.extend(parent.map(|parent| parent.id));
            }
            _ => {}
        }
        queue.extend(parts(term));
        queue.extend(calls(term).into_iter().filter_map(body));
    }
    read
}

fn add(schema: &Schema, property: PropertyId, read: &mut BTreeSet<PropertyId>) {
    if !read.insert(property) {
        return;
    }
    let Some(declared) = schema.property(property) else { return };
    if let Some(rule) = declared.derived {
        add(schema, rule.from, read);
        add(schema, rule.along, read);
    }
    // An unseen member leads back over the other side.
    read.extend(declared.inverse);
}

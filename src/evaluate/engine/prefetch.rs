//! What a plan is sure to read, so that it can be loaded at once instead of part by part.

use std::collections::BTreeSet;

use super::decide::Plan;
use crate::model::{Base, EntityTypeId, PropertyId, Schema};
use crate::query::Term;
use crate::snapshot::columns::Part;

/// Returns the parts that the terms of a plan name. What only some evaluations ask for, the far side of a list or the text of
/// a constant, is loaded when it is asked for.
pub(super) fn parts(plan: &Plan, schema: &Schema) -> Vec<Part> {
    let mut found = Found { schema, parts: BTreeSet::new() };
    for (term, _) in &plan.query.terms {
        match term {
            Term::Attribute { property, .. } | Term::Navigate { property, .. } | Term::Closure { property, .. } => {
                found.property(*property);
            }
            Term::Extent(ty) => found.lifetimes(*ty),
            _ => {}
        }
    }
    if plan.runs.iter().any(|(_, functions)| functions.due.is_some()) {
        found.parts.insert(Part::Instants);
    }
    found.parts.into_iter().collect()
}

struct Found<'s> {
    schema: &'s Schema,
    parts: BTreeSet<Part>,
}

impl Found<'_> {
    fn property(&mut self, id: PropertyId) {
        let Some(property) = self.schema.property(id).filter(|property| !property.is_key) else { return };
        let part = if property.ty.set { Part::List(id) } else { Part::Attribute(id) };
        if !self.parts.insert(part) {
            return;
        }
        if let Base::Entity(ty) = property.ty.base {
            self.lifetimes(ty);
        }
        if let Some(rule) = property.derived {
            self.property(rule.from);
            self.property(rule.along);
        }
    }

    fn lifetimes(&mut self, ty: EntityTypeId) {
        self.parts.extend(self.schema.entity(ty).map(|entity| Part::LifetimeEnds(entity.root)));
    }
}

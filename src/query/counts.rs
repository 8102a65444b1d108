//! How many there are of what: numbers of a snapshot by which plans are compared.

use std::collections::BTreeMap;

use super::term::{Query, Term};
use crate::model::{EntityTypeId, PropertyCounts, PropertyId, Schema};

/// What is counted of a snapshot. What is not there was not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entities of a type and its subtypes.
    pub entities: BTreeMap<EntityTypeId, u32>,
    /// Properties.
    pub properties: BTreeMap<PropertyId, PropertyCounts>,
}

/// What stands for a number that was not counted.
mod assumed {
    pub(super) const ENTITIES: f64 = 1000.0;
    pub(super) const MEMBERS: f64 = 4.0;
    pub(super) const DISTINCT: f64 = 8.0;
}

fn ratio(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

impl Counts {
    /// Entities of a type.
    #[must_use]
    pub fn entities(&self, ty: EntityTypeId) -> f64 {
        self.entities.get(&ty).map_or(assumed::ENTITIES, |n| f64::from(*n))
    }

    /// Members a list of a property has on average, or values.
    #[must_use]
    pub fn members(&self, property: PropertyId) -> f64 {
        self.properties.get(&property).map_or(assumed::MEMBERS, |counts| ratio(counts.facts, counts.holders))
    }

    /// Share of holders known to have no value.
    #[must_use]
    pub fn none(&self, property: PropertyId) -> f64 {
        self.properties.get(&property).map_or(0.3, |counts| ratio(counts.none, counts.holders))
    }

    /// Share of holders whose value is not known.
    #[must_use]
    pub fn unknown(&self, property: PropertyId) -> f64 {
        self.properties.get(&property).map_or(0.0, |counts| ratio(counts.unknown, counts.holders))
    }

    /// Different values of a property, at least one.
    #[must_use]
    pub fn distinct(&self, property: PropertyId) -> f64 {
        self.properties.get(&property).map_or(assumed::DISTINCT, |counts| f64::from(counts.distinct.max(1)))
    }
}

/// Returns the properties a query reads, those that derived ones are gathered from included, in ascending order.
#[must_use]
pub fn properties_read(query: &Query, schema: &Schema) -> Vec<PropertyId> {
    let read = query.terms.iter().filter_map(|(term, _)| match term {
        Term::Attribute { property, .. } | Term::Navigate { property, .. } | Term::Closure { property, .. } => Some(*property),
        _ => None,
    });
    let mut all: Vec<PropertyId> = read
        .flat_map(|property| {
            let derived = schema.property(property).and_then(|declared| declared.derived);
            derived.into_iter().flat_map(|rule| [rule.from, rule.along]).chain([property])
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

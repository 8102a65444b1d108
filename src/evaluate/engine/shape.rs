//! What can be told of terms before they are evaluated.

use crate::model::{EntityType, PropertyId};
use crate::query::{Counts, Query, Term, TermId, calls, parts, properties_read};
use crate::snapshot::columns::Columns;

#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    /// Whether it depends on no argument.
    closed: bool,
    /// Whether it looks at sets, itself or in a function it calls.
    has_sets: bool,
    /// Whether it goes over a closure or from set to set, itself or in a function it calls.
    goes_far: bool,
    /// How much one row costs, roughly.
    weight: u32,
}

/// What can be told of each term of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes(Vec<Shape>);

impl Shapes {
    pub(super) fn new(query: &Query) -> Self {
        let mut shapes = Self(Vec::with_capacity(query.terms.len()));
        // A term stands after those it is made of, and after the bodies of the functions it calls.
        for (term, _) in &query.terms {
            let shape = shapes.of(query, term);
            shapes.0.push(shape);
        }
        shapes
    }

    fn of(&self, query: &Query, term: &Term) -> Shape {
        let bodies = || calls(term).into_iter().filter_map(|function| query.get_function(function)).map(|function| function.body);
        let looks_at_sets = matches!(
            term,
            Term::Navigate { .. }
                | Term::Closure { .. }
                | Term::Extent(_)
                | Term::Filter { .. }
                | Term::Union(..)
                | Term::Exists { .. }
                | Term::Tally { .. }
                | Term::Extreme { .. }
                | Term::Covers(..)
        );
        let steps_far = match term {
            Term::Closure { .. } => true,
            Term::Navigate { base, .. } => query.type_of(*base).set,
            _ => false,
        };
        let own = match term {
            Term::Closure { .. } => 64,
            Term::Navigate { .. } => 8,
            Term::Extent(_) => 100,
            Term::Covers(..) => 32,
            Term::Matches(..) => 16,
            _ => 1,
        };
        let inner: u32 = parts(term).into_iter().chain(bodies()).map(|part| self.weight(part)).fold(0, u32::saturating_add);
        Shape {
            closed: !matches!(term, Term::Argument(_)) && parts(term).into_iter().all(|part| self.is_closed(part)),
            goes_far: steps_far || parts(term).into_iter().chain(bodies()).any(|part| self.goes_far(part)),
            has_sets: looks_at_sets || parts(term).into_iter().chain(bodies()).any(|part| self.has_sets(part)),
            weight: own.max(1_u32).saturating_add(inner).saturating_mul(if looks_at_sets { 4 } else { 1 }),
        }
    }

    fn get(&self, term: TermId) -> Shape {
        self.0.get(term.0 as usize).copied().unwrap_or_default()
    }

    pub(super) fn is_closed(&self, term: TermId) -> bool {
        self.get(term).closed
    }

    pub(super) fn has_sets(&self, term: TermId) -> bool {
        self.get(term).has_sets
    }

    pub(super) fn goes_far(&self, term: TermId) -> bool {
        self.get(term).goes_far
    }

    pub(super) fn weight(&self, term: TermId) -> u32 {
        self.get(term).weight
    }
}

/// Counts what the terms of a query read.
pub(super) fn counts(query: &Query, columns: &Columns) -> Counts {
    let schema = columns.schema();
    let size = |ty: &EntityType| (ty.id, u32::try_from(columns.domain(ty.id).len()).unwrap_or(u32::MAX));
    let counted = |property: PropertyId| (property, columns.statistics(property));
    Counts {
        entities: schema.entities.iter().map(size).collect(),
        properties: properties_read(query, schema).into_iter().map(counted).collect(),
    }
}

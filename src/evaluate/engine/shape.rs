//! What can be told of terms before they are evaluated.

use crate::model::{EntityType, PropertyId};
use crate::query::{Counts, PropertyCounts, Query, Term, TermId, calls, parts, properties_read};
use crate::snapshot::columns::{Columns, Statistics};

#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    /// Whether it depends on no argument.
    closed: bool,
    /// Whether it looks at sets, itself or in a function it calls.
    has_sets: bool,
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
        Shape {
            closed: !matches!(term, Term::Argument(_)) && parts(term).into_iter().all(|part| self.is_closed(part)),
            has_sets: looks_at_sets || parts(term).into_iter().chain(bodies()).any(|part| self.has_sets(part)),
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
}

/// Counts what the terms of a query read.
pub(super) fn counts(query: &Query, columns: &Columns) -> Counts {
    let schema = columns.schema();
    let size = |ty: &EntityType| (ty.id, u32::try_from(columns.domain(ty.id).len()).unwrap_or(u32::MAX));
    let counted = |property: PropertyId| {
        let Statistics { holders, facts, none, unknown, distinct, open } = columns.statistics(property);
        (property, PropertyCounts { holders, facts, none, unknown, distinct, open })
    };
    Counts {
        entities: schema.entities.iter().map(size).collect(),
        properties: properties_read(query, schema).into_iter().map(counted).collect(),
    }
}

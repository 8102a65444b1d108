//! Ways to the members of a set: what the engine may choose between, and what a plan shows.

use super::term::{Lambda, Query, Term, TermId, parts};
use crate::check::Comparison;
use crate::model::Schema;

/// Equalities a look-up goes by together.
pub const EQUALITIES_MAX: usize = 2;

/// Returns the parts of a conjunction; a term that is none stands for itself.
#[must_use]
pub fn conjuncts(query: &Query, term: TermId) -> Vec<TermId> {
    match query.get(term) {
        Term::And(parts) => parts.clone(),
        _ => vec![term],
    }
}

/// Finds equalities `f(member) == g(captures)` among the conjuncts of a test: members of a set that is the same for all
/// rows can be looked up by them.
#[must_use]
pub fn equalities(query: &Query, test: &Lambda) -> Vec<(TermId, TermId)> {
    let Some(body) = query.get_function(test.function).map(|function| function.body) else { return Vec::new() };
    let found = conjuncts(query, body).into_iter().filter_map(|part| {
        let Term::Compare(Comparison::Equal, a, b) = query.get(part) else { return None };
        match (arguments_of(query, *a), arguments_of(query, *b)) {
            ((true, false), (false, true)) => Some((*a, *b)),
            ((false, true), (true, false)) => Some((*b, *a)),
            _ => None,
        }
    });
    found.take(EQUALITIES_MAX).collect()
}

/// Tells whether a term mentions the member, and whether it mentions captures.
fn arguments_of(query: &Query, term: TermId) -> (bool, bool) {
    let (mut member, mut captures) = (false, false);
    let mut queue = vec![term];
    while let Some(id) = queue.pop() {
        match query.get(id) {
            Term::Argument(0) => member = true,
            Term::Argument(_) => captures = true,
            other => queue.extend(parts(other)),
        }
    }
    (member, captures)
}

/// Tells whether a set is gathered over several steps, so that it may pay to ask from its far end.
#[must_use]
pub fn has_far_end(query: &Query, schema: &Schema, set: TermId) -> bool {
    match query.get(set) {
        Term::Apply(function, _) => query.get_function(*function).is_some_and(|function| has_far_end(query, schema, function.body)),
        Term::Union(a, b) => has_far_end(query, schema, *a) || has_far_end(query, schema, *b),
        Term::Filter { set, test } => test.captures.is_empty() && has_far_end(query, schema, *set),
        Term::Closure { at: None, .. } => true,
        Term::Navigate { base, property, at: None } => {
            let derived = schema.property(*property).is_some_and(|property| property.derived.is_some());
            derived || query.type_of(*base).set
        }
        _ => false,
    }
}

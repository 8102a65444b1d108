//! Ways to the members of a set: what the engine may choose between, and what a plan shows.

use super::term::{Lambda, Query, Term, TermId, parts};
use crate::check::Comparison;
use crate::model::Schema;

/// Equalities a look-up goes by together.
pub const EQUALITIES_MAX: usize = 3;

/// Returns the parts of a conjunction; a term that is none stands for itself.
#[must_use]
pub fn conjuncts(query: &Query, term: TermId) -> Vec<TermId> {
    match query.get(term) {
        Term::And(parts) => parts.clone(),
        _ => vec![term],
    }
}

/// A value of a member that an equality compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberValue {
    /// A term of the member.
    One(TermId),
    /// A term of each member of a set that belongs to the member; in `value` argument 0 is the member of that set.
    Each {
        /// The set.
        set: TermId,
        /// The value.
        value: TermId,
    },
}

/// A condition that only members with a certain value satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Equality {
    /// The values of a member of which one has to be the wanted one.
    pub values: Vec<MemberValue>,
    /// The wanted value: a term of the captures.
    pub wanted: TermId,
}

/// Finds equalities `f(member) == g(captures)` among the conjuncts of a test, and disjunctions of them with the same right side,
/// such as `id == m.id or (some g in m.groups : g.id == id)`: members of a set that is the same for all rows can be looked up
/// by them.
#[must_use]
pub fn equalities(query: &Query, test: &Lambda) -> Vec<Equality> {
    let Some(body) = query.get_function(test.function).map(|function| function.body) else { return Vec::new() };
    let found = conjuncts(query, body).into_iter().filter_map(|part| equality(query, part));
    found.take(EQUALITIES_MAX).collect()
}

fn equality(query: &Query, part: TermId) -> Option<Equality> {
    match query.get(part) {
        Term::Compare(Comparison::Equal, a, b) => {
            let (value, wanted) = sides(query, *a, *b)?;
            Some(Equality { values: vec![MemberValue::One(value)], wanted })
        }
        Term::Or(parts) => {
            let wanted = parts.iter().find_map(|part| equality(query, *part)).map(|found| found.wanted)?;
            let values = parts.iter().map(|part| value_wanted(query, *part, wanted));
            Some(Equality { values: values.collect::<Option<_>>()?, wanted })
        }
        _ => None,
    }
}

/// Returns the side of an equality that mentions only the member and the one that mentions only captures.
fn sides(query: &Query, a: TermId, b: TermId) -> Option<(TermId, TermId)> {
    match (arguments_of(query, a), arguments_of(query, b)) {
        ((true, false), (false, true)) => Some((a, b)),
        ((false, true), (true, false)) => Some((b, a)),
        _ => None,
    }
}

/// Returns the value that has to be `wanted` for a part of a disjunction to hold.
fn value_wanted(query: &Query, part: TermId, wanted: TermId) -> Option<MemberValue> {
    match query.get(part) {
        Term::Compare(Comparison::Equal, a, b) => {
            sides(query, *a, *b).filter(|(_, other)| *other == wanted).map(|(value, _)| MemberValue::One(value))
        }
        Term::Exists { set, test } if arguments_of(query, *set) == (true, false) => {
            let body = query.get_function(test.function)?.body;
            conjuncts(query, body).into_iter().find_map(|inner| {
                let Term::Compare(Comparison::Equal, a, b) = query.get(inner) else { return None };
                let (value, other) = sides(query, *a, *b)?;
                is_written_as(query, other, &test.captures, wanted).then_some(MemberValue::Each { set: *set, value })
            })
        }
        _ => None,
    }
}

/// Tells whether a term of an inner function, its captures put in, is the term `outer`.
fn is_written_as(query: &Query, inner: TermId, captures: &[TermId], outer: TermId) -> bool {
    match (query.get(inner), query.get(outer)) {
        (Term::Argument(at), _) => at.checked_sub(1).and_then(|at| captures.get(at as usize)) == Some(&outer),
        (Term::Attribute { base, property, at: None }, Term::Attribute { base: other, property: same, at: None }) => {
            property == same && is_written_as(query, *base, captures, *other)
        }
        _ => false,
    }
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

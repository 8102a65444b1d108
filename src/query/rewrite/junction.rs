//! Conjunctions and disjunctions are flat, sorted, without repetition.
//!
//! - before: `(p and q) and r and p`; after: `p and q and r`, in an order that does not depend on how it was written
//! - before: a conjunction or disjunction of one part; after: the part
//!
//! Why the meaning stays: a conjunction is the least of its parts (false, neither, true), a disjunction the greatest; least
//! and greatest look neither at order nor at repetition. So the same condition is one term however its author laid it out.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, _: Type) -> Option<TermId> {
    let (parts, conjunction) = match term {
        Term::And(parts) => (parts, true),
        Term::Or(parts) => (parts, false),
        _ => return None,
    };
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match this.to.get(*part) {
            Term::And(inner) if conjunction => flat.extend_from_slice(inner),
            Term::Or(inner) if !conjunction => flat.extend_from_slice(inner),
            _ => flat.push(*part),
        }
    }
    flat.sort_unstable();
    flat.dedup();
    if let [one] = flat.as_slice() {
        return Some(*one);
    }
    (flat != *parts).then(|| this.truth(if conjunction { Term::And(flat) } else { Term::Or(flat) }))
}

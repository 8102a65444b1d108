//! A filter of a union is a union of filters.
//!
//! - before: `(a + b)[x | p]`; after: `a[x | p] + b[x | p]`
//!
//! So each side is filtered where it is cheapest, such as before a derived list is gathered. Why the meaning stays: the test
//! looks at one member at a time, seen or unseen, and a union has a member as surely as the surer of its sides has it.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let Term::Filter { set, test } = term else { return None };
    let Term::Union(a, b) = *this.to.get(*set) else { return None };
    let (left, right) = (this.to.type_of(a), this.to.type_of(b));
    let a = this.make(Term::Filter { set: a, test: test.clone() }, left);
    let b = this.make(Term::Filter { set: b, test: test.clone() }, right);
    Some(this.make(Term::Union(a, b), ty))
}

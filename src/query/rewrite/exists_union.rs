//! Some member of a union is some member of either side.
//!
//! - before: `some x in a + b : p`; after: `(some x in a : p) or (some x in b : p)`
//!
//! Not where the union has a far end: there both sides are asked in one go. Why the meaning stays: a union has a member as
//! surely as the surer of its sides has it, and an existence is the greatest over all members; the greatest over both sides
//! is the greater of the greatest of each.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId, has_far_end};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let Term::Exists { set, test } = term else { return None };
    let Term::Union(a, b) = *this.to.get(*set) else { return None };
    if has_far_end(&this.to, this.schema, *set) {
        return None;
    }
    let a = this.make(Term::Exists { set: a, test: test.clone() }, ty);
    let b = this.make(Term::Exists { set: b, test: test.clone() }, ty);
    Some(this.truth(Term::Or(vec![a, b])))
}

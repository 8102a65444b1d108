//! Sides that may be swapped stand in one order.
//!
//! - before: `b == a`, `b != a`, `b + a` of sets, `b overlaps a`; after: the same with the sides sorted
//! - before: `a > b`, `a >= b`; after: `b < a`, `b <= a`
//!
//! Why the meaning stays: equality, union and overlap are symmetrical, for values that are not known too, and *greater* is
//! *less* the other way round. A union has its members once, whichever side brings them.

use super::Rewriting;
use crate::check::Comparison;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let new = match *term {
        Term::Union(a, b) if b < a => Term::Union(b, a),
        Term::Overlaps(a, b) if b < a => Term::Overlaps(b, a),
        Term::Compare(op @ (Comparison::Equal | Comparison::NotEqual), a, b) if b < a => Term::Compare(op, b, a),
        Term::Compare(Comparison::Greater, a, b) => Term::Compare(Comparison::Less, b, a),
        Term::Compare(Comparison::GreaterEqual, a, b) => Term::Compare(Comparison::LessEqual, b, a),
        _ => return None,
    };
    Some(this.make(new, ty))
}

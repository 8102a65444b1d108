//! Double negation.
//!
//! - before: `not not p`; after: `p`
//!
//! Why the meaning stays: `not` swaps *certainly true* and *certainly false* and leaves what is neither; twice gives `p`.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, _: Type) -> Option<TermId> {
    let Term::Not(inner) = term else { return None };
    match this.to.get(*inner) {
        Term::Not(plain) => Some(*plain),
        _ => None,
    }
}

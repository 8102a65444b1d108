//! A filter of a filter is one filter.
//!
//! - before: `s[x | p][x | q]`; after: `s[x | p and q]`
//!
//! Why the meaning stays: a filter keeps what may pass, no surer than the test; the least of two tests, one after the other
//! or together, is the same, for unseen members too.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let Term::Filter { set, test } = term else { return None };
    let Term::Filter { set: inner, test: first } = this.get(*set) else { return None };
    let test = this.both(&first, test)?;
    Some(this.make(Term::Filter { set: inner, test }, ty))
}

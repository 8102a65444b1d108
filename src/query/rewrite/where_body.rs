//! A filter of what is quantified over is a part of the body.
//!
//! - before: `some x in s where p : q`, `some x in s[x | p] : q`; after: `some x in s : p and q`
//! - before: `at least 2 x in s where p : q`; after: `at least 2 x in s : p and q`
//!
//! Why the meaning stays: a member counts for certain if it is one, passes and satisfies, each for certain; it may count if
//! none of the three is certainly false. Filter or body, that is the least of the same three. `all` is written with `no`
//! before, so for it the filter becomes a premise. A tally of combinations keeps its filters: its body is no truth.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Lambda, Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    match term {
        Term::Exists { set, test } => {
            let (set, test) = joined(this, *set, test)?;
            Some(this.make(Term::Exists { set, test }, ty))
        }
        Term::Tally { set, test } => {
            let body = this.body(test.function)?;
            if matches!(this.to.get(body), Term::Tally { .. }) {
                return None;
            }
            let (set, test) = joined(this, *set, test)?;
            Some(this.make(Term::Tally { set, test }, ty))
        }
        _ => None,
    }
}

fn joined(this: &mut Rewriting<'_>, set: TermId, test: &Lambda) -> Option<(TermId, Lambda)> {
    let Term::Filter { set: inner, test: filter } = this.get(set) else { return None };
    Some((inner, this.both(&filter, test)?))
}

//! Counts that are compared with a number become quantifiers, and those of at least one an existence.
//!
//! - before: `count(x in s : p) >= 3`, `== 3`, `<= 3`; after: `at least 3 x in s : p`, `exactly 3 …`, `not at least 4 …`
//! - before: `at least 1 x in s : p`, `exactly 0 x in s : p`; after: `some x in s : p`, `no x in s : p`
//!
//! Why the meaning stays: all are read off the same two numbers, the members that certainly satisfy `p` (`lo`) and those
//! that may (`hi`). `count >= n` is true where `lo >= n` and false where `hi < n`, which is what `at least n` says; `some`
//! is true where `lo >= 1` and false where `hi = 0`.

use super::Rewriting;
use crate::check::Comparison;
use crate::model::{Type, Value};
use crate::query::{Lambda, Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, _: Type) -> Option<TermId> {
    match term {
        Term::Compare(op, a, b) => match (this.get(*a), this.get(*b)) {
            (Term::Number(tally), Term::Value(Value::Int(n))) => compared(this, *op, tally, n),
            (Term::Value(Value::Int(n)), Term::Number(tally)) => compared(this, op.flipped(), tally, n),
            _ => None,
        },
        Term::AtLeast(tally, 1) => exists(this, *tally),
        Term::Exactly(tally, 0) => {
            let some = exists(this, *tally)?;
            Some(this.truth(Term::Not(some)))
        }
        _ => None,
    }
}

fn compared(this: &mut Rewriting<'_>, op: Comparison, tally: TermId, n: i64) -> Option<TermId> {
    let n = u64::try_from(n).ok()?;
    let more = n.checked_add(1)?;
    let (term, negated) = match op {
        Comparison::Equal => (Term::Exactly(tally, n), false),
        Comparison::NotEqual => (Term::Exactly(tally, n), true),
        Comparison::GreaterEqual => (Term::AtLeast(tally, n), false),
        Comparison::Less => (Term::AtLeast(tally, n), true),
        Comparison::Greater => (Term::AtLeast(tally, more), false),
        Comparison::LessEqual => (Term::AtLeast(tally, more), true),
    };
    let term = this.truth(term);
    Some(if negated { this.truth(Term::Not(term)) } else { term })
}

/// A tally as an existence; one of combinations as an existence of existences.
fn exists(this: &mut Rewriting<'_>, tally: TermId) -> Option<TermId> {
    let Term::Tally { set, test } = this.get(tally) else { return None };
    let body = this.body(test.function)?;
    let test = if matches!(this.to.get(body), Term::Tally { .. }) { nested(this, &test)? } else { test };
    Some(this.truth(Term::Exists { set, test }))
}

fn nested(this: &mut Rewriting<'_>, test: &Lambda) -> Option<Lambda> {
    this.with_body(test, |this, body| exists(this, body).unwrap_or_else(|| this.truth(Term::AtLeast(body, 1))))
}

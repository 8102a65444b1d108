//! Conditions that are decided beforehand. True is the empty conjunction, false the empty disjunction.
//!
//! - before: `p and false`, `p or true`, `not true`; after: `false`, `true`, `false`
//! - before: `some x in s : false`, `at least 0 x in s : p`; after: `false`, `true`
//! - before: `s[x | true]`; after: `s`
//! - before: `Owner == Owner`, a comparison of two literals; after: `true` or `false`
//!
//! Why the meaning stays: *certainly false* of one part is *certainly false* of a conjunction whatever the others are, also
//! if they are unknown, and likewise for *certainly true* of a disjunction. No member, seen or unseen, satisfies what is
//! false. A count is never below 0. Contradictions such as `x == A and x == B` are left alone: where `x` is unknown, so
//! are they.

use super::Rewriting;
use crate::check::Comparison;
use crate::model::{Type, Value};
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, _: Type) -> Option<TermId> {
    let truth = |this: &mut Rewriting<'_>, holds: bool| {
        let empty = Vec::new();
        this.truth(if holds { Term::And(empty) } else { Term::Or(empty) })
    };
    match term {
        Term::Value(Value::Bool(value)) => Some(truth(this, *value)),
        Term::And(parts) if parts.iter().any(|part| this.is_never(*part)) => Some(truth(this, false)),
        Term::Or(parts) if parts.iter().any(|part| this.is_always(*part)) => Some(truth(this, true)),
        Term::Not(inner) if this.is_always(*inner) => Some(truth(this, false)),
        Term::Not(inner) if this.is_never(*inner) => Some(truth(this, true)),
        Term::Exists { test, .. } if this.body(test.function).is_some_and(|body| this.is_never(body)) => Some(truth(this, false)),
        Term::AtLeast(_, 0) => Some(truth(this, true)),
        Term::Filter { set, test } if this.body(test.function).is_some_and(|body| this.is_always(body)) => Some(*set),
        Term::Compare(op, a, b) => {
            let (Term::Value(left), Term::Value(right)) = (this.to.get(*a), this.to.get(*b)) else { return None };
            let holds = compared(*op, left, right)?;
            Some(truth(this, holds))
        }
        _ => None,
    }
}

/// Compares two literals of one kind; order only where it is plain.
fn compared(op: Comparison, left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(match op {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterEqual => left >= right,
        }),
        (Value::Enum(one, left), Value::Enum(other, right)) if one == other => match op {
            Comparison::Equal => Some(left == right),
            Comparison::NotEqual => Some(left != right),
            _ => None,
        },
        _ => None,
    }
}

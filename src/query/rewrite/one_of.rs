//! Equal to one of several values.
//!
//! - before: `x in {a}`; after: `x == a`, which members can be looked up by
//! - before: `x == a or x == b or p`; after: `x in {a, b} or p`, one look at `x`
//!
//! Only for enumerations, texts and ids, and for literals and parameters that are never none. Why the meaning stays: where
//! `x` is known both say whether it is one of the values; an `x` that is known to be none equals no value and is in no set;
//! where `x` is unknown so are both.

use super::Rewriting;
use crate::check::Comparison;
use crate::model::{Base, Type};
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, _: Type) -> Option<TermId> {
    match term {
        Term::In(item, set) => {
            let Term::Listed(values) = this.to.get(*set) else { return None };
            let [value] = *values.as_slice() else { return None };
            (is_plain(this, *item) && is_literal(this, value)).then(|| this.truth(Term::Compare(Comparison::Equal, *item, value)))
        }
        Term::Or(parts) => disjunction(this, parts),
        _ => None,
    }
}

fn disjunction(this: &mut Rewriting<'_>, parts: &[TermId]) -> Option<TermId> {
    let sides: Vec<Option<(TermId, TermId)>> = parts.iter().map(|part| sides(this, *part)).collect();
    let item = sides.iter().enumerate().find_map(|(at, side)| {
        let (item, _) = (*side)?;
        let again = sides.iter().skip(at + 1).flatten().any(|(other, _)| *other == item);
        again.then_some(item)
    })?;
    let (mut values, mut others) = (Vec::new(), Vec::new());
    for (part, side) in parts.iter().zip(&sides) {
        match side {
            Some((of, value)) if *of == item => values.push(*value),
            _ => others.push(*part),
        }
    }
    values.sort_unstable();
    let ty = Type { set: true, optional: false, ..this.to.type_of(item) };
    let set = this.make(Term::Listed(values), ty);
    others.push(this.truth(Term::In(item, set)));
    Some(this.truth(Term::Or(others)))
}

/// Returns what an equality compares with a literal, and the literal.
fn sides(this: &Rewriting<'_>, part: TermId) -> Option<(TermId, TermId)> {
    let Term::Compare(Comparison::Equal, a, b) = *this.to.get(part) else { return None };
    [(a, b), (b, a)].into_iter().find(|(item, value)| is_plain(this, *item) && !is_literal(this, *item) && is_literal(this, *value))
}

fn is_plain(this: &Rewriting<'_>, item: TermId) -> bool {
    let ty = this.to.type_of(item);
    !ty.set && matches!(ty.base, Base::Enum(_) | Base::String | Base::Guid | Base::ArmId)
}

fn is_literal(this: &Rewriting<'_>, value: TermId) -> bool {
    let ty = this.to.type_of(value);
    matches!(this.to.get(value), Term::Value(_) | Term::Param(_)) && !ty.optional && !ty.set
}

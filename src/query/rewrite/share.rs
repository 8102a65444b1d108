//! What depends on one value becomes a function of it.
//!
//! - before: `some m in a.principal.members^+ : m.account_enabled`, evaluated for each `a`
//! - after: `f(a.principal)`, computed once for each principal, whichever rule asks
//!
//! So a condition costs the same written out as in a definition, and one inside a quantifier that does not mention all
//! variables is not evaluated for each combination of them. Why the meaning stays: the function has the condition as its
//! body, and the condition mentions nothing but the value.

use super::Rewriting;
use crate::model::{Base, Type};
use crate::query::{Term, TermId, parts};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    if !matches!(term, Term::Exists { .. } | Term::AtLeast(..) | Term::Exactly(..) | Term::Number(_)) {
        return None;
    }
    let value = common(this, term)?;
    let of = this.to.type_of(value);
    // A function of the rows' own argument would be computed as often as it is now.
    let is_own = matches!(this.to.get(value), Term::Argument(_)) && this.n_arguments < 2;
    if is_own || of.set || !matches!(of.base, Base::Entity(_) | Base::String | Base::Guid | Base::ArmId) {
        return None;
    }
    let whole = this.to.term(term.clone(), ty);
    let function = this.lambda_of(vec![of], |this| {
        let argument = this.to.term(Term::Argument(0), of);
        let replaced = |_: &mut Rewriting<'_>, part: TermId| (part == value).then_some(argument);
        this.rebuilt(whole, &replaced, &mut std::collections::HashMap::new())
    });
    Some(this.make(Term::Apply(function, value), ty))
}

/// Finds the longest path from an argument (`a`, `a.principal`) over which a term reaches everything that varies.
fn common(this: &Rewriting<'_>, term: &Term) -> Option<TermId> {
    let mut found: Option<Vec<TermId>> = None;
    let mut queue: Vec<TermId> = parts(term);
    let mut seen = std::collections::BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        match path(this, id) {
            Some(steps) => {
                let shared = match found {
                    None => steps,
                    Some(known) => known.into_iter().zip(steps).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
                };
                if shared.is_empty() {
                    return None;
                }
                found = Some(shared);
            }
            None => queue.extend(parts(this.to.get(id))),
        }
    }
    found?.last().copied()
}

/// The steps from an argument to a value: the argument, and each attribute on the way.
pub(super) fn path(this: &Rewriting<'_>, term: TermId) -> Option<Vec<TermId>> {
    match this.to.get(term) {
        Term::Argument(_) => Some(vec![term]),
        Term::Attribute { base, at: None, .. } => {
            let mut steps = path(this, *base)?;
            steps.push(term);
            Some(steps)
        }
        _ => None,
    }
}

//! A filter of what a definition gives goes into the definition.
//!
//! - before: `assignments_reaching(s)[a | a.effective]`
//! - after: `f(s)`, where `f(s)` is the body of `assignments_reaching` with the filter, which moves on inside of it
//!
//! Only for tests that look at the member alone, so the function is still one of one value, computed once for each. Why the
//! meaning stays: a call means its body.

use super::Rewriting;
use crate::model::Type;
use crate::query::{Term, TermId};

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let Term::Filter { set, test } = term else { return None };
    let Term::Apply(function, argument) = *this.to.get(*set) else { return None };
    if !test.captures.is_empty() {
        return None;
    }
    let called = this.to.get_function(function)?.clone();
    let name = this.to.name_of(function).map(|name| format!("{name} filtered"));
    let filtered = this.lambda_of(called.arguments, |this| {
        let inner = this.to.type_of(called.body);
        this.make(Term::Filter { set: called.body, test: test.clone() }, inner)
    });
    if let Some(name) = name {
        this.to.name(filtered, &name);
    }
    Some(this.make(Term::Apply(filtered, argument), ty))
}

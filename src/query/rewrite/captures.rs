//! Values of the surroundings are read before members are looked at.
//!
//! - before: `some l in PartnerLink : l.tenant == g.managing_tenant`, with `g` given to each test
//! - after: the same with `g.managing_tenant` given to each test
//!
//! So a value is read once a row and not once for each combination, members of constant sets can be looked up by it, and rows
//! that differ in `g` and not in its values ask the same. Only where a test takes nothing but such values from `g`. Why the
//! meaning stays: the value does not depend on the member, and is as known or unknown before as it is inside.

use std::collections::{BTreeSet, HashMap};

use super::Rewriting;
use super::share::path;
use crate::model::{Base, Type};
use crate::query::{Lambda, Term, TermId, parts};

/// Values given to a test; with more, rows seldom agree in all of them.
const CAPTURES_MAX: usize = 4;

pub(super) fn apply(this: &mut Rewriting<'_>, term: &Term, ty: Type) -> Option<TermId> {
    let new = match term {
        Term::Exists { set, test } => Term::Exists { set: *set, test: read_before(this, test)? },
        Term::Tally { set, test } => Term::Tally { set: *set, test: read_before(this, test)? },
        Term::Filter { set, test } => Term::Filter { set: *set, test: read_before(this, test)? },
        _ => return None,
    };
    Some(this.make(new, ty))
}

/// Reads the values of one capture that can be read before.
fn read_before(this: &mut Rewriting<'_>, test: &Lambda) -> Option<Lambda> {
    let function = this.to.get_function(test.function)?.clone();
    let (at, values) = (1..=test.captures.len()).find_map(|at| {
        let values = values_of(this, function.body, u32::try_from(at).ok()?)?;
        (test.captures.len() - 1 + values.len() <= CAPTURES_MAX).then_some((at, values))
    })?;
    let (mut captures, mut arguments) = (Vec::new(), function.arguments.get(..1)?.to_vec());
    // Where the other captures and the values stand now.
    let mut others: HashMap<u32, usize> = HashMap::new();
    for (other, (capture, ty)) in (1..).zip(test.captures.iter().zip(function.arguments.iter().skip(1))) {
        if other != at {
            others.insert(u32::try_from(other).ok()?, place(&mut captures, &mut arguments, *capture, *ty));
        }
    }
    let given = *test.captures.get(at - 1)?;
    let mut places: HashMap<TermId, usize> = HashMap::new();
    for value in values {
        let is_capture = |this: &mut Rewriting<'_>, part: TermId| matches!(this.to.get(part), Term::Argument(_)).then_some(given);
        let outside = this.rebuilt(value, &is_capture, &mut HashMap::new());
        let ty = this.to.type_of(value);
        places.insert(value, place(&mut captures, &mut arguments, outside, ty));
    }
    let function = this.lambda_of(arguments, |this| {
        let replaced = |this: &mut Rewriting<'_>, part: TermId| {
            let other = match this.to.get(part) {
                Term::Argument(at) => others.get(at).copied(),
                _ => None,
            };
            let (at, ty) = (places.get(&part).copied().or(other)?, this.to.type_of(part));
            Some(this.to.term(Term::Argument(u32::try_from(at).ok()?), ty))
        };
        this.rebuilt(function.body, &replaced, &mut HashMap::new())
    });
    Some(Lambda { function, captures })
}

/// Adds a capture if it is not one; returns which argument it is.
fn place(captures: &mut Vec<TermId>, arguments: &mut Vec<Type>, capture: TermId, ty: Type) -> usize {
    let known = captures.iter().zip(arguments.iter().skip(1)).position(|(known, of)| *known == capture && *of == ty);
    known.unwrap_or_else(|| {
        captures.push(capture);
        arguments.push(ty);
        captures.len() - 1
    }) + 1
}

/// Returns the values that a body reads of an argument; nothing if it needs more of it than values that have codes.
fn values_of(this: &Rewriting<'_>, body: TermId, argument: u32) -> Option<BTreeSet<TermId>> {
    let mut values = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut queue = vec![body];
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(steps) = path(this, id) else {
            queue.extend(parts(this.to.get(id)));
            continue;
        };
        if !matches!(steps.first().map(|first| this.to.get(*first)), Some(Term::Argument(at)) if *at == argument) {
            continue;
        }
        let ty = this.to.type_of(id);
        if steps.len() < 2 || ty.set || matches!(ty.base, Base::Int | Base::Duration | Base::Interval | Base::Nothing) {
            return None;
        }
        values.insert(id);
    }
    (!values.is_empty()).then_some(values)
}

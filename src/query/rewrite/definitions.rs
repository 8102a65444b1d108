//! Calls of definitions with one argument that varies are functions; made while rules are lowered.
//!
//! - before: the body of the definition, written out for each call with the arguments in place
//! - after: a function of the one argument that varies, computed once for each of its values, whichever rule asks
//!
//! Calls with several arguments that vary are written out: they have seldom the same values twice. Why the meaning stays:
//! definitions look at nothing but their arguments, and there is no recursion.
//!
//! It happens during lowering because rules whose definitions are all written out may be too large to be rewritten later.

use crate::query::{Query, TermId};

/// Returns the place of the one argument that varies and its term; nothing if there are several, none, or it is a set.
pub(in crate::query) fn varying_argument(query: &Query, args: &[TermId], varies: impl Fn(TermId) -> bool) -> Option<(usize, TermId)> {
    let mut varying = args.iter().copied().enumerate().filter(|(_, arg)| varies(*arg));
    let found = varying.next().filter(|(_, arg)| !query.type_of(*arg).set)?;
    varying.next().is_none().then_some(found)
}

//! Rewrites: a plan that means the same and is less work. One a file; each can be switched off.
//!
//! In: a [`Query`] as rules were lowered, and the functions of the rules. Out: another query with theirs, without the terms
//! nobody asks for. Terms are rewritten from the inside out; whatever a rewrite makes is rewritten in turn.
//!
//! Invariants: for every row the truth of a term is the same before and after, *certainly true*, *certainly false* and
//! neither alike; a set has the same sure, doubtful and unseen members. So the order of rewrites and leaving some out
//! change the work and never a verdict. The members that make a requirement `no x in … : …` fail can still be read off
//! it: rewrites that would hide them leave the outermost existence of a requirement alone.
//!
//! A new rewrite is a file here and a line in [`PASSES`].

mod captures;
mod constant;
mod counting;
mod definitions;
mod exists_union;
mod filter_call;
mod filter_filter;
mod filter_union;
mod junction;
mod negation;
mod one_of;
mod share;
mod symmetry;
mod where_body;

use std::collections::HashMap;

pub(super) use definitions::varying_argument;

use super::lower::RuleQuery;
use super::term::{Function, FunctionId, Lambda, Query, Term, TermId, map_term, parts};
use crate::model::{Base, Schema, Type};

/// Rewrites a term whose parts are rewritten; nothing if it does not apply.
type Apply = fn(&mut Rewriting<'_>, &Term, Type) -> Option<TermId>;

/// One rewrite.
struct Pass {
    name: &'static str,
    /// Nothing for what happens while rules are lowered.
    apply: Option<Apply>,
    /// Whether the members that satisfy an existence can be read off it afterwards.
    keeps_members: bool,
}

const fn pass(name: &'static str, apply: Apply) -> Pass {
    Pass { name, apply: Some(apply), keeps_members: true }
}

/// All rewrites in the order in which they are tried.
const PASSES: &[Pass] = &[
    Pass { name: "definitions", apply: None, keeps_members: true },
    pass("negation", negation::apply),
    pass("constant", constant::apply),
    pass("junction", junction::apply),
    pass("symmetry", symmetry::apply),
    pass("one_of", one_of::apply),
    pass("counting", counting::apply),
    pass("filter_filter", filter_filter::apply),
    pass("where_body", where_body::apply),
    pass("filter_union", filter_union::apply),
    pass("filter_call", filter_call::apply),
    pass("captures", captures::apply),
    Pass { name: "exists_union", apply: Some(exists_union::apply), keeps_members: false },
    Pass { name: "share", apply: Some(share::apply), keeps_members: false },
];

/// Rewrites made in one run; what is left then stays as it is.
pub const REWRITES_MAX: usize = 1_000_000;

/// Which rewrites are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrites(u32);

impl Default for Rewrites {
    fn default() -> Self {
        Self::all()
    }
}

impl Rewrites {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(u32::MAX)
    }

    /// None: plans are as their authors wrote them.
    #[must_use]
    pub fn none() -> Self {
        Self(0)
    }

    /// Returns these without one; a name that does not exist changes nothing.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        PASSES.iter().position(|pass| pass.name == name).map_or(self, |at| Self(self.0 & !(1 << at)))
    }

    /// Returns these and one more.
    #[must_use]
    pub fn with(self, name: &str) -> Self {
        PASSES.iter().position(|pass| pass.name == name).map_or(self, |at| Self(self.0 | 1 << at))
    }

    /// Names all rewrites, in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PASSES.iter().map(|pass| pass.name)
    }

    pub(super) fn has(self, name: &str) -> bool {
        PASSES.iter().position(|pass| pass.name == name).is_some_and(|at| self.is_on(at))
    }

    fn is_on(self, at: usize) -> bool {
        self.0 >> at & 1 == 1
    }
}

/// Rewrites the functions of rules and all they call.
#[must_use]
pub fn rewrite(query: &Query, schema: &Schema, rules: &[RuleQuery], on: Rewrites) -> (Query, Vec<RuleQuery>) {
    let mut this = Rewriting {
        from: query,
        to: Query::default(),
        schema,
        on,
        n_arguments: 1,
        top: false,
        n_rewrites: 0,
        terms: HashMap::new(),
        functions: HashMap::new(),
    };
    let rules = rules
        .iter()
        .map(|rule| RuleQuery {
            applies: rule.applies.map(|function| this.function(function)),
            due: rule.due.map(|function| this.function(function)),
            requirements: rule.requirements.iter().map(|function| this.requirement(*function)).collect(),
            lets: rule.lets.iter().map(|function| this.function(*function)).collect(),
        })
        .collect();
    (this.to, rules)
}

/// Rewriting under way.
pub(super) struct Rewriting<'q> {
    from: &'q Query,
    to: Query,
    schema: &'q Schema,
    on: Rewrites,
    /// Arguments of the function whose body is made.
    n_arguments: usize,
    /// Whether the outermost existence of a requirement is made.
    top: bool,
    n_rewrites: usize,
    /// Terms of `from` inside a function of so many arguments.
    terms: HashMap<(TermId, usize), TermId>,
    functions: HashMap<FunctionId, FunctionId>,
}

impl Rewriting<'_> {
    fn function(&mut self, id: FunctionId) -> FunctionId {
        if let Some(known) = self.functions.get(&id) {
            return *known;
        }
        let new = self.function_by(id, Self::term);
        self.functions.insert(id, new);
        new
    }

    fn requirement(&mut self, id: FunctionId) -> FunctionId {
        self.function_by(id, |this, body| {
            let from = this.from;
            let Term::Not(inner) = from.get(body) else { return this.term(body) };
            if !matches!(from.get(*inner), Term::Exists { .. }) {
                return this.term(body);
            }
            let exists = this.rewritten_parts(*inner);
            this.top = true;
            let exists = this.make(exists, from.type_of(*inner));
            this.top = false;
            this.make(Term::Not(exists), from.type_of(body))
        })
    }

    fn function_by(&mut self, id: FunctionId, of_body: impl FnOnce(&mut Self, TermId) -> TermId) -> FunctionId {
        let from = self.from;
        let Some(function) = from.get_function(id) else { return id };
        let new = self.lambda_of(function.arguments.clone(), |this| of_body(this, function.body));
        if let Some(name) = from.name_of(id) {
            self.to.name(new, name);
        }
        new
    }

    /// Rewrites a term of the query that is rewritten.
    fn term(&mut self, id: TermId) -> TermId {
        let key = (id, self.n_arguments);
        if let Some(known) = self.terms.get(&key) {
            return *known;
        }
        let term = self.rewritten_parts(id);
        let new = self.make(term, self.from.type_of(id));
        self.terms.insert(key, new);
        new
    }

    fn rewritten_parts(&mut self, id: TermId) -> Term {
        let from = self.from;
        let this = std::cell::RefCell::new(self);
        map_term(from.get(id), &mut |part| this.borrow_mut().term(part), &mut |function| this.borrow_mut().function(function))
    }

    /// Makes a term of parts that are rewritten.
    fn make(&mut self, term: Term, ty: Type) -> TermId {
        for (at, pass) in PASSES.iter().enumerate() {
            if !self.on.is_on(at) || (self.top && !pass.keeps_members) || self.n_rewrites >= REWRITES_MAX {
                continue;
            }
            if let Some(new) = pass.apply.and_then(|apply| apply(self, &term, ty)) {
                self.n_rewrites += 1;
                return new;
            }
        }
        self.to.term(term, ty)
    }

    fn truth(&mut self, term: Term) -> TermId {
        self.make(term, Type::of(Base::Bool))
    }

    fn get(&self, id: TermId) -> Term {
        self.to.get(id).clone()
    }

    fn body(&self, function: FunctionId) -> Option<TermId> {
        self.to.get_function(function).map(|function| function.body)
    }

    fn is_always(&self, term: TermId) -> bool {
        matches!(self.to.get(term), Term::And(parts) if parts.is_empty())
    }

    fn is_never(&self, term: TermId) -> bool {
        matches!(self.to.get(term), Term::Or(parts) if parts.is_empty())
    }

    /// Makes a function; `body` is made inside of it.
    fn lambda_of(&mut self, arguments: Vec<Type>, body: impl FnOnce(&mut Self) -> TermId) -> FunctionId {
        let (outside, top) = (self.n_arguments, self.top);
        (self.n_arguments, self.top) = (arguments.len(), false);
        let body = body(self);
        (self.n_arguments, self.top) = (outside, top);
        self.to.function(Function { arguments, body })
    }

    /// Makes a function of the same arguments with another body.
    fn with_body(&mut self, lambda: &Lambda, body: impl FnOnce(&mut Self, TermId) -> TermId) -> Option<Lambda> {
        let function = self.to.get_function(lambda.function)?.clone();
        let function = self.lambda_of(function.arguments, |this| body(this, function.body));
        Some(Lambda { function, captures: lambda.captures.clone() })
    }

    /// Makes the test that both tests hold.
    fn both(&mut self, a: &Lambda, b: &Lambda) -> Option<Lambda> {
        let (first, second) = (self.to.get_function(a.function)?.clone(), self.to.get_function(b.function)?.clone());
        let (mut arguments, mut captures) = (first.arguments, a.captures.clone());
        let mut places = vec![0_u32];
        for (capture, ty) in b.captures.iter().zip(second.arguments.iter().skip(1)) {
            let at = captures.iter().position(|known| known == capture).unwrap_or_else(|| {
                captures.push(*capture);
                arguments.push(*ty);
                captures.len() - 1
            });
            places.push(u32::try_from(at + 1).ok()?);
        }
        let function = self.lambda_of(arguments, |this| {
            let moved = this.moved(second.body, &places);
            this.truth(Term::And(vec![first.body, moved]))
        });
        Some(Lambda { function, captures })
    }

    /// Moves a body to where its arguments stand at other places.
    fn moved(&mut self, term: TermId, places: &[u32]) -> TermId {
        let place = |at: u32| places.get(at as usize).copied().unwrap_or(at);
        let replaced = |this: &mut Self, id: TermId| match this.to.get(id) {
            Term::Argument(at) => {
                let (at, ty) = (place(*at), this.to.type_of(id));
                Some(this.to.term(Term::Argument(at), ty))
            }
            _ => None,
        };
        self.rebuilt(term, &replaced, &mut HashMap::new())
    }

    /// Makes a term anew with some of its parts replaced.
    fn rebuilt(
        &mut self,
        term: TermId,
        replaced: &dyn Fn(&mut Self, TermId) -> Option<TermId>,
        known: &mut HashMap<TermId, TermId>,
    ) -> TermId {
        if let Some(known) = known.get(&term) {
            return *known;
        }
        let new = match replaced(self, term) {
            Some(new) => new,
            None if parts(self.to.get(term)).is_empty() => term,
            None => {
                let (old, ty) = (self.get(term), self.to.type_of(term));
                let new = map_term(&old, &mut |part| self.rebuilt(part, replaced, known), &mut |function| function);
                self.make(new, ty)
            }
        };
        known.insert(term, new);
        new
    }
}

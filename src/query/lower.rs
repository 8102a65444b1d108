//! Checked expressions to terms.
//!
//! Before: a tree in which definitions are called, variables are slots of a frame, and each quantifier has its own shape.
//! After: closed functions. A variable of the surroundings that a quantifier uses is a capture of its test. What the language
//! defines by other words is written with those: `no` and `all` with `Exists` and `Not`, `implies` and named branches with
//! `Or`, `where` with a filter of the set. Nothing is made better here; that is for `rewrite`.

use std::collections::HashMap;

use super::rewrite::{Rewrites, varying_argument};
use super::term::{Function, FunctionId, Lambda, ParamVersion, Pattern, Query, Term, TermId, map_term, parts};
use crate::check::{Aggregate, Binder, DefId, Expr, ExprKind, ParamId, Policies, Quantifier, Rule, VarId};
use crate::model::{Base, Type};

/// A rule as functions of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleQuery {
    /// Whether the rule speaks about the subject; always without.
    pub applies: Option<FunctionId>,
    /// When it must hold.
    pub due: Option<FunctionId>,
    /// What must hold, in the rule's order.
    pub requirements: Vec<FunctionId>,
    /// Named values, whether a requirement uses them or not: what they read is read for every subject.
    pub lets: Vec<FunctionId>,
}

/// A rule that grows beyond a limit when its definitions are written out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}` has more than {limit} parts when its definitions are written out; use fewer calls inside calls")]
pub struct TooLarge {
    /// The rule.
    pub rule: String,
    /// The limit.
    pub limit: usize,
}

/// Parts of one rule, its definitions written out.
pub const LOWERED_PARTS_MAX: usize = 200_000;
/// Calls of definitions inside calls.
const CALL_DEPTH_MAX: usize = 64;

/// Lowers a rule into `query`; `versions` says for each parameter which of its values holds. Of the rewrites only those that
/// are made while lowering count.
///
/// # Errors
/// [`TooLarge`].
pub fn lower_rule(
    query: &mut Query,
    policies: &Policies,
    rule: &Rule,
    versions: &dyn Fn(ParamId) -> u32,
    on: Rewrites,
) -> Result<RuleQuery, TooLarge> {
    let mut lowering = Lowering::new(query, policies, versions, on.has("definitions"));
    let lets = Some(rule);
    let result = RuleQuery {
        applies: rule.filter.as_ref().map(|filter| lowering.of_subject(rule, None, filter)),
        due: rule.due.as_ref().map(|due| lowering.of_subject(rule, lets, due)),
        requirements: rule.requirements.iter().map(|requirement| lowering.of_subject(rule, lets, &requirement.condition)).collect(),
        lets: rule.lets.iter().map(|(_, value)| lowering.of_subject(rule, lets, value)).collect(),
    };
    if lowering.n_parts > LOWERED_PARTS_MAX {
        return Err(TooLarge { rule: rule.id.clone(), limit: LOWERED_PARTS_MAX });
    }
    Ok(result)
}

/// Variables of one rule or definition: which frame, which slot.
type Slot = (usize, VarId);

#[derive(Default)]
struct Scope {
    arguments: Vec<Type>,
    /// Terms of the scope around, for the arguments that are captures: the last of `arguments`.
    captures: Vec<TermId>,
    bound: HashMap<Slot, TermId>,
}

struct Lowering<'a> {
    query: &'a mut Query,
    policies: &'a Policies,
    versions: &'a dyn Fn(ParamId) -> u32,
    scopes: Vec<Scope>,
    frames: usize,
    n_parts: usize,
    depth: usize,
    /// Whether definitions of one argument that varies are functions.
    shares: bool,
    /// Definitions that were lowered as functions of one argument: which, of which argument, with which others.
    functions: HashMap<(DefId, usize, Vec<TermId>), FunctionId>,
}

impl<'a> Lowering<'a> {
    fn new(query: &'a mut Query, policies: &'a Policies, versions: &'a dyn Fn(ParamId) -> u32, shares: bool) -> Self {
        Self { query, policies, versions, scopes: Vec::new(), frames: 0, n_parts: 0, depth: 0, shares, functions: HashMap::new() }
    }

    fn of_subject(&mut self, rule: &Rule, lets: Option<&Rule>, expr: &Expr) -> FunctionId {
        let subject = Type::of(Base::Entity(rule.entity));
        self.function(&[(rule.subject, subject)], |this, frame| {
            for (var, value) in lets.iter().flat_map(|rule| &rule.lets) {
                let value = this.lower(value, frame);
                this.bind((frame, *var), value);
            }
            this.lower(expr, frame)
        })
    }

    /// Makes a closed function of some arguments.
    fn function(&mut self, arguments: &[(VarId, Type)], body: impl FnOnce(&mut Self, usize) -> TermId) -> FunctionId {
        let outside = std::mem::take(&mut self.scopes);
        let frame = self.new_frame();
        let mut scope = Scope::default();
        for (at, (var, ty)) in (0_u32..).zip(arguments) {
            scope.arguments.push(*ty);
            let term = self.query.term(Term::Argument(at), *ty);
            scope.bound.insert((frame, *var), term);
        }
        self.scopes.push(scope);
        let body = body(self, frame);
        let arguments = self.scopes.pop().map(|scope| scope.arguments).unwrap_or_default();
        self.scopes = outside;
        self.query.function(Function { arguments, body })
    }

    /// Makes a test of the members of a set, in which variables of the surroundings are captures.
    fn lambda(&mut self, frame: usize, var: VarId, member: Type, body: impl FnOnce(&mut Self) -> TermId) -> Lambda {
        let mut scope = Scope { arguments: vec![member], ..Scope::default() };
        let term = self.query.term(Term::Argument(0), member);
        scope.bound.insert((frame, var), term);
        self.scopes.push(scope);
        let body = body(self);
        let scope = self.scopes.pop().unwrap_or_default();
        let function = self.query.function(Function { arguments: scope.arguments, body });
        Lambda { function, captures: scope.captures }
    }

    fn new_frame(&mut self) -> usize {
        self.frames += 1;
        self.frames
    }

    fn bind(&mut self, slot: Slot, term: TermId) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.bound.insert(slot, term);
        }
    }

    /// Finds a variable; one of the surroundings is brought in.
    fn variable(&mut self, level: usize, slot: Slot) -> Option<TermId> {
        if let Some(term) = self.scopes.get(level)?.bound.get(&slot) {
            return Some(*term);
        }
        let outer = self.variable(level.checked_sub(1)?, slot)?;
        let term = self.bring_in(level, outer);
        self.scopes.get_mut(level)?.bound.insert(slot, term);
        Some(term)
    }

    /// Makes a term of the surroundings usable inside: constants as they are, sets written out again, values as captures.
    fn bring_in(&mut self, level: usize, outer: TermId) -> TermId {
        let (term, ty) = (self.query.get(outer).clone(), self.query.type_of(outer));
        if !self.mentions_arguments(outer) {
            return outer;
        }
        if ty.set {
            self.n_parts += 1;
            if self.n_parts > LOWERED_PARTS_MAX {
                return self.query.term(Term::Unknown, ty);
            }
            let inside = map_term(&term, &mut |part| self.bring_in(level, part), &mut |function| function);
            return self.query.term(inside, ty);
        }
        let Some(scope) = self.scopes.get_mut(level) else { return outer };
        let n_own = scope.arguments.len() - scope.captures.len();
        let at = scope.captures.iter().position(|known| *known == outer).unwrap_or_else(|| {
            scope.captures.push(outer);
            scope.arguments.push(ty);
            scope.captures.len() - 1
        });
        let at = u32::try_from(n_own + at).unwrap_or(u32::MAX);
        self.query.term(Term::Argument(at), ty)
    }

    fn mentions_arguments(&self, term: TermId) -> bool {
        let mut queue = vec![term];
        let mut seen = std::collections::HashSet::new();
        while let Some(id) = queue.pop() {
            if matches!(self.query.get(id), Term::Argument(_)) {
                return true;
            }
            queue.extend(parts(self.query.get(id)).into_iter().filter(|part| seen.insert(*part)));
        }
        false
    }

    fn make(&mut self, term: Term, ty: Type) -> TermId {
        self.query.term(term, ty)
    }

    fn truth(&mut self, term: Term) -> TermId {
        self.query.term(term, Type::of(Base::Bool))
    }

    fn not(&mut self, inner: TermId) -> TermId {
        self.truth(Term::Not(inner))
    }

    fn lower_all(&mut self, items: &[Expr], frame: usize) -> Vec<TermId> {
        items.iter().map(|item| self.lower(item, frame)).collect()
    }

    fn lower_at(&mut self, at: Option<&Expr>, frame: usize) -> Option<TermId> {
        at.map(|at| self.lower(at, frame))
    }

    fn lower(&mut self, expr: &Expr, frame: usize) -> TermId {
        self.n_parts += 1;
        let ty = expr.ty;
        if self.n_parts > LOWERED_PARTS_MAX {
            return self.make(Term::Unknown, ty);
        }
        match &expr.kind {
            ExprKind::Value(value) => self.make(Term::Value(value.clone()), ty),
            ExprKind::None => self.make(Term::None, ty),
            ExprKind::Now => self.make(Term::Now, ty),
            ExprKind::Error => self.make(Term::Unknown, ty),
            ExprKind::Param(param) => {
                let version = (self.versions)(*param);
                self.make(Term::Param(ParamVersion { param: *param, version }), ty)
            }
            ExprKind::Var(var) => {
                let level = self.scopes.len().saturating_sub(1);
                self.variable(level, (frame, *var)).unwrap_or_else(|| self.query.term(Term::Unknown, ty))
            }
            ExprKind::Call(def, args) => self.call(*def, args, ty, frame),
            ExprKind::Attribute { .. } | ExprKind::Navigation { .. } | ExprKind::Closure { .. } => self.step(expr, frame),
            ExprKind::Extent(entity) => self.make(Term::Extent(*entity), ty),
            ExprKind::Filter(binder) => self.filtered(binder, frame),
            ExprKind::Set(items) => {
                let items = self.lower_all(items, frame);
                self.make(Term::Listed(items), ty)
            }
            ExprKind::Quantified(kind, binders, body) => self.quantified(*kind, binders, body.as_deref(), frame),
            ExprKind::Aggregate(kind, binders, body) => self.aggregate(*kind, binders, body.as_deref(), ty, frame),
            _ => self.connective(expr, frame),
        }
    }

    fn step(&mut self, expr: &Expr, frame: usize) -> TermId {
        let term = match &expr.kind {
            ExprKind::Attribute { base, property, at, .. } => {
                let base = self.lower(base, frame);
                Term::Attribute { base, property: *property, at: self.lower_at(at.as_deref(), frame) }
            }
            ExprKind::Navigation { base, property, at } => {
                let base = self.lower(base, frame);
                Term::Navigate { base, property: *property, at: self.lower_at(at.as_deref(), frame) }
            }
            ExprKind::Closure { base, property, reflexive, at } => {
                let base = self.lower(base, frame);
                Term::Closure { base, property: *property, reflexive: *reflexive, at: self.lower_at(at.as_deref(), frame) }
            }
            _ => Term::Unknown,
        };
        self.make(term, expr.ty)
    }

    fn connective(&mut self, expr: &Expr, frame: usize) -> TermId {
        let ty = expr.ty;
        let mut two = |a: &Expr, b: &Expr| (self.lower(a, frame), self.lower(b, frame));
        let term = match &expr.kind {
            ExprKind::Union(a, b) => {
                let (a, b) = two(a, b);
                Term::Union(a, b)
            }
            ExprKind::Compare(op, a, b) => {
                let (a, b) = two(a, b);
                Term::Compare(*op, a, b)
            }
            ExprKind::Covers(a, b) => {
                let (a, b) = two(a, b);
                Term::Covers(a, b)
            }
            ExprKind::Overlaps(a, b) => {
                let (a, b) = two(a, b);
                Term::Overlaps(a, b)
            }
            ExprKind::Coalesce(a, b) => {
                let (a, b) = two(a, b);
                Term::Coalesce(a, b)
            }
            ExprKind::Add(a, b) => {
                let (a, b) = two(a, b);
                Term::Add(a, b)
            }
            ExprKind::Subtract(a, b) => {
                let (a, b) = two(a, b);
                Term::Subtract(a, b)
            }
            ExprKind::Interval(a, b) => {
                let (a, b) = two(a, b);
                Term::Interval(a, b)
            }
            ExprKind::Matches(a, pattern) => Term::Matches(self.lower(a, frame), Pattern(pattern.clone())),
            ExprKind::Known(a) => Term::Known(self.lower(a, frame)),
            _ => return self.logic(expr, frame),
        };
        self.make(term, ty)
    }

    fn logic(&mut self, expr: &Expr, frame: usize) -> TermId {
        match &expr.kind {
            ExprKind::Not(inner) => {
                let inner = self.lower(inner, frame);
                self.not(inner)
            }
            ExprKind::And(items) => {
                let items = self.lower_all(items, frame);
                self.truth(Term::And(items))
            }
            ExprKind::Or(items) => {
                let items = self.lower_all(items, frame);
                self.truth(Term::Or(items))
            }
            ExprKind::Branches(branches) => {
                let items = branches.iter().map(|(_, branch)| self.lower(branch, frame)).collect();
                self.truth(Term::Or(items))
            }
            ExprKind::Implies(left, right) => {
                let (left, right) = (self.lower(left, frame), self.lower(right, frame));
                let left = self.not(left);
                self.truth(Term::Or(vec![left, right]))
            }
            ExprKind::In { item, set, negated } => {
                let (item, set) = (self.lower(item, frame), self.lower(set, frame));
                let inside = self.truth(Term::In(item, set));
                if *negated { self.not(inside) } else { inside }
            }
            ExprKind::IsNone(inner, negated) => {
                let inner = self.lower(inner, frame);
                let is = self.truth(Term::IsNone(inner));
                if *negated { self.not(is) } else { is }
            }
            ExprKind::IsType(inner, entity, negated) => {
                let inner = self.lower(inner, frame);
                let is = self.truth(Term::IsType(inner, *entity));
                if *negated { self.not(is) } else { is }
            }
            _ => self.make(Term::Unknown, expr.ty),
        }
    }

    fn filtered(&mut self, binder: &Binder, frame: usize) -> TermId {
        let set = self.lower(&binder.set, frame);
        let Some(filter) = &binder.filter else { return set };
        let ty = self.query.type_of(set);
        let test = self.lambda(frame, binder.var, ty.member(), |this| this.lower(filter, frame));
        self.make(Term::Filter { set, test }, ty)
    }

    /// `some` as it stands, `no` as its negation, `all P` as `no not P`; the others count.
    fn quantified(&mut self, kind: Quantifier, binders: &[Binder], body: Option<&Expr>, frame: usize) -> TermId {
        let size = |n: i64| u64::try_from(n).unwrap_or(0);
        match kind {
            Quantifier::Some => self.exists(binders, body, false, frame),
            Quantifier::No => {
                let some = self.exists(binders, body, false, frame);
                self.not(some)
            }
            Quantifier::All => {
                let some = self.exists(binders, body, true, frame);
                self.not(some)
            }
            Quantifier::AllNonempty => {
                let counter = self.exists(binders, body, true, frame);
                let (all, any) = (self.not(counter), self.exists(binders, None, false, frame));
                self.truth(Term::And(vec![all, any]))
            }
            Quantifier::Exactly(n) => {
                let tally = self.tally(binders, body, frame);
                self.truth(Term::Exactly(tally, size(n)))
            }
            Quantifier::AtMost(n) => {
                let tally = self.tally(binders, body, frame);
                let more = self.truth(Term::AtLeast(tally, size(n).saturating_add(1)));
                self.not(more)
            }
            Quantifier::AtLeast(n) => {
                let tally = self.tally(binders, body, frame);
                self.truth(Term::AtLeast(tally, size(n)))
            }
        }
    }

    fn always(&mut self) -> TermId {
        self.truth(Term::And(Vec::new()))
    }

    fn exists(&mut self, binders: &[Binder], body: Option<&Expr>, negated: bool, frame: usize) -> TermId {
        let Some((binder, rest)) = binders.split_first() else {
            let Some(body) = body else { return if negated { self.truth(Term::Or(Vec::new())) } else { self.always() } };
            let body = self.lower(body, frame);
            return if negated { self.not(body) } else { body };
        };
        let set = self.filtered(binder, frame);
        let member = self.query.type_of(set).member();
        let test = self.lambda(frame, binder.var, member, |this| this.exists(rest, body, negated, frame));
        self.truth(Term::Exists { set, test })
    }

    fn tally(&mut self, binders: &[Binder], body: Option<&Expr>, frame: usize) -> TermId {
        let Some((binder, rest)) = binders.split_first() else {
            return match body {
                Some(body) => self.lower(body, frame),
                None => self.always(),
            };
        };
        let set = self.filtered(binder, frame);
        let member = self.query.type_of(set).member();
        let test = self.lambda(frame, binder.var, member, |this| this.tally(rest, body, frame));
        self.make(Term::Tally { set, test }, Type::of(Base::Int))
    }

    fn aggregate(&mut self, kind: Aggregate, binders: &[Binder], body: Option<&Expr>, ty: Type, frame: usize) -> TermId {
        match (kind, body) {
            (Aggregate::Count, body) => {
                let tally = self.tally(binders, body, frame);
                self.make(Term::Number(tally), ty)
            }
            (_, None) => self.make(Term::Unknown, ty),
            (kind, Some(body)) => self.extreme(kind == Aggregate::Max, binders, body, ty, frame),
        }
    }

    fn extreme(&mut self, largest: bool, binders: &[Binder], body: &Expr, ty: Type, frame: usize) -> TermId {
        let Some((binder, rest)) = binders.split_first() else { return self.lower(body, frame) };
        let set = self.filtered(binder, frame);
        let member = self.query.type_of(set).member();
        let value = self.lambda(frame, binder.var, member, |this| this.extreme(largest, rest, body, ty, frame));
        let nested = !rest.is_empty();
        self.make(Term::Extreme { largest, nested, set, value }, ty)
    }

    /// Definitions are written out, or are functions of their own (see `rewrite::definitions`).
    fn call(&mut self, def: DefId, args: &[Expr], ty: Type, frame: usize) -> TermId {
        let Some(target) = self.policies.defs.get(def.0 as usize) else { return self.make(Term::Unknown, ty) };
        if self.depth >= CALL_DEPTH_MAX {
            self.n_parts = LOWERED_PARTS_MAX + 1;
            return self.make(Term::Unknown, ty);
        }
        let args = self.lower_all(args, frame);
        self.depth += 1;
        let single = varying_argument(self.query, &args, |arg| self.mentions_arguments(arg)).filter(|_| self.shares);
        let result = match single {
            Some((at, arg)) => {
                let formal = target.formals.get(at).map_or(self.query.type_of(arg), |(_, ty)| *ty);
                let function = self.definition(def, &target.body, at, formal, args);
                self.query.name(function, &target.name);
                self.make(Term::Apply(function, arg), ty)
            }
            None => {
                let inner = self.new_frame();
                for (at, arg) in (0_u32..).zip(&args) {
                    self.bind((inner, VarId(at)), *arg);
                }
                self.lower(&target.body, inner)
            }
        };
        self.depth -= 1;
        result
    }
}

impl Lowering<'_> {
    /// Lowers a definition as a function of its argument `at`; the others are constants.
    fn definition(&mut self, def: DefId, body: &Expr, at: usize, formal: Type, mut args: Vec<TermId>) -> FunctionId {
        if at < args.len() {
            args.remove(at);
        }
        let key = (def, at, args);
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let (slot, others) = (VarId(u32::try_from(at).unwrap_or(u32::MAX)), &key.2);
        let function = self.function(&[(slot, formal)], |this, inner| {
            let slots = (0_u32..).filter(|other| *other != slot.0);
            for (other, term) in slots.zip(others) {
                this.bind((inner, VarId(other)), *term);
            }
            this.lower(body, inner)
        });
        self.functions.insert(key, function);
        function
    }
}

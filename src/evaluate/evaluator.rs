//! The reference evaluator: obvious and slow. Three-valued expressions over open sets, as the language document says.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::trace::Trace;
use super::value::{Range, SetValue, Truth, Unseen, Val};
use crate::check::{Comparison, Def, Expr, ExprKind, Policies};
use crate::model::{Base, EntityId, EntityTypeId, PropertyId, SourceId, SourceKind, Value, covers_path};
use crate::snapshot::{CellState, Fact, Snapshot};

/// The slots of one rule, definition or waiver.
pub type Frame = Vec<Val>;

/// Steps one requirement and one subject may take before the verdict is unknown.
pub const STEPS_MAX: u64 = 20_000_000;

pub(super) type ClosureKey = (EntityId, PropertyId, Option<Timestamp>);

/// Evaluates expressions over one snapshot at one instant with one set of parameters.
pub struct Evaluator<'a> {
    pub(super) policies: &'a Policies,
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) params: Vec<Val>,
    /// Sources whose attestation is past its review date at `now`.
    expired: BTreeSet<SourceId>,
    pub(super) has_attested: bool,
    pub(super) closures: RefCell<HashMap<ClosureKey, Arc<SetValue>>>,
    steps: Cell<u64>,
    attested: RefCell<BTreeSet<SourceId>>,
    /// What was read since [`Evaluator::begin`], if somebody wants to know.
    pub(super) trace: Option<RefCell<Trace>>,
}

impl<'a> Evaluator<'a> {
    /// Prepares an evaluation; `params` has a value for each parameter (unknown for one that is not set).
    #[must_use]
    pub fn new(policies: &'a Policies, snapshot: &'a Snapshot, now: Timestamp, params: Vec<Val>) -> Self {
        let sources = snapshot.sources();
        let expired = (0_u32..)
            .zip(sources)
            .filter(|(_, source)| source.attestation.as_ref().is_some_and(|attestation| attestation.is_overdue(now)))
            .map(|(at, _)| SourceId(at))
            .collect();
        Self {
            policies,
            snapshot,
            now,
            params,
            expired,
            has_attested: sources.iter().any(|source| source.kind == SourceKind::Register),
            closures: RefCell::new(HashMap::new()),
            steps: Cell::new(0),
            attested: RefCell::new(BTreeSet::new()),
            trace: None,
        }
    }

    /// Notes what is read from now on; see [`Evaluator::reads`].
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(RefCell::new(Trace::default()));
        self
    }

    pub(super) fn note(&self, fact: Fact) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().facts.push(fact);
        }
    }

    /// Returns the snapshot it reads.
    #[must_use]
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// Returns an evaluator of the same policies, instant and parameters over another snapshot.
    #[must_use]
    pub fn over<'b>(&self, snapshot: &'b Snapshot) -> Evaluator<'b>
    where
        'a: 'b,
    {
        Evaluator::new(self.policies, snapshot, self.now, self.params.clone())
    }

    /// Starts counting steps and attested facts anew.
    pub fn begin(&self) {
        self.steps.set(0);
        self.attested.borrow_mut().clear();
    }

    /// Tells whether the step limit was reached since [`Evaluator::begin`].
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.steps.get() > STEPS_MAX
    }

    /// Returns the attested sources read since [`Evaluator::begin`].
    #[must_use]
    pub fn attested(&self) -> BTreeSet<SourceId> {
        self.attested.borrow().clone()
    }

    /// Notes that a fact of this source was used; gives false if the source may no longer be relied on.
    pub(super) fn rely_on(&self, source: Option<SourceId>) -> bool {
        let Some(source) = source else { return true };
        if self.expired.contains(&source) {
            return false;
        }
        if self.has_attested && self.snapshot.source(source).is_some_and(|source| source.kind == SourceKind::Register) {
            self.attested.borrow_mut().insert(source);
        }
        true
    }

    /// Tells whether any attestation is past its review date.
    pub(super) fn has_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// Tells whether a fact's attestation is past its review date.
    #[must_use]
    pub fn is_expired(&self, source: Option<SourceId>) -> bool {
        source.is_some_and(|source| self.expired.contains(&source))
    }

    /// Evaluates a condition.
    pub fn truth(&self, expr: &Expr, frame: &mut Frame) -> Truth {
        self.steps.set(self.steps.get() + 1);
        if self.exhausted() {
            return Truth::Unknown;
        }
        match &expr.kind {
            ExprKind::Not(inner) => self.truth(inner, frame).negate(),
            ExprKind::And(parts) => self.conjunction(parts, frame),
            ExprKind::Or(parts) => self.disjunction(parts.iter(), frame),
            ExprKind::Branches(branches) => self.disjunction(branches.iter().map(|(_, branch)| branch), frame),
            ExprKind::Implies(left, right) => match self.truth(left, frame) {
                Truth::False => Truth::True,
                left => left.negate().max(self.truth(right, frame)),
            },
            ExprKind::Compare(op, left, right) => {
                let (left, right) = (self.value(left, frame), self.value(right, frame));
                self.compare(*op, &left, &right)
            }
            ExprKind::In { item, set, negated } => {
                let item = self.value(item, frame);
                let set = self.set(set, frame);
                self.membership(&item, &set).negate_if(*negated)
            }
            ExprKind::IsNone(inner, negated) => is_none(&self.value(inner, frame)).negate_if(*negated),
            ExprKind::IsType(inner, ty, negated) => {
                let value = self.value(inner, frame);
                self.is_type(&value, *ty).negate_if(*negated)
            }
            ExprKind::Covers(left, right) => {
                let (left, right) = (self.value(left, frame), self.value(right, frame));
                self.covers(&left, &right)
            }
            ExprKind::Overlaps(left, right) => overlaps(&self.value(left, frame), &self.value(right, frame)),
            ExprKind::Matches(text, pattern) => match self.value(text, frame) {
                Val::Known(Value::Text(text)) => Truth::of(pattern.is_match(&text)),
                _ => Truth::Unknown,
            },
            ExprKind::Known(inner) => Truth::of(self.is_known(inner, frame)),
            ExprKind::Quantified(kind, binders, body) => self.quantified(*kind, binders, body.as_deref(), frame),
            ExprKind::Call(def, args) if expr.ty.base == Base::Bool && !expr.ty.set => {
                self.call(*def, args, frame, |this, body, frame| this.truth(body, frame)).unwrap_or(Truth::Unknown)
            }
            _ => self.value(expr, frame).truth(),
        }
    }

    /// One false part decides, whatever stands before it; an unknown one does not end the search.
    fn conjunction(&self, parts: &[Expr], frame: &mut Frame) -> Truth {
        let mut result = Truth::True;
        for part in parts {
            result = result.min(self.truth(part, frame));
            if result == Truth::False {
                break;
            }
        }
        result
    }

    fn disjunction<'e>(&self, parts: impl Iterator<Item = &'e Expr>, frame: &mut Frame) -> Truth {
        let mut result = Truth::False;
        for part in parts {
            result = result.max(self.truth(part, frame));
            if result == Truth::True {
                break;
            }
        }
        result
    }

    /// Evaluates an expression of any type.
    pub fn value(&self, expr: &Expr, frame: &mut Frame) -> Val {
        self.steps.set(self.steps.get() + 1);
        if self.exhausted() {
            return Val::Unknown;
        }
        match &expr.kind {
            ExprKind::Value(value) => Val::Known(value.clone()),
            ExprKind::None => Val::None,
            ExprKind::Now => Val::Known(Value::Instant(self.now)),
            ExprKind::Var(var) => frame.get(var.0 as usize).cloned().unwrap_or(Val::Unknown),
            ExprKind::Param(id) => self.params.get(id.0 as usize).cloned().unwrap_or(Val::Unknown),
            ExprKind::Call(def, args) => self.call(*def, args, frame, |this, body, frame| this.value(body, frame)).unwrap_or(Val::Unknown),
            ExprKind::Attribute { base, property, at, .. } => {
                let base = self.value(base, frame);
                match self.instant_of(at.as_deref(), frame) {
                    Ok(at) => self.attribute(&base, *property, at),
                    Err(()) => Val::Unknown,
                }
            }
            ExprKind::Coalesce(left, right) => match self.value(left, frame) {
                Val::None => self.value(right, frame),
                Val::Range(Range { maybe_none: true, .. }) => Val::Unknown,
                left => left,
            },
            ExprKind::Add(left, right) => {
                let (left, right) = (self.value(left, frame), self.value(right, frame));
                super::arithmetic::add(&left, &right)
            }
            ExprKind::Subtract(left, right) => {
                let (left, right) = (self.value(left, frame), self.value(right, frame));
                super::arithmetic::subtract(&left, &right)
            }
            ExprKind::Interval(from, to) => match (self.value(from, frame), self.value(to, frame)) {
                (Val::Known(Value::Instant(from)), Val::Known(Value::Instant(to))) => Val::Known(Value::Interval(Box::new([from, to]))),
                _ => Val::Unknown,
            },
            ExprKind::Aggregate(kind, binders, body) => self.aggregate(*kind, binders, body.as_deref(), frame),
            ExprKind::Navigation { .. }
            | ExprKind::Closure { .. }
            | ExprKind::Extent(_)
            | ExprKind::Filter(_)
            | ExprKind::Union(..)
            | ExprKind::Set(_) => Val::Set(self.set(expr, frame)),
            ExprKind::Error => Val::Unknown,
            _ => Val::of_truth(self.truth(expr, frame)),
        }
    }

    /// Evaluates the instant of `as of`: `Ok(None)` without one, `Err` if it is not known.
    pub(super) fn instant_of(&self, at: Option<&Expr>, frame: &mut Frame) -> Result<Option<Timestamp>, ()> {
        let Some(at) = at else { return Ok(None) };
        match self.value(at, frame) {
            Val::Known(Value::Instant(at)) => Ok(Some(at)),
            _ => Err(()),
        }
    }

    /// Runs the body of a definition in a frame of its own, with those of its parameters that it looks at.
    pub(super) fn call<T>(
        &self,
        def: crate::check::DefId,
        args: &[Expr],
        frame: &mut Frame,
        run: impl FnOnce(&Self, &Expr, &mut Frame) -> T,
    ) -> Option<T> {
        let def = self.policies.defs.get(def.0 as usize)?;
        Some(run(self, &def.body, &mut self.frame_of(def, args, frame)))
    }

    /// Makes the frame of a definition: its arguments, as far as it looks at them.
    pub fn frame_of(&self, def: &Def, args: &[Expr], frame: &mut Frame) -> Frame {
        let mut inner: Frame = vec![Val::Unknown; def.n_slots as usize];
        for ((slot, arg), reads) in inner.iter_mut().zip(args).zip(&def.reads) {
            if *reads {
                *slot = self.value(arg, frame);
            }
        }
        inner
    }

    /// Returns those arguments of a definition that it looks at.
    pub(super) fn looked_at<'e>(&self, def: crate::check::DefId, args: &'e [Expr]) -> impl Iterator<Item = &'e Expr> + use<'a, 'e> {
        let reads = self.policies.defs.get(def.0 as usize).map_or(&[][..], |def| def.reads.as_slice());
        args.iter().zip(reads).filter(|(_, reads)| **reads).map(|(arg, _)| arg)
    }

    /// Reads a single-valued property.
    pub(super) fn attribute(&self, base: &Val, property: PropertyId, at: Option<Timestamp>) -> Val {
        match base {
            Val::None => Val::None,
            Val::Known(Value::Entity(id)) => match self.state(*id, property, at) {
                CellState::Known(value) => Val::Known(value),
                CellState::None => Val::None,
                CellState::Unknown(_) => Val::Unknown,
            },
            Val::Unseen(Unseen { origin: Some((inverse, from)), .. }) if *inverse == property && at.is_none() => {
                Val::Known(Value::Entity(*from))
            }
            _ => Val::Unknown,
        }
    }

    /// Reads what is known of a property, now or as of an instant.
    pub(super) fn state(&self, id: EntityId, property: PropertyId, at: Option<Timestamp>) -> CellState {
        self.note(Fact::Cell(id, property));
        let keeps_history = self.snapshot.schema().property(property).is_some_and(|property| property.history);
        match at.or_else(|| self.instant_before_capture().filter(|_| keeps_history)) {
            Some(at) if keeps_history => self.state_at(id, property, at),
            _ => self.current_state(id, property),
        }
    }

    /// Returns `now` if it lies before the end of the capture: then what was read need not hold at `now`.
    pub(super) fn instant_before_capture(&self) -> Option<Timestamp> {
        let captured = self.snapshot.meta().captured_to?;
        (self.now < captured).then_some(self.now)
    }

    fn current_state(&self, id: EntityId, property: PropertyId) -> CellState {
        let cell = self.snapshot.cell(id, property);
        if !self.rely_on(cell.source) {
            return CellState::Unknown(Some("its attestation is past its review date".into()));
        }
        cell.state.clone()
    }

    /// The recorded interval that holds `at` says it; after the capture what was read says it; else nobody knows.
    fn state_at(&self, id: EntityId, property: PropertyId, at: Timestamp) -> CellState {
        let no_record = || CellState::Unknown(Some(format!("nothing is recorded for {}", crate::model::format_instant(at)).into()));
        if at > self.now {
            return no_record();
        }
        let mut uncertain = false;
        let mut last_end = None;
        for entry in self.snapshot.history(id, property) {
            // One that begins later says that something else, or nothing, was recorded for `at`.
            uncertain |= matches!(entry.interval.from, crate::model::Bound::At(from) if from > at);
            match entry.interval.contains(at) {
                Some(true) if self.rely_on(entry.source) => return entry.state.clone(),
                Some(false) => {}
                _ => uncertain = true,
            }
            if let crate::model::Bound::At(end) = entry.interval.to {
                last_end = last_end.max(Some(end));
            }
        }
        let meta = self.snapshot.meta();
        let after_capture = meta.captured_to.is_some_and(|captured| captured <= at);
        let recorded = self.snapshot.history(id, property).next().is_some();
        let closed_world = meta.closed_world && (!recorded || last_end.is_some_and(|end| end <= at));
        if !uncertain && (after_capture || closed_world) {
            return self.current_state(id, property);
        }
        no_record()
    }

    /// Compares two values.
    pub(super) fn compare(&self, op: Comparison, left: &Val, right: &Val) -> Truth {
        match op {
            Comparison::Equal => self.equal(left, right),
            Comparison::NotEqual => self.equal(left, right).negate(),
            Comparison::Less => less(left, right),
            Comparison::Greater => less(right, left),
            Comparison::LessEqual => less(right, left).negate(),
            Comparison::GreaterEqual => less(left, right).negate(),
        }
    }

    fn equal(&self, left: &Val, right: &Val) -> Truth {
        match (left, right) {
            (Val::Known(a), Val::Known(b)) => Truth::of(a == b),
            (Val::None, Val::None) => Truth::True,
            (Val::None, Val::Known(_)) | (Val::Known(_), Val::None) => Truth::False,
            (Val::Unseen(unseen), Val::Known(Value::Entity(id))) | (Val::Known(Value::Entity(id)), Val::Unseen(unseen)) => {
                let possible = self.may_be(*id, unseen.base);
                if possible { Truth::Unknown } else { Truth::False }
            }
            (Val::Range(_), _) | (_, Val::Range(_)) => {
                let (a, b) = (less(left, right), less(right, left));
                if a == Truth::True || b == Truth::True {
                    Truth::False
                } else if a == Truth::False && b == Truth::False {
                    Truth::True
                } else {
                    Truth::Unknown
                }
            }
            _ => Truth::Unknown,
        }
    }

    /// Tells whether an entity can be of a declared type.
    pub(super) fn may_be(&self, id: EntityId, base: Base) -> bool {
        let (Base::Entity(declared), Some(actual)) = (base, self.snapshot.entity_type(id)) else { return true };
        let schema = self.snapshot.schema();
        schema.is_subtype(actual, declared) || schema.is_subtype(declared, actual)
    }

    pub(super) fn membership(&self, item: &Val, set: &SetValue) -> Truth {
        if matches!(item, Val::None) {
            return Truth::False;
        }
        let mut result = Truth::False;
        for member in &set.members {
            let equal = self.equal(item, &Val::Known(member.value.clone()));
            let here = if member.sure { equal } else { equal.min(Truth::Unknown) };
            result = result.max(here);
            if result == Truth::True {
                return result;
            }
        }
        for unseen in &set.unseen {
            let possible = match item {
                Val::Known(Value::Entity(id)) => self.may_be(*id, unseen.base) && self.leads_back(*id, unseen),
                _ => true,
            };
            if possible {
                result = result.max(Truth::Unknown);
            }
        }
        result
    }

    /// An unseen member leads back to where it was reached from; an entity known to lead elsewhere is not it.
    pub(super) fn leads_back(&self, id: EntityId, unseen: &Unseen) -> bool {
        let Some((inverse, from)) = unseen.origin else { return true };
        self.note(Fact::Cell(id, inverse));
        match &self.snapshot.cell(id, inverse).state {
            CellState::Known(value) => *value == Value::Entity(from) || !self.rely_on(self.snapshot.cell(id, inverse).source),
            CellState::None => false,
            CellState::Unknown(_) => true,
        }
    }

    fn is_type(&self, value: &Val, ty: EntityTypeId) -> Truth {
        let actual = match value {
            Val::None => return Truth::False,
            Val::Known(Value::Entity(id)) => self.snapshot.entity_type(*id),
            Val::Unseen(Unseen { base: Base::Entity(declared), .. }) => Some(*declared),
            _ => None,
        };
        let schema = self.snapshot.schema();
        match actual {
            Some(actual) if schema.is_subtype(actual, ty) => Truth::True,
            Some(actual) if schema.is_subtype(ty, actual) => Truth::Unknown,
            Some(_) => Truth::False,
            None => Truth::Unknown,
        }
    }

    /// A scope covers itself and what lies below it; ids of subscriptions and below say so themselves, management groups
    /// need the tree.
    pub(super) fn covers(&self, left: &Val, right: &Val) -> Truth {
        match (left, right) {
            (Val::Known(Value::Entity(upper)), Val::Known(Value::Entity(lower))) => self.scope_covers(*upper, *lower),
            (Val::Known(Value::Interval(bounds)), Val::Known(Value::Instant(at))) => {
                let [from, to] = &**bounds;
                Truth::of(from <= at && at < to)
            }
            (Val::Known(Value::Interval(outer)), Val::Known(Value::Interval(inner))) => {
                let ([a, b], [c, d]) = (&**outer, &**inner);
                Truth::of(c >= d || (a <= c && d <= b))
            }
            _ => Truth::Unknown,
        }
    }

    fn scope_covers(&self, upper: EntityId, lower: EntityId) -> Truth {
        if upper == lower {
            return Truth::True;
        }
        let (above, below) = (self.snapshot.key(upper), self.snapshot.key(lower));
        if covers_path(&above, &below) {
            return Truth::True;
        }
        if above.starts_with("/subscriptions/") {
            return Truth::False;
        }
        let schema = self.snapshot.schema();
        let parent = schema.entity_named("Scope").and_then(|scope| schema.property_named(scope.id, "parent"));
        let Some(parent) = parent else { return Truth::Unknown };
        let chain = self.closure_of(lower, parent.id, None);
        self.membership(&Val::Known(Value::Entity(upper)), &chain)
    }

    fn is_known(&self, expr: &Expr, frame: &mut Frame) -> bool {
        if expr.ty.set {
            let set = self.set(expr, frame);
            return set.unseen.is_empty() && set.members.iter().all(|member| member.sure);
        }
        if expr.ty.base == Base::Bool {
            return self.truth(expr, frame) != Truth::Unknown;
        }
        matches!(self.value(expr, frame), Val::Known(_) | Val::None)
    }
}

pub(super) fn is_none(value: &Val) -> Truth {
    match value {
        Val::None => Truth::True,
        Val::Unknown | Val::Range(Range { maybe_none: true, .. }) => Truth::Unknown,
        _ => Truth::False,
    }
}

/// `left < right`, with bounds where only those are known.
fn less(left: &Val, right: &Val) -> Truth {
    let (Some((left_low, left_high)), Some((right_low, right_high))) = (bounds(left), bounds(right)) else { return Truth::Unknown };
    if let (Some(high), Some(low)) = (&left_high, &right_low)
        && high < low
    {
        return Truth::True;
    }
    if let (Some(low), Some(high)) = (&left_low, &right_high)
        && low >= high
    {
        return Truth::False;
    }
    Truth::Unknown
}

type Bounds = (Option<Value>, Option<Value>);

fn bounds(value: &Val) -> Option<Bounds> {
    match value {
        Val::Known(value) => Some((Some(value.clone()), Some(value.clone()))),
        Val::Range(Range { maybe_none: true, .. }) => None,
        Val::Range(range) => Some((range.low.clone(), range.high.clone())),
        _ => None,
    }
}

pub(super) fn overlaps(left: &Val, right: &Val) -> Truth {
    match (left, right) {
        (Val::Known(Value::Interval(one)), Val::Known(Value::Interval(other))) => {
            let ([a, b], [c, d]) = (&**one, &**other);
            Truth::of(a < b && c < d && a < d && c < b)
        }
        _ => Truth::Unknown,
    }
}

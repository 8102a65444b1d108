//! A second interpreter, written from the language document alone: two-valued, over complete worlds.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tenet::check::{Aggregate, Binder, Comparison, Expr, ExprKind, Policies, Quantifier, Rule};
use tenet::model::{Base, PropertyId, Value};

use super::schema::Ids;
use super::world::{World, entity, slot};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum {
    None,
    One(Value),
    Set(BTreeSet<Value>),
}

/// What comes out for one requirement and one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Not one of the rule's subjects.
    Absent,
    NotApplicable,
    Pass,
    Pending,
    Fail,
}

pub(crate) struct Naive<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) ids: &'a Ids,
    pub(crate) world: &'a World,
    pub(crate) params: &'a [Datum],
}

type Frame = Vec<Datum>;

impl Naive<'_> {
    /// Decides a rule for an entity: one outcome a requirement.
    pub(crate) fn rule(&self, rule: &Rule, subject: usize) -> Vec<Outcome> {
        let all = |outcome| vec![outcome; rule.requirements.len()];
        let ent = &self.world.ents[subject];
        if !self.world.alive(subject, self.world.now) || !ent.ty.is_below(self.ids.ty(rule.entity)) {
            return all(Outcome::Absent);
        }
        let mut frame = vec![Datum::None; rule.n_slots as usize];
        frame[rule.subject.0 as usize] = Datum::One(entity(subject));
        if let Some(filter) = &rule.filter
            && !self.holds(filter, &mut frame)
        {
            return all(Outcome::NotApplicable);
        }
        for (var, value) in &rule.lets {
            frame[var.0 as usize] = self.eval(value, &mut frame);
        }
        let due = rule.due.as_ref().map(|due| self.instant(due, &mut frame));
        let decide = |holds: bool| match due {
            _ if holds => Outcome::Pass,
            Some(due) if self.world.now < due => Outcome::Pending,
            _ => Outcome::Fail,
        };
        rule.requirements.iter().map(|requirement| decide(self.holds(&requirement.condition, &mut frame))).collect()
    }

    fn holds(&self, expr: &Expr, frame: &mut Frame) -> bool {
        match self.eval(expr, frame) {
            Datum::One(Value::Bool(value)) => value,
            other => panic!("a condition came out as {other:?}"),
        }
    }

    fn scalar(&self, expr: &Expr, frame: &mut Frame) -> Value {
        match self.eval(expr, frame) {
            Datum::One(value) => value,
            other => panic!("{other:?} where the checker promised a value: {:?}", expr.kind),
        }
    }

    fn instant(&self, expr: &Expr, frame: &mut Frame) -> Timestamp {
        match self.scalar(expr, frame) {
            Value::Instant(at) => at,
            other => panic!("{other:?} is no instant"),
        }
    }

    fn set(&self, expr: &Expr, frame: &mut Frame) -> BTreeSet<Value> {
        match self.eval(expr, frame) {
            Datum::Set(set) => set,
            other => panic!("{other:?} is no set"),
        }
    }

    fn eval(&self, expr: &Expr, frame: &mut Frame) -> Datum {
        let truth = |value: bool| Datum::One(Value::Bool(value));
        match &expr.kind {
            ExprKind::Value(value) => Datum::One(value.clone()),
            ExprKind::None => Datum::None,
            ExprKind::Now => Datum::One(Value::Instant(self.world.now)),
            ExprKind::Var(var) => frame[var.0 as usize].clone(),
            ExprKind::Param(id) => self.params[id.0 as usize].clone(),
            ExprKind::Call(def, args) => {
                let def = &self.policies.defs[def.0 as usize];
                let mut inner = vec![Datum::None; def.n_slots as usize];
                for (at, arg) in args.iter().enumerate() {
                    inner[at] = self.eval(arg, frame);
                }
                self.eval(&def.body, &mut inner)
            }
            ExprKind::Attribute { base, property, safe, at } => {
                let base = self.eval(base, frame);
                let at = at.as_ref().map(|at| self.instant(at, frame));
                match base {
                    Datum::None => {
                        assert!(*safe, "a step from none that the checker let through");
                        Datum::None
                    }
                    Datum::One(value) => self.read(slot(&value), *property, at),
                    Datum::Set(_) => panic!("an attribute of a set"),
                }
            }
            ExprKind::Navigation { base, property, at } => {
                let base = self.eval(base, frame);
                let at = at.as_ref().map(|at| self.instant(at, frame));
                let starts = match base {
                    Datum::None => BTreeSet::new(),
                    Datum::One(value) => BTreeSet::from([value]),
                    Datum::Set(set) => set,
                };
                Datum::Set(starts.iter().flat_map(|start| self.steps(slot(start), *property, at)).collect())
            }
            ExprKind::Closure { base, property, reflexive, at } => {
                let starts = match self.eval(base, frame) {
                    Datum::One(value) => BTreeSet::from([value]),
                    Datum::Set(set) => set,
                    Datum::None => panic!("a closure from none"),
                };
                let at = at.as_ref().map(|at| self.instant(at, frame));
                Datum::Set(self.reach(starts, *property, *reflexive, at))
            }
            ExprKind::Extent(ty) => {
                let ty = self.ids.ty(*ty);
                let inside = |slot: &usize| self.world.ents[*slot].ty.is_below(ty) && self.world.alive(*slot, self.world.now);
                Datum::Set((0..self.world.ents.len()).filter(inside).map(entity).collect())
            }
            ExprKind::Filter(binder) => {
                let members = self.drawn(binder, frame);
                Datum::Set(members.into_iter().collect())
            }
            ExprKind::Union(a, b) => {
                let mut set = self.set(a, frame);
                set.extend(self.set(b, frame));
                Datum::Set(set)
            }
            ExprKind::Set(items) => {
                let mut set = BTreeSet::new();
                for item in items {
                    if let Datum::One(value) = self.eval(item, frame) {
                        set.insert(value);
                    }
                }
                Datum::Set(set)
            }
            ExprKind::Not(inner) => truth(!self.holds(inner, frame)),
            ExprKind::And(parts) => truth(parts.iter().all(|part| self.holds(part, frame))),
            ExprKind::Or(parts) => truth(parts.iter().any(|part| self.holds(part, frame))),
            ExprKind::Branches(parts) => truth(parts.iter().any(|(_, part)| self.holds(part, frame))),
            ExprKind::Implies(a, b) => truth(!self.holds(a, frame) || self.holds(b, frame)),
            ExprKind::Compare(op, a, b) => {
                let (a, b) = (self.scalar(a, frame), self.scalar(b, frame));
                truth(match op {
                    Comparison::Equal => a == b,
                    Comparison::NotEqual => a != b,
                    Comparison::Less => a < b,
                    Comparison::LessEqual => a <= b,
                    Comparison::Greater => a > b,
                    Comparison::GreaterEqual => a >= b,
                })
            }
            ExprKind::In { item, set, negated } => {
                let item = self.scalar(item, frame);
                truth(self.set(set, frame).contains(&item) != *negated)
            }
            ExprKind::IsNone(inner, negated) => truth((self.eval(inner, frame) == Datum::None) != *negated),
            ExprKind::IsType(inner, ty, negated) => {
                let is = match self.eval(inner, frame) {
                    Datum::One(value) => self.world.ents[slot(&value)].ty.is_below(self.ids.ty(*ty)),
                    _ => false,
                };
                truth(is != *negated)
            }
            ExprKind::Covers(a, b) => truth(match (self.scalar(a, frame), self.scalar(b, frame)) {
                (Value::Interval(bounds), Value::Instant(at)) => bounds[0] <= at && at < bounds[1],
                (Value::Interval(outer), Value::Interval(inner)) => {
                    let ([a, b], [c, d]) = (*outer, *inner);
                    c >= d || (a <= c && d <= b)
                }
                other => panic!("{other:?}"),
            }),
            ExprKind::Overlaps(a, b) => truth(match (self.scalar(a, frame), self.scalar(b, frame)) {
                (Value::Interval(one), Value::Interval(other)) => {
                    let ([a, b], [c, d]) = (*one, *other);
                    a.max(c) < b.min(d)
                }
                other => panic!("{other:?}"),
            }),
            ExprKind::Matches(text, pattern) => match self.scalar(text, frame) {
                Value::Text(text) => truth(pattern.is_match(&text)),
                other => panic!("{other:?}"),
            },
            ExprKind::Coalesce(a, b) => match self.eval(a, frame) {
                Datum::None => self.eval(b, frame),
                value => value,
            },
            ExprKind::Add(a, b) => Datum::One(add(&self.scalar(a, frame), &self.scalar(b, frame))),
            ExprKind::Subtract(a, b) => Datum::One(subtract(&self.scalar(a, frame), &self.scalar(b, frame))),
            ExprKind::Interval(a, b) => Datum::One(Value::Interval(Box::new([self.instant(a, frame), self.instant(b, frame)]))),
            ExprKind::Quantified(kind, binders, body) => truth(self.quantified(*kind, binders, body.as_deref(), frame)),
            ExprKind::Aggregate(kind, binders, body) => self.aggregate(*kind, binders, body.as_deref(), frame),
            ExprKind::Known(_) | ExprKind::Error => panic!("not for this interpreter"),
        }
    }

    fn read(&self, slot: usize, property: PropertyId, at: Option<Timestamp>) -> Datum {
        if self.ids.is_key(property) {
            return Datum::One(Value::text(&self.world.ents[slot].key));
        }
        let one = self.ids.one(property).unwrap();
        self.world.one(slot, one, at).map_or(Datum::None, Datum::One)
    }

    fn steps(&self, slot: usize, property: PropertyId, at: Option<Timestamp>) -> Vec<Value> {
        if let Some(many) = self.ids.many(property) {
            return self.world.many(slot, many, at);
        }
        match self.read(slot, property, at) {
            Datum::One(value) => vec![value],
            _ => Vec::new(),
        }
    }

    fn reach(&self, starts: BTreeSet<Value>, property: PropertyId, reflexive: bool, at: Option<Timestamp>) -> BTreeSet<Value> {
        let owner =
            self.ids.one(property).map(super::schema::One::owner).or_else(|| self.ids.many(property).map(super::schema::Many::owner));
        let mut reached = BTreeSet::new();
        let mut queue: Vec<Value> = starts.iter().cloned().collect();
        while let Some(from) = queue.pop() {
            if !self.world.ents[slot(&from)].ty.is_below(owner.unwrap()) {
                continue;
            }
            for to in self.steps(slot(&from), property, at) {
                if reached.insert(to.clone()) {
                    queue.push(to);
                }
            }
        }
        if reflexive {
            reached.extend(starts);
        }
        reached
    }

    /// The members of a binder's set that its condition keeps.
    fn drawn(&self, binder: &Binder, frame: &mut Frame) -> Vec<Value> {
        let mut kept = Vec::new();
        for member in self.set(&binder.set, frame) {
            frame[binder.var.0 as usize] = Datum::One(member.clone());
            if binder.filter.as_ref().is_none_or(|filter| self.holds(filter, frame)) {
                kept.push(member);
            }
        }
        kept
    }

    /// Calls `visit` for each combination of members.
    fn each(&self, binders: &[Binder], frame: &mut Frame, visit: &mut dyn FnMut(&Self, &mut Frame)) {
        let Some((binder, rest)) = binders.split_first() else { return visit(self, frame) };
        for member in self.drawn(binder, frame) {
            frame[binder.var.0 as usize] = Datum::One(member);
            self.each(rest, frame, visit);
        }
    }

    fn quantified(&self, kind: Quantifier, binders: &[Binder], body: Option<&Expr>, frame: &mut Frame) -> bool {
        let (mut all, mut holding) = (0_i64, 0_i64);
        self.each(binders, frame, &mut |this, frame| {
            all += 1;
            holding += i64::from(body.is_none_or(|body| this.holds(body, frame)));
        });
        match kind {
            Quantifier::Some => holding > 0,
            Quantifier::No => holding == 0,
            Quantifier::All => holding == all,
            Quantifier::AllNonempty => holding == all && all > 0,
            Quantifier::Exactly(n) => holding == n,
            Quantifier::AtMost(n) => holding <= n,
            Quantifier::AtLeast(n) => holding >= n,
        }
    }

    fn aggregate(&self, kind: Aggregate, binders: &[Binder], body: Option<&Expr>, frame: &mut Frame) -> Datum {
        if kind == Aggregate::Count {
            let mut n = 0;
            self.each(binders, frame, &mut |this, frame| n += i64::from(body.is_none_or(|body| this.holds(body, frame))));
            return Datum::One(Value::Int(n));
        }
        let mut values = BTreeSet::new();
        self.each(binders, frame, &mut |this, frame| {
            if let Datum::One(value) = this.eval(body.unwrap(), frame) {
                values.insert(value);
            }
        });
        let found = if kind == Aggregate::Min { values.pop_first() } else { values.pop_last() };
        found.map_or(Datum::None, Datum::One)
    }
}

fn shift(at: Timestamp, seconds: i64) -> Value {
    Value::Instant(at + SignedDuration::from_secs(seconds))
}

fn add(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a + b),
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(a + b),
        (Value::Instant(at), Value::Duration(seconds)) | (Value::Duration(seconds), Value::Instant(at)) => shift(*at, *seconds),
        other => panic!("{other:?}"),
    }
}

fn subtract(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a - b),
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(a - b),
        (Value::Instant(at), Value::Duration(seconds)) => shift(*at, -*seconds),
        (Value::Instant(a), Value::Instant(b)) => Value::Duration(a.as_second() - b.as_second()),
        other => panic!("{other:?}"),
    }
}

/// The value of a parameter that the policies themselves give.
pub(crate) fn constant(expr: Option<&Expr>) -> Datum {
    match expr.map(|expr| (&expr.kind, expr.ty.base)) {
        Some((ExprKind::Value(value), base)) if base != Base::Nothing => Datum::One(value.clone()),
        Some((ExprKind::None, _)) => Datum::None,
        Some((ExprKind::Set(items), _)) => Datum::Set(
            items
                .iter()
                .filter_map(|item| match &item.kind {
                    ExprKind::Value(value) => Some(value.clone()),
                    _ => None,
                })
                .collect(),
        ),
        other => panic!("{other:?} is no constant"),
    }
}

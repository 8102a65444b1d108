//! What a term may cost and yield, estimated from the counts of a snapshot.
//!
//! Costs are in steps: one value looked at for one row. Values are taken to be spread evenly and to have nothing to do with
//! each other. A wrong estimate makes a plan slow, never wrong.

use super::access::{MemberValue, equalities, has_far_end};
use super::counts::Counts;
use super::term::{FunctionId, Lambda, Query, Term, TermId, calls, parts};
use crate::check::Comparison;
use crate::model::{Base, EntityTypeId, PropertyId, Schema, Type, Value};

/// What is expected of a term, for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Members of a set, or of a tally; 1 for single values.
    pub members: f64,
    /// For a truth: the share of rows for which it may hold.
    pub share: f64,
    /// Steps one row takes.
    pub cost: f64,
    /// Whether it is the same for all rows, and so done once.
    pub closed: bool,
}

/// Estimates of all terms of a query.
#[derive(Debug, Clone, Default)]
pub struct Estimates(Vec<Estimate>);

/// Sets that are shorter are gathered; longer ones may be asked about from their far end.
pub const FAR_END_FROM: f64 = 24.0;
/// Steps that `as of`, `covers` and the like take by the reference evaluator.
const SINGLE: f64 = 48.0;
/// Steps to follow an answer back from the far end.
const BACK: f64 = 12.0;
/// How deep closures are taken to go.
const DEPTH: i32 = 4;

impl Estimates {
    /// Estimates all terms of a query. Takes time in the number of terms.
    #[must_use]
    pub fn new(query: &Query, schema: &Schema, counts: &Counts) -> Self {
        let mut estimates = Self(Vec::with_capacity(query.terms.len()));
        // A term stands after those it is made of, and after the bodies of the functions it calls.
        for (term, ty) in &query.terms {
            let estimate = Ctx { query, schema, counts, known: &estimates }.of(term, *ty);
            estimates.0.push(estimate);
        }
        estimates
    }

    /// Returns what is expected of a term.
    #[must_use]
    pub fn of(&self, term: TermId) -> Estimate {
        self.0.get(term.0 as usize).copied().unwrap_or(Estimate { members: 1.0, share: 0.5, cost: 1.0, closed: false })
    }

    /// Returns the parts of a conjunction (or disjunction) in the order in which they are best evaluated: first what decides
    /// the most rows for the least work.
    #[must_use]
    pub fn ordered(&self, parts: &[TermId], conjunction: bool) -> Vec<TermId> {
        let rank = |part: TermId| {
            let Estimate { share, cost, closed, .. } = self.of(part);
            let cost = if closed { 0.0 } else { cost };
            let decides = if conjunction { 1.0 - share } else { share };
            (cost + 1.0) / decides.clamp(0.05, 0.95)
        };
        let mut ordered: Vec<(f64, TermId)> = parts.iter().map(|part| (rank(*part), *part)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ordered.into_iter().map(|(_, part)| part).collect()
    }
}

struct Ctx<'q> {
    query: &'q Query,
    schema: &'q Schema,
    counts: &'q Counts,
    known: &'q Estimates,
}

impl Ctx<'_> {
    fn get(&self, term: TermId) -> Estimate {
        self.known.of(term)
    }

    /// What one evaluation adds to the cost of a row; nothing for what is done once.
    fn cost(&self, term: TermId) -> f64 {
        let estimate = self.get(term);
        if estimate.closed { 0.0 } else { estimate.cost }
    }

    fn body(&self, function: FunctionId) -> Option<TermId> {
        self.query.get_function(function).map(|function| function.body)
    }

    fn of(&self, term: &Term, ty: Type) -> Estimate {
        let closed = !matches!(term, Term::Argument(_)) && parts(term).into_iter().all(|part| self.get(part).closed);
        let bodies = || calls(term).into_iter().filter_map(|function| self.body(function));
        let all: f64 = parts(term).into_iter().chain(bodies()).map(|part| self.cost(part)).sum();
        let plain = Estimate { members: if ty.set { 4.0 } else { 1.0 }, share: 0.5, cost: all + 1.0, closed };
        match term {
            Term::Argument(_) => Estimate { cost: 0.0, ..plain },
            Term::Value(Value::Bool(value)) => Estimate { share: if *value { 1.0 } else { 0.0 }, ..plain },
            Term::Attribute { at, property, .. } => {
                let single = if at.is_some() { SINGLE } else { 0.0 };
                Estimate { cost: all + 1.0 + single, share: self.counts.unknown(*property).max(0.5), ..plain }
            }
            Term::Navigate { base, property, at } => self.step(*base, *property, at.is_some(), plain),
            Term::Closure { base, property, reflexive, at } => {
                let reach = self.reach(*property);
                let starts = self.get(*base).members;
                let own = if *reflexive { starts } else { 0.0 };
                let members = (starts * reach).min(self.range_of(ty)) + own;
                let single = if at.is_some() { SINGLE } else { 4.0 };
                Estimate { members, cost: all + single * (members + starts), ..plain }
            }
            Term::Extent(entity) => Estimate { members: self.counts.entities(*entity), ..plain },
            Term::Union(a, b) => Estimate { members: self.get(*a).members + self.get(*b).members, ..self.moved(plain, &[*a, *b]) },
            Term::Listed(items) => Estimate { members: items.iter().map(|_| 1.0).sum(), ..plain },
            Term::Filter { set, test } => {
                let (tested, cost) = self.tested(*set, test);
                Estimate { members: self.get(*set).members * tested, cost, ..plain }
            }
            Term::Exists { set, test } => {
                let (tested, cost) = self.tested(*set, test);
                let share = 1.0 - (-self.get(*set).members * tested).exp();
                Estimate { share, cost: self.by_far_end(*set, test, cost), ..plain }
            }
            Term::Tally { set, test } => {
                let (tested, cost) = self.tested(*set, test);
                Estimate { members: self.get(*set).members * tested, cost, ..plain }
            }
            Term::AtLeast(tally, n) => Estimate { share: at_least(self.get(*tally).members, *n), ..plain },
            Term::Exactly(tally, n) => {
                let mean = self.get(*tally).members;
                Estimate { share: at_least(mean, *n) - at_least(mean, n.saturating_add(1)), ..plain }
            }
            Term::Extreme { set, value, .. } => Estimate { cost: self.tested(*set, value).1 * 2.0, ..plain },
            Term::And(parts) | Term::Or(parts) => self.junction(parts, matches!(term, Term::And(_)), plain),
            Term::Not(inner) => Estimate { share: (1.0 - self.get(*inner).share).clamp(0.0, 1.0), ..plain },
            Term::Apply(function, argument) => self.applied(*function, *argument, plain),
            _ => self.comparison(term, all, plain),
        }
    }

    fn comparison(&self, term: &Term, all: f64, plain: Estimate) -> Estimate {
        let share = match term {
            Term::Compare(Comparison::Equal, a, b) => self.equal(*a, *b),
            Term::Compare(Comparison::NotEqual, a, b) => 1.0 - self.equal(*a, *b),
            Term::Compare(..) => 0.4,
            Term::In(item, set) => (self.get(*set).members / self.distinct(*item)).min(1.0),
            Term::IsNone(inner) => match self.query.get(*inner) {
                Term::Attribute { property, .. } => self.counts.none(*property) + self.counts.unknown(*property),
                _ => 0.2,
            },
            Term::IsType(inner, entity) => self.counts.entities(*entity) / self.range_of(self.query.type_of(*inner)).max(1.0),
            Term::Matches(..) | Term::Covers(..) => 0.1,
            Term::Overlaps(..) => 0.3,
            _ => plain.share,
        };
        let extra = match term {
            Term::In(_, set) => self.get(*set).members,
            Term::Covers(..) => SINGLE,
            Term::Matches(..) | Term::Overlaps(..) | Term::Add(..) | Term::Subtract(..) | Term::Interval(..) => 8.0,
            _ => 0.0,
        };
        Estimate { share: share.clamp(0.0, 1.0), cost: all + 1.0 + extra, ..plain }
    }

    /// The chance that two values are equal.
    fn equal(&self, a: TermId, b: TermId) -> f64 {
        let unknown = |term: TermId| match self.query.get(term) {
            Term::Attribute { property, .. } => self.counts.unknown(*property),
            _ => 0.0,
        };
        (1.0 / self.distinct(a).max(self.distinct(b)) + unknown(a) + unknown(b)).min(1.0)
    }

    /// How many different values a term has, over all rows.
    fn distinct(&self, term: TermId) -> f64 {
        let ty = self.query.type_of(term);
        match (self.query.get(term), ty.base) {
            (Term::Value(_) | Term::Param(_) | Term::Now, _) => 1.0,
            (Term::Attribute { property, .. }, _) => self.counts.distinct(*property),
            (_, Base::Entity(entity)) => self.counts.entities(entity).max(1.0),
            (_, Base::Enum(id)) => self.schema.enumeration(id).map_or(8.0, |found| found.values.iter().map(|_| 1.0).sum::<f64>().max(1.0)),
            (_, Base::Bool) => 2.0,
            _ => 16.0,
        }
    }

    /// Entities a set or value of this type can name.
    fn range_of(&self, ty: Type) -> f64 {
        match ty.base {
            Base::Entity(entity) => self.counts.entities(entity),
            _ => 1000.0,
        }
    }

    fn step(&self, base: TermId, property: PropertyId, past: bool, plain: Estimate) -> Estimate {
        let starts = self.get(base).members;
        let derived = self.schema.property(property).and_then(|declared| declared.derived);
        let (each, walk) = match derived {
            Some(rule) => {
                let walk = self.reach(rule.along);
                (self.counts.members(rule.from) * walk, walk + 2.0)
            }
            None => (self.counts.members(property), 1.0),
        };
        let members = starts * each;
        let lent = derived.is_none() && !self.query.type_of(base).set;
        let gather = if lent { 1.0 } else { starts * walk + members };
        Estimate { members, cost: plain.cost + gather + if past { SINGLE } else { 0.0 }, ..plain }
    }

    /// How many entities one reaches over a property, itself left aside.
    fn reach(&self, property: PropertyId) -> f64 {
        let each = self.counts.members(property).max(0.0);
        let owner: Option<EntityTypeId> = self.schema.property(property).map(|declared| declared.owner);
        let most = owner.map_or(1000.0, |owner| self.counts.entities(owner));
        (1..=DEPTH).map(|depth| each.powi(depth)).sum::<f64>().min(most)
    }

    /// The share of members that may pass a test, and what gathering and testing the set costs.
    fn tested(&self, set: TermId, test: &Lambda) -> (f64, f64) {
        let found = self.get(set);
        let body = self.body(test.function);
        let (share, each) = body.map_or((0.5, 1.0), |body| (self.get(body).share, self.cost(body)));
        let captures: f64 = test.captures.iter().map(|capture| self.cost(*capture)).sum();
        let looked_up = found.closed && !test.captures.is_empty();
        let narrowed = if looked_up {
            let distinct = |value: &MemberValue| match value {
                MemberValue::One(value) => self.distinct(*value),
                MemberValue::Each { set, value } => (self.distinct(*value) / self.get(*set).members.max(1.0)).max(1.0),
            };
            let rarest = |values: &[MemberValue]| values.iter().map(distinct).fold(f64::MAX, f64::min);
            equalities(self.query, test).iter().map(|equality| rarest(&equality.values)).product::<f64>()
        } else {
            1.0
        };
        let members = (found.members / narrowed.max(1.0)).max(if looked_up { 0.1 } else { 0.0 });
        // A tally of combinations counts what its test counts.
        let share = match body.map(|body| self.query.get(body)) {
            Some(Term::Tally { .. }) => body.map_or(1.0, |body| self.get(body).members),
            _ => share,
        };
        (share, self.cost(set) + captures + members * (each + 1.0))
    }

    fn by_far_end(&self, set: TermId, test: &Lambda, cost: f64) -> f64 {
        let found = self.get(set);
        if found.closed || found.members < FAR_END_FROM || !has_far_end(self.query, self.schema, set) {
            return cost;
        }
        let captures: f64 = test.captures.iter().map(|capture| self.cost(*capture)).sum();
        cost.min(captures + BACK)
    }

    fn junction(&self, parts: &[TermId], conjunction: bool, plain: Estimate) -> Estimate {
        let (mut open, mut cost) = (1.0, 1.0);
        for part in self.known.ordered(parts, conjunction) {
            cost += open * self.cost(part);
            let share = self.get(part).share;
            open *= if conjunction { share } else { 1.0 - share };
        }
        let share = if conjunction { open } else { 1.0 - open };
        Estimate { share: share.clamp(0.0, 1.0), cost, ..plain }
    }

    /// A function is computed once for each value: the fewer values, the less a row costs.
    fn applied(&self, function: FunctionId, argument: TermId, plain: Estimate) -> Estimate {
        let Some(body) = self.body(function) else { return plain };
        let inner = self.get(body);
        let repeated = match self.query.get(argument) {
            Term::Attribute { property, .. } => {
                let holders = self.counts.properties.get(property).map_or(1000.0, |counts| f64::from(counts.holders.max(1)));
                (self.counts.distinct(*property) / holders).min(1.0)
            }
            _ => 1.0,
        };
        Estimate { members: inner.members, share: inner.share, cost: self.cost(argument) + 1.0 + self.cost(body) * repeated, ..plain }
    }

    fn moved(&self, plain: Estimate, sets: &[TermId]) -> Estimate {
        let moved: f64 = sets.iter().map(|set| self.get(*set).members).sum();
        Estimate { cost: plain.cost + moved, ..plain }
    }
}

/// The chance of `n` or more where `mean` are expected, each by itself.
fn at_least(mean: f64, n: u64) -> f64 {
    const EXACT: u64 = 64;
    if n > EXACT {
        return if mean >= 64.0 { 0.5 } else { 0.0 };
    }
    let (mut term, mut below) = ((-mean).exp(), 0.0);
    let mut at = 0.0;
    for _ in 0..n {
        below += term;
        at += 1.0;
        term *= mean / at;
    }
    (1.0_f64 - below).clamp(0.0, 1.0)
}

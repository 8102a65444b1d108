//! The plan of a rule: what is done for it, as a tree of operators with estimated rows.
//!
//! A plan is made from the terms that are evaluated, so it shows what the rewrites came to. Each existence stands for two
//! joins: rows for which it is *certainly true* have a sure member that certainly passes (a semi-join); rows for which it
//! is *certainly false* have none that may pass, and their lists lack nothing (an anti-join, guarded by completeness). The
//! two sides leave out the same rows where every list is whole and every value known.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{Equality, MemberValue, equalities, has_far_end};
use super::cost::{Estimates, FAR_END_FROM};
use super::counts::Counts;
use super::lower::RuleQuery;
use super::term::{FunctionId, Lambda, Query, Term, TermId, calls, parts};
use super::words::{Words, fresh_name};
use crate::check::{Policies, Rule};
use crate::model::{Base, EntityTypeId, PropertyId, Type};

/// What a plan does in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// All entities of a type.
    Scan,
    /// A condition on single values.
    Filter,
    /// Rows that satisfy all parts.
    All,
    /// Rows that satisfy any part.
    Any,
    /// Rows that do not satisfy.
    Not,
    /// Rows with a member that satisfies.
    SemiJoin,
    /// Rows without a member that satisfies.
    AntiJoin,
    /// Rows with so many members that satisfy; sure members from below, possible ones from above.
    CountInterval,
    /// The smallest or largest value over members.
    Extreme,
    /// Members of lists.
    Step,
    /// Members of lists that follow from others along a walk.
    DerivedStep,
    /// Everything reached over one navigation.
    Closure,
    /// Lists or values as of an instant.
    AsOf,
    /// Members of either set.
    Union,
    /// Listed members.
    Values,
    /// A function, computed once for each value.
    Call,
    /// A named part of a rule.
    Part,
}

impl Operator {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Filter => "filter",
            Self::All => "all of",
            Self::Any => "any of",
            Self::Not => "not",
            Self::SemiJoin => "semi-join",
            Self::AntiJoin => "anti-join",
            Self::CountInterval => "count-interval",
            Self::Extreme => "extreme",
            Self::Step => "step",
            Self::DerivedStep => "derived step",
            Self::Closure => "closure",
            Self::AsOf => "as-of",
            Self::Union => "union",
            Self::Values => "values",
            Self::Call => "call",
            Self::Part => "",
        }
    }
}

/// One place of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is done.
    pub operator: Operator,
    /// On what.
    pub text: String,
    /// The term by which it is counted when it is executed.
    pub term: Option<TermId>,
    /// The set and test of an existence or tally, by which the ways it took are counted.
    pub joined: Option<(TermId, FunctionId)>,
    /// Rows that are expected to come in.
    pub rows: f64,
    /// For a condition: rows for which it may hold; for a set: members of all rows.
    pub yields: f64,
    /// Remarks: guards, ways, who shares it.
    pub notes: Vec<String>,
    /// What it is made of.
    pub parts: Vec<Node>,
}

/// Returns for each function the names of the rules that come to it, in the order of the rules.
#[must_use]
pub fn shared_by<'r>(query: &Query, rules: impl Iterator<Item = (&'r str, &'r RuleQuery)>) -> BTreeMap<FunctionId, Vec<&'r str>> {
    let mut shared: BTreeMap<FunctionId, Vec<&str>> = BTreeMap::new();
    for (name, rule) in rules {
        let own = rule.applies.into_iter().chain(rule.due).chain(rule.requirements.iter().copied()).chain(rule.lets.iter().copied());
        let mut queue: Vec<FunctionId> = own.collect();
        let (mut seen, mut terms) = (BTreeSet::new(), BTreeSet::new());
        while let Some(function) = queue.pop() {
            if !seen.insert(function) {
                continue;
            }
            let users = shared.entry(function).or_default();
            if !users.contains(&name) {
                users.push(name);
            }
            let mut below: Vec<TermId> = query.get_function(function).map(|function| function.body).into_iter().collect();
            while let Some(term) = below.pop() {
                if terms.insert(term) {
                    queue.extend(calls(query.get(term)));
                    below.extend(parts(query.get(term)));
                }
            }
        }
    }
    shared
}

/// What a plan is made from.
pub struct Planned<'q> {
    /// What all rules ask.
    pub query: &'q Query,
    /// The policies.
    pub policies: &'q Policies,
    /// What is counted of the snapshot; nothing without one.
    pub counts: Option<&'q Counts>,
    /// By whom functions are used.
    pub shared: &'q BTreeMap<FunctionId, Vec<&'q str>>,
}

/// Makes the plan of a rule.
#[must_use]
pub fn plan(planned: &Planned<'_>, rule: &Rule, functions: &RuleQuery) -> Node {
    let assumed = Counts::default();
    let counts = planned.counts.unwrap_or(&assumed);
    let estimates = Estimates::new(planned.query, &planned.policies.schema, counts);
    let words = Words { query: planned.query, policies: planned.policies };
    let mut maker = Maker { planned, counts, estimates, words, rule: &rule.id, written: BTreeSet::new() };
    maker.rule(rule, functions)
}

struct Maker<'m> {
    planned: &'m Planned<'m>,
    counts: &'m Counts,
    estimates: Estimates,
    words: Words<'m>,
    rule: &'m str,
    /// Functions whose body stands further above.
    written: BTreeSet<FunctionId>,
}

impl Maker<'_> {
    fn node(&self, operator: Operator, text: String, term: TermId, rows: f64) -> Node {
        let estimate = self.estimates.of(term);
        let ty = self.planned.query.type_of(term);
        let yields = if ty.set { rows * estimate.members } else { rows * estimate.share };
        Node { operator, text, term: Some(term), joined: None, rows, yields, notes: Vec::new(), parts: Vec::new() }
    }

    fn rule(&mut self, rule: &Rule, functions: &RuleQuery) -> Node {
        let ty = Type::of(Base::Entity(rule.entity));
        let name = fresh_name(self.planned.policies, ty, &[]);
        let n = self.counts.entities(rule.entity);
        let text = format!("{name} in {}", self.planned.policies.schema.entity_name(rule.entity));
        let mut top =
            Node { operator: Operator::Scan, text, term: None, joined: None, rows: n, yields: n, notes: Vec::new(), parts: Vec::new() };
        let mut rows = n;
        let part = |text: String, rows: f64, inner: Node| Node {
            operator: Operator::Part,
            text,
            term: inner.term,
            joined: None,
            rows,
            yields: inner.yields,
            notes: Vec::new(),
            parts: vec![inner],
        };
        if let Some(body) = functions.applies.and_then(|function| self.body(function)) {
            let inner = self.truth(body, std::slice::from_ref(&name), rows);
            let kept = inner.yields;
            top.parts.push(part("where".to_owned(), rows, inner));
            rows = kept;
        }
        if let Some(body) = functions.due.and_then(|function| self.body(function)) {
            let inner = self.value(body, std::slice::from_ref(&name), rows);
            top.parts.push(part("due".to_owned(), rows, inner));
        }
        for (requirement, function) in rule.requirements.iter().zip(&functions.requirements) {
            let Some(body) = self.body(*function) else { continue };
            let inner = self.truth(body, std::slice::from_ref(&name), rows);
            top.parts.push(part(format!("require {}", requirement.name), rows, inner));
        }
        top
    }

    fn body(&self, function: FunctionId) -> Option<TermId> {
        self.planned.query.get_function(function).map(|function| function.body)
    }

    /// A condition.
    fn truth(&mut self, term: TermId, names: &[String], rows: f64) -> Node {
        let query = self.planned.query;
        match query.get(term) {
            Term::And(parts) | Term::Or(parts) if !parts.is_empty() => {
                let conjunction = matches!(query.get(term), Term::And(_));
                let operator = if conjunction { Operator::All } else { Operator::Any };
                let mut node = self.node(operator, String::new(), term, rows);
                let mut open = rows;
                for part in self.estimates.ordered(parts, conjunction) {
                    let inner = self.truth(part, names, open);
                    open = if conjunction { inner.yields } else { open - inner.yields };
                    node.parts.push(inner);
                }
                node.yields = if conjunction { open } else { rows - open };
                node
            }
            Term::Not(inner) => match query.get(*inner) {
                Term::Exists { set, test } => {
                    let mut node = self.join(Operator::AntiJoin, "", *inner, *set, test, names, rows);
                    node.yields = rows - node.yields;
                    node.term = Some(term);
                    node
                }
                Term::Apply(..) | Term::And(_) | Term::Or(_) | Term::AtLeast(..) | Term::Exactly(..) => {
                    let inner = self.truth(*inner, names, rows);
                    let mut node = self.node(Operator::Not, String::new(), term, rows);
                    node.yields = rows - inner.yields;
                    node.parts.push(inner);
                    node
                }
                _ => self.test(term, names, rows),
            },
            Term::Exists { set, test } => self.join(Operator::SemiJoin, "", term, *set, test, names, rows),
            Term::AtLeast(tally, n) => self.tally(term, *tally, &format!("at least {n} "), names, rows),
            Term::Exactly(tally, n) => self.tally(term, *tally, &format!("exactly {n} "), names, rows),
            Term::Apply(function, argument) => self.call(term, *function, *argument, names, rows),
            _ => self.test(term, names, rows),
        }
    }

    /// A condition on single values, with the sets it looks into.
    fn test(&mut self, term: TermId, names: &[String], rows: f64) -> Node {
        let operator = if self.reads_the_past(term) { Operator::AsOf } else { Operator::Filter };
        let mut node = self.node(operator, self.words.of(term, names), term, rows);
        node.parts = self.below(term, names, rows);
        node
    }

    /// The sets and calls among the parts of a plain term.
    fn below(&mut self, term: TermId, names: &[String], rows: f64) -> Vec<Node> {
        let mut found = Vec::new();
        for part in parts(self.planned.query.get(term)) {
            let inner = self.planned.query.get(part);
            if self.planned.query.type_of(part).set {
                if !matches!(inner, Term::Listed(_) | Term::Param(_)) {
                    found.push(self.set(part, names, rows));
                }
            } else if matches!(inner, Term::Exists { .. } | Term::AtLeast(..) | Term::Exactly(..) | Term::Apply(..)) {
                found.push(self.truth(part, names, rows));
            } else {
                found.extend(match inner {
                    Term::Number(tally) => vec![self.tally(part, *tally, "", names, rows)],
                    Term::Extreme { .. } => vec![self.value(part, names, rows)],
                    _ => self.below(part, names, rows),
                });
            }
        }
        found
    }

    fn reads_the_past(&self, term: TermId) -> bool {
        let term = self.planned.query.get(term);
        matches!(term, Term::Attribute { at: Some(_), .. })
            || parts(term).into_iter().any(|part| !self.planned.query.type_of(part).set && self.reads_the_past(part))
    }

    fn value(&mut self, term: TermId, names: &[String], rows: f64) -> Node {
        match self.planned.query.get(term) {
            Term::Extreme { set, value, .. } => self.join(Operator::Extreme, "", term, *set, value, names, rows),
            Term::Apply(function, argument) => self.call(term, *function, *argument, names, rows),
            _ => {
                let mut node = self.test(term, names, rows);
                node.yields = rows;
                node
            }
        }
    }

    fn tally(&mut self, term: TermId, tally: TermId, prefix: &str, names: &[String], rows: f64) -> Node {
        match self.planned.query.get(tally) {
            Term::Tally { set, test } => self.join(Operator::CountInterval, prefix, term, *set, test, names, rows),
            Term::Apply(function, argument) => {
                let inner = self.call(tally, *function, *argument, names, rows);
                let mut node = self.node(Operator::CountInterval, prefix.trim().to_owned(), term, rows);
                node.parts.push(inner);
                node
            }
            _ => self.test(term, names, rows),
        }
    }

    /// An existence or a count: its set, and the test of each member.
    #[expect(clippy::too_many_arguments, reason = "what is joined, how, and for which rows")]
    fn join(&mut self, operator: Operator, prefix: &str, term: TermId, set: TermId, test: &Lambda, names: &[String], rows: f64) -> Node {
        let inside = self.words.inside(test, names);
        let member = inside.first().cloned().unwrap_or_default();
        let mut node = self.node(operator, format!("{prefix}{member} in {}", self.words.of(set, names)), term, rows);
        node.joined = Some((set, test.function));
        node.notes = self.ways(set, test, &inside);
        node.notes.extend(self.guard(set));
        let members = self.estimates.of(set).members * rows;
        if !is_plain_set(self.planned.query, set) {
            node.parts.push(self.set(set, names, rows));
        }
        let Some(body) = self.body(test.function) else { return node };
        match self.planned.query.get(body) {
            Term::And(parts) if parts.is_empty() => {}
            Term::Tally { set, test } => {
                let inner = self.join(Operator::CountInterval, "and ", body, *set, test, &inside, members);
                node.parts.push(inner);
            }
            _ if operator == Operator::Extreme => node.parts.push(self.value(body, &inside, members)),
            _ => node.parts.push(self.truth(body, &inside, members)),
        }
        node
    }

    /// How members are found.
    fn ways(&self, set: TermId, test: &Lambda, inside: &[String]) -> Vec<String> {
        let query = self.planned.query;
        let found = self.estimates.of(set);
        if found.closed && !test.captures.is_empty() {
            let by = equalities(query, test);
            if !by.is_empty() {
                let value = |value: &MemberValue| match value {
                    MemberValue::One(value) => self.words.of(*value, inside),
                    MemberValue::Each { set, .. } => format!("a value of {}", self.words.of(*set, inside)),
                };
                let each = |equality: &Equality| {
                    let values: Vec<String> = equality.values.iter().map(value).collect();
                    format!("{} == {}", values.join(" or "), self.words.of(equality.wanted, inside))
                };
                return vec![format!("look-up by {}", by.iter().map(each).collect::<Vec<_>>().join(" and "))];
            }
        }
        let far = !found.closed && has_far_end(query, &self.planned.policies.schema, set);
        if far && (self.planned.counts.is_none() || found.members >= FAR_END_FROM) {
            return vec!["asked from the far end where lists are long".to_owned()];
        }
        Vec::new()
    }

    /// What has to be whole for nothing to be found with certainty.
    fn guard(&self, set: TermId) -> Option<String> {
        let (mut lists, mut extents) = (BTreeSet::new(), BTreeSet::new());
        self.lists(set, &mut lists, &mut extents, &mut BTreeSet::new());
        let schema = &self.planned.policies.schema;
        let list = |id: &PropertyId| {
            let declared = schema.property(*id)?;
            let name = format!("{}.{}", schema.entity_name(declared.owner), declared.name);
            let Some(counts) = self.planned.counts.and_then(|counts| counts.properties.get(id)) else { return Some(name) };
            (counts.open > 0).then(|| format!("{name} ({} of {} open)", counts.open, counts.holders))
        };
        let mut names: Vec<String> = lists.iter().filter_map(list).collect();
        if self.planned.counts.is_none() {
            names.extend(extents.iter().map(|id: &EntityTypeId| format!("the list of every {}", schema.entity_name(*id))));
        }
        (!names.is_empty()).then(|| format!("certainly none only where whole: {}", names.join(", ")))
    }

    fn lists(&self, set: TermId, lists: &mut BTreeSet<PropertyId>, extents: &mut BTreeSet<EntityTypeId>, seen: &mut BTreeSet<TermId>) {
        if !seen.insert(set) {
            return;
        }
        match self.planned.query.get(set) {
            Term::Navigate { base, property, .. } | Term::Closure { base, property, .. } => {
                let declared = self.planned.policies.schema.property(*property);
                match declared.and_then(|declared| declared.derived) {
                    Some(rule) => {
                        lists.insert(rule.from);
                        lists.extend([rule.along].into_iter().filter(|along| self.is_list(*along)));
                    }
                    None if self.is_list(*property) => {
                        lists.insert(*property);
                    }
                    None => {}
                }
                self.lists(*base, lists, extents, seen);
            }
            Term::Extent(entity) => {
                extents.insert(*entity);
            }
            Term::Union(a, b) => {
                self.lists(*a, lists, extents, seen);
                self.lists(*b, lists, extents, seen);
            }
            Term::Filter { set, .. } => self.lists(*set, lists, extents, seen),
            Term::Apply(function, _) => {
                if let Some(body) = self.body(*function) {
                    self.lists(body, lists, extents, seen);
                }
            }
            _ => {}
        }
    }

    fn is_list(&self, property: PropertyId) -> bool {
        self.planned.policies.schema.property(property).is_some_and(|declared| declared.ty.set)
    }

    /// A set.
    fn set(&mut self, term: TermId, names: &[String], rows: f64) -> Node {
        let query = self.planned.query;
        let text = self.words.of(term, names);
        match query.get(term) {
            Term::Navigate { base, property, at } => {
                let derived = self.planned.policies.schema.property(*property).is_some_and(|declared| declared.derived.is_some());
                let operator = match at {
                    Some(_) => Operator::AsOf,
                    None if derived => Operator::DerivedStep,
                    None => Operator::Step,
                };
                self.stepped(operator, text, term, *base, names, rows)
            }
            Term::Closure { base, at, .. } => {
                let mut node = self.stepped(Operator::Closure, text, term, *base, names, rows);
                if at.is_some() {
                    node.notes.push("as of an instant, one by one".to_owned());
                }
                node
            }
            Term::Extent(_) => self.node(Operator::Scan, text, term, 1.0),
            Term::Filter { set, test } => {
                let inside = self.words.inside(test, names);
                let member = inside.first().cloned().unwrap_or_default();
                let mut node = self.node(Operator::Filter, format!("{member} in {}", self.words.of(*set, names)), term, rows);
                node.joined = Some((*set, test.function));
                node.notes = self.ways(*set, test, &inside).into_iter().filter(|way| way.starts_with("look-up")).collect();
                if !is_plain_set(query, *set) {
                    node.parts.push(self.set(*set, names, rows));
                }
                if let Some(body) = self.body(test.function) {
                    let members = self.estimates.of(*set).members * rows;
                    node.parts.push(self.truth(body, &inside, members));
                }
                node
            }
            Term::Union(a, b) => {
                let mut node = self.node(Operator::Union, String::new(), term, rows);
                node.parts = vec![self.set(*a, names, rows), self.set(*b, names, rows)];
                node
            }
            Term::Apply(function, argument) => self.call(term, *function, *argument, names, rows),
            _ => self.node(Operator::Values, text, term, rows),
        }
    }

    fn stepped(&mut self, operator: Operator, text: String, term: TermId, base: TermId, names: &[String], rows: f64) -> Node {
        let mut node = self.node(operator, text, term, rows);
        if self.planned.query.type_of(base).set && !is_plain_set(self.planned.query, base) {
            node.parts.push(self.set(base, names, rows));
        } else if let Term::Apply(function, argument) = self.planned.query.get(base) {
            node.parts.push(self.call(base, *function, *argument, names, rows));
        }
        node
    }

    /// A function: its body where it is met first.
    fn call(&mut self, term: TermId, function: FunctionId, argument: TermId, names: &[String], rows: f64) -> Node {
        let mut node = self.node(Operator::Call, self.words.of(term, names), term, rows);
        let others: Vec<&str> =
            self.planned.shared.get(&function).into_iter().flatten().copied().filter(|other| *other != self.rule).collect();
        node.notes.extend(shared_note(&others));
        if !self.written.insert(function) {
            node.notes.push("as above".to_owned());
            return node;
        }
        let Some(known) = self.planned.query.get_function(function) else { return node };
        let ty = known.arguments.first().copied().unwrap_or(Type::of(Base::Nothing));
        let inner = vec![fresh_name(self.planned.policies, ty, &[])];
        let values = ty.entity().map_or(rows, |entity| rows.min(self.counts.entities(entity)));
        let body = known.body;
        let set = self.planned.query.type_of(body).set;
        let part = if set { self.set(body, &inner, values) } else { self.outcome(body, &inner, values) };
        node.notes.insert(0, format!("once for each {}", inner.concat()));
        node.parts.push(part);
        node.parts.extend(self.argument(argument, names, rows));
        node
    }

    fn outcome(&mut self, body: TermId, names: &[String], rows: f64) -> Node {
        match self.planned.query.type_of(body).base {
            Base::Bool => self.truth(body, names, rows),
            _ => self.value(body, names, rows),
        }
    }

    fn argument(&mut self, argument: TermId, names: &[String], rows: f64) -> Vec<Node> {
        self.below(argument, names, rows)
    }
}

/// Rules named as sharing a part; the rest is counted.
const SHARING_MAX: usize = 4;

fn shared_note(others: &[&str]) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let named = others.iter().take(SHARING_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = others.len().saturating_sub(SHARING_MAX);
    Some(if more > 0 { format!("shared with {named} and {more} more") } else { format!("shared with {named}") })
}

/// Sets that the line of the join says all about.
fn is_plain_set(query: &Query, set: TermId) -> bool {
    match query.get(set) {
        Term::Extent(_) | Term::Param(_) | Term::Listed(_) | Term::Argument(_) => true,
        Term::Navigate { base, at: None, .. } => !query.type_of(*base).set && matches!(query.get(*base), Term::Argument(_)),
        _ => false,
    }
}

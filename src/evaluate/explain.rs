//! Why a verdict is what it is: the conditions that decided it, the facts they read, what is missing.

use std::collections::BTreeSet;

use super::evaluator::{Evaluator, Frame};
use super::missing::MissingFact;
use super::run::{Finding, Scan};
use super::value::{Truth, Val};
use crate::check::{Binder, Expr, ExprKind, Policies, Printer, Quantifier, Rule};
use crate::model::{Base, EntityId, PropertyId, SourceId, Value, Verdict};
use crate::snapshot::CellState;

/// Lines of one explanation; a reader is not helped by more.
const LINES_MAX: usize = 60;
/// Members shown where many decide the same way.
const MEMBERS_MAX: usize = 5;

/// Members named where they are counted.
const COUNTED_MAX: usize = 20;
/// Facts shown for one set.
const EVIDENCE_MAX: usize = 30;

/// A fact that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// Whose fact it is.
    pub entity: EntityId,
    /// Which one.
    pub property: PropertyId,
    /// Its value, for people.
    pub value: String,
    /// Where it was read.
    pub source: Option<SourceId>,
}

/// One line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it stands below the requirement.
    pub depth: usize,
    /// The condition or heading.
    pub text: String,
    /// How it came out; none for a heading.
    pub truth: Option<Truth>,
    /// The facts it read.
    pub evidence: Vec<Evidence>,
}

/// Why a finding has its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The rule's own words for a fail, if it has any.
    pub message: Option<String>,
    /// What a person can do, in the rule's words.
    pub remedy: Option<String>,
    /// The conditions that decided.
    pub lines: Vec<Line>,
    /// For an unknown: the smallest set of facts whose arrival could decide it.
    pub missing: Vec<MissingFact>,
}

/// How much of an explanation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    Full,
    /// Message and missing facts, without the conditions.
    Brief,
}

/// Rebuilds why a finding came out as it did; `evaluator` is that of the finding's run.
#[must_use]
pub fn explain(evaluator: &Evaluator<'_>, scan: &Scan, finding: &Finding, detail: Detail) -> Explanation {
    let policies = evaluator.policies;
    let mut explanation = Explanation { message: None, remedy: None, lines: Vec::new(), missing: Vec::new() };
    let Some(rule) = scan.rule(policies, finding) else { return explanation };
    let Some(subject) = finding.subject else {
        explanation.missing = evaluator.extent_gap(rule.entity).into_iter().collect();
        return explanation;
    };
    let mut frame = subject_frame(evaluator, rule, subject, finding.requirement.is_some());
    let mut writer = Writer { evaluator, policies, lines: Vec::new() };
    let printer = Printer { policies, slots: &rule.slot_names };
    if let Some(requirement) = finding.requirement.and_then(|at| rule.requirements.get(at)) {
        let truth = evaluator.truth(&requirement.condition, &mut frame);
        if detail == Detail::Full {
            writer.why(&requirement.condition, truth, &mut frame, printer, 0);
        }
        if matches!(finding.verdict, Verdict::Fail | Verdict::Pending) {
            explanation.message = requirement.message.as_ref().map(|message| evaluator.message(message, &mut frame));
            explanation.remedy = rule.remedy.as_ref().map(|remedy| evaluator.message(remedy, &mut frame));
        }
        if finding.verdict == Verdict::Unknown {
            let mut missing: BTreeSet<MissingFact> = evaluator.missing(&requirement.condition, &mut frame);
            if truth == Truth::False
                && let Some(due) = &rule.due
            {
                missing = evaluator.missing_of(due, &mut frame);
            }
            if missing.is_empty() {
                // A named value does not say where it came from.
                missing.extend(rule.lets.iter().flat_map(|(_, value)| evaluator.missing_of(value, &mut frame)));
            }
            explanation.missing = missing.into_iter().collect();
        }
    } else if let Some(filter) = &rule.filter {
        let truth = evaluator.truth(filter, &mut frame);
        if detail == Detail::Full {
            writer.why(filter, truth, &mut frame, printer, 0);
        }
        if finding.verdict == Verdict::Unknown {
            explanation.missing = evaluator.missing(filter, &mut frame).into_iter().collect();
        }
    }
    if finding.requirement.is_none() && finding.verdict == Verdict::Unknown && explanation.missing.is_empty() {
        explanation.missing = evaluator.subject_gap(subject, rule.entity).into_iter().collect();
    }
    explanation.lines = writer.lines;
    explanation
}

fn subject_frame(evaluator: &Evaluator<'_>, rule: &Rule, subject: EntityId, with_lets: bool) -> Frame {
    evaluator.begin();
    let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
    if let Some(slot) = frame.get_mut(rule.subject.0 as usize) {
        *slot = Val::Known(Value::Entity(subject));
    }
    for (var, value) in rule.lets.iter().filter(|_| with_lets) {
        let value = evaluator.value(value, &mut frame);
        if let Some(slot) = frame.get_mut(var.0 as usize) {
            *slot = value;
        }
    }
    frame
}

struct Writer<'a> {
    evaluator: &'a Evaluator<'a>,
    policies: &'a Policies,
    lines: Vec<Line>,
}

impl Writer<'_> {
    fn push(&mut self, depth: usize, text: String, truth: Option<Truth>, evidence: Vec<Evidence>) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(Line { depth, text, truth, evidence });
        } else if self.lines.len() == LINES_MAX {
            self.lines.push(Line { depth: 0, text: "… and more".to_owned(), truth: None, evidence: Vec::new() });
        }
    }

    /// Writes the parts of a condition that made it come out as it did.
    fn why(&mut self, expr: &Expr, truth: Truth, frame: &mut Frame, printer: Printer<'_>, depth: usize) {
        if self.lines.len() > LINES_MAX {
            return;
        }
        match &expr.kind {
            ExprKind::Not(inner) => self.why(inner, truth.negate(), frame, printer, depth),
            ExprKind::And(parts) => self.parts(parts.iter().collect(), truth, Truth::False, frame, printer, depth),
            ExprKind::Or(parts) => self.parts(parts.iter().collect(), truth, Truth::True, frame, printer, depth),
            ExprKind::Implies(left, right) => {
                let left_truth = self.evaluator.truth(left, frame);
                if left_truth == Truth::False {
                    return self.why(left, left_truth, frame, printer, depth);
                }
                let right_truth = self.evaluator.truth(right, frame);
                self.why(left, left_truth, frame, printer, depth);
                self.why(right, right_truth, frame, printer, depth);
            }
            ExprKind::Branches(branches) => self.branches(branches, truth, frame, printer, depth),
            ExprKind::Call(def, args) if expr.ty.base == Base::Bool && !expr.ty.set => {
                // All of them, looked at or not: they are shown.
                let values: Vec<Val> = args.iter().map(|arg| self.evaluator.value(arg, frame)).collect();
                let names: Vec<String> = values.iter().map(|value| self.evaluator.show(value)).collect();
                let Some(target) = self.policies.defs.get(def.0 as usize) else { return };
                self.push(depth, format!("{}({})", target.name, names.join(", ")), Some(truth), Vec::new());
                let inner = Printer { policies: self.policies, slots: &target.slot_names };
                let mut body_frame: Frame = vec![Val::Unknown; target.n_slots as usize];
                body_frame.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
                self.why(&target.body, truth, &mut body_frame, inner, depth + 1);
            }
            ExprKind::Quantified(kind, binders, body) => {
                self.quantified(expr, *kind, binders, body.as_deref(), truth, frame, printer, depth);
            }
            _ => {
                let evidence = self.evidence(expr, frame);
                let text = format!("{}{}", printer.print(expr), self.sides(expr, frame));
                self.push(depth, text, Some(truth), evidence);
                self.counted(expr, frame, printer, depth + 1);
            }
        }
    }

    /// Says what the two sides of a comparison come to, where that is not plain from the condition or the facts below it.
    fn sides(&self, expr: &Expr, frame: &mut Frame) -> String {
        let ExprKind::Compare(_, left, right) = &expr.kind else { return String::new() };
        let plain = |side: &Expr| matches!(side.kind, ExprKind::Value(_) | ExprKind::Attribute { .. });
        if plain(left) && plain(right) {
            return String::new();
        }
        let (left, right) = (self.evaluator.value(left, frame), self.evaluator.value(right, frame));
        format!(" — {} and {}", self.evaluator.show(&left), self.evaluator.show(&right))
    }

    /// Names what was counted, and the facts that make it count.
    fn counted(&mut self, expr: &Expr, frame: &mut Frame, printer: Printer<'_>, depth: usize) {
        for child in crate::check::children(expr) {
            let ExprKind::Aggregate(_, binders, body) = &child.kind else { continue };
            let mut names: Vec<String> = Vec::new();
            let mut total = 0_usize;
            self.evaluator.members(binders, frame, true, false, &mut |evaluator, frame, sure, unseen| {
                let counts = body.as_ref().is_none_or(|body| body.ty.base != Base::Bool || evaluator.truth(body, frame) == Truth::True);
                if sure && !unseen && counts {
                    total += 1;
                    let shown = binders.iter().filter_map(|binder| frame.get(binder.var.0 as usize));
                    if names.len() < COUNTED_MAX {
                        names.push(shown.map(|value| evaluator.show(value)).collect::<Vec<_>>().join(" with "));
                    }
                }
                true
            });
            if total > names.len() {
                names.push(format!("{} more", total - names.len()));
            }
            let mut evidence = Vec::new();
            for binder in binders {
                self.membership_evidence(&binder.set, frame, &mut evidence);
            }
            let variables: Vec<String> = binders.iter().map(|binder| printer.variable(binder.var)).collect();
            self.push(depth, format!("{} for certain: {}", variables.join(", "), names.join(", ")), None, evidence);
        }
    }

    /// Collects the facts by which members belong to a set: the references and list entries that lead to them.
    fn membership_evidence(&self, set: &Expr, frame: &mut Frame, found: &mut Vec<Evidence>) {
        match &set.kind {
            ExprKind::Navigation { base, property, at: None } => {
                let single = self.policies.schema.property(*property).is_some_and(|property| !property.ty.set);
                let holders: Vec<EntityId> = match self.evaluator.value(base, frame) {
                    Val::Known(Value::Entity(id)) => vec![id],
                    Val::Set(set) => set.members.iter().filter(|member| member.sure).filter_map(|member| member.value.entity()).collect(),
                    _ => Vec::new(),
                };
                for holder in holders.into_iter().take(EVIDENCE_MAX.saturating_sub(found.len())) {
                    self.step_evidence(holder, *property, single, found);
                }
            }
            ExprKind::Filter(binder) => self.membership_evidence(&binder.set, frame, found),
            ExprKind::Union(left, right) => {
                self.membership_evidence(left, frame, found);
                self.membership_evidence(right, frame, found);
            }
            ExprKind::Call(def, args) => {
                let before = found.len();
                for arg in self.evaluator.looked_at(*def, args).filter(|arg| arg.ty.set) {
                    self.membership_evidence(arg, frame, found);
                }
                if found.len() == before {
                    self.evaluator.call(*def, args, frame, |_, body, frame| self.membership_evidence(body, frame, found));
                }
            }
            _ => {}
        }
    }

    fn step_evidence(&self, holder: EntityId, property: PropertyId, single: bool, found: &mut Vec<Evidence>) {
        let snapshot = self.evaluator.snapshot;
        if single {
            let cell = snapshot.cell(holder, property);
            if let CellState::Known(value) = &cell.state {
                let value = self.evaluator.show_value(value);
                found.push(Evidence { entity: holder, property, value, source: cell.source });
            }
            return;
        }
        let edges = &snapshot.nav(holder, property).members;
        for edge in edges.iter().take(EVIDENCE_MAX.saturating_sub(found.len())) {
            let value = self.evaluator.show_value(&edge.member);
            found.push(Evidence { entity: holder, property, value, source: edge.source });
        }
    }

    /// One part of the deciding kind is enough; without one, all parts that come out like the whole are shown.
    fn parts(&mut self, parts: Vec<&Expr>, truth: Truth, deciding: Truth, frame: &mut Frame, printer: Printer<'_>, depth: usize) {
        for part in parts {
            let here = self.evaluator.truth(part, frame);
            if here == truth {
                self.why(part, here, frame, printer, depth);
                if truth == deciding {
                    return;
                }
            }
        }
    }

    fn branches(&mut self, branches: &[(String, Expr)], truth: Truth, frame: &mut Frame, printer: Printer<'_>, depth: usize) {
        for (name, branch) in branches {
            let here = self.evaluator.truth(branch, frame);
            if truth == Truth::True && here != Truth::True {
                continue;
            }
            self.push(depth, format!("by {name}"), Some(here), Vec::new());
            self.why(branch, here, frame, printer, depth + 1);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one quantifier and where it is written")]
    fn quantified(
        &mut self,
        expr: &Expr,
        kind: Quantifier,
        binders: &[Binder],
        body: Option<&Expr>,
        truth: Truth,
        frame: &mut Frame,
        printer: Printer<'_>,
        depth: usize,
    ) {
        self.push(depth, printer.print(expr), Some(truth), Vec::new());
        // Which members matter: those that satisfy, or for `all` those that do not; the doubtful ones for an unknown.
        let negated = matches!(kind, Quantifier::All | Quantifier::AllNonempty);
        let mut shown: Vec<(String, Truth, Frame)> = Vec::new();
        let mut total = 0_usize;
        self.evaluator.members(binders, frame, true, false, &mut |evaluator, frame, sure, unseen| {
            let holds = body.map_or(Truth::True, |body| evaluator.truth(body, frame)).negate_if(negated);
            let holds = if sure { holds } else { holds.min(Truth::Unknown) };
            let matters = match (truth, holds) {
                (Truth::Unknown, Truth::Unknown) => true,
                (Truth::Unknown, _) => false,
                (_, holds) => holds == Truth::True || (kind == Quantifier::Some && truth == Truth::False),
            };
            total += 1;
            if matters && shown.len() < MEMBERS_MAX {
                let names = binders.iter().filter_map(|binder| Some((binder, frame.get(binder.var.0 as usize)?)));
                let names: Vec<String> = names
                    .map(|(binder, value)| {
                        let value = if unseen && !matches!(value, Val::Known(_)) {
                            "one that was not read".to_owned()
                        } else {
                            evaluator.show(value)
                        };
                        format!("{} = {value}", printer.variable(binder.var))
                    })
                    .collect();
                shown.push((names.join(", "), holds, frame.clone()));
            }
            true
        });
        if shown.is_empty() {
            let text = if total == 0 { "there is no such member".to_owned() } else { format!("none of {total} members decides otherwise") };
            self.push(depth + 1, text, None, Vec::new());
        }
        for (text, holds, mut inner) in shown {
            self.push(depth + 1, text, None, Vec::new());
            let inner_truth = holds.negate_if(negated);
            for filter in binders.iter().filter_map(|binder| binder.filter.as_ref()) {
                let truth = self.evaluator.truth(filter, &mut inner);
                self.why(filter, truth, &mut inner, printer, depth + 2);
            }
            if let Some(body) = body {
                let body_truth = if inner_truth == Truth::Unknown { self.evaluator.truth(body, &mut inner) } else { inner_truth };
                self.why(body, body_truth, &mut inner, printer, depth + 2);
            }
        }
    }

    /// Returns the facts that an atom reads, each once.
    fn evidence(&self, expr: &Expr, frame: &mut Frame) -> Vec<Evidence> {
        let mut found: BTreeSet<Evidence> = BTreeSet::new();
        let mut queue = vec![expr];
        while let Some(expr) = queue.pop() {
            if let ExprKind::Attribute { base, property, at: None, .. } = &expr.kind
                && let Val::Known(Value::Entity(entity)) = self.evaluator.value(base, frame)
            {
                let value = self.evaluator.value(expr, frame);
                let source = self.evaluator.snapshot.cell(entity, *property).source;
                found.insert(Evidence { entity, property: *property, value: self.evaluator.show(&value), source });
            }
            if !matches!(expr.kind, ExprKind::Quantified(..) | ExprKind::Aggregate(..) | ExprKind::Filter(_)) {
                queue.extend(crate::check::children(expr));
            }
        }
        found.into_iter().collect()
    }
}

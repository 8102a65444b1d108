//! What a fix must keep before anybody is shown it (language document, section 7): what is required holds, what was to be
//! repaired passes, nothing gets worse, twice is as once. And it must not take what mends nothing.

use std::collections::BTreeSet;

use super::access::{Access, Holding};
use super::problem::{Involved, Problem, ProblemKind, involved};
use super::trial::{Act, Trial, replayed, rule_frame, set_slot};
use crate::check::{Binder, DefId, Expr, ExprKind, Quantifier, Rule};
use crate::evaluate::{Evaluator, Frame, Judged, Rejudged, Truth, Val, Watch, verdict_of};
use crate::model::{EntityId, RuleSeverity, Value, Verdict};
use crate::snapshot::{Change, Overlay, Snapshot};

/// Actions of one proposal that are left out one by one, to see whether each is needed.
pub const LEFT_OUT_MAX: usize = 64;
/// Entities that are named in one reason.
const NAMED_MAX: usize = 8;

/// What a proposal is about.
#[derive(Clone, Copy)]
pub(super) struct Case<'c> {
    pub(super) rule: &'c Rule,
    pub(super) subject: EntityId,
    /// Requirements that fail.
    pub(super) failing: &'c [usize],
    /// Those of them that the fixes are for.
    pub(super) repaired: &'c [usize],
}

impl Trial<'_> {
    /// Checks obligations two to four, and that each action is needed; obligation one was checked as the actions were tried.
    pub(super) fn check(&mut self, watch: &Watch, below: &Overlay, case: Case<'_>, twice: bool) -> Rejudged {
        let rejudged = watch.again(self.policies, self.scan, &self.world);
        self.repaired(watch, &rejudged, case);
        self.worse(watch, &rejudged, case);
        if twice {
            self.twice(&rejudged, case);
        }
        self.needless(watch, below, case);
        rejudged
    }

    fn report(&mut self, kind: ProblemKind, text: String, world: Vec<Involved>) {
        let problem = Problem { kind, text, world };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Obligation two. A subject that is gone, or that the rule no longer speaks about, is mended too.
    fn repaired(&mut self, watch: &Watch, rejudged: &Rejudged, case: Case<'_>) {
        let pair = (self.run, Some(case.subject));
        let judged: Option<&[Judged]> = match rejudged.verdicts.get(&pair) {
            Some(judged) => judged.as_deref(),
            None => watch.table().get(&pair).map(Vec::as_slice),
        };
        let verdicts: Vec<(usize, Verdict)> = case.repaired.iter().map(|at| (*at, verdict_of(judged, *at))).collect();
        for (at, verdict) in verdicts {
            if matches!(verdict, Verdict::Pass | Verdict::NotApplicable) {
                continue;
            }
            let name = case.rule.requirements.get(at).map_or("?", |requirement| requirement.name.as_str());
            let text = format!("{name} would be {} afterwards, not pass", verdict.name());
            let stays = if verdict == Verdict::Fail { self.staying(case, at) } else { Vec::new() };
            if stays.is_empty() {
                let world = self.involved(&[case.subject]);
                self.report(ProblemKind::NotRepaired, text.clone(), world);
            }
            for (reason, world) in stays {
                self.report(ProblemKind::NotRepaired, format!("{text}: {reason}"), world);
            }
        }
    }

    /// Says who or what keeps a requirement from passing afterwards.
    fn staying(&self, case: Case<'_>, at: usize) -> Vec<(String, Vec<Involved>)> {
        let after = self.world.snapshot();
        let Some(found) = self.violators(&after, case, at) else { return Vec::new() };
        let access = Access::new(&after, self.scan.now);
        let owners = access.owners(case.subject);
        let name_one = |id: EntityId| {
            let holding = owners.iter().find(|holding| holding.principal == id);
            match holding {
                Some(holding) => stays_owner(&access, *holding, case.subject),
                None => (format!("{} remains", after.label(id)), involved(&after, &[case.subject, id])),
            }
        };
        let ids: BTreeSet<EntityId> = found.iter().flatten().filter_map(Value::entity).collect();
        ids.into_iter().take(NAMED_MAX).map(name_one).collect()
    }

    /// Obligation three, over every rule that states a duty. Advice states none: it informs about what duties bring about (a recorded
    /// partner sees data), and may speak of what is known, which is not monotone. What it newly says, the planner tells.
    fn worse(&mut self, watch: &Watch, rejudged: &Rejudged, case: Case<'_>) {
        let after = self.world.snapshot();
        let verb = self.verb();
        for (pair, judged) in &rejudged.verdicts {
            let Some(rule) = self.scan.runs.get(pair.0).and_then(|run| self.policies.rules.get(run.rule.0 as usize)) else { continue };
            if rule.severity == RuleSeverity::Advice {
                continue;
            }
            let before = watch.table().get(pair).map(Vec::as_slice);
            for place in places(before, judged.as_deref()) {
                let (was, is) = (said(before, place), said(judged.as_deref(), place));
                if !is_worse(was, is) {
                    continue;
                }
                let on = pair.1.map_or_else(|| "subjects nobody has seen".to_owned(), |id| after.label(id));
                let requirement = place.and_then(|at| rule.requirements.get(at)).map_or_else(String::new, |one| format!(".{}", one.name));
                let what = if was == Verdict::NotApplicable { "makes something that fails" } else { verb };
                let text =
                    format!("{} {what} {}: {}{requirement} would become {} on {on}", case.rule.id, needs(what, rule), rule.id, is.name());
                let mut about: Vec<EntityId> = pair.1.into_iter().collect();
                about.extend(self.acts.iter().flat_map(|act| act.values.iter().filter_map(Value::entity)).take(NAMED_MAX));
                let world = involved(&after, &about);
                self.report(ProblemKind::Worse, text, world);
            }
        }
    }

    fn verb(&self) -> &'static str {
        let has = |wanted: fn(&Change) -> bool| self.acts.iter().flat_map(|act| &act.changes).any(wanted);
        if has(|change| matches!(change, Change::End(..))) {
            "removes"
        } else if has(|change| matches!(change, Change::Set(..))) {
            "changes"
        } else {
            "adds"
        }
    }

    /// Obligation four: afterwards the same fixes have nothing left to do.
    fn twice(&mut self, rejudged: &Rejudged, case: Case<'_>) {
        let judged = rejudged.verdicts.get(&(self.run, Some(case.subject))).and_then(Option::as_deref);
        let still: Vec<usize> = case.failing.iter().copied().filter(|at| verdict_of(judged, *at) == Verdict::Fail).collect();
        if still.is_empty() || judged.is_none() {
            return;
        }
        let mut again = Trial::new(self.policies, self.scan, self.run, &self.world);
        again.fixes(case.rule, case.subject, &still);
        if !again.acts.is_empty() {
            let world = self.involved(&[case.subject]);
            self.report(ProblemKind::Twice, "doing it twice is not the same as doing it once".to_owned(), world);
        }
    }

    /// Leaves out one action at a time: one without which everything comes out the same, and nothing is worse, takes something
    /// for nothing.
    fn needless(&mut self, watch: &Watch, below: &Overlay, case: Case<'_>) {
        if self.acts.len() > LEFT_OUT_MAX {
            return;
        }
        let whole = self.outcome(&self.world.snapshot(), case);
        let acts = self.acts.clone();
        for (at, act) in acts.iter().enumerate() {
            let others = acts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, act)| act);
            let without = replayed(below, others);
            if self.outcome(&without.snapshot(), case) != whole || self.breaks(watch, &without) {
                continue;
            }
            let without = without.snapshot();
            for (text, world) in self.taken_for_nothing(act, &without) {
                self.report(ProblemKind::NeedLess, text, world);
            }
        }
    }

    /// Tells whether any verdict but that of advice is worse in a world.
    fn breaks(&self, watch: &Watch, world: &Overlay) -> bool {
        let rejudged = watch.again(self.policies, self.scan, world);
        rejudged.verdicts.iter().any(|(pair, judged)| {
            let rule = self.scan.runs.get(pair.0).and_then(|run| self.policies.rules.get(run.rule.0 as usize));
            let before = watch.table().get(pair).map(Vec::as_slice);
            rule.is_some_and(|rule| rule.severity != RuleSeverity::Advice)
                && places(before, judged.as_deref()).into_iter().any(|at| is_worse(said(before, at), said(judged.as_deref(), at)))
        })
    }

    /// What becomes of the requirements that are to be repaired: verdicts, and who or what violates them.
    fn outcome(&self, world: &Snapshot, case: Case<'_>) -> Vec<(Verdict, Option<BTreeSet<Vec<Value>>>)> {
        let (judged, _) = Watch::one(self.policies, self.scan, world, (self.run, Some(case.subject)));
        let of = |at: &usize| (verdict_of(judged.as_deref(), *at), self.violators(world, case, *at));
        case.repaired.iter().map(of).collect()
    }

    fn taken_for_nothing(&self, act: &Act, without: &Snapshot) -> Vec<(String, Vec<Involved>)> {
        let after = self.world.snapshot();
        let mut found = Vec::new();
        for change in &act.changes {
            let Change::End(assignment, _) = change else { continue };
            let access = Access::new(without, self.scan.now);
            let Some(scope) = access.reference(*assignment, "scope").filter(|_| access.is_owner_role(*assignment)) else { continue };
            let left: BTreeSet<EntityId> =
                Access::new(&after, self.scan.now).owners(scope).iter().map(|holding| holding.principal).collect();
            let lost =
                access.owners(scope).into_iter().filter(|holding| holding.assignment == *assignment && !left.contains(&holding.principal));
            for holding in lost.take(NAMED_MAX) {
                let text =
                    format!("{}, loses Owner on {}, and that mends nothing", access.describe(holding.principal), without.label(scope));
                found.push((text, small_world(&access, holding, scope)));
            }
        }
        if found.is_empty() {
            let about: Vec<EntityId> = act.values.iter().filter_map(Value::entity).collect();
            found.push((format!("{} mends nothing", act.call(self.policies)), involved(&after, &about)));
        }
        found
    }

    /// Finds the members that keep a requirement from holding, for requirements that speak of the members of a set.
    fn violators(&self, world: &Snapshot, case: Case<'_>, at: usize) -> Option<BTreeSet<Vec<Value>>> {
        world.entity_type(case.subject)?;
        let evaluator = self.scan.evaluator(self.policies, world, self.run)?;
        let mut frame = rule_frame(&evaluator, case.rule, case.subject);
        let requirement = case.rule.requirements.get(at)?;
        let mut found = BTreeSet::new();
        let told = Violators { evaluator: &evaluator, trial: self }.of(&requirement.condition, true, &mut frame, &mut found);
        told.then_some(found)
    }
}

struct Violators<'v, 'a> {
    evaluator: &'v Evaluator<'v>,
    trial: &'v Trial<'a>,
}

impl Violators<'_, '_> {
    /// Collects what keeps `expr` from being `wanted`; gives whether the form of the expression tells.
    fn of(&self, expr: &Expr, wanted: bool, frame: &mut Frame, found: &mut BTreeSet<Vec<Value>>) -> bool {
        match &expr.kind {
            ExprKind::Not(inner) => self.of(inner, !wanted, frame, found),
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let mut told = false;
                for part in parts {
                    told |= self.of(part, wanted, frame, found);
                }
                told
            }
            ExprKind::Implies(left, right) if wanted => {
                self.evaluator.truth(left, frame) != Truth::False && self.of(right, true, frame, found)
            }
            ExprKind::Call(def, args) => self.called(*def, args, wanted, frame, found),
            ExprKind::Quantified(kind, binders, body) => {
                let satisfying = match (kind, wanted) {
                    (Quantifier::No | Quantifier::AtMost(_) | Quantifier::Exactly(_), true) | (Quantifier::Some, false) => true,
                    (Quantifier::All | Quantifier::AllNonempty, true) => false,
                    _ => return false,
                };
                self.members(binders, body.as_deref(), satisfying, frame, &mut Vec::new(), found);
                true
            }
            _ => false,
        }
    }

    fn called(&self, def: DefId, args: &[Expr], wanted: bool, frame: &mut Frame, found: &mut BTreeSet<Vec<Value>>) -> bool {
        let Some(def) = self.trial.policies.defs.get(def.0 as usize) else { return false };
        self.of(&def.body, wanted, &mut self.evaluator.frame_of(def, args, frame), found)
    }

    fn members(
        &self,
        binders: &[Binder],
        body: Option<&Expr>,
        satisfying: bool,
        frame: &mut Frame,
        bound: &mut Vec<Value>,
        found: &mut BTreeSet<Vec<Value>>,
    ) {
        let Some((binder, rest)) = binders.split_first() else {
            let holds = body.map_or(Truth::True, |body| self.evaluator.truth(body, frame));
            if holds == Truth::of(satisfying) {
                found.insert(bound.clone());
            }
            return;
        };
        for value in super::person::certain_members(self.evaluator, binder, frame) {
            set_slot(frame, binder.var.0, Val::Known(value.clone()));
            bound.push(value);
            self.members(rest, body, satisfying, frame, bound, found);
            bound.pop();
        }
    }
}

fn needs(what: &str, rule: &Rule) -> String {
    match what {
        "removes" | "changes" => format!("what {} needs", rule.id),
        "adds" => format!("what {} does not allow", rule.id),
        _ => rule.id.clone(),
    }
}

/// The requirements that are spoken of before or afterwards; none for the rule as a whole.
fn places(before: Option<&[Judged]>, after: Option<&[Judged]>) -> BTreeSet<Option<usize>> {
    before.into_iter().flatten().chain(after.into_iter().flatten()).map(|(requirement, _)| *requirement).collect()
}

fn said(judged: Option<&[Judged]>, place: Option<usize>) -> Verdict {
    let judged = judged.unwrap_or(&[]);
    match place {
        Some(at) => verdict_of(Some(judged), at),
        // The whole rule: the worst that is said.
        None => judged.iter().map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::NotApplicable),
    }
}

/// Pass, pending, unknown, fail, in this order; something new must not fail.
pub(super) fn is_worse(was: Verdict, is: Verdict) -> bool {
    match was {
        Verdict::NotApplicable => is == Verdict::Fail,
        was => is > was,
    }
}

fn stays_owner(access: &Access<'_>, holding: Holding, scope: EntityId) -> (String, Vec<Involved>) {
    let way = holding.group.map_or_else(String::new, |group| format!(" through group {}", access.world.label(group)));
    let text = format!("{} who is Owner{way}, stays Owner on {}", access.describe(holding.principal), access.world.label(scope));
    (text, small_world(access, holding, scope))
}

fn small_world(access: &Access<'_>, holding: Holding, scope: EntityId) -> Vec<Involved> {
    let mut about = vec![scope, holding.principal];
    about.extend(holding.group);
    about.push(holding.assignment);
    involved(access.world, &about)
}

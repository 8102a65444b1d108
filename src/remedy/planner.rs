//! All findings together: fixes until nothing is left to do, merged, guarded, bound to requests and put in order.
//!
//! In: policies, a snapshot, a scan of it. Out: a [`Plan`] and the world it leads to. Invariants: each fix keeps its obligations
//! in the world that the ones before it leave; a finding that fails for certain is the only ground for a step; the same
//! inputs give the same plan; nothing here can write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::bind::{Bind, Bound, Call};
use super::guard::Guard;
use super::order::order;
use super::plan::{Approvals, Digests, Limits, ManualStep, NotPlanned, Plan, Step, Summary, Why};
use super::problem::Problem;
use super::proposal::{Proposed, failing, propose_on};
use super::search::Search;
use super::trial::{Act, Told, Trial, replay, replayed};
use crate::check::Policies;
use crate::evaluate::engine::{self, EngineError};
use crate::evaluate::{Options, Pair, Scan, Table, Val, Watch, verdict_of};
use crate::model::{EntityId, EntityTypeId, RuleSeverity, Value, Verdict};
use crate::snapshot::{BuildError, Change, Fact, Overlay, Snapshot};

/// Rounds over all findings; each goes on only if the one before mended something.
pub const ROUNDS_MAX: usize = 16;

/// Which findings are planned for: rule ids (a trailing `*` stands for anything) or targets of steps.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these; all if empty.
    pub only: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
}

/// What a plan is asked for.
pub struct Request<'a> {
    /// The policies.
    pub policies: &'a Policies,
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// What the scan was asked.
    pub options: &'a Options<'a>,
    /// The scan of the snapshot, with waivers.
    pub scan: &'a Scan,
    /// What turns actions into requests.
    pub bind: &'a dyn Bind,
    /// Which findings.
    pub selection: Selection,
    /// Findings of a result, as (rule, requirement, subject), if the plan is made from one: no other is planned for.
    pub reported: Option<BTreeSet<(String, String, String)>>,
    /// Whether a finding without a fix is mended if the search finds exactly one smallest way.
    pub search: bool,
    /// The directory.
    pub tenant: String,
    /// Object id of who applies it.
    pub principal: Option<String>,
    /// Who makes it.
    pub planner: String,
    /// Version of the program.
    pub tool: String,
    /// What it is made from.
    pub digests: Digests,
    /// Which approvals it needs.
    pub approvals: Approvals,
    /// How much it may change.
    pub limits: Limits,
    /// How long it is valid.
    pub valid_for: SignedDuration,
}

/// A plan, and the world when every step is done, manual ones included.
#[derive(Debug)]
pub struct Planned {
    /// The plan. Its id is empty until it is written.
    pub plan: Plan,
    /// The world afterwards. Entities keep their ids.
    pub after: Overlay,
    /// Advice that speaks afterwards and did not before. It holds no fix back, and is said.
    pub advice: Vec<Why>,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// More steps than allowed.
    #[error("the plan has {steps} steps, and {limit}; allow more, or plan for less with --only and --exclude")]
    Limit {
        /// How many there are.
        steps: usize,
        /// The limit, in words.
        limit: String,
    },
    /// The scan of the world afterwards failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The world afterwards could not be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The verdicts of the simulation are not those of a scan of the same world: a mistake of the program.
    #[error("the simulation and a scan of the world afterwards disagree: {0}")]
    Inconsistent(String),
}

/// An action that is planned.
struct Planning {
    act: Act,
    bound: Vec<Bound>,
    told: Option<Told>,
    whys: Vec<Why>,
}

struct Planner<'a> {
    request: &'a Request<'a>,
    watch: Watch,
    world: Overlay,
    planned: Vec<Planning>,
    refused: BTreeMap<Pair, Vec<String>>,
    /// Facts that people change.
    by_people: BTreeSet<Fact>,
}

/// Plans for every finding that fails, is not waived and is selected.
///
/// # Errors
/// [`PlanError`].
pub fn make_plan(request: &Request<'_>) -> Result<Planned, PlanError> {
    let mut planner = Planner {
        request,
        watch: Watch::new(request.policies, request.snapshot, request.scan),
        world: Overlay::new(request.snapshot),
        planned: Vec::new(),
        refused: BTreeMap::new(),
        by_people: BTreeSet::new(),
    };
    for _ in 0..ROUNDS_MAX {
        let mended = planner.round(false) || request.search && planner.round(true);
        if !mended {
            break;
        }
    }
    planner.finish()
}

impl Planner<'_> {
    /// Goes once over all findings; gives whether anything was mended.
    fn round(&mut self, search: bool) -> bool {
        let mut mended = false;
        for pair in self.open() {
            let Some(subject) = pair.1 else { continue };
            mended |= if search { self.searched(pair.0, subject) } else { self.fixed(pair.0, subject) };
        }
        mended
    }

    /// Findings that fail and are selected: the gravest first, then by rule and subject.
    fn open(&self) -> Vec<Pair> {
        let request = self.request;
        let mut open: Vec<(std::cmp::Reverse<RuleSeverity>, String, String, Pair)> = Vec::new();
        for pair in self.watch.table().keys() {
            let Some((rule, subject)) = self.rule(*pair).zip(pair.1) else { continue };
            let failing = failing(request.scan, &self.watch, pair.0, subject);
            if failing.is_empty() || !failing.iter().any(|at| self.is_reported(*pair, *at)) {
                continue;
            }
            let key = request.snapshot.key(subject).into_owned();
            open.push((std::cmp::Reverse(rule.severity), rule.id.clone(), key, *pair));
        }
        open.sort();
        open.into_iter().map(|(.., pair)| pair).collect()
    }

    fn rule(&self, pair: Pair) -> Option<&crate::check::Rule> {
        let run = self.request.scan.runs.get(pair.0)?;
        self.request.policies.rules.get(run.rule.0 as usize)
    }

    fn is_reported(&self, pair: Pair, at: usize) -> bool {
        let Some(reported) = &self.request.reported else { return true };
        let named = self.rule(pair).zip(pair.1).and_then(|(rule, subject)| {
            let requirement = rule.requirements.get(at)?.name.clone();
            Some((rule.id.clone(), requirement, self.request.snapshot.key(subject).into_owned()))
        });
        named.is_some_and(|named| reported.contains(&named))
    }

    fn fixed(&mut self, run: usize, subject: EntityId) -> bool {
        let request = self.request;
        let principal = request.principal.as_deref();
        let proposed = propose_on(request.policies, request.scan, &self.watch, &self.world, (run, subject), principal);
        let Some(proposed) = proposed else {
            let reasons = self.unmended((run, Some(subject)));
            self.refused.insert((run, Some(subject)), reasons);
            return false;
        };
        self.consider((run, Some(subject)), proposed)
    }

    /// Why no fix is tried, and what the rule tells a person instead.
    fn unmended(&self, pair: Pair) -> Vec<String> {
        let request = self.request;
        let Some((rule, subject)) = self.rule(pair).zip(pair.1) else { return Vec::new() };
        let mut reasons = vec![if rule.fixes.is_empty() { "the rule names no fix" } else { "no fix of the rule applies" }.to_owned()];
        if let (Some(remedy), Some(evaluator)) = (&rule.remedy, request.scan.evaluator(request.policies, request.snapshot, pair.0)) {
            let mut frame = super::trial::rule_frame(&evaluator, rule, subject);
            reasons.push(format!("for a person: {}", evaluator.message(remedy, &mut frame)));
        }
        reasons
    }

    fn searched(&mut self, run: usize, subject: EntityId) -> bool {
        let request = self.request;
        let pair = (run, Some(subject));
        if self.rule(pair).is_none_or(|rule| rule.severity == RuleSeverity::Advice) {
            return false;
        }
        let search = Search { policies: request.policies, scan: request.scan, watch: &self.watch, world: &self.world };
        let found = search.ways(run, subject);
        match found.ways.as_slice() {
            [] => {
                let limit = found.limit.map_or_else(String::new, |limit| format!(" ({limit})"));
                self.refused.entry(pair).or_default().push(format!("the search found no set of actions that mends it{limit}"));
                false
            }
            [one] if found.limit.is_none() => {
                let mut trial =
                    Trial { principal: request.principal.as_deref(), ..Trial::new(request.policies, request.scan, run, &self.world) };
                for act in one {
                    trial.act(act.action, act.values.iter().cloned().map(Val::Known).collect());
                }
                let rejudged = self.watch.again(request.policies, request.scan, &trial.world);
                let Trial { world, acts, problems, .. } = trial;
                self.consider(pair, Proposed { fixes: Vec::new(), acts, problems, world, rejudged })
            }
            several => {
                let ways: Vec<String> = several.iter().map(|way| calls(request.policies, way)).collect();
                let text = format!("several changes would mend it, and a person chooses: {}", ways.join("; or "));
                self.refused.entry(pair).or_default().push(text);
                false
            }
        }
    }

    /// Takes a proposal into the plan, or notes why not.
    fn consider(&mut self, pair: Pair, mut proposed: Proposed) -> bool {
        let mut reasons: Vec<String> = proposed.problems.iter().map(ToString::to_string).collect();
        let bound = if reasons.is_empty() { self.allowed(pair, &mut proposed, &mut reasons) } else { Vec::new() };
        if !reasons.is_empty() {
            reasons.dedup();
            self.refused.insert(pair, reasons);
            return false;
        }
        let whys = self.mended(&proposed);
        let Proposed { acts, world, rejudged, .. } = proposed;
        self.refused.remove(&pair);
        let mut before = self.world.clone();
        for (act, bound) in acts.into_iter().zip(bound) {
            let told = if act.api { None } else { act.told(self.request.policies, self.request.scan, pair.0, &before.snapshot()) };
            replay(&mut before, &act);
            if !act.api {
                self.by_people.extend(act.touches.iter().filter(|fact| !matches!(fact, Fact::Extent(_))));
            }
            match self.planned.iter_mut().find(|planned| planned.act.is_same(&act)) {
                Some(known) => known.whys.extend(whys.iter().cloned()),
                None => self.planned.push(Planning { act, bound, told, whys: whys.clone() }),
            }
        }
        self.watch.accept(rejudged);
        self.world = world;
        true
    }

    /// Puts the actions of a proposal in an order in which each may be done when it is its turn. What is fine as a whole may not be so
    /// on the way: between two steps a subscription could be without an Owner.
    fn in_safe_order(&self, run: usize, acts: &[Act]) -> Result<Vec<Act>, String> {
        let listed: Vec<&Act> = acts.iter().collect();
        let sequences = [(0..acts.len()).collect(), order(&listed).sequence];
        let mut reason = None;
        for sequence in &sequences {
            let ordered: Vec<&Act> = sequence.iter().filter_map(|at| listed.get(*at).copied()).collect();
            match self.obstacle(&self.world, ordered.iter().map(|act| (run, *act))) {
                None => return Ok(ordered.into_iter().cloned().collect()),
                Some(obstacle) => reason = reason.or(Some(obstacle)),
            }
        }
        let reason = reason.unwrap_or_default();
        Err(format!("in no order of its actions is each of them safe when it is its turn: {reason}"))
    }

    /// Does actions one after the other, and says what the first one meets that may not be done, if any.
    fn obstacle<'a>(&self, world: &Overlay, acts: impl Iterator<Item = (usize, &'a Act)>) -> Option<String> {
        let request = self.request;
        let principal = request.principal.as_deref();
        let mut world = world.clone();
        for (run, act) in acts {
            let mut trial = Trial { principal, ..Trial::new(request.policies, request.scan, run, &world) };
            trial.act(act.action, act.values.iter().cloned().map(Val::Known).collect());
            let guard = Guard { policies: request.policies, scan: request.scan, run, principal };
            let before = world.snapshot();
            world = replayed(&world, std::iter::once(act));
            let guarded = guard.problems(&before, &world.snapshot(), std::slice::from_ref(act));
            if let Some(problem) = trial.problems.into_iter().chain(guarded).next() {
                return Some(problem.to_string());
            }
        }
        None
    }

    /// Guards, requests and selection: what a proposal that keeps its obligations must pass besides.
    fn allowed(&self, pair: Pair, proposed: &mut Proposed, reasons: &mut Vec<String>) -> Vec<Vec<Bound>> {
        let request = self.request;
        let guard = Guard { policies: request.policies, scan: request.scan, run: pair.0, principal: request.principal.as_deref() };
        let problems: Vec<Problem> = guard.problems(&self.world.snapshot(), &proposed.world.snapshot(), &proposed.acts);
        reasons.extend(problems.iter().map(ToString::to_string));
        // One action alone was looked at just now.
        if reasons.is_empty() && proposed.acts.len() > 1 {
            match self.in_safe_order(pair.0, &proposed.acts) {
                Ok(acts) => proposed.acts = acts,
                Err(reason) => reasons.push(reason),
            }
        }
        let rule = self.rule(pair).map_or_else(String::new, |rule| rule.id.clone());
        let mut world = self.world.clone();
        let (mut bound, mut targets) = (Vec::new(), Vec::new());
        for act in &proposed.acts {
            if act.api
                && (act.reads.iter().any(|fact| self.by_people.contains(fact))
                    || act.touches.iter().any(|fact| self.by_people.contains(fact)))
            {
                reasons.push(format!("{} waits for what a person does first; plan again when it is done", act.call(request.policies)));
            }
            targets.extend(act.values.iter().filter_map(Value::entity).map(|id| request.snapshot.key(id).into_owned()));
            let made = if act.api { self.requests(&world.snapshot(), act) } else { Ok(Vec::new()) };
            match made {
                Ok(made) => {
                    targets.extend(made.iter().map(|one| one.target.clone()));
                    bound.push(made);
                }
                Err(reason) => reasons.push(format!("{}: {reason}", act.call(request.policies))),
            }
            replay(&mut world, act);
        }
        let named = |wanted: &String| matches_id(wanted, &rule) || targets.iter().any(|target| target.eq_ignore_ascii_case(wanted));
        if !request.selection.only.is_empty() && !request.selection.only.iter().any(named) {
            reasons.clear();
            reasons.push(NOT_ASKED.to_owned());
        } else if request.selection.exclude.iter().any(named) {
            reasons.push("left out by --exclude".to_owned());
        }
        bound
    }

    fn requests(&self, world: &Snapshot, act: &Act) -> Result<Vec<Bound>, String> {
        let policies = self.request.policies;
        let Some(action) = policies.actions.get(act.action.0 as usize) else { return Err("there is no such action".to_owned()) };
        let arguments: Vec<(&str, Value)> = action.formals.iter().map(|(name, _)| name.as_str()).zip(act.values.iter().cloned()).collect();
        let call = Call { snapshot: world, now: self.request.scan.now, action: &action.name, arguments: &arguments };
        let made = self.request.bind.bind(&call)?;
        if made.is_empty() { Err("no request is known for it".to_owned()) } else { Ok(made) }
    }

    /// The findings that fail before a proposal and do not afterwards.
    fn mended(&self, proposed: &Proposed) -> Vec<Why> {
        let mut whys = Vec::new();
        for (pair, judged) in &proposed.rejudged.verdicts {
            let Some(subject) = pair.1 else { continue };
            for at in failing(self.request.scan, &self.watch, pair.0, subject) {
                let verdict = verdict_of(judged.as_deref(), at);
                if matches!(verdict, Verdict::Pass | Verdict::NotApplicable) {
                    whys.extend(self.why(*pair, at));
                }
            }
        }
        whys
    }

    /// A finding in the words of its rule, as the snapshot has it.
    fn why(&self, pair: Pair, at: usize) -> Option<Why> {
        let request = self.request;
        let (rule, subject) = (self.rule(pair)?, pair.1?);
        let requirement = rule.requirements.get(at)?;
        let evaluator = request.scan.evaluator(request.policies, request.snapshot, pair.0)?;
        let mut frame = super::trial::rule_frame(&evaluator, rule, subject);
        let text = requirement.message.as_ref().map_or_else(|| rule.title.clone(), |message| evaluator.message(message, &mut frame));
        Some(Why {
            rule: rule.id.clone(),
            requirement: requirement.name.clone(),
            subject: request.snapshot.key(subject).into_owned(),
            text,
        })
    }

    fn finish(mut self) -> Result<Planned, PlanError> {
        let request = self.request;
        let not_planned = self.not_planned();
        let rebuilt = self.world.rebuilt()?;
        let after = engine::scan(request.policies, &rebuilt, request.options)?;
        self.agrees(&rebuilt, &after)?;
        let (steps, manual) = self.steps();
        self.within(steps.len())?;
        let plan = Plan {
            id: String::new(),
            created: request.scan.now,
            expires: request.scan.now.saturating_add(request.valid_for).unwrap_or(Timestamp::MAX),
            tool: request.tool.clone(),
            digests: request.digests.clone(),
            tenant: request.tenant.clone(),
            principal: request.principal.clone(),
            planner: request.planner.clone(),
            approvals: request.approvals.clone(),
            limits: request.limits,
            summary: Summary { before: counts(request.scan), after: counts(&after) },
            steps,
            manual,
            not_planned,
        };
        let advice = self.advice(&rebuilt, &after);
        Ok(Planned { plan, after: self.world, advice })
    }

    /// Advice that fails afterwards, on the world made anew, and did not before.
    fn advice(&self, rebuilt: &Snapshot, after: &Scan) -> Vec<Why> {
        let request = self.request;
        let before: BTreeSet<(usize, String, Option<usize>)> = request
            .scan
            .findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Fail)
            .map(|finding| (finding.run, subject_key(request.snapshot, finding.subject), finding.requirement))
            .collect();
        let mut found = Vec::new();
        for finding in after.findings.iter().filter(|finding| finding.verdict == Verdict::Fail) {
            let Some(rule) = self.rule((finding.run, None)).filter(|rule| rule.severity == RuleSeverity::Advice) else { continue };
            let subject = subject_key(rebuilt, finding.subject);
            if before.contains(&(finding.run, subject.clone(), finding.requirement)) {
                continue;
            }
            let requirement = finding.requirement.and_then(|at| rule.requirements.get(at));
            let why = Why {
                rule: rule.id.clone(),
                requirement: requirement.map_or_else(String::new, |requirement| requirement.name.clone()),
                subject,
                text: rule.title.clone(),
            };
            if !found.contains(&why) {
                found.push(why);
            }
        }
        found
    }

    fn not_planned(&self) -> Vec<NotPlanned> {
        let mut found = Vec::new();
        for pair in self.open() {
            let (Some(rule), Some(subject)) = (self.rule(pair), pair.1) else { continue };
            let reasons = self.refused.get(&pair).cloned().unwrap_or_default();
            // Advice asks for nothing, and what was not asked for is not missing.
            if rule.severity == RuleSeverity::Advice && rule.fixes.is_empty() || reasons.iter().any(|reason| reason == NOT_ASKED) {
                continue;
            }
            let whys = failing(self.request.scan, &self.watch, pair.0, subject).into_iter().filter(|at| self.is_reported(pair, *at));
            for why in whys.filter_map(|at| self.why(pair, at)) {
                let asked = self.request.selection.only.is_empty()
                    || self.request.selection.only.iter().any(|wanted| matches_id(wanted, &why.rule));
                let one = NotPlanned { why, reasons: reasons.clone() };
                if asked && !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found
    }

    /// What was followed step by step is what a scan of the world made anew says.
    fn agrees(&self, rebuilt: &Snapshot, after: &Scan) -> Result<(), PlanError> {
        let world = self.world.snapshot();
        let ours = by_key(&world, self.watch.table());
        let mut theirs = BTreeMap::new();
        for finding in &after.findings {
            let subject = finding.subject.map_or_else(|| "*".to_owned(), |id| rebuilt.key(id).into_owned());
            theirs.insert((finding.run, subject, finding.requirement), finding.verdict);
        }
        let odd = ours.keys().chain(theirs.keys()).find(|key| ours.get(*key) != theirs.get(*key));
        match odd {
            None => Ok(()),
            Some(key) => Err(PlanError::Inconsistent(format!("{key:?}: {:?} and {:?}", ours.get(key), theirs.get(key)))),
        }
    }

    /// Puts what is planned in order. An order other than the one found must work as well, or the one found stays.
    fn steps(&mut self) -> (Vec<Step>, Vec<ManualStep>) {
        let acts: Vec<&Act> = self.planned.iter().map(|planned| &planned.act).collect();
        let mut ordered = order(&acts);
        if !self.works(&ordered.sequence) {
            ordered.sequence = (0..self.planned.len()).collect();
            ordered.waits_for = (0..self.planned.len()).map(|at| at.checked_sub(1).into_iter().collect()).collect();
        }
        let mut ids: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let (mut steps, mut manual) = (Vec::new(), Vec::new());
        for at in ordered.sequence {
            let Some(planned) = self.planned.get(at) else { continue };
            let waits = ordered.waits_for.get(at).into_iter().flatten();
            let depends_on: Vec<String> = waits.filter_map(|place| ids.get(place)?.last().cloned()).collect();
            let own = if planned.act.api {
                self.api_steps(planned, &depends_on, &mut steps)
            } else {
                manual.push(self.manual_step(planned, depends_on, manual.len() + 1));
                vec![format!("m{}", manual.len())]
            };
            ids.insert(at, own);
        }
        (steps, manual)
    }

    fn api_steps(&self, planned: &Planning, depends_on: &[String], steps: &mut Vec<Step>) -> Vec<String> {
        let action = self.request.policies.actions.get(planned.act.action.0 as usize);
        // What a person does cannot be waited for while a plan is applied; such steps are not planned.
        let mut waits: Vec<String> = depends_on.iter().filter(|id| id.starts_with('s')).cloned().collect();
        let mut ids = Vec::new();
        for bound in &planned.bound {
            let id = format!("s{}", steps.len() + 1);
            steps.push(Step {
                id: id.clone(),
                depends_on: std::mem::replace(&mut waits, vec![id.clone()]),
                op: bound.op,
                risk: bound.risk,
                action: action.map_or_else(String::new, |action| action.name.clone()),
                title: bound.title.clone(),
                why: distinct(&planned.whys),
                target: bound.target.clone(),
                permissions: action.map_or_else(Vec::new, |action| action.needs.clone()),
                operation: bound.operation.clone(),
                undo: bound.undo.clone(),
            });
            ids.push(id);
        }
        ids
    }

    fn manual_step(&self, planned: &Planning, depends_on: Vec<String>, number: usize) -> ManualStep {
        let act = &planned.act;
        let action = self.request.policies.actions.get(act.action.0 as usize);
        let docs = action.map_or_else(String::new, |action| action.docs.join(" "));
        let what = docs.split(". ").next().unwrap_or("").trim_end_matches('.').to_owned();
        let told = planned.told.as_ref();
        let verified_by = told
            .and_then(|told| told.verified_by.clone())
            .unwrap_or_else(|| "A new snapshot shows it, and the findings are gone.".to_owned());
        ManualStep {
            id: format!("m{number}"),
            depends_on,
            action: action.map_or_else(String::new, |action| action.name.clone()),
            title: format!("{what}: {}", act.arguments.join(", ")),
            why: distinct(&planned.whys),
            instructions: told.map_or_else(String::new, |told| told.instructions.clone()),
            who: told.map_or_else(Vec::new, |told| told.who.clone()),
            verified_by,
        }
    }

    /// Tries an order: what each action requires holds when it is its turn, and no subscription loses its last Owner on the way.
    fn works(&self, sequence: &[usize]) -> bool {
        // Every run has its own parameters; the first finding that an action mends says which count.
        let acts = sequence.iter().filter_map(|at| self.planned.get(*at)).map(|planned| (self.run_of(planned), &planned.act));
        self.obstacle(&Overlay::new(self.request.snapshot), acts).is_none()
    }

    fn run_of(&self, planned: &Planning) -> usize {
        let first = planned.whys.first().map(|why| why.rule.as_str());
        let rule = |run: &crate::evaluate::RuleRun| self.request.policies.rules.get(run.rule.0 as usize).map(|rule| rule.id.as_str());
        self.request.scan.runs.iter().position(|run| rule(run) == first).unwrap_or(0)
    }

    fn within(&self, steps: usize) -> Result<(), PlanError> {
        let limits = self.request.limits;
        if steps > limits.max_changes as usize {
            return Err(PlanError::Limit { steps, limit: format!("--max-changes allows {}", limits.max_changes) });
        }
        let mut kinds: BTreeSet<EntityTypeId> = BTreeSet::new();
        let world = self.world.snapshot();
        for change in self.planned.iter().filter(|planned| planned.act.api).flat_map(|planned| &planned.act.changes) {
            kinds.extend(match change {
                Change::Create(ty, _) => Some(*ty),
                Change::End(id, _) | Change::Set(id, ..) => world.entity_type(*id),
            });
        }
        let objects: usize = kinds.iter().map(|ty| self.request.snapshot.extent(*ty).count()).sum();
        if steps.saturating_mul(100) > objects.max(1).saturating_mul(limits.max_changes_percent as usize) {
            let limit = format!("--max-changes-percent allows {} % of {objects} objects of these kinds", limits.max_changes_percent);
            return Err(PlanError::Limit { steps, limit });
        }
        Ok(())
    }
}

fn subject_key(world: &Snapshot, subject: Option<EntityId>) -> String {
    subject.map_or_else(|| "*".to_owned(), |id| world.key(id).into_owned())
}

const NOT_ASKED: &str = "not asked for by --only";

fn distinct(whys: &[Why]) -> Vec<Why> {
    let mut once: Vec<Why> = Vec::new();
    for why in whys {
        if !once.contains(why) {
            once.push(why.clone());
        }
    }
    once
}

fn calls(policies: &Policies, acts: &[Act]) -> String {
    acts.iter().map(|act| act.call(policies)).collect::<Vec<_>>().join(" and ")
}

fn matches_id(wanted: &str, id: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == id, |prefix| id.starts_with(prefix))
}

fn by_key(world: &Snapshot, table: &Table) -> BTreeMap<(usize, String, Option<usize>), Verdict> {
    let mut found = BTreeMap::new();
    for ((run, subject), judged) in table {
        let subject = subject.map_or_else(|| "*".to_owned(), |id| world.key(id).into_owned());
        found.extend(judged.iter().map(|(at, verdict)| ((*run, subject.clone(), *at), *verdict)));
    }
    found
}

/// Counts verdicts; waived ones are counted as such, and not as fails.
fn counts(scan: &Scan) -> BTreeMap<String, u64> {
    let names = [Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::Pending, Verdict::NotApplicable];
    let mut counts: BTreeMap<String, u64> = names.iter().map(|verdict| (verdict.name().to_owned(), 0)).collect();
    counts.insert("waived".to_owned(), 0);
    for finding in &scan.findings {
        let waived = finding.verdict == Verdict::Fail && finding.waiver.is_some();
        let name = if waived { "waived" } else { finding.verdict.name() };
        if let Some(count) = counts.get_mut(name) {
            *count += 1;
        }
    }
    counts
}

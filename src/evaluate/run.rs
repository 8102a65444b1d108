//! Rules over subjects: the verdicts of a scan.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::evaluator::{Evaluator, Frame};
use super::params::{ParamError, parameter_values, unset_parameter};
use super::value::{Truth, Unseen, Val};
use super::verdicts::Verdicts;
use super::waiver::{NAMED_MAX, WaiverUse, waiver_state};
use crate::check::{ParamId, Policies, Rule, RuleId};
use crate::model::{EntityId, RuleSeverity, SourceId, Value, Verdict};
use crate::snapshot::Snapshot;

/// What a scan is asked.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The instant of the run.
    pub now: Timestamp,
    /// Parameters set by the caller.
    pub params: &'a BTreeMap<ParamId, Val>,
    /// Packs in force; without, every rule runs once, outside of packs.
    pub packs: Option<&'a [String]>,
    /// Which rules to run.
    pub select: &'a dyn Fn(&Rule) -> bool,
    /// Which subjects to look at; all without.
    pub subject: Option<EntityId>,
    /// Whether waivers count.
    pub waivers: bool,
}

/// One rule as a pack runs it.
#[derive(Debug, Clone)]
pub struct RuleRun {
    /// The pack, by place; none for a rule outside every pack.
    pub pack: Option<usize>,
    /// The rule.
    pub rule: RuleId,
    /// Whether a fail blocks.
    pub blocking: bool,
    /// A value for each parameter.
    pub params: Vec<Val>,
    /// Subjects it was asked about.
    pub n_subjects: usize,
    /// Subjects it speaks about, for certain or perhaps.
    pub n_assessed: usize,
}

/// A verdict. Its key is pack, rule, requirement and subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The run it belongs to, by place in [`Scan::runs`].
    pub run: usize,
    /// The requirement; none if it is about whether the rule applies at all.
    pub requirement: Option<usize>,
    /// The subject; none for subjects that nobody has seen.
    pub subject: Option<EntityId>,
    /// The verdict, before waivers.
    pub verdict: Verdict,
    /// The instant by which it must hold, if the rule has one and it is known.
    pub due: Option<Timestamp>,
    /// The waiver that covers it, by place.
    pub waiver: Option<usize>,
    /// Attested sources it rests on.
    pub attested: Vec<SourceId>,
    /// Whether the step limit ended the evaluation.
    pub exhausted: bool,
}

/// All verdicts of a run.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The instant of the run.
    pub now: Timestamp,
    /// The rules that were run, sorted by rule and pack.
    pub runs: Vec<RuleRun>,
    /// The verdicts, sorted by run, subject and requirement.
    pub findings: Vec<Finding>,
    /// What became of each waiver.
    pub waivers: Vec<WaiverUse>,
}

impl Scan {
    /// Returns the rule of a finding.
    #[must_use]
    pub fn rule<'p>(&self, policies: &'p Policies, finding: &Finding) -> Option<&'p Rule> {
        self.runs.get(finding.run).and_then(|run| policies.rules.get(run.rule.0 as usize))
    }

    /// Prepares an evaluator with the parameters of a run.
    #[must_use]
    pub fn evaluator<'a>(&self, policies: &'a Policies, snapshot: &'a Snapshot, run: usize) -> Option<Evaluator<'a>> {
        let run = self.runs.get(run)?;
        Some(Evaluator::new(policies, snapshot, self.now, run.params.clone()))
    }
}

/// Evaluates all selected rules.
///
/// # Errors
/// Every [`ParamError::Unset`] of the rules that would run; nothing is evaluated then.
pub fn scan(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Result<Scan, Vec<ParamError>> {
    let runs = rule_runs(policies, options)?;
    let mut scan = Scan { now: options.now, runs, findings: Vec::new(), waivers: Vec::new() };
    for at in 0..scan.runs.len() {
        let Some(evaluator) = scan.evaluator(policies, snapshot, at) else { continue };
        let findings = Runner { evaluator: &evaluator, run: at }.rule(&mut scan, options.subject);
        scan.findings.extend(findings);
    }
    apply_waivers(policies, snapshot, options, &mut scan);
    Ok(scan)
}

/// Runs the same rules with the same parameters at the same instant over another snapshot, without waivers.
#[must_use]
pub fn scan_again(policies: &Policies, snapshot: &Snapshot, before: &Scan) -> Scan {
    let runs = before.runs.iter().map(|run| RuleRun { n_subjects: 0, n_assessed: 0, ..run.clone() }).collect();
    let mut scan = Scan { now: before.now, runs, findings: Vec::new(), waivers: Vec::new() };
    for at in 0..scan.runs.len() {
        let Some(evaluator) = scan.evaluator(policies, snapshot, at) else { continue };
        let findings = Runner { evaluator: &evaluator, run: at }.rule(&mut scan, None);
        scan.findings.extend(findings);
    }
    scan
}

/// Lists what runs: the rules of the packs in force, and those that are in no pack at all.
pub(super) fn rule_runs(policies: &Policies, options: &Options<'_>) -> Result<Vec<RuleRun>, Vec<ParamError>> {
    let mut runs = Vec::new();
    let mut errors = Vec::new();
    let mut add = |pack: Option<usize>, id: RuleId, blocking: bool, params: BTreeMap<ParamId, Val>| {
        let Some(rule) = policies.rules.get(id.0 as usize).filter(|rule| (options.select)(rule)) else { return };
        let params = parameter_values(policies, &params);
        if let Some(param) = unset_parameter(policies, rule, &params) {
            let name = policies.params.get(param.0 as usize).map_or_else(String::new, |param| param.name.clone());
            errors.push(ParamError::Unset { rule: rule.id.clone(), name });
        }
        runs.push(RuleRun { pack, rule: id, blocking, params, n_subjects: 0, n_assessed: 0 });
    };
    let names = options.packs.unwrap_or(&[]);
    let in_force = || policies.packs.iter().enumerate().filter(|(_, pack)| names.contains(&pack.name));
    let own = parameter_values(policies, options.params);
    for (at, pack) in in_force() {
        for used in &pack.uses {
            let mut params = options.params.clone();
            params.extend(used.params.iter().map(|(id, value)| (*id, constant(policies, &own, value))));
            add(Some(at), used.rule, used.blocking, params);
        }
    }
    let somewhere = |id: RuleId| policies.packs.iter().any(|pack| pack.uses.iter().any(|used| used.rule == id));
    for (at, rule) in (0_u32..).zip(&policies.rules) {
        // Without packs in force every rule runs once; with them, what is in no pack still does.
        if options.packs.is_none() || !somewhere(RuleId(at)) {
            add(None, RuleId(at), rule.severity != RuleSeverity::Advice, options.params.clone());
        }
    }
    if !errors.is_empty() {
        errors.dedup();
        return Err(errors);
    }
    runs.sort_by_key(|run| (run.rule, run.pack));
    Ok(runs)
}

fn constant(policies: &Policies, params: &[Val], value: &crate::check::Expr) -> Val {
    let empty = Snapshot::freeze(std::sync::Arc::clone(&policies.schema), crate::snapshot::Records::default());
    Evaluator::new(policies, &empty, Timestamp::UNIX_EPOCH, params.to_vec()).value(value, &mut Vec::new())
}

pub(super) struct Runner<'a> {
    pub(super) evaluator: &'a Evaluator<'a>,
    pub(super) run: usize,
}

impl Runner<'_> {
    fn rule(&self, scan: &mut Scan, only: Option<EntityId>) -> Vec<Finding> {
        let Some(run) = scan.runs.get_mut(self.run) else { return Vec::new() };
        let Some(rule) = self.evaluator.policies.rules.get(run.rule.0 as usize) else { return Vec::new() };
        let extent = self.evaluator.extent(rule.entity);
        let mut findings = Vec::new();
        for member in &extent.members {
            let Value::Entity(id) = member.value else { continue };
            if only.is_some_and(|wanted| wanted != id) {
                continue;
            }
            run.n_subjects += 1;
            let before = findings.len();
            self.subject(rule, id, member.sure, &mut findings);
            let speaks = findings.iter().skip(before).any(|finding| finding.verdict != Verdict::NotApplicable);
            run.n_assessed += usize::from(speaks);
        }
        // Several kinds of unseen subjects give one verdict.
        let found = extent.unseen.iter().filter(|_| only.is_none()).find_map(|unseen| self.unseen(rule, unseen));
        run.n_assessed += usize::from(found.is_some());
        findings.extend(found);
        findings
    }

    /// Decides one rule for one subject.
    pub(super) fn subject(&self, rule: &Rule, id: EntityId, sure: bool, findings: &mut Vec<Finding>) {
        self.evaluator.begin();
        let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
        if let Some(slot) = frame.get_mut(rule.subject.0 as usize) {
            *slot = Val::Known(Value::Entity(id));
        }
        let applies = rule.filter.as_ref().map_or(Truth::True, |filter| self.evaluator.truth(filter, &mut frame));
        let applies = if sure { applies } else { applies.min(Truth::Unknown) };
        let whole = |verdict| self.finding(None, Some(id), verdict, None);
        match applies {
            Truth::False => findings.push(whole(Verdict::NotApplicable)),
            Truth::Unknown => findings.push(whole(Verdict::Unknown)),
            Truth::True => {
                self.bind_lets(rule, &mut frame);
                let due = rule.due.as_ref().map(|due| self.evaluator.value(due, &mut frame));
                let shared = self.evaluator.attested();
                for (at, requirement) in rule.requirements.iter().enumerate() {
                    self.evaluator.begin();
                    let holds = self.evaluator.truth(&requirement.condition, &mut frame);
                    let (verdict, due) = self.timed(holds, due.as_ref());
                    let mut finding = self.finding(Some(at), Some(id), verdict, due);
                    finding.attested.extend(shared.iter().copied());
                    finding.attested.sort();
                    finding.attested.dedup();
                    findings.push(finding);
                }
            }
        }
    }

    fn bind_lets(&self, rule: &Rule, frame: &mut Frame) {
        for (var, value) in &rule.lets {
            let value = self.evaluator.value(value, frame);
            if let Some(slot) = frame.get_mut(var.0 as usize) {
                *slot = value;
            }
        }
    }

    /// What holds passes; what does not is pending until it is due; an unknown date leaves it unknown.
    fn timed(&self, holds: Truth, due: Option<&Val>) -> (Verdict, Option<Timestamp>) {
        let date = match due {
            Some(Val::Known(Value::Instant(at))) => Some(*at),
            _ => None,
        };
        let verdict = match (holds, due, date) {
            (Truth::True, _, _) => Verdict::Pass,
            (Truth::Unknown, _, _) => Verdict::Unknown,
            (Truth::False, None, _) => Verdict::Fail,
            (Truth::False, Some(_), None) => Verdict::Unknown,
            (Truth::False, Some(_), Some(date)) if self.evaluator.now < date => Verdict::Pending,
            (Truth::False, Some(_), Some(_)) => Verdict::Fail,
        };
        (verdict, date)
    }

    /// Subjects that nobody has seen: unknown, unless the rule cannot speak about them or must hold for them.
    pub(super) fn unseen(&self, rule: &Rule, unseen: &Unseen) -> Option<Finding> {
        self.evaluator.begin();
        let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
        if let Some(slot) = frame.get_mut(rule.subject.0 as usize) {
            *slot = Val::Unseen(unseen.clone());
        }
        let applies = rule.filter.as_ref().map_or(Truth::True, |filter| self.evaluator.truth(filter, &mut frame));
        if applies == Truth::False {
            return None;
        }
        self.bind_lets(rule, &mut frame);
        let holds = rule.requirements.iter().all(|requirement| self.evaluator.truth(&requirement.condition, &mut frame) == Truth::True);
        (!holds).then(|| self.finding(None, None, Verdict::Unknown, None))
    }

    fn finding(&self, requirement: Option<usize>, subject: Option<EntityId>, verdict: Verdict, due: Option<Timestamp>) -> Finding {
        let exhausted = self.evaluator.exhausted();
        Finding {
            run: self.run,
            requirement,
            subject,
            verdict: if exhausted { Verdict::Unknown } else { verdict },
            due,
            waiver: None,
            attested: self.evaluator.attested().into_iter().collect(),
            exhausted,
        }
    }
}

/// Fills in which attested sources findings of one run rest on, by evaluating their subjects again.
pub(super) fn attested_of(policies: &Policies, snapshot: &Snapshot, scan: &Scan, at: usize, mut findings: Vec<Finding>) -> Vec<Finding> {
    let (Some(evaluator), Some(run)) = (scan.evaluator(policies, snapshot, at), scan.runs.get(at)) else { return findings };
    let Some(rule) = policies.rules.get(run.rule.0 as usize) else { return findings };
    let runner = Runner { evaluator: &evaluator, run: at };
    let extent = evaluator.extent(rule.entity);
    let sure: BTreeMap<EntityId, bool> = extent.members.iter().filter_map(|member| Some((member.value.entity()?, member.sure))).collect();
    let mut again: Vec<Finding> = Vec::new();
    for finding in &mut findings {
        let Some(subject) = finding.subject else {
            if let Some(known) = extent.unseen.iter().find_map(|unseen| runner.unseen(rule, unseen)) {
                finding.attested = known.attested;
            }
            continue;
        };
        if again.first().is_none_or(|known| known.subject != Some(subject)) {
            again.clear();
            runner.subject(rule, subject, sure.get(&subject).copied().unwrap_or(false), &mut again);
        }
        if let Some(known) = again.iter().find(|known| known.requirement == finding.requirement) {
            finding.attested.clone_from(&known.attested);
        }
    }
    findings
}

/// Lays waivers over the fails of a scan.
fn apply_waivers(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>, scan: &mut Scan) {
    let mut covered = Vec::new();
    let uses = waiver_uses(policies, snapshot, options, scan, &mut |run, place, waiver| covered.push((run, place, waiver)));
    for (run, place, waiver) in covered {
        let finding = scan.findings.iter_mut().filter(|finding| finding.run == run).nth(place);
        if let Some(finding) = finding.filter(|finding| finding.waiver.is_none()) {
            finding.waiver = Some(waiver);
        }
    }
    scan.waivers = uses;
}

/// Tells what becomes of each waiver. One whose condition is unknown for a subject does not apply to it. `cover` is told each
/// fail that is covered: its run, its place among the findings of the run, and the waiver.
pub(super) fn waiver_uses(
    policies: &Policies,
    snapshot: &Snapshot,
    options: &Options<'_>,
    verdicts: &dyn Verdicts,
    cover: &mut dyn FnMut(usize, usize, usize),
) -> Vec<WaiverUse> {
    let scan = verdicts.scan();
    let mut uses = Vec::new();
    for (at, waiver) in policies.waivers.iter().enumerate() {
        let state = waiver_state(policies, waiver, options.now);
        let mut used = WaiverUse { waiver: at, state, fails: 0, subjects: 0, first: Vec::new() };
        let runs: Vec<usize> = scan.runs.iter().enumerate().filter(|(_, run)| run.rule == waiver.rule).map(|(at, _)| at).collect();
        for run in runs {
            let Some(evaluator) = scan.evaluator(policies, snapshot, run) else { continue };
            let selects = |id: EntityId| {
                let mut frame: Frame = vec![Val::Unknown; (waiver.n_slots as usize).max(1)];
                if let Some(slot) = frame.first_mut() {
                    *slot = Val::Known(Value::Entity(id));
                }
                evaluator.begin();
                waiver.filter.as_ref().is_none_or(|filter| evaluator.truth(filter, &mut frame) == Truth::True)
            };
            let mut last = None;
            for (place, finding) in verdicts.of_run(run).enumerate() {
                let Some(subject) = finding.subject else { continue };
                let selected = match last {
                    Some((known, selected)) if known == subject => selected,
                    _ => {
                        let selected = selects(subject);
                        used.subjects += usize::from(selected);
                        last = Some((subject, selected));
                        selected
                    }
                };
                let about = waiver.requirement.is_none_or(|wanted| finding.requirement == Some(wanted));
                if selected && about && finding.verdict == Verdict::Fail {
                    used.fails += 1;
                    if used.first.len() < NAMED_MAX {
                        used.first.push((run, subject, finding.requirement));
                    }
                    if options.waivers && state.covers() {
                        cover(run, place, at);
                    }
                }
            }
        }
        uses.push(used);
    }
    uses
}

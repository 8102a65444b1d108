//! A scan whose verdicts stay columns, a byte each: findings are made one by one when they are asked for.

use std::collections::BTreeMap;

use super::super::run::{Finding, Options, Scan, attested_of, waiver_uses};
use super::super::verdicts::{Tally, Verdicts};
use super::EngineError;
use super::decide::{Decided, Decision, Plan, attested_properties, decide, reads_any};
use crate::check::Policies;
use crate::model::{EntityId, SourceId, Verdict};
use crate::snapshot::Snapshot;

/// A finding by its run and its place among the findings of the run.
type Place = (usize, usize);

/// What was decided, with what only few findings have: waivers, and attestations they rest on.
#[derive(Debug, Clone)]
pub struct Judged {
    /// When, what ran, and what became of waivers; without findings.
    head: Scan,
    /// One for each run.
    decisions: Vec<Decision>,
    waived: BTreeMap<Place, usize>,
    attested: BTreeMap<Place, Vec<SourceId>>,
}

/// Evaluates all selected rules, with the same outcome as the reference evaluator.
///
/// # Errors
/// [`EngineError`].
pub fn judge(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Result<Judged, EngineError> {
    judge_by(&Plan::new(policies, options)?, policies, snapshot, options)
}

/// Evaluates the rules of a plan, which was made with the same options.
///
/// # Errors
/// [`EngineError`].
pub fn judge_by(plan: &Plan, policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Result<Judged, EngineError> {
    let decided = decide(plan, policies, snapshot, options, false)?;
    Ok(Judged::new(plan, policies, snapshot, options, decided))
}

impl Judged {
    /// Adds to what was decided the attestations it rests on, and waivers.
    #[must_use]
    pub fn new(plan: &Plan, policies: &Policies, snapshot: &Snapshot, options: &Options<'_>, decided: Decided) -> Self {
        let mut runs = Vec::with_capacity(plan.runs.len());
        for ((run, _), decision) in plan.runs.iter().zip(&decided.decisions) {
            let n_assessed = decision.applies.iter().filter(|applies| **applies != Verdict::NotApplicable).count();
            let mut run = run.clone();
            run.n_subjects = decision.subjects.len();
            run.n_assessed = n_assessed + usize::from(decision.unseen);
            runs.push(run);
        }
        let head = Scan { now: options.now, runs, findings: Vec::new(), waivers: Vec::new() };
        let mut judged = Self { head, decisions: decided.decisions, waived: BTreeMap::new(), attested: BTreeMap::new() };
        let attested = attested_properties(snapshot.columns());
        for (at, read) in plan.footprints.iter().enumerate() {
            if reads_any(read, &attested) {
                let findings = attested_of(policies, snapshot, &judged.head, at, judged.of_run(at).collect());
                let resting = findings.into_iter().enumerate().filter(|(_, finding)| !finding.attested.is_empty());
                judged.attested.extend(resting.map(|(place, finding)| ((at, place), finding.attested)));
            }
        }
        let mut waived = BTreeMap::new();
        judged.head.waivers = waiver_uses(policies, snapshot, options, &judged, &mut |run, place, waiver| {
            // The first waiver counts.
            waived.entry((run, place)).or_insert(waiver);
        });
        judged.waived = waived;
        judged
    }

    /// Makes all findings.
    #[must_use]
    pub fn to_scan(&self) -> Scan {
        let findings = (0..self.decisions.len()).flat_map(|run| self.of_run(run)).collect();
        Scan { findings, ..self.head.clone() }
    }
}

impl Verdicts for Judged {
    fn scan(&self) -> &Scan {
        &self.head
    }

    fn of_run(&self, run: usize) -> Box<dyn Iterator<Item = Finding> + '_> {
        let Some(decision) = self.decisions.get(run) else { return Box::new(std::iter::empty()) };
        let subjects = (0..decision.applies.len()).flat_map(move |at| of_subject(run, decision, at));
        let unseen = decision.unseen.then(|| finding(run, None, None, Verdict::Unknown));
        let (mut waived, mut attested) = (Few::of(&self.waived, run), Few::of(&self.attested, run));
        Box::new(subjects.chain(unseen).enumerate().map(move |(place, mut finding)| {
            finding.waiver = waived.take(place).copied();
            finding.attested = attested.take(place).cloned().unwrap_or_default();
            finding
        }))
    }

    fn tally(&self, run: usize) -> Tally {
        let mut tally = Tally::default();
        let Some(decision) = self.decisions.get(run) else { return tally };
        for verdict in [Verdict::NotApplicable, Verdict::Unknown] {
            tally.add(verdict, count(&decision.applies, verdict));
        }
        for verdicts in &decision.verdicts {
            for verdict in [Verdict::Fail, Verdict::Unknown, Verdict::Pending, Verdict::Pass] {
                tally.add(verdict, count(verdicts, verdict));
            }
        }
        tally.add(Verdict::Unknown, usize::from(decision.unseen));
        tally.waived = self.waived.range((run, 0)..(run + 1, 0)).count();
        tally.fail = tally.fail.saturating_sub(tally.waived);
        tally.attested = self.attested.range((run, 0)..(run + 1, 0)).count();
        tally
    }
}

/// Where a rule does not speak about a subject, each of its requirements has the verdict that it is not applicable.
fn count(verdicts: &[Verdict], wanted: Verdict) -> usize {
    verdicts.iter().filter(|verdict| **verdict == wanted).count()
}

fn of_subject(run: usize, decision: &Decision, at: usize) -> impl Iterator<Item = Finding> {
    let subject = decision.subjects.get(at).map(EntityId);
    let applies = decision.applies.get(at).copied().unwrap_or(Verdict::Unknown);
    let whole = (applies != Verdict::Pass).then(|| finding(run, None, subject, applies));
    let requirements = if applies == Verdict::Pass { decision.verdicts.len() } else { 0 };
    let due = decision.due.as_ref().and_then(|due| due.get(at).copied().flatten());
    whole.into_iter().chain((0..requirements).map(move |requirement| {
        let verdict = decision.verdicts.get(requirement).and_then(|verdicts| verdicts.get(at)).copied().unwrap_or(Verdict::Unknown);
        Finding { due, ..finding(run, Some(requirement), subject, verdict) }
    }))
}

fn finding(run: usize, requirement: Option<usize>, subject: Option<EntityId>, verdict: Verdict) -> Finding {
    Finding { run, requirement, subject, verdict, due: None, waiver: None, attested: Vec::new(), exhausted: false }
}

/// What few findings of a run have, in the order of findings.
struct Few<'m, T> {
    rest: std::iter::Peekable<std::collections::btree_map::Range<'m, Place, T>>,
}

impl<'m, T> Few<'m, T> {
    fn of(all: &'m BTreeMap<Place, T>, run: usize) -> Self {
        Self { rest: all.range((run, 0)..(run + 1, 0)).peekable() }
    }

    /// Returns what the finding at a place has; places only ascend.
    fn take(&mut self, place: usize) -> Option<&'m T> {
        self.rest.next_if(|((_, at), _)| *at == place).map(|(_, found)| found)
    }
}

//! What the fixes of a finding would do, and whether they may be shown.

use super::obligations::Case;
use super::problem::Problem;
use super::trial::{Act, Trial};
use crate::check::Policies;
use crate::evaluate::{Rejudged, Scan, Watch, verdict_of};
use crate::model::{EntityId, Verdict};
use crate::snapshot::{Overlay, Snapshot};

/// What the fixes of a finding would do.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Names of the fixes that apply.
    pub fixes: Vec<String>,
    /// What they do, in order.
    pub acts: Vec<Act>,
    /// Why the proposal may not be shown as a fix; empty if all obligations hold.
    pub problems: Vec<Problem>,
    /// The world afterwards. Entities keep their ids.
    pub after: Snapshot,
}

/// A proposal with what is needed to go on from it.
pub(super) struct Proposed {
    pub(super) fixes: Vec<String>,
    pub(super) acts: Vec<Act>,
    pub(super) problems: Vec<Problem>,
    pub(super) world: Overlay,
    pub(super) rejudged: Rejudged,
}

/// Tries all fixes that apply to the failing requirements of one rule and subject; nothing if none does.
///
/// `before` is a scan of `snapshot`; every rule that it ran must not come out worse.
#[must_use]
pub fn propose(policies: &Policies, snapshot: &Snapshot, before: &Scan, run: usize, subject: EntityId) -> Option<Proposal> {
    let world = Overlay::new(snapshot);
    let watch = Watch::new(policies, snapshot, before);
    let proposed = propose_on(policies, before, &watch, &world, (run, subject), None)?;
    let Proposed { fixes, acts, problems, world, .. } = proposed;
    Some(Proposal { fixes, acts, problems, after: world.snapshot() })
}

/// The requirements of a subject that fail, waived ones left out.
pub(super) fn failing(scan: &Scan, watch: &Watch, run: usize, subject: EntityId) -> Vec<usize> {
    let judged = watch.table().get(&(run, Some(subject))).map(Vec::as_slice);
    // Findings are sorted by run.
    let first = scan.findings.partition_point(|finding| finding.run < run);
    let waived = |at: usize| {
        let mut own = scan.findings.iter().skip(first).take_while(|finding| finding.run == run);
        own.any(|finding| finding.subject == Some(subject) && finding.requirement == Some(at) && finding.waiver.is_some())
    };
    let places = judged.into_iter().flatten().filter_map(|(at, _)| *at);
    places.filter(|at| verdict_of(judged, *at) == Verdict::Fail && !waived(*at)).collect()
}

pub(super) fn propose_on(
    policies: &Policies,
    scan: &Scan,
    watch: &Watch,
    world: &Overlay,
    (run, subject): (usize, EntityId),
    principal: Option<&str>,
) -> Option<Proposed> {
    let rule = policies.rules.get(scan.runs.get(run)?.rule.0 as usize)?;
    let failing = failing(scan, watch, run, subject);
    let mut trial = Trial { principal, ..Trial::new(policies, scan, run, world) };
    let (fixes, repaired) = trial.fixes(rule, subject, &failing);
    if trial.acts.is_empty() && trial.problems.is_empty() {
        return None;
    }
    let case = Case { rule, subject, failing: &failing, repaired: &repaired };
    let rejudged = if trial.acts.is_empty() { Rejudged::default() } else { trial.check(watch, world, case, true) };
    let Trial { world, acts, problems, .. } = trial;
    Some(Proposed { fixes, acts, problems, world, rejudged })
}

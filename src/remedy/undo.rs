//! The way back: a plan made of what a journal recorded.
//!
//! In: the state of a plan, from its journal. Out: a plan like any other, to be approved and applied. Invariants: only steps
//! that were verified are undone; what cannot be undone is named; a step is undone before those it depended on, and what adds
//! comes before what takes away.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::expect::complete_path;
use super::journal::{Attempt, Progress, State};
use super::plan::{Expectation, Method, NotPlanned, Op, Operation, Plan, Step, Summary, Undo, Why};

/// What a plan of the way back is made with.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    /// The instant.
    pub now: Timestamp,
    /// Who makes it.
    pub planner: &'a str,
    /// Digest of the policies at hand.
    pub policies: &'a str,
    /// Version of the program.
    pub tool: &'a str,
}

/// Makes the plan that undoes what was done.
#[must_use]
pub fn undo_plan(progress: &Progress, back: &Back<'_>) -> Plan {
    let plan = &progress.opened.plan;
    let mut steps: Vec<Step> = Vec::new();
    let mut not_planned = Vec::new();
    for step in ordered(plan, progress) {
        match way_back(step, &progress.state(&step.id)) {
            Ok(operation) => steps.push(undone(step, operation)),
            Err(reason) => {
                let reasons = vec![format!("step {} ({}) is not undone: {reason}", step.id, step.title)];
                not_planned.push(NotPlanned { why: why_of(step), reasons });
            }
        }
    }
    connect(plan, &mut steps);
    Plan {
        id: String::new(),
        created: back.now,
        expires: back.now.checked_add(plan.created.duration_until(plan.expires)).unwrap_or(Timestamp::MAX),
        tool: back.tool.to_owned(),
        digests: super::plan::Digests { policies: back.policies.to_owned(), ..plan.digests.clone() },
        planner: back.planner.to_owned(),
        summary: summary_back(plan, progress),
        steps,
        manual: Vec::new(),
        not_planned,
        ..plan.clone()
    }
}

/// The finding a step was for; a step that names none is named itself, so that it is not left out.
fn why_of(step: &Step) -> Why {
    let itself = || Why { rule: step.action.clone(), requirement: step.id.clone(), subject: step.target.clone(), text: step.title.clone() };
    step.why.first().cloned().unwrap_or_else(itself)
}

/// The verdicts of the plan the other way round, where all of it was done and all of it is undone; otherwise nobody has counted them.
fn summary_back(plan: &Plan, progress: &Progress) -> Summary {
    let done = |step: &Step| matches!(progress.state(&step.id), State::Verified(attempt) if matches!(attempt.undo, Undo::By(_)));
    if !plan.manual.is_empty() || !plan.steps.iter().all(done) {
        return Summary::default();
    }
    Summary { before: plan.summary.after.clone(), after: plan.summary.before.clone() }
}

/// The steps that were begun, in the order in which they are undone: those nothing depends on any more, adding ones first,
/// then the later before the earlier.
fn ordered<'a>(plan: &'a Plan, progress: &Progress) -> Vec<&'a Step> {
    let begun = |step: &Step| progress.state(&step.id) != State::NotBegun;
    let mut left: BTreeMap<usize, &Step> = plan.steps.iter().enumerate().filter(|(_, step)| begun(step)).collect();
    // How many steps that are still to be undone depend on each.
    let mut dependants: BTreeMap<&str, usize> = BTreeMap::new();
    for id in left.values().flat_map(|step| &step.depends_on) {
        *dependants.entry(id).or_insert(0) += 1;
    }
    let rank = |at: usize, step: &Step| {
        // Undoing what took away adds.
        let phase = match step.op {
            Op::Remove => 0,
            Op::Change => 1,
            Op::Add => 2,
        };
        (phase, usize::MAX - at)
    };
    let mut ready: BTreeSet<((u8, usize), usize)> = BTreeSet::new();
    for (at, step) in &left {
        if dependants.get(step.id.as_str()).is_none_or(|n| *n == 0) {
            ready.insert((rank(*at, step), *at));
        }
    }
    let by_id: BTreeMap<&str, usize> = plan.steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
    let mut order = Vec::new();
    while let Some((_, at)) = ready.pop_first() {
        let Some(step) = left.remove(&at) else { continue };
        order.push(step);
        for id in &step.depends_on {
            let Some(n) = dependants.get_mut(id.as_str()) else { continue };
            *n -= 1;
            if let Some((at, step)) = by_id.get(id.as_str()).and_then(|at| Some((*at, *left.get(at)?))).filter(|_| *n == 0) {
                ready.insert((rank(at, step), at));
            }
        }
    }
    order
}

/// Returns how a step is undone, completed by what is known since, or why it is not.
fn way_back(step: &Step, state: &State) -> Result<Operation, String> {
    match state {
        State::Verified(attempt) => completed(attempt),
        State::Skipped(message) => Err(format!("it changed nothing: {message}")),
        State::Accepted(_) => Err("it was not verified; resume the plan first".to_owned()),
        State::Unknown(_) => Err("its outcome is not known; resume the plan first".to_owned()),
        State::NotBegun => Err(format!("step {} was not done", step.id)),
    }
}

fn completed(attempt: &Attempt) -> Result<Operation, String> {
    let operation = match &attempt.undo {
        Undo::By(operation) => operation,
        Undo::Irreversible(reason) => return Err(reason.clone()),
    };
    let path = |path: &str| {
        complete_path(path, &attempt.answered)
            .ok_or_else(|| format!("the answer that names `{path}` was lost; find it and undo it by hand"))
    };
    let expectations = |list: &[Expectation]| -> Result<Vec<Expectation>, String> {
        list.iter()
            .map(|expectation| {
                let mut expectation = expectation.clone();
                expectation.read.path = path(&expectation.read.path)?;
                Ok(expectation)
            })
            .collect()
    };
    let mut done = (**operation).clone();
    done.request.path = path(&done.request.path)?;
    done.before = expectations(&done.before)?;
    done.after = expectations(&done.after)?;
    if let Some(body) = &mut done.request.body {
        complete_body(body, attempt.removed.as_ref().unwrap_or(&Json::Null));
        if done.request.method == Method::Put {
            drop_nulls(body);
        }
    }
    Ok(done)
}

/// Takes members that are `null` from the same place of what was found; they stay `null` if there is nothing.
pub(super) fn complete_body(body: &mut Json, found: &Json) {
    let Json::Object(members) = body else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let there = found.get(&name).filter(|value| !value.is_null());
        match (members.get_mut(&name), there) {
            (Some(member @ Json::Null), Some(value)) => *member = value.clone(),
            (Some(inner), Some(value)) => complete_body(inner, value),
            _ => {}
        }
    }
}

/// Takes out members that are `null`: a PUT says nothing of what is not there, and no official description of a service lets it say
/// null.
pub(crate) fn drop_nulls(body: &mut Json) {
    match body {
        Json::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn undone(step: &Step, operation: Operation) -> Step {
    let op = match step.op {
        Op::Add => Op::Remove,
        Op::Change => Op::Change,
        Op::Remove => Op::Add,
    };
    // What the step did undoes its undoing, unless only an answer told where it stands.
    let completed = complete_path(&step.operation.request.path, &BTreeMap::new()).is_some();
    let undo = if completed {
        Undo::By(Box::new(step.operation.clone()))
    } else {
        Undo::Irreversible("the place is only known from an answer".to_owned())
    };
    Step { op, title: format!("undo: {}", step.title), operation, undo, ..step.clone() }
}

/// Turns dependencies round: what depended on a step is undone before it.
fn connect(plan: &Plan, steps: &mut [Step]) {
    let ids: BTreeSet<String> = steps.iter().map(|step| step.id.clone()).collect();
    for step in steps.iter_mut() {
        let dependants = plan.steps.iter().filter(|other| other.depends_on.contains(&step.id) && ids.contains(&other.id));
        step.depends_on = dependants.map(|other| other.id.clone()).collect();
    }
}

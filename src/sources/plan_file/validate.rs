//! What a plan must hold before anything is done with it, besides its shape.

use std::collections::BTreeSet;

use crate::remedy::plan::{Expectation, Found, Operation, Plan, Step, Undo};

/// The most steps, manual steps and findings without a plan that one plan may have, each.
const STEPS_MAX: usize = 10_000;
/// The longest wait for replication, in seconds; Lighthouse needs 15 minutes, role assignments up to 30.
const WINDOW_SECONDS_MAX: u32 = 3_600;
/// The most expectations of one step.
const EXPECTATIONS_MAX: usize = 1_000;

/// Checks a plan; the error says where it stands in the file.
pub(super) fn validate(plan: &Plan) -> Result<(), String> {
    for (name, n) in [("steps", plan.steps.len()), ("manual", plan.manual.len()), ("not_planned", plan.not_planned.len())] {
        if n > STEPS_MAX {
            return Err(format!("`{name}` has {n} entries, and the limit is {STEPS_MAX}"));
        }
    }
    if plan.expires <= plan.created {
        return Err("`expires` does not lie after `created`".to_owned());
    }
    digests(plan)?;
    let mut earlier = BTreeSet::new();
    for (at, step) in plan.steps.iter().enumerate() {
        check_step(step, &earlier).map_err(|message| format!("/steps/{at} (`{}`): {message}", step.id))?;
        earlier.insert(step.id.as_str());
    }
    for (at, step) in plan.manual.iter().enumerate() {
        if step.id.is_empty() || !earlier.insert(&step.id) {
            return Err(format!("/manual/{at}: the id `{}` is empty or used twice", step.id));
        }
    }
    Ok(())
}

fn digests(plan: &Plan) -> Result<(), String> {
    let digests = &plan.digests;
    let named = [
        ("digests/result", &digests.result),
        ("digests/snapshot", &digests.snapshot),
        ("digests/policies", &digests.policies),
        ("digests/waivers", &digests.waivers),
        ("digests/parameters", &digests.parameters),
        ("approvals/allowed_signers", &plan.approvals.allowed_signers),
    ];
    for (name, digest) in named {
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        // What was not used has no digest; without one no policies are vouched for, and apply refuses.
        if !is_digest && !digest.is_empty() {
            return Err(format!("`/{name}` is not a sha256 in lower-case hexadecimal"));
        }
    }
    Ok(())
}

fn check_step(step: &Step, earlier: &BTreeSet<&str>) -> Result<(), String> {
    if step.id.is_empty() || earlier.contains(step.id.as_str()) {
        return Err("its id is empty or used twice".to_owned());
    }
    if let Some(missing) = step.depends_on.iter().find(|id| !earlier.contains(id.as_str())) {
        return Err(format!("it depends on `{missing}`, which does not stand before it"));
    }
    if step.why.is_empty() {
        return Err("it does not say which finding it mends".to_owned());
    }
    operation(&step.operation)?;
    match &step.undo {
        Undo::By(undo) => operation(undo).map_err(|message| format!("its undo: {message}")),
        Undo::Irreversible(_) => Ok(()),
    }
}

fn operation(operation: &Operation) -> Result<(), String> {
    path(&operation.request.path)?;
    if operation.window_seconds > WINDOW_SECONDS_MAX {
        return Err(format!("a window of {} seconds, and the limit is {WINDOW_SECONDS_MAX}", operation.window_seconds));
    }
    for (name, list) in [("before", &operation.before), ("after", &operation.after)] {
        if list.is_empty() {
            return Err(format!("`{name}` is empty: nothing would be read"));
        }
        if list.len() > EXPECTATIONS_MAX {
            return Err(format!("`{name}` has {} entries, and the limit is {EXPECTATIONS_MAX}", list.len()));
        }
        list.iter().try_for_each(expectation)?;
    }
    Ok(())
}

fn expectation(expectation: &Expectation) -> Result<(), String> {
    path(&expectation.read.path)?;
    let (Found::Present(fields) | Found::Some(fields) | Found::Nothing(fields)) = &expectation.found else { return Ok(()) };
    match fields.keys().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        Some(pointer) => Err(format!("`{pointer}` is not a JSON pointer")),
        None => Ok(()),
    }
}

/// A path names a place on the host it is sent to, and nothing else.
fn path(path: &str) -> Result<(), String> {
    let odd = |c: char| c.is_control() || matches!(c, '?' | '#' | '\\');
    let fine = path.starts_with('/') && !path.contains(odd) && !path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
    if fine { Ok(()) } else { Err(format!("`{path}` is not the path of a request")) }
}

//! Plans, approvals and journals, for people and as JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{Global, Show};
use super::{Exit, approvals, output, repo, undo};
use crate::remedy::approval::{Approval, judge};
use crate::remedy::journal::{Entry, Kind, State};
use crate::remedy::plan::Plan;
use crate::report::{plain, plain_json, render_plan};
use crate::sources::journal_file::read_journal;

/// Shows a plan and the approvals beside it.
pub(super) fn plan(global: &Global, args: &Show) -> anyhow::Result<Exit> {
    let file = approvals::plan(&args.file)?;
    let repo = repo::open(global)?;
    let (signers, digest) = approvals::allowed_signers(&repo, None)?;
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let found = approvals::look(&args.file, &file, &signers, now)?;
    let judged = judge(&file.plan, &digest, &found);
    if args.json {
        let approvals: Vec<Value> = found.iter().map(approval_json).collect();
        let plan: Value = serde_json::from_slice(&file.bytes)?;
        let document = json!({
            "format": "tenet.show/v1", "digest": file.digest, "approved": judged.is_ok(), "approvals": approvals, "plan": plan,
        });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let mut text = plan_text(&file.plan);
    let _ = writeln!(text, "\ndigest {}", file.digest);
    match judged {
        Ok(names) if names.is_empty() => text += "it needs no approval\n",
        Ok(names) => text += &format!("approved by {}\n", plain(&names.join(", "))),
        Err(error) => text += &format!("not approved: {}\n", plain(&error.to_string())),
    }
    output::print(&text)?;
    Ok(Exit::Ok)
}

fn plan_text(plan: &Plan) -> String {
    let mut text = format!("plan {} for tenant {}, made by {}\n", plan.id, plain(&plan.tenant), plain(&plan.planner));
    let _ = writeln!(text, "from {} until {}\n", plan.created, plan.expires);
    text + &render_plan(plan)
}

/// Returns the plan that an approval lies beside, by the name of its file: `PLAN.sig` or `PLAN.sig.N`.
pub(super) fn approved_plan(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (plan, number) = name.rsplit_once(".sig")?;
    let is_number = number.is_empty() || number.strip_prefix('.').is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()));
    (is_number && !plan.is_empty()).then(|| path.with_file_name(plan))
}

/// Shows an approval: of which plan, by whom, or why it does not count.
pub(super) fn approval(global: &Global, args: &Show, plan: &Path) -> anyhow::Result<Exit> {
    let file = approvals::plan(plan)?;
    let repo = repo::open(global)?;
    let (signers, _) = approvals::allowed_signers(&repo, None)?;
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let approval = approvals::judged(args.file.clone(), &file, &signers, now);
    if args.json {
        let document =
            json!({ "format": "tenet.show/v1", "plan": file.plan.id, "digest": file.digest, "approval": approval_json(&approval) });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let by = match &approval.signer {
        Ok(signer) => format!("by {} with the key {}", signer.name, signer.key),
        Err(reason) => format!("does not count: {reason}"),
    };
    output::print(&format!("approval of the plan {}\nplan digest {}\n{}\n", file.plan.id, file.digest, plain(&by)))?;
    Ok(Exit::Ok)
}

fn approval_json(approval: &Approval) -> Value {
    match &approval.signer {
        Ok(signer) => json!({ "file": approval.file, "name": signer.name, "key": signer.key }),
        Err(reason) => json!({ "file": approval.file, "does_not_count": reason }),
    }
}

/// Shows a journal.
pub(super) fn journal(args: &Show) -> anyhow::Result<Exit> {
    let read = read_journal(&args.file).map_err(|error| undo::refusal(&error))?;
    let states: Vec<(&String, &'static str)> = read.progress.steps.iter().map(|(id, state)| (id, state_name(state))).collect();
    if args.json {
        let lines = std::fs::read_to_string(&args.file)?;
        let lines: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let states: std::collections::BTreeMap<_, _> = states.into_iter().collect();
        let document = json!({
            "format": "tenet.show/v1", "journal": lines, "steps": states, "closed": read.progress.closed, "torn_bytes": read.torn_bytes,
        });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let opened = &read.progress.opened;
    let mut text = format!("journal of the plan {} for tenant {}\n", opened.plan.id, plain(&opened.plan.tenant));
    let _ = writeln!(text, "plan digest {}\n", opened.digest);
    for entry in &read.entries {
        let _ = writeln!(text, "{} {:<6} {}", entry.at, plain(entry.step.as_deref().unwrap_or("")), plain(&entry_text(entry)));
    }
    if read.torn_bytes > 0 {
        let _ = writeln!(text, "note: a torn last line of {} bytes is left out", read.torn_bytes);
    }
    text.push('\n');
    for step in &opened.plan.steps {
        let _ = writeln!(text, "{:<12} {} {}", state_name(&read.progress.state(&step.id)), plain(&step.id), plain(&step.title));
    }
    text += if read.progress.closed { "complete\n" } else { "not complete; `tenet apply --resume` goes on\n" };
    output::print(&text)?;
    Ok(Exit::Ok)
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::NotBegun => "not done",
        State::Unknown(_) => "unknown",
        State::Accepted(_) => "not verified",
        State::Verified(_) => "done",
        State::Skipped(_) => "was there",
    }
}

fn entry_text(entry: &Entry) -> String {
    match &entry.kind {
        Kind::Open(opened) => format!("opened by {}, approved by {}", opened.principal, opened.approved_by.join(", ")),
        Kind::Resume { principal, dropped_bytes: 0 } => format!("resumed by {principal}"),
        Kind::Resume { principal, dropped_bytes } => format!("resumed by {principal}; a torn line of {dropped_bytes} bytes was dropped"),
        Kind::Recheck { moved } if moved.is_empty() => "is as planned".to_owned(),
        Kind::Recheck { moved } => format!("is not as planned: {}", moved.join("; ")),
        Kind::Begin { .. } => "begins".to_owned(),
        Kind::Sent { status, request_id, .. } => format!("accepted with {status}{}", id(request_id.as_deref())),
        Kind::Ok => "took effect, as reading shows".to_owned(),
        Kind::Failed { message, request_id, .. } => format!("failed: {message}{}", id(request_id.as_deref())),
        Kind::Unknown { message } => format!("not known: {message}"),
        Kind::Verified { readings } => format!("verified by {readings} readings"),
        Kind::Skipped { message } => message.clone(),
        Kind::Close => "complete".to_owned(),
    }
}

fn id(request_id: Option<&str>) -> String {
    request_id.map_or_else(String::new, |id| format!(", request {id}"))
}

/// Tells whether a file is a journal, by its first bytes: its lines are objects that begin with `data`.
pub(super) fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl")
}

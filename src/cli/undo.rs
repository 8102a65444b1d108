//! `tenet undo`: a plan of the way back, from a journal.

use super::args::{Global, Undo};
use super::exit::Failure;
use super::{Exit, approvals, output, repo};
use crate::remedy::undo::{Back, undo_plan};
use crate::report::render_plan;
use crate::sources::journal_file::{JournalFileError, read_journal};
use crate::sources::plan_file::{encode_plan, write_plan};

pub(super) fn run(global: &Global, args: &Undo) -> anyhow::Result<Exit> {
    let read = read_journal(&args.journal).map_err(|error| refusal(&error))?;
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.policies)?)?;
    let policies = repo::policies_digest(&compiled);
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let planner = args.planner.clone().or_else(|| repo.config.plan.planner.clone());
    let planner = planner.unwrap_or_else(|| read.progress.opened.plan.planner.clone());
    let mut plan = undo_plan(&read.progress, &Back { now, planner: &planner, policies: &policies, tool: env!("CARGO_PKG_VERSION") });
    plan.approvals.needed = plan.approvals.needed.max(repo.config.plan.approvals);
    if plan.approvals.needed > 0 {
        plan.approvals.allowed_signers = approvals::allowed_signers(&repo, args.signers.as_deref())?.1;
    }
    let file = encode_plan(plan).map_err(|message| Failure::usage(format!("{}: {message}", args.journal.display())))?;
    output::print(&render_plan(&file.plan))?;
    write_plan(&file, &args.output).map_err(|error| Failure::usage(error.to_string()))?;
    output::say(global, &format!("wrote {}; approve and apply it like any plan", args.output.display()));
    Ok(Exit::Ok)
}

pub(super) fn refusal(error: &JournalFileError) -> Failure {
    let exit = match error {
        error if error.is_tampering() => Exit::Evidence,
        JournalFileError::Locked { .. } => Exit::Locked,
        JournalFileError::Used { .. } => Exit::Stale,
        _ => Exit::Usage,
    };
    Failure { exit, message: error.to_string() }
}

//! `tenet apply`: carries out a plan that was approved.

use std::path::{Path, PathBuf};

use super::args::{Apply, Global};
use super::clock::SystemClock;
use super::exit::Failure;
use super::reevaluate::Again;
use super::repo::Repo;
use super::{Exit, approvals, output, repo, undo};
use crate::remedy::apply::{Ending, Event, From, Order, Report, admit, admit_again, apply};
use crate::remedy::gate::Refusal;
use crate::remedy::journal::{Progress, State};
use crate::remedy::plan::Plan;
use crate::remedy::target::{Clock, Target};
use crate::report::plain;
use crate::sources::azure::client::WriteClient;
use crate::sources::azure::target::HttpTarget;
use crate::sources::journal_file::{JournalFileError, JournalFolder};
use crate::sources::plan_file::PlanFile;

pub(super) fn run(global: &Global, args: &Apply) -> anyhow::Result<Exit> {
    if global.now.is_some() {
        return Err(Failure::usage("apply goes by the clock of this machine; leave out --now (and TENET_NOW)").into());
    }
    let clock = SystemClock::listening();
    let connect = |repo: &Repo| -> anyhow::Result<_> {
        let client = args.auth.connect(&repo.config, global.offline).map_err(not_signed_in)?;
        HttpTarget::new(WriteClient::for_apply(client)).map_err(anyhow::Error::from)
    };
    let (report, _) = carry_out(global, args, connect, &clock)?;
    Ok(exit(&report, &clock))
}

/// Carries out a plan on the tenant that `connect` gives, after everything that needs no tenant was checked.
pub(super) fn carry_out<T: Target>(
    global: &Global,
    args: &Apply,
    connect: impl FnOnce(&Repo) -> anyhow::Result<T>,
    clock: &dyn Clock,
) -> anyhow::Result<(Report, T)> {
    let file = approvals::plan(&args.plan)?;
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.selection.policies)?)?;
    known_actions(&args.plan, &file.plan, &compiled)?;
    let approved_by = approvals::demand(&repo, args.signers.as_deref(), &args.plan, &file, clock.now())?;
    let journals = args.journal.clone().unwrap_or_else(|| repo.root.join("journal"));
    let policies = repo::policies_digest(&compiled);
    let order = Order {
        plan: &file.plan,
        digest: &file.digest,
        policies: &policies,
        approved_by: &approved_by,
        max_changes: args.max_changes,
        tool: env!("CARGO_PKG_VERSION"),
    };
    let mut target = connect(&repo)?;
    let run = Run { global, file: &file, order, journals, resume: args.resume };
    let report = run.carry_out(&mut target, clock)?;
    run.tell(&report)?;
    if !report.progress.done.is_empty() {
        let again = Again { global, repo: &repo, compiled: &compiled, selection: &args.selection, plan: &file.plan, now: clock.now() };
        output::print(&again.evaluate(&report.progress.done, &mut target))?;
    }
    Ok((report, target))
}

/// Nobody is signed in: a matter of its own, unless the command line was wrong.
fn not_signed_in(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Failure>() { error } else { Failure { exit: Exit::Auth, message: format!("{error:#}") }.into() }
}

/// Refuses a plan with an action that the policies do not have: it was made by another version, or by hand.
fn known_actions(path: &Path, plan: &Plan, compiled: &crate::Compiled) -> Result<(), Failure> {
    let actions = plan.steps.iter().map(|step| (&step.id, &step.action)).chain(plan.manual.iter().map(|step| (&step.id, &step.action)));
    for (id, action) in actions {
        if !compiled.policies.actions.iter().any(|known| known.name == *action) {
            return Err(Failure::usage(format!("{}: step {id}: there is no action `{action}`; plan again", path.display())));
        }
    }
    Ok(())
}

/// What an apply works with.
pub(super) struct Run<'a> {
    pub(super) global: &'a Global,
    pub(super) file: &'a PlanFile,
    pub(super) order: Order<'a>,
    /// The folder of journals.
    pub(super) journals: PathBuf,
    pub(super) resume: bool,
}

impl Run<'_> {
    /// Locks, admits, opens the journal and carries out.
    pub(super) fn carry_out(&self, target: &mut dyn Target, clock: &dyn Clock) -> Result<Report, Failure> {
        let failed = |error: JournalFileError| undo::refusal(&error);
        let who = format!("process {} for plan {}", std::process::id(), self.file.plan.id);
        let journals = JournalFolder::lock(&self.journals, &who, clock.now()).map_err(failed)?;
        let path = journals.journal_path(self.file);
        let mut watch = |event: Event<'_>| self.watch(event);
        if self.resume {
            let (mut journal, read) = journals.resume(self.file).map_err(failed)?;
            if read.as_ref().is_some_and(|read| read.progress.closed) {
                let message = format!("{}: every step of this plan is done already", path.display());
                return Err(Failure { exit: Exit::Stale, message });
            }
            let from = read.map_or(From::Start, |read| {
                if read.torn_bytes > 0 {
                    output::say(self.global, &format!("{}: a torn last line of {} bytes was dropped", path.display(), read.torn_bytes));
                }
                From::Journal(Box::new(read.progress), read.torn_bytes)
            });
            let signed_in = admit_again(&self.order, target, clock).map_err(|refusal| refused(&refusal))?;
            return Ok(apply(&self.order, &signed_in, from, &mut journal, target, clock, &mut watch));
        }
        if path.exists() {
            return Err(failed(JournalFileError::Used { path }));
        }
        let signed_in = admit(&self.order, target, clock).map_err(|refusal| refused(&refusal))?;
        let mut journal = journals.create(self.file).map_err(failed)?;
        Ok(apply(&self.order, &signed_in, From::Start, &mut journal, target, clock, &mut watch))
    }

    fn watch(&self, event: Event<'_>) {
        let text = match event {
            Event::Begins(step) => format!("{}: {}", step.id, step.title),
            Event::Waits(step, what) if self.global.verbose > 0 => format!("{}: waiting: {what}", step.id),
            Event::Waits(..) => return,
            Event::Reconciles(step) => format!("{}: the outcome is not known, and is read", step.id),
            Event::Done(step) => format!("{}: done", step.id),
            Event::Skipped(step, why) => format!("{}: {why}", step.id),
        };
        output::say(self.global, &plain(&text));
    }

    /// Says what became of each step.
    pub(super) fn tell(&self, report: &Report) -> anyhow::Result<()> {
        output::print(&text(&self.file.plan, report))
    }
}

fn text(plan: &Plan, report: &Report) -> String {
    let mut out = String::new();
    let (mut done, mut left) = (0, Vec::new());
    for step in &plan.steps {
        match report.progress.state(&step.id) {
            State::Verified(_) | State::Skipped(_) => done += 1,
            state => left.push(format!("  {} {} ({})\n", plain(&step.id), plain(&step.title), still(&state))),
        }
    }
    out += &format!("{done} of {} steps are done\n", plan.steps.len());
    if !left.is_empty() {
        out += &format!("left to do:\n{}", left.concat());
    }
    if !plan.manual.is_empty() {
        out += "left to people:\n";
    }
    for step in &plan.manual {
        out += &format!(
            "  {} {}\n    {}\n    who: {}\n",
            plain(&step.id),
            plain(&step.title),
            plain(&step.instructions),
            plain(&step.who.join(", "))
        );
        out += &format!("    seen by: {}\n", plain(&step.verified_by));
    }
    let why = match &report.ending {
        Ending::Complete => return out,
        Ending::Stale { step, moved } => format!("step {step} is not as planned: {}", moved.join("; ")),
        Ending::Failed { step, message } => format!("step {step}: {message}"),
        Ending::Unknown { step, message } => format!("step {step}: it is not known whether it took effect: {message}"),
        Ending::Stopped => "it was stopped".to_owned(),
        Ending::NoJournal(message) => format!("the journal cannot be written: {message}"),
    };
    out + &format!("{}\n`tenet apply --resume` goes on\n", plain(&why))
}

fn still(state: &State) -> &'static str {
    match state {
        State::Unknown(_) => "outcome not known",
        State::Accepted(_) => "accepted, not verified",
        _ => "not done",
    }
}

/// A refusal, with its exit code.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let exit = match refusal {
        Refusal::Limit { .. } => Exit::Limit,
        Refusal::NotSignedIn(_) => Exit::Auth,
        _ => Exit::Stale,
    };
    Failure { exit, message: refusal.to_string() }
}

fn exit(report: &Report, clock: &SystemClock) -> Exit {
    match &report.ending {
        Ending::Stopped => clock.exit(),
        ending => exit_of(ending, &report.progress),
    }
}

/// How an apply ends that was not stopped.
pub(super) fn exit_of(ending: &Ending, progress: &Progress) -> Exit {
    match ending {
        Ending::Complete => Exit::Ok,
        Ending::Stale { .. } if !progress.wrote => Exit::Stale,
        Ending::Unknown { .. } => Exit::UnknownOutcome,
        Ending::NoJournal(_) if !progress.unknown().is_empty() => Exit::UnknownOutcome,
        Ending::NoJournal(_) if !progress.wrote => Exit::Usage,
        _ => Exit::Partial,
    }
}

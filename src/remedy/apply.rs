//! Carries out a plan: a state machine over a [`Target`], a [`Journal`] and a [`Clock`].
//!
//! In: an approved plan, and what a journal of it says, if there is one. Out: a [`Report`]. Invariants: no request is sent
//! before its `begin` is on disk and `before` was found just then; a step is done only when `after` was found
//! [`AGREEING`](super::verify::AGREEING) times in a row; the first surprise ends it; what is not known is read, never guessed.

use super::expect::look;
use super::gate::{Refusal, check};
use super::journal::{Entry, Journal, JournalError, Kind, Opened, Progress};
use super::plan::{Plan, Step};
use super::target::{Clock, ReadTarget, SignedIn, Target};

/// A plan with what it was judged by.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its digest, lower-case hex.
    pub digest: &'a str,
    /// Digest of the policies at hand.
    pub policies: &'a str,
    /// Who approved it, each once; already found fit by [`judge`](super::approval::judge).
    pub approved_by: &'a [String],
    /// A limit of steps besides that of the plan.
    pub max_changes: Option<u32>,
    /// Version of the program.
    pub tool: &'a str,
}

/// How an apply ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// Every step is done.
    Complete,
    /// What a step relies on is not as planned, or the time of the plan is over; nothing of this step was sent.
    Stale {
        /// The step.
        step: String,
        /// What is otherwise, in words.
        moved: Vec<String>,
    },
    /// A step was refused, or its effect was not seen in time.
    Failed {
        /// The step.
        step: String,
        /// Why.
        message: String,
    },
    /// A request whose outcome is not known yet.
    Unknown {
        /// The step.
        step: String,
        /// Why.
        message: String,
    },
    /// Somebody asked to stop.
    Stopped,
    /// The journal cannot be written.
    NoJournal(String),
}

/// What is told while it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A request is about to be sent.
    Begins(&'a Step),
    /// Something is waited for.
    Waits(&'a Step, &'a str),
    /// An outcome that is not known is looked up.
    Reconciles(&'a Step),
    /// A step is done.
    Done(&'a Step),
    /// A step had nothing to do.
    Skipped(&'a Step, &'a str),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// How far each step is.
    pub progress: Progress,
}

/// Refuses a plan before anything is written: for its time, its place and its size, and by the `before` of every step without dependencies.
///
/// # Errors
/// [`Refusal`].
pub fn admit<T: ReadTarget + ?Sized>(order: &Order<'_>, target: &mut T, clock: &dyn Clock) -> Result<SignedIn, Refusal> {
    let signed_in = check(order, target, clock.now(), false)?;
    for step in order.plan.steps.iter().filter(|step| step.depends_on.is_empty()) {
        let found = look(target, &step.operation.before, &std::collections::BTreeMap::new());
        if !found.holds() {
            return Err(Refusal::Moved { step: step.id.clone(), moved: found.differs });
        }
    }
    Ok(signed_in)
}

/// Refuses to go on with a plan that is of somebody else; that its time is over matters only to what is not yet begun.
///
/// # Errors
/// [`Refusal`].
pub fn admit_again<T: ReadTarget + ?Sized>(order: &Order<'_>, target: &mut T, clock: &dyn Clock) -> Result<SignedIn, Refusal> {
    check(order, target, clock.now(), true)
}

/// Where a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum From {
    /// At the beginning.
    Start,
    /// Where a journal ends; with the bytes of a torn last line that were dropped.
    Journal(Box<Progress>, u64),
}

/// Carries out a plan that was admitted.
pub fn apply<'a>(
    order: &Order<'a>,
    signed_in: &SignedIn,
    from: From,
    journal: &'a mut dyn Journal,
    target: &'a mut dyn Target,
    clock: &'a dyn Clock,
    watch: &'a mut dyn FnMut(Event<'_>),
) -> Report {
    let opened = Opened {
        plan: order.plan.clone(),
        digest: order.digest.to_owned(),
        principal: signed_in.principal.clone(),
        tool: order.tool.to_owned(),
        approved_by: order.approved_by.to_vec(),
    };
    let entry = |kind| Entry { at: clock.now(), step: None, kind };
    let (first, progress) = match from {
        From::Start => {
            let steps = order.plan.steps.iter().map(|step| (step.id.clone(), super::journal::State::NotBegun)).collect();
            let progress = Progress { opened: opened.clone(), steps, done: Vec::new(), wrote: false, closed: false };
            (entry(Kind::Open(Box::new(opened))), progress)
        }
        // What is complete stays as it is: nothing may stand after `close`.
        From::Journal(progress, _) if progress.closed => return Report { ending: Ending::Complete, progress: *progress },
        From::Journal(progress, dropped_bytes) => {
            (entry(Kind::Resume { principal: signed_in.principal.clone(), dropped_bytes }), *progress)
        }
    };
    if let Err(JournalError(message)) = journal.append(first) {
        return Report { ending: Ending::NoJournal(message), progress };
    }
    let mut run = Run { plan: order.plan, journal, target, clock, watch, progress };
    let ending = run.all().err().unwrap_or(Ending::Complete);
    Report { ending, progress: run.progress }
}

/// A run over the steps of a plan.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    journal: &'a mut dyn Journal,
    pub(super) target: &'a mut dyn Target,
    pub(super) clock: &'a dyn Clock,
    watch: &'a mut dyn FnMut(Event<'_>),
    pub(super) progress: Progress,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Ending> {
        let plan = self.plan;
        for step in &plan.steps {
            self.step(step)?;
        }
        self.note(None, Kind::Close)
    }

    /// Writes an entry and takes it up.
    pub(super) fn note(&mut self, step: Option<&Step>, kind: Kind) -> Result<(), Ending> {
        let entry = Entry { at: self.clock.now(), step: step.map(|step| step.id.clone()), kind };
        self.journal.append(entry.clone()).map_err(|error| Ending::NoJournal(error.0))?;
        self.progress.take(&entry).map_err(Ending::NoJournal)
    }

    pub(super) fn tell(&mut self, event: Event<'_>) {
        (self.watch)(event);
    }
}

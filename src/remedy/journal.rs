//! What a journal says: the entries of an apply, and the state of each step that follows from them.
//!
//! In: entries in the order they were written. Out: a [`Progress`]. Invariants: a begin without an end is unknown, whatever
//! came after it; an order of entries that apply never writes is an error, not a guess.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;
use thiserror::Error;

use super::plan::{Plan, Undo};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The first entry: which plan, by whom.
    Open(Box<Opened>),
    /// Somebody went on.
    Resume {
        /// Object id of the identity that went on.
        principal: String,
        /// Bytes of a torn last line that were dropped.
        dropped_bytes: u64,
    },
    /// What must be found before a step was read.
    Recheck {
        /// What was found to be otherwise, in words; empty if all is as planned.
        moved: Vec<String>,
    },
    /// The request is about to be sent. On disk before it is.
    Begin {
        /// How the step is undone, completed by what was read just before.
        undo: Undo,
        /// Whether reading can tell later that the request took effect: `after` did not hold before it.
        telling: bool,
    },
    /// The service accepted the request.
    Sent {
        /// The HTTP status.
        status: u16,
        /// The id the service gave the request.
        request_id: Option<String>,
        /// What a DELETE returned: what was there.
        removed: Option<Json>,
        /// Values of the answer that `after` or the undo ask for, by pointer.
        answered: BTreeMap<String, String>,
    },
    /// An unknown outcome was found, by reading, to have taken effect.
    Ok,
    /// The request had no effect, or what it should have had was not seen in time.
    Failed {
        /// At which stage.
        stage: Stage,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// The id the service gave the request.
        request_id: Option<String>,
        /// What went wrong, in words.
        message: String,
    },
    /// Sent, and nobody knows yet whether it took effect.
    Unknown {
        /// What went wrong, in words.
        message: String,
    },
    /// `after` was found: the step is done.
    Verified {
        /// How many readings agreed.
        readings: u32,
    },
    /// What the step should bring about was there already, and is not ours to undo.
    Skipped {
        /// Why, in words.
        message: String,
    },
    /// Every step is done.
    Close,
}

/// The first entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The whole plan, so that the journal speaks for itself.
    pub plan: Plan,
    /// Digest of the plan, lower-case hex.
    pub digest: String,
    /// Object id of the identity that applies it.
    pub principal: String,
    /// Version of the program.
    pub tool: String,
    /// Who approved, as `allowed_signers` names them.
    pub approved_by: Vec<String>,
}

/// Where a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was never sent.
    NotSent,
    /// The service refused it.
    Refused,
    /// It was sent, and reading shows that it had no effect.
    NoEffect,
    /// It was accepted, and `after` was not found within the window.
    NotSeen,
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Of which step; none for entries about the whole.
    pub step: Option<String>,
    /// What happened.
    pub kind: Kind,
}

/// Why a journal cannot be written. Nothing may be sent after this.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the journal cannot be written: {0}")]
pub struct JournalError(pub String);

/// Where entries are written. An entry is on disk when `append` returns.
pub trait Journal {
    /// Writes one entry.
    ///
    /// # Errors
    /// [`JournalError`]; afterwards every further entry is refused, too.
    fn append(&mut self, entry: Entry) -> Result<(), JournalError>;
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// No request of it had an effect.
    NotBegun,
    /// A request was begun, and its outcome is not known.
    Unknown(Attempt),
    /// A request took effect, which was not yet verified.
    Accepted(Attempt),
    /// Done.
    Verified(Attempt),
    /// It was so before, and is not ours to undo; why.
    Skipped(String),
}

impl State {
    /// Tells whether what the step is for is there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Verified(_) | Self::Skipped(_))
    }
}

/// A request that was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// When.
    pub began: Timestamp,
    /// How it is undone, as far as it was known then.
    pub undo: Undo,
    /// Whether reading can tell that it took effect.
    pub telling: bool,
    /// What a DELETE returned.
    pub removed: Option<Json>,
    /// Values of the answer, by pointer.
    pub answered: BTreeMap<String, String>,
}

/// What a journal says as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The first entry.
    pub opened: Opened,
    /// Each step of the plan, by id.
    pub steps: BTreeMap<String, State>,
    /// Ids of steps in the order in which they were done.
    pub done: Vec<String>,
    /// Whether a request was ever begun.
    pub wrote: bool,
    /// Whether every step is done and nothing may follow.
    pub closed: bool,
}

/// A journal that apply did not write.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("entry {entry}: {message}")]
pub struct NotAJournal {
    /// Which entry, counted from 1.
    pub entry: usize,
    /// What is wrong.
    pub message: String,
}

/// Folds entries into the state of each step.
///
/// # Errors
/// [`NotAJournal`] for an order that apply never writes.
pub fn fold(entries: &[Entry]) -> Result<Progress, NotAJournal> {
    let wrong = |at: usize, message: &str| NotAJournal { entry: at + 1, message: message.to_owned() };
    let Some(Entry { kind: Kind::Open(opened), step: None, .. }) = entries.first() else {
        return Err(wrong(0, "a journal begins with `open`"));
    };
    let steps = opened.plan.steps.iter().map(|step| (step.id.clone(), State::NotBegun)).collect();
    let mut progress = Progress { opened: (**opened).clone(), steps, done: Vec::new(), wrote: false, closed: false };
    for (at, entry) in entries.iter().enumerate().skip(1) {
        progress.take(entry).map_err(|message| wrong(at, &message))?;
    }
    Ok(progress)
}

impl Progress {
    /// Takes up one more entry.
    ///
    /// # Errors
    /// Why it cannot stand here.
    pub fn take(&mut self, entry: &Entry) -> Result<(), String> {
        if self.closed {
            return Err("it stands after `close`".to_owned());
        }
        let Some(id) = &entry.step else {
            return match &entry.kind {
                Kind::Resume { .. } => Ok(()),
                Kind::Close if self.steps.values().all(State::is_done) => {
                    self.closed = true;
                    Ok(())
                }
                Kind::Close => Err("`close` before every step is done".to_owned()),
                _ => Err("it names no step".to_owned()),
            };
        };
        let state = self.steps.get_mut(id).ok_or_else(|| format!("the plan has no step `{id}`"))?;
        let next = after(state, entry).ok_or_else(|| format!("it does not follow from what came before it for step `{id}`"))?;
        self.wrote |= matches!(entry.kind, Kind::Begin { .. });
        if next.is_done() && !state.is_done() {
            self.done.push(id.clone());
        }
        *state = next;
        Ok(())
    }

    /// Returns the state of a step; one the plan does not have was not begun.
    #[must_use]
    pub fn state(&self, id: &str) -> State {
        self.steps.get(id).cloned().unwrap_or(State::NotBegun)
    }

    /// Returns the steps whose outcome is not known.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        let unknown = self.steps.iter().filter(|(_, state)| matches!(state, State::Unknown(_)));
        unknown.map(|(id, _)| id.clone()).collect()
    }
}

/// The state of a step after an entry about it; none if the entry cannot stand there.
fn after(state: &State, entry: &Entry) -> Option<State> {
    match (state, &entry.kind) {
        (State::NotBegun, Kind::Recheck { .. }) => Some(State::NotBegun),
        (State::NotBegun, Kind::Begin { undo, telling }) => Some(State::Unknown(Attempt {
            began: entry.at,
            undo: undo.clone(),
            telling: *telling,
            removed: None,
            answered: BTreeMap::new(),
        })),
        (State::Unknown(attempt), Kind::Sent { removed, answered, .. }) => {
            Some(State::Accepted(Attempt { removed: removed.clone(), answered: answered.clone(), ..attempt.clone() }))
        }
        (State::Unknown(attempt), Kind::Unknown { .. }) => Some(State::Unknown(attempt.clone())),
        (State::Unknown(attempt), Kind::Ok) => Some(State::Accepted(attempt.clone())),
        (State::Unknown(_), Kind::Failed { stage: Stage::NotSent | Stage::Refused | Stage::NoEffect, .. }) => Some(State::NotBegun),
        (State::Accepted(attempt), Kind::Failed { stage: Stage::NotSeen, .. }) => Some(State::Accepted(attempt.clone())),
        (State::Accepted(attempt), Kind::Verified { .. }) => Some(State::Verified(attempt.clone())),
        (State::Unknown(_), Kind::Skipped { message }) => Some(State::Skipped(message.clone())),
        _ => None,
    }
}

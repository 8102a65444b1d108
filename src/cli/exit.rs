//! Exit codes: a public interface.

use thiserror::Error;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was evaluated, and nothing is wrong.
    Ok,
    /// Something is wrong.
    Findings,
    /// Bad flags, configuration, policies or files; nothing was evaluated.
    Usage,
    /// Nothing is known to be wrong, and not everything could be decided.
    Incomplete,
    /// Nobody is signed in, or to the wrong tenant.
    Auth,
    /// A digest does not match what it vouches for.
    Evidence,
    /// The plan is refused: the world, its time, its tenant, its principal or its policies are not those it was made for.
    Stale,
    /// Apply stopped; the journal says what is done and what is left.
    Partial,
    /// A write whose outcome is not known yet.
    UnknownOutcome,
    /// Another apply holds the lock.
    Locked,
    /// The approvals are missing, too few, or of another plan.
    Unapproved,
    /// More changes than allowed.
    Limit,
    /// A plan that is not empty, where the caller asked to be told.
    Changes,
    /// An error of the program itself.
    Bug,
    /// Stopped by Ctrl-C, after the write in flight and its line of the journal.
    Interrupted,
    /// Stopped by a signal to end, after the write in flight and its line of the journal.
    Terminated,
}

impl Exit {
    /// All of them, with what they mean.
    pub const ALL: [(Self, &'static str); 16] = [
        (Self::Ok, "everything asked for was evaluated; nothing at or above --fail-on"),
        (Self::Findings, "an unwaived fail of a blocking rule or at or above --fail-on; diagnostics; failed tests"),
        (Self::Usage, "bad flags, configuration, policy or file format; nothing was evaluated"),
        (Self::Incomplete, "no blocking fail, but an unwaived unknown in any rule, or nothing at all was assessed"),
        (Self::Auth, "nobody could sign in, or every read was refused"),
        (Self::Evidence, "a file is not the one its digest vouches for"),
        (Self::Stale, "plan refused: tenant moved, expired, other tenant, principal or policies, already used; nothing written"),
        (Self::Partial, "apply stopped; the journal says what is done and what is left"),
        (Self::UnknownOutcome, "a write whose outcome is not known yet; --resume reads it first"),
        (Self::Locked, "another apply holds the lock"),
        (Self::Unapproved, "approvals missing, not enough, or not of this plan"),
        (Self::Limit, "more changes than allowed"),
        (Self::Changes, "plan --detailed-exitcode: a plan that is not empty"),
        (Self::Bug, "an error of the program itself, never used for the above"),
        (Self::Interrupted, "Ctrl-C, after finishing the write in flight and its line of the journal"),
        (Self::Terminated, "a signal to end, after finishing the write in flight and its line of the journal"),
    ];

    /// Returns the code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Auth => 4,
            Self::Evidence => 5,
            Self::Stale => 10,
            Self::Partial => 11,
            Self::UnknownOutcome => 12,
            Self::Locked => 13,
            Self::Unapproved => 14,
            Self::Limit => 15,
            Self::Changes => 20,
            Self::Bug => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Findings => "findings",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::Auth => "auth",
            Self::Evidence => "evidence",
            Self::Stale => "stale",
            Self::Partial => "partial",
            Self::UnknownOutcome => "unknown-outcome",
            Self::Locked => "locked",
            Self::Unapproved => "unapproved",
            Self::Limit => "limit",
            Self::Changes => "changes",
            Self::Bug => "bug",
            Self::Interrupted | Self::Terminated => "stopped",
        }
    }
}

/// An error that ends the program with its own code.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// The page behind `tenet help exit-codes`.
pub(super) fn page() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in Exit::ALL {
        text += &format!("  {:>3}  {:<15} {meaning}\n", exit.code(), exit.name());
    }
    text + "The name is the last line on stderr.\n"
}

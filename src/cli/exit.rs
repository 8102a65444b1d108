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
    /// A digest does not match what it vouches for.
    Evidence,
}

impl Exit {
    /// All of them, with what they mean.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Ok, "everything asked for was evaluated; nothing at or above --fail-on"),
        (Self::Findings, "an unwaived fail of a blocking rule or at or above --fail-on; diagnostics; failed tests"),
        (Self::Usage, "bad flags, configuration, policy or file format; nothing was evaluated"),
        (Self::Incomplete, "no blocking fail, but an unwaived unknown in any rule, or nothing at all was assessed"),
        (Self::Evidence, "a file is not the one its digest vouches for"),
    ];

    /// Returns the code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Evidence => 5,
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
            Self::Evidence => "evidence",
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
        Self { exit: Exit::Usage, message: message.into() }
    }
}

/// The page behind `tenet help exit-codes`.
pub(super) fn page() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in Exit::ALL {
        text += &format!("  {:>3}  {:<11} {meaning}\n", exit.code(), exit.name());
    }
    text + "The name is the last line on stderr.\n"
}

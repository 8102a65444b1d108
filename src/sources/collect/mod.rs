//! Collection: a snapshot from the live services, by way of recorded answers.
//!
//! In: a client that can only read, what to read, a folder. Out: evidence files, each answer with its request, time, request
//! id and hash, in the form that `tenet import arm` reads; and what of them is whole. Facts come from the importers alone,
//! so a collected snapshot is what an import of its evidence gives.
//!
//! Invariants: only operations of [`Operation`] are asked; every answer is on disk before the next page of its list is
//! asked for; a list that is not read to its end says so in the evidence; the order in which answers come makes no
//! difference; no token is written.
//!
//! - `operation`: what can be read, a closed list
//! - `choice`: which of it is read
//! - `stream`: one list, page by page; `named`: what its objects name that is asked next
//! - `run`: all of them, side by side
//! - `journal`: answers as they come, for a run that is killed
//! - `evidence`: the same answers, in order, for keeping
//! - `redact`: what is left out of them
//! - `probe`: what the caller may read

mod choice;
mod evidence;
mod journal;
mod named;
mod operation;
mod probe;
mod redact;
mod run;
mod stream;

use std::path::PathBuf;

use thiserror::Error;

pub use choice::{Choice, ChoiceError};
pub use evidence::{EvidenceFile, write_evidence};
pub use journal::Journal;
pub use operation::{Operation, Per, Permission};
pub use probe::{Access, Probed, probe};
pub use run::{Collected, Gap, Settings, Watcher, Whose, collect};

/// Why a collection stopped.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The operating system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A collection that is to be resumed is of something else.
    #[error("{0}")]
    NotOurs(String),
    /// A limit was hit.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl CollectError {
    fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

//! Import of files: from paths to facts.

mod claims;
mod conclude;
mod decode;
mod denied;
mod fields;
mod files;
mod history;
mod intake;
mod listed;
mod lists;
mod page;
mod recognise;
mod report;
mod request;
mod run;

use std::path::PathBuf;

use jiff::Timestamp;
use thiserror::Error;

use crate::snapshot::SnapshotBuilder;

pub use claims::{CompleteClaim, CompleteClaimError, ListKind};
pub use report::FileReport;

pub(super) use fields::Fields;
pub(super) use intake::{Condition, Grant, Intake, Origin, Refusal, Taken};
pub(super) use recognise::Kind;
pub(super) use report::Tally;
pub(super) use {conclude::finish, decode::decode, files::InputFile, files::find, files::open, lists::Lists};

/// What the caller knows about the files.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Lists that the user vouches for as whole.
    pub complete: Vec<CompleteClaim>,
    /// When the files were read from the services, where they do not say so themselves.
    pub captured_at: Option<Timestamp>,
    /// The directory the files describe, where they do not say so themselves.
    pub tenant: Option<String>,
    /// Whether a file that cannot be read is reported and passed over; otherwise it ends the import.
    pub skip_unreadable: bool,
    /// Whether an earlier snapshot is folded in afterwards. Only then do events tell all that happened to a list: what went away while
    /// the files were read is in no list any more, and its event may not show yet, so somebody has to have seen it before.
    pub earlier: bool,
}

/// Why an import stopped.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A path that cannot be opened.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// A file that is not what it should be.
    #[error("{file}:{line}:{column}: {reason}")]
    Broken {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong, and a way out.
        reason: String,
    },
    /// A limit was hit.
    #[error("{file}: {what} is over the limit of {limit}")]
    Limit {
        /// The file or folder.
        file: String,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// No file in the given paths.
    #[error("no file to import in {0}; give JSON files or a folder that holds some")]
    Nothing(String),
}

/// Imports answers of Azure Resource Manager, Microsoft Graph, Resource Graph and Partner Center.
///
/// # Errors
/// If a path or file cannot be read, unless the options pass over such files, or a limit is hit.
pub fn import_arm(builder: &mut SnapshotBuilder, paths: &[PathBuf], options: &ImportOptions) -> Result<Vec<FileReport>, ImportError> {
    run::import_pages(builder, paths, options)
}

/// Imports exports of the Azure command line and of Azure PowerShell.
///
/// # Errors
/// As [`import_arm`].
pub fn import_az(builder: &mut SnapshotBuilder, paths: &[PathBuf], options: &ImportOptions) -> Result<Vec<FileReport>, ImportError> {
    run::import_pages(builder, paths, options)
}

/// Imports AzureHound collections.
///
/// # Errors
/// As [`import_arm`], and for a file that was cut off.
pub fn import_azurehound(
    builder: &mut SnapshotBuilder,
    paths: &[PathBuf],
    options: &ImportOptions,
) -> Result<Vec<FileReport>, ImportError> {
    super::azurehound::import(builder, paths, options)
}

#[cfg(test)]
mod tests;

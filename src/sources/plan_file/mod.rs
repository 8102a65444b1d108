//! `plan.json`: a plan in one file, `tenet.plan/v1`.
//!
//! In: a [`Plan`]. Out: its canonical bytes (RFC 8785), and from them the same plan. Invariants: one plan has one text, so the
//! sha256 of the file is the digest of the plan; the id of a plan is the digest of everything else in it; a file with any
//! other bytes is refused, with the place.

mod validate;
pub(in crate::sources) mod wire;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::model::{canonical_json, sha256_hex};
use crate::remedy::plan::Plan;

/// The format this program writes.
pub const FORMAT: &str = "tenet.plan/v1";
const FORMAT_FAMILY: &str = "tenet.plan/v";
/// The largest plan that is read.
const PLAN_BYTES_MAX: u64 = 64 << 20;

/// A plan with the bytes that stand for it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanFile {
    /// The plan; its id is that of its contents.
    pub plan: Plan,
    /// What stands in the file, and what approvals sign.
    pub bytes: Vec<u8>,
    /// The sha256 of the bytes, lower-case hex.
    pub digest: String,
}

/// Why a plan cannot be written or read.
#[derive(Debug, Error)]
pub enum PlanFileError {
    /// The operating system refuses.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It is larger than any plan.
    #[error("{path}: {size} bytes, and the limit for a plan is {PLAN_BYTES_MAX}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// It was written by a later version.
    #[error("{path}: it has the format {format}, and this program reads {FORMAT}; use a newer tenet, or plan again")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it says.
        format: String,
    },
    /// It is not a plan.
    #[error("{path}: {message}")]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column or the place in the document.
        message: String,
    },
    /// It is a plan, and not as it was written.
    #[error("{path}:{line}:{column}: the plan was changed after it was written: {message}; make it again with `tenet plan`")]
    Changed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column in bytes, counted from 1.
        column: usize,
        /// In what it differs.
        message: String,
    },
}

impl PlanFileError {
    /// Tells whether it is a plan that somebody changed.
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }
}

/// Brings a plan into its canonical form; its id becomes that of its contents, whatever it was.
///
/// # Errors
/// What is wrong with the plan, in words.
pub fn encode_plan(plan: Plan) -> Result<PlanFile, String> {
    let plan = Plan { id: content_id(&plan)?, ..plan };
    validate::validate(&plan)?;
    let bytes = text(&plan)?.into_bytes();
    if bytes.len() as u64 > PLAN_BYTES_MAX {
        return Err(format!("the plan has {} bytes, and the limit is {PLAN_BYTES_MAX}", bytes.len()));
    }
    Ok(PlanFile { digest: sha256_hex(&bytes), plan, bytes })
}

/// Returns the id of a plan: half the sha256 of its canonical form without the id.
fn content_id(plan: &Plan) -> Result<String, String> {
    let mut digest = sha256_hex(text(&Plan { id: String::new(), ..plan.clone() })?.as_bytes());
    digest.truncate(32);
    Ok(digest)
}

fn text(plan: &Plan) -> Result<String, String> {
    let value = serde_json::to_value(wire::Plan::from(plan.clone())).map_err(|error| error.to_string())?;
    canonical_json(&value).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Probe {
    format: Option<String>,
}

/// Reads a plan from the bytes of its file; `path` is for messages.
///
/// # Errors
/// [`PlanFileError`]: every file that is not, byte for byte, what [`encode_plan`] gives.
pub fn decode_plan(bytes: &[u8], path: &Path) -> Result<PlanFile, PlanFileError> {
    let wrong = |message: String| PlanFileError::NotAPlan { path: path.to_owned(), message };
    let place = |error: serde_json::Error| wrong(error.to_string());
    let probe: Probe = serde_json::from_slice(bytes).map_err(place)?;
    match probe.format.as_deref() {
        Some(FORMAT) => {}
        Some(format) if format.strip_prefix(FORMAT_FAMILY).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 1) => {
            return Err(PlanFileError::Newer { path: path.to_owned(), format: format.to_owned() });
        }
        Some(format) => return Err(wrong(format!("`{format}` is not the format {FORMAT}"))),
        None => return Err(wrong(format!("it does not say its format; a plan says {FORMAT}"))),
    }
    let wire: wire::Plan = serde_json::from_slice(bytes).map_err(place)?;
    let written_id = wire.id.clone();
    let plan: Plan = wire.try_into().map_err(wrong)?;
    let found = encode_plan(plan).map_err(wrong)?;
    if found.bytes == bytes {
        return Ok(found);
    }
    let message = if written_id == found.plan.id {
        "it is not in canonical form".to_owned()
    } else {
        format!("its id is `{written_id}`, and that of its contents is `{}`", found.plan.id)
    };
    let at = found.bytes.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.split(|byte| *byte == b'\n').count();
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1) + 1;
    Err(PlanFileError::Changed { path: path.to_owned(), line, column, message })
}

/// Reads a plan from its file.
///
/// # Errors
/// [`PlanFileError`].
pub fn read_plan(path: &Path) -> Result<PlanFile, PlanFileError> {
    let io = |source| PlanFileError::Io { path: path.to_owned(), action: "read", source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(PLAN_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > PLAN_BYTES_MAX {
        let size = std::fs::metadata(path).map_or(bytes.len() as u64, |metadata| metadata.len());
        return Err(PlanFileError::TooLarge { path: path.to_owned(), size });
    }
    decode_plan(&bytes, path)
}

/// Writes a plan whole or not at all: beside its place, fsync, rename, fsync of the folder. Private to its owner (0600).
///
/// # Errors
/// [`PlanFileError`].
pub fn write_plan(file: &PlanFile, path: &Path) -> Result<(), PlanFileError> {
    write_private(path, &file.bytes).map_err(|source| PlanFileError::Io { path: path.to_owned(), action: "write", source })
}

/// Writes a private file whole or not at all.
pub(in crate::sources) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // Temporary files are made with mode 0600, which stays when they are renamed.
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests;

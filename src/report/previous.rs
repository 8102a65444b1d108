//! A result that was written before, as far as a later scan takes over from it. Format `tenet.result/v1`.
//!
//! Reasons, messages and counts are left aside: they are made again. A verdict is believed as it stands in the file.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use thiserror::Error;

/// Why a file is no result.
#[derive(Debug, Error)]
pub enum PreviousError {
    /// It cannot be read as one.
    #[error("this is no result of `tenet scan --format json`: {0}")]
    Misfit(#[from] serde_json::Error),
    /// It is of another format.
    #[error("this is of the format `{0}`, and only tenet.result/v1 is read")]
    Format(String),
}

/// A result.
#[derive(Debug, Clone, Deserialize)]
pub struct PreviousResult {
    format: String,
    /// Which program, policies, snapshot and registers.
    pub run: PreviousRun,
    /// The instant of the run.
    pub now: String,
    /// Every verdict.
    pub findings: Vec<PreviousFinding>,
}

/// What identifies the run.
#[derive(Debug, Clone, Deserialize)]
pub struct PreviousRun {
    /// The program's version.
    pub tool_version: String,
    /// sha256 of the snapshot's manifest.
    pub snapshot_digest: Option<String>,
    /// sha256 over the registers.
    #[serde(default)]
    pub registers_digest: Option<String>,
    /// By `PACK|RULE` the digest of the rule; none in results of older programs, which nothing is taken over from.
    #[serde(default)]
    pub rule_digests: BTreeMap<String, String>,
}

/// One verdict.
#[derive(Debug, Clone, Deserialize)]
pub struct PreviousFinding {
    /// The rule.
    pub rule: String,
    /// The pack.
    pub pack: Option<String>,
    /// The requirement; none if it is about whether the rule applies.
    pub requirement: Option<String>,
    /// The subject; none for subjects that nobody has seen.
    pub subject: Option<PreviousSubject>,
    /// The verdict before waivers.
    pub verdict: String,
    /// The instant by which it must hold.
    pub due: Option<String>,
}

/// An entity.
#[derive(Debug, Clone, Deserialize)]
pub struct PreviousSubject {
    /// Its type.
    #[serde(rename = "type")]
    pub entity: String,
    /// Its key.
    pub id: String,
}

/// Reads a result.
///
/// # Errors
/// [`PreviousError`].
pub fn read_previous(input: impl Read) -> Result<PreviousResult, PreviousError> {
    let result: PreviousResult = serde_json::from_reader(input)?;
    if result.format == "tenet.result/v1" { Ok(result) } else { Err(PreviousError::Format(result.format)) }
}

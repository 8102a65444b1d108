//! Evidence: a result with everything it rests on, signed, so that a third party can make it again.

mod gather;
mod sign;
mod verify;

pub(super) use sign::{Sign, run as sign};
pub(super) use verify::{Unpacked, Verify, run as verify, signers};

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::args::{Global, Scan, Selection};
use super::exit::Failure;
use super::scan::with_report;
use crate::model::parse_instant;
use crate::report::{Asked, ResultDocument, write_result};

/// The result in a bundle.
const RESULT: &str = "result.json";
/// The result of the audit before, in a bundle.
const BASELINE: &str = "baseline.json";

/// Returns the instant of a result.
pub(super) fn instant_of(head: &ResultDocument) -> anyhow::Result<Timestamp> {
    let now = parse_instant(&head.now).ok().flatten();
    now.ok_or_else(|| Failure::usage(format!("the result says `{}` for when it was made, which is no time", head.now)).into())
}

/// Asks for the same scan once more, over a snapshot in a folder.
pub(super) fn scan_of(asked: &Asked, snapshot: PathBuf, baseline: Option<PathBuf>) -> Scan {
    let paths = |paths: &[String]| paths.iter().map(PathBuf::from).collect();
    Scan {
        selection: Selection {
            snapshot: Some(snapshot),
            policies: paths(&asked.policies),
            register: asked.registers.clone(),
            param: asked.parameters.clone(),
            pack: asked.packs.clone(),
            no_index: true,
            index: false,
        },
        rule: asked.rules.clone(),
        tag: asked.tags.clone(),
        severity: asked.severity.clone(),
        subject: asked.subject.clone(),
        fail_on: asked.fail_on.clone(),
        strict: asked.strict,
        max_age: None,
        no_waivers: asked.no_waivers,
        baseline,
        pseudonymise: None,
        previous: None,
        previous_snapshot: None,
        format: Vec::new(),
    }
}

/// Scans, and returns the sha256 of the result. The result itself is kept nowhere.
fn evaluate_again(global: &Global, root: Option<&Path>, now: Timestamp, scan: &Scan) -> anyhow::Result<String> {
    let directory = root.map(Path::to_owned).or_else(|| global.directory.clone());
    let config = if root.is_some() { None } else { global.config.clone() };
    let inside = Global { directory, config, now: Some(now), quiet: true, ..global.clone() };
    let mut digest = Hashing(Sha256::new());
    with_report(&inside, scan, &mut |report, _, _| Ok(write_result(report, &mut digest)?))?;
    Ok(digest.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Digests what is written.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! `--baseline`: the result of the last audit.

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::exit::Failure;
use super::formats;
use crate::report::{Fresh, Ledger, Report};

/// A saved result, that of the last audit.
pub(super) struct Baseline {
    path: PathBuf,
    /// Its sha256.
    pub(super) digest: String,
}

impl Baseline {
    /// Digests a result.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let digest = File::open(path).and_then(digest_of).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), digest })
    }

    /// Carries its history on in a new report; counts what is new.
    pub(super) fn carry_on(&self, report: &mut Report<'_>) -> anyhow::Result<Fresh> {
        let saved = formats::open(&self.path)?;
        let ledger = Ledger::of(&saved, &report.renamed())?;
        Ok(report.continue_from(&ledger))
    }
}

/// Returns the sha256 of what can be read, as hexadecimal digits.
pub(super) fn digest_of(mut input: impl std::io::Read) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = input.read(&mut buffer)?;
        if n == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(buffer.get(..n).unwrap_or(&[]));
    }
}

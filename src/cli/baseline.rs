//! `--baseline`: the result of the last audit.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::exit::Failure;
use crate::report::{Fresh, Ledger, PreviousResult, Report, read_previous};

/// A saved result larger than this is not read.
const RESULT_BYTES_MAX: u64 = 4 << 30;

/// A saved result.
pub(super) struct Baseline {
    pub(super) result: PreviousResult,
    /// Its sha256.
    pub(super) digest: String,
}

impl Baseline {
    /// Reads a result.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(|error| wrong(&error))?;
        let bytes = file.metadata().map_err(|error| wrong(&error))?.len();
        if bytes > RESULT_BYTES_MAX {
            return Err(wrong(&format!("it has {bytes} bytes; at most {RESULT_BYTES_MAX} are read")).into());
        }
        let digest = digest_of(file.by_ref().take(RESULT_BYTES_MAX)).map_err(|error| wrong(&error))?;
        file.rewind().map_err(|error| wrong(&error))?;
        let input = std::io::BufReader::new(file.take(RESULT_BYTES_MAX));
        let result = read_previous(input).map_err(|error| wrong(&error))?;
        Ok(Self { result, digest })
    }

    /// Carries its history on in a new report; counts what is new.
    pub(super) fn carry_on(self, report: &mut Report<'_>) -> Fresh {
        let ledger = Ledger::of(self.result, &report.renamed());
        report.continue_from(&ledger)
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

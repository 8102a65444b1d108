//! A result to compare: a file, or a bundle with all its inputs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::args::Global;
use crate::cli::evidence::{Unpacked, instant_of, scan_of, signers};
use crate::cli::exit::Failure;
use crate::cli::formats;
use crate::cli::mix::Side;
use crate::report::{Ledger, ResultSource as _};

pub(super) struct Input {
    result: PathBuf,
    bundle: Option<Unpacked>,
}

impl Input {
    /// Opens a result, or a bundle whose signature counts. A result is JSON and begins with a brace.
    pub(super) fn open(global: &Global, path: &Path, allowed: Option<&Path>) -> anyhow::Result<Self> {
        let mut first = [0];
        let read = File::open(path).and_then(|mut file| file.read(&mut first));
        read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        if first == *b"{" {
            return Ok(Self { result: path.to_owned(), bundle: None });
        }
        let now = global.now.unwrap_or_else(jiff::Timestamp::now);
        let unpacked = Unpacked::open(path, &signers(global, allowed)?, now)?;
        Ok(Self { result: unpacked.result(), bundle: Some(unpacked) })
    }

    pub(super) fn ledger(&self, renamed: &BTreeMap<String, String>) -> anyhow::Result<Ledger> {
        let saved = formats::open(&self.result)?;
        Ok(Ledger::of(&saved, renamed)?)
    }

    /// Returns the inputs of the result, if they are at hand.
    pub(super) fn side(&self) -> anyhow::Result<Option<Side>> {
        let Some(bundle) = &self.bundle else { return Ok(None) };
        let saved = formats::open(&self.result)?;
        let head = saved.head();
        let scan = scan_of(&head.run.asked, bundle.snapshot()?, bundle.baseline());
        Ok(Some(Side { root: bundle.root(), config: None, scan, now: instant_of(head)? }))
    }
}

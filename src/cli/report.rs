//! `tenet report`: reports of a saved result, the same bytes as those of its scan.

use super::args::{Global, Report, Selection};
use super::load::Loaded;
use super::repo::{self, Repo};
use super::{Exit, formats, output};
use crate::report::{Format, ResultDocument, ResultSource as _};
use crate::sources::disk::read_manifest;

pub(super) fn run(global: &Global, args: &Report) -> anyhow::Result<Exit> {
    let outputs = formats::outputs(&args.format)?;
    let result = formats::open(&args.result)?;
    let pictures = outputs.iter().any(|output| output.format == Format::Html);
    let loaded = if pictures { of_result(global, result.head())? } else { None };
    formats::write_saved(global, &result, &outputs, loaded.as_ref())?;
    Ok(Exit::Ok)
}

/// Finds the snapshot a result was made from, which pictures are made of; nothing, with a note, if it is not at hand as it was.
fn of_result(global: &Global, result: &ResultDocument) -> anyhow::Result<Option<Loaded>> {
    let repo = repo::open(global)?;
    let without = |why: &str| {
        output::say(global, &format!("note: the page goes without pictures: {why}"));
        Ok(None)
    };
    let digest = result.run.snapshot_digest.as_deref();
    let Some(folder) = digest.and_then(|digest| with_digest(&repo, digest)) else {
        return without("the snapshot of the result is not in the snapshot folder");
    };
    let Ok(compiled) = repo.policy_files(&[]).and_then(|files| repo.compile(global, &files)) else {
        return without("the policies of the repo cannot be used");
    };
    let loaded = repo.snapshot(global, &compiled, &Selection { snapshot: Some(folder), ..Selection::default() })?;
    loaded.check()?;
    if loaded.registers_digest != result.run.registers_digest {
        return without("the registers have changed since");
    }
    Ok(Some(loaded))
}

fn with_digest(repo: &Repo, digest: &str) -> Option<std::path::PathBuf> {
    let is_it = |folder: &std::path::PathBuf| {
        read_manifest(folder).ok().and_then(|manifest| manifest.digest().ok()).is_some_and(|found| found == digest)
    };
    repo.snapshots().into_iter().find(is_it)
}

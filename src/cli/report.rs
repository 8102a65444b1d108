//! `tenet report`: reports of a saved result, the same bytes as those of its scan.

use anyhow::Context as _;

use super::args::{Global, Report, Selection};
use super::exit::Failure;
use super::load::Loaded;
use super::repo::{self, Repo};
use super::{Exit, formats, output, pseudonyms};
use crate::Compiled;
use crate::report::{Format, Pseudonymised, ResultDocument, ResultSource as _};
use crate::sources::disk::read_manifest;

pub(super) fn run(global: &Global, args: &Report) -> anyhow::Result<Exit> {
    let outputs = formats::outputs(&args.format)?;
    let result = formats::open(&args.result)?;
    if let Some(key) = &args.pseudonymise {
        // What is a name is known from the snapshot alone: a text of the result may hold any of them.
        let (loaded, compiled) = of_result(global, result.head())?
            .map_err(|why| Failure::usage(format!("--pseudonymise: {why}, so the names in the result are not known")))?;
        let pseudonyms = pseudonyms::open(Some(key), &compiled.policies, &loaded.snapshot)?.context("--pseudonymise: there is no key")?;
        loaded.check()?;
        formats::write_saved(global, &Pseudonymised::new(&result, &pseudonyms), &outputs, None)?;
        return Ok(Exit::Ok);
    }
    let pictures = outputs.iter().any(|output| output.format == Format::Html);
    let loaded = if pictures { for_pictures(global, result.head())? } else { None };
    formats::write_saved(global, &result, &outputs, loaded.as_ref())?;
    Ok(Exit::Ok)
}

/// Finds the snapshot for pictures; nothing, with a note, if it is not at hand.
fn for_pictures(global: &Global, result: &ResultDocument) -> anyhow::Result<Option<Loaded>> {
    match of_result(global, result)? {
        Ok((loaded, _)) => Ok(Some(loaded)),
        Err(why) => {
            output::say(global, &format!("note: the page goes without pictures: {why}"));
            Ok(None)
        }
    }
}

/// Finds the snapshot a result was made from, as it was, or says why it is not at hand.
fn of_result(global: &Global, result: &ResultDocument) -> anyhow::Result<Result<(Loaded, Compiled), &'static str>> {
    let repo = repo::open(global)?;
    let digest = result.run.snapshot_digest.as_deref();
    let Some(folder) = digest.and_then(|digest| with_digest(&repo, digest)) else {
        return Ok(Err("the snapshot of the result is not in the snapshot folder"));
    };
    let Ok(compiled) = repo.policy_files(&[]).and_then(|files| repo.compile(global, &files)) else {
        return Ok(Err("the policies of the repo cannot be used"));
    };
    let loaded = repo.snapshot(global, &compiled, &Selection { snapshot: Some(folder), ..Selection::default() })?;
    loaded.check()?;
    if loaded.registers_digest != result.run.registers_digest {
        return Ok(Err("the registers have changed since"));
    }
    Ok(Ok((loaded, compiled)))
}

fn with_digest(repo: &Repo, digest: &str) -> Option<std::path::PathBuf> {
    let is_it = |folder: &std::path::PathBuf| {
        read_manifest(folder).ok().and_then(|manifest| manifest.digest().ok()).is_some_and(|found| found == digest)
    };
    repo.snapshots().into_iter().find(is_it)
}

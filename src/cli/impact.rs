//! `tenet impact`: which findings change if this branch lands.
//!
//! Both versions of the policies judge the same snapshot with the same registers. Waivers come from the base, so that a change cannot
//! excuse itself.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use super::args::{Global, Selection};
use super::diff::{DiffFormat, renamed, write};
use super::exit::Failure;
use super::mix::{Mix, Side};
use super::repo::Repo;
use super::{Exit, demo, output, repo};
use crate::report::{Class, compare, plain};

/// The most files of a ref.
const FILES_MAX: usize = 100_000;
/// The largest archive of a ref.
const ARCHIVE_BYTES_MAX: u64 = 1 << 30;

/// Arguments of `tenet impact`.
#[derive(Debug, Args)]
pub(super) struct Impact {
    /// The git ref to compare with, such as origin/main
    #[arg(long, value_name = "REF")]
    from: String,
    /// The snapshot; the latest in the snapshot folder without
    #[arg(long, env = "TENET_SNAPSHOT")]
    snapshot: Option<PathBuf>,
    /// Set a parameter, on both sides
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t = DiffFormat::Table)]
    format: DiffFormat,
    /// The file to write, in place of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Fail if more findings than this get worse: new, reopened or lapsed ones
    #[arg(long, value_name = "N")]
    max_worse: Option<usize>,
}

pub(super) fn run(global: &Global, args: &Impact) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let snapshot = std::path::absolute(repo.snapshot_path(args.snapshot.as_deref())?)?;
    let folder = tempfile::tempdir()?;
    check_out(&repo.root, &args.from, folder.path())?;
    let config = match &global.config {
        None => None,
        Some(path) => Some(folder.path().join(inside(&repo.root, path)?)),
    };
    let selection = Selection { snapshot: Some(snapshot), param: args.param.clone(), no_index: true, ..Selection::default() };
    let scan = demo::scanning(selection, Vec::new());
    let now = now(global, &repo, &scan.selection)?;
    let base = Side { root: folder.path().to_owned(), config, scan: scan.clone(), now };
    let head = Side { root: repo.root.clone(), config: global.config.clone(), scan, now };
    let work = output::Work::begin(global, "comparing");
    let new = Mix { policy: &head, data: &base, waiver: &base, now }.ledger(global, &BTreeMap::new())?;
    let renamed = renamed(&new);
    let old = Mix { policy: &base, data: &base, waiver: &base, now }.ledger(global, &renamed)?;
    drop(work);
    let comparison = compare(&old, &new, &renamed);
    write(args.format, args.output.as_deref(), &format!("What changes against {}", plain(&args.from)), &comparison)?;
    let lost = comparison.changes.iter().filter(|change| change.class == Class::NoLongerEvaluated).count();
    if lost > 0 {
        output::say(global, &format!("note: {} would no longer be evaluated", output::counted(lost, "finding")));
    }
    Ok(match args.max_worse {
        Some(limit) if comparison.worse() > limit => Exit::Findings,
        _ => Exit::Ok,
    })
}

fn now(global: &Global, repo: &Repo, selection: &Selection) -> anyhow::Result<jiff::Timestamp> {
    if let Some(now) = global.now {
        return Ok(now);
    }
    let path = repo.snapshot_path(selection.snapshot.as_deref())?;
    let manifest = crate::sources::disk::read_manifest(&path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let captured = manifest.captured_to.as_deref().and_then(|text| crate::model::parse_instant(text).ok().flatten());
    captured.ok_or_else(|| Failure::usage("the snapshot does not say when it was taken; give --now").into())
}

/// Returns where the configuration stands in the repo.
fn inside(root: &Path, config: &Path) -> anyhow::Result<PathBuf> {
    let found = std::path::absolute(config)?.strip_prefix(std::path::absolute(root)?).map(Path::to_owned);
    found.map_err(|_| Failure::usage(format!("{}: it is not in the governance repo, so the base has none", config.display())).into())
}

/// Puts the files of a ref into a folder, as `git archive` gives them. Links are left out: no policy is one.
fn check_out(root: &Path, reference: &str, folder: &Path) -> anyhow::Result<()> {
    if reference.starts_with('-') {
        return Err(Failure::usage(format!("--from {reference}: this is no ref of git")).into());
    }
    let git = |error: &dyn std::fmt::Display| Failure::usage(format!("git archive {}: {error}", plain(reference)));
    let mut child = Command::new("git")
        .current_dir(root)
        .args(["archive", "--format=tar", reference])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| git(&error))?;
    let stdout = child.stdout.take().ok_or_else(|| git(&"it gives nothing"))?;
    let unpacked = unpack(stdout.take(ARCHIVE_BYTES_MAX), folder);
    let output = child.wait_with_output().map_err(|error| git(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(git(&plain(said.lines().next_back().unwrap_or("it failed"))).into());
    }
    unpacked.map_err(|error| git(&error).into())
}

fn unpack(input: impl std::io::Read, folder: &Path) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(input);
    for (at, entry) in archive.entries()?.enumerate() {
        anyhow::ensure!(at < FILES_MAX, "more than {FILES_MAX} files");
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if entry.header().entry_type() != tar::EntryType::Regular || !is_plain {
            continue;
        }
        let target = folder.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::io::copy(&mut entry, &mut std::fs::File::create(target)?)?;
    }
    Ok(())
}

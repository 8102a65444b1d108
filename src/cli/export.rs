//! `tenet export`: a snapshot as tables.

use super::Exit;
use super::args::{Export, ExportKind, Global};
use super::exit::Failure;
use super::{load, output, repo};
use crate::sources::disk::export_jsonl;

pub(super) fn run(global: &Global, args: &Export) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&[])?;
    let compiled = repo.compile(global, &files)?;
    let path = repo.snapshot_path(args.snapshot.as_deref())?;
    let (builder, _) = load::read(&compiled.policies.schema, &path)?;
    let ExportKind::Tables = args.kind;
    let written =
        export_jsonl(&compiled.policies.schema, &builder.records(), &args.output).map_err(|error| Failure::usage(error.to_string()))?;
    output::say(global, &format!("{}: {} tables", args.output.display(), written.len()));
    Ok(Exit::Ok)
}

//! `tenet export`: a snapshot as tables.

use super::Exit;
use super::args::{Export, ExportKind, Global, Selection};
use super::exit::Failure;
use super::{load, output, pseudonyms, repo};
use crate::sources::disk::export_jsonl;

pub(super) fn run(global: &Global, args: &Export) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&[])?;
    let compiled = repo.compile(global, &files)?;
    let path = repo.snapshot_path(args.snapshot.as_deref())?;
    let (builder, _) = load::read(&compiled.policies.schema, &path)?;
    let ExportKind::Tables = args.kind;
    let schema = &compiled.policies.schema;
    let records = builder.records();
    if args.pseudonymise.is_none() {
        let written = export_jsonl(schema, &records, &args.output).map_err(|error| Failure::usage(error.to_string()))?;
        output::say(global, &format!("{}: {} tables", args.output.display(), written.len()));
        return Ok(Exit::Ok);
    }
    // Registers name people, too, so their names are secret as well.
    let loaded = repo.snapshot(global, &compiled, &Selection { snapshot: Some(path), no_index: true, ..Selection::default() })?;
    let Some(pseudonyms) = pseudonyms::open(args.pseudonymise.as_deref(), &compiled.policies, &loaded.snapshot)? else {
        return Err(Failure::usage("--pseudonymise: give the file of the key").into());
    };
    let scratch = tempfile::tempdir()?;
    let written = export_jsonl(schema, &records, scratch.path()).map_err(|error| Failure::usage(error.to_string()))?;
    pseudonyms::tables(&pseudonyms, scratch.path(), &args.output)?;
    if let Some(map) = &args.pseudonym_map {
        output::write_file(map, &format!("{}\n", serde_json::to_string_pretty(&pseudonyms.table())?))?;
    }
    output::say(global, &format!("{}: {} tables", args.output.display(), written.len()));
    Ok(Exit::Ok)
}

//! `tenet import`: a snapshot from files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::Exit;
use super::args::{Global, Import, ImportKind};
use super::earlier::Earlier;
use super::exit::Failure;
use super::{output, repo};
use crate::model::Schema;
use crate::report::plain;
use crate::snapshot::SnapshotBuilder;
use crate::snapshot::columns::Columns;
use crate::sources::disk::{DiskError, IndexKey, IndexWriter, import_jsonl, write_columns, write_snapshot};
use crate::sources::import::{CompleteClaim, FileReport, ImportOptions, import_arm, import_az, import_azurehound};
use crate::sources::tables::{Imported, TablesError, TablesOptions, import_tables};

pub(super) fn run(global: &Global, args: &Import) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&[])?;
    let compiled = repo.compile(global, &files)?;
    let schema = std::sync::Arc::clone(&compiled.policies.schema);
    let mut complete = Vec::new();
    for claim in &args.complete {
        complete.push(claim.parse::<CompleteClaim>().map_err(|error| Failure::usage(format!("--complete: {error}")))?);
    }
    let tenant = args.tenant.clone().or_else(|| repo.config.tenant.as_ref().map(|tenant| tenant.value.clone()));
    let options = ImportOptions {
        complete,
        captured_at: args.captured_at,
        tenant,
        skip_unreadable: args.skip_unreadable,
        earlier: args.previous.is_some(),
    };
    if args.mapping.is_some() && args.kind != ImportKind::Tables {
        return Err(Failure::usage("--mapping goes with `tenet import tables`").into());
    }
    if let Some(mapping) = &args.mapping {
        if !options.complete.is_empty() || options.skip_unreadable {
            return Err(Failure::usage("with --mapping, what is complete stands in the mapping, and no file is passed over").into());
        }
        if args.previous.is_some() {
            let way_out = "import without it, export the snapshot as tables, and import those with --previous";
            return Err(Failure::usage(format!("--previous does not go with --mapping: {way_out}")).into());
        }
        return by_mapping(global, args, &schema, mapping, options.tenant);
    }
    let work = output::Work::begin(global, "importing");
    let mut phases = Phases::new(global);
    phases.begin("reading");
    let failed = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let (mut builder, reports) = if args.kind == ImportKind::Tables {
        (import_jsonl(&schema, &args.paths).map_err(|error| failed(&error))?, Vec::new())
    } else {
        let mut builder = SnapshotBuilder::new(schema.clone());
        let reports = match args.kind {
            ImportKind::Az => import_az(&mut builder, &args.paths, &options),
            ImportKind::Azurehound => import_azurehound(&mut builder, &args.paths, &options),
            ImportKind::Arm | ImportKind::Tables => import_arm(&mut builder, &args.paths, &options),
        }
        .map_err(|error| failed(&error))?;
        (builder, reports)
    };
    if builder.meta_mut().captured_to.is_none() {
        let stand_in = args.captured_at.unwrap_or_else(jiff::Timestamp::now);
        builder.captured_at(stand_in);
        if args.captured_at.is_none() {
            builder.problem(STAND_IN);
        }
    }
    let problems = write_records(args, builder, &mut phases)?;
    drop(work);
    phases.end();
    tell(global, args, &reports, &problems)
}

const STAND_IN: &str = "the files do not say when they were read; the time of import stands in for it";

/// What a snapshot notes of itself, and how many entities it has.
struct Written {
    problems: Vec<String>,
    n_entities: u64,
}

/// Imports tables of another tool.
fn by_mapping(
    global: &Global,
    args: &Import,
    schema: &std::sync::Arc<Schema>,
    mapping: &Path,
    tenant: Option<String>,
) -> anyhow::Result<Exit> {
    let work = output::Work::begin(global, "importing tables");
    let mut phases = Phases::new(global);
    let stand_in = Some((jiff::Timestamp::now(), STAND_IN.to_owned()));
    let options = TablesOptions { captured_at: args.captured_at, tenant, stand_in, row_by_row: false };
    let imported = match import_tables(schema, &args.paths, mapping, &options, &mut |name| phases.begin(name)) {
        Ok(imported) => imported,
        Err(TablesError::Mapping { sources, diagnostics }) => {
            drop(work);
            output::diagnostics(global, &sources, &diagnostics);
            let n_errors = output::counted(diagnostics.len(), "error");
            return Err(Failure::usage(format!("{}: {n_errors}; nothing was imported", mapping.display())).into());
        }
        Err(error) => return Err(Failure::usage(error.to_string()).into()),
    };
    let (reports, written) = match imported {
        Imported::Columns(columns, reports) => (reports, write_columnar(args, &columns, &mut phases)?),
        Imported::Facts { builder, reports, reason } => {
            if global.verbose > 0 {
                output::say(global, &format!("the rows are read one by one: {reason}"));
            }
            (reports, write_records(args, *builder, &mut phases)?)
        }
    };
    drop(work);
    phases.end();
    tell(global, args, &reports, &written)
}

fn write_columnar(args: &Import, columns: &Columns, phases: &mut Phases<'_>) -> anyhow::Result<Written> {
    make_parent(args)?;
    phases.begin("writing the snapshot and its index");
    let failed = |error: DiskError| Failure::usage(error.to_string());
    // The index waits beside the snapshot until that has its digest.
    let parent = args.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let index = || IndexWriter::create(columns.schema(), parent).and_then(|mut index| index.all(columns).map(|()| index));
    let (manifest, index) = rayon::join(|| write_columns(columns, &args.output, args.force), index);
    let (manifest, index) = (manifest.map_err(failed)?, index.map_err(failed)?);
    let key = IndexKey::new(columns.schema(), manifest.digest().map_err(failed)?, None);
    index.finish(&args.output, &key).map_err(failed)?;
    Ok(Written { problems: columns.meta().problems.clone(), n_entities: u64::from(columns.n()) })
}

fn write_records(args: &Import, builder: SnapshotBuilder, phases: &mut Phases<'_>) -> anyhow::Result<Written> {
    make_parent(args)?;
    let schema = std::sync::Arc::clone(builder.schema());
    phases.begin("putting facts in order");
    let mut records = builder.records();
    if let Some(path) = &args.previous {
        phases.begin("folding the earlier snapshot");
        records = Earlier::open(&schema, path)?.into_new(&schema, records)?;
    }
    phases.begin("writing the snapshot");
    write_snapshot(&schema, &records, &args.output, args.force).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Written { problems: records.meta.problems, n_entities: records.entities.len() as u64 })
}

fn make_parent(args: &Import) -> anyhow::Result<()> {
    match args.output.parent() {
        Some(parent) => std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display())),
        None => Ok(()),
    }
}

fn tell(global: &Global, args: &Import, reports: &[FileReport], written: &Written) -> anyhow::Result<Exit> {
    if !global.quiet {
        output::print(&report(reports))?;
    }
    output::say(global, &format!("{}: {} entities", args.output.display(), written.n_entities));
    for problem in &written.problems {
        output::say(global, &format!("note: {}", plain(problem)));
    }
    Ok(Exit::Ok)
}

/// Says with `--verbose` how long each phase took.
struct Phases<'g> {
    global: &'g Global,
    current: Option<(String, std::time::Instant)>,
}

impl<'g> Phases<'g> {
    fn new(global: &'g Global) -> Self {
        Self { global, current: None }
    }

    fn begin(&mut self, name: &str) {
        self.end();
        self.current = Some((name.to_owned(), std::time::Instant::now()));
    }

    fn end(&mut self) {
        if let Some((name, begun)) = self.current.take()
            && self.global.verbose > 0
        {
            output::say(self.global, &format!("{name}: {:.3} s", begun.elapsed().as_secs_f64()));
        }
    }
}

/// Says of each file what was taken, what was skipped and why.
fn report(reports: &[FileReport]) -> String {
    let mut text = String::new();
    for file in reports {
        let taken: Vec<String> = file.taken.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let taken = if taken.is_empty() { "nothing taken".to_owned() } else { format!("took {}", taken.join(", ")) };
        let _ = writeln!(text, "{}: {taken}", plain(&file.file));
        for (what, n, why) in &file.skipped {
            let _ = writeln!(text, "    skipped {n} {}: {}", plain(what), plain(why));
        }
        for note in &file.notes {
            let _ = writeln!(text, "    note: {}", plain(note));
        }
    }
    text
}

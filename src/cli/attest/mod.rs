//! `tenet attest`: facts that somebody vouches for.
//!
//! Whether an attestation may still be relied on is decided by [`Attestation::is_overdue`] alone.
//!
//! [`Attestation::is_overdue`]: crate::model::Attestation::is_overdue

mod add;
mod args;
mod worklist;

pub(super) use args::Attest;

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::args::Global;
use super::exit::Failure;
use super::repo::{self, Repo};
use super::{Exit, output};
use crate::Compiled;
use crate::model::{Attestation, FactSource, SourceKind, format_instant, parse_duration};
use crate::report::{plain, plain_json};
use crate::snapshot::{Snapshot, SnapshotBuilder};
use crate::sources::register::load_register_file;
use crate::text::SourceSet;
use args::{Due, List, What};

pub(super) fn run(global: &Global, args: &Attest) -> anyhow::Result<Exit> {
    match &args.what {
        What::Add(args) => add::run(global, args),
        What::List(args) => list(global, args),
        What::Due(args) => due(global, args),
        What::Worklist(args) => worklist::run(global, args),
    }
}

/// Reads the registers alone, and returns who vouches for their rows.
fn vouched(global: &Global, repo: &Repo, compiled: &Compiled) -> anyhow::Result<Vec<FactSource>> {
    let mut builder = SnapshotBuilder::new(Arc::clone(&compiled.policies.schema));
    let mut sources = SourceSet::default();
    let mut found = Vec::new();
    for declaration in &repo.config.registers {
        found.extend(load_register_file(&mut builder, declaration, &repo.root, &mut sources));
    }
    output::diagnostics(global, &sources, &found);
    if found.iter().any(crate::text::Diagnostic::is_error) {
        return Err(Failure::usage("the registers have errors").into());
    }
    let snapshot = Snapshot::freeze(Arc::clone(&compiled.policies.schema), builder.records());
    let rows = snapshot.sources().iter().filter(|source| source.kind == SourceKind::Register && source.attestation.is_some());
    Ok(rows.cloned().collect())
}

fn state(attestation: &Attestation, now: Timestamp, within: i64) -> &'static str {
    let soon = now.as_second().saturating_add(within);
    match attestation.review_due_at {
        _ if attestation.is_overdue(now) => "overdue",
        Some(due) if due.as_second() < soon => "due",
        Some(_) => "in force",
        None => "in force, without an end",
    }
}

const DAY: i64 = 86_400;

fn list(global: &Global, args: &List) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let now = global.now.unwrap_or_else(Timestamp::now);
    let rows = vouched(global, &repo, &compiled)?;
    let mut text = String::new();
    let mut document = Vec::new();
    for (source, attestation) in rows.iter().filter_map(|source| Some((source, source.attestation.as_ref()?))) {
        let state = state(attestation, now, 30 * DAY);
        line(source, attestation, state, &mut text);
        document.push(json!({
            "register": source.name, "place": source.location, "id": attestation.id, "state": state,
            "attested_by": attestation.attested_by, "attested_at": attestation.attested_at.map(format_instant),
            "review_due_at": attestation.review_due_at.map(format_instant),
            "evidence_file": attestation.evidence_file, "evidence_sha256": attestation.evidence_hash,
        }));
    }
    if args.json {
        let document = json!({ "format": "tenet.attestations/v1", "now": format_instant(now), "attestations": document });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let _ = writeln!(text, "{} as of {}", output::counted(rows.len(), "attestation"), format_instant(now));
    output::print(&text)?;
    Ok(Exit::Ok)
}

fn line(source: &FactSource, attestation: &Attestation, state: &str, text: &mut String) {
    let until = attestation.review_due_at.map_or_else(String::new, |due| format!(", review due {}", format_instant(due)));
    let evidence = match (&attestation.evidence_file, &attestation.evidence_hash) {
        (Some(file), Some(_)) => format!(", evidence {}", plain(file)),
        (Some(file), None) => format!(", evidence {} without a digest", plain(file)),
        _ => ", no evidence".to_owned(),
    };
    let _ = writeln!(text, "{} {state}: by {}{until}{evidence}", plain(&source.display()), plain(&attestation.attested_by));
}

fn due(global: &Global, args: &Due) -> anyhow::Result<Exit> {
    let within = parse_duration(&args.within).map_err(|error| Failure::usage(format!("--within: {error}")))?;
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let has_snapshot = args.selection.snapshot.is_some() || !repo.snapshots().is_empty();
    let (now, contradictions) = if has_snapshot {
        let loaded = repo.snapshot(global, &compiled, &args.selection)?;
        let problems = loaded.snapshot.meta().problems.clone();
        let found: Vec<String> = problems.into_iter().filter(|problem| problem.contains("contradicts a reading")).collect();
        loaded.check()?;
        (loaded.now(global)?, found)
    } else {
        (global.now.unwrap_or_else(Timestamp::now), Vec::new())
    };
    let mut text = String::new();
    let (mut n_overdue, mut n_due) = (0, 0);
    for source in vouched(global, &repo, &compiled)? {
        let Some(attestation) = &source.attestation else { continue };
        let state = state(attestation, now, within);
        n_overdue += usize::from(state == "overdue");
        n_due += usize::from(state == "due");
        if matches!(state, "overdue" | "due") {
            line(&source, attestation, state, &mut text);
        }
    }
    for problem in &contradictions {
        let _ = writeln!(text, "contradicted: {}", plain(problem));
    }
    let n = contradictions.len();
    let _ = writeln!(text, "as of {}: {n_overdue} overdue, {n_due} due within {}, {n} contradicted", format_instant(now), args.within);
    output::print(&text)?;
    Ok(if n_overdue + n > 0 { Exit::Findings } else { Exit::Ok })
}

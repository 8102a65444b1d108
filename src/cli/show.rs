//! `tenet show`: what is in one of our files, and what is missing from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Exit;
use super::args::{Global, Show};
use super::exit::Failure;
use super::{load, output, repo};
use crate::model::EntityId;
use crate::report::{plain, plain_json};
use crate::snapshot::Snapshot;
use crate::sources::disk::{DiskError, read_answer, read_manifest};

pub(super) fn run(global: &Global, args: &Show) -> anyhow::Result<Exit> {
    if args.file.is_dir() {
        return snapshot(global, args);
    }
    if super::show_plan::is_journal(&args.file) {
        return super::show_plan::journal(args);
    }
    if let Some(plan) = super::show_plan::approved_plan(&args.file) {
        return super::show_plan::approval(global, args, &plan);
    }
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}:{}:{}: not a file of ours: {error}", args.file.display(), error.line(), error.column()))
    })?;
    match document.get("format").and_then(Value::as_str) {
        Some("tenet.result/v1") => result(args, &document),
        // A plan of another version says so itself.
        Some(format) if format.starts_with("tenet.plan/") => super::show_plan::plan(global, args),
        other => {
            let shown = other.map_or_else(|| "no format".to_owned(), |format| format!("the format `{}`", plain(format)));
            Err(Failure::usage(format!(
                "{}: it says {shown}; this version shows snapshots, results, plans and journals",
                args.file.display()
            ))
            .into())
        }
    }
}

/// Prints one recorded answer of a collected snapshot, once its file is found unaltered.
fn answer(args: &Show, place: &str) -> anyhow::Result<Exit> {
    let refused = |error: DiskError| {
        let exit = if error.is_tampering() { Exit::Evidence } else { Exit::Usage };
        Failure::new(exit, format!("{}: {error}", args.file.display()))
    };
    let manifest = read_manifest(&args.file).map_err(refused)?;
    let text = read_answer(&args.file, &manifest, place).map_err(refused)?;
    let exchange: Value = serde_json::from_str(&text)?;
    output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&exchange)?)))?;
    Ok(Exit::Ok)
}

fn snapshot(global: &Global, args: &Show) -> anyhow::Result<Exit> {
    if let Some(place) = &args.answer {
        return answer(args, place);
    }
    let repo = repo::open(global)?;
    let files = repo.policy_files(&[])?;
    let compiled = repo.compile(global, &files)?;
    let loaded = load::bare(&compiled.policies.schema, &args.file)?;
    let (snapshot, manifest) = (&loaded.snapshot, &loaded.manifest);
    let kinds = kinds(snapshot);
    let gaps = gaps(snapshot);
    loaded.check()?;
    if args.json {
        let gaps: Vec<Value> = gaps.iter().map(|((list, reason), n)| json!({ "list": list, "reason": reason, "entities": n })).collect();
        let document = json!({
            "format": "tenet.show/v1", "snapshot": name(&args.file), "digest": manifest.digest()?, "tenant": manifest.tenant,
            "captured_from": manifest.captured_from, "captured_to": manifest.captured_to, "entities": kinds, "open_lists": gaps,
            "problems": manifest.problems,
        });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let mut text = format!("snapshot {}\n", name(&args.file));
    let _ = writeln!(text, "tenant {}", plain(manifest.tenant.as_deref().unwrap_or("not known")));
    let unsaid = "not said";
    let (from, to) = (manifest.captured_from.as_deref().unwrap_or(unsaid), manifest.captured_to.as_deref().unwrap_or(unsaid));
    let _ = writeln!(text, "captured from {from} to {to}, by tenet {}", manifest.tool_version);
    let _ = writeln!(text, "digest {}\n\nWhat is in it:", manifest.digest()?);
    for (kind, n) in &kinds {
        let _ = writeln!(text, "  {n:>7} {kind}");
    }
    let _ = writeln!(text, "\nWhat is missing (lists that may lack members, and how many entities have them open):");
    for ((list, reason), n) in &gaps {
        let _ = writeln!(text, "  {list}: {} ({n})", plain(reason));
    }
    for problem in &snapshot.meta().problems {
        let _ = writeln!(text, "note: {}", plain(problem));
    }
    output::print(&text)?;
    Ok(Exit::Ok)
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn kinds(snapshot: &Snapshot) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    let ids = (0..u32::try_from(snapshot.len()).unwrap_or(u32::MAX)).map(EntityId);
    for ty in ids.filter_map(|id| snapshot.entity_type(id)) {
        *kinds.entry(snapshot.schema().entity_name(ty).to_owned()).or_insert(0) += 1;
    }
    kinds
}

/// Counts open lists by name and reason; lists that nobody tried to read are named with that reason.
fn gaps(snapshot: &Snapshot) -> BTreeMap<(String, String), usize> {
    let schema = snapshot.schema();
    let unread = || "not read".to_owned();
    let mut gaps = BTreeMap::new();
    for entity in schema.entities.iter().filter(|entity| !entity.is_abstract) {
        let completeness = snapshot.extent_completeness(entity.id);
        if !completeness.complete {
            *gaps.entry((format!("every {}", entity.name), completeness.reason.clone().unwrap_or_else(unread))).or_insert(0) += 1;
        }
        for id in snapshot.extent(entity.id) {
            for property in entity.properties.values().filter_map(|id| schema.property(*id)).filter(|property| property.ty.set) {
                let completeness = &snapshot.nav(id, property.id).completeness;
                if !completeness.complete {
                    let reason = completeness.reason.clone().unwrap_or_else(unread);
                    *gaps.entry((format!("{}.{}", entity.name, property.name), reason)).or_insert(0) += 1;
                }
            }
        }
    }
    gaps
}

fn result(args: &Show, document: &Value) -> anyhow::Result<Exit> {
    if args.json {
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(document)?)))?;
        return Ok(Exit::Ok);
    }
    let text = |pointer: &str| {
        document.pointer(pointer).map_or_else(|| "?".to_owned(), |value| value.as_str().map_or_else(|| value.to_string(), plain))
    };
    let mut out = format!("result of {}, tenant {}\n", text("/now"), text("/tenant"));
    let _ = writeln!(out, "policies {}\nsnapshot {}", text("/run/policies_digest"), text("/run/snapshot_digest"));
    for verdict in ["fail", "waived", "unknown", "pending", "pass", "not_applicable"] {
        let _ = writeln!(out, "  {:>7} {verdict}", text(&format!("/summary/verdicts/{verdict}")));
    }
    let _ = writeln!(
        out,
        "evaluated {} of {} verdicts of {} rules: {}",
        text("/summary/evaluated"),
        text("/summary/of"),
        text("/summary/rules"),
        text("/summary/outcome")
    );
    output::print(&out)?;
    Ok(Exit::Ok)
}

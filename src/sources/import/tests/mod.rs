//! Tests of import, from small files with invented ids to frozen snapshots.

mod completeness;
mod files;
mod history;
mod kinds;
mod tools;

use std::path::PathBuf;

use super::{FileReport, ImportError, ImportOptions, import_arm, import_az, import_azurehound};
use crate::check::core_schema;
use crate::model::{Completeness, EntityTypeId, PropertyId, Value};
use crate::snapshot::{CellState, Records, Snapshot, SnapshotBuilder};

const SUB: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
const TENANT: &str = "10000000-0000-0000-0000-000000000001";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

type Import = fn(&mut SnapshotBuilder, &[PathBuf], &ImportOptions) -> Result<Vec<FileReport>, ImportError>;

/// Imports files given as name and text, in this order.
fn records_of(import: Import, files: &[(&str, &str)], options: &ImportOptions) -> Result<(Records, Vec<FileReport>), ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        paths.push(path);
    }
    let mut builder = SnapshotBuilder::new(core_schema());
    let reports = import(&mut builder, &paths, options)?;
    Ok((builder.records(), reports))
}

fn arm(files: &[(&str, &str)], options: &ImportOptions) -> (Snapshot, Vec<FileReport>) {
    let (records, reports) = records_of(import_arm, files, options).unwrap();
    (Snapshot::freeze(core_schema(), records), reports)
}

fn complete(claims: &[&str]) -> ImportOptions {
    ImportOptions { complete: claims.iter().map(|claim| claim.parse().unwrap()).collect(), ..ImportOptions::default() }
}

fn property(snapshot: &Snapshot, ty: &str, name: &str) -> (EntityTypeId, PropertyId) {
    let ty = snapshot.schema().entity_named(ty).unwrap().id;
    (ty, snapshot.schema().property_named(ty, name).unwrap().id)
}

/// Shows one attribute: its value, `none` or `unknown: reason`.
fn cell(snapshot: &Snapshot, ty: &str, key: &str, name: &str) -> String {
    let (ty, property) = property(snapshot, ty, name);
    let id = snapshot.find(ty, key).unwrap_or_else(|| panic!("no {key}"));
    match &snapshot.cell(id, property).state {
        CellState::Known(Value::Entity(id)) => snapshot.key(*id).into_owned(),
        CellState::Known(value) => value.display(snapshot.schema()),
        CellState::None => "none".to_owned(),
        CellState::Unknown(reason) => format!("unknown: {}", reason.as_deref().unwrap_or("not read")),
    }
}

fn shown(completeness: &Completeness) -> String {
    if completeness.complete { "whole".to_owned() } else { format!("open: {}", completeness.reason.as_deref().unwrap_or("not read")) }
}

/// Shows one list: the last parts of its members' keys, and whether it is whole.
fn list(snapshot: &Snapshot, ty: &str, key: &str, name: &str) -> String {
    let (ty, property) = property(snapshot, ty, name);
    let nav = snapshot.nav(snapshot.find(ty, key).unwrap_or_else(|| panic!("no {key}")), property);
    let mut members: Vec<String> = nav
        .members
        .iter()
        .map(|edge| match &edge.member {
            Value::Entity(id) => snapshot.key(*id).rsplit('/').next().unwrap().to_owned(),
            value => value.display(snapshot.schema()),
        })
        .collect();
    members.sort();
    members.dedup();
    format!("{} ({})", members.join(" "), shown(&nav.completeness))
}

/// Shows the keys of all entities of a type, and whether that is all there are.
fn extent(snapshot: &Snapshot, ty: &str) -> String {
    let ty = snapshot.schema().entity_named(ty).unwrap().id;
    let mut keys: Vec<String> = snapshot.extent(ty).map(|id| snapshot.key(id).rsplit('/').next().unwrap().to_owned()).collect();
    keys.sort_unstable();
    format!("{} ({})", keys.join(" "), shown(snapshot.extent_completeness(ty)))
}

/// Writes a recorded exchange.
fn exchange(url: &str, status: u64, body: &str) -> String {
    format!(
        r#"{{"request":{{"method":"GET","url":"{url}"}},"response":{{"status":{status},"body":{body}}},"time":"2026-11-01T10:00:00Z"}}"#
    )
}

fn assignment(scope: &str, name: &str, principal: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}","type":"Microsoft.Authorization/roleAssignments",
        "properties":{{"scope":"{}","roleDefinitionId":"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}",
        "principalId":"{principal}"{more}}}}}"#,
        if scope.is_empty() { "/" } else { scope }
    )
}

fn skipped(reports: &[FileReport]) -> String {
    let lines = reports.iter().flat_map(|report| report.skipped.iter().map(|(what, count, why)| format!("{count} {what}: {why}")));
    lines.collect::<Vec<_>>().join("; ")
}

//! Tables of other tools: straight to columns and row by row give the same, whatever the format and the order of rows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use tenet::model::Schema;
use tenet::snapshot::columns::{Columns, Part, PartData};
use tenet::snapshot::{Snapshot, SnapshotBuilder};
use tenet::sources::disk::{read_snapshot, write_columns, write_snapshot};
use tenet::sources::tables::{Imported, TablesError, TablesOptions, import_tables};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::clone(&tenet::compile(tenet::BuiltinModules::All, &[]).policies.schema));

fn import(rows: &Path, mapping: &Path, row_by_row: bool) -> Result<Imported, TablesError> {
    let options = TablesOptions { row_by_row, ..TablesOptions::default() };
    import_tables(&SCHEMA, &[rows.to_owned()], mapping, &options, &mut |_| {})
}

fn plain(rows: &Path, mapping: &Path) -> SnapshotBuilder {
    match import(rows, mapping, true).unwrap() {
        Imported::Facts { builder, .. } => *builder,
        Imported::Columns(..) => panic!("asked for row by row"),
    }
}

fn fast(rows: &Path, mapping: &Path) -> Columns {
    match import(rows, mapping, false).unwrap() {
        Imported::Columns(columns, _) => *columns,
        Imported::Facts { reason, .. } => panic!("{reason}"),
    }
}

fn parts(columns: &Columns) -> Vec<(Part, Arc<PartData>)> {
    assert_eq!(columns.trouble(), None);
    columns.parts_present().collect()
}

#[track_caller]
fn same(one: &Columns, other: &Columns, story: &str) {
    let (a, b) = (one.frame(), other.frame());
    assert_eq!((&a.meta, &a.sources, &a.own), (&b.meta, &b.sources, &b.own), "{story}");
    assert_eq!((&a.extents, &a.claims, &a.unspoken), (&b.extents, &b.claims, &b.unspoken), "{story}");
    let others = parts(other);
    for (part, data) in parts(one) {
        let known = others.iter().find(|(known, _)| *known == part).map(|(_, known)| known);
        if known != Some(&data) {
            panic!("{story}: {part:?} differs:\n{:.2000}\n{:.2000}", format!("{data:?}"), format!("{known:?}"));
        }
    }
    let names = |parts: Vec<(Part, Arc<PartData>)>| parts.into_iter().map(|(part, _)| part).collect::<Vec<_>>();
    assert_eq!(names(parts(one)), names(others), "{story}");
}

/// Compares both ways, the folders they are written to, and what is read from those; returns the digest of the snapshot.
#[track_caller]
fn agree(rows: &Path, mapping: &Path, story: &str) -> String {
    let (builder, columns) = (plain(rows, mapping), fast(rows, mapping));
    let records = builder.records();
    let scratch = tempfile::tempdir().unwrap();
    let (one, other) = (scratch.path().join("rows.snapshot"), scratch.path().join("columns.snapshot"));
    let from_rows = write_snapshot(&SCHEMA, &records, &one, false).unwrap();
    let from_columns = write_columns(&columns, &other, false).unwrap();
    for file in &from_rows.files {
        let known = from_columns.files.iter().find(|known| known.name == file.name);
        assert_eq!(known, Some(file), "{story}: {}", file.name);
    }
    assert_eq!(from_rows, from_columns, "{story}");
    let (read, _) = read_snapshot(&SCHEMA, &other).unwrap();
    assert_eq!(read.records(), records, "{story}");
    same(Snapshot::freeze(Arc::clone(&SCHEMA), records).columns(), &columns, story);
    from_columns.digest().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tables").join(name)
}

/// Compares the two ways over a folder that is named in the environment: for tables too large for a fixture.
#[test]
fn a_folder_of_ones_own() {
    let Ok(folder) = std::env::var("TENET_TABLES") else { return };
    let mapping = PathBuf::from(std::env::var("TENET_TABLES_MAPPING").unwrap());
    agree(&PathBuf::from(folder), &mapping, "own");
}

#[test]
fn both_ways_agree() {
    agree(&fixture("rows"), &fixture("mapping.yaml"), "fixture");
}

#[test]
fn threads_and_order_make_no_difference() {
    let digest = agree(&fixture("rows"), &fixture("mapping.yaml"), "as it is");
    let turned = tempfile::tempdir().unwrap();
    for file in fs::read_dir(fixture("rows")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        let text = if file.extension().unwrap() == "jsonl" { text.lines().rev().map(|line| format!("{line}\n")).collect() } else { text };
        fs::write(turned.path().join(file.file_name().unwrap()), text).unwrap();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| agree(turned.path(), &fixture("mapping.yaml"), "turned")), digest);
}

/// Writes a JSON Lines file whose cells are text, truth or null as Parquet.
fn to_parquet(from: &Path, to: &Path) {
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        fs::read_to_string(from).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut names: Vec<String> = rows.iter().flat_map(|row| row.keys().cloned()).collect();
    names.sort();
    names.dedup();
    let columns = names.iter().map(|name| {
        let cells = || rows.iter().map(|row| row.get(name));
        let array: ArrayRef = if cells().flatten().all(|cell| cell.is_boolean() || cell.is_null()) {
            Arc::new(cells().map(|cell| cell.and_then(serde_json::Value::as_bool)).collect::<BooleanArray>())
        } else {
            let text = |cell: &serde_json::Value| match cell {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Bool(value) => Some(value.to_string()),
                _ => None,
            };
            Arc::new(cells().map(|cell| cell.and_then(text)).collect::<StringArray>())
        };
        (name.clone(), array, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(to).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_is_read_as_json_lines_are() {
    let (lines, columns) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in fs::read_dir(fixture("rows")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if file.extension().unwrap() == "json" {
            fs::copy(&file, lines.path().join("about.json")).unwrap();
            fs::copy(&file, columns.path().join("about.json")).unwrap();
            continue;
        }
        // What a row does not speak of is null in Parquet.
        let text = fs::read_to_string(&file).unwrap();
        let text = text
            .replace("\"label\": \"\", \"state\"", "\"label\": \"\", \"above\": null, \"state\"")
            .replace("\"since\": \"2020-02-29T12:30:00Z\"}", "\"since\": \"2020-02-29T12:30:00Z\", \"trial\": null}");
        let lined = lines.path().join(format!("{name}.jsonl"));
        fs::write(&lined, text).unwrap();
        to_parquet(&lined, &columns.path().join(format!("{name}.parquet")));
    }
    agree(columns.path(), &fixture("mapping.yaml"), "Parquet");
    let (one, other) = (fast(lines.path(), &fixture("mapping.yaml")), fast(columns.path(), &fixture("mapping.yaml")));
    assert!(parts(&one) == parts(&other), "the formats give different facts");
}

/// A small generator of its own: the tables need no quality, and the tests no dependency.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

fn guid(kind: u64, at: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{at:012x}")
}

/// Writes random tables for the mapping of the fixture; some have rows that contradict each other.
fn random_tables(seed: u64, folder: &Path) {
    let dice = &mut Dice(seed);
    fs::copy(fixture("rows/about.json"), folder.join("about.json")).unwrap();
    let write = |name: &str, rows: Vec<serde_json::Value>, dice: &mut Dice| {
        let mut lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
        if dice.roll(3) == 0 {
            lines.extend(lines.clone().into_iter().take(2));
        }
        fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n")).unwrap();
    };
    let group = |at: u64| format!("/providers/Microsoft.Management/managementGroups/g{at}");
    let mut scopes = vec![
        serde_json::json!({"kind": "group", "name": "g0", "label": null, "above": null, "state": null, "agreement": null, "since": null, "trial": null}),
    ];
    for at in 1..3 {
        let above = if dice.roll(9) == 0 { group(at + dice.roll(9)) } else { group(dice.roll(at)) };
        scopes.push(serde_json::json!({"kind": "group", "name": format!("g{at}"), "above": above}));
    }
    for at in 0..dice.roll(6) + 1 {
        let above = group(dice.roll(5));
        let state = dice.pick(&["Enabled", "DELETED", "past due", "Odd", ""]);
        let since = dice.pick(&["2020-01-01", "2024-02-29T10:00:00+02:00", "0001-01-01", "soon", "2021-05-05T00:00:00Z"]);
        scopes.push(serde_json::json!({"kind": "subscription", "name": guid(1, at), "label": dice.pick(&["a", "b", ""]), "above": above, "state": state, "agreement": dice.pick(&["EA", "MCA", "?"]), "since": since}));
    }
    write("scopes", scopes, dice);
    let people = (0..dice.roll(6) + 1).map(|at| {
        let enabled = [serde_json::json!(true), serde_json::json!(false), serde_json::json!(null), serde_json::json!(7)];
        serde_json::json!({"id": guid(2, at), "name": dice.pick(&["x", "y \"q\"", "z"]), "guest": dice.roll(2) == 0, "enabled": enabled[usize::try_from(dice.roll(4)).unwrap()]})
    });
    let people = people.collect();
    write("people", people, dice);
    let teams = (0..3).map(|at| serde_json::json!({"id": guid(3, at), "name": dice.pick(&["t", "u"])})).collect();
    write("teams", teams, dice);
    let members = (0..dice.roll(12) + 1).map(|_| {
        let kind = 2 + dice.roll(2);
        serde_json::json!({"team": guid(3, dice.roll(4)), "member": guid(kind, dice.roll(8))})
    });
    let members = members.collect();
    write("members", members, dice);
    let access = (0..dice.roll(20) + 1).map(|at| {
        let scope = if dice.roll(2) == 0 { group(dice.roll(5)) } else { format!("/Subscriptions/{}", guid(1, dice.roll(8)).to_uppercase()) };
        let id = match dice.roll(4) {
            0 => format!("{scope}/providers/Microsoft.Authorization/roleAssignments/odd{at}"),
            _ => format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", guid(4, at)),
        };
        let kind = 2 + dice.roll(2);
        serde_json::json!({"id": id, "scope": scope, "who": guid(kind, dice.roll(9)), "role": format!("/x/{}", guid(5, dice.roll(3))), "created": dice.pick(&["2024-01-01", "2024-01-02", "?"])})
    });
    let access = access.collect();
    write("access", access, dice);
    let partners = ["1234567", "7654321"].map(|id| serde_json::json!({"id": id, "partner": id, "name": null}));
    write("partners", partners.to_vec(), dice);
    let records = (0..dice.roll(5) + 1).map(|_| {
        serde_json::json!({"subscription": guid(1, dice.roll(7)), "partner": dice.pick(&["1234567", "7654321", "99"]), "on": dice.pick(&["2021-01-01", "2022-01-01"])})
    });
    let records = records.collect();
    write("records", records, dice);
}

#[test]
fn random_tables_agree() {
    let (mut n_fast, mut n_plain) = (0, 0);
    for seed in 0..150 {
        let folder = tempfile::tempdir().unwrap();
        random_tables(seed, folder.path());
        match import(folder.path(), &fixture("mapping.yaml"), false).unwrap() {
            Imported::Columns(..) => {
                agree(folder.path(), &fixture("mapping.yaml"), &format!("seed {seed}"));
                n_fast += 1;
            }
            Imported::Facts { .. } => n_plain += 1,
        }
    }
    assert!(n_fast > 30 && n_plain > 10, "{n_fast} ways were fast, {n_plain} were not");
}

/// Imports the fixture with one file changed, and returns what is said against it.
fn refused(file: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for known in fs::read_dir(fixture("rows")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&known, folder.path().join(known.file_name().unwrap())).unwrap();
    }
    if text.is_empty() {
        fs::remove_file(folder.path().join(file)).unwrap();
    } else {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let said = [false, true].map(|row_by_row| match import(folder.path(), &fixture("mapping.yaml"), row_by_row) {
        Err(error) => error.to_string().replace(&folder.path().display().to_string(), "DIR"),
        Ok(_) => panic!("{file} is taken"),
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

#[test]
fn what_cannot_be_taken_is_named_with_its_place() {
    let team = r#"{"id": "33333333-0000-4000-8000-000000000001", "name": "Owners"}"#;
    assert_eq!(
        refused("teams.jsonl", &format!("{team}\n{{\"id\": null, \"name\": \"x\"}}\n")),
        "DIR/teams.jsonl, line 2: it has no key for a Group"
    );
    assert_eq!(refused("teams.jsonl", &format!("{team}\n\n{team}")), "DIR/teams.jsonl, line 2: the line is empty");
    assert!(refused("teams.jsonl", &format!("{team}\n{{\"id\": \"a\", \"id\": \"b\"}}")).contains("line 2: `id` stands twice"));
    assert!(refused("teams.jsonl", &format!("{team}\n{{\"id\": ")).contains("line 2: "));
    assert_eq!(refused("teams.jsonl", r#"{"id": "a", "nme": "x"}"#), "DIR/teams.jsonl: no line has `name`");
    assert!(
        refused("partners.jsonl", r#"{"id": "12", "partner": "12", "name": "x"}"#).contains("line 1: `12` cannot be the key of a Partner")
    );
    assert!(
        refused("members.jsonl", r#"{"team": "33333333-0000-4000-8000-000000000001", "member": null}"#)
            .contains("line 1: it names no member")
    );
    assert!(refused("teams.jsonl", "").contains("there is no table `teams`"));
    assert!(refused("teams.parquet", "PAR1").contains("the table `teams` is there twice"));
    let long = format!("{{\"id\": \"{}\"}}", "x".repeat(2 << 20));
    assert!(refused("teams.jsonl", &long).contains("1048576"));
}

#[test]
fn a_mapping_is_checked_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapping.yaml");
    let text = "version: 1\ntables:\n  - table: people\n    entity: Usr\n    key: id\n  - table: teams\n    entity: Group\n    fields: { nme: x }\n    keys: id\n  - table: members\n    list: Group.name\n    of: a\n    member: { column: b, empty: never }\n";
    fs::write(&path, text).unwrap();
    let Err(TablesError::Mapping { sources, diagnostics }) = import(folder.path(), &path, false) else { panic!("the mapping is taken") };
    let places: Vec<String> = diagnostics
        .iter()
        .map(|found| {
            let at = sources.get(found.span.file).unwrap().line_column(found.span.start);
            format!("{}:{} {}", at.0, at.1, found.code)
        })
        .collect();
    assert_eq!(places, ["4:13 M0004", "6:5 M0005", "8:15 M0004", "9:5 M0002", "11:11 M0004", "13:33 M0003"]);
}

#![expect(clippy::cast_possible_truncation, reason = "a test that fails may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{DiskError, Manifest, export_jsonl, import_jsonl, read_snapshot, sha256_hex, to_tables, write_snapshot};
use crate::model::{Attestation, Bound, Completeness, FactSource, Interval, Schema, SourceKind, Value};
use crate::snapshot::{Records, SnapshotBuilder};
use crate::sources::sample;

const SUB: &str = "/subscriptions/0000-1";

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// A world with one of everything; `turned` gives the same facts in another order.
fn world(schema: &Arc<Schema>, turned: bool) -> Records {
    let mut b = SnapshotBuilder::new(Arc::clone(schema));
    let mut steps: Vec<fn(&mut SnapshotBuilder)> = vec![
        |b| {
            let arm = b.source(FactSource {
                read_at: Some(at("2026-11-01T10:00:00.1234567Z")),
                ..FactSource::new(SourceKind::Api, "arm:subscriptions")
            });
            let s = b.entity_named("Subscription", SUB).unwrap();
            b.set_text(s, "display_name", "Größe, \"quoted\"\nline", arm).unwrap();
            b.set_text(s, "agreement", "EnterpriseAgreement", arm).unwrap();
            b.set_text(s, "service", "Azure Stack Hub", arm).unwrap();
            b.set(s, "acquired_at", Value::Instant(at("9999-12-30T21:59:59.9999999Z")), arm).unwrap();
            b.set(s, "grace", Value::Duration(i64::MAX), arm).unwrap();
            b.set(s, "seats", Value::Int(i64::MIN), arm).unwrap();
            b.set_none(s, "predecessor", arm).unwrap();
            b.set_unknown(s, "parent", "403 Forbidden", arm).unwrap();
            b.existed(s, Interval::since(at("2020-01-01T00:00:00Z")));
            let earlier = Interval { from: Bound::Unknown, to: Bound::At(at("2026-03-01T00:00:00.000000001Z")) };
            let agreement = crate::model::parse_scalar(
                b.schema(),
                b.schema().property_named(b.type_of(s).unwrap(), "agreement").unwrap().ty,
                "MicrosoftCustomerAgreement",
            )
            .unwrap();
            b.had(s, "agreement", Some(agreement), earlier, arm).unwrap();
            b.had(s, "parent", None, earlier, arm).unwrap();
        },
        |b| {
            let graph = b.source(FactSource::new(SourceKind::Api, "graph:groups").at("pages/1.json"));
            let g = b.entity_named("Group", "AAAA").unwrap();
            let u = b.entity_named("User", "bbbb").unwrap();
            let ghost = b.entity_named("Principal", "cccc").unwrap();
            b.set_text(ghost, "user_principal_name", "ghost@x", graph).unwrap();
            b.link(g, "members", u, Interval::CURRENT, graph).unwrap();
            b.link(g, "members", ghost, Interval::since(at("2026-01-01T00:00:00Z")), graph).unwrap();
            b.claim(g, "members", Completeness::open(Some("page 2 was throttled".into()), Some(graph))).unwrap();
        },
        |b| {
            let attestation = Attestation {
                id: "a1".into(),
                attested_by: "jo@x".into(),
                attested_at: Some(at("2026-10-01T00:00:00Z")),
                evidence_file: Some("e.png".into()),
                evidence_hash: None,
                review_due_at: Some(at("2027-10-01T00:00:00Z")),
            };
            let register = b.source(FactSource { attestation: Some(attestation), ..FactSource::new(SourceKind::Register, "designations") });
            let d = b.entity_named("Designation", "d1").unwrap();
            let s = b.entity_named("Subscription", SUB).unwrap();
            let u = b.entity_named("User", "bbbb").unwrap();
            b.refer(d, "subscription", s, register).unwrap();
            b.refer(d, "designated_by", u, register).unwrap();
            b.set_text(d, "designated_at", "2026-01-10", register).unwrap();
            let covered = vec![Interval { from: Bound::At(at("2025-01-01T00:00:00Z")), to: Bound::Unbounded }, Interval::ALWAYS];
            b.claim(s, "designations", Completeness { complete: true, reason: None, covered, source: Some(register) }).unwrap();
        },
        |b| {
            let own = b.source(FactSource::new(SourceKind::Register, "cost_centers"));
            let c = b.entity_named("CostCenter", "CC-1").unwrap();
            let u = b.entity_named("User", "bbbb").unwrap();
            b.refer(c, "owner", u, own).unwrap();
            b.add_value(c, "tags", Value::text("b"), own).unwrap();
            b.add_value(c, "tags", Value::text("a"), own).unwrap();
            let ty = b.entity_type("CostCenter").unwrap();
            b.claim_extent(ty, Completeness::now(Some(own)));
            let ty = b.entity_type("User").unwrap();
            b.claim_extent(ty, Completeness::open(Some("403".into()), None));
        },
    ];
    if turned {
        steps.reverse();
    }
    for step in steps {
        step(&mut b);
    }
    b.captured_at(at("2026-11-01T10:00:00.5Z"));
    b.meta_mut().tenant = Some("t".into());
    b.problem("something odd");
    b.records()
}

fn store(records: &Records) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.snapshot");
    write_snapshot(&sample::schema(), records, &path, false).unwrap();
    (folder, path)
}

fn refused(path: &Path) -> String {
    read_snapshot(&sample::schema(), path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    let schema = sample::schema();
    let records = world(&schema, false);
    let (_folder, path) = store(&records);
    let (builder, manifest) = read_snapshot(&schema, &path).unwrap();
    assert_eq!(builder.records(), records);
    assert_eq!(manifest.files.len(), 11);
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let schema = sample::schema();
    let (_one, a) = store(&world(&schema, false));
    let (_two, b) = store(&world(&schema, true));
    let mut names: Vec<_> = fs::read_dir(&a).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        assert_eq!(fs::read(a.join(&name)).unwrap(), fs::read(b.join(&name)).unwrap(), "{name:?}");
    }
}

#[test]
fn an_empty_snapshot_comes_back() {
    let schema = sample::schema();
    let records = SnapshotBuilder::new(Arc::clone(&schema)).records();
    let (_folder, path) = store(&records);
    assert_eq!(read_snapshot(&schema, &path).unwrap().0.records(), records);
}

#[cfg(unix)]
#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = store(&world(&sample::schema(), false));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let schema = sample::schema();
    let records = world(&schema, false);
    let (folder, path) = store(&records);
    assert!(matches!(write_snapshot(&schema, &records, &path, false), Err(DiskError::Exists { .. })));
    write_snapshot(&schema, &records, &path, true).unwrap();
    assert_eq!(read_snapshot(&schema, &path).unwrap().0.records(), records);
    let other = folder.path().join("letters");
    fs::create_dir(&other).unwrap();
    assert!(matches!(write_snapshot(&schema, &records, &other, true), Err(DiskError::NotOurs { .. })));
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.snapshot", "letters"]);
}

#[test]
fn the_world_of_a_test_is_not_stored() {
    let schema = sample::schema();
    let mut records = world(&schema, false);
    records.meta.closed_world = true;
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write_snapshot(&schema, &records, &folder.path().join("x"), false), Err(DiskError::ClosedWorld)));
}

#[test]
fn tampering_is_found_and_named() {
    let (_folder, path) = store(&world(&sample::schema(), false));
    let file = path.join("_facts.parquet");
    let bytes = fs::read(&file).unwrap();
    for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&file, &bytes[..cut]).unwrap();
        assert!(refused(&path).starts_with("_facts.parquet: it is cut or altered"));
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&file, &altered).unwrap();
        assert!(refused(&path).starts_with("_facts.parquet: it is cut or altered"));
    }
    fs::remove_file(&file).unwrap();
    assert!(refused(&path).contains("_facts.parquet: the manifest names this file, and it is missing"));
    fs::write(&file, &bytes).unwrap();
    fs::write(path.join("extra.txt"), "").unwrap();
    assert!(refused(&path).starts_with("extra.txt: the manifest does not name this file"));
    fs::remove_file(path.join("extra.txt")).unwrap();
    fs::remove_file(path.join("manifest.json")).unwrap();
    assert!(refused(&path).starts_with("manifest.json: there is none"));
}

#[test]
fn hostile_manifests_are_refused() {
    let (_folder, path) = store(&world(&sample::schema(), false));
    let file = path.join("manifest.json");
    let text = fs::read_to_string(&file).unwrap();
    for (from, to, message) in [
        ("tenet.snapshot/v1", "tenet.snapshot/v7", "use a newer tenet"),
        ("tenet.snapshot/v1", "other", "is not the format"),
        ("User.parquet", "../User.parquet", "is not the name of a table file"),
        ("User.parquet", "/etc/passwd", "is not the name of a table file"),
        ("User.parquet", "Group.parquet", "is named twice"),
        ("\"tenant\": \"t\"", "\"closed_world\": true", "unknown field"),
        ("2026-11-01T10:00:00.5Z", "soon", "is not a time"),
    ] {
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = refused(&path);
        assert!(error.contains(message), "{error}");
    }
    for cut in (0..text.len() - 2).step_by(53) {
        fs::write(&file, &text.as_bytes()[..cut]).unwrap();
        refused(&path);
    }
}

/// Replaces a file and makes the manifest agree, as somebody could who wants the reader to fall over.
fn forge(path: &Path, name: &str, bytes: &[u8], rows: Option<u64>) {
    let file = path.join("manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let entry = manifest.files.iter_mut().find(|entry| entry.name == name).unwrap();
    entry.sha256 = sha256_hex(bytes);
    entry.rows = rows.unwrap_or(entry.rows);
    fs::write(path.join(name), bytes).unwrap();
    fs::write(&file, manifest.to_json().unwrap()).unwrap();
}

#[test]
fn forged_files_are_errors_and_never_panics() {
    let (_folder, path) = store(&world(&sample::schema(), false));
    let bytes = fs::read(path.join("_facts.parquet")).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..FORGERIES {
        let mut forged = bytes.clone();
        for _ in 0..=next() % 4 {
            let at = next() % forged.len();
            forged[at] = next() as u8;
        }
        if next() % 5 == 0 {
            forged.truncate(next() % bytes.len());
        }
        forge(&path, "_facts.parquet", &forged, None);
        // Some bytes do not matter; what counts is that nothing falls over.
        let _ = read_snapshot(&sample::schema(), &path);
    }
    let users = fs::read(path.join("User.parquet")).unwrap();
    forge(&path, "_facts.parquet", &users, None);
    assert!(refused(&path).starts_with("_facts.parquet: it has 1 rows, and the manifest says"));
    forge(&path, "_facts.parquet", &users, Some(1));
    assert!(refused(&path).contains("table _facts: there is no column `lifetime_from`"));
}

const FORGERIES: usize = 300;

#[test]
fn facts_of_a_larger_schema_are_left_out_with_a_note() {
    let records = world(&sample::schema(), false);
    let (_folder, path) = store(&records);
    let smaller = sample::schema_without(&["Subscription.seats", "CostCenter"]);
    let (builder, _) = read_snapshot(&smaller, &path).unwrap();
    let problems = builder.records().meta.problems;
    assert!(problems.iter().any(|p| p.starts_with("Subscription.seats is not in the schema in use")), "{problems:?}");
    assert!(
        problems.iter().any(|p| p.starts_with("the entity type CostCenter is not in the schema in use; its 1 entities")),
        "{problems:?}"
    );
}

#[test]
fn a_subtype_the_schema_does_not_know_is_refused() {
    let (_folder, path) = store(&world(&sample::schema(), false));
    let smaller = sample::schema_without(&["Group", "Principal.member_of"]);
    let error = read_snapshot(&smaller, &path).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("table Group: the schema in use has no entity type Group"), "{error}");
}

#[test]
fn a_snapshot_of_a_smaller_schema_is_read_by_a_larger_one() {
    let smaller = sample::schema_without(&["Subscription.seats"]);
    let mut b = SnapshotBuilder::new(Arc::clone(&smaller));
    let source = b.source(FactSource::new(SourceKind::Api, "arm"));
    let s = b.entity_named("Subscription", SUB).unwrap();
    b.set_text(s, "display_name", "one", source).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.snapshot");
    write_snapshot(&smaller, &b.records(), &path, false).unwrap();
    let records = read_snapshot(&sample::schema(), &path).unwrap().0.records();
    assert_eq!(records.entities[0].cells.len(), 1);
    assert!(records.meta.problems.is_empty());
}

#[test]
fn json_lines_come_back_as_they_were() {
    let schema = sample::schema();
    let records = world(&schema, false);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tables");
    export_jsonl(&schema, &records, &out).unwrap();
    assert_eq!(import_jsonl(&schema, std::slice::from_ref(&out)).unwrap().records(), records);
    assert!(matches!(export_jsonl(&schema, &records, &out), Err(DiskError::Exists { .. })));
}

#[test]
fn hand_written_json_lines_need_no_side_tables() {
    let schema = sample::schema();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Subscription.jsonl");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        import_jsonl(&schema, std::slice::from_ref(&file)).map(SnapshotBuilder::records).map_err(|error| error.to_string())
    };
    let records =
        read("{\"key\": \"/SUBSCRIPTIONS/1\", \"agreement\": \"EnterpriseAgreement\", \"acquired_at\": \"2026-01-01\", \"seats\": 3}\n")
            .unwrap();
    assert_eq!(&*records.entities[0].key, "/subscriptions/1");
    assert_eq!(records.entities[0].cells.len(), 3);
    for (text, message) in [
        ("{\"key\": \"/s/1\"}\n{\"key\": \"/S/1\"}\n", "row 2: the key `/S/1` is there twice"),
        ("{\"key\": \"/s/1\", \"seats\": \"3\"}\n", "line 1: `seats` is not a whole number"),
        ("{\"key\": \"/s/1\", \"key\": \"/s/2\"}\n", "line 1: `key` stands twice"),
        ("{\"seats\": 1}\n", "row 1: `key` is empty"),
        ("{\"key\": \"/s/1\"}\n\n{\"key\": \"/s/2\"}\n", "line 2: "),
        ("[1]\n", "line 1: invalid type"),
        ("{\"key\": {}}\n", "line 1: invalid type"),
        ("{\"key\": \"/s/1\", \"lifetime_from\": \"soon\"}\n", "`lifetime_from`: `soon` is not a time"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    assert!(import_jsonl(&schema, &[folder.path().join("Subscripton.jsonl")]).is_err());
}

/// Leaves a snapshot at `TENET_SAMPLE_SNAPSHOT`, for looking at it with other tools.
#[test]
fn other_tools_can_look_at_it() {
    if let Some(path) = std::env::var_os("TENET_SAMPLE_SNAPSHOT") {
        let schema = sample::schema();
        let records = world(&schema, false);
        assert!(!to_tables(&schema, &records).is_empty());
        write_snapshot(&schema, &records, Path::new(&path), true).unwrap();
    }
}

/// A small generator of numbers, so that a failing case can be run again by its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len())]
    }

    fn interval(&mut self) -> Interval {
        let times = ["2020-01-01T00:00:00Z", "2026-05-05T05:05:05.123456789Z"];
        let mut bound = || match self.roll(3) {
            0 => Bound::Unbounded,
            1 => Bound::At(at(times[self.roll(2)])),
            _ => Bound::Unknown,
        };
        Interval { from: bound(), to: bound() }
    }

    fn scalar(&mut self, schema: &Schema, base: crate::model::Base) -> Value {
        use crate::model::Base;
        match base {
            Base::Bool => Value::Bool(self.roll(2) == 0),
            Base::Int => Value::Int(self.pick(&[0, -1, i64::MAX])),
            Base::Duration => Value::Duration(self.pick(&[0, 86_400, 1, i64::MIN])),
            Base::Instant => {
                Value::Instant(at(self.pick(&["2026-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "0001-06-01T00:00:00Z"])))
            }
            Base::Enum(id) => Value::Enum(id, self.roll(schema.enumeration(id).unwrap().values.len()) as u32),
            Base::Guid => Value::text(self.pick(&["aaaa-1", "bbbb-2"])),
            Base::ArmId => Value::text(self.pick(&["/subscriptions/1", "/"])),
            _ => Value::text(self.pick(&["3664167", "12345678"])),
        }
    }
}

/// Makes random facts over the real schema.
pub(super) fn random_world(schema: &Arc<Schema>, seed: u64) -> Records {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut b = SnapshotBuilder::new(Arc::clone(schema));
    let sources: Vec<_> = (0..3).map(|n| b.source(FactSource::new(SourceKind::Api, format!("s{n}")))).collect();
    let mut handles = Vec::new();
    for _ in 0..20 {
        let entity = &schema.entities[dice.roll(schema.entities.len())];
        let key = dice.pick(&["3664167", "1234567", "7654321"]);
        handles.push(b.entity(entity.id, key).unwrap());
    }
    for _ in 0..200 {
        let handle = dice.pick(&handles);
        let ty = b.type_of(handle).unwrap();
        let names: Vec<_> = schema.entity(ty).unwrap().properties.values().copied().collect();
        let property = schema.property(dice.pick(&names)).unwrap().clone();
        let source = dice.pick(&sources);
        let name = property.name.as_str();
        let target = property.ty.entity().map(|ty| b.entity(ty, dice.pick(&["3664167", "1234567"])).unwrap());
        let value = target.map_or_else(|| dice.scalar(schema, property.ty.base), |target| target.value());
        match (property.ty.set, dice.roll(5)) {
            (true, 0) => {
                let covered = (0..dice.roll(3)).map(|_| dice.interval()).collect();
                let complete = dice.roll(2) == 0;
                b.claim(handle, name, Completeness { complete, reason: Some("why".into()), covered, source: Some(source) }).unwrap();
            }
            (true, _) => match target {
                Some(target) => b.link(handle, name, target, dice.interval(), source).unwrap(),
                None => b.add_value(handle, name, value, source).unwrap(),
            },
            (false, 0) => b.set_none(handle, name, source).unwrap(),
            (false, 1) => b.set_unknown(handle, name, "403", source).unwrap(),
            (false, 2) => b.had(handle, name, (dice.roll(2) == 0).then_some(value), dice.interval(), source).unwrap(),
            (false, _) => b.set(handle, name, value, source).unwrap(),
        }
        if dice.roll(20) == 0 {
            b.existed(handle, dice.interval());
        }
    }
    b.records()
}

#[test]
fn random_facts_of_the_real_schema_come_back() {
    let schema = crate::check::core_schema();
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..40 {
        let records = random_world(&schema, seed);
        let path = folder.path().join(format!("{seed}.snapshot"));
        write_snapshot(&schema, &records, &path, false).unwrap();
        let read = read_snapshot(&schema, &path).unwrap().0.records();
        for (one, other) in read.entities.iter().zip(&records.entities) {
            assert_eq!(one, other, "seed {seed}, {}", schema.entity_name(other.entity_type));
        }
        assert_eq!(read, records, "seed {seed}");
        let tables = folder.path().join(format!("{seed}.tables"));
        export_jsonl(&schema, &records, &tables).unwrap();
        assert_eq!(import_jsonl(&schema, &[tables]).unwrap().records(), records, "seed {seed}");
    }
}

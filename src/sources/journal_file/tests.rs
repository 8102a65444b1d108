//! Lines are what the schema says, and private.

use super::{JournalFile, JournalFolder, decode_journal, wire};
use crate::remedy::journal::{Entry, Journal as _, Kind, Opened, Stage};
use crate::remedy::plan::{Approvals, Digests, Limits, Plan, Summary, Undo};
use crate::sources::plan_file::{PlanFile, encode_plan};

fn plan() -> PlanFile {
    encode_plan(Plan {
        id: String::new(),
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        expires: "2026-01-02T07:04:05Z".parse().unwrap(),
        tool: "0.1.0".into(),
        digests: Digests::default(),
        tenant: "t".into(),
        principal: None,
        planner: "mia".into(),
        approvals: Approvals::default(),
        limits: Limits { max_changes: 1, max_changes_percent: 1 },
        summary: Summary::default(),
        steps: vec![],
        manual: vec![],
        not_planned: vec![],
    })
    .unwrap()
}

fn opened() -> Kind {
    let file = plan();
    Kind::Open(Box::new(Opened {
        plan: file.plan,
        digest: file.digest,
        principal: "p".into(),
        tool: "0".into(),
        approved_by: vec!["ann".into()],
    }))
}

#[test]
fn each_kind_is_what_the_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../docs/schemas/journal.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let kinds = [
        opened(),
        Kind::Resume { principal: "p".into(), dropped_bytes: 3 },
        Kind::Recheck { moved: vec!["gone".into()] },
        Kind::Begin { undo: Undo::Irreversible("no".into()), telling: true },
        Kind::Sent {
            status: 201,
            request_id: Some("r".into()),
            removed: Some(serde_json::json!({})),
            answered: [("/id".into(), "i".into())].into(),
        },
        Kind::Ok,
        Kind::Failed { stage: Stage::NotSeen, status: None, request_id: None, message: "m".into() },
        Kind::Unknown { message: "m".into() },
        Kind::Verified { readings: 3 },
        Kind::Skipped { message: "m".into() },
        Kind::Close,
    ];
    for kind in kinds {
        let entry = Entry { at: "2026-01-02T03:04:05Z".parse().unwrap(), step: Some("s1".into()), kind };
        let (line, _) = wire::encode(1, wire::NO_HASH, &entry).unwrap();
        let value = serde_json::from_str(&line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{line}");
        assert_eq!(wire::decode(line.trim_end().as_bytes(), 1, wire::NO_HASH).unwrap().0, entry);
    }
}

#[test]
fn a_journal_is_private_and_its_own() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("journal");
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let journals = JournalFolder::lock(&folder, "mia", now).unwrap();
    let mut journal = journals.create(&plan()).unwrap();
    journal.append(Entry { at: now, step: None, kind: opened() }).unwrap();
    assert!(journals.create(&plan()).is_err());
    let read = journals.resume(&plan()).unwrap().1.unwrap();
    assert_eq!(read.entries.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&journals.journal_path(&plan()))), (0o700, 0o600));
    }
    // A journal whose first line is torn is as good as none.
    std::fs::write(journals.journal_path(&plan()), "{\"data\":").unwrap();
    let (mut journal, read) = journals.resume(&plan()).unwrap();
    assert!(read.is_none());
    journal.append(Entry { at: now, step: None, kind: opened() }).unwrap();
    assert!(decode_journal(&std::fs::read(journals.journal_path(&plan())).unwrap(), "j".as_ref()).is_ok());
}

#[test]
fn after_a_failure_nothing_is_written() {
    struct Failing(bool);
    impl super::Store for Failing {
        fn append(&mut self, _: &[u8]) -> std::io::Result<()> {
            if self.0 { Err(std::io::Error::other("disk")) } else { Ok(()) }
        }
        fn sync(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut journal = JournalFile::new(Failing(true));
    let entry = Entry { at: "2026-01-02T03:04:05Z".parse().unwrap(), step: None, kind: Kind::Close };
    assert!(journal.append(entry.clone()).is_err());
    let mut journal = journal.map_store(|_| Failing(false));
    assert_eq!(journal.append(entry).unwrap_err().to_string(), "the journal cannot be written: disk");
}

//! One plan has one file, and a file with any other bytes is refused.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::{PlanFile, PlanFileError, decode_plan, encode_plan, read_plan, write_plan};
use crate::remedy::plan::{
    Approvals, Digests, Expectation, Found, Limits, ManualStep, Method, NotPlanned, Op, Operation, Plan, Read, Repeatable, Request, Risk,
    Service, Step, Summary, Undo, Why,
};

fn why() -> Why {
    Why { rule: "A-1".into(), requirement: "one".into(), subject: "/subscriptions/s".into(), text: "\"zwei\" Owner – €\u{1}".into() }
}

fn operation(method: Method) -> Operation {
    let path = "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/a".to_owned();
    let query = vec![("api-version".to_owned(), "2022-04-01".to_owned())];
    let read = Read { service: Service::Arm, path: path.clone(), query: query.clone() };
    let fields = BTreeMap::from([("/properties/principalId".to_owned(), json!("p")), ("/properties/condition".to_owned(), json!(null))]);
    Operation {
        request: Request { service: Service::Arm, method, path, query, body: Some(json!({ "b": 1.5, "a": [true, null, -3] })) },
        before: vec![
            Expectation { read: read.clone(), found: Found::Present(fields.clone()), what: "the assignment".into() },
            Expectation { read: read.clone(), found: Found::Some(fields.clone()), what: "another Owner remains".into() },
            Expectation { read: read.clone(), found: Found::Nothing(fields), what: "no lock".into() },
        ],
        after: vec![Expectation { read, found: Found::Absent, what: "it is gone".into() }],
        repeatable: Repeatable::Same,
        window_seconds: 300,
    }
}

fn plan() -> Plan {
    let step = Step {
        id: "s1".into(),
        depends_on: vec![],
        op: Op::Remove,
        risk: Risk::High,
        action: "revoke".into(),
        title: "take Owner from p".into(),
        why: vec![why()],
        target: "a".into(),
        permissions: vec!["Microsoft.Authorization/roleAssignments/delete".into()],
        operation: operation(Method::Delete),
        undo: Undo::By(Box::new(operation(Method::Put))),
    };
    let second = Step {
        id: "s2".into(),
        depends_on: vec!["s1".into()],
        undo: Undo::Irreversible("it cannot be undone".into()),
        op: Op::Add,
        ..step.clone()
    };
    Plan {
        id: "anything".into(),
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        expires: "2026-01-02T07:04:05Z".parse().unwrap(),
        tool: "0.1.0".into(),
        digests: Digests { policies: "0".repeat(64), ..Digests::default() },
        tenant: "t".into(),
        principal: None,
        planner: "mia@example.org".into(),
        approvals: Approvals { needed: 1, allowed_signers: "a".repeat(64) },
        limits: Limits { max_changes: 10, max_changes_percent: 20 },
        summary: Summary { before: BTreeMap::from([("fail".into(), 2)]), after: BTreeMap::new() },
        steps: vec![step, second],
        manual: vec![ManualStep {
            id: "m1".into(),
            depends_on: vec!["s1".into()],
            action: "designate".into(),
            title: "designate".into(),
            why: vec![why()],
            instructions: "portal".into(),
            who: vec!["ann".into()],
            verified_by: "a row".into(),
        }],
        not_planned: vec![NotPlanned { why: why(), reasons: vec!["a lock".into()] }],
    }
}

fn encoded() -> PlanFile {
    encode_plan(plan()).unwrap()
}

fn refusal(bytes: &[u8]) -> PlanFileError {
    decode_plan(bytes, Path::new("plan.json")).unwrap_err()
}

#[test]
fn a_plan_comes_back_as_it_was() {
    let file = encoded();
    assert_eq!(decode_plan(&file.bytes, Path::new("p")).unwrap(), file);
    assert_eq!(Plan { id: "anything".into(), ..file.plan.clone() }, plan());
    assert_eq!(file, encode_plan(Plan { id: "other".into(), ..plan() }).unwrap(), "the id is that of the contents");
    assert_ne!(file.plan.id, encode_plan(Plan { tenant: "u".into(), ..plan() }).unwrap().plan.id);
    assert_eq!(file.digest, crate::model::sha256_hex(&file.bytes));
}

#[test]
fn it_is_what_the_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../docs/schemas/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&encoded().bytes).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    document["steps"][0]["op"] = json!("destroy");
    assert!(!validator.is_valid(&document));
}

#[test]
fn every_flipped_byte_is_refused() {
    let bytes = encoded().bytes;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            assert!(decode_plan(&other, Path::new("p")).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn errors_say_where_and_what() {
    let text = String::from_utf8(encoded().bytes).unwrap();
    let says = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        refusal(text.replacen(from, to, 1).as_bytes()).to_string()
    };
    assert!(says("tenet.plan/v1", "tenet.plan/v2").contains("has the format tenet.plan/v2, and this program reads tenet.plan/v1"));
    assert!(says("tenet.plan/v1", "tenet.result/v1").contains("`tenet.result/v1` is not the format"));
    assert!(
        says("\"op\":\"remove\"", "\"op\":\"wipe\"").contains("unknown variant `wipe`"),
        "{}",
        says("\"op\":\"remove\"", "\"op\":\"wipe\"")
    );
    assert!(says("\"op\":\"remove\"", "\"op\":\"wipe\"").contains("at line 1 column"));
    assert!(says("\"planner\"", "\"planer\"").contains("unknown field `planer`"));
    assert!(says("mia@", "eve@").contains("its id is"));
    assert!(says("\"tenant\"", " \"tenant\"").contains("not in canonical form"));
    assert!(
        says("\"depends_on\":[\"s1\"],\"id\":\"s2\"", "\"depends_on\":[\"s9\"],\"id\":\"s2\"")
            .contains("/steps/1 (`s2`): it depends on `s9`")
    );
    let place = refusal((text.clone() + "\n").as_bytes()).to_string();
    assert!(place.contains("plan.json:1:") && place.contains("not in canonical form"), "{place}");
    assert!(refusal(b"{").to_string().contains("line 1 column 1"));
    assert!(refusal(b"[1]").to_string().contains("plan.json"));
}

#[test]
fn what_could_leave_the_place_is_refused() {
    for path in ["subscriptions", "//host/x", "/a/../b", "/a?b", "/a#b", "/a\\b", "/a\nb", "/"] {
        let mut bad = plan();
        bad.steps[0].operation.request.path = path.into();
        assert!(encode_plan(bad).unwrap_err().contains("is not the path of a request"), "{path}");
    }
    let mut bad = plan();
    bad.steps[0].operation.window_seconds = 100_000;
    assert!(encode_plan(bad).unwrap_err().contains("the limit is 3600"));
    let mut bad = plan();
    bad.steps[0].operation.after.clear();
    assert!(encode_plan(bad).is_err());
    let mut bad = plan();
    bad.steps[0].operation.request.body = Some(json!(u64::MAX));
    assert!(encode_plan(bad).is_err());
}

#[test]
fn the_file_is_private_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let file = encoded();
    write_plan(&file, &path).unwrap();
    assert_eq!(read_plan(&path).unwrap(), file);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(read_plan(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    let large = folder.path().join("large.json");
    std::fs::File::create(&large).unwrap().set_len(65 << 20).unwrap();
    assert!(read_plan(&large).unwrap_err().to_string().contains("the limit for a plan is"));
}

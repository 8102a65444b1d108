//! Staleness and tampering over HTTP: whatever a step of the demo's plan relies on changes in the server after planning, and the
//! step is refused before its write.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tenet::remedy::apply::{Ending, Event, From, admit, apply};
use tenet::remedy::gate::Refusal;
use tenet::remedy::plan::{Approvals, Expectation, Found, Method, Plan, Read, Service, Step};
use tenet::remedy::target::ReadTarget as _;
use tenet::sources::azure::client::WriteClient;
use tenet::sources::azure::memory::MemoryTenant;
use tenet::sources::azure::target::{HttpReader, HttpTarget};
use tenet::sources::journal_file::JournalFolder;
use tenet::sources::plan_file::{PlanFile, encode_plan, read_plan};

use super::fake::Hands;
use super::world::{Refused, order, policies, run};
use crate::azure_server::{AzureServer, Seen};
use crate::memory::recorded;
use crate::program::tenet;

const ADMIN: &str = "ad000000-0000-4000-8000-000000000000";

/// The plan of the demo, which needs no approval here; approvals have tests of their own.
fn demo_plan() -> &'static PlanFile {
    static PLAN: OnceLock<PlanFile> = OnceLock::new();
    PLAN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        tenet(folder, &["demo", "--keep", "repo", "-f", "json=result.json"]).ends(0, "ok");
        let snapshot = "repo/snapshots/contoso.snapshot";
        let args = ["-C", "repo", "plan", "--snapshot", snapshot, "--principal", ADMIN, "--planner", "harper", "-o", "new.json"];
        tenet(folder, &args).ends(0, "ok");
        let path = ["new.json", "repo/new.json"].map(|name| folder.join(name)).into_iter().find(|path| path.exists()).unwrap();
        let plan = read_plan(&path).unwrap().plan;
        let digests = tenet::remedy::plan::Digests { policies: policies(), ..plan.digests.clone() };
        encode_plan(Plan { digests, approvals: Approvals::default(), ..plan }).unwrap()
    })
}

fn server() -> AzureServer {
    AzureServer::start(MemoryTenant::from_answers(&recorded("contoso")).unwrap())
}

/// Something that somebody else does to the tenant: the object at a path becomes this, or goes.
struct Happening {
    what: String,
    service: Service,
    path: String,
    body: Option<Json>,
}

fn look(reader: &mut HttpReader, read: &Read) -> Option<Json> {
    reader.read(read).ok().filter(|answer| answer.status == 200).and_then(|answer| answer.body)
}

/// Returns another value of the same kind.
fn another(value: Option<&Json>) -> Json {
    match value {
        Some(Json::Bool(truth)) => json!(!truth),
        Some(Json::Number(number)) => json!(number.as_f64().unwrap_or(0.0) + 1.0),
        Some(Json::Array(_)) => json!(["moved"]),
        _ => json!("moved"),
    }
}

fn put(body: &mut Json, pointer: &str, value: Json) {
    let mut at = body;
    for name in pointer.trim_start_matches('/').split('/') {
        at = &mut at[name];
    }
    *at = value;
}

/// Everything that could have become otherwise about an expectation: the thing itself, and each field of it.
fn happenings(reader: &mut HttpReader, expectation: &Expectation) -> Vec<Happening> {
    let read = &expectation.read;
    let happening = |what: &str, path: &str, body: Option<Json>| Happening {
        what: format!("{}: {what}", expectation.what),
        service: read.service,
        path: path.to_owned(),
        body,
    };
    let found = look(reader, read);
    match &expectation.found {
        Found::Absent => vec![happening("it is there", &read.path, Some(json!({ "id": read.path, "properties": { "scope": "/other" } })))],
        Found::Present(fields) => {
            let body = found.unwrap_or_else(|| panic!("{} is not there", read.path));
            let mut all = vec![happening("it is gone", &read.path, None)];
            for pointer in fields.keys() {
                let mut moved = body.clone();
                let value = another(moved.pointer(pointer));
                put(&mut moved, pointer, value);
                all.push(happening(pointer, &read.path, Some(moved)));
            }
            all
        }
        Found::Some(fields) => {
            let items = found.unwrap()["value"].as_array().unwrap().clone();
            let like = |item: &&Json| fields.iter().all(|(pointer, wanted)| same(wanted, item.pointer(pointer).unwrap_or(&Json::Null)));
            let item = items.iter().find(like).unwrap_or_else(|| panic!("no item of {} is like that", read.path));
            let path = item["id"].as_str().unwrap().to_owned();
            let mut all = vec![happening("it is gone", &path, None)];
            for pointer in fields.keys() {
                let mut moved = item.clone();
                put(&mut moved, pointer, another(item.pointer(pointer)));
                all.push(happening(pointer, &path, Some(moved)));
            }
            all
        }
        Found::Nothing(fields) => {
            let path = format!("{}/0e000001-0000-4000-8000-000000000000", read.path);
            let mut body = json!({ "id": path });
            for (pointer, value) in fields {
                put(&mut body, pointer, value.clone());
            }
            vec![happening("one is there", &path, Some(body))]
        }
    }
}

fn same(wanted: &Json, found: &Json) -> bool {
    match (wanted.as_str(), found.as_str()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b) || a.rsplit('/').next() == b.rsplit('/').next() && a.contains("oleDefinitions"),
        _ => wanted == found,
    }
}

fn was_sent(server: &AzureServer, step: &Step) -> bool {
    let request = &step.operation.request;
    let verb = format!("{:?}", request.method).to_uppercase();
    server.seen().iter().any(|seen| seen.verb == verb && seen.path == request.path)
}

fn writes(server: &AzureServer) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.verb != "GET").collect()
}

fn happens(server: &AzureServer, happening: &Happening) {
    let done = server.tenant(|tenant| tenant.happen(happening.service, &happening.path, happening.body.clone(), Timestamp::now()));
    assert!(done, "{}: nothing can happen at {}", happening.what, happening.path);
}

/// Every step of the demo's plan, everything it relies on, every field: changed in the server after planning, and again between the
/// look at the whole plan and the step itself.
#[test]
fn whatever_moves_in_the_server_stops_the_step_that_relies_on_it() {
    let file = demo_plan();
    let (mut tried, mut by_kind) = (0, BTreeMap::new());
    for step in &file.plan.steps {
        for expectation in &step.operation.before {
            // What a step finds may only be there when the steps before it are done; what the first look shows is enough to know.
            let calm = server();
            let all = happenings(&mut HttpReader::new(calm.client("admin")).unwrap(), expectation);
            drop(calm);
            for happening in all {
                tried += 1;
                *by_kind.entry(format!("{:?}", step.operation.request.method)).or_insert(0) += 1;
                let name = format!("{} {}: {}", step.id, step.title, happening.what);
                // After planning.
                let moved = server();
                happens(&moved, &happening);
                let folder = tempfile::tempdir().unwrap();
                let clock = Hands::at(file.plan.created);
                let mut target = HttpTarget::new(WriteClient::for_apply(moved.client("admin"))).unwrap();
                match run(file, &folder.path().join("journal"), &mut target, &clock) {
                    Err(Refused::Gate(Refusal::Moved { .. })) => assert_eq!(writes(&moved), [], "{name}"),
                    Ok(report) => assert!(matches!(&report.ending, Ending::Stale { .. }), "{name}: {:?}", report.ending),
                    Err(other) => panic!("{name}: {other:?}"),
                }
                assert!(!was_sent(&moved, step), "{name}");
                // While it is applied, after it was admitted.
                let moved = server();
                let mut target = HttpTarget::new(WriteClient::for_apply(moved.client("admin"))).unwrap();
                let policies = policies();
                let order = order(file, &policies);
                let signed_in = admit(&order, &mut target, &clock).unwrap();
                happens(&moved, &happening);
                let folder = tempfile::tempdir().unwrap();
                let journals = JournalFolder::lock(folder.path(), "a test", clock.now_()).unwrap();
                let mut journal = journals.create(file).unwrap();
                let report = apply(&order, &signed_in, From::Start, &mut journal, &mut target, &clock, &mut |_: Event<'_>| {});
                assert!(matches!(report.ending, Ending::Stale { .. }), "{name}: {:?}", report.ending);
                assert!(!was_sent(&moved, step), "{name}");
            }
        }
    }
    println!("{tried} changes in the server were tried, each at two times: {by_kind:?}");
    assert!(tried > 20, "{tried}");
}

/// A lock that somebody sets after planning.
#[test]
fn a_lock_set_after_planning_stops_what_it_forbids() {
    let file = demo_plan();
    let removal =
        file.plan.steps.iter().find(|step| step.operation.request.method == Method::Delete && step.target.starts_with("/subscriptions/"));
    let removal = removal.expect("the demo removes something");
    let subscription: String = removal.target.split('/').take(3).collect::<Vec<_>>().join("/");
    for level in ["CanNotDelete", "ReadOnly"] {
        let server = server();
        let path = format!("{subscription}/providers/Microsoft.Authorization/locks/late");
        let body = json!({ "id": path, "name": "late", "type": "Microsoft.Authorization/locks", "properties": { "level": level } });
        assert!(server.tenant(|tenant| tenant.happen(Service::Arm, &path, Some(body), Timestamp::now())));
        let folder = tempfile::tempdir().unwrap();
        let mut target = HttpTarget::new(WriteClient::for_apply(server.client("admin"))).unwrap();
        let ended = run(file, &folder.path().join("journal"), &mut target, &Hands::at(file.plan.created));
        let said = match ended {
            Err(Refused::Gate(Refusal::Moved { moved, .. })) => moved,
            Ok(tenet::remedy::apply::Report { ending: Ending::Stale { moved, .. }, .. }) => moved,
            other => panic!("{level}: {other:?}"),
        };
        assert!(said.iter().any(|line| line.contains("no lock forbids")), "{said:?}");
        assert!(!was_sent(&server, removal), "{level}");
    }
}

/// A flipped bit of the plan or of its approval: refused, each with its code, and the server sees no write.
#[test]
fn a_flipped_bit_of_plan_or_approval_writes_nothing() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tenet(folder, &["demo", "--keep", "repo"]).ends(0, "ok");
    let repo = folder.join("repo");
    let config = repo.join("tenet.toml");
    let cloud = format!("\n[cloud]\nauthority = \"https://login.example\"\narm = \"{0}\"\ngraph = \"{0}\"\n", server.origin);
    fs::write(&config, fs::read_to_string(&config).unwrap() + &cloud).unwrap();
    fs::write(repo.join("token"), server.token("admin")).unwrap();
    let snapshot = "repo/snapshots/contoso.snapshot";
    let now = Timestamp::now().to_string();
    let plan = ["-C", "repo", "--now", &now, "plan", "--snapshot", snapshot, "--principal", ADMIN, "--planner", "jo", "-o", "new.json"];
    tenet(folder, &plan).ends(0, "ok");
    tenet(folder, &["-C", "repo", "approve", "new.json", "--key", "repo/demo_key"]).ends(0, "ok");
    let apply = || tenet(folder, &["-C", "repo", "apply", "new.json", "--auth", "token-file", "--token-file", "repo/token"]);
    let mut tried = 0;
    for name in ["new.json", "new.json.sig.1"] {
        let path = [repo.join(name), folder.join(name)].into_iter().find(|path| path.exists()).unwrap();
        let bytes = fs::read(&path).unwrap();
        for n in 0..12 {
            let at = n * (bytes.len() - 1) / 11;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (n % 7);
            fs::write(&path, &changed).unwrap();
            let run = apply();
            assert!([2, 5, 14].contains(&run.code), "{name}, byte {at}: {} {}", run.code, run.stderr);
            tried += 1;
        }
        fs::write(&path, &bytes).unwrap();
    }
    println!("{tried} bits flipped");
    assert_eq!(writes(&server), []);
}

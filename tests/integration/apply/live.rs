//! The program against a local server that behaves like the services: apply, stop, resume, undo, over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tenet::remedy::plan::{Expectation, Found, Method, Op, Operation, Plan, Read, Repeatable, Request, Service, Step, Undo};
use tenet::sources::azure::memory::MemoryTenant;
use tenet::sources::plan_file::{PlanFile, encode_plan, write_plan};
use tenet::{BuiltinModules, compile};

use super::world::{add, plan};
use crate::azure_server::{AzureServer, CANARY, Fault, Rule, Seen};
use crate::memory::recorded;
use crate::program::{Run, tenet};

const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";
const ADMIN: &str = "ad000000-0000-4000-8000-000000000000";
const SUB: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const USER: &str = "a000000d-0000-4000-8000-000000000000";
const OTHER: &str = "a0000025-0000-4000-8000-000000000000";
const NEW: &str = "7e000001-0000-4000-8000-000000000000";

fn place(path: &str) -> Read {
    let graph = path.starts_with("/v1.0/");
    let name = if graph { ("$select", "id,accountEnabled") } else { ("api-version", "2022-04-01") };
    Read { service: if graph { Service::Graph } else { Service::Arm }, path: path.into(), query: vec![(name.0.into(), name.1.into())] }
}

fn operation(method: Method, path: &str, body: Option<Json>, before: Found, after: Found) -> Operation {
    let read = place(path);
    let query = if read.service == Service::Arm { read.query.clone() } else { Vec::new() };
    let expect = |found, what: &str| vec![Expectation { read: read.clone(), found, what: what.into() }];
    Operation {
        request: Request { service: read.service, method, path: path.into(), query, body },
        before: expect(before, "it is as planned"),
        after: expect(after, "it is done"),
        repeatable: Repeatable::Same,
        window_seconds: 30,
    }
}

fn fields(pairs: &[(&str, Json)]) -> Found {
    Found::Present(pairs.iter().map(|(pointer, value)| ((*pointer).to_owned(), value.clone())).collect::<BTreeMap<_, _>>())
}

/// Gives a user a role, and disables another account.
fn two_steps() -> Vec<Step> {
    let path = format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/{NEW}");
    let role = format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": USER, "principalType": "User" } });
    // Ids in another case are the same ids.
    let there =
        || fields(&[("/properties/principalId", json!(USER.to_uppercase())), ("/properties/roleDefinitionId", json!(role.to_lowercase()))]);
    let give = operation(Method::Put, &path, Some(body), Found::Absent, there());
    let take = operation(Method::Delete, &path, None, there(), Found::Absent);
    let user = format!("/v1.0/users/{OTHER}");
    let set = |from: bool, to: bool| {
        let enabled = |on: bool| fields(&[("/accountEnabled", json!(on))]);
        operation(Method::Patch, &user, Some(json!({ "accountEnabled": to })), enabled(from), enabled(to))
    };
    let first = Step { target: path, operation: give, undo: Undo::By(Box::new(take)), ..add(4) };
    let second = Step {
        id: "s8".into(),
        op: Op::Change,
        action: "disable_account".into(),
        depends_on: vec!["s4".into()],
        target: user.clone(),
        operation: set(true, false),
        undo: Undo::By(Box::new(set(false, true))),
        ..add(8)
    };
    vec![first, second]
}

/// Digests the policies of a repo without any of its own.
fn policies() -> String {
    let compiled = compile(BuiltinModules::All, &[]);
    let mut digest = Sha256::new();
    for ((_, file), path) in compiled.sources.iter().zip(&compiled.paths) {
        for piece in [path.as_bytes(), &[0], file.text.as_bytes(), &[0]] {
            digest.update(piece);
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Tenant {
    server: AzureServer,
    folder: tempfile::TempDir,
    file: PlanFile,
}

fn tenant(change: impl FnOnce(&mut Plan)) -> Tenant {
    let server = AzureServer::start(MemoryTenant::from_answers(&recorded("contoso")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "tenant = \"{TENANT}\"\n[plan]\napprovals = 0\n[cloud]\nauthority = \"https://login.example\"\narm = \"{0}\"\ngraph = \"{0}\"\n",
        server.origin
    );
    fs::write(folder.path().join("tenet.toml"), config).unwrap();
    fs::write(folder.path().join("token"), server.token("admin")).unwrap();
    let mut plan = plan(two_steps());
    plan.tenant = TENANT.into();
    plan.principal = Some(ADMIN.into());
    plan.digests.policies = policies();
    plan.created = "2026-01-01T00:00:00Z".parse().unwrap();
    plan.expires = "2099-01-01T00:00:00Z".parse().unwrap();
    change(&mut plan);
    let file = encode_plan(plan).unwrap();
    write_plan(&file, &folder.path().join("plan.json")).unwrap();
    Tenant { server, folder, file }
}

impl Tenant {
    fn apply(&self, more: &[&str]) -> Run {
        let mut args = vec!["apply", "plan.json", "--auth", "token-file", "--token-file", "token"];
        args.extend(more);
        tenet(self.folder.path(), &args)
    }

    fn writes(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(|seen| seen.verb != "GET").collect()
    }

    fn journal(&self) -> String {
        format!("journal/{}.jsonl", self.file.plan.id)
    }

    fn is_enabled(&self) -> Json {
        use tenet::remedy::target::ReadTarget as _;
        let mut reader = tenet::sources::azure::target::HttpReader::new(self.server.client("admin")).unwrap();
        reader.read(&place(&format!("/v1.0/users/{OTHER}"))).unwrap().body.unwrap()["accountEnabled"].clone()
    }
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn what_the_plan_says_is_what_arrives_and_the_way_back_restores() {
    let tenant = tenant(|_| ());
    let run = tenant.apply(&[]).ends(0, "ok");
    assert!(run.stdout.starts_with("2 of 2 steps are done\n"), "{}", run.stdout);
    assert!(run.stdout.contains("the findings were not evaluated again: "), "{}", run.stdout);
    let writes = tenant.writes();
    assert_eq!(writes.len(), 2);
    for (seen, step) in writes.iter().zip(&tenant.file.plan.steps) {
        let request = &step.operation.request;
        assert_eq!((&seen.path, &seen.query, &seen.body), (&request.path, &request.query, &request.body));
    }
    assert_eq!(tenant.is_enabled(), json!(false));
    let journal = text(tenant.folder.path(), &tenant.journal());
    assert!(journal.contains("\"request_id\":\"request-") && !journal.contains(CANARY));
    // Once is once.
    assert!(tenant.apply(&[]).ends(10, "stale").stderr.contains("this plan was used already"));
    assert!(tenant.apply(&["--resume"]).ends(10, "stale").stderr.contains("every step of this plan is done already"));
    assert_eq!(tenant.writes().len(), 2);
    // And back.
    let undone = tenet(tenant.folder.path(), &["undo", &tenant.journal(), "-o", "back.json"]).ends(0, "ok");
    assert!(undone.stdout.contains("~ s8   undo: ") && undone.stdout.contains("- s4   undo: "), "{}", undone.stdout);
    let back = tenet(tenant.folder.path(), &["apply", "back.json", "--auth", "token-file", "--token-file", "token"]).ends(0, "ok");
    assert!(back.stdout.starts_with("2 of 2 steps are done\n"));
    assert_eq!(tenant.is_enabled(), json!(true));
}

#[test]
fn a_lost_answer_over_the_wire_is_read_and_not_sent_again() {
    let tenant = tenant(|_| ());
    tenant.server.fault(Rule::once("PUT", NEW, Fault::DropAfter));
    let run = tenant.apply(&[]).ends(0, "ok");
    assert!(run.stderr.contains("s4: the outcome is not known, and is read"), "{}", run.stderr);
    assert_eq!(tenant.writes().len(), 2);
}

#[test]
fn a_refusal_stops_and_a_resume_goes_on() {
    let tenant = tenant(|_| ());
    let body = br#"{"error":{"code":"AuthorizationFailed","message":"no"}}"#.to_vec();
    tenant.server.fault(Rule::once("PATCH", OTHER, Fault::Answer(403, Vec::new(), body)));
    let run = tenant.apply(&[]).ends(11, "partial");
    assert!(run.stdout.contains("1 of 2 steps are done\nleft to do:\n  s8 step 8 (not done)\n"), "{}", run.stdout);
    tenant.apply(&["--resume"]).ends(0, "ok");
    assert_eq!(tenant.writes().iter().filter(|seen| seen.verb == "PUT").count(), 1);
}

#[test]
fn a_plan_of_somebody_else_or_of_another_world_is_refused() {
    let refused = |change: &dyn Fn(&mut Plan), code: i32, name: &str, says: &str| {
        let tenant = tenant(change);
        let run = tenant.apply(&[]).ends(code, name);
        assert!(run.stderr.contains(says), "{}", run.stderr);
        assert_eq!(tenant.writes().len(), 0);
        assert!(!tenant.folder.path().join(tenant.journal()).exists());
    };
    refused(&|plan| plan.tenant = "other".into(), 10, "stale", "the plan is for the tenant other");
    refused(&|plan| plan.principal = Some("other".into()), 10, "stale", "the plan is for the identity other");
    refused(&|plan| plan.digests.policies = "0".repeat(64), 10, "stale", "the policies are not those");
    refused(&|plan| plan.expires = "2026-01-02T00:00:00Z".parse().unwrap(), 10, "stale", "the plan expired at 2026-01-02T00:00:00Z");
    refused(&|plan| plan.limits.max_changes = 1, 15, "limit", "the plan has 2 steps, and the limit is 1");
    refused(&|plan| plan.approvals.needed = 1, 14, "unapproved", "the plan needs 1 approval and has 0");
    let moved = |plan: &mut Plan| plan.steps[0].operation.before[0].found = fields(&[("/properties/principalId", json!(USER))]);
    refused(&moved, 10, "stale", "the tenant is not as it was when step s4 was planned: it is as planned: it is not there");
}

#[test]
fn another_apply_at_work_is_named() {
    let tenant = tenant(|_| ());
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    let held = tenet::sources::journal_file::JournalFolder::lock(&tenant.folder.path().join("journal"), "mia", now).unwrap();
    assert!(tenant.apply(&[]).ends(13, "locked").stderr.contains("another apply is at work: mia, since 2026-03-01T12:00:00Z"));
    drop(held);
    assert_eq!(tenant.writes().len(), 0);
}

/// Ctrl-C while a write is in flight: it is finished, with its line, and the rest is left.
#[cfg(unix)]
#[test]
fn an_interrupt_finishes_the_write_in_flight() {
    let tenant = tenant(|_| ());
    tenant.server.fault(Rule::once("PUT", NEW, Fault::Delay(std::time::Duration::from_millis(1500))));
    let args = ["apply", "plan.json", "--auth", "token-file", "--token-file", "token"];
    let mut command = crate::program::command(tenant.folder.path(), &args);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The begin of the step is on disk before the request leaves.
    let journal = tenant.folder.path().join(tenant.journal());
    let begun = || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"kind\":\"begin\""));
    for _ in 0..600 {
        if begun() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(begun());
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let run = crate::program::finish(&child.wait_with_output().unwrap()).ends(130, "stopped");
    assert!(run.stdout.contains("it was stopped"), "{}", run.stdout);
    assert_eq!(tenant.writes().len(), 1);
    assert!(text(tenant.folder.path(), &tenant.journal()).contains("\"kind\":\"sent\""));
    tenant.apply(&["--resume"]).ends(0, "ok");
    assert_eq!(tenant.writes().len(), 2);
}

/// A real disk that is full at any point, where `TENET_SMALL_DISK` names a file system of at most a few hundred kilobytes: nothing is sent
/// before its begin is on disk, and with space again the rest is done, each effect once.
#[cfg(unix)]
#[test]
fn a_real_full_disk_is_survived() {
    let Some(disk) = std::env::var_os("TENET_SMALL_DISK").map(std::path::PathBuf::from) else { return };
    let (mut stopped, mut complete) = (0, 0);
    for left in (0..16).map(|n| n * 4096) {
        let tenant = tenant(|_| ());
        let journals = disk.join(format!("journal-{left}"));
        fs::create_dir(&journals).unwrap();
        let filler = disk.join("filler");
        fill(&filler, left);
        let place = journals.display().to_string();
        let run = tenant.apply(&["--journal", &place]);
        let journal = journals.join(format!("{}.jsonl", tenant.file.plan.id));
        let text = fs::read_to_string(&journal).unwrap_or_default();
        let begun = text.matches("\"kind\":\"begin\"").count();
        assert!(tenant.writes().len() <= begun, "{left}: {begun} begun, {} sent", tenant.writes().len());
        println!("{left} bytes left: exit {}, {begun} begun, {} sent", run.code, tenant.writes().len());
        fs::remove_file(&filler).unwrap();
        if run.code == 0 {
            complete += 1;
        } else {
            stopped += 1;
            assert!([2, 11, 12].contains(&run.code), "{left}: {} {}", run.code, run.stderr);
            // Where there was no room for the first line, there is nothing to resume.
            let args = ["--journal", &place, "--resume"];
            tenant.apply(&args[..if journal.exists() { 3 } else { 2 }]).ends(0, "ok");
        }
        assert_eq!(tenant.writes().len(), 2, "{left}");
        fs::remove_dir_all(&journals).unwrap();
    }
    println!("{stopped} stopped and gone on with, {complete} complete");
}

/// Fills a file system but for some bytes.
#[cfg(unix)]
fn fill(filler: &Path, left: u64) {
    use std::io::Write as _;
    let mut file = fs::File::create(filler).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(left)).unwrap();
}

/// Ctrl-C at any time, with the real program: what was in flight is finished, and going on ends it. `TENET_SIGNALS` says how often.
#[cfg(unix)]
#[test]
fn an_interrupt_at_any_time_leaves_what_can_be_gone_on_with() {
    let n: u64 = std::env::var("TENET_SIGNALS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let (mut stopped, mut too_late, mut unbegun) = (0, 0, 0);
    for seed in 0..n {
        let mut random = crate::overlay::Random(seed ^ 0xc7);
        let tenant = tenant(|_| ());
        tenant.server.fault(Rule::once("PUT", NEW, Fault::Delay(std::time::Duration::from_millis(random.below(300) as u64))));
        let args = ["apply", "plan.json", "--auth", "token-file", "--token-file", "token"];
        let mut command = crate::program::command(tenant.folder.path(), &args);
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + random.below(4000) as u64));
        let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let run = crate::program::finish(&child.wait_with_output().unwrap());
        let journal = tenant.folder.path().join(tenant.journal());
        match run.code {
            0 => too_late += 1,
            // Before the program listens, the system ends it; nothing was begun then.
            -1 => {
                assert!(!journal.exists(), "seed {seed}");
                unbegun += 1;
                tenant.apply(&[]).ends(0, "ok");
            }
            130 => {
                stopped += 1;
                if journal.exists() {
                    assert!(tenet::sources::journal_file::read_journal(&journal).unwrap().progress.unknown().is_empty(), "seed {seed}");
                    tenant.apply(&["--resume"]).ends(0, "ok");
                } else {
                    tenant.apply(&[]).ends(0, "ok");
                }
            }
            other => panic!("seed {seed}: {other} {}", run.stderr),
        }
        assert_eq!(tenant.writes().len(), 2, "seed {seed}");
    }
    println!("{n} interrupts: {stopped} stopped and gone on with, {too_late} came too late, {unbegun} before anything was begun");
}

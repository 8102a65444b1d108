//! The program against a local server: collect, import again, kill, resume, doctor, and all that keeps it from signing in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use tenet::sources::azure::memory::{Caller, Grant, MemoryTenant};

use crate::azure_server::{AzureServer, CANARY, Fault, Rule, verbs};
use crate::memory::recorded;
use crate::program::{Run, command, tenet};

pub(super) const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";
pub(super) const READER: &str = "4ead0000-0000-4000-8000-000000000000";

pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) server: AzureServer,
}

impl World {
    /// A governance repo like Contoso's, whose cloud is a local server.
    pub(super) fn new() -> Self {
        let mut tenant = MemoryTenant::from_answers(&recorded("contoso")).unwrap();
        tenant.settings.page_size = Some(5);
        let grants = ["Microsoft.Authorization/*/read", "Microsoft.ManagedServices/*/read", "Microsoft.Resources/*/read", "User.Read.All"];
        let grants = grants.iter().map(|action| Grant::new(action, "/")).collect();
        tenant.add_caller("reader", Caller { object_id: READER.to_owned(), grants });
        let server = AzureServer::start(tenant);
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contoso"), folder.path());
        let world = Self { folder, server };
        world.configure("https://login.example", &world.server.origin.clone());
        fs::write(world.path("token"), world.server.token("admin")).unwrap();
        world
    }

    pub(super) fn configure(&self, authority: &str, arm: &str) {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contoso/tenet.toml")).unwrap();
        let cloud = format!("\n[cloud]\nname = \"custom\"\nauthority = \"{authority}\"\narm = \"{arm}\"\ngraph = \"{arm}\"\n");
        fs::write(self.path("tenet.toml"), text + &cloud).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Run {
        tenet(self.folder.path(), args)
    }

    fn collect(&self, more: &[&str]) -> Run {
        let mut args = vec!["collect", "-o", "snapshots/live.snapshot", "--auth", "token-file", "--token-file", "token"];
        args.extend(more);
        self.run(&args)
    }

    pub(super) fn manifest(&self, name: &str) -> Json {
        serde_json::from_str(&fs::read_to_string(self.path(name).join("manifest.json")).unwrap()).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_collected_snapshot_is_an_import_of_its_evidence() {
    let world = World::new();
    // The service repeats what it was sent, as some do in an error.
    let echo = format!("{{\"error\":{{\"code\":\"Echo\",\"message\":\"Bearer {}\"}}}}", world.server.token("admin"));
    world.server.fault(Rule::once("GET", "/v1.0/servicePrincipals", Fault::Answer(403, Vec::new(), echo.into_bytes())).times(9));
    let run = world.collect(&["-v", "--progress", "plain"]).ends(3, "incomplete");
    assert!(run.stdout.contains("lists and objects are whole"), "{}", run.stdout);
    assert!(run.stdout.contains("not whole: graph:servicePrincipals: denied: needs Application.Read.All"), "{}", run.stdout);
    assert!(run.stderr.contains("read "), "{}", run.stderr);
    assert!(!world.path("snapshots/live.snapshot.collecting").exists());
    assert!(verbs(&world.server.seen()).iter().all(|verb| ["GET", "POST"].contains(verb)));
    for seen in world.server.seen() {
        assert!(seen.verb == "GET" || seen.path.to_lowercase().ends_with("/getentities"), "{seen:?}");
    }
    let told = format!("{}{}", run.stdout, run.stderr);
    let files = files(&world.path("snapshots"));
    let texts = files
        .iter()
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .chain([("what was said".to_owned(), told.into_bytes())]);
    for (name, bytes) in texts {
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{name} holds a token");
    }
    world.run(&["import", "arm", "snapshots/live.snapshot/evidence", "-o", "again/live.snapshot"]).ends(0, "ok");
    let (ours, theirs) = (world.manifest("snapshots/live.snapshot"), world.manifest("again/live.snapshot"));
    assert_eq!(ours["files"], theirs["files"]);
    assert_eq!(ours["evidence"].as_array().unwrap().len(), 45);
    let result = |snapshot: &str| {
        let run = world.run(&["scan", "--snapshot", snapshot, "--format", "json"]);
        let mut document: Json = serde_json::from_str(&run.stdout).unwrap();
        // The manifest of the one names the evidence.
        document["run"]["snapshot_digest"] = Json::Null;
        (run.code, document.to_string())
    };
    assert!(result("snapshots/live.snapshot") == result("again/live.snapshot"));
}

/// The records of a snapshot that was written.
fn records(world: &World, name: &str) -> (std::sync::Arc<tenet::model::Schema>, tenet::snapshot::Records) {
    let schema = tenet::compile(tenet::BuiltinModules::All, &[]).policies.schema;
    let (builder, _) = tenet::sources::disk::read_snapshot(&schema, &world.path(name)).unwrap();
    (schema, builder.records())
}

#[test]
fn a_chain_of_collections_knows_who_held_what() {
    use tenet::model::Bound;
    let world = World::new();
    let keep = |name: &str| fs::rename(world.path("snapshots/live.snapshot"), world.path(name)).unwrap();
    world.collect(&[]).ends(3, "incomplete");
    keep("snapshots/first.snapshot");
    let (schema, first) = records(&world, "snapshots/first.snapshot");
    let assignment = schema.entity_named("RoleAssignment").unwrap().id;
    let is_own = |key: &str| key.starts_with("/subscriptions/") && key.matches('/').count() == 6;
    let list = schema.property_named(schema.entity_named("Scope").unwrap().id, "role_assignments").unwrap().id;
    let covered = |records: &tenet::snapshot::Records, scope: &str, at: Option<jiff::Timestamp>| {
        let holder = records.entities.iter().find(|record| *record.key == *scope).unwrap();
        let claim = holder.completeness.iter().find(|(of, _)| *of == list).map(|(_, claim)| claim);
        claim.is_some_and(|claim| at.map_or(claim.complete, |at| claim.covers(at)))
    };
    let scope_of = |key: &str| key.split("/providers/").next().unwrap().to_owned();
    let fits = |key: &str| is_own(key) && covered(&first, &scope_of(key), None);
    let gone = first.entities.iter().find(|record| record.entity_type == assignment && fits(&record.key)).unwrap().key.to_string();
    let scope = scope_of(&gone);
    // Somebody takes it away between two collections.
    let removed_at = jiff::Timestamp::now();
    std::thread::sleep(Duration::from_millis(1_500));
    let arm = tenet::remedy::plan::Service::Arm;
    assert!(world.server.tenant(|tenant| tenant.happen(arm, &gone, None, removed_at)));
    world.collect(&["--previous", "snapshots/first.snapshot"]).ends(3, "incomplete");
    let (_, second) = records(&world, "snapshots/live.snapshot");
    let find = |records: &tenet::snapshot::Records| records.entities.iter().find(|record| *record.key == *gone).cloned().unwrap();
    // The event says to the second when it went; without one it would be the capture that last saw it.
    let ended = find(&second).lifetime.to;
    assert!(matches!(ended, Bound::At(at) if at == removed_at), "{ended:?} and {removed_at}");
    let captured_at = first.meta.captured_to;
    assert!(covered(&second, &scope, captured_at) && !covered(&first, &scope, captured_at));
    // What is folded is folded the same by an import of the same answers.
    let again =
        ["import", "arm", "snapshots/live.snapshot/evidence", "--previous", "snapshots/first.snapshot", "-o", "again/live.snapshot"];
    world.run(&again).ends(0, "ok");
    assert_eq!(world.manifest("snapshots/live.snapshot")["files"], world.manifest("again/live.snapshot")["files"]);
    keep("snapshots/second.snapshot");
    world.collect(&["--previous", "snapshots/second.snapshot"]).ends(3, "incomplete");
    let (_, third) = records(&world, "snapshots/live.snapshot");
    assert_eq!(find(&third).lifetime, find(&second).lifetime);
    assert!(covered(&third, &scope, captured_at) && covered(&third, &scope, second.meta.captured_to));
    let told = world.run(&["explain", "OWNER-001", "--snapshot", "snapshots/live.snapshot"]);
    assert!([0, 1, 3].contains(&told.code), "{}", told.stderr);
    // One that is later is no earlier one, and nothing is read for one of another directory.
    let later =
        ["import", "arm", "snapshots/first.snapshot/evidence", "--previous", "snapshots/live.snapshot", "-o", "again/first.snapshot"];
    let run = world.run(&later).ends(2, "usage");
    assert!(run.stderr.contains("name one that was captured before"), "{}", run.stderr);
    let run = world.collect(&["--force", "--previous", "snapshots/none.snapshot"]).ends(2, "usage");
    assert!(run.stderr.contains("there is no such snapshot"), "{}", run.stderr);
}

#[test]
fn a_fact_leads_to_its_answer() {
    let world = World::new();
    world.collect(&[]).ends(3, "incomplete");
    let run = world.run(&["explain", "OWNER-001", "--snapshot", "snapshots/live.snapshot"]);
    let place = run.stdout.split("[arm:roleAssignments (").nth(1).and_then(|rest| rest.split(')').next());
    let place = place.unwrap_or_else(|| panic!("{}", run.stdout)).to_owned();
    assert!(place.contains(".jsonl:"), "{place}");
    let shown = world.run(&["show", "snapshots/live.snapshot", "--answer", &place]).ends(0, "ok");
    let exchange: Json = serde_json::from_str(&shown.stdout).unwrap();
    assert!(exchange["request"]["url"].as_str().unwrap().contains("/roleAssignments?api-version=2022-04-01"), "{exchange}");
    assert!(exchange["response"]["headers"]["x-ms-request-id"].as_str().is_some_and(|id| id.starts_with("request-")), "{exchange}");
    assert_eq!(exchange["response"]["sha256"].as_str().unwrap().len(), 64);
    // An answer that was altered is not shown, one that is cut ends every command.
    let (file, _) = place.rsplit_once(':').unwrap();
    let path = world.path("snapshots/live.snapshot/evidence").join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("Direct", "dIRECT", 1).replacen("2022", "2023", 1)).unwrap();
    world.run(&["show", "snapshots/live.snapshot", "--answer", &place]).ends(5, "evidence");
    fs::write(&path, &text[..text.len() - 1]).unwrap();
    world.run(&["scan", "--snapshot", "snapshots/live.snapshot"]).ends(5, "evidence");
}

#[test]
fn a_program_that_is_killed_goes_on() {
    let world = World::new();
    for (round, skip) in [3_usize, 40, 90].into_iter().enumerate() {
        world.server.fault(Rule { verb: None, path: "/".to_owned(), skip, times: 100_000, fault: Fault::Hold { after_effect: false } });
        let resume = if round == 0 { "--force" } else { "--resume" };
        let args = ["collect", "-o", "snapshots/live.snapshot", "--auth", "token-file", "--token-file", "token", resume];
        let mut child = command(world.folder.path(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let journal = world.path("snapshots/live.snapshot.collecting/answers.journal");
        let lines = || fs::read(&journal).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
        // The first answer goes to the check of the sign-in.
        let (begun, before) = (Instant::now(), lines());
        while lines() + 25 < before + skip && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(150));
        child.kill().unwrap();
        child.wait().unwrap();
        world.server.calm();
    }
    world.collect(&[]).ends(2, "usage");
    let before = world.server.seen().len();
    let run = world.collect(&["--resume"]).ends(3, "incomplete");
    let resumed = world.server.seen().len() - before;
    let whole = World::new();
    let other = whole.collect(&[]).ends(3, "incomplete");
    // The same is whole and the same is not.
    let without_counts = |text: &str| text.lines().skip(1).map(|line| line.replace(char::is_numeric, "")).collect::<Vec<_>>();
    assert_eq!(without_counts(&run.stdout), without_counts(&other.stdout));
    assert!(resumed < whole.server.seen().len(), "{resumed} of {}", whole.server.seen().len());
    let rows = |world: &World| {
        let manifest = world.manifest("snapshots/live.snapshot");
        let tables = manifest["files"].as_array().unwrap().iter();
        tables.map(|file| (file["name"].to_string(), file["rows"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(rows(&world), rows(&whole));
}

#[test]
fn the_doctor_says_what_each_refusal_costs() {
    let world = World::new();
    fs::write(world.path("token"), world.server.token("reader")).unwrap();
    let args = ["doctor", "--auth", "token-file", "--token-file", "token"];
    let run = world.run(&args).ends(3, "incomplete");
    assert!(run.stdout.contains(&format!("identity {READER} in the directory {TENANT}, signed in by token-file")), "{}", run.stdout);
    assert!(run.stdout.contains("allowed  arm:roleAssignments of each subscription (3 of 3 tried, "), "{}", run.stdout);
    assert!(run.stdout.contains("denied   graph:groups of the directory"), "{}", run.stdout);
    assert!(run.stdout.contains("needs GroupMember.Read.All"), "{}", run.stdout);
    let json = world.run(&["doctor", "--json", "--auth", "token-file", "--token-file", "token"]);
    let document: Json = serde_json::from_str(&json.stdout).unwrap();
    let reads = document["reads"].as_array().unwrap();
    let of = |name: &str| reads.iter().find(|read| read["read"] == name).unwrap();
    assert_eq!(of("graph:groups")["access"], "denied");
    assert!(
        of("graph:groups/members")["rules"].as_array().unwrap().iter().any(|rule| rule == "OWNER-001"),
        "{}",
        of("graph:groups/members")
    );
    assert_eq!(of("graph:groups/members")["access"], "unknown");
    assert_eq!(of("graph:users")["access"], "allowed");
    // Without a sign-in, what to ask for.
    let run = world.run(&["doctor", "--grant-list", "--for", "GUEST-001"]).ends(0, "ok");
    assert!(run.stdout.contains("User.Read.All") && !run.stdout.contains("billing account reader"), "{}", run.stdout);
}

#[test]
fn what_rules_need_is_read_and_nothing_else() {
    let world = World::new();
    world.collect(&["--only", "arm:roleAssignments", "--skip", "arm:locks"]).ends(3, "incomplete");
    let seen: Vec<String> = world.server.seen().into_iter().map(|seen| seen.path.to_lowercase()).collect();
    assert!(seen.iter().any(|path| path.ends_with("/roleassignments")));
    assert!(!seen.iter().any(|path| path.ends_with("/users") || path.ends_with("/locks")), "{seen:?}");
    let run = world.collect(&["--force", "--only", "arm:roleAssignment"]).ends(2, "usage");
    assert!(run.stderr.contains("did you mean `arm:roleAssignments`?"), "{}", run.stderr);
    let run = world.collect(&["--force", "--for", "GUEST-999"]).ends(2, "usage");
    assert!(run.stderr.contains("`GUEST-999` is no rule, no pack and no policy file"), "{}", run.stderr);
}

/// An authority on this machine: it answers with a token, or with an error as the directory words it.
fn authority(answer: (u16, Json)) -> (String, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    async fn reply(State((status, body)): State<(u16, Json)>) -> (StatusCode, axum::Json<Json>) {
        (StatusCode::from_u16(status).unwrap(), axum::Json(body))
    }
    let app = Router::new().fallback(reply).with_state(answer);
    runtime.spawn(async move { axum::serve(listener, app).await });
    (origin, runtime)
}

pub(super) fn with_environment(world: &World, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = command(world.folder.path(), args);
    command.envs(variables.iter().copied());
    crate::program::finish(&command.output().unwrap())
}

pub(super) const SECRET: &str = "canary-secret-5b1e77";

#[test]
fn every_way_of_signing_in_goes_and_says_why_not() {
    let world = World::new();
    let token = world.server.token("admin");
    let expires = jiff::Timestamp::now().as_second() + 3000;
    let good = json!({
        "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "expires_on": expires.to_string(), "access_token": token,
        "resource": "https://management.azure.com"
    });
    let good = (200, good);
    let (origin, _runtime) = authority(good);
    world.configure(&origin, &world.server.origin.clone());
    let args = |auth| ["doctor", "--only", "arm:tenants", "--auth", auth];
    let ids = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", READER)];
    let signed_in = |auth: &'static str, more: &[(&str, &str)]| {
        let run = with_environment(&world, &args(auth), &[&ids[..], more].concat()).ends(0, "ok");
        assert!(run.stdout.contains("signed in by"), "{}", run.stdout);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"), "{}", run.stderr);
        run.stdout
    };
    assert!(signed_in("env", &[("AZURE_CLIENT_SECRET", SECRET)]).contains("signed in by env"));
    assert!(signed_in("env", &[("AZURE_CLIENT_ASSERTION", "e30.e30.canary")]).contains("signed in by env"));
    assert!(signed_in("auto", &[("AZURE_CLIENT_SECRET", SECRET)]).contains("signed in by env"));
    fs::write(world.path("federated"), "e30.e30.canary").unwrap();
    let federated = world.path("federated").display().to_string();
    assert!(signed_in("workload", &[("AZURE_FEDERATED_TOKEN_FILE", &federated)]).contains("signed in by workload"));
    let msi = format!("{origin}/msi/token");
    assert!(signed_in("managed", &[("IDENTITY_ENDPOINT", &msi), ("IDENTITY_HEADER", "canary-header")]).contains("signed in by managed"));
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let az = json!({ "accessToken": token, "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": expires, "tenant": TENANT, "tokenType": "Bearer" });
    script(&bin.join("az"), &az.to_string());
    script(&bin.join("azd"), &json!({ "token": token, "expiresOn": "2099-01-01T00:00:00Z" }).to_string());
    let path = format!("{}:/usr/bin:/bin", bin.display());
    assert!(signed_in("az", &[("PATH", &path)]).contains("signed in by az"));
    assert!(signed_in("azd", &[("PATH", &path)]).contains("signed in by azd"));
}

#[cfg(unix)]
pub(super) fn script(path: &Path, says: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, format!("#!/bin/sh\ncat <<'END'\n{says}\nEND\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn whoever_is_not_signed_in_is_told_so_plainly() {
    let world = World::new();
    let origin = world.server.origin.clone();
    let told = |run: Run, wanted: &str| {
        let run = run.ends(4, "auth");
        assert!(run.stderr.contains(wanted), "{}", run.stderr);
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    };
    // Another directory.
    let text = fs::read_to_string(world.path("tenet.toml")).unwrap();
    fs::write(world.path("tenet.toml"), text.replace(TENANT, "c0a70500-0000-4000-8000-0000000000ff")).unwrap();
    told(world.collect(&[]), "wrong tenant: the sign-in is to the directory c0a70500-0000-4000-8000-000000000001");
    fs::write(world.path("tenet.toml"), text).unwrap();
    // A secret that has expired.
    let body = json!({ "error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys for app are expired.", "error_codes": [7_000_222] });
    let (authority, _runtime) = authority((401, body));
    world.configure(&authority, &origin);
    let args = ["collect", "-o", "snapshots/live.snapshot", "--auth", "env"];
    let variables = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", READER), ("AZURE_CLIENT_SECRET", SECRET)];
    told(with_environment(&world, &args, &variables), "the secret of the application has expired");
    // No az on the path, and none of the other ways either.
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let path = empty.display().to_string();
    let args = ["collect", "-o", "snapshots/live.snapshot", "--auth", "az"];
    told(with_environment(&world, &args, &[("PATH", &path)]), "az: ");
    // A service that does not take the token, and says what time it is.
    let date = [("date", "Tue, 20 Oct 2020 08:00:00 GMT".to_owned())].to_vec();
    let body = br#"{"error":{"code":"InvalidAuthenticationToken","message":"The access token is not yet valid."}}"#.to_vec();
    world.configure("https://login.example", &origin);
    world.server.fault(Rule::once("GET", "/tenants", Fault::Answer(401, date, body)).times(9));
    told(world.collect(&[]), "minutes ahead of that of the service: set it right and sign in again");
    world.server.calm();
    // A service that demands claims.
    let challenge =
        "Bearer authorization_uri=\"https://login.example\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    let headers = [("www-authenticate", challenge.to_owned())].to_vec();
    world.server.fault(Rule::once("GET", "/tenants", Fault::Answer(401, headers, b"{}".to_vec())).times(9));
    told(world.collect(&[]), "insufficient_claims");
    world.server.calm();
    // Nobody there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    world.configure("https://login.example", &gone);
    told(world.collect(&[]), "cannot be reached");
    let run = world.collect(&["--offline"]).ends(2, "usage");
    assert!(run.stderr.contains("--offline forbids"), "{}", run.stderr);
    assert!(!world.path("snapshots/live.snapshot").exists());
}

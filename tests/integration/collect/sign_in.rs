//! An application signs in with a certificate, and services demand claims: the program against a directory and services on this
//! machine.

use std::fs;

use azure_core::base64;
use serde_json::Value as Json;

use super::program::{READER, SECRET, TENANT, World, script, with_environment};
use crate::azure_server::{Fault, Rule};
use crate::directory::Directory;
use crate::program::{Run, fixture};

const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// A world whose authority knows the certificate of `app.pem`.
fn world() -> (World, Directory) {
    let world = World::new();
    let certificate = fs::read_to_string(fixture("certificates/app.pem")).unwrap();
    let directory = Directory::start(TENANT, READER, &certificate, &world.server.token("admin"));
    world.configure(&directory.origin, &world.server.origin.clone());
    (world, directory)
}

fn run(world: &World, args: &[&str], more: &[(&str, &str)]) -> Run {
    let ids = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", READER)];
    let run = with_environment(world, args, &[&ids[..], more].concat());
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"), "{}{}", run.stdout, run.stderr);
    run
}

const COLLECT: [&str; 5] = ["collect", "-o", "snapshots/live.snapshot", "--auth", "env"];
/// Of the directory alone, which is soon done.
const SOME: [&str; 6] = ["--only", "graph:users", "--only", "graph:organization", "--only", "arm:tenants"];
const DOCTOR: [&str; 5] = ["doctor", "--only", "arm:tenants", "--auth", "env"];

/// What a service answers that demands claims.
fn demand() -> Fault {
    let claims = base64::encode(CLAIMS);
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"https://login.example/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{claims}\""
    );
    let body = br#"{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge."}}"#;
    Fault::Answer(401, vec![("www-authenticate", "PoP nonce=\"x\"".to_owned()), ("www-authenticate", challenge)], body.to_vec())
}

#[test]
fn a_certificate_collects_a_tenant() {
    let (world, directory) = world();
    let path = fixture("certificates/app.pem");
    let collected = run(&world, &COLLECT, &[("AZURE_CLIENT_CERTIFICATE_PATH", &path)]).ends(3, "incomplete");
    assert!(collected.stdout.contains("lists and objects are whole"), "{}", collected.stdout);
    let granted = directory.known.lock().unwrap().granted.clone();
    // Both services are at one place here, and one token does for it.
    let scopes: Vec<&str> = granted.iter().map(|form| form["scope"].as_str()).collect();
    assert_eq!(scopes, [format!("{}/.default", world.server.origin)]);
    // What was signed cannot be changed, and what was shown cannot be shown again.
    let assertion = &granted[0]["client_assertion"];
    let mut known = directory.known.lock().unwrap();
    assert!(known.verify(assertion).unwrap_err().contains("shown before"));
    let parts: Vec<&str> = assertion.split('.').collect();
    let other = String::from_utf8(base64::decode_url_safe(parts[1]).unwrap()).unwrap().replace("\"jti\":\"", "\"jti\":\"x");
    let tampered = format!("{}.{}.{}", parts[0], base64::encode_url_safe(other), parts[2]);
    assert!(known.verify(&tampered).unwrap_err().contains("failed signature validation"));
}

#[test]
fn a_certificate_with_a_password_or_a_chain_signs_in() {
    let (world, directory) = world();
    let path = fixture("certificates/locked.pem");
    let variables = [("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str()), ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "test-password")];
    assert!(run(&world, &DOCTOR, &variables).ends(0, "ok").stdout.contains("signed in by env"));
    let path = fixture("certificates/app.pem");
    let variables = [("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str()), ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true")];
    run(&world, &DOCTOR, &variables).ends(0, "ok");
    let granted = directory.known.lock().unwrap().granted.clone();
    let header = |at: usize| -> Json {
        let head = granted[at]["client_assertion"].split('.').next().unwrap();
        serde_json::from_slice(&base64::decode_url_safe(head).unwrap()).unwrap()
    };
    assert!(header(0).get("x5c").is_none());
    assert_eq!(header(granted.len() - 1)["x5c"].as_array().unwrap().len(), 1);
}

#[test]
fn a_certificate_that_does_not_do_says_why() {
    let (world, directory) = world();
    let told = |variables: &[(&str, &str)], wanted: &str| {
        let run = run(&world, &COLLECT, variables).ends(4, "auth");
        assert!(run.stderr.contains(wanted), "{wanted}: {}", run.stderr);
        assert!(!run.stderr.contains("[token]"), "{}", run.stderr);
    };
    let file = |name: &str| fixture(&format!("certificates/{name}"));
    let path = |path: &str, wanted: &str| told(&[("AZURE_CLIENT_CERTIFICATE_PATH", path)], wanted);
    // Another key than that of the certificate which was uploaded.
    path(&file("chain.pem"), "env: the certificate is not one of the application: upload it");
    assert!(directory.known.lock().unwrap().granted.is_empty());
    path(&file("locked.pem"), "locked.pem: its private key has a password; set AZURE_CLIENT_CERTIFICATE_PASSWORD");
    path(&file("expired.pem"), "expired.pem: it holds no private key");
    path(&file("ec.pem"), "ec.pem: its private key is not one of RSA");
    path(&file("README.md"), "README.md: it is no PEM file");
    path(&file("none.pem"), "none.pem: it cannot be read");
    let app = fs::read_to_string(file("app.pem")).unwrap();
    let (key, _) = app.split_at(app.find("-----BEGIN CERTIFICATE").unwrap());
    for (name, wanted) in
        [("expired.pem", "the certificate has expired at 2020-01-01T00:00:00Z"), ("later.pem", "not valid before 2090-01-01")]
    {
        let made = world.path(name);
        fs::write(&made, format!("{key}{}", fs::read_to_string(file(name)).unwrap())).unwrap();
        path(&made.display().to_string(), wanted);
    }
    let certificate = file("app.pem");
    told(
        &[("AZURE_CLIENT_CERTIFICATE_PATH", &certificate), ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "perhaps")],
        "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN is neither true nor false",
    );
    told(&[], "none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_ASSERTION is set");
}

#[test]
fn an_application_passes_on_the_claims_that_are_demanded() {
    let (world, directory) = world();
    let path = fixture("certificates/app.pem");
    let variables = [("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str())];
    // As the first answer, and midway.
    for place in ["/tenants", "/v1.0/users"] {
        world.server.fault(Rule::once("GET", place, demand()));
        let before = directory.known.lock().unwrap().granted.len();
        let run = run(&world, &[&COLLECT[..], &SOME, &["--force"]].concat(), &variables).ends(0, "ok");
        assert!(!run.stdout.contains("insufficient_claims"), "{}", run.stdout);
        let known = directory.known.lock().unwrap();
        let claims: Vec<&String> = known.granted[before..].iter().filter_map(|form| form.get("claims")).collect();
        assert!(!claims.is_empty() && claims.iter().all(|claims| *claims == CLAIMS), "{place}: {:?}", known.granted);
        assert!(!known.granted[before].contains_key("claims"), "{place}: nobody demanded any");
    }
    // With a secret it is the same.
    world.server.fault(Rule::once("GET", "/tenants", demand()));
    run(&world, &DOCTOR, &[("AZURE_CLIENT_SECRET", SECRET)]).ends(0, "ok");
    assert_eq!(directory.known.lock().unwrap().granted.last().unwrap()["claims"], CLAIMS);
}

#[test]
fn claims_that_no_token_meets_are_a_gap_or_end_the_run() {
    let (world, directory) = world();
    let path = fixture("certificates/app.pem");
    let variables = [("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str())];
    let demanded = "the service demands claims that the sign-in lacks (insufficient_claims: acrs)";
    world.server.fault(Rule::once("GET", "/tenants", demand()).times(99));
    let first = run(&world, &COLLECT, &variables).ends(4, "auth");
    assert!(first.stderr.contains(demanded) && first.stderr.contains("a token with them is not taken either"), "{}", first.stderr);
    // The directory gives no such token either. What needs none is read all the same.
    world.server.calm();
    directory.known.lock().unwrap().against_claims = Some("AADSTS53003: Access has been blocked by Conditional Access policies.");
    world.server.fault(Rule::once("GET", "/v1.0/users", demand()).times(99));
    let midway = run(&world, &[&COLLECT[..], &SOME].concat(), &variables).ends(3, "incomplete");
    let gap = format!(
        "not whole: graph:users: denied: {demanded}: a token was asked for with them, and none was given: a Conditional Access policy blocks the sign-in ("
    );
    assert!(midway.stdout.contains(&gap), "{}", midway.stdout);
    assert_eq!(midway.stdout.matches("insufficient_claims").count(), 1, "{}", midway.stdout);
    // The snapshot knows the same reason, and an import of its evidence too.
    let shown = run(&world, &["show", "snapshots/live.snapshot"], &[]);
    assert!(shown.stdout.contains(demanded), "{}", shown.stdout);
    run(&world, &["import", "arm", "snapshots/live.snapshot/evidence", "-o", "again/live.snapshot"], &[]).ends(0, "ok");
    assert_eq!(world.manifest("snapshots/live.snapshot")["files"], world.manifest("again/live.snapshot")["files"]);
}

#[cfg(unix)]
#[test]
fn whoever_signed_in_with_az_is_told_the_command() {
    let world = World::new();
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let expires = jiff::Timestamp::now().as_second() + 3000;
    let az = serde_json::json!({ "accessToken": world.server.token("admin"), "expires_on": expires, "tokenType": "Bearer" });
    script(&bin.join("az"), &az.to_string());
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let args = [&COLLECT[..4], &["az", "--force"], &SOME].concat();
    let command = format!(
        "run `az logout` and `az login --tenant {TENANT} --scope {}/.default --claims-challenge {}` (az 2.76 or later), then this again",
        world.server.origin,
        base64::encode(CLAIMS)
    );
    world.server.fault(Rule::once("GET", "/tenants", demand()).times(99));
    let first = run(&world, &args, &[("PATH", &path)]).ends(4, "auth");
    assert!(first.stderr.contains(&command), "{}", first.stderr);
    world.server.calm();
    world.server.fault(Rule::once("GET", "/v1.0/users", demand()).times(99));
    let midway = run(&world, &args, &[("PATH", &path)]).ends(3, "incomplete");
    assert!(midway.stdout.contains("not whole: graph:users: denied: ") && midway.stdout.contains(&command), "{}", midway.stdout);
    let doctor = ["doctor", "--only", "graph:users", "--auth", "az"];
    let doctor = run(&world, &doctor, &[("PATH", &path)]).ends(3, "incomplete");
    assert!(doctor.stdout.contains("denied   graph:users") && doctor.stdout.contains("--claims-challenge"), "{}", doctor.stdout);
}

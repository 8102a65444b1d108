//! A large tenant: memory stays bounded, and progress is shown. How large says `TENET_SUBSCRIPTIONS`, by default a little.

use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use serde_json::{Value as Json, json};

use crate::program::command;

const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";
const EACH: usize = 10;
const PAGE: usize = 1_000;

fn subscription(number: usize) -> String {
    format!("5b000000-0000-4000-8000-{number:012x}")
}

fn assignments(subscription: &str) -> Vec<Json> {
    let number = usize::from_str_radix(&subscription[24..], 16).unwrap();
    let one = |at: usize| {
        let scope = format!("/subscriptions/{subscription}");
        let role = if at == 0 { "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" } else { "acdd72a7-3385-48ef-bd42-f606fba81ae7" };
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/7a000000-{at:04x}-4000-8000-{number:012x}"),
            "name": format!("7a000000-{at:04x}-4000-8000-{number:012x}"),
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
                "principalId": format!("a0000000-0000-4000-8000-{:012x}", (number * 7 + at * 31) % 5_000),
                "principalType": "User",
                "scope": scope,
                "condition": null,
                "conditionVersion": null,
                "createdOn": "2024-05-01T08:00:00.0000000Z",
                "updatedOn": "2024-05-01T08:00:00.0000000Z",
                "createdBy": "a0000000-0000-4000-8000-000000000001",
                "updatedBy": "a0000000-0000-4000-8000-000000000001",
                "delegatedManagedIdentityResourceId": null,
                "description": null
            }
        })
    };
    (0..EACH).map(one).collect()
}

async fn reply(State((n, origin)): State<(usize, String)>, uri: Uri) -> Response<Body> {
    let path = uri.path().to_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let body = match segments.as_slice() {
        ["tenants"] => json!({ "value": [{ "id": format!("/tenants/{TENANT}"), "tenantId": TENANT, "tenantCategory": "Home" }] }),
        ["v1.0", "organization"] => json!({ "value": [{ "id": TENANT, "displayName": "Large", "verifiedDomains": [] }] }),
        ["subscriptions"] => {
            let start: usize = uri.query().and_then(|query| query.split("page-").nth(1)).map_or(0, |at| at.parse().unwrap());
            let one = |number: usize| {
                let id = subscription(number);
                json!({ "id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": TENANT, "displayName": format!("S{number}"),
                    "state": "Enabled", "subscriptionPolicies": { "quotaId": "EnterpriseAgreement_2014-09-01" }, "authorizationSource": "RoleBased",
                    "managedByTenants": [] })
            };
            let mut body = json!({ "value": (start..n.min(start + PAGE)).map(one).collect::<Vec<_>>() });
            if start + PAGE < n {
                body["nextLink"] = json!(format!("{origin}/subscriptions?api-version=2022-12-01&$skiptoken=page-{}", start + PAGE));
            }
            body
        }
        ["providers", "microsoft.management", "getentities"] => json!({ "value": [{
            "id": format!("/providers/Microsoft.Management/managementGroups/{TENANT}"), "type": "Microsoft.Management/managementGroups",
            "name": TENANT, "properties": { "tenantId": TENANT, "displayName": "Root", "parent": { "id": null } } }] }),
        ["subscriptions", id, "providers", "microsoft.authorization", "roleassignments"] => json!({ "value": assignments(id) }),
        _ => json!({ "value": [] }),
    };
    Response::builder().header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

/// The most memory a process has had, in MiB.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[test]
fn a_large_tenant_fits_into_memory() {
    let n: usize = std::env::var("TENET_SUBSCRIPTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(reply).with_state((n, origin.clone()));
    runtime.spawn(async move { axum::serve(listener, app).await });
    let folder = tempfile::tempdir().unwrap();
    let cloud = format!("tenant = \"{TENANT}\"\n[cloud]\nname = \"custom\"\narm = \"{origin}\"\ngraph = \"{origin}\"\n");
    std::fs::write(folder.path().join("tenet.toml"), cloud).unwrap();
    std::fs::write(folder.path().join("token"), super::service::token()).unwrap();
    let args = [
        "collect",
        "-o",
        "large.snapshot",
        "--auth",
        "token-file",
        "--token-file",
        "token",
        "--only",
        "arm:roleAssignments",
        "--progress",
        "plain",
    ];
    let begun = Instant::now();
    let mut child = command(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Evidence is written when everything is read.
    let evidence = folder.path().join("large.snapshot.collecting/evidence");
    let (mut reading, mut most) = (0, 0);
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak(child.id()).unwrap_or(0));
        if !evidence.exists() && !folder.path().join("large.snapshot").exists() {
            reading = most;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{said}{told}");
    assert!(told.contains("lists known so far"), "{told}");
    let seconds = begun.elapsed().as_secs_f64();
    println!("{n} subscriptions, {} role assignments: {seconds:.0} s, {reading} MiB to read, {most} MiB at most\n{said}{told}", n * EACH);
    assert!(reading < 1024, "{reading} MiB");
}

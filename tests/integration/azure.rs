//! The client and the target against a local server that behaves like the services.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tenet::remedy::plan::{Method, Read, Request, Service};
use tenet::remedy::target::{ReadError, ReadTarget, Target, WriteError};
use tenet::sources::azure::client::WriteClient;
use tenet::sources::azure::credentials::{AuthMethod, SignInOptions, sign_in};
use tenet::sources::azure::memory::{Caller, Grant, LongRunning, MemoryTenant};
use tenet::sources::azure::target::{HttpReader, HttpTarget};
use tenet::sources::config::load_config;

use crate::azure_server::{AzureServer, CANARY, Fault, Rule, verbs};
use crate::memory::recorded;

const SUB: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const USER: &str = "a000000d-0000-4000-8000-000000000000";
const NEW: &str = "7e000001-0000-4000-8000-000000000000";

fn server() -> AzureServer {
    AzureServer::start(MemoryTenant::from_answers(&recorded("contoso")).unwrap())
}

fn target(server: &AzureServer) -> HttpTarget {
    HttpTarget::new(WriteClient::for_apply(server.client("admin"))).unwrap()
}

fn reading(path: &str) -> Read {
    let graph = path.starts_with("/v1.0/");
    let query = if graph { Vec::new() } else { vec![("api-version".to_owned(), "2022-04-01".to_owned())] };
    Read { service: if graph { Service::Graph } else { Service::Arm }, path: path.to_owned(), query }
}

fn request(method: Method, path: &str, body: Option<Json>) -> Request {
    let Read { service, path, query } = reading(path);
    Request { service, method, path, query, body }
}

fn assignment() -> String {
    format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/{NEW}")
}

fn assign() -> Request {
    let role = format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": USER, "principalType": "User" } });
    request(Method::Put, &assignment(), Some(body))
}

fn answer(status: u16, headers: Vec<(&'static str, &str)>, body: &str) -> Fault {
    Fault::Answer(status, headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect(), body.as_bytes().to_vec())
}

#[test]
fn every_kind_of_change_goes_over_the_wire() {
    let server = server();
    let mut target = target(&server);
    let signed_in = target.signed_in().unwrap();
    assert_eq!(signed_in.tenant, "c0a70500-0000-4000-8000-000000000001");
    assert_eq!(signed_in.principal, "ad000000-0000-4000-8000-000000000000");
    let partner = "/providers/Microsoft.ManagementPartner/partners/123456";
    let group = "/providers/Microsoft.Management/managementGroups/contoso-sandboxes";
    let moved = format!("{group}{SUB}");
    let user = "/v1.0/users/a0000025-0000-4000-8000-000000000000";
    let restore = "/v1.0/directory/deletedItems/a0000025-0000-4000-8000-000000000000/restore";
    let delegation = format!("{SUB}/providers/Microsoft.ManagedServices/registrationAssignments/da000001-0000-4000-8000-000000000000");
    let definition = format!("{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/de000001-0000-4000-8000-000000000000");
    let eligible = format!("{SUB}/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/{NEW}");
    let ask = json!({ "properties": { "principalId": USER, "roleDefinitionId": READER, "requestType": "AdminAssign", "scheduleInfo": { "expiration": { "type": "NoExpiration" } } } });
    let invite = json!({ "invitedUserEmailAddress": "new@y.example", "inviteRedirectUrl": "https://x.example" });
    let steps = [
        (assign(), 201),
        (assign(), 200),
        (request(Method::Delete, &assignment(), None), 200),
        (request(Method::Delete, &assignment(), None), 204),
        (request(Method::Put, &eligible, Some(ask)), 201),
        (request(Method::Put, partner, None), 200),
        (request(Method::Patch, "/providers/Microsoft.ManagementPartner/partners/654321", None), 200),
        (request(Method::Delete, "/providers/Microsoft.ManagementPartner/partners/654321", None), 200),
        (request(Method::Put, &moved, None), 200),
        (
            request(
                Method::Put,
                &format!("{group}/settings/default"),
                Some(json!({ "properties": { "requireAuthorizationForGroupCreation": true } })),
            ),
            200,
        ),
        (
            request(
                Method::Put,
                "/providers/Microsoft.Subscription/policies/default",
                Some(json!({ "blockSubscriptionsLeavingTenant": true })),
            ),
            200,
        ),
        (request(Method::Delete, &delegation, None), 200),
        (request(Method::Delete, &definition, None), 200),
        (request(Method::Post, "/v1.0/invitations", Some(invite)), 201),
        (request(Method::Patch, user, Some(json!({ "accountEnabled": false }))), 204),
        (request(Method::Delete, user, None), 204),
        (request(Method::Post, restore, None), 200),
        (request(Method::Patch, "/v1.0/policies/authorizationPolicy", Some(json!({ "allowInvitesFrom": "none" }))), 204),
    ];
    for (request, status) in &steps {
        let got = target.write(request).unwrap();
        assert_eq!(got.status, *status, "{:?} {}: {:?}", request.method, request.path, got.body);
        assert!(got.request_id.unwrap().starts_with("request-"));
    }
    // What arrived is what was meant, in its order, each once.
    let seen = server.seen();
    assert_eq!(seen.len(), steps.len());
    for (seen, (request, _)) in seen.iter().zip(&steps) {
        assert_eq!((&seen.path, &seen.query, &seen.body), (&request.path, &request.query, &request.body));
        assert_eq!(seen.verb.to_lowercase(), format!("{:?}", request.method).to_lowercase());
    }
    assert_eq!(target.read(&reading(user)).unwrap().body.unwrap()["accountEnabled"], false);
    assert_eq!(target.read(&reading(&assignment())).unwrap().status, 404);
}

#[test]
fn lists_are_whole_or_not_read() {
    let server = server();
    server.tenant(|tenant| tenant.settings.page_size = Some(4));
    let mut reader = HttpReader::new(server.client("admin")).unwrap();
    let list = reading(&format!("{SUB}/providers/Microsoft.Authorization/roleAssignments"));
    assert_eq!(reader.read(&list).unwrap().body.unwrap()["value"].as_array().unwrap().len(), 7);
    assert_eq!(reader.read(&reading("/v1.0/users")).unwrap().body.unwrap()["value"].as_array().unwrap().len(), 18);
    // The recording ends with a page that was throttled.
    let cut = reading("/subscriptions/5b00000a-0000-4000-8000-000000000000/providers/Microsoft.Authorization/roleAssignments");
    assert!(matches!(reader.read(&cut), Err(ReadError::Failed { reason, .. }) if reason.contains("429")));

    let away = json!({ "value": [], "nextLink": "https://elsewhere.example/next" }).to_string();
    server.fault(Rule::once("GET", "/subscriptions", answer(200, vec![], &away)));
    assert!(matches!(reader.read(&reading("/subscriptions")), Err(ReadError::Failed { reason, .. }) if reason.contains("another host")));
    let circle = json!({ "value": [], "nextLink": format!("{}/subscriptions?api-version=2022-04-01", server.origin) }).to_string();
    server.fault(Rule::once("GET", "/subscriptions", answer(200, vec![], &circle)));
    assert!(matches!(reader.read(&reading("/subscriptions")), Err(ReadError::Failed { reason, .. }) if reason.contains("circle")));
    assert_eq!(verbs(&server.seen()).into_iter().collect::<Vec<_>>(), ["GET"], "a reader only reads");
}

#[test]
fn reads_outlast_trouble_and_name_what_they_do_not() {
    let server = server();
    let mut reader = HttpReader::new(server.client("admin")).unwrap();
    let read = reading("/v1.0/policies/authorizationPolicy");
    let soon = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let faults = [
        answer(429, vec![("retry-after", "0")], ""),
        answer(429, vec![("retry-after", "0.05")], "<html>"),
        answer(429, vec![("retry-after", "whenever")], ""),
        answer(429, vec![("retry-after-ms", "20")], ""),
        answer(503, vec![("retry-after", soon.as_str())], ""),
        answer(500, vec![], "{}"),
        answer(200, vec![], "{\"id\": \"author"),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Cut,
        Fault::Delay(Duration::from_millis(30)),
    ];
    for fault in faults {
        server.fault(Rule::once("GET", "authorizationpolicy", fault.clone()));
        let got = reader.read(&read).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(got.body.unwrap()["id"], "authorizationPolicy", "{fault:?}");
    }
    let before = Instant::now();
    server.fault(Rule::once("GET", "authorizationpolicy", answer(429, vec![("retry-after", "1")], "")));
    reader.read(&read).unwrap();
    assert!(before.elapsed() >= Duration::from_secs(1), "never before it was asked to");
    let n_before = server.seen().len();
    server.fault(Rule::once("GET", "authorizationpolicy", answer(429, vec![("retry-after", "3600")], "")).times(9));
    assert!(matches!(reader.read(&read), Err(ReadError::Failed { reason, .. }) if reason.contains("wait 3600 s")));
    assert_eq!(server.seen().len(), n_before + 1);
}

#[test]
fn a_write_is_lost_or_not_sent_and_never_doubled() {
    let lost = [Fault::DropBefore, Fault::DropAfter, Fault::Cut, answer(503, vec![("retry-after", "0")], ""), answer(500, vec![], "")];
    for fault in lost {
        let server = server();
        let mut target = target(&server);
        server.fault(Rule::once("PUT", NEW, fault.clone()));
        assert!(matches!(target.write(&assign()), Err(WriteError::Lost(_))), "{fault:?}");
        let took_effect = matches!(fault, Fault::DropAfter | Fault::Cut);
        assert_eq!(server.seen().len(), 1, "{fault:?}: sent once");
        let found = target.read(&reading(&assignment())).unwrap().status;
        assert_eq!(found, if took_effect { 200 } else { 404 }, "{fault:?}");
    }
    let server = server();
    let mut target = target(&server);
    server.fault(Rule::once("PUT", NEW, answer(429, vec![("retry-after", "0.02")], "")).times(2));
    assert_eq!(target.write(&assign()).unwrap().status, 201);
    let statuses: Vec<Option<u16>> = server.seen().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [None, None, Some(201)]);
    server.fault(Rule::once("PUT", NEW, answer(429, vec![], "")).times(99));
    assert!(matches!(target.write(&assign()), Err(WriteError::NotSent(why)) if why.contains("429")));
    // A connection that was open could break after the request left; one that cannot be made sends nothing.
    let mut fresh = HttpTarget::new(WriteClient::for_apply(server.client("admin"))).unwrap();
    drop(server);
    std::thread::sleep(Duration::from_millis(300));
    let unsent = fresh.write(&assign());
    assert!(matches!(unsent, Err(WriteError::NotSent(_))), "nobody listens any more: {unsent:?}");
}

#[test]
fn operations_are_waited_for() {
    let definition = format!("{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/{NEW}");
    let authorizations = json!([{ "principalId": USER, "roleDefinitionId": READER }]);
    let body = json!({ "properties": { "registrationDefinitionName": "D", "managedByTenantId": NEW, "authorizations": authorizations } });
    let put = request(Method::Put, &definition, Some(body));
    for way in [LongRunning::Polled { seconds: 1 }, LongRunning::Location { seconds: 1 }, LongRunning::State { seconds: 1 }] {
        let server = server();
        server.tenant(|tenant| tenant.settings.long_running = way);
        let mut target = target(&server);
        assert!((200..300).contains(&target.write(&put).unwrap().status), "{way:?}");
        let state = target.read(&reading(&definition)).unwrap().body.unwrap()["properties"]["provisioningState"].clone();
        assert_eq!(state, "Succeeded", "{way:?}");
        server.tenant(|tenant| tenant.fail_next_operation("Boom", "it broke"));
        let failed = target.write(&put).unwrap();
        assert_eq!(failed.status, 400, "{way:?}: {:?}", failed.body);
        assert_eq!(server.seen().iter().filter(|seen| seen.verb == "PUT").count(), 2);
    }
    let server = server();
    let mut target = target(&server);
    let away = answer(202, vec![("location", "https://elsewhere.example/operation")], "");
    server.fault(Rule::once("PUT", NEW, away));
    assert!(matches!(target.write(&put), Err(WriteError::Lost(why)) if why.contains("another host")));
}

#[test]
fn a_refusal_is_an_answer_for_a_write_and_an_error_for_a_read() {
    let server = server();
    let weak = Caller { object_id: USER.to_owned(), grants: vec![Grant::new("Microsoft.Authorization/roleAssignments/read", SUB)] };
    server.tenant(|tenant| tenant.add_caller("weak", weak));
    let mut target = HttpTarget::new(WriteClient::for_apply(server.client("weak"))).unwrap();
    let refused = target.write(&assign()).unwrap();
    assert_eq!((refused.status, &refused.body.unwrap()["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let Err(ReadError::Refused { reason, .. }) = target.read(&reading("/v1.0/users")) else { panic!("it was not refused") };
    assert!(reason.contains("Authorization_RequestDenied") && reason.contains("[request request-"), "{reason}");
    let mut nobody = HttpReader::new(server.client("nobody")).unwrap();
    assert!(matches!(nobody.read(&reading("/v1.0/users")), Err(ReadError::Refused { reason, .. }) if reason.contains("401")));
}

#[test]
fn tokens_show_nowhere() {
    let server = server();
    let client = server.client("admin");
    let mut shown = format!("{client:?} {:?}", server.cloud());
    let mut reader = HttpReader::new(client).unwrap();
    shown += &format!("{reader:?}");
    let echo = json!({ "error": { "code": "X", "message": format!("your token {} is bad", server.token("admin")) } }).to_string();
    server.fault(Rule::once("GET", "/subscriptions", answer(403, vec![], &echo)));
    shown += &reader.read(&reading("/subscriptions")).unwrap_err().to_string();
    let mut target = target(&server);
    server.fault(Rule::once("PUT", NEW, answer(500, vec![], &echo)));
    shown += &target.write(&assign()).unwrap_err().to_string();
    drop(server);
    shown += &format!("{:?} {target:?}", reader.read(&reading("/subscriptions")));
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(shown.contains("[token]"));
}

#[test]
fn a_refused_sign_in_says_why() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let attempt = |method, file: Option<&Path>| {
        let options = SignInOptions { method, tenant: None, token_file: file.map(Path::to_owned) };
        runtime.block_on(sign_in(&options, &server.cloud()))
    };
    let missing = attempt(AuthMethod::TokenFile, Some(Path::new("no-such-file"))).unwrap_err();
    assert!(missing.to_string().contains("token-file: no-such-file"), "{missing}");
    assert!(attempt(AuthMethod::TokenFile, None).unwrap_err().to_string().contains("--token-file FILE"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "two words").unwrap();
    assert!(attempt(AuthMethod::TokenFile, Some(&file)).unwrap_err().to_string().contains("holds no token"));
    std::fs::write(&file, json!({ "graph": "x" }).to_string()).unwrap();
    assert!(attempt(AuthMethod::TokenFile, Some(&file)).unwrap_err().to_string().contains("no token `arm`"));
    std::fs::write(&file, json!({ "arm": "x" }).to_string()).unwrap();
    assert_eq!(attempt(AuthMethod::TokenFile, Some(&file)).unwrap().way(), "token-file");
}

#[test]
fn the_configuration_names_a_cloud() {
    let cloud = |text: &str| load_config(text, "tenet.toml").map(|config| config.cloud).map_err(|found| found[0].message.clone());
    assert_eq!(cloud("[cloud]\nname = \"china\"").unwrap().unwrap().arm, "https://management.chinacloudapi.cn");
    assert_eq!(cloud("").unwrap(), None);
    let local = cloud("[cloud]\narm = \"http://127.0.0.1:1\"\ngraph = \"http://127.0.0.1:2\"").unwrap().unwrap();
    assert_eq!(local.graph, "http://127.0.0.1:2");
    for wrong in
        ["name = \"moon\"", "arm = \"http://x.example\"\ngraph = \"https://y.example\"", "arm = \"https://x.example\"", "nam = \"public\""]
    {
        assert!(cloud(&format!("[cloud]\n{wrong}")).is_err(), "{wrong}");
    }
}

/// Only apply, and undo which goes the same way, may make a client that writes.
#[test]
fn nothing_but_apply_opens_a_way_to_write() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![src.clone()];
    let mut users = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("WriteClient::for_apply(")) {
                users.push(path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    assert!(users.iter().all(|user| user.starts_with("cli/apply") || user.starts_with("cli/undo")), "{users:?}");
}

#[test]
fn a_request_that_is_held_is_seen_before_it_is_answered() {
    for after_effect in [false, true] {
        let server = server();
        server.fault(Rule::once("PUT", NEW, Fault::Hold { after_effect }));
        let mut target = target(&server);
        // Whoever waits for the answer waits on; only the process that holds it can end that.
        std::thread::spawn(move || target.write(&assign()));
        let began = Instant::now();
        while server.seen().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(30), "the request did not arrive");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(server.seen()[0].status, after_effect.then_some(201));
    }
}

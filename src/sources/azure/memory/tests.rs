//! The tenant in memory against what the documentation and its examples say.

use std::cell::Cell;
use std::time::Duration;

use super::*;
use crate::remedy::plan::{Read, Request, Service};
use crate::remedy::target::{Clock, ReadError, ReadTarget, Target};
use serde_json::json;

const SUB: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const ADA: &str = "a0000001-0000-4000-8000-000000000000";
const BEN: &str = "a0000002-0000-4000-8000-000000000000";
const OWN: &str = "70000001-0000-4000-8000-000000000000";
const NEW: &str = "70000009-0000-4000-8000-000000000000";
const LIGHTHOUSE: &str = "2022-10-01";

struct Ticking(Cell<Timestamp>);

impl Ticking {
    fn new() -> Self {
        Self(Cell::new("2026-10-20T08:00:00Z".parse().unwrap()))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
    fn wait(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }
    fn stop_requested(&self) -> bool {
        false
    }
}

fn page(url: &str, body: Json) -> RecordedPage {
    let page =
        json!({ "request": { "method": "GET", "url": url }, "response": { "status": 200, "body": body }, "time": "2026-10-20T07:00:00Z" });
    RecordedPage { name: format!("{}.json", url.len()), page }
}

fn tenant() -> MemoryTenant {
    let arm = |path: &str| format!("https://management.azure.com{path}?api-version=1");
    let graph = |path: &str| format!("https://graph.microsoft.com/v1.0{path}");
    let role = |name: &str, title: &str| json!({ "id": format!("/providers/Microsoft.Authorization/roleDefinitions/{name}"), "properties": { "roleName": title, "type": "BuiltInRole" } });
    let own = json!({ "id": format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/{OWN}"), "name": OWN, "type": "Microsoft.Authorization/roleAssignments",
        "properties": { "scope": SUB, "principalId": ADA, "principalType": "User", "roleDefinitionId": format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}") } });
    let user =
        |id: &str, name: &str| json!({ "id": id, "userPrincipalName": name, "mail": name, "userType": "Member", "accountEnabled": true });
    MemoryTenant::from_answers(&[
        page(&graph("/organization"), json!({ "value": [{ "id": "c0a70500-0000-4000-8000-000000000001" }] })),
        page(&graph("/users"), json!({ "value": [user(ADA, "ada@x.example"), user(BEN, "ben@x.example")] })),
        page(&graph("/policies/authorizationPolicy"), json!({ "id": "authorizationPolicy", "allowInvitesFrom": "everyone" })),
        page(&arm(&format!("{SUB}/providers/Microsoft.Authorization/roleAssignments")), json!({ "value": [own] })),
        page(
            &arm("/providers/Microsoft.Authorization/roleDefinitions"),
            json!({ "value": [role(OWNER, "Owner"), role(READER, "Reader")] }),
        ),
        page(&arm("/subscriptions"), json!({ "value": [{ "id": SUB, "managedByTenants": [] }] })),
    ])
    .unwrap()
}

fn query(version: &str) -> Vec<(String, String)> {
    vec![("api-version".to_owned(), version.to_owned())]
}

fn request(method: Method, path: &str, body: Option<Json>) -> Request {
    let service = if path.starts_with("/v1.0/") { Service::Graph } else { Service::Arm };
    let query = if service == Service::Graph { Vec::new() } else { query(LIGHTHOUSE) };
    Request { service, method, path: path.to_owned(), query, body }
}

fn reading(path: &str) -> Read {
    let Request { service, path, query, .. } = request(Method::Put, path, None);
    Read { service, path, query }
}

fn assignment(name: &str) -> String {
    format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn grant(role: &str, principal: &str) -> Json {
    let role = format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({ "properties": { "roleDefinitionId": role, "principalId": principal, "principalType": "User" } })
}

fn code(answer: &crate::remedy::target::Answer) -> &str {
    answer.body.as_ref().unwrap().pointer("/error/code").unwrap().as_str().unwrap()
}

#[test]
fn role_assignments_go_as_documented() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let mut put = |name: &str, role: &str, principal: &str| {
        target.write(&request(Method::Put, &assignment(name), Some(grant(role, principal)))).unwrap()
    };
    let made = put(NEW, READER, BEN);
    assert_eq!(made.status, 201);
    let body = made.body.unwrap();
    assert_eq!(body["id"], assignment(NEW));
    assert_eq!(body["type"], "Microsoft.Authorization/roleAssignments");
    assert_eq!(body["properties"]["scope"], SUB);
    assert_eq!(body["properties"]["roleDefinitionId"], format!("/providers/Microsoft.Authorization/roleDefinitions/{READER}"));
    assert_eq!(put(NEW, READER, BEN).status, 200);
    let other = put("70000010-0000-4000-8000-000000000000", READER, BEN);
    assert_eq!((other.status, code(&other)), (409, "RoleAssignmentExists"));
    assert!(other.body.unwrap()["error"]["message"].as_str().unwrap().contains(NEW));
    let changed = put(NEW, OWNER, BEN);
    assert_eq!((changed.status, code(&changed)), (400, "RoleAssignmentUpdateNotPermitted"));
    let nobody = put("70000011-0000-4000-8000-000000000000", READER, "a0000099-0000-4000-8000-000000000000");
    assert_eq!((nobody.status, code(&nobody)), (400, "PrincipalNotFound"));

    let last = target.write(&request(Method::Delete, &assignment(OWN), None)).unwrap();
    assert_eq!(last.status, 400);
    assert_eq!(last.body.unwrap()["error"]["message"], "Cannot delete the last RBAC admin assignment");
    let gone = target.write(&request(Method::Delete, &assignment(NEW), None)).unwrap();
    assert_eq!((gone.status, gone.body.unwrap()["name"].clone()), (200, json!(NEW)));
    let again = target.write(&request(Method::Delete, &assignment(NEW), None)).unwrap();
    assert_eq!((again.status, again.body), (204, None));
    assert_eq!(target.read(&reading(&assignment(NEW))).unwrap().status, 404);
    assert_eq!(target.read(&reading(&assignment(OWN))).unwrap().status, 200);
}

#[test]
fn reading_lags_behind_and_writing_does_not() {
    let clock = Ticking::new();
    let mut tenant = tenant();
    tenant.settings.lag = SignedDuration::from_secs(30);
    tenant.settings.principal_lag = SignedDuration::from_secs(60);
    let mut target = MemoryTarget::new(tenant, "admin", &clock);
    let list = reading(&format!("{SUB}/providers/Microsoft.Authorization/roleAssignments"));
    let count = |target: &mut MemoryTarget<'_>| target.read(&list).unwrap().body.unwrap()["value"].as_array().unwrap().len();
    assert_eq!(target.write(&request(Method::Put, &assignment(NEW), Some(grant(READER, BEN)))).unwrap().status, 201);
    assert_eq!(count(&mut target), 1);
    assert_eq!(target.write(&request(Method::Put, &assignment(NEW), Some(grant(READER, BEN)))).unwrap().status, 200);
    clock.wait(Duration::from_secs(30));
    assert_eq!(count(&mut target), 2);

    let invited = json!({ "invitedUserEmailAddress": "eve@y.example", "inviteRedirectUrl": "https://x.example" });
    let invited = target.write(&request(Method::Post, "/v1.0/invitations", Some(invited))).unwrap();
    let eve = invited.body.unwrap()["invitedUser"]["id"].as_str().unwrap().to_owned();
    let path = assignment("70000012-0000-4000-8000-000000000000");
    let early = target.write(&request(Method::Put, &path, Some(grant(READER, &eve)))).unwrap();
    assert_eq!(code(&early), "PrincipalNotFound");
    clock.wait(Duration::from_mins(1));
    assert_eq!(target.write(&request(Method::Put, &path, Some(grant(READER, &eve)))).unwrap().status, 201);
}

#[test]
fn locks_denials_and_permissions_refuse() {
    let clock = Ticking::new();
    let mut tenant = tenant();
    let reader = Caller { object_id: BEN.to_owned(), grants: vec![Grant::new("*/read", "/"), Grant::new("User.Read.All", "/")] };
    tenant.add_caller("reader", reader);
    let mut target = MemoryTarget::new(tenant.clone(), "reader", &clock);
    let refused = target.write(&request(Method::Delete, &assignment(OWN), None)).unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "AuthorizationFailed"));
    let message = refused.body.unwrap()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("'Microsoft.Authorization/roleAssignments/delete' over scope"), "{message}");
    let refused = target.write(&request(Method::Delete, &format!("/v1.0/users/{ADA}"), None)).unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "Authorization_RequestDenied"));
    assert!(matches!(target.read(&reading("/v1.0/policies/authorizationPolicy")), Err(ReadError::Refused { .. })));

    let mut target = MemoryTarget::new(tenant.clone(), "admin", &clock);
    let lock = format!("{SUB}/providers/Microsoft.Authorization/locks/keep");
    let level = json!({ "properties": { "level": "CanNotDelete" } });
    assert_eq!(target.write(&request(Method::Put, &lock, Some(level))).unwrap().status, 201);
    assert_eq!(target.write(&request(Method::Put, &assignment(NEW), Some(grant(OWNER, BEN)))).unwrap().status, 201);
    let locked = target.write(&request(Method::Delete, &assignment(OWN), None)).unwrap();
    assert_eq!((locked.status, code(&locked)), (409, "ScopeLocked"));

    let denial = json!({ "id": format!("{SUB}/providers/Microsoft.Authorization/denyAssignments/d"), "properties": { "scope": SUB, "denyAssignmentName": "D",
        "permissions": [{ "actions": ["*/write"], "notActions": [] }], "principals": [{ "id": "00000000-0000-0000-0000-000000000000" }], "excludePrincipals": [] } });
    tenant.store.seed(store::Kind::DenyAssignment, denial["id"].as_str().unwrap(), denial.clone());
    let mut target = MemoryTarget::new(tenant, "admin", &clock);
    let denied = target.write(&request(Method::Put, &assignment(NEW), Some(grant(READER, BEN)))).unwrap();
    assert_eq!((denied.status, code(&denied)), (403, "DenyAssignmentAuthorizationFailed"));
}

/// What must be said and is not is refused in the form of the service, and nothing is written.
#[test]
fn what_a_request_leaves_out_is_refused() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let arm = |kind: &str| format!("{SUB}/providers/{kind}/{NEW}");
    let pim = |kind: &str| arm(&format!("Microsoft.Authorization/{kind}ScheduleRequests"));
    let full = json!({ "principalId": BEN, "roleDefinitionId": READER, "requestType": "AdminAssign" });
    let without = |field: &str| {
        let mut properties = full.clone();
        properties.as_object_mut().unwrap().shift_remove(field);
        Some(json!({ "properties": properties }))
    };
    let mut cases = vec![
        (Method::Put, arm("Microsoft.Authorization/roleAssignments"), without("principalId"), "InvalidRequestContent"),
        (Method::Put, arm("Microsoft.Authorization/roleAssignments"), without("roleDefinitionId"), "InvalidRequestContent"),
        (Method::Put, arm("Microsoft.Authorization/locks"), Some(json!({ "properties": {} })), "InvalidRequestContent"),
        (
            Method::Put,
            arm("Microsoft.ManagedServices/registrationAssignments"),
            Some(json!({ "properties": {} })),
            "InvalidRegistrationAssignmentCreateRequest",
        ),
        (Method::Post, "/v1.0/groups/g/members/$ref".to_owned(), Some(json!({})), "Request_BadRequest"),
        (Method::Post, "/v1.0/groups/g/members/$ref".to_owned(), None, "Request_BadRequest"),
    ];
    for kind in ["roleEligibility", "roleAssignment"] {
        for field in ["principalId", "roleDefinitionId", "requestType"] {
            cases.push((Method::Put, pim(kind), without(field), "InvalidRequestContent"));
        }
    }
    let before = target.tenant().to_answers(clock.now(), None);
    for (method, path, body, wanted) in cases {
        let refused = target.write(&request(method, &path, body.clone())).unwrap();
        assert_eq!((refused.status, code(&refused)), (400, wanted), "{path} {body:?}");
        let message = refused.body.unwrap()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("missing"), "{message}");
    }
    assert_eq!(target.tenant().to_answers(clock.now(), None), before);
}

#[test]
fn locks_hold_for_everything_below_them() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let lock = format!("{SUB}/providers/Microsoft.Authorization/locks/keep");
    let set = |level: &str| Some(json!({ "properties": { "level": level } }));
    assert_eq!(target.write(&request(Method::Put, &lock, set("ReadOnly"))).unwrap().status, 201);
    let below = format!("{SUB}/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/{NEW}");
    let locked = target.write(&request(Method::Put, &below, Some(grant(READER, BEN)))).unwrap();
    assert_eq!((locked.status, code(&locked)), (409, "ScopeLocked"));
    assert_eq!(target.write(&request(Method::Put, &lock, set("CanNotDelete"))).unwrap().status, 200);
    assert_eq!(target.write(&request(Method::Put, &below, Some(grant(READER, BEN)))).unwrap().status, 201);
    assert_eq!(target.write(&request(Method::Delete, &below, None)).unwrap().status, 409);
    // A listing shows the locks at, above and below a scope; with atScope() not those below.
    let mut list = reading(&format!("{SUB}/resourceGroups/rg/providers/Microsoft.Authorization/locks"));
    list.query.push(("$filter".to_owned(), "atScope()".to_owned()));
    assert_eq!(target.read(&list).unwrap().body.unwrap()["value"].as_array().unwrap().len(), 1);
    assert_eq!(target.write(&request(Method::Delete, &lock, None)).unwrap().status, 200);
    assert_eq!(target.read(&list).unwrap().body.unwrap()["value"], json!([]));
    assert_eq!(target.write(&request(Method::Delete, &below, None)).unwrap().status, 200);
}

/// An active assignment for a time: its schedule and the role assignment it stands for come and go together.
#[test]
fn active_assignments_are_asked_for_and_ended() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let ask = |n: u8, ty: &str| {
        let path = format!("{SUB}/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/7000000{n}-0000-4000-8000-000000000000");
        let body = json!({ "properties": { "principalId": BEN, "roleDefinitionId": READER, "requestType": ty } });
        request(Method::Put, &path, Some(body))
    };
    let count = |target: &mut MemoryTarget<'_>, kind: &str| {
        let list = reading(&format!("{SUB}/providers/Microsoft.Authorization/{kind}"));
        let items = target.read(&list).unwrap().body.unwrap()["value"].as_array().unwrap().clone();
        items.iter().filter(|item| item["properties"]["principalId"] == BEN).count()
    };
    assert_eq!(code(&target.write(&ask(1, "AdminRemove")).unwrap()), "RoleAssignmentDoesNotExist");
    assert_eq!(target.write(&ask(2, "AdminAssign")).unwrap().status, 201);
    assert_eq!((count(&mut target, "roleAssignments"), count(&mut target, "roleAssignmentScheduleInstances")), (1, 1));
    assert_eq!(code(&target.write(&ask(3, "AdminAssign")).unwrap()), "RoleAssignmentExists");
    assert_eq!(target.write(&ask(4, "AdminRemove")).unwrap().status, 201);
    assert_eq!((count(&mut target, "roleAssignments"), count(&mut target, "roleAssignmentScheduleInstances")), (0, 0));
}

#[test]
fn partner_links_are_the_callers_own_and_deleted_softly() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let own = reading("/providers/Microsoft.ManagementPartner/partners");
    let at = |id: &str| format!("/providers/Microsoft.ManagementPartner/partners/{id}");
    assert_eq!(target.read(&own).unwrap().status, 404);
    assert_eq!(target.write(&request(Method::Patch, &at("123456"), None)).unwrap().status, 404);
    let made = target.write(&request(Method::Put, &at("123456"), None)).unwrap().body.unwrap();
    assert_eq!(made["id"], "/providers/microsoft.managementpartner/partners/123456");
    assert_eq!((&made["etag"], &made["properties"]["state"]), (&json!(1), &json!("Active")));
    let created = made["properties"]["createdTime"].clone();
    clock.wait(Duration::from_secs(5));
    let changed = target.write(&request(Method::Patch, &at("654321"), None)).unwrap().body.unwrap();
    assert_eq!((&changed["name"], &changed["etag"]), (&json!("654321"), &json!(2)));
    assert_eq!(target.write(&request(Method::Delete, &at("654321"), None)).unwrap().status, 200);
    assert_eq!(target.read(&own).unwrap().status, 404);
    let again = target.write(&request(Method::Put, &at("123456"), None)).unwrap().body.unwrap();
    assert_eq!((&again["etag"], &again["properties"]["createdTime"]), (&json!(3), &created));
}

fn definition() -> Json {
    let authorizations = json!([{ "principalId": "f0000001-0000-4000-8000-000000000000", "principalIdDisplayName": "Operations", "roleDefinitionId": READER }]);
    json!({ "properties": { "registrationDefinitionName": "D", "managedByTenantId": "fab00000-0000-4000-8000-000000000001", "authorizations": authorizations } })
}

#[test]
fn delegations_end_in_every_way_an_operation_may_go() {
    let at = |ty: &str| format!("{SUB}/providers/Microsoft.ManagedServices/{ty}/de000001-0000-4000-8000-000000000000");
    let (definitions, assignments) = (at("registrationDefinitions"), at("registrationAssignments"));
    let ways = [
        (LongRunning::Finished, 0),
        (LongRunning::Polled { seconds: 5 }, 5),
        (LongRunning::Location { seconds: 5 }, 5),
        (LongRunning::State { seconds: 5 }, 5),
    ];
    for (way, seconds) in ways {
        let clock = Ticking::new();
        let began = clock.now();
        let mut tenant = tenant();
        tenant.settings.long_running = way;
        let mut target = MemoryTarget::new(tenant, "admin", &clock);
        let made = target.write(&request(Method::Put, &definitions, Some(definition()))).unwrap();
        assert!((200..300).contains(&made.status), "{way:?}");
        let sent = json!({ "properties": { "registrationDefinitionId": definitions } });
        target.write(&request(Method::Put, &assignments, Some(sent))).unwrap();
        assert_eq!(clock.now(), began + SignedDuration::from_secs(2 * seconds), "{way:?}");
        let mut read = reading(&format!("{SUB}/providers/Microsoft.ManagedServices/registrationAssignments"));
        read.query.push(("$expandRegistrationDefinition".to_owned(), "true".to_owned()));
        let listed = target.read(&read).unwrap().body.unwrap();
        assert_eq!(listed["value"][0]["properties"]["provisioningState"], "Succeeded", "{way:?}");
        assert_eq!(listed["value"][0]["properties"]["registrationDefinition"]["properties"]["registrationDefinitionName"], "D");
        let managed = target.read(&reading(SUB)).unwrap().body.unwrap();
        assert_eq!(managed["managedByTenants"], json!([{ "tenantId": "fab00000-0000-4000-8000-000000000001" }]));
        assert!((200..300).contains(&target.write(&request(Method::Delete, &assignments, None)).unwrap().status));
        assert_eq!(target.read(&reading(&assignments)).unwrap().status, 404, "{way:?}");
        assert_eq!(target.write(&request(Method::Delete, &definitions, None)).unwrap().status, 200);
        assert_eq!(target.write(&request(Method::Delete, &definitions, None)).unwrap().status, 204);
        target.tenant_mut().fail_next_operation("Boom", "it broke");
        let failed = target.write(&request(Method::Put, &definitions, Some(definition()))).unwrap();
        assert_eq!(failed.status, 400, "{way:?}");
        assert_ne!(
            target.read(&reading(&definitions)).unwrap().body.unwrap().pointer("/properties/provisioningState"),
            Some(&json!("Succeeded"))
        );
    }
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let mut owner = definition();
    owner["properties"]["authorizations"][0]["roleDefinitionId"] = json!(OWNER);
    let refused = target.write(&request(Method::Put, &definitions, Some(owner))).unwrap();
    assert_eq!((refused.status, code(&refused)), (400, "InvalidRegistrationDefinitionCreateRequest"));
}

#[test]
fn guests_come_go_and_come_back() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let invited =
        json!({ "invitedUserEmailAddress": "eve@y.example", "inviteRedirectUrl": "https://x.example", "sendInvitationMessage": true });
    let answer = target.write(&request(Method::Post, "/v1.0/invitations", Some(invited.clone()))).unwrap();
    assert_eq!(answer.status, 201);
    let body = answer.body.unwrap();
    for field in ["id", "inviteRedeemUrl", "invitedUserDisplayName", "invitedUserMessageInfo", "inviteRedirectUrl", "sendInvitationMessage"]
    {
        assert!(!body[field].is_null(), "{field}");
    }
    assert_eq!(body["status"], "PendingAcceptance");
    let eve = body["invitedUser"]["id"].as_str().unwrap();
    let again = target.write(&request(Method::Post, "/v1.0/invitations", Some(invited))).unwrap().body.unwrap();
    assert_eq!(again["invitedUser"]["id"], eve);
    let path = format!("/v1.0/users/{eve}");
    assert_eq!(target.write(&request(Method::Patch, &path, Some(json!({ "accountEnabled": false })))).unwrap().status, 204);
    assert_eq!(target.read(&reading(&path)).unwrap().body.unwrap()["accountEnabled"], false);
    let object = reading(&format!("/v1.0/directoryObjects/{eve}"));
    assert_eq!(target.read(&object).unwrap().body.unwrap()["@odata.type"], "#microsoft.graph.user");
    assert_eq!(target.write(&request(Method::Delete, &path, None)).unwrap().status, 204);
    assert_eq!(target.read(&object).unwrap().status, 404);
    let absent = target.read(&reading(&path)).unwrap();
    assert_eq!((absent.status, code(&absent)), (404, "Request_ResourceNotFound"));
    let deleted = target.read(&reading("/v1.0/directory/deletedItems/microsoft.graph.user")).unwrap().body.unwrap();
    assert_eq!(deleted["value"][0]["id"], eve);
    let restore = format!("/v1.0/directory/deletedItems/{eve}/restore");
    assert_eq!(target.write(&request(Method::Post, &restore, None)).unwrap().status, 200);
    assert_eq!(target.read(&reading(&path)).unwrap().body.unwrap()["accountEnabled"], false);
    target.write(&request(Method::Delete, &path, None)).unwrap();
    clock.wait(Duration::from_hours(31 * 24));
    assert_eq!(target.write(&request(Method::Post, &restore, None)).unwrap().status, 404);
}

#[test]
fn settings_of_the_directory_are_set() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let policy = "/v1.0/policies/authorizationPolicy";
    let narrow = json!({ "allowInvitesFrom": "adminsAndGuestInviters" });
    assert_eq!(target.write(&request(Method::Patch, policy, Some(narrow))).unwrap().status, 204);
    assert_eq!(target.read(&reading(policy)).unwrap().body.unwrap()["allowInvitesFrom"], "adminsAndGuestInviters");
    let path = "/providers/Microsoft.Subscription/policies/default";
    assert_eq!(target.read(&reading(path)).unwrap().status, 404);
    let sent = json!({ "blockSubscriptionsLeavingTenant": true, "blockSubscriptionsIntoTenant": true, "exemptedPrincipals": [ADA] });
    assert_eq!(target.write(&request(Method::Put, path, Some(sent))).unwrap().status, 200);
    let read = target.read(&reading(path)).unwrap().body.unwrap();
    assert_eq!((&read["name"], &read["properties"]["exemptedPrincipals"]), (&json!("default"), &json!([ADA])));
}

#[test]
fn eligibility_is_asked_for_and_ended() {
    let clock = Ticking::new();
    let mut target = MemoryTarget::new(tenant(), "admin", &clock);
    let at = |name: &str| format!("{SUB}/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/{name}");
    let sent = |ty: &str| {
        let schedule = json!({ "startDateTime": "2026-10-20T08:00:00Z", "expiration": { "type": "NoExpiration" } });
        Some(json!({ "properties": { "principalId": BEN, "roleDefinitionId": READER, "requestType": ty, "scheduleInfo": schedule } }))
    };
    let made = target.write(&request(Method::Put, &at("e0000001-0000-4000-8000-000000000000"), sent("AdminAssign"))).unwrap();
    assert_eq!((made.status, &made.body.unwrap()["properties"]["status"]), (201, &json!("Provisioned")));
    let list = reading(&format!("{SUB}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances"));
    let listed = |target: &mut MemoryTarget<'_>| target.read(&list).unwrap().body.unwrap()["value"].as_array().unwrap().clone();
    assert_eq!(listed(&mut target)[0]["properties"]["principalId"], BEN);
    let twice = target.write(&request(Method::Put, &at("e0000002-0000-4000-8000-000000000000"), sent("AdminAssign"))).unwrap();
    assert_eq!(twice.status, 400);
    assert_eq!(target.write(&request(Method::Put, &at("e0000003-0000-4000-8000-000000000000"), sent("AdminRemove"))).unwrap().status, 201);
    assert!(listed(&mut target).is_empty());
}

#[test]
fn lists_come_on_pages_and_gaps_stay_gaps() {
    let clock = Ticking::new();
    let mut tenant = tenant();
    tenant.settings.page_size = Some(1);
    let mut target = MemoryTarget::new(tenant, "admin", &clock);
    assert_eq!(target.read(&reading("/v1.0/users")).unwrap().body.unwrap()["value"].as_array().unwrap().len(), 2);
    assert_eq!(target.log().len(), 2);
    assert!(target.log()[1].query.iter().any(|(name, value)| name == "$skiptoken" && value == "page-1"));
    let unknown = target.read(&reading("/providers/Microsoft.Nothing/things"));
    assert!(matches!(unknown, Err(ReadError::Failed { reason, .. }) if reason.starts_with("501")));
    let mut bare = reading("/subscriptions");
    bare.query.clear();
    assert!(matches!(target.read(&bare), Err(ReadError::Failed { reason, .. }) if reason.contains("api-version")));
}

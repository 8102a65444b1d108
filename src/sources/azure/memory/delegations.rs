//! Writing of Lighthouse delegations, with their long-running operations.
//!
//! Source: REST reference "Managed Services" 2022-10-01; "Tenants, users, and roles in Azure Lighthouse" for what may be
//! delegated.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::call::{Call, Reply, arm_error, same, text};
use super::lists::scope_of_id;
use super::scopes::{canonical, subscription};
use super::store::Kind;
use super::{LongRunning, MemoryTenant, later};
use crate::model::trailing_guid;
use crate::sources::azure::address::address;

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const PROVIDER: &str = "Microsoft.ManagedServices";

/// A long-running operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    ends_at: Timestamp,
    failed: Option<(String, String)>,
    /// What it makes; none for a removal.
    result: Option<Json>,
}

impl MemoryTenant {
    pub(super) fn put_definition(&mut self, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let sent = call.body.and_then(|body| Some((body, text(body, "/properties/managedByTenantId")?)));
        let Some((sent, managing)) = sent else { return invalid("'properties.managedByTenantId' is missing.") };
        let authorizations = sent.pointer("/properties/authorizations").and_then(Json::as_array);
        let Some(authorizations) = authorizations.filter(|list| !list.is_empty()) else {
            return invalid("'properties.authorizations' is missing or empty.");
        };
        if authorizations.iter().any(|one| text(one, "/roleDefinitionId").map(trailing_guid).as_deref() == Some(OWNER)) {
            return invalid("The Owner role cannot be delegated.");
        }
        let mut body = resource(scope, "registrationDefinitions", name, sent);
        if let Some(properties) = body.get_mut("properties").and_then(Json::as_object_mut) {
            properties.insert("managedByTenantName".to_owned(), self.tenant_name(managing));
            properties.insert("manageeTenantId".to_owned(), json!(self.tenant()));
        }
        if let (Some(plan), Some(object)) = (sent.get("plan"), body.as_object_mut()) {
            object.insert("plan".to_owned(), plan.clone());
        }
        self.put_delegation(Kind::RegistrationDefinition, call, body, now)
    }

    pub(super) fn put_assignment(&mut self, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let sent = call.body.and_then(|body| Some((body, text(body, "/properties/registrationDefinitionId")?)));
        let Some((sent, definition)) = sent else {
            let message = "The request content was invalid: 'properties.registrationDefinitionId' is missing.";
            return arm_error(400, "InvalidRegistrationAssignmentCreateRequest", message);
        };
        if self.store.latest(Kind::RegistrationDefinition, definition).is_none() {
            let message = format!("The registration definition '{definition}' was not found.");
            return arm_error(400, "InvalidRegistrationAssignmentCreateRequest", message);
        }
        let body = resource(scope, "registrationAssignments", name, sent);
        self.put_delegation(Kind::RegistrationAssignment, call, body, now)
    }

    fn put_delegation(&mut self, kind: Kind, call: &Call<'_>, body: Json, now: Timestamp) -> Reply {
        let created = self.store.latest(kind, call.path).is_none();
        let ready = in_state(&body, "Succeeded");
        let (ends_at, failed) = self.begin(now);
        let shows_at = later(ends_at, self.settings.lag);
        if let LongRunning::State { .. } = self.settings.long_running {
            self.store.write(kind, call.path, Some(in_state(&body, "Creating")), now, self.shows_at(now));
        }
        if failed.is_none() {
            self.store.write(kind, call.path, Some(ready.clone()), now, shows_at);
            self.update_managing_tenants(kind, call.path, now, shows_at);
        }
        match self.settings.long_running {
            LongRunning::Finished => match failed {
                Some((code, message)) => arm_error(400, &code, message),
                None => Reply::new(if created { 201 } else { 200 }, ready),
            },
            LongRunning::State { .. } => {
                if failed.is_some() {
                    self.store.write(kind, call.path, Some(in_state(&body, "Failed")), now, shows_at);
                }
                Reply::new(201, in_state(&body, "Creating"))
            }
            _ => self.accepted(call, Some(ready), Some(in_state(&body, "Accepted")), ends_at, failed),
        }
    }

    pub(super) fn delete_delegation(&mut self, kind: Kind, call: &Call<'_>, _scope: &str, _name: &str, now: Timestamp) -> Reply {
        if self.store.latest(kind, call.path).is_none() {
            return Reply::empty(204);
        }
        // Only the removal of an assignment is a long-running operation.
        let finished = self.settings.long_running == LongRunning::Finished || kind == Kind::RegistrationDefinition;
        let (ends_at, failed) = if finished { (now, None) } else { self.begin(now) };
        if failed.is_none() {
            let shows_at = later(ends_at, self.settings.lag);
            self.store.write(kind, call.path, None, now, shows_at);
            self.update_managing_tenants(kind, call.path, now, shows_at);
        }
        if finished { Reply::empty(200) } else { self.accepted(call, None, None, ends_at, failed) }
    }

    fn begin(&mut self, now: Timestamp) -> (Timestamp, Option<(String, String)>) {
        let seconds = match self.settings.long_running {
            LongRunning::Finished => 0,
            LongRunning::Polled { seconds } | LongRunning::Location { seconds } | LongRunning::State { seconds } => seconds,
        };
        (later(now, SignedDuration::from_secs(i64::from(seconds))), self.failing.take())
    }

    fn accepted(
        &mut self,
        call: &Call<'_>,
        result: Option<Json>,
        body: Option<Json>,
        ends_at: Timestamp,
        failed: Option<(String, String)>,
    ) -> Reply {
        let Some(base) = subscription(call.path) else {
            return arm_error(404, "SubscriptionNotFound", "The request names no subscription.");
        };
        let id = format!("{:08x}", self.operations.len() + 1);
        self.operations.insert(id.clone(), Operation { ends_at, failed, result });
        let version = call.parameter("api-version").map(|version| ("api-version".to_owned(), version.to_owned()));
        let link = |what: &str| {
            let query: Vec<(String, String)> = version.clone().into_iter().collect();
            address(&self.settings.arm_origin, &format!("{base}/providers/{PROVIDER}/{what}/{id}"), &query)
        };
        let reply = Reply { status: 202, headers: Vec::new(), body }.with("Location", link("operationResults")).with("Retry-After", "1");
        match self.settings.long_running {
            LongRunning::Polled { .. } => reply.with("Azure-AsyncOperation", link("operationStatuses")),
            _ => reply,
        }
    }

    /// The status of an operation: 200 also while it runs.
    pub(super) fn operation_status(&self, path: &str, id: &str, now: Timestamp) -> Reply {
        let Some(operation) = self.operations.get(id) else { return arm_error(404, "OperationNotFound", "The operation was not found.") };
        let mut body = json!({ "id": path, "name": id, "status": "Running" });
        if operation.ends_at <= now {
            let status = if operation.failed.is_some() { "Failed" } else { "Succeeded" };
            super::merge(&mut body, &json!({ "status": status }));
            if let Some((code, message)) = &operation.failed {
                super::merge(&mut body, &json!({ "error": { "code": code, "message": message } }));
            }
            return Reply::new(200, body);
        }
        Reply::new(200, body).with("Retry-After", "1")
    }

    /// The result of an operation: 202 while it runs.
    pub(super) fn operation_result(&self, id: &str, now: Timestamp) -> Reply {
        let Some(operation) = self.operations.get(id) else { return arm_error(404, "OperationNotFound", "The operation was not found.") };
        if operation.ends_at > now {
            return Reply::empty(202).with("Retry-After", "1");
        }
        match (&operation.failed, &operation.result) {
            (Some((code, message)), _) => arm_error(400, code, message),
            (None, Some(body)) => Reply::new(200, body.clone()),
            (None, None) => Reply::empty(204),
        }
    }

    fn tenant_name(&self, id: &str) -> Json {
        let all = self.store.all_latest(Kind::RegistrationDefinition).into_iter();
        let mut known = all.filter(|(_, body)| text(body, "/properties/managedByTenantId").is_some_and(|known| same(known, id)));
        known.find_map(|(_, body)| body.pointer("/properties/managedByTenantName").cloned()).unwrap_or(Json::Null)
    }

    /// A subscription names the tenants that manage it as a whole.
    fn update_managing_tenants(&mut self, kind: Kind, path: &str, now: Timestamp, shows_at: Timestamp) {
        let scope = scope_of_id(path);
        let Some(mut body) = self.store.latest(Kind::Subscription, &scope).filter(|_| kind == Kind::RegistrationAssignment).cloned() else {
            return;
        };
        let mut tenants: Vec<Json> = Vec::new();
        for (id, assignment) in self.store.all_latest(Kind::RegistrationAssignment) {
            let definition = text(assignment, "/properties/registrationDefinitionId");
            let definition = definition.and_then(|definition| self.store.latest(Kind::RegistrationDefinition, definition));
            let tenant = definition.and_then(|body| text(body, "/properties/managedByTenantId"));
            let Some(tenant) = tenant.filter(|_| scope_of_id(id) == canonical(&scope)) else { continue };
            let entry = json!({ "tenantId": tenant });
            if !tenants.contains(&entry) {
                tenants.push(entry);
            }
        }
        super::merge(&mut body, &json!({ "managedByTenants": tenants }));
        self.store.write(Kind::Subscription, &scope, Some(body), now, shows_at);
    }
}

fn invalid(message: &str) -> Reply {
    arm_error(400, "InvalidRegistrationDefinitionCreateRequest", message)
}

fn resource(scope: &str, ty: &str, name: &str, sent: &Json) -> Json {
    json!({
        "properties": sent.get("properties"),
        "id": format!("{scope}/providers/{PROVIDER}/{ty}/{name}"),
        "type": format!("{PROVIDER}/{ty}"),
        "name": name
    })
}

fn in_state(body: &Json, state: &str) -> Json {
    let mut body = body.clone();
    if let Some(properties) = body.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert("provisioningState".to_owned(), json!(state));
    }
    body
}

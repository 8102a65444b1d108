//! Writing of role assignments, role definitions and locks.
//!
//! Source: REST references "Role Assignments", "Role Definitions" (2022-04-01), and "Troubleshoot Azure RBAC" for the refusals.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::call::{Call, Reply, arm_error, same, text};
use super::lists::scope_of_id;
use super::scopes::{canonical, chain, subscription};
use super::store::Kind;
use super::{Caller, MemoryTenant, later};
use crate::model::trailing_guid;

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

impl MemoryTenant {
    pub(super) fn put_role_assignment(&mut self, caller: &Caller, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let sent = call.body.and_then(|body| Some((body, text(body, "/properties/principalId")?)));
        let Some((sent, principal)) = sent else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid: 'properties.principalId' is missing.");
        };
        let Some(role) = text(sent, "/properties/roleDefinitionId").map(trailing_guid) else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid: 'properties.roleDefinitionId' is missing.");
        };
        if uuid::Uuid::parse_str(name).is_err() {
            let message = format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.");
            return arm_error(400, "InvalidRoleAssignmentId", message);
        }
        let key = canonical(call.path);
        if let Some(refused) = self.assignment_refused(sent, principal, &role, scope, &key, now) {
            return refused;
        }
        let old = self.store.latest(Kind::RoleAssignment, &key).cloned();
        let created = old.is_none();
        let body = assignment_body(caller, sent, &role, self.principal_type(principal), old, scope, call.path, now);
        self.store.write(Kind::RoleAssignment, &key, Some(body.clone()), now, self.shows_at(now));
        Reply::new(if created { 201 } else { 200 }, body)
    }

    fn assignment_refused(&self, sent: &Json, principal: &str, role: &str, scope: &str, key: &str, now: Timestamp) -> Option<Reply> {
        let here = canonical(scope);
        if let Some(old) = self.store.latest(Kind::RoleAssignment, key) {
            let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
            return (!is_triple(old, key, &here, principal, role)).then(|| arm_error(400, "RoleAssignmentUpdateNotPermitted", message));
        }
        let twin = self.store.all_latest(Kind::RoleAssignment);
        if let Some((twin, _)) = twin.into_iter().find(|(key, old)| is_triple(old, key, &here, principal, role)) {
            let name = trailing_guid(twin);
            let message = format!("The role assignment already exists. The ID of the existing role assignment is {name}.");
            return Some(arm_error(409, "RoleAssignmentExists", message));
        }
        if self.store.latest(Kind::RoleDefinition, role).is_none() && !self.known_roles.contains(role) {
            let message = format!("The specified role definition with ID '{role}' does not exist.");
            return Some(arm_error(400, "RoleDefinitionDoesNotExist", message));
        }
        let foreign = text(sent, "/properties/principalType").is_some_and(|ty| same(ty, "ForeignGroup"));
        (!foreign && !self.is_replicated(principal, now)).then(|| {
            let message = format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay.",
                principal.replace('-', ""),
                self.tenant()
            );
            arm_error(400, "PrincipalNotFound", message)
        })
    }

    /// Tells whether role assignments know a principal: it is there, and long enough.
    fn is_replicated(&self, principal: &str, now: Timestamp) -> bool {
        [Kind::User, Kind::ServicePrincipal, Kind::Group].into_iter().any(|kind| {
            let known = self.store.versions(kind, principal).filter(|_| self.store.latest(kind, principal).is_some());
            known.is_some_and(|known| known.created.is_none_or(|created| later(created, self.settings.principal_lag) <= now))
        })
    }

    pub(super) fn delete_role_assignment(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let key = canonical(call.path);
        let Some(old) = self.store.latest(Kind::RoleAssignment, &key).cloned() else { return Reply::empty(204) };
        if let Some(refused) = self.last_owner(&old, &key, now) {
            return refused;
        }
        self.store.write(Kind::RoleAssignment, &key, None, now, self.shows_at(now));
        Reply::new(200, old)
    }

    /// The last Owner of a subscription stays. That Owners from above count, and status and code, are assumed.
    fn last_owner(&self, old: &Json, key: &str, now: Timestamp) -> Option<Reply> {
        let scope = text(old, "/properties/scope").map_or_else(|| scope_of_id(key), canonical);
        let is_owner = |body: &Json| text(body, "/properties/roleDefinitionId").map(trailing_guid).as_deref() == Some(OWNER);
        if !is_owner(old) || subscription(&scope).as_deref() != Some(scope.as_str()) {
            return None;
        }
        let chain = chain(&self.store, &scope, now);
        let all = self.store.all_latest(Kind::RoleAssignment);
        let another = all.into_iter().any(|(other, body)| {
            let at = text(body, "/properties/scope").map_or_else(|| scope_of_id(other), canonical);
            other != key && is_owner(body) && chain.contains(&at)
        });
        (!another).then(|| arm_error(400, "BadRequest", "Cannot delete the last RBAC admin assignment"))
    }

    pub(super) fn put_role_definition(&mut self, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let Some(sent) = call.body.filter(|body| text(body, "/properties/roleName").is_some()) else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid: 'properties.roleName' is missing.");
        };
        let key = trailing_guid(name);
        let mut body = json!({
            "id": format!("{}/providers/Microsoft.Authorization/roleDefinitions/{name}", scope.trim_end_matches('/')),
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": name,
            "properties": sent.get("properties")
        });
        if let Some(properties) = body.get_mut("properties").and_then(Json::as_object_mut) {
            properties.entry("type").or_insert(Json::String("CustomRole".to_owned()));
        }
        self.store.write(Kind::RoleDefinition, &key, Some(body.clone()), now, self.shows_at(now));
        Reply::new(201, body)
    }

    pub(super) fn delete_role_definition(&mut self, name: &str, now: Timestamp) -> Reply {
        let key = trailing_guid(name);
        let Some(old) = self.store.latest(Kind::RoleDefinition, &key).cloned() else { return Reply::empty(204) };
        let all = self.store.all_latest(Kind::RoleAssignment);
        if all.into_iter().any(|(_, body)| text(body, "/properties/roleDefinitionId").map(trailing_guid).as_deref() == Some(&key)) {
            let message = "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments)";
            return arm_error(400, "RoleDefinitionHasAssignments", message);
        }
        self.store.write(Kind::RoleDefinition, &key, None, now, self.shows_at(now));
        Reply::new(200, old)
    }

    pub(super) fn principal_type(&self, principal: &str) -> &'static str {
        let is = |kind| self.store.latest(kind, principal).is_some();
        if is(Kind::Group) {
            "Group"
        } else if is(Kind::ServicePrincipal) {
            "ServicePrincipal"
        } else {
            "User"
        }
    }

    /// A lock is written as it was sent. Source: REST reference "Management Locks" 2016-09-01.
    pub(super) fn put_lock(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let properties = call.body.and_then(|body| body.get("properties"));
        let Some(properties) = properties.filter(|properties| text(properties, "/level").is_some()) else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid: 'properties.level' is missing.");
        };
        let created = self.store.latest(Kind::Lock, call.path).is_none();
        let name = call.path.rsplit('/').next();
        let body = json!({ "id": call.path, "type": "Microsoft.Authorization/locks", "name": name, "properties": properties });
        self.store.write(Kind::Lock, call.path, Some(body.clone()), now, self.shows_at(now));
        Reply::new(if created { 201 } else { 200 }, body)
    }

    pub(super) fn delete_lock(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        if self.store.latest(Kind::Lock, call.path).is_none() {
            return Reply::empty(204);
        }
        self.store.write(Kind::Lock, call.path, None, now, self.shows_at(now));
        Reply::empty(200)
    }
}

pub(super) fn is_triple(body: &Json, key: &str, scope: &str, principal: &str, role: &str) -> bool {
    let at = text(body, "/properties/scope").map_or_else(|| scope_of_id(key), canonical);
    at == scope
        && text(body, "/properties/principalId").is_some_and(|known| same(known, principal))
        && text(body, "/properties/roleDefinitionId").is_some_and(|known| same(&trailing_guid(known), role))
}

/// The kind of a principal that the body does not tell is looked up by the service.
#[expect(clippy::too_many_arguments, reason = "each is a part of the body")]
pub(super) fn assignment_body(
    caller: &Caller,
    sent: &Json,
    role: &str,
    principal_type: &str,
    old: Option<Json>,
    scope: &str,
    path: &str,
    now: Timestamp,
) -> Json {
    let of = |name: &str| sent.pointer(&format!("/properties/{name}")).cloned().unwrap_or(Json::Null);
    let was = |name: &str| old.as_ref().and_then(|old| old.pointer(&format!("/properties/{name}"))).cloned();
    let said = Some(of("principalType")).filter(|ty| !ty.is_null()).or_else(|| was("principalType"));
    json!({
        "properties": {
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": of("principalId"),
            "principalType": said.unwrap_or_else(|| json!(principal_type)),
            "scope": scope,
            "description": of("description"),
            "condition": of("condition"),
            "conditionVersion": of("conditionVersion"),
            "createdOn": was("createdOn").unwrap_or_else(|| json!(now.to_string())),
            "updatedOn": now.to_string(),
            "createdBy": was("createdBy").unwrap_or_else(|| json!(caller.object_id)),
            "updatedBy": caller.object_id
        },
        "id": path,
        "type": "Microsoft.Authorization/roleAssignments",
        "name": path.rsplit('/').next()
    })
}

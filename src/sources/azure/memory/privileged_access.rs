//! Requests of Privileged Identity Management: eligibility, and active assignments for a time.
//!
//! Source: REST references "Role Eligibility Schedule Requests" and "Role Assignment Schedule Requests" (2020-10-01). Codes of the
//! refusals are assumed.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::access::{assignment_body, is_triple};
use super::call::{Call, Reply, arm_error, same, text};
use super::scopes::canonical;
use super::store::Kind;
use super::{Caller, MemoryTenant};
use crate::model::trailing_guid;

/// What a request says, with everything that it must say.
struct Asked<'a> {
    caller: &'a Caller,
    sent: &'a Json,
    principal: &'a str,
    role: String,
    gives: bool,
    scope: &'a str,
    name: &'a str,
    now: Timestamp,
}

impl<'a> Asked<'a> {
    /// Reads a request: `AdminAssign` gives, `AdminRemove` takes.
    fn read(caller: &'a Caller, call: &Call<'a>, scope: &'a str, name: &'a str, now: Timestamp) -> Result<Self, Reply> {
        let missing = |field: &str| invalid(format!("The request content was invalid: 'properties.{field}' is missing."));
        let sent = call.body.ok_or_else(|| invalid("The request content was invalid.".to_owned()))?;
        let of = |field: &str| text(sent, &format!("/properties/{field}")).ok_or_else(|| missing(field));
        let (principal, role, ty) = (of("principalId")?, of("roleDefinitionId")?, of("requestType")?);
        if !matches!(ty, "AdminAssign" | "AdminRemove") {
            return Err(invalid(format!("The request type '{ty}' is not known here.")));
        }
        Ok(Self { caller, sent, principal, role: trailing_guid(role), gives: ty == "AdminAssign", scope, name, now })
    }

    /// Refuses to give what is there, and to take what is not.
    fn refused(&self, exists: bool) -> Option<Reply> {
        match (self.gives, exists) {
            (true, true) => Some(arm_error(400, "RoleAssignmentExists", "The Role assignment already exists.")),
            (false, false) => Some(arm_error(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.")),
            _ => None,
        }
    }

    /// The request as it is kept and answered. `schedule` is `Eligibility` or `Assignment`.
    fn kept(&self, schedule: &str, principal_type: &str) -> Json {
        let of = |name: &str| self.sent.pointer(&format!("/properties/{name}")).cloned().unwrap_or(Json::Null);
        let ty = format!("Microsoft.Authorization/Role{schedule}ScheduleRequests");
        let mut request = json!({
            "id": format!("{}/providers/{ty}/{}", self.scope, self.name),
            "name": self.name,
            "type": ty,
            "properties": {
                "scope": self.scope,
                "roleDefinitionId": of("roleDefinitionId"),
                "principalId": self.principal,
                "principalType": principal_type,
                "requestType": of("requestType"),
                "status": if self.gives { "Provisioned" } else { "Revoked" },
                "scheduleInfo": of("scheduleInfo"),
                "ticketInfo": of("ticketInfo"),
                "justification": of("justification"),
                "requestorId": self.caller.object_id,
                "createdOn": self.now.to_string(),
                "condition": of("condition"),
                "conditionVersion": of("conditionVersion")
            }
        });
        if let Some(properties) = request.get_mut("properties").and_then(Json::as_object_mut) {
            properties.insert(format!("targetRole{schedule}ScheduleId"), json!(self.name));
        }
        request
    }

    /// What a request that gives brings about, with its key.
    fn instance(&self, schedule: &str, request: &Json) -> (String, Json) {
        let of = |name: &str| request.pointer(&format!("/properties/{name}")).cloned().unwrap_or(Json::Null);
        let start = request.pointer("/properties/scheduleInfo/startDateTime").filter(|start| !start.is_null());
        let ty = format!("Microsoft.Authorization/role{schedule}ScheduleInstances");
        let id = format!("{}/providers/{ty}/{}", self.scope, self.name);
        let body = json!({
            "id": id,
            "name": self.name,
            "type": ty,
            "properties": {
                "scope": self.scope,
                "roleDefinitionId": of("roleDefinitionId"),
                "principalId": of("principalId"),
                "principalType": of("principalType"),
                format!("role{schedule}ScheduleId"): format!("{}/providers/Microsoft.Authorization/role{schedule}Schedules/{}", self.scope, self.name),
                "status": "Provisioned",
                "memberType": "Direct",
                "startDateTime": start.cloned().unwrap_or_else(|| of("createdOn")),
                "endDateTime": request.pointer("/properties/scheduleInfo/expiration/endDateTime"),
                "condition": of("condition"),
                "conditionVersion": of("conditionVersion")
            }
        });
        (id, body)
    }
}

impl MemoryTenant {
    pub(super) fn put_eligibility_request(&mut self, caller: &Caller, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let asked = match Asked::read(caller, call, scope, name, now) {
            Ok(asked) => asked,
            Err(refused) => return refused,
        };
        let here = canonical(scope);
        let all = self.store.all_latest(Kind::Eligibility);
        let existing = all.into_iter().find(|(key, old)| is_triple(old, key, &here, asked.principal, &asked.role));
        let existing = existing.map(|(key, _)| key.to_owned());
        if let Some(refused) = asked.refused(existing.is_some()) {
            return refused;
        }
        let request = asked.kept("Eligibility", self.principal_type(asked.principal));
        let shows_at = self.shows_at(now);
        self.store.write(Kind::EligibilityRequest, call.path, Some(request.clone()), now, shows_at);
        match existing {
            Some(key) => self.store.write(Kind::Eligibility, &key, None, now, shows_at),
            None => {
                let (key, instance) = asked.instance("Eligibility", &request);
                self.store.write(Kind::Eligibility, &key, Some(instance), now, shows_at);
            }
        }
        Reply::new(201, request)
    }

    /// An active assignment is a schedule and the role assignment it stands for; both come and go together.
    pub(super) fn put_schedule_request(&mut self, caller: &Caller, call: &Call<'_>, scope: &str, name: &str, now: Timestamp) -> Reply {
        let asked = match Asked::read(caller, call, scope, name, now) {
            Ok(asked) => asked,
            Err(refused) => return refused,
        };
        let here = canonical(scope);
        let existing = self.active(&asked, &here);
        if let Some(refused) = asked.refused(existing.is_some()) {
            return refused;
        }
        let request = asked.kept("Assignment", self.principal_type(asked.principal));
        let shows_at = self.shows_at(now);
        self.store.write(Kind::ScheduleRequest, call.path, Some(request.clone()), now, shows_at);
        match existing {
            Some((schedule, assignment)) => {
                if self.store.latest(Kind::Schedule, &schedule).is_some() {
                    self.store.write(Kind::Schedule, &schedule, None, now, shows_at);
                }
                if let Some(assignment) = assignment {
                    self.store.write(Kind::RoleAssignment, &assignment, None, now, shows_at);
                }
            }
            None => self.activate(&asked, &request, now, shows_at),
        }
        Reply::new(201, request)
    }

    /// Returns the schedule at a scope that a request is about, by its id, and the role assignment it stands for.
    fn active(&self, asked: &Asked<'_>, here: &str) -> Option<(String, Option<String>)> {
        let all = self.schedules(asked.scope, Timestamp::MAX).into_iter();
        let found = all.filter_map(|item| Some((text(&item, "/id")?.to_lowercase(), item)));
        let (key, item) = found.into_iter().find(|(key, item)| {
            let direct = text(item, "/properties/memberType").is_none_or(|ty| same(ty, "Direct"));
            direct && is_triple(item, key, here, asked.principal, &asked.role)
        })?;
        let origin = text(&item, "/properties/originRoleAssignmentId").map(str::to_lowercase);
        Some((key, origin.filter(|origin| self.store.latest(Kind::RoleAssignment, origin).is_some())))
    }

    fn activate(&mut self, asked: &Asked<'_>, request: &Json, now: Timestamp, shows_at: Timestamp) {
        let fresh = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{}", asked.scope, asked.name).as_bytes());
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{fresh}", asked.scope);
        let kind = self.principal_type(asked.principal);
        let assignment = assignment_body(asked.caller, asked.sent, &asked.role, kind, None, asked.scope, &path, now);
        self.store.write(Kind::RoleAssignment, &path, Some(assignment), now, shows_at);
        let (key, mut instance) = asked.instance("Assignment", request);
        if let Some(properties) = instance.get_mut("properties") {
            super::merge(properties, &json!({ "originRoleAssignmentId": path, "assignmentType": "Assigned" }));
        }
        self.store.write(Kind::Schedule, &key, Some(instance), now, shows_at);
    }
}

fn invalid(message: String) -> Reply {
    arm_error(400, "InvalidRequestContent", message)
}

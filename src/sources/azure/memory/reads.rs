//! Reading.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::call::{Call, Reply, arm_error, error, graph_error, same, text};
use super::lists::select;
use super::route::Route;
use super::scopes::canonical;
use super::store::Kind;
use super::{Caller, MemoryTenant, not_modelled};
use crate::model::trailing_guid;
use crate::remedy::plan::Service;

impl MemoryTenant {
    pub(super) fn read(&self, caller: &Caller, call: &Call<'_>, route: &Route, now: Timestamp) -> Reply {
        // What was recorded as refused stays refused.
        if let Some(refused) = self.recorded.refusal(call) {
            return refused;
        }
        match route {
            Route::List(kind, scope) => match self.listed(*kind, scope, call, now) {
                Ok(items) => self.page(call, items),
                Err(refused) => refused,
            },
            Route::One(kind, scope, name) => self.one(*kind, scope, name, call, now),
            Route::Events(scope) => self.events(scope, call, now),
            Route::PartnerLink(partner) => self.partner_link(caller, partner.as_deref()),
            Route::OperationStatus(id) => self.operation_status(call.path, id, now),
            Route::OperationResult(id) => self.operation_result(id, now),
            Route::Entities => self.page(call, self.entities(now)),
            Route::GroupSubscriptions(group) => self.page(call, self.group_subscriptions(group, now)),
            Route::GroupSubscription { group, subscription } => self.group_subscription(group, subscription, now),
            Route::Members { group, transitive } => self.members(call, group, *transitive, now),
            Route::DirectoryObject(id) => self.directory_object(call, id, now),
            Route::MemberReference { .. } | Route::Invitations | Route::Restore(_) => {
                graph_error(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", now)
            }
            Route::TenantInformation => self
                .recorded
                .fixed(call)
                .unwrap_or_else(|| graph_error(404, "Directory_ObjectNotFound", "Unable to find the target tenant information.", now)),
            Route::Other => self.recorded.fixed(call).unwrap_or_else(|| not_modelled(call, now)),
        }
    }

    fn one(&self, kind: Kind, scope: &str, name: &str, call: &Call<'_>, now: Timestamp) -> Reply {
        let key = self.key(kind, name, call.path);
        let Some(body) = self.store.visible(kind, &key, now).cloned() else { return absent(kind, scope, name, call, now) };
        let expand = call.parameter("$expandRegistrationDefinition").is_some_and(|value| same(value, "true"));
        let body = self.shown(kind, body, expand, now);
        Reply::new(200, if kind == Kind::Entity { detailed(body) } else { select(body, call) })
    }

    /// Returns the key of an object: its path, or its name alone where the path says no more.
    pub(super) fn key(&self, kind: Kind, name: &str, path: &str) -> String {
        match kind {
            Kind::RoleDefinition => trailing_guid(name),
            Kind::Subscription | Kind::ResourceGroup | Kind::Entity | Kind::HierarchySettings => canonical(name),
            Kind::User | Kind::DeletedUser | Kind::ServicePrincipal | Kind::Group => self.principal_key(name),
            Kind::SubscriptionPolicy | Kind::AuthorizationPolicy => "default".to_owned(),
            _ => canonical(path),
        }
    }

    /// A user may be named by its user principal name.
    fn principal_key(&self, name: &str) -> String {
        let by_name = self.store.all_latest(Kind::User).into_iter();
        let by_name = by_name.filter(|(_, user)| text(user, "/userPrincipalName").is_some_and(|known| same(known, name)));
        by_name.map(|(key, _)| key.to_owned()).next().unwrap_or_else(|| name.to_lowercase())
    }

    fn entities(&self, now: Timestamp) -> Vec<Json> {
        self.store.all_visible(Kind::Entity, now).into_iter().map(|(_, body)| body.clone()).collect()
    }

    fn group_subscriptions(&self, group: &str, now: Timestamp) -> Vec<Json> {
        let here = canonical(group);
        let all = self.store.all_visible(Kind::Entity, now).into_iter();
        let inside = all.filter(|(key, body)| {
            key.starts_with("/subscriptions/") && text(body, "/properties/parent/id").map(canonical).as_deref() == Some(here.as_str())
        });
        inside.map(|(_, body)| self.group_member(group, body)).collect()
    }

    fn group_subscription(&self, group: &str, subscription: &str, now: Timestamp) -> Reply {
        let entity = self.store.visible(Kind::Entity, subscription, now);
        match entity.filter(|body| text(body, "/properties/parent/id").map(canonical) == Some(canonical(group))) {
            Some(body) => Reply::new(200, self.group_member(group, body)),
            None => arm_error(404, "NotFound", format!("'{subscription}' is not a member of '{group}'.")),
        }
    }

    /// A subscription as a member of a management group.
    pub(super) fn group_member(&self, group: &str, entity: &Json) -> Json {
        let name = entity.get("name");
        json!({
            "id": name.and_then(Json::as_str).map(|name| format!("{group}/subscriptions/{name}")),
            "type": "Microsoft.Management/managementGroups/subscriptions",
            "name": name,
            "properties": {
                "tenant": self.tenant(),
                "displayName": entity.pointer("/properties/displayName"),
                "parent": { "id": group },
                "state": "Active"
            }
        })
    }

    fn members(&self, call: &Call<'_>, group: &str, transitive: bool, now: Timestamp) -> Reply {
        if self.store.visible(Kind::Group, group, now).is_none() {
            return absent(Kind::Group, "", group, call, now);
        }
        let group = group.to_lowercase();
        let all = self.store.all_visible(Kind::Membership, now).into_iter();
        let mine = all.filter(|(key, _)| {
            let Some((holder, member)) = key.split_once('/') else { return false };
            (holder == group || (transitive && self.groups_of(member, now).contains(&group))) && self.is_there(member, now)
        });
        let mut seen = std::collections::BTreeSet::new();
        let members = mine.filter(|(key, _)| seen.insert(key.split_once('/').map(|(_, member)| member.to_owned())));
        self.page(call, members.map(|(_, body)| body.clone()).collect())
    }

    fn directory_object(&self, call: &Call<'_>, id: &str, now: Timestamp) -> Reply {
        let kinds = [(Kind::User, "user"), (Kind::ServicePrincipal, "servicePrincipal"), (Kind::Group, "group")];
        for (kind, ty) in kinds {
            if let Some(mut body) = self.store.visible(kind, id, now).cloned() {
                super::merge(&mut body, &json!({ "@odata.type": format!("#microsoft.graph.{ty}") }));
                return Reply::new(200, select(body, call));
            }
        }
        absent(Kind::User, "", id, call, now)
    }

    /// Members that were deleted do not show; members the model knows nothing of do.
    fn is_there(&self, member: &str, now: Timestamp) -> bool {
        [Kind::User, Kind::ServicePrincipal, Kind::Group]
            .iter()
            .all(|kind| self.store.versions(*kind, member).is_none() || self.store.visible(*kind, member, now).is_some())
    }
}

fn absent(kind: Kind, scope: &str, name: &str, call: &Call<'_>, now: Timestamp) -> Reply {
    if call.service == Service::Graph {
        let message = format!("Resource '{name}' does not exist or one of its queried reference-property objects are not present.");
        return graph_error(404, "Request_ResourceNotFound", message, now);
    }
    match kind {
        Kind::RoleAssignment => arm_error(404, "RoleAssignmentNotFound", format!("The role assignment '{name}' is not found.")),
        Kind::RoleDefinition => {
            arm_error(404, "RoleDefinitionDoesNotExist", format!("The specified role definition with ID '{name}' does not exist."))
        }
        Kind::Subscription => {
            let id = name.rsplit('/').next().unwrap_or(name);
            arm_error(404, "SubscriptionNotFound", format!("The subscription '{id}' could not be found."))
        }
        Kind::ResourceGroup => arm_error(404, "ResourceGroupNotFound", format!("Resource group '{name}' could not be found.")),
        _ => error(call.service, 404, "ResourceNotFound", format!("The resource '{name}' at '{scope}' was not found."), now),
    }
}

/// One management group tells about its parent in its details.
fn detailed(mut entity: Json) -> Json {
    if let Some(properties) = entity.get_mut("properties").and_then(Json::as_object_mut) {
        let parent = properties.shift_remove("parent").unwrap_or(Json::Null);
        properties.insert("details".to_owned(), json!({ "version": 1, "parent": parent }));
    }
    entity
}

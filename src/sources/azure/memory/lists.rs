//! Which objects a list holds, and its pages.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::MemoryTenant;
use super::call::{Call, Reply, error, same, text};
use super::filter::Filter;
use super::scopes::{canonical, chain, is_below, subscription};
use super::store::Kind;
use crate::model::trailing_guid;
use crate::remedy::plan::Service;
use crate::sources::azure::address::address;

/// Tells of an object by its key and body whether a list holds it.
type Keep<'a> = Box<dyn Fn(&str, &Json) -> bool + 'a>;

/// The most groups that are followed from a principal.
const GROUPS_MAX: usize = 10_000;

impl MemoryTenant {
    /// Returns what a list holds.
    pub(super) fn listed(&self, kind: Kind, scope: &str, call: &Call<'_>, now: Timestamp) -> Result<Vec<Json>, Reply> {
        let filter = call.parameter("$filter").map_or_else(|| Ok(Filter::default()), Filter::parse);
        let filter =
            filter.map_err(|condition| error(call.service, 400, "BadRequest", format!("Invalid filter clause '{condition}'."), now))?;
        let expand = call.parameter("$expandRegistrationDefinition").is_some_and(|value| same(value, "true"));
        let items = self.items(kind, scope, &filter, now);
        let wanted = items.into_iter().filter(|item| filter.matches(item) && self.is_assigned(item, &filter, now));
        Ok(wanted.map(|item| self.shown(kind, item, expand, now)).collect())
    }

    /// Returns an object as reading shows it.
    pub(super) fn shown(&self, kind: Kind, mut item: Json, expand: bool, now: Timestamp) -> Json {
        if kind == Kind::RegistrationAssignment && expand {
            let definition = text(&item, "/properties/registrationDefinitionId")
                .and_then(|id| self.store.visible(Kind::RegistrationDefinition, id, now).cloned());
            if let (Some(definition), Some(properties)) = (definition, item.get_mut("properties").and_then(Json::as_object_mut)) {
                properties.insert("registrationDefinition".to_owned(), definition);
            }
        }
        item
    }

    fn items(&self, kind: Kind, scope: &str, filter: &Filter, now: Timestamp) -> Vec<Json> {
        let chain = chain(&self.store, scope, now);
        let all = self.store.all_visible(kind, now);
        let here = canonical(scope);
        let keep: Keep<'_> = match kind {
            Kind::RoleAssignment | Kind::Eligibility | Kind::DenyAssignment | Kind::Lock => {
                // Management groups and the root show what is below them only where one principal is asked for.
                let below = !filter.at_scope && (filter.names_principal() || subscription(scope).is_some());
                Box::new(move |key, body| {
                    let at = text(body, "/properties/scope").map_or_else(|| scope_of_id(key), canonical);
                    chain.contains(&at) || (below && (here == "/" || is_below(&here, &at) || self.is_under(&here, &at, now)))
                })
            }
            Kind::RoleDefinition => {
                let below = filter.and_below;
                Box::new(move |_, body| {
                    let scopes = body.pointer("/properties/assignableScopes").and_then(Json::as_array);
                    let mut scopes = scopes.into_iter().flatten().filter_map(Json::as_str).map(canonical);
                    let built_in = text(body, "/properties/type").is_some_and(|ty| same(ty, "BuiltInRole"));
                    built_in || scopes.any(|at| chain.contains(&at) || (below && self.is_under(&here, &at, now)))
                })
            }
            Kind::Schedule => return self.schedules(scope, now),
            Kind::RegistrationDefinition | Kind::RegistrationAssignment => Box::new(move |key, _| scope_of_id(key) == here),
            Kind::ResourceGroup => Box::new(move |key, _| is_below(&here, key)),
            Kind::Entity => Box::new(|key, _| key.contains("/managementgroups/")),
            _ => Box::new(|_, _| true),
        };
        all.into_iter().filter(|(key, body)| keep(key, body)).map(|(_, body)| body.clone()).collect()
    }

    fn is_under(&self, outer: &str, inner: &str, now: Timestamp) -> bool {
        chain(&self.store, inner, now).contains(&canonical(outer))
    }

    /// Schedules follow role assignments: each assignment that holds here has one.
    pub(super) fn schedules(&self, scope: &str, now: Timestamp) -> Vec<Json> {
        let here = canonical(scope);
        let chain = chain(&self.store, scope, now);
        let stored = self.store.all_visible(Kind::Schedule, now).into_iter().map(|(_, body)| body);
        let stored = stored.filter(|body| text(body, "/properties/scope").map(canonical).as_deref() == Some(here.as_str()));
        let mut origins = BTreeSet::new();
        let mut items = Vec::new();
        for body in stored {
            let origin = text(body, "/properties/originRoleAssignmentId").map(str::to_lowercase);
            let gone = origin.as_ref().is_some_and(|origin| {
                self.store.versions(Kind::RoleAssignment, origin).is_some()
                    && self.store.visible(Kind::RoleAssignment, origin, now).is_none()
            });
            origins.extend(origin);
            if !gone {
                items.push(body.clone());
            }
        }
        for (key, body) in self.store.all_visible(Kind::RoleAssignment, now) {
            let is_new = self.store.versions(Kind::RoleAssignment, key).is_some_and(|versions| versions.created.is_some());
            let at = text(body, "/properties/scope").map_or_else(|| scope_of_id(key), canonical);
            if is_new && chain.contains(&at) && !origins.contains(key) {
                items.push(schedule(scope, &at == chain.first().unwrap_or(&at), key, body));
            }
        }
        items
    }

    fn is_assigned(&self, item: &Json, filter: &Filter, now: Timestamp) -> bool {
        let Some(wanted) = &filter.assigned_to else { return true };
        let Some(principal) = text(item, "/properties/principalId") else { return false };
        same(principal, wanted) || self.groups_of(wanted, now).contains(&principal.to_lowercase())
    }

    /// Returns every group a principal is in, direct or through other groups.
    pub(super) fn groups_of(&self, principal: &str, now: Timestamp) -> BTreeSet<String> {
        let memberships = self.store.all_visible(Kind::Membership, now);
        let mut found = BTreeSet::new();
        let mut open = vec![principal.to_lowercase()];
        while let Some(member) = open.pop() {
            for (key, _) in &memberships {
                let Some((group, _)) = key.split_once('/').filter(|(_, id)| *id == member) else { continue };
                if found.len() < GROUPS_MAX && found.insert(group.to_owned()) {
                    open.push(group.to_owned());
                }
            }
        }
        found
    }

    /// Puts a list on pages.
    pub(super) fn page(&self, call: &Call<'_>, items: Vec<Json>) -> Reply {
        let graph = call.service == Service::Graph;
        let top = call.parameter("$top").filter(|_| graph).and_then(|top| top.parse().ok());
        let size = [top, self.settings.page_size].into_iter().flatten().min().unwrap_or(usize::MAX).max(1);
        let start = call.parameter("$skiptoken").and_then(|token| token.strip_prefix("page-")?.parse().ok()).unwrap_or(0_usize);
        let more = items.len() > start.saturating_add(size);
        let page: Vec<Json> = items.into_iter().skip(start).take(size).map(|item| select(item, call)).collect();
        let next = if more {
            Some(self.link(call, &format!("page-{}", start + size)))
        } else {
            self.recorded.tail(call, self.origin(call.service))
        };
        let mut body = json!({ "value": page });
        if let (Some(next), Some(object)) = (next, body.as_object_mut()) {
            let groups = call.path.to_lowercase().ends_with("/managementgroups");
            let name = if graph {
                "@odata.nextLink"
            } else if groups {
                "@nextLink"
            } else {
                "nextLink"
            };
            object.insert(name.to_owned(), Json::String(next));
        }
        Reply::new(200, body)
    }

    fn link(&self, call: &Call<'_>, token: &str) -> String {
        let mut query: Vec<(String, String)> = call.query.iter().filter(|(name, _)| !same(name, "$skiptoken")).cloned().collect();
        query.push(("$skiptoken".to_owned(), token.to_owned()));
        address(self.origin(call.service), call.path, &query)
    }

    fn origin(&self, service: Service) -> &str {
        if service == Service::Graph { &self.settings.graph_origin } else { &self.settings.arm_origin }
    }
}

/// Returns the scope in the id of something that hangs on it.
pub(super) fn scope_of_id(id: &str) -> String {
    let lower = id.to_lowercase();
    canonical(lower.rfind("/providers/").and_then(|at| lower.get(..at)).unwrap_or(&lower))
}

/// Graph answers with the fields that are asked for.
pub(super) fn select(item: Json, call: &Call<'_>) -> Json {
    let Some(fields) = call.parameter("$select").filter(|_| call.service == Service::Graph) else { return item };
    let Json::Object(object) = item else { return item };
    let wanted = |name: &str| name.starts_with('@') || fields.split(',').any(|field| same(field.trim(), name));
    Json::Object(object.into_iter().filter(|(name, _)| wanted(name)).collect())
}

fn schedule(scope: &str, direct: bool, key: &str, assignment: &Json) -> Json {
    let of = |pointer: &str| assignment.pointer(pointer).cloned().unwrap_or(Json::Null);
    let name = trailing_guid(key);
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances/{name}"),
        "name": name,
        "type": "Microsoft.Authorization/roleAssignmentScheduleInstances",
        "properties": {
            "scope": scope,
            "roleDefinitionId": of("/properties/roleDefinitionId"),
            "principalId": of("/properties/principalId"),
            "principalType": of("/properties/principalType"),
            "originRoleAssignmentId": of("/id"),
            "assignmentType": "Assigned",
            "memberType": if direct { "Direct" } else { "Inherited" },
            "status": "Provisioned",
            "startDateTime": of("/properties/createdOn"),
            "endDateTime": null
        }
    })
}

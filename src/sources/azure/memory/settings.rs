//! Writing of what holds for the whole directory: policies, the tree of management groups.
//!
//! Source: REST references "Subscription Policy" 2021-10-01, "Management Group Subscriptions" and "Hierarchy Settings"
//! 2023-04-01; Microsoft Graph v1.0 "Update authorizationPolicy".

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::call::{Call, Reply, arm_error, graph_error};
use super::store::Kind;
use super::{MemoryTenant, merge};
use crate::remedy::plan::Method;

impl MemoryTenant {
    pub(super) fn patch_authorization_policy(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let Some(mut body) = self.store.latest(Kind::AuthorizationPolicy, "default").cloned() else {
            return graph_error(404, "Request_ResourceNotFound", "The policy was not found.", now);
        };
        let Some(sent) = call.body.filter(|sent| sent.is_object()) else {
            return graph_error(400, "Request_BadRequest", "The body is missing.", now);
        };
        merge(&mut body, sent);
        self.store.write(Kind::AuthorizationPolicy, "default", Some(body), now, self.shows_at(now));
        Reply::empty(204)
    }

    /// The whole policy is replaced. Which wrapper is sent, with or without `properties`, makes no difference here.
    pub(super) fn put_subscription_policy(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let Some(sent) = call.body.filter(|sent| sent.is_object()) else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid.");
        };
        let sent = sent.get("properties").unwrap_or(sent);
        let of = |name: &str| sent.get(name).cloned();
        let body = json!({
            "id": "providers/Microsoft.Subscription/policies/default",
            "name": "default",
            "type": "providers/Microsoft.Subscription/policies",
            "properties": {
                "policyId": self.tenant(),
                "blockSubscriptionsLeavingTenant": of("blockSubscriptionsLeavingTenant").unwrap_or(json!(false)),
                "blockSubscriptionsIntoTenant": of("blockSubscriptionsIntoTenant").unwrap_or(json!(false)),
                "exemptedPrincipals": of("exemptedPrincipals").unwrap_or(json!([]))
            }
        });
        self.store.write(Kind::SubscriptionPolicy, "default", Some(body.clone()), now, self.shows_at(now));
        Reply::new(200, body)
    }

    pub(super) fn move_subscription(&mut self, group: &str, subscription: &str, now: Timestamp) -> Reply {
        let Some(new) = self.store.latest(Kind::Entity, group).and_then(|body| body.get("id")).cloned() else {
            return arm_error(404, "NotFound", format!("The management group '{group}' was not found."));
        };
        let Some(mut entity) = self.store.latest(Kind::Entity, subscription).cloned() else {
            return arm_error(404, "NotFound", format!("The subscription '{subscription}' was not found."));
        };
        if let Some(properties) = entity.get_mut("properties").and_then(Json::as_object_mut) {
            properties.insert("parent".to_owned(), json!({ "id": new }));
        }
        let answer = self.group_member(new.as_str().unwrap_or(group), &entity);
        self.store.write(Kind::Entity, subscription, Some(entity), now, self.shows_at(now));
        Reply::new(200, answer)
    }

    /// A subscription that is taken out of its group comes to rest under the root group.
    pub(super) fn release_subscription(&mut self, subscription: &str, now: Timestamp) -> Reply {
        let root = format!("/providers/Microsoft.Management/managementGroups/{}", self.tenant());
        let reply = self.move_subscription(&root, subscription, now);
        if reply.status == 200 { Reply::empty(200) } else { reply }
    }

    pub(super) fn set_hierarchy_settings(&mut self, call: &Call<'_>, method: Method, group: &str, now: Timestamp) -> Reply {
        let Some(sent) = call.body.and_then(|body| body.get("properties")) else {
            return arm_error(400, "InvalidRequestContent", "The request content was invalid: 'properties' is missing.");
        };
        let old = self.store.latest(Kind::HierarchySettings, group).and_then(|body| body.get("properties")).cloned();
        let mut properties = old.filter(|_| method == Method::Patch).unwrap_or_else(|| json!({ "tenantId": self.tenant() }));
        merge(&mut properties, sent);
        let body = json!({
            "id": format!("{group}/settings/default"),
            "type": "Microsoft.Management/managementGroups/settings",
            "name": "default",
            "properties": properties
        });
        self.store.write(Kind::HierarchySettings, group, Some(body.clone()), now, self.shows_at(now));
        Reply::new(200, body)
    }
}

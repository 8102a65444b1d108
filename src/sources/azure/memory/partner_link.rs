//! The partner link (Partner Admin Link) of the caller, and of nobody else.
//!
//! Source: REST reference "Management Partner" 2018-02-01 and its examples. What is answered when there is none is assumed.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::call::{Reply, arm_error, same, text};
use super::store::Kind;
use super::{Caller, MemoryTenant, merge};
use crate::remedy::plan::Method;

impl MemoryTenant {
    pub(super) fn partner_link(&self, caller: &Caller, partner: Option<&str>) -> Reply {
        let link = self.store.latest(Kind::PartnerLink, &caller.object_id);
        let link = link.filter(|link| text(link, "/properties/state") == Some("Active"));
        match link.filter(|link| partner.is_none_or(|wanted| text(link, "/name").is_some_and(|name| same(name, wanted)))) {
            Some(link) => Reply::new(200, link.clone()),
            None => none(),
        }
    }

    /// PUT makes or replaces the link, PATCH changes the one there is; the path holds the new id.
    pub(super) fn set_partner_link(&mut self, caller: &Caller, method: Method, partner: &str, now: Timestamp) -> Reply {
        let old = self.store.latest(Kind::PartnerLink, &caller.object_id).cloned();
        let active = old.as_ref().is_some_and(|old| text(old, "/properties/state") == Some("Active"));
        if method == Method::Patch && !active {
            return none();
        }
        let version = old.as_ref().and_then(|old| old.pointer("/properties/version")).and_then(Json::as_u64).unwrap_or(0) + 1;
        let created = old.as_ref().and_then(|old| text(old, "/properties/createdTime")).map_or_else(|| now.to_string(), str::to_owned);
        let link = json!({
            "id": format!("/providers/microsoft.managementpartner/partners/{partner}"),
            "type": "Microsoft.ManagementPartner/partners",
            "name": partner,
            "etag": version,
            "properties": {
                "partnerId": partner,
                "tenantId": self.tenant(),
                "objectId": caller.object_id,
                "version": version,
                "updatedTime": now.to_string(),
                "createdTime": created,
                "state": "Active"
            }
        });
        self.store.write(Kind::PartnerLink, &caller.object_id, Some(link.clone()), now, now);
        Reply::new(200, link)
    }

    pub(super) fn remove_partner_link(&mut self, caller: &Caller, partner: &str, now: Timestamp) -> Reply {
        if self.partner_link(caller, Some(partner)).status != 200 {
            return none();
        }
        self.end_partner_link(&caller.object_id, now);
        Reply::empty(200)
    }

    /// A link is never erased: its state becomes `Deleted`, and a later one remembers when the first was made.
    pub(super) fn end_partner_link(&mut self, object_id: &str, now: Timestamp) {
        let Some(mut link) = self.store.latest(Kind::PartnerLink, object_id).cloned() else { return };
        if let Some(properties) = link.get_mut("properties") {
            merge(properties, &json!({ "state": "Deleted", "updatedTime": now.to_string() }));
        }
        self.store.write(Kind::PartnerLink, object_id, Some(link), now, now);
    }
}

fn none() -> Reply {
    arm_error(404, "NotFound", "No partner is linked to this account.")
}

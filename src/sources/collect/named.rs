//! What an answer names that other operations are asked of.

use serde_json::Value as Json;

use super::journal::Named;
use super::operation::{Operation, Per};
use crate::sources::azure::cloud::Endpoint;
use crate::sources::partner_center::is_billed_by_use;

/// Returns the objects of an answer: of a list, or the one object that it is.
pub(super) fn items(operation: Operation, body: &Json) -> &[Json] {
    list(operation, body).map_or(std::slice::from_ref(body), Vec::as_slice)
}

/// Returns the list that an answer holds, in the field in which its service writes it.
pub(super) fn list(operation: Operation, body: &Json) -> Option<&Vec<Json>> {
    let field = if operation.endpoint() == Endpoint::PartnerCenter { "items" } else { "value" };
    body.get(field)?.as_array()
}

/// Returns what an answer of an operation, asked of something, names.
pub(super) fn named(operation: Operation, of: &str, body: &Json, tenant: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for item in items(operation, body) {
        name(operation, of, &Item { json: item, tenant }, &mut found);
    }
    found
}

struct Item<'i> {
    json: &'i Json,
    tenant: &'i str,
}

fn name(operation: Operation, of: &str, item: &Item<'_>, found: &mut Vec<Named>) {
    let mut add = |per, of: Option<String>| found.extend(of.map(|of| Named { per, of }));
    match operation {
        Operation::Subscriptions => {
            // What a managing tenant sees of its customers belongs to other directories.
            if item.text("tenantId").is_none_or(|id| id.eq_ignore_ascii_case(item.tenant)) {
                add(Per::Subscription, item.word("subscriptionId").map(|id| format!("/subscriptions/{id}")));
            }
            add(Per::OtherDirectory, item.other_directory("tenantId"));
            let managing = item.json.get("managedByTenants").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            for managing in managing {
                add(Per::OtherDirectory, Item { json: managing, ..*item }.other_directory("tenantId"));
            }
        }
        Operation::Entities => {
            let is_group = item.text("type").is_some_and(|ty| ty.to_lowercase().ends_with("microsoft.management/managementgroups"));
            add(Per::ManagementGroup, item.path("id").filter(|_| is_group));
        }
        Operation::ResourceGroups => add(Per::ResourceGroup, item.path("id")),
        Operation::BillingAccounts => add(Per::BillingAccount, item.path("id")),
        Operation::Groups => add(Per::Group, item.word("id")),
        Operation::DirectoryRoles => add(Per::DirectoryRole, item.word("id")),
        Operation::CommerceSubscriptions => add(Per::OtherDirectory, item.other_directory("ownerTenantId")),
        Operation::CrossTenantPartners => add(Per::OtherDirectory, item.other_directory("tenantId")),
        // It is null for everybody who is not a partner. Source: Microsoft Graph, organization, partnerTenantType.
        Operation::Organization => add(Per::PartnerDirectory, item.text("partnerTenantType").map(|_| item.tenant.to_owned())),
        Operation::Customers => add(Per::Customer, item.word("id")),
        Operation::CustomerSubscriptions => {
            // One that names its Azure subscription is no plan.
            let is_plan = is_billed_by_use(item.json) && item.text("entitlementId").is_none();
            add(Per::AzurePlan, item.word("id").filter(|_| is_plan).map(|id| format!("{of}/subscriptions/{id}")));
            add(Per::PartnerId, item.partner_id("partnerId"));
        }
        Operation::IndirectResellers | Operation::IndirectProviders => add(Per::PartnerId, item.partner_id("mpnId")),
        _ => {}
    }
}

impl Item<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.json.get(name).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// An id that can stand in a path as it is.
    fn word(&self, name: &str) -> Option<String> {
        let id = self.text(name)?.to_lowercase();
        id.chars().all(|one| one.is_ascii_alphanumeric() || one == '-').then_some(id)
    }

    /// An id that is a path.
    fn path(&self, name: &str) -> Option<String> {
        self.text(name).filter(|id| id.starts_with('/') && !id.contains(['?', '#']) && !id.contains("..")).map(str::to_owned)
    }

    fn other_directory(&self, name: &str) -> Option<String> {
        self.word(name).filter(|id| *id != self.tenant.to_lowercase())
    }

    /// A PartnerID, of five to eight digits as the schema says, which some services write as a number.
    fn partner_id(&self, name: &str) -> Option<String> {
        let number = self.json.get(name).and_then(Json::as_u64).map(|number| number.to_string());
        number.or_else(|| self.word(name)).filter(|id| (5..=8).contains(&id.len()) && id.chars().all(|one| one.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOME: &str = "11111111-0000-0000-0000-000000000001";
    const OTHER: &str = "22222222-0000-0000-0000-000000000002";

    fn names(operation: Operation, of: &str, body: &Json) -> Vec<(Per, String)> {
        named(operation, of, body, HOME).into_iter().map(|named| (named.per, named.of)).collect()
    }

    #[test]
    fn a_subscription_names_itself_and_those_who_manage_it() {
        let body = json!({ "value": [
            { "subscriptionId": "AA-1", "tenantId": HOME, "managedByTenants": [{ "tenantId": OTHER }, { "tenantId": HOME }] },
            { "subscriptionId": "bb-1", "tenantId": OTHER },
            { "subscriptionId": "../x", "tenantId": HOME },
        ] });
        let other = || (Per::OtherDirectory, OTHER.to_owned());
        assert_eq!(names(Operation::Subscriptions, "", &body), [(Per::Subscription, "/subscriptions/aa-1".to_owned()), other(), other()]);
    }

    #[test]
    fn only_a_partner_is_asked_about_customers() {
        let organization = |ty: Json| json!({ "value": [{ "id": HOME, "partnerTenantType": ty }] });
        assert_eq!(names(Operation::Organization, "", &organization(Json::Null)), []);
        assert_eq!(names(Operation::Organization, "", &json!({ "value": [{ "id": HOME }] })), []);
        let partner = organization("resellerPartnerDelegatedAdmin".into());
        assert_eq!(names(Operation::Organization, "", &partner), [(Per::PartnerDirectory, HOME.to_owned())]);
        let bought = json!({ "items": [
            { "id": "p1", "billingType": "usage", "partnerId": "4847383" },
            { "id": "p2", "billingType": "license", "partnerId": null },
            { "id": "p3", "billingType": "license", "partnerId": "no number" },
        ] });
        assert_eq!(
            names(Operation::CustomerSubscriptions, OTHER, &bought),
            [(Per::AzurePlan, format!("{OTHER}/subscriptions/p1")), (Per::PartnerId, "4847383".to_owned())]
        );
    }
}

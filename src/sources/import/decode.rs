//! From a recognised object to its decoder.

use serde_json::Value;

use super::{Intake, Kind, Refusal, Taken};
use crate::sources::{arm, az, graph, partner_center};

pub(in crate::sources) fn decode(intake: &mut Intake<'_>, kind: Kind, item: &Value) -> Taken {
    misfit(item)?;
    match kind {
        Kind::Tenant => arm::tenants::take(intake, item),
        Kind::Subscription => arm::subscriptions::take(intake, item),
        Kind::AzAccount => az::take_account(intake, item),
        Kind::ManagementGroup => arm::management_groups::take(intake, item),
        Kind::ManagementGroupSubscription => arm::management_groups::take_subscription(intake, item),
        Kind::ResourceGroup => arm::resource_groups::take(intake, item),
        Kind::RoleAssignment => arm::role_assignments::take(intake, item),
        Kind::AzRoleAssignment => az::take_role_assignment(intake, item),
        Kind::RoleDefinition => arm::role_definitions::take(intake, item),
        Kind::DenyAssignment => arm::deny_assignments::take(intake, item),
        Kind::Lock => arm::locks::take(intake, item),
        Kind::ClassicAdministrator => arm::classic_administrators::take(intake, item),
        Kind::RoleEligibility => arm::privileged_access::take_eligible(intake, item),
        Kind::RoleAssignmentSchedule => arm::privileged_access::take_active(intake, item),
        Kind::RegistrationAssignment => arm::managed_services::take_assignment(intake, item),
        Kind::RegistrationDefinition => arm::managed_services::take_definition(intake, item),
        Kind::BillingProperty => arm::billing::take_property(intake, item),
        Kind::BillingAccount => arm::billing::take_account(intake, item),
        Kind::BillingSubscription => arm::billing::take_subscription(intake, item),
        Kind::EnrollmentAccount => arm::billing::take_enrollment_account(intake, item),
        Kind::Alias => arm::subscription_aliases::take(intake, item),
        Kind::HierarchySettings => arm::management_groups::take_settings(intake, item),
        Kind::SubscriptionPolicy => {
            arm::subscription_aliases::take_policy(intake, item);
            Ok(())
        }
        Kind::ActivityEvent => arm::activity_log::take(intake, item),
        Kind::PartnerLink => arm::partner_links::take(intake, item),
        Kind::User => graph::principals::take_user(intake, item),
        Kind::Group => graph::principals::take_group(intake, item),
        Kind::ServicePrincipal => graph::principals::take_service_principal(intake, item),
        Kind::DirectoryRole => graph::directory_roles::take_role(intake, item),
        Kind::DirectoryRoleAssignment => graph::directory_roles::take_assignment(intake, item),
        Kind::Organization => graph::organization::take(intake, item),
        Kind::CommerceSubscription => graph::commerce_subscriptions::take(intake, item),
        Kind::AuthorizationPolicy => {
            graph::organization::take_authorization_policy(intake, item);
            Ok(())
        }
        Kind::CrossTenantPartner => graph::cross_tenant_partners::take(intake, item),
        Kind::DelegatedAdminRelationship => graph::delegated_admin_relationships::take(intake, item),
        Kind::PartnerCustomer => partner_center::take_customer(intake, item),
        Kind::PartnerSubscription => partner_center::take_subscription(intake, item),
        Kind::AzureEntitlement => partner_center::take_entitlement(intake, item),
        Kind::PartnerRelationship => partner_center::take_relationship(intake, item),
        Kind::PartnerProfile => partner_center::take_profile(intake, item),
        Kind::TenantInformation => arm::tenants::take_information(intake, item),
    }
}

/// Fields that tell what an object is, whose, and whether it counts. An object in which one of them is no text cannot be read:
/// to pass over the field would make it another object, or a harmless one.
const TEXTS: [&str; 28] = [
    "assignmentType",
    "billingType",
    "commerceSubscriptionId",
    "creationType",
    "customerId",
    "deletedDateTime",
    "directoryScopeId",
    "entitlementId",
    "id",
    "managedByTenantId",
    "memberType",
    "objectId",
    "originRoleAssignmentId",
    "partnerTenantType",
    "principalId",
    "principalType",
    "registrationDefinitionId",
    "roleDefinitionId",
    "roleTemplateId",
    "scope",
    "status",
    "subscriptionId",
    "templateId",
    "tenantCategory",
    "tenantId",
    "userPrincipalName",
    "userType",
    "visibility",
];

/// Refuses an object of which such a field is neither a text nor null.
fn misfit(item: &Value) -> Taken {
    let outer = item.as_object().into_iter().flatten();
    let inner = item.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in outer.chain(inner).filter(|(_, value)| !matches!(value, Value::String(_) | Value::Null)) {
        // The status of an event is an object that holds its name and one for people.
        if TEXTS.contains(&name.as_str()) && !(name == "status" && value.is_object()) {
            let shown: String = value.to_string().chars().take(40).collect();
            return Err(Refusal::new(format!("its {name} is {shown}, and a text is expected")));
        }
    }
    Ok(())
}

//! Tells by its content what an object is.

use serde_json::Value;

use super::claims::ListKind;
use super::request::Asked;

/// A kind of object that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum Kind {
    Tenant,
    Subscription,
    AzAccount,
    ManagementGroup,
    ManagementGroupSubscription,
    ResourceGroup,
    RoleAssignment,
    AzRoleAssignment,
    RoleDefinition,
    DenyAssignment,
    Lock,
    ClassicAdministrator,
    RoleEligibility,
    RoleAssignmentSchedule,
    RegistrationAssignment,
    RegistrationDefinition,
    BillingProperty,
    BillingAccount,
    BillingSubscription,
    EnrollmentAccount,
    Alias,
    SubscriptionPolicy,
    HierarchySettings,
    ActivityEvent,
    PartnerLink,
    User,
    Group,
    ServicePrincipal,
    DirectoryRole,
    DirectoryRoleAssignment,
    Organization,
    CommerceSubscription,
    AuthorizationPolicy,
    CrossTenantPartner,
    DelegatedAdminRelationship,
    PartnerCustomer,
    PartnerSubscription,
    AzureEntitlement,
    PartnerRelationship,
    PartnerProfile,
    TenantInformation,
}

impl Kind {
    /// Returns the name used in reports.
    pub(in crate::sources) fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::Subscription | Self::AzAccount | Self::ManagementGroupSubscription => "subscriptions",
            Self::ManagementGroup => "managementGroups",
            Self::ResourceGroup => "resourceGroups",
            Self::RoleAssignment | Self::AzRoleAssignment => "roleAssignments",
            Self::RoleDefinition => "roleDefinitions",
            Self::DenyAssignment => "denyAssignments",
            Self::Lock => "locks",
            Self::ClassicAdministrator => "classicAdministrators",
            Self::RoleEligibility => "roleEligibility",
            Self::RoleAssignmentSchedule => "roleAssignmentSchedules",
            Self::RegistrationAssignment => "registrationAssignments",
            Self::RegistrationDefinition => "registrationDefinitions",
            Self::BillingProperty => "billingProperty",
            Self::BillingAccount => "billingAccounts",
            Self::BillingSubscription => "billingSubscriptions",
            Self::EnrollmentAccount => "enrollmentAccounts",
            Self::Alias => "subscriptionAliases",
            Self::SubscriptionPolicy => "subscriptionPolicies",
            Self::HierarchySettings => "hierarchySettings",
            Self::PartnerLink => "partnerLinks",
            Self::ActivityEvent => "activityEvents",
            Self::User => "users",
            Self::Group => "groups",
            Self::ServicePrincipal => "servicePrincipals",
            Self::DirectoryRole => "directoryRoles",
            Self::DirectoryRoleAssignment => "directoryRoleAssignments",
            Self::Organization => "organization",
            Self::CommerceSubscription => "commerceSubscriptions",
            Self::AuthorizationPolicy => "authorizationPolicy",
            Self::CrossTenantPartner => "crossTenantPartners",
            Self::DelegatedAdminRelationship => "delegatedAdminRelationships",
            Self::PartnerCustomer => "customers",
            Self::PartnerSubscription => "customerSubscriptions",
            Self::AzureEntitlement => "azureEntitlements",
            Self::PartnerRelationship => "partnerRelationships",
            Self::PartnerProfile => "partnerProfiles",
            Self::TenantInformation => "tenantInformation",
        }
    }

    /// Returns the kind of list that an unrecorded answer of such objects comes from.
    pub(super) fn list(self) -> Option<ListKind> {
        Some(match self {
            Self::Tenant => ListKind::Tenants,
            Self::Subscription | Self::AzAccount => ListKind::Subscriptions,
            Self::ManagementGroup => ListKind::ManagementGroups,
            Self::ResourceGroup => ListKind::ResourceGroups,
            Self::RoleAssignment | Self::AzRoleAssignment => ListKind::RoleAssignments,
            Self::RoleDefinition => ListKind::RoleDefinitions,
            Self::DenyAssignment => ListKind::DenyAssignments,
            Self::Lock => ListKind::Locks,
            Self::ClassicAdministrator => ListKind::ClassicAdministrators,
            Self::RoleEligibility => ListKind::RoleEligibility,
            Self::RoleAssignmentSchedule => ListKind::RoleAssignmentSchedules,
            Self::RegistrationAssignment => ListKind::RegistrationAssignments,
            Self::BillingAccount => ListKind::BillingAccounts,
            Self::BillingSubscription => ListKind::BillingSubscriptions,
            Self::EnrollmentAccount => ListKind::EnrollmentAccounts,
            Self::User => ListKind::Users,
            Self::Group => ListKind::Groups,
            Self::ServicePrincipal => ListKind::ServicePrincipals,
            Self::DirectoryRole => ListKind::DirectoryRoles,
            Self::DirectoryRoleAssignment => ListKind::DirectoryRoleAssignments,
            Self::CommerceSubscription => ListKind::CommerceSubscriptions,
            Self::CrossTenantPartner => ListKind::CrossTenantPartners,
            Self::DelegatedAdminRelationship => ListKind::DelegatedAdminRelationships,
            _ => return None,
        })
    }
}

/// What an object is, or why it is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recognised {
    Take(Kind),
    Pass {
        what: String,
        why: &'static str,
        /// Whether it may have been something a list needs.
        lost: bool,
    },
}

const NO_PLACE: &str = "nothing in a snapshot holds it";
const UNKNOWN: &str = "its kind is not known";
const NO_OBJECT: &str = "it is no JSON object";

/// Recognises an object by what it says of itself, then by what was asked.
pub(super) fn recognise(item: &Value, context: Option<&str>, asked: &Asked) -> Recognised {
    if !item.is_object() {
        return pass("value", NO_OBJECT);
    }
    if let Some(found) = of_partner_center(item, asked) {
        return found;
    }
    let by_type = item.get("type").and_then(Value::as_str).and_then(|ty| by_type(&ty.to_lowercase(), item));
    by_type
        .or_else(|| special(item))
        .or_else(|| item.get("id").and_then(Value::as_str).and_then(|id| by_id(&id.to_lowercase(), item)))
        .or_else(|| item.get("@odata.type").and_then(Value::as_str).and_then(by_odata_type))
        .or_else(|| context.or_else(|| item.get("@odata.context").and_then(Value::as_str)).and_then(by_context))
        .or_else(|| by_shape(item))
        .or_else(|| by_request(asked))
        .unwrap_or_else(|| {
            let what = item.get("type").and_then(Value::as_str).filter(|ty| ty.contains('/')).unwrap_or("object");
            pass(&what.to_lowercase(), if what == "object" { UNKNOWN } else { NO_PLACE })
        })
}

fn pass(what: &str, why: &'static str) -> Recognised {
    Recognised::Pass { what: what.to_owned(), why, lost: matches!(why, UNKNOWN | NO_OBJECT) }
}

fn by_type(ty: &str, item: &Value) -> Option<Recognised> {
    let kind = match ty.trim_start_matches('/').trim_start_matches("providers/") {
        "microsoft.resources/tenants" | "tenants" => Kind::Tenant,
        "microsoft.resources/subscriptions" | "subscriptions" if is_in_tree(item) => Kind::ManagementGroupSubscription,
        "microsoft.resources/subscriptions" | "subscriptions" => Kind::Subscription,
        "microsoft.management/managementgroups" => Kind::ManagementGroup,
        "microsoft.management/managementgroups/subscriptions" => Kind::ManagementGroupSubscription,
        "microsoft.resources/resourcegroups" | "microsoft.resources/subscriptions/resourcegroups" => Kind::ResourceGroup,
        "microsoft.authorization/roleassignments" => Kind::RoleAssignment,
        "microsoft.authorization/roledefinitions" => Kind::RoleDefinition,
        "microsoft.authorization/denyassignments" => Kind::DenyAssignment,
        "microsoft.authorization/locks" => Kind::Lock,
        "microsoft.authorization/classicadministrators" => Kind::ClassicAdministrator,
        "microsoft.authorization/roleeligibilityscheduleinstances" => Kind::RoleEligibility,
        "microsoft.authorization/roleassignmentscheduleinstances" => Kind::RoleAssignmentSchedule,
        "microsoft.managedservices/registrationassignments" => Kind::RegistrationAssignment,
        "microsoft.managedservices/registrationdefinitions" => Kind::RegistrationDefinition,
        "microsoft.billing/billingproperty" => Kind::BillingProperty,
        "microsoft.billing/billingaccounts" => Kind::BillingAccount,
        "microsoft.billing/billingaccounts/billingsubscriptions" if no_subscription(item) => {
            return Some(pass("billed product", "it is no Azure subscription"));
        }
        "microsoft.billing/billingaccounts/billingsubscriptions" => Kind::BillingSubscription,
        "microsoft.billing/billingaccounts/enrollmentaccounts" | "microsoft.billing/billingaccounts/departments/enrollmentaccounts" => {
            Kind::EnrollmentAccount
        }
        "microsoft.subscription/aliases" => Kind::Alias,
        "microsoft.subscription/policies" => Kind::SubscriptionPolicy,
        "microsoft.management/managementgroups/settings" => Kind::HierarchySettings,
        "microsoft.managementpartner/partner" | "microsoft.managementpartner/partners" => Kind::PartnerLink,
        "builtinrole" | "customrole" if item.get("roleName").is_some() => Kind::RoleDefinition,
        _ => return None,
    };
    Some(Recognised::Take(kind))
}

/// Entities and descendants of management groups call a subscription what it is, and say under which group it stands.
fn is_in_tree(item: &Value) -> bool {
    item.get("properties").unwrap_or(item).get("parent").is_some_and(|parent| !parent.is_null())
}

/// Seats, reservations and other products are billed like subscriptions.
fn no_subscription(item: &Value) -> bool {
    item.get("properties").unwrap_or(item).get("subscriptionId").is_none_or(Value::is_null)
}

/// Objects that other rules would take for something they are not.
fn special(item: &Value) -> Option<Recognised> {
    let has = |name: &str| item.get(name).is_some();
    if has("partnerAdminLink") {
        return Some(pass("partner link attestation", "it is attested, not read: import it as a register of partner links"));
    }
    if has("eventTimestamp") && has("operationName") {
        return Some(Recognised::Take(Kind::ActivityEvent));
    }
    if item.get("meta").is_some() && item.get("data").is_some() {
        return Some(pass("AzureHound collection", "import it with the format azurehound"));
    }
    if has("error") || (has("code") && has("description")) || (has("code") && has("message")) {
        return Some(pass("error answer", "it holds no object, and the request was not recorded"));
    }
    let kind = if has("cloudName") && has("tenantId") {
        Kind::AzAccount
    } else if has("RoleDefinitionName") && has("ObjectId") && has("Scope") {
        Kind::AzRoleAssignment
    } else {
        return None;
    };
    Some(Recognised::Take(kind))
}

/// Recognises an ARM object whose type was left out or is a placeholder.
fn by_id(id: &str, item: &Value) -> Option<Recognised> {
    let segments: Vec<&str> = id.trim().split('/').filter(|segment| !segment.is_empty()).collect();
    if !id.trim().starts_with('/') && segments.first() != Some(&"providers") {
        return None;
    }
    match segments.as_slice() {
        ["tenants", _] => return Some(Recognised::Take(Kind::Tenant)),
        ["subscriptions", _] => return Some(Recognised::Take(Kind::Subscription)),
        ["subscriptions", _, "resourcegroups", _] => return Some(Recognised::Take(Kind::ResourceGroup)),
        _ => {}
    }
    let at = segments.iter().rposition(|segment| *segment == "providers")?;
    let rest = segments.get(at + 1..)?;
    // Names and types alternate after the provider: provider/type/name/type/name.
    let names: Vec<&str> = rest.iter().enumerate().filter(|(at, _)| *at == 0 || at % 2 == 1).map(|(_, name)| *name).collect();
    by_type(&names.join("/"), item)
}

fn by_odata_type(ty: &str) -> Option<Recognised> {
    Some(Recognised::Take(match ty.trim_start_matches('#').trim_start_matches("microsoft.graph.") {
        "user" => Kind::User,
        "group" => Kind::Group,
        "servicePrincipal" => Kind::ServicePrincipal,
        "directoryRole" => Kind::DirectoryRole,
        "organization" => Kind::Organization,
        "companySubscription" => Kind::CommerceSubscription,
        "delegatedAdminRelationship" | "resellerDelegatedAdminRelationship" => Kind::DelegatedAdminRelationship,
        "unifiedRoleAssignment" | "unifiedRoleAssignmentScheduleInstance" => Kind::DirectoryRoleAssignment,
        "authorizationPolicy" => Kind::AuthorizationPolicy,
        "crossTenantAccessPolicyConfigurationPartner" => Kind::CrossTenantPartner,
        _ => return None,
    }))
}

fn by_context(context: &str) -> Option<Recognised> {
    let (_, fragment) = context.split_once('#')?;
    let fragment = fragment.trim_end_matches("/$entity").to_lowercase();
    let name = fragment.split('(').next().unwrap_or_default();
    Some(Recognised::Take(match name {
        "users" => Kind::User,
        "groups" => Kind::Group,
        "serviceprincipals" => Kind::ServicePrincipal,
        "directoryroles" => Kind::DirectoryRole,
        "organization" => Kind::Organization,
        "directory/subscriptions" => Kind::CommerceSubscription,
        "delegatedadminrelationships" | "tenantrelationships/delegatedadminrelationships" => Kind::DelegatedAdminRelationship,
        "rolemanagement/directory/roleassignments" | "rolemanagement/directory/roleassignmentscheduleinstances" => {
            Kind::DirectoryRoleAssignment
        }
        "policies/authorizationpolicy" | "authorizationpolicy" => Kind::AuthorizationPolicy,
        "policies/crosstenantaccesspolicy/partners" => Kind::CrossTenantPartner,
        "microsoft.graph.tenantinformation" => Kind::TenantInformation,
        "subscribedskus" => return Some(pass("subscribedSkus", NO_PLACE)),
        "invitations" => return Some(pass("invitations", NO_PLACE)),
        "rolemanagement/directory/roleeligibilityscheduleinstances" => {
            return Some(pass("directory role eligibility", NO_PLACE));
        }
        _ => return None,
    }))
}

/// Objects of Partner Center say what they are in their attributes; whose they are is told by the request alone.
fn of_partner_center(item: &Value, asked: &Asked) -> Option<Recognised> {
    let asked_for = match asked {
        Asked::List { kind, .. } | Asked::One { kind, .. } => Some(*kind),
        Asked::Other => None,
    };
    let object_type = item.get("attributes").and_then(|attributes| attributes.get("objectType")).and_then(Value::as_str);
    Some(match (asked_for, object_type) {
        (Some(ListKind::PartnerCustomers), _) | (None, Some("Customer")) => Recognised::Take(Kind::PartnerCustomer),
        (Some(ListKind::PartnerSubscriptions), _) => Recognised::Take(Kind::PartnerSubscription),
        (Some(ListKind::AzureEntitlements), _) => Recognised::Take(Kind::AzureEntitlement),
        (Some(ListKind::PartnerRelationships), _) | (None, Some("PartnerRelationship")) => Recognised::Take(Kind::PartnerRelationship),
        (Some(ListKind::PartnerProfile), _) | (None, Some("MpnProfile")) => Recognised::Take(Kind::PartnerProfile),
        (None, Some("Subscription")) => pass("Partner Center subscription", "the request that tells its customer was not recorded"),
        _ => return None,
    })
}

fn by_shape(item: &Value) -> Option<Recognised> {
    let has = |name: &str| item.get(name).or_else(|| item.get("properties").and_then(|inner| inner.get(name))).is_some();
    let passed = |what| Some(pass(what, NO_PLACE));
    let kind = if has("directoryScopeId") && has("principalId") {
        if has("roleEligibilityScheduleId") {
            return passed("directory role eligibility");
        }
        Kind::DirectoryRoleAssignment
    } else if has("subscriptionOwnerId") || (has("acceptOwnershipState") && has("billingScope")) {
        Kind::Alias
    } else if has("acceptOwnershipState") {
        return passed("subscription ownership state");
    } else if has("consumedUnits") && has("prepaidUnits") {
        return passed("subscribedSkus");
    } else if has("contractType") && has("customerId") {
        return passed("partner contracts");
    } else if has("companyProfile") {
        Kind::PartnerCustomer
    } else if has("friendlyName") || has("FriendlyName") {
        return passed("Partner Center object");
    } else if has("tenantId") && has("defaultDomainName") {
        Kind::TenantInformation
    } else if has("mpnId") && has("profileType") {
        Kind::PartnerProfile
    } else if has("partnerId") && has("objectId") {
        Kind::PartnerLink
    } else if has("commerceSubscriptionId") || (has("skuPartNumber") && has("ownerTenantId")) {
        Kind::CommerceSubscription
    } else if has("accessDetails") && has("customer") {
        Kind::DelegatedAdminRelationship
    } else if has("b2bCollaborationInbound") || has("isServiceProvider") {
        Kind::CrossTenantPartner
    } else if has("allowInvitesFrom") || has("guestUserRoleId") {
        Kind::AuthorizationPolicy
    } else if has("verifiedDomains") {
        Kind::Organization
    } else if has("roleTemplateId") {
        Kind::DirectoryRole
    } else if has("userPrincipalName") || has("userType") {
        Kind::User
    } else if has("servicePrincipalType") || has("appOwnerOrganizationId") {
        Kind::ServicePrincipal
    } else if has("securityEnabled") || has("groupTypes") {
        Kind::Group
    } else if has("actions") && has("notActions") {
        return passed("permissions");
    } else if has("invitedUserEmailAddress") {
        return passed("invitations");
    } else if has("tenantCategory") {
        Kind::Tenant
    } else {
        return None;
    };
    Some(Recognised::Take(kind))
}

fn by_request(asked: &Asked) -> Option<Recognised> {
    let (Asked::List { kind, .. } | Asked::One { kind, .. }) = asked else { return None };
    let kind = match kind {
        ListKind::Users => Kind::User,
        ListKind::Groups => Kind::Group,
        ListKind::ServicePrincipals => Kind::ServicePrincipal,
        ListKind::DirectoryRoles => Kind::DirectoryRole,
        ListKind::CommerceSubscriptions => Kind::CommerceSubscription,
        ListKind::CrossTenantPartners => Kind::CrossTenantPartner,
        ListKind::Subscriptions => Kind::Subscription,
        ListKind::Tenants => Kind::Tenant,
        _ => return None,
    };
    Some(Recognised::Take(kind))
}

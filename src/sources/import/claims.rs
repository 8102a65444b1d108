//! Which lists can be whole, and what follows when one is.

use std::str::FromStr;

use thiserror::Error;

use super::intake::{Intake, Refusal};
use crate::model::{Completeness, canonical_arm_id, canonical_guid};
use crate::snapshot::Handle;

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListKind {
    /// `/tenants`
    Tenants,
    /// `/subscriptions`
    Subscriptions,
    /// Management groups
    ManagementGroups,
    /// Resource groups of a subscription
    ResourceGroups,
    /// Role assignments of a scope
    RoleAssignments,
    /// Role definitions of a scope
    RoleDefinitions,
    /// Deny assignments of a scope
    DenyAssignments,
    /// Locks of a scope
    Locks,
    /// Classic administrators of a subscription
    ClassicAdministrators,
    /// Eligible assignments of a scope
    RoleEligibility,
    /// Active assignments of a scope, as Privileged Identity Management tells them
    RoleAssignmentSchedules,
    /// Lighthouse delegations of a scope
    RegistrationAssignments,
    /// Users of the directory
    Users,
    /// Groups of the directory
    Groups,
    /// Direct members of a group
    GroupMembers,
    /// Service principals of the directory
    ServicePrincipals,
    /// Directory roles and who holds them
    DirectoryRoles,
    /// Subscriptions of a billing account
    BillingSubscriptions,
    /// Licence subscriptions of the directory
    CommerceSubscriptions,
    /// Partners in the cross-tenant access policy
    CrossTenantPartners,
    /// Members of one directory role
    DirectoryRoleMembers,
    /// Assignments of directory roles
    DirectoryRoleAssignments,
    /// Assignments of directory roles, as Privileged Identity Management tells them
    DirectoryRoleSchedules,
    /// Everything below the tenant that the reader sees
    Entities,
    /// Everything below a management group
    Descendants,
    /// Billing accounts
    BillingAccounts,
    /// Enrollment accounts of a billing account
    EnrollmentAccounts,
    /// The billing property of a subscription
    BillingProperty,
    /// Delegated admin relationships
    DelegatedAdminRelationships,
    /// Deleted directory objects
    DeletedItems,
    /// Events of a subscription
    ActivityLog,
    /// Customers of a partner
    PartnerCustomers,
    /// What a customer bought through the partner
    PartnerSubscriptions,
    /// Azure subscriptions under a plan of a customer
    AzureEntitlements,
    /// Partners that a partner works with
    PartnerRelationships,
    /// A partner account
    PartnerProfile,
    /// The names of a directory
    TenantInformation,
    /// The directory itself
    Organization,
}

/// The kinds a user may claim, with their spelling.
const CLAIMABLE: [(&str, ListKind); 20] = [
    ("tenants", ListKind::Tenants),
    ("subscriptions", ListKind::Subscriptions),
    ("managementGroups", ListKind::ManagementGroups),
    ("resourceGroups", ListKind::ResourceGroups),
    ("roleAssignments", ListKind::RoleAssignments),
    ("roleDefinitions", ListKind::RoleDefinitions),
    ("denyAssignments", ListKind::DenyAssignments),
    ("locks", ListKind::Locks),
    ("classicAdministrators", ListKind::ClassicAdministrators),
    ("roleEligibility", ListKind::RoleEligibility),
    ("roleAssignmentSchedules", ListKind::RoleAssignmentSchedules),
    ("registrationAssignments", ListKind::RegistrationAssignments),
    ("users", ListKind::Users),
    ("groups", ListKind::Groups),
    ("groupMembers", ListKind::GroupMembers),
    ("servicePrincipals", ListKind::ServicePrincipals),
    ("directoryRoles", ListKind::DirectoryRoles),
    ("billingSubscriptions", ListKind::BillingSubscriptions),
    ("commerceSubscriptions", ListKind::CommerceSubscriptions),
    ("crossTenantPartners", ListKind::CrossTenantPartners),
];

/// A user's word that a list is whole: `KIND` or `KIND@SCOPE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompleteClaim {
    /// Which list.
    pub kind: ListKind,
    /// The scope or parent object it is about; all that the files name if absent.
    pub scope: Option<String>,
}

/// A claim that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompleteClaimError {
    /// No such kind of list.
    #[error("`{kind}` is no kind of list{hint}")]
    UnknownKind {
        /// The kind as written.
        kind: String,
        /// What may have been meant.
        hint: String,
    },
    /// `KIND@` without a scope.
    #[error("`{0}` names no scope after the @")]
    NoScope(String),
    /// A scope where there is none to name.
    #[error("`{0}` are a list of the whole directory: leave out the @ and what follows")]
    NotScoped(&'static str),
    /// A scope that is no path.
    #[error("`{0}` is no scope; write its whole path, such as /subscriptions/00000000-0000-0000-0000-000000000000")]
    NoPath(String),
}

impl FromStr for CompleteClaim {
    type Err = CompleteClaimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, scope) = match text.split_once('@') {
            Some((_, "")) => return Err(CompleteClaimError::NoScope(text.to_owned())),
            Some((name, scope)) => (name.trim(), Some(scope.trim().to_owned())),
            None => (text.trim(), None),
        };
        match CLAIMABLE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((known, kind)) => match (kind.lists().0, &scope) {
                ("", Some(_)) => Err(CompleteClaimError::NotScoped(known)),
                ("Scope" | "Subscription" | "BillingAccount", Some(path)) if !path.starts_with('/') => {
                    Err(CompleteClaimError::NoPath(path.clone()))
                }
                _ => Ok(Self { kind: *kind, scope }),
            },
            None => Err(CompleteClaimError::UnknownKind { kind: name.to_owned(), hint: hint(name) }),
        }
    }
}

fn hint(name: &str) -> String {
    let nearest = CLAIMABLE.iter().map(|(known, _)| (distance(&known.to_lowercase(), &name.to_lowercase()), *known)).min();
    match nearest {
        Some((far, known)) if far <= 3 => format!("; did you mean `{known}`?"),
        _ => format!("; there are {}", CLAIMABLE.map(|(known, _)| known).join(", ")),
    }
}

/// Counts the letters to change, add or drop between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *slot;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

impl ListKind {
    /// Returns the name used in claims and reasons.
    #[must_use]
    pub fn name(self) -> &'static str {
        CLAIMABLE.iter().find(|(_, kind)| *kind == self).map_or("list", |(name, _)| name)
    }

    /// Returns the name of the read, as facts cite it.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Tenants => "arm:tenants",
            Self::Subscriptions => "arm:subscriptions",
            Self::ManagementGroups | Self::Entities | Self::Descendants => "arm:managementGroups",
            Self::ResourceGroups => "arm:resourceGroups",
            Self::RoleAssignments => "arm:roleAssignments",
            Self::RoleDefinitions => "arm:roleDefinitions",
            Self::DenyAssignments => "arm:denyAssignments",
            Self::Locks => "arm:locks",
            Self::ClassicAdministrators => "arm:classicAdministrators",
            Self::RoleEligibility => "arm:roleEligibilityScheduleInstances",
            Self::RoleAssignmentSchedules => "arm:roleAssignmentScheduleInstances",
            Self::RegistrationAssignments => "arm:registrationAssignments",
            Self::Users => "graph:users",
            Self::Groups => "graph:groups",
            Self::GroupMembers => "graph:groups/members",
            Self::ServicePrincipals => "graph:servicePrincipals",
            Self::DirectoryRoles => "graph:directoryRoles",
            Self::DirectoryRoleMembers => "graph:directoryRoles/members",
            Self::DirectoryRoleAssignments | Self::DirectoryRoleSchedules => "graph:roleAssignmentScheduleInstances",
            Self::CommerceSubscriptions => "graph:directory/subscriptions",
            Self::CrossTenantPartners => "graph:crossTenantAccessPolicy/partners",
            Self::DelegatedAdminRelationships => "graph:delegatedAdminRelationships",
            Self::DeletedItems => "graph:directory/deletedItems",
            Self::BillingAccounts => "billing:billingAccounts",
            Self::BillingSubscriptions => "billing:billingSubscriptions",
            Self::EnrollmentAccounts => "billing:enrollmentAccounts",
            Self::BillingProperty => "billing:billingProperty",
            Self::ActivityLog => "arm:activityLog",
            Self::PartnerCustomers => "partnercenter:customers",
            Self::PartnerSubscriptions => "partnercenter:subscriptions",
            Self::AzureEntitlements => "partnercenter:azureEntitlements",
            Self::PartnerRelationships => "partnercenter:relationships",
            Self::PartnerProfile => "partnercenter:profiles/mpn",
            Self::TenantInformation => "graph:tenantInformation",
            Self::Organization => "graph:organization",
        }
    }

    /// The type, and the property of it, whose source names the permission for the read.
    pub(super) fn permission_of(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Subscriptions => ("Subscription", None),
            Self::BillingProperty => ("Subscription", Some("agreement")),
            Self::CommerceSubscriptions | Self::Organization => ("Subscription", Some("sku_part_number")),
            Self::CrossTenantPartners => ("Tenant", Some("is_service_provider")),
            Self::Tenants => ("Tenant", None),
            Self::DirectoryRoles => ("DirectoryRole", None),
            Self::RoleAssignmentSchedules => ("RoleAssignment", Some("kind")),
            Self::Entities | Self::Descendants => ("ManagementGroup", Some("children")),
            Self::DeletedItems => ("User", None),
            Self::ActivityLog => ("", None),
            Self::PartnerProfile => ("Partner", Some("verified")),
            _ => match (self.extent().first(), self.lists()) {
                (Some(ty), _) => (ty, None),
                (None, (holder, lists)) => (holder, lists.first().copied()),
            },
        }
    }

    /// The type whose every entity is in the list, for lists that are not bound to a scope.
    fn extent(self) -> &'static [&'static str] {
        match self {
            Self::Tenants => &["Tenant"],
            Self::ManagementGroups => &["ManagementGroup"],
            Self::RoleDefinitions => &["RoleDefinition"],
            Self::Users => &["User"],
            Self::Groups => &["Group"],
            Self::ServicePrincipals => &["ServicePrincipal"],
            Self::DirectoryRoles => &["DirectoryRole"],
            Self::DirectoryRoleAssignments | Self::DirectoryRoleSchedules => &["DirectoryRoleAssignment"],
            Self::BillingAccounts => &["BillingAccount"],
            Self::DelegatedAdminRelationships => &["DelegatedAdminRelationship"],
            _ => &[],
        }
    }

    /// The lists of a scope that such an answer fills, from the type of the scope on.
    pub(super) fn lists(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::ResourceGroups => ("Subscription", &["resource_groups"]),
            Self::RoleAssignments => ("Scope", &["role_assignments", "inherited_role_assignments", "role_assignments_below"]),
            Self::DenyAssignments => ("Scope", &["deny_assignments", "inherited_deny_assignments"]),
            Self::Locks => ("Scope", &["locks"]),
            Self::ClassicAdministrators => ("Subscription", &["classic_administrators"]),
            Self::RoleEligibility => ("Scope", &["role_eligibilities"]),
            Self::RegistrationAssignments => ("Scope", &["delegations"]),
            Self::GroupMembers => ("Group", &["members"]),
            Self::BillingSubscriptions => ("BillingAccount", &["subscriptions"]),
            Self::EnrollmentAccounts => ("BillingAccount", &["enrollment_accounts"]),
            Self::DirectoryRoleMembers => ("DirectoryRole", &["assignments"]),
            _ => ("", &[]),
        }
    }
}

/// States completeness of the lists that an answer of `kind` for `scope` fills. `at_scope` leaves out what is below.
pub(super) fn state(
    intake: &mut Intake<'_>,
    kind: ListKind,
    scope: Option<&str>,
    at_scope: bool,
    claim: &Completeness,
) -> Result<(), Refusal> {
    for name in kind.extent() {
        let ty = intake.builder.entity_type(name)?;
        intake.builder.claim_extent(ty, claim.clone());
    }
    let (holder, lists) = kind.lists();
    let Some(scope) = scope.filter(|_| !lists.is_empty()) else { return Ok(()) };
    let handle = if holder == "Scope" { intake.scope(scope)? } else { intake.builder.entity_named(holder, scope)? };
    for list in lists {
        let below = *list == "role_assignments_below";
        if below && claim.complete && (at_scope || !lists_below(scope)) {
            let reason = "the listing does not reach below the scope".to_owned();
            intake.builder.claim(handle, list, Completeness::open(Some(reason), claim.source))?;
            continue;
        }
        intake.builder.claim(handle, list, claim.clone())?;
    }
    if claim.complete && !at_scope && lists_below(scope) {
        match kind {
            ListKind::RoleAssignments => state_below(intake, scope, claim)?,
            ListKind::Locks => state_locks_below(intake, scope, claim)?,
            _ => {}
        }
    }
    Ok(())
}

/// A listing of a subscription or of something in it returns what is below; for a management group that is not certain.
fn lists_below(scope: &str) -> bool {
    canonical_arm_id(scope).starts_with("/subscriptions/")
}

/// Every scope under a wholly listed one has its own assignments in the listing too.
fn state_below(intake: &mut Intake<'_>, scope: &str, claim: &Completeness) -> Result<(), Refusal> {
    let upper = canonical_arm_id(scope);
    for handle in intake.scopes_below(&upper) {
        for list in ListKind::RoleAssignments.lists().1 {
            intake.builder.claim(handle, list, claim.clone())?;
        }
        // What was made above the listed scope holds here too; what was made between follows from the scopes between.
        for (assignment, source) in intake.later.upper.get(&upper).cloned().unwrap_or_default() {
            intake.builder.link(handle, "inherited_role_assignments", assignment, crate::model::Interval::CURRENT, source)?;
        }
    }
    Ok(())
}

/// Every scope under a wholly listed one has its own locks in the listing too.
fn state_locks_below(intake: &mut Intake<'_>, scope: &str, claim: &Completeness) -> Result<(), Refusal> {
    for handle in intake.scopes_below(&canonical_arm_id(scope)) {
        intake.builder.claim(handle, "locks", claim.clone())?;
    }
    Ok(())
}

/// States that all entities of the types that such lists hold are known.
pub(super) fn state_everywhere(intake: &mut Intake<'_>, kind: ListKind, claim: &Completeness) -> Result<(), Refusal> {
    let ty = match kind {
        ListKind::ResourceGroups => "ResourceGroup",
        ListKind::RoleAssignments => "RoleAssignment",
        ListKind::DenyAssignments => "DenyAssignment",
        ListKind::Locks => "Lock",
        ListKind::ClassicAdministrators => "ClassicAdministrator",
        ListKind::RoleEligibility => "RoleEligibility",
        ListKind::RegistrationAssignments => "Delegation",
        ListKind::DirectoryRoles => "DirectoryRoleAssignment",
        _ => return Ok(()),
    };
    let ty = intake.builder.entity_type(ty)?;
    intake.builder.claim_extent(ty, claim.clone());
    Ok(())
}

/// Returns the scopes a claim without a scope is about.
pub(super) fn all_scopes(intake: &Intake<'_>, kind: ListKind) -> Vec<String> {
    let (holder, _) = kind.lists();
    let wanted = if holder == "Scope" { "Subscription" } else { holder };
    let handles: Vec<Handle> = intake.of_type(wanted);
    let keys = handles.into_iter().map(|handle| intake.builder.key_of(handle).to_owned());
    // A licence subscription is no scope of Azure access.
    keys.filter(|key| wanted != "Subscription" || key.starts_with("/subscriptions/")).collect()
}

/// Tells whether some file named the scope of a claim.
pub(super) fn is_known(intake: &Intake<'_>, kind: ListKind, scope: &str) -> bool {
    let root = match kind.lists().0 {
        "Subscription" => "Scope",
        "Group" => "Principal",
        holder => holder,
    };
    intake.builder.find(root, scope).is_some()
}

/// Brings the scope of a claim or request to canonical form.
pub(super) fn canonical_scope(scope: &str) -> String {
    if scope.contains('/') { canonical_arm_id(scope) } else { canonical_guid(scope) }
}

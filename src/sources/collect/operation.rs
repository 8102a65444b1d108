//! What can be read: a closed list. Each operation has its one request, as the documentation of the service gives it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sources::azure::client::Question;
use crate::sources::azure::cloud::Endpoint;

/// An operation, for each of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Directories the caller sees.
    Tenants,
    /// The directory itself.
    Organization,
    /// Subscriptions.
    Subscriptions,
    /// Management groups and what is below them.
    Entities,
    /// Settings of the tree of management groups.
    HierarchySettings,
    /// Policy on moves of subscriptions between directories.
    SubscriptionPolicy,
    /// Aliases of subscriptions.
    Aliases,
    /// Role assignments at the root.
    RootRoleAssignments,
    /// Role assignments at a management group and above.
    GroupRoleAssignments,
    /// Role assignments at a subscription, above and below.
    RoleAssignments,
    /// Role definitions that can be assigned at the root.
    RootRoleDefinitions,
    /// Custom roles of a management group.
    GroupRoleDefinitions,
    /// Custom roles of a subscription.
    RoleDefinitions,
    /// Deny assignments at a management group and above.
    GroupDenyAssignments,
    /// Deny assignments at a subscription, above and below.
    DenyAssignments,
    /// Classic administrators.
    ClassicAdministrators,
    /// Eligible assignments at a management group and above.
    GroupRoleEligibility,
    /// Eligible assignments at a subscription, above and below.
    RoleEligibility,
    /// Active assignments at a management group and above.
    GroupRoleSchedules,
    /// Active assignments at a subscription, above and below.
    RoleSchedules,
    /// Resource groups.
    ResourceGroups,
    /// Locks at a subscription and below.
    Locks,
    /// Delegations of a subscription.
    Delegations,
    /// Delegations of a resource group.
    ResourceGroupDelegations,
    /// The agreement of a subscription.
    BillingProperty,
    /// Billing accounts.
    BillingAccounts,
    /// Subscriptions of a billing account.
    BillingSubscriptions,
    /// Enrollment accounts of a billing account.
    EnrollmentAccounts,
    /// The partner link of the caller itself.
    PartnerLink,
    /// Users.
    Users,
    /// Users that were deleted in the last 30 days.
    DeletedUsers,
    /// Groups.
    Groups,
    /// Direct members of a group.
    GroupMembers,
    /// Service principals.
    ServicePrincipals,
    /// Directory roles that are activated.
    DirectoryRoles,
    /// Members of a directory role.
    DirectoryRoleMembers,
    /// Active assignments of directory roles.
    DirectoryRoleSchedules,
    /// Licence subscriptions.
    CommerceSubscriptions,
    /// Partners in the cross-tenant policy.
    CrossTenantPartners,
    /// Settings for guests.
    AuthorizationPolicy,
    /// Delegated admin relationships, which the partner's directory lists.
    DelegatedAdminRelationships,
    /// Events about role assignments of a subscription and below.
    RoleEvents,
    /// Events about delegations of a subscription and below.
    DelegationEvents,
    /// Events about a subscription itself.
    SubscriptionEvents,
    /// Customers of the partner whose directory it is.
    Customers,
    /// What a customer bought through the partner.
    CustomerSubscriptions,
    /// Azure subscriptions under a plan of a customer.
    AzureEntitlements,
    /// Resellers the partner provides for.
    IndirectResellers,
    /// Providers the partner resells for.
    IndirectProviders,
    /// The partner account of the directory itself.
    OwnPartnerProfile,
    /// Whether a PartnerID that some answer names is one.
    PartnerProfile,
    /// Names of a directory that some answer names.
    TenantInformation,
}

/// For each of what an operation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Per {
    /// Once.
    Directory,
    /// Each management group.
    ManagementGroup,
    /// Each subscription of the directory.
    Subscription,
    /// Each resource group.
    ResourceGroup,
    /// Each billing account.
    BillingAccount,
    /// Each group.
    Group,
    /// Each directory role.
    DirectoryRole,
    /// Once, if the directory is that of a partner.
    PartnerDirectory,
    /// Each customer of the partner.
    Customer,
    /// Each plan under which a customer has Azure subscriptions.
    AzurePlan,
    /// Each PartnerID that was named.
    PartnerId,
    /// Each other directory that was named.
    OtherDirectory,
}

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing but an account.
    SignIn,
    /// An action of Azure, which `Reader` at the root management group has.
    Action(&'static str),
    /// An application permission of Microsoft Graph.
    Graph(&'static str),
    /// A role of billing.
    Billing(&'static str),
    /// Something that is given in another way.
    Other(&'static str),
}

impl Permission {
    /// Writes it for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in only",
            Self::Action(name) | Self::Graph(name) | Self::Billing(name) | Self::Other(name) => name,
        }
    }
}

/// The request of an operation.
struct Spec {
    /// The read, as the schema cites it.
    name: &'static str,
    per: Per,
    endpoint: Endpoint,
    /// `{of}` stands for what it is asked of, `{tenant}` for the directory.
    path: &'static str,
    query: &'static [(&'static str, &'static str)],
    question: Option<Question>,
    permission: Permission,
}

/// For the facts of a subscription, what a listing of it returns from above and below comes with it.
const AT_SCOPE: (&str, &str) = ("$filter", "atScope()");
const CUSTOM: (&str, &str) = ("$filter", "type eq 'CustomRole'");
const USER_FIELDS: (&str, &str) = (
    "$select",
    "id,displayName,userPrincipalName,mail,userType,accountEnabled,createdDateTime,creationType,externalUserState,onPremisesSyncEnabled",
);
const PAGE: (&str, &str) = ("$top", "999");
/// What Partner Center lets an application read, and what it lets a person read alone.
const APPLICATION: Permission = Permission::Other("an application of the partner that is registered with Partner Center");
const PERSON: Permission = Permission::Other("somebody of the partner who is an admin agent, signed in as a person");
/// Of events what a history is made of; the claims of the caller's token are not asked for.
const EVENT_FIELDS: (&str, &str) =
    ("$select", "eventDataId,eventTimestamp,operationName,status,subStatus,correlationId,caller,resourceId,subscriptionId,properties");
/// Events are kept for 90 days; a request that reaches back farther is refused.
const EVENT_DAYS: i64 = 89;
const ROLE_EVENTS: (&str, &str) =
    ("$filter", "eventTimestamp ge '{since}' and eventTimestamp le '{until}' and resourceProvider eq 'Microsoft.Authorization'");
const DELEGATION_EVENTS: (&str, &str) =
    ("$filter", "eventTimestamp ge '{since}' and eventTimestamp le '{until}' and resourceProvider eq 'Microsoft.ManagedServices'");
const SUBSCRIPTION_EVENTS: (&str, &str) =
    ("$filter", "eventTimestamp ge '{since}' and eventTimestamp le '{until}' and resourceProvider eq 'Microsoft.Subscription'");

impl Operation {
    /// All of them: those that others depend on go first.
    pub const ALL: [Self; 52] = [
        Self::Tenants,
        Self::Organization,
        Self::Subscriptions,
        Self::Entities,
        Self::BillingAccounts,
        Self::Groups,
        Self::DirectoryRoles,
        Self::HierarchySettings,
        Self::SubscriptionPolicy,
        Self::Aliases,
        Self::PartnerLink,
        Self::Users,
        Self::DeletedUsers,
        Self::ServicePrincipals,
        Self::DirectoryRoleSchedules,
        Self::CommerceSubscriptions,
        Self::CrossTenantPartners,
        Self::AuthorizationPolicy,
        Self::DelegatedAdminRelationships,
        Self::RootRoleAssignments,
        Self::RootRoleDefinitions,
        Self::GroupRoleAssignments,
        Self::GroupRoleDefinitions,
        Self::GroupDenyAssignments,
        Self::GroupRoleEligibility,
        Self::GroupRoleSchedules,
        Self::BillingSubscriptions,
        Self::EnrollmentAccounts,
        Self::DirectoryRoleMembers,
        Self::GroupMembers,
        Self::ResourceGroups,
        Self::RoleAssignments,
        Self::RoleDefinitions,
        Self::DenyAssignments,
        Self::ClassicAdministrators,
        Self::RoleEligibility,
        Self::RoleSchedules,
        Self::Locks,
        Self::Delegations,
        Self::BillingProperty,
        Self::ResourceGroupDelegations,
        Self::RoleEvents,
        Self::DelegationEvents,
        Self::SubscriptionEvents,
        Self::Customers,
        Self::CustomerSubscriptions,
        Self::AzureEntitlements,
        Self::IndirectResellers,
        Self::IndirectProviders,
        Self::OwnPartnerProfile,
        Self::PartnerProfile,
        Self::TenantInformation,
    ];

    /// Returns its place in [`Operation::ALL`], by which journals and files know it.
    pub(super) fn place(self) -> u8 {
        (0..).zip(Self::ALL).find(|(_, one)| *one == self).map_or(u8::MAX, |(at, _)| at)
    }

    /// Sources: the REST references of Azure Resource Manager, Microsoft Graph v1.0 and Partner Center v1.
    fn spec(self) -> Spec {
        let at = |endpoint, name, per, path, query, permission| Spec { name, per, endpoint, path, query, question: None, permission };
        let arm = |name, per, path, query, permission| at(Endpoint::Arm, name, per, path, query, permission);
        let partner = |name, per, path, query, permission| at(Endpoint::PartnerCenter, name, per, path, query, permission);
        let graph = |name, per, path, query, permission| at(Endpoint::Graph, name, per, path, query, Permission::Graph(permission));
        let action = Permission::Action;
        let (directory, management_group, subscription) = (Per::Directory, Per::ManagementGroup, Per::Subscription);
        match self {
            Self::Tenants => arm("arm:tenants", directory, "/tenants", &[("api-version", "2022-12-01")], Permission::SignIn),
            Self::Organization => graph("graph:organization", directory, "/v1.0/organization", &[], "Organization.Read.All"),
            Self::Subscriptions => arm(
                "arm:subscriptions",
                directory,
                "/subscriptions",
                &[("api-version", "2022-12-01")],
                action("Microsoft.Resources/subscriptions/read"),
            ),
            Self::Entities => Spec {
                question: Some(Question::Entities),
                ..arm(
                    "arm:managementGroups",
                    directory,
                    "/providers/Microsoft.Management/getEntities",
                    &[("api-version", "2023-04-01")],
                    action("Microsoft.Management/managementGroups/read"),
                )
            },
            Self::HierarchySettings => arm(
                "arm:hierarchySettings",
                directory,
                "/providers/Microsoft.Management/managementGroups/{tenant}/settings/default",
                &[("api-version", "2023-04-01")],
                action("Microsoft.Management/managementGroups/settings/read"),
            ),
            Self::SubscriptionPolicy => arm(
                "arm:subscriptionPolicies",
                directory,
                "/providers/Microsoft.Subscription/policies/default",
                &[("api-version", "2021-10-01")],
                Permission::Other("Global Administrator with elevated access"),
            ),
            Self::Aliases => arm(
                "arm:subscriptionAliases",
                directory,
                "/providers/Microsoft.Subscription/aliases",
                &[("api-version", "2021-10-01")],
                Permission::SignIn,
            ),
            Self::RootRoleAssignments | Self::GroupRoleAssignments | Self::RoleAssignments => self.extension(
                "arm:roleAssignments",
                "{of}/providers/Microsoft.Authorization/roleAssignments",
                &[("api-version", "2022-04-01")],
                &[("api-version", "2022-04-01"), AT_SCOPE],
                "Microsoft.Authorization/roleAssignments/read",
            ),
            Self::RootRoleDefinitions => arm(
                "arm:roleDefinitions",
                directory,
                "/providers/Microsoft.Authorization/roleDefinitions",
                &[("api-version", "2022-04-01")],
                action("Microsoft.Authorization/roleDefinitions/read"),
            ),
            Self::GroupRoleDefinitions | Self::RoleDefinitions => self.extension(
                "arm:roleDefinitions",
                "{of}/providers/Microsoft.Authorization/roleDefinitions",
                &[("api-version", "2022-04-01"), CUSTOM],
                &[("api-version", "2022-04-01"), CUSTOM],
                "Microsoft.Authorization/roleDefinitions/read",
            ),
            Self::GroupDenyAssignments | Self::DenyAssignments => self.extension(
                "arm:denyAssignments",
                "{of}/providers/Microsoft.Authorization/denyAssignments",
                &[("api-version", "2022-04-01")],
                &[("api-version", "2022-04-01"), AT_SCOPE],
                "Microsoft.Authorization/denyAssignments/read",
            ),
            Self::ClassicAdministrators => arm(
                "arm:classicAdministrators",
                subscription,
                "{of}/providers/Microsoft.Authorization/classicAdministrators",
                &[("api-version", "2015-07-01")],
                action("Microsoft.Authorization/classicAdministrators/read"),
            ),
            Self::GroupRoleEligibility | Self::RoleEligibility => self.extension(
                "arm:roleEligibilityScheduleInstances",
                "{of}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances",
                &[("api-version", "2020-10-01")],
                &[("api-version", "2020-10-01"), AT_SCOPE],
                "Microsoft.Authorization/roleEligibilityScheduleInstances/read",
            ),
            Self::GroupRoleSchedules | Self::RoleSchedules => self.extension(
                "arm:roleAssignmentScheduleInstances",
                "{of}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances",
                &[("api-version", "2020-10-01")],
                &[("api-version", "2020-10-01"), AT_SCOPE],
                "Microsoft.Authorization/roleAssignmentScheduleInstances/read",
            ),
            Self::ResourceGroups => arm(
                "arm:resourceGroups",
                subscription,
                "{of}/resourcegroups",
                &[("api-version", "2024-03-01")],
                action("Microsoft.Resources/subscriptions/resourceGroups/read"),
            ),
            Self::Locks => arm(
                "arm:locks",
                subscription,
                "{of}/providers/Microsoft.Authorization/locks",
                &[("api-version", "2016-09-01")],
                action("Microsoft.Authorization/locks/read"),
            ),
            Self::Delegations | Self::ResourceGroupDelegations => arm(
                "arm:registrationAssignments",
                if self == Self::Delegations { subscription } else { Per::ResourceGroup },
                "{of}/providers/Microsoft.ManagedServices/registrationAssignments",
                &[("api-version", "2022-10-01"), ("$expandRegistrationDefinition", "true")],
                action("Microsoft.ManagedServices/registrationAssignments/read"),
            ),
            Self::BillingProperty => arm(
                "billing:billingProperty",
                subscription,
                "{of}/providers/Microsoft.Billing/billingProperty/default",
                &[("api-version", "2024-04-01")],
                Permission::Billing("billing account reader"),
            ),
            Self::BillingAccounts => arm(
                "billing:billingAccounts",
                directory,
                "/providers/Microsoft.Billing/billingAccounts",
                &[("api-version", "2024-04-01")],
                Permission::Billing("billing account reader"),
            ),
            Self::BillingSubscriptions => arm(
                "billing:billingSubscriptions",
                Per::BillingAccount,
                "{of}/billingSubscriptions",
                &[("api-version", "2024-04-01")],
                Permission::Billing("billing account reader"),
            ),
            Self::EnrollmentAccounts => arm(
                "billing:enrollmentAccounts",
                Per::BillingAccount,
                "{of}/enrollmentAccounts",
                &[("api-version", "2024-04-01")],
                Permission::Billing("enrollment reader"),
            ),
            Self::RoleEvents | Self::DelegationEvents | Self::SubscriptionEvents => arm(
                "arm:activityLog",
                subscription,
                "{of}/providers/Microsoft.Insights/eventtypes/management/values",
                match self {
                    Self::RoleEvents => &[("api-version", "2015-04-01"), ROLE_EVENTS, EVENT_FIELDS],
                    Self::DelegationEvents => &[("api-version", "2015-04-01"), DELEGATION_EVENTS, EVENT_FIELDS],
                    _ => &[("api-version", "2015-04-01"), SUBSCRIPTION_EVENTS, EVENT_FIELDS],
                },
                action("Microsoft.Insights/eventtypes/values/read"),
            ),
            Self::PartnerLink => arm(
                "arm:managementPartner",
                directory,
                "/providers/Microsoft.ManagementPartner/partners",
                &[("api-version", "2018-02-01")],
                Permission::SignIn,
            ),
            Self::Users => graph("graph:users", directory, "/v1.0/users", &[USER_FIELDS, PAGE], "User.Read.All"),
            Self::DeletedUsers => graph(
                "graph:directory/deletedItems",
                directory,
                "/v1.0/directory/deletedItems/microsoft.graph.user",
                &[USER_FIELDS, PAGE],
                "User.Read.All",
            ),
            Self::Groups => graph(
                "graph:groups",
                directory,
                "/v1.0/groups",
                &[("$select", "id,displayName,securityEnabled,isAssignableToRole,membershipRule,visibility"), PAGE],
                "GroupMember.Read.All",
            ),
            Self::GroupMembers => {
                graph("graph:groups/members", Per::Group, "/v1.0/groups/{of}/members", &[("$select", "id"), PAGE], "GroupMember.Read.All")
            }
            Self::ServicePrincipals => graph(
                "graph:servicePrincipals",
                directory,
                "/v1.0/servicePrincipals",
                &[("$select", "id,appId,displayName,appOwnerOrganizationId,servicePrincipalType,accountEnabled"), PAGE],
                "Application.Read.All",
            ),
            Self::DirectoryRoles => graph("graph:directoryRoles", directory, "/v1.0/directoryRoles", &[], "RoleManagement.Read.Directory"),
            Self::DirectoryRoleMembers => graph(
                "graph:directoryRoles/members",
                Per::DirectoryRole,
                "/v1.0/directoryRoles/{of}/members",
                &[],
                "RoleManagement.Read.Directory",
            ),
            Self::DirectoryRoleSchedules => graph(
                "graph:roleAssignmentScheduleInstances",
                directory,
                "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances",
                &[],
                "RoleManagement.Read.Directory",
            ),
            Self::CommerceSubscriptions => {
                graph("graph:directory/subscriptions", directory, "/v1.0/directory/subscriptions", &[], "Organization.Read.All")
            }
            Self::CrossTenantPartners => graph(
                "graph:crossTenantAccessPolicy/partners",
                directory,
                "/v1.0/policies/crossTenantAccessPolicy/partners",
                &[],
                "Policy.Read.All",
            ),
            Self::AuthorizationPolicy => {
                graph("graph:authorizationPolicy", directory, "/v1.0/policies/authorizationPolicy", &[], "Policy.Read.All")
            }
            Self::DelegatedAdminRelationships => graph(
                "graph:delegatedAdminRelationships",
                directory,
                "/v1.0/tenantRelationships/delegatedAdminRelationships",
                &[("$top", "300")],
                "DelegatedAdminRelationship.Read.All",
            ),
            Self::Customers => partner("partnercenter:customers", Per::PartnerDirectory, "/v1/customers", &[("size", "100")], APPLICATION),
            Self::CustomerSubscriptions => {
                partner("partnercenter:subscriptions", Per::Customer, "/v1/customers/{of}/subscriptions", &[], APPLICATION)
            }
            Self::AzureEntitlements => {
                partner("partnercenter:azureEntitlements", Per::AzurePlan, "/v1/customers/{of}/azureEntitlements", &[], APPLICATION)
            }
            Self::IndirectResellers => partner(
                "partnercenter:relationships",
                Per::PartnerDirectory,
                "/v1/relationships",
                &[("relationship_type", "IsIndirectCloudSolutionProviderOf")],
                PERSON,
            ),
            Self::IndirectProviders => partner(
                "partnercenter:relationships",
                Per::PartnerDirectory,
                "/v1/relationships",
                &[("relationship_type", "IsIndirectResellerOf")],
                PERSON,
            ),
            Self::OwnPartnerProfile => partner("partnercenter:profiles/mpn", Per::PartnerDirectory, "/v1/profiles/mpn", &[], PERSON),
            Self::PartnerProfile => partner("partnercenter:profiles/mpn", Per::PartnerId, "/v1/profiles/mpn", &[("mpnId", "{of}")], PERSON),
            Self::TenantInformation => graph(
                "graph:tenantInformation",
                Per::OtherDirectory,
                "/v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='{of}')",
                &[],
                "CrossTenantInformation.ReadBasic.All",
            ),
        }
        .with_per(match self {
            Self::GroupRoleAssignments
            | Self::GroupRoleDefinitions
            | Self::GroupDenyAssignments
            | Self::GroupRoleEligibility
            | Self::GroupRoleSchedules => Some(management_group),
            Self::RootRoleAssignments => Some(directory),
            _ => None,
        })
    }

    /// What hangs on a scope: a subscription is asked for all it returns, what is above it only for what holds there.
    fn extension(
        self,
        name: &'static str,
        path: &'static str,
        whole: &'static [(&'static str, &'static str)],
        at_scope: &'static [(&'static str, &'static str)],
        action: &'static str,
    ) -> Spec {
        let below = matches!(
            self,
            Self::RoleAssignments | Self::RoleDefinitions | Self::DenyAssignments | Self::RoleEligibility | Self::RoleSchedules
        );
        let query = if below { whole } else { at_scope };
        Spec { name, per: Per::Subscription, endpoint: Endpoint::Arm, path, query, question: None, permission: Permission::Action(action) }
    }

    /// Returns the name of the read, as the schema and reports cite it; several operations can have one.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns what it is asked for each of.
    #[must_use]
    pub fn per(self) -> Per {
        self.spec().per
    }

    /// Returns of what, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self.per() {
            Per::Directory if self == Self::RootRoleAssignments || self == Self::RootRoleDefinitions => "at the root",
            Per::Directory => "of the directory",
            Per::ManagementGroup => "of each management group",
            Per::Subscription => "of each subscription",
            Per::ResourceGroup => "of each resource group",
            Per::BillingAccount => "of each billing account",
            Per::Group => "of each group",
            Per::DirectoryRole => "of each directory role",
            Per::PartnerDirectory => "of a partner's directory",
            Per::Customer => "of each customer",
            Per::AzurePlan => "of each Azure plan",
            Per::PartnerId => "of each PartnerID",
            Per::OtherDirectory => "of each other directory",
        }
    }

    /// Returns the service.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        self.spec().endpoint
    }

    /// Returns the least permission.
    #[must_use]
    pub fn permission(self) -> Permission {
        self.spec().permission
    }

    /// Returns the question, if it is asked by POST.
    #[must_use]
    pub fn question(self) -> Option<Question> {
        self.spec().question
    }

    /// Returns path and query of the first request.
    #[must_use]
    pub fn request(self, of: &str, tenant: &str) -> (String, Vec<(String, String)>) {
        let spec = self.spec();
        let query = spec.query.iter().map(|(name, value)| ((*name).to_owned(), value.replace("{of}", of)));
        (spec.path.replace("{of}", of).replace("{tenant}", tenant), query.collect())
    }

    /// Returns path and query of the first request of a collection that began at `begun`.
    #[must_use]
    pub fn request_at(self, of: &str, tenant: &str, begun: Timestamp) -> (String, Vec<(String, String)>) {
        let (path, mut query) = self.request(of, tenant);
        let second = begun.as_second();
        let since = Timestamp::from_second(second.saturating_sub(EVENT_DAYS * 86_400)).unwrap_or(Timestamp::MIN);
        let until = Timestamp::from_second(second).unwrap_or(begun);
        for (_, value) in query.iter_mut().filter(|(_, value)| value.contains("{since}")) {
            *value = value.replace("{since}", &since.to_string()).replace("{until}", &until.to_string());
        }
        (path, query)
    }

    /// Returns path and query with what is filled in, for people.
    #[must_use]
    pub fn shown(self) -> String {
        let (path, query) = self.request("{of}", "{tenant}");
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = if self.per() == Per::Directory { path.replace("{of}", "") } else { path };
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// Tells whether its answer is a list; anything else is one object, which may not be there.
    #[must_use]
    pub fn is_list(self) -> bool {
        !matches!(
            self,
            Self::HierarchySettings
                | Self::SubscriptionPolicy
                | Self::BillingProperty
                | Self::PartnerLink
                | Self::AuthorizationPolicy
                | Self::OwnPartnerProfile
                | Self::PartnerProfile
                | Self::TenantInformation
        )
    }

    /// Returns the operations whose answers say what this one is asked of.
    #[must_use]
    pub fn parents(self) -> &'static [Self] {
        match self.per() {
            Per::Directory => &[],
            Per::ManagementGroup => &[Self::Entities],
            Per::Subscription => &[Self::Subscriptions],
            Per::ResourceGroup => &[Self::ResourceGroups],
            Per::BillingAccount => &[Self::BillingAccounts],
            Per::Group => &[Self::Groups],
            Per::DirectoryRole => &[Self::DirectoryRoles],
            Per::PartnerDirectory => &[Self::Organization],
            Per::Customer => &[Self::Customers],
            Per::AzurePlan => &[Self::CustomerSubscriptions],
            Per::PartnerId => &[Self::IndirectResellers, Self::IndirectProviders, Self::CustomerSubscriptions],
            Per::OtherDirectory => &[Self::Subscriptions, Self::CommerceSubscriptions, Self::CrossTenantPartners],
        }
    }

    /// Tells whether it is asked of what another one names, or of what follows from that.
    pub(super) fn depends_on(self, other: Self) -> bool {
        self.parents().iter().any(|parent| *parent == other || parent.depends_on(other))
    }

    /// Tells whether it gives facts that the schema says come from a read of this name.
    #[must_use]
    pub fn serves(self, api: &str) -> bool {
        if api == self.name() || api.strip_prefix(self.name()).is_some_and(|rest| rest.starts_with(' ')) {
            return true;
        }
        match self {
            // The expanded answers hold the definitions.
            Self::Delegations | Self::ResourceGroupDelegations => api == "arm:registrationDefinitions",
            // When a subscription was acquired is best told by its alias, and for licences by the directory.
            Self::Aliases | Self::CommerceSubscriptions => api == "billing:billingSubscriptions",
            Self::SubscriptionEvents => api == "billing:billingSubscriptions",
            // Whether a scope or principal exists is told by the lists it would stand in.
            Self::DeletedUsers => api == "graph:users",
            Self::DirectoryRoleMembers => api == "graph:directoryRoles" || api == "graph:roleAssignmentScheduleInstances",
            Self::DirectoryRoleSchedules => api == "graph:directoryRoles" || api == "graph:directoryRoles/members",
            // A partner knows of its customers' subscriptions when they were bought and who resold them.
            Self::CustomerSubscriptions => api == "billing:billingSubscriptions",
            _ => false,
        }
    }
}

impl Spec {
    fn with_per(self, per: Option<Per>) -> Self {
        Self { per: per.unwrap_or(self.per), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed_once_after_what_it_depends_on() {
        for (at, operation) in Operation::ALL.iter().enumerate() {
            let earlier = &Operation::ALL[..at];
            assert!(!earlier.contains(operation), "{operation:?} is listed twice");
            assert!(operation.parents().iter().all(|parent| earlier.contains(parent)), "{operation:?}");
        }
    }

    #[test]
    fn requests_are_those_of_the_documentation() {
        let group = "/providers/Microsoft.Management/managementGroups/g";
        let at = |operation: Operation, of: &str| {
            let (path, query) = operation.request(of, "t");
            crate::sources::azure::address::address("https://x.example", &path, &query)
        };
        assert_eq!(
            at(Operation::GroupRoleAssignments, group),
            format!("https://x.example{group}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()")
        );
        assert_eq!(
            at(Operation::RootRoleAssignments, ""),
            "https://x.example/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()"
        );
        assert_eq!(
            at(Operation::HierarchySettings, ""),
            "https://x.example/providers/Microsoft.Management/managementGroups/t/settings/default?api-version=2023-04-01"
        );
        assert_eq!(Operation::RootRoleAssignments.per(), Per::Directory);
        assert_eq!(Operation::GroupRoleAssignments.per(), Per::ManagementGroup);
        assert_eq!(Operation::RoleAssignments.per(), Per::Subscription);
        assert_eq!(
            Operation::Entities.question().map(Question::path).map(|(path, _)| path),
            Some("/providers/Microsoft.Management/getEntities")
        );
    }
}

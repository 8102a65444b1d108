//! Who may do what, and how the services refuse.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::call::{Call, Reply, arm_error, graph_error, same, text};
use super::lists::scope_of_id;
use super::route::Route;
use super::scopes::{canonical, chain, is_below};
use super::store::Kind;
use super::{Caller, MemoryTenant};
use crate::remedy::plan::{Method, Service};

/// A principal that stands for everybody in a deny assignment. Source: "Understand Azure deny assignments", All Principals.
const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Something a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// An action of Azure or a permission of Graph; `*` stands for any text.
    pub action: String,
    /// The scope from which on it holds; `/` for everywhere. Permissions of Graph have none.
    pub scope: String,
}

impl Grant {
    /// Lets a caller do this from this scope on.
    #[must_use]
    pub fn new(action: &str, scope: &str) -> Self {
        Self { action: action.to_owned(), scope: scope.to_owned() }
    }

    /// Lets a caller do everything.
    #[must_use]
    pub fn everything() -> Vec<Self> {
        vec![Self::new("*", "/")]
    }
}

/// Tells whether an action fits a pattern.
pub(super) fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let Some((first, parts)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let (between, last) = parts.rsplit_once('*').map_or((None, parts), |(between, last)| (Some(between), last));
    for part in between.into_iter().flat_map(|between| between.split('*')) {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

impl MemoryTenant {
    /// Refuses what the caller may not do.
    pub(super) fn refusal(&self, caller: &Caller, call: &Call<'_>, route: &Route, now: Timestamp) -> Option<Reply> {
        let (action, scope) = needed(call.method, route)?;
        if call.service == Service::Graph {
            let allowed = caller.grants.iter().any(|grant| alternatives(action).any(|one| fits(&grant.action, one)));
            let message = "Insufficient privileges to complete the operation.";
            return (!allowed).then(|| graph_error(403, "Authorization_RequestDenied", message, now));
        }
        let chain = chain(&self.store, &scope, now);
        let holds = |grant: &Grant| chain.contains(&canonical(&grant.scope)) || grant.scope == "/";
        if !caller.grants.iter().any(|grant| fits(&grant.action, action) && holds(grant)) {
            return Some(unauthorized(&caller.object_id, action, &scope));
        }
        self.denied(caller, action, &scope, &chain, now).filter(|_| self.settings.deny_assignments)
    }

    /// Refuses what a deny assignment forbids. Its words are assumed.
    fn denied(&self, caller: &Caller, action: &str, scope: &str, chain: &[String], now: Timestamp) -> Option<Reply> {
        let denials = self.store.all_visible(Kind::DenyAssignment, now);
        let (id, denial) = denials.into_iter().find(|(_, denial)| {
            let at = text(denial, "/properties/scope").map(canonical);
            let children = denial.pointer("/properties/doNotApplyToChildScopes").and_then(Json::as_bool) != Some(true);
            let reaches = at.is_some_and(|at| at == canonical(scope) || (children && chain.contains(&at)));
            reaches && forbids(denial, action) && names(denial, "principals", caller) && !names(denial, "excludePrincipals", caller)
        })?;
        // One without a name is named by its id.
        let name = text(denial, "/properties/denyAssignmentName").unwrap_or(id);
        let oid = &caller.object_id;
        let message = format!(
            "The client '{oid}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, the access is denied because of the deny assignment with name '{name}' and Id '{id}'."
        );
        Some(arm_error(403, "DenyAssignmentAuthorizationFailed", message))
    }

    /// Refuses what a lock forbids: `ReadOnly` any write, `CanNotDelete` a removal. The code is assumed.
    pub(super) fn locked(&self, scope: &str, removal: bool) -> Option<Reply> {
        let inside = canonical(scope);
        let locks = self.store.all_latest(Kind::Lock).into_iter().map(|(id, lock)| (scope_of_id(id), lock));
        let (at, _) = locks.into_iter().find(|(at, lock)| {
            // A lock that does not say its level forbids everything.
            let forbids =
                text(lock, "/properties/level").is_none_or(|level| same(level, "ReadOnly") || (removal && same(level, "CanNotDelete")));
            (*at == inside || is_below(at, &inside)) && forbids
        })?;
        let verb = if removal { "delete" } else { "write" };
        let message = format!(
            "The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: '{at}'. Please remove the lock and try again."
        );
        Some(arm_error(409, "ScopeLocked", message))
    }
}

fn unauthorized(oid: &str, action: &str, scope: &str) -> Reply {
    let message = format!(
        "The client '{oid}' with object id '{oid}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    arm_error(403, "AuthorizationFailed", message)
}

fn forbids(denial: &Json, action: &str) -> bool {
    let permissions = denial.pointer("/properties/permissions").and_then(Json::as_array);
    permissions.into_iter().flatten().any(|permission| {
        let any = |name: &str| {
            let patterns = permission.get(name).and_then(Json::as_array);
            patterns.into_iter().flatten().filter_map(Json::as_str).any(|pattern| fits(pattern, action))
        };
        any("actions") && !any("notActions")
    })
}

fn names(denial: &Json, list: &str, caller: &Caller) -> bool {
    let principals = denial.pointer(&format!("/properties/{list}")).and_then(Json::as_array);
    let mut ids = principals.into_iter().flatten().filter_map(|principal| text(principal, "/id"));
    ids.any(|id| same(id, &caller.object_id) || id == EVERYBODY)
}

/// Permissions of Graph of which one is enough stand with a bar between them.
fn alternatives(action: &str) -> impl Iterator<Item = &str> {
    action.split('|')
}

/// Returns the action and the scope at which it is needed; none if nothing is needed.
fn needed(method: Option<Method>, route: &Route) -> Option<(&'static str, String)> {
    let root = || "/".to_owned();
    Some(match (method, route) {
        (None, Route::List(kind, scope) | Route::One(kind, scope, _)) => (reading(*kind)?, scope_of(scope)),
        (Some(method), Route::One(kind, scope, name)) => {
            let scope = if *kind == Kind::HierarchySettings { name } else { scope };
            (writing(*kind, method == Method::Delete)?, scope_of(scope))
        }
        (Some(_), Route::GroupSubscription { group, .. }) => ("Microsoft.Management/managementGroups/subscriptions/write", group.clone()),
        (None, Route::GroupSubscription { group, .. } | Route::GroupSubscriptions(group)) => {
            ("Microsoft.Management/managementGroups/read", group.clone())
        }
        (None, Route::Events(scope)) => ("Microsoft.Insights/eventtypes/values/read", scope_of(scope)),
        (None, Route::DirectoryObject(_)) => ("Directory.Read.All", root()),
        (_, Route::Members { .. }) => ("GroupMember.Read.All|Group.Read.All|Directory.Read.All", root()),
        (Some(_), Route::MemberReference { .. }) => ("GroupMember.ReadWrite.All", root()),
        (Some(_), Route::Invitations) => ("User.Invite.All|User.ReadWrite.All", root()),
        (Some(_), Route::Restore(_)) => ("User.DeleteRestore.All|User.ReadWrite.All", root()),
        // A partner link is the caller's own; the tree of management groups shows what the caller may see.
        _ => return None,
    })
}

fn scope_of(scope: &str) -> String {
    if scope.is_empty() { "/".to_owned() } else { scope.to_owned() }
}

fn reading(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::RoleAssignment => "Microsoft.Authorization/roleAssignments/read",
        Kind::RoleDefinition => "Microsoft.Authorization/roleDefinitions/read",
        Kind::Eligibility => "Microsoft.Authorization/roleEligibilityScheduleInstances/read",
        Kind::EligibilityRequest => "Microsoft.Authorization/roleEligibilityScheduleRequests/read",
        Kind::ScheduleRequest => "Microsoft.Authorization/roleAssignmentScheduleRequests/read",
        Kind::Schedule => "Microsoft.Authorization/roleAssignmentScheduleInstances/read",
        Kind::DenyAssignment => "Microsoft.Authorization/denyAssignments/read",
        Kind::Lock => "Microsoft.Authorization/locks/read",
        Kind::RegistrationDefinition => "Microsoft.ManagedServices/registrationDefinitions/read",
        Kind::RegistrationAssignment => "Microsoft.ManagedServices/registrationAssignments/read",
        Kind::ResourceGroup => "Microsoft.Resources/subscriptions/resourceGroups/read",
        Kind::SubscriptionPolicy => "Microsoft.Subscription/policies/default/read",
        Kind::HierarchySettings => "Microsoft.Management/managementGroups/settings/read",
        Kind::User | Kind::DeletedUser => "User.Read.All|User.ReadWrite.All|Directory.Read.All",
        Kind::ServicePrincipal => "Application.Read.All|Directory.Read.All",
        Kind::Group => "GroupMember.Read.All|Group.Read.All|Directory.Read.All",
        Kind::AuthorizationPolicy => "Policy.Read.All|Policy.ReadWrite.Authorization",
        Kind::Subscription | Kind::Entity | Kind::PartnerLink | Kind::Membership => return None,
    })
}

fn writing(kind: Kind, removal: bool) -> Option<&'static str> {
    Some(match (kind, removal) {
        (Kind::RoleAssignment, false) => "Microsoft.Authorization/roleAssignments/write",
        (Kind::RoleAssignment, true) => "Microsoft.Authorization/roleAssignments/delete",
        (Kind::RoleDefinition, false) => "Microsoft.Authorization/roleDefinitions/write",
        (Kind::RoleDefinition, true) => "Microsoft.Authorization/roleDefinitions/delete",
        (Kind::EligibilityRequest, _) => "Microsoft.Authorization/roleEligibilityScheduleRequests/write",
        (Kind::ScheduleRequest, _) => "Microsoft.Authorization/roleAssignmentScheduleRequests/write",
        (Kind::Lock, false) => "Microsoft.Authorization/locks/write",
        (Kind::Lock, true) => "Microsoft.Authorization/locks/delete",
        // The documentation asks for the rights over role assignments at the scope of the delegation.
        (Kind::RegistrationDefinition | Kind::RegistrationAssignment, false) => "Microsoft.Authorization/roleAssignments/write",
        (Kind::RegistrationDefinition | Kind::RegistrationAssignment, true) => "Microsoft.Authorization/roleAssignments/delete",
        (Kind::SubscriptionPolicy, _) => "Microsoft.Subscription/Policies/write",
        (Kind::HierarchySettings, _) => "Microsoft.Management/managementGroups/settings/write",
        (Kind::User, false) => "User.ReadWrite.All|User.EnableDisableAccount.All",
        (Kind::User | Kind::DeletedUser, _) => "User.ReadWrite.All|User.DeleteRestore.All",
        (Kind::ServicePrincipal, _) => "Application.ReadWrite.All",
        (Kind::AuthorizationPolicy, _) => "Policy.ReadWrite.Authorization",
        _ => return None,
    })
}

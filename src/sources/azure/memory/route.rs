//! From a path to what it names.

use crate::remedy::plan::Service;

use super::store::Kind;

/// What a path names. Scopes keep the case in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// All objects of a kind at a scope, or in the tenant if it is empty.
    List(Kind, String),
    /// One object of a kind at a scope.
    One(Kind, String, String),
    /// The partner link of the caller.
    PartnerLink(Option<String>),
    /// The state of a long-running operation.
    OperationStatus(String),
    /// The result of a long-running operation.
    OperationResult(String),
    /// Everything the caller sees of the tree of management groups.
    Entities,
    /// A subscription as a member of a management group.
    GroupSubscription { group: String, subscription: String },
    /// Subscriptions right below a management group.
    GroupSubscriptions(String),
    /// Members of a group, direct or through other groups.
    Members { group: String, transitive: bool },
    /// A reference to a member: none where the body names it.
    MemberReference { group: String, member: Option<String> },
    /// A user, service principal or group, whichever it is.
    DirectoryObject(String),
    /// Invitations of guests.
    Invitations,
    /// What was deleted and can come back.
    Restore(String),
    /// The activity log of a scope.
    Events(String),
    /// The names of any directory.
    TenantInformation,
    /// Something the model only knows from recorded answers, if at all.
    Other,
}

/// Reads a path.
pub(super) fn route(service: Service, path: &str) -> Route {
    let original: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let lower: Vec<String> = original.iter().map(|segment| segment.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match service {
        Service::Graph => graph(&lower, &original),
        Service::Arm => arm(&lower, &original),
    }
}

fn arm(lower: &[&str], original: &[&str]) -> Route {
    let at = |index: usize| original.get(index).copied().unwrap_or_default().to_owned();
    match lower {
        ["subscriptions"] => return Route::List(Kind::Subscription, String::new()),
        ["subscriptions", _] => return Route::One(Kind::Subscription, String::new(), format!("/subscriptions/{}", at(1))),
        ["subscriptions", _, "resourcegroups"] => return Route::List(Kind::ResourceGroup, format!("/subscriptions/{}", at(1))),
        ["subscriptions", _, "resourcegroups", _] => {
            return Route::One(Kind::ResourceGroup, format!("/subscriptions/{}", at(1)), format!("/{}", original.join("/")));
        }
        ["providers", "microsoft.management", "getentities"] => return Route::Entities,
        ["providers", "microsoft.management", "managementgroups", rest @ ..] => {
            if let Some(found) = management_group(rest, original) {
                return found;
            }
        }
        ["providers", "microsoft.managementpartner", "partners"] => return Route::PartnerLink(None),
        ["providers", "microsoft.managementpartner", "partners", _] => return Route::PartnerLink(Some(at(3))),
        ["providers", "microsoft.subscription", "policies", "default"] => {
            return Route::One(Kind::SubscriptionPolicy, String::new(), "default".to_owned());
        }
        _ => {}
    }
    extension(lower, original)
}

fn management_group(rest: &[&str], original: &[&str]) -> Option<Route> {
    let at = |index: usize| original.get(index).copied().unwrap_or_default().to_owned();
    let group = || format!("/providers/Microsoft.Management/managementGroups/{}", at(3));
    Some(match rest {
        [] => Route::List(Kind::Entity, String::new()),
        [_] => Route::One(Kind::Entity, String::new(), group()),
        [_, "subscriptions"] => Route::GroupSubscriptions(group()),
        [_, "subscriptions", _] => Route::GroupSubscription { group: group(), subscription: format!("/subscriptions/{}", at(5)) },
        [_, "settings", "default"] => Route::One(Kind::HierarchySettings, String::new(), group()),
        _ => return None,
    })
}

/// What hangs on a scope: `{scope}/providers/{namespace}/{type}[/{name}]`.
fn extension(lower: &[&str], original: &[&str]) -> Route {
    let Some(at) = lower.iter().rposition(|segment| *segment == "providers") else { return Route::Other };
    let scope = original.get(..at).unwrap_or_default().join("/");
    let scope = format!("/{scope}");
    let rest = lower.get(at + 1..).unwrap_or_default();
    let name = original.get(at + 3).copied().unwrap_or_default().to_owned();
    match rest {
        ["microsoft.insights", "eventtypes", "management", "values"] => return Route::Events(scope),
        ["microsoft.managedservices", "operationstatuses", _] => return Route::OperationStatus(name),
        ["microsoft.managedservices", "operationresults", _] => return Route::OperationResult(name),
        _ => {}
    }
    let (namespace, ty) = (rest.first().copied().unwrap_or_default(), rest.get(1).copied().unwrap_or_default());
    let Some(kind) = extension_kind(namespace, ty) else { return Route::Other };
    match rest.len() {
        2 => Route::List(kind, scope),
        3 => Route::One(kind, scope, name),
        _ => Route::Other,
    }
}

fn extension_kind(namespace: &str, ty: &str) -> Option<Kind> {
    Some(match (namespace, ty) {
        ("microsoft.authorization", "roleassignments") => Kind::RoleAssignment,
        ("microsoft.authorization", "roledefinitions") => Kind::RoleDefinition,
        ("microsoft.authorization", "roleeligibilityscheduleinstances") => Kind::Eligibility,
        ("microsoft.authorization", "roleeligibilityschedulerequests") => Kind::EligibilityRequest,
        ("microsoft.authorization", "roleassignmentscheduleinstances") => Kind::Schedule,
        ("microsoft.authorization", "roleassignmentschedulerequests") => Kind::ScheduleRequest,
        ("microsoft.authorization", "denyassignments") => Kind::DenyAssignment,
        ("microsoft.authorization", "locks") => Kind::Lock,
        ("microsoft.managedservices", "registrationdefinitions") => Kind::RegistrationDefinition,
        ("microsoft.managedservices", "registrationassignments") => Kind::RegistrationAssignment,
        _ => return None,
    })
}

fn graph(lower: &[&str], original: &[&str]) -> Route {
    let at = |index: usize| original.get(index).copied().unwrap_or_default().to_owned();
    let none = String::new;
    let Some((&"v1.0", rest)) = lower.split_first() else { return Route::Other };
    match rest {
        ["users"] => Route::List(Kind::User, none()),
        ["users", _] => Route::One(Kind::User, none(), at(2)),
        ["groups"] => Route::List(Kind::Group, none()),
        ["groups", _] => Route::One(Kind::Group, none(), at(2)),
        ["groups", _, "members"] => Route::Members { group: at(2), transitive: false },
        ["groups", _, "transitivemembers"] => Route::Members { group: at(2), transitive: true },
        ["groups", _, "members", "$ref"] => Route::MemberReference { group: at(2), member: None },
        ["groups", _, "members", _, "$ref"] => Route::MemberReference { group: at(2), member: Some(at(4)) },
        ["serviceprincipals"] => Route::List(Kind::ServicePrincipal, none()),
        ["serviceprincipals", _] => Route::One(Kind::ServicePrincipal, none(), at(2)),
        ["directory", "deleteditems", "microsoft.graph.user"] => Route::List(Kind::DeletedUser, none()),
        ["directory", "deleteditems", _] => Route::One(Kind::DeletedUser, none(), at(3)),
        ["directory", "deleteditems", _, "restore"] => Route::Restore(at(3)),
        ["directoryobjects", _] => Route::DirectoryObject(at(2)),
        ["invitations"] => Route::Invitations,
        ["tenantrelationships", call] if call.starts_with("findtenantinformationbytenantid(") => Route::TenantInformation,
        ["policies", "authorizationpolicy"] => Route::One(Kind::AuthorizationPolicy, none(), "authorizationPolicy".to_owned()),
        _ => Route::Other,
    }
}

//! Reads what a recorded request asked for.

use super::claims::ListKind;
use super::history::event_query;
use super::page::Exchange;

/// What a request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A list, perhaps of one scope.
    List {
        /// Of what.
        kind: ListKind,
        /// The scope or the parent object, canonical.
        scope: Option<String>,
        /// What keeps the answer from being the whole list.
        narrowed: Narrowed,
    },
    /// One object: the kind of list it would stand in and its id.
    One {
        /// Of what.
        kind: ListKind,
        /// Its id or the scope it belongs to.
        id: String,
    },
    /// Something else.
    Other,
}

/// How a request narrows a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Narrowed {
    /// Not at all.
    No,
    /// To this scope and the ones above it.
    AtScope,
    /// In another way, in words.
    Otherwise(String),
}

/// Reads a recorded request.
pub(super) fn asked(exchange: &Exchange) -> Asked {
    let url = exchange.url.split('#').next().unwrap_or_default();
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let (host, path) = split_host(before);
    let path = decoded(path).to_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let graph = host.contains("graph") || matches!(segments.first(), Some(&("v1.0" | "beta")));
    let is_read = exchange.method == "GET" || (exchange.method == "POST" && path.ends_with("/getentities"));
    if !is_read {
        return Asked::Other;
    }
    if graph {
        let rest = segments.iter().skip_while(|segment| matches!(**segment, "v1.0" | "beta")).copied().collect::<Vec<_>>();
        return graph_list(&rest, narrowed(query, true));
    }
    if segments.first() == Some(&"v1") || host.contains("partnercenter") {
        let rest = segments.iter().skip_while(|segment| **segment == "v1").copied().collect::<Vec<_>>();
        return partner_center(&rest, query);
    }
    if let [.., "providers", "microsoft.insights", "eventtypes", "management", "values"] = segments.as_slice() {
        return events(&segments, query);
    }
    arm_list(&segments, narrowed(query, false))
}

/// Lists of Partner Center. None of them makes a list of a snapshot whole; one that is open keeps subscriptions from being all known.
fn partner_center(segments: &[&str], query: &str) -> Asked {
    let list = |kind, scope: Option<String>| Asked::List { kind, scope, narrowed: Narrowed::No };
    match segments {
        ["customers"] => list(ListKind::PartnerCustomers, None),
        ["customers", customer, "subscriptions"] => list(ListKind::PartnerSubscriptions, Some((*customer).to_owned())),
        ["customers", customer, "subscriptions", _, "azureentitlements"] => list(ListKind::AzureEntitlements, Some((*customer).to_owned())),
        ["relationships"] => list(ListKind::PartnerRelationships, None),
        ["profiles", "mpn"] => {
            let id = query.split('&').filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("mpnId"));
            Asked::One { kind: ListKind::PartnerProfile, id: id.map(|(_, id)| decoded(id)).unwrap_or_default() }
        }
        _ => Asked::Other,
    }
}

/// A list of events is of a time and a provider; asked in another way, it is not known what it leaves out.
fn events(segments: &[&str], query: &str) -> Asked {
    let path = format!("/{}", segments.get(..segments.len().saturating_sub(5)).unwrap_or_default().join("/"));
    let narrowed = match event_query(query) {
        Some(_) => Narrowed::No,
        None => Narrowed::Otherwise("the request asks for events in a way that is not known here".to_owned()),
    };
    Asked::List { kind: ListKind::ActivityLog, scope: Some(crate::model::canonical_arm_id(&path)), narrowed }
}

fn split_host(url: &str) -> (String, &str) {
    let Some((_, rest)) = url.split_once("://") else { return (String::new(), url) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host.to_lowercase(), path)
}

/// Undoes percent encoding where it gives plain ASCII.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Judges the query of a request; a parameter nobody here knows is taken to narrow the list.
fn narrowed(query: &str, graph: bool) -> Narrowed {
    let mut found = Narrowed::No;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = decoded(name).to_lowercase();
        let value = decoded(value).replace('+', " ");
        let harmless = match name.as_str() {
            "api-version" | "$count" | "$expand" | "$recurse" | "$expandregistrationdefinition" | "includedeleted" => true,
            "$view" => value.eq_ignore_ascii_case("fullhierarchy"),
            // Graph pages by `$top` and goes on with a next link; a selection of fields leaves out no object.
            "$top" | "$select" | "$orderby" => graph,
            "$filter" if value.trim().is_empty() => true,
            _ => false,
        };
        if harmless {
            continue;
        }
        if name == "$skiptoken" {
            return Narrowed::Otherwise("the pages before this one are missing".to_owned());
        }
        if name == "$filter" && value.trim().eq_ignore_ascii_case("atScope()") {
            found = Narrowed::AtScope;
            continue;
        }
        return Narrowed::Otherwise(format!("the request narrows the list: {name}={value}"));
    }
    found
}

fn graph_list(segments: &[&str], narrowed: Narrowed) -> Asked {
    let list = |kind, scope: Option<&str>| Asked::List { kind, scope: scope.map(str::to_owned), narrowed: narrowed.clone() };
    let one = |kind, id: &str| Asked::One { kind, id: id.to_owned() };
    match segments {
        ["users"] => list(ListKind::Users, None),
        ["users", id] => one(ListKind::Users, id),
        ["groups"] => list(ListKind::Groups, None),
        ["groups", id] => one(ListKind::Groups, id),
        ["groups", id, "members"] => list(ListKind::GroupMembers, Some(id)),
        ["serviceprincipals"] => list(ListKind::ServicePrincipals, None),
        ["serviceprincipals", id] => one(ListKind::ServicePrincipals, id),
        ["directoryroles"] => list(ListKind::DirectoryRoles, None),
        ["directoryroles", id, "members"] => list(ListKind::DirectoryRoleMembers, Some(id)),
        ["rolemanagement", "directory", "roleassignments"] => list(ListKind::DirectoryRoleAssignments, None),
        ["rolemanagement", "directory", "roleassignmentscheduleinstances"] => list(ListKind::DirectoryRoleSchedules, None),
        ["organization"] => list(ListKind::Organization, None),
        ["directory", "subscriptions"] => list(ListKind::CommerceSubscriptions, None),
        ["policies", "crosstenantaccesspolicy", "partners"] => list(ListKind::CrossTenantPartners, None),
        ["tenantrelationships", "delegatedadminrelationships"] => list(ListKind::DelegatedAdminRelationships, None),
        ["directory", "deleteditems", ..] => list(ListKind::DeletedItems, None),
        ["tenantrelationships", call] if call.starts_with("findtenantinformationbytenantid(") => {
            one(ListKind::TenantInformation, call.split('\'').nth(1).unwrap_or_default())
        }
        _ => Asked::Other,
    }
}

fn arm_list(segments: &[&str], narrowed: Narrowed) -> Asked {
    let list = |kind, scope: Option<String>| Asked::List { kind, scope, narrowed: narrowed.clone() };
    let path = |parts: &[&str]| format!("/{}", parts.join("/"));
    match segments {
        ["tenants"] => return list(ListKind::Tenants, None),
        ["subscriptions"] => return list(ListKind::Subscriptions, None),
        ["subscriptions", _] => return Asked::One { kind: ListKind::Subscriptions, id: path(segments) },
        ["subscriptions", id, "resourcegroups"] => {
            return list(ListKind::ResourceGroups, Some(format!("/subscriptions/{id}")));
        }
        ["providers", "microsoft.management", "managementgroups"] => return list(ListKind::ManagementGroups, None),
        ["providers", "microsoft.management", "getentities"] => return list(ListKind::Entities, None),
        ["providers", "microsoft.management", "managementgroups", group, "descendants"] => {
            let scope = format!("/providers/microsoft.management/managementgroups/{group}");
            return list(ListKind::Descendants, Some(scope));
        }
        ["providers", "microsoft.billing", "billingaccounts"] => return list(ListKind::BillingAccounts, None),
        ["providers", "microsoft.billing", "billingaccounts", _, "billingsubscriptions"] => {
            return list(ListKind::BillingSubscriptions, Some(path(segments.get(..4).unwrap_or_default())));
        }
        ["providers", "microsoft.billing", "billingaccounts", _, "enrollmentaccounts"] => {
            return list(ListKind::EnrollmentAccounts, Some(path(segments.get(..4).unwrap_or_default())));
        }
        _ => {}
    }
    let Some(at) = segments.iter().rposition(|segment| *segment == "providers") else { return Asked::Other };
    let scope = crate::model::canonical_arm_id(&path(segments.get(..at).unwrap_or_default()));
    let kind = match segments.get(at + 1..).unwrap_or_default() {
        ["microsoft.authorization", "roleassignments"] => ListKind::RoleAssignments,
        ["microsoft.authorization", "roledefinitions"] => ListKind::RoleDefinitions,
        ["microsoft.authorization", "denyassignments"] => ListKind::DenyAssignments,
        ["microsoft.authorization", "locks"] => ListKind::Locks,
        ["microsoft.authorization", "classicadministrators"] => ListKind::ClassicAdministrators,
        ["microsoft.authorization", "roleeligibilityscheduleinstances"] => ListKind::RoleEligibility,
        ["microsoft.authorization", "roleassignmentscheduleinstances"] => ListKind::RoleAssignmentSchedules,
        ["microsoft.managedservices", "registrationassignments"] => ListKind::RegistrationAssignments,
        ["microsoft.billing", "billingproperty", _] => return Asked::One { kind: ListKind::BillingProperty, id: scope },
        _ => return Asked::Other,
    };
    list(kind, Some(scope))
}

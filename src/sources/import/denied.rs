//! Recorded answers that are errors: they say why something is not known.

use serde_json::Value;

use super::claims::ListKind;
use super::intake::{Intake, Refusal, Taken};
use super::lists::{Lists, Page};
use super::page::{Exchange, Next};
use super::report::Tally;
use super::request::Asked;
use crate::model::{SourceId, is_guid};
use crate::sources::partner_center;

/// Takes an error answer.
pub(super) fn take(
    intake: &mut Intake<'_>,
    exchange: &Exchange,
    body: Option<&Value>,
    asked: &Asked,
    lists: &mut Lists,
    tally: &mut Tally,
) {
    let reason = match asked {
        Asked::List { kind, scope, .. } => {
            let reason = reason(exchange, intake.permission(*kind).as_deref());
            let source = intake.source(kind.source());
            let url = Some(exchange.url.clone());
            let gap = Some(reason.clone());
            let scope = scope.clone();
            let read_at = intake.origin.read_at;
            lists.push(Page { kind: *kind, scope, at_scope: false, url, next: Next::Last, gap, unproved: None, source, read_at });
            reason
        }
        Asked::One { kind: ListKind::PartnerProfile, id }
            if exchange.status == 404 && !id.is_empty() && partner_center::is_no_partner(body) =>
        {
            if let Err(Refusal(why)) = partner_center::take_absent_profile(intake, id) {
                tally.note(why);
            }
            reason(exchange, None)
        }
        Asked::One { kind, id } => {
            let reason = reason(exchange, intake.permission(*kind).as_deref());
            if let Err(Refusal(why)) = take_one(intake, *kind, id, exchange.status, &reason) {
                tally.note(why);
            }
            reason
        }
        Asked::Other => take_settings(intake, exchange),
    };
    tally.skip("error answer", &reason);
}

/// Settings of the directory, by the end of their path: their source and properties.
const SETTINGS: [(&str, &str, &[&str]); 3] = [
    ("/policies/authorizationpolicy", "graph:authorizationPolicy", &["guest_invite_policy", "guest_user_role"]),
    (
        "/microsoft.subscription/policies/default",
        "arm:subscriptionPolicies",
        &["blocks_subscriptions_leaving", "blocks_subscriptions_entering", "subscription_policy_exemptions"],
    ),
    ("/settings/default", "arm:hierarchySettings", &["group_creation_needs_permission", "default_management_group"]),
];

/// Notes settings that were refused; whose they are is known when all files are read.
fn take_settings(intake: &mut Intake<'_>, exchange: &Exchange) -> String {
    let path = exchange.url.split('?').next().unwrap_or_default().to_lowercase();
    let Some((_, name, properties)) = SETTINGS.iter().find(|(end, ..)| path.ends_with(end)) else { return reason(exchange, None) };
    let schema = intake.builder.schema();
    let property = properties.first().and_then(|property| schema.property_named(schema.entity_named("Tenant")?.id, property));
    let permission = property.and_then(|property| property.source.permission.clone());
    let reason = reason(exchange, permission.as_deref());
    let source = intake.source(name);
    intake.later.refused_settings.push((properties, reason.clone(), source));
    reason
}

fn take_one(intake: &mut Intake<'_>, kind: ListKind, id: &str, status: u64, reason: &str) -> Taken {
    let source = intake.source(kind.source());
    let (ty, properties): (&str, &[&str]) = match kind {
        ListKind::Users => ("User", &["exists"]),
        ListKind::Groups => ("Group", &["exists"]),
        ListKind::ServicePrincipals => ("ServicePrincipal", &["exists"]),
        ListKind::Subscriptions => ("Subscription", &["display_name", "state", "tenant", "quota_id", "offer_class"]),
        ListKind::BillingProperty => ("Subscription", &["agreement", "billing_account", "enrollment_account"]),
        ListKind::PartnerProfile if !id.is_empty() => ("Partner", &["verified"]),
        ListKind::TenantInformation if is_guid(id) => return take_names(intake, id, reason, source),
        _ => return Ok(()),
    };
    // Objects may also be asked for by name or by a function; only an object id tells which one.
    if *properties == ["exists"] && !is_guid(id) {
        return Ok(());
    }
    let handle = intake.builder.entity_named(ty, id)?;
    for property in properties {
        if *property == "exists" && status == 404 {
            intake.builder.set(handle, property, crate::model::Value::Bool(false), source)?;
            intake.later.settled.insert(handle);
        } else {
            intake.builder.set_unknown(handle, property, reason, source)?;
        }
    }
    Ok(())
}

/// Why a directory has no names; another source may tell them.
fn take_names(intake: &mut Intake<'_>, id: &str, reason: &str, source: SourceId) -> Taken {
    let tenant = intake.builder.entity_named("Tenant", id)?;
    for name in ["display_name", "default_domain"] {
        intake.builder.set_unknown(tenant, name, reason, source)?;
    }
    Ok(())
}

fn reason(exchange: &Exchange, permission: Option<&str>) -> String {
    if let Some(error) = &exchange.error {
        return error.clone();
    }
    match (exchange.status, permission) {
        (401, _) => "denied: the sign-in was not accepted (401)".to_owned(),
        (403, Some(permission)) => format!("denied: needs {permission}"),
        (403, None) => "denied (403)".to_owned(),
        (404, _) => "not found (404)".to_owned(),
        (429, _) => "throttled (429)".to_owned(),
        (status @ 500.., _) => format!("the service failed ({status})"),
        (status, _) => format!("the request was refused ({status})"),
    }
}

//! Azure subscriptions.

use serde_json::Value;

use crate::model::{SourceId, canonical_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

const SOURCE: &str = "arm:subscriptions";

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let subscription = subscription(intake, &fields)?;
    let source = intake.source(SOURCE);
    let name = fields.get("displayName").or_else(|| fields.outer("name").filter(|_| fields.outer("subscriptionPolicies").is_none()));
    intake.copy(subscription, "display_name", name.filter(|name| !is_id(name, &fields)), source)?;
    let pairs = [("tenant", "tenantId"), ("state", "state"), ("authorization_source", "authorizationSource")];
    intake.copy_all(subscription, &fields, &pairs, source)?;
    let quota = fields.get("subscriptionPolicies").and_then(|policies| policies.get("quotaId")).or(fields.get("quotaId"));
    take_quota(intake, subscription, quota, source)?;
    take_managing(intake, subscription, &fields, source)?;
    take_parent(intake, subscription, &fields)
}

/// Returns the subscription of an object that names it in one of several ways, as one of Azure.
fn subscription(intake: &mut Intake<'_>, fields: &Fields<'_>) -> Result<Handle, Refusal> {
    let id = fields.any_text(&["subscriptionId", "id"]).ok_or_else(|| Refusal::new("it has no subscriptionId"))?;
    azure(intake, id.trim_end_matches('/').rsplit('/').next().unwrap_or(id))
}

/// Returns the Azure subscription of this id; an id that is empty names none.
pub(in crate::sources) fn azure(intake: &mut Intake<'_>, guid: &str) -> Result<Handle, Refusal> {
    if guid.trim().is_empty() {
        return Err(Refusal::new("the id of its subscription is empty"));
    }
    let handle = intake.builder.entity_named("Subscription", &format!("/subscriptions/{}", canonical_guid(guid)))?;
    let source = intake.source(SOURCE);
    intake.builder.set_text(handle, "service", "Azure", source)?;
    Ok(handle)
}

/// Resource Graph names a row by the display name, other tools repeat the id there.
fn is_id(name: &Value, fields: &Fields<'_>) -> bool {
    let (Some(id), Some(name)) = (fields.any_text(&["subscriptionId", "id"]), name.as_str()) else { return false };
    !name.is_empty() && id.to_lowercase().ends_with(&name.to_lowercase())
}

fn take_quota(intake: &mut Intake<'_>, subscription: Handle, quota: Option<&Value>, source: SourceId) -> Taken {
    intake.copy(subscription, "quota_id", quota, source)?;
    let Some(quota) = quota.and_then(Value::as_str) else { return Ok(()) };
    match offer_class(quota) {
        Some(class) => intake.builder.set_text(subscription, "offer_class", class, source)?,
        None => {
            let reason = format!("`{quota}` is an offer that is not known here");
            intake.builder.set_unknown(subscription, "offer_class", &reason, source)?;
        }
    }
    Ok(())
}

/// Returns the class of an offer by quotaId ("Understand the terms in your Azure usage file", Microsoft Learn). Enterprise
/// Agreement and Customer Agreement share one value.
fn offer_class(quota: &str) -> Option<&'static str> {
    let name = quota.split_once('_').map_or(quota, |(name, _)| name).to_ascii_lowercase();
    Some(match name.as_str() {
        "csp" | "cspdevtest" => "CloudSolutionProvider",
        "enterpriseagreement" => "EnterpriseOrCustomerAgreement",
        "msdndevtest" => "DevTest",
        "payasyougo" => "PayAsYouGo",
        "msdn" => "VisualStudio",
        "mpn" => "PartnerBenefit",
        "freetrial" | "azureinopen" | "azurepass" => "Trial",
        "sponsored" => "Sponsored",
        "azureforstudents" | "dreamspark" => "Student",
        "internal" => "InternalUse",
        "default" => "OtherOffer",
        _ => return None,
    })
}

fn take_managing(intake: &mut Intake<'_>, subscription: Handle, fields: &Fields<'_>, source: SourceId) -> Taken {
    let Some(Value::Array(tenants)) = fields.get("managedByTenants") else { return Ok(()) };
    for tenant in tenants {
        let id = tenant.get("tenantId").or(Some(tenant)).and_then(Value::as_str).filter(|id| !id.trim().is_empty());
        let Some(id) = id else {
            let open = crate::model::Completeness::open(Some("a managing tenant has no id".to_owned()), Some(source));
            return Ok(intake.builder.claim(subscription, "managed_by_tenants", open)?);
        };
        let tenant = intake.builder.entity_named("Tenant", id)?;
        intake.builder.link(subscription, "managed_by_tenants", tenant, crate::model::Interval::CURRENT, source)?;
    }
    // The list comes whole inside the object.
    let whole = crate::model::Completeness::now(Some(source));
    Ok(intake.builder.claim(subscription, "managed_by_tenants", whole)?)
}

/// Resource Graph tells the management groups above, nearest first.
fn take_parent(intake: &mut Intake<'_>, subscription: Handle, fields: &Fields<'_>) -> Taken {
    let chain = ["managementGroupAncestorsChain", "mgChain"].iter().find_map(|name| fields.get(name));
    let nearest = chain.and_then(Value::as_array).and_then(|chain| chain.first()).and_then(|group| group.get("name"));
    let Some(name) = nearest.and_then(Value::as_str).filter(|name| !name.is_empty()) else { return Ok(()) };
    let source = intake.source("arm:managementGroups");
    let parent = intake.scope(&super::management_groups::path(name))?;
    Ok(intake.builder.refer(subscription, "parent", parent, source)?)
}

//! Objects of Partner Center: who the customers are, what they bought through the partner, and which PartnerIDs are real.
//!
//! Source: the Partner Center REST reference (customer, subscription, relationship and profile resources).

use serde_json::Value;

use super::arm::billing::RANK_ORDER;
use super::import::{Fields, Intake, Refusal, Taken};
use crate::model::{SourceId, canonical_guid, is_guid};
use crate::snapshot::Handle;

/// A customer: its directory. The names are those of the company, so those of the directory itself go first.
pub(super) fn take_customer(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let profile = item.get("companyProfile").unwrap_or(&Value::Null);
    let profile = Fields::of(profile);
    let id = profile.text("tenantId").filter(|id| is_guid(id)).map_or_else(|| Fields::of(item).id(), Ok)?;
    let source = intake.source("partnercenter:customers");
    let tenant = intake.builder.entity_named("Tenant", id)?;
    for (name, field) in [("display_name", "companyName"), ("default_domain", "domain")] {
        if let Some(text) = profile.text(field) {
            intake.later.customer_names.insert((tenant, name, text.to_owned(), source));
        }
    }
    Ok(())
}

/// Tells whether what a customer bought is billed by use, as Azure is. Source: subscription resources, `billingType`.
pub(super) fn is_billed_by_use(item: &Value) -> bool {
    Fields::of(item).text("billingType").is_some_and(|ty| ty.eq_ignore_ascii_case("usage"))
}

/// What a customer bought: seats, or Azure that is billed by use.
pub(super) fn take_subscription(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source("partnercenter:subscriptions");
    let subscription = match (is_billed_by_use(item), fields.text("entitlementId")) {
        (true, Some(azure)) if is_guid(azure) => super::arm::subscriptions::azure(intake, azure)?,
        (true, Some(_)) => return Err(Refusal::new("its entitlementId is no id of an Azure subscription")),
        // A plan is none itself: its subscriptions are entitlements.
        (true, None) => return Ok(()),
        (false, _) if fields.text("billingType").is_none() => return Err(Refusal::new("it does not say how it is billed")),
        (false, _) => seats(intake, id, &fields, source)?,
    };
    let name = fields.get("friendlyName").filter(|name| !name.is_null()).or_else(|| fields.get("offerName"));
    intake.copy(subscription, "display_name", name, source)?;
    intake.copy(subscription, "is_trial", fields.get("isTrial"), source)?;
    match fields.get("partnerId") {
        // It is of the indirect model; without it, the partner itself may be the one who sold it.
        Some(Value::Null) => {
            intake.builder.set_unknown(subscription, "reseller_partner_id", "Partner Center names no indirect reseller", source)?;
        }
        id => intake.copy(subscription, "reseller_partner_id", id.filter(|id| id.as_str() != Some("")), source)?,
    }
    intake.acquired(subscription, RANK_ORDER, fields.get("creationDate"), source);
    take_common(intake, subscription, &fields, source)
}

fn seats(intake: &mut Intake<'_>, id: &str, fields: &Fields<'_>, source: SourceId) -> Result<Handle, Refusal> {
    if !is_guid(id) {
        return Err(Refusal::new(format!("its id `{}` is none of a subscription", id.chars().take(40).collect::<String>())));
    }
    let subscription = intake.builder.entity_named("Subscription", &format!("/commercesubscriptions/{}", canonical_guid(id)))?;
    intake.builder.set_none(subscription, "parent", source)?;
    let offer = fields.text("offerName").unwrap_or("without a name");
    let reason = format!("no table tells which service the offer `{offer}` is for");
    intake.builder.set_unknown(subscription, "service", &reason, source)?;
    Ok(subscription)
}

/// An Azure subscription under a plan of a customer.
pub(super) fn take_entitlement(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = Some(fields.id()?).filter(|id| is_guid(id)).ok_or_else(|| Refusal::new("its id is none of an Azure subscription"))?;
    let subscription = super::arm::subscriptions::azure(intake, id)?;
    let source = intake.source("partnercenter:azureEntitlements");
    intake.copy(subscription, "display_name", fields.get("friendlyName"), source)?;
    take_common(intake, subscription, &fields, source)
}

/// State and directory, which the request names. What is none of the states a snapshot knows stays unknown, as it is spelled.
fn take_common(intake: &mut Intake<'_>, subscription: Handle, fields: &Fields<'_>, source: SourceId) -> Taken {
    if let Some(status) = fields.text("status") {
        let state = match status.to_ascii_lowercase().as_str() {
            "active" => "Enabled",
            "suspended" => "Suspended",
            "deleted" => "Deleted",
            _ => status,
        };
        intake.builder.set_text(subscription, "state", state, source)?;
    }
    if let Some(customer) = intake.origin.customer.clone() {
        intake.builder.set_text(subscription, "tenant", &customer, source)?;
    }
    Ok(())
}

/// A reseller or a provider that the partner works with.
pub(super) fn take_relationship(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("partnercenter:relationships");
    let partner = partner(intake, &fields)?;
    intake.copy(partner, "display_name", fields.get("name"), source)?;
    match fields.text("id").filter(|id| is_guid(id)) {
        Some(id) => Ok(intake.builder.set_text(partner, "tenant", id, source)?),
        None => Ok(intake.builder.set_unknown(partner, "tenant", "Partner Center names no directory of it", source)?),
    }
}

/// A PartnerID that exists; asked without one, that of the directory itself.
pub(super) fn take_profile(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("partnercenter:profiles/mpn");
    let partner = partner(intake, &fields)?;
    intake.copy(partner, "display_name", fields.get("partnerName"), source)?;
    if intake.origin.own_profile {
        intake.later.residents.insert((partner, "tenant", source));
    }
    Ok(intake.builder.set(partner, "verified", crate::model::Value::Bool(true), source)?)
}

fn partner(intake: &mut Intake<'_>, fields: &Fields<'_>) -> Result<Handle, Refusal> {
    let number = fields.get("mpnId").and_then(Value::as_u64).map(|id| id.to_string());
    let id = number.or_else(|| fields.text("mpnId").map(str::to_owned)).ok_or_else(|| Refusal::new("it has no mpnId"))?;
    Ok(intake.builder.entity_named("Partner", &id)?)
}

/// The code with which Partner Center says that a PartnerID is none. Source: "Verify a partner MPN ID", failure.
const NO_PARTNER: u64 = 3000;

/// Tells whether the body of a 404 says that there is no such PartnerID; any other 404 says nothing of it.
pub(super) fn is_no_partner(body: Option<&Value>) -> bool {
    let code = body.and_then(|body| body.get("code"));
    code.and_then(Value::as_u64) == Some(NO_PARTNER) || code.and_then(Value::as_str) == Some("3000")
}

/// Takes the answer that there is no such PartnerID.
pub(super) fn take_absent_profile(intake: &mut Intake<'_>, id: &str) -> Taken {
    let source = intake.source("partnercenter:profiles/mpn");
    let partner = intake.builder.entity_named("Partner", id)?;
    Ok(intake.builder.set(partner, "verified", crate::model::Value::Bool(false), source)?)
}

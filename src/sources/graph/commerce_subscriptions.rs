//! Licence subscriptions of Microsoft 365 and its kin.

use serde_json::Value;

use crate::sources::arm::billing::RANK_LICENCE;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    // The admin center and designations name the commerce id; the directory's own id serves where it is absent.
    let id = fields.any_text(&["commerceSubscriptionId", "id"]).ok_or_else(|| Refusal::new("it has no id"))?;
    let source = intake.source("graph:directory/subscriptions");
    let subscription = intake.builder.entity_named("Subscription", &format!("/commercesubscriptions/{id}"))?;
    intake.later.residents.insert((subscription, "tenant", source));
    intake.builder.set_none(subscription, "parent", source)?;
    let pairs = [("sku_part_number", "skuPartNumber"), ("is_trial", "isTrial"), ("display_name", "skuPartNumber")];
    intake.copy_all(subscription, &fields, &pairs, source)?;
    match fields.text("status") {
        Some("Warning") => intake.builder.set_text(subscription, "state", "Warned", source)?,
        _ => intake.copy(subscription, "state", fields.get("status"), source)?,
    }
    intake.copy(subscription, "created_by_tenant", fields.get("ownerTenantId"), source)?;
    intake.acquired(subscription, RANK_LICENCE, fields.get("createdDateTime"), source);
    // Without a product the service is not known, as everything nobody stated.
    let Some(sku) = fields.text("skuPartNumber") else { return Ok(()) };
    match service(sku) {
        Some(service) => intake.builder.set_text(subscription, "service", service, source)?,
        None => {
            let reason = format!("no table tells which service the product `{sku}` is for");
            intake.builder.set_unknown(subscription, "service", &reason, source)?;
        }
    }
    Ok(())
}

/// Returns the service of a product, where its name leaves no doubt ("Product names and service plan identifiers for
/// licensing", Microsoft Learn).
fn service(sku: &str) -> Option<&'static str> {
    let sku = sku.to_ascii_uppercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| sku.starts_with(prefix));
    let is = |names: &[&str]| names.contains(&sku.as_str());
    if starts(&["DYN365_BUSCENTRAL", "DYN365_FINANCIALS"]) {
        Some("BusinessCentral")
    } else if starts(&["DYN365_", "CRM"]) {
        Some("Dynamics365")
    } else if is(&["EMS", "EMSPREMIUM"]) || starts(&["EMS_"]) {
        Some("EnterpriseMobility")
    } else if is(&["INTUNE_A"]) || starts(&["INTUNE_A_"]) {
        Some("Intune")
    } else if starts(&["POWER_BI_", "PBI_PREMIUM"]) {
        Some("PowerBi")
    } else if is(&["ENTERPRISEPACK", "ENTERPRISEPREMIUM", "STANDARDPACK", "DESKLESSPACK", "SPB"])
        || starts(&["SPE_E", "SPE_F", "O365_BUSINESS", "ENTERPRISEPACK_", "ENTERPRISEPREMIUM_", "MICROSOFT_365_E"])
    {
        Some("Microsoft365")
    } else {
        None
    }
}

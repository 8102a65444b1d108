//! Partner Admin Links, as an identity reads its own.

use serde_json::Value;

use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let text = |name| fields.text(name).ok_or_else(|| Refusal::new(format!("it has no {name}")));
    let (tenant, object) = (text("tenantId")?, text("objectId")?);
    let source = intake.source("arm:managementPartner");
    let key = format!("{}/{}", tenant.to_lowercase(), object.to_lowercase());
    let link = intake.builder.entity_named("PartnerLink", &key)?;
    let identity = intake.principal(object, None)?;
    intake.builder.refer(link, "identity", identity, source)?;
    intake.copy(link, "tenant", fields.get("tenantId"), source)?;
    intake.copy(link, "partner_id", fields.get("partnerId"), source)?;
    match intake.builder.entity_named("Partner", text("partnerId")?) {
        Ok(partner) => {
            intake.builder.refer(link, "partner", partner, source)?;
            intake.copy(partner, "display_name", fields.get("partnerName"), source)?;
        }
        Err(error) => intake.builder.set_unknown(link, "partner", &error.to_string(), source)?,
    }
    match fields.text("state") {
        Some("Deleted") => intake.builder.set_text(link, "state", "Removed", source)?,
        Some(state) => intake.builder.set_text(link, "state", state, source)?,
        None => {}
    }
    intake.copy(link, "linked_at", fields.get("createdTime"), source)
}

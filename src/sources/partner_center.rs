//! Objects of Partner Center. Only what a snapshot holds is taken: that a PartnerID exists.

use serde_json::Value;

use super::import::{Fields, Intake, Refusal, Taken};

pub(super) fn take_profile(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("mpnId").ok_or_else(|| Refusal::new("it has no mpnId"))?;
    let source = intake.source("partnercenter:profiles/mpn");
    let partner = intake.builder.entity_named("Partner", id)?;
    intake.copy(partner, "display_name", fields.get("partnerName"), source)?;
    Ok(intake.builder.set(partner, "verified", crate::model::Value::Bool(true), source)?)
}

//! Classic administrators.

use serde_json::Value;

use crate::model::canonical_arm_id;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = canonical_arm_id(fields.id()?);
    let source = intake.source("arm:classicAdministrators");
    let mut segments = id.split('/').skip(1);
    let subscription = match (segments.next(), segments.next()) {
        (Some("subscriptions"), Some(guid)) => super::subscriptions::azure(intake, guid)?,
        _ => return Err(Refusal::new("its id names no subscription")),
    };
    let administrator = intake.builder.entity_named("ClassicAdministrator", &id)?;
    intake.builder.refer(administrator, "subscription", subscription, source)?;
    intake.copy_all(administrator, &fields, &[("email", "emailAddress"), ("role", "role")], source)
}

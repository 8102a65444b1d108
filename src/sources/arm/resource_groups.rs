//! Resource groups.

use serde_json::Value;

use crate::sources::import::{Fields, Intake, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("arm:resourceGroups");
    let group = intake.scope(fields.id()?)?;
    // A resource group's name is unique in its subscription without regard to case.
    let name = fields.outer("name").cloned();
    intake.copy(group, "display_name", name.as_ref(), source)?;
    intake.copy(group, "location", fields.outer("location"), source)
}

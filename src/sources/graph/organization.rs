//! The directory itself and its settings.

use serde_json::Value;

use crate::model::canonical_guid;
use crate::sources::import::{Fields, Intake, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source("graph:organization");
    let tenant = intake.builder.entity_named("Tenant", id)?;
    intake.copy(tenant, "display_name", fields.get("displayName"), source)?;
    let default = fields.list("verifiedDomains").iter().find(|domain| domain.get("isDefault") == Some(&Value::Bool(true)));
    intake.copy(tenant, "default_domain", default.and_then(|domain| domain.get("name")), source)?;
    intake.later.home.insert(canonical_guid(id));
    Ok(())
}

/// The policy does not say whose it is: it belongs to the directory the files describe.
pub(in crate::sources) fn take_authorization_policy(intake: &mut Intake<'_>, item: &Value) {
    let source = intake.source("graph:authorizationPolicy");
    intake.later.settings.push((item.clone(), source));
}

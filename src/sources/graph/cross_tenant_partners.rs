//! Directories named in the cross-tenant access policy.

use serde_json::Value;

use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("tenantId").ok_or_else(|| Refusal::new("it has no tenantId"))?;
    let source = intake.source("graph:crossTenantAccessPolicy/partners");
    let tenant = intake.builder.entity_named("Tenant", id)?;
    intake.later.partners.insert(tenant);
    intake.copy(tenant, "is_service_provider", fields.get("isServiceProvider"), source)
}

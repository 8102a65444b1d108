//! Directories the reader can see.

use serde_json::Value;

use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("arm:tenants");
    let tail = |id: &'_ str| id.rsplit('/').next().unwrap_or(id).to_owned();
    let id = fields.text("tenantId").map(str::to_owned).or_else(|| fields.text("id").map(tail));
    let id = id.ok_or_else(|| Refusal::new("it has no tenantId"))?;
    let tenant = intake.builder.entity_named("Tenant", &id)?;
    let pairs = [("display_name", "displayName"), ("default_domain", "defaultDomain"), ("category", "tenantCategory")];
    intake.copy_all(tenant, &fields, &pairs, source)
}

/// What Microsoft Graph tells of any directory: its names.
pub(in crate::sources) fn take_information(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:tenantInformation");
    let id = fields.text("tenantId").ok_or_else(|| Refusal::new("it has no tenantId"))?;
    let tenant = intake.builder.entity_named("Tenant", id)?;
    intake.copy_all(tenant, &fields, &[("display_name", "displayName"), ("default_domain", "defaultDomainName")], source)
}

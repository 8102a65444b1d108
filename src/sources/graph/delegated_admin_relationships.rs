//! Granular delegated admin relationships, as the partner's directory lists them.

use serde_json::Value;

use crate::model::canonical_guid;
use crate::sources::import::{Fields, Intake, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source("graph:delegatedAdminRelationships");
    let relationship = intake.builder.entity_named("DelegatedAdminRelationship", id)?;
    let pairs = [("display_name", "displayName"), ("status", "status"), ("activated_at", "activatedDateTime"), ("ends_at", "endDateTime")];
    intake.copy_all(relationship, &fields, &pairs, source)?;
    let customer = fields.get("customer").and_then(|customer| customer.get("tenantId"));
    intake.copy(relationship, "customer_tenant", customer, source)?;
    if let Some(extends) = fields.get("autoExtendDuration") {
        let extends = extends.as_str().is_some_and(|length| !matches!(length, "PT0S" | "P0D" | ""));
        intake.builder.set(relationship, "auto_extends", crate::model::Value::Bool(extends), source)?;
    }
    if let Some(Value::Array(roles)) = fields.get("accessDetails").and_then(|details| details.get("unifiedRoles")) {
        let ids: Vec<Value> = roles.iter().filter_map(|role| role.get("roleDefinitionId")).cloned().collect();
        let texts = intake.add_texts(relationship, "roles", &ids, canonical_guid, source)?;
        intake.claim_inner(relationship, "roles", texts && ids.len() == roles.len(), source)?;
    }
    Ok(())
}

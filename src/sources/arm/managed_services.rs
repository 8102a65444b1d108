//! Azure Lighthouse: delegations and the access they give.

use serde_json::Value;

use crate::model::{SourceId, canonical_arm_id, trailing_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

/// A definition; it means something where it is assigned.
pub(in crate::sources) fn take_definition(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let id = canonical_arm_id(Fields::of(item).id()?);
    let source = intake.source("arm:registrationDefinitions");
    intake.later.definitions.entry(id).or_default().push((item.clone(), source));
    Ok(())
}

/// An assignment of a definition to a scope.
pub(in crate::sources) fn take_assignment(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = canonical_arm_id(fields.id()?);
    let source = intake.source("arm:registrationAssignments");
    let scope = id.find("/providers/microsoft.managedservices/").and_then(|at| id.get(..at));
    let scope = scope.filter(|scope| !scope.is_empty()).ok_or_else(|| Refusal::new("its id names no scope"))?;
    let delegation = intake.builder.entity_named("Delegation", &id)?;
    let scope = intake.scope(scope)?;
    intake.builder.refer(delegation, "scope", scope, source)?;
    if let Some(definition) = fields.text("registrationDefinitionId") {
        intake.builder.set_text(delegation, "definition", definition, source)?;
    }
    let inline = ["registrationDefinition", "definition"].iter().find_map(|name| fields.get(name)).filter(|value| value.is_object());
    match inline {
        Some(definition) => describe(intake, delegation, definition, source),
        None => {
            let definition = fields.text("registrationDefinitionId").ok_or_else(|| Refusal::new("it names no definition"))?;
            intake.later.delegations.insert((delegation, canonical_arm_id(definition)));
            Ok(())
        }
    }
}

/// States of a delegation what its definition says.
pub(in crate::sources) fn describe(intake: &mut Intake<'_>, delegation: Handle, definition: &Value, source: SourceId) -> Taken {
    let fields = Fields::of(definition);
    let pairs = [
        ("display_name", "registrationDefinitionName"),
        ("managing_tenant", "managedByTenantId"),
        ("managing_tenant_name", "managedByTenantName"),
    ];
    intake.copy_all(delegation, &fields, &pairs, source)?;
    match fields.get("description") {
        // A definition as the service sends it leaves out what it does not have.
        None if fields.is_nested() => intake.builder.set_none(delegation, "description", source)?,
        field => intake.copy(delegation, "description", field, source)?,
    }
    match definition.get("plan") {
        Some(Value::Object(plan)) => intake.copy(delegation, "offer_publisher", plan.get("publisher"), source)?,
        // A definition as the service sends it has no plan if it came by template.
        _ if fields.is_nested() => intake.builder.set_none(delegation, "offer_publisher", source)?,
        _ => {}
    }
    let eligible = fields.get("eligibleAuthorizations");
    let mut whole =
        fields.get("authorizations").is_some_and(Value::is_array) && eligible.is_none_or(|list| list.is_array() || list.is_null());
    for (name, eligible) in [("authorizations", false), ("eligibleAuthorizations", true)] {
        for authorization in fields.list(name) {
            whole &= take_authorization(intake, delegation, authorization, eligible, source).is_ok();
        }
    }
    intake.claim_inner(delegation, "authorizations", whole, source)
}

fn take_authorization(intake: &mut Intake<'_>, delegation: Handle, item: &Value, eligible: bool, source: SourceId) -> Taken {
    let fields = Fields::of(item);
    let principal = fields.text("principalId").ok_or_else(|| Refusal::new("it has no principalId"))?;
    let role = fields.text("roleDefinitionId").ok_or_else(|| Refusal::new("it has no roleDefinitionId"))?;
    let role = trailing_guid(role);
    let way = if eligible { "eligible" } else { "standing" };
    let key = format!("{}|{}|{role}|{way}", intake.builder.key_of(delegation), principal.to_lowercase());
    let authorization = intake.builder.entity_named("Authorization", &key)?;
    let role = intake.builder.entity_named("RoleDefinition", &role)?;
    intake.builder.refer(authorization, "delegation", delegation, source)?;
    intake.builder.refer(authorization, "role", role, source)?;
    intake.copy(authorization, "principal_id", fields.get("principalId"), source)?;
    intake.copy(authorization, "principal_name", fields.get("principalIdDisplayName"), source)?;
    intake.builder.set(authorization, "is_eligible", crate::model::Value::Bool(eligible), source)?;
    let maximum = fields.get("justInTimeAccessPolicy").and_then(|policy| policy.get("maximumActivationDuration"));
    match maximum {
        None if !eligible => Ok(intake.builder.set_none(authorization, "maximum_activation", source)?),
        maximum => intake.copy(authorization, "maximum_activation", maximum, source),
    }
}

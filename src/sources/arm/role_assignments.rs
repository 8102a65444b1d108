//! Role assignments.

use serde_json::Value;

use crate::model::{SourceId, canonical_arm_id, trailing_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Condition, Fields, Grant, Intake, Refusal, Taken};

const SOURCE: &str = "arm:roleAssignments";

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source(SOURCE);
    let scope_id = fields.text("scope").map(str::to_owned).or_else(|| scope_of(id));
    let scope_id = scope_id.ok_or_else(|| Refusal::new("it names no scope"))?;
    let assignment = intake.builder.entity_named("RoleAssignment", id)?;
    take_grant(intake, assignment, &fields, &scope_id, source)?;
    take_condition(intake, assignment, &fields, source);
    // As with conditions: an answer of the service leaves out what there is none of. It knows delegated managed identities since
    // api-version 2019-04-01-preview (Azure Lighthouse documentation, how-to/deploy-policy-remediation).
    for (name, field) in [("description", "description"), ("delegated_managed_identity", "delegatedManagedIdentityResourceId")] {
        match fields.get(field) {
            None if intake.origin.says_conditions && fields.is_nested() => intake.builder.set_none(assignment, name, source)?,
            said => intake.copy(assignment, name, said, source)?,
        }
    }
    intake.copy(assignment, "created_at", fields.get("createdOn"), source)?;
    intake.since(assignment, fields.get("createdOn"));
    if let Some(creator) = fields.text("createdBy") {
        let creator = intake.principal(creator, None)?;
        intake.builder.refer(assignment, "created_by", creator, source)?;
    } else if fields.get("createdBy").is_some() {
        intake.builder.set_none(assignment, "created_by", source)?;
    }
    intake.grants.push(Grant { handle: assignment, scope: canonical_arm_id(&scope_id), denies: false, source });
    Ok(())
}

/// States scope, principal and role.
pub(in crate::sources) fn take_grant(
    intake: &mut Intake<'_>,
    assignment: Handle,
    fields: &Fields<'_>,
    scope: &str,
    source: SourceId,
) -> Taken {
    let scope = intake.scope(scope)?;
    intake.builder.refer(assignment, "scope", scope, source)?;
    if let Some(id) = fields.text("principalId") {
        let principal = intake.principal(id, fields.text("principalType"))?;
        intake.builder.refer(assignment, "principal", principal, source)?;
        if fields.text("delegatedManagedIdentityResourceId").is_some() {
            intake.later.foreign.insert(principal);
        }
        let is_user = fields.text("principalType").is_some_and(|kind| kind.eq_ignore_ascii_case("user"));
        if let Some(name) = fields.text("principalName").filter(|name| is_user && name.contains('@')) {
            intake.builder.set_text(principal, "user_principal_name", name, source)?;
        }
    }
    if let Some(id) = fields.text("roleDefinitionId") {
        let role = intake.builder.entity_named("RoleDefinition", &trailing_guid(id))?;
        intake.builder.refer(assignment, "role", role, source)?;
        if let Some(name) = fields.text("roleDefinitionName") {
            intake.builder.set_text(role, "display_name", name, source)?;
        }
    }
    Ok(())
}

/// Notes the condition; whether the assignment takes effect is concluded when all sources have spoken.
pub(in crate::sources) fn take_condition(intake: &mut Intake<'_>, assignment: Handle, fields: &Fields<'_>, source: SourceId) {
    let condition = fields.text("condition");
    let says = match fields.get("condition") {
        Some(_) if condition.is_some() => Condition::Attached,
        Some(Value::Null | Value::String(_)) => Condition::None,
        // An answer of the service leaves the field out if there is none; a projection may have dropped it.
        None if intake.origin.says_conditions && fields.is_nested() => Condition::None,
        _ => Condition::NotSaid,
    };
    intake.later.conditions.entry(assignment).or_default().insert((says, source));
    if let Some(text) = condition {
        intake.later.condition_texts.insert((assignment, text.to_owned(), source));
    }
}

/// Returns the scope that the id of an assignment names.
pub(in crate::sources) fn scope_of(id: &str) -> Option<String> {
    let id = canonical_arm_id(id);
    id.find("/providers/microsoft.authorization/role").and_then(|at| id.get(..at)).map(|scope| match scope {
        "" => "/".to_owned(),
        scope => scope.to_owned(),
    })
}

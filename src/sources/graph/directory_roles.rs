//! Directory roles and who holds them.

use serde_json::Value;

use crate::model::{SourceId, canonical_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

/// A role: activated ones have a template id beside their own, definitions have one id for both.
pub(in crate::sources) fn take_role(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:directoryRoles");
    let template = fields.any_text(&["roleTemplateId", "templateId", "id"]).ok_or_else(|| Refusal::new("it has no id"))?;
    let role = intake.builder.entity_named("DirectoryRole", template)?;
    intake.copy(role, "display_name", fields.get("displayName"), source)?;
    if let Some(id) = fields.text("id") {
        intake.later.role_templates.insert(canonical_guid(id), canonical_guid(template));
    }
    Ok(())
}

/// An assignment, plain or as Privileged Identity Management tells it.
pub(in crate::sources) fn take_assignment(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:roleAssignmentScheduleInstances");
    let principal = fields.text("principalId").ok_or_else(|| Refusal::new("it has no principalId"))?;
    let role = fields.text("roleDefinitionId").ok_or_else(|| Refusal::new("it has no roleDefinitionId"))?;
    let kind = fields.get("principal").and_then(|principal| principal.get("@odata.type")).and_then(Value::as_str);
    let principal = intake.principal(principal, kind)?;
    let assignment = hold(intake, principal, role, fields.text("directoryScopeId").unwrap_or("/"), source)?;
    match fields.text("assignmentType") {
        Some(kind) if kind.eq_ignore_ascii_case("Assigned") => intake.builder.set_text(assignment, "kind", "Standing", source)?,
        Some(kind) => intake.builder.set_text(assignment, "kind", kind, source)?,
        None => {}
    }
    intake.copy(assignment, "ends_at", fields.get("endDateTime"), source)
}

/// Returns the assignment of a role to a principal. The three reads that tell of it give it different ids, so it is keyed
/// by what it says.
pub(in crate::sources) fn hold(
    intake: &mut Intake<'_>,
    principal: Handle,
    template: &str,
    directory_scope: &str,
    source: SourceId,
) -> Result<Handle, Refusal> {
    let template = canonical_guid(template);
    let key = format!("{template}|{}|{}", intake.builder.key_of(principal), directory_scope.to_lowercase());
    let role = intake.builder.entity_named("DirectoryRole", &template)?;
    let assignment = intake.builder.entity_named("DirectoryRoleAssignment", &key)?;
    intake.builder.refer(assignment, "role", role, source)?;
    intake.builder.refer(assignment, "principal", principal, source)?;
    Ok(assignment)
}

/// A member of an activated role, named by the object id of the role.
pub(in crate::sources) fn take_member(intake: &mut Intake<'_>, role: &str, item: &Value) -> Taken {
    let member = super::principals::member(intake, item)?;
    let source = intake.source("graph:directoryRoles/members");
    intake.later.role_members.push((canonical_guid(role), member, source));
    Ok(())
}

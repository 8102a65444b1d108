//! Privileged Identity Management for Azure resources: what is eligible, and how what is active came to be.

use serde_json::Value;

use super::role_assignments::{scope_of, take_condition, take_grant};
use crate::sources::import::{Fields, Intake, Refusal, Taken};

/// Access that may be activated.
pub(in crate::sources) fn take_eligible(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source("arm:roleEligibilityScheduleInstances");
    let scope = fields.text("scope").ok_or_else(|| Refusal::new("it names no scope"))?;
    let eligibility = intake.builder.entity_named("RoleEligibility", id)?;
    take_grant(intake, eligibility, &fields, scope, source)?;
    intake.copy_all(eligibility, &fields, &[("starts_at", "startDateTime"), ("ends_at", "endDateTime")], source)
}

/// An active assignment: it tells of the role assignment it stems from whether that is standing or activated.
pub(in crate::sources) fn take_active(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let origin = fields.text("originRoleAssignmentId").filter(|id| id.contains('/'));
    let origin = origin.ok_or_else(|| Refusal::new("it names no role assignment it stems from"))?;
    let source = intake.source("arm:roleAssignmentScheduleInstances");
    let assignment = intake.builder.entity_named("RoleAssignment", origin)?;
    match fields.text("assignmentType") {
        Some(kind) if kind.eq_ignore_ascii_case("Assigned") => intake.builder.set_text(assignment, "kind", "Standing", source)?,
        Some(kind) => intake.builder.set_text(assignment, "kind", kind, source)?,
        None => {}
    }
    intake.copy(assignment, "ends_at", fields.get("endDateTime"), source)?;
    // Through a group or from above, principal and scope are those of this instance, not of the assignment.
    let direct = fields.text("memberType").is_none_or(|member| member.eq_ignore_ascii_case("Direct"));
    if let Some(scope) = scope_of(origin).filter(|_| direct) {
        take_grant(intake, assignment, &fields, &scope, source)?;
        take_condition(intake, assignment, &fields, source);
    }
    Ok(())
}

//! Exports of the Azure command line and of Azure PowerShell, brought to the form of the service's own answers.

use serde_json::{Map, Value};

use super::arm;
use super::import::{Fields, Intake, Refusal, Taken};

/// A line of `az account list`.
pub(super) fn take_account(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("id").ok_or_else(|| Refusal::new("it has no id"))?;
    if fields.text("tenantId").is_some_and(|tenant| id.eq_ignore_ascii_case(tenant)) {
        return Err(Refusal::new("it stands for a sign-in without subscription"));
    }
    let subscription = arm::subscriptions::azure(intake, id)?;
    let source = intake.source("arm:subscriptions");
    intake.copy(subscription, "display_name", fields.get("name"), source)?;
    intake.copy(subscription, "state", fields.get("state"), source)?;
    // `tenantId` is the directory of the sign-in, which may be a managing one.
    intake.copy(subscription, "tenant", fields.get("homeTenantId").or(fields.get("tenantId")), source)?;
    // The list is taken as it stands; whether the tool left some out is not known.
    let managing = fields.list("managedByTenants").iter().filter_map(|tenant| tenant.get("tenantId")).filter_map(Value::as_str);
    for managing in managing.filter(|id| !id.trim().is_empty()) {
        let managing = intake.builder.entity_named("Tenant", managing)?;
        intake.builder.link(subscription, "managed_by_tenants", managing, crate::model::Interval::CURRENT, source)?;
    }
    Ok(())
}

/// An item of `Get-AzRoleAssignment`.
pub(super) fn take_role_assignment(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let names = [
        ("RoleAssignmentId", "id"),
        ("Scope", "scope"),
        ("RoleDefinitionId", "roleDefinitionId"),
        ("RoleDefinitionName", "roleDefinitionName"),
        ("ObjectId", "principalId"),
        ("ObjectType", "principalType"),
        ("SignInName", "principalName"),
        ("Condition", "condition"),
    ];
    let mut renamed = Map::new();
    for (from, to) in names {
        if let Some(value) = item.get(from) {
            renamed.insert(to.to_owned(), value.clone());
        }
    }
    if !renamed.get("id").and_then(Value::as_str).is_some_and(|id| id.contains('/')) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (scope, name) = (text("Scope"), text("RoleAssignmentName"));
        let (Some(scope), Some(name)) = (scope, name) else { return Err(Refusal::new("it has no RoleAssignmentId")) };
        let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", scope.trim_end_matches('/'));
        renamed.insert("id".to_owned(), Value::from(id));
    }
    arm::role_assignments::take(intake, &Value::Object(renamed))
}

//! Users, groups, service principals and who is a member of what.

use serde_json::Value;

use crate::model::{Interval, SourceId};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take_user(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:users");
    let user = found(intake, &fields, "User", source)?;
    let pairs = [
        ("user_principal_name", "userPrincipalName"),
        ("mail", "mail"),
        ("user_type", "userType"),
        ("account_enabled", "accountEnabled"),
        ("created_at", "createdDateTime"),
        ("creation_type", "creationType"),
        ("external_user_state", "externalUserState"),
        ("on_premises_synced", "onPremisesSyncEnabled"),
    ];
    intake.copy_all(user, &fields, &pairs, source)?;
    if is_resident(&fields) {
        intake.later.residents.insert((user, "home_tenant", source));
    }
    Ok(())
}

/// A member may still come from elsewhere: an invited one bears the mark in its name.
fn is_resident(fields: &Fields<'_>) -> bool {
    let is = |name: &str, wanted: &str| fields.text(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    let named_here = fields.text("userPrincipalName").is_some_and(|name| !name.to_ascii_lowercase().contains("#ext#"));
    is("userType", "Member") && named_here && !is("creationType", "Invitation")
}

pub(in crate::sources) fn take_group(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:groups");
    let group = found(intake, &fields, "Group", source)?;
    intake.later.residents.insert((group, "home_tenant", source));
    // Whoever may not see hidden members gets a list without them, and no word of it.
    if fields.text("visibility").is_some_and(|visibility| visibility.eq_ignore_ascii_case("HiddenMembership")) {
        intake.later.hidden_groups.insert(intake.builder.key_of(group).to_owned());
    }
    intake.copy(group, "security_enabled", fields.get("securityEnabled"), source)?;
    intake.copy(group, "membership_rule", fields.get("membershipRule"), source)?;
    // Graph leaves the mark at null for groups that were not made assignable.
    let assignable = fields.get("isAssignableToRole").map(|value| if value.is_null() { &Value::Bool(false) } else { value });
    intake.copy(group, "role_assignable", assignable, source)
}

pub(in crate::sources) fn take_service_principal(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("graph:servicePrincipals");
    let principal = found(intake, &fields, "ServicePrincipal", source)?;
    let pairs = [
        ("app_id", "appId"),
        ("app_owner_tenant", "appOwnerOrganizationId"),
        ("service_principal_type", "servicePrincipalType"),
        ("account_enabled", "accountEnabled"),
    ];
    intake.copy_all(principal, &fields, &pairs, source)?;
    let owner = fields.get("appOwnerOrganizationId").filter(|owner| !owner.is_null());
    intake.copy(principal, "home_tenant", owner, source)
}

/// Returns the entity of an object the directory answered with, and states whether it still exists.
fn found(intake: &mut Intake<'_>, fields: &Fields<'_>, ty: &str, source: SourceId) -> Result<Handle, Refusal> {
    let handle = intake.builder.entity_named(ty, fields.id()?)?;
    let deleted = intake.origin.deleted || fields.text("deletedDateTime").is_some();
    intake.builder.set(handle, "exists", crate::model::Value::Bool(!deleted), source)?;
    intake.copy(handle, "display_name", fields.get("displayName"), source)?;
    intake.later.settled.insert(handle);
    Ok(handle)
}

/// A member of a group, whose kind is told by its `@odata.type` if at all.
pub(in crate::sources) fn take_member(intake: &mut Intake<'_>, group: &str, item: &Value) -> Taken {
    let member = member(intake, item)?;
    let group = intake.builder.entity_named("Group", group)?;
    let source = intake.source("graph:groups/members");
    Ok(intake.builder.link(group, "members", member, Interval::CURRENT, source)?)
}

/// Returns the principal that a list of members names.
pub(in crate::sources) fn member(intake: &mut Intake<'_>, item: &Value) -> Result<Handle, Refusal> {
    let fields = Fields::of(item);
    intake.principal(fields.id()?, fields.outer("@odata.type").and_then(Value::as_str))
}

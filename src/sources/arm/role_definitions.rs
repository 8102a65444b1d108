//! Role definitions.

use serde_json::Value;

use crate::model::{FactSource, SourceId, SourceKind, canonical_arm_id, trailing_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

const TABLE: &str = include_str!("../pec-roles.csv");
const LISTS: [(&str, &str); 4] =
    [("actions", "actions"), ("not_actions", "notActions"), ("data_actions", "dataActions"), ("not_data_actions", "notDataActions")];

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.outer("name").and_then(Value::as_str).filter(|name| !name.contains(' ') && !name.is_empty());
    let id = fields.id().map(trailing_guid).or_else(|_| id.map(trailing_guid).ok_or_else(|| Refusal::new("it has no id")))?;
    let source = intake.source("arm:roleDefinitions");
    let role = intake.builder.entity_named("RoleDefinition", &id)?;
    intake.copy(role, "display_name", fields.get("roleName"), source)?;
    intake.copy(role, "description", fields.get("description"), source)?;
    let ty = ["type", "roleType"].iter().find_map(|name| fields.get(name)).filter(|ty| !ty.as_str().is_some_and(|ty| ty.contains('/')));
    intake.copy(role, "type", ty, source)?;
    if fields.get("permissions").is_some_and(Value::is_array) {
        take_permissions(intake, role, fields.list("permissions"), source)?;
    }
    if fields.get("assignableScopes").is_some_and(Value::is_array) {
        let whole = intake.add_texts(role, "assignable_scopes", fields.list("assignableScopes"), canonical_arm_id, source)?;
        intake.claim_inner(role, "assignable_scopes", whole, source)?;
    }
    let builtin = ty.and_then(Value::as_str).is_some_and(|ty| ty.eq_ignore_ascii_case("BuiltInRole"));
    match fields.text("roleName").filter(|_| builtin) {
        Some(name) => take_credit(intake, role, name),
        None => Ok(()),
    }
}

/// A role allows the union of its permissions; action names compare without regard to case.
fn take_permissions(intake: &mut Intake<'_>, role: Handle, permissions: &[Value], source: SourceId) -> Taken {
    for (name, field) in LISTS {
        let mut whole = true;
        for permission in permissions {
            match permission.get(field) {
                None | Some(Value::Null) => {}
                Some(Value::Array(actions)) => whole &= intake.add_texts(role, name, actions, str::to_lowercase, source)?,
                Some(_) => whole = false,
            }
        }
        intake.claim_inner(role, name, whole, source)?;
    }
    Ok(())
}

/// A role that is not in the table stays unknown.
fn take_credit(intake: &mut Intake<'_>, role: Handle, name: &str) -> Taken {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(','));
    let Some((_, eligible)) = lines.find(|(known, _)| known.trim_matches('"').eq_ignore_ascii_case(name.trim())) else {
        return Ok(());
    };
    let source = intake.builder.source(FactSource::new(SourceKind::Table, "table:pec-roles"));
    Ok(intake.builder.set_text(role, "pec_eligible", eligible, source)?)
}

//! Deny assignments.

use serde_json::Value;

use crate::model::{Completeness, Interval, SourceId, canonical_arm_id};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Grant, Intake, Refusal, Taken};

/// The id that stands for everyone.
const EVERYONE: &str = "00000000-0000-0000-0000-000000000000";

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let source = intake.source("arm:denyAssignments");
    let scope = fields.text("scope").ok_or_else(|| Refusal::new("it names no scope"))?;
    let deny = intake.builder.entity_named("DenyAssignment", id)?;
    intake.grants.push(Grant { handle: deny, scope: canonical_arm_id(scope), denies: true, source });
    let scope = intake.scope(scope)?;
    intake.builder.refer(deny, "scope", scope, source)?;
    let pairs = [
        ("display_name", "denyAssignmentName"),
        ("spares_child_scopes", "doNotApplyToChildScopes"),
        ("is_system_protected", "isSystemProtected"),
    ];
    intake.copy_all(deny, &fields, &pairs, source)?;
    take_principals(intake, deny, "principals", fields.get("principals"), source)?;
    take_principals(intake, deny, "excluded_principals", fields.get("excludePrincipals"), source)?;
    if let Some(Value::Array(principals)) = fields.get("principals") {
        let everyone = principals.iter().any(is_everyone);
        intake.builder.set(deny, "denies_everyone", crate::model::Value::Bool(everyone), source)?;
    }
    if fields.get("permissions").is_some_and(Value::is_array) {
        let mut whole = true;
        let lists = fields.list("permissions").iter().flat_map(|permission| ["actions", "dataActions"].map(|name| permission.get(name)));
        for list in lists {
            match list {
                None | Some(Value::Null) => {}
                Some(Value::Array(actions)) => whole &= intake.add_texts(deny, "actions", actions, str::to_lowercase, source)?,
                Some(_) => whole = false,
            }
        }
        intake.claim_inner(deny, "actions", whole, source)?;
    }
    Ok(())
}

fn is_everyone(principal: &Value) -> bool {
    let is = |name: &str, wanted: &str| principal.get(name).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    is("id", EVERYONE) || is("type", "Everyone") || is("type", "SystemDefined")
}

fn take_principals(intake: &mut Intake<'_>, deny: Handle, name: &str, list: Option<&Value>, source: SourceId) -> Taken {
    let Some(Value::Array(principals)) = list else { return Ok(()) };
    for principal in principals.iter().filter(|principal| !is_everyone(principal)) {
        let Some(id) = principal.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) else {
            let open = Completeness::open(Some("a principal has no id".to_owned()), Some(source));
            return Ok(intake.builder.claim(deny, name, open)?);
        };
        let member = intake.principal(id, principal.get("type").and_then(Value::as_str))?;
        intake.builder.link(deny, name, member, Interval::CURRENT, source)?;
    }
    Ok(intake.builder.claim(deny, name, Completeness::now(Some(source)))?)
}

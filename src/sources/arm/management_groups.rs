//! Management groups in all the forms in which they are read: list, tree, descendants, entities, direct subscriptions.

use serde_json::Value;

use crate::model::{SourceId, canonical_guid};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

const SOURCE: &str = "arm:managementGroups";
const DEPTH_MAX: usize = 64;

/// Returns the path of a management group by its name.
pub(in crate::sources) fn path(name: &str) -> String {
    format!("/providers/Microsoft.Management/managementGroups/{name}")
}

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source(SOURCE);
    let group = group(intake, fields.id()?)?;
    let name = ["displayName", "display_name"].iter().find_map(|name| fields.get(name));
    intake.copy(group, "display_name", name, source)?;
    intake.copy(group, "tenant", fields.get("tenantId"), source)?;
    if let Some(parent) = parent(&fields) {
        refer_parent(intake, group, parent, source)?;
    } else if let Some(tenant) = fields.text("tenantId")
        && intake.builder.key_of(group).ends_with(&format!("/{}", canonical_guid(tenant)))
    {
        // The root management group bears the id of its tenant and hangs under nothing.
        intake.builder.set_none(group, "parent", source)?;
        intake.later.roots.insert(group);
    }
    take_children(intake, group, fields.list("children"), source, 0)
}

/// A subscription below a management group, from descendants, entities or the group's list of subscriptions.
pub(in crate::sources) fn take_subscription(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source(SOURCE);
    let id = fields.id()?.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let subscription = super::subscriptions::azure(intake, id)?;
    let name = ["displayName", "display_name"].iter().find_map(|name| fields.get(name));
    intake.copy(subscription, "display_name", name, source)?;
    intake.copy(subscription, "tenant", fields.get("tenant").or(fields.get("tenantId")), source)?;
    match parent(&fields) {
        Some(parent) => refer_parent(intake, subscription, parent, source),
        None => Ok(()),
    }
}

/// Settings of the whole tree; they name the directory they are of.
pub(in crate::sources) fn take_settings(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("tenantId").ok_or_else(|| Refusal::new("it has no tenantId"))?;
    let source = intake.source("arm:hierarchySettings");
    let tenant = intake.builder.entity_named("Tenant", id)?;
    intake.copy(tenant, "group_creation_needs_permission", fields.get("requireAuthorizationForGroupCreation"), source)?;
    intake.copy(tenant, "default_management_group", fields.get("defaultManagementGroup"), source)
}

fn group(intake: &mut Intake<'_>, id: &str) -> Result<Handle, Refusal> {
    let name = id.trim().trim_end_matches('/').rsplit('/').next().unwrap_or(id);
    Ok(intake.builder.entity_named("ManagementGroup", &path(name))?)
}

fn parent<'v>(fields: &Fields<'v>) -> Option<&'v str> {
    let above = fields.get("parent").or_else(|| fields.get("details").and_then(|details| details.get("parent")))?;
    let id = above.get("id").or(Some(above)).and_then(Value::as_str)?;
    Some(id).filter(|id| !id.trim().is_empty())
}

fn refer_parent(intake: &mut Intake<'_>, child: Handle, parent: &str, source: SourceId) -> Taken {
    let parent = group(intake, parent)?;
    Ok(intake.builder.refer(child, "parent", parent, source)?)
}

fn take_children(intake: &mut Intake<'_>, group: Handle, children: &[Value], source: SourceId, depth: usize) -> Taken {
    if depth > DEPTH_MAX {
        return Err(Refusal::new(format!("the tree of children is deeper than the limit of {DEPTH_MAX}")));
    }
    for child in children {
        let fields = Fields::of(child);
        let id = fields.id()?;
        let last = id.rsplit('/').next().unwrap_or_default();
        let handle = if id.to_ascii_lowercase().contains("/managementgroups/") {
            self::group(intake, id)?
        } else {
            super::subscriptions::azure(intake, last)?
        };
        intake.copy(handle, "display_name", fields.get("displayName"), source)?;
        intake.builder.refer(handle, "parent", group, source)?;
        take_children(intake, handle, fields.list("children"), source, depth + 1)?;
    }
    Ok(())
}

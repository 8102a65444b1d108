//! Management groups (Microsoft.Management 2023-04-01): where a subscription stands, and the settings of the tree.

use serde_json::{Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::operation::{Place, WINDOW, operation};
use super::tenant_policy::home;
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Method, Op, Repeatable, Risk, Undo};

const API: &str = "2023-04-01";
const GROUPS: &str = "/providers/Microsoft.Management/managementGroups";

/// `move_subscription(s, g)`: a PUT under the new group takes it away from the old one.
pub(super) fn move_subscription(world: &World<'_>) -> Outcome {
    let (subscription, group) = (world.entity(0)?, world.entity(1)?);
    if !world.is_a(group, "ManagementGroup") {
        return Err(format!("{} is not known to be a management group", world.label(group)));
    }
    let parent = world.refers(subscription, "parent")?;
    if !world.is_a(parent, "ManagementGroup") {
        return Err(format!("under which management group {} stands is not known", world.label(subscription)));
    }
    let id = world.key(subscription);
    let id =
        id.strip_prefix("/subscriptions/").filter(|id| !id.contains('/')).ok_or_else(|| format!("{id} is no subscription of Azure"))?;
    let (old, new) = (name(world, parent), name(world, group));
    let label = world.label(subscription);
    let place = |group: &str| Place::arm(format!("{GROUPS}/{group}/subscriptions/{id}"), API);
    let under = |group: &str| {
        let values = [("/properties/parent/id", json!(format!("{GROUPS}/{group}")))];
        place(group).present(&values, format!("{label} stands under {group}"))
    };
    let set = |from: &str, to: &str| {
        let sent = place(to).request(Method::Put, None);
        operation(sent, vec![under(from)], vec![under(to)], Repeatable::Same, WINDOW)
    };
    Ok(vec![Bound {
        op: Op::Change,
        risk: Risk::High,
        title: format!("move {label} from management group {} to {}", world.label(parent), world.label(group)),
        target: place(&new).path().to_owned(),
        operation: set(&old, &new),
        undo: Undo::By(Box::new(set(&new, &old))),
    }])
}

fn name(world: &World<'_>, group: EntityId) -> String {
    let key = world.key(group);
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

/// `require_permission_for_groups(t)`.
pub(super) fn require_permission(world: &World<'_>) -> Outcome {
    permission(world, true)
}

/// `set_permission_for_groups(t, needed)`.
pub(super) fn set_permission(world: &World<'_>) -> Outcome {
    permission(world, world.bool_argument(1)?)
}

fn permission(world: &World<'_>, new: bool) -> Outcome {
    let old = world.bool(world.entity(0)?, "group_creation_needs_permission")?;
    let title = format!("set whether making management groups needs a permission: {new}");
    setting(world, "requireAuthorizationForGroupCreation", &json!(old), &json!(new), title)
}

/// `set_default_group(t, g)`. What it was must be known to be put back; how to set none again is not documented.
pub(super) fn set_default(world: &World<'_>) -> Outcome {
    let old = official(&world.required_text(world.entity(0)?, "default_management_group")?)?;
    let new = official(world.text_argument(1)?)?;
    let title = format!("let new subscriptions land under {new}");
    setting(world, "defaultManagementGroup", &json!(old), &json!(new), title)
}

/// Returns a group's id as the service spells it.
fn official(id: &str) -> Result<String, String> {
    let prefix = GROUPS.to_lowercase();
    let name = id.to_lowercase().strip_prefix(&format!("{prefix}/")).map(str::to_owned);
    name.filter(|name| !name.is_empty() && !name.contains('/'))
        .map(|name| format!("{GROUPS}/{name}"))
        .ok_or_else(|| format!("`{id}` is no management group"))
}

/// Changes one setting of the tree and leaves the others alone; the root group bears the id of the directory.
fn setting(world: &World<'_>, field: &str, old: &Json, new: &Json, title: String) -> Outcome {
    let tenant = world.entity(0)?;
    home(world, tenant)?;
    let place = Place::arm(format!("{GROUPS}/{}/settings/default", world.key(tenant)), API);
    let pointer = format!("/properties/{field}");
    let is = |value: &Json| place.present(&[(pointer.as_str(), value.clone())], format!("{field} is {value}"));
    let set = |from: &Json, to: &Json| {
        let mut properties = serde_json::Map::new();
        properties.insert(field.to_owned(), to.clone());
        let sent = place.request(Method::Patch, Some(json!({ "properties": properties })));
        operation(sent, vec![is(from)], vec![is(to)], Repeatable::Same, WINDOW)
    };
    Ok(vec![Bound {
        op: Op::Change,
        risk: Risk::Medium,
        title,
        target: place.path().to_owned(),
        operation: set(old, new),
        undo: Undo::By(Box::new(set(new, old))),
    }])
}

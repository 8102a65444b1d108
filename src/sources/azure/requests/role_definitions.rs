//! Custom roles (Microsoft.Authorization 2022-04-01).
//!
//! A PUT replaces the whole definition. In the body of an undo, null is what was found before the step, so that a role comes back as it
//! was written, with all its permissions, of which a snapshot holds the union in lower case.

use serde_json::{Map, Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::ids::{below, name_of, role_definition};
use super::operation::{Place, WINDOW, operation};
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

const API: &str = "2022-04-01";
const LISTS: [(&str, &str); 4] =
    [("actions", "actions"), ("not_actions", "notActions"), ("data_actions", "dataActions"), ("not_data_actions", "notDataActions")];

/// A custom role.
struct Role {
    guid: String,
    name: String,
    scopes: Vec<String>,
}

impl Role {
    fn of(world: &World<'_>, role: EntityId) -> Result<Self, String> {
        if world.choice(role, "type")? != "CustomRole" {
            return Err(format!("{} is no custom role", world.label(role)));
        }
        Ok(Self {
            guid: world.key(role),
            name: world.required_text(role, "display_name")?,
            scopes: world.texts(role, "assignable_scopes")?,
        })
    }

    /// The definition through the first of its scopes.
    fn place(&self) -> Result<Place, String> {
        let scope = self.scopes.first().ok_or_else(|| format!("{} may be assigned nowhere, so its path is not known", self.name))?;
        Ok(Place::arm(below(scope, &format!("/providers/Microsoft.Authorization/roleDefinitions/{}", self.guid)), API))
    }

    fn as_recorded(&self, place: &Place) -> Expectation {
        let values = [("/properties/roleName", json!(self.name)), ("/properties/type", json!("CustomRole"))];
        place.present(&values, format!("the custom role {} is there", self.name))
    }

    /// Nobody holds it, wherever it may be assigned.
    fn unassigned(&self) -> Vec<Expectation> {
        let nobody = |scope: &String| {
            let list = Place::arm(below(scope, "/providers/Microsoft.Authorization/roleAssignments"), API);
            let values = [("/properties/roleDefinitionId", json!(role_definition(scope, &self.guid)))];
            list.nothing(&values, format!("nobody holds {} on {scope}", self.name))
        };
        self.scopes.iter().map(nobody).collect()
    }

    fn put(&self, place: &Place, body: Json) -> Operation {
        let before = vec![place.absent("the name is free")];
        operation(place.request(Method::Put, Some(body)), before, vec![self.as_recorded(place)], Repeatable::Same, WINDOW)
    }

    fn delete(&self, place: &Place) -> Operation {
        let mut before = vec![self.as_recorded(place)];
        before.extend(self.unassigned());
        let after = vec![place.absent(format!("the custom role {} is gone", self.name))];
        operation(place.request(Method::Delete, None), before, after, Repeatable::Same, WINDOW)
    }

    fn made(&self, title: String, description: Option<&str>, lists: &[Vec<String>; 4]) -> Outcome {
        let place = self.place()?;
        let permission: Map<String, Json> = lists.iter().zip(LISTS).map(|(list, (_, field))| (field.to_owned(), json!(list))).collect();
        let body = json!({ "properties": {
            "roleName": self.name,
            "description": description.unwrap_or_default(),
            "type": "CustomRole",
            "assignableScopes": self.scopes,
            "permissions": [permission],
        }});
        let undo = Undo::By(Box::new(self.delete(&place)));
        Ok(vec![Bound { op: Op::Add, risk: Risk::Low, title, target: place.path().to_owned(), operation: self.put(&place, body), undo }])
    }
}

/// `create_custom_role(s, name, allowed)`; the actions are given one after the other.
pub(super) fn create(world: &World<'_>) -> Outcome {
    let scope = world.key(world.entity(0)?);
    let name = world.text_argument(1)?.to_owned();
    let mut allowed = Vec::new();
    for at in 2..world.n_arguments() {
        allowed.push(world.text_argument(at)?.to_owned());
    }
    if allowed.is_empty() {
        return Err(format!("the role {name} would allow nothing"));
    }
    let guid = name_of("role-definition", &[&scope, &name]);
    let title = format!("make the custom role {name} on {scope}");
    Role { guid, name, scopes: vec![scope] }.made(title, None, &[allowed, Vec::new(), Vec::new(), Vec::new()])
}

/// `recreate_custom_role(r)`. The snapshot holds the union of the permissions of a role, which says the same only where nothing is excluded.
pub(super) fn recreate(world: &World<'_>) -> Outcome {
    let id = world.entity(0)?;
    let role = Role::of(world, id)?;
    let mut lists: [Vec<String>; 4] = Default::default();
    for (list, (name, _)) in lists.iter_mut().zip(LISTS) {
        *list = world.texts(id, name)?;
        if name.starts_with("not_") && !list.is_empty() {
            return Err(format!("{} excludes actions; to which of its permissions they belong is not in the snapshot", role.name));
        }
    }
    let description = world.text(id, "description")?;
    role.made(format!("make the custom role {} again", role.name), description.as_deref(), &lists)
}

/// `delete_custom_role(r)`; its undo puts back what was found before.
pub(super) fn delete(world: &World<'_>) -> Outcome {
    let role = Role::of(world, world.entity(0)?)?;
    let place = role.place()?;
    let found = json!({ "properties": {
        "roleName": role.name,
        "description": null,
        "type": "CustomRole",
        "assignableScopes": null,
        "permissions": null,
    }});
    let undo = Undo::By(Box::new(role.put(&place, found)));
    let title = format!("delete the custom role {}", role.name);
    Ok(vec![Bound { op: Op::Remove, risk: Risk::Medium, title, target: place.path().to_owned(), operation: role.delete(&place), undo }])
}

//! Delegations (Azure Lighthouse, Microsoft.ManagedServices 2022-10-01): a definition says what, an assignment says where.
//!
//! Writes take a while and show up to 15 minutes later. There is no ETag, and a definition is replaced as a whole, so it is expected
//! to be as it was read. Two delegations of the same principal and role share their access: ending one ends the other's.

use serde_json::{Map, Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::ids::{below, cut, name_of, subscription_of};
use super::operation::{Place, WINDOW_DELEGATION, operation, optional};
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

const API: &str = "2022-10-01";
const ASSIGNMENT: &str = "Microsoft.ManagedServices/registrationAssignments";
const DEFINITION: &str = "Microsoft.ManagedServices/registrationDefinitions";
const USER_ACCESS_ADMINISTRATOR: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";

#[derive(Clone, PartialEq)]
struct Authorized {
    principal: String,
    name: Option<String>,
    role: String,
}

impl Authorized {
    fn body(&self) -> Json {
        let mut body = Map::new();
        body.insert("principalId".to_owned(), json!(self.principal));
        if let Some(name) = &self.name {
            body.insert("principalIdDisplayName".to_owned(), json!(name));
        }
        body.insert("roleDefinitionId".to_owned(), json!(self.role));
        Json::Object(body)
    }
}

/// A definition that can be put as a whole.
#[derive(Clone)]
struct Definition {
    id: String,
    name: String,
    description: Option<String>,
    managing_tenant: String,
    authorized: Vec<Authorized>,
}

impl Definition {
    /// Reads the definition of a delegation; what a snapshot does not hold of it must not be in it.
    fn of(world: &World<'_>, delegation: EntityId) -> Result<Self, String> {
        offer(world, delegation)?;
        let mut authorized = Vec::new();
        for member in world.members(delegation, "authorizations")? {
            let id = member.entity().ok_or_else(|| "an authorization is no entity".to_owned())?;
            authorized.push(authorization(world, id)?);
        }
        authorized.sort_by(|a, b| (&a.principal, &a.role).cmp(&(&b.principal, &b.role)));
        Ok(Self {
            id: world.required_text(delegation, "definition")?,
            name: world.required_text(delegation, "display_name")?,
            description: world.text(delegation, "description")?,
            managing_tenant: world.required_text(delegation, "managing_tenant")?,
            authorized,
        })
    }

    fn place(&self) -> Result<Place, String> {
        let (scope, name) = cut(&self.id, DEFINITION)?;
        Ok(Place::arm(below(&scope, &format!("/providers/{DEFINITION}/{name}")), API))
    }

    fn body(&self) -> Json {
        let authorizations: Vec<Json> = self.authorized.iter().map(Authorized::body).collect();
        let mut properties = Map::new();
        properties.insert("registrationDefinitionName".to_owned(), json!(self.name));
        if let Some(description) = &self.description {
            properties.insert("description".to_owned(), json!(description));
        }
        properties.insert("managedByTenantId".to_owned(), json!(self.managing_tenant));
        properties.insert("authorizations".to_owned(), json!(authorizations));
        json!({ "properties": properties })
    }

    /// The definition as it must be found: with these authorizations, and with nothing that a snapshot does not hold.
    fn as_recorded(&self, place: &Place) -> Expectation {
        let mut pointers: Vec<(String, Json)> = vec![
            ("/properties/registrationDefinitionName".to_owned(), json!(self.name)),
            ("/properties/managedByTenantId".to_owned(), json!(self.managing_tenant)),
            ("/properties/description".to_owned(), optional(self.description.as_deref())),
            ("/properties/eligibleAuthorizations/0".to_owned(), Json::Null),
            ("/plan".to_owned(), Json::Null),
            (format!("/properties/authorizations/{}", self.authorized.len()), Json::Null),
        ];
        let bodies: Vec<Json> = self.authorized.iter().map(Authorized::body).collect();
        pointers.push(("/properties/authorizations".to_owned(), json!(bodies)));
        let values: Vec<(&str, Json)> = pointers.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
        place.present(&values, format!("the definition {} is as it was read", self.name))
    }

    fn put(&self, place: &Place, body: Json, before: Vec<Expectation>) -> Operation {
        operation(place.request(Method::Put, Some(body)), before, vec![self.as_recorded(place)], Repeatable::Same, WINDOW_DELEGATION)
    }
}

/// The body of an undo that puts back what was found before.
fn as_found() -> Json {
    json!({
        "properties": {
            "registrationDefinitionName": null,
            "description": null,
            "managedByTenantId": null,
            "authorizations": null,
            "eligibleAuthorizations": null,
        },
    })
}

/// A delegation that came as an offer is put again only by its publisher.
fn offer(world: &World<'_>, delegation: EntityId) -> Result<(), String> {
    match world.text(delegation, "offer_publisher")? {
        None => Ok(()),
        Some(publisher) => Err(format!(
            "{} came as an offer of {publisher} in the marketplace, which only its publisher can put again",
            world.label(delegation)
        )),
    }
}

fn authorization(world: &World<'_>, id: EntityId) -> Result<Authorized, String> {
    let role = world.key(world.refers(id, "role")?);
    if world.bool(id, "is_eligible")? {
        return Err(format!("{} is eligible: its approvers are not in the snapshot, so its definition is not put again", world.label(id)));
    }
    if role.eq_ignore_ascii_case(USER_ACCESS_ADMINISTRATOR) {
        return Err("the delegation gives User Access Administrator: which roles that may give is not in the snapshot, so its definition is not put again".to_owned());
    }
    Ok(Authorized { principal: world.required_text(id, "principal_id")?, name: world.text(id, "principal_name")?, role })
}

/// Where a definition is assigned.
struct Assigned {
    place: Place,
    definition: String,
    words: String,
}

impl Assigned {
    fn of(world: &World<'_>, delegation: EntityId) -> Result<Self, String> {
        let (scope, name) = cut(&world.key(delegation), ASSIGNMENT)?;
        let place = Place::arm(below(&scope, &format!("/providers/{ASSIGNMENT}/{name}")), API);
        let words = format!("the delegation {} on {scope}", world.label(delegation));
        Ok(Self { place, definition: world.required_text(delegation, "definition")?, words })
    }

    fn as_recorded(&self) -> Expectation {
        let values = [("/properties/registrationDefinitionId", json!(self.definition))];
        self.place.present(&values, format!("{} is as it was read", self.words))
    }

    fn delete(&self) -> Operation {
        let after = vec![self.place.absent(format!("{} is gone", self.words))];
        operation(self.place.request(Method::Delete, None), vec![self.as_recorded()], after, Repeatable::Same, WINDOW_DELEGATION)
    }

    fn put(&self) -> Operation {
        let body = json!({ "properties": { "registrationDefinitionId": self.definition } });
        let before = vec![self.place.absent("the name is free")];
        operation(self.place.request(Method::Put, Some(body)), before, vec![self.as_recorded()], Repeatable::Same, WINDOW_DELEGATION)
    }
}

/// `end_delegation(d)`: the assignment goes first, then its definition if nothing else is known to use it.
pub(super) fn end(world: &World<'_>) -> Outcome {
    let delegation = world.entity(0)?;
    let assigned = Assigned::of(world, delegation)?;
    let back = offer(world, delegation);
    let undo = |operation: Operation| match &back {
        Ok(()) => Undo::By(Box::new(operation)),
        Err(reason) => Undo::Irreversible(reason.clone()),
    };
    let mut bound = vec![Bound {
        op: Op::Remove,
        risk: Risk::High,
        title: format!("end {}", assigned.words),
        target: assigned.place.path().to_owned(),
        operation: assigned.delete(),
        undo: undo(assigned.put()),
    }];
    if !shares_definition(world, delegation, &assigned.definition)? {
        let (delete, put) = definition_alone(world, delegation, &assigned)?;
        bound.push(Bound {
            op: Op::Remove,
            risk: Risk::High,
            title: format!("delete the definition of {}", assigned.words),
            target: delete.request.path.clone(),
            operation: delete,
            undo: undo(put),
        });
    }
    Ok(bound)
}

/// Deleting a definition that nothing uses any more, and putting back what was found.
fn definition_alone(world: &World<'_>, delegation: EntityId, assigned: &Assigned) -> Result<(Operation, Operation), String> {
    let (at, name) = cut(&assigned.definition, DEFINITION)?;
    let place = Place::arm(below(&at, &format!("/providers/{DEFINITION}/{name}")), API);
    let managing = json!(world.required_text(delegation, "managing_tenant")?);
    let found = place.present(&[("/properties/managedByTenantId", managing)], "the definition is of the same managing tenant");
    let uses = [("/properties/registrationDefinitionId", json!(assigned.definition))];
    let unused = Place::arm(below(&at, &format!("/providers/{ASSIGNMENT}")), API).nothing(&uses, "no other delegation uses the definition");
    let absent = |what: &str| vec![place.absent(what)];
    let delete = operation(
        place.request(Method::Delete, None),
        vec![found.clone(), unused],
        absent("the definition is gone"),
        Repeatable::Same,
        WINDOW_DELEGATION,
    );
    let sent = place.request(Method::Put, Some(as_found()));
    let put = operation(sent, absent("the name is free"), vec![found], Repeatable::Same, WINDOW_DELEGATION);
    Ok((delete, put))
}

/// Tells whether another delegation of the snapshot uses a definition.
fn shares_definition(world: &World<'_>, delegation: EntityId, definition: &str) -> Result<bool, String> {
    let schema = world.snapshot().schema();
    let Some(ty) = schema.entity_named("Delegation").map(|ty| ty.id) else { return Ok(false) };
    let now = |other: &EntityId| world.snapshot().lifetime(*other).contains(world.now()) != Some(false);
    for other in world.snapshot().extent(ty).filter(|other| *other != delegation).filter(now) {
        if world.required_text(other, "definition")?.eq_ignore_ascii_case(definition) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `delegate_again(d)`: definition and assignment, with the identifiers they had.
pub(super) fn delegate_again(world: &World<'_>) -> Outcome {
    let delegation = world.entity(0)?;
    let definition = Definition::of(world, delegation)?;
    let assigned = Assigned::of(world, delegation)?;
    let place = definition.place()?;
    let delete = |before: Vec<Expectation>| {
        let after = vec![place.absent("the definition is gone")];
        operation(place.request(Method::Delete, None), before, after, Repeatable::Same, WINDOW_DELEGATION)
    };
    Ok(vec![
        Bound {
            op: Op::Add,
            risk: Risk::Medium,
            title: format!("define {} again", assigned.words),
            target: place.path().to_owned(),
            operation: definition.put(&place, definition.body(), vec![place.absent("the name is free")]),
            undo: Undo::By(Box::new(delete(vec![definition.as_recorded(&place)]))),
        },
        Bound {
            op: Op::Add,
            risk: Risk::Medium,
            title: format!("assign {} again", assigned.words),
            target: assigned.place.path().to_owned(),
            operation: assigned.put(),
            undo: Undo::By(Box::new(assigned.delete())),
        },
    ])
}

/// `delegate(s, name, managing, principal, principal_name, r)`; names follow from managing tenant and offer, since a second definition of
/// the same offer would replace the first.
pub(super) fn delegate(world: &World<'_>) -> Outcome {
    let scope = world.key(world.entity(0)?);
    let (name, managing) = (world.text_argument(1)?, world.text_argument(2)?);
    let subscription = subscription_of(&scope)
        .ok_or_else(|| format!("{scope} is in no subscription, and only subscriptions and resource groups are delegated"))?;
    let role = world.entity(5)?;
    let authorized =
        Authorized { principal: world.text_argument(3)?.to_owned(), name: Some(world.text_argument(4)?.to_owned()), role: world.key(role) };
    if authorized.role.eq_ignore_ascii_case(USER_ACCESS_ADMINISTRATOR) {
        return Err(
            "User Access Administrator is delegated only for managed identities, with a list of roles, which is not done here".to_owned()
        );
    }
    let guid = name_of("registration-definition", &[&subscription, managing, name]);
    let definition = Definition {
        id: format!("{subscription}/providers/{DEFINITION}/{guid}"),
        name: name.to_owned(),
        description: None,
        managing_tenant: managing.to_owned(),
        authorized: vec![authorized],
    };
    let place = definition.place()?;
    let definitions = Place::arm(below(&subscription, &format!("/providers/{DEFINITION}")), API);
    let same_offer = [("/properties/registrationDefinitionName", json!(name)), ("/properties/managedByTenantId", json!(managing))];
    let before =
        vec![place.absent("the name is free"), definitions.nothing(&same_offer, "the managing tenant has no definition of that name yet")];
    let words = format!("the delegation {name} on {scope}");
    let assignment = below(&scope, &format!("/providers/{ASSIGNMENT}/{}", name_of("registration-assignment", &[&scope, &definition.id])));
    let assigned = Assigned { place: Place::arm(assignment, API), definition: definition.id.clone(), words };
    let after = vec![place.absent("the definition is gone")];
    let back =
        operation(place.request(Method::Delete, None), vec![definition.as_recorded(&place)], after, Repeatable::Same, WINDOW_DELEGATION);
    Ok(vec![
        Bound {
            op: Op::Add,
            risk: Risk::Medium,
            title: format!("define {}", assigned.words),
            target: place.path().to_owned(),
            operation: definition.put(&place, definition.body(), before),
            undo: Undo::By(Box::new(back)),
        },
        Bound {
            op: Op::Add,
            risk: Risk::Medium,
            title: format!("assign {}", assigned.words),
            target: assigned.place.path().to_owned(),
            operation: assigned.put(),
            undo: Undo::By(Box::new(assigned.delete())),
        },
    ])
}

/// `trim_authorization(x)`: the definition again, without one authorization.
pub(super) fn trim(world: &World<'_>) -> Outcome {
    let authorization_id = world.entity(0)?;
    let delegation = world.refers(authorization_id, "delegation")?;
    let whole = Definition::of(world, delegation)?;
    let gone = authorization(world, authorization_id)?;
    let mut less = whole.clone();
    less.authorized.retain(|other| *other != gone);
    if less.authorized.is_empty() {
        return Err(format!("it is the only authorization of {}: end the delegation instead", world.label(delegation)));
    }
    replace(&whole, &less, Op::Remove, format!("leave {} out of {}", described(&gone), world.label(delegation)))
}

/// `restore_authorization(x)`: the definition again, with the authorization.
pub(super) fn restore_authorization(world: &World<'_>) -> Outcome {
    let authorization_id = world.entity(0)?;
    let delegation = world.refers(authorization_id, "delegation")?;
    let back = authorization(world, authorization_id)?;
    let mut less = Definition::of(world, delegation)?;
    less.authorized.retain(|other| *other != back);
    let mut whole = less.clone();
    let title = format!("put {} back into {}", described(&back), world.label(delegation));
    whole.authorized.push(back);
    whole.authorized.sort_by(|a, b| (&a.principal, &a.role).cmp(&(&b.principal, &b.role)));
    replace(&less, &whole, Op::Add, title)
}

fn replace(old: &Definition, new: &Definition, op: Op, title: String) -> Outcome {
    let place = old.place()?;
    let risk = if op == Op::Remove { Risk::High } else { Risk::Medium };
    Ok(vec![Bound {
        op,
        risk,
        title,
        target: place.path().to_owned(),
        operation: new.put(&place, new.body(), vec![old.as_recorded(&place)]),
        undo: Undo::By(Box::new(old.put(&place, as_found(), vec![new.as_recorded(&place)]))),
    }])
}

fn described(authorized: &Authorized) -> String {
    format!("role {} of {}", authorized.role, authorized.name.as_deref().unwrap_or(&authorized.principal))
}

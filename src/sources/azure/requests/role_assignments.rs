//! Role assignments (Microsoft.Authorization 2022-04-01).
//!
//! There is no If-Match, so a step re-reads what it relies on just before it writes. Neither role nor principal can be changed in
//! place; description and condition can, by a PUT of the same name. `principalType` is always sent: a principal that was made just
//! now is otherwise not found. The source of the rules: domain notes, section 5.1.

use serde_json::{Map, Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::ids::{below, cut, name_of, role_definition};
use super::operation::{Place, WINDOW, operation, optional};
use crate::model::{EntityId, Value};
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

const API: &str = "2022-04-01";
const TYPE: &str = "Microsoft.Authorization/roleAssignments";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
/// Conditions are written in this version of their language.
const CONDITION_VERSION: &str = "2.0";

/// Principal, role and scope, with names for people.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) scope: String,
    pub(super) principal: String,
    pub(super) principal_label: String,
    pub(super) role: String,
    pub(super) role_label: String,
}

impl Grant {
    pub(super) fn new(world: &World<'_>, scope: EntityId, principal: EntityId, role: EntityId) -> Self {
        Self {
            scope: world.key(scope),
            principal: world.key(principal),
            principal_label: world.label(principal),
            role: world.key(role),
            role_label: world.label(role),
        }
    }

    /// Reads what an assignment or an eligibility grants.
    pub(super) fn of(world: &World<'_>, assignment: EntityId) -> Result<Self, String> {
        let scope = world.refers(assignment, "scope")?;
        Ok(Self::new(world, scope, world.refers(assignment, "principal")?, world.refers(assignment, "role")?))
    }

    pub(super) fn is_owner(&self) -> bool {
        self.role.eq_ignore_ascii_case(OWNER)
    }

    pub(super) fn role_id(&self) -> String {
        role_definition(&self.scope, &self.role)
    }

    /// The triple as it is expected; ids of roles are compared by their GUID, whatever scope they were read through.
    pub(super) fn triple(&self) -> [(&'static str, Json); 3] {
        [
            ("/properties/principalId", json!(self.principal)),
            ("/properties/roleDefinitionId", json!(self.role_id())),
            ("/properties/scope", json!(self.scope)),
        ]
    }

    pub(super) fn words(&self) -> String {
        format!("{} of {} on {}", self.role_label, self.principal_label, self.scope)
    }

    pub(super) fn risk_of_removal(&self) -> Risk {
        if self.is_owner() { Risk::High } else { Risk::Medium }
    }
}

/// What an assignment is for, in words.
#[derive(Clone, Default)]
enum Description {
    /// Said, or said to be absent.
    Known(Option<String>),
    /// Not read: not expected, and taken from what is found when an undo puts it back.
    #[default]
    Found,
}

/// What an assignment says besides the triple.
#[derive(Clone, Default)]
struct Extras {
    /// None where nobody can read it any more: an undo takes it from what is found.
    principal_type: Option<&'static str>,
    condition: Option<String>,
    description: Description,
}

impl Extras {
    fn of(world: &World<'_>, assignment: EntityId) -> Result<Self, String> {
        if let Some(identity) = world.text(assignment, "delegated_managed_identity")? {
            return Err(format!("a managing tenant made the assignment for the managed identity {identity}, so it is not touched"));
        }
        Ok(Self {
            principal_type: principal_type(world, world.refers(assignment, "principal")?),
            condition: world.text(assignment, "condition")?,
            description: world.text(assignment, "description").map_or(Description::Found, Description::Known),
        })
    }
}

fn place(scope: &str, name: &str) -> Place {
    Place::arm(below(scope, &format!("/providers/{TYPE}/{name}")), API)
}

/// The list of the assignments of one principal at a scope, above and below it.
fn list_of(grant: &Grant) -> Place {
    let list = Place::arm(below(&grant.scope, &format!("/providers/{TYPE}")), API);
    list.with("$filter", format!("principalId eq '{}'", grant.principal))
}

fn body(grant: &Grant, extras: &Extras) -> Json {
    let mut properties = Map::new();
    properties.insert("roleDefinitionId".to_owned(), json!(grant.role_id()));
    properties.insert("principalId".to_owned(), json!(grant.principal));
    // In the body of an undo, null is what was found before.
    properties.insert("principalType".to_owned(), optional(extras.principal_type));
    match &extras.description {
        Description::Known(Some(text)) => properties.insert("description".to_owned(), json!(text)),
        Description::Known(None) => None,
        // In the body of an undo, null is what was found before.
        Description::Found => properties.insert("description".to_owned(), Json::Null),
    };
    if let Some(condition) = &extras.condition {
        properties.insert("condition".to_owned(), json!(condition));
        properties.insert("conditionVersion".to_owned(), json!(CONDITION_VERSION));
    }
    json!({ "properties": properties })
}

/// The assignment as it must be found.
fn as_recorded(place: &Place, grant: &Grant, extras: &Extras) -> Expectation {
    let mut values: Vec<(&str, Json)> = grant.triple().to_vec();
    values.push(("/properties/condition", optional(extras.condition.as_deref())));
    if let Description::Known(description) = &extras.description {
        values.push(("/properties/description", optional(description.as_deref())));
    }
    place.present(&values, format!("{} is as it was read", grant.words()))
}

fn create(place: &Place, grant: &Grant, extras: &Extras, mut before: Vec<Expectation>) -> Operation {
    before.insert(0, place.absent("the name is free"));
    before.insert(1, list_of(grant).nothing(&grant.triple(), format!("nothing else gives {}", grant.words())));
    let after = vec![as_recorded(place, grant, extras)];
    operation(place.request(Method::Put, Some(body(grant, extras))), before, after, Repeatable::Same, WINDOW)
}

fn delete(place: &Place, grant: &Grant, extras: &Extras, mut before: Vec<Expectation>) -> Operation {
    before.insert(0, as_recorded(place, grant, extras));
    let after = vec![place.absent(format!("{} is gone", grant.words()))];
    operation(place.request(Method::Delete, None), before, after, Repeatable::Same, WINDOW)
}

/// Makes an assignment under a name chosen from its triple.
pub(super) fn add(world: &World<'_>, grant: &Grant, principal: EntityId) -> Result<Bound, String> {
    let name = name_of("role-assignment", &[&grant.scope, &grant.principal, &grant.role]);
    let extras = Extras { principal_type: Some(sendable_type(world, principal)?), condition: None, description: Description::Known(None) };
    let place = place(&grant.scope, &name);
    Ok(Bound {
        op: Op::Add,
        risk: if grant.is_owner() { Risk::Medium } else { Risk::Low },
        title: format!("assign {} to {} on {}", grant.role_label, grant.principal_label, grant.scope),
        target: place.path().to_owned(),
        operation: create(&place, grant, &extras, vec![exists(world, principal)?]),
        undo: Undo::By(Box::new(delete(&place, grant, &extras, Vec::new()))),
    })
}

/// `assign_role(s, p, r)`.
pub(super) fn assign(world: &World<'_>) -> Outcome {
    let (scope, principal, role) = (world.entity(0)?, world.entity(1)?, world.entity(2)?);
    Ok(vec![add(world, &Grant::new(world, scope, principal, role), principal)?])
}

/// `remove_assignment(a)`.
pub(super) fn remove(world: &World<'_>) -> Outcome {
    Ok(vec![take_away(world, world.entity(0)?)?])
}

/// Removes an assignment; its undo puts it back under its old name, without `createdOn` and `createdBy`.
pub(super) fn take_away(world: &World<'_>, assignment: EntityId) -> Result<Bound, String> {
    let grant = Grant::of(world, assignment)?;
    let principal = world.refers(assignment, "principal")?;
    refuse_foreign_group(world, principal)?;
    let extras = Extras::of(world, assignment)?;
    let (scope, name) = cut(&world.key(assignment), TYPE)?;
    let place = place(&scope, &name);
    let remaining = if grant.is_owner() { another_owner(world, assignment)? } else { Vec::new() };
    Ok(Bound {
        op: Op::Remove,
        risk: grant.risk_of_removal(),
        title: format!("remove {}", grant.words()),
        target: place.path().to_owned(),
        operation: delete(&place, &grant, &extras, remaining),
        undo: undo_of_removal(world, &place, &grant, &extras, principal),
    })
}

fn undo_of_removal(world: &World<'_>, place: &Place, grant: &Grant, extras: &Extras, principal: EntityId) -> Undo {
    match (sendable_type(world, principal), world.bool(principal, "exists")) {
        (Err(reason), _) => Undo::Irreversible(reason),
        (_, Ok(false)) => {
            Undo::Irreversible(format!("{} is gone from the directory, and access is given only to what is there", grant.principal_label))
        }
        (Ok(_), _) => Undo::By(Box::new(create(place, grant, extras, Vec::new()))),
    }
}

/// `recreate_assignment(a)`: the old name, the old body.
pub(super) fn recreate(world: &World<'_>) -> Outcome {
    let assignment = world.entity(0)?;
    let grant = Grant::of(world, assignment)?;
    let principal = world.refers(assignment, "principal")?;
    let description = Description::Known(world.text(assignment, "description")?);
    let extras = Extras { principal_type: Some(sendable_type(world, principal)?), description, ..Extras::of(world, assignment)? };
    let (scope, name) = cut(&world.key(assignment), TYPE)?;
    let place = place(&scope, &name);
    let known = if world.is_a(principal, "ForeignGroup") { Vec::new() } else { vec![exists(world, principal)?] };
    Ok(vec![Bound {
        op: Op::Add,
        risk: if grant.is_owner() { Risk::Medium } else { Risk::Low },
        title: format!("assign {} again", grant.words()),
        target: place.path().to_owned(),
        operation: create(&place, &grant, &extras, known),
        undo: Undo::By(Box::new(delete(&place, &grant, &extras, Vec::new()))),
    }])
}

/// `change_role(a, r)`: add, then remove.
pub(super) fn change_role(world: &World<'_>) -> Outcome {
    let (assignment, role) = (world.entity(0)?, world.entity(1)?);
    let principal = world.refers(assignment, "principal")?;
    swap(world, assignment, principal, role)
}

/// `change_principal(a, p)`: add, then remove.
pub(super) fn change_principal(world: &World<'_>) -> Outcome {
    let (assignment, principal) = (world.entity(0)?, world.entity(1)?);
    let role = world.refers(assignment, "role")?;
    swap(world, assignment, principal, role)
}

fn swap(world: &World<'_>, assignment: EntityId, principal: EntityId, role: EntityId) -> Outcome {
    if let Some(condition) = world.text(assignment, "condition")? {
        return Err(format!("the assignment has the condition `{condition}`; whether it fits another role or principal a person must say"));
    }
    let grant = Grant::new(world, world.refers(assignment, "scope")?, principal, role);
    Ok(vec![add(world, &grant, principal)?, take_away(world, assignment)?])
}

/// `set_condition(a, c)`; without `c` the condition is taken away.
pub(super) fn set_condition(world: &World<'_>) -> Outcome {
    let condition = world.has_argument(1).then(|| world.text_argument(1)).transpose()?.map(str::to_owned);
    change_text(world, "condition", |extras| extras.condition = condition)
}

/// `describe_assignment(a, text)`.
pub(super) fn describe(world: &World<'_>) -> Outcome {
    let text = world.has_argument(1).then(|| world.text_argument(1)).transpose()?.map(str::to_owned);
    change_text(world, "description", |extras| extras.description = Description::Known(text))
}

/// Puts the same assignment with another text. The whole body is replaced, so everything in it must be known.
fn change_text(world: &World<'_>, what: &str, change: impl FnOnce(&mut Extras)) -> Outcome {
    let assignment = world.entity(0)?;
    let grant = Grant::of(world, assignment)?;
    let principal = world.refers(assignment, "principal")?;
    refuse_foreign_group(world, principal)?;
    world.text(assignment, "description")?;
    let old = Extras { principal_type: Some(sendable_type(world, principal)?), ..Extras::of(world, assignment)? };
    let mut new = old.clone();
    change(&mut new);
    let (scope, name) = cut(&world.key(assignment), TYPE)?;
    let place = place(&scope, &name);
    let put = |from: &Extras, to: &Extras, before: Vec<Expectation>| {
        let mut before = before;
        before.insert(0, as_recorded(&place, &grant, from));
        let after = vec![as_recorded(&place, &grant, to)];
        operation(place.request(Method::Put, Some(body(&grant, to))), before, after, Repeatable::Same, WINDOW)
    };
    let narrows = what == "condition" && grant.is_owner();
    let remaining = if narrows { another_owner(world, assignment)? } else { Vec::new() };
    Ok(vec![Bound {
        op: Op::Change,
        risk: if what == "condition" { grant.risk_of_removal() } else { Risk::Low },
        title: format!("change the {what} of {}", grant.words()),
        target: place.path().to_owned(),
        operation: put(&old, &new, remaining),
        undo: Undo::By(Box::new(put(&new, &old, Vec::new()))),
    }])
}

// ---- Principals ----

/// Returns `principalType` of a principal.
fn principal_type(world: &World<'_>, principal: EntityId) -> Option<&'static str> {
    ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"].into_iter().find(|name| world.is_a(principal, name))
}

/// Returns `principalType` as it has to be sent.
pub(super) fn sendable_type(world: &World<'_>, principal: EntityId) -> Result<&'static str, String> {
    principal_type(world, principal).ok_or_else(|| format!("what kind of principal {} is, is not known", world.label(principal)))
}

/// Refuses what is the reseller's: its access is a matter of the contract.
pub(super) fn refuse_foreign_group(world: &World<'_>, principal: EntityId) -> Result<(), String> {
    match principal_type(world, principal) {
        Some("ForeignGroup") => Err(format!(
            "{} is a group of another directory, such as a reseller's: its access is never changed by the program",
            world.label(principal)
        )),
        Some(_) => Ok(()),
        // The kind of a principal that is gone cannot be read any more, but a foreign group would have said its kind.
        None if world.is_a(principal, "AbsentPrincipal") || world.bool(principal, "exists") == Ok(false) => Ok(()),
        None => Err(format!("what kind of principal {} is, is not known", world.label(principal))),
    }
}

/// Expects the directory to have a principal.
pub(super) fn exists(world: &World<'_>, principal: EntityId) -> Result<Expectation, String> {
    let list = match sendable_type(world, principal)? {
        "User" => "users",
        "Group" => "groups",
        "ServicePrincipal" => "servicePrincipals",
        other => return Err(format!("{} is a {other}, which the directory cannot be asked for", world.label(principal))),
    };
    let key = world.key(principal);
    let place = Place::graph(format!("/{list}/{key}")).with("$select", "id");
    Ok(place.present(&[("/id", json!(key))], format!("{} is in the directory", world.label(principal))))
}

// ---- The last Owner ----

/// An Owner who certainly works.
struct WorkingOwner {
    assignment: EntityId,
    grant: Grant,
    person: EntityId,
}

/// Expects another Owner of the scope who certainly works: a member of the customer's directory, enabled, with a standing assignment
/// here or above, of their own or of a group they are directly in.
pub(super) fn another_owner(world: &World<'_>, assignment: EntityId) -> Result<Vec<Expectation>, String> {
    let scope = world.refers(assignment, "scope")?;
    let mut others = world.certain_members(scope, "role_assignments");
    others.extend(world.certain_members(scope, "inherited_role_assignments"));
    let candidates = others.iter().filter_map(Value::entity).filter(|other| *other != assignment);
    let found = candidates.filter_map(|other| working_owner(world, other)).min_by_key(|owner| world.key(owner.assignment));
    let owner = found.ok_or_else(|| format!("no other working Owner of {} is certain, so this one stays", world.label(scope)))?;
    let (at, name) = cut(&world.key(owner.assignment), TYPE)?;
    let person = world.key(owner.person);
    let label = world.label(owner.person);
    let mut values = owner.grant.triple().to_vec();
    values.push(("/properties/condition", Json::Null));
    let account = Place::graph(format!("/users/{person}")).with("$select", "id,accountEnabled,userType");
    let mut expected = vec![
        place(&at, &name).present(&values, format!("another Owner remains: {label}")),
        account.present(&[("/accountEnabled", json!(true)), ("/userType", json!("Member"))], format!("{label} can sign in")),
    ];
    if !owner.grant.principal.eq_ignore_ascii_case(&person) {
        let members = Place::graph(format!("/groups/{}/transitiveMembers", owner.grant.principal)).with("$select", "id");
        expected.push(members.some(&[("/id", json!(person))], format!("{label} is in {}", owner.grant.principal_label)));
    }
    Ok(expected)
}

fn working_owner(world: &World<'_>, assignment: EntityId) -> Option<WorkingOwner> {
    let grant = Grant::of(world, assignment).ok().filter(Grant::is_owner)?;
    let holds = world.choice(assignment, "kind").is_ok_and(|kind| kind == "Standing")
        && world.bool(assignment, "effective") == Ok(true)
        && world.text(assignment, "condition") == Ok(None);
    let principal = world.refers(assignment, "principal").ok().filter(|_| holds)?;
    let members = if world.is_a(principal, "Group") { world.certain_members(principal, "members") } else { vec![Value::Entity(principal)] };
    let working = members.iter().filter_map(Value::entity).filter(|person| is_working_member(world, *person));
    let person = working.min_by_key(|person| world.key(*person))?;
    Some(WorkingOwner { assignment, grant, person })
}

fn is_working_member(world: &World<'_>, person: EntityId) -> bool {
    world.is_a(person, "User")
        && world.bool(person, "exists") == Ok(true)
        && world.bool(person, "account_enabled") == Ok(true)
        && world.choice(person, "user_type").is_ok_and(|ty| ty == "Member")
}

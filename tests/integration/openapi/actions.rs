//! Every action that a service carries out: its requests, what is read before and after, the way back, and what the tenant in
//! memory answers to all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use tenet::check::Action;
use tenet::model::{Base, Completeness, FactSource, Interval, Schema, SourceKind, Type, Value};
use tenet::remedy::bind::{Bind, Bound, Call};
use tenet::remedy::plan::{Method, Operation, Read, Request, Undo};
use tenet::snapshot::{Snapshot, SnapshotBuilder};
use tenet::sources::azure::AzureRequests;
use tenet::sources::azure::memory::{self, Caller, Grant, MemoryTenant};

use super::{Asked, Descriptions};
use crate::memory::recorded;
use crate::overlay::Random;
use crate::tenant::Tenant;

const HARPER: &str = "a0000007-0000-4000-8000-000000000000";
const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";
const SUB: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const GUEST: &str = "a0000024-0000-4000-8000-000000000000";
const ACTIVATION: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000/providers/microsoft.authorization/roleassignments/7e0000aa-0000-4000-8000-000000000000";
/// Choices of arguments that are tried for an action, and how many of them are enough.
const TRIES: usize = 4_000;
const ENOUGH: usize = 40;

fn verb(method: Option<Method>) -> String {
    method.map_or_else(|| "GET".to_owned(), |method| format!("{method:?}").to_uppercase())
}

/// Texts for a parameter.
fn texts(name: &str) -> &'static [&'static str] {
    match name {
        "mail" => &["new@partner.example"],
        "landing_page" => &["https://portal.azure.com"],
        "p" => &["123456"],
        "g" => &["/providers/microsoft.management/managementgroups/contoso-sandboxes"],
        "managing" => &["9a000001-0000-4000-8000-000000000000"],
        "principal" => &["9a000002-0000-4000-8000-000000000000"],
        "c" => &["@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'"],
        "allowed" => &["Microsoft.Support/*"],
        _ => &["some words"],
    }
}

fn values(name: &str, ty: &Type, snapshot: &Snapshot) -> Vec<Value> {
    match ty.base {
        Base::Entity(ty) => snapshot.extent(ty).map(Value::Entity).collect(),
        Base::Bool => vec![Value::Bool(true), Value::Bool(false)],
        Base::Enum(id) => {
            let n = snapshot.schema().enumeration(id).unwrap().values.len();
            (0..n).map(|at| Value::Enum(id, u32::try_from(at).unwrap())).collect()
        }
        Base::String | Base::Guid | Base::ArmId => texts(name).iter().map(Value::text).collect(),
        other => panic!("{name}: no values of {other:?}"),
    }
}

/// Binds an action to arguments by chance until there are enough choices for which it has requests.
fn bound(action: &Action, snapshot: &Snapshot, now: Timestamp, refusals: &mut BTreeSet<String>) -> Vec<Vec<Bound>> {
    let choices: Vec<Vec<Value>> = action.formals.iter().map(|(name, ty)| values(name, ty, snapshot)).collect();
    let mut random = Random(7);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for _ in 0..TRIES {
        if choices.iter().any(Vec::is_empty) || found.len() >= ENOUGH {
            break;
        }
        let picked: Vec<usize> = choices.iter().map(|choice| random.below(choice.len())).collect();
        if !seen.insert(picked.clone()) {
            continue;
        }
        let chosen = action.formals.iter().zip(choices.iter().zip(picked));
        let mut arguments: Vec<(&str, Value)> = chosen.map(|((name, _), (choice, at))| (name.as_str(), choice[at].clone())).collect();
        if action.formals.last().is_some_and(|(_, ty)| ty.optional) && random.below(2) == 0 {
            arguments.pop();
        }
        match AzureRequests.bind(&Call { snapshot, now, action: &action.name, arguments: &arguments }) {
            Ok(requests) => found.push(requests),
            Err(why) => {
                refusals.insert(why.chars().take(90).collect());
            }
        }
    }
    found
}

/// What is sent to the tenant in memory, held to the descriptions with its answer.
struct Wire<'d> {
    descriptions: &'d Descriptions,
    wrong: BTreeSet<String>,
    seen: BTreeMap<String, usize>,
    odd: BTreeSet<String>,
}

impl Wire<'_> {
    fn request(&mut self, what: &str, request: &Request, template: bool) {
        let path = filled(&request.path, None);
        let method = verb(Some(request.method));
        let asked = Asked { method: &method, path: &path, query: &request.query, body: request.body.as_ref(), continued: false, template };
        self.found(what, &asked);
    }

    fn read(&mut self, what: &str, read: &Read) {
        let path = filled(&read.path, None);
        let asked = Asked { method: "GET", path: &path, query: &read.query, body: None, continued: false, template: false };
        self.found(what, &asked);
    }

    fn found(&mut self, what: &str, asked: &Asked<'_>) {
        match self.descriptions.check(asked) {
            Ok(matched) => *self.seen.entry(matched.named).or_default() += 1,
            Err(why) => {
                self.wrong.insert(format!("{what}: {why}"));
            }
        }
    }

    fn operation(&mut self, what: &str, operation: &Operation, template: bool) {
        self.request(what, &operation.request, template);
        for expected in operation.before.iter().chain(&operation.after) {
            self.read(what, &expected.read);
        }
    }

    /// Sends it, and holds the answer to the description.
    fn send(&mut self, what: &str, tenant: &mut MemoryTenant, call: &memory::Call<'_>, now: Timestamp) -> memory::Reply {
        let reply = tenant.answer(call, now);
        let method = verb(call.method);
        let asked = Asked { method: &method, path: call.path, query: call.query, body: call.body, continued: false, template: false };
        let said = self.descriptions.check(&asked).and_then(|matched| matched.answered(reply.status, reply.body.as_ref()));
        if let Err(why) = said {
            self.odd.insert(format!("{what}: {why}"));
        }
        reply
    }

    /// Carries the requests of an action out on a copy of the tenant; gives how many were.
    fn choice(&mut self, name: &str, requests: &[Bound], contoso: &MemoryTenant, now: Timestamp) -> usize {
        let (mut tenant, mut at, mut n_done) = (contoso.clone(), now, 0);
        for one in requests {
            self.operation(name, &one.operation, false);
            let reply = self.carry_out(name, &mut tenant, &one.operation, None, at);
            let done = reply.status < 300;
            n_done += usize::from(done);
            at = at.checked_add(SignedDuration::from_hours(2)).unwrap();
            let Undo::By(undo) = &one.undo else { continue };
            let back = format!("undo of {name}");
            self.operation(&back, undo, true);
            if done && !undo.request.body.as_ref().is_some_and(holds_null) {
                self.carry_out(&back, &mut tenant.clone(), undo, reply.body.as_ref(), at);
            }
        }
        n_done
    }

    /// Carries an operation out, after another was answered.
    fn carry_out(
        &mut self,
        what: &str,
        tenant: &mut MemoryTenant,
        operation: &Operation,
        earlier: Option<&Json>,
        at: Timestamp,
    ) -> memory::Reply {
        for expected in &operation.before {
            self.ask(what, tenant, &expected.read, earlier, at);
        }
        let request = &operation.request;
        let path = filled(&request.path, earlier);
        let call = memory::Call {
            service: request.service,
            method: Some(request.method),
            path: &path,
            query: &request.query,
            body: request.body.as_ref(),
            caller: "harper",
        };
        let reply = self.send(what, tenant, &call, at);
        let later = at.checked_add(SignedDuration::from_hours(1)).unwrap();
        for expected in &operation.after {
            self.ask(what, tenant, &expected.read, earlier.or(reply.body.as_ref()), later);
        }
        reply
    }

    fn ask(&mut self, what: &str, tenant: &mut MemoryTenant, read: &Read, answer: Option<&Json>, at: Timestamp) {
        let path = filled(&read.path, answer);
        let call = memory::Call { service: read.service, method: None, path: &path, query: &read.query, body: None, caller: "harper" };
        self.send(what, tenant, &call, at);
    }
}

/// Fills in what comes from the answer before.
fn filled(path: &str, answer: Option<&Json>) -> String {
    let Some((before, rest)) = path.split_once("{/") else { return path.to_owned() };
    let (pointer, after) = rest.split_once('}').unwrap();
    let value = answer.and_then(|answer| answer.pointer(&format!("/{pointer}"))).and_then(Json::as_str).unwrap_or("x");
    format!("{before}{value}{after}")
}

/// Tells whether something in it stands for what will be found.
fn holds_null(body: &Json) -> bool {
    match body {
        Json::Null => true,
        Json::Array(items) => items.iter().any(holds_null),
        Json::Object(map) => map.values().any(holds_null),
        _ => false,
    }
}

/// Names of facts with their values, as texts.
type Facts<'a> = &'a [(&'a str, &'a str)];

/// What the recorded tenant does not tell, for the actions that need it.
fn told(schema: &Arc<Schema>) -> Snapshot {
    let mut builder = SnapshotBuilder::new(Arc::clone(schema));
    let source = builder.source(FactSource::new(SourceKind::Derived, "test"));
    let group = |name: &str| format!("/providers/Microsoft.Management/managementGroups/{name}");
    let (old, new, root) = (group("contoso-landing-zones"), group("contoso-sandboxes"), group(TENANT));
    let facts: &[(&str, &str, Facts<'_>)] = &[
        ("ManagementGroup", &old, &[]),
        ("ManagementGroup", &new, &[]),
        ("Subscription", SUB, &[("display_name", "ERP Production"), ("service", "Azure")]),
        ("RoleDefinition", READER, &[("display_name", "Reader"), ("type", "BuiltInRole")]),
        (
            "User",
            GUEST,
            &[
                ("display_name", "Sam"),
                ("user_type", "Guest"),
                ("exists", "true"),
                ("account_enabled", "true"),
                ("is_break_glass", "false"),
            ],
        ),
        (
            "Tenant",
            TENANT,
            &[
                ("is_home", "true"),
                ("blocks_subscriptions_leaving", "false"),
                ("blocks_subscriptions_entering", "false"),
                ("group_creation_needs_permission", "false"),
                ("default_management_group", &root),
            ],
        ),
        ("RoleAssignment", ACTIVATION, &[("kind", "Activated"), ("effective", "true"), ("ends_at", "2026-10-20T18:00:00Z")]),
    ];
    for (ty, key, values) in facts {
        let handle = builder.entity_named(ty, key).unwrap();
        builder.existed(handle, Interval::ALWAYS);
        for (name, text) in *values {
            builder.set_text(handle, name, text, source).unwrap();
        }
    }
    let mut refers = |from: (&str, &str), name: &str, to: (&str, &str)| {
        let (from, to) = (builder.entity_named(from.0, from.1).unwrap(), builder.entity_named(to.0, to.1).unwrap());
        builder.refer(from, name, to, source).unwrap();
    };
    refers(("Subscription", SUB), "parent", ("ManagementGroup", &old));
    refers(("RoleAssignment", ACTIVATION), "scope", ("Subscription", SUB));
    refers(("RoleAssignment", ACTIVATION), "principal", ("User", GUEST));
    refers(("RoleAssignment", ACTIVATION), "role", ("RoleDefinition", READER));
    let activation = builder.entity_named("RoleAssignment", ACTIVATION).unwrap();
    for name in ["condition", "description", "delegated_managed_identity"] {
        builder.set_none(activation, name, source).unwrap();
    }
    let tenant = builder.entity_named("Tenant", TENANT).unwrap();
    builder.claim(tenant, "subscription_policy_exemptions", Completeness::now(Some(source))).unwrap();
    let records = builder.records();
    Snapshot::freeze(Arc::clone(schema), records)
}

#[test]
fn every_action_asks_and_sends_what_is_described_and_gets_such_answers() {
    let fixture = Tenant::open("contoso");
    let policies = &fixture.compiled.policies;
    let recorded_world = Snapshot::freeze(Arc::clone(&policies.schema), fixture.records(&fixture.answers(), false).unwrap());
    let told_world = told(&policies.schema);
    let now: Timestamp = "2026-10-20T08:00:00Z".parse().unwrap();
    let mut contoso = MemoryTenant::from_answers(&recorded("contoso")).unwrap();
    contoso.settings.deny_assignments = false;
    contoso.add_caller("harper", Caller { object_id: HARPER.to_owned(), grants: Grant::everything() });
    let descriptions = Descriptions::read();
    let mut wire = Wire { descriptions: &descriptions, wrong: BTreeSet::new(), seen: BTreeMap::new(), odd: BTreeSet::new() };
    let (mut without, mut unsent) = (Vec::new(), Vec::new());
    for name in AzureRequests::actions() {
        let action = policies.actions.iter().find(|action| action.name == name).unwrap();
        let mut refusals = BTreeSet::new();
        let mut choices = bound(action, &recorded_world, now, &mut refusals);
        choices.extend(bound(action, &told_world, now, &mut refusals));
        if choices.is_empty() {
            without.push(format!("{name}: {refusals:?}"));
        }
        let n_done: usize = choices.iter().map(|requests| wire.choice(name, requests, &contoso, now)).sum();
        if n_done == 0 {
            unsent.push(name);
        }
    }
    println!("{} different requests: {:#?}", wire.seen.len(), wire.seen);
    println!("never done in memory: {unsent:?}");
    let (wrong, odd) = (&wire.wrong, &wire.odd);
    assert!(without.is_empty() && wrong.is_empty() && odd.is_empty(), "no arguments: {without:#?}\nwrong: {wrong:#?}\nodd: {odd:#?}");
}

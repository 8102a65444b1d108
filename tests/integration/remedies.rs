//! Fixes and plans on small worlds: what is refused, and in which words; what is searched, ordered and limited.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tenet::check::{Policies, Test};
use tenet::evaluate::{Options, Scan, scan};
use tenet::model::{EntityId, Value};
use tenet::remedy::bind::{Bind, Bound, Call};
use tenet::remedy::plan::{
    Approvals, Digests, Expectation, Found, Limits, Method, Op, Operation, Plan, Read, Repeatable, Request as Sent, Risk, Service, Undo,
};
use tenet::remedy::{PlanError, Planned, ProblemKind, Request, Selection, counterfactual, make_plan, propose};
use tenet::snapshot::Snapshot;
use tenet::testing::with_world;
use tenet::{BuiltinModules, PolicyFile, compile};

/// One request for each action, named after it.
pub(crate) struct TestBind;

impl Bind for TestBind {
    fn bind(&self, call: &Call<'_>) -> Result<Vec<Bound>, String> {
        let named = |value: &Value| value.entity().map_or_else(|| format!("{value:?}"), |id| call.snapshot.key(id).into_owned());
        let arguments: Vec<String> = call.arguments.iter().map(|(_, value)| named(value)).collect();
        let target = arguments.first().cloned().unwrap_or_default();
        let op = match call.action.split('_').next().unwrap_or("") {
            "remove" | "end" | "trim" => Op::Remove,
            "assign" | "invite" | "delegate" | "recreate" => Op::Add,
            _ => Op::Change,
        };
        let path = format!("/{}/{}", call.action, arguments.join("/").trim_start_matches('/'));
        let read = Read { service: Service::Arm, path: path.clone(), query: Vec::new() };
        let expect = Expectation { read, found: Found::Absent, what: "there is nothing".to_owned() };
        let operation = Operation {
            request: Sent { service: Service::Arm, method: Method::Put, path, query: Vec::new(), body: None },
            before: vec![expect.clone()],
            after: vec![expect],
            repeatable: Repeatable::Same,
            window_seconds: 300,
        };
        let undo = Undo::By(Box::new(operation.clone()));
        Ok(vec![Bound { op, risk: Risk::Medium, title: format!("{}({})", call.action, arguments.join(", ")), target, operation, undo }])
    }
}

/// What a plan is asked for in tests; the rest is in the caller's hands.
pub(crate) fn request<'a>(policies: &'a Policies, snapshot: &'a Snapshot, options: &'a Options<'a>, scan: &'a Scan) -> Request<'a> {
    Request {
        policies,
        snapshot,
        options,
        scan,
        bind: &TestBind,
        selection: Selection::default(),
        reported: None,
        search: false,
        tenant: "7e000000-0000-4000-8000-000000000000".to_owned(),
        principal: None,
        planner: "jo@contoso.example".to_owned(),
        tool: "test".to_owned(),
        digests: Digests::default(),
        approvals: Approvals::default(),
        limits: Limits { max_changes: 10_000, max_changes_percent: 10_000 },
        valid_for: SignedDuration::from_hours(4),
    }
}

/// The policies of a text with one test, whose world is scanned with the rules it names.
struct Small {
    policies: Policies,
    test: Test,
}

const HEAD: &str = r#"edition 1
module house.small
import "tenant/core"
import "tenant/roles" as role
import "lib/access" as access
import "lib/dpor" as dpor
import "actions/access" { remove_assignment, assign_role, disable_account }
"#;

/// A subscription with Owners of every kind: alice and dora of the customer, erin through group H; bob a guest; carol a guest
/// through group G.
const OWNERS: &str = r#"
    now = 2026-11-01
    Subscription ea1 { display_name: "Shop", service: Azure, state: Enabled }
    RoleDefinition owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" { display_name: "Owner" }
    User alice { display_name: "alice", user_type: Member, account_enabled: true, exists: true, is_break_glass: false, works_for: none, home_tenant: none }
    User bob { display_name: "bob", user_type: Guest, account_enabled: true, exists: true }
    User carol { display_name: "carol", user_type: Guest, account_enabled: true, exists: true }
    User erin { display_name: "erin", user_type: Member, account_enabled: true, exists: true, is_break_glass: false, works_for: none, home_tenant: none }
    Group g { display_name: "G", members: {carol} }
    Group h { display_name: "H", members: {erin} }
    RoleAssignment a1 { scope: ea1, principal: alice, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
    RoleAssignment b1 { scope: ea1, principal: bob, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
    RoleAssignment g1 { scope: ea1, principal: g, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
    RoleAssignment h1 { scope: ea1, principal: h, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
"#;

impl Small {
    fn new(rules: &str, given: &str, expect: &str) -> Self {
        let text = format!("{HEAD}{rules}\ntest \"small\" {{\n  given {{{given}}}\n  {expect}\n}}\n");
        let file = PolicyFile { name: "small.tenet".to_owned(), path: "house/small".to_owned(), text };
        let compiled = compile(BuiltinModules::All, &[file]);
        let errors: Vec<String> = compiled
            .diagnostics
            .iter()
            .filter(|one| one.is_error())
            .map(|one| format!("{} {} {:?}", one.code, one.message, one.span))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let test = compiled.policies.tests.iter().find(|test| test.name == "small").unwrap().clone();
        Self { policies: compiled.policies, test }
    }

    fn look<T>(&self, look: impl FnOnce(&Policies, &Snapshot, &Options<'_>, &Scan) -> T) -> T {
        with_world(&self.policies, &self.test, |policies, snapshot, options| {
            let scan = scan(policies, snapshot, options).unwrap();
            look(policies, snapshot, options, &scan)
        })
        .unwrap()
    }

    fn plan(&self, change: impl FnOnce(&mut Request<'_>)) -> Result<Planned, PlanError> {
        self.look(|policies, snapshot, options, scan| {
            let mut asked = request(policies, snapshot, options, scan);
            change(&mut asked);
            make_plan(&asked)
        })
    }
}

/// The plan for a small world, asked for nothing special.
fn plan_of(rules: &str, given: &str, expect: &str) -> Plan {
    Small::new(rules, given, expect).plan(|_| {}).unwrap().plan
}

fn find(snapshot: &Snapshot, name: &str) -> EntityId {
    (0..u32::try_from(snapshot.len()).unwrap()).map(EntityId).find(|id| snapshot.label(*id) == name).unwrap()
}

fn titles(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.title.split('(').next().unwrap().to_owned()).collect()
}

fn reasons(plan: &Plan) -> String {
    plan.not_planned.iter().flat_map(|left| &left.reasons).cloned().collect::<Vec<_>>().join("\n")
}

const BAD_FIX: &str = r#"
rule GUEST-901 for s: Subscription {
  title "No guest is Owner"
  why "A guest decides nothing."
  severity high
  require no_guest_owner: no u in User where u.user_type == Guest : dpor.was_owner(u, s, now)
    else "A guest is Owner of {s.display_name}."
  fix revoke for no_guest_owner {
    for a in s.role_assignments where a.role.guid == role.owner and a.principal is User { remove_assignment(a) }
  }
}
"#;

/// The example of the language document, section 7.
#[test]
fn the_bad_fix_is_refused_for_both_of_its_reasons() {
    let small = Small::new(BAD_FIX, OWNERS, "expect GUEST-901 on ea1 fail");
    small.look(|policies, snapshot, _, scan| {
        let subject = find(snapshot, "Shop");
        let proposal = propose(policies, snapshot, scan, 0, subject).unwrap();
        let told: Vec<(ProblemKind, &str)> = proposal.problems.iter().map(|problem| (problem.kind, problem.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    ProblemKind::NotRepaired,
                    "no_guest_owner would be fail afterwards, not pass: carol, a guest who is Owner through group G, stays Owner on Shop"
                ),
                (ProblemKind::NeedLess, "alice, a member, loses Owner on Shop, and that mends nothing"),
            ]
        );
        let world = |at: usize| proposal.problems[at].world.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(world(0)[..3], ["Shop", "carol", "G"]);
        assert_eq!(world(1)[..2], ["Shop", "alice"]);
        assert_eq!(world(0).len(), 4, "its assignment is part of the small world");
    });
    let plan = small.plan(|_| {}).unwrap().plan;
    assert!(plan.steps.is_empty());
    assert!(reasons(&plan).contains("carol, a guest who is Owner through group G, stays Owner"), "{}", reasons(&plan));
}

const GOOD_FIX: &str = r#"
rule GUEST-902 for s: Subscription {
  title "No guest is Owner by name"
  why "A guest decides nothing."
  severity high
  require no_direct_guest: no a in s.role_assignments where a.role.guid == role.owner and a.principal is User : a.principal.user_type == Guest
    else "A guest is Owner of {s.display_name}."
  fix revoke for no_direct_guest {
    for a in s.role_assignments where a.role.guid == role.owner and a.principal is User and a.principal.user_type == Guest { remove_assignment(a) }
  }
}
"#;

#[test]
fn a_good_fix_becomes_one_step_and_then_there_is_nothing_to_do() {
    let small = Small::new(GOOD_FIX, OWNERS, "expect GUEST-902 on ea1 fail");
    let planned = small.plan(|_| {}).unwrap();
    let plan = &planned.plan;
    assert_eq!(titles(plan), ["remove_assignment"]);
    assert_eq!(plan.steps[0].why[0].text, "A guest is Owner of Shop.");
    assert_eq!((plan.summary.before["fail"], plan.summary.after["fail"]), (1, 0));
    assert!(plan.not_planned.is_empty(), "{:?}", plan.not_planned);
    let target = plan.steps[0].target.clone();
    for (only, exclude, n) in [
        (vec!["GUEST-9*"], vec![], 1),
        (vec!["OWNER-001"], vec![], 0),
        (vec![target.as_str()], vec![], 1),
        (vec![], vec![target.as_str()], 0),
    ] {
        let own = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let selection = Selection { only: own(only), exclude: own(exclude) };
        assert_eq!(small.plan(|asked| asked.selection = selection.clone()).unwrap().plan.steps.len(), n, "{selection:?}");
    }
    let limited = small.plan(|asked| asked.limits.max_changes = 0);
    assert!(matches!(limited, Err(PlanError::Limit { steps: 1, .. })), "{limited:?}");
    // One of four assignments is 25 %.
    assert!(small.plan(|asked| asked.limits.max_changes_percent = 24).is_err());
    assert!(small.plan(|asked| asked.limits.max_changes_percent = 25).is_ok());
}

/// Whatever a rule asks for: the last Owner, our own access, accounts for emergencies, foreign groups, locks.
#[test]
fn nobody_is_locked_out() {
    let rule = r#"
rule ROLE-903 for s: Subscription {
  title "Nobody is Owner"
  why "To see what is held back."
  severity high
  require nobody: no a in s.role_assignments : a.role.guid == role.owner
    else "Somebody is Owner."
  fix revoke for nobody { for a in s.role_assignments where a.role.guid == role.owner { take(a) } }
}
/// Like removal, without any condition of its own.
action take(a: RoleAssignment) {
  mode api
  needs "Microsoft.Authorization/roleAssignments/delete"
  effect delete a
  irreversible "it is a test"
}
"#;
    let world = |holder: &str, more: &str| {
        format!(
            r#"
    now = 2026-11-01
    Subscription ea1 {{ display_name: "Shop", service: Azure, state: Enabled }}
    RoleDefinition owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" {{ display_name: "Owner" }}
    RoleDefinition reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7" {{ display_name: "Reader" }}
    User alice {{ display_name: "alice", user_type: Member, account_enabled: true, exists: true, is_break_glass: false, works_for: none, home_tenant: none }}
    {holder}
    RoleAssignment a1 {{ scope: ea1, principal: who, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }}
    {more}
"#
        )
    };
    let guest = r#"User who { display_name: "who", user_type: Guest, account_enabled: true, exists: true }"#;
    let member =
        |glass: &str| format!(r#"User who {{ display_name: "who", user_type: Member, account_enabled: true, exists: true{glass} }}"#);
    let foreign = r#"ForeignGroup who { display_name: "who" }"#;
    // Somebody else stays Owner on the group above, out of the rule's sight.
    let above = r#"
    ManagementGroup top { display_name: "top" }
    RoleAssignment t1 { scope: top, principal: alice, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
"#;
    let in_top = |text: String| text.replace("display_name: \"Shop\",", "display_name: \"Shop\", parent: top,");
    let lock = |level: &str| format!("{above}\n    Lock l1 {{ scope: top, level: {level} }}");
    let cases: Vec<(String, Option<&str>)> = vec![
        (world(guest, ""), Some("Shop would be left without a working Owner")),
        (in_top(world(guest, above)), None),
        (in_top(world(&member(", is_break_glass: true"), above)), Some("who is an account for emergencies")),
        (in_top(world(&member(", is_break_glass: false"), above)), None),
        (
            in_top(world(&member(""), &format!("{above}\n    missing who.is_break_glass because \"no register\""))),
            Some("whether who is an account for emergencies is not known"),
        ),
        (in_top(world(foreign, above)), Some("the access of who, a group of another directory")),
        (in_top(world(guest, &lock("CanNotDelete"))), Some("Shop is under a lock (CanNotDelete)")),
        (in_top(world(guest, &lock("ReadOnly"))), Some("Shop is under a lock (ReadOnly)")),
        (in_top(world(guest, &lock("NotSpecified"))), None),
        (
            in_top(world(guest, &format!("{above}\n    missing ea1.locks because \"403\""))),
            Some("whether a lock protects Shop is not known"),
        ),
        (
            in_top(world(guest, &format!("{above}\n    Lock l1 {{ scope: ea1 }}\n    missing l1.level because \"a new level\""))),
            Some("of a level that is not known"),
        ),
    ];
    for (given, refused) in cases {
        let plan = plan_of(rule, &given, "expect ROLE-903 on ea1 fail");
        match refused {
            Some(reason) => {
                assert!(plan.steps.is_empty(), "{given}");
                assert!(reasons(&plan).contains(reason), "{given}\n{}", reasons(&plan));
            }
            None => assert_eq!(plan.steps.len(), 1, "{given}\n{}", reasons(&plan)),
        }
    }
    // Whoever applies the plan does not count, and is not touched.
    let given = in_top(world(guest, above));
    let small = Small::new(rule, &given, "expect ROLE-903 on ea1 fail");
    let key = |name: &str| small.look(|_, snapshot, _, _| snapshot.key(find(snapshot, name)).into_owned());
    for (principal, reason) in [("alice", "left without a working Owner"), ("who", "would take access from who")] {
        let principal = key(principal);
        let plan = small.plan(|asked| asked.principal = Some(principal.clone())).unwrap().plan;
        assert!(plan.steps.is_empty() && reasons(&plan).contains(reason), "{}", reasons(&plan));
    }
}

#[test]
fn a_conflict_of_rules_is_said_in_words() {
    let rules = format!(
        r#"{GOOD_FIX}
rule ACCESS-901 for u: User {{
  title "Who was promised a role has one"
  why "It is in the contract."
  severity medium
  require has_role: u.user_type == Guest implies (some a in u.role_assignments : true) or (some g in u.member_of : true)
    else "{{u.display_name}} has no role."
}}
"#
    );
    let plan = plan_of(&rules, OWNERS, "expect GUEST-902 on ea1 fail\n  expect ACCESS-901 on bob pass");
    assert!(plan.steps.is_empty());
    assert_eq!(reasons(&plan), "GUEST-902 removes what ACCESS-901 needs: ACCESS-901.has_role would become fail on bob");
}

#[test]
fn what_would_mend_a_finding_without_a_fix_is_searched() {
    let rule = r#"
rule OWNER-904 for u: User {
  title "Guests are blocked"
  why "To search."
  severity medium
  require blocked: u.user_type == Guest implies not u.account_enabled
    else "{u.display_name} is not blocked."
}
"#;
    let small = Small::new(rule, OWNERS, "expect OWNER-904 on bob fail");
    small.look(|policies, snapshot, _, scan| {
        let found = counterfactual(policies, snapshot, scan, 0, find(snapshot, "bob"));
        let calls: Vec<Vec<String>> = found.ways.iter().map(|way| way.iter().map(|act| act.call(policies)).collect()).collect();
        assert_eq!(calls, [["disable_account(bob)"]], "{:?}", found.limit);
    });
    // Without being asked, a plan does not take what was searched.
    assert!(small.plan(|_| {}).unwrap().plan.steps.is_empty());
    let plan = small.plan(|asked| asked.search = true).unwrap().plan;
    assert_eq!(titles(&plan), ["disable_account", "disable_account"], "{}", reasons(&plan));
}

#[test]
fn an_unknown_gives_no_step_and_the_reason() {
    let given = format!("{OWNERS}\n    missing ea1.role_assignments because \"page 2 was throttled\"");
    let plan = plan_of(GOOD_FIX, &given, "expect GUEST-902 on ea1 fail");
    assert!(plan.steps.is_empty());
    assert!(reasons(&plan).contains("no_direct_guest would be unknown afterwards, not pass"), "{}", reasons(&plan));
}

#[test]
fn additions_come_before_removals() {
    let rule = r#"
rule ROLE-905 for s: Subscription {
  title "Guests are readers"
  why "To see the order."
  severity high
  let guests = s.role_assignments[a | a.role.guid == role.owner and a.principal is User and a.principal.user_type == Guest]
  require no_owner: no a in guests
    else "A guest is Owner."
  require readers: some r in s.role_assignments : r.role.display_name == "Reader"
    else "Nobody is reader."
  fix revoke for no_owner { for a in guests { remove_assignment(a) } }
  fix give for readers {
    for a in guests, r in RoleDefinition where r.display_name == "Reader" { assign_role(s, a.principal, r) }
  }
}
"#;
    let nested = rule.replace(
        "for a in guests, r in RoleDefinition where r.display_name == \"Reader\" { assign_role(s, a.principal, r) }",
        "for a in guests { for r in RoleDefinition where r.display_name == \"Reader\" { assign_role(s, a.principal, r) } }",
    );
    let given = format!("{OWNERS}\n    RoleDefinition reader = \"acdd72a7-3385-48ef-bd42-f606fba81ae7\" {{ display_name: \"Reader\" }}");
    let plan = plan_of(&nested, &given, "expect ROLE-905 on ea1 fail");
    assert_eq!(titles(&plan), ["assign_role", "remove_assignment"], "{}", reasons(&plan));
    assert_eq!(plan.steps[1].depends_on, ["s1"]);
    let _: BTreeMap<String, u64> = plan.summary.after;
}

/// What is fine as a whole may not be so on the way: no order of these two is safe, so nothing is planned.
#[test]
fn a_fix_that_is_unsafe_on_the_way_is_refused() {
    let rules = |requires: &str| {
        format!(
            r#"
rule ROLE-906 for s: Subscription {{
  title "Dora is Owner"
  why "To see what happens between two steps."
  severity high
  require dora: some a in s.role_assignments : a.role.guid == role.owner and a.principal.display_name is not none and a.principal.display_name == "dora"
    else "Dora is not Owner."
  require not_alice: no a in s.role_assignments : a.role.guid == role.owner and a.principal.display_name is not none and a.principal.display_name == "alice"
    else "Alice is Owner."
  fix swap for dora, not_alice {{
    for a in s.role_assignments where a.principal.display_name is not none and a.principal.display_name == "alice" {{ take(a) }}
    for u in User where u.display_name is not none and u.display_name == "dora" {{ for r in RoleDefinition where r.guid == role.owner {{ give(s, u, r) }} }}
  }}
}}
action take(a: RoleAssignment) {{
  mode api
  needs "x"
  effect delete a
  irreversible "it is a test"
}}
action give(s: Subscription, p: Principal, r: RoleDefinition) {{
  mode api
  needs "x"
  {requires}
  effect create RoleAssignment {{ scope: s, principal: p, role: r, kind: Standing, effective: true, created_at: now }}
  irreversible "it is a test"
}}
"#
        )
    };
    let given = r#"
    now = 2026-11-01
    Subscription ea1 { display_name: "Shop", service: Azure, state: Enabled }
    RoleDefinition owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" { display_name: "Owner" }
    User alice { display_name: "alice", user_type: Member, account_enabled: true, exists: true, is_break_glass: false, works_for: none, home_tenant: none }
    User dora { display_name: "dora", user_type: Member, account_enabled: true, exists: true, is_break_glass: false, works_for: none, home_tenant: none }
    RoleAssignment a1 { scope: ea1, principal: alice, role: owner, kind: Standing, effective: true, created_at: 2026-01-01 }
"#;
    // Nothing keeps Dora from being made Owner first.
    let plan = plan_of(&rules(""), given, "expect ROLE-906 on ea1 fail");
    assert_eq!(titles(&plan), ["give", "take"], "{}", reasons(&plan));
    // Where she may only become Owner when nobody is, the subscription would be without one in between.
    let alone = "requires no a in s.role_assignments : a.role.guid == role.owner";
    let plan = plan_of(&rules(alone), given, "expect ROLE-906 on ea1 fail");
    assert!(plan.steps.is_empty(), "{:?}", titles(&plan));
    assert!(reasons(&plan).contains("in no order of its actions is each of them safe"), "{}", reasons(&plan));
    assert!(reasons(&plan).contains("without a working Owner"), "{}", reasons(&plan));
}

/// Advice holds no fix back, and what it newly says is told with the plan.
#[test]
fn advice_that_speaks_afterwards_is_told() {
    let rules = format!(
        r#"{GOOD_FIX}
rule NOTE-907 for s: Subscription {{
  title "Somebody external is Owner"
  why "It informs."
  severity advice
  require told: some a in s.role_assignments : a.principal is User and a.principal.user_type == Guest
    else "Nobody external is Owner."
}}
"#
    );
    let small = Small::new(&rules, OWNERS, "expect GUEST-902 on ea1 fail\n  expect NOTE-907 on ea1 pass");
    let planned = small.plan(|_| {}).unwrap();
    assert_eq!(titles(&planned.plan), ["remove_assignment"], "{}", reasons(&planned.plan));
    let told: Vec<String> = planned.advice.iter().map(|why| format!("{}.{}", why.rule, why.requirement)).collect();
    assert_eq!(told, ["NOTE-907.told"]);
    assert!(tenet::report::render_advice(&planned.advice).contains("advice afterwards: NOTE-907.told on "));
    // Of another severity the same rule is a duty, and holds it back.
    let duty =
        plan_of(&rules.replace("severity advice", "severity low"), OWNERS, "expect GUEST-902 on ea1 fail\n  expect NOTE-907 on ea1 pass");
    assert!(duty.steps.is_empty() && reasons(&duty).contains("NOTE-907.told would become fail"), "{}", reasons(&duty));
}

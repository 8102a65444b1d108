//! Plans as they are shown: what each rewrite does, and the plans of some rules over the demo tenant.
//!
//! Expectations are files in `tests/plans`; `UPDATE_EXPECT=1` writes them anew: read that diff like code.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use tenet::check::Rule;
use tenet::evaluate::Options;
use tenet::evaluate::engine::Plan;
use tenet::query::Rewrites;
use tenet::{BuiltinModules, PolicyFile, compile};

use crate::program::tenet;

/// For each rewrite conditions on a subscription `s` that it changes.
const REWRITES: &[(&str, &str)] = &[
    ("definitions", "bench.is_named(s.billing_account)"),
    ("negation", "not (not s.exists)"),
    ("constant", "s.exists or 1 < 2"),
    ("constant", "some a in s.role_assignments : a.effective and 2 < 1"),
    ("junction", "(s.exists and s.state == Enabled) and s.exists"),
    ("symmetry", "s.acquired_at is not none and now > s.acquired_at"),
    ("one_of", "s.state in {Enabled}"),
    ("one_of", "s.state == Enabled or s.exists or s.state == Warned"),
    ("counting", "count(a in s.role_assignments where a.effective) <= 3"),
    ("counting", "at least 1 a in s.role_assignments, d in s.designations : a.effective and d.designated_at < now"),
    ("filter_filter", "some p in s.role_assignments[a | a.effective][a | a.kind == Standing].principal : p is User"),
    ("where_body", "no a in s.role_assignments where a.effective : a.kind == Standing"),
    ("filter_union", "some p in (s.role_assignments + s.inherited_role_assignments)[a | a.effective].principal : p is User"),
    ("filter_call", "some p in bench.assignments(s)[a | a.effective].principal : p is User"),
    ("captures", "some d in s.designations, l in PartnerLink : l.state == Active and l.partner_id == d.partner_id"),
    ("exists_union", "some x in s.designations + s.designations : x.designated_at < now"),
    ("share", "some a in s.role_assignments, d in s.designations : some l in a.principal.partner_links : l.state == Active"),
];

const DEFINITIONS: &str = "/// For tests.
def is_named(b: BillingAccount?): Bool = b is not none and b.agreement == EnterpriseAgreement
/// For tests.
def assignments(s: Scope): set RoleAssignment = s.role_assignments + s.inherited_role_assignments
";

fn shown(condition: &str, on: Rewrites) -> String {
    let condition = condition.replace("bench.", "");
    let text =
        format!("edition 1\n{DEFINITIONS}rule T-1 for s: Subscription {{\n  title \"One condition\"\n  require holds: {condition}\n}}\n");
    let file = PolicyFile { name: "plan.tenet".to_owned(), path: "policies/plan".to_owned(), text };
    let compiled = compile(BuiltinModules::WithoutRules, &[file]);
    assert!(!compiled.has_errors(), "{condition}: {:?}", compiled.diagnostics);
    let params = std::collections::BTreeMap::new();
    let every = |_: &Rule| true;
    let now = Timestamp::UNIX_EPOCH;
    let options = Options { now, params: &params, packs: None, select: &every, subject: None, waivers: false };
    let plan = Plan::rewritten(&compiled.policies, &options, on).unwrap();
    plan.shown(&compiled.policies, "T-1", None).unwrap()
}

#[track_caller]
fn expect(name: &str, came: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, came).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expected, came, "{}: UPDATE_EXPECT=1 writes it anew", path.display());
}

#[test]
fn each_rewrite_does_what_it_says() {
    let mut text = String::new();
    for (name, condition) in REWRITES {
        // Only calls that are left as such can be filtered.
        let alone = if *name == "filter_call" { Rewrites::none().with("definitions") } else { Rewrites::none() };
        let (before, after) = (shown(condition, alone), shown(condition, alone.with(name)));
        assert_ne!(before, after, "{name} does nothing to {condition}");
        writeln!(text, "== {name}: {condition}\n-- before\n{before}-- after\n{after}").unwrap();
    }
    let untold: Vec<&str> = Rewrites::names().filter(|name| REWRITES.iter().all(|(known, _)| known != name)).collect();
    assert!(untold.is_empty(), "no example of {untold:?}");
    expect("rewrites.txt", &text);
}

/// However a rule is laid out, the plan is the same.
#[test]
fn layout_makes_no_difference_to_the_plan() {
    let alike: &[&[&str]] = &[
        &[
            "no a in s.role_assignments where a.effective and a.kind == Standing : a.principal is User",
            "no a in s.role_assignments where a.kind == Standing : a.principal is User and a.effective",
            "no a in s.role_assignments[a | a.effective][b | b.kind == Standing] : a.principal is User",
            "count(a in s.role_assignments where a.principal is User and a.kind == Standing and a.effective) == 0",
            "all a in s.role_assignments where a.effective and a.kind == Standing : not a.principal is User",
        ],
        &[
            "at most 3 a in s.role_assignments : a.effective",
            "count(a in s.role_assignments where a.effective) <= 3",
            "not (count(a in s.role_assignments[a | a.effective]) > 3)",
        ],
    ];
    for group in alike {
        let plans: Vec<String> = group.iter().map(|condition| shown(condition, Rewrites::all())).collect();
        for (condition, plan) in group.iter().zip(&plans) {
            assert_eq!(plan, &plans[0], "{condition}");
        }
    }
}

/// Rules of the demo tenant whose plans are written down.
const SHOWN: [&str; 5] = ["OWNER-001", "DPOR-001", "DPOR-002", "PAL-004", "ROLE-007"];

#[test]
fn plans_of_the_demo_tenant_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    tenet(folder.path(), &["demo", "--keep", "demo"]).ends(0, "ok");
    for rule in SHOWN {
        let run = tenet(folder.path(), &["-C", "demo", "explain", "--plan", rule]).ends(0, "ok");
        let again = tenet(folder.path(), &["-C", "demo", "explain", "--plan", rule]);
        assert_eq!(run.stdout, again.stdout, "{rule}: another plan the second time");
        expect(&format!("{rule}.txt"), &run.stdout);
    }
}

#[test]
fn a_plan_without_a_snapshot_has_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    tenet(folder.path(), &["init"]).ends(0, "ok");
    let run = tenet(folder.path(), &["explain", "--plan", "OWNER-001"]).ends(0, "ok");
    assert!(run.stdout.contains("scan s in Subscription\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("estimated"), "{}", run.stdout);
    tenet(folder.path(), &["explain", "--plan", "NOWHERE-001"]).ends(2, "usage");
}

//! Load, single operators and whole scans, over generated tenants. `cargo bench --bench engine`; add a name to pick some.
//!
//! `cargo bench --bench engine -- ratio` measures the same rule laid out in three ways, and the bench rules with open lists
//! and without, in turns, and prints ratios of medians.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on ends; ratios are timed and printed here"
)]

mod again;
#[path = "../tests/support/generate.rs"]
mod generate;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use generate::{NOW, Shape};
use tenet::check::{ParamId, Policies};
use tenet::evaluate::engine::{Plan, decide};
use tenet::evaluate::{Options, Val};
use tenet::snapshot::{Records, Snapshot};
use tenet::sources::disk::{read_snapshot, write_snapshot};
use tenet::{BuiltinModules, PolicyFile, compile};

/// Conditions on a subscription, one for each kind of work the engine does.
const OPERATORS: [(&str, &str); 12] = [
    ("filter", "s.state != Deleted"),
    ("date", "s.acquired_at is not none and s.acquired_at + 90 days < now"),
    ("step", "s.parent is not none and s.parent is ManagementGroup"),
    ("list", "some d in s.designations : d.partner_id == \"3664167\""),
    ("count", "at most 3 a in s.role_assignments : a.effective"),
    ("ancestors", "no a in s.inherited_role_assignments : a.role.display_name == \"Owner\""),
    ("below", "at most 9 a in s.role_assignments_below : a.effective"),
    ("closure", "no p in s.role_assignments.principal[g | g is Group].members^+ : p is User and p.user_type == Guest"),
    ("lineage", "no e in s.predecessor^+ : e.agreement == EnterpriseAgreement"),
    (
        "join",
        "no c in s.classic_administrators, u in User where c.email is not none and c.email == u.user_principal_name : u.account_enabled",
    ),
    ("as_of", "no d in s.designations : s.agreement as of d.designated_at == EnterpriseAgreement"),
    (
        "closure_as_of",
        "no d in s.designations, a in s.role_assignments as of d.designated_at where a.principal is Group \
        : d.designated_by is not none and d.designated_by in a.principal.members^+ as of d.designated_at",
    ),
];

fn rule(condition: &str) -> Policies {
    let text = format!("edition 1\nrule BENCH-001 for s: Subscription {{\n  title \"One condition\"\n  require holds: {condition}\n}}\n");
    let file = PolicyFile { name: "bench.tenet".to_owned(), path: "policies/bench".to_owned(), text };
    let compiled = compile(BuiltinModules::WithoutRules, &[file]);
    assert!(!compiled.has_errors(), "{condition}: {:?}", compiled.diagnostics);
    compiled.policies
}

fn records(policies: &Policies, subscriptions: u32, gaps: u32) -> Records {
    generate::tenant(&policies.schema, Shape { seed: 1, subscriptions, gaps }).unwrap()
}

fn options<'a>(params: &'a BTreeMap<ParamId, Val>) -> Options<'a> {
    let partner = &|rule: &tenet::check::Rule| rule.severity != tenet::model::RuleSeverity::Advice;
    Options { now: NOW.parse().unwrap(), params, packs: None, select: partner, subject: None, waivers: false }
}

fn load(c: &mut Criterion) {
    let policies = rule("s.state != Deleted");
    let records = records(&policies, 200, 0);
    let mut group = c.benchmark_group("load");
    group.sample_size(10).throughput(Throughput::Elements(records.entities.len() as u64));
    group.bench_function("freeze", |b| b.iter(|| Snapshot::freeze(policies.schema.clone(), black_box(records.clone()))));
    group.bench_function("columns", |b| {
        let frozen = || Snapshot::freeze(policies.schema.clone(), records.clone());
        b.iter_batched(frozen, |snapshot| snapshot.columns().n(), BatchSize::PerIteration);
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.snapshot");
    write_snapshot(&policies.schema, &records, &path, false).unwrap();
    group.bench_function("read", |b| b.iter(|| read_snapshot(&policies.schema, black_box(&path)).unwrap()));
    group.finish();
}

fn decided(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    id: BenchmarkId,
    policies: &Policies,
    snapshot: &Snapshot,
) {
    let params = BTreeMap::new();
    let options = options(&params);
    let plan = Plan::new(policies, &options).unwrap();
    let _ = snapshot.columns();
    group.bench_function(id, |b| b.iter(|| decide(&plan, policies, snapshot, &options, false).unwrap()));
}

fn operators(c: &mut Criterion) {
    let mut group = c.benchmark_group("operator");
    group.sample_size(20);
    for (name, condition) in OPERATORS {
        let policies = rule(condition);
        for gaps in [0, 50] {
            let snapshot = Snapshot::freeze(policies.schema.clone(), records(&policies, 200, gaps));
            decided(&mut group, BenchmarkId::new(name, format!("gaps{gaps}")), &policies, &snapshot);
        }
    }
    group.finish();
}

/// All rules that ship with the program.
fn scan(c: &mut Criterion) {
    let policies = compile(BuiltinModules::All, &[]).policies;
    let mut group = c.benchmark_group("scan");
    group.sample_size(10);
    for subscriptions in [100, 400] {
        for gaps in [0, 50] {
            let snapshot = Snapshot::freeze(policies.schema.clone(), records(&policies, subscriptions, gaps));
            let id = BenchmarkId::new("builtin", format!("{subscriptions}/gaps{gaps}"));
            decided(&mut group, id, &policies, &snapshot);
        }
    }
    group.finish();
}

/// A rule laid out in three ways: conditions in another order, filters in place of bodies, definitions written out.
const LAYOUTS: [(&str, [&str; 3]); 3] = [
    (
        "standing owners that are guests",
        [
            "no a in s.role_assignments where a.effective and a.role.guid == role.owner : a.principal is User and a.principal.user_type == Guest",
            "count(a in s.role_assignments[b | b.role.guid == role.owner][c | c.effective] where a.principal is User and a.principal.user_type == Guest) == 0",
            "all a in s.role_assignments : (is_guest_owner(a) implies not a.effective)",
        ],
    ),
    (
        "owners through groups",
        [
            "no p in people(s.role_assignments + s.inherited_role_assignments) : p is User and p.user_type == Guest",
            "no p in (s.role_assignments + s.inherited_role_assignments).principal[g | g is Group].members^+ where p is User : p.user_type == Guest",
            "all p in (s.inherited_role_assignments + s.role_assignments).principal[g | g is Group].members^+[u | u is User] : not is_guest(p)",
        ],
    ),
    (
        "dear and cheap branches",
        [
            "(some a in s.inherited_role_assignments : a.principal is Group and (some m in a.principal.members^+ : m is ServicePrincipal)) \
            or s.state == Deleted or (some d in s.delegations : d.managing_tenant != partner)",
            "s.state == Deleted or (some d in s.delegations : d.managing_tenant != partner) \
            or (some a in s.inherited_role_assignments : a.principal is Group and (some m in a.principal.members^+ : m is ServicePrincipal))",
            "has_application(s) or is_delegated(s) or s.state == Deleted",
        ],
    ),
];

const LAYOUT_DEFINITIONS: &str = "import \"tenant/core\"
import \"tenant/roles\" as role
const partner: TenantId = guid(\"7e000000-0000-4000-8000-000000000000\")
/// A guest.
def is_guest(p: Principal): Bool = p is User and p.user_type == Guest
/// A guest made Owner.
def is_guest_owner(a: RoleAssignment): Bool = is_guest(a.principal) and a.role.guid == role.owner
/// Members of groups.
def people(direct: set RoleAssignment): set Principal = direct.principal[g | g is Group].members^+
/// Groups above with an application.
def has_application(s: Subscription): Bool =
  some a in s.inherited_role_assignments : a.principal is Group and (some m in a.principal.members^+ : m is ServicePrincipal)
/// Delegated to somebody else.
def is_delegated(s: Subscription): Bool = some d in s.delegations : d.managing_tenant != partner
";

/// Rounds whose median counts.
const ROUNDS: usize = 11;

/// Runs several in turns and returns the median time of each, in milliseconds.
fn medians(runs: &[&dyn Fn()]) -> Vec<f64> {
    let mut times = vec![Vec::new(); runs.len()];
    for _ in 0..ROUNDS {
        for (run, times) in runs.iter().zip(&mut times) {
            let began = std::time::Instant::now();
            run();
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        })
        .collect()
}

fn layout_rule(condition: &str) -> Policies {
    let text = format!(
        "edition 1\n{LAYOUT_DEFINITIONS}\nrule BENCH-001 for s: Subscription {{\n  title \"One condition\"\n  require holds: {condition}\n}}\n"
    );
    let file = PolicyFile { name: "bench.tenet".to_owned(), path: "policies/bench".to_owned(), text };
    let compiled = compile(BuiltinModules::WithoutRules, &[file]);
    assert!(!compiled.has_errors(), "{condition}: {:?}", compiled.diagnostics);
    compiled.policies
}

fn bench_rules() -> Policies {
    let file = |name: &str, text: &str| PolicyFile { name: name.to_owned(), path: format!("bench/{name}"), text: text.to_owned() };
    let files = [
        file("shared", include_str!("rivals/rules/shared.tenet")),
        file("partner", include_str!("rivals/rules/partner.tenet")),
        file("roles", include_str!("rivals/rules/roles.tenet")),
    ];
    let compiled = compile(BuiltinModules::WithoutRules, &files);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    compiled.policies
}

/// Facts of a thousand that are not known, and lists that are open, in the open world.
const GAPS: u32 = 50;

/// Prints how much layout and open lists cost. Targets: within 1.3.
fn ratios(c: &mut Criterion) {
    if !std::env::args().any(|argument| argument == "ratio") {
        return;
    }
    let params = BTreeMap::new();
    let options = options(&params);
    for (name, layouts) in LAYOUTS {
        let rules: Vec<Policies> = layouts.iter().map(|condition| layout_rule(condition)).collect();
        let snapshot = Snapshot::freeze(rules[0].schema.clone(), records(&rules[0], 4000, 0));
        let plans: Vec<Plan> = rules.iter().map(|policies| Plan::new(policies, &options).unwrap()).collect();
        let _ = snapshot.columns();
        let runs: Vec<Box<dyn Fn()>> = rules
            .iter()
            .zip(&plans)
            .map(|(policies, plan)| -> Box<dyn Fn()> {
                Box::new(|| {
                    black_box(decide(plan, policies, &snapshot, &options, false).unwrap());
                })
            })
            .collect();
        let times = medians(&runs.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        let (least, most) = (times.iter().copied().fold(f64::INFINITY, f64::min), times.iter().copied().fold(0.0, f64::max));
        println!("ratio/layout/{name}: {:.2} ({times:.2?} ms)", most / least);
    }
    let policies = bench_rules();
    let worlds = [0, GAPS].map(|gaps| Snapshot::freeze(policies.schema.clone(), records(&policies, 4000, gaps)));
    let rules = policies.rules.iter().filter(|rule| rule.id.starts_with("BENCH")).map(|rule| rule.id.as_str());
    for name in rules.map(Some).chain([None]) {
        let select = |rule: &tenet::check::Rule| name.is_none_or(|name| rule.id == name);
        let options = Options { select: &select, ..options };
        let plan = Plan::new(&policies, &options).unwrap();
        let run = |world: &Snapshot| {
            let _ = world.columns();
            black_box(decide(&plan, &policies, world, &options, false).unwrap());
        };
        let times = medians(&[&|| run(&worlds[0]), &|| run(&worlds[1])]);
        println!("ratio/open lists, {}: {:.2} ({times:.2?} ms)", name.unwrap_or("eleven rules"), times[1] / times[0]);
    }
    let _ = c;
}

criterion_group!(benches, load, operators, scan, ratios, again::again);
criterion_main!(benches);

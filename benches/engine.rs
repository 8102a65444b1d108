//! Load, single operators and whole scans, over generated tenants. `cargo bench --bench engine`; add a name to pick some.
#![expect(clippy::unwrap_used, clippy::pedantic, reason = "a bench that cannot go on ends")]

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

criterion_group!(benches, load, operators, scan, again::again);
criterion_main!(benches);

//! Plans on generated tenants and on the demo's: nothing gets worse, nothing rests on an unknown, and once is enough.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenet::check::{Policies, Rule};
use tenet::evaluate::engine::scan;
use tenet::evaluate::{Options, Scan};
use tenet::model::{RuleSeverity, Verdict};
use tenet::remedy::plan::Plan;
use tenet::remedy::{Planned, make_plan};
use tenet::snapshot::Snapshot;
use tenet::sources::plan_file::encode_plan;
use tenet::{BuiltinModules, compile};

use super::generate::{NOW, Shape, tenant};
use super::overlay::worlds;
use super::remedies::request;
use super::tenant::Tenant;

type Key = (usize, String, Option<usize>);

fn verdicts(snapshot: &Snapshot, scan: &Scan) -> BTreeMap<Key, Verdict> {
    let row = |finding: &tenet::evaluate::Finding| {
        let subject = finding.subject.map_or_else(|| "*".to_owned(), |id| snapshot.key(id).into_owned());
        ((finding.run, subject, finding.requirement), finding.verdict)
    };
    scan.findings.iter().map(row).collect()
}

/// Verdicts of duties, not of advice, that are worse after than before.
fn worse(policies: &Policies, scan: &Scan, before: &BTreeMap<Key, Verdict>, after: &BTreeMap<Key, Verdict>) -> Vec<String> {
    let rule = |key: &Key| &policies.rules[scan.runs[key.0].rule.0 as usize];
    let was = |key: &Key| before.get(key).or_else(|| before.get(&(key.0, key.1.clone(), None))).copied().unwrap_or(Verdict::NotApplicable);
    let is_worse = |key: &Key, is: Verdict| match was(key) {
        Verdict::NotApplicable => is == Verdict::Fail,
        was => is > was,
    };
    let found = after.iter().filter(|(key, verdict)| rule(key).severity != RuleSeverity::Advice && is_worse(key, **verdict));
    found.map(|(key, verdict)| format!("{} {:?}: {:?} became {verdict:?}", rule(key).id, key, was(key))).collect()
}

fn options<'a>(params: &'a BTreeMap<tenet::check::ParamId, tenet::evaluate::Val>, select: &'a dyn Fn(&Rule) -> bool) -> Options<'a> {
    Options { now: NOW.parse().unwrap(), params, packs: None, select, subject: None, waivers: true }
}

fn planned(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> (Scan, Planned) {
    let scan = scan(policies, snapshot, options).unwrap();
    let planned = make_plan(&request(policies, snapshot, options, &scan)).unwrap();
    (scan, planned)
}

fn bytes(plan: Plan) -> Vec<u8> {
    encode_plan(plan).unwrap().bytes
}

fn n_done(plan: &Plan) -> usize {
    plan.steps.len() + plan.manual.len()
}

/// Worlds without gaps and with many; `TENET_WORLDS` says how many.
#[test]
fn plans_of_generated_tenants_keep_their_promises() {
    let compiled = compile(BuiltinModules::All, &[]);
    let policies = &compiled.policies;
    let params = BTreeMap::new();
    let (mut n_steps, mut n_manual, mut n_left) = (0, 0, 0);
    let first = std::env::var("TENET_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    for seed in first..first + worlds(10) {
        let gaps = [0, 20, 100][usize::try_from(seed % 3).unwrap()];
        let shape = Shape { seed, subscriptions: 1 + u32::try_from(seed % 4).unwrap(), gaps };
        let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), tenant(&policies.schema, shape).unwrap());
        let all = options(&params, &|_| true);
        let (scan_before, first) = planned(policies, &snapshot, &all);
        n_steps += first.plan.steps.len();
        n_manual += first.plan.manual.len();
        n_left += first.plan.not_planned.len();
        // The same inputs, the same bytes.
        let (_, again) = planned(policies, &snapshot, &all);
        assert_eq!(bytes(first.plan.clone()), bytes(again.plan), "seed {seed}");
        // No verdict is worse.
        let before = verdicts(&snapshot, &scan_before);
        let rebuilt = first.after.rebuilt().unwrap();
        let (scan_after, second) = planned(policies, &rebuilt, &all);
        let odd = worse(policies, &scan_before, &before, &verdicts(&rebuilt, &scan_after));
        assert!(odd.is_empty(), "seed {seed}: {odd:#?}");
        // Once everything is done there is nothing left to do but what waited for a person.
        let waited =
            first.plan.not_planned.iter().any(|left| left.reasons.iter().any(|reason| reason.contains("waits for what a person does")));
        assert!(n_done(&second.plan) == 0 || waited, "seed {seed}: {:?}", second.plan.steps);
        // Each step mends findings that fail for certain.
        for why in first.plan.steps.iter().flat_map(|step| &step.why).chain(first.plan.manual.iter().flat_map(|step| &step.why)) {
            let fails = scan_before.findings.iter().any(|finding| {
                let rule = scan_before.rule(policies, finding).unwrap();
                finding.verdict == Verdict::Fail
                    && rule.id == why.rule
                    && finding.requirement.is_some_and(|at| rule.requirements[at].name == why.requirement)
                    && finding.subject.is_some_and(|id| snapshot.key(id) == why.subject.as_str())
            });
            assert!(fails, "seed {seed}: {why:?}");
        }
        // Of the rules that nothing fails there is nothing to plan.
        let failing: Vec<u32> =
            scan_before.findings.iter().filter(|one| one.verdict == Verdict::Fail).map(|one| scan_before.runs[one.run].rule.0).collect();
        let passes = |rule: &Rule| {
            policies.rules.iter().position(|other| other.id == rule.id).is_none_or(|at| !failing.contains(&u32::try_from(at).unwrap()))
        };
        let (_, nothing) = planned(policies, &snapshot, &options(&params, &passes));
        assert_eq!((n_done(&nothing.plan), nothing.plan.not_planned.len()), (0, 0), "seed {seed}");
    }
    println!("{} worlds from seed {first}: {n_steps} steps, {n_manual} manual, {n_left} not planned", worlds(10));
    assert!(n_steps > 0 && n_manual > 0 && n_left > 0, "{n_steps} steps, {n_manual} manual, {n_left} not planned");
}

#[test]
fn the_demo_has_a_plan_and_then_none() {
    let tenant = Tenant::open("contoso");
    let records = tenant.records(&tenant.answers(), false).unwrap();
    let policies = &tenant.compiled.policies;
    let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), records);
    let begun = std::time::Instant::now();
    let first = tenant.with_options(&snapshot, None, |options| planned(policies, &snapshot, options).1);
    println!("planned in {:?}", begun.elapsed());
    println!("{}", tenet::report::render_plan(&first.plan));
    assert!(n_done(&first.plan) > 0);
    let rebuilt = first.after.rebuilt().unwrap();
    let second = tenant.with_options(&rebuilt, None, |options| planned(policies, &rebuilt, options).1);
    assert_eq!(n_done(&second.plan), 0, "{}", tenet::report::render_plan(&second.plan));
}

#[test]
fn the_program_plans() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| super::program::tenet(folder.path(), args);
    run(&["demo", "--keep", "repo", "-f", "json=result.json"]).ends(0, "ok");
    let snapshot = ["--snapshot", "repo/snapshots/contoso.snapshot"];
    let plan = |more: &[&str]| {
        let mut args = vec!["-C", "repo", "plan"];
        args.extend(snapshot);
        args.extend(more);
        run(&args)
    };
    let shown = plan(&["--detailed-exitcode", "-o", "plan.json"]).ends(20, "changes");
    assert!(shown.stdout.contains("Plan: "), "{}", shown.stdout);
    plan(&["-o", "again.json"]).ends(0, "ok");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("plan.json"), read("again.json"));
    let made = tenet::sources::plan_file::read_plan(&folder.path().join("plan.json")).unwrap();
    assert!(made.plan.steps.len() > 1, "{}", shown.stdout);
    // From a result of the same run, and from one of another.
    plan(&["--from", "result.json", "-o", "from.json"]).ends(0, "ok");
    let from = tenet::sources::plan_file::read_plan(&folder.path().join("from.json")).unwrap();
    assert_eq!(from.plan.steps, made.plan.steps);
    let text = String::from_utf8(read("result.json")).unwrap();
    std::fs::write(folder.path().join("other.json"), text.replace(&made.plan.digests.policies, &"0".repeat(64))).unwrap();
    assert!(plan(&["--from", "other.json"]).ends(10, "stale").stderr.contains("other policies"));
    std::fs::write(folder.path().join("none.json"), "{}").unwrap();
    plan(&["--from", "none.json"]).ends(2, "usage");
    plan(&["--max-changes", "1"]).ends(15, "limit");
    plan(&["--only", "NOTHING-999"]).ends(2, "usage");
    plan(&["--valid-for", "8 days"]).ends(2, "usage");
    let one = made.plan.steps[0].why[0].rule.clone();
    let only = plan(&["--only", &one, "-o", "one.json"]).ends(0, "ok");
    let made = tenet::sources::plan_file::read_plan(&folder.path().join("one.json")).unwrap();
    assert!(made.plan.steps.iter().all(|step| step.why.iter().any(|why| why.rule == one)), "{}", only.stdout);
}

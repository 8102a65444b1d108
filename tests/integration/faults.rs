//! A gap never looks green: whichever answer is lost, no verdict gets better.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tenant::{Tenant, Verdicts};

/// What can happen to an answer.
const FAULTS: [&str; 4] = ["403", "429", "500", "cut off"];
const MORE_FAULTS: [&str; 3] = ["403", "left out", "next page lost"];

fn is_green(verdict: &str) -> bool {
    matches!(verdict, "pass" | "not_applicable")
}

/// Returns what looks better with less data.
pub(crate) fn greener(before: &Verdicts, after: &Verdicts) -> Vec<String> {
    let mut found = Vec::new();
    for (key, verdict) in after.iter().filter(|(_, verdict)| is_green(verdict)) {
        let was = before.get(key).copied();
        if !was.is_some_and(is_green) {
            found.push(format!("{} {} {}: {} became {verdict}", key.0, key.1, key.2, was.unwrap_or("nothing")));
        }
    }
    for (rule, requirement, subject) in before.iter().filter(|(_, verdict)| !is_green(verdict)).map(|(key, _)| key) {
        let spoken = after.keys().any(|(known, _, about)| known == rule && about == subject);
        let open = after.get(&(rule.clone(), "*".to_owned(), "*".to_owned())) == Some(&"unknown");
        if !spoken && !open {
            found.push(format!("{rule} {requirement} {subject}: went silent"));
        }
    }
    found
}

fn faulty(text: &str, fault: &str) -> Option<String> {
    let mut exchange: serde_json::Value = serde_json::from_str(text).unwrap();
    match fault {
        "cut off" => return text.get(..text.len() / 2).map(str::to_owned),
        "left out" => return None,
        "next page lost" => {
            let url = exchange["request"]["url"].as_str().unwrap().to_owned();
            let body = exchange["response"]["body"].as_object_mut().unwrap();
            body.insert("nextLink".to_owned(), format!("{url}&$skiptoken=lost").into());
        }
        status => {
            exchange["response"]["status"] = status.parse::<u64>().unwrap().into();
            exchange["response"]["body"] = serde_json::json!({ "error": { "code": "Fault", "message": "made by a test" } });
        }
    }
    Some(exchange.to_string())
}

fn verdicts(tenant: &Tenant, answers: &[PathBuf], now: Option<jiff::Timestamp>) -> Verdicts {
    let records = tenant.records(answers, true).unwrap();
    let (snapshot, scan) = tenant.scan(records, now);
    tenant.verdicts(&snapshot, &scan)
}

/// Mends what was lost when Contoso was recorded, so that it hides nothing else.
fn mended(name: &str, text: &str) -> Option<String> {
    let mut exchange: serde_json::Value = serde_json::from_str(text).unwrap();
    let response = &mut exchange["response"];
    match name {
        "role-assignments-logistics-2.json" => {
            response["status"] = 200.into();
            response["body"] = serde_json::json!({ "value": [] });
        }
        "registration-assignments-logistics.json" => drop(response["body"].as_object_mut().unwrap().remove("nextLink")),
        "delegated-admin-relationships.json" => {
            let url = exchange["request"]["url"].as_str().unwrap().split('?').next().unwrap().to_owned();
            exchange["request"]["url"] = url.into();
        }
        _ => return None,
    }
    Some(exchange.to_string())
}

/// Breaks every `step`-th answer from `first` on in every way; returns what looked better.
fn sweep(mend: bool, faults: &[&str], first: usize, step: usize) -> Vec<String> {
    let tenant = Tenant::open("contoso");
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    fs::create_dir(&whole).unwrap();
    let mut answers = tenant.answers();
    for path in &mut answers {
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some(text) = mended(name, &fs::read_to_string(&path).unwrap()).filter(|_| mend) {
            let new = whole.join(name);
            fs::write(&new, text).unwrap();
            *path = new;
        }
    }
    let now = tenant.records(&answers, false).unwrap().meta.captured_to;
    let before = verdicts(&tenant, &answers, now);
    let mut found = Vec::new();
    for path in answers.iter().skip(first).step_by(step) {
        let text = fs::read_to_string(path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        for fault in faults {
            let mut with: Vec<PathBuf> = answers.iter().filter(|other| *other != path).cloned().collect();
            if let Some(text) = faulty(&text, fault) {
                let broken = scratch.path().join(name);
                fs::write(&broken, text).unwrap();
                with.push(broken);
            }
            let after = verdicts(&tenant, &with, now);
            found.extend(greener(&before, &after).into_iter().map(|line| format!("{} {fault}: {line}", name.display())));
        }
    }
    found
}

fn sweep_all(mend: bool, faults: &[&str]) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let found: Vec<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || sweep(mend, faults, first, threads))).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{} verdicts got better:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_lost_answer_makes_a_verdict_better() {
    sweep_all(false, &FAULTS);
}

#[test]
fn nor_where_nothing_else_is_missing() {
    sweep_all(true, &MORE_FAULTS);
}

/// Copies Contoso without its answers; `change` says what becomes of a file, or that it is left out.
fn changed(to: &Path, change: &dyn Fn(&str, String) -> Option<String>) -> Tenant {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contoso");
    for folder in ["", "registers", "policies", "evidence"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            let text = fs::read_to_string(entry.path()).unwrap();
            if let Some(text) = change(&name, text) {
                fs::write(to.join(name.trim_start_matches('/')), text).unwrap();
            }
        }
    }
    Tenant::open_at(to)
}

#[test]
fn no_register_that_is_lost_or_lapsed_makes_a_verdict_better() {
    let contoso = Tenant::open("contoso");
    let answers = contoso.answers();
    let now = contoso.records(&answers, false).unwrap().meta.captured_to;
    let before = verdicts(&contoso, &answers, now);
    let mut found = Vec::new();
    for register in ["contracts", "designations", "partner_links", "partners", "principals", "reviews", "subscriptions"] {
        let scratch = tempfile::tempdir().unwrap();
        let is_it =
            |name: &str| name.starts_with(&format!("/registers/{register}.")) || name.starts_with(&format!("registers/{register}."));
        let lost = changed(&scratch.path().join("lost"), &|name, text| {
            if name.ends_with("tenet.toml") {
                return Some(text.replace("form = ", "optional = true\nform = ").replace("entity = ", "optional = true\nentity = "));
            }
            (!is_it(name)).then_some(text)
        });
        let after = verdicts(&lost, &answers, now);
        assert_ne!(before, after, "{register} decides nothing");
        found.extend(greener(&before, &after).into_iter().map(|line| format!("{register} lost: {line}")));
        let lapsed = changed(&scratch.path().join("lapsed"), &|name, text| {
            if name.ends_with("tenet.toml") {
                return Some(text.replace("attested_on = ", "review_due = 2026-10-01\nattested_on = "));
            }
            let head = if text.starts_with("id,") { text.clone() } else { format!("review_due: 2026-10-01\n{}", without_reviews(&text)) };
            Some(if is_it(name) { head } else { text })
        });
        let after = verdicts(&lapsed, &answers, now);
        assert_ne!(before, after, "{register} lapses unseen");
        found.extend(greener(&before, &after).into_iter().map(|line| format!("{register} lapsed: {line}")));
    }
    assert!(found.is_empty(), "{} verdicts got better:\n{}", found.len(), found.join("\n"));
}

fn without_reviews(text: &str) -> String {
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("review_due:")).collect();
    kept.join("\n")
}

/// Every step of every plan mends a finding that fails in the whole tenant too: none comes from what was lost. How many
/// answers are broken says `TENET_FAULTS`, by default a few.
#[test]
fn no_step_of_a_plan_comes_from_what_was_lost() {
    let tenant = Tenant::open("contoso");
    let policies = &tenant.compiled.policies;
    let scratch = tempfile::tempdir().unwrap();
    let mut answers = tenant.answers();
    for path in &mut answers {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(text) = mended(&name, &fs::read_to_string(&path).unwrap()) {
            *path = scratch.path().join(&name);
            fs::write(&path, text).unwrap();
        }
    }
    let now = tenant.records(&answers, false).unwrap().meta.captured_to;
    let whole = verdicts(&tenant, &answers, now);
    let n = std::env::var("TENET_FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(6_usize);
    let broken = scratch.path().join("broken");
    fs::create_dir(&broken).unwrap();
    let (mut n_plans, mut n_steps) = (0, 0);
    for path in answers.iter().step_by((answers.len() / n).max(1)) {
        let text = fs::read_to_string(path).unwrap();
        for fault in ["403", "left out"] {
            let mut with: Vec<PathBuf> = answers.iter().filter(|other| *other != path).cloned().collect();
            if let Some(text) = faulty(&text, fault) {
                let place = broken.join(path.file_name().unwrap());
                fs::write(&place, text).unwrap();
                with.push(place);
            }
            let records = tenant.records(&with, true).unwrap();
            let snapshot = tenet::snapshot::Snapshot::freeze(std::sync::Arc::clone(&policies.schema), records);
            let plan = tenant.with_options(&snapshot, now, |options| {
                let scan = tenet::evaluate::engine::scan(policies, &snapshot, options).unwrap();
                tenet::remedy::make_plan(&crate::remedies::request(policies, &snapshot, options, &scan)).unwrap().plan
            });
            n_plans += 1;
            n_steps += plan.steps.len() + plan.manual.len();
            for why in plan.steps.iter().flat_map(|step| &step.why).chain(plan.manual.iter().flat_map(|step| &step.why)) {
                let verdict = whole.get(&(why.rule.clone(), why.requirement.clone(), why.subject.clone()));
                assert_eq!(verdict, Some(&"fail"), "{} {fault}: {why:?}", path.display());
            }
        }
    }
    println!("{n_plans} plans of tenants with something lost: {n_steps} steps, none from what was lost");
    assert!(n_steps > 0);
}

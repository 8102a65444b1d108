//! Generated tenants, all the way: the demo's tenant with things added, gone and unreadable by chance is planned for, applied to,
//! planned for again and taken back, on the tenant in memory with the requests of the services. `TENET_TENANTS` says how many.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tenet::evaluate::Scan;
use tenet::evaluate::engine::scan;
use tenet::model::RuleSeverity;
use tenet::remedy::apply::Ending;
use tenet::remedy::journal::State;
use tenet::remedy::make_plan;
use tenet::remedy::plan::{Approvals, Digests, Plan, Undo};
use tenet::remedy::undo::{Back, undo_plan};
use tenet::snapshot::Snapshot;
use tenet::sources::azure::AzureRequests;
use tenet::sources::azure::memory::{Caller, Grant, MemoryTarget, MemoryTenant, RecordedPage};
use tenet::sources::plan_file::{PlanFile, encode_plan};

use super::fake::Hands;
use super::world::{Refused, policies, run};
use crate::memory::{recorded, written};
use crate::overlay::Random;
use crate::remedies::request;
use crate::tenant::{Tenant, Verdicts};

/// Harper, a person of the directory, applies: what is made anew names her.
pub(super) const HARPER: &str = "a0000007-0000-4000-8000-000000000000";

/// The recorded answers with changes by chance.
pub(super) fn changed(seed: u64) -> Vec<RecordedPage> {
    let mut random = Random(seed);
    let mut pages = recorded("contoso");
    for page in &mut pages {
        let name = page.name.clone();
        let body = &mut page.page["response"]["body"];
        if name == "authorization-policy.json" {
            let wishes = ["everyone", "adminsAndGuestInviters", "adminsGuestInvitersAndAllMembers", "none"];
            body["allowInvitesFrom"] = json!(wishes[random.below(wishes.len())]);
        }
        let Some(items) = body.get_mut("value").and_then(Json::as_array_mut) else { continue };
        if name.starts_with("role-assignments-") || name.starts_with("registration-assignments-") {
            items.retain(|_| random.below(8) > 0);
        }
        if name.starts_with("users-") {
            for user in items.iter_mut().filter(|_| random.below(10) == 0) {
                user["accountEnabled"] = json!(user["accountEnabled"] != json!(true));
            }
        }
        if name.starts_with("locks-") && random.below(6) == 0 {
            let url = page.page["request"]["url"].as_str().unwrap().to_owned();
            let (_, path) = url.split_once("azure.com").unwrap();
            let id = format!("{}/by-chance", path.split('?').next().unwrap());
            let level = if random.below(2) == 0 { "ReadOnly" } else { "CanNotDelete" };
            let lock = json!({ "id": id, "name": "by-chance", "type": "Microsoft.Authorization/locks", "properties": { "level": level } });
            page.page["response"]["body"]["value"].as_array_mut().unwrap().push(lock);
        }
        if random.below(60) == 0 && !name.starts_with("organization") {
            page.page["response"] = json!({ "status": 403, "body": { "error": { "code": "AuthorizationFailed", "message": "no" } } });
        }
    }
    pages
}

pub(super) fn imported(fixture: &Tenant, pages: &[RecordedPage]) -> Snapshot {
    let (_folder, paths) = written(pages);
    let records = fixture.records(&paths, false).unwrap();
    Snapshot::freeze(Arc::clone(&fixture.compiled.policies.schema), records)
}

pub(super) fn planned(fixture: &Tenant, snapshot: &Snapshot) -> (Scan, Plan) {
    let policies = &fixture.compiled.policies;
    fixture.with_options(snapshot, None, |options| {
        let scan = scan(policies, snapshot, options).unwrap();
        let mut asked = request(policies, snapshot, options, &scan);
        asked.bind = &AzureRequests;
        asked.principal = Some(HARPER.to_owned());
        asked.tenant = "c0a70500-0000-4000-8000-000000000001".to_owned();
        let plan = make_plan(&asked).unwrap().plan;
        (scan, plan)
    })
}

pub(super) fn file(plan: Plan) -> PlanFile {
    encode_plan(Plan { digests: Digests { policies: policies(), ..plan.digests.clone() }, approvals: Approvals::default(), ..plan })
        .unwrap()
}

/// Verdicts of duties that are worse after than before; a subject that is new must not fail.
fn worse(fixture: &Tenant, before: &Verdicts, after: &Verdicts) -> Vec<String> {
    let rank = |verdict: &str| {
        ["not_applicable", "pass", "waived", "pending", "unknown", "fail"].iter().position(|name| *name == verdict).unwrap()
    };
    let duty = |id: &str| fixture.compiled.policies.rules.iter().any(|rule| rule.id == id && rule.severity != RuleSeverity::Advice);
    let was = |key: &(String, String, String)| {
        before.get(key).or_else(|| before.get(&(key.0.clone(), "*".to_owned(), key.2.clone()))).copied().unwrap_or("not_applicable")
    };
    let is_worse = |key: &(String, String, String), is: &str| match was(key) {
        "not_applicable" => is == "fail",
        was => rank(is) > rank(was),
    };
    let found = after.iter().filter(|(key, is)| duty(&key.0) && is_worse(key, is));
    found.map(|(key, is)| format!("{key:?}: {} became {is}", was(key))).collect()
}

#[test]
fn generated_tenants_are_mended_once_and_taken_back() {
    let n: u64 = std::env::var("TENET_TENANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let first: u64 = std::env::var("TENET_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let fixture = Tenant::open("contoso");
    let (mut n_steps, mut n_kept, mut n_locked, mut n_empty) = (0, 0, 0, 0);
    for seed in first..first + n {
        let pages = changed(seed);
        let snapshot = imported(&fixture, &pages);
        let (scan_before, plan) = planned(&fixture, &snapshot);
        let before = fixture.verdicts(&snapshot, &scan_before);
        n_locked += plan.not_planned.iter().flat_map(|left| &left.reasons).filter(|reason| reason.contains("lock")).count();
        if plan.steps.is_empty() {
            n_empty += 1;
            continue;
        }
        n_steps += plan.steps.len();
        let plan = file(plan);
        let clock = Hands::at(plan.plan.created);
        let mut tenant = MemoryTenant::from_answers(&pages).unwrap();
        tenant.add_caller("harper", Caller { object_id: HARPER.to_owned(), grants: Grant::everything() });
        let mut target = MemoryTarget::new(tenant, "harper", &clock);
        let folder = tempfile::tempdir().unwrap();
        let report =
            run(&plan, &folder.path().join("journal"), &mut target, &clock).unwrap_or_else(|refused| panic!("seed {seed}: {refused:?}"));
        assert_eq!(report.ending, Ending::Complete, "seed {seed}");
        for step in &plan.plan.steps {
            assert!(matches!(report.progress.state(&step.id), State::Verified(_)), "seed {seed}: {}", step.title);
        }
        // Twice is as once: a journal that knows nothing of the first apply does not let it happen again.
        let once = target.tenant().to_answers(clock.now_(), None);
        let again = run(&plan, &folder.path().join("other"), &mut target, &clock);
        assert!(!matches!(&again, Ok(report) if report.progress.wrote), "seed {seed}: {again:?}");
        assert!(matches!(again, Err(Refused::Gate(_)) | Ok(_)), "seed {seed}");
        assert_eq!(target.tenant().to_answers(clock.now_(), None), once, "seed {seed}");
        // Nothing is worse, and there is nothing left for the program but what waited for a person.
        let between = imported(&fixture, &target.tenant().to_answers(clock.now_(), Some(clock.now_())));
        let (scan_between, second) = planned(&fixture, &between);
        let odd = worse(&fixture, &before, &fixture.verdicts(&between, &scan_between));
        assert!(odd.is_empty(), "seed {seed}: {odd:#?}");
        let waited = plan.plan.not_planned.iter().flat_map(|left| &left.reasons).any(|reason| reason.contains("waits for what a person"));
        assert!(second.steps.is_empty() || waited, "seed {seed}: {:?}", second.steps.iter().map(|step| &step.title).collect::<Vec<_>>());
        // And back: what cannot be undone was named beforehand.
        let back = Back { now: clock.now_(), planner: "jo", policies: &policies(), tool: "test" };
        let back = undo_plan(&report.progress, &back);
        let kept = plan.plan.steps.iter().filter(|step| matches!(step.undo, Undo::Irreversible(_))).count();
        n_kept += kept;
        assert_eq!(back.not_planned.len(), kept, "seed {seed}: {:?}", back.not_planned);
        let back = file(back);
        if !back.plan.steps.is_empty() {
            let report =
                run(&back, &folder.path().join("back"), &mut target, &clock).unwrap_or_else(|refused| panic!("seed {seed}: {refused:?}"));
            assert_eq!(report.ending, Ending::Complete, "seed {seed}");
        }
        if kept == 0 {
            let undone = imported(&fixture, &target.tenant().to_answers(clock.now_(), Some(clock.now_())));
            let (scan_after, _) = planned(&fixture, &undone);
            let after = fixture.verdicts(&undone, &scan_after);
            let differs: Vec<_> = before.iter().filter(|(key, is)| after.get(*key) != Some(*is)).collect();
            assert!(differs.is_empty() && after.len() == before.len(), "seed {seed}: {differs:#?}");
        }
    }
    println!(
        "{n} tenants from seed {first}: {n_steps} steps, {n_kept} cannot be undone, {n_empty} plans without steps, {n_locked} refusals for locks"
    );
}

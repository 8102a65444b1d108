//! Many seeds: lost answers, replication that lags, stops at any time. `TENET_SEEDS` says how many; each seed is printed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use tenet::remedy::apply::Ending;
use tenet::remedy::plan::{Approvals, Method, Plan, Service};
use tenet::sources::azure::memory::{Call, MemoryTarget, MemoryTenant};
use tenet::sources::journal_file::read_journal;
use tenet::sources::plan_file::encode_plan;

use super::fake::{Fault, Hands};
use super::world::{Refused, Scene, add, plan, resume, run, steps};
use crate::memory::recorded;
use crate::overlay::Random;

fn seeds(default: u64) -> std::ops::Range<u64> {
    let n = std::env::var("TENET_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = std::env::var("TENET_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    first..first + n
}

/// Brings a plan to its end, however often it has to go on; gives how often.
fn finish(scene: &mut Scene, seed: u64) -> usize {
    let mut ending = match scene.run() {
        Ok(report) => report.ending,
        Err(refused) => panic!("seed {seed}: {refused:?}"),
    };
    for resumed in 0..12 {
        match ending {
            Ending::Complete => return resumed,
            Ending::Stopped | Ending::Failed { .. } | Ending::Unknown { .. } | Ending::NoJournal(_) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        scene.clock.stop_after.set(None);
        ending = scene.resume().unwrap_or_else(|refused| panic!("seed {seed}: {refused:?}")).ending;
    }
    panic!("seed {seed}: no end: {ending:?}");
}

/// Every effect once, and the journal is whole.
fn once(scene: &Scene, seed: u64) {
    let mut effects = scene.fake.effects.clone();
    effects.sort();
    let n = effects.len();
    effects.dedup();
    assert_eq!((n, effects.len()), (scene.file.plan.steps.len(), n), "seed {seed}: {:?}", scene.fake.effects);
    let read = read_journal(&scene.journal()).unwrap();
    assert!(read.progress.closed && read.progress.done.len() == n, "seed {seed}");
}

/// Answers are lost before or after the effect, cut off by failing servers, and reading lags behind.
#[test]
fn lost_answers_are_found_out_whatever_the_seed() {
    let (mut lost, mut resumed, mut n) = (0, 0, 0);
    for seed in seeds(60) {
        let mut random = Random(seed);
        let mut scene = Scene::new(steps(12));
        scene.fake.lag = random.below(6);
        for _ in 0..random.below(14) {
            let fault = match random.below(8) {
                0 => Fault::LostBefore,
                1 => Fault::LostAfter,
                2 => Fault::AnswerAfter(500),
                3 => Fault::AnswerAfter(408),
                4 => Fault::Answer(503, Json::Null),
                _ => Fault::Nothing,
            };
            lost += usize::from(!matches!(fault, Fault::Nothing));
            scene.fake.faults.push_back(fault);
        }
        resumed += finish(&mut scene, seed);
        once(&scene, seed);
        n += 1;
    }
    println!("{n} seeds, {lost} answers lost, gone on with {resumed} times: every effect once");
}

/// Somebody asks to stop at any time, again and again.
#[test]
fn a_stop_at_any_time_leaves_what_can_be_gone_on_with() {
    let (mut stopped, mut n) = (0, 0);
    for seed in seeds(60) {
        let mut random = Random(seed ^ 0x5707);
        let mut scene = Scene::new(steps(9));
        scene.fake.lag = random.below(4);
        scene.clock.stop_after.set(Some(random.below(60)));
        let mut ending = scene.run().unwrap().ending;
        while ending == Ending::Stopped {
            stopped += 1;
            let begun = read_journal(&scene.journal()).unwrap();
            assert!(begun.progress.unknown().is_empty(), "seed {seed}: the write in flight was not finished");
            scene.clock.stop_after.set((stopped % 3 > 0).then(|| random.below(40)));
            ending = scene.resume().unwrap().ending;
        }
        assert_eq!(ending, Ending::Complete, "seed {seed}");
        once(&scene, seed);
        n += 1;
    }
    println!("{n} seeds, stopped {stopped} times: every effect once");
    assert!(stopped > 0);
}

const SUB: &str = "/subscriptions/5b000001-0000-4000-8000-000000000000";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn begin() -> Timestamp {
    "2026-03-01T12:00:30Z".parse().unwrap()
}

/// A plan that gives a role to somebody, with the requests of the services.
fn gives(principal: &str) -> Plan {
    let path = format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/7e000001-0000-4000-8000-000000000000");
    let role = format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    let mut step = add(4);
    step.target.clone_from(&path);
    let operation = &mut step.operation;
    operation.request.path.clone_from(&path);
    operation.request.body = Some(json!({ "properties": { "roleDefinitionId": role, "principalId": principal, "principalType": "User" } }));
    operation.before[0].read.path.clone_from(&path);
    operation.after[0].read.path = path;
    let fields = [("/properties/principalId".to_owned(), json!(principal))];
    operation.after[0].found = tenet::remedy::plan::Found::Present(fields.into());
    let mut plan = plan(vec![step]);
    plan.tenant = "c0a70500-0000-4000-8000-000000000001".to_owned();
    plan.principal = None;
    Plan { approvals: Approvals::default(), ..plan }
}

fn invited(tenant: &mut MemoryTenant, now: Timestamp) -> String {
    let body = json!({ "invitedUserEmailAddress": "new@partner.example", "inviteRedirectUrl": "https://portal.azure.com" });
    let call = Call {
        service: Service::Graph,
        method: Some(Method::Post),
        path: "/v1.0/invitations",
        query: &[],
        body: Some(&body),
        caller: "admin",
    };
    tenant.answer(&call, now).body.unwrap()["invitedUser"]["id"].as_str().unwrap().to_owned()
}

/// Replication of the directory and of the service lags by 0 to 10 minutes: a lag within the window of the step succeeds, a longer one
/// is said, and what is said is true.
#[test]
fn lag_within_the_window_is_waited_for() {
    let (mut in_time, mut too_late) = (0, 0);
    let contoso = MemoryTenant::from_answers(&recorded("contoso")).unwrap();
    for seed in seeds(40) {
        let mut random = Random(seed ^ 0x1a6);
        let lag = i64::try_from(random.below(601)).unwrap();
        let of_principal = random.below(2) == 0;
        let mut tenant = contoso.clone();
        let principal = invited(&mut tenant, begin());
        if of_principal {
            tenant.settings.principal_lag = SignedDuration::from_secs(lag);
        } else {
            tenant.settings.lag = SignedDuration::from_secs(lag);
        }
        let clock = Hands::at(begin());
        let file = encode_plan(gives(&principal)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let journals = folder.path().join("journal");
        let mut target = MemoryTarget::new(tenant, "admin", &clock);
        let ending = run(&file, &journals, &mut target, &clock).unwrap().ending;
        match ending {
            Ending::Complete => in_time += 1,
            Ending::Failed { message, .. } if lag > 300 => {
                too_late += 1;
                let wanted = if of_principal { "does not know the principal" } else { "is not seen after 300 seconds" };
                assert!(message.contains(wanted), "seed {seed}: {message}");
                // Once it shows, going on ends it.
                clock.set(clock.now_().checked_add(SignedDuration::from_mins(10)).unwrap());
                assert_eq!(resume(&file, &journals, &mut target, &clock).unwrap().ending, Ending::Complete, "seed {seed}");
            }
            other => panic!("seed {seed}, lag {lag}: {other:?}"),
        }
    }
    println!("{in_time} in time, {too_late} too late and gone on with");
}

/// A principal that does not exist is reported within 30 seconds: the directory is asked, not waited for.
#[test]
fn a_principal_that_does_not_exist_is_reported_soon() {
    let tenant = MemoryTenant::from_answers(&recorded("contoso")).unwrap();
    let clock = Hands::at(begin());
    let file = encode_plan(gives("dead0000-0000-4000-8000-000000000000")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut target = MemoryTarget::new(tenant, "admin", &clock);
    let ending = run(&file, &folder.path().join("journal"), &mut target, &clock).unwrap().ending;
    assert!(matches!(&ending, Ending::Failed { message, .. } if message.contains("does not exist")), "{ending:?}");
    assert!(clock.waited.get() <= Duration::from_secs(30), "{:?}", clock.waited.get());
}

/// Who is signed in does not take away its own access, even with a plan that names nobody.
#[test]
fn nobody_applies_what_takes_their_own_access() {
    let mut scene = Scene::new(steps(5));
    let mut plan = scene.file.plan.clone();
    plan.principal = None;
    let mut own = super::world::remove(9);
    let path = own.operation.request.path.clone();
    let fields = [("/properties/principalId".to_owned(), json!(super::fake::OPERATOR.to_uppercase()))];
    own.operation.before[0].found = tenet::remedy::plan::Found::Present(fields.into());
    scene.fake.objects.insert(path, json!({ "properties": { "principalId": super::fake::OPERATOR } }));
    plan.steps.push(own);
    scene.file = encode_plan(plan).unwrap();
    let refused = scene.run().unwrap_err();
    assert!(matches!(&refused, Refused::Gate(refusal) if refusal.to_string().contains("takes access from")), "{refused:?}");
    assert_eq!(scene.fake.requests, Vec::<String>::new());
}

/// A step that cannot be undone is named with the reason.
#[test]
fn an_undo_leaves_no_step_out() {
    let mut first = add(4);
    first.undo = tenet::remedy::plan::Undo::Irreversible("nobody knows how".into());
    let mut scene = Scene::new(vec![first, add(8)]);
    scene.ends(&Ending::Complete);
    let read = read_journal(&scene.journal()).unwrap();
    let back = tenet::remedy::undo::Back { now: begin(), planner: "mia", policies: "x", tool: "0.1.0" };
    let plan = tenet::remedy::undo::undo_plan(&read.progress, &back);
    assert_eq!((plan.steps.len(), plan.not_planned.len()), (1, 1));
    assert_eq!(plan.not_planned[0].reasons, ["step s4 (step 4) is not undone: nobody knows how"]);
    assert!(plan.summary.before.is_empty() && plan.summary.after.is_empty(), "nobody counted verdicts for a part of a plan");
}

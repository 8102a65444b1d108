//! What a plan does when nothing goes wrong, and how it is undone.

use std::time::Duration;

use serde_json::json;
use tenet::remedy::apply::Ending;
use tenet::remedy::journal::{Kind, State};
use tenet::remedy::plan::Undo;
use tenet::remedy::undo::{Back, undo_plan};
use tenet::sources::journal_file::{JournalFileError, read_journal};
use tenet::sources::plan_file::encode_plan;

use super::fake::Fault;
use super::world::{Refused, Scene, add, change, created, objects, policies, remove, send, steps};

#[test]
fn a_plan_is_carried_out_and_verified() {
    let mut scene = Scene::new(steps(12));
    let report = scene.ends(&Ending::Complete);
    assert!(report.progress.closed && report.progress.steps.values().all(|state| matches!(state, State::Verified(_))));
    let wanted: Vec<String> = (1..=12)
        .map(|id| match id % 4 {
            0 => format!("PUT /things/{id}"),
            1 => format!("DELETE /things/{id}"),
            2 => format!("PATCH /things/{id}"),
            _ => format!("POST /mails \"m{id}\""),
        })
        .collect();
    assert_eq!(scene.fake.effects, wanted);
    let read = read_journal(&scene.journal()).unwrap();
    assert_eq!(read.progress, report.progress);
    let kinds: Vec<&str> = read.entries.iter().filter(|entry| entry.step.as_deref() == Some("s1")).map(|entry| name(&entry.kind)).collect();
    assert_eq!(kinds, ["recheck", "begin", "sent", "verified"]);
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Recheck { .. } => "recheck",
        Kind::Begin { .. } => "begin",
        Kind::Sent { .. } => "sent",
        Kind::Verified { .. } => "verified",
        Kind::Unknown { .. } => "unknown",
        Kind::Ok => "ok",
        Kind::Failed { .. } => "failed",
        Kind::Skipped { .. } => "skipped",
        _ => "other",
    }
}

#[test]
fn applying_twice_equals_applying_once() {
    let mut scene = Scene::new(steps(8));
    scene.ends(&Ending::Complete);
    let (objects, effects) = (scene.fake.objects.clone(), scene.fake.effects.clone());
    assert!(matches!(scene.run(), Err(Refused::Journal(JournalFileError::Used { .. }))));
    // A plan that is complete has nothing to resume either: its journal is closed.
    let read = read_journal(&scene.journal()).unwrap();
    assert!(read.progress.closed);
    // The same plan on another machine finds the world moved.
    scene.folder = tempfile::tempdir().unwrap();
    assert!(matches!(scene.run(), Err(Refused::Gate(_))));
    assert_eq!((scene.fake.objects, scene.fake.effects), (objects, effects));
}

#[test]
fn undo_restores_what_was() {
    let steps = steps(16);
    let before = objects(&steps);
    let mut scene = Scene::new(steps);
    let report = scene.ends(&Ending::Complete);
    assert_ne!(scene.fake.objects, before);
    let policies = policies();
    let now = scene.clock.now_();
    let back = undo_plan(&report.progress, &Back { now, planner: "ann", policies: &policies, tool: "0.1.0" });
    assert_eq!((back.steps.len(), back.not_planned.len()), (16, 0));
    // A step is undone before those it depended on.
    let at = |id: &str| back.steps.iter().position(|step| step.id == id).unwrap();
    for step in scene.file.plan.steps.iter().filter(|step| !step.depends_on.is_empty()) {
        assert!(at(&step.id) < at(&step.depends_on[0]), "{}", step.id);
    }
    scene.file = encode_plan(back).unwrap();
    scene.ends(&Ending::Complete);
    // What only the tenant knew comes back, too.
    assert_eq!(scene.fake.objects, before);
}

#[test]
fn what_cannot_be_undone_is_named() {
    let mut steps = vec![add(4), remove(5), add(8)];
    steps[0].undo = Undo::Irreversible("no way back".into());
    let mut scene = Scene::new(steps);
    scene.fake.faults = [Fault::NotSent].into();
    let report = scene.run().unwrap();
    assert!(matches!(report.ending, Ending::Failed { .. }));
    let report = scene.resume().unwrap();
    assert_eq!(report.ending, Ending::Complete);
    let policies = policies();
    let back = undo_plan(&report.progress, &Back { now: created(), planner: "ann", policies: &policies, tool: "0.1.0" });
    // What adds comes before what takes away.
    assert_eq!(back.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["s5", "s8"]);
    assert_eq!(back.not_planned[0].reasons, ["step s4 (step 4) is not undone: no way back"]);
}

#[test]
fn an_invitation_is_undone_by_the_id_of_its_answer() {
    let mut scene = Scene::new(vec![send(3)]);
    let report = scene.ends(&Ending::Complete);
    let id = scene.fake.objects.keys().find(|path| path.starts_with("/mails/")).cloned().unwrap();
    let policies = policies();
    let back = undo_plan(&report.progress, &Back { now: created(), planner: "ann", policies: &policies, tool: "0.1.0" });
    assert_eq!(back.steps[0].operation.request.path, id);
    scene.file = encode_plan(back).unwrap();
    scene.ends(&Ending::Complete);
    assert!(!scene.fake.objects.contains_key(&id));
}

#[test]
fn replication_is_waited_for_within_the_window() {
    let mut scene = Scene::new(vec![add(4)]);
    scene.fake.lag = 12;
    scene.ends(&Ending::Complete);
    assert!(scene.clock.waited.get() < Duration::from_secs(300), "{:?}", scene.clock.waited.get());
    let mut scene = Scene::new(vec![add(4), add(8)]);
    scene.fake.lag = 1_000;
    let report = scene.run().unwrap();
    let Ending::Failed { step, message } = report.ending else { panic!("{:?}", report.ending) };
    assert!(step == "s4" && message.contains("accepted, and is not seen after 300 seconds"), "{message}");
    assert_eq!(scene.fake.effects, ["PUT /things/4"]);
    // Later it is seen, and nothing is sent twice.
    (scene.fake.lag, scene.fake.stale) = (0, None);
    assert_eq!(scene.resume().unwrap().ending, Ending::Complete);
    assert_eq!(scene.fake.requests, ["Put /things/4", "Put /things/8"]);
}

fn principal_not_found() -> Fault {
    Fault::Answer(400, json!({"error": {"code": "PrincipalNotFound", "message": "Principal p does not exist in the directory."}}))
}

#[test]
fn a_new_principal_is_waited_for_and_a_wrong_one_is_reported_quickly() {
    let mut scene = Scene::new(vec![add(4)]);
    scene.fake.objects.insert("/v1.0/users/p".into(), json!({"id": "p"}));
    scene.fake.faults = vec![principal_not_found(); 6].into();
    scene.ends(&Ending::Complete);
    assert_eq!(scene.fake.effects, ["PUT /things/4"]);
    let mut scene = Scene::new(vec![add(4)]);
    scene.fake.faults = vec![principal_not_found(); 100].into();
    let Ending::Failed { message, .. } = scene.run().unwrap().ending else { panic!() };
    assert!(message.contains("the principal p does not exist"), "{message}");
    assert!(scene.clock.waited.get() <= Duration::from_secs(30), "{:?}", scene.clock.waited.get());
    let mut scene = Scene::new(vec![add(4)]);
    scene.fake.refused_reads.push("/v1.0/users/p".into());
    scene.fake.faults = vec![principal_not_found(); 100].into();
    let Ending::Failed { message, .. } = scene.run().unwrap().ending else { panic!() };
    assert!(message.contains("after 300 seconds; the directory could not be asked"), "{message}");
}

#[test]
fn the_same_assignment_under_another_name_is_success_and_not_undone() {
    let name = "01234567-89ab-cdef-0123-456789abcdef";
    let exists = json!({"error": {"code": "RoleAssignmentExists", "message":
        "The role assignment already exists. The ID of the existing role assignment is 0123456789abcdef0123456789abcdef."}});
    let mut scene = Scene::new(vec![add(4), add(8)]);
    scene.fake.faults = [Fault::Answer(409, exists.clone())].into();
    scene.fake.objects.insert(format!("/things/{name}"), json!({"properties": {"principalId": "p"}}));
    let report = scene.ends(&Ending::Complete);
    assert!(matches!(report.progress.state("s4"), State::Skipped(_)));
    let policies = policies();
    let back = undo_plan(&report.progress, &Back { now: created(), planner: "ann", policies: &policies, tool: "0.1.0" });
    assert_eq!(back.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["s8"]);
    // One with a condition is not the same.
    let mut scene = Scene::new(vec![add(4)]);
    scene.fake.faults = [Fault::Answer(409, exists)].into();
    scene.fake.objects.insert(format!("/things/{name}"), json!({"properties": {"principalId": "p", "condition": "c"}}));
    assert!(matches!(scene.run().unwrap().ending, Ending::Failed { .. }));
}

#[test]
fn the_first_refusal_ends_it() {
    let mut scene = Scene::new(vec![add(4), add(8)]);
    scene.fake.faults = [Fault::Answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}))].into();
    let Ending::Failed { step, message } = scene.run().unwrap().ending else { panic!() };
    assert_eq!((step.as_str(), message.as_str()), ("s4", "the service refused it: 403 AuthorizationFailed (no)"));
    assert_eq!(scene.fake.effects, Vec::<String>::new());
    // With the permission it goes on where it stopped.
    assert_eq!(scene.resume().unwrap().ending, Ending::Complete);
}

#[test]
fn a_stop_leaves_a_journal_that_goes_on() {
    for after in 0..40 {
        let mut scene = Scene::new(steps(6));
        scene.clock.stop_after.set(Some(after));
        let report = scene.run().unwrap();
        scene.clock.stop_after.set(None);
        if report.ending != Ending::Complete {
            assert_eq!(report.ending, Ending::Stopped, "{after}");
            assert_eq!(scene.resume().unwrap().ending, Ending::Complete, "{after}");
        }
        assert_eq!(scene.fake.requests.len(), 6, "{after}: every request once");
        assert_eq!(scene.fake.effects.len(), 6, "{after}");
    }
}

#[test]
fn only_fields_of_the_plan_are_compared() {
    let mut scene = Scene::new(vec![change(6)]);
    scene.fake.objects.get_mut("/things/6").unwrap()["properties"]["other"] = json!("moved");
    scene.ends(&Ending::Complete);
}

//! A world that moved after planning is noticed before the write that relies on it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tenet::remedy::apply::{Ending, Event, From, admit, apply};
use tenet::remedy::gate::Refusal;
use tenet::remedy::plan::{Expectation, Found};
use tenet::sources::journal_file::JournalFolder;

use super::world::{Refused, Scene, order, plan, policies, steps};

/// Something that happens to the objects of the service.
type Mutation = Box<dyn Fn(&mut BTreeMap<String, Json>)>;

/// Changes what an expectation relies on; one way for each field, and the thing itself.
fn mutations(expectation: &Expectation) -> Vec<(String, Mutation)> {
    let path = expectation.read.path.clone();
    let named = |what: &str| format!("{path}: {what}");
    let mut all: Vec<(String, Mutation)> = Vec::new();
    match &expectation.found {
        Found::Absent => {
            let at = path.clone();
            all.push((
                named("is there"),
                Box::new(move |objects| drop(objects.insert(at.clone(), json!({"properties": {"value": "foreign"}})))),
            ));
        }
        Found::Present(fields) => {
            let at = path.clone();
            all.push((named("is gone"), Box::new(move |objects| drop(objects.remove(&at)))));
            let at = path.clone();
            all.push((named("made anew"), Box::new(move |objects| drop(objects.insert(at.clone(), json!({"properties": {}}))))));
            for pointer in fields.keys() {
                let (at, field) = (path.clone(), pointer.clone());
                all.push((
                    named(pointer),
                    Box::new(move |objects| *objects.get_mut(&at).unwrap().pointer_mut(&field).unwrap() = json!("moved")),
                ));
            }
        }
        Found::Some(_) => {
            let at = path.clone();
            all.push((named("emptied"), Box::new(move |objects| objects.retain(|other, _| !other.starts_with(&at)))));
        }
        Found::Nothing(fields) => {
            let (at, fields) = (path.clone(), fields.clone());
            all.push((
                named("one is there"),
                Box::new(move |objects| {
                    let mut item = json!({});
                    for (pointer, value) in &fields {
                        item[pointer.trim_start_matches('/')] = value.clone();
                    }
                    objects.insert(format!("{at}/foreign"), item);
                }),
            ));
        }
    }
    all
}

/// Every step, everything it relies on, every field, changed before the apply and just before the step itself.
#[test]
fn every_field_of_every_step_is_compared() {
    let steps = steps(12);
    let mut tried = 0;
    for (at, step) in steps.iter().enumerate() {
        for expectation in &step.operation.before {
            for (what, change) in mutations(expectation) {
                tried += 1;
                // Changed after planning.
                let mut scene = Scene::new(steps.clone());
                change(&mut scene.fake.objects);
                match scene.run() {
                    Err(Refused::Gate(Refusal::Moved { .. })) => {
                        assert_eq!(scene.fake.requests, Vec::<String>::new(), "{}: {what}", step.id)
                    }
                    Ok(report) => {
                        assert!(
                            matches!(&report.ending, Ending::Stale { step: id, .. } if *id == step.id),
                            "{}: {what}: {:?}",
                            step.id,
                            report.ending
                        );
                        assert!(scene.fake.requests.len() <= at, "{}: {what}", step.id);
                        assert!(!was_sent(&scene, step), "{}: {what}", step.id);
                    }
                    Err(other) => panic!("{}: {what}: {other:?}", step.id),
                }
                // Changed while the plan is being applied, after it was admitted.
                let mut scene = Scene::new(steps.clone());
                let policies = policies();
                let order = order(&scene.file, &policies);
                let signed_in = admit(&order, &mut scene.fake, &scene.clock).unwrap();
                change(&mut scene.fake.objects);
                let journals = JournalFolder::lock(scene.folder.path(), "a test", scene.clock.now_()).unwrap();
                let mut journal = journals.create(&scene.file).unwrap();
                let mut watch = |_: Event<'_>| {};
                let report = apply(&order, &signed_in, From::Start, &mut journal, &mut scene.fake, &scene.clock, &mut watch);
                assert!(matches!(report.ending, Ending::Stale { .. }), "{}: {what}: {:?}", step.id, report.ending);
                assert!(!was_sent(&scene, step), "{}: {what}", step.id);
                assert_eq!(report.progress.wrote, !scene.fake.requests.is_empty());
            }
        }
    }
    println!("{tried} changes were tried, each at two times");
    assert!(tried > 30);
}

fn was_sent(scene: &Scene, step: &tenet::remedy::plan::Step) -> bool {
    // Mails share a path; the one of this step is known by its number.
    let mail = format!("POST /mails \"m{}\"", &step.id[1..]);
    let other = format!("{:?} {}", step.operation.request.method, step.target);
    if step.operation.request.path == "/mails" { scene.fake.effects.contains(&mail) } else { scene.fake.requests.contains(&other) }
}

#[test]
fn what_cannot_be_read_is_not_as_planned() {
    let mut scene = Scene::new(steps(4));
    scene.fake.refused_reads.push("/things/1".into());
    assert!(matches!(scene.run(), Err(Refused::Gate(Refusal::Moved { .. }))));
    assert_eq!(scene.fake.requests, Vec::<String>::new());
}

#[test]
fn plans_of_others_and_other_times_are_refused() {
    let refusal = |change: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::new(steps(4));
        change(&mut scene);
        let Err(Refused::Gate(refusal)) = scene.run() else { panic!() };
        assert_eq!((scene.fake.requests.len(), scene.fake.effects.len()), (0, 0));
        assert!(!scene.journal().exists(), "a plan that is refused is not used");
        refusal
    };
    let end = plan(vec![]).expires;
    assert!(matches!(refusal(&|scene| scene.clock.set(end)), Refusal::Expired(_)));
    assert!(matches!(refusal(&|scene| scene.clock.set("2026-03-01T11:00:00Z".parse().unwrap())), Refusal::TooEarly(_)));
    assert!(matches!(refusal(&|scene| scene.fake.signed_in.tenant = "other".into()), Refusal::OtherTenant { .. }));
    assert!(matches!(refusal(&|scene| scene.fake.signed_in.principal = "other".into()), Refusal::OtherPrincipal { .. }));
    let with = |change: &dyn Fn(&mut tenet::remedy::plan::Plan)| {
        refusal(&|scene| {
            let mut plan = scene.file.plan.clone();
            change(&mut plan);
            scene.file = tenet::sources::plan_file::encode_plan(plan).unwrap();
        })
    };
    assert!(matches!(with(&|plan| plan.digests.policies = "d".repeat(64)), Refusal::OtherPolicies));
    assert!(matches!(with(&|plan| plan.digests.policies = String::new()), Refusal::OtherPolicies));
    assert!(matches!(with(&|plan| plan.limits.max_changes = 3), Refusal::Limit { steps: 4, limit: 3 }));
}

/// A plan that expires while it is applied ends before its next write, and what was begun is still looked up.
#[test]
fn time_runs_out_between_steps() {
    let mut scene = Scene::new(steps(8));
    scene.clock.set("2026-03-01T15:59:57Z".parse().unwrap());
    let report = scene.run().unwrap();
    assert!(matches!(&report.ending, Ending::Stale { moved, .. } if moved[0].contains("expired")), "{:?}", report.ending);
    assert!((1..8).contains(&scene.fake.effects.len()));
    assert!(matches!(scene.resume().unwrap().ending, Ending::Stale { .. }));
}

//! Who carries an action out, and what a person is told.

use std::collections::BTreeMap;

use tenet::check::{Action, ActionMode, Policies};
use tenet::evaluate::{Evaluator, Frame, Val, parameter_values};
use tenet::model::Value;
use tenet::remedy::person::{instructions, verified_by, who};
use tenet::snapshot::Snapshot;
use tenet::testing::with_world;
use tenet::{BuiltinModules, PolicyFile, compile};

const WORLD: &str = r#"edition 1
module worlds

rule X-1 for s: Subscription { title "X" require r: s.display_name == "Prod" }

test "world" {
  given {
    now = 2026-11-01
    Tenant home = "11111111-0000-0000-0000-000000000001" { is_home: true }
    RoleDefinition owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" {}
    Subscription s1 = "/subscriptions/1" { display_name: "Prod", service: Azure }
    User mia = "22222222-0000-0000-0000-000000000001" { display_name: "Mia", user_type: Member }
    User gus = "22222222-0000-0000-0000-000000000002" { display_name: "Gus", user_type: Guest }
    RoleAssignment a1 { scope: s1, principal: mia, role: owner, kind: Standing, effective: true }
    RoleAssignment a2 { scope: s1, principal: gus, role: owner, kind: Standing, effective: true }
    PartnerLink l1 { identity: gus, tenant: guid("11111111-0000-0000-0000-000000000001"), partner_id: "123456", state: Active }
  }
  expect X-1 on s1 pass
}
"#;

fn in_world(look: impl FnOnce(&Policies, &Snapshot, &Evaluator<'_>)) {
    let file = PolicyFile { name: "w.tenet".to_owned(), path: "w".to_owned(), text: WORLD.to_owned() };
    let compiled = compile(BuiltinModules::All, &[file]);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics);
    let test = compiled.policies.tests.iter().find(|test| test.name == "world").unwrap();
    with_world(&compiled.policies, test, |policies, snapshot, options| {
        let params = parameter_values(policies, &BTreeMap::new());
        look(policies, snapshot, &Evaluator::new(policies, snapshot, options.now, params));
    })
    .unwrap();
}

fn action<'p>(policies: &'p Policies, name: &str) -> &'p Action {
    policies.actions.iter().find(|action| action.name == name).unwrap()
}

fn frame(action: &Action, snapshot: &Snapshot, arguments: &[(&str, &str)]) -> Frame {
    let mut frame: Frame = vec![Val::Unknown; action.n_slots as usize];
    for (slot, (ty, key)) in frame.iter_mut().zip(arguments) {
        *slot = match *ty {
            "text" => Val::Known(Value::text(key)),
            ty => {
                let ty = snapshot.schema().entity_named(ty).unwrap().id;
                let found = snapshot.find(ty, key).or_else(|| snapshot.extent(ty).next());
                Val::Known(Value::Entity(found.unwrap()))
            }
        };
    }
    frame
}

#[test]
fn a_link_is_set_by_a_service_only_where_the_identity_itself_is_signed_in() {
    in_world(|policies, snapshot, evaluator| {
        let action = action(policies, "change_partner_link");
        let mut frame = frame(action, snapshot, &[("PartnerLink", "l1"), ("text", "654321")]);
        let mut mode = |principal| action.mode_for(evaluator, &mut frame, principal);
        assert_eq!(mode(Some("22222222-0000-0000-0000-000000000002")), ActionMode::Api);
        assert_eq!(mode(Some("22222222-0000-0000-0000-000000000001")), ActionMode::Human, "another identity");
        assert_eq!(mode(None), ActionMode::Human, "nobody knows who is signed in");
        assert_eq!(who(action, evaluator, &mut frame), ["Gus (22222222-0000-0000-0000-000000000002)"]);
        let unknown = &mut vec![Val::Unknown; action.n_slots as usize];
        assert_eq!(action.mode_for(evaluator, unknown, Some("22222222-0000-0000-0000-000000000002")), ActionMode::Human);
    });
}

#[test]
fn other_actions_are_whose_they_say() {
    in_world(|policies, snapshot, evaluator| {
        let remove = action(policies, "remove_assignment");
        let mut arguments = frame(remove, snapshot, &[("RoleAssignment", "a1")]);
        assert_eq!(remove.mode_for(evaluator, &mut arguments, None), ActionMode::Api);
    });
}

#[test]
fn a_person_is_told_where_to_click_as_of_when_and_who_may_do_it() {
    in_world(|policies, snapshot, evaluator| {
        let action = action(policies, "designate_partner");
        let mut frame = frame(action, snapshot, &[("Subscription", "/subscriptions/1"), ("text", "123456")]);
        assert_eq!(action.mode_for(evaluator, &mut frame, Some("22222222-0000-0000-0000-000000000001")), ActionMode::Human);
        assert_eq!(
            who(action, evaluator, &mut frame),
            ["Mia (22222222-0000-0000-0000-000000000001)"],
            "an Owner who is a member; not the guest"
        );
        let told = instructions(action, evaluator, &mut frame);
        assert!(told.starts_with("portal.azure.com > Subscriptions > Prod > Partner information: enter 123456"), "{told}");
        assert!(told.ends_with("(Partner Center documentation, Link a partner ID for Azure performance, as of 2022-10)"), "{told}");
        assert!(verified_by(action, evaluator, &mut frame).unwrap().contains("register of designations"));
    });
}

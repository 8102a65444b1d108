//! The plan of the demo's tenant over HTTP: only reading before, then what arrives is what was planned, and the way back.

use std::fs;

use tenet::remedy::apply::{Ending, Report};
use tenet::remedy::journal::State;
use tenet::remedy::plan::{Approvals, Plan};
use tenet::remedy::target::Target;
use tenet::remedy::undo::{Back, undo_plan};
use tenet::sources::azure::client::WriteClient;
use tenet::sources::azure::memory::MemoryTenant;
use tenet::sources::azure::target::HttpTarget;
use tenet::sources::plan_file::{PlanFile, encode_plan, read_plan};

use super::fake::Hands;
use super::world::{policies, run};
use crate::azure_server::{AzureServer, Seen, verbs};
use crate::memory::recorded;
use crate::program::tenet;

const ADMIN: &str = "ad000000-0000-4000-8000-000000000000";

fn writes(server: &AzureServer) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.verb != "GET").collect()
}

/// Needs no approval here; approvals have tests of their own.
fn unguarded(plan: Plan) -> PlanFile {
    let digests = tenet::remedy::plan::Digests { policies: policies(), ..plan.digests.clone() };
    encode_plan(Plan { digests, approvals: Approvals::default(), ..plan }).unwrap()
}

/// Carries out a plan; each step is verified, and what arrived is what the plan says, in its order, each once.
fn applied(server: &AzureServer, file: &PlanFile, target: &mut dyn Target, clock: &Hands) -> Report {
    let before = writes(server).len();
    let folder = tempfile::tempdir().unwrap();
    let report = run(file, &folder.path().join("journal"), target, clock).unwrap();
    assert_eq!(report.ending, Ending::Complete);
    for step in &file.plan.steps {
        let state = report.progress.state(&step.id);
        assert!(matches!(state, State::Verified(_)), "{} {}: {state:?}", step.id, step.title);
    }
    let arrived = writes(server).split_off(before);
    assert_eq!(arrived.len(), file.plan.steps.len());
    for (seen, step) in arrived.iter().zip(&file.plan.steps) {
        let request = &step.operation.request;
        assert_eq!((&seen.path, &seen.query, &seen.body), (&request.path, &request.query, &request.body), "{}", step.id);
        assert_eq!(seen.verb, format!("{:?}", request.method).to_uppercase());
    }
    report
}

#[test]
fn the_plan_of_the_demo_arrives_as_it_was_planned() {
    let server = AzureServer::start(MemoryTenant::from_answers(&recorded("contoso")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tenet(folder, &["demo", "--keep", "repo", "-f", "json=result.json"]).ends(0, "ok");
    let config = folder.join("repo/tenet.toml");
    let cloud = format!("\n[cloud]\nauthority = \"https://login.example\"\narm = \"{0}\"\ngraph = \"{0}\"\n", server.origin);
    fs::write(&config, fs::read_to_string(&config).unwrap() + &cloud).unwrap();
    let snapshot = "repo/snapshots/contoso.snapshot";
    tenet(folder, &["-C", "repo", "scan", "--snapshot", snapshot]).ends(1, "findings");
    tenet(folder, &["-C", "repo", "plan", "--snapshot", snapshot, "--principal", ADMIN, "--planner", "harper", "-o", "plan.json"])
        .ends(0, "ok");
    tenet(folder, &["-C", "repo", "show", "plan.json"]).ends(0, "ok");
    tenet(folder, &["-C", "repo", "explain", "DPOR-003", "hr-2025", "--snapshot", snapshot]).ends(0, "ok");
    assert_eq!(server.seen(), [], "none of them asks a service for anything");

    let file = unguarded(read_plan(&folder.join("plan.json")).unwrap().plan);
    assert!(file.plan.steps.len() > 1);
    let clock = Hands::at(file.plan.created);
    let mut target = HttpTarget::new(WriteClient::for_apply(server.client("admin"))).unwrap();
    let report = applied(&server, &file, &mut target, &clock);
    assert!(verbs(&server.seen()).contains("GET"), "what steps rest on is read");

    // The way back goes over the same wire; what cannot be undone is named.
    let back = Back { now: tenet::remedy::target::Clock::now(&clock), planner: "harper", policies: &policies(), tool: "0.1.0" };
    let back = unguarded(undo_plan(&report.progress, &back));
    assert_eq!(back.plan.steps.len() + back.plan.not_planned.len(), file.plan.steps.len());
    applied(&server, &back, &mut target, &clock);
}

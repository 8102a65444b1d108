//! Plans for the small service, and running them.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tenet::remedy::apply::{Ending, Event, From, Order, Report, admit, admit_again, apply};
use tenet::remedy::gate::Refusal;
use tenet::remedy::plan::{
    Approvals, Digests, Expectation, Found, Limits, Method, Op, Operation, Plan, Read, Repeatable, Request, Risk, Service, Step, Summary,
    Undo, Why,
};
use tenet::remedy::target::Target;
use tenet::sources::journal_file::{JournalFile, JournalFileError, JournalFolder, Store};
use tenet::sources::plan_file::{PlanFile, encode_plan};

use super::fake::{Fake, Hands, OPERATOR, TENANT};

pub(super) fn created() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn policies() -> String {
    "c".repeat(64)
}

fn read(path: &str) -> Read {
    Read { service: Service::Arm, path: path.into(), query: vec![("api-version".into(), "1".into())] }
}

fn expect(path: &str, found: Found) -> Expectation {
    Expectation { read: read(path), found, what: format!("{path} as planned") }
}

fn present(path: &str, value: Json) -> Expectation {
    expect(path, Found::Present(BTreeMap::from([("/properties/value".to_owned(), value)])))
}

fn absent(path: &str) -> Expectation {
    expect(path, Found::Absent)
}

fn operation(method: Method, path: &str, body: Option<Json>, before: Vec<Expectation>, after: Vec<Expectation>) -> Operation {
    let read = read(path);
    Operation {
        request: Request { service: read.service, method, path: read.path, query: read.query, body },
        before,
        after,
        repeatable: if method == Method::Post { Repeatable::Never } else { Repeatable::Same },
        window_seconds: 300,
    }
}

fn step(id: usize, op: Op, operation: Operation, undo: Undo) -> Step {
    Step {
        id: format!("s{id}"),
        depends_on: Vec::new(),
        op,
        risk: Risk::Low,
        action: "assign_role".into(),
        title: format!("step {id}"),
        why: vec![Why { rule: "R-1".into(), requirement: "r".into(), subject: "x".into(), text: "because".into() }],
        target: operation.request.path.clone(),
        permissions: vec![],
        operation,
        undo,
    }
}

/// Adds a thing.
pub(super) fn add(id: usize) -> Step {
    let path = format!("/things/{id}");
    let body = json!({"properties": {"value": id, "principalId": "p", "principalType": "User"}});
    let make = operation(Method::Put, &path, Some(body), vec![absent(&path)], vec![present(&path, json!(id))]);
    let back = operation(Method::Delete, &path, None, vec![present(&path, json!(id))], vec![absent(&path)]);
    step(id, Op::Add, make, Undo::By(Box::new(back)))
}

/// Takes a thing away that was there; its undo is completed by what was found.
pub(super) fn remove(id: usize) -> Step {
    let path = format!("/things/{id}");
    let take = operation(Method::Delete, &path, None, vec![present(&path, json!(id))], vec![absent(&path)]);
    let body = json!({"properties": {"value": id, "only_the_tenant_knows": null}});
    let back = operation(Method::Put, &path, Some(body), vec![absent(&path)], vec![present(&path, json!(id))]);
    step(id, Op::Remove, take, Undo::By(Box::new(back)))
}

/// Changes a value, where another thing stays as it is.
pub(super) fn change(id: usize) -> Step {
    let path = format!("/things/{id}");
    let set = |from: &str, to: &str| {
        let body = json!({"properties": {"value": to}});
        let before = vec![present(&path, json!(from)), present("/things/anchor", json!("stays"))];
        operation(Method::Patch, &path, Some(body), before, vec![present(&path, json!(to))])
    };
    step(id, Op::Change, set("old", "new"), Undo::By(Box::new(set("new", "old"))))
}

/// Sends a mail; doing it twice would be seen.
pub(super) fn send(id: usize) -> Step {
    let mail = BTreeMap::from([("/mail".to_owned(), json!(format!("m{id}")))]);
    let once = operation(
        Method::Post,
        "/mails",
        Some(json!({"mail": format!("m{id}")})),
        vec![expect("/mails", Found::Nothing(mail.clone()))],
        vec![expect("/mails", Found::Some(mail.clone())), expect("/mails/{/id}", Found::Present(mail.clone()))],
    );
    let back = operation(
        Method::Delete,
        "/mails/{/id}",
        None,
        vec![expect("/mails/{/id}", Found::Present(mail.clone()))],
        vec![expect("/mails", Found::Nothing(mail))],
    );
    step(id, Op::Add, once, Undo::By(Box::new(back)))
}

/// Makes a step of each kind in turn; each third depends on the one before.
pub(super) fn steps(n: usize) -> Vec<Step> {
    let kinds = [add, remove, change, send];
    let mut steps: Vec<Step> = (1..=n).map(|id| kinds[id % 4](id)).collect();
    for at in (2..n).step_by(3) {
        steps[at].depends_on = vec![format!("s{at}")];
    }
    steps
}

/// The objects that a plan of these steps was made from.
pub(super) fn objects(steps: &[Step]) -> BTreeMap<String, Json> {
    let mut objects = BTreeMap::from([("/things/anchor".to_owned(), json!({"properties": {"value": "stays"}}))]);
    for step in steps {
        let id: usize = step.id[1..].parse().unwrap();
        let object = match step.op {
            Op::Remove => json!({"properties": {"value": id, "only_the_tenant_knows": format!("secret {id}")}}),
            Op::Change => json!({"properties": {"value": "old", "other": id}}),
            Op::Add => continue,
        };
        objects.insert(step.target.clone(), object);
    }
    objects
}

pub(super) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        id: String::new(),
        created: created(),
        expires: created().checked_add(jiff::SignedDuration::from_hours(4)).unwrap(),
        tool: "0.1.0".into(),
        digests: Digests { policies: policies(), ..Digests::default() },
        tenant: TENANT.into(),
        principal: Some(OPERATOR.into()),
        planner: "mia@example.org".into(),
        approvals: Approvals::default(),
        limits: Limits { max_changes: 100, max_changes_percent: 100 },
        summary: Summary::default(),
        steps,
        manual: vec![],
        not_planned: vec![],
    }
}

pub(super) fn file(steps: Vec<Step>) -> PlanFile {
    encode_plan(plan(steps)).unwrap()
}

/// Why nothing was applied.
#[derive(Debug)]
pub(super) enum Refused {
    Gate(Refusal),
    Journal(JournalFileError),
}

pub(super) fn order<'a>(file: &'a PlanFile, policies: &'a str) -> Order<'a> {
    Order { plan: &file.plan, digest: &file.digest, policies, approved_by: &[], max_changes: None, tool: "0.1.0" }
}

/// Applies a plan as the program does: lock, gate, journal, steps.
pub(super) fn run(file: &PlanFile, folder: &Path, target: &mut dyn Target, clock: &Hands) -> Result<Report, Refused> {
    run_in(file, folder, target, clock, |journal| journal)
}

/// The same with another store in place of the file of the journal.
pub(super) fn run_in<S: Store>(
    file: &PlanFile,
    folder: &Path,
    target: &mut dyn Target,
    clock: &Hands,
    store: impl FnOnce(JournalFile) -> JournalFile<S>,
) -> Result<Report, Refused> {
    let journals = locked(folder, clock).map_err(Refused::Journal)?;
    let policies = policies();
    let order = order(file, &policies);
    if journals.journal_path(file).exists() {
        return Err(Refused::Journal(JournalFileError::Used { path: journals.journal_path(file) }));
    }
    let signed_in = admit(&order, target, clock).map_err(Refused::Gate)?;
    let mut journal = store(journals.create(file).map_err(Refused::Journal)?);
    let mut watch = |_: Event<'_>| {};
    Ok(apply(&order, &signed_in, From::Start, &mut journal, target, clock, &mut watch))
}

/// Locks a folder. Another test may just be starting a program, which holds copies of all open files for a moment.
fn locked(folder: &Path, clock: &Hands) -> Result<JournalFolder, JournalFileError> {
    for _ in 0..50 {
        match JournalFolder::lock(folder, "a test", clock.now_()) {
            Err(JournalFileError::Locked { .. }) => std::thread::sleep(std::time::Duration::from_millis(20)),
            other => return other,
        }
    }
    JournalFolder::lock(folder, "a test", clock.now_())
}

/// Goes on with a plan.
pub(super) fn resume(file: &PlanFile, folder: &Path, target: &mut dyn Target, clock: &Hands) -> Result<Report, Refused> {
    let journals = locked(folder, clock).map_err(Refused::Journal)?;
    let policies = policies();
    let order = order(file, &policies);
    let signed_in = admit_again(&order, target, clock).map_err(Refused::Gate)?;
    let (mut journal, read) = journals.resume(file).map_err(Refused::Journal)?;
    let from = read.map_or(From::Start, |read| From::Journal(Box::new(read.progress), read.torn_bytes));
    let mut watch = |_: Event<'_>| {};
    Ok(apply(&order, &signed_in, from, &mut journal, target, clock, &mut watch))
}

impl Hands {
    pub(super) fn now_(&self) -> Timestamp {
        tenet::remedy::target::Clock::now(self)
    }
}

/// A service, a clock and a folder for a plan.
pub(super) struct Scene {
    pub(super) file: PlanFile,
    pub(super) fake: Fake,
    pub(super) clock: Hands,
    pub(super) folder: tempfile::TempDir,
}

impl Scene {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        let fake = Fake::new(objects(&steps));
        let clock = Hands::at(created().checked_add(jiff::SignedDuration::from_mins(1)).unwrap());
        Self { file: file(steps), fake, clock, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn run(&mut self) -> Result<Report, Refused> {
        run(&self.file, &self.folder.path().join("journal"), &mut self.fake, &self.clock)
    }

    pub(super) fn resume(&mut self) -> Result<Report, Refused> {
        resume(&self.file, &self.folder.path().join("journal"), &mut self.fake, &self.clock)
    }

    pub(super) fn journal(&self) -> std::path::PathBuf {
        self.folder.path().join("journal").join(format!("{}.jsonl", self.file.plan.id))
    }

    #[track_caller]
    pub(super) fn ends(&mut self, wanted: &Ending) -> Report {
        let report = self.run().unwrap();
        assert_eq!(&report.ending, wanted);
        report
    }
}

//! The second half of `tenet demo`: plan, approve, apply, and the way back, on the demo's tenant in memory.
//!
//! Nothing here opens a connection: what is applied to is made of the demo's recorded answers, and time passes only by waiting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::apply::carry_out;
use super::args::{Apply, Approve, Global, Output, Plan, Selection, Show, Undo};
use super::auth::AuthArgs;
use super::exit::Failure;
use super::{approve, demo, init, output, plan, scan, show, undo};
use crate::remedy::plan::Plan as Made;
use crate::remedy::target::Clock;
use crate::report::{Format, plain};
use crate::sources::azure::credentials::AuthMethod;
use crate::sources::azure::memory::{Caller, Grant, MemoryTarget, MemoryTenant, RecordedPage};
use crate::sources::plan_file::read_plan;
use crate::sources::signatures::SigningKey;

/// Who applies the plan: the caller of the tenant in memory who may do everything.
const PRINCIPAL: &str = "a0000007-0000-4000-8000-000000000000";
const PLANNER: &str = "harper.lang@contoso.example";
const APPROVER: &str = "finley.roth@contoso.example";
/// The approver's key of the demo. It is no secret: it opens nothing but the demo.
const SEED: [u8; 32] = *b"no secret: the key of tenet demo";

pub(super) fn run(global: &Global, root: &Path, first: &Selection) -> anyhow::Result<()> {
    if root.join("journal").exists() {
        output::say(global, "a plan was carried out in this repo before, and a plan is used once; the rest of the demo needs a new folder");
        return Ok(());
    }
    sign_as_approver(root)?;
    let before = findings(global, root, first)?;
    let clock = DemoClock::at(before.now);
    let mut tenant = MemoryTenant::from_answers(&answers(&root.join("answers"))?).map_err(|error| Failure::usage(error.to_string()))?;
    // Somebody of the directory: what is taken back is made by whoever applies, and names nobody new.
    tenant.add_caller(PLANNER, Caller { object_id: PRINCIPAL.to_owned(), grants: Grant::everything() });
    let mut stage = Stage { global, root, clock: &clock, tenant: Some(tenant) };

    output::print("\n$ tenet plan -o plan.json\n\n")?;
    plan::run(&stage.now(), &stage.planning(first, "plan.json"))?;
    let journal = stage.approve_and_apply("plan.json", first)?;
    let between = stage.collect("applied")?;
    let second = plan::make(&stage.now(), &stage.planning(&between, "second.json"))?.0.plan;
    output::print(&format!("\nThe tenant is read again. {}", left(&second)))?;

    output::print(&format!("\n$ tenet undo {journal} -o back.json\n\n"))?;
    let undoing = Undo { journal: root.join(&journal), output: root.join("back.json"), planner: None, policies: Vec::new(), signers: None };
    undo::run(&stage.now(), &undoing)?;
    stage.approve_and_apply("back.json", first)?;
    let back = stage.collect("undone")?;
    let after = findings(global, root, &back)?;
    output::print(&format!("\nThe tenant is read again. {}\n", compared(&before, &after)))
}

/// Says what a plan still has to do.
fn left(plan: &Made) -> String {
    let mut text = match plan.steps.len() {
        0 => "A second plan has nothing to do for the program".to_owned(),
        n => format!("A second plan has {} for the program", output::counted(n, "step")),
    };
    text += &format!(
        "; {} left to people, {} not planned:\n",
        output::counted(plan.manual.len(), "step"),
        output::counted(plan.not_planned.len(), "finding")
    );
    for step in &plan.manual {
        text += &format!("  ! {:<4} {}\n", plain(&step.id), plain(&step.title));
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in plan.not_planned.iter().filter_map(|left| left.reasons.first()) {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    for (reason, n) in reasons {
        text += &format!("  {n:>4} x {}\n", plain(reason));
    }
    text
}

/// The demo's tenant, and the repo that governs it.
struct Stage<'a> {
    global: &'a Global,
    root: &'a Path,
    clock: &'a DemoClock,
    /// Lent to who applies.
    tenant: Option<MemoryTenant>,
}

impl Stage<'_> {
    /// The flags of the program, at the time of the demo.
    fn now(&self) -> Global {
        Global { now: Some(self.clock.now()), quiet: true, ..self.global.clone() }
    }

    fn planning(&self, selection: &Selection, file: &str) -> Plan {
        Plan {
            selection: selection.clone(),
            from: None,
            only: Vec::new(),
            exclude: Vec::new(),
            max_changes: 100,
            max_changes_percent: 100,
            valid_for: "4 hours".to_owned(),
            search: false,
            principal: Some(PRINCIPAL.to_owned()),
            planner: Some(PLANNER.to_owned()),
            detailed_exitcode: false,
            output: Some(self.root.join(file)),
        }
    }

    /// Returns where the journal is, from the repo.
    fn approve_and_apply(&mut self, file: &str, selection: &Selection) -> anyhow::Result<String> {
        let plan = self.root.join(file);
        output::print(&format!("\n$ tenet approve {file} --key demo_key\n\n"))?;
        let approving = Approve { plan: plan.clone(), key: self.root.join("demo_key"), passphrase_file: None, signers: None };
        approve::run(&self.now(), &approving)?;
        output::print(&format!("\n$ tenet show {file}.sig.1\n\n"))?;
        let approval = std::path::absolute(self.root.join(format!("{file}.sig.1")))?;
        show::run(&self.now(), &Show { file: approval, json: false, answer: None })?;
        output::print(&format!("\n$ tenet apply {file}\n\n"))?;
        let applying = Apply {
            plan: plan.clone(),
            resume: false,
            max_changes: None,
            selection: selection.clone(),
            journal: None,
            signers: None,
            auth: AuthArgs { auth: AuthMethod::Auto, token_file: None },
        };
        let tenant = self.tenant.take().ok_or_else(|| Failure::usage("the demo's tenant is lent already"))?;
        let connect = |_: &_| Ok(MemoryTarget::new(tenant, PLANNER, self.clock));
        let quiet = Global { now: None, ..self.now() };
        let (_, target) = carry_out(&quiet, &applying, connect, self.clock)?;
        self.tenant = Some(target.tenant().clone());
        let id = read_plan(&plan).map_err(|error| Failure::usage(error.to_string()))?.plan.id;
        Ok(format!("journal/{id}.jsonl"))
    }

    /// Reads the tenant as a collector would, into a snapshot of this name.
    fn collect(&self, name: &str) -> anyhow::Result<Selection> {
        let now = self.clock.now();
        let pages = self.tenant.as_ref().map(|tenant| tenant.to_answers(now, Some(now))).unwrap_or_default();
        let folder = self.root.join("answers-later").join(name);
        for page in &pages {
            init::write(&folder.join(&page.name), &page.page.to_string())?;
        }
        let snapshot = self.root.join("snapshots").join(format!("{name}.snapshot"));
        demo::take_up(self.global, folder, snapshot.clone())?;
        Ok(Selection { snapshot: Some(snapshot), ..Selection::default() })
    }
}

/// Makes the key of the approver, and lets it approve.
fn sign_as_approver(root: &Path) -> anyhow::Result<()> {
    let key = SigningKey::from_seed(&SEED);
    init::write(&root.join("demo_key"), &key.to_openssh()?)?;
    let signers = root.join("allowed_signers");
    let line = format!("# The key of the demo, which is no secret.\n{APPROVER} namespaces=\"tenet-plan\" {}\n", key.public().to_openssh()?);
    let text = std::fs::read_to_string(&signers)?;
    if text.contains(&line) { Ok(()) } else { init::write(&signers, &(text + &line)) }
}

fn answers(folder: &Path) -> anyhow::Result<Vec<RecordedPage>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(RecordedPage { name, page: serde_json::from_slice(&std::fs::read(&path)?)? })
    };
    paths.into_iter().map(read).collect()
}

/// What a scan found.
struct Findings {
    now: Timestamp,
    /// Rule, requirement, subject and verdict, in order.
    found: Vec<[String; 4]>,
}

fn findings(global: &Global, root: &Path, selection: &Selection) -> anyhow::Result<Findings> {
    let file = root.join("result.json");
    let format = Output { format: Format::Json, file: Some(file.clone()) };
    scan::run(&Global { quiet: true, ..global.clone() }, &demo::scanning(selection.clone(), vec![format]))?;
    let document: Json = serde_json::from_slice(&std::fs::read(&file)?)?;
    let text = |json: &Json, pointer: &str| json.pointer(pointer).and_then(Json::as_str).unwrap_or("").to_owned();
    let list = document.get("findings").and_then(Json::as_array).ok_or_else(|| Failure::usage("the result has no findings"))?;
    let one = |finding: &Json| ["/rule", "/requirement", "/subject/id", "/verdict"].map(|pointer| text(finding, pointer));
    let mut found: Vec<[String; 4]> = list.iter().map(one).collect();
    found.sort();
    Ok(Findings { now: text(&document, "/now").parse()?, found })
}

/// Says whether the findings are the same, or names those that are not.
fn compared(before: &Findings, after: &Findings) -> String {
    let only = |one: &Findings, other: &Findings| -> Vec<String> {
        one.found.iter().filter(|finding| !other.found.contains(finding)).map(|finding| finding.join(" ")).collect()
    };
    let (gone, new) = (only(before, after), only(after, before));
    if gone.is_empty() && new.is_empty() {
        return format!("Its {} are those of the first scan.", output::counted(before.found.len(), "finding"));
    }
    let lines = |sign: char, findings: &[String]| findings.iter().map(|finding| format!("\n  {sign} {finding}")).collect::<String>();
    format!("Its findings are not all those of the first scan:{}{}", lines('-', &gone), lines('+', &new))
}

/// A clock that stands still, but for waiting.
struct DemoClock(Mutex<Timestamp>);

impl DemoClock {
    fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let later = jiff::SignedDuration::try_from(duration).ok().and_then(|duration| now.checked_add(duration).ok());
        *now = later.unwrap_or(*now);
    }

    fn stop_requested(&self) -> bool {
        false
    }
}

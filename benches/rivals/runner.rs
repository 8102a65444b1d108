//! The hidden runner: `tenet` in a process of its own, measured as the rivals measure themselves.
//!
//! *load* is everything from the start of the process until rules are lowered and the snapshot is open; *eval* is all eleven
//! rules with every violation key as a text. The first one reads the columns the rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tenet::check::{ParamId, Policies};
use tenet::evaluate::engine::{Plan, decide};
use tenet::evaluate::{Evaluator, Frame, Options, Scan, Val, parse_parameter};
use tenet::model::{EntityId, Value, Verdict};
use tenet::snapshot::Snapshot;
use tenet::sources::disk::{IndexKey, IndexStore, open_index, read_manifest, read_snapshot, write_index};
use tenet::{BuiltinModules, PolicyFile, compile};

use super::prepare::home;
use super::watch::status_mb;

/// What makes this program the runner.
pub(crate) const FLAG: &str = "--run-tenet";
/// What makes it make an index and end.
pub(crate) const INDEX_FLAG: &str = "--index-tenet";
const RULES: std::ops::RangeInclusive<u32> = 1..=11;

/// Violation keys by rule.
type Found = BTreeMap<u32, Vec<String>>;

struct Arguments {
    data: PathBuf,
    snapshot: PathBuf,
    repeat: usize,
    reference: bool,
    /// The rules that are run; all without. For a profile of one of them: what is left out then counts as wrong.
    rules: Option<Vec<u32>>,
}

fn arguments(words: &[String]) -> Arguments {
    let mut arguments = Arguments { data: PathBuf::new(), snapshot: PathBuf::new(), repeat: 1, reference: false, rules: None };
    for pair in words.chunks(2) {
        let [name, value] = pair else { panic!("{pair:?} wants a value") };
        match name.as_str() {
            "--data" => arguments.data = value.into(),
            "--snapshot" => arguments.snapshot = value.into(),
            "--repeat" => arguments.repeat = value.parse().expect("a number"),
            "--engine" => arguments.reference = value == "reference",
            "--rules" => arguments.rules = Some(value.split(',').map(|rule| rule.parse().expect("a number")).collect()),
            _ => panic!("there is no {name}"),
        }
    }
    arguments
}

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("it is readable")).expect("it is JSON")
}

fn policies() -> Policies {
    let folder = home().join("rules");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).expect("the rules").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let file = |path: &PathBuf| PolicyFile {
        name: path.display().to_string(),
        path: format!("policies/{}", path.file_stem().expect("a name").to_string_lossy()),
        text: std::fs::read_to_string(path).expect("a policy"),
    };
    let compiled = compile(BuiltinModules::WithoutRules, &files.iter().map(file).collect::<Vec<_>>());
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    compiled.policies
}

pub(crate) fn main(words: &[String]) -> i32 {
    let arguments = arguments(words);
    let (begun, cpu_begun) = (Instant::now(), cpu());
    let policies = policies();
    let compiled = begun.elapsed();
    let opened = open(&policies, &arguments);
    let found = begun.elapsed();
    let snapshot = &opened.snapshot;
    let params = parameters(&policies, &arguments.data);
    let now = snapshot.meta().captured_to.expect("the snapshot says when it was taken");
    let select = |rule: &tenet::check::Rule| arguments.rules.as_ref().is_none_or(|rules| rules.contains(&number(&rule.id)));
    let options = Options { now, params: &params, packs: None, select: &select, subject: None, waivers: false };
    let run = Run { policies: &policies, snapshot, options };
    let plan = (!arguments.reference).then(|| Plan::new(&policies, &run.options).expect("a plan"));
    let load = (begun.elapsed().as_secs_f64(), cpu() - cpu_begun);
    let mut times = Vec::new();
    let mut outcome = Outcome::default();
    for _ in 0..arguments.repeat {
        let (begun, cpu_begun) = (Instant::now(), cpu());
        outcome = plan.as_ref().map_or_else(|| run.by_reference(), |plan| run.by_engine(plan));
        times.push((begun.elapsed().as_secs_f64(), cpu() - cpu_begun));
    }
    let phases = format!("policies {:.1} ms, opened {:.1} ms", compiled.as_secs_f64() * 1e3, (found - compiled).as_secs_f64() * 1e3);
    let note = opened.index.map_or_else(|| phases.clone(), |index| format!("{}; {phases}", index.summary()));
    report(&arguments, load, &times, outcome, &note)
}

struct Opened {
    snapshot: Snapshot,
    index: Option<Arc<IndexStore>>,
}

/// Opens the index, from which each part is read when it is first asked for; the reference evaluator reads the tables.
fn open(policies: &Policies, arguments: &Arguments) -> Opened {
    let key = index_key(policies, &arguments.snapshot);
    if !arguments.reference
        && let Some(open) = open_index(&policies.schema, &arguments.snapshot, &key).expect("the index")
    {
        return Opened { snapshot: Snapshot::from_columns(open.columns), index: Some(open.store) };
    }
    Opened { snapshot: from_tables(policies, &arguments.snapshot), index: None }
}

fn index_key(policies: &Policies, snapshot: &Path) -> IndexKey {
    let manifest = read_manifest(snapshot).and_then(|manifest| manifest.digest()).expect("the manifest");
    IndexKey::new(&policies.schema, manifest, None)
}

fn from_tables(policies: &Policies, snapshot: &Path) -> Snapshot {
    let (builder, _) = read_snapshot(&policies.schema, snapshot).expect("the snapshot");
    Snapshot::freeze(policies.schema.clone(), builder.records())
}

/// Makes the index of a snapshot where the import did not.
pub(crate) fn make_index(words: &[String]) -> i32 {
    let [snapshot] = words else { panic!("one snapshot") };
    let (policies, snapshot) = (policies(), Path::new(snapshot));
    let key = index_key(&policies, snapshot);
    if open_index(&policies.schema, snapshot, &key).is_ok_and(|open| open.is_some()) {
        return 0;
    }
    write_index(from_tables(&policies, snapshot).columns(), snapshot, &key).expect("it is written");
    0
}

fn parameters(policies: &Policies, data: &Path) -> BTreeMap<ParamId, Val> {
    let meta = json(&data.join("meta.json"));
    let expected: Vec<&str> = meta["expectedPartnerIds"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    parse_parameter(policies, "bench.shared.expected_partners", &expected.join(",")).into_iter().collect()
}

#[derive(Default)]
struct Outcome {
    found: Found,
    /// Verdicts that are neither pass nor fail although every list is whole.
    n_undecided: usize,
}

struct Run<'a> {
    policies: &'a Policies,
    snapshot: &'a Snapshot,
    options: Options<'a>,
}

impl Run<'_> {
    fn by_engine(&self, plan: &Plan) -> Outcome {
        let decided = decide(plan, self.policies, self.snapshot, &self.options, true).expect("no limit is reached");
        let mut outcome = Outcome::default();
        for ((run, _), decision) in plan.runs.iter().zip(&decided.decisions) {
            let rule = number(&self.policies.rules[run.rule.0 as usize].id);
            outcome.n_undecided +=
                usize::from(decision.unseen) + decision.applies.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
            let mut failing = vec![false; decision.applies.len()];
            for verdicts in &decision.verdicts {
                let undecided = |verdict: &&Verdict| matches!(verdict, Verdict::Unknown);
                outcome.n_undecided += verdicts.iter().filter(undecided).count();
                failing.iter_mut().zip(verdicts).for_each(|(fails, verdict)| *fails |= *verdict == Verdict::Fail);
            }
            let subject = |at: usize| EntityId(decision.subjects.get(at).expect("a subject"));
            let keys = if rule == 9 {
                let pairs = decision.witnesses.iter().flatten();
                pairs.map(|(at, member)| self.pair(subject(*at as usize), EntityId(*member))).collect()
            } else {
                self.keys(&failing.iter().enumerate().filter(|(_, fails)| **fails).map(|(at, _)| subject(at)).collect::<Vec<_>>())
            };
            outcome.found.insert(rule, keys);
        }
        outcome
    }

    fn by_reference(&self) -> Outcome {
        let scan = tenet::evaluate::scan(self.policies, self.snapshot, &self.options).expect("parameters are set");
        let mut outcome = Outcome::default();
        let mut failing: BTreeMap<u32, BTreeSet<EntityId>> = BTreeMap::new();
        for finding in &scan.findings {
            let rule = number(&scan.rule(self.policies, finding).expect("a rule").id);
            match (finding.verdict, finding.subject) {
                (Verdict::Fail, Some(subject)) => {
                    failing.entry(rule).or_default().insert(subject);
                }
                (Verdict::Unknown, _) => outcome.n_undecided += 1,
                _ => {}
            }
        }
        for (rule, subjects) in failing {
            let keys = if rule == 9 {
                subjects.iter().flat_map(|subject| self.guests(&scan, *subject)).collect()
            } else {
                self.keys(&subjects.into_iter().collect::<Vec<_>>())
            };
            outcome.found.insert(rule, keys);
        }
        outcome
    }

    /// The members that break `no p in access.owners(s) : …`, by the reference evaluator.
    fn guests(&self, scan: &Scan, subject: EntityId) -> Vec<String> {
        let at = scan.runs.iter().position(|run| number(&self.policies.rules[run.rule.0 as usize].id) == 9).expect("it ran");
        let rule = &self.policies.rules[scan.runs[at].rule.0 as usize];
        let evaluator = scan.evaluator(self.policies, self.snapshot, at).expect("an evaluator");
        evaluator.begin();
        let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
        frame[rule.subject.0 as usize] = Val::Known(Value::Entity(subject));
        let witnesses = witnesses(&evaluator, &rule.requirements[0].condition, &mut frame);
        witnesses.into_iter().map(|member| self.pair(subject, member)).collect()
    }

    fn keys(&self, ids: &[EntityId]) -> Vec<String> {
        let snapshot = self.snapshot;
        if ids.len() < 4096 {
            ids.iter().map(|id| key(snapshot, *id)).collect()
        } else {
            ids.par_iter().map(|id| key(snapshot, *id)).collect()
        }
    }

    fn pair(&self, subject: EntityId, member: EntityId) -> String {
        format!("{}|{}", key(self.snapshot, subject), key(self.snapshot, member))
    }
}

/// A subscription is named by its GUID, everything else by its key.
fn key(snapshot: &Snapshot, id: EntityId) -> String {
    let key = snapshot.key(id);
    match key.strip_prefix("/subscriptions/").filter(|rest| !rest.contains('/')) {
        Some(rest) => rest.to_owned(),
        None => key.into_owned(),
    }
}

fn witnesses(evaluator: &Evaluator<'_>, condition: &tenet::check::Expr, frame: &mut Frame) -> Vec<EntityId> {
    use tenet::check::ExprKind;
    let ExprKind::Quantified(_, binders, body) = &condition.kind else { panic!("the rule is one quantifier") };
    let binder = &binders[0];
    let set = evaluator.set(&binder.set, frame);
    let mut found = Vec::new();
    for member in &set.members {
        frame[binder.var.0 as usize] = Val::Known(member.value.clone());
        let broken = body.as_ref().is_none_or(|body| evaluator.truth(body, frame) == tenet::evaluate::Truth::True);
        found.extend(member.value.entity().filter(|_| broken));
    }
    found
}

/// `BENCH-007` is R07.
fn number(rule: &str) -> u32 {
    rule.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{rule} is no rule of the bench"))
}

/// Ids are folded when they are loaded; the planted keys bear the capitals that Azure writes.
fn spelled(key: &str) -> String {
    const CAPITALS: [&str; 4] = ["resourceGroups", "roleAssignments", "managementGroups", "Microsoft.Authorization"];
    let segment = |segment: &str| {
        let known = CAPITALS.iter().chain(&["Microsoft.Management"]).find(|known| known.eq_ignore_ascii_case(segment));
        known.map_or_else(|| segment.to_owned(), |known| (*known).to_owned())
    };
    key.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn report(arguments: &Arguments, load: (f64, f64), times: &[(f64, f64)], outcome: Outcome, note: &str) -> i32 {
    let peak = status_mb(std::process::id(), "VmHWM:");
    let planted = json(&arguments.data.join("planted.json"));
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for rule in RULES {
        let name = format!("R{rule:02}");
        let mut keys: Vec<String> = outcome.found.get(&rule).into_iter().flatten().map(|key| spelled(key)).collect();
        keys.sort_unstable();
        let text: String = keys.iter().flat_map(|key| [key.as_str(), "\n"]).collect();
        let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if planted[&name]["sha256"] != digest.as_str() {
            eprintln!("tenet: {name} found {}, expected {}", keys.len(), planted[&name]["count"]);
            wrong.push(name.clone());
        }
        counts.insert(name, keys.len());
    }
    if outcome.n_undecided > 0 {
        wrong.push(format!("{} undecided", outcome.n_undecided));
    }
    let seconds = |of: fn(&(f64, f64)) -> f64| times.iter().map(of).collect::<Vec<_>>();
    let line = serde_json::json!({
        "peer": if arguments.reference { "tenet-reference" } else { "tenet" },
        "load_s": load.0, "load_cpu_s": load.1,
        "eval_s": seconds(|time| time.0), "eval_cpu_s": seconds(|time| time.1),
        "peak_mb": peak, "ok": wrong.is_empty(), "wrong": wrong, "counts": counts, "note": note,
    });
    println!("{line}");
    i32::from(!wrong.is_empty())
}

//! `tenet scan --previous`: what was decided before, and what has changed since.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::args::{Global, Scan as Arguments, Selection};
use super::exit::Failure;
use super::load::Loaded;
use super::output;
use super::repo::Repo;
use crate::Compiled;
use crate::check::{Policies, Rule};
use crate::evaluate::Options;
use crate::evaluate::engine::delta::{Previous, Share, delta_between, rescan};
use crate::evaluate::engine::{Decision, EngineError, Judged, Plan, Subjects};
use crate::model::{Verdict, parse_instant};
use crate::report::{PreviousFinding, PreviousResult, read_previous};
use crate::snapshot::Snapshot;
use crate::snapshot::columns::delta::Delta;
use crate::sources::disk::read_manifest;

/// A previous result larger than this is not read.
const RESULT_BYTES_MAX: u64 = 4 << 30;

/// What a scan knows that may take over from a previous one.
pub(super) struct Before<'a> {
    pub(super) global: &'a Global,
    pub(super) repo: &'a Repo,
    pub(super) compiled: &'a Compiled,
    pub(super) args: &'a Arguments,
    pub(super) loaded: &'a Loaded,
    pub(super) plan: &'a Plan,
    pub(super) digests: &'a [String],
}

/// What is taken over, and what differs.
pub(super) struct Known {
    previous: Previous,
    delta: Delta,
}

/// Names the runs of a plan: `PACK|RULE`.
pub(super) fn names(policies: &Policies, plan: &Plan) -> Vec<String> {
    let name = |pack: Option<usize>, rule: Option<&Rule>| {
        let pack = pack.and_then(|at| policies.packs.get(at)).map(|pack| pack.name.as_str());
        run_name(pack, rule.map_or("", |rule| &rule.id))
    };
    plan.runs.iter().map(|(run, _)| name(run.pack, policies.rules.get(run.rule.0 as usize))).collect()
}

fn run_name(pack: Option<&str>, rule: &str) -> String {
    format!("{}|{rule}", pack.unwrap_or("-"))
}

impl Before<'_> {
    /// Reads the previous result, if one was given; `None` with a note if nothing of it can be taken over.
    pub(super) fn result(&self) -> anyhow::Result<Option<Known>> {
        let Some(path) = &self.args.previous else { return Ok(None) };
        let result = read(path)?;
        match self.known(&result, path)? {
            Ok(known) => Ok(Some(known)),
            Err(reason) => {
                output::say(self.global, &format!("note: everything is decided anew: {reason}"));
                Ok(None)
            }
        }
    }

    fn known(&self, result: &PreviousResult, path: &Path) -> anyhow::Result<Result<Known, String>> {
        if self.args.subject.is_some() {
            return Ok(Err("only one subject is looked at".to_owned()));
        }
        if result.run.tool_version != env!("CARGO_PKG_VERSION") {
            return Ok(Err(format!("{} was made by tenet {}", path.display(), result.run.tool_version)));
        }
        if result.run.registers_digest != self.loaded.registers_digest {
            return Ok(Err("the registers have changed since".to_owned()));
        }
        let now = parse_instant(&result.now).ok().flatten();
        let Some(now) = now else { return Err(Failure::usage(format!("{}: `{}` is no time", path.display(), result.now)).into()) };
        let digest = result.run.snapshot_digest.as_deref();
        if digest == Some(self.loaded.manifest.digest()?.as_str()) && self.args.previous_snapshot.is_none() {
            let delta = Delta::nothing(self.loaded.snapshot.columns());
            return Ok(Ok(Known { previous: self.previous(result, now, &self.loaded.snapshot), delta }));
        }
        let Some(folder) = self.snapshot_of(digest)? else {
            return Ok(Err("its snapshot is not in the snapshot folder; give it with --previous-snapshot".to_owned()));
        };
        let selection = Selection { snapshot: Some(folder), ..self.args.selection.clone() };
        let old = self.repo.snapshot(self.global, self.compiled, &selection)?;
        let delta = delta_between(self.plan, old.snapshot.columns(), self.loaded.snapshot.columns());
        let previous = self.previous(result, now, &old.snapshot);
        old.check()?;
        let delta = delta.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Ok(Known { previous, delta }))
    }

    /// Finds the snapshot of the previous result.
    fn snapshot_of(&self, digest: Option<&str>) -> anyhow::Result<Option<PathBuf>> {
        if let Some(path) = &self.args.previous_snapshot {
            let manifest = read_manifest(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            if Some(manifest.digest()?.as_str()) != digest {
                let text = format!("--previous-snapshot {}: the previous result is of another snapshot", path.display());
                return Err(Failure::usage(text).into());
            }
            return Ok(Some(path.clone()));
        }
        let is_it = |path: &PathBuf| {
            let manifest = read_manifest(path).ok().and_then(|manifest| manifest.digest().ok());
            manifest.as_deref() == digest && digest.is_some()
        };
        Ok(self.repo.snapshots().into_iter().find(is_it))
    }

    /// Brings the verdicts of a result into the form they were decided in.
    fn previous(&self, result: &PreviousResult, now: Timestamp, old: &Snapshot) -> Previous {
        let names = names(&self.compiled.policies, self.plan);
        let mut findings: BTreeMap<String, Vec<&PreviousFinding>> = BTreeMap::new();
        for finding in &result.findings {
            findings.entry(run_name(finding.pack.as_deref(), &finding.rule)).or_default().push(finding);
        }
        let decision = |((name, digest), (run, functions)): ((&String, &String), &(crate::evaluate::RuleRun, _))| {
            let rule = self.compiled.policies.rules.get(run.rule.0 as usize)?;
            let has_due = self.plan.has_due(functions);
            // Verdicts of a rule that a pack uses twice cannot be told apart.
            let once = names.iter().filter(|other| *other == name).count() == 1;
            let same = once && result.run.rule_digests.get(name) == Some(digest);
            same.then(|| decision(rule, has_due, old, findings.get(name).map_or(&[], Vec::as_slice)))
        };
        let runs = names.iter().zip(self.digests).zip(&self.plan.runs);
        Previous { now, decisions: runs.map(decision).collect() }
    }
}

/// What a result says of one subject of a rule.
#[derive(Default)]
struct Row {
    applies: Option<Verdict>,
    verdicts: BTreeMap<usize, Verdict>,
    due: Option<Timestamp>,
}

/// Collects the verdicts of a rule. A subject of which something is missing or not understood is left out, and so decided.
fn decision(rule: &Rule, has_due: bool, old: &Snapshot, findings: &[&PreviousFinding]) -> Decision {
    let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
    let schema = old.schema();
    for finding in findings {
        let Some(subject) = &finding.subject else { continue };
        let ty = schema.entity_named(&subject.entity).map(|ty| ty.id);
        let found = ty.and_then(|ty| old.find(ty, &subject.id).filter(|id| old.entity_type(*id) == Some(ty)));
        let (Some(id), Some(verdict)) = (found, Verdict::from_name(&finding.verdict)) else { continue };
        let row = rows.entry(id.0).or_default();
        match &finding.requirement {
            None => row.applies = Some(verdict),
            Some(name) => {
                if let Some(at) = rule.requirements.iter().position(|requirement| requirement.name == *name) {
                    row.verdicts.insert(at, verdict);
                    row.due = finding.due.as_deref().and_then(|due| parse_instant(due).ok().flatten());
                }
            }
        }
    }
    let n = rule.requirements.len();
    rows.retain(|_, row| match row.applies {
        Some(verdict) => matches!(verdict, Verdict::Unknown | Verdict::NotApplicable),
        None => row.verdicts.len() == n,
    });
    let of = |row: &Row, at: usize| row.verdicts.get(&at).copied().filter(|_| row.applies.is_none()).unwrap_or(Verdict::NotApplicable);
    Decision {
        subjects: Subjects::Ids(rows.keys().copied().collect()),
        applies: rows.values().map(|row| row.applies.unwrap_or(Verdict::Pass)).collect(),
        verdicts: (0..n).map(|at| rows.values().map(|row| of(row, at)).collect()).collect(),
        due: has_due.then(|| rows.values().map(|row| row.due).collect()),
        unseen: false,
        witnesses: vec![Vec::new(); n],
    }
}

impl Known {
    /// Judges, and says how much was decided again.
    pub(super) fn judge(
        self,
        global: &Global,
        plan: &Plan,
        compiled: &Compiled,
        loaded: &Loaded,
        options: &Options<'_>,
    ) -> Result<Judged, EngineError> {
        let (judged, shares) = rescan(plan, &compiled.policies, &loaded.snapshot, options, self.previous, &self.delta)?;
        if global.verbose > 0 {
            say(global, &names(&compiled.policies, plan), &shares);
        }
        Ok(judged)
    }
}

fn say(global: &Global, names: &[String], shares: &[Share]) {
    let total = |of: fn(&Share) -> usize| shares.iter().map(of).sum::<usize>();
    output::say(
        global,
        &format!("decided again: {} of {} subjects of {} rules", total(|share| share.again), total(|share| share.of), shares.len()),
    );
    for (name, share) in names.iter().zip(shares).filter(|(_, share)| share.again > 0) {
        let why = share.whole.map_or_else(String::new, |whole| format!(": {}", whole.reason()));
        output::say(global, &format!("  {} {} of {}{why}", name.trim_start_matches("-|"), share.again, share.of));
    }
}

fn read(path: &Path) -> anyhow::Result<PreviousResult> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("--previous {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let bytes = file.metadata().map_err(|error| wrong(&error))?.len();
    if bytes > RESULT_BYTES_MAX {
        return Err(wrong(&format!("it has {bytes} bytes; at most {RESULT_BYTES_MAX} are read")).into());
    }
    read_previous(BufReader::new(file.take(RESULT_BYTES_MAX))).map_err(|error| wrong(&error).into())
}

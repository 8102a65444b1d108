//! Two engines over one snapshot: everything in which they differ.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tenet::check::Policies;
use tenet::evaluate::{Detail, Finding, Options, RuleRun, Scan};
use tenet::report::{RunIdentity, result_document};
use tenet::snapshot::Snapshot;

use super::engine::{Engine, Pair, Scanned};

/// The most differences that are written out.
const SHOWN_MAX: usize = 12;

/// How closely scans are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Verdicts, dates, waivers, counts.
    Verdicts,
    /// Also the attestations that verdicts rest on.
    Attestations,
    /// Also explanations and missing facts.
    Reasons,
}

/// What came of one comparison.
pub(crate) struct Compared {
    pub(crate) differences: Vec<String>,
    /// The scan of the first engine, unless parameters were missing.
    pub(crate) scan: Option<Scan>,
}

fn scanned(engine: Engine<'_>, policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Scanned {
    catch_unwind(AssertUnwindSafe(|| engine(policies, snapshot, options))).unwrap_or_else(|_| Err("panicked".to_owned()))
}

/// Runs both engines and compares what they say.
pub(crate) fn compare(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>, pair: Pair<'_>, depth: Depth) -> Compared {
    let stored = pair.store.of(snapshot);
    let one = scanned(pair.one, policies, snapshot, options);
    let other = scanned(pair.other, policies, &stored, options);
    let differences = match (&one, &other) {
        (Ok(one), Ok(other)) => {
            let mut differences = scans(policies, snapshot, one, other, depth);
            if depth == Depth::Reasons && differences.is_empty() {
                differences = shortened(lines(&document(policies, snapshot, one), &document(policies, &stored, other)));
            }
            differences
        }
        (Err(one), Err(other)) if one == other => Vec::new(),
        (one, other) => {
            let said = |scanned: &Scanned| scanned.as_ref().map_or_else(Clone::clone, |scan| format!("{} findings", scan.findings.len()));
            vec![format!("{} and {}", said(one), said(other))]
        }
    };
    Compared { differences, scan: one.ok() }
}

/// Compares two scans.
fn scans(policies: &Policies, snapshot: &Snapshot, one: &Scan, other: &Scan, depth: Depth) -> Vec<String> {
    let attested = depth != Depth::Verdicts;
    let mut differences = Vec::new();
    if one.now != other.now {
        differences.push(format!("now: {} and {}", one.now, other.now));
    }
    let runs = |scan: &Scan| -> Vec<String> {
        let show = |run: &RuleRun| {
            let rule = policies.rules.get(run.rule.0 as usize).map_or("?", |rule| rule.id.as_str());
            let RuleRun { pack, rule: _, blocking, params, n_subjects, n_assessed } = run;
            format!("run of {rule}: pack {pack:?}, blocking {blocking}, {n_subjects} subjects, {n_assessed} assessed, {params:?}")
        };
        scan.runs.iter().map(show).collect()
    };
    differences.extend(lines(&runs(one), &runs(other)));
    let name = |finding: &Finding| {
        let rule = one.rule(policies, finding);
        let requirement = match (rule, finding.requirement) {
            (Some(rule), Some(at)) => rule.requirements.get(at).map_or("?", |requirement| requirement.name.as_str()),
            _ => "*",
        };
        let subject = finding.subject.map_or("nobody has seen".into(), |id| snapshot.key(id));
        format!("{} (run {}) {requirement} {subject}", rule.map_or("?", |rule| rule.id.as_str()), finding.run)
    };
    if one.findings.len() == other.findings.len() && one.findings.iter().zip(&other.findings).all(|(a, b)| same(a, b, attested)) {
        if one.waivers != other.waivers {
            differences.push(format!("waivers: {:?} and {:?}", one.waivers, other.waivers));
        }
        return differences;
    }
    let keyed = |scan: &'_ Scan| -> BTreeMap<String, String> {
        let said = |finding: &Finding| {
            let exhausted = if finding.exhausted { ", exhausted" } else { "" };
            let due = finding.due.map_or(String::new(), |due| format!(", due {due}"));
            let waiver = finding.waiver.map_or(String::new(), |at| format!(", waiver {at}"));
            let rests = if attested { format!(", rests on {:?}", finding.attested) } else { String::new() };
            format!("{}{due}{waiver}{exhausted}{rests}", finding.verdict.name())
        };
        scan.findings.iter().map(|finding| (name(finding), said(finding))).collect()
    };
    let (left, right) = (keyed(one), keyed(other));
    for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
        if left.get(key) != right.get(key) {
            let said = |found: Option<&String>| found.map_or("nothing".to_owned(), Clone::clone);
            differences.push(format!("{key}: {} and {}", said(left.get(key)), said(right.get(key))));
        }
    }
    if differences.is_empty() {
        differences.push("the same findings in another order, or more than once".to_owned());
    }
    if one.waivers != other.waivers {
        differences.push(format!("waivers: {:?} and {:?}", one.waivers, other.waivers));
    }
    shortened(differences)
}

fn same(one: &Finding, other: &Finding, with_attested: bool) -> bool {
    let Finding { run, requirement, subject, verdict, due, waiver, attested, exhausted } = one;
    *run == other.run
        && *requirement == other.requirement
        && *subject == other.subject
        && *verdict == other.verdict
        && *due == other.due
        && *waiver == other.waiver
        && (*attested == other.attested || !with_attested)
        && *exhausted == other.exhausted
}

/// Writes the document of a scan: explanations, missing facts, attestations, counts.
fn document(policies: &Policies, snapshot: &Snapshot, scan: &Scan) -> Vec<String> {
    let document = result_document(policies, snapshot, scan, RunIdentity::default(), Detail::Full);
    serde_json::to_string_pretty(&document).unwrap().lines().map(str::to_owned).collect()
}

fn lines(one: &[String], other: &[String]) -> Vec<String> {
    if one == other {
        return Vec::new();
    }
    if one.len() != other.len() {
        let at = one.iter().zip(other).position(|(a, b)| a != b).unwrap_or(one.len().min(other.len()));
        let said = |lines: &[String]| lines.get(at).map_or("nothing".to_owned(), |line| line.trim().to_owned());
        return vec![format!("{} lines and {}; first: {} and {}", one.len(), other.len(), said(one), said(other))];
    }
    one.iter().zip(other).filter(|(a, b)| a != b).map(|(a, b)| format!("{} and {}", a.trim(), b.trim())).collect()
}

fn shortened(mut differences: Vec<String>) -> Vec<String> {
    let more = differences.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        differences.truncate(SHOWN_MAX);
        differences.push(format!("and {more} more"));
    }
    differences
}

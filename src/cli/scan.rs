//! `tenet scan`: policies over a snapshot, and reports.

use super::Exit;
use super::args::{Global, Scan};
use super::exit::Failure;
use super::previous::{Before, names};
use super::{formats, output, repo};
use crate::Compiled;
use crate::check::Rule;
use crate::evaluate::engine::{Plan, judge_by};
use crate::evaluate::{Detail, Options};
use crate::model::{EntityId, RuleSeverity, parse_duration};
use crate::report::{Report, ResultDocument, RuleResult, plain_json};
use crate::snapshot::Snapshot;
use crate::text::did_you_mean;

pub(super) fn run(global: &Global, args: &Scan) -> anyhow::Result<Exit> {
    let fail_on = fail_on(&args.fail_on)?;
    let outputs = formats::outputs(&args.format)?;
    let repo = repo::open(global)?;
    let mut files = repo.policy_files(&[])?;
    if !args.selection.policies.is_empty() {
        files.extend(repo.policy_files(&args.selection.policies)?);
    }
    let compiled = repo.compile(global, &files)?;
    let params = repo.parameters(&compiled, &args.selection)?;
    let packs = repo.packs(&compiled, &args.selection)?;
    let loaded = repo.snapshot(global, &compiled, &args.selection)?;
    let now = loaded.now(global)?;
    refuse_old(args, &loaded.snapshot, global)?;
    let subject = args.subject.as_ref().map(|text| find_subject(&loaded.snapshot, text)).transpose();
    loaded.check()?;
    let subject = subject?;
    let select = selection(args, &compiled)?;
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &select, subject, waivers: !args.no_waivers };
    let work = output::Work::begin(global, "evaluating");
    let plan = Plan::new(&compiled.policies, &options).map_err(|error| Failure::usage(error.to_string()))?;
    let digests = plan.digests(&compiled.policies);
    let before = Before { global, repo: &repo, compiled: &compiled, args, loaded: &loaded, plan: &plan, digests: &digests };
    let judged = match before.result()? {
        Some(before) => before.judge(global, &plan, &compiled, &loaded, &options),
        None => judge_by(&plan, &compiled.policies, &loaded.snapshot, &options),
    };
    loaded.check()?;
    let judged = judged.map_err(|error| Failure::usage(error.to_string()))?;
    let mut identity = loaded.identity(&compiled)?;
    identity.rule_digests = names(&compiled.policies, &plan).into_iter().zip(digests).collect();
    let mut report = Report::new(&compiled.policies, &loaded.snapshot, &judged, identity, Detail::Brief);
    report.locate(&compiled.sources, &compiled.paths, compiled.n_builtin);
    drop(work);
    let exit = outcome(report.head(), fail_on, args.strict);
    report.set_outcome(exit.name());
    formats::write(global, &report, &loaded, &outputs)?;
    loaded.say_read(global);
    Ok(exit)
}

/// What fails a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailOn {
    /// A fail of a blocking rule.
    Blocking,
    /// Also a fail of any rule of this severity or above.
    Severity(RuleSeverity),
    /// Nothing.
    Nothing,
}

fn fail_on(text: &str) -> anyhow::Result<FailOn> {
    match text {
        "fail" => Ok(FailOn::Blocking),
        "none" => Ok(FailOn::Nothing),
        other => match RuleSeverity::from_name(other) {
            Some(severity) => Ok(FailOn::Severity(severity)),
            None => Err(Failure::usage(format!("--fail-on {other}: write fail, none, critical, high, medium, low or advice")).into()),
        },
    }
}

/// Decides the exit code from the counts: fail before unknown before nothing assessed.
pub(super) fn outcome(document: &ResultDocument, fail_on: FailOn, strict: bool) -> Exit {
    let at_or_above = |severity: RuleSeverity| match fail_on {
        FailOn::Severity(wanted) => severity >= wanted,
        FailOn::Blocking | FailOn::Nothing => false,
    };
    let fails = |rule: &RuleResult| {
        let n = rule.verdicts.fail + if strict { rule.verdicts.unknown } else { 0 };
        n > 0 && fail_on != FailOn::Nothing && (rule.blocking || at_or_above(rule.severity))
    };
    if document.rules.iter().any(fails) {
        return Exit::Findings;
    }
    let counts = &document.summary.verdicts;
    if counts.unknown > 0 || counts.assessed() == 0 { Exit::Incomplete } else { Exit::Ok }
}

fn refuse_old(args: &Scan, snapshot: &Snapshot, global: &Global) -> anyhow::Result<()> {
    let Some(text) = &args.max_age else { return Ok(()) };
    let limit = parse_duration(text).map_err(|error| Failure::usage(format!("--max-age: {error}")))?;
    let clock = global.now.unwrap_or_else(jiff::Timestamp::now);
    let captured = snapshot.meta().captured_to.ok_or_else(|| Failure::usage("--max-age: the snapshot does not say when it was taken"))?;
    let age = clock.as_second().saturating_sub(captured.as_second());
    if age > limit {
        return Err(Failure::usage(format!("the snapshot is of {captured}, older than {text}; collect a new one")).into());
    }
    Ok(())
}

/// Finds a subject by key or by name; a name that several have is refused.
pub(super) fn find_subject(snapshot: &Snapshot, text: &str) -> anyhow::Result<EntityId> {
    let ids = (0..u32::try_from(snapshot.len()).unwrap_or(u32::MAX)).map(EntityId);
    let key = text.to_lowercase();
    let suffix = format!("/{key}");
    let by_key: Vec<EntityId> = ids.clone().filter(|id| snapshot.key(*id).to_lowercase() == key).collect();
    if let [one, ..] = by_key.as_slice() {
        return Ok(*one);
    }
    let by_name: Vec<EntityId> =
        ids.clone().filter(|id| snapshot.label(*id).to_lowercase() == key || snapshot.key(*id).ends_with(&suffix)).collect();
    match by_name.as_slice() {
        [one] => Ok(*one),
        [] => {
            let labels: Vec<String> = ids.take(20_000).map(|id| snapshot.label(id)).collect();
            let help =
                did_you_mean(text, labels.iter().map(String::as_str)).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(Failure::usage(format!("there is no `{text}` in the snapshot{help}")).into())
        }
        several => {
            let keys: Vec<_> = several.iter().take(5).map(|id| snapshot.key(*id)).collect();
            Err(Failure::usage(format!("several are called `{text}`: {}; give the id", keys.join(", "))).into())
        }
    }
}

fn selection(args: &Scan, compiled: &Compiled) -> anyhow::Result<impl Fn(&Rule) -> bool + use<>> {
    let (rules, tags) = (args.rule.clone(), args.tag.clone());
    for wanted in &rules {
        let ids = compiled.policies.rules.iter().map(|rule| rule.id.as_str());
        if !ids.clone().any(|id| matches_id(wanted, id)) {
            let help = did_you_mean(wanted, ids).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(Failure::usage(format!("there is no rule `{wanted}`{help}")).into());
        }
    }
    let least = match &args.severity {
        None => None,
        Some(text) => Some(
            RuleSeverity::from_name(text)
                .ok_or_else(|| Failure::usage(format!("--severity {text}: write critical, high, medium, low or advice")))?,
        ),
    };
    Ok(move |rule: &Rule| {
        (rules.is_empty() || rules.iter().any(|wanted| matches_id(wanted, &rule.id)))
            && (tags.is_empty() || rule.tags.iter().any(|tag| tags.contains(tag)))
            && least.is_none_or(|least| rule.severity >= least)
    })
}

pub(super) fn matches_id(wanted: &str, id: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == id, |prefix| id.starts_with(prefix))
}

/// Writes a result as its file.
pub(super) fn json(document: &ResultDocument) -> anyhow::Result<String> {
    Ok(format!("{}\n", plain_json(&serde_json::to_string_pretty(document)?)))
}

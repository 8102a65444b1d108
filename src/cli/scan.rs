//! `tenet scan`: policies over a snapshot, and reports.

use super::Exit;
use super::args::{Global, Scan};
use super::baseline::Baseline;
use super::exit::Failure;
use super::load::Loaded;
use super::previous::{Before, names};
use super::{formats, output, pseudonyms, repo};
use crate::Compiled;
use crate::check::Rule;
use crate::evaluate::engine::{Plan, judge_by};
use crate::evaluate::{Detail, Options};
use crate::model::{EntityId, RuleSeverity, parse_duration};
use crate::report::{Asked, Fresh, Report, ResultDocument, RuleResult, plain_json};
use crate::snapshot::Snapshot;
use crate::text::did_you_mean;

pub(super) fn run(global: &Global, args: &Scan) -> anyhow::Result<Exit> {
    let outputs = formats::outputs(&args.format)?;
    with_report(global, args, &mut |report, loaded, compiled| {
        let pseudonyms = pseudonyms::open(args.pseudonymise.as_deref(), &compiled.policies, &loaded.snapshot)?;
        formats::write(global, report, loaded, pseudonyms.as_ref(), &outputs)?;
        loaded.say_read(global);
        Ok(())
    })
}

/// Something that is done with a report, and with the policies it was made by.
pub(super) type With<'w> = &'w mut dyn FnMut(&Report<'_>, &Loaded, &Compiled) -> anyhow::Result<()>;

/// Scans, and does something with the report. The same arguments in the same repo give the same report.
pub(super) fn with_report(global: &Global, args: &Scan, with: With<'_>) -> anyhow::Result<Exit> {
    let fail_on = fail_on(&args.fail_on)?;
    if fail_on == FailOn::New && args.baseline.is_none() {
        return Err(Failure::usage("--fail-on new: say which result is the old one with --baseline").into());
    }
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.selection.policies)?)?;
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
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
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
    identity.asked = asked(args, baseline.as_ref());
    let mut report = Report::new(&compiled.policies, &loaded.snapshot, &judged, identity, Detail::Brief);
    report.locate(&compiled.sources, &compiled.paths, compiled.n_builtin);
    let fresh = baseline.map(|baseline| baseline.carry_on(&mut report)).transpose()?.unwrap_or_default();
    drop(work);
    let exit = outcome(report.head(), fail_on, args.strict, fresh);
    report.set_outcome(exit.name());
    with(&report, &loaded, &compiled)?;
    Ok(exit)
}

/// Notes what was asked for, so that it can be asked again.
fn asked(args: &Scan, baseline: Option<&Baseline>) -> Asked {
    let paths = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    Asked {
        packs: args.selection.pack.clone(),
        parameters: args.selection.param.clone(),
        policies: paths(&args.selection.policies),
        registers: args.selection.register.clone(),
        rules: args.rule.clone(),
        tags: args.tag.clone(),
        severity: args.severity.clone(),
        subject: args.subject.clone(),
        fail_on: args.fail_on.clone(),
        strict: args.strict,
        no_waivers: args.no_waivers,
        baseline: baseline.map(|baseline| baseline.digest.clone()),
    }
}

/// What fails a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailOn {
    /// A fail of a blocking rule.
    Blocking,
    /// A fail of a blocking rule that was not there in the baseline.
    New,
    /// Also a fail of any rule of this severity or above.
    Severity(RuleSeverity),
    /// Nothing.
    Nothing,
}

fn fail_on(text: &str) -> anyhow::Result<FailOn> {
    match text {
        "fail" => Ok(FailOn::Blocking),
        "new" => Ok(FailOn::New),
        "none" => Ok(FailOn::Nothing),
        other => match RuleSeverity::from_name(other) {
            Some(severity) => Ok(FailOn::Severity(severity)),
            None => Err(Failure::usage(format!("--fail-on {other}: write fail, new, none, critical, high, medium, low or advice")).into()),
        },
    }
}

/// Decides the exit code from the counts: fail before unknown before nothing assessed.
pub(super) fn outcome(document: &ResultDocument, fail_on: FailOn, strict: bool, fresh: Fresh) -> Exit {
    let at_or_above = |severity: RuleSeverity| match fail_on {
        FailOn::Severity(wanted) => severity >= wanted,
        FailOn::Blocking | FailOn::New | FailOn::Nothing => false,
    };
    let fails = |rule: &RuleResult| {
        let n = rule.verdicts.fail + if strict { rule.verdicts.unknown } else { 0 };
        n > 0 && fail_on != FailOn::Nothing && (rule.blocking || at_or_above(rule.severity))
    };
    let blocks = match fail_on {
        FailOn::New => fresh.fails > 0 || (strict && fresh.unknowns > 0),
        _ => document.rules.iter().any(fails),
    };
    if blocks {
        return Exit::Findings;
    }
    let counts = &document.summary.verdicts;
    if counts.unknown > 0 || counts.assessed() == 0 { Exit::Incomplete } else { Exit::Ok }
}

/// Decides the exit code of `tenet scan` as it runs without `--fail-on`, `--strict` and `--baseline`.
#[must_use]
pub fn exit_of_scan(document: &ResultDocument) -> Exit {
    outcome(document, FailOn::Blocking, false, Fresh::default())
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

/// Tells which rules are asked for.
pub(super) fn selection(args: &Scan, compiled: &Compiled) -> anyhow::Result<impl Fn(&Rule) -> bool + use<>> {
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

//! The waivers of a repo and what each of them is, over a snapshot if there is one.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::Compiled;
use crate::check::{Policies, Waivable, Waiver};
use crate::cli::args::{Global, Selection};
use crate::cli::exit::Failure;
use crate::cli::repo::{self, Repo};
use crate::evaluate::engine::scan;
use crate::evaluate::{Detail, Options, waiver_state};
use crate::model::format_instant;
use crate::report::{Report, RunIdentity, WaiverResult};
use crate::sources::config::Config;

/// All waivers.
pub(super) struct Book {
    pub(super) repo: Repo,
    pub(super) compiled: Compiled,
    pub(super) entries: Vec<Entry>,
    pub(super) now: String,
    pub(super) snapshot: Option<String>,
}

/// One of them.
pub(super) struct Entry {
    /// Its place among the waivers of the policies.
    pub(super) at: usize,
    /// `RULE` or `RULE.requirement`.
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) from: Option<String>,
    pub(super) until: String,
    pub(super) ends: String,
    pub(super) because: String,
    pub(super) approved_by: Vec<String>,
    pub(super) ticket: Option<String>,
    /// File and line.
    pub(super) place: String,
    /// Fails that it covers, or would cover; none without a snapshot.
    pub(super) fails: Option<usize>,
    pub(super) subjects: Option<usize>,
    pub(super) findings: Vec<String>,
    /// What is wrong with its approval.
    pub(super) troubles: Vec<String>,
}

impl Book {
    /// Reads the waivers. Without a snapshot, given or in the snapshot folder, only their time is judged.
    pub(super) fn open(global: &Global, selection: &Selection) -> anyhow::Result<Self> {
        let repo = repo::open(global)?;
        let compiled = repo.compile(global, &repo.policy_files_and(&selection.policies)?)?;
        let has_snapshot = selection.snapshot.is_some() || !repo.snapshots().is_empty();
        let (now, snapshot, results) = if has_snapshot {
            let (now, name, results) = over_snapshot(global, &repo, &compiled, selection)?;
            (now, Some(name), results)
        } else {
            (global.now.unwrap_or_else(jiff::Timestamp::now), None, Vec::new())
        };
        let judged: BTreeMap<usize, WaiverResult> = results.into_iter().enumerate().collect();
        let entries = compiled.policies.waivers.iter().enumerate();
        let entries = entries.filter_map(|(at, waiver)| entry(&compiled, &repo.config, at, waiver, now, judged.get(&at))).collect();
        Ok(Self { entries, now: format_instant(now), snapshot, repo, compiled })
    }
}

fn over_snapshot(
    global: &Global,
    repo: &Repo,
    compiled: &Compiled,
    selection: &Selection,
) -> anyhow::Result<(jiff::Timestamp, String, Vec<WaiverResult>)> {
    let params = repo.parameters(compiled, selection)?;
    let packs = repo.packs(compiled, selection)?;
    let loaded = repo.snapshot(global, compiled, selection)?;
    let now = loaded.now(global)?;
    let waived: Vec<_> = compiled.policies.waivers.iter().map(|waiver| waiver.rule.0).collect();
    let ids: Vec<&str> =
        waived.iter().filter_map(|rule| compiled.policies.rules.get(*rule as usize)).map(|rule| rule.id.as_str()).collect();
    let select = |rule: &crate::check::Rule| ids.contains(&rule.id.as_str());
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &select, subject: None, waivers: true };
    let result = scan(&compiled.policies, &loaded.snapshot, &options);
    loaded.check()?;
    let result = result.map_err(|error| Failure::usage(error.to_string()))?;
    let name = loaded.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // Only the part about waivers is taken; findings are not put into words.
    let document = Report::new(&compiled.policies, &loaded.snapshot, &result, RunIdentity::default(), Detail::Brief);
    Ok((now, name, document.head().waivers.clone()))
}

fn entry(
    compiled: &Compiled,
    config: &Config,
    at: usize,
    waiver: &Waiver,
    now: jiff::Timestamp,
    judged: Option<&WaiverResult>,
) -> Option<Entry> {
    let rule = compiled.policies.rules.get(waiver.rule.0 as usize)?;
    let requirement = waiver.requirement.and_then(|at| rule.requirements.get(at));
    let file = compiled.sources.get(waiver.span.file)?;
    Some(Entry {
        at,
        name: requirement.map_or_else(|| rule.id.clone(), |requirement| format!("{}.{}", rule.id, requirement.name)),
        state: judged.map_or_else(|| waiver_state(&compiled.policies, waiver, now).name(), |judged| judged.state.name()),
        from: waiver.from.map(format_instant),
        until: format_instant(waiver.until),
        ends: format_instant(waiver.end()),
        because: waiver.because.clone(),
        approved_by: waiver.approved_by.clone(),
        ticket: waiver.ticket.clone(),
        place: format!("{}:{}", file.name, file.line_column(waiver.span.start).0),
        fails: judged.map(|judged| judged.fails),
        subjects: judged.map(|judged| judged.subjects),
        findings: judged.map_or_else(Vec::new, |judged| judged.findings.clone()),
        troubles: approval_troubles(&compiled.policies, config, waiver),
    })
}

/// Says who of `approved by` may not approve. Names in `waivable … by` and `[approvers]` stand for people; where neither says
/// who may, anybody may.
pub(super) fn approval_troubles(policies: &Policies, config: &Config, waiver: &Waiver) -> Vec<String> {
    let Some(rule) = policies.rules.get(waiver.rule.0 as usize) else { return Vec::new() };
    let Waivable::UpTo { by, .. } = &rule.waivable else { return Vec::new() };
    let may = may_approve(config, by);
    if may.is_empty() {
        return Vec::new();
    }
    let refused = waiver.approved_by.iter().filter(|name| !may.iter().any(|other| other.eq_ignore_ascii_case(name)));
    refused.map(|name| format!("{name} may not approve waivers of {}; {} may", rule.id, may.join(", "))).collect()
}

/// Lists who may approve: the names themselves, and the people they stand for.
fn may_approve(config: &Config, by: &[String]) -> Vec<String> {
    let groups: Vec<&String> = if by.is_empty() { config.approvers.keys().collect() } else { by.iter().collect() };
    let mut may = Vec::new();
    for group in groups {
        may.push(group.clone());
        may.extend(config.approvers.get(group).into_iter().flatten().map(|person| person.value.clone()));
    }
    may
}

impl Entry {
    pub(super) fn json(&self) -> Json {
        json!({
            "waiver": self.name, "state": self.state, "from": self.from, "until": self.until, "ends": self.ends,
            "because": self.because, "approved_by": self.approved_by, "ticket": self.ticket, "place": self.place,
            "fails": self.fails, "subjects": self.subjects, "findings": self.findings, "troubles": self.troubles,
        })
    }
}

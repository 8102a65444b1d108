//! The page: everything it shows, in the order in which it shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use askama::Template;

use super::super::document::{FindingResult, ResultDocument, RuleResult};
use super::super::graph::SVG_STYLE;
use super::super::saved::ResultSource;
use super::findings::{Group, Naming, Picture, Subscriptions, Teller, place_of, rule_anchor};
use super::head::{Attested, AttestedLine, CountLine, Outcome, UnreadLine, WaiverLine, counts, unread, waivers};
use super::overview::{Heat, HeatMap, PartnerMap, partner_map};
use super::surroundings::{Drawing, Surroundings};
use super::text::{Text, csp_hash};
use crate::model::Verdict;

/// The style and the script of the page. The script is a section of raw text for HTML and for XML alike.
const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");

/// What has changed since the result of `--baseline`: as the findings and the history of a result tell it.
#[derive(Default)]
struct Since {
    /// Findings that were not there.
    new: Vec<String>,
    /// Findings that were gone and are back.
    reopened: Vec<String>,
    /// Findings of this or an earlier result that are gone, with the instant at which they last failed.
    fixed: Vec<String>,
    /// Findings that are still there.
    still: usize,
    /// Keys that failed and were fixed before.
    past: BTreeSet<String>,
}

impl Since {
    /// Begins with the history of a result; nothing if it was compared with none.
    fn begin(head: &ResultDocument) -> Option<Self> {
        head.run.asked.baseline.as_ref()?;
        let past = head.history.iter().filter(|past| past.fixed).map(|past| past.key.clone()).collect();
        Some(Self { past, ..Self::default() })
    }

    fn note(&mut self, finding: &FindingResult) {
        if finding.verdict != Verdict::Fail {
            return;
        }
        let reopened = self.past.remove(&finding.key);
        if finding.since.is_some() {
            self.still += 1;
            return;
        }
        let subject = finding.subject.as_ref().map_or("subjects nobody has seen", |subject| subject.name.as_str());
        let line = format!("{} {}: {subject}", finding.rule, finding.requirement.as_deref().unwrap_or("-"));
        if reopened { self.reopened.push(line) } else { self.new.push(line) }
    }

    /// What is in the history and fails no longer.
    fn end(&mut self, head: &ResultDocument) {
        let gone = head.history.iter().filter(|past| self.past.contains(&past.key));
        self.fixed = gone.map(|past| format!("{}, last failed {}", past.key.replace('|', " "), past.last)).collect();
    }
}

/// A heading and what stands under it.
pub(super) struct Changed {
    pub(super) word: &'static str,
    pub(super) lines: Vec<Text>,
    pub(super) more: usize,
}

/// A rule in the appendix.
pub(super) struct RuleLine {
    pub(super) anchor: Option<String>,
    pub(super) id: Text,
    pub(super) title: Text,
    pub(super) severity: &'static str,
    /// The place of the severity among severities, to sort by.
    pub(super) rank: usize,
    pub(super) pack: Text,
    pub(super) blocking: bool,
    pub(super) numbers: [usize; 6],
    pub(super) result: &'static str,
    pub(super) class: &'static str,
    pub(super) place: Option<Text>,
}

/// The whole page.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    title: Text,
    tenant: Text,
    tenant_id: Option<Text>,
    facts: Vec<(&'static str, Text)>,
    parameters: Vec<(Text, Text)>,
    outcome: Outcome,
    counts: Vec<CountLine>,
    unread: Vec<UnreadLine>,
    unread_more: usize,
    n_unknown: usize,
    problems: Vec<Text>,
    baseline: Option<Text>,
    changes: Vec<Changed>,
    still: usize,
    waivers: Vec<WaiverLine>,
    attested: Vec<AttestedLine>,
    attested_more: usize,
    heat: HeatMap,
    partners: Option<PartnerMap>,
    n_pictures: usize,
    n_without: usize,
    groups: Vec<Group>,
    n_findings: usize,
    names: Vec<Text>,
    /// Names and keys.
    subscriptions: Vec<(Text, Text)>,
    rules: Vec<RuleLine>,
    style: String,
    script: &'static str,
    policy: String,
}

impl Page {
    pub(super) fn of(result: &dyn ResultSource, surroundings: Option<Surroundings<'_>>) -> io::Result<Self> {
        let head = result.head();
        let (mut naming, mut drawing, mut attested) = (Naming::default(), Drawing::default(), Attested::default());
        result.findings(&mut |finding| {
            naming.note(finding, surroundings);
            attested.note(finding);
            if let Some(surroundings) = surroundings {
                drawing.note(surroundings, finding);
            }
            Ok(())
        })?;
        let subscriptions: Subscriptions = naming.subscriptions(surroundings);
        let (pictures, n_without) = surroundings.map_or_else(|| (BTreeMap::new(), 0), |surroundings| drawing.pictures(surroundings));
        let n_pictures = pictures.len();
        let verdicts = &head.summary.verdicts;
        let n_findings = verdicts.fail + verdicts.waived + verdicts.unknown + verdicts.pending;
        let mut teller = Teller::new(&subscriptions, surroundings, pictures, n_findings);
        let mut heat = Heat::default();
        let mut since = Since::begin(head);
        result.findings(&mut |finding| {
            heat.note(finding, subscriptions.of(finding.subject.as_ref(), surroundings));
            let waiver = head.waiver_of(finding).map(|waiver| Text::of(&format!("until {}: {}", waiver.until, waiver.because)));
            teller.note(finding, waiver);
            if let Some(since) = &mut since {
                since.note(finding);
            }
            Ok(())
        })?;
        if let Some(since) = &mut since {
            since.end(head);
        }
        let groups = teller.groups(&head.rules);
        let (unread, unread_more) = unread(&head.unread);
        let (attested, attested_more) = attested.lines();
        let tenant_name = surroundings.and_then(Surroundings::tenant_name);
        let tenant_id = head.tenant.as_deref().unwrap_or("not known");
        let tenant = tenant_name.as_deref().unwrap_or(tenant_id);
        let style = format!("{STYLE}{SVG_STYLE}");
        Ok(Self {
            title: Text::of(&format!("Compliance report: {tenant}")),
            tenant: Text::of(tenant),
            tenant_id: tenant_name.is_some().then(|| Text::of(tenant_id)),
            facts: facts(head),
            parameters: head.parameters.iter().map(|(name, value)| (Text::of(name), Text::of(value))).collect(),
            outcome: Outcome::of(&head.summary),
            counts: counts(verdicts),
            unread,
            unread_more,
            n_unknown: verdicts.unknown,
            problems: head.problems.iter().map(|problem| Text::of(problem)).collect(),
            baseline: head.run.asked.baseline.as_ref().map(|digest| Text::of(&format!("the result with sha256:{digest}"))),
            changes: since.as_ref().map_or_else(Vec::new, changes),
            still: since.as_ref().map_or(0, |since| since.still),
            waivers: waivers(head),
            attested,
            attested_more,
            heat: heat.map(&head.rules, &subscriptions.names),
            partners: surroundings.map(partner_map),
            n_pictures,
            n_without,
            groups,
            n_findings,
            subscriptions: subscriptions.names.iter().skip(1).cloned().zip(subscriptions.keys).collect(),
            names: subscriptions.names,
            rules: rules(&head.rules),
            policy: policy(&style),
            style,
            script: SCRIPT,
        })
    }

    /// Writes the page.
    pub(super) fn written(&self) -> io::Result<String> {
        self.render().map_err(io::Error::other)
    }
}

/// Nothing is loaded from anywhere; the one style and the one script are known by their digests.
fn policy(style: &str) -> String {
    format!("default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'", csp_hash(style), csp_hash(SCRIPT))
}

fn facts(head: &ResultDocument) -> Vec<(&'static str, Text)> {
    let run = &head.run;
    let captured = match (&head.captured.from, &head.captured.to) {
        (Some(from), Some(to)) if from != to => format!("{from} to {to}"),
        (_, Some(at)) | (Some(at), None) => at.clone(),
        (None, None) => "not known".to_owned(),
    };
    let digest = |digest: Option<&str>| digest.map_or_else(|| "none".to_owned(), |digest| format!("sha256:{digest}"));
    let snapshot = run.snapshot.as_deref().unwrap_or("not known");
    vec![
        ("As of", Text::of(&head.now)),
        ("Read from the services", Text::of(&captured)),
        ("Snapshot", Text::of(&format!("{snapshot}, {}", digest(run.snapshot_digest.as_deref())))),
        ("Registers", Text::of(&digest(run.registers_digest.as_deref()))),
        ("Policies", Text::of(&digest(Some(&run.policies_digest)))),
        ("Tool", Text::of(&format!("tenet {}", run.tool_version))),
        ("Outcome", Text::of(&head.summary.outcome)),
    ]
}

fn changes(since: &Since) -> Vec<Changed> {
    /// Lines under one heading.
    const LINES_MAX: usize = 200;
    let changed = |word, lines: &[String]| Changed {
        word,
        lines: lines.iter().take(LINES_MAX).map(|line| Text::of(line)).collect(),
        more: lines.len().saturating_sub(LINES_MAX),
    };
    vec![changed("New", &since.new), changed("Reopened", &since.reopened), changed("Fixed", &since.fixed)]
}

fn rules(rules: &[RuleResult]) -> Vec<RuleLine> {
    let line = |rule: &RuleResult| {
        let counts = &rule.verdicts;
        let (class, result) = match counts {
            _ if rule.vacuous => ("na", "applied to nothing"),
            counts if counts.fail > 0 => ("fail", "fails"),
            counts if counts.unknown > 0 => ("unknown", "not decided"),
            counts if counts.pending > 0 => ("pending", "not due yet"),
            counts if counts.waived > 0 => ("waived", "waived"),
            _ => ("pass", "passes"),
        };
        RuleLine {
            anchor: (!rule.vacuous).then(|| rule_anchor(rule)),
            id: Text::of(&rule.id),
            title: Text::of(&rule.title),
            severity: rule.severity.name(),
            rank: crate::model::RuleSeverity::ALL.iter().position(|severity| *severity == rule.severity).unwrap_or(0),
            pack: Text::of(rule.pack.as_deref().unwrap_or("no pack")),
            blocking: rule.blocking,
            numbers: [counts.fail, counts.unknown, counts.pending, counts.waived, counts.pass, counts.not_applicable],
            result,
            class,
            place: rule.source.as_ref().map(|source| Text::of(&place_of(&source.file, source.builtin, source.line))),
        }
    };
    rules.iter().map(line).collect()
}

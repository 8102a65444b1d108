//! What stands before any finding: the verdict in words, the counts, what could not be looked at, waivers, attestations.

use std::collections::{BTreeMap, BTreeSet};

use super::super::document::{Counts, FindingResult, ResultDocument, Summary, Unread, WaiverResult};
use super::super::table::{register_of, remedy_of};
use super::text::{Text, counted};

/// Kinds of missing facts, and attestations; the rest is counted.
const UNREAD_MAX: usize = 100;
const ATTESTED_MAX: usize = 100;

/// The verdict of a run.
pub(super) struct Outcome {
    /// `fail`, `unknown` or `pass`.
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) words: String,
    pub(super) detail: String,
}

impl Outcome {
    pub(super) fn of(summary: &Summary) -> Self {
        let Counts { fail, waived, unknown, pending, .. } = summary.verdicts;
        let open = counted(unknown, "verdict could not be decided", "verdicts could not be decided");
        let (class, sign, words) = if fail > 0 {
            let fails = counted(fail, "requirement is not met", "requirements are not met");
            ("fail", "✗", if unknown > 0 { format!("{fails}, and {open}.") } else { format!("{fails}.") })
        } else if summary.of == 0 {
            ("unknown", "?", "Nothing was assessed: no rule applied to anything that was read.".to_owned())
        } else if unknown > 0 {
            ("unknown", "?", format!("Nothing that could be decided fails, but {open}. This is no clean result."))
        } else {
            ("pass", "✓", "Everything asked for was decided, and nothing fails.".to_owned())
        };
        let mut detail = format!(
            "{} of {} were decided, of {}.",
            summary.evaluated,
            counted(summary.of, "verdict", "verdicts"),
            counted(summary.rules, "rule", "rules")
        );
        if waived > 0 {
            detail += &format!(" {} by a waiver.", counted(waived, "fail is covered", "fails are covered"));
        }
        if pending > 0 {
            detail += &format!(" {} not due yet.", counted(pending, "verdict is", "verdicts are"));
        }
        if summary.attested > 0 {
            detail += &format!(
                " {} on somebody's word, not on what a service said.",
                counted(summary.attested, "verdict rests", "verdicts rest")
            );
        }
        Self { class, sign, words, detail }
    }
}

/// One count, with what it means.
pub(super) struct CountLine {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) n: usize,
    pub(super) means: &'static str,
}

pub(super) fn counts(counts: &Counts) -> Vec<CountLine> {
    let line = |class, sign, word, n, means| CountLine { class, sign, word, n, means };
    vec![
        line("fail", "✗", "fail", counts.fail, "does not hold"),
        line("unknown", "?", "unknown", counts.unknown, "cannot be decided with what was read"),
        line("pending", "◷", "pending", counts.pending, "does not hold yet, and is not due"),
        line("waived", "∅", "waived", counts.waived, "does not hold, and a waiver covers it"),
        line("pass", "✓", "pass", counts.pass, "holds, whatever else may come to light"),
        line("na", "–", "not applicable", counts.not_applicable, "the rule does not speak about it"),
    ]
}

/// What could not be looked at.
pub(super) struct UnreadLine {
    pub(super) what: Text,
    pub(super) reasons: Vec<Text>,
    pub(super) get_it: Text,
    pub(super) rules: Vec<Text>,
    pub(super) verdicts: usize,
}

/// Returns the lines, and how many there are more.
pub(super) fn unread(unread: &[Unread]) -> (Vec<UnreadLine>, usize) {
    let line = |hole: &Unread| UnreadLine {
        what: Text::of(&hole.what),
        reasons: hole.reasons.iter().map(|reason| Text::of(reason)).collect(),
        get_it: Text::of(&remedy_of(hole.api.as_deref(), hole.permission.as_deref(), hole.register.as_deref())),
        rules: hole.rules.iter().map(|rule| Text::of(rule)).collect(),
        verdicts: hole.verdicts,
    };
    (unread.iter().take(UNREAD_MAX).map(line).collect(), unread.len().saturating_sub(UNREAD_MAX))
}

/// A waiver.
pub(super) struct WaiverLine {
    pub(super) state: &'static str,
    pub(super) means: &'static str,
    pub(super) what: Text,
    pub(super) until: Text,
    pub(super) because: Text,
    pub(super) by: Text,
    pub(super) ticket: Option<Text>,
    pub(super) covers: String,
}

pub(super) fn waivers(document: &ResultDocument) -> Vec<WaiverLine> {
    document.waivers.iter().map(waiver).collect()
}

fn waiver(waiver: &WaiverResult) -> WaiverLine {
    let requirement = waiver.requirement.as_ref().map_or_else(String::new, |name| format!(".{name}"));
    let state = waiver.state.name();
    let means = match state {
        "active" => "it counts",
        "lapsing" => "it counts, and ends within 30 days",
        "lapsed" => "it has ended and covers nothing",
        "unneeded" => "what it selects does not fail",
        "unmatched" => "it selects nothing",
        _ => "it does not count",
    };
    WaiverLine {
        state,
        means,
        what: Text::of(&format!("{}{requirement}", waiver.rule)),
        until: Text::of(&waiver.until),
        because: Text::of(&waiver.because),
        by: Text::of(&waiver.approved_by.join(", ")),
        ticket: waiver.ticket.as_deref().map(Text::of),
        covers: format!("{} on {}", counted(waiver.fails, "fail", "fails"), counted(waiver.subjects, "subject", "subjects")),
    }
}

/// Entries of one register by one person.
pub(super) struct AttestedLine {
    pub(super) register: Text,
    pub(super) by: Text,
    pub(super) due: Option<Text>,
    pub(super) entries: usize,
    pub(super) verdicts: usize,
    pub(super) rules: Vec<Text>,
}

#[derive(Default)]
struct Entries {
    ids: BTreeSet<String>,
    rules: BTreeSet<String>,
    verdicts: usize,
}

/// Adds up on whose word verdicts rest.
#[derive(Default)]
pub(super) struct Attested(BTreeMap<(String, String, Option<String>), Entries>);

impl Attested {
    pub(super) fn note(&mut self, finding: &FindingResult) {
        let mut counted = BTreeSet::new();
        for attested in &finding.attested {
            let key = (register_of(&attested.source), attested.by.clone(), attested.review_due.clone());
            let entries = self.0.entry(key.clone()).or_default();
            entries.ids.insert(attested.id.clone());
            entries.rules.insert(finding.rule.clone());
            entries.verdicts += usize::from(counted.insert(key));
        }
    }

    pub(super) fn lines(&self) -> (Vec<AttestedLine>, usize) {
        let line = |((register, by, due), entries): (&(String, String, Option<String>), &Entries)| AttestedLine {
            register: Text::of(register),
            by: Text::of(by),
            due: due.as_deref().map(|due| Text::of(due.get(..10).unwrap_or(due))),
            entries: entries.ids.len(),
            verdicts: entries.verdicts,
            rules: entries.rules.iter().map(|rule| Text::of(rule)).collect(),
        };
        (self.0.iter().take(ATTESTED_MAX).map(line).collect(), self.0.len().saturating_sub(ATTESTED_MAX))
    }
}

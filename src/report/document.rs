//! The result of a scan as a document: what every report is made from, whether it was just made or is read from a file.
//! Format `tenet.result/v1`; field order is the order of the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words;
use crate::evaluate::{Tally, Truth, WaiverState};
use crate::model::{RuleSeverity, Verdict};

/// What a file of this format says it is.
pub const RESULT_FORMAT: &str = "tenet.result/v1";

/// What the caller knows about a run besides its verdicts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The program's version.
    pub tool_version: String,
    /// sha256 over all policy files in force.
    pub policies_digest: String,
    /// sha256 of the snapshot's manifest.
    pub snapshot_digest: Option<String>,
    /// The snapshot's name.
    pub snapshot: Option<String>,
    /// sha256 over the registers that were merged in and how they are declared.
    pub registers_digest: Option<String>,
    /// For each rule, as `PACK|RULE`, the sha256 of what it asks with its parameters: what `--previous` goes by.
    pub rule_digests: BTreeMap<String, String>,
    /// What was asked for.
    pub asked: Asked,
}

/// What a scan was asked on its command line, so that it can be asked again. The rest stands in the governance repo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `--pack`
    pub packs: Vec<String>,
    /// `--param`
    pub parameters: Vec<String>,
    /// `--policies`
    pub policies: Vec<String>,
    /// `--register`
    pub registers: Vec<String>,
    /// `--rule`
    pub rules: Vec<String>,
    /// `--tag`
    pub tags: Vec<String>,
    /// `--severity`
    pub severity: Option<String>,
    /// `--subject`
    pub subject: Option<String>,
    /// `--fail-on`
    pub fail_on: String,
    /// `--strict`
    pub strict: bool,
    /// `--no-waivers`
    pub no_waivers: bool,
    /// sha256 of the result of `--baseline`.
    pub baseline: Option<String>,
}

/// A finding that failed in an earlier result, and then no longer did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PastFinding {
    /// Its key.
    pub key: String,
    /// The instant of the first result in which it failed.
    pub first: String,
    /// The instant of the last one.
    pub last: String,
    /// Whether a later result decided that it does not fail. An unknown decides nothing.
    pub fixed: bool,
}

/// A whole result. Field order is the order of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultDocument {
    /// `tenet.result/v1`
    pub format: String,
    /// Which program, policies and snapshot.
    pub run: RunIdentity,
    /// The instant of the run.
    pub now: String,
    /// The directory.
    pub tenant: Option<String>,
    /// The capture window.
    pub captured: Captured,
    /// Parameters that were set or have a default, by module and name.
    pub parameters: BTreeMap<String, String>,
    /// Counts.
    pub summary: Summary,
    /// Every rule that ran.
    pub rules: Vec<RuleResult>,
    /// Every verdict.
    pub findings: Vec<FindingResult>,
    /// What could not be looked at, most wanted first.
    pub unread: Vec<Unread>,
    /// Waivers and what became of them.
    pub waivers: Vec<WaiverResult>,
    /// What did not fit together in the snapshot.
    pub problems: Vec<String>,
    /// Findings that failed in the results before, and then no longer did, by key.
    pub history: Vec<PastFinding>,
}

/// The capture window of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Captured {
    /// Its begin.
    pub from: Option<String>,
    /// Its end.
    pub to: Option<String>,
}

/// Counts of verdicts; waived ones are fails that a waiver covers and are not counted as fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Does not hold.
    pub fail: usize,
    /// Does not hold, and a waiver covers it.
    pub waived: usize,
    /// Cannot be decided.
    pub unknown: usize,
    /// Does not hold yet.
    pub pending: usize,
    /// Holds.
    pub pass: usize,
    /// The rule does not speak about the subject.
    pub not_applicable: usize,
}

impl Counts {
    pub(super) fn of(tally: &Tally) -> Self {
        let Tally { fail, waived, unknown, pending, pass, not_applicable, attested: _ } = *tally;
        Self { fail, waived, unknown, pending, pass, not_applicable }
    }

    /// Counts one more.
    pub fn count(&mut self, standing: Standing) {
        let counter = match standing {
            Standing::Fail => &mut self.fail,
            Standing::Waived => &mut self.waived,
            Standing::Unknown => &mut self.unknown,
            Standing::Pending => &mut self.pending,
            Standing::Pass => &mut self.pass,
            Standing::NotApplicable => &mut self.not_applicable,
        };
        *counter += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.fail += other.fail;
        self.waived += other.waived;
        self.unknown += other.unknown;
        self.pending += other.pending;
        self.pass += other.pass;
        self.not_applicable += other.not_applicable;
    }

    /// Returns how many verdicts were decided.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.fail + self.waived + self.pending + self.pass
    }

    /// Returns how many verdicts there are besides *not applicable*.
    #[must_use]
    pub fn assessed(&self) -> usize {
        self.decided() + self.unknown
    }
}

/// The summary of a run: every count, and how much of it was decided.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Counts over all rules.
    pub verdicts: Counts,
    /// Verdicts that were decided.
    pub evaluated: usize,
    /// Verdicts that were asked for.
    pub of: usize,
    /// Verdicts that rest on an attestation.
    pub attested: usize,
    /// Rules that ran.
    pub rules: usize,
    /// Rules that applied to nothing.
    pub vacuous: Vec<String>,
    /// The exit code's name, as far as the verdicts alone decide it.
    pub outcome: String,
}

/// One rule as a pack runs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleResult {
    /// Its id.
    pub id: String,
    /// Ids it had before (`@was`).
    pub was: Vec<String>,
    /// The pack.
    pub pack: Option<String>,
    /// Its title.
    pub title: String,
    /// Its severity.
    #[serde(with = "words")]
    pub severity: RuleSeverity,
    /// Whether a fail blocks.
    pub blocking: bool,
    /// Why it exists.
    pub why: Option<String>,
    /// Its sources.
    pub refs: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts.
    pub verdicts: Counts,
    /// Whether it applied to nothing.
    pub vacuous: bool,
    /// Where it is written; none where nobody said.
    pub source: Option<RuleSource>,
    /// What can be done about its fails, in the order of the rule.
    pub fixes: Vec<FixResult>,
}

/// Where a rule is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSource {
    /// The file, with slashes: from the top of the governance repo, or of the modules built into the program.
    pub file: String,
    /// Whether the file is built into the program.
    pub builtin: bool,
    /// Its first line, counted from 1.
    pub line: usize,
    /// Its last line.
    pub end_line: usize,
    /// Its text.
    pub text: String,
}

/// An action that a rule names to mend its fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixResult {
    /// The fix.
    pub name: String,
    /// The requirements it is for.
    pub requirements: Vec<String>,
    /// The action.
    pub action: String,
    /// Whether it is a person who does it.
    pub by_a_person: bool,
    /// The permissions it needs.
    pub needs: Vec<String>,
}

/// An entity as reports name it. Here and below `T` is a text: a [`String`], or nothing where a finding is only looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject<T = String> {
    /// Its type.
    #[serde(rename = "type")]
    pub entity: T,
    /// Its key.
    pub id: T,
    /// Its name.
    pub name: T,
}

/// One verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindingResult<T = String> {
    /// Pack, rule, requirement and subject, joined: unique in the document and stable between runs.
    pub key: T,
    /// The rule.
    pub rule: T,
    /// The pack.
    pub pack: Option<T>,
    /// The requirement; none if it is about whether the rule applies.
    pub requirement: Option<T>,
    /// The subject; none for subjects that nobody has seen.
    pub subject: Option<Subject<T>>,
    /// The verdict before waivers.
    #[serde(with = "words")]
    pub verdict: Verdict,
    /// Whether it is about whether the rule applies at all.
    pub applicability: bool,
    /// Whether a waiver covers it.
    pub waived: bool,
    /// The waiver that covers it, by place in [`ResultDocument::waivers`].
    pub waiver: Option<usize>,
    /// Of a fail: the instant of the first result since which it has been failing, as far as results were compared.
    pub since: Option<T>,
    /// The severity of its rule.
    #[serde(with = "words")]
    pub severity: RuleSeverity,
    /// Whether it blocks.
    pub blocking: bool,
    /// The instant by which it must hold.
    pub due: Option<T>,
    /// The rule's own words.
    pub message: Option<T>,
    /// What a person can do.
    pub remedy: Option<T>,
    /// The conditions that decided.
    pub explanation: Vec<ExplanationLine<T>>,
    /// What would have to be known.
    pub missing: Vec<Missing<T>>,
    /// Attestations it rests on.
    pub attested: Vec<AttestedBy<T>>,
}

/// One line of an explanation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplanationLine<T = String> {
    /// How deep it stands.
    pub depth: usize,
    /// The condition or heading.
    pub text: T,
    /// `true`, `false`, `unknown`; none for a heading.
    #[serde(with = "words::optional")]
    pub outcome: Option<Truth>,
    /// The facts it read.
    pub evidence: Vec<EvidenceItem<T>>,
}

/// A fact that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EvidenceItem<T = String> {
    /// Whose fact it is.
    pub subject: Subject<T>,
    /// Which one.
    pub property: T,
    /// Its value.
    pub value: T,
    /// Where it was read.
    pub source: Option<T>,
}

/// A fact that is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing<T = String> {
    /// What, in words.
    pub what: T,
    /// Why.
    pub reason: T,
    /// As of when.
    pub as_of: Option<T>,
    /// The read that would give it.
    pub api: Option<T>,
    /// The permission the read needs.
    pub permission: Option<T>,
    /// The register that would give it.
    pub register: Option<T>,
}

/// What could not be looked at, and how much hangs on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unread {
    /// The kind of fact, such as `Subscription.agreement`.
    pub what: String,
    /// Why, each reason once.
    pub reasons: Vec<String>,
    /// The read that would give it.
    pub api: Option<String>,
    /// The permission the read needs.
    pub permission: Option<String>,
    /// The register that would give it.
    pub register: Option<String>,
    /// Rules that wait for it.
    pub rules: Vec<String>,
    /// Verdicts that wait for it.
    pub verdicts: usize,
}

/// Who vouches for a fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttestedBy<T = String> {
    /// The attestation.
    pub id: T,
    /// Who.
    pub by: T,
    /// Where it stands.
    pub source: T,
    /// Until when it may be relied on.
    pub review_due: Option<T>,
}

/// What became of a waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaiverOutcome {
    /// It counts, or would: see [`WaiverState`].
    Is(WaiverState),
    /// It would count, and what it selects does not fail.
    Unneeded,
    /// It would count, and selects nothing.
    Unmatched,
}

impl WaiverOutcome {
    /// Returns the name used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Is(state) => state.name(),
            Self::Unneeded => "unneeded",
            Self::Unmatched => "unmatched",
        }
    }
}

/// A waiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaiverResult {
    /// The rule.
    pub rule: String,
    /// One requirement of it.
    pub requirement: Option<String>,
    /// Active, lapsing, lapsed, …
    #[serde(with = "words")]
    pub state: WaiverOutcome,
    /// Its first instant, if it says so.
    pub from: Option<String>,
    /// Its last day.
    pub until: String,
    /// The first instant at which it no longer counts.
    pub ends: String,
    /// The reason.
    pub because: String,
    /// Who allowed it.
    pub approved_by: Vec<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Fails that it covers, or would cover.
    pub fails: usize,
    /// Subjects that it selects.
    pub subjects: usize,
    /// The keys of the first of those fails.
    pub findings: Vec<String>,
}

/// How a finding stands: its verdict, with the waiver that lies over a fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Does not hold.
    Fail,
    /// Does not hold, and a waiver covers it.
    Waived,
    /// Cannot be decided.
    Unknown,
    /// Does not hold yet.
    Pending,
    /// Holds.
    Pass,
    /// The rule does not speak about the subject.
    NotApplicable,
}

impl Standing {
    /// Returns the name used in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Waived => "waived",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Pass => "pass",
            Self::NotApplicable => "not_applicable",
        }
    }
}

impl<T> FindingResult<T> {
    /// Returns how it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.verdict, self.waived) {
            (Verdict::Fail, false) => Standing::Fail,
            (Verdict::Fail, true) => Standing::Waived,
            (Verdict::Unknown, _) => Standing::Unknown,
            (Verdict::Pending, _) => Standing::Pending,
            (Verdict::Pass, _) => Standing::Pass,
            (Verdict::NotApplicable, _) => Standing::NotApplicable,
        }
    }
}

impl ResultDocument {
    /// Returns the waiver that covers a finding.
    #[must_use]
    pub fn waiver_of(&self, finding: &FindingResult) -> Option<&WaiverResult> {
        finding.waiver.and_then(|at| self.waivers.get(at))
    }

    /// Returns the rule of a finding as its pack runs it.
    #[must_use]
    pub fn rule_of(&self, finding: &FindingResult) -> Option<&RuleResult> {
        self.rules.iter().find(|rule| rule.id == finding.rule && rule.pack == finding.pack)
    }
}

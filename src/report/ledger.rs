//! What a saved result says of each key, and what becomes of it in a later one.
//!
//! In: a saved result. Out: how a finding stands in it. Invariant: what is absent counts as gone only if the later result was asked
//! about everything of its rule, and left nothing open there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::document::{FindingResult, PastFinding, RuleResult};
use super::result::Report;
use super::saved::ResultSource;
use crate::model::Verdict;

/// One verdict of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The verdict before waivers.
    pub verdict: Verdict,
    /// Whether a waiver covers it.
    pub waived: bool,
    /// Since when it has been failing.
    pub since: Option<String>,
    /// The name of its subject.
    pub subject: String,
}

impl Line {
    /// Tells whether it fails and no waiver covers it.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.verdict == Verdict::Fail && !self.waived
    }
}

/// How a key stands in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand<'l> {
    /// It has a verdict of its own.
    Said(&'l Line),
    /// Its rule does not speak about its subject.
    NotApplicable,
    /// Its rule was asked about everything, and its subject is not there.
    Gone,
    /// It was not asked, or its rule could not tell whether it applies.
    NotEvaluated,
}

impl Stand<'_> {
    /// Returns the word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Said(line) if line.waived => "waived",
            Self::Said(line) => line.verdict.name(),
            Self::NotApplicable => "not_applicable",
            Self::Gone => "gone",
            Self::NotEvaluated => "not evaluated",
        }
    }

    /// Tells whether it is decided that it does not fail.
    #[must_use]
    pub fn is_decided_not_to_fail(&self) -> bool {
        match self {
            Self::Said(line) => !matches!(line.verdict, Verdict::Fail | Verdict::Unknown),
            Self::NotApplicable | Self::Gone => true,
            Self::NotEvaluated => false,
        }
    }
}

/// A result by key.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The instant of the run.
    pub now: String,
    /// Every verdict about a requirement, and every unknown applicability.
    pub lines: BTreeMap<String, Line>,
    /// Findings that failed before, and then no longer did.
    pub history: BTreeMap<String, PastFinding>,
    /// The rules that ran, by `PACK|RULE`.
    pub rules: BTreeMap<String, RuleResult>,
    /// By the present id of a rule the one it had in this result.
    pub(super) former: BTreeMap<String, String>,
    /// Subjects a rule does not speak about: their keys, without requirement.
    silent: BTreeSet<String>,
    /// Whether only one subject was looked at.
    partial: bool,
}

impl Ledger {
    /// Sorts a result by key. `renamed` leads from former ids of rules to present ones.
    ///
    /// # Errors
    /// What reading says.
    pub fn of(result: &dyn ResultSource, renamed: &BTreeMap<String, String>) -> io::Result<Self> {
        let head = result.head();
        let mut ledger = Self { now: head.now.clone(), partial: head.run.asked.subject.is_some(), ..Self::default() };
        for rule in &head.rules {
            let mut rule = rule.clone();
            ledger.rename(&mut rule, renamed);
            ledger.rules.insert(run_of(rule.pack.as_deref(), &rule.id), rule);
        }
        for past in &head.history {
            let key = renamed_key(&past.key, renamed);
            ledger.history.insert(key.clone(), PastFinding { key, ..past.clone() });
        }
        result.findings(&mut |finding| {
            ledger.take(renamed, finding);
            Ok(())
        })?;
        Ok(ledger)
    }

    fn rename(&mut self, rule: &mut RuleResult, renamed: &BTreeMap<String, String>) {
        if let Some(now) = renamed.get(&rule.id) {
            self.former.insert(now.clone(), rule.id.clone());
            rule.id.clone_from(now);
        }
    }

    fn take(&mut self, renamed: &BTreeMap<String, String>, finding: &FindingResult) {
        let key = renamed_key(&finding.key, renamed);
        if finding.verdict == Verdict::NotApplicable {
            self.silent.insert(key);
            return;
        }
        let subject = finding.subject.as_ref().map_or_else(|| "subjects that were not read".to_owned(), |subject| subject.name.clone());
        self.lines.insert(key, Line { verdict: finding.verdict, waived: finding.waived, since: finding.since.clone(), subject });
    }

    /// Says how a key stands here.
    #[must_use]
    pub fn stand(&self, key: &str) -> Stand<'_> {
        if let Some(line) = self.lines.get(key) {
            return Stand::Said(line);
        }
        let Some((run, subject)) = split(key) else { return Stand::NotEvaluated };
        if !self.rules.contains_key(&run) {
            return Stand::NotEvaluated;
        }
        let whole = format!("{run}|-|{subject}");
        if self.silent.contains(&whole) {
            return Stand::NotApplicable;
        }
        let is_open = self.partial || self.lines.contains_key(&whole) || self.lines.contains_key(&format!("{run}|-|*"));
        if is_open { Stand::NotEvaluated } else { Stand::Gone }
    }
}

/// Names a rule as a pack runs it.
fn run_of(pack: Option<&str>, rule: &str) -> String {
    format!("{}|{rule}", pack.unwrap_or("-"))
}

/// Splits a key into `PACK|RULE` and subject.
fn split(key: &str) -> Option<(String, &str)> {
    let mut parts = key.splitn(4, '|');
    let (pack, rule, _, subject) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((format!("{pack}|{rule}"), subject))
}

fn renamed_key(key: &str, renamed: &BTreeMap<String, String>) -> String {
    let mut parts: Vec<&str> = key.splitn(4, '|').collect();
    if let Some(rule) = parts.get_mut(1)
        && let Some(now) = renamed.get(*rule)
    {
        *rule = now;
    }
    parts.join("|")
}

/// Fails that were not there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Fails of blocking rules that did not fail before, or that a waiver covered.
    pub fails: usize,
    /// Unknowns of blocking rules that were decided before not to fail.
    pub unknowns: usize,
}

impl Report<'_> {
    /// Lists former ids of the rules that ran, with the present ones.
    #[must_use]
    pub fn renamed(&self) -> BTreeMap<String, String> {
        let rules = self.head.rules.iter();
        rules.flat_map(|rule| rule.was.iter().map(|was| (was.clone(), rule.id.clone()))).collect()
    }

    /// Sorts its verdicts by key, without putting any into words.
    #[must_use]
    pub fn ledger(&self, renamed: &BTreeMap<String, String>) -> Ledger {
        self.kept(renamed, &mut |_, _, _| true)
    }

    /// Sorts those verdicts by key that `keep` wants, and those about whether a rule applies.
    fn kept(&self, renamed: &BTreeMap<String, String>, keep: &mut dyn FnMut(&str, &Line, bool) -> bool) -> Ledger {
        let partial = self.head.run.asked.subject.is_some();
        let mut ledger = Ledger { now: self.head.now.clone(), partial, ..Ledger::default() };
        for rule in &self.head.rules {
            let mut rule = rule.clone();
            ledger.rename(&mut rule, renamed);
            ledger.rules.insert(run_of(rule.pack.as_deref(), &rule.id), rule);
        }
        for unmade in self.runs().flatten() {
            let Some(key) = unmade.key() else { continue };
            let key = renamed_key(&key, renamed);
            let verdict = unmade.finding.verdict;
            if verdict == Verdict::NotApplicable {
                ledger.silent.insert(key);
                continue;
            }
            let line = Line { verdict, waived: unmade.finding.waiver.is_some(), since: None, subject: unmade.subject_name() };
            if keep(&key, &line, unmade.is_blocking()) || unmade.finding.requirement.is_none() {
                ledger.lines.insert(key, line);
            }
        }
        ledger
    }

    /// Carries on the history of an earlier result, and counts what blocks and was not there before.
    pub fn continue_from(&mut self, before: &Ledger) -> Fresh {
        let mut fresh = Fresh::default();
        let now = self.kept(&BTreeMap::new(), &mut |key, line, blocking| {
            let stood = before.stand(key);
            let was_failing = matches!(stood, Stand::Said(old) if old.fails());
            let was_open = was_failing || matches!(stood, Stand::Said(Line { verdict: Verdict::Unknown, .. }));
            fresh.fails += usize::from(blocking && line.fails() && !was_failing);
            fresh.unknowns += usize::from(blocking && line.verdict == Verdict::Unknown && !was_open);
            before.lines.contains_key(key) || before.history.contains_key(key)
        });
        self.since = since(before, &now);
        self.head.history = history(before, &now);
        fresh
    }
}

fn since(before: &Ledger, now: &Ledger) -> BTreeMap<String, String> {
    let failing = |line: &Line| line.verdict == Verdict::Fail;
    let still = before.lines.iter().filter(|(key, line)| failing(line) && now.lines.get(*key).is_some_and(failing));
    still.map(|(key, line)| (key.clone(), line.since.clone().unwrap_or_else(|| before.now.clone()))).collect()
}

fn history(before: &Ledger, now: &Ledger) -> Vec<PastFinding> {
    let mut past = before.history.clone();
    for entry in past.values_mut() {
        entry.fixed |= now.stand(&entry.key).is_decided_not_to_fail();
    }
    for (key, line) in before.lines.iter().filter(|(_, line)| line.verdict == Verdict::Fail) {
        let stand = now.stand(key);
        if matches!(stand, Stand::Said(line) if line.verdict == Verdict::Fail) {
            continue;
        }
        let since = line.since.clone().unwrap_or_else(|| before.now.clone());
        let first = past.get(key).map_or(since, |earlier| earlier.first.clone());
        let entry = PastFinding { key: key.clone(), first, last: before.now.clone(), fixed: stand.is_decided_not_to_fail() };
        past.insert(key.clone(), entry);
    }
    past.into_values().collect()
}

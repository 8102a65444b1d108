//! Two results beside each other: what became of each finding.
//!
//! In: two results by key. Out: the changes, each of one class. Invariants: a fail that is no longer decided is never called fixed;
//! a waiver is told apart from a repair.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ledger::{Ledger, Line, Stand};
use crate::model::Verdict;

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It fails, and did not before.
    New,
    /// It fails again, after it had been fixed.
    Reopened,
    /// A waiver no longer covers it.
    Lapsed,
    /// It cannot be decided any more, or was not asked.
    NoLongerEvaluated,
    /// It fails as before.
    Still,
    /// It fails as before, under the new name of its rule.
    RuleRenamed,
    /// A waiver covers it now.
    Waived,
    /// It fails, and need not hold yet.
    Postponed,
    /// It no longer fails.
    Fixed,
}

impl Class {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Reopened,
        Self::Lapsed,
        Self::NoLongerEvaluated,
        Self::Still,
        Self::RuleRenamed,
        Self::Waived,
        Self::Postponed,
        Self::Fixed,
    ];

    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reopened => "reopened",
            Self::Lapsed => "lapsed",
            Self::NoLongerEvaluated => "no longer evaluated",
            Self::Still => "still",
            Self::RuleRenamed => "rule renamed",
            Self::Waived => "waived",
            Self::Postponed => "postponed",
            Self::Fixed => "fixed",
        }
    }

    /// Tells whether something got worse.
    #[must_use]
    pub fn is_worse(self) -> bool {
        matches!(self, Self::New | Self::Reopened | Self::Lapsed)
    }
}

/// What a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Rules, parameters, packs.
    Policy,
    /// Snapshot and registers.
    Data,
    /// The instant of the run.
    Time,
    /// Waivers.
    Waiver,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Policy, Self::Data, Self::Time, Self::Waiver];

    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Data => "data",
            Self::Time => "time",
            Self::Waiver => "waiver",
        }
    }
}

/// Why a finding changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// What it comes from.
    pub causes: Vec<Cause>,
    /// Whether each of them alone explains it; else it takes them together.
    pub each_alone: bool,
}

/// One finding that changed, or fails as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What became of it.
    pub class: Class,
    /// Its key, in the new result.
    pub key: String,
    /// Its rule.
    pub rule: String,
    /// The former id of its rule, if that has another now.
    pub renamed_from: Option<String>,
    /// Its requirement.
    pub requirement: String,
    /// The id of its subject.
    pub subject: String,
    /// The name of its subject.
    pub name: String,
    /// The severity of its rule.
    pub severity: String,
    /// How it stood.
    pub old: &'static str,
    /// How it stands.
    pub new: &'static str,
    /// Since when it has been failing.
    pub since: Option<String>,
    /// Why, where the inputs of both results are at hand.
    pub why: Option<Why>,
}

/// Two results beside each other.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// `tenet.diff/v1`
    pub format: &'static str,
    /// The instant of the old result.
    pub old: String,
    /// The instant of the new result.
    pub new: String,
    /// How many changes there are of each class.
    pub counts: BTreeMap<&'static str, usize>,
    /// Former ids of rules with the present ones.
    pub renamed: BTreeMap<String, String>,
    /// The changes, by class, rule and subject.
    pub changes: Vec<Change>,
}

/// Compares two results. The keys of the old one carry the present ids of rules; `renamed` tells the former ones.
#[must_use]
pub fn compare(old: &Ledger, new: &Ledger, renamed: &BTreeMap<String, String>) -> Comparison {
    let keys: BTreeSet<&String> = old.lines.keys().chain(new.lines.keys()).collect();
    let mut changes: Vec<Change> = keys.into_iter().filter_map(|key| change(old, new, renamed, key)).collect();
    changes.sort_by(|a, b| (a.class, &a.rule, &a.key).cmp(&(b.class, &b.rule, &b.key)));
    let mut counts: BTreeMap<&'static str, usize> = Class::ALL.iter().map(|class| (class.name(), 0)).collect();
    for change in &changes {
        *counts.entry(change.class.name()).or_default() += 1;
    }
    let renamed = renamed.iter().filter(|(_, now)| new.rules.values().any(|rule| rule.id == **now));
    let renamed = renamed.map(|(was, now)| (was.clone(), now.clone())).collect();
    Comparison { format: "tenet.diff/v1", old: old.now.clone(), new: new.now.clone(), counts, renamed, changes }
}

fn change(old: &Ledger, new: &Ledger, renamed: &BTreeMap<String, String>, key: &str) -> Option<Change> {
    let (before, after) = (old.stand(key), new.stand(key));
    let mut parts = key.splitn(4, '|');
    let (pack, rule, requirement, subject) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let run = format!("{pack}|{rule}");
    let former = old.rules.get(&run).and_then(|rule| old.former.get(&rule.id)).filter(|was| renamed.contains_key(*was));
    let class = match classify(before, after, old, key)? {
        Class::Still if former.is_some() => Class::RuleRenamed,
        class => class,
    };
    let severity = new.rules.get(&run).or_else(|| old.rules.get(&run)).map_or("", |rule| rule.severity.name());
    let line = new.lines.get(key).or_else(|| old.lines.get(key));
    Some(Change {
        class,
        key: key.to_owned(),
        rule: rule.to_owned(),
        renamed_from: former.cloned(),
        requirement: requirement.to_owned(),
        subject: subject.to_owned(),
        name: line.map_or_else(String::new, |line| line.subject.clone()),
        severity: severity.to_owned(),
        old: before.name(),
        new: after.name(),
        since: line.and_then(|line| line.since.clone()),
        why: None,
    })
}

fn classify(before: Stand<'_>, after: Stand<'_>, old: &Ledger, key: &str) -> Option<Class> {
    let failing = |stand: Stand<'_>| matches!(stand, Stand::Said(Line { verdict: Verdict::Fail, .. }));
    let covered = |stand: Stand<'_>| matches!(stand, Stand::Said(Line { waived: true, .. }));
    match (failing(before), failing(after)) {
        (true, true) => Some(match (covered(before), covered(after)) {
            (false, true) => Class::Waived,
            (true, false) => Class::Lapsed,
            _ => Class::Still,
        }),
        (false, true) if covered(after) => Some(Class::Waived),
        (false, true) => Some(match old.history.get(key) {
            Some(past) if past.fixed => Class::Reopened,
            // It could not be decided in between: nobody knows that it was ever fixed.
            Some(_) if !before.is_decided_not_to_fail() => Class::Still,
            Some(_) => Class::Reopened,
            None => Class::New,
        }),
        (true, false) => Some(match after {
            Stand::Said(Line { verdict: Verdict::Pending, .. }) => Class::Postponed,
            after if after.is_decided_not_to_fail() => Class::Fixed,
            _ => Class::NoLongerEvaluated,
        }),
        (false, false) => {
            let decided = matches!(before, Stand::Said(Line { verdict: Verdict::Pass | Verdict::Pending, .. }));
            (decided && !after.is_decided_not_to_fail()).then_some(Class::NoLongerEvaluated)
        }
    }
}

/// Evaluates with the named inputs of the new side, and the others of the old one; none if that cannot be.
pub type Swap<'s, E> = &'s mut dyn FnMut(&[Cause]) -> Result<Option<Ledger>, E>;

impl Comparison {
    /// Counts what got worse.
    #[must_use]
    pub fn worse(&self) -> usize {
        self.changes.iter().filter(|change| change.class.is_worse()).count()
    }

    /// Says of each change why: `with` gives the results with some of the inputs swapped. Its first argument names what is taken
    /// from the new side; it returns none where that cannot be evaluated.
    ///
    /// # Errors
    /// What `with` says.
    pub fn explain<E>(&mut self, differs: &[Cause], with: Swap<'_, E>) -> Result<(), E> {
        let mut alone = Vec::new();
        let mut without = Vec::new();
        for cause in differs {
            let others: Vec<Cause> = differs.iter().copied().filter(|other| other != cause).collect();
            alone.push((*cause, with(&[*cause])?));
            without.push((*cause, with(&others)?));
        }
        let same =
            |ledger: &Option<Ledger>, key: &str, wanted: &str| ledger.as_ref().is_some_and(|ledger| ledger.stand(key).name() == wanted);
        for change in self.changes.iter_mut().filter(|change| change.old != change.new) {
            let pick = |list: &[(Cause, Option<Ledger>)], wanted: &str| -> Vec<Cause> {
                list.iter().filter(|(_, ledger)| same(ledger, &change.key, wanted)).map(|(cause, _)| *cause).collect()
            };
            let each = pick(&alone, change.new);
            let (causes, each_alone) = if each.is_empty() {
                let together = pick(&without, change.old);
                (if together.is_empty() { differs.to_vec() } else { together }, false)
            } else {
                (each, true)
            };
            change.why = Some(Why { causes, each_alone });
        }
        Ok(())
    }
}

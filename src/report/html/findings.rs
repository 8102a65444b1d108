//! Findings by rule, then by subscription, each with its evidence, within a budget of bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::document::{AttestedBy, EvidenceItem, ExplanationLine, FindingResult, Missing, RuleResult, Subject};
use super::super::table::register_of;
use super::surroundings::{Surroundings, subscription_in};
use super::text::{Text, anchor};
use crate::evaluate::Truth;
use crate::model::Verdict;

/// Findings told one by one, those that do not pass; and those that pass, of one rule. The rest is counted.
const FINDINGS_MAX: usize = 10_000;
const PASSES_MAX: usize = 15;
/// Bytes of evidence of a whole page, which all findings share, and the least and the most of one finding.
const PAGE_EVIDENCE_BYTES: usize = 110_000;
const EVIDENCE_BYTES_MIN: usize = 100;
const EVIDENCE_BYTES_MAX: usize = 6_000;
/// Conditions, missing facts, and registers, of one finding.
const EXPECTED_MAX: usize = 3;
const MISSING_MAX: usize = 6;
const ATTESTED_MAX: usize = 8;
/// Levels of indentation.
const DEPTH_MAX: usize = 8;

/// What is about a rule as a pack runs it.
pub(super) struct Group {
    pub(super) anchor: String,
    pub(super) id: Text,
    pub(super) title: Text,
    pub(super) severity: &'static str,
    pub(super) blocking: bool,
    pub(super) pack: Option<Text>,
    pub(super) why: Option<Text>,
    pub(super) refs: Option<Text>,
    pub(super) tally: String,
    pub(super) place: Option<Text>,
    pub(super) text: Option<Text>,
    pub(super) fixes: Vec<Text>,
    /// What can be done about several of its findings.
    pub(super) remedies: Vec<Text>,
    pub(super) places: Vec<Place>,
    pub(super) passed: Vec<Passed>,
    pub(super) passed_more: usize,
    pub(super) n_passed: usize,
    /// Findings that are not told one by one.
    pub(super) left_out: usize,
}

/// Findings of one rule in one subscription.
pub(super) struct Place {
    pub(super) name: Text,
    pub(super) at: usize,
    pub(super) findings: Vec<Told>,
}

/// One finding.
pub(super) struct Told {
    pub(super) anchor: String,
    pub(super) verdict: &'static str,
    pub(super) subject: Text,
    pub(super) kind: Text,
    pub(super) id: Option<Text>,
    pub(super) requirement: Text,
    pub(super) message: Option<Text>,
    /// The first missing fact of a verdict that says nothing else.
    pub(super) lacks: Option<Text>,
    pub(super) due: Option<Text>,
    pub(super) waiver: Option<Text>,
    pub(super) expected: Vec<Text>,
    pub(super) lines: Vec<Line>,
    pub(super) lines_more: usize,
    pub(super) missing: Vec<Text>,
    pub(super) missing_more: usize,
    pub(super) attested: Option<Text>,
    pub(super) remedy: Option<Text>,
    pub(super) picture: Picture,
}

/// A line of evidence.
pub(super) struct Line {
    pub(super) depth: usize,
    pub(super) outcome: &'static str,
    pub(super) text: Text,
    pub(super) facts: Vec<Fact>,
}

/// A fact that was read.
pub(super) struct Fact {
    pub(super) text: Text,
    pub(super) source: Option<Text>,
}

/// The picture of what lies around a subject.
pub(super) enum Picture {
    Here(String),
    At(String),
    None,
}

/// A finding that passed.
pub(super) struct Passed {
    pub(super) at: usize,
    pub(super) text: Text,
}

/// The subscriptions that findings are about, by key; 0 stands for no single one.
pub(super) struct Subscriptions {
    places: BTreeMap<String, usize>,
    pub(super) names: Vec<Text>,
    /// Their keys, one for each name but the first.
    pub(super) keys: Vec<Text>,
}

impl Subscriptions {
    fn new() -> Self {
        Self { places: BTreeMap::new(), names: vec![Text::of("The tenant as a whole")], keys: Vec::new() }
    }

    /// Returns the place of the subscription of a subject.
    pub(super) fn of(&self, subject: Option<&Subject>, surroundings: Option<Surroundings<'_>>) -> usize {
        key_of(subject, surroundings).and_then(|key| self.places.get(&key).copied()).unwrap_or(0)
    }
}

fn key_of(subject: Option<&Subject>, surroundings: Option<Surroundings<'_>>) -> Option<String> {
    let subject = subject?;
    if subject.entity == "Subscription" {
        return Some(subject.id.clone());
    }
    subscription_in(&subject.id).or_else(|| surroundings?.subscription_of(subject))
}

/// Collects the subscriptions of findings.
#[derive(Default)]
pub(super) struct Naming {
    names: BTreeMap<String, String>,
    keys: BTreeSet<String>,
}

impl Naming {
    pub(super) fn note(&mut self, finding: &FindingResult, surroundings: Option<Surroundings<'_>>) {
        let Some(key) = key_of(finding.subject.as_ref(), surroundings) else { return };
        if let Some(subject) = finding.subject.as_ref().filter(|subject| subject.entity == "Subscription") {
            self.names.insert(key.clone(), subject.name.clone());
        }
        self.keys.insert(key);
    }

    /// Orders them by name; equal names are told apart by their keys.
    pub(super) fn subscriptions(self, surroundings: Option<Surroundings<'_>>) -> Subscriptions {
        let name = |key: &String| {
            let known = self.names.get(key).cloned();
            known.or_else(|| surroundings?.name("Subscription", key)).unwrap_or_else(|| key.clone())
        };
        let mut named: Vec<(String, String)> = self.keys.iter().map(|key| (name(key), key.clone())).collect();
        named.sort();
        let mut subscriptions = Subscriptions::new();
        for (at, (name, key)) in named.iter().enumerate() {
            let twin = |other: Option<&(String, String)>| other.is_some_and(|(other, _)| other == name);
            let twins = twin(named.get(at + 1)) || at.checked_sub(1).is_some_and(|before| twin(named.get(before)));
            let shown = if twins && name != key { format!("{name} ({key})") } else { name.clone() };
            subscriptions.places.insert(key.clone(), subscriptions.names.len());
            subscriptions.names.push(Text::of(&shown));
            subscriptions.keys.push(Text::of(key));
        }
        subscriptions
    }
}

/// Puts findings in their order.
pub(super) struct Teller<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) surroundings: Option<Surroundings<'a>>,
    pub(super) pictures: BTreeMap<Subject, String>,
    /// Where the picture of a subject stands already.
    drawn: BTreeMap<Subject, String>,
    share: usize,
    n_told: usize,
    told: BTreeMap<(String, Option<String>), BTreeMap<usize, Vec<Told>>>,
    passed: BTreeMap<(String, Option<String>), (Vec<Passed>, usize)>,
    left_out: BTreeMap<(String, Option<String>), usize>,
}

impl<'a> Teller<'a> {
    /// `n` is how many findings there are to tell.
    pub(super) fn new(
        subscriptions: &'a Subscriptions,
        surroundings: Option<Surroundings<'a>>,
        pictures: BTreeMap<Subject, String>,
        n: usize,
    ) -> Self {
        let share = (PAGE_EVIDENCE_BYTES / n.max(1)).clamp(EVIDENCE_BYTES_MIN, EVIDENCE_BYTES_MAX);
        Self {
            subscriptions,
            surroundings,
            pictures,
            drawn: BTreeMap::new(),
            share,
            n_told: 0,
            told: BTreeMap::new(),
            passed: BTreeMap::new(),
            left_out: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, finding: &FindingResult, waiver: Option<Text>) {
        let at = self.subscriptions.of(finding.subject.as_ref(), self.surroundings);
        let key = (finding.rule.clone(), finding.pack.clone());
        match finding.verdict {
            Verdict::NotApplicable => {}
            Verdict::Pass => {
                let (passed, n) = self.passed.entry(key).or_default();
                *n += 1;
                if passed.len() < PASSES_MAX {
                    let attested = if finding.attested.is_empty() { "" } else { " (attested)" };
                    passed.push(Passed { at, text: Text::of(&format!("{}: {}{attested}", subject_name(finding), requirement(finding))) });
                }
            }
            Verdict::Fail | Verdict::Unknown | Verdict::Pending if self.n_told < FINDINGS_MAX => {
                self.n_told += 1;
                let told = self.tell(finding, waiver);
                self.told.entry(key).or_default().entry(at).or_default().push(told);
            }
            Verdict::Fail | Verdict::Unknown | Verdict::Pending => *self.left_out.entry(key).or_default() += 1,
        }
    }

    fn tell(&mut self, finding: &FindingResult, waiver: Option<Text>) -> Told {
        let anchor = anchor("f", &finding.key);
        let verdict = if finding.waived && finding.verdict == Verdict::Fail { "waived" } else { finding.verdict.name() };
        let is_condition = |line: &&ExplanationLine| line.depth == 0 && line.outcome.is_some();
        let expected = finding.explanation.iter().filter(is_condition).take(EXPECTED_MAX);
        // A condition that stands alone and read nothing itself says no more than what is expected.
        let single = finding.explanation.iter().filter(is_condition).count() == 1;
        let repeated = finding.explanation.first().filter(is_condition).is_some_and(|line| single && line.evidence.is_empty());
        let (lines, lines_more) = lines(finding.explanation.get(usize::from(repeated)..).unwrap_or(&[]), self.share);
        let subject = finding.subject.as_ref();
        Told {
            verdict,
            subject: Text::of(&subject_name(finding)),
            kind: Text::of(subject.map_or("", |subject| &subject.entity)),
            // The keys of subscriptions stand in a table of their own.
            id: subject
                .filter(|subject| subject.id != subject.name && subject.entity != "Subscription")
                .map(|subject| Text::of(&subject.id)),
            requirement: Text::of(&requirement(finding)),
            message: finding.message.as_deref().map(Text::of),
            lacks: finding.missing.first().filter(|_| finding.message.is_none()).map(lack),
            due: finding.due.as_deref().map(Text::of),
            waiver,
            expected: expected.map(|line| Text::of(&line.text)).collect(),
            lines,
            lines_more,
            // One that stands in the summary already is not said twice.
            missing: finding
                .missing
                .iter()
                .take(MISSING_MAX)
                .filter(|_| finding.missing.len() > 1 || finding.message.is_some())
                .map(lack)
                .collect(),
            missing_more: finding.missing.len().saturating_sub(MISSING_MAX),
            attested: attested(&finding.attested),
            remedy: finding.remedy.as_deref().map(Text::of),
            picture: subject.map_or(Picture::None, |subject| self.picture(subject, &anchor)),
            anchor,
        }
    }

    /// The picture stands at the first finding of its subject; the others point there.
    fn picture(&mut self, subject: &Subject, anchor: &str) -> Picture {
        if let Some(at) = self.drawn.get(subject) {
            return Picture::At(at.clone());
        }
        match self.pictures.remove(subject) {
            Some(svg) => {
                self.drawn.insert(subject.clone(), anchor.to_owned());
                Picture::Here(svg)
            }
            None => Picture::None,
        }
    }

    /// Returns the groups, the gravest rules first.
    pub(super) fn groups(mut self, rules: &[RuleResult]) -> Vec<Group> {
        let mut order: Vec<&RuleResult> = rules.iter().filter(|rule| !rule.vacuous).collect();
        order.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| (&a.id, &a.pack).cmp(&(&b.id, &b.pack))));
        order.into_iter().map(|rule| self.group(rule)).collect()
    }

    fn group(&mut self, rule: &RuleResult) -> Group {
        let key = (rule.id.clone(), rule.pack.clone());
        let told = self.told.remove(&key).unwrap_or_default();
        let (passed, n_passed) = self.passed.remove(&key).unwrap_or_default();
        let name = |at: usize| self.subscriptions.names.get(at).cloned().unwrap_or_else(|| Text::of("?"));
        // What is about the tenant as a whole comes last.
        let mut places: Vec<Place> = told.into_iter().map(|(at, findings)| Place { name: name(at), at, findings }).collect();
        places.sort_by_key(|place| (place.at == 0, place.at));
        let remedies = hoisted(&mut places);
        let counts = &rule.verdicts;
        let pairs = [
            (counts.fail, "fail"),
            (counts.unknown, "unknown"),
            (counts.pending, "pending"),
            (counts.waived, "waived"),
            (counts.pass, "pass"),
            (counts.not_applicable, "not applicable"),
        ];
        let tally: Vec<String> = pairs.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        Group {
            anchor: rule_anchor(rule),
            id: Text::of(&rule.id),
            title: Text::of(&rule.title),
            severity: rule.severity.name(),
            blocking: rule.blocking,
            pack: rule.pack.as_deref().map(Text::of),
            why: rule.why.as_deref().map(Text::of),
            refs: (!rule.refs.is_empty()).then(|| Text::of(&rule.refs.join(", "))),
            tally: tally.join(", "),
            place: rule.source.as_ref().map(|source| Text::of(&place_of(&source.file, source.builtin, source.line))),
            text: rule.source.as_ref().map(|source| Text::lines(&source.text)),
            remedies,
            fixes: rule.fixes.iter().map(|fix| Text::of(&fix_line(fix))).collect(),
            places,
            passed_more: n_passed.saturating_sub(passed.len()),
            passed,
            n_passed,
            left_out: self.left_out.remove(&key).unwrap_or(0),
        }
    }
}

/// Names the place of a rule in the page.
pub(super) fn rule_anchor(rule: &RuleResult) -> String {
    anchor("r", &format!("{}|{}", rule.pack.as_deref().unwrap_or("-"), rule.id))
}

/// Names where a rule is written.
pub(super) fn place_of(file: &str, builtin: bool, line: usize) -> String {
    if builtin { format!("built into tenet, {file}, line {line}") } else { format!("{file}, line {line}") }
}

fn fix_line(fix: &super::super::document::FixResult) -> String {
    let who = if fix.by_a_person { "done by a person" } else { "can be planned" };
    let needs = if fix.needs.is_empty() { String::new() } else { format!(", needs {}", fix.needs.join(", ")) };
    format!("{} for {}: {}, {who}{needs}", fix.name, fix.requirements.join(", "), fix.action)
}

fn subject_name(finding: &FindingResult) -> String {
    finding.subject.as_ref().map_or_else(|| "subjects that were not read".to_owned(), |subject| subject.name.clone())
}

fn requirement(finding: &FindingResult) -> String {
    match (&finding.requirement, finding.applicability) {
        (Some(requirement), _) => requirement.clone(),
        (None, true) => "whether the rule applies".to_owned(),
        (None, false) => "the rule as a whole".to_owned(),
    }
}

/// Takes lines of evidence while the budget lasts; returns how many are left out.
fn lines(explanation: &[ExplanationLine], budget: usize) -> (Vec<Line>, usize) {
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in explanation {
        let told = Line {
            depth: line.depth.min(DEPTH_MAX),
            outcome: match line.outcome {
                Some(Truth::True) => "holds: ",
                Some(Truth::False) => "does not hold: ",
                Some(Truth::Unknown) => "cannot be decided: ",
                None => "",
            },
            text: Text::of(&line.text),
            facts: line.evidence.iter().map(fact).collect(),
        };
        bytes += told.bytes();
        if bytes > budget && !lines.is_empty() {
            break;
        }
        lines.push(told);
    }
    let more = explanation.len() - lines.len();
    (lines, more)
}

impl Line {
    /// About what it takes in the page.
    fn bytes(&self) -> usize {
        let facts = self.facts.iter().map(|fact| fact.text.len() + fact.source.as_ref().map_or(0, Text::len) + 40);
        self.text.len() + self.outcome.len() + 40 + facts.sum::<usize>()
    }
}

fn fact(item: &EvidenceItem) -> Fact {
    let whose = if item.subject.name == item.subject.id { &item.subject.id } else { &item.subject.name };
    Fact { text: Text::of(&format!("{} of {whose} is {}", item.property, item.value)), source: item.source.as_deref().map(Text::of) }
}

/// Says what is missing; how to get it stands once, before all findings.
fn lack(missing: &Missing) -> Text {
    let as_of = missing.as_of.as_ref().map_or_else(String::new, |at| format!(" as of {at}"));
    Text::of(&format!("{}{as_of}: {}", missing.what, missing.reason))
}

/// Names who vouches, and in which registers; the table of attestations has the rest.
fn attested(entries: &[AttestedBy]) -> Option<Text> {
    let mut registers: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for entry in entries {
        let register = register_of(&entry.source).split(" (").next().unwrap_or("").to_owned();
        *registers.entry((&entry.by, register)).or_default() += 1;
    }
    let people: BTreeSet<&str> = registers.keys().map(|(by, _)| *by).collect();
    let said: Vec<String> = registers.iter().take(ATTESTED_MAX).map(|((_, register), n)| format!("{register} {n}")).collect();
    let more = registers.len().saturating_sub(ATTESTED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let people: Vec<&str> = people.into_iter().collect();
    (!said.is_empty()).then(|| Text::of(&format!("{} (entries of {}{more})", people.join(", "), said.join(", "))))
}

/// Takes out of findings what can be done about several of them alike.
fn hoisted(places: &mut [Place]) -> Vec<Text> {
    let mut counts: BTreeMap<Text, usize> = BTreeMap::new();
    for remedy in places.iter().flat_map(|place| &place.findings).filter_map(|told| told.remedy.clone()) {
        *counts.entry(remedy).or_default() += 1;
    }
    counts.retain(|_, n| *n > 1);
    for told in places.iter_mut().flat_map(|place| &mut place.findings) {
        told.remedy = told.remedy.take().filter(|remedy| !counts.contains_key(remedy));
    }
    counts.into_keys().collect()
}

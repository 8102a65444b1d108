//! An action plan as a table: a row for each thing somebody has to do, with who and until when.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::csv::{Rows, table};
use super::said;
use crate::evaluate::WaiverState;
use crate::report::document::{
    AttestedBy, FindingResult, FixResult, Missing, ResultDocument, RuleResult, Standing, WaiverOutcome, WaiverResult,
};
use crate::report::escape::plain;
use crate::report::saved::ResultSource;
use crate::report::table::missing_line;

const COLUMNS: [&str; 13] = [
    "kind",
    "rule",
    "pack",
    "requirement",
    "severity",
    "verdict",
    "subject_type",
    "subject_id",
    "subject_name",
    "what_to_do",
    "who",
    "due",
    "finding",
];

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    table(output, &COLUMNS, |rows| {
        let mut attestations = BTreeMap::new();
        result.findings(&mut |finding| {
            finding.attested.iter().for_each(|attested| note(&mut attestations, attested));
            of_finding(head, finding, rows)
        })?;
        head.waivers.iter().try_for_each(|waiver| of_waiver(waiver, rows))?;
        attestations.iter().try_for_each(|((id, source), attested)| of_attestation(id, source, attested, rows))
    })
}

/// What is to be done about one finding.
struct Action<'a> {
    kind: &'a str,
    what: String,
    who: String,
    due: Option<&'a str>,
}

fn of_finding(head: &ResultDocument, finding: &FindingResult, rows: &mut Rows<'_>) -> io::Result<()> {
    let actions = match finding.standing() {
        Standing::Fail | Standing::Pending => mend(head.rule_of(finding), finding),
        Standing::Unknown => finding.missing.iter().map(find_out).collect(),
        Standing::Waived => head.waiver_of(finding).map(|waiver| end_waiver(finding, waiver)).into_iter().collect(),
        Standing::Pass | Standing::NotApplicable => Vec::new(),
    };
    actions.iter().try_for_each(|action| rows.row(&row(finding, action)))
}

fn row(finding: &FindingResult, action: &Action<'_>) -> [String; COLUMNS.len()] {
    let subject = finding.subject.as_ref();
    [
        action.kind.to_owned(),
        finding.rule.clone(),
        finding.pack.clone().unwrap_or_default(),
        said::requirement(finding),
        finding.severity.name().to_owned(),
        finding.standing().name().to_owned(),
        subject.map_or_else(String::new, |subject| subject.entity.clone()),
        subject.map_or_else(String::new, |subject| subject.id.clone()),
        subject.map_or_else(|| "subjects that were not read".to_owned(), |subject| subject.name.clone()),
        action.what.clone(),
        action.who.clone(),
        action.due.unwrap_or("").to_owned(),
        finding.key.clone(),
    ]
}

/// What the rule says a person can do, and the actions of its fixes.
fn mend<'a>(rule: Option<&'a RuleResult>, finding: &'a FindingResult) -> Vec<Action<'a>> {
    let due = finding.due.as_deref();
    let is_for =
        |fix: &&FixResult| fix.requirements.is_empty() || finding.requirement.as_ref().is_some_and(|name| fix.requirements.contains(name));
    let fixes = rule.into_iter().flat_map(|rule| &rule.fixes).filter(is_for).map(|fix| fix_of(fix, due));
    let remedy = finding.remedy.as_deref().map(|remedy| Action {
        kind: "mend",
        what: plain(remedy),
        who: "whoever is responsible for the subject".to_owned(),
        due,
    });
    let mut actions: Vec<Action<'_>> = remedy.into_iter().chain(fixes).collect();
    if actions.is_empty() {
        let what = format!("see to it that `{}` holds; the rule names no fix", said::requirement(finding));
        actions.push(Action { kind: "mend", what, who: "whoever is responsible for the subject".to_owned(), due });
    }
    actions
}

fn fix_of<'a>(fix: &'a FixResult, due: Option<&'a str>) -> Action<'a> {
    let needs = if fix.needs.is_empty() { String::new() } else { format!(" with {}", plain(&fix.needs.join(", "))) };
    if fix.by_a_person {
        return Action { kind: "fix", what: format!("{} ({}), by hand", fix.action, fix.name), who: format!("a person{needs}"), due };
    }
    Action { kind: "fix", what: format!("{} ({}), as `tenet plan` proposes it", fix.action, fix.name), who: format!("tenet{needs}"), due }
}

fn find_out(missing: &Missing) -> Action<'_> {
    let who = match (&missing.permission, &missing.register) {
        (Some(permission), _) => format!("somebody with {}", plain(permission)),
        (None, Some(_)) => "somebody who can vouch for it".to_owned(),
        (None, None) => "nobody is known to have it".to_owned(),
    };
    Action { kind: "find out", what: missing_line(missing), who, due: None }
}

fn end_waiver<'a>(finding: &FindingResult, waiver: &'a WaiverResult) -> Action<'a> {
    let message = finding.message.as_deref().map_or_else(String::new, |message| format!(": {}", plain(message)));
    let what = format!("mend it before its waiver ends{message}");
    Action { kind: "waived", what, who: waiver.approved_by.join(", "), due: Some(&waiver.until) }
}

/// Waivers somebody has to look after; the others stand beside what they cover.
fn of_waiver(waiver: &WaiverResult, rows: &mut Rows<'_>) -> io::Result<()> {
    let what = match waiver.state {
        WaiverOutcome::Is(WaiverState::Active | WaiverState::NotYet) => return Ok(()),
        WaiverOutcome::Is(WaiverState::Lapsing) => "mend what it covers, or ask for a new waiver: it ends within 30 days",
        WaiverOutcome::Is(WaiverState::Lapsed) => "remove it, or ask for a new one: it has lapsed",
        WaiverOutcome::Is(WaiverState::TooLong) => "shorten it: it runs longer than the rule allows, and covers nothing",
        WaiverOutcome::Unneeded => "remove it: what it selects does not fail",
        WaiverOutcome::Unmatched => "remove or mend it: it selects nothing",
    };
    let mut cells: [String; COLUMNS.len()] = Default::default();
    let [kind, rule, _, requirement, _, _, _, _, _, todo, who, due, _] = &mut cells;
    "waiver".clone_into(kind);
    rule.clone_from(&waiver.rule);
    *requirement = waiver.requirement.clone().unwrap_or_default();
    *todo = format!("{what} ({})", plain(&waiver.because));
    *who = waiver.approved_by.join(", ");
    due.clone_from(&waiver.until);
    rows.row(&cells)
}

/// Attestations that verdicts rest on, by id and place: who vouches, and until when.
type Attestations = BTreeMap<(String, String), (String, Option<String>)>;

fn note(attestations: &mut Attestations, attested: &AttestedBy) {
    let key = (attested.id.clone(), attested.source.clone());
    attestations.entry(key).or_insert_with(|| (attested.by.clone(), attested.review_due.clone()));
}

fn of_attestation(id: &str, source: &str, (by, review_due): &(String, Option<String>), rows: &mut Rows<'_>) -> io::Result<()> {
    let mut cells: [String; COLUMNS.len()] = Default::default();
    let [kind, .., todo, who, due, _] = &mut cells;
    "attestation".clone_into(kind);
    *todo = format!("review {} in {}: verdicts rest on it", plain(id), plain(source));
    who.clone_from(by);
    *due = review_due.clone().unwrap_or_default();
    rows.row(&cells)
}

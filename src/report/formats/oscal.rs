//! OSCAL assessment results 1.1.3, as JSON (NIST, *OSCAL Assessment Results Model*).
//!
//! Every verdict is an observation. Pass and fail are findings, and a fail a risk, which is open or, where a waiver covers it,
//! `deviation-approved` with the end of the waiver as its deadline. Unknown is no finding: OSCAL has only satisfied and not
//! satisfied, so it is an observation with an entry in the assessment log. UUIDs are made of our ids (version 5), so the same
//! result is the same document, and a finding keeps its UUID from run to run. Titles and texts are markup in OSCAL, so what has
//! a meaning there is escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use uuid::Uuid;

use super::said;
use crate::model::parse_instant;
use crate::report::document::{FindingResult, ResultDocument, Standing, Subject};
use crate::report::escape::plain;
use crate::report::saved::ResultSource;
use crate::report::stream::{collect, write_plainly};
use crate::report::table::counts_line;

/// The names that are ours.
const NAMESPACE: &str = "urn:tenet";

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let made = Made::of(result)?;
    write_plainly(&Document { results: Assessment::of(&made) }, output)
}

/// What all parts of the document need.
struct Made<'r> {
    result: &'r dyn ResultSource,
    head: &'r ResultDocument,
    ids: Ids,
    now: String,
    start: String,
    /// Every subject, once.
    subjects: BTreeMap<Id, Subject>,
}

impl<'r> Made<'r> {
    fn of(result: &'r dyn ResultSource) -> io::Result<Self> {
        let head = result.head();
        let ids = Ids::of(head);
        let mut subjects = BTreeMap::new();
        result.findings(&mut |finding| {
            if let Some(subject) = &finding.subject {
                subjects.entry(ids.subject(subject)).or_insert_with(|| subject.clone());
            }
            Ok(())
        })?;
        let now = instant(&head.now)?.to_string();
        let start = head.captured.from.as_deref().map_or_else(|| Ok(now.clone()), |from| Ok::<_, io::Error>(instant(from)?.to_string()))?;
        Ok(Self { result, head, ids, now, start, subjects })
    }
}

fn instant(text: &str) -> io::Result<Timestamp> {
    parse_instant(text).ok().flatten().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is no time", plain(text))))
}

/// Makes UUIDs of ids.
struct Ids {
    tenant: String,
    run: String,
}

impl Ids {
    fn of(head: &ResultDocument) -> Self {
        let run = [
            head.run.policies_digest.as_str(),
            head.run.snapshot_digest.as_deref().unwrap_or("-"),
            head.run.registers_digest.as_deref().unwrap_or("-"),
            &head.now,
        ];
        let parameters: Vec<String> = head.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self { tenant: head.tenant.clone().unwrap_or_default(), run: format!("{}|{}", run.join("|"), parameters.join("|")) }
    }

    /// Of something that stays from run to run.
    fn lasting(&self, kind: &str, id: &str) -> Id {
        of_name(&format!("{kind}|{}|{id}", self.tenant))
    }

    /// Of something that is of one run.
    fn of_run(&self, kind: &str, id: &str) -> Id {
        of_name(&format!("{kind}|{}|{}|{id}", self.tenant, self.run))
    }

    fn subject(&self, subject: &Subject) -> Id {
        self.lasting("subject", &format!("{}|{}", subject.entity, subject.id))
    }
}

/// A UUID that is made of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Id(Uuid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn of_name(name: &str) -> Id {
    Id(Uuid::new_v5(&Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE.as_bytes()), name.as_bytes()))
}

/// Escapes what is markup in OSCAL's titles and texts (*Markup Data Types*, after CommonMark).
fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '^' | '$' | '"' | '\'' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Makes a token: a letter or `_`, then letters, digits, `.`, `-` and `_`.
fn token(text: &str) -> String {
    let mut token: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect();
    if !token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        token.insert(0, '_');
    }
    token
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    ns: &'static str,
    value: String,
}

/// A property of our own; its value is never empty and has no blanks at its ends.
fn property(name: &'static str, value: &str) -> Property {
    let value = plain(value);
    let value = value.trim();
    Property { name, ns: NAMESPACE, value: if value.is_empty() { "-".to_owned() } else { value.to_owned() } }
}

#[derive(Serialize)]
struct Document<'r> {
    #[serde(rename = "assessment-results")]
    results: Assessment<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Assessment<'r> {
    uuid: Id,
    metadata: Metadata,
    import_ap: ImportAp,
    results: [Outcome<'r>; 1],
    back_matter: BackMatter,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    title: String,
    last_modified: String,
    version: String,
    oscal_version: &'static str,
    parties: [Party; 1],
}

#[derive(Serialize)]
struct Party {
    uuid: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
}

#[derive(Serialize)]
struct ImportAp {
    href: String,
    remarks: &'static str,
}

#[derive(Serialize)]
struct BackMatter {
    resources: Vec<Resource>,
}

#[derive(Serialize)]
struct Resource {
    uuid: Id,
    title: String,
    description: String,
    props: Vec<Property>,
}

impl<'r> Assessment<'r> {
    fn of(made: &'r Made<'r>) -> Self {
        let (head, ids) = (made.head, &made.ids);
        let tenant = head.tenant.as_deref().map_or_else(|| "not known".to_owned(), plain);
        let policies = ids.of_run("policies", "");
        Self {
            uuid: ids.of_run("document", ""),
            metadata: Metadata {
                title: markup(&format!("tenet: tenant {tenant} as of {}", plain(&head.now))),
                last_modified: made.now.clone(),
                version: plain(&head.run.tool_version),
                oscal_version: "1.1.3",
                parties: [Party {
                    uuid: ids.lasting("party", ""),
                    kind: "organization",
                    name: format!("Tenant {tenant}").trim().to_owned(),
                }],
            },
            import_ap: ImportAp {
                href: format!("#{}", policies.0),
                remarks: "There is no assessment plan in OSCAL: the policies in force are the plan.",
            },
            results: [Outcome::of(made)],
            back_matter: BackMatter { resources: resources(made, policies) },
        }
    }
}

fn resources(made: &Made<'_>, policies: Id) -> Vec<Resource> {
    let run = &made.head.run;
    let digests = [
        (policies, "Policies", "sha256 over all policy files in force", "policies-digest", Some(&run.policies_digest)),
        (
            made.ids.of_run("snapshot", ""),
            "Snapshot",
            "sha256 of the manifest of the snapshot",
            "snapshot-digest",
            run.snapshot_digest.as_ref(),
        ),
        (made.ids.of_run("registers", ""), "Registers", "sha256 over the registers", "registers-digest", run.registers_digest.as_ref()),
    ];
    let resource = |(uuid, title, description, name, digest): (Id, &str, &str, &'static str, Option<&String>)| {
        Some(Resource { uuid, title: title.to_owned(), description: description.to_owned(), props: vec![property(name, digest?)] })
    };
    digests.into_iter().filter_map(resource).collect()
}

/// The one result of the document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome<'r> {
    uuid: Id,
    title: String,
    description: String,
    start: String,
    end: String,
    props: Vec<Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_definitions: Option<LocalDefinitions>,
    reviewed_controls: ReviewedControls,
    #[serde(skip_serializing_if = "Option::is_none")]
    assessment_log: Option<AssessmentLog<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observations: Option<Listed<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risks: Option<Listed<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Listed<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LocalDefinitions {
    inventory_items: Vec<InventoryItem>,
}

#[derive(Serialize)]
struct InventoryItem {
    uuid: Id,
    description: String,
    props: [Property; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ReviewedControls {
    control_selections: [ControlSelection; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ControlSelection {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include_controls: Vec<ControlId>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ControlId {
    control_id: String,
}

#[derive(Serialize)]
struct AssessmentLog<'r> {
    entries: Listed<'r>,
}

impl<'r> Outcome<'r> {
    fn of(made: &'r Made<'r>) -> Self {
        let head = made.head;
        let (summary, counts) = (&head.summary, &head.summary.verdicts);
        let listed = |part, n: usize| (n > 0).then_some(Listed { made, part });
        let controls: BTreeSet<String> = head.rules.iter().map(|rule| token(&rule.id)).collect();
        let items: Vec<InventoryItem> = made.subjects.iter().map(|(uuid, subject)| InventoryItem::of(*uuid, subject)).collect();
        let n_log = counts.unknown + head.rules.iter().filter(|rule| rule.vacuous || rule.verdicts.not_applicable > 0).count();
        Self {
            uuid: made.ids.of_run("result", ""),
            title: markup(&format!("Scan as of {}", plain(&head.now))),
            description: format!("{}; {} rest on attestations", counts_line(summary), summary.attested),
            start: made.start.clone(),
            end: made.now.clone(),
            props: vec![
                property("outcome", &summary.outcome),
                property("evaluated", &summary.evaluated.to_string()),
                property("of", &summary.of.to_string()),
            ],
            local_definitions: (!items.is_empty()).then_some(LocalDefinitions { inventory_items: items }),
            reviewed_controls: ReviewedControls {
                control_selections: [ControlSelection {
                    include_controls: controls.into_iter().map(|control_id| ControlId { control_id }).collect(),
                }],
            },
            assessment_log: listed(Part::Log, n_log).map(|entries| AssessmentLog { entries }),
            observations: listed(Part::Observations, summary.of),
            risks: listed(Part::Risks, counts.fail + counts.waived),
            findings: listed(Part::Findings, counts.fail + counts.waived + counts.pass),
        }
    }
}

impl InventoryItem {
    fn of(uuid: Id, subject: &Subject) -> Self {
        Self { uuid, description: markup(&plain(&subject.name)), props: [property("type", &subject.entity), property("id", &subject.id)] }
    }
}

/// A list that is written while the findings are read.
struct Listed<'r> {
    made: &'r Made<'r>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Log,
    Observations,
    Risks,
    Findings,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (made, part) = (self.made, self.part);
        // What is said of whole rules stands first.
        let first = |list: &mut S::SerializeSeq| {
            let rules = if part == Part::Log { rule_entries(made) } else { Vec::new() };
            rules.iter().try_for_each(|entry| list.serialize_element(entry))
        };
        collect(serializer, made.result, first, |finding, list| {
            let standing = finding.standing();
            match part {
                Part::Log if standing == Standing::Unknown => list.serialize_element(&unknown_entry(made, finding)),
                Part::Observations if standing != Standing::NotApplicable => list.serialize_element(&Observation::of(made, finding)),
                Part::Risks if matches!(standing, Standing::Fail | Standing::Waived) => {
                    list.serialize_element(&RiskItem::of(made, finding))
                }
                Part::Findings if matches!(standing, Standing::Fail | Standing::Waived | Standing::Pass) => {
                    list.serialize_element(&FindingItem::of(made, finding))
                }
                Part::Log | Part::Observations | Part::Risks | Part::Findings => Ok(()),
            }
        })
    }
}

#[derive(Serialize)]
struct LogEntry {
    uuid: Id,
    title: String,
    description: String,
    start: String,
}

fn rule_entries(made: &Made<'_>) -> Vec<LogEntry> {
    let entry = |rule: &crate::report::document::RuleResult| {
        let pack = rule.pack.as_deref().map_or_else(String::new, |pack| format!(" (pack {})", plain(pack)));
        let name = format!("{}{pack}", plain(&rule.id));
        let text = match (rule.vacuous, rule.verdicts.not_applicable) {
            (true, n) => format!("{name} applied to nothing; it does not speak about {n} subjects"),
            (false, n) => format!("{name} does not speak about {n} subjects"),
        };
        LogEntry {
            uuid: made.ids.of_run("log", &format!("{name}|not applicable")),
            title: markup(&format!("Not applicable: {name}")),
            description: markup(&text),
            start: made.now.clone(),
        }
    };
    made.head.rules.iter().filter(|rule| rule.vacuous || rule.verdicts.not_applicable > 0).map(entry).collect()
}

fn unknown_entry(made: &Made<'_>, finding: &FindingResult) -> LogEntry {
    LogEntry {
        uuid: made.ids.of_run("log", &finding.key),
        title: markup(&format!("Not decided: {}", title(finding))),
        description: markup(&said::sentence(made.head, finding)),
        start: made.now.clone(),
    }
}

fn title(finding: &FindingResult) -> String {
    format!("{} on {}", said::place(finding), said::subject(finding))
}

#[derive(Serialize)]
struct Observation {
    uuid: Id,
    title: String,
    description: String,
    props: Vec<Property>,
    methods: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<[SubjectReference; 1]>,
    collected: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SubjectReference {
    subject_uuid: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
}

impl Observation {
    fn of(made: &Made<'_>, finding: &FindingResult) -> Self {
        let due = || finding.due.as_deref().and_then(|due| instant(due).ok()).map(|due| due.to_string());
        Self {
            uuid: made.ids.of_run("observation", &finding.key),
            title: markup(&title(finding)),
            description: markup(&said::sentence(made.head, finding)),
            props: properties(finding),
            methods: ["TEST"],
            subjects: finding.subject.as_ref().map(|subject| {
                [SubjectReference { subject_uuid: made.ids.subject(subject), kind: "inventory-item", title: markup(&plain(&subject.name)) }]
            }),
            collected: made.now.clone(),
            expires: if finding.standing() == Standing::Pending { due() } else { None },
        }
    }
}

fn properties(finding: &FindingResult) -> Vec<Property> {
    let mut properties = vec![
        property("verdict", finding.verdict.name()),
        property("severity", finding.severity.name()),
        property("blocking", if finding.blocking { "yes" } else { "no" }),
    ];
    properties.extend(finding.pack.as_deref().map(|pack| property("pack", pack)));
    properties.extend(finding.attested.iter().map(|attested| property("attested-by", &attested.by)));
    properties
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RiskItem {
    uuid: Id,
    title: String,
    description: String,
    statement: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    related_observations: [ObservationUuid; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ObservationUuid {
    observation_uuid: Id,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RiskUuid {
    risk_uuid: Id,
}

fn observed(made: &Made<'_>, finding: &FindingResult) -> [ObservationUuid; 1] {
    [ObservationUuid { observation_uuid: made.ids.of_run("observation", &finding.key) }]
}

impl RiskItem {
    fn of(made: &Made<'_>, finding: &FindingResult) -> Self {
        let rule = made.head.rule_of(finding);
        let why = rule.map_or(finding.rule.as_str(), |rule| rule.why.as_deref().unwrap_or(&rule.title));
        let waived = finding.waived;
        // The last day of a waiver counts whole.
        let last = made.head.waiver_of(finding).and_then(|waiver| instant(&waiver.until).ok());
        let deadline = last.and_then(|last| last.checked_add(SignedDuration::from_secs(86_399)).ok()).map(|end| end.to_string());
        Self {
            uuid: made.ids.lasting("risk", &finding.key),
            title: markup(&title(finding)),
            description: markup(&said::sentence(made.head, finding)),
            statement: markup(&plain(why)),
            status: if waived { "deviation-approved" } else { "open" },
            deadline: deadline.filter(|_| waived),
            related_observations: observed(made, finding),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FindingItem {
    uuid: Id,
    title: String,
    description: String,
    props: Vec<Property>,
    target: FindingTarget,
    related_observations: [ObservationUuid; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    related_risks: Option<[RiskUuid; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FindingTarget {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: String,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    state: &'static str,
    reason: &'static str,
}

impl FindingItem {
    fn of(made: &Made<'_>, finding: &FindingResult) -> Self {
        let passes = finding.standing() == Standing::Pass;
        let (state, reason) = if passes { ("satisfied", "pass") } else { ("not-satisfied", "fail") };
        Self {
            uuid: made.ids.lasting("finding", &finding.key),
            title: markup(&title(finding)),
            description: markup(&said::sentence(made.head, finding)),
            props: properties(finding),
            target: FindingTarget { kind: "objective-id", target_id: token(&said::place(finding)), status: Status { state, reason } },
            related_observations: observed(made, finding),
            related_risks: (!passes).then(|| [RiskUuid { risk_uuid: made.ids.lasting("risk", &finding.key) }]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_markup() {
        assert_eq!(token("DPOR-001.exactly_one"), "DPOR-001.exactly_one");
        assert_eq!(token("1 ü"), "_1__");
        assert_eq!(token(""), "_");
        assert_eq!(markup("<b>*x*[y](z)`"), "&lt;b&gt;\\*x\\*\\[y\\](z)\\`");
    }
}

//! SARIF 2.1.0 (OASIS, with errata 01).
//!
//! Two traps of readers are avoided: a result without a `physicalLocation` makes code hosts refuse the whole file, and kind
//! `open` needs level `none` (section 3.27.9). What could not be read is a notification, and the run was not successful then.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

use super::said::{self, Place};
use crate::evaluate::WaiverState;
use crate::model::{RuleSeverity, sha256_hex};
use crate::report::document::{Counts, FindingResult, ResultDocument, RuleResult, Standing, WaiverOutcome};
use crate::report::escape::plain;
use crate::report::saved::ResultSource;
use crate::report::stream::{collect, write_plainly};
use crate::report::table::counts_line;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The base of files that are built into the program.
const BUILTIN: &str = "TENET";

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    write_plainly(&Log { schema: SCHEMA, version: "2.1.0", runs: [Run::of(result)] }, output)
}

#[derive(Serialize)]
struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'r> {
    tool: Tool,
    automation_details: AutomationDetails,
    original_uri_base_ids: BaseIds,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Results<'r>,
    properties: RunProperties<'r>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: String,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
struct AutomationDetails {
    id: String,
    description: Text,
}

#[derive(Serialize)]
struct BaseIds {
    #[serde(rename = "TENET")]
    builtin: BaseId,
}

#[derive(Serialize)]
struct BaseId {
    description: Text,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

impl Text {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Takes their meaning from what has one in a message: braces of placeholders are doubled (section 3.11.5), and the two
    /// halves of a link (section 3.11.6) are set apart, since readers differ in which escapes they take back.
    fn message(text: &str) -> Self {
        Self { text: text.replace('{', "{{").replace('}', "}}").replace("](", "] (") }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    short_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_description: Option<Text>,
    help: Text,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Configuration {
    level: Level,
}

#[derive(Serialize)]
struct RuleProperties {
    severity: &'static str,
    tags: Vec<String>,
}

impl Descriptor {
    fn of(rule: &RuleResult) -> Self {
        let why = rule.why.as_deref().map(plain);
        let sources: Vec<String> = rule.refs.iter().map(|source| plain(source)).collect();
        let help = if sources.is_empty() { plain(&rule.title) } else { format!("{}. Sources: {}", plain(&rule.title), sources.join("; ")) };
        Self {
            id: plain(&rule.id),
            short_description: Text::message(&plain(&rule.title)),
            full_description: why.as_deref().map(Text::message),
            help: Text::message(&help),
            default_configuration: Configuration { level: Level::of(rule.severity) },
            properties: RuleProperties { severity: rule.severity.name(), tags: rule.tags.iter().map(|tag| plain(tag)).collect() },
        }
    }
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Level {
    None,
    Note,
    Warning,
    Error,
}

impl Level {
    fn of(severity: RuleSeverity) -> Self {
        match severity {
            RuleSeverity::Critical | RuleSeverity::High => Self::Error,
            RuleSeverity::Medium => Self::Warning,
            RuleSeverity::Low | RuleSeverity::Advice => Self::Note,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    exit_code_description: String,
    tool_execution_notifications: Vec<Notification>,
    tool_configuration_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    descriptor: Reference,
    level: Level,
    message: Text,
}

#[derive(Serialize)]
struct Reference {
    id: &'static str,
}

fn notification(id: &'static str, level: Level, text: &str) -> Notification {
    Notification { descriptor: Reference { id }, level, message: Text::message(text) }
}

impl Invocation {
    fn of(head: &ResultDocument) -> Self {
        let unread = head.unread.iter().map(|unread| notification("unread", Level::Error, &said::unread(unread)));
        let problems = head.problems.iter().map(|problem| notification("problem", Level::Warning, &plain(problem)));
        let vacuous =
            head.summary.vacuous.iter().map(|rule| notification("vacuous", Level::Note, &format!("{} applied to nothing", plain(rule))));
        let waivers = head.waivers.iter().filter(|waiver| waiver.state != WaiverOutcome::Is(WaiverState::Active)).map(|waiver| {
            let text = format!("the waiver of {} is {}: {}", plain(&waiver.rule), waiver.state.name(), said::waiver_text(waiver));
            notification("waiver", Level::Warning, &text)
        });
        Self {
            execution_successful: head.summary.verdicts.unknown == 0 && head.summary.of > 0,
            exit_code_description: plain(&head.summary.outcome),
            tool_execution_notifications: unread.chain(problems).collect(),
            tool_configuration_notifications: vacuous.chain(waivers).collect(),
        }
    }
}

#[derive(Serialize)]
struct RunProperties<'r> {
    summary: String,
    verdicts: &'r Counts,
    evaluated: usize,
    of: usize,
    attested: usize,
    now: String,
    policies_digest: String,
    snapshot_digest: Option<String>,
    registers_digest: Option<String>,
}

impl<'r> Run<'r> {
    fn of(result: &'r dyn ResultSource) -> Self {
        let head = result.head();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rules = Vec::new();
        for rule in &head.rules {
            // A rule that several packs run is described once.
            places.entry(&rule.id).or_insert_with(|| {
                rules.push(Descriptor::of(rule));
                rules.len() - 1
            });
        }
        let summary = &head.summary;
        Self {
            tool: Tool { driver: Driver { name: "tenet", version: plain(&head.run.tool_version), rules } },
            automation_details: AutomationDetails {
                id: format!("tenet/{}/", head.tenant.as_deref().map_or_else(|| "unknown".to_owned(), plain)),
                description: Text::new(format!(
                    "Tenant {} as of {}",
                    plain(head.tenant.as_deref().unwrap_or("not known")),
                    plain(&head.now)
                )),
            },
            original_uri_base_ids: BaseIds { builtin: BaseId { description: Text::new("Files that are built into tenet") } },
            invocations: [Invocation::of(head)],
            column_kind: "unicodeCodePoints",
            results: Results { result, places },
            properties: RunProperties {
                summary: counts_line(summary),
                verdicts: &summary.verdicts,
                evaluated: summary.evaluated,
                of: summary.of,
                attested: summary.attested,
                now: plain(&head.now),
                policies_digest: plain(&head.run.policies_digest),
                snapshot_digest: head.run.snapshot_digest.as_deref().map(plain),
                registers_digest: head.run.registers_digest.as_deref().map(plain),
            },
        }
    }
}

struct Results<'r> {
    result: &'r dyn ResultSource,
    /// The place of each rule in the list of descriptors.
    places: BTreeMap<&'r str, usize>,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let head = self.result.head();
        collect(
            serializer,
            self.result,
            |_| Ok(()),
            |finding, list| list.serialize_element(&ResultObject::of(head, finding, self.places.get(finding.rule.as_str()).copied())),
        )
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultObject {
    rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    kind: &'static str,
    level: Level,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<[Suppression; 1]>,
    properties: ResultProperties,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "tenetFinding/v1")]
    finding: String,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Serialize)]
struct ResultProperties {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pack: Option<String>,
    requirement: String,
    severity: &'static str,
    blocking: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attested: Option<String>,
}

impl ResultObject {
    fn of(head: &ResultDocument, finding: &FindingResult, rule_index: Option<usize>) -> Self {
        let standing = finding.standing();
        let (kind, level) = match standing {
            Standing::Fail | Standing::Waived => ("fail", Level::of(finding.severity)),
            Standing::Unknown => ("open", Level::None),
            Standing::Pending => ("review", Level::None),
            Standing::Pass => ("pass", Level::None),
            Standing::NotApplicable => ("notApplicable", Level::None),
        };
        let text = format!("{}: {}", said::subject(finding), said::sentence(head, finding));
        let suppression = || Suppression {
            kind: "external",
            status: "accepted",
            justification: head.waiver_of(finding).map_or_else(|| "a waiver covers it".to_owned(), said::waiver_text),
        };
        Self {
            rule_id: plain(&finding.rule),
            rule_index,
            kind,
            level,
            message: Text::message(&text),
            locations: [Location::of(finding, head.rule_of(finding))],
            partial_fingerprints: Fingerprints { finding: sha256_hex(finding.key.as_bytes()) },
            suppressions: (standing == Standing::Waived).then(|| [suppression()]),
            properties: ResultProperties {
                verdict: finding.verdict.name(),
                pack: finding.pack.as_deref().map(plain),
                requirement: said::requirement(finding),
                severity: finding.severity.name(),
                blocking: finding.blocking,
                due: finding.due.as_deref().map(plain),
                attested: said::attested(finding),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_locations: Option<[LogicalLocation; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

impl Location {
    fn of(finding: &FindingResult, rule: Option<&RuleResult>) -> Self {
        let Place { file, builtin, line } = said::shown_at(finding, rule);
        let subject = finding.subject.as_ref();
        Self {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: relative_uri(&file), uri_base_id: builtin.then_some(BUILTIN) },
                region: Region { start_line: line },
            },
            logical_locations: subject.map(|subject| {
                [LogicalLocation { name: plain(&subject.name), fully_qualified_name: plain(&subject.id), kind: "resource" }]
            }),
        }
    }
}

/// Writes a path as a relative reference (RFC 3986): everything but letters, digits and `-._~/` as its bytes.
fn relative_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(relative_uri("registers/a b (1).yaml"), "registers/a%20b%20%281%29.yaml");
        assert_eq!(relative_uri("//host/ü:x"), "host/%C3%BC%3Ax");
    }

    #[test]
    fn a_message_has_no_links_and_no_placeholders() {
        assert_eq!(Text::message("[x](http://y) {0}").text, "[x] (http://y) {{0}}");
    }
}

//! OCSF 1.6.0, class 2003 *Compliance Finding*: one event a line.

use std::io::{self, Write};

use serde::Serialize;

use super::said;
use crate::model::{RuleSeverity, parse_instant, sha256_hex};
use crate::report::document::{FindingResult, ResultDocument, Standing};
use crate::report::escape::{plain, plain_json};
use crate::report::saved::ResultSource;

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    let said = parse_instant(&head.now).ok().flatten();
    let time = said.ok_or_else(|| io::Error::other(format!("`{}` is no time", plain(&head.now))))?.as_millisecond();
    result.findings(&mut |finding| {
        let event = serde_json::to_string(&Event::of(head, finding, time)).map_err(io::Error::from)?;
        output.write_all(plain_json(&event).as_bytes())?;
        output.write_all(b"\n")
    })
}

#[derive(Serialize)]
struct Event {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u16,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    time: i64,
    severity_id: u8,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    message: String,
    metadata: Metadata,
    finding_info: FindingInfo,
    compliance: Compliance,
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Remediation>,
    unmapped: Unmapped,
}

#[derive(Serialize)]
struct Metadata {
    version: &'static str,
    product: Product,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_uid: Option<String>,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: String,
}

#[derive(Serialize)]
struct FindingInfo {
    uid: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<String>,
    types: [&'static str; 1],
}

#[derive(Serialize)]
struct Compliance {
    control: String,
    requirements: [String; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standards: Vec<String>,
    status_id: u8,
    status: &'static str,
    status_details: Vec<String>,
}

#[derive(Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    uid: String,
    name: String,
}

#[derive(Serialize)]
struct Remediation {
    desc: String,
}

/// What the class has no place for.
#[derive(Serialize)]
struct Unmapped {
    verdict: &'static str,
    waived: bool,
    blocking: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    attested: bool,
}

impl Event {
    fn of(head: &ResultDocument, finding: &FindingResult, time: i64) -> Self {
        let standing = finding.standing();
        let rule = head.rule_of(finding);
        let (severity_id, severity) = severity(finding.severity);
        let status = match standing {
            Standing::Waived => Some((3, "Suppressed")),
            Standing::Fail | Standing::Unknown | Standing::Pending => Some((1, "New")),
            Standing::Pass | Standing::NotApplicable => None,
        };
        Self {
            activity_id: 1,
            activity_name: "Create",
            category_uid: 2,
            category_name: "Findings",
            class_uid: 2003,
            class_name: "Compliance Finding",
            type_uid: 200_301,
            type_name: "Compliance Finding: Create",
            time,
            severity_id,
            severity,
            status_id: status.map(|(id, _)| id),
            status: status.map(|(_, name)| name),
            message: format!("{} on {}: {}", said::place(finding), said::subject(finding), said::sentence(head, finding)),
            metadata: Metadata {
                version: "1.6.0",
                product: Product { name: "tenet", vendor_name: "tenet", version: plain(&head.run.tool_version) },
                tenant_uid: head.tenant.as_deref().map(plain),
            },
            finding_info: FindingInfo {
                uid: sha256_hex(finding.key.as_bytes()),
                title: plain(rule.map_or(finding.rule.as_str(), |rule| &rule.title)),
                desc: rule.and_then(|rule| rule.why.as_deref()).map(plain),
                types: ["Governance"],
            },
            compliance: Compliance::of(head, finding, rule.map_or(&[], |rule| &rule.refs)),
            resources: finding.subject.iter().map(Resource::of).collect(),
            remediation: finding.remedy.as_deref().map(|remedy| Remediation { desc: plain(remedy) }),
            unmapped: Unmapped {
                verdict: finding.verdict.name(),
                waived: finding.waived,
                blocking: finding.blocking,
                pack: finding.pack.as_deref().map(plain),
                due: finding.due.as_deref().map(plain),
                attested: !finding.attested.is_empty(),
            },
        }
    }
}

impl Compliance {
    fn of(head: &ResultDocument, finding: &FindingResult, refs: &[String]) -> Self {
        let (status_id, status) = match finding.standing() {
            Standing::Pass => (1, "Pass"),
            Standing::Unknown => (2, "Warning"),
            Standing::Fail | Standing::Waived => (3, "Fail"),
            Standing::Pending => (99, "Pending"),
            Standing::NotApplicable => (99, "Not Applicable"),
        };
        Self {
            control: plain(&finding.rule),
            requirements: [said::requirement(finding)],
            standards: refs.iter().map(|source| plain(source)).collect(),
            status_id,
            status,
            status_details: vec![said::sentence(head, finding)],
        }
    }
}

impl Resource {
    fn of(subject: &crate::report::document::Subject) -> Self {
        Self { kind: plain(&subject.entity), uid: plain(&subject.id), name: plain(&subject.name) }
    }
}

fn severity(severity: RuleSeverity) -> (u8, &'static str) {
    match severity {
        RuleSeverity::Advice => (1, "Informational"),
        RuleSeverity::Low => (2, "Low"),
        RuleSeverity::Medium => (3, "Medium"),
        RuleSeverity::High => (4, "High"),
        RuleSeverity::Critical => (5, "Critical"),
    }
}

//! Every format of every fixture holds to the schema its readers go by (`fixtures/schemas`), and to what schemas cannot say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;
use tenet::report::Format;

use super::golden::rendered;
use super::sample::sample;
use super::{every_format, repo, tenants};
use crate::program::{fixture, tenet};

fn validator(name: &str) -> Validator {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(fixture(&format!("schemas/{name}"))).unwrap()).unwrap();
    if name.starts_with("sarif") {
        // The published pattern has a bracket too many, which is no regular expression here; errata 01 mends it. We write no language.
        for holder in ["run", "toolComponent"] {
            schema["definitions"][holder]["properties"]["language"].as_object_mut().unwrap().remove("pattern").unwrap();
        }
    }
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Fails with the first few errors.
#[track_caller]
fn valid(validator: &Validator, document: &Value, what: &str) {
    let errors: Vec<String> = validator.iter_errors(document).take(5).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("\n").chars().take(2_000).collect::<String>());
}

pub(super) struct Schemas {
    sarif: Validator,
    oscal: Validator,
    ocsf: Validator,
}

impl Schemas {
    pub(super) fn read() -> Self {
        Self {
            sarif: validator("sarif-2.1.0.json"),
            oscal: validator("oscal-1.1.3-assessment-results.json"),
            ocsf: validator("ocsf-1.6.0-compliance_finding.json"),
        }
    }

    /// Holds reports to their schemas.
    pub(super) fn valid(&self, what: &str, read: &dyn Fn(Format) -> String) -> Parsed {
        let sarif: Value = serde_json::from_str(&read(Format::Sarif)).unwrap();
        valid(&self.sarif, &sarif, &format!("{what}: SARIF"));
        let oscal: Value = serde_json::from_str(&read(Format::Oscal)).unwrap();
        valid(&self.oscal, &oscal, &format!("{what}: OSCAL"));
        let ocsf: Vec<Value> = read(Format::Ocsf).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for event in &ocsf {
            valid(&self.ocsf, event, &format!("{what}: OCSF"));
        }
        Parsed { sarif, oscal, ocsf }
    }

    /// Holds reports to their schemas and to the result they are of.
    fn check(&self, what: &str, read: &dyn Fn(Format) -> String) {
        let Parsed { sarif, oscal, ocsf } = self.valid(what, read);
        let result: Value = serde_json::from_str(&read(Format::Json)).unwrap();
        sarif_holds(&sarif, &result, what);
        oscal_holds(&oscal, &result, what);
        ocsf_holds(&ocsf, &result, what);
        csv_holds(&read(Format::Csv), &result, what);
        markdown_holds(&read(Format::Markdown), what);
    }
}

/// Reports that hold to their schemas.
pub(super) struct Parsed {
    sarif: Value,
    oscal: Value,
    ocsf: Vec<Value>,
}

fn findings(result: &Value) -> &Vec<Value> {
    result["findings"].as_array().unwrap()
}

/// Returns the verdict with its waiver.
fn standing(finding: &Value) -> &str {
    if finding["waived"] == true { "waived" } else { finding["verdict"].as_str().unwrap() }
}

/// Code hosts refuse a whole file for one result without a physical location; kind `open` needs level `none`.
fn sarif_holds(sarif: &Value, result: &Value, what: &str) {
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), findings(result).len(), "{what}");
    let tenant = result["tenant"].as_str().unwrap_or("unknown");
    assert_eq!(run["automationDetails"]["id"], format!("tenet/{tenant}/"), "{what}");
    let mut fingerprints = BTreeSet::new();
    for (shown, finding) in results.iter().zip(findings(result)) {
        let place = &shown["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.is_empty() && !uri.starts_with('/') && !uri.contains(':') && !uri.contains(".."), "{what}: {uri}");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0, "{what}");
        let logical = &shown["locations"][0]["logicalLocations"][0]["fullyQualifiedName"];
        assert_eq!(logical, &finding["subject"]["id"], "{what}");
        let (kind, level) = (shown["kind"].as_str().unwrap(), shown["level"].as_str().unwrap());
        assert_eq!(kind == "fail", level != "none", "{what}: kind {kind}, level {level}");
        let wanted = match standing(finding) {
            "fail" | "waived" => "fail",
            "unknown" => "open",
            "pending" => "review",
            "not_applicable" => "notApplicable",
            other => other,
        };
        assert_eq!(kind, wanted, "{what}");
        assert_eq!(shown["suppressions"].is_array(), standing(finding) == "waived", "{what}");
        let rule = &run["tool"]["driver"]["rules"][shown["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], shown["ruleId"], "{what}");
        assert!(fingerprints.insert(shown["partialFingerprints"]["tenetFinding/v1"].as_str().unwrap()), "{what}: a fingerprint twice");
    }
    let invocation = &run["invocations"][0];
    let (unknown, of) = (result["summary"]["verdicts"]["unknown"].as_u64(), result["summary"]["of"].as_u64());
    assert_eq!(invocation["executionSuccessful"], unknown == Some(0) && of != Some(0), "{what}");
    let unread = invocation["toolExecutionNotifications"].as_array().unwrap().iter().filter(|one| one["descriptor"]["id"] == "unread");
    assert_eq!(unread.count(), result["unread"].as_array().unwrap().len(), "{what}");
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn oscal_holds(oscal: &Value, result: &Value, what: &str) {
    let document = &oscal["assessment-results"];
    let outcome = &document["results"][0];
    let count = |names: &[&str]| findings(result).iter().filter(|finding| names.contains(&standing(finding))).count();
    let states = list(outcome, "findings");
    assert_eq!(states.len(), count(&["pass", "fail", "waived"]), "{what}: unknown is no finding");
    let satisfied = states.iter().filter(|finding| finding["target"]["status"]["state"] == "satisfied").count();
    assert_eq!(satisfied, count(&["pass"]), "{what}");
    assert_eq!(list(outcome, "observations").len(), count(&["pass", "fail", "waived", "unknown", "pending"]), "{what}");
    let risks = list(outcome, "risks");
    let approved: Vec<_> = risks.iter().filter(|risk| risk["status"] == "deviation-approved").collect();
    assert_eq!((risks.len(), approved.len()), (count(&["fail", "waived"]), count(&["waived"])), "{what}");
    assert!(approved.iter().all(|risk| risk["deadline"].is_string()), "{what}");
    let entries = list(&outcome["assessment-log"], "entries");
    let undecided = entries.iter().filter(|entry| entry["title"].as_str().unwrap().starts_with("Not decided")).count();
    assert_eq!(undecided, count(&["unknown"]), "{what}");
    // What is pointed at is there.
    let plan = document["import-ap"]["href"].as_str().unwrap().trim_start_matches('#');
    let policies = list(&document["back-matter"], "resources").iter().find(|resource| resource["uuid"] == plan).unwrap();
    assert_eq!(policies["props"][0]["value"], result["run"]["policies_digest"], "{what}");
    let known: BTreeSet<&str> = list(outcome, "observations").iter().map(|one| one["uuid"].as_str().unwrap()).collect();
    let related = states.iter().chain(risks).map(|one| one["related-observations"][0]["observation-uuid"].as_str().unwrap());
    assert!(related.into_iter().all(|uuid| known.contains(uuid)), "{what}");
    let items: BTreeSet<&str> =
        list(&outcome["local-definitions"], "inventory-items").iter().map(|item| item["uuid"].as_str().unwrap()).collect();
    let subjects = list(outcome, "observations").iter().filter_map(|one| one["subjects"][0]["subject-uuid"].as_str());
    assert!(subjects.into_iter().all(|uuid| items.contains(uuid)), "{what}");
    let mut uuids = BTreeSet::new();
    let all = states.iter().chain(risks).chain(list(outcome, "observations")).chain(entries);
    assert!(all.into_iter().all(|one| uuids.insert(one["uuid"].as_str().unwrap())), "{what}: a UUID twice");
}

fn ocsf_holds(events: &[Value], result: &Value, what: &str) {
    assert_eq!(events.len(), findings(result).len(), "{what}");
    for (event, finding) in events.iter().zip(findings(result)) {
        let wanted = match standing(finding) {
            "pass" => 1,
            "unknown" => 2,
            "fail" | "waived" => 3,
            _ => 99,
        };
        assert_eq!(event["compliance"]["status_id"], wanted, "{what}");
        assert_eq!(event["status"] == "Suppressed", standing(finding) == "waived", "{what}");
    }
}

fn csv_holds(text: &str, result: &Value, what: &str) {
    assert!(text.split('\n').all(|line| line.is_empty() || line.ends_with('\r')), "{what}: lines end with CR LF");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..5], ["key", "rule", "pack", "requirement", "subject_type"], "{what}");
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), findings(result).len(), "{what}");
    for (row, finding) in rows.iter().zip(findings(result)) {
        // A key outside of packs begins with `-`, which a spreadsheet would take for a formula.
        assert_eq!(row[0].trim_start_matches('\''), finding["key"].as_str().unwrap(), "{what}");
        assert_eq!(&row[7], finding["verdict"].as_str().unwrap(), "{what}");
    }
}

fn markdown_holds(text: &str, what: &str) {
    assert!(text.lines().count() <= 60, "{what}: {} lines", text.lines().count());
}

#[test]
fn every_format_of_every_fixture_is_valid() {
    let schemas = Schemas::read();
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for tenant in tenants() {
        let folder = repo(tenant);
        let scan: Vec<String> = ["scan".to_owned()].into_iter().chain(every_format("scan")).collect();
        tenet(folder.path(), &scan.iter().map(String::as_str).collect::<Vec<_>>());
        schemas.check(tenant, &|format| fs::read_to_string(folder.path().join(format!("scan.{}", format.name()))).unwrap());
        files.push(folder.path().join("scan.junit"));
        folders.push(folder);
    }
    let sample = sample();
    schemas.check("the sample", &|format| rendered(format, &sample));
    let folder = tempfile::tempdir().unwrap();
    files.push(folder.path().join("sample.xml"));
    fs::write(files.last().unwrap(), rendered(Format::Junit, &sample)).unwrap();
    junit_is_valid(&files);
}

/// Checks with xmllint (Debian package libxml2-utils), or says that it is not there.
pub(super) fn junit_is_valid(files: &[impl AsRef<Path>]) {
    let schema = fixture("schemas/junit-10.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--huge", "--schema", &schema]).args(files.iter().map(AsRef::as_ref));
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).chars().take(3_000).collect::<String>())
        }
        Err(_) => println!("skipped: xmllint is not installed, so JUnit was not held to its schema"),
    }
}

/// The schemas refuse what is wrong, or all this would say nothing.
#[test]
fn the_schemas_refuse_what_is_wrong() {
    let schemas = Schemas::read();
    let sample = sample();
    let parsed = |format| serde_json::from_str::<Value>(rendered(format, &sample).lines().collect::<String>().as_str());
    let mut sarif = parsed(Format::Sarif).unwrap();
    sarif["runs"][0]["results"][0]["kind"] = "maybe".into();
    assert!(!schemas.sarif.is_valid(&sarif));
    let mut oscal = parsed(Format::Oscal).unwrap();
    oscal["assessment-results"]["results"][0]["findings"][0]["target"]["status"]["state"] = "unknown".into();
    assert!(!schemas.oscal.is_valid(&oscal));
    let mut event: Value = serde_json::from_str(rendered(Format::Ocsf, &sample).lines().next().unwrap()).unwrap();
    event["class_uid"] = 2004.into();
    assert!(!schemas.ocsf.is_valid(&event));
}

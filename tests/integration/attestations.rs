//! Facts that somebody vouches for: written, listed, due, and asked for.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tenet::report::Format;

use crate::program::tenet;

fn repo() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tenet(folder.path(), &["demo", "--keep", ".", "-f", "json=demo.json"]).ends(0, "ok");
    folder
}

fn add(root: &Path, args: &[&str]) -> crate::program::Run {
    let mut all = vec!["--now", "2026-10-20T08:00:00Z", "attest", "add"];
    all.extend(args);
    tenet(root, &all)
}

#[test]
fn a_row_is_written_with_its_evidence_and_the_rest_stays() {
    let folder = repo();
    let root = folder.path();
    let before = fs::read_to_string(root.join("registers/designations.yaml")).unwrap();
    let cells = [
        "designations",
        "id=added",
        "subscription=5b000001-0000-4000-8000-000000000000",
        "service=Azure",
        "mechanism=Dpor",
        "partner_id=3664167",
        "designated_on=2020-01-10",
        "removed_on=2021-01-10",
        "agreement=EnterpriseAgreement",
    ];
    let evidence = ["--evidence", "evidence/erp-2023.txt", "--by", "kim: \"the\" auditor", "--review-due", "2026-12-31"];
    let with = |more: &[&'static str]| [&cells[..], more].concat();
    assert!(add(root, &with(&["--evidence", "../outside.txt"])).ends(2, "usage").stderr.contains("evidence"));
    assert!(add(root, &with(&["--evidence", "evidence/nothing.txt"])).ends(2, "usage").stderr.contains("nothing.txt"));
    assert!(add(root, &with(&["mechnism=Dpor"])).ends(2, "usage").stderr.contains("did you mean `mechanism`"));
    assert!(add(root, &["designatons", "id=x"]).ends(2, "usage").stderr.contains("did you mean `designations`"));
    assert_eq!(before, fs::read_to_string(root.join("registers/designations.yaml")).unwrap(), "nothing was written");
    add(root, &with(&evidence)).ends(0, "ok");
    let after = fs::read_to_string(root.join("registers/designations.yaml")).unwrap();
    assert!(after.starts_with(before.trim_end()), "what was there stays");
    let row = &after[before.trim_end().len()..];
    assert!(row.contains("evidence_sha256: 7d32e1a7b23f70b4d728c35e7295760346c5b472b45bbfd5c02e6214e1c20a34"), "{row}");
    tenet(root, &["check"]).ends(0, "ok");
    let listed = tenet(root, &["attest", "list", "--json", "--now", "2026-10-20T08:00:00Z"]).ends(0, "ok").stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let mine = listed["attestations"].as_array().unwrap().iter().find(|one| one["attested_by"] == "kim: \"the\" auditor").unwrap();
    assert_eq!((&mine["state"], &mine["evidence_file"]), (&"in force".into(), &"evidence/erp-2023.txt".into()));
    // Evidence that is not what was attested keeps the whole register out.
    fs::write(root.join("evidence/erp-2023.txt"), "another text").unwrap();
    tenet(root, &["check"]).ends(1, "findings");
}

#[test]
fn a_record_is_written_into_a_table() {
    let folder = repo();
    let root = folder.path();
    let before = fs::read_to_string(root.join("registers/subscriptions.csv")).unwrap();
    let refused = add(root, &["subscriptions", "id=5b0000ff-0000-4000-8000-000000000000", "display_name=x"]).ends(2, "usage");
    assert!(refused.stderr.contains("no column `display_name`"), "{}", refused.stderr);
    add(root, &["subscriptions", "id=5b0000ff-0000-4000-8000-000000000000", "service=Azure", "cost_center=A,\"B\""]).ends(0, "ok");
    let after = fs::read_to_string(root.join("registers/subscriptions.csv")).unwrap();
    assert_eq!(after, before + "5b0000ff-0000-4000-8000-000000000000,Azure,\"A,\"\"B\"\"\",,,\n");
    tenet(root, &["check"]).ends(0, "ok");
}

#[test]
fn past_its_review_date_a_fact_is_unknown_everywhere() {
    let folder = repo();
    let root = folder.path();
    // The designations are attested until the end of 2027-03-31, UTC.
    let end = "2027-04-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    for (seconds, holds) in [(-1, true), (0, false), (1, false)] {
        let now = (end + jiff::SignedDuration::from_secs(seconds)).to_string();
        let listed = tenet(root, &["attest", "list", "--json", "--now", &now]).ends(0, "ok").stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let rows: Vec<&Value> = listed["attestations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["review_due_at"] == "2027-03-31T23:59:59Z" && one["register"] == "designations")
            .collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| (row["state"] != "overdue") == holds), "{now}: {rows:?}");
        let due = tenet(root, &["attest", "due", "--now", &now]).ends(1, "findings").stdout;
        assert_eq!(due.lines().any(|line| line.contains("designations.yaml:105) overdue")), !holds, "{now}\n{due}");
        tenet(root, &["scan", "--rule", "DPOR-001", "-f", "json=result.json", "--now", &now]);
        let result: Value = serde_json::from_str(&fs::read_to_string(root.join("result.json")).unwrap()).unwrap();
        let verdicts = &result["summary"]["verdicts"];
        assert_eq!(verdicts["pass"].as_u64().unwrap() + verdicts["fail"].as_u64().unwrap() > 0, holds, "{now}: {verdicts}");
        let explained = tenet(root, &["explain", "DPOR-001", "--now", &now]).stdout;
        assert_eq!(explained.contains("past its review date"), !holds, "{now}");
    }
}

#[test]
fn the_worklist_has_a_row_for_what_an_attestation_would_decide() {
    let folder = repo();
    let root = folder.path();
    let listed = tenet(root, &["attest", "worklist"]).ends(0, "ok");
    assert!(listed.stdout.contains("# register: subscriptions") && listed.stdout.contains("cost_center:"), "{}", listed.stdout);
    // Filled in and put into the register, a row decides its verdict.
    let unknown = |rule: &str| {
        tenet(root, &["scan", "--rule", rule, "-f", "json=result.json"]);
        let result: Value = serde_json::from_str(&fs::read_to_string(root.join("result.json")).unwrap()).unwrap();
        result["summary"]["verdicts"]["unknown"].as_u64().unwrap()
    };
    let before = unknown("HOUSE-001");
    assert!(before > 0);
    let page = listed.stdout.split("\n---\n").find(|page| page.starts_with("# register: subscriptions")).unwrap();
    let rows: Vec<&str> = page.split("  # Subscription ").filter(|row| row.contains("HOUSE-001")).collect();
    assert_eq!(rows.len() as u64, before, "{page}");
    for (at, row) in rows.iter().enumerate() {
        let id = row.lines().find_map(|line| line.trim().strip_prefix("- id: ")).unwrap().trim_matches('"');
        let text = format!("attested_by: kim\nattested_on: 2026-10-01\nrows:\n  - id: \"{id}\"\n    cost_center: CC-1000\n");
        fs::write(root.join(format!("registers/more-{at}.yaml")), text).unwrap();
        let settings = fs::read_to_string(root.join("tenet.toml")).unwrap();
        let register = format!("[[registers]]\nfile = \"registers/more-{at}.yaml\"\nform = \"subscriptions\"\n\n[approvers]");
        fs::write(root.join("tenet.toml"), settings.replacen("[approvers]", &register, 1)).unwrap();
    }
    assert_eq!(unknown("HOUSE-001"), 0);
    // What is printed is itself a register without an error: blank cells say nothing.
    for page in listed.stdout.split("\n---\n").skip(1) {
        let form = page.lines().next().unwrap().trim_start_matches("# register: ");
        let Some(form) = tenet::sources::register::RegisterForm::from_name(form) else { continue };
        let text = page.replacen("attested_by:\n", "attested_by: kim\n", 1).replacen("attested_on:\n", "attested_on: 2026-10-01\n", 1);
        let mut builder = tenet::snapshot::SnapshotBuilder::new(tenet::check::core_schema());
        let declaration = tenet::sources::register::RegisterDeclaration::new("worklist.yaml", form);
        let mut sources = tenet::text::SourceSet::default();
        let found = tenet::sources::register::load_register(&mut builder, &declaration, "worklist.yaml", &text, &mut sources);
        let errors: Vec<_> = found.iter().filter(|one| one.is_error() && !one.message.contains("cost_center")).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
}

/// The only fail of `ATTEST-001` in a result.
fn contradiction(root: &Path) -> Value {
    let result: Value = serde_json::from_str(&fs::read_to_string(root.join("r.json")).unwrap()).unwrap();
    let found: Vec<&Value> = result["findings"].as_array().unwrap().iter().filter(|one| one["rule"] == "ATTEST-001").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_row_that_a_reading_contradicts_is_a_finding_in_every_report() {
    let folder = repo();
    let root = folder.path();
    let register = root.join("registers/subscriptions.csv");
    let before = fs::read_to_string(&register).unwrap();
    tenet(root, &["scan", "--rule", "ATTEST-001"]).ends(3, "incomplete");
    // The service says that this one is under a Microsoft Customer Agreement.
    let row = "5b000006-0000-4000-8000-000000000000,Azure,CC-3000,,none,";
    let line = before.lines().position(|line| line == row).unwrap() + 1;
    fs::write(&register, before.replace(row, &format!("{row}EnterpriseAgreement"))).unwrap();
    let outputs: Vec<String> = Format::ALL.iter().flat_map(|format| ["-f".to_owned(), format!("{0}=r.{0}", format.name())]).collect();
    let scan: Vec<&str> = ["scan", "--rule", "ATTEST-001"].into_iter().chain(outputs.iter().map(String::as_str)).collect();
    tenet(root, &scan).ends(1, "findings");
    let finding = contradiction(root);
    assert_eq!((&finding["verdict"], &finding["severity"], &finding["blocking"]), (&"fail".into(), &"high".into(), &true.into()));
    let subject = "/subscriptions/5b000006-0000-4000-8000-000000000000";
    assert_eq!(finding["subject"]["id"], format!("Subscription.agreement of {subject}"));
    let message = finding["message"].as_str().unwrap();
    for piece in ["`EnterpriseAgreement` for agreement", subject, "`MicrosoftCustomerAgreement` was read"] {
        assert!(message.contains(piece), "{message}");
    }
    // Both values stand in the explanation with where they were read, and the finding is shown at the row of the register.
    let evidence: Vec<(&str, &str)> = finding["explanation"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|line| line["evidence"].as_array().unwrap())
        .map(|item| (item["value"].as_str().unwrap(), item["source"].as_str().unwrap()))
        .collect();
    let place = format!("subscriptions (registers/subscriptions.csv:{line})");
    assert!(evidence.contains(&("EnterpriseAgreement", &place)), "{evidence:?}");
    assert!(
        evidence.iter().any(|(value, source)| *value == "MicrosoftCustomerAgreement" && source.starts_with("billing:billingProperty")),
        "{evidence:?}"
    );
    assert_eq!(finding["attested"][0]["source"], place);
    let sarif: Value = serde_json::from_str(&fs::read_to_string(root.join("r.sarif")).unwrap()).unwrap();
    let location = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "registers/subscriptions.csv");
    assert_eq!(location["region"]["startLine"], line);
    for format in Format::ALL {
        let report = fs::read_to_string(root.join(format!("r.{}", format.name()))).unwrap();
        assert!(report.contains("ATTEST-001") || format == Format::Actions, "{}", format.name());
        assert!(report.contains("5b000006-0000-4000-8000-000000000000"), "{}", format.name());
    }
    // The reading counts, and `attest due` says it, too.
    let due = tenet(root, &["attest", "due", "--now", "2026-10-20T08:00:00Z"]).ends(1, "findings").stdout;
    assert!(due.contains("contradicted: ") && due.contains("1 contradicted"), "{due}");
    // It is in force whichever packs are, and ends when the row says what was read.
    tenet(root, &["scan", "--pack", "literal_counts", "-f", "json=r.json"]);
    assert_eq!(contradiction(root)["verdict"], "fail");
    fs::write(&register, before.replace(row, &format!("{row}MicrosoftCustomerAgreement"))).unwrap();
    tenet(root, &["scan", "--rule", "ATTEST-001"]).ends(3, "incomplete");
}

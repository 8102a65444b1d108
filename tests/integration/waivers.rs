//! Exceptions that end: every command agrees when, and edits keep what is written around them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Run, command, finish, fixture, tenet};

const RULE: &str = "edition 1\nmodule own\nrule OWN-1 for s: Subscription {\n  title \"Enabled\"\n  require enabled: s.state == Enabled\n  waivable up to 400 days by \"board\"\n}\n";

/// A folder with one rule that fails for one subscription.
fn repo() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let answers = fs::read_to_string(fixture("import/arm/subscriptions.json")).unwrap();
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::write(root.join("answers.json"), answers.replace("\"state\": \"Enabled\"", "\"state\": \"Disabled\"")).unwrap();
    let settings = "tenant = \"11111111-0000-0000-0000-000000000000\"\npolicies = [\"policies\"]\nbuiltin_policies = false\n\n[approvers]\nboard = [\"kim@contoso.example\"]\n";
    fs::write(root.join("tenet.toml"), settings).unwrap();
    fs::write(root.join("policies/own.tenet"), RULE).unwrap();
    tenet(root, &["import", "arm", "answers.json", "--complete", "commerceSubscriptions", "-o", "snapshots/a.snapshot"]).ends(0, "ok");
    folder
}

fn waive(root: &Path, from: &str, until: &str) {
    let text = format!(
        "edition 1\nmodule waivers\n\nwaive OWN-1 for s: Subscription {{\n  from {from}\n  until {until}\n  because \"x\"\n  approved by \"board\"\n}}\n"
    );
    fs::write(root.join("waivers.tenet"), text).unwrap();
}

fn at(root: &Path, zone: &str, now: &str, args: &[&str]) -> Run {
    let mut all = vec!["--now", now];
    all.extend(args);
    let path = std::env::var_os("PATH").unwrap();
    finish(&command(root, &all).env("TZ", zone).env("PATH", path).output().unwrap())
}

fn git(root: &Path, args: &[&str]) -> bool {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@contoso.example", "-c", "commit.gpgsign=false"]).args(args).current_dir(root);
    command.output().is_ok_and(|output| output.status.success())
}

/// Commits the waiver with a rule that passes. The rule at hand fails, so a proposed change makes it fail.
fn commit_base(root: &Path) -> bool {
    let with_git = root.join(".git").exists() || git(root, &["init", "-q", "-b", "main"]);
    if !with_git {
        println!("impact is left out: there is no git");
        return false;
    }
    fs::write(root.join(".gitignore"), "snapshots\n*.json\n").unwrap();
    fs::write(root.join("policies/own.tenet"), RULE.replace("== Enabled", "== Disabled")).unwrap();
    assert!(git(root, &["add", "-A"]) && git(root, &["commit", "-q", "-m", "base"]));
    fs::write(root.join("policies/own.tenet"), RULE).unwrap();
    true
}

/// Tells whether a proposed change that makes the rule fail is excused by the waiver of its base.
fn impact_says(root: &Path, zone: &str, now: &str) -> bool {
    let run = at(root, zone, now, &["impact", "--from", "main", "-f", "json", "--max-worse", "0"]);
    let found: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    let counts = (found["counts"]["new"].as_u64().unwrap(), found["counts"]["waived"].as_u64().unwrap());
    assert!([((0, 1), 0), ((1, 0), 1)].contains(&(counts, run.code)), "{counts:?}, exit {}", run.code);
    counts == (0, 1)
}

/// What each command makes of the waiver: whether it counts.
fn says(root: &Path, zone: &str, now: &str) -> Vec<(&'static str, bool)> {
    let scan = at(root, zone, now, &["scan", "-f", "json=result.json"]);
    assert!([0, 1].contains(&scan.code), "{}", scan.stderr);
    let result: Value = serde_json::from_str(&fs::read_to_string(root.join("result.json")).unwrap()).unwrap();
    let finding = result["findings"].as_array().unwrap().iter().find(|finding| finding["verdict"] == "fail").unwrap().clone();
    let table = at(root, zone, now, &["report", "result.json", "-f", "table"]).stdout;
    let listed = at(root, zone, now, &["waive", "list", "--json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let state = listed["waivers"][0]["state"].as_str().unwrap().to_owned();
    let check = at(root, zone, now, &["check"]).ends(0, "ok").stdout;
    let plan = at(root, zone, now, &["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let diff = at(root, zone, now, &["diff", "before.json", "result.json", "-f", "json"]);
    assert!([0, 1].contains(&diff.code), "{}", diff.stderr);
    let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
    let class = diff["changes"][0]["class"].as_str().unwrap().to_owned();
    assert!(["still", "lapsed"].contains(&class.as_str()), "{class}");
    let explain = at(root, zone, now, &["explain", "OWN-1"]).stdout;
    vec![
        ("scan: exit code", scan.code == 0),
        ("scan: waived", finding["waived"] == true),
        ("scan: state", result["waivers"][0]["state"] != "lapsed"),
        ("report", table.contains("1 waived")),
        ("waive list", state != "lapsed"),
        ("waive check", at(root, zone, now, &["waive", "check"]).code == 0),
        ("check", !check.contains("T0214")),
        ("plan", !plan.stdout.contains("OWN-1")),
        ("diff", class == "still"),
        ("explain", explain.contains("FAIL, waived")),
    ]
}

#[test]
fn all_commands_agree_on_the_last_second() {
    let folder = repo();
    let root = folder.path();
    // The ends of summer and winter time, a leap day, and new year.
    let days = [("2026-03-29", 3), ("2026-10-25", 10), ("2028-02-29", 2), ("2026-12-31", 12)];
    let zones = ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"];
    for (day, _) in days {
        let last: jiff::civil::Date = day.parse().unwrap();
        let end = last.tomorrow().unwrap().at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        let from = last.checked_sub(jiff::Span::new().days(40)).unwrap();
        waive(root, &from.to_string(), day);
        let early = format!("{from}T12:00:00Z");
        at(root, "UTC", &early, &["scan", "-f", "json=before.json"]).ends(0, "ok");
        let with_git = commit_base(root);
        for (zone, offset) in zones.into_iter().zip([-1, 0, 1, 0]) {
            let instant = end + jiff::SignedDuration::from_secs(offset);
            let counts = offset < 0;
            for (what, said) in says(root, zone, &instant.to_string()) {
                assert_eq!(said, counts, "{what} at {instant} in {zone}, waiver until {day}");
            }
            if with_git {
                assert_eq!(impact_says(root, zone, &instant.to_string()), counts, "impact at {instant} in {zone}, waiver until {day}");
            }
        }
    }
}

#[test]
fn a_waiver_is_written_in_canonical_layout_and_comments_stay() {
    let folder = repo();
    let root = folder.path();
    fs::write(root.join("waivers.tenet"), "edition 1\nmodule waivers\n\n// The first words.\n\n// The last words.\n").unwrap();
    let add = |until: &str, by: &str, more: &[&str]| {
        let mut args = vec!["--now", "2026-10-01T08:00:00Z", "waive", "add", "OWN-1.enabled", "--subject", "Production"];
        args.extend(["--until", until, "--because", "a \"quoted\" {reason}", "--approved-by", by]);
        args.extend(more);
        tenet(root, &args)
    };
    assert!(add("2028-10-01", "board", &[]).ends(2, "usage").stderr.contains("may be waived for 400 days"));
    assert!(add("2026-09-01", "board", &[]).ends(2, "usage").stderr.contains("before it begins"));
    assert!(add("2026-12-01", "mallory@contoso.example", &[]).ends(2, "usage").stderr.contains("may not approve"));
    let before = fs::read_to_string(root.join("waivers.tenet")).unwrap();
    assert!(!before.contains("waive "), "nothing was written: {before}");
    assert!(add("2026-12-01", "kim@contoso.example", &["--dry-run"]).ends(0, "ok").stdout.contains("waive OWN-1.enabled"));
    assert_eq!(before, fs::read_to_string(root.join("waivers.tenet")).unwrap());
    add("2026-12-01", "kim@contoso.example", &["--ticket", "T-1"]).ends(0, "ok");
    let text = fs::read_to_string(root.join("waivers.tenet")).unwrap();
    for piece in ["// The first words.", "// The last words.", "from 2026-10-01", "until 2026-12-01", "ticket \"T-1\""] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    tenet(root, &["fmt", "--check", "waivers.tenet"]).ends(0, "ok");
    tenet(root, &["scan", "--now", "2026-11-30T00:00:00Z"]).ends(0, "ok");
    tenet(root, &["scan", "--now", "2026-11-30T00:00:00Z", "--no-waivers"]).ends(1, "findings");
    // Nothing goes that counts; what is over goes, and the comments stay.
    tenet(root, &["waive", "prune", "--now", "2026-11-30T00:00:00Z"]).ends(0, "ok");
    assert_eq!(text, fs::read_to_string(root.join("waivers.tenet")).unwrap());
    assert_eq!(tenet(root, &["waive", "check", "--now", "2026-12-02T00:00:00Z"]).ends(1, "findings").stdout.matches("lapsed").count(), 1);
    tenet(root, &["waive", "prune", "--now", "2026-12-02T00:00:00Z"]).ends(0, "ok");
    let text = fs::read_to_string(root.join("waivers.tenet")).unwrap();
    assert!(!text.contains("waive ") && text.contains("// The first words.") && text.contains("// The last words."), "{text}");
    tenet(root, &["fmt", "--check", "waivers.tenet"]).ends(0, "ok");
}

#[test]
fn unneeded_unmatched_and_unapproved_waivers_are_told() {
    let folder = repo();
    let root = folder.path();
    let item = |filter: &str, by: &str| {
        format!(
            "waive OWN-1 for s: Subscription where {filter} {{\n  from 2026-10-01\n  until 2027-03-01\n  because \"x\"\n  approved by \"{by}\"\n}}\n"
        )
    };
    let text = [item("s.display_name == \"Nobody\"", "board"), item("s.display_name == \"Production\"", "mallory")].join("\n");
    fs::write(root.join("waivers.tenet"), format!("edition 1\nmodule waivers\n\n{text}")).unwrap();
    let now = ["--now", "2026-10-20T00:00:00Z"];
    let listed = tenet(root, &["waive", "list", "--json", now[0], now[1]]).ends(0, "ok").stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["waivers"][0]["state"], "unmatched");
    assert!(listed["waivers"][1]["troubles"][0].as_str().unwrap().starts_with("mallory may not approve"));
    let checked = tenet(root, &["waive", "check", now[0], now[1]]).ends(1, "findings");
    assert!(checked.stdout.contains("unmatched") && checked.stdout.contains("mallory"), "{}", checked.stdout);
    // The raw verdict stays in the result, whatever the waiver says of it.
    tenet(root, &["scan", "-f", "json=result.json", now[0], now[1]]).ends(0, "ok");
    let result: Value = serde_json::from_str(&fs::read_to_string(root.join("result.json")).unwrap()).unwrap();
    let waived: Vec<&Value> = result["findings"].as_array().unwrap().iter().filter(|finding| finding["waived"] == true).collect();
    assert!(!waived.is_empty() && waived.iter().all(|finding| finding["verdict"] == "fail"));
}

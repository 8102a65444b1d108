//! Two results beside each other: classes, causes, history.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{fixture, tenet};

fn rule(id: &str, more: &str, state: &str) -> String {
    format!(
        "edition 1\nmodule own\n{more}rule {id} for s: Subscription {{\n  title \"Enabled\"\n  require enabled: s.state == {state}\n}}\n"
    )
}

/// A folder with one rule and one Azure subscription of this state.
fn repo() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::write(root.join("tenet.toml"), "policies = [\"policies\"]\nbuiltin_policies = false\n").unwrap();
    fs::write(root.join("policies/own.tenet"), rule("OWN-1", "", "Enabled")).unwrap();
    let key = tenet::sources::signatures::SigningKey::from_seed(&[7; 32]);
    fs::write(root.join("key"), key.to_openssh().unwrap()).unwrap();
    fs::write(root.join("allowed_signers"), format!("auditor@contoso.example {}\n", key.public().to_openssh().unwrap())).unwrap();
    folder
}

/// Makes the snapshot anew, of a subscription of this state.
fn state(root: &Path, name: &str, state: &str) {
    let answers = fs::read_to_string(fixture("import/arm/subscriptions.json")).unwrap();
    fs::write(root.join("answers.json"), answers.replace("\"state\": \"Enabled\"", &format!("\"state\": \"{state}\""))).unwrap();
    let to = format!("snapshots/{name}.snapshot");
    tenet(root, &["import", "arm", "answers.json", "--complete", "commerceSubscriptions", "-o", &to, "--force"]).ends(0, "ok");
}

fn scan(root: &Path, snapshot: &str, now: &str, result: &str, more: &[&str]) -> i32 {
    let (snapshot, result) = (format!("snapshots/{snapshot}.snapshot"), format!("json={result}.json"));
    let mut args = vec!["scan", "--snapshot", &snapshot, "--now", now, "-f", &result];
    args.extend(more);
    tenet(root, &args).code
}

fn diff(root: &Path, old: &str, new: &str) -> Value {
    let run = tenet(root, &["diff", old, new, "-f", "json"]);
    assert!([0, 1, 3].contains(&run.code), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// The class of the only change, or none.
fn class(root: &Path, old: &str, new: &str) -> String {
    let changes = diff(root, &format!("{old}.json"), &format!("{new}.json"))["changes"].as_array().unwrap().clone();
    assert!(changes.len() <= 1, "{changes:?}");
    changes.first().map_or_else(|| "nothing".to_owned(), |change| change["class"].as_str().unwrap().to_owned())
}

const DAYS: [&str; 6] = [
    "2026-01-01T00:00:00Z",
    "2026-02-01T00:00:00Z",
    "2026-03-01T00:00:00Z",
    "2026-04-01T00:00:00Z",
    "2026-05-01T00:00:00Z",
    "2026-06-01T00:00:00Z",
];

#[test]
fn findings_are_new_still_fixed_and_reopened() {
    let folder = repo();
    let root = folder.path();
    state(root, "good", "Enabled");
    state(root, "bad", "Disabled");
    state(root, "dark", "SomethingNew");
    assert_eq!(scan(root, "good", DAYS[0], "r0", &[]), 0);
    assert_eq!(scan(root, "bad", DAYS[1], "r1", &["--baseline", "r0.json"]), 1);
    assert_eq!(scan(root, "bad", DAYS[2], "r2", &["--baseline", "r1.json"]), 1);
    assert_eq!(scan(root, "good", DAYS[3], "r3", &["--baseline", "r2.json"]), 0);
    assert_eq!(scan(root, "bad", DAYS[4], "r4", &["--baseline", "r3.json"]), 1);
    assert_eq!(scan(root, "dark", DAYS[3], "d3", &["--baseline", "r2.json"]), 3);
    assert_eq!(scan(root, "bad", DAYS[4], "d4", &["--baseline", "d3.json"]), 1);
    assert_eq!(class(root, "r0", "r1"), "new");
    assert_eq!(class(root, "r1", "r2"), "still");
    assert_eq!(class(root, "r2", "r3"), "fixed");
    assert_eq!(class(root, "r3", "r4"), "reopened");
    assert_eq!(class(root, "r0", "r3"), "nothing");
    // What cannot be decided is not fixed, and what fails again after it was not reopened: nobody knows that it ever held.
    assert_eq!(class(root, "r2", "d3"), "no_longer_evaluated");
    assert_eq!(class(root, "d3", "d4"), "still");
    assert_eq!(class(root, "r0", "d3"), "no_longer_evaluated");
    // Since when it fails is carried on, and begins anew when it is reopened.
    let since = |result: &str| {
        let result: Value = serde_json::from_str(&fs::read_to_string(root.join(result)).unwrap()).unwrap();
        let fails = result["findings"].as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail");
        fails.map(|finding| finding["since"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([since("r1.json"), since("r2.json"), since("r4.json")], [["2026-02-01"], ["2026-02-01"], ["2026-05-01"]]);
    let history: Value = serde_json::from_str(&fs::read_to_string(root.join("r3.json")).unwrap()).unwrap();
    let history = &history["history"][0];
    assert_eq!((&history["first"], &history["last"], &history["fixed"]), (&"2026-02-01".into(), &"2026-03-01".into(), &true.into()));
}

#[test]
fn only_what_is_new_fails_a_run_with_a_baseline() {
    let folder = repo();
    let root = folder.path();
    state(root, "good", "Enabled");
    state(root, "bad", "Disabled");
    scan(root, "good", DAYS[0], "good", &[]);
    scan(root, "bad", DAYS[1], "bad", &[]);
    let new = |baseline: &str, more: &[&str]| {
        let mut args = vec!["--fail-on", "new", "--baseline", baseline];
        args.extend(more);
        scan(root, "bad", DAYS[2], "out", &args)
    };
    assert_eq!(new("good.json", &[]), 1);
    assert_eq!(new("bad.json", &[]), 0);
    tenet(root, &["scan", "--fail-on", "new"]).ends(2, "usage");
    assert_eq!(new("tenet.toml", &[]), 2);
    // A waiver that lapsed since makes its fail new again.
    let waiver =
        "edition 1\nmodule waivers\nwaive OWN-1 for s: Subscription { from 2026-01-20 until 2026-02-10 because \"x\" approved by \"y\" }\n";
    fs::write(root.join("waivers.tenet"), waiver).unwrap();
    scan(root, "bad", DAYS[1], "waived", &[]);
    assert_eq!(new("waived.json", &[]), 1);
    assert_eq!(class(root, "bad", "waived"), "waived");
    assert_eq!(class(root, "waived", "out"), "lapsed");
}

#[test]
fn a_renamed_rule_keeps_its_findings_and_a_removed_one_is_told() {
    let folder = repo();
    let root = folder.path();
    state(root, "bad", "Disabled");
    scan(root, "bad", DAYS[0], "old", &[]);
    fs::write(root.join("policies/own.tenet"), rule("OWN-2", "@was(\"OWN-1\")\n", "Enabled")).unwrap();
    scan(root, "bad", DAYS[1], "renamed", &["--baseline", "old.json", "--fail-on", "new"]);
    let found = diff(root, "old.json", "renamed.json");
    assert_eq!(found["changes"][0]["class"], "rule_renamed", "{found}");
    assert_eq!(found["changes"][0]["renamed_from"], "OWN-1");
    assert_eq!(found["renamed"]["OWN-1"], "OWN-2");
    fs::write(root.join("policies/own.tenet"), rule("OWN-3", "", "Enabled")).unwrap();
    scan(root, "bad", DAYS[1], "other", &[]);
    let classes: Vec<Value> =
        diff(root, "old.json", "other.json")["changes"].as_array().unwrap().iter().map(|change| change["class"].clone()).collect();
    assert_eq!(classes, ["new", "no_longer_evaluated"]);
    let text = tenet(root, &["diff", "old.json", "other.json"]).ends(1, "findings");
    assert!(text.stdout.contains("NO LONGER EVALUATED (1)") && text.stderr.contains("why is not known"), "{}", text.stdout);
    let markdown = tenet(root, &["diff", "old.json", "other.json", "-f", "markdown"]).stdout;
    assert!(markdown.contains("| OWN-3.enabled |") && markdown.lines().count() < 60, "{markdown}");
}

fn bundle(root: &Path, snapshot: &str, now: &str, name: &str) {
    let code = scan(root, snapshot, now, name, &[]);
    assert!([0, 1, 3].contains(&code));
    let (result, tar) = (format!("{name}.json"), format!("{name}.tar"));
    tenet(root, &["sign", &result, "--key", "key", "-o", &tar]).ends(0, "ok");
}

#[test]
fn the_cause_of_a_change_is_found_by_swapping() {
    let folder = repo();
    let root = folder.path();
    state(root, "good", "Enabled");
    state(root, "bad", "Disabled");
    let why = |old: &str, new: &str| {
        let found = diff(root, &format!("{old}.tar"), &format!("{new}.tar"));
        let change = &found["changes"][0];
        (change["class"].as_str().unwrap().to_owned(), change["why"]["causes"].clone(), change["why"]["each_alone"].clone())
    };
    bundle(root, "good", DAYS[0], "good");
    bundle(root, "bad", DAYS[0], "bad");
    assert_eq!(why("good", "bad"), ("new".to_owned(), serde_json::json!(["data"]), true.into()));
    assert_eq!(why("bad", "good").1, serde_json::json!(["data"]));
    // Another rule text over the same data.
    fs::write(root.join("policies/own.tenet"), rule("OWN-1", "", "Disabled")).unwrap();
    bundle(root, "bad", DAYS[1], "laxer");
    assert_eq!(why("bad", "laxer"), ("fixed".to_owned(), serde_json::json!(["policy"]), true.into()));
    // Both at once: each alone changes the verdict, and together they change it back.
    bundle(root, "good", DAYS[0], "both");
    let found = diff(root, "good.tar", "both.tar");
    assert_eq!(found["changes"][0]["why"]["causes"], serde_json::json!(["policy"]), "{found}");
    // Time: a deadline passes.
    let due = "edition 1\nmodule own\nrule OWN-1 for s: Subscription {\n  title \"Enabled\"\n  due 2026-03-01\n  require enabled: s.state == Enabled\n}\n";
    fs::write(root.join("policies/own.tenet"), due).unwrap();
    bundle(root, "bad", DAYS[1], "early");
    bundle(root, "bad", DAYS[3], "late");
    assert_eq!(why("early", "late"), ("new".to_owned(), serde_json::json!(["time"]), true.into()));
    // A waiver.
    let waiver =
        "edition 1\nmodule waivers\nwaive OWN-1 for s: Subscription { from 2026-03-01 until 2026-05-10 because \"x\" approved by \"y\" }\n";
    fs::write(root.join("waivers.tenet"), waiver).unwrap();
    bundle(root, "bad", DAYS[3], "waived");
    assert_eq!(why("late", "waived"), ("waived".to_owned(), serde_json::json!(["waiver"]), true.into()));
    assert_eq!(why("waived", "late"), ("lapsed".to_owned(), serde_json::json!(["waiver"]), true.into()));
    // It lapses: time. And a waiver that begins later than the old result: waiver and time together.
    bundle(root, "bad", DAYS[5], "lapsed");
    assert_eq!(why("waived", "lapsed"), ("lapsed".to_owned(), serde_json::json!(["time"]), true.into()));
    fs::write(root.join("policies/own.tenet"), rule("OWN-1", "", "Enabled")).unwrap();
    fs::remove_file(root.join("waivers.tenet")).unwrap();
    bundle(root, "bad", DAYS[0], "plain");
    fs::write(root.join("waivers.tenet"), waiver).unwrap();
    bundle(root, "bad", DAYS[3], "together");
    let (class, causes, alone) = why("plain", "together");
    assert_eq!((class.as_str(), causes, alone), ("waived", serde_json::json!(["time", "waiver"]), false.into()));
}

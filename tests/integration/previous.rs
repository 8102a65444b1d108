//! `tenet scan --previous`: the same bytes as a whole scan, for less.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::program::tenet;

/// The repo of the demo with two snapshots, of which the second has one fact otherwise; both without an index.
fn repo(file: &str, from: &str, to: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    tenet(root, &["demo", "--keep", ".", "-f", "json=demo.json"]).ends(0, "ok");
    tenet(root, &["export", "tables", "--snapshot", "snapshots/contoso.snapshot", "-o", "tables"]).ends(0, "ok");
    let table = root.join("tables").join(file);
    let text = fs::read_to_string(&table).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(&table, text.replacen(from, to, 1)).unwrap();
    tenet(root, &["import", "tables", "tables", "-o", "snapshots/later.snapshot"]).ends(0, "ok");
    scan(root, "contoso", &["-f", "json=before.json"]);
    folder
}

/// Scans, and returns what was said on stderr.
fn scan(root: &Path, snapshot: &str, args: &[&str]) -> String {
    let snapshot = format!("snapshots/{snapshot}.snapshot");
    let mut all = vec!["scan", "-v", "--snapshot", &snapshot];
    all.extend(args);
    tenet(root, &all).ends(1, "findings").stderr
}

/// How many subjects were decided again, and of how many.
fn share(said: &str) -> (usize, usize) {
    let line = said.lines().find(|line| line.starts_with("decided again: ")).unwrap_or_else(|| panic!("{said}"));
    let words: Vec<&str> = line.split(' ').collect();
    (words[2].parse().unwrap(), words[4].parse().unwrap())
}

fn is_same(root: &Path, one: &str, other: &str) {
    assert!(fs::read(root.join(one)).unwrap() == fs::read(root.join(other)).unwrap(), "{one} and {other} differ");
}

#[test]
fn one_changed_fact_is_decided_alone() {
    let folder = repo("User.jsonl", "\"account_enabled\":true", "\"account_enabled\":false");
    let root = folder.path();
    scan(root, "later", &["-f", "json=whole.json"]);
    let said = scan(root, "later", &["--previous", "before.json", "-f", "json=again.json"]);
    is_same(root, "whole.json", "again.json");
    let (again, of) = share(&said);
    assert!(again > 0 && again * 4 < of, "{said}");
    assert!(!said.contains("note:"), "{said}");
}

#[test]
fn nothing_is_decided_again_if_nothing_changed() {
    let folder = repo("User.jsonl", "\"account_enabled\":true", "\"account_enabled\":false");
    let root = folder.path();
    let said = scan(root, "contoso", &["--previous", "before.json", "-f", "json=again.json"]);
    is_same(root, "before.json", "again.json");
    assert_eq!(share(&said).0, 0, "{said}");
}

#[test]
fn a_rule_that_is_new_is_decided_whole_and_the_others_stand() {
    let folder = repo("User.jsonl", "\"account_enabled\":true", "\"account_enabled\":false");
    let root = folder.path();
    let rule =
        "edition 1\nmodule policies.added\nrule ADDED-001 for u: User {\n  title \"Enabled\"\n  require enabled: u.account_enabled\n}\n";
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::write(root.join("policies/added.tenet"), rule).unwrap();
    scan(root, "contoso", &["-f", "json=whole.json"]);
    let said = scan(root, "contoso", &["--previous", "before.json", "-f", "json=again.json"]);
    is_same(root, "whole.json", "again.json");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(lines.len() == 1 && lines[0].contains("ADDED-001") && lines[0].ends_with("the previous result has no such rule"), "{said}");
}

#[test]
fn what_does_not_belong_together_is_told() {
    let folder = repo("User.jsonl", "\"account_enabled\":true", "\"account_enabled\":false");
    let root = folder.path();
    let wrong = |args: &[&str]| {
        let mut all = vec!["scan", "--snapshot", "snapshots/later.snapshot"];
        all.extend(args);
        tenet(root, &all).ends(2, "usage").stderr
    };
    assert!(wrong(&["--previous", "nothing.json"]).contains("nothing.json"));
    assert!(wrong(&["--previous", "tenet.toml"]).contains("this is no result"));
    let other = ["--previous", "before.json", "--previous-snapshot", "snapshots/later.snapshot"];
    assert!(wrong(&other).contains("the previous result is of another snapshot"));
    fs::rename(root.join("snapshots/contoso.snapshot"), root.join("kept.snapshot")).unwrap();
    scan(root, "later", &["-f", "json=whole.json"]);
    let said = scan(root, "later", &["--previous", "before.json", "-f", "json=anew.json"]);
    assert!(said.contains("note: everything is decided anew: its snapshot is not in the snapshot folder"), "{said}");
    is_same(root, "whole.json", "anew.json");
    let said = scan(root, "later", &["--previous", "before.json", "--previous-snapshot", "kept.snapshot", "-f", "json=again.json"]);
    is_same(root, "whole.json", "again.json");
    assert!(share(&said).0 > 0 && !said.contains("note:"), "{said}");
}

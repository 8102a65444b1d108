//! What a change of policies would change, and the pipelines that ask for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Run, command, finish, fixture};

/// Runs the program where it can find git.
fn tenet(root: &Path, args: &[&str]) -> Run {
    finish(&command(root, args).env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap())
}

fn git(root: &Path, args: &[&str]) -> bool {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@contoso.example", "-c", "commit.gpgsign=false"]).args(args).current_dir(root);
    command.output().is_ok_and(|output| output.status.success())
}

const RULE: &str =
    "edition 1\nmodule own\nrule OWN-1 for s: Subscription {\n  title \"Enabled\"\n  require enabled: s.state == Warned\n}\n";

/// A repository with one commit, a snapshot beside what is committed, and a rule that fails.
fn repo() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    if !git(root, &["init", "-q", "-b", "main"]) {
        println!("skipped: there is no git");
        return None;
    }
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::copy(fixture("import/arm/subscriptions.json"), root.join("answers.json")).unwrap();
    fs::write(root.join("tenet.toml"), "policies = [\"policies\"]\nbuiltin_policies = false\n").unwrap();
    fs::write(root.join(".gitignore"), "snapshots\n").unwrap();
    fs::write(root.join("policies/own.tenet"), RULE).unwrap();
    tenet(root, &["import", "arm", "answers.json", "--complete", "commerceSubscriptions", "-o", "snapshots/a.snapshot"]).ends(0, "ok");
    assert!(git(root, &["add", "-A"]) && git(root, &["commit", "-q", "-m", "first"]));
    Some(folder)
}

fn impact(root: &Path, more: &[&str]) -> Value {
    let mut args = vec!["impact", "--from", "main", "-f", "json"];
    args.extend(more);
    serde_json::from_str(&tenet(root, &args).ends(0, "ok").stdout).unwrap()
}

#[test]
fn flips_are_shown_by_rule_and_subject() {
    let Some(folder) = repo() else { return };
    let root = folder.path();
    assert_eq!(impact(root, &[])["counts"]["still"], 1, "nothing changes yet");
    fs::write(root.join("policies/own.tenet"), RULE.replace("Warned", "Enabled")).unwrap();
    let found = impact(root, &[]);
    assert_eq!((&found["counts"]["fixed"], &found["counts"]["still"]), (&1.into(), &0.into()), "{found}");
    let more = format!("{RULE}rule OWN-2 for s: Subscription {{\n  title \"Named\"\n  require named: s.display_name == \"|<b>\"\n}}\n");
    fs::write(root.join("policies/own.tenet"), more).unwrap();
    let found = impact(root, &[]);
    assert_eq!(found["counts"]["new"], 1, "{found}");
    assert_eq!(found["changes"][0]["rule"], "OWN-2");
    let markdown = tenet(root, &["impact", "--from", "main", "-f", "markdown", "--max-worse", "1"]).ends(0, "ok").stdout;
    assert!(
        markdown.contains("| OWN-2.named | Production | gone | fail |")
            || markdown.contains("| OWN-2.named | Production | not evaluated | fail |"),
        "{markdown}"
    );
    tenet(root, &["impact", "--from", "main", "--max-worse", "0"]).ends(1, "findings");
    for wrong in ["nowhere", "--help-me", "HEAD:policies/own.tenet"] {
        tenet(root, &["impact", &format!("--from={wrong}")]).ends(2, "usage");
    }
}

#[test]
fn a_change_cannot_excuse_itself() {
    let Some(folder) = repo() else { return };
    let root = folder.path();
    let waiver = "edition 1\nmodule waivers\nwaive OWN-1 for s: Subscription { from 2026-01-01 until 2026-03-01 because \"x\" approved by \"y\" }\nwaive OWN-2 for s: Subscription { from 2026-01-01 until 2026-03-01 because \"x\" approved by \"y\" }\n";
    let second = format!("{RULE}rule OWN-2 for s: Subscription {{\n  title \"Named\"\n  require named: s.display_name == \"x\"\n}}\n");
    fs::write(root.join("policies/own.tenet"), second).unwrap();
    fs::write(root.join("waivers.tenet"), waiver).unwrap();
    let now = ["--now", "2026-02-01T00:00:00Z"];
    let found = impact(root, &now);
    assert_eq!((&found["counts"]["new"], &found["counts"]["waived"]), (&1.into(), &0.into()), "{found}");
    // Once they are on the base, they count; and a waiver of a rule that the change removes is no trouble.
    assert!(git(root, &["add", "-A"]) && git(root, &["commit", "-q", "-m", "second"]));
    fs::write(root.join("policies/own.tenet"), RULE).unwrap();
    fs::remove_file(root.join("waivers.tenet")).unwrap();
    let found = impact(root, &now);
    assert_eq!((&found["counts"]["still"], &found["counts"]["lapsed"]), (&1.into(), &0.into()), "{found}");
    assert_eq!(found["counts"]["no longer evaluated"], 1);
}

#[test]
fn pipelines_of_a_new_repo_fit_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    tenet(folder.path(), &["init"]).ends(0, "ok");
    for (schema, pipeline) in [("github-workflow.json", ".github/workflows/tenet.yml"), ("azure-pipelines.json", "azure-pipelines.yml")] {
        let schema: Value = serde_json::from_str(&fs::read_to_string(fixture(&format!("schemas/ci/{schema}"))).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let text = fs::read_to_string(folder.path().join(pipeline)).unwrap();
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(wrong.is_empty(), "{pipeline}: {wrong:?}");
        // The schema is looked at: a slip of the pen is found.
        let broken: Value = serde_yaml::from_str(&text.replace("steps:", "stepps:")).unwrap();
        assert!(!validator.is_valid(&broken), "{pipeline}: a misspelt key fits");
    }
}

#[test]
fn the_catalogue_has_a_page_for_each_rule() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let hostile = "edition 1\nmodule own\n/// <script>alert(1)</script>\nrule OWN-1 for s: Subscription {\n  title \"</title><img src=x> | [a](b)\"\n  require enabled: s.state == Enabled\n}\ntest \"<b>\" {\n  given { Subscription a { state: Enabled } }\n  expect OWN-1 on a pass\n}\n";
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::write(root.join("tenet.toml"), "policies = [\"policies\"]\n").unwrap();
    fs::write(root.join("policies/own.tenet"), hostile).unwrap();
    tenet(root, &["docs", "-o", "site"]).ends(0, "ok");
    tenet(root, &["docs", "-o", "again"]).ends(0, "ok");
    let index = fs::read_to_string(root.join("site/index.md")).unwrap();
    let n = index.lines().filter(|line| line.starts_with("| [")).count();
    assert!(n > 50, "{n}");
    let mut files = 0;
    for entry in fs::read_dir(root.join("site")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text == fs::read_to_string(root.join("again").join(path.file_name().unwrap())).unwrap(), "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 2 * (n + 1));
    let page = fs::read_to_string(root.join("site/DPOR-001.md")).unwrap();
    for wanted in [
        "## The rule",
        "rule DPOR-001 for",
        "lib.dpor.partner\\_id",
        "Subscription.agreement",
        "## Examples",
        "expect DPOR-001",
        "billing account reader",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let own = fs::read_to_string(root.join("site/OWN-1.html")).unwrap();
    assert!(!own.contains("<script") && !own.contains("<img") && !own.contains("<b>"), "{own}");
    // Between fences a text is shown as it is; around them nothing of it is a tag.
    let own = fs::read_to_string(root.join("site/OWN-1.md")).unwrap();
    assert!(own.split("```").step_by(2).all(|text| !text.contains('<')), "{own}");
}

//! What is handed out names nobody, and the same thing has one pseudonym everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tenet::report::Format;

use crate::program::tenet;

/// The names, addresses and ids of the demo's tenant: texts of the properties that name things.
fn secrets(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root.join("plain")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('_') || name.starts_with("RoleDefinition") || name.starts_with("DirectoryRole") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            for column in ["display_name", "mail", "user_principal_name", "principal_name", "key"] {
                let text = row[column].as_str().unwrap_or("");
                // Words that mean something in the schema too, and very short names, could stand for something else.
                if text.len() > 5 && text != "Enabled" {
                    found.insert(text.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn nothing_of_the_tenant_is_left_and_pseudonyms_are_consistent() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    tenet(root, &["demo", "--keep", ".", "-f", "json=demo.json"]).ends(0, "ok");
    fs::write(root.join("key"), [b"0123456789abcdef0123456789abcdef".as_slice(), b"x"].concat()).unwrap();
    fs::write(root.join("other"), "another key, long enough to be one, too").unwrap();
    fs::write(root.join("short"), "short").unwrap();
    tenet(root, &["export", "tables", "-o", "plain"]).ends(0, "ok");
    tenet(root, &["export", "tables", "-o", "no", "--pseudonymise", "short"]).ends(2, "usage");
    tenet(root, &["export", "tables", "-o", "out", "--pseudonymise", "key", "--pseudonym-map", "map.json"]).ends(0, "ok");
    tenet(root, &["scan", "--pseudonymise", "key", "-f", "json=result.json", "-f", "table=table.txt"]).ends(1, "findings");
    let secrets = secrets(root);
    assert!(secrets.len() > 50, "{}", secrets.len());
    let mut shown = fs::read_to_string(root.join("result.json")).unwrap() + &fs::read_to_string(root.join("table.txt")).unwrap();
    for entry in fs::read_dir(root.join("out")).unwrap() {
        shown += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let is_word = |text: &str, at: usize, length: usize| {
        let before = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let after = text[at + length..].chars().next().is_some_and(char::is_alphanumeric);
        !before && !after
    };
    let left: Vec<&String> =
        secrets.iter().filter(|secret| shown.match_indices(secret.as_str()).any(|(at, found)| is_word(&shown, at, found.len()))).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!shown.contains("contoso.example") && !shown.contains("Northwind"), "words of waivers and addresses");
    // Reports and tables agree: the subjects of the report are keys of the tables.
    let result: Value = serde_json::from_str(&fs::read_to_string(root.join("result.json")).unwrap()).unwrap();
    let keys: BTreeSet<String> = fs::read_to_string(root.join("out/Subscription.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned())
        .collect();
    let subjects: BTreeSet<String> = result["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["subject"]["type"] == "Subscription")
        .map(|finding| finding["subject"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(subjects.len() > 5 && subjects.is_subset(&keys), "{subjects:?} {keys:?}");
    // The verdicts are those of the plain result.
    let plain: Value = serde_json::from_str(&fs::read_to_string(root.join("demo.json")).unwrap()).unwrap();
    assert_eq!(plain["summary"]["verdicts"], result["summary"]["verdicts"]);
    // The tables are a snapshot again, of the same size.
    tenet(root, &["import", "tables", "out", "-o", "again.snapshot"]).ends(0, "ok");
    // The way back is in the map, which is written where it was asked for and nowhere else; another key gives other names.
    let map: Value = serde_json::from_str(&fs::read_to_string(root.join("map.json")).unwrap()).unwrap();
    assert!(map.as_object().unwrap().values().any(|name| name == "Avery Quinn"));
    assert!(!root.join("out/map.json").exists());
    tenet(root, &["export", "tables", "-o", "out2", "--pseudonymise", "other"]).ends(0, "ok");
    let read = |folder: &str| fs::read_to_string(root.join(folder).join("User.jsonl")).unwrap();
    assert_ne!(read("out"), read("out2"));
    tenet(root, &["export", "tables", "-o", "out3", "--pseudonymise", "key"]).ends(0, "ok");
    assert_eq!(read("out"), read("out3"));
}

#[test]
fn a_saved_result_is_handed_out_as_its_scan_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    tenet(root, &["demo", "--keep", ".", "-f", "json=demo.json"]).ends(0, "ok");
    fs::write(root.join("key"), "a key that is long enough to be one, by chance").unwrap();
    let outputs = |prefix: &str| {
        Format::ALL.iter().flat_map(|format| ["-f".to_owned(), format!("{0}={prefix}.{0}", format.name())]).collect::<Vec<String>>()
    };
    let run = |args: &[&str], prefix: &str| {
        let outputs = outputs(prefix);
        tenet(root, &args.iter().copied().chain(outputs.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    tenet(root, &["scan", "-f", "json=plain.json"]).ends(1, "findings");
    run(&["scan", "--pseudonymise", "key"], "scan").ends(1, "findings");
    run(&["report", "plain.json", "--pseudonymise", "key"], "report").ends(0, "ok");
    for format in Format::ALL {
        let read = |prefix: &str| fs::read_to_string(root.join(format!("{prefix}.{}", format.name()))).unwrap();
        assert!(read("scan") == read("report"), "{} differs", format.name());
        assert!(!read("report").contains("contoso.example") && !read("report").contains("Avery Quinn"), "{}", format.name());
    }
    // Another key gives other names, and what cannot be a key is refused.
    fs::write(root.join("other"), "another key, long enough to be one, too").unwrap();
    let other = tenet(root, &["report", "plain.json", "--pseudonymise", "other", "-f", "csv"]).ends(0, "ok").stdout;
    assert_ne!(other, fs::read_to_string(root.join("report.csv")).unwrap());
    fs::write(root.join("short"), "short").unwrap();
    tenet(root, &["report", "plain.json", "--pseudonymise", "short", "-f", "csv"]).ends(2, "usage");
    // Without the snapshot nobody knows what is a name, so nothing is shown.
    let register = root.join("registers/partners.yaml");
    let rows = fs::read_to_string(&register).unwrap();
    fs::write(&register, format!("{rows}\n# changed\n")).unwrap();
    let refused = tenet(root, &["report", "plain.json", "--pseudonymise", "key", "-f", "csv"]).ends(2, "usage");
    assert!(refused.stderr.contains("the registers have changed since") && refused.stdout.is_empty(), "{}", refused.stderr);
    fs::write(&register, rows).unwrap();
    fs::rename(root.join("snapshots"), root.join("elsewhere")).unwrap();
    let refused = tenet(root, &["report", "plain.json", "--pseudonymise", "key", "-f", "csv=out.csv"]).ends(2, "usage");
    assert!(refused.stderr.contains("the snapshot of the result is not in the snapshot folder"), "{}", refused.stderr);
    assert!(!root.join("out.csv").exists());
}

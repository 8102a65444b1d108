//! Reports of results: those of a scan and those of the saved result of that scan are the same bytes.

mod golden;
mod hostile;
mod same_bytes;
mod sample;
mod schemas;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tenet::check::builtin_files;
use tenet::report::Format;

use crate::program::{fixture, tenet};
use crate::stories::STORIES;

/// Every fixture tenant, as a governance repo with a snapshot of its answers.
pub(crate) fn tenants() -> Vec<&'static str> {
    STORIES.iter().copied().chain(["contoso"]).collect()
}

/// Copies a folder.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let inner = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &inner);
        } else {
            fs::copy(entry.path(), inner).unwrap();
        }
    }
}

/// A governance repo of a fixture tenant, with its snapshot.
pub(crate) fn repo(tenant: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copied(Path::new(&fixture(tenant)), folder.path());
    fs::create_dir_all(folder.path().join("snapshots")).unwrap();
    tenet(folder.path(), &["import", "arm", "answers", "-o", "snapshots/a.snapshot"]).ends(0, "ok");
    folder
}

/// The arguments that write every format to a file of its own, with a prefix.
fn every_format(prefix: &str) -> Vec<String> {
    Format::ALL.iter().flat_map(|format| ["-f".to_owned(), format!("{0}={prefix}.{0}", format.name())]).collect()
}

#[test]
fn a_saved_result_gives_the_same_bytes_in_every_format() {
    for tenant in tenants() {
        let folder = repo(tenant);
        let scan: Vec<String> = ["scan".to_owned()].into_iter().chain(every_format("scan")).collect();
        let run = tenet(folder.path(), &scan.iter().map(String::as_str).collect::<Vec<_>>());
        assert!([0, 1, 3].contains(&run.code), "{tenant}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{tenant}: everything went to files");
        // The result of a scan that writes nothing else is the same, too.
        let alone = tenet(folder.path(), &["-q", "scan", "-f", "json"]);
        assert_eq!(alone.stdout, fs::read_to_string(folder.path().join("scan.json")).unwrap(), "{tenant}");
        let report: Vec<String> = ["report".to_owned(), "scan.json".to_owned()].into_iter().chain(every_format("again")).collect();
        tenet(folder.path(), &report.iter().map(String::as_str).collect::<Vec<_>>()).ends(0, "ok");
        for format in Format::ALL {
            let read = |prefix: &str| fs::read(folder.path().join(format!("{prefix}.{}", format.name()))).unwrap();
            assert!(read("scan") == read("again"), "{tenant}: {} differs", format.name());
        }
        let shown = tenet(folder.path(), &["report", "scan.json"]).ends(0, "ok");
        assert_eq!(shown.stdout, fs::read_to_string(folder.path().join("scan.table")).unwrap(), "{tenant}: a table without -f");
    }
}

#[test]
fn two_reports_have_two_places() {
    let folder = repo("stories/orphan");
    let two = tenet(folder.path(), &["scan", "-f", "json", "-f", "table"]).ends(2, "usage");
    assert!(two.stderr.contains("one report can go to stdout; give the others a file: -f table=FILE"), "{}", two.stderr);
    let same = tenet(folder.path(), &["scan", "-f", "json=a", "-f", "table=a"]).ends(2, "usage");
    assert!(same.stderr.contains("two reports cannot go to a"), "{}", same.stderr);
    let unknown = tenet(folder.path(), &["scan", "-f", "jso"]).ends(2, "usage");
    assert!(unknown.stderr.contains("did you mean `json`?"), "{}", unknown.stderr);
    assert!(!folder.path().join("a").exists());
}

#[test]
fn what_is_no_result_is_refused_with_its_place() {
    let folder = repo("stories/orphan");
    let path = folder.path().join("r.json");
    tenet(folder.path(), &["scan", "-f", "json=r.json"]);
    let whole = fs::read_to_string(&path).unwrap();
    let refused = |text: &str| {
        fs::write(&path, text).unwrap();
        let run = tenet(folder.path(), &["report", "r.json", "-f", "json=out"]).ends(2, "usage");
        assert!(!folder.path().join("out").exists(), "nothing is written of a file that is refused");
        run.stderr
    };
    let cases: &[(&str, String)] = &[
        (
            "r.json:1:1: it says the format `tenet.result/v2`, and this version reads tenet.result/v1",
            whole.replace("result/v1", "result/v2"),
        ),
        ("r.json:1:1: it says the format `nothing`", "{}".to_owned()),
        ("r.json:1:1: this is no whole result of `tenet scan -f json`: EOF", String::new()),
        ("EOF while parsing", whole[..whole.len() / 2].to_owned()),
        ("there is no verdict `fine`", whole.replacen("\"verdict\": \"pass\"", "\"verdict\": \"fine\"", 1)),
        ("its summary counts", whole.replacen("\"verdict\": \"unknown\"", "\"verdict\": \"pass\"", 1)),
        ("missing field `rules`", whole.replacen("\"rules\": [", "\"ruled\": [", 1)),
        ("duplicate field `now`", whole.replacen("\"now\":", "\"now\": \"\", \"now\":", 1)),
        ("names a waiver that is not in the file", whole.replacen("\"waiver\": null", "\"waiver\": 7", 1)),
        ("trailing characters", format!("{whole}{{}}")),
    ];
    for (wanted, text) in cases {
        let told = refused(text);
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let none = tenet(folder.path(), &["report", "nowhere.json"]).ends(2, "usage");
    assert!(none.stderr.contains("nowhere.json: "), "{}", none.stderr);
}

#[test]
fn a_rule_is_placed_in_a_file_that_is_there() {
    let folder = repo("contoso");
    tenet(folder.path(), &["-q", "scan", "-f", "json=r.json"]);
    let result: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    let mut n_own = 0;
    for rule in result["rules"].as_array().unwrap() {
        let (id, source) = (rule["id"].as_str().unwrap(), &rule["source"]);
        let place = |key: &str| usize::try_from(source[key].as_u64().unwrap()).unwrap();
        let (file, first, last) = (source["file"].as_str().unwrap(), place("line"), place("end_line"));
        let text = if source["builtin"] == true {
            builtin_files().iter().find(|builtin| builtin.path == file).map(|builtin| builtin.text.to_owned())
        } else {
            n_own += 1;
            fs::read_to_string(folder.path().join(file)).ok()
        };
        let text = text.unwrap_or_else(|| panic!("{id}: there is no {file}"));
        let begin = format!("rule {id} for ");
        let found = text.lines().take(last).skip(first - 1).any(|line| line.starts_with(&begin));
        assert!(found, "{id} is not between the lines {first} and {last} of {file}");
    }
    assert!(n_own > 0);
}

//! The derived index as users meet it: the same answers as from the tables, and never in place of them if it does not fit.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::program::{Run, fixture, tenet};
use crate::stories::STORIES;

/// The demo tenant and every story.
fn fixtures() -> impl Iterator<Item = &'static str> {
    std::iter::once("contoso").chain(STORIES)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A fixture with its snapshot.
fn repo(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(&fixture(name)), folder.path());
    let import = tenet(folder.path(), &["import", "arm", "answers", "-o", "snapshots/a.snapshot"]);
    assert_eq!(import.code, 0, "{}", import.stderr);
    folder
}

fn index(repo: &Path) -> PathBuf {
    repo.join("snapshots/a.snapshot/index")
}

/// The one index there is.
fn only(repo: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(index(repo)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn from_index(run: &Run) -> bool {
    run.stderr.lines().any(|line| line.starts_with("read ") && line.contains(" of the index, "))
}

fn scan(repo: &Path, more: &[&str]) -> Run {
    let args: Vec<&str> = ["scan", "-v", "-f", "json"].into_iter().chain(more.iter().copied()).collect();
    let run = tenet(repo, &args);
    assert!([0, 1, 3].contains(&run.code), "{}", run.stderr);
    run
}

#[test]
fn a_scan_of_the_index_is_a_scan_of_the_tables() {
    let mut n_indexed = 0;
    for name in fixtures() {
        let folder = repo(name);
        let tables = scan(folder.path(), &["--no-index"]);
        assert!(!index(folder.path()).exists());
        let writes = scan(folder.path(), &["--index"]);
        let read = scan(folder.path(), &[]);
        assert!(!from_index(&tables) && !from_index(&writes));
        assert_eq!(from_index(&read), index(folder.path()).exists(), "{name}: {}", read.stderr);
        n_indexed += usize::from(from_index(&read));
        for other in [&writes, &read] {
            assert!(tables.stdout == other.stdout, "{name}");
            assert_eq!(tables.code, other.code, "{name}");
        }
    }
    assert!(n_indexed >= 8, "only {n_indexed} were read from an index");
}

#[test]
fn explanations_and_contents_are_the_same() {
    let folder = repo("contoso");
    let both = |args: &[&str]| {
        let with = tenet(folder.path(), args);
        (with.stdout, with.code)
    };
    let questions: [&[&str]; 4] =
        [&["explain", "DPOR-003", "hr-2025"], &["explain", "OWNER-001", "Logistics"], &["explain", "OWNER-001"], &["explain", "DPOR-001"]];
    let tables: Vec<_> = questions.iter().map(|args| both(&[args, &["--no-index"][..]].concat())).collect();
    let bare = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshots/a.snapshot");
    let show = || {
        let run = tenet(bare.path(), &["show", snapshot.to_str().unwrap()]);
        (run.stdout, run.code)
    };
    let shown = show();
    scan(folder.path(), &["--index"]);
    assert!(from_index(&scan(folder.path(), &[])));
    for (args, tables) in questions.iter().zip(tables) {
        assert_eq!(both(args), tables, "{args:?}");
    }
    // Without registers it is another index; `scan` in a folder without a configuration writes it.
    scan(bare.path(), &["--index", "--snapshot", snapshot.to_str().unwrap()]);
    assert_eq!(fs::read_dir(index(folder.path())).unwrap().count(), 2);
    assert_eq!(show(), shown);
}

#[test]
fn what_changed_is_read_again() {
    let folder = repo("contoso");
    scan(folder.path(), &["--index"]);
    assert!(from_index(&scan(folder.path(), &[])));
    // A register.
    let register = folder.path().join("registers/principals.yaml");
    let text = fs::read_to_string(&register).unwrap();
    fs::write(&register, format!("{text}\n# later\n")).unwrap();
    assert!(!from_index(&scan(folder.path(), &[])));
    fs::write(&register, &text).unwrap();
    assert!(from_index(&scan(folder.path(), &[])));
    // How it is declared.
    let config = folder.path().join("tenet.toml");
    let declared = fs::read_to_string(&config).unwrap();
    fs::write(&config, declared.replace("harper.lang@contoso.example\"\nattested_on", "someone@contoso.example\"\nattested_on")).unwrap();
    assert!(!from_index(&scan(folder.path(), &[])));
    fs::write(&config, &declared).unwrap();
    // The evidence: that is an error, as ever.
    let evidence = folder.path().join("evidence/erp-2023.txt");
    let attested = fs::read(&evidence).unwrap();
    fs::write(&evidence, "something else").unwrap();
    let refused = tenet(folder.path(), &["scan"]).ends(2, "usage");
    assert!(refused.stderr.contains("is not the one that was attested"), "{}", refused.stderr);
    fs::write(&evidence, attested).unwrap();
    assert!(from_index(&scan(folder.path(), &[])));
    // A register of the command line.
    let given = format!("principals={}", register.display());
    assert!(!from_index(&scan(folder.path(), &["--register", &given])));
    // The snapshot itself.
    tenet(folder.path(), &["import", "arm", "answers", "-o", "snapshots/a.snapshot", "--force", "--tenant", "other"]);
    assert!(!index(folder.path()).exists());
    assert!(!from_index(&scan(folder.path(), &[])));
}

#[test]
fn an_altered_index_ends_the_run() {
    let folder = repo("contoso");
    let expected = scan(folder.path(), &["--index"]).stdout;
    let files = only(folder.path());
    let path = files.join("columns");
    let bytes = fs::read(&path).unwrap();
    let contents: serde_json::Value = serde_json::from_slice(&fs::read(files.join("index.json")).unwrap()).unwrap();
    let parts = contents["parts"].as_array().unwrap();
    let (mut n_refused, mut end) = (0, 0);
    for (nth, part) in parts.iter().enumerate() {
        let name = part["name"].as_str().unwrap();
        end += usize::try_from(part["bytes"].as_u64().unwrap()).unwrap();
        if name.contains("_sources") || nth % 4 > 0 {
            continue;
        }
        let mut altered = bytes.clone();
        altered[end - 1] ^= 4;
        fs::write(&path, altered).unwrap();
        let run = tenet(folder.path(), &["scan", "-f", "json"]);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        if run.code == 5 {
            assert!(run.stderr.contains("remove the folder `index`") && run.stdout.is_empty(), "{name}: {}", run.stderr);
            n_refused += 1;
        } else {
            assert!(run.stdout == expected, "{name} was not asked for, or its change was not seen: {}", run.stderr);
        }
    }
    assert!(n_refused > 5, "{n_refused} of {}", parts.len());
    assert_eq!(end, bytes.len());
    // Cut, or longer, or gone.
    for torn in [&bytes[..end - 1], &[&bytes[..], b"\0"].concat()] {
        fs::write(&path, torn).unwrap();
        tenet(folder.path(), &["scan"]).ends(5, "evidence");
    }
    fs::remove_file(&path).unwrap();
    tenet(folder.path(), &["scan"]).ends(5, "evidence");
    assert!(tenet(folder.path(), &["scan", "-f", "json", "--no-index"]).stdout == expected);
    fs::remove_dir_all(index(folder.path())).unwrap();
    assert!(scan(folder.path(), &[]).stdout == expected);
}

#[test]
fn a_small_snapshot_gets_no_index_and_a_large_one_does() {
    let folder = repo("contoso");
    scan(folder.path(), &[]);
    assert!(!index(folder.path()).exists());
    let large = tempfile::tempdir().unwrap();
    let rows: String = (0..12_000)
        .map(|n| {
            format!(
                "{{\"key\": \"/subscriptions/{n:08}-0000-4000-8000-000000000000\", \"display_name\": \"s{n}\", \"state\": \"Enabled\"}}\n"
            )
        })
        .collect();
    fs::create_dir(large.path().join("tables")).unwrap();
    fs::write(large.path().join("tables/Subscription.jsonl"), rows).unwrap();
    tenet(large.path(), &["init"]).ends(0, "ok");
    tenet(large.path(), &["import", "tables", "tables", "-o", "snapshots/a.snapshot"]).ends(0, "ok");
    let tables = scan(large.path(), &["--rule", "DPOR-001", "--no-index"]);
    scan(large.path(), &["--rule", "DPOR-001"]);
    let read = scan(large.path(), &["--rule", "DPOR-001"]);
    assert!(from_index(&read), "{}", read.stderr);
    assert!(read.stdout == tables.stdout);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_no_failure() {
    use std::os::unix::fs::PermissionsExt;
    let folder = repo("contoso");
    let snapshot = folder.path().join("snapshots/a.snapshot");
    fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o500)).unwrap();
    let first = scan(folder.path(), &["--index"]);
    let second = scan(folder.path(), &["--index"]);
    fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(first.stdout == second.stdout);
    // A file where the folder should be is in the way of an index, not of a scan.
    let _ = fs::remove_dir_all(index(folder.path()));
    fs::write(index(folder.path()), "").unwrap();
    assert!(scan(folder.path(), &["--index"]).stdout == first.stdout);
}

//! Commands that only look open no connection and have no way to write: by type, and against a listener that counts.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::tenet;

/// Counts connections to a port of this machine, for as long as the test runs.
fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (origin, count)
}

#[test]
fn commands_that_only_look_open_no_connection() {
    let (origin, count) = counting();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tenet(folder, &["demo", "--keep", "repo"]).ends(0, "ok");
    let config = folder.join("repo/tenet.toml");
    let cloud = format!("\n[cloud]\nauthority = \"{origin}\"\narm = \"{origin}\"\ngraph = \"{origin}\"\n");
    fs::write(&config, fs::read_to_string(&config).unwrap() + &cloud).unwrap();
    let journal = fs::read_dir(folder.join("repo/journal")).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).min().unwrap().display().to_string();
    let snapshot = "repo/snapshots/contoso.snapshot";
    let before = listing(&folder.join("repo/journal"));
    let runs: [(&[&str], i32, &str); 12] = [
        (&["check"], 0, "ok"),
        (&["scan", "--snapshot", snapshot], 1, "findings"),
        (&["explain", "DPOR-003", "hr-2025", "--snapshot", snapshot], 0, "ok"),
        (&["explain", "DPOR-003", "--plan"], 0, "ok"),
        (&["plan", "--snapshot", snapshot, "--planner", "jo", "-o", "new.json"], 0, "ok"),
        (&["plan", "--snapshot", snapshot, "--search"], 0, "ok"),
        (&["show", "new.json"], 0, "ok"),
        (&["show", "repo/plan.json", "--json"], 0, "ok"),
        (&["show", "repo/plan.json.sig.1"], 0, "ok"),
        (&["show", &journal], 0, "ok"),
        (&["undo", &journal, "-o", "undone.json"], 0, "ok"),
        (&["import", "arm", "repo/answers", "-o", "again.snapshot"], 0, "ok"),
    ];
    for (args, code, name) in runs {
        let mut all = vec!["-C", "repo"];
        all.extend(args);
        tenet(folder, &all).ends(code, name);
        let mut offline = vec!["--offline"];
        offline.extend(all);
        if !args.contains(&"-o") {
            tenet(folder, &offline).ends(code, name);
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 0, "a command that only looks opened a connection");
    assert_eq!(listing(&folder.join("repo/journal")), before, "and none of them wrote a journal");
    // The listener does count: apply goes there.
    std::net::TcpStream::connect(origin.trim_start_matches("http://")).unwrap();
    for _ in 0..100 {
        if count.load(Ordering::SeqCst) > 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the listener counts nothing");
}

fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<(PathBuf, u64)> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).map(|entry| (entry.path(), entry.metadata().unwrap().len())).collect();
    all.sort();
    all
}

/// What can write is a type of its own, and only apply, and the demo on its tenant in memory, ever name it.
#[test]
fn only_apply_names_what_can_write() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut named = Vec::new();
    for room in ["cli", "remedy", "report", "evaluate", "query", "snapshot"] {
        let mut files = vec![src.join(room)];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if ["WriteClient::for_apply(", "HttpTarget", "MemoryTarget", "dyn Target", "impl Target", ": Target", "Target for"]
                .iter()
                .any(|name| text.contains(name))
            {
                named.push(path.strip_prefix(&src).unwrap().display().to_string());
            }
        }
    }
    named.sort();
    assert_eq!(named, ["cli/apply.rs", "cli/demo_fix.rs", "remedy/apply.rs"]);
}

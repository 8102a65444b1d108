//! The program as its users meet it: commands, exit codes, what goes where, the same bytes every time.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::program::{command, finish, fixture, tenet};

/// A governance repo as `init` makes it, with a snapshot of the recorded answers.
fn repo() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tenet(folder.path(), &["init"]).ends(0, "ok");
    tenet(folder.path(), &["import", "arm", &fixture("import/arm"), "-o", "snapshots/a.snapshot"]).ends(0, "ok");
    folder
}

/// A folder with one rule of its own and a snapshot of one subscription of the given name and state.
fn small(name: &str, state: &str, rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let answers = fs::read_to_string(fixture("import/arm/subscriptions.json")).unwrap();
    let name = serde_json::to_string(name).unwrap();
    let answers = answers.replace("\"Production\"", &name).replace("\"state\": \"Enabled\"", &format!("\"state\": \"{state}\""));
    fs::create_dir_all(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("answers.json"), answers).unwrap();
    fs::write(folder.path().join("tenet.toml"), "policies = [\"policies\"]\nbuiltin_policies = false\n").unwrap();
    fs::write(folder.path().join("policies/own.tenet"), rules).unwrap();
    tenet(folder.path(), &["import", "arm", "answers.json", "--complete", "commerceSubscriptions", "-o", "snapshots/a.snapshot"])
        .ends(0, "ok");
    folder
}

const ENABLED: &str = "edition 1\nmodule own\nrule OWN-1 for s: Subscription { title \"Enabled\" require enabled: s.state == Enabled else \"{s.display_name} is not.\" }\n";

#[test]
fn help_and_version_are_answers() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["scan", "--help"], &["--version"], &["version"], &["help", "scan"]] {
        let run = tenet(folder.path(), args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
        assert!(!run.stdout.is_empty(), "{args:?}");
    }
    let version = tenet(folder.path(), &["version", "--json"]);
    let version: serde_json::Value = serde_json::from_str(&version.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let help = tenet(folder.path(), &["--help"]).stdout;
    for name in ["ok", "findings", "usage", "incomplete", "evidence"] {
        assert!(help.contains(name), "the help names the exit code {name}");
    }
}

#[test]
fn usage_errors_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| tenet(folder.path(), args).ends(2, "usage");
    assert!(run(&["scan", "--nonsense"]).stderr.contains("--nonsense"));
    run(&["nonsense"]);
    run(&[]);
    run(&["scan", "--fail-on", "sometimes"]);
    run(&["scan", "--now", "yesterday"]);
    run(&["scan", "--snapshot", "nowhere.snapshot"]);
    assert!(run(&["scan"]).stderr.contains("no snapshot"));
    run(&["check", "--config", "nowhere.toml"]);
    run(&["check", "nowhere.tenet"]);
    run(&["import", "arm", "nowhere", "-o", "x.snapshot"]);
    run(&["explain", "NOTHING-999"]);
    run(&["scan", "-f", "poetry"]);
}

#[test]
fn a_made_repo_checks_formats_and_tests_clean() {
    let folder = repo();
    let check = tenet(folder.path(), &["check", "--strict"]).ends(0, "ok");
    assert_eq!(check.stdout, "", "nothing to say");
    tenet(folder.path(), &["fmt", "--check"]).ends(0, "ok");
    let tests = tenet(folder.path(), &["test"]).ends(0, "ok");
    assert!(tests.stdout.contains("0 failed"), "{}", tests.stdout);
    tenet(folder.path(), &["test", "--missing-data"]).ends(0, "ok");
    // What is there is not written over.
    tenet(folder.path(), &["init"]).ends(2, "usage");
}

#[test]
fn exit_codes_of_a_scan() {
    let fine = small("Production", "Enabled", ENABLED);
    tenet(fine.path(), &["scan"]).ends(0, "ok");
    let broken = small("Production", "Disabled", ENABLED);
    tenet(broken.path(), &["scan"]).ends(1, "findings");
    tenet(broken.path(), &["scan", "--fail-on", "none"]).ends(0, "ok");
    let dark = small("Production", "SomethingNew", ENABLED);
    tenet(dark.path(), &["scan"]).ends(3, "incomplete");
    tenet(dark.path(), &["scan", "--strict"]).ends(1, "findings");
    // A rule that speaks about nothing is not green.
    let none = ENABLED.replace("s: Subscription", "s: Subscription where s.service == Intune");
    let nothing = small("Production", "Enabled", &none);
    tenet(nothing.path(), &["scan"]).ends(3, "incomplete");
    let no_rules = small("Production", "Enabled", "edition 1\nmodule own\n");
    tenet(no_rules.path(), &["scan"]).ends(3, "incomplete");
    let advice = ENABLED.replace("{ title", "{ severity advice title");
    let advised = small("Production", "Disabled", &advice);
    tenet(advised.path(), &["scan"]).ends(0, "ok");
    tenet(advised.path(), &["scan", "--fail-on", "advice"]).ends(1, "findings");
}

#[test]
fn exit_codes_of_check_fmt_and_test() {
    let folder = small("Production", "Enabled", ENABLED);
    tenet(folder.path(), &["check"]).ends(0, "ok");
    // One rule on one long line is not the canonical layout.
    tenet(folder.path(), &["fmt", "--check"]).ends(1, "findings");
    tenet(folder.path(), &["fmt"]).ends(0, "ok");
    tenet(folder.path(), &["fmt", "--check"]).ends(0, "ok");
    tenet(folder.path(), &["test"]).ends(3, "incomplete");
    let tests = "edition 1\nmodule own_test\ntest \"x\" { given { Subscription a { state: Warned } } expect OWN-1 on a pass }\n";
    fs::write(folder.path().join("policies/own.test.tenet"), tests).unwrap();
    let failed = tenet(folder.path(), &["test"]).ends(1, "findings");
    assert!(failed.stdout.contains("expected pass, got fail"), "{}", failed.stdout);
    fs::write(folder.path().join("policies/own.tenet"), ENABLED.replace("s.state", "s.stat")).unwrap();
    let wrong = tenet(folder.path(), &["check"]).ends(1, "findings");
    assert!(wrong.stdout.contains("T0102") && wrong.stdout.contains("did you mean `state`?"), "{}", wrong.stdout);
    // Nothing is evaluated while a policy is wrong.
    assert_eq!(tenet(folder.path(), &["scan"]).ends(2, "usage").stdout, "");
    for format in ["concise", "json", "github", "azure"] {
        let told = tenet(folder.path(), &["check", "--format", format]).ends(1, "findings");
        assert!(told.stdout.contains("T0102"), "{format}: {}", told.stdout);
    }
}

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let folder = repo();
    let run = tenet(folder.path(), &["scan", "-f", "json"]);
    serde_json::from_str::<serde_json::Value>(&run.stdout).expect("stdout is the result and nothing else");
    let quiet = tenet(folder.path(), &["-q", "scan", "-f", "json"]);
    assert_eq!(quiet.stderr, "", "quiet means silent");
    assert_eq!(quiet.stdout, run.stdout);
    let to_file = tenet(folder.path(), &["scan", "-f", "json=out.json", "-f", "table"]);
    assert_eq!(fs::read_to_string(folder.path().join("out.json")).unwrap(), run.stdout);
    assert!(!to_file.stdout.contains("\"format\""));
}

#[test]
fn a_result_is_what_its_schema_says() {
    let folder = repo();
    let schema = tenet(folder.path(), &["schema", "result"]).ends(0, "ok").stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for args in [&["scan", "-f", "json"][..], &["demo", "-f", "json"]] {
        let run = tenet(folder.path(), args);
        let result: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&result).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{args:?}: {wrong:#?}");
    }
    let manifest = tenet(folder.path(), &["schema", "manifest"]).ends(0, "ok").stdout;
    let validator = jsonschema::validator_for(&serde_json::from_str(&manifest).unwrap()).unwrap();
    let written = fs::read_to_string(folder.path().join("snapshots/a.snapshot/manifest.json")).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&written).unwrap()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let folder = repo();
    let first = tenet(folder.path(), &["scan", "-f", "json"]);
    let again = |run: std::process::Output, what: &str| {
        let run = finish(&run);
        assert_eq!(run.stdout, first.stdout, "{what}");
        assert_eq!(run.code, first.code, "{what}");
    };
    again(command(folder.path(), &["scan", "-f", "json"]).output().unwrap(), "a second time");
    let abroad = [("TZ", "Pacific/Auckland"), ("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("COLUMNS", "40"), ("HOME", "/nowhere")];
    again(command(folder.path(), &["scan", "-f", "json"]).envs(abroad).output().unwrap(), "in another place");
    for jobs in ["1", "2", "16"] {
        again(command(folder.path(), &["--jobs", jobs, "scan", "-f", "json"]).output().unwrap(), "with other threads");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let from_elsewhere = finish(&command(elsewhere.path(), &["-C", &root, "scan", "-f", "json"]).output().unwrap());
    let (here, there): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&first.stdout).unwrap(), serde_json::from_str(&from_elsewhere.stdout).unwrap());
    assert_eq!(here["findings"], there["findings"], "from another folder");
    // The same answers give the same snapshot.
    tenet(folder.path(), &["import", "arm", &fixture("import/arm"), "-o", "b.snapshot"]).ends(0, "ok");
    let read = |name: &str| fs::read(folder.path().join(name).join("manifest.json")).unwrap();
    assert_eq!(read("snapshots/a.snapshot"), read("b.snapshot"));
}

#[test]
fn the_digest_of_policies_does_not_depend_on_where_one_stands() {
    let folder = repo();
    let elsewhere = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let here = tenet(folder.path(), &["scan", "-f", "json"]);
    let there = tenet(elsewhere.path(), &["-C", &root, "scan", "-f", "json"]);
    assert_eq!(here.stdout, there.stdout);
}

#[test]
fn parameters_are_checked_before_anything_is_evaluated() {
    let folder = repo();
    let unknown = tenet(folder.path(), &["scan", "--param", "link_witin=7 days"]).ends(2, "usage");
    assert!(unknown.stderr.contains("did you mean `link_within`?"), "{}", unknown.stderr);
    tenet(folder.path(), &["scan", "--param", "link_within"]).ends(2, "usage");
    tenet(folder.path(), &["scan", "--param", "link_within=soon"]).ends(2, "usage");
    tenet(folder.path(), &["scan", "--param", "lib.dpor.partner_id=12"]).ends(2, "usage");
    tenet(folder.path(), &["scan", "--rule", "NOTHING-*"]).ends(2, "usage");
    tenet(folder.path(), &["scan", "--pack", "nothing"]).ends(2, "usage");
    let rules = "edition 1\nmodule own\nparam limit: Int\nrule OWN-1 for s: Subscription { title \"X\" require r: count(d in s.designations) <= limit }\n";
    let own = small("Production", "Enabled", rules);
    let missing = tenet(own.path(), &["scan"]).ends(2, "usage");
    assert!(missing.stderr.contains("OWN-1") && missing.stderr.contains("limit"), "{}", missing.stderr);
    assert_eq!(missing.stdout, "");
    tenet(own.path(), &["scan", "--param", "limit=3"]).ends(3, "incomplete");
}

#[test]
fn a_snapshot_that_is_too_old_is_refused() {
    let folder = small("Production", "Enabled", ENABLED);
    let at = |now: &str| tenet(folder.path(), &["--now", now, "scan", "--max-age", "7 days"]);
    at("2026-11-02T00:00:00Z").ends(0, "ok");
    at("2026-11-08T09:59:59Z").ends(0, "ok");
    let old = at("2026-11-08T10:00:01Z").ends(2, "usage");
    assert!(old.stderr.contains("older than 7 days"), "{}", old.stderr);
    tenet(folder.path(), &["scan", "--max-age", "a week or so"]).ends(2, "usage");
}

#[test]
fn a_snapshot_that_was_touched_is_refused() {
    let folder = small("Production", "Enabled", ENABLED);
    let snapshot = folder.path().join("snapshots/a.snapshot");
    let tables: Vec<_> = fs::read_dir(&snapshot).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(tables.len() > 2);
    for table in tables.iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")) {
        let bytes = fs::read(table).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(table, &flipped).unwrap();
        let run = tenet(folder.path(), &["scan"]).ends(5, "evidence");
        assert_eq!(run.stdout, "");
        fs::remove_file(table).unwrap();
        tenet(folder.path(), &["scan"]).ends(5, "evidence");
        fs::write(table, &bytes).unwrap();
    }
    tenet(folder.path(), &["scan"]).ends(0, "ok");
    let manifest = snapshot.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("tenet.snapshot/v1", "tenet.snapshot/v2")).unwrap();
    let newer = tenet(folder.path(), &["scan"]).ends(2, "usage");
    assert!(newer.stderr.contains("newer tenet"), "{}", newer.stderr);
    for wrong in ["", "{", "[]", "null", &text[..text.len() / 2]] {
        fs::write(&manifest, wrong).unwrap();
        tenet(folder.path(), &["scan"]).ends(2, "usage");
    }
}

#[test]
fn hostile_names_never_reach_the_terminal() {
    let name = "A\u{1b}[31mred\u{1b}]0;title\u{7}\u{202e}bidi\u{2066}x\u{200b}\r\nnew\u{9b}line\u{0}nul";
    let folder = small(name, "Disabled", ENABLED);
    let id = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    let runs = [
        &["scan"][..],
        &["scan", "--color", "always"],
        &["explain", "OWN-1", id],
        &["show", "snapshots/a.snapshot"],
        &["scan", "--subject", "nobody"],
        &["scan", "-f", "json"],
        &["show", "snapshots/a.snapshot", "--json"],
    ];
    for args in runs {
        let run = tenet(folder.path(), args);
        for (where_, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
            let hidden = |c: char| {
                (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
            };
            let found: Vec<char> = text.chars().filter(|c| hidden(*c)).collect();
            let is_json = args.contains(&"json") || args.contains(&"--json");
            let bare = if is_json { found.into_iter().filter(|c| c.is_control()).collect() } else { found };
            assert!(bare.is_empty(), "{args:?}: {where_} holds {bare:?}: {text}");
            assert!(!text.contains("\nnew"), "{args:?}: a name begins a line of {where_}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = repo();
    let mut child = command(folder.path(), &["scan", "-f", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0_u8; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), Some(0 | 1 | 3)), "{status:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn everything_can_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |what: &str| tenet(folder.path(), &["explain", what]).ends(0, "ok").stdout;
    assert!(explain("T0102").contains("unknown property"));
    assert!(explain("t0001").contains("syntax error"));
    assert!(explain("DPOR-001").contains("severity"));
    assert!(explain("Subscription").contains("designations"));
    assert!(explain("exit-codes").contains("incomplete"));
    for page in tenet::check::CODES {
        assert!(explain(page.code).contains(page.title), "{}", page.code);
    }
    let unknown = tenet(folder.path(), &["explain", "DPOR-01"]).ends(2, "usage");
    assert!(unknown.stderr.contains("did you mean"), "{}", unknown.stderr);
}

#[test]
fn the_demo_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let demo = tenet(folder.path(), &["demo"]).ends(0, "ok");
    assert!(demo.stdout.contains("evaluated"), "{}", demo.stdout);
    // It mends, and takes back.
    assert!(demo.stdout.contains("6 of 6 steps are done\n"), "{}", demo.stdout);
    assert!(demo.stdout.contains("A second plan has nothing to do for the program"), "{}", demo.stdout);
    assert!(demo.stdout.ends_with("findings are those of the first scan.\n"), "{}", demo.stdout);
    assert_eq!(tenet(folder.path(), &["demo"]).ends(0, "ok").stdout, demo.stdout, "the same bytes each time");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[cfg(unix)]
#[test]
fn what_is_written_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    fn look(path: &Path) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| look(&entry.unwrap().path()));
        }
    }
    let folder = repo();
    look(&folder.path().join("snapshots/a.snapshot"));
    tenet(folder.path(), &["scan", "-f", "json=result.json"]);
    look(&folder.path().join("result.json"));
}

//! Hostile and broken input: every one of these ends with a plain sentence, soon, and without a panic.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet::evaluate::{Options, scan};
use tenet::model::Verdict;
use tenet::snapshot::{Snapshot, SnapshotBuilder};
use tenet::sources::config::load_config;
use tenet::sources::import::{ImportOptions, import_arm, import_az, import_azurehound};
use tenet::sources::register::{RegisterDeclaration, RegisterForm, load_register};
use tenet::syntax::format;
use tenet::testing::run_test;
use tenet::text::{FileId, SourceFile, SourceSet};
use tenet::{BuiltinModules, Compiled, PolicyFile, compile};

use crate::program::tenet;

/// Runs on a thread with as little stack as the smallest platform gives the main thread.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // Frames of an unoptimized build are several times as large as those that are shipped.
    let size = if cfg!(debug_assertions) { 4 << 20 } else { 1 << 20 };
    std::thread::Builder::new().stack_size(size).spawn(work).unwrap().join().expect("no panic, no overflow")
}

fn compiled(text: &str) -> Compiled {
    compile(BuiltinModules::WithoutRules, &[PolicyFile { name: "case".to_owned(), path: "case".to_owned(), text: text.to_owned() }])
}

/// Compiles and runs the tests, formats, and returns the codes of what was wrong.
fn codes(text: String) -> Vec<String> {
    on_a_small_stack(move || {
        let started = Instant::now();
        let compiled = compiled(&text);
        let _ = format(FileId(0), &SourceFile::new("case", text.as_str()));
        let mut codes: Vec<String> = compiled.diagnostics.iter().map(|found| found.code.to_owned()).collect();
        if !compiled.has_errors() {
            for test in &compiled.policies.tests {
                codes.extend(run_test(&compiled.policies, test).into_iter().map(|failure| format!("TEST {}", failure.message)));
            }
        }
        codes.sort();
        codes.dedup();
        assert!(started.elapsed() < Duration::from_secs(60), "it took {:?}", started.elapsed());
        codes
    })
}

fn has(codes: &[String], code: &str) -> bool {
    codes.iter().any(|found| found == code)
}

/// A rule with one requirement, and a test that expects a verdict of it.
fn judged(condition: &str, verdict: &str) -> String {
    format!(
        "rule X-1 for s: Subscription {{\n  title \"X\"\n  require r: {condition}\n}}\ntest \"x\" {{\n  given {{ Subscription a {{ state: Enabled }} }}\n  expect X-1 on a {verdict}\n}}\n"
    )
}

#[test]
fn nesting_is_limited() {
    let deep = |open: &str, inner: &str, close: &str| format!("param p: Int = {}{inner}{}\n", open.repeat(5_000), close.repeat(5_000));
    for text in
        [deep("(", "1", ")"), deep("{", "1", "}"), deep("not ", "true", ""), deep("(", "", ""), deep("", "", ")"), deep("f(", "1", ")")]
    {
        let codes = codes(text);
        assert!(["T0001", "T0002", "T0005"].iter().any(|code| has(&codes, code)), "{codes:?}");
    }
    let text = format!(
        "rule X-1 for s: Subscription {{ title \"X\" require r: {}true{} }}\n",
        "some d in s.designations : (".repeat(300),
        ")".repeat(300)
    );
    assert!(has(&codes(text), "T0002"));
    let chain = format!("def f(s: Subscription): Bool = s{}.exists\n", ".parent".repeat(100_000));
    assert!(has(&codes(chain), "T0002"));
    let strings = format!(
        "rule X-1 for s: Subscription {{ title \"X\" require r: s.state == Enabled else {}1{} }}\n",
        "\"{".repeat(2_000),
        "}\"".repeat(2_000)
    );
    assert!(!codes(strings).is_empty());
}

#[test]
fn sizes_are_limited() {
    assert!(has(&codes("a".repeat(10 << 20)), "T0002"));
    assert!(has(&codes(format!("param p: String = \"{}\"\n", "x".repeat(1 << 20))), "T0002"));
    let long_name = "n".repeat(100_000);
    let _ = codes(format!("param {long_name}: Int = 1\n"));
    let lines = "param p: Int = 1\n".repeat(100_000);
    let found = codes(lines);
    assert!(has(&found, "T0109"), "{found:?}");
    let _ = codes("//\n".repeat(1_000_000));
    let _ = codes("///\n".repeat(100_000));
    let _ = codes("{".repeat(1_000_000));
    let _ = codes("\"".repeat(1_000_000));
    let _ = codes("rule\n".repeat(100_000));
}

#[test]
fn wide_conditions_are_evaluated() {
    let joined = |length: usize, part: &str, word: &str| vec![part; length].join(&format!("\n    {word} "));
    assert_eq!(codes(judged(&joined(150, "s.state == Warned", "or"), "fail")), Vec::<String>::new());
    assert_eq!(codes(judged(&joined(150, "s.state == Enabled", "and"), "pass")), Vec::<String>::new());
    assert_eq!(codes(judged(&joined(2_000, "s.state == Warned", "or"), "fail")), ["T0002"]);
    assert_eq!(codes(judged(&joined(2_000, "s.state == Warned", "implies"), "fail")), ["T0002"]);
    let branches: String = (0..2_000).map(|at| format!("\n  | b{at}: s.state == Warned")).collect();
    let named = format!("def any(s: Subscription): Bool ={branches}\n");
    assert_eq!(codes(named + &judged("any(s)", "fail")), Vec::<String>::new());
    let names: Vec<String> = (0..5_000).map(|at| format!("\"{at}\"")).collect();
    assert_eq!(codes(judged(&format!("(s.quota_id ?? \"x\") in {{{}}}", names.join(", ")), "fail")), Vec::<String>::new());
}

#[test]
fn definitions_that_call_each_other_are_limited() {
    let chain = |length: usize| {
        let mut text = String::from("def f0(s: Subscription): Bool = s.state == Enabled\n");
        for at in 1..length {
            text += &format!("def f{at}(s: Subscription): Bool = f{}(s)\n", at - 1);
        }
        text + &judged(&format!("f{}(s)", length - 1), "pass")
    };
    assert_eq!(codes(chain(100)), Vec::<String>::new());
    assert_eq!(codes(chain(101)), ["T0002"]);
    assert_eq!(codes(chain(5_000)), ["T0002"]);
    assert_eq!(codes(chain(50_000)), ["T0002"]);
    // Few calls, each at the bottom of a tall expression.
    let tall = |inner: &str| format!("{}{inner}{}", "not (".repeat(60), ")".repeat(60));
    let mut text = String::from("def f0(s: Subscription): Bool = s.state == Enabled\n");
    for at in 1..90 {
        text += &format!("def f{at}(s: Subscription): Bool = {}\n", tall(&format!("f{}(s)", at - 1)));
    }
    assert_eq!(codes(text + &judged("f89(s)", "pass")), ["T0002"]);
}

#[test]
fn definitions_that_lead_back_are_found_however_long_the_way() {
    let mut text = String::new();
    for at in 0..20_000 {
        text += &format!("def f{at}(s: Subscription): Bool = f{}(s)\n", (at + 1) % 20_000);
    }
    assert_eq!(codes(text), ["T0112"]);
}

#[test]
fn doubling_definitions_end_as_unknown() {
    let mut text = String::from("def f0(s: Subscription): Bool = s.state == Enabled\n");
    for at in 1..64 {
        text += &format!("def f{at}(s: Subscription): Bool = f{}(s) and f{}(s)\n", at - 1, at - 1);
    }
    assert_eq!(codes(text + &judged("f63(s)", "unknown")), Vec::<String>::new());
}

#[test]
fn a_product_of_extents_ends_as_unknown() {
    let compiled = compiled(
        "rule X-1 for s: Subscription { title \"X\" require r: no a in User : (some b in User : (some c in User : a == b and b == c and a != c)) }\n",
    );
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    let mut builder = SnapshotBuilder::new(Arc::clone(&compiled.policies.schema));
    builder.meta_mut().closed_world = true;
    for at in 0..500 {
        builder.entity_named("User", &format!("u{at}")).unwrap();
    }
    builder.entity_named("Subscription", "/subscriptions/a").unwrap();
    let snapshot = Snapshot::freeze(Arc::clone(&compiled.policies.schema), builder.records());
    let started = Instant::now();
    let options = Options {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        params: &BTreeMap::new(),
        packs: None,
        select: &|_| true,
        subject: None,
        waivers: true,
    };
    let scan = scan(&compiled.policies, &snapshot, &options).unwrap();
    assert!(scan.findings.iter().all(|finding| finding.verdict == Verdict::Unknown && finding.exhausted), "{:?}", scan.findings);
    assert!(started.elapsed() < Duration::from_secs(60), "it took {:?}", started.elapsed());
}

const N_GROUPS: usize = 20_000;
const N_SCOPES: usize = 500;

#[test]
fn long_chains_of_groups_scopes_and_imports_need_no_stack() {
    let started = Instant::now();
    on_a_small_stack(move || {
        let compiled = compiled(
            "rule X-1 for g: Group where g.display_name is not none and g.display_name == \"top\" { title \"X\" require r: no u in g.members^+ : u is User }\n",
        );
        let mut builder = SnapshotBuilder::new(Arc::clone(&compiled.policies.schema));
        builder.meta_mut().closed_world = true;
        let source = builder.source(tenet::model::FactSource::new(tenet::model::SourceKind::Test, "x"));
        let groups: Vec<_> = (0..N_GROUPS).map(|at| builder.entity_named("Group", &format!("g{at}")).unwrap()).collect();
        for pair in groups.windows(2) {
            builder.link(pair[0], "members", pair[1], tenet::model::Interval::ALWAYS, source).unwrap();
        }
        // And back to the first: a circle through all of them.
        builder.link(groups[N_GROUPS - 1], "members", groups[0], tenet::model::Interval::ALWAYS, source).unwrap();
        let scopes: Vec<_> = (0..N_SCOPES).map(|at| builder.entity_named("ManagementGroup", &format!("/m/{at}")).unwrap()).collect();
        for pair in scopes.windows(2) {
            builder.set(pair[0], "parent", pair[1].value(), source).unwrap();
        }
        builder.set(scopes[N_SCOPES - 1], "parent", scopes[0].value(), source).unwrap();
        let snapshot = Snapshot::freeze(Arc::clone(&compiled.policies.schema), builder.records());
        println!("groups and scopes after {:?}", started.elapsed());
        assert!(snapshot.len() >= N_GROUPS + N_SCOPES);
    });
    println!("frozen after {:?}", started.elapsed());
    on_a_small_stack(|| {
        let file = |at: usize| {
            let next = (at + 1) % 5_000;
            PolicyFile { name: format!("m{at}"), path: format!("m{at}"), text: format!("import \"m{next}\" as n{next}\n") }
        };
        let files: Vec<PolicyFile> = (0..5_000).map(file).collect();
        let compiled = compile(BuiltinModules::WithoutRules, &files);
        assert!(compiled.diagnostics.iter().all(|found| found.code == "T0115"));
        assert_eq!(compiled.diagnostics.len(), 5_000);
    });
    println!("imported after {:?}", started.elapsed());
    let mut text = String::new();
    for at in 0..20_000 {
        text += &format!("abstract entity E{at} is E{} {{}}\n", at + 1);
    }
    text += "abstract entity E20000 key id: String {}\n";
    assert_eq!(codes(text), ["T0002"]);
    println!("inherited after {:?}", started.elapsed());
    let mut text = String::new();
    for at in 0..20_000 {
        text += &format!("param p{at}: Int = {}\n", if at == 0 { "1".to_owned() } else { format!("p{}", at - 1) });
    }
    let found = codes(text + &judged("count(d in s.designations) == p19999", "fail"));
    assert!(found.is_empty(), "{found:?}");
}

fn register_codes(form: RegisterForm, file: &str, text: &str) -> Vec<&'static str> {
    let schema = tenet::check::core_schema();
    let mut builder = SnapshotBuilder::new(schema);
    let mut sources = SourceSet::default();
    let declaration = RegisterDeclaration::new(file, form);
    let started = Instant::now();
    let found = load_register(&mut builder, &declaration, file, text, &mut sources);
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    let _ = Snapshot::freeze(Arc::clone(builder.schema()), builder.records());
    found.iter().map(|found| found.code).collect()
}

#[test]
fn registers_are_read_as_written_or_refused() {
    let refused = |text: &str| {
        let found = register_codes(RegisterForm::Designations, "r.yaml", text);
        assert!(!found.is_empty(), "accepted: {}", text.chars().take(80).collect::<String>());
    };
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for at in 1..12 {
        bomb += &format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(", "));
    }
    refused(&(bomb + "rows: []\n"));
    refused("rows: []\nrows: []\n");
    refused("rows:\n  - subscription: /subscriptions/a\n    subscription: /subscriptions/b\n");
    refused("rows:\n\t- subscription: a\n");
    refused("rows: [");
    refused("rows: {");
    refused("rows: \"");
    refused("- - - - -");
    refused(&"[".repeat(100_000));
    refused(&"- ".repeat(100_000));
    refused(&format!("{}x", "a: ".repeat(10_000)));
    refused(&format!("rows:\n  - subscription: \"{}\"\n", "x".repeat(10 << 20)));
    refused("rows:\n  - subscription: no\n    mechanism: on\n    partner_id: 0777\n    designated_on: 1:30\n");
    refused("rows: []\n---\nrows: []\n");
    refused("\u{0}");
    refused("rows: *nothing\n");
    // CSV.
    for text in [
        "",
        "\"",
        "a,b\n\"x",
        "subscription,subscription\na,b\n",
        "subscription\n\"a\"b\"c\n",
        &"x,".repeat(1_000_000),
        &"\n".repeat(100_000),
    ] {
        let _ = register_codes(RegisterForm::Subscriptions, "r.csv", text);
    }
    let many = format!("id\n{}", "/subscriptions/a\n".repeat(100_000));
    let _ = register_codes(RegisterForm::Subscriptions, "r.csv", &many);
}

#[test]
fn configurations_are_refused_with_a_sentence() {
    let refused = [
        "policies = 1",
        "policies = [",
        "nonsense = true",
        "policies = [\"../elsewhere\"]",
        "policies = [\"/etc\"]",
        "[[registers]]\nfile = \"../../secrets.yaml\"\nform = \"partners\"\n",
        "[[registers]]\nfile = \"/etc/passwd\"\nform = \"partners\"\n",
        "[[registers]]\nform = \"partners\"\n",
        "policies = []\npolicies = []\n",
        "tenant = \"me\"",
        "a = {a = {a = {",
        "\u{0}",
    ];
    for text in refused {
        let found = load_config(text, "tenet.toml").expect_err(text);
        assert!(found.iter().all(|found| !found.message.is_empty()), "{text}");
    }
    let deep = format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    on_a_small_stack(move || load_config(&deep, "tenet.toml").expect_err("too deep"));
}

#[test]
fn answers_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer.json");
    let good = fs::read(crate::program::fixture("import/arm/subscriptions.json")).unwrap();
    let mut inputs: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[[[[".to_vec(),
        "[".repeat(200_000).into_bytes(),
        "{\"a\":".repeat(200_000).into_bytes(),
        vec![0xff, 0xfe, b'{', 0],
        b"{\"value\": \"\xff\xff\"}".to_vec(),
        format!("\"{}\"", "x".repeat(10 << 20)).into_bytes(),
        b"{\"value\":[],\"value\":[{}]}".to_vec(),
        b"{\"value\":[1e999999]}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
    ];
    inputs.extend((0..good.len()).step_by(37).map(|cut| good[..cut].to_vec()));
    for bytes in inputs {
        fs::write(&path, &bytes).unwrap();
        let path = path.clone();
        on_a_small_stack(move || {
            let paths = [path];
            let schema = tenet::check::core_schema();
            let options = ImportOptions::default();
            let mut builder = SnapshotBuilder::new(Arc::clone(&schema));
            let _ = import_arm(&mut builder, &paths, &options);
            let _ = Snapshot::freeze(Arc::clone(&schema), builder.records());
            let _ = import_az(&mut SnapshotBuilder::new(Arc::clone(&schema)), &paths, &options);
            let _ = import_azurehound(&mut SnapshotBuilder::new(Arc::clone(&schema)), &paths, &options);
            let _ = tenet::sources::disk::import_jsonl(&schema, &paths);
        });
    }
}

#[test]
fn files_that_are_no_text_are_refused_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("bad.tenet", b"edition 1\nparam p: String = \"\xff\"\n");
    let run = tenet(folder.path(), &["check", "bad.tenet"]).ends(2, "usage");
    assert!(run.stderr.contains("bad.tenet:2: not UTF-8"), "{}", run.stderr);
    write("tenet.toml", b"policies = [\"\xff\"]\n");
    tenet(folder.path(), &["check"]).ends(2, "usage");
    write("tenet.toml", b"policies = [\"own\"]\n[[registers]]\nfile = \"r.yaml\"\nform = \"partners\"\n");
    write("r.yaml", b"rows: [\xff]\n");
    tenet(folder.path(), &["check"]).ends(1, "findings");
    write("answer.json", b"{\"value\": \"\xff\"}");
    tenet(folder.path(), &["import", "arm", "answer.json", "-o", "x.snapshot"]).ends(2, "usage");
    assert!(!folder.path().join("x.snapshot").exists());
    fs::create_dir(folder.path().join("x.snapshot")).unwrap();
    tenet(folder.path(), &["scan", "--snapshot", "x.snapshot"]).ends(2, "usage");
    tenet(folder.path(), &["scan", "--snapshot", "tenet.toml"]).ends(2, "usage");
}

/// Numbers that look random and are the same every time (Knuth's MMIX).
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

#[test]
fn mutated_policies_never_panic() {
    let seed = std::env::var("TENET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_101);
    let rounds = std::env::var("TENET_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(300);
    println!("TENET_SEED={seed} TENET_ROUNDS={rounds}");
    let texts: Vec<&str> = tenet::check::builtin_files()
        .iter()
        .filter(|file| file.path.starts_with("dpor/") || file.path.starts_with("owners/"))
        .map(|file| file.text)
        .collect();
    let tokens = [
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "/",
        "|",
        ":",
        ",",
        ".",
        "?.",
        "^+",
        "^*",
        "??",
        "==",
        "!=",
        "<",
        "not ",
        "and ",
        "or ",
        "implies ",
        "some x in ",
        "all ",
        "exactly 1 ",
        "is ",
        "none",
        "as of ",
        "now",
        "where ",
        "in ",
        "s",
        "d",
        "rule ",
        "test ",
        "def ",
        "param ",
        "entity ",
        "extend ",
        "require ",
        "7 days",
        "2026-01-01",
        "99999999999999999999",
        "\u{202e}",
        "\u{0}",
        "é",
        "🎉",
        "\n",
        "//",
        "///",
        "@was(",
        "covers ",
        "matches /",
        "count(",
        "min(",
    ];
    let mut random = Lcg(seed);
    for round in 0..rounds {
        let mut text: Vec<char> = texts[random.below(texts.len())].chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => {
                    let end = (at + 1 + random.below(30)).min(text.len());
                    text.drain(at..end);
                }
                1 => {
                    let token: Vec<char> = tokens[random.below(tokens.len())].chars().collect();
                    text.splice(at..at, token);
                }
                2 => {
                    let end = (at + random.below(200)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = random.below(text.len());
                    text.splice(to..to, piece);
                }
                _ => text.truncate(at),
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        let outcome = std::panic::catch_unwind(|| {
            let compiled = compiled(&text);
            for found in &compiled.diagnostics {
                assert!(found.span.start <= found.span.end);
                assert!(compiled.sources.get(found.span.file).is_some_and(|file| file.text.get(found.span.range()).is_some()), "{found:?}");
            }
            let _ = tenet::report::render_diagnostics(
                &compiled.sources,
                &compiled.diagnostics,
                tenet::report::DiagnosticFormat::Full { color: false },
            );
            if let Ok(once) = format(FileId(0), &SourceFile::new("case", text.as_str())) {
                let twice = format(FileId(0), &SourceFile::new("case", once.as_str()));
                assert_eq!(twice.as_ref().ok(), Some(&once), "formatting twice is formatting once");
            }
        });
        assert!(outcome.is_ok(), "seed {seed}, round {round}:\n{text}");
    }
}

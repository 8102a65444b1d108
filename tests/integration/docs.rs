//! Every example of the documentation is real: it compiles without errors, and the tests in it pass.

use std::fs;
use std::path::Path;

use tenet::check::core_schema;
use tenet::snapshot::SnapshotBuilder;
use tenet::sources::config::load_config;
use tenet::sources::register::{RegisterDeclaration, RegisterForm, load_register};
use tenet::testing::run_test;
use tenet::text::SourceSet;
use tenet::{BuiltinModules, PolicyFile, compile};

/// Pages with examples. One that is not there yet is passed over.
const PAGES: [&str; 4] = ["docs/language.md", "docs/registers.md", "grammar/README.md", "README.md"];

#[test]
fn examples_of_the_pages_are_real() {
    let mut wrong = Vec::new();
    let mut n = 0;
    for page in PAGES {
        let Ok(text) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)) else { continue };
        for (line, block) in examples(&text, "tenet") {
            n += 1;
            wrong.extend(problems(page, line, &block));
        }
    }
    assert!(n > 0, "no page has an example");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn registers_of_the_page_are_read() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/registers.md")).unwrap();
    let mut n = 0;
    for section in text.split("\n### `").skip(1) {
        let form = section.split('`').next().and_then(RegisterForm::from_name).unwrap();
        let section = section.split("\n### ").next().unwrap_or(section);
        for (kind, name) in [("yaml", "register.yaml"), ("csv", "register.csv")] {
            for (_, block) in examples(section, kind) {
                n += 1;
                let mut builder = SnapshotBuilder::new(core_schema());
                builder.meta_mut().tenant = Some("11111111-0000-0000-0000-000000000000".to_owned());
                let declaration = RegisterDeclaration::new(name, form.clone());
                let found = load_register(&mut builder, &declaration, name, &block, &mut SourceSet::default());
                assert!(found.is_empty(), "{form:?}: {found:?}");
            }
        }
    }
    assert!(n >= RegisterForm::NAMES.len());
    for (_, block) in examples(&text, "toml") {
        load_config(&block, "tenet.toml").unwrap();
    }
}

/// Returns the blocks of a kind, each with the line of the text that its first line is on.
///
/// A block marked `tenet,fragment` is a part of a file, and no block of the kind `tenet`.
fn examples(text: &str, kind: &str) -> Vec<(usize, String)> {
    let opening = format!("```{kind}");
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim() == opening => open = Some((at + 2, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

/// Compiles one block as a file of its own beside the built-in modules, and runs its tests.
fn problems(page: &str, line: usize, block: &str) -> Vec<String> {
    let file = PolicyFile { name: page.to_owned(), path: format!("example/line_{line}"), text: block.to_owned() };
    let compiled = compile(BuiltinModules::All, &[file]);
    let place = |span: tenet::text::Span| {
        let within = compiled.sources.get(span.file).map_or(1, |file| file.line_column(span.start).0);
        format!("{page}:{}", line + within - 1)
    };
    let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let mut wrong: Vec<String> = errors.map(|error| format!("{}: {} {}", place(error.span), error.code, error.message)).collect();
    if wrong.is_empty() {
        for test in &compiled.policies.tests {
            let failures = run_test(&compiled.policies, test);
            wrong.extend(failures.iter().map(|failure| format!("{}: {}: {}", place(failure.span), test.name, failure.message)));
        }
    }
    wrong
}

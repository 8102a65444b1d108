//! Any text as a policy file: read, checked, formatted, its tests run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenet::syntax::format;
use tenet::testing::run_test;
use tenet::text::{FileId, SourceFile};
use tenet::{BuiltinModules, PolicyFile, compile};

fuzz_target!(|text: &str| {
    let file = PolicyFile { name: "case.tenet".to_owned(), path: "case".to_owned(), text: text.to_owned() };
    let compiled = compile(BuiltinModules::WithoutRules, &[file]);
    for found in &compiled.diagnostics {
        let file = compiled.sources.get(found.span.file).expect("a diagnostic is about a file");
        assert!(file.text.get(found.span.range()).is_some(), "{found:?}");
    }
    if !compiled.has_errors() {
        for test in &compiled.policies.tests {
            let _ = run_test(&compiled.policies, test);
        }
    }
    if let Ok(once) = format(FileId(0), &SourceFile::new("case", text)) {
        let twice = format(FileId(0), &SourceFile::new("case", once.as_str())).expect("formatted text can be read");
        assert_eq!(once, twice, "formatting twice is formatting once");
    }
});

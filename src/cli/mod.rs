//! The program.
pub fn main_temp() -> i32 {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut files = Vec::new();
    for path in &args {
        let text = std::fs::read_to_string(path).unwrap();
        files.push(crate::PolicyFile {
            name: path.clone(),
            path: path.trim_start_matches("policies/").trim_end_matches(".tenet").to_owned(),
            text,
        });
    }
    let compiled = crate::compile(crate::BuiltinModules::All, &files);
    print!(
        "{}",
        crate::report::render_diagnostics(&compiled.sources, &compiled.diagnostics, crate::report::DiagnosticFormat::Full { color: false })
    );
    println!("{} diagnostics", compiled.diagnostics.len());
    if compiled.has_errors() {
        return 1;
    }
    let mut failed = 0;
    for test in &compiled.policies.tests {
        for failure in crate::testing::run_test(&compiled.policies, test) {
            failed += 1;
            let d = crate::text::Diagnostic::error("TEST", failure.span, format!("{}: {}", test.name, failure.message));
            print!("{}", crate::report::render_diagnostics(&compiled.sources, &[d], crate::report::DiagnosticFormat::Concise));
        }
    }
    println!("{} tests, {} failures", compiled.policies.tests.len(), failed);
    0
}

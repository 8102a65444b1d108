//! `tenet test`: the tests written in policy files.

use std::collections::{BTreeMap, BTreeSet};

use super::Exit;
use super::args::{Global, Test};
use super::{output, repo};
use crate::Compiled;
use crate::check::RuleId;
use crate::report::{DiagnosticFormat, render_diagnostics};
use crate::testing::{knock_out, run_test};
use crate::text::Diagnostic;

pub(super) fn run(global: &Global, args: &Test) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&args.paths)?;
    let compiled = repo.compile(global, &files)?;
    let wanted = |name: &str| args.only.as_ref().is_none_or(|text| name.contains(text.as_str()));
    let tests: Vec<_> = compiled.policies.tests.iter().filter(|test| wanted(&test.name)).collect();
    let work = output::Work::begin(global, "running tests");
    let mut failed = 0;
    let mut found = Vec::new();
    for test in &tests {
        let mut failures = run_test(&compiled.policies, test);
        if args.missing_data && failures.is_empty() {
            failures = knock_out(&compiled.policies, test);
        }
        failed += usize::from(!failures.is_empty());
        found.extend(
            failures.into_iter().map(|failure| Diagnostic::error("TEST", failure.span, format!("{}: {}", test.name, failure.message))),
        );
    }
    drop(work);
    output::print(&render_diagnostics(&compiled.sources, &found, DiagnosticFormat::Full { color: false }))?;
    if args.coverage {
        output::print(&coverage(&compiled))?;
    }
    output::print(&format!("{} passed, {failed} failed\n", tests.len() - failed))?;
    if tests.is_empty() {
        output::say(global, "no test was run");
        return Ok(Exit::Incomplete);
    }
    Ok(if failed > 0 { Exit::Findings } else { Exit::Ok })
}

/// Says for each rule which verdicts its tests show.
fn coverage(compiled: &Compiled) -> String {
    let mut shown: BTreeMap<RuleId, BTreeSet<&str>> = BTreeMap::new();
    for expect in compiled.policies.tests.iter().flat_map(|test| &test.expects) {
        shown.entry(expect.rule).or_default().insert(&expect.verdict);
    }
    let mut text = String::new();
    for (at, rule) in (0_u32..).zip(&compiled.policies.rules) {
        let verdicts =
            shown.get(&RuleId(at)).map_or_else(|| "nothing".to_owned(), |set| set.iter().copied().collect::<Vec<_>>().join(", "));
        text += &format!("{:<24} {verdicts}\n", rule.id);
    }
    text
}

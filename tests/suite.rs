//! Runs every case of `tests/suite` and every test of `policies` as data.
//!
//! A suite file holds cases, each under a `//--- heading`; a case is compiled alone with the built-in library, and
//! `//=== path` begins a further file of it. Whatever is wrong with a case must stand in a comment at the end of its line,
//! or on a line of its own directly below:
//!
//! ```text
//! rule X-1 for s: Subscription { … s.agrement … }   // error: 49-57 [T0102] "did you mean `agreement`"
//! ```
//!
//! Columns count characters from 1, the second one past the last; columns and text may be left out, and the text may
//! stand in the message or in the help. Then the tests of the case run; one that is not met counts as an error of the
//! code `TEST`. Each test also runs through both engines, with its world and without each fact of it; where they differ it
//! counts as an error of the code `AGREE`. With `UPDATE_EXPECT=1` the comments are written anew: read that diff like code.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it should be, and reads its cases"
)]

use std::fmt::Write as _;
use std::path::Path;

use tenet::check::{Policies, Test};
use tenet::query::Rewrites;
use tenet::testing::{knock_out, knocked_out, run_test, with_world};
use tenet::text::{Diagnostic, SourceFile};
use tenet::{BuiltinModules, PolicyFile, compile};

#[path = "integration/agree"]
mod agree {
    pub(crate) mod compare;
    pub(crate) mod engine;
}

use agree::compare::{Depth, compare};
use agree::engine::{Pair, REFERENCE, Store, fast_over, rewritten};

datatest_stable::harness! {
    { test = cases, root = "tests/suite", pattern = r"\.tenet$" },
    { test = policies, root = "policies", pattern = r"\.test\.tenet$" },
}

const HEADING: &str = "//--- ";
const FILE: &str = "//=== ";

/// Runs all cases of a suite file.
fn cases(path: &Path) -> datatest_stable::Result<()> {
    let text = std::fs::read_to_string(path)?;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, updated(&text))?;
        return Ok(());
    }
    let mut wrong = String::new();
    let cases = split(&text);
    if cases.is_empty() {
        return Err(format!("no case: begin one with `{HEADING}what it shows`").into());
    }
    for case in cases {
        for complaint in case.run() {
            let _ = writeln!(wrong, "{}:{complaint}   ({})", path.display(), case.heading);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

/// Runs a test file that ships with the policies: it must compile without a word, its tests must hold, and no fact taken
/// out of one of its worlds may turn a verdict green.
fn policies(path: &Path) -> datatest_stable::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let name = path.display().to_string();
    let file = PolicyFile { path: name.trim_end_matches(".tenet").to_owned(), name, text };
    let compiled = compile(BuiltinModules::All, &[file]);
    let mut wrong = String::new();
    let mut complain = |source: &str, line: usize, message: &str| {
        let _ = writeln!(wrong, "{source}:{line}: {message}");
    };
    for found in &compiled.diagnostics {
        let file = compiled.sources.get(found.span.file).unwrap();
        complain(&file.name, file.line_column(found.span.start).0, &format!("[{}] {}", found.code, found.message));
    }
    if compiled.has_errors() {
        return Err(wrong.into());
    }
    if compiled.policies.tests.is_empty() {
        return Err("no test in it".into());
    }
    for test in &compiled.policies.tests {
        let mut failures = run_test(&compiled.policies, test);
        if failures.is_empty() {
            failures = knock_out(&compiled.policies, test);
        }
        let file = compiled.sources.get(test.span.file).unwrap();
        for failure in failures {
            complain(&file.name, file.line_column(failure.span.start).0, &format!("{}: {}", test.name, failure.message));
        }
        for difference in disagreements(&compiled.policies, test) {
            complain(&file.name, file.line_column(test.span.start).0, &format!("{}: the engines differ: {difference}", test.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

/// Runs a test through both engines, with its whole world and with each fact taken out of it.
fn disagreements(policies: &Policies, test: &Test) -> Vec<String> {
    let differ = |test: &Test, store: Store, depth: Depth| {
        let compared = with_world(policies, test, |policies, snapshot, options| {
            let mut compared = compare(policies, snapshot, options, fast_over(store), depth);
            // The whole world also with the plans as their authors wrote them.
            if depth == Depth::Reasons {
                let plain = rewritten(Rewrites::none());
                let pair = Pair { one: REFERENCE, other: &plain, store };
                compared.differences.extend(compare(policies, snapshot, options, pair, Depth::Attestations).differences);
            }
            let exhausted = compared.scan.is_some_and(|scan| scan.findings.iter().any(|finding| finding.exhausted));
            compared.differences.into_iter().chain(exhausted.then(|| "a step limit was reached".to_owned())).collect::<Vec<_>>()
        });
        compared.unwrap_or_default()
    };
    let mut differences = differ(test, Store::Columns, Depth::Reasons);
    differences.extend(knocked_out(policies, test).flat_map(|test| differ(&test, Store::Records, Depth::Attestations)));
    differences
}

/// One case: the lines under a heading.
struct Case<'a> {
    heading: &'a str,
    files: Vec<CaseFile<'a>>,
}

struct CaseFile<'a> {
    path: String,
    /// The line of the suite file in front of the first line of `text`.
    offset: usize,
    text: &'a str,
}

/// Cuts a suite file into its cases. What stands above the first heading must be comments.
fn split(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    let mut starts: Vec<(usize, usize, &str)> = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with(HEADING) || line.starts_with(FILE) {
            starts.push((at, number + 1, line.trim_end()));
        } else if starts.is_empty() {
            let words = line.trim();
            assert!(words.is_empty() || words.starts_with("//"), "line {} stands above the first heading", number + 1);
        }
        at += line.len();
    }
    for (place, (start, number, line)) in starts.iter().enumerate() {
        let end = starts.get(place + 1).map_or(text.len(), |next| next.0);
        let body = text[*start..end].split_once('\n').map_or("", |(_, body)| body);
        if let Some(heading) = line.strip_prefix(HEADING) {
            let file = CaseFile { path: "case".to_owned(), offset: *number, text: body };
            cases.push(Case { heading: heading.trim(), files: vec![file] });
        } else if let Some(case) = cases.last_mut() {
            let path = line.trim_start_matches(FILE).trim().to_owned();
            case.files.push(CaseFile { path, offset: *number, text: body });
        }
    }
    cases
}

/// Something that came out of a case.
struct Produced {
    file: usize,
    line: usize,
    from: usize,
    to: Option<usize>,
    diagnostic: Diagnostic,
}

impl Case<'_> {
    /// Says what did not come out as expected.
    fn run(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let produced = self.produced(&mut complaints);
        let mut met: Vec<bool> = produced.iter().map(|_| false).collect();
        for (at, file) in self.files.iter().enumerate() {
            for expectation in expectations(file.text) {
                let line = file.offset + expectation.comment_line;
                match expectation.read() {
                    Err(why) => complaints.push(format!("{line}: {why}")),
                    Ok(wanted) => {
                        let fits = |place: &usize| {
                            let produced = &produced[*place];
                            !met[*place] && produced.file == at && produced.line == expectation.line && wanted.fits(produced)
                        };
                        match (0..produced.len()).find(fits) {
                            Some(place) => met[place] = true,
                            None => complaints.push(format!("{line}: expected and not found: {}", expectation.comment)),
                        }
                    }
                }
            }
        }
        for (produced, _) in produced.iter().zip(&met).filter(|(_, met)| !**met) {
            let line = self.files[produced.file].offset + produced.line;
            complaints.push(format!("{line}: not expected: {}", produced.comment()));
        }
        complaints
    }

    fn produced(&self, complaints: &mut Vec<String>) -> Vec<Produced> {
        let read = |file: &CaseFile<'_>| PolicyFile { name: file.path.clone(), path: file.path.clone(), text: file.text.to_owned() };
        let files: Vec<PolicyFile> = self.files.iter().map(read).collect();
        let compiled = compile(BuiltinModules::WithoutRules, &files);
        let mut found = compiled.diagnostics.clone();
        if !compiled.has_errors() {
            for test in &compiled.policies.tests {
                let failures = run_test(&compiled.policies, test);
                found.extend(failures.into_iter().map(|failure| Diagnostic::error("TEST", failure.span, failure.message)));
                let differences = disagreements(&compiled.policies, test);
                found.extend(differences.into_iter().map(|difference| Diagnostic::error("AGREE", test.span, difference)));
            }
        }
        let mut produced = Vec::new();
        for diagnostic in found {
            let source: &SourceFile = compiled.sources.get(diagnostic.span.file).unwrap();
            let Some(file) = (diagnostic.span.file.0 as usize).checked_sub(compiled.n_builtin) else {
                complaints.push(format!(" in {}: [{}] {}", source.name, diagnostic.code, diagnostic.message));
                continue;
            };
            let (line, from) = source.line_column(diagnostic.span.start);
            let (last, to) = source.line_column(diagnostic.span.end);
            produced.push(Produced { file, line, from, to: (last == line).then_some(to), diagnostic });
        }
        produced
    }
}

impl Produced {
    /// Writes the comment that expects it.
    fn comment(&self) -> String {
        let severity = if self.diagnostic.is_error() { "error" } else { "warning" };
        let columns = self.to.map_or_else(|| self.from.to_string(), |to| format!("{}-{to}", self.from));
        let text = match &self.diagnostic.help {
            Some(help) if help.contains("did you mean") => help,
            _ => &self.diagnostic.message,
        };
        format!("// {severity}: {columns} [{}] \"{text}\"", self.diagnostic.code)
    }
}

/// A comment that expects something of a line.
struct Expectation<'a> {
    /// The line it is about, from 1.
    line: usize,
    comment_line: usize,
    comment: &'a str,
}

fn expectations(text: &str) -> Vec<Expectation<'_>> {
    let mut found = Vec::new();
    let mut above = 1;
    for (at, line) in text.lines().enumerate() {
        let (code, comment) = cut(line);
        if comment.is_none() || !code.trim().is_empty() {
            above = at + 1;
        }
        if let Some(comment) = comment {
            found.push(Expectation { line: above, comment_line: at + 1, comment });
        }
    }
    found
}

/// Parts a line from the expectation at its end.
fn cut(line: &str) -> (&str, Option<&str>) {
    let place = ["// error:", "// warning:"].iter().filter_map(|mark| line.find(mark)).min();
    place.map_or((line, None), |place| (line[..place].trim_end(), Some(line[place..].trim_end())))
}

/// An expectation as it was read.
struct Wanted<'a> {
    is_error: bool,
    from: Option<usize>,
    to: Option<usize>,
    code: &'a str,
    text: &'a str,
}

impl Expectation<'_> {
    fn read(&self) -> Result<Wanted<'_>, String> {
        let wrong = || format!("write `// error: 12-20 [T0102] \"text\"`, not `{}`", self.comment);
        let (word, rest) = self.comment.trim_start_matches("// ").split_once(':').ok_or_else(wrong)?;
        let (columns, rest) = rest.split_once('[').ok_or_else(wrong)?;
        let (code, rest) = rest.split_once(']').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let (from, to) = match columns.trim().split_once('-') {
            Some((from, to)) => (Some(number(from)?), Some(number(to)?)),
            None if columns.trim().is_empty() => (None, None),
            None => (Some(number(columns)?), None),
        };
        let text = rest.trim();
        let text = if text.is_empty() { "" } else { text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(wrong)? };
        Ok(Wanted { is_error: word == "error", from, to, code, text })
    }
}

impl Wanted<'_> {
    fn fits(&self, produced: &Produced) -> bool {
        let diagnostic = &produced.diagnostic;
        let says = diagnostic.message.contains(self.text) || diagnostic.help.as_ref().is_some_and(|help| help.contains(self.text));
        self.is_error == diagnostic.is_error()
            && self.code == diagnostic.code
            && self.from.is_none_or(|from| from == produced.from)
            && (self.to.is_none() || self.to == produced.to)
            && says
    }
}

/// Writes the expectations of a suite file anew, each below its line.
fn updated(text: &str) -> String {
    let bare: String = text
        .split_inclusive('\n')
        .filter_map(|line| match cut(line) {
            (code, Some(_)) if code.trim().is_empty() => None,
            (code, Some(_)) => Some(format!("{code}\n")),
            (_, None) => Some(line.to_owned()),
        })
        .collect();
    let mut below: Vec<(usize, String)> = Vec::new();
    for case in split(&bare) {
        let mut elsewhere = Vec::new();
        below.extend(
            case.produced(&mut elsewhere).iter().map(|produced| (case.files[produced.file].offset + produced.line, produced.comment())),
        );
    }
    let mut written = String::new();
    for (at, line) in bare.split_inclusive('\n').enumerate() {
        written.push_str(line);
        for (_, comment) in below.iter().filter(|(line, _)| *line == at + 1) {
            if !written.ends_with('\n') {
                written.push('\n');
            }
            let _ = writeln!(written, "{comment}");
        }
    }
    written
}

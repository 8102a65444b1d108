//! `tenet attest add`: one more row in a register, checked before it is written. What is there stays as it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::args::Add;
use crate::cli::args::Global;
use crate::cli::exit::Failure;
use crate::cli::repo::{self, Repo};
use crate::cli::{Exit, output};
use crate::model::Schema;
use crate::snapshot::SnapshotBuilder;
use crate::sources::config::leaves_folder;
use crate::sources::register::{RegisterDeclaration, evidence_digest, load_register};
use crate::text::{Diagnostic, SourceSet, did_you_mean};

pub(super) fn run(global: &Global, args: &Add) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let declaration = declared(&repo, &args.register)?;
    let path = repo.root.join(&declaration.file);
    let before = std::fs::read_to_string(&path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let cells = cells(global, args, &repo.root)?;
    let name = declaration.file.to_lowercase();
    let is_table = [".csv", ".tsv", ".txt"].iter().any(|end| name.ends_with(end));
    let text = if is_table { with_record(&before, &cells)? } else { with_row(&before, &cells)? };
    check(global, &compiled.policies.schema, declaration, &before, &text)?;
    output::write_or_show(global, &path, &text, args.dry_run)?;
    Ok(Exit::Ok)
}

fn declared<'r>(repo: &'r Repo, name: &str) -> anyhow::Result<&'r RegisterDeclaration> {
    let registers = &repo.config.registers;
    let found: Vec<&RegisterDeclaration> =
        registers.iter().filter(|one| one.name == name || one.file == name || one.form.name() == name).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names = registers.iter().map(|one| one.name.as_str());
            let help = did_you_mean(name, names.clone())
                .map_or_else(|| names.collect::<Vec<_>>().join(", "), |near| format!("did you mean `{near}`?"));
            Err(Failure::usage(format!("tenet.toml declares no register `{name}`; {help}")).into())
        }
        several => {
            let files: Vec<&str> = several.iter().map(|one| one.file.as_str()).collect();
            Err(Failure::usage(format!("several registers are called `{name}`; give the file: {}", files.join(", "))).into())
        }
    }
}

fn cells(global: &Global, args: &Add, root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut cells = Vec::new();
    for text in &args.cells {
        let (name, value) = text.split_once('=').ok_or_else(|| Failure::usage(format!("{text}: write COLUMN=VALUE")))?;
        cells.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    if let Some(by) = &args.by {
        let now = global.now.unwrap_or_else(jiff::Timestamp::now);
        let today = jiff::tz::TimeZone::UTC.to_datetime(now).date().to_string();
        cells.push(("attested_by".to_owned(), by.clone()));
        cells.push(("attested_on".to_owned(), args.on.clone().unwrap_or(today)));
    } else if let Some(on) = &args.on {
        cells.push(("attested_on".to_owned(), on.clone()));
    }
    if let Some(due) = &args.review_due {
        cells.push(("review_due".to_owned(), due.clone()));
    }
    if let Some(file) = &args.evidence {
        if let Some(why) = leaves_folder(file) {
            return Err(Failure::usage(format!("--evidence {file}: the path {why}; evidence lies in the governance repo")).into());
        }
        let digest = evidence_digest(&root.join(file)).map_err(|error| Failure::usage(format!("--evidence {file}: {error}")))?;
        cells.push(("evidence_file".to_owned(), file.clone()));
        cells.push(("evidence_sha256".to_owned(), digest));
    }
    let mut seen = BTreeSet::new();
    for (name, value) in &cells {
        if !seen.insert(name) {
            return Err(Failure::usage(format!("the column `{name}` is given twice")).into());
        }
        if value.chars().any(char::is_control) {
            return Err(Failure::usage(format!("`{name}`: a value is one line without control characters")).into());
        }
    }
    Ok(cells)
}

/// Adds a row at the end of a YAML register, whose last key is `rows`.
fn with_row(before: &str, cells: &[(String, String)]) -> anyhow::Result<String> {
    let is_key = |line: &str| !line.is_empty() && !line.starts_with([' ', '#', '-', '\t']);
    let last = before.lines().rfind(|line| is_key(line)).unwrap_or("");
    let lists = before.lines().find(|line| line.trim_start().starts_with("- "));
    let indent = lists.map_or("  ", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or("  "));
    let mut text = before.trim_end().to_owned();
    match last.split_once(':').map(|(key, rest)| (key.trim(), rest.split('#').next().unwrap_or("").trim())) {
        Some(("rows", "")) => text.push('\n'),
        Some(("rows", "[]")) => {
            let at = text.rfind("rows:").unwrap_or(0);
            text.truncate(at);
            text.push_str("rows:\n");
        }
        Some(("rows", _)) => return Err(Failure::usage("the rows of the register stand on one line; write one row a line first").into()),
        _ if before.lines().any(|line| line.starts_with("rows:")) => {
            return Err(Failure::usage("`rows` is not the last key of the register; move it to the end first").into());
        }
        _ if last.is_empty() && lists.is_some() => text.push('\n'),
        _ => text.push_str("\nrows:\n"),
    }
    for (at, (name, value)) in cells.iter().enumerate() {
        let lead = if at == 0 { format!("{indent}- ") } else { format!("{indent}  ") };
        // The words none and a blank say something of their own; everything else is text, whatever it looks like.
        let value = if value == "none" || value.is_empty() { value.clone() } else { yaml_text(value) };
        text.push_str(&format!("{lead}{name}: {value}"));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    Ok(text)
}

fn yaml_text(value: &str) -> String {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '@'))
        && value.contains(|c: char| c.is_ascii_alphabetic());
    if plain && value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Adds a record to a table with a heading.
fn with_record(before: &str, cells: &[(String, String)]) -> anyhow::Result<String> {
    let heading = before.trim_start_matches('\u{feff}').lines().next().unwrap_or("");
    let count = |wanted: char| heading.chars().filter(|letter| *letter == wanted).count();
    let separator = [',', ';', '\t'].into_iter().rev().max_by_key(|wanted| count(*wanted)).unwrap_or(',');
    let fold = |name: &str| name.trim().trim_matches('"').to_lowercase().replace([' ', '-'], "_");
    let columns: Vec<String> = heading.split(separator).map(fold).collect();
    for (name, _) in cells {
        if !columns.contains(&fold(name)) {
            let text = format!("the register has no column `{name}`; add it to the heading, which has {}", columns.join(", "));
            return Err(Failure::usage(text).into());
        }
    }
    let value = |column: &String| cells.iter().find(|(name, _)| fold(name) == *column).map_or("", |(_, value)| value.as_str());
    let mut writer = csv::WriterBuilder::new().delimiter(u8::try_from(separator).unwrap_or(b',')).from_writer(Vec::new());
    writer.write_record(columns.iter().map(value))?;
    let record = String::from_utf8(writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?)?;
    let gap = if before.ends_with('\n') || before.is_empty() { "" } else { "\n" };
    Ok(format!("{before}{gap}{record}"))
}

/// Refuses a row that the register cannot have. What was wrong before is left to `tenet check`.
fn check(global: &Global, schema: &Arc<Schema>, declaration: &RegisterDeclaration, before: &str, after: &str) -> anyhow::Result<()> {
    let load = |text: &str| {
        let mut sources = SourceSet::default();
        let mut builder = SnapshotBuilder::new(Arc::clone(schema));
        let found = load_register(&mut builder, declaration, &declaration.file, text, &mut sources);
        (found, sources)
    };
    let n_errors = |found: &[Diagnostic]| found.iter().filter(|one| one.is_error()).count();
    let (old, _) = load(before);
    let (new, sources) = load(after);
    if n_errors(&new) > n_errors(&old) || (n_errors(&new) > 0 && n_errors(&old) == 0) {
        let errors: Vec<Diagnostic> = new.into_iter().filter(Diagnostic::is_error).collect();
        output::diagnostics(global, &sources, &errors);
        return Err(Failure::usage("the row does not fit the register, and was not written").into());
    }
    Ok(())
}

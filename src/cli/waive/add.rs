//! `tenet waive add`: one more item in a file, checked before it is written.

use std::path::{Path, PathBuf};

use super::args::Add;
use super::state::approval_troubles;
use crate::check::{Policies, Rule, Waivable, day_after};
use crate::cli::args::{Global, Selection};
use crate::cli::exit::Failure;
use crate::cli::repo::{self, Repo};
use crate::cli::scan::find_subject;
use crate::cli::{Exit, output};
use crate::model::{Base, canonical_key, format_duration, format_instant};
use crate::syntax::{format, quoted};
use crate::text::{FileId, SourceFile, SourceSet, did_you_mean};
use crate::{Compiled, PolicyFile, compile};

/// The variable of a written waiver.
const SUBJECT: &str = "x";

pub(super) fn run(global: &Global, args: &Add) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let mut files = repo.policy_files(&[])?;
    let compiled = repo.compile(global, &files)?;
    let (rule, requirement) = find_rule(&compiled.policies, &args.rule)?;
    let path = place(&repo, args);
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let from = args.from.unwrap_or_else(|| start_of_day(now));
    let filter = match (&args.subject, &args.filter) {
        (Some(subject), _) => subject_condition(global, &repo, &compiled, rule, subject, args.snapshot.clone())?,
        (None, Some(filter)) => filter.clone(),
        (None, None) => return Err(Failure::usage("say which subject with --subject, or which subjects with --where").into()),
    };
    check_length(rule, from, args.until)?;
    let item = item(&compiled.policies, rule, requirement, &filter, from, args);
    let before = if path.exists() { std::fs::read_to_string(&path)? } else { String::new() };
    let text = with_item(&path, &before, &item)?;
    replace(&repo, &mut files, &path, &text);
    let compiled = recompile(global, &repo, &files)?;
    if let Some(waiver) =
        compiled.policies.waivers.iter().find(|waiver| compiled.sources.slice(waiver.span).contains(&quoted(&args.because)))
    {
        let troubles = approval_troubles(&compiled.policies, &repo.config, waiver);
        if let Some(first) = troubles.first() {
            return Err(Failure::usage(format!("{first}; nothing was written")).into());
        }
    }
    output::write_or_show(global, &path, &text, args.dry_run)?;
    Ok(Exit::Ok)
}

fn find_rule<'p>(policies: &'p Policies, text: &str) -> anyhow::Result<(&'p Rule, Option<String>)> {
    let find = |id: &str| policies.rules.iter().find(|rule| rule.id == id);
    if let Some(rule) = find(text) {
        return Ok((rule, None));
    }
    if let Some((id, requirement)) = text.rsplit_once('.')
        && let Some(rule) = find(id)
    {
        let names = rule.requirements.iter().map(|requirement| requirement.name.as_str());
        if names.clone().any(|name| name == requirement) {
            return Ok((rule, Some(requirement.to_owned())));
        }
        let help = names.collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("rule {id} has no requirement `{requirement}`; it has {help}")).into());
    }
    let ids = policies.rules.iter().map(|rule| rule.id.as_str());
    let help = did_you_mean(text, ids).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(Failure::usage(format!("there is no rule `{text}`{help}")).into())
}

fn place(repo: &Repo, args: &Add) -> PathBuf {
    if let Some(file) = &args.file {
        return file.clone();
    }
    let first = repo.config.waivers.first().map_or("waivers.tenet", |path| path.value.as_str());
    repo.root.join(first)
}

fn start_of_day(now: jiff::Timestamp) -> jiff::Timestamp {
    let day = now.as_second().div_euclid(86_400).saturating_mul(86_400);
    jiff::Timestamp::from_second(day).unwrap_or(now)
}

fn check_length(rule: &Rule, from: jiff::Timestamp, until: jiff::Timestamp) -> anyhow::Result<()> {
    let Waivable::UpTo { limit, .. } = &rule.waivable else {
        return Err(Failure::usage(format!("rule {} is not waivable", rule.id)).into());
    };
    let length = day_after(until).as_second().saturating_sub(from.as_second());
    if length <= 0 {
        return Err(Failure::usage(format!("the waiver would end on {}, before it begins", format_instant(until))).into());
    }
    if length > *limit {
        let may = format_duration(*limit);
        let text =
            format!("rule {} may be waived for {may}, and from {} to {} is longer", rule.id, format_instant(from), format_instant(until));
        return Err(Failure::usage(text).into());
    }
    Ok(())
}

/// Writes the condition that one subject alone meets.
fn subject_condition(
    global: &Global,
    repo: &Repo,
    compiled: &Compiled,
    rule: &Rule,
    subject: &str,
    snapshot: Option<PathBuf>,
) -> anyhow::Result<String> {
    let schema = &compiled.policies.schema;
    let entity = schema.entity(rule.entity).ok_or_else(|| Failure::usage("the rule has no subjects"))?;
    let base = entity.key.base;
    let known = snapshot.is_some() || !repo.snapshots().is_empty();
    let looks_like_id = match base {
        Base::ArmId => subject.starts_with('/'),
        Base::Guid => subject.len() == 36 && subject.bytes().filter(|byte| *byte == b'-').count() == 4,
        _ => false,
    };
    let key = if known {
        let selection = Selection { snapshot, ..Selection::default() };
        let loaded = repo.snapshot(global, compiled, &selection)?;
        match find_subject(&loaded.snapshot, subject) {
            Ok(id) => {
                let ty = loaded.snapshot.entity_type(id);
                if !ty.is_some_and(|ty| schema.is_subtype(ty, rule.entity)) {
                    return Err(Failure::usage(format!("{subject} is no {}, which rule {} is about", entity.name, rule.id)).into());
                }
                loaded.snapshot.key(id).into_owned()
            }
            Err(_) if looks_like_id => {
                output::say(global, &format!("note: {subject} is not in the snapshot"));
                canonical_key(base, subject)
            }
            Err(error) => return Err(error),
        }
    } else {
        canonical_key(base, subject)
    };
    let literal = match base {
        Base::ArmId => format!("arm({})", quoted(&key)),
        Base::Guid => format!("guid({})", quoted(&key)),
        _ => quoted(&key),
    };
    Ok(format!("{SUBJECT}.{} == {literal}", entity.key_name))
}

fn item(policies: &Policies, rule: &Rule, requirement: Option<String>, filter: &str, from: jiff::Timestamp, args: &Add) -> String {
    let requirement = requirement.map_or_else(String::new, |name| format!(".{name}"));
    let entity = policies.schema.entity_name(rule.entity);
    let approved: Vec<String> = args.approved_by.iter().map(|name| quoted(name)).collect();
    let ticket = args.ticket.as_ref().map_or_else(String::new, |ticket| format!("  ticket {}\n", quoted(ticket)));
    format!(
        "waive {}{requirement} for {SUBJECT}: {entity} where {filter} {{\n  from {}\n  until {}\n  because {}\n  approved by {}\n{ticket}}}\n",
        rule.id,
        format_instant(from),
        format_instant(args.until),
        quoted(&args.because),
        approved.join(", ")
    )
}

/// Adds an item at the end of a file, in canonical layout; comments stay where they are.
fn with_item(path: &Path, before: &str, item: &str) -> anyhow::Result<String> {
    let before = if before.trim().is_empty() { "edition 1\nmodule waivers\n".to_owned() } else { before.to_owned() };
    canonical(path, &format!("{}\n\n{item}", before.trim_end()))
}

/// Brings a text into canonical layout.
pub(super) fn canonical(path: &Path, text: &str) -> anyhow::Result<String> {
    let source = SourceFile::new(path.display().to_string(), text);
    format(FileId(0), &source).map_err(|found| {
        let first = found.first().map_or_else(String::new, |one| {
            let (line, column) = source.line_column(one.span.start);
            format!("{}:{line}:{column} {}", path.display(), one.message)
        });
        Failure::usage(format!("the file could not be read with the change in it, and was not written: {first}")).into()
    })
}

/// Puts the text of a file in place of what was read from it.
pub(super) fn replace(repo: &Repo, files: &mut Vec<PolicyFile>, path: &Path, text: &str) {
    let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
    if let Some(file) = files.iter_mut().find(|file| file.name == name) {
        text.clone_into(&mut file.text);
        return;
    }
    let inner = path.strip_prefix(&repo.root).unwrap_or(path).with_extension("");
    let module = inner.to_string_lossy().replace('\\', "/");
    files.push(PolicyFile { name, path: module.trim_start_matches("./").to_owned(), text: text.to_owned() });
}

/// Checks the files as they would be; with an error nothing is written.
pub(super) fn recompile(global: &Global, repo: &Repo, files: &[PolicyFile]) -> anyhow::Result<Compiled> {
    let compiled = compile(repo.builtin(), files);
    if compiled.has_errors() {
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|one| one.is_error()).cloned().collect();
        output::diagnostics(global, &SourceSet::clone(&compiled.sources), &errors);
        return Err(Failure::usage("the change does not check, and was not written").into());
    }
    Ok(compiled)
}

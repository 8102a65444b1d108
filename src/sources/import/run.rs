//! The run over files of pages.

use std::path::PathBuf;

use serde_json::Value;

use super::claims::ListKind;
use super::files::{self, InputFile};
use super::intake::{Grant, Intake, Origin};
use super::lists::{Lists, Page, unrecorded};
use super::page::{self, Answer, Exchange};
use super::recognise::{Kind, Recognised, recognise};
use super::report::Tally;
use super::request::{Asked, Narrowed, asked};
use super::{FileReport, ImportError, ImportOptions, Refusal, conclude, decode, denied, listed};
use crate::snapshot::SnapshotBuilder;
use crate::sources::graph;

/// Imports files of answers.
pub(super) fn import_pages(
    builder: &mut SnapshotBuilder,
    paths: &[PathBuf],
    options: &ImportOptions,
) -> Result<Vec<FileReport>, ImportError> {
    let mut intake = Intake::new(builder, options);
    let mut lists = Lists::default();
    let mut tallies = Vec::new();
    for file in files::find(paths)? {
        let mut tally = Tally::new(&file.label);
        if file.wanted {
            take_file(&mut intake, &file, &mut lists, &mut tally)?;
        } else {
            tally.skip("file", "its name ends neither in .json nor in .jsonl nor in .ndjson");
        }
        tallies.push(tally);
    }
    Ok(conclude::finish(&mut intake, &lists, tallies))
}

fn take_file(intake: &mut Intake<'_>, file: &InputFile, lists: &mut Lists, tally: &mut Tally) -> Result<(), ImportError> {
    let read = files::read(file).and_then(|text| page::values(&file.label, &text));
    let values = match read {
        Ok(values) => values,
        Err(error) if intake.options.skip_unreadable => {
            tally.skip("file", &error.to_string());
            lists.broken.insert(file.label.clone());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut unrecorded = Vec::new();
    // Where answers stand on lines of their own, the line says which one it is.
    let many = values.len() > 1 || file.label.strip_suffix(".jsonl").is_some();
    let answers = values.into_iter().flat_map(|(line, value)| page::answers(value).into_iter().map(move |answer| (line, answer)));
    for (line, answer) in answers {
        let listed = answer.exchange.is_none() && !answer.is_query && answer.is_list;
        let label = if many { format!("{}:{line}", file.label) } else { file.label.clone() };
        take_answer(intake, &label, &answer, lists, tally);
        let grants = std::mem::take(&mut intake.grants);
        if listed {
            unrecorded.extend(grants);
        }
    }
    if let Some(scope) = listed::inferred_scope(&unrecorded)
        && let Err(Refusal(why)) = listed::relate(intake, &scope, &unrecorded)
    {
        tally.note(why);
    }
    Ok(())
}

fn take_answer(intake: &mut Intake<'_>, file: &str, answer: &Answer, lists: &mut Lists, tally: &mut Tally) {
    let exchange = answer.exchange.as_ref();
    let asked = exchange.map_or(Asked::Other, asked);
    intake.origin = origin(file, exchange, &asked);
    if let Some(time) = intake.origin.read_at {
        intake.builder.captured_at(time);
    }
    for note in &answer.notes {
        tally.note(note.clone());
    }
    if let Some(exchange) = exchange {
        if exchange.error.is_some() || !(200..400).contains(&exchange.status) {
            return denied::take(intake, exchange, answer.items.first(), &asked, lists, tally);
        }
        if !is_read(exchange) {
            return tally.skip("answer", &format!("the answer of a {} is no reading", exchange.method));
        }
    }
    if answer.items.is_empty() && !answer.is_list && !answer.is_query {
        tally.skip("answer", "it has no body");
        return push_pages(intake, answer, &asked, &Read::default(), lists, tally);
    }
    let read = take_items(intake, answer, &asked, tally);
    push_pages(intake, answer, &asked, &read, lists, tally);
    if let Asked::List { scope: Some(scope), kind: ListKind::RoleAssignments | ListKind::DenyAssignments, .. } = &asked {
        let grants: Vec<Grant> = intake.grants.clone();
        if let Err(Refusal(why)) = listed::relate(intake, scope, &grants) {
            tally.note(why);
        }
    }
}

fn origin(file: &str, exchange: Option<&Exchange>, asked: &Asked) -> Origin {
    let old = exchange.and_then(api_version).is_some_and(|version| version.as_str() < "2020-03-01");
    Origin {
        file: file.to_owned(),
        request: exchange.map(|exchange| format!("{} {}", exchange.method, exchange.url)),
        read_at: exchange.and_then(|exchange| exchange.time),
        says_conditions: !old,
        deleted: matches!(asked, Asked::List { kind: ListKind::DeletedItems, .. }),
        customer: match asked {
            Asked::List { kind: ListKind::PartnerSubscriptions | ListKind::AzureEntitlements, scope, .. } => scope.clone(),
            _ => None,
        },
        own_profile: matches!(asked, Asked::One { kind: ListKind::PartnerProfile, id } if id.is_empty()),
    }
}

/// Role assignments have conditions since api-version 2020-03-01-preview; older answers do not tell of them.
fn api_version(exchange: &Exchange) -> Option<String> {
    let url = exchange.url.to_ascii_lowercase();
    let (_, version) = url.split_once("api-version=")?;
    Some(version.chars().take(10).collect())
}

/// Queries are reads although they are posted.
fn is_read(exchange: &Exchange) -> bool {
    let path = exchange.url.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let query = path.ends_with("/getentities") || path.ends_with("/microsoft.resourcegraph/resources");
    exchange.method == "GET" || (exchange.method == "POST" && query)
}

/// What the objects of an answer were.
#[derive(Debug, Default)]
struct Read {
    kinds: Vec<(Kind, Option<String>)>,
    /// Objects that could not be read.
    lost: usize,
}

fn take_items(intake: &mut Intake<'_>, answer: &Answer, asked: &Asked, tally: &mut Tally) -> Read {
    let mut read = Read::default();
    for item in &answer.items {
        let found = recognise(item, answer.context.as_deref(), asked);
        let member = take_member(intake, item, asked);
        match (found, member) {
            (Recognised::Take(kind), member) => {
                let taken = decode::decode(intake, kind, item).and(member.unwrap_or(Ok(())));
                match taken {
                    Ok(()) => {
                        tally.take(kind.name());
                        read.kinds.push((kind, listed::holder_of(kind, item)));
                    }
                    Err(Refusal(why)) => {
                        tally.skip(kind.name(), &why);
                        read.lost += 1;
                        read.kinds.push((kind, None));
                    }
                }
            }
            (Recognised::Pass { .. }, Some(Ok(()))) => tally.take("members"),
            (Recognised::Pass { what, why, lost }, _) => {
                tally.skip(&what, why);
                read.lost += usize::from(lost);
            }
        }
    }
    read
}

/// Takes an object as a member, if a list of members was asked for.
fn take_member(intake: &mut Intake<'_>, item: &Value, asked: &Asked) -> Option<Result<(), Refusal>> {
    let Asked::List { kind, scope: Some(parent), .. } = asked else { return None };
    match kind {
        ListKind::GroupMembers => Some(graph::principals::take_member(intake, parent, item)),
        ListKind::DirectoryRoleMembers => Some(graph::directory_roles::take_member(intake, parent, item)),
        _ => None,
    }
}

fn push_pages(intake: &mut Intake<'_>, answer: &Answer, asked: &Asked, read: &Read, lists: &mut Lists, tally: &mut Tally) {
    let lost = read.lost;
    let gap = (lost > 0).then(|| format!("{lost} of the objects in {} could not be read", intake.origin.file));
    if let Asked::List { kind, scope, narrowed } = asked {
        let said = answer.exchange.as_ref().and_then(|exchange| exchange.gap.clone());
        let gap = gap.or(said).or_else(|| (!answer.is_list).then(|| format!("the answer in {} holds no list", intake.origin.file)));
        let source = intake.source(kind.source());
        let url = answer.exchange.as_ref().map(|exchange| exchange.url.clone());
        let unproved = match narrowed {
            Narrowed::Otherwise(why) => Some(why.clone()),
            _ => None,
        };
        let at_scope = *narrowed == Narrowed::AtScope;
        let (scope, next, read_at) = (scope.clone(), answer.next.clone(), intake.origin.read_at);
        return lists.push(Page { kind: *kind, scope, at_scope, url, next, gap, unproved, source, read_at });
    }
    if answer.is_query && answer.next != page::Next::Last {
        tally.note("more rows follow on another page; make sure that its file is here too");
    }
    if !answer.is_list {
        return;
    }
    if answer.items.is_empty() {
        tally.note("an empty list without the request that gave it says nothing");
    }
    let mut kinds: Vec<(ListKind, Option<String>)> =
        read.kinds.iter().filter_map(|(kind, holder)| Some((kind.list()?, holder.clone()))).collect();
    kinds.sort();
    kinds.dedup();
    for (kind, scope) in kinds {
        let source = intake.source(kind.source());
        let next = answer.next.clone();
        let gap = gap.clone();
        let unproved = Some(unrecorded());
        lists.push(Page { kind, scope, at_scope: false, url: None, next, gap, unproved, source, read_at: None });
    }
}

//! `tenet attest worklist`: rows to be filled in, one for every thing of which an attested fact is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::args::Worklist;
use crate::cli::args::Global;
use crate::cli::exit::Failure;
use crate::cli::{Exit, output, repo};
use crate::evaluate::engine::scan;
use crate::evaluate::{Detail, MissingFact, MissingWhat, Options, explain};
use crate::model::{Base, EntityId, Schema, Verdict};
use crate::report::{plain, shorten};
use crate::snapshot::Snapshot;

/// Unknown verdicts that are asked what they lack.
const ASKED_MAX: usize = 100_000;
/// Rules named beside a row.
const RULES_MAX: usize = 6;

/// The rows of one register.
#[derive(Default)]
struct Page {
    rows: BTreeMap<RowKey, Row>,
    /// Lists that nobody claims to be whole.
    claims: BTreeMap<String, BTreeSet<String>>,
}

/// What a row is about: the type and key of an entity, or a list of it.
type RowKey = (String, String, Option<String>);

#[derive(Default)]
struct Row {
    name: String,
    columns: BTreeMap<String, String>,
    rules: BTreeSet<String>,
}

pub(super) fn run(global: &Global, args: &Worklist) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let policies = &compiled.policies;
    let params = repo.parameters(&compiled, &args.selection)?;
    let packs = repo.packs(&compiled, &args.selection)?;
    let loaded = repo.snapshot(global, &compiled, &args.selection)?;
    let now = loaded.now(global)?;
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &|_| true, subject: None, waivers: true };
    let result = scan(policies, &loaded.snapshot, &options);
    loaded.check()?;
    let result = result.map_err(|error| Failure::usage(error.to_string()))?;
    let mut pages: BTreeMap<String, Page> = BTreeMap::new();
    let (mut n_asked, mut n_unknown, mut evaluator) = (0, 0, None);
    for finding in result.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown) {
        n_unknown += 1;
        if n_asked >= ASKED_MAX {
            continue;
        }
        n_asked += 1;
        if evaluator.as_ref().is_none_or(|(run, _)| *run != finding.run) {
            evaluator = result.evaluator(policies, &loaded.snapshot, finding.run).map(|made| (finding.run, made));
        }
        let (Some((_, evaluator)), Some(rule)) = (&evaluator, result.rule(policies, finding)) else { continue };
        for fact in &explain(evaluator, &result, finding, Detail::Brief).missing {
            note(&loaded.snapshot, &rule.id, fact, &mut pages);
        }
    }
    loaded.check()?;
    pages.retain(|form, _| args.form.as_ref().is_none_or(|wanted| wanted == form));
    let text = page_text(&pages);
    match &args.output {
        Some(path) => output::write_file(path, &text)?,
        None => output::print(&text)?,
    }
    let n_rows: usize = pages.values().map(|page| page.rows.len()).sum();
    let n_claims: usize = pages.values().map(|page| page.claims.len()).sum();
    let said = format!(
        "{} and {} for {n_unknown} unknown verdicts, {} of them not asked",
        output::counted(n_rows, "row"),
        output::counted(n_claims, "claim"),
        n_unknown - n_asked
    );
    output::say(global, &said);
    Ok(Exit::Ok)
}

/// Notes a fact that a register would bring.
fn note(snapshot: &Snapshot, rule: &str, fact: &MissingFact, pages: &mut BTreeMap<String, Page>) {
    let Some(register) = &fact.source.register else { return };
    let schema = snapshot.schema();
    let property = |id| schema.property(id).map_or("", |property| property.name.as_str());
    match fact.what {
        MissingWhat::Attribute(id, p) => row(snapshot, register, id, None, property(p), rule, pages),
        MissingWhat::List(id, p) => row(snapshot, register, id, Some(property(p)), "", rule, pages),
        MissingWhat::Type(id) => row(snapshot, register, id, None, "type", rule, pages),
        MissingWhat::Extent(ty) | MissingWhat::UnseenMember(ty) => {
            let page = pages.entry(register.clone()).or_default();
            page.claims.entry(schema.entity_name(ty).to_owned()).or_default().insert(rule.to_owned());
        }
    }
}

fn row(
    snapshot: &Snapshot,
    register: &str,
    id: EntityId,
    list: Option<&str>,
    column: &str,
    rule: &str,
    pages: &mut BTreeMap<String, Page>,
) {
    let schema = snapshot.schema();
    let ty = snapshot.entity_type(id).map_or("?", |ty| schema.entity_name(ty)).to_owned();
    let key = (ty, snapshot.key(id).into_owned(), list.map(str::to_owned));
    let row = pages.entry(register.to_owned()).or_default().rows.entry(key).or_default();
    row.name = snapshot.label(id);
    row.rules.insert(rule.to_owned());
    if !column.is_empty() {
        let hint = snapshot
            .entity_type(id)
            .and_then(|ty| schema.property_named(ty, column))
            .map_or_else(String::new, |property| hint(schema, property.ty.base));
        row.columns.insert(column.to_owned(), hint);
    }
}

/// Says what a cell may hold.
fn hint(schema: &Schema, base: Base) -> String {
    match base {
        Base::Enum(id) => schema.enumeration(id).map_or_else(String::new, |of| format!("one of {}", shorten(&of.values.join(", "), 100))),
        Base::Bool => "true or false".to_owned(),
        Base::Instant => "a date".to_owned(),
        Base::Entity(id) => format!("the id of a {}", schema.entity_name(id)),
        _ => String::new(),
    }
}

fn page_text(pages: &BTreeMap<String, Page>) -> String {
    let mut out = String::from(
        "# Facts that verdicts wait for. Fill in the cells, say who vouches, and move each list to the register of its name.\n\
         # A cell that stays blank stays unknown; `none` says that there is none.\n",
    );
    for (form, page) in pages {
        let _ = writeln!(out, "---\n# register: {}", plain(form));
        for (entity, rules) in &page.claims {
            let _ = writeln!(
                out,
                "# The list of every {entity} is not known to be whole ({}). If it is in this register, claim it:",
                shown(rules)
            );
            let _ = writeln!(out, "# complete: {{ subjects: all, attested_by: , attested_on: }}");
        }
        out.push_str("attested_by:\nattested_on:\nreview_due:\nrows:\n");
        for ((entity, key, list), row) in &page.rows {
            write_row(form, entity, key, list.as_deref(), row, &mut out);
        }
    }
    out
}

fn shown(rules: &BTreeSet<String>) -> String {
    let names: Vec<&str> = rules.iter().map(String::as_str).take(RULES_MAX).collect();
    let more = rules.len().saturating_sub(names.len());
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

/// Writes a row with the name of its thing and the rules that wait for it. A row about a list names whose list it is.
fn write_row(form: &str, entity: &str, key: &str, list: Option<&str>, row: &Row, out: &mut String) {
    let what = list.map_or_else(String::new, |list| format!(", {list}: one row for each, or a claim that there is no other"));
    let _ = writeln!(out, "  # {entity} {}{what}; decides {}", plain(&row.name), shown(&row.rules));
    let quoted = format!("\"{}\"", plain(key).replace('\\', "\\\\").replace('"', "\\\""));
    let (id, more): (&str, &[&str]) = match (form, list) {
        ("designations", Some(_)) => {
            ("subscription", &["mechanism", "partner_id", "designated_by", "designated_on", "removed_on", "agreement"])
        }
        ("partner_links", Some(_)) => ("identity", &["identity_type", "partner_id", "state", "linked_on"]),
        ("reviews", _) if entity == "User" => ("user", &["reviewed_on"]),
        _ => ("id", &[]),
    };
    let _ = writeln!(out, "  - {id}: {quoted}");
    if form == "principals" && entity != "Principal" {
        let _ = writeln!(out, "    type: {entity}");
    }
    for column in more {
        let _ = writeln!(out, "    {column}:");
    }
    let aliases =
        |column: &String| if form == "reviews" && column == "last_reviewed_at" { "reviewed_on".to_owned() } else { column.clone() };
    for (column, hint) in
        row.columns.iter().map(|(column, hint)| (aliases(column), hint)).filter(|(column, _)| !more.contains(&column.as_str()))
    {
        let hint = if hint.is_empty() { String::new() } else { format!("  # {hint}") };
        let _ = writeln!(out, "    {column}:{hint}");
    }
}

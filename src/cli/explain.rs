//! `tenet explain`: a rule, a verdict, a diagnostic code, a type.

use std::fmt::Write as _;

use super::Exit;
use super::args::{Explain, Global};
use super::exit::Failure;
use super::scan::find_subject;
use super::{load, output, repo};
use crate::Compiled;
use crate::check::{Rule, code_page};
use crate::evaluate::engine::{EngineError, Plan, scan};
use crate::evaluate::{Detail, Options, Scan};
use crate::model::{EntityId, EntityType, NamedType, Provenance, Schema, Type, Verdict};
use crate::remedy::{SIZE_MAX, counterfactual, propose};
use crate::report::{explain_rule, explain_verdict, plain, plain_lines, remedy_of, result_document};
use crate::snapshot::Snapshot;
use crate::sources::source_code_page;
use crate::text::did_you_mean;

/// Verdicts explained one by one; the rest is counted.
const VERDICTS_MAX: usize = 10;

pub(super) fn run(global: &Global, args: &Explain) -> anyhow::Result<Exit> {
    if !args.plan && args.what == "exit-codes" {
        output::print(&super::exit::page())?;
        return Ok(Exit::Ok);
    }
    if let Some(page) = code_page(&args.what).or_else(|| source_code_page(&args.what)).filter(|_| !args.plan) {
        output::print(&format!("{}: {}\n\n{}\n", page.code, page.title, page.text))?;
        return Ok(Exit::Ok);
    }
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.selection.policies)?)?;
    if args.plan {
        let rule = find_rule(&compiled, &args.what)?;
        return show_plan(global, args, &repo, &compiled, rule);
    }
    if let Some(entity) = compiled.policies.schema.entity_named(&args.what) {
        output::print(&explain_entity(&compiled, entity))?;
        return Ok(Exit::Ok);
    }
    if let Some(text) = explain_type(&compiled.policies.schema, &args.what) {
        output::print(&text)?;
        return Ok(Exit::Ok);
    }
    let rule = find_rule(&compiled, &args.what)?;
    output::print(&explain_rule(&compiled.policies, &compiled.sources, rule))?;
    let has_snapshot = args.selection.snapshot.is_some() || args.subject.is_some() || repo.snapshot_path(None).is_ok();
    if has_snapshot {
        output::print("\n")?;
        verdicts(global, args, &repo, &compiled, rule)?;
    }
    Ok(Exit::Ok)
}

fn find_rule<'c>(compiled: &'c Compiled, id: &str) -> anyhow::Result<&'c Rule> {
    let rules = &compiled.policies.rules;
    let found = rules.iter().find(|rule| rule.id.eq_ignore_ascii_case(id) || rule.was.iter().any(|was| was == id));
    found.ok_or_else(|| {
        let names = rules.iter().map(|rule| rule.id.as_str()).chain(compiled.policies.schema.names.keys().map(String::as_str));
        let help = did_you_mean(id, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Failure::usage(format!("there is no rule, diagnostic code or type `{id}`{help}")).into()
    })
}

/// Shows the plan of a rule, over a snapshot if there is one. All rules of a scan are planned, so that shared parts show.
fn show_plan(global: &Global, args: &Explain, repo: &repo::Repo, compiled: &Compiled, rule: &Rule) -> anyhow::Result<Exit> {
    let params = repo.parameters(compiled, &args.selection)?;
    let packs = repo.packs(compiled, &args.selection)?;
    let has_snapshot = args.selection.snapshot.is_some() || args.subject.is_some() || repo.snapshot_path(None).is_ok();
    let loaded = has_snapshot.then(|| repo.snapshot(global, compiled, &args.selection)).transpose()?;
    let subject = match (&args.subject, &loaded) {
        (Some(text), Some(loaded)) => Some(find_subject(&loaded.snapshot, text)),
        _ => None,
    };
    let subject = subject.transpose()?;
    // Without a snapshot nothing is evaluated, and no value depends on the instant.
    let now = loaded.as_ref().map_or(Ok(jiff::Timestamp::UNIX_EPOCH), |loaded| loaded.now(global))?;
    let (every, only) = (|_: &Rule| true, |other: &Rule| other.id == rule.id);
    let options = |select| Options { now, params: &params, packs: packs.as_deref(), select, subject, waivers: false };
    // A parameter that another rule lacks is no trouble here.
    let plan = Plan::new(&compiled.policies, &options(&every)).or_else(|_| Plan::new(&compiled.policies, &options(&only)));
    let refused = |error: EngineError| Failure::usage(error.to_string());
    let options = options(&every);
    let over = loaded.as_ref().map(|loaded| (&loaded.snapshot, &options));
    let text = plan.and_then(|plan| plan.shown(&compiled.policies, &rule.id, over));
    loaded.as_ref().map_or(Ok(()), load::Loaded::check)?;
    let text = text.map_err(refused)?;
    if text.is_empty() {
        return Err(Failure::usage(format!("{} is in none of the packs in force; name one with --pack", rule.id)).into());
    }
    output::print(&format!("{} {}\n{}", rule.id, plain(&rule.title), plain_lines(&text)))?;
    Ok(Exit::Ok)
}

fn verdicts(global: &Global, args: &Explain, repo: &repo::Repo, compiled: &Compiled, rule: &Rule) -> anyhow::Result<()> {
    let params = repo.parameters(compiled, &args.selection)?;
    let packs = repo.packs(compiled, &args.selection)?;
    let loaded = repo.snapshot(global, compiled, &args.selection)?;
    let subject = args.subject.as_ref().map(|text| find_subject(&loaded.snapshot, text)).transpose();
    loaded.check()?;
    let subject = subject?;
    let select = |other: &Rule| other.id == rule.id;
    let now = loaded.now(global)?;
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &select, subject, waivers: true };
    let result = scan(&compiled.policies, &loaded.snapshot, &options);
    loaded.check()?;
    let result = result.map_err(|error| Failure::usage(error.to_string()))?;
    let document = result_document(&compiled.policies, &loaded.snapshot, &result, loaded.identity(compiled)?, Detail::Full);
    loaded.check()?;
    let wanted = |verdict| subject.is_some() || matches!(verdict, Verdict::Fail | Verdict::Unknown | Verdict::Pending);
    let about = |requirement: &Option<String>| args.requirement.is_none() || *requirement == args.requirement;
    let shown: Vec<_> = document.findings.iter().filter(|finding| wanted(finding.verdict) && about(&finding.requirement)).collect();
    if shown.is_empty() {
        let counts = &document.summary.verdicts;
        output::print(&format!("nothing to explain: {} pass, {} not applicable\n", counts.pass, counts.not_applicable))?;
    }
    for finding in shown.iter().take(VERDICTS_MAX) {
        output::print(&format!("{}\n", explain_verdict(finding)))?;
    }
    if shown.len() > VERDICTS_MAX {
        output::print(&format!("… and {} more; name a subject to see it\n", shown.len() - VERDICTS_MAX))?;
    }
    if let Some(subject) = subject {
        // A fix is judged by all rules, whichever is asked about.
        let all = Options { select: &|_| true, subject: None, ..options };
        if result.findings.iter().any(|finding| finding.subject == Some(subject) && finding.verdict == Verdict::Fail) {
            let whole = scan(&compiled.policies, &loaded.snapshot, &all).map_err(|error| Failure::usage(error.to_string()))?;
            output::print(&mended(compiled, &loaded.snapshot, &whole, rule, subject))?;
            loaded.check()?;
        }
    }
    Ok(())
}

/// Says what would mend a finding: the rule's fixes if they keep their obligations, else the smallest change there is.
fn mended(compiled: &Compiled, snapshot: &Snapshot, scan: &Scan, rule: &Rule, subject: EntityId) -> String {
    let policies = &compiled.policies;
    let is_it = |finding: &&crate::evaluate::Finding| {
        let same = scan.rule(policies, finding).is_some_and(|other| other.id == rule.id);
        same && finding.subject == Some(subject) && finding.verdict == Verdict::Fail
    };
    let Some(run) = scan.findings.iter().find(is_it).map(|finding| finding.run) else { return String::new() };
    let proposal = propose(policies, snapshot, scan, run, subject);
    let mut text = proposal.as_ref().map_or_else(String::new, |proposal| proposed(compiled, proposal));
    if proposal.is_some_and(|proposal| proposal.problems.is_empty()) {
        return text;
    }
    let found = counterfactual(policies, snapshot, scan, run, subject);
    let limit = found.limit.as_ref().map_or_else(String::new, |limit| format!(" ({limit})"));
    if found.ways.is_empty() {
        let _ = writeln!(text, "No set of up to {SIZE_MAX} declared actions was found that mends it and makes nothing worse{limit}.");
        return text;
    }
    let _ = writeln!(text, "The smallest change that would mend it and make nothing worse{limit}:");
    for (at, way) in found.ways.iter().enumerate() {
        let calls: Vec<String> = way.iter().map(|act| plain(&act.call(policies))).collect();
        let _ = writeln!(text, "  {} {}", if at == 0 { "~" } else { "or" }, calls.join(", then "));
    }
    if found.more {
        text += "  … and others of the same size\n";
    }
    text
}

/// Says what the rule's fixes would do, tried on a copy of the snapshot.
fn proposed(compiled: &Compiled, proposal: &crate::remedy::Proposal) -> String {
    let mut text = format!("The fix {} would do, tried on a copy of the snapshot:\n", proposal.fixes.join(", "));
    for act in &proposal.acts {
        let _ = writeln!(text, "  ~ {}", plain(&act.call(&compiled.policies)));
        if let Some(remedy) = &act.remedy {
            let _ = writeln!(text, "      {}", plain(remedy));
        }
    }
    if proposal.problems.is_empty() {
        text += "Afterwards the requirements pass and no verdict of any rule is worse.\n";
    } else {
        text += "It is not offered as a fix:\n";
        for problem in &proposal.problems {
            let _ = writeln!(text, "  ! {}", plain(&problem.text));
            for one in &problem.world {
                let _ = writeln!(text, "      {} {} ({})", one.entity, plain(&one.name), plain(&one.id));
            }
        }
    }
    text
}

fn explain_entity(compiled: &Compiled, entity: &EntityType) -> String {
    let schema = &compiled.policies.schema;
    let mut text = format!("{}: {}\n", entity.name, entity.docs.join(" "));
    let _ = writeln!(text, "key {}: {}; listed by {}", entity.key_name, schema.type_name(entity.key), source(&entity.source));
    for (name, id) in &entity.properties {
        let Some(property) = schema.property(*id).filter(|property| !property.is_key) else { continue };
        let history = if property.history { ", with history" } else { "" };
        let inverse =
            property.inverse.and_then(|id| schema.property(id)).map_or_else(String::new, |other| format!(", inverse {}", other.name));
        let _ = writeln!(text, "  {name}: {}{inverse}{history}", schema.type_name(property.ty));
        if !property.docs.is_empty() {
            let _ = writeln!(text, "      {}", property.docs.join(" "));
        }
        let _ = writeln!(text, "      from {}", source(&property.source));
    }
    text
}

/// Explains an enumeration or a named type.
fn explain_type(schema: &Schema, name: &str) -> Option<String> {
    match schema.named(name)? {
        NamedType::Enum(id) => {
            let found = schema.enumeration(id)?;
            Some(format!("{}: {}\nvalues {}\n", found.name, found.docs.join(" "), found.values.join(", ")))
        }
        NamedType::Alias(id) => {
            let found = schema.alias(id)?;
            let pattern = found.pattern_text.as_ref().map_or_else(String::new, |pattern| format!(" matching /{pattern}/"));
            Some(format!("{}: {}\na {}{pattern}\n", found.name, found.docs.join(" "), schema.type_name(Type::of(found.base))))
        }
        NamedType::Entity(_) | NamedType::Builtin(_) => None,
    }
}

fn source(source: &Provenance) -> String {
    remedy_of(source.api.as_deref(), source.permission.as_deref(), source.register.as_deref())
}

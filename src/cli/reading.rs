//! Which reads the rules need.

use std::collections::BTreeSet;
use std::path::Path;

use super::exit::Failure;
use super::repo::Repo;
use super::scan::matches_id;
use crate::Compiled;
use crate::check::Rule;
use crate::cli::args::Selection;
use crate::evaluate::Options;
use crate::evaluate::engine::Plan;
use crate::model::{EntityTypeId, PropertyId, Schema};

/// A rule and the reads that its facts come from, as the schema cites them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleReads {
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) reads: BTreeSet<String>,
}

/// Returns what each rule in force reads; of those that `wanted` names, if it names any: rules, packs or policy files.
pub(super) fn rule_reads(repo: &Repo, compiled: &Compiled, wanted: &[String]) -> anyhow::Result<Vec<RuleReads>> {
    let policies = &compiled.policies;
    let selection = Selection::default();
    let params = repo.parameters(compiled, &selection)?;
    let packs = if wanted.is_empty() { repo.packs(compiled, &selection)? } else { None };
    for text in wanted {
        if !policies.rules.iter().any(|rule| names(compiled, text, rule)) {
            return Err(Failure::usage(format!("--for: `{text}` is no rule, no pack and no policy file with rules")).into());
        }
    }
    let select = |rule: &Rule| wanted.is_empty() || wanted.iter().any(|text| names(compiled, text, rule));
    // Nothing is evaluated, so no value depends on the instant.
    let now = jiff::Timestamp::UNIX_EPOCH;
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &select, subject: None, waivers: false };
    let plan = Plan::new(policies, &options).map_err(|error| Failure::usage(error.to_string()))?;
    let mut found: Vec<RuleReads> = Vec::new();
    for ((run, _), footprint) in plan.runs.iter().zip(&plan.footprints) {
        let Some(rule) = policies.rules.get(run.rule.0 as usize) else { continue };
        let mut reads = BTreeSet::new();
        add(policies.schema.entity(rule.entity).and_then(|entity| entity.source.api.as_deref()), &mut reads);
        for property in &footprint.properties {
            add(api_of(&policies.schema, *property), &mut reads);
        }
        // The past of these lists is in the activity log.
        let logged = ["arm:roleAssignments", "arm:registrationAssignments"];
        if footprint.past.iter().any(|property| api_of(&policies.schema, *property).is_some_and(|api| logged.contains(&api))) {
            reads.insert("arm:activityLog".to_owned());
        }
        for ty in &footprint.extents {
            add(api_of_type(&policies.schema, *ty), &mut reads);
        }
        found.push(RuleReads { rule: rule.id.clone(), title: rule.title.clone(), reads });
    }
    found.sort_by(|a, b| a.rule.cmp(&b.rule));
    found.dedup();
    Ok(found)
}

fn names(compiled: &Compiled, text: &str, rule: &Rule) -> bool {
    let policies = &compiled.policies;
    let in_pack = policies.packs.iter().any(|pack| {
        pack.name == text && pack.uses.iter().any(|one| policies.rules.get(one.rule.0 as usize).is_some_and(|used| used.id == rule.id))
    });
    let file = || compiled.sources.get(rule.span.file).is_some_and(|file| file.name.ends_with(text));
    matches_id(text, &rule.id) || in_pack || (Path::new(text).extension().is_some_and(|end| end == "tenet") && file())
}

/// A property without a read of its own comes with its entity.
fn api_of(schema: &Schema, property: PropertyId) -> Option<&str> {
    let property = schema.property(property)?;
    property.source.api.as_deref().or_else(|| api_of_type(schema, property.owner))
}

fn api_of_type(schema: &Schema, ty: EntityTypeId) -> Option<&str> {
    schema.entity(ty)?.source.api.as_deref()
}

fn add(api: Option<&str>, reads: &mut BTreeSet<String>) {
    reads.extend(api.into_iter().flat_map(|text| text.split(',')).map(|one| one.trim().to_owned()));
}

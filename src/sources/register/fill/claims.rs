//! What a register claims to be complete for, and what it leaves open.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::attest;
use super::super::declare::{Checker, EntityRef, ReadyRow, State};
use super::super::{CompletenessClaim, RegisterText, Subjects};
use crate::model::{Attestation, Bound, Completeness, EntityType, FactSource, Interval, Property, format_instant};
use crate::text::{Diagnostic, Span, did_you_mean};

/// A claim that fits the schema; its completeness does not name its source yet.
#[derive(Debug)]
pub(in crate::sources::register) struct ReadyClaim {
    pub(super) target: Target,
    pub(super) completeness: Completeness,
    pub(super) source: FactSource,
    pub(super) span: Span,
}

/// Of which list something is claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Extent(String),
    List(EntityRef, String),
}

const SILENT: &str = "the register does not say that it is complete";

/// Checks the claims of a register; lists nobody claims stay open, and say so.
pub(in crate::sources::register) fn check(
    checker: &mut Checker<'_>,
    entity: &EntityType,
    parsed: &RegisterText,
    rows: &[ReadyRow],
    captured_to: Option<Timestamp>,
) -> Vec<ReadyClaim> {
    let stated: Vec<CompletenessClaim> = parsed.claims.iter().chain(&checker.declaration.complete).cloned().collect();
    let mut claims: BTreeMap<Target, ReadyClaim> = BTreeMap::new();
    let lists = lists(checker, entity);
    for claim in &stated {
        if !checker.owns(entity) {
            let message = format!("which {} there are is read from a service, so a register cannot be complete for them", entity.name);
            checker.error("R0011", claim.span, message);
            continue;
        }
        for ready in check_claim(checker, entity, &lists, parsed, claim, captured_to) {
            claims.insert(ready.target.clone(), ready);
        }
    }
    if checker.owns(entity) {
        let span = rows.first().map_or_else(Span::default, |row| row.span);
        leave_open(checker, &mut claims, Target::Extent(entity.name.clone()), span);
        // If all rows there are are here, whether a list is whole follows from them.
        let whole = claims.get(&Target::Extent(entity.name.clone())).is_some_and(|claim| claim.completeness.complete);
        for row in rows.iter().filter(|_| !whole) {
            for (reference, inverse) in &lists {
                let fact = row.facts.iter().find(|fact| fact.of == row.id && fact.property == reference.name);
                if let Some(State::Refers(subject)) = fact.map(|fact| &fact.state) {
                    leave_open(checker, &mut claims, Target::List(subject.clone(), inverse.name.clone()), row.span);
                }
            }
        }
        for row in rows {
            for fact in row.facts.iter().filter(|fact| matches!(fact.state, State::Members(_))) {
                // A set that a row gives is as whole as the register says its rows are.
                let target = Target::List(fact.of.clone(), fact.property.clone());
                match claims.get(&Target::Extent(entity.name.clone())).filter(|claim| claim.completeness.complete) {
                    Some(claim) => {
                        let (completeness, source) = (claim.completeness.clone(), claim.source.clone());
                        claims.insert(target.clone(), ReadyClaim { target, completeness, source, span: fact.span });
                    }
                    None => leave_open(checker, &mut claims, target, fact.span),
                }
            }
        }
    }
    claims.into_values().collect()
}

fn leave_open(checker: &Checker<'_>, claims: &mut BTreeMap<Target, ReadyClaim>, target: Target, span: Span) {
    claims.entry(target.clone()).or_insert_with(|| {
        let file = checker.sources.get(span.file).map(|file| file.name.clone());
        let source = FactSource { location: file, ..checker.source(span, None) };
        ReadyClaim { target, completeness: Completeness::open(Some(SILENT.to_owned()), None), source, span }
    });
}

/// Returns the references of an entity whose other side is a list.
fn lists(checker: &Checker<'_>, entity: &EntityType) -> Vec<(Property, Property)> {
    let properties = entity.properties.values().filter_map(|id| checker.schema.property(*id));
    properties
        .filter(|property| !property.ty.set)
        .filter_map(|property| Some((property.clone(), checker.schema.property(property.inverse?)?.clone())))
        .filter(|(_, inverse)| inverse.ty.set)
        .collect()
}

fn check_claim(
    checker: &mut Checker<'_>,
    entity: &EntityType,
    lists: &[(Property, Property)],
    parsed: &RegisterText,
    claim: &CompletenessClaim,
    captured_to: Option<Timestamp>,
) -> Vec<ReadyClaim> {
    let Some(source) = source(checker, parsed, claim) else { return Vec::new() };
    let Some(completeness) = completeness(checker, claim, captured_to) else { return Vec::new() };
    let ready = |target| ReadyClaim { target, completeness: completeness.clone(), source: source.clone(), span: claim.span };
    let Subjects::Listed(ids) = &claim.subjects else {
        return vec![ready(Target::Extent(entity.name.clone()))];
    };
    let Some((reference, inverse)) = pick(checker, entity, lists, claim) else { return Vec::new() };
    let Some(holder) = reference.ty.entity().and_then(|id| checker.schema.entity(id)) else { return Vec::new() };
    let mut claims = Vec::new();
    for id in ids {
        let span = if id.span == Span::default() { claim.span } else { id.span };
        if let Some(key) = checker.entity_key(holder, &id.value, span, None) {
            claims.push(ready(Target::List(EntityRef { entity: holder.name.clone(), key }, inverse.name.clone())));
        }
    }
    claims
}

/// Returns the list a claim about single subjects is for.
fn pick(
    checker: &mut Checker<'_>,
    entity: &EntityType,
    lists: &[(Property, Property)],
    claim: &CompletenessClaim,
) -> Option<(Property, Property)> {
    let names: Vec<&str> = lists.iter().map(|(reference, _)| reference.name.as_str()).collect();
    match (&claim.list, lists) {
        (Some(name), _) => {
            let found = lists.iter().find(|(reference, _)| reference.name == *name).cloned();
            if found.is_none() {
                let near = did_you_mean(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let message = format!("{} has no reference `{name}` whose other side is a list", entity.name);
                checker.diagnostics.push(Diagnostic::error("R0011", claim.span, message).maybe_help(near));
            }
            found
        }
        (None, [only]) => Some(only.clone()),
        (None, []) => {
            checker.error("R0011", claim.span, format!("no list leads to {}; claim completeness for `all` of them", entity.name));
            None
        }
        (None, _) => {
            checker.error(
                "R0011",
                claim.span,
                format!("several lists lead to {}: add `list:` with one of {}", entity.name, names.join(", ")),
            );
            None
        }
    }
}

fn source(checker: &mut Checker<'_>, parsed: &RegisterText, claim: &CompletenessClaim) -> Option<FactSource> {
    let default = |name: &str| {
        let cell = parsed.defaults.iter().find(|cell| cell.name == name);
        cell.and_then(|cell| match &cell.value {
            super::super::CellValue::Text(text) => Some(text.clone()),
            _ => None,
        })
    };
    let attested_by = claim.attested_by.clone().or_else(|| default("attested_by")).or_else(|| checker.declaration.attested_by.clone());
    let attested_on = claim.attested_on.clone().or_else(|| default("attested_on")).or_else(|| checker.declaration.attested_on.clone());
    let review_due = default("review_due").or_else(|| checker.declaration.review_due.clone());
    let Some(attested_by) = attested_by else {
        checker.error("R0011", claim.span, "nobody vouches for the claim that nothing is missing: `attested_by` is missing");
        return None;
    };
    let attestation = Attestation {
        id: format!("{}:complete", checker.declaration.name),
        attested_by,
        attested_at: attested_on.and_then(|text| attest::instant(&text, claim.span, checker.diagnostics)),
        evidence_file: None,
        evidence_hash: None,
        review_due_at: review_due.and_then(|text| attest::last_instant(&text, claim.span, checker.diagnostics)),
    };
    Some(checker.source(claim.span, Some(attestation)))
}

/// A claim that ends before the snapshot was taken covers the past and says nothing of now.
fn completeness(checker: &mut Checker<'_>, claim: &CompletenessClaim, captured_to: Option<Timestamp>) -> Option<Completeness> {
    let from = match &claim.from {
        Some(text) => Some(attest::instant(text, claim.span, checker.diagnostics)?),
        None => None,
    };
    let to = match &claim.to {
        Some(text) => {
            let last = attest::last_instant(text, claim.span, checker.diagnostics)?;
            Some(last.checked_add(SignedDuration::from_secs(1)).unwrap_or(last))
        }
        None => None,
    };
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        checker.error("R0011", claim.span, "the claim ends before it begins");
        return None;
    }
    let ended = to.filter(|to| captured_to.is_none_or(|captured| captured >= *to));
    let reason = ended.and(claim.to.as_ref()).map(|to| format!("the register is complete up to {to} only"));
    let until = to.map_or(Bound::Unbounded, Bound::At);
    // Without a beginning nothing is claimed of earlier times.
    let covered = from.map(|from| Interval { from: Bound::At(from), to: until }).into_iter().collect();
    if from.is_none() && ended.is_some() {
        let message = format!("a claim that ended on {} says since when it held", ended.map(format_instant).unwrap_or_default());
        checker.diagnostics.push(Diagnostic::error("R0011", claim.span, message).help("add `from`"));
        return None;
    }
    Some(Completeness { complete: ended.is_none(), reason, covered, source: None })
}

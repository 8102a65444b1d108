//! Checked rows and claims to facts of a builder.

pub(super) mod claims;

use self::claims::{ReadyClaim, Target};
use super::declare::{Checked, EntityRef, Fact, State};
use crate::model::{Completeness, Interval, SourceId};
use crate::snapshot::{BuildError, Handle, SnapshotBuilder};
use crate::text::Diagnostic;

/// Adds all facts. An error here means that a check was forgotten; it is reported and not hidden.
pub(super) fn fill(builder: &mut SnapshotBuilder, checked: &Checked) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for row in &checked.rows {
        let source = builder.source(row.source.clone());
        let mut state = || -> Result<(), BuildError> {
            entity(builder, &row.id)?;
            row.facts.iter().try_for_each(|fact| add(builder, fact, source))
        };
        if let Err(error) = state() {
            diagnostics.push(Diagnostic::error("R0016", row.span, error.to_string()));
        }
    }
    for claim in &checked.claims {
        if let Err(error) = add_claim(builder, claim) {
            diagnostics.push(Diagnostic::error("R0016", claim.span, error.to_string()));
        }
    }
    diagnostics
}

fn entity(builder: &mut SnapshotBuilder, id: &EntityRef) -> Result<Handle, BuildError> {
    builder.entity_named(&id.entity, &id.key)
}

fn add(builder: &mut SnapshotBuilder, fact: &Fact, source: SourceId) -> Result<(), BuildError> {
    let handle = entity(builder, &fact.of)?;
    let name = fact.property.as_str();
    match &fact.state {
        State::Unknown(reason) if is_set(builder, handle, name) => {
            builder.claim(handle, name, Completeness::open(Some(reason.clone()), Some(source)))
        }
        State::Unknown(reason) => builder.set_unknown(handle, name, reason, source),
        State::None => builder.set_none(handle, name, source),
        State::Value(value) => builder.set(handle, name, value.clone(), source),
        State::Refers(target) => {
            let target = entity(builder, target)?;
            builder.refer(handle, name, target, source)
        }
        State::Members(members) => members.iter().try_for_each(|member| match member {
            State::Refers(target) => {
                let target = entity(builder, target)?;
                builder.link(handle, name, target, Interval::CURRENT, source)
            }
            State::Value(value) => builder.add_value(handle, name, value.clone(), source),
            _ => Ok(()),
        }),
    }
}

fn is_set(builder: &SnapshotBuilder, handle: Handle, name: &str) -> bool {
    let property = builder.type_of(handle).and_then(|ty| builder.schema().property_named(ty, name));
    property.is_some_and(|property| property.ty.set)
}

fn add_claim(builder: &mut SnapshotBuilder, claim: &ReadyClaim) -> Result<(), BuildError> {
    let source = builder.source(claim.source.clone());
    let completeness = Completeness { source: Some(source), ..claim.completeness.clone() };
    match &claim.target {
        Target::Extent(name) => {
            let ty = builder.entity_type(name)?;
            builder.claim_extent(ty, completeness);
            Ok(())
        }
        Target::List(id, property) => {
            let handle = entity(builder, id)?;
            builder.claim(handle, property, completeness)
        }
    }
}

//! The world of a test: what is given is known, what is left out is none or unknown, lists are whole unless opened.

use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::check::{GivenValue, MissingTarget, Policies, Test};
use crate::model::{Bound, Completeness, FactSource, Interval, Property, PropertyId, SourceId, SourceKind, Value};
use crate::snapshot::{BuildError, Handle, Snapshot, SnapshotBuilder};

/// Why a world cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorldError {
    /// A fact does not fit the schema.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Two entities share a key.
    #[error("`{0}` and `{1}` are the same entity")]
    SameKey(String, String),
}

/// Builds the snapshot of a test, and the entity of each given name by place.
///
/// # Errors
/// If a fact does not fit the schema, or two names share a key.
pub fn world(policies: &Policies, test: &Test) -> Result<(Snapshot, Vec<crate::model::EntityId>), WorldError> {
    let mut builder = SnapshotBuilder::new(Arc::clone(&policies.schema));
    builder.meta_mut().closed_world = true;
    let source = builder.source(FactSource::new(SourceKind::Test, "the test's world"));
    let mut handles: Vec<Handle> = Vec::new();
    for entity in &test.entities {
        let handle = builder.entity(entity.entity, &entity.key)?;
        if let Some(at) = handles.iter().position(|known| *known == handle) {
            let other = test.entities.get(at).map_or_else(String::new, |other| other.name.clone());
            return Err(WorldError::SameKey(other, entity.name.clone()));
        }
        handles.push(handle);
    }
    let mut given = Given { policies, test, builder, handles, source };
    given.fields()?;
    given.history()?;
    given.omitted()?;
    given.missing()?;
    let Given { builder, handles, .. } = given;
    let keys: Vec<(crate::model::EntityTypeId, String)> =
        handles.iter().zip(&test.entities).map(|(handle, entity)| (entity.entity, builder.key_of(*handle).to_owned())).collect();
    let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), builder.records());
    let ids = keys.iter().filter_map(|(ty, key)| snapshot.find(*ty, key)).collect();
    Ok((snapshot, ids))
}

struct Given<'a> {
    policies: &'a Policies,
    test: &'a Test,
    builder: SnapshotBuilder,
    handles: Vec<Handle>,
    source: SourceId,
}

impl Given<'_> {
    fn property(&self, id: PropertyId) -> Option<Property> {
        self.policies.schema.property(id).cloned()
    }

    fn handle(&self, at: usize) -> Option<Handle> {
        self.handles.get(at).copied()
    }

    fn value(&self, value: &GivenValue) -> Option<Value> {
        match value {
            GivenValue::Scalar(value) => Some(value.clone()),
            GivenValue::Entity(at) => self.handle(*at).map(Handle::value),
            GivenValue::None | GivenValue::Set(_) => None,
        }
    }

    fn fields(&mut self) -> Result<(), WorldError> {
        let test = self.test;
        for (entity, handle) in test.entities.iter().zip(self.handles.clone()) {
            for (id, value) in &entity.fields {
                let Some(property) = self.property(*id) else { continue };
                match value {
                    GivenValue::None => self.builder.set_none(handle, &property.name, self.source)?,
                    GivenValue::Set(members) => {
                        for member in members {
                            match member {
                                GivenValue::Entity(at) => {
                                    let Some(member) = self.handle(*at) else { continue };
                                    self.builder.link(handle, &property.name, member, Interval::ALWAYS, self.source)?;
                                }
                                GivenValue::Scalar(value) => self.builder.add_value(handle, &property.name, value.clone(), self.source)?,
                                GivenValue::None | GivenValue::Set(_) => {}
                            }
                        }
                    }
                    single => {
                        if let Some(value) = self.value(single) {
                            self.builder.set(handle, &property.name, value, self.source)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn history(&mut self) -> Result<(), WorldError> {
        let test = self.test;
        let bound = |at: Option<Timestamp>| at.map_or(Bound::Unbounded, Bound::At);
        for link in &test.links {
            let (Some(handle), Some(member), Some(property)) =
                (self.handle(link.entity), self.handle(link.member), self.property(link.property))
            else {
                continue;
            };
            let interval = Interval { from: bound(link.from), to: bound(link.until) };
            self.builder.link(handle, &property.name, member, interval, self.source)?;
        }
        for entry in &test.history {
            let (Some(handle), Some(property)) = (self.handle(entry.entity), self.property(entry.property)) else { continue };
            let interval = Interval { from: bound(entry.from), to: bound(entry.until) };
            self.builder.had(handle, &property.name, self.value(&entry.value), interval, self.source)?;
        }
        Ok(())
    }

    /// An optional attribute that is left out is none; a required one stays unknown.
    fn omitted(&mut self) -> Result<(), WorldError> {
        let test = self.test;
        let schema = Arc::clone(&self.policies.schema);
        for (at, (entity, handle)) in test.entities.iter().zip(self.handles.clone()).enumerate() {
            let Some(ty) = schema.entity(entity.entity) else { continue };
            for (name, id) in &ty.properties {
                let Some(property) = schema.property(*id) else { continue };
                let given = entity.fields.iter().any(|(known, _)| known == id);
                let missing =
                    test.missing.iter().any(|missing| missing.target == MissingTarget::Property(at, *id) && missing.before.is_none());
                if property.ty.optional && !property.ty.set && !given && !missing && !self.implied(handle, property) {
                    self.builder.set_none(handle, name, self.source)?;
                }
            }
        }
        Ok(())
    }

    /// Tells whether the other side of a reference was given as a set, which states this side too.
    fn implied(&self, handle: Handle, property: &Property) -> bool {
        let Some(inverse) = property.inverse else { return false };
        let at = self.handles.iter().position(|known| *known == handle);
        let in_fields = self.test.entities.iter().flat_map(|entity| &entity.fields).any(|(id, value)| {
            *id == inverse
                && matches!(value, GivenValue::Set(members) if members.iter().any(|member| matches!(member, GivenValue::Entity(m) if Some(*m) == at)))
        });
        in_fields || self.test.links.iter().any(|link| link.property == inverse && Some(link.member) == at)
    }

    fn missing(&mut self) -> Result<(), WorldError> {
        for missing in &self.test.missing {
            let open = Completeness::open(Some(missing.because.clone()), Some(self.source));
            let claim = match missing.before {
                None => open,
                Some(before) => Completeness { complete: true, covered: vec![Interval::since(before)], ..open },
            };
            match missing.target {
                MissingTarget::Extent(ty) => self.builder.claim_extent(ty, claim),
                MissingTarget::Property(at, id) => {
                    let (Some(handle), Some(property)) = (self.handle(at), self.property(id)) else { continue };
                    if property.ty.set {
                        self.builder.claim(handle, &property.name, claim)?;
                    } else if let Some(before) = missing.before {
                        // Known from then on only: the present value holds since that instant.
                        let now = self.test.entities.get(at).and_then(|entity| entity.fields.iter().find(|(known, _)| *known == id));
                        let value = now.and_then(|(_, value)| self.value(value));
                        self.builder.had(handle, &property.name, value, Interval::since(before), self.source)?;
                    } else {
                        self.builder.set_unknown(handle, &property.name, &missing.because, self.source)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The instant of a test that does not say one: no rule that reads `now` may be tested without saying it.
#[must_use]
pub fn test_instant(test: &Test) -> Timestamp {
    test.now.unwrap_or(Timestamp::UNIX_EPOCH)
}

//! Registers that say something else than a service: each such fact becomes an entity, so that a rule can report it.

use std::sync::Arc;

use super::builder::{BuildError, Handle, Node, SnapshotBuilder};
use super::records::CellState;
use super::resolve::{agree, contradicted, own_facts};
use crate::model::{EntityTypeId, FactSource, Schema, SourceId, SourceKind, Value};

/// The type of these entities. The schema that ships with the program has it; one without gets none.
const TYPE: &str = "Contradiction";

/// Returns the type whose entities follow from all other facts: nobody has to say that these are all.
#[must_use]
pub fn contradictions_type(schema: &Schema) -> Option<EntityTypeId> {
    schema.entity_named(TYPE).map(|entity| entity.id)
}

/// A fact of a register that differs from what counts.
struct Contradiction {
    /// `Subscription.agreement of ID`
    key: String,
    subject_type: String,
    subject_id: Arc<str>,
    property: String,
    attested: (CellState, SourceId),
    read: (CellState, SourceId),
}

impl SnapshotBuilder {
    /// Makes an entity of each fact of a register that is not what was read.
    pub(super) fn note_contradictions(&mut self) {
        if contradictions_type(&self.schema).is_none() || !self.sources.iter().any(|source| source.kind == SourceKind::Register) {
            return;
        }
        let found: Vec<Contradiction> = self.nodes.iter().flat_map(|node| self.contradictions_of(node)).collect();
        for contradiction in &found {
            // The schema may have a type of that name that is meant for something else.
            if let Err(error) = self.add_contradiction(contradiction) {
                self.problem(format!("{}: a contradiction cannot be kept: {error}", contradiction.key));
            }
        }
    }

    fn contradictions_of(&self, node: &Node) -> Vec<Contradiction> {
        let is_attested = |id: &SourceId| self.sources.get(id.0 as usize).is_some_and(|source| source.kind == SourceKind::Register);
        if !node.facts.iter().any(|(.., source)| is_attested(source)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (property, facts) in own_facts(node, &self.schema) {
            let mut facts: Vec<(CellState, SourceId)> = facts.into_iter().map(|(state, source)| (state.clone(), *source)).collect();
            facts.sort_by_cached_key(|(state, source)| (self.said(state), self.sources.get(source.0 as usize)));
            let counts = agree(&facts, &self.sources, &self.schema);
            let Some(read_from) = counts.source else { continue };
            let mut attested: Vec<_> = contradicted(&facts, &self.sources, &counts).cloned().collect();
            attested.dedup_by(|one, other| one.0 == other.0);
            let property = self.schema.property(property).map_or("?", |property| property.name.as_str());
            let subject_type = self.schema.entity_name(node.entity_type);
            for (n, attested) in (1..).zip(attested) {
                let another = if n == 1 { String::new() } else { format!(" ({n})") };
                found.push(Contradiction {
                    key: format!("{subject_type}.{property} of {}{another}", node.key),
                    subject_type: subject_type.to_owned(),
                    subject_id: Arc::clone(&node.key),
                    property: property.to_owned(),
                    attested,
                    read: (counts.state.clone(), read_from),
                });
            }
        }
        found
    }

    fn add_contradiction(&mut self, found: &Contradiction) -> Result<(), BuildError> {
        let handle = self.entity_named(TYPE, &found.key)?;
        // Its name sorts before that of keys, `identity`, which freezing appends to the sorted list of sources.
        let concluded = self.source(FactSource::new(SourceKind::Derived, "contradictions"));
        for (name, text) in [("subject_type", &*found.subject_type), ("subject_id", &found.subject_id), ("property", &found.property)] {
            self.set(handle, name, Value::text(text), concluded)?;
        }
        for (name, (state, source)) in [("attested_value", &found.attested), ("read_value", &found.read)] {
            self.tell(handle, name, state, *source)?;
        }
        Ok(())
    }

    fn tell(&mut self, handle: Handle, name: &str, state: &CellState, source: SourceId) -> Result<(), BuildError> {
        match state {
            CellState::Unknown(reason) => self.set_unknown(handle, name, reason.as_deref().unwrap_or("not read"), source),
            known => self.set(handle, name, Value::text(self.said(known)), source),
        }
    }

    /// Writes a value for people; entities by their key.
    fn said(&self, state: &CellState) -> String {
        match state {
            CellState::Known(Value::Entity(id)) => self.key_of(Handle::of(*id)).to_owned(),
            CellState::Known(value) => value.display(&self.schema),
            CellState::None => "none".to_owned(),
            CellState::Unknown(_) => String::new(),
        }
    }
}

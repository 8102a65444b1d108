//! Takes facts in any order and makes canonical records of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::records::{CellState, Record, Records, SnapshotMeta};
use crate::model::{
    Base, Bound, Completeness, EntityId, EntityTypeId, FactSource, Interval, Property, PropertyId, Schema, SourceId, Value, ValueError,
    canonical_key, parse_scalar,
};

/// An entity of a builder under construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub(super) u32);

/// What a builder refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// A type name that is not in the schema.
    #[error("there is no entity type `{0}` in the schema")]
    NoType(String),
    /// A property that the type does not have.
    #[error("{entity} has no property `{property}`")]
    NoProperty {
        /// The type.
        entity: String,
        /// The name asked for.
        property: String,
    },
    /// A key that cannot identify anything.
    #[error("`{key}` cannot be the key of a {entity}: {reason}")]
    BadKey {
        /// The type.
        entity: String,
        /// The key as given.
        key: String,
        /// Why not.
        reason: String,
    },
    /// A set property used as an attribute, or the other way round.
    #[error("{entity}.{property} is {is}, not {wanted}")]
    WrongShape {
        /// The type.
        entity: String,
        /// The property.
        property: String,
        /// What it is.
        is: &'static str,
        /// What the caller took it for.
        wanted: &'static str,
    },
    /// More entities than a dense id can count.
    #[error("a snapshot holds at most {limit} entities")]
    TooMany {
        /// The limit.
        limit: u32,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) entity_type: EntityTypeId,
    pub(super) key: Arc<str>,
    pub(super) type_clash: bool,
    pub(super) lifetimes: Vec<Interval>,
    /// One after the other: a map of lists takes three times the memory, and a snapshot has millions of facts.
    pub(super) facts: Vec<(PropertyId, CellState, SourceId)>,
    pub(super) history: Vec<(PropertyId, Interval, CellState, SourceId)>,
    pub(super) edges: Vec<(PropertyId, Value, Interval, SourceId)>,
    pub(super) claims: BTreeMap<PropertyId, Vec<Completeness>>,
}

/// Collects facts. Values of entity type hold builder handles until [`SnapshotBuilder::records`] renumbers them.
#[derive(Debug, Clone)]
pub struct SnapshotBuilder {
    pub(super) schema: Arc<Schema>,
    pub(super) meta: SnapshotMeta,
    pub(super) sources: Vec<FactSource>,
    source_ids: HashMap<FactSource, SourceId>,
    pub(super) nodes: Vec<Node>,
    by_key: HashMap<(EntityTypeId, Arc<str>), Handle>,
    pub(super) extents: BTreeMap<EntityTypeId, Vec<Completeness>>,
}

const ENTITIES_MAX: u32 = u32::MAX - 1;
/// For how many more facts of an entity room is made at a time.
const FACTS_STEP: usize = 4;

impl SnapshotBuilder {
    /// Starts an empty snapshot.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            meta: SnapshotMeta::default(),
            sources: Vec::new(),
            source_ids: HashMap::new(),
            nodes: Vec::new(),
            by_key: HashMap::new(),
            extents: BTreeMap::new(),
        }
    }

    /// Takes up the facts of finished records again, to add to them or to change them.
    ///
    /// Handles are numbered as the entities of `records` are.
    #[must_use]
    pub fn from_records(schema: Arc<Schema>, records: Records) -> Self {
        let mut builder = Self::new(schema);
        builder.meta = records.meta;
        let ids = (0_u32..).map(SourceId);
        builder.source_ids = records.sources.iter().cloned().zip(ids).collect();
        builder.sources = records.sources;
        for (at, record) in (0_u32..).zip(records.entities) {
            let root = builder.schema.entity(record.entity_type).map_or(record.entity_type, |ty| ty.root);
            builder.by_key.insert((root, Arc::clone(&record.key)), Handle(at));
            builder.nodes.push(Node::from_record(record));
        }
        for extent in records.extents {
            builder.claim_extent(extent.entity_type, extent.completeness);
        }
        builder
    }

    /// Returns the schema facts are checked against.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Gives access to what the snapshot says of itself.
    pub fn meta_mut(&mut self) -> &mut SnapshotMeta {
        &mut self.meta
    }

    /// Notes something that does not fit together; kept in the snapshot and shown.
    pub fn problem(&mut self, text: impl Into<String>) {
        self.meta.problems.push(text.into());
    }

    /// Widens the capture window so that it holds `instant`.
    pub fn captured_at(&mut self, instant: Timestamp) {
        let meta = &mut self.meta;
        meta.captured_from = Some(meta.captured_from.map_or(instant, |from| from.min(instant)));
        meta.captured_to = Some(meta.captured_to.map_or(instant, |to| to.max(instant)));
    }

    /// Registers a source; equal sources share an id.
    pub fn source(&mut self, source: FactSource) -> SourceId {
        if let Some(id) = self.source_ids.get(&source) {
            return *id;
        }
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(source.clone());
        self.source_ids.insert(source, id);
        id
    }

    /// Returns the type of a name.
    ///
    /// # Errors
    /// [`BuildError::NoType`].
    pub fn entity_type(&self, name: &str) -> Result<EntityTypeId, BuildError> {
        self.schema.entity_named(name).map(|ty| ty.id).ok_or_else(|| BuildError::NoType(name.to_owned()))
    }

    /// Returns the entity of a key, made if it is new.
    ///
    /// An abstract type serves where the source does not tell the concrete one; a later call may name it. Two different
    /// concrete types for one key are a problem: the entity keeps its abstract type.
    ///
    /// # Errors
    /// [`BuildError::BadKey`] for an empty key or one that its type's pattern refuses.
    pub fn entity(&mut self, ty: EntityTypeId, key: &str) -> Result<Handle, BuildError> {
        let schema = Arc::clone(&self.schema);
        let Some(entity) = schema.entity(ty) else { return Err(BuildError::NoType(format!("#{}", ty.0))) };
        let bad = |reason: String| BuildError::BadKey { entity: entity.name.clone(), key: key.to_owned(), reason };
        let canonical = canonical_key(entity.key.base, key);
        if canonical.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        if let Err(ValueError::Misfit(reason)) = parse_scalar(&schema, entity.key, &canonical) {
            return Err(bad(reason));
        }
        let canonical: Arc<str> = Arc::from(canonical);
        if let Some(handle) = self.by_key.get(&(entity.root, Arc::clone(&canonical))).copied() {
            self.refine(handle, ty);
            return Ok(handle);
        }
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        if at >= ENTITIES_MAX {
            return Err(BuildError::TooMany { limit: ENTITIES_MAX });
        }
        self.nodes.push(Node::new(ty, Arc::clone(&canonical)));
        self.by_key.insert((entity.root, canonical), Handle(at));
        Ok(Handle(at))
    }

    /// Like [`SnapshotBuilder::entity`] with the name of the type.
    ///
    /// # Errors
    /// As there, and [`BuildError::NoType`].
    pub fn entity_named(&mut self, ty: &str, key: &str) -> Result<Handle, BuildError> {
        let ty = self.entity_type(ty)?;
        self.entity(ty, key)
    }

    /// Returns the entity of a key if some fact named it before.
    #[must_use]
    pub fn find(&self, ty: &str, key: &str) -> Option<Handle> {
        let entity = self.schema.entity_named(ty)?;
        let key: Arc<str> = Arc::from(canonical_key(entity.key.base, key));
        self.by_key.get(&(entity.root, key)).copied()
    }

    /// Returns the type an entity has so far.
    #[must_use]
    pub fn type_of(&self, handle: Handle) -> Option<EntityTypeId> {
        self.node(handle).map(|node| node.entity_type)
    }

    /// Returns the canonical key of an entity.
    #[must_use]
    pub fn key_of(&self, handle: Handle) -> &str {
        self.node(handle).map_or("", |node| &node.key)
    }

    /// Iterates over all entities made so far.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(Handle)
    }

    fn refine(&mut self, handle: Handle, ty: EntityTypeId) {
        let schema = Arc::clone(&self.schema);
        let Some(node) = self.nodes.get_mut(handle.0 as usize) else { return };
        if node.type_clash || schema.is_subtype(node.entity_type, ty) {
            return;
        }
        if schema.is_subtype(ty, node.entity_type) {
            node.entity_type = ty;
            return;
        }
        node.type_clash = true;
        let mut names = [schema.entity_name(node.entity_type), schema.entity_name(ty)];
        names.sort_unstable();
        let text = format!("{} is called a {} and a {}; its type is unknown", node.key, names[0], names[1]);
        if let Some(root) = schema.entity(ty) {
            node.entity_type = root.root;
        }
        self.problem(text);
    }

    fn node(&self, handle: Handle) -> Option<&Node> {
        self.nodes.get(handle.0 as usize)
    }

    /// Returns the property of an entity by name. For a placeholder of an abstract type, properties of its subtypes are
    /// found too, so that facts may come before the type is known.
    fn property(&self, handle: Handle, name: &str) -> Result<Property, BuildError> {
        let ty = self.type_of(handle).unwrap_or(EntityTypeId(u32::MAX));
        let own = self.schema.property_named(ty, name);
        let below = || self.schema.subtypes(ty).find_map(|sub| self.schema.property_named(sub.id, name));
        own.or_else(below)
            .cloned()
            .ok_or_else(|| BuildError::NoProperty { entity: self.schema.entity_name(ty).to_owned(), property: name.to_owned() })
    }

    fn shape_error(&self, property: &Property, wanted: &'static str) -> BuildError {
        BuildError::WrongShape {
            entity: self.schema.entity_name(property.owner).to_owned(),
            property: property.name.clone(),
            is: if property.ty.set { "a set" } else { "a single value" },
            wanted,
        }
    }

    fn single(&self, handle: Handle, name: &str) -> Result<Property, BuildError> {
        let property = self.property(handle, name)?;
        if property.ty.set { Err(self.shape_error(&property, "a single value")) } else { Ok(property) }
    }

    fn set_property(&self, handle: Handle, name: &str) -> Result<Property, BuildError> {
        let property = self.property(handle, name)?;
        if property.ty.set { Ok(property) } else { Err(self.shape_error(&property, "a set")) }
    }

    fn push(&mut self, handle: Handle, property: PropertyId, state: CellState, source: SourceId) {
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            let is_known = |(of, known, from): &(PropertyId, CellState, SourceId)| *of == property && *from == source && *known == state;
            if !node.facts.iter().any(is_known) {
                // An entity has a handful of facts: doubling would leave much of the memory of a large tenant empty.
                if node.facts.len() == node.facts.capacity() {
                    node.facts.reserve_exact(FACTS_STEP);
                }
                node.facts.push((property, state, source));
            }
        }
    }

    /// States a cell as [`Records`](super::Records) hold it, when a stored snapshot is read again.
    pub fn restate(&mut self, handle: Handle, property: PropertyId, state: CellState, source: SourceId) {
        self.push(handle, property, state, source);
    }

    /// States an earlier value as records hold it.
    pub fn restate_history(&mut self, handle: Handle, property: PropertyId, interval: Interval, state: CellState, source: SourceId) {
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.history.push((property, interval, state, source));
        }
    }

    /// States a member of a set as records hold it: such a set has no single-valued other side.
    pub fn restate_edge(&mut self, handle: Handle, property: PropertyId, member: Value, interval: Interval, source: SourceId) {
        self.add_edge(handle, property, member, interval, source);
    }

    /// States a claim as records hold it.
    pub fn restate_claim(&mut self, handle: Handle, property: PropertyId, completeness: Completeness) {
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.claims.entry(property).or_default().push(completeness);
        }
    }

    /// States the value of an attribute.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn set(&mut self, handle: Handle, name: &str, value: Value, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        self.push(handle, property.id, CellState::Known(value), source);
        Ok(())
    }

    /// States the value of an attribute as text from outside. A text that does not fit makes the fact unknown, with the
    /// spelling kept in the reason; a date of year 0001 means none.
    ///
    /// # Errors
    /// If the entity has no such single-valued property, or the key of a referenced entity is unusable.
    pub fn set_text(&mut self, handle: Handle, name: &str, text: &str, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        let state = self.state_of_text(&property, text)?;
        self.push(handle, property.id, state, source);
        Ok(())
    }

    fn state_of_text(&mut self, property: &Property, text: &str) -> Result<CellState, BuildError> {
        if let Base::Entity(ty) = property.ty.base {
            let target = self.entity(ty, text)?;
            return Ok(CellState::Known(target.value()));
        }
        Ok(match parse_scalar(&self.schema, property.ty, text) {
            Ok(value) => CellState::Known(value),
            Err(ValueError::Unset) if property.ty.optional => CellState::None,
            Err(ValueError::Unset) => CellState::Unknown(Some(Arc::from("the source says none where a value is required"))),
            Err(ValueError::Misfit(reason)) => CellState::Unknown(Some(Arc::from(reason))),
        })
    }

    /// Ends an entity at `at`, and its membership in every list, for simulations.
    pub fn end(&mut self, handle: Handle, at: Timestamp) {
        self.existed(handle, Interval { from: Bound::Unknown, to: Bound::At(at) });
        let member = handle.value();
        let schema = &self.schema;
        let two_sided = |id: PropertyId| schema.property(id).is_some_and(|property| property.inverse.is_some());
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let own = place == handle.0 as usize;
            let ends = |property: PropertyId, value: &Value| *value == member || own && two_sided(property);
            for (_, _, interval, _) in node.edges.iter_mut().filter(|(property, value, _, _)| ends(*property, value)) {
                interval.to = Bound::At(at);
            }
        }
    }

    /// Puts a value in place of everything said of an attribute before, for simulations.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn overwrite(&mut self, handle: Handle, name: &str, value: Option<Value>, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            let state = value.map_or(CellState::None, CellState::Known);
            node.facts.retain(|(of, ..)| *of != property.id);
            node.facts.push((property.id, state, source));
        }
        Ok(())
    }

    /// Puts *unknown* in place of everything said of an attribute before, for simulations.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn overwrite_unknown(&mut self, handle: Handle, name: &str, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.facts.retain(|(of, ..)| *of != property.id);
            node.facts.push((property.id, CellState::Unknown(Some(Arc::from("the simulation does not know it"))), source));
        }
        Ok(())
    }

    /// States that an optional attribute has no value. For a required one it makes the fact unknown: the source left out
    /// what every entity has.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn set_none(&mut self, handle: Handle, name: &str, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        let state = if property.ty.optional {
            CellState::None
        } else {
            CellState::Unknown(Some(Arc::from("the source says none where a value is required")))
        };
        self.push(handle, property.id, state, source);
        Ok(())
    }

    /// States that somebody tried to read an attribute and could not.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn set_unknown(&mut self, handle: Handle, name: &str, reason: &str, source: SourceId) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        self.push(handle, property.id, CellState::Unknown(Some(Arc::from(reason))), source);
        Ok(())
    }

    /// States that an attribute refers to another entity.
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn refer(&mut self, handle: Handle, name: &str, target: Handle, source: SourceId) -> Result<(), BuildError> {
        self.set(handle, name, target.value(), source)
    }

    /// States the value an attribute had for a while (`None`: it had none).
    ///
    /// # Errors
    /// If the entity has no such single-valued property.
    pub fn had(
        &mut self,
        handle: Handle,
        name: &str,
        value: Option<Value>,
        interval: Interval,
        source: SourceId,
    ) -> Result<(), BuildError> {
        let property = self.single(handle, name)?;
        let state = value.map_or(CellState::None, CellState::Known);
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.history.push((property.id, interval, state, source));
        }
        Ok(())
    }

    /// States since when, and until when, an entity exists.
    pub fn existed(&mut self, handle: Handle, interval: Interval) {
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.lifetimes.reserve_exact(1);
            node.lifetimes.push(interval);
        }
    }

    /// States that `member` is in a set of `handle`. A set whose other side is single-valued states that side too.
    ///
    /// # Errors
    /// If the entity has no such set.
    pub fn link(&mut self, handle: Handle, name: &str, member: Handle, interval: Interval, source: SourceId) -> Result<(), BuildError> {
        let property = self.set_property(handle, name)?;
        let inverse = property.inverse.and_then(|id| self.schema.property(id)).cloned();
        let Some(inverse) = inverse.filter(|inverse| !inverse.ty.set) else {
            self.add_edge(handle, property.id, member.value(), interval, source);
            return Ok(());
        };
        if !inverse.history || interval.to == Bound::Unbounded {
            self.push(member, inverse.id, CellState::Known(handle.value()), source);
        }
        if inverse.history
            && interval != Interval::CURRENT
            && let Some(node) = self.nodes.get_mut(member.0 as usize)
        {
            node.history.push((inverse.id, interval, CellState::Known(handle.value()), source));
        }
        Ok(())
    }

    /// States that a scalar is in a set of `handle`.
    ///
    /// # Errors
    /// If the entity has no such set.
    pub fn add_value(&mut self, handle: Handle, name: &str, value: Value, source: SourceId) -> Result<(), BuildError> {
        let property = self.set_property(handle, name)?;
        self.add_edge(handle, property.id, value, Interval::CURRENT, source);
        Ok(())
    }

    fn add_edge(&mut self, handle: Handle, property: PropertyId, member: Value, interval: Interval, source: SourceId) {
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.edges.push((property, member, interval, source));
        }
    }

    /// Claims something of one list of one entity. Several claims are merged: one *complete* wins, covered times add up.
    ///
    /// # Errors
    /// If the entity has no such property.
    pub fn claim(&mut self, handle: Handle, name: &str, completeness: Completeness) -> Result<(), BuildError> {
        let property = self.property(handle, name)?;
        if let Some(node) = self.nodes.get_mut(handle.0 as usize) {
            node.claims.entry(property.id).or_default().push(completeness);
        }
        Ok(())
    }

    /// Claims something of the list of all entities of a type.
    pub fn claim_extent(&mut self, ty: EntityTypeId, completeness: Completeness) {
        self.extents.entry(ty).or_default().push(completeness);
    }
}

/// What folding and importers ask of the facts so far.
impl SnapshotBuilder {
    /// Returns for which time an entity exists, as it was stated.
    #[must_use]
    pub fn lifetime_of(&self, handle: Handle) -> Interval {
        self.node(handle).map_or(Interval::CURRENT, |node| super::resolve::merge_lifetimes(&node.lifetimes))
    }

    /// Returns the value of a reference, if all that is said of it is the same.
    pub(super) fn place_of(&self, handle: Handle, property: PropertyId) -> Option<Value> {
        let mut known = self.known(handle, property).filter_map(|(state, _)| match state {
            CellState::Known(value) => Some(value),
            _ => None,
        });
        let first = known.next()?;
        known.all(|other| other == first).then(|| first.clone())
    }

    /// Returns what is known of an attribute, and who says so.
    pub(super) fn known(&self, handle: Handle, property: PropertyId) -> impl Iterator<Item = (&CellState, SourceId)> {
        let facts = self.node(handle).into_iter().flat_map(|node| &node.facts);
        let known = facts.filter(move |(of, state, _)| *of == property && !matches!(state, CellState::Unknown(_)));
        known.map(|(_, state, source)| (state, *source))
    }

    /// Returns who says what the value of an attribute is, if somebody knows.
    pub(crate) fn known_source(&self, handle: Handle, name: &str) -> Option<SourceId> {
        let property = self.single(handle, name).ok()?.id;
        self.known(handle, property).next().map(|(_, source)| source)
    }

    /// Returns what was claimed of a list.
    pub(super) fn claims_of(&self, handle: Handle, list: PropertyId) -> &[Completeness] {
        self.node(handle).and_then(|node| node.claims.get(&list)).map_or(&[], Vec::as_slice)
    }

    /// Returns the lists of an entity of which somebody says for which times they are whole.
    pub(super) fn covered_lists(&self, handle: Handle) -> Vec<PropertyId> {
        let claims = self.node(handle).into_iter().flat_map(|node| &node.claims);
        claims.filter(|(_, claims)| claims.iter().any(|claim| !claim.covered.is_empty())).map(|(list, _)| *list).collect()
    }

    /// Takes back for which times a list is whole.
    pub(super) fn forget_covers(&mut self, handle: Handle, list: PropertyId) {
        let claims = self.nodes.get_mut(handle.0 as usize).and_then(|node| node.claims.get_mut(&list));
        for claim in claims.into_iter().flatten() {
            claim.covered.clear();
        }
    }
}

impl Node {
    pub(super) fn new(entity_type: EntityTypeId, key: Arc<str>) -> Self {
        Self {
            entity_type,
            key,
            type_clash: false,
            lifetimes: Vec::new(),
            facts: Vec::new(),
            history: Vec::new(),
            edges: Vec::new(),
            claims: BTreeMap::new(),
        }
    }
}

impl Node {
    fn from_record(record: Record) -> Self {
        let mut node = Self::new(record.entity_type, record.key);
        node.lifetimes.push(record.lifetime);
        for (property, cell) in record.cells {
            if let Some(source) = cell.source {
                node.facts.push((property, cell.state, source));
            }
        }
        for (property, entry) in record.history {
            if let Some(source) = entry.source {
                node.history.push((property, entry.interval, entry.state, source));
            }
        }
        for (property, edge) in record.edges {
            if let Some(source) = edge.source {
                node.edges.push((property, edge.member, edge.interval, source));
            }
        }
        for (property, claim) in record.completeness {
            node.claims.insert(property, vec![claim]);
        }
        node
    }
}

impl Handle {
    /// Returns the handle of an entity of the records a builder was made from.
    #[must_use]
    pub fn of(id: EntityId) -> Self {
        Self(id.0)
    }

    /// Returns the entity as a value, for [`SnapshotBuilder::set`] and [`SnapshotBuilder::had`].
    #[must_use]
    pub fn value(self) -> Value {
        Value::Entity(EntityId(self.0))
    }
}

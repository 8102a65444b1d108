//! A snapshot with a few changes laid over it: what a simulation reads. Copy on write, so that trying something costs what it
//! changes.
//!
//! Invariants: what lies below is never touched; entities keep their ids, and new ones are numbered after them; reading an
//! overlay gives what freezing changed records anew would give ([`Overlay::rebuilt`]; `tests/integration/overlay.rs`
//! compares the two).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::builder::{BuildError, Handle, SnapshotBuilder};
use super::graph::STEPS_MAX;
use super::read::{Nav, Snapshot};
use super::records::{Cell, CellState, Edge, Record};
use super::resolve::with_lifetime;
use crate::model::{
    Base, Bound, Completeness, EntityId, EntityTypeId, FactSource, Interval, Property, PropertyId, Schema, SourceId, SourceKind, Value,
    canonical_key,
};

/// Something that is read of a snapshot, and may be changed by an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A single-valued property of an entity, with its history.
    Cell(EntityId, PropertyId),
    /// A set of an entity.
    List(EntityId, PropertyId),
    /// The list of all entities of a type.
    Extent(EntityTypeId),
}

/// A change that an overlay makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new entity with these values; other optional values are none, other required ones and sets of values unknown.
    Create(EntityTypeId, Vec<(PropertyId, CellState)>),
    /// An entity ends.
    End(EntityId, Timestamp),
    /// A single-valued property gets a value.
    Set(EntityId, PropertyId, CellState),
}

/// What lies below all overlays of one simulation.
#[derive(Debug)]
struct Below {
    snapshot: Snapshot,
    sources: Vec<FactSource>,
    /// Lists without another side, by their members; found when first asked for.
    holders: OnceLock<HashMap<EntityId, Vec<(EntityId, PropertyId)>>>,
}

/// An entity that is not in the snapshot below.
#[derive(Debug, Clone)]
struct Added {
    entity_type: EntityTypeId,
    key: String,
}

/// A snapshot with changes.
#[derive(Debug, Clone)]
pub struct Overlay {
    below: Arc<Below>,
    added: Vec<Added>,
    cells: HashMap<(EntityId, PropertyId), Cell>,
    lists: HashMap<(EntityId, PropertyId), Nav>,
    lifetimes: HashMap<EntityId, Interval>,
    changes: Vec<Change>,
    touched: BTreeSet<Fact>,
    /// Entities that came or went since the overlay was begun or continued.
    moved: BTreeSet<EntityId>,
    unread: Cell,
    unspoken: Nav,
}

impl Overlay {
    /// Starts with no change. An overlay below is continued, not stacked upon.
    #[must_use]
    pub fn new(below: &Snapshot) -> Self {
        if let Some(overlay) = below.as_overlay() {
            return Self { touched: BTreeSet::new(), moved: BTreeSet::new(), ..overlay.clone() };
        }
        let mut sources = below.sources().to_vec();
        sources.push(simulation());
        let closed = below.meta().closed_world;
        let completeness = if closed { Completeness::always() } else { Completeness::open(None, None) };
        Self {
            below: Arc::new(Below { snapshot: below.clone(), sources, holders: OnceLock::new() }),
            added: Vec::new(),
            cells: HashMap::new(),
            lists: HashMap::new(),
            lifetimes: HashMap::new(),
            changes: Vec::new(),
            touched: BTreeSet::new(),
            moved: BTreeSet::new(),
            unread: Cell { state: CellState::Unknown(None), source: None },
            unspoken: Nav { members: Vec::new(), completeness },
        }
    }

    /// Returns it as a snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of_overlay(Arc::new(self.clone()))
    }

    /// Returns every fact that reads otherwise than before since the overlay was begun or continued.
    #[must_use]
    pub fn touched(&self) -> &BTreeSet<Fact> {
        &self.touched
    }

    /// Forgets which facts were touched so far.
    pub fn begin(&mut self) {
        self.touched.clear();
        self.moved.clear();
    }

    /// Returns the entities that were made, or exist for another time, since the overlay was begun or continued.
    #[must_use]
    pub fn moved(&self) -> &BTreeSet<EntityId> {
        &self.moved
    }

    /// Returns the changes in the order in which they were made.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Tells whether an entity is one that the overlay made.
    #[must_use]
    pub fn is_added(&self, id: EntityId) -> bool {
        id.0 as usize >= self.below.snapshot.len()
    }

    /// Returns how many entities there are; the next one that is made gets this number.
    #[must_use]
    pub fn n_entities(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// Returns the entities that the overlay made, as (id, type), in the order in which they were made.
    pub fn added(&self) -> impl Iterator<Item = (EntityId, EntityTypeId)> + '_ {
        let n = self.below.snapshot.len();
        self.added.iter().enumerate().map(move |(at, added)| (EntityId(u32::try_from(n + at).unwrap_or(u32::MAX)), added.entity_type))
    }

    /// Makes a change. One that changes nothing is not noted.
    pub fn change(&mut self, change: Change) {
        match &change {
            Change::Create(ty, cells) => {
                self.create(*ty, cells);
            }
            Change::End(id, at) => {
                let life = self.lifetime(*id);
                if matches!(life.to, Bound::At(end) if end <= *at) {
                    return;
                }
                self.end(*id, *at);
            }
            Change::Set(id, property, state) => {
                if self.cell(*id, *property).state == *state {
                    return;
                }
                self.set(*id, *property, state);
            }
        }
        self.changes.push(change);
    }

    /// Makes several changes and returns what they touch.
    pub fn change_all(&mut self, changes: &[Change]) -> BTreeSet<Fact> {
        let before = std::mem::take(&mut self.touched);
        for change in changes {
            self.change(change.clone());
        }
        let own = self.touched.clone();
        self.touched.extend(before);
        own
    }

    fn schema(&self) -> &Arc<Schema> {
        self.below.snapshot.schema()
    }

    fn source_id(&self) -> SourceId {
        SourceId(u32::try_from(self.below.sources.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    fn closed(&self) -> bool {
        self.below.snapshot.meta().closed_world
    }

    // ---- Changes ----

    fn create(&mut self, ty: EntityTypeId, cells: &[(PropertyId, CellState)]) -> EntityId {
        let schema = Arc::clone(self.schema());
        let id = EntityId(u32::try_from(self.len()).unwrap_or(u32::MAX));
        let key = simulated_key(&schema, ty, self.added.len());
        let source = Some(self.source_id());
        self.added.push(Added { entity_type: ty, key: key.clone() });
        let mut record = Record {
            entity_type: ty,
            key: key.into(),
            lifetime: Interval::CURRENT,
            cells: Vec::new(),
            history: Vec::new(),
            edges: Vec::new(),
            completeness: Vec::new(),
        };
        for (property, state) in created_cells(&schema, ty, cells, &record.key) {
            record.cells.push((property, Cell { state, source }));
        }
        let record = with_lifetime(record, &schema, self.closed());
        self.lifetimes.insert(id, record.lifetime);
        self.moved.insert(id);
        for (property, cell) in record.cells {
            let target = reference(&schema, property, &cell.state);
            self.cells.insert((id, property), cell);
            if let Some((inverse, target)) = target {
                self.enter(target, inverse, Edge { member: Value::Entity(id), interval: self.interval_of(id, property), source });
            }
        }
        for property in schema.entity(ty).into_iter().flat_map(|ty| ty.properties.values()) {
            if schema.property(*property).is_some_and(|property| property.ty.set) {
                let nav = self.lists.entry((id, *property)).or_insert_with(|| self.unspoken.clone());
                if is_whole_when_made(&schema, *property) {
                    nav.completeness = Completeness::now(source);
                }
            }
        }
        self.touch_extents(ty);
        id
    }

    /// The time for which a reference of an entity holds, as freezing decides it.
    fn interval_of(&self, id: EntityId, property: PropertyId) -> Interval {
        let history = self.schema().property(property).is_some_and(|property| property.history);
        match (history, self.closed()) {
            (true, true) => Interval::ALWAYS,
            (true, false) => Interval::CURRENT,
            (false, _) => self.lifetime(id),
        }
    }

    fn touch_extents(&mut self, ty: EntityTypeId) {
        let schema = Arc::clone(self.schema());
        let is_abstract = schema.entity(ty).is_some_and(|ty| ty.is_abstract);
        for other in &schema.entities {
            if schema.is_subtype(ty, other.id) || is_abstract && schema.is_subtype(other.id, ty) {
                self.touched.insert(Fact::Extent(other.id));
            }
        }
    }

    fn end(&mut self, id: EntityId, at: Timestamp) {
        let schema = Arc::clone(self.schema());
        let Some(ty) = self.entity_type(id) else { return };
        let own: Vec<PropertyId> = self.properties(ty);
        let to = |edge: &mut Edge| {
            edge.interval.to = Bound::At(at);
        };
        // Sets with two sides end on both.
        for property in own.iter().filter_map(|id| schema.property(*id)).filter(|property| property.ty.set) {
            let Some(inverse) = property.inverse.and_then(|id| schema.property(id)).filter(|inverse| inverse.ty.set) else { continue };
            let members: Vec<EntityId> = self.list(id, property.id).members.iter().filter_map(|edge| edge.member.entity()).collect();
            for member in members {
                self.adjust(member, inverse.id, id, &to);
            }
            self.adjust_all(id, property.id, &to);
        }
        for (holder, property) in self.holders(id) {
            self.adjust(holder, property, id, &to);
        }
        let life = self.lifetime(id);
        let end = match life.to {
            Bound::At(known) => known.min(at),
            _ => at,
        };
        self.relive(id, ty, Interval { to: Bound::At(end), ..life });
    }

    /// Gives an entity another lifetime, and with it the lists that its references imply.
    fn relive(&mut self, id: EntityId, ty: EntityTypeId, life: Interval) {
        let schema = Arc::clone(self.schema());
        let before = self.lifetime(id);
        if before == life {
            return;
        }
        self.lifetimes.insert(id, life);
        self.moved.insert(id);
        self.touch_extents(ty);
        for property in self.properties(ty) {
            let keeps = schema.property(property).is_none_or(|property| property.history);
            let Some((inverse, target)) = reference(&schema, property, &self.cell(id, property).state).filter(|_| !keeps) else { continue };
            self.adjust(target, inverse, id, &|edge: &mut Edge| {
                if edge.interval == before {
                    edge.interval = life;
                }
            });
            for (holder, property) in self.holders(id) {
                self.adjust(holder, property, id, &|edge: &mut Edge| {
                    if edge.interval == before {
                        edge.interval = life;
                    }
                });
            }
        }
    }

    fn set(&mut self, id: EntityId, property: PropertyId, state: &CellState) {
        let schema = Arc::clone(self.schema());
        let source = Some(self.source_id());
        let before = self.cell(id, property).state.clone();
        let mut stale = self.gathered_along(id, property);
        self.cells.insert((id, property), Cell { state: state.clone(), source });
        self.touched.insert(Fact::Cell(id, property));
        if let Some((inverse, target)) = reference(&schema, property, &before) {
            self.leave(target, inverse, id);
        }
        if let Some((inverse, target)) = reference(&schema, property, state) {
            self.enter(target, inverse, Edge { member: Value::Entity(id), interval: self.interval_of(id, property), source });
        }
        let Some(ty) = self.entity_type(id) else { return };
        if schema.entity(ty).is_some_and(|ty| ty.lifetime_from == Some(property) || ty.lifetime_to == Some(property)) {
            let record = Record {
                entity_type: ty,
                key: self.key(id).into(),
                lifetime: self.lifetime(id),
                cells: self.properties(ty).into_iter().map(|property| (property, self.cell(id, property).into_owned())).collect(),
                history: Vec::new(),
                edges: Vec::new(),
                completeness: Vec::new(),
            };
            let life = with_lifetime(record, &schema, self.closed()).lifetime;
            self.relive(id, ty, life);
        }
        stale.extend(self.gathered_along(id, property));
        self.regather(stale);
    }

    /// A member comes into a list, and into the lists that are gathered from it.
    fn enter(&mut self, holder: EntityId, list: PropertyId, edge: Edge) {
        for (holder, list) in std::iter::once((holder, list)).chain(self.gathering(holder, list)) {
            let nav = self.own_list(holder, list);
            if let Err(at) = nav.members.binary_search(&edge) {
                nav.members.insert(at, edge.clone());
            }
            self.touched.insert(Fact::List(holder, list));
        }
    }

    /// A member leaves a list for good: the reference that implied it leads elsewhere.
    fn leave(&mut self, holder: EntityId, list: PropertyId, member: EntityId) {
        for (holder, list) in std::iter::once((holder, list)).chain(self.gathering(holder, list)) {
            let nav = self.own_list(holder, list);
            nav.members.retain(|edge| edge.member != Value::Entity(member) || edge.interval.to != Bound::Unbounded);
            self.touched.insert(Fact::List(holder, list));
        }
    }

    fn adjust(&mut self, holder: EntityId, list: PropertyId, member: EntityId, change: &dyn Fn(&mut Edge)) {
        let wanted = Value::Entity(member);
        self.adjust_where(holder, list, &|edge| edge.member == wanted, change);
    }

    fn adjust_all(&mut self, holder: EntityId, list: PropertyId, change: &dyn Fn(&mut Edge)) {
        self.adjust_where(holder, list, &|_| true, change);
    }

    fn adjust_where(&mut self, holder: EntityId, list: PropertyId, wanted: &dyn Fn(&Edge) -> bool, change: &dyn Fn(&mut Edge)) {
        let nav = self.own_list(holder, list);
        nav.members.iter_mut().filter(|edge| wanted(edge)).for_each(change);
        nav.members.sort();
        nav.members.dedup_by(|a, b| a.member == b.member && a.interval == b.interval);
        self.touched.insert(Fact::List(holder, list));
    }

    fn own_list(&mut self, holder: EntityId, list: PropertyId) -> &mut Nav {
        let below = &self.below;
        let unspoken = &self.unspoken;
        let n = below.snapshot.len();
        self.lists
            .entry((holder, list))
            .or_insert_with(|| if holder.0 as usize >= n { unspoken.clone() } else { below.snapshot.nav(holder, list).into_owned() })
    }

    /// Lists without another side that hold an entity: derived ones, and sets nobody looks at from the other end.
    fn holders(&self, member: EntityId) -> Vec<(EntityId, PropertyId)> {
        let index = self.below.holders.get_or_init(|| one_sided(&self.below.snapshot));
        let mut found: BTreeSet<(EntityId, PropertyId)> = index.get(&member).into_iter().flatten().copied().collect();
        let wanted = Value::Entity(member);
        let own = self.lists.iter().filter(|(_, nav)| nav.members.iter().any(|edge| edge.member == wanted));
        for (holder, property) in own.map(|(key, _)| key) {
            if self.schema().property(*property).is_some_and(|property| property.inverse.is_none()) {
                found.insert((*holder, *property));
            }
        }
        found.into_iter().collect()
    }

    /// Derived lists of other entities that are gathered from this one.
    fn gathering(&self, holder: EntityId, list: PropertyId) -> Vec<(EntityId, PropertyId)> {
        let mut found = Vec::new();
        for derived in &self.schema().properties {
            let Some(rule) = derived.derived.filter(|rule| rule.from == list) else { continue };
            found.extend(self.reaching(holder, rule.along).into_iter().map(|id| (id, derived.id)));
        }
        found
    }

    /// Entities from which this one is reached along a navigation, itself left out.
    fn reaching(&self, id: EntityId, along: PropertyId) -> Vec<EntityId> {
        let schema = self.schema();
        let Some(back) = schema.property(along).and_then(|along| along.inverse).and_then(|id| schema.property(id)) else {
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut level = vec![id];
        for _ in 0..STEPS_MAX {
            let mut next = Vec::new();
            for step in level {
                next.extend(self.targets(step, back).into_iter().filter(|target| *target != id && seen.insert(*target)));
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        seen.into_iter().collect()
    }

    fn targets(&self, id: EntityId, property: &Property) -> Vec<EntityId> {
        if property.ty.set {
            let nav = self.list(id, property.id);
            let current = nav.members.iter().filter(|edge| edge.interval.to == Bound::Unbounded);
            return current.filter_map(|edge| edge.member.entity()).collect();
        }
        match &self.cell(id, property.id).state {
            CellState::Known(value) => value.entity().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What is gathered along a navigation that is about to change, or has changed: derived lists with their holders.
    fn gathered_along(&self, id: EntityId, moved: PropertyId) -> BTreeSet<(EntityId, PropertyId)> {
        let schema = self.schema();
        let inverse = schema.property(moved).and_then(|property| property.inverse);
        let mut found = BTreeSet::new();
        for property in &schema.properties {
            let Some(rule) = property.derived.filter(|rule| rule.along == moved || Some(rule.along) == inverse) else { continue };
            found.insert((id, property.id));
            found.extend(self.reaching(id, rule.along).into_iter().map(|holder| (holder, property.id)));
        }
        found
    }

    /// After a step of a walk leads elsewhere, what is gathered along it is gathered anew.
    fn regather(&mut self, stale: BTreeSet<(EntityId, PropertyId)>) {
        for (holder, list) in stale {
            let Some(rule) = self.schema().property(list).and_then(|property| property.derived) else { continue };
            let members = self.gathered(holder, rule.from, rule.along);
            self.own_list(holder, list).members = members;
            self.touched.insert(Fact::List(holder, list));
        }
    }

    fn gathered(&self, id: EntityId, from: PropertyId, along: PropertyId) -> Vec<Edge> {
        let schema = self.schema();
        let Some(step) = schema.property(along) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let mut level = vec![id];
        for _ in 0..STEPS_MAX {
            let mut next = Vec::new();
            for at in level {
                next.extend(self.targets(at, step).into_iter().filter(|target| seen.insert(*target)));
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        let mut members: Vec<Edge> =
            seen.iter().filter(|step| **step != id).flat_map(|step| self.list(*step, from).into_owned().members).collect();
        members.sort();
        // Told by two sources it stays twice: one of them may be past its review.
        members.dedup();
        members
    }

    // ---- Reading ----

    fn properties(&self, ty: EntityTypeId) -> Vec<PropertyId> {
        self.schema().entity(ty).map_or_else(Vec::new, |ty| ty.properties.values().copied().collect())
    }

    fn list(&self, id: EntityId, property: PropertyId) -> std::borrow::Cow<'_, Nav> {
        self.nav(id, property)
    }

    fn new_one(&self, id: EntityId) -> Option<&Added> {
        (id.0 as usize).checked_sub(self.below.snapshot.len()).and_then(|at| self.added.get(at))
    }

    pub(super) fn below(&self) -> &Snapshot {
        &self.below.snapshot
    }

    pub(super) fn len(&self) -> usize {
        self.below.snapshot.len() + self.added.len()
    }

    pub(super) fn sources(&self) -> &[FactSource] {
        &self.below.sources
    }

    pub(super) fn entity_type(&self, id: EntityId) -> Option<EntityTypeId> {
        self.new_one(id).map_or_else(|| self.below.snapshot.entity_type(id), |added| Some(added.entity_type))
    }

    pub(super) fn key(&self, id: EntityId) -> std::borrow::Cow<'_, str> {
        self.new_one(id).map_or_else(|| self.below.snapshot.key(id), |added| added.key.as_str().into())
    }

    pub(super) fn find(&self, ty: EntityTypeId, key: &str) -> Option<EntityId> {
        let root = |ty: EntityTypeId| self.schema().entity(ty).map(|ty| ty.root);
        let canonical = canonical_key(self.schema().entity(ty)?.key.base, key);
        let own = || self.added().find(|(id, own)| root(*own) == root(ty) && self.key(*id) == canonical.as_str()).map(|(id, _)| id);
        self.below.snapshot.find(ty, key).or_else(own)
    }

    pub(super) fn extent(&self, ty: EntityTypeId) -> Box<dyn Iterator<Item = EntityId> + '_> {
        let own = self.added().filter(move |(_, own)| self.schema().is_subtype(*own, ty)).map(|(id, _)| id);
        Box::new(self.below.snapshot.extent(ty).chain(own))
    }

    pub(super) fn cell(&self, id: EntityId, property: PropertyId) -> std::borrow::Cow<'_, Cell> {
        match self.cells.get(&(id, property)) {
            Some(cell) => std::borrow::Cow::Borrowed(cell),
            None if self.is_added(id) => std::borrow::Cow::Borrowed(&self.unread),
            None => self.below.snapshot.cell(id, property),
        }
    }

    pub(super) fn nav(&self, id: EntityId, property: PropertyId) -> std::borrow::Cow<'_, Nav> {
        match self.lists.get(&(id, property)) {
            Some(nav) => std::borrow::Cow::Borrowed(nav),
            None if self.is_added(id) => std::borrow::Cow::Borrowed(&self.unspoken),
            None => self.below.snapshot.nav(id, property),
        }
    }

    pub(super) fn lifetime(&self, id: EntityId) -> Interval {
        self.lifetimes.get(&id).copied().unwrap_or_else(|| self.below.snapshot.lifetime(id))
    }

    pub(super) fn label(&self, id: EntityId) -> String {
        let Some(added) = self.new_one(id) else { return self.below.snapshot.label(id) };
        let name = self.schema().property_named(added.entity_type, "display_name");
        match name.map(|name| self.cell(id, name.id).state.clone()) {
            Some(CellState::Known(Value::Text(name))) if !name.is_empty() => name.to_string(),
            _ => format!("the new {}", self.schema().entity_name(added.entity_type)),
        }
    }

    /// Makes the snapshot anew from changed records: what an overlay must agree with, and what an engine of columns reads.
    ///
    /// Entities are numbered anew; the changes come in the order in which they were made.
    ///
    /// # Errors
    /// [`BuildError`] for a change that does not fit the schema.
    pub fn rebuilt(&self) -> Result<Snapshot, BuildError> {
        let schema = Arc::clone(self.schema());
        let mut builder = SnapshotBuilder::from_records(Arc::clone(&schema), self.below.snapshot.records().into_owned());
        let source = builder.source(simulation());
        let mut made = 0;
        let name = |id: PropertyId| schema.property(id).map_or_else(String::new, |property| property.name.clone());
        for change in &self.changes {
            match change {
                Change::End(id, at) => builder.end(Handle::of(*id), *at),
                Change::Set(id, property, state) => match state {
                    CellState::Known(value) => builder.overwrite(Handle::of(*id), &name(*property), Some(value.clone()), source)?,
                    CellState::None => builder.overwrite(Handle::of(*id), &name(*property), None, source)?,
                    CellState::Unknown(_) => builder.overwrite_unknown(Handle::of(*id), &name(*property), source)?,
                },
                Change::Create(ty, cells) => {
                    let key = simulated_key(&schema, *ty, made);
                    made += 1;
                    let handle = builder.entity(*ty, &key)?;
                    let properties = schema.entity(*ty).into_iter().flat_map(|ty| &ty.properties);
                    for (name, _) in properties.filter(|(_, property)| is_whole_when_made(&schema, **property)) {
                        builder.claim(handle, name, Completeness::now(Some(source)))?;
                    }
                    for (property, state) in created_cells(&schema, *ty, cells, &key) {
                        if !schema.property(property).is_some_and(|property| property.is_key) {
                            builder.restate(handle, property, state, source);
                        }
                    }
                }
            }
        }
        Ok(Snapshot::freeze(schema, builder.records()))
    }
}

fn simulation() -> FactSource {
    FactSource::new(SourceKind::Derived, "simulation")
}

/// A key no service gives.
fn simulated_key(schema: &Schema, ty: EntityTypeId, at: usize) -> String {
    match schema.entity(ty).map(|ty| ty.key.base) {
        Some(Base::Guid) => format!("00000000-0000-0000-0000-{at:012x}"),
        Some(Base::Int) => format!("-{}", at + 1),
        _ => format!("/simulated/{at}"),
    }
}

/// Nothing refers to a new entity yet, so its lists of entities are whole. Sets of values are its own, and only known if stated.
fn is_whole_when_made(schema: &Schema, property: PropertyId) -> bool {
    schema.property(property).is_some_and(|property| !property.ty.set || property.ty.entity().is_some())
}

/// Every single value of a new entity: what is stated, the key, and none for other optional ones.
fn created_cells(schema: &Schema, ty: EntityTypeId, stated: &[(PropertyId, CellState)], key: &str) -> Vec<(PropertyId, CellState)> {
    let mut cells: Vec<(PropertyId, CellState)> = Vec::new();
    for property in schema.entity(ty).into_iter().flat_map(|ty| ty.properties.values()).filter_map(|id| schema.property(*id)) {
        let own = stated.iter().find(|(known, _)| *known == property.id).map(|(_, state)| state.clone());
        let state = match own {
            Some(state) => Some(state),
            None if property.is_key => Some(CellState::Known(Value::text(key))),
            None if property.ty.optional && !property.ty.set => Some(CellState::None),
            None => None,
        };
        cells.extend(state.map(|state| (property.id, state)));
    }
    cells.sort_by_key(|(property, _)| *property);
    cells
}

/// The list that a reference implies, and whose it is.
fn reference(schema: &Schema, property: PropertyId, state: &CellState) -> Option<(PropertyId, EntityId)> {
    let property = schema.property(property).filter(|property| !property.ty.set)?;
    let inverse = schema.property(property.inverse?).filter(|inverse| inverse.ty.set)?;
    match state {
        CellState::Known(Value::Entity(target)) => Some((inverse.id, *target)),
        _ => None,
    }
}

fn one_sided(snapshot: &Snapshot) -> HashMap<EntityId, Vec<(EntityId, PropertyId)>> {
    let mut holders: HashMap<EntityId, Vec<(EntityId, PropertyId)>> = HashMap::new();
    let schema = Arc::clone(snapshot.schema());
    for property in
        schema.properties.iter().filter(|property| property.ty.set && property.inverse.is_none() && property.ty.entity().is_some())
    {
        for id in snapshot.extent(property.owner) {
            for member in snapshot.nav(id, property.id).members.iter().filter_map(|edge| edge.member.entity()) {
                let of = holders.entry(member).or_default();
                if of.last() != Some(&(id, property.id)) {
                    of.push((id, property.id));
                }
            }
        }
    }
    holders
}

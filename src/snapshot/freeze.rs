//! From records to a snapshot: both sides of each navigation, derived lists, completeness to a fixpoint.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::columns::gathered_completeness;
use super::contradictions::contradictions_type;
use super::graph::{NavigationGraph, Reached, STEPS_MAX};
use super::read::Nav;
use super::records::{Cell, CellState, Edge, Record, Records};
use super::resolve::merge_claims;
use super::rows::Rows;
use crate::model::{
    Base, Bound, Completeness, EntityId, EntityTypeId, FactSource, Interval, Property, PropertyId, Schema, SourceId, SourceKind, Value,
};

type NavMap = BTreeMap<PropertyId, Nav>;

impl Rows {
    pub(super) fn freeze(schema: Arc<Schema>, mut records: Records) -> Self {
        add_keys(&schema, &mut records);
        let by_type = by_type(&schema, &records);
        let by_key = by_key(&schema, &records);
        let open = if records.meta.closed_world { Completeness::always() } else { Completeness::open(None, None) };
        let navs = stated_navs(&schema, &records);
        let mut snapshot = Self {
            schema,
            records,
            navs: Vec::new(),
            stated: BTreeMap::new(),
            by_key,
            by_type,
            extents: Vec::new(),
            open_nav: Nav { members: Vec::new(), completeness: open },
            unread: Cell { state: CellState::Unknown(None), source: None },
        };
        snapshot.settle_completeness(navs);
        snapshot.derive_navs();
        snapshot.note_circles();
        snapshot
    }

    /// Extents and inverse lists follow from each other: a list is whole if all members of its type are known and say where
    /// they belong; all members of a type are known if every place they can belong to lists them wholly. Of a list whose
    /// other side is a list too, all holders must be known and have theirs whole.
    fn settle_completeness(&mut self, mut navs: Vec<NavMap>) {
        let closed = self.records.meta.closed_world;
        let default = self.open_nav.completeness.clone();
        let mut extents: Vec<Option<Completeness>> = vec![None; self.schema.entities.len()];
        for extent in &self.records.extents {
            if let Some(slot) = extents.get_mut(extent.entity_type.0 as usize) {
                *slot = Some(extent.completeness.clone());
            }
        }
        if let Some(slot @ None) = contradictions_type(&self.schema).and_then(|ty| extents.get_mut(ty.0 as usize))
            && !closed
        {
            *slot = Some(Completeness::now(None));
        }
        let rounds = if closed { 0 } else { self.schema.entities.len() + 1 };
        for _ in 0..rounds {
            let grown = self.extents_from_subtypes(&mut extents) | self.extents_from_lists(&mut extents, &navs);
            if !(grown | self.lists_from_extents(&extents, &mut navs)) {
                break;
            }
        }
        if closed {
            self.close_supertypes(&mut extents);
        }
        self.extents = extents.into_iter().map(|claim| claim.unwrap_or_else(|| default.clone())).collect();
        self.navs = navs.into_iter().map(|map| map.into_iter().collect()).collect();
    }

    /// In a test's world an opened type opens the abstract types above it, and an opened abstract type those below it.
    fn close_supertypes(&self, extents: &mut [Option<Completeness>]) {
        let opened: Vec<_> = self.records.extents.iter().filter(|extent| !extent.completeness.complete).collect();
        for extent in opened {
            for below in self.schema.subtypes(extent.entity_type) {
                if let Some(slot @ None) = extents.get_mut(below.id.0 as usize) {
                    *slot = Some(extent.completeness.clone());
                }
            }
        }
        for above in &self.schema.entities {
            let opened = self
                .schema
                .subtypes(above.id)
                .find_map(|sub| extents.get(sub.id.0 as usize).cloned().flatten().filter(|claim| !claim.complete));
            if let (Some(claim), Some(slot @ None)) = (opened, extents.get_mut(above.id.0 as usize)) {
                *slot = Some(claim);
            }
        }
    }

    fn extents_from_subtypes(&self, extents: &mut [Option<Completeness>]) -> bool {
        let mut grown = false;
        for ty in self.schema.entities.iter().filter(|ty| ty.is_abstract) {
            let concrete: Vec<_> = self.schema.subtypes(ty.id).filter(|sub| !sub.is_abstract).collect();
            let whole = !concrete.is_empty() && concrete.iter().all(|sub| is_complete(extents, sub.id));
            let source = self.voucher(concrete.iter().map(|sub| source_of(extents, sub.id)));
            grown |= whole && mark_complete(extents, ty.id, source);
        }
        grown
    }

    fn extents_from_lists(&self, extents: &mut [Option<Completeness>], navs: &[NavMap]) -> bool {
        let mut grown = false;
        for property in &self.schema.properties {
            let Some((holder, list)) = self.holder_of(property) else { continue };
            let entity = self.schema.entity(property.owner);
            if entity.is_none_or(|entity| entity.is_abstract) || !is_complete(extents, holder) {
                continue;
            }
            if let Some(source) = self.all_listed(extents, navs, holder, list) {
                grown |= mark_complete(extents, property.owner, source);
            }
        }
        grown
    }

    /// Tells whether all entities of a type are known and each has this list whole; returns who vouches for that.
    fn all_listed(
        &self,
        extents: &[Option<Completeness>],
        navs: &[NavMap],
        holder: EntityTypeId,
        list: PropertyId,
    ) -> Option<Option<SourceId>> {
        if !is_complete(extents, holder) {
            return None;
        }
        let mut sources = vec![source_of(extents, holder)];
        // What may turn out to be one has to list them, too.
        for id in self.extent(holder).chain(self.possible(holder)).filter(|id| !self.has_ended(*id)) {
            let nav = navs.get(id.0 as usize).and_then(|map| map.get(&list)).filter(|nav| nav.completeness.complete)?;
            sources.push(nav.completeness.source);
        }
        Some(self.voucher(sources.into_iter()))
    }

    /// Tells whether all entities of a type are known and each says where it belongs; returns who vouches for that.
    ///
    /// Where a record belongs is what identifies it: when its attestation lapses it may turn out void, not elsewhere.
    fn all_placed(&self, extents: &[Option<Completeness>], member: EntityTypeId, place: PropertyId) -> Option<Option<SourceId>> {
        if !is_complete(extents, member) {
            return None;
        }
        let sources = [source_of(extents, member)];
        for id in self.extent(member).chain(self.possible(member)).filter(|id| !self.has_ended(*id)) {
            let cell = self.cell(id, place);
            if matches!(cell.state, CellState::Unknown(_)) {
                return None;
            }
        }
        Some(self.voucher(sources.into_iter()))
    }

    /// Tells whether an entity was gone when the snapshot was captured: then no list of now can lack it.
    fn has_ended(&self, id: EntityId) -> bool {
        let captured = self.records.meta.captured_to;
        matches!((self.lifetime(id).to, captured), (Bound::At(to), Some(captured)) if to <= captured)
    }

    /// What follows from attested claims lapses with the first of them.
    fn voucher(&self, sources: impl Iterator<Item = Option<SourceId>>) -> Option<SourceId> {
        let attested = sources.flatten().filter_map(|id| {
            let attestation = self.source(id)?.attestation.as_ref()?;
            Some((attestation.review_due_at.is_none(), attestation.review_due_at, id))
        });
        attested.min().map(|(_, _, id)| id)
    }

    /// Returns the type and the list that hold every entity with this property: a required reference with an inverse set.
    fn holder_of(&self, property: &Property) -> Option<(EntityTypeId, PropertyId)> {
        let inverse = self.schema.property(property.inverse?)?;
        let holder = property.ty.entity()?;
        (!property.ty.set && !property.ty.optional && inverse.ty.set).then_some((holder, inverse.id))
    }

    fn lists_from_extents(&self, extents: &[Option<Completeness>], navs: &mut [NavMap]) -> bool {
        let mut grown = false;
        for list in self.schema.properties.iter().filter(|list| list.ty.set) {
            let inverse = list.inverse.and_then(|id| self.schema.property(id));
            let (Some(inverse), Some(member)) = (inverse, list.ty.entity()) else { continue };
            let source = if inverse.ty.set {
                self.all_listed(extents, navs, member, inverse.id)
            } else {
                self.all_placed(extents, member, inverse.id)
            };
            let Some(source) = source else { continue };
            for id in self.extent(list.owner) {
                // Somebody who tried and failed knows better than a conclusion.
                if self.records.entities.get(id.0 as usize).is_some_and(|record| claim_of(record, list.id).is_some_and(speaks_of_now)) {
                    continue;
                }
                if let Some(map) = navs.get_mut(id.0 as usize) {
                    let nav = map.entry(list.id).or_insert_with(|| self.open_nav.clone());
                    grown |= !nav.completeness.complete;
                    if !nav.completeness.complete {
                        nav.completeness = Completeness { covered: nav.completeness.covered.clone(), ..Completeness::now(source) };
                    }
                }
            }
        }
        grown
    }

    /// Fills navigations that follow from others, such as assignments inherited from the scopes above.
    fn derive_navs(&mut self) {
        let derived: Vec<Property> = self.schema.properties.iter().filter(|property| property.derived.is_some()).cloned().collect();
        for property in derived {
            let Some(rule) = property.derived else { continue };
            let graph = NavigationGraph::new(self, rule.along);
            let circling: BTreeSet<EntityId> = graph.circles().into_iter().flatten().collect();
            let ids: Vec<EntityId> = self.extent(property.owner).collect();
            for id in ids {
                let nav = self.gathered(id, &property, &graph, &circling);
                if let Some(navs) = self.navs.get_mut(id.0 as usize) {
                    match navs.binary_search_by_key(&property.id, |(known, _)| *known) {
                        Ok(at) => {
                            let stated = navs.get_mut(at).map(|slot| std::mem::replace(&mut slot.1, nav).members);
                            if let Some(stated) = stated.filter(|stated| !stated.is_empty()) {
                                self.stated.insert((property.id, id), stated);
                            }
                        }
                        Err(at) => navs.insert(at, (property.id, nav)),
                    }
                }
            }
        }
    }

    fn gathered(&self, id: EntityId, property: &Property, graph: &NavigationGraph, circling: &BTreeSet<EntityId>) -> Nav {
        let stated = self.nav(id, property.id);
        let mut members = stated.members.clone();
        let Some(rule) = property.derived else { return stated.clone() };
        let Reached { entities: reached, more } = graph.reachable(id);
        let mut gap = self.step_gap(id, rule.along);
        for step in reached.iter().filter(|step| **step != id) {
            let nav = self.nav(*step, rule.from);
            members.extend(nav.members.iter().cloned());
            gap = gap.or_else(|| self.step_gap(*step, rule.along));
            if !nav.completeness.complete {
                let unread = || format!("{} of {} was not read", self.property_name(rule.from), self.label(*step));
                gap = gap.or_else(|| Some(nav.completeness.reason.clone().unwrap_or_else(unread)));
            }
        }
        // The way out of a circle is not known, nor what would be found on it.
        if let Some(step) = reached.iter().chain([&id]).find(|step| circling.contains(step)) {
            gap = gap.or_else(|| Some(format!("{} is contained in itself", self.label(*step))));
        }
        if more {
            gap = gap.or_else(|| Some(format!("{} is followed over at most {STEPS_MAX} steps", self.property_name(rule.along))));
        }
        members.sort();
        // Told by two sources it stays twice: one of them may be past its review.
        members.dedup();
        let spoken = self.records.entities.get(id.0 as usize).and_then(|record| claim_of(record, property.id));
        let completeness = gathered_completeness(spoken, gap, self.records.meta.closed_world);
        Nav { members, completeness }
    }

    /// Says what keeps one step of a walk from being known, if anything does.
    fn step_gap(&self, id: EntityId, along: PropertyId) -> Option<String> {
        let property = self.schema.property(along)?;
        let unread = || format!("{} of {} was not read", property.name, self.label(id));
        if property.ty.set {
            let completeness = &self.nav(id, along).completeness;
            return (!completeness.complete).then(|| completeness.reason.clone().unwrap_or_else(unread));
        }
        match &self.cell(id, along).state {
            CellState::Unknown(reason) => Some(reason.as_ref().map_or_else(unread, ToString::to_string)),
            _ => None,
        }
    }

    fn property_name(&self, id: PropertyId) -> &str {
        self.schema.property(id).map_or("?", |property| property.name.as_str())
    }

    /// Scopes that contain themselves cannot be right; they stay, and the snapshot says so.
    fn note_circles(&mut self) {
        let parents = self.schema.properties.iter().filter(|property| {
            !property.ty.set
                && property.ty.entity().is_some_and(|ty| self.schema.is_subtype(property.owner, ty))
                && property.inverse.is_some()
        });
        let mut notes = Vec::new();
        for property in parents {
            for circle in NavigationGraph::new(self, property.id).circles() {
                let labels: Vec<&str> = circle.iter().map(|id| self.key(*id)).collect();
                notes.push(format!("{} forms a circle: {}", property.name, labels.join(", ")));
            }
        }
        self.records.meta.problems.extend(notes);
        self.records.meta.problems.sort();
        self.records.meta.problems.dedup();
    }
}

fn is_complete(extents: &[Option<Completeness>], ty: EntityTypeId) -> bool {
    extents.get(ty.0 as usize).is_some_and(|claim| claim.as_ref().is_some_and(|claim| claim.complete))
}

fn source_of(extents: &[Option<Completeness>], ty: EntityTypeId) -> Option<SourceId> {
    extents.get(ty.0 as usize)?.as_ref()?.source
}

fn mark_complete(extents: &mut [Option<Completeness>], ty: EntityTypeId, source: Option<SourceId>) -> bool {
    match extents.get_mut(ty.0 as usize) {
        // An explicit claim stays: somebody who tried and failed knows better than a conclusion.
        Some(Some(_)) | None => false,
        Some(slot) => {
            *slot = Some(Completeness::now(source));
            true
        }
    }
}

/// A claim that is neither of a whole list nor says why it is not whole is about earlier times.
fn speaks_of_now(claim: &Completeness) -> bool {
    claim.complete || claim.reason.is_some() || claim.covered.is_empty()
}

pub(super) fn claim_of(record: &Record, property: PropertyId) -> Option<&Completeness> {
    record.completeness.iter().find(|(known, _)| *known == property).map(|(_, claim)| claim)
}

/// The key is an attribute like others, so that rules can read it.
fn add_keys(schema: &Schema, records: &mut Records) {
    let derived = records.sources.iter().position(|source| source.kind == SourceKind::Derived && source.name == "identity");
    let at = derived.unwrap_or_else(|| {
        // Appended last: ids of the other sources stay as they are.
        records.sources.push(FactSource::new(SourceKind::Derived, "identity"));
        records.sources.len() - 1
    });
    let source = u32::try_from(at).ok().map(SourceId);
    for record in &mut records.entities {
        let Some(entity) = schema.entity(record.entity_type) else { continue };
        let Some(key) = entity.properties.get(&entity.key_name) else { continue };
        let value = match entity.key.base {
            Base::Int => record.key.parse().map_or_else(|_| Value::text(&record.key), Value::Int),
            _ => Value::Text(Arc::clone(&record.key)),
        };
        let cell = Cell { state: CellState::Known(value), source };
        match record.cells.binary_search_by_key(key, |(known, _)| *known) {
            Ok(_) => {}
            Err(at) => record.cells.insert(at, (*key, cell)),
        }
    }
}

fn by_type(schema: &Schema, records: &Records) -> Vec<Vec<EntityId>> {
    let mut by_type = vec![Vec::new(); schema.entities.len()];
    for (at, record) in records.entities.iter().enumerate() {
        if let Some(list) = by_type.get_mut(record.entity_type.0 as usize) {
            list.push(EntityId(u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }
    by_type
}

fn by_key(schema: &Schema, records: &Records) -> HashMap<(EntityTypeId, Arc<str>), EntityId> {
    let keyed = records.entities.iter().enumerate().filter_map(|(at, record)| {
        let root = schema.entity(record.entity_type)?.root;
        Some(((root, Arc::clone(&record.key)), EntityId(u32::try_from(at).ok()?)))
    });
    keyed.collect()
}

/// Collects the navigations that facts state: edges, their inverse sides, and the sets that references imply.
fn stated_navs(schema: &Schema, records: &Records) -> Vec<NavMap> {
    let mut members: Vec<BTreeMap<PropertyId, Vec<Edge>>> = vec![BTreeMap::new(); records.entities.len()];
    let mut add = |holder: &Value, property: PropertyId, edge: Edge| {
        if let Value::Entity(id) = holder
            && let Some(map) = members.get_mut(id.0 as usize)
        {
            map.entry(property).or_default().push(edge);
        }
    };
    for (at, record) in records.entities.iter().enumerate() {
        let this = Value::Entity(EntityId(u32::try_from(at).unwrap_or(u32::MAX)));
        for (property, edge) in &record.edges {
            add(&this, *property, edge.clone());
            if let Some(inverse) = schema.property(*property).and_then(|property| property.inverse) {
                add(&edge.member, inverse, Edge { member: this.clone(), ..edge.clone() });
            }
        }
        for (property, state, interval, source) in references(schema, record, records.meta.closed_world) {
            let inverse = schema.property(property).and_then(|property| property.inverse);
            if let (Some(inverse), CellState::Known(target)) = (inverse, state) {
                add(target, inverse, Edge { member: this.clone(), interval, source });
            }
        }
    }
    members.into_iter().zip(&records.entities).map(|(map, record)| settle_navs(schema, map, record, records.meta.closed_world)).collect()
}

/// Single-valued references with an inverse set, each with the time for which it holds.
fn references<'a>(
    schema: &'a Schema,
    record: &'a Record,
    closed_world: bool,
) -> impl Iterator<Item = (PropertyId, &'a CellState, Interval, Option<SourceId>)> {
    let single = move |id: &PropertyId| schema.property(*id).is_some_and(|p| !p.ty.set && p.inverse.is_some());
    let keeps_history = move |id: PropertyId| schema.property(id).is_some_and(|p| p.history);
    let recorded = move |id: PropertyId| {
        record.history.iter().any(|(known, entry)| *known == id && entry.interval.to == crate::model::Bound::Unbounded)
    };
    // In a test's world the present value holds since the last recorded one ended.
    let since = move |id: PropertyId| {
        let ends = record.history.iter().filter(|(known, _)| *known == id).map(|(_, entry)| entry.interval.to);
        Interval { from: ends.max().unwrap_or(crate::model::Bound::Unbounded), ..Interval::ALWAYS }
    };
    let current = record.cells.iter().filter(move |(id, _)| single(id) && !recorded(*id)).map(move |(id, cell)| {
        let interval = match (keeps_history(*id), closed_world) {
            (true, true) => since(*id),
            (true, false) => Interval::CURRENT,
            (false, _) => record.lifetime,
        };
        (*id, &cell.state, interval, cell.source)
    });
    let earlier =
        record.history.iter().filter(move |(id, _)| single(id)).map(|(id, entry)| (*id, &entry.state, entry.interval, entry.source));
    current.chain(earlier)
}

fn settle_navs(schema: &Schema, map: BTreeMap<PropertyId, Vec<Edge>>, record: &Record, closed_world: bool) -> NavMap {
    let default = if closed_world { Completeness::always() } else { Completeness::open(None, None) };
    let mut navs: NavMap = BTreeMap::new();
    for (property, mut members) in map {
        members.sort();
        members.dedup_by(|a, b| a.member == b.member && a.interval == b.interval);
        navs.insert(property, Nav { members, completeness: default.clone() });
    }
    for (property, claim) in &record.completeness {
        if schema.property(*property).is_some_and(|property| property.ty.set) {
            let nav = navs.entry(*property).or_insert_with(|| Nav { members: Vec::new(), completeness: default.clone() });
            if let Some(merged) = merge_claims(std::iter::once(claim.clone())) {
                nav.completeness = merged;
            }
        }
    }
    navs
}

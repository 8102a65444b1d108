//! From facts in any order to canonical records: one order, one answer a fact.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::{Node, SnapshotBuilder};
use super::records::{Cell, CellState, Edge, Extent, HistoryEntry, Record, Records};
use crate::model::{Bound, Completeness, EntityId, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind, Value};

/// Maps builder numbers to canonical ones.
struct Renumbering {
    entities: Vec<EntityId>,
    sources: Vec<SourceId>,
}

impl Renumbering {
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Entity(id) => Value::Entity(self.entities.get(id.0 as usize).copied().unwrap_or(*id)),
            other => other.clone(),
        }
    }

    fn state(&self, state: &CellState) -> CellState {
        match state {
            CellState::Known(value) => CellState::Known(self.value(value)),
            other => other.clone(),
        }
    }

    fn source(&self, id: SourceId) -> SourceId {
        self.sources.get(id.0 as usize).copied().unwrap_or(id)
    }

    fn completeness(&self, claim: &Completeness) -> Completeness {
        Completeness { source: claim.source.map(|id| self.source(id)), ..claim.clone() }
    }
}

impl SnapshotBuilder {
    /// Returns the canonical records of all facts given so far; the order in which they came makes no difference.
    #[must_use]
    pub fn records(mut self) -> Records {
        let schema = Arc::clone(&self.schema);
        self.note_contradictions();
        let (order, renumbering, sources) = self.canonical_order(&schema);
        self.settle_sides(&schema, &renumbering);
        let mut problems = self.meta.problems.clone();
        let nothing: Arc<str> = Arc::from("");
        let mut entities = Vec::with_capacity(order.len());
        for at in &order {
            // What became a record is let go at once: a snapshot is not held twice.
            let Some(node) = self.nodes.get_mut(*at) else { continue };
            let node = std::mem::replace(node, Node::new(EntityTypeId(0), Arc::clone(&nothing)));
            let record = record(&node, &renumbering, &sources, &schema, &mut problems);
            entities.push(with_lifetime(record, &schema, self.meta.closed_world));
        }
        problems.sort();
        problems.dedup();
        let mut extents: Vec<Extent> = self
            .extents
            .iter()
            .filter_map(|(ty, claims)| {
                let completeness = merge_claims(claims.iter().map(|claim| renumbering.completeness(claim)))?;
                Some(Extent { entity_type: *ty, completeness })
            })
            .collect();
        extents.sort();
        let meta = super::SnapshotMeta { problems, ..self.meta };
        Records { meta, sources, entities, extents }
    }

    fn canonical_order(&self, schema: &Schema) -> (Vec<usize>, Renumbering, Vec<FactSource>) {
        let ranks = schema.depth_first();
        let rank = |ty: EntityTypeId| ranks.get(ty.0 as usize).copied();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|at| self.nodes.get(*at).map(|node| (rank(node.entity_type), &node.key)));
        let mut entities = vec![EntityId(0); order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(slot) = entities.get_mut(*old) {
                *slot = EntityId(u32::try_from(new).unwrap_or(u32::MAX));
            }
        }
        let mut source_order: Vec<usize> = (0..self.sources.len()).collect();
        source_order.sort_by_key(|at| self.sources.get(*at));
        let mut sources = vec![SourceId(0); source_order.len()];
        for (new, old) in source_order.iter().enumerate() {
            if let Some(slot) = sources.get_mut(*old) {
                *slot = SourceId(u32::try_from(new).unwrap_or(u32::MAX));
            }
        }
        let sorted = source_order.iter().filter_map(|at| self.sources.get(*at).cloned()).collect();
        (order, Renumbering { entities, sources }, sorted)
    }
}

impl SnapshotBuilder {
    /// A membership that can be stated from both sides is kept on one of them.
    fn settle_sides(&mut self, schema: &Schema, numbers: &Renumbering) {
        let mut turned = Vec::new();
        let types: Vec<EntityTypeId> = self.nodes.iter().map(|node| node.entity_type).collect();
        let number = |at: usize| numbers.entities.get(at).copied().unwrap_or(EntityId(u32::MAX));
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.edges.retain(|(property, member, interval, source)| {
                let inverse = schema.property(*property).and_then(|property| property.inverse).and_then(|id| schema.property(id));
                let (Some(inverse), Some(member)) = (inverse.filter(|inverse| inverse.ty.set), member.entity()) else { return true };
                let other = member.0 as usize;
                let Some(member_type) = types.get(other).copied() else { return true };
                let here = (node.entity_type, *property, number(at));
                let there = (member_type, inverse.id, number(other));
                let stays = is_home(schema, here, there);
                if !stays {
                    let holder = EntityId(u32::try_from(at).unwrap_or(u32::MAX));
                    turned.push((other, (inverse.id, Value::Entity(holder), *interval, *source)));
                }
                stays
            });
        }
        for (at, edge) in turned {
            if let Some(node) = self.nodes.get_mut(at) {
                node.edges.push(edge);
            }
        }
    }
}

/// One side of a membership: the type of the entity there, its list, and its canonical number.
pub(super) type Side = (EntityTypeId, PropertyId, EntityId);

/// Tells on which of two sides a membership is kept: where the list belongs to the type of the entity, else where it was
/// declared first.
pub(super) fn is_home(schema: &Schema, here: Side, there: Side) -> bool {
    let rank = |side: Side| {
        let own = schema.property(side.1).is_some_and(|property| schema.is_subtype(side.0, property.owner));
        (!own, side.1, side.2)
    };
    rank(here) <= rank(there)
}

fn record(node: &Node, numbers: &Renumbering, sources: &[FactSource], schema: &Schema, problems: &mut Vec<String>) -> Record {
    let mut cells = Vec::new();
    for (property, facts) in own_facts(node, schema) {
        let property = &property;
        let mut facts: Vec<(CellState, SourceId)> =
            facts.iter().map(|(state, source)| (numbers.state(state), numbers.source(**source))).collect();
        facts.sort();
        let cell = agree(&facts, sources, schema);
        let mut note = |what: &str| {
            let property = schema.property(*property).map_or("?", |property| property.name.as_str());
            problems.push(format!("{}.{property}: {what}", node.key));
        };
        if contradicted(&facts, sources, &cell).next().is_some() {
            note("a register contradicts a reading; the reading counts");
        }
        if let CellState::Unknown(Some(reason)) = &cell.state
            && known(&facts).next().is_some()
        {
            note(reason);
        }
        cells.push((*property, cell));
    }
    cells.shrink_to_fit();
    let mut history: Vec<(PropertyId, HistoryEntry)> = node
        .history
        .iter()
        .filter(|(property, ..)| !is_key(schema, *property))
        .map(|(property, interval, state, source)| {
            let entry = HistoryEntry { interval: *interval, state: numbers.state(state), source: Some(numbers.source(*source)) };
            (*property, entry)
        })
        .collect();
    history.sort();
    history.dedup_by(|a, b| a.0 == b.0 && a.1.interval == b.1.interval && a.1.state == b.1.state);
    let completeness = node
        .claims
        .iter()
        .filter_map(|(property, claims)| Some((*property, merge_claims(claims.iter().map(|claim| numbers.completeness(claim)))?)))
        .collect();
    Record {
        entity_type: node.entity_type,
        key: Arc::clone(&node.key),
        lifetime: merge_lifetimes(&node.lifetimes),
        cells,
        history,
        edges: fold_edges(node, numbers),
        completeness,
    }
}

/// Files facts under the properties of the type an entity turned out to have: a fact that came before the type was known
/// may stand under a namesake of another subtype.
///
/// What is said of the key as an attribute follows from the key, and is left to freezing.
pub(super) fn own_facts<'n>(node: &'n Node, schema: &Schema) -> BTreeMap<PropertyId, Vec<(&'n CellState, &'n SourceId)>> {
    let mut own: BTreeMap<PropertyId, Vec<(&CellState, &SourceId)>> = BTreeMap::new();
    for (property, state, source) in node.facts.iter().filter(|(property, ..)| !is_key(schema, *property)) {
        let name = schema.property(*property).map(|property| property.name.as_str());
        let named = name.and_then(|name| schema.property_named(node.entity_type, name)).map(|property| property.id);
        own.entry(named.unwrap_or(*property)).or_default().push((state, source));
    }
    own
}

fn is_key(schema: &Schema, id: PropertyId) -> bool {
    schema.property(id).is_some_and(|property| property.is_key)
}

/// Reads the lifetime off the attributes that the schema names for it, unless it was stated.
///
/// An attribute that is known to be none says nothing, except in a test's world, where it means *always*. There an unknown
/// one leaves the end open: what stands in the world need not be there now.
pub(super) fn with_lifetime(mut record: Record, schema: &Schema, closed_world: bool) -> Record {
    let Some(entity) = schema.entity(record.entity_type) else { return record };
    let instant = |property: Option<PropertyId>| {
        let cell = record.cells.iter().find(|(known, _)| Some(*known) == property);
        match cell.map(|(_, cell)| &cell.state) {
            Some(CellState::Known(Value::Instant(instant))) => Some(Bound::At(*instant)),
            Some(CellState::Unknown(_)) | None if closed_world && property.is_some() => Some(Bound::Unknown),
            _ => None,
        }
    };
    let (from, to) = (instant(entity.lifetime_from), instant(entity.lifetime_to));
    let lifetime = &mut record.lifetime;
    lifetime.from = match (lifetime.from, from) {
        (Bound::Unknown, None) if closed_world => Bound::Unbounded,
        (Bound::Unknown, Some(from)) => from,
        (stated, _) => stated,
    };
    if lifetime.to == Bound::Unbounded {
        lifetime.to = to.unwrap_or(Bound::Unbounded);
    }
    record
}

/// Settles what several readings say of one attribute.
///
/// A reading of a service goes before an attestation; of two services' readings the later one counts if both have a time;
/// otherwise readings that differ make the fact unknown. `facts` is sorted.
pub(super) fn agree(facts: &[(CellState, SourceId)], sources: &[FactSource], schema: &Schema) -> Cell {
    let said: Vec<&(CellState, SourceId)> = known(facts).collect();
    let Some(first) = said.first() else {
        let reason = facts.iter().find(|(state, _)| matches!(state, CellState::Unknown(Some(_)))).or(facts.first());
        return reason.map_or(Cell { state: CellState::Unknown(None), source: None }, |(state, source)| Cell {
            state: state.clone(),
            source: Some(*source),
        });
    };
    if said.iter().all(|fact| fact.0 == first.0) {
        // Equal readings: the sources are sorted, services before registers, so the first is the one to name.
        let source = said.iter().map(|fact| fact.1).min();
        return Cell { state: first.0.clone(), source };
    }
    let read: Vec<_> = said.iter().filter(|fact| !is_attested(fact, sources)).copied().collect();
    let candidates = if read.is_empty() { said } else { read };
    let candidates = latest(&candidates, sources);
    match candidates.split_first() {
        Some((first, rest)) if rest.iter().all(|fact| fact.0 == first.0) => Cell { state: first.0.clone(), source: Some(first.1) },
        _ => {
            let shown: Vec<String> = candidates.iter().map(|fact| show(fact, sources, schema)).collect();
            let reason = format!("readings disagree: {}", shown.join(", "));
            Cell { state: CellState::Unknown(Some(Arc::from(reason))), source: candidates.first().map(|fact| fact.1) }
        }
    }
}

/// Returns what registers say of an attribute that was read, and that is not what counts.
pub(super) fn contradicted<'f>(
    facts: &'f [(CellState, SourceId)],
    sources: &'f [FactSource],
    counts: &'f Cell,
) -> impl Iterator<Item = &'f (CellState, SourceId)> {
    let was_read = known(facts).any(|fact| !is_attested(fact, sources));
    known(facts).filter(move |fact| was_read && is_attested(fact, sources) && fact.0 != counts.state)
}

fn known(facts: &[(CellState, SourceId)]) -> impl Iterator<Item = &(CellState, SourceId)> {
    facts.iter().filter(|(state, _)| !matches!(state, CellState::Unknown(_)))
}

fn is_attested(fact: &(CellState, SourceId), sources: &[FactSource]) -> bool {
    sources.get(fact.1.0 as usize).is_some_and(|source| source.kind == SourceKind::Register)
}

/// Returns the facts of the latest reading if every reading has a time, else all of them.
fn latest<'a>(facts: &[&'a (CellState, SourceId)], sources: &[FactSource]) -> Vec<&'a (CellState, SourceId)> {
    let time = |fact: &(CellState, SourceId)| sources.get(fact.1.0 as usize).and_then(|source| source.read_at);
    if facts.iter().any(|fact| time(fact).is_none()) {
        return facts.to_vec();
    }
    let newest = facts.iter().filter_map(|fact| time(fact)).max();
    facts.iter().filter(|fact| time(fact) == newest).copied().collect()
}

fn show(fact: &(CellState, SourceId), sources: &[FactSource], schema: &Schema) -> String {
    let source = sources.get(fact.1.0 as usize).map_or_else(String::new, FactSource::display);
    let state = match &fact.0 {
        // Names of entities are not at hand here, and their numbers say nothing to a reader.
        CellState::Known(Value::Entity(_)) => "another entity".to_owned(),
        CellState::Known(value) => format!("`{}`", value.display(schema)),
        _ => "none".to_owned(),
    };
    format!("{state} from {source}")
}

/// Merges claims about one list: one *complete* wins, covered times add up, reasons are joined.
pub(super) fn merge_claims(claims: impl Iterator<Item = Completeness>) -> Option<Completeness> {
    let mut claims: Vec<Completeness> = claims.collect();
    claims.sort();
    let mut covered: Vec<Interval> = claims.iter().flat_map(|claim| claim.covered.iter().copied()).collect();
    covered.sort();
    covered.dedup();
    let best = claims.iter().find(|claim| claim.complete).or(claims.first())?.clone();
    let mut reasons: Vec<String> = claims.into_iter().filter_map(|claim| claim.reason).collect();
    reasons.sort();
    reasons.dedup();
    let reason = (!best.complete && !reasons.is_empty()).then(|| reasons.join("; "));
    Some(Completeness { reason, covered, ..best })
}

pub(super) fn merge_lifetimes(lifetimes: &[Interval]) -> Interval {
    let from = lifetimes.iter().map(|life| life.from).filter(|from| matches!(from, Bound::At(_))).min();
    let to = lifetimes.iter().map(|life| life.to).filter(|to| matches!(to, Bound::At(_))).min();
    let always = lifetimes.iter().any(|life| life.from == Bound::Unbounded);
    Interval { from: from.unwrap_or(if always { Bound::Unbounded } else { Bound::Unknown }), to: to.unwrap_or(Bound::Unbounded) }
}

/// Folds repeated edges; one that says since when goes before one that only says *now*.
fn fold_edges(node: &Node, numbers: &Renumbering) -> Vec<(PropertyId, Edge)> {
    let mut folded: BTreeMap<(PropertyId, Value), BTreeMap<Interval, SourceId>> = BTreeMap::new();
    for (property, member, interval, source) in &node.edges {
        let source = numbers.source(*source);
        let intervals = folded.entry((*property, numbers.value(member))).or_default();
        intervals.entry(*interval).and_modify(|known| *known = (*known).min(source)).or_insert(source);
    }
    let mut edges = Vec::new();
    for ((property, member), mut intervals) in folded {
        if intervals.len() > 1 && intervals.keys().any(|i| *i != Interval::CURRENT && i.to == Bound::Unbounded) {
            intervals.remove(&Interval::CURRENT);
        }
        for (interval, source) in intervals {
            edges.push((property, Edge { member: member.clone(), interval, source: Some(source) }));
        }
    }
    edges
}

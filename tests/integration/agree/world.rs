//! Random worlds of any schema: what is said of them, as data that can be made smaller.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenet::model::{
    Attestation, Base, Bound, Completeness, EntityType, EntityTypeId, FactSource, Interval, Property, PropertyId, Schema, SourceId,
    SourceKind, Value,
};
use tenet::snapshot::{Handle, Records, Snapshot, SnapshotBuilder};

use super::pools::{self, day};
use crate::oracle::random::Random;

/// A value, or an entity of the world by place.
#[derive(Debug, Clone)]
pub(crate) enum Datum {
    Scalar(Value),
    Entity(usize),
}

/// Something that is said. `from` is the place of the source.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Set { of: usize, property: PropertyId, value: Datum, from: usize },
    None { of: usize, property: PropertyId, from: usize },
    Unknown { of: usize, property: PropertyId, from: usize },
    Had { of: usize, property: PropertyId, value: Option<Datum>, interval: Interval, from: usize },
    Member { of: usize, property: PropertyId, value: Datum, interval: Interval, from: usize },
    List { of: usize, property: PropertyId, claim: Completeness, from: usize },
    Extent { ty: EntityTypeId, claim: Completeness, from: usize },
    Lives { of: usize, interval: Interval },
}

/// What is said of a world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) closed: bool,
    pub(crate) captured: Option<Timestamp>,
    pub(crate) now: Timestamp,
    /// Type and key; an entity without a place any more is left out.
    pub(crate) entities: Vec<Option<(EntityTypeId, String)>>,
    pub(crate) facts: Vec<Fact>,
}

/// How much is left open, of 100.
#[derive(Clone, Copy)]
struct Holes {
    unstated: usize,
    unknown: usize,
    open: usize,
    extents: usize,
    placeholders: usize,
    register: usize,
}

const STYLES: [Holes; 4] = [
    Holes { unstated: 0, unknown: 0, open: 0, extents: 0, placeholders: 0, register: 0 },
    Holes { unstated: 1, unknown: 2, open: 4, extents: 8, placeholders: 2, register: 10 },
    Holes { unstated: 6, unknown: 6, open: 25, extents: 30, placeholders: 10, register: 30 },
    Holes { unstated: 30, unknown: 15, open: 55, extents: 60, placeholders: 20, register: 40 },
];

struct Maker<'a> {
    random: &'a mut Random,
    schema: &'a Schema,
    holes: Holes,
    world: World,
    /// By type: the entities that are of it, or may be.
    of_type: Vec<Vec<usize>>,
}

/// Makes a world. `size` is the most entities of a type.
pub(crate) fn world(random: &mut Random, schema: &Schema, size: usize) -> World {
    let holes = *random.pick(&STYLES);
    let closed = random.chance(30);
    let captured = if random.chance(if closed { 15 } else { 90 }) { Some(day(8)) } else { None };
    let now = match (captured, random.below(4)) {
        (Some(captured), 0 | 1) => captured,
        (Some(captured), 2) => captured + SignedDuration::from_hours(24 * *random.pick(&[1, 10, 30])),
        (Some(captured), _) => captured - SignedDuration::from_hours(24 * *random.pick(&[1, 10, 40])),
        (None, _) => day(random.below(pools::N_DAYS)),
    };
    let world = World { closed, captured, now, entities: Vec::new(), facts: Vec::new() };
    let mut maker = Maker { random, schema, holes, world, of_type: vec![Vec::new(); schema.entities.len()] };
    maker.entities(size);
    maker.extents();
    for at in 0..maker.world.entities.len() {
        maker.entity(at);
    }
    maker.world
}

impl Maker<'_> {
    fn entities(&mut self, size: usize) {
        let schema = self.schema;
        let mut used: Vec<usize> = vec![0; schema.entities.len()];
        for ty in &schema.entities {
            let n = if ty.is_abstract {
                usize::from(self.random.chance(self.holes.placeholders * 2))
            } else {
                match self.random.below(20) {
                    0..=2 => 0,
                    3..=14 => 1 + self.random.below(size.min(3)),
                    15..=18 => 1 + self.random.below(size.min(6)),
                    _ => 1 + self.random.below(size),
                }
            };
            for _ in 0..n {
                let number = &mut used[ty.root.0 as usize];
                let key = pools::key(schema, ty.key, *number);
                *number += 1 + usize::from(self.random.chance(10));
                for (at, other) in schema.entities.iter().enumerate() {
                    if schema.is_subtype(ty.id, other.id) || (ty.is_abstract && schema.is_subtype(other.id, ty.id)) {
                        self.of_type[at].push(self.world.entities.len());
                    }
                }
                self.world.entities.push(Some((ty.id, key)));
            }
        }
    }

    fn extents(&mut self) {
        for ty in &self.schema.entities {
            let whole = !self.random.chance(self.holes.extents);
            let from = self.source();
            let claim = if whole {
                if self.world.closed && self.random.chance(80) {
                    continue;
                }
                let covered = self.covered(60);
                Completeness { covered, ..Completeness::now(None) }
            } else if self.random.chance(40) {
                continue;
            } else {
                self.open_claim()
            };
            // Claims about abstract types follow from those about their kinds, and are seldom stated.
            if !ty.is_abstract || self.random.chance(15) {
                self.world.facts.push(Fact::Extent { ty: ty.id, claim, from });
            }
        }
    }

    fn open_claim(&mut self) -> Completeness {
        let reason =
            if self.random.chance(70) { Some((*self.random.pick(&["forbidden", "page 2 was throttled"])).to_owned()) } else { None };
        let covered = self.covered(20);
        Completeness { covered, ..Completeness::open(reason, None) }
    }

    fn covered(&mut self, percent: usize) -> Vec<Interval> {
        match self.random.below(4) {
            _ if !self.random.chance(percent) => Vec::new(),
            0 => vec![self.interval()],
            1 => vec![self.interval(), self.interval()],
            _ => vec![Interval::ALWAYS],
        }
    }

    fn interval(&mut self) -> Interval {
        let (a, b) = (self.random.below(pools::N_DAYS), self.random.below(pools::N_DAYS));
        let bound = |random: &mut Random, at: usize| match random.below(20) {
            0 => Bound::Unknown,
            1..=5 => Bound::Unbounded,
            _ => Bound::At(day(at)),
        };
        // At times an interval is empty, or ends before it begins.
        let (a, b) = if self.random.chance(3) { (b, a) } else { (a.min(b), a.max(b)) };
        Interval { from: bound(self.random, a), to: bound(self.random, b) }
    }

    fn source(&mut self) -> usize {
        if self.random.chance(self.holes.register) { 3 + self.random.below(SOURCES - 3) } else { self.random.below(3) }
    }

    fn entity(&mut self, at: usize) {
        let Some((ty, _)) = self.world.entities[at].clone() else { return };
        let ty = self.schema.entity(ty).unwrap();
        let fleeting = ty.lifetime_from.is_some() || ty.lifetime_to.is_some();
        if self.random.chance(if fleeting { 15 } else { 8 }) {
            let interval = self.interval();
            self.world.facts.push(Fact::Lives { of: at, interval });
        } else if self.random.chance(50) {
            self.world.facts.push(Fact::Lives { of: at, interval: Interval::ALWAYS });
        }
        for property in self.properties(ty) {
            if property.ty.set {
                self.list(at, &property);
            } else if !property.is_key {
                self.attribute(at, &property);
            }
        }
    }

    /// The properties of a type; of a placeholder at times those of its kinds, too.
    fn properties(&mut self, ty: &EntityType) -> Vec<Property> {
        let schema = self.schema;
        let mut ids: Vec<PropertyId> = ty.properties.values().copied().collect();
        if ty.is_abstract && self.random.chance(30) {
            ids.extend(schema.subtypes(ty.id).flat_map(|sub| sub.properties.values().copied()));
        }
        ids.sort();
        ids.dedup();
        ids.into_iter().filter_map(|id| schema.property(id).cloned()).collect()
    }

    fn datum(&mut self, ty: tenet::model::Type) -> Option<Datum> {
        match ty.base {
            Base::Entity(id) => {
                let candidates = &self.of_type[id.0 as usize];
                if candidates.is_empty() { None } else { Some(Datum::Entity(*self.random.pick(candidates))) }
            }
            _ => pools::value(self.random, self.schema, ty).map(Datum::Scalar),
        }
    }

    fn attribute(&mut self, of: usize, property: &Property) {
        let id = property.id;
        if property.history && self.random.chance(60) {
            for _ in 0..=self.random.below(3) {
                let value = if property.ty.optional && self.random.chance(25) { None } else { self.datum(property.ty) };
                let (interval, from) = (self.interval(), self.source());
                if value.is_some() || property.ty.optional {
                    self.world.facts.push(Fact::Had { of, property: id, value, interval, from });
                }
            }
        }
        if self.random.chance(self.holes.unstated) {
            return;
        }
        let n = if self.random.chance(4) { 2 } else { 1 };
        for _ in 0..n {
            let from = self.source();
            let roll = self.random.below(100);
            let value = self.datum(property.ty);
            let fact = match value {
                _ if roll < self.holes.unknown => Fact::Unknown { of, property: id, from },
                Some(value) if !property.ty.optional || roll < 70 => Fact::Set { of, property: id, value, from },
                _ => Fact::None { of, property: id, from },
            };
            self.world.facts.push(fact);
        }
    }

    fn list(&mut self, of: usize, property: &Property) {
        let id = property.id;
        let from_references = property.inverse.and_then(|id| self.schema.property(id)).is_some_and(|inverse| !inverse.ty.set);
        let n = match self.random.below(12) {
            _ if (from_references || property.derived.is_some()) && self.random.chance(85) => 0,
            0..=2 => 0,
            3..=8 => 1 + self.random.below(2),
            _ => 1 + self.random.below(4),
        };
        for _ in 0..n {
            let Some(value) = self.datum(property.ty) else { break };
            let interval = match self.random.below(8) {
                0 | 1 => Interval::CURRENT,
                2..=4 if property.history => self.interval(),
                2 => self.interval(),
                _ => Interval::ALWAYS,
            };
            let from = self.source();
            self.world.facts.push(Fact::Member { of, property: id, value, interval, from });
        }
        let from = self.source();
        let open = self.random.chance(self.holes.open);
        let stated = if open {
            self.random.chance(if self.world.closed { 90 } else { 50 })
        } else {
            self.random.chance(if self.world.closed { 10 } else { 60 })
        };
        if !stated {
            return;
        }
        let claim = if open {
            self.open_claim()
        } else {
            let covered = self.covered(70);
            Completeness { covered, ..Completeness::now(None) }
        };
        self.world.facts.push(Fact::List { of, property: id, claim, from });
    }
}

/// How many sources there are; those from the fourth on are registers.
const SOURCES: usize = 8;

fn sources() -> Vec<FactSource> {
    let api = |name: &str| FactSource::new(SourceKind::Api, name);
    let row = |id: &str, due: Option<Timestamp>| FactSource {
        attestation: Some(Attestation {
            id: id.to_owned(),
            attested_by: "somebody".to_owned(),
            attested_at: None,
            evidence_file: None,
            evidence_hash: None,
            review_due_at: due,
        }),
        ..FactSource::new(SourceKind::Register, "register")
    };
    let sources = vec![
        api("first"),
        FactSource { read_at: Some(day(7)), ..api("second") },
        FactSource { read_at: Some(day(8)), ..FactSource::new(SourceKind::Table, "third") },
        row("a", Some(day(2))),
        row("b", Some(day(8))),
        row("c", Some(day(20))),
        row("d", None),
        FactSource::new(SourceKind::Register, "bare"),
    ];
    assert_eq!(sources.len(), SOURCES);
    sources
}

impl World {
    pub(crate) fn snapshot(&self, schema: &Arc<Schema>) -> Snapshot {
        Snapshot::freeze(Arc::clone(schema), self.records(schema))
    }

    /// Builds the records. What does not fit, such as a fact about a kind that a placeholder is not, is left out.
    pub(crate) fn records(&self, schema: &Arc<Schema>) -> Records {
        let mut builder = SnapshotBuilder::new(Arc::clone(schema));
        builder.meta_mut().closed_world = self.closed;
        if let Some(captured) = self.captured {
            builder.captured_at(captured);
        }
        let sources: Vec<SourceId> = sources().into_iter().map(|source| builder.source(source)).collect();
        let handles: Vec<Option<Handle>> =
            self.entities.iter().map(|entity| entity.as_ref().map(|(ty, key)| builder.entity(*ty, key).unwrap())).collect();
        for fact in &self.facts {
            say(&mut builder, schema, fact, &handles, &sources);
        }
        builder.records()
    }

    /// Takes an entity out, with everything said of it.
    pub(crate) fn without_entity(&self, gone: usize) -> Self {
        let mut world = self.clone();
        world.entities[gone] = None;
        world.facts.retain(|fact| !fact.mentions(gone));
        world
    }

    pub(crate) fn without_fact(&self, gone: usize) -> Self {
        let mut world = self.clone();
        world.facts.remove(gone);
        world
    }

    /// Writes what is said, for people.
    pub(crate) fn describe(&self, schema: &Schema) -> String {
        let name =
            |at: &usize| self.entities[*at].as_ref().map_or("gone".to_owned(), |(ty, key)| format!("{}[{key}]", schema.entity_name(*ty)));
        let property = |id: &PropertyId| schema.property(*id).map_or("?", |property| property.name.as_str());
        let datum = |value: &Datum| match value {
            Datum::Scalar(value) => value.display(schema),
            Datum::Entity(at) => name(at),
        };
        let mut text = format!("closed: {}, captured: {:?}, now: {}\n", self.closed, self.captured.map(|at| at.to_string()), self.now);
        for at in (0..self.entities.len()).filter(|at| self.entities[*at].is_some()) {
            text.push_str(&format!("{}\n", name(&at)));
        }
        for fact in &self.facts {
            let line = match fact {
                Fact::Set { of, property: id, value, from } => format!("{}.{} = {} (source {from})", name(of), property(id), datum(value)),
                Fact::None { of, property: id, from } => format!("{}.{} is none (source {from})", name(of), property(id)),
                Fact::Unknown { of, property: id, from } => format!("{}.{} is unknown (source {from})", name(of), property(id)),
                Fact::Had { of, property: id, value, interval, from } => {
                    let value = value.as_ref().map_or("none".to_owned(), datum);
                    format!("{}.{} was {value} for {interval:?} (source {from})", name(of), property(id))
                }
                Fact::Member { of, property: id, value, interval, from } => {
                    format!("{}.{} has {} for {interval:?} (source {from})", name(of), property(id), datum(value))
                }
                Fact::List { of, property: id, claim, from } => {
                    format!(
                        "{}.{}: {} {:?} covers {:?} (source {from})",
                        name(of),
                        property(id),
                        claim.complete,
                        claim.reason,
                        claim.covered
                    )
                }
                Fact::Extent { ty, claim, from } => {
                    format!(
                        "all {}: {} {:?} covers {:?} (source {from})",
                        schema.entity_name(*ty),
                        claim.complete,
                        claim.reason,
                        claim.covered
                    )
                }
                Fact::Lives { of, interval } => format!("{} lives {interval:?}", name(of)),
            };
            text.push_str(&format!("{line}\n"));
        }
        text
    }
}

impl Fact {
    fn mentions(&self, entity: usize) -> bool {
        let is = |value: &Datum| matches!(value, Datum::Entity(at) if *at == entity);
        match self {
            Self::Set { of, value, .. } | Self::Member { of, value, .. } => *of == entity || is(value),
            Self::Had { of, value, .. } => *of == entity || value.as_ref().is_some_and(is),
            Self::None { of, .. } | Self::Unknown { of, .. } | Self::List { of, .. } | Self::Lives { of, .. } => *of == entity,
            Self::Extent { .. } => false,
        }
    }
}

fn say(builder: &mut SnapshotBuilder, schema: &Schema, fact: &Fact, handles: &[Option<Handle>], sources: &[SourceId]) {
    let handle = |at: usize| handles[at].expect("facts about entities that are gone are gone");
    let name = |id: PropertyId| schema.property(id).unwrap().name.as_str();
    let value = |datum: &Datum| match datum {
        Datum::Scalar(value) => value.clone(),
        Datum::Entity(at) => handle(*at).value(),
    };
    let claimed = |claim: &Completeness, from: usize| Completeness { source: Some(sources[from]), ..claim.clone() };
    let result = match fact {
        Fact::Set { of, property, value: datum, from } => builder.set(handle(*of), name(*property), value(datum), sources[*from]),
        Fact::None { of, property, from } => builder.set_none(handle(*of), name(*property), sources[*from]),
        Fact::Unknown { of, property, from } => builder.set_unknown(handle(*of), name(*property), "not readable", sources[*from]),
        Fact::Had { of, property, value: datum, interval, from } => {
            builder.had(handle(*of), name(*property), datum.as_ref().map(value), *interval, sources[*from])
        }
        Fact::Member { of, property, value: Datum::Entity(member), interval, from } => {
            builder.link(handle(*of), name(*property), handle(*member), *interval, sources[*from])
        }
        Fact::Member { of, property, value: Datum::Scalar(value), from, .. } => {
            builder.add_value(handle(*of), name(*property), value.clone(), sources[*from])
        }
        Fact::List { of, property, claim, from } => builder.claim(handle(*of), name(*property), claimed(claim, *from)),
        Fact::Extent { ty, claim, from } => {
            builder.claim_extent(*ty, claimed(claim, *from));
            Ok(())
        }
        Fact::Lives { of, interval } => {
            builder.existed(handle(*of), *interval);
            Ok(())
        }
    };
    // A name may be a set in one kind and not in another.
    drop(result);
}

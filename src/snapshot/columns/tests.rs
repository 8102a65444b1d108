//! Columns answer as the records they were made from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{Columns, Frame, Keys, Part, PartData, PartStore, Texts, format_guid, parse_guid};
use crate::check::core_schema;
use crate::model::{
    Attestation, Base, Bound, Completeness, DerivedFrom, EntityId, EntityTypeId, FactSource, Interval, Property, PropertyId, Schema,
    SourceKind, Type, Value,
};
use crate::snapshot::{Handle, Records, Snapshot, SnapshotBuilder};

/// A small generator of numbers, so that a failing case can be run again by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len())].clone()
    }

    fn instant(&mut self) -> Timestamp {
        self.pick(&["2020-01-01T00:00:00Z", "2026-05-05T05:05:05.123456789Z", "1969-12-31T23:59:59.9Z"]).parse().unwrap()
    }

    fn interval(&mut self) -> Interval {
        let mut bound = || match self.roll(3) {
            0 => Bound::Unbounded,
            1 => Bound::At(self.instant()),
            _ => Bound::Unknown,
        };
        let (from, to) = (bound(), bound());
        match self.roll(4) {
            0 => Interval { from, to },
            1 => Interval::ALWAYS,
            _ => Interval::CURRENT,
        }
    }

    fn key(&mut self) -> String {
        let ends = ["0b0c1a3e-0000-4000-8000-00000000000a", "0b0c1a3e-0000-4000-8000-00000000000b", "ab", "ac", "3664167"];
        let n = 2 + self.roll(4);
        let end = self.pick(&ends[..n]);
        let before = self.pick(&["", "", "/subscriptions/", "/a/b/"]);
        format!("{before}{end}")
    }

    fn value(&mut self, schema: &Schema, base: Base) -> Value {
        match base {
            Base::Bool => Value::Bool(self.roll(2) == 0),
            Base::Int => Value::Int(self.pick(&[0, -1, i64::MAX])),
            Base::Duration => Value::Duration(self.pick(&[0, 86_400, 1, i64::MIN])),
            Base::Instant => Value::Instant(self.instant()),
            Base::Enum(id) => Value::Enum(id, u32::try_from(self.roll(schema.enumeration(id).unwrap().values.len())).unwrap()),
            _ => Value::text(self.pick(&["3664167", "12345678", "", "é", "z"])),
        }
    }

    fn completeness(&mut self, source: crate::model::SourceId) -> Completeness {
        let covered = (0..self.roll(3)).map(|_| self.interval()).collect();
        let reason = self.pick(&[None, Some("why".to_owned()), Some("403".to_owned())]);
        Completeness { complete: self.roll(2) == 0, reason, covered, source: Some(source) }
    }
}

/// The core schema with what it does not have: numbers, sets of texts, a set that is its own other side, and navigations
/// that are derived from derived ones.
fn wider_schema() -> Arc<Schema> {
    let mut schema = (*core_schema()).clone();
    let owner = schema.entity_named("Scope").unwrap().id;
    let text = Type { set: true, ..Type::of(Base::String) };
    let scopes = Type::set_of(Base::Entity(owner));
    let number = Type::of(Base::Int).or_none();
    let length = Type::of(Base::Duration).or_none();
    for (name, ty) in [("tags", text), ("seats", number), ("grace", length), ("peers", scopes), ("around", scopes), ("further", scopes)] {
        let id = PropertyId(u32::try_from(schema.properties.len()).unwrap());
        let inverse = (name == "peers").then_some(id);
        let named = |name: &str| schema.property_named(owner, name).unwrap().id;
        let derived = match name {
            "around" => Some(DerivedFrom { from: named("peers"), along: named("children") }),
            "further" => Some(DerivedFrom { from: named("around"), along: named("around") }),
            _ => None,
        };
        let template = schema.property_named(owner, "parent").unwrap().clone();
        schema.properties.push(Property { id, name: name.to_owned(), ty, inverse, derived, history: false, ..template });
        for entity in &mut schema.entities {
            if entity.root == owner {
                entity.properties.insert(name.to_owned(), id);
            }
        }
    }
    Arc::new(schema)
}

struct World {
    dice: Dice,
    builder: SnapshotBuilder,
    handles: Vec<Handle>,
}

/// States random facts; few types and keys, so that they meet.
fn random_world(schema: &Arc<Schema>, seed: u64) -> Snapshot {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut builder = SnapshotBuilder::new(Arc::clone(schema));
    builder.meta_mut().closed_world = dice.roll(3) == 0;
    let roots: Vec<EntityTypeId> = schema.entities.iter().filter(|ty| ty.root == ty.id).map(|ty| ty.id).collect();
    let chosen: Vec<EntityTypeId> = (0..3).map(|_| dice.pick(&roots)).collect();
    let types: Vec<EntityTypeId> =
        schema.entities.iter().filter(|ty| chosen.contains(&ty.root) || dice.roll(6) == 0).map(|ty| ty.id).collect();
    let mut world = World { dice, builder, handles: Vec::new() };
    for _ in 0..world.dice.roll(25) {
        let (ty, key) = (world.dice.pick(&types), world.dice.key());
        world.handles.extend(world.builder.entity(ty, &key));
    }
    let facts = if world.handles.is_empty() { 0 } else { world.dice.roll(300) };
    for _ in 0..facts {
        world.fact(schema);
    }
    for _ in 0..world.dice.roll(5) {
        let source = world.source();
        let ty = world.dice.pick(&types);
        let claim = world.dice.completeness(source);
        world.builder.claim_extent(ty, claim);
    }
    Snapshot::freeze(Arc::clone(schema), world.builder.records())
}

impl World {
    fn source(&mut self) -> crate::model::SourceId {
        let name = self.dice.pick(&["a", "b", "c"]);
        let kind = self.dice.pick(&[SourceKind::Api, SourceKind::Register]);
        let mut source = FactSource::new(kind, name);
        if kind == SourceKind::Register {
            let review_due_at = Some(self.dice.instant());
            source.attestation = Some(Attestation {
                id: name.to_owned(),
                attested_by: "x".to_owned(),
                attested_at: None,
                evidence_file: None,
                evidence_hash: None,
                review_due_at,
            });
        }
        self.builder.source(source)
    }

    fn fact(&mut self, schema: &Schema) {
        let (handle, source) = (self.dice.pick(&self.handles), self.source());
        let ty = self.builder.type_of(handle).unwrap();
        // Placeholders of abstract types may have facts of subtypes.
        let names: Vec<PropertyId> = schema.subtypes(ty).flat_map(|sub| sub.properties.values().copied()).collect();
        let property = schema.property(self.dice.pick(&names)).unwrap().clone();
        let _ = self.state(schema, handle, &property, source);
        if self.dice.roll(12) == 0 {
            let lifetime = self.dice.interval();
            self.builder.existed(handle, lifetime);
        }
    }

    fn state(
        &mut self,
        schema: &Schema,
        handle: Handle,
        property: &Property,
        source: crate::model::SourceId,
    ) -> Result<(), crate::snapshot::BuildError> {
        let name = property.name.as_str();
        let target = match property.ty.entity() {
            Some(ty) => Some(self.target(schema, ty)?),
            None => None,
        };
        let value = target.map_or_else(|| self.dice.value(schema, property.ty.base), Handle::value);
        let (builder, dice) = (&mut self.builder, &mut self.dice);
        match (property.ty.set, dice.roll(6)) {
            (true, 0 | 1) => builder.claim(handle, name, dice.completeness(source)),
            (true, _) => match target {
                Some(target) => builder.link(handle, name, target, dice.interval(), source),
                None => builder.add_value(handle, name, value, source),
            },
            (false, 0) => builder.set_none(handle, name, source),
            (false, 1) => builder.set_unknown(handle, name, dice.pick(&["403", "lost"]), source),
            (false, 2) => builder.had(handle, name, (dice.roll(2) == 0).then_some(value), dice.interval(), source),
            (false, 3) if dice.roll(3) == 0 => builder.claim(handle, name, dice.completeness(source)),
            (false, _) => builder.set(handle, name, value, source),
        }
    }

    fn target(&mut self, schema: &Schema, ty: EntityTypeId) -> Result<Handle, crate::snapshot::BuildError> {
        let fits = |handle: &Handle| self.builder.type_of(*handle).is_some_and(|known| schema.is_subtype(known, ty));
        let known: Vec<Handle> = self.handles.iter().copied().filter(fits).collect();
        if !known.is_empty() && self.dice.roll(5) > 0 {
            return Ok(self.dice.pick(&known));
        }
        let key = self.dice.key();
        self.builder.entity(ty, &key)
    }
}

/// Compares everything that can be asked.
fn compare(rows: &Snapshot, columns: &Snapshot, case: &str) {
    let schema = rows.schema();
    assert_eq!((rows.len(), rows.meta(), rows.sources()), (columns.len(), columns.meta(), columns.sources()), "{case}");
    for ty in &schema.entities {
        let sorted = |ids: &mut dyn Iterator<Item = EntityId>| {
            let mut ids: Vec<EntityId> = ids.collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(&mut rows.extent(ty.id)), sorted(&mut columns.extent(ty.id)), "{case}: every {}", ty.name);
        assert_eq!(sorted(&mut rows.possible(ty.id)), sorted(&mut columns.possible(ty.id)), "{case}: any {}", ty.name);
        assert_eq!(rows.extent_completeness(ty.id), columns.extent_completeness(ty.id), "{case}: every {}", ty.name);
        assert_eq!(columns.find(ty.id, "no such key"), None);
    }
    for id in (0..=u32::try_from(rows.len()).unwrap()).map(EntityId) {
        assert_eq!(rows.entity_type(id), columns.entity_type(id), "{case}: {id:?}");
        assert_eq!(rows.key(id), columns.key(id), "{case}: {id:?}");
        assert_eq!(rows.label(id), columns.label(id), "{case}: {id:?}");
        assert_eq!(rows.lifetime(id), columns.lifetime(id), "{case}: {id:?}");
        if let Some(ty) = rows.entity_type(id) {
            assert_eq!(columns.find(ty, &rows.key(id)), Some(id), "{case}: {id:?}");
        }
        for property in &schema.properties {
            let name = format!("{case}: {} of {}, a {:?}", property.name, rows.key(id), rows.entity_type(id));
            let histories = [rows, columns].map(|s| s.history(id, property.id).map(|entry| entry.into_owned()).collect::<Vec<_>>());
            assert_eq!(histories[0], histories[1], "{name}");
            if property.ty.set {
                assert_eq!(rows.nav(id, property.id), columns.nav(id, property.id), "{name}");
            } else {
                assert_eq!(rows.cell(id, property.id), columns.cell(id, property.id), "{name}");
            }
        }
    }
    let (made, stored) = (columns.records(), settled(&columns.records(), rows.records().into_owned()));
    for (one, other) in made.entities.iter().zip(&stored.entities) {
        assert_eq!(one, other, "{case}");
    }
    assert_eq!(*made, stored, "{case}");
    assert_eq!(columns.trouble(), None, "{case}");
}

/// Columns keep of a list that whole types make whole that it is, and the times of a claim about earlier times, not that claim.
fn settled(made: &Records, mut stored: Records) -> Records {
    for (one, other) in made.entities.iter().zip(&mut stored.entities) {
        for (property, claim) in &mut other.completeness {
            let is_of_now = claim.complete || claim.reason.is_some() || claim.covered.is_empty();
            let kept = one.completeness.iter().find(|(of, _)| of == property).map(|(_, kept)| kept);
            if let Some(kept) = kept.filter(|kept| !is_of_now && kept.complete && kept.covered == claim.covered) {
                *claim = kept.clone();
            }
        }
    }
    stored
}

fn columnar(rows: &Snapshot) -> Snapshot {
    Snapshot::from_columns(Arc::clone(rows.columns()))
}

#[test]
fn columns_answer_as_records_do() {
    let schemas = [core_schema(), wider_schema()];
    for seed in 1..400 {
        for (at, schema) in schemas.iter().enumerate() {
            let rows = random_world(schema, seed);
            compare(&rows, &columnar(&rows), &format!("schema {at}, seed {seed}"));
        }
    }
}

#[test]
fn records_from_columns_are_canonical() {
    let schema = core_schema();
    for seed in 1..100 {
        let rows = random_world(&schema, seed);
        let records = columnar(&rows).records().into_owned();
        let again = Snapshot::freeze(Arc::clone(&schema), SnapshotBuilder::from_records(Arc::clone(&schema), records.clone()).records());
        assert_eq!(*again.records(), records, "seed {seed}");
    }
}

#[test]
fn codes_are_ordered_as_values_are() {
    let schema = core_schema();
    for seed in 1..100 {
        let rows = random_world(&schema, seed);
        let columns = rows.columns();
        for property in schema.properties.iter().filter(|property| !property.ty.set && !property.is_key) {
            let class = columns.class_of(property.ty, Some(property)).unwrap();
            let mut known: BTreeMap<u32, Value> = BTreeMap::new();
            let Some(column) = columns.attribute(property.id) else { continue };
            for code in column.codes.iter().filter(|code| *code <= super::CODES_MAX) {
                let value = columns.value_of(property.ty, class, code).unwrap();
                assert_eq!(columns.code(class, &value), Some(code), "seed {seed}, {}", property.name);
                known.insert(code, value);
            }
            assert!(known.values().is_sorted_by(|a, b| a < b), "seed {seed}, {}: {known:?}", property.name);
            assert_eq!(columns.code(class, &Value::text("it is not there")), None);
        }
        for ty in &schema.entities {
            let class = columns.class_of(ty.key, schema.property_named(ty.id, &ty.key_name)).unwrap();
            for id in columns.domain(ty.id) {
                let key = columns.value(class, id).unwrap();
                assert_eq!(columns.code(class, &key), Some(id), "seed {seed}");
            }
        }
    }
}

/// Parts of another snapshot, and which of them cannot be read.
#[derive(Debug)]
struct Shelf {
    parts: BTreeMap<Part, PartData>,
    broken: Option<Part>,
    asked: Mutex<Vec<Part>>,
}

impl PartStore for Shelf {
    fn bytes(&self, part: Part) -> u64 {
        // Some more than others, some enough for several threads.
        self.parts.keys().position(|known| *known == part).map_or(0, |at| at as u64 * 100_000)
    }

    fn load(&self, part: Part) -> Result<Option<PartData>, String> {
        self.asked.lock().unwrap().push(part);
        if self.broken == Some(part) { Err(format!("{part:?} is damaged")) } else { Ok(self.parts.get(&part).cloned()) }
    }
}

fn stored(columns: &Columns, broken: Option<Part>) -> (Columns, Arc<Shelf>) {
    let parts = columns.parts_present().map(|(part, data)| (part, (*data).clone())).collect();
    let shelf = Arc::new(Shelf { parts, broken, asked: Mutex::new(Vec::new()) });
    let store: Arc<dyn PartStore> = Arc::<Shelf>::clone(&shelf);
    (Columns::new(Arc::clone(columns.schema()), columns.frame(), Some(store)), shelf)
}

#[test]
fn parts_are_loaded_when_they_are_asked_for() {
    let schema = core_schema();
    for seed in 1..40 {
        let rows = random_world(&schema, seed);
        let (columns, shelf) = stored(rows.columns(), None);
        assert_eq!(shelf.asked.lock().unwrap().len(), 0);
        columns.load_all(&[Part::Instants, Part::Integers]);
        assert_eq!(shelf.asked.lock().unwrap().len(), 2);
        compare(&rows, &Snapshot::from_columns(columns), &format!("seed {seed}"));
        let mut asked = shelf.asked.lock().unwrap().clone();
        asked.sort();
        assert!(asked.is_sorted_by(|a, b| a < b), "a part was loaded twice");
    }
}

/// Whatever cannot be read is less known than before, and the columns say that there is trouble.
#[test]
fn a_damaged_part_is_not_believed() {
    let schema = core_schema();
    for seed in 1..30 {
        let rows = random_world(&schema, seed);
        for (part, _) in rows.columns().parts_present() {
            let (columns, _) = stored(rows.columns(), Some(part));
            columns.load_all(&[part]);
            assert_eq!(columns.trouble(), Some(format!("{part:?} is damaged").as_str()));
            let damaged = Snapshot::from_columns(columns);
            for id in (0..u32::try_from(rows.len()).unwrap()).map(EntityId) {
                for property in &schema.properties {
                    let (nav, whole) = (damaged.nav(id, property.id), rows.nav(id, property.id));
                    let lost = whole.members.iter().any(|edge| !nav.members.iter().any(|known| known.member == edge.member));
                    assert!(!lost || !nav.completeness.complete || !property.ty.set, "{part:?}: {} of {id:?}", property.name);
                }
            }
        }
    }
}

#[test]
fn keys_take_the_form_that_fits_them() {
    let (a, b) = ("0b0c1a3e-0000-4000-8000-00000000000a", "fb0c1a3e-0000-4000-8000-00000000000b");
    let guids = Keys::from_sorted(&[a, b]).unwrap();
    assert!(matches!(&guids, Keys::Guids(guids) if guids.len() == 2));
    let paths: Vec<String> = [a, b].iter().map(|guid| format!("/subscriptions/{guid}")).collect();
    let prefixed = Keys::from_sorted(&paths).unwrap();
    assert!(matches!(&prefixed, Keys::Prefixed { prefixes, .. } if prefixes.len() == 1));
    let texts = Keys::from_sorted(&["", "a", "é"]).unwrap();
    assert!(matches!(texts, Keys::Texts(_)));
    assert_eq!((guids.get(1).as_deref(), guids.find(b), guids.find("x")), (Some(b), Some(1), None));
    assert_eq!((prefixed.get(1).as_deref(), prefixed.find(&paths[1])), (Some(paths[1].as_str()), Some(1)));
    assert_eq!((texts.get(2).as_deref(), texts.find(""), texts.get(3)), (Some("é"), Some(0), None));
    assert_eq!(std::str::from_utf8(&format_guid(parse_guid(a.as_bytes()).unwrap())), Ok(a));
    assert_eq!(parse_guid("0B0c1a3e-0000-4000-8000-00000000000a".as_bytes()), None);
    assert_eq!(Texts::default().find(""), None);
}

#[test]
fn ids_out_of_order_are_trouble() {
    let schema = core_schema();
    let frame = Frame { own: vec![5..9; schema.entities.len()], ..random_world(&schema, 1).columns().frame() };
    assert!(Columns::new(Arc::clone(&schema), frame, None).trouble().is_some());
}

//! Records to tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::defaults::Defaults;
use super::made::{Facts, Ground, Kind, Made as _};
use super::parquet::Feed;
use super::tables::{COMPLETENESS, ColumnKind, Datum, EDGES, FACTS, HISTORY, SIDE_TABLES, SOURCES, Table, property_name, side_layout};
use crate::model::{Bound, Completeness, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind, Value};
use crate::snapshot::{CellState, Record, Records};

/// Writes records as tables: one a type that has entities, by name, then the side tables. Equal records give equal tables.
#[must_use]
pub fn to_tables(schema: &Schema, records: &Records) -> Vec<Table> {
    let ground = Ground::of(schema, records);
    let Encoded { kinds, facts, mut side } = Encoded::of(&ground);
    let kinds = kinds.iter().map(|kind| kind.table(&kind.name));
    let side = SIDE_TABLES.iter().filter_map(|name| if *name == FACTS { Some(facts.table(FACTS)) } else { side.remove(name) });
    kinds.chain(side).collect()
}

/// Records as tables. Those with a row for each entity or fact are not held: their cells are made when they are asked for.
pub(super) struct Encoded<'g> {
    kinds: Vec<Kind<'g>>,
    facts: Facts<'g>,
    side: BTreeMap<&'static str, Table>,
}

impl<'g> Encoded<'g> {
    pub(super) fn of(ground: &'g Ground<'g>) -> Self {
        let others = SIDE_TABLES.iter().filter(|name| **name != FACTS);
        let side = others.filter_map(|name| Some((*name, Table::empty(name, side_layout(name)?)))).collect();
        let mut encoder = Encoder { ground, side, names: HashMap::new() };
        encoder.sources();
        for record in &ground.records.entities {
            encoder.record(record);
        }
        for extent in &ground.records.extents {
            encoder.completeness(ground.schema.entity_name(extent.entity_type), None, None, &extent.completeness);
        }
        Self { kinds: Kind::all(ground), facts: Facts::of(ground), side: encoder.side }
    }

    /// Returns the tables by name, in the order of [`to_tables`].
    pub(super) fn feeds(&self) -> Vec<(String, &dyn Feed)> {
        let kinds = self.kinds.iter().map(|kind| (kind.name.clone(), kind as &dyn Feed));
        let side = SIDE_TABLES.iter().filter_map(|name| {
            let feed: &dyn Feed = if *name == FACTS { &self.facts } else { self.side.get(name)? };
            Some(((*name).to_owned(), feed))
        });
        kinds.chain(side).collect()
    }
}

/// Writes what is in side tables, but for facts.
struct Encoder<'g> {
    ground: &'g Ground<'g>,
    side: BTreeMap<&'static str, Table>,
    /// Names of properties, which repeat in each row.
    names: HashMap<(EntityTypeId, PropertyId), Datum>,
}

impl Encoder<'_> {
    fn push<'c>(&mut self, table: &str, cells: impl IntoIterator<Item = (&'c str, Option<Datum>)>) {
        if let Some(table) = self.side.get_mut(table) {
            table.push_row(cells);
        }
    }

    fn sources(&mut self) {
        for (id, source) in self.ground.records.sources.iter().enumerate() {
            self.push(SOURCES, source_row(id, source));
        }
    }

    fn record(&mut self, record: &Record) {
        let kind = self.ground.schema.entity_name(record.entity_type).to_owned();
        for (property, edge) in &record.edges {
            let (member_kind, member) = self.ground.encode(&edge.member);
            let [from, to] = bounds(edge.interval);
            let subject = self.subject(record, *property);
            let rest = [
                ("member_kind", member_kind),
                ("member", Some(member)),
                ("from", Some(from)),
                ("to", Some(to)),
                ("source", source_cell(edge.source)),
            ];
            self.push(EDGES, subject.into_iter().chain(rest));
        }
        for (property, entry) in &record.history {
            let [from, to] = bounds(entry.interval);
            let (value_kind, value) = self.state_value(&entry.state);
            let subject = self.subject(record, *property);
            let rest = [
                ("from", Some(from)),
                ("to", Some(to)),
                ("state", Some(self.ground.state_name(&entry.state))),
                ("value_kind", value_kind),
                ("value", value),
                ("source", source_cell(entry.source)),
            ];
            self.push(HISTORY, subject.into_iter().chain(rest));
        }
        for (property, claim) in &record.completeness {
            let name = property_name(self.ground.schema, record.entity_type, *property);
            self.completeness(&kind, Some(&record.key), Some(&name), claim);
        }
    }

    /// Writes one row a covered time, and one row where nothing is covered.
    fn completeness(&mut self, kind: &str, key: Option<&Arc<str>>, property: Option<&str>, claim: &Completeness) {
        let covered: Vec<Option<Interval>> = match claim.covered.as_slice() {
            [] => vec![None],
            covered => covered.iter().copied().map(Some).collect(),
        };
        for interval in covered {
            let [from, to] = interval.map_or([None, None], |interval| bounds(interval).map(Some));
            let cells = [
                ("kind", Some(Datum::text(kind))),
                ("key", key.map(|key| Datum::Text(Arc::clone(key)))),
                ("property", property.map(Datum::text)),
                ("complete", Some(Datum::Bool(claim.complete))),
                ("reason", claim.reason.as_ref().map(Datum::text)),
                ("covered_from", from),
                ("covered_to", to),
                ("source", source_cell(claim.source)),
            ];
            self.push(COMPLETENESS, cells);
        }
    }

    fn subject(&mut self, record: &Record, property: PropertyId) -> [(&'static str, Option<Datum>); 3] {
        let (schema, ty) = (self.ground.schema, record.entity_type);
        let kind = self.ground.kind_name(ty);
        let name = self.names.entry((ty, property)).or_insert_with(|| Datum::text(property_name(schema, ty, property))).clone();
        [("kind", kind), ("key", Some(Datum::Text(Arc::clone(&record.key)))), ("property", Some(name))]
    }

    fn state_value(&self, state: &CellState) -> (Option<Datum>, Option<Datum>) {
        match state {
            CellState::Known(value) => {
                let (kind, text) = self.ground.encode(value);
                (kind, Some(text))
            }
            _ => (None, None),
        }
    }
}

/// Returns the rows of `_facts` that are about every entity of a type.
pub(super) fn default_rows(schema: &Schema, defaults: &Defaults) -> Vec<Vec<(&'static str, Option<Datum>)>> {
    let name = |(ty, property): &(EntityTypeId, PropertyId)| (schema.entity_name(*ty).to_owned(), property_name(schema, *ty, *property));
    let mut sorted: Vec<_> = defaults.iter().map(|(at, usual)| (name(at), usual)).collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let mut rows = Vec::new();
    for ((kind, property), usual) in sorted {
        let mut push = |state: &str, reason: Option<Datum>, source: SourceId| {
            rows.push(vec![
                ("kind", Some(Datum::text(&kind))),
                ("property", Some(Datum::text(&property))),
                ("state", Some(Datum::text(state))),
                ("reason", reason),
                ("source", source_cell(Some(source))),
            ]);
        };
        if let Some(source) = usual.value {
            push("value", None, source);
        }
        match &usual.empty {
            Some((CellState::Unknown(reason), source)) => {
                push("unknown", reason.as_ref().map(|reason| Datum::Text(Arc::clone(reason))), *source);
            }
            Some((_, source)) => push("none", None, *source),
            None => {}
        }
    }
    rows
}

/// Tells whether a column of this kind holds a value without loss.
pub(super) fn fits(kind: ColumnKind, value: &Value) -> bool {
    typed(kind, value, || Datum::Bool(false)).is_some()
}

/// Returns the typed cell of a value, if a column of this kind holds it without loss; `text` writes it as text.
pub(super) fn typed(kind: ColumnKind, value: &Value, text: impl FnOnce() -> Datum) -> Option<Datum> {
    match (kind, value) {
        (ColumnKind::Bool, Value::Bool(value)) => Some(Datum::Bool(*value)),
        (ColumnKind::Int, Value::Int(value) | Value::Duration(value)) => Some(Datum::Int(*value)),
        (ColumnKind::Instant, Value::Instant(instant)) => (instant.subsec_nanosecond() % 1_000 == 0).then_some(Datum::Instant(*instant)),
        (ColumnKind::Text, Value::Text(_) | Value::Enum(..) | Value::Entity(_)) => Some(text()),
        _ => None,
    }
}

pub(super) fn bounds(interval: Interval) -> [Datum; 2] {
    [interval.from, interval.to].map(|bound| match bound {
        Bound::Unbounded => Datum::text("unbounded"),
        Bound::At(instant) => Datum::text(instant.to_string()),
        Bound::Unknown => Datum::text("unknown"),
    })
}

pub(super) fn source_cell(source: Option<SourceId>) -> Option<Datum> {
    source.map(|id| Datum::Int(i64::from(id.0)))
}

/// Returns the word for a kind of source.
pub(super) fn source_kind_name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Api => "api",
        SourceKind::Table => "table",
        SourceKind::Register => "register",
        SourceKind::Derived => "derived",
        SourceKind::Test => "test",
    }
}

pub(super) fn source_row(id: usize, source: &FactSource) -> Vec<(&'static str, Option<Datum>)> {
    let optional = |text: &Option<String>| text.as_ref().map(Datum::text);
    let mut row = vec![
        ("id", i64::try_from(id).ok().map(Datum::Int)),
        ("kind", Some(Datum::text(source_kind_name(source.kind)))),
        ("name", Some(Datum::text(&source.name))),
        ("location", optional(&source.location)),
        ("request", optional(&source.request)),
        ("read_at", source.read_at.map(|at| Datum::text(at.to_string()))),
    ];
    if let Some(attestation) = &source.attestation {
        row.extend([
            ("attestation", Some(Datum::text(&attestation.id))),
            ("attested_by", Some(Datum::text(&attestation.attested_by))),
            ("attested_at", attestation.attested_at.map(|at| Datum::text(at.to_string()))),
            ("evidence_file", optional(&attestation.evidence_file)),
            ("evidence_hash", optional(&attestation.evidence_hash)),
            ("review_due_at", attestation.review_due_at.map(|at| Datum::text(at.to_string()))),
        ]);
    }
    row
}

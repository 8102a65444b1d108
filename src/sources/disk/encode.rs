//! Records to tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::defaults::{Defaults, defaults, stated_bounds};
use super::tables::{
    COMPLETENESS, ColumnKind, Datum, EDGES, FACTS, HISTORY, KEY, LIFETIME_FROM, LIFETIME_TO, PropertyColumn, SIDE_TABLES, SOURCES, Table,
    coding, entity_layout, property_columns, property_name, side_layout,
};
use crate::model::{Bound, Completeness, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind, Value};
use crate::snapshot::{CellState, Record, Records};

/// Writes records as tables: one a type that has entities, by name, then the side tables. Equal records give equal tables.
#[must_use]
pub fn to_tables(schema: &Schema, records: &Records) -> Vec<Table> {
    let side = SIDE_TABLES.iter().filter_map(|name| Some((*name, Table::empty(name, side_layout(name)?)))).collect();
    let states = ["value", "none", "unknown"].map(Datum::text);
    let defaults = defaults(schema, records);
    let (kinds, names, kind_names) = (BTreeMap::new(), HashMap::new(), HashMap::new());
    let mut encoder = Encoder { schema, records, defaults, kinds, side, names, kind_names, states };
    encoder.sources();
    for row in default_rows(schema, &encoder.defaults) {
        encoder.push(FACTS, row);
    }
    for record in &records.entities {
        encoder.record(record);
    }
    for extent in &records.extents {
        encoder.completeness(schema.entity_name(extent.entity_type), None, None, &extent.completeness);
    }
    let kinds = encoder.kinds.into_values().map(|kind| kind.table);
    kinds.chain(SIDE_TABLES.iter().filter_map(|name| encoder.side.remove(name))).collect()
}

struct KindTable {
    table: Table,
    columns: BTreeMap<String, PropertyColumn>,
}

struct Encoder<'a> {
    schema: &'a Schema,
    records: &'a Records,
    defaults: Defaults,
    kinds: BTreeMap<String, KindTable>,
    side: BTreeMap<&'static str, Table>,
    /// Texts that repeat in each row: names of types, properties and states.
    names: HashMap<(EntityTypeId, PropertyId), Datum>,
    kind_names: HashMap<EntityTypeId, Datum>,
    states: [Datum; 3],
}

impl Encoder<'_> {
    fn push<'c>(&mut self, table: &str, cells: impl IntoIterator<Item = (&'c str, Option<Datum>)>) {
        if let Some(table) = self.side.get_mut(table) {
            table.push_row(cells);
        }
    }

    fn sources(&mut self) {
        for (id, source) in self.records.sources.iter().enumerate() {
            self.push(SOURCES, source_row(id, source));
        }
    }

    fn record(&mut self, record: &Record) {
        let kind = self.schema.entity_name(record.entity_type).to_owned();
        self.entity_row(&kind, record);
        for (property, cell) in &record.cells {
            self.cell(&kind, record, *property, &cell.state, cell.source);
        }
        self.unread(record);
        for (property, edge) in &record.edges {
            let (member_kind, member) = self.encode(&edge.member);
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
                ("state", Some(self.state_name(&entry.state))),
                ("value_kind", value_kind),
                ("value", value),
                ("source", source_cell(entry.source)),
            ];
            self.push(HISTORY, subject.into_iter().chain(rest));
        }
        for (property, claim) in &record.completeness {
            let name = property_name(self.schema, record.entity_type, *property);
            self.completeness(&kind, Some(&record.key), Some(&name), claim);
        }
    }

    fn entity_row(&mut self, kind: &str, record: &Record) {
        let schema = self.schema;
        let table = self.kinds.entry(kind.to_owned()).or_insert_with(|| KindTable::new(schema, kind, record.entity_type));
        let [from, to] = stated_bounds(schema.entity(record.entity_type), record);
        let key = Datum::Text(Arc::clone(&record.key));
        table.table.push_row([(KEY, Some(key)), (LIFETIME_FROM, from), (LIFETIME_TO, to)]);
    }

    /// Names the properties of which nothing was read, where an empty cell would mean something else.
    fn unread(&mut self, record: &Record) {
        let from = (record.entity_type, PropertyId(0));
        let of_type = self.defaults.range(from..).take_while(|((ty, _), _)| *ty == record.entity_type);
        let silent = |property: &PropertyId| record.cells.binary_search_by_key(property, |(known, _)| *known).is_err();
        let unread: Vec<PropertyId> =
            of_type.filter(|(_, usual)| usual.empty.is_some()).map(|((_, property), _)| *property).filter(silent).collect();
        for property in unread {
            let subject = self.subject(record, property);
            self.push(FACTS, subject.into_iter().chain([("state", Some(Datum::text("unread")))]));
        }
    }

    /// Puts a known value into its typed column, and says in `_facts` what is known and who says so.
    fn cell(&mut self, kind: &str, record: &Record, property: PropertyId, state: &CellState, source: Option<SourceId>) {
        let name = property_name(self.schema, record.entity_type, property);
        let mut exact = None;
        if let CellState::Known(value) = state {
            let (value_kind, text) = self.encode(value);
            let table = self.kinds.get_mut(kind);
            let column = table.as_ref().and_then(|table| table.columns.get(&name)).cloned();
            let typed = column.as_ref().and_then(|column| typed(column.kind(), value, &text));
            if typed.is_none() {
                exact = Some(text);
            }
            if let (Some(table), Some(column)) = (table, column) {
                table.table.put(&column.column, typed);
                if let Some(type_column) = &column.type_column {
                    table.table.put(type_column, value_kind);
                }
            }
        }
        let usual = self.defaults.get(&(record.entity_type, property));
        let is_usual = match state {
            CellState::Known(_) => exact.is_none() && source.is_some() && usual.and_then(|usual| usual.value) == source,
            state => {
                let empty = usual.and_then(|usual| usual.empty.as_ref());
                empty.is_some_and(|(known, from)| known == state && Some(*from) == source)
            }
        };
        if is_usual {
            return;
        }
        let reason = match state {
            CellState::Unknown(Some(reason)) => Some(Datum::Text(Arc::clone(reason))),
            _ => None,
        };
        let subject = self.subject(record, property);
        let rest = [("state", Some(self.state_name(state))), ("reason", reason), ("exact", exact), ("source", source_cell(source))];
        self.push(FACTS, subject.into_iter().chain(rest));
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
        let (schema, ty) = (self.schema, record.entity_type);
        let kind = self.kind_names.entry(ty).or_insert_with(|| Datum::text(schema.entity_name(ty))).clone();
        let name = self.names.entry((ty, property)).or_insert_with(|| Datum::text(property_name(schema, ty, property))).clone();
        [("kind", Some(kind)), ("key", Some(Datum::Text(Arc::clone(&record.key)))), ("property", Some(name))]
    }

    fn state_name(&self, state: &CellState) -> Datum {
        let [value, none, unknown] = &self.states;
        match state {
            CellState::Known(_) => value.clone(),
            CellState::None => none.clone(),
            CellState::Unknown(_) => unknown.clone(),
        }
    }

    fn state_value(&self, state: &CellState) -> (Option<Datum>, Option<Datum>) {
        match state {
            CellState::Known(value) => {
                let (kind, text) = self.encode(value);
                (kind, Some(text))
            }
            _ => (None, None),
        }
    }

    /// Writes a value as exact text, and names the type of an entity.
    fn encode(&self, value: &Value) -> (Option<Datum>, Datum) {
        match value {
            Value::Entity(id) => match self.records.entities.get(id.0 as usize) {
                Some(target) => {
                    let kind = Datum::text(self.schema.entity_name(target.entity_type));
                    (Some(kind), Datum::Text(Arc::clone(&target.key)))
                }
                None => (None, Datum::text("")),
            },
            Value::Text(text) => (None, Datum::Text(Arc::clone(text))),
            Value::Instant(instant) => (None, Datum::text(instant.to_string())),
            Value::Duration(seconds) => (None, Datum::text(seconds.to_string())),
            Value::Interval(from, to) => (None, Datum::text(format!("{from}/{to}"))),
            Value::Bool(_) | Value::Int(_) | Value::Enum(..) => (None, Datum::text(value.display(self.schema))),
        }
    }
}

impl KindTable {
    fn new(schema: &Schema, kind: &str, ty: EntityTypeId) -> Self {
        let columns = property_columns(schema, ty);
        let mut table = Table::empty(kind, entity_layout(schema, ty));
        for column in &mut table.columns {
            column.coding = coding(schema, &column.name, &columns);
        }
        Self { table, columns: columns.into_iter().map(|column| (column.property.name.clone(), column)).collect() }
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
    typed(kind, value, &Datum::Bool(false)).is_some()
}

/// Returns the typed cell of a value, if a column of this kind holds it without loss.
fn typed(kind: ColumnKind, value: &Value, text: &Datum) -> Option<Datum> {
    match (kind, value) {
        (ColumnKind::Bool, Value::Bool(value)) => Some(Datum::Bool(*value)),
        (ColumnKind::Int, Value::Int(value) | Value::Duration(value)) => Some(Datum::Int(*value)),
        (ColumnKind::Instant, Value::Instant(instant)) => (instant.subsec_nanosecond() % 1_000 == 0).then_some(Datum::Instant(*instant)),
        (ColumnKind::Text, Value::Text(_) | Value::Enum(..) | Value::Entity(_)) => Some(text.clone()),
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

//! Tables with a row for each entity or fact, whose cells are made from records when they are asked for: held as cells they
//! would take several times the memory of the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::defaults::{Defaults, defaults, stated_bounds};
use super::encode::{default_rows, source_cell, typed};
use super::parquet::{Coding, Feed, array_of};
use super::tables::{
    Column, ColumnKind, Datum, FACTS, KEY, LIFETIME_FROM, LIFETIME_TO, Table, coding, entity_layout, find_property, property_columns,
    property_name, side_layout,
};
use crate::model::{EntityTypeId, PropertyId, Schema, SourceId, Value};
use crate::snapshot::{CellState, Record, Records};

/// A table whose cells are made.
pub(super) trait Made: Sync {
    /// Returns the columns, with how each is encoded.
    fn columns(&self) -> &[(String, ColumnKind, Coding)];
    /// Returns how many rows there are.
    fn n_made(&self) -> usize;
    /// Makes a cell.
    fn cell(&self, column: usize, row: usize) -> Option<Datum>;

    /// Makes all cells.
    fn table(&self, name: &str) -> Table {
        let cells = |at: usize| (0..self.n_made()).map(|row| self.cell(at, row)).collect();
        let column = |(at, (name, kind, coding)): (usize, &(String, ColumnKind, Coding))| Column {
            name: name.clone(),
            kind: *kind,
            cells: cells(at),
            coding: *coding,
        };
        Table { name: name.to_owned(), columns: self.columns().iter().enumerate().map(column).collect() }
    }
}

/// What cells are made from.
pub(super) struct Ground<'r> {
    pub(super) schema: &'r Schema,
    pub(super) records: &'r Records,
    pub(super) defaults: Defaults,
    /// Which values have a column, and of which kind.
    typed: BTreeMap<(EntityTypeId, PropertyId), ColumnKind>,
    /// Texts that repeat in each row: names of types and of states.
    names: Vec<Datum>,
    states: [Datum; 4],
}

impl<'r> Ground<'r> {
    pub(super) fn of(schema: &'r Schema, records: &'r Records) -> Self {
        let mut typed = BTreeMap::new();
        for ty in &schema.entities {
            for column in property_columns(schema, ty.id) {
                if let Some(property) = find_property(schema, ty.id, &column.property.name) {
                    typed.insert((ty.id, property.id), column.kind());
                }
            }
        }
        let names = schema.entities.iter().map(|ty| Datum::text(&ty.name)).collect();
        let states = ["value", "none", "unknown", "unread"].map(Datum::text);
        Self { schema, records, defaults: defaults(schema, records), typed, names, states }
    }

    fn record(&self, entity: u32) -> Option<&Record> {
        self.records.entities.get(entity as usize)
    }

    pub(super) fn kind_name(&self, ty: EntityTypeId) -> Option<Datum> {
        self.names.get(ty.0 as usize).cloned()
    }

    pub(super) fn state_name(&self, state: &CellState) -> Datum {
        let [value, none, unknown, _] = &self.states;
        match state {
            CellState::Known(_) => value.clone(),
            CellState::None => none.clone(),
            CellState::Unknown(_) => unknown.clone(),
        }
    }

    /// Writes a value as exact text, and names the type of an entity.
    pub(super) fn encode(&self, value: &Value) -> (Option<Datum>, Datum) {
        match value {
            Value::Entity(id) => match self.record(id.0) {
                Some(target) => (self.kind_name(target.entity_type), Datum::Text(Arc::clone(&target.key))),
                None => (None, Datum::text("")),
            },
            Value::Text(text) => (None, Datum::Text(Arc::clone(text))),
            Value::Instant(instant) => (None, Datum::text(instant.to_string())),
            Value::Duration(seconds) => (None, Datum::text(seconds.to_string())),
            Value::Interval(bounds) => (None, Datum::text(bounds.map(|bound| bound.to_string()).join("/"))),
            Value::Bool(_) | Value::Int(_) | Value::Enum(..) => (None, Datum::text(value.display(self.schema))),
        }
    }

    /// Returns the value as text where no column holds it.
    fn exact(&self, record: &Record, property: PropertyId, state: &CellState) -> Option<Datum> {
        let CellState::Known(value) = state else { return None };
        (!self.has_column(record, property, value)).then(|| self.encode(value).1)
    }

    /// Tells whether a column holds a value without loss.
    fn has_column(&self, record: &Record, property: PropertyId, value: &Value) -> bool {
        self.typed.get(&(record.entity_type, property)).is_some_and(|kind| super::encode::fits(*kind, value))
    }

    /// Tells whether a fact is as the defaults of its type say.
    fn is_usual(&self, record: &Record, property: PropertyId, state: &CellState, source: Option<SourceId>) -> bool {
        let usual = self.defaults.get(&(record.entity_type, property));
        match state {
            CellState::Known(value) => {
                self.has_column(record, property, value) && source.is_some() && usual.and_then(|usual| usual.value) == source
            }
            state => {
                let empty = usual.and_then(|usual| usual.empty.as_ref());
                empty.is_some_and(|(known, from)| known == state && Some(*from) == source)
            }
        }
    }
}

/// What a column of a type holds.
#[derive(Debug, Clone, Copy)]
enum What {
    Key,
    From,
    To,
    Value(PropertyId),
    /// The type of the entity referred to.
    Type(PropertyId),
}

/// The entities of one type.
pub(super) struct Kind<'g> {
    ground: &'g Ground<'g>,
    pub(super) name: String,
    layout: Vec<(String, ColumnKind, Coding)>,
    what: Vec<What>,
    rows: Vec<u32>,
}

impl<'g> Kind<'g> {
    /// Returns a table for each type that has entities, by name.
    pub(super) fn all(ground: &'g Ground<'g>) -> Vec<Self> {
        let mut kinds: BTreeMap<&str, Self> = BTreeMap::new();
        for (entity, record) in (0..).zip(&ground.records.entities) {
            let name = ground.schema.entity_name(record.entity_type);
            let kind = kinds.entry(name).or_insert_with(|| Self::empty(ground, name, record.entity_type));
            kind.rows.push(entity);
        }
        kinds.into_values().collect()
    }

    fn empty(ground: &'g Ground<'g>, name: &str, ty: EntityTypeId) -> Self {
        let schema = ground.schema;
        let properties = property_columns(schema, ty);
        let mut what: BTreeMap<&str, What> = BTreeMap::from([(KEY, What::Key), (LIFETIME_FROM, What::From), (LIFETIME_TO, What::To)]);
        for column in &properties {
            let Some(property) = find_property(schema, ty, &column.property.name) else { continue };
            what.insert(&column.column, What::Value(property.id));
            what.extend(column.type_column.as_deref().map(|name| (name, What::Type(property.id))));
        }
        let layout: Vec<_> = entity_layout(schema, ty)
            .into_iter()
            .map(|(name, kind)| (coding(schema, &name, &properties), name, kind))
            .map(|(coding, name, kind)| (name, kind, coding))
            .collect();
        let what = layout.iter().map(|(name, ..)| what.get(name.as_str()).copied().unwrap_or(What::Key)).collect();
        Self { ground, name: name.to_owned(), layout, what, rows: Vec::new() }
    }
}

impl Made for Kind<'_> {
    fn columns(&self) -> &[(String, ColumnKind, Coding)] {
        &self.layout
    }

    fn n_made(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, column: usize, row: usize) -> Option<Datum> {
        let ground = self.ground;
        let record = ground.record(*self.rows.get(row)?)?;
        let (_, kind, _) = self.layout.get(column)?;
        let bounds = || stated_bounds(ground.schema.entity(record.entity_type), record);
        let datum = match self.what.get(column)? {
            What::Key => Some(Datum::Text(Arc::clone(&record.key))),
            What::From => bounds().into_iter().next().flatten(),
            What::To => bounds().into_iter().next_back().flatten(),
            What::Value(property) => known(record, *property).and_then(|value| typed(*kind, value, || ground.encode(value).1)),
            What::Type(property) => known(record, *property).and_then(|value| ground.encode(value).0),
        };
        datum.filter(|datum| datum.kind() == *kind)
    }
}

fn known(record: &Record, property: PropertyId) -> Option<&Value> {
    let at = record.cells.binary_search_by_key(&property, |(known, _)| *known).ok()?;
    let (_, cell) = record.cells.get(at)?;
    if let CellState::Known(value) = &cell.state { Some(value) } else { None }
}

/// A row of `_facts`.
#[derive(Debug, Clone, Copy)]
enum FactRow {
    /// What is said of every entity of a type, by place.
    Usual(u32),
    /// A cell of an entity, by places.
    Cell(u32, u32),
    /// A property of an entity of which nothing was read.
    Unread(u32, PropertyId),
}

/// What is known, and who says so, where that is not as usual.
pub(super) struct Facts<'g> {
    ground: &'g Ground<'g>,
    layout: Vec<(String, ColumnKind, Coding)>,
    usual: Vec<Vec<(&'static str, Option<Datum>)>>,
    names: BTreeMap<(EntityTypeId, PropertyId), Datum>,
    rows: Vec<FactRow>,
}

impl<'g> Facts<'g> {
    pub(super) fn of(ground: &'g Ground<'g>) -> Self {
        let layout = side_layout(FACTS).unwrap_or_default();
        let layout = layout.into_iter().map(|(name, kind)| (name, kind, Coding::Repeating)).collect();
        let usual = default_rows(ground.schema, &ground.defaults);
        let rows = (0..).zip(&usual).map(|(at, _)| FactRow::Usual(at)).collect();
        let mut facts = Self { ground, layout, usual, names: BTreeMap::new(), rows };
        for (entity, record) in (0..).zip(&ground.records.entities) {
            facts.take(entity, record);
        }
        facts
    }

    fn take(&mut self, entity: u32, record: &Record) {
        let ground = self.ground;
        for (at, (property, cell)) in (0..).zip(&record.cells) {
            if !ground.is_usual(record, *property, &cell.state, cell.source) {
                self.push(FactRow::Cell(entity, at), record, *property);
            }
        }
        // Properties of which nothing was read, where an empty cell would mean something else.
        let of_type = ground.defaults.range((record.entity_type, PropertyId(0))..);
        for ((_, property), _) in of_type.take_while(|((ty, _), _)| *ty == record.entity_type).filter(|(_, usual)| usual.empty.is_some()) {
            if record.cells.binary_search_by_key(property, |(known, _)| *known).is_err() {
                self.push(FactRow::Unread(entity, *property), record, *property);
            }
        }
    }

    fn push(&mut self, row: FactRow, record: &Record, property: PropertyId) {
        let (schema, ty) = (self.ground.schema, record.entity_type);
        self.names.entry((ty, property)).or_insert_with(|| Datum::text(property_name(schema, ty, property)));
        self.rows.push(row);
    }

    fn subject(&self, column: &str, record: &Record, property: PropertyId) -> Option<Datum> {
        match column {
            "kind" => self.ground.kind_name(record.entity_type),
            "key" => Some(Datum::Text(Arc::clone(&record.key))),
            "property" => self.names.get(&(record.entity_type, property)).cloned(),
            _ => None,
        }
    }
}

impl Made for Facts<'_> {
    fn columns(&self) -> &[(String, ColumnKind, Coding)] {
        &self.layout
    }

    fn n_made(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, column: usize, row: usize) -> Option<Datum> {
        let ground = self.ground;
        let (column, ..) = self.layout.get(column)?;
        match *self.rows.get(row)? {
            FactRow::Usual(at) => {
                let row = self.usual.get(at as usize)?;
                row.iter().find(|(name, _)| name == column).and_then(|(_, datum)| datum.clone())
            }
            FactRow::Cell(entity, at) => {
                let record = ground.record(entity)?;
                let (property, cell) = record.cells.get(at as usize)?;
                match column.as_str() {
                    "state" => Some(ground.state_name(&cell.state)),
                    "reason" => match &cell.state {
                        CellState::Unknown(Some(reason)) => Some(Datum::Text(Arc::clone(reason))),
                        _ => None,
                    },
                    "exact" => ground.exact(record, *property, &cell.state),
                    "source" => source_cell(cell.source),
                    other => self.subject(other, record, *property),
                }
            }
            FactRow::Unread(entity, property) => match column.as_str() {
                "state" => ground.states.last().cloned(),
                other => self.subject(other, ground.record(entity)?, property),
            },
        }
    }
}

impl<T: Made> Feed for T {
    fn layout(&self) -> Vec<(String, ColumnKind, Coding)> {
        self.columns().to_vec()
    }

    fn n_rows(&self) -> usize {
        self.n_made()
    }

    fn array(&self, column: usize, from: usize, to: usize) -> ArrayRef {
        let kind = self.columns().get(column).map_or(ColumnKind::Bool, |(_, kind, _)| *kind);
        array_of(kind, (from..to).map(|row| self.cell(column, row)))
    }
}

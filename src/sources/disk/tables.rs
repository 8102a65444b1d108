//! Tables without a format: what Parquet and JSON Lines both hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::parquet::Coding;

use crate::model::{Base, EntityTypeId, Property, PropertyId, Schema};

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text; also keys, enumerations, and times where a bound may be unknown.
    Text,
    /// A whole number.
    Int,
    /// Truth.
    Bool,
    /// A time in UTC.
    Instant,
}

impl ColumnKind {
    /// Returns the word used in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "whole number",
            Self::Bool => "boolean",
            Self::Instant => "timestamp",
        }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// Text.
    Text(Arc<str>),
    /// A whole number.
    Int(i64),
    /// Truth.
    Bool(bool),
    /// A time.
    Instant(Timestamp),
}

impl Datum {
    /// Makes a text cell.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// Returns what it is.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::Int(_) => ColumnKind::Int,
            Self::Bool(_) => ColumnKind::Bool,
            Self::Instant(_) => ColumnKind::Instant,
        }
    }
}

/// A column; all columns of a table are equally long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
    /// One cell a row; `None` is an empty one.
    pub cells: Vec<Option<Datum>>,
    /// How its cells follow from each other.
    pub(super) coding: Coding,
}

/// A table: the entities of one type, or one of the tables whose names begin with `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl Table {
    /// Makes a table without rows.
    #[must_use]
    pub fn empty(name: &str, layout: Vec<(String, ColumnKind)>) -> Self {
        let column = |(name, kind)| Column { name, kind, cells: Vec::new(), coding: Coding::Repeating };
        let columns = layout.into_iter().map(column).collect();
        Self { name: name.to_owned(), columns }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    /// Returns a column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns a text cell; `None` for an empty one and for a column that is absent or of another kind.
    #[must_use]
    pub fn text(&self, column: &str, row: usize) -> Option<&Arc<str>> {
        match self.cell(column, row) {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns a cell.
    #[must_use]
    pub fn cell(&self, column: &str, row: usize) -> Option<&Datum> {
        self.column(column)?.cells.get(row)?.as_ref()
    }

    /// Adds a row; cells that are not named stay empty.
    pub(super) fn push_row<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Option<Datum>)>) {
        for column in &mut self.columns {
            column.cells.push(None);
        }
        for (name, datum) in cells {
            self.put(name, datum);
        }
    }

    /// Fills a cell of the last row. The caller knows the layout, so a cell of another kind is left empty.
    pub(super) fn put(&mut self, name: &str, datum: Option<Datum>) {
        let Some(column) = self.columns.iter_mut().find(|column| column.name == name) else { return };
        let datum = datum.filter(|datum| datum.kind() == column.kind);
        if let Some(cell) = column.cells.last_mut() {
            *cell = datum;
        }
    }
}

pub(super) const SOURCES: &str = "_sources";
pub(super) const FACTS: &str = "_facts";
pub(super) const EDGES: &str = "_edges";
pub(super) const HISTORY: &str = "_history";
pub(super) const COMPLETENESS: &str = "_completeness";

/// The tables beside those of the entity types, in the order they are written.
pub(super) const SIDE_TABLES: [&str; 5] = [SOURCES, FACTS, EDGES, HISTORY, COMPLETENESS];

/// Columns of an entity table that are no properties.
pub(super) const KEY: &str = "key";
pub(super) const LIFETIME_FROM: &str = "lifetime_from";
pub(super) const LIFETIME_TO: &str = "lifetime_to";

/// Returns the columns of one of [`SIDE_TABLES`].
pub(super) fn side_layout(name: &str) -> Option<Vec<(String, ColumnKind)>> {
    use ColumnKind::{Bool, Int, Text};
    let columns: &[(&str, ColumnKind)] = match name {
        SOURCES => &[
            ("id", Int),
            ("kind", Text),
            ("name", Text),
            ("location", Text),
            ("request", Text),
            ("read_at", Text),
            ("attestation", Text),
            ("attested_by", Text),
            ("attested_at", Text),
            ("evidence_file", Text),
            ("evidence_hash", Text),
            ("review_due_at", Text),
        ],
        // `exact` is the value where the typed column cannot hold it, such as a time finer than a microsecond.
        FACTS => &[("kind", Text), ("key", Text), ("property", Text), ("state", Text), ("reason", Text), ("exact", Text), ("source", Int)],
        EDGES => &[
            ("kind", Text),
            ("key", Text),
            ("property", Text),
            ("member_kind", Text),
            ("member", Text),
            ("from", Text),
            ("to", Text),
            ("source", Int),
        ],
        HISTORY => &[
            ("kind", Text),
            ("key", Text),
            ("property", Text),
            ("from", Text),
            ("to", Text),
            ("state", Text),
            ("value_kind", Text),
            ("value", Text),
            ("source", Int),
        ],
        COMPLETENESS => &[
            ("kind", Text),
            ("key", Text),
            ("property", Text),
            ("complete", Bool),
            ("reason", Text),
            ("covered_from", Text),
            ("covered_to", Text),
            ("source", Int),
        ],
        _ => return None,
    };
    Some(columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
}

/// A property that has a column.
#[derive(Debug, Clone)]
pub(super) struct PropertyColumn {
    pub(super) property: Property,
    pub(super) column: String,
    /// The column that names the type of the entity referred to, where the declared type is abstract.
    pub(super) type_column: Option<String>,
}

impl PropertyColumn {
    pub(super) fn kind(&self) -> ColumnKind {
        match self.property.ty.base {
            Base::Bool => ColumnKind::Bool,
            Base::Int | Base::Duration => ColumnKind::Int,
            Base::Instant => ColumnKind::Instant,
            _ => ColumnKind::Text,
        }
    }
}

/// Returns the single-valued properties of a type in order of name. An abstract type has those of its subtypes too: facts
/// may be known of an entity whose type is not.
pub(super) fn property_columns(schema: &Schema, ty: EntityTypeId) -> Vec<PropertyColumn> {
    let mut properties: BTreeMap<&str, &Property> = BTreeMap::new();
    let own = schema.entity(ty).into_iter();
    let below = schema.subtypes(ty).filter(|sub| sub.id != ty);
    for entity in own.chain(below) {
        for (name, id) in &entity.properties {
            let Some(property) = schema.property(*id).filter(|property| !property.is_key && !property.ty.set) else { continue };
            properties.entry(name).or_insert(property);
        }
    }
    let names: BTreeSet<&str> = properties.keys().copied().collect();
    // A name in the language begins with a letter, so a leading underscore cannot meet another property.
    let free = |name: String, taken: bool| if taken { format!("_{name}") } else { name };
    properties
        .iter()
        .map(|(name, property)| PropertyColumn {
            property: (*property).clone(),
            column: free((*name).to_owned(), [KEY, LIFETIME_FROM, LIFETIME_TO].contains(name)),
            type_column: is_abstract(schema, property).then(|| {
                let name = format!("{name}_type");
                let taken = names.contains(name.as_str());
                free(name, taken)
            }),
        })
        .collect()
}

/// Returns the property a name means for an entity: its own or, for a placeholder of an abstract type, a subtype's.
///
/// An entity whose type is disputed can have facts of two subtypes under one name: `Owner.name` tells them apart.
pub(super) fn find_property<'s>(schema: &'s Schema, ty: EntityTypeId, name: &str) -> Option<&'s Property> {
    if let Some((owner, name)) = name.split_once('.') {
        let owner = schema.entity_named(owner).filter(|owner| schema.entity(ty).is_some_and(|entity| entity.root == owner.root))?;
        return schema.property_named(owner.id, name);
    }
    let own = schema.property_named(ty, name);
    own.or_else(|| schema.subtypes(ty).find_map(|sub| schema.property_named(sub.id, name)))
}

/// Returns the name under which [`find_property`] finds a property.
pub(super) fn property_name(schema: &Schema, ty: EntityTypeId, id: PropertyId) -> String {
    let Some(property) = schema.property(id) else { return "?".to_owned() };
    match find_property(schema, ty, &property.name) {
        Some(found) if found.id == id => property.name.clone(),
        _ => format!("{}.{}", schema.entity_name(property.owner), property.name),
    }
}

/// Tells which columns of an entity table hold texts that mostly begin like the one before: keys, which are sorted, and
/// references by ARM id, for what belongs together is often next to each other.
pub(super) fn coding(schema: &Schema, name: &str, columns: &[PropertyColumn]) -> Coding {
    let follows = |column: &PropertyColumn| {
        let target = column.property.ty.entity().and_then(|ty| schema.entity(ty));
        column.column == name && target.is_some_and(|target| target.key.base == Base::ArmId)
    };
    if name == KEY || columns.iter().any(follows) { Coding::Following } else { Coding::Repeating }
}

fn is_abstract(schema: &Schema, property: &Property) -> bool {
    property.ty.entity().and_then(|id| schema.entity(id)).is_some_and(|entity| entity.is_abstract)
}

/// Returns the columns of the table of an entity type.
pub(super) fn entity_layout(schema: &Schema, ty: EntityTypeId) -> Vec<(String, ColumnKind)> {
    let fixed = [KEY, LIFETIME_FROM, LIFETIME_TO].map(|name| (name.to_owned(), ColumnKind::Text));
    let mut layout = fixed.to_vec();
    for column in property_columns(schema, ty) {
        let kind = column.kind();
        layout.push((column.column, kind));
        layout.extend(column.type_column.map(|name| (name, ColumnKind::Text)));
    }
    layout
}

/// Returns the columns of a table by its name, if the schema knows it.
pub(super) fn layout(schema: &Schema, table: &str) -> Option<Vec<(String, ColumnKind)>> {
    side_layout(table).or_else(|| schema.entity_named(table).map(|entity| entity_layout(schema, entity.id)))
}

/// Tells whether a name can be that of a table, and so part of the name of a file.
pub(super) fn is_table_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && name.len() <= 128
}

//! Writes a snapshot folder from columns: the tables that [`to_tables`](super::to_tables) makes of the records, without the
//! records.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, LargeStringBuilder};
use arrow_array::{ArrayRef, TimestampMicrosecondArray};
use jiff::Timestamp;
use rayon::prelude::*;

use super::defaults::{Defaults, Tally, Usual};
use super::encode::{bounds, default_rows, source_row};
use super::parquet::{Coding, Feed};
use super::tables::{
    COMPLETENESS, ColumnKind, Datum, EDGES, FACTS, HISTORY, PropertyColumn, SOURCES, Table, coding, entity_layout, property_columns,
    property_name, side_layout,
};
use super::write::{Written, write_feeds};
use super::{DiskError, Manifest};
use crate::model::{Base, Bound, Completeness, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind};
use crate::snapshot::CellState;
use crate::snapshot::columns::{
    AttributeColumn, CODES_MAX, Codes, Columns, Keys, MemberTimes, NO_SOURCE, NONE, SourceColumn, UNBOUNDED, UNKNOWN, format_guid,
};

/// Writes columns without history to a new folder, as [`write_snapshot`](super::write_snapshot) writes the records they come
/// from.
///
/// # Errors
/// As there, and if the columns hold history.
pub fn write_columns(columns: &Columns, path: &Path, force: bool) -> Result<Manifest, DiskError> {
    if columns.meta().closed_world {
        return Err(DiskError::ClosedWorld);
    }
    let schema = columns.schema();
    if schema.properties.iter().any(|property| columns.history(property.id).is_some()) {
        return Err(DiskError::File { file: HISTORY.to_owned(), message: "columns with history are not written".to_owned() });
    }
    let kinds: Vec<Kind<'_>> = schema.entities.iter().filter_map(|ty| Kind::of(columns, ty.id)).collect();
    let facts: Vec<Facts> = kinds.par_iter().flat_map_iter(|kind| kind.facts()).collect();
    let edges = Edges::of(columns);
    let side = [
        table(SOURCES, sources(columns)),
        table(FACTS, fact_rows(columns, &facts)),
        table(HISTORY, Vec::new()),
        table(COMPLETENESS, claims(columns)),
    ];
    let mut feeds: Vec<(String, &dyn Feed)> = kinds.iter().map(|kind| (kind.name.clone(), kind as &dyn Feed)).collect();
    feeds.extend(side.iter().map(|table| (table.name.clone(), table as &dyn Feed)));
    feeds.push((EDGES.to_owned(), &edges));
    write_feeds(Written { schema, meta: columns.meta(), evidence: None }, &feeds, path, force)
}

type Row = Vec<(&'static str, Option<Datum>)>;

fn table(name: &str, rows: Vec<Row>) -> Table {
    let mut table = Table::empty(name, side_layout(name).unwrap_or_default());
    for row in rows {
        table.push_row(row);
    }
    table
}

/// Returns the sources that facts are from; that of keys is added again when records are frozen.
fn sources(columns: &Columns) -> Vec<Row> {
    let is_identity = |source: &FactSource| source.kind == SourceKind::Derived && source.name == "identity";
    let n = columns.sources().len() - usize::from(columns.sources().last().is_some_and(is_identity));
    columns.sources().iter().take(n).enumerate().map(|(id, source)| source_row(id, source)).collect()
}

/// The entities of one type.
struct Kind<'c> {
    columns: &'c Columns,
    ty: EntityTypeId,
    name: String,
    own: Range<u32>,
    keys: &'c Keys,
    properties: Vec<PropertyColumn>,
    /// What each column of the table is.
    cells: Vec<Cells>,
}

#[derive(Clone, Copy)]
enum Cells {
    Key,
    From,
    To,
    Value(usize),
    Type(usize),
}

impl<'c> Kind<'c> {
    fn of(columns: &'c Columns, ty: EntityTypeId) -> Option<Self> {
        let schema = columns.schema();
        let own = columns.own(ty);
        let keys = columns.keys(ty).filter(|_| !own.is_empty())?;
        let properties = property_columns(schema, ty);
        let mut cells = vec![Cells::Key, Cells::From, Cells::To];
        for (at, property) in properties.iter().enumerate() {
            cells.push(Cells::Value(at));
            cells.extend(property.type_column.as_ref().map(|_| Cells::Type(at)));
        }
        Some(Self { columns, ty, name: schema.entity_name(ty).to_owned(), own, keys, properties, cells })
    }

    fn ids(&self, from: usize, to: usize) -> Range<u32> {
        let at = |place: usize| self.own.start.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
        at(from)..at(to)
    }

    /// Makes the bounds of lifetimes where they do not follow from the attributes.
    fn bounds(&self, ids: Range<u32>, is_from: bool) -> ArrayRef {
        let schema = self.columns.schema();
        let entity = schema.entity(self.ty);
        let lifetimes = entity.and_then(|ty| self.columns.lifetimes(ty.root));
        let named = entity.and_then(|ty| if is_from { ty.lifetime_from } else { ty.lifetime_to });
        let attribute = named.and_then(|property| self.columns.attribute(property));
        let otherwise = if is_from { UNKNOWN } else { UNBOUNDED };
        let follows = |id: u32| attribute.and_then(|column| code_at(column, id)).filter(|code| *code <= CODES_MAX).unwrap_or(otherwise);
        let stated = |id: u32| {
            let column = lifetimes?;
            let at = id.checked_sub(column.first).filter(|at| *at < column.len)?;
            let codes = if is_from { &column.from } else { &column.to };
            codes.get(at as usize)
        };
        let mut texts = LargeStringBuilder::with_capacity(ids.len(), 0);
        for id in ids {
            // Beyond the column an entity exists at all times.
            match stated(id).unwrap_or(UNBOUNDED) {
                code if code == follows(id) => texts.append_null(),
                UNBOUNDED => texts.append_value("unbounded"),
                UNKNOWN => texts.append_value("unknown"),
                code => texts.append_option(self.columns.instants().get(code as usize).map(|at| at.to_string())),
            }
        }
        Arc::new(texts.finish())
    }

    fn values(&self, property: &PropertyColumn, ids: Range<u32>) -> ArrayRef {
        let Some(column) = self.columns.attribute(property.property.id) else {
            return arrow_array::new_null_array(&super::parquet::data_type(property.kind()), ids.len());
        };
        let code = |id: u32| code_at(column, id).filter(|code| *code <= CODES_MAX);
        match property.kind() {
            ColumnKind::Bool => {
                let mut truths = BooleanBuilder::with_capacity(ids.len());
                ids.for_each(|id| truths.append_option(code(id).map(|code| code != 0)));
                Arc::new(truths.finish())
            }
            ColumnKind::Int => {
                let mut numbers = Int64Builder::with_capacity(ids.len());
                ids.for_each(|id| numbers.append_option(code(id).and_then(|code| self.columns.integers().get(code as usize).copied())));
                Arc::new(numbers.finish())
            }
            ColumnKind::Instant => {
                let instant = |id: u32| self.columns.instants().get(code(id)? as usize).filter(|instant| is_exact(*instant));
                let micros = ids.map(|id| instant(id).map(|instant| instant.as_microsecond()));
                Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            ColumnKind::Text => self.texts(property, ids, code),
        }
    }

    fn texts(&self, property: &PropertyColumn, ids: Range<u32>, code: impl Fn(u32) -> Option<u32>) -> ArrayRef {
        let schema = self.columns.schema();
        let mut texts = LargeStringBuilder::with_capacity(ids.len(), ids.len() * 36);
        match property.property.ty.base {
            Base::Entity(_) => {
                let mut writer = KeyWriter::new(self.columns);
                for id in ids {
                    match code(id) {
                        Some(target) => writer.append(target, &mut texts),
                        None => texts.append_null(),
                    }
                }
            }
            Base::Enum(id) => {
                let values = schema.enumeration(id).map_or(&[][..], |enumeration| &enumeration.values);
                ids.for_each(|id| texts.append_option(code(id).and_then(|code| values.get(code as usize))));
            }
            _ => {
                let known = Columns::text_class(schema, property.property.ty).map(|class| self.columns.texts(class));
                ids.for_each(|id| texts.append_option(code(id).zip(known).and_then(|(code, known)| known.get(code))));
            }
        }
        Arc::new(texts.finish())
    }

    fn types(&self, property: &PropertyColumn, ids: Range<u32>) -> ArrayRef {
        let mut texts = LargeStringBuilder::with_capacity(ids.len(), ids.len() * 12);
        let column = self.columns.attribute(property.property.id);
        let mut last: (Range<u32>, &str) = (0..0, "");
        for id in ids {
            let target = column.and_then(|column| code_at(column, id)).filter(|code| *code <= CODES_MAX);
            let Some(target) = target else {
                texts.append_null();
                continue;
            };
            if !last.0.contains(&target)
                && let Some(ty) = self.columns.type_of(target)
            {
                last = (self.columns.own(ty), self.columns.schema().entity_name(ty));
            }
            texts.append_value(last.1);
        }
        Arc::new(texts.finish())
    }
}

impl Feed for Kind<'_> {
    fn layout(&self) -> Vec<(String, ColumnKind, Coding)> {
        let schema = self.columns.schema();
        let layout = entity_layout(schema, self.ty).into_iter();
        layout
            .map(|(name, kind)| (coding(schema, &name, &self.properties), name, kind))
            .map(|(coding, name, kind)| (name, kind, coding))
            .collect()
    }

    fn n_rows(&self) -> usize {
        self.own.len()
    }

    fn array(&self, column: usize, from: usize, to: usize) -> ArrayRef {
        let ids = self.ids(from, to);
        let property = |at: usize| self.properties.get(at);
        match self.cells.get(column).copied() {
            Some(Cells::Key) => {
                let mut texts = LargeStringBuilder::with_capacity(ids.len(), ids.len() * 48);
                ids.for_each(|id| append_key(self.keys, id - self.own.start, &mut texts));
                Arc::new(texts.finish())
            }
            Some(Cells::From) => self.bounds(ids, true),
            Some(Cells::To) => self.bounds(ids, false),
            Some(Cells::Value(at)) => property(at).map_or_else(|| no_texts(to - from), |property| self.values(property, ids)),
            Some(Cells::Type(at)) => property(at).map_or_else(|| no_texts(to - from), |property| self.types(property, ids)),
            None => no_texts(to - from),
        }
    }
}

fn no_texts(n: usize) -> ArrayRef {
    arrow_array::new_null_array(&super::parquet::data_type(ColumnKind::Text), n)
}

/// Tells whether microseconds hold an instant.
fn is_exact(instant: Timestamp) -> bool {
    instant.subsec_nanosecond() % 1_000 == 0
}

fn code_at(column: &AttributeColumn, id: u32) -> Option<u32> {
    let at = id.checked_sub(column.first).filter(|at| *at < column.len)?;
    column.codes.get(at as usize)
}

/// Writes keys of entities of any type.
struct KeyWriter<'c> {
    columns: &'c Columns,
    /// The type of the last one, with its ids and keys.
    last: (Range<u32>, Option<&'c Keys>),
}

impl<'c> KeyWriter<'c> {
    fn new(columns: &'c Columns) -> Self {
        Self { columns, last: (0..0, None) }
    }

    fn append(&mut self, id: u32, texts: &mut LargeStringBuilder) {
        if !self.last.0.contains(&id)
            && let Some(ty) = self.columns.type_of(id)
        {
            self.last = (self.columns.own(ty), self.columns.keys(ty));
        }
        match self.last.1 {
            Some(keys) => append_key(keys, id.saturating_sub(self.last.0.start), texts),
            None => texts.append_value(""),
        }
    }
}

fn append_key(keys: &Keys, at: u32, texts: &mut LargeStringBuilder) {
    let guid = |texts: &mut LargeStringBuilder, guid: Option<&u128>| {
        let text = format_guid(guid.copied().unwrap_or_default());
        // Writing to a builder cannot fail.
        let _ = texts.write_str(std::str::from_utf8(&text).unwrap_or(""));
    };
    match keys {
        Keys::Guids(guids) => guid(texts, guids.get(at as usize)),
        Keys::Prefixed { prefixes, prefix, guid: guids } => {
            let before = prefix.get(at as usize).and_then(|prefix| prefixes.get(*prefix)).unwrap_or("");
            let _ = texts.write_str(before);
            guid(texts, guids.get(at as usize));
        }
        Keys::Texts(known) => {
            let _ = texts.write_str(known.get(at).unwrap_or(""));
        }
    }
    texts.append_value("");
}

/// What `_facts` says of one property of one type.
struct Facts {
    ty: EntityTypeId,
    property: PropertyId,
    usual: Option<Usual>,
    /// What differs from that: entity, state, and its source.
    rest: Vec<(u32, Said)>,
}

enum Said {
    State(&'static str, Option<Arc<str>>, Option<Datum>, u32),
    Unread,
}

impl Kind<'_> {
    fn facts(&self) -> Vec<Facts> {
        self.properties.iter().filter_map(|property| self.facts_of(property)).collect()
    }

    fn facts_of(&self, property: &PropertyColumn) -> Option<Facts> {
        let id = property.property.id;
        let column = self.columns.attribute(id)?;
        let sources = self.columns.attribute_sources(id);
        if let Some(source) = self.one_source(property, column, sources) {
            let mut tally = Tally { n_facts: self.own.len(), ..Tally::default() };
            tally.values.insert(source, self.own.len());
            // A single value is not worth a default.
            if let Some(usual) = tally.choose(self.own.len()) {
                return Some(Facts { ty: self.ty, property: id, usual: Some(usual), rest: Vec::new() });
            }
        }
        let reasons = self.columns.attribute_reasons(id);
        let source = |entity: u32| sources.and_then(|sources| sources.0.get((entity - column.first) as usize)).unwrap_or(NO_SOURCE);
        let reason = |entity: u32| {
            let reasons = &reasons?.0;
            let at = reasons.binary_search_by_key(&(entity - column.first), |(place, _)| *place).ok()?;
            reasons.get(at).map(|(_, reason)| Arc::clone(reason))
        };
        let exact = |code: u32| -> Option<Datum> {
            let instant = self.columns.instants().get(code as usize).filter(|_| property.kind() == ColumnKind::Instant)?;
            (!is_exact(instant)).then(|| Datum::text(instant.to_string()))
        };
        let tally = self.tally(column, &source, &reason, &exact)?;
        let usual = tally.choose(self.own.len());
        let empty = usual.as_ref().and_then(|usual| usual.empty.as_ref());
        let value = usual.as_ref().and_then(|usual| usual.value).map(|source| source.0);
        let mut rest = Vec::new();
        for entity in self.own.clone() {
            match code_at(column, entity) {
                None => rest.extend(empty.map(|_| (entity, Said::Unread))),
                Some(NONE) => {
                    let from = source(entity);
                    if !empty.is_some_and(|(state, usual)| *state == CellState::None && usual.0 == from) {
                        rest.push((entity, Said::State("none", None, None, from)));
                    }
                }
                Some(UNKNOWN) => {
                    let (from, reason) = (source(entity), reason(entity));
                    if from == NO_SOURCE && reason.is_none() {
                        rest.extend(empty.map(|_| (entity, Said::Unread)));
                    } else if !empty.is_some_and(|(state, usual)| *state == CellState::Unknown(reason.clone()) && usual.0 == from) {
                        rest.push((entity, Said::State("unknown", reason, None, from)));
                    }
                }
                Some(code) => {
                    let (from, exact) = (source(entity), exact(code));
                    if value != Some(from) || exact.is_some() {
                        rest.push((entity, Said::State("value", None, exact, from)));
                    }
                }
            }
        }
        Some(Facts { ty: self.ty, property: id, usual, rest })
    }

    /// Returns the source if all entities have a value from it that a column holds.
    fn one_source(&self, property: &PropertyColumn, column: &AttributeColumn, sources: Option<&SourceColumn>) -> Option<SourceId> {
        let Codes::Constant(source) = sources?.0 else { return None };
        let covers = column.first <= self.own.start && self.own.end <= column.first.saturating_add(column.len);
        let inexact = property.kind() == ColumnKind::Instant && !self.columns.instants().iter().all(is_exact);
        (covers && source != NO_SOURCE && column.n_none == 0 && column.n_unknown == 0 && !inexact).then_some(SourceId(source))
    }

    /// Counts what is said of the entities of the type; `None` if nothing is.
    fn tally(
        &self,
        column: &AttributeColumn,
        source: &dyn Fn(u32) -> u32,
        reason: &dyn Fn(u32) -> Option<Arc<str>>,
        exact: &dyn Fn(u32) -> Option<Datum>,
    ) -> Option<Tally> {
        let mut tally = Tally::default();
        let (mut values, mut nones) = (BTreeMap::new(), BTreeMap::new());
        let mut last = (NO_SOURCE, 0_usize);
        let end = column.first.saturating_add(column.len);
        for entity in self.own.start.max(column.first)..self.own.end.min(end) {
            let (code, from) = (code_at(column, entity)?, source(entity));
            match code {
                UNKNOWN => {
                    let reason = reason(entity);
                    if from == NO_SOURCE && reason.is_none() {
                        continue;
                    }
                    if from != NO_SOURCE {
                        *tally.empty.entry((CellState::Unknown(reason), SourceId(from))).or_default() += 1;
                    }
                }
                NONE if from != NO_SOURCE => *nones.entry(from).or_insert(0_usize) += 1,
                NONE => {}
                code if from != NO_SOURCE && exact(code).is_none() => {
                    // Values in a row are mostly of one source.
                    if last.0 != from {
                        *values.entry(last.0).or_insert(0) += last.1;
                        last = (from, 0);
                    }
                    last.1 += 1;
                }
                _ => {}
            }
            tally.n_facts += 1;
        }
        *values.entry(last.0).or_insert(0) += last.1;
        tally.values = values.into_iter().filter(|(from, n)| *from != NO_SOURCE && *n > 0).map(|(from, n)| (SourceId(from), n)).collect();
        tally.empty.extend(nones.into_iter().map(|(from, n)| ((CellState::None, SourceId(from)), n)));
        (tally.n_facts > 0).then_some(tally)
    }
}

/// Makes the rows of `_facts`: what is usual, then what is not, by entity and property.
fn fact_rows(columns: &Columns, facts: &[Facts]) -> Vec<Row> {
    let schema = columns.schema();
    let defaults: Defaults = facts.iter().filter_map(|facts| Some(((facts.ty, facts.property), facts.usual.clone()?))).collect();
    let mut rows = default_rows(schema, &defaults);
    let mut rest: Vec<(u32, bool, PropertyId, &Facts, &Said)> = Vec::new();
    for facts in facts {
        rest.extend(facts.rest.iter().map(|(id, said)| (*id, matches!(said, Said::Unread), facts.property, facts, said)));
    }
    rest.sort_by_key(|(id, unread, property, ..)| (*id, *unread, *property));
    for (id, _, property, facts, said) in rest {
        let mut row = subject(columns, id, &property_name(schema, facts.ty, property));
        match said {
            Said::Unread => row.push(("state", Some(Datum::text("unread")))),
            Said::State(state, reason, exact, source) => row.extend([
                ("state", Some(Datum::text(state))),
                ("reason", reason.as_ref().map(|reason| Datum::Text(Arc::clone(reason)))),
                ("exact", exact.clone()),
                ("source", source_datum(*source)),
            ]),
        }
        rows.push(row);
    }
    rows
}

fn source_datum(source: u32) -> Option<Datum> {
    (source != NO_SOURCE).then(|| Datum::Int(i64::from(source)))
}

fn subject(columns: &Columns, id: u32, property: &str) -> Row {
    let kind = columns.type_of(id).map(|ty| Datum::text(columns.schema().entity_name(ty)));
    vec![("kind", kind), ("key", Some(Datum::text(columns.key(id)))), ("property", Some(Datum::text(property)))]
}

/// Makes the rows of `_completeness`: by entity, then of whole types.
fn claims(columns: &Columns) -> Vec<Row> {
    let schema = columns.schema();
    let mut found: Vec<(u32, PropertyId, &Completeness)> = Vec::new();
    for property in &schema.properties {
        let Some(list) = columns.list(property.id) else { continue };
        let end = list.first.saturating_add(u32::try_from(list.offsets.len().saturating_sub(1)).unwrap_or(0));
        let claimed = (list.first..end).filter_map(|id| match list.completeness_of(id) {
            Some((claim, true)) => Some((id, property.id, claim)),
            _ => None,
        });
        found.extend(claimed);
    }
    found.sort_by_key(|(id, property, _)| (*id, *property));
    let mut rows = Vec::new();
    for (id, property, claim) in found {
        let name = columns.type_of(id).map_or_else(String::new, |ty| property_name(schema, ty, property));
        push_claim(&mut rows, subject(columns, id, &name), claim);
    }
    for extent in columns.frame().claims {
        push_claim(&mut rows, vec![("kind", Some(Datum::text(schema.entity_name(extent.entity_type))))], &extent.completeness);
    }
    rows
}

/// Adds one row a covered time, and one row where nothing is covered.
fn push_claim(rows: &mut Vec<Row>, subject: Row, claim: &Completeness) {
    let covered: Vec<Option<Interval>> = match claim.covered.as_slice() {
        [] => vec![None],
        covered => covered.iter().copied().map(Some).collect(),
    };
    for interval in covered {
        let [from, to] = interval.map_or([None, None], |interval| bounds(interval).map(Some));
        let mut row = subject.clone();
        row.extend([
            ("complete", Some(Datum::Bool(claim.complete))),
            ("reason", claim.reason.as_ref().map(Datum::text)),
            ("covered_from", from),
            ("covered_to", to),
            ("source", claim.source.and_then(|source| source_datum(source.0))),
        ]);
        rows.push(row);
    }
}

/// The members of lists that no reference implies, each on one side.
struct Edges<'c> {
    columns: &'c Columns,
    /// Holder, list, and the place of the member in the list's column.
    rows: Vec<(u32, PropertyId, u32)>,
}

impl<'c> Edges<'c> {
    fn of(columns: &'c Columns) -> Self {
        let schema = columns.schema();
        let mut rows = Vec::new();
        for property in schema.properties.iter().filter(|property| property.ty.set) {
            let inverse = property.inverse.and_then(|id| schema.property(id));
            let Some(list) = columns.list(property.id).filter(|_| inverse.is_none_or(|inverse| inverse.ty.set)) else { continue };
            let own = |id: u32, owner: EntityTypeId| columns.type_of(id).is_some_and(|ty| schema.is_subtype(ty, owner));
            let is_home = |holder: u32, member: u32| {
                let Some(inverse) = inverse else { return true };
                let here = (!own(holder, property.owner), property.id, holder);
                here <= (!own(member, inverse.owner), inverse.id, member)
            };
            let n_lists = u32::try_from(list.offsets.len().saturating_sub(1)).unwrap_or(0);
            for holder in list.first..list.first.saturating_add(n_lists) {
                for at in list.places(holder) {
                    if list.members.get(at).is_some_and(|member| is_home(holder, member)) {
                        rows.push((holder, property.id, u32::try_from(at).unwrap_or(u32::MAX)));
                    }
                }
            }
        }
        rows.par_sort_unstable();
        Self { columns, rows }
    }

    fn texts<'r>(&self, from: usize, to: usize, text: impl Fn(u32, PropertyId, u32) -> std::borrow::Cow<'r, str>) -> ArrayRef {
        let rows = self.rows.get(from..to).unwrap_or(&[]);
        let mut texts = LargeStringBuilder::with_capacity(rows.len(), rows.len() * 16);
        for (holder, property, at) in rows {
            texts.append_value(text(*holder, *property, *at));
        }
        Arc::new(texts.finish())
    }

    fn keys(&self, from: usize, to: usize, id: impl Fn(u32, PropertyId, u32) -> Option<u32>) -> ArrayRef {
        let rows = self.rows.get(from..to).unwrap_or(&[]);
        let mut texts = LargeStringBuilder::with_capacity(rows.len(), rows.len() * 36);
        let mut writer = KeyWriter::new(self.columns);
        for (holder, property, at) in rows {
            match id(*holder, *property, *at) {
                Some(id) => writer.append(id, &mut texts),
                None => texts.append_null(),
            }
        }
        Arc::new(texts.finish())
    }

    fn member(&self, property: PropertyId, at: u32) -> Option<u32> {
        self.columns.list(property)?.members.get(at as usize)
    }

    fn interval(&self, property: PropertyId, at: u32) -> Interval {
        let Some(list) = self.columns.list(property) else { return Interval::CURRENT };
        let instant = |code: u32| match code {
            UNBOUNDED => Bound::Unbounded,
            UNKNOWN => Bound::Unknown,
            code => self.columns.instants().get(code as usize).map_or(Bound::Unknown, Bound::At),
        };
        match &list.times {
            MemberTimes::Always => Interval::ALWAYS,
            MemberTimes::Lifetime => list.members.get(at as usize).map_or(Interval::CURRENT, |member| self.columns.lifetime(member)),
            MemberTimes::Each { from, to } => Interval {
                from: from.get(at as usize).map_or(Bound::Unknown, instant),
                to: to.get(at as usize).map_or(Bound::Unknown, instant),
            },
        }
    }
}

impl Feed for Edges<'_> {
    fn layout(&self) -> Vec<(String, ColumnKind, Coding)> {
        side_layout(EDGES).unwrap_or_default().into_iter().map(|(name, kind)| (name, kind, Coding::Repeating)).collect()
    }

    fn n_rows(&self) -> usize {
        self.rows.len()
    }

    fn array(&self, column: usize, from: usize, to: usize) -> ArrayRef {
        let schema: &Schema = self.columns.schema();
        let kind_of = |id: u32| self.columns.type_of(id).map_or("", |ty| schema.entity_name(ty));
        let bound = |bound: Bound| match bound {
            Bound::Unbounded => "unbounded".into(),
            Bound::Unknown => "unknown".into(),
            Bound::At(instant) => instant.to_string().into(),
        };
        match column {
            0 => self.texts(from, to, |holder, _, _| kind_of(holder).into()),
            1 => self.keys(from, to, |holder, _, _| Some(holder)),
            2 => self.texts(from, to, |holder, property, _| {
                self.columns.type_of(holder).map_or_else(String::new, |ty| property_name(schema, ty, property)).into()
            }),
            3 => self.texts(from, to, |_, property, at| self.member(property, at).map_or("", kind_of).into()),
            4 => self.keys(from, to, |_, property, at| self.member(property, at)),
            5 => self.texts(from, to, |_, property, at| bound(self.interval(property, at).from)),
            6 => self.texts(from, to, |_, property, at| bound(self.interval(property, at).to)),
            _ => {
                let rows = self.rows.get(from..to).unwrap_or(&[]);
                let mut sources = Int64Builder::with_capacity(rows.len());
                for (_, property, at) in rows {
                    let source = self.columns.list_sources(*property).and_then(|sources| sources.0.get(*at as usize));
                    sources.append_option(source.filter(|source| *source != NO_SOURCE).map(i64::from));
                }
                Arc::new(sources.finish())
            }
        }
    }
}

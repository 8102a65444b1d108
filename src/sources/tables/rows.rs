//! Row by row into a builder: the plain way, for tables of any shape and moderate size.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::TablesError;
use super::batch::{Batch, OwnedCell, RowRef};
use super::mapping::{Entry, EntryKind, FieldRule, JoinRule, Mapping, TableRule, ValueRule};
use super::read::{About, Blocks, SourceTable, Wrong};
use super::value::{Read, Stated};
use crate::model::{
    Completeness, EntityTypeId, FactSource, Interval, PropertyId, Schema, SourceId, SourceKind, ValueError, canonical_key, parse_scalar,
};
use crate::snapshot::{BuildError, CellState, Handle, SnapshotBuilder};
use crate::sources::import::FileReport;

/// The most rows of a table that is joined to another one.
const JOIN_ROWS_MAX: u64 = 1_000_000;

/// Why rows are left out.
pub(super) const LEFT_OUT: &str = "no entry of the mapping is about them";

/// What the rows of a joined table say, by the text of the column they are joined on.
pub(super) type Joined = HashMap<String, Vec<Vec<OwnedCell>>>;

/// Fills a builder with what all tables say.
pub(super) fn fill(
    builder: &mut SnapshotBuilder,
    paths: &[PathBuf],
    mapping: &Mapping,
    mapping_name: &str,
    about: Option<&About>,
    phase: &mut dyn FnMut(&str),
) -> Result<Vec<FileReport>, TablesError> {
    let schema = Arc::clone(builder.schema());
    let mut filler = Filler { builder, listed: HashSet::new(), reports: Vec::new() };
    for rule in &mapping.tables {
        phase(&format!("reading {}", rule.name.value));
        filler.table(&schema, paths, rule, about)?;
    }
    phase("settling");
    let source = filler.builder.source(FactSource::new(SourceKind::Table, "import:tables").at(mapping_name));
    filler.absent(mapping, source).map_err(|error| TablesError::File { file: mapping_name.to_owned(), message: error.to_string() })?;
    filler.claims(mapping, source);
    Ok(filler.reports)
}

/// What one row says.
enum RowFacts {
    Entity {
        ty: EntityTypeId,
        key: String,
        facts: Vec<(PropertyId, Stated<'static>)>,
    },
    Member {
        holder: EntityTypeId,
        key: String,
        property: PropertyId,
        member: Stated<'static>,
    },
    /// No entry of the mapping is about it.
    LeftOut,
}

struct Filler<'b> {
    builder: &'b mut SnapshotBuilder,
    /// Entities that have a row.
    listed: HashSet<Handle>,
    reports: Vec<FileReport>,
}

impl Filler<'_> {
    fn table(&mut self, schema: &Schema, paths: &[PathBuf], rule: &TableRule, about: Option<&About>) -> Result<(), TablesError> {
        let table = SourceTable::find(paths, &rule.name.value, about)?;
        let joins = load_joins(paths, rule, about)?;
        let visit = |facts: &mut Vec<RowFacts>, batch: &Batch<'_>| row_facts(schema, rule, &joins, batch, facts);
        let blocks = table.read(&rule.columns, Blocks { new: &Vec::new, visit: &visit })?;
        let source = self.builder.source(FactSource::new(SourceKind::Table, "import:tables").at(table.label.clone()));
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut left_out = 0;
        for facts in blocks.into_iter().flatten() {
            match self.add(schema, facts, source) {
                Ok(Some(what)) => *taken.entry(what).or_default() += 1,
                Ok(None) => left_out += 1,
                Err(error) => return Err(TablesError::File { file: table.label, message: error.to_string() }),
            }
        }
        let skipped = if left_out == 0 { Vec::new() } else { vec![("rows".to_owned(), left_out, LEFT_OUT.to_owned())] };
        if left_out > 0 {
            self.builder.problem(format!("{}: {left_out} rows are left out; {LEFT_OUT}", table.label));
        }
        self.reports.push(FileReport { file: table.label, taken: taken.into_iter().collect(), skipped, notes: Vec::new() });
        Ok(())
    }

    /// Adds what a row says; returns what it was called in the report.
    fn add(&mut self, schema: &Schema, facts: RowFacts, source: SourceId) -> Result<Option<String>, BuildError> {
        match facts {
            RowFacts::LeftOut => Ok(None),
            RowFacts::Entity { ty, key, facts } => {
                let handle = self.builder.entity(ty, &key)?;
                self.listed.insert(handle);
                for (property, stated) in facts {
                    self.state(handle, property, stated, source)?;
                }
                Ok(Some(schema.entity_name(ty).to_owned()))
            }
            RowFacts::Member { holder, key, property, member } => {
                let handle = self.builder.entity(holder, &key)?;
                let name = schema.property(property).map_or("", |property| &property.name);
                match member {
                    Stated::Reference(ty, key) => {
                        let member = self.builder.entity(ty, &key)?;
                        self.builder.link(handle, name, member, Interval::CURRENT, source)?;
                    }
                    Stated::State(CellState::Known(value)) => self.builder.add_value(handle, name, value, source)?,
                    Stated::Nothing | Stated::State(_) => {}
                }
                Ok(Some(format!("{}.{name}", schema.entity_name(holder))))
            }
        }
    }

    fn state(&mut self, handle: Handle, property: PropertyId, stated: Stated<'_>, source: SourceId) -> Result<(), BuildError> {
        let state = match stated {
            Stated::Nothing => return Ok(()),
            Stated::State(state) => state,
            Stated::Reference(ty, key) => CellState::Known(self.builder.entity(ty, &key)?.value()),
        };
        self.builder.restate(handle, property, state, source);
        Ok(())
    }

    /// Gives what is referred to and has no row the type and the facts the mapping says.
    fn absent(&mut self, mapping: &Mapping, source: SourceId) -> Result<(), BuildError> {
        let schema = Arc::clone(self.builder.schema());
        let listed = std::mem::take(&mut self.listed);
        let handles: Vec<Handle> = self.builder.handles().collect();
        for handle in handles.into_iter().filter(|handle| !listed.contains(handle)) {
            let Some(ty) = self.builder.type_of(handle) else { continue };
            let Some(rule) = mapping.absent.iter().find(|rule| rule.ty != ty && schema.is_subtype(rule.ty, ty)) else { continue };
            let key = self.builder.key_of(handle).to_owned();
            self.builder.entity(rule.ty, &key)?;
            for FieldRule { property, value } in &rule.fields {
                let stated = constant(&schema, *property, value);
                self.state(handle, *property, stated, source)?;
            }
        }
        Ok(())
    }

    fn claims(&mut self, mapping: &Mapping, source: SourceId) {
        let schema = Arc::clone(self.builder.schema());
        for ty in &mapping.complete {
            self.builder.claim_extent(*ty, Completeness::now(Some(source)));
        }
        for handle in self.builder.handles() {
            let Some(ty) = self.builder.type_of(handle) else { continue };
            for (_, list) in mapping.whole_lists.iter().filter(|(holder, _)| schema.is_subtype(ty, *holder)) {
                self.builder.restate_claim(handle, *list, Completeness::now(Some(source)));
            }
        }
    }
}

/// Returns what a value without columns states.
pub(super) fn constant(schema: &Schema, property: PropertyId, value: &ValueRule) -> Stated<'static> {
    let batch = Batch { n_rows: 1, columns: Vec::new(), text: "", unescaped: String::new() };
    let read = value.read(RowRef { batch: &batch, row: 0, joined: &[] });
    let Some(property) = schema.property(property) else { return Stated::Nothing };
    owned(checked_reference(schema, value.stated(schema, property.ty, read)))
}

/// Reads the tables that are joined to this one; parallel to the entries.
pub(super) fn load_joins(paths: &[PathBuf], rule: &TableRule, about: Option<&About>) -> Result<Vec<Joined>, TablesError> {
    let join = |entry: &Entry| entry.join.as_ref().map_or_else(|| Ok(Joined::new()), |join| load_join(paths, join, about));
    rule.entries.iter().map(join).collect()
}

fn load_join(paths: &[PathBuf], join: &JoinRule, about: Option<&About>) -> Result<Joined, TablesError> {
    let table = SourceTable::find(paths, &join.name.value, about)?;
    let visit = |rows: &mut Vec<Vec<OwnedCell>>, batch: &Batch<'_>| {
        for row in 0..batch.n_rows {
            rows.push((0..join.columns.len()).map(|column| batch.cell(column, row).to_owned_cell()).collect());
        }
        Ok(())
    };
    let blocks = table.read(&join.columns, Blocks { new: &Vec::new, visit: &visit })?;
    let n_rows: usize = blocks.iter().map(Vec::len).sum();
    if n_rows as u64 > JOIN_ROWS_MAX {
        return Err(TablesError::Limit { file: table.label, what: format!("a joined table of {n_rows} rows"), limit: JOIN_ROWS_MAX });
    }
    let mut joined = Joined::new();
    for row in blocks.into_iter().flatten() {
        if let Some(on) = row.first().and_then(|cell| Read::of(cell.cell()).text().map(|text| text.into_owned())) {
            joined.entry(on).or_default().push(row);
        }
    }
    Ok(joined)
}

/// Calls `take` for each row of a batch that an entry is about, with each row joined to it; returns whether it is about it.
pub(super) fn for_entry<'b>(
    entry: &Entry,
    joined: &'b Joined,
    batch: &'b Batch<'_>,
    row: usize,
    take: &mut dyn FnMut(RowRef<'b>) -> Result<(), String>,
) -> Result<bool, String> {
    let alone = RowRef { batch, row, joined: &[] };
    let holds = |row: RowRef<'_>| {
        entry.conditions.iter().all(|(column, wanted)| Read::of(row.cell(*column)).text().is_some_and(|text| *text == **wanted))
    };
    let Some(join) = &entry.join else {
        let is_about = holds(alone);
        if is_about {
            take(alone)?;
        }
        return Ok(is_about);
    };
    let on = Read::of(batch.cell(join.on, row));
    let rows = on.text().and_then(|on| joined.get(&*on)).map_or(&[][..], Vec::as_slice);
    for cells in rows {
        let row = RowRef { joined: cells, ..alone };
        if holds(row) {
            take(row)?;
        }
    }
    Ok(true)
}

fn row_facts(schema: &Schema, rule: &TableRule, joins: &[Joined], batch: &Batch<'_>, facts: &mut Vec<RowFacts>) -> Result<(), Wrong> {
    for row in 0..batch.n_rows {
        let mut is_taken = false;
        for (entry, joined) in rule.entries.iter().zip(joins) {
            let mut take = |row: RowRef<'_>| entry_facts(schema, &entry.kind, row).map(|found| facts.push(found));
            is_taken |= for_entry(entry, joined, batch, row, &mut take).map_err(|message| Wrong { row, message })?;
        }
        if !is_taken {
            facts.push(RowFacts::LeftOut);
        }
    }
    Ok(())
}

fn entry_facts(schema: &Schema, kind: &EntryKind, row: RowRef<'_>) -> Result<RowFacts, String> {
    match kind {
        EntryKind::Entity(rule) => {
            let key = key(schema, rule.ty, &rule.key, row)?;
            let mut facts = Vec::with_capacity(rule.fields.len());
            for FieldRule { property, value } in &rule.fields {
                let Some(found) = schema.property(*property) else { continue };
                let stated = value.stated(schema, found.ty, value.read(row));
                facts.push((*property, owned(checked_reference(schema, stated))));
            }
            Ok(RowFacts::Entity { ty: rule.ty, key, facts })
        }
        EntryKind::Member(rule) => {
            let key = key(schema, rule.holder, &rule.of, row)?;
            let Some(property) = schema.property(rule.property) else { return Ok(RowFacts::LeftOut) };
            let member = checked_reference(schema, rule.member.stated(schema, property.ty.member(), rule.member.read(row)));
            if let Stated::Nothing | Stated::State(CellState::None | CellState::Unknown(_)) = member {
                return Err(member_trouble(&member));
            }
            Ok(RowFacts::Member { holder: rule.holder, key, property: rule.property, member: owned(member) })
        }
    }
}

/// Says why a row names no member.
pub(super) fn member_trouble(stated: &Stated<'_>) -> String {
    match stated {
        Stated::State(CellState::Unknown(Some(reason))) => format!("it names no member: {reason}"),
        _ => "it names no member".to_owned(),
    }
}

/// Reads the key of an entity.
fn key(schema: &Schema, ty: EntityTypeId, rule: &ValueRule, row: RowRef<'_>) -> Result<String, String> {
    let name = schema.entity_name(ty);
    let Some(text) = rule.read(row).into_text() else { return Err(format!("it has no key for a {name}")) };
    match bad_key(schema, ty, &text) {
        Some(reason) => Err(format!("`{text}` cannot be the key of a {name}: {reason}")),
        None => Ok(text.into_owned()),
    }
}

/// Says why a text cannot be the key of an entity, if it cannot.
pub(super) fn bad_key(schema: &Schema, ty: EntityTypeId, text: &str) -> Option<String> {
    let entity = schema.entity(ty)?;
    let canonical = canonical_key(entity.key.base, text);
    if canonical.is_empty() {
        return Some("it is empty".to_owned());
    }
    match parse_scalar(schema, entity.key, &canonical) {
        Err(ValueError::Misfit(reason)) => Some(reason),
        _ => None,
    }
}

/// A reference that cannot be one is a fact that is not known.
pub(super) fn checked_reference<'b>(schema: &Schema, stated: Stated<'b>) -> Stated<'b> {
    let Stated::Reference(ty, key) = &stated else { return stated };
    match bad_key(schema, *ty, key) {
        Some(reason) => {
            let reason = format!("`{key}` cannot be the key of a {}: {reason}", schema.entity_name(*ty));
            Stated::State(CellState::Unknown(Some(Arc::from(reason))))
        }
        None => stated,
    }
}

fn owned(stated: Stated<'_>) -> Stated<'static> {
    match stated {
        Stated::Nothing => Stated::Nothing,
        Stated::State(state) => Stated::State(state),
        Stated::Reference(ty, key) => Stated::Reference(ty, key.into_owned().into()),
    }
}

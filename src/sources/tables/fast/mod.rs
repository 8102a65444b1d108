//! Tables straight to columns, on all threads, without a record for each entity.
//!
//! Gives the columns that freezing the same facts would give. What it does not do goes the plain way, row by row: lists with
//! a single-valued other side, entities named with types that exclude each other, rows that contradict each other about one
//! entity, circles of containment, numbers and times far out.
//!
//! - `ids`: texts and keys to numbers
//! - `canonical`: canonical forms of the usual spellings
//! - `take`: batches to codes
//! - `number`: canonical ids
//! - `assemble`: attributes, lists, lifetimes
//! - `settle`: completeness

mod assemble;
mod canonical;
mod ids;
mod number;
mod settle;
mod take;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::TablesError;
use super::batch::Batch;
use super::mapping::{EntryKind, Mapping, TableRule};
use super::read::{About, Blocks, SourceTable, Wrong};
use super::rows::{LEFT_OUT, constant, load_joins};
use super::value::Stated;
use crate::model::{Completeness, EntityTypeId, FactSource, Schema, SourceId, SourceKind, Value};
use crate::snapshot::columns::{Columns, Frame, NONE, Part, PartData};
use crate::snapshot::{CellState, Extent, SnapshotMeta};
use crate::sources::import::FileReport;
use assemble::{Attribute, Lifetimes, Shelf, Values};
use ids::{Interned, Interner, Seeds, Trouble};
use settle::{Ground, Settled};
use take::{Block, Chunk, ChunkCodes, Desk, FieldChunk};

/// The code of what nobody spoke of, until columns are made.
const NOTHING: u32 = u32::MAX - 2;
/// Numbers up to here mean something else.
const SMALLEST: i64 = i64::MIN + 2;

/// What is imported.
#[derive(Clone, Copy)]
pub(super) struct Task<'t> {
    pub(super) schema: &'t Arc<Schema>,
    pub(super) paths: &'t [PathBuf],
    pub(super) mapping: &'t Mapping,
    pub(super) mapping_name: &'t str,
    pub(super) about: Option<&'t About>,
    pub(super) meta: &'t SnapshotMeta,
}

/// What came of it.
pub(super) enum Outcome {
    /// Columns, and what was taken from each file.
    Made(Box<Columns>, Vec<FileReport>),
    /// Why the tables have to be read row by row, and how many rows there are.
    Plain(String, u64),
}

/// Everything that was read.
#[derive(Debug, Default)]
struct Chunks {
    /// With the place of the source of each.
    list: Vec<(u32, Chunk)>,
    /// Facts of what has no row, with the rule each is of.
    of_absent: Vec<(FieldChunk, usize)>,
    mapping_source: u32,
}

/// Imports tables.
pub(super) fn import(task: Task<'_>, phase: &mut dyn FnMut(&str)) -> Result<Outcome, TablesError> {
    let mut tables = Vec::new();
    for rule in &task.mapping.tables {
        tables.push((rule, SourceTable::find(task.paths, &rule.name.value, task.about)?));
    }
    let source = |label: &str| FactSource::new(SourceKind::Table, "import:tables").at(label);
    let mut sources: Vec<FactSource> = tables.iter().map(|(_, table)| source(&table.label)).chain([source(task.mapping_name)]).collect();
    sources.sort();
    sources.dedup();
    let place = |label: &str| sources.binary_search(&source(label)).ok().and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let desk = desk(task.schema, task.mapping);
    let mut chunks = Chunks { mapping_source: place(task.mapping_name), ..Chunks::default() };
    let (mut reports, mut problems, mut n_rows) = (Vec::new(), task.meta.problems.clone(), 0);
    for (rule, table) in &tables {
        phase(&format!("reading {}", rule.name.value));
        let (read, left_out) = read(task, &desk, rule, table)?;
        if left_out > 0 {
            problems.push(format!("{}: {left_out} rows are left out; {LEFT_OUT}", table.label));
        }
        reports.push(report(task.schema, table, &read, left_out));
        n_rows += read.iter().map(|chunk| chunk.n_rows() as u64).sum::<u64>();
        chunks.list.extend(read.into_iter().map(|chunk| (place(&table.label), chunk)));
    }
    absent(task, &desk, &mut chunks);
    problems.sort();
    problems.dedup();
    let meta = SnapshotMeta { problems, ..task.meta.clone() };
    phase("sorting ids and values");
    let Desk { entities, prefixes, texts, trouble, .. } = desk;
    if let Some(reason) = trouble.get() {
        return Ok(Outcome::Plain(reason.to_owned(), n_rows));
    }
    let entities: Vec<Option<Interned>> = entities.into_iter().map(|interner| interner.map(Interner::finish)).collect();
    let texts: Vec<Interned> = texts.into_iter().map(Interner::finish).collect();
    let made = make(task, meta, sources, Raw { entities, prefixes: prefixes.finish(), texts }, chunks, &trouble, phase);
    Ok(match (made, trouble.get()) {
        (_, Some(reason)) => Outcome::Plain(reason.to_owned(), n_rows),
        (None, None) => Outcome::Plain("there are more entities, values or members than an index counts".to_owned(), n_rows),
        (Some(columns), None) => Outcome::Made(Box::new(columns), reports),
    })
}

/// Numbers of texts and entities, all taken.
struct Raw {
    entities: Vec<Option<Interned>>,
    prefixes: Interned,
    texts: Vec<Interned>,
}

/// Prepares what the threads share: entities of a root type have numbers if anything can refer to them.
fn desk<'s>(schema: &'s Schema, mapping: &Mapping) -> Desk<'s> {
    let seeds = Seeds::draw();
    let root = |ty: EntityTypeId| schema.entity(ty).map(|entity| entity.root.0 as usize);
    let mut types: Vec<Vec<EntityTypeId>> = vec![Vec::new(); schema.entities.len()];
    let mut numbered = vec![false; schema.entities.len()];
    let mut mark = |ty: EntityTypeId| {
        if let Some(slot) = root(ty).and_then(|root| numbered.get_mut(root)) {
            *slot = true;
        }
    };
    let targets = |fields: &[super::mapping::FieldRule]| -> Vec<EntityTypeId> {
        fields.iter().filter_map(|field| schema.property(field.property)?.ty.entity()).collect()
    };
    for entry in mapping.tables.iter().flat_map(|table| &table.entries) {
        match &entry.kind {
            EntryKind::Entity(rule) => {
                targets(&rule.fields).into_iter().for_each(&mut mark);
                if let Some(types) = root(rule.ty).and_then(|root| types.get_mut(root)) {
                    types.push(rule.ty);
                }
            }
            EntryKind::Member(rule) => {
                mark(rule.holder);
                schema.property(rule.property).and_then(|property| property.ty.entity()).into_iter().for_each(&mut mark);
            }
        }
    }
    for rule in &mapping.absent {
        mark(rule.ty);
        targets(&rule.fields).into_iter().for_each(&mut mark);
    }
    let several = |types: &[EntityTypeId]| types.iter().any(|ty| types.first() != Some(ty));
    let numbered = numbered.iter().zip(&types).map(|(numbered, types)| (*numbered || several(types)).then(|| Interner::new(seeds)));
    Desk {
        schema,
        seeds,
        entities: numbered.collect(),
        prefixes: Interner::new(seeds),
        texts: (0..schema.aliases.len() + 3).map(|_| Interner::new(seeds)).collect(),
        trouble: Trouble::default(),
    }
}

fn read(task: Task<'_>, desk: &Desk<'_>, rule: &TableRule, table: &SourceTable) -> Result<(Vec<Chunk>, usize), TablesError> {
    let joins = load_joins(task.paths, rule, task.about)?;
    let new = || Block::new(desk, rule);
    let visit = |block: &mut Block<'_>, batch: &Batch<'_>| -> Result<(), Wrong> { block.take(rule, &joins, batch) };
    let blocks = table.read(&rule.columns, Blocks { new: &new, visit: &visit })?;
    let left_out = blocks.iter().map(|block| block.left_out).sum();
    Ok((blocks.into_iter().flat_map(Block::finish).collect(), left_out))
}

fn report(schema: &Schema, table: &SourceTable, chunks: &[Chunk], left_out: usize) -> FileReport {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for chunk in chunks {
        let name = match chunk {
            Chunk::Entities(chunk) => schema.entity_name(chunk.ty).to_owned(),
            Chunk::Members(chunk) => {
                let property = schema.property(chunk.property);
                format!("{}.{}", schema.entity_name(chunk.holder), property.map_or("", |property| property.name.as_str()))
            }
        };
        *taken.entry(name).or_default() += chunk.n_rows();
    }
    taken.retain(|_, n| *n > 0);
    let skipped = if left_out == 0 { Vec::new() } else { vec![("rows".to_owned(), left_out, LEFT_OUT.to_owned())] };
    FileReport { file: table.label.clone(), taken: taken.into_iter().collect(), skipped, notes: Vec::new() }
}

/// Prepares the facts of entities that have no row.
fn absent(task: Task<'_>, desk: &Desk<'_>, chunks: &mut Chunks) {
    for (at, rule) in task.mapping.absent.iter().enumerate() {
        for field in &rule.fields {
            let code = match constant(task.schema, field.property, &field.value) {
                Stated::State(CellState::None) => NONE,
                Stated::State(CellState::Known(Value::Bool(value))) => u32::from(value),
                Stated::State(CellState::Known(Value::Enum(_, place))) => place,
                _ => {
                    desk.trouble.note("what has no row is given a value that is no truth, enumeration or none");
                    continue;
                }
            };
            let codes = ChunkCodes::Constant(code, 0);
            chunks.of_absent.push((FieldChunk { property: field.property, codes, reasons: Vec::new() }, at));
        }
    }
}

fn make(
    task: Task<'_>,
    meta: SnapshotMeta,
    sources: Vec<FactSource>,
    raw: Raw,
    mut chunks: Chunks,
    trouble: &Trouble,
    phase: &mut dyn FnMut(&str),
) -> Option<Columns> {
    let schema: &Schema = task.schema;
    let mut numbering = number::number(schema, &raw.entities, &raw.prefixes, &task.mapping.absent, &mut chunks)?;
    drop((raw.entities, raw.prefixes));
    let values = Values::sort(schema, raw.texts, &mut chunks)?;
    phase("making columns");
    let mut attributes = assemble::attributes(schema, &chunks, &numbering, &values, trouble);
    for (_, chunk) in &mut chunks.list {
        if let Chunk::Entities(chunk) = chunk {
            chunk.fields = Vec::new();
        }
    }
    numbering.of_row = Vec::new();
    if trouble.get().is_some() || has_circle(schema, &attributes, trouble) {
        return None;
    }
    let domains: Vec<Range<u32>> = schema.entities.iter().map(|ty| domain(schema, &numbering.own, ty.id)).collect();
    let claim = Completeness::now(Some(SourceId(chunks.mapping_source)));
    let ground = Ground { schema, own: &numbering.own, domains: &domains, attributes: &attributes };
    let settled = Settled::of(&ground, task.mapping, &claim);
    let unspoken = Completeness::open(None, None);
    let lifetimes = Lifetimes::of(schema, &numbering, &domains, &attributes);
    let shelf = Shelf {
        schema,
        domains: &domains,
        numbering: &numbering,
        attributes: &attributes,
        lifetimes: &lifetimes,
        settled: &settled,
        unspoken: &unspoken,
        claimed: &claim,
    };
    let lists = assemble::lists(&shelf, &chunks, trouble)?;
    let extents = settled.extents(&unspoken);
    let mut claims: Vec<Extent> = task.mapping.complete.iter().map(|ty| Extent { entity_type: *ty, completeness: claim.clone() }).collect();
    claims.sort();
    let frame = Frame { meta, sources, own: numbering.own, extents, claims, unspoken, capture_rank: None };
    let mut columns = Columns::new(Arc::clone(task.schema), frame, None);
    let keys = numbering.keys.into_iter().map(|(ty, keys)| (Part::Keys(ty), PartData::Keys(keys)));
    let parts = attributes.drain(..).flat_map(Attribute::parts).chain(lists).chain(lifetimes.parts()).chain(values.parts()?).chain(keys);
    for (part, data) in parts {
        columns.insert(part, data);
    }
    if let Some(found) = columns.trouble() {
        trouble.note(found);
    }
    Some(columns)
}

/// Returns the ids of a type and its subtypes, which follow each other.
fn domain(schema: &Schema, own: &[Range<u32>], ty: EntityTypeId) -> Range<u32> {
    let ranges = || schema.subtypes(ty).filter_map(|sub| own.get(sub.id.0 as usize)).filter(|range| !range.is_empty());
    let start = ranges().map(|range| range.start).min();
    start.zip(ranges().map(|range| range.end).max()).map_or(0..0, |(start, end)| start..end)
}

/// Tells whether something contains itself: freezing notes that with names, and is left to.
fn has_circle(schema: &Schema, attributes: &[Attribute], trouble: &Trouble) -> bool {
    let found = attributes.par_iter().any(|attribute| {
        let Some(property) = schema.property(attribute.property) else { return false };
        let contains = property.ty.entity().is_some_and(|ty| schema.is_subtype(property.owner, ty)) && property.inverse.is_some();
        contains && leads_back(attribute)
    });
    if found {
        trouble.note("something contains itself");
    }
    found
}

/// Follows each reference until it ends or comes back.
fn leads_back(attribute: &Attribute) -> bool {
    let first = attribute.column.first;
    let mut seen = vec![0_u32; attribute.column.len as usize];
    for (walk, start) in (1_u32..).zip(first..first + attribute.column.len) {
        let mut at = start;
        while let Some(slot) = at.checked_sub(first).and_then(|at| seen.get_mut(at as usize)) {
            if *slot == walk {
                return true;
            }
            if *slot != 0 {
                break;
            }
            *slot = walk;
            at = attribute.code(at);
        }
    }
    false
}

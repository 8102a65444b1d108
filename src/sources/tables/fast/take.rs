//! Batches to codes: what the rows of one block state, column by column.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::canonical::{canonical, guid, nanos, plain_instant, split_guid};
use super::ids::{Interner, Lookup, Mention, Pending, Seeds, Trouble};
use super::{NOTHING, SMALLEST};
use crate::model::{Base, EntityTypeId, Property, PropertyId, Schema, Type, Value};
use crate::snapshot::CellState;
use crate::snapshot::columns::{Columns, NONE, UNKNOWN, parse_guid};
use crate::sources::tables::batch::{Batch, RowRef};
use crate::sources::tables::mapping::{EntityRule, Entry, EntryKind, MemberRule, Parts, TableRule, ValueRule};
use crate::sources::tables::read::Wrong;
use crate::sources::tables::rows::{Joined, bad_key, checked_reference, constant, for_entry, member_trouble};
use crate::sources::tables::value::{Read, Stated};

/// Numbers of nanoseconds and whole numbers that mean something else.
pub(super) const NUMBER_NONE: i64 = i64::MIN;
pub(super) const NUMBER_UNKNOWN: i64 = i64::MIN + 1;
pub(super) const NUMBER_NOTHING: i64 = i64::MIN + 2;

/// Marks the number of a key that does not end in a GUID.
pub(super) const NO_GUID: u32 = 1 << 31;

/// What all threads share while tables are read.
#[derive(Debug)]
pub(super) struct Desk<'s> {
    pub(super) schema: &'s Schema,
    pub(super) seeds: Seeds,
    /// By entity type: the entities of a root type whose entities are referred to; `None` for other types.
    pub(super) entities: Vec<Option<Interner>>,
    /// What stands before the GUIDs of other keys, and such keys without a GUID.
    pub(super) prefixes: Interner,
    /// By text class.
    pub(super) texts: Vec<Interner>,
    pub(super) trouble: Trouble,
}

/// The rows of one block that one entry is about.
#[derive(Debug)]
pub(super) enum Chunk {
    Entities(EntityChunk),
    Members(MemberChunk),
}

/// What rows state of entities.
#[derive(Debug)]
pub(super) struct EntityChunk {
    pub(super) ty: EntityTypeId,
    pub(super) keys: ChunkKeys,
    /// How many rows there were, once their keys are taken away.
    pub(super) n_rows: usize,
    pub(super) fields: Vec<FieldChunk>,
}

/// Which entities the rows are.
#[derive(Debug)]
pub(super) enum ChunkKeys {
    /// Numbers of entities that are referred to.
    Numbers(Vec<u32>),
    /// Keys that nothing refers to: prefix, with [`NO_GUID`] if there is no GUID behind it, and the GUID.
    Own { prefix: Vec<u32>, guid: Vec<u128> },
}

/// What rows state of one property.
#[derive(Debug)]
pub(super) struct FieldChunk {
    pub(super) property: PropertyId,
    pub(super) codes: ChunkCodes,
    pub(super) reasons: Vec<(u32, Arc<str>)>,
}

/// The codes of a field; not yet those of the snapshot.
#[derive(Debug)]
pub(super) enum ChunkCodes {
    /// The same for so many rows.
    Constant(u32, usize),
    /// Truths, places in an enumeration, numbers of texts or entities.
    Each(Vec<u32>),
    /// Whole numbers, or nanoseconds of instants.
    Numbers(Vec<i64>),
}

/// Members of lists.
#[derive(Debug)]
pub(super) struct MemberChunk {
    pub(super) holder: EntityTypeId,
    pub(super) property: PropertyId,
    pub(super) holders: Vec<u32>,
    pub(super) members: Vec<u32>,
}

/// What a block works with.
#[derive(Default)]
struct Bench {
    scratch: String,
    pending: Pending,
    /// Which keys of a batch do not end in a GUID.
    bare: Vec<bool>,
}

/// One block under way.
pub(super) struct Block<'d> {
    desk: &'d Desk<'d>,
    entries: Vec<(Taker<'d>, usize)>,
    bench: Bench,
    pub(super) left_out: usize,
}

enum Taker<'d> {
    Entity { rule: &'d EntityRule, key: Target<'d>, chunk: EntityChunk, fields: Vec<Field<'d>> },
    Member { rule: &'d MemberRule, holder: Target<'d>, member: Target<'d>, chunk: MemberChunk },
    Unsupported,
}

/// An entity type that is named by keys.
#[derive(Clone, Copy)]
struct Target<'d> {
    ty: EntityTypeId,
    base: Base,
    /// Whether not every text can be a key.
    picky: bool,
    interner: Option<&'d Interner>,
}

struct Field<'d> {
    property: &'d Property,
    value: &'d ValueRule,
    target: Option<Target<'d>>,
    texts: Option<&'d Interner>,
    /// Whether not every text fits.
    picky: bool,
    /// What texts of an enumeration mean.
    known: HashMap<String, Result<u32, Arc<str>>>,
    /// The texts met last, with what they became; empty where texts hardly repeat.
    recent: Vec<(u128, u32)>,
    /// The cells of a batch that are looked up with others.
    waiting: Vec<(u128, u32)>,
    hits: usize,
}

/// How many texts are kept in mind.
const RECENT: usize = 256;
/// How many spellings of enumerations are kept in mind.
const KNOWN: usize = 4_096;

fn recent_slot(bits: u128) -> usize {
    usize::try_from((bits ^ bits >> 64) & (RECENT as u128 - 1)).unwrap_or(0)
}

impl<'d> Desk<'d> {
    fn target(&'d self, ty: EntityTypeId) -> Option<Target<'d>> {
        let entity = self.schema.entity(ty)?;
        let base = entity.key.base;
        let patterned = entity.key.alias.and_then(|id| self.schema.alias(id)).is_some_and(|alias| alias.pattern.is_some());
        let picky = patterned || !matches!(base, Base::String | Base::Guid | Base::ArmId);
        let interner = self.entities.get(entity.root.0 as usize).and_then(Option::as_ref);
        Some(Target { ty, base, picky, interner })
    }

    fn field(&'d self, property: PropertyId, value: &'d ValueRule) -> Option<Field<'d>> {
        let property = self.schema.property(property)?;
        let target = property.ty.entity().and_then(|ty| self.target(ty));
        let texts = Columns::text_class(self.schema, property.ty).and_then(|class| self.texts.get(class as usize));
        let picky = property.ty.alias.and_then(|id| self.schema.alias(id)).is_some_and(|alias| alias.pattern.is_some());
        Some(Field {
            property,
            value,
            target,
            texts,
            picky,
            known: HashMap::new(),
            recent: vec![(0, NOTHING); RECENT],
            waiting: Vec::new(),
            hits: 0,
        })
    }

    fn taker(&'d self, entry: &'d Entry) -> Option<Taker<'d>> {
        match &entry.kind {
            EntryKind::Entity(rule) => {
                let key = self.target(rule.ty)?;
                let own = key.interner.is_none();
                let keys = if own { ChunkKeys::Own { prefix: Vec::new(), guid: Vec::new() } } else { ChunkKeys::Numbers(Vec::new()) };
                let fields: Vec<Field<'d>> =
                    rule.fields.iter().map(|field| self.field(field.property, &field.value)).collect::<Option<_>>()?;
                let chunks = fields.iter().map(|field| FieldChunk {
                    property: field.property.id,
                    codes: self.empty_codes(field),
                    reasons: Vec::new(),
                });
                let chunk = EntityChunk { ty: rule.ty, keys, n_rows: 0, fields: chunks.collect() };
                Some(Taker::Entity { rule, key, chunk, fields })
            }
            EntryKind::Member(rule) => {
                let property = self.schema.property(rule.property)?;
                let inverse = property.inverse.and_then(|id| self.schema.property(id));
                let member = property.ty.entity().and_then(|ty| self.target(ty));
                if inverse.is_some_and(|inverse| !inverse.ty.set) || member.is_none() {
                    return None;
                }
                let chunk = MemberChunk { holder: rule.holder, property: rule.property, holders: Vec::new(), members: Vec::new() };
                Some(Taker::Member { rule, holder: self.target(rule.holder)?, member: member?, chunk })
            }
        }
    }

    fn empty_codes(&self, field: &Field<'_>) -> ChunkCodes {
        if let Parts::Constant(_) = field.value.parts
            && field.property.ty.entity().is_none()
        {
            let stated = constant(self.schema, field.property.id, field.value);
            let plain = match stated {
                Stated::State(CellState::None) => Some(NONE),
                Stated::State(CellState::Known(Value::Bool(value))) => Some(u32::from(value)),
                Stated::State(CellState::Known(Value::Enum(_, at))) => Some(at),
                _ => None,
            };
            if let Some(code) = plain.filter(|_| !is_number(field.property.ty)) {
                return ChunkCodes::Constant(code, 0);
            }
        }
        if is_number(field.property.ty) { ChunkCodes::Numbers(Vec::new()) } else { ChunkCodes::Each(Vec::new()) }
    }
}

fn is_number(ty: Type) -> bool {
    matches!(ty.base, Base::Int | Base::Duration | Base::Instant)
}

impl<'d> Block<'d> {
    pub(super) fn new(desk: &'d Desk<'d>, rule: &'d TableRule) -> Self {
        let taker = |entry| {
            desk.taker(entry).unwrap_or_else(|| {
                desk.trouble.note(format!("`{}` holds lists of a kind that is read row by row", rule.name.value));
                Taker::Unsupported
            })
        };
        let entries = rule.entries.iter().enumerate().map(|(at, entry)| (taker(entry), at)).collect();
        Self { desk, entries, bench: Bench::default(), left_out: 0 }
    }

    pub(super) fn finish(self) -> Vec<Chunk> {
        let chunk = |(taker, _): (Taker<'d>, usize)| match taker {
            Taker::Entity { chunk, .. } => Some(Chunk::Entities(chunk)),
            Taker::Member { chunk, .. } => Some(Chunk::Members(chunk)),
            Taker::Unsupported => None,
        };
        self.entries.into_iter().filter_map(chunk).collect()
    }

    pub(super) fn take(&mut self, rule: &TableRule, joins: &[Joined], batch: &Batch<'_>) -> Result<(), Wrong> {
        if self.desk.trouble.get().is_some() {
            return Ok(());
        }
        let mut taken = vec![false; batch.n_rows];
        for ((taker, at), joined) in self.entries.iter_mut().zip(joins) {
            let Some(entry) = rule.entries.get(*at) else { continue };
            let mut rows: Vec<RowRef<'_>> = Vec::with_capacity(batch.n_rows);
            if entry.conditions.is_empty() && entry.join.is_none() {
                taken.fill(true);
                rows.extend((0..batch.n_rows).map(|row| RowRef { batch, row, joined: &[] }));
            } else {
                for (row, taken) in taken.iter_mut().enumerate() {
                    let mut note = |found| {
                        rows.push(found);
                        Ok(())
                    };
                    *taken |= for_entry(entry, joined, batch, row, &mut note).map_err(|message| Wrong { row, message })?;
                }
            }
            taker.take(self.desk, &rows, &mut self.bench)?;
        }
        self.left_out += taken.iter().filter(|taken| !**taken).count();
        Ok(())
    }
}

impl Taker<'_> {
    fn take(&mut self, desk: &Desk<'_>, rows: &[RowRef<'_>], bench: &mut Bench) -> Result<(), Wrong> {
        match self {
            Self::Unsupported => {}
            Self::Entity { rule, key, chunk, fields } => {
                match &mut chunk.keys {
                    ChunkKeys::Own { prefix, guid } => {
                        let from = prefix.len();
                        bench.bare.clear();
                        for row in rows {
                            let text = key.read(desk, &rule.key, *row)?;
                            desk.own_key(*key, &text, place(prefix.len() - from), bench, guid);
                            prefix.push(NOTHING);
                        }
                        let these = prefix.get_mut(from..).unwrap_or_default();
                        if desk.prefixes.intern_all(&mut bench.pending, None, these).is_none() {
                            desk.too_many();
                        }
                        these.iter_mut().zip(&bench.bare).for_each(|(prefix, bare)| *prefix |= if *bare { NO_GUID } else { 0 });
                    }
                    ChunkKeys::Numbers(numbers) => {
                        let from = numbers.len();
                        for row in rows {
                            let text = key.read(desk, &rule.key, *row)?;
                            desk.wait_for(*key, &text, place(numbers.len() - from), bench);
                            numbers.push(NOTHING);
                        }
                        desk.answer(*key, true, bench, numbers.get_mut(from..).unwrap_or_default());
                    }
                }
                for (field, chunk) in fields.iter_mut().zip(&mut chunk.fields) {
                    field.take(desk, rows, chunk, bench);
                }
            }
            Self::Member { rule, holder, member, chunk } => {
                let from = chunk.holders.len();
                for row in rows {
                    let text = holder.read(desk, &rule.of, *row)?;
                    desk.wait_for(*holder, &text, place(chunk.holders.len() - from), bench);
                    chunk.holders.push(NOTHING);
                }
                desk.answer(*holder, false, bench, chunk.holders.get_mut(from..).unwrap_or_default());
                for row in rows {
                    let ty = Type::of(Base::Entity(member.ty));
                    let stated = checked_reference(desk.schema, rule.member.stated(desk.schema, ty, rule.member.read(*row)));
                    let Stated::Reference(_, key) = &stated else {
                        return Err(Wrong { row: row.row, message: member_trouble(&stated) });
                    };
                    desk.wait_for(*member, key, place(chunk.members.len() - from), bench);
                    chunk.members.push(NOTHING);
                }
                desk.answer(*member, false, bench, chunk.members.get_mut(from..).unwrap_or_default());
            }
        }
        Ok(())
    }
}

impl Target<'_> {
    /// Reads the key of a row.
    fn read<'b>(&self, desk: &Desk<'_>, rule: &'b ValueRule, row: RowRef<'b>) -> Result<Cow<'b, str>, Wrong> {
        let wrong = |message: String| Wrong { row: row.row, message };
        let name = || desk.schema.entity_name(self.ty);
        let Some(text) = rule.read(row).into_text() else { return Err(wrong(format!("it has no key for a {}", name()))) };
        match self.refuses(desk, &text) {
            Some(reason) => Err(wrong(format!("`{text}` cannot be the key of a {}: {reason}", name()))),
            None => Ok(text),
        }
    }

    /// Says why a text cannot be a key of the type, if it cannot.
    fn refuses(&self, desk: &Desk<'_>, text: &str) -> Option<String> {
        if self.picky || text.trim().is_empty() || (self.base == Base::Guid && text.len() < 3) {
            return bad_key(desk.schema, self.ty, text);
        }
        None
    }
}

impl Desk<'_> {
    /// Notes that the number of an entity is wanted; the text can be a key of its type.
    fn wait_for(&self, target: Target<'_>, text: &str, place: u32, bench: &mut Bench) {
        if let Some(bits) = guid(text.as_bytes()).filter(|_| target.base == Base::Guid) {
            bench.pending.push(Lookup { bits, text: None }, place);
            return;
        }
        let key = canonical(target.base, true, text, &mut bench.scratch);
        if key.is_empty() {
            self.trouble.note("a key is empty when it is brought into canonical form");
        }
        let lookup = match parse_guid(key.as_bytes()) {
            Some(bits) => Lookup { bits, text: None },
            None => Lookup { bits: self.seeds.hash(key.as_bytes()), text: Some(&key) },
        };
        bench.pending.push(lookup, place);
    }

    /// Gives the numbers of entities that were waited for.
    fn answer(&self, target: Target<'_>, listed: bool, bench: &mut Bench, numbers: &mut [u32]) {
        let Some(interner) = target.interner else {
            self.trouble.note("an entity of a type that nothing refers to is referred to");
            return;
        };
        let mention = Some((Mention { ty: target.ty, listed }, self.schema, &self.trouble));
        if interner.intern_all(&mut bench.pending, mention, numbers).is_none() {
            self.too_many();
        }
    }

    fn own_key(&self, target: Target<'_>, text: &str, place: u32, bench: &mut Bench, guids: &mut Vec<u128>) {
        let key = canonical(target.base, true, text, &mut bench.scratch);
        let (before, found) = split_guid(&key).map_or((&*key, None), |(before, found)| (before, Some(found)));
        bench.pending.push(Lookup { bits: self.seeds.hash(before.as_bytes()), text: Some(before) }, place);
        bench.bare.push(found.is_none());
        guids.push(found.unwrap_or(0));
    }

    /// Returns the number of one entity; the text can be a key of its type.
    fn number(&self, target: Target<'_>, text: &str, bench: &mut Bench) -> u32 {
        let mut number = [NOTHING];
        let mut waiting = std::mem::take(&mut bench.pending);
        self.wait_for(target, text, 0, bench);
        self.answer(target, false, bench, &mut number);
        std::mem::swap(&mut waiting, &mut bench.pending);
        number.first().copied().unwrap_or(NOTHING)
    }

    fn too_many(&self) -> u32 {
        self.trouble.note("there are too many different ids");
        NOTHING
    }
}

/// What a cell became.
enum Coded {
    Code(u32),
    /// It is looked up with others.
    Waits,
    Unknown(Arc<str>),
}

impl Field<'_> {
    fn take(&mut self, desk: &Desk<'_>, rows: &[RowRef<'_>], chunk: &mut FieldChunk, bench: &mut Bench) {
        let from = chunk.codes.len();
        match &mut chunk.codes {
            ChunkCodes::Constant(_, n_rows) => *n_rows += rows.len(),
            ChunkCodes::Each(codes) => {
                for (at, row) in rows.iter().enumerate() {
                    let code = match self.code(desk, *row, place(at), bench) {
                        Coded::Code(code) => code,
                        Coded::Waits => NOTHING,
                        Coded::Unknown(reason) => {
                            chunk.reasons.push((place(from + at), reason));
                            UNKNOWN
                        }
                    };
                    codes.push(code);
                }
                self.answer(desk, bench, codes.get_mut(from..).unwrap_or_default());
            }
            ChunkCodes::Numbers(numbers) => {
                for (at, row) in rows.iter().enumerate() {
                    let number = match self.number(desk, *row) {
                        Ok(number) => number,
                        Err(reason) => {
                            chunk.reasons.push((place(from + at), reason));
                            NUMBER_UNKNOWN
                        }
                    };
                    numbers.push(number);
                }
            }
        }
    }

    /// Gives the codes of the cells that wait, and keeps them in mind if cells repeat.
    fn answer(&mut self, desk: &Desk<'_>, bench: &mut Bench, codes: &mut [u32]) {
        if !bench.pending.is_empty() {
            match (self.target, self.texts) {
                (Some(target), _) => desk.answer(target, false, bench, codes),
                (None, Some(texts)) => {
                    if texts.intern_all(&mut bench.pending, None, codes).is_none() {
                        desk.too_many();
                    }
                }
                (None, None) => {}
            }
        }
        // Cells that hardly repeat are not worth a look.
        if codes.len() >= 1_024 && self.waiting.len() * 4 > codes.len() * 3 && self.hits * 4 < self.waiting.len() {
            self.recent = Vec::new();
        }
        for (bits, at) in self.waiting.drain(..) {
            if let (Some(slot), Some(code)) = (self.recent.get_mut(recent_slot(bits)), codes.get(at as usize)) {
                *slot = (bits, *code);
            }
        }
        self.hits = 0;
    }

    /// Returns the code of a value that is no number.
    fn code(&mut self, desk: &Desk<'_>, row: RowRef<'_>, at: u32, bench: &mut Bench) -> Coded {
        let read = self.value.read(row);
        let base = self.property.ty.base;
        let Read::Text(text) = &read else { return self.slow_code(desk, read, bench) };
        match base {
            Base::Enum(_) => {
                if let Some(known) = self.known.get(&**text) {
                    return known.clone().map_or_else(Coded::Unknown, Coded::Code);
                }
                let key = text.to_string();
                let code = self.slow_code(desk, read, bench);
                let known = match &code {
                    Coded::Code(code) => Some(Ok(*code)),
                    Coded::Unknown(reason) => Some(Err(Arc::clone(reason))),
                    Coded::Waits => None,
                };
                if let Some(known) = known.filter(|_| self.known.len() < KNOWN) {
                    self.known.insert(key, known);
                }
                code
            }
            Base::Entity(_) | Base::String | Base::Guid | Base::ArmId if !self.picky && !self.target.is_some_and(|target| target.picky) => {
                if !self.recent.is_empty() {
                    let bits = match guid(text.as_bytes()) {
                        Some(bits) if base != Base::String && self.target.is_none_or(|target| target.base == Base::Guid) => bits,
                        _ => desk.seeds.hash(text.as_bytes()),
                    };
                    if let Some((known, code)) = self.recent.get(recent_slot(bits))
                        && *known == bits
                        && *code != NOTHING
                    {
                        self.hits += 1;
                        return Coded::Code(*code);
                    }
                    self.waiting.push((bits, at));
                }
                match self.target {
                    Some(target) if target.refuses(desk, text).is_none() => desk.wait_for(target, text, at, bench),
                    Some(_) => {
                        if !self.recent.is_empty() {
                            self.waiting.pop();
                        }
                        return self.slow_code(desk, read, bench);
                    }
                    None => {
                        let text = canonical(base, false, text, &mut bench.scratch);
                        bench.pending.push(Lookup { bits: desk.seeds.hash(text.as_bytes()), text: Some(&text) }, at);
                    }
                }
                Coded::Waits
            }
            _ => self.slow_code(desk, read, bench),
        }
    }

    fn text(&self, desk: &Desk<'_>, base: Base, text: &str, scratch: &mut String) -> u32 {
        let Some(interner) = self.texts else { return NOTHING };
        let text = canonical(base, false, text, scratch);
        let lookup = Lookup { bits: desk.seeds.hash(text.as_bytes()), text: Some(&text) };
        interner.intern(lookup, None).unwrap_or_else(|| desk.too_many())
    }

    fn slow_code(&self, desk: &Desk<'_>, read: Read<'_>, bench: &mut Bench) -> Coded {
        match checked_reference(desk.schema, self.value.stated(desk.schema, self.property.ty, read)) {
            Stated::Nothing => Coded::Code(NOTHING),
            Stated::Reference(_, key) => Coded::Code(self.target.map_or(NOTHING, |target| desk.number(target, &key, bench))),
            Stated::State(CellState::None) => Coded::Code(NONE),
            Stated::State(CellState::Unknown(reason)) => Coded::Unknown(reason.unwrap_or_else(|| Arc::from(""))),
            Stated::State(CellState::Known(value)) => Coded::Code(match value {
                Value::Bool(value) => u32::from(value),
                Value::Enum(_, at) => at,
                Value::Text(text) => self.text(desk, Base::String, &text, &mut bench.scratch),
                _ => {
                    desk.trouble.note(format!("`{}` is of a kind that is read row by row", self.property.name));
                    NOTHING
                }
            }),
        }
    }

    fn number(&self, desk: &Desk<'_>, row: RowRef<'_>) -> Result<i64, Arc<str>> {
        let read = self.value.read(row);
        if let (Base::Instant, Read::Text(text)) = (self.property.ty.base, &read)
            && let Some(nanos) = plain_instant(text.as_bytes())
        {
            return Ok(nanos);
        }
        match self.value.stated(desk.schema, self.property.ty, read) {
            Stated::Nothing | Stated::Reference(..) => Ok(NUMBER_NOTHING),
            Stated::State(CellState::None) => Ok(NUMBER_NONE),
            Stated::State(CellState::Unknown(reason)) => Err(reason.unwrap_or_else(|| Arc::from(""))),
            Stated::State(CellState::Known(value)) => {
                let number = match value {
                    Value::Instant(instant) => nanos(instant),
                    Value::Int(number) | Value::Duration(number) => Some(number).filter(|number| *number > SMALLEST),
                    _ => None,
                };
                if number.is_none() {
                    desk.trouble.note(format!("a value of `{}` is too far from zero or from 1970", self.property.name));
                }
                Ok(number.unwrap_or(NUMBER_NOTHING))
            }
        }
    }
}

impl Chunk {
    /// Returns how many rows it holds.
    pub(super) fn n_rows(&self) -> usize {
        match self {
            Self::Members(chunk) => chunk.members.len(),
            Self::Entities(chunk) => match &chunk.keys {
                ChunkKeys::Numbers(numbers) => numbers.len(),
                ChunkKeys::Own { prefix, .. } => prefix.len().max(chunk.n_rows),
            },
        }
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl ChunkCodes {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Constant(_, n_rows) => *n_rows,
            Self::Each(codes) => codes.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }
}

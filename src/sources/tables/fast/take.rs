//! Batches to codes: what the rows of one block state, column by column.

use std::collections::HashMap;
use std::sync::Arc;

use super::canonical::{canonical, guid, nanos, plain_instant, split_guid};
use super::ids::{Interner, Lookup, Mention, Seeds, Trouble};
use super::{NOTHING, SMALLEST};
use crate::model::{Base, EntityTypeId, Property, PropertyId, Schema, Type, Value};
use crate::snapshot::CellState;
use crate::snapshot::columns::{Columns, NONE, UNKNOWN};
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

/// One block under way.
pub(super) struct Block<'d> {
    desk: &'d Desk<'d>,
    entries: Vec<(Taker<'d>, usize)>,
    scratch: String,
    pub(super) left_out: usize,
}

enum Taker<'d> {
    Entity { rule: &'d EntityRule, key: Target<'d>, own: bool, chunk: EntityChunk, fields: Vec<Field<'d>> },
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
    /// The texts met last, with what they became.
    recent: Vec<(u128, u32)>,
}

const RECENT: usize = 4_096;

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
        Some(Field { property, value, target, texts, picky, known: HashMap::new(), recent: vec![(0, NOTHING); RECENT] })
    }

    fn taker(&'d self, entry: &'d Entry) -> Option<Taker<'d>> {
        match &entry.kind {
            EntryKind::Entity(rule) => {
                let key = self.target(rule.ty)?;
                let own = key.interner.is_none();
                let keys = if own { ChunkKeys::Own { prefix: Vec::new(), guid: Vec::new() } } else { ChunkKeys::Numbers(Vec::new()) };
                let fields: Vec<Field<'d>> = rule.fields.iter().map(|field| self.field(field.property, &field.value)).collect::<Option<_>>()?;
                let chunks = fields.iter().map(|field| FieldChunk {
                    property: field.property.id,
                    codes: self.empty_codes(field),
                    reasons: Vec::new(),
                });
                let chunk = EntityChunk { ty: rule.ty, keys, n_rows: 0, fields: chunks.collect() };
                Some(Taker::Entity { rule, key, own, chunk, fields })
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
        Self { desk, entries, scratch: String::new(), left_out: 0 }
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
            taker.take(self.desk, &rows, &mut self.scratch)?;
        }
        self.left_out += taken.iter().filter(|taken| !**taken).count();
        Ok(())
    }
}

impl Taker<'_> {
    fn take(&mut self, desk: &Desk<'_>, rows: &[RowRef<'_>], scratch: &mut String) -> Result<(), Wrong> {
        match self {
            Self::Unsupported => {}
            Self::Entity { rule, key, own, chunk, fields } => {
                for row in rows {
                    let text = rule.key.read(*row).into_text();
                    let wrong = |message: String| Wrong { row: row.row, message };
                    let name = || desk.schema.entity_name(key.ty);
                    let Some(text) = text else { return Err(wrong(format!("it has no key for a {}", name()))) };
                    if let Some(reason) = key.refuses(desk, &text) {
                        return Err(wrong(format!("`{text}` cannot be the key of a {}: {reason}", name())));
                    }
                    match &mut chunk.keys {
                        ChunkKeys::Own { prefix, guid } if *own => desk.own_key(*key, &text, scratch, prefix, guid),
                        ChunkKeys::Numbers(numbers) => numbers.push(desk.number(*key, &text, true, scratch)),
                        ChunkKeys::Own { .. } => {}
                    }
                }
                for (field, chunk) in fields.iter_mut().zip(&mut chunk.fields) {
                    field.take(desk, rows, chunk, scratch);
                }
            }
            Self::Member { rule, holder, member, chunk } => {
                for row in rows {
                    let wrong = |message: String| Wrong { row: row.row, message };
                    let text = rule.of.read(*row).into_text();
                    let name = || desk.schema.entity_name(holder.ty);
                    let Some(text) = text else { return Err(wrong(format!("it has no key for a {}", name()))) };
                    if let Some(reason) = holder.refuses(desk, &text) {
                        return Err(wrong(format!("`{text}` cannot be the key of a {}: {reason}", name())));
                    }
                    chunk.holders.push(desk.number(*holder, &text, false, scratch));
                    let ty = Type::of(Base::Entity(member.ty));
                    let stated = checked_reference(desk.schema, rule.member.stated(desk.schema, ty, rule.member.read(*row)));
                    let Stated::Reference(_, key) = &stated else { return Err(wrong(member_trouble(&stated))) };
                    chunk.members.push(desk.number(*member, key, false, scratch));
                }
            }
        }
        Ok(())
    }
}

impl Target<'_> {
    /// Says why a text cannot be a key of the type, if it cannot.
    fn refuses(&self, desk: &Desk<'_>, text: &str) -> Option<String> {
        if self.picky || text.trim().is_empty() || (self.base == Base::Guid && text.len() < 3) {
            return bad_key(desk.schema, self.ty, text);
        }
        None
    }
}

impl Desk<'_> {
    /// Returns the number of an entity; the text can be a key of its type.
    fn number(&self, target: Target<'_>, text: &str, listed: bool, scratch: &mut String) -> u32 {
        let Some(interner) = target.interner else {
            self.trouble.note("an entity of a type that nothing refers to is referred to");
            return NOTHING;
        };
        let mention = Some((Mention { ty: target.ty, listed }, self.schema, &self.trouble));
        let number = if let Some(bits) = self.plain_guid(target.base, text) {
            interner.intern(Lookup { bits, text: None }, mention)
        } else {
            let key = canonical(target.base, true, text, scratch);
            if key.is_empty() {
                self.trouble.note("a key is empty when it is brought into canonical form");
            }
            let lookup = match guid(key.as_bytes()).filter(|_| is_lower(&key)) {
                Some(bits) => Lookup { bits, text: None },
                None => Lookup { bits: self.seeds.hash(key.as_bytes()), text: Some(&key) },
            };
            interner.intern(lookup, mention)
        };
        number.unwrap_or_else(|| self.too_many())
    }

    /// A GUID with nothing around it is known by its bits at once.
    fn plain_guid(&self, base: Base, text: &str) -> Option<u128> {
        if base == Base::Guid { guid(text.as_bytes()) } else { None }
    }

    fn own_key(&self, target: Target<'_>, text: &str, scratch: &mut String, prefix: &mut Vec<u32>, guids: &mut Vec<u128>) {
        let key = canonical(target.base, true, text, scratch);
        let (before, found) = split_guid(&key).map_or((&*key, None), |(before, found)| (before, Some(found)));
        let lookup = Lookup { bits: self.seeds.hash(before.as_bytes()), text: Some(before) };
        let number = self.prefixes.intern(lookup, None).unwrap_or_else(|| self.too_many());
        prefix.push(if found.is_some() { number } else { number | NO_GUID });
        guids.push(found.unwrap_or(0));
    }

    fn too_many(&self) -> u32 {
        self.trouble.note("there are too many different ids");
        NOTHING
    }
}

fn is_lower(key: &str) -> bool {
    !key.bytes().any(|byte| byte.is_ascii_uppercase())
}

impl Field<'_> {
    fn take(&mut self, desk: &Desk<'_>, rows: &[RowRef<'_>], chunk: &mut FieldChunk, scratch: &mut String) {
        let from = chunk.codes.len();
        match &mut chunk.codes {
            ChunkCodes::Constant(_, n_rows) => *n_rows += rows.len(),
            ChunkCodes::Each(codes) => {
                for (at, row) in rows.iter().enumerate() {
                    let code = match self.code(desk, *row, scratch) {
                        Ok(code) => code,
                        Err(reason) => {
                            chunk.reasons.push((place(from + at), reason));
                            UNKNOWN
                        }
                    };
                    codes.push(code);
                }
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

    /// Returns the code of a value that is no number, or why it is not known.
    fn code(&mut self, desk: &Desk<'_>, row: RowRef<'_>, scratch: &mut String) -> Result<u32, Arc<str>> {
        let read = self.value.read(row);
        let base = self.property.ty.base;
        let Read::Text(text) = &read else { return self.slow_code(desk, read, scratch) };
        match base {
            Base::Enum(_) => {
                if let Some(known) = self.known.get(&**text) {
                    return known.clone();
                }
                let key = text.to_string();
                let code = self.slow_code(desk, read, scratch);
                if self.known.len() < RECENT {
                    self.known.insert(key, code.clone());
                }
                code
            }
            Base::Entity(_) | Base::String | Base::Guid | Base::ArmId if !self.picky && !self.target.is_some_and(|target| target.picky) => {
                let bits = match guid(text.as_bytes()) {
                    Some(bits) if base != Base::String && self.target.is_none_or(|target| target.base == Base::Guid) => bits,
                    _ => desk.seeds.hash(text.as_bytes()),
                };
                let slot = usize::try_from((bits ^ bits >> 64) & (RECENT as u128 - 1)).unwrap_or(0);
                if let Some((known, code)) = self.recent.get(slot)
                    && *known == bits
                    && *code != NOTHING
                {
                    return Ok(*code);
                }
                let code = match self.target {
                    Some(target) if target.refuses(desk, text).is_none() => desk.number(target, text, false, scratch),
                    Some(_) => return self.slow_code(desk, read, scratch),
                    None => self.text(desk, base, text, scratch),
                };
                if let Some(slot) = self.recent.get_mut(slot) {
                    *slot = (bits, code);
                }
                Ok(code)
            }
            _ => self.slow_code(desk, read, scratch),
        }
    }

    fn text(&self, desk: &Desk<'_>, base: Base, text: &str, scratch: &mut String) -> u32 {
        let Some(interner) = self.texts else { return NOTHING };
        let text = canonical(base, false, text, scratch);
        let lookup = Lookup { bits: desk.seeds.hash(text.as_bytes()), text: Some(&text) };
        interner.intern(lookup, None).unwrap_or_else(|| desk.too_many())
    }

    fn slow_code(&self, desk: &Desk<'_>, read: Read<'_>, scratch: &mut String) -> Result<u32, Arc<str>> {
        match checked_reference(desk.schema, self.value.stated(desk.schema, self.property.ty, read)) {
            Stated::Nothing => Ok(NOTHING),
            Stated::Reference(_, key) => Ok(self.target.map_or(NOTHING, |target| desk.number(target, &key, false, scratch))),
            Stated::State(CellState::None) => Ok(NONE),
            Stated::State(CellState::Unknown(reason)) => Err(reason.unwrap_or_else(|| Arc::from(""))),
            Stated::State(CellState::Known(value)) => Ok(match value {
                Value::Bool(value) => u32::from(value),
                Value::Enum(_, at) => at,
                Value::Text(text) => self.text(desk, Base::String, &text, scratch),
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

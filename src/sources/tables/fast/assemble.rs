//! Codes of chunks to the columns of attributes, lists and lifetimes, as freezing the same facts would make them.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use rayon::prelude::*;

use super::ids::{Interned, Trouble};
use super::number::Numbering;
use super::settle::Settled;
use super::take::{Chunk, ChunkCodes, FieldChunk, MemberChunk, NUMBER_NONE, NUMBER_NOTHING, NUMBER_UNKNOWN};
use super::{Chunks, NOTHING};
use crate::model::{Base, Completeness, Property, PropertyId, Schema};
use crate::snapshot::columns::{
    AttributeColumn, CODES_MAX, Codes, Columns, Instants, LifetimeColumn, ListColumn, MemberTimes, Members, NO_SOURCE, NONE, Part,
    PartData, Reasons, SourceColumn, Texts, UNBOUNDED, UNKNOWN,
};

/// Parts of a snapshot, in any order.
pub(super) type Parts = Vec<(Part, PartData)>;

/// One attribute with its sources and reasons.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) property: PropertyId,
    pub(super) column: AttributeColumn,
    pub(super) sources: Codes,
    reasons: Reasons,
}

impl Attribute {
    /// Returns the code of an entity; what nobody spoke of is not known.
    pub(super) fn code(&self, id: u32) -> u32 {
        let at = id.checked_sub(self.column.first).filter(|at| *at < self.column.len);
        at.and_then(|at| self.column.codes.get(at as usize)).unwrap_or(UNKNOWN)
    }

    /// Tells whether a range of entities holds one of which it is not known.
    pub(super) fn unknown_in(&self, range: &Range<u32>) -> bool {
        let covered = self.column.first..self.column.first + self.column.len;
        if range.is_empty() {
            return false;
        }
        if range.start < covered.start || range.end > covered.end {
            return true;
        }
        self.column.n_unknown > 0 && range.clone().any(|id| self.code(id) == UNKNOWN)
    }

    pub(super) fn parts(self) -> Parts {
        let mut parts = vec![
            (Part::Attribute(self.property), PartData::Attribute(self.column)),
            (Part::AttributeSources(self.property), PartData::Sources(SourceColumn(self.sources))),
        ];
        if !self.reasons.0.is_empty() {
            parts.push((Part::AttributeReasons(self.property), PartData::Reasons(self.reasons)));
        }
        parts
    }
}

/// The sorted values of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) instants: Vec<i64>,
    pub(super) integers: Vec<i64>,
    /// By text class: the code of each number, and the texts.
    pub(super) texts: Vec<(Vec<u32>, Texts)>,
}

impl Values {
    /// Sorts all values, and puts codes in place of numbers; `None` if there are too many.
    pub(super) fn sort(schema: &Schema, texts: Vec<Interned>, chunks: &mut Chunks) -> Option<Self> {
        let is_instant = |field: &FieldChunk| schema.property(field.property).is_some_and(|property| property.ty.base == Base::Instant);
        let (mut instants, mut integers) = (Vec::new(), Vec::new());
        for (_, chunk) in &mut chunks.list {
            let Chunk::Entities(chunk) = chunk else { continue };
            for field in &mut chunk.fields {
                let pool = if is_instant(field) { &mut instants } else { &mut integers };
                if let ChunkCodes::Numbers(numbers) = &mut field.codes {
                    pool.push(numbers);
                }
            }
        }
        let (instants, integers) = rayon::join(|| sort_numbers(instants), || sort_numbers(integers));
        let ((instants, instant_codes), (integers, integer_codes)) = (instants?, integers?);
        let (mut instant_codes, mut integer_codes) = (instant_codes.into_iter(), integer_codes.into_iter());
        for (_, chunk) in &mut chunks.list {
            let Chunk::Entities(chunk) = chunk else { continue };
            for field in &mut chunk.fields {
                let codes = if is_instant(field) { &mut instant_codes } else { &mut integer_codes };
                if matches!(field.codes, ChunkCodes::Numbers(_)) {
                    field.codes = ChunkCodes::Each(codes.next()?);
                }
            }
        }
        let texts: Option<Vec<_>> = texts.into_par_iter().map(sort_texts).collect();
        Some(Self { instants, integers, texts: texts? })
    }

    pub(super) fn parts(self) -> Option<Parts> {
        let mut parts = Parts::new();
        for (class, (_, texts)) in (0..).zip(self.texts).filter(|(_, (_, texts))| !texts.is_empty()) {
            parts.push((Part::Texts(class), PartData::Texts(texts)));
        }
        let instant = |nanos: i64| Timestamp::from_nanosecond(i128::from(nanos)).ok();
        let instants: Option<Vec<Timestamp>> = self.instants.into_iter().map(instant).collect();
        parts.push((Part::Instants, PartData::Instants(Instants::from_sorted(&instants?))));
        parts.push((Part::Integers, PartData::Integers(self.integers)));
        Some(parts)
    }
}

/// Sorts numbers and returns the place of each, list by list.
fn sort_numbers(lists: Vec<&mut Vec<i64>>) -> Option<(Vec<i64>, Vec<Vec<u32>>)> {
    let n: usize = lists.iter().map(|list| list.len()).sum();
    u32::try_from(n).ok()?;
    let mut pairs: Vec<(i64, u32)> = Vec::with_capacity(n);
    let lens: Vec<usize> = lists.iter().map(|list| list.len()).collect();
    for list in lists {
        let numbers = std::mem::take(list);
        let from = u32::try_from(pairs.len()).ok()?;
        pairs.extend(numbers.into_iter().zip(from..));
    }
    pairs.par_sort_unstable();
    let (mut values, mut codes) = (Vec::new(), vec![0_u32; n]);
    for (number, place) in pairs {
        let code = match number {
            NUMBER_NONE => NONE,
            NUMBER_UNKNOWN => UNKNOWN,
            NUMBER_NOTHING => NOTHING,
            number => {
                if values.last() != Some(&number) {
                    values.push(number);
                }
                u32::try_from(values.len() - 1).ok()?
            }
        };
        *codes.get_mut(place as usize)? = code;
    }
    let mut rest = codes.as_slice();
    let mut split = Vec::with_capacity(lens.len());
    for len in lens {
        let (these, others) = rest.split_at_checked(len)?;
        split.push(these.to_vec());
        rest = others;
    }
    (values.len() <= CODES_MAX as usize).then_some((values, split))
}

fn sort_texts(interned: Interned) -> Option<(Vec<u32>, Texts)> {
    let mut texts: Vec<(&str, u32)> = interned.iter().map(|known| (interned.text(known.number), known.number)).collect();
    texts.par_sort_unstable();
    let mut codes = vec![UNKNOWN; interned.end()];
    for (code, (_, number)) in (0..).zip(&texts) {
        *codes.get_mut(*number as usize)? = code;
    }
    let sorted = Texts::from_sorted(texts.iter().map(|(text, _)| *text))?;
    Some((codes, sorted))
}

/// Facts of rows whose entities have ids.
struct Placed<'c> {
    ids: &'c [u32],
    source: u32,
    field: &'c FieldChunk,
}

/// Makes the columns of all attributes.
pub(super) fn attributes(schema: &Schema, chunks: &Chunks, numbering: &Numbering, values: &Values, trouble: &Trouble) -> Vec<Attribute> {
    let mut of_property: Vec<Vec<Placed<'_>>> = schema.properties.iter().map(|_| Vec::new()).collect();
    for ((source, chunk), ids) in chunks.list.iter().zip(&numbering.of_row) {
        let Chunk::Entities(chunk) = chunk else { continue };
        for field in &chunk.fields {
            if let Some(placed) = of_property.get_mut(field.property.0 as usize) {
                placed.push(Placed { ids, source: *source, field });
            }
        }
    }
    for (field, rule) in &chunks.of_absent {
        let ids = numbering.absent.get(*rule).map_or(&[][..], Vec::as_slice);
        if let Some(placed) = of_property.get_mut(field.property.0 as usize) {
            placed.push(Placed { ids, source: chunks.mapping_source, field });
        }
    }
    let made = of_property.par_iter().zip(&schema.properties).with_max_len(1);
    made.filter_map(|(placed, property)| attribute(schema, property, placed, numbering, values, trouble)).collect()
}

fn attribute(
    schema: &Schema,
    property: &Property,
    placed: &[Placed<'_>],
    numbering: &Numbering,
    values: &Values,
    trouble: &Trouble,
) -> Option<Attribute> {
    let ids = || placed.iter().flat_map(|placed| placed.ids);
    let (first, last) = (*ids().min()?, *ids().max()?);
    let mut codes = vec![NOTHING; (last - first) as usize + 1];
    let source = placed.first().map(|placed| placed.source)?;
    let one_source = placed.iter().all(|placed| placed.source == source);
    let mut sources = if one_source { Vec::new() } else { vec![NO_SOURCE; codes.len()] };
    let remap: Option<&[u32]> = match property.ty.base {
        Base::Entity(ty) => numbering.of_number.get(schema.entity(ty)?.root.0 as usize).map(Vec::as_slice),
        _ => Columns::text_class(schema, property.ty).and_then(|class| values.texts.get(class as usize)).map(|(codes, _)| codes.as_slice()),
    };
    let mut reasons = Vec::new();
    for placed in placed {
        for (row, id) in placed.ids.iter().enumerate() {
            let code = placed.field.codes.get(row);
            if code == NOTHING {
                continue;
            }
            let code = match remap {
                Some(remap) if code < NOTHING => remap.get(code as usize).copied().unwrap_or(UNKNOWN),
                _ => code,
            };
            let at = (id - first) as usize;
            let slot = codes.get_mut(at)?;
            if *slot != NOTHING && *slot != code {
                trouble.note(format!("rows about one entity say different things of `{}`", property.name));
            }
            *slot = code;
            if let Some(source) = sources.get_mut(at) {
                *source = (*source).min(placed.source);
            }
        }
        for (row, reason) in &placed.field.reasons {
            reasons.push((placed.ids.get(*row as usize)? - first, Arc::clone(reason)));
        }
    }
    reasons.sort();
    reasons.dedup();
    if reasons.windows(2).any(|pair| matches!(pair, [one, other] if one.0 == other.0)) {
        trouble.note(format!("rows about one entity say for different reasons that `{}` is not known", property.name));
    }
    finish(property.id, first, codes, sources, source, reasons)
}

/// Cuts off what nobody spoke of at both ends, and counts.
fn finish(
    property: PropertyId,
    first: u32,
    mut codes: Vec<u32>,
    mut sources: Vec<u32>,
    source: u32,
    mut reasons: Vec<(u32, Arc<str>)>,
) -> Option<Attribute> {
    let begin = codes.iter().position(|code| *code != NOTHING)?;
    let end = codes.iter().rposition(|code| *code != NOTHING)? + 1;
    codes.truncate(end);
    codes.drain(..begin);
    let sources = if sources.is_empty() {
        if codes.contains(&NOTHING) {
            Codes::Each(codes.iter().map(|code| if *code == NOTHING { NO_SOURCE } else { source }).collect())
        } else {
            Codes::Constant(source)
        }
    } else {
        sources.truncate(end);
        sources.drain(..begin);
        Codes::compact(sources)
    };
    let (mut n_none, mut n_unknown) = (0, 0);
    for code in &mut codes {
        if *code == NOTHING {
            *code = UNKNOWN;
        }
        n_none += u32::from(*code == NONE);
        n_unknown += u32::from(*code == UNKNOWN);
    }
    let skipped = u32::try_from(begin).ok()?;
    for (place, _) in &mut reasons {
        *place -= skipped;
    }
    let len = u32::try_from(codes.len()).ok()?;
    let column = AttributeColumn { first: first + skipped, len, codes: Codes::compact(codes), n_none, n_unknown };
    Some(Attribute { property, column, sources, reasons: Reasons(reasons) })
}

impl ChunkCodes {
    fn get(&self, row: usize) -> u32 {
        match self {
            Self::Constant(code, _) => *code,
            Self::Each(codes) => codes.get(row).copied().unwrap_or(NOTHING),
            Self::Numbers(_) => NOTHING,
        }
    }
}

/// When entities exist: by root type, over all its entities.
#[derive(Debug)]
pub(super) struct Lifetimes(Vec<Option<LifetimeColumn>>);

impl Lifetimes {
    /// Reads lifetimes off the attributes the schema names for them.
    pub(super) fn of(schema: &Schema, numbering: &Numbering, domains: &[Range<u32>], attributes: &[Attribute]) -> Self {
        let of_root = |(ty, domain): (&crate::model::EntityType, &Range<u32>)| {
            if ty.root != ty.id || domain.is_empty() {
                return None;
            }
            let bound = |pick: fn(&crate::model::EntityType) -> Option<PropertyId>, otherwise: u32| {
                let mut codes: Option<Vec<u32>> = None;
                for sub in schema.subtypes(ty.id) {
                    let attribute = pick(sub).and_then(|property| attributes.iter().find(|attribute| attribute.property == property));
                    let own = numbering.own.get(sub.id.0 as usize).cloned().unwrap_or(0..0);
                    let Some(attribute) = attribute.filter(|_| !own.is_empty()) else { continue };
                    let all = codes.get_or_insert_with(|| vec![otherwise; domain.len()]);
                    for (slot, id) in all.iter_mut().skip((own.start - domain.start) as usize).zip(own) {
                        let code = attribute.code(id);
                        *slot = if code <= CODES_MAX { code } else { otherwise };
                    }
                }
                codes.map_or(Codes::Constant(otherwise), Codes::compact)
            };
            let (from, to) = (bound(|ty| ty.lifetime_from, UNKNOWN), bound(|ty| ty.lifetime_to, UNBOUNDED));
            Some(LifetimeColumn { first: domain.start, len: u32::try_from(domain.len()).unwrap_or(0), from, to })
        };
        Self(schema.entities.iter().zip(domains).map(of_root).collect())
    }

    /// Tells whether of all these entities only the present is known.
    fn only_present(&self, root: usize, ids: &[u32]) -> bool {
        let Some(Some(column)) = self.0.get(root) else { return false };
        if (&column.from, &column.to) == (&Codes::Constant(UNKNOWN), &Codes::Constant(UNBOUNDED)) {
            return true;
        }
        let bounds = |id: &u32| {
            let at = id.checked_sub(column.first)? as usize;
            Some((column.from.get(at)?, column.to.get(at)?))
        };
        ids.iter().all(|id| bounds(id) == Some((UNKNOWN, UNBOUNDED)))
    }

    pub(super) fn parts(self) -> Parts {
        let types = (0..).map(crate::model::EntityTypeId);
        types.zip(self.0).filter_map(|(ty, column)| Some((Part::Lifetimes(ty), PartData::Lifetimes(column?)))).collect()
    }
}

/// What lists are made of.
pub(super) struct Shelf<'a> {
    pub(super) schema: &'a Schema,
    pub(super) domains: &'a [Range<u32>],
    pub(super) numbering: &'a Numbering,
    pub(super) attributes: &'a [Attribute],
    pub(super) lifetimes: &'a Lifetimes,
    pub(super) settled: &'a Settled,
    pub(super) unspoken: &'a Completeness,
    pub(super) claimed: &'a Completeness,
}

/// Members by holder: sorted pairs as offsets, members and their sources.
struct Grouped {
    /// The first holder and one more than the last one that can be.
    holders: Range<u32>,
    offsets: Vec<u32>,
    members: Vec<u32>,
    sources: Codes,
}

/// Makes the columns of all lists.
pub(super) fn lists(shelf: &Shelf<'_>, chunks: &Chunks, trouble: &Trouble) -> Option<Parts> {
    let made: Option<Vec<Parts>> =
        shelf.schema.properties.par_iter().with_max_len(1).map(|property| list(shelf, property, chunks, trouble)).collect();
    Some(made?.into_iter().flatten().collect())
}

fn list(shelf: &Shelf<'_>, property: &Property, chunks: &Chunks, trouble: &Trouble) -> Option<Parts> {
    if !property.ty.set {
        return Some(Parts::new());
    }
    let inverse = property.inverse.and_then(|id| shelf.schema.property(id));
    let grouped = match inverse.filter(|inverse| !inverse.ty.set) {
        Some(reference) => match shelf.attributes.iter().find(|attribute| attribute.property == reference.id) {
            Some(attribute) => Some((by_target(shelf, property, attribute)?, reference.history)),
            None => None,
        },
        None => stated(shelf, property, inverse, chunks, trouble)?.map(|grouped| (grouped, true)),
    };
    let holders = shelf.root_domain(property)?;
    let (grouped, present) = grouped.unwrap_or_else(|| {
        let offsets = vec![0; holders.len() + 1];
        (Grouped { holders: holders.clone(), offsets, members: Vec::new(), sources: Codes::Constant(NO_SOURCE) }, false)
    });
    Some(column(shelf, property, grouped, present))
}

impl Shelf<'_> {
    /// Returns the ids of the root type of the entities that have a property.
    fn root_domain(&self, property: &Property) -> Option<Range<u32>> {
        let root = self.schema.entity(property.owner)?.root;
        self.domains.get(root.0 as usize).cloned()
    }
}

/// Turns a reference around.
fn by_target(shelf: &Shelf<'_>, list: &Property, attribute: &Attribute) -> Option<Grouped> {
    let holders = shelf.root_domain(list)?;
    let mut offsets = vec![0_u32; holders.len() + 1];
    let targets = || (attribute.column.first..).zip(attribute.column.codes_each()).filter(|(_, code)| *code <= CODES_MAX);
    for (_, target) in targets() {
        *offsets.get_mut(target.checked_sub(holders.start)? as usize + 1)? += 1;
    }
    let n = sum_up(&mut offsets)?;
    let mut next = offsets.clone();
    let (mut members, mut sources) = (vec![0_u32; n], Vec::new());
    let constant = matches!(attribute.sources, Codes::Constant(_));
    if !constant {
        sources = vec![NO_SOURCE; n];
    }
    for (member, target) in targets() {
        let slot = next.get_mut((target - holders.start) as usize)?;
        *members.get_mut(*slot as usize)? = member;
        if let Some(source) = sources.get_mut(*slot as usize) {
            *source = attribute.sources.get((member - attribute.column.first) as usize)?;
        }
        *slot += 1;
    }
    let sources = if constant { attribute.sources.clone() } else { Codes::compact(sources) };
    Some(Grouped { holders, offsets, members, sources })
}

impl AttributeColumn {
    fn codes_each(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len as usize).map(|at| self.codes.get(at).unwrap_or(UNKNOWN))
    }
}

/// Turns counts, shifted by one place, into offsets; returns the total.
fn sum_up(offsets: &mut [u32]) -> Option<usize> {
    let mut total = 0_u32;
    for offset in offsets {
        total = total.checked_add(*offset)?;
        *offset = total;
    }
    Some(total as usize)
}

/// Gathers the members that tables of members state of a list, or of its other side.
#[expect(clippy::option_option, reason = "whether it could be done, and whether there are any")]
fn stated(shelf: &Shelf<'_>, list: &Property, inverse: Option<&Property>, chunks: &Chunks, trouble: &Trouble) -> Option<Option<Grouped>> {
    let mut pairs: Vec<(u32, u32, u32)> = Vec::new();
    for (source, chunk) in &chunks.list {
        let Chunk::Members(chunk) = chunk else { continue };
        let turned = inverse.is_some_and(|inverse| inverse.id == chunk.property && inverse.id != list.id);
        if chunk.property != list.id && !turned {
            continue;
        }
        if inverse.is_some_and(|inverse| inverse.id == list.id) {
            trouble.note(format!("`{}` is its own other side", list.name));
        }
        let stated = shelf.schema.property(chunk.property)?;
        let (holders, members) = pair_ids(shelf, stated, chunk)?;
        let (ones, others) = if turned { (members, holders) } else { (holders, members) };
        pairs.reserve(chunk.holders.len());
        for (one, other) in chunk.pairs(turned) {
            pairs.push((*ones.get(one as usize)?, *others.get(other as usize)?, *source));
        }
    }
    if pairs.is_empty() {
        return Some(None);
    }
    pairs.par_sort_unstable();
    // Sorted, the first of equal pairs has the smallest source, as when facts are folded.
    pairs.dedup_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let holders = shelf.root_domain(list)?;
    let mut offsets = vec![0_u32; holders.len() + 1];
    for (holder, ..) in &pairs {
        *offsets.get_mut(holder.checked_sub(holders.start)? as usize + 1)? += 1;
    }
    sum_up(&mut offsets)?;
    let sources = Codes::compact(pairs.iter().map(|pair| pair.2).collect());
    Some(Some(Grouped { holders, offsets, members: pairs.into_iter().map(|pair| pair.1).collect(), sources }))
}

fn pair_ids<'s>(shelf: &'s Shelf<'_>, stated: &Property, _chunk: &MemberChunk) -> Option<(&'s [u32], &'s [u32])> {
    let root = |ty| Some(shelf.schema.entity(ty)?.root.0 as usize);
    let holders = shelf.numbering.of_number.get(root(stated.owner)?)?;
    let members = shelf.numbering.of_number.get(root(stated.ty.entity()?)?)?;
    Some((holders, members))
}

impl MemberChunk {
    fn pairs(&self, turned: bool) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.holders.iter().zip(&self.members).map(move |(holder, member)| if turned { (*member, *holder) } else { (*holder, *member) })
    }
}

/// Puts members and completeness together, over the holders of whose list anything is said.
fn column(shelf: &Shelf<'_>, property: &Property, grouped: Grouped, present: bool) -> Parts {
    let Grouped { holders, offsets, members, sources } = grouped;
    let whole = shelf.settled.list(property.id);
    let is_claimed = |id: u32| whole.is_some_and(|whole| whole.claimed.iter().any(|range| range.contains(&id)));
    let is_silent = |id: u32| whole.is_some_and(|whole| whole.concluded.contains(&id));
    let has_members = |id: u32| {
        let at = (id - holders.start) as usize;
        offsets.get(at) < offsets.get(at + 1)
    };
    let spoken = |id: &u32| has_members(*id) || is_claimed(*id) || is_silent(*id);
    let Some(first) = holders.clone().find(spoken) else { return Parts::new() };
    let last = holders.clone().rev().find(spoken).unwrap_or(first);
    let derived = property.derived.is_some();
    let concluded = Completeness::now(None);
    let kind = |id: u32| {
        if is_claimed(id) {
            0
        } else if is_silent(id) && !derived {
            1
        } else {
            2
        }
    };
    let kinds: Vec<u32> = (first..=last).map(kind).collect();
    let mut used: Vec<(bool, &Completeness, u32)> = [(false, shelf.claimed, 0), (true, &concluded, 1), (true, shelf.unspoken, 2)]
        .into_iter()
        .filter(|(.., kind)| kinds.contains(kind))
        .collect();
    used.sort_unstable();
    let mut place = [0_u32; 3];
    for (at, (.., kind)) in (0_u32..).zip(&used) {
        if let Some(slot) = place.get_mut(*kind as usize) {
            *slot = at;
        }
    }
    let completeness = kinds.iter().map(|kind| place.get(*kind as usize).copied().unwrap_or(0)).collect();
    let n_claimed = u32::try_from(used.iter().filter(|(silent, ..)| !silent).count()).unwrap_or(0);
    let from = (first - holders.start) as usize;
    let covered = offsets.get(from..=(last - holders.start) as usize + 1).unwrap_or(&[]).to_vec();
    let root = property.ty.entity().and_then(|ty| shelf.schema.entity(ty)).map_or(usize::MAX, |ty| ty.root.0 as usize);
    let times = if members.is_empty() {
        MemberTimes::Always
    } else if !present || shelf.lifetimes.only_present(root, &members) {
        MemberTimes::Lifetime
    } else {
        MemberTimes::Each { from: Codes::Constant(UNKNOWN), to: Codes::Constant(UNBOUNDED) }
    };
    let has_any = !members.is_empty();
    let list = ListColumn {
        first,
        offsets: covered,
        members: Members::compact(members, property.ty.entity().is_some()),
        times,
        completeness: Codes::compact(completeness),
        completeness_kinds: used.into_iter().map(|(_, kind, _)| kind.clone()).collect(),
        n_claimed,
    };
    let mut parts = vec![(Part::List(property.id), PartData::List(list))];
    if has_any {
        parts.push((Part::ListSources(property.id), PartData::Sources(SourceColumn(sources))));
    }
    parts
}

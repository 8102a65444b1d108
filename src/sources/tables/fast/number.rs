//! Canonical ids: the entities of each type, sorted by key.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::Chunks;
use super::ids::{Interned, Known};
use super::take::{Chunk, ChunkKeys, NO_GUID};
use crate::model::{EntityTypeId, Schema};
use crate::snapshot::columns::{Keys, Texts, format_guid};
use crate::sources::tables::mapping::AbsentRule;

/// Which number and which row is which entity.
#[derive(Debug)]
pub(super) struct Numbering {
    /// By entity type: its ids.
    pub(super) own: Vec<Range<u32>>,
    /// By root type: the entity of each number.
    pub(super) of_number: Vec<Vec<u32>>,
    /// By chunk: the entity of each row.
    pub(super) of_row: Vec<Vec<u32>>,
    pub(super) keys: Vec<(EntityTypeId, Keys)>,
    /// Entities without a row that a rule is about, by rule.
    pub(super) absent: Vec<Vec<u32>>,
}

/// The entities of one type before they have ids.
enum Waiting<'i> {
    Nobody,
    /// Entities by number, sorted.
    Numbers(Vec<Known<'i>>),
    /// Rows of these chunks.
    Rows(Sorted),
}

/// Keys of rows, sorted.
struct Sorted {
    keys: Keys,
    n: u32,
    /// The place of each row.
    places: Vec<u32>,
    chunks: Vec<usize>,
}

/// Numbers all entities; `None` if there are more than ids.
pub(super) fn number(
    schema: &Schema,
    entities: &[Option<Interned>],
    prefixes: &Interned,
    absent: &[AbsentRule],
    chunks: &mut Chunks,
) -> Option<Numbering> {
    let mut waiting: Vec<Waiting<'_>> = schema.entities.iter().map(|_| Waiting::Nobody).collect();
    let mut of_rule: Vec<(u32, usize, u32)> = Vec::new();
    for (root, interned) in (0_u32..).zip(entities) {
        let Some(interned) = interned else { continue };
        for known in interned.iter() {
            let rule = (!known.listed).then(|| absent.iter().position(|rule| rule.ty != known.ty && schema.is_subtype(rule.ty, known.ty)));
            let rule = rule.flatten();
            let ty = rule.and_then(|rule| absent.get(rule)).map_or(known.ty, |rule| rule.ty);
            of_rule.extend(rule.map(|rule| (root, rule, known.number)));
            match waiting.get_mut(ty.0 as usize)? {
                Waiting::Numbers(list) => list.push(known),
                slot => *slot = Waiting::Numbers(vec![known]),
            }
        }
    }
    for ty in &schema.entities {
        if let Some(sorted) = own_rows(ty.id, prefixes, chunks)? {
            *waiting.get_mut(ty.id.0 as usize)? = Waiting::Rows(sorted);
        }
    }
    waiting.par_iter_mut().for_each(|waiting| {
        if let Waiting::Numbers(list) = waiting {
            list.par_sort_unstable_by(compare);
        }
    });
    assign(schema, entities, chunks, waiting, &of_rule, absent.len())
}

fn assign(
    schema: &Schema,
    entities: &[Option<Interned>],
    chunks: &Chunks,
    mut waiting: Vec<Waiting<'_>>,
    of_rule: &[(u32, usize, u32)],
    n_rules: usize,
) -> Option<Numbering> {
    let mut made = Numbering {
        own: vec![0..0; schema.entities.len()],
        of_number: entities.iter().map(|interned| vec![u32::MAX; interned.as_ref().map_or(0, Interned::end)]).collect(),
        of_row: chunks.list.iter().map(|_| Vec::new()).collect(),
        keys: Vec::new(),
        absent: vec![Vec::new(); n_rules],
    };
    let mut order: Vec<(u32, EntityTypeId)> = schema.depth_first().into_iter().zip((0..).map(EntityTypeId)).collect();
    order.sort_unstable();
    let mut next = 0_u32;
    for (_, ty) in order {
        let (n, keys) = match std::mem::replace(waiting.get_mut(ty.0 as usize)?, Waiting::Nobody) {
            Waiting::Nobody => continue,
            Waiting::Numbers(list) => {
                let root = schema.entity(ty)?.root;
                let numbers = made.of_number.get_mut(root.0 as usize)?;
                for (id, known) in (next..).zip(&list) {
                    *numbers.get_mut(known.number as usize)? = id;
                }
                (u32::try_from(list.len()).ok()?, keys_of(&list)?)
            }
            Waiting::Rows(sorted) => {
                let mut places = sorted.places.into_iter();
                for chunk in sorted.chunks {
                    let n_rows = chunks.list.get(chunk)?.1.n_rows();
                    *made.of_row.get_mut(chunk)? = places.by_ref().take(n_rows).map(|place| next + place).collect();
                }
                (sorted.n, sorted.keys)
            }
        };
        let end = next.checked_add(n).filter(|end| *end <= crate::snapshot::columns::CODES_MAX)?;
        *made.own.get_mut(ty.0 as usize)? = next..end;
        made.keys.push((ty, keys));
        next = end;
    }
    for (root, rule, number) in of_rule {
        let id = *made.of_number.get(*root as usize)?.get(*number as usize)?;
        made.absent.get_mut(*rule)?.push(id);
    }
    for (chunk, of_row) in chunks.list.iter().zip(&mut made.of_row) {
        if let Chunk::Entities(chunk) = &chunk.1
            && let ChunkKeys::Numbers(numbers) = &chunk.keys
        {
            let root = schema.entity(chunk.ty)?.root;
            let ids = made.of_number.get(root.0 as usize)?;
            *of_row = numbers.iter().map(|number| ids.get(*number as usize).copied().unwrap_or(u32::MAX)).collect();
        }
    }
    Some(made)
}

fn compare(a: &Known<'_>, b: &Known<'_>) -> Ordering {
    match (a.text, b.text) {
        (None, None) => a.bits.cmp(&b.bits),
        (Some(a), Some(b)) => a.cmp(b),
        (Some(a), None) => a.as_bytes().cmp(&format_guid(b.bits)),
        (None, Some(b)) => format_guid(a.bits)[..].cmp(b.as_bytes()),
    }
}

fn keys_of(sorted: &[Known<'_>]) -> Option<Keys> {
    if sorted.iter().all(|known| known.text.is_none()) {
        return Some(Keys::Guids(sorted.iter().map(|known| known.bits).collect()));
    }
    let texts: Vec<Cow<'_, str>> =
        sorted.iter().map(|known| known.text.map_or_else(|| Cow::Owned(known.to_text()), Cow::Borrowed)).collect();
    Keys::from_sorted(&texts)
}

/// Sorts the rows of a type that nothing refers to.
#[expect(clippy::option_option, reason = "whether it could be done, and whether there is such a row")]
fn own_rows(ty: EntityTypeId, prefixes: &Interned, chunks: &mut Chunks) -> Option<Option<Sorted>> {
    let (mut prefix, mut guid, mut of_chunks) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (_, chunk)) in chunks.list.iter_mut().enumerate() {
        let Chunk::Entities(chunk) = chunk else { continue };
        let ChunkKeys::Own { prefix: more, guid: guids } = &mut chunk.keys else { continue };
        if chunk.ty == ty {
            chunk.n_rows = more.len();
            prefix.append(more);
            *more = Vec::new();
            guid.append(guids);
            *guids = Vec::new();
            of_chunks.push(at);
        }
    }
    if prefix.is_empty() {
        return Some(None);
    }
    u32::try_from(prefix.len()).ok()?;
    let sorted = match sort_by_prefix(&prefix, &guid, prefixes) {
        Some(sorted) => sorted,
        None => sort_texts(&prefix, &guid, prefixes)?,
    };
    Some(Some(Sorted { chunks: of_chunks, ..sorted }))
}

/// Sorts keys that all end in a GUID, if no prefix begins another one: then the order of prefixes is that of the keys.
fn sort_by_prefix(prefix: &[u32], guid: &[u128], prefixes: &Interned) -> Option<Sorted> {
    if prefix.iter().any(|number| number & NO_GUID != 0) {
        return None;
    }
    let mut used = vec![false; prefixes.end()];
    for number in prefix {
        *used.get_mut(*number as usize)? = true;
    }
    let numbers = (0_u32..).zip(&used).filter(|(_, used)| **used).map(|(number, _)| number);
    let mut texts: Vec<(&str, u32)> = numbers.map(|number| (prefixes.text(number), number)).collect();
    texts.par_sort_unstable();
    let begins = |(one, next): (&(&str, u32), &(&str, u32))| next.0.starts_with(one.0);
    if texts.iter().zip(texts.iter().skip(1)).any(begins) {
        return None;
    }
    let mut rank = vec![0_u32; used.len()];
    for (place, (_, number)) in (0_u32..).zip(&texts) {
        *rank.get_mut(*number as usize)? = place;
    }
    let top = |bits: u128| u64::try_from(bits >> 96).unwrap_or(0);
    let rank_of = |number: u32| rank.get(number as usize).copied().unwrap_or(0);
    let guid_of = |row: u32| guid.get(row as usize).copied().unwrap_or(0);
    let mut order: Vec<(u64, u32)> = prefix
        .par_iter()
        .zip(guid)
        .enumerate()
        .map(|(row, (number, guid))| (u64::from(rank_of(*number)) << 32 | top(*guid), u32::try_from(row).unwrap_or(u32::MAX)))
        .collect();
    order.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| guid_of(a.1).cmp(&guid_of(b.1))));
    let mut places = vec![0_u32; prefix.len()];
    let (mut ranks, mut guids): (Vec<u32>, Vec<u128>) = (Vec::with_capacity(order.len()), Vec::with_capacity(order.len()));
    let mut last = None;
    for (top, row) in &order {
        let this = (top >> 32, guid_of(*row));
        if last != Some(this) {
            last = Some(this);
            ranks.push(u32::try_from(this.0).ok()?);
            guids.push(this.1);
        }
        *places.get_mut(*row as usize)? = u32::try_from(guids.len() - 1).ok()?;
    }
    let n = u32::try_from(guids.len()).ok()?;
    let bare = texts.len() == 1 && texts.first().is_some_and(|(text, _)| text.is_empty());
    let keys = if bare {
        Keys::Guids(guids)
    } else {
        Keys::Prefixed { prefixes: Texts::from_sorted(texts.iter().map(|(text, _)| *text))?, prefix: ranks, guid: guids }
    };
    Some(Sorted { keys, n, places, chunks: Vec::new() })
}

/// Sorts any keys.
fn sort_texts(prefix: &[u32], guid: &[u128], prefixes: &Interned) -> Option<Sorted> {
    let text = |(row, (number, guid)): (u32, (&u32, &u128))| {
        let mut text = prefixes.text(number & !NO_GUID).to_owned();
        if number & NO_GUID == 0 {
            text.push_str(std::str::from_utf8(&format_guid(*guid)).unwrap_or(""));
        }
        (text, row)
    };
    let mut texts: Vec<(String, u32)> = (0_u32..).zip(prefix.iter().zip(guid)).map(text).collect();
    texts.par_sort_unstable();
    let mut places = vec![0_u32; prefix.len()];
    let mut distinct: Vec<&str> = Vec::with_capacity(texts.len());
    for (text, row) in &texts {
        if distinct.last() != Some(&text.as_str()) {
            distinct.push(text);
        }
        *places.get_mut(*row as usize)? = u32::try_from(distinct.len() - 1).ok()?;
    }
    let n = u32::try_from(distinct.len()).ok()?;
    Some(Sorted { keys: Keys::from_sorted(&distinct)?, n, places, chunks: Vec::new() })
}

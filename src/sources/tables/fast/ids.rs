//! Texts and keys to numbers, from many threads at once.
//!
//! A key is looked up by 128 bits: a canonical GUID by its own, any other text by a hash whose seeds are drawn anew for each
//! import, so that nobody can make two texts that meet. Numbers depend on the order of arrival; nothing that is written does.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::model::{EntityTypeId, Schema};
use crate::snapshot::columns::format_guid;

const SHARDS: u32 = 32;
const EMPTY: u32 = u32::MAX;
const LISTED: u32 = 1 << 31;

/// Why the fast way cannot be taken; the first reason counts.
#[derive(Debug, Default)]
pub(super) struct Trouble(OnceLock<String>);

impl Trouble {
    pub(super) fn note(&self, reason: impl Into<String>) {
        let _ = self.0.set(reason.into());
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// The seeds of one import.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds([u64; 6]);

impl Seeds {
    pub(super) fn draw() -> Self {
        let state = RandomState::new();
        Self([1, 2, 3, 4, 5, 6].map(|at: u64| state.hash_one(at)))
    }

    /// Returns the 128 bits a text is looked up by.
    pub(super) fn hash(&self, text: &[u8]) -> u128 {
        let [s0, s1, s2, s3, s4, s5] = self.0;
        let len = text.len() as u64;
        let (mut a, mut b) = (s0 ^ len, s1);
        let mut take = |chunk: &[u8; 16]| {
            let (low, high) = halves(u128::from_le_bytes(*chunk));
            a = fold(low ^ s2 ^ a, high ^ s3);
            b = fold(low ^ s4, high ^ s5 ^ b);
        };
        let (chunks, rest) = text.as_chunks::<16>();
        chunks.iter().for_each(&mut take);
        if !rest.is_empty() {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
            take(&last);
        }
        u128::from(fold(a ^ s4, len ^ s1)) << 64 | u128::from(fold(b ^ s2, len ^ s0))
    }

    fn spread(&self, key: u128) -> u64 {
        let (low, high) = halves(key);
        fold(low ^ self.0[0], high ^ self.0[3])
    }
}

fn halves(bits: u128) -> (u64, u64) {
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    (low, u64::try_from(bits >> 64).unwrap_or_default())
}

fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = halves(u128::from(a) * u128::from(b));
    low ^ high
}

/// A key or text as it is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'t> {
    pub(super) bits: u128,
    /// The text; `None` for a canonical GUID.
    pub(super) text: Option<&'t str>,
}

/// What is said of an entity where it is named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mention {
    pub(super) ty: EntityTypeId,
    /// Whether it has a row.
    pub(super) listed: bool,
}

/// Numbers of texts or entities.
#[derive(Debug)]
pub(super) struct Interner {
    seeds: Seeds,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug)]
struct Shard {
    table: Vec<u32>,
    entries: Vec<Entry>,
    bytes: String,
}

/// One key; small enough for two in a line of the cache.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bits: u128,
    /// Where its text ends; that of a canonical GUID is empty.
    end: u32,
    /// For an entity its type, and whether it is listed.
    mention: u32,
}

/// What is to be looked up together, so that the memory of many is waited for at once.
#[derive(Debug, Default)]
pub(super) struct Pending {
    keys: Vec<(u128, u32)>,
    /// Where the text of each ends.
    ends: Vec<u32>,
    text: String,
    order: Vec<u32>,
    spreads: Vec<u64>,
}

impl Pending {
    /// Adds something whose number belongs to `place` of the answer.
    pub(super) fn push(&mut self, lookup: Lookup<'_>, place: u32) {
        self.keys.push((lookup.bits, place));
        self.text.push_str(lookup.text.unwrap_or(""));
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn lookup(&self, at: u32) -> Option<(Lookup<'_>, u32)> {
        let (bits, place) = *self.keys.get(at as usize)?;
        let from = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before as usize).copied())?;
        let text = self.text.get(from as usize..*self.ends.get(at as usize)? as usize)?;
        Some((Lookup { bits, text: Some(text) }, place))
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.ends.clear();
        self.text.clear();
    }

    /// Puts what belongs to one shard next to each other; returns where each shard begins.
    fn sort(&mut self, seeds: &Seeds) -> [u32; SHARDS as usize + 1] {
        self.spreads.clear();
        self.spreads.extend(self.keys.iter().map(|(bits, _)| seeds.spread(*bits)));
        let mut begins = [0_u32; SHARDS as usize + 1];
        for spread in &self.spreads {
            if let Some(count) = begins.get_mut(shard_of(*spread) as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for begin in &mut begins {
            total += *begin;
            *begin = total;
        }
        let mut next = begins;
        self.order.clear();
        self.order.resize(self.keys.len(), 0);
        for (at, spread) in (0_u32..).zip(&self.spreads) {
            if let Some(slot) = next.get_mut(shard_of(*spread) as usize) {
                if let Some(place) = self.order.get_mut(*slot as usize) {
                    *place = at;
                }
                *slot += 1;
            }
        }
        begins
    }
}

fn shard_of(spread: u64) -> u32 {
    u32::try_from(spread >> 59).unwrap_or(0)
}

/// How many are looked up at once.
const TOGETHER: usize = 32;

impl Interner {
    pub(super) fn new(seeds: Seeds) -> Self {
        let shard = || Shard { table: vec![EMPTY; 64], entries: Vec::new(), bytes: String::new() };
        Self { seeds, shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect() }
    }

    /// Returns the number of something, made if it is new; `None` if there are too many.
    pub(super) fn intern(&self, lookup: Lookup<'_>, mention: Option<(Mention, &Schema, &Trouble)>) -> Option<u32> {
        let spread = self.seeds.spread(lookup.bits);
        let at = shard_of(spread);
        let mut shard = self.shards.get(at as usize)?.lock().unwrap_or_else(PoisonError::into_inner);
        let local = shard.intern(lookup, spread, &self.seeds)?;
        if let Some((mention, schema, trouble)) = mention {
            shard.mention(local, mention, schema, trouble);
        }
        local.checked_mul(SHARDS)?.checked_add(at)
    }

    /// Puts the numbers of many into their places of `answer`; `None` if there are too many.
    pub(super) fn intern_all(
        &self,
        pending: &mut Pending,
        mention: Option<(Mention, &Schema, &Trouble)>,
        answer: &mut [u32],
    ) -> Option<()> {
        let begins = pending.sort(&self.seeds);
        // Threads begin at different shards, so that they rarely wait for each other.
        let first = pending.spreads.first().map_or(0, |spread| shard_of(*spread));
        for step in 0..SHARDS {
            let at = (first + step) % SHARDS;
            let range = *begins.get(at as usize)? as usize..*begins.get(at as usize + 1)? as usize;
            let these = pending.order.get(range)?;
            if these.is_empty() {
                continue;
            }
            let mut shard = self.shards.get(at as usize)?.lock().unwrap_or_else(PoisonError::into_inner);
            for these in these.chunks(TOGETHER) {
                let mut probed = [EMPTY; TOGETHER];
                for (probed, one) in probed.iter_mut().zip(these) {
                    *probed = shard.probe(*pending.spreads.get(*one as usize)?);
                }
                let mut known = [0_u128; TOGETHER];
                for (known, probed) in known.iter_mut().zip(&probed).take(these.len()) {
                    *known = shard.entries.get(*probed as usize).map_or(0, |entry| entry.bits);
                }
                for ((one, probed), known) in these.iter().zip(&probed).zip(&known) {
                    let (lookup, place) = pending.lookup(*one)?;
                    let local = if *probed != EMPTY && *known == lookup.bits {
                        *probed
                    } else {
                        shard.intern(lookup, *pending.spreads.get(*one as usize)?, &self.seeds)?
                    };
                    if let Some((mention, schema, trouble)) = mention {
                        shard.mention(local, mention, schema, trouble);
                    }
                    *answer.get_mut(place as usize)? = local.checked_mul(SHARDS)?.checked_add(at)?;
                }
            }
        }
        pending.clear();
        Some(())
    }

    /// Ends the taking of numbers.
    pub(super) fn finish(self) -> Interned {
        let shards = self.shards.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        Interned { shards }
    }
}

impl Shard {
    fn slot(&self, spread: u64) -> usize {
        usize::try_from(spread & u64::from(u32::MAX)).unwrap_or(0) & (self.table.len() - 1)
    }

    /// Returns what stands where a key is looked for first.
    fn probe(&self, spread: u64) -> u32 {
        self.table.get(self.slot(spread)).copied().unwrap_or(EMPTY)
    }

    /// Returns the place of a key, or the slot where it belongs.
    fn find(&self, bits: u128, spread: u64) -> Result<u32, usize> {
        let mut slot = self.slot(spread);
        loop {
            match self.table.get(slot).copied() {
                None | Some(EMPTY) => return Err(slot),
                Some(at) if self.entries.get(at as usize).is_some_and(|entry| entry.bits == bits) => return Ok(at),
                Some(_) => slot = (slot + 1) & (self.table.len() - 1),
            }
        }
    }

    fn intern(&mut self, lookup: Lookup<'_>, spread: u64, seeds: &Seeds) -> Option<u32> {
        let slot = match self.find(lookup.bits, spread) {
            Ok(local) => return Some(local),
            Err(slot) => slot,
        };
        let local = u32::try_from(self.entries.len()).ok().filter(|local| *local < (1 << 30) / SHARDS)?;
        let slot = if (self.entries.len() + 1) * 2 > self.table.len() {
            self.grow(seeds);
            self.find(lookup.bits, spread).err()?
        } else {
            slot
        };
        *self.table.get_mut(slot)? = local;
        self.bytes.push_str(lookup.text.unwrap_or(""));
        self.entries.push(Entry { bits: lookup.bits, end: u32::try_from(self.bytes.len()).ok()?, mention: u32::MAX });
        Some(local)
    }

    fn grow(&mut self, seeds: &Seeds) {
        self.table = vec![EMPTY; self.table.len() * 4];
        for (at, entry) in (0_u32..).zip(&self.entries) {
            let mut slot = self.slot(seeds.spread(entry.bits));
            while self.table.get(slot).is_some_and(|taken| *taken != EMPTY) {
                slot = (slot + 1) & (self.table.len() - 1);
            }
            if let Some(place) = self.table.get_mut(slot) {
                *place = at;
            }
        }
    }

    /// Takes the more special type, as a builder does; two types of which neither is the other's go the slow way.
    fn mention(&mut self, local: u32, mention: Mention, schema: &Schema, trouble: &Trouble) {
        let Some(Entry { mention: known, .. }) = self.entries.get_mut(local as usize) else { return };
        let listed = if mention.listed { LISTED } else { 0 };
        if *known == u32::MAX {
            *known = mention.ty.0 | listed;
            return;
        }
        let known_ty = EntityTypeId(*known & !LISTED);
        let ty = if known_ty == mention.ty || schema.is_subtype(known_ty, mention.ty) {
            known_ty
        } else if schema.is_subtype(mention.ty, known_ty) {
            mention.ty
        } else {
            trouble.note("an entity is named with two types that exclude each other");
            return;
        };
        *known = ty.0 | (*known & LISTED) | listed;
    }
}

/// Numbers that are no longer added to.
#[derive(Debug)]
pub(super) struct Interned {
    shards: Vec<Shard>,
}

/// One number with what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'i> {
    pub(super) number: u32,
    pub(super) bits: u128,
    /// The text; `None` for a canonical GUID.
    pub(super) text: Option<&'i str>,
    pub(super) ty: EntityTypeId,
    pub(super) listed: bool,
}

impl Known<'_> {
    /// Returns the text, also of a GUID.
    pub(super) fn to_text(self) -> String {
        match self.text {
            Some(text) => text.to_owned(),
            None => String::from_utf8(format_guid(self.bits).to_vec()).unwrap_or_default(),
        }
    }
}

impl Interned {
    /// Returns one more than the largest number.
    pub(super) fn end(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.len()).max().unwrap_or(0) * SHARDS as usize
    }

    /// Iterates over all numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = Known<'_>> {
        (0_u32..).zip(&self.shards).flat_map(|(at, shard)| {
            let locals = 0..u32::try_from(shard.entries.len()).unwrap_or(0);
            locals.filter_map(move |local| shard.known(local, local * SHARDS + at))
        })
    }

    /// Returns the text of a number; empty for a GUID.
    pub(super) fn text(&self, number: u32) -> &str {
        let shard = self.shards.get((number % SHARDS) as usize);
        shard.and_then(|shard| shard.text((number / SHARDS) as usize)).unwrap_or("")
    }
}

impl Shard {
    fn text(&self, local: usize) -> Option<&str> {
        let from = local.checked_sub(1).map_or(Some(0), |before| self.entries.get(before).map(|entry| entry.end))?;
        self.bytes.get(from as usize..self.entries.get(local)?.end as usize)
    }

    fn known(&self, local: u32, number: u32) -> Option<Known<'_>> {
        let Entry { bits, mention, .. } = *self.entries.get(local as usize)?;
        let text = self.text(local as usize).filter(|text| !text.is_empty());
        Some(Known { number, bits, text, ty: EntityTypeId(mention & !LISTED), listed: mention & LISTED != 0 })
    }
}

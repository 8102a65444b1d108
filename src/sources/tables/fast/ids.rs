//! Texts and keys to numbers, from many threads at once.
//!
//! A key is looked up by 128 bits: a canonical GUID by its own, any other text by a hash whose seeds are drawn anew for each
//! import, so that nobody can make two texts that meet. Numbers depend on the order of arrival; nothing that is written does.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

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
    bits: Vec<u128>,
    /// Where each text ends; canonical GUIDs have none.
    ends: Vec<usize>,
    bytes: String,
    /// By entity: its type, and whether it is listed.
    mentions: Vec<u32>,
}

impl Interner {
    pub(super) fn new(seeds: Seeds) -> Self {
        let shard = || Shard { table: vec![EMPTY; 64], bits: Vec::new(), ends: Vec::new(), bytes: String::new(), mentions: Vec::new() };
        Self { seeds, shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect() }
    }

    fn shard(&self, spread: u64) -> Option<(u32, MutexGuard<'_, Shard>)> {
        let at = u32::try_from(spread >> 59).unwrap_or(0);
        let shard = self.shards.get(at as usize)?;
        Some((at, shard.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Returns the number of something, made if it is new; `None` if there are too many.
    pub(super) fn intern(&self, lookup: Lookup<'_>, mention: Option<(Mention, &Schema, &Trouble)>) -> Option<u32> {
        let spread = self.seeds.spread(lookup.bits);
        let (at, mut shard) = self.shard(spread)?;
        let local = match shard.find(lookup.bits, spread) {
            Ok(local) => local,
            Err(slot) => shard.add(lookup, slot, &self.seeds)?,
        };
        if let Some((mention, schema, trouble)) = mention {
            shard.mention(local, mention, schema, trouble);
        }
        local.checked_mul(SHARDS)?.checked_add(at)
    }

    /// Ends the taking of numbers.
    pub(super) fn finish(self) -> Interned {
        let shards = self.shards.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        Interned { shards }
    }
}

impl Shard {
    /// Returns the place of a key, or the slot where it belongs.
    fn find(&self, bits: u128, spread: u64) -> Result<u32, usize> {
        let mask = self.table.len() - 1;
        let mut slot = usize::try_from(spread & u64::from(u32::MAX)).unwrap_or(0) & mask;
        loop {
            match self.table.get(slot).copied() {
                None | Some(EMPTY) => return Err(slot),
                Some(at) if self.bits.get(at as usize) == Some(&bits) => return Ok(at),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    fn add(&mut self, lookup: Lookup<'_>, mut slot: usize, seeds: &Seeds) -> Option<u32> {
        let local = u32::try_from(self.bits.len()).ok().filter(|local| *local < (1 << 30) / SHARDS)?;
        if (self.bits.len() + 1) * 2 > self.table.len() {
            let larger = vec![EMPTY; self.table.len() * 2];
            self.table = larger;
            for at in 0..local {
                let bits = self.bits.get(at as usize).copied().unwrap_or_default();
                if let Err(slot) = self.find(bits, seeds.spread(bits))
                    && let Some(place) = self.table.get_mut(slot)
                {
                    *place = at;
                }
            }
            slot = self.find(lookup.bits, seeds.spread(lookup.bits)).err()?;
        }
        *self.table.get_mut(slot)? = local;
        self.bits.push(lookup.bits);
        self.bytes.push_str(lookup.text.unwrap_or(""));
        self.ends.push(self.bytes.len());
        self.mentions.push(u32::MAX);
        Some(local)
    }

    /// Takes the more special type, as a builder does; two types of which neither is the other's go the slow way.
    fn mention(&mut self, local: u32, mention: Mention, schema: &Schema, trouble: &Trouble) {
        let Some(known) = self.mentions.get_mut(local as usize) else { return };
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
        self.shards.iter().map(|shard| shard.bits.len()).max().unwrap_or(0) * SHARDS as usize
    }

    /// Iterates over all numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = Known<'_>> {
        (0_u32..).zip(&self.shards).flat_map(|(at, shard)| {
            let locals = 0..u32::try_from(shard.bits.len()).unwrap_or(0);
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
        let from = local.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(from..*self.ends.get(local)?)
    }

    fn known(&self, local: u32, number: u32) -> Option<Known<'_>> {
        let at = local as usize;
        let mention = *self.mentions.get(at)?;
        let bits = *self.bits.get(at)?;
        let text = self.text(at).filter(|text| !text.is_empty());
        Some(Known { number, bits, text, ty: EntityTypeId(mention & !LISTED), listed: mention & LISTED != 0 })
    }
}

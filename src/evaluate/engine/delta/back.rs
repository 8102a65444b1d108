//! From entities back to those that hold them: over references and lists as they are stored, whatever the instant.
//!
//! More may be found than holds now; nothing that holds is left out.

use std::cell::Cell;

use super::super::HashSet;
use super::ids::Ids;
use crate::model::{Property, PropertyId, Schema};
use crate::snapshot::columns::{CODES_MAX, Codes, Columns, Members};

/// Entities looked at to find what a difference touches; a rule for which more would be needed is decided whole.
pub const TRACED_MAX: u64 = 8_000_000;

/// Follows facts of one snapshot back.
pub(super) struct Back<'a> {
    pub(super) columns: &'a Columns,
    pub(super) schema: &'a Schema,
    work: Cell<u64>,
}

/// Some ids, to look many up in.
struct Wanted<'i> {
    sorted: &'i [u32],
    bits: Vec<u64>,
    first: u32,
}

impl<'i> Wanted<'i> {
    fn new(sorted: &'i [u32]) -> Self {
        let first = sorted.first().copied().unwrap_or(0);
        let len = sorted.last().map_or(0, |last| last - first + 1);
        let mut bits = vec![0_u64; len.div_ceil(64) as usize];
        for id in sorted {
            if let Some(word) = bits.get_mut(((id - first) / 64) as usize) {
                *word |= 1 << ((id - first) % 64);
            }
        }
        Self { sorted, bits, first }
    }

    fn has(&self, id: u32) -> bool {
        let at = id.wrapping_sub(self.first);
        self.bits.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

impl<'a> Back<'a> {
    pub(super) fn new(columns: &'a Columns, schema: &'a Schema) -> Self {
        Self { columns, schema, work: Cell::new(0) }
    }

    pub(super) fn begin(&self) {
        self.work.set(0);
    }

    /// Counts entities that are looked at; tells whether there are too many.
    pub(super) fn is_too_much(&self, n: usize) -> bool {
        self.work.set(self.work.get().saturating_add(n as u64));
        self.work.get() > TRACED_MAX
    }

    /// Returns who may hold one of these by a property; `None` if finding out takes too much.
    pub(super) fn holders(&self, property: PropertyId, ids: &Ids) -> Option<Ids> {
        let Some(declared) = self.schema.property(property) else { return Some(Ids::default()) };
        if ids.is_empty() {
            return Some(Ids::default());
        }
        if !declared.ty.set {
            return self.referrers(declared, &ids.known);
        }
        let mut found = self.listed_by(declared, &ids.known)?;
        if let Some(rule) = declared.derived {
            let from = self.holders(rule.from, ids)?;
            found.add(&self.before(rule.along, &from)?);
        }
        // A member nobody has seen that leads back to an entity is in a list of that entity.
        let of_holder = ids.unseen.iter().filter(|(inverse, _)| declared.inverse == Some(*inverse)).map(|(_, holder)| *holder);
        found.add(&Ids::of(of_holder.collect()));
        Some(found)
    }

    /// Entities whose reference leads to one of these, at any time, and members nobody has seen whose reference does.
    fn referrers(&self, declared: &Property, ids: &[u32]) -> Option<Ids> {
        let mut found = Vec::new();
        match declared.inverse.filter(|_| !declared.history) {
            Some(inverse) => {
                for id in ids {
                    self.members(inverse, *id, &mut found);
                }
            }
            None => {
                let wanted = Wanted::new(ids);
                if let Some(column) = self.columns.attribute(declared.id) {
                    scan(&column.codes, column.len, &wanted, |at| found.push(column.first + at));
                }
                if let Some(column) = self.columns.history(declared.id) {
                    let mut places = Vec::new();
                    scan(&column.codes, column.offsets.last().copied().unwrap_or(0), &wanted, |at| places.push(at));
                    found.extend(places.iter().filter_map(|at| holder_of(column.first, &column.offsets, *at)));
                }
            }
        }
        if self.is_too_much(ids.len() + found.len()) {
            return None;
        }
        let mut found = Ids::of(found);
        if declared.inverse.is_some() && !declared.history {
            found.unseen.extend(ids.iter().map(|id| (declared.id, *id)));
        }
        Some(found)
    }

    /// Puts the members of a stored list in, whenever they are members.
    fn members(&self, list: PropertyId, id: u32, found: &mut Vec<u32>) {
        if let Some(column) = self.columns.list(list) {
            found.extend(column.places(id).filter_map(|at| column.members.get(at)).filter(|member| *member <= CODES_MAX));
        }
    }

    /// Entities that have one of these in a stored list, at any time.
    fn listed_by(&self, declared: &Property, ids: &[u32]) -> Option<Ids> {
        let mut found = Vec::new();
        let Some(column) = self.columns.list(declared.id) else { return Some(Ids::default()) };
        match declared.inverse.and_then(|inverse| self.schema.property(inverse)) {
            // A list of a reference's other side has those for members that refer to its holder.
            Some(inverse) if !inverse.ty.set && !inverse.history => {
                let referring = self.columns.attribute(inverse.id);
                let of = |id: &u32| {
                    let column = referring.filter(|column| id.wrapping_sub(column.first) < column.len)?;
                    column.codes.get((*id - column.first) as usize).filter(|code| *code <= CODES_MAX)
                };
                found.extend(ids.iter().filter_map(of));
            }
            // Both sides of a membership hold the same facts.
            Some(inverse) if inverse.ty.set && inverse.derived.is_none() && declared.derived.is_none() => {
                for id in ids {
                    self.members(inverse.id, *id, &mut found);
                }
            }
            _ => {
                let wanted = Wanted::new(ids);
                let mut places = Vec::new();
                match &column.members {
                    Members::Consecutive(first) => {
                        let n = column.offsets.last().copied().unwrap_or(0);
                        places.extend(wanted.sorted.iter().filter_map(|id| id.checked_sub(*first)).filter(|at| *at < n));
                    }
                    Members::Each(codes) => {
                        places.extend((0..).zip(codes).filter(|(_, code)| wanted.has(**code)).map(|(at, _)| at));
                    }
                }
                found.extend(places.iter().filter_map(|at| holder_of(column.first, &column.offsets, *at)));
            }
        }
        if self.is_too_much(ids.len() + found.len()) {
            return None;
        }
        Some(Ids::of(found))
    }

    /// These and everything that leads to one of them over a property, in any number of steps.
    pub(super) fn before(&self, property: PropertyId, ids: &Ids) -> Option<Ids> {
        let mut seen: HashSet<u32> = ids.known.iter().copied().collect();
        let mut all = ids.known.clone();
        let mut level = Ids { known: ids.known.clone(), unseen: Vec::new() };
        while !level.is_empty() {
            let mut next = self.holders(property, &level)?.known;
            next.retain(|id| seen.insert(*id));
            all.extend_from_slice(&next);
            level = Ids { known: next, unseen: Vec::new() };
        }
        let mut all = Ids::of(all);
        all.unseen.clone_from(&ids.unseen);
        Some(all)
    }
}

fn scan(codes: &Codes, n: u32, wanted: &Wanted<'_>, mut found: impl FnMut(u32)) {
    match codes {
        Codes::Constant(code) if wanted.has(*code) => (0..n).for_each(found),
        Codes::Constant(_) => {}
        Codes::Each(codes) => (0..).zip(codes).filter(|(_, code)| wanted.has(**code)).for_each(|(at, _)| found(at)),
    }
}

/// Returns whose a place among all members or entries is.
fn holder_of(first: u32, offsets: &[u32], place: u32) -> Option<u32> {
    let after = offsets.partition_point(|begin| *begin <= place);
    Some(first + u32::try_from(after.checked_sub(1)?).ok()?)
}

//! Members of a constant set found by the values of some of their attributes, instead of testing them all for every row.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::HashMap;
use super::gathered::Gathered;
use super::machine::{Machine, Outcome};
use super::vector::{Rows, Sets, Vector, is_known};
use crate::query::{EQUALITIES_MAX, Equality, Lambda, MemberValue, TermId, equalities};
use crate::snapshot::columns::{CodeClass, NONE, UNKNOWN};

/// A value for each equality.
type Key = [u32; EQUALITIES_MAX];

/// The members of a set by the values that equalities ask for.
pub(super) struct Lookup {
    classes: Vec<CodeClass>,
    /// One for each combination of equalities for which members have known values: whose value is not known for one equality is
    /// still found by the others.
    tables: Vec<Table>,
}

/// Members with known values for some equalities.
struct Table {
    /// The equalities, a bit each.
    mask: usize,
    /// Values, 0 for equalities that are not in the mask, and place; sorted. A member with several values stands under each.
    entries: Vec<(Key, u32)>,
}

/// Keys one member may stand under; an equality that would make it more is left out.
const KEYS_MAX: usize = 4096;

/// For each member its values, known or not.
struct Values {
    class: CodeClass,
    codes: Vec<u32>,
    /// Where the values of each member end.
    ends: Vec<usize>,
}

impl Values {
    /// Returns the values of a member; `None` if one may be any.
    fn of(&self, row: usize) -> Option<&[u32]> {
        let begin = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        let values = self.codes.get(begin..*self.ends.get(row)?)?;
        values.iter().all(|code| is_certain(*code)).then_some(values)
    }
}

fn is_certain(code: u32) -> bool {
    code == NONE || is_known(code)
}

impl<'a> Machine<'a> {
    /// Returns for each row the members of a constant set that the equalities in the test do not rule out.
    pub(super) fn candidates(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Sets<'a>>> {
        if !self.shapes.is_closed(set) || test.captures.is_empty() || rows.n < 2 {
            return Ok(None);
        }
        let equalities = equalities(self.query, test);
        if equalities.is_empty() {
            return Ok(None);
        }
        let sets = self.sets(set, &Rows::new(1, Vec::new()))?;
        if sets.n_members() < self.shared.sizes.lookup_from {
            return Ok(None);
        }
        let Some(lookup) = self.lookup(set, &sets, &equalities)? else { return Ok(None) };
        let mut arguments = vec![Arc::new(Vector::Same(super::super::value::Val::Unknown))];
        for capture in &test.captures {
            arguments.push(self.evaluate(*capture, rows)?);
        }
        let inner = Rows::new(rows.n, arguments);
        let mut wanted = Vec::new();
        for (equality, class) in equalities.iter().zip(&lookup.classes) {
            wanted.push(self.codes(&*self.evaluate(equality.wanted, &inner)?, *class, rows.n).into_owned());
        }
        let mut lookups: HashMap<usize, Arc<Lookup>> = HashMap::default();
        lookups.insert((1 << equalities.len()) - 1, lookup);
        let mut gathered = Gathered::new(sets.class, rows.n);
        for row in 0..rows.n {
            // What a row asks for may be unknown too; then the other equalities find what is possible.
            let (mut certain, mut mask) = (Key::default(), 0);
            let known = wanted
                .iter()
                .enumerate()
                .filter_map(|(at, codes)| codes.get(row).filter(|code| is_certain(**code)).map(|code| (at, *code)));
            for (slot, (at, code)) in certain.iter_mut().zip(known) {
                *slot = code;
                mask |= 1 << at;
            }
            let lookup = match lookups.entry(mask) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(slot) => {
                    let among = equalities.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, equality)| equality.clone());
                    let Some(lookup) = self.lookup(set, &sets, &among.collect::<Vec<_>>())? else { return Ok(None) };
                    Arc::clone(slot.insert(lookup))
                }
            };
            lookup.each(&certain, &mut |at| gathered.push(sets.member(at), sets.level(at)));
            gathered.end_row();
            self.spend(1)?;
        }
        self.spend(gathered.len())?;
        Ok(Some(gathered.finish(sets.distinct)))
    }

    fn lookup(&self, set: TermId, sets: &Sets<'a>, equalities: &[Equality]) -> Outcome<Option<Arc<Lookup>>> {
        let name = (set, equalities.to_vec());
        if let Some(known) = self.indexes.borrow().get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let n = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
        let rows = Rows::new(n, vec![Arc::new(sets.flat())]);
        let mut columns = Vec::new();
        for equality in equalities {
            let Some(values) = self.values_of(equality, &rows)? else { return Ok(None) };
            columns.push(values);
        }
        let first = sets.spans.first().map_or(0, |(from, _)| *from);
        let mut tables: Vec<Table> = Vec::new();
        let (mut keys, mut n_keys) = (Vec::new(), 0);
        for (row, at) in (0..n).zip(first..) {
            let mask = keys_of(&columns, row, &mut keys);
            let place = tables.iter().position(|table| table.mask == mask).unwrap_or_else(|| {
                tables.push(Table { mask, entries: Vec::new() });
                tables.len() - 1
            });
            if let Some(table) = tables.get_mut(place) {
                table.entries.extend(keys.iter().map(|key| (*key, at)));
            }
            n_keys += keys.len() as u64;
        }
        self.spend(n_keys)?;
        for table in &mut tables {
            table.entries.sort_unstable();
            table.entries.dedup();
        }
        let lookup = Arc::new(Lookup { classes: columns.into_iter().map(|values| values.class).collect(), tables });
        self.indexes.borrow_mut().insert(name, Arc::clone(&lookup));
        Ok(Some(lookup))
    }

    /// Returns the values of each row's member that an equality compares; `None` if they have no codes of one class.
    fn values_of(&self, equality: &Equality, rows: &Rows<'a>) -> Outcome<Option<Values>> {
        let mut parts: Vec<(CodeClass, Vec<u32>, Option<Sets<'a>>)> = Vec::new();
        for value in &equality.values {
            let (vector, n, sets) = match value {
                MemberValue::One(value) => (self.evaluate(*value, rows)?, rows.n, None),
                MemberValue::Each { set, value } => {
                    let sets = self.sets(*set, rows)?;
                    let n = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
                    self.spend(sets.n_members())?;
                    let inner = Rows::new(n, vec![Arc::new(sets.flat())]);
                    (self.evaluate(*value, &inner)?, n, Some(sets))
                }
            };
            let class = match &*vector {
                Vector::Codes(class, _) => *class,
                Vector::Range(..) => CodeClass::Entity,
                _ => return Ok(None),
            };
            if parts.iter().any(|(other, ..)| *other != class) {
                return Ok(None);
            }
            parts.push((class, self.codes(&vector, class, n).into_owned(), sets));
        }
        let Some(class) = parts.first().map(|(class, ..)| *class) else { return Ok(None) };
        let mut values = Values { class, codes: Vec::new(), ends: Vec::with_capacity(rows.n) };
        let mut begins = vec![0_usize; parts.len()];
        for row in 0..rows.n {
            for ((_, codes, sets), begin) in parts.iter().zip(&mut begins) {
                let n = sets.as_ref().map_or(1, |sets| sets.spans.get(row).map_or(0, |(from, to)| (to - from) as usize));
                values.codes.extend_from_slice(codes.get(*begin..*begin + n).unwrap_or(&[UNKNOWN]));
                *begin += n;
            }
            values.ends.push(values.codes.len());
        }
        Ok(Some(values))
    }
}

impl Lookup {
    /// Calls `found` with the places of the members that these values, one for each equality, do not rule out.
    fn each(&self, wanted: &[u32], found: &mut dyn FnMut(u32)) {
        for table in &self.tables {
            let mut key = Key::default();
            for (at, (slot, value)) in key.iter_mut().zip(wanted).enumerate() {
                if table.mask >> at & 1 == 1 {
                    *slot = *value;
                }
            }
            let begin = table.entries.partition_point(|(known, _)| *known < key);
            table.entries.iter().skip(begin).take_while(|(known, _)| *known == key).for_each(|(_, at)| found(*at));
        }
    }
}

/// Puts together all combinations of a member's values for the equalities for which they are known, and few enough; returns
/// which these are.
fn keys_of(columns: &[Values], row: usize, keys: &mut Vec<Key>) -> usize {
    keys.clear();
    keys.push(Key::default());
    let mut mask = 0;
    for (place, column) in columns.iter().enumerate() {
        let Some(values) = column.of(row).filter(|values| keys.len().saturating_mul(values.len()) <= KEYS_MAX) else { continue };
        mask |= 1 << place;
        for key in std::mem::take(keys) {
            keys.extend(values.iter().map(|value| {
                let mut key = key;
                if let Some(slot) = key.get_mut(place) {
                    *slot = *value;
                }
                key
            }));
        }
    }
    mask
}

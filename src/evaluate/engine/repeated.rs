//! Rows that ask the same of a constant set are asked once.
//!
//! Before: `some l in PartnerLink : l.partner_id == q and …` is decided for every row. After: for every combination of the values
//! it takes from its surroundings; rows that agree in these share the answer.

use super::HashMap;
use super::machine::{Machine, Outcome};
use super::vector::{Rows, Vector};
use crate::query::{Lambda, TermId};

/// Rows after which it is given up if most of them differ.
const TRIAL: usize = 1024;
/// Captures that are put together.
const CAPTURES_MAX: usize = 4;

/// The rows that stand for all rows, and for each row which of them.
pub(super) struct Repeated<'a> {
    pub(super) rows: Rows<'a>,
    of_row: Vec<u32>,
}

impl Repeated<'_> {
    /// Gives every row the answer of the row that stands for it.
    pub(super) fn spread<T: Copy + Default>(&self, answers: &[T]) -> Vec<T> {
        self.of_row.iter().map(|at| answers.get(*at as usize).copied().unwrap_or_default()).collect()
    }
}

impl<'a> Machine<'a> {
    /// Finds rows that agree in everything a test of a constant set takes from them; `None` if most differ.
    pub(super) fn repeated(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Repeated<'a>>> {
        if rows.n < self.shared.sizes.repeated_from
            || test.captures.is_empty()
            || test.captures.len() > CAPTURES_MAX
            || !self.shapes.is_closed(set)
        {
            return Ok(None);
        }
        let mut columns = Vec::new();
        for capture in &test.captures {
            let vector = self.evaluate(*capture, rows)?;
            match &*vector {
                Vector::Same(_) => {}
                Vector::Codes(class, _) => columns.push(self.codes(&vector, *class, rows.n).into_owned()),
                _ => return Ok(None),
            }
        }
        let mut known: HashMap<[u32; CAPTURES_MAX], u32> = HashMap::default();
        let (mut first, mut of_row) = (Vec::new(), Vec::with_capacity(rows.n));
        for row in 0..rows.n {
            let mut key = [0; CAPTURES_MAX];
            for (slot, codes) in key.iter_mut().zip(&columns) {
                *slot = codes.get(row).copied().unwrap_or(0);
            }
            let next = u32::try_from(first.len()).unwrap_or(u32::MAX);
            let at = *known.entry(key).or_insert(next);
            if at == next {
                first.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
            of_row.push(at);
            if row >= TRIAL && first.len() * 2 > row {
                return Ok(None);
            }
        }
        self.spend(rows.n as u64)?;
        if first.len() * 2 > rows.n {
            return Ok(None);
        }
        Ok(Some(Repeated { rows: rows.gather(&first), of_row }))
    }
}

//! Members of a constant set found by the value of an attribute or two, instead of testing them all for every row.

use std::sync::Arc;

use super::gathered::Gathered;
use super::machine::{Machine, Outcome};
use super::vector::{Rows, Sets, Vector, is_known};
use crate::query::{Lambda, TermId, equalities};
use crate::snapshot::columns::{CodeClass, NONE, UNKNOWN};

/// The members of a set by the values of one term or two.
pub(super) struct Lookup {
    classes: Vec<CodeClass>,
    /// Values and place, sorted.
    known: Vec<(u64, u32)>,
    /// Places of members whose value is not known.
    others: Vec<u32>,
}

/// Puts the codes of one row or of one member into one number; nothing if one of them is not known.
fn joined(codes: impl Iterator<Item = u32>) -> Option<u64> {
    codes.into_iter().try_fold(0_u64, |key, code| (code == NONE || is_known(code)).then_some(key << 32 | u64::from(code)))
}

impl<'a> Machine<'a> {
    /// Returns for each row the members of a constant set that an equality in the test does not rule out.
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
        let of_member: Vec<TermId> = equalities.iter().map(|(of_member, _)| *of_member).collect();
        let Some(lookup) = self.lookup(set, &sets, of_member)? else { return Ok(None) };
        let mut arguments = vec![Arc::new(Vector::Same(super::super::value::Val::Unknown))];
        for capture in &test.captures {
            arguments.push(self.evaluate(*capture, rows)?);
        }
        let inner = Rows::new(rows.n, arguments);
        let mut wanted = Vec::new();
        for ((_, term), class) in equalities.iter().zip(&lookup.classes) {
            wanted.push(self.codes(&*self.evaluate(*term, &inner)?, *class, rows.n).into_owned());
        }
        let mut gathered = Gathered::new(sets.class, rows.n);
        let (from, to) = sets.spans.first().copied().unwrap_or((0, 0));
        for row in 0..rows.n {
            let mut push = |at: u32| gathered.push(sets.member(at), sets.level(at));
            if let Some(key) = joined(wanted.iter().map(|codes| codes.get(row).copied().unwrap_or(UNKNOWN))) {
                let begin = lookup.known.partition_point(|(known, _)| *known < key);
                lookup.known.iter().skip(begin).take_while(|(known, _)| *known == key).for_each(|(_, at)| push(*at));
                lookup.others.iter().for_each(|at| push(*at));
            } else {
                (from..to).for_each(push);
            }
            gathered.end_row();
            self.spend(1)?;
        }
        self.spend(gathered.len())?;
        Ok(Some(gathered.finish(sets.distinct)))
    }

    fn lookup(&self, set: TermId, sets: &Sets<'a>, of_member: Vec<TermId>) -> Outcome<Option<Arc<Lookup>>> {
        let name = (set, of_member);
        if let Some(known) = self.indexes.borrow().get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let n = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
        let rows = Rows::new(n, vec![Arc::new(sets.flat())]);
        let (mut classes, mut columns) = (Vec::new(), Vec::new());
        for term in &name.1 {
            let values = self.evaluate(*term, &rows)?;
            let class = match &*values {
                Vector::Codes(class, _) => *class,
                Vector::Range(..) => CodeClass::Entity,
                _ => return Ok(None),
            };
            classes.push(class);
            columns.push(self.codes(&values, class, n).into_owned());
        }
        let first = sets.spans.first().map_or(0, |(from, _)| *from);
        let (mut known, mut others) = (Vec::new(), Vec::new());
        for (row, at) in (0..n).zip(first..) {
            match joined(columns.iter().map(|codes| codes.get(row).copied().unwrap_or(UNKNOWN))) {
                Some(key) => known.push((key, at)),
                None => others.push(at),
            }
        }
        known.sort_unstable();
        let lookup = Arc::new(Lookup { classes, known, others });
        self.indexes.borrow_mut().insert(name, Arc::clone(&lookup));
        Ok(Some(lookup))
    }
}

//! Quantifiers and aggregates over the sets of a batch: at least so many members satisfy, at most so many do.

use std::sync::Arc;

use super::super::value::{Range, Val};
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, Rows, Sets, TRUE, Tally, Vector, is_unseen};
use crate::model::Value;
use crate::query::{Lambda, Term, TermId};

const UNLIMITED: u64 = u64::MAX;

/// Returns a tally as a number: known, or between bounds.
pub(super) fn number(tally: Tally) -> Val {
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    if tally.low == tally.high {
        return Val::Known(int(tally.low));
    }
    let high = (tally.high != UNLIMITED).then(|| int(tally.high));
    Val::Range(Range { low: Some(int(tally.low)), high, maybe_none: false })
}

impl<'a> Machine<'a> {
    /// Evaluates a test for every member of every set, one row after the other.
    pub(super) fn test(&self, sets: &Sets<'a>, test: &Lambda, rows: &Rows<'a>) -> Outcome<Arc<Vector<'a>>> {
        let total = sets.n_members();
        self.spend(total)?;
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let members = sets.flat();
        if test.captures.is_empty() {
            return Ok(Arc::new(self.apply(test.function, &members, total)?));
        }
        let Some(function) = self.query.get_function(test.function) else { return Ok(Arc::new(Vector::Same(Val::Unknown))) };
        let mut arguments = vec![Arc::new(members)];
        for capture in &test.captures {
            arguments.push(Arc::new(self.evaluate(*capture, rows)?.spread(&sets.spans, total)));
        }
        self.evaluate(function.body, &Rows::new(total, arguments))
    }

    pub(super) fn is_always(&self, test: &Lambda) -> bool {
        let body = self.query.get_function(test.function).map(|function| self.query.get(function.body));
        matches!(body, Some(Term::And(parts)) if parts.is_empty())
    }

    /// Blocks of rows whose sets together stay within what is held at one time.
    pub(super) fn blocks(sets: &Sets<'a>, most: u64) -> Vec<(usize, usize)> {
        let mut blocks = Vec::new();
        let (mut begin, mut held) = (0, 0_u64);
        for (row, (from, to)) in sets.spans.iter().enumerate() {
            let size = u64::from(to - from);
            if row > begin && held + size > most {
                blocks.push((begin, row));
                (begin, held) = (row, 0);
            }
            held += size;
        }
        blocks.push((begin, sets.spans.len()));
        blocks
    }

    /// The greatest truth of a test over the members of each row's set.
    pub(super) fn exists(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        if let Some(repeated) = self.repeated(set, test, rows)? {
            return Ok(repeated.spread(&self.exists(set, test, &repeated.rows)?));
        }
        if let Some(sets) = self.candidates(set, test, rows)? {
            self.took("by look-up", set, test, rows.n);
            return self.exists_in(&sets, test, rows);
        }
        if let Some(decided) = self.exists_by_image(set, test, rows)? {
            self.took("from the far end", set, test, rows.n);
            return Ok(decided);
        }
        match self.filtered_steps(set, test, rows)? {
            Some(passing) => {
                self.took("over lists filtered beforehand", set, test, rows.n);
                Ok(surest(&passing))
            }
            None => {
                self.took("through all members", set, test, rows.n);
                self.exists_in(&self.sets(set, rows)?, test, rows)
            }
        }
    }

    fn exists_in(&self, sets: &Sets<'a>, test: &Lambda, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        if self.is_always(test) {
            return Ok(surest(sets));
        }
        let mut result = Vec::with_capacity(rows.n);
        self.by_blocks(sets, test, rows, |this, sets, rows| {
            let truths = this.test(sets, test, rows)?;
            let truths = this.truths(&truths, usize::try_from(sets.n_members()).unwrap_or(usize::MAX));
            let mut truths = truths.iter();
            for (from, to) in sets.spans.iter() {
                let mut best = FALSE;
                match &sets.levels {
                    None => truths.by_ref().take((to - from) as usize).for_each(|truth| best = best.max(*truth)),
                    Some(_) => {
                        for (at, truth) in (*from..*to).zip(truths.by_ref()) {
                            best = best.max(sets.level(at).min(*truth));
                        }
                    }
                }
                result.push(best);
            }
            Ok(())
        })?;
        Ok(result)
    }

    /// Runs over the rows in blocks, so that what is worked on stays near and memory stays bounded.
    pub(super) fn by_blocks(
        &self,
        sets: &Sets<'a>,
        test: &Lambda,
        rows: &Rows<'a>,
        mut run: impl FnMut(&Self, &Sets<'a>, &Rows<'a>) -> Outcome<()>,
    ) -> Outcome<()> {
        let blocks = Self::blocks(sets, self.shared.sizes.block);
        if blocks.len() == 1 {
            return run(self, sets, rows);
        }
        let alone = test.captures.is_empty();
        if alone {
            self.prepare_range(test.function, sets.n_members())?;
        }
        for (begin, end) in blocks {
            let rows = if alone {
                Rows::new(end - begin, Vec::new())
            } else {
                let places: Vec<u32> = (begin..end).filter_map(|row| u32::try_from(row).ok()).collect();
                rows.gather(&places)
            };
            run(self, &sets.slice(begin, end), &rows)?;
        }
        Ok(())
    }

    pub(super) fn tally(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Vec<Tally>> {
        if let Some(repeated) = self.repeated(set, test, rows)? {
            return Ok(repeated.spread(&self.tally(set, test, &repeated.rows)?));
        }
        let body = self.query.get_function(test.function).map(|function| self.query.get(function.body));
        let passing = match self.candidates(set, test, rows)? {
            Some(sets) => (sets, false),
            None if matches!(body, Some(Term::Tally { .. })) => (self.sets(set, rows)?, false),
            None => match self.filtered_steps(set, test, rows)? {
                Some(passing) => (passing, true),
                None => (self.sets(set, rows)?, false),
            },
        };
        self.took(if passing.1 { "over lists filtered beforehand" } else { "through the members" }, set, test, rows.n);
        let sets = self.distinct(passing.0)?;
        let mut result = Vec::with_capacity(rows.n);
        self.by_blocks(&sets, test, rows, |this, sets, rows| {
            let total = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
            let always = passing.1 || this.is_always(test);
            let counts: Vec<Tally> = if always {
                vec![Tally { low: 1, high: 1 }; total]
            } else {
                let body = this.query.get_function(test.function).map(|function| this.query.get(function.body));
                let combined = matches!(body, Some(Term::Tally { .. }));
                match &*this.test(sets, test, rows)? {
                    Vector::Tally(tallies) => tallies.clone(),
                    // Combinations that do not depend on the member are counted once.
                    other if combined => (0..total).map(|row| tally_of(&this.value_at(other, row))).collect(),
                    other => this.truths(other, total).into_iter().map(one).collect(),
                }
            };
            let mut counts = counts.into_iter();
            for (from, to) in sets.spans.iter() {
                let mut sum = Tally::default();
                for (at, count) in (*from..*to).zip(counts.by_ref()) {
                    let unseen = is_unseen(sets.member(at));
                    if sets.level(at) == TRUE {
                        sum.low = sum.low.saturating_add(count.low);
                    }
                    let high = if unseen && count.high > 0 { UNLIMITED } else { count.high };
                    sum.high = sum.high.saturating_add(high);
                }
                result.push(sum);
            }
            Ok(())
        })?;
        Ok(result)
    }

    pub(super) fn tallies(&self, tally: TermId, rows: &Rows<'a>) -> Outcome<Vec<Tally>> {
        let vector = self.evaluate(tally, rows)?;
        Ok(match &*vector {
            Vector::Tally(tallies) => tallies.clone(),
            other => (0..rows.n).map(|row| tally_of(&self.value_at(other, row))).collect(),
        })
    }

    pub(super) fn at_least(&self, tally: TermId, n: u64, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        let truth = |tally: Tally| match tally {
            Tally { low, .. } if low >= n => TRUE,
            Tally { high, .. } if high < n => FALSE,
            _ => DOUBT,
        };
        Ok(self.tallies(tally, rows)?.into_iter().map(truth).collect())
    }

    pub(super) fn exactly(&self, tally: TermId, n: u64, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        let truth = |tally: Tally| match tally {
            Tally { low, high } if low > n || high < n => FALSE,
            Tally { low, high } if low == n && high == n => TRUE,
            _ => DOUBT,
        };
        Ok(self.tallies(tally, rows)?.into_iter().map(truth).collect())
    }

    /// The smallest or largest value: sure members bound it on one side, members that are not sure on the other.
    pub(super) fn extreme(&self, largest: bool, nested: bool, set: TermId, value: &Lambda, rows: &Rows<'a>) -> Outcome<Vec<Val>> {
        let sets = self.distinct(self.sets(set, rows)?)?;
        let mut result = Vec::with_capacity(rows.n);
        self.by_blocks(&sets, value, rows, |this, sets, rows| {
            let values = this.test(sets, value, rows)?;
            let mut place = 0;
            for (from, to) in sets.spans.iter() {
                let mut bounds = Bounds { largest, nested, certain: None, possible: None, unbounded: false };
                for at in *from..*to {
                    bounds.add(this.value_at(&values, place), sets.level(at) == TRUE);
                    place += 1;
                }
                result.push(bounds.value());
            }
            Ok(())
        })?;
        Ok(result)
    }
}

/// How surely each set has any member.
fn surest(sets: &Sets<'_>) -> Vec<u8> {
    sets.spans.iter().map(|(from, to)| (*from..*to).map(|at| sets.level(at)).max().unwrap_or(FALSE)).collect()
}

/// A constant tally stands as a number.
fn tally_of(value: &Val) -> Tally {
    let int = |value: &Value| match value {
        Value::Int(n) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    match value {
        Val::Known(value) => Tally { low: int(value), high: int(value) },
        Val::Range(range) => Tally { low: range.low.as_ref().map_or(0, int), high: range.high.as_ref().map_or(UNLIMITED, int) },
        other => one(super::vector::truth_code(other.truth())),
    }
}

fn one(truth: u8) -> Tally {
    Tally { low: u64::from(truth == TRUE), high: u64::from(truth != FALSE) }
}

struct Bounds {
    largest: bool,
    /// Whether the values are extremes over further members.
    nested: bool,
    certain: Option<Value>,
    possible: Option<Value>,
    unbounded: bool,
}

impl Bounds {
    fn better(&self, known: Option<Value>, new: Value) -> Value {
        match known {
            Some(known) if self.largest => known.max(new),
            Some(known) => known.min(new),
            None => new,
        }
    }

    fn add(&mut self, value: Val, sure: bool) {
        let (certain, possible) = match value {
            Val::None => return,
            Val::Known(value) => (Some(value.clone()), Some(value)),
            // What several members come to together is already between bounds.
            Val::Range(Range { low, high, maybe_none: _ }) if self.nested => {
                let (certain, possible) = if self.largest { (low, high) } else { (high, low) };
                self.unbounded |= possible.is_none();
                (certain, possible)
            }
            _ => {
                self.unbounded = true;
                return;
            }
        };
        if let Some(certain) = certain.filter(|_| sure) {
            let known = self.certain.take();
            self.certain = Some(self.better(known, certain));
        }
        if let Some(possible) = possible {
            let known = self.possible.take();
            self.possible = Some(self.better(known, possible));
        }
    }

    fn value(self) -> Val {
        match (self.certain, self.possible) {
            (None, None) if !self.unbounded => Val::None,
            (Some(certain), Some(possible)) if !self.unbounded && certain == possible => Val::Known(certain),
            (certain, possible) => {
                let maybe_none = certain.is_none();
                let other = if self.unbounded { None } else { possible };
                let (low, high) = if self.largest { (certain, other) } else { (other, certain) };
                Val::Range(Range { low, high, maybe_none })
            }
        }
    }
}

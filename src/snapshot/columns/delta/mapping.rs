//! Where the places of one sorted list stand in another.

use std::cmp::Ordering;
use std::ops::Range;

/// Old places and the new places of the same things, in runs of neighbours. Order is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    runs: Vec<Run>,
}

/// Old places in a row whose new places are in a row, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) old: Range<u32>,
    /// The new place of the first.
    pub(super) new: u32,
}

impl Mapping {
    /// Makes the mapping of a list to itself.
    #[must_use]
    pub fn same(n: u32) -> Self {
        let mut mapping = Self::default();
        mapping.push(0, 0, n);
        mapping
    }

    /// Walks two sorted lists side by side; `order` compares an old place with a new one.
    pub(super) fn merged(n_old: u32, n_new: u32, order: impl Fn(u32, u32) -> Ordering) -> Self {
        let mut mapping = Self::default();
        let (mut old, mut new) = (0, 0);
        while old < n_old && new < n_new {
            match order(old, new) {
                Ordering::Less => old += 1,
                Ordering::Greater => new += 1,
                Ordering::Equal => {
                    let begin = (old, new);
                    while old < n_old && new < n_new && order(old, new) == Ordering::Equal {
                        (old, new) = (old + 1, new + 1);
                    }
                    mapping.push(begin.0, begin.1, old - begin.0);
                }
            }
        }
        mapping
    }

    /// Adds `len` places behind those that are there.
    pub(super) fn push(&mut self, old: u32, new: u32, len: u32) {
        if len == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.old.end == old && last.new + (last.old.end - last.old.start) == new => last.old.end += len,
            _ => self.runs.push(Run { old: old..old + len, new }),
        }
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns the new place of an old one; `None` for what is gone.
    #[must_use]
    pub fn get(&self, old: u32) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.old.start <= old);
        let run = self.runs.get(after.checked_sub(1)?)?;
        run.old.contains(&old).then(|| run.new + (old - run.old.start))
    }

    /// Returns the old place of a new one; `None` for what is new.
    #[must_use]
    pub fn back(&self, new: u32) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.new <= new);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let at = new - run.new;
        (at < run.old.end - run.old.start).then(|| run.old.start + at)
    }

    /// Tells whether old places in a row stand in a row, too, from this new one on.
    #[must_use]
    pub fn moves_together(&self, old: Range<u32>, new: u32) -> bool {
        let last = old.end.saturating_sub(1);
        let holds = |run: &Run| run.old.contains(&old.start) && run.old.contains(&last) && run.new + (old.start - run.old.start) == new;
        old.is_empty() || self.runs.iter().any(holds)
    }

    /// Tells whether every place of a list of `n` stays where it is; more may follow in the new list.
    #[must_use]
    pub fn keeps(&self, n: u32) -> bool {
        match self.runs.as_slice() {
            [] => n == 0,
            [run] => run.old == (0..n) && run.new == 0,
            _ => false,
        }
    }

    /// Returns the new places that no old one has, of a new list of `n`.
    pub(super) fn added(&self, n: u32) -> Vec<u32> {
        let mut added = Vec::new();
        let mut end = 0;
        for run in &self.runs {
            added.extend(end..run.new);
            end = run.new + (run.old.end - run.old.start);
        }
        added.extend(end..n);
        added
    }

    /// Returns the old places that have no new one, of an old list of `n`.
    pub(super) fn removed(&self, n: u32) -> Vec<u32> {
        let mut removed = Vec::new();
        let mut end = 0;
        for run in &self.runs {
            removed.extend(end..run.old.start);
            end = run.old.end;
        }
        removed.extend(end..n);
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_two_sorted_lists_are_told_both_ways() {
        let (old, new) = ([1, 2, 4, 7, 8, 9], [2, 3, 4, 7, 9, 11]);
        let mapping = Mapping::merged(6, 6, |a, b| old[a as usize].cmp(&new[b as usize]));
        let places: Vec<_> = (0..6).map(|at| mapping.get(at)).collect();
        assert_eq!(places, [None, Some(0), Some(2), Some(3), None, Some(4)]);
        let back: Vec<_> = (0..6).map(|at| mapping.back(at)).collect();
        assert_eq!(back, [Some(1), None, Some(2), Some(3), Some(5), None]);
        assert_eq!((mapping.added(6), mapping.removed(6)), (vec![1, 5], vec![0, 4]));
        assert!(!mapping.keeps(6) && Mapping::same(6).keeps(6));
    }
}

//! Which facts an evaluation reads.
//!
//! A closure is walked once and read by many subjects, so what it read is noted once, under its place.

use std::collections::{BTreeSet, HashMap};

use super::evaluator::{ClosureKey, Evaluator};
use crate::snapshot::Fact;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Facts, as they were read.
    pub(super) facts: Vec<Fact>,
    /// Closures, by place.
    pub(super) closures: Vec<u32>,
    /// What each closure read.
    pub(super) of_closures: Vec<Vec<Fact>>,
    places: HashMap<ClosureKey, u32>,
}

/// What one evaluation read: facts, and closures by place.
pub(super) type Reads = (Vec<Fact>, Vec<u32>);

impl Evaluator<'_> {
    pub(super) fn note_closure(&self, key: ClosureKey) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.borrow_mut();
            let place = trace.places.get(&key).copied();
            trace.closures.extend(place);
        }
    }

    /// Sets aside what was read before a walk.
    pub(super) fn begin_closure(&self) -> Option<Vec<Fact>> {
        self.trace.as_ref().map(|trace| std::mem::take(&mut trace.borrow_mut().facts))
    }

    /// Files what a walk read under its closure.
    pub(super) fn end_closure(&self, key: ClosureKey, before: Option<Vec<Fact>>) {
        let (Some(trace), Some(before)) = (&self.trace, before) else { return };
        let mut trace = trace.borrow_mut();
        let mut read = std::mem::replace(&mut trace.facts, before);
        read.sort_unstable();
        read.dedup();
        let place = u32::try_from(trace.of_closures.len()).unwrap_or(u32::MAX);
        trace.of_closures.push(read);
        trace.places.insert(key, place);
        trace.closures.push(place);
    }

    /// Takes the facts that were read since the last time, those of closures among them; nothing if it is not traced.
    #[must_use]
    pub fn reads(&self) -> BTreeSet<Fact> {
        let (facts, closures) = self.take_reads();
        let mut reads: BTreeSet<Fact> = facts.into_iter().collect();
        if let Some(trace) = &self.trace {
            let trace = trace.borrow();
            reads.extend(closures.iter().filter_map(|at| trace.of_closures.get(*at as usize)).flatten());
        }
        reads
    }

    /// Takes what was read since the last time, each once, sorted.
    pub(super) fn take_reads(&self) -> Reads {
        let Some(trace) = &self.trace else { return (Vec::new(), Vec::new()) };
        let mut trace = trace.borrow_mut();
        let (mut facts, mut closures) = (std::mem::take(&mut trace.facts), std::mem::take(&mut trace.closures));
        facts.sort_unstable();
        facts.dedup();
        closures.sort_unstable();
        closures.dedup();
        (facts, closures)
    }
}

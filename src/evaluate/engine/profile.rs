//! What is counted while rules are evaluated, for plans that are shown. Nothing is counted otherwise.

use std::cell::RefCell;

use super::machine::Machine;
use super::vector::{DOUBT, TRUE, Vector, is_unseen, truth_code};
use crate::query::{Actual, Actuals, Lambda, TermId};
use crate::snapshot::columns::CodeClass;

/// Counts by term and by way.
#[derive(Debug, Default)]
pub(super) struct Profile(RefCell<Actuals>);

impl Profile {
    pub(super) fn into_actuals(self) -> Actuals {
        self.0.into_inner()
    }

    /// Notes what a term came to for some rows, and the work it took.
    pub(super) fn note(&self, term: TermId, n: usize, vector: &Vector<'_>, work: u64) {
        let (sure, open) = yields(vector, n);
        let mut actuals = self.0.borrow_mut();
        let Actual { rows, sure: all_sure, open: all_open, steps } = actuals.terms.entry(term).or_default();
        *rows += n as u64;
        *all_sure += sure;
        *all_open += open;
        *steps += work;
    }
}

impl Machine<'_> {
    /// Notes the way in which the members of a set were found.
    pub(super) fn took(&self, way: &'static str, set: TermId, test: &Lambda, n: usize) {
        if let Some(profile) = &self.profile {
            *profile.0.borrow_mut().ways.entry((set, test.function)).or_default().entry(way).or_default() += n as u64;
        }
    }
}

/// Rows that are true, or members that are sure; and those in doubt. Other values count as sure.
fn yields(vector: &Vector<'_>, n: usize) -> (u64, u64) {
    let split = |levels: &mut dyn Iterator<Item = u8>| {
        levels.fold((0, 0), |(sure, open), level| match level {
            TRUE => (sure + 1, open),
            DOUBT => (sure, open + 1),
            _ => (sure, open),
        })
    };
    match vector {
        Vector::Truth(truths) => split(&mut truths.iter().copied()),
        Vector::Codes(CodeClass::Bool, codes) => split(&mut codes.iter().map(|code| match code {
            0 => 0,
            1 => TRUE,
            _ => DOUBT,
        })),
        Vector::Same(value) => {
            let level = truth_code(value.truth());
            split(&mut std::iter::repeat_n(level, n))
        }
        Vector::Sets(sets) => {
            let places = sets.spans.iter().flat_map(|(from, to)| *from..*to);
            split(&mut places.map(|at| if is_unseen(sets.member(at)) { DOUBT } else { sets.level(at) }))
        }
        Vector::Range(..) | Vector::Codes(..) | Vector::Tally(_) | Vector::Values(_) => (n as u64, 0),
    }
}

//! The verdicts of a scan, however they are held: as a list, or as columns from which each finding is made when it is asked for.

use super::run::{Finding, Scan};
use crate::model::Verdict;

/// How many verdicts of each kind a run has. Waived ones are fails that a waiver covers, and are not counted as fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Does not hold.
    pub fail: usize,
    /// Does not hold, and a waiver covers it.
    pub waived: usize,
    /// Cannot be decided.
    pub unknown: usize,
    /// Does not hold yet.
    pub pending: usize,
    /// Holds.
    pub pass: usize,
    /// The rule does not speak about the subject.
    pub not_applicable: usize,
    /// Of all of them, those that rest on an attestation.
    pub attested: usize,
}

impl Tally {
    pub(super) fn add(&mut self, verdict: Verdict, n: usize) {
        *match verdict {
            Verdict::Fail => &mut self.fail,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Pending => &mut self.pending,
            Verdict::Pass => &mut self.pass,
            Verdict::NotApplicable => &mut self.not_applicable,
        } += n;
    }
}

/// What reports read of a scan.
pub trait Verdicts {
    /// Returns when it was made, what ran and what became of waivers; its list of findings may be empty.
    fn scan(&self) -> &Scan;

    /// Iterates over the findings of a run, sorted by subject and requirement.
    fn of_run(&self, run: usize) -> Box<dyn Iterator<Item = Finding> + '_>;

    /// Counts the findings of a run.
    fn tally(&self, run: usize) -> Tally {
        let mut tally = Tally::default();
        for finding in self.of_run(run) {
            match (finding.verdict, finding.waiver) {
                (Verdict::Fail, Some(_)) => tally.waived += 1,
                (verdict, _) => tally.add(verdict, 1),
            }
            tally.attested += usize::from(!finding.attested.is_empty());
        }
        tally
    }
}

impl Verdicts for Scan {
    fn scan(&self) -> &Scan {
        self
    }

    fn of_run(&self, run: usize) -> Box<dyn Iterator<Item = Finding> + '_> {
        Box::new(self.findings.iter().filter(move |finding| finding.run == run).cloned())
    }
}

//! Plain conditions over many entities, strip by strip and on all threads.
//!
//! A strip is small enough that what is computed of it stays near the processor. Each thread has a machine of its own; plain
//! terms look at no sets, so nothing that is shared is computed twice, and truths are the same whoever finds them.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::machine::{Machine, Outcome};
use super::vector::{Rows, Vector};
use crate::model::Base;
use crate::query::TermId;

impl Machine<'_> {
    /// Evaluates a plain condition of one argument for consecutive entities; `None` if it is not plain or they are few.
    pub(super) fn truths_of_range(&self, body: TermId, range: Range<u32>) -> Outcome<Option<Vec<u8>>> {
        let ty = self.query.type_of(body);
        let n = range.end - range.start;
        let (strip, share) = (self.shared.sizes.strip, self.shared.sizes.share);
        if n <= strip || ty.set || ty.base != Base::Bool || ty.optional || self.shapes.has_sets(body) {
            return Ok(None);
        }
        if n <= share || rayon::current_num_threads() == 1 {
            return self.strips(body, range).map(Some);
        }
        let shared = self.shared;
        let starts: Vec<u32> = range.clone().step_by(share as usize).collect();
        let shares: Vec<Outcome<(Vec<u8>, u64)>> = starts
            .into_par_iter()
            .map_init(
                || Machine::new(shared),
                |machine, start| {
                    machine.begin();
                    let truths = machine.strips(body, start..range.end.min(start + share))?;
                    Ok((truths, machine.work()))
                },
            )
            .collect();
        let mut truths = Vec::with_capacity(n as usize);
        for share in shares {
            let (own, work) = share?;
            self.add_work(work)?;
            truths.extend(own);
        }
        Ok(Some(truths))
    }

    fn strips(&self, body: TermId, range: Range<u32>) -> Outcome<Vec<u8>> {
        let mut truths = Vec::with_capacity(range.len());
        let (mut start, strip) = (range.start, self.shared.sizes.strip);
        while start < range.end {
            let end = range.end.min(start.saturating_add(strip));
            let rows = Rows::new((end - start) as usize, vec![Arc::new(Vector::Range(start, end))]);
            truths.extend(self.truth(body, &rows)?);
            start = end;
        }
        Ok(truths)
    }
}

//! What is counted of columns, for whoever chooses between ways of asking.

use std::collections::BTreeSet;

use super::{AttributeColumn, Codes, Columns, ListColumn, NONE, UNKNOWN};
use crate::model::{PropertyCounts, PropertyId};

/// Places looked at to see how many different values there are.
const SAMPLE: u32 = 512;

impl Columns {
    /// Returns what is counted of a property; counted when first asked for. Of a derived one only what was stated of it.
    #[must_use]
    pub fn statistics(&self, property: PropertyId) -> PropertyCounts {
        let counted = |known: &std::sync::OnceLock<PropertyCounts>| *known.get_or_init(|| self.count(property));
        self.statistics.get(property.0 as usize).map_or_else(PropertyCounts::default, counted)
    }

    fn count(&self, property: PropertyId) -> PropertyCounts {
        let Some(declared) = self.schema().property(property) else { return PropertyCounts::default() };
        let holders = u32::try_from(self.domain(declared.owner).len()).unwrap_or(u32::MAX);
        if declared.is_key {
            return PropertyCounts { holders, facts: holders, distinct: holders, ..PropertyCounts::default() };
        }
        if declared.ty.set {
            let open = |n: u32| if self.unspoken().complete { 0 } else { n };
            return self.list(property).map_or(PropertyCounts { holders, open: open(holders), ..PropertyCounts::default() }, |list| {
                let n_covered = u32::try_from(list.offsets.len().saturating_sub(1)).unwrap_or(u32::MAX);
                let open = n_open(list, n_covered).saturating_add(open(holders.saturating_sub(n_covered)));
                let facts = list.offsets.last().copied().unwrap_or(0);
                PropertyCounts { holders, facts, open, distinct: facts, ..PropertyCounts::default() }
            });
        }
        self.attribute(property).map_or(PropertyCounts { holders, unknown: holders, ..PropertyCounts::default() }, |column| {
            let unknown = column.n_unknown.saturating_add(holders.saturating_sub(column.len));
            let facts = holders.saturating_sub(column.n_none).saturating_sub(unknown);
            PropertyCounts { holders, facts, none: column.n_none, unknown, distinct: n_distinct(column, facts), open: 0 }
        })
    }
}

fn n_open(list: &ListColumn, n_covered: u32) -> u32 {
    let open: Vec<bool> = list.completeness_kinds.iter().map(|kind| !kind.complete).collect();
    let is_open = |code: u32| open.get(code as usize).copied().unwrap_or(true);
    match &list.completeness {
        _ if open.iter().all(|open| !open) => 0,
        Codes::Constant(code) => {
            if is_open(*code) {
                n_covered
            } else {
                0
            }
        }
        Codes::Each(codes) => u32::try_from(codes.iter().filter(|code| is_open(**code)).count()).unwrap_or(u32::MAX),
    }
}

/// Estimates how many different values there are: those of the sample if they repeat, else as many more as it is smaller.
fn n_distinct(column: &AttributeColumn, facts: u32) -> u32 {
    let step = (column.len / SAMPLE).max(1);
    let mut seen = BTreeSet::new();
    let mut n_seen = 0_u32;
    for at in (0..column.len).step_by(step as usize) {
        match column.codes.get(at as usize) {
            Some(NONE | UNKNOWN) | None => {}
            Some(code) => {
                n_seen += 1;
                seen.insert(code);
            }
        }
    }
    let n_different = u32::try_from(seen.len()).unwrap_or(u32::MAX);
    let repeats = n_different.saturating_mul(2) <= n_seen;
    let scaled = || u64::from(n_different) * u64::from(facts) / u64::from(n_seen.max(1));
    if repeats { n_different } else { u32::try_from(scaled()).unwrap_or(u32::MAX).max(n_different) }
}

//! All instants of a snapshot, sorted: what codes of instants are places in.

use jiff::Timestamp;

/// Sorted instants, each once; seconds and fractions apart, so that instants of whole seconds take four bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instants {
    /// The seconds since 1970, cut off towards it.
    pub seconds: Seconds,
    /// The nanoseconds of each, with the sign of its seconds; empty if there are none anywhere.
    pub nanos: Vec<i32>,
}

/// Seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seconds {
    /// Seconds after the first of them.
    After(i64, Vec<u32>),
    /// Where they do not lie within 136 years: the seconds themselves.
    Each(Vec<i64>),
}

impl Default for Seconds {
    fn default() -> Self {
        Self::After(0, Vec::new())
    }
}

impl Instants {
    /// No instants.
    pub const NONE: &'static Self = &Self { seconds: Seconds::After(0, Vec::new()), nanos: Vec::new() };

    /// Takes instants that are sorted, each once.
    #[must_use]
    pub fn from_sorted(instants: &[Timestamp]) -> Self {
        let seconds = || instants.iter().map(|at| at.as_second());
        let first = seconds().next().unwrap_or(0);
        let after: Option<Vec<u32>> = seconds().map(|second| u32::try_from(second.checked_sub(first)?).ok()).collect();
        let seconds = after.map_or_else(|| Seconds::Each(seconds().collect()), |after| Seconds::After(first, after));
        let whole = instants.iter().all(|at| at.subsec_nanosecond() == 0);
        let nanos = if whole { Vec::new() } else { instants.iter().map(|at| at.subsec_nanosecond()).collect() };
        Self { seconds, nanos }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.seconds {
            Seconds::After(_, after) => after.len(),
            Seconds::Each(seconds) => seconds.len(),
        }
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an instant.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Timestamp> {
        let second = match &self.seconds {
            Seconds::After(first, after) => first.checked_add(i64::from(*after.get(at)?))?,
            Seconds::Each(seconds) => *seconds.get(at)?,
        };
        Timestamp::new(second, if self.nanos.is_empty() { 0 } else { *self.nanos.get(at)? }).ok()
    }

    /// Iterates over all of them.
    pub fn iter(&self) -> impl Iterator<Item = Timestamp> {
        (0..self.len()).map_while(|at| self.get(at))
    }

    /// Returns how many instants from the first one on satisfy a test that none after them does.
    pub fn partition_point(&self, test: impl Fn(Timestamp) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&test) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(low).unwrap_or(u32::MAX)
    }

    /// Returns the place of an instant.
    #[must_use]
    pub fn find(&self, wanted: Timestamp) -> Option<u32> {
        let at = self.partition_point(|instant| instant < wanted);
        (self.get(at as usize) == Some(wanted)).then_some(at)
    }
}

//! What is counted of a snapshot, for whoever chooses between ways of asking it.

/// Counts of one property over all entities of its owner. Only `distinct` is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PropertyCounts {
    /// Entities that have the property.
    pub holders: u32,
    /// Values, or members of all lists together.
    pub facts: u32,
    /// Entities known to have no value.
    pub none: u32,
    /// Entities whose value is not known.
    pub unknown: u32,
    /// Different values, by a sample.
    pub distinct: u32,
    /// Lists that may lack members.
    pub open: u32,
}

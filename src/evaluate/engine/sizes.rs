//! Where batches are cut, and from where on a way of evaluation is worth it.

/// Sizes by which the engine chooses its ways. No outcome depends on them; tests make them small, so that small worlds go all ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Subjects evaluated together.
    pub chunk: usize,
    /// Members of sets looked at together.
    pub block: u64,
    /// Entities whose truths are computed together: what is computed of them stays near the processor.
    pub strip: u32,
    /// Entities one thread takes at a time.
    pub share: u32,
    /// Rows for which sets are computed together.
    pub sets: usize,
    /// Rows from which plain parts of a condition are evaluated for open rows only.
    pub narrow_from: usize,
    /// Rows from which a Bool is read from a table of bytes.
    pub table_from: usize,
    /// Rows from which those that ask the same are looked for.
    pub repeated_from: usize,
    /// Rows from which an existence is asked from the far end.
    pub image_from: usize,
    /// Sets shorter than this are gathered.
    pub image_short: u64,
    /// Starts from which closures are walked together.
    pub together_from: usize,
    /// Members from which a look-up is made.
    pub lookup_from: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            chunk: 1 << 16,
            block: 1 << 16,
            strip: 1 << 14,
            share: 1 << 16,
            sets: 4096,
            narrow_from: 512,
            table_from: 4096,
            repeated_from: 256,
            image_from: 32,
            image_short: 24,
            together_from: 8,
            lookup_from: 8,
        }
    }
}

impl Sizes {
    /// The smallest sizes.
    pub const SMALLEST: Self = Self {
        chunk: 3,
        block: 4,
        strip: 1,
        share: 2,
        sets: 2,
        narrow_from: 1,
        table_from: 0,
        repeated_from: 2,
        image_from: 1,
        image_short: 0,
        together_from: 2,
        lookup_from: 1,
    };
}

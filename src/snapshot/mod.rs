//! The tenant graph: everything known at one time, immutable, with what could not be read.
//!
//! In: facts given to a [`SnapshotBuilder`] in any order. Out: [`Records`] (canonical order, one answer a fact, what a
//! snapshot file holds) and from them a [`Snapshot`] (navigations in both directions, derived lists, completeness).
//!
//! Invariants: the same facts give the same records in whatever order they came; a fact that two readings disagree on is
//! unknown; a list is complete only if somebody claims it or it follows from complete lists; nothing dangling is lost.
//!
//! - `builder`: takes facts, canonicalises ids, folds duplicates
//! - `contradictions`: rows of registers that a reading contradicts, as facts
//! - `records`: the canonical form
//! - `fold`: what an earlier snapshot knew, taken into a new one
//! - `freeze`: inverse sides, derived navigations, completeness to a fixpoint
//! - `graph`: containment and nesting as petgraph graphs, circles
//! - `rows`: frozen records
//! - `read`: what the evaluator asks, answered from rows or columns
//! - `columns`: the same as arrays over dense ids
//! - `overlay`: changes over a snapshot, for simulations

mod builder;
pub mod columns;
mod contradictions;
mod fold;
mod freeze;
mod graph;
mod overlay;
mod read;
mod records;
mod resolve;
mod rows;

pub use builder::{BuildError, Handle, SnapshotBuilder};
pub use contradictions::contradictions_type;
pub use fold::{FoldError, can_fold, fold};
pub(crate) use graph::STEPS_MAX as WALK_STEPS_MAX;
pub use overlay::{Change, Fact, Overlay};
pub use read::{Nav, Snapshot};
pub use records::{Cell, CellState, Edge, Extent, HistoryEntry, Record, Records, SnapshotMeta};

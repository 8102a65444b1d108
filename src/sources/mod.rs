//! The edge towards files: turns what services answered, and what tools exported, into facts.
//!
//! In: files. Out: facts in a [`SnapshotBuilder`](crate::snapshot::SnapshotBuilder) and a report a file of what was taken,
//! what was skipped and why.
//!
//! Invariants: nothing vanishes silently; the order of files makes no difference; a list is complete only if that is proved
//! or claimed by the user; no clock is read.
//!
//! - `import`: files, pages, recognition, completeness, the report
//! - `arm`, `graph`, `partner_center`: one decoder a kind of object
//! - `resource_graph`, `az`, `azurehound`: other shapes of the same objects

mod arm;
mod az;
mod azurehound;
mod graph;
pub mod import;
mod partner_center;
mod resource_graph;

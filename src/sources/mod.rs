//! The edge towards files: snapshots, registers, configuration, and what services answered or tools exported.
//!
//! In: files. Out: facts in a [`SnapshotBuilder`](crate::snapshot::SnapshotBuilder), and a report a file of what was taken,
//! what was skipped and why. With `cli` the only room that does I/O.
//!
//! Invariants: nothing vanishes silently; the order of files makes no difference; a list is complete only if that is proved
//! or claimed by somebody; no clock is read.
//!
//! - `disk`: the snapshot folder (Parquet) and its tables as JSON Lines
//! - `register`: attested facts of the governance repo, YAML and CSV
//! - `plan_file`, `journal_file`, `signatures`: plans, journals, and who vouches for them
//! - `bundle`: evidence, signed
//! - `config`: `tenet.toml`
//! - `codes`: what the diagnostic codes of registers and of `tenet.toml` mean
//! - `collect`: the live services into recorded answers
//! - `import`: files, pages, recognition, completeness, the report
//! - `arm`, `graph`, `partner_center`: one decoder a kind of object
//! - `azure`: a tenant in memory; the client of the live services, what apply writes to, and the requests of actions
//! - `tables`: tables of other tools, by a mapping file
//! - `resource_graph`, `az`, `azurehound`: other shapes of the same objects

#![expect(clippy::disallowed_methods, reason = "this room is the edge towards files")]

mod arm;
mod az;
pub mod azure;
mod azurehound;
pub mod bundle;
mod codes;
pub mod collect;
pub mod config;
pub mod disk;
mod graph;
pub mod import;
pub mod journal_file;
mod partner_center;
pub mod plan_file;
pub mod register;
mod resource_graph;
#[cfg(test)]
mod sample;
pub mod signatures;
pub mod tables;

pub use codes::{CONFIG_CODES, MAPPING_CODES, REGISTER_CODES, source_code_page};

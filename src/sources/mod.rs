//! The edge where facts come in: snapshots on disk, registers, `tenet.toml`. The only room but `cli` that does I/O.
//!
//! - `disk`: the snapshot folder (Parquet) and its tables as JSON Lines
//! - `register`: attested facts of the governance repo, YAML and CSV
//! - `config`: `tenet.toml`

pub mod config;
pub mod disk;
pub mod register;

#[cfg(test)]
mod sample;

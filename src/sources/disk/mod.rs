//! Snapshots on disk: a folder `NAME.snapshot` of Parquet files with a manifest, and the same tables as JSON Lines.
//!
//! In: [`Records`](crate::snapshot::Records). Out: a [`SnapshotBuilder`](crate::snapshot::SnapshotBuilder), to which
//! registers may be added before it is frozen. What is written and read again gives equal records, and equal records give
//! equal bytes.
//!
//! Invariants: a snapshot appears whole or not at all; a folder that is cut, altered, incomplete, or holds a file too many
//! is refused; a table is bounded in rows and in decoded bytes before it is believed.
//!
//! - `tables`: tables without a format, and their columns
//! - `encode`, `decode`: records to tables and back
//! - `defaults`: what is said once for all entities of a type
//! - `columnar`: the folder from columns
//! - `manifest`: what the folder holds, with digests
//! - `parquet`, `jsonl`: one table as a file
//! - `write`, `read`: the folder
//! - `index`: columns derived from the tables, beside them

mod columnar;
mod decode;
mod defaults;
mod encode;
mod index;
mod jsonl;
mod made;
mod manifest;
mod parquet;
mod read;
mod tables;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use crate::model::sha256_hex;

pub use columnar::write_columns;
pub use decode::from_tables;
pub use encode::to_tables;
pub use index::{IndexKey, IndexStore, IndexWriter, OpenIndex, open_index, write_index};
pub use jsonl::{export_jsonl, import_jsonl};
pub use manifest::{About, EvidenceEntry, FORMAT, FileEntry, Manifest, SchemaStamp, schema_digest};
pub use read::{read_answer, read_manifest, read_snapshot};
pub use tables::{Column, ColumnKind, Datum, Table};
pub use write::{Evidence, write_collected, write_snapshot};

/// Why a snapshot cannot be written or read.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The operating system refuses.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, such as `read`.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Something is there already.
    #[error("{path} exists already; write to another name, or use --force to replace a snapshot")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A path that is to be replaced and is no snapshot.
    #[error("{path} is not a snapshot, so it is not replaced")]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// The manifest is missing or wrong.
    #[error("manifest.json: {message}")]
    Manifest {
        /// What is wrong.
        message: String,
    },
    /// The snapshot is of a later format.
    #[error("manifest.json: the snapshot has the format {format}, and this program reads {FORMAT}; use a newer tenet")]
    Newer {
        /// The format it says.
        format: String,
    },
    /// A file is not the one the manifest describes.
    #[error("{file}: {message}; collect or copy the snapshot again")]
    Altered {
        /// The file.
        file: String,
        /// In what it differs.
        message: String,
    },
    /// A file of the index is not the one its digest vouches for, or holds what no index can.
    #[error("index/{file}: {message}; remove the folder `index`, and it is made again from the tables")]
    Index {
        /// The file.
        file: String,
        /// In what it differs.
        message: String,
    },
    /// A file cannot be understood.
    #[error("{file}: {message}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, with a line where there is one.
        message: String,
    },
    /// A table does not fit the schema or itself; row 0 means the table as a whole.
    #[error("table {table}{}: {message}", if *.row == 0 { String::new() } else { format!(", row {row}") })]
    Table {
        /// The table.
        table: String,
        /// The row, counted from 1.
        row: usize,
        /// What is wrong.
        message: String,
    },
    /// An entity type the schema does not have.
    #[error("table {kind}: the schema in use has no entity type {kind}; {hint}")]
    UnknownKind {
        /// The type.
        kind: String,
        /// The way out.
        hint: String,
    },
    /// Records of a test, in which lists nobody spoke of are complete.
    #[error("the world of a test cannot be stored as a snapshot")]
    ClosedWorld,
}

impl DiskError {
    /// Tells whether the files differ from what their manifest vouches for.
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        matches!(self, Self::Altered { .. } | Self::Index { .. })
    }

    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}

/// The most rows of one table that are read.
const ROWS_MAX: u64 = 50_000_000;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 30;
/// Decoded bytes allowed for any file, however small.
const DECODED_BYTES_FLOOR: u64 = 64 << 20;
/// Decoded bytes allowed for each byte of a file: columns of one repeated value compress this well.
const DECODED_RATIO_MAX: u64 = 1_024;

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

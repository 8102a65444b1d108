//! Tables of other tools, Parquet or JSON Lines, read by a mapping file.
//!
//! In: files and a mapping that says what their rows and columns are. Out: a snapshot.
//!
//! Invariants: a row that cannot be taken is an error with its file and place, and a row nobody asked for is counted and
//! said; a cell that does not fit its property makes the fact unknown, with its spelling; the order of rows and the number
//! of threads make no difference; a list is whole only if the mapping says so.
//!
//! - `mapping`: the mapping file
//! - `read`, `parquet`, `json`: source tables as batches of columns
//! - `batch`, `value`: cells, and what they state
//! - `fast`: straight to columns
//! - `rows`: row by row into a [`SnapshotBuilder`]

mod batch;
mod fast;
mod json;
mod mapping;
mod parquet;
mod read;
mod rows;
mod value;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::model::{Schema, parse_instant};
use crate::snapshot::columns::Columns;
use crate::snapshot::{SnapshotBuilder, SnapshotMeta};
use crate::sources::import::FileReport;
use crate::text::{Diagnostic, SourceFile, SourceSet};

/// The most rows of a source table.
const TABLE_ROWS_MAX: u64 = 50_000_000;
/// The most rows that are read one by one.
pub const PLAIN_ROWS_MAX: u64 = 1_500_000;
/// The largest mapping.
const MAPPING_BYTES_MAX: u64 = 1 << 20;

/// Why tables cannot be imported.
#[derive(Debug, Error)]
pub enum TablesError {
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
    /// The mapping is wrong.
    #[error("the mapping has {} error(s)", diagnostics.len())]
    Mapping {
        /// The mapping.
        sources: SourceSet,
        /// All that is wrong with it.
        diagnostics: Vec<Diagnostic>,
    },
    /// A table that the mapping names and that is not there.
    #[error("there is no table `{name}` in {paths}; it is {name}.parquet or {name}.jsonl, there or in a folder `parquet` or `jsonl`")]
    Missing {
        /// Its name.
        name: String,
        /// Where it was looked for.
        paths: String,
    },
    /// A table that is there twice.
    #[error("the table `{name}` is there twice: {found}; give the folder or the files that are meant")]
    Twice {
        /// Its name.
        name: String,
        /// The files.
        found: String,
    },
    /// A file that cannot be understood.
    #[error("{file}: {message}")]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A row that cannot be taken.
    #[error("{file}, {word} {row}: {message}")]
    Row {
        /// The file.
        file: String,
        /// What its rows are called.
        word: &'static str,
        /// The row, counted from 1.
        row: u64,
        /// What is wrong.
        message: String,
    },
    /// A limit.
    #[error("{file}: {what} is over the limit of {limit}")]
    Limit {
        /// The file.
        file: String,
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },
}

impl TablesError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}

/// What the caller knows about the tables.
#[derive(Debug, Clone, Default)]
pub struct TablesOptions {
    /// When the tables were read from the services, where the mapping does not tell.
    pub captured_at: Option<Timestamp>,
    /// The directory the tables describe, where the mapping does not tell.
    pub tenant: Option<String>,
    /// What stands in for the time if nobody tells it, and the note that says so.
    pub stand_in: Option<(Timestamp, String)>,
    /// Whether the plain way is taken in any case.
    pub row_by_row: bool,
}

/// A snapshot from tables, in one of two forms, and what was taken from each file.
#[derive(Debug)]
pub enum Imported {
    /// Columns.
    Columns(Box<Columns>, Vec<FileReport>),
    /// Facts, where `reason` keeps them from being made into columns at once.
    Facts {
        /// The facts.
        builder: Box<SnapshotBuilder>,
        /// What was taken from each file.
        reports: Vec<FileReport>,
        /// Why the rows were read one by one.
        reason: String,
    },
}

/// Imports the tables under `paths` as the file `mapping` says; `phase` is told what is done next.
///
/// # Errors
/// [`TablesError`]: all that is wrong with the mapping, the first file or row that cannot be taken, or that there are more
/// than [`PLAIN_ROWS_MAX`] rows and they would have to be read one by one.
pub fn import_tables(
    schema: &Arc<Schema>,
    paths: &[PathBuf],
    mapping: &Path,
    options: &TablesOptions,
    phase: &mut dyn FnMut(&str),
) -> Result<Imported, TablesError> {
    let name = mapping.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mapping = load_mapping(schema, mapping)?;
    let about = mapping.about.as_ref().map(|rule| read::About::read(paths, rule)).transpose()?;
    let stated = match about.as_ref().and_then(|about| about.captured_at.as_ref()) {
        Some(text) => parse_instant(text).map_err(|message| TablesError::File { file: name.clone(), message })?,
        None => None,
    };
    let told = stated.or(options.captured_at);
    let stand_in = options.stand_in.as_ref().filter(|_| told.is_none());
    let captured_at = told.or(stand_in.map(|(instant, _)| *instant));
    let meta = SnapshotMeta {
        tenant: about.as_ref().and_then(|about| about.tenant.clone()).or_else(|| options.tenant.clone()),
        captured_from: captured_at,
        captured_to: captured_at,
        problems: stand_in.map(|(_, note)| note.clone()).into_iter().collect(),
        ..SnapshotMeta::default()
    };
    let task = fast::Task { schema, paths, mapping: &mapping, mapping_name: &name, about: about.as_ref(), meta: &meta };
    let reason = if options.row_by_row {
        "asked for".to_owned()
    } else {
        match fast::import(task, phase)? {
            fast::Outcome::Made(columns, reports) => return Ok(Imported::Columns(columns, reports)),
            fast::Outcome::Plain(reason, n_rows) if n_rows > PLAIN_ROWS_MAX => {
                let what = format!("{n_rows} rows that have to be read one by one ({reason})");
                return Err(TablesError::Limit { file: name, what, limit: PLAIN_ROWS_MAX });
            }
            fast::Outcome::Plain(reason, _) => reason,
        }
    };
    let mut builder = SnapshotBuilder::new(Arc::clone(schema));
    *builder.meta_mut() = meta;
    let reports = rows::fill(&mut builder, paths, &mapping, &name, about.as_ref(), phase)?;
    Ok(Imported::Facts { builder: Box::new(builder), reports, reason })
}

fn load_mapping(schema: &Schema, path: &Path) -> Result<mapping::Mapping, TablesError> {
    let (file, len) = read::open(path)?;
    if len > MAPPING_BYTES_MAX {
        let what = "the size of the mapping in bytes".to_owned();
        return Err(TablesError::Limit { file: path.display().to_string(), what, limit: MAPPING_BYTES_MAX });
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, MAPPING_BYTES_MAX), &mut text).map_err(TablesError::io(path, "read"))?;
    let mut sources = SourceSet::default();
    let id = sources.add(SourceFile::new(path.display().to_string(), text.as_str()));
    mapping::read_mapping(schema, &text, id).map_err(|diagnostics| TablesError::Mapping { sources, diagnostics })
}

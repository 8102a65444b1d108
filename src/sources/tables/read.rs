//! Finds the source tables and reads them block by block.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::batch::Batch;
use super::mapping::AboutRule;
use super::{TablesError, json, parquet};

/// The largest file of one JSON object.
const OBJECT_BYTES_MAX: u64 = 16 << 20;

/// A source table.
#[derive(Debug, Clone)]
pub(super) struct SourceTable {
    /// The name of its file.
    pub(super) label: String,
    path: PathBuf,
    format: Format,
}

#[derive(Debug, Clone)]
enum Format {
    Parquet,
    JsonLines,
    /// The one object of the file that says what the snapshot is of, on one line.
    Object(String),
}

/// What is wrong with a row of a batch.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Its place in the batch.
    pub(super) row: usize,
    pub(super) message: String,
}

/// Takes up the rows of a batch.
pub(super) type Visit<'v, T> = &'v (dyn Fn(&mut T, &Batch<'_>) -> Result<(), Wrong> + Sync);

/// How the blocks of a table are taken up: each by a state of its own, its batches in order.
pub(super) struct Blocks<'v, T> {
    pub(super) new: &'v (dyn Fn() -> T + Sync),
    pub(super) visit: Visit<'v, T>,
}

impl SourceTable {
    /// Finds the table `name` under the given paths.
    pub(super) fn find(paths: &[PathBuf], name: &str, about: Option<&About>) -> Result<Self, TablesError> {
        if let Some(about) = about.filter(|about| about.stem == name) {
            return Ok(Self { label: about.label.clone(), path: about.path.clone(), format: Format::Object(about.line.clone()) });
        }
        let mut found = Vec::new();
        for ending in ["parquet", "jsonl", "ndjson"] {
            found.extend(candidates(paths, &format!("{name}.{ending}")));
        }
        let path = one(found, name, paths)?;
        let format = if path.extension().is_some_and(|ending| ending == "parquet") { Format::Parquet } else { Format::JsonLines };
        let label = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { label, path, format })
    }

    /// Reads the named columns. The result has one state for each block, in the order of the file.
    pub(super) fn read<T: Send>(&self, columns: &[String], blocks: Blocks<'_, T>) -> Result<Vec<T>, TablesError> {
        match &self.format {
            Format::Parquet => parquet::read(&self.path, columns, blocks),
            Format::JsonLines => json::read(&self.path, columns, blocks),
            Format::Object(line) => json::read_text(&self.path, line, columns, blocks),
        }
    }
}

/// The JSON object that says what the snapshot is of.
#[derive(Debug)]
pub(super) struct About {
    pub(super) tenant: Option<String>,
    pub(super) captured_at: Option<String>,
    stem: String,
    label: String,
    path: PathBuf,
    line: String,
}

impl About {
    /// Finds and reads it.
    pub(super) fn read(paths: &[PathBuf], rule: &AboutRule) -> Result<Self, TablesError> {
        let path = one(candidates(paths, &rule.file.value), &rule.file.value, paths)?;
        let wrong = |message: String| TablesError::File { file: path.display().to_string(), message };
        let mut text = String::new();
        let file = File::open(&path).map_err(TablesError::io(&path, "read"))?;
        file.take(OBJECT_BYTES_MAX + 1).read_to_string(&mut text).map_err(TablesError::io(&path, "read"))?;
        if text.len() as u64 > OBJECT_BYTES_MAX {
            let what = "the size of the file in bytes".to_owned();
            return Err(TablesError::Limit { file: path.display().to_string(), what, limit: OBJECT_BYTES_MAX });
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON object: {error}")))?;
        let field = |name: &Option<String>| match name.as_ref().map(|name| (name, object.get(name))) {
            None => Ok(None),
            Some((_, Some(serde_json::Value::String(text)))) => Ok(Some(text.clone())),
            Some((name, _)) => Err(wrong(format!("`{name}` is no text in it"))),
        };
        let (tenant, captured_at) = (field(&rule.tenant)?, field(&rule.captured_at)?);
        let part = |part: Option<&std::ffi::OsStr>| part.map_or_else(String::new, |part| part.to_string_lossy().into_owned());
        let (stem, label) = (part(path.file_stem()), part(path.file_name()));
        let line = serde_json::Value::Object(object).to_string();
        Ok(Self { tenant, captured_at, stem, label, path, line })
    }
}

/// Lists the files of this name: given, in a folder that is given, or in its folders `parquet` and `jsonl`.
fn candidates(paths: &[PathBuf], name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let places = [path.join(name), path.join("parquet").join(name), path.join("jsonl").join(name)];
            found.extend(places.into_iter().filter(|place| place.is_file()));
        } else if path.file_name().is_some_and(|given| given == name) {
            found.push(path.clone());
        }
    }
    found.sort_by_key(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    found.dedup_by_key(|path| fs::canonicalize(&*path).unwrap_or_else(|_| path.clone()));
    found
}

fn one(mut found: Vec<PathBuf>, name: &str, paths: &[PathBuf]) -> Result<PathBuf, TablesError> {
    let shown = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match found.pop() {
        None => Err(TablesError::Missing { name: name.to_owned(), paths: shown(paths) }),
        Some(path) if found.is_empty() => Ok(path),
        Some(path) => {
            found.push(path);
            Err(TablesError::Twice { name: name.to_owned(), found: shown(&found) })
        }
    }
}

/// Opens a file and tells how long it is.
pub(super) fn open(path: &Path) -> Result<(File, u64), TablesError> {
    let file = File::open(path).map_err(TablesError::io(path, "read"))?;
    let len = file.metadata().map_err(TablesError::io(path, "look at"))?.len();
    Ok((file, len))
}

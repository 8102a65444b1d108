//! Finds the files of the given paths and reads them as text.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::ImportError;

const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 64;
const BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) struct InputFile {
    /// Its name relative to the path that was given.
    pub(in crate::sources) label: String,
    /// Where it is.
    pub(in crate::sources) path: PathBuf,
    /// Whether its name says that it holds JSON, or it was named itself.
    pub(in crate::sources) wanted: bool,
}

/// Lists all files under `paths`, sorted.
///
/// # Errors
/// If a path cannot be opened, a limit is hit, or there is no file.
pub(in crate::sources) fn find(paths: &[PathBuf]) -> Result<Vec<InputFile>, ImportError> {
    let mut found = BTreeSet::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if metadata.is_dir() {
            let mut walk = Walk { found: &mut found, seen: BTreeSet::new() };
            walk.folder(path, "", 0)?;
        } else {
            let label = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
            found.insert(InputFile { label: label.into_owned(), path: path.clone(), wanted: true });
        }
    }
    if found.is_empty() {
        let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(ImportError::Nothing(shown.join(", ")));
    }
    Ok(found.into_iter().collect())
}

struct Walk<'a> {
    found: &'a mut BTreeSet<InputFile>,
    seen: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), ImportError> {
        let file = || folder.display().to_string();
        if depth > DEPTH_MAX {
            return Err(ImportError::Limit { file: file(), what: "the depth of folders", limit: DEPTH_MAX as u64 });
        }
        // A folder reached twice, such as through a link to a folder above, is walked once.
        let real = fs::canonicalize(folder).map_err(|error| unreadable(folder, &error))?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            entries.push(entry.map_err(|error| unreadable(folder, &error))?);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let label = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
            if metadata.is_dir() {
                self.folder(&path, &format!("{label}/"), depth + 1)?;
            } else {
                self.found.insert(InputFile { wanted: is_json(&path), label, path });
            }
            if self.found.len() > FILES_MAX {
                return Err(ImportError::Limit { file: file(), what: "the number of files", limit: FILES_MAX as u64 });
            }
        }
        Ok(())
    }
}

fn is_json(path: &Path) -> bool {
    let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("json" | "jsonl" | "ndjson"))
}

/// Opens a file past its byte order mark.
///
/// # Errors
/// If it cannot be opened, is larger than the limit, or is UTF-16.
pub(in crate::sources) fn open(file: &InputFile, bytes_max: u64) -> Result<BufReader<impl Read + use<>>, ImportError> {
    let system = |error: std::io::Error| ImportError::Unreadable { file: file.label.clone(), reason: error.to_string() };
    let handle = fs::File::open(&file.path).map_err(system)?;
    let size = handle.metadata().map_err(system)?.len();
    if size > bytes_max {
        return Err(ImportError::Limit { file: file.label.clone(), what: "the size in bytes", limit: bytes_max });
    }
    let mut reader = BufReader::new(handle.take(bytes_max));
    let start = reader.fill_buf().map_err(system)?;
    let mark = match start {
        [0xEF, 0xBB, 0xBF, ..] => 3,
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, _, ..] => {
            let reason = "the file is UTF-16; save it as UTF-8 (PowerShell: `Out-File -Encoding utf8`)".to_owned();
            return Err(ImportError::Broken { file: file.label.clone(), line: 1, column: 1, reason });
        }
        _ => 0,
    };
    reader.consume(mark);
    Ok(reader)
}

/// Reads a whole file as text.
///
/// # Errors
/// As [`open`], and if it is not UTF-8.
pub(in crate::sources) fn read(file: &InputFile) -> Result<String, ImportError> {
    let mut bytes = Vec::new();
    open(file, BYTES_MAX)?
        .read_to_end(&mut bytes)
        .map_err(|error| ImportError::Unreadable { file: file.label.clone(), reason: error.to_string() })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        let reason = "the file is not UTF-8; save it as UTF-8".to_owned();
        ImportError::Broken { file: file.label.clone(), line, column, reason }
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> ImportError {
    ImportError::Unreadable { file: path.display().to_string(), reason: error.to_string() }
}

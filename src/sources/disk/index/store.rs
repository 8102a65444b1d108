//! Reads an index: what it holds at once, each part when it is first asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::super::read::open_plain;
use super::super::{DiskError, FILE_BYTES_MAX};
use super::frame::Loaded;
use super::parts::{self, Limits};
use super::{ABOUT, COLUMNS, CONTENTS, CONTENTS_BYTES_MAX, Contents, FORMAT, IndexKey, PARTS_MAX, Placed, SEAL, about, decode, hex, seal};
use crate::model::Schema;
use crate::snapshot::columns::{Columns, Part, PartData, PartStore};

/// An index that was opened.
#[derive(Debug)]
pub struct OpenIndex {
    /// The columns; their parts are read when they are asked for.
    pub columns: Columns,
    /// Where they come from.
    pub store: Arc<IndexStore>,
}

/// The parts of an index in their file.
#[derive(Debug)]
pub struct IndexStore {
    schema: Arc<Schema>,
    file: File,
    path: PathBuf,
    parts: BTreeMap<String, Placed>,
    own: Vec<Range<u32>>,
    sources: u32,
    parts_read: AtomicU64,
    bytes_read: AtomicU64,
    trouble: OnceLock<DiskError>,
}

/// Opens the index with this key of a snapshot folder; `None` if there is none.
///
/// # Errors
/// [`DiskError::Index`] names a file that is cut, altered, missing or one too many; [`DiskError::Io`] what the system says.
pub fn open_index(schema: &Arc<Schema>, snapshot: &Path, key: &IndexKey) -> Result<Option<OpenIndex>, DiskError> {
    let folder = key.folder(snapshot);
    match fs::symlink_metadata(&folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(altered("", "it is no folder")),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(DiskError::io(&folder, "look at")(error)),
    }
    let Some(contents) = read_contents(&folder, key)? else { return Ok(None) };
    let n_parts = contents.parts.len();
    let placed = contents.by_name().filter(|(parts, bytes)| parts.len() == n_parts && *bytes <= FILE_BYTES_MAX);
    let (parts, bytes) = placed.ok_or_else(|| altered(CONTENTS, "it names a part twice, or more bytes than are read"))?;
    check_files(&folder)?;
    let path = folder.join(COLUMNS);
    let file = open_plain(&path).map_err(|error| missing(COLUMNS, &path, error))?;
    let found = file.metadata().map_err(DiskError::io(&path, "look at"))?.len();
    if found != bytes {
        return Err(altered(COLUMNS, format!("it has {found} bytes, and {CONTENTS} says {bytes}")));
    }
    let mut store = IndexStore {
        schema: Arc::clone(schema),
        file,
        path,
        parts,
        own: Vec::new(),
        sources: 0,
        parts_read: AtomicU64::new(0),
        bytes_read: AtomicU64::new(0),
        trouble: OnceLock::new(),
    };
    let frame = store.about()?;
    store.own.clone_from(&frame.own);
    store.sources = u32::try_from(frame.sources.len()).unwrap_or(0);
    let store = Arc::new(store);
    let columns = Columns::new(Arc::clone(schema), frame, Some(Arc::<IndexStore>::clone(&store)));
    match columns.trouble() {
        Some(trouble) => Err(part_altered(ABOUT, trouble)),
        None => Ok(Some(OpenIndex { columns, store })),
    }
}

fn altered(file: &str, message: impl Into<String>) -> DiskError {
    DiskError::Index { file: file.to_owned(), message: message.into() }
}

fn part_altered(part: &str, message: &str) -> DiskError {
    altered(COLUMNS, format!("the part `{part}`: {message}"))
}

fn missing(name: &str, path: &Path, error: io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::NotFound => altered(name, "it is missing"),
        _ => DiskError::io(path, "read")(error),
    }
}

/// Reads `index.json`; `None` if it is of another key.
fn read_contents(folder: &Path, key: &IndexKey) -> Result<Option<Contents>, DiskError> {
    let text = read_small(folder, CONTENTS)?;
    if read_small(folder, SEAL)? != seal(&hex(&Sha256::digest(&text))).as_bytes() {
        return Err(altered(CONTENTS, format!("it is cut or altered: its sha256 is not the one in {SEAL}")));
    }
    let contents: Contents = serde_json::from_slice(&text).map_err(|error| altered(CONTENTS, error.to_string()))?;
    if contents.parts.len() > PARTS_MAX {
        return Err(altered(CONTENTS, format!("it names {} parts; at most {PARTS_MAX} are read", contents.parts.len())));
    }
    Ok(contents.is_of(key).then_some(contents))
}

fn read_small(folder: &Path, name: &str) -> Result<Vec<u8>, DiskError> {
    let path = folder.join(name);
    let file = open_plain(&path).map_err(|error| missing(name, &path, error))?;
    let mut bytes = Vec::new();
    file.take(CONTENTS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(DiskError::io(&path, "read"))?;
    if bytes.len() as u64 > CONTENTS_BYTES_MAX {
        return Err(altered(name, format!("it is larger than {CONTENTS_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Refuses files that are no part of an index.
fn check_files(folder: &Path) -> Result<(), DiskError> {
    let mut extra = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io(folder, "list"))? {
        let name = entry.map_err(DiskError::io(folder, "list"))?.file_name().to_string_lossy().into_owned();
        if ![CONTENTS, SEAL, COLUMNS].contains(&name.as_str()) {
            extra.insert(name);
        }
    }
    extra.first().map_or(Ok(()), |file| Err(altered(file, "this file is no part of an index")))
}

impl IndexStore {
    fn about(&self) -> Result<crate::snapshot::columns::Frame, DiskError> {
        let mut file = self.read(ABOUT)?.ok_or_else(|| part_altered(ABOUT, "it is missing"))?;
        let bytes = file.u8s().and_then(|bytes| if file.kind == 0 { Ok(bytes) } else { Err("it is a part".to_owned()) });
        bytes.and_then(|bytes| about::unpack(&self.schema, &bytes)).map_err(|message| part_altered(ABOUT, &message))
    }

    /// Reads a part and checks its digest.
    fn read(&self, name: &str) -> Result<Option<Loaded>, DiskError> {
        let Some(Placed { at, entry }) = self.parts.get(name) else { return Ok(None) };
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => part_altered(name, &format!("it is cut or altered: {error}")),
            _ => DiskError::io(&self.path, "read")(error),
        };
        let loaded = Loaded::read(FORMAT, &self.file, *at, entry.bytes).map_err(wrong)?;
        if loaded.digest != entry.digest {
            return Err(part_altered(name, &format!("it is cut or altered: its digest is not the one in {CONTENTS}")));
        }
        self.parts_read.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(entry.bytes, Ordering::Relaxed);
        Ok(Some(loaded))
    }

    fn load_part(&self, part: Part) -> Result<Option<PartData>, DiskError> {
        let Some(name) = parts::name(&self.schema, part) else { return Ok(None) };
        let Some(loaded) = self.read(&name)? else { return Ok(None) };
        let limits = Limits::of(&self.schema, &self.parts, part, &self.own, self.sources);
        decode::decode(part, loaded, &limits).map(Some).map_err(|message| part_altered(&name, &message))
    }

    /// Returns the first thing that went wrong with a part.
    #[must_use]
    pub fn trouble(&self) -> Option<&DiskError> {
        self.trouble.get()
    }

    /// Says how much was read: `read 12 parts of the index, 41 MB of 230 MB`.
    #[must_use]
    pub fn summary(&self) -> String {
        let size = |bytes: u64| match bytes {
            0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
            _ => format!("{} MB", bytes / 1_000_000),
        };
        let (parts, bytes) = (self.parts_read.load(Ordering::Relaxed), self.bytes_read.load(Ordering::Relaxed));
        let total: u64 = self.parts.values().map(|part| part.entry.bytes).sum();
        format!("read {parts} part{} of the index, {} of {}", if parts == 1 { "" } else { "s" }, size(bytes), size(total))
    }
}

impl PartStore for IndexStore {
    fn bytes(&self, part: Part) -> u64 {
        parts::name(&self.schema, part).and_then(|name| self.parts.get(&name)).map_or(0, |part| part.entry.bytes)
    }

    fn load(&self, part: Part) -> Result<Option<PartData>, String> {
        self.load_part(part).map_err(|error| {
            let text = error.to_string();
            // The first trouble stays.
            let _ = self.trouble.set(error);
            text
        })
    }
    fn digest(&self, part: Part) -> Option<&str> {
        let name = parts::name(&self.schema, part)?;
        Some(self.parts.get(&name).map_or("", |part| &part.entry.digest))
    }
}

//! Reads an index: what it holds at once, each part when it is first asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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
use super::{ABOUT, CONTENTS, CONTENTS_BYTES_MAX, Contents, FILES_MAX, FORMAT, FileEntry, IndexKey, SEAL, about, decode, hex, seal};
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

/// The files of an index.
#[derive(Debug)]
pub struct IndexStore {
    schema: Arc<Schema>,
    folder: PathBuf,
    files: BTreeMap<String, FileEntry>,
    own: Vec<Range<u32>>,
    sources: u32,
    files_read: AtomicU64,
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
    check_files(&folder, &contents)?;
    let mut store = IndexStore {
        schema: Arc::clone(schema),
        folder,
        files: contents.by_name(),
        own: Vec::new(),
        sources: 0,
        files_read: AtomicU64::new(0),
        bytes_read: AtomicU64::new(0),
        trouble: OnceLock::new(),
    };
    let frame = store.about()?;
    store.own.clone_from(&frame.own);
    store.sources = u32::try_from(frame.sources.len()).unwrap_or(0);
    let store = Arc::new(store);
    let columns = Columns::new(Arc::clone(schema), frame, Some(Arc::<IndexStore>::clone(&store)));
    match columns.trouble() {
        Some(trouble) => Err(altered(ABOUT, trouble)),
        None => Ok(Some(OpenIndex { columns, store })),
    }
}

fn altered(file: &str, message: impl Into<String>) -> DiskError {
    DiskError::Index { file: file.to_owned(), message: message.into() }
}

/// Reads `index.json`; `None` if it is of another key.
fn read_contents(folder: &Path, key: &IndexKey) -> Result<Option<Contents>, DiskError> {
    let text = read_small(folder, CONTENTS)?;
    if read_small(folder, SEAL)? != seal(&hex(&Sha256::digest(&text))).as_bytes() {
        return Err(altered(CONTENTS, format!("it is cut or altered: its sha256 is not the one in {SEAL}")));
    }
    let contents: Contents = serde_json::from_slice(&text).map_err(|error| altered(CONTENTS, error.to_string()))?;
    if contents.files.len() > FILES_MAX {
        return Err(altered(CONTENTS, format!("it names {} files; at most {FILES_MAX} are read", contents.files.len())));
    }
    Ok(contents.is_of(key).then_some(contents))
}

fn read_small(folder: &Path, name: &str) -> Result<Vec<u8>, DiskError> {
    let path = folder.join(name);
    let file = open_plain(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => altered(name, "it is missing"),
        _ => DiskError::io(&path, "read")(error),
    })?;
    let mut bytes = Vec::new();
    file.take(CONTENTS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(DiskError::io(&path, "read"))?;
    if bytes.len() as u64 > CONTENTS_BYTES_MAX {
        return Err(altered(name, format!("it is larger than {CONTENTS_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Refuses files that are missing and files that are not named.
fn check_files(folder: &Path, contents: &Contents) -> Result<(), DiskError> {
    let mut missing: BTreeSet<&str> = contents.files.iter().map(|file| file.name.as_str()).chain([CONTENTS, SEAL]).collect();
    if missing.len() != contents.files.len() + 2 {
        return Err(altered(CONTENTS, "it names a file twice"));
    }
    let mut extra = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io(folder, "list"))? {
        let name = entry.map_err(DiskError::io(folder, "list"))?.file_name().to_string_lossy().into_owned();
        if !missing.remove(name.as_str()) {
            extra.insert(name);
        }
    }
    match (missing.first(), extra.first()) {
        (Some(file), _) => Err(altered(file, format!("{CONTENTS} names this file, and it is missing"))),
        (None, Some(file)) => Err(altered(file, format!("{CONTENTS} does not name this file"))),
        (None, None) => Ok(()),
    }
}

impl IndexStore {
    fn about(&self) -> Result<crate::snapshot::columns::Frame, DiskError> {
        let mut file = self.read(ABOUT)?.ok_or_else(|| altered(ABOUT, "it is missing"))?;
        let bytes = file.u8s().and_then(|bytes| if file.kind == 0 { Ok(bytes) } else { Err("it is a part".to_owned()) });
        bytes.and_then(|bytes| about::unpack(&self.schema, &bytes)).map_err(|message| altered(ABOUT, message))
    }

    /// Reads a file and checks its digest.
    fn read(&self, name: &str) -> Result<Option<Loaded>, DiskError> {
        let Some(entry) = self.files.get(name) else { return Ok(None) };
        let path = self.folder.join(name);
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => altered(name, format!("{CONTENTS} names this file, and it is missing")),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => altered(name, format!("it is cut or altered: {error}")),
            _ => DiskError::io(&path, "read")(error),
        };
        let file = open_plain(&path).map_err(wrong)?;
        let bytes = file.metadata().map_err(wrong)?.len();
        if bytes != entry.bytes || bytes > FILE_BYTES_MAX {
            return Err(altered(
                name,
                format!("it has {bytes} bytes; {CONTENTS} says {}, and at most {FILE_BYTES_MAX} are read", entry.bytes),
            ));
        }
        let loaded = Loaded::read(FORMAT, &file, bytes).map_err(wrong)?;
        if loaded.digest != entry.digest {
            return Err(altered(name, format!("it is cut or altered: its digest is not the one in {CONTENTS}")));
        }
        self.files_read.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        Ok(Some(loaded))
    }

    fn load_part(&self, part: Part) -> Result<Option<PartData>, DiskError> {
        let Some(name) = parts::name(&self.schema, part) else { return Ok(None) };
        let Some(loaded) = self.read(&name)? else { return Ok(None) };
        let limits = Limits::of(&self.schema, &self.files, part, &self.own, self.sources);
        decode::decode(part, loaded, &limits).map(Some).map_err(|message| altered(&name, message))
    }

    /// Returns the first thing that went wrong with a part.
    #[must_use]
    pub fn trouble(&self) -> Option<&DiskError> {
        self.trouble.get()
    }

    /// Says how much was read: `read 12 files, 41 MB of 230 MB`.
    #[must_use]
    pub fn summary(&self) -> String {
        let size = |bytes: u64| match bytes {
            0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
            _ => format!("{} MB", bytes / 1_000_000),
        };
        let (files, bytes) = (self.files_read.load(Ordering::Relaxed), self.bytes_read.load(Ordering::Relaxed));
        let total: u64 = self.files.values().map(|file| file.bytes).sum();
        format!("read {files} file{}, {} of {}", if files == 1 { "" } else { "s" }, size(bytes), size(total))
    }
}

impl PartStore for IndexStore {
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
        Some(self.files.get(&name).map_or("", |file| &file.digest))
    }
}

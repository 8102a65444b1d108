//! Reads a snapshot folder. Each file is hashed before a byte of it is believed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::manifest::{EVIDENCE, FileEntry, MANIFEST, MANIFEST_BYTES_MAX, Manifest};
use super::tables::{SIDE_TABLES, Table};
use super::{DiskError, FILE_BYTES_MAX, from_tables, hex, index, parquet};
use crate::model::Schema;
use crate::snapshot::SnapshotBuilder;

/// Reads a snapshot written by [`write_snapshot`](super::write_snapshot).
///
/// # Errors
/// [`DiskError`] names the file that is cut, altered, missing, or one too many, or the table and row that does not fit.
pub fn read_snapshot(schema: &Arc<Schema>, path: &Path) -> Result<(SnapshotBuilder, Manifest), DiskError> {
    let manifest = read_manifest(path)?;
    let tables: Vec<Result<Table, DiskError>> = manifest.files.par_iter().map(|entry| read_file(path, entry)).collect();
    // Of several files that cannot be read the first is named, whichever thread was the quickest.
    let tables = tables.into_iter().collect::<Result<_, _>>()?;
    let builder = from_tables(schema, &manifest.about()?, tables)?;
    Ok((builder, manifest))
}

/// Reads the manifest of a snapshot, and checks that no file is there that it does not name; files are not looked into.
///
/// # Errors
/// As [`read_snapshot`].
pub fn read_manifest(path: &Path) -> Result<Manifest, DiskError> {
    let file = path.join(MANIFEST);
    let opened = open_plain(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            DiskError::Manifest { message: format!("there is none in {}; this is no whole snapshot", path.display()) }
        }
        _ => DiskError::io(&file, "read")(error),
    })?;
    let mut bytes = Vec::new();
    opened.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(DiskError::io(&file, "read"))?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(DiskError::Manifest { message: format!("it is larger than {MANIFEST_BYTES_MAX} bytes") });
    }
    let manifest = Manifest::parse(&bytes)?;
    check_folder(path, &manifest)?;
    Ok(manifest)
}

/// Opens a regular file; a link could lead out of the folder, a pipe would never end.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(path)
}

/// Refuses files that are missing and files the manifest does not name.
fn check_folder(path: &Path, manifest: &Manifest) -> Result<(), DiskError> {
    let named: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    for table in SIDE_TABLES {
        if !named.contains(format!("{table}.parquet").as_str()) {
            return Err(DiskError::Manifest { message: format!("it does not name {table}.parquet") });
        }
    }
    let mut extra = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(DiskError::io(path, "list"))? {
        let name = entry.map_err(DiskError::io(path, "list"))?.file_name().to_string_lossy().into_owned();
        // The index is derived from the tables and has digests of its own.
        let is_evidence = name == EVIDENCE && !manifest.evidence.is_empty();
        if name != MANIFEST && name != index::FOLDER && !is_evidence && !named.contains(name.as_str()) {
            extra.insert(name);
        }
    }
    if !manifest.evidence.is_empty() {
        extra.extend(check_evidence(&path.join(EVIDENCE), manifest)?);
    }
    match extra.pop_first() {
        Some(file) => Err(DiskError::Altered { file, message: "the manifest does not name this file".to_owned() }),
        None => Ok(()),
    }
}

/// Returns the files of evidence that are too many; refuses those that are missing or of another size. What they say is
/// checked when one is read: facts come from the tables.
fn check_evidence(folder: &Path, manifest: &Manifest) -> Result<BTreeSet<String>, DiskError> {
    let named: BTreeSet<&str> = manifest.evidence.iter().map(|file| file.name.as_str()).collect();
    for file in &manifest.evidence {
        let size = fs::symlink_metadata(folder.join(&file.name)).ok().filter(fs::Metadata::is_file).map(|found| found.len());
        if size != Some(file.bytes) {
            let message = "the manifest names this file with another size, or it is missing".to_owned();
            return Err(DiskError::Altered { file: format!("{EVIDENCE}/{}", file.name), message });
        }
    }
    let mut extra = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io(folder, "list"))? {
        let name = entry.map_err(DiskError::io(folder, "list"))?.file_name().to_string_lossy().into_owned();
        if !named.contains(name.as_str()) {
            extra.insert(format!("{EVIDENCE}/{name}"));
        }
    }
    Ok(extra)
}

/// Reads the recorded answer at `FILE:LINE`, as facts cite it, once the whole file is found to be the one the manifest names.
///
/// # Errors
/// [`DiskError::Altered`] for a file that is another one, [`DiskError::File`] if there is no such file or line.
pub fn read_answer(path: &Path, manifest: &Manifest, place: &str) -> Result<String, DiskError> {
    let absent = |message: &str| DiskError::File { file: place.to_owned(), message: message.to_owned() };
    let (name, line) = place.rsplit_once(':').ok_or_else(|| absent("write FILE:LINE, as `tenet explain` shows it"))?;
    let line: usize = line.parse().map_err(|_| absent("the line is no number"))?;
    let entry = manifest.evidence.iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| absent("the snapshot has no such file of recorded answers"))?;
    let file = path.join(EVIDENCE).join(name);
    let mut bytes = Vec::new();
    let opened = open_plain(&file).map_err(DiskError::io(&file, "read"))?;
    opened.take(entry.bytes + 1).read_to_end(&mut bytes).map_err(DiskError::io(&file, "read"))?;
    if crate::model::sha256_hex(&bytes) != entry.sha256 {
        let message = "it is cut or altered: its sha256 is not the one in the manifest".to_owned();
        return Err(DiskError::Altered { file: format!("{EVIDENCE}/{name}"), message });
    }
    let text = String::from_utf8(bytes).map_err(|_| absent("the file is not UTF-8"))?;
    let found = line.checked_sub(1).and_then(|at| text.lines().nth(at));
    found.map(str::to_owned).ok_or_else(|| absent("the file has no such line"))
}

fn read_file(folder: &Path, entry: &FileEntry) -> Result<Table, DiskError> {
    let altered = |message: &str| DiskError::Altered { file: entry.name.clone(), message: message.to_owned() };
    let name = entry.table().ok_or_else(|| altered("this is not the name of a table file"))?;
    let path = folder.join(&entry.name);
    let mut file = open_plain(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => altered("the manifest names this file, and it is missing"),
        _ => DiskError::io(&path, "read")(error),
    })?;
    let bytes = file.metadata().map_err(DiskError::io(&path, "read"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(DiskError::File { file: entry.name.clone(), message: format!("it is larger than {FILE_BYTES_MAX} bytes") });
    }
    let wrong = |message| DiskError::File { file: entry.name.clone(), message };
    let cut = || altered("it is cut or altered: its sha256 is not the one in the manifest");
    if bytes <= WHOLE_BYTES_MAX {
        let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut whole).map_err(DiskError::io(&path, "read"))?;
        if hex(&Sha256::digest(&whole)) != entry.sha256 {
            return Err(cut());
        }
        return parquet::read_table(name, Bytes::from(whole), bytes, entry.rows).map_err(wrong);
    }
    if digest_of(&mut file).map_err(DiskError::io(&path, "read"))? != entry.sha256 {
        return Err(cut());
    }
    file.seek(SeekFrom::Start(0)).map_err(DiskError::io(&path, "read"))?;
    parquet::read_table(name, file, bytes, entry.rows).map_err(wrong)
}

/// Files up to this are read once and held while they are decoded; the reader asks for each column of a larger one.
const WHOLE_BYTES_MAX: u64 = 16 << 20;

fn digest_of(file: &mut File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(buffer.get(..n).unwrap_or(&[]));
    }
}

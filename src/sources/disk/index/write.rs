//! Writes an index: beside its place, synced, and renamed when it is whole.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::write::{HashedFile, create_private, private_folder, private_temporary, put_in_place, sync_folder};
use super::frame::{Frame, Section};
use super::{ABOUT, COLUMNS, CONTENTS, Contents, FOLDER, FORMAT, IndexKey, KEPT_MAX, PartEntry, SEAL, about, encode, hex, parts, seal};
use crate::model::Schema;
use crate::snapshot::columns::{Columns, Part, PartData};
use crate::sources::disk::DiskError;

/// Writes the index of columns into a snapshot folder, in place of one with the same key.
///
/// # Errors
/// [`DiskError::ClosedWorld`], what is wrong with the columns, or what the system says; nothing is left behind then.
pub fn write_index(columns: &Columns, snapshot: &Path, key: &IndexKey) -> Result<(), DiskError> {
    if columns.meta().closed_world {
        return Err(DiskError::ClosedWorld);
    }
    let mut writer = IndexWriter::create(columns.schema(), &index_folder(snapshot)?)?;
    writer.all(columns)?;
    writer.finish(snapshot, key)
}

/// Makes the folder of all indexes of a snapshot, if it is not there.
fn index_folder(snapshot: &Path) -> Result<PathBuf, DiskError> {
    let folder = snapshot.join(FOLDER);
    match private_folder(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(DiskError::io(&folder, "make")(error)),
        _ => Ok(folder),
    }
}

/// Writes an index part by part, so that not all parts have to be in memory.
#[derive(Debug)]
pub struct IndexWriter<'s> {
    schema: &'s Schema,
    folder: tempfile::TempDir,
    columns: BufWriter<File>,
    parts: Vec<PartEntry>,
}

impl<'s> IndexWriter<'s> {
    /// Begins an index in a folder of its own in `parent`, which need not be the one it will lie in, but of the same disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(schema: &'s Schema, parent: &Path) -> Result<Self, DiskError> {
        let folder = private_temporary(parent, ".partial")?;
        let columns = BufWriter::with_capacity(1 << 20, create_private(&folder.path().join(COLUMNS))?);
        Ok(Self { schema, folder, columns, parts: Vec::new() })
    }

    /// Writes a part; each once.
    ///
    /// # Errors
    /// What the system says, or that the part does not belong to the schema.
    pub fn part(&mut self, part: Part, data: &PartData) -> Result<(), DiskError> {
        let name = parts::name(self.schema, part).filter(|_| part.fits(data)).ok_or_else(|| DiskError::File {
            file: FOLDER.to_owned(),
            message: format!("{part:?} is no part of the schema, or holds something else"),
        })?;
        self.frame(name, parts::rows(data), &encode::encode(part, data))
    }

    fn frame(&mut self, name: String, rows: u64, frame: &Frame<'_>) -> Result<(), DiskError> {
        let written = frame.write(FORMAT, &mut self.columns).map_err(DiskError::io(&self.folder.path().join(COLUMNS), "write"))?;
        self.parts.push(PartEntry { name, rows, bytes: written.bytes, digest: written.digest });
        Ok(())
    }

    /// Writes all parts of columns, and what they say besides.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the columns.
    pub fn all(&mut self, columns: &Columns) -> Result<(), DiskError> {
        for part in columns.all_parts() {
            if let Some(data) = columns.part(part) {
                self.part(part, data)?;
            }
        }
        if let Some(trouble) = columns.trouble() {
            return Err(DiskError::File { file: FOLDER.to_owned(), message: trouble.to_owned() });
        }
        let bytes = about::pack(columns);
        let frame = Frame { kind: 0, scalars: Vec::new(), sections: vec![Section::U8(Cow::Owned(bytes))] };
        self.frame(ABOUT.to_owned(), 0, &frame)?;
        let synced = self.columns.flush().and_then(|()| self.columns.get_ref().sync_all());
        synced.map_err(DiskError::io(&self.folder.path().join(COLUMNS), "write"))
    }

    /// Writes the digests, and puts the index in its place.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self, snapshot: &Path, key: &IndexKey) -> Result<(), DiskError> {
        let parent = index_folder(snapshot)?;
        let contents = Contents::new(key, std::mem::take(&mut self.parts));
        let wrong = |error: serde_json::Error| DiskError::File { file: CONTENTS.to_owned(), message: error.to_string() };
        let text = serde_json::to_string_pretty(&contents).map_err(wrong)? + "\n";
        self.text(CONTENTS, &text)?;
        self.text(SEAL, &seal(&hex(&Sha256::digest(&text))))?;
        sync_folder(self.folder.path())?;
        let place = key.folder(snapshot);
        let replaces = place.is_dir();
        put_in_place(self.folder, &place, &parent, replaces)?;
        clear(&parent, &place);
        Ok(())
    }

    fn text(&self, name: &str, text: &str) -> Result<(), DiskError> {
        let path = self.folder.path().join(name);
        let mut file = HashedFile::create(&path)?;
        file.write_all(text.as_bytes()).map_err(DiskError::io(&path, "write"))?;
        file.finish(&path).map(|_| ())
    }
}

/// Removes what earlier writers left behind, and indexes beyond [`KEPT_MAX`], the first by name. An index can always be
/// made again, so what cannot be removed stays.
fn clear(parent: &Path, place: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
    let (left, mut others): (Vec<PathBuf>, Vec<PathBuf>) = entries
        .filter(|path| path != place)
        .partition(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    others.sort();
    let n_old = (others.len() + 1).saturating_sub(KEPT_MAX);
    for path in left.iter().chain(others.iter().take(n_old)) {
        let _ = fs::remove_dir_all(path);
    }
}

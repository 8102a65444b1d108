//! Writes a snapshot folder: beside its place, synced, and renamed when it is whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::encode::Encoded;
use super::made::Ground;
use super::manifest::{About, EVIDENCE, EvidenceEntry, FileEntry, MANIFEST, Manifest};
use super::parquet::Feed;
use super::{DiskError, hex, parquet};
use crate::model::Schema;
use crate::snapshot::{Records, SnapshotMeta};

/// Writes records to a new folder, readable by its owner only.
///
/// With `force` a snapshot that is there is replaced; anything else that is there is never touched.
///
/// # Errors
/// [`DiskError::Exists`], [`DiskError::NotOurs`], [`DiskError::ClosedWorld`] or what the system says. On an error nothing is
/// left at `path` that was not there before.
pub fn write_snapshot(schema: &Schema, records: &Records, path: &Path, force: bool) -> Result<Manifest, DiskError> {
    write_collected(schema, records, None, path, force)
}

/// Recorded answers that go into a snapshot: their folder, which is moved there, and its files.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'e> {
    /// The folder.
    pub folder: &'e Path,
    /// All files in it, by name.
    pub files: &'e [EvidenceEntry],
}

/// Writes records with the answers they come from, as [`write_snapshot`].
///
/// # Errors
/// As [`write_snapshot`].
pub fn write_collected(
    schema: &Schema,
    records: &Records,
    evidence: Option<Evidence<'_>>,
    path: &Path,
    force: bool,
) -> Result<Manifest, DiskError> {
    if records.meta.closed_world {
        return Err(DiskError::ClosedWorld);
    }
    let ground = Ground::of(schema, records);
    let encoded = Encoded::of(&ground);
    write_feeds(Written { schema, meta: &records.meta, evidence }, &encoded.feeds(), path, force)
}

/// What is written besides tables.
#[derive(Clone, Copy)]
pub(super) struct Written<'w> {
    pub(super) schema: &'w Schema,
    pub(super) meta: &'w SnapshotMeta,
    pub(super) evidence: Option<Evidence<'w>>,
}

/// Writes tables to a new folder, several at a time.
pub(super) fn write_feeds(what: Written<'_>, feeds: &[(String, &dyn Feed)], path: &Path, force: bool) -> Result<Manifest, DiskError> {
    let replaces = check_place(path, force)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = private_temporary(parent, ".partial")?;
    let about = About::of(what.schema, what.meta);
    let write = |(table, feed): &(String, &dyn Feed)| {
        let name = format!("{table}.parquet");
        let target = folder.path().join(&name);
        let wrong = |message| DiskError::File { file: name.clone(), message };
        let mut output = HashedFile::create(&target)?;
        parquet::write_table(*feed, &mut output).map_err(wrong)?;
        let sha256 = output.finish(&target)?;
        let root = about.roots.get(table).cloned();
        Ok(FileEntry { name, root, rows: feed.n_rows() as u64, sha256 })
    };
    let files: Result<Vec<FileEntry>, DiskError> = feeds.par_iter().with_max_len(1).map(write).collect();
    let mut files = files?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut manifest = Manifest::new(what.schema, &about, files);
    if let Some(evidence) = what.evidence {
        manifest.evidence = evidence.files.to_vec();
        let target = folder.path().join(EVIDENCE);
        fs::rename(evidence.folder, &target).map_err(DiskError::io(&target, "move the recorded answers to"))?;
    }
    let target = folder.path().join(MANIFEST);
    let mut output = HashedFile::create(&target)?;
    output.write_all(manifest.to_json()?.as_bytes()).map_err(DiskError::io(&target, "write"))?;
    output.finish(&target)?;
    sync_folder(folder.path())?;
    put_in_place(folder, path, parent, replaces)?;
    Ok(manifest)
}

/// Tells whether a snapshot is to be replaced.
fn check_place(path: &Path, force: bool) -> Result<bool, DiskError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::io(path, "look at")(error)),
        Ok(_) if !force => Err(DiskError::Exists { path: path.to_owned() }),
        Ok(found) if found.is_dir() && path.join(MANIFEST).is_file() => Ok(true),
        Ok(_) => Err(DiskError::NotOurs { path: path.to_owned() }),
    }
}

pub(super) fn put_in_place(folder: tempfile::TempDir, path: &Path, parent: &Path, replaces: bool) -> Result<(), DiskError> {
    let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(DiskError::io(to, "rename the finished folder to"));
    if replaces {
        // The old snapshot is moved aside, not removed, until the new one is in its place.
        let aside = private_temporary(parent, ".replaced")?;
        let old = aside.path().join("old");
        rename(path, &old)?;
        if let Err(error) = rename(folder.path(), path) {
            rename(&old, path)?;
            return Err(error);
        }
    } else {
        rename(folder.path(), path)?;
    }
    // It bears its final name now, so there is nothing left to clean up.
    let _ = folder.keep();
    sync_folder(parent)
}

pub(super) fn private_temporary(parent: &Path, suffix: &str) -> Result<tempfile::TempDir, DiskError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tenet-").suffix(suffix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(parent).map_err(DiskError::io(parent, "make a folder in"))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(DiskError::io(path, "sync"))?;
    }
    Ok(())
}

/// Makes a folder that only its owner can read.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a new file that only its owner can read.
pub(super) fn create_private(path: &Path) -> Result<File, DiskError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(DiskError::io(path, "create"))
}

/// A new private file whose digest is taken while it is written.
pub(super) struct HashedFile {
    file: io::BufWriter<File>,
    digest: Sha256,
}

impl HashedFile {
    pub(super) fn create(path: &Path) -> Result<Self, DiskError> {
        Ok(Self { file: io::BufWriter::new(create_private(path)?), digest: Sha256::new() })
    }

    /// Syncs the file and returns its sha256 in hexadecimal.
    pub(super) fn finish(mut self, path: &Path) -> Result<String, DiskError> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(DiskError::io(path, "write"))?;
        Ok(hex(&self.digest.finalize()))
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.digest.update(bytes.get(..n).unwrap_or(bytes));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

//! The journal on disk: `journal/<plan-id>.jsonl`, one object a line, each tied to the one before by its hash.
//!
//! In: entries. Out: lines that are on disk before [`Journal::append`] returns, and the entries again. Invariants: a line is
//! written whole and synced, or nothing is written after it; a torn last line is dropped and said so; any other break is an
//! error that [`JournalFileError::is_tampering`] calls tampering; one process works in the folder at a time.

mod lock;
mod wire;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use lock::JournalFolder;

use crate::remedy::journal::{Entry, Journal, JournalError, Progress, fold};

/// The largest journal that is read or written.
const JOURNAL_BYTES_MAX: u64 = 512 << 20;

/// Why a journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalFileError {
    /// The operating system refuses.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error("{path}: another apply is at work{}", if .holder.is_empty() { String::new() } else { format!(": {}", .holder) })]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who, and since when.
        holder: String,
    },
    /// The plan has a journal already.
    #[error("{path}: this plan was used already; `tenet apply --resume` goes on with it if it is not complete")]
    Used {
        /// The journal.
        path: PathBuf,
    },
    /// The plan has no journal.
    #[error("{path}: there is no such journal, so there is nothing to resume; apply the plan without --resume")]
    Missing {
        /// The journal.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("{path}:{line}: the journal was changed after it was written: {message}")]
    Broken {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It is of another plan.
    #[error("{path}: it is the journal of the plan {found}, not of {wanted}")]
    OtherPlan {
        /// The journal.
        path: PathBuf,
        /// Digest of its plan.
        found: String,
        /// Digest of the plan at hand.
        wanted: String,
    },
    /// It is larger than any journal.
    #[error("{path}: larger than {JOURNAL_BYTES_MAX} bytes, the limit for a journal")]
    TooLarge {
        /// The journal.
        path: PathBuf,
    },
}

impl JournalFileError {
    /// Tells whether the file is not what its hashes vouch for.
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::OtherPlan { .. })
    }
}

/// A journal that was read.
#[derive(Debug, Clone)]
pub struct ReadJournal {
    /// Its entries; the first is `open`.
    pub entries: Vec<Entry>,
    /// What they say.
    pub progress: Progress,
    /// Bytes of a torn last line that were left out.
    pub torn_bytes: u64,
    /// Bytes before it.
    whole_bytes: u64,
    /// Hash of the last whole line.
    last_hash: String,
}

/// Where lines go: a file, or what a test puts in its place.
pub trait Store {
    /// Writes bytes at the end.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything written is on disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub struct JournalFile<S = File> {
    store: S,
    seq: u64,
    last_hash: String,
    bytes: u64,
    broken: Option<String>,
}

impl<S: Store> JournalFile<S> {
    /// Begins an empty journal in a store.
    pub fn new(store: S) -> Self {
        Self { store, seq: 0, last_hash: wire::NO_HASH.to_owned(), bytes: 0, broken: None }
    }

    /// Puts another store in place of this one, which it is made from.
    pub fn map_store<T: Store>(self, make: impl FnOnce(S) -> T) -> JournalFile<T> {
        JournalFile { store: make(self.store), seq: self.seq, last_hash: self.last_hash, bytes: self.bytes, broken: self.broken }
    }

    fn write(&mut self, entry: &Entry) -> Result<(), String> {
        let (line, hash) = wire::encode(self.seq + 1, &self.last_hash, entry)?;
        let bytes = self.bytes + line.len() as u64;
        if bytes > JOURNAL_BYTES_MAX {
            return Err(format!("it would be larger than {JOURNAL_BYTES_MAX} bytes, the limit for a journal"));
        }
        self.store.append(line.as_bytes()).and_then(|()| self.store.sync()).map_err(|error| error.to_string())?;
        (self.seq, self.last_hash, self.bytes) = (self.seq + 1, hash, bytes);
        Ok(())
    }
}

impl<S: Store> Journal for JournalFile<S> {
    fn append(&mut self, entry: Entry) -> Result<(), JournalError> {
        // After a failed write nobody knows what the file ends with; a further line would make it a broken one.
        if let Some(message) = &self.broken {
            return Err(JournalError(message.clone()));
        }
        self.write(&entry).map_err(|message| {
            self.broken = Some(message.clone());
            JournalError(message)
        })
    }
}

/// Reads a journal.
///
/// # Errors
/// [`JournalFileError`].
pub fn read_journal(path: &Path) -> Result<ReadJournal, JournalFileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => JournalFileError::Missing { path: path.to_owned() },
        _ => JournalFileError::Io { path: path.to_owned(), action: "read", source },
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(JOURNAL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > JOURNAL_BYTES_MAX {
        return Err(JournalFileError::TooLarge { path: path.to_owned() });
    }
    decode_journal(&bytes, path)
}

/// Reads a journal from the bytes of its file; `path` is for messages.
///
/// # Errors
/// [`JournalFileError`].
pub fn decode_journal(bytes: &[u8], path: &Path) -> Result<ReadJournal, JournalFileError> {
    let broken = |line: usize, message: String| JournalFileError::Broken { path: path.to_owned(), line, message };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut entries = Vec::new();
    let mut last_hash = wire::NO_HASH.to_owned();
    let lines = bytes.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
    for (at, line) in lines.enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (entry, hash) = wire::decode(line, at as u64 + 1, &last_hash).map_err(|message| broken(at + 1, message))?;
        entries.push(entry);
        last_hash = hash;
    }
    let torn_bytes = (bytes.len() - whole) as u64;
    let progress = fold(&entries).map_err(|error| broken(error.entry, error.message))?;
    Ok(ReadJournal { entries, progress, torn_bytes, whole_bytes: whole as u64, last_hash })
}

/// Opens a journal that was read, to go on with it; a torn last line is cut off.
fn reopen(path: &Path, read: &ReadJournal) -> Result<JournalFile, JournalFileError> {
    let io = |source| JournalFileError::Io { path: path.to_owned(), action: "write", source };
    let mut file = OpenOptions::new().write(true).open(path).map_err(io)?;
    file.set_len(read.whole_bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    file.seek(SeekFrom::End(0)).map_err(io)?;
    Ok(JournalFile {
        store: file,
        seq: read.entries.len() as u64,
        last_hash: read.last_hash.clone(),
        bytes: read.whole_bytes,
        broken: None,
    })
}

#[cfg(test)]
mod tests;

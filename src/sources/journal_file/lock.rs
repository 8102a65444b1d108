//! The folder of journals, which one process works in at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::plan_file::PlanFile;
use super::{JournalFile, JournalFileError, ReadJournal, read_journal, reopen};

const LOCK: &str = ".lock";
/// How much is read of what the holder of the lock says of itself.
const HOLDER_BYTES_MAX: u64 = 1_024;

/// The folder of journals, locked until this is dropped or the process ends.
#[derive(Debug)]
pub struct JournalFolder {
    path: PathBuf,
    /// The system frees the lock when the file is closed, however the process ends.
    _lock: File,
}

impl JournalFolder {
    /// Makes the folder (0700) if it is not there, and locks it; `who` is told to those who find it locked.
    ///
    /// # Errors
    /// [`JournalFileError::Locked`], [`JournalFileError::Io`].
    pub fn lock(path: &Path, who: &str, now: Timestamp) -> Result<Self, JournalFileError> {
        let io = |action| move |source| JournalFileError::Io { path: path.to_owned(), action, source };
        make_folder(path).map_err(io("make the folder"))?;
        let mut lock = private(OpenOptions::new().read(true).write(true).create(true).truncate(false), &path.join(LOCK))
            .map_err(io("open the lock in"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is, is a courtesy; that the folder is locked is what counts.
                let _ = lock.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                return Err(JournalFileError::Locked { path: path.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let said = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{who}, since {now}"));
        said.map_err(io("write the lock in"))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Returns where the journal of a plan stands.
    #[must_use]
    pub fn journal_path(&self, plan: &PlanFile) -> PathBuf {
        self.path.join(format!("{}.jsonl", plan.plan.id))
    }

    /// Makes the journal of a plan that has none. The empty file and its name are on disk when this returns.
    ///
    /// # Errors
    /// [`JournalFileError::Used`] if there is one, [`JournalFileError::Io`].
    pub fn create(&self, plan: &PlanFile) -> Result<JournalFile, JournalFileError> {
        let path = self.journal_path(plan);
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => JournalFileError::Used { path: path.clone() },
            _ => JournalFileError::Io { path: path.clone(), action: "make", source },
        };
        let file = private(OpenOptions::new().write(true).create_new(true), &path).map_err(io)?;
        file.sync_all().and_then(|()| File::open(&self.path)?.sync_all()).map_err(io)?;
        Ok(JournalFile::new(file))
    }

    /// Opens the journal of a plan to go on with it. One without a whole line is as good as none: it is made anew.
    ///
    /// # Errors
    /// [`JournalFileError`].
    pub fn resume(&self, plan: &PlanFile) -> Result<(JournalFile, Option<ReadJournal>), JournalFileError> {
        let path = self.journal_path(plan);
        if whole_lines(&path)? == 0 {
            let io = |source| JournalFileError::Io { path: path.clone(), action: "write", source };
            let file = OpenOptions::new().write(true).open(&path).map_err(io)?;
            file.set_len(0).and_then(|()| file.sync_all()).map_err(io)?;
            return Ok((JournalFile::new(file), None));
        }
        let read = read_journal(&path)?;
        if read.progress.opened.digest != plan.digest {
            let (found, wanted) = (read.progress.opened.digest.clone(), plan.digest.clone());
            return Err(JournalFileError::OtherPlan { path, found, wanted });
        }
        Ok((reopen(&path, &read)?, Some(read)))
    }
}

/// Counts line ends, up to one.
fn whole_lines(path: &Path) -> Result<usize, JournalFileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => JournalFileError::Missing { path: path.to_owned() },
        _ => JournalFileError::Io { path: path.to_owned(), action: "read", source },
    };
    let mut file = File::open(path).map_err(io)?;
    let mut piece = [0_u8; 8 << 10];
    loop {
        let n = file.read(&mut piece).map_err(io)?;
        let read = piece.get(..n).unwrap_or_default();
        if read.contains(&b'\n') {
            return Ok(1);
        }
        if n == 0 {
            return Ok(0);
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

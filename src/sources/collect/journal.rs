//! Answers as they come: one line each, in the order of their arrival, so that a run that is killed goes on where it was.
//!
//! A line is a head and an exchange with a tab between them. What a list was read for in vain is crossed out by a later
//! line. A last line that is torn is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::CollectError;
use super::operation::Per;

/// The largest journal.
const BYTES_MAX: u64 = 64 << 30;
/// The longest line: an answer at its limit, and its head.
const LINE_BYTES_MAX: u64 = 200 << 20;
/// Lines after which the file is synced: as many answers can be lost if the machine itself fails.
const SYNC_EVERY: u32 = 64;
const NAME: &str = "answers.journal";
const ABOUT: &str = "about.json";
/// Holds the instant at which the collection began.
const BEGUN: &str = "begun";

/// Which list an answer belongs to: its operation, by its place in [`Operation::ALL`](super::Operation::ALL), and what it is
/// asked of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct StreamKey {
    pub(super) operation: u8,
    pub(super) of: String,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    /// A page that was read.
    Page,
    /// An answer after which the list is not whole, or no answer.
    Failure,
    /// The pages so far are crossed out: the list is read again.
    Restart,
    /// The list was read to its end; whether it was the same on a second look.
    End(Option<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    key: StreamKey,
    mark: Mark,
    /// The next page.
    next: Option<String>,
    /// What the page holds, as a digest of its ids.
    ids: Option<String>,
    /// What it says other operations are asked of.
    parents: Vec<Named>,
}

/// Something an answer names that other operations are asked of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) per: Per,
    pub(super) of: String,
}

/// Where an exchange lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// A page as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownPage {
    pub(super) place: Place,
    pub(super) next: Option<String>,
    pub(super) ids: Option<String>,
    pub(super) parents: Vec<Named>,
}

/// A list as the journal knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) pages: Vec<KnownPage>,
    pub(super) failure: Option<Place>,
    /// Set when the list was read to its end: none, or what keeps it from being whole.
    pub(super) end: Option<Option<String>>,
    pub(super) restarts: u32,
}

/// What one line adds.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: StreamKey,
    pub(super) mark: Mark,
    pub(super) next: Option<String>,
    pub(super) ids: Option<String>,
    pub(super) parents: Vec<Named>,
    pub(super) exchange: String,
}

/// What a journal is of; one of something else is not gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    format: String,
    tenant: String,
    principal: String,
    arm: String,
    graph: String,
    partner_center: Option<String>,
}

/// Times the lock is asked for: a program that is being started holds for a moment what the one that starts it has open.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Opens the file of a journal, locked until it is closed.
fn lock(path: &Path) -> Result<File, CollectError> {
    let file = private_file(path).map_err(CollectError::io(path))?;
    for attempt in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) if attempt + 1 < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::WouldBlock) => break,
            // A file system without locks.
            Ok(()) | Err(fs::TryLockError::Error(_)) => return Ok(file),
        }
    }
    let why = format!("{}: another collection is writing here; wait for it, or write to another name", path.display());
    Err(CollectError::NotOurs(why))
}

/// The journal of a collection that has not ended.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    at: u64,
    unsynced: u32,
    known: BTreeMap<StreamKey, Known>,
    /// What was dropped at the end of the file.
    torn: u64,
}

impl Journal {
    /// Opens the journal in a folder: one that is there if `resume`, else a new one.
    ///
    /// # Errors
    /// If it is of another directory, identity or cloud, or the system refuses.
    pub fn open(folder: &Path, resume: bool, whose: &super::run::Whose) -> Result<Self, CollectError> {
        let about = About {
            format: "tenet.collection/v2".to_owned(),
            tenant: whose.tenant.clone(),
            principal: whose.principal.clone(),
            arm: whose.arm.clone(),
            graph: whose.graph.clone(),
            partner_center: whose.partner_center.clone(),
        };
        let text = serde_json::to_string(&about).map_err(|error| CollectError::NotOurs(error.to_string()))?;
        let path = folder.join(NAME);
        // Held until the folder is begun anew, which nobody else may be writing to.
        let held = if path.exists() { Some(lock(&path)?) } else { None };
        if !resume && folder.exists() {
            fs::remove_dir_all(folder).map_err(CollectError::io(folder))?;
        }
        if !folder.exists() {
            private_folder(folder).map_err(CollectError::io(folder))?;
        }
        let path = folder.join(ABOUT);
        if path.exists() {
            let found = fs::read_to_string(&path).map_err(CollectError::io(&path))?;
            let found: About = serde_json::from_str(&found)
                .map_err(|error| CollectError::NotOurs(format!("{}: {error}; start anew without --resume", path.display())))?;
            differs(&found, &about)?;
        } else {
            let mut file = private_file(&path).map_err(CollectError::io(&path))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(CollectError::io(&path))?;
        }
        drop(held);
        let path = folder.join(NAME);
        let file = lock(&path)?;
        let mut journal = Self { folder: folder.to_owned(), file, at: 0, unsynced: 0, known: BTreeMap::new(), torn: 0 };
        journal.read_back().map_err(CollectError::io(&path))?;
        Ok(journal)
    }

    /// Returns the folder it stands in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how many bytes of a torn line were dropped when it was opened.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Returns when the collection began: now, unless it was begun before.
    pub(super) fn begun(&self, now: Timestamp) -> Result<Timestamp, CollectError> {
        let path = self.folder.join(BEGUN);
        if path.exists() {
            let found = fs::read_to_string(&path).map_err(CollectError::io(&path))?;
            let wrong = || CollectError::NotOurs(format!("{}: it holds no time; start anew without --resume", path.display()));
            if !found.is_empty() {
                return found.parse().map_err(|_| wrong());
            }
        }
        let mut file = private_file(&path).map_err(CollectError::io(&path))?;
        file.write_all(now.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(CollectError::io(&path))?;
        Ok(now)
    }

    /// Reads the lines that are there, and cuts off a torn one.
    fn read_back(&mut self) -> std::io::Result<()> {
        let size = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let n = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? as u64;
            let Some((head, place)) = parsed(&line, self.at) else { break };
            self.fold(head, place);
            self.at += n;
        }
        self.torn = size.saturating_sub(self.at);
        self.file.set_len(self.at)?;
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }

    /// Adds a line. It is with the system when this returns, so that a killed program loses nothing.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), CollectError> {
        let Entry { key, mark, next, ids, parents, exchange } = entry;
        let head = Head { key, mark, next, ids, parents };
        let written = serde_json::to_string(&head).map_err(std::io::Error::other);
        let line = written.map(|head| format!("{head}\t{exchange}\n"));
        let path = self.folder.join(NAME);
        let line = line.map_err(CollectError::io(&path))?;
        if self.at + line.len() as u64 > BYTES_MAX {
            return Err(CollectError::Limit { what: "the size of all answers in bytes", limit: BYTES_MAX });
        }
        self.file.write_all(line.as_bytes()).map_err(CollectError::io(&path))?;
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        let bytes = exchange.len() as u64;
        let place = Place { at: self.at + line.len() as u64 - 1 - bytes, bytes };
        self.at += line.len() as u64;
        self.fold(head, place);
        Ok(())
    }

    /// Puts what was written onto the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&mut self) -> Result<(), CollectError> {
        self.unsynced = 0;
        self.file.sync_data().map_err(CollectError::io(&self.folder.join(NAME)))
    }

    fn fold(&mut self, head: Head, place: Place) {
        let known = self.known.entry(head.key).or_default();
        match head.mark {
            Mark::Page => {
                known.failure = None;
                known.pages.push(KnownPage { place, next: head.next, ids: head.ids, parents: head.parents });
            }
            Mark::Failure => known.failure = Some(place),
            Mark::Restart => *known = Known { restarts: known.restarts + 1, ..Known::default() },
            Mark::End(gap) => known.end = Some(gap),
        }
    }

    /// Returns what is known of a list.
    pub(super) fn known(&self, key: &StreamKey) -> Option<&Known> {
        self.known.get(key)
    }

    /// Returns all lists in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&StreamKey, &Known)> {
        self.known.iter()
    }

    /// Reads an exchange back.
    pub(super) fn exchange(&self, place: Place) -> Result<String, CollectError> {
        let path = self.folder.join(NAME);
        let mut file = File::open(&path).map_err(CollectError::io(&path))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(place.at)).map_err(CollectError::io(&path))?;
        file.take(place.bytes).read_to_end(&mut bytes).map_err(CollectError::io(&path))?;
        String::from_utf8(bytes).map_err(|error| CollectError::NotOurs(format!("{}: {error}", path.display())))
    }

    /// Removes it, once its answers are in a snapshot.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(self) -> Result<(), CollectError> {
        fs::remove_dir_all(&self.folder).map_err(CollectError::io(&self.folder))
    }
}

fn parsed(line: &[u8], at: u64) -> Option<(Head, Place)> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (head, exchange) = text.split_once('\t')?;
    let place = Place { at: at + head.len() as u64 + 1, bytes: exchange.len() as u64 };
    Some((serde_json::from_str(head).ok()?, place))
}

fn differs(found: &About, wanted: &About) -> Result<(), CollectError> {
    let shown = |endpoint: &Option<String>| endpoint.clone().unwrap_or_else(|| "nowhere".to_owned());
    let pairs = [
        ("format", found.format.clone(), wanted.format.clone()),
        ("directory", found.tenant.clone(), wanted.tenant.clone()),
        ("identity", found.principal.clone(), wanted.principal.clone()),
        ("endpoint of Azure Resource Manager", found.arm.clone(), wanted.arm.clone()),
        ("endpoint of Microsoft Graph", found.graph.clone(), wanted.graph.clone()),
        ("endpoint of Partner Center", shown(&found.partner_center), shown(&wanted.partner_center)),
    ];
    match pairs.iter().find(|(_, found, wanted)| found != wanted) {
        Some((what, found, wanted)) => Err(CollectError::NotOurs(format!(
            "the collection that was begun has the {what} {found}, and this one {wanted}; start anew without --resume"
        ))),
        None => Ok(()),
    }
}

pub(super) fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file to read and write, made private to its owner if it is new.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

//! What an import says of each file.

use std::collections::BTreeMap;

/// What became of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The file, relative to the path that was given.
    pub file: String,
    /// Kinds of objects that were taken, with their number.
    pub taken: Vec<(String, usize)>,
    /// What was left out, how often, and why.
    pub skipped: Vec<(String, usize, String)>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// Counts for a report while a file is read.
#[derive(Debug, Clone, Default)]
pub(in crate::sources) struct Tally {
    file: String,
    taken: BTreeMap<String, usize>,
    skipped: BTreeMap<(String, String), usize>,
    notes: Vec<String>,
}

impl Tally {
    pub(in crate::sources) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    pub(in crate::sources) fn take(&mut self, kind: &str) {
        *self.taken.entry(kind.to_owned()).or_default() += 1;
    }

    pub(in crate::sources) fn skip(&mut self, what: &str, why: &str) {
        *self.skipped.entry((what.to_owned(), why.to_owned())).or_default() += 1;
    }

    pub(in crate::sources) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(in crate::sources) fn report(self) -> FileReport {
        FileReport {
            file: self.file,
            taken: self.taken.into_iter().collect(),
            skipped: self.skipped.into_iter().map(|((what, why), count)| (what, count, why)).collect(),
            notes: self.notes,
        }
    }
}

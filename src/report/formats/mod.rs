//! Reports, one format a file: each takes any [`ResultSource`] and writes it while its findings are read.
//!
//! A new format is a variant of [`Format`], a line in [`Format::ALL`], its name, its arm in [`write_report`], and a file here
//! with `pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()>`. Tests that go over
//! [`Format::ALL`] (hostile names, byte-equality) then hold it too.
//!
//! Invariants: the same result gives the same bytes; no clock, no locale; every text of a tenant is escaped for the format;
//! every summary shows every count and how much was evaluated; a verdict that rests on an attestation says so.

use std::io::{self, Write};

use super::html::{self, Since, Surroundings};
use super::saved::ResultSource;
use super::stream::write_again;
use super::table::{TableStyle, table_again};

/// A kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For a terminal.
    Table,
    /// `tenet.result/v1`: whole, and what all others can be made from.
    Json,
    /// One page for an auditor to keep.
    Html,
}

impl Format {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 3] = [Self::Table, Self::Json, Self::Html];

    /// Returns the name used on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What a report depends on besides its result.
#[derive(Debug, Clone, Copy)]
pub struct Rendering<'a> {
    /// How a table is drawn.
    pub table: TableStyle,
    /// The snapshot, for reports with pictures; without it they say that there are none.
    pub surroundings: Option<Surroundings<'a>>,
    /// What has changed since a baseline.
    pub since: Option<&'a Since>,
}

/// Writes a report.
///
/// # Errors
/// What `output` says, and what reading says.
pub fn write_report(format: Format, result: &dyn ResultSource, rendering: Rendering<'_>, output: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => output.write_all(table_again(result, rendering.table)?.as_bytes()),
        Format::Json => write_again(result, output),
        Format::Html => html::write(result, rendering.surroundings, rendering.since, output),
    }
}

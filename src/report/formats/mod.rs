//! Reports, one format a file: each takes any [`ResultSource`] and writes it while its findings are read.
//!
//! A new format is a variant of [`Format`], a line in [`Format::ALL`], its name, its arm in [`write_report`], and a file here
//! with `pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()>`. Tests that go over
//! [`Format::ALL`] (hostile names, byte-equality) then hold it too.
//!
//! Invariants: the same result gives the same bytes; no clock, no locale; every text of a tenant is escaped for the format;
//! every summary shows every count and how much was evaluated; a verdict that rests on an attestation says so.

use std::io::{self, Write};

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
}

impl Format {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 2] = [Self::Table, Self::Json];

    /// Returns the name used on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
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
pub struct Rendering {
    /// How a table is drawn.
    pub table: TableStyle,
}

/// Writes a report.
///
/// # Errors
/// What `output` says, and what reading says.
pub fn write_report(format: Format, result: &dyn ResultSource, rendering: Rendering, output: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => output.write_all(table_again(result, rendering.table)?.as_bytes()),
        Format::Json => write_again(result, output),
    }
}

//! Reports, one format a file: each takes any [`ResultSource`] and writes it while its findings are read.
//!
//! A new format is a variant of [`Format`], a line in [`Format::ALL`], its name, its arm in [`write_report`], and a file here
//! with `pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()>`. Tests that go over
//! [`Format::ALL`] (hostile names, byte-equality) then hold it too.
//!
//! Invariants: the same result gives the same bytes; no clock, no locale; every text of a tenant is escaped for the format;
//! every summary shows every count and how much was evaluated; a verdict that rests on an attestation says so.

mod actions;
mod annotations;
mod csv;
mod junit;
mod markdown;
mod ocsf;
mod oscal;
mod said;
mod sarif;

use std::io::{self, Write};

use annotations::Service;

use super::html::{self, Surroundings};
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
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// JUnit XML, for build servers.
    Junit,
    /// A row a rule, requirement and subject.
    Csv,
    /// A row a thing to do.
    Actions,
    /// For a pull request.
    Markdown,
    /// Annotations of GitHub Actions.
    Github,
    /// Annotations of Azure DevOps.
    Azure,
    /// OCSF 1.6.0 compliance findings, one a line.
    Ocsf,
    /// OSCAL 1.1.3 assessment results.
    Oscal,
    /// One page for an auditor to keep.
    Html,
}

impl Format {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 12] = [
        Self::Table,
        Self::Json,
        Self::Sarif,
        Self::Junit,
        Self::Csv,
        Self::Actions,
        Self::Markdown,
        Self::Github,
        Self::Azure,
        Self::Ocsf,
        Self::Oscal,
        Self::Html,
    ];

    /// Returns the name used on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Csv => "csv",
            Self::Actions => "actions",
            Self::Markdown => "markdown",
            Self::Github => "github",
            Self::Azure => "azure",
            Self::Ocsf => "ocsf",
            Self::Oscal => "oscal",
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
}

/// Writes a report.
///
/// # Errors
/// What `output` says, and what reading says.
pub fn write_report(format: Format, result: &dyn ResultSource, rendering: Rendering<'_>, output: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => output.write_all(table_again(result, rendering.table)?.as_bytes()),
        Format::Json => write_again(result, output),
        Format::Sarif => sarif::write(result, output),
        Format::Junit => junit::write(result, output),
        Format::Csv => csv::write(result, output),
        Format::Actions => actions::write(result, output),
        Format::Markdown => markdown::write(result, output),
        Format::Github => annotations::write(Service::Github, result, output),
        Format::Azure => annotations::write(Service::Azure, result, output),
        Format::Ocsf => ocsf::write(result, output),
        Format::Oscal => oscal::write(result, output),
        Format::Html => html::write(result, rendering.surroundings, output),
    }
}

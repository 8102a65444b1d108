//! A row for each rule, requirement and subject, as RFC 4180 says: a header, commas, CR LF.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula; such a cell gets an
//! apostrophe (OWASP, *CSV Injection*). Control characters stand as their codes.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{Terminator, WriterBuilder};

use super::said;
use crate::report::document::{FindingResult, ResultDocument};
use crate::report::escape::{is_harmless, plain};
use crate::report::saved::ResultSource;

const COLUMNS: [&str; 19] = [
    "key",
    "rule",
    "pack",
    "requirement",
    "subject_type",
    "subject_id",
    "subject_name",
    "verdict",
    "waived",
    "severity",
    "blocking",
    "due",
    "message",
    "missing",
    "remedy",
    "attested",
    "waiver_until",
    "waiver_because",
    "waiver_approved_by",
];

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    table(output, &COLUMNS, |rows| result.findings(&mut |finding| rows.row(&cells(result.head(), finding))))
}

fn cells<'r>(head: &'r ResultDocument, finding: &'r FindingResult) -> [Cow<'r, str>; COLUMNS.len()] {
    let text = |text: &'r Option<String>| Cow::from(text.as_deref().unwrap_or(""));
    let yes = |yes: bool| Cow::from(if yes { "true" } else { "false" });
    let subject = finding.subject.as_ref();
    let waiver = head.waiver_of(finding);
    [
        Cow::from(&finding.key),
        Cow::from(&finding.rule),
        text(&finding.pack),
        Cow::from(said::requirement(finding)),
        subject.map_or_else(Cow::default, |subject| Cow::from(&subject.entity)),
        subject.map_or_else(Cow::default, |subject| Cow::from(&subject.id)),
        subject.map_or_else(|| Cow::from("subjects that were not read"), |subject| Cow::from(&subject.name)),
        Cow::from(finding.verdict.name()),
        yes(finding.waived),
        Cow::from(finding.severity.name()),
        yes(finding.blocking),
        text(&finding.due),
        text(&finding.message),
        if finding.missing.is_empty() { Cow::default() } else { Cow::from(said::missing(finding)) },
        text(&finding.remedy),
        said::attested(finding).map_or_else(Cow::default, Cow::from),
        waiver.map_or_else(Cow::default, |waiver| Cow::from(&waiver.until)),
        waiver.map_or_else(Cow::default, |waiver| Cow::from(&waiver.because)),
        waiver.map_or_else(Cow::default, |waiver| Cow::from(waiver.approved_by.join(", "))),
    ]
}

/// Rows of a table that is written.
pub(super) struct Rows<'o>(::csv::Writer<&'o mut dyn Write>);

impl Rows<'_> {
    /// Writes a row.
    pub(super) fn row(&mut self, cells: &[impl AsRef<str>]) -> io::Result<()> {
        for cell in cells.iter().map(AsRef::as_ref) {
            if is_neutral(cell) {
                self.0.write_field(cell)?;
            } else {
                self.0.write_field(neutral(cell))?;
            }
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }
}

/// Writes a table with a header.
pub(super) fn table(output: &mut dyn Write, columns: &[&str], rows: impl FnOnce(&mut Rows<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = Rows(WriterBuilder::new().terminator(Terminator::CRLF).from_writer(output));
    writer.0.write_record(columns)?;
    rows(&mut writer)?;
    writer.0.flush()
}

/// Tells quickly of most cells that nothing of them has to change.
fn is_neutral(cell: &str) -> bool {
    cell.as_bytes().first().is_none_or(|byte| byte.is_ascii_alphanumeric() || *byte == b'/') && is_harmless(cell.as_bytes())
}

/// Makes a cell that no program takes for anything but text.
fn neutral(cell: &str) -> String {
    let safe = plain(cell);
    // A blank does not keep every program from looking further; full-width signs are formulas in some.
    let begins = cell.trim_start().chars().next();
    let formula = begins.is_some_and(|c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    if formula || cell.starts_with(['\t', '\r', '\n']) { format!("'{safe}") } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        assert_eq!(neutral("=1+1"), "'=1+1");
        assert_eq!(neutral(" @SUM(A1)"), "' @SUM(A1)");
        assert_eq!(neutral("\t=x"), "'\\u{9}=x");
        assert_eq!(neutral("＝x"), "'＝x");
        for text in ["a=b", "/subscriptions/x", "Größe", "", "it's"] {
            assert_eq!(neutral(text), text);
            assert!(!is_neutral(text) || neutral(text) == text);
        }
        assert!(!is_neutral("=x") && !is_neutral("-x") && !is_neutral("a\u{1b}") && !is_neutral("a##vso["));
    }
}

//! The result as JSON, written finding by finding: as large as it may be, no more of it is in memory than one finding.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::document::{Captured, FindingResult, PastFinding, ResultDocument, RuleResult, RunIdentity, Summary, Unread, WaiverResult};
use super::escape::plain_json_after;
use super::result::{Holes, Report};
use super::saved::ResultSource;

/// How much is made safe to show at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// Writes a result as `tenet.result/v1`, in canonical order and with a line break at the end, while its findings are made.
///
/// # Errors
/// What `output` says.
pub fn write_result(report: &Report<'_>, output: &mut dyn Write) -> io::Result<()> {
    let holes = RefCell::new(Holes::default());
    let (findings, unread) = (Made { report, holes: &holes }, Noted(&holes));
    write_plainly(&Streamed::of(report.head(), findings, unread), output)
}

/// Writes a result that is there already, to the same bytes.
///
/// # Errors
/// What `output` says, and what reading says.
pub(super) fn write_again(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    write_plainly(&Streamed::of(head, Read(result), &head.unread), output)
}

/// Writes JSON that is safe to show, with a line break at the end.
pub(super) fn write_plainly(document: &impl Serialize, output: &mut dyn Write) -> io::Result<()> {
    let mut output = Plain::to(output);
    serde_json::to_writer_pretty(&mut output, document).map_err(io::Error::from)?;
    output.write_all(b"\n")?;
    output.finish()
}

/// A [`ResultDocument`] whose findings are made while they are written. The same fields in the same order.
#[derive(Serialize)]
struct Streamed<'r, F, U> {
    format: &'r str,
    run: &'r RunIdentity,
    now: &'r str,
    tenant: &'r Option<String>,
    captured: &'r Captured,
    parameters: &'r BTreeMap<String, String>,
    summary: &'r Summary,
    rules: &'r [RuleResult],
    findings: F,
    unread: U,
    waivers: &'r [WaiverResult],
    problems: &'r [String],
    history: &'r [PastFinding],
}

impl<'r, F, U> Streamed<'r, F, U> {
    fn of(head: &'r ResultDocument, findings: F, unread: U) -> Self {
        let ResultDocument { format, run, now, tenant, captured, parameters, summary, rules, waivers, problems, history, .. } = head;
        Self { format, run, now, tenant, captured, parameters, summary, rules, findings, unread, waivers, problems, history }
    }
}

/// Findings that are made, and what they lack noted.
struct Made<'r, 'a> {
    report: &'r Report<'a>,
    holes: &'r RefCell<Holes>,
}

impl Serialize for Made<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let holes = self.holes;
        serializer.collect_seq(self.report.runs().flatten().filter_map(|finding| finding.made(&mut holes.borrow_mut())))
    }
}

/// What could not be looked at; known once the findings are written, which stand before it.
struct Noted<'r>(&'r RefCell<Holes>);

impl Serialize for Noted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let unread: Vec<Unread> = self.0.take().sorted();
        unread.serialize(serializer)
    }
}

/// Findings that are there already.
struct Read<'r>(&'r dyn ResultSource);

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        collect(serializer, self.0, |_| Ok(()), |finding, list| list.serialize_element(finding))
    }
}

/// Writes a list of what comes first and of what is made of each finding.
pub(super) fn collect<S: Serializer>(
    serializer: S,
    result: &dyn ResultSource,
    first: impl FnOnce(&mut S::SerializeSeq) -> Result<(), S::Error>,
    mut element: impl FnMut(&FindingResult, &mut S::SerializeSeq) -> Result<(), S::Error>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    first(&mut list)?;
    let mut refused = None;
    let read = result.findings(&mut |finding| {
        element(finding, &mut list).map_err(|error| {
            refused = Some(error);
            io::Error::other("it cannot be written")
        })
    });
    match (read, refused) {
        (_, Some(refused)) => Err(refused),
        (Err(error), None) => Err(S::Error::custom(error)),
        (Ok(()), None) => list.end(),
    }
}

/// Makes JSON safe to show while it is written.
struct Plain<'o> {
    output: &'o mut dyn Write,
    held: Vec<u8>,
    /// The last character that was passed on.
    before: Option<char>,
}

impl<'o> Plain<'o> {
    fn to(output: &'o mut dyn Write) -> Self {
        Self { output, held: Vec::new(), before: None }
    }

    /// Passes on what is held, but for a character that is not whole yet.
    fn pass(&mut self) -> io::Result<()> {
        let whole = match std::str::from_utf8(&self.held) {
            Ok(text) => text,
            Err(error) => self.held.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok()).unwrap_or(""),
        };
        let passed = whole.len();
        self.output.write_all(plain_json_after(self.before, whole).as_bytes())?;
        self.before = whole.chars().next_back().or(self.before);
        self.held.drain(..passed);
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.pass()?;
        if self.held.is_empty() { self.output.flush() } else { Err(io::Error::new(io::ErrorKind::InvalidData, "a text is not UTF-8")) }
    }
}

impl Write for Plain<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    // JSON comes in pieces of a few bytes.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= CHUNK_BYTES { self.pass() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::plain_json;
    use super::*;

    #[test]
    fn any_split_of_a_text_is_made_safe_alike() {
        let text = "{\n  \"a\u{9b}\u{e0041}\": \"b\u{202e}ü東##vso[\"}".repeat(3);
        for at in 0..text.len() {
            let mut out = Vec::new();
            let mut plain = Plain::to(&mut out);
            for piece in [&text.as_bytes()[..at], &text.as_bytes()[at..]] {
                plain.write_all(piece).unwrap();
                plain.pass().unwrap();
            }
            plain.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), plain_json(&text), "split at {at}");
        }
    }
}

//! Who vouches for a row, and its evidence.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Cell, CellValue, RegisterDeclaration, Row};
use crate::model::{Attestation, FactSource, SourceKind, parse_instant};
use crate::sources::config::leaves_folder;
use crate::sources::disk::hex;
use crate::text::{Diagnostic, Span};

/// The largest evidence file that is hashed.
const EVIDENCE_BYTES_MAX: u64 = 1 << 30;

/// Columns of every register that are no properties.
pub(super) const COLUMNS: [&str; 11] = [
    "attested_by",
    "attested_on",
    "attested_at",
    "review_due",
    "review_due_at",
    "evidence",
    "evidence_file",
    "evidence_sha256",
    "evidence_hash",
    "note",
    "comment",
];

/// An evidence file a row names.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) file: String,
    pub(super) file_span: Span,
    pub(super) sha256: Option<(String, Span)>,
}

/// Returns who vouches for a row; what the row does not say comes from the file, then from the declaration.
pub(super) fn attestation(
    row: &Row,
    defaults: &[Cell],
    declaration: &RegisterDeclaration,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Option<Attestation>, Option<Evidence>) {
    let cell = |names: &[&str]| {
        let said =
            |cells: &'_ [Cell]| cells.iter().find(|cell| names.contains(&cell.name.as_str()) && cell.value != CellValue::Blank).cloned();
        said(&row.cells).or_else(|| said(defaults))
    };
    let text = |names: &[&str], default: &Option<String>| match cell(names) {
        Some(Cell { value: CellValue::Text(text), span, .. }) => Some((text, span)),
        Some(_) => None,
        None => default.clone().map(|text| (text, row.span)),
    };
    let attested_by = text(&["attested_by"], &declaration.attested_by);
    let attested_on = text(&["attested_on", "attested_at"], &declaration.attested_on);
    let review_due = text(&["review_due", "review_due_at"], &declaration.review_due);
    let evidence_file = text(&["evidence_file", "evidence"], &None);
    let evidence_hash = text(&["evidence_sha256", "evidence_hash"], &None);
    for (name, value) in [("attested_by", &attested_by), ("attested_on", &attested_on)] {
        if value.is_none() {
            let message = format!("nobody vouches for this row: `{name}` is missing");
            let help = format!("add `{name}` to the row, to the top of the file, or to the register in tenet.toml");
            diagnostics.push(Diagnostic::error("R0005", row.span, message).help(help));
        }
    }
    if let Some((file, span)) = &evidence_file
        && let Some(why) = leaves_folder(file)
    {
        diagnostics.push(Diagnostic::error(
            "R0009",
            *span,
            format!("the evidence file `{file}` {why}; evidence lies in the governance repo"),
        ));
    }
    let is_digest = |text: &str| text.len() == 64 && text.chars().all(|letter| letter.is_ascii_hexdigit());
    if let Some((hash, span)) = evidence_hash.as_ref().filter(|(hash, _)| !is_digest(hash)) {
        diagnostics.push(Diagnostic::error("R0009", *span, format!("`{hash}` is not a sha256, which has 64 hexadecimal digits")));
    }
    let attested_at = attested_on.and_then(|(text, span)| instant(&text, span, diagnostics));
    let review_due_at = review_due.and_then(|(text, span)| last_instant(&text, span, diagnostics));
    let evidence_hash = evidence_hash.map(|(hash, span)| (hash.to_lowercase(), span));
    let evidence = evidence_file.clone().map(|(file, file_span)| Evidence { file, file_span, sha256: evidence_hash.clone() });
    let attestation = attested_by.map(|(attested_by, _)| Attestation {
        id: String::new(),
        attested_by,
        attested_at,
        evidence_file: evidence_file.map(|(file, _)| file),
        evidence_hash: evidence_hash.map(|(hash, _)| hash),
        review_due_at,
    });
    (attestation, evidence)
}

/// Reads a time.
pub(super) fn instant(text: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<Timestamp> {
    match parse_instant(text) {
        Ok(Some(instant)) => Some(instant),
        Ok(None) => {
            diagnostics.push(Diagnostic::error("R0006", span, format!("`{text}` is a date of year 0001, which services write for none")));
            None
        }
        Err(message) => {
            diagnostics.push(Diagnostic::error("R0006", span, message));
            None
        }
    }
}

/// Reads the last instant of a time: a bare date counts to its end.
pub(super) fn last_instant(text: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<Timestamp> {
    let instant = instant(text, span, diagnostics)?;
    let is_date = text.trim().parse::<jiff::civil::Date>().is_ok() && !text.contains([':', 'T', 't']);
    let to_end = jiff::SignedDuration::from_secs(if is_date { 86_399 } else { 0 });
    Some(instant.checked_add(to_end).unwrap_or(instant))
}

/// Compares evidence files with the digests that rows state.
pub(super) fn check_evidence(root: &Path, evidence: &[Evidence]) -> Vec<Diagnostic> {
    evidence.iter().filter(|one| leaves_folder(&one.file).is_none()).filter_map(|one| check_one(root, one)).collect()
}

/// Tells whether all evidence that sources name is what they state.
pub fn evidence_is_unchanged(root: &Path, sources: &[FactSource]) -> bool {
    let named = sources.iter().filter(|source| source.kind == SourceKind::Register).filter_map(|source| {
        let attestation = source.attestation.as_ref()?;
        Some((attestation.evidence_file.as_ref()?, attestation.evidence_hash.as_ref()?))
    });
    let different: BTreeSet<_> = named.collect();
    let holds = |(file, stated): (&String, &String)| {
        leaves_folder(file).is_none() && digest_of(&root.join(file)).is_ok_and(|found| found == *stated)
    };
    different.into_iter().all(holds)
}

fn check_one(root: &Path, evidence: &Evidence) -> Option<Diagnostic> {
    let file = &evidence.file;
    let found = match digest_of(&root.join(file)) {
        Ok(found) => found,
        Err(error) => {
            let message = format!("the evidence file `{file}` cannot be read: {error}");
            return Some(Diagnostic::warning("R0010", evidence.file_span, message));
        }
    };
    match &evidence.sha256 {
        None => {
            let warning =
                Diagnostic::warning("R0010", evidence.file_span, format!("the sha256 of the evidence file `{file}` is not stated"));
            Some(warning.help(format!("add evidence_sha256 {found}")))
        }
        Some((stated, _)) if *stated == found => None,
        Some((_, span)) => {
            let error = Diagnostic::error("R0009", *span, format!("the evidence file `{file}` is not the one that was attested"));
            Some(error.help(format!("its sha256 is {found}")))
        }
    }
}

/// Returns the sha256 of an evidence file.
///
/// # Errors
/// What the system says; a file that is too large.
pub fn evidence_digest(path: &Path) -> std::io::Result<String> {
    digest_of(path)
}

fn digest_of(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut reader = file.take(EVIDENCE_BYTES_MAX + 1);
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0_u64;
    loop {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        total += n as u64;
        digest.update(buffer.get(..n).unwrap_or(&[]));
    }
    if total > EVIDENCE_BYTES_MAX {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("it is larger than {EVIDENCE_BYTES_MAX} bytes")));
    }
    Ok(hex(&digest.finalize()))
}

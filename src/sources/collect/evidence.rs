//! Answers for keeping: in order of reads, of what they are asked of, and of pages, in files of a moderate size.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::CollectError;
use super::journal::{Journal, Known, private_file, private_folder};
use super::operation::Operation;
use super::redact;
use crate::sources::azure::client::Got;

/// A file is ended when it is larger, so that it can be read whole.
const FILE_BYTES: u64 = 4 << 20;
/// Characters of an answer that is not JSON.
const TEXT_MAX: usize = 4_096;
/// Headers that are kept: what support asks for, and what says how the answer is to be understood.
const HEADERS: [&str; 22] = [
    "date",
    "etag",
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-ms-request-id",
    "x-ms-correlation-request-id",
    "x-ms-routing-request-id",
    "request-id",
    "client-request-id",
    "x-ms-failure-cause",
    "x-ms-tenant-subscription-limit-hit",
    "x-ms-user-quota-remaining",
    "x-ms-user-quota-resets-after",
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-global-reads",
    "x-ms-ratelimit-remaining-tenant-reads",
    "x-ms-resource-unit",
    "x-ms-throttle-limit-percentage",
    "x-ms-throttle-scope",
    "x-ms-throttle-information",
    "ms-requestid",
];

/// A file of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
}

/// A request of an exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requested<'r> {
    pub(super) operation: Operation,
    pub(super) address: &'r str,
    pub(super) body: Option<&'r Json>,
}

/// Writes an exchange on one line. `failure` says why its answer cannot be used.
pub(super) fn exchange(asked: Requested<'_>, got: Option<&Got>, failure: Option<&str>, time: jiff::Timestamp) -> String {
    let method = if asked.operation.question().is_some() { "POST" } else { "GET" };
    let mut request = json!({ "method": method, "url": asked.address });
    if let (Some(body), Some(fields)) = (asked.body, request.as_object_mut()) {
        fields.insert("body".to_owned(), body.clone());
    }
    let failure = failure.map(|why| redact::without(why).map_or_else(|| why.to_owned(), |(text, _)| text));
    let response = response(got, failure.as_deref());
    let read = Json::from(asked.operation.name());
    format!("{{\"request\":{request},\"response\":{response},\"time\":\"{time}\",\"read\":{read}}}")
}

/// The answer; its body as it was sent, unless something had to be taken out.
fn response(got: Option<&Got>, failure: Option<&str>) -> String {
    let mut fields = vec![format!("\"status\":{}", got.map_or(0, |got| got.status))];
    if let Some(got) = got {
        let mut kept: Vec<(String, &str)> = got.headers.iter().map(|(name, value)| (name.to_lowercase(), value.as_str())).collect();
        kept.retain(|(name, _)| HEADERS.contains(&name.as_str()));
        kept.sort();
        let kept: serde_json::Map<String, Json> = kept.into_iter().map(|(name, value)| (name, Json::from(value))).collect();
        fields.push(format!("\"headers\":{}", Json::Object(kept)));
        fields.extend(body(got));
        fields.push(format!("\"sha256\":\"{}\"", crate::model::sha256_hex(&got.bytes)));
    }
    fields.extend(failure.map(|why| format!("\"error\":{}", Json::from(why))));
    format!("{{{}}}", fields.join(","))
}

fn body(got: &Got) -> Vec<String> {
    let Some(body) = &got.body else {
        let text: String = String::from_utf8_lossy(&got.bytes).chars().take(TEXT_MAX).collect();
        let text = redact::without(&text).map_or(text, |(redacted, _)| redacted);
        return vec![format!("\"text\":{}", Json::from(text))];
    };
    let mut redacted = body.clone();
    let n = redact::redact(&mut redacted);
    match std::str::from_utf8(&got.bytes) {
        // Between the parts of JSON a line break is as good as a blank; inside a text it cannot stand.
        Ok(sent) if n == 0 => vec![format!("\"body\":{}", sent.trim().replace(['\n', '\r', '\t'], " "))],
        _ => vec![format!("\"body\":{redacted}"), format!("\"redacted\":{n}")],
    }
}

/// Writes the answers of a journal as files into a new folder; equal answers give equal files.
///
/// # Errors
/// What the system says.
pub fn write_evidence(journal: &Journal, folder: &Path) -> Result<Vec<EvidenceFile>, CollectError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(CollectError::io(folder))?;
    }
    private_folder(folder).map_err(CollectError::io(folder))?;
    let mut files = Files { folder, open: None, written: Vec::new() };
    for (key, known) in journal.all() {
        let Some(operation) = Operation::ALL.get(usize::from(key.operation)).copied() else { continue };
        for line in lines(journal, known)? {
            files.add(operation, &line)?;
        }
    }
    files.end()?;
    Ok(files.written)
}

/// The exchanges of a list that count; what keeps it from being whole is noted in the last one.
fn lines(journal: &Journal, known: &Known) -> Result<Vec<String>, CollectError> {
    let places = known.pages.iter().map(|page| page.place).chain(known.failure);
    let mut lines = places.map(|place| journal.exchange(place)).collect::<Result<Vec<_>, _>>()?;
    if let (Some(Some(gap)), Some(last)) = (&known.end, lines.last_mut()) {
        last.truncate(last.len().saturating_sub(1));
        last.push_str(&format!(",\"gap\":{}}}", Json::from(gap.as_str())));
    }
    Ok(lines)
}

struct Files<'f> {
    folder: &'f Path,
    open: Option<OpenFile>,
    written: Vec<EvidenceFile>,
}

struct OpenFile {
    name: String,
    stem: String,
    file: BufWriter<fs::File>,
    bytes: u64,
    digest: Sha256,
}

impl Files<'_> {
    fn add(&mut self, operation: Operation, line: &str) -> Result<(), CollectError> {
        let stem = stem(operation);
        if self.open.as_ref().is_some_and(|open| open.stem != stem || open.bytes >= FILE_BYTES) {
            self.end()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin(stem)?,
        };
        let open = self.open.insert(open);
        let path = self.folder.join(&open.name);
        for piece in [line.as_bytes(), b"\n"] {
            open.file.write_all(piece).map_err(CollectError::io(&path))?;
            open.digest.update(piece);
            open.bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn begin(&self, stem: String) -> Result<OpenFile, CollectError> {
        let number = self.written.iter().filter(|file| file.name.starts_with(&format!("{stem}-"))).count() + 1;
        let name = format!("{stem}-{number:05}.jsonl");
        let path = self.folder.join(&name);
        let file = private_file(&path).map_err(CollectError::io(&path))?;
        Ok(OpenFile { name, stem, file: BufWriter::new(file), bytes: 0, digest: Sha256::new() })
    }

    fn end(&mut self) -> Result<(), CollectError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let path = self.folder.join(&open.name);
        open.file.flush().and_then(|()| open.file.get_ref().sync_all()).map_err(CollectError::io(&path))?;
        let sha256 = open.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.written.push(EvidenceFile { name: open.name, bytes: open.bytes, sha256 });
        Ok(())
    }
}

/// `arm:roleAssignments` is `arm.roleAssignments` in the name of a file, with the place of the operation before it: several
/// operations have one name, and files are read in order.
fn stem(operation: Operation) -> String {
    format!("{:02}-{}", operation.place(), operation.name().replace([':', '/'], "."))
}

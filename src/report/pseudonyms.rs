//! Names and ids replaced for handing out: the same one everywhere by the same pseudonym, which tells nothing without the key.
//!
//! In: a key and the snapshot whose texts are secret. Out: texts and results without them. Pseudonyms are keyed hashes (BLAKE3), so
//! whoever has the key and the snapshot can make the table of them again, and nobody else.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::LazyLock;

use regex::Regex;

use super::document::{
    AttestedBy, EvidenceItem, ExplanationLine, FindingResult, Missing, PastFinding, ResultDocument, Subject, Unread, WaiverResult,
};
use super::saved::{Each, ResultSource};
use crate::check::{ExprKind, Policies};
use crate::model::{Value, parse_instant};
use crate::snapshot::{CellState, Record, Snapshot};

/// The shortest key.
pub const KEY_BYTES_MIN: usize = 32;
/// Words and marks of a name that are compared together; a longer name is replaced where it stands alone.
const LIMITS_MAX: usize = 64;

/// A path of at least two parts, an address, or a GUID.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let guid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    Regex::new(&format!(r#"/[A-Za-z0-9._()-]+(?:/[^\s"',;?]+)+|[A-Za-z0-9._%+#'-]+@[A-Za-z0-9.-]+|{guid}"#)).ok()
});

/// A key, what is secret, and what everybody knows.
pub struct Pseudonyms {
    key: [u8; 32],
    /// Names of the tenant.
    secret: HashSet<String>,
    /// Words of the schema, and ids that are the same in every tenant.
    public: HashSet<String>,
}

impl Pseudonyms {
    /// Collects the names of a snapshot.
    #[must_use]
    pub fn new(key: &[u8], policies: &Policies, snapshot: &Snapshot) -> Self {
        let mut made = Self { key: blake3::derive_key("tenet pseudonyms 1", key), secret: HashSet::new(), public: public(policies) };
        for record in &snapshot.records().entities {
            made.learn(record);
        }
        made
    }

    fn learn(&mut self, record: &Record) {
        // What ships with the cloud, such as the role Owner, is no secret.
        if self.public.contains(&*record.key) {
            return;
        }
        let cells = record.cells.iter().map(|(_, cell)| &cell.state).chain(record.history.iter().map(|(_, entry)| &entry.state));
        let values = cells.filter_map(|state| if let CellState::Known(value) = state { Some(value) } else { None });
        let members = record.edges.iter().map(|(_, edge)| &edge.member);
        let texts = values.chain(members).filter_map(|value| if let Value::Text(text) = value { Some(text.to_string()) } else { None });
        // Paths, addresses and ids are known by their look.
        let is_name = |text: &String| self.is_secret(text) && !is_pattern(text);
        let found: Vec<String> = texts.chain([record.key.to_string()]).filter(is_name).collect();
        self.secret.extend(found);
    }

    fn is_secret(&self, text: &str) -> bool {
        let is_time = text.len() >= 10 && text.starts_with(|c: char| c.is_ascii_digit()) && parse_instant(text).is_ok();
        !text.trim().is_empty() && !is_time && !self.public.contains(&text.to_lowercase())
    }

    fn hash(&self, kind: &str, text: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, format!("{kind}\0{text}").as_bytes()).as_bytes()
    }

    fn short(&self, kind: &str, text: &str, length: usize) -> String {
        let digits: String = self.hash(kind, text).iter().map(|byte| format!("{byte:02x}")).collect();
        digits.chars().take(length).collect()
    }

    fn guid(&self, text: &str) -> String {
        let text = text.to_lowercase();
        if self.public.contains(&text) {
            return text;
        }
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(self.hash("guid", &text)) {
            *to = from;
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn email(&self, text: &str) -> String {
        let text = text.to_lowercase();
        let (local, domain) = text.split_once('@').unwrap_or((&text, ""));
        format!("u-{}@d-{}.example", self.short("local", local, 10), self.short("domain", domain, 8))
    }

    /// Replaces one value: an id, a path, a name.
    #[must_use]
    pub fn value(&self, text: &str) -> String {
        if !self.is_secret(text) || matches!(text, "*" | "-" | "/" | "true" | "false") {
            return text.to_owned();
        }
        if is_pattern(text) {
            self.pattern(text)
        } else if text.starts_with('/') {
            self.path(text)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.digits(text)
        } else {
            format!("n-{}", self.short("name", text, 10))
        }
    }

    /// Replaces a path, an address or a GUID.
    fn pattern(&self, text: &str) -> String {
        if text.starts_with('/') {
            self.path(text)
        } else if text.contains('@') {
            self.email(text)
        } else {
            self.guid(text)
        }
    }

    /// Numbers stay numbers of the same length; small ones are counts.
    fn digits(&self, text: &str) -> String {
        if text.len() < 5 {
            return text.to_owned();
        }
        let hash = self.hash("digits", text);
        let digit = |at: usize| char::from(b'1' + hash.get(at % hash.len()).copied().unwrap_or(0) % 9);
        (0..text.len()).map(digit).collect()
    }

    /// Types and namespaces of a path stay; the names between them do not.
    fn path(&self, text: &str) -> String {
        let mut out = Vec::new();
        let (mut is_name, mut is_namespace) = (false, false);
        for part in text.split('/') {
            if part.is_empty() || is_namespace {
                is_namespace = false;
                out.push(part.to_owned());
            } else if !is_name && part.eq_ignore_ascii_case("providers") {
                is_namespace = true;
                out.push(part.to_owned());
            } else if is_name {
                is_name = false;
                out.push(self.value(part));
            } else {
                is_name = true;
                out.push(part.to_owned());
            }
        }
        out.join("/")
    }

    /// Replaces every name, id and address in a text.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        // The pattern is a constant; if it could not be compiled nothing may be shown.
        let Some(pattern) = PATTERN.as_ref() else { return String::new() };
        let mut out = String::new();
        for (is_done, piece) in self.pieces(text) {
            if is_done {
                out.push_str(&piece);
            } else {
                let with = |found: &regex::Captures<'_>| self.pattern(found.get(0).map_or("", |found| found.as_str()));
                out.push_str(&pattern.replace_all(&piece, with));
            }
        }
        out
    }

    /// Cuts a text at the names in it, the longest first, at the limits of words; names are replaced already.
    fn pieces(&self, text: &str) -> Vec<(bool, String)> {
        let limits = word_limits(text);
        let mut pieces: Vec<(bool, String)> = Vec::new();
        let mut place = 0;
        while let Some(start) = limits.get(place).copied().filter(|start| *start < text.len()) {
            let ends: Vec<(usize, usize)> = limits.iter().copied().enumerate().skip(place + 1).take(LIMITS_MAX).collect();
            let found = ends.into_iter().rev().find_map(|(at, end)| {
                let piece = text.get(start..end)?;
                self.secret.contains(piece).then(|| (at, self.value(piece)))
            });
            if let Some((at, pseudonym)) = found {
                pieces.push((true, pseudonym));
                place = at;
                continue;
            }
            let end = limits.get(place + 1).copied().unwrap_or(text.len());
            let plain = text.get(start..end).unwrap_or("");
            match pieces.last_mut() {
                Some((false, last)) => last.push_str(plain),
                _ => pieces.push((false, plain.to_owned())),
            }
            place += 1;
        }
        pieces
    }

    /// Lists what is secret with its pseudonym: the table that leads back. It is not for handing out.
    #[must_use]
    pub fn table(&self) -> BTreeMap<String, String> {
        let secret: BTreeSet<&String> = self.secret.iter().collect();
        secret.into_iter().map(|text| (self.value(text), text.clone())).collect()
    }

    fn key_of(&self, key: &str) -> String {
        let mut parts: Vec<String> = key.splitn(4, '|').map(str::to_owned).collect();
        if let Some(subject) = parts.get_mut(3) {
            *subject = self.value(subject);
        }
        parts.join("|")
    }

    fn subject(&self, subject: &Subject) -> Subject {
        Subject { entity: subject.entity.clone(), id: self.value(&subject.id), name: self.value(&subject.name) }
    }

    fn optional(&self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    /// Replaces what is secret in a finding.
    #[must_use]
    pub fn finding(&self, finding: &FindingResult) -> FindingResult {
        let evidence = |item: &EvidenceItem| EvidenceItem {
            subject: self.subject(&item.subject),
            property: item.property.clone(),
            value: self.text(&item.value),
            source: self.optional(item.source.as_ref()),
        };
        let line = |line: &ExplanationLine| ExplanationLine {
            text: self.text(&line.text),
            evidence: line.evidence.iter().map(evidence).collect(),
            ..line.clone()
        };
        let missing = |missing: &Missing| Missing { what: self.text(&missing.what), reason: self.text(&missing.reason), ..missing.clone() };
        let attested = |attested: &AttestedBy| AttestedBy {
            id: self.value(&attested.id),
            by: self.value(&attested.by),
            source: self.text(&attested.source),
            review_due: attested.review_due.clone(),
        };
        FindingResult {
            key: self.key_of(&finding.key),
            subject: finding.subject.as_ref().map(|subject| self.subject(subject)),
            message: self.optional(finding.message.as_ref()),
            remedy: self.optional(finding.remedy.as_ref()),
            explanation: finding.explanation.iter().map(line).collect(),
            missing: finding.missing.iter().map(missing).collect(),
            attested: finding.attested.iter().map(attested).collect(),
            ..finding.clone()
        }
    }

    fn head(&self, head: &ResultDocument) -> ResultDocument {
        let mut made = head.clone();
        made.run.snapshot = head.run.snapshot.as_ref().map(|name| self.value(name));
        made.run.asked.subject = head.run.asked.subject.as_ref().map(|subject| self.value(subject));
        made.run.asked.parameters = head.run.asked.parameters.iter().map(|text| self.text(text)).collect();
        made.tenant = head.tenant.as_ref().map(|tenant| self.value(tenant));
        made.parameters = head.parameters.iter().map(|(name, value)| (name.clone(), self.text(value))).collect();
        for rule in &mut made.rules {
            rule.title = self.text(&rule.title);
            rule.why = self.optional(rule.why.as_ref());
            if let Some(source) = &mut rule.source {
                source.text = self.text(&source.text);
            }
        }
        let unread = |unread: &Unread| Unread { reasons: unread.reasons.iter().map(|text| self.text(text)).collect(), ..unread.clone() };
        made.unread = head.unread.iter().map(unread).collect();
        let waiver = |waiver: &WaiverResult| WaiverResult {
            // What people write of people is replaced whole.
            because: self.value(&waiver.because),
            approved_by: waiver.approved_by.iter().map(|name| self.value(name)).collect(),
            ticket: waiver.ticket.as_ref().map(|ticket| self.value(ticket)),
            findings: waiver.findings.iter().map(|key| self.key_of(key)).collect(),
            ..waiver.clone()
        };
        made.waivers = head.waivers.iter().map(waiver).collect();
        made.problems = head.problems.iter().map(|text| self.text(text)).collect();
        made.history = head.history.iter().map(|past| PastFinding { key: self.key_of(&past.key), ..past.clone() }).collect();
        made
    }
}

/// Words that stand in every tenant: those of the schema, and ids that policies name as constants.
fn public(policies: &Policies) -> HashSet<String> {
    let schema = &policies.schema;
    let words = schema.enums.iter().flat_map(|of| of.values.iter().chain([&of.name]));
    let words =
        words.chain(schema.entities.iter().map(|entity| &entity.name)).chain(schema.properties.iter().map(|property| &property.name));
    let mut public: HashSet<String> = words.map(|word| word.to_lowercase()).collect();
    for value in policies.params.iter().filter(|param| param.is_const).filter_map(|param| param.value.as_ref()) {
        if let ExprKind::Value(Value::Text(text)) = &value.kind {
            public.insert(text.to_string());
        }
    }
    public
}

/// Tells whether a text is a path, an address or a GUID, and nothing else.
fn is_pattern(text: &str) -> bool {
    PATTERN.as_ref().and_then(|pattern| pattern.find(text)).is_some_and(|found| found.len() == text.len())
}

/// Lists where words begin and end; every other character stands alone.
fn word_limits(text: &str) -> Vec<usize> {
    let mut limits = vec![0];
    let mut before = None;
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric();
        if before.is_some_and(|before: bool| before != inside || !inside) {
            limits.push(at);
        }
        before = Some(inside);
    }
    limits.push(text.len());
    limits
}

/// A result without what is secret, for every format.
pub struct Pseudonymised<'r> {
    inner: &'r dyn ResultSource,
    pseudonyms: &'r Pseudonyms,
    head: ResultDocument,
}

impl<'r> Pseudonymised<'r> {
    /// Lays pseudonyms over a result.
    #[must_use]
    pub fn new(inner: &'r dyn ResultSource, pseudonyms: &'r Pseudonyms) -> Self {
        Self { inner, pseudonyms, head: pseudonyms.head(inner.head()) }
    }
}

impl ResultSource for Pseudonymised<'_> {
    fn head(&self) -> &ResultDocument {
        &self.head
    }

    fn findings(&self, each: Each<'_>) -> io::Result<()> {
        self.inner.findings(&mut |finding| each(&self.pseudonyms.finding(finding)))
    }
}

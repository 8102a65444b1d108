//! A result as every writer takes it, and one that was saved: its head is in memory, its findings are read one by one.
//!
//! A saved result is believed only as far as it agrees with itself: its words are known, and its counts are those of its
//! findings. Whatever else it says, a cut or patched file is refused before anything of it is shown.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::document::{Counts, FindingResult, RESULT_FORMAT, ResultDocument};
use super::escape::plain;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 17;

/// Takes findings one by one.
pub type Each<'e> = &'e mut dyn FnMut(&FindingResult) -> io::Result<()>;

/// A whole result: what every writer takes.
pub trait ResultSource {
    /// Returns everything but the findings.
    fn head(&self) -> &ResultDocument;

    /// Passes on the findings in the order of the file. It may be called again.
    ///
    /// # Errors
    /// What `each` says, and what reading says.
    fn findings(&self, each: Each<'_>) -> io::Result<()>;
}

/// A document that is in memory with its findings.
impl ResultSource for ResultDocument {
    fn head(&self) -> &ResultDocument {
        self
    }

    fn findings(&self, each: Each<'_>) -> io::Result<()> {
        self.findings.iter().try_for_each(each)
    }
}

/// Why a file is no result.
#[derive(Debug, Error)]
pub enum ResultError {
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is of another format, or says none.
    #[error("1:1: it says the format `{0}`, and this version reads {RESULT_FORMAT}; scan again with `-f json=FILE`")]
    Format(String),
    /// It is no such document.
    #[error("{line}:{column}: this is no whole result of `tenet scan -f json`: {message}; scan again")]
    Misfit {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// In what way.
        message: String,
    },
    /// Its findings are not those that were counted.
    #[error("its summary counts {said} {what}, and there are {found}; the file was changed or cut: scan again")]
    Counts {
        /// What is counted.
        what: &'static str,
        /// By the summary.
        said: usize,
        /// In the file.
        found: usize,
    },
    /// A finding names a waiver that is not there.
    #[error("the finding `{0}` names a waiver that is not in the file; the file was changed or cut: scan again")]
    Waiver(String),
}

/// A result in a file.
pub struct SavedResult<R> {
    head: ResultDocument,
    input: RefCell<R>,
}

impl<R: Read + Seek> SavedResult<R> {
    /// Reads everything once, and keeps all but the findings.
    ///
    /// # Errors
    /// [`ResultError`].
    pub fn open(mut input: R) -> Result<Self, ResultError> {
        let mut counted = Counts::default();
        let (mut attested, mut last_waiver) = (0, None);
        let head = read(&mut input, &mut |finding| {
            counted.count(finding.standing());
            attested += usize::from(!finding.attested.is_empty());
            if finding.waiver > last_waiver.as_ref().and_then(|(at, _)| *at) {
                last_waiver = Some((finding.waiver, finding.key.clone()));
            }
            Ok(())
        })?;
        check(&head, &counted, attested)?;
        match last_waiver {
            Some((Some(at), key)) if at >= head.waivers.len() => Err(ResultError::Waiver(plain(&key))),
            _ => Ok(Self { head, input: RefCell::new(input) }),
        }
    }
}

impl<R: Read + Seek> ResultSource for SavedResult<R> {
    fn head(&self) -> &ResultDocument {
        &self.head
    }

    fn findings(&self, each: Each<'_>) -> io::Result<()> {
        let mut input = self.input.try_borrow_mut().map_err(|_| io::Error::other("its findings are being read already"))?;
        match read(&mut *input, each) {
            Ok(_) => Ok(()),
            Err(ResultError::Io(error)) => Err(error),
            Err(other) => Err(io::Error::new(io::ErrorKind::InvalidData, other)),
        }
    }
}

fn check(head: &ResultDocument, found: &Counts, attested: usize) -> Result<(), ResultError> {
    let said = &head.summary.verdicts;
    let pairs = [
        ("fails", said.fail, found.fail),
        ("waived fails", said.waived, found.waived),
        ("unknowns", said.unknown, found.unknown),
        ("pending verdicts", said.pending, found.pending),
        ("passes", said.pass, found.pass),
        ("verdicts that are not applicable", said.not_applicable, found.not_applicable),
        ("verdicts that were decided", head.summary.evaluated, found.decided()),
        ("verdicts besides those", head.summary.of, found.assessed()),
        ("verdicts that rest on attestations", head.summary.attested, attested),
        ("rules", head.summary.rules, head.rules.len()),
    ];
    match pairs.into_iter().find(|(_, said, found)| said != found) {
        Some((what, said, found)) => Err(ResultError::Counts { what, said, found }),
        None => Ok(()),
    }
}

/// Reads a document from its beginning and passes on its findings.
fn read<R: Read + Seek>(input: &mut R, each: Each<'_>) -> Result<ResultDocument, ResultError> {
    input.seek(SeekFrom::Start(0))?;
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER_BYTES, input));
    let mut trouble = None;
    let read = Document { each, trouble: &mut trouble }.deserialize(&mut deserializer);
    match (read.and_then(|document| deserializer.end().map(|()| document)), trouble) {
        (Ok(document), _) => Ok(document),
        (Err(_), Some(trouble)) => Err(trouble),
        (Err(error), None) if error.is_io() => Err(ResultError::Io(error.into())),
        (Err(error), None) => {
            // The place stands before the message, as everywhere.
            let text = error.to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            Err(ResultError::Misfit { line: error.line().max(1), column: error.column().max(1), message: plain(message) })
        }
    }
}

/// The keys of a document.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Format,
    Run,
    Now,
    Tenant,
    Captured,
    Parameters,
    Summary,
    Rules,
    Findings,
    Unread,
    Waivers,
    Problems,
    History,
    #[serde(other)]
    Other,
}

/// Reads a document whose findings are passed on instead of being kept.
struct Document<'e, 't> {
    each: Each<'e>,
    trouble: &'t mut Option<ResultError>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ResultDocument;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ResultDocument;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { each, trouble } = self;
        let (mut format, mut run, mut now, mut tenant, mut captured, mut parameters) = (None, None, None, None, None, None);
        let (mut summary, mut rules, mut findings, mut unread, mut waivers, mut problems) = (None, None, None, None, None, None);
        let mut history = None;
        while let Some(field) = map.next_key()? {
            match field {
                Field::Format => {
                    let said: String = once(&mut map, format.is_some(), "format")?;
                    if said != RESULT_FORMAT {
                        *trouble = Some(ResultError::Format(plain(&said)));
                        return Err(A::Error::custom("another format"));
                    }
                    format = Some(said);
                }
                Field::Run => run = Some(once(&mut map, run.is_some(), "run")?),
                Field::Now => now = Some(once(&mut map, now.is_some(), "now")?),
                Field::Tenant => tenant = Some(once(&mut map, tenant.is_some(), "tenant")?),
                Field::Captured => captured = Some(once(&mut map, captured.is_some(), "captured")?),
                Field::Parameters => parameters = Some(once::<_, BTreeMap<_, _>>(&mut map, parameters.is_some(), "parameters")?),
                Field::Summary => summary = Some(once(&mut map, summary.is_some(), "summary")?),
                Field::Rules => rules = Some(once(&mut map, rules.is_some(), "rules")?),
                Field::Unread => unread = Some(once(&mut map, unread.is_some(), "unread")?),
                Field::Waivers => waivers = Some(once(&mut map, waivers.is_some(), "waivers")?),
                Field::Problems => problems = Some(once(&mut map, problems.is_some(), "problems")?),
                Field::History => history = Some(once::<_, Vec<_>>(&mut map, history.is_some(), "history")?),
                Field::Findings if findings.is_some() => return Err(A::Error::duplicate_field("findings")),
                Field::Findings => {
                    map.next_value_seed(Findings { each: &mut *each, trouble: &mut *trouble })?;
                    findings = Some(());
                }
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if format.is_none() {
            *trouble = Some(ResultError::Format("nothing".to_owned()));
        }
        let missing = A::Error::missing_field;
        findings.ok_or_else(|| missing("findings"))?;
        Ok(ResultDocument {
            format: format.ok_or_else(|| missing("format"))?,
            run: run.ok_or_else(|| missing("run"))?,
            now: now.ok_or_else(|| missing("now"))?,
            tenant: tenant.ok_or_else(|| missing("tenant"))?,
            captured: captured.ok_or_else(|| missing("captured"))?,
            parameters: parameters.ok_or_else(|| missing("parameters"))?,
            summary: summary.ok_or_else(|| missing("summary"))?,
            rules: rules.ok_or_else(|| missing("rules"))?,
            findings: Vec::new(),
            unread: unread.ok_or_else(|| missing("unread"))?,
            waivers: waivers.ok_or_else(|| missing("waivers"))?,
            problems: problems.ok_or_else(|| missing("problems"))?,
            history: history.ok_or_else(|| missing("history"))?,
        })
    }
}

/// Reads the value of a key, which may stand there once.
fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A, before: bool, name: &'static str) -> Result<T, A::Error> {
    if before {
        return Err(A::Error::duplicate_field(name));
    }
    map.next_value()
}

struct Findings<'e, 't> {
    each: Each<'e>,
    trouble: &'t mut Option<ResultError>,
}

impl<'de> DeserializeSeed<'de> for Findings<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Findings<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of findings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(finding) = list.next_element::<FindingResult>()? {
            if let Err(error) = (self.each)(&finding) {
                *self.trouble = Some(ResultError::Io(error));
                return Err(A::Error::custom("it was not taken"));
            }
        }
        Ok(())
    }
}

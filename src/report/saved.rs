//! A result as every writer takes it, and one that was saved: its head is in memory, its findings are read one by one.
//!
//! A saved result is believed only as far as it agrees with itself: its words are known, and its counts are those of its
//! findings. Whatever else it says, a cut or patched file is refused before anything of it is shown. So it is read twice: once
//! to look at every value, once for each report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::ahead::Ahead;
use super::document::{Counts, FindingResult, RESULT_FORMAT, ResultDocument};
use super::escape::plain;

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
        let looked = look(&mut input, Pace::Ahead).or_else(|_| look(&mut input, Pace::ByByte));
        let (head, Looked { counted, attested, last_waiver }) = looked?;
        check(&head, &counted, attested)?;
        let n_waivers = head.waivers.len();
        let saved = Self { head, input: RefCell::new(input) };
        if last_waiver.is_some_and(|at| at >= n_waivers) { Err(saved.without_waiver(last_waiver)) } else { Ok(saved) }
    }

    /// Names the first finding with this waiver.
    fn without_waiver(&self, waiver: Option<usize>) -> ResultError {
        let mut keys = Vec::new();
        let read = self.findings(&mut |finding| {
            if keys.is_empty() && finding.waiver == waiver {
                keys.push(plain(&finding.key));
            }
            Ok(())
        });
        read.map_or_else(ResultError::Io, |()| ResultError::Waiver(keys.concat()))
    }
}

/// What is kept of findings that are looked at.
#[derive(Default)]
struct Looked {
    counted: Counts,
    attested: usize,
    last_waiver: Option<usize>,
}

/// Looks at every value without keeping a text.
fn look<R: Read + Seek>(input: &mut R, pace: Pace) -> Result<(ResultDocument, Looked), ResultError> {
    let mut looked = Looked::default();
    let head = read(input, pace, &mut |finding: &FindingResult<Untold>| {
        looked.counted.count(finding.standing());
        looked.attested += usize::from(!finding.attested.is_empty());
        looked.last_waiver = looked.last_waiver.max(finding.waiver);
        Ok(())
    })?;
    Ok((head, looked))
}

/// A text that is read as one, and not kept.
struct Untold;

impl<'de> Deserialize<'de> for Untold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for Untold {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

impl<R: Read + Seek> ResultSource for SavedResult<R> {
    fn head(&self) -> &ResultDocument {
        &self.head
    }

    fn findings(&self, each: Each<'_>) -> io::Result<()> {
        let mut input = self.input.try_borrow_mut().map_err(|_| io::Error::other("its findings are being read already"))?;
        match read(&mut *input, Pace::Ahead, each) {
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

/// How findings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// One at a time out of what was read ahead.
    Ahead,
    /// Byte by byte, several times as slow: only so a parser knows the place of what it refuses.
    ByByte,
}

/// Reads a document from its beginning and passes on its findings.
fn read<R: Read + Seek, T: DeserializeOwned>(
    input: &mut R,
    pace: Pace,
    each: &mut dyn FnMut(&FindingResult<T>) -> io::Result<()>,
) -> Result<ResultDocument, ResultError> {
    input.seek(SeekFrom::Start(0))?;
    let ahead = RefCell::new(Ahead::of(input));
    let mut deserializer = serde_json::Deserializer::from_reader(Shared(&ahead));
    let mut trouble = None;
    let list = Findings { ahead: (pace == Pace::Ahead).then_some(&ahead), each, trouble: &mut trouble };
    let read = Document(list).deserialize(&mut deserializer);
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

/// A file that the parser of the document and the list of findings read in turn.
struct Shared<'a, R>(&'a RefCell<Ahead<R>>);

impl<R: Read> Read for Shared<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(bytes)
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
struct Document<'e, R, T>(Findings<'e, R, T>);

impl<'de, R: Read, T: DeserializeOwned> DeserializeSeed<'de> for Document<'_, R, T> {
    type Value = ResultDocument;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Read, T: DeserializeOwned> Visitor<'de> for Document<'_, R, T> {
    type Value = ResultDocument;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Findings { ahead, each, trouble } = self.0;
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
                    map.next_value_seed(Findings { ahead, each: &mut *each, trouble: &mut *trouble })?;
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

struct Findings<'e, R, T> {
    /// The file, if findings may be taken out of it past the parser of the document.
    ahead: Option<&'e RefCell<Ahead<R>>>,
    each: &'e mut dyn FnMut(&FindingResult<T>) -> io::Result<()>,
    trouble: &'e mut Option<ResultError>,
}

impl<R: Read, T: DeserializeOwned> Findings<'_, R, T> {
    /// Takes findings for as long as each is whole and as it should be; the parser goes on with what follows.
    fn take_ahead(&mut self) -> io::Result<()> {
        let Some(ahead) = self.ahead else { return Ok(()) };
        while let Some(finding) = ahead.borrow_mut().element()? {
            (self.each)(&finding)?;
        }
        Ok(())
    }
}

impl<'de, R: Read, T: DeserializeOwned> DeserializeSeed<'de> for Findings<'_, R, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, R: Read, T: DeserializeOwned> Visitor<'de> for Findings<'_, R, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of findings")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(finding) = list.next_element::<FindingResult<T>>()? {
            if let Err(error) = (self.each)(&finding).and_then(|()| self.take_ahead()) {
                *self.trouble = Some(ResultError::Io(error));
                return Err(A::Error::custom("it was not taken"));
            }
        }
        Ok(())
    }
}

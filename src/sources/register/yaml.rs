//! YAML to rows with places. Anchors, aliases and merge keys are refused: a register is read row by row, by people.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::{Cell, CellValue, CompletenessClaim, REGISTER_BYTES_MAX, REGISTER_ROWS_MAX, RegisterText, Row, Subjects};
use crate::text::{Diagnostic, FileId, Span, Spanned, did_you_mean};

/// A YAML value with its place; scalars keep their spelling, for the schema says what they are.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Node {
    pub(in crate::sources) span: Span,
    pub(in crate::sources) kind: NodeKind,
}

#[derive(Debug, Clone)]
pub(in crate::sources) enum NodeKind {
    Blank,
    Text { text: String, quoted: bool },
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl Node {
    pub(in crate::sources) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|(key, _)| key.value == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    pub(in crate::sources) fn entries(&self) -> &[(Spanned<String>, Self)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns a scalar's text.
    pub(in crate::sources) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Says what it is, for messages.
    pub(in crate::sources) fn what(&self) -> &'static str {
        match self.kind {
            NodeKind::Blank => "nothing",
            NodeKind::Text { .. } => "a single value",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }
}

/// Reads YAML, and JSON as a part of it; `noun` is what messages call the file.
pub(in crate::sources) fn parse(text: &str, file: FileId, noun: &'static str) -> Result<Node, Diagnostic> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let places = Places { text: body, file, shift: text.len() - body.len(), noun };
    if body.trim().is_empty() {
        return Ok(Node { span: Span::new(file, 0, 0), kind: NodeKind::List(Vec::new()) });
    }
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_reader_input_bytes: Some(REGISTER_BYTES_MAX),
            max_events: 100 * REGISTER_ROWS_MAX,
            max_nodes: 50 * REGISTER_ROWS_MAX,
            max_total_scalar_bytes: REGISTER_BYTES_MAX,
            max_depth: 16,
            max_documents: 1,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        with_snippet: false,
    };
    let raw: Raw = serde_yaml::from_str_with_options(body, options).map_err(|error| places.diagnostic(&error))?;
    Ok(places.node(&raw))
}

struct Places<'a> {
    text: &'a str,
    file: FileId,
    shift: usize,
    noun: &'static str,
}

impl Places<'_> {
    fn diagnostic(&self, error: &serde_yaml::Error) -> Diagnostic {
        let span = error.location().map_or_else(|| Span::new(self.file, 0, 0), |location| self.span(&location));
        let shown = error.without_snippet().to_string();
        let line = shown.lines().next().unwrap_or("this is not YAML");
        // The place is told by the span; the library repeats it in the text.
        let line = line.split(" at line ").next().unwrap_or(line);
        let line = line.strip_prefix("error: ").unwrap_or(line).trim_end_matches('.');
        let (line, help) = self.plain(line, span);
        Diagnostic::error("R0001", span, line).maybe_help(help.map(str::to_owned))
    }

    /// Says in our words what the library says in words for programmers.
    fn plain(&self, line: &str, span: Span) -> (String, Option<&'static str>) {
        if line.contains("anchor") || line.contains("alias") || line.contains("merge") {
            return (format!("a {} has no anchors, aliases or merge keys", self.noun), Some("write each one out"));
        }
        if let Some(key) = line.strip_prefix("duplicate mapping key: ") {
            let key = key.split(", set ").next().unwrap_or(key);
            return (format!("the key `{key}` stands twice"), None);
        }
        if line.contains("Documents {") || line.contains("multiple") {
            return (format!("a {} is one document; there is a second one", self.noun), Some("remove the line `---`"));
        }
        if let Some(limit) = line.strip_prefix("budget breached: ") {
            return (format!("the file goes beyond a limit for a {} ({limit})", self.noun), None);
        }
        let tab = line.contains("tab") || self.text.get(self.range(span)).is_some_and(|text| text.starts_with('\t'));
        (line.to_owned(), tab.then_some("indent with blanks, not with tabs"))
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let range = span.range();
        range.start.saturating_sub(self.shift)..range.end.saturating_sub(self.shift)
    }

    /// Returns a span of bytes; where the library knows only line and column they are counted out.
    fn span(&self, location: &serde_yaml::Location) -> Span {
        let place = location.span();
        let exact = place.byte_offset().zip(place.byte_len());
        let (start, len) = match exact {
            Some((start, len)) => (usize::try_from(start).unwrap_or(0), usize::try_from(len).unwrap_or(0)),
            None => (self.offset(location), 0),
        };
        let start = start.min(self.text.len());
        let end = start.saturating_add(len).min(self.text.len());
        Span::new(self.file, start + self.shift, end + self.shift)
    }

    fn offset(&self, location: &serde_yaml::Location) -> usize {
        let lines = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
        let columns = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
        let before: usize = self.text.split_inclusive('\n').take(lines).map(str::len).sum();
        let line = self.text.get(before..).unwrap_or("");
        before + line.chars().take(columns).map(char::len_utf8).sum::<usize>()
    }

    fn node(&self, raw: &Raw) -> Node {
        let span = self.span(&raw.referenced);
        let written = self.text.get(self.range(span)).unwrap_or("").trim();
        let kind = match &raw.value {
            RawKind::Blank => NodeKind::Blank,
            RawKind::Text(text) => NodeKind::Text { text: text.clone(), quoted: written.starts_with(['"', '\'']) },
            // Numbers and truths as written: `0123456` keeps its zero, `no` its spelling.
            RawKind::Plain(read) => {
                let text = if written.is_empty() { read.clone() } else { written.to_owned() };
                NodeKind::Text { text, quoted: false }
            }
            RawKind::List(items) => NodeKind::List(items.iter().map(|item| self.node(item)).collect()),
            RawKind::Map(entries) => {
                let entry = |(key, value): &(serde_yaml::Spanned<String>, Raw)| {
                    (Spanned::new(key.value.clone(), self.span(&key.referenced)), self.node(value))
                };
                NodeKind::Map(entries.iter().map(entry).collect())
            }
        };
        Node { span, kind }
    }
}

type Raw = serde_yaml::Spanned<RawKind>;

#[derive(Debug)]
enum RawKind {
    Blank,
    Text(String),
    Plain(String),
    List(Vec<Raw>),
    Map(Vec<(serde_yaml::Spanned<String>, Raw)>),
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl<'de> Visitor<'de> for KindVisitor {
            type Value = RawKind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<RawKind, E> {
                Ok(RawKind::Blank)
            }

            fn visit_none<E>(self) -> Result<RawKind, E> {
                Ok(RawKind::Blank)
            }

            fn visit_bool<E>(self, value: bool) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_u128<E>(self, value: u128) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<RawKind, E> {
                Ok(RawKind::Plain(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<RawKind, E> {
                Ok(RawKind::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawKind, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(RawKind::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawKind, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawKind::Map(entries))
            }
        }
        deserializer.deserialize_any(KindVisitor)
    }
}

const TOP_KEYS: [&str; 6] = ["rows", "complete", "attested_by", "attested_on", "review_due", "note"];

/// Reads rows: a list of mappings, or a mapping with `rows` (or the form's name), `complete` and defaults for all rows.
pub(super) fn rows(node: &Node, form: &str, diagnostics: &mut Vec<Diagnostic>) -> RegisterText {
    let mut register = RegisterText::default();
    match &node.kind {
        NodeKind::List(_) => register.rows = row_list(node, diagnostics),
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                match key.value.as_str() {
                    "complete" => register.claims = claims(value, diagnostics),
                    "attested_by" | "attested_on" | "review_due" => {
                        register.defaults.extend(cells(key, value, diagnostics));
                    }
                    "note" => {}
                    name if name == "rows" || name == form => register.rows.extend(row_list(value, diagnostics)),
                    name => {
                        let near = did_you_mean(name, TOP_KEYS.into_iter().chain([form]));
                        let help =
                            near.map_or_else(|| "rows stand in a list named `rows`".to_owned(), |near| format!("did you mean `{near}`?"));
                        diagnostics.push(Diagnostic::error("R0004", key.span, format!("a register has no key `{name}`")).help(help));
                    }
                }
            }
        }
        _ => diagnostics.push(Diagnostic::error("R0003", node.span, format!("a register is a list of rows, not {}", node.what()))),
    }
    register
}

fn row_list(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<Row> {
    match &node.kind {
        NodeKind::Blank => Vec::new(),
        NodeKind::List(items) => items.iter().filter_map(|item| row(item, diagnostics)).collect(),
        _ => {
            diagnostics.push(Diagnostic::error("R0003", node.span, format!("a list of rows is wanted here, not {}", node.what())));
            Vec::new()
        }
    }
}

fn row(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Row> {
    let NodeKind::Map(entries) = &node.kind else {
        diagnostics.push(Diagnostic::error("R0003", node.span, format!("a row is a mapping such as `id: …`, not {}", node.what())));
        return None;
    };
    let cells: Vec<Cell> = entries.iter().flat_map(|(key, value)| cells(key, value, diagnostics)).collect();
    let span = entries.first().map_or(node.span, |(key, _)| key.span);
    Some(Row { span, cells })
}

/// Reads the cells of one key; the mapping `evidence` has two.
fn cells(key: &Spanned<String>, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<Cell> {
    let cell = |name: &str, value: CellValue, span: Span| Cell { name: name.to_owned(), name_span: key.span, value, span };
    match &node.kind {
        NodeKind::Blank => vec![cell(&key.value, CellValue::Blank, key.span)],
        NodeKind::Text { text, quoted: true } => vec![cell(&key.value, CellValue::Text(text.clone()), node.span)],
        NodeKind::Text { text, .. } => vec![cell(&key.value, CellValue::of_text(text), node.span)],
        NodeKind::List(items) => {
            let mut texts = Vec::new();
            for item in items {
                match item.text() {
                    Some(text) => texts.push(Spanned::new(text.to_owned(), item.span)),
                    None => {
                        diagnostics.push(Diagnostic::error("R0003", item.span, format!("a list holds single values, not {}", item.what())));
                    }
                }
            }
            vec![cell(&key.value, CellValue::List(texts), node.span)]
        }
        NodeKind::Map(entries) if key.value == "evidence" => {
            let inner = |(name, value): &(Spanned<String>, Node)| {
                let name = Spanned::new(format!("evidence_{}", name.value), name.span);
                cells(&name, value, diagnostics)
            };
            entries.iter().flat_map(inner).collect()
        }
        NodeKind::Map(_) => {
            diagnostics.push(Diagnostic::error("R0003", node.span, format!("`{}` is a single value or a list, not a mapping", key.value)));
            Vec::new()
        }
    }
}

/// Reads `complete`: one claim or a list of claims.
fn claims(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<CompletenessClaim> {
    match &node.kind {
        NodeKind::List(items) => items.iter().filter_map(|item| claim(item, diagnostics)).collect(),
        _ => claim(node, diagnostics).into_iter().collect(),
    }
}

fn claim(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<CompletenessClaim> {
    let mut wrong = |span: Span, message: String| diagnostics.push(Diagnostic::error("R0011", span, message));
    let NodeKind::Map(entries) = &node.kind else {
        wrong(node.span, "`complete` is a mapping such as `{subjects: all, from: 2025-01-01, attested_by: …}`".to_owned());
        return None;
    };
    let span = entries.first().map_or(node.span, |(key, _)| key.span);
    let mut claim = CompletenessClaim { span, ..CompletenessClaim::default() };
    let mut subjects = None;
    for (key, value) in entries {
        let text = value.text().map(str::to_owned);
        match (key.value.as_str(), &value.kind) {
            ("subjects", NodeKind::Text { text, .. }) if text == "all" => subjects = Some(Subjects::All),
            ("subjects", NodeKind::List(items)) => {
                let ids = items.iter().filter_map(|item| Some(Spanned::new(item.text()?.to_owned(), item.span)));
                subjects = Some(Subjects::Listed(ids.collect()));
            }
            ("subjects", _) => {}
            (_, NodeKind::List(_) | NodeKind::Map(_)) => wrong(value.span, format!("`{}` is a single value", key.value)),
            ("from", _) => claim.from = text,
            ("to", _) => claim.to = text,
            ("attested_by", _) => claim.attested_by = text,
            ("attested_on", _) => claim.attested_on = text,
            ("list", _) => claim.list = text,
            (name, _) => wrong(key.span, format!("`complete` has no key `{name}`")),
        }
    }
    match subjects {
        Some(subjects) => Some(CompletenessClaim { subjects, ..claim }),
        None => {
            wrong(span, "`complete` says for which `subjects`: `all` or a list of ids".to_owned());
            None
        }
    }
}

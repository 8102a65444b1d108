//! CSV to rows with places (RFC 4180). Comma, semicolon or tab, whichever the heading uses.

use std::collections::BTreeMap;

use super::{Cell, CellValue, REGISTER_ROWS_MAX, RegisterText, Row};
use crate::text::{Diagnostic, FileId, Span};

/// One field as read.
struct Field {
    text: String,
    start: usize,
    end: usize,
}

/// Reads the heading and the rows below it. The error of one row does not hide those of others.
pub(super) fn parse(text: &str, file: FileId, diagnostics: &mut Vec<Diagnostic>) -> RegisterText {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len() - body.len();
    let span = |start: usize, end: usize| Span::new(file, start + shift, end + shift);
    let heading_line = body.lines().next().unwrap_or("");
    let count = |wanted: char| heading_line.chars().filter(|letter| *letter == wanted).count();
    let separator = [',', ';', '\t'].into_iter().rev().max_by_key(|wanted| count(*wanted)).unwrap_or(',');
    let mut reader = Reader { text: body, at: 0, separator };
    let mut register = RegisterText::default();
    let Some(heading) = read_heading(&mut reader, &span, diagnostics) else { return register };
    loop {
        // One row too many is enough for the caller to refuse them all.
        if register.rows.len() > REGISTER_ROWS_MAX {
            return register;
        }
        let start = reader.at;
        match reader.record() {
            None => return register,
            Some(Err((at, message))) => {
                diagnostics.push(Diagnostic::error("R0001", span(at, at), message));
                return register;
            }
            Some(Ok(fields)) if fields.iter().all(|field| field.text.trim().is_empty()) => {}
            Some(Ok(fields)) => {
                if fields.len() != heading.len() {
                    let message = format!("the row has {} cells, and the heading has {}", fields.len(), heading.len());
                    let end = fields.last().map_or(start, |field| field.end);
                    diagnostics.push(Diagnostic::error("R0003", span(start, end), message));
                }
                let cell = |((name, name_span), field): (&(String, Span), Field)| Cell {
                    name: name.clone(),
                    name_span: *name_span,
                    value: CellValue::of_text(&field.text),
                    span: span(field.start, field.end),
                };
                let row_span = span(start, fields.first().map_or(start, |field| field.end));
                register.rows.push(Row { span: row_span, cells: heading.iter().zip(fields).map(cell).collect() });
            }
        }
    }
}

fn read_heading(
    reader: &mut Reader<'_>,
    span: &dyn Fn(usize, usize) -> Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<(String, Span)>> {
    let fields = match reader.record()? {
        Ok(fields) => fields,
        Err((at, message)) => {
            diagnostics.push(Diagnostic::error("R0001", span(at, at), message));
            return None;
        }
    };
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut heading = Vec::new();
    for field in fields {
        let place = span(field.start, field.end);
        let name = field.text.trim().to_owned();
        if name.is_empty() {
            diagnostics.push(Diagnostic::error("R0003", place, "a column has no name"));
        } else if let Some(first) = seen.insert(name.to_lowercase(), place) {
            let twice = Diagnostic::error("R0003", place, format!("the column `{name}` is there twice"));
            diagnostics.push(twice.label(first, "first here"));
        }
        heading.push((name, place));
    }
    Some(heading)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    separator: char,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    /// Reads one record; `None` at the end of the text.
    fn record(&mut self) -> Option<Result<Vec<Field>, (usize, String)>> {
        self.peek()?;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok(field) => fields.push(field),
                Err(error) => return Some(Err(error)),
            }
            match self.take() {
                Some(letter) if letter == self.separator => {}
                Some('\r') => {
                    if self.peek() == Some('\n') {
                        self.take();
                    }
                    return Some(Ok(fields));
                }
                _ => return Some(Ok(fields)),
            }
        }
    }

    fn field(&mut self) -> Result<Field, (usize, String)> {
        let start = self.at;
        let mut text = String::new();
        if self.peek() == Some('"') {
            self.take();
            loop {
                match self.take() {
                    Some('"') if self.peek() == Some('"') => {
                        self.take();
                        text.push('"');
                    }
                    Some('"') => break,
                    Some(letter) => text.push(letter),
                    None => return Err((start, "the quoted cell that begins here does not end".to_owned())),
                }
            }
            return match self.peek() {
                None | Some('\n' | '\r') => Ok(Field { text, start, end: self.at }),
                Some(letter) if letter == self.separator => Ok(Field { text, start, end: self.at }),
                Some(_) => Err((self.at, "there is text after the closing quote".to_owned())),
            };
        }
        while let Some(letter) = self.peek().filter(|letter| *letter != self.separator && !['\n', '\r'].contains(letter)) {
            text.push(letter);
            self.take();
        }
        Ok(Field { text, start, end: self.at })
    }
}

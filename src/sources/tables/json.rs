//! A JSON Lines file as batches, one task a block of lines.
//!
//! Lines are flat objects. The usual ones are taken apart here; a line with escapes, nesting or unusual numbers goes to
//! `serde_json`, which also words what is wrong with it.

use std::path::Path;

use rayon::prelude::*;

use super::batch::{Batch, Cells, JsonCell};
use super::read::{Blocks, Wrong, open};
use super::{TABLE_ROWS_MAX, TablesError};

/// The longest line.
const LINE_BYTES_MAX: usize = 1 << 20;
const BLOCK_BYTES: u64 = 4 << 20;
const ROWS_PER_BATCH: usize = 4_096;

/// Reads the named columns of a file.
pub(super) fn read<T: Send>(path: &Path, columns: &[String], blocks: Blocks<'_, T>) -> Result<Vec<T>, TablesError> {
    let (_, len) = open(path)?;
    let read_block = |at: u64| {
        let text = block(path, at, len)?;
        let mut state = (blocks.new)();
        let mut seen = vec![false; columns.len()];
        match visit_lines(&text, columns, &blocks, &mut state, &mut seen) {
            Ok(n_rows) => Ok((state, n_rows, seen)),
            Err(wrong) => Err(TablesError::Row {
                file: path.display().to_string(),
                word: "line",
                row: lines_before(path, at)? + wrong.row as u64 + 1,
                message: wrong.message,
            }),
        }
    };
    let n_blocks = len.div_ceil(BLOCK_BYTES);
    let read: Result<Vec<_>, TablesError> = (0..n_blocks).into_par_iter().map(|at| read_block(at * BLOCK_BYTES)).collect();
    gather(path, columns, read?)
}

/// Reads the named columns of lines that are in memory.
pub(super) fn read_text<T: Send>(path: &Path, text: &str, columns: &[String], blocks: Blocks<'_, T>) -> Result<Vec<T>, TablesError> {
    let mut state = (blocks.new)();
    let mut seen = vec![false; columns.len()];
    match visit_lines(text, columns, &blocks, &mut state, &mut seen) {
        Ok(n_rows) => gather(path, columns, vec![(state, n_rows, seen)]),
        Err(wrong) => {
            let row = wrong.row as u64 + 1;
            Err(TablesError::Row { file: path.display().to_string(), word: "line", row, message: wrong.message })
        }
    }
}

/// Refuses too many rows, and a column that no row has: its name is probably misspelt.
fn gather<T>(path: &Path, columns: &[String], read: Vec<(T, u64, Vec<bool>)>) -> Result<Vec<T>, TablesError> {
    let n_rows: u64 = read.iter().map(|(_, n_rows, _)| n_rows).sum();
    let file = || path.display().to_string();
    if n_rows > TABLE_ROWS_MAX {
        return Err(TablesError::Limit { file: file(), what: format!("{n_rows} rows"), limit: TABLE_ROWS_MAX });
    }
    for (at, column) in columns.iter().enumerate() {
        if n_rows > 0 && !read.iter().any(|(_, _, seen)| seen.get(at) == Some(&true)) {
            return Err(TablesError::File { file: file(), message: format!("no line has `{column}`") });
        }
    }
    Ok(read.into_iter().map(|(state, _, _)| state).collect())
}

/// Reads the lines that begin in the block at this byte.
fn block(path: &Path, at: u64, len: u64) -> Result<String, TablesError> {
    // One byte before the block tells whether a line begins with it.
    let from = at.saturating_sub(1);
    let end = (at + BLOCK_BYTES).min(len);
    let (file, _) = open(path)?;
    let wrong = |message: String| TablesError::File { file: path.display().to_string(), message };
    let mut bytes = bytes_at(path, &file, from, end)?;
    let begin = if at == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| newline + 1) };
    if begin == bytes.len() && at != 0 {
        // No line begins here.
        return match bytes.last() {
            Some(b'\n') | None => Ok(String::new()),
            Some(_) if bytes.len() > LINE_BYTES_MAX => Err(too_long(path, at)),
            Some(_) => Ok(String::new()),
        };
    }
    let mut read_to = end;
    let mut cut = bytes.last() != Some(&b'\n');
    while cut && read_to < len {
        let more = bytes_at(path, &file, read_to, (read_to + 65_536).min(len))?;
        read_to += more.len() as u64;
        let newline = more.iter().position(|byte| *byte == b'\n');
        cut = newline.is_none() && !more.is_empty();
        bytes.extend_from_slice(more.get(..newline.map_or(more.len(), |newline| newline + 1)).unwrap_or(&more));
        if bytes.len() as u64 > BLOCK_BYTES + 1 + LINE_BYTES_MAX as u64 {
            return Err(too_long(path, at));
        }
    }
    bytes.drain(..begin);
    let text = String::from_utf8(bytes)
        .map_err(|error| wrong(format!("byte {} is not UTF-8", from + (begin + error.utf8_error().valid_up_to()) as u64)))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) if at == 0 => rest.to_owned(),
        _ => text,
    })
}

fn too_long(path: &Path, at: u64) -> TablesError {
    let what = format!("the length in bytes of a line after byte {at}");
    TablesError::Limit { file: path.display().to_string(), what, limit: LINE_BYTES_MAX as u64 }
}

fn bytes_at(path: &Path, file: &std::fs::File, from: u64, to: u64) -> Result<Vec<u8>, TablesError> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = file;
    let mut bytes = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
    file.seek(SeekFrom::Start(from)).map_err(TablesError::io(path, "read"))?;
    file.take(to.saturating_sub(from)).read_to_end(&mut bytes).map_err(TablesError::io(path, "read"))?;
    Ok(bytes)
}

/// Counts the lines that begin before a block, for messages.
fn lines_before(path: &Path, at: u64) -> Result<u64, TablesError> {
    let (file, _) = open(path)?;
    let mut lines = 0;
    let mut from = 0;
    // A line that begins in the block follows a newline before its first byte, or inside it.
    while from < at {
        let bytes = bytes_at(path, &file, from, (from + BLOCK_BYTES).min(at))?;
        lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        from += BLOCK_BYTES;
    }
    if at > 0 {
        let last = bytes_at(path, &file, at - 1, at)?;
        lines += u64::from(last.first() != Some(&b'\n'));
    }
    Ok(lines)
}

/// Takes up all lines of a text; returns how many rows there were.
fn visit_lines<T>(text: &str, columns: &[String], blocks: &Blocks<'_, T>, state: &mut T, seen: &mut [bool]) -> Result<u64, Wrong> {
    let mut parser = Parser::new(text, columns);
    let mut n_rows = 0;
    for line in lines(text) {
        let row = parser.n_rows;
        if line.end - line.start > LINE_BYTES_MAX {
            let message = format!("it is longer than {LINE_BYTES_MAX} bytes");
            return Err(Wrong { row: n_rows + row, message });
        }
        parser.line(line.start, line.end).map_err(|message| Wrong { row: n_rows + row, message })?;
        if parser.n_rows == ROWS_PER_BATCH {
            parser.flush(blocks, state, seen).map_err(|wrong| Wrong { row: n_rows + wrong.row, ..wrong })?;
            n_rows += ROWS_PER_BATCH;
        }
    }
    let rest = parser.n_rows;
    parser.flush(blocks, state, seen).map_err(|wrong| Wrong { row: n_rows + wrong.row, ..wrong })?;
    Ok((n_rows + rest) as u64)
}

/// Returns the lines of a text, without their ends.
fn lines(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut from = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = from;
        from += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    })
}

struct Parser<'t> {
    text: &'t str,
    names: &'t [String],
    columns: Vec<Vec<JsonCell>>,
    unescaped: String,
    n_rows: usize,
    /// The names of the line before, in order, with the column each is of: the next line probably has the same.
    expected: Vec<(&'t str, Option<usize>)>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, names: &'t [String]) -> Self {
        let columns = names.iter().map(|_| Vec::with_capacity(ROWS_PER_BATCH)).collect();
        Self { text, names, columns, unescaped: String::new(), n_rows: 0, expected: Vec::new() }
    }

    fn flush<T>(&mut self, blocks: &Blocks<'_, T>, state: &mut T, seen: &mut [bool]) -> Result<(), Wrong> {
        if self.n_rows == 0 {
            return Ok(());
        }
        let columns: Vec<Cells> = self.columns.iter_mut().map(|cells| Cells::Json(std::mem::take(cells))).collect();
        let mut batch = Batch { n_rows: self.n_rows, columns, text: self.text, unescaped: std::mem::take(&mut self.unescaped) };
        (blocks.visit)(state, &batch)?;
        for ((cells, column), seen) in batch.columns.iter_mut().zip(&mut self.columns).zip(seen) {
            if let Cells::Json(cells) = cells {
                *seen |= cells.iter().any(|cell| *cell != JsonCell::Absent);
                cells.clear();
                std::mem::swap(cells, column);
            }
        }
        self.n_rows = 0;
        Ok(())
    }

    fn line(&mut self, start: usize, end: usize) -> Result<(), String> {
        for column in &mut self.columns {
            column.push(JsonCell::Absent);
        }
        self.n_rows += 1;
        if self.flat(start, end).is_none() {
            for column in &mut self.columns {
                if let Some(cell) = column.last_mut() {
                    *cell = JsonCell::Absent;
                }
            }
            self.slow(start, end)?;
        }
        Ok(())
    }

    /// Takes a flat object apart; `None` for anything unusual.
    fn flat(&mut self, start: usize, end: usize) -> Option<()> {
        let bytes = self.text.as_bytes().get(..end)?;
        let mut at = skip_blanks(bytes, start);
        if *bytes.get(at)? != b'{' {
            return None;
        }
        at = skip_blanks(bytes, at + 1);
        if *bytes.get(at)? == b'}' {
            return (skip_blanks(bytes, at + 1) == end).then_some(());
        }
        let mut n_names = 0;
        loop {
            let (column, after) = self.name(bytes, at, n_names)?;
            n_names += 1;
            at = skip_blanks(bytes, after);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = skip_blanks(bytes, at + 1);
            let (cell, after) = simple_value(bytes, at)?;
            if let Some(slot) = column.and_then(|column| self.columns.get_mut(column)).and_then(|cells| cells.last_mut()) {
                if *slot != JsonCell::Absent {
                    return None;
                }
                *slot = cell;
            }
            at = skip_blanks(bytes, after);
            match *bytes.get(at)? {
                b',' => at = skip_blanks(bytes, at + 1),
                b'}' => return (skip_blanks(bytes, at + 1) == end).then_some(()),
                _ => return None,
            }
        }
    }

    /// Reads a name; returns the column it is of and the place after it.
    fn name(&mut self, bytes: &[u8], at: usize, n_names: usize) -> Option<(Option<usize>, usize)> {
        if *bytes.get(at)? != b'"' {
            return None;
        }
        if let Some((name, column)) = self.expected.get(n_names) {
            let end = at + 1 + name.len();
            if bytes.get(end) == Some(&b'"') && bytes.get(at + 1..end) == Some(name.as_bytes()) {
                return Some((*column, end + 1));
            }
        }
        let end = string_end(bytes, at + 1)?;
        let name = self.text.get(at + 1..end)?;
        let column = self.names.iter().position(|known| known == name);
        self.expected.truncate(n_names);
        self.expected.push((name, column));
        Some((column, end + 1))
    }

    fn slow(&mut self, start: usize, end: usize) -> Result<(), String> {
        let line = self.text.get(start..end).unwrap_or("");
        if line.trim().is_empty() {
            return Err("the line is empty".to_owned());
        }
        let row: Row = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let text = text.rfind(" at line ").and_then(|place| text.get(..place)).unwrap_or(&text);
            format!("{text} (column {})", error.column())
        })?;
        for (name, value) in row.0 {
            let Some(cells) = self.names.iter().position(|known| *known == name).and_then(|column| self.columns.get_mut(column)) else {
                continue;
            };
            let cell = match value {
                serde_json::Value::Null => JsonCell::Null,
                serde_json::Value::Bool(value) => JsonCell::Bool(value),
                serde_json::Value::Number(number) => number.as_i64().map_or(JsonCell::Other("a number that is not whole"), JsonCell::Int),
                serde_json::Value::String(text) => {
                    let from = self.unescaped.len();
                    self.unescaped.push_str(&text);
                    let place = |at: usize| u32::try_from(at).map_err(|_| "the texts of the lines are too long".to_owned());
                    JsonCell::Unescaped { start: place(from)?, end: place(self.unescaped.len())? }
                }
                serde_json::Value::Array(_) => JsonCell::Other("a list"),
                serde_json::Value::Object(_) => JsonCell::Other("an object"),
            };
            if let Some(slot) = cells.last_mut() {
                *slot = cell;
            }
        }
        Ok(())
    }
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns the place of the quote that ends a string without escapes.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let end = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)?;
    (rest.get(end) == Some(&b'"')).then_some(from + end)
}

/// Reads a string without escapes, a short whole number, true, false or null; returns the place after it.
fn simple_value(bytes: &[u8], at: usize) -> Option<(JsonCell, usize)> {
    let word = |word: &[u8], cell: JsonCell| (bytes.get(at..at + word.len()) == Some(word)).then_some((cell, at + word.len()));
    match *bytes.get(at)? {
        b'"' => {
            let end = string_end(bytes, at + 1)?;
            let cell = JsonCell::Text { start: u32::try_from(at + 1).ok()?, end: u32::try_from(end).ok()? };
            Some((cell, end + 1))
        }
        b'n' => word(b"null", JsonCell::Null),
        b't' => word(b"true", JsonCell::Bool(true)),
        b'f' => word(b"false", JsonCell::Bool(false)),
        b'1'..=b'9' => {
            let digits = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let value = std::str::from_utf8(bytes.get(at..at + digits)?).ok()?.parse().ok()?;
            // A fraction or an exponent follows: not a whole number after all.
            (!matches!(bytes.get(at + digits), Some(b'.' | b'e' | b'E'))).then_some((JsonCell::Int(value), at + digits))
        }
        _ => None,
    }
}

/// A row in the order it is written; a name that stands twice is an error.
struct Row(Vec<(String, serde_json::Value)>);

impl<'de> serde::Deserialize<'de> for Row {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> serde::de::Visitor<'de> for RowVisitor {
            type Value = Row;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut row: Vec<(String, serde_json::Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    if row.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` stands twice")));
                    }
                    row.push((name, value));
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(RowVisitor)
    }
}

//! Tables as JSON Lines: one file a table, one object a row, empty cells left out. Made for diffs and fixtures.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::manifest::{About, MANIFEST};
use super::parquet::Coding;
use super::tables::{Column, ColumnKind, Datum, Table, is_table_name, layout};
use super::write::{HashedFile, private_folder};
use super::{DiskError, ROWS_MAX, from_tables, to_tables};
use crate::model::{Schema, parse_instant};
use crate::snapshot::{Records, SnapshotBuilder};

/// The largest file of JSON Lines that is read; bulk data belongs into a snapshot.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The file that says what tables do not say of themselves.
const ABOUT: &str = "_snapshot.json";

/// Writes the tables of a snapshot into a folder, made if it is not there: `Subscription.jsonl` and so on, private files.
///
/// # Errors
/// [`DiskError::Exists`] if one of the files is there already, or what the system says.
pub fn export_jsonl(schema: &Schema, records: &Records, folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    if !folder.is_dir() {
        private_folder(folder).map_err(DiskError::io(folder, "make"))?;
    }
    let mut written = Vec::new();
    let about = AboutFile::of(&About::of(schema, &records.meta));
    let json = serde_json::to_string_pretty(&about).map_err(|error| DiskError::Manifest { message: error.to_string() })? + "\n";
    written.push(write_file(folder, ABOUT, &json)?);
    for table in to_tables(schema, records).iter().filter(|table| table.n_rows() > 0) {
        written.push(write_file(folder, &format!("{}.jsonl", table.name), &table_to_jsonl(table))?);
    }
    Ok(written)
}

fn write_file(folder: &Path, name: &str, text: &str) -> Result<PathBuf, DiskError> {
    let path = folder.join(name);
    if path.exists() {
        return Err(DiskError::Exists { path });
    }
    let mut output = HashedFile::create(&path)?;
    output.write_all(text.as_bytes()).map_err(DiskError::io(&path, "write"))?;
    output.finish(&path)?;
    Ok(path)
}

/// Reads tables from files, or from all `.jsonl` files of folders.
///
/// # Errors
/// [`DiskError::File`] names file and line of what is no row, [`DiskError::Table`] what does not fit the schema.
pub fn import_jsonl(schema: &Arc<Schema>, paths: &[PathBuf]) -> Result<SnapshotBuilder, DiskError> {
    let mut about = About::default();
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for path in files(paths)? {
        let text = read_text(&path)?;
        if path.file_name().is_some_and(|name| name == ABOUT) {
            about = AboutFile::parse(&path, &text)?;
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        let wrong = |message| DiskError::File { file: path.display().to_string(), message };
        if !is_table_name(name) {
            return Err(wrong("the file does not bear the name of a table, such as Subscription.jsonl".to_owned()));
        }
        let table = jsonl_to_table(schema, name, &text).map_err(wrong)?;
        if tables.insert(name.to_owned(), table).is_some() {
            return Err(wrong("another file holds the same table".to_owned()));
        }
    }
    from_tables(schema, &about, tables.into_values().collect())
}

/// Returns the files meant, sorted.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiskError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        if path.join(MANIFEST).is_file() {
            return Err(DiskError::File {
                file: path.display().to_string(),
                message: "this is a snapshot, not a folder of tables".to_owned(),
            });
        }
        for entry in fs::read_dir(path).map_err(DiskError::io(path, "list"))? {
            let file = entry.map_err(DiskError::io(path, "list"))?.path();
            if file.extension().is_some_and(|extension| extension == "jsonl") || file.file_name().is_some_and(|name| name == ABOUT) {
                files.push(file);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, DiskError> {
    let file = fs::File::open(path).map_err(DiskError::io(path, "read"))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(DiskError::io(path, "read"))?;
    let wrong = |message: String| DiskError::File { file: path.display().to_string(), message };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| wrong(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to())))?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// Writes a table as JSON Lines.
fn table_to_jsonl(table: &Table) -> String {
    let mut text = String::new();
    for row in 0..table.n_rows() {
        let cells = table.columns.iter().filter_map(|column| Some((column, column.cells.get(row)?.as_ref()?)));
        let object: serde_json::Map<String, serde_json::Value> = cells
            .map(|(column, datum)| {
                let value = match datum {
                    Datum::Text(text) => serde_json::Value::from(&**text),
                    Datum::Int(value) => serde_json::Value::from(*value),
                    Datum::Bool(value) => serde_json::Value::from(*value),
                    Datum::Instant(instant) => serde_json::Value::from(instant.to_string()),
                };
                (column.name.clone(), value)
            })
            .collect();
        text.push_str(&serde_json::Value::Object(object).to_string());
        text.push('\n');
    }
    text
}

/// Reads a table from JSON Lines; line and row agree, so blank lines are refused save at the end.
fn jsonl_to_table(schema: &Schema, name: &str, text: &str) -> Result<Table, String> {
    // A type nobody declares is reported with its near misses when the tables are put together.
    let Some(layout) = layout(schema, name) else { return Ok(Table { name: name.to_owned(), columns: Vec::new() }) };
    let mut table = Table::empty(name, layout);
    for (at, line) in text.lines().enumerate() {
        if at as u64 >= ROWS_MAX {
            return Err(format!("it has more than {ROWS_MAX} rows"));
        }
        let wrong = |message: String| format!("line {}: {message}", at + 1);
        let row: JsonRow = serde_json::from_str(line).map_err(|error| wrong(plain(&error)))?;
        table.push_row([]);
        for (column, cell) in row.0 {
            let kind = kind_of(&mut table, &column, &cell, at);
            let datum = datum(kind, &cell).map_err(|message| wrong(format!("`{column}` {message}")))?;
            table.put(&column, datum);
        }
    }
    Ok(table)
}

/// Returns what a column holds; one that the schema does not have is added, to be left out with a note later.
fn kind_of(table: &mut Table, name: &str, cell: &JsonCell, row: usize) -> ColumnKind {
    if let Some(column) = table.column(name) {
        return column.kind;
    }
    let kind = match cell {
        JsonCell::Bool(_) => ColumnKind::Bool,
        JsonCell::Int(_) => ColumnKind::Int,
        JsonCell::Null | JsonCell::Text(_) => ColumnKind::Text,
    };
    table.columns.push(Column { name: name.to_owned(), kind, cells: vec![None; row + 1], coding: Coding::Repeating });
    kind
}

fn datum(kind: ColumnKind, cell: &JsonCell) -> Result<Option<Datum>, String> {
    match (kind, cell) {
        (_, JsonCell::Null) => Ok(None),
        (ColumnKind::Text, JsonCell::Text(text)) => Ok(Some(Datum::text(text))),
        (ColumnKind::Int, JsonCell::Int(value)) => Ok(Some(Datum::Int(*value))),
        (ColumnKind::Bool, JsonCell::Bool(value)) => Ok(Some(Datum::Bool(*value))),
        (ColumnKind::Instant, JsonCell::Text(text)) => match parse_instant(text)? {
            Some(instant) => Ok(Some(Datum::Instant(instant))),
            None => Err("is a date of year 0001, which means none; leave it out and say so in _facts".to_owned()),
        },
        _ => Err(format!("is not a {}", kind.name())),
    }
}

/// Leaves out the place that serde adds: a line holds one object, and its number is told already.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => format!("{} (column {})", text.get(..end).unwrap_or(&text), error.column()),
        None => text,
    }
}

enum JsonCell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

/// A row in the order it is written; a name that stands twice is an error.
struct JsonRow(Vec<(String, JsonCell)>);

impl<'de> Deserialize<'de> for JsonRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = JsonRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRow, A::Error> {
                let mut row: Vec<(String, JsonCell)> = Vec::new();
                while let Some((name, cell)) = map.next_entry::<String, JsonCell>()? {
                    if row.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format!("`{name}` stands twice")));
                    }
                    row.push((name, cell));
                }
                Ok(JsonRow(row))
            }
        }
        deserializer.deserialize_map(RowVisitor)
    }
}

impl<'de> Deserialize<'de> for JsonCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CellVisitor;
        impl Visitor<'_> for CellVisitor {
            type Value = JsonCell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a whole number, true, false or null")
            }

            fn visit_unit<E>(self) -> Result<JsonCell, E> {
                Ok(JsonCell::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<JsonCell, E> {
                Ok(JsonCell::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<JsonCell, E> {
                Ok(JsonCell::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<JsonCell, E> {
                i64::try_from(value).map(JsonCell::Int).map_err(|_| E::custom(format!("{value} is too large")))
            }

            fn visit_str<E>(self, value: &str) -> Result<JsonCell, E> {
                Ok(JsonCell::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(CellVisitor)
    }
}

/// `_snapshot.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AboutFile {
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    captured_from: Option<String>,
    #[serde(default)]
    captured_to: Option<String>,
    #[serde(default)]
    problems: Vec<String>,
}

impl AboutFile {
    fn of(about: &About) -> Self {
        Self {
            tenant: about.tenant.clone(),
            captured_from: about.captured_from.map(|at| at.to_string()),
            captured_to: about.captured_to.map(|at| at.to_string()),
            problems: about.problems.clone(),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<About, DiskError> {
        let wrong = |message: String| DiskError::File { file: path.display().to_string(), message };
        let file: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let instant = |text: Option<String>| match text {
            Some(text) => text.parse().map(Some).or_else(|_| parse_instant(&text)).map_err(wrong),
            None => Ok(None),
        };
        Ok(About {
            tenant: file.tenant,
            captured_from: instant(file.captured_from)?,
            captured_to: instant(file.captured_to)?,
            problems: file.problems,
            roots: BTreeMap::new(),
        })
    }
}

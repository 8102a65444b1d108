//! Some rows of a source table, by column, whatever the format of the file.

use arrow_array::{
    Array, BooleanArray, Date32Array, Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use jiff::Timestamp;

use super::mapping::Column;

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'b> {
    /// The row does not speak of it.
    Absent,
    /// It is empty.
    Null,
    /// Text.
    Text(&'b str),
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A time.
    Instant(Timestamp),
    /// Something else; says what.
    Other(&'static str),
}

/// A cell that stands for itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OwnedCell {
    Absent,
    Null,
    Text(String),
    Bool(bool),
    Int(i64),
    Instant(Timestamp),
    Other(&'static str),
}

/// One row, with the row joined to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowRef<'b> {
    pub(super) batch: &'b Batch<'b>,
    pub(super) row: usize,
    pub(super) joined: &'b [OwnedCell],
}

impl<'b> RowRef<'b> {
    /// Returns a cell.
    pub(super) fn cell(self, column: Column) -> Cell<'b> {
        match column {
            Column::Own(at) => self.batch.cell(at, self.row),
            Column::Joined(at) => self.joined.get(at).map_or(Cell::Absent, OwnedCell::cell),
        }
    }
}

impl OwnedCell {
    pub(super) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Absent => Cell::Absent,
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text),
            Self::Bool(value) => Cell::Bool(*value),
            Self::Int(value) => Cell::Int(*value),
            Self::Instant(value) => Cell::Instant(*value),
            Self::Other(what) => Cell::Other(what),
        }
    }
}

impl Cell<'_> {
    /// Copies the cell out of its batch.
    pub(super) fn to_owned_cell(self) -> OwnedCell {
        match self {
            Self::Absent => OwnedCell::Absent,
            Self::Null => OwnedCell::Null,
            Self::Text(text) => OwnedCell::Text(text.to_owned()),
            Self::Bool(value) => OwnedCell::Bool(value),
            Self::Int(value) => OwnedCell::Int(value),
            Self::Instant(value) => OwnedCell::Instant(value),
            Self::Other(what) => OwnedCell::Other(what),
        }
    }
}

/// The cells of one column.
#[derive(Debug)]
pub(super) enum Cells {
    /// The file has no such column.
    Missing,
    Text(StringViewArray),
    Bool(BooleanArray),
    Int(Int64Array),
    SmallInt(Int32Array),
    Days(Date32Array),
    Seconds(TimestampSecondArray),
    Millis(TimestampMillisecondArray),
    Micros(TimestampMicrosecondArray),
    Nanos(TimestampNanosecondArray),
    Json(Vec<JsonCell>),
}

/// A cell of a JSON line; texts stand in the text of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonCell {
    Absent,
    Null,
    Text {
        start: u32,
        end: u32,
    },
    /// A text with escapes, among the unescaped texts of the batch.
    Unescaped {
        start: u32,
        end: u32,
    },
    Bool(bool),
    Int(i64),
    Other(&'static str),
}

/// Some rows.
#[derive(Debug)]
pub(super) struct Batch<'t> {
    pub(super) n_rows: usize,
    /// The columns asked for, in that order.
    pub(super) columns: Vec<Cells>,
    /// The text that JSON cells point into.
    pub(super) text: &'t str,
    /// Texts without their escapes.
    pub(super) unescaped: String,
}

impl Batch<'_> {
    /// Returns a cell; beyond the end it is absent.
    pub(super) fn cell(&self, column: usize, row: usize) -> Cell<'_> {
        let Some(cells) = self.columns.get(column) else { return Cell::Absent };
        if row >= self.n_rows {
            return Cell::Absent;
        }
        match cells {
            Cells::Text(array) if array.is_valid(row) => Cell::Text(array.value(row)),
            Cells::Bool(array) if array.is_valid(row) => Cell::Bool(array.value(row)),
            Cells::Int(array) if array.is_valid(row) => Cell::Int(array.value(row)),
            Cells::SmallInt(array) if array.is_valid(row) => Cell::Int(i64::from(array.value(row))),
            Cells::Days(array) if array.is_valid(row) => instant(Timestamp::from_second(i64::from(array.value(row)) * 86_400)),
            Cells::Seconds(array) if array.is_valid(row) => instant(Timestamp::from_second(array.value(row))),
            Cells::Millis(array) if array.is_valid(row) => instant(Timestamp::from_millisecond(array.value(row))),
            Cells::Micros(array) if array.is_valid(row) => instant(Timestamp::from_microsecond(array.value(row))),
            Cells::Nanos(array) if array.is_valid(row) => instant(Timestamp::from_nanosecond(i128::from(array.value(row)))),
            Cells::Json(cells) => self.json(cells.get(row).copied().unwrap_or(JsonCell::Absent)),
            Cells::Missing => Cell::Absent,
            _ => Cell::Null,
        }
    }

    fn json(&self, cell: JsonCell) -> Cell<'_> {
        match cell {
            JsonCell::Absent => Cell::Absent,
            JsonCell::Null => Cell::Null,
            JsonCell::Text { start, end } => self.text.get(start as usize..end as usize).map_or(Cell::Absent, Cell::Text),
            JsonCell::Unescaped { start, end } => self.unescaped.get(start as usize..end as usize).map_or(Cell::Absent, Cell::Text),
            JsonCell::Bool(value) => Cell::Bool(value),
            JsonCell::Int(value) => Cell::Int(value),
            JsonCell::Other(what) => Cell::Other(what),
        }
    }
}

fn instant<'b>(found: Result<Timestamp, jiff::Error>) -> Cell<'b> {
    found.map_or(Cell::Other("a time out of range"), Cell::Instant)
}

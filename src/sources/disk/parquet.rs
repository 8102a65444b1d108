//! One table as a Parquet file (zstd). Equal tables give equal bytes.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::ChunkReader;
use ::parquet::schema::types::ColumnPath;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, LargeStringArray, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use jiff::Timestamp;
use rayon::prelude::*;

use super::tables::{Column, ColumnKind, Datum, Table};
use super::{DECODED_BYTES_FLOOR, DECODED_RATIO_MAX, ROWS_MAX};

const ROWS_PER_WRITE: usize = 65_536;
const ROWS_PER_GROUP: usize = 1 << 20;
const ROWS_PER_READ: usize = 4_096;
/// More columns than any type has properties.
const COLUMNS_MAX: usize = 4_096;

/// A table whose columns are made piece by piece when they are written.
pub(super) trait Feed: Sync {
    /// Returns the columns, with how each is encoded.
    fn layout(&self) -> Vec<(String, ColumnKind, Coding)>;
    /// Returns how many rows there are.
    fn n_rows(&self) -> usize;
    /// Makes the cells `from..to` of a column.
    fn array(&self, column: usize, from: usize, to: usize) -> ArrayRef;
}

/// How the cells of a column follow from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Few values that repeat, or anything.
    Repeating,
    /// Texts that mostly begin like the one before.
    Following,
}

impl Feed for Table {
    fn layout(&self) -> Vec<(String, ColumnKind, Coding)> {
        self.columns.iter().map(|column| (column.name.clone(), column.kind, column.coding)).collect()
    }

    fn n_rows(&self) -> usize {
        Table::n_rows(self)
    }

    fn array(&self, column: usize, from: usize, to: usize) -> ArrayRef {
        match self.columns.get(column) {
            Some(column) => array_of(column.kind, column.cells.iter().skip(from).take(to - from).cloned()),
            None => arrow_array::new_null_array(&DataType::Boolean, to.saturating_sub(from)),
        }
    }
}

/// Writes a table, its columns side by side on all threads. The bytes do not depend on the threads.
pub(super) fn write_table(table: &dyn Feed, output: impl Write + Send) -> Result<(), String> {
    let layout = table.layout();
    let fields: Vec<Field> = layout.iter().map(|(name, kind, _)| Field::new(name, data_type(*kind), true)).collect();
    let schema = Arc::new(ArrowSchema::new(fields));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("tenet".to_owned())
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP));
    for (name, ..) in layout.iter().filter(|(.., coding)| *coding == Coding::Following) {
        let path = ColumnPath::from(name.as_str());
        properties = properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, Encoding::DELTA_BYTE_ARRAY);
    }
    let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
    let text = |error: ::parquet::errors::ParquetError| error.to_string();
    let writer = ArrowWriter::try_new_with_options(output, Arc::clone(&schema), options).map_err(text)?;
    let (mut writer, groups) = writer.into_serialized_writer().map_err(text)?;
    let mut from = 0;
    while from < table.n_rows() {
        let to = (from + ROWS_PER_GROUP).min(table.n_rows());
        let columns = groups.create_column_writers(writer.flushed_row_groups().len()).map_err(text)?;
        let encode = |(at, mut column): (usize, ArrowColumnWriter)| -> Result<ArrowColumnChunk, String> {
            let field = schema.fields().get(at).ok_or("a column is lost")?;
            for begin in (from..to).step_by(ROWS_PER_WRITE) {
                let cells = table.array(at, begin, (begin + ROWS_PER_WRITE).min(to));
                for leaf in compute_leaves(field, &cells).map_err(text)? {
                    column.write(&leaf).map_err(text)?;
                }
            }
            column.close().map_err(text)
        };
        let chunks: Result<Vec<ArrowColumnChunk>, String> = columns.into_par_iter().with_max_len(1).enumerate().map(encode).collect();
        let mut group = writer.next_row_group().map_err(text)?;
        for chunk in chunks? {
            chunk.append_to_row_group(&mut group).map_err(text)?;
        }
        group.close().map_err(text)?;
        from = to;
    }
    writer.close().map_err(text)?;
    Ok(())
}

pub(super) fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        // Offsets of 64 bits: a batch of long texts cannot overflow them.
        ColumnKind::Text => DataType::LargeUtf8,
        ColumnKind::Int => DataType::Int64,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
    }
}

/// Makes an array of cells; one of another kind is empty.
pub(super) fn array_of(kind: ColumnKind, cells: impl Iterator<Item = Option<Datum>>) -> ArrayRef {
    match kind {
        ColumnKind::Text => {
            let texts = cells.map(|cell| if let Some(Datum::Text(text)) = cell { Some(text) } else { None });
            Arc::new(texts.collect::<LargeStringArray>())
        }
        ColumnKind::Int => {
            let numbers = cells.map(|cell| if let Some(Datum::Int(value)) = cell { Some(value) } else { None });
            Arc::new(numbers.collect::<Int64Array>())
        }
        ColumnKind::Bool => {
            let truths = cells.map(|cell| if let Some(Datum::Bool(value)) = cell { Some(value) } else { None });
            Arc::new(truths.collect::<BooleanArray>())
        }
        ColumnKind::Instant => {
            let micros = cells.map(|cell| if let Some(Datum::Instant(instant)) = cell { Some(instant.as_microsecond()) } else { None });
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    }
}

/// Reads a table from an open file, or from the bytes of one.
///
/// The Parquet reader panics on some forged files whose digest was forged with them; such a panic is an error here.
pub(super) fn read_table(name: &str, file: impl ChunkReader + 'static, file_bytes: u64, rows: u64) -> Result<Table, String> {
    let read = std::panic::AssertUnwindSafe(|| decode(name, file, file_bytes, rows));
    std::panic::catch_unwind(read).unwrap_or_else(|_| Err("it is no sound Parquet file".to_owned()))
}

/// Stops at the limits on rows and decoded bytes, whatever the file says of itself.
fn decode(name: &str, file: impl ChunkReader + 'static, file_bytes: u64, rows: u64) -> Result<Table, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|error| error.to_string())?;
    let stated = u64::try_from(builder.metadata().file_metadata().num_rows()).map_err(|_| "a negative number of rows".to_owned())?;
    if stated != rows {
        return Err(format!("it has {stated} rows, and the manifest says {rows}"));
    }
    if rows > ROWS_MAX {
        return Err(format!("it has {rows} rows; at most {ROWS_MAX} are read"));
    }
    let mut columns = Vec::new();
    for field in builder.schema().fields() {
        columns.push(Column { name: field.name().clone(), kind: kind(field)?, cells: Vec::new(), coding: Coding::Repeating });
    }
    if columns.len() > COLUMNS_MAX {
        return Err(format!("it has {} columns; at most {COLUMNS_MAX} are read", columns.len()));
    }
    let mut shared = vec![Shared::default(); columns.len()];
    let mut left = DECODED_BYTES_FLOOR.saturating_add(file_bytes.saturating_mul(DECODED_RATIO_MAX));
    let reader = builder.with_batch_size(ROWS_PER_READ).build().map_err(|error| error.to_string())?;
    let mut n_rows = 0_u64;
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        n_rows += batch.num_rows() as u64;
        let bytes = batch.columns().iter().map(|array| array.get_array_memory_size() as u64).sum::<u64>();
        left = left.checked_sub(bytes).ok_or("it grows too much when it is decoded".to_owned())?;
        if n_rows > rows {
            return Err(format!("it has more rows than the {rows} it states"));
        }
        for ((column, shared), array) in columns.iter_mut().zip(&mut shared).zip(batch.columns()) {
            append(column, shared, array.as_ref())?;
        }
    }
    if n_rows != rows {
        return Err(format!("{n_rows} of {rows} rows could be read"));
    }
    Ok(Table { name: name.to_owned(), columns })
}

fn kind(field: &Field) -> Result<ColumnKind, String> {
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Ok(ColumnKind::Text),
        DataType::Int64 => Ok(ColumnKind::Int),
        DataType::Boolean => Ok(ColumnKind::Bool),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Ok(ColumnKind::Instant),
        other => Err(format!("column `{}` holds {other}, which no table of a snapshot has", field.name())),
    }
}

/// Texts of a column that were met before: keys, types and names of properties repeat all the time.
#[derive(Clone, Default)]
struct Shared(HashSet<Arc<str>>);

/// Beyond this a column is taken to hold texts of its own.
const SHARED_MAX: usize = 1_024;

impl Shared {
    fn text(&mut self, text: &str) -> Datum {
        if let Some(known) = self.0.get(text) {
            return Datum::Text(Arc::clone(known));
        }
        if self.0.len() >= SHARED_MAX {
            self.0.clear();
        }
        let new: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&new));
        Datum::Text(new)
    }
}

fn append(column: &mut Column, shared: &mut Shared, array: &dyn Array) -> Result<(), String> {
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<StringArray>() {
        column.cells.extend(array.iter().map(|text| text.map(|text| shared.text(text))));
    } else if let Some(array) = any.downcast_ref::<LargeStringArray>() {
        column.cells.extend(array.iter().map(|text| text.map(|text| shared.text(text))));
    } else if let Some(array) = any.downcast_ref::<Int64Array>() {
        column.cells.extend(array.iter().map(|value| value.map(Datum::Int)));
    } else if let Some(array) = any.downcast_ref::<BooleanArray>() {
        column.cells.extend(array.iter().map(|value| value.map(Datum::Bool)));
    } else if let Some(array) = any.downcast_ref::<TimestampMicrosecondArray>() {
        for micros in array {
            let instant = micros.map(Timestamp::from_microsecond).transpose();
            column.cells.push(instant.map_err(|_| format!("column `{}` holds a time out of range", column.name))?.map(Datum::Instant));
        }
    } else {
        return Err(format!("column `{}` cannot be read", column.name));
    }
    Ok(())
}

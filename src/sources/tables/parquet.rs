//! A Parquet file as batches, one task a row group.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use rayon::prelude::*;

use super::batch::{Batch, Cells};
use super::read::{Blocks, Visit};
use super::{TABLE_ROWS_MAX, TablesError};

const ROWS_PER_BATCH: usize = 4_096;
/// More columns than any table that is read has.
const COLUMNS_MAX: usize = 4_096;

/// Reads the named columns of a file.
pub(super) fn read<T: Send>(path: &Path, columns: &[String], blocks: Blocks<'_, T>) -> Result<Vec<T>, TablesError> {
    let wrong = |message: String| TablesError::File { file: path.display().to_string(), message };
    let metadata = guarded(|| load(path, columns)).map_err(wrong)?;
    let groups = metadata.metadata().row_groups();
    let mut first_rows = Vec::with_capacity(groups.len());
    let mut n_rows = 0_u64;
    for group in groups {
        first_rows.push(n_rows);
        n_rows = n_rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    }
    if n_rows > TABLE_ROWS_MAX {
        return Err(TablesError::Limit { file: path.display().to_string(), what: format!("{n_rows} rows"), limit: TABLE_ROWS_MAX });
    }
    let read_group = |(group, first_row): (usize, u64)| {
        let mut state = (blocks.new)();
        guarded(|| Ok(read_group(path, columns, &metadata, group, first_row, blocks.visit, &mut state))).map_err(wrong)??;
        Ok(state)
    };
    first_rows.into_par_iter().enumerate().map(read_group).collect()
}

/// The Parquet reader panics on some forged files; such a panic is an error here.
fn guarded<R>(read: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it is no sound Parquet file".to_owned()))
}

/// Reads what the file says of itself; texts arrive as views, so that they are not copied out of their pages.
fn load(path: &Path, columns: &[String]) -> Result<ArrowReaderMetadata, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(path).map_err(|error| text(&error))?;
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&file, options()).map_err(|error| text(&error))?;
    if metadata.schema().fields().len() > COLUMNS_MAX {
        return Err(format!("it has {} columns; at most {COLUMNS_MAX} are read", metadata.schema().fields().len()));
    }
    for column in columns {
        let Some((_, field)) = metadata.schema().column_with_name(column) else {
            let names: Vec<&str> = metadata.schema().fields().iter().map(|field| field.name().as_str()).collect();
            return Err(format!("it has no column `{column}`; its columns are {}", names.join(", ")));
        };
        if !is_readable(field.data_type()) {
            return Err(format!("the column `{column}` holds {}, which is not read", field.data_type()));
        }
    }
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Arc::new(Field::new(field.name(), DataType::Utf8View, field.is_nullable())),
        _ => Arc::clone(field),
    };
    let schema = ArrowSchema::new(metadata.schema().fields().iter().map(view).collect::<Vec<_>>());
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options().with_schema(Arc::new(schema))).map_err(|error| text(&error))
}

fn is_readable(ty: &DataType) -> bool {
    use DataType::{Boolean, Date32, Int32, Int64, LargeUtf8, Timestamp, Utf8, Utf8View};
    matches!(ty, Utf8 | LargeUtf8 | Utf8View | Boolean | Int32 | Int64 | Date32 | Timestamp(..))
}

fn read_group<T>(
    path: &Path,
    columns: &[String],
    metadata: &ArrowReaderMetadata,
    group: usize,
    first_row: u64,
    visit: Visit<'_, T>,
    state: &mut T,
) -> Result<(), TablesError> {
    let wrong = |message: String| TablesError::File { file: path.display().to_string(), message };
    // A file of its own for each task: tasks that share one would move each other's place in it.
    let file = File::open(path).map_err(TablesError::io(path, "read"))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
    let reader = builder.with_row_groups(vec![group]).with_batch_size(ROWS_PER_BATCH).with_projection(mask).build();
    let mut row = first_row;
    for batch in reader.map_err(|error| wrong(error.to_string()))? {
        let batch = batch.map_err(|error| wrong(error.to_string()))?;
        let cells = columns.iter().map(|column| cells(&batch, column)).collect();
        let batch = Batch { n_rows: batch.num_rows(), columns: cells, text: "", unescaped: String::new() };
        visit(state, &batch).map_err(|wrong| TablesError::Row {
            file: path.display().to_string(),
            word: "row",
            row: row + wrong.row as u64 + 1,
            message: wrong.message,
        })?;
        row += batch.n_rows as u64;
    }
    Ok(())
}

fn cells(batch: &RecordBatch, column: &str) -> Cells {
    let Some(array) = batch.column_by_name(column) else { return Cells::Missing };
    let any = array.as_any();
    macro_rules! take {
        ($($variant:ident),*) => {
            $(if let Some(array) = any.downcast_ref() { return Cells::$variant(<_ as Clone>::clone(array)); })*
        };
    }
    take!(Text, Bool, Int, SmallInt, Days, Seconds, Millis, Micros, Nanos);
    Cells::Missing
}

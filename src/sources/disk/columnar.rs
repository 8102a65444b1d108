//! Writes a snapshot folder from columns.

use std::path::Path;

use super::{DiskError, Manifest, write_snapshot};
use crate::snapshot::columns::Columns;

/// Writes columns to a new folder, as [`write_snapshot`] writes the records they come from.
///
/// # Errors
/// As [`write_snapshot`].
pub fn write_columns(columns: &Columns, path: &Path, force: bool) -> Result<Manifest, DiskError> {
    let mut records = columns.records();
    let schema = columns.schema();
    for record in &mut records.entities {
        record.cells.retain(|(property, _)| schema.property(*property).is_none_or(|property| !property.is_key));
    }
    records.sources.retain(|source| source.kind != crate::model::SourceKind::Derived || source.name != "identity");
    write_snapshot(schema, &records, path, force)
}

//! Canonical text.

use crate::text::{Diagnostic, FileId, SourceFile};

/// Returns the canonical text of a file.
///
/// # Errors
///
/// Returns the diagnostics of a file with syntax errors.
pub fn format(file_id: FileId, source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = super::parse(file_id, source);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    Ok(source.text.to_string())
}

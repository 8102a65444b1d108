//! Source files, spans and diagnostics; knows nothing about policies.
//!
//! In: text with a name. Out: [`Span`]s that point into it and [`Diagnostic`]s about it. Rendering lives in `report`.

mod diagnostic;
mod source;
mod suggest;

pub use diagnostic::{CodePage, Diagnostic, Label, Severity, sort_diagnostics};
pub use source::{FileId, SourceFile, SourceSet, Span, Spanned};
pub use suggest::did_you_mean;

//! From the text of a `.tenet` file to its tree, and back to canonical text.
//!
//! In: a [`SourceFile`](crate::text::SourceFile). Out: an [`ast::File`] with every item that could be read, and a
//! diagnostic for every item that could not. Invariants: no panic on any text; nesting, item size and file size have
//! limits whose diagnostics name them; spans are byte ranges of the file.
//!
//! - `split`: the tolerant scan that cuts a file into items and finds comments
//! - `grammar`: the pest parser made from `grammar/tenet.pest`
//! - `parse`, `expression`, `items`: pairs to [`ast`]
//! - `format`: canonical text

pub mod ast;
mod expression;
mod format;
mod grammar;
mod items;
mod parse;
mod split;

pub use format::format;
pub use parse::{parse, parse_expression};

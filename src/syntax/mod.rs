//! From the text of a `.tenet` file to its tree, and back to canonical text.
//!
//! In: a [`SourceFile`](crate::text::SourceFile). Out: an [`ast::File`] with every item that could be read, and a
//! diagnostic for every item that could not. Invariants: no panic on any text; nesting, item size and file size have
//! limits whose diagnostics name them; spans are byte ranges of the file.
//!
//! - `lex`: tokens of any text, comments included
//! - `split`, `shape`: the tolerant scan that cuts a file into items
//! - `grammar`: the pest parser made from `grammar/tenet.pest`
//! - `parse`: files and items; `hints`, `troubles`: what is wrong with them
//! - `builder`, `items`, `rules`, `expression`, `operators`, `literal`: pairs to [`ast`]
//! - `atoms`, `format`: canonical text

pub mod ast;
mod atoms;
mod builder;
mod expression;
mod format;
mod grammar;
mod hints;
mod items;
mod lex;
mod literal;
mod operators;
mod parse;
mod rules;
mod shape;
mod split;
mod troubles;

#[cfg(test)]
mod tests;

pub use format::format;
pub use literal::quoted;
pub use parse::{parse, parse_expression};

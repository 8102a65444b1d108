//! What the conversions from pairs to the tree share.

use super::ast::{Ident, Qualified, TypeExpr};
use super::grammar::{Pair, Parts, Rule};
use crate::text::{Diagnostic, FileId, Span, Spanned};

/// A converted piece, or why it cannot be converted.
pub(super) type Outcome<T> = Result<T, Box<Diagnostic>>;

/// Converts the pairs of one piece of a file.
pub(super) struct Builder {
    file: FileId,
    /// Where the piece begins in the file.
    base: usize,
    /// What is wrong, beyond the error a conversion stops at.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Builder {
    /// Makes a builder for a piece that begins at byte `base` of `file`.
    pub(super) fn new(file: FileId, base: usize) -> Self {
        Self { file, base, diagnostics: Vec::new() }
    }

    /// Returns the place of a pair in the file, without blanks at its end.
    pub(super) fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let end = span.start() + span.as_str().trim_end().len();
        Span::new(self.file, self.base + span.start(), self.base + end)
    }

    fn start(&self) -> Span {
        Span::new(self.file, self.base, self.base)
    }

    /// Keeps a converted piece, or the reason why there is none.
    pub(super) fn keep<T>(&mut self, outcome: Outcome<T>) -> Option<T> {
        outcome.map_err(|diagnostic| self.diagnostics.push(*diagnostic)).ok()
    }

    /// Reads a name.
    pub(super) fn ident(&self, pair: &Pair<'_>) -> Ident {
        Spanned::new(pair.as_str().to_owned(), self.span(pair))
    }

    /// Reads the next child, a name.
    pub(super) fn next_ident(&self, parts: &mut Parts<'_>) -> Outcome<Ident> {
        Ok(self.ident(&self.next(parts)?))
    }

    /// Takes the next child, which the grammar promises.
    pub(super) fn next<'i>(&self, parts: &mut Parts<'i>) -> Outcome<Pair<'i>> {
        Ok(parts.next().ok_or_else(|| unexpected(self.start()))?)
    }

    /// Takes the next child of `rule`, which the grammar promises.
    pub(super) fn need<'i>(&self, parts: &mut Parts<'i>, rule: Rule) -> Outcome<Pair<'i>> {
        Ok(parts.next_of(rule).ok_or_else(|| unexpected(self.start()))?)
    }

    /// Reads `module.name`.
    pub(super) fn qualified(&self, pair: Pair<'_>) -> Outcome<Qualified> {
        let mut parts = Parts::of(pair);
        let first = self.next_ident(&mut parts)?;
        Ok(match parts.next() {
            Some(second) => Qualified { module: Some(first), name: self.ident(&second) },
            None => Qualified { module: None, name: first },
        })
    }

    /// Reads the next child, `module.name`.
    pub(super) fn next_qualified(&self, parts: &mut Parts<'_>) -> Outcome<Qualified> {
        self.qualified(self.need(parts, Rule::qualified)?)
    }

    /// Reads the next child, a type.
    pub(super) fn next_type(&self, parts: &mut Parts<'_>) -> Outcome<TypeExpr> {
        let mut parts = Parts::of(self.need(parts, Rule::type_expr)?);
        let set = parts.next_of(Rule::kw_set).map(|pair| self.span(&pair));
        let name = self.next_qualified(&mut parts)?;
        let mark = parts.next_of(Rule::optional_mark).map(|pair| self.span(&pair));
        let start = set.unwrap_or(name.span());
        let span = start.to(mark.unwrap_or(name.span()));
        Ok(TypeExpr { set: set.is_some(), optional: mark.is_some(), name, span })
    }
}

/// Makes the error for a tree the grammar does not promise.
pub(super) fn unexpected(span: Span) -> Diagnostic {
    Diagnostic::error("T0001", span, "this is not understood")
}

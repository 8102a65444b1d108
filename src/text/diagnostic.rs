//! What is wrong with a text, for its author.

use super::Span;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// The text can be used, and is probably not what its author meant.
    Warning,
}

/// A place that helps to understand a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; empty if the span alone says it.
    pub text: String,
}

/// One thing wrong with a text.
///
/// Messages are lower case, without a final period and without line breaks; user text stands in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Stable code such as `T0102`; `tenet explain CODE` tells more.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The plain sentence.
    pub message: String,
    /// Where it is wrong.
    pub span: Span,
    /// Further places.
    pub labels: Vec<Label>,
    /// The way out, such as "did you mean `agreement`?".
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes an error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), span, labels: Vec::new(), help: None }
    }

    /// Makes a warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way out if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Tells whether this is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// What one diagnostic code means.
#[derive(Debug, Clone, Copy)]
pub struct CodePage {
    /// The code.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What is wrong, why it matters, what to do.
    pub text: &'static str,
}

/// Sorts by place, then code, then message, and drops exact repetitions.
pub fn sort_diagnostics(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    diagnostics.dedup();
}

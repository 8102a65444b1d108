//! The diagnostics of one file while they are collected.

use crate::text::{Diagnostic, sort_diagnostics};

/// How many diagnostics one file may have; the rest is only counted.
const MAX_DIAGNOSTICS: usize = 200;

/// Collected diagnostics.
#[derive(Default)]
pub(super) struct Troubles {
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
}

impl Troubles {
    /// Adds one.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(|| diagnostic);
    }

    /// Adds one that is made only if there is room for it.
    pub(super) fn push_with(&mut self, make: impl FnOnce() -> Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(make());
        } else {
            self.dropped += 1;
        }
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.diagnostics.len() + self.dropped
    }

    /// Returns all, by place; a last one tells how many were left out.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        let last = self.diagnostics.last().map(|diagnostic| diagnostic.span);
        sort_diagnostics(&mut self.diagnostics);
        if let (Some(span), 1..) = (last, self.dropped) {
            let message = format!("at most {MAX_DIAGNOSTICS} errors are shown for a file; {} more were found", self.dropped);
            self.diagnostics.push(Diagnostic::error("T0002", span, message));
        }
        self.diagnostics
    }
}

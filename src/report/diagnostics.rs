//! Diagnostics: with source and caret, one line each, as JSON, or as annotations of two code hosts.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::text::{Diagnostic, Severity, SourceSet, Span};

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagnosticFormat {
    /// With the source, colored or not.
    Full {
        /// Whether colors are used.
        color: bool,
    },
    /// In words, without drawing, for screen readers.
    Narrated,
    /// `file:line:column: CODE message`.
    Concise,
    /// One JSON object a line.
    Json,
    /// Workflow commands of GitHub.
    Github,
    /// Logging commands of Azure DevOps.
    Azure,
}

/// Writes diagnostics in the order given.
#[must_use]
pub fn render_diagnostics(sources: &SourceSet, diagnostics: &[Diagnostic], format: DiagnosticFormat) -> String {
    let render = |diagnostic: &Diagnostic| match format {
        DiagnosticFormat::Full { color } => full(sources, diagnostic, color),
        DiagnosticFormat::Narrated => narrated(sources, diagnostic),
        DiagnosticFormat::Concise => concise(sources, diagnostic),
        DiagnosticFormat::Json => json(sources, diagnostic),
        DiagnosticFormat::Github => github(sources, diagnostic),
        DiagnosticFormat::Azure => azure(sources, diagnostic),
    };
    diagnostics.iter().map(render).collect()
}

struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

fn place(sources: &SourceSet, span: Span) -> Place<'_> {
    let Some(file) = sources.get(span.file) else { return Place { file: "?", line: 1, column: 1, end_line: 1, end_column: 1 } };
    let (line, column) = file.line_column(span.start);
    let (end_line, end_column) = file.line_column(span.end);
    Place { file: &file.name, line, column, end_line, end_column }
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn full(sources: &SourceSet, diagnostic: &Diagnostic, color: bool) -> String {
    let Some(file) = sources.get(diagnostic.span.file) else { return concise(sources, diagnostic) };
    let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
    let mut snippet =
        Snippet::source(&*file.text).path(&*file.name).annotation(AnnotationKind::Primary.span(in_text(&file.text, diagnostic.span)));
    for label in diagnostic.labels.iter().filter(|label| label.span.file == diagnostic.span.file) {
        snippet = snippet.annotation(AnnotationKind::Context.span(in_text(&file.text, label.span)).label(&*label.text));
    }
    let mut group = level.primary_title(&*diagnostic.message).id(diagnostic.code).element(snippet);
    for label in diagnostic.labels.iter().filter(|label| label.span.file != diagnostic.span.file) {
        if let Some(other) = sources.get(label.span.file) {
            let elsewhere = Snippet::source(&*other.text)
                .path(&*other.name)
                .annotation(AnnotationKind::Context.span(in_text(&other.text, label.span)).label(&*label.text));
            group = group.element(elsewhere);
        }
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let report: [Group<'_>; 1] = [group];
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n\n", renderer.render(&report))
}

/// Keeps a range inside a text and on character boundaries, which the renderer relies on.
fn in_text(text: &str, span: Span) -> std::ops::Range<usize> {
    let floor = |at: u32| {
        let mut at = (at as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

fn narrated(sources: &SourceSet, diagnostic: &Diagnostic) -> String {
    let at = place(sources, diagnostic.span);
    let mut text = format!("{} {}: {}.\n", severity(diagnostic), diagnostic.code, diagnostic.message);
    text += &format!("  {}, line {}, columns {} to {}.\n", at.file, at.line, at.column, at.end_column);
    for label in &diagnostic.labels {
        let at = place(sources, label.span);
        text += &format!("  {}: {}, line {}, column {}.\n", label.text, at.file, at.line, at.column);
    }
    if let Some(help) = &diagnostic.help {
        let end = if help.ends_with(['?', '.', '!']) { "" } else { "." };
        text += &format!("  Help: {help}{end}\n");
    }
    text
}

fn concise(sources: &SourceSet, diagnostic: &Diagnostic) -> String {
    let at = place(sources, diagnostic.span);
    let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    format!("{}:{}:{}: {} {}: {}{help}\n", at.file, at.line, at.column, severity(diagnostic), diagnostic.code, diagnostic.message)
}

fn json(sources: &SourceSet, diagnostic: &Diagnostic) -> String {
    let position = |span: Span| {
        let at = place(sources, span);
        serde_json::json!({
            "file": at.file, "line": at.line, "column": at.column, "end_line": at.end_line, "end_column": at.end_column,
        })
    };
    let labels: Vec<serde_json::Value> =
        diagnostic.labels.iter().map(|label| serde_json::json!({ "at": position(label.span), "text": label.text })).collect();
    let object = serde_json::json!({
        "code": diagnostic.code,
        "severity": severity(diagnostic),
        "message": diagnostic.message,
        "at": position(diagnostic.span),
        "labels": labels,
        "help": diagnostic.help,
    });
    format!("{object}\n")
}

fn github(sources: &SourceSet, diagnostic: &Diagnostic) -> String {
    let at = place(sources, diagnostic.span);
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    format!(
        "::{} file={},line={},col={},endLine={},endColumn={},title={}::{}\n",
        severity(diagnostic),
        property(at.file),
        at.line,
        at.column,
        at.end_line,
        at.end_column,
        property(diagnostic.code),
        data(&format!("{}{help}", diagnostic.message)),
    )
}

fn azure(sources: &SourceSet, diagnostic: &Diagnostic) -> String {
    let at = place(sources, diagnostic.span);
    let escape = |text: &str| text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A").replace(';', "%3B").replace(']', "%5D");
    format!(
        "##vso[task.logissue type={};sourcepath={};linenumber={};columnnumber={};code={}]{}\n",
        severity(diagnostic),
        escape(at.file),
        at.line,
        at.column,
        diagnostic.code,
        escape(&diagnostic.message),
    )
}

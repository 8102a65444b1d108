//! Writing to people and to files.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{Choice, Global, Progress};
use crate::report::{DiagnosticFormat, render_diagnostics};
use crate::text::{Diagnostic, SourceSet};

/// Writes a result to stdout. A reader that went away is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Writes a line for people to stderr.
pub(super) fn say(global: &Global, text: &str) {
    if !global.quiet {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Writes an error and what led to it.
pub(super) fn error(error: &anyhow::Error) {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", crate::report::plain_lines(&chain.join(": ")));
}

/// Tells whether stderr takes colors.
pub(super) fn color(global: &Global) -> bool {
    match global.color {
        Choice::Always => true,
        Choice::Never => false,
        Choice::Auto => std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal(),
    }
}

/// Writes diagnostics to stderr with their source.
pub(super) fn diagnostics(global: &Global, sources: &SourceSet, found: &[Diagnostic]) {
    let text = render_diagnostics(sources, found, DiagnosticFormat::Full { color: color(global) });
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Writes a file whole or not at all: beside it, fsync, rename. Private to its owner.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent).with_context(|| format!("cannot write beside {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    file.as_file().sync_all().with_context(|| format!("cannot write {}", path.display()))?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Shows that something long goes on, on stderr only.
pub(super) struct Work {
    bar: ProgressBar,
}

impl Work {
    /// Begins; a terminal gets a spinner, `--progress plain` and `json` one line.
    pub(super) fn begin(global: &Global, what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        match global.progress {
            _ if global.quiet => bar.set_draw_target(ProgressDrawTarget::hidden()),
            Progress::None => bar.set_draw_target(ProgressDrawTarget::hidden()),
            Progress::Plain => {
                bar.set_draw_target(ProgressDrawTarget::hidden());
                say(global, &format!("{what} …"));
            }
            Progress::Json => {
                bar.set_draw_target(ProgressDrawTarget::hidden());
                say(global, &serde_json::json!({ "progress": what }).to_string());
            }
            Progress::Auto if std::io::stderr().is_terminal() => {
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.set_message(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            Progress::Auto => bar.set_draw_target(ProgressDrawTarget::hidden()),
        }
        Self { bar }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Writes a number with its noun: `1 file`, `2 files`.
pub(super) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

//! Writing to people and to files.

use std::io::{self, IsTerminal as _, Write};
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

/// Most results are no larger: they are made whole before anything of them is shown.
const HELD_BYTES_MAX: usize = 64 << 20;
/// How much of a larger one is passed on at a time, once its beginning was.
const PASSED_BYTES: usize = 256 << 10;

/// Something that writes a result.
type Make<'m> = &'m dyn Fn(&mut dyn Write) -> io::Result<()>;
/// Something that says whether what was made so far may be shown.
type Check<'c> = &'c dyn Fn() -> anyhow::Result<()>;

/// Holds back what is written until it is large or whole, and passes it on only after a check.
struct Held<'h> {
    output: &'h mut dyn Write,
    check: Check<'h>,
    bytes: Vec<u8>,
    limit: usize,
    refused: Option<anyhow::Error>,
}

impl Held<'_> {
    fn pass(&mut self) -> io::Result<()> {
        if let Err(refused) = (self.check)() {
            self.refused = Some(refused);
            return Err(io::Error::other("it may not be shown"));
        }
        self.output.write_all(&self.bytes)?;
        self.bytes.clear();
        self.bytes.shrink_to(PASSED_BYTES);
        self.limit = PASSED_BYTES;
        Ok(())
    }
}

impl Write for Held<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= self.limit {
            self.pass()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets a result be made; what `check` refuses is not shown.
fn piecewise(output: &mut dyn Write, make: Make<'_>, check: Check<'_>) -> anyhow::Result<io::Result<()>> {
    let mut held = Held { output, check, bytes: Vec::new(), limit: HELD_BYTES_MAX, refused: None };
    let written = make(&mut held).and_then(|()| held.pass());
    match held.refused {
        Some(refused) => Err(refused),
        None => Ok(written),
    }
}

/// Writes a result to stdout while it is made. A reader that went away is no error.
pub(super) fn print_piecewise(make: Make<'_>, check: Check<'_>) -> anyhow::Result<()> {
    match piecewise(&mut std::io::stdout().lock(), make, check)? {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
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
    write_file_piecewise(path, &|output| output.write_all(text.as_bytes()), &|| Ok(()))
}

/// Writes a file and says so, or with `--dry-run` only shows what it would hold.
pub(super) fn write_or_show(global: &Global, path: &Path, text: &str, dry_run: bool) -> anyhow::Result<()> {
    if dry_run {
        return print(text);
    }
    write_file(path, text)?;
    say(global, &format!("wrote {}", path.display()));
    Ok(())
}

/// Writes a file whole or not at all while its content is made.
pub(super) fn write_file_piecewise(path: &Path, make: Make<'_>, check: Check<'_>) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent).with_context(|| format!("cannot write beside {}", path.display()))?;
    piecewise(&mut file, make, check)?.with_context(|| format!("cannot write {}", path.display()))?;
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

//! `tenet check`: everything that is wrong with policies, waivers, registers and configuration.

use std::collections::BTreeSet;
use std::path::Path;

use super::Exit;
use super::args::{Check, DiagnosticStyle, Global};
use super::{output, repo};
use crate::check::Policies;
use crate::compile;
use crate::evaluate::{WaiverState, waiver_state};
use crate::model::format_instant;
use crate::report::{DiagnosticFormat, render_diagnostics};
use crate::snapshot::SnapshotBuilder;
use crate::sources::register::load_register_file;
use crate::text::{Diagnostic, SourceSet};

pub(super) fn run(global: &Global, args: &Check) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&args.paths)?;
    let compiled = compile(repo.builtin(), &files);
    let mut found = compiled.diagnostics.clone();
    if !compiled.has_errors() {
        found.extend(waivers(global, &compiled.policies));
    }
    let (own, builtin): (Vec<Diagnostic>, Vec<Diagnostic>) =
        found.into_iter().partition(|diagnostic| diagnostic.span.file.0 as usize >= compiled.n_builtin);
    // What ships with the program is checked by its own tests; a clash with it is reported on the user's side too.
    let shown: Vec<Diagnostic> = if own.is_empty() { builtin.into_iter().filter(Diagnostic::is_error).collect() } else { own };
    let format = style(global, args);
    let mut text = render_diagnostics(&compiled.sources, &shown, format);
    let mut errors = count_errors(&shown);
    let mut warnings = shown.len() - errors;
    if args.paths.is_empty() && !compiled.has_errors() {
        let mut sources = SourceSet::default();
        let mut builder = SnapshotBuilder::new(std::sync::Arc::clone(&compiled.policies.schema));
        let mut found = Vec::new();
        for declaration in &repo.config.registers {
            found.extend(load_register_file(&mut builder, declaration, Path::new(&repo.root), &mut sources));
        }
        text += &render_diagnostics(&sources, &found, format);
        errors += count_errors(&found);
        warnings += found.len() - count_errors(&found);
    }
    output::print(&text)?;
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    output::say(
        global,
        &format!(
            "{} checked: {}, {}",
            output::counted(names.len(), "file"),
            output::counted(errors, "error"),
            output::counted(warnings, "warning")
        ),
    );
    let wrong = errors > 0 || (args.strict && warnings > 0);
    Ok(if wrong { Exit::Findings } else { Exit::Ok })
}

/// Warns of waivers that do not count at the instant of the run.
fn waivers(global: &Global, policies: &Policies) -> Vec<Diagnostic> {
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let states = policies.waivers.iter().map(|waiver| (waiver, waiver_state(policies, waiver, now)));
    let idle = states.filter(|(_, state)| matches!(state, WaiverState::Lapsed | WaiverState::TooLong));
    let warning = |(waiver, state): (&crate::check::Waiver, WaiverState)| {
        let text = format!("the waiver until {} is {}", format_instant(waiver.until), state.name());
        Diagnostic::warning("T0214", waiver.span, text)
    };
    idle.map(warning).collect()
}

fn count_errors(found: &[Diagnostic]) -> usize {
    found.iter().filter(|diagnostic| diagnostic.is_error()).count()
}

fn style(global: &Global, args: &Check) -> DiagnosticFormat {
    match args.format {
        DiagnosticStyle::Full if args.no_graphics => DiagnosticFormat::Narrated,
        DiagnosticStyle::Full => DiagnosticFormat::Full { color: global.color == super::args::Choice::Always },
        DiagnosticStyle::Concise => DiagnosticFormat::Concise,
        DiagnosticStyle::Json => DiagnosticFormat::Json,
        DiagnosticStyle::Github => DiagnosticFormat::Github,
        DiagnosticStyle::Azure => DiagnosticFormat::Azure,
    }
}

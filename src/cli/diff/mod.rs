//! `tenet diff`: what became of each finding between two results, and why.

mod side;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Failure;
use super::mix::Mix;
use super::{Exit, output};
use crate::report::{Cause, Class, Comparison, compare, json_comparison, markdown_comparison, render_comparison};
use side::Input;

/// Arguments of `tenet diff`.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The old result, or a bundle with it
    old: PathBuf,
    /// The new result, or a bundle with it; of two bundles the causes are found, too
    new: PathBuf,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t = DiffFormat::Table)]
    format: DiffFormat,
    /// The file to write, in place of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Who may sign bundles, in place of the repo's allowed_signers
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    Table,
    Json,
    Markdown,
}

pub(super) fn run(global: &Global, args: &Diff) -> anyhow::Result<Exit> {
    let (old, new) = (Input::open(global, &args.old, args.signers.as_deref())?, Input::open(global, &args.new, args.signers.as_deref())?);
    let new_ledger = new.ledger(&BTreeMap::new())?;
    let renamed = renamed(&new_ledger);
    let old_ledger = old.ledger(&renamed)?;
    let mut comparison = compare(&old_ledger, &new_ledger, &renamed);
    explain(global, &old, &new, &renamed, &mut comparison)?;
    write(args.format, args.output.as_deref(), "Findings since the last result", &comparison)?;
    let unclear = comparison.changes.iter().any(|change| change.class == Class::NoLongerEvaluated);
    Ok(if comparison.worse() > 0 {
        Exit::Findings
    } else if unclear {
        Exit::Incomplete
    } else {
        Exit::Ok
    })
}

/// Lists the former ids of rules with the present ones; an id that is still in use is not a former one.
pub(super) fn renamed(new: &crate::report::Ledger) -> BTreeMap<String, String> {
    let used = |id: &String| new.rules.values().any(|rule| rule.id == *id);
    let pairs = new.rules.values().flat_map(|rule| rule.was.iter().map(|was| (was.clone(), rule.id.clone())));
    pairs.filter(|(was, _)| !used(was)).collect()
}

/// Writes a comparison to stdout or a file.
pub(super) fn write(format: DiffFormat, to: Option<&std::path::Path>, title: &str, comparison: &Comparison) -> anyhow::Result<()> {
    let text = match format {
        DiffFormat::Table => render_comparison(comparison),
        DiffFormat::Json => json_comparison(comparison)?,
        DiffFormat::Markdown => markdown_comparison(title, comparison),
    };
    match to {
        Some(path) => output::write_file(path, &text),
        None => output::print(&text),
    }
}

/// Swaps one kind of input at a time, where the inputs of both are at hand.
fn explain(
    global: &Global,
    old: &Input,
    new: &Input,
    renamed: &BTreeMap<String, String>,
    comparison: &mut Comparison,
) -> anyhow::Result<()> {
    let (Some(old), Some(new)) = (old.side()?, new.side()?) else {
        output::say(global, "note: why is not known: that takes the inputs of both results, as bundles of `tenet sign` have them");
        return Ok(());
    };
    let differs: Vec<Cause> = Cause::ALL.into_iter().filter(|cause| *cause != Cause::Time || old.now != new.now).collect();
    let mut troubles = Vec::new();
    comparison.explain(&differs, &mut |swapped| -> anyhow::Result<_> {
        let from = |cause| if swapped.contains(&cause) { &new } else { &old };
        let mix = Mix { policy: from(Cause::Policy), data: from(Cause::Data), waiver: from(Cause::Waiver), now: from(Cause::Time).now };
        match mix.ledger(global, renamed) {
            Ok(ledger) => Ok(Some(ledger)),
            // Facts of one side may not fit the schema of the other; then that swap says nothing.
            Err(error) if error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Usage) => {
                troubles.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    })?;
    troubles.dedup();
    for trouble in troubles {
        output::say(global, &format!("note: one swap could not be evaluated: {}", crate::report::plain(&trouble)));
    }
    Ok(())
}

//! Arguments of `tenet waive`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::cli::args::{Selection, instant};

#[derive(Debug, Args)]
pub(in crate::cli) struct Waive {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Write a waiver
    Add(Box<Add>),
    /// List waivers and what became of them
    List(List),
    /// Remove waivers that no longer count
    Prune(Prune),
    /// Fail if a waiver lapsed, runs too long, or was approved by nobody who may
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The rule, or one requirement of it, such as DPOR-001.exactly_one
    pub(super) rule: String,
    /// The subject, by id, or by its name in the snapshot
    #[arg(long, value_name = "ID", required_unless_present = "filter")]
    pub(super) subject: Option<String>,
    /// Which subjects, as a condition on `x`, such as 'x.display_name == "Archive"'
    #[arg(long = "where", value_name = "CONDITION", conflicts_with = "subject")]
    pub(super) filter: Option<String>,
    /// The last day, inclusive, in UTC
    #[arg(long, value_name = "DATE", value_parser = instant)]
    pub(super) until: Timestamp,
    /// The first day; today without
    #[arg(long, value_name = "DATE", value_parser = instant)]
    pub(super) from: Option<Timestamp>,
    /// The reason
    #[arg(long, value_name = "TEXT")]
    pub(super) because: String,
    /// Who allowed it
    #[arg(long, value_name = "NAME", required = true)]
    pub(super) approved_by: Vec<String>,
    /// The ticket
    #[arg(long, value_name = "TEXT")]
    pub(super) ticket: Option<String>,
    /// The file to write to, in place of the first one of tenet.toml
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// The snapshot in which names of subjects are looked up; the latest in the snapshot folder without
    #[arg(long, value_name = "NAME.snapshot")]
    pub(super) snapshot: Option<PathBuf>,
    /// Show the file as it would be, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Only those that are not simply active
    #[arg(long)]
    pub(super) attention: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Those, too, that cover no fail
    #[arg(long)]
    pub(super) unneeded: bool,
    /// Those, too, that select no subject
    #[arg(long)]
    pub(super) unmatched: bool,
    /// Say what would go, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Fail for lapsing, unneeded and unmatched ones, too
    #[arg(long)]
    pub(super) strict: bool,
}

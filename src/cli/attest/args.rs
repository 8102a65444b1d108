//! Arguments of `tenet attest`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::Selection;

#[derive(Debug, Args)]
pub(in crate::cli) struct Attest {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Write a row into a register
    Add(Add),
    /// List who vouches for what, and until when
    List(List),
    /// List what is to be reviewed, and what a service says otherwise; fail if a review is overdue
    Due(Due),
    /// Print a row for every fact that an attestation would bring and a verdict waits for
    Worklist(Worklist),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The register: its name or form in tenet.toml, or its file
    pub(super) register: String,
    /// The cells of the row; `none` is known absence
    #[arg(required = true, value_name = "COLUMN=VALUE")]
    pub(super) cells: Vec<String>,
    /// Who vouches; not needed if the register says so for all rows
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    /// When; today without, if somebody is named
    #[arg(long, value_name = "DATE")]
    pub(super) on: Option<String>,
    /// The last day on which it may be relied on
    #[arg(long, value_name = "DATE")]
    pub(super) review_due: Option<String>,
    /// A file in the governance repo that shows it; its sha256 goes into the row
    #[arg(long, value_name = "FILE")]
    pub(super) evidence: Option<String>,
    /// Show the file as it would be, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Due {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// How far to look ahead
    #[arg(long, value_name = "DURATION", default_value = "30 days")]
    pub(super) within: String,
}

#[derive(Debug, Args)]
pub(super) struct Worklist {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// The file to write, in place of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Only this register
    #[arg(long, value_name = "FORM")]
    pub(super) form: Option<String>,
}

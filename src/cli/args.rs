//! Command line arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::AuthArgs;
use crate::model::parse_instant;
use crate::report::Format;
use crate::text::did_you_mean;

/// Policy compliance for partner-of-record governance in Microsoft cloud tenants.
#[derive(Debug, Parser)]
#[command(name = "tenet", version, max_term_width = 100, after_help = super::exit::page())]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Run as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(super) directory: Option<PathBuf>,
    /// Configuration file in place of tenet.toml
    #[arg(long, value_name = "FILE", global = true, env = "TENET_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Say nothing but the result
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to use colors
    #[arg(long, value_enum, default_value_t = Choice::Auto, global = true)]
    pub(super) color: Choice,
    /// How to show progress
    #[arg(long, value_enum, default_value_t = Progress::Auto, global = true)]
    pub(super) progress: Progress,
    /// The instant of the run, for all ages and ends of waivers and reviews
    #[arg(long, value_name = "RFC3339", value_parser = instant, global = true, env = "TENET_NOW")]
    pub(super) now: Option<Timestamp>,
    /// Refuse any network connection
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Threads to use; results do not depend on it
    #[arg(long, value_name = "N", global = true)]
    pub(super) jobs: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    Auto,
    Plain,
    None,
    Json,
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    parse_instant(text)?.ok_or_else(|| format!("`{text}` is no time"))
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a governance repo
    Init(Init),
    /// Scan and explain a built-in tenant; needs no credentials
    Demo(Demo),
    /// Parse, type-check and lint policies, waivers, registers and configuration
    Check(Check),
    /// Bring policies into canonical layout
    Fmt(Fmt),
    /// Run the tests written in policy files
    Test(Test),
    /// Make a snapshot from files
    Import(Import),
    /// Make a snapshot of a live tenant; reads only
    Collect(Collect),
    /// Say who is signed in, what they may read, and which rules the rest costs
    Doctor(Doctor),
    /// Write a snapshot as tables
    Export(Export),
    /// Evaluate policies over a snapshot and report
    Scan(Scan),
    /// Explain a rule, a verdict, a diagnostic code or an entity type
    Explain(Explain),
    /// Draw the tenant, or what lies around a subject
    Graph(Graph),
    /// Write reports of a saved result
    Report(Report),
    /// Plan what would mend the findings; writes nothing to a tenant
    Plan(Plan),
    /// Show what is in a snapshot, result, plan or journal
    Show(Show),
    /// Sign a plan
    Approve(Approve),
    /// Carry out a plan that was approved
    Apply(Apply),
    /// Make a plan that takes back what a journal recorded
    Undo(Undo),
    /// Compare two results: new, fixed, still, reopened, waived, lapsed, no longer evaluated
    Diff(super::diff::Diff),
    /// Show which findings change against a git ref, on one snapshot
    Impact(super::impact::Impact),
    /// Write a page for each rule
    Docs(super::docs::Docs),
    /// Put a result with all it rests on into one signed file
    Sign(super::evidence::Sign),
    /// Check a signed bundle, and evaluate it again
    Verify(super::evidence::Verify),
    /// Write and list attested facts, and what an attestation would decide
    Attest(super::attest::Attest),
    /// Write, list, prune and check waivers
    Waive(super::waive::Waive),
    /// Print the JSON Schema of a file format
    Schema(Schema),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Print the version
    Version(Version),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where to make it
    // The id keeps it apart from the global `-C`, which has the same field name and would be set too.
    #[arg(id = "init_directory", value_name = "DIR", default_value = ".")]
    pub(super) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the demo's governance repo in this folder, to play with
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    /// Report formats, as for `scan`
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    pub(super) format: Vec<Output>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Files and folders; the policies of tenet.toml without
    pub(super) paths: Vec<PathBuf>,
    /// How diagnostics are written
    #[arg(long, value_enum, default_value_t = DiagnosticStyle::Full)]
    pub(super) format: DiagnosticStyle,
    /// In words, without drawing
    #[arg(long, env = "NO_GRAPHICS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) no_graphics: bool,
    /// Warnings fail too
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DiagnosticStyle {
    Full,
    Concise,
    Json,
    Github,
    Azure,
}

#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// Files and folders; the policies of tenet.toml without
    pub(super) paths: Vec<PathBuf>,
    /// Change nothing; fail if something would change
    #[arg(long)]
    pub(super) check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    pub(super) diff: bool,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Files and folders; the policies of tenet.toml without
    pub(super) paths: Vec<PathBuf>,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Option<String>,
    /// Say for each rule which verdicts its tests show
    #[arg(long)]
    pub(super) coverage: bool,
    /// Knock out every fact of each world in turn: nothing that did not pass may then pass
    #[arg(long)]
    pub(super) missing_data: bool,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// What the files are
    #[arg(value_enum)]
    pub(super) kind: ImportKind,
    /// Files and folders
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// The snapshot to make
    #[arg(short, long, value_name = "NAME.snapshot")]
    pub(super) output: PathBuf,
    /// What the tables of another tool hold (for `tables`); without it they are those of `tenet export tables`
    #[arg(long, value_name = "FILE")]
    pub(super) mapping: Option<PathBuf>,
    /// Vouch that a list is whole, such as users or roleAssignments@/subscriptions/ID
    #[arg(long, value_name = "KIND[@SCOPE]")]
    pub(super) complete: Vec<String>,
    /// When the files were read from the services, if they do not say
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(super) captured_at: Option<Timestamp>,
    /// The directory the files describe, if they do not say
    #[arg(long, value_name = "GUID")]
    pub(super) tenant: Option<String>,
    /// Pass over files that cannot be read
    #[arg(long)]
    pub(super) skip_unreadable: bool,
    /// An earlier snapshot of the same directory: what it knew of the past is taken into the new one
    #[arg(long, value_name = "SNAPSHOT")]
    pub(super) previous: Option<PathBuf>,
    /// Replace a snapshot that is there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ImportKind {
    /// Raw answers of ARM, Graph, Resource Graph, Partner Center
    Arm,
    /// Exports of az and Get-Az
    Az,
    /// AzureHound, version 5
    Azurehound,
    /// Tables, Parquet or JSON Lines
    Tables,
}

#[derive(Debug, Args)]
pub(super) struct Collect {
    /// The snapshot to make
    #[arg(short, long, value_name = "NAME.snapshot")]
    pub(super) output: PathBuf,
    /// Go on with a collection that was stopped; what was read is not read again
    #[arg(long)]
    pub(super) resume: bool,
    /// Replace a snapshot that is there, and drop a collection that was begun
    #[arg(long, conflicts_with = "resume")]
    pub(super) force: bool,
    /// Time for all of it; what was not read by then is not attempted, and `--resume` goes on
    #[arg(long, value_name = "DURATION", default_value = "60 minutes")]
    pub(super) deadline: String,
    /// An earlier snapshot of the same directory: what it knew of the past is taken into the new one
    #[arg(long, value_name = "SNAPSHOT")]
    pub(super) previous: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reads: ReadChoice,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
}

/// What is read.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ReadChoice {
    /// Read only this, such as arm:roleAssignments, and what says of what to read it
    #[arg(long, value_name = "READ")]
    pub(super) only: Vec<String>,
    /// Do not read this
    #[arg(long, value_name = "READ")]
    pub(super) skip: Vec<String>,
    /// Read what these rules, packs or policy files need
    #[arg(long = "for", value_name = "POLICY")]
    pub(super) rules: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print the least permissions to ask for, without signing in
    #[arg(long)]
    pub(super) grant_list: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) reads: ReadChoice,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// What to write
    #[arg(value_enum)]
    pub(super) kind: ExportKind,
    /// The snapshot
    #[arg(long)]
    pub(super) snapshot: Option<PathBuf>,
    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Replace names and ids, by this key of at least 32 bytes; the same everywhere it is used
    #[arg(long, value_name = "KEY_FILE")]
    pub(super) pseudonymise: Option<PathBuf>,
    /// Write what each pseudonym stands for; keep it as you keep the key
    #[arg(long, value_name = "FILE", requires = "pseudonymise")]
    pub(super) pseudonym_map: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportKind {
    /// JSON Lines tables, one file a kind
    Tables,
}

/// What a scan looks at.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Selection {
    /// The snapshot; the latest in the snapshot folder without
    #[arg(long, env = "TENET_SNAPSHOT")]
    pub(super) snapshot: Option<PathBuf>,
    /// Policy files and folders besides those of tenet.toml
    #[arg(long, value_name = "PATH")]
    pub(super) policies: Vec<PathBuf>,
    /// A register besides those of tenet.toml: designations, partner_links, partners, principals, reviews, subscriptions, or an entity
    #[arg(long, value_name = "FORM=FILE")]
    pub(super) register: Vec<String>,
    /// Set a parameter
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// Packs in force, in place of those of tenet.toml
    #[arg(long, value_name = "NAME")]
    pub(super) pack: Vec<String>,
    /// Read the tables of the snapshot, not the index derived from them, and write none
    #[arg(long)]
    pub(super) no_index: bool,
    /// Write an index of a small snapshot, too
    #[arg(long, hide = true, conflicts_with = "no_index")]
    pub(super) index: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Scan {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Only these rules; a trailing * stands for anything
    #[arg(long, value_name = "ID")]
    pub(super) rule: Vec<String>,
    /// Only rules with this tag
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Only rules of this severity or above
    #[arg(long, value_name = "SEVERITY")]
    pub(super) severity: Option<String>,
    /// Only this subject, by id or name
    #[arg(long, value_name = "ID")]
    pub(super) subject: Option<String>,
    /// What fails the run: fail (of a blocking rule), one that is new since --baseline, a severity and above, or none
    #[arg(long, value_name = "fail|new|SEVERITY|none", default_value = "fail", env = "TENET_FAIL_ON")]
    pub(super) fail_on: String,
    /// Unknown counts as fail
    #[arg(long)]
    pub(super) strict: bool,
    /// Refuse a snapshot older than this, such as "7 days"
    #[arg(long, value_name = "DURATION")]
    pub(super) max_age: Option<String>,
    /// Waivers do not count
    #[arg(long)]
    pub(super) no_waivers: bool,
    /// The result of the last audit, made with --format json: the history of findings goes on from there
    #[arg(long, value_name = "RESULT")]
    pub(super) baseline: Option<PathBuf>,
    /// Replace names and ids in the reports, by this key of at least 32 bytes; the same everywhere it is used
    #[arg(long, value_name = "KEY_FILE")]
    pub(super) pseudonymise: Option<PathBuf>,
    /// Take over from this result, made with --format json, what no change can touch; the report is the same
    #[arg(long, value_name = "RESULT")]
    pub(super) previous: Option<PathBuf>,
    /// The snapshot of that result; without, the one with its digest in the snapshot folder
    #[arg(long, value_name = "NAME.snapshot", requires = "previous")]
    pub(super) previous_snapshot: Option<PathBuf>,
    /// A report, to stdout or to a file; any number of them
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    pub(super) format: Vec<Output>,
}

/// A report and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) file: Option<PathBuf>,
}

impl std::str::FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => (name, Some(PathBuf::from(file))),
            Some((_, _)) => return Err(format!("`{text}` names no file")),
            None => (text, None),
        };
        let format = Format::from_name(name).ok_or_else(|| {
            let known = Format::ALL.map(Format::name);
            let help =
                did_you_mean(name, known).map_or_else(|| format!("write {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            format!("there is no format `{name}`; {help}")
        })?;
        Ok(Self { format, file })
    }
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// A result, made with `tenet scan -f json=FILE`
    pub(super) result: PathBuf,
    /// Report formats, as for `scan`; a table without
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    pub(super) format: Vec<Output>,
    /// Replace names and ids in the reports, by the key in this file; needs the snapshot of the result
    #[arg(long, value_name = "KEY_FILE")]
    pub(super) pseudonymise: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// A rule, a diagnostic code, an entity type, an enumeration, or `exit-codes`
    pub(super) what: String,
    /// A subject, by id or name; those that need explaining without
    pub(super) subject: Option<String>,
    /// Only this requirement
    #[arg(long, value_name = "NAME")]
    pub(super) requirement: Option<String>,
    /// Show how a rule is evaluated: its plan, over a snapshot with the rows that were estimated and those that came
    #[arg(long, conflicts_with = "requirement")]
    pub(super) plan: bool,
}

/// Nodes of a picture: laying out more takes long, and nobody could read it.
const NODES_MAX: i64 = 2_000;

#[derive(Debug, Args)]
pub(super) struct Graph {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// A subject, by id or name; the whole tenant without
    pub(super) subject: Option<String>,
    /// The language of the picture
    #[arg(short, long, value_enum, default_value_t = GraphFormat::Svg)]
    pub(super) format: GraphFormat,
    /// The file to write; stdout without
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Nodes that are drawn at most; what is left out is counted
    #[arg(long, value_name = "N", default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=NODES_MAX))]
    pub(super) nodes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A picture for a browser
    Svg,
    /// Graphviz
    Dot,
    /// Mermaid, as code hosts show it
    Mermaid,
    /// Nodes and edges
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Plan for the findings of this result; it must have been made from the same policies, snapshot and parameters
    #[arg(long, value_name = "RESULT")]
    pub(super) from: Option<PathBuf>,
    /// Only these: rule ids (a trailing * stands for anything) or targets of steps
    #[arg(long, value_name = "ID")]
    pub(super) only: Vec<String>,
    /// Not these: rule ids (a trailing * stands for anything) or targets of steps
    #[arg(long, value_name = "ID")]
    pub(super) exclude: Vec<String>,
    /// Steps the plan may have
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) max_changes: u32,
    /// Steps as a share of the objects of the kinds they change
    #[arg(long, value_name = "P", default_value_t = 100)]
    pub(super) max_changes_percent: u32,
    /// How long the plan may be applied
    #[arg(long, value_name = "DURATION", default_value = "4 hours")]
    pub(super) valid_for: String,
    /// Where a rule names no fix, take the smallest set of actions that mends the finding, if there is exactly one
    #[arg(long)]
    pub(super) search: bool,
    /// Object id of the identity that will apply the plan, in place of that of tenet.toml
    #[arg(long, value_name = "OBJECT_ID", env = "TENET_PRINCIPAL")]
    pub(super) principal: Option<String>,
    /// Who makes the plan, in place of who tenet.toml says; they cannot approve it
    #[arg(long, value_name = "NAME", env = "TENET_PLANNER")]
    pub(super) planner: Option<String>,
    /// End with exit code 20 if there is anything to do
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// The plan to write
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// A snapshot, a result, a plan, an approval or a journal
    pub(super) file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Of a collected snapshot: the recorded answer that a fact cites
    #[arg(long, value_name = "FILE:LINE")]
    pub(super) answer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The plan
    pub(super) plan: PathBuf,
    /// A private key of OpenSSH, whose public half stands in allowed_signers
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// A file whose text is the passphrase of the key; else it is taken from TENET_KEY_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Who may approve, in place of the repo's allowed_signers
    #[arg(long, value_name = "FILE")]
    pub(super) signers: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The plan; its approvals lie beside it
    pub(super) plan: PathBuf,
    /// Go on with a plan that was stopped; what is not known is read first
    #[arg(long)]
    pub(super) resume: bool,
    /// Refuse a plan of more steps than this, whatever the plan allows
    #[arg(long, value_name = "N")]
    pub(super) max_changes: Option<u32>,
    // As for `tenet plan`; the snapshot serves to evaluate the findings again.
    #[command(flatten)]
    pub(super) selection: Selection,
    /// The folder of journals, in place of the repo's `journal`
    #[arg(long, value_name = "DIR")]
    pub(super) journal: Option<PathBuf>,
    /// Who may approve, in place of the repo's allowed_signers
    #[arg(long, value_name = "FILE")]
    pub(super) signers: Option<PathBuf>,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// The journal
    pub(super) journal: PathBuf,
    /// The plan to make
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Who makes the plan, as approvers are named; the planner of the first plan without
    #[arg(long, value_name = "NAME")]
    pub(super) planner: Option<String>,
    /// Policy files and folders besides those of tenet.toml
    #[arg(long, value_name = "PATH")]
    pub(super) policies: Vec<PathBuf>,
    /// Who may approve, in place of the repo's allowed_signers
    #[arg(long, value_name = "FILE")]
    pub(super) signers: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Which file format
    #[arg(value_enum)]
    pub(super) file: SchemaFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFile {
    Graph,
    Result,
    Manifest,
    Plan,
    Journal,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Version {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

//! The program: arguments, files, clock, exit codes; one subcommand a file.
//!
//! Results go to stdout, everything else to stderr. The name of the exit code is the last line on stderr.

#![expect(clippy::disallowed_methods, reason = "this room is the edge towards people and files")]

mod apply;
mod approvals;
mod approve;
mod args;
mod attest;
mod auth;
mod baseline;
mod check;
mod clock;
mod collect;
mod demo;
mod demo_fix;
mod diff;
mod docs;
mod doctor;
mod earlier;
mod evidence;
mod exit;
mod explain;
mod export;
mod fmt;
mod formats;
mod graph;
mod impact;
mod import;
mod init;
mod load;
mod mix;
mod output;
mod plan;
mod previous;
mod pseudonyms;
mod reading;
mod reevaluate;
mod repo;
mod report;
mod scan;
mod schema;
mod show;
mod show_plan;
mod test;
mod undo;
mod waive;

use std::io::Write as _;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};
pub use auth::AuthArgs;
pub use exit::Exit;
pub use scan::exit_of_scan;

/// Runs the program with the arguments of the process and returns its exit code.
#[must_use]
pub fn run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let quiet = cli.global.quiet;
    let threads = cli.global.jobs.map_or(Ok(()), use_threads);
    let exit = match threads.and_then(|()| dispatch(cli)) {
        Ok(exit) => exit,
        Err(error) => {
            output::error(&error);
            error.downcast_ref::<exit::Failure>().map_or(Exit::Usage, |failure| failure.exit)
        }
    };
    if !quiet {
        let _ = writeln!(std::io::stderr(), "{}", exit.name());
    }
    exit.code()
}

/// Sets how many threads all work together uses.
fn use_threads(n: usize) -> anyhow::Result<()> {
    /// Threads that can be asked for.
    const THREADS_MAX: usize = 1024;
    anyhow::ensure!((1..=THREADS_MAX).contains(&n), "--jobs is {n}, and must be from 1 to {THREADS_MAX}");
    rayon::ThreadPoolBuilder::new().num_threads(n).build_global().map_err(|error| anyhow::anyhow!("{n} threads cannot be used: {error}"))
}

/// Help and version are answers; anything else clap refuses is a usage error.
fn refuse(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.use_stderr() {
        let _ = writeln!(std::io::stderr(), "{}", Exit::Usage.name());
        return Exit::Usage.code();
    }
    Exit::Ok.code()
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => init::run(&global, &args),
        Command::Demo(args) => demo::run(&global, &args),
        Command::Check(args) => check::run(&global, &args),
        Command::Fmt(args) => fmt::run(&global, &args),
        Command::Test(args) => test::run(&global, &args),
        Command::Import(args) => import::run(&global, &args),
        Command::Collect(args) => collect::run(&global, &args),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Export(args) => export::run(&global, &args),
        Command::Scan(args) => scan::run(&global, &args),
        Command::Explain(args) => explain::run(&global, &args),
        Command::Graph(args) => graph::run(&global, &args),
        Command::Report(args) => report::run(&global, &args),
        Command::Plan(args) => plan::run(&global, &args),
        Command::Show(args) => show::run(&global, &args),
        Command::Approve(args) => approve::run(&global, &args),
        Command::Apply(args) => apply::run(&global, &args),
        Command::Undo(args) => undo::run(&global, &args),
        Command::Diff(args) => diff::run(&global, &args),
        Command::Impact(args) => impact::run(&global, &args),
        Command::Docs(args) => docs::run(&global, &args),
        Command::Sign(args) => evidence::sign(&global, &args),
        Command::Verify(args) => evidence::verify(&global, &args),
        Command::Attest(args) => attest::run(&global, &args),
        Command::Waive(args) => waive::run(&global, &args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => {
            let mut command = Cli::command();
            clap_complete::generate(args.shell, &mut command, "tenet", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(Exit::Ok)
        }
        Command::Version(args) => {
            let version = env!("CARGO_PKG_VERSION");
            if args.json {
                output::print(&format!("{}\n", serde_json::json!({ "name": "tenet", "version": version, "edition": 1 })))?;
            } else {
                output::print(&format!("tenet {version}\n"))?;
            }
            Ok(Exit::Ok)
        }
    }
}

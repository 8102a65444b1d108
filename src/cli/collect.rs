//! `tenet collect`: a snapshot of a live tenant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::Exit;
use super::args::{Collect, Global, Progress, ReadChoice};
use super::earlier::Earlier;
use super::exit::Failure;
use super::reading::rule_reads;
use super::repo::Repo;
use super::{output, repo};
use crate::Compiled;
use crate::model::parse_duration;
use crate::report::plain;
use crate::snapshot::SnapshotBuilder;
use crate::sources::azure::address::address;
use crate::sources::azure::client::{Attempt, Got, ReadClient, ReadFailure};
use crate::sources::collect::{Choice, Collected, Gap, Journal, Operation, Settings, Watcher, Whose, collect, write_evidence};
use crate::sources::disk::{Evidence, EvidenceEntry, write_collected};
use crate::sources::import::{ImportOptions, import_arm};

/// Gaps shown; the rest is counted.
const GAPS_MAX: usize = 40;
/// Time for the first answer.
const FIRST_TIME_MAX: Duration = Duration::from_secs(10);
/// A clock that is off by more is said to be.
const SKEW_SECONDS: i64 = 300;

pub(super) fn run(global: &Global, args: &Collect) -> anyhow::Result<Exit> {
    if global.now.is_some() {
        return Err(Failure::usage("a collection is of the time at which it is made; leave out --now (and TENET_NOW)").into());
    }
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let choice = choice(&repo, &compiled, &args.reads)?;
    let seconds = parse_duration(&args.deadline).map_err(|error| Failure::usage(format!("--deadline: {error}")))?;
    let folder = beside(&args.output, ".collecting");
    check_places(args, &folder)?;
    let earlier = args.previous.as_ref().map(|path| Earlier::open(&compiled.policies.schema, path)).transpose()?;
    let runtime = Runtime::new()?;
    let client = args.auth.connect(&repo.config, global.offline).map_err(not_signed_in)?;
    let whose = admitted(&runtime, &client, &repo)?;
    if let Some(earlier) = &earlier {
        earlier.check(&whose.tenant, client.pace().now())?;
    }
    if let Some(parent) = args.output.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut journal = Journal::open(&folder, args.resume, &whose).map_err(|error| Failure::usage(error.to_string()))?;
    if journal.torn() > 0 {
        output::say(
            global,
            &format!("note: the last answer was cut off when the collection was stopped ({} bytes); it is read again", journal.torn()),
        );
    }
    let end = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds))?;
    let settings = Settings { choice, end: Some(end) };
    let bar = Bar::begin(global);
    let collected = runtime.block_on(collect(&client, &whose, &settings, &mut journal, &bar));
    drop(bar);
    let collected = collected.map_err(|error| Failure::usage(format!("{error}; what was read is kept, go on with --resume")))?;
    if collected.n_whole == 0 {
        let why = collected.gaps.first().map_or_else(String::new, |gap| format!(": {}", plain(&gap.why)));
        return Err(Failure::new(Exit::Auth, format!("every read was refused{why}")).into());
    }
    let n_entities = write(global, args, &compiled, &whose, &journal, earlier)?;
    journal.remove()?;
    tell(global, args, &collected, n_entities)?;
    Ok(if collected.gaps.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

/// Returns what is read.
pub(super) fn choice(repo: &Repo, compiled: &Compiled, args: &ReadChoice) -> anyhow::Result<Choice> {
    let choice = Choice::named(&args.only, &args.skip).map_err(|error| Failure::usage(error.to_string()))?;
    if args.rules.is_empty() {
        return Ok(choice);
    }
    let rules = rule_reads(repo, compiled, &args.rules)?;
    Ok(choice.for_reads(rules.iter().flat_map(|rule| rule.reads.iter().map(String::as_str))))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn check_places(args: &Collect, folder: &Path) -> anyhow::Result<()> {
    if args.output.exists() && !args.force {
        let at = args.output.display();
        return Err(Failure::usage(format!("{at} exists already; write to another name, or use --force to replace a snapshot")).into());
    }
    if folder.exists() && !args.resume && !args.force {
        let at = folder.display();
        return Err(Failure::usage(format!("{at}: a collection was begun here; go on with --resume, or begin anew with --force")).into());
    }
    Ok(())
}

/// Whoever is not signed in reads nothing.
pub(super) fn not_signed_in(error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref::<Failure>().is_some() { error } else { Failure::new(Exit::Auth, error.to_string()).into() }
}

/// Checks that the sign-in is to the directory of the configuration and that the services take it.
pub(super) fn admitted(runtime: &Runtime, client: &ReadClient, repo: &Repo) -> anyhow::Result<Whose> {
    let refused = |message: String| Failure::new(Exit::Auth, message);
    let signed_in = runtime.block_on(client.signed_in()).map_err(|error| refused(error.to_string()))?;
    if let Some(wanted) = repo.config.tenant.as_ref().filter(|wanted| !wanted.value.eq_ignore_ascii_case(&signed_in.tenant)) {
        return Err(refused(format!(
            "wrong tenant: the sign-in is to the directory {}, and tenet.toml governs {}; sign in there, such as with `az login --tenant {}`",
            signed_in.tenant, wanted.value, wanted.value
        ))
        .into());
    }
    let cloud = client.cloud();
    let whose = Whose::of(signed_in, cloud);
    let (path, query) = Operation::Tenants.request("", &whose.tenant);
    let place = address(&cloud.arm, &path, &query);
    let end = client.pace().now().checked_add(FIRST_TIME_MAX)?;
    let Attempt { answer, failure, .. } = runtime.block_on(client.attempt(Operation::Tenants.endpoint(), None, &place, None, Some(end)));
    match (answer, failure) {
        (_, Some(ReadFailure::Challenged(why))) => {
            Err(refused(format!("Azure Resource Manager does not take the sign-in: {}", plain(&why))).into())
        }
        (Some(got), _) if matches!(got.status, 401 | 403) => {
            let why = plain(&got.reason());
            Err(refused(format!("Azure Resource Manager does not take the sign-in: {why}{}", skew(&got))).into())
        }
        (None, Some(ReadFailure::GivenUp { reason, .. })) => {
            Err(refused(format!("{} cannot be reached: {}; is there a network, or a proxy to name?", cloud.arm, plain(&reason))).into())
        }
        (None, Some(error)) => Err(refused(error.to_string()).into()),
        // What a service in trouble does not answer becomes a gap.
        _ => Ok(whose),
    }
}

/// Says so if the clock of this machine is off by minutes, since tokens are refused then.
fn skew(got: &Got) -> String {
    let there = got.header("date").and_then(|text| jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000")).ok());
    let Some(there) = there else { return String::new() };
    let off = got.at.as_second() - there.timestamp().as_second();
    if off.abs() < SKEW_SECONDS {
        return String::new();
    }
    let (minutes, which) = (off.abs() / 60, if off > 0 { "ahead of" } else { "behind" });
    format!("; the clock of this machine is {minutes} minutes {which} that of the service: set it right and sign in again")
}

/// Makes the snapshot of what was read, by way of an import of the recorded answers.
fn write(
    global: &Global,
    args: &Collect,
    compiled: &Compiled,
    whose: &Whose,
    journal: &Journal,
    earlier: Option<Earlier>,
) -> anyhow::Result<usize> {
    let work = output::Work::begin(global, "putting facts in order");
    let place = journal.folder().join("evidence");
    let files = write_evidence(journal, &place)?;
    let schema = &compiled.policies.schema;
    let mut builder = SnapshotBuilder::new(schema.clone());
    let options = ImportOptions { tenant: Some(whose.tenant.clone()), earlier: earlier.is_some(), ..ImportOptions::default() };
    import_arm(&mut builder, std::slice::from_ref(&place), &options)?;
    let mut records = builder.records();
    if let Some(earlier) = earlier {
        records = earlier.into_new(schema, records)?;
    }
    let entries: Vec<EvidenceEntry> =
        files.into_iter().map(|file| EvidenceEntry { name: file.name, bytes: file.bytes, sha256: file.sha256 }).collect();
    let evidence = Evidence { folder: &place, files: &entries };
    write_collected(schema, &records, Some(evidence), &args.output, args.force).map_err(|error| Failure::usage(error.to_string()))?;
    drop(work);
    for problem in &records.meta.problems {
        output::say(global, &format!("note: {}", plain(problem)));
    }
    Ok(records.entities.len())
}

fn tell(global: &Global, args: &Collect, collected: &Collected, n_entities: usize) -> anyhow::Result<()> {
    if !global.quiet {
        output::print(&report(collected))?;
    }
    output::say(global, &format!("{}: {n_entities} entities", args.output.display()));
    Ok(())
}

/// Says what was read and what is not whole, and why.
fn report(collected: &Collected) -> String {
    let Collected { gaps, n_streams, n_whole, n_requests, n_answers } = collected;
    let mut text = format!("{n_whole} of {n_streams} lists and objects are whole: {n_answers} answers, {n_requests} requests\n");
    // Equal reasons of one read stand on one line.
    let mut groups: BTreeMap<(&str, &str), Vec<&Gap>> = BTreeMap::new();
    for gap in gaps {
        groups.entry((gap.operation.name(), class(&gap.why))).or_default().push(gap);
    }
    for ((name, _), group) in groups.iter().take(GAPS_MAX) {
        let Some(first) = group.first() else { continue };
        let of = match (group.len(), first.of.as_str()) {
            (1, "") => String::new(),
            (1, of) => format!(" of {}", plain(of)),
            (n, _) => format!(" of {n}, such as {}", plain(&first.of)),
        };
        let _ = writeln!(text, "  not whole: {name}{of}: {}", plain(&first.why));
    }
    if groups.len() > GAPS_MAX {
        let _ = writeln!(text, "  … and {} more", groups.len() - GAPS_MAX);
    }
    text
}

/// What reasons have in common when ids and numbers are left aside.
fn class(why: &str) -> &str {
    why.split([':', ';']).next().unwrap_or(why)
}

/// How far it is, for people and for programs.
struct Bar {
    shown: ProgressBar,
    progress: Progress,
    quiet: bool,
    begun: Instant,
    /// Seconds at which something was last said.
    said: AtomicUsize,
}

/// How often lines of progress are written.
const LINE_SECONDS: usize = 5;

impl Bar {
    fn begin(global: &Global) -> Self {
        let bar = ProgressBar::new(0);
        if global.quiet || !matches!(global.progress, Progress::Auto) || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { shown: bar, progress: global.progress, quiet: global.quiet, begun: Instant::now(), said: AtomicUsize::new(0) }
    }
}

impl Watcher for Bar {
    fn progress(&self, done: usize, known: usize, operation: Operation) {
        self.shown.set_length(known as u64);
        self.shown.set_position(done as u64);
        self.shown.set_message(operation.name());
        let second = usize::try_from(self.begun.elapsed().as_secs()).unwrap_or(usize::MAX);
        let due = second / LINE_SECONDS > self.said.load(Ordering::Relaxed) / LINE_SECONDS || done == known;
        if self.quiet || !due {
            return;
        }
        self.said.store(second, Ordering::Relaxed);
        match self.progress {
            Progress::Plain => eprintln!("read {done} of {known} lists known so far ({})", operation.name()),
            Progress::Json => {
                let line = serde_json::json!({ "progress": "collecting", "done": done, "known": known, "read": operation.name() });
                eprintln!("{line}");
            }
            Progress::Auto | Progress::None => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shown.finish_and_clear();
    }
}

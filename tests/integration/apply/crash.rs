//! Processes that are killed with SIGKILL at each point of each step, and a second one that goes on.
//!
//! The test runs itself as a child, whose journal and service end it at the point asked for. `TENET_CRASH_POINTS=all` tries all
//! 300 points of a plan of 50 steps; otherwise a sample, by `TENET_CRASH_SEED`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use serde_json::Value as Json;
use tenet::remedy::apply::Ending;
use tenet::sources::journal_file::{JournalFile, Store, read_journal};

use super::fake::{Fake, Hands};
use super::world::{Refused, created, file, objects, resume, run_in, steps};

const STEPS: usize = 50;
const SAMPLE: usize = 24;
const POINTS: [&str; 6] = ["before begin", "after begin's write", "after its fsync", "after send", "after the answer", "after end"];

/// Ends this process as the system does when it runs out of memory: nothing is flushed, nothing is dropped.
fn die() -> ! {
    let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    loop {
        std::thread::park();
    }
}

/// A journal that ends the process when a line of one step is written.
struct Deadly {
    inner: File,
    step: String,
    point: usize,
    die_after_sync: bool,
}

impl Store for Deadly {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let line: Json = serde_json::from_slice(bytes).unwrap();
        let of_step = line["step"] == self.step.as_str();
        match (line["kind"].as_str().unwrap(), self.point) {
            ("begin", 0) | ("sent", 4) if of_step => die(),
            ("begin", 1) if of_step => {
                self.inner.append(bytes)?;
                die()
            }
            ("begin", 2) | ("verified", 5) if of_step => self.die_after_sync = true,
            _ => {}
        }
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()?;
        if self.die_after_sync { die() } else { Ok(()) }
    }
}

/// The child: applies the plan in a folder until it dies.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("TENET_CRASH_CHILD").map(PathBuf::from) else { return };
    let point: usize = std::env::var("TENET_CRASH_POINT").unwrap().parse().unwrap();
    let (step, point) = (format!("s{}", point / POINTS.len() + 1), point % POINTS.len());
    let steps = steps(STEPS);
    let mut fake = Fake::kept(folder.clone(), objects(&steps));
    if point == 3 {
        let target = steps.iter().find(|other| other.id == step).unwrap().operation.request.clone();
        fake.after_effect = Box::new(move |request| {
            if *request == target {
                die()
            }
        });
    }
    let clock = Hands::at(created().checked_add(SignedDuration::from_mins(1)).unwrap());
    let deadly = |journal: JournalFile| journal.map_store(|inner| Deadly { inner, step, point, die_after_sync: false });
    let report = run_in(&file(steps), &folder.join("journal"), &mut fake, &clock, deadly).unwrap();
    panic!("it was to be killed, and ended with {:?}", report.ending);
}

fn kill_at(folder: &Path, point: usize) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "apply::crash::child", "--nocapture", "--test-threads=1"])
        .env("TENET_CRASH_CHILD", folder)
        .env("TENET_CRASH_POINT", point.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(output.status.signal(), Some(9), "point {point}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What an apply that nobody kills leaves behind.
fn undisturbed() -> (std::collections::BTreeMap<String, Json>, Vec<String>) {
    let steps = steps(STEPS);
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(objects(&steps));
    let clock = Hands::at(created());
    let report = run_in(&file(steps), folder.path(), &mut fake, &clock, |journal| journal).unwrap();
    assert_eq!(report.ending, Ending::Complete);
    (fake.objects, fake.effects)
}

#[test]
fn a_killed_apply_goes_on_and_every_effect_is_there_once() {
    let all = STEPS * POINTS.len();
    let points: Vec<usize> = if std::env::var("TENET_CRASH_POINTS").is_ok_and(|which| which == "all") {
        (0..all).collect()
    } else {
        let seed: u64 = std::env::var("TENET_CRASH_SEED").ok().map_or(20_260_301, |seed| seed.parse().unwrap());
        println!("TENET_CRASH_SEED={seed}: {SAMPLE} of {all} points; TENET_CRASH_POINTS=all tries them all");
        let mut state = seed;
        // Each of the six points equally often, at steps by chance.
        (0..SAMPLE).map(|at| (next(&mut state) as usize % STEPS) * POINTS.len() + at % POINTS.len()).collect()
    };
    let wanted = undisturbed();
    let (mut twice_begun, mut n) = (0, 0);
    for point in points {
        let name = format!("point {point}: step {}, {}", point / POINTS.len() + 1, POINTS[point % POINTS.len()]);
        let folder = tempfile::tempdir().unwrap();
        kill_at(folder.path(), point);
        let steps = steps(STEPS);
        let mut fake = Fake::kept(folder.path().to_owned(), objects(&steps));
        let clock = Hands::at(created().checked_add(SignedDuration::from_mins(2)).unwrap());
        let file = file(steps);
        let journals = folder.path().join("journal");
        // What was begun may not be applied as if it were new.
        assert!(matches!(super::world::run(&file, &journals, &mut fake, &clock), Err(Refused::Journal(_))), "{name}");
        let report = resume(&file, &journals, &mut fake, &clock).unwrap();
        assert_eq!(report.ending, Ending::Complete, "{name}");
        assert_eq!((&fake.objects, &fake.effects), (&wanted.0, &wanted.1), "{name}");
        let read = read_journal(&journals.join(format!("{}.jsonl", file.plan.id))).unwrap();
        assert!(read.progress.closed && read.progress.done.len() == STEPS, "{name}");
        let begun = fs::read_to_string(journals.join(format!("{}.jsonl", file.plan.id))).unwrap().matches("\"kind\":\"begin\"").count();
        twice_begun += usize::from(begun > STEPS);
        n += 1;
    }
    println!("{n} points: 0 effects lost, 0 doubled; {twice_begun} requests were begun again after reading that they had no effect");
}

/// One step of a small generator of numbers (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

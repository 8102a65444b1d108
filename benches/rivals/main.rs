//! Rivals and `tenet` on the same generated tenants, in one run, taking turns.
//!
//! `cargo bench --bench rivals -- --sizes S,M --rounds 5`; `README.md` says what is timed and how rivals are installed.
//! Each runner is one process: it loads once, evaluates all eleven rules several times and prints one JSON line. Ratios are
//! taken round by round, so that they come from the same stretch of time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::pedantic,
    reason = "a measurement that cannot go on says so and ends"
)]

mod options;
mod prepare;
mod rivals;
mod runner;
mod tables;
mod watch;

use std::collections::BTreeMap;

use options::Options;
use rivals::{Rival, TENET, rivals};
use watch::{Line, run};

/// What a rival gave at one size, by round.
type Lines = BTreeMap<usize, Line>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == runner::FLAG) {
        std::process::exit(runner::main(&arguments[1..]));
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("this measures for minutes; run it with `cargo bench --bench rivals`");
        return;
    }
    let options = Options::parse(&arguments);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, load average {}", load.split(' ').next().unwrap_or("?"));
    let mut failed = false;
    let mut scale = Vec::new();
    for size in &options.sizes {
        let place = match prepare::prepare(&options, size) {
            Ok(place) => place,
            Err(why) => {
                println!("\nsize {size}: left out, {why}");
                failed = true;
                continue;
            }
        };
        let mut entrants = Vec::new();
        for rival in rivals(&options, &place) {
            match rival.missing(&place) {
                Some(why) => println!("{} is left out: {why}", rival.name),
                None => entrants.push(rival),
            }
        }
        let results = rounds(&options, &entrants, &place);
        failed |= tables::print_size(size, &place, &entrants, &results);
        if let Some(lines) = results.get(TENET) {
            scale.push((size.clone(), place, lines.clone()));
        }
    }
    tables::print_scale(&scale);
    std::process::exit(i32::from(failed));
}

/// Lets all take turns; one that fails, or has had its time, is not asked again.
fn rounds(options: &Options, entrants: &[Rival], place: &prepare::Place) -> BTreeMap<String, Lines> {
    let mut results: BTreeMap<String, Lines> = BTreeMap::new();
    let mut spent: BTreeMap<&str, f64> = BTreeMap::new();
    let mut out: Vec<&str> = Vec::new();
    for round in 0..options.rounds {
        for rival in entrants {
            let name = rival.name.as_str();
            let time = spent.entry(name).or_default();
            if out.contains(&name) || *time > options.budget {
                continue;
            }
            let begun = std::time::Instant::now();
            let line = run(&rival.command(place), &rival.environment, options.timeout, options.max_gb);
            *time += begun.elapsed().as_secs_f64();
            match line {
                Ok(line) => {
                    results.entry(rival.name.clone()).or_default().insert(round, line);
                }
                Err(why) => {
                    println!("{name} at {}: {why}", place.size);
                    out.push(name);
                }
            }
        }
    }
    results
}

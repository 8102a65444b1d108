//! What the run is asked.

use std::path::PathBuf;

/// Arguments and environment.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) sizes: Vec<String>,
    pub(crate) rounds: usize,
    /// Rivals by name; all without.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) seed: u64,
    /// Seconds for one rival at one size; no further round after it.
    pub(crate) budget: f64,
    /// Seconds for one process.
    pub(crate) timeout: f64,
    /// Gigabytes for one process.
    pub(crate) max_gb: f64,
    /// Where data, snapshots and installed rivals lie.
    pub(crate) work: PathBuf,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let work = std::env::var_os("BENCH_WORK").map_or_else(|| std::env::temp_dir().join("policy-bench"), PathBuf::from);
        let mut options = Self {
            sizes: vec!["S".to_owned(), "M".to_owned()],
            rounds: 5,
            only: None,
            seed: 1,
            budget: 300.0,
            timeout: 600.0,
            max_gb: 12.0,
            work,
        };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{name} wants a value"));
            let list = || value.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("{name} {value}: no number"));
            match name.as_str() {
                "--sizes" => options.sizes = list(),
                "--rounds" => options.rounds = number() as usize,
                "--rivals" => options.only = Some(list()),
                "--seed" => options.seed = number() as u64,
                "--budget" => options.budget = number(),
                "--timeout" => options.timeout = number(),
                "--max-gb" => options.max_gb = number(),
                _ => panic!("there is no {name}; known are --sizes --rounds --rivals --seed --budget --timeout --max-gb"),
            }
        }
        options
    }
}

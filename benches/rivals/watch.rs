//! Processes that are measured.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a runner prints.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) load: f64,
    pub(crate) load_cpu: f64,
    /// The first evaluation of the process, and all later ones.
    pub(crate) eval: Vec<f64>,
    pub(crate) eval_cpu: Vec<f64>,
    pub(crate) peak_mb: f64,
    /// Rules whose violations are not those that were planted.
    pub(crate) wrong: Vec<String>,
    pub(crate) note: String,
}

impl Line {
    fn of(value: &serde_json::Value) -> Option<Self> {
        let numbers = |name: &str| value[name].as_array()?.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>();
        let wrong = value["wrong"].as_array().into_iter().flatten().filter_map(|rule| rule.as_str().map(str::to_owned));
        Some(Self {
            load: value["load_s"].as_f64()?,
            load_cpu: value["load_cpu_s"].as_f64()?,
            eval: numbers("eval_s")?,
            eval_cpu: numbers("eval_cpu_s")?,
            peak_mb: value["peak_mb"].as_f64()?,
            wrong: wrong.collect(),
            note: value["note"].as_str().unwrap_or("").to_owned(),
        })
    }

    /// The median of all evaluations but the first, if there are others.
    pub(crate) fn warm(&self) -> f64 {
        median(if self.eval.len() > 1 { &self.eval[1..] } else { &self.eval })
    }

    pub(crate) fn cold(&self) -> f64 {
        self.load + self.eval.first().copied().unwrap_or(f64::NAN)
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (n, middle) if n % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (_, middle) => sorted[middle],
    }
}

/// Runs a runner and reads its line.
pub(crate) fn run(words: &[String], environment: &[(&str, PathBuf)], timeout: f64, max_gb: f64) -> Result<Line, String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).envs(environment.iter().map(|(name, value)| (name, value)));
    let watched = Watched::start(command)?.wait(timeout, max_gb)?;
    let last = watched.output.lines().rfind(|line| line.starts_with('{'));
    let parsed = last.and_then(|line| serde_json::from_str(line).ok()).and_then(|value| Line::of(&value));
    parsed.ok_or_else(|| format!("it printed no result: {}", watched.errors.trim()))
}

/// A process under watch.
pub(crate) struct Watched {
    child: Child,
    files: [fs::File; 2],
}

/// What a process left.
pub(crate) struct Left {
    pub(crate) output: String,
    pub(crate) errors: String,
    /// The largest resident size seen.
    pub(crate) peak_mb: f64,
}

impl Watched {
    pub(crate) fn start(mut command: Command) -> Result<Self, String> {
        let file = || tempfile::tempfile().map_err(|error| error.to_string());
        let files = [file()?, file()?];
        let [output, errors] = files.each_ref().map(|file| file.try_clone().map_err(|error| error.to_string()));
        let child = command.stdin(Stdio::null()).stdout(output?).stderr(errors?).spawn();
        let program = command.get_program().to_string_lossy().into_owned();
        Ok(Self { child: child.map_err(|error| format!("{program}: {error}"))?, files })
    }

    pub(crate) fn wait(mut self, timeout: f64, max_gb: f64) -> Result<Left, String> {
        let begun = Instant::now();
        let mut peak_mb = 0.0_f64;
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            peak_mb = peak_mb.max(status_mb(self.child.id(), "VmHWM:"));
            let resident = status_mb(self.child.id(), "VmRSS:");
            let over = if resident > max_gb * 1024.0 {
                Some(format!("over {max_gb} GB"))
            } else if begun.elapsed().as_secs_f64() > timeout {
                Some(format!("over {timeout} s"))
            } else {
                None
            };
            if let Some(why) = over {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return Err(format!("stopped, {why}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let [output, errors] = self.files.map(|mut file| {
            let mut text = String::new();
            let _ = file.seek(SeekFrom::Start(0));
            let _ = file.read_to_string(&mut text);
            text
        });
        // A runner that found other violations ends with 1 and prints its line nevertheless.
        if !status.success() && !output.lines().any(|line| line.starts_with('{')) {
            let tail: String = errors.trim().chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            return Err(format!("{status}: {tail}"));
        }
        Ok(Left { output, errors, peak_mb })
    }
}

/// Reads a size of a process; 0 where the system has no such file.
pub(crate) fn status_mb(process: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

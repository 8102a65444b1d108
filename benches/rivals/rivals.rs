//! Who takes part, and what each needs.

use std::path::PathBuf;
use std::process::Command;

use super::options::Options;
use super::prepare::{Place, home};
use super::runner;

pub(crate) const TENET: &str = "tenet";
pub(crate) const HAND: &str = "hand";

/// One entrant.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    pub(crate) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    /// A package that its interpreter must have.
    package: Option<&'static str>,
    /// The form it takes its data in, and the script that makes it. Not timed.
    shaped: Option<(&'static str, &'static str)>,
    /// Whether it takes a second or more at M for one evaluation.
    slow: bool,
}

fn binary(place: &Place, name: &str, file: &str) -> Rival {
    Rival {
        name: name.to_owned(),
        program: place.binaries.join(file),
        arguments: Vec::new(),
        environment: Vec::new(),
        package: None,
        shaped: None,
        slow: false,
    }
}

fn python(place: &Place, name: &str, script: &str, package: &'static str, mode: Option<&str>) -> Rival {
    let mut arguments = vec![home().join("peers").join(script).display().to_string()];
    arguments.extend(mode.into_iter().flat_map(|mode| ["--mode".to_owned(), mode.to_owned()]));
    Rival { program: place.python.clone(), arguments, package: Some(package), ..binary(place, name, "") }
}

/// Lists everybody who was asked for, ourselves first.
pub(crate) fn rivals(options: &Options, place: &Place) -> Vec<Rival> {
    let ourselves = |name: &str, engine: &str| Rival {
        program: std::env::current_exe().expect("we run"),
        arguments: [runner::FLAG, "--engine", engine, "--snapshot"]
            .map(str::to_owned)
            .into_iter()
            .chain([place.snapshot.display().to_string()])
            .collect(),
        ..binary(place, name, "")
    };
    let policy = ("REGO_POLICY", home().join("peers/policy.rego"));
    let bundle = Some(("bundle.json", "opa_bundle.py"));
    let opa = std::env::var_os("OPA_LIB").map_or_else(|| place.work.join("opalib/opa_bindings/libopabridge.so"), PathBuf::from);
    let all = [
        ourselves(TENET, "engine"),
        Rival { slow: true, ..ourselves("tenet-reference", "reference") },
        binary(place, HAND, "hand_peer"),
        python(place, "polars-table", "polars_peer.py", "polars", Some("table")),
        python(place, "polars-scan", "polars_peer.py", "polars", Some("scan")),
        python(place, "duckdb-table", "duckdb_peer.py", "duckdb", Some("table")),
        python(place, "duckdb-interned", "duckdb_peer.py", "duckdb", Some("interned")),
        python(place, "duckdb-view", "duckdb_peer.py", "duckdb", Some("view")),
        python(place, "datafusion-table", "datafusion_peer.py", "datafusion", Some("table")),
        python(place, "datafusion-view", "datafusion_peer.py", "datafusion", Some("view")),
        Rival { slow: true, ..python(place, "sqlite-memory", "sqlite_peer.py", "sqlite3", Some("memory")) },
        binary(place, "ascent", "ascent_peer"),
        Rival {
            arguments: vec!["--mode".to_owned(), "interpreter".to_owned()],
            environment: vec![policy.clone()],
            shaped: bundle,
            slow: true,
            ..binary(place, "regorus", "regorus_peer")
        },
        Rival {
            environment: vec![policy, ("OPA_LIB", opa)],
            shaped: bundle,
            slow: true,
            ..python(place, "opa", "opa_peer.py", "ctypes", None)
        },
        Rival { shaped: Some(("facts.lp", "clingo_facts.py")), slow: true, ..python(place, "clingo", "clingo_peer.py", "clingo", None) },
    ];
    // The reference evaluator says what is right, not what is fast: it takes part when it is asked for by name.
    let asked = |name: &str| options.only.as_ref().map_or(name != "tenet-reference", |only| only.iter().any(|asked| asked == name));
    all.into_iter().filter(|rival| asked(&rival.name)).collect()
}

impl Rival {
    /// Says why it cannot take part; shapes its data if it can.
    pub(crate) fn missing(&self, place: &Place) -> Option<String> {
        let setup = || format!("; {} installs it", home().join("peers/setup.sh").display());
        if !self.program.exists() {
            return Some(format!("there is no {}{}", self.program.display(), setup()));
        }
        if let Some((_, library)) = self.environment.iter().find(|(name, path)| *name == "OPA_LIB" && !path.exists()) {
            return Some(format!("there is no {}{}", library.display(), setup()));
        }
        if let Some(package) = self.package {
            let found = Command::new(&self.program).args(["-c", &format!("import {package}")]).output();
            if !found.is_ok_and(|found| found.status.success()) {
                return Some(format!("its interpreter has no {package}{}", setup()));
            }
        }
        let (form, script) = self.shaped?;
        if place.data.join(form).exists() {
            return None;
        }
        let shaped = Command::new(&place.python).arg(home().join("peers").join(script)).arg(&place.data).output();
        match shaped {
            Ok(shaped) if shaped.status.success() => None,
            Ok(shaped) => Some(String::from_utf8_lossy(&shaped.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    pub(crate) fn command(&self, place: &Place) -> Vec<String> {
        let repeat = match (place.size.as_str(), self.slow) {
            ("L", true) => "1",
            ("M", true) => "2",
            _ => "5",
        };
        let mut words = vec![self.program.display().to_string()];
        words.extend(self.arguments.iter().cloned());
        words.extend(["--data".to_owned(), place.data.display().to_string(), "--repeat".to_owned(), repeat.to_owned()]);
        words
    }
}

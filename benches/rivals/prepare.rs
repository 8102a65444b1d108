//! Data and snapshots, made where they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::options::Options;
use super::watch::Watched;

/// The folder of this bench.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals")
}

/// One size.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) size: String,
    /// What `gen.py` wrote.
    pub(crate) data: PathBuf,
    /// What `tenet import tables` made of it.
    pub(crate) snapshot: PathBuf,
    /// The interpreter with the rivals' packages.
    pub(crate) python: PathBuf,
    /// Where compiled rivals are.
    pub(crate) binaries: PathBuf,
    pub(crate) work: PathBuf,
    /// Seconds and megabytes of the import.
    pub(crate) import: (f64, f64),
}

/// Generates the tenant if it is not there, and imports it.
pub(crate) fn prepare(options: &Options, size: &str) -> Result<Place, String> {
    let name = if options.seed == 1 { size.to_owned() } else { format!("{size}-{}", options.seed) };
    let work = &options.work;
    let mut place = Place {
        size: size.to_owned(),
        data: work.join("data").join(&name),
        snapshot: work.join("snapshots").join(format!("{name}.snapshot")),
        python: work.join("venv/bin/python"),
        binaries: work.join("target/release"),
        work: work.clone(),
        import: (0.0, 0.0),
    };
    if !place.data.join("planted.json").exists() {
        generate(options, &place)?;
    }
    place.import = import(&place)?;
    Ok(place)
}

fn generate(options: &Options, place: &Place) -> Result<(), String> {
    if !place.python.exists() {
        return Err(format!("there is no data, and nothing to make it with: run {}", home().join("peers/setup.sh").display()));
    }
    let seed = options.seed.to_string();
    let made = Command::new(&place.python)
        .arg(home().join("peers/gen.py"))
        .args(["--size", &place.size, "--seed", &seed, "--no-document", "--out"])
        .arg(&place.data)
        .output()
        .map_err(|error| error.to_string())?;
    if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
}

/// Imports anew in each run: the import is measured too.
fn import(place: &Place) -> Result<(f64, f64), String> {
    let parent = place.snapshot.parent().expect("it lies in a folder");
    std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
    if place.snapshot.exists() {
        std::fs::remove_dir_all(&place.snapshot).map_err(|error| error.to_string())?;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenet"));
    command.arg("import").arg("tables").arg(place.data.join("parquet")).arg(place.data.join("meta.json"));
    command.arg("--mapping").arg(home().join("mapping.yaml")).arg("-o").arg(&place.snapshot);
    let begun = Instant::now();
    let watched = Watched::start(command)?.wait(3600.0, 20.0)?;
    Ok((begun.elapsed().as_secs_f64(), watched.peak_mb))
}

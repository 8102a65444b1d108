//! The governance repo: configuration, policies, and where snapshots lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::args::{Global, Selection};
use super::exit::Failure;
use super::output;
use crate::check::{ParamId, builtin_files};
use crate::evaluate::{Val, parse_parameter};
use crate::sources::config::{Config, ParameterValue, load_config_into};
use crate::text::{Diagnostic, SourceSet, did_you_mean};
use crate::{BuiltinModules, Compiled, PolicyFile, compile};

/// The largest policy file that is read.
const POLICY_BYTES_MAX: u64 = 16 << 20;
/// The most policy files of a run.
const FILES_MAX: usize = 10_000;
/// How deep folders are read.
const DEPTH_MAX: usize = 16;

/// A governance repo, or the folder that stands for one.
pub(super) struct Repo {
    pub(super) root: PathBuf,
    pub(super) config: Config,
    /// Whether there is a tenet.toml.
    pub(super) configured: bool,
}

/// Finds the repo: the folder of `-C` or `--config`, else where we stand.
pub(super) fn open(global: &Global) -> anyhow::Result<Repo> {
    let root = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let path = global.config.clone().unwrap_or_else(|| root.join("tenet.toml"));
    if !path.exists() {
        if global.config.is_some() {
            return Err(Failure::usage(format!("{}: there is no such file", path.display())).into());
        }
        return Ok(Repo { root, config: Config::default(), configured: false });
    }
    let text = read_text(&path)?;
    let mut sources = SourceSet::default();
    match load_config_into(&text, &path.display().to_string(), &mut sources) {
        Ok(config) => Ok(Repo { root, config, configured: true }),
        Err(found) => {
            output::diagnostics(global, &sources, &found);
            Err(Failure::usage(format!("{}: {} wrong; nothing was evaluated", path.display(), things(found.len()))).into())
        }
    }
}

pub(super) fn things(n: usize) -> String {
    if n == 1 { "one thing is".to_owned() } else { format!("{n} things are") }
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > POLICY_BYTES_MAX {
        return Err(Failure::usage(format!("{}: {size} bytes, and the limit is {POLICY_BYTES_MAX}", path.display())).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        Failure::usage(format!("{}:{line}: not UTF-8 text", path.display())).into()
    })
}

impl Repo {
    /// Reads the policy files of the configuration, or of `paths` if there are any.
    pub(super) fn policy_files(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<PolicyFile>> {
        let mut found = Vec::new();
        if paths.is_empty() && self.configured {
            for path in self.config.policies.iter().chain(&self.config.waivers) {
                let full = self.root.join(&path.value);
                if full.exists() {
                    find(&full, 0, &mut found)?;
                }
            }
        }
        for path in paths {
            find(path, 0, &mut found)?;
        }
        found.sort();
        found.dedup();
        let mut files = Vec::new();
        for path in found {
            let text = read_text(&path)?;
            let name = path.strip_prefix("./").unwrap_or(&path).display().to_string();
            let inner = path.strip_prefix(&self.root).unwrap_or(&path);
            let module = inner.with_extension("").to_string_lossy().replace('\\', "/");
            let module = module.trim_start_matches("./").replace("../", "");
            // The files that ship with the program may be checked where they lie.
            if !builtin_files().iter().any(|builtin| builtin.text == text && path.ends_with(builtin.path)) {
                files.push(PolicyFile { name, path: module, text });
            }
        }
        Ok(files)
    }

    /// Reads the policy files of the configuration, and those of `more` after them.
    pub(super) fn policy_files_and(&self, more: &[PathBuf]) -> anyhow::Result<Vec<PolicyFile>> {
        let mut files = self.policy_files(&[])?;
        if !more.is_empty() {
            files.extend(self.policy_files(more)?);
        }
        Ok(files)
    }

    /// Compiles policies; errors are shown and end the run.
    pub(super) fn compile(&self, global: &Global, files: &[PolicyFile]) -> anyhow::Result<Compiled> {
        let compiled = compile(self.builtin(), files);
        if compiled.has_errors() {
            let errors: Vec<Diagnostic> = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).cloned().collect();
            output::diagnostics(global, &compiled.sources, &errors);
            return Err(Failure::usage(format!("{} wrong with the policies; nothing was evaluated", things(errors.len()))).into());
        }
        Ok(compiled)
    }

    pub(super) fn builtin(&self) -> BuiltinModules {
        if self.config.builtin_policies { BuiltinModules::All } else { BuiltinModules::WithoutRules }
    }

    /// Returns the snapshot asked for, else the last by name in the snapshot folder.
    pub(super) fn snapshot_path(&self, asked: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(path) = asked {
            return Ok(path.to_owned());
        }
        let folder = self.root.join(&self.config.snapshots);
        self.snapshots().pop().ok_or_else(|| {
            Failure::usage(format!("no snapshot: give one with --snapshot, or make one with `tenet import` in {}", folder.display())).into()
        })
    }

    /// Returns the snapshots in the snapshot folder, sorted by name.
    pub(super) fn snapshots(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.join(&self.config.snapshots)).into_iter().flatten().flatten();
        let mut snapshots: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "snapshot")).collect();
        snapshots.sort();
        snapshots
    }

    /// Reads values of parameters from the configuration and the command line, which goes first.
    pub(super) fn parameters(&self, compiled: &Compiled, selection: &Selection) -> anyhow::Result<BTreeMap<ParamId, Val>> {
        let mut values = BTreeMap::new();
        for (name, value) in &self.config.parameters {
            let (id, value) = parse_parameter(&compiled.policies, name, &parameter_text(&value.value))
                .map_err(|error| Failure::usage(format!("tenet.toml: [parameters]: {error}{}", near(compiled, name))))?;
            values.insert(id, value);
        }
        for text in &selection.param {
            let (name, value) = text.split_once('=').ok_or_else(|| Failure::usage(format!("--param {text}: write NAME=VALUE")))?;
            let (id, value) = parse_parameter(&compiled.policies, name.trim(), value.trim())
                .map_err(|error| Failure::usage(format!("--param: {error}{}", near(compiled, name))))?;
            values.insert(id, value);
        }
        Ok(values)
    }

    /// Returns the packs in force; `None` for all of them.
    pub(super) fn packs(&self, compiled: &Compiled, selection: &Selection) -> anyhow::Result<Option<Vec<String>>> {
        let configured = || self.config.packs.iter().map(|pack| pack.value.clone()).collect::<Vec<_>>();
        let names = if selection.pack.is_empty() { configured() } else { selection.pack.clone() };
        for name in &names {
            let known = compiled.policies.packs.iter().map(|pack| pack.name.as_str());
            if !known.clone().any(|pack| pack == name) {
                let help = did_you_mean(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(Failure::usage(format!("there is no pack `{name}`{help}")).into());
            }
        }
        Ok((!names.is_empty()).then_some(names))
    }
}

/// Digests the names and texts of all policy files.
pub(super) fn policies_digest(compiled: &Compiled) -> String {
    let mut digest = Sha256::new();
    for ((_, file), path) in compiled.sources.iter().zip(&compiled.paths) {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(file.text.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn near(compiled: &Compiled, name: &str) -> String {
    let names = compiled.policies.params.iter().filter(|param| !param.is_const).map(|param| param.name.as_str());
    did_you_mean(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn parameter_text(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Text(text) | ParameterValue::Time(text) => text.clone(),
        ParameterValue::Int(value) => value.to_string(),
        ParameterValue::Bool(value) => value.to_string(),
        ParameterValue::List(values) => values.iter().map(parameter_text).collect::<Vec<_>>().join(","),
    }
}

/// Collects `.tenet` files below a path, in order of name.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        return Err(Failure::usage(format!("{}: folders are read {DEPTH_MAX} deep", path.display())).into());
    }
    if path.is_file() {
        if found.len() >= FILES_MAX {
            return Err(Failure::usage(format!("{}: more than {FILES_MAX} policy files", path.display())).into());
        }
        found.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inner.sort();
    for path in inner {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let wanted = path.extension().is_some_and(|extension| extension == "tenet");
        if !hidden && !path.is_symlink() && (path.is_dir() || wanted) {
            find(&path, depth + 1, found)?;
        }
    }
    Ok(())
}

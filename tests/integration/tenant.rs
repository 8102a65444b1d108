//! A governance repo of the fixtures: read, imported, scanned.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tenet::check::ParamId;
use tenet::evaluate::{Options, Scan, Val, parse_parameter, scan};
use tenet::model::Verdict;
use tenet::snapshot::{Records, Snapshot, SnapshotBuilder};
use tenet::sources::config::{Config, ParameterValue, load_config};
use tenet::sources::import::{ImportError, ImportOptions, import_arm};
use tenet::sources::register::load_register_file;
use tenet::text::{Diagnostic, SourceSet};
use tenet::{BuiltinModules, Compiled, PolicyFile, compile};

/// A governance repo with its policies compiled.
pub(crate) struct Tenant {
    root: PathBuf,
    config: Config,
    pub(crate) compiled: Compiled,
    params: BTreeMap<ParamId, Val>,
}

/// Verdicts by rule, requirement and subject; `*` stands for a whole rule and for subjects nobody has seen.
pub(crate) type Verdicts = BTreeMap<(String, String, String), &'static str>;

impl Tenant {
    /// Reads the folder `fixtures/{name}`.
    pub(crate) fn open(name: &str) -> Self {
        Self::open_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name))
    }

    /// Reads a governance repo.
    pub(crate) fn open_at(root: &Path) -> Self {
        let root = root.to_owned();
        let text = fs::read_to_string(root.join("tenet.toml")).unwrap_or_default();
        let config = load_config(&text, "tenet.toml").unwrap();
        let paths = config.policies.iter().chain(&config.waivers);
        let mut files = BTreeSet::new();
        for path in paths {
            policy_files(&root.join(&path.value), &mut files);
        }
        let files: Vec<PolicyFile> = files.iter().map(|path| policy_file(&root, path)).collect();
        let compiled = compile(BuiltinModules::All, &files);
        let own: Vec<&Diagnostic> = compiled.diagnostics.iter().filter(|one| one.span.file.0 as usize >= compiled.n_builtin).collect();
        assert!(own.is_empty(), "{}: {own:#?}", root.display());
        let set = config.parameters.iter().map(|(name, value)| parse_parameter(&compiled.policies, name, &shown(&value.value)).unwrap());
        let params = set.collect();
        Self { root, config, compiled, params }
    }

    /// The recorded answers, by path.
    pub(crate) fn answers(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.root.join("answers")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Imports answers and registers.
    pub(crate) fn records(&self, answers: &[PathBuf], skip_unreadable: bool) -> Result<Records, ImportError> {
        let schema = &self.compiled.policies.schema;
        let mut builder = SnapshotBuilder::new(std::sync::Arc::clone(schema));
        let tenant = self.config.tenant.as_ref().map(|tenant| tenant.value.clone());
        let options = ImportOptions { tenant, skip_unreadable, ..ImportOptions::default() };
        import_arm(&mut builder, answers, &options)?;
        for register in &self.config.registers {
            let found = load_register_file(&mut builder, register, &self.root, &mut SourceSet::default());
            let errors: Vec<&Diagnostic> = found.iter().filter(|one| one.is_error()).collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", register.file);
        }
        Ok(builder.records())
    }

    /// Evaluates every rule of the packs in force at `now`, else at the end of the capture window, else on a day of 2026.
    pub(crate) fn scan(&self, records: Records, now: Option<Timestamp>) -> (Snapshot, Scan) {
        let policies = &self.compiled.policies;
        let now = now.or(records.meta.captured_to).unwrap_or_else(|| "2026-10-20T08:00:00Z".parse().unwrap());
        let snapshot = Snapshot::freeze(std::sync::Arc::clone(&policies.schema), records);
        let packs: Vec<String> = self.config.packs.iter().map(|pack| pack.value.clone()).collect();
        let options = Options {
            now,
            params: &self.params,
            packs: (!packs.is_empty()).then_some(packs.as_slice()),
            select: &|_| true,
            subject: None,
            waivers: true,
        };
        let scan = scan(policies, &snapshot, &options).unwrap();
        (snapshot, scan)
    }

    /// Every verdict of a scan.
    pub(crate) fn verdicts(&self, snapshot: &Snapshot, scan: &Scan) -> Verdicts {
        let mut verdicts = Verdicts::new();
        for finding in &scan.findings {
            let rule = scan.rule(&self.compiled.policies, finding).unwrap();
            let requirement = finding.requirement.map_or("*", |at| rule.requirements[at].name.as_str());
            let subject = finding.subject.map_or_else(|| "*".into(), |id| snapshot.key(id));
            let verdict = if finding.waiver.is_some() && finding.verdict == Verdict::Fail { "waived" } else { finding.verdict.name() };
            verdicts.insert((rule.id.clone(), requirement.to_owned(), subject.into_owned()), verdict);
        }
        verdicts
    }
}

fn policy_files(path: &Path, files: &mut BTreeSet<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            policy_files(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_some_and(|end| end == "tenet") && path.exists() {
        files.insert(path.to_owned());
    }
}

fn policy_file(root: &Path, path: &Path) -> PolicyFile {
    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    PolicyFile { path: name.trim_end_matches(".tenet").to_owned(), text: fs::read_to_string(path).unwrap(), name }
}

fn shown(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Text(text) | ParameterValue::Time(text) => text.clone(),
        ParameterValue::Int(number) => number.to_string(),
        ParameterValue::Bool(truth) => truth.to_string(),
        ParameterValue::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
    }
}

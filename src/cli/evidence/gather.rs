//! The files of a bundle, by the names they have in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::cli::load::Loaded;
use crate::cli::repo::Repo;
use crate::model::SourceKind;
use crate::sources::bundle::{FILES_MAX, Member};
use crate::sources::config::leaves_folder;

/// How deep folders are read.
const DEPTH_MAX: usize = 32;

/// Files by name.
#[derive(Default)]
pub(super) struct Files(pub(super) BTreeMap<String, Member>);

impl Files {
    /// Adds a file of the disk.
    pub(super) fn add(&mut self, name: impl Into<String>, path: &Path) -> Result<(), Failure> {
        let name = name.into();
        if self.0.len() >= FILES_MAX {
            return Err(Failure::usage(format!("a bundle has at most {FILES_MAX} files")));
        }
        match self.0.insert(name.clone(), Member::File(path.to_owned())) {
            Some(other) if other != Member::File(path.to_owned()) => {
                Err(Failure::usage(format!("two files would be `{name}` in the bundle; rename one of them")))
            }
            _ => Ok(()),
        }
    }

    /// Adds a folder, all of it but what `skip` names.
    pub(super) fn add_folder(&mut self, name: &str, path: &Path, skip: &[&str]) -> anyhow::Result<()> {
        self.folder(name, path, skip, 0)
    }

    fn folder(&mut self, name: &str, path: &Path, skip: &[&str], depth: usize) -> anyhow::Result<()> {
        if depth > DEPTH_MAX {
            return Err(Failure::usage(format!("{}: folders are read {DEPTH_MAX} deep", path.display())).into());
        }
        let wrong = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
        let mut inner = Vec::new();
        for entry in std::fs::read_dir(path).map_err(wrong)? {
            inner.push(entry.map_err(wrong)?.path());
        }
        inner.sort();
        for path in inner {
            let Some(own) = path.file_name().and_then(|own| own.to_str()) else {
                return Err(Failure::usage(format!("{}: its name is not UTF-8", path.display())).into());
            };
            if path.is_symlink() || skip.contains(&own) {
                continue;
            }
            let inside = format!("{name}/{own}");
            if path.is_dir() {
                self.folder(&inside, &path, &[], depth + 1)?;
            } else {
                self.add(inside, &path)?;
            }
        }
        Ok(())
    }

    /// Adds the governance repo: settings, policies, waivers, registers and the evidence that they name.
    pub(super) fn add_repo(&mut self, repo: &Repo, config: Option<&Path>, loaded: &Loaded) -> anyhow::Result<()> {
        let settings = config.map_or_else(|| repo.root.join("tenet.toml"), Path::to_owned);
        if settings.exists() {
            self.add("repo/tenet.toml", &settings)?;
        }
        for file in repo.policy_files(&[])? {
            let inside = within(&repo.root, Path::new(&file.name))?;
            self.add(format!("repo/{inside}"), Path::new(&file.name))?;
        }
        let registers = repo.config.registers.iter().map(|register| register.file.clone());
        let evidence = loaded.snapshot.sources().iter().filter(|source| source.kind == SourceKind::Register);
        let evidence = evidence.filter_map(|source| source.attestation.as_ref()?.evidence_file.clone());
        let named: BTreeSet<String> = registers.chain(evidence).chain(["allowed_signers".to_owned()]).collect();
        for file in named.iter().filter(|file| leaves_folder(file).is_none()) {
            let path = repo.root.join(file);
            if path.is_file() {
                self.add(format!("repo/{}", file.replace('\\', "/")), &path)?;
            }
        }
        Ok(())
    }
}

/// Returns the path of a policy file from the top of its repo.
fn within(root: &Path, path: &Path) -> anyhow::Result<String> {
    let plain = |path: &Path| path.strip_prefix("./").map_or_else(|_| path.to_owned(), Path::to_owned);
    let (root, path): (PathBuf, PathBuf) = (plain(root), plain(path));
    let inside =
        if root.as_os_str().is_empty() || root.as_path() == Path::new(".") { Some(path.as_path()) } else { path.strip_prefix(&root).ok() };
    let inside = inside.and_then(Path::to_str).filter(|inside| leaves_folder(inside).is_none());
    match inside {
        Some(inside) => Ok(inside.replace('\\', "/")),
        None => Err(Failure::usage(format!("{}: it is not in the governance repo, and so not in its evidence", path.display())).into()),
    }
}

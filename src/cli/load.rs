//! A snapshot with the registers of the repo: from its index if one fits, else from its tables, which leaves an index for the
//! next time.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::args::{Global, Selection};
use super::exit::Failure;
use super::output;
use super::repo::{Repo, policies_digest, things};
use crate::Compiled;
use crate::model::Schema;
use crate::report::RunIdentity;
use crate::snapshot::{Snapshot, SnapshotBuilder};
use crate::sources::config::leaves_folder;
use crate::sources::disk::{DiskError, IndexKey, IndexStore, Manifest, open_index, read_manifest, read_snapshot, write_index};
use crate::sources::register::{REGISTER_BYTES_MAX, RegisterDeclaration, RegisterForm, evidence_is_unchanged, load_register_file};
use crate::text::{SourceSet, did_you_mean};

/// A snapshot whose tables have fewer rows is read from them in a moment and gets no index.
const INDEX_ROWS_MIN: u64 = 5_000;

/// A snapshot with what the registers add.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    pub(super) manifest: Manifest,
    pub(super) path: PathBuf,
    index: Option<Arc<IndexStore>>,
    /// sha256 over the registers that were merged in.
    pub(super) registers_digest: Option<String>,
}

impl Loaded {
    /// Returns the instant of the run: `--now`, else the end of the capture window.
    pub(super) fn now(&self, global: &Global) -> anyhow::Result<jiff::Timestamp> {
        let captured = self.snapshot.meta().captured_to;
        global.now.or(captured).ok_or_else(|| Failure::usage("the snapshot does not say when it was taken; give --now").into())
    }

    /// Returns what identifies the run.
    pub(super) fn identity(&self, compiled: &Compiled) -> anyhow::Result<RunIdentity> {
        Ok(RunIdentity {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            policies_digest: policies_digest(compiled),
            snapshot_digest: Some(self.manifest.digest()?),
            snapshot: self.path.file_name().map(|name| name.to_string_lossy().into_owned()),
            registers_digest: self.registers_digest.clone(),
            ..RunIdentity::default()
        })
    }

    /// Refuses what was decided if something that is stored could not be read. To be asked before anything is shown.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(error) = self.index.as_ref().and_then(|index| index.trouble()) {
            return Err(refusal(&self.path, error).into());
        }
        if let Some(trouble) = self.snapshot.trouble() {
            return Err(Failure::usage(format!("{}: {trouble}", self.path.display())).into());
        }
        Ok(())
    }

    /// Says what was read of the index, for those who ask for more.
    pub(super) fn say_read(&self, global: &Global) {
        if let Some(index) = self.index.as_ref().filter(|_| global.verbose > 0) {
            output::say(global, &index.summary());
        }
    }
}

fn refusal(path: &Path, error: &DiskError) -> Failure {
    let exit = if error.is_tampering() { super::Exit::Evidence } else { super::Exit::Usage };
    Failure { exit, message: format!("{}: {error}", path.display()) }
}

/// Opens the tables of a snapshot folder.
pub(super) fn read(schema: &Arc<Schema>, path: &Path) -> anyhow::Result<(SnapshotBuilder, Manifest)> {
    check_exists(path)?;
    read_snapshot(schema, path).map_err(|error| refusal(path, &error).into())
}

fn check_exists(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!("{}: there is no such snapshot", path.display())).into())
}

/// Loads a snapshot without registers.
pub(super) fn bare(schema: &Arc<Schema>, path: &Path) -> anyhow::Result<Loaded> {
    check_exists(path)?;
    let manifest = read_manifest(path).map_err(|error| refusal(path, &error))?;
    let key = IndexKey::new(schema, manifest.digest()?, None);
    if let Some(loaded) = indexed(schema, path, &manifest, &key)? {
        return Ok(loaded);
    }
    let (builder, manifest) = read(schema, path)?;
    let snapshot = Snapshot::freeze(Arc::clone(schema), builder.records());
    Ok(Loaded { snapshot, manifest, path: path.to_owned(), index: None, registers_digest: None })
}

/// Opens the index with this key. One that the system does not let us read is as good as none; one that is altered is refused.
fn indexed(schema: &Arc<Schema>, path: &Path, manifest: &Manifest, key: &IndexKey) -> anyhow::Result<Option<Loaded>> {
    match open_index(schema, path, key) {
        Ok(Some(index)) => Ok(Some(Loaded {
            snapshot: Snapshot::from_columns(index.columns),
            manifest: manifest.clone(),
            path: path.to_owned(),
            index: Some(index.store),
            registers_digest: None,
        })),
        Ok(None) | Err(DiskError::Io { .. }) => Ok(None),
        Err(error) => Err(refusal(path, &error).into()),
    }
}

impl Repo {
    /// Loads a snapshot with the registers.
    pub(super) fn snapshot(&self, global: &Global, compiled: &Compiled, selection: &Selection) -> anyhow::Result<Loaded> {
        let schema = &compiled.policies.schema;
        let path = self.snapshot_path(selection.snapshot.as_deref())?;
        let _work = output::Work::begin(global, "reading the snapshot");
        check_exists(&path)?;
        let manifest = read_manifest(&path).map_err(|error| refusal(&path, &error))?;
        let key = self.index_key(schema, &manifest, selection)?;
        if let Some(loaded) = key.as_ref().map(|key| indexed(schema, &path, &manifest, key)).transpose()?.flatten()
            && evidence_is_unchanged(&self.root, loaded.snapshot.sources())
        {
            return Ok(Loaded { registers_digest: self.registers_digest(&[]), ..loaded });
        }
        let (mut builder, manifest) = read(schema, &path)?;
        let n_warnings = self.registers(global, &mut builder, selection)?;
        let snapshot = Snapshot::freeze(Arc::clone(schema), builder.records());
        // A warning about a register is given each time, so then registers are read each time.
        let n_rows: u64 = manifest.files.iter().map(|file| file.rows).sum();
        if let Some(key) = key.filter(|_| n_warnings == 0 && (n_rows >= INDEX_ROWS_MIN || selection.index)) {
            keep(global, &snapshot, &path, &key);
        }
        Ok(Loaded { snapshot, manifest, path, index: None, registers_digest: self.registers_digest(&selection.register) })
    }

    /// Returns what the index has to be made from; `None` if none is to be used. A register of the command line is read each time.
    fn index_key(&self, schema: &Schema, manifest: &Manifest, selection: &Selection) -> anyhow::Result<Option<IndexKey>> {
        if selection.no_index || !selection.register.is_empty() {
            return Ok(None);
        }
        Ok(Some(IndexKey::new(schema, manifest.digest()?, self.registers_digest(&[]))))
    }

    /// Digests what the registers of the configuration say, and how they are declared; evidence is looked at on its own.
    /// Registers of the command line are digested by what was written there and by what they say.
    fn registers_digest(&self, given: &[String]) -> Option<String> {
        let mut digest = Sha256::new();
        for declaration in &self.config.registers {
            let declared = format!("{declaration:?}");
            let stays = leaves_folder(&declaration.file).is_none();
            let bytes = if stays { register_bytes(&self.root.join(&declaration.file)) } else { None };
            for piece in [Some(declared.as_bytes()), bytes.as_deref()] {
                // A file that is not there differs from one that is empty.
                digest.update(piece.map_or(u64::MAX, |piece| piece.len() as u64).to_le_bytes());
                digest.update(piece.unwrap_or(&[]));
            }
        }
        for text in given {
            let bytes = text.split_once('=').and_then(|(_, file)| register_bytes(Path::new(file)));
            for piece in [Some(text.as_bytes()), bytes.as_deref()] {
                digest.update(piece.map_or(u64::MAX, |piece| piece.len() as u64).to_le_bytes());
                digest.update(piece.unwrap_or(&[]));
            }
        }
        let text = || digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (!self.config.registers.is_empty() || !given.is_empty()).then(text)
    }

    /// Adds the facts of the registers; returns how many warnings there are.
    fn registers(&self, global: &Global, builder: &mut SnapshotBuilder, selection: &Selection) -> anyhow::Result<usize> {
        let mut sources = SourceSet::default();
        let mut found = Vec::new();
        for declaration in &self.config.registers {
            found.extend(load_register_file(builder, declaration, &self.root, &mut sources));
        }
        for text in &selection.register {
            let (declaration, parent) = register_of_the_command_line(builder.schema(), text)?;
            found.extend(load_register_file(builder, &declaration, &parent, &mut sources));
        }
        if !found.is_empty() {
            output::diagnostics(global, &sources, &found);
        }
        let errors = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
        if errors > 0 {
            return Err(Failure::usage(format!("{} wrong with the registers; nothing was evaluated", things(errors))).into());
        }
        Ok(found.len())
    }
}

fn register_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(REGISTER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn register_of_the_command_line(schema: &Schema, text: &str) -> anyhow::Result<(RegisterDeclaration, PathBuf)> {
    let (form, file) = text.split_once('=').ok_or_else(|| Failure::usage(format!("--register {text}: write FORM=FILE")))?;
    let known = ["designations", "partner_links", "partners", "principals", "reviews", "subscriptions"];
    let form = RegisterForm::from_name(form)
        .or_else(|| schema.entity_named(form).map(|_| RegisterForm::Entity(form.to_owned())))
        .ok_or_else(|| {
            let help = did_you_mean(form, known).map_or_else(|| known.join(", "), |near| format!("did you mean `{near}`?"));
            Failure::usage(format!("--register: there is no form `{form}`; {help}"))
        })?;
    let path = Path::new(file);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned());
    Ok((RegisterDeclaration::new(name, form), parent.to_owned()))
}

/// Leaves an index for the next time. Where that is not possible nothing is lost, so it is said only if asked for.
fn keep(global: &Global, snapshot: &Snapshot, path: &Path, key: &IndexKey) {
    if let Err(error) = write_index(snapshot.columns(), path, key)
        && global.verbose > 0
    {
        output::say(global, &format!("note: no index was written: {error}"));
    }
}

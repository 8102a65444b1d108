//! `tenet verify`: is a bundle what was signed, and does its result come out again?

use std::path::{Path, PathBuf};

use clap::Args;

use super::{BASELINE, RESULT, evaluate_again, instant_of, scan_of};
use crate::cli::args::Global;
use crate::cli::exit::Failure;
use crate::cli::{Exit, approvals, formats, output, repo};
use crate::report::{ResultSource as _, plain};
use crate::sources::bundle::{BundleError, NAMESPACE, Opened, open_bundle};
use crate::sources::journal_file::read_journal;
use crate::sources::signatures::AllowedSigners;

/// Arguments of `tenet verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// The bundle
    bundle: PathBuf,
    /// Who may sign evidence, in place of the repo's allowed_signers; what the bundle says of that does not count
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
    /// Unpack the bundle into this folder, which must be empty or absent, once it is verified
    #[arg(long, value_name = "DIR")]
    unpack: Option<PathBuf>,
}

/// A bundle that was read into a folder that goes away with it.
pub(in crate::cli) struct Unpacked {
    folder: tempfile::TempDir,
    pub(in crate::cli) opened: Opened,
}

impl Unpacked {
    /// Reads a bundle whose signature counts.
    pub(in crate::cli) fn open(path: &Path, signers: &AllowedSigners, now: jiff::Timestamp) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let check = |bytes: &[u8], signature: &str| signers.verify(bytes, signature, NAMESPACE, now);
        let opened = open_bundle(path, folder.path(), &check).map_err(|error| refusal(path, &error))?;
        Ok(Self { folder, opened })
    }

    /// The governance repo in it.
    pub(in crate::cli) fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub(in crate::cli) fn result(&self) -> PathBuf {
        self.folder.path().join(RESULT)
    }

    /// The snapshot in it.
    pub(in crate::cli) fn snapshot(&self) -> anyhow::Result<PathBuf> {
        let name = self.opened.manifest.predicate().tenet.get("snapshot").cloned().unwrap_or_default();
        let inside = format!("snapshot/{name}/manifest.json");
        if !self.opened.files.contains_key(&inside) {
            return Err(Failure::new(Exit::Evidence, format!("{inside}: the bundle has no snapshot")).into());
        }
        Ok(self.folder.path().join("snapshot").join(name))
    }

    pub(in crate::cli) fn baseline(&self) -> Option<PathBuf> {
        self.opened.files.contains_key(BASELINE).then(|| self.folder.path().join(BASELINE))
    }
}

fn refusal(path: &Path, error: &BundleError) -> Failure {
    let exit = if error.is_tampering() { Exit::Evidence } else { Exit::Usage };
    Failure { exit, message: format!("{}: {}", path.display(), plain(&error.to_string())) }
}

/// Reads who may sign; nobody at all is an error, for then nothing could be verified.
pub(in crate::cli) fn signers(global: &Global, asked: Option<&Path>) -> anyhow::Result<AllowedSigners> {
    let repo = repo::open(global)?;
    let (signers, digest) = approvals::allowed_signers(&repo, asked)?;
    if digest.is_empty() {
        return Err(Failure::usage("nobody may sign: there is no allowed_signers here; give one with --signers").into());
    }
    Ok(signers)
}

pub(in crate::cli) fn run(global: &Global, args: &Verify) -> anyhow::Result<Exit> {
    let signers = signers(global, args.signers.as_deref())?;
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let unpacked = Unpacked::open(&args.bundle, &signers, now)?;
    let opened = &unpacked.opened;
    output::print(&format!("signature: {} ({})\n", plain(&opened.signer.name), opened.signer.key))?;
    output::print(&format!("files: {} as the manifest says, none added, none missing\n", opened.files.len()))?;
    journals(&unpacked)?;
    again(global, &unpacked)?;
    if let Some(folder) = &args.unpack {
        unpack(&unpacked, folder)?;
        output::say(global, &format!("unpacked to {}", folder.display()));
    }
    Ok(Exit::Ok)
}

/// Follows the chain of hashes of each journal.
fn journals(unpacked: &Unpacked) -> anyhow::Result<()> {
    for name in unpacked.opened.files.keys().filter(|name| name.starts_with("journal/")) {
        let read = read_journal(&unpacked.folder.path().join(name));
        let read = read.map_err(|error| Failure::new(Exit::Evidence, format!("{name}: {error}")))?;
        output::print(&format!("{name}: {} entries in one chain\n", read.entries.len()))?;
    }
    Ok(())
}

fn again(global: &Global, unpacked: &Unpacked) -> anyhow::Result<()> {
    let path = unpacked.result();
    let saved = formats::open(&path)?;
    let head = saved.head();
    let own = env!("CARGO_PKG_VERSION");
    if head.run.tool_version != own {
        let text = format!(
            "{RESULT}: it was made by tenet {}, and this is {own}: evaluate again with that version",
            plain(&head.run.tool_version)
        );
        return Err(Failure::new(Exit::Evidence, text).into());
    }
    let asked = &head.run.asked;
    if !asked.policies.is_empty() || !asked.registers.is_empty() {
        return Err(Failure::new(Exit::Evidence, format!("{RESULT}: it rests on files that are not in the bundle")).into());
    }
    let scan = scan_of(asked, unpacked.snapshot()?, unpacked.baseline());
    let root = unpacked.root();
    std::fs::create_dir_all(&root)?;
    let found = evaluate_again(global, Some(&root), instant_of(head)?, &scan)?;
    let said = unpacked.opened.files.get(RESULT).cloned().unwrap_or_default();
    if found != said {
        let text = format!("{RESULT}: evaluating the bundle again gives another result (sha256 {found}, and the bundle has {said})");
        return Err(Failure::new(Exit::Evidence, text).into());
    }
    output::print(&format!("evaluated again: {RESULT} comes out byte for byte\n"))
}

fn unpack(unpacked: &Unpacked, folder: &Path) -> anyhow::Result<()> {
    let taken = folder.exists() && std::fs::read_dir(folder).is_ok_and(|mut inner| inner.next().is_some());
    if taken {
        return Err(Failure::usage(format!("{}: it is not empty", folder.display())).into());
    }
    for name in unpacked.opened.files.keys() {
        let target = folder.join(name);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(unpacked.folder.path().join(name), &target)?;
    }
    Ok(())
}

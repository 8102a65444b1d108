//! Approvals beside a plan: `PLAN.sig`, as `ssh-keygen -Y sign` writes it, and `PLAN.sig.1`, `PLAN.sig.2`, …

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Exit;
use super::exit::Failure;
use super::repo::Repo;
use crate::model::sha256_hex;
use crate::remedy::approval::{Approval, judge};
use crate::sources::plan_file::{PlanFile, PlanFileError, read_plan};
use crate::sources::signatures::{AllowedSigners, Passphrase, SIGNATURE_BYTES_MAX, SIGNERS_BYTES_MAX, SignError, SigningKey};

/// What signatures over plans are made for.
pub(super) const NAMESPACE: &str = "tenet-plan";
/// The longest passphrase.
const PASSPHRASE_BYTES_MAX: u64 = 4 << 10;
/// The most approvals of one plan that are looked at.
const APPROVALS_MAX: usize = 64;

/// Reads a plan; one that was changed is evidence of tampering.
pub(super) fn plan(path: &Path) -> Result<PlanFile, Failure> {
    read_plan(path).map_err(|error| refusal(&error))
}

fn refusal(error: &PlanFileError) -> Failure {
    Failure { exit: if error.is_tampering() { Exit::Evidence } else { Exit::Usage }, message: error.to_string() }
}

/// Reads a small file; a larger one than any of its kind is refused.
pub(super) fn small(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("{}: cannot read: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(wrong)?.take(limit + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!("{}: larger than {limit} bytes, the limit", path.display())));
    }
    Ok(bytes)
}

/// Reads a small text.
pub(super) fn small_text(path: &Path, limit: u64) -> Result<String, Failure> {
    String::from_utf8(small(path, limit)?).map_err(|_| Failure::usage(format!("{}: it is not UTF-8 text", path.display())))
}

/// Those who may approve, and the digest of the file that says so; nobody if there is no such file.
pub(super) fn allowed_signers(repo: &Repo, asked: Option<&Path>) -> Result<(AllowedSigners, String), Failure> {
    let path = asked.map_or_else(|| repo.root.join("allowed_signers"), Path::to_owned);
    if asked.is_none() && !path.exists() {
        return Ok((AllowedSigners::default(), String::new()));
    }
    let bytes = small(&path, SIGNERS_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{}: it is not UTF-8 text", path.display())))?;
    let signers = AllowedSigners::parse(text).map_err(|message| Failure::usage(format!("{}: {message}", path.display())))?;
    Ok((signers, sha256_hex(&bytes)))
}

/// Returns the signatures beside a plan, in order of name.
pub(super) fn beside(plan: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("{}: cannot look for approvals: {error}", plan.display()));
    let folder = plan.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = plan.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()) + ".sig";
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let rest = path.file_name().and_then(|other| other.to_str()).and_then(|other| other.strip_prefix(&name)).map(str::to_owned);
        let number = |rest: &str| rest.strip_prefix('.').is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()));
        if rest.is_some_and(|rest| rest.is_empty() || number(&rest)) {
            found.push(path);
        }
    }
    if found.len() > APPROVALS_MAX {
        return Err(Failure::usage(format!("{}: {} approvals, and the limit is {APPROVALS_MAX}", plan.display(), found.len())));
    }
    found.sort();
    Ok(found)
}

/// Looks at every approval beside a plan.
pub(super) fn look(path: &Path, plan: &PlanFile, signers: &AllowedSigners, now: jiff::Timestamp) -> Result<Vec<Approval>, Failure> {
    Ok(beside(path)?.into_iter().map(|file| judged(file, plan, signers, now)).collect())
}

/// Looks at one approval.
pub(super) fn judged(file: PathBuf, plan: &PlanFile, signers: &AllowedSigners, now: jiff::Timestamp) -> Approval {
    let text = small_text(&file, SIGNATURE_BYTES_MAX).map_err(|failure| failure.message);
    let signer = text.and_then(|text| signers.verify(&plan.bytes, &text, NAMESPACE, now));
    Approval { file: file.display().to_string(), signer }
}

/// Refuses a plan that is not approved; returns who approved it.
pub(super) fn demand(
    repo: &Repo,
    asked: Option<&Path>,
    path: &Path,
    plan: &PlanFile,
    now: jiff::Timestamp,
) -> Result<Vec<String>, Failure> {
    let wanted = repo.config.plan.approvals;
    if plan.plan.approvals.needed < wanted {
        let asked = plan.plan.approvals.needed;
        let message = format!("the plan was made for {asked} of the {wanted} approvals that tenet.toml asks for; plan again");
        return Err(Failure { exit: Exit::Unapproved, message });
    }
    let (signers, digest) = allowed_signers(repo, asked)?;
    let approvals = look(path, plan, &signers, now)?;
    judge(&plan.plan, &digest, &approvals).map_err(|error| Failure { exit: Exit::Unapproved, message: error.to_string() })
}

/// Opens a private key; `namespace` is what is signed with it.
pub(super) fn open_key(key: &Path, passphrase_file: Option<&Path>, namespace: &str) -> Result<SigningKey, Failure> {
    let text = small_text(key, SIGNATURE_BYTES_MAX)?;
    let passphrase = match passphrase_file {
        Some(file) => Some(small_text(file, PASSPHRASE_BYTES_MAX)?),
        None => std::env::var("TENET_KEY_PASSPHRASE").ok(),
    };
    let passphrase = passphrase.map(|text| Passphrase(text.trim_end_matches(['\r', '\n']).to_owned()));
    SigningKey::open(&text, passphrase.as_ref()).map_err(|error| {
        let way_out = match error {
            SignError::Encrypted => {
                format!(" with --passphrase-file or TENET_KEY_PASSPHRASE, or sign with `ssh-keygen -Y sign -n {namespace}`")
            }
            _ => String::new(),
        };
        Failure::usage(format!("{}: {error}{way_out}", key.display()))
    })
}

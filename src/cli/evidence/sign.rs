//! `tenet sign`: a result with all it rests on, in one signed file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::gather::Files;
use super::{BASELINE, RESULT, evaluate_again, instant_of, scan_of};
use crate::cli::args::{Global, Selection};
use crate::cli::baseline::digest_of;
use crate::cli::exit::Failure;
use crate::cli::repo::{self, Repo};
use crate::cli::{Exit, approvals, formats, output};
use crate::report::{ResultDocument, ResultSource as _};
use crate::sources::bundle::{BundleError, MANIFEST, Manifest, Member, NAMESPACE, Outcome, Predicate, SIGNATURE, write_bundle};
use crate::sources::disk::read_manifest;
use crate::sources::signatures::SigningKey;

/// Arguments of `tenet sign`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The result, made with `tenet scan -f json=FILE`
    result: PathBuf,
    /// A private key of OpenSSH
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A file whose text is the passphrase of the key; else it is taken from TENET_KEY_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The snapshot of the result; the one with its digest in the snapshot folder without
    #[arg(long, value_name = "NAME.snapshot")]
    snapshot: Option<PathBuf>,
    /// The result that the scan had as its --baseline
    #[arg(long, value_name = "RESULT")]
    baseline: Option<PathBuf>,
    /// A folder of the raw answers the snapshot was made of
    #[arg(long, value_name = "DIR")]
    answers: Option<PathBuf>,
    /// A report to keep with the result
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// A journal of an apply
    #[arg(long, value_name = "FILE")]
    journal: Vec<PathBuf>,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE.tar")]
    output: PathBuf,
}

pub(in crate::cli) fn run(global: &Global, args: &Sign) -> anyhow::Result<Exit> {
    let key = approvals::open_key(&args.key, args.passphrase_file.as_deref(), NAMESPACE)?;
    let repo = repo::open(global)?;
    let saved = formats::open(&args.result)?;
    let head = saved.head();
    refuse_foreign(head)?;
    let snapshot = snapshot_of(&repo, head, args.snapshot.as_deref())?;
    let baseline = baseline_of(head, args.baseline.as_deref())?;
    check_again(global, args, head, &snapshot, baseline.clone())?;
    let files = gather(global, args, &repo, &snapshot, baseline.as_deref())?;
    let bundle = Bundle { files, predicate: predicate(head, &snapshot) };
    bundle.write(&key, &args.output)?;
    output::print(&format!("{} files, signed by {}\n", bundle.files.0.len(), key.public().fingerprint(ssh_key::HashAlg::Sha256)))?;
    output::say(global, &format!("wrote {}", args.output.display()));
    Ok(Exit::Ok)
}

/// Refuses results whose inputs are not in the governance repo: nobody could make them again from the bundle.
fn refuse_foreign(head: &ResultDocument) -> anyhow::Result<()> {
    let asked = &head.run.asked;
    for (flag, values) in [("--policies", &asked.policies), ("--register", &asked.registers)] {
        if let Some(first) = values.first() {
            let text = format!("the result was made with {flag} {first}, which tenet.toml does not name; put it there and scan again");
            return Err(Failure::usage(text).into());
        }
    }
    Ok(())
}

fn snapshot_of(repo: &Repo, head: &ResultDocument, asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let wanted = head.run.snapshot_digest.as_deref();
    let is_it = |path: &PathBuf| {
        let digest = read_manifest(path).ok().and_then(|manifest| manifest.digest().ok());
        digest.is_some() && digest.as_deref() == wanted
    };
    let found = match asked {
        Some(path) => Some(path.to_owned()).filter(|path| is_it(path)),
        None => repo.snapshots().into_iter().find(is_it),
    };
    found.ok_or_else(|| {
        let where_to = asked.map_or_else(|| "no snapshot in the snapshot folder".to_owned(), |path| path.display().to_string());
        let text = format!("{where_to} is not the one of the result ({}); give it with --snapshot", wanted.unwrap_or("not named"));
        Failure::new(Exit::Evidence, text).into()
    })
}

fn baseline_of(head: &ResultDocument, asked: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let Some(wanted) = &head.run.asked.baseline else { return Ok(None) };
    let path = asked.ok_or_else(|| Failure::usage("the result goes on from an earlier one; give that with --baseline"))?;
    let file = std::fs::File::open(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    if digest_of(file)? != *wanted {
        let text = format!("{}: it is not the earlier result that the scan was given", path.display());
        return Err(Failure::new(Exit::Evidence, text).into());
    }
    Ok(Some(path.to_owned()))
}

/// Nothing is signed that does not come out again.
fn check_again(global: &Global, args: &Sign, head: &ResultDocument, snapshot: &Path, baseline: Option<PathBuf>) -> anyhow::Result<()> {
    let file = std::fs::File::open(&args.result).map_err(|error| Failure::usage(format!("{}: {error}", args.result.display())))?;
    let is = digest_of(file)?;
    let scan = scan_of(&head.run.asked, snapshot.to_owned(), baseline);
    let again = evaluate_again(global, None, instant_of(head)?, &scan)?;
    if again == is {
        return Ok(());
    }
    let text = format!(
        "{}: evaluating again gives another result; policies, waivers, registers or settings have changed since, or the file has; scan again",
        args.result.display()
    );
    Err(Failure::new(Exit::Evidence, text).into())
}

fn gather(global: &Global, args: &Sign, repo: &Repo, snapshot: &Path, baseline: Option<&Path>) -> anyhow::Result<Files> {
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let selection = Selection { snapshot: Some(snapshot.to_owned()), no_index: true, ..Selection::default() };
    let loaded = repo.snapshot(&Global { quiet: true, ..global.clone() }, &compiled, &selection)?;
    let mut files = Files::default();
    files.add(RESULT, &args.result)?;
    if let Some(baseline) = baseline {
        files.add(BASELINE, baseline)?;
    }
    files.add_repo(repo, global.config.as_deref(), &loaded)?;
    files.add_folder(&format!("snapshot/{}", own_name(snapshot)?), snapshot, &["index"])?;
    if let Some(answers) = &args.answers {
        files.add_folder("answers", answers, &[])?;
    }
    for (folder, paths) in [("reports", &args.report), ("journal", &args.journal)] {
        for path in paths {
            files.add(format!("{folder}/{}", own_name(path)?), path)?;
        }
    }
    Ok(files)
}

fn own_name(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Failure::usage(format!("{}: it has no name that is UTF-8", path.display())))
}

/// Sums up a result as in-toto does.
fn predicate(head: &ResultDocument, snapshot: &Path) -> Predicate {
    let [mut passed, mut warned, mut failed] = [Vec::new(), Vec::new(), Vec::new()];
    for rule in head.rules.iter().filter(|rule| !rule.vacuous) {
        let name = rule.pack.as_ref().map_or_else(|| rule.id.clone(), |pack| format!("{pack}|{}", rule.id));
        let counts = &rule.verdicts;
        let list = if counts.fail > 0 {
            &mut failed
        } else if counts.unknown + counts.waived + counts.pending > 0 {
            &mut warned
        } else {
            &mut passed
        };
        list.push(name);
    }
    let counts = &head.summary.verdicts;
    let outcome = if counts.fail > 0 {
        Outcome::Failed
    } else if counts.unknown + counts.waived + counts.pending > 0 || counts.assessed() == 0 {
        Outcome::Warned
    } else {
        Outcome::Passed
    };
    let name = snapshot.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let tenet = [("version", head.run.tool_version.clone()), ("now", head.now.clone()), ("snapshot", name)];
    Predicate::new(outcome, [passed, warned, failed], tenet.map(|(key, value)| (key.to_owned(), value)).into())
}

struct Bundle {
    files: Files,
    predicate: Predicate,
}

impl Bundle {
    fn write(&self, key: &SigningKey, path: &Path) -> anyhow::Result<()> {
        let mut digests = BTreeMap::new();
        for (name, member) in &self.files.0 {
            let digest = match member {
                Member::Bytes(bytes) => crate::model::sha256_hex(bytes),
                Member::File(path) => {
                    let open = std::fs::File::open(path).and_then(digest_of);
                    open.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
                }
            };
            digests.insert(name.clone(), digest);
        }
        let manifest = Manifest::new(&digests, self.predicate.clone()).to_json()?;
        let signature = key.sign(manifest.as_bytes(), NAMESPACE).map_err(|error| Failure::usage(error.to_string()))?;
        let mut members = vec![
            (MANIFEST.to_owned(), Member::Bytes(manifest.into_bytes())),
            (SIGNATURE.to_owned(), Member::Bytes(signature.into_bytes())),
        ];
        members.extend(self.files.0.iter().map(|(name, member)| (name.clone(), member.clone())));
        let make = |sink: &mut dyn std::io::Write| {
            write_bundle(&members, sink).map_err(|error| match error {
                BundleError::Io { source, .. } => source,
                other => std::io::Error::other(other.to_string()),
            })?;
            sink.flush()
        };
        output::write_file_piecewise(path, &make, &|| Ok(()))
    }
}

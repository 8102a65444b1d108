//! `tenet approve`: a signature over a plan, in a file of its own beside it.

use std::path::{Path, PathBuf};

use super::args::{Approve, Global};
use super::exit::Failure;
use super::{Exit, approvals, output, repo};
use crate::remedy::approval::{is_same_person, judge};
use crate::report::plain;

pub(super) fn run(global: &Global, args: &Approve) -> anyhow::Result<Exit> {
    let unapproved = |message: String| Failure { exit: Exit::Unapproved, message };
    let file = approvals::plan(&args.plan)?;
    let repo = repo::open(global)?;
    let (signers, digest) = approvals::allowed_signers(&repo, args.signers.as_deref())?;
    if file.plan.approvals.needed == 0 {
        return Err(Failure::usage(format!("{}: this plan needs no approval", args.plan.display())).into());
    }
    if digest != file.plan.approvals.allowed_signers {
        return Err(unapproved("allowed_signers is not the file the plan was made with; plan again".to_owned()).into());
    }
    let now = global.now.unwrap_or_else(jiff::Timestamp::now);
    let key = approvals::open_key(&args.key, args.passphrase_file.as_deref(), approvals::NAMESPACE)?;
    let name = signers
        .name_of(key.public(), approvals::NAMESPACE, now)
        .map_err(|reason| unapproved(format!("{}: {reason}", args.key.display())))?;
    if is_same_person(&name, &file.plan.planner) {
        return Err(unapproved(format!("{name} made the plan; somebody else must approve it")).into());
    }
    let signature = key.sign(&file.bytes, approvals::NAMESPACE).map_err(|error| Failure::usage(error.to_string()))?;
    let path = free(&args.plan)?;
    output::write_file(&path, &signature)?;
    let approvals = approvals::look(&args.plan, &file, &signers, now)?;
    let so_far = match judge(&file.plan, &digest, &approvals) {
        Ok(names) => format!("approved by {}", names.join(", ")),
        Err(error) => error.to_string(),
    };
    output::print(&plain_page(&format!(
        "{} signs the plan {} ({} steps)\ndigest {}\n{so_far}\n",
        name,
        file.plan.id,
        file.plan.steps.len(),
        file.digest
    )))?;
    output::say(global, &format!("wrote {}", path.display()));
    Ok(Exit::Ok)
}

fn plain_page(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

/// Returns the first `PLAN.sig.N` that is not there.
fn free(plan: &Path) -> Result<PathBuf, Failure> {
    let taken = approvals::beside(plan)?;
    let name = |n: usize| PathBuf::from(format!("{}.sig.{n}", plan.display()));
    // One more than are there is enough to find a free one.
    (1..=taken.len() + 1).map(name).find(|path| !path.exists()).ok_or_else(|| Failure::usage("no name for the approval is free"))
}

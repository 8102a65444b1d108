//! Who approved a plan: separation of duties.
//!
//! The rules are those of the design (plan, section 7): approvers are different people with different keys, none of them is the
//! planner, and who may approve is what the plan was bound to when it was made.

use std::collections::BTreeSet;

use thiserror::Error;

use super::plan::Plan;

/// An approval that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Where it stands.
    pub file: String,
    /// Whose it is and with which key, or why it does not count.
    pub signer: Result<Signer, String>,
}

/// Somebody whose signature over the plan is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name in `allowed_signers`.
    pub name: String,
    /// Fingerprint of the key.
    pub key: String,
}

/// The approvals do not suffice.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}{}", notes.iter().map(|note| format!("; {note}")).collect::<String>())]
pub struct Unapproved {
    /// What is wanted.
    pub message: String,
    /// Why approvals that were found do not count.
    pub notes: Vec<String>,
}

/// Counts approvals; returns the names of those who approved, in order.
///
/// `allowed_signers` is the digest of the file that says who may.
///
/// # Errors
/// [`Unapproved`].
pub fn judge(plan: &Plan, allowed_signers: &str, approvals: &[Approval]) -> Result<Vec<String>, Unapproved> {
    let needed = plan.approvals.needed as usize;
    if needed == 0 {
        return Ok(Vec::new());
    }
    if allowed_signers != plan.approvals.allowed_signers {
        let message = "allowed_signers is not the file the plan was made with; plan again".to_owned();
        return Err(Unapproved { message, notes: Vec::new() });
    }
    let (mut names, mut keys, mut notes) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for approval in approvals {
        let refused = match &approval.signer {
            Err(reason) => Some(reason.clone()),
            Ok(signer) if is_same_person(&signer.name, &plan.planner) => Some(format!("{} made the plan", signer.name)),
            Ok(signer) if names.contains(&signer.name.to_lowercase()) => Some(format!("{} approved already", signer.name)),
            Ok(signer) if keys.contains(&signer.key) => Some(format!("the key of {} approved already", signer.name)),
            Ok(signer) => {
                names.insert(signer.name.to_lowercase());
                keys.insert(signer.key.clone());
                None
            }
        };
        notes.extend(refused.map(|reason| format!("{} does not count: {reason}", approval.file)));
    }
    if names.len() >= needed {
        return Ok(names.into_iter().collect());
    }
    Err(Unapproved { message: format!("the plan needs {needed} approvals and has {}", names.len()), notes })
}

/// Tells whether two names are of one person.
#[must_use]
pub fn is_same_person(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

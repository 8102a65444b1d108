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
    if plan.planner.trim().is_empty() {
        let message = "the plan does not say who made it, so nobody can be told apart from its planner; plan again".to_owned();
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
    Err(Unapproved {
        message: format!("the plan needs {needed} approval{} and has {}", if needed == 1 { "" } else { "s" }, names.len()),
        notes,
    })
}

/// Tells whether two names are of one person.
#[must_use]
pub fn is_same_person(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remedy::plan::{Approvals, Digests, Limits, Summary};

    fn plan(planner: &str, needed: u32) -> Plan {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        Plan {
            id: String::new(),
            created: at,
            expires: at,
            tool: String::new(),
            digests: Digests::default(),
            tenant: String::new(),
            principal: None,
            planner: planner.to_owned(),
            approvals: Approvals { needed, allowed_signers: "digest".to_owned() },
            limits: Limits { max_changes: 0, max_changes_percent: 0 },
            summary: Summary::default(),
            steps: Vec::new(),
            manual: Vec::new(),
            not_planned: Vec::new(),
        }
    }

    fn by(name: &str, key: &str) -> Approval {
        Approval { file: format!("{name}.sig"), signer: Ok(Signer { name: name.to_owned(), key: key.to_owned() }) }
    }

    #[test]
    fn approvers_are_distinct_and_none_is_the_planner() {
        let names = |planner: &str, needed: u32, approvals: &[Approval]| judge(&plan(planner, needed), "digest", approvals);
        assert_eq!(names("mia", 2, &[by("ann", "1"), by("ben", "2")]).unwrap(), ["ann", "ben"]);
        assert_eq!(names("mia", 0, &[]).unwrap(), Vec::<String>::new());
        for approvals in [
            vec![by("ann", "1")],
            vec![by("ann", "1"), by("Ann", "2")],
            vec![by("ann", "1"), by("ben", "1")],
            vec![by("ann", "1"), by("MIA ", "2")],
        ] {
            assert!(names("mia", 2, &approvals).unwrap_err().message.contains("needs 2 approvals and has 1"), "{approvals:?}");
        }
        assert!(names(" ", 1, &[by("ann", "1")]).is_err());
        assert!(judge(&plan("mia", 1), "other", &[by("ann", "1")]).unwrap_err().message.contains("allowed_signers"));
        let broken = Approval { file: "x.sig".to_owned(), signer: Err("it is no SSH signature".to_owned()) };
        let error = names("mia", 1, &[broken]).unwrap_err().to_string();
        assert_eq!(error, "the plan needs 1 approval and has 0; x.sig does not count: it is no SSH signature");
    }
}

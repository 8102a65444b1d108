//! What is asked of a plan before anything of it is carried out.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::apply::Order;
use super::target::{ReadError, ReadTarget, SignedIn};

/// How far clocks of planner and operator may differ.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// Why a plan is not carried out. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Its time is over.
    #[error("the plan expired at {0}; plan again")]
    Expired(Timestamp),
    /// It is of the future.
    #[error("the plan was made at {0}, which is yet to come; one of two clocks is wrong")]
    TooEarly(Timestamp),
    /// It is for another directory.
    #[error("the plan is for the tenant {wanted}, and the sign-in is to {found}")]
    OtherTenant {
        /// Of the plan.
        wanted: String,
        /// Of the sign-in.
        found: String,
    },
    /// It is for another identity.
    #[error("the plan is for the identity {wanted}, and {found} is signed in")]
    OtherPrincipal {
        /// Of the plan.
        wanted: String,
        /// Of the sign-in.
        found: String,
    },
    /// The policies changed, or the plan names none.
    #[error("the policies are not those the plan was made with; plan again")]
    OtherPolicies,
    /// It changes more than allowed.
    #[error("the plan has {steps} steps, and the limit is {limit}")]
    Limit {
        /// Of the plan.
        steps: usize,
        /// What is allowed.
        limit: u32,
    },
    /// Nobody is signed in, or nobody says who.
    #[error("it is not known who is signed in: {0}")]
    NotSignedIn(ReadError),
    /// What a step relies on is not as planned.
    #[error("the tenant is not as it was when step {step} was planned: {}; plan again", moved.join("; "))]
    Moved {
        /// The step.
        step: String,
        /// What is otherwise.
        moved: Vec<String>,
    },
}

/// Checks everything but what lies in the tenant. Who goes on with a plan is not refused for its time: what was begun is read.
pub(super) fn check<T: ReadTarget + ?Sized>(order: &Order<'_>, target: &mut T, now: Timestamp, goes_on: bool) -> Result<SignedIn, Refusal> {
    let plan = order.plan;
    if now >= plan.expires && !goes_on {
        return Err(Refusal::Expired(plan.expires));
    }
    if now.duration_until(plan.created) > CLOCK_DIFFERENCE {
        return Err(Refusal::TooEarly(plan.created));
    }
    if order.policies.is_empty() || order.policies != plan.digests.policies {
        return Err(Refusal::OtherPolicies);
    }
    let limit = order.max_changes.unwrap_or(u32::MAX).min(plan.limits.max_changes);
    if plan.steps.len() > limit as usize {
        return Err(Refusal::Limit { steps: plan.steps.len(), limit });
    }
    let found = target.signed_in().map_err(Refusal::NotSignedIn)?;
    if !found.tenant.eq_ignore_ascii_case(&plan.tenant) {
        return Err(Refusal::OtherTenant { wanted: plan.tenant.clone(), found: found.tenant });
    }
    match &plan.principal {
        Some(wanted) if !wanted.eq_ignore_ascii_case(&found.principal) => {
            Err(Refusal::OtherPrincipal { wanted: wanted.clone(), found: found.principal })
        }
        _ => Ok(found),
    }
}

//! What is asked of a plan before anything of it is carried out.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::apply::Order;
use super::plan::{Found, Method, Service, Step};
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
    /// A step takes the access of whoever is signed in.
    #[error("step {step} takes access from {principal}, who is signed in; somebody else must apply it")]
    OwnAccess {
        /// The step.
        step: String,
        /// Who is signed in.
        principal: String,
    },
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
        _ => match plan.steps.iter().find(|step| takes_from(step, &found.principal)) {
            Some(step) => Err(Refusal::OwnAccess { step: step.id.clone(), principal: found.principal }),
            None => Ok(found),
        },
    }
}

/// Tells whether a step takes something away that is granted to a principal, or changes its account. A plan that names who applies it
/// was made so that it does not; one that names nobody could not be.
fn takes_from(step: &Step, principal: &str) -> bool {
    let is = |text: &str| text.eq_ignore_ascii_case(principal);
    let request = &step.operation.request;
    if !matches!(request.method, Method::Delete | Method::Patch) {
        return false;
    }
    let granted = step.operation.before.iter().any(|expectation| {
        let Found::Present(fields) = &expectation.found else { return false };
        let same_place = expectation.read.path.eq_ignore_ascii_case(&request.path);
        same_place && fields.get("/properties/principalId").and_then(|id| id.as_str()).is_some_and(is)
    });
    granted || (request.service == Service::Graph && request.path.rsplit('/').next().is_some_and(is))
}

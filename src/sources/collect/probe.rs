//! What the caller may read: one request for each operation, or a few where it is asked of many things.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::Choice;
use super::journal::Named;
use super::named::named;
use super::operation::{Operation, Per};
use super::run::Whose;
use super::stream::NOWHERE;
use crate::sources::azure::address::address;
use crate::sources::azure::client::{Attempt, ReadClient, ReadFailure};
use crate::sources::partner_center::is_no_partner;

/// Of how many things an operation is asked.
const SAMPLE: usize = 3;

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The service answered.
    Allowed,
    /// The service refused, with its reason; on how many of those that were asked.
    Denied {
        /// What the service said.
        reason: String,
    },
    /// Neither: the service did not answer, or there was nothing to ask of.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// An operation that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The operation.
    pub operation: Operation,
    /// The worst of what was found.
    pub access: Access,
    /// On how many things it was tried.
    pub n_tried: usize,
    /// On how many of those it was allowed.
    pub n_allowed: usize,
    /// How many things there are, as far as the first page tells.
    pub n_known: usize,
}

/// Tries each operation that was chosen, and those they depend on.
pub async fn probe(client: &ReadClient, whose: &Whose, choice: &Choice) -> Vec<Probed> {
    let mut known: BTreeMap<Per, Vec<String>> = BTreeMap::new();
    let mut answered: BTreeSet<Operation> = BTreeSet::new();
    let mut probed = Vec::new();
    let asked = choice.asked();
    for operation in &asked {
        let operation = *operation;
        let of = match operation.per() {
            Per::Directory => vec![String::new()],
            Per::PartnerDirectory if choice.names(operation) => vec![whose.tenant.clone()],
            per => known.get(&per).cloned().unwrap_or_default(),
        };
        if of.is_empty()
            && may_be_none(operation)
            && operation.parents().iter().all(|parent| answered.contains(parent) || !asked.contains(parent))
        {
            // The directory is no partner's, or names none of it: there is nothing to read.
            answered.insert(operation);
            continue;
        }
        let mut one =
            Probed { operation, access: Access::Unknown { reason: nothing(operation) }, n_tried: 0, n_allowed: 0, n_known: of.len() };
        for of in sample(&of) {
            let access = try_one(client, whose, operation, of, &mut known).await;
            if access == Access::Allowed {
                answered.insert(operation);
            }
            one.n_tried += 1;
            one.n_allowed += usize::from(access == Access::Allowed);
            // What is denied anywhere is denied; what is unknown anywhere is not known to be allowed.
            if one.n_tried == 1 || rank(&access) > rank(&one.access) {
                one.access = access;
            }
        }
        probed.push(one);
    }
    probed
}

fn rank(access: &Access) -> u8 {
    match access {
        Access::Allowed => 0,
        Access::Unknown { .. } => 1,
        Access::Denied { .. } => 2,
    }
}

fn nothing(operation: Operation) -> String {
    let what = match operation.per() {
        Per::Directory => "answer",
        Per::ManagementGroup => "management group",
        Per::Subscription => "subscription of this directory",
        Per::ResourceGroup => "resource group",
        Per::BillingAccount => "billing account",
        Per::Group => "group",
        Per::DirectoryRole => "activated directory role",
        Per::PartnerDirectory => "answer that tells whether the directory is a partner's",
        Per::Customer => "customer",
        Per::AzurePlan => "Azure plan of a customer",
        Per::PartnerId => "PartnerID",
        Per::OtherDirectory => "other directory",
    };
    format!("no {what} is in sight to try it on")
}

/// Tells whether an operation is asked of what many directories do not have.
fn may_be_none(operation: Operation) -> bool {
    matches!(operation.per(), Per::PartnerDirectory | Per::Customer | Per::AzurePlan | Per::PartnerId | Per::OtherDirectory)
}

/// The first, the middle and the last.
fn sample(of: &[String]) -> Vec<&String> {
    if of.len() <= SAMPLE {
        return of.iter().collect();
    }
    [0, of.len() / 2, of.len() - 1].into_iter().filter_map(|at| of.get(at)).collect()
}

async fn try_one(client: &ReadClient, whose: &Whose, operation: Operation, of: &str, known: &mut BTreeMap<Per, Vec<String>>) -> Access {
    let (path, query) = operation.request_at(of, &whose.tenant, client.pace().now());
    let Some(origin) = client.cloud().endpoint(operation.endpoint()) else {
        return Access::Unknown { reason: NOWHERE.to_owned() };
    };
    let place = address(origin, &path, &query);
    let Attempt { answer, failure, .. } = client.attempt(operation.endpoint(), operation.question(), &place, None, None).await;
    match (answer, failure) {
        (_, Some(ReadFailure::SignIn(reason) | ReadFailure::Refused(reason) | ReadFailure::Challenged(reason))) => {
            Access::Denied { reason }
        }
        (_, Some(failure)) => Access::Unknown { reason: failure.to_string() },
        (Some(got), None) => match got.status {
            200..300 => {
                let found = got.body.as_ref().map(|body| named(operation, of, body, &whose.tenant)).unwrap_or_default();
                for Named { per, of } in found {
                    let known = known.entry(per).or_default();
                    if !known.contains(&of) {
                        known.push(of);
                    }
                }
                Access::Allowed
            }
            404 if !operation.is_list() && (operation != Operation::PartnerProfile || is_no_partner(got.body.as_ref())) => Access::Allowed,
            401 | 403 => Access::Denied { reason: got.reason() },
            _ => Access::Unknown { reason: got.reason() },
        },
        (None, None) => Access::Unknown { reason: "no answer".to_owned() },
    }
}

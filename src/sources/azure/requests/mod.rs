//! Actions to requests: what is sent to Azure Resource Manager and Microsoft Graph, what must be found before and after, and
//! how it is taken back.
//!
//! In: an action with its arguments and the world its step finds. Out: one [`Bound`] for each request, in the order in which
//! they are safe. Invariants: nothing is guessed, so an unknown that a request needs is an error in words; names are chosen
//! from what is done, so that the same plan gives the same requests; only fields a step relies on are expected.
//!
//! - `facts`: what the snapshot says, or why it cannot be used
//! - `ids`: paths, and names chosen by us
//! - `locks`: that no lock forbids a write
//! - `operation`: requests and expectations put together
//! - the other files: one for each family of actions
//!
//! The source of every path, version and body is the official examples and the domain notes, section 5.1.

mod delegations;
mod facts;
mod guests;
mod ids;
mod locks;
mod management_groups;
mod operation;
mod partner_links;
mod privileged_access;
mod role_assignments;
mod role_definitions;
mod tenant_policy;
#[cfg(test)]
mod tests;

use facts::World;

use crate::remedy::bind::{Bind, Bound, Call};

/// The requests of the actions that ship with the program.
#[derive(Debug, Clone, Copy, Default)]
pub struct AzureRequests;

type Outcome = Result<Vec<Bound>, String>;

/// What makes the requests of one action.
type Requests = fn(&World<'_>) -> Outcome;

/// Every action of mode `api` that has requests, with what makes them.
const ACTIONS: &[(&str, Requests)] = &[
    ("activate_again", privileged_access::activate_again),
    ("assign_role", role_assignments::assign),
    ("change_partner_link", partner_links::change),
    ("change_principal", role_assignments::change_principal),
    ("change_role", role_assignments::change_role),
    ("create_custom_role", role_definitions::create),
    ("delegate", delegations::delegate),
    ("delegate_again", delegations::delegate_again),
    ("delete_custom_role", role_definitions::delete),
    ("describe_assignment", role_assignments::describe),
    ("disable_account", guests::disable),
    ("enable_account", guests::enable),
    ("end_activation", privileged_access::end_activation),
    ("end_delegation", delegations::end),
    ("end_eligibility", privileged_access::end_eligibility),
    ("forbid_directory_moves", tenant_policy::forbid_moves),
    ("grant_eligibility", privileged_access::grant),
    ("invite_guest", guests::invite),
    ("link_partner", partner_links::link),
    ("make_eligible", privileged_access::make_eligible),
    ("move_subscription", management_groups::move_subscription),
    ("recreate_assignment", role_assignments::recreate),
    ("recreate_custom_role", role_definitions::recreate),
    ("relink_partner", partner_links::relink),
    ("remove_assignment", role_assignments::remove),
    ("remove_guest", guests::remove),
    ("require_permission_for_groups", management_groups::require_permission),
    ("restore_authorization", delegations::restore_authorization),
    ("restore_guest", guests::restore),
    ("restrict_invitations", tenant_policy::restrict_invitations),
    ("set_condition", role_assignments::set_condition),
    ("set_default_group", management_groups::set_default),
    ("set_directory_moves", tenant_policy::set_moves),
    ("set_invitations", tenant_policy::set_invitations),
    ("set_permission_for_groups", management_groups::set_permission),
    ("trim_authorization", delegations::trim),
    ("unlink_partner", partner_links::unlink),
];

impl AzureRequests {
    /// Returns the names of all actions that have requests, sorted.
    pub fn actions() -> impl Iterator<Item = &'static str> {
        ACTIONS.iter().map(|(name, _)| *name)
    }
}

impl Bind for AzureRequests {
    fn bind(&self, call: &Call<'_>) -> Outcome {
        let found = ACTIONS.iter().find(|(name, _)| *name == call.action);
        let (_, requests) = found.ok_or_else(|| format!("no request is known for the action {}", call.action))?;
        Ok(requests(&World::of(call))?.into_iter().map(locks::watched).map(operation::sendable).collect())
    }
}

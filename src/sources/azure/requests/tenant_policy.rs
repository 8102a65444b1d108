//! Settings of the directory: who may invite guests (Microsoft Graph 1.0), and whether subscriptions may leave or enter it
//! (Microsoft.Subscription 2021-10-01).
//!
//! The subscription policy is replaced as a whole: the list of exempted principals is sent again, and a list of allowed tenants,
//! which a snapshot does not hold, must not be there.

use serde_json::{Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::operation::{Place, WINDOW, operation};
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Repeatable, Risk, Undo};

/// Refuses a directory that is not the one at hand: requests go to the directory of the token.
pub(super) fn home(world: &World<'_>, tenant: EntityId) -> Result<(), String> {
    if world.bool(tenant, "is_home")? {
        return Ok(());
    }
    Err(format!("{} is not the directory the snapshot is of", world.label(tenant)))
}

// ---- Invitations ----

/// `restrict_invitations(t)`.
pub(super) fn restrict_invitations(world: &World<'_>) -> Outcome {
    invitations(world, "AdminsAndGuestInviters")
}

/// `set_invitations(t, policy)`.
pub(super) fn set_invitations(world: &World<'_>) -> Outcome {
    let policy = world.argument(1)?.display(world.snapshot().schema());
    invitations(world, &policy)
}

fn invitations(world: &World<'_>, new: &str) -> Outcome {
    let tenant = world.entity(0)?;
    home(world, tenant)?;
    let (old, new) = (spelled(&world.choice(tenant, "guest_invite_policy")?)?, spelled(new)?);
    let place = Place::graph("/policies/authorizationPolicy");
    let is = |policy: &str| place.present(&[("/allowInvitesFrom", json!(policy))], format!("who may invite guests is {policy}"));
    let set = |from: &str, to: &str| {
        let sent = place.request(Method::Patch, Some(json!({ "allowInvitesFrom": to })));
        operation(sent, vec![is(from)], vec![is(to)], Repeatable::Same, WINDOW)
    };
    Ok(vec![Bound {
        op: Op::Change,
        risk: Risk::Medium,
        title: format!("set who may invite guests from {old} to {new}"),
        target: place.path().to_owned(),
        operation: set(old, new),
        undo: Undo::By(Box::new(set(new, old))),
    }])
}

/// Returns the spelling of Microsoft Graph.
fn spelled(policy: &str) -> Result<&'static str, String> {
    match policy {
        "NoOne" => Ok("none"),
        "AdminsAndGuestInviters" => Ok("adminsAndGuestInviters"),
        "AdminsGuestInvitersAndAllMembers" => Ok("adminsGuestInvitersAndAllMembers"),
        "Everyone" => Ok("everyone"),
        other => Err(format!("`{other}` is no setting of who may invite guests")),
    }
}

// ---- Moves between directories ----

#[derive(Clone, Copy, PartialEq, Eq)]
struct Moves {
    leaving: bool,
    entering: bool,
}

/// `forbid_directory_moves(t)`.
pub(super) fn forbid_moves(world: &World<'_>) -> Outcome {
    moves(world, Moves { leaving: true, entering: true })
}

/// `set_directory_moves(t, leaving, entering)`.
pub(super) fn set_moves(world: &World<'_>) -> Outcome {
    moves(world, Moves { leaving: world.bool_argument(1)?, entering: world.bool_argument(2)? })
}

fn moves(world: &World<'_>, new: Moves) -> Outcome {
    let tenant = world.entity(0)?;
    home(world, tenant)?;
    let old = Moves {
        leaving: world.bool(tenant, "blocks_subscriptions_leaving")?,
        entering: world.bool(tenant, "blocks_subscriptions_entering")?,
    };
    let mut exempted = world.texts(tenant, "subscription_policy_exemptions")?;
    exempted.sort_unstable();
    let place = Place::arm("/providers/Microsoft.Subscription/policies/default", "2021-10-01");
    let set = |from: Moves, to: Moves| {
        let sent = place.request(Method::Put, Some(body(to, &exempted)));
        operation(sent, vec![is(&place, from, &exempted)], vec![is(&place, to, &exempted)], Repeatable::Same, WINDOW)
    };
    Ok(vec![Bound {
        op: Op::Change,
        risk: Risk::Medium,
        title: format!(
            "set the policy on subscriptions that leave or enter the directory: leaving {}, entering {}",
            said(new.leaving),
            said(new.entering)
        ),
        target: place.path().to_owned(),
        operation: set(old, new),
        undo: Undo::By(Box::new(set(new, old))),
    }])
}

fn said(blocked: bool) -> &'static str {
    if blocked { "forbidden" } else { "allowed" }
}

fn body(moves: Moves, exempted: &[String]) -> Json {
    json!({
        "blockSubscriptionsLeavingTenant": moves.leaving,
        "blockSubscriptionsIntoTenant": moves.entering,
        "exemptedPrincipals": exempted,
    })
}

fn is(place: &Place, moves: Moves, exempted: &[String]) -> Expectation {
    let values = [
        ("/properties/blockSubscriptionsLeavingTenant", json!(moves.leaving)),
        ("/properties/blockSubscriptionsIntoTenant", json!(moves.entering)),
        ("/properties/exemptedPrincipals", json!(exempted)),
        ("/properties/tenantChangeAllowedTenants/0", Json::Null),
    ];
    place.present(&values, format!("leaving the directory is {}, entering it {}", said(moves.leaving), said(moves.entering)))
}

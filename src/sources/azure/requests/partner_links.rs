//! Partner Admin Links (Microsoft.ManagementPartner 2018-02-01).
//!
//! All of it is about the identity whose token is used, in the directory of the token: no other can be passed, so these requests are
//! made only where that identity is signed in (`mode api as …`). The path of a PATCH holds the new PartnerID; a removed link stays
//! behind as Deleted. Nothing is sent in the body, as in the official examples, and nothing compares the etag.

use serde_json::json;

use super::Outcome;
use super::facts::World;
use super::operation::{Place, WINDOW, operation};
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

const API: &str = "2018-02-01";
const PATH: &str = "/providers/Microsoft.ManagementPartner/partners";

/// The identity that has to be signed in.
struct Own {
    object: String,
    label: String,
}

impl Own {
    fn of(world: &World<'_>, identity: EntityId) -> Self {
        Self { object: world.key(identity), label: world.label(identity) }
    }

    /// Its own link: one object, never a list.
    fn link() -> Place {
        Place::arm(PATH, API)
    }

    fn place(partner: &str) -> Place {
        Place::arm(format!("{PATH}/{partner}"), API)
    }

    fn linked(&self, partner: &str) -> Expectation {
        let values = [
            ("/properties/partnerId", json!(partner)),
            ("/properties/objectId", json!(self.object)),
            ("/properties/state", json!("Active")),
        ];
        Self::link().present(&values, format!("{} is linked to partner {partner}", self.label))
    }

    fn unlinked(&self) -> Expectation {
        Self::link().absent(format!("{} is linked to no partner", self.label))
    }

    fn put(&self, partner: &str) -> Operation {
        let sent = Self::place(partner).request(Method::Put, None);
        operation(sent, vec![self.unlinked()], vec![self.linked(partner)], Repeatable::Same, WINDOW)
    }

    fn patch(&self, old: &str, new: &str) -> Operation {
        let sent = Self::place(new).request(Method::Patch, None);
        operation(sent, vec![self.linked(old)], vec![self.linked(new)], Repeatable::Same, WINDOW)
    }

    fn delete(&self, partner: &str) -> Operation {
        let sent = Self::place(partner).request(Method::Delete, None);
        operation(sent, vec![self.linked(partner)], vec![self.unlinked()], Repeatable::Same, WINDOW)
    }

    fn bound(op: Op, title: String, partner: &str, operation: Operation, undo: Operation) -> Vec<Bound> {
        let risk = if op == Op::Remove { Risk::High } else { Risk::Low };
        vec![Bound { op, risk, title, target: Self::place(partner).path().to_owned(), operation, undo: Undo::By(Box::new(undo)) }]
    }
}

/// `link_partner(identity, home, p)`.
pub(super) fn link(world: &World<'_>) -> Outcome {
    super::tenant_policy::home(world, world.entity(1)?)?;
    let own = Own::of(world, world.entity(0)?);
    let partner = world.text_argument(2)?;
    let title = format!("link {} to partner {partner}", own.label);
    Ok(Own::bound(Op::Add, title, partner, own.put(partner), own.delete(partner)))
}

/// `change_partner_link(l, p)`.
pub(super) fn change(world: &World<'_>) -> Outcome {
    let (own, old) = own_link(world)?;
    let new = world.text_argument(1)?;
    let title = format!("link {} to partner {new} in place of {old}", own.label);
    Ok(Own::bound(Op::Change, title, new, own.patch(&old, new), own.patch(new, &old)))
}

/// `unlink_partner(l)`.
pub(super) fn unlink(world: &World<'_>) -> Outcome {
    let (own, partner) = own_link(world)?;
    let title = format!("end the link of {} to partner {partner}", own.label);
    Ok(Own::bound(Op::Remove, title, &partner, own.delete(&partner), own.put(&partner)))
}

/// `relink_partner(l)`.
pub(super) fn relink(world: &World<'_>) -> Outcome {
    let (own, partner) = own_link(world)?;
    let title = format!("link {} to partner {partner} again", own.label);
    Ok(Own::bound(Op::Add, title, &partner, own.put(&partner), own.delete(&partner)))
}

/// Reads a link, which must be of the directory at hand: another directory takes another token.
fn own_link(world: &World<'_>) -> Result<(Own, String), String> {
    let link = world.entity(0)?;
    let tenant = world.required_text(link, "tenant")?;
    let schema = world.snapshot().schema();
    let home = schema.entity_named("Tenant").and_then(|ty| world.snapshot().find(ty.id, &tenant));
    super::tenant_policy::home(world, home.ok_or_else(|| format!("the link is in the directory {tenant}, which was not read"))?)?;
    Ok((Own::of(world, world.refers(link, "identity")?), world.required_text(link, "partner_id")?))
}

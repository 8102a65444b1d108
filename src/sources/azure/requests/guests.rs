//! Accounts and guests (Microsoft Graph 1.0).
//!
//! A guest that is removed keeps its role assignments as "Identity not found" and loses its partner link; it is restored within 30 days
//! under the same object id. An invitation that is sent again gives the same account, but may mail again; the account's object id is
//! known from the answer only, and the undo takes it from there.

use serde_json::{Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::operation::{Place, WINDOW, operation};
use crate::model::EntityId;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

/// A user of the directory.
struct Account {
    place: Place,
    read: Place,
    id: String,
    label: String,
}

impl Account {
    fn of(world: &World<'_>, user: EntityId) -> Result<Self, String> {
        if !world.is_a(user, "User") {
            return Err(format!("{} is not known to be a user", world.label(user)));
        }
        let id = world.key(user);
        let place = Place::graph(format!("/users/{id}"));
        let read = place.clone().with("$select", "id,accountEnabled,userType");
        Ok(Self { place, read, id, label: world.label(user) })
    }

    fn is(&self, enabled: bool) -> Expectation {
        let what = if enabled { "can sign in" } else { "cannot sign in" };
        self.read.present(&[("/accountEnabled", json!(enabled))], format!("{} {what}", self.label))
    }

    fn enable(&self, enabled: bool) -> Operation {
        let sent = self.place.request(Method::Patch, Some(json!({ "accountEnabled": enabled })));
        operation(sent, vec![self.is(!enabled)], vec![self.is(enabled)], Repeatable::Same, WINDOW)
    }

    fn is_guest(&self) -> Expectation {
        self.read.present(&[("/userType", json!("Guest"))], format!("{} is a guest", self.label))
    }

    fn deleted(&self) -> Place {
        Place::graph(format!("/directory/deletedItems/{}", self.id))
    }

    fn remove(&self) -> Operation {
        let after = vec![self.read.absent(format!("{} is gone", self.label))];
        operation(self.place.request(Method::Delete, None), vec![self.is_guest()], after, Repeatable::Same, WINDOW)
    }

    fn restore(&self) -> Operation {
        let place = Place::graph(format!("/directory/deletedItems/{}/restore", self.id));
        let before = vec![
            self.deleted().present(&[("/id", json!(self.id))], format!("{} is among the deleted items", self.label)),
            self.read.absent(format!("{} is gone", self.label)),
        ];
        operation(place.request(Method::Post, None), before, vec![self.is_guest()], Repeatable::Never, WINDOW)
    }
}

/// `disable_account(u)`.
pub(super) fn disable(world: &World<'_>) -> Outcome {
    set_enabled(world, false)
}

/// `enable_account(u)`.
pub(super) fn enable(world: &World<'_>) -> Outcome {
    set_enabled(world, true)
}

fn set_enabled(world: &World<'_>, enabled: bool) -> Outcome {
    let user = world.entity(0)?;
    let account = Account::of(world, user)?;
    if !enabled && break_glass(world, user)? {
        return Err(format!("{} is kept for emergencies, so it is never touched", account.label));
    }
    let (verb, risk) = if enabled { ("enable", Risk::Low) } else { ("disable", Risk::Medium) };
    Ok(vec![Bound {
        op: Op::Change,
        risk,
        title: format!("{verb} the account of {}", account.label),
        target: account.place.path().to_owned(),
        operation: account.enable(enabled),
        undo: Undo::By(Box::new(account.enable(!enabled))),
    }])
}

/// An account nobody has marked is none for emergencies; one whose mark cannot be read may be.
fn break_glass(world: &World<'_>, user: EntityId) -> Result<bool, String> {
    match world.value(user, "is_break_glass")? {
        None => Ok(false),
        Some(_) => world.bool(user, "is_break_glass"),
    }
}

/// `remove_guest(u)`.
pub(super) fn remove(world: &World<'_>) -> Outcome {
    let user = world.entity(0)?;
    let account = Account::of(world, user)?;
    // A user that the directory did not return need not be gone, and one that is gone cannot be removed.
    if !world.bool(user, "exists")? || world.choice(user, "user_type")? != "Guest" {
        return Err(format!("{} is no guest of the directory", account.label));
    }
    if break_glass(world, user)? {
        return Err(format!("{} is kept for emergencies, so it is never touched", account.label));
    }
    Ok(vec![Bound {
        op: Op::Remove,
        risk: Risk::High,
        title: format!("remove the guest {}", account.label),
        target: account.place.path().to_owned(),
        operation: account.remove(),
        undo: Undo::By(Box::new(account.restore())),
    }])
}

/// `restore_guest(u)`.
pub(super) fn restore(world: &World<'_>) -> Outcome {
    let account = Account::of(world, world.entity(0)?)?;
    Ok(vec![Bound {
        op: Op::Add,
        risk: Risk::Low,
        title: format!("restore the guest {}", account.label),
        target: account.place.path().to_owned(),
        operation: account.restore(),
        undo: Undo::By(Box::new(account.remove())),
    }])
}

/// The account that the answer to an invitation names.
fn invited(mail: &str) -> Account {
    let place = Place::graph("/users/{/invitedUser/id}");
    let read = place.clone().with("$select", "id,accountEnabled,userType");
    Account { place, read, id: String::new(), label: mail.to_owned() }
}

/// `invite_guest(t, mail, landing_page)`.
pub(super) fn invite(world: &World<'_>) -> Outcome {
    super::tenant_policy::home(world, world.entity(0)?)?;
    let (mail, landing_page) = (world.text_argument(1)?, world.text_argument(2)?);
    if !mail.contains('@') || mail.contains(['\'', '"', ' ']) {
        return Err(format!("`{mail}` is no mail address that can be looked up"));
    }
    let place = Place::graph("/invitations");
    let users = Place::graph("/users").with("$filter", format!("mail eq '{mail}'")).with("$select", "id,mail,userType");
    let values: [(&str, Json); 1] = [("/mail", json!(mail))];
    let body = json!({
        "invitedUserEmailAddress": mail,
        "inviteRedirectUrl": landing_page,
        "sendInvitationMessage": true,
        "invitedUserType": "Guest",
    });
    let before = vec![users.nothing(&values, format!("nobody has the address {mail} yet"))];
    let after = vec![users.some(&[("/mail", json!(mail)), ("/userType", json!("Guest"))], format!("{mail} is a guest"))];
    Ok(vec![Bound {
        op: Op::Add,
        risk: Risk::Medium,
        title: format!("invite {mail} as a guest"),
        target: place.path().to_owned(),
        operation: operation(place.request(Method::Post, Some(body)), before, after, Repeatable::Never, WINDOW),
        undo: Undo::By(Box::new(invited(mail).remove())),
    }])
}

//! Writing of the directory: guests, accounts, members.
//!
//! Source: Microsoft Graph v1.0 references "Create invitation", "Update user", "Delete a user", "Restore deleted item",
//! "Add members", "Remove member".

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::call::{Call, Reply, graph_error, same, text};
use super::store::Kind;
use super::{MemoryTenant, later, merge};

/// How long a deleted user can be restored.
const RESTORABLE_DAYS: i64 = 30;

impl MemoryTenant {
    pub(super) fn invite(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let Some(sent) = call.body else { return bad(now, "The body is missing.") };
        let (Some(mail), Some(redirect)) = (text(sent, "/invitedUserEmailAddress"), text(sent, "/inviteRedirectUrl")) else {
            return bad(now, "invitedUserEmailAddress and inviteRedirectUrl are required.");
        };
        let known = self.store.all_latest(Kind::User).into_iter();
        let known =
            known.filter(|(_, user)| text(user, "/mail").is_some_and(|known| same(known, mail))).map(|(id, _)| id.to_owned()).next();
        let number = self.store.all_latest(Kind::DeletedUser).len();
        let fresh = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{mail}/{number}", self.tenant()).as_bytes()).to_string();
        let name = text(sent, "/invitedUserDisplayName").unwrap_or_else(|| mail.split('@').next().unwrap_or(mail)).to_owned();
        if known.is_none() {
            let user = self.guest(&fresh, mail, &name, now);
            self.store.write(Kind::User, &fresh, Some(user), now, self.shows_at(now));
        }
        let id = known.unwrap_or(fresh);
        let accepted = self.store.latest(Kind::User, &id).and_then(|user| text(user, "/externalUserState")) == Some("Accepted");
        let invitation = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{id}/{now}").as_bytes());
        Reply::new(
            201,
            json!({
                "@odata.context": format!("{}/v1.0/$metadata#invitations/$entity", self.settings.graph_origin),
                "id": invitation.to_string(),
                "inviteRedeemUrl": format!("https://login.microsoftonline.com/redeem?rd=https%3a%2f%2finvitations.microsoft.com%2fredeem%2f%3ftenant%3d{}%26user%3d{id}", self.tenant()),
                "invitedUserDisplayName": name,
                "invitedUserEmailAddress": mail,
                "sendInvitationMessage": sent.get("sendInvitationMessage").and_then(Json::as_bool).unwrap_or(false),
                "invitedUserMessageInfo": { "messageLanguage": null, "ccRecipients": [{ "emailAddress": { "name": null, "address": null } }], "customizedMessageBody": null },
                "inviteRedirectUrl": redirect,
                "status": if accepted { "Completed" } else { "PendingAcceptance" },
                "invitedUser": { "id": id }
            }),
        )
    }

    fn guest(&self, id: &str, mail: &str, name: &str, now: Timestamp) -> Json {
        let users = self.store.all_latest(Kind::User);
        let mut hosts = users.iter().filter_map(|(_, user)| text(user, "/userPrincipalName")?.split_once("#EXT#@"));
        let host = hosts.next().map_or_else(|| format!("{}.onmicrosoft.example", self.tenant()), |(_, host)| host.to_owned());
        json!({
            "id": id,
            "displayName": name,
            "userPrincipalName": format!("{}#EXT#@{host}", mail.replace('@', "_")),
            "mail": mail,
            "userType": "Guest",
            "accountEnabled": true,
            "createdDateTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creationType": "Invitation",
            "externalUserState": "PendingAcceptance",
            "onPremisesSyncEnabled": null
        })
    }

    pub(super) fn patch_principal(&mut self, kind: Kind, call: &Call<'_>, id: &str, now: Timestamp) -> Reply {
        let key = self.key(kind, id, call.path);
        let Some(mut body) = self.store.latest(kind, &key).cloned() else { return unknown(id, now) };
        let Some(sent) = call.body.filter(|sent| sent.is_object()) else { return bad(now, "The body is missing.") };
        merge(&mut body, sent);
        self.store.write(kind, &key, Some(body), now, self.shows_at(now));
        Reply::empty(204)
    }

    pub(super) fn delete_user(&mut self, id: &str, now: Timestamp) -> Reply {
        let key = self.key(Kind::User, id, "");
        let Some(mut body) = self.store.latest(Kind::User, &key).cloned() else { return unknown(id, now) };
        let shows_at = self.shows_at(now);
        merge(&mut body, &json!({ "deletedDateTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }));
        self.store.write(Kind::User, &key, None, now, shows_at);
        self.store.write(Kind::DeletedUser, &key, Some(body), now, shows_at);
        // The partner link of an identity ends with it. Source: "Link a partner ID to your account".
        self.end_partner_link(&key, now);
        Reply::empty(204)
    }

    pub(super) fn restore_user(&mut self, id: &str, now: Timestamp) -> Reply {
        let Some(mut body) = self.store.latest(Kind::DeletedUser, id).cloned() else { return unknown(id, now) };
        let deleted: Option<Timestamp> = text(&body, "/deletedDateTime").and_then(|at| at.parse().ok());
        if deleted.is_some_and(|at| later(at, SignedDuration::from_hours(24 * RESTORABLE_DAYS)) < now) {
            return unknown(id, now);
        }
        if let Some(object) = body.as_object_mut() {
            object.shift_remove("deletedDateTime");
        }
        let shows_at = self.shows_at(now);
        self.store.write(Kind::DeletedUser, id, None, now, shows_at);
        self.store.write(Kind::User, id, Some(body.clone()), now, shows_at);
        merge(&mut body, &json!({ "@odata.type": "#microsoft.graph.user" }));
        Reply::new(200, body)
    }

    pub(super) fn purge_user(&mut self, id: &str, now: Timestamp) -> Reply {
        if self.store.latest(Kind::DeletedUser, id).is_none() {
            return unknown(id, now);
        }
        self.store.write(Kind::DeletedUser, id, None, now, self.shows_at(now));
        Reply::empty(204)
    }

    pub(super) fn add_member(&mut self, call: &Call<'_>, group: &str, now: Timestamp) -> Reply {
        let reference = call.body.and_then(|body| body.get("@odata.id")).and_then(Json::as_str);
        let Some((_, member)) = reference.and_then(|reference| reference.rsplit_once('/')).filter(|(_, id)| !id.is_empty()) else {
            return bad(now, "The body names no object: '@odata.id' is missing or is no address.");
        };
        let member = member.to_lowercase();
        let kinds = [(Kind::User, "user"), (Kind::ServicePrincipal, "servicePrincipal"), (Kind::Group, "group")];
        let kind = kinds.into_iter().find(|(kind, _)| self.store.latest(*kind, &member).is_some());
        let (Some((_, ty)), Some(_)) = (kind, self.store.latest(Kind::Group, group)) else { return unknown(&member, now) };
        let key = format!("{}/{member}", group.to_lowercase());
        if self.store.latest(Kind::Membership, &key).is_some() {
            return bad(now, "One or more added object references already exist for the following modified properties: 'members'.");
        }
        let body = json!({ "@odata.type": format!("#microsoft.graph.{ty}"), "id": member });
        self.store.write(Kind::Membership, &key, Some(body), now, self.shows_at(now));
        Reply::empty(204)
    }

    pub(super) fn remove_member(&mut self, group: &str, member: &str, now: Timestamp) -> Reply {
        let key = format!("{}/{}", group.to_lowercase(), member.to_lowercase());
        if self.store.latest(Kind::Membership, &key).is_none() {
            return unknown(member, now);
        }
        self.store.write(Kind::Membership, &key, None, now, self.shows_at(now));
        Reply::empty(204)
    }
}

fn unknown(id: &str, now: Timestamp) -> Reply {
    let message = format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
    graph_error(404, "Request_ResourceNotFound", message, now)
}

fn bad(now: Timestamp, message: &str) -> Reply {
    graph_error(400, "Request_BadRequest", message, now)
}

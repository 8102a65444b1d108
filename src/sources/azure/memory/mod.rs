//! A deterministic model of Azure Resource Manager and Microsoft Graph, as far as they are read and written here.
//!
//! In: recorded answers, then requests with their callers and the time. Out: answers as the services give them.
//!
//! Invariants: no I/O, no clock, no randomness: equal requests at equal times give equal answers; what the model does not
//! know it refuses with 501 and never answers with an empty list; what was recorded as refused stays refused.
//!
//! The behavior follows the documentation of the services. Where that says nothing, the code says so with the word
//! *assumed*.
//!
//! - `call`, `route`: requests, answers, errors; what a path names
//! - `store`, `scopes`: objects through time; the tree of scopes
//! - `reads`, `lists`, `filter`: reading, paging
//! - `access`, `privileged_access`, `delegations`, `directory`, `settings`, `partner_link`: writing
//! - `permission`: who may do what
//! - `recording`: from recorded answers and back
//! - `target`: the model as something that apply writes to

mod access;
mod call;
mod delegations;
mod directory;
mod events;
mod filter;
mod lists;
mod partner_link;
mod permission;
mod privileged_access;
mod reads;
mod recording;
mod route;
mod scopes;
mod settings;
mod store;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::remedy::plan::{Method, Service};

pub use call::{Call, Reply};
pub use permission::Grant;
pub use recording::{MemoryError, RecordedPage};
pub use target::{MemoryTarget, Sent};

use call::{arm_error, error};
use recording::Recorded;
use route::{Route, route};
use store::Store;

/// How the tenant behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long reading shows the old state after a write.
    pub lag: SignedDuration,
    /// How long a new principal is unknown to role assignments.
    pub principal_lag: SignedDuration,
    /// How long-running operations go.
    pub long_running: LongRunning,
    /// The most items a page holds; none means that lists have one page.
    pub page_size: Option<usize>,
    /// The origin of Azure Resource Manager in links.
    pub arm_origin: String,
    /// The origin of Microsoft Graph in links.
    pub graph_origin: String,
    /// Whether deny assignments hold for the caller.
    pub deny_assignments: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lag: SignedDuration::ZERO,
            principal_lag: SignedDuration::ZERO,
            long_running: LongRunning::Finished,
            page_size: None,
            arm_origin: "https://management.azure.com".to_owned(),
            graph_origin: "https://graph.microsoft.com".to_owned(),
            deny_assignments: true,
        }
    }
}

/// How a long-running operation tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongRunning {
    /// It has ended when the answer comes: 200 or 201.
    Finished,
    /// 202 with `Azure-AsyncOperation` and `Location`; the status says `Running` for so many seconds.
    Polled {
        /// Seconds until it has ended.
        seconds: u32,
    },
    /// 202 with `Location` alone, which answers 202 for so many seconds.
    Location {
        /// Seconds until it has ended.
        seconds: u32,
    },
    /// 201 without a header; the resource itself says that it is not ready for so many seconds.
    State {
        /// Seconds until it has ended.
        seconds: u32,
    },
}

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Object id of the identity.
    pub object_id: String,
    /// What it may do.
    pub grants: Vec<Grant>,
}

/// A tenant in memory.
#[derive(Debug, Clone)]
pub struct MemoryTenant {
    /// How it behaves; may be changed at any time.
    pub settings: Settings,
    tenant: String,
    callers: BTreeMap<String, Caller>,
    store: Store,
    operations: BTreeMap<String, delegations::Operation>,
    failing: Option<(String, String)>,
    /// Roles that assignments named although no definition of them was recorded.
    known_roles: BTreeSet<String>,
    recorded: Recorded,
}

impl MemoryTenant {
    /// Makes an empty directory.
    #[must_use]
    pub fn new(tenant: &str) -> Self {
        Self {
            settings: Settings::default(),
            tenant: tenant.to_owned(),
            callers: BTreeMap::new(),
            store: Store::default(),
            operations: BTreeMap::new(),
            failing: None,
            known_roles: BTreeSet::new(),
            recorded: Recorded::default(),
        }
    }

    /// Returns the id of the directory.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Lets somebody sign in under a name.
    pub fn add_caller(&mut self, name: &str, caller: Caller) {
        self.callers.insert(name.to_owned(), caller);
    }

    /// Returns who signs in under a name.
    #[must_use]
    pub fn caller(&self, name: &str) -> Option<&Caller> {
        self.callers.get(name)
    }

    /// Lets the next long-running operation end as failed, with this code and message.
    pub fn fail_next_operation(&mut self, code: &str, message: &str) {
        self.failing = Some((code.to_owned(), message.to_owned()));
    }

    /// Answers a request.
    pub fn answer(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let Some(caller) = self.callers.get(call.caller).cloned() else {
            return error(call.service, 401, "InvalidAuthenticationToken", "The access token is invalid.", now);
        };
        if call.service == Service::Arm && call.parameter("api-version").is_none() {
            let message = "The api-version query parameter (?api-version=) is required for all requests.";
            return arm_error(400, "MissingApiVersionParameter", message);
        }
        let route = route(call.service, call.path);
        if let Some(refusal) = self.refusal(&caller, call, &route, now) {
            return refusal;
        }
        match call.method {
            None => self.read(&caller, call, &route, now),
            Some(method) => self.write(&caller, call, method, &route, now),
        }
    }

    /// Lets somebody else write an object, or take it away, whatever the services would say to that. Gives whether the path names one
    /// that can be written so.
    pub fn happen(&mut self, service: Service, path: &str, body: Option<Json>, now: Timestamp) -> bool {
        let (kind, key) = match route(service, path) {
            Route::One(kind, _, name) => (kind, self.key(kind, &name, path)),
            _ => return false,
        };
        self.store.write(kind, &key, body, now, now);
        true
    }

    /// When a write of `now` shows.
    fn shows_at(&self, now: Timestamp) -> Timestamp {
        later(now, self.settings.lag)
    }

    fn write(&mut self, caller: &Caller, call: &Call<'_>, method: Method, route: &Route, now: Timestamp) -> Reply {
        use store::Kind;
        if let Route::One(kind, scope, _) = route
            && *kind != Kind::Lock
            && call.service == Service::Arm
            && let Some(refused) = self.locked(scope, method == Method::Delete)
        {
            return refused;
        }
        match (method, route) {
            (Method::Put, Route::One(Kind::RoleAssignment, scope, name)) => self.put_role_assignment(caller, call, scope, name, now),
            (Method::Delete, Route::One(Kind::RoleAssignment, ..)) => self.delete_role_assignment(call, now),
            (Method::Put, Route::One(Kind::RoleDefinition, scope, name)) => self.put_role_definition(call, scope, name, now),
            (Method::Delete, Route::One(Kind::RoleDefinition, _, name)) => self.delete_role_definition(name, now),
            (Method::Put, Route::One(Kind::EligibilityRequest, scope, name)) => {
                self.put_eligibility_request(caller, call, scope, name, now)
            }
            (Method::Put, Route::One(Kind::ScheduleRequest, scope, name)) => self.put_schedule_request(caller, call, scope, name, now),
            (Method::Put, Route::One(Kind::Lock, ..)) => self.put_lock(call, now),
            (Method::Delete, Route::One(Kind::Lock, ..)) => self.delete_lock(call, now),
            (Method::Put, Route::One(Kind::RegistrationDefinition, scope, name)) => self.put_definition(call, scope, name, now),
            (Method::Put, Route::One(Kind::RegistrationAssignment, scope, name)) => self.put_assignment(call, scope, name, now),
            (Method::Delete, Route::One(kind @ (Kind::RegistrationDefinition | Kind::RegistrationAssignment), scope, name)) => {
                self.delete_delegation(*kind, call, scope, name, now)
            }
            (Method::Put | Method::Patch, Route::PartnerLink(Some(partner))) => self.set_partner_link(caller, method, partner, now),
            (Method::Delete, Route::PartnerLink(Some(partner))) => self.remove_partner_link(caller, partner, now),
            (Method::Put, Route::One(Kind::SubscriptionPolicy, ..)) => self.put_subscription_policy(call, now),
            (Method::Put, Route::GroupSubscription { group, subscription }) => self.move_subscription(group, subscription, now),
            (Method::Delete, Route::GroupSubscription { subscription, .. }) => self.release_subscription(subscription, now),
            (Method::Put | Method::Patch, Route::One(Kind::HierarchySettings, _, group)) => {
                self.set_hierarchy_settings(call, method, group, now)
            }
            (Method::Post, Route::Entities) => self.read(caller, call, route, now),
            (Method::Post, Route::Invitations) => self.invite(call, now),
            (Method::Patch, Route::One(kind @ (Kind::User | Kind::ServicePrincipal), _, id)) => self.patch_principal(*kind, call, id, now),
            (Method::Delete, Route::One(Kind::User, _, id)) => self.delete_user(id, now),
            (Method::Delete, Route::One(Kind::DeletedUser, _, id)) => self.purge_user(id, now),
            (Method::Post, Route::Restore(id)) => self.restore_user(id, now),
            (Method::Post, Route::MemberReference { group, member: None }) => self.add_member(call, group, now),
            (Method::Delete, Route::MemberReference { group, member: Some(member) }) => self.remove_member(group, member, now),
            (Method::Patch, Route::One(Kind::AuthorizationPolicy, ..)) => self.patch_authorization_policy(call, now),
            _ => not_modelled(call, now),
        }
    }
}

/// What the model cannot answer.
fn not_modelled(call: &Call<'_>, now: Timestamp) -> Reply {
    error(call.service, 501, "NotImplemented", format!("The model of the tenant does not know this request: {}", call.path), now)
}

/// Adds to an instant; the end of time stays the end of time.
fn later(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Takes the fields of one object into another.
fn merge(into: &mut Json, from: &Json) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        for (name, value) in from {
            into.insert(name.clone(), value.clone());
        }
    }
}

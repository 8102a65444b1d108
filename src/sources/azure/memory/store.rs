//! The objects of the tenant with their versions: what was written, and from when on it shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    RoleAssignment,
    RoleDefinition,
    Eligibility,
    EligibilityRequest,
    Schedule,
    ScheduleRequest,
    DenyAssignment,
    Lock,
    RegistrationDefinition,
    RegistrationAssignment,
    Subscription,
    ResourceGroup,
    Entity,
    HierarchySettings,
    SubscriptionPolicy,
    PartnerLink,
    User,
    DeletedUser,
    ServicePrincipal,
    Group,
    Membership,
    AuthorizationPolicy,
}

/// An object through time.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    /// Its place in the order of creation.
    pub(super) order: u64,
    /// When it was first written; none if it was there from the beginning.
    pub(super) created: Option<Timestamp>,
    /// What was written, each with the instant from which on it shows.
    bodies: Vec<(Timestamp, Option<Json>)>,
}

/// A version and the one before it; none where there was no object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'s> {
    pub(super) at: Timestamp,
    pub(super) before: Option<&'s Json>,
    pub(super) after: Option<&'s Json>,
}

impl Versions {
    fn latest(&self) -> Option<&Json> {
        self.bodies.last().and_then(|(_, body)| body.as_ref())
    }

    fn changes(&self) -> Vec<Change<'_>> {
        let before = std::iter::once(None).chain(self.bodies.iter().map(|(_, body)| body.as_ref()));
        let changes = before.zip(&self.bodies).map(|(before, (at, after))| Change { at: *at, before, after: after.as_ref() });
        // What was there from the beginning was not written.
        changes.filter(|change| change.at > Timestamp::MIN && (change.before.is_some() || change.after.is_some())).collect()
    }

    fn visible(&self, now: Timestamp) -> Option<&Json> {
        self.bodies.iter().rev().find(|(at, _)| *at <= now).and_then(|(_, body)| body.as_ref())
    }
}

/// All objects by kind and key. Keys are lower case.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    objects: BTreeMap<(Kind, String), Versions>,
    next: u64,
}

impl Store {
    /// Takes up an object that was there from the beginning; the first reading counts.
    pub(super) fn seed(&mut self, kind: Kind, key: &str, body: Json) {
        let order = self.next;
        self.next += 1;
        let bodies = vec![(Timestamp::MIN, Some(body))];
        self.objects.entry((kind, key.to_lowercase())).or_insert(Versions { order, created: None, bodies });
    }

    /// Writes a version, none for a removal, that shows from `visible_at` on.
    pub(super) fn write(&mut self, kind: Kind, key: &str, body: Option<Json>, now: Timestamp, visible_at: Timestamp) {
        let order = self.next;
        self.next += 1;
        let fresh = Versions { order, created: Some(now), bodies: Vec::new() };
        self.objects.entry((kind, key.to_lowercase())).or_insert(fresh).bodies.push((visible_at, body));
    }

    /// Returns what is true.
    pub(super) fn latest(&self, kind: Kind, key: &str) -> Option<&Json> {
        self.versions(kind, key)?.latest()
    }

    /// Returns what reading shows.
    pub(super) fn visible(&self, kind: Kind, key: &str, now: Timestamp) -> Option<&Json> {
        self.versions(kind, key)?.visible(now)
    }

    /// Returns an object with its past.
    pub(super) fn versions(&self, kind: Kind, key: &str) -> Option<&Versions> {
        self.objects.get(&(kind, key.to_lowercase()))
    }

    /// Returns what was written of a kind since the beginning, by key.
    pub(super) fn changes(&self, kind: Kind) -> Vec<(&str, Vec<Change<'_>>)> {
        let range = self.objects.range((kind, String::new())..).take_while(|((found, _), _)| *found == kind);
        range.map(|((_, key), versions)| (key.as_str(), versions.changes())).collect()
    }

    /// Returns all objects of a kind that reading shows, in the order in which they were made.
    pub(super) fn all_visible(&self, kind: Kind, now: Timestamp) -> Vec<(&str, &Json)> {
        self.all(kind, |versions| versions.visible(now))
    }

    /// Returns all objects of a kind that are there, in the order in which they were made.
    pub(super) fn all_latest(&self, kind: Kind) -> Vec<(&str, &Json)> {
        self.all(kind, Versions::latest)
    }

    fn all<'a>(&'a self, kind: Kind, look: impl Fn(&'a Versions) -> Option<&'a Json>) -> Vec<(&'a str, &'a Json)> {
        let range = self.objects.range((kind, String::new())..).take_while(|((found, _), _)| *found == kind);
        let mut all: Vec<_> = range.filter_map(|((_, key), versions)| Some((versions.order, key.as_str(), look(versions)?))).collect();
        all.sort_by_key(|(order, ..)| *order);
        all.into_iter().map(|(_, key, body)| (key, body)).collect()
    }
}

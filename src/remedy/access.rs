//! Who is Owner of what, and how: for guards, and for reasons in words.
//!
//! Everything here is about facts that are certain: what is in doubt is left out.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::{Bound, EntityId, EntityTypeId, Value};
use crate::snapshot::{CellState, Edge, Snapshot};

/// Role definition of Owner, the same in every directory (Microsoft Learn, "Azure built-in roles").
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// Nested groups that are followed.
const NESTING_MAX: usize = 64;

/// Somebody who is Owner of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holding {
    /// Who.
    pub(super) principal: EntityId,
    /// By which assignment.
    pub(super) assignment: EntityId,
    /// Through which group, if not directly.
    pub(super) group: Option<EntityId>,
}

/// A world at an instant.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) world: &'a Snapshot,
    pub(super) now: Timestamp,
}

impl<'a> Access<'a> {
    pub(super) fn new(world: &'a Snapshot, now: Timestamp) -> Self {
        Self { world, now }
    }

    pub(super) fn is_a(&self, id: EntityId, name: &str) -> bool {
        let schema = self.world.schema();
        let (Some(ty), Some(wanted)) = (self.world.entity_type(id), schema.entity_named(name)) else { return false };
        schema.is_subtype(ty, wanted.id)
    }

    /// Returns a single value of an entity by the name of its property; nothing if it is none or not known.
    pub(super) fn value(&self, id: EntityId, name: &str) -> Option<Value> {
        match self.state(id, name)? {
            CellState::Known(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn state(&self, id: EntityId, name: &str) -> Option<CellState> {
        let property = self.world.schema().property_named(self.world.entity_type(id)?, name)?;
        Some(self.world.cell(id, property.id).state.clone())
    }

    pub(super) fn reference(&self, id: EntityId, name: &str) -> Option<EntityId> {
        self.value(id, name)?.entity()
    }

    pub(super) fn is(&self, id: EntityId, name: &str) -> bool {
        self.value(id, name) == Some(Value::Bool(true))
    }

    /// Returns the spelling of an enumeration's value.
    pub(super) fn spelling(&self, id: EntityId, name: &str) -> Option<String> {
        match self.value(id, name)? {
            Value::Enum(ty, at) => self.world.schema().enumeration(ty)?.values.get(at as usize).cloned(),
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// Returns the present members of a set.
    pub(super) fn members(&self, id: EntityId, name: &str) -> Vec<EntityId> {
        let schema = self.world.schema();
        let Some(property) = self.world.entity_type(id).and_then(|ty| schema.property_named(ty, name)) else { return Vec::new() };
        let nav = self.world.nav(id, property.id);
        let mut ids: Vec<EntityId> = nav.members.iter().filter(|edge| self.holds(edge)).filter_map(|edge| edge.member.entity()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns why a set may have members that nobody has seen; nothing if it is whole.
    pub(super) fn open(&self, id: EntityId, name: &str) -> Option<String> {
        let property = self.world.schema().property_named(self.world.entity_type(id)?, name)?;
        let nav = self.world.nav(id, property.id);
        let reason = || nav.completeness.reason.as_ref().map_or_else(|| "the list was not read".to_owned(), ToString::to_string);
        (!nav.completeness.complete).then(reason)
    }

    fn holds(&self, edge: &Edge) -> bool {
        let began = !matches!(edge.interval.from, Bound::At(from) if from > self.now);
        let lasts = match edge.interval.to {
            Bound::Unbounded => true,
            Bound::At(to) => self.now < to,
            Bound::Unknown => false,
        };
        began && lasts
    }

    pub(super) fn extent(&self, name: &str) -> Vec<EntityId> {
        self.world.schema().entity_named(name).map(|ty| ty.id).map_or_else(Vec::new, |ty: EntityTypeId| self.world.extent(ty).collect())
    }

    pub(super) fn is_owner_role(&self, assignment: EntityId) -> bool {
        let role = self.reference(assignment, "role");
        role.is_some_and(|role| self.world.key(role).eq_ignore_ascii_case(OWNER))
    }

    /// Returns the Owner assignments in force on the whole of a scope.
    pub(super) fn owner_assignments(&self, scope: EntityId) -> Vec<EntityId> {
        let mut ids = self.members(scope, "role_assignments");
        ids.extend(self.members(scope, "inherited_role_assignments"));
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.is_owner_role(*id) && self.is(*id, "effective"));
        ids
    }

    /// Returns everybody meant by a principal: itself, or the members of a group, however deep it nests.
    pub(super) fn people(&self, principal: EntityId) -> Vec<(EntityId, Option<EntityId>)> {
        if !self.is_a(principal, "Group") {
            return vec![(principal, None)];
        }
        let mut seen = BTreeSet::from([principal]);
        let mut people = Vec::new();
        let mut level = vec![principal];
        for _ in 0..NESTING_MAX {
            let mut next = Vec::new();
            for member in level.iter().flat_map(|group| self.members(*group, "members")).filter(|member| seen.insert(*member)) {
                if self.is_a(member, "Group") {
                    next.push(member);
                } else {
                    people.push((member, Some(principal)));
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        people
    }

    /// Returns who is Owner of a scope, sorted, each way of being it once.
    pub(super) fn owners(&self, scope: EntityId) -> BTreeSet<Holding> {
        let mut found = BTreeSet::new();
        for assignment in self.owner_assignments(scope) {
            let Some(direct) = self.reference(assignment, "principal") else { continue };
            found.extend(self.people(direct).into_iter().map(|(principal, group)| Holding { principal, assignment, group }));
        }
        found
    }

    /// `alice, a member`
    pub(super) fn describe(&self, principal: EntityId) -> String {
        let kind = match self.spelling(principal, "user_type").as_deref() {
            Some("Guest") => "a guest",
            Some("Member") => "a member",
            _ if self.is_a(principal, "ServicePrincipal") => "an application",
            _ if self.is_a(principal, "ForeignGroup") => "a group of another directory",
            _ if self.is_a(principal, "Group") => "a group",
            _ => "a principal",
        };
        format!("{}, {kind}", self.world.label(principal))
    }

    /// Returns the scopes whose locks hold for a scope: itself and those above it up to its subscription. Nothing else can be locked.
    pub(super) fn lockable(&self, scope: EntityId) -> Vec<EntityId> {
        let mut found = Vec::new();
        let mut at = Some(scope);
        while let Some(scope) = at.filter(|scope| !found.contains(scope) && found.len() < NESTING_MAX) {
            if !["Subscription", "ResourceGroup", "ResourceScope"].iter().any(|ty| self.is_a(scope, ty)) {
                break;
            }
            found.push(scope);
            at = self.reference(scope, "parent");
        }
        found
    }

    /// Returns the subscriptions on which an assignment takes effect: its scope's, and those below.
    pub(super) fn subscriptions_below(&self, scope: EntityId) -> Vec<EntityId> {
        if self.is_a(scope, "Subscription") {
            return vec![scope];
        }
        let mut seen = BTreeSet::from([scope]);
        let mut level = vec![scope];
        let mut found = Vec::new();
        for _ in 0..NESTING_MAX {
            let next: Vec<EntityId> =
                level.iter().flat_map(|scope| self.members(*scope, "children")).filter(|child| seen.insert(*child)).collect();
            if next.is_empty() {
                break;
            }
            found.extend(next.iter().copied().filter(|id| self.is_a(*id, "Subscription")));
            level = next;
        }
        found.sort_unstable();
        found
    }
}

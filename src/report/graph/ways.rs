//! What is drawn between which entities, read from the schema by name.
//!
//! Each way goes from one entity to others *upstream* (they reach it) or *downstream* (it reaches them). A policy repo may
//! add entities; what this table does not know is drawn by the names of its references.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::picture::{ArrowKind, NodeKind};
use crate::model::{Base, Bound, EntityId, Value};
use crate::snapshot::{CellState, Edge, Snapshot};

/// Which way an edge goes, seen from the entity that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Toward {
    /// The other one comes first.
    Upstream,
    /// The other one comes after.
    Downstream,
}

/// One tie of an entity to another.
#[derive(Debug, Clone)]
pub(super) struct Tie {
    pub(super) toward: Toward,
    pub(super) other: EntityId,
    pub(super) kind: ArrowKind,
    pub(super) label: Option<String>,
    /// The entity that is the tie itself, such as a role assignment.
    pub(super) itself: Option<EntityId>,
}

/// A list of ties of one kind, of one entity.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// What its members are called: `principals with a role`.
    pub(super) noun: &'static str,
    pub(super) ties: Vec<Tie>,
}

/// Reads a snapshot at an instant.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
}

impl Reader<'_> {
    pub(super) fn is_a(&self, id: EntityId, name: &str) -> bool {
        let schema = self.snapshot.schema();
        let (Some(ty), Some(wanted)) = (self.snapshot.entity_type(id), schema.entity_named(name)) else { return false };
        schema.is_subtype(ty, wanted.id)
    }

    pub(super) fn state(&self, id: EntityId, name: &str) -> Option<CellState> {
        let property = self.snapshot.schema().property_named(self.snapshot.entity_type(id)?, name)?;
        Some(self.snapshot.cell(id, property.id).state.clone())
    }

    fn value(&self, id: EntityId, name: &str) -> Option<Value> {
        match self.state(id, name)? {
            CellState::Known(value) => Some(value),
            CellState::None | CellState::Unknown(_) => None,
        }
    }

    pub(super) fn reference(&self, id: EntityId, name: &str) -> Option<EntityId> {
        self.value(id, name)?.entity()
    }

    /// Writes a known value that is no reference.
    pub(super) fn text(&self, id: EntityId, name: &str) -> Option<String> {
        Some(self.value(id, name)?.display(self.snapshot.schema()))
    }

    /// Returns the entity that a text attribute names by its key.
    fn named(&self, id: EntityId, name: &str, entity: &str) -> Option<EntityId> {
        let ty = self.snapshot.schema().entity_named(entity)?;
        self.snapshot.find(ty.id, &self.text(id, name)?)
    }

    pub(super) fn extent(&self, name: &str) -> Vec<EntityId> {
        self.snapshot.schema().entity_named(name).map_or_else(Vec::new, |ty| self.snapshot.extent(ty.id).collect())
    }

    /// Returns the members of a list that hold now or may hold now.
    pub(super) fn members(&self, id: EntityId, name: &str) -> Vec<EntityId> {
        let schema = self.snapshot.schema();
        let Some(property) = self.snapshot.entity_type(id).and_then(|ty| schema.property_named(ty, name)) else { return Vec::new() };
        let nav = self.snapshot.nav(id, property.id);
        let present = |edge: &&Edge| edge.interval.contains(self.now) != Some(false);
        let ids: BTreeSet<EntityId> = nav.members.iter().filter(present).filter_map(|edge| edge.member.entity()).collect();
        ids.into_iter().filter(|id| !self.is_over(*id)).collect()
    }

    fn is_over(&self, id: EntityId) -> bool {
        matches!(self.snapshot.lifetime(id).to, Bound::At(end) if end <= self.now) && !self.is_a(id, "Designation")
    }

    /// Says of a list that it may not be whole.
    pub(super) fn gap(&self, id: EntityId, name: &str, noun: &str) -> Option<String> {
        let schema = self.snapshot.schema();
        let property = schema.property_named(self.snapshot.entity_type(id)?, name)?;
        let completeness = &self.snapshot.nav(id, property.id).completeness;
        (!completeness.complete).then(|| match &completeness.reason {
            Some(reason) => format!("{noun}: {reason}"),
            None => format!("{noun}: not read"),
        })
    }
}

/// The lists of an entity whose gaps are said at its node.
const GAPS: &[(&str, &str, &str)] = &[
    ("Scope", "role_assignments", "role assignments"),
    ("ManagementGroup", "children", "scopes below"),
    ("Subscription", "resource_groups", "resource groups"),
    ("Subscription", "delegations", "delegations"),
    ("Subscription", "designations", "designations"),
    ("Group", "members", "members"),
];

impl Reader<'_> {
    pub(super) fn gaps(&self, id: EntityId) -> Vec<String> {
        let lists = GAPS.iter().filter(|(owner, ..)| self.is_a(id, owner));
        lists.filter_map(|(_, name, noun)| self.gap(id, name, noun)).collect()
    }

    /// Returns what an entity is drawn as.
    pub(super) fn kind(&self, id: EntityId) -> NodeKind {
        let kinds =
            [("Tenant", NodeKind::Tenant), ("Scope", NodeKind::Scope), ("Principal", NodeKind::Principal), ("Partner", NodeKind::Partner)];
        kinds.iter().find(|(name, _)| self.is_a(id, name)).map_or(NodeKind::Record, |(_, kind)| *kind)
    }

    /// Says the type of an entity in words.
    pub(super) fn type_words(&self, id: EntityId) -> String {
        let guest = self.text(id, "user_type").is_some_and(|kind| kind == "Guest");
        let name = self.snapshot.entity_type(id).map_or("?", |ty| self.snapshot.schema().entity_name(ty));
        match name {
            "User" if guest => "Guest user".to_owned(),
            "Principal" => "Principal of unknown kind".to_owned(),
            "Scope" => "Scope of unknown kind".to_owned(),
            name => spaced(name),
        }
    }

    /// Returns a name for a node: records are named by what they say.
    pub(super) fn name(&self, id: EntityId) -> String {
        if self.is_a(id, "Designation") {
            let mechanism = self.text(id, "mechanism").unwrap_or_else(|| "mechanism not known".to_owned());
            let day = |name: &str| self.text(id, name).map(|at| at.chars().take(10).collect::<String>());
            let since = day("designated_at").map_or_else(String::new, |at| format!(", from {at}"));
            let until = day("removed_at").map_or_else(String::new, |at| format!(" to {at}"));
            return format!("{}{since}{until}", mechanism.to_uppercase());
        }
        if self.is_a(id, "PartnerLink") {
            let state = self.text(id, "state").unwrap_or_else(|| "state not known".to_owned());
            return format!("Partner Admin Link, {}", state.to_lowercase());
        }
        self.snapshot.label(id)
    }

    /// Returns what an entity is tied to in one direction.
    pub(super) fn ways(&self, id: EntityId, toward: Toward) -> Vec<Way> {
        type Of<'r> = fn(&Reader<'r>, EntityId) -> Vec<Way>;
        let known: [(&str, Of<'_>); 11] = [
            ("Scope", Reader::of_scope),
            ("Subscription", Reader::of_subscription),
            ("Principal", Reader::of_principal),
            ("Partner", if toward == Toward::Downstream { Reader::of_partner } else { Reader::nothing }),
            ("Tenant", if toward == Toward::Downstream { Reader::below_tenant } else { Reader::above_tenant }),
            ("Delegation", Reader::of_delegation),
            ("Designation", Reader::of_designation),
            ("PartnerLink", Reader::of_link),
            ("DelegatedAdminRelationship", Reader::of_relationship),
            ("DirectoryRole", Reader::of_directory_role),
            ("ClassicAdministrator", Reader::nothing),
        ];
        let matching: Vec<_> = known.iter().filter(|(name, _)| self.is_a(id, name)).collect();
        let ways = if matching.is_empty() { self.of_other(id) } else { matching.iter().flat_map(|(_, of)| of(self, id)).collect() };
        let mut ways: Vec<Way> = ways;
        for way in &mut ways {
            way.ties.retain(|tie| tie.toward == toward);
        }
        ways.retain(|way| !way.ties.is_empty());
        ways
    }

    #[expect(clippy::unused_self, reason = "one of several readers of an entity")]
    fn nothing(&self, _: EntityId) -> Vec<Way> {
        Vec::new()
    }

    fn of_scope(&self, id: EntityId) -> Vec<Way> {
        let parent = self.reference(id, "parent").map(|other| tie(Toward::Upstream, other, ArrowKind::Contains));
        let above = if parent.is_none() { self.home_above(id) } else { parent };
        let below = self
            .members(id, "children")
            .into_iter()
            .filter(|below| self.is_drawn(*below))
            .map(|other| tie(Toward::Downstream, other, ArrowKind::Contains));
        let delegations = self.members(id, "delegations").into_iter().map(|other| tie(Toward::Upstream, other, ArrowKind::Delegates));
        let denies = self.members(id, "deny_assignments").into_iter();
        vec![
            way("scopes above", above),
            way("principals with a role", self.grants(id, "principal", Toward::Upstream)),
            way("delegations", delegations.map(|tie| self.with_roles(tie))),
            way("deny assignments", denies.map(|other| labelled(tie(Toward::Upstream, other, ArrowKind::Refers), "denies"))),
            way("scopes below", below),
        ]
    }

    /// Resource groups and resources are drawn where somebody holds access on them.
    fn is_drawn(&self, scope: EntityId) -> bool {
        let small = self.is_a(scope, "ResourceGroup") || self.is_a(scope, "ResourceScope");
        let own = ["role_assignments", "role_eligibilities", "delegations", "deny_assignments"];
        !small || own.iter().any(|list| !self.members(scope, list).is_empty())
    }

    /// A scope without one above belongs to the directory itself.
    fn home_above(&self, id: EntityId) -> Option<Tie> {
        let home = self.reference(id, "tenant").or_else(|| {
            let tenant = self.snapshot.meta().tenant.as_deref()?;
            self.snapshot.find(self.snapshot.schema().entity_named("Tenant")?.id, tenant)
        })?;
        Some(tie(Toward::Upstream, home, ArrowKind::Contains))
    }

    /// The ties that role assignments and eligibilities of `id` make, to the other end `far`.
    fn grants(&self, id: EntityId, far: &str, toward: Toward) -> Vec<Tie> {
        let mut ties = Vec::new();
        for (list, kind) in [("role_assignments", ArrowKind::Grants), ("role_eligibilities", ArrowKind::Eligible)] {
            for grant in self.members(id, list) {
                let Some(other) = self.reference(grant, far) else { continue };
                let role = self.reference(grant, "role").map_or_else(|| "role not known".to_owned(), |role| self.snapshot.label(role));
                let label = match (kind, self.state(grant, "effective")) {
                    (ArrowKind::Eligible, _) => format!("{role} (can be activated)"),
                    (_, Some(CellState::Known(Value::Bool(false)))) => format!("{role} (not in effect)"),
                    (_, Some(CellState::Known(_)) | None) => role,
                    (_, Some(_)) => format!("{role} (in effect? not known)"),
                };
                ties.push(Tie { toward, other, kind, label: Some(label), itself: Some(grant) });
            }
        }
        ties
    }

    fn with_roles(&self, tie: Tie) -> Tie {
        let roles = self.members(tie.other, "authorizations").into_iter().filter_map(|one| self.reference(one, "role"));
        let names: BTreeSet<String> = roles.map(|role| self.snapshot.label(role)).collect();
        let label = names.into_iter().collect::<Vec<_>>().join(", ");
        Tie { label: (!label.is_empty()).then_some(label), ..tie }
    }

    fn of_subscription(&self, id: EntityId) -> Vec<Way> {
        let designations =
            self.members(id, "designations").into_iter().map(|other| tie(Toward::Upstream, other, self.named_or_ended(other)));
        let classic = self.members(id, "classic_administrators").into_iter();
        vec![
            way("designations", designations),
            way("classic administrators", classic.map(|other| tie(Toward::Upstream, other, ArrowKind::Grants))),
        ]
    }

    fn named_or_ended(&self, designation: EntityId) -> ArrowKind {
        match self.value(designation, "removed_at") {
            Some(Value::Instant(at)) if at <= self.now => ArrowKind::Ended,
            _ => ArrowKind::Names,
        }
    }

    fn of_principal(&self, id: EntityId) -> Vec<Way> {
        let up = |other, label| labelled(tie(Toward::Upstream, other, ArrowKind::Refers), label);
        let origin = [
            self.named(id, "home_tenant", "Tenant").filter(|other| !self.is_home(*other)).map(|other| up(other, "home directory")),
            self.named(id, "app_owner_tenant", "Tenant").map(|other| up(other, "owns the application")),
            self.named(id, "works_for", "Partner").map(|other| up(other, "works for")),
        ];
        let member = |toward| move |other| tie(toward, other, ArrowKind::Member);
        let links = self.members(id, "partner_links").into_iter().map(|other| tie(Toward::Upstream, other, self.link_kind(other)));
        let roles = self.members(id, "directory_role_assignments").into_iter();
        let roles = roles.filter_map(|one| Some((one, self.reference(one, "role")?)));
        vec![
            way("origins", origin.into_iter().flatten()),
            way("members", self.members(id, "members").into_iter().map(member(Toward::Upstream))),
            way("groups", self.members(id, "member_of").into_iter().map(member(Toward::Downstream))),
            way("partner links", links),
            way("scopes with a role", self.grants(id, "scope", Toward::Downstream)),
            way("directory roles", roles.map(|(one, role)| Tie { itself: Some(one), ..tie(Toward::Downstream, role, ArrowKind::Grants) })),
        ]
    }

    /// Whether a directory is the one the snapshot describes: where everybody is at home, which goes without saying.
    fn is_home(&self, tenant: EntityId) -> bool {
        self.snapshot.meta().tenant.as_deref() == Some(&*self.snapshot.key(tenant))
    }

    fn link_kind(&self, link: EntityId) -> ArrowKind {
        if self.text(link, "state").is_some_and(|state| state == "Removed") { ArrowKind::Ended } else { ArrowKind::Names }
    }

    fn of_partner(&self, id: EntityId) -> Vec<Way> {
        let down = |other, kind| tie(Toward::Downstream, other, kind);
        let mine = |name: &str| self.extent(name).into_iter().filter(move |other| self.reference(*other, "partner") == Some(id));
        let tenant = self.named(id, "tenant", "Tenant");
        let people = self.extent("Principal").into_iter().filter(|other| self.named(*other, "works_for", "Partner") == Some(id));
        vec![
            way("directories", tenant.map(|other| labelled(down(other, ArrowKind::Refers), "its directory"))),
            way("designations", mine("Designation").map(|other| down(other, self.named_or_ended(other)))),
            way("partner links", mine("PartnerLink").map(|other| down(other, self.link_kind(other)))),
            way("people", people.map(|other| labelled(down(other, ArrowKind::Refers), "works for"))),
        ]
    }

    /// Entities of a type that name a directory in one of their attributes.
    fn naming<'r>(&'r self, entity: &str, attribute: &'r str, key: &'r str) -> impl Iterator<Item = EntityId> + 'r {
        self.extent(entity).into_iter().filter(move |other| self.text(*other, attribute).is_some_and(|text| text == key))
    }

    fn above_tenant(&self, id: EntityId) -> Vec<Way> {
        let key = self.snapshot.key(id);
        let up = |other, kind| tie(Toward::Upstream, other, kind);
        let partners = self.naming("Partner", "tenant", &key).map(|other| labelled(up(other, ArrowKind::Refers), "its directory"));
        let relations = self.naming("DelegatedAdminRelationship", "customer_tenant", &key).map(|other| up(other, ArrowKind::Delegates));
        vec![way("partners", partners), way("delegated admin relationships", relations)]
    }

    fn below_tenant(&self, id: EntityId) -> Vec<Way> {
        let key = self.snapshot.key(id);
        let down = |other, kind| tie(Toward::Downstream, other, kind);
        let home = self.is_home(id);
        let top = |scope: &EntityId| self.reference(*scope, "parent").is_none() && !self.is_a(*scope, "ResourceScope");
        let scopes = if home { self.extent("Scope") } else { Vec::new() };
        let relations = self.naming("DelegatedAdminRelationship", "partner_tenant", &key).map(|other| down(other, ArrowKind::Delegates));
        let people = self
            .naming("Principal", "home_tenant", &key)
            .filter(|_| !home)
            .map(|other| labelled(down(other, ArrowKind::Refers), "home directory"));
        vec![
            way("scopes", scopes.into_iter().filter(top).map(|other| down(other, ArrowKind::Contains))),
            way("delegated admin relationships", relations),
            way("delegations", self.naming("Delegation", "managing_tenant", &key).map(|other| down(other, ArrowKind::Delegates))),
            way("people", people),
        ]
    }

    fn of_directory_role(&self, id: EntityId) -> Vec<Way> {
        let grants = self.members(id, "assignments").into_iter().filter_map(|one| Some((one, self.reference(one, "principal")?)));
        let ties = grants.map(|(one, principal)| Tie { itself: Some(one), ..tie(Toward::Upstream, principal, ArrowKind::Grants) });
        vec![way("principals with the role", ties)]
    }

    fn of_delegation(&self, id: EntityId) -> Vec<Way> {
        let tenant = self.named(id, "managing_tenant", "Tenant").map(|other| tie(Toward::Upstream, other, ArrowKind::Delegates));
        let scope = self.reference(id, "scope").map(|other| {
            let Tie { label, .. } = self.with_roles(tie(Toward::Upstream, id, ArrowKind::Delegates));
            Tie { label, ..tie(Toward::Downstream, other, ArrowKind::Delegates) }
        });
        vec![way("managing directories", tenant), way("scopes", scope)]
    }

    fn of_designation(&self, id: EntityId) -> Vec<Way> {
        let kind = self.named_or_ended(id);
        let by = self.reference(id, "designated_by");
        vec![
            way("partners", self.reference(id, "partner").map(|other| tie(Toward::Upstream, other, kind))),
            way("people", by.map(|other| labelled(tie(Toward::Upstream, other, ArrowKind::Refers), "designated by"))),
            way("subscriptions", self.reference(id, "subscription").map(|other| tie(Toward::Downstream, other, kind))),
        ]
    }

    fn of_link(&self, id: EntityId) -> Vec<Way> {
        let kind = self.link_kind(id);
        vec![
            way("partners", self.reference(id, "partner").map(|other| tie(Toward::Upstream, other, kind))),
            way("identities", self.reference(id, "identity").map(|other| tie(Toward::Downstream, other, kind))),
        ]
    }

    fn of_relationship(&self, id: EntityId) -> Vec<Way> {
        let from = self.named(id, "partner_tenant", "Tenant").map(|other| tie(Toward::Upstream, other, ArrowKind::Delegates));
        let to = self.named(id, "customer_tenant", "Tenant").map(|other| tie(Toward::Downstream, other, ArrowKind::Delegates));
        vec![way("partner directories", from), way("customer directories", to)]
    }

    /// Ties of an entity of any other type: every reference and list that somebody states, by its name.
    fn of_other(&self, id: EntityId) -> Vec<Way> {
        let schema = self.snapshot.schema();
        let Some(ty) = self.snapshot.entity_type(id).and_then(|ty| schema.entity(ty)) else { return Vec::new() };
        let mut ways = Vec::new();
        for (name, property) in &ty.properties {
            let Some(property) = schema.property(*property).filter(|property| property.derived.is_none()) else { continue };
            if !matches!(property.ty.base, Base::Entity(_)) {
                continue;
            }
            let others = if property.ty.set { self.members(id, name) } else { self.reference(id, name).into_iter().collect() };
            let ties = others.into_iter().map(|other| labelled(tie(Toward::Downstream, other, ArrowKind::Refers), &spaced_lower(name)));
            ways.push(way("others", ties));
        }
        ways
    }
}

fn tie(toward: Toward, other: EntityId, kind: ArrowKind) -> Tie {
    Tie { toward, other, kind, label: None, itself: None }
}

fn labelled(tie: Tie, label: &str) -> Tie {
    Tie { label: Some(label.to_owned()), ..tie }
}

fn way(noun: &'static str, ties: impl IntoIterator<Item = Tie>) -> Way {
    Way { noun, ties: ties.into_iter().collect() }
}

/// Writes the name of a type as words: `ManagementGroup` becomes `Management group`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (at, c) in name.chars().enumerate() {
        if at > 0 && c.is_uppercase() {
            words.push(' ');
            words.extend(c.to_lowercase());
        } else {
            words.push(c);
        }
    }
    words
}

fn spaced_lower(name: &str) -> String {
    name.replace('_', " ")
}

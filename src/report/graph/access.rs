//! Who reaches which subscription, by which of the four access paths: guest user, account in the customer's directory,
//! service principal, delegation (partner program page "Link a partner ID", section "Get access from your customer").
//!
//! What is not read is said in the row it is missing from: an empty cell of such a row is no *none*.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ways::Reader;
use crate::model::EntityId;
use crate::snapshot::{CellState, Snapshot};

/// Nested groups that are followed.
const NESTING_MAX: usize = 64;

/// A path of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessPath {
    /// A guest user of the customer's directory.
    GuestUser,
    /// A member account in the customer's directory.
    CustomerAccount,
    /// A service principal in the customer's directory.
    ServicePrincipal,
    /// A delegation to the partner's directory (Azure Lighthouse).
    Delegation,
}

impl AccessPath {
    /// All four.
    pub const ALL: [Self; 4] = [Self::GuestUser, Self::CustomerAccount, Self::ServicePrincipal, Self::Delegation];

    /// Returns its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GuestUser => "guest user",
            Self::CustomerAccount => "customer account",
            Self::ServicePrincipal => "service principal",
            Self::Delegation => "delegation",
        }
    }
}

/// What one partner reaches of a subscription: how many identities or delegations, by path.
pub type Reached = BTreeMap<AccessPath, usize>;

/// A subscription and who reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// Its key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// For each partner of the map.
    pub reached: Vec<Reached>,
    /// What is not known about this row, in words.
    pub doubts: Vec<String>,
}

/// The access of all partners the snapshot knows, and of other directories that delegations name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessMap {
    /// Names of partners.
    pub partners: Vec<String>,
    /// Azure subscriptions, by key.
    pub rows: Vec<AccessRow>,
    /// Azure subscriptions that are not in it.
    pub left_out: usize,
}

/// A partner, and by what its identities are known.
struct Known {
    id: String,
    name: String,
    tenant: Option<String>,
}

/// Makes the map of the first `rows_max` subscriptions that somebody may reach, by key.
#[must_use]
pub fn access_map(snapshot: &Snapshot, now: Timestamp, rows_max: usize) -> AccessMap {
    let reader = Reader { snapshot, now };
    let partners: Vec<Known> = reader.extent("Partner").into_iter().map(|id| known(&reader, id)).collect();
    let is_azure = |id: &EntityId| reader.text(*id, "service").is_none_or(|service| service == "Azure");
    let subscriptions: Vec<EntityId> = reader.extent("Subscription").into_iter().filter(is_azure).collect();
    let mut names: Vec<String> = partners.iter().map(|partner| partner.name.clone()).collect();
    names.push("other directories".to_owned());
    let rows = subscriptions.iter().take(rows_max).map(|id| row(&reader, &partners, *id)).collect();
    AccessMap { partners: names, rows, left_out: subscriptions.len().saturating_sub(rows_max) }
}

fn known(reader: &Reader<'_>, id: EntityId) -> Known {
    Known { id: reader.snapshot.key(id).into_owned(), name: reader.snapshot.label(id), tenant: reader.text(id, "tenant") }
}

fn row(reader: &Reader<'_>, partners: &[Known], subscription: EntityId) -> AccessRow {
    let mut reached = vec![Reached::new(); partners.len() + 1];
    let mut doubts: BTreeSet<String> = BTreeSet::new();
    let lists = ["role_assignments", "inherited_role_assignments", "role_assignments_below"];
    doubts.extend(lists.iter().filter_map(|list| reader.gap(subscription, list, "role assignments")));
    let assignments: BTreeSet<EntityId> = lists.iter().flat_map(|list| reader.members(subscription, list)).collect();
    let (people, open) = people(reader, assignments.iter().filter_map(|one| reader.reference(*one, "principal")));
    doubts.extend((open > 0).then(|| format!("groups of which not all members were read: {open}")));
    let mut n_unknown = 0;
    for person in people {
        let Some(path) = path_of(reader, person) else {
            n_unknown += 1;
            continue;
        };
        match whose(reader, partners, person) {
            Whose::Partner(at) => add(&mut reached, at, path),
            Whose::Unknown => n_unknown += 1,
            Whose::Nobody => {}
        }
    }
    doubts.extend((n_unknown > 0).then(|| format!("identities of which nobody said whose they are: {n_unknown}")));
    let groups = reader.members(subscription, "resource_groups");
    doubts.extend(reader.gap(subscription, "delegations", "delegations"));
    doubts.extend(reader.gap(subscription, "resource_groups", "resource groups"));
    for scope in std::iter::once(subscription).chain(groups) {
        for delegation in reader.members(scope, "delegations") {
            let tenant = reader.text(delegation, "managing_tenant");
            let at = partners.iter().position(|partner| partner.tenant.is_some() && partner.tenant == tenant).unwrap_or(partners.len());
            add(&mut reached, at, AccessPath::Delegation);
        }
    }
    let (id, name) = (reader.snapshot.key(subscription).into_owned(), reader.snapshot.label(subscription));
    AccessRow { id, name, reached, doubts: doubts.into_iter().collect() }
}

fn add(reached: &mut [Reached], at: usize, path: AccessPath) {
    if let Some(reached) = reached.get_mut(at) {
        *reached.entry(path).or_default() += 1;
    }
}

/// Returns everybody meant by principals, members of groups included, and how many of the groups are not whole.
fn people(reader: &Reader<'_>, direct: impl Iterator<Item = EntityId>) -> (BTreeSet<EntityId>, usize) {
    let mut level: BTreeSet<EntityId> = direct.collect();
    let (mut seen, mut people, mut open) = (level.clone(), BTreeSet::new(), 0);
    for _ in 0..NESTING_MAX {
        let mut next = BTreeSet::new();
        for id in level {
            if reader.is_a(id, "Group") {
                open += usize::from(reader.gap(id, "members", "members").is_some());
                next.extend(reader.members(id, "members").into_iter().filter(|member| seen.insert(*member)));
            } else {
                people.insert(id);
            }
        }
        if next.is_empty() {
            return (people, open);
        }
        level = next;
    }
    (people, open + 1)
}

/// By which path an identity comes; none for groups of other directories, which come by contract, and for kinds not known.
fn path_of(reader: &Reader<'_>, id: EntityId) -> Option<AccessPath> {
    if reader.is_a(id, "ServicePrincipal") {
        return Some(AccessPath::ServicePrincipal);
    }
    match reader.text(id, "user_type")?.as_str() {
        "Guest" => Some(AccessPath::GuestUser),
        _ => Some(AccessPath::CustomerAccount),
    }
}

enum Whose {
    Partner(usize),
    /// Of the customer, or of somebody who is no known partner.
    Nobody,
    /// Nobody said.
    Unknown,
}

/// The same facts as `lib.dpor.is_partner_identity`.
fn whose(reader: &Reader<'_>, partners: &[Known], id: EntityId) -> Whose {
    let tenants: Vec<String> = ["home_tenant", "app_owner_tenant"].iter().filter_map(|name| reader.text(id, name)).collect();
    let works_for = reader.text(id, "works_for");
    let is_of = |partner: &Known| {
        let by_tenant = partner.tenant.as_ref().is_some_and(|tenant| tenants.contains(tenant));
        by_tenant || works_for.as_ref() == Some(&partner.id)
    };
    if let Some(at) = partners.iter().position(is_of) {
        return Whose::Partner(at);
    }
    let application = reader.is_a(id, "ServicePrincipal");
    let facts: &[&str] = if application { &["home_tenant", "works_for", "app_owner_tenant"] } else { &["home_tenant", "works_for"] };
    let open = facts.iter().any(|name| !matches!(reader.state(id, name), Some(CellState::Known(_) | CellState::None)));
    if open { Whose::Unknown } else { Whose::Nobody }
}

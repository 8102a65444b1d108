//! A small seeded generator of tenants, for tests and benches: nested and circling groups, guests, partners' identities,
//! links, designations, delegations, histories, and as many gaps as one asks for.
//!
//! The same [`Shape`] gives the same records on every machine. Keys do not depend on the rate of gaps, so that a tenant can
//! be compared with what is left of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenet::model::{Attestation, Bound, Completeness, FactSource, Interval, Schema, SourceId, SourceKind, Value, parse_scalar};
use tenet::snapshot::{BuildError, Handle, Records, SnapshotBuilder};

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Another seed, another tenant.
    pub(crate) seed: u64,
    /// Subscriptions; everything else grows with them.
    pub(crate) subscriptions: u32,
    /// Of a thousand facts, how many nobody could read; of a thousand lists, how many are open.
    pub(crate) gaps: u32,
}

/// The instant at which the tenant is read.
pub(crate) const NOW: &str = "2026-06-30T00:00:00Z";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const ROLES: [(&str, &str, &str); 5] = [
    (OWNER, "Owner", "BuiltInRole"),
    ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", "BuiltInRole"),
    ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "BuiltInRole"),
    ("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", "BuiltInRole"),
    ("c0000000-0000-4000-8000-000000000001", "Owner (custom)", "CustomRole"),
];
const PARTNERS: [&str; 3] = ["3664167", "1000001", "1000002"];
const HOME: &str = "7e000000-0000-4000-8000-000000000000";
/// Types of which every entity is known, gaps aside.
const LISTED: [&str; 22] = [
    "Tenant",
    "RootScope",
    "ManagementGroup",
    "Subscription",
    "ResourceGroup",
    "ResourceScope",
    "User",
    "Group",
    "ServicePrincipal",
    "ForeignGroup",
    "Device",
    "AbsentPrincipal",
    "RoleDefinition",
    "RoleAssignment",
    "RoleEligibility",
    "ClassicAdministrator",
    "Delegation",
    "Authorization",
    "Partner",
    "PartnerLink",
    "Designation",
    "BillingAccount",
];

/// Generates the records of a tenant.
pub(crate) fn tenant(schema: &Arc<Schema>, shape: Shape) -> Result<Records, BuildError> {
    let mut builder = SnapshotBuilder::new(Arc::clone(schema));
    let api = builder.source(FactSource::new(SourceKind::Api, "generated"));
    let register = |id: &str, due: &str| FactSource {
        attestation: Some(Attestation {
            id: id.to_owned(),
            attested_by: "governance@contoso.example".to_owned(),
            attested_at: None,
            evidence_file: None,
            evidence_hash: None,
            review_due_at: due.parse().ok(),
        }),
        ..FactSource::new(SourceKind::Register, "designations")
    };
    let attested = builder.source(register("att-1", "2027-01-01T00:00:00Z"));
    let lapsed = builder.source(register("att-2", "2026-06-01T00:00:00Z"));
    let mut generator = Generator {
        builder,
        random: Random(shape.seed),
        gaps: Random(shape.seed ^ 0x6A09_E667_F3BC_C908),
        shape,
        api,
        attested,
        lapsed,
        scopes: Vec::new(),
        subscriptions: Vec::new(),
        people: Vec::new(),
        groups: Vec::new(),
        roles: Vec::new(),
        foreign: Vec::new(),
    };
    generator.run()?;
    Ok(generator.builder.records())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n.max(1))).unwrap_or(0)
    }

    /// Small numbers come up far more often: a few groups, scopes and people hold most of everything.
    fn skewed(&mut self, n: u32) -> u32 {
        let (a, b) = (self.below(n), self.below(n));
        let limit = self.below(a.min(b) + 1);
        limit.min(n.saturating_sub(1))
    }

    fn permille(&mut self, chance: u32) -> bool {
        self.below(1000) < chance
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(u32::try_from(of.len()).unwrap_or(u32::MAX));
        of.get(at as usize).copied()
    }

    fn pick_skewed<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.skewed(u32::try_from(of.len()).unwrap_or(u32::MAX));
        of.get(at as usize).copied()
    }
}

struct Generator {
    builder: SnapshotBuilder,
    random: Random,
    /// Gaps are drawn apart from everything else, so that their rate changes nothing else.
    gaps: Random,
    shape: Shape,
    api: SourceId,
    attested: SourceId,
    lapsed: SourceId,
    scopes: Vec<Handle>,
    subscriptions: Vec<Handle>,
    people: Vec<Handle>,
    groups: Vec<Handle>,
    roles: Vec<Handle>,
    /// Identities of managing tenants, by partner.
    foreign: Vec<(usize, Handle)>,
}

type Done = Result<(), BuildError>;

fn guid(kind: u32, at: u32) -> String {
    format!("{kind:08x}-0000-4000-8000-{at:012x}")
}

fn partner_tenant(at: usize) -> String {
    guid(0x7e00_0001, u32::try_from(at).unwrap_or(0))
}

fn day(before_now: u32) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(before_now))).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Generator {
    fn run(&mut self) -> Done {
        self.builder.captured_at(day(0));
        self.builder.meta_mut().tenant = Some(HOME.to_owned());
        self.tenants()?;
        self.scopes()?;
        self.principals()?;
        self.memberships()?;
        self.roles()?;
        self.assignments()?;
        self.administrators()?;
        self.partners()?;
        self.claims()
    }

    fn gap(&mut self) -> bool {
        self.gaps.permille(self.shape.gaps)
    }

    fn entity(&mut self, ty: &str, key: &str) -> Result<Handle, BuildError> {
        self.builder.entity_named(ty, key)
    }

    /// States a fact, unless it is one of those nobody could read.
    fn put(&mut self, of: Handle, name: &str, value: Value) -> Done {
        match (self.gap(), self.gaps.permille(500)) {
            (false, _) => self.builder.set(of, name, value, self.api),
            (true, true) => self.builder.set_unknown(of, name, "the page was throttled", self.api),
            (true, false) => Ok(()),
        }
    }

    fn text(&mut self, of: Handle, name: &str, text: &str) -> Done {
        if self.gap() { Ok(()) } else { self.builder.set_text(of, name, text, self.api) }
    }

    fn none(&mut self, of: Handle, name: &str) -> Done {
        if self.gap() { Ok(()) } else { self.builder.set_none(of, name, self.api) }
    }

    fn texts(&mut self, of: Handle, pairs: &[(&str, &str)]) -> Done {
        pairs.iter().try_for_each(|(name, text)| self.text(of, name, text))
    }

    fn tenants(&mut self) -> Done {
        let home = self.entity("Tenant", HOME)?;
        self.builder.set(home, "is_home", Value::Bool(true), self.api)?;
        self.texts(home, &[("display_name", "Contoso"), ("guest_invite_policy", "AdminsAndGuestInviters")])?;
        for (at, id) in PARTNERS.iter().enumerate() {
            let tenant = self.entity("Tenant", &partner_tenant(at))?;
            self.builder.set(tenant, "is_home", Value::Bool(false), self.api)?;
            let partner = self.entity("Partner", id)?;
            self.texts(partner, &[("tenant", &partner_tenant(at)), ("kind", "Location"), ("display_name", id)])?;
        }
        Ok(())
    }

    fn scope(&mut self, ty: &str, key: &str, parent: Option<Handle>) -> Result<Handle, BuildError> {
        let scope = self.entity(ty, key)?;
        self.put(scope, "exists", Value::Bool(true))?;
        match parent {
            Some(parent) => self.put(scope, "parent", parent.value())?,
            None => self.none(scope, "parent")?,
        }
        self.scopes.push(scope);
        Ok(scope)
    }

    fn scopes(&mut self) -> Done {
        let root = self.scope("RootScope", "/", None)?;
        let mut groups = Vec::new();
        for at in 0..2 + self.shape.subscriptions / 8 {
            let above = self.random.pick_skewed(&groups).unwrap_or(root);
            let key = format!("/providers/microsoft.management/managementgroups/mg-{at}");
            let group = self.scope("ManagementGroup", &key, Some(above))?;
            self.texts(group, &[("display_name", &format!("Division {at}")), ("tenant", HOME)])?;
            groups.push(group);
        }
        for at in 0..self.shape.subscriptions {
            let above = self.random.pick_skewed(&groups).unwrap_or(root);
            let key = format!("/subscriptions/{}", guid(0x5b, at));
            let subscription = self.scope("Subscription", &key, Some(above))?;
            self.subscription(subscription, at)?;
            for n in 0..self.random.below(5) {
                let group_key = format!("{key}/resourcegroups/rg-{n}");
                let group = self.scope("ResourceGroup", &group_key, Some(subscription))?;
                self.put(group, "subscription", subscription.value())?;
                self.text(group, "display_name", &format!("rg-{n}"))?;
                if self.random.permille(100) {
                    self.scope("ResourceScope", &format!("{group_key}/providers/microsoft.compute/virtualmachines/vm"), Some(group))?;
                }
            }
        }
        Ok(())
    }

    fn subscription(&mut self, of: Handle, at: u32) -> Done {
        let state = self.random.pick(&["Enabled", "Enabled", "Enabled", "Enabled", "Enabled", "Warned", "Disabled", "Deleted"]);
        let service = self.random.pick(&["Azure", "Azure", "Azure", "Azure", "Microsoft365"]);
        let (ea, mca) = ("EnterpriseAgreement", "MicrosoftCustomerAgreement");
        let agreement = self.random.pick(&[ea, ea, mca, "MicrosoftOnlineServicesProgram"]).unwrap_or(ea);
        self.texts(
            of,
            &[
                ("display_name", &format!("Subscription {at}")),
                ("tenant", HOME),
                ("state", state.unwrap_or("Enabled")),
                ("service", service.unwrap_or("Azure")),
                ("agreement", agreement),
            ],
        )?;
        let acquired = self.random.below(2000);
        self.put(of, "acquired_at", Value::Instant(day(acquired)))?;
        // What moved between agreements has a history, or a predecessor.
        if agreement == mca && self.random.permille(400) {
            let moved = Bound::At(day(acquired / 2));
            for (name, interval) in
                [(ea, Interval { from: Bound::At(day(acquired)), to: moved }), (mca, Interval { from: moved, to: Bound::Unbounded })]
            {
                let value = self.agreement(of, name);
                self.builder.had(of, "agreement", value, interval, self.api)?;
            }
        }
        let before = self.random.pick_skewed(&self.subscriptions).filter(|_| agreement == mca);
        match before {
            Some(before) => self.put(of, "predecessor", before.value())?,
            None => self.none(of, "predecessor")?,
        }
        if !self.gap() {
            let covered = vec![Interval::since(day(2500))];
            let whole = Completeness { complete: true, reason: None, covered, source: Some(self.api) };
            self.builder.claim(of, "agreement", whole)?;
        }
        self.subscriptions.push(of);
        Ok(())
    }

    fn agreement(&self, of: Handle, name: &str) -> Option<Value> {
        let schema = self.builder.schema();
        let property = schema.property_named(self.builder.type_of(of)?, "agreement")?;
        parse_scalar(schema, property.ty, name).ok()
    }

    fn principal(&mut self, ty: &str, key: &str, directory: &str, home: &str) -> Result<Handle, BuildError> {
        let principal = self.entity(ty, key)?;
        self.put(principal, "exists", Value::Bool(true))?;
        self.texts(principal, &[("display_name", key), ("directory", directory), ("home_tenant", home)])?;
        Ok(principal)
    }

    fn principals(&mut self) -> Done {
        let n = 20 + 4 * self.shape.subscriptions;
        for at in 0..n {
            let partner = self.random.below(3) as usize;
            let (kind, theirs) = (self.random.below(100), partner_tenant(partner));
            let guest = kind < 12;
            let home = if guest { theirs.as_str() } else { HOME };
            if kind < 80 {
                let user = self.principal("User", &guid(0xa, at), HOME, home)?;
                let enabled = !self.random.permille(50);
                self.put(user, "account_enabled", Value::Bool(enabled))?;
                self.texts(
                    user,
                    &[("user_type", if guest { "Guest" } else { "Member" }), ("user_principal_name", &format!("user{at}@contoso.example"))],
                )?;
                self.none(user, "mail")?;
                let reviewed = self.random.below(400);
                self.put(user, "last_reviewed_at", Value::Instant(day(reviewed)))?;
                self.people.push(user);
            } else if kind < 97 {
                let owner = if kind < 85 { theirs.as_str() } else { HOME };
                let application = self.principal("ServicePrincipal", &guid(0xa, at), HOME, owner)?;
                self.put(application, "account_enabled", Value::Bool(true))?;
                self.text(application, "app_owner_tenant", owner)?;
                self.people.push(application);
            } else {
                let outside = self.principal("ForeignGroup", &guid(0xa, at), &theirs, &theirs)?;
                self.foreign.push((partner, outside));
            }
        }
        for at in 0..5 + n / 6 {
            let group = self.principal("Group", &guid(0x90, at), HOME, HOME)?;
            self.groups.push(group);
        }
        Ok(())
    }

    fn memberships(&mut self) -> Done {
        for at in 0..self.groups.len() {
            let Some(group) = self.groups.get(at).copied() else { continue };
            for _ in 0..1 + self.random.skewed(24) {
                let Some(member) = self.random.pick(&self.people) else { continue };
                let interval = match self.random.below(4) {
                    0 => Interval { from: Bound::At(day(900)), to: Bound::At(day(30)) },
                    1 => {
                        let since = self.random.below(900);
                        Interval::since(day(since))
                    }
                    _ => Interval::CURRENT,
                };
                self.builder.link(group, "members", member, interval, self.api)?;
            }
            // Mostly downwards; the few that lead back make circles.
            let nested = if self.random.permille(50) { self.groups.first().copied() } else { self.groups.get(at + 1).copied() };
            if let Some(nested) = nested.filter(|_| self.random.permille(400)) {
                self.builder.link(group, "members", nested, Interval::CURRENT, self.api)?;
            }
            if self.random.permille(20) {
                // Gone, or nobody knows what it is.
                let ty = if self.gap() { "Principal" } else { "AbsentPrincipal" };
                let unread = self.entity(ty, &guid(0xdead, u32::try_from(at).unwrap_or(0)))?;
                self.builder.link(group, "members", unread, Interval::CURRENT, self.api)?;
            }
            let claim = if self.gap() {
                Completeness::open(Some("members could not be read".to_owned()), Some(self.api))
            } else {
                Completeness { covered: vec![Interval::since(day(600))], ..Completeness::now(Some(self.api)) }
            };
            self.builder.claim(group, "members", claim)?;
        }
        Ok(())
    }

    fn roles(&mut self) -> Done {
        for (id, name, ty) in ROLES {
            let role = self.entity("RoleDefinition", id)?;
            self.texts(role, &[("display_name", name), ("type", ty)])?;
            self.put(role, "pec_eligible", Value::Bool(name != "Reader"))?;
            for action in if name.starts_with("Owner") { &["*"][..] } else { &["*/read"] } {
                self.builder.add_value(role, "actions", Value::text(action), self.api)?;
            }
            for list in ["actions", "not_actions", "data_actions", "not_data_actions"] {
                self.builder.claim(role, list, Completeness::now(Some(self.api)))?;
            }
            self.roles.push(role);
        }
        Ok(())
    }

    fn holder(&mut self) -> Option<Handle> {
        if self.random.permille(500) { self.random.pick_skewed(&self.groups) } else { self.random.pick(&self.people) }
    }

    fn assignments(&mut self) -> Done {
        let n = 12 * self.shape.subscriptions;
        let mut scopes = self.scopes.clone();
        scopes.extend_from_within(..);
        scopes.extend(self.subscriptions.iter().cycle().take(self.scopes.len()));
        for at in 0..n {
            let Some(scope) = self.random.pick(&scopes) else { continue };
            let gone = self.random.permille(8);
            let holder = match self.holder() {
                Some(holder) if !gone => holder,
                _ => {
                    let gone = self.entity("AbsentPrincipal", &guid(0xff, at))?;
                    self.put(gone, "exists", Value::Bool(false))?;
                    gone
                }
            };
            let key = format!("{}/providers/microsoft.authorization/roleassignments/{}", self.builder.key_of(scope), guid(0x4a, at));
            let ty = if self.random.permille(930) { "RoleAssignment" } else { "RoleEligibility" };
            let grant = self.entity(ty, &key)?;
            self.put(grant, "scope", scope.value())?;
            self.put(grant, "principal", holder.value())?;
            let role = self.random.skewed(5) as usize;
            let Some(role) = self.roles.get(role).copied() else { continue };
            self.put(grant, "role", role.value())?;
            if ty == "RoleEligibility" {
                self.none(grant, "ends_at")?;
                continue;
            }
            let kind = if self.random.permille(900) { "Standing" } else { "Activated" };
            self.text(grant, "kind", kind)?;
            let created = self.random.below(1500);
            self.put(grant, "created_at", Value::Instant(day(created)))?;
            match self.random.below(20) {
                0 => self.put(grant, "ends_at", Value::Instant(day(created / 2)))?,
                _ => self.none(grant, "ends_at")?,
            }
            if self.random.permille(20) && self.shape.gaps > 0 {
                self.builder.set_unknown(grant, "effective", "a condition is attached and was not evaluated", self.api)?;
            } else {
                self.put(grant, "effective", Value::Bool(true))?;
            }
        }
        Ok(())
    }

    fn administrators(&mut self) -> Done {
        for at in 0..self.subscriptions.len() {
            let Some(subscription) = self.subscriptions.get(at).copied().filter(|_| self.random.permille(200)) else { continue };
            let key = format!("{}/providers/microsoft.authorization/classicadministrators/{at}", self.builder.key_of(subscription));
            let administrator = self.entity("ClassicAdministrator", &key)?;
            self.put(administrator, "subscription", subscription.value())?;
            let user = self.random.below(20 + 4 * self.shape.subscriptions);
            self.texts(administrator, &[("email", &format!("user{user}@contoso.example")), ("role", "CoAdministrator")])?;
        }
        Ok(())
    }

    fn partners(&mut self) -> Done {
        for at in 0..self.subscriptions.len() {
            let Some(subscription) = self.subscriptions.get(at).copied() else { continue };
            for n in 0..self.random.skewed(4) {
                self.designation(subscription, &format!("des-{at}-{n}"))?;
            }
            if self.random.permille(150) {
                self.delegation(subscription, at)?;
            }
        }
        let n = self.people.len() / 12;
        for at in 0..n {
            let Some(identity) = self.random.pick(&self.people) else { continue };
            let link = self.entity("PartnerLink", &format!("pal-{at}"))?;
            let partner = self.random.pick_skewed(&PARTNERS).unwrap_or("3664167");
            self.put(link, "identity", identity.value())?;
            let state = if self.random.permille(850) { "Active" } else { "Removed" };
            self.texts(link, &[("tenant", HOME), ("partner", partner), ("partner_id", partner), ("state", state)])?;
        }
        Ok(())
    }

    fn designation(&mut self, subscription: Handle, key: &str) -> Done {
        let record = self.entity("Designation", key)?;
        let source = if self.random.permille(100) { self.lapsed } else { self.attested };
        let partner = self.random.pick_skewed(&PARTNERS).unwrap_or("3664167");
        self.builder.set(record, "subscription", subscription.value(), source)?;
        for (name, text) in [("mechanism", "Dpor"), ("partner", partner), ("partner_id", partner)] {
            self.builder.set_text(record, name, text, source)?;
        }
        let made = self.random.below(1800);
        self.builder.set(record, "designated_at", Value::Instant(day(made)), source)?;
        if let Some(by) = self.random.pick(&self.people) {
            self.put(record, "designated_by", by.value())?;
        }
        match self.random.below(5) {
            0 => self.put(record, "removed_at", Value::Instant(day(made / 2))),
            _ => self.none(record, "removed_at"),
        }
    }

    fn delegation(&mut self, subscription: Handle, at: usize) -> Done {
        let key = format!("{}/providers/microsoft.managedservices/registrationassignments/{at}", self.builder.key_of(subscription));
        let delegation = self.entity("Delegation", &key)?;
        let partner = self.random.below(3) as usize;
        self.put(delegation, "scope", subscription.value())?;
        self.text(delegation, "managing_tenant", &partner_tenant(partner))?;
        self.none(delegation, "offer_publisher")?;
        let authorization = self.entity("Authorization", &format!("{key}|{partner}"))?;
        self.put(authorization, "delegation", delegation.value())?;
        let outside = self.random.pick(&self.foreign).map(|(_, outside)| self.builder.key_of(outside).to_owned());
        self.text(authorization, "principal_id", &outside.unwrap_or_else(|| guid(0xf0, 0)))?;
        let role = self.random.pick(&ROLES).map_or(OWNER, |(id, ..)| id);
        self.text(authorization, "role", role)
    }

    fn claims(&mut self) -> Done {
        for name in LISTED {
            let ty = self.builder.entity_type(name)?;
            let claim = if self.gap() {
                Completeness::open(Some(format!("the list of {name} was cut off")), Some(self.api))
            } else {
                Completeness { covered: vec![Interval::since(day(700))], ..Completeness::now(Some(self.api)) }
            };
            self.builder.claim_extent(ty, claim);
        }
        // Here and there a single list could not be read although the rest was.
        for at in 0..self.scopes.len() {
            let Some(scope) = self.scopes.get(at).copied() else { continue };
            if self.gap() {
                let open = Completeness::open(Some("403".to_owned()), Some(self.api));
                self.builder.claim(scope, "role_assignments", open)?;
            }
        }
        self.locks()
    }

    /// Some subscriptions and groups are locked, and of some nobody read whether they are.
    fn locks(&mut self) -> Done {
        for scope in self.scopes.clone() {
            let key = self.builder.key_of(scope).to_owned();
            let lockable = key.starts_with("/subscriptions/");
            let claim = if lockable && self.gap() {
                Completeness::open(Some("403".to_owned()), Some(self.api))
            } else {
                Completeness::now(Some(self.api))
            };
            self.builder.claim(scope, "locks", claim)?;
            if lockable && self.random.permille(60) {
                let lock = self.entity("Lock", &format!("{key}/providers/microsoft.authorization/locks/keep"))?;
                self.builder.refer(lock, "scope", scope, self.api)?;
                let level = if self.random.permille(500) { "CanNotDelete" } else { "ReadOnly" };
                self.text(lock, "level", level)?;
            }
        }
        Ok(())
    }
}

//! What is never done by a plan, whatever a rule asks for: the last Owner, our own access, accounts for emergencies, groups
//! of other directories, what a lock protects.
//!
//! Looks at what actions change, not at what they are called, so that an action nobody thought of is held back too.

use std::collections::BTreeSet;

use super::access::Access;
use super::problem::{Problem, ProblemKind, involved};
use super::trial::Act;
use crate::check::{Expr, ExprKind, Policies};
use crate::evaluate::{Evaluator, Scan, Truth};
use crate::model::{Base, EntityId, Type, Value};
use crate::snapshot::{CellState, Change, Snapshot};

/// Looks at the actions of one proposal.
pub(super) struct Guard<'a> {
    pub(super) policies: &'a Policies,
    pub(super) scan: &'a Scan,
    pub(super) run: usize,
    /// Object id of the identity that will apply the plan.
    pub(super) principal: Option<&'a str>,
}

impl Guard<'_> {
    /// Says what must not be done; nothing if all may be.
    pub(super) fn problems(&self, before: &Snapshot, after: &Snapshot, acts: &[Act]) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut scopes = BTreeSet::new();
        for change in acts.iter().flat_map(|act| &act.changes) {
            self.change(before, change, &mut found, &mut scopes);
        }
        self.owners(before, after, &scopes, &mut found);
        let mut once = Vec::new();
        for problem in found {
            if !once.contains(&problem) {
                once.push(problem);
            }
        }
        once
    }

    fn change(&self, before: &Snapshot, change: &Change, found: &mut Vec<Problem>, scopes: &mut BTreeSet<EntityId>) {
        let access = Access::new(before, self.scan.now);
        match change {
            Change::End(id, _) => {
                Self::locked(&access, *id, true, found);
                if access.is_a(*id, "RoleAssignment") || access.is_a(*id, "RoleEligibility") || access.is_a(*id, "DirectoryRoleAssignment")
                {
                    self.taken(&access, *id, found);
                }
                if access.is_a(*id, "RoleAssignment") && access.is_owner_role(*id) {
                    scopes.extend(access.reference(*id, "scope").into_iter().flat_map(|scope| access.subscriptions_below(scope)));
                }
            }
            Change::Set(id, property, state) => {
                let name = before.schema().property(*property).map_or("", |property| property.name.as_str());
                let off = *state == CellState::Known(Value::Bool(false));
                if off && matches!(name, "account_enabled" | "exists") && access.is_a(*id, "Principal") {
                    self.person(&access, *id, found);
                    let owned = access.extent("Subscription").into_iter();
                    scopes.extend(owned.filter(|scope| access.owners(*scope).iter().any(|holding| holding.principal == *id)));
                }
                Self::locked(&access, *id, false, found);
            }
            Change::Create(_, cells) => {
                let scope = cells.iter().find_map(|(property, state)| {
                    let named = before.schema().property(*property).is_some_and(|property| property.name == "scope");
                    if let CellState::Known(Value::Entity(scope)) = state { named.then_some(*scope) } else { None }
                });
                found.extend(scope.into_iter().filter_map(|scope| Self::lock(&access, scope, false)));
            }
        }
    }

    /// Access of somebody goes.
    fn taken(&self, access: &Access<'_>, id: EntityId, found: &mut Vec<Problem>) {
        let Some(principal) = access.reference(id, "principal") else {
            let text = format!("whose access {} is, is not known", access.world.key(id));
            found.push(Problem { kind: ProblemKind::Unknown, text, world: involved(access.world, &[id]) });
            return;
        };
        if access.is_a(principal, "ForeignGroup") {
            let text = format!(
                "the access of {}, a group of another directory, is a matter of the reseller's contract and is never taken by a plan",
                access.world.label(principal)
            );
            found.push(Problem { kind: ProblemKind::Guard, text, world: involved(access.world, &[principal, id]) });
        }
        for (person, _) in access.people(principal) {
            self.person(access, person, found);
        }
    }

    fn person(&self, access: &Access<'_>, person: EntityId, found: &mut Vec<Problem>) {
        let name = access.world.label(person);
        let mut refuse = |kind: ProblemKind, text: String| {
            found.push(Problem { kind, text, world: involved(access.world, &[person]) });
        };
        if self.is_us(access, person) {
            refuse(ProblemKind::Guard, format!("it would take access from {name}, who applies the plan"));
        }
        match access.state(person, "is_break_glass") {
            Some(CellState::Known(Value::Bool(true))) => {
                refuse(ProblemKind::Guard, format!("{name} is an account for emergencies, which no plan touches"));
            }
            // Guests and applications are not kept for emergencies; of a member somebody has to say it.
            Some(CellState::Unknown(_)) if access.spelling(person, "user_type").as_deref() == Some("Member") => {
                let text = format!("whether {name} is an account for emergencies is not known; state it in the register of principals");
                refuse(ProblemKind::Unknown, text);
            }
            _ => {}
        }
    }

    fn is_us(&self, access: &Access<'_>, person: EntityId) -> bool {
        self.principal.is_some_and(|own| access.world.key(person).eq_ignore_ascii_case(own))
    }

    fn locked(access: &Access<'_>, id: EntityId, ends: bool, found: &mut Vec<Problem>) {
        let scope = if access.is_a(id, "Scope") { Some(id) } else { access.reference(id, "scope") };
        let scope = scope.or_else(|| access.reference(access.reference(id, "delegation")?, "scope"));
        found.extend(scope.and_then(|scope| Self::lock(access, scope, ends)));
    }

    /// A lock on a scope or above it: `CanNotDelete` keeps everything from being deleted, `ReadOnly` from being changed too. Where
    /// locks were not read, there may be one.
    fn lock(access: &Access<'_>, scope: EntityId, ends: bool) -> Option<Problem> {
        let lockable = access.lockable(scope);
        let mut locks: Vec<EntityId> = lockable.iter().flat_map(|scope| access.members(*scope, "locks")).collect();
        locks.extend(access.members(scope, "inherited_locks"));
        let held = locks.into_iter().find(|lock| match access.spelling(*lock, "level").as_deref() {
            // A level nobody knows may be any.
            Some("ReadOnly") | None => true,
            Some("CanNotDelete") => ends,
            Some(_) => false,
        });
        let label = access.world.label(scope);
        if let Some(lock) = held {
            let level = access.spelling(lock, "level").unwrap_or_else(|| "of a level that is not known".to_owned());
            let text = format!("{label} is under a lock ({level}): {}", access.world.key(lock));
            return Some(Problem { kind: ProblemKind::Guard, text, world: involved(access.world, &[scope, lock]) });
        }
        let (unread, reason) = lockable.into_iter().find_map(|scope| Some((scope, access.open(scope, "locks")?)))?;
        let text = format!(
            "whether a lock protects {label} is not known: the locks of {} were not all read ({reason}); reading them needs Microsoft.Authorization/locks/read",
            access.world.key(unread)
        );
        Some(Problem { kind: ProblemKind::Unknown, text, world: involved(access.world, &[scope, unread]) })
    }

    /// Never below one working Owner of a subscription.
    fn owners(&self, before: &Snapshot, after: &Snapshot, scopes: &BTreeSet<EntityId>, found: &mut Vec<Problem>) {
        for scope in scopes {
            if self.working_owners(after, *scope) > 0 {
                continue;
            }
            let text = format!(
                "{} would be left without a working Owner: a member of the customer, enabled, standing, not of the partner and not who applies the plan",
                before.label(*scope)
            );
            found.push(Problem { kind: ProblemKind::Guard, text, world: involved(before, &[*scope]) });
        }
    }

    /// Counts the people who surely are Owner of a scope, can sign in, and are the customer's own.
    pub(super) fn working_owners(&self, world: &Snapshot, scope: EntityId) -> usize {
        let access = Access::new(world, self.scan.now);
        let Some(evaluator) = self.scan.evaluator(self.policies, world, self.run) else { return 0 };
        let works = |person: EntityId, assignment: EntityId| {
            access.spelling(person, "user_type").as_deref() == Some("Member")
                && access.is(person, "account_enabled")
                && access.is(person, "exists")
                && access.spelling(assignment, "kind").as_deref() == Some("Standing")
                && !self.is_us(&access, person)
                && self.is_partners(&evaluator, person) == Truth::False
        };
        let owners = access.owners(scope).into_iter().filter(|holding| works(holding.principal, holding.assignment));
        owners.map(|holding| holding.principal).collect::<BTreeSet<_>>().len()
    }

    /// Whether somebody is of the partner, as the library of policies decides it.
    fn is_partners(&self, evaluator: &Evaluator<'_>, person: EntityId) -> Truth {
        let defs = (0..).map(crate::check::DefId).zip(&self.policies.defs);
        let mut found = defs.filter(|(_, def)| def.name == "is_partner_identity" && def.module == "lib.dpor");
        let Some((id, def)) = found.next() else { return Truth::Unknown };
        let ty = def.formals.first().map_or(Type::of(Base::Nothing), |(_, ty)| *ty);
        let argument = Expr { kind: ExprKind::Value(Value::Entity(person)), ty, span: def.span };
        let call = Expr { kind: ExprKind::Call(id, vec![argument]), ty: Type::of(Base::Bool), span: def.span };
        evaluator.begin();
        evaluator.truth(&call, &mut Vec::new())
    }
}

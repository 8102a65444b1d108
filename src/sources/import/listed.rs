//! What a listing of one scope says of the scopes above and below.

use serde_json::Value;

use super::intake::{Grant, Intake, Taken};
use super::{Fields, Kind};
use crate::model::{Interval, canonical_arm_id, covers_path};

/// Returns the subscription that an unrecorded listing of role assignments was made for: the only one it names.
pub(super) fn inferred_scope(grants: &[Grant]) -> Option<String> {
    let mut subscriptions: Vec<String> = grants.iter().filter_map(|grant| subscription_of(&grant.scope)).collect();
    subscriptions.sort();
    subscriptions.dedup();
    match subscriptions.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

fn subscription_of(scope: &str) -> Option<String> {
    let mut segments = scope.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("subscriptions"), Some(guid)) => Some(format!("/subscriptions/{guid}")),
        _ => None,
    }
}

/// Links what a listing of `scope` returned from above and from below.
pub(super) fn relate(intake: &mut Intake<'_>, scope: &str, grants: &[Grant]) -> Taken {
    let scope = canonical_arm_id(scope);
    let handle = intake.scope(&scope)?;
    for grant in grants.iter().filter(|grant| grant.scope != scope) {
        let below = covers_path(&scope, &grant.scope);
        let above = subscription_of(&grant.scope).is_none() || covers_path(&grant.scope, &scope);
        let list = match (grant.denies, below, above) {
            (false, true, _) => "role_assignments_below",
            (false, false, true) => "inherited_role_assignments",
            (true, false, true) => "inherited_deny_assignments",
            _ => continue,
        };
        intake.builder.link(handle, list, grant.handle, Interval::CURRENT, grant.source)?;
        if list == "inherited_role_assignments" {
            intake.later.upper.entry(scope.clone()).or_default().insert((grant.handle, grant.source));
        }
    }
    Ok(())
}

/// Returns the scope whose list an object stands in, as far as the object tells.
pub(super) fn holder_of(kind: Kind, item: &Value) -> Option<String> {
    let fields = Fields::of(item);
    let id = canonical_arm_id(fields.id().ok()?);
    let before = |mark: &str| id.find(mark).and_then(|at| id.get(..at)).filter(|scope| !scope.is_empty()).map(str::to_owned);
    match kind {
        Kind::ResourceGroup | Kind::ClassicAdministrator => subscription_of(&id),
        Kind::RoleAssignment | Kind::RoleEligibility | Kind::DenyAssignment => fields.text("scope").map(canonical_arm_id),
        Kind::Lock => crate::sources::arm::locks::scope_of(&id),
        Kind::RegistrationAssignment => before("/providers/microsoft.managedservices/"),
        Kind::BillingSubscription => before("/billingsubscriptions/"),
        Kind::EnrollmentAccount => before("/departments/").or_else(|| before("/enrollmentaccounts/")),
        _ => None,
    }
}

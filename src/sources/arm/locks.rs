//! Management locks.
//!
//! A listing without a filter returns the locks at, above and below its scope; `$filter=atScope()` those at it and above it. Locks are
//! made on subscriptions, resource groups and resources (REST specification Microsoft.Authorization 2016-09-01, `locks.json`;
//! Azure PowerShell reference, `Get-AzResourceLock -AtScope`; read 2026-11).

use serde_json::Value;

use crate::model::canonical_arm_id;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

/// What stands between the scope of a lock and its name.
const MARK: &str = "/providers/microsoft.authorization/locks/";

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.id()?;
    let scope = scope_of(id).ok_or_else(|| Refusal::new("its id names no scope that can be locked"))?;
    let source = intake.source("arm:locks");
    let lock = intake.builder.entity_named("Lock", id)?;
    let scope = intake.scope(&scope)?;
    intake.builder.refer(lock, "scope", scope, source)?;
    intake.copy(lock, "level", fields.get("level"), source)
}

/// Returns the scope that a lock is made on, from its id, canonical.
pub(in crate::sources) fn scope_of(id: &str) -> Option<String> {
    let id = canonical_arm_id(id);
    let scope = id.rfind(MARK).and_then(|at| id.get(..at))?;
    scope.starts_with("/subscriptions/").then(|| scope.to_owned())
}

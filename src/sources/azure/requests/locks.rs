//! What keeps a lock from being met half-way: before a write, the locks that hold for its scope are read.
//!
//! `ReadOnly` forbids any write, `CanNotDelete` a removal. `$filter=atScope()` returns the locks at a scope and above it. Only
//! subscriptions, resource groups and resources can be locked (REST specification Microsoft.Authorization 2016-09-01,
//! `locks.json`; Azure PowerShell reference, `Get-AzResourceLock -AtScope`; read 2026-11).

use serde_json::json;

use super::operation::Place;
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Operation, Request, Service, Undo};

const API: &str = "2016-09-01";

/// Adds to what a step and its undo rely on that no lock forbids them.
pub(super) fn watched(mut bound: Bound) -> Bound {
    add(&mut bound.operation);
    if let Undo::By(undo) = &mut bound.undo {
        add(undo);
    }
    bound
}

fn add(operation: &mut Operation) {
    operation.before.extend(unlocked(&operation.request));
}

fn unlocked(request: &Request) -> Vec<Expectation> {
    let Some(scope) = scope_of(request) else { return Vec::new() };
    let place = Place::arm(format!("{scope}/providers/Microsoft.Authorization/locks"), API).with("$filter", "atScope()");
    let none = |level: &str, what: &str| place.nothing(&[("/properties/level", json!(level))], format!("no lock forbids {what} {scope}"));
    let mut found = vec![none("ReadOnly", "writing to")];
    if request.method == Method::Delete {
        found.push(none("CanNotDelete", "deleting from"));
    }
    found
}

/// Returns the scope that a request writes to, if it is one that can be locked.
fn scope_of(request: &Request) -> Option<&str> {
    let (scope, _) = request.path.rsplit_once("/providers/")?;
    (request.service == Service::Arm && scope.to_ascii_lowercase().starts_with("/subscriptions/")).then_some(scope)
}

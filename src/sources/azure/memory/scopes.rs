//! The tree of scopes: tenant, management groups, subscriptions, resource groups, resources.

use jiff::Timestamp;

use super::call::text;
use super::store::{Kind, Store};

/// The deepest chain of scopes that is followed.
const DEPTH_MAX: usize = 64;

/// Brings a scope into the form in which scopes are compared: lower case, no slash at the end, `/` for the root.
pub(super) fn canonical(scope: &str) -> String {
    let lower = scope.trim_end_matches('/').to_lowercase();
    if lower.is_empty() { "/".to_owned() } else { lower }
}

/// Returns the scope and everything above it up to the root. What has no known parent hangs under the root.
pub(super) fn chain(store: &Store, scope: &str, now: Timestamp) -> Vec<String> {
    let mut chain = vec![canonical(scope)];
    for _ in 0..DEPTH_MAX {
        let Some(last) = chain.last().filter(|last| *last != "/") else { break };
        chain.push(parent(store, last, now));
    }
    chain
}

fn parent(store: &Store, scope: &str, now: Timestamp) -> String {
    let segments: Vec<&str> = scope.split('/').collect();
    let inside = |n: usize| segments.get(..n).unwrap_or_default().join("/");
    match segments.as_slice() {
        ["", "subscriptions", _] | ["", "providers", "microsoft.management", "managementgroups", _] => {
            let above = store.visible(Kind::Entity, scope, now).and_then(|entity| text(entity, "/properties/parent/id"));
            above.map_or_else(|| "/".to_owned(), canonical)
        }
        ["", "subscriptions", _, "resourcegroups", _] => inside(3),
        ["", "subscriptions", _, "resourcegroups", _, ..] => inside(5),
        ["", "subscriptions", _, ..] => inside(3),
        _ => "/".to_owned(),
    }
}

/// Tells whether `inner` lies below `outer`, judged by their paths alone.
pub(super) fn is_below(outer: &str, inner: &str) -> bool {
    let outer = canonical(outer);
    outer != "/" && canonical(inner).strip_prefix(&outer).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns the subscription a scope lies in.
pub(super) fn subscription(scope: &str) -> Option<String> {
    let scope = canonical(scope);
    let mut segments = scope.split('/').skip(1);
    (segments.next() == Some("subscriptions")).then(|| segments.next().map(|id| format!("/subscriptions/{id}"))).flatten()
}

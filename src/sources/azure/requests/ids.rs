//! Paths of resources, and names that are chosen by us.

use uuid::Uuid;

use crate::model::trailing_guid;

/// The name space of the names we choose; version 5 of RFC 9562 over it gives the same name for the same thing, so that a
/// request that is sent again finds its own resource and makes no second one.
const NAMES: Uuid = Uuid::from_u128(0x5b1c_8f0e_7a3d_4c26_9e4f_2d60_b1a7_c93e);

/// Chooses a name for a thing made of parts; case does not matter.
pub(super) fn name_of(kind: &str, parts: &[&str]) -> String {
    let text = [kind].iter().chain(parts).map(|part| part.to_lowercase()).collect::<Vec<_>>().join("|");
    Uuid::new_v5(&NAMES, text.as_bytes()).to_string()
}

/// Puts a path below a scope; the root scope `/` has no path of its own.
pub(super) fn below(scope: &str, rest: &str) -> String {
    format!("{}{rest}", scope.trim_end_matches('/'))
}

/// Cuts the canonical id of a resource of a provider into its scope and its name.
pub(super) fn cut(id: &str, provider_type: &str) -> Result<(String, String), String> {
    let marker = format!("/providers/{}/", provider_type.to_lowercase());
    let lower = id.to_lowercase();
    let found = lower.rfind(&marker).and_then(|at| Some((id.get(..at)?, id.get(at + marker.len()..)?)));
    match found {
        Some((scope, name)) if !name.is_empty() && !name.contains('/') => {
            Ok((if scope.is_empty() { "/".to_owned() } else { scope.to_owned() }, name.to_owned()))
        }
        _ => Err(format!("`{id}` is no id of {provider_type}, so its path is not known")),
    }
}

/// Returns the id of a role definition as it is sent for a scope: below its subscription, or of the whole directory.
pub(super) fn role_definition(scope: &str, guid: &str) -> String {
    let guid = trailing_guid(guid);
    below(&subscription_of(scope).unwrap_or_default(), &format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}"))
}

/// Returns the path of the subscription that holds a scope.
pub(super) fn subscription_of(scope: &str) -> Option<String> {
    let mut parts = scope.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some(word), Some(id)) if word.eq_ignore_ascii_case("subscriptions") && !id.is_empty() => Some(format!("/subscriptions/{id}")),
        _ => None,
    }
}

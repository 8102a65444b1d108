//! Canonical forms of identities.
//!
//! ARM compares ids without regard to case, Resource Graph lower-cases them and AzureHound upper-cases them, so every id
//! is brought to lower case when it is loaded (domain notes §6, "ids in examples and exports differ in case").

use super::types::Base;

/// Returns the canonical form of an ARM id: lower case, one leading slash, no trailing or doubled slash.
#[must_use]
pub fn canonical_arm_id(text: &str) -> String {
    let mut id = String::with_capacity(text.len() + 1);
    for segment in text.split('/').map(str::trim).filter(|segment| !segment.is_empty()) {
        id.push('/');
        id.push_str(&segment.to_lowercase());
    }
    if id.is_empty() { "/".to_owned() } else { id }
}

/// Returns the canonical form of a GUID: lower case, without braces.
///
/// Official examples hold ids that are no GUIDs (`string`, `xxxx-xxxx`), so the shape is not enforced here.
#[must_use]
pub fn canonical_guid(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c == '{' || c == '}').to_lowercase()
}

/// Tells whether a text has the form of a GUID: five groups of hexadecimal digits, without braces.
#[must_use]
pub fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Returns the last segment of a role definition id, which identifies the role whatever scope it was read through.
#[must_use]
pub fn trailing_guid(id: &str) -> String {
    canonical_guid(id.trim().trim_end_matches('/').rsplit('/').next().unwrap_or(id))
}

/// Returns the canonical form of a key of this type.
#[must_use]
pub fn canonical_key(base: Base, text: &str) -> String {
    match base {
        Base::ArmId => canonical_arm_id(text),
        Base::Guid => canonical_guid(text),
        _ => text.trim().to_owned(),
    }
}

/// Tells whether the scope path `upper` is `lower` or one of its leading segments; both must be canonical.
#[must_use]
pub fn covers_path(upper: &str, lower: &str) -> bool {
    if upper == "/" {
        return true;
    }
    lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the parent that the path of a canonical scope id itself names, if it names one.
///
/// A resource group names its subscription, a resource its resource group (or its subscription). A subscription or a
/// management group does not name its parent.
#[must_use]
pub fn parent_path(id: &str) -> Option<String> {
    let segments: Vec<&str> = id.split('/').skip(1).collect();
    match segments.as_slice() {
        ["subscriptions", sub, "resourcegroups", _] => Some(format!("/subscriptions/{sub}")),
        ["subscriptions", sub, "resourcegroups", group, _, ..] => Some(format!("/subscriptions/{sub}/resourcegroups/{group}")),
        ["subscriptions", sub, "providers", _, ..] => Some(format!("/subscriptions/{sub}")),
        _ => None,
    }
}

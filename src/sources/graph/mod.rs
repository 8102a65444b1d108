//! Objects of Microsoft Graph, one family a file.

pub(super) mod commerce_subscriptions;
pub(super) mod cross_tenant_partners;
pub(super) mod delegated_admin_relationships;
pub(super) mod directory_roles;
pub(super) mod organization;
pub(super) mod principals;

//! Objects of Azure Resource Manager, one family a file.

pub(super) mod activity_log;
pub(super) mod billing;
pub(super) mod classic_administrators;
pub(super) mod deny_assignments;
pub(super) mod locks;
pub(super) mod managed_services;
pub(super) mod management_groups;
pub(super) mod partner_links;
pub(super) mod privileged_access;
pub(super) mod resource_groups;
pub(super) mod role_assignments;
pub(super) mod role_definitions;
pub(super) mod subscription_aliases;
pub(super) mod subscriptions;
pub(super) mod tenants;

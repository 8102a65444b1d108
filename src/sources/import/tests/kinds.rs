use super::*;

#[test]
fn a_subscription_tells_its_offer_but_not_its_agreement() {
    let text = format!(
        r#"{{"id":"{}","subscriptionId":"AAAAAAAA-0000-0000-0000-000000000001","tenantId":"{TENANT}","displayName":"Prod",
        "state":"Enabled","subscriptionPolicies":{{"quotaId":"EnterpriseAgreement_2014-09-01"}},"managedByTenants":[]}}"#,
        SUB.to_uppercase()
    );
    let (snapshot, reports) = arm(&[("s.json", &text)], &ImportOptions::default());
    assert_eq!(reports[0].taken, vec![("subscriptions".to_owned(), 1)]);
    let at = |name| cell(&snapshot, "Subscription", SUB, name);
    assert_eq!(at("display_name"), "Prod");
    assert_eq!(at("offer_class"), "EnterpriseOrCustomerAgreement");
    assert_eq!(at("agreement"), "unknown: not read");
    assert_eq!(at("service"), "Azure");
    assert_eq!(at("tenant"), TENANT);
    assert_eq!(list(&snapshot, "Subscription", SUB, "managed_by_tenants"), " (whole)");
}

#[test]
fn a_state_never_seen_stays_unknown_with_its_spelling() {
    let text = format!(r#"{{"id":"{SUB}","subscriptionId":"x","displayName":"a","state":"Frozen","subscriptionPolicies":{{}}}}"#);
    let (snapshot, _) = arm(&[("s.json", &text)], &ImportOptions::default());
    assert!(cell(&snapshot, "Subscription", "/subscriptions/x", "state").contains("Frozen"));
}

#[test]
fn a_role_assignment_with_a_condition_may_not_take_effect() {
    let plain = assignment(SUB, "r1", "p1", r#","principalType":"User","condition":null,"createdOn":"2026-01-02T03:04:05.1234567Z""#);
    let bound = assignment(SUB, "r2", "p2", r#","principalType":"Unknown","condition":"@Resource[x] 'y'""#);
    let (snapshot, _) = arm(&[("a.json", &format!(r#"{{"value":[{plain},{bound}]}}"#))], &ImportOptions::default());
    let id = |name: &str| format!("{SUB}/providers/microsoft.authorization/roleassignments/{name}");
    assert_eq!(cell(&snapshot, "RoleAssignment", &id("r1"), "effective"), "true");
    assert_eq!(cell(&snapshot, "RoleAssignment", &id("r1"), "created_at"), "2026-01-02T03:04:05.1234567Z");
    assert_eq!(cell(&snapshot, "RoleAssignment", &id("r1"), "role"), OWNER);
    assert_eq!(cell(&snapshot, "RoleAssignment", &id("r1"), "kind"), "unknown: not read");
    assert!(cell(&snapshot, "RoleAssignment", &id("r2"), "effective").starts_with("unknown: a condition is attached"));
    assert_eq!(extent(&snapshot, "User").split(' ').next(), Some("p1"));
    assert_eq!(cell(&snapshot, "Principal", "p2", "exists"), "unknown: not read");
}

#[test]
fn a_role_definition_unites_its_permissions_and_knows_its_credit() {
    let text = format!(
        r#"[{{"id":"/providers/Microsoft.Authorization/roleDefinitions/{OWNER}","type":"Microsoft.Authorization/roleDefinitions",
        "properties":{{"roleName":"Owner","type":"BuiltInRole","assignableScopes":["/"],
        "permissions":[{{"actions":["*"],"notActions":[]}},{{"actions":["Microsoft.Compute/*"]}}]}}}},
        {{"id":"/providers/Microsoft.Authorization/roleDefinitions/c1","type":"Microsoft.Authorization/roleDefinitions",
        "properties":{{"roleName":"Owner","type":"CustomRole","permissions":[]}}}}]"#
    );
    let (snapshot, _) = arm(&[("d.json", &text)], &ImportOptions::default());
    assert_eq!(list(&snapshot, "RoleDefinition", OWNER, "actions"), "* microsoft.compute/* (whole)");
    assert_eq!(list(&snapshot, "RoleDefinition", OWNER, "not_actions"), " (whole)");
    assert_eq!(cell(&snapshot, "RoleDefinition", OWNER, "pec_eligible"), "true");
    assert_eq!(cell(&snapshot, "RoleDefinition", "c1", "pec_eligible"), "unknown: not read");
}

#[test]
fn guests_members_and_missing_fields() {
    let users = r#"{"@odata.context":"https://graph.example/v1.0/$metadata#users(id)","value":[
        {"id":"u1","userPrincipalName":"a@example.org","userType":"Member","creationType":null,"accountEnabled":true},
        {"id":"u2","userPrincipalName":"b_x.org#EXT#@example.org","userType":"Guest","creationType":"Invitation"},
        {"displayName":"no id"}]}"#;
    let organization = format!(r#"{{"id":"{TENANT}","displayName":"Org","verifiedDomains":[{{"name":"example.org","isDefault":true}}]}}"#);
    let (snapshot, reports) = arm(&[("u.json", users), ("o.json", &organization)], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "User", "u1", "home_tenant"), TENANT);
    assert_eq!(cell(&snapshot, "User", "u1", "creation_type"), "none");
    assert_eq!(cell(&snapshot, "User", "u2", "home_tenant"), "unknown: not read");
    assert_eq!(cell(&snapshot, "User", "u2", "account_enabled"), "unknown: not read");
    assert_eq!(cell(&snapshot, "User", "u1", "exists"), "true");
    assert_eq!(cell(&snapshot, "Tenant", TENANT, "is_home"), "true");
    assert!(skipped(&reports).contains("it has no id"));
    assert!(extent(&snapshot, "User").contains("could not be read"));
}

#[test]
fn the_alias_goes_before_the_purchase_date() {
    let alias = r#"{"id":"string","type":"string","properties":{"subscriptionId":"aaaaaaaa-0000-0000-0000-000000000001",
        "createdTime":"2026-02-01T00:00:00Z","acceptOwnershipState":"Completed","billingScope":"x","subscriptionOwnerId":"o"}}"#;
    let bought = r#"{"id":"/providers/Microsoft.Billing/billingAccounts/7/billingSubscriptions/1",
        "type":"Microsoft.Billing/billingAccounts/billingSubscriptions","properties":{"subscriptionId":
        "aaaaaaaa-0000-0000-0000-000000000001","purchaseDate":"2026-01-01T00:00:00Z","reseller":{"resellerId":"123456"}}}"#;
    let (snapshot, _) = arm(&[("b.json", bought), ("a.json", alias)], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "Subscription", SUB, "acquired_at"), "2026-02-01");
    assert_eq!(cell(&snapshot, "Subscription", SUB, "reseller_partner_id"), "123456");
    assert!(cell(&snapshot, "Subscription", SUB, "billing_account").ends_with("/billingaccounts/7"));
}

#[test]
fn a_delegation_takes_its_definition_from_another_file() {
    let assigned = format!(
        r#"{{"id":"{SUB}/providers/Microsoft.ManagedServices/registrationAssignments/d1","type":
        "Microsoft.ManagedServices/registrationAssignments","properties":{{"registrationDefinitionId":
        "{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/X"}}}}"#
    );
    let definition = format!(
        r#"{{"value":[{{"id":"{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/x","type":
        "Microsoft.ManagedServices/registrationDefinitions","properties":{{"registrationDefinitionName":"Offer",
        "managedByTenantId":"{TENANT}","authorizations":[{{"principalId":"g1","roleDefinitionId":"{OWNER}"}}],
        "eligibleAuthorizations":[{{"principalId":"g1","roleDefinitionId":"{OWNER}",
        "justInTimeAccessPolicy":{{"maximumActivationDuration":"PT8H"}}}}]}}}}]}}"#
    );
    let (snapshot, _) = arm(&[("a.json", &assigned), ("d.json", &definition)], &ImportOptions::default());
    let id = format!("{SUB}/providers/microsoft.managedservices/registrationassignments/d1");
    assert_eq!(cell(&snapshot, "Delegation", &id, "managing_tenant"), TENANT);
    assert_eq!(cell(&snapshot, "Delegation", &id, "offer_publisher"), "none");
    assert!(list(&snapshot, "Delegation", &id, "authorizations").ends_with("(whole)"));
    assert!(cell(&snapshot, "Authorization", &format!("{id}|g1|{OWNER}|eligible"), "maximum_activation").contains("8 hours"));
    assert!(list(&snapshot, "Scope", SUB, "delegations").starts_with("d1 (open"));
}

#[test]
fn licences_billing_links_and_settings() {
    let licence = r#"{"value":[{"id":"i1","commerceSubscriptionId":"c1","skuPartNumber":"SPE_E3","status":"Warning","isTrial":false,
        "ownerTenantId":null,"createdDateTime":"2026-03-01T00:00:00Z"},{"id":"i2","commerceSubscriptionId":"c2","status":"Enabled"}]}"#;
    let agreement = format!(
        r#"{{"id":"{SUB}/providers/Microsoft.Billing/billingProperty/default","type":"Microsoft.Billing/billingProperty",
        "properties":{{"billingAccountAgreementType":"MicrosoftCustomerAgreement"}}}}"#
    );
    let link = format!(
        r#"{{"etag":3,"type":"Microsoft.ManagementPartner/partners","properties":{{"partnerId":"123456","tenantId":"{TENANT}",
        "objectId":"o1","state":"Deleted","createdTime":"2026-01-20T01:23:40.5280496Z"}}}}"#
    );
    let policy = r#"{"id":"authorizationPolicy","allowInvitesFrom":"none"}"#;
    let hierarchy = format!(
        r#"{{"id":"/providers/Microsoft.Management/managementGroups/root/settings/default",
        "type":"Microsoft.Management/managementGroups/settings","name":"root","properties":{{"tenantId":"{TENANT}",
        "defaultManagementGroup":"/providers/Microsoft.Management/managementGroups/DefaultGroup",
        "requireAuthorizationForGroupCreation":true}}}}"#
    );
    let options = ImportOptions { tenant: Some(TENANT.to_owned()), ..ImportOptions::default() };
    let files = [
        ("l.json", licence),
        ("b.json", agreement.as_str()),
        ("p.json", link.as_str()),
        ("s.json", policy),
        ("h.json", hierarchy.as_str()),
    ];
    let (snapshot, _) = arm(&files, &options);
    assert_eq!(cell(&snapshot, "Subscription", "/commercesubscriptions/c1", "state"), "Warned");
    assert_eq!(cell(&snapshot, "Subscription", "/commercesubscriptions/c1", "service"), "Microsoft365");
    assert_eq!(cell(&snapshot, "Subscription", "/commercesubscriptions/c2", "service"), "unknown: not read");
    assert_eq!(cell(&snapshot, "Subscription", "/commercesubscriptions/c1", "created_by_tenant"), "none");
    assert_eq!(cell(&snapshot, "Subscription", "/commercesubscriptions/c1", "tenant"), TENANT);
    assert_eq!(cell(&snapshot, "Subscription", SUB, "agreement"), "MicrosoftCustomerAgreement");
    assert_eq!(cell(&snapshot, "PartnerLink", &format!("{TENANT}/o1"), "state"), "Removed");
    assert_eq!(cell(&snapshot, "Tenant", TENANT, "guest_invite_policy"), "NoOne");
    assert_eq!(cell(&snapshot, "Tenant", TENANT, "group_creation_needs_permission"), "true");
    let group = "/providers/microsoft.management/managementgroups/defaultgroup";
    assert_eq!(cell(&snapshot, "Tenant", TENANT, "default_management_group"), group);
}

#[test]
fn management_groups_form_a_tree() {
    let group = |name: &str| format!("/providers/Microsoft.Management/managementGroups/{name}");
    let text = format!(
        r#"[{{"id":"{}","type":"Microsoft.Management/managementGroups","properties":{{"tenantId":"{TENANT}","displayName":"Root",
        "children":[{{"id":"{}","type":"Microsoft.Management/managementGroups","displayName":"A","children":[
        {{"id":"{SUB}","type":"/subscriptions","displayName":"Prod"}}]}}]}}}}]"#,
        group(TENANT),
        group("a")
    );
    let (snapshot, _) = arm(&[("g.json", &text)], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "Scope", SUB, "parent"), group("a").to_lowercase());
    assert_eq!(cell(&snapshot, "Scope", &group(TENANT), "parent"), "none");
}

#[test]
fn an_entity_says_under_which_group_a_subscription_stands() {
    let above = "/providers/Microsoft.Management/managementGroups/a";
    for ty in ["/subscriptions", "Microsoft.Management/managementGroups/subscriptions"] {
        let text = format!(
            r#"[{{"id":"{SUB}","name":"aaaaaaaa-0000-0000-0000-000000000001","type":"{ty}","properties":{{"tenantId":"{TENANT}","displayName":"Prod","parent":{{"id":"{above}"}}}}}}]"#
        );
        let (snapshot, _) = arm(&[("g.json", &text)], &ImportOptions::default());
        assert_eq!(cell(&snapshot, "Scope", SUB, "parent"), above.to_lowercase(), "{ty}");
        assert_eq!(cell(&snapshot, "Subscription", SUB, "display_name"), "Prod");
    }
}

#[test]
fn schedules_tell_standing_from_activated() {
    let active = |kind: &str, origin: &str, member: &str| {
        format!(
            r#"{{"id":"{SUB}/providers/Microsoft.Authorization/RoleAssignmentScheduleInstances/{origin}","type":
            "Microsoft.Authorization/RoleAssignmentScheduleInstances","properties":{{"originRoleAssignmentId":
            "{SUB}/providers/Microsoft.Authorization/roleAssignments/{origin}","assignmentType":"{kind}","scope":"{SUB}","memberType":"{member}",
            "principalId":"p-{origin}","principalType":"User","roleDefinitionId":"{OWNER}","endDateTime":null}}}}"#
        )
    };
    let eligible = format!(
        r#"{{"id":"{SUB}/providers/Microsoft.Authorization/RoleEligibilityScheduleInstances/e1","type":
        "Microsoft.Authorization/RoleEligibilityScheduleInstances","properties":{{"scope":"{SUB}","roleDefinitionId":"{OWNER}",
        "principalId":"p2","principalType":"User","startDateTime":"2026-01-01T00:00:00Z","endDateTime":null}}}}"#
    );
    let items = [active("Assigned", "r1", "Direct"), active("Activated", "r2", "Direct"), active("Assigned", "r3", "Group"), eligible];
    let (snapshot, reports) = arm(&[("p.json", &format!("[{}]", items.join(",")))], &ImportOptions::default());
    assert_eq!(skipped(&reports), "");
    let at =
        |id: &str, name| cell(&snapshot, "RoleAssignment", &format!("{SUB}/providers/microsoft.authorization/roleassignments/{id}"), name);
    assert_eq!((at("r1", "kind"), at("r2", "kind"), at("r1", "ends_at")), ("Standing".into(), "Activated".into(), "none".into()));
    assert_eq!(at("r1", "principal"), "p-r1");
    assert_eq!(at("r3", "principal"), "unknown: not read");
    assert!(list(&snapshot, "Scope", SUB, "role_eligibilities").starts_with("e1 (open"));
}

#[test]
fn an_old_answer_does_not_tell_of_conditions() {
    let url = format!("https://management.azure.com{SUB}/providers/Microsoft.Authorization/roleAssignments?api-version=2015-07-01");
    let page = exchange(&url, 200, &format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", "")));
    let (snapshot, _) = arm(&[("a.json", &page)], &ImportOptions::default());
    let id = format!("{SUB}/providers/microsoft.authorization/roleassignments/r1");
    assert!(cell(&snapshot, "RoleAssignment", &id, "effective").contains("does not say"));
}

#[test]
fn a_condition_in_one_reading_goes_before_none_in_another() {
    let plain = assignment(SUB, "r1", "p1", "");
    let bound = assignment(SUB, "r1", "p1", r#","condition":"@x""#);
    let (snapshot, _) = arm(&[("1.json", &plain), ("2.json", &bound)], &ImportOptions::default());
    let id = format!("{SUB}/providers/microsoft.authorization/roleassignments/r1");
    assert!(cell(&snapshot, "RoleAssignment", &id, "effective").contains("a condition is attached"));
    assert_eq!(cell(&snapshot, "RoleAssignment", &id, "condition"), "@x");
}

fn lock(scope: &str, name: &str, level: &str) -> String {
    format!(
        r#"{{"id":"{scope}/providers/Microsoft.Authorization/locks/{name}","type":"Microsoft.Authorization/locks","name":"{name}",
        "properties":{{{level}}}}}"#
    )
}

#[test]
fn locks_hold_at_and_below_what_was_listed() {
    let url = format!("https://management.azure.com{SUB}/providers/Microsoft.Authorization/locks?api-version=2016-09-01");
    let group = format!("{SUB}/resourceGroups/rg");
    let items =
        [lock(SUB, "l1", r#""level":"ReadOnly""#), lock(&group, "l2", r#""level":"CanNotDelete""#), lock(SUB, "l3", r#""level":"Melted""#)];
    let page = exchange(&url, 200, &format!(r#"{{"value":[{}]}}"#, items.join(",")));
    let (snapshot, reports) = arm(&[("l.json", &page)], &ImportOptions::default());
    assert_eq!(skipped(&reports), "");
    assert_eq!(list(&snapshot, "Scope", SUB, "locks"), "l1 l3 (whole)");
    assert_eq!(list(&snapshot, "Scope", &group, "locks"), "l2 (whole)");
    let level = |scope: &str, name: &str| {
        cell(&snapshot, "Lock", &format!("{}/providers/microsoft.authorization/locks/{name}", scope.to_lowercase()), "level")
    };
    assert_eq!((level(SUB, "l1").as_str(), level(&group, "l2").as_str()), ("ReadOnly", "CanNotDelete"));
    assert!(level(SUB, "l3").starts_with("unknown"), "{}", level(SUB, "l3"));
    // Management groups and the root cannot be locked.
    assert_eq!(list(&snapshot, "Scope", "/", "locks"), " (whole)");
    // A listing at its scope says nothing of what is below; one that was refused says why.
    let at_scope = exchange(&format!("{url}&$filter=atScope()"), 200, &format!(r#"{{"value":[{}]}}"#, items[1]));
    let (snapshot, _) = arm(&[("l.json", &at_scope)], &ImportOptions::default());
    assert_eq!(list(&snapshot, "Scope", SUB, "locks"), " (whole)");
    assert!(list(&snapshot, "Scope", &group, "locks").contains("open"));
    let denied = exchange(&url, 403, r#"{"error":{"code":"AuthorizationFailed"}}"#);
    let (snapshot, _) = arm(&[("l.json", &denied)], &ImportOptions::default());
    assert!(list(&snapshot, "Scope", SUB, "locks").contains("open: denied: needs Microsoft.Authorization/locks/read"));
}

#[test]
fn a_lock_without_a_scope_or_an_id_is_no_lock() {
    let url = format!("https://management.azure.com{SUB}/providers/Microsoft.Authorization/locks?api-version=2016-09-01");
    let nowhere = lock("", "l1", r#""level":"ReadOnly""#);
    let nameless = r#"{"type":"Microsoft.Authorization/locks","properties":{"level":"ReadOnly"}}"#;
    let page = exchange(&url, 200, &format!(r#"{{"value":[{nowhere},{nameless}]}}"#));
    let (snapshot, reports) = arm(&[("l.json", &page)], &ImportOptions::default());
    assert!(skipped(&reports).contains("its id names no scope that can be locked"), "{}", skipped(&reports));
    assert!(skipped(&reports).contains("it has no id"), "{}", skipped(&reports));
    assert!(list(&snapshot, "Scope", SUB, "locks").contains("open: 2 of the objects"));
}

#[test]
fn empty_ids_are_no_ids() {
    let subscription = |id: &str, managed: &str| {
        format!(
            r#"{{"id":"{id}","displayName":"X","state":"Enabled","subscriptionPolicies":{{}},"type":"Microsoft.Resources/subscriptions","managedByTenants":[{managed}]}}"#
        )
    };
    let (snapshot, reports) = arm(&[("s.json", &subscription("/", ""))], &ImportOptions::default());
    assert!(skipped(&reports).contains("the id of its subscription is empty"), "{}", skipped(&reports));
    assert_eq!(extent(&snapshot, "Subscription").split(' ').next(), Some(""));
    let (snapshot, _) = arm(&[("s.json", &subscription(SUB, r#"{"tenantId":""}"#))], &ImportOptions::default());
    assert!(list(&snapshot, "Subscription", SUB, "managed_by_tenants").contains("open: a managing tenant has no id"));
    assert!(extent(&snapshot, "Tenant").starts_with(" ("), "{}", extent(&snapshot, "Tenant"));
    let licence = r##"{"@odata.type":"#microsoft.graph.companySubscription","id":"","commerceSubscriptionId":"","skuPartNumber":"EMS"}"##;
    let (_, reports) = arm(&[("c.json", licence)], &ImportOptions::default());
    assert!(skipped(&reports).contains("it has no id"), "{}", skipped(&reports));
}

#[test]
fn what_an_answer_leaves_out_of_a_role_assignment_is_not_there() {
    let page = |version: &str| {
        let url = format!("https://management.azure.com{SUB}/providers/Microsoft.Authorization/roleAssignments?api-version={version}");
        exchange(&url, 200, &format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", "")))
    };
    let id = format!("{SUB}/providers/microsoft.authorization/roleassignments/r1");
    let (snapshot, _) = arm(&[("1.json", &page("2022-04-01"))], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "RoleAssignment", &id, "delegated_managed_identity"), "none");
    let (snapshot, _) = arm(&[("1.json", &page("2015-07-01"))], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "RoleAssignment", &id, "delegated_managed_identity"), "unknown: not read");
}

#[test]
fn deny_assignments_and_relationships() {
    let deny = format!(
        r#"{{"id":"{SUB}/providers/Microsoft.Authorization/denyAssignments/d1","type":"Microsoft.Authorization/denyAssignments",
        "properties":{{"scope":"{SUB}","denyAssignmentName":"D","doNotApplyToChildScopes":true,"isSystemProtected":true,
        "principals":[{{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}}],
        "excludePrincipals":[{{"id":"u1","type":"User"}}],"permissions":[{{"actions":["*/Delete"],"dataActions":["X"]}}]}}}}"#
    );
    let relationship = r##"{"@odata.type":"#microsoft.graph.delegatedAdminRelationship","id":"g1","status":"terminationRequested",
        "customer":{"tenantId":"T1"},"autoExtendDuration":"PT0S","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"R1"}]}}"##;
    let (snapshot, _) = arm(&[("d.json", &deny), ("g.json", relationship)], &ImportOptions::default());
    let id = format!("{SUB}/providers/microsoft.authorization/denyassignments/d1");
    assert_eq!(cell(&snapshot, "DenyAssignment", &id, "denies_everyone"), "true");
    assert_eq!(list(&snapshot, "DenyAssignment", &id, "excluded_principals"), "u1 (whole)");
    assert_eq!(list(&snapshot, "DenyAssignment", &id, "actions"), "*/delete x (whole)");
    assert_eq!(cell(&snapshot, "DelegatedAdminRelationship", "g1", "status"), "TerminationRequested");
    assert_eq!(cell(&snapshot, "DelegatedAdminRelationship", "g1", "auto_extends"), "false");
    assert_eq!(list(&snapshot, "DelegatedAdminRelationship", "g1", "roles"), "r1 (whole)");
}

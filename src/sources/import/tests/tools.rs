use super::*;

#[test]
fn az_exports_are_taken() {
    let accounts = format!(
        r#"[{{"cloudName":"AzureCloud","homeTenantId":"{TENANT}","id":"aaaaaaaa-0000-0000-0000-000000000001","name":"Prod",
        "state":"Enabled","tenantId":"t2","managedByTenants":[{{"tenantId":"t3"}}]}}]"#
    );
    let grants = format!(
        r#"[{{"id":"{SUB}/providers/Microsoft.Authorization/roleAssignments/r1","type":"Microsoft.Authorization/roleAssignments",
        "principalId":"u1","principalName":"a@example.org","principalType":"User","roleDefinitionId":"/x/{OWNER}","roleDefinitionName":"Owner",
        "scope":"{SUB}","condition":null}}]"#
    );
    let shell = format!(
        r#"[{{"RoleAssignmentName":"r2","RoleAssignmentId":"{SUB}/providers/Microsoft.Authorization/roleAssignments/r2","Scope":"{SUB}",
        "RoleDefinitionName":"Owner","RoleDefinitionId":"{OWNER}","ObjectId":"p9","ObjectType":"Unknown"}}]"#
    );
    let files = [("1.json", accounts.as_str()), ("2.json", grants.as_str()), ("3.json", shell.as_str())];
    let (records, reports) = records_of(import_az, &files, &ImportOptions::default()).unwrap();
    assert_eq!(skipped(&reports), "");
    let snapshot = Snapshot::freeze(core_schema(), records);
    assert_eq!(cell(&snapshot, "Subscription", SUB, "tenant"), TENANT);
    assert!(list(&snapshot, "Scope", SUB, "role_assignments").starts_with("r1 r2 (open"));
    let id = |name: &str| format!("{SUB}/providers/microsoft.authorization/roleassignments/{name}");
    assert_eq!(cell(&snapshot, "RoleAssignment", &id("r1"), "effective"), "true");
    assert!(cell(&snapshot, "RoleAssignment", &id("r2"), "effective").contains("does not say"));
    assert_eq!(extent(&snapshot, "User").split(' ').next(), Some("u1"));
}

#[test]
fn az_locks_are_taken() {
    let locks = format!(
        r#"[{{"id":"{SUB}/resourceGroups/rg/providers/Microsoft.Authorization/locks/keep","level":"CanNotDelete","name":"keep","notes":null,
        "owners":null,"resourceGroup":"rg","type":"Microsoft.Authorization/locks"}}]"#
    );
    let group = format!("{SUB}/resourceGroups/rg");
    for (options, wanted) in [(ImportOptions::default(), "keep (open"), (complete(&["locks"]), "keep (whole)")] {
        let (records, reports) = records_of(import_az, &[("1.json", locks.as_str())], &options).unwrap();
        assert_eq!(skipped(&reports), "");
        let snapshot = Snapshot::freeze(core_schema(), records);
        assert!(list(&snapshot, "Scope", &group, "locks").starts_with(wanted), "{}", list(&snapshot, "Scope", &group, "locks"));
    }
}

#[test]
fn a_managing_tenant_without_id_is_no_tenant() {
    let accounts = format!(
        r#"[{{"cloudName":"AzureCloud","homeTenantId":"{TENANT}","id":"aaaaaaaa-0000-0000-0000-000000000001","name":"Prod",
        "state":"Enabled","tenantId":"{TENANT}","managedByTenants":[{{"tenantId":""}},{{}}]}}]"#
    );
    let (records, _) = records_of(import_az, &[("1.json", accounts.as_str())], &ImportOptions::default()).unwrap();
    let snapshot = Snapshot::freeze(core_schema(), records);
    assert!(list(&snapshot, "Subscription", SUB, "managed_by_tenants").starts_with(" (open"));
}

#[test]
fn an_account_without_id_is_no_subscription() {
    let accounts = format!(
        r#"[{{"cloudName":"AzureCloud","homeTenantId":"{TENANT}","name":"Prod","state":"Enabled","tenantId":"t2"}},
        {{"cloudName":"AzureCloud","id":"T2","name":"N/A(tenant level account)","state":"Enabled","tenantId":"t2"}}]"#
    );
    let (records, reports) = records_of(import_az, &[("1.json", accounts.as_str())], &ImportOptions::default()).unwrap();
    assert!(skipped(&reports).contains("it has no id"), "{}", skipped(&reports));
    assert!(skipped(&reports).contains("sign-in without subscription"), "{}", skipped(&reports));
    let snapshot = Snapshot::freeze(core_schema(), records);
    assert_eq!(extent(&snapshot, "Subscription").split(' ').next(), Some(""));
}

#[test]
fn resource_graph_rows_are_taken_in_both_shapes() {
    let objects = format!(
        r#"{{"count":1,"data":[{{"id":"{SUB}","type":"microsoft.resources/subscriptions","name":"Prod","tenantId":"{TENANT}",
        "properties":{{"state":"Enabled","subscriptionPolicies":{{"quotaId":"CSP_2015-05-01"}},
        "managementGroupAncestorsChain":[{{"name":"m1"}},{{"name":"{TENANT}"}}]}}}}],"total_records":1,"skip_token":null}}"#
    );
    let table = format!(
        r#"{{"totalRecords":1,"count":1,"resultTruncated":"false","data":{{"columns":[{{"name":"id"}},{{"name":"scope"}},{{"name":"principalId"}},
        {{"name":"roleDefinitionId"}}],"rows":[["{SUB}/providers/microsoft.authorization/roleassignments/r1","{SUB}","p1","/x/{OWNER}"]]}}}}"#
    );
    let (snapshot, reports) = arm(&[("o.json", &objects), ("t.json", &table)], &ImportOptions::default());
    assert_eq!(skipped(&reports), "");
    assert_eq!(cell(&snapshot, "Subscription", SUB, "offer_class"), "CloudSolutionProvider");
    assert_eq!(cell(&snapshot, "Subscription", SUB, "display_name"), "Prod");
    assert!(cell(&snapshot, "Subscription", SUB, "parent").ends_with("/m1"));
    let id = format!("{SUB}/providers/microsoft.authorization/roleassignments/r1");
    assert!(cell(&snapshot, "RoleAssignment", &id, "effective").contains("does not say"));
}

fn hound(data: &str, meta: &str) -> String {
    format!(r#"{{"data":[{data}],"meta":{meta}}}"#)
}

const HOUND: &str = r##"
    {"kind":"AZUser","data":{"id":"U1","displayName":"A","userType":"Guest","userPrincipalName":"a","accountEnabled":true,"tenantId":"T"}},
    {"kind":"AZGroupMember","data":{"groupId":"G1","members":[{"groupId":"G1","member":{"id":"U1","@odata.type":"#microsoft.graph.user"}}]}},
    {"kind":"AZGroupMember","data":{"groupId":"G2","members":null}},
    {"kind":"AZSubscriptionOwner","data":{"subscriptionId":"/SUBSCRIPTIONS/S1","owners":[{"subscriptionId":"/SUBSCRIPTIONS/S1","owner":
        {"id":"/subscriptions/s1/providers/Microsoft.Authorization/roleAssignments/r1","name":"r1","properties":{"principalId":"U1",
        "roleDefinitionId":"/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635","scope":"/SUBSCRIPTIONS/S1"}}}]}},
    {"kind":"AZVM","data":{}}"##;

#[test]
fn azurehound_collections_are_taken() {
    let text = hound(HOUND, r#"{"type":"azure","version":5,"count":5}"#);
    let (records, reports) = records_of(import_azurehound, &[("h.json", &text)], &ImportOptions::default()).unwrap();
    assert_eq!(skipped(&reports), "1 AZVM: import takes nothing from this kind");
    let snapshot = Snapshot::freeze(core_schema(), records);
    assert!(extent(&snapshot, "User").starts_with("u1 (open: AzureHound"));
    assert!(list(&snapshot, "Group", "g1", "members").starts_with("u1"));
    assert!(list(&snapshot, "Scope", "/subscriptions/s1", "role_assignments").starts_with("r1"));
    let id = "/subscriptions/s1/providers/microsoft.authorization/roleassignments/r1";
    assert!(cell(&snapshot, "RoleAssignment", id, "effective").contains("does not say"));
}

#[test]
fn a_truncated_collection_is_an_error() {
    let outcome = |text: &str| records_of(import_azurehound, &[("h.json", text)], &ImportOptions::default()).unwrap_err().to_string();
    assert!(outcome(&hound(HOUND, r#"{"version":5,"count":6}"#)).contains("truncated"));
    assert!(outcome(&hound(HOUND, r#"{"version":5}"#)).contains("truncated"));
    assert!(outcome(r#"{"data":[{"kind":"AZUser","#).contains("truncated"));
    assert!(outcome(r#"{"data":[]}"#).contains("`meta` is missing"));
}

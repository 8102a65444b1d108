use super::*;

const LIST: &str = "https://management.azure.com/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01";
const USERS: &str = "https://graph.microsoft.com/v1.0/users?$select=id,userType&$top=999";

#[test]
fn an_unrecorded_list_is_open_and_says_why() {
    let body = format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", ""));
    let (snapshot, _) = arm(&[("a.json", &body)], &ImportOptions::default());
    let text = list(&snapshot, "Scope", SUB, "role_assignments");
    assert_eq!(text, "r1 (open: request not recorded; the file may have been filtered)");
}

#[test]
fn a_recorded_listing_is_whole_above_here_and_below() {
    let group = format!("{SUB}/resourceGroups/rg");
    let items = [
        assignment(SUB, "r1", "p1", ""),
        assignment("/providers/Microsoft.Management/managementGroups/m", "r2", "p2", ""),
        assignment(&group, "r3", "p3", ""),
    ];
    let page = exchange(LIST, 200, &format!(r#"{{"value":[{}]}}"#, items.join(",")));
    let (snapshot, _) = arm(&[("a.json", &page)], &ImportOptions::default());
    assert_eq!(list(&snapshot, "Scope", SUB, "role_assignments"), "r1 (whole)");
    assert_eq!(list(&snapshot, "Scope", SUB, "inherited_role_assignments"), "r2 (whole)");
    assert_eq!(list(&snapshot, "Scope", SUB, "role_assignments_below"), "r3 (whole)");
    assert_eq!(list(&snapshot, "Scope", &group, "role_assignments"), "r3 (whole)");
    assert_eq!(list(&snapshot, "Scope", &group, "inherited_role_assignments"), "r1 r2 (whole)");
    assert!(list(&snapshot, "Scope", "/providers/microsoft.management/managementgroups/m", "role_assignments").contains("open"));
}

#[test]
fn a_filtered_listing_is_not_whole_below() {
    let page = exchange(&format!("{LIST}&$filter=atScope()"), 200, &format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", "")));
    let (snapshot, _) = arm(&[("a.json", &page)], &ImportOptions::default());
    assert_eq!(list(&snapshot, "Scope", SUB, "role_assignments"), "r1 (whole)");
    assert!(list(&snapshot, "Scope", SUB, "role_assignments_below").contains("open"));
    let other = exchange(&format!("{LIST}&$filter=principalId%20eq%20'p1'"), 200, r#"{"value":[]}"#);
    let (snapshot, _) = arm(&[("a.json", &other)], &ImportOptions::default());
    assert!(list(&snapshot, "Scope", SUB, "role_assignments").contains("open: the request narrows the list"));
}

#[test]
fn pages_must_all_be_there() {
    let next = "https://graph.microsoft.com/v1.0/users?$skiptoken=abc";
    let first = exchange(USERS, 200, &format!(r#"{{"value":[{{"id":"u1","userType":"Member"}}],"@odata.nextLink":"{next}"}}"#));
    let second = exchange(next, 200, r#"{"value":[{"id":"u2","userType":"Guest"}]}"#);
    let (snapshot, _) = arm(&[("1.json", &first)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), "u1 (open: a continuation page is missing)");
    let (snapshot, _) = arm(&[("2.json", &second), ("1.json", &first)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), "u1 u2 (whole)");
    let (snapshot, _) = arm(&[("2.json", &second)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), "u2 (open: the pages before this one are missing)");
}

#[test]
fn a_claim_of_the_user_does_not_cover_a_known_gap() {
    let body = r#"{"value":[{"id":"u1","userType":"Member"}]}"#;
    let (snapshot, _) = arm(&[("u.json", body)], &complete(&["users"]));
    assert_eq!(extent(&snapshot, "User"), "u1 (whole)");
    let cut = r#"{"value":[{"id":"u1","userType":"Member"}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/users?$skiptoken=a"}"#;
    let (snapshot, reports) = arm(&[("u.json", cut)], &complete(&["users"]));
    assert_eq!(extent(&snapshot, "User"), "u1 (open: a continuation page is missing)");
    assert!(reports.iter().any(|report| report.notes.iter().any(|note| note.contains("is not taken"))));
}

#[test]
fn a_principal_absent_from_a_whole_list_does_not_exist() {
    let grants = [
        assignment(SUB, "r1", "u1", r#","principalType":"User""#),
        assignment(SUB, "r2", "gone", r#","principalType":"User""#),
        assignment(SUB, "r3", "group", r#","principalType":"Group""#),
        assignment(SUB, "r4", "outside", r#","principalType":"ForeignGroup""#),
    ];
    let grants = format!(r#"{{"value":[{}]}}"#, grants.join(","));
    let users = exchange(USERS, 200, r#"{"value":[{"id":"u1","userType":"Member"}]}"#);
    let (snapshot, _) = arm(&[("g.json", &grants), ("u.json", &users)], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "Principal", "u1", "exists"), "true");
    assert_eq!(cell(&snapshot, "Principal", "gone", "exists"), "false");
    assert_eq!(cell(&snapshot, "Principal", "group", "exists"), "unknown: not read");
    assert_eq!(cell(&snapshot, "Principal", "outside", "exists"), "unknown: not read");
}

#[test]
fn an_error_answer_says_why_nothing_is_known() {
    let denied = exchange(LIST, 403, r#"{"error":{"code":"AuthorizationFailed"}}"#);
    let billing = format!("https://management.azure.com{SUB}/providers/Microsoft.Billing/billingProperty/default?api-version=2024-04-01");
    let throttled = exchange(&billing, 429, "null");
    let missing = exchange("https://graph.microsoft.com/v1.0/users/90000000-0000-0000-0000-000000000009", 404, "null");
    let (snapshot, _) = arm(&[("a.jsonl", &format!("{denied}\n{throttled}\n{missing}\n"))], &ImportOptions::default());
    let text = list(&snapshot, "Scope", SUB, "role_assignments");
    assert_eq!(text, " (open: denied: needs Microsoft.Authorization/roleAssignments/read)");
    assert_eq!(cell(&snapshot, "Subscription", SUB, "agreement"), "unknown: throttled (429)");
    assert_eq!(cell(&snapshot, "User", "90000000-0000-0000-0000-000000000009", "exists"), "false");
}

#[test]
fn claims_are_read_with_a_hint() {
    let error = "roleAssigments@/subscriptions/x".parse::<super::super::CompleteClaim>().unwrap_err();
    assert_eq!(error.to_string(), "`roleAssigments` is no kind of list; did you mean `roleAssignments`?");
    assert!("users@".parse::<super::super::CompleteClaim>().is_err());
}

#[test]
fn a_claim_for_one_scope_stays_there() {
    let other = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000002";
    let body = format!(r#"{{"value":[{},{}]}}"#, assignment(SUB, "r1", "p1", ""), assignment(other, "r2", "p1", ""));
    let (snapshot, _) = arm(&[("a.json", &body)], &complete(&[&format!("roleAssignments@{}", SUB.to_uppercase())]));
    assert_eq!(list(&snapshot, "Scope", SUB, "role_assignments"), "r1 (whole)");
    assert!(list(&snapshot, "Scope", other, "role_assignments").contains("open"));
}

#[test]
fn a_listing_recorded_twice_at_different_times_is_open() {
    let one = exchange(USERS, 200, r#"{"value":[{"id":"u1","userType":"Member"}]}"#);
    let two = one.replace("2026-11-01T10", "2026-11-02T10").replace("u1", "u2");
    let (snapshot, _) = arm(&[("1.json", &one), ("2.json", &two)], &ImportOptions::default());
    assert!(extent(&snapshot, "User").contains("open: the request was recorded more than once"));
}

#[test]
fn a_recorded_answer_without_a_list_proves_nothing() {
    for body in ["null", r#"{"value":null}"#] {
        let page = exchange(USERS, 200, body);
        let (snapshot, _) = arm(&[("1.json", &page)], &complete(&["users"]));
        assert!(extent(&snapshot, "User").contains("open: "), "{body}");
    }
    let page = exchange(USERS, 200, r#"{"value":[]}"#).replace("200", "\"403\"");
    let (snapshot, _) = arm(&[("1.json", &page)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), " (open: denied: needs User.Read.All)");
}

#[test]
fn a_claim_about_a_scope_nobody_named_makes_no_scope() {
    let body = format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", ""));
    let (snapshot, reports) = arm(&[("a.json", &body)], &complete(&["roleAssignments@/subscriptions/typo"]));
    assert!(extent(&snapshot, "Subscription").starts_with("aaaaaaaa-0000-0000-0000-000000000001 ("));
    assert!(reports.iter().any(|report| report.notes.iter().any(|note| note.contains("no file names that scope"))));
    assert!("users@/x".parse::<super::super::CompleteClaim>().is_err());
    assert!("roleAssignments@guid".parse::<super::super::CompleteClaim>().is_err());
}

#[test]
fn members_of_groups_and_roles_come_with_their_request() {
    let group = exchange(
        "https://graph.microsoft.com/v1.0/groups/g1/members",
        200,
        r##"{"value":[{"id":"x1"},
        {"@odata.type":"#microsoft.graph.user","id":"u1","userPrincipalName":"a@example.org"}]}"##,
    );
    let roles = exchange(
        "https://graph.microsoft.com/v1.0/directoryRoles",
        200,
        r#"{"value":[{"id":"o1","roleTemplateId":"t1","displayName":"GA"}]}"#,
    );
    let members = exchange("https://graph.microsoft.com/v1.0/directoryRoles/o1/members", 200, r#"{"value":[{"id":"u1"}]}"#);
    let plain = r#"{"@odata.context":"https://g/$metadata#roleManagement/directory/roleAssignments","value":[
        {"id":"abc","principalId":"u1","roleDefinitionId":"t1","directoryScopeId":"/"}]}"#;
    let files = [("1.json", group.as_str()), ("2.json", members.as_str()), ("3.json", roles.as_str()), ("4.json", plain)];
    let (snapshot, reports) = arm(&files, &ImportOptions::default());
    assert_eq!(skipped(&reports), "");
    assert_eq!(list(&snapshot, "Group", "g1", "members"), "u1 x1 (whole)");
    let holders = list(&snapshot, "DirectoryRole", "t1", "assignments");
    assert_eq!(holders.matches("t1|u1|").count(), 0, "{holders}");
    assert!(holders.ends_with("(whole)"), "{holders}");
    let ty = snapshot.schema().entity_named("DirectoryRoleAssignment").unwrap().id;
    assert_eq!(snapshot.extent(ty).count(), 1);
}

#[test]
fn what_a_collector_says_of_its_answers_counts() {
    let whole = exchange(USERS, 200, r#"{"value":[{"id":"u1","userType":"Member"}]}"#);
    let said = whole.replacen("\"time\"", "\"gap\":\"changed while paging, 3 times in a row\",\"time\"", 1);
    let (snapshot, _) = arm(&[("u.json", &said)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), "u1 (open: changed while paging, 3 times in a row)");
    let cut = whole.replacen("\"status\":200", "\"status\":200,\"error\":\"given up after 8 tries: cut off\"", 1);
    let (snapshot, _) = arm(&[("u.json", &cut)], &ImportOptions::default());
    assert_eq!(extent(&snapshot, "User"), " (open: given up after 8 tries: cut off)");
}

#[test]
fn hidden_members_keep_a_list_open() {
    let group = "90000001-0000-4000-8000-000000000000";
    let of = |visibility: &str| {
        let body = format!(r#"{{"value":[{{"id":"{group}","securityEnabled":true,"visibility":{visibility}}}]}}"#);
        let groups = exchange("https://graph.microsoft.com/v1.0/groups?$select=id", 200, &body);
        let members = exchange(&format!("https://graph.microsoft.com/v1.0/groups/{group}/members"), 200, r#"{"value":[{"id":"u1"}]}"#);
        let (snapshot, _) = arm(&[("g.json", &groups), ("m.json", &members)], &ImportOptions::default());
        list(&snapshot, "Group", group, "members")
    };
    assert_eq!(of("null"), "u1 (whole)");
    assert_eq!(of("\"HiddenMembership\""), "u1 (open: the group hides its members from whoever lacks Member.Read.Hidden)");
}

#[test]
fn a_setting_that_was_refused_says_why() {
    let organization = exchange(
        "https://graph.microsoft.com/v1.0/organization",
        200,
        &format!(r#"{{"value":[{{"id":"{TENANT}","verifiedDomains":[]}}]}}"#),
    );
    let refused = exchange("https://graph.microsoft.com/v1.0/policies/authorizationPolicy", 403, "{}");
    let (snapshot, _) = arm(&[("o.json", &organization), ("p.json", &refused)], &ImportOptions::default());
    assert_eq!(cell(&snapshot, "Tenant", TENANT, "guest_invite_policy"), "unknown: denied: needs Policy.Read.All");
}

#[test]
fn answers_on_lines_are_cited_by_their_line() {
    let lines = format!(
        "{}\n{}\n",
        exchange(USERS, 200, r#"{"value":[]}"#),
        exchange(LIST, 200, &format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "p1", "")).replace('\n', " "))
    );
    let (records, _) = records_of(import_arm, &[("a.jsonl", &lines)], &ImportOptions::default()).unwrap();
    let cited: Vec<&str> = records
        .sources
        .iter()
        .filter(|source| source.name == "arm:roleAssignments")
        .filter_map(|source| source.location.as_deref())
        .collect();
    assert_eq!(cited, ["a.jsonl:2"]);
}

//! Every request, compared with the official example or the domain notes.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{ACTIONS, AzureRequests};
use crate::check::core_schema;
use crate::model::{Completeness, FactSource, Interval, SourceKind, Value};
use crate::remedy::bind::{Bind, Bound, Call};
use crate::remedy::plan::{Found, Method, Operation, Repeatable, Undo};
use crate::snapshot::{Handle, Snapshot, SnapshotBuilder};

const NOW: &str = "2026-11-01T10:00:00Z";
const SUB: &str = "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const ROLE: &str = "0b5fe924-9a61-425c-96af-cfe6e287ca2d";
const USER: &str = "ce2ce14e-85d7-4629-bdbc-454d0519d987";
const TENANT: &str = "1b1121dd-6900-412a-af73-e8d44f81e1c1";
const ASSIGNMENT: &str = "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/microsoft.authorization/roleassignments/b0f43c54-e787-4862-89b1-a653fa9cf747";

/// A small world, entity by entity: `name: text`, `name: none`, `name: -> Type key`, `name: [a, b]` (a whole list of texts).
struct Small {
    builder: SnapshotBuilder,
}

impl Small {
    fn new() -> Self {
        Self { builder: SnapshotBuilder::new(core_schema()) }
    }

    fn with(mut self, ty: &str, key: &str, facts: &[(&str, &str)]) -> Self {
        let source = self.builder.source(FactSource::new(SourceKind::Derived, "test"));
        let handle = self.builder.entity_named(ty, key).unwrap();
        self.builder.existed(handle, Interval::ALWAYS);
        for (name, text) in facts {
            if let Some(list) = text.strip_prefix('[') {
                for member in list.trim_end_matches(']').split(", ").filter(|member| !member.is_empty()) {
                    self.builder.add_value(handle, name, Value::text(member), source).unwrap();
                }
                self.builder.claim(handle, name, Completeness::now(Some(source))).unwrap();
            } else if let Some(target) = text.strip_prefix("-> ") {
                let (ty, key) = target.split_once(' ').unwrap();
                let target: Handle = self.builder.entity_named(ty, key).unwrap();
                self.builder.refer(handle, name, target, source).unwrap();
            } else if *text == "none" {
                self.builder.set_none(handle, name, source).unwrap();
            } else {
                self.builder.set_text(handle, name, text, source).unwrap();
            }
        }
        self
    }

    /// Says that a list of an entity is whole as it stands.
    fn whole(mut self, ty: &str, key: &str, name: &str) -> Self {
        let source = self.builder.source(FactSource::new(SourceKind::Derived, "test"));
        let handle = self.builder.entity_named(ty, key).unwrap();
        self.builder.claim(handle, name, Completeness::now(Some(source))).unwrap();
        self
    }

    fn freeze(self) -> Snapshot {
        let schema = Arc::clone(self.builder.schema());
        Snapshot::freeze(schema, self.builder.records())
    }
}

/// A subscription with a user, a role and an assignment as in the official examples.
fn official() -> Small {
    Small::new()
        .with("Subscription", SUB, &[("display_name", "Prod")])
        .with(
            "User",
            USER,
            &[("display_name", "Ann"), ("exists", "true"), ("user_type", "Guest"), ("account_enabled", "true"), ("is_break_glass", "none")],
        )
        .with("RoleDefinition", ROLE, &[("display_name", "Reader"), ("type", "BuiltInRole")])
        .with("RoleDefinition", OWNER, &[("display_name", "Owner"), ("type", "BuiltInRole")])
        .with("Tenant", TENANT, &[("is_home", "true"), ("display_name", "Contoso")])
        .with("RoleAssignment", ASSIGNMENT, &assignment(ROLE_REF))
}

const ROLE_REF: &str = "-> RoleDefinition 0b5fe924-9a61-425c-96af-cfe6e287ca2d";
const OWNER_REF: &str = "-> RoleDefinition 8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

fn assignment(role: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("scope", "-> Subscription /subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2"),
        ("principal", "-> User ce2ce14e-85d7-4629-bdbc-454d0519d987"),
        ("role", role),
        ("condition", "none"),
        ("description", "none"),
        ("delegated_managed_identity", "none"),
        ("kind", "Standing"),
        ("effective", "true"),
    ]
}

fn entity(snapshot: &Snapshot, ty: &str, key: &str) -> Value {
    let ty = snapshot.schema().entity_named(ty).unwrap().id;
    Value::Entity(snapshot.find(ty, key).unwrap())
}

fn bind(snapshot: &Snapshot, action: &str, arguments: &[Value]) -> Result<Vec<Bound>, String> {
    let arguments: Vec<(&str, Value)> = arguments.iter().map(|value| ("x", value.clone())).collect();
    AzureRequests.bind(&Call { snapshot, now: NOW.parse().unwrap(), action, arguments: &arguments })
}

#[track_caller]
fn one(snapshot: &Snapshot, action: &str, arguments: &[Value]) -> Bound {
    let mut bound = bind(snapshot, action, arguments).unwrap();
    assert_eq!(bound.len(), 1, "{action}");
    bound.remove(0)
}

#[track_caller]
fn undo(bound: &Bound) -> &Operation {
    let Undo::By(undo) = &bound.undo else { panic!("{:?}", bound.undo) };
    undo
}

fn version(operation: &Operation) -> &str {
    operation.request.query.iter().find(|(name, _)| name == "api-version").map_or("", |(_, version)| version.as_str())
}

fn whats(operation: &Operation) -> Vec<&str> {
    operation.before.iter().map(|expectation| expectation.what.as_str()).collect()
}

#[test]
fn a_role_assignment_as_the_official_example() {
    let snapshot =
        Small::new().with("Subscription", SUB, &[]).with("User", USER, &[("exists", "true")]).with("RoleDefinition", ROLE, &[]).freeze();
    let arguments = [entity(&snapshot, "Subscription", SUB), entity(&snapshot, "User", USER), entity(&snapshot, "RoleDefinition", ROLE)];
    let bound = one(&snapshot, "assign_role", &arguments);
    let sent = &bound.operation.request;
    assert_eq!((sent.method, version(&bound.operation)), (Method::Put, "2022-04-01"));
    let (before, name) = sent.path.rsplit_once('/').unwrap();
    assert_eq!(before, format!("{SUB}/providers/Microsoft.Authorization/roleAssignments"));
    assert_eq!(uuid::Uuid::parse_str(name).unwrap().get_version_num(), 5);
    // Body of RoleAssignments_CreateForSubscription.json.
    let example = json!({"properties": {
        "roleDefinitionId": "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/Microsoft.Authorization/roleDefinitions/0b5fe924-9a61-425c-96af-cfe6e287ca2d",
        "principalId": "ce2ce14e-85d7-4629-bdbc-454d0519d987",
        "principalType": "User"
    }});
    assert_eq!(sent.body.as_ref(), Some(&example));
    assert_eq!(bound.operation.repeatable, Repeatable::Same);
    assert_eq!(bound.operation.window_seconds, 300);
    assert_eq!(bound.operation.before.len(), 4);
    assert_eq!(bound.operation.before[0].found, Found::Absent);
    assert!(matches!(&bound.operation.before[1].found, Found::Nothing(fields) if fields["/properties/principalId"] == json!(USER)));
    assert_eq!(bound.operation.before[1].read.query[1], ("$filter".to_owned(), format!("principalId eq '{USER}'")));
    assert_eq!(bound.operation.before[2].read.path, format!("/v1.0/users/{USER}"));
    // A lock at the scope or above it is looked for: for a write one that forbids writing, for a removal also one that forbids that.
    let locks = &bound.operation.before[3];
    assert_eq!(locks.read.path, format!("{SUB}/providers/Microsoft.Authorization/locks"));
    let query = [("api-version".to_owned(), "2016-09-01".to_owned()), ("$filter".to_owned(), "atScope()".to_owned())];
    assert_eq!(locks.read.query, query);
    let level = |found: &Found| matches!(found, Found::Nothing(fields) if fields["/properties/level"] == json!("ReadOnly"));
    assert!(level(&locks.found));
    assert_eq!(undo(&bound).before.iter().filter(|one| one.read.path.ends_with("/locks")).count(), 2);
    assert_eq!(undo(&bound).request.method, Method::Delete);
    assert_eq!(undo(&bound).request.path, sent.path);
    // The same thing has the same name, whatever the case of its ids; another has another.
    let again = one(&snapshot, "assign_role", &arguments);
    assert_eq!(again.operation.request.path, sent.path);
    assert_eq!(super::ids::name_of("a", &["X", "y"]), super::ids::name_of("a", &["x", "Y"]));
    assert_ne!(super::ids::name_of("a", &["x", "y"]), super::ids::name_of("a", &["x", "z"]));
}

#[test]
fn a_principal_of_unknown_kind_is_given_nothing() {
    let snapshot = Small::new().with("Subscription", SUB, &[]).with("Principal", USER, &[]).with("RoleDefinition", ROLE, &[]).freeze();
    let arguments =
        [entity(&snapshot, "Subscription", SUB), entity(&snapshot, "Principal", USER), entity(&snapshot, "RoleDefinition", ROLE)];
    assert!(bind(&snapshot, "assign_role", &arguments).unwrap_err().contains("what kind of principal"));
}

#[test]
fn a_removal_and_its_way_back() {
    let snapshot = official().freeze();
    let bound = one(&snapshot, "remove_assignment", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)]);
    assert_eq!(bound.operation.request.method, Method::Delete);
    assert_eq!(bound.operation.request.body, None);
    let path = format!("{SUB}/providers/Microsoft.Authorization/roleAssignments/b0f43c54-e787-4862-89b1-a653fa9cf747");
    assert_eq!(bound.operation.request.path, path);
    let Found::Present(fields) = &bound.operation.before[0].found else { panic!() };
    assert_eq!(fields["/properties/scope"], json!(SUB));
    assert_eq!(fields["/properties/condition"], Json::Null);
    assert_eq!(fields["/properties/description"], Json::Null);
    assert!(fields["/properties/roleDefinitionId"].as_str().unwrap().ends_with(ROLE));
    assert_eq!(bound.operation.after[0].found, Found::Absent);
    let back = undo(&bound);
    assert_eq!((back.request.method, back.request.path.as_str()), (Method::Put, path.as_str()));
    assert_eq!(back.request.body.as_ref().unwrap()["properties"]["principalType"], json!("User"));
    // The action that puts it back sends the same.
    let again = one(&snapshot, "recreate_assignment", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)]);
    assert_eq!(again.operation.request, back.request);
}

#[test]
fn what_is_not_known_of_an_assignment_is_never_guessed() {
    let without = |name: &str| {
        let facts: Vec<_> = assignment(ROLE_REF).into_iter().filter(|(known, _)| *known != name).collect();
        let snapshot = Small::new()
            .with("Subscription", SUB, &[])
            .with("User", USER, &[("exists", "true")])
            .with("RoleDefinition", ROLE, &[])
            .with("RoleAssignment", ASSIGNMENT, &facts)
            .freeze();
        bind(&snapshot, "remove_assignment", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)])
    };
    assert!(without("condition").unwrap_err().contains("the condition of"));
    assert!(without("role").is_err());
    assert!(without("principal").is_err());
    assert!(without("delegated_managed_identity").is_err());
    // A description is not relied on: an undo takes it from what is found.
    let bound = without("description").unwrap().remove(0);
    assert_eq!(undo(&bound).request.body.as_ref().unwrap()["properties"]["description"], Json::Null);
    assert!(!matches!(&bound.operation.before[0].found, Found::Present(fields) if fields.contains_key("/properties/description")));
}

#[test]
fn the_last_owner_stays_and_another_one_is_looked_up() {
    let other = "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/microsoft.authorization/roleassignments/11111111-0000-0000-0000-000000000001";
    let mia = "22222222-0000-0000-0000-000000000001";
    let world = |enabled: &str| {
        official()
            .with("RoleAssignment", ASSIGNMENT, &[("role", OWNER_REF)])
            .with("User", mia, &[("exists", "true"), ("user_type", "Member"), ("account_enabled", enabled), ("display_name", "Mia")])
            .with(
                "RoleAssignment",
                other,
                &[
                    ("scope", "-> Subscription /subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2"),
                    ("principal", "-> User 22222222-0000-0000-0000-000000000001"),
                    ("role", OWNER_REF),
                    ("condition", "none"),
                    ("kind", "Standing"),
                    ("effective", "true"),
                ],
            )
    };
    // Two readings of the role differ, so it is unknown; make the assignment anew instead.
    let owner = |enabled: &str| {
        let mut small = world(enabled);
        let source = small.builder.source(FactSource::new(SourceKind::Derived, "test"));
        let handle = small.builder.entity_named("RoleAssignment", ASSIGNMENT).unwrap();
        let role = small.builder.entity_named("RoleDefinition", OWNER).unwrap();
        small.builder.overwrite(handle, "role", Some(role.value()), source).unwrap();
        small.freeze()
    };
    let snapshot = owner("true");
    let bound = one(&snapshot, "remove_assignment", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)]);
    assert_eq!(whats(&bound.operation)[1..3], ["another Owner remains: Mia", "Mia can sign in"]);
    assert!(bound.operation.before[1].read.path.ends_with("/11111111-0000-0000-0000-000000000001"));
    let snapshot = owner("false");
    let refused = bind(&snapshot, "remove_assignment", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)]).unwrap_err();
    assert!(refused.contains("no other working Owner"), "{refused}");
}

#[test]
fn a_foreign_group_is_never_touched() {
    let facts: Vec<_> = assignment(ROLE_REF).into_iter().filter(|(name, _)| *name != "principal").collect();
    let snapshot = Small::new()
        .with("Subscription", SUB, &[])
        .with("RoleDefinition", ROLE, &[])
        .with("ForeignGroup", USER, &[])
        .with("RoleAssignment", ASSIGNMENT, &facts)
        .with("RoleAssignment", ASSIGNMENT, &[("principal", "-> ForeignGroup ce2ce14e-85d7-4629-bdbc-454d0519d987")])
        .freeze();
    let a = entity(&snapshot, "RoleAssignment", ASSIGNMENT);
    for action in ["remove_assignment", "make_eligible", "set_condition", "describe_assignment", "end_activation"] {
        assert!(bind(&snapshot, action, std::slice::from_ref(&a)).unwrap_err().contains("another directory"), "{action}");
    }
}

#[test]
fn a_role_is_changed_by_adding_first() {
    let snapshot = official().freeze();
    let arguments = [entity(&snapshot, "RoleAssignment", ASSIGNMENT), entity(&snapshot, "RoleDefinition", OWNER)];
    let bound = bind(&snapshot, "change_role", &arguments).unwrap();
    let methods: Vec<Method> = bound.iter().map(|bound| bound.operation.request.method).collect();
    assert_eq!(methods, [Method::Put, Method::Delete]);
    assert!(bound[0].operation.request.body.as_ref().unwrap()["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(OWNER));
}

#[test]
fn a_condition_is_set_and_taken_away_with_everything_else_kept() {
    let snapshot = official().freeze();
    let a = entity(&snapshot, "RoleAssignment", ASSIGNMENT);
    let bound = one(&snapshot, "set_condition", &[a.clone(), Value::text("@Resource[x] StringEquals 'y'")]);
    let properties = &bound.operation.request.body.as_ref().unwrap()["properties"];
    assert_eq!((&properties["condition"], &properties["conditionVersion"]), (&json!("@Resource[x] StringEquals 'y'"), &json!("2.0")));
    let back = undo(&bound).request.body.as_ref().unwrap();
    assert!(back["properties"].get("condition").is_none());
    let bound = one(&snapshot, "describe_assignment", &[a, Value::text("why")]);
    assert_eq!(bound.operation.request.body.as_ref().unwrap()["properties"]["description"], json!("why"));
}

#[test]
fn standing_access_becomes_eligible_before_it_goes() {
    let snapshot = official().freeze();
    let bound = bind(&snapshot, "make_eligible", &[entity(&snapshot, "RoleAssignment", ASSIGNMENT)]).unwrap();
    assert_eq!(bound.len(), 2);
    let sent = &bound[0].operation.request;
    assert_eq!(version(&bound[0].operation), "2020-10-01");
    assert!(sent.path.starts_with(&format!("{SUB}/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/")));
    let properties = &sent.body.as_ref().unwrap()["properties"];
    assert_eq!(properties["requestType"], json!("AdminAssign"));
    assert_eq!(properties["scheduleInfo"], json!({"startDateTime": NOW, "expiration": {"type": "NoExpiration"}}));
    assert_eq!(bound[0].operation.repeatable, Repeatable::Never);
    assert_eq!(undo(&bound[0]).request.body.as_ref().unwrap()["properties"]["requestType"], json!("AdminRemove"));
    assert_ne!(undo(&bound[0]).request.path, sent.path, "each request has a name of its own");
    assert_eq!(bound[1].operation.request.method, Method::Delete);
}

#[test]
fn an_activation_ends_and_comes_back_for_the_rest_of_its_time() {
    let mut facts: Vec<_> = assignment(ROLE_REF).into_iter().filter(|(name, _)| *name != "kind").collect();
    facts.extend([("kind", "Activated"), ("ends_at", "2026-11-01T18:00:00Z")]);
    let snapshot = Small::new()
        .with("Subscription", SUB, &[])
        .with("User", USER, &[("exists", "true")])
        .with("RoleDefinition", ROLE, &[])
        .with("RoleAssignment", ASSIGNMENT, &facts)
        .freeze();
    let a = [entity(&snapshot, "RoleAssignment", ASSIGNMENT)];
    let bound = one(&snapshot, "end_activation", &a);
    assert!(bound.operation.request.path.contains("/roleAssignmentScheduleRequests/"));
    let back = &undo(&bound).request.body.as_ref().unwrap()["properties"];
    assert_eq!(back["scheduleInfo"]["expiration"], json!({"type": "AfterDateTime", "endDateTime": "2026-11-01T18:00:00Z"}));
    assert_eq!(one(&snapshot, "activate_again", &a).operation.request.method, Method::Put);
}

#[test]
fn partner_links_are_those_of_the_identity_itself() {
    let key = format!("{TENANT}/{USER}");
    let tenant = "1b1121dd-6900-412a-af73-e8d44f81e1c1";
    let snapshot = official()
        .with(
            "PartnerLink",
            &key,
            &[
                ("identity", "-> User ce2ce14e-85d7-4629-bdbc-454d0519d987"),
                ("tenant", tenant),
                ("partner_id", "123456"),
                ("state", "Active"),
            ],
        )
        .freeze();
    let link = entity(&snapshot, "PartnerLink", &key);
    let arguments = [entity(&snapshot, "User", USER), entity(&snapshot, "Tenant", TENANT), Value::text("123456")];
    let put = one(&snapshot, "link_partner", &arguments);
    // PutPartnerDetails.json: no body.
    assert_eq!(put.operation.request.path, "/providers/Microsoft.ManagementPartner/partners/123456");
    assert_eq!((put.operation.request.method, version(&put.operation), &put.operation.request.body), (Method::Put, "2018-02-01", &None));
    assert_eq!(put.operation.before[0].read.path, "/providers/Microsoft.ManagementPartner/partners");
    let patch = one(&snapshot, "change_partner_link", &[link.clone(), Value::text("654321")]);
    assert!(patch.operation.request.path.ends_with("/654321"), "the path holds the new id");
    assert!(undo(&patch).request.path.ends_with("/123456"));
    let gone = one(&snapshot, "unlink_partner", std::slice::from_ref(&link));
    assert_eq!((gone.operation.request.method, undo(&gone).request.method), (Method::Delete, Method::Put));
    assert_eq!(one(&snapshot, "relink_partner", &[link]).operation.request.method, Method::Put);
}

#[test]
fn settings_of_the_directory_keep_what_they_do_not_change() {
    let root = format!("/providers/microsoft.management/managementgroups/{TENANT}");
    let snapshot = Small::new()
        .with(
            "Tenant",
            TENANT,
            &[
                ("is_home", "true"),
                ("guest_invite_policy", "Everyone"),
                ("blocks_subscriptions_leaving", "true"),
                ("blocks_subscriptions_entering", "false"),
                ("group_creation_needs_permission", "false"),
                ("default_management_group", root.as_str()),
            ],
        )
        .whole("Tenant", TENANT, "subscription_policy_exemptions")
        .freeze();
    let t = entity(&snapshot, "Tenant", TENANT);
    let bound = one(&snapshot, "restrict_invitations", std::slice::from_ref(&t));
    assert_eq!(
        (bound.operation.request.method, bound.operation.request.path.as_str()),
        (Method::Patch, "/v1.0/policies/authorizationPolicy")
    );
    assert_eq!(bound.operation.request.body, Some(json!({"allowInvitesFrom": "adminsAndGuestInviters"})));
    assert_eq!(undo(&bound).request.body, Some(json!({"allowInvitesFrom": "everyone"})));
    let bound = one(&snapshot, "forbid_directory_moves", std::slice::from_ref(&t));
    assert_eq!(bound.operation.request.path, "/providers/Microsoft.Subscription/policies/default");
    let wanted = json!({"blockSubscriptionsLeavingTenant": true, "blockSubscriptionsIntoTenant": true, "exemptedPrincipals": []});
    assert_eq!((version(&bound.operation), &bound.operation.request.body), ("2021-10-01", &Some(wanted)));
    assert_eq!(undo(&bound).request.body.as_ref().unwrap()["blockSubscriptionsIntoTenant"], json!(false));
    let bound = one(&snapshot, "require_permission_for_groups", std::slice::from_ref(&t));
    assert_eq!(bound.operation.request.path, format!("/providers/Microsoft.Management/managementGroups/{TENANT}/settings/default"));
    assert_eq!(bound.operation.request.body, Some(json!({"properties": {"requireAuthorizationForGroupCreation": true}})));
    let group = Value::text("/providers/Microsoft.Management/managementGroups/Landing");
    let bound = one(&snapshot, "set_default_group", &[t, group]);
    let wanted = json!({"properties": {"defaultManagementGroup": "/providers/Microsoft.Management/managementGroups/landing"}});
    assert_eq!(bound.operation.request.body, Some(wanted));
}

#[test]
fn an_unread_list_of_exemptions_stops_the_policy() {
    let facts = [("is_home", "true"), ("blocks_subscriptions_leaving", "true"), ("blocks_subscriptions_entering", "false")];
    let snapshot = Small::new().with("Tenant", TENANT, &facts).freeze();
    let refused = bind(&snapshot, "forbid_directory_moves", &[entity(&snapshot, "Tenant", TENANT)]).unwrap_err();
    assert!(refused.contains("is not known as a whole"), "{refused}");
}

#[test]
fn a_subscription_moves_between_groups() {
    let (old, new) = ("/providers/Microsoft.Management/managementGroups/old", "/providers/Microsoft.Management/managementGroups/new");
    let snapshot = Small::new()
        .with("ManagementGroup", old, &[])
        .with("ManagementGroup", new, &[])
        .with("Subscription", SUB, &[("parent", "-> ManagementGroup /providers/Microsoft.Management/managementGroups/old")])
        .freeze();
    let arguments = [entity(&snapshot, "Subscription", SUB), entity(&snapshot, "ManagementGroup", new)];
    let bound = one(&snapshot, "move_subscription", &arguments);
    let id = "a925f2f7-5c63-4b7b-8799-25a5f97bc3b2";
    // AddManagementGroupSubscription.json: PUT without a body.
    assert_eq!(bound.operation.request.path, format!("{new}/subscriptions/{id}"));
    assert_eq!(
        (bound.operation.request.method, version(&bound.operation), &bound.operation.request.body),
        (Method::Put, "2023-04-01", &None)
    );
    assert_eq!(undo(&bound).request.path, format!("{old}/subscriptions/{id}"));
}

#[test]
fn accounts_and_guests() {
    let snapshot = official().freeze();
    let user = entity(&snapshot, "User", USER);
    let bound = one(&snapshot, "disable_account", std::slice::from_ref(&user));
    assert_eq!(
        (bound.operation.request.method, bound.operation.request.path.as_str()),
        (Method::Patch, format!("/v1.0/users/{USER}").as_str())
    );
    assert_eq!(bound.operation.request.body, Some(json!({"accountEnabled": false})));
    assert_eq!(one(&snapshot, "enable_account", std::slice::from_ref(&user)).operation.request.body, Some(json!({"accountEnabled": true})));
    let bound = one(&snapshot, "remove_guest", std::slice::from_ref(&user));
    assert_eq!(bound.operation.request.method, Method::Delete);
    assert_eq!(undo(&bound).request.path, format!("/v1.0/directory/deletedItems/{USER}/restore"));
    assert_eq!(one(&snapshot, "restore_guest", &[user]).operation.request.method, Method::Post);
    let arguments = [entity(&snapshot, "Tenant", TENANT), Value::text("admin@fabrikam.com"), Value::text("https://myapp.contoso.com")];
    let bound = one(&snapshot, "invite_guest", &arguments);
    let body = bound.operation.request.body.as_ref().unwrap();
    // invitations_post.request.json has these two; the rest are named in the domain notes.
    assert_eq!(
        (&body["invitedUserEmailAddress"], &body["inviteRedirectUrl"]),
        (&json!("admin@fabrikam.com"), &json!("https://myapp.contoso.com"))
    );
    assert_eq!(bound.operation.repeatable, Repeatable::Never);
    assert_eq!(undo(&bound).request.path, "/v1.0/users/{/invitedUser/id}");
}

#[test]
fn a_guest_nobody_proved_to_be_there_is_not_removed() {
    let snapshot = Small::new().with("User", USER, &[("user_type", "Guest"), ("is_break_glass", "none")]).freeze();
    let refused = bind(&snapshot, "remove_guest", &[entity(&snapshot, "User", USER)]).unwrap_err();
    assert!(refused.contains("the exists of"), "{refused}");
    let snapshot = Small::new().with("User", USER, &[("account_enabled", "true"), ("is_break_glass", "true")]).freeze();
    assert!(bind(&snapshot, "disable_account", &[entity(&snapshot, "User", USER)]).unwrap_err().contains("emergencies"));
}

const DEFINITION: &str = "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/microsoft.managedservices/registrationdefinitions/26c128c2-fefa-4340-9bb1-6e081c90ada2";
const DELEGATION: &str = "/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/microsoft.managedservices/registrationassignments/484a7d5f-9729-4b87-bc9b-26610985a013";
const MANAGING: &str = "83abe5cd-bcc3-441a-bd86-e6a75360cecc";

fn delegated() -> Small {
    official()
        .with(
            "Delegation",
            DELEGATION,
            &[
                ("scope", "-> Subscription /subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2"),
                ("display_name", "DefinitionName"),
                ("description", "Tes1t"),
                ("managing_tenant", MANAGING),
                ("offer_publisher", "none"),
                ("definition", DEFINITION),
            ],
        )
        .with("Authorization", "x1", &authorization("f98d86a2-4cc4-4e9d-ad47-b3e80a1bcdfc", ROLE_REF))
        .with("Authorization", "x2", &authorization("f98d86a2-4cc4-4e9d-ad47-b3e80a1bcdff", ROLE_REF))
}

fn authorization(principal: &'static str, role: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "delegation",
            "-> Delegation /subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2/providers/microsoft.managedservices/registrationassignments/484a7d5f-9729-4b87-bc9b-26610985a013",
        ),
        ("principal_id", principal),
        ("principal_name", "Support User"),
        ("role", role),
        ("is_eligible", "false"),
        ("maximum_activation", "none"),
    ]
}

#[test]
fn a_delegation_ends_assignment_first() {
    let snapshot = delegated().whole("Delegation", DELEGATION, "authorizations").freeze();
    let bound = bind(&snapshot, "end_delegation", &[entity(&snapshot, "Delegation", DELEGATION)]).unwrap();
    let paths: Vec<&str> = bound.iter().map(|bound| bound.operation.request.path.as_str()).collect();
    let provider = format!("{SUB}/providers/Microsoft.ManagedServices");
    assert_eq!(
        paths,
        [
            format!("{provider}/registrationAssignments/484a7d5f-9729-4b87-bc9b-26610985a013"),
            format!("{provider}/registrationDefinitions/26c128c2-fefa-4340-9bb1-6e081c90ada2")
        ]
    );
    assert!(bound.iter().all(|bound| bound.operation.request.method == Method::Delete && version(&bound.operation) == "2022-10-01"));
    assert!(bound.iter().all(|bound| bound.operation.window_seconds == 900));
    assert_eq!(undo(&bound[0]).request.body, Some(json!({"properties": {"registrationDefinitionId": DEFINITION}})));
    assert_eq!(undo(&bound[1]).request.body.as_ref().unwrap()["properties"]["authorizations"], Json::Null);
    let again = bind(&snapshot, "delegate_again", &[entity(&snapshot, "Delegation", DELEGATION)]).unwrap();
    assert_eq!(again[0].operation.request.path, paths[1]);
    assert_eq!(again[0].operation.request.body.as_ref().unwrap()["properties"]["description"], json!("Tes1t"));
}

#[test]
fn an_authorization_is_left_out_of_the_whole_list() {
    let snapshot = delegated().whole("Delegation", DELEGATION, "authorizations").freeze();
    let bound = one(&snapshot, "trim_authorization", &[entity(&snapshot, "Authorization", "x2")]);
    // The shape of PutRegistrationDefinition.json.
    let wanted = json!({"properties": {
        "registrationDefinitionName": "DefinitionName",
        "description": "Tes1t",
        "managedByTenantId": MANAGING,
        "authorizations": [
            {"principalId": "f98d86a2-4cc4-4e9d-ad47-b3e80a1bcdfc", "principalIdDisplayName": "Support User", "roleDefinitionId": ROLE}
        ]
    }});
    assert_eq!(bound.operation.request.body, Some(wanted));
    let Found::Present(fields) = &bound.operation.before[0].found else { panic!() };
    assert_eq!(fields["/properties/authorizations"].as_array().unwrap().len(), 2);
    assert_eq!(fields["/properties/eligibleAuthorizations/0"], Json::Null);
    let open = delegated().freeze();
    let refused = bind(&open, "trim_authorization", &[entity(&open, "Authorization", "x2")]).unwrap_err();
    assert!(refused.contains("is not known as a whole"), "{refused}");
    let back = one(&snapshot, "restore_authorization", &[entity(&snapshot, "Authorization", "x2")]);
    assert_eq!(back.operation.request.body.as_ref().unwrap()["properties"]["authorizations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_delegation_is_made_of_definition_and_assignment() {
    let snapshot = official().freeze();
    let arguments = [
        entity(&snapshot, "Subscription", SUB),
        Value::text("DefinitionName"),
        Value::text(MANAGING),
        Value::text("f98d86a2-4cc4-4e9d-ad47-b3e80a1bcdfc"),
        Value::text("Support User"),
        entity(&snapshot, "RoleDefinition", ROLE),
    ];
    let bound = bind(&snapshot, "delegate", &arguments).unwrap();
    let definition = bound[0].operation.request.path.clone();
    let sent = bound[1].operation.request.body.as_ref().unwrap();
    assert_eq!(sent, &json!({"properties": {"registrationDefinitionId": definition}}));
}

#[test]
fn custom_roles() {
    let role = "cccccccc-0000-0000-0000-000000000001";
    let lists = [("actions", "[microsoft.support/*]"), ("not_actions", "[]"), ("data_actions", "[]"), ("not_data_actions", "[]")];
    let mut facts = vec![("display_name", "Helper"), ("type", "CustomRole"), ("description", "none")];
    facts.extend(lists);
    facts.push(("assignable_scopes", "[/subscriptions/a925f2f7-5c63-4b7b-8799-25a5f97bc3b2]"));
    let snapshot = official().with("RoleDefinition", role, &facts).freeze();
    let r = entity(&snapshot, "RoleDefinition", role);
    let bound = one(&snapshot, "delete_custom_role", std::slice::from_ref(&r));
    assert_eq!(bound.operation.request.path, format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}"));
    assert_eq!(undo(&bound).request.body.as_ref().unwrap()["properties"]["permissions"], Json::Null);
    let back = one(&snapshot, "recreate_custom_role", &[r]);
    let permission = json!([{"actions": ["microsoft.support/*"], "notActions": [], "dataActions": [], "notDataActions": []}]);
    assert_eq!(back.operation.request.body.as_ref().unwrap()["properties"]["permissions"], permission);
    let arguments = [entity(&snapshot, "Subscription", SUB), Value::text("New"), Value::text("Microsoft.Support/*")];
    assert_eq!(one(&snapshot, "create_custom_role", &arguments).operation.request.method, Method::Put);
    let builtin = entity(&snapshot, "RoleDefinition", ROLE);
    assert!(bind(&snapshot, "delete_custom_role", &[builtin]).unwrap_err().contains("no custom role"));
}

#[test]
fn unknown_actions_have_no_request() {
    let snapshot = official().freeze();
    assert!(bind(&snapshot, "end_the_world", &[]).unwrap_err().contains("no request is known"));
    assert!(ACTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted by name");
}

//! The tenant in memory, made of the recorded answers of the fixtures and written back.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value as Json;
use tenet::remedy::plan::{Method, Service};
use tenet::snapshot::Records;
use tenet::sources::azure::address::path_and_query;
use tenet::sources::azure::memory::{Call, MemoryTenant, RecordedPage, Reply};

use crate::stories::STORIES;
use crate::tenant::Tenant;

/// The recorded answers of a fixture, by the names of their files.
pub(crate) fn recorded(fixture: &str) -> Vec<RecordedPage> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture).join("answers");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| RecordedPage {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        page: serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
    };
    files.iter().map(read).collect()
}

pub(crate) fn written(pages: &[RecordedPage]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = pages.iter().map(|page| {
        let path = folder.path().join(&page.name);
        fs::write(&path, page.page.to_string()).unwrap();
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

fn now() -> Timestamp {
    "2026-10-20T08:00:00Z".parse().unwrap()
}

fn send(tenant: &mut MemoryTenant, method: Option<Method>, url: &str, body: Option<Json>) -> Reply {
    let (path, query) = path_and_query(url).unwrap();
    let service = if url.contains("graph") { Service::Graph } else { Service::Arm };
    tenant.answer(&Call { service, method, path: &path, query: &query, body: body.as_ref(), caller: "admin" }, now())
}

#[test]
fn what_did_not_change_is_written_as_it_was_read() {
    let mut n = 0;
    for fixture in STORIES.iter().chain(&["contoso"]) {
        let pages = recorded(fixture);
        // Some stories leave out what would tell the directory, or the request.
        let Ok(tenant) = MemoryTenant::from_answers(&pages) else { continue };
        assert_eq!(tenant.to_answers(now(), None), pages, "{fixture}");
        n += 1;
    }
    assert!(n > 5, "only {n} fixtures make a tenant");
}

#[test]
fn asked_what_was_asked_the_model_answers_what_was_answered() {
    let pages = recorded("contoso");
    let mut tenant = MemoryTenant::from_answers(&pages).unwrap();
    let mut differing = Vec::new();
    for page in &pages {
        let url = page.page["request"]["url"].as_str().unwrap();
        if page.name == "users-1.json" || page.name == "users-2.json" {
            continue;
        }
        let reply = send(&mut tenant, None, url, None);
        let status = page.page["response"]["status"].as_u64().unwrap();
        assert_eq!(u64::from(reply.status), status, "{}", page.name);
        let (said, body) = (&page.page["response"]["body"], reply.body.unwrap());
        let same = match (said["value"].as_array(), body["value"].as_array()) {
            (Some(wanted), Some(items)) => sorted(wanted) == sorted(items) && said["nextLink"].is_null() == body["nextLink"].is_null(),
            _ => *said == body,
        };
        if !same {
            differing.push(format!("{}\n  recorded {said}\n  answered {body}", page.name));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn sorted(items: &[Json]) -> Vec<String> {
    let mut items: Vec<String> = items.iter().map(|item| canonical(item).to_string()).collect();
    items.sort();
    items
}

/// Objects have no order of their fields.
fn canonical(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(name, value)| (name.clone(), canonical(value))).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Json::Object(fields.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

#[test]
fn a_change_and_its_undo_leave_the_facts_as_they_were() {
    let fixture = Tenant::open("contoso");
    let pages = recorded("contoso");
    let mut tenant = MemoryTenant::from_answers(&pages).unwrap();
    tenant.settings.deny_assignments = false;
    let assignment = "https://management.azure.com/subscriptions/5b000001-0000-4000-8000-000000000000/providers/Microsoft.Authorization/roleAssignments/7a00000a-0000-4000-8000-000000000000?api-version=2022-04-01";
    let policy = "https://graph.microsoft.com/v1.0/policies/authorizationPolicy";
    let guest = "https://graph.microsoft.com/v1.0/users/a0000024-0000-4000-8000-000000000000";
    let old = send(&mut tenant, Some(Method::Delete), assignment, None);
    assert_eq!(old.status, 200);
    let narrow = serde_json::json!({ "allowInvitesFrom": "adminsAndGuestInviters" });
    assert_eq!(send(&mut tenant, Some(Method::Patch), policy, Some(narrow)).status, 204);
    assert_eq!(send(&mut tenant, Some(Method::Delete), guest, None).status, 204);

    let answers = tenant.to_answers(now(), None);
    let differing: Vec<&str> = answers.iter().zip(&pages).filter(|(new, old)| new != old).map(|(new, _)| new.name.as_str()).collect();
    assert_eq!(
        differing,
        ["authorization-policy.json", "role-assignments-erp-production.json", "role-schedules-erp-production.json", "users-2.json"]
    );
    let (_folder, paths) = written(&answers);
    let before = fixture.records(&fixture.answers(), false).unwrap();
    let between = fixture.records(&paths, false).unwrap();
    assert_eq!(between.entities.len() + 2, before.entities.len());

    let everybody = serde_json::json!({ "allowInvitesFrom": "adminsGuestInvitersAndAllMembers" });
    assert_eq!(send(&mut tenant, Some(Method::Patch), policy, Some(everybody)).status, 204);
    let restore = "https://graph.microsoft.com/v1.0/directory/deletedItems/a0000024-0000-4000-8000-000000000000/restore";
    assert_eq!(send(&mut tenant, Some(Method::Post), restore, None).status, 200);
    let again = send(&mut tenant, Some(Method::Put), assignment, old.body);
    assert_eq!(again.status, 201);
    // Who made it and when is lost, as in the real service.
    let answers = tenant.to_answers(now(), None);
    let differing: Vec<&str> = answers.iter().zip(&pages).filter(|(new, old)| new != old).map(|(new, _)| new.name.as_str()).collect();
    assert_eq!(differing, ["role-assignments-erp-production.json"]);
    let (_folder, paths) = written(&answers);
    let after = fixture.records(&paths, false).unwrap();
    // Whoever undid it is known now, as the one who made it.
    let undoer = "ad000000-0000-4000-8000-000000000000";
    let keys = |records: &Records| {
        records.entities.iter().map(|record| record.key.clone()).filter(|key| key.as_ref() != undoer).collect::<Vec<_>>()
    };
    assert_eq!(keys(&after), keys(&before));
}

#[test]
fn a_subscription_that_moves_inherits_from_its_new_group() {
    let pages = recorded("contoso");
    let mut tenant = MemoryTenant::from_answers(&pages).unwrap();
    let url = "https://management.azure.com/providers/Microsoft.Management/managementGroups/contoso-sandboxes/subscriptions/5b000001-0000-4000-8000-000000000000?api-version=2023-04-01";
    assert_eq!(send(&mut tenant, Some(Method::Put), url, None).status, 200);
    assert_eq!(send(&mut tenant, None, url, None).status, 200);
    let answers = tenant.to_answers(now(), None);
    let page = answers.iter().find(|page| page.name == "role-assignments-erp-production.json").unwrap();
    let ids: Vec<&str> =
        page.page["response"]["body"]["value"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert!(!ids.iter().any(|id| id.contains("contoso-landing-zones")), "{ids:?}");
}

//! Requests and answers that are wrong are refused, each with a sentence that says why.

use serde_json::{Value as Json, json};
use tenet::sources::azure::address::path_and_query;

use super::{Asked, Descriptions};

const SUB: &str = "https://management.azure.com/subscriptions/5b000001-0000-4000-8000-000000000000";
const NAME: &str = "7e000001-0000-4000-8000-000000000000";

struct Case {
    method: &'static str,
    address: String,
    body: Option<Json>,
    says: &'static str,
}

fn case(method: &'static str, address: impl Into<String>, body: Option<Json>, says: &'static str) -> Case {
    Case { method, address: address.into(), body, says }
}

#[track_caller]
fn refused(descriptions: &Descriptions, case: &Case) {
    let (path, query) = path_and_query(&case.address).unwrap();
    let asked = Asked { method: case.method, path: &path, query: &query, body: case.body.as_ref(), continued: false, template: false };
    let said = descriptions.check(&asked).map(|matched| matched.named).expect_err(&case.address);
    assert!(said.contains(case.says), "{}: {said}", case.address);
}

#[test]
fn wrong_requests_are_refused() {
    let descriptions = Descriptions::read();
    let arm = "https://management.azure.com";
    let graph = "https://graph.microsoft.com/v1.0";
    let assignments = format!("{SUB}/providers/Microsoft.Authorization/roleAssignments");
    let one = format!("{assignments}/{NAME}?api-version=2022-04-01");
    let good = json!({ "properties": { "roleDefinitionId": "r", "principalId": "p", "principalType": "User" } });
    let with = |name: &str, value: Json| {
        let mut body = good.clone();
        body["properties"][name] = value;
        Some(body)
    };
    let entities = format!("{arm}/providers/Microsoft.Management/getEntities?api-version=2023-04-01");
    let events = format!("{SUB}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01");
    let cases = [
        // Paths and methods.
        case("GET", format!("{arm}/subscription?api-version=2022-12-01"), None, "no description has the path /subscription"),
        case("GET", format!("{arm}/subscriptions/?api-version=2022-12-01"), None, "no description has the path"),
        case("GET", format!("{graph}/directory/deletedItems"), None, "no description has the path"),
        case("GET", entities.clone(), None, "knows POST, and no GET"),
        case("DELETE", assignments.clone() + "?api-version=2022-04-01", None, "knows GET, and no DELETE"),
        // Versions.
        case("GET", format!("{arm}/subscriptions"), None, "is asked without api-version"),
        case(
            "GET",
            format!("{arm}/tenants?api-version=2020-01-01"),
            None,
            "the version 2020-01-01 of /tenants is not described, but 2022-12-01",
        ),
        case("GET", format!("{SUB}/resourcegroups?api-version=2024-07-01"), None, "is not described, but 2024-03-01"),
        // Parameters.
        case("GET", assignments.clone() + "?api-version=2022-04-01&$top=10", None, "has no parameter $top"),
        case("GET", assignments.clone() + "?api-version=2022-04-01&api-version=2022-04-01", None, "api-version is given twice"),
        case("GET", events.clone(), None, "is asked without \"$filter\""),
        case("POST", entities.clone() + "&$view=Everything", None, "is no value of the parameter $view"),
        case("POST", entities.clone() + "&$top=many", None, "\"many\" is no value of the parameter $top"),
        case("GET", format!("{graph}/users?$skip=5"), None, "has no parameter $skip"),
        case("GET", format!("{graph}/users?$select=id,mailbox"), None, "there is no property mailbox to select"),
        case("GET", format!("{graph}/groups/g/members?$select=id,userType"), None, "there is no property userType to select"),
        case("GET", assignments.clone() + "?api-version=2022-04-01&$skiptoken=page-3", None, "has no parameter $skiptoken"),
        // Bodies.
        case("POST", entities, Some(json!({})), "takes no body"),
        case("PUT", one.clone(), None, "needs a body"),
        case("PUT", one.clone(), Some(json!({ "properties": { "principalId": "p" } })), "\"roleDefinitionId\" is a required property"),
        case("PUT", one.clone(), with("principalType", json!("Person")), "\"Person\" is not one of"),
        case("PUT", one.clone(), with("note", json!("x")), "'note' was unexpected"),
        case("PUT", one.clone(), with("createdBy", json!("x")), "'createdBy' was unexpected"),
        case("PUT", one.clone(), with("description", json!(null)), "null is not of type \"string\""),
        case("PATCH", format!("{graph}/users/u"), Some(json!({ "accountEnabled": "no" })), "is not of type \"boolean\""),
        case("PATCH", format!("{graph}/policies/authorizationPolicy"), Some(json!({ "allowInvitesFrom": "nobody" })), "is not one of"),
    ];
    for case in &cases {
        refused(&descriptions, case);
    }
    // What they are made of is right.
    let (path, query) = path_and_query(&one).unwrap();
    let asked = Asked { method: "PUT", path: &path, query: &query, body: Some(&good), continued: false, template: false };
    descriptions.check(&asked).unwrap();
    let open = with("description", json!(null)).unwrap();
    descriptions.check(&Asked { body: Some(&open), template: true, ..asked }).unwrap();
}

#[test]
fn wrong_answers_are_refused() {
    let descriptions = Descriptions::read();
    let (path, query) = path_and_query(&format!("{SUB}/providers/Microsoft.Authorization/locks?api-version=2016-09-01")).unwrap();
    let asked = Asked { method: "GET", path: &path, query: &query, body: None, continued: false, template: false };
    let matched = descriptions.check(&asked).unwrap();
    let lock = |properties: Json| json!({ "value": [{ "id": "l", "name": "l", "properties": properties }] });
    matched.answered(200, Some(&lock(json!({ "level": "ReadOnly", "notes": null })))).unwrap();
    matched.answered(403, Some(&json!({ "error": { "code": "AuthorizationFailed", "message": "no" } }))).unwrap();
    let cases = [
        (200, Some(lock(json!({ "level": "Closed" }))), "\"Closed\" is not one of"),
        (200, Some(lock(json!({}))), "\"level\" is a required property"),
        (200, Some(lock(json!({ "level": "ReadOnly", "color": "red" }))), "'color' was unexpected"),
        (200, Some(json!({ "value": "none" })), "\"none\" is not of type"),
        (200, None, "answers 200 with a body"),
        (204, None, "never answers 204"),
        (403, Some(json!({ "message": "no" })), "403 without an error of code and message"),
    ];
    for (status, body, says) in cases {
        let said = matched.answered(status, body.as_ref()).unwrap_err();
        assert!(said.contains(says), "{said}");
    }
}

use jiff::Timestamp;

use super::*;
use crate::model::{Bound, Interval};

const SINCE: &str = "2026-08-01T00:00:00Z";
const UNTIL: &str = "2026-10-30T00:00:00Z";
const ID: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleAssignments/r1";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn log(provider: &str, events: &[String]) -> String {
    let filter = format!("eventTimestamp ge '{SINCE}' and eventTimestamp le '{UNTIL}' and resourceProvider eq '{provider}'");
    let path = "providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01";
    let url = format!("https://management.azure.com{SUB}/{path}&$filter={}", filter.replace(' ', "%20"));
    exchange(&url, 200, &format!(r#"{{"value":[{}]}}"#, events.join(",")))
}

/// An event about the assignment `r1`.
fn event(operation: &str, status: &str, time: &str, body: &str) -> String {
    let properties = serde_json::json!({ "responseBody": body });
    format!(
        r#"{{"operationName":{{"value":"Microsoft.{operation}"}},"status":{{"value":"{status}"}},"subStatus":{{"value":"Created"}},
        "eventTimestamp":"{time}","resourceId":"{ID}","subscriptionId":"aaaaaaaa-0000-0000-0000-000000000001","properties":{properties}}}"#
    )
}

fn gone(status: &str, time: &str) -> String {
    let body = assignment(SUB, "r1", "p1", r#","condition":null,"createdOn":"2026-07-01T00:00:00Z""#);
    event("Authorization/roleAssignments/delete", status, time, &body)
}

fn listing(kind: &str, items: &str) -> String {
    let url = format!("https://management.azure.com{SUB}/providers/Microsoft.Authorization/{kind}?api-version=2022-04-01");
    exchange(&url, 200, &format!(r#"{{"value":[{items}]}}"#))
}

/// A subscription whose lists are whole, with these events; what is named is left out.
fn seen(events: &[String], more: &[String], now: &str, without: &str) -> Snapshot {
    let files = [
        ("assignments", listing("roleAssignments", now)),
        ("eligible", listing("roleEligibilityScheduleInstances", "")),
        ("roles", log("Microsoft.Authorization", events)),
        ("moves", log("Microsoft.Subscription", more)),
    ];
    let named: Vec<(String, String)> =
        files.into_iter().filter(|(name, _)| *name != without).map(|(name, text)| (format!("{name}.json"), text)).collect();
    let files: Vec<(&str, &str)> = named.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    arm(&files, &ImportOptions { earlier: true, ..ImportOptions::default() }).0
}

/// For which time the list of assignments of the subscription lacks nothing.
fn covered(snapshot: &Snapshot) -> Vec<Interval> {
    let (ty, property) = property(snapshot, "Scope", "role_assignments");
    snapshot.nav(snapshot.find(ty, SUB).unwrap(), property).completeness.covered.clone()
}

fn between(from: &str, to: &str) -> Vec<Interval> {
    vec![Interval { from: Bound::At(at(from)), to: Bound::At(at(to)) }]
}

const END: &str = "2026-10-29T23:00:00Z";

#[test]
fn an_event_ends_what_was_removed() {
    let snapshot = seen(&[gone("Started", "2026-09-01T09:59:59Z"), gone("Succeeded", "2026-09-01T10:00:00Z")], &[], "", "");
    assert_eq!(covered(&snapshot), between(SINCE, END));
    let ty = snapshot.schema().entity_named("RoleAssignment").unwrap().id;
    let life = snapshot.lifetime(snapshot.find(ty, ID).unwrap());
    assert_eq!(life, Interval { from: Bound::At(at("2026-07-01T00:00:00Z")), to: Bound::At(at("2026-09-01T10:00:00Z")) });
    for (name, value) in [("principal", "p1"), ("role", OWNER), ("scope", SUB), ("effective", "true"), ("created_at", "2026-07-01")] {
        assert_eq!(cell(&snapshot, "RoleAssignment", ID, name), value, "{name}");
    }
    assert_eq!(list(&snapshot, "Scope", SUB, "role_assignments"), "r1 (whole)");
}

#[test]
fn what_an_event_does_not_say_is_not_known() {
    let event = event("Authorization/roleAssignments/delete", "Succeeded", "2026-09-01T10:00:00Z", "{\"properties\":{\"princ");
    let snapshot = seen(&[event], &[], "", "");
    assert_eq!(covered(&snapshot), between(SINCE, END));
    let ty = snapshot.schema().entity_named("RoleAssignment").unwrap().id;
    // It was not made in the time of the log, so it was there when that began.
    let life = snapshot.lifetime(snapshot.find(ty, ID).unwrap());
    assert_eq!(life, Interval { from: Bound::At(at(SINCE)), to: Bound::At(at("2026-09-01T10:00:00Z")) });
    assert_eq!(cell(&snapshot, "RoleAssignment", ID, "principal"), "unknown: not read");
    assert_eq!(cell(&snapshot, "RoleAssignment", ID, "effective"), "unknown: not read");
}

#[test]
fn a_log_covers_nothing_where_something_is_in_doubt() {
    let none = Vec::new();
    let removed = || gone("Succeeded", "2026-09-01T10:00:00Z");
    // A list or a log was not read.
    for without in ["assignments", "eligible", "roles", "moves"] {
        assert_eq!(covered(&seen(&[removed()], &[], "", without)), none, "without {without}");
    }
    // An operation was begun and nothing says how it ended.
    assert_eq!(covered(&seen(&[gone("Accepted", "2026-09-01T10:00:00Z")], &[], "", "")), none);
    assert_eq!(
        covered(&seen(&[gone("Accepted", "2026-09-01T10:00:00Z"), gone("Failed", "2026-09-01T10:01:00Z")], &[], "", "")),
        between(SINCE, END)
    );
    // A word that nobody knows, an event without a time.
    assert_eq!(covered(&seen(&[gone("Finished", "2026-09-01T10:00:00Z")], &[], "", "")), none);
    assert_eq!(covered(&seen(&[gone("Succeeded", "")], &[], "", "")), none);
    // It was made, it is not there, and nothing says that it was removed.
    let made = event("Authorization/roleAssignments/write", "Succeeded", "2026-09-01T10:00:00Z", "{}");
    assert_eq!(covered(&seen(&[made], &[], "", "")), none);
    // It was removed and made anew: before that, another of the same id was there.
    let here = assignment(SUB, "r1", "p1", r#","createdOn":"2026-09-02T00:00:00Z""#);
    assert_eq!(covered(&seen(&[removed()], &[], &here, "")), between("2026-09-01T10:00:00Z", END));
    // What was granted before a move to another directory is gone without an event.
    let moved = event("Subscription/updateTenant/action", "Succeeded", "2026-08-20T00:00:00Z", "{}");
    assert_eq!(covered(&seen(&[], &[moved], "", "")), between("2026-08-20T00:00:00Z", END));
}

#[test]
fn where_access_can_be_activated_events_do_not_tell_all() {
    let eligible = format!(
        r#"{{"id":"{SUB}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances/e1",
        "type":"Microsoft.Authorization/roleEligibilityScheduleInstances","properties":{{"scope":"{SUB}",
        "roleDefinitionId":"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}","principalId":"p1"}}}}"#
    );
    let files = [
        listing("roleAssignments", ""),
        listing("roleEligibilityScheduleInstances", &eligible),
        log("Microsoft.Authorization", &[]),
        log("Microsoft.Subscription", &[]),
    ];
    let named: Vec<(String, &str)> = files.iter().enumerate().map(|(n, text)| (format!("{n}.json"), text.as_str())).collect();
    let files: Vec<(&str, &str)> = named.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    assert_eq!(covered(&arm(&files, &ImportOptions { earlier: true, ..ImportOptions::default() }).0), Vec::new());
}

#[test]
fn an_alias_that_makes_a_subscription_says_when() {
    let body = r#"{"properties":{"subscriptionId":"aaaaaaaa-0000-0000-0000-000000000002"}}"#;
    let made = |time: &str| {
        event("Subscription/aliases/write", "Succeeded", time, body).replace(ID, "/providers/Microsoft.Subscription/aliases/new")
    };
    let again = made("2026-09-03T00:00:00Z").replace("\"Created\"", "\"OK\"");
    let snapshot = seen(&[], &[made("2026-09-02T00:00:00Z"), made("2026-09-01T00:00:00Z"), again], "", "");
    let key = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000002";
    assert_eq!(cell(&snapshot, "Subscription", key, "acquired_at"), "2026-09-01");
    let (ty, property) = property(&snapshot, "Subscription", "acquired_at");
    let source = snapshot.cell(snapshot.find(ty, key).unwrap(), property).source.unwrap();
    assert_eq!(snapshot.source(source).unwrap().name, "arm:activityLog");
}

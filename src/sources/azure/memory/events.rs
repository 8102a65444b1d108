//! The activity log: what was written to the tenant since it was made up, as events tell it.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::MemoryTenant;
use super::call::{Call, Reply, arm_error};
use super::scopes::canonical;
use super::store::Kind;
use crate::model::parse_instant;

/// What events tell of: the provider, the operation without its end, the kind of object.
const TOLD: [(&str, &str, Kind); 2] = [
    ("Microsoft.Authorization", "Microsoft.Authorization/roleAssignments", Kind::RoleAssignment),
    ("Microsoft.ManagedServices", "Microsoft.ManagedServices/registrationAssignments", Kind::RegistrationAssignment),
];

impl MemoryTenant {
    /// Answers with the events of a scope and below, the last one first.
    pub(super) fn events(&self, scope: &str, call: &Call<'_>, now: Timestamp) -> Reply {
        let Some((since, until, provider)) = call.parameter("$filter").and_then(filter) else {
            return arm_error(400, "BadRequest", "The filter must have a start time, and may have an end time and a resource provider.");
        };
        let scope = canonical(scope);
        let mut events: Vec<(Timestamp, Json)> = Vec::new();
        for (name, operation, kind) in TOLD.iter().filter(|(name, ..)| name.eq_ignore_ascii_case(&provider)) {
            for (key, changes) in self.store.changes(*kind) {
                if !key.starts_with(&format!("{scope}/")) {
                    continue;
                }
                for (n, change) in changes.iter().enumerate() {
                    if (since..=until.min(now)).contains(&change.at) {
                        let about = About { scope: &scope, provider: name, operation, key, n };
                        events.push((change.at, about.event(change.before, change.after, change.at)));
                    }
                }
            }
        }
        events.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.to_string().cmp(&b.1.to_string())));
        self.page(call, events.into_iter().map(|(_, event)| event).collect())
    }
}

struct About<'a> {
    scope: &'a str,
    provider: &'a str,
    operation: &'a str,
    key: &'a str,
    n: usize,
}

impl About<'_> {
    fn event(&self, before: Option<&Json>, after: Option<&Json>, at: Timestamp) -> Json {
        let Self { scope, provider, operation, key, n } = self;
        let word = if after.is_some() { "write" } else { "delete" };
        let status = if before.is_none() { "Created" } else { "OK" };
        json!({
            "id": format!("{key}/events/{n}/ticks/{}", at.as_second()),
            "operationName": { "value": format!("{operation}/{word}"), "localizedValue": word },
            "resourceProviderName": { "value": provider },
            "status": { "value": "Succeeded", "localizedValue": "Succeeded" },
            "subStatus": { "value": status, "localizedValue": status },
            "eventTimestamp": at.to_string(),
            "resourceId": key,
            "subscriptionId": scope.rsplit('/').next(),
            "correlationId": format!("{n}"),
            "caller": "somebody@contoso.example",
            "properties": { "responseBody": after.or(before).map(ToString::to_string) }
        })
    }
}

/// Reads `eventTimestamp ge '..' and eventTimestamp le '..' and resourceProvider eq '..'`.
fn filter(text: &str) -> Option<(Timestamp, Timestamp, String)> {
    let mut values = text.split('\'').skip(1).step_by(2);
    let mut instant = || parse_instant(values.next()?).ok().flatten();
    let (since, until) = (instant()?, instant()?);
    Some((since, until, values.next()?.to_owned()))
}

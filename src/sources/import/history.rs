//! For which times events tell all that happened to a list.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::intake::{Intake, Refusal};
use super::request::decoded;
use crate::model::{Bound, Completeness, Interval, SourceId, parse_instant};
use crate::sources::arm::activity_log::About;

/// Events show some minutes after what they tell of; those of the last hour may be missing.
const DELAY: SignedDuration = SignedDuration::from_hours(1);

/// What a request for events asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventQuery {
    since: Timestamp,
    until: Timestamp,
    provider: String,
}

/// Reads the query of a request for events; none if it asks in a way that is not known here.
pub(super) fn event_query(query: &str) -> Option<EventQuery> {
    let mut filter = None;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decoded(value).replace('+', " ");
        match decoded(name).to_lowercase().as_str() {
            "api-version" | "$select" => {}
            "$filter" => filter = Some(value.to_lowercase()),
            _ => return None,
        }
    }
    let filter = filter?;
    let mut parts = filter.split(" and ").map(|part| part.trim().splitn(3, ' ').collect::<Vec<_>>());
    let mut take = |field: &str, comparison: &str| {
        let part = parts.next()?;
        let [name, operator, value] = part.as_slice() else { return None };
        (*name == field && *operator == comparison).then(|| value.trim().trim_matches('\'').to_owned())
    };
    let since = take("eventtimestamp", "ge")?;
    let until = take("eventtimestamp", "le")?;
    let provider = take("resourceprovider", "eq")?;
    let instant = |text: &str| parse_instant(&text.to_uppercase()).ok().flatten();
    parts.next().is_none().then_some(EventQuery { since: instant(&since)?, until: instant(&until)?, provider })
}

/// Logs of events that were read whole, by subscription and provider.
#[derive(Debug, Default)]
pub(super) struct Logs {
    whole: BTreeMap<(String, String), (EventQuery, SourceId)>,
}

impl Logs {
    pub(super) fn push(&mut self, scope: &str, url: &str, source: SourceId) {
        if let Some(query) = event_query(url.split_once('?').map_or("", |(_, query)| query)) {
            self.whole.insert((scope.to_owned(), query.provider.clone()), (query, source));
        }
    }

    fn of(&self, scope: &str, provider: &str) -> Option<&(EventQuery, SourceId)> {
        self.whole.get(&(scope.to_owned(), provider.to_owned()))
    }

    /// States for which time the lists of each subscription lack nothing. `whole` tells whether a list of now was read whole.
    ///
    /// Only lists of the subscription itself: what is granted on a scope below goes without an event when the scope goes.
    pub(super) fn state(&self, intake: &mut Intake<'_>, whole: &dyn Fn(About, &str) -> bool) -> Result<(), Refusal> {
        // Whether the end of an activation leaves an event is not documented; where some may be activated, nothing is claimed.
        let activates = !intake.of_type("RoleEligibility").is_empty();
        let scopes: std::collections::BTreeSet<&String> = self.whole.keys().map(|(scope, _)| scope).collect();
        for scope in scopes {
            let Some((moves, _)) = self.of(scope, "microsoft.subscription") else { continue };
            let kinds = [
                (About::RoleAssignment, "microsoft.authorization", "role_assignments", "RoleAssignment"),
                (About::Delegation, "microsoft.managedservices", "delegations", "Delegation"),
            ];
            for (about, provider, list, ty) in kinds {
                let Some((query, source)) = self.of(scope, provider) else { continue };
                let key = (about, scope.clone());
                if (about == About::RoleAssignment && activates) || !whole(about, scope) || intake.later.doubts.unclear.contains(&key) {
                    continue;
                }
                let doubt = intake.later.doubts.until.get(&key).copied();
                let since = query.since.max(moves.since).max(doubt.unwrap_or(Timestamp::MIN));
                let until = query.until.min(moves.until).checked_sub(DELAY).unwrap_or(since);
                if since < until {
                    cover(intake, scope, (list, ty), Interval { from: Bound::At(since), to: Bound::At(until) }, *source)?;
                }
            }
        }
        Ok(())
    }
}

fn cover(intake: &mut Intake<'_>, scope: &str, (list, ty): (&str, &str), time: Interval, source: SourceId) -> Result<(), Refusal> {
    let holder = intake.scope(scope)?;
    // What was removed and not made in this time was there when it began.
    let marker = format!("{scope}/providers/");
    for member in intake.of_type(ty) {
        let rest = intake.builder.key_of(member).strip_prefix(&marker).map(str::to_owned);
        let own = rest.is_some_and(|rest| rest.matches('/').count() == 2);
        let lifetime = intake.builder.lifetime_of(member);
        let went = matches!((lifetime.from, lifetime.to), (Bound::Unknown, Bound::At(_)));
        if own && went && intake.later.removed.contains(&member) {
            intake.builder.existed(member, Interval { from: time.from, to: Bound::Unbounded });
        }
    }
    let claim = Completeness { complete: false, reason: None, covered: vec![time], source: Some(source) };
    Ok(intake.builder.claim(holder, list, claim)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_events_is_read() {
        let asked = "api-version=2015-04-01&$filter=eventTimestamp%20ge%20'2026-07-22T08:00:00Z'%20and%20eventTimestamp%20le%20'2026-10-20T08:00:00Z'%20and%20resourceProvider%20eq%20'Microsoft.Authorization'";
        let query = event_query(asked).unwrap();
        assert_eq!(query.provider, "microsoft.authorization");
        assert_eq!(query.since.to_string(), "2026-07-22T08:00:00Z");
        for other in [
            "api-version=2015-04-01",
            &format!("{asked}%20and%20caller%20eq%20'x'"),
            &format!("{asked}&$skiptoken=x"),
            &asked.replace("ge", "gt"),
        ] {
            assert_eq!(event_query(other), None, "{other}");
        }
    }
}

//! Events of the activity log, and the history they tell: who held what until when, and when a subscription was made.
//!
//! Source: "Activity Logs - List" (Microsoft.Insights 2015-04-01) and "Azure Activity Log event schema", Microsoft Learn. Events
//! are kept for 90 days. The texts of requests and answers that an event carries may be cut.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::billing::RANK_EVENT;
use crate::model::{Bound, Interval, SourceId, canonical_arm_id, parse_instant};
use crate::snapshot::Handle;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

const SOURCE: &str = "arm:activityLog";
/// Words for an operation that has not ended, or that changed nothing.
const UNDONE: [&str; 6] = ["started", "accepted", "in progress", "inprogress", "active", "resolved"];

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum About {
    RoleAssignment,
    Delegation,
    /// A subscription that moves to another directory: what was granted on it is gone without a word.
    Move,
    /// An alias by which a subscription is made.
    Alias,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum Deed {
    Written,
    Removed,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum Outcome {
    /// It was begun; another event says how it ended.
    Begun,
    Done,
    Failed,
}

/// An event.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Event {
    pub(in crate::sources) deed: Deed,
    pub(in crate::sources) outcome: Outcome,
    pub(in crate::sources) at: Timestamp,
    /// Whether something was made that was not there.
    created: bool,
    /// What was written or removed, as the service or the caller told it.
    body: Option<Value>,
    source: SourceId,
}

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let operation = text("/operationName/value").ok_or_else(|| Refusal::new("it names no operation"))?.to_lowercase();
    let Some((about, deed)) = what(&operation) else { return Ok(()) };
    let status = text("/status/value").ok_or_else(|| Refusal::new("it has no status"))?.to_lowercase();
    let outcome = match status.as_str() {
        "succeeded" => Outcome::Done,
        "failed" => Outcome::Failed,
        status if UNDONE.contains(&status) => Outcome::Begun,
        other => return Err(Refusal::new(format!("its status `{other}` is not known"))),
    };
    let at = text("/eventTimestamp").map(parse_instant).ok_or_else(|| Refusal::new("it has no time"))?;
    let at = at.map_err(Refusal::new)?.ok_or_else(|| Refusal::new("it has no time"))?;
    let id = match about {
        About::Move => text("/subscriptionId").map(|id| format!("/subscriptions/{id}")),
        _ => text("/resourceId").map(str::to_owned),
    };
    let id = id.ok_or_else(|| Refusal::new("it names no resource"))?;
    let created = text("/subStatus/value").is_some_and(|status| status.eq_ignore_ascii_case("created"));
    let body = ["/properties/responseBody", "/properties/requestbody"].iter().find_map(|pointer| inner(text(pointer)?));
    let source = intake.source(SOURCE);
    let event = Event { deed, outcome, at, created, body, source };
    intake.later.events.entry((about, canonical_arm_id(&id))).or_default().push(event);
    Ok(())
}

fn what(operation: &str) -> Option<(About, Deed)> {
    Some(match operation {
        "microsoft.authorization/roleassignments/write" => (About::RoleAssignment, Deed::Written),
        "microsoft.authorization/roleassignments/delete" => (About::RoleAssignment, Deed::Removed),
        "microsoft.managedservices/registrationassignments/write" => (About::Delegation, Deed::Written),
        "microsoft.managedservices/registrationassignments/delete" => (About::Delegation, Deed::Removed),
        "microsoft.subscription/updatetenant/action" => (About::Move, Deed::Removed),
        "microsoft.subscription/aliases/write" => (About::Alias, Deed::Written),
        _ => return None,
    })
}

/// Reads JSON in a text; names of fields begin with a small letter, whoever wrote them.
fn inner(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then(|| small(value))
}

/// The parser bounds the depth of what comes here.
fn small(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, field)| (small_name(&name), small(field))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(small).collect()),
        other => other,
    }
}

fn small_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// What events leave in doubt about the lists of scopes.
#[derive(Debug, Default)]
pub(in crate::sources) struct Doubts {
    /// Before this instant a list had members that nothing here can tell.
    pub(in crate::sources) until: BTreeMap<(About, String), Timestamp>,
    /// Lists of which events do not tell the history at all.
    pub(in crate::sources) unclear: std::collections::BTreeSet<(About, String)>,
}

/// Ends what events say was removed. What is there now was read, and needs no event.
pub(in crate::sources) fn state(intake: &mut Intake<'_>) -> Taken {
    let mut acquired: BTreeMap<Handle, (Timestamp, SourceId)> = BTreeMap::new();
    for ((about, id), mut events) in std::mem::take(&mut intake.later.events) {
        events.sort_by_key(|event| (event.at, event.outcome, event.deed));
        match about {
            About::RoleAssignment | About::Delegation => state_member(intake, about, &id, &events)?,
            About::Move => {
                // Whether it went well or not, it is safer to believe that nothing before is known.
                let last = events.last().map(|event| event.at);
                for about in [About::RoleAssignment, About::Delegation] {
                    if let Some(at) = last {
                        doubt_until(intake, (about, id.clone()), at);
                    }
                }
            }
            About::Alias => {
                for event in events.iter().filter(|event| event.outcome == Outcome::Done && event.created) {
                    let Some(guid) = event.body.as_ref().and_then(|body| Fields::of(body).text("subscriptionId")) else { continue };
                    let subscription = super::subscriptions::azure(intake, guid.rsplit('/').next().unwrap_or(guid))?;
                    let first = acquired.entry(subscription).or_insert((event.at, event.source));
                    *first = (*first).min((event.at, event.source));
                }
            }
        }
    }
    for (subscription, (at, source)) in acquired {
        intake.acquired(subscription, RANK_EVENT, Some(&Value::from(at.to_string())), source);
    }
    Ok(())
}

fn doubt_until(intake: &mut Intake<'_>, list: (About, String), at: Timestamp) {
    let known = intake.later.doubts.until.entry(list).or_insert(at);
    *known = (*known).max(at);
}

/// Returns the scope that the id of a member names.
fn scope_of(about: About, id: &str) -> Option<String> {
    match about {
        About::RoleAssignment => super::role_assignments::scope_of(id),
        _ => id.find("/providers/microsoft.managedservices/").and_then(|at| id.get(..at)).map(str::to_owned),
    }
}

fn state_member(intake: &mut Intake<'_>, about: About, id: &str, events: &[Event]) -> Taken {
    let scope = scope_of(about, id).ok_or_else(|| Refusal::new(format!("{id} names no scope")))?;
    let list = (about, scope.clone());
    let ty = if about == About::RoleAssignment { "RoleAssignment" } else { "Delegation" };
    let is_there = intake.builder.find(ty, id).is_some();
    let removals: Vec<&Event> = events.iter().filter(|event| event.outcome == Outcome::Done && event.deed == Deed::Removed).collect();
    let written_after =
        |at: Timestamp| events.iter().find(|event| event.outcome == Outcome::Done && event.deed == Deed::Written && event.at > at);
    // What was begun and never ended may have been done.
    let ended =
        |begun: &Event| events.iter().any(|event| event.outcome != Outcome::Begun && event.deed == begun.deed && event.at >= begun.at);
    if events.iter().any(|event| event.outcome == Outcome::Begun && !ended(event)) {
        intake.later.doubts.unclear.insert(list.clone());
    }
    let Some((last, earlier)) = removals.split_last() else {
        if !is_there && events.iter().any(|event| event.outcome == Outcome::Done) {
            // It was made, it is not there, and nothing says how it went.
            intake.later.doubts.unclear.insert(list);
        }
        return Ok(());
    };
    if is_there || written_after(last.at).is_some() {
        // The one before was another of the same id.
        doubt_until(intake, list, last.at);
        return Ok(());
    }
    let before = earlier.last().map(|event| event.at);
    if let Some(at) = before {
        doubt_until(intake, list, at);
    }
    let made = written_after(before.unwrap_or(Timestamp::MIN)).filter(|event| event.at <= last.at);
    let from = made.filter(|event| event.created || before.is_some()).map_or(Bound::Unknown, |event| Bound::At(event.at));
    let says_since = |event: &Event| event.body.as_ref().is_some_and(|body| Fields::of(body).text("createdOn").is_some());
    if from == Bound::Unknown && made.is_some_and(|made| !says_since(made)) && !says_since(last) {
        // Whether that write made it or changed it is not said.
        intake.later.doubts.unclear.insert((about, scope.clone()));
    }
    let member = intake.builder.entity_named(ty, id)?;
    intake.builder.existed(member, Interval { from, to: Bound::At(last.at) });
    intake.later.removed.insert(member);
    describe(intake, member, about, &scope, &[Some(*last), made])
}

/// States of a removed member what the events hold of it.
fn describe(intake: &mut Intake<'_>, member: Handle, about: About, scope: &str, events: &[Option<&Event>]) -> Taken {
    let told = events.iter().flatten().find_map(|event| Some((event.body.clone()?, event.source)));
    let Some(source) = told.as_ref().map(|(_, source)| *source).or_else(|| events.iter().flatten().map(|event| event.source).next()) else {
        return Ok(());
    };
    let Some((body, _)) = told else {
        let scope = intake.scope(scope)?;
        return Ok(intake.builder.refer(member, "scope", scope, source)?);
    };
    let fields = Fields::of(&body);
    if about == About::RoleAssignment {
        super::role_assignments::take_grant(intake, member, &fields, scope, source)?;
        super::role_assignments::take_condition(intake, member, &fields, source);
        intake.copy(member, "created_at", fields.get("createdOn"), source)?;
        intake.since(member, fields.get("createdOn"));
        return Ok(());
    }
    let scope = intake.scope(scope)?;
    intake.builder.refer(member, "scope", scope, source)?;
    match fields.text("registrationDefinitionId") {
        Some(definition) => Ok(intake.builder.set_text(member, "definition", definition, source)?),
        None => Ok(()),
    }
}

//! One list, page by page, to its end or to the reason why not.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::CollectError;
use super::evidence::{Requested, exchange};
use super::journal::{Entry, KnownPage, Mark, StreamKey};
use super::named::{items, list};
use super::operation::Operation;
use super::run::{Gap, Run};
use crate::sources::azure::address::address;
use crate::sources::azure::client::{Attempt, Got, ReadFailure};
use crate::sources::azure::continuation::next_link;
use crate::sources::partner_center::is_no_partner;

/// The most pages of one list.
const PAGES_MAX: usize = 100_000;
/// How often a list that changes under the reader is read anew.
const RESTARTS_MAX: u32 = 2;
pub(super) const NOWHERE: &str =
    "not attempted: the cloud names no endpoint of Partner Center; set partner_center in [cloud] of tenet.toml, or --skip partnercenter";

/// Reads a list from where it is.
pub(super) async fn read(run: &Run<'_>, key: &StreamKey, operation: Operation) -> Result<(), CollectError> {
    let (path, query) = operation.request_at(&key.of, &run.whose.tenant, run.begun);
    let Some(origin) = run.client.cloud().endpoint(operation.endpoint()) else { return fail(run, key, operation, &path, None, NOWHERE) };
    let first = address(origin, &path, &query);
    loop {
        if !to_its_end(run, key, operation, &first).await? {
            return Ok(());
        }
        match look_again(run, key, operation, &first).await? {
            Look::Same => return run.add(mark(key, Mark::End(None))),
            Look::Unread(why) => {
                let gap = format!("whether the list changed while it was read could not be checked: {why}");
                run.gap(Gap::of(operation, key, &gap));
                return run.add(mark(key, Mark::End(Some(gap))));
            }
            Look::Changed if run.restarts(key) >= RESTARTS_MAX => {
                let gap = format!("changed while paging, {} times in a row", RESTARTS_MAX + 1);
                run.gap(Gap::of(operation, key, &gap));
                return run.add(mark(key, Mark::End(Some(gap))));
            }
            Look::Changed => run.add(mark(key, Mark::Restart))?,
        }
    }
}

fn mark(key: &StreamKey, mark: Mark) -> Entry {
    Entry { key: key.clone(), mark, next: None, ids: None, parents: Vec::new(), exchange: String::new() }
}

/// Reads the pages that are left; tells whether the last one was reached.
async fn to_its_end(run: &Run<'_>, key: &StreamKey, operation: Operation, first: &str) -> Result<bool, CollectError> {
    let known = run.pages(key);
    let mut seen: BTreeSet<String> = known.iter().filter_map(|page| page.next.clone()).collect();
    let mut next = match known.last() {
        Some(page) => page.next.clone(),
        None => Some(first.to_owned()),
    };
    let mut resumed = !known.is_empty();
    while let Some(place) = next.take() {
        if seen.len() > PAGES_MAX {
            fail(run, key, operation, &place, None, &format!("the list has more than {PAGES_MAX} pages"))?;
            return Ok(false);
        }
        let Attempt { answer, failure, .. } = run.ask(operation, &place).await;
        let why = failure.map(|failure| in_words(&failure)).or_else(|| answer.as_ref().and_then(|got| refusal(got, operation)));
        // A continuation of an earlier run may have lapsed; the list is read anew, once.
        if resumed && answer.as_ref().is_some_and(|got| matches!(got.status, 400 | 410)) && run.restarts(key) < RESTARTS_MAX {
            run.add(mark(key, Mark::Restart))?;
            resumed = false;
            seen.clear();
            next = Some(first.to_owned());
            continue;
        }
        resumed = false;
        match (answer, why) {
            (Some(got), None) => {
                next = take(run, key, operation, &got)?;
                if next.as_ref().is_some_and(|next| !seen.insert(next.clone()) || *next == place) {
                    let gap = "the continuation leads back to a page before";
                    run.gap(Gap::of(operation, key, gap));
                    run.add(mark(key, Mark::End(Some(gap.to_owned()))))?;
                    return Ok(false);
                }
            }
            (answer, why) => {
                fail(run, key, operation, &place, answer.as_ref(), &why.unwrap_or_else(|| "no answer".to_owned()))?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Takes down a page and returns where the next one is.
fn take(run: &Run<'_>, key: &StreamKey, operation: Operation, got: &Got) -> Result<Option<String>, CollectError> {
    let next = got.body.as_ref().filter(|_| operation.is_list()).and_then(|body| next_link(&got.address, body));
    let parents = got.body.as_ref().map(|body| run.named_in(key, operation, body)).unwrap_or_default();
    let text = exchange(Requested { operation, address: &got.address, body: None }, Some(got), None, got.at);
    let ids = (next.is_some() || run.has_pages(key)).then(|| ids(operation, got));
    run.add(Entry { key: key.clone(), mark: Mark::Page, next: next.clone(), ids, parents, exchange: text })?;
    Ok(next)
}

fn fail(run: &Run<'_>, key: &StreamKey, operation: Operation, place: &str, got: Option<&Got>, why: &str) -> Result<(), CollectError> {
    let time: Timestamp = got.map_or_else(|| run.client.pace().now(), |got| got.at);
    // What services answer with a status is told by the status; the rest in words. Of 401 there are two kinds.
    let said = got.is_none_or(|got| got.status < 300 || got.challenge().is_some()).then_some(why);
    let text = exchange(Requested { operation, address: place, body: None }, got, said, time);
    // One object that is not there is an answer; of a PartnerID only if the service itself says so.
    let absent = |got: &Got| got.status == 404 && (operation != Operation::PartnerProfile || is_no_partner(got.body.as_ref()));
    if operation.is_list() || !got.is_some_and(absent) {
        run.gap(Gap::of(operation, key, why));
    }
    run.add(Entry { key: key.clone(), mark: Mark::Failure, next: None, ids: None, parents: Vec::new(), exchange: text })
}

/// Why an answer is none that can be used.
fn refusal(got: &Got, operation: Operation) -> Option<String> {
    let permission = operation.permission();
    match got.status {
        200..300 if operation.is_list() && got.body.as_ref().is_none_or(|body| list(operation, body).is_none()) => {
            Some("schema not understood: the answer holds no list".to_owned())
        }
        200..300 if !got.body.as_ref().is_some_and(Json::is_object) => Some("schema not understood: the answer is no object".to_owned()),
        // Otherwise a partner's directory would be taken for a customer's.
        200..300 if operation == Operation::Organization && !got.body.as_ref().is_some_and(tells_partners) => {
            Some("schema not understood: the answer does not tell whether the directory is a partner's".to_owned())
        }
        200..300 => None,
        401 | 403 => Some(format!("denied: needs {}: {}", permission.name(), got.reason())),
        429 => Some(format!("throttled: {}", got.reason())),
        _ => Some(got.reason()),
    }
}

fn tells_partners(body: &Json) -> bool {
    let told = |item: &Json| item.get("partnerTenantType").is_none_or(|ty| ty.is_string() || ty.is_null());
    let directories = items(Operation::Organization, body);
    !directories.is_empty() && directories.iter().all(told)
}

fn in_words(failure: &ReadFailure) -> String {
    match failure {
        ReadFailure::GivenUp { status: Some(429), .. } => format!("throttled: {failure}"),
        ReadFailure::GivenUp { status: None, reason, .. } if reason.starts_with(crate::sources::azure::client::AFTER_DEADLINE) => {
            format!("not attempted: {reason}")
        }
        other => other.to_string(),
    }
}

/// What a page holds, whatever the order of its fields: a digest of the ids of its objects.
fn ids(operation: Operation, got: &Got) -> String {
    let mut ids: Vec<String> = got.body.as_ref().map(|body| items(operation, body)).unwrap_or_default().iter().map(id_of).collect();
    ids.sort();
    crate::model::sha256_hex(ids.join("\n").as_bytes())
}

fn id_of(item: &Json) -> String {
    item.get("id").and_then(Json::as_str).map_or_else(|| item.to_string(), str::to_lowercase)
}

/// What a second look at a list of several pages shows.
enum Look {
    Same,
    Changed,
    Unread(String),
}

/// Reads a list of several pages once more and compares what its pages hold: an object that moves between pages while they are
/// read could otherwise be lost without a trace. One page alone is of one moment.
async fn look_again(run: &Run<'_>, key: &StreamKey, operation: Operation, first: &str) -> Result<Look, CollectError> {
    let known: Vec<KnownPage> = run.pages(key);
    if known.len() < 2 {
        return Ok(Look::Same);
    }
    let mut place = first.to_owned();
    for (at, page) in known.iter().enumerate() {
        let Attempt { answer, failure, .. } = run.ask(operation, &place).await;
        let why = failure.map(|failure| in_words(&failure)).or_else(|| answer.as_ref().and_then(|got| refusal(got, operation)));
        let got = match (answer, why) {
            (Some(got), None) => got,
            (_, why) => return Ok(Look::Unread(why.unwrap_or_else(|| "no answer".to_owned()))),
        };
        if page.ids.as_deref() != Some(ids(operation, &got).as_str()) {
            return Ok(Look::Changed);
        }
        match (got.body.as_ref().and_then(|body| next_link(&got.address, body)), at + 1 == known.len()) {
            (Some(next), false) => place = next,
            (None, true) => {}
            _ => return Ok(Look::Changed),
        }
    }
    Ok(Look::Same)
}

//! Everything a whole collection asks is what the official descriptions of the services say, and so is every answer.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use tenet::sources::azure::address::path_and_query;
use tenet::sources::azure::cloud::Endpoint;
use tenet::sources::collect::{Operation, Per};

use super::service::{Calm, Service, Simulated, TENANT, collected, contoso};
use crate::openapi::{Asked, Descriptions};

/// What an operation is asked of, as a path; `*` is any one segment.
fn of(per: Per) -> &'static str {
    match per {
        Per::Directory => "",
        Per::ManagementGroup => "/providers/Microsoft.Management/managementGroups/*",
        Per::Subscription => "/subscriptions/*",
        Per::ResourceGroup => "/subscriptions/*/resourceGroups/*",
        Per::BillingAccount => "/providers/Microsoft.Billing/billingAccounts/*",
        _ => "*",
    }
}

/// Tells whether a segment is another one, in which `*` is anything.
fn fits(one: &str, other: &str) -> bool {
    one.split_once('*').map_or(one == other, |(before, after)| other.starts_with(before) && other.ends_with(after))
}

/// Tells whether a request is the first of an operation.
fn is(operation: Operation, path: &str, query: &[(String, String)]) -> bool {
    let (wanted_path, wanted) = operation.request(of(operation.per()), TENANT);
    let segments = |path: &str| path.to_lowercase().split('/').map(str::to_owned).collect::<Vec<_>>();
    let (wanted_path, path) = (segments(&wanted_path), segments(path));
    let same_path = wanted_path.len() == path.len() && wanted_path.iter().zip(&path).all(|(one, other)| fits(one, other));
    // The times of a filter are those of the collection.
    let end = |value: &str| value.rsplit(" and ").next().unwrap().to_owned();
    let same = |one: &(String, String), other: &(String, String)| one.0 == other.0 && end(&one.1) == end(&other.1);
    same_path && wanted.len() == query.len() && wanted.iter().zip(query).all(|(one, other)| same(one, other))
}

fn links(body: &Json) -> impl Iterator<Item = String> {
    ["nextLink", "@nextLink", "@odata.nextLink"].into_iter().filter_map(|name| body[name].as_str().map(str::to_owned))
}

#[test]
fn a_collection_asks_what_is_described_and_gets_such_answers() {
    let descriptions = Descriptions::read();
    let asked_of_us = Operation::ALL.into_iter().filter(|one| one.endpoint() != Endpoint::PartnerCenter);
    let mut unseen: BTreeSet<Operation> = asked_of_us.collect();
    let (mut wrong, mut odd, mut n_continued) = (BTreeSet::new(), BTreeSet::new(), 0);
    for page_size in [3, 1000] {
        let clock = Simulated::new(1);
        let service = Service::new(contoso(page_size), Box::new(Calm), &clock);
        let scratch = tempfile::tempdir().unwrap();
        collected(scratch.path(), false, &service, &clock).unwrap();
        let log = service.log.lock().unwrap();
        let next: BTreeSet<String> = log.iter().flat_map(|one| links(&one["response"]["body"])).collect();
        for exchange in log.iter() {
            let (sent, received) = (&exchange["request"], &exchange["response"]);
            let (method, address) = (sent["method"].as_str().unwrap(), sent["url"].as_str().unwrap());
            let (path, query) = path_and_query(address).unwrap();
            let continued = next.contains(address);
            n_continued += usize::from(continued);
            unseen.retain(|operation| !is(*operation, &path, &query));
            let asked = Asked { method, path: &path, query: &query, body: sent.get("body"), continued, template: false };
            match descriptions.check(&asked) {
                Err(why) => {
                    wrong.insert(format!("{address}: {why}"));
                }
                Ok(matched) => {
                    let status = u16::try_from(received["status"].as_u64().unwrap()).unwrap();
                    odd.extend(matched.answered(status, Some(&received["body"])).err());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(unseen.is_empty(), "never asked: {unseen:?}");
    assert!(n_continued > 20, "{n_continued} requests follow a link");
    assert!(odd.is_empty(), "{odd:#?}");
}

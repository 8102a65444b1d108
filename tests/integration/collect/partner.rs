//! Partner Center: what a partner's directory tells, by exchanges with invented ids in the forms of its documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tenet::model::Value;
use tenet::remedy::target::SignedIn;
use tenet::snapshot::{CellState, Records, SnapshotBuilder};
use tenet::sources::azure::client::ReadClient;
use tenet::sources::azure::cloud::Cloud;
use tenet::sources::azure::retry::{Pace, Patience};
use tenet::sources::azure::{Carrier, Outgoing, Received, Unanswered};
use tenet::sources::collect::{Access, Choice, Collected, Journal, Probed, Settings, Whose, collect, probe, write_evidence};
use tenet::sources::import::{ImportOptions, import_arm};

use super::service::{ADMIN, Simulated, credential, settings, simulate};
use crate::faults::greener;
use crate::tenant::Tenant;

const PARTNER: &str = "fab00000-0000-4000-8000-000000000001";
const HOST: &str = "https://api.partnercenter.microsoft.com";
const TOKEN: &str = "ms-continuationtoken";

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/http/partner.jsonl")
}

/// Recorded answers; every other list is empty, but at Partner Center nothing else may be asked.
#[derive(Debug)]
struct Directory {
    answers: BTreeMap<String, (u16, Json)>,
    /// Each request to Partner Center: address and headers.
    asked: Mutex<Vec<(String, BTreeMap<String, String>)>>,
}

impl Directory {
    fn open(change: &dyn Fn(&str, &mut u16, &mut Json)) -> Arc<Self> {
        let text = std::fs::read_to_string(fixture()).unwrap();
        let mut answers = BTreeMap::new();
        for line in text.lines() {
            let one: Json = serde_json::from_str(line).unwrap();
            let url = one["request"]["url"].as_str().unwrap().to_owned();
            let mut status = u16::try_from(one["response"]["status"].as_u64().unwrap()).unwrap();
            let mut body = one["response"]["body"].clone();
            change(&url, &mut status, &mut body);
            answers.insert(url, (status, body));
        }
        Arc::new(Self { answers, asked: Mutex::default() })
    }
}

#[async_trait]
impl Carrier for Directory {
    async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered> {
        let headers: BTreeMap<String, String> = request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let token = headers.get(TOKEN).map(|token| format!("#MS-ContinuationToken={token}")).unwrap_or_default();
        let known = self.answers.get(&format!("{}{token}", request.address));
        if request.address.starts_with(HOST) {
            assert!(known.is_some(), "{} {token} is not in the documentation's form", request.address);
            self.asked.lock().unwrap().push((request.address.to_owned(), headers));
        }
        let (status, body) = known.cloned().unwrap_or_else(|| (200, json!({ "value": [] })));
        let headers = vec![("ms-requestid".to_owned(), "0c0ffee0-0000-4000-8000-000000000000".to_owned())];
        Ok(Received { status, headers, bytes: body.to_string().into_bytes() })
    }
}

fn whose(cloud: &Cloud) -> Whose {
    Whose::of(SignedIn { tenant: PARTNER.to_owned(), principal: ADMIN.to_owned() }, cloud)
}

fn client(directory: &Arc<Directory>, cloud: Cloud, clock: &Arc<Simulated>) -> ReadClient {
    let (carrier, pace): (Arc<dyn Carrier>, Arc<dyn Pace>) = (Arc::clone(directory) as _, Arc::clone(clock) as _);
    ReadClient::over(carrier, cloud, credential(), Patience::default(), pace)
}

/// Collects, and imports what was kept.
fn collected(directory: &Arc<Directory>, cloud: &Cloud, choice: Choice) -> (Collected, Records) {
    let clock = Simulated::new(1);
    let client = client(directory, cloud.clone(), &clock);
    let (whose, settings) = (whose(cloud), Settings { choice, ..settings(&clock) });
    let scratch = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&scratch.path().join("work"), false, &whose).unwrap();
    let found = simulate(&clock, collect(&client, &whose, &settings, &mut journal, &())).unwrap().unwrap();
    let place = scratch.path().join("evidence");
    write_evidence(&journal, &place).unwrap();
    (found, imported(&[place]))
}

fn imported(paths: &[PathBuf]) -> Records {
    let tenant = Tenant::open("contoso");
    let mut builder = SnapshotBuilder::new(Arc::clone(&tenant.compiled.policies.schema));
    let options = ImportOptions { tenant: Some(PARTNER.to_owned()), ..ImportOptions::default() };
    import_arm(&mut builder, paths, &options).unwrap();
    builder.records()
}

fn public() -> Cloud {
    Cloud::named("public").unwrap()
}

/// What is known of an attribute, as text; `?` if it is unknown.
fn fact(records: &Records, key: &str, name: &str) -> String {
    let tenant = Tenant::open("contoso");
    let schema = &tenant.compiled.policies.schema;
    let record = records.entities.iter().find(|record| &*record.key == key).unwrap_or_else(|| panic!("{key} is not in the records"));
    let property = schema.property_named(record.entity_type, name).unwrap().id;
    let state = record.cells.iter().find(|(known, _)| *known == property).map(|(_, cell)| &cell.state);
    match state {
        Some(CellState::Known(Value::Entity(id))) => records.entities[id.0 as usize].key.to_string(),
        Some(CellState::Known(Value::Bool(value))) => value.to_string(),
        Some(CellState::Known(Value::Text(text))) => text.to_string(),
        Some(CellState::Known(Value::Instant(instant))) => instant.to_string(),
        Some(CellState::Known(Value::Enum(id, at))) => schema.enumeration(*id).unwrap().values[*at as usize].to_string(),
        Some(CellState::Known(value)) => format!("{value:?}"),
        Some(CellState::None) => "none".to_owned(),
        Some(CellState::Unknown(_)) | None => "?".to_owned(),
    }
}

#[test]
fn a_partner_learns_of_its_customers_what_partner_center_tells() {
    let directory = Directory::open(&|_, _, _| {});
    let (found, records) = collected(&directory, &public(), Choice::default());
    let partner_gaps: Vec<_> = found.gaps.iter().filter(|gap| gap.operation.name().starts_with("partnercenter:")).collect();
    assert_eq!(partner_gaps.len(), 1, "{partner_gaps:?}");
    assert!(partner_gaps[0].why.starts_with("denied: needs ") && partner_gaps[0].why.contains("800002: Access denied"), "{partner_gaps:?}");
    let is = |key: &str, name: &str, wanted: &str| assert_eq!(fact(&records, key, name), wanted, "{key} {name}");
    // The directory's own name goes before that of the company.
    let customer = |number: u8| format!("c0570000-0000-4000-8000-00000000000{number}");
    is(&customer(1), "display_name", "Contoso");
    is(&customer(1), "default_domain", "contoso.example");
    is(&customer(2), "display_name", "Northwind Traders");
    is(&customer(4), "default_domain", "tailspin.onmicrosoft.example");
    is(&customer(4), "is_home", "false");
    let seats = "/commercesubscriptions/91a00000-0000-4000-8000-000000000002";
    for (name, wanted) in [
        ("display_name", "Seats of the Hague"),
        ("tenant", &*customer(1)),
        ("state", "Enabled"),
        ("reseller_partner_id", "4847383"),
        ("is_trial", "false"),
        ("acquired_at", "2023-05-04T10:11:12Z"),
        // No table tells it, and no guess is made.
        ("service", "?"),
    ] {
        is(seats, name, wanted);
    }
    let suspended = "/commercesubscriptions/91a00000-0000-4000-8000-000000000003";
    is(suspended, "state", "Suspended");
    is(suspended, "display_name", "Dynamics 365 Business Central");
    // A plan is no subscription; those under it are.
    assert!(!records.entities.iter().any(|record| record.key.ends_with("91a00000-0000-4000-8000-000000000001")));
    is("/subscriptions/5b0000a1-0000-4000-8000-000000000000", "tenant", &customer(1));
    is("/subscriptions/5b0000a1-0000-4000-8000-000000000000", "state", "Enabled");
    is("/subscriptions/5b0000a2-0000-4000-8000-000000000000", "state", "Disabled");
    is("/subscriptions/5b0000a2-0000-4000-8000-000000000000", "reseller_partner_id", "?");
    // Without one in the indirect model the partner itself may have sold it.
    is("/subscriptions/5b0000aa-0000-4000-8000-000000000000", "reseller_partner_id", "?");
    is("/subscriptions/5b0000aa-0000-4000-8000-000000000000", "acquired_at", "2018-03-01T00:00:00Z");
    // Partners: one's own, one that exists, and a PartnerID that is none.
    is("3664167", "verified", "true");
    is("3664167", "tenant", PARTNER);
    is("4847383", "verified", "true");
    is("4847383", "display_name", "First Up Consultants");
    is("4847383", "tenant", "484e548c-f5f3-4528-93a9-c16c6373cb59");
    is("9999999", "verified", "false");
}

#[test]
fn requests_to_partner_center_bear_what_it_expects() {
    let directory = Directory::open(&|_, _, _| {});
    collected(&directory, &public(), Choice::default());
    let asked = directory.asked.lock().unwrap();
    // Pages of customers twice, since they are several; the rest once each.
    assert_eq!(asked.len(), 3 * 2 + 4 + 1 + 2 + 1 + 2, "{asked:?}");
    let mut ids: Vec<&String> = asked.iter().map(|(_, headers)| &headers["ms-requestid"]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), asked.len(), "each request has an id of its own");
    for (address, headers) in asked.iter() {
        assert!(!address.contains('#'), "{address}");
        assert_eq!(headers["ms-contract-version"], "v1");
        assert_eq!(headers.contains_key(TOKEN), address.contains("seekOperation"), "{address}");
    }
}

/// What is imported from the exchanges themselves is what is collected.
#[test]
fn an_import_of_the_exchanges_gives_the_same_facts() {
    let directory = Directory::open(&|_, _, _| {});
    let (_, records) = collected(&directory, &public(), Choice::default());
    let theirs = imported(&[fixture()]);
    let of = |records: &Records| -> Vec<(String, String)> {
        let wanted = |key: &str| key.contains("91a0000") || key.contains("5b0000") || matches!(key, "3664167" | "4847383" | "9999999");
        let entities = records.entities.iter().filter(|record| wanted(&record.key));
        let names = ["display_name", "state", "tenant", "reseller_partner_id", "verified", "acquired_at"];
        entities
            .flat_map(|record| names.map(|name| (record, name)))
            .filter(|(record, name)| Tenant::open("contoso").compiled.policies.schema.property_named(record.entity_type, name).is_some())
            .map(|(record, name)| (format!("{} {name}", record.key), fact(records, &record.key, name)))
            .collect()
    };
    assert_eq!(of(&records), of(&theirs));
    assert!(of(&records).len() > 20);
}

#[test]
fn whoever_is_no_partner_is_not_asked() {
    let customer = Directory::open(&|url, _, body| {
        if url.ends_with("/organization") {
            body["value"][0]["partnerTenantType"] = Json::Null;
        }
    });
    let (found, records) = collected(&customer, &public(), Choice::default());
    assert!(customer.asked.lock().unwrap().is_empty());
    assert!(found.gaps.iter().all(|gap| !gap.operation.name().starts_with("partnercenter:")), "{:?}", found.gaps);
    assert_eq!(fact(&records, "3664167", "verified"), "?");
    // By name it is asked nevertheless.
    let named = Choice::named(&["partnercenter".to_owned()], &[]).unwrap();
    collected(&customer, &public(), named);
    assert!(!customer.asked.lock().unwrap().is_empty());
    // A cloud that names no Partner Center says so, and nothing goes anywhere else.
    let partner = Directory::open(&|_, _, _| {});
    let cloud = Cloud::at("https://login.microsoftonline.com", "https://management.azure.com", "https://graph.microsoft.com").unwrap();
    let (found, _) = collected(&partner, &cloud, Choice::default());
    assert!(partner.asked.lock().unwrap().is_empty());
    let gap = found.gaps.iter().find(|gap| gap.operation.name() == "partnercenter:customers").unwrap();
    assert!(gap.why.contains("set partner_center in [cloud]"), "{}", gap.why);
}

/// An answer that says nothing of a PartnerID leaves it unknown, whatever its status.
#[test]
fn only_the_service_itself_says_that_a_partner_id_is_none() {
    for (status, body) in [
        (404, json!({ "code": 2000, "description": "something else" })),
        (404, Json::String("<html>gateway</html>".to_owned())),
        (403, json!({ "code": 3000 })),
        (200, json!({ "mpnId": ["9999999"], "attributes": { "objectType": "MpnProfile" } })),
    ] {
        let directory = Directory::open(&|url, its_status, its_body| {
            if url.ends_with("mpnId=9999999") {
                (*its_status, *its_body) = (status, body.clone());
            }
        });
        let (found, records) = collected(&directory, &public(), Choice::default());
        let told = found.gaps.iter().any(|gap| gap.operation.name() == "partnercenter:profiles/mpn" && gap.of == "9999999");
        assert!(told || status == 200, "{status} {body}");
        let known = records.entities.iter().any(|record| &*record.key == "9999999");
        assert!(!known || fact(&records, "9999999", "verified") == "?", "{status} {body}");
    }
}

#[test]
fn the_doctor_tries_partner_center_for_partners_alone() {
    let probed = |directory: &Arc<Directory>| -> Vec<Probed> {
        let clock = Simulated::new(1);
        let client = client(directory, public(), &clock);
        simulate(&clock, probe(&client, &whose(&public()), &Choice::default())).unwrap()
    };
    let of_partner = |probed: &[Probed]| -> Vec<(String, bool, usize)> {
        let of = probed.iter().filter(|one| one.operation.name().starts_with("partnercenter:"));
        of.map(|one| (one.operation.name().to_owned(), one.access == Access::Allowed, one.n_tried)).collect()
    };
    let partner = probed(&Directory::open(&|_, _, _| {}));
    let found = of_partner(&partner);
    assert_eq!(found.len(), 7, "{found:?}");
    let subscriptions = found.iter().find(|(name, ..)| name == "partnercenter:subscriptions").unwrap();
    // The first page names two customers, and both are tried.
    assert_eq!(subscriptions, &("partnercenter:subscriptions".to_owned(), true, 2));
    let customer = Directory::open(&|url, _, body| {
        if url.ends_with("/organization") {
            body["value"][0]["partnerTenantType"] = Json::Null;
        }
    });
    assert_eq!(of_partner(&probed(&customer)), []);
    // Whether it is a partner's cannot be told: that is said.
    let closed = Directory::open(&|url, status, _| {
        if url.ends_with("/organization") {
            *status = 403;
        }
    });
    let found = of_partner(&probed(&closed));
    assert!(found.len() == 7 && found.iter().all(|(_, allowed, tried)| !allowed && *tried == 0), "{found:?}");
}

/// What can happen to an answer of Partner Center, and to that which says whose directory it is.
fn broken(fault: &str, status: &mut u16, body: &mut Json) {
    match fault {
        "401" | "403" | "404" | "400" => {
            (*status, *body) = (fault.parse().unwrap(), json!({ "code": "Fault", "description": "made by a test" }))
        }
        "no list" => *body = json!({ "totalCount": 0 }),
        "value in place of items" => *body = json!({ "value": [], "attributes": { "objectType": "Collection" } }),
        "a page is missing" => {
            let next = json!({ "uri": null, "method": "GET", "headers": [] });
            if let Some(fields) = body.as_object_mut() {
                fields.insert("links".to_owned(), json!({ "next": next }));
                fields.insert("nextLink".to_owned(), Json::Null);
                fields.insert("@odata.nextLink".to_owned(), json!("https://graph.microsoft.com/v1.0/made-by-a-test"));
            }
        }
        _ => super::faults::each_leaf(body, &|leaf| *leaf = Json::from(17)),
    }
}

/// Every answer of Partner Center, broken in every way: no verdict gets better, and no run is whole.
#[test]
fn no_answer_of_partner_center_that_is_not_got_makes_a_verdict_better() {
    let tenant = Tenant::open("contoso");
    let now = "2026-10-20T10:00:00Z".parse().unwrap();
    let look = |directory: &Arc<Directory>| {
        let (found, records) = collected(directory, &public(), Choice::default());
        let (snapshot, scan) = tenant.scan(records, Some(now));
        (found, tenant.verdicts(&snapshot, &scan))
    };
    let whole = Directory::open(&|_, _, _| {});
    let (calm, before) = look(&whole);
    assert!(before.keys().any(|(_, _, subject)| subject.contains("5b0000a1")), "rules are about subscriptions of customers, too");
    let faults = ["401", "403", "404", "400", "no list", "value in place of items", "a page is missing", "wrong type"];
    let urls: Vec<&String> = whole.answers.keys().filter(|url| url.starts_with(HOST) || url.ends_with("/organization")).collect();
    let (mut worse, mut n_runs) = (Vec::new(), 0);
    for url in urls {
        for fault in faults {
            let one_object = url.contains("/profiles/");
            if one_object && matches!(fault, "no list" | "value in place of items" | "a page is missing") {
                continue;
            }
            let directory = Directory::open(&|at, status, body| {
                if at == url {
                    broken(fault, status, body);
                }
            });
            let (found, after) = look(&directory);
            n_runs += 1;
            // The signed-in partner may have no profile, and what a broken object says is judged when it is imported.
            let may_be_whole = fault == "wrong type" || (one_object && fault == "404");
            let fresh = found.gaps.iter().any(|gap| !calm.gaps.contains(gap));
            assert!(fresh || may_be_whole || whole.answers[url].0 == 403, "{fault} {url}: {:?}", found.gaps);
            worse.extend(greener(&before, &after).into_iter().map(|line| format!("{fault} {url}: {line}")));
        }
    }
    println!("{n_runs} faults at Partner Center: {} verdicts got better", worse.len());
    assert!(worse.is_empty(), "{worse:#?}");
}

/// A field in which another service writes its lists is none here.
#[test]
fn a_list_stands_in_the_field_of_its_service() {
    #[derive(Debug)]
    struct Odd;
    #[async_trait]
    impl Carrier for Odd {
        async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered> {
            let body = match request.address {
                at if at.contains("/v1.0/users") => json!({ "items": [], "value": null }),
                at if at.ends_with("/organization") => json!({ "value": [{ "id": PARTNER }] }),
                _ => json!({ "value": [] }),
            };
            Ok(Received { status: 200, headers: Vec::new(), bytes: body.to_string().into_bytes() })
        }
    }
    let clock = Simulated::new(1);
    let pace: Arc<dyn Pace> = Arc::clone(&clock) as _;
    let client = ReadClient::over(Arc::new(Odd), public(), credential(), Patience::default(), pace);
    let (whose, settings) = (whose(&public()), settings(&clock));
    let scratch = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&scratch.path().join("work"), false, &whose).unwrap();
    let found = simulate(&clock, collect(&client, &whose, &settings, &mut journal, &())).unwrap().unwrap();
    let gaps: Vec<_> = found.gaps.iter().map(|gap| (gap.operation.name(), gap.why.as_str())).collect();
    assert_eq!(gaps, [("graph:users", "schema not understood: the answer holds no list")]);
}

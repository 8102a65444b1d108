//! A gap never looks green: whichever answer a collector does not get, no verdict gets better, and what depends on it says why.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value as Json;
use tenet::cli::{Exit, exit_of_scan};
use tenet::evaluate::{Detail, Options, scan};
use tenet::report::{Report, RunIdentity};
use tenet::snapshot::{Records, Snapshot};
use tenet::sources::azure::Received;

use super::service::{Calm, Passed, Service, Simulated, Weather, collected, contoso, evidence};
use crate::faults::greener;
use crate::tenant::{Tenant, Verdicts};

/// What can happen to an answer, and a word of the reason that follows.
const FAULTS: [(&str, &str); 13] = [
    ("401", "denied"),
    ("403", "denied"),
    ("404", "not found"),
    ("429 for ever", "throttled"),
    ("500", "given up"),
    ("time-out", "given up"),
    ("reset", "given up"),
    ("empty body", "given up"),
    ("cut JSON", "given up"),
    ("no next page", "not found"),
    ("wrong type", ""),
    ("unknown value", ""),
    ("no list", "schema not understood"),
];

/// One fault at one address.
#[derive(Debug)]
struct Broken {
    at: String,
    fault: &'static str,
}

impl Weather for Broken {
    fn between(&mut self, address: &str, _: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed {
        let status =
            |status: u16| Passed::Answer(Received { status, headers: Vec::new(), bytes: b"{\"error\":{\"code\":\"Fault\"}}".to_vec() });
        if address.contains("made-by-a-test") {
            return status(404);
        }
        if address != self.at {
            return Passed::Answer(answer());
        }
        let mut received = answer();
        let mut body: Json = serde_json::from_slice(&received.bytes).unwrap_or_default();
        match self.fault {
            "401" => return status(401),
            "403" => return status(403),
            "404" => return status(404),
            "429 for ever" => return status(429),
            "500" => return status(500),
            "time-out" | "reset" => return Passed::Lost,
            "empty body" => received.bytes.clear(),
            "cut JSON" => received.bytes.truncate(received.bytes.len() / 2),
            "no list" => received.bytes = b"{}".to_vec(),
            fault => {
                match fault {
                    "no next page" => {
                        let graph = address.contains("graph.microsoft.com");
                        let next = format!("{address}{}$skiptoken=made-by-a-test", if address.contains('?') { "&" } else { "?" });
                        body[if graph { "@odata.nextLink" } else { "nextLink" }] = next.into();
                    }
                    "wrong type" => each_leaf(&mut body, &|leaf| *leaf = Json::from(17)),
                    _ => each_leaf(&mut body, &|leaf| {
                        // Words of enumerations are one word in capitals; ids and names with other signs are left alone.
                        let is_word =
                            |text: &str| text.chars().all(|one| one.is_ascii_alphabetic()) && text.starts_with(char::is_uppercase);
                        if leaf.as_str().is_some_and(is_word) {
                            *leaf = Json::from("SomethingNew");
                        }
                    }),
                }
                received.bytes = body.to_string().into_bytes();
            }
        }
        Passed::Answer(received)
    }
}

/// Changes every text, number and truth but ids, which tell what an object is, and links.
fn each_leaf(value: &mut Json, change: &dyn Fn(&mut Json)) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| each_leaf(item, change)),
        Json::Object(fields) => fields.iter_mut().for_each(|(name, field)| match field {
            Json::Array(_) | Json::Object(_) => each_leaf(field, change),
            Json::Null => {}
            _ if matches!(name.as_str(), "id" | "name" | "type" | "nextLink" | "@nextLink" | "@odata.nextLink" | "@odata.context") => {}
            _ => change(field),
        }),
        _ => {}
    }
}

struct Seen {
    verdicts: Verdicts,
    addresses: Vec<String>,
    reasons: BTreeSet<String>,
    whole: bool,
    /// The exit code of a scan, and how many verdicts are unknown: of all rules, and of those that were asked about.
    ends: [(Exit, usize); 2],
}

/// How a scan of some rules ends, and how many verdicts are unknown.
fn end(tenant: &Tenant, snapshot: &Snapshot, now: Timestamp, wanted: &dyn Fn(&str) -> bool) -> (Exit, usize) {
    let policies = &tenant.compiled.policies;
    tenant.with_options(snapshot, Some(now), |options| {
        let select = |rule: &tenet::check::Rule| wanted(&rule.id);
        let found = scan(policies, snapshot, &Options { select: &select, ..*options }).unwrap();
        let report = Report::new(policies, snapshot, &found, RunIdentity::default(), Detail::Brief);
        (exit_of_scan(report.head()), report.head().summary.verdicts.unknown)
    })
}

fn look(tenant: &Tenant, weather: Box<dyn Weather>, now: Timestamp, asked: &BTreeSet<String>) -> Seen {
    let clock = Simulated::new(1);
    let mut memory = contoso(1000);
    // What was lost when Contoso was recorded hides nothing else.
    memory.settings.page_size = Some(8);
    let service = Service::new(memory, weather, &clock);
    let scratch = tempfile::tempdir().unwrap();
    let found = collected(scratch.path(), false, &service, &clock).unwrap();
    let (place, _) = evidence(scratch.path());
    let records = tenant.records(&[place], false).unwrap();
    let reasons = reasons(&records);
    let (snapshot, scan): (Snapshot, _) = tenant.scan(records, Some(now));
    let ends = [end(tenant, &snapshot, now, &|_| true), end(tenant, &snapshot, now, &|rule| asked.contains(rule))];
    let log = service.log.lock().unwrap();
    let mut addresses: Vec<String> = log.iter().map(|one| one["request"]["url"].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    addresses.dedup();
    Seen { verdicts: tenant.verdicts(&snapshot, &scan), addresses, reasons, whole: found.gaps.is_empty(), ends }
}

/// Every reason for which something is not known.
fn reasons(records: &Records) -> BTreeSet<String> {
    let lists = records.entities.iter().flat_map(|record| record.completeness.iter().filter_map(|(_, claim)| claim.reason.clone()));
    let types = records.extents.iter().filter_map(|extent| extent.completeness.reason.clone());
    let cells = records.entities.iter().flat_map(|record| record.cells.iter().map(|(_, cell)| format!("{:?}", cell.state)));
    lists.chain(types).map(|reason| reason.to_string()).chain(cells.filter(|state| state.starts_with("Unknown"))).collect()
}

/// Every answer, broken in every way; how many of them says `TENET_SWEEP`, by default a few.
#[test]
fn no_answer_that_is_not_got_makes_a_verdict_better() {
    let tenant = Tenant::open("contoso");
    // After every capture, however long it took: before one, what was read need not hold.
    let now: Timestamp = "2026-10-20T10:00:00Z".parse().unwrap();
    let before = look(&tenant, Box::new(Calm), now, &BTreeSet::new());
    // Rules that all is well with: a scan of them ends well, until something is missing.
    let rules: BTreeSet<String> = before.verdicts.keys().map(|(rule, ..)| rule.clone()).collect();
    let well = |rule: &String| {
        let verdicts: BTreeSet<&str> =
            before.verdicts.iter().filter(|((known, ..), _)| known == rule).map(|(_, verdict)| *verdict).collect();
        verdicts.contains("pass") && verdicts.iter().all(|verdict| matches!(*verdict, "pass" | "not_applicable"))
    };
    let well: BTreeSet<String> = rules.into_iter().filter(well).collect();
    assert_eq!(look(&tenant, Box::new(Calm), now, &well).ends[1], (Exit::Ok, 0), "{well:?}");
    let n: usize = std::env::var("TENET_SWEEP").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let pairs = before.addresses.iter().flat_map(|at| FAULTS.iter().map(move |fault| (at.clone(), *fault)));
    let pairs: Vec<(String, (&'static str, &'static str))> = pairs.collect();
    let step = (pairs.len() / n).max(1);
    let (mut found, mut n_runs, mut n_told, mut n_unknown) = (Vec::new(), 0, 0, 0);
    for (at, (fault, word)) in pairs.iter().skip(step / 2).step_by(step) {
        let after = look(&tenant, Box::new(Broken { at: at.clone(), fault }), now, &well);
        n_runs += 1;
        for (exit, unknown) in after.ends {
            assert!(unknown == 0 || exit != Exit::Ok, "{fault} {at}: {unknown} verdicts are unknown, and it ends well");
        }
        n_unknown += usize::from(after.ends[1].1 > 0);
        found.extend(greener(&before.verdicts, &after.verdicts).into_iter().map(|line| format!("{fault} {at}: {line}")));
        assert!(!after.whole, "{fault} {at}");
        // The reason stands where a list is open because of it.
        let fresh: Vec<&String> = after.reasons.difference(&before.reasons).collect();
        n_told += usize::from(!word.is_empty() && fresh.iter().any(|reason| reason.contains(word)));
    }
    println!(
        "{n_runs} of {} single faults: {} verdicts got better; {n_told} gave a new reason; \
         of {} rules that all was well with, {n_unknown} runs had unknown verdicts and none of them ended with 0",
        pairs.len(),
        found.len(),
        well.len()
    );
    assert!(n_unknown > 0);
    assert!(found.is_empty(), "{} verdicts got better:\n{}", found.len(), found.join("\n"));
}

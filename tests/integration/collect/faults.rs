//! A gap never looks green: whichever answer a collector does not get, no verdict gets better, and what depends on it says why.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value as Json;
use tenet::cli::{Exit, exit_of_scan};
use tenet::evaluate::{Detail, Options, scan};
use tenet::model::Verdict;
use tenet::report::{FindingResult, Missing, Report, RunIdentity};
use tenet::snapshot::Snapshot;
use tenet::sources::azure::Received;

use super::equal::exchanges;
use super::service::{Calm, Passed, Service, Simulated, Weather, collected, contoso, evidence};
use crate::faults::greener;
use crate::tenant::{Tenant, Verdicts};

/// What can happen to an answer, and words of the reason that follows.
const FAULTS: [(&str, &str); 14] = [
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
    ("wrong type", "could not be read|which does not fit|is expected"),
    ("unknown value", "SomethingNew"),
    ("no list", "schema not understood"),
    ("list in another field", "schema not understood"),
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
            "list in another field" => received.bytes = br#"{"items":[]}"#.to_vec(),
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
pub(super) fn each_leaf(value: &mut Json, change: &dyn Fn(&mut Json)) {
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
    /// Each address that was asked, and its read.
    addresses: BTreeMap<String, String>,
    whole: bool,
    /// Of each verdict that is unknown, what is missing.
    why: BTreeMap<(String, String, String), Vec<Missing>>,
    /// The exit code of a scan, and how many verdicts are unknown: of all rules, and of those that were asked about.
    ends: [(Exit, usize); 2],
}

/// How a scan of some rules ends, and how many verdicts are unknown; hands over each finding.
fn end(
    tenant: &Tenant,
    snapshot: &Snapshot,
    now: Timestamp,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(&FindingResult),
) -> (Exit, usize) {
    let policies = &tenant.compiled.policies;
    tenant.with_options(snapshot, Some(now), |options| {
        let select = |rule: &tenet::check::Rule| wanted(&rule.id);
        let found = scan(policies, snapshot, &Options { select: &select, ..*options }).unwrap();
        let report = Report::new(policies, snapshot, &found, RunIdentity::default(), Detail::Brief);
        report.whole().findings.iter().for_each(each);
        (exit_of_scan(report.head()), report.head().summary.verdicts.unknown)
    })
}

/// A verdict as [`Verdicts`] names it.
fn key_of(finding: &FindingResult) -> (String, String, String) {
    let part = |text: Option<&String>| text.cloned().unwrap_or_else(|| "*".to_owned());
    (finding.rule.clone(), part(finding.requirement.as_ref()), part(finding.subject.as_ref().map(|subject| &subject.id)))
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
    let kept = exchanges(&place);
    let records = tenant.records(&[place], false).unwrap();
    let (snapshot, scan): (Snapshot, _) = tenant.scan(records, Some(now));
    let mut why = BTreeMap::new();
    let all = end(tenant, &snapshot, now, &|_| true, &mut |finding| {
        if finding.verdict == Verdict::Unknown {
            why.insert(key_of(finding), finding.missing.clone());
        }
    });
    let ends = [all, end(tenant, &snapshot, now, &|rule| asked.contains(rule), &mut |_| {})];
    let log = service.log.lock().unwrap();
    let text = |one: &Json| one.as_str().unwrap().to_owned();
    let addresses: BTreeMap<String, String> = kept.iter().map(|one| (text(&one["request"]["url"]), text(&one["read"]))).collect();
    assert!(log.iter().all(|one| addresses.contains_key(&text(&one["request"]["url"]))));
    Seen { verdicts: tenant.verdicts(&snapshot, &scan), addresses, whole: found.gaps.is_empty(), why, ends }
}

/// What a sweep of faults found.
#[derive(Default)]
struct Tally {
    n_runs: usize,
    /// Runs in which a rule that all was well with has an unknown verdict.
    n_unknown: usize,
    /// Verdicts that a fault made unknown, and how many of them lead to the answer that was broken.
    n_lost: usize,
    n_told: usize,
    greener: Vec<String>,
    /// Verdicts that a fault made unknown and that do not say what is missing.
    mute: Vec<String>,
}

/// Tells whether a missing fact leads to the answer that was broken: by its reason, or by the read that would give it.
fn tells(missing: &Missing, word: &str, read: &str) -> bool {
    word.split('|').any(|word| missing.reason.contains(word))
        || missing.api.as_ref().is_some_and(|api| api.split(',').any(|one| one.trim() == read))
}

/// Breaks one answer in one way and looks at what follows.
fn break_one(
    tenant: &Tenant,
    before: &Seen,
    (at, read, fault, word): (&str, &str, &'static str, &str),
    well: &BTreeSet<String>,
    tally: &mut Tally,
) {
    let after = look(tenant, Box::new(Broken { at: at.to_owned(), fault }), now(), well);
    tally.n_runs += 1;
    for (exit, unknown) in after.ends {
        assert!(unknown == 0 || exit != Exit::Ok, "{fault} {at}: {unknown} verdicts are unknown, and it ends well");
    }
    tally.n_unknown += usize::from(after.ends[1].1 > 0);
    tally.greener.extend(greener(&before.verdicts, &after.verdicts).into_iter().map(|line| format!("{fault} {at}: {line}")));
    assert!(!after.whole, "{fault} {at}");
    for (key, missing) in after.why.iter().filter(|(key, _)| before.verdicts.get(*key) != Some(&"unknown")) {
        tally.n_lost += 1;
        tally.n_told += usize::from(missing.iter().any(|missing| tells(missing, word, read)));
        if missing.is_empty() || missing.iter().any(|missing| missing.what.is_empty() || missing.reason.is_empty()) {
            tally.mute.push(format!("{fault} {at}: {key:?}: {missing:?}"));
        }
    }
}

fn now() -> Timestamp {
    // After every capture, however long it took: before one, what was read need not hold.
    "2026-10-20T10:00:00Z".parse().unwrap()
}

/// Every answer, broken in every way: no verdict gets better, and each that becomes unknown says why. `TENET_SWEEP` says how
/// many faults, by default all.
#[test]
fn no_answer_that_is_not_got_makes_a_verdict_better() {
    let tenant = Tenant::open("contoso");
    let before = look(&tenant, Box::new(Calm), now(), &BTreeSet::new());
    // Rules that all is well with: a scan of them ends well, until something is missing.
    let rules: BTreeSet<String> = before.verdicts.keys().map(|(rule, ..)| rule.clone()).collect();
    let well = |rule: &String| {
        let verdicts: BTreeSet<&str> =
            before.verdicts.iter().filter(|((known, ..), _)| known == rule).map(|(_, verdict)| *verdict).collect();
        verdicts.contains("pass") && verdicts.iter().all(|verdict| matches!(*verdict, "pass" | "not_applicable"))
    };
    let well: BTreeSet<String> = rules.into_iter().filter(well).collect();
    assert_eq!(look(&tenant, Box::new(Calm), now(), &well).ends[1], (Exit::Ok, 0), "{well:?}");
    let each = |(at, read)| FAULTS.iter().map(move |(fault, word)| (at, read, *fault, *word));
    let faults: Vec<(&str, &str, &str, &str)> =
        before.addresses.iter().map(|(at, read)| (at.as_str(), read.as_str())).flat_map(each).collect();
    let n: usize = std::env::var("TENET_SWEEP").ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    let step = (faults.len() / n).max(1);
    let chosen: Vec<_> = faults.iter().copied().skip(step / 2).step_by(step).collect();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let (chosen, before, well, tenant) = (&chosen, &before, &well, &tenant);
        let work = move |first: usize| {
            let mut tally = Tally::default();
            chosen.iter().skip(first).step_by(threads).for_each(|one| break_one(tenant, before, *one, well, &mut tally));
            tally
        };
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (n_runs, n_lost, n_unknown) = (sum(|one| one.n_runs), sum(|one| one.n_lost), sum(|one| one.n_unknown));
    let greener: Vec<&String> = tallies.iter().flat_map(|one| &one.greener).collect();
    let mute: Vec<&String> = tallies.iter().flat_map(|one| &one.mute).collect();
    let n_told = sum(|one| one.n_told);
    println!(
        "{n_runs} of {} single faults: {} verdicts got better; of {n_lost} that became unknown {n_told} lead to the answer that was broken; \
         of {} rules that all was well with, {n_unknown} runs had unknown verdicts and none of them ended with 0",
        faults.len(),
        greener.len(),
        well.len()
    );
    assert!(n_unknown > 0 && n_lost > 0);
    assert!(greener.is_empty(), "{} verdicts got better:\n{greener:#?}", greener.len());
    assert!(mute.is_empty(), "{} verdicts do not say what is missing:\n{mute:#?}", mute.len());
    // What is open anyhow, or an attestation, may be the shorter way to decide a verdict, and is named in place of it.
    assert!(n_told * 4 > n_lost * 3, "{n_told} of {n_lost} lead to the answer that was broken");
}

//! A collected snapshot is what an import of the same answers gives.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::Value as Json;
use tenet::snapshot::{Records, SnapshotBuilder};
use tenet::sources::disk::to_tables;
use tenet::sources::import::{ImportOptions, import_arm};

use super::service::{Calm, Service, Simulated, collected, contoso, evidence};
use crate::azure_server::CANARY;
use crate::tenant::Tenant;

/// Imports exchanges, put in the order of their addresses. Of those with equal answers the first reading counts, and of
/// failures the last.
fn imported(tenant: &Tenant, scratch: &Path, mut exchanges: Vec<Json>) -> Records {
    let key = |one: &Json| (one["request"]["url"].to_string(), one["response"]["body"].to_string());
    let failures: Vec<Json> = exchanges.iter().rev().filter(|one| one["response"]["status"] != 200).cloned().collect();
    exchanges.retain(|one| one["response"]["status"] == 200);
    exchanges.extend(failures);
    exchanges.sort_by_key(key);
    exchanges.dedup_by_key(|one| key(one));
    let text: Vec<String> = exchanges.iter().map(Json::to_string).collect();
    let path = scratch.join("all.jsonl");
    fs::write(&path, text.join("\n")).unwrap();
    let mut builder = SnapshotBuilder::new(tenant.compiled.policies.schema.clone());
    import_arm(&mut builder, &[path], &ImportOptions::default()).unwrap();
    builder.records()
}

pub(super) fn exchanges(place: &Path) -> Vec<Json> {
    let mut files: Vec<_> = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let lines = files.iter().flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn what_is_collected_is_what_the_answers_say() {
    let tenant = Tenant::open("contoso");
    for page_size in [3, 1000] {
        let clock = Simulated::new(1);
        let service = Service::new(contoso(page_size), Box::new(Calm), &clock);
        let scratch = tempfile::tempdir().unwrap();
        let found = collected(&scratch.path().join("work"), false, &service, &clock).unwrap();
        println!("{} requests, {} answers, {} of {} whole", found.n_requests, found.n_answers, found.n_whole, found.n_streams);
        for gap in &found.gaps {
            println!("  {} {}: {}", gap.operation.name(), gap.of, gap.why);
        }
        let (place, files) = evidence(&scratch.path().join("work"));
        let kept = exchanges(&place);
        assert_eq!(kept.len(), found.n_answers);
        assert_eq!(service.n_requests.load(Ordering::SeqCst), found.n_requests);
        let log = service.log.lock().unwrap().clone();
        let ours = imported(&tenant, scratch.path(), kept.clone());
        let theirs = imported(&tenant, scratch.path(), log);
        let schema = &tenant.compiled.policies.schema;
        assert_eq!(ours.entities.len(), theirs.entities.len());
        assert!(to_tables(schema, &ours) == to_tables(schema, &theirs), "facts differ");
        assert!(ours.entities.len() > 100, "{}", ours.entities.len());
        // Tokens are nowhere; each answer has its hash.
        for file in &files {
            let text = fs::read_to_string(place.join(&file.name)).unwrap();
            assert!(!text.contains(CANARY) && !text.contains("eyJhbGciOiJub25lIn0."), "{}", file.name);
        }
        assert!(kept.iter().all(|one| one["response"]["sha256"].as_str().is_some_and(|hash| hash.len() == 64)));
        // Nothing but what the plan of reads says was asked.
        let odd: Vec<&Json> = kept.iter().filter(|one| one["request"]["method"] != "GET").collect();
        assert!(odd.iter().all(|one| one["request"]["url"].as_str().unwrap().contains("/getEntities")), "{odd:?}");
    }
}

/// Takes out what differs from one time to another.
pub(super) fn timeless(one: &mut Json) {
    one["time"] = Json::Null;
    one["response"]["headers"] = Json::Null;
    if one["response"]["status"].as_u64().is_some_and(|status| status >= 400) {
        one["response"]["body"] = Json::Null;
        one["response"]["sha256"] = Json::Null;
    }
}

#[test]
fn the_order_in_which_answers_come_makes_no_difference() {
    use super::service::{Passed, Weather};
    use jiff::Timestamp;
    use std::time::Duration;
    use tenet::sources::azure::Received;

    #[derive(Debug)]
    struct Shuffled(u64);
    impl Weather for Shuffled {
        fn between(&mut self, _: &str, _: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Passed::Late(Duration::from_nanos(self.0 >> 50), answer())
        }
    }
    let mut seen = Vec::new();
    for seed in 0..4 {
        let clock = Simulated::new(1);
        let service = Service::new(contoso(4), Box::new(Shuffled(seed)), &clock);
        let scratch = tempfile::tempdir().unwrap();
        collected(scratch.path(), false, &service, &clock).unwrap();
        let (place, _) = evidence(scratch.path());
        let mut kept = exchanges(&place);
        // When an answer came is the one thing that differs; errors of Graph say it, too.
        kept.iter_mut().for_each(timeless);
        seen.push(kept);
    }
    for pair in seen.windows(2) {
        let differing = pair[0].iter().zip(&pair[1]).find(|(one, other)| one != other);
        assert!(pair[0] == pair[1], "{differing:?}");
    }
}

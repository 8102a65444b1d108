//! Recorded exchanges, replayed: what is asked and what is kept does not change unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;
use tenet::sources::azure::client::ReadClient;
use tenet::sources::azure::cloud::Cloud;
use tenet::sources::azure::retry::{Pace, Patience};
use tenet::sources::azure::{Carrier, Outgoing, Received, Unanswered};
use tenet::sources::collect::{Journal, collect, write_evidence};

use super::service::{Calm, Service, Simulated, collected, contoso, credential, evidence, settings, simulate, whose};

/// Answers by verb and address.
#[derive(Debug)]
struct Replay(BTreeMap<(String, String), Received>);

#[async_trait]
impl Carrier for Replay {
    async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered> {
        let key = (request.verb.to_owned(), request.address.to_owned());
        self.0.get(&key).cloned().ok_or_else(|| panic!("{key:?} was not recorded"))
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/http/contoso.jsonl")
}

fn lines(folder: &std::path::Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// `UPDATE_EXPECT=1` records anew, from the tenant in memory.
#[test]
fn recorded_exchanges_replay_to_the_same_evidence() {
    let scratch = tempfile::tempdir().unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let clock = Simulated::new(1);
        let service = Service::new(contoso(8), Box::new(Calm), &clock);
        collected(&scratch.path().join("record"), false, &service, &clock).unwrap();
        fs::create_dir_all(path().parent().unwrap()).unwrap();
        fs::write(path(), lines(&evidence(&scratch.path().join("record")).0)).unwrap();
    }
    let text = fs::read_to_string(path()).unwrap();
    let mut answers = BTreeMap::new();
    for line in text.lines() {
        let one: Json = serde_json::from_str(line).unwrap();
        let headers = one["response"]["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let bytes = one["response"].get("body").map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let status = u16::try_from(one["response"]["status"].as_u64().unwrap()).unwrap();
        let key = (one["request"]["method"].as_str().unwrap().to_owned(), one["request"]["url"].as_str().unwrap().to_owned());
        answers.insert(key, Received { status, headers, bytes });
    }
    assert!(answers.len() > 150, "{}", answers.len());
    let clock = Simulated::new(1);
    let pace: Arc<dyn Pace> = Arc::clone(&clock) as _;
    let client = ReadClient::over(Arc::new(Replay(answers)), Cloud::named("public").unwrap(), credential(), Patience::default(), pace);
    let mut journal = Journal::open(&scratch.path().join("work"), false, &whose()).unwrap();
    simulate(&clock, collect(&client, &whose(), &settings(&clock), &mut journal, &())).unwrap().unwrap();
    let place = scratch.path().join("evidence");
    write_evidence(&journal, &place).unwrap();
    let again = lines(&place);
    let differing = again.lines().zip(text.lines()).find(|(new, old)| new != old);
    assert!(again == text, "fixtures/http/contoso.jsonl: not what is collected: {differing:?}");
}

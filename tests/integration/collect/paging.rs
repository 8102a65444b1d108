//! Lists that change while they are read never lose an object without a word.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use tenet::sources::azure::client::ReadClient;
use tenet::sources::azure::cloud::Cloud;
use tenet::sources::azure::pace::MachinePace;
use tenet::sources::azure::retry::{Pace, Patience};
use tenet::sources::azure::{Carrier, Outgoing, Received, Unanswered};
use tenet::sources::collect::{Choice, Journal, Settings, collect, write_evidence};

use super::equal::exchanges;
use super::service::{Simulated, credential, simulate, whose};

/// A list by offset, the worst kind: what is deleted on a page that was read moves the others forward.
#[derive(Debug)]
struct Moving {
    items: Mutex<Vec<u64>>,
    dice: MachinePace,
    /// Changes that are left, and one in how many requests sees one.
    left: Mutex<u32>,
    rate: u64,
    /// What was there from the first request to the last.
    throughout: Mutex<Option<BTreeSet<u64>>>,
}

const PAGE: usize = 3;

impl Moving {
    fn change(&self) {
        let mut left = self.left.lock().unwrap();
        if *left == 0 || !self.dice.random().is_multiple_of(self.rate) {
            return;
        }
        *left -= 1;
        let mut items = self.items.lock().unwrap();
        let at = usize::try_from(self.dice.random()).unwrap_or(0) % items.len().max(1);
        if self.dice.random().is_multiple_of(2) && items.len() > 1 {
            items.remove(at);
        } else {
            items.insert(at, self.dice.random());
        }
    }
}

#[async_trait]
impl Carrier for Moving {
    async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered> {
        let answer = |body: serde_json::Value| Received { status: 200, headers: Vec::new(), bytes: body.to_string().into_bytes() };
        if request.address.contains("/organization") {
            return Ok(answer(json!({ "value": [{ "id": super::service::TENANT }] })));
        }
        let start: usize = request.address.split("page-").nth(1).map_or(0, |at| at.parse().unwrap());
        if start > 0 {
            self.change();
        }
        let items = self.items.lock().unwrap();
        let mut throughout = self.throughout.lock().unwrap();
        let now: BTreeSet<u64> = items.iter().copied().collect();
        *throughout = Some(match throughout.take() {
            Some(before) => before.intersection(&now).copied().collect(),
            None => now,
        });
        let value: Vec<_> = items.iter().skip(start).take(PAGE).map(|id| json!({ "id": format!("{id}"), "userType": "Member" })).collect();
        let mut body = json!({ "value": value });
        if items.len() > start + PAGE {
            body["@odata.nextLink"] = json!(format!("https://graph.microsoft.com/v1.0/users?$skiptoken=page-{}", start + PAGE));
        }
        Ok(answer(body))
    }
}

#[test]
fn a_list_that_changes_never_loses_an_object_without_a_word() {
    let seeds: u64 = std::env::var("TENET_PAGING_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_500);
    let (mut n_gaps, mut n_reread) = (0, 0);
    for seed in 0..seeds {
        let clock = Simulated::new(seed);
        let dice = MachinePace::seeded(seed);
        let items: Vec<u64> = (0..dice.random() % 14).map(|_| dice.random()).collect();
        // Some change once, some all the time.
        let (left, rate) = (u32::try_from(dice.random() % 4).unwrap() * 3, 1 + dice.random() % 5);
        let moving = Arc::new(Moving { items: Mutex::new(items), dice, left: Mutex::new(left), rate, throughout: Mutex::default() });
        let pace: Arc<dyn Pace> = Arc::clone(&clock) as _;
        let client = ReadClient::over(Arc::clone(&moving) as _, Cloud::named("public").unwrap(), credential(), Patience::default(), pace);
        let choice = Choice::named(&["graph:users".to_owned()], &[]).unwrap();
        let settings = Settings { choice, end: None };
        let scratch = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&scratch.path().join("work"), false, &whose()).unwrap();
        let found = simulate(&clock, collect(&client, &whose(), &settings, &mut journal, &())).unwrap().unwrap();
        let place = scratch.path().join("evidence");
        write_evidence(&journal, &place).unwrap();
        let kept = exchanges(&place);
        let users = kept.iter().filter(|one| one["request"]["url"].as_str().unwrap().contains("/users"));
        let ids: BTreeSet<u64> = users
            .flat_map(|one| one["response"]["body"]["value"].as_array().unwrap().clone())
            .map(|item| item["id"].as_str().unwrap().parse().unwrap())
            .collect();
        let throughout = moving.throughout.lock().unwrap().clone().unwrap_or_default();
        let whole = found.gaps.is_empty();
        n_gaps += usize::from(!whole);
        n_reread += usize::from(whole && found.n_requests as usize > 1 + 2 * kept.len());
        assert!(!whole || throughout.is_subset(&ids), "seed {seed}: {:?} were lost", throughout.difference(&ids));
        assert_eq!(whole, kept.iter().all(|one| one.get("gap").is_none()), "seed {seed}");
    }
    println!("{seeds} lists: {n_gaps} said to be open, {n_reread} read again");
    assert!(n_gaps > 0 && n_reread > 0);
}

//! A storm: throttling, failing servers, connections that end and answers that are cut.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use tenet::sources::azure::Received;
use tenet::sources::azure::pace::MachinePace;
use tenet::sources::azure::retry::Pace;

use super::equal::{exchanges, timeless};
use super::service::{Calm, Passed, Service, Simulated, Weather, collected, contoso, evidence};

/// Services are busy by turns: of each one's time three tenths are throttled, whoever asks. Besides, of the other requests
/// ten in a hundred meet a failing server, five a connection that ends, and two an answer that is cut.
#[derive(Debug)]
struct Storm {
    dice: MachinePace,
    /// For each service until when it is busy, and when it will be next.
    busy: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Before which instant each service asked not to be asked again.
    asked: Arc<Mutex<BTreeMap<String, Timestamp>>>,
    early: Arc<Mutex<Vec<String>>>,
}

fn bucket(address: &str) -> String {
    if address.contains("graph.microsoft.com") {
        return "graph".to_owned();
    }
    let path = address.split(".com/").nth(1).unwrap_or_default();
    match path.strip_prefix("subscriptions/") {
        Some(rest) => rest.split(['/', '?']).next().unwrap_or_default().to_lowercase(),
        None => "directory".to_owned(),
    }
}

impl Storm {
    fn roll(&self, below: u64) -> u64 {
        self.dice.random() % below
    }

    /// How long to wait, in one of the forms that services write it.
    fn header(&self, now: Timestamp, until: Timestamp) -> (Vec<(String, String)>, Option<Timestamp>) {
        let left = until.duration_since(now).as_secs_f64().max(0.0);
        let one = |name: &str, value: String| vec![(name.to_owned(), value)];
        let at = |seconds: f64| now.checked_add(Duration::from_secs_f64(seconds)).ok();
        match self.roll(40) {
            0 => (Vec::new(), None),
            1 => (one("Retry-After", "0".to_owned()), at(0.0)),
            2 => (one("Retry-After", "-5".to_owned()), None),
            3 => (one("Retry-After", "soon".to_owned()), None),
            4 => (one("Retry-After", "3600".to_owned()), at(3600.0)),
            5..15 => (one("retry-after-ms", format!("{:.0}", left * 1000.0 + 1.0)), at(left)),
            15..25 => (one("x-ms-retry-after-ms", format!("{:.0}", left * 1000.0 + 1.0)), at(left)),
            25..30 => (one("Retry-After", format!("{:.3}", left + 0.001)), at(left)),
            30..34 => {
                let date = now.checked_add(Duration::from_secs(left.ceil() as u64)).unwrap();
                let text = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap().replace("+0000", "GMT");
                (one("Retry-After", text), Timestamp::from_second(date.as_second()).ok())
            }
            _ => (one("Retry-After", format!("{}", left.ceil() as u64)), at(left.ceil())),
        }
    }
}

impl Weather for Storm {
    fn between(&mut self, address: &str, now: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed {
        let name = bucket(address);
        if self.asked.lock().unwrap().get(&name).is_some_and(|until| now < *until) {
            self.early.lock().unwrap().push(address.to_owned());
        }
        let after = |from: Timestamp, seconds: f64| from.checked_add(Duration::from_secs_f64(seconds)).unwrap();
        let calm = after(now, 0.2 * self.roll(100) as f64 / 100.0);
        let (mut until, mut next) = self.busy.get(&name).copied().unwrap_or((now, calm));
        if now >= next {
            // Three tenths of the time: 3 seconds of 10, on average.
            until = after(now, 6.0 * self.roll(100) as f64 / 100.0);
            next = after(until, 14.0 * self.roll(100) as f64 / 100.0 + 0.1);
        }
        self.busy.insert(name.clone(), (until, next));
        if now < until {
            let (headers, asked) = self.header(now, until);
            if let Some(asked) = asked {
                self.asked.lock().unwrap().insert(name, asked);
            }
            return Passed::Answer(Received { status: 429, headers, bytes: b"{\"error\":{\"code\":\"TooManyRequests\"}}".to_vec() });
        }
        // A service takes its time.
        let slow = Duration::from_millis(20 + self.roll(300));
        match self.roll(100) {
            0..10 => {
                let status = [500, 502, 503, 504][self.roll(4) as usize];
                Passed::Late(slow, Received { status, headers: Vec::new(), bytes: b"<html>".to_vec() })
            }
            10..15 => Passed::Lost,
            15..17 => {
                let mut received = answer();
                if received.bytes.len() > 1 && received.status == 200 {
                    received.bytes.truncate(received.bytes.len() / 2);
                }
                Passed::Late(slow, received)
            }
            17..19 => Passed::Late(Duration::from_secs(40), answer()),
            _ => Passed::Late(slow, answer()),
        }
    }
}

fn without_times(mut kept: Vec<Json>) -> BTreeMap<String, Json> {
    kept.iter_mut().for_each(timeless);
    kept.into_iter().map(|one| (one["request"]["url"].as_str().unwrap().to_owned(), one)).collect()
}

#[test]
fn a_storm_changes_nothing_or_says_so() {
    let seeds: u64 = std::env::var("TENET_STORMS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let scratch = tempfile::tempdir().unwrap();
    let clock = Simulated::new(1);
    let service = Service::new(contoso(5), Box::new(Calm), &clock);
    let calm = collected(scratch.path(), false, &service, &clock).unwrap();
    let needed = service.n_requests.load(Ordering::SeqCst);
    let calm_answers = without_times(exchanges(&evidence(scratch.path()).0));
    let (mut sent, mut n_open, mut n_whole, mut longest) = (0, 0, 0, 0.0_f64);
    for seed in 0..seeds {
        let scratch = tempfile::tempdir().unwrap();
        let clock = Simulated::new(seed);
        let (asked, early) = (Arc::default(), Arc::default());
        let storm = Storm { dice: MachinePace::seeded(seed), busy: BTreeMap::new(), asked: Arc::clone(&asked), early: Arc::clone(&early) };
        let service = Service::new(contoso(5), Box::new(storm), &clock);
        let began = clock.now();
        let found = collected(scratch.path(), false, &service, &clock).unwrap_or_else(|| panic!("seed {seed} hangs"));
        longest = longest.max(clock.now().duration_since(began).as_secs_f64());
        sent += service.n_requests.load(Ordering::SeqCst);
        let early = early.lock().unwrap();
        assert!(early.is_empty(), "seed {seed}: asked before Retry-After: {early:?}");
        let answers = without_times(exchanges(&evidence(scratch.path()).0));
        let open: Vec<&str> = found.gaps.iter().filter(|gap| !calm.gaps.contains(gap)).map(|gap| gap.of.as_str()).collect();
        n_open += usize::from(!open.is_empty());
        n_whole += usize::from(open.is_empty());
        for (url, one) in &answers {
            let was = calm_answers.get(url);
            let failed =
                one["response"].get("error").is_some() || one["response"]["status"].as_u64().unwrap() >= 429 || one.get("gap").is_some();
            assert!(failed || was == Some(one), "seed {seed}: another answer: {url}");
            if failed && was != Some(one) {
                assert!(!open.is_empty(), "seed {seed}: a failure that is no gap: {one}");
            }
        }
        // What is missing follows from what is open.
        assert!(!open.is_empty() || answers.len() == calm_answers.len(), "seed {seed}");
    }
    let ratio = sent as f64 / (needed * seeds) as f64;
    println!(
        "{seeds} storms: {n_whole} gave the calm answers, {n_open} said what is missing; {ratio:.3} requests a needed answer, \
         at most {longest:.0} s of simulated time"
    );
    assert!(ratio <= 1.3, "{ratio}");
    assert!(n_whole > 0);
}

//! How fast each service may be asked: token buckets at four fifths of the documented rate, slowed by what services say.
//!
//! Sources: "Understand how Azure Resource Manager throttles requests" (250 reads, 25 more each second, for each subscription
//! and for the directory), "Guidance for throttled requests in Azure Resource Graph" (15 queries in 5 seconds),
//! "Microsoft Graph service-specific throttling limits" (3,500 resource units in 10 seconds for a small directory), "Customer
//! resources" of Partner Center (500 requests in a minute for each partner).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::address::path_and_query;
use super::cloud::Endpoint;
use super::retry::retry_after;

/// The share of a documented rate that is used.
const SHARE: f64 = 0.8;
/// The longest wait that a header other than `Retry-After` can ask for.
const HINT_MAX: Duration = Duration::from_secs(30);
/// Buckets that are remembered; when there are more, those that are full again are forgotten.
const BUCKETS_MAX: usize = 100_000;

/// What a limit is counted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BucketKey {
    /// Reads of the directory in Azure Resource Manager.
    Directory,
    /// Reads of one subscription.
    Subscription(String),
    /// Queries of Resource Graph.
    ResourceGraph,
    /// Microsoft Graph.
    Graph,
    /// Partner Center.
    PartnerCenter,
}

impl BucketKey {
    pub(super) fn of(endpoint: Endpoint, address: &str) -> Self {
        match endpoint {
            Endpoint::Graph => return Self::Graph,
            Endpoint::PartnerCenter => return Self::PartnerCenter,
            Endpoint::Arm => {}
        }
        let path = path_and_query(address).map(|(path, _)| path.to_lowercase()).unwrap_or_default();
        let mut segments = path.split('/').skip(1);
        match (segments.next(), segments.next()) {
            (Some("subscriptions"), Some(id)) => Self::Subscription(id.to_owned()),
            (Some("providers"), Some("microsoft.resourcegraph")) => Self::ResourceGraph,
            _ => Self::Directory,
        }
    }

    /// How much may be taken at once, and how much comes back each second.
    fn rate(&self) -> (f64, f64) {
        let (burst, each_second) = match self {
            Self::Directory | Self::Subscription(_) => (250.0, 25.0),
            Self::ResourceGraph => (15.0, 3.0),
            Self::Graph => (3_500.0, 350.0),
            // In the worst minute the burst and what comes back: 500.
            Self::PartnerCenter => (100.0, 400.0 / 60.0),
        };
        (burst * SHARE, each_second * SHARE)
    }

    /// Resource units of Graph; elsewhere each request counts as one.
    fn cost(&self, address: &str) -> f64 {
        if *self != Self::Graph {
            return 1.0;
        }
        if address.contains("/members") { 3.0 } else { 2.0 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
    not_before: Timestamp,
}

/// The buckets of a client.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    known: Mutex<BTreeMap<BucketKey, Bucket>>,
}

impl Buckets {
    /// Takes what a request costs, and returns how long it has to wait for it.
    pub(super) fn take(&self, key: &BucketKey, address: &str, now: Timestamp) -> Duration {
        let (burst, each_second) = key.rate();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= BUCKETS_MAX {
            known.retain(|_, bucket| bucket.not_before > now || seconds_between(bucket.at, now) < 10.0);
        }
        let bucket = known.entry(key.clone()).or_insert(Bucket { left: burst, at: now, not_before: Timestamp::MIN });
        bucket.left = (bucket.left + seconds_between(bucket.at, now) * each_second).min(burst) - key.cost(address);
        bucket.at = now.max(bucket.at);
        Duration::try_from_secs_f64(-bucket.left / each_second).unwrap_or(Duration::ZERO)
    }

    /// Returns how long nothing may be sent, because the service said so.
    pub(super) fn held(&self, key: &BucketKey, now: Timestamp) -> Duration {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let until = known.get(key).map_or(Timestamp::MIN, |bucket| bucket.not_before);
        Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    /// Notes what an answer says of the rate.
    pub(super) fn note(&self, key: &BucketKey, status: u16, headers: &[(String, String)], now: Timestamp) {
        let asked = if matches!(status, 429 | 503) { retry_after(headers, now) } else { None };
        let Some(wait) = asked.or_else(|| hinted(key, headers)) else { return };
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get_mut(key) {
            bucket.not_before = bucket.not_before.max(until);
        }
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// How long to wait by the headers of an answer that was given.
fn hinted(key: &BucketKey, headers: &[(String, String)]) -> Option<Duration> {
    let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim());
    let wait = match key {
        BucketKey::Directory | BucketKey::Subscription(_) => {
            let names = [
                "x-ms-ratelimit-remaining-subscription-reads",
                "x-ms-ratelimit-remaining-subscription-global-reads",
                "x-ms-ratelimit-remaining-tenant-reads",
            ];
            let left = names.iter().filter_map(|name| header(name)?.parse::<u32>().ok()).min()?;
            // Below ten requests, wait for what comes back in a second.
            (left < 10).then(|| Duration::from_millis(u64::from(10 - left) * 100))
        }
        BucketKey::ResourceGraph => {
            let left: u32 = header("x-ms-user-quota-remaining")?.parse().ok()?;
            (left == 0).then(|| header("x-ms-user-quota-resets-after").and_then(clock_time)).flatten()
        }
        BucketKey::PartnerCenter => None,
        BucketKey::Graph => {
            let used: f64 = header("x-ms-throttle-limit-percentage")?.parse().ok()?;
            // The window is 10 seconds long.
            (used.is_finite() && used >= SHARE).then(|| Duration::try_from_secs_f64((used - SHARE) * 10.0).ok()).flatten()
        }
    };
    wait.map(|wait| wait.min(HINT_MAX))
}

/// Reads `HH:MM:SS`.
fn clock_time(text: &str) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let total = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    parts.next().is_none().then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn no_more_than_four_fifths_of_the_rate_is_used() {
        let buckets = Buckets::default();
        let key = BucketKey::of(Endpoint::Arm, "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?x=1");
        assert_eq!(key, BucketKey::ResourceGraph);
        // A client that waits as it is told sends at most the burst and four fifths of the refill.
        let (mut now, mut sent) = (at(0), 0);
        while now < at(100) {
            now = now.checked_add(buckets.take(&key, "", now)).unwrap();
            sent += 1;
        }
        assert!((240..=12 + 241).contains(&sent), "{sent} in 100 seconds");
    }

    #[test]
    fn subscriptions_have_buckets_of_their_own() {
        let of = |path: &str| BucketKey::of(Endpoint::Arm, &format!("https://management.azure.com{path}"));
        assert_eq!(of("/subscriptions/A/providers/x?y"), BucketKey::Subscription("a".to_owned()));
        assert_eq!(of("/subscriptions?y"), BucketKey::Directory);
        assert_eq!(of("/providers/Microsoft.Billing/billingAccounts"), BucketKey::Directory);
        assert_eq!(BucketKey::of(Endpoint::Graph, "https://graph.microsoft.com/v1.0/users"), BucketKey::Graph);
    }

    #[test]
    fn what_services_say_holds_a_bucket() {
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let held = |key: BucketKey, status: u16, headers: Vec<(String, String)>| {
            let buckets = Buckets::default();
            buckets.take(&key, "", at(0));
            buckets.note(&key, status, &headers, at(0));
            buckets.held(&key, at(0))
        };
        assert_eq!(held(BucketKey::Directory, 429, header("Retry-After", "17")), Duration::from_secs(17));
        assert_eq!(held(BucketKey::Directory, 200, header("Retry-After", "17")), Duration::ZERO);
        assert_eq!(held(BucketKey::Directory, 200, header("x-ms-ratelimit-remaining-tenant-reads", "4")), Duration::from_millis(600));
        assert_eq!(held(BucketKey::Directory, 200, header("x-ms-ratelimit-remaining-tenant-reads", "garbage")), Duration::ZERO);
        let mut quota = header("x-ms-user-quota-remaining", "0");
        quota.extend(header("x-ms-user-quota-resets-after", "00:00:05"));
        assert_eq!(held(BucketKey::ResourceGraph, 200, quota), Duration::from_secs(5));
        assert_eq!(held(BucketKey::Graph, 200, header("x-ms-throttle-limit-percentage", "1.3")), Duration::from_secs(5));
        assert_eq!(clock_time("99:99"), None);
    }
}

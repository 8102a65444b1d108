//! How long to wait before a request is sent again: pure functions of what was answered.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// How patient a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The most tries of one request.
    pub tries_max: u32,
    /// The longest wait a service may ask for; a request that asks for more is given up.
    pub wait_max: Duration,
    /// Time for one request with all its tries.
    pub deadline: Duration,
    /// The first wait where the service does not say how long.
    pub backoff: Duration,
    /// The longest wait where the service does not say how long.
    pub backoff_max: Duration,
    /// Time for a long-running operation.
    pub operation: Duration,
    /// Time between polls where the service does not say how long.
    pub poll_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries_max: 8,
            wait_max: Duration::from_mins(5),
            deadline: Duration::from_mins(10),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            operation: Duration::from_mins(30),
            poll_every: Duration::from_secs(2),
        }
    }
}

/// The time, waiting, and chance: all that a client takes from the machine.
#[async_trait]
pub trait Pace: Send + Sync + std::fmt::Debug {
    /// Returns the time.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn wait(&self, duration: Duration);
    /// Returns the next random number.
    fn random(&self) -> u64;
}

/// Statuses after which a read is tried again. Source: "Retry guidance for Azure services".
#[must_use]
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Returns how long a service asks to wait: `Retry-After` in seconds, whole or fractional, or as a date; or one of its kin in
/// milliseconds. What is none of these counts as nothing.
#[must_use]
pub fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim());
    for name in ["x-ms-retry-after-ms", "retry-after-ms"] {
        if let Some(milliseconds) = header(name).and_then(|value| value.parse::<f64>().ok()) {
            return seconds(milliseconds / 1000.0);
        }
    }
    let value = header("retry-after")?;
    match value.parse::<f64>() {
        Ok(found) => seconds(found),
        Err(_) => until(value, now),
    }
}

fn seconds(found: f64) -> Option<Duration> {
    if found.is_finite() && found >= 0.0 { Duration::try_from_secs_f64(found).ok() } else { None }
}

/// A date that is past asks for no wait.
fn until(date: &str, now: Timestamp) -> Option<Duration> {
    // HTTP dates are in GMT, which the format of mails writes as an offset.
    let date = jiff::fmt::rfc2822::parse(&date.replace("GMT", "+0000")).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Returns the wait before the next try where the service does not say how long: a random part of a time that doubles with
/// each try ("full jitter").
#[must_use]
pub fn backoff(patience: &Patience, tries: u32, random: u64) -> Duration {
    let doubled = patience.backoff.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    let longest = doubled.min(patience.backoff_max);
    let milliseconds = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % milliseconds.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, value: &str) -> Option<Duration> {
        retry_after(&[(name.to_owned(), value.to_owned())], "2026-10-20T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn every_form_of_waiting_is_read() {
        assert_eq!(asked("Retry-After", "17"), Some(Duration::from_secs(17)));
        assert_eq!(asked("retry-after", " 0.25 "), Some(Duration::from_millis(250)));
        assert_eq!(asked("Retry-After", "Tue, 20 Oct 2026 08:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Retry-After", "Tue, 20 Oct 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("Retry-After-Ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(asked("x-ms-retry-after-ms", "20"), Some(Duration::from_millis(20)));
        for garbage in ["", "soon", "-1", "NaN", "inf", "1e300", "Tue, 99 Oct 2026 08:00:30 GMT", "0x10"] {
            assert_eq!(asked("Retry-After", garbage), None, "{garbage}");
        }
    }

    #[test]
    fn waits_double_and_stay_below_their_bound() {
        let patience = Patience::default();
        assert_eq!(backoff(&patience, 1, 500), Duration::from_millis(500));
        assert_eq!(backoff(&patience, 3, 2000), Duration::from_secs(2));
        for tries in 0..100 {
            assert!(backoff(&patience, tries, u64::MAX - 7) <= patience.backoff_max);
        }
    }
}

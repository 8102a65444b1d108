//! Times: tolerant when read, strict when written.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Reads a time as Microsoft's services and people write it.
///
/// Accepts RFC 3339 with up to nine fractional digits, a missing zone (read as UTC, as ARM means it) and a bare date.
/// A year of 0001 means *not set* in Microsoft.Billing answers, the last day of 9999 means *never*: both give `Ok(None)`.
///
/// # Errors
/// A sentence that quotes the text, if it is no time.
pub fn parse_instant(text: &str) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.starts_with("0001-01-01") || text.starts_with("9999-12-31") {
        return Ok(None);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Some(instant));
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let zoned = civil.ok().and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok());
    zoned.map(Some).ok_or_else(|| format!("`{text}` is not a time; write 2026-12-31 or 2026-12-31T10:00:00Z"))
}

/// Writes a time in UTC: RFC 3339, or the bare date for the first instant of a day.
#[must_use]
pub fn format_instant(instant: Timestamp) -> String {
    let text = instant.to_string();
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), str::to_owned)
}

/// Reads a length of time: `7 days`, `PT8H`, `P730D`. Gives seconds.
///
/// # Errors
/// A sentence that quotes the text, if it is no length of time, or one without a fixed length such as a month.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is not a length of time; write `7 days` or `PT8H`");
    if let Some((number, unit)) = text.split_once(' ') {
        let number: i64 = number.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim().trim_end_matches('s') {
            "second" => 1,
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            "week" => 604_800,
            _ => return Err(wrong()),
        };
        return number.checked_mul(seconds).ok_or_else(wrong);
    }
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    span.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(|seconds| seconds.abs() < 1e15)
        .map(|seconds| seconds.round())
        .and_then(|seconds| format!("{seconds:.0}").parse().ok())
        .ok_or_else(wrong)
}

/// Writes a length of time in its largest whole unit: `7 days`.
#[must_use]
pub fn format_duration(seconds: i64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let whole = units.iter().find(|(size, _)| seconds % size == 0).unwrap_or(&(1, "second"));
    let number = seconds / whole.0;
    format!("{number} {}{}", whole.1, if number == 1 { "" } else { "s" })
}

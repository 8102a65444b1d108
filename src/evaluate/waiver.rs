//! Waivers: the one place that decides whether a waiver counts.

use jiff::Timestamp;

use super::arithmetic::shift;
use crate::check::{Policies, Waivable, Waiver};
use crate::model::EntityId;

/// What a waiver is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaiverState {
    /// It counts.
    Active,
    /// It counts, and ends within 30 days.
    Lapsing,
    /// Its first day has not come.
    NotYet,
    /// Its last day is over.
    Lapsed,
    /// It would run longer than its rule allows.
    TooLong,
}

impl WaiverState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Lapsing, Self::NotYet, Self::Lapsed, Self::TooLong];

    /// Tells whether the waiver covers a fail.
    #[must_use]
    pub fn covers(self) -> bool {
        matches!(self, Self::Active | Self::Lapsing)
    }

    /// Returns the name used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Lapsing => "lapsing",
            Self::NotYet => "not yet in force",
            Self::Lapsed => "lapsed",
            Self::TooLong => "longer than the rule allows",
        }
    }
}

/// A waiver and what became of it in a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverUse {
    /// Its place in the policies.
    pub waiver: usize,
    /// What it is at `now`.
    pub state: WaiverState,
    /// Fails that it covers, or would cover if it counted.
    pub fails: usize,
    /// Subjects that it selects for certain.
    pub subjects: usize,
    /// The first of those fails, at most `NAMED_MAX`: run, subject and requirement.
    pub first: Vec<(usize, EntityId, Option<usize>)>,
}

/// Fails of a waiver that are named; the rest is counted.
pub(super) const NAMED_MAX: usize = 20;
/// A waiver that ends within so many seconds lapses.
const LAPSING: i64 = 30 * DAY;
const DAY: i64 = 86_400;

/// Decides what a waiver is at `now`. Its last day is inclusive, in UTC: see [`Waiver::end`].
///
/// A waiver that does not say when it begins may reach no further into the future than its rule allows.
#[must_use]
pub fn waiver_state(policies: &Policies, waiver: &Waiver, now: Timestamp) -> WaiverState {
    let end = waiver.end();
    if now >= end {
        return WaiverState::Lapsed;
    }
    if waiver.from.is_some_and(|from| now < from) {
        return WaiverState::NotYet;
    }
    let limit = match policies.rules.get(waiver.rule.0 as usize).map(|rule| &rule.waivable) {
        Some(Waivable::UpTo { limit, .. }) => *limit,
        _ => return WaiverState::TooLong,
    };
    if end > shift(waiver.from.unwrap_or(now), limit.saturating_add(DAY)) {
        return WaiverState::TooLong;
    }
    if shift(now, LAPSING) >= end { WaiverState::Lapsing } else { WaiverState::Active }
}

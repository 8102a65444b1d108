//! `+` and `-` on numbers, instants and durations. Results saturate, so that order is kept and nothing fails.

use jiff::{SignedDuration, Timestamp};

use super::value::{Range, Val};
use crate::model::Value;

pub(super) fn add(left: &Val, right: &Val) -> Val {
    combine(left, right, plus, |left, right| {
        (plus_bound(left.low.as_ref(), right.low.as_ref()), plus_bound(left.high.as_ref(), right.high.as_ref()))
    })
}

pub(super) fn subtract(left: &Val, right: &Val) -> Val {
    combine(left, right, minus, |left, right| {
        (minus_bound(left.low.as_ref(), right.high.as_ref()), minus_bound(left.high.as_ref(), right.low.as_ref()))
    })
}

type Bounds = (Option<Value>, Option<Value>);

fn combine(left: &Val, right: &Val, exact: fn(&Value, &Value) -> Option<Value>, bounds: fn(&Range, &Range) -> Bounds) -> Val {
    if let (Val::Known(left), Val::Known(right)) = (left, right) {
        return exact(left, right).map_or(Val::Unknown, Val::Known);
    }
    let (Some(left), Some(right)) = (as_range(left), as_range(right)) else { return Val::Unknown };
    let (low, high) = bounds(&left, &right);
    Val::Range(Range { low, high, maybe_none: false })
}

fn as_range(value: &Val) -> Option<Range> {
    match value {
        Val::Known(value) => Some(Range { low: Some(value.clone()), high: Some(value.clone()), maybe_none: false }),
        Val::Range(range) if !range.maybe_none => Some(range.clone()),
        _ => None,
    }
}

fn plus_bound(left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    plus(left?, right?)
}

fn minus_bound(left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    minus(left?, right?)
}

fn plus(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(Value::Int(a.saturating_add(*b))),
        (Value::Duration(a), Value::Duration(b)) => Some(Value::Duration(a.saturating_add(*b))),
        (Value::Instant(at), Value::Duration(seconds)) | (Value::Duration(seconds), Value::Instant(at)) => {
            Some(Value::Instant(shift(*at, *seconds)))
        }
        _ => None,
    }
}

fn minus(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(Value::Int(a.saturating_sub(*b))),
        (Value::Duration(a), Value::Duration(b)) => Some(Value::Duration(a.saturating_sub(*b))),
        (Value::Instant(at), Value::Duration(seconds)) => Some(Value::Instant(shift(*at, seconds.saturating_neg()))),
        (Value::Instant(a), Value::Instant(b)) => Some(Value::Duration(a.as_second().saturating_sub(b.as_second()))),
        _ => None,
    }
}

/// Moves an instant, staying within the time that can be written.
pub(super) fn shift(at: Timestamp, seconds: i64) -> Timestamp {
    let end = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(end)
}

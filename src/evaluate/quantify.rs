//! Quantifiers and aggregates, by counting: at least so many members satisfy, at most so many do.

use super::evaluator::{Evaluator, Frame};
use super::sets::bind;
use super::value::{Range, Truth, Val};
use crate::check::{Aggregate, Binder, Expr, Quantifier};
use crate::model::Value;

/// How many members satisfy a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// Members known to satisfy it.
    pub(super) low: u64,
    /// Members not known to fail it; `None` if there may be any number.
    pub(super) high: Option<u64>,
}

/// What is asked of the members.
#[derive(Clone, Copy)]
struct Question<'a> {
    binders: &'a [Binder],
    body: Option<&'a Expr>,
    /// Whether members that fail the body are counted.
    negated: bool,
    /// Counting may end when so many are sure.
    enough: u64,
}

impl Evaluator<'_> {
    pub(super) fn quantified(&self, kind: Quantifier, binders: &[Binder], body: Option<&Expr>, frame: &mut Frame) -> Truth {
        let ask = |negated, enough| Question { binders, body, negated, enough };
        let size = |n: i64| u64::try_from(n).unwrap_or(0);
        match kind {
            Quantifier::Some => at_least(self.count(ask(false, 1), frame), 1),
            Quantifier::No => at_least(self.count(ask(false, 1), frame), 1).negate(),
            Quantifier::All => at_least(self.count(ask(true, 1), frame), 1).negate(),
            Quantifier::AllNonempty => {
                let all = at_least(self.count(ask(true, 1), frame), 1).negate();
                let any = Question { binders, body: None, negated: false, enough: 1 };
                all.min(at_least(self.count(any, frame), 1))
            }
            Quantifier::Exactly(n) => exactly(self.count(ask(false, size(n).saturating_add(1)), frame), size(n)),
            Quantifier::AtMost(n) => at_least(self.count(ask(false, size(n).saturating_add(1)), frame), size(n).saturating_add(1)).negate(),
            Quantifier::AtLeast(n) => at_least(self.count(ask(false, size(n)), frame), size(n)),
        }
    }

    fn count(&self, question: Question<'_>, frame: &mut Frame) -> Count {
        let mut count = Count { low: 0, high: Some(0) };
        self.members(question.binders, frame, true, false, &mut |this, frame, sure, unseen| {
            let holds = question.body.map_or(Truth::True, |body| this.truth(body, frame)).negate_if(question.negated);
            match holds {
                Truth::False => {}
                _ if unseen => count.high = None,
                Truth::True if sure => {
                    count.low += 1;
                    count.high = count.high.map(|high| high + 1);
                }
                _ => count.high = count.high.map(|high| high + 1),
            }
            count.low < question.enough
        });
        count
    }

    /// Calls `visit` with each combination of members that is not known to be filtered out, until it says stop.
    pub(super) fn members(
        &self,
        binders: &[Binder],
        frame: &mut Frame,
        sure: bool,
        unseen: bool,
        visit: &mut dyn FnMut(&Self, &mut Frame, bool, bool) -> bool,
    ) -> bool {
        let Some((binder, rest)) = binders.split_first() else { return visit(self, frame, sure, unseen) };
        let set = self.set(&binder.set, frame);
        let known = set.members.iter().map(|member| (Val::Known(member.value.clone()), member.sure, false));
        let others = set.unseen.iter().map(|unseen| (Val::Unseen(unseen.clone()), false, true));
        for (value, member_sure, member_unseen) in known.chain(others) {
            bind(frame, binder, value);
            let kept = binder.filter.as_ref().map_or(Truth::True, |filter| self.truth(filter, frame));
            if kept == Truth::False {
                continue;
            }
            let sure = sure && member_sure && kept == Truth::True;
            if !self.members(rest, frame, sure, unseen || member_unseen, visit) {
                return false;
            }
        }
        true
    }

    pub(super) fn aggregate(&self, kind: Aggregate, binders: &[Binder], body: Option<&Expr>, frame: &mut Frame) -> Val {
        match (kind, body) {
            (Aggregate::Count, body) => {
                let count = self.count(Question { binders, body, negated: false, enough: u64::MAX }, frame);
                let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
                if count.high == Some(count.low) {
                    return Val::Known(int(count.low));
                }
                Val::Range(Range { low: Some(int(count.low)), high: count.high.map(int), maybe_none: false })
            }
            (_, None) => Val::Unknown,
            (_, Some(body)) => self.extreme(kind == Aggregate::Max, binders, body, frame),
        }
    }

    /// The smallest or largest value: sure members bound it on one side, members that are not sure on the other.
    fn extreme(&self, largest: bool, binders: &[Binder], body: &Expr, frame: &mut Frame) -> Val {
        let (mut certain, mut possible): (Option<Value>, Option<Value>) = (None, None);
        let mut unbounded = false;
        let better = |a: Option<Value>, b: Value| match a {
            Some(a) => Some(if largest { a.max(b) } else { a.min(b) }),
            None => Some(b),
        };
        self.members(binders, frame, true, false, &mut |this, frame, sure, _| {
            match this.value(body, frame) {
                Val::None => {}
                Val::Known(value) => {
                    if sure {
                        certain = better(certain.take(), value.clone());
                    }
                    possible = better(possible.take(), value);
                }
                _ => unbounded = true,
            }
            true
        });
        match (certain, possible) {
            (None, None) if !unbounded => Val::None,
            (Some(certain), Some(possible)) if !unbounded && certain == possible => Val::Known(certain),
            (certain, possible) => {
                let maybe_none = certain.is_none();
                let other = if unbounded { None } else { possible };
                let (low, high) = if largest { (certain, other) } else { (other, certain) };
                Val::Range(Range { low, high, maybe_none })
            }
        }
    }
}

fn at_least(count: Count, n: u64) -> Truth {
    if count.low >= n {
        Truth::True
    } else if count.high.is_some_and(|high| high < n) {
        Truth::False
    } else {
        Truth::Unknown
    }
}

fn exactly(count: Count, n: u64) -> Truth {
    if count.low > n || count.high.is_some_and(|high| high < n) {
        Truth::False
    } else if count.low == n && count.high == Some(n) {
        Truth::True
    } else {
        Truth::Unknown
    }
}

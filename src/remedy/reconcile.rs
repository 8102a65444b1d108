//! Finds out, by reading, what became of a request whose outcome is not known.
//!
//! Three findings are possible. It took effect: `after` is found, which was not so before. It did not: `before` still holds,
//! and either sending it again does no harm, or the time that replication may take is over. Otherwise it stays unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::apply::{Ending, Event, Run};
use super::expect::{look, readable};
use super::journal::{Attempt, Kind, Stage};
use super::plan::{Repeatable, Step};
use super::verify::{AGREEING, PAUSE_FIRST, READINGS_MAX, longer};

#[derive(PartialEq, Clone, Copy)]
enum Seen {
    Effect,
    NoEffect,
    Neither,
}

impl Run<'_> {
    /// Reads until it is known what became of the request, at most for the window of the step.
    pub(super) fn reconcile(&mut self, step: &Step, attempt: &Attempt) -> Result<(), Ending> {
        self.tell(Event::Reconciles(step));
        let window = Duration::from_secs(step.operation.window_seconds.into());
        let settled = attempt.began.checked_add(window).unwrap_or(Timestamp::MAX);
        let deadline = settled.max(self.clock.now());
        let (mut last, mut agreed, mut pause) = (Seen::Neither, 0, PAUSE_FIRST);
        for _ in 0..READINGS_MAX {
            let (seen, message) = self.seen(step, attempt);
            agreed = if seen == last { agreed + 1 } else { 1 };
            last = seen;
            let may_repeat = step.operation.repeatable == Repeatable::Same || self.clock.now() >= settled;
            match seen {
                Seen::Effect if agreed >= AGREEING => return self.note(Some(step), Kind::Ok),
                Seen::NoEffect if agreed >= AGREEING && may_repeat => {
                    return self.failed(step, Stage::NoEffect, None, "it was sent, and reading shows that it had no effect");
                }
                Seen::Neither if self.clock.now() >= deadline => {
                    return Err(Ending::Unknown { step: step.id.clone(), message });
                }
                _ => {}
            }
            if self.clock.stop_requested() {
                return Err(Ending::Stopped);
            }
            self.clock.wait(pause);
            pause = if seen != Seen::Neither && agreed < AGREEING { PAUSE_FIRST } else { longer(pause) };
        }
        Err(Ending::Unknown { step: step.id.clone(), message: format!("it is not known after {READINGS_MAX} readings") })
    }

    fn seen(&mut self, step: &Step, attempt: &Attempt) -> (Seen, String) {
        let after = readable(&step.operation.after, &attempt.answered);
        let found = look(self.target, &after, &attempt.answered);
        if attempt.telling && !after.is_empty() && found.holds() {
            return (Seen::Effect, String::new());
        }
        let before = look(self.target, &step.operation.before, &BTreeMap::new());
        // If what is looked for was there before, reading tells nothing; only a request that does no harm is sent again then.
        let tells = attempt.telling || step.operation.repeatable == Repeatable::Same;
        if tells && !found.unreadable && before.holds() {
            return (Seen::NoEffect, String::new());
        }
        let tells = if attempt.telling { "" } else { "what it should bring about was there before, so reading cannot tell; " };
        (Seen::Neither, format!("{tells}{}", found.differs.into_iter().chain(before.differs).collect::<Vec<_>>().join("; ")))
    }
}

//! Verifies a step: `after` must be found several times in a row, since replicas of a service do not learn of a change at once.

use std::time::Duration;

use super::apply::{Ending, Event, Run};
use super::expect::{look, readable};
use super::journal::{Attempt, Kind, Stage};
use super::plan::Step;

/// How many readings in a row must agree.
pub const AGREEING: u32 = 3;
/// The first pause between readings; each is twice as long as the one before.
pub(super) const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// The most readings of one wait, should the clock stand still.
pub(super) const READINGS_MAX: usize = 10_000;

/// Returns the pause after this one.
pub(super) fn longer(pause: Duration) -> Duration {
    (pause * 2).min(PAUSE_LONGEST)
}

impl Run<'_> {
    /// Waits until `after` is found, at most for the window of the step.
    pub(super) fn verify(&mut self, step: &Step, attempt: &Attempt) -> Result<(), Ending> {
        let deadline = self.deadline(step);
        // Where an answer was lost, what only the answer names cannot be read; the rest is.
        let after = readable(&step.operation.after, &attempt.answered);
        let after = if after.is_empty() { step.operation.after.clone() } else { after };
        let (mut agreed, mut pause) = (0, PAUSE_FIRST);
        let mut message = String::new();
        for _ in 0..READINGS_MAX {
            let found = look(self.target, &after, &attempt.answered);
            if found.holds() {
                agreed += 1;
                if agreed == AGREEING {
                    self.note(Some(step), Kind::Verified { readings: AGREEING })?;
                    self.tell(Event::Done(step));
                    return Ok(());
                }
                pause = PAUSE_FIRST;
            } else {
                agreed = 0;
                message = found.differs.join("; ");
                if self.clock.now() >= deadline {
                    break;
                }
                self.tell(Event::Waits(step, &message));
            }
            if self.clock.stop_requested() {
                return Err(Ending::Stopped);
            }
            self.clock.wait(pause);
            if agreed == 0 {
                pause = longer(pause);
            }
        }
        let window = step.operation.window_seconds;
        let message = format!("it was accepted, and is not seen after {window} seconds: {message}");
        self.failed(step, Stage::NotSeen, None, &message)?;
        Err(Ending::Failed { step: step.id.clone(), message })
    }
}

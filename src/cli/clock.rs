//! The time of this machine, and the wish to stop.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Exit;
use crate::remedy::target::Clock;

/// What the system asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    Terminate,
}

/// The clock of this machine. The first Ctrl-C (or signal to end) is heard between writes; the second one ends the program at
/// once, which the journal allows for.
#[derive(Debug, Clone, Default)]
pub(super) struct SystemClock {
    asked: Arc<(Mutex<Option<Signal>>, Condvar)>,
}

impl SystemClock {
    /// Listens to signals from now on. Where that is not possible the program ends as usual, which is safe, too.
    pub(super) fn listening() -> Self {
        let clock = Self::default();
        let heard = clock.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(heard.listen());
            }
        });
        clock
    }

    async fn listen(self) {
        loop {
            let Some(signal) = next_signal().await else { return };
            if self.ask(signal) {
                eprintln!("stopping after the write in flight; once more ends the program at once, and `--resume` goes on");
            } else {
                eprintln!("stopped at once; `tenet apply --resume` reads what became of the write in flight");
                std::process::exit(i32::from(exit(signal).code()));
            }
        }
    }

    /// Notes a wish to stop; tells whether it is the first.
    fn ask(&self, signal: Signal) -> bool {
        let (lock, condition) = &*self.asked;
        let mut asked = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let first = asked.is_none();
        asked.get_or_insert(signal);
        condition.notify_all();
        first
    }

    /// Returns how a run ends that was stopped.
    pub(super) fn exit(&self) -> Exit {
        let asked = *self.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
        exit(asked.unwrap_or(Signal::Interrupt))
    }
}

fn exit(signal: Signal) -> Exit {
    match signal {
        Signal::Interrupt => Exit::Interrupted,
        Signal::Terminate => Exit::Terminated,
    }
}

#[cfg(unix)]
async fn next_signal() -> Option<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    tokio::select! {
        heard = tokio::signal::ctrl_c() => heard.ok().map(|()| Signal::Interrupt),
        heard = terminate.recv() => heard.map(|()| Signal::Terminate),
    }
}

#[cfg(not(unix))]
async fn next_signal() -> Option<Signal> {
    tokio::signal::ctrl_c().await.ok().map(|()| Signal::Interrupt)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait(&self, duration: Duration) {
        let (lock, condition) = &*self.asked;
        let end = Instant::now() + duration;
        let mut asked = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while asked.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            asked = condition.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn stop_requested(&self) -> bool {
        self.asked.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

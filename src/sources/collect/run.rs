//! All lists, several at a time.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::sync::Notify;

use super::choice::Choice;
use super::journal::{Entry, Journal, KnownPage, Named, StreamKey};
use super::named::named;
use super::operation::{Operation, Per};
use super::{CollectError, stream};
use crate::remedy::target::SignedIn;
use crate::sources::azure::client::{AFTER_DEADLINE, Attempt, ReadClient, ReadFailure};
use crate::sources::azure::cloud::{Cloud, Endpoint};

/// How many lists are read at a time.
const WORKERS: usize = 16;
/// The most lists of one collection.
const STREAMS_MAX: usize = 20_000_000;

/// Whose collection it is: one that is resumed must be of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The directory.
    pub tenant: String,
    /// Object id of the identity.
    pub principal: String,
    /// Origin of Azure Resource Manager.
    pub arm: String,
    /// Origin of Microsoft Graph.
    pub graph: String,
    /// Origin of Partner Center, where the cloud names one.
    pub partner_center: Option<String>,
}

impl Whose {
    /// Returns whose a collection is that somebody makes in a cloud.
    #[must_use]
    pub fn of(signed_in: SignedIn, cloud: &Cloud) -> Self {
        let partner_center = cloud.endpoint(Endpoint::PartnerCenter).map(str::to_owned);
        let (arm, graph) = (cloud.arm.clone(), cloud.graph.clone());
        Self { tenant: signed_in.tenant, principal: signed_in.principal, arm, graph, partner_center }
    }
}

/// How a collection goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is read.
    pub choice: Choice,
    /// When it has to have ended; what was not read by then is not attempted.
    pub end: Option<Timestamp>,
}

/// A list that is not whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The read.
    pub operation: Operation,
    /// What it was asked of; empty for the whole directory.
    pub of: String,
    /// Why.
    pub why: String,
}

impl Gap {
    pub(super) fn of(operation: Operation, key: &StreamKey, why: &str) -> Self {
        Self { operation, of: key.of.clone(), why: why.to_owned() }
    }
}

/// What was collected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Lists that are not whole, in order.
    pub gaps: Vec<Gap>,
    /// How many lists and objects were asked for.
    pub n_streams: usize,
    /// How many of them were read to their end, in this run or before.
    pub n_whole: usize,
    /// How many requests this run sent, repeated ones included.
    pub n_requests: u64,
    /// How many answers were kept.
    pub n_answers: usize,
}

/// Who is told how far it is.
pub trait Watcher {
    /// So many lists are done of so many that are known; the last one was of this operation.
    fn progress(&self, done: usize, known: usize, operation: Operation);
}

/// Watches nothing.
impl Watcher for () {
    fn progress(&self, _: usize, _: usize, _: Operation) {}
}

/// A collection while it goes on.
pub(super) struct Run<'r> {
    pub(super) client: &'r ReadClient,
    pub(super) whose: &'r Whose,
    /// When the collection began, if it was resumed, too.
    pub(super) begun: Timestamp,
    asked: Vec<Operation>,
    end: Option<Timestamp>,
    journal: Mutex<&'r mut Journal>,
    state: Mutex<State>,
    changed: Notify,
    watcher: &'r dyn Watcher,
}

#[derive(Default)]
struct State {
    queue: VecDeque<StreamKey>,
    known: BTreeSet<StreamKey>,
    busy: usize,
    done: usize,
    n_requests: u64,
    gaps: Vec<Gap>,
    failed: Option<CollectError>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads everything that was chosen into a journal. What its lines hold already is not read again; what failed is.
///
/// # Errors
/// If the journal cannot be written. What cannot be read is a [`Gap`].
pub async fn collect(
    client: &ReadClient,
    whose: &Whose,
    settings: &Settings,
    journal: &mut Journal,
    watcher: &dyn Watcher,
) -> Result<Collected, CollectError> {
    let begun = journal.begun(client.pace().now())?;
    let run = Run {
        begun,
        client,
        whose,
        asked: settings.choice.asked(),
        end: settings.end,
        journal: Mutex::new(journal),
        state: Mutex::new(State::default()),
        changed: Notify::new(),
        watcher,
    };
    for operation in &run.asked {
        match operation.per() {
            Per::Directory => run.enqueue(*operation, "")?,
            // Whoever names it knows that the directory is a partner's.
            Per::PartnerDirectory if settings.choice.names(*operation) => run.enqueue(*operation, &whose.tenant)?,
            _ => {}
        }
    }
    let workers = (0..WORKERS).map(|_| Box::pin(run.work()) as Worker<'_>).collect();
    all(workers).await;
    run.conclude()
}

type Worker<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Lets several run in one task until all have ended.
async fn all(mut workers: Vec<Worker<'_>>) {
    std::future::poll_fn(|context| {
        workers.retain_mut(|worker| worker.as_mut().poll(context).is_pending());
        if workers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Run<'_> {
    /// Notes a list that is to be read, once.
    fn enqueue(&self, operation: Operation, of: &str) -> Result<(), CollectError> {
        let key = StreamKey { operation: operation.place(), of: of.to_owned() };
        let mut state = held(&self.state);
        if state.known.len() >= STREAMS_MAX {
            return Err(CollectError::Limit { what: "the number of lists", limit: STREAMS_MAX as u64 });
        }
        if state.known.insert(key.clone()) {
            state.queue.push_back(key);
            drop(state);
            self.changed.notify_one();
        }
        Ok(())
    }

    async fn work(&self) {
        loop {
            let changed = self.changed.notified();
            match self.next() {
                Next::One(key) => {
                    let outcome = self.one(&key).await;
                    let mut state = held(&self.state);
                    state.busy -= 1;
                    if let Err(error) = outcome {
                        state.failed.get_or_insert(error);
                    }
                    drop(state);
                    // Those that wait look whether there is anything left.
                    self.changed.notify_waiters();
                    self.changed.notify_one();
                }
                Next::Wait => changed.await,
                Next::Nothing => {
                    self.changed.notify_waiters();
                    self.changed.notify_one();
                    return;
                }
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = held(&self.state);
        if state.failed.is_some() {
            return Next::Nothing;
        }
        match state.queue.pop_front() {
            Some(key) => {
                state.busy += 1;
                Next::One(key)
            }
            None if state.busy > 0 => Next::Wait,
            None => Next::Nothing,
        }
    }

    async fn one(&self, key: &StreamKey) -> Result<(), CollectError> {
        let Some(operation) = Operation::ALL.get(usize::from(key.operation)).copied() else { return Ok(()) };
        let known = held(&self.journal).known(key).cloned().unwrap_or_default();
        match &known.end {
            Some(Some(gap)) => self.gap(Gap::of(operation, key, gap)),
            Some(None) => {}
            None => stream::read(self, key, operation).await?,
        }
        self.expand(operation, key)?;
        let (done, known) = {
            let mut state = held(&self.state);
            state.done += 1;
            (state.done, state.known.len())
        };
        self.watcher.progress(done, known, operation);
        Ok(())
    }

    /// Enqueues what is asked of the things this list named.
    fn expand(&self, operation: Operation, key: &StreamKey) -> Result<(), CollectError> {
        let children: Vec<Operation> = self.asked.iter().copied().filter(|child| child.parents().contains(&operation)).collect();
        if children.is_empty() {
            return Ok(());
        }
        let pages = self.pages(key);
        for Named { per, of } in pages.iter().flat_map(|page| &page.parents) {
            for child in children.iter().filter(|child| child.per() == *per) {
                self.enqueue(*child, of)?;
            }
        }
        Ok(())
    }

    pub(super) async fn ask(&self, operation: Operation, address: &str) -> Attempt {
        if self.end.is_some_and(|end| self.client.pace().now() >= end) {
            let failure = ReadFailure::GivenUp { status: None, tries: 0, reason: AFTER_DEADLINE.to_owned() };
            return Attempt { answer: None, tries: 0, failure: Some(failure) };
        }
        let attempt = self.client.attempt(operation.endpoint(), operation.question(), address, None, self.end).await;
        held(&self.state).n_requests += u64::from(attempt.tries);
        attempt
    }

    pub(super) fn add(&self, entry: Entry) -> Result<(), CollectError> {
        held(&self.journal).add(entry)
    }

    pub(super) fn gap(&self, gap: Gap) {
        held(&self.state).gaps.push(gap);
    }

    /// Returns the pages of a list that count.
    pub(super) fn pages(&self, key: &StreamKey) -> Vec<KnownPage> {
        held(&self.journal).known(key).map(|known| known.pages.clone()).unwrap_or_default()
    }

    pub(super) fn has_pages(&self, key: &StreamKey) -> bool {
        held(&self.journal).known(key).is_some_and(|known| !known.pages.is_empty())
    }

    pub(super) fn restarts(&self, key: &StreamKey) -> u32 {
        held(&self.journal).known(key).map_or(0, |known| known.restarts)
    }

    /// Returns what an answer names that other operations are asked of.
    /// Whether any of it is asked now or not: a run that goes on here may ask more.
    pub(super) fn named_in(&self, key: &StreamKey, operation: Operation, body: &Json) -> Vec<Named> {
        named(operation, &key.of, body, &self.whose.tenant)
    }

    fn conclude(self) -> Result<Collected, CollectError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.failed {
            return Err(error);
        }
        let journal = self.journal.into_inner().unwrap_or_else(PoisonError::into_inner);
        journal.sync()?;
        let mut gaps = state.gaps;
        gaps.sort();
        gaps.dedup();
        let open: BTreeSet<(Operation, &str)> = gaps.iter().map(|gap| (gap.operation, gap.of.as_str())).collect();
        let n_answers = journal.all().map(|(_, known)| known.pages.len() + usize::from(known.failure.is_some())).sum();
        let (n_streams, n_open) = (state.known.len(), open.len());
        Ok(Collected { gaps, n_streams, n_whole: n_streams - n_open, n_requests: state.n_requests, n_answers })
    }
}

enum Next {
    One(StreamKey),
    Wait,
    Nothing,
}

//! Services in memory that a client reads without a network, a clock that is simulated, and something that runs a future on it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tenet::remedy::plan::{Method, Service as Which};
use tenet::remedy::target::SignedIn;
use tenet::sources::azure::address::path_and_query;
use tenet::sources::azure::client::ReadClient;
use tenet::sources::azure::cloud::Cloud;
use tenet::sources::azure::credentials::{AuthMethod, Credential, SignInOptions, sign_in};
use tenet::sources::azure::memory::{Call, MemoryTenant};
use tenet::sources::azure::pace::MachinePace;
use tenet::sources::azure::retry::{Pace, Patience};
use tenet::sources::azure::{Carrier, Outgoing, Received, Unanswered};
use tenet::sources::collect::{Choice, CollectError, Collected, EvidenceFile, Journal, Settings, Whose, collect, write_evidence};

use crate::azure_server::CANARY;
use crate::memory::recorded;

pub(super) const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";
pub(super) const ADMIN: &str = "ad000000-0000-4000-8000-000000000000";

/// The time that stands still but where something waits.
#[derive(Debug)]
pub(super) struct Simulated {
    now: Mutex<Timestamp>,
    waiting: Mutex<BTreeMap<(Timestamp, u64), Waker>>,
    number: AtomicU64,
    dice: MachinePace,
}

impl Simulated {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let now = Mutex::new("2026-10-20T08:00:00Z".parse().unwrap());
        Arc::new(Self { now, waiting: Mutex::default(), number: AtomicU64::new(0), dice: MachinePace::seeded(seed) })
    }

    /// Goes on to when the next one stops waiting; tells whether there is one.
    fn advance(&self) -> bool {
        let Some(((at, _), waker)) = self.waiting.lock().unwrap().pop_first() else { return false };
        let mut now = self.now.lock().unwrap();
        *now = (*now).max(at);
        drop(now);
        waker.wake();
        true
    }
}

#[async_trait]
impl Pace for Simulated {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn wait(&self, duration: Duration) {
        let until = self.now().checked_add(duration).unwrap();
        let mut waits = false;
        std::future::poll_fn(|context| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            // There is one task, so its waker stays the same.
            if std::mem::replace(&mut waits, true) {
                return Poll::Pending;
            }
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            self.waiting.lock().unwrap().insert((until, number), context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn random(&self) -> u64 {
        self.dice.random()
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs a future in simulated time; none if it waits for something that never comes.
pub(super) fn simulate<F: Future>(clock: &Simulated, future: F) -> Option<F::Output> {
    // The client asks for the time that a token may take; nothing here takes any.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if !flag.0.swap(false, Ordering::SeqCst) && !clock.advance() {
            return None;
        }
    }
}

/// What stands between the client and the tenant.
pub(super) trait Weather: Send + std::fmt::Debug {
    /// Changes what comes back, if it likes to; `answer` asks the tenant.
    fn between(&mut self, address: &str, now: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed;
}

/// What became of a request.
pub(super) enum Passed {
    Answer(Received),
    Lost,
    /// It is never answered: whoever sent it is killed.
    Held,
    /// The answer comes after a while.
    Late(Duration, Received),
}

/// Everything comes through.
#[derive(Debug)]
pub(super) struct Calm;

impl Weather for Calm {
    fn between(&mut self, _: &str, _: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed {
        Passed::Answer(answer())
    }
}

/// A tenant in memory as a client reaches it.
#[derive(Debug)]
pub(super) struct Service {
    tenant: Mutex<MemoryTenant>,
    pub(super) weather: Mutex<Box<dyn Weather>>,
    clock: Arc<Simulated>,
    /// Every exchange that took place, as a recording proxy would write it.
    pub(super) log: Mutex<Vec<Json>>,
    pub(super) n_requests: AtomicU64,
}

impl Service {
    pub(super) fn new(tenant: MemoryTenant, weather: Box<dyn Weather>, clock: &Arc<Simulated>) -> Arc<Self> {
        let (tenant, weather) = (Mutex::new(tenant), Mutex::new(weather));
        Arc::new(Self { tenant, weather, clock: Arc::clone(clock), log: Mutex::default(), n_requests: AtomicU64::new(0) })
    }

    fn answer(&self, verb: &str, address: &str, body: Option<&Json>) -> Received {
        let (path, query) = path_and_query(address).unwrap();
        let service = if path.starts_with("/v1.0/") { Which::Graph } else { Which::Arm };
        let method = (verb == "POST").then_some(Method::Post);
        let call = Call { service, method, path: &path, query: &query, body, caller: "admin" };
        let reply = self.tenant.lock().unwrap().answer(&call, self.clock.now());
        let bytes = reply.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Received { status: reply.status, headers: reply.headers, bytes }
    }
}

#[async_trait]
impl Carrier for Service {
    async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered> {
        let Outgoing { verb, address, token, body, .. } = request;
        assert!(matches!(verb, "GET" | "POST"), "{verb} {address}");
        assert!(token.secret().contains(CANARY));
        self.n_requests.fetch_add(1, Ordering::SeqCst);
        let passed = self.weather.lock().unwrap().between(address, self.clock.now(), &mut || self.answer(verb, address, body));
        let received = match passed {
            Passed::Answer(received) => received,
            Passed::Late(after, received) => {
                self.clock.wait(after).await;
                received
            }
            Passed::Lost => return Err(Unanswered::Broken("connection reset".to_owned())),
            Passed::Held => return std::future::pending().await,
        };
        let time = self.clock.now().to_string();
        let mut request = json!({ "method": verb, "url": address });
        if let Some(sent) = body {
            request["body"] = sent.clone();
        }
        let body: Json = serde_json::from_slice(&received.bytes).unwrap_or_default();
        let response = json!({ "status": received.status, "body": body });
        self.log.lock().unwrap().push(json!({ "request": request, "response": response, "time": time }));
        Ok(received)
    }
}

/// Contoso, with lists of several pages.
pub(super) fn contoso(page_size: usize) -> MemoryTenant {
    let mut tenant = MemoryTenant::from_answers(&recorded("contoso")).unwrap();
    tenant.settings.page_size = Some(page_size);
    tenant
}

pub(super) fn token() -> String {
    let claims = json!({ "tid": TENANT, "oid": ADMIN, "caller": "admin" }).to_string();
    format!("eyJhbGciOiJub25lIn0.{}.{CANARY}", azure_core::base64::encode_url_safe(claims))
}

/// Signs in with a token file, which is kept as long as the process lives.
pub(super) fn credential() -> Credential {
    static FILE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let path = FILE.get_or_init(|| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), token()).unwrap();
        file.keep().unwrap().1
    });
    let options = SignInOptions { method: AuthMethod::TokenFile, tenant: None, token_file: Some(path.clone()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sign_in(&options, &Cloud::named("public").unwrap())).unwrap()
}

pub(super) fn client(service: &Arc<Service>, clock: &Arc<Simulated>) -> ReadClient {
    let (carrier, pace): (Arc<dyn Carrier>, Arc<dyn Pace>) = (Arc::clone(service) as _, Arc::clone(clock) as _);
    ReadClient::over(carrier, Cloud::named("public").unwrap(), credential(), Patience::default(), pace)
}

pub(super) fn whose() -> Whose {
    Whose::of(SignedIn { tenant: TENANT.to_owned(), principal: ADMIN.to_owned() }, &Cloud::named("public").unwrap())
}

/// Everything, within an hour.
pub(super) fn settings(clock: &Simulated) -> Settings {
    Settings { choice: Choice::default(), end: Some(clock.now().checked_add(jiff::SignedDuration::from_hours(1)).unwrap()) }
}

/// Collects into a folder; none if it was killed.
pub(super) fn collected(folder: &Path, resume: bool, service: &Arc<Service>, clock: &Arc<Simulated>) -> Option<Collected> {
    let client = client(service, clock);
    let (whose, settings) = (whose(), settings(clock));
    let mut journal = Journal::open(folder, resume, &whose).unwrap();
    let outcome: Option<Result<Collected, CollectError>> = simulate(clock, collect(&client, &whose, &settings, &mut journal, &()));
    outcome.map(|outcome| outcome.unwrap())
}

/// Writes the evidence of a collection that ended.
pub(super) fn evidence(folder: &Path) -> (PathBuf, Vec<EvidenceFile>) {
    let journal = Journal::open(folder, true, &whose()).unwrap();
    let place = folder.join("evidence");
    let files = write_evidence(&journal, &place).unwrap();
    (place, files)
}

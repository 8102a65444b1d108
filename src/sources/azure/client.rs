//! One client of the services, in two types: [`ReadClient`] has no way to write, [`WriteClient`] is made for apply alone.
//!
//! Reads are tried again while that can help, within a deadline; a list is read to its end or not at all. A write is sent
//! once, and again only if it was certainly not accepted. Tokens go to the hosts of the cloud and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Method as Verb;
use jiff::Timestamp;
use serde_json::Value as Json;
use thiserror::Error;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::address::{address, path_and_query};
use super::buckets::{BucketKey, Buckets};
use super::challenge::Challenge;
use super::cloud::{Cloud, Endpoint};
use super::continuation::{next_link, split};
use super::credentials::{Credential, without_tokens};
use super::operation::{Polled, Wait, begun, polled};
use super::retry::{Pace, Patience, backoff, is_transient, retry_after};
use super::wire::{Carrier, Outgoing, Received, Unanswered, Wire};
use crate::remedy::plan::{Method, Request, Service};
use crate::remedy::target::{Answer, SignedIn, WriteError};

/// The most pages of one list.
const PAGES_MAX: usize = 100_000;
/// The longest reason that is taken from an answer, in characters.
const REASON_MAX: usize = 500;
/// The most requests of one client that are under way.
const OPEN_MAX: usize = 16;
/// Why something was not sent, or not again.
pub const AFTER_DEADLINE: &str = "the deadline of the run would pass";

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    /// The address that was asked.
    pub address: String,
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body, if it is JSON.
    pub body: Option<Json>,
    /// When it came.
    pub at: Timestamp,
}

impl Got {
    /// Returns a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the id the service gave the request; support asks for it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        ["x-ms-request-id", "request-id", "ms-requestid"].iter().find_map(|name| self.header(name))
    }

    /// Returns the claims that the service demands of the token, if that is why it refuses.
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge> {
        Some(self).filter(|got| got.status == 401).and_then(|got| Challenge::of(&got.headers))
    }

    /// Returns what the service says went wrong: its code and message in any of the forms in which they come.
    #[must_use]
    pub fn reason(&self) -> String {
        let body = self.body.as_ref();
        let error = body.and_then(|body| body.get("error")).filter(|error| error.is_object()).or(body);
        let of = |names: [&str; 3]| names.iter().find_map(|name| error?.get(*name)?.as_str()).map(str::to_owned);
        let (code, message) = (of(["code", "Code", "statusCode"]), of(["message", "Message", "description"]));
        let said = [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let challenge = self.header("www-authenticate").filter(|_| self.status == 401).map(|text| format!(" ({text})")).unwrap_or_default();
        let id = self.request_id().map(|id| format!(" [request {id}]")).unwrap_or_default();
        let said = without_tokens(&format!("{said}{challenge}"));
        let short: String = said.chars().take(REASON_MAX).collect();
        format!("{} {short}{id}", self.status)
    }
}

/// Why something was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadFailure {
    /// No token.
    #[error("not signed in: {0}")]
    SignIn(String),
    /// 401 or 403.
    #[error("refused: {0}")]
    Refused(String),
    /// 401, since claims are demanded of the token that no new one brought; with what can be done.
    #[error("denied: {0}")]
    Challenged(String),
    /// Throttled, or a service in trouble, beyond all patience.
    #[error("given up after {tries} tries: {reason}")]
    GivenUp {
        /// The last status; none if no answer came.
        status: Option<u16>,
        /// How often it was tried.
        tries: u32,
        /// The last reason.
        reason: String,
    },
    /// An answer that is of no use.
    #[error("{0}")]
    Unusable(String),
}

#[derive(Debug)]
struct Core {
    carrier: Arc<dyn Carrier>,
    cloud: Cloud,
    credential: Credential,
    patience: Patience,
    pace: Arc<dyn Pace>,
    buckets: Buckets,
    /// How many requests may be under way.
    open: Semaphore,
}

enum Failure {
    SignIn(String),
    NotSent(String),
    Broken(String),
}

/// A request that changes nothing, with all its tries.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The last answer; none if there was none.
    pub answer: Option<Got>,
    /// How often it was sent.
    pub tries: u32,
    /// Why the last answer is not one that can be used; none if it is.
    pub failure: Option<ReadFailure>,
}

/// How a try ended that is not the last one unless patience is.
struct Mishap {
    answer: Option<Got>,
    reason: String,
    asked: Option<Duration>,
}

impl Core {
    /// Sends a request once.
    async fn once(&self, endpoint: Endpoint, verb: Verb, address: &str, body: Option<&Json>, id: Option<Uuid>) -> Result<Got, Failure> {
        if !self.cloud.is_home(endpoint, address) {
            return Err(Failure::NotSent(format!("{address} is on another host; no token is sent there")));
        }
        let token = self.credential.token(&self.cloud, endpoint).await.map_err(Failure::SignIn)?;
        let (verb, headers) = (verb.as_ref(), headers(address, id)?);
        let sent = self.carrier.carry(Outgoing { verb, address: split(address).0, headers: &headers, token: &token, body }).await;
        let received = sent.map_err(|error| match error {
            Unanswered::NotSent(why) => Failure::NotSent(why),
            Unanswered::Broken(why) => Failure::Broken(why),
        })?;
        let body = serde_json::from_slice(&received.bytes).ok();
        let Received { status, headers, bytes } = received;
        Ok(Got { address: address.to_owned(), status, headers, bytes, body, at: self.pace.now() })
    }

    /// Waits until the service may be asked, and asks it once.
    async fn in_turn(&self, asking: &Asking<'_>, id: Option<Uuid>) -> Result<Got, Failure> {
        let Asking { endpoint, verb, address, body, end } = *asking;
        let key = BucketKey::of(endpoint, address);
        // The lock is never closed; if it were, nothing would be sent.
        let _turn = self.open.acquire().await.map_err(|error| Failure::NotSent(error.to_string()))?;
        let mut wait = self.buckets.take(&key, address, self.pace.now()).max(self.buckets.held(&key, self.pace.now()));
        while !wait.is_zero() {
            if end.is_some_and(|end| self.pace.now().checked_add(wait).is_ok_and(|then| then > end)) {
                return Err(Failure::NotSent(AFTER_DEADLINE.to_owned()));
            }
            self.pace.wait(wait).await;
            // Meanwhile another request may have been told to wait.
            wait = self.buckets.held(&key, self.pace.now());
        }
        let sent = self.once(endpoint, verb, address, body, id).await;
        if let Ok(got) = &sent {
            self.buckets.note(&key, got.status, &got.headers, got.at);
        }
        sent
    }

    /// Sends a request that changes nothing until an answer comes that trying again would not better.
    async fn attempt(&self, asking: &Asking<'_>) -> Attempt {
        let began = self.pace.now();
        let (mut tries, mut renewed, id) = (0, false, self.new_id(asking.endpoint));
        loop {
            tries += 1;
            let mishap = match self.in_turn(asking, id).await {
                Ok(got) if got.status == 401 => {
                    // The token may have lapsed, or the service demands claims that a new one has.
                    match self.renew(asking.endpoint, &got, &mut renewed).await {
                        Ok(()) => continue,
                        Err(failure) => return Attempt { answer: Some(got), tries, failure },
                    }
                }
                Ok(got) if is_transient(got.status) => {
                    let (reason, asked) = (got.reason(), retry_after(&got.headers, self.pace.now()));
                    Mishap { answer: Some(got), reason, asked }
                }
                Ok(got) if got.status == 200 && got.body.is_none() => {
                    let reason = if got.bytes.is_empty() { "the answer is empty" } else { "the answer is not JSON, or was cut off" };
                    Mishap { reason: reason.to_owned(), answer: Some(got), asked: None }
                }
                Ok(got) => return answered(got, tries),
                Err(Failure::SignIn(why)) => return Attempt { answer: None, tries, failure: Some(ReadFailure::SignIn(why)) },
                Err(Failure::NotSent(why) | Failure::Broken(why)) => Mishap { answer: None, reason: why, asked: None },
            };
            let wait = mishap.asked.unwrap_or_else(|| backoff(&self.patience, tries, self.pace.random()));
            if let Err(why) = self.may_wait(wait, tries, began, asking.end) {
                let status = mishap.answer.as_ref().map(|got| got.status);
                let failure = ReadFailure::GivenUp { status, tries, reason: format!("{}; {why}", mishap.reason) };
                return Attempt { answer: mishap.answer, tries, failure: Some(failure) };
            }
            self.pace.wait(wait).await;
        }
    }

    /// Signs in anew after a 401, once. If that is of no use, tells what to do, if there is something.
    async fn renew(&self, endpoint: Endpoint, got: &Got, renewed: &mut bool) -> Result<(), Option<ReadFailure>> {
        let challenge = got.challenge();
        let again = if std::mem::replace(renewed, true) {
            Ok(false)
        } else {
            self.credential.renew(&self.cloud, endpoint, challenge.as_ref()).await
        };
        if again == Ok(true) {
            return Ok(());
        }
        let advice = |challenge| self.credential.advice(&self.cloud, endpoint, &challenge, again.err().as_deref());
        Err(challenge.map(advice).map(ReadFailure::Challenged))
    }

    /// As [`Core::attempt`], for whoever wants the answer alone.
    async fn patiently(&self, endpoint: Endpoint, verb: Verb, address: &str, body: Option<&Json>) -> Result<Got, ReadFailure> {
        let Attempt { answer, failure, .. } = self.attempt(&Asking { endpoint, verb, address, body, end: None }).await;
        match (answer, failure) {
            (Some(got), None) => Ok(got),
            (_, Some(failure)) => Err(failure),
            (None, None) => Err(ReadFailure::Unusable("no answer".to_owned())),
        }
    }

    /// Tells whether one more try after a wait is within all bounds, or which one it is not.
    fn may_wait(&self, wait: Duration, tries: u32, began: Timestamp, end: Option<Timestamp>) -> Result<(), String> {
        let Patience { tries_max, wait_max, deadline, .. } = self.patience;
        if tries >= tries_max {
            return Err(format!("{tries_max} tries are the most"));
        }
        if wait > wait_max {
            return Err(format!("it asks to wait {} s, and {} s are the most", wait.as_secs(), wait_max.as_secs()));
        }
        if self.spent(began) + wait > deadline {
            return Err(format!("the deadline of {} s would pass", deadline.as_secs()));
        }
        if end.is_some_and(|end| self.pace.now().checked_add(wait).is_ok_and(|then| then > end)) {
            return Err(AFTER_DEADLINE.to_owned());
        }
        Ok(())
    }

    fn spent(&self, began: Timestamp) -> Duration {
        Duration::try_from(self.pace.now().duration_since(began)).unwrap_or(Duration::ZERO)
    }

    /// An id for a request and for all its tries, where the service expects one. Source: "Partner Center REST headers".
    fn new_id(&self, endpoint: Endpoint) -> Option<Uuid> {
        if endpoint != Endpoint::PartnerCenter {
            return None;
        }
        let random = u128::from(self.pace.random()) << 64 | u128::from(self.pace.random());
        Some(uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid())
    }
}

/// Headers that Partner Center expects beside those of every request; the id tells one that is tried again from a new one.
fn headers(address: &str, id: Option<Uuid>) -> Result<Vec<(&'static str, String)>, Failure> {
    let Some(id) = id else { return Ok(Vec::new()) };
    let mut headers =
        vec![("ms-requestid", id.to_string()), ("ms-correlationid", id.to_string()), ("ms-contract-version", "v1".to_owned())];
    if let Some(token) = split(address).1 {
        if !token.chars().all(|one| one.is_ascii_graphic()) {
            return Err(Failure::NotSent("the token with which the list goes on cannot stand in a header".to_owned()));
        }
        headers.push(("ms-continuationtoken", token.to_owned()));
    }
    Ok(headers)
}

/// A request that changes nothing.
#[derive(Debug, Clone, Copy)]
struct Asking<'a> {
    endpoint: Endpoint,
    verb: Verb,
    address: &'a str,
    body: Option<&'a Json>,
    /// When the whole run has to have ended.
    end: Option<Timestamp>,
}

fn answered(got: Got, tries: u32) -> Attempt {
    Attempt { answer: Some(got), tries, failure: None }
}

/// Questions that are asked with POST and change nothing: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Azure Resource Graph.
    ResourceGraph,
    /// Everything the caller sees of the tree of management groups.
    Entities,
}

impl Question {
    /// Tells whether an address is where the question is asked.
    fn is_at(self, cloud: &Cloud, address: &str) -> bool {
        let path = path_and_query(address).map(|(path, _)| path);
        cloud.is_home(Service::Arm, address) && path.is_some_and(|path| path.eq_ignore_ascii_case(self.path().0))
    }

    /// Returns where it is asked, and the version.
    #[must_use]
    pub fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::ResourceGraph => ("/providers/Microsoft.ResourceGraph/resources", "2022-10-01"),
            Self::Entities => ("/providers/Microsoft.Management/getEntities", "2023-04-01"),
        }
    }
}

/// A client that reads, and cannot write.
#[derive(Debug, Clone)]
pub struct ReadClient {
    core: Arc<Core>,
}

impl ReadClient {
    /// Makes a client for somebody who is signed in.
    ///
    /// # Errors
    /// If TLS or the transport cannot be set up, in words.
    pub fn new(cloud: Cloud, credential: Credential, patience: Patience, pace: Arc<dyn Pace>) -> Result<Self, String> {
        let wire = Wire::new(&cloud).map_err(|error| error.to_string())?;
        Ok(Self::over(Arc::new(wire), cloud, credential, patience, pace))
    }

    /// Makes a client whose requests go another way than over the network.
    #[must_use]
    pub fn over(carrier: Arc<dyn Carrier>, cloud: Cloud, credential: Credential, patience: Patience, pace: Arc<dyn Pace>) -> Self {
        let (buckets, open) = (Buckets::default(), Semaphore::new(OPEN_MAX));
        Self { core: Arc::new(Core { carrier, cloud, credential, patience, pace, buckets, open }) }
    }

    /// Returns the clock of the client.
    #[must_use]
    pub fn pace(&self) -> &Arc<dyn Pace> {
        &self.core.pace
    }

    /// Asks with all patience and returns what came of it, whatever it was: by POST if there is a question, else by GET.
    /// Nothing is waited for past `end`.
    pub async fn attempt(
        &self,
        endpoint: Endpoint,
        question: Option<Question>,
        address: &str,
        body: Option<&Json>,
        end: Option<Timestamp>,
    ) -> Attempt {
        let verb = if question.is_some() { Verb::Post } else { Verb::Get };
        if question.is_some_and(|question| !question.is_at(&self.core.cloud, address)) {
            let failure = ReadFailure::Unusable(format!("{address} is not where this question is asked"));
            return Attempt { answer: None, tries: 0, failure: Some(failure) };
        }
        self.core.attempt(&Asking { endpoint, verb, address, body, end }).await
    }

    /// Returns the cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.core.cloud
    }

    /// Returns the way of signing in that worked.
    #[must_use]
    pub fn way(&self) -> &'static str {
        self.core.credential.way()
    }

    /// Tells who is signed in, by what the token says of itself; its signature is for the services to verify.
    ///
    /// # Errors
    /// [`ReadFailure::SignIn`].
    pub async fn signed_in(&self) -> Result<SignedIn, ReadFailure> {
        self.core.credential.signed_in(&self.core.cloud).await.map_err(ReadFailure::SignIn)
    }

    /// Reads one place: 2xx and 404 are answers.
    ///
    /// # Errors
    /// [`ReadFailure`].
    pub async fn get(&self, service: Service, path: &str, query: &[(String, String)]) -> Result<Got, ReadFailure> {
        self.follow(service, &address(self.core.cloud.origin(service), path, query)).await
    }

    /// Asks a question of the closed list.
    ///
    /// # Errors
    /// [`ReadFailure`].
    pub async fn ask(&self, question: Question, body: &Json) -> Result<Got, ReadFailure> {
        let (path, version) = question.path();
        let query = [("api-version".to_owned(), version.to_owned())];
        let address = address(&self.core.cloud.arm, path, &query);
        judged(self.core.patiently(Endpoint::Arm, Verb::Post, &address, Some(body)).await?)
    }

    /// Reads the pages of a list one by one.
    #[must_use]
    pub fn pages(&self, service: Service, path: &str, query: &[(String, String)]) -> Pages<'_> {
        let first = address(self.core.cloud.origin(service), path, query);
        Pages { client: self, service, next: Some(first), seen: BTreeSet::new() }
    }

    async fn follow(&self, service: Service, address: &str) -> Result<Got, ReadFailure> {
        judged(self.core.patiently(service.into(), Verb::Get, address, None).await?)
    }
}

fn judged(got: Got) -> Result<Got, ReadFailure> {
    match got.status {
        200..300 | 404 => Ok(got),
        401 | 403 => Err(ReadFailure::Refused(got.reason())),
        _ => Err(ReadFailure::Unusable(got.reason())),
    }
}

/// The pages of a list. After an error the list is not whole.
#[derive(Debug)]
pub struct Pages<'c> {
    client: &'c ReadClient,
    service: Service,
    next: Option<String>,
    seen: BTreeSet<String>,
}

impl Pages<'_> {
    /// Reads the next page; none after the last one.
    ///
    /// # Errors
    /// [`ReadFailure`]: also if a link leads to another host, to a page that was read before, or to nothing.
    pub async fn next(&mut self) -> Result<Option<Got>, ReadFailure> {
        let Some(address) = self.next.take() else { return Ok(None) };
        let unusable = |why: &str| ReadFailure::Unusable(format!("{why}: {address}"));
        if !self.client.core.cloud.is_home(self.service, &address) {
            return Err(unusable("the list goes on at another host, and no token is sent there"));
        }
        if !self.seen.insert(address.clone()) {
            return Err(unusable("the list goes round in a circle"));
        }
        if self.seen.len() > PAGES_MAX {
            return Err(ReadFailure::Unusable(format!("the list has more than {PAGES_MAX} pages")));
        }
        let got = self.client.follow(self.service, &address).await?;
        if self.seen.len() > 1 && got.status != 200 {
            return Err(ReadFailure::Unusable(format!("a later page of the list answered {}", got.reason())));
        }
        self.next = got.body.as_ref().and_then(|body| next_link(&got.address, body));
        Ok(Some(got))
    }
}

/// A client that also writes. Apply makes one, and nothing else does.
#[derive(Debug)]
pub struct WriteClient {
    read: ReadClient,
}

impl WriteClient {
    /// Lets apply write with a client.
    #[must_use]
    pub fn for_apply(read: ReadClient) -> Self {
        Self { read }
    }

    /// Returns the reading side.
    #[must_use]
    pub fn reader(&self) -> &ReadClient {
        &self.read
    }

    /// Sends a request once, and waits for a long-running operation to end. What was throttled (429), or never left, is sent
    /// again; anything else after which its outcome is open is an error that says so.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write(&self, request: &Request) -> Result<Answer, WriteError> {
        let core = &self.read.core;
        let at = address(core.cloud.origin(request.service), &request.path, &request.query);
        let began = core.pace.now();
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, asked) = match core.once(request.service.into(), verb(request.method), &at, request.body.as_ref(), None).await {
                Ok(got) if got.status == 429 => (got.reason(), retry_after(&got.headers, core.pace.now())),
                // After these it may have taken effect.
                Ok(got) if is_transient(got.status) || got.status >= 500 => return Err(WriteError::Lost(got.reason())),
                Ok(got) => return self.wait(request, &at, got).await,
                Err(Failure::SignIn(why)) => return Err(WriteError::NotSent(format!("not signed in: {why}"))),
                Err(Failure::Broken(why)) => return Err(WriteError::Lost(why)),
                Err(Failure::NotSent(why)) => (why, None),
            };
            let wait = asked.unwrap_or_else(|| backoff(&core.patience, tries, core.pace.random()));
            core.may_wait(wait, tries, began, None).map_err(|why| WriteError::NotSent(format!("{reason}; {why}")))?;
            core.pace.wait(wait).await;
        }
    }

    async fn wait(&self, request: &Request, at: &str, first: Got) -> Result<Answer, WriteError> {
        let core = &self.read.core;
        let wait = begun(request.method, first.status, &first.headers, first.body.as_ref());
        let id = first.request_id().map(str::to_owned);
        let lost = |why: String| WriteError::Lost(format!("the service accepted it, and then: {why}"));
        let place = match &wait {
            Wait::Ended => return Ok(Answer { status: first.status, body: first.body, request_id: id }),
            Wait::Status(place) | Wait::Location(place) => place.clone(),
            Wait::Resource => at.to_owned(),
        };
        if !core.cloud.is_home(request.service, &place) {
            return Err(lost(format!("its operation is at another host, and no token is sent there: {place}")));
        }
        let began = core.pace.now();
        let mut headers = first.headers;
        while core.spent(began) < core.patience.operation {
            let asked = retry_after(&headers, core.pace.now()).unwrap_or(core.patience.poll_every);
            core.pace.wait(asked.min(core.patience.wait_max)).await;
            let got = core.patiently(request.service.into(), Verb::Get, &place, None).await.map_err(|failure| lost(failure.to_string()))?;
            match polled(&wait, request.method, got.status, got.body.as_ref()) {
                Polled::Running => headers = got.headers,
                Polled::Succeeded(body) => return Ok(Answer { status: 200, body: body.or(first.body), request_id: id }),
                Polled::Failed(status, body) => return Ok(Answer { status, body: Some(body), request_id: id }),
                Polled::Unclear(why) => return Err(lost(why)),
            }
        }
        Err(lost(format!("its operation had not ended after {} s", core.patience.operation.as_secs())))
    }
}

fn verb(method: Method) -> Verb {
    match method {
        Method::Put => Verb::Put,
        Method::Patch => Verb::Patch,
        Method::Post => Verb::Post,
        Method::Delete => Verb::Delete,
    }
}

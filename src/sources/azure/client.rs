//! One client of the services, in two types: [`ReadClient`] has no way to write, [`WriteClient`] is made for apply alone.
//!
//! Reads are tried again while that can help, within a deadline; a list is read to its end or not at all. A write is sent
//! once, and again only if it was certainly not accepted. Tokens go to the hosts of the cloud and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{Method as Verb, Pipeline};
use jiff::Timestamp;
use serde_json::Value as Json;
use thiserror::Error;

use super::address::address;
use super::cloud::Cloud;
use super::credentials::{Credential, without_tokens};
use super::operation::{Polled, Wait, begun, polled};
use super::retry::{Pace, Patience, backoff, is_transient, retry_after};
use super::wire::{self, Unanswered};
use crate::remedy::plan::{Method, Request, Service};
use crate::remedy::target::{Answer, SignedIn, WriteError};

/// The most pages of one list.
const PAGES_MAX: usize = 100_000;
/// The longest reason that is taken from an answer, in characters.
const REASON_MAX: usize = 500;

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
        self.header("x-ms-request-id").or_else(|| self.header("request-id"))
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
    pipeline: Pipeline,
    cloud: Cloud,
    credential: Credential,
    patience: Patience,
    pace: Arc<dyn Pace>,
}

enum Failure {
    SignIn(String),
    NotSent(String),
    Broken(String),
}

impl Core {
    /// Sends a request once.
    async fn once(&self, service: Service, verb: Verb, address: &str, body: Option<&Json>) -> Result<Got, Failure> {
        if !self.cloud.is_home(service, address) {
            return Err(Failure::NotSent(format!("{address} is on another host; no token is sent there")));
        }
        let token = self.credential.token(&self.cloud, service).await.map_err(Failure::SignIn)?;
        let sent = wire::send(&self.pipeline, verb, address, token.secret(), body).await;
        let received = sent.map_err(|error| match error {
            Unanswered::NotSent(why) => Failure::NotSent(why),
            Unanswered::Broken(why) => Failure::Broken(why),
        })?;
        let body = serde_json::from_slice(&received.bytes).ok();
        let wire::Received { status, headers, bytes } = received;
        Ok(Got { address: address.to_owned(), status, headers, bytes, body, at: self.pace.now() })
    }

    /// Sends a request that changes nothing until an answer comes that trying again would not better.
    async fn patiently(&self, service: Service, verb: Verb, address: &str, body: Option<&Json>) -> Result<Got, ReadFailure> {
        let began = self.pace.now();
        let mut tries = 0;
        loop {
            tries += 1;
            let (status, reason, asked) = match self.once(service, verb, address, body).await {
                Ok(got) if is_transient(got.status) => (Some(got.status), got.reason(), retry_after(&got.headers, self.pace.now())),
                Ok(got) if got.status == 200 && got.body.is_none() && !got.bytes.is_empty() => {
                    (Some(got.status), "the answer is not JSON, or was cut off".to_owned(), None)
                }
                Ok(got) => return Ok(got),
                Err(Failure::SignIn(why)) => return Err(ReadFailure::SignIn(why)),
                Err(Failure::NotSent(why) | Failure::Broken(why)) => (None, why, None),
            };
            let given_up = |reason: String| ReadFailure::GivenUp { status, tries, reason };
            let wait = asked.unwrap_or_else(|| backoff(&self.patience, tries, self.pace.random()));
            self.may_wait(wait, tries, began).map_err(|why| given_up(format!("{reason}; {why}")))?;
            self.pace.wait(wait).await;
        }
    }

    /// Tells whether one more try after a wait is within all bounds, or which one it is not.
    fn may_wait(&self, wait: Duration, tries: u32, began: Timestamp) -> Result<(), String> {
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
        Ok(())
    }

    fn spent(&self, began: Timestamp) -> Duration {
        Duration::try_from(self.pace.now().duration_since(began)).unwrap_or(Duration::ZERO)
    }
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
    fn path(self) -> (&'static str, &'static str) {
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
        let pipeline = wire::pipeline(&cloud).map_err(|error| error.to_string())?;
        Ok(Self { core: Arc::new(Core { pipeline, cloud, credential, patience, pace }) })
    }

    /// Returns the cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.core.cloud
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
        judged(self.core.patiently(Service::Arm, Verb::Post, &address, Some(body)).await?)
    }

    /// Reads the pages of a list one by one.
    #[must_use]
    pub fn pages(&self, service: Service, path: &str, query: &[(String, String)]) -> Pages<'_> {
        let first = address(self.core.cloud.origin(service), path, query);
        Pages { client: self, service, next: Some(first), seen: BTreeSet::new() }
    }

    async fn follow(&self, service: Service, address: &str) -> Result<Got, ReadFailure> {
        judged(self.core.patiently(service, Verb::Get, address, None).await?)
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
        self.next = got.body.as_ref().and_then(next_link);
        Ok(Some(got))
    }
}

/// Returns the link to the next page. Null, an empty text and what is no absolute address end a list; the last stands in
/// examples of the documentation.
#[must_use]
pub fn next_link(body: &Json) -> Option<String> {
    let found = ["nextLink", "@nextLink", "@odata.nextLink"].iter().find_map(|name| body.get(*name)?.as_str())?;
    let link = found.trim();
    let lower = link.to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://")).then(|| link.to_owned())
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
            let (reason, asked) = match core.once(request.service, verb(request.method), &at, request.body.as_ref()).await {
                Ok(got) if got.status == 429 => (got.reason(), retry_after(&got.headers, core.pace.now())),
                // After these it may have taken effect.
                Ok(got) if is_transient(got.status) || got.status >= 500 => return Err(WriteError::Lost(got.reason())),
                Ok(got) => return self.wait(request, &at, got).await,
                Err(Failure::SignIn(why)) => return Err(WriteError::NotSent(format!("not signed in: {why}"))),
                Err(Failure::Broken(why)) => return Err(WriteError::Lost(why)),
                Err(Failure::NotSent(why)) => (why, None),
            };
            let wait = asked.unwrap_or_else(|| backoff(&core.patience, tries, core.pace.random()));
            core.may_wait(wait, tries, began).map_err(|why| WriteError::NotSent(format!("{reason}; {why}")))?;
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
            let got = core.patiently(request.service, Verb::Get, &place, None).await.map_err(|failure| lost(failure.to_string()))?;
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

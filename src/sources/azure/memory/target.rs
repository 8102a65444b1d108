//! The tenant in memory as something that apply reads and writes.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::call::{Call, Reply, text};
use super::{MemoryTenant, RecordedPage};
use crate::remedy::plan::{Method, Read, Request, Service};
use crate::remedy::target::{Answer, Clock, ReadError, ReadTarget, SignedIn, Target, WriteError};
use crate::sources::azure::address::path_and_query;
use crate::sources::azure::operation::{Polled, Wait, begun, polled};

/// The most pages of a list.
const PAGES_MAX: usize = 10_000;
/// The most polls of a long-running operation.
const POLLS_MAX: usize = 1_000;
/// Time between polls.
const POLL_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// A request that reached the tenant, and the status it got.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// The service.
    pub service: Service,
    /// The verb: none is GET.
    pub method: Option<Method>,
    /// Path from the host.
    pub path: String,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
    /// What was sent.
    pub body: Option<Json>,
    /// The status of the answer.
    pub status: u16,
}

/// A tenant in memory, seen by one caller.
pub struct MemoryTarget<'c> {
    tenant: MemoryTenant,
    caller: String,
    clock: &'c dyn Clock,
    log: Vec<Sent>,
}

impl<'c> MemoryTarget<'c> {
    /// Lets a caller of the tenant work on it. Time passes as the clock says.
    #[must_use]
    pub fn new(tenant: MemoryTenant, caller: &str, clock: &'c dyn Clock) -> Self {
        Self { tenant, caller: caller.to_owned(), clock, log: Vec::new() }
    }

    /// Returns every request so far, in order.
    #[must_use]
    pub fn log(&self) -> &[Sent] {
        &self.log
    }

    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &MemoryTenant {
        &self.tenant
    }

    /// Returns the tenant, to change it behind the back of whoever applies.
    pub fn tenant_mut(&mut self) -> &mut MemoryTenant {
        &mut self.tenant
    }

    /// Returns the pages a collector would read now.
    #[must_use]
    pub fn to_answers(&self) -> Vec<RecordedPage> {
        let now = self.clock.now();
        self.tenant.to_answers(now, Some(now))
    }

    fn send(&mut self, service: Service, method: Option<Method>, path: &str, query: &[(String, String)], body: Option<&Json>) -> Reply {
        let at = self.clock.now();
        let reply = self.tenant.answer(&Call { service, method, path, query, body, caller: &self.caller }, at);
        let (query, body) = (query.to_vec(), body.cloned());
        self.log.push(Sent { at, service, method, path: path.to_owned(), query, body, status: reply.status });
        reply
    }

    fn get(&mut self, service: Service, url: &str) -> Result<Reply, String> {
        let (path, query) = path_and_query(url).ok_or_else(|| format!("the link {url} is no address"))?;
        Ok(self.send(service, None, &path, &query, None))
    }

    fn follow(&mut self, request: &Request, first: Reply) -> Result<Answer, String> {
        let wait = begun(request.method, first.status, &first.headers, first.body.as_ref());
        if wait == Wait::Ended {
            return Ok(answer(first));
        }
        for _ in 0..POLLS_MAX {
            self.clock.wait(POLL_EVERY);
            let reply = match &wait {
                Wait::Status(url) | Wait::Location(url) => self.get(request.service, url)?,
                _ => self.send(request.service, None, &request.path, &request.query, None),
            };
            match polled(&wait, request.method, reply.status, reply.body.as_ref()) {
                Polled::Running => {}
                Polled::Succeeded(body) => return Ok(Answer { status: 200, body: body.or(first.body), request_id: None }),
                Polled::Failed(status, body) => return Ok(Answer { status, body: Some(body), request_id: None }),
                Polled::Unclear(why) => return Err(why),
            }
        }
        Err(format!("the operation had not ended after {POLLS_MAX} polls"))
    }
}

fn answer(reply: Reply) -> Answer {
    Answer { status: reply.status, body: reply.body, request_id: None }
}

impl ReadTarget for MemoryTarget<'_> {
    fn signed_in(&mut self) -> Result<SignedIn, ReadError> {
        let tenant = self.tenant.tenant().to_owned();
        match self.tenant.caller(&self.caller) {
            Some(caller) => Ok(SignedIn { tenant, principal: caller.object_id.clone() }),
            None => Err(ReadError::Refused { path: "sign-in".to_owned(), reason: format!("nobody signs in as {}", self.caller) }),
        }
    }

    fn read(&mut self, read: &Read) -> Result<Answer, ReadError> {
        let failed = |reason: String| ReadError::Failed { path: read.path.clone(), reason };
        let mut reply = self.send(read.service, None, &read.path, &read.query, None);
        let mut items: Vec<Json> = Vec::new();
        for page in 0..PAGES_MAX {
            let said = || reply.body.as_ref().and_then(|body| text(body, "/error/message")).unwrap_or("no reason given").to_owned();
            match reply.status {
                200 => {}
                204 | 404 if page == 0 => return Ok(answer(reply)),
                401 | 403 => return Err(ReadError::Refused { path: read.path.clone(), reason: said() }),
                status => return Err(failed(format!("{status}: {}", said()))),
            }
            let Some(Json::Array(list)) = reply.body.as_ref().and_then(|body| body.get("value")) else { return Ok(answer(reply)) };
            items.extend(list.iter().cloned());
            let next = ["nextLink", "@nextLink", "@odata.nextLink"].iter().find_map(|name| text(reply.body.as_ref()?, &format!("/{name}")));
            let Some(next) = next.map(str::to_owned) else {
                return Ok(Answer { status: 200, body: Some(json!({ "value": items })), request_id: None });
            };
            reply = self.get(read.service, &next).map_err(failed)?;
        }
        Err(failed(format!("the list has more than {PAGES_MAX} pages")))
    }
}

impl Target for MemoryTarget<'_> {
    fn write(&mut self, request: &Request) -> Result<Answer, WriteError> {
        let first = self.send(request.service, Some(request.method), &request.path, &request.query, request.body.as_ref());
        self.follow(request, first).map_err(WriteError::Lost)
    }
}

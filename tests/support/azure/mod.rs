//! A local HTTP server that behaves like Azure Resource Manager and Microsoft Graph: a tenant in memory behind a socket.
//!
//! Bearer tokens name the callers. It records every request that arrives, and does not answer as it should where it is told
//! so: a [`Fault`] is for the requests it matches. Waits are short, so that tests are.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method as Verb, Response, Uri};
use serde_json::{Value as Json, json};
use tenet::remedy::plan::{Method, Service};
use tenet::sources::azure::address::path_and_query;
use tenet::sources::azure::client::ReadClient;
use tenet::sources::azure::cloud::Cloud;
use tenet::sources::azure::credentials::{AuthMethod, SignInOptions, sign_in};
use tenet::sources::azure::memory::{Call, MemoryTenant, Reply};
use tenet::sources::azure::pace::MachinePace;
use tenet::sources::azure::retry::Patience;

/// Stands in every token, and must stand nowhere else.
pub(crate) const CANARY: &str = "canary-7f3a91c2";

/// Longer than any test waits.
const HELD: Duration = Duration::from_secs(3600);

/// A request that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Json>,
    /// The status that was meant, whether it was answered or not; none if the tenant never saw the request.
    pub(crate) status: Option<u16>,
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status with these headers and this body, and no effect.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection ends before the tenant sees the request.
    DropBefore,
    /// The request takes effect, and the connection ends without an answer.
    DropAfter,
    /// The answer breaks off in the middle.
    Cut,
    /// The answer comes late.
    Delay(Duration),
    /// The request is seen and never answered, so that whoever sent it can be killed in the meantime.
    Hold { after_effect: bool },
}

/// Which requests a fault is for, and how often it strikes.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The verb; none for every one.
    pub(crate) verb: Option<&'static str>,
    /// A part of the path, without regard to case.
    pub(crate) path: String,
    /// How many requests pass unharmed first.
    pub(crate) skip: usize,
    /// How often it strikes.
    pub(crate) times: usize,
    /// What goes wrong.
    pub(crate) fault: Fault,
}

impl Rule {
    /// Strikes once, at the first request of a verb whose path holds this text.
    pub(crate) fn once(verb: &'static str, path: &str, fault: Fault) -> Self {
        Self { verb: Some(verb), path: path.to_lowercase(), skip: 0, times: 1, fault }
    }

    /// Strikes so many times.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

#[derive(Debug)]
struct Shared {
    tenant: MemoryTenant,
    seen: Vec<Seen>,
    rules: Vec<Rule>,
    request: u64,
}

/// The server. It ends with the value.
pub(crate) struct AzureServer {
    shared: Arc<Mutex<Shared>>,
    pub(crate) origin: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl AzureServer {
    /// Starts a server for a tenant on a free port of this machine.
    pub(crate) fn start(mut tenant: MemoryTenant) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tenant.settings.arm_origin.clone_from(&origin);
        tenant.settings.graph_origin.clone_from(&origin);
        let shared = Arc::new(Mutex::new(Shared { tenant, seen: Vec::new(), rules: Vec::new(), request: 0 }));
        let app = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { shared, origin, runtime: Some(runtime) }
    }

    /// Adds something that goes wrong.
    pub(crate) fn fault(&self, rule: Rule) {
        self.shared.lock().unwrap().rules.push(rule);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.shared.lock().unwrap().rules.clear();
    }

    /// Returns every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    /// Works on the tenant behind the server.
    pub(crate) fn tenant<T>(&self, work: impl FnOnce(&mut MemoryTenant) -> T) -> T {
        work(&mut self.shared.lock().unwrap().tenant)
    }

    /// Returns the cloud that the server is.
    pub(crate) fn cloud(&self) -> Cloud {
        Cloud::at("https://login.example", &self.origin, &self.origin).unwrap()
    }

    /// Returns a token with which a caller of the tenant signs in.
    pub(crate) fn token(&self, caller: &str) -> String {
        let (tenant, object_id) = self
            .tenant(|tenant| (tenant.tenant().to_owned(), tenant.caller(caller).map_or_else(String::new, |known| known.object_id.clone())));
        let claims = json!({ "tid": tenant, "oid": object_id, "caller": caller }).to_string();
        format!("eyJhbGciOiJub25lIn0.{}.{CANARY}", azure_core::base64::encode_url_safe(claims))
    }

    /// Returns a client with which a caller reads, patient as tests are.
    pub(crate) fn client(&self, caller: &str) -> ReadClient {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.token(caller)).unwrap();
        // The file is read with every request.
        let (_, path) = file.keep().unwrap();
        let options = SignInOptions { method: AuthMethod::TokenFile, tenant: None, token_file: Some(path) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let credential = runtime.block_on(sign_in(&options, &self.cloud())).unwrap();
        ReadClient::new(self.cloud(), credential, impatient(), Arc::new(MachinePace::seeded(7))).unwrap()
    }
}

impl Drop for AzureServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Patience in milliseconds where others have seconds.
pub(crate) fn impatient() -> Patience {
    let ms = Duration::from_millis;
    Patience {
        tries_max: 5,
        wait_max: ms(1500),
        deadline: ms(6000),
        backoff: ms(5),
        backoff_max: ms(40),
        operation: ms(8000),
        poll_every: ms(50),
    }
}

fn strike(shared: &Mutex<Shared>, verb: &str, path: &str) -> Option<Fault> {
    let path = path.to_lowercase();
    for rule in &mut shared.lock().unwrap().rules {
        if rule.verb.is_some_and(|wanted| wanted != verb) || !path.contains(&rule.path) || rule.times == 0 {
            continue;
        }
        if rule.skip > 0 {
            rule.skip -= 1;
            continue;
        }
        rule.times -= 1;
        return Some(rule.fault.clone());
    }
    None
}

async fn handle(State(shared): State<Arc<Mutex<Shared>>>, verb: Verb, uri: Uri, headers: HeaderMap, sent: Bytes) -> Response<Body> {
    let (path, query) = path_and_query(&format!("http://host{uri}")).unwrap();
    let body = serde_json::from_slice(&sent).ok();
    let fault = strike(&shared, verb.as_str(), &path);
    if let Some(Fault::Delay(time)) = fault {
        tokio::time::sleep(time).await;
    }
    let unseen = matches!(fault, Some(Fault::Answer(..) | Fault::DropBefore | Fault::Hold { after_effect: false }));
    if let Some(Fault::Hold { .. }) = fault {
        serve(&shared, unseen, &verb, (path, query, body), &headers);
        tokio::time::sleep(HELD).await;
        return end_connection();
    }
    let (reply, id) = serve(&shared, unseen, &verb, (path, query, body), &headers);
    respond(fault, reply, id)
}

type Asked = (String, Vec<(String, String)>, Option<Json>);

/// Lets the tenant answer, unless it is not to see the request, and takes down what arrived.
fn serve(shared: &Mutex<Shared>, unseen: bool, verb: &Verb, (path, query, body): Asked, headers: &HeaderMap) -> (Option<Reply>, String) {
    let mut shared = shared.lock().unwrap();
    let reply = (!unseen).then(|| answer(&mut shared, verb, &path, &query, body.as_ref(), headers));
    shared.request += 1;
    let status = reply.as_ref().map(|reply| reply.status);
    shared.seen.push(Seen { verb: verb.as_str().to_owned(), path, query, body, status });
    (reply, format!("request-{}", shared.request))
}

fn respond(fault: Option<Fault>, reply: Option<Reply>, id: String) -> Response<Body> {
    match (fault, reply) {
        (Some(Fault::Answer(status, headers, body)), _) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        // A panic in a handler ends its connection without an answer.
        (Some(Fault::DropBefore | Fault::DropAfter), _) | (_, None) => end_connection(),
        (Some(Fault::Cut), Some(reply)) => {
            let whole = reply.body.map(|body| body.to_string()).unwrap_or_default();
            let half = whole.as_bytes()[..whole.len() / 2].to_vec();
            let response = Response::builder().status(reply.status).header("content-length", whole.len().max(2));
            response.body(Body::new(Half(Some(Bytes::from(half))))).unwrap()
        }
        (_, Some(reply)) => {
            let mut response = Response::builder().status(reply.status).header("x-ms-request-id", id);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            if reply.body.is_some() {
                response = response.header("content-type", "application/json; charset=utf-8");
            }
            response.body(reply.body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()
        }
    }
}

/// Ends the task of the connection, and with it the connection, without a word on stderr.
fn end_connection() -> Response<Body> {
    std::panic::resume_unwind(Box::new("the fault ends this connection"))
}

/// The first part of a body, then an error that ends the connection.
struct Half(Option<Bytes>);

impl axum::body::HttpBody for Half {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let part = self.0.take();
        std::task::Poll::Ready(Some(part.map(http_body::Frame::data).ok_or_else(|| std::io::Error::other("cut"))))
    }
}

fn answer(shared: &mut Shared, verb: &Verb, path: &str, query: &[(String, String)], body: Option<&Json>, headers: &HeaderMap) -> Reply {
    let caller = caller(headers).unwrap_or_default();
    let method = match *verb {
        Verb::GET => None,
        Verb::PUT => Some(Method::Put),
        Verb::PATCH => Some(Method::Patch),
        Verb::POST => Some(Method::Post),
        Verb::DELETE => Some(Method::Delete),
        _ => return Reply::empty(405),
    };
    let service = if path.starts_with("/v1.0/") { Service::Graph } else { Service::Arm };
    shared.tenant.answer(&Call { service, method, path, query, body, caller: &caller }, jiff::Timestamp::now())
}

fn caller(headers: &HeaderMap) -> Option<String> {
    let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let claims = azure_core::base64::decode_url_safe(token.split('.').nth(1)?).ok()?;
    let claims: Json = serde_json::from_slice(&claims).ok()?;
    claims["caller"].as_str().map(str::to_owned)
}

/// Tells which verbs arrived.
pub(crate) fn verbs(seen: &[Seen]) -> BTreeSet<&str> {
    seen.iter().map(|request| request.verb.as_str()).collect()
}

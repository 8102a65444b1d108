//! What carries requests: reqwest below the pipeline of `azure_core`.
//!
//! The pipeline gives each request its id and user agent and keeps secrets out of logs. Trying again is not left to it: it
//! reads whole seconds only, waits as long as a service asks, and has returned before a body is read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, Context, HttpClient, Method, Pipeline, PipelineSendOptions, Request, RetryOptions, Transport,
    Url,
};
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::Value as Json;

use super::cloud::Cloud;

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);
const READ_TIME_MAX: Duration = Duration::from_mins(1);
/// Time for a whole answer, however slowly it drips.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(5);

/// Makes the cryptography of TLS ready. It is the first thing the program does; doing it again changes nothing.
pub fn install_crypto() {
    // An error says that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Makes a transport that follows no redirect and reads no more than it may.
pub(super) fn transport(cloud: &Cloud) -> Result<Transport, reqwest::Error> {
    install_crypto();
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let builder = builder.connect_timeout(CONNECT_TIME_MAX).read_timeout(READ_TIME_MAX).timeout(ANSWER_TIME_MAX);
    // What is on this machine is not reached by way of another.
    let builder = if cloud.is_local() { builder.no_proxy() } else { builder };
    // The library signs in at https addresses only; an authority on this machine is asked in plain.
    let plain = cloud.authority.strip_prefix("http://").map(str::to_owned);
    Ok(Transport::new(Arc::new(Bounded { client: builder.build()?, plain })))
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// All headers that are text.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone)]
pub enum Unanswered {
    /// The request certainly did not leave.
    NotSent(String),
    /// The request may have arrived.
    Broken(String),
}

/// A request that leaves.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'r> {
    /// `GET`, `POST` and their kin.
    pub verb: &'r str,
    /// The whole address.
    pub address: &'r str,
    /// Headers beside those of every request.
    pub headers: &'r [(&'static str, String)],
    /// The token of its header.
    pub token: &'r Secret,
    /// The body.
    pub body: Option<&'r Json>,
}

/// What carries a request to a service, once. Tests put a service in memory in its place.
#[async_trait]
pub trait Carrier: Send + Sync + fmt::Debug {
    /// Sends a request once. The token goes into its header and nowhere else.
    async fn carry(&self, request: Outgoing<'_>) -> Result<Received, Unanswered>;
}

/// A pipeline that sends each request once.
#[derive(Debug)]
pub(super) struct Wire {
    pipeline: Pipeline,
}

impl Wire {
    pub(super) fn new(cloud: &Cloud) -> Result<Self, reqwest::Error> {
        let options = ClientOptions { transport: Some(transport(cloud)?), retry: RetryOptions::none(), ..ClientOptions::default() };
        let pipeline = Pipeline::new(Some("tenet"), option_env!("CARGO_PKG_VERSION"), options, Vec::new(), Vec::new(), None);
        Ok(Self { pipeline })
    }
}

#[async_trait]
impl Carrier for Wire {
    async fn carry(&self, outgoing: Outgoing<'_>) -> Result<Received, Unanswered> {
        let Outgoing { verb, address, headers, token, body } = outgoing;
        let url = Url::parse(address).map_err(|error| Unanswered::NotSent(format!("{address} is no address: {error}")))?;
        let verb = verb.parse::<Method>().map_err(|error| Unanswered::NotSent(error.to_string()))?;
        let posts = verb == Method::Post;
        let mut request = Request::new(url, verb);
        request.insert_header("authorization", format!("Bearer {}", token.secret()));
        request.insert_header("accept", "application/json");
        for (name, value) in headers {
            request.insert_header(*name, value.clone());
        }
        if let Some(body) = body {
            request.insert_header("content-type", "application/json");
            request.set_body(body.to_string().into_bytes());
        } else if posts {
            // Source: "Entities - List": the answer may be an old one otherwise.
            request.insert_header("cache-control", "no-cache");
            request.insert_header("content-length", "0");
        }
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let response = self.pipeline.send(&Context::new(), &mut request, Some(options)).await;
        let (status, headers, body) = response.map_err(|error| unanswered(&error))?.deconstruct();
        let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect();
        Ok(Received { status: status.into(), headers, bytes: body.to_vec() })
    }
}

fn unanswered(error: &Error) -> Unanswered {
    let why = super::credentials::shown(error);
    match error.kind() {
        ErrorKind::Connection | ErrorKind::DataConversion => Unanswered::NotSent(why),
        _ => Unanswered::Broken(why),
    }
}

#[derive(Debug)]
struct Bounded {
    client: reqwest::Client,
    /// Host and port of an authority on this machine.
    plain: Option<String>,
}

#[async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let verb = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| Error::with_error(ErrorKind::DataConversion, error, "the request has no verb"))?;
        let mut url = request.url().clone();
        let place = url.port().map(|port| format!("{}:{port}", url.host_str().unwrap_or_default()));
        if self.plain.is_some() && self.plain == place {
            // From https to http there is nothing that could be refused.
            let _ = url.set_scheme("http");
        }
        let mut builder = self.client.request(verb, url);
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            builder = builder.body(bytes.clone());
        }
        let ready = builder.build().map_err(|error| Error::with_error(ErrorKind::DataConversion, error, "the request cannot be built"))?;
        let mut response = self.client.execute(ready).await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            Error::with_error(kind, error.without_url(), "no answer")
        })?;
        let status = response.status().as_u16();
        let headers = headers(response.headers());
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Error::with_error(ErrorKind::Io, error.without_url(), "the answer broke off"))?
        {
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(Error::with_message(ErrorKind::Other, format!("the answer is larger than {BODY_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, bytes))
    }
}

/// Returns the headers that are text. Challenges may come in several headers, which are the same as one (RFC 9110, section 5.3);
/// of others with one name the last counts.
fn headers(map: &reqwest::header::HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    let challenges: Vec<&str> = map.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    if challenges.len() > 1 {
        headers.insert(WWW_AUTHENTICATE.as_str(), challenges.join(", "));
    }
    headers
}

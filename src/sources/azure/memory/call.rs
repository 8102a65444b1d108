//! What is asked of the model and what it answers; the errors of the services as they word them.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::remedy::plan::{Method, Service};

/// A request as it reaches a service.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The service.
    pub service: Service,
    /// The verb: none is GET.
    pub method: Option<Method>,
    /// Path from the host, decoded.
    pub path: &'a str,
    /// Parameters of the query, decoded.
    pub query: &'a [(String, String)],
    /// What was sent.
    pub body: Option<&'a Json>,
    /// The name of the caller, as [`super::MemoryTenant::add_caller`] was given it.
    pub caller: &'a str,
}

impl Call<'_> {
    /// Returns a parameter of the query, whatever the case of its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides the usual ones.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Json>,
}

impl Reply {
    /// Makes an answer with a body.
    #[must_use]
    pub fn new(status: u16, body: Json) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// Makes an answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// An error of Azure Resource Manager, in the usual wrapper.
pub(super) fn arm_error(status: u16, code: &str, message: impl Into<String>) -> Reply {
    Reply::new(status, json!({ "error": { "code": code, "message": message.into() } }))
}

/// An error of Microsoft Graph.
pub(super) fn graph_error(status: u16, code: &str, message: impl Into<String>, now: Timestamp) -> Reply {
    let date = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{now}{code}").as_bytes()).to_string();
    let inner = json!({ "date": date, "request-id": id, "client-request-id": id });
    Reply::new(status, json!({ "error": { "code": code, "message": message.into(), "innerError": inner } }))
}

/// An error in the form of the service.
pub(super) fn error(service: Service, status: u16, code: &str, message: impl Into<String>, now: Timestamp) -> Reply {
    match service {
        Service::Arm => arm_error(status, code, message),
        Service::Graph => graph_error(status, code, message, now),
    }
}

/// Returns a text at a JSON pointer.
pub(super) fn text<'a>(body: &'a Json, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Json::as_str)
}

/// Tells whether two ids or names are the same.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

//! Requests and expectations, put together.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Found, Method, Operation, Read, Repeatable, Request, Service};
use crate::remedy::undo::drop_nulls;

/// Seconds that a change of access may take to show everywhere. Microsoft names up to 30 minutes for taking effect; a reading of the
/// object itself shows it sooner (domain notes, section 5.1, consequence 3).
pub(super) const WINDOW: u32 = 300;
/// Seconds that a delegation may take to show: 15 minutes are documented.
pub(super) const WINDOW_DELEGATION: u32 = 900;

/// A place that is read and written.
#[derive(Clone)]
pub(super) struct Place {
    service: Service,
    path: String,
    query: Vec<(String, String)>,
}

impl Place {
    /// A place of Azure Resource Manager.
    pub(super) fn arm(path: impl Into<String>, api_version: &str) -> Self {
        Self { service: Service::Arm, path: path.into(), query: vec![("api-version".to_owned(), api_version.to_owned())] }
    }

    /// A place of Microsoft Graph, version 1.0.
    pub(super) fn graph(path: impl AsRef<str>) -> Self {
        Self { service: Service::Graph, path: format!("/v1.0{}", path.as_ref()), query: Vec::new() }
    }

    /// Adds a parameter of the query.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Expects it to be absent.
    pub(super) fn absent(&self, what: impl Into<String>) -> Expectation {
        self.expect(Found::Absent, what)
    }

    /// Expects it to be there with values.
    pub(super) fn present(&self, values: &[(&str, Json)], what: impl Into<String>) -> Expectation {
        self.expect(Found::Present(fields(values)), what)
    }

    /// Expects at least one of its items to have values.
    pub(super) fn some(&self, values: &[(&str, Json)], what: impl Into<String>) -> Expectation {
        self.expect(Found::Some(fields(values)), what)
    }

    /// Expects none of its items to have values.
    pub(super) fn nothing(&self, values: &[(&str, Json)], what: impl Into<String>) -> Expectation {
        self.expect(Found::Nothing(fields(values)), what)
    }

    fn expect(&self, found: Found, what: impl Into<String>) -> Expectation {
        let read = Read { service: self.service, path: self.path.clone(), query: self.query.clone() };
        Expectation { read, found, what: what.into() }
    }

    /// Makes a request to it.
    pub(super) fn request(&self, method: Method, body: Option<Json>) -> Request {
        Request { service: self.service, method, path: self.path.clone(), query: self.query.clone(), body }
    }
}

/// Puts an operation together.
pub(super) fn operation(
    request: Request,
    before: Vec<Expectation>,
    after: Vec<Expectation>,
    repeatable: Repeatable,
    window_seconds: u32,
) -> Operation {
    Operation { request, before, after, repeatable, window_seconds }
}

/// Takes what is not there out of what is sent. In the body of an undo a null stays: it stands for what will be found.
pub(super) fn sendable(mut bound: Bound) -> Bound {
    if let (Method::Put, Some(body)) = (bound.operation.request.method, &mut bound.operation.request.body) {
        drop_nulls(body);
    }
    bound
}

/// Takes an optional text as JSON, none as null.
pub(super) fn optional(text: Option<&str>) -> Json {
    text.map_or(Json::Null, |text| json!(text))
}

fn fields(values: &[(&str, Json)]) -> BTreeMap<String, Json> {
    values.iter().map(|(pointer, value)| ((*pointer).to_owned(), value.clone())).collect()
}

//! Long-running operations: from an answer to what must be polled, and from each poll to how it stands.
//!
//! Source: "Track asynchronous Azure operations". 201 or 202 with `Azure-AsyncOperation` (its body has the state) or
//! `Location` (202 until it has ended); old services say it in the resource's `provisioningState`, and many answer 201 with
//! everything done already.

use serde_json::{Value as Json, json};

use crate::remedy::plan::Method;

/// What is polled until an operation has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: it has ended.
    Ended,
    /// The state of the operation, at this address.
    Status(String),
    /// The result of the operation, at this address.
    Location(String),
    /// The resource itself.
    Resource,
}

/// How a polled operation stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Polled {
    Running,
    /// With the result if the poll showed it.
    Succeeded(Option<Json>),
    /// With a status and a body that say why.
    Failed(u16, Json),
    /// The poll shows no state at all.
    Unclear(String),
}

/// Reads the first answer to a write.
pub(super) fn begun(method: Method, status: u16, headers: &[(String, String)], body: Option<&Json>) -> Wait {
    let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone());
    if !(200..300).contains(&status) {
        return Wait::Ended;
    }
    if let Some(url) = header("azure-asyncoperation") {
        return Wait::Status(url);
    }
    if status == 202 {
        return header("location").map_or(Wait::Resource, Wait::Location);
    }
    match state(body) {
        Some(state) if method != Method::Delete && outcome(state).is_none() => Wait::Resource,
        _ => Wait::Ended,
    }
}

/// Reads the answer to a poll.
pub(super) fn polled(wait: &Wait, method: Method, status: u16, body: Option<&Json>) -> Polled {
    match wait {
        Wait::Ended => Polled::Succeeded(body.cloned()),
        Wait::Location(_) => match status {
            202 => Polled::Running,
            200..300 => Polled::Succeeded(body.cloned()),
            _ => Polled::Failed(status, body.cloned().unwrap_or(Json::Null)),
        },
        Wait::Status(_) => {
            let said = body.and_then(|body| body.get("status")).and_then(Json::as_str);
            match said {
                Some(said) if (200..300).contains(&status) => by_state(said, None, body),
                _ => Polled::Unclear(format!("the state of the operation answered {status} without a state")),
            }
        }
        Wait::Resource => match (method, status) {
            (Method::Delete, 404 | 204) => Polled::Succeeded(None),
            (Method::Delete, 200) => Polled::Running,
            // What was just accepted may not show yet.
            (_, 404) => Polled::Running,
            (_, 200) => by_state(state(body).unwrap_or("Succeeded"), body, body),
            _ => Polled::Unclear(format!("the resource answered {status} while its operation ran")),
        },
    }
}

fn by_state(said: &str, result: Option<&Json>, body: Option<&Json>) -> Polled {
    match outcome(said) {
        None => Polled::Running,
        Some(true) => Polled::Succeeded(result.cloned()),
        Some(false) => {
            let error = body.and_then(|body| body.get("error")).cloned();
            let error = error.unwrap_or_else(|| json!({ "code": said, "message": format!("the operation ended as {said}") }));
            Polled::Failed(400, json!({ "error": error }))
        }
    }
}

fn state(body: Option<&Json>) -> Option<&str> {
    body.and_then(|body| body.pointer("/properties/provisioningState")).and_then(Json::as_str)
}

/// Tells of a state whether it is a good or a bad end; none if it is no end.
fn outcome(state: &str) -> Option<bool> {
    match state.to_ascii_lowercase().as_str() {
        "succeeded" => Some(true),
        "failed" | "canceled" | "cancelled" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), "https://x/y".to_owned())]
    }

    #[test]
    fn the_first_answer_tells_what_is_polled() {
        let at = |method, status, headers: &[(String, String)], body: Option<Json>| begun(method, status, headers, body.as_ref());
        let with = |state: &str| Some(json!({ "properties": { "provisioningState": state } }));
        let url = || "https://x/y".to_owned();
        assert_eq!(at(Method::Put, 201, &[], with("Succeeded")), Wait::Ended);
        assert_eq!(at(Method::Put, 201, &[], with("Creating")), Wait::Resource);
        assert_eq!(at(Method::Put, 201, &headers("azure-asyncoperation"), with("Accepted")), Wait::Status(url()));
        assert_eq!(at(Method::Delete, 202, &headers("Location"), None), Wait::Location(url()));
        assert_eq!(at(Method::Delete, 202, &[], None), Wait::Resource);
        assert_eq!(at(Method::Delete, 200, &[], with("Deleting")), Wait::Ended);
        assert_eq!(at(Method::Put, 400, &headers("Location"), None), Wait::Ended);
        // 201 names the place of what was made; that is nothing to poll.
        assert_eq!(at(Method::Put, 201, &headers("Location"), None), Wait::Ended);
    }

    #[test]
    fn a_poll_tells_how_it_stands() {
        let status = Wait::Status(String::new());
        let said = |said: &str| Some(json!({ "status": said, "error": { "code": "C" } }));
        assert_eq!(polled(&status, Method::Put, 200, said("Running").as_ref()), Polled::Running);
        assert_eq!(polled(&status, Method::Put, 200, said("succeeded").as_ref()), Polled::Succeeded(None));
        assert_eq!(polled(&status, Method::Put, 200, said("Failed").as_ref()), Polled::Failed(400, json!({ "error": { "code": "C" } })));
        assert!(matches!(polled(&status, Method::Put, 404, None), Polled::Unclear(_)));
        let location = Wait::Location(String::new());
        assert_eq!(polled(&location, Method::Put, 202, None), Polled::Running);
        assert_eq!(polled(&location, Method::Delete, 204, None), Polled::Succeeded(None));
        assert_eq!(polled(&location, Method::Delete, 409, Some(&json!(1))), Polled::Failed(409, json!(1)));
        assert_eq!(polled(&Wait::Resource, Method::Delete, 200, None), Polled::Running);
        assert_eq!(polled(&Wait::Resource, Method::Delete, 404, None), Polled::Succeeded(None));
    }
}

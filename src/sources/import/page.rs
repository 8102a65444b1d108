//! From text to answers: the wrappers in which objects come.

use jiff::Timestamp;
use serde_json::Value;

use super::ImportError;
use crate::model::parse_instant;
use crate::sources::azure::continuation::next_link;

const VALUES_MAX: usize = 1_000_000;

/// A request that was recorded with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: u64,
    pub(super) time: Option<Timestamp>,
    /// Why the answer cannot be used, or why there is none, where whoever recorded it says so.
    pub(super) error: Option<String>,
    /// What keeps the list from being whole although this page could be read.
    pub(super) gap: Option<String>,
}

/// How a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// This is the last page.
    Last,
    /// A page with this address follows.
    Page(String),
    /// A page follows whose address is not known.
    Token,
}

/// One answer of a service.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) exchange: Option<Exchange>,
    pub(super) items: Vec<Value>,
    pub(super) is_list: bool,
    /// Rows of Resource Graph: no list that could be whole.
    pub(super) is_query: bool,
    pub(super) context: Option<String>,
    pub(super) next: Next,
    pub(super) notes: Vec<String>,
}

/// Reads a text that holds one JSON value or several after each other, each with the line on which it begins.
///
/// # Errors
/// If the text is no JSON, with line and column.
pub(super) fn values(file: &str, text: &str) -> Result<Vec<(usize, Value)>, ImportError> {
    let broken = |line, column, reason| ImportError::Broken { file: file.to_owned(), line, column, reason };
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut line, mut counted) = (1, 0);
    while let Some(value) = stream.next() {
        let value = value.map_err(|error| {
            let way_out = if error.is_eof() { "the file ends early; export it again" } else { "it is not JSON" };
            broken(error.line(), error.column().max(1), format!("{way_out} ({error})"))
        })?;
        let end = stream.byte_offset();
        let own = text.get(counted..end).unwrap_or_default();
        let blank = own.len() - own.trim_start().len();
        let begin = line + own.get(..blank).unwrap_or_default().matches('\n').count();
        line += own.matches('\n').count();
        counted = end;
        values.push((begin, value));
        if values.len() > VALUES_MAX {
            return Err(ImportError::Limit { file: file.to_owned(), what: "the number of JSON values", limit: VALUES_MAX as u64 });
        }
    }
    if values.is_empty() {
        return Err(broken(1, 1, "the file is empty".to_owned()));
    }
    Ok(values)
}

/// Takes the wrappers off a value: a list of pages or of recorded exchanges gives several answers.
pub(super) fn answers(value: Value) -> Vec<Answer> {
    match value {
        Value::Array(pages) if !pages.is_empty() && pages.iter().all(is_page) => pages.into_iter().map(answer).collect(),
        other => vec![answer(other)],
    }
}

fn is_page(value: &Value) -> bool {
    value.is_array() || recorded(value).is_some() || value.get("value").is_some_and(Value::is_array)
}

fn answer(mut value: Value) -> Answer {
    if let Some(exchange) = recorded(&value) {
        let body = value.pointer_mut("/response/body").map_or(Value::Null, Value::take);
        // Where a list goes on may be told from the place that was asked.
        let link = next_link(&exchange.url, &body);
        let mut answer = Answer { exchange: Some(exchange), ..unwrapped(body) };
        if let (Next::Token, Some(link)) = (&answer.next, link) {
            answer.next = Next::Page(link);
        }
        if let Some(time) = value.get("time").filter(|time| instant(time).is_none()) {
            answer.notes.push(format!("the time {time} of the exchange is no time and was left out"));
        }
        return answer;
    }
    if value.get("responses").is_some_and(Value::is_object) {
        return example(&value);
    }
    unwrapped(value)
}

fn recorded(value: &Value) -> Option<Exchange> {
    let url = value.pointer("/request/url")?.as_str()?.trim().to_owned();
    let response = value.get("response")?;
    let method = value.pointer("/request/method").and_then(Value::as_str).unwrap_or("GET").to_ascii_uppercase();
    // A status that cannot be read is none of success.
    let status = response.get("status").map_or(200, |status| match status {
        Value::String(text) => text.trim().parse().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    });
    let stated = value.get("time").and_then(instant);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (error, gap) = (text(response.get("error")), text(value.get("gap")));
    Some(Exchange { method, url, status, time: stated.or_else(|| date_header(response)), error, gap })
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|text| parse_instant(text).ok().flatten())
}

fn date_header(response: &Value) -> Option<Timestamp> {
    let headers = response.get("headers")?.as_object()?;
    let (_, date) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    jiff::fmt::rfc2822::parse(date.as_str()?).ok().map(|zoned| zoned.timestamp())
}

/// Takes the answer out of an official example. Its parameters are no recorded request.
fn example(value: &Value) -> Answer {
    let bodies = ["200", "201", "202"].iter().filter_map(|status| value.pointer(&format!("/responses/{status}/body")));
    let Some(body) = bodies.into_iter().next() else {
        let mut answer = unwrapped(Value::Null);
        answer.notes.push("the example has no response body".to_owned());
        return answer;
    };
    let mut answer = unwrapped(body.clone());
    answer.notes.push("an example of the documentation, not a recorded answer".to_owned());
    answer
}

fn unwrapped(body: Value) -> Answer {
    let mut answer = Answer {
        exchange: None,
        items: Vec::new(),
        is_list: false,
        is_query: false,
        context: body.get("@odata.context").and_then(Value::as_str).map(str::to_owned),
        next: Next::Last,
        notes: Vec::new(),
    };
    match body {
        Value::Null => {}
        Value::Array(items) => {
            answer.items = items;
            answer.is_list = true;
        }
        Value::Object(mut map) => {
            // Partner Center says of its lists that they are some.
            let collection = map.get("attributes").and_then(|attributes| attributes.get("objectType")) == Some(&Value::from("Collection"));
            let names = [Some("value"), collection.then_some("items")];
            let list = names.into_iter().flatten().find(|name| map.get(*name).is_some_and(Value::is_array));
            if let Some(rows) = super::super::resource_graph::rows(&map) {
                answer.next = next(&map, &mut answer.notes);
                answer.items = rows;
                answer.is_query = true;
            } else if let Some(Value::Array(items)) = list.and_then(|name| map.shift_remove(name)) {
                answer.next = next(&map, &mut answer.notes);
                answer.items = items;
                answer.is_list = true;
            } else {
                answer.items = vec![Value::Object(map)];
            }
        }
        other => answer.items = vec![other],
    }
    answer
}

/// Finds the continuation of a page in all the forms in which the services write it.
fn next(map: &serde_json::Map<String, Value>, notes: &mut Vec<String>) -> Next {
    for name in ["nextLink", "@nextLink", "@odata.nextLink", "odata.nextLink", "next_link"] {
        match map.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.trim().is_empty() => {}
            Some(Value::String(text)) if is_absolute(text) => return Next::Page(text.trim().to_owned()),
            Some(other) => notes.push(format!("{name} is {other}, which is no address: taken as the end of the list")),
        }
    }
    let tokens = ["$skipToken", "$skiptoken", "skipToken", "skip_token", "continuationToken"];
    if tokens.iter().any(|name| map.get(*name).and_then(Value::as_str).is_some_and(|token| !token.is_empty())) {
        return Next::Token;
    }
    let truncated = map.get("resultTruncated").or_else(|| map.get("result_truncated"));
    let truncated = truncated.is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"));
    if truncated || map.get("links").and_then(|links| links.get("next")).is_some_and(Value::is_object) {
        return Next::Token;
    }
    Next::Last
}

fn is_absolute(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    text.starts_with("https://") || text.starts_with("http://")
}

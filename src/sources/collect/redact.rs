//! What is left out of answers that are kept: what looks like a secret.

use serde_json::Value as Json;

const INSTEAD: &str = "[redacted]";
/// Fields whose text is a secret wherever it stands, in lower case without separators.
const SECRET_FIELDS: [&str; 18] = [
    "secrettext",
    "password",
    "clientsecret",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "clientassertion",
    "assertion",
    "authorizationheader",
    "privatekey",
    "primarykey",
    "secondarykey",
    "accountkey",
    "sharedaccesskey",
    "sharedaccesssignature",
    "connectionstring",
    "sastoken",
    "adminpassword",
];
/// How deep texts that are JSON again are looked into.
const INNER_MAX: usize = 4;

/// Takes out what looks like a secret. Returns how much was taken out.
pub(super) fn redact(value: &mut Json) -> usize {
    walk(value, INNER_MAX)
}

fn walk(value: &mut Json, inner: usize) -> usize {
    match value {
        Json::Object(fields) => fields.iter_mut().map(|(name, value)| field(name, value, inner)).sum(),
        Json::Array(items) => items.iter_mut().map(|item| walk(item, inner)).sum(),
        Json::String(text) => match plain(text, inner) {
            Some((redacted, n)) => {
                *text = redacted;
                n
            }
            None => 0,
        },
        _ => 0,
    }
}

fn field(name: &str, value: &mut Json, inner: usize) -> usize {
    let folded: String = name.chars().filter(|one| one.is_ascii_alphanumeric()).map(|one| one.to_ascii_lowercase()).collect();
    let is_key = folded == "key" && value.as_str().is_some_and(|text| text.len() > 40);
    if (SECRET_FIELDS.contains(&folded.as_str()) || is_key) && value.as_str().is_some_and(|text| !text.is_empty() && text != INSTEAD) {
        *value = Json::from(INSTEAD);
        return 1;
    }
    walk(value, inner)
}

/// Returns a text without secrets, if it holds some.
fn plain(text: &str, inner: usize) -> Option<(String, usize)> {
    let starts = text.trim_start();
    if inner > 0
        && (starts.starts_with('{') || starts.starts_with('['))
        && let Ok(mut json) = serde_json::from_str::<Json>(text)
    {
        let n = walk(&mut json, inner - 1);
        return (n > 0).then(|| (json.to_string(), n));
    }
    without(text)
}

/// Returns a text without tokens and signatures, if it holds some.
pub(super) fn without(text: &str) -> Option<(String, usize)> {
    let mut n = 0;
    let mut out = text.to_owned();
    for mark in ["Bearer ", "bearer ", "sig=", "SharedAccessKey=", "AccountKey="] {
        n += cut_after(&mut out, mark);
    }
    n += cut_tokens(&mut out);
    (n > 0).then_some((out, n))
}

fn ends_secret(one: char) -> bool {
    one.is_whitespace() || "\"'`,;&<>()[]{}".contains(one)
}

/// Cuts the word after each mark, if it is long enough to be a secret.
fn cut_after(text: &mut String, mark: &str) -> usize {
    let (mut n, mut from) = (0, 0);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(mark)).map(|at| from + at + mark.len()) {
        let rest = text.get(at..).unwrap_or_default();
        let end = at + rest.find(ends_secret).unwrap_or(rest.len());
        from = at;
        if end - at > 15 && text.get(at..end).is_some_and(|word| word != INSTEAD) {
            text.replace_range(at..end, INSTEAD);
            from = at + INSTEAD.len();
            n += 1;
        }
    }
    n
}

/// Cuts signed tokens: three parts of base64 with dots between, of which the first is JSON. A continuation token has one part.
fn cut_tokens(text: &mut String) -> usize {
    let (mut n, mut from) = (0, 0);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("eyJ")).map(|at| from + at) {
        let rest = text.get(at..).unwrap_or_default();
        let is_part = |one: char| one.is_ascii_alphanumeric() || "-_=.".contains(one);
        let end = at + rest.find(|one| !is_part(one)).unwrap_or(rest.len());
        let word = text.get(at..end).unwrap_or_default();
        let mut parts = word.split('.');
        let is_token = parts.next().is_some_and(|head| head.len() > 8) && parts.next().is_some_and(|claims| claims.len() > 4);
        if is_token && parts.next().is_some() {
            text.replace_range(at..end, INSTEAD);
            from = at + INSTEAD.len();
            n += 1;
        } else {
            from = end.max(at + 3);
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_and_links_stay() {
        let jwt = "eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ4In0.canary-signature";
        let mut body = json!({
            "nextLink": "https://management.azure.com/x?$skiptoken=eyJhbGciOiJub25lIn0",
            "passwordCredentials": [{ "keyId": "k", "secretText": "canary-1", "hint": "abc" }],
            "error": { "message": format!("bad token {jwt}, sent as Bearer {jwt}") },
            "properties": { "requestbody": json!({ "admin_password": "canary-2", "scope": "/" }).to_string(), "size": 1.50 },
            "url": "https://x.blob.example/a?sv=2020&sig=canary-3canary-3canary-3&x=1",
        });
        let n = redact(&mut body);
        let text = body.to_string();
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(n, 5);
        assert!(text.contains("$skiptoken=eyJhbGciOiJub25lIn0") && text.contains("\"keyId\":\"k\"") && text.contains("&x=1"), "{text}");
        let mut whole = json!({ "password": null, "description": "keys {not json", "key": "Owner" });
        let before = whole.clone();
        assert_eq!((redact(&mut whole), whole), (0, before));
    }
}

//! How a list goes on: at an address of its own; in Partner Center at an address with a token that travels in a header.
//!
//! Here such a token is written behind the address as a fragment, which no service ever sees, so that each page has one
//! address of its own.

use reqwest::Url;
use serde_json::Value as Json;

/// The header in which Partner Center expects the token. Source: "Get a list of customers", links of a page.
const TOKEN: &str = "MS-ContinuationToken";

/// Returns the address of the next page after the one that was read at `at`. Null, an empty text and what is no absolute
/// address end a list; the last stands in examples of the documentation.
#[must_use]
pub fn next_link(at: &str, body: &Json) -> Option<String> {
    let found = ["nextLink", "@nextLink", "@odata.nextLink"].iter().find_map(|name| body.get(*name)?.as_str());
    let Some(link) = found.map(str::trim) else { return of_partner_center(at, body) };
    is_absolute(link).then(|| link.to_owned())
}

fn is_absolute(link: &str) -> bool {
    let lower = link.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// A page of Partner Center names the next one in its links, or holds a token with which the same address goes on.
fn of_partner_center(at: &str, body: &Json) -> Option<String> {
    let (at, _) = split(at);
    let token = |value: &Json| value.as_str().map(str::trim).filter(|token| !token.is_empty()).map(str::to_owned);
    if let Some(next) = body.get("links").and_then(|links| links.get("next")).filter(|next| next.is_object()) {
        let headers = next.get("headers").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_token = |header: &&Json| header.get("key").and_then(Json::as_str).is_some_and(|key| key.eq_ignore_ascii_case(TOKEN));
        let found = headers.iter().find(is_token).and_then(|header| token(header.get("value")?));
        // One that cannot be followed is no end: whoever follows it is told that it leads nowhere.
        let uri = next.get("uri").and_then(Json::as_str).map_or("(a link without an address)", str::trim);
        let place = resolved(at, uri).unwrap_or_else(|| uri.to_owned());
        return Some(joined(&place, found.as_deref()));
    }
    let found = token(body.get("continuationToken")?)?;
    let mut place = Url::parse(at).ok()?;
    if !place.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("seekOperation")) {
        place.query_pairs_mut().append_pair("seekOperation", "Next");
    }
    Some(joined(place.as_str(), Some(&found)))
}

/// Links are written from the root of the service or from its version on.
fn resolved(at: &str, uri: &str) -> Option<String> {
    if is_absolute(uri) {
        return Some(uri.to_owned());
    }
    let origin = Url::parse(at).ok()?.origin().ascii_serialization();
    let version = if uri.to_ascii_lowercase().starts_with("/v1/") { "" } else { "/v1" };
    uri.starts_with('/').then(|| format!("{origin}{version}{uri}"))
}

fn joined(place: &str, token: Option<&str>) -> String {
    token.map_or_else(|| place.to_owned(), |token| format!("{place}#{TOKEN}={token}"))
}

/// Parts an address into what is asked and the token of its header.
pub(super) fn split(address: &str) -> (&str, Option<&str>) {
    let Some((place, fragment)) = address.split_once('#') else { return (address, None) };
    (place, fragment.strip_prefix(TOKEN).and_then(|rest| rest.strip_prefix('=')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AT: &str = "https://api.partnercenter.microsoft.com/v1/customers?size=40";

    #[test]
    fn placeholders_end_a_list() {
        for end in [json!({}), json!({ "nextLink": null }), json!({ "nextLink": "" }), json!({ "nextLink": "..." })] {
            assert_eq!(next_link(AT, &end), None, "{end}");
        }
        assert_eq!(next_link("", &json!({ "@odata.nextLink": " https://x/y " })), Some("https://x/y".to_owned()));
    }

    #[test]
    fn a_token_of_a_header_is_part_of_the_address() {
        let link = |uri: &str| json!({ "links": { "next": { "uri": uri, "method": "GET", "headers": [{ "key": "MS-ContinuationToken", "value": "AQ==" }] } } });
        let wanted = "https://api.partnercenter.microsoft.com/v1/customers?size=40&seekOperation=Next#MS-ContinuationToken=AQ==";
        assert_eq!(next_link(AT, &link("/v1/customers?size=40&seekOperation=Next")).as_deref(), Some(wanted));
        assert_eq!(next_link(AT, &link("/customers?size=40&seekOperation=Next")).as_deref(), Some(wanted));
        assert_eq!(next_link(wanted, &json!({ "continuationToken": "AQ==" })).as_deref(), Some(wanted));
        assert_eq!(next_link(AT, &json!({ "continuationToken": "AQ==" })).as_deref(), Some(wanted));
        assert_eq!(split(wanted), (wanted.split('#').next().unwrap(), Some("AQ==")));
        assert_eq!(split(AT), (AT, None));
        // Another host stays what it is: the client refuses it.
        assert_eq!(next_link(AT, &link("https://evil.example/x")).as_deref(), Some("https://evil.example/x#MS-ContinuationToken=AQ=="));
        // A link that leads nowhere does not end the list.
        assert_eq!(next_link(AT, &link("evil")).as_deref(), Some("evil#MS-ContinuationToken=AQ=="));
        let nothing = json!({ "links": { "next": { "uri": null } } });
        assert_eq!(next_link(AT, &nothing).as_deref(), Some("(a link without an address)"));
    }
}

//! Addresses of requests: written one way, read in any.

use std::fmt::Write as _;

use reqwest::Url;

/// Writes an address: origin, path, and the query in the order of its parameters, percent-encoded.
///
/// A blank is `%20` and never `+`, which not every service reads as a blank.
#[must_use]
pub fn address(origin: &str, path: &str, query: &[(String, String)]) -> String {
    let mut out = origin.trim_end_matches('/').to_owned();
    encode(&mut out, path, "/:()'=");
    for (at, (name, value)) in query.iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        encode(&mut out, name, "$");
        out.push('=');
        encode(&mut out, value, "/:,$()'@");
    }
    out
}

fn encode(out: &mut String, text: &str, also: &str) {
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(character) || (byte.is_ascii() && also.contains(character)) {
            out.push(character);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Reads the path and the query of an address, decoded; none if it is no absolute address.
#[must_use]
pub fn path_and_query(address: &str) -> Option<(String, Vec<(String, String)>)> {
    let url = Url::parse(address).ok()?;
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Some((decoded(url.path()), query))
}

/// Undoes percent encoding; what is not UTF-8 afterwards is replaced by the sign for unreadable characters.
#[must_use]
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let query = vec![("$filter".to_owned(), "principalId eq 'a b'&c=ü".to_owned()), ("api-version".to_owned(), "1".to_owned())];
        let written = address("https://management.azure.com/", "/providers/x y/b:1", &query);
        assert_eq!(
            written,
            "https://management.azure.com/providers/x%20y/b:1?$filter=principalId%20eq%20'a%20b'%26c%3D%C3%BC&api-version=1"
        );
        assert_eq!(path_and_query(&written), Some(("/providers/x y/b:1".to_owned(), query)));
        assert_eq!(path_and_query("nextlink"), None);
    }
}

//! Canonical JSON: one text for one value, so that its digest speaks for it.
//!
//! The rules are those of RFC 8785 (JSON Canonicalization Scheme): no white space, members sorted by the UTF-16 units of their
//! names, the shortest escapes, numbers as ECMAScript writes them.

use serde_json::{Number, Value as Json};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The largest whole number that every reader of JSON understands alike (RFC 7493, section 2.2).
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A value that has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the number {0} cannot be written so that every reader understands it alike; the largest is 9007199254740991")]
pub struct NotCanonical(String);

/// Writes a value in canonical form.
///
/// # Errors
/// [`NotCanonical`] for whole numbers beyond 2^53 - 1.
pub fn canonical_json(value: &Json) -> Result<String, NotCanonical> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// Returns the sha256 of bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(value: &Json, out: &mut String) -> Result<(), NotCanonical> {
    match value {
        Json::Null | Json::Bool(_) => out.push_str(&value.to_string()),
        Json::Number(number) => out.push_str(&number_text(number)?),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<(&String, &Json)> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(member, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn number_text(number: &Number) -> Result<String, NotCanonical> {
    let beyond = || NotCanonical(number.to_string());
    if let Some(whole) = number.as_i64() {
        return if whole.unsigned_abs() <= SAFE_INTEGER { Ok(whole.to_string()) } else { Err(beyond()) };
    }
    if number.is_u64() {
        return Err(beyond());
    }
    number.as_f64().filter(|value| value.is_finite()).map(ecmascript).ok_or_else(beyond)
}

/// Writes a number as ECMAScript's `Number::toString` does: the shortest digits that give it back, plain between 1e-6 and 1e21.
fn ecmascript(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let (point, n_digits) = (exponent.parse::<i32>().unwrap_or(0) + 1, i32::try_from(digits.len()).unwrap_or(i32::MAX));
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let (head, tail) = digits.split_at(usize::try_from(point).unwrap_or(0).min(digits.len()));
    let text = if n_digits <= point && point <= 21 {
        digits.clone() + &zeros(point - n_digits)
    } else if 0 < point && point <= 21 {
        format!("{head}.{tail}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs())
    };
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The sample of RFC 8785, section 3.2.2 and 3.2.3.
    #[test]
    fn the_sample_of_the_standard() {
        let text = "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\
            \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, false]}";
        let value: Json = serde_json::from_str(text).unwrap();
        let wanted = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical_json(&value).unwrap(), wanted);
    }

    /// The sorting sample of RFC 8785, section 3.2.3: a surrogate pair sorts before U+FB33.
    #[test]
    fn members_are_sorted_by_utf16() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = canonical_json(&value).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
    }

    /// Numbers of RFC 8785, appendix B.
    #[test]
    fn numbers_are_those_of_ecmascript() {
        for (bits, wanted) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
        ] {
            assert_eq!(ecmascript(f64::from_bits(bits)), wanted);
        }
        assert!(canonical_json(&json!(u64::MAX)).is_err());
        assert!(canonical_json(&json!(i64::MIN)).is_err());
        assert_eq!(canonical_json(&json!(-9_007_199_254_740_991_i64)).unwrap(), "-9007199254740991");
    }
}

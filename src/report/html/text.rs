//! Text that may stand in the page.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::super::escape::{plain, plain_lines, shorten};

/// Characters of one text; a name of an attacker's length would make the page unreadable.
const CHARACTERS_MAX: usize = 700;
/// Characters of the text of one rule.
const RULE_CHARACTERS_MAX: usize = 12_000;

/// Text without control characters, of bounded length. The template engine escapes it for HTML.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(String);

impl Text {
    /// Makes a line.
    pub(super) fn of(text: &str) -> Self {
        Self(shorten(&plain(&valid(text)), CHARACTERS_MAX))
    }

    /// Makes a text of several lines.
    pub(super) fn lines(text: &str) -> Self {
        Self(shorten(&plain_lines(&valid(text)), RULE_CHARACTERS_MAX))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// XML, and so a strict parser of the page, has no place for these two.
fn valid(text: &str) -> String {
    text.replace(['\u{FFFE}', '\u{FFFF}'], "\u{FFFD}")
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Returns a name for a place in the page that stays the same from run to run.
pub(super) fn anchor(prefix: &str, key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}{hex}")
}

/// Returns the source expression of a content security policy for an inline text.
pub(super) fn csp_hash(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

/// Standard base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for place in 0..4 {
            let sextet = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = ALPHABET.get(sextet).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Writes a number with its noun.
pub(super) fn counted(n: usize, one: &str, several: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {several}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_browsers_read_them() {
        // The vectors of RFC 4648, section 10.
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")];
        for (text, expected) in vectors {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(csp_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
    }

    #[test]
    fn a_text_is_one_safe_line() {
        assert_eq!(Text::of("a\u{1b}[0m\u{202e}\u{ffff}").to_string(), "a\\u{1b}[0m\\u{202e}\u{fffd}");
        assert_eq!(Text::of(&"x".repeat(70_000)).to_string().chars().count(), CHARACTERS_MAX);
        assert_eq!(anchor("f", "a"), anchor("f", "a"));
    }
}

//! Text from a tenant is hostile: nothing of it may steer a terminal or a reader's eye.

use std::fmt::Write as _;

/// Makes text safe for one line of a terminal, of a log or of a plain file: control characters, line breaks and characters that
/// change the direction of writing appear as their code, such as `\u{1b}`. What logs of GitHub Actions and Azure DevOps read as
/// a command does, too: `::` where a line may begin, `##vso[` and `##[` anywhere.
#[must_use]
pub fn plain(text: &str) -> String {
    if !text.starts_with([' ', ':']) && is_harmless(text.as_bytes()) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    // A line that begins with blanks begins a command all the same.
    let mut before = None;
    for c in text.chars() {
        let begins = before.is_none() && c == ':';
        if c.is_control() || is_hidden(c) || begins || is_command(before, c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
        if before.is_some() || !c.is_whitespace() {
            before = Some(c);
        }
    }
    safe
}

/// Tells whether a character makes a command of what stands before it.
fn is_command(before: Option<char>, c: char) -> bool {
    c == '#' && before == Some('#')
}

/// Like [`plain`], for texts of several lines: line breaks stay.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Makes a JSON text safe to show: what [`plain`] takes out of a line is written as an escape of JSON, so the text still
/// says the same.
#[must_use]
pub fn plain_json(json: &str) -> String {
    plain_json_after(None, json)
}

/// The same for a piece of a JSON text that follows another one, which ended in `before`.
pub(super) fn plain_json_after(mut before: Option<char>, json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    let mut rest = json;
    while !rest.is_empty() {
        let (harmless, others) = rest.split_at(harmless_bytes(rest.as_bytes()));
        safe.push_str(harmless);
        before = harmless.chars().next_back().or(before);
        let mut characters = others.chars();
        for c in characters.by_ref().take(BLOCK_BYTES) {
            escape_json(before, c, &mut safe);
            before = Some(c);
        }
        rest = characters.as_str();
    }
    safe
}

fn escape_json(before: Option<char>, c: char, safe: &mut String) {
    // Outside of strings JSON has no such character but the line break and its kin.
    if (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_hidden(c) || is_command(before, c) {
        let mut units = [0_u16; 2];
        for unit in c.encode_utf16(&mut units) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    } else {
        safe.push(c);
    }
}

/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;

/// Returns the length of a beginning that needs no escape in JSON, in whole blocks.
fn harmless_bytes(json: &[u8]) -> usize {
    let is_block = |block: &&[u8]| block.iter().fold(true, |harmless, byte| harmless & matches!(*byte, b' '..=b'"' | b'$'..0x7f | b'\n'));
    json.chunks(BLOCK_BYTES).take_while(is_block).map(<[u8]>::len).sum()
}

/// Tells of most texts quickly that they hold nothing that would be escaped, unless by where it stands.
pub(super) fn is_harmless(text: &[u8]) -> bool {
    text.iter().fold(true, |harmless, byte| harmless & is_plain(*byte))
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'"' | b'$'..0x7f)
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// Shortens a text to `width` characters, with an ellipsis in place of what is cut.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::{plain, plain_json, plain_json_after, shorten};

    #[test]
    fn control_and_bidi_characters_are_shown_as_codes() {
        assert_eq!(plain("a\u{1b}[31mb\r\nc\u{202e}d"), "a\\u{1b}[31mb\\u{d}\\u{a}c\\u{202e}d");
        assert_eq!(plain("Größe 东京"), "Größe 东京");
        assert_eq!(plain_json("{\n\"a\u{9b}\u{e0041}\": \"b\u{202e}ü\"}"), "{\n\"a\\u009b\\udb40\\udc41\": \"b\\u202eü\"}");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }

    #[test]
    fn nothing_is_a_command_of_a_log() {
        assert_eq!(plain("##vso[task.x]##[error]###"), "#\\u{23}vso[task.x]#\\u{23}[error]#\\u{23}\\u{23}");
        assert_eq!(plain("::error::"), "\\u{3a}:error::");
        assert_eq!(plain(" \t ::error::"), " \\u{9} \\u{3a}:error::");
        assert_eq!(plain("a::b #EXT#"), "a::b #EXT#");
        assert_eq!(plain_json("\"##vso[\""), "\"#\\u0023vso[\"");
        assert_eq!(plain_json_after(Some('#'), "#"), "\\u0023");
    }
}

//! Literals: from their text to their value.

use jiff::Timestamp;

use super::ast::Ident;
use super::builder::{Builder, Outcome};
use super::grammar::{Pair, Parts, Rule};
use crate::text::{Diagnostic, Span, Spanned};

/// Writes a text as a literal: in quotes, with escapes.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '{' => out.push_str("\\{"),
            '}' => out.push_str("\\}"),
            c => out.push(c),
        }
    }
    out + "\""
}

impl Builder {
    /// Reads a text without interpolation.
    pub(super) fn plain_text(&self, pair: Pair<'_>) -> Outcome<Ident> {
        let span = self.span(&pair);
        let mut value = String::new();
        for piece in Parts::of(pair) {
            self.text_piece(&piece, &mut value)?;
        }
        Ok(Spanned::new(value, span))
    }

    /// Appends the meaning of an escape or of literal characters.
    pub(super) fn text_piece(&self, piece: &Pair<'_>, value: &mut String) -> Outcome<()> {
        if piece.as_rule() != Rule::escape {
            value.push_str(piece.as_str());
            return Ok(());
        }
        value.push(match piece.as_str() {
            "\\\"" => '"',
            "\\\\" => '\\',
            "\\n" => '\n',
            "\\t" => '\t',
            "\\{" => '{',
            "\\}" => '}',
            other => {
                let message = format!("`{}` is no escape", other.escape_debug().to_string().replace("\\\\", "\\"));
                return Err(bad(self.span(piece), message, "the escapes are `\\\"`, `\\\\`, `\\n`, `\\t`, `\\{` and `\\}`").into());
            }
        });
        Ok(())
    }

    /// Reads a whole number.
    pub(super) fn integer(&self, pair: &Pair<'_>) -> Outcome<i64> {
        let too_large = || {
            let help = format!("numbers lie between {} and {}", i64::MIN, i64::MAX);
            bad(self.span(pair), "this number is too large", &help)
        };
        Ok(pair.as_str().parse().map_err(|_| too_large())?)
    }

    /// Reads a day or an instant.
    pub(super) fn instant(&self, pair: &Pair<'_>) -> Outcome<Spanned<Timestamp>> {
        let span = self.span(pair);
        let text = pair.as_str();
        let value = parse_instant(text)
            .map_err(|message| bad(span, message, "write a day as `2026-12-31` and an instant as `2026-12-31T10:00:00Z`"))?;
        Ok(Spanned::new(value, span))
    }

    /// Reads a length of time, in seconds.
    pub(super) fn duration(&self, pair: Pair<'_>) -> Outcome<Spanned<i64>> {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        let count = self.integer(&self.need(&mut parts, Rule::integer)?)?;
        let unit = self.need(&mut parts, Rule::duration_unit)?;
        let seconds = match unit.as_str().trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            "week" => 604_800,
            _ => 1,
        };
        let value = count.checked_mul(seconds);
        let value = value.ok_or_else(|| bad(span, "this length of time is too large", "write a shorter one"))?;
        Ok(Spanned::new(value, span))
    }
}

/// Returns the pattern of a regular expression, without its slashes.
pub(super) fn regex_pattern(text: &str) -> String {
    let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')).unwrap_or(text);
    inner.replace("\\/", "/")
}

fn bad(span: Span, message: impl Into<String>, help: &str) -> Diagnostic {
    Diagnostic::error("T0010", span, message).help(help)
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    if day.parse::<jiff::civil::Date>().is_err() {
        return Err(format!("there is no day `{day}`"));
    }
    let Some(time) = time else { return parse_whole(&format!("{day}T00:00:00Z")) };
    let Some(clock) = time.strip_suffix('Z') else {
        return Err("an instant ends in `Z`: all times are UTC".to_owned());
    };
    if !is_clock(clock) {
        return Err(format!("there is no time of day `{clock}`"));
    }
    parse_whole(text)
}

fn parse_whole(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("there is no instant `{text}`"))
}

/// Tells whether the text is `hh:mm:ss` with at most nine digits behind a dot, and a time that exists.
fn is_clock(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |part: Option<&str>, limit: u8| {
        part.is_some_and(|part| part.len() == 2 && digits(part) && part.parse::<u8>().is_ok_and(|value| value < limit))
    };
    let mut parts = clock.split(':');
    let whole = fits(parts.next(), 24) && fits(parts.next(), 60) && fits(parts.next(), 60) && parts.next().is_none();
    whole && fraction.is_none_or(|fraction| (1..=9).contains(&fraction.len()) && digits(fraction))
}

#[cfg(test)]
mod tests {
    use super::parse_instant;

    #[test]
    fn instants() {
        assert_eq!(parse_instant("2026-12-31").unwrap().to_string(), "2026-12-31T00:00:00Z");
        assert_eq!(parse_instant("2026-12-31T10:00:00.123456789Z").unwrap().to_string(), "2026-12-31T10:00:00.123456789Z");
        for wrong in ["2026-02-30", "2026-12-31T24:00:00Z", "2026-12-31T10:00Z", "2026-12-31T10:00:00", "2026-12-31T1:00:00Z"] {
            assert!(parse_instant(wrong).is_err(), "{wrong}");
        }
    }
}

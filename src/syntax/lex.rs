//! Cuts a text into tokens, whatever it contains; the splitter and the formatter work on them.
//!
//! Tokens never overlap and only blanks lie between them. A text with interpolations becomes an opening piece, the
//! tokens of the expressions, and a closing piece. An interpolation ends on its line; a text may run over a few lines.

use super::shape::begins_item;

/// How many lines one text may span. The limit keeps the scan linear when quotes are missing.
pub(super) const MAX_TEXT_LINES: usize = 40;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword, or the identity of a rule.
    Word,
    /// A number, a day or an instant.
    Number,
    /// A whole text.
    Text,
    /// A text up to its first interpolation, brace included.
    TextOpen,
    /// A text between two interpolations.
    TextMiddle,
    /// A text after its last interpolation.
    TextClose,
    /// A regular expression.
    Regex,
    /// A comment.
    Comment,
    /// A doc comment.
    Doc,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// An operator or a separator.
    Symbol,
    /// What belongs to no token of the language.
    Junk,
}

/// One token, as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Token {
    /// Returns the text of the token.
    pub(super) fn text<'t>(&self, source: &'t str) -> &'t str {
        source.get(self.start..self.end).unwrap_or("")
    }

    /// Tells whether the token is a comment of either kind.
    pub(super) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Comment | Kind::Doc)
    }
}

/// A text that is never closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The closing quote is missing.
    Text(Token),
    /// The closing brace of an interpolation is missing.
    Interpolation(Token),
}

/// The tokens of a text.
pub(super) struct Lexed {
    /// In order.
    pub(super) tokens: Vec<Token>,
    /// In order.
    pub(super) flaws: Vec<Flaw>,
}

/// Cuts `source` into tokens.
pub(super) fn lex(source: &str) -> Lexed {
    let mut lexer = Lexer::new(source);
    while let Some(byte) = lexer.peek() {
        lexer.step(byte);
    }
    Lexed { tokens: lexer.tokens, flaws: lexer.flaws }
}

/// What surrounds the place the lexer stands at.
enum Around {
    /// A text, and whether it is the outermost one.
    Text,
    /// An interpolation with so many open braces.
    Interpolation(usize),
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
    flaws: Vec<Flaw>,
    /// The last three tokens that are no comments, latest first.
    recent: [Option<Token>; 3],
    /// Whether the last token was a text without interpolation by its place, so that the next in the list is one too.
    plain_list: bool,
    /// Whether the lexer stands between the parentheses of an annotation.
    annotation: bool,
}

impl<'s> Lexer<'s> {
    fn new(source: &'s str) -> Self {
        let at = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        // Most policies have a token for every six bytes or more.
        let tokens = Vec::with_capacity(source.len() / 6);
        Self { source, bytes: source.as_bytes(), at, tokens, flaws: Vec::new(), recent: [None; 3], plain_list: false, annotation: false }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn ahead(&self, distance: usize) -> Option<u8> {
        self.bytes.get(self.at + distance).copied()
    }

    /// Reads one token or blank outside of texts.
    fn step(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'"' if self.is_plain() => self.plain_text(),
            b'"' => self.interpolated_text(),
            _ => self.token(byte),
        }
    }

    /// Reads one token that is no text.
    fn token(&mut self, byte: u8) {
        let start = self.at;
        match byte {
            b'/' if self.ahead(1) == Some(b'/') => self.comment(),
            b'/' => self.regex(),
            b'(' | b'[' | b'{' => self.push(Kind::Open, start + 1),
            b')' | b']' | b'}' => self.push(Kind::Close, start + 1),
            b'0'..=b'9' => self.number(),
            byte if is_word(byte) => self.word(),
            _ => self.symbol(byte),
        }
        if byte == b')' {
            self.annotation = false;
        }
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let token = Token { kind, start: self.at, end };
        self.at = end;
        self.tokens.push(token);
        if token.is_comment() {
            return;
        }
        let [latest, second, _] = self.recent;
        self.recent = [Some(token), latest, second];
        let keeps_list = kind == Kind::Symbol && token.text(self.source) == ",";
        self.plain_list = self.plain_list && keeps_list;
        if kind == Kind::Open && token.text(self.source) == "(" {
            self.annotation = second.is_some_and(|token| token.text(self.source) == "@");
        }
    }

    fn comment(&mut self) {
        let rest = self.source.get(self.at..).unwrap_or("");
        let kind = if rest.starts_with("///") && !rest.starts_with("////") { Kind::Doc } else { Kind::Comment };
        let end = self.line_end(self.at);
        self.push(kind, end);
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        rest.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |length| from + length)
    }

    fn regex(&mut self) {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at) {
                Some(b'\\') if self.bytes.get(at + 1) == Some(&b'/') => at += 2,
                Some(b'/') => return self.push(Kind::Regex, at + 1),
                Some(b'\n') | None => return self.push(Kind::Junk, self.at + 1),
                Some(_) => at += 1,
            }
        }
    }

    fn number(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let mut length = rest.iter().take_while(|byte| is_word(**byte)).count();
        if is_day(rest) {
            length = 10;
            if rest.get(10) == Some(&b'T') {
                let time = rest.iter().skip(11).take_while(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.')).count();
                length = 11 + time + usize::from(rest.get(11 + time) == Some(&b'Z'));
            }
            length += rest.iter().skip(length).take_while(|byte| is_word(**byte)).count();
        }
        self.push(Kind::Number, self.at + length);
    }

    fn word(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let mut length = rest.iter().take_while(|byte| is_word(**byte)).count();
        if self.expects_rule() {
            while rest.get(length) == Some(&b'-') && rest.get(length + 1).is_some_and(|byte| is_word(*byte)) {
                length += 1 + rest.iter().skip(length + 1).take_while(|byte| is_word(**byte)).count();
            }
        }
        self.push(Kind::Word, self.at + length);
    }

    fn recent_text(&self, back: usize) -> &'s str {
        let token = self.recent.get(back).copied().flatten();
        token.and_then(|token| self.source.get(token.start..token.end)).unwrap_or("")
    }

    fn expects_rule(&self) -> bool {
        matches!(self.recent_text(0), "rule" | "use" | "waive" | "expect") && self.recent_text(1) != "."
    }

    fn symbol(&mut self, byte: u8) {
        let pair = [byte, self.ahead(1).unwrap_or(0)];
        let length = match &pair {
            b"==" | b"!=" | b"<=" | b">=" | b"??" | b"?." | b":=" | b"^+" | b"^*" | b"&&" | b"||" => 2,
            _ => 1,
        };
        let known = matches!(byte, b'=' | b'!' | b'<' | b'>' | b'?' | b':' | b'^' | b'&' | b'|' | b'.' | b',')
            || matches!(byte, b'+' | b'-' | b'@' | b'*' | b';' | b'%');
        if known {
            return self.push(Kind::Symbol, self.at + length);
        }
        let rest = self.source.get(self.at..).unwrap_or("");
        let foreign = |letter: char| !letter.is_ascii() && !letter.is_whitespace();
        let run: usize = rest.chars().take_while(|letter| foreign(*letter)).map(char::len_utf8).sum();
        let one = rest.chars().next().map_or(1, char::len_utf8);
        self.push(Kind::Junk, self.at + run.max(one));
    }

    /// Tells whether the grammar knows no interpolation in a text that begins here.
    fn is_plain(&self) -> bool {
        let given_key = || {
            let names = self.recent.iter().skip(1).flatten().all(|token| token.kind == Kind::Word);
            names && self.recent_text(0) == "=" && !matches!(self.recent_text(2), "let" | "param")
        };
        let after_word = matches!(self.recent_text(0), "title" | "why" | "because" | "ticket" | "by" | "needs" | "import" | "test");
        let after_bracket = self.recent_text(0) == "[" && matches!(self.recent_text(1), "refs" | "tags");
        after_word || after_bracket || self.plain_list || self.annotation || given_key()
    }

    fn plain_text(&mut self) {
        match self.text_piece(self.at + 1, true, MAX_TEXT_LINES) {
            Piece::Quote(end) => self.push(Kind::Text, end),
            Piece::Brace(_) | Piece::Open => self.unclosed(self.at),
        }
        self.plain_list = true;
    }

    fn unclosed(&mut self, start: usize) {
        let end = self.line_end(start);
        let end = start + self.source.get(start..end).unwrap_or("").trim_end().len();
        self.at = start;
        self.push(Kind::Text, end);
        self.flaws.push(Flaw::Text(Token { kind: Kind::Text, start, end }));
    }

    /// Scans literal text from `at` to what ends it, over at most so many line breaks.
    fn text_piece(&self, mut at: usize, plain: bool, most_lines: usize) -> Piece {
        let mut lines = 0;
        loop {
            match self.bytes.get(at) {
                Some(b'"') if lines > 0 && self.bytes.get(at + 1).is_some_and(|byte| is_word(*byte)) => {
                    // A word right after the quote: this quote opens a text, and an earlier one was never closed.
                    return Piece::Open;
                }
                Some(b'"') => return Piece::Quote(at + 1),
                Some(b'{') if !plain => return Piece::Brace(at + 1),
                Some(b'\\') if self.bytes.get(at + 1).is_some_and(|byte| *byte != b'\n') => at += 2,
                Some(b'\n') => {
                    lines += 1;
                    if lines >= most_lines || begins_item(self.source.get(at + 1..).unwrap_or("")) {
                        return Piece::Open;
                    }
                    at += 1;
                }
                Some(_) => at += 1,
                None => return Piece::Open,
            }
        }
    }

    /// Reads a text with its interpolations; nesting is kept on a stack, not in calls.
    fn interpolated_text(&mut self) {
        let start = self.at;
        let checkpoint = self.tokens.len();
        let annotation = self.annotation;
        let mut around: Vec<Around> = Vec::new();
        self.open_text(&mut around);
        while !around.is_empty() {
            if self.interpolation_step(&mut around).is_none() {
                let broken_at = self.at;
                self.tokens.truncate(checkpoint);
                self.annotation = annotation;
                self.broken_text(start, broken_at);
                return;
            }
        }
    }

    /// Turns everything since the opening quote into one broken token and goes on behind it.
    fn broken_text(&mut self, start: usize, broken_at: usize) {
        let first_line = self.line_end(start);
        if broken_at > first_line || self.bytes.get(broken_at).is_none_or(|byte| *byte != b'\n') {
            return self.unclosed(start);
        }
        let end = start + self.source.get(start..first_line).unwrap_or("").trim_end().len();
        self.at = start;
        self.push(Kind::Text, end);
        self.flaws.push(Flaw::Interpolation(Token { kind: Kind::Text, start, end }));
    }

    /// Reads a text up to its first interpolation or its end.
    fn open_text(&mut self, around: &mut Vec<Around>) {
        match self.text_piece(self.at + 1, false, lines_within(around.len())) {
            Piece::Quote(end) => self.push(Kind::Text, end),
            Piece::Brace(end) => {
                self.push(Kind::TextOpen, end);
                around.push(Around::Text);
                around.push(Around::Interpolation(0));
            }
            Piece::Open => {
                if !around.is_empty() {
                    self.at = self.line_end(self.at);
                }
                around.push(Around::Text);
            }
        }
    }

    /// Reads on inside of an interpolation; nothing means that it is never closed.
    fn interpolation_step(&mut self, around: &mut Vec<Around>) -> Option<()> {
        let Some(Around::Interpolation(braces)) = around.last_mut() else { return None };
        match self.peek()? {
            b'\n' => return None,
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'"' => self.open_text(around),
            b'}' if *braces == 0 => self.close_interpolation(around)?,
            byte => {
                match byte {
                    b'{' => *braces += 1,
                    b'}' => *braces -= 1,
                    _ => {}
                }
                self.token(byte);
            }
        }
        Some(())
    }

    /// Reads the text behind the brace that ends an interpolation.
    fn close_interpolation(&mut self, around: &mut Vec<Around>) -> Option<()> {
        match self.text_piece(self.at + 1, false, lines_within(around.len().saturating_sub(2))) {
            Piece::Quote(end) => {
                self.push(Kind::TextClose, end);
                around.pop();
                around.pop();
            }
            Piece::Brace(end) => self.push(Kind::TextMiddle, end),
            Piece::Open => {
                // Not the first line's end: the quote itself is missing, so the whole text is judged.
                self.at = self.bytes.len();
                return None;
            }
        }
        Some(())
    }
}

/// How a piece of literal text ends.
enum Piece {
    /// With a quote, one past it.
    Quote(usize),
    /// With the brace of an interpolation, one past it.
    Brace(usize),
    /// Not at all.
    Open,
}

/// Returns how many lines a text may span that stands inside of so many others.
fn lines_within(depth: usize) -> usize {
    if depth == 0 { MAX_TEXT_LINES } else { 1 }
}

fn is_day(rest: &[u8]) -> bool {
    let shape = b"0000-00-00";
    rest.len() >= shape.len()
        && rest.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == wanted,
        })
}

/// Tells whether the byte may continue a word.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::{Kind, lex};

    fn kinds(text: &str) -> Vec<(Kind, String)> {
        lex(text).tokens.iter().map(|token| (token.kind, token.text(text).to_owned())).collect()
    }

    #[test]
    fn interpolation_is_cut_into_its_tokens() {
        let found = kinds(r#"remedy "a {x + "b{y}"} c {z} d""#);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["remedy", "\"a {", "x", "+", "\"b{", "y", "}\"", "} c {", "z", "} d\""]);
    }

    #[test]
    fn plain_texts_keep_their_braces() {
        assert_eq!(kinds(r#"title "a { b" refs ["{", "}"]"#).len(), 8);
        assert_eq!(kinds(r#"Subscription ea1 = "{x" { }"#).len(), 6);
    }

    #[test]
    fn days_and_rule_names_are_one_token() {
        assert_eq!(kinds("2026-01-02T03:04:05Z - 1")[0].1, "2026-01-02T03:04:05Z");
        assert_eq!(kinds("use DPOR-001 at x-1").len(), 6);
    }

    #[test]
    fn open_texts_end_with_their_line() {
        let lexed = lex("title \"abc\n  refs [\"a\"]\n");
        assert_eq!(lexed.flaws.len(), 1);
        assert_eq!(lexed.tokens.len(), 6);
        assert_eq!(lex("remedy \"a {b\n c").flaws.len(), 1);
        assert_eq!(lex("remedy \"a {b} c").flaws.len(), 1);
    }
}

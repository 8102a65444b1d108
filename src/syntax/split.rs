//! The tolerant scan that cuts a file into items, so that one broken item never hides the others.
//!
//! In: the tokens of a file. Out: one [`Chunk`] for each item, and diagnostics about brackets, open texts, text outside
//! of any item and limits. A chunk that is not sound must not be parsed: what is wrong with it has been said.

use std::ops::Range;

use super::lex::{Flaw, Kind, Token, lex};
use super::shape::{ItemWord, begins_item, nearest_item};
use super::troubles::Troubles;
use crate::text::{Diagnostic, FileId, Span};

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;
/// The largest item, in bytes.
pub(super) const MAX_ITEM_BYTES: usize = 256 * 1024;
/// How deep brackets, interpolations and quantifiers may be nested in each other.
pub(super) const MAX_NESTING: usize = 64;
/// How many quantifiers and `not` one item may hold.
pub(super) const MAX_QUANTIFIERS: usize = 400;

/// One item: its place and its tokens.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// What it is.
    pub(super) word: ItemWord,
    /// Its tokens, as a range of the list; doc comments and annotations included, comments behind it not.
    pub(super) tokens: Range<usize>,
    /// The token of the word that names it.
    pub(super) keyword: usize,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// Whether it may be parsed.
    pub(super) sound: bool,
}

/// A file cut into items.
pub(super) struct Split {
    /// All tokens, comments included.
    pub(super) tokens: Vec<Token>,
    /// The items.
    pub(super) chunks: Vec<Chunk>,
    /// Texts that are never closed.
    pub(super) flaws: Vec<Flaw>,
}

/// Cuts `text` into items.
pub(super) fn split(file: FileId, text: &str, troubles: &mut Troubles) -> Split {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("a file has at most {MAX_FILE_BYTES} bytes; this one has {}", text.len());
        troubles.push(Diagnostic::error("T0002", Span::new(file, 0, 0), message).help("spread the items over more files"));
        return Split { tokens: Vec::new(), chunks: Vec::new(), flaws: Vec::new() };
    }
    let lexed = lex(text);
    report_flaws(file, &lexed.flaws, troubles);
    let mut splitter = Splitter::new(file, text, &lexed.tokens, troubles);
    splitter.run();
    let chunks = splitter.chunks;
    Split { tokens: lexed.tokens, chunks, flaws: lexed.flaws }
}

fn report_flaws(file: FileId, flaws: &[Flaw], troubles: &mut Troubles) {
    for flaw in flaws {
        let (token, message, help) = match flaw {
            Flaw::Text(token) => (token, "this text is never closed", "close it with a double quote"),
            Flaw::Interpolation(token) => {
                (token, "`{` in this text is not closed on its line", "close it with `}`, or write `\\{` for a brace")
            }
        };
        troubles.push(Diagnostic::error("T0005", Span::new(file, token.start, token.end), message).help(help));
    }
}

/// A bracket that waits for its end.
struct Opened {
    token: Token,
    /// Quantifiers that may still be open between this bracket and the place of the scan.
    quantifiers: usize,
}

struct Splitter<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    troubles: &'a mut Troubles,
    chunks: Vec<Chunk>,
    current: Option<Chunk>,
    /// Where the junk that is being skipped began.
    junk: Option<usize>,
    /// Where the doc comments and annotations above the next item begin.
    head: Option<usize>,
    opened: Vec<Opened>,
    loose_quantifiers: usize,
    nesting: usize,
    quantifiers: usize,
    /// The last token that is no comment.
    previous: Option<Token>,
    before_previous: Option<Token>,
}

impl<'a> Splitter<'a> {
    fn new(file: FileId, text: &'a str, tokens: &'a [Token], troubles: &'a mut Troubles) -> Self {
        Self {
            file,
            text,
            tokens,
            troubles,
            chunks: Vec::new(),
            current: None,
            junk: None,
            head: None,
            opened: Vec::new(),
            loose_quantifiers: 0,
            nesting: 0,
            quantifiers: 0,
            previous: None,
            before_previous: None,
        }
    }

    fn run(&mut self) {
        let mut at = 0;
        while let Some(token) = self.tokens.get(at).copied() {
            at = self.step(at, token);
        }
        self.close_brackets(None);
        self.finish();
        if let Some(head) = self.head.and_then(|head| self.tokens.get(head)) {
            let span = self.span(*head);
            self.troubles.push(Diagnostic::error("T0004", span, "nothing stands below this for it to belong to"));
        }
    }

    /// Looks at one token and returns the index of the next one to look at.
    fn step(&mut self, at: usize, token: Token) -> usize {
        if token.kind == Kind::Comment {
            return at + 1;
        }
        let begins_line = self.begins_line(token);
        if let Some(after) = self.head_token(at, token, begins_line) {
            return after;
        }
        if let Some(word) = self.item_word(token, begins_line) {
            self.begin_item(at, token, word);
        } else if self.is_junk(token) {
            self.begin_junk(at);
        }
        self.head = None;
        self.track(token);
        self.extend(at, token);
        at + 1
    }

    fn span(&self, token: Token) -> Span {
        Span::new(self.file, token.start, token.end)
    }

    fn begins_line(&self, token: Token) -> bool {
        let before = self.text.get(..token.start).unwrap_or("");
        before.trim_end_matches([' ', '\t', '\u{feff}']).bytes().next_back().is_none_or(|byte| byte == b'\n')
    }

    fn is_unindented(&self, token: Token) -> bool {
        let before = self.text.as_bytes().get(..token.start).unwrap_or(&[]);
        before.last().is_none_or(|byte| *byte == b'\n') || before == "\u{feff}".as_bytes()
    }

    /// Skips a doc comment or annotation that may belong to the next item.
    fn head_token(&mut self, at: usize, token: Token, begins_line: bool) -> Option<usize> {
        let may_begin = begins_line && (self.opened.is_empty() || self.is_unindented(token));
        if !may_begin && self.head.is_none() {
            return None;
        }
        let after = match token.kind {
            Kind::Doc => at + 1,
            Kind::Symbol if token.text(self.text) == "@" => self.annotation_end(at)?,
            _ => return None,
        };
        self.head.get_or_insert(at);
        Some(after)
    }

    /// Returns the index behind an annotation at `at`; a long one is no annotation.
    fn annotation_end(&self, at: usize) -> Option<usize> {
        let text_at = |at: usize| self.tokens.get(at).map_or("", |token| token.text(self.text));
        if self.tokens.get(at + 1)?.kind != Kind::Word {
            return None;
        }
        if text_at(at + 2) != "(" {
            return Some(at + 2);
        }
        (at + 3..at + 64).take_while(|at| text_at(*at) != "(").find(|at| text_at(*at) == ")").map(|end| end + 1)
    }

    fn item_word(&self, token: Token, begins_line: bool) -> Option<ItemWord> {
        if token.kind != Kind::Word || !(begins_line || self.head.is_some()) {
            return None;
        }
        let word = ItemWord::of(token.text(self.text))?;
        let first = self.head.and_then(|head| self.tokens.get(head)).copied().unwrap_or(token);
        let unindented = self.is_unindented(first);
        let shaped = || begins_item(self.text.get(token.start..).unwrap_or(""));
        let after_operand = || self.previous.is_none_or(|previous| self.ends_operand(previous) || previous.text(self.text) == "?");
        let begins = if self.opened.is_empty() { unindented || after_operand() || shaped() } else { unindented && shaped() };
        begins.then_some(word)
    }

    fn begin_item(&mut self, at: usize, token: Token, word: ItemWord) {
        self.close_brackets(Some(token));
        self.finish();
        let first = self.head.unwrap_or(at);
        let start = self.tokens.get(first).map_or(token.start, |token| token.start);
        if word == ItemWord::Check {
            let message = "`check` items are reserved for a later edition";
            self.troubles.push(Diagnostic::error("T0009", self.span(token), message));
        }
        let sound = word != ItemWord::Check;
        self.current = Some(Chunk { word, tokens: first..at + 1, keyword: at, start, end: token.end, sound });
        self.previous = None;
        self.before_previous = None;
    }

    /// Tells whether `token` neither begins an item nor goes on with the one above.
    fn is_junk(&self, token: Token) -> bool {
        if self.junk.is_some() || !self.opened.is_empty() {
            return false;
        }
        if self.current.is_none() {
            return true;
        }
        let plain_word = token.kind == Kind::Word && !is_reserved(token.text(self.text));
        plain_word && self.is_unindented(token) && self.previous.is_some_and(|previous| self.ends_operand(previous))
    }

    fn begin_junk(&mut self, at: usize) {
        self.finish();
        let first = self.head.unwrap_or(at);
        self.junk = Some(first);
        let Some(token) = self.tokens.get(at).copied() else { return };
        if token.kind == Kind::Close {
            return;
        }
        let word = token.text(self.text);
        let shown: String = word.lines().next().unwrap_or("").chars().take(40).collect();
        let diagnostic = Diagnostic::error("T0004", self.span(token), format!("`{shown}` does not begin an item"));
        let general = || "an item begins with a word such as `rule`, `def`, `param` or `test`".to_owned();
        let help = nearest_item(word).map_or_else(general, |near| format!("did you mean `{near}`?"));
        self.troubles.push(diagnostic.help(help));
    }

    /// Ends the item or the junk in progress.
    fn finish(&mut self) {
        self.junk = None;
        self.nesting = 0;
        self.quantifiers = 0;
        self.loose_quantifiers = 0;
        let Some(mut chunk) = self.current.take() else { return };
        let size = chunk.end.saturating_sub(chunk.start);
        if size > MAX_ITEM_BYTES {
            chunk.sound = false;
            let message = format!("an item has at most {MAX_ITEM_BYTES} bytes; this one has {size}");
            self.troubles.push(Diagnostic::error("T0002", self.first_span(&chunk), message).help("cut it into smaller items"));
        }
        self.chunks.push(chunk);
    }

    fn first_span(&self, chunk: &Chunk) -> Span {
        self.tokens.get(chunk.tokens.start).map_or(Span::new(self.file, chunk.start, chunk.end), |token| self.span(*token))
    }

    fn extend(&mut self, at: usize, token: Token) {
        if let Some(chunk) = &mut self.current {
            chunk.tokens.end = at + 1;
            chunk.end = token.end;
        }
        if !token.is_comment() {
            self.before_previous = self.previous.replace(token);
        }
    }

    /// Keeps brackets, nesting and quantifiers in step with `token`.
    fn track(&mut self, token: Token) {
        match token.kind {
            Kind::Open | Kind::TextOpen => {
                self.opened.push(Opened { token, quantifiers: 0 });
                self.deepen(token);
            }
            Kind::TextMiddle => self.end_quantifiers(),
            Kind::Close | Kind::TextClose => self.close(token),
            Kind::Word => self.track_word(token),
            Kind::Symbol if token.text(self.text) == "|" => self.end_quantifiers(),
            _ => {}
        }
    }

    fn deepen(&mut self, token: Token) {
        self.nesting += 1;
        let sound = self.current.as_ref().is_some_and(|chunk| chunk.sound);
        if self.nesting > MAX_NESTING && sound {
            let message = format!("brackets and quantifiers are nested at most {MAX_NESTING} deep");
            self.spoil("T0002", token, message, "give inner parts a name with `def` or `let`");
        }
    }

    fn spoil(&mut self, code: &'static str, token: Token, message: impl Into<String>, help: &str) {
        let span = self.span(token);
        let Some(chunk) = &mut self.current else { return };
        if chunk.sound {
            chunk.sound = false;
            self.troubles.push(Diagnostic::error(code, span, message).help(help));
        }
    }

    fn track_word(&mut self, token: Token) {
        let after_dot = self.previous.is_some_and(|previous| matches!(previous.text(self.text), "." | "?."));
        if after_dot {
            return;
        }
        let word = token.text(self.text);
        let before = self.previous.map_or("", |previous| previous.text(self.text));
        if matches!(word, "or" | "implies") {
            self.end_quantifiers();
        } else if matches!(word, "some" | "no" | "all" | "exactly") || (before == "at" && matches!(word, "most" | "least")) {
            self.open_quantifier(token);
        } else if word == "not" {
            self.count_quantifier(token);
        } else if word != "nonempty" && !is_reserved(word) {
            self.end_quantifiers_before();
        }
    }

    fn count_quantifier(&mut self, token: Token) {
        self.quantifiers += 1;
        if self.quantifiers > MAX_QUANTIFIERS {
            let message = format!("an item holds at most {MAX_QUANTIFIERS} quantifiers and `not`");
            self.spoil("T0002", token, message, "cut it into smaller items");
        }
    }

    fn open_quantifier(&mut self, token: Token) {
        self.count_quantifier(token);
        match self.opened.last_mut() {
            Some(opened) => opened.quantifiers += 1,
            None => self.loose_quantifiers += 1,
        }
        self.deepen(token);
    }

    /// Forgets the quantifiers of this bracket: whatever comes now stands outside of them.
    fn end_quantifiers(&mut self) {
        let ended = match self.opened.last_mut() {
            Some(opened) => std::mem::take(&mut opened.quantifiers),
            None => std::mem::take(&mut self.loose_quantifiers),
        };
        self.nesting = self.nesting.saturating_sub(ended);
    }

    /// Forgets the quantifiers if a name cannot go on with the expression in front of it.
    fn end_quantifiers_before(&mut self) {
        let Some(previous) = self.previous else { return };
        let word = previous.text(self.text);
        let after_at = matches!(word, "at" | "nonempty" | "most" | "least");
        let after_of = word == "of" && self.before_previous.is_some_and(|token| token.text(self.text) == "as");
        if previous.kind != Kind::Number && self.ends_operand(previous) && !after_at && !after_of {
            self.end_quantifiers();
        }
    }

    /// Tells whether an expression can end with `token`.
    fn ends_operand(&self, token: Token) -> bool {
        match token.kind {
            Kind::Word => {
                let word = token.text(self.text);
                !is_reserved(word) || matches!(word, "none" | "now" | "true" | "false")
            }
            Kind::Number | Kind::Text | Kind::TextClose | Kind::Regex | Kind::Close => true,
            _ => false,
        }
    }

    fn close(&mut self, token: Token) {
        let matching = |opened: &Opened| closes(opened.token, token, self.text);
        let Some(place) = self.opened.iter().rposition(matching) else {
            return self.stray(token);
        };
        while self.opened.len() > place {
            let Some(opened) = self.opened.pop() else { return };
            self.nesting = self.nesting.saturating_sub(opened.quantifiers + 1);
            if self.opened.len() > place {
                let shown = opened.token.text(self.text).chars().last().unwrap_or('(');
                self.spoil("T0005", opened.token, format!("`{shown}` is never closed"), closer_help(shown));
            }
        }
    }

    fn stray(&mut self, token: Token) {
        let message = format!("`{}` closes nothing", token.text(self.text));
        if self.opened.is_empty() && self.current.is_some() {
            self.troubles.push(Diagnostic::error("T0005", self.span(token), message).help("remove it"));
            self.finish();
            self.junk = Some(0);
        } else if self.current.is_some() {
            self.spoil("T0005", token, message, "remove it, or open its bracket");
        } else {
            self.troubles.push(Diagnostic::error("T0005", self.span(token), message).help("remove it"));
        }
    }

    /// Reports the outermost open bracket before `next` begins, and forgets all.
    fn close_brackets(&mut self, next: Option<Token>) {
        let opened = std::mem::take(&mut self.opened);
        let (Some(first), Some(chunk)) = (opened.first(), &mut self.current) else { return };
        let shown = first.token.text(self.text).chars().last().unwrap_or('{');
        let sound = std::mem::replace(&mut chunk.sound, false);
        if !sound {
            return;
        }
        let span = self.span(first.token);
        let mut diagnostic = Diagnostic::error("T0005", span, format!("`{shown}` is never closed")).help(closer_help(shown));
        if let Some(next) = next {
            diagnostic = diagnostic.label(self.span(next), "a new item begins here");
        }
        self.troubles.push(diagnostic);
    }
}

fn closes(opened: Token, closing: Token, text: &str) -> bool {
    match (opened.text(text), closing.text(text)) {
        ("(", ")") | ("[", "]") | ("{", "}") => true,
        _ => opened.kind == Kind::TextOpen && closing.kind == Kind::TextClose,
    }
}

fn closer_help(opened: char) -> &'static str {
    match opened {
        '(' => "close it with `)`",
        '[' => "close it with `]`",
        _ => "close it with `}`",
    }
}

/// Tells whether the word can never be a name.
pub(super) fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "and", "or", "not", "implies", "some", "no", "all", "exactly", "in", "is", "as", "where", "for", "none", "true", "false", "now",
        "covers", "overlaps", "matches",
    ];
    (2..=8).contains(&word.len()) && RESERVED.contains(&word)
}

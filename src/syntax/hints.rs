//! Says in plain words why a piece of text does not fit the grammar.

use std::sync::{Mutex, PoisonError};

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::{Grammar, Rule, keyword};
use super::lex::{Kind, Token};
use super::shape::nearest;
use crate::text::{Diagnostic, FileId, Span};

/// How many expectations a message lists.
const MAX_EXPECTATIONS: usize = 4;

/// Words of expressions, for suggestions.
const EXPRESSION_WORDS: &[&str] =
    &["and", "or", "not", "implies", "some", "all", "exactly", "where", "none", "covers", "overlaps", "matches", "else", "for", "when"];

/// Other words of items, for suggestions.
const ITEM_WORDS: &[&str] = &[
    "mode",
    "actor",
    "needs",
    "requires",
    "effect",
    "create",
    "delete",
    "forget",
    "undo",
    "irreversible",
    "path",
    "verify",
    "remedy",
    "inverse",
    "history",
    "key",
    "matching",
    "use",
    "from",
    "until",
    "because",
    "approved",
    "ticket",
    "given",
    "expect",
    "missing",
    "link",
    "before",
    "title",
    "entity",
    "waivable",
    "after",
];

/// Only one thread at a time may ask the parser for details: the switch for them is one for the whole process.
static DETAIL: Mutex<()> = Mutex::new(());

/// Explains errors of one file.
pub(super) struct Explainer<'a> {
    /// The file.
    pub(super) file: FileId,
    /// Its text.
    pub(super) text: &'a str,
    /// All its tokens.
    pub(super) tokens: &'a [Token],
}

impl Explainer<'_> {
    /// Explains why bytes `start..end` do not match `rule`; `words` are likely in that place.
    pub(super) fn explain(&self, rule: Rule, start: usize, end: usize, words: Option<&[&str]>) -> Diagnostic {
        let piece = self.text.get(start..end).unwrap_or("");
        let Some(error) = detailed_error(rule, piece) else {
            let message = "this is not understood";
            return Diagnostic::error("T0001", Span::new(self.file, start, end), message);
        };
        if let ErrorVariant::CustomError { message } = &error.variant {
            let message = format!("this is nested too deep to be read: {message}");
            return Diagnostic::error("T0002", Span::new(self.file, start, end), message);
        }
        let failure = Failure::of(&error, |located, farthest| self.is_one_word(start + located, start + farthest));
        let place = start + failure.position;
        let at = self.tokens.partition_point(|token| token.end <= place);
        let behind = self.tokens.iter().skip(at).take_while(|token| token.start < end);
        let found = behind.copied().find(|token| token.kind != Kind::Comment);
        let before = self.before(found.map_or(end, |token| token.start), start);
        let expected = self.expectations(&failure, &before);
        let message = match (expected, found) {
            (Some(expected), Some(token)) => format!("expected {expected}, found {}", self.shown(token)),
            (Some(expected), None) => format!("expected {expected}, found the end"),
            (None, Some(token)) => format!("{} does not fit here", self.shown(token)),
            (None, None) => "something is missing at the end".to_owned(),
        };
        let span = match (found, before.first()) {
            (Some(token), _) => Span::new(self.file, token.start, token.end),
            (None, Some(last)) => Span::new(self.file, last.start, last.end),
            (None, None) => Span::new(self.file, start, end),
        };
        let help = found.and_then(|token| self.help(token, &before, &failure, words));
        Diagnostic::error("T0001", span, message).maybe_help(help)
    }

    /// Tells whether a word begins at `from` and reaches up to `to`: then the parser only looked where the word ends.
    fn is_one_word(&self, from: usize, to: usize) -> bool {
        let at = self.tokens.partition_point(|token| token.start < from);
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word && token.start == from && token.end >= to)
    }

    /// Returns a few tokens of the piece in front of `place`, the nearest first.
    fn before(&self, place: usize, start: usize) -> Vec<Token> {
        let at = self.tokens.partition_point(|token| token.end <= place);
        let before = self.tokens.iter().take(at).rev().take_while(|token| token.start >= start);
        before.filter(|token| !token.is_comment()).take(8).copied().collect()
    }

    fn shown(&self, token: Token) -> String {
        let text = token.text(self.text);
        match token.kind {
            Kind::Text | Kind::TextOpen | Kind::TextMiddle | Kind::TextClose => "a text".to_owned(),
            Kind::Doc => "a doc comment".to_owned(),
            _ => format!("`{}`", text.chars().take(40).collect::<String>()),
        }
    }

    fn word(&self, tokens: &[Token], back: usize) -> &str {
        tokens.get(back).map_or("", |token| token.text(self.text))
    }

    fn expectations(&self, failure: &Failure, before: &[Token]) -> Option<String> {
        let mut phrases: Vec<String> = failure.rules.iter().filter_map(|rule| phrase(*rule)).collect();
        let symbols = failure.symbols.iter().map(|symbol| format!("`{symbol}`"));
        phrases.extend(symbols.filter(|_| !failure.rules.contains(&Rule::operand)));
        if self.word(before, 0) == "require" {
            phrases = vec!["a requirement name".to_owned()];
        }
        phrases.sort();
        phrases.dedup();
        if phrases.len() > MAX_EXPECTATIONS {
            phrases.retain(|phrase| phrase != "an operator");
        }
        if phrases.is_empty() || phrases.len() > MAX_EXPECTATIONS {
            return None;
        }
        let last = phrases.pop()?;
        Some(if phrases.is_empty() { last } else { format!("{} or {last}", phrases.join(", ")) })
    }

    fn help(&self, token: Token, before: &[Token], failure: &Failure, words: Option<&[&str]>) -> Option<String> {
        let text = token.text(self.text);
        let fixed = match text {
            "=" if failure.symbols.iter().any(|symbol| symbol == "==") || failure.rules.contains(&Rule::infix) => {
                Some("`==` compares two values; `=` only gives a name its value")
            }
            "==" if failure.symbols.iter().any(|symbol| symbol == "=") => Some("`=` gives a name its value; `==` compares"),
            "&&" | "&" => Some("write `and`"),
            "||" => Some("write `or`"),
            "!" => Some("write `not`"),
            "'" => Some("texts stand in double quotes"),
            ";" => Some("nothing separates clauses; remove it"),
            "/" => Some("there is no division, and a regular expression ends with `/` on its line"),
            _ if token.kind == Kind::Doc => Some("a doc comment belongs above an item, an attribute or a branch; write `//` here"),
            _ => None,
        };
        fixed
            .map(str::to_owned)
            .or_else(|| self.missing_label(token, before))
            .or_else(|| near_expected(token, text, failure))
            .or_else(|| near_word(token, text, words))
            .or_else(|| failure.rules.contains(&Rule::EOI).then(|| separate_items(text)).flatten())
    }

    /// Notices `require a == b` and `require some x in s : …`, where the name of the requirement is missing.
    fn missing_label(&self, token: Token, before: &[Token]) -> Option<String> {
        let place = before.iter().position(|token| token.text(self.text) == "require")?;
        let between = before.get(..place)?;
        let named = between.iter().any(|token| token.text(self.text) == ":");
        let reads_on = token.text(self.text) != ":";
        let help = "name the requirement: `require some_name: …`";
        (!named && reads_on).then(|| help.to_owned())
    }
}

/// Suggests a keyword the grammar would have taken here.
fn near_expected(token: Token, text: &str, failure: &Failure) -> Option<String> {
    let candidates = failure.rules.iter().filter_map(|rule| keyword(*rule));
    let near = nearest(text, candidates).filter(|_| token.kind == Kind::Word)?;
    Some(format!("did you mean `{near}`?"))
}

fn near_word(token: Token, text: &str, words: Option<&[&str]>) -> Option<String> {
    if token.kind != Kind::Word {
        return None;
    }
    let candidates = words.unwrap_or(ITEM_WORDS).iter().chain(EXPRESSION_WORDS).chain(ITEM_WORDS);
    if candidates.clone().any(|known| *known == text) {
        return None;
    }
    nearest(text, candidates.copied()).map(|near| format!("did you mean `{near}`?"))
}

fn separate_items(text: &str) -> Option<String> {
    super::shape::ItemWord::of(text).map(|_| "each item begins on a line of its own".to_owned())
}

/// Where the parser stopped, and what it could have gone on with.
struct Failure {
    position: usize,
    rules: Vec<Rule>,
    symbols: Vec<String>,
}

impl Failure {
    fn of(error: &Error<Rule>, is_one_word: impl Fn(usize, usize) -> bool) -> Self {
        let (InputLocation::Pos(located) | InputLocation::Span((located, _))) = error.location;
        let Some(attempts) = error.parse_attempts() else {
            return Self { position: located, rules: positives(error), symbols: Vec::new() };
        };
        let farthest = attempts.max_position.max(located);
        let position = if is_one_word(located, farthest) { located } else { farthest };
        let rules = if located == position { positives(error) } else { Vec::new() };
        let mut symbols = Vec::new();
        if attempts.max_position == position {
            let tokens = attempts.expected_tokens();
            symbols.extend(tokens.iter().map(ToString::to_string).filter_map(|token| symbol(&token)));
        }
        Self { position, rules, symbols }
    }
}

fn positives(error: &Error<Rule>) -> Vec<Rule> {
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    }
}

/// Returns the token if it is worth naming in a message.
fn symbol(token: &str) -> Option<String> {
    let named = [":", "=", "{", "}", "(", ")", "[", "]", "|", ",", ":=", "=="];
    named.contains(&token).then(|| token.to_owned())
}

/// Parses once more, with details.
fn detailed_error(rule: Rule, piece: &str) -> Option<Error<Rule>> {
    let guard = DETAIL.lock().unwrap_or_else(PoisonError::into_inner);
    pest::set_error_detail(true);
    let outcome = Grammar::parse(rule, piece);
    pest::set_error_detail(false);
    drop(guard);
    outcome.err()
}

/// Names what a rule stands for; nothing where the name would help nobody.
fn phrase(rule: Rule) -> Option<String> {
    if let Some(word) = keyword(rule) {
        return Some(format!("`{word}`"));
    }
    let text = match rule {
        Rule::ident | Rule::member_name | Rule::module_name => "a name",
        Rule::label => "a name in front of a colon",
        Rule::rule_id => "the name of a rule such as `DPOR-001`",
        Rule::string | Rule::plain_string => "a text in double quotes",
        Rule::expr | Rule::operand | Rule::name | Rule::set_expr | Rule::tight => "an expression",
        Rule::infix | Rule::tight_infix | Rule::set_infix | Rule::is_test => "an operator",
        Rule::binder => "a variable with its set, such as `d in live`",
        Rule::type_expr | Rule::qualified => "a type",
        Rule::instant => "a day such as `2026-12-31`",
        Rule::duration => "a length of time such as `7 days`",
        Rule::duration_unit => "a unit such as `days`",
        Rule::integer => "a whole number",
        Rule::regex => "a regular expression such as `/[0-9]+/`",
        Rule::rule_clause => "a clause such as `title` or `require`",
        Rule::action_clause => "a clause such as `mode` or `effect`",
        Rule::waive_clause => "a clause such as `until` or `because`",
        Rule::given_step => "an entity such as `User alice { … }`",
        Rule::attribute => "an attribute such as `name: String`",
        Rule::formal => "a parameter such as `s: Subscription`",
        Rule::field => "a field such as `name: value`",
        Rule::enum_value => "a value",
        Rule::fix_step => "an action or a loop",
        Rule::expect => "`expect`",
        Rule::expect_verdict => "a verdict such as `pass` or `fail`",
        Rule::pack_use => "`use`",
        Rule::effect_create => "`create`, `delete`, `forget` or `set`",
        Rule::branch => "a branch such as `| name: …`",
        Rule::EOI => "the end of the item",
        _ => return None,
    };
    Some(text.to_owned())
}

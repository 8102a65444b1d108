//! Parses a file item by item, and says what is wrong with the items that cannot be read.

use pest::Parser;

use super::ast::{self, Head, Item, ItemKind};
use super::builder::Builder;
use super::grammar::{Grammar, Pair, Parts, Rule};
use super::hints::Explainer;
use super::lex::{Flaw, Kind, Token};
use super::shape::{ItemWord, nearest};
use super::split::{Chunk, Split, split};
use super::troubles::Troubles;
use crate::text::{Diagnostic, FileId, SourceFile, Span, Spanned};

/// The words that begin a clause of a rule.
pub(super) const RULE_CLAUSES: &[&str] =
    &["title", "why", "severity", "refs", "tags", "let", "due", "require", "fix", "remedy", "waivable", "not"];

/// The newest edition of the language that is understood.
const EDITION: i64 = 1;

/// Reads a file: every item that can be read, and a diagnostic for everything that cannot.
///
/// A rule with a broken clause is in the tree without it. Nothing may be evaluated while there are errors.
#[must_use]
pub fn parse(file_id: FileId, source: &SourceFile) -> (ast::File, Vec<Diagnostic>) {
    let mut troubles = Troubles::default();
    let split = split(file_id, &source.text, &mut troubles);
    let mut reader = Reader { file: file_id, text: &source.text, split: &split, troubles: &mut troubles };
    let mut file = ast::File { id: file_id, ..ast::File::default() };
    for chunk in &split.chunks {
        reader.check_place(chunk, &file);
        if chunk.sound {
            reader.chunk(chunk, &mut file);
        }
    }
    (file, troubles.finish())
}

/// Reads a text that is one expression, such as the value of a parameter given on the command line.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn parse_expression(file_id: FileId, source: &SourceFile) -> Result<ast::Expr, Vec<Diagnostic>> {
    let mut troubles = Troubles::default();
    // The splitter watches the limits; in front of the text stands what makes it an item.
    const PREFIX: &str = "const x: X = ";
    let framed = format!("{PREFIX}{}", source.text);
    let framed_split = split(file_id, &framed, &mut troubles);
    if troubles.count() > 0 {
        return Err(troubles.finish().into_iter().map(|found| unframe(found, PREFIX.len())).collect());
    }
    let Ok(pair) = parse_rule(Rule::one_expr, &source.text) else {
        let explainer = Explainer { file: file_id, text: &framed, tokens: &framed_split.tokens };
        let found = explainer.explain(Rule::one_expr, PREFIX.len(), framed.len(), None);
        return Err(vec![unframe(found, PREFIX.len())]);
    };
    let mut builder = Builder::new(file_id, 0);
    builder.next_expression(&mut Parts::of(pair)).map_err(|diagnostic| vec![*diagnostic])
}

/// Moves a diagnostic about the framed text to where it belongs in the bare one.
fn unframe(mut diagnostic: Diagnostic, frame: usize) -> Diagnostic {
    let frame = u32::try_from(frame).unwrap_or(0);
    let back = |span: Span| Span { start: span.start.saturating_sub(frame), end: span.end.saturating_sub(frame), ..span };
    diagnostic.span = back(diagnostic.span);
    diagnostic.labels.iter_mut().for_each(|label| label.span = back(label.span));
    diagnostic
}

/// Parses all of `text` with `rule`.
fn parse_rule(rule: Rule, text: &str) -> Result<Pair<'_>, ()> {
    Grammar::parse(rule, text).map_err(|_| ())?.next().ok_or(())
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    split: &'a Split,
    troubles: &'a mut Troubles,
}

fn rule_of(word: ItemWord) -> Option<Rule> {
    Some(match word {
        ItemWord::Edition => Rule::edition_item,
        ItemWord::Module => Rule::module_item,
        ItemWord::Import => Rule::import_item,
        ItemWord::Enum => Rule::enum_item,
        ItemWord::Type => Rule::type_item,
        ItemWord::Entity => Rule::entity_item,
        ItemWord::Extend => Rule::extend_item,
        ItemWord::Param => Rule::param_item,
        ItemWord::Const => Rule::const_item,
        ItemWord::Def => Rule::def_item,
        ItemWord::Action => Rule::action_item,
        ItemWord::Rule => Rule::rule_item,
        ItemWord::Pack => Rule::pack_item,
        ItemWord::Waive => Rule::waive_item,
        ItemWord::Test => Rule::test_item,
        ItemWord::Check => return None,
    })
}

impl Reader<'_> {
    fn chunk(&mut self, chunk: &Chunk, file: &mut ast::File) {
        let Some(rule) = rule_of(chunk.word) else { return };
        let span = Span::new(self.file, chunk.start, chunk.end);
        if self.has_flaw(chunk.start, chunk.end) {
            return self.recover(chunk, span, file);
        }
        let text = self.text;
        match parse_rule(rule, text.get(chunk.start..chunk.end).unwrap_or("")) {
            Ok(pair) => self.build(pair, chunk, span, file),
            Err(()) => self.recover(chunk, span, file),
        }
    }

    fn build(&mut self, pair: Pair<'_>, chunk: &Chunk, span: Span, file: &mut ast::File) {
        let mut builder = Builder::new(self.file, chunk.start);
        match chunk.word {
            ItemWord::Edition => {
                let edition = builder.edition(pair);
                let edition = builder.keep(edition);
                file.edition = file.edition.take().or(edition.and_then(|edition| self.known_edition(edition)));
            }
            ItemWord::Module => {
                let module = builder.module(pair);
                file.module = file.module.take().or(builder.keep(module));
            }
            ItemWord::Import => {
                let import = builder.import(pair, span);
                file.imports.extend(builder.keep(import));
            }
            _ => {
                let item = builder.item(pair, span);
                file.items.extend(builder.keep(item).map(|(head, kind)| Item { head, kind }));
            }
        }
        self.report(builder);
    }

    fn report(&mut self, builder: Builder) {
        builder.diagnostics.into_iter().for_each(|diagnostic| self.troubles.push(diagnostic));
    }

    fn known_edition(&mut self, edition: Spanned<i64>) -> Option<Spanned<i64>> {
        if edition.value == EDITION {
            return Some(edition);
        }
        let message = format!("edition {} is not known", edition.value);
        let help = format!("this program understands edition {EDITION}; a newer one may be needed");
        self.troubles.push(Diagnostic::error("T0003", edition.span, message).help(help));
        None
    }

    /// Reports a head item that is repeated or comes too late.
    fn check_place(&mut self, chunk: &Chunk, file: &ast::File) {
        let span = || Span::new(self.file, chunk.start, chunk.end);
        let (repeated, late, message) = match chunk.word {
            ItemWord::Edition => (
                file.edition.is_some(),
                file.module.is_some() || !file.imports.is_empty() || !file.items.is_empty(),
                "`edition` stands at the very top of a file",
            ),
            ItemWord::Module => (
                file.module.is_some(),
                !file.imports.is_empty() || !file.items.is_empty(),
                "`module` stands at the top of a file, right behind `edition`",
            ),
            ItemWord::Import => (false, !file.items.is_empty(), "imports stand in front of all other items"),
            _ => return,
        };
        if repeated {
            let word = self.split.tokens.get(chunk.keyword).map_or("", |token| token.text(self.text));
            let message = format!("`{word}` stands here a second time");
            self.troubles.push(Diagnostic::error("T0008", span(), message).help("keep one of them"));
        } else if late {
            self.troubles.push(Diagnostic::error("T0008", span(), message).help("move it up"));
        }
    }

    fn has_flaw(&self, start: usize, end: usize) -> bool {
        let place = |flaw: &Flaw| match flaw {
            Flaw::Text(token) | Flaw::Interpolation(token) => token.start,
        };
        let first = self.split.flaws.partition_point(|flaw| place(flaw) < start);
        self.split.flaws.get(first).is_some_and(|flaw| place(flaw) < end)
    }

    fn explain(&mut self, rule: Rule, start: usize, end: usize, words: Option<&[&str]>) {
        let explainer = Explainer { file: self.file, text: self.text, tokens: &self.split.tokens };
        self.troubles.push_with(|| explainer.explain(rule, start, end, words));
    }

    /// Says what is wrong with an item; of a rule the good clauses are kept.
    fn recover(&mut self, chunk: &Chunk, span: Span, file: &mut ast::File) {
        let Some(rule) = rule_of(chunk.word) else { return };
        let count = self.troubles.count();
        if chunk.word == ItemWord::Rule
            && let Some(item) = self.recover_rule(chunk, span)
        {
            file.items.push(item);
        }
        if self.troubles.count() == count && !self.has_flaw(chunk.start, chunk.end) {
            self.explain(rule, chunk.start, chunk.end, None);
        }
    }

    /// Parses the header and each clause of a broken rule by themselves.
    fn recover_rule(&mut self, chunk: &Chunk, span: Span) -> Option<Item> {
        let pieces = self.rule_pieces(chunk)?;
        let text = self.text;
        let (header_start, header_end) = *pieces.first()?;
        let mut found = None;
        if !self.has_flaw(header_start, header_end) {
            match parse_rule(Rule::one_header, text.get(header_start..header_end)?) {
                Ok(pair) => found = self.header(pair, header_start, span),
                Err(()) => self.explain(Rule::one_header, header_start, header_end, None),
            }
        }
        let mut clauses = Vec::new();
        // Clauses on one line are not told apart; then only the whole rule shows where it stops.
        let in_one_piece = pieces.len() == 2 && found.is_some();
        for (start, end) in pieces.into_iter().skip(1) {
            if self.has_flaw(start, end) {
                continue;
            }
            match parse_rule(Rule::one_clause, text.get(start..end)?) {
                Ok(pair) => {
                    let mut builder = Builder::new(self.file, start);
                    clauses.extend(builder.rule_clauses(pair.into_inner()).0);
                    self.report(builder);
                }
                Err(()) if in_one_piece => self.explain(Rule::rule_item, chunk.start, chunk.end, Some(RULE_CLAUSES)),
                Err(()) => self.explain(Rule::one_clause, start, end, Some(RULE_CLAUSES)),
            }
        }
        let (head, rule) = found?;
        Some(Item { head, kind: ItemKind::Rule(ast::Rule { clauses, broken: true, ..rule }) })
    }

    fn header(&mut self, pair: Pair<'_>, start: usize, span: Span) -> Option<(Head, ast::Rule)> {
        let mut builder = Builder::new(self.file, start);
        let header = Parts::of(pair).next().map(|pair| builder.rule_header(pair, span));
        let header = header.and_then(|header| builder.keep(header));
        self.report(builder);
        header
    }

    /// Cuts a rule into its header and its clauses; nothing if it is not `header { clauses }`.
    fn rule_pieces(&self, chunk: &Chunk) -> Option<Vec<(usize, usize)>> {
        let tokens = self.split.tokens.get(chunk.tokens.clone())?;
        let last = tokens.iter().rev().find(|token| !token.is_comment())?;
        let mut starts = vec![chunk.start];
        let mut body = None;
        let mut depth = 0_usize;
        let mut previous: Option<Token> = None;
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| !token.is_comment()) {
            let next = tokens.get(at + 1);
            match token.kind {
                Kind::Open if depth == 0 && token.text(self.text) == "{" && self.opens_body(tokens, at) => {
                    body.get_or_insert(token.start);
                    depth += 1;
                }
                Kind::Open | Kind::TextOpen => depth += 1,
                Kind::Close | Kind::TextClose => depth = depth.saturating_sub(1),
                Kind::Word if depth == 1 && body.is_some() && self.begins_clause(*token, next, previous) => {
                    starts.push(token.start);
                }
                _ => {}
            }
            previous = Some(*token);
        }
        let body = body.filter(|_| last.text(self.text) == "}" && depth == 0)?;
        let ends = starts.iter().skip(1).copied().chain([last.start]);
        let mut pieces: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
        let header = pieces.first_mut()?;
        let rest = (body + 1, header.1);
        header.1 = body;
        let in_rest = |token: &Token| !token.is_comment() && token.start >= rest.0 && token.end <= rest.1;
        if tokens.iter().any(in_rest) {
            pieces.insert(1, rest);
        }
        Some(pieces)
    }

    /// Tells whether the brace at `at` opens the body of the rule, and no set in its header.
    fn opens_body(&self, tokens: &[Token], at: usize) -> bool {
        let previous = tokens.get(..at).and_then(|before| before.iter().rev().find(|token| !token.is_comment()));
        previous.is_some_and(|token| !matches!(token.text(self.text), "in" | "==" | "!=" | "covers" | "overlaps" | "??"))
    }

    fn begins_clause(&self, token: Token, next: Option<&Token>, previous: Option<Token>) -> bool {
        let word = token.text(self.text);
        if !RULE_CLAUSES.contains(&word) && nearest(word, RULE_CLAUSES.iter().copied()).is_none() {
            return false;
        }
        let next = next.map_or("", |token| token.text(self.text));
        let before = previous.map_or("", |token| token.text(self.text));
        let line_start = self.text.get(..token.start).unwrap_or("").trim_end_matches([' ', '\t']);
        let begins_line = line_start.ends_with(['\n', '{']);
        let known = RULE_CLAUSES.contains(&word);
        let text_follows = next.starts_with('"') || next.starts_with('[');
        match word {
            _ if !begins_line || matches!(before, "." | "?." | "=" | ":" | ",") => false,
            "not" => next == "waivable",
            _ if known => true,
            _ => text_follows || next.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()),
        }
    }
}

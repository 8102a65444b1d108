//! The tokens of a file as the formatter sees them: texts in one piece, and what each token is to its neighbors.

use super::lex::{Kind, Token};
use super::shape::ItemWord;
use super::split::{Chunk, Split, is_reserved};

/// How a token stands between its neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// With a blank on both sides.
    Loose,
    /// With no blank on any side: `.`
    Tight,
    /// With no blank behind: `@`, the sign of a number.
    Prefix,
    /// With no blank in front: `,`
    Postfix,
    /// A word that goes on with a clause: `else`.
    Part,
    /// The bar in front of a branch.
    Branch,
    /// An opening bracket: no blank behind, none in front, clauses inside.
    Open { tight: bool, hugs: bool, block: bool },
    /// A closing bracket: no blank in front.
    Close { tight: bool },
    /// A comment.
    Comment,
}

/// A token of the formatter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom<'s> {
    kind: Kind,
    /// Its text, as it is printed.
    pub(super) text: &'s str,
    /// The index of its first token.
    token: usize,
    /// How many line breaks stand in front of it: none, one, or two for a blank line.
    pub(super) breaks: u8,
    /// Whether the author left no blank in front.
    touches: bool,
    /// How it stands.
    pub(super) role: Role,
    /// Whether a clause or an item begins with it.
    pub(super) begins_clause: bool,
    /// Whether it stands behind `=`.
    pub(super) follows_equals: bool,
}

impl Atom<'_> {
    /// Tells whether it is a comment, of any kind but doc comments.
    pub(super) fn is_comment(&self) -> bool {
        self.kind == Kind::Comment
    }

    /// Tells whether it is an opening bracket.
    pub(super) fn is_open(&self) -> bool {
        self.kind == Kind::Open
    }

    /// Tells whether it is a closing bracket.
    pub(super) fn is_close(&self) -> bool {
        self.kind == Kind::Close
    }

    /// Tells whether it opens a block of clauses.
    pub(super) fn is_block_open(&self) -> bool {
        self.is_open() && self.text == "{"
    }

    fn ends_operand(&self) -> bool {
        match self.kind {
            Kind::Word => !is_reserved(self.text) || matches!(self.text, "none" | "now" | "true" | "false"),
            Kind::Number | Kind::Text | Kind::TextOpen | Kind::Regex | Kind::Close => true,
            Kind::Symbol => matches!(self.text, "^+" | "^*" | "?"),
            _ => false,
        }
    }
}

/// Makes the atoms of a sound file.
pub(super) fn atoms<'s>(text: &'s str, split: &Split) -> Vec<Atom<'s>> {
    let mut atoms = raw_atoms(text, &split.tokens);
    separate_items(&mut atoms, &split.chunks);
    widen_blocks(&mut atoms);
    assign_roles(&mut atoms, &split.chunks);
    atoms
}

/// Joins texts to one piece and counts line breaks.
fn raw_atoms<'s>(text: &'s str, tokens: &[Token]) -> Vec<Atom<'s>> {
    let mut atoms: Vec<Atom<'s>> = Vec::with_capacity(tokens.len());
    let mut end = 0;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let after = text_end(tokens, at);
        let last = tokens.get(after).map_or(token.end, |last| last.end);
        let gap = text.get(end..token.start).unwrap_or("");
        let breaks = gap.bytes().filter(|byte| *byte == b'\n').count().min(2);
        atoms.push(Atom {
            kind: token.kind,
            text: text.get(token.start..last).unwrap_or("").trim_end(),
            token: at,
            breaks: u8::try_from(breaks).unwrap_or(2),
            touches: gap.is_empty(),
            role: Role::Loose,
            begins_clause: false,
            follows_equals: false,
        });
        end = last;
        at = after + 1;
    }
    atoms
}

/// Returns the index of the last token of the text that begins at `at`.
fn text_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::TextOpen => depth += 1,
            Kind::TextClose => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    at
}

/// Sees to one blank line between items; short ones of a kind may stand close together.
fn separate_items(atoms: &mut [Atom<'_>], chunks: &[Chunk]) {
    let family = |chunk: &Chunk| match chunk.word {
        ItemWord::Edition | ItemWord::Module | ItemWord::Import => Some(0),
        ItemWord::Param | ItemWord::Const => Some(1),
        _ => None,
    };
    for pair in chunks.windows(2) {
        let [above, below] = pair else { continue };
        if family(above).is_some() && family(above) == family(below) {
            continue;
        }
        let from = atoms.partition_point(|atom| atom.token < above.tokens.end);
        let to = atoms.partition_point(|atom| atom.token <= below.tokens.start);
        let Some(between) = atoms.get_mut(from..to) else { continue };
        let separated = between.iter().any(|atom| atom.breaks > 1);
        if let Some(first) = between.iter_mut().find(|atom| atom.breaks > 0).filter(|_| !separated) {
            first.breaks = 2;
        }
    }
}

/// Gives both braces of a block a line break if one of them has one.
fn widen_blocks(atoms: &mut [Atom<'_>]) {
    let mut opened: Vec<usize> = Vec::new();
    for at in 0..atoms.len() {
        let Some(atom) = atoms.get(at) else { return };
        if atom.is_open() {
            opened.push(at);
        } else if atom.is_close()
            && let Some(open) = opened.pop()
        {
            widen(atoms, open, at);
        }
    }
}

fn widen(atoms: &mut [Atom<'_>], open: usize, close: usize) {
    let is_brace = atoms.get(close).is_some_and(|atom| atom.text == "}");
    if !is_brace || is_set(atoms, open) || close == open + 1 {
        return;
    }
    let first = (open + 1..close).find(|at| atoms.get(*at).is_some_and(|atom| !atom.is_comment() || atom.breaks > 0));
    let first = first.unwrap_or(close);
    let broken = |at: usize| atoms.get(at).is_some_and(|atom| atom.breaks > 0);
    if broken(first) || broken(close) {
        for at in [first, close] {
            if let Some(atom) = atoms.get_mut(at) {
                atom.breaks = atom.breaks.max(1);
            }
        }
    }
}

/// Returns the nearest atom in front of `at` that is no comment.
fn before<'a, 's>(atoms: &'a [Atom<'s>], at: usize) -> Option<&'a Atom<'s>> {
    atoms.iter().take(at).rev().find(|atom| !atom.is_comment() && atom.kind != Kind::Doc)
}

/// Tells whether the brace at `open` begins a set in an expression.
fn is_set(atoms: &[Atom<'_>], open: usize) -> bool {
    let Some(previous) = before(atoms, open) else { return false };
    !previous.ends_operand()
}

/// One bracket around the place of the scan.
#[derive(Default)]
struct Level {
    /// Quantifiers and aggregates whose colon has not come.
    binders: usize,
    /// Whether commas separate members of their own.
    list: bool,
    /// Whether clauses stand here.
    block: bool,
    tight: bool,
    /// Whether the clause in progress gives an earlier value, whose sign may follow a name.
    history: bool,
}

fn assign_roles(atoms: &mut [Atom<'_>], chunks: &[Chunk]) {
    let mut levels = vec![Level { block: true, ..Level::default() }];
    let mut chunk_at = 0;
    let mut previous = None;
    for at in 0..atoms.len() {
        let Some(atom) = atoms.get(at).copied() else { return };
        while chunks.get(chunk_at).is_some_and(|chunk| chunk.tokens.end <= atom.token) {
            chunk_at += 1;
        }
        let Some(chunk) = chunks.get(chunk_at) else {
            return;
        };
        let scan = Scan { atoms, at, previous, chunk, depth: levels.len() };
        let begins_clause = levels.last().is_some_and(|level| scan.begins_clause(level));
        let role = scan.role(&mut levels, begins_clause);
        let follows_equals = scan.previous_text() == "=";
        if let Some(atom) = atoms.get_mut(at) {
            atom.role = role;
            atom.begins_clause = begins_clause;
            atom.follows_equals = follows_equals;
            if role != Role::Comment {
                previous = Some(at);
            }
        }
    }
}

/// The place of one atom.
struct Scan<'a, 's> {
    atoms: &'a [Atom<'s>],
    at: usize,
    /// The nearest atom in front that is no comment of any kind.
    previous: Option<usize>,
    chunk: &'a Chunk,
    depth: usize,
}

impl<'s> Scan<'_, 's> {
    fn atom(&self) -> Option<&Atom<'s>> {
        self.atoms.get(self.at)
    }

    fn previous(&self) -> Option<&Atom<'s>> {
        self.previous.and_then(|at| self.atoms.get(at))
    }

    /// Returns the text so many atoms ahead, comments not counted.
    fn ahead(&self, distance: usize) -> &'s str {
        let rest = self.atoms.iter().skip(self.at + 1).filter(|atom| !atom.is_comment());
        rest.take(distance).nth(distance.saturating_sub(1)).map_or("", |atom| atom.text)
    }

    fn previous_text(&self) -> &'s str {
        self.previous().map_or("", |atom| atom.text)
    }

    /// Tells whether an item, a clause or a member of a list begins here.
    fn begins_clause(&self, level: &Level) -> bool {
        let Some(atom) = self.atom() else { return false };
        if atom.is_comment() || !level.block {
            return false;
        }
        if self.depth == 1 {
            let is_branch = atom.text == "|" || (atom.kind == Kind::Doc && atom.token > self.chunk.keyword);
            return atom.token <= self.chunk.keyword || is_branch;
        }
        let Some(previous) = self.previous() else { return true };
        if previous.is_open() || atom.kind == Kind::Doc || atom.text == "@" {
            return true;
        }
        if previous.text == "," {
            return level.list;
        }
        let after_operand = previous.ends_operand() && !matches!(previous.text, "of" | "at" | "nonempty" | "most" | "least");
        match atom.text {
            _ if !after_operand || atom.kind != Kind::Word => false,
            "not" => self.ahead(1) == "waivable",
            "for" => previous.is_close(),
            word if is_reserved(word) => false,
            word => self.ahead(1) == ":" || !self.is_part(word),
        }
    }

    /// Tells whether the word goes on with a clause.
    fn is_part(&self, word: &str) -> bool {
        match word {
            "else" | "when" | "where" | "for" | "inverse" | "history" | "before" | "matching" | "key" | "is" | "after" => {
                !(word == "history" && self.chunk.word == ItemWord::Test)
            }
            "up" | "by" | "at" | "as" | "on" => true,
            "because" | "until" => self.chunk.word == ItemWord::Test,
            "from" => matches!(self.chunk.word, ItemWord::Test | ItemWord::Action),
            "read" => self.chunk.word == ItemWord::Action,
            _ => false,
        }
    }

    fn role(&self, levels: &mut Vec<Level>, begins_clause: bool) -> Role {
        let Some(atom) = self.atom() else { return Role::Loose };
        let Some(level) = levels.last_mut() else { return Role::Loose };
        if begins_clause {
            level.binders = 0;
            level.history = atom.text == "history" && self.chunk.word == ItemWord::Test;
        }
        match atom.kind {
            Kind::Open => {
                let (opened, role) = self.open(atom);
                levels.push(opened);
                role
            }
            Kind::Close => {
                let closed = if levels.len() > 1 { levels.pop() } else { None };
                Role::Close { tight: closed.is_none_or(|level| level.tight) }
            }
            Kind::Word => self.word(atom, level),
            Kind::Symbol => self.symbol(atom, level),
            Kind::Doc | Kind::Comment => Role::Comment,
            _ => Role::Loose,
        }
    }

    fn word(&self, atom: &Atom<'s>, level: &mut Level) -> Role {
        let previous = self.previous_text();
        let is_name = matches!(previous, "." | "?.") || self.ahead(1) == ":";
        if is_name {
            return Role::Loose;
        }
        let counts = matches!(atom.text, "most" | "least") && previous == "at";
        if counts || matches!(atom.text, "some" | "no" | "all" | "exactly") {
            level.binders += 1;
        }
        let is_part = atom.text == "where" || atom.text == "for" || self.is_part(atom.text);
        if is_part { Role::Part } else { Role::Loose }
    }

    fn open(&self, atom: &Atom<'s>) -> (Level, Role) {
        let previous = self.previous();
        let word = previous.filter(|atom| atom.kind == Kind::Word).map_or("", |atom| atom.text);
        let is_operand = previous.is_some_and(Atom::ends_operand);
        let hugs = match atom.text {
            "(" => is_operand && !matches!(word, "due" | "requires" | "delete" | "when" | "set"),
            "[" => is_operand && !matches!(word, "refs" | "tags"),
            _ => false,
        };
        let set = atom.text == "{" && is_set(self.atoms, self.at);
        let tight = atom.text != "{" || set;
        let names = matches!(self.chunk.word, ItemWord::Enum | ItemWord::Import);
        let list = names || self.ahead(2) == ":";
        let binders = usize::from(atom.text == "(" && matches!(word, "count" | "min" | "max"));
        let block = !tight;
        (Level { binders, list, block, tight, history: false }, Role::Open { tight, hugs, block })
    }

    fn symbol(&self, atom: &Atom<'s>, level: &mut Level) -> Role {
        match atom.text {
            "." | "?." => Role::Tight,
            "?" | "^+" | "^*" => Role::Postfix,
            "@" => Role::Prefix,
            "," => {
                if level.list && self.ahead(2) == ":" {
                    level.binders = 0;
                }
                Role::Postfix
            }
            "|" if self.depth == 1 => Role::Branch,
            ":" if level.binders > 0 => {
                level.binders -= 1;
                Role::Loose
            }
            ":" => Role::Postfix,
            "-" if self.is_sign(atom, level) => Role::Prefix,
            _ => Role::Loose,
        }
    }

    /// Tells whether a minus belongs to the number behind it; the grammar wants it without a blank then.
    fn is_sign(&self, atom: &Atom<'s>, level: &Level) -> bool {
        let next = self.atoms.get(self.at + 1);
        let touches_number = next.is_some_and(|next| next.kind == Kind::Number && next.touches);
        touches_number && (!atom.touches || level.history || !self.previous().is_some_and(Atom::ends_operand))
    }
}

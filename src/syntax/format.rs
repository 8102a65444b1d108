//! Canonical text: the author's line breaks, our blanks.
//!
//! Works on tokens, so nothing is lost and the tree cannot change. A line is indented by two more than the line whose
//! bracket it stands in; a line that goes on with a clause is indented by four more, or by two if it begins with a word
//! such as `else`. Layout depends on tokens and line breaks only, so formatting twice changes nothing.

use super::atoms::{Atom, Role, atoms};
use super::split::split;
use super::troubles::Troubles;
use crate::text::{Diagnostic, FileId, SourceFile};

/// Returns the canonical text of a file.
///
/// # Errors
///
/// Returns the diagnostics of a file with syntax errors.
pub fn format(file_id: FileId, source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = super::parse(file_id, source);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let split = split(file_id, &source.text, &mut Troubles::default());
    let atoms = atoms(&source.text, &split);
    let mut printer = Printer::new(&atoms, source.text.len());
    for at in 0..atoms.len() {
        printer.print(at);
    }
    Ok(printer.finish())
}

/// One bracket around the place of the printer.
struct Frame {
    /// Indentation of the line the bracket was opened in.
    outer: usize,
    /// Indentation of the lines inside.
    inner: usize,
    /// Whether the clause in progress is a branch, whose lines go further in.
    branch: bool,
    /// Whether clauses stand inside, and not the parts of an expression.
    block: bool,
}

struct Printer<'a> {
    atoms: &'a [Atom<'a>],
    out: String,
    frames: Vec<Frame>,
    /// Indentation of the line in progress.
    indent: usize,
    /// The next atom that is no comment, once it was looked for.
    next: usize,
}

impl<'a> Printer<'a> {
    fn new(atoms: &'a [Atom<'a>], size: usize) -> Self {
        let file = Frame { outer: 0, inner: 0, branch: false, block: true };
        Self { atoms, out: String::with_capacity(size + size / 8), frames: vec![file], indent: 0, next: 0 }
    }

    fn print(&mut self, at: usize) {
        let Some(atom) = self.atoms.get(at) else { return };
        let previous = at.checked_sub(1).and_then(|at| self.atoms.get(at));
        match (previous, atom.breaks) {
            (None, _) => self.indent = 0,
            (Some(previous), 0) => self.out.push_str(blanks(previous, atom)),
            (Some(_), breaks) => self.break_line(at, breaks),
        }
        if atom.begins_clause
            && let Some(frame) = self.frames.last_mut()
        {
            frame.branch = atom.role == Role::Branch;
        }
        self.out.push_str(atom.text);
        match atom.role {
            Role::Open { block, .. } => {
                let frame = Frame { outer: self.indent, inner: self.indent + 2, branch: false, block };
                self.frames.push(frame);
            }
            Role::Close { .. } if self.frames.len() > 1 => {
                self.frames.pop();
            }
            _ => {}
        }
    }

    fn break_line(&mut self, at: usize, breaks: u8) {
        let opened = at.checked_sub(1).and_then(|at| self.atoms.get(at)).is_some_and(Atom::is_open);
        let closing = self.atoms.get(at).is_some_and(Atom::is_close);
        self.out.push('\n');
        if breaks > 1 && !opened && !closing {
            self.out.push('\n');
        }
        self.indent = self.indentation(at);
        self.out.extend(std::iter::repeat_n(' ', self.indent));
    }

    /// Returns the indentation of a line that begins with the atom at `at`.
    fn indentation(&mut self, at: usize) -> usize {
        if !self.atoms.get(at).is_some_and(Atom::is_comment) {
            return self.code_indentation(at);
        }
        // A comment stands where the line below it stands, and inside of the bracket that ends there.
        self.next = self.next.max(at);
        while self.atoms.get(self.next).is_some_and(Atom::is_comment) {
            self.next += 1;
        }
        match self.atoms.get(self.next) {
            Some(next) if !next.is_close() => self.code_indentation(self.next),
            _ => self.frames.last().map_or(0, |frame| frame.inner),
        }
    }

    fn code_indentation(&self, at: usize) -> usize {
        let Some(atom) = self.atoms.get(at) else { return 0 };
        let Some(frame) = self.frames.last() else { return 0 };
        if atom.is_close() {
            let run = self.atoms.iter().skip(at).take_while(|next| next.is_close());
            let same_line = run.enumerate().take_while(|(place, next)| *place == 0 || next.breaks == 0).count();
            let outermost = self.frames.len().saturating_sub(same_line);
            return self.frames.get(outermost.max(1)).map_or(0, |frame| frame.outer);
        }
        let branch = if frame.branch { 2 } else { 0 };
        frame.inner
            + match atom.role {
                _ if !frame.block => 0,
                Role::Branch => 2,
                _ if atom.begins_clause || atom.is_block_open() => 0,
                Role::Part => 2 + branch,
                _ if atom.follows_equals => 2,
                _ => 4 + branch,
            }
    }

    fn finish(mut self) -> String {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }
}

/// Returns what stands between two atoms of one line.
fn blanks(previous: &Atom<'_>, atom: &Atom<'_>) -> &'static str {
    if atom.is_comment() {
        return "  ";
    }
    let tight = match (previous.role, atom.role) {
        (Role::Open { tight, .. }, Role::Close { .. }) => tight || previous.text == "{",
        (Role::Open { tight, .. }, _) | (_, Role::Close { tight }) => tight,
        (Role::Tight | Role::Prefix, _) | (_, Role::Tight | Role::Postfix) => true,
        (_, Role::Open { hugs, .. }) => hugs,
        _ => false,
    };
    if tight { "" } else { " " }
}

#[cfg(test)]
mod tests {
    use super::super::lex::{Kind, lex};
    use super::super::tests::{FILES, Random};
    use super::format;
    use crate::text::{FileId, SourceFile};

    fn formatted(text: &str) -> String {
        format(FileId(0), &SourceFile::new("test.tenet", text)).unwrap_or_else(|found| panic!("{found:#?}\n{text}"))
    }

    fn tokens(text: &str) -> Vec<String> {
        lex(text).tokens.iter().map(|token| token.text(text).trim_end().to_owned()).collect()
    }

    #[track_caller]
    fn check(text: &str) {
        let once = formatted(text);
        assert_eq!(tokens(text), tokens(&once), "tokens of\n{once}");
        assert_eq!(formatted(&once), once, "twice");
        assert!(!once.lines().any(|line| line.ends_with(' ')), "{once}");
    }

    #[test]
    fn the_example_keeps_its_tokens_and_settles() {
        for (text, _) in FILES {
            check(text);
            check(&text.replace('\n', "\r\n"));
        }
    }

    #[test]
    fn the_example_is_nearly_canonical() {
        let once = formatted(FILES[1].0);
        let changed = once.lines().filter(|line| !FILES[1].0.lines().any(|old| old == *line)).collect::<Vec<_>>();
        assert_eq!(
            changed,
            [
                "  why \"There can be only one partner of record on a subscription at a time.\"",
                "  refs [\"seed:single-dpor\", \"seed:partner-id\"]"
            ]
        );
    }

    #[test]
    fn layout() {
        let text = "\n\nedition   1\nmodule a\nparam p : Int=-1 // one\nparam q:Int?\n\n\n\n/// doc\n\
            def f( x:Int ):Bool=\n x==1 and( x+1 ) in{1,2}\n// c\n|a:b\n";
        let text = text.replace("// c\n|a:b\n", "def g(): Bool =\n| a :some x in s:x\n: y\n// c\n| b: f (x) [d|d] ^+ ?. z\n");
        let wanted = "edition 1\nmodule a\n\nparam p: Int = -1  // one\nparam q: Int?\n\n/// doc\n\
            def f(x: Int): Bool =\n  x == 1 and (x + 1) in {1, 2}\n\ndef g(): Bool =\n  | a: some x in s : x\n";
        assert!(formatted(&text.replace("\n: y", "")).starts_with(wanted), "{}", formatted(&text.replace("\n: y", "")));
        assert!(formatted(&text.replace("\n: y", "")).ends_with("  // c\n  | b: f(x)[d | d]^+?.z\n"));
        let text = "rule X-1 for s:S\nwhere a\n{ title \"a\"\n// note\n\n\nrequire r:x\nand y\nelse \"{ x }\"\n\
            fix f for r { a( s,\nt ) }\n\n}";
        let wanted = "rule X-1 for s: S\n  where a\n{\n  title \"a\"\n  // note\n\n  require r: x\n      and y\n    else \"{ x }\"\n  \
            fix f for r { a(s,\n    t) }\n}\n";
        assert_eq!(formatted(text), wanted);
        assert_eq!(formatted("pack p { }"), "pack p {}\n");
        assert_eq!(formatted(""), "");
    }

    #[test]
    fn broken_files_are_refused() {
        assert!(format(FileId(0), &SourceFile::new("x", "rule {")).is_err());
    }

    #[test]
    fn changed_blanks_keep_tokens() {
        for seed in 1..=60_u64 {
            let mut random = Random(seed);
            let text = FILES[random.below(FILES.len())].0;
            let lexed = lex(text);
            let mut changed = String::new();
            let mut end = 0;
            let mut within = 0;
            for token in &lexed.tokens {
                let gap = &text[end..token.start];
                let settled = within > 0 || gap.is_empty() || gap.contains('\n') || token.kind == Kind::Word;
                match random.below(6) {
                    0 if !settled => changed.push_str("\n\n\n   "),
                    1 if !settled => changed.push('\n'),
                    2 if within == 0 && !gap.is_empty() => changed.push_str(&format!("{gap} \t")),
                    3 if gap.contains('\n') => changed.push_str(&format!("{gap}\n\n")),
                    4 if gap.contains('\n') => changed.push_str(&format!(" // note {seed}{gap}")),
                    _ => changed.push_str(gap),
                }
                match token.kind {
                    Kind::TextOpen => within += 1,
                    Kind::TextClose => within -= 1,
                    _ => {}
                }
                changed.push_str(token.text(text));
                end = token.end;
            }
            if super::super::parse(FileId(0), &SourceFile::new("x", changed.as_str())).1.is_empty() {
                check(&changed);
            } else {
                panic!("seed {seed}: {changed}");
            }
        }
    }
}

//! `tenet`: policy compliance for partner-of-record governance in Microsoft cloud tenants.
//!
//! The rooms in reading order, each using only those before it (`docs/architecture.md` has the map and the invariants):
//!
//! - [`text`]: source files, spans, diagnostics
//! - [`model`]: schema, values, facts, verdicts
//! - [`syntax`]: text to tree, and back to canonical text
//! - [`mod@check`]: tree to checked policies
//! - [`query`]: checked policies to functions that share their parts
//! - [`snapshot`]: facts to an immutable tenant graph
//! - [`evaluate`]: checked policies over a snapshot, with explanations
//! - [`remedy`]: fixes tried on a copy of the snapshot
//! - [`report`]: results and diagnostics as text and JSON
//! - [`testing`]: tests written in policy files
//! - [`sources`]: edge; files in and out
//! - [`cli`]: edge; the program
//!
//! The pipeline is [`compile`], [`evaluate::engine::scan`], [`evaluate::explain`].

pub mod check;
pub mod cli;
pub mod evaluate;
pub mod model;
pub mod query;
pub mod remedy;
pub mod report;
pub mod snapshot;
pub mod sources;
pub mod syntax;
pub mod testing;
pub mod text;

use check::{ModuleFile, Policies, builtin_files, check, invisible_characters};
use syntax::{ast, parse};
use text::{Diagnostic, FileId, SourceFile, SourceSet, sort_diagnostics};

/// One policy file as it was read.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// The name shown to people.
    pub name: String,
    /// Its path from the top of the repository without `.tenet`, with slashes: the name of its module if it does not say.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Policies, and everything that is wrong with them.
#[derive(Debug)]
pub struct Compiled {
    /// All files, the built-in ones first.
    pub sources: SourceSet,
    /// The path of each file from the top of its repository, which does not depend on where one stands.
    pub paths: Vec<String>,
    /// How many of them are built in.
    pub n_builtin: usize,
    /// What was understood; not to be evaluated if there is an error among the diagnostics.
    pub policies: Policies,
    /// What is wrong, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// Tells whether anything is wrong enough that nothing may be evaluated.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Which of the built-in modules take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinModules {
    /// Schema, libraries, actions and rules.
    All,
    /// Schema, libraries and actions; the rules come from the caller.
    WithoutRules,
}

/// Parses and checks policy files together with the built-in modules.
#[must_use]
pub fn compile(builtin: BuiltinModules, files: &[PolicyFile]) -> Compiled {
    let mut reader = Reader::default();
    let library = |path: &str| ["tenant/", "lib/", "actions/"].iter().any(|room| path.starts_with(room));
    let shipped: Vec<_> = builtin_files().iter().filter(|file| library(file.path) || builtin == BuiltinModules::All).collect();
    let n_builtin = shipped.len();
    let names: Vec<String> = shipped.iter().map(|file| format!("builtin:{}", file.path)).collect();
    let shipped = shipped.iter().zip(&names).map(|(file, name)| Unread {
        name,
        path: file.path.trim_end_matches(".tenet"),
        text: file.text,
        builtin: true,
    });
    let own = files.iter().map(|file| Unread { name: &file.name, path: &file.path, text: &file.text, builtin: false });
    reader.take_all(&shipped.chain(own).collect::<Vec<_>>());
    let Reader { sources, mut diagnostics, parsed } = reader;
    let modules: Vec<ModuleFile<'_>> =
        parsed.iter().map(|(path, builtin, file)| ModuleFile { fallback_name: path.replace('/', "."), builtin: *builtin, file }).collect();
    let (policies, found) = check(&modules);
    diagnostics.extend(found);
    // What nothing uses may be used by what could not be understood.
    if diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.retain(|diagnostic| !check::UNUSED.contains(&diagnostic.code));
    }
    sort_diagnostics(&mut diagnostics);
    let paths = parsed.into_iter().map(|(path, _, _)| path).collect();
    Compiled { sources, paths, n_builtin, policies, diagnostics }
}

#[derive(Default)]
struct Reader {
    sources: SourceSet,
    diagnostics: Vec<Diagnostic>,
    parsed: Vec<(String, bool, ast::File)>,
}

/// A file that is to be parsed.
struct Unread<'f> {
    name: &'f str,
    path: &'f str,
    text: &'f str,
    builtin: bool,
}

/// Bytes of text for which a second thread pays.
const PARALLEL_BYTES_MIN: usize = 16 << 10;

type Parsed = (ast::File, Vec<Diagnostic>);

fn parse_each(files: &[(FileId, SourceFile)]) -> Vec<Parsed> {
    files.iter().map(|(id, file)| parse(*id, file)).collect()
}

impl Reader {
    /// Parses the files, on two threads if there is much text; what comes out is in the order of the files either way.
    fn take_all(&mut self, files: &[Unread<'_>]) {
        let sources: Vec<(FileId, SourceFile)> = files
            .iter()
            .map(|file| {
                let source = SourceFile::new(file.name, file.text);
                (self.sources.add(source.clone()), source)
            })
            .collect();
        let (first, second) = sources.split_at(half_of(files));
        let parsed = std::thread::scope(|scope| {
            let other = (!second.is_empty()).then(|| scope.spawn(|| parse_each(second)));
            let mut parsed = parse_each(first);
            // The parser does not panic; if it did, the same text would be parsed here and say so.
            parsed.extend(other.into_iter().flat_map(|other| other.join().unwrap_or_else(|_| parse_each(second))));
            parsed
        });
        for ((file, (id, _)), (tree, found)) in files.iter().zip(&sources).zip(parsed) {
            self.diagnostics.extend(found);
            if !file.builtin {
                self.diagnostics.extend(invisible_characters(*id, file.text));
            }
            self.parsed.push((file.path.to_owned(), file.builtin, tree));
        }
    }
}

/// Returns how many files make up half of the text, or all of them if there is little.
fn half_of(files: &[Unread<'_>]) -> usize {
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    if bytes < PARALLEL_BYTES_MIN {
        return files.len();
    }
    let mut before = 0;
    let reached = files.iter().position(|file| {
        before += file.text.len();
        before * 2 >= bytes
    });
    reached.map_or(files.len(), |last| last + 1)
}

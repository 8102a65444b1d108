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
    for file in builtin_files() {
        let library = ["tenant/", "lib/", "actions/"].iter().any(|room| file.path.starts_with(room));
        if library || builtin == BuiltinModules::All {
            reader.take(&format!("builtin:{}", file.path), file.path.trim_end_matches(".tenet"), file.text);
        }
    }
    let n_builtin = reader.parsed.len();
    reader.take_all(files);
    let Reader { sources, mut diagnostics, parsed } = reader;
    let modules: Vec<ModuleFile<'_>> =
        parsed.iter().map(|(name, builtin, file)| ModuleFile { fallback_name: name.clone(), builtin: *builtin, file }).collect();
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

/// Files for which a second thread pays.
const PARALLEL_FROM: usize = 16;

type Parsed = (ast::File, Vec<Diagnostic>);

fn parse_each(files: &[(FileId, SourceFile)]) -> Vec<Parsed> {
    files.iter().map(|(id, file)| parse(*id, file)).collect()
}

impl Reader {
    /// Parses the files on two threads if there are many; what comes out is in the order of the files either way.
    fn take_all(&mut self, files: &[PolicyFile]) {
        let sources: Vec<(FileId, SourceFile)> = files
            .iter()
            .map(|file| {
                let source = SourceFile::new(&*file.name, &*file.text);
                (self.sources.add(source.clone()), source)
            })
            .collect();
        let split = if files.len() < PARALLEL_FROM { files.len() } else { files.len() / 2 };
        let (first, second) = sources.split_at(split);
        let parsed = std::thread::scope(|scope| {
            let other = scope.spawn(|| parse_each(second));
            let mut parsed = parse_each(first);
            // The parser does not panic; if it did, the same text would be parsed here and say so.
            parsed.extend(other.join().unwrap_or_else(|_| parse_each(second)));
            parsed
        });
        for ((file, (id, _)), (tree, found)) in files.iter().zip(&sources).zip(parsed) {
            self.diagnostics.extend(found);
            self.diagnostics.extend(invisible_characters(*id, &file.text));
            self.parsed.push((file.path.replace('/', "."), false, tree));
        }
    }

    fn take(&mut self, name: &str, path: &str, text: &str) {
        let file = SourceFile::new(name, text);
        let id: FileId = self.sources.add(file.clone());
        let (tree, found) = parse(id, &file);
        self.diagnostics.extend(found);
        self.parsed.push((path.replace('/', "."), true, tree));
    }
}

//! Names, types and everything else that can be said of policies without a snapshot.
//!
//! In: the trees of all files of a run. Out: [`Policies`], in which every name is an id and every expression has a type,
//! and all diagnostics. If one of them is an error, the policies must not be evaluated. Invariants: no I/O; definitions
//! form a DAG; every variable runs over a set; an optional value is never used where a required one is needed.
//!
//! - `typed`: what comes out
//! - `schema`: `enum`, `type`, `entity`, `extend`
//! - `modules`, `scope`: imports and what names mean
//! - `expression`, `operators`, `quantifier`, `narrow`: expressions
//! - `items`, `actions`, `rules`, `given`: everything else
//! - `reads`: which parameters a definition looks at
//! - `builtin`: the modules that ship with the program
//! - `codes`: what each diagnostic code means

mod actions;
mod builtin;
mod codes;
mod expression;
mod given;
mod items;
mod lints;
mod modules;
mod narrow;
mod operators;
mod print;
mod quantifier;
mod reads;
mod rules;
mod schema;
mod scope;
mod typed;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use crate::syntax::ast::{Aggregate, Quantifier};
pub use builtin::{Builtin, builtin_files, core_schema};
pub use codes::{CODES, code_page};
pub use lints::{UNUSED, invisible_characters};
pub use print::Printer;
pub use typed::{
    Action, ActionId, ActionMode, Binder, ClickPath, Comparison, Def, DefId, Effect, Expectation, Expr, ExprKind, Fix, FixStep,
    GivenEntity, GivenHistory, GivenLink, GivenMissing, GivenValue, MissingTarget, Pack, PackUse, Param, ParamId, Policies, Requirement,
    Rule, RuleId, Template, TemplatePart, Test, VarId, Waivable, Waiver, day_after,
};
pub use walk::{children, walk};

use crate::model::Type;
use crate::syntax::ast;
use crate::text::{Diagnostic, Span, sort_diagnostics};

/// One file to check.
#[derive(Debug)]
pub struct ModuleFile<'a> {
    /// The name of its module if the file does not say: its path with dots.
    pub fallback_name: String,
    /// Whether it ships with the program: nobody is told about unused things in it.
    pub builtin: bool,
    /// Its tree.
    pub file: &'a ast::File,
}

/// Checks all files of a run together. Diagnostics are sorted by place.
#[must_use]
pub fn check(files: &[ModuleFile<'_>]) -> (Policies, Vec<Diagnostic>) {
    let (modules, mut diagnostics) = modules::collect(files);
    let named: Vec<schema::Module<'_>> = modules.iter().map(|module| (module.name.as_str(), module.file)).collect();
    let (schema, found) = schema::build_schema(&named);
    diagnostics.extend(found);
    let mut policies = Policies { schema: Arc::new(schema), ..Policies::default() };
    let schema = Arc::clone(&policies.schema);
    let (globals, found) = modules::declare(&schema, &modules);
    diagnostics.extend(found);
    let mut context = Context { globals: &globals, modules: &modules, policies: &mut policies, diagnostics, uses: Uses::default() };
    context.params();
    context.defs();
    context.actions();
    context.rules();
    context.packs();
    context.waivers();
    context.tests();
    lints::unused(&mut context);
    let mut diagnostics = context.diagnostics;
    sort_diagnostics(&mut diagnostics);
    (policies, diagnostics)
}

/// What one run of the checker carries along.
struct Context<'a> {
    globals: &'a scope::Globals<'a>,
    modules: &'a [modules::Module<'a>],
    policies: &'a mut Policies,
    diagnostics: Vec<Diagnostic>,
    uses: Uses,
}

/// What was used, to warn about the rest.
#[derive(Debug, Default)]
struct Uses {
    names: BTreeMap<usize, BTreeSet<String>>,
    params: BTreeSet<ParamId>,
    defs: BTreeSet<DefId>,
}

impl<'a> Context<'a> {
    fn checker(&self, module: usize) -> expression::Checker<'a> {
        expression::Checker::new(self.globals, module)
    }

    /// Takes over what a checker found and which variables nobody read.
    fn finish(&mut self, mut checker: expression::Checker<'_>, module: usize) -> (u32, Vec<String>, BTreeSet<DefId>) {
        self.diagnostics.append(&mut checker.diagnostics);
        self.uses.names.entry(module).or_default().extend(checker.used_names);
        self.uses.params.extend(checker.used_params.iter().copied());
        self.uses.defs.extend(checker.used_defs.iter().copied());
        let n_slots = u32::try_from(checker.variables.len()).unwrap_or(u32::MAX);
        (n_slots, checker.variables.into_iter().map(|variable| variable.name).collect(), checker.used_defs)
    }

    fn error(&mut self, code: &'static str, span: Span, text: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, text));
    }

    /// Resolves a type as written; what is wrong with it was reported when signatures were collected.
    fn type_of(&self, ty: &ast::TypeExpr) -> Option<Type> {
        schema::resolve_type(self.globals.schema, ty).ok()
    }

    fn items(&self) -> impl Iterator<Item = (usize, &'a ast::Item)> + use<'a> {
        let modules = self.modules;
        modules.iter().enumerate().flat_map(|(at, module)| module.file.items.iter().map(move |item| (at, item)))
    }
}

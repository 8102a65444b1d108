//! Modules: their names, their imports, and what each declares.

use std::collections::{BTreeMap, BTreeSet};

use super::ModuleFile;
use super::expression::REPORTED;
use super::schema::resolve_type;
use super::scope::{Global, Globals, ModuleNames, Signature};
use super::typed::{ActionId, DefId, ParamId, RuleId};
use crate::model::{Base, Schema, Type};
use crate::syntax::ast;
use crate::text::{Diagnostic, Span, did_you_mean};

/// A file under the name of its module.
#[derive(Debug)]
pub(super) struct Module<'a> {
    pub(super) name: String,
    pub(super) builtin: bool,
    pub(super) file: &'a ast::File,
}

/// Names the modules; two files may not share a name, and nobody may take the name of a built-in one.
pub(super) fn collect<'a>(files: &[ModuleFile<'a>]) -> (Vec<Module<'a>>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut seen: BTreeMap<String, (Span, bool)> = BTreeMap::new();
    let mut modules = Vec::new();
    for file in files {
        let declared = file.file.module.as_ref();
        let name = declared.map_or_else(|| file.fallback_name.clone(), |module| module.value.clone());
        let span = declared.map_or_else(|| Span::new(file.file.id, 0, 0), |module| module.span);
        if let Some((first, builtin)) = seen.get(&name) {
            let text = format!("module `{name}` exists already");
            let mut diagnostic = Diagnostic::error("T0109", span, text).help("give the module another name");
            if *builtin {
                diagnostic = diagnostic.help("it ships with tenet and cannot be replaced; give yours another name");
            } else {
                diagnostic = diagnostic.label(*first, "the other one");
            }
            diagnostics.push(diagnostic);
        } else {
            seen.insert(name.clone(), (span, file.builtin));
        }
        modules.push(Module { name, builtin: file.builtin, file: file.file });
    }
    (modules, diagnostics)
}

/// Collects signatures and resolves imports.
pub(super) fn declare<'a>(schema: &'a Schema, modules: &[Module<'_>]) -> (Globals<'a>, Vec<Diagnostic>) {
    let mut declarer = Declarer {
        globals: Globals {
            schema,
            modules: modules.iter().map(|module| ModuleNames { name: module.name.clone(), ..ModuleNames::default() }).collect(),
            params: Vec::new(),
            defs: Vec::new(),
            actions: Vec::new(),
            rules: BTreeMap::new(),
        },
        diagnostics: Vec::new(),
    };
    let mut rules: Vec<(&ast::Item, &ast::Rule)> = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        for item in &module.file.items {
            if let ast::ItemKind::Rule(rule) = &item.kind {
                rules.push((item, rule));
            }
            declarer.item(at, item);
        }
    }
    declarer.rules(rules);
    declarer.imports(modules);
    (declarer.globals, declarer.diagnostics)
}

struct Declarer<'a> {
    globals: Globals<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl Declarer<'_> {
    fn item(&mut self, module: usize, item: &ast::Item) {
        match &item.kind {
            ast::ItemKind::Param(param) => {
                let result = self.type_of(&param.ty);
                let global = Global::Param(ParamId(count(self.globals.params.len())));
                self.globals.params.push(Signature { name: param.name.value.clone(), formals: Vec::new(), result, span: param.name.span });
                self.own(module, &param.name, global);
            }
            ast::ItemKind::Def(def) => {
                let formals = self.formals(&def.formals);
                let result = self.type_of(&def.result);
                let global = Global::Def(DefId(count(self.globals.defs.len())));
                self.globals.defs.push(Signature { name: def.name.value.clone(), formals, result, span: def.name.span });
                self.own(module, &def.name, global);
            }
            ast::ItemKind::Action(action) => {
                let formals = self.formals(&action.formals);
                let global = Global::Action(ActionId(count(self.globals.actions.len())));
                let result = Type::of(Base::Bool);
                self.globals.actions.push(Signature { name: action.name.value.clone(), formals, result, span: action.name.span });
                self.own(module, &action.name, global);
            }
            _ => {}
        }
    }

    fn formals(&mut self, formals: &[ast::Formal]) -> Vec<(String, Type)> {
        formals.iter().map(|formal| (formal.name.value.clone(), self.type_of(&formal.ty))).collect()
    }

    fn type_of(&mut self, ty: &ast::TypeExpr) -> Type {
        resolve_type(self.globals.schema, ty).unwrap_or_else(|diagnostic| {
            self.diagnostics.push(diagnostic);
            REPORTED
        })
    }

    fn own(&mut self, module: usize, name: &ast::Ident, global: Global) {
        let Some(names) = self.globals.modules.get_mut(module) else { return };
        if let Some((_, first)) = names.own.get(&name.value) {
            let text = format!("`{}` is declared twice in this module", name.value);
            self.diagnostics.push(Diagnostic::error("T0109", name.span, text).label(*first, "declared here first"));
            return;
        }
        names.own.insert(name.value.clone(), (global, name.span));
        if self.globals.schema.named(&name.value).is_some() {
            let text = format!("`{}` is the name of a type", name.value);
            self.diagnostics.push(Diagnostic::error("T0108", name.span, text));
        }
    }

    /// Rules are numbered by id, so that results come in that order; former ids lead to the same rule.
    fn rules(&mut self, mut rules: Vec<(&ast::Item, &ast::Rule)>) {
        rules.sort_by(|a, b| a.1.id.value.cmp(&b.1.id.value));
        let mut spans: BTreeMap<&str, Span> = BTreeMap::new();
        for (at, (_, rule)) in rules.iter().enumerate() {
            if let Some(first) = spans.insert(&rule.id.value, rule.id.span) {
                let text = format!("there are two rules `{}`", rule.id.value);
                self.diagnostics.push(Diagnostic::error("T0109", rule.id.span, text).label(first, "the other one"));
            }
            self.globals.rules.insert(rule.id.value.clone(), RuleId(count(at)));
        }
        for (at, (item, _)) in rules.iter().enumerate() {
            for (former, span) in former_ids(item) {
                let own = RuleId(count(at));
                if *self.globals.rules.entry(former.clone()).or_insert(own) != own {
                    let text = format!("`{former}` is the id of another rule");
                    self.diagnostics.push(Diagnostic::error("T0109", span, text));
                }
            }
        }
    }

    fn imports(&mut self, modules: &[Module<'_>]) {
        // Of two modules of one name the first one counts: those that ship with the program come first.
        let index: BTreeMap<String, usize> =
            modules.iter().enumerate().rev().map(|(at, module)| (module.name.replace('.', "/"), at)).collect();
        let mut edges: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); modules.len()];
        for (at, module) in modules.iter().enumerate() {
            for import in &module.file.imports {
                if let Some(target) = self.resolve_import(&index, import) {
                    if let Some(edges) = edges.get_mut(at) {
                        edges.insert(target);
                    }
                    self.bring_in(at, target, import);
                }
            }
        }
        self.refuse_circles(modules, &index, &edges);
    }

    fn resolve_import(&mut self, index: &BTreeMap<String, usize>, import: &ast::Import) -> Option<usize> {
        let path = import.path.value.as_str();
        if path.split('/').any(|part| part == "..") || path.starts_with('/') || path.contains('\\') {
            let diagnostic = Diagnostic::error("T0114", import.path.span, "an import names a module, and cannot leave the repository")
                .help("write the path of the module from the top, such as \"lib/dpor\"");
            self.diagnostics.push(diagnostic);
            return None;
        }
        if let Some(target) = index.get(path.trim_end_matches(".tenet")) {
            return Some(*target);
        }
        let help = did_you_mean(path, index.keys().map(String::as_str)).map(|near| format!("did you mean \"{near}\"?"));
        let diagnostic = Diagnostic::error("T0114", import.path.span, format!("there is no module `{path}`")).maybe_help(help);
        self.diagnostics.push(diagnostic);
        None
    }

    fn bring_in(&mut self, at: usize, target: usize, import: &ast::Import) {
        let exported = self.globals.modules.get(target).map(|module| module.own.clone());
        let Some(exported) = exported else { return };
        let mut names: Vec<(String, Global, Span)> = Vec::new();
        if let Some(alias) = &import.alias {
            names.push((alias.value.clone(), Global::Module(target), alias.span));
        } else if import.names.is_empty() {
            names.extend(exported.iter().map(|(name, (global, _))| (name.clone(), *global, import.span)));
        }
        for name in &import.names {
            if let Some((global, _)) = exported.get(&name.value) {
                names.push((name.value.clone(), *global, name.span));
            } else {
                let help = did_you_mean(&name.value, exported.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                let text = format!("module `{}` has no `{}`", import.path.value, name.value);
                self.diagnostics.push(Diagnostic::error("T0101", name.span, text).maybe_help(help));
            }
        }
        let Some(module) = self.globals.modules.get_mut(at) else { return };
        for (name, global, span) in names {
            if let Some((_, first)) = module.get(&name) {
                let text = format!("`{name}` already means something here");
                self.diagnostics.push(Diagnostic::error("T0108", span, text).label(first, "it is declared here"));
            } else {
                module.imported.insert(name, (global, span));
            }
        }
    }

    /// Modules that import each other in a circle are refused: a reader could not tell which comes first.
    fn refuse_circles(&mut self, modules: &[Module<'_>], index: &BTreeMap<String, usize>, edges: &[BTreeSet<usize>]) {
        let mut graph = petgraph::graph::DiGraph::<(), ()>::new();
        let nodes: Vec<_> = edges.iter().map(|_| graph.add_node(())).collect();
        for (from, targets) in edges.iter().enumerate() {
            for to in targets {
                if let (Some(from), Some(to)) = (nodes.get(from), nodes.get(*to)) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        let mut component: BTreeMap<usize, usize> = BTreeMap::new();
        let parts = petgraph::algo::kosaraju_scc(&graph);
        for (number, part) in parts.iter().enumerate() {
            component.extend(part.iter().map(|node| (node.index(), number)));
        }
        for (at, module) in modules.iter().enumerate() {
            for import in &module.file.imports {
                let Some(target) = index.get(import.path.value.trim_end_matches(".tenet")) else { continue };
                let size = component.get(&at).and_then(|number| parts.get(*number)).map_or(0, Vec::len);
                if *target == at || (size > 1 && component.get(target) == component.get(&at)) {
                    let text = format!("`{}` and `{}` import each other", module.name.replace('.', "/"), import.path.value);
                    let diagnostic = Diagnostic::error("T0115", import.path.span, text).help("move what both need into a third module");
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }
}

/// Returns the arguments of `@was("OLD-ID")`.
pub(super) fn former_ids(item: &ast::Item) -> Vec<(String, Span)> {
    let was = item.head.annotations.iter().filter(|annotation| annotation.name.value == "was");
    was.flat_map(|annotation| &annotation.args).map(|(_, id)| (id.value.clone(), id.span)).collect()
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

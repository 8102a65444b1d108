//! Parameters, definitions, packs and waivers.

use std::collections::BTreeSet;

use super::Context;
use super::expression::{Checker, REPORTED, failed};
use super::typed::{Def, DefId, Expr, ExprKind, Pack, PackUse, Param, ParamId, RuleId, VarId, Waivable, Waiver, day_after};
use crate::model::{Base, Type};
use crate::syntax::ast;
use crate::text::{Diagnostic, did_you_mean};

/// The longest chain of definitions that call each other.
const CALLS_MAX: usize = 100;
/// How many operations deep such a chain may be in all: evaluation needs a stack.
const CALL_OPERATIONS_MAX: usize = 500;

/// How deep a definition reaches.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    calls: usize,
    operations: usize,
}

impl Context<'_> {
    pub(super) fn params(&mut self) {
        for (module, item) in self.items() {
            let ast::ItemKind::Param(param) = &item.kind else { continue };
            let ty = self.type_of(&param.ty).unwrap_or(REPORTED);
            let mut checker = self.checker(module);
            let value = param.value.as_ref().map(|value| {
                let value = checker.expr(value, Some(ty));
                let value = checker.require(value, ty);
                require_constant(&mut checker, &value);
                require_earlier(&mut checker, &value, self.policies.params.len());
                value
            });
            self.finish(checker, module);
            self.policies.params.push(Param {
                module: self.globals.modules.get(module).map_or_else(String::new, |names| names.name.clone()),
                name: param.name.value.clone(),
                ty,
                value,
                is_const: param.is_const,
                docs: item.head.docs.clone(),
                span: param.name.span,
            });
        }
    }

    pub(super) fn defs(&mut self) {
        let mut calls: Vec<BTreeSet<DefId>> = Vec::new();
        for (module, item) in self.items() {
            let ast::ItemKind::Def(def) = &item.kind else { continue };
            let result = self.type_of(&def.result).unwrap_or(REPORTED);
            let mut checker = self.checker(module);
            let formals = declare_formals(&mut checker, &def.formals);
            let body = match &def.body {
                ast::DefBody::Expr(expr) => {
                    let body = checker.expr(expr, Some(result));
                    checker.require(body, result)
                }
                ast::DefBody::Branches(branches) => self.branches(&mut checker, branches, result, def),
            };
            let (n_slots, slot_names, used) = self.finish(checker, module);
            calls.push(used);
            self.policies.defs.push(Def {
                module: self.globals.modules.get(module).map_or_else(String::new, |names| names.name.clone()),
                name: def.name.value.clone(),
                reads: vec![false; formals.len()],
                formals,
                result,
                body,
                n_slots,
                slot_names,
                docs: item.head.docs.clone(),
                span: def.name.span,
            });
        }
        self.refuse_recursion(&calls);
        super::reads::note_reads(&mut self.policies.defs);
    }

    fn branches(&mut self, checker: &mut Checker<'_>, branches: &[(ast::Ident, ast::Expr)], result: Type, def: &ast::Def) -> Expr {
        if result.base != Base::Bool || result.set || result.optional {
            self.error("T0103", def.result.span, "named branches give a Bool: they say in which of several ways something holds");
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let mut checked = Vec::new();
        for (name, branch) in branches {
            if !names.insert(&name.value) {
                self.error("T0109", name.span, format!("there are two branches `{}`", name.value));
            }
            checked.push((name.value.clone(), checker.scoped(|checker| checker.condition(branch))));
        }
        Expr { kind: ExprKind::Branches(checked), ty: Type::of(Base::Bool), span: def.name.span }
    }

    /// A definition that leads back to itself would have no end; its body is taken out so that nothing follows it.
    fn refuse_recursion(&mut self, calls: &[BTreeSet<DefId>]) {
        let mut graph = petgraph::graph::DiGraph::<(), ()>::new();
        let nodes: Vec<_> = calls.iter().map(|_| graph.add_node(())).collect();
        for (from, targets) in calls.iter().enumerate() {
            for to in targets {
                if let (Some(from), Some(to)) = (nodes.get(from), nodes.get(to.0 as usize)) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        // Called definitions come before those that call them; unlike Tarjan's, this walk needs no stack.
        let mut depths: Vec<Depth> = vec![Depth::default(); calls.len()];
        for mut part in petgraph::algo::kosaraju_scc(&graph) {
            part.sort();
            let selfish = part.iter().any(|node| graph.contains_edge(*node, *node));
            if part.len() < 2 && !selfish {
                self.measure(part.first().map_or(0, |node| node.index()), calls, &mut depths);
                continue;
            }
            let names: Vec<String> =
                part.iter().filter_map(|node| self.policies.defs.get(node.index())).map(|def| format!("`{}`", def.name)).collect();
            let names = shortened(&names);
            for node in &part {
                let Some(def) = self.policies.defs.get_mut(node.index()) else { continue };
                def.body = failed(def.span, def.result);
                let text = format!("definitions may not lead back to themselves: {names}");
                let diagnostic =
                    Diagnostic::error("T0112", def.span, text).help("to follow a navigation any number of steps, write `^+` or `^*`");
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// Refuses a definition behind which calls nest too deep to be followed; what calls it starts anew.
    fn measure(&mut self, at: usize, calls: &[BTreeSet<DefId>], depths: &mut [Depth]) {
        let Some(def) = self.policies.defs.get_mut(at) else { return };
        let below = calls.get(at).into_iter().flatten().filter_map(|called| depths.get(called.0 as usize));
        let below = below.fold(Depth::default(), |most, depth| Depth {
            calls: most.calls.max(depth.calls),
            operations: most.operations.max(depth.operations),
        });
        let mut depth = Depth { calls: below.calls + 1, operations: below.operations + height(&def.body) };
        if depth.calls > CALLS_MAX || depth.operations > CALL_OPERATIONS_MAX {
            let text = if depth.calls > CALLS_MAX {
                format!("definitions call each other at most {CALLS_MAX} deep, and `{}` reaches deeper", def.name)
            } else {
                format!(
                    "with all it calls, a definition is at most {CALL_OPERATIONS_MAX} operations deep, and `{}` is {}",
                    def.name, depth.operations
                )
            };
            def.body = failed(def.span, def.result);
            depth = Depth::default();
            self.diagnostics.push(Diagnostic::error("T0002", def.span, text).help("shorten the chain of definitions"));
        }
        if let Some(slot) = depths.get_mut(at) {
            *slot = depth;
        }
    }

    pub(super) fn no_property<'n>(&mut self, entity: &str, name: &ast::Ident, names: impl Iterator<Item = &'n String>) {
        let help = did_you_mean(&name.value, names.map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let diagnostic = Diagnostic::error("T0102", name.span, format!("{entity} has no property `{}`", name.value));
        self.diagnostics.push(diagnostic.maybe_help(help));
    }

    /// Finds a rule by its present or a former id.
    pub(super) fn rule_named(&mut self, id: &ast::Ident) -> Option<RuleId> {
        if let Some(rule) = self.globals.rules.get(&id.value) {
            return Some(*rule);
        }
        let help = did_you_mean(&id.value, self.globals.rules.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        self.diagnostics.push(Diagnostic::error("T0202", id.span, format!("there is no rule `{}`", id.value)).maybe_help(help));
        None
    }

    /// Finds a requirement of a rule by name.
    pub(super) fn requirement_named(&mut self, rule: RuleId, name: &ast::Ident) -> Option<usize> {
        let rule = self.policies.rules.get(rule.0 as usize)?;
        let found = rule.requirements.iter().position(|requirement| requirement.name == name.value);
        if found.is_none() {
            let names = rule.requirements.iter().map(|requirement| requirement.name.as_str());
            let help = did_you_mean(&name.value, names).map(|near| format!("did you mean `{near}`?"));
            let text = format!("rule `{}` has no requirement `{}`", rule.id, name.value);
            self.diagnostics.push(Diagnostic::error("T0203", name.span, text).maybe_help(help));
        }
        found
    }

    pub(super) fn packs(&mut self) {
        for (module, item) in self.items() {
            let ast::ItemKind::Pack(pack) = &item.kind else { continue };
            let uses = pack.uses.iter().filter_map(|used| self.pack_use(module, used)).collect();
            if let Some(other) = self.policies.packs.iter().find(|other| other.name == pack.name.value) {
                let text = format!("there are two packs `{}`", pack.name.value);
                let diagnostic = Diagnostic::error("T0109", pack.name.span, text).label(other.span, "the other one");
                self.diagnostics.push(diagnostic);
            }
            self.policies.packs.push(Pack {
                name: pack.name.value.clone(),
                title: pack.title.as_ref().map(|title| title.value.clone()),
                uses,
                span: pack.name.span,
            });
        }
        self.policies.packs.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn pack_use(&mut self, module: usize, used: &ast::PackUse) -> Option<PackUse> {
        let rule = self.rule_named(&used.rule)?;
        let blocking = match used.level.as_ref().map(|level| (level.value.as_str(), level.span)) {
            None | Some(("blocking", _)) => true,
            Some(("advisory", _)) => false,
            Some((other, span)) => {
                self.error("T0211", span, format!("`{other}` is no level; write `blocking` or `advisory`"));
                true
            }
        };
        let mut params = Vec::new();
        for (name, value) in &used.params {
            let Some(id) = self.param_named(&name.value) else {
                let names: Vec<String> =
                    self.policies.params.iter().filter(|param| !param.is_const).map(|param| param.name.clone()).collect();
                let help = did_you_mean(&name.value, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                let text = format!("there is no parameter `{}`, or more than one", name.value);
                self.diagnostics.push(Diagnostic::error("T0211", name.span, text).maybe_help(help));
                continue;
            };
            params.extend(self.param_value(module, id, value).map(|value| (id, value)));
        }
        Some(PackUse { rule, params, blocking })
    }

    /// Finds a parameter that can be set by its name alone; `None` if there is none or more than one.
    fn param_named(&self, name: &str) -> Option<ParamId> {
        let mut found = (0_u32..).zip(&self.policies.params).filter(|(_, param)| param.name == name && !param.is_const);
        let first = found.next()?;
        found.next().is_none().then_some(ParamId(first.0))
    }

    pub(super) fn param_value(&mut self, module: usize, id: ParamId, value: &ast::Expr) -> Option<Expr> {
        let ty = self.policies.params.get(id.0 as usize)?.ty;
        let mut checker = self.checker(module);
        let value = checker.expr(value, Some(ty));
        let value = checker.require(value, ty);
        require_constant(&mut checker, &value);
        self.finish(checker, module);
        (!matches!(value.kind, ExprKind::Error)).then_some(value)
    }

    pub(super) fn waivers(&mut self) {
        for (module, item) in self.items() {
            let ast::ItemKind::Waive(waive) = &item.kind else { continue };
            let waiver = self.waiver(module, item, waive);
            self.policies.waivers.extend(waiver);
        }
    }

    fn waiver(&mut self, module: usize, item: &ast::Item, waive: &ast::Waive) -> Option<Waiver> {
        let rule_id = self.rule_named(&waive.rule)?;
        let requirement = match &waive.requirement {
            Some(name) => Some(self.requirement_named(rule_id, name)?),
            None => None,
        };
        let rule = self.policies.rules.get(rule_id.0 as usize)?.clone();
        let entity = self.globals.schema.entity_named(&waive.entity.name.value).map(|ty| ty.id);
        if entity != Some(rule.entity) {
            let wanted = self.globals.schema.entity_name(rule.entity);
            let text = format!("rule `{}` is about a {wanted}, not a {}", rule.id, waive.entity.name.value);
            self.error("T0205", waive.entity.span(), text);
        }
        let mut checker = self.checker(module);
        checker.declare(&waive.subject, Type::of(Base::Entity(rule.entity)));
        let filter = waive.filter.as_ref().map(|filter| checker.condition(filter));
        let (n_slots, _, _) = self.finish(checker, module);
        self.waiver_limits(&rule, waive);
        let missing =
            [("until", waive.until.is_none()), ("because", waive.because.is_none()), ("approved by", waive.approved_by.is_empty())];
        for (field, _) in missing.iter().filter(|(_, missing)| *missing) {
            self.error("T0205", waive.rule.span, format!("the waiver does not say `{field}`"));
        }
        Some(Waiver {
            rule: rule_id,
            requirement,
            entity: rule.entity,
            filter,
            from: waive.from.as_ref().map(|from| from.value),
            until: waive.until.as_ref()?.value,
            because: waive.because.as_ref()?.value.clone(),
            approved_by: waive.approved_by.iter().map(|name| name.value.clone()).collect(),
            ticket: waive.ticket.as_ref().map(|ticket| ticket.value.clone()),
            n_slots,
            span: item.head.span,
        })
    }

    fn waiver_limits(&mut self, rule: &super::typed::Rule, waive: &ast::Waive) {
        let Waivable::UpTo { limit, .. } = &rule.waivable else {
            self.diagnostics.push(
                Diagnostic::error("T0207", waive.rule.span, format!("rule `{}` is not waivable", rule.id))
                    .label(rule.span, "it says so here"),
            );
            return;
        };
        if let (Some(from), Some(until)) = (&waive.from, &waive.until) {
            let days = |seconds: i64| crate::model::format_duration(seconds);
            if until.value < from.value {
                self.error("T0206", until.span, "the waiver ends before it begins");
            }
            // The end day is inclusive, so a waiver of one day has equal ends.
            let length = day_after(until.value).as_second() - from.value.as_second();
            if length > *limit {
                let text = format!("rule `{}` may be waived for {}, and this waiver runs for {}", rule.id, days(*limit), days(length));
                self.error("T0206", until.span, text);
            }
        }
    }
}

/// Counts the operations on the longest way down an expression; the reader has limited it.
fn height(expr: &Expr) -> usize {
    1 + super::walk::children(expr).into_iter().map(height).max().unwrap_or(0)
}

/// Lists names, the first few of many.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

pub(super) fn declare_formals(checker: &mut Checker<'_>, formals: &[ast::Formal]) -> Vec<(String, Type)> {
    let mut declared = Vec::new();
    for formal in formals {
        let ty = super::schema::resolve_type(checker.globals.schema, &formal.ty).unwrap_or(REPORTED);
        let VarId(_) = checker.declare(&formal.name, ty);
        declared.push((formal.name.value.clone(), ty));
    }
    declared
}

/// A parameter's value is written down, not read from the snapshot.
fn require_constant(checker: &mut Checker<'_>, value: &Expr) {
    let mut reads = false;
    super::walk::walk(value, &mut |expr| {
        reads |= !matches!(
            expr.kind,
            ExprKind::Value(_)
                | ExprKind::None
                | ExprKind::Param(_)
                | ExprKind::Set(_)
                | ExprKind::Add(..)
                | ExprKind::Subtract(..)
                | ExprKind::Error
        );
    });
    if reads {
        checker.error("T0103", value.span, "the value of a parameter is written down, not read from the tenant");
    }
}

/// A parameter's default uses parameters declared before it, so that no circle can arise.
fn require_earlier(checker: &mut Checker<'_>, value: &Expr, own: usize) {
    let mut circular = false;
    super::walk::walk(value, &mut |expr| {
        circular |= matches!(expr.kind, ExprKind::Param(id) if id.0 as usize >= own);
    });
    if circular {
        checker.error("T0112", value.span, "the value of a parameter uses only parameters declared before it");
    }
}

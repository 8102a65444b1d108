//! Actions: what can be done about a finding, by whom, and what it changes.

use super::Context;
use super::expression::{Checker, failed};
use super::items::declare_formals;
use super::scope::Global;
use super::typed::{Action, ActionMode, ClickPath, Effect, Expr, ExprKind, VarId};
use crate::model::{Base, EntityTypeId, Type};
use crate::syntax::ast;

impl Context<'_> {
    pub(super) fn actions(&mut self) {
        for (module, item) in self.items() {
            let ast::ItemKind::Action(action) = &item.kind else { continue };
            let checked = self.action(module, item, action);
            self.policies.actions.push(checked);
        }
    }

    fn action(&mut self, module: usize, item: &ast::Item, action: &ast::Action) -> Action {
        let mut checker = self.checker(module);
        let formals = declare_formals(&mut checker, &action.formals);
        let mode = self.mode(action);
        let identity = action.identity.as_ref().map(|identity| self.identity(&mut checker, identity, mode));
        let actor = action.actor.as_ref().and_then(|actor| self.actor(&mut checker, actor));
        let requires = action.requires.iter().map(|requires| required(&mut checker, requires)).collect();
        let effects = action.effects.iter().filter_map(|effect| self.effect(&mut checker, effect)).collect();
        self.way_back(&mut checker, module, action);
        let paths = action.paths.iter().map(|path| self.click_path(&mut checker, path)).collect();
        let verify = action.verify.as_ref().map(|verify| checker.template(verify));
        let remedy = action.remedy.as_ref().map(|remedy| checker.template(remedy));
        let (n_slots, slot_names, _) = self.finish(checker, module);
        Action {
            module: self.globals.modules.get(module).map_or_else(String::new, |names| names.name.clone()),
            name: action.name.value.clone(),
            formals,
            mode,
            identity,
            actor,
            needs: action.needs.iter().map(|needs| needs.value.clone()).collect(),
            requires,
            effects,
            undo: action.undo.as_ref().map(|(name, _)| name.value.clone()),
            irreversible: action.irreversible.as_ref().map(|reason| reason.value.clone()),
            paths,
            verify,
            remedy,
            n_slots,
            slot_names,
            docs: item.head.docs.clone(),
            span: action.name.span,
        }
    }

    fn mode(&mut self, action: &ast::Action) -> ActionMode {
        match action.mode.as_ref().map(|mode| (mode.value.as_str(), mode.span)) {
            Some(("api", _)) => return ActionMode::Api,
            Some(("human", _)) => {}
            Some((other, span)) => self.error("T0201", span, format!("`{other}` is no mode; write `api` or `human`")),
            None => self.error(
                "T0201",
                action.name.span,
                format!("action `{}` does not say its mode; write `mode api` or `mode human`", action.name.value),
            ),
        }
        ActionMode::Human
    }

    /// Checks the identity of `mode api as e`.
    fn identity(&mut self, checker: &mut Checker<'_>, identity: &ast::Expr, mode: ActionMode) -> Expr {
        let checked = checker.expr(identity, None);
        if mode == ActionMode::Human {
            self.error("T0201", checked.span, "only what a service does is done as somebody; write `actor` for who may do it");
        }
        if checked.ty.optional {
            return checker.unguarded(checked);
        }
        if (checked.ty.entity().is_none() || checked.ty.set) && !matches!(checked.kind, ExprKind::Error) {
            checker.error("T0103", checked.span, "only an entity can be signed in");
        }
        checked
    }

    fn actor(
        &mut self,
        checker: &mut Checker<'_>,
        (name, entity, filter): &(ast::Ident, ast::Qualified, Option<ast::Expr>),
    ) -> Option<(VarId, EntityTypeId, Option<Expr>)> {
        let Some(ty) = self.globals.schema.entity_named(&entity.name.value).map(|ty| ty.id) else {
            self.error("T0116", entity.span(), format!("there is no entity `{}`", entity.name.value));
            return None;
        };
        let var = checker.declare(name, Type::of(Base::Entity(ty)));
        let filter = filter.as_ref().map(|filter| checker.condition(filter));
        Some((var, ty, filter))
    }

    /// Checks `undo` and `irreversible`; the arguments of `undo` are of the world before, and of what was created.
    fn way_back(&mut self, checker: &mut Checker<'_>, module: usize, action: &ast::Action) {
        if let (Some(_), Some(reason)) = (&action.undo, &action.irreversible) {
            let text = format!("action `{}` cannot both be undone and be irreversible", action.name.value);
            self.error("T0212", reason.span, text);
        }
        let Some((name, args)) = &action.undo else { return };
        let known = self.globals.modules.get(module).and_then(|names| names.get(&name.value));
        let signature = match known {
            Some((global @ Global::Action(_), _)) => self.globals.signature(global),
            _ => None,
        };
        match signature {
            Some(signature) => {
                checker.used_names.insert(name.value.clone());
                checker.arguments(&signature.name, &signature.formals, signature.span, args, name.span);
            }
            None => self.error("T0208", name.span, format!("there is no action `{}` here", name.value)),
        }
    }

    fn click_path(&mut self, checker: &mut Checker<'_>, path: &ast::ClickPath) -> ClickPath {
        if !is_date(&path.read.value) {
            let text = format!("`{}` is no year, month or day; write the date of the page, such as `2022-10`", path.read.value);
            self.error("T0213", path.read.span, text);
        }
        ClickPath { text: checker.template(&path.text), page: path.page.value.clone(), read: path.read.value.clone() }
    }

    fn effect(&mut self, checker: &mut Checker<'_>, effect: &ast::Effect) -> Option<Effect> {
        let schema = self.globals.schema;
        match effect {
            ast::Effect::Create(entity, fields, name) => {
                let Some(ty) = schema.entity_named(&entity.name.value) else {
                    self.error("T0116", entity.span(), format!("there is no entity `{}`", entity.name.value));
                    return None;
                };
                let mut values = Vec::new();
                for (name, value) in fields {
                    let Some(property) = schema.property_named(ty.id, &name.value) else {
                        self.no_property(&ty.name, name, ty.properties.keys());
                        continue;
                    };
                    let value = checker.expr(value, Some(property.ty));
                    values.push((property.id, checker.require(value, property.ty.or_none())));
                }
                let name = name.as_ref().map(|name| checker.declare(name, Type::of(Base::Entity(ty.id))));
                Some(Effect::Create(ty.id, values, name))
            }
            ast::Effect::Delete(target) => {
                let target = checker.expr(target, None);
                if target.ty.entity().is_none() && !matches!(target.kind, ExprKind::Error) {
                    checker.error("T0103", target.span, "only an entity can be deleted");
                }
                Some(Effect::Delete(target))
            }
            ast::Effect::Forget(target) => {
                let target = checker.expr(target, None);
                let (ExprKind::Attribute { base, property, at: None, .. } | ExprKind::Navigation { base, property, at: None, .. }) =
                    target.kind
                else {
                    checker.error("T0103", target.span, "only an attribute of an entity can be forgotten");
                    return None;
                };
                Some(Effect::Set(*base, property, failed(target.span, target.ty)))
            }
            ast::Effect::Set(target, value) => {
                let target = checker.expr(target, None);
                let ExprKind::Attribute { base, property, at: None, .. } = target.kind else {
                    checker.error("T0103", target.span, "only an attribute of an entity can be set");
                    return None;
                };
                let ty = schema.property(property).map_or(target.ty, |property| property.ty);
                let value = checker.expr(value, Some(ty));
                let value = checker.require(value, ty);
                Some(Effect::Set(*base, property, value))
            }
        }
    }
}

/// Checks a condition of `requires`; it holds for the clauses behind it.
fn required(checker: &mut Checker<'_>, condition: &ast::Expr) -> Expr {
    let checked = checker.scoped(|checker| checker.condition(condition));
    checker.assume(&checked, true);
    checked
}

/// Tells whether the text is a year, a month of a year, or a day.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year] => digits(year, 4),
        [year, month] => digits(year, 4) && digits(month, 2) && ("01"..="12").contains(month),
        [_, _, _] => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        _ => false,
    }
}

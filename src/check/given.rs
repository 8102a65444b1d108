//! Tests: the worlds they are given and what they expect.

use std::collections::BTreeMap;

use super::Context;
use super::scope::Global;
use super::typed::{Expectation, ExprKind, GivenEntity, GivenHistory, GivenLink, GivenMissing, GivenValue, MissingTarget, ParamId, Test};
use crate::model::{Base, EntityTypeId, Property, Type};
use crate::syntax::ast::{self, GivenStep};
use crate::text::{Diagnostic, did_you_mean};

/// Entities of a test's world by name: place and type.
type Names = BTreeMap<String, (usize, EntityTypeId)>;

impl Context<'_> {
    pub(super) fn tests(&mut self) {
        for (module, item) in self.items() {
            let ast::ItemKind::Test(test) = &item.kind else { continue };
            let checked = self.test(module, item, test);
            self.policies.tests.push(checked);
        }
    }

    fn test(&mut self, module: usize, item: &ast::Item, test: &ast::Test) -> Test {
        let (names, mut entities) = self.given_names(test);
        let mut checked = Test {
            name: test.name.value.clone(),
            module: self.globals.modules.get(module).map_or_else(String::new, |names| names.name.clone()),
            now: None,
            params: Vec::new(),
            entities: Vec::new(),
            missing: Vec::new(),
            links: Vec::new(),
            history: Vec::new(),
            expects: Vec::new(),
            span: item.head.span,
        };
        let mut next = 0;
        for step in &test.given {
            match step {
                GivenStep::Now(now) => checked.now = Some(now.value),
                GivenStep::Param(name, value) => checked.params.extend(self.given_param(module, name, value)),
                GivenStep::Entity(_, _, _, fields) => {
                    if let Some(entity) = entities.get_mut(next) {
                        entity.fields = self.given_fields(module, &names, entity.entity, fields);
                    }
                    next += 1;
                }
                GivenStep::Missing(path, before, because) => {
                    checked.missing.extend(self.given_missing(&names, path).map(|target| GivenMissing {
                        target,
                        before: before.as_ref().map(|before| before.value),
                        because: because.value.clone(),
                    }));
                }
                GivenStep::Link(path, member, from, until) => {
                    let target = self.given_property(&names, path);
                    let member = self.given_name(&names, member);
                    if let (Some((entity, property)), Some((member, _))) = (target, member) {
                        if !property.ty.set {
                            self.error("T0209", path.base.span, format!("`{}` is not a set; write `history`", property.name));
                        }
                        let (from, until) = (from.as_ref().map(|from| from.value), until.as_ref().map(|until| until.value));
                        checked.links.push(GivenLink { entity, property: property.id, member, from, until });
                    }
                }
                GivenStep::History(path, value, from, until) => {
                    let Some((entity, property)) = self.given_property(&names, path) else { continue };
                    if !property.history || property.ty.set {
                        let text = format!("`{}` keeps no history of values", property.name);
                        self.error("T0209", path.base.span, text);
                    }
                    let Some(value) = self.given_value(module, &names, property.ty, value) else { continue };
                    let (from, until) = (from.as_ref().map(|from| from.value), until.as_ref().map(|until| until.value));
                    checked.history.push(GivenHistory { entity, property: property.id, value, from, until });
                }
            }
        }
        checked.entities = entities;
        checked.expects = test.expects.iter().filter_map(|expect| self.expectation(&names, expect)).collect();
        if checked.expects.is_empty() && test.expects.is_empty() {
            self.error("T0209", test.name.span, "the test expects nothing");
        }
        checked
    }

    /// Names come first, so that entities may refer to later ones.
    fn given_names(&mut self, test: &ast::Test) -> (Names, Vec<GivenEntity>) {
        let mut names = Names::new();
        let mut entities = Vec::new();
        for step in &test.given {
            let GivenStep::Entity(ty, name, key, _) = step else { continue };
            let entity = self.globals.schema.entity_named(&ty.name.value);
            if entity.is_none() {
                let known = self.globals.schema.entities.iter().map(|ty| ty.name.as_str());
                let help = did_you_mean(&ty.name.value, known).map(|near| format!("did you mean `{near}`?"));
                let text = format!("there is no entity `{}`", ty.name.value);
                self.diagnostics.push(Diagnostic::error("T0116", ty.span(), text).maybe_help(help));
            }
            let id = entity.map_or(EntityTypeId(u32::MAX), |ty| ty.id);
            if names.insert(name.value.clone(), (entities.len(), id)).is_some() {
                self.error("T0109", name.span, format!("there are two `{}` in this world", name.value));
            }
            let key = key.as_ref().map_or_else(|| default_key(entity, &name.value), |key| key.value.clone());
            entities.push(GivenEntity { name: name.value.clone(), entity: id, key, fields: Vec::new() });
        }
        (names, entities)
    }

    fn given_name(&mut self, names: &Names, name: &ast::Ident) -> Option<(usize, EntityTypeId)> {
        let found = names.get(&name.value).copied();
        if found.is_none() {
            let help = did_you_mean(&name.value, names.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let text = format!("there is no `{}` in this world", name.value);
            self.diagnostics.push(Diagnostic::error("T0209", name.span, text).maybe_help(help));
        }
        found.filter(|(_, ty)| *ty != EntityTypeId(u32::MAX))
    }

    fn given_property(&mut self, names: &Names, path: &ast::GivenPath) -> Option<(usize, Property)> {
        let (at, ty) = self.given_name(names, &path.base)?;
        let Some(member) = &path.member else {
            self.error("T0209", path.base.span, "name one of its attributes: `name.attribute`");
            return None;
        };
        let property = self.globals.schema.property_named(ty, &member.value).cloned();
        if property.is_none()
            && let Some(entity) = self.globals.schema.entity(ty)
        {
            self.no_property(&entity.name, member, entity.properties.keys());
        }
        property.map(|property| (at, property))
    }

    fn given_missing(&mut self, names: &Names, path: &ast::GivenPath) -> Option<MissingTarget> {
        if path.member.is_none()
            && let Some(ty) = self.globals.schema.entity_named(&path.base.value)
        {
            return Some(MissingTarget::Extent(ty.id));
        }
        self.given_property(names, path).map(|(at, property)| MissingTarget::Property(at, property.id))
    }

    fn given_fields(
        &mut self,
        module: usize,
        names: &Names,
        ty: EntityTypeId,
        fields: &[(ast::Ident, ast::Expr)],
    ) -> Vec<(crate::model::PropertyId, GivenValue)> {
        let mut checked = Vec::new();
        for (name, value) in fields {
            let Some(entity) = self.globals.schema.entity(ty) else { continue };
            let Some(property) = self.globals.schema.property_named(ty, &name.value) else {
                self.no_property(&entity.name, name, entity.properties.keys());
                continue;
            };
            if property.is_key {
                let text = format!("the key is written in front: `{} name = \"…\" {{ … }}`", entity.name);
                self.error("T0209", name.span, text);
                continue;
            }
            checked.extend(self.given_value(module, names, property.ty, value).map(|value| (property.id, value)));
        }
        checked
    }

    fn given_value(&mut self, module: usize, names: &Names, ty: Type, value: &ast::Expr) -> Option<GivenValue> {
        match (&value.kind, ty.base) {
            (ast::ExprKind::None, _) => {
                if ty.optional {
                    return Some(GivenValue::None);
                }
                let text = format!("{} is never none; leave it out to make it unknown", self.globals.schema.type_name(ty));
                self.error("T0209", value.span, text);
                None
            }
            (ast::ExprKind::SetLiteral(items), _) if ty.set => {
                let items = items.iter().filter_map(|item| self.given_value(module, names, ty.member(), item));
                Some(GivenValue::Set(items.collect()))
            }
            (ast::ExprKind::Name(name), Base::Entity(wanted)) if !ty.set => {
                let name = ast::Ident::new(name.clone(), value.span);
                let (at, have) = self.given_name(names, &name)?;
                if !self.globals.schema.is_subtype(have, wanted) {
                    let (have, wanted) = (self.globals.schema.entity_name(have), self.globals.schema.entity_name(wanted));
                    let text = format!("`{}` is a {have}, and a {wanted} is needed", name.value);
                    self.error("T0103", value.span, text);
                }
                Some(GivenValue::Entity(at))
            }
            _ => self.given_scalar(module, ty, value),
        }
    }

    fn given_scalar(&mut self, module: usize, ty: Type, value: &ast::Expr) -> Option<GivenValue> {
        let mut checker = self.checker(module);
        let checked = checker.expr(value, Some(ty));
        let checked = checker.require(checked, ty);
        self.finish(checker, module);
        match checked.kind {
            ExprKind::Value(value) => Some(GivenValue::Scalar(value)),
            ExprKind::Param(id) => self.constant(id).map(GivenValue::Scalar),
            ExprKind::Error => None,
            _ => {
                self.error("T0209", value.span, "a world is made of literals, constants and its own entities");
                None
            }
        }
    }

    fn constant(&mut self, id: ParamId) -> Option<crate::model::Value> {
        match &self.policies.params.get(id.0 as usize)?.value.as_ref()?.kind {
            ExprKind::Value(value) => Some(value.clone()),
            _ => None,
        }
    }

    fn given_param(&mut self, module: usize, name: &ast::Qualified, value: &ast::Expr) -> Option<(ParamId, super::typed::Expr)> {
        let names = self.globals.modules.get(module)?;
        let global = match &name.module {
            None => names.get(&name.name.value).map(|(global, _)| global),
            Some(alias) => {
                self.uses.names.entry(module).or_default().insert(alias.value.clone());
                match names.get(&alias.value).map(|(global, _)| global) {
                    Some(Global::Module(target)) => {
                        self.globals.modules.get(target).and_then(|module| module.own.get(&name.name.value)).map(|(global, _)| *global)
                    }
                    _ => None,
                }
            }
        };
        let Some(Global::Param(id)) = global else {
            self.error("T0209", name.span(), format!("there is no parameter `{}` here", name.name.value));
            return None;
        };
        if self.policies.params.get(id.0 as usize).is_some_and(|param| param.is_const) {
            self.error("T0209", name.span(), format!("`{}` is a constant", name.name.value));
        }
        self.param_value(module, id, value).map(|value| (id, value))
    }

    fn expectation(&mut self, names: &Names, expect: &ast::Expect) -> Option<Expectation> {
        let subject = self.given_name(names, &expect.subject);
        let rule = self.rule_named(&expect.rule)?;
        let requirement = match &expect.requirement {
            Some(name) => Some(self.requirement_named(rule, name)?),
            None => None,
        };
        let mut because = Vec::new();
        for name in &expect.because {
            because.push(self.requirement_named(rule, name)?);
        }
        Some(Expectation {
            rule,
            requirement,
            subject: subject?.0,
            verdict: expect.verdict.value.clone(),
            because,
            after_fix: expect.after_fix,
            span: expect.span,
        })
    }
}

/// Makes a key of the right shape from the name of an entity, so that small worlds need none.
fn default_key(entity: Option<&crate::model::EntityType>, name: &str) -> String {
    let Some(entity) = entity else { return name.to_owned() };
    match (entity.key.base, entity.name.as_str()) {
        (Base::ArmId, "Subscription") => format!("/subscriptions/{name}"),
        (Base::ArmId, "RootScope") => "/".to_owned(),
        (Base::ArmId, "ManagementGroup") => format!("/providers/microsoft.management/managementgroups/{name}"),
        (Base::ArmId, _) => format!("/{}/{name}", entity.name),
        (_, _) if entity.key.alias.is_some() && entity.key.base == Base::String => {
            // Keys with a pattern, such as a PartnerID, are digits here; the name only tells them apart.
            let number = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
            format!("{:07}", number % 10_000_000)
        }
        _ => name.to_owned(),
    }
}

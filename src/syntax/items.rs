//! Schema, parameters, definitions and actions: from pairs to the tree.

use super::ast::{
    Action, Annotation, Attribute, ClickPath, Def, DefBody, Effect, Entity, Enum, Expr, Extend, Formal, Head, Ident, Import, ItemKind,
    Param, TypeAlias,
};
use super::builder::{Builder, Outcome, unexpected};
use super::grammar::{Pair, Parts, Rule};
use super::literal::regex_pattern;
use crate::text::{Diagnostic, Span, Spanned};

impl Builder {
    /// Reads any item but the head of a file; `span` is all of it.
    pub(super) fn item(&mut self, pair: Pair<'_>, span: Span) -> Outcome<(Head, ItemKind)> {
        let rule = pair.as_rule();
        let mut parts = Parts::of(pair);
        if rule == Rule::rule_item {
            return self.rule(parts, span);
        }
        let head = self.head(&mut parts, span)?;
        let kind = match rule {
            Rule::enum_item => ItemKind::Enum(self.enumeration(parts)?),
            Rule::type_item => ItemKind::Type(self.type_alias(parts)?),
            Rule::entity_item => ItemKind::Entity(self.entity(parts)?),
            Rule::extend_item => ItemKind::Extend(self.extension(parts)?),
            Rule::param_item => ItemKind::Param(self.parameter(parts, false)?),
            Rule::const_item => ItemKind::Param(self.parameter(parts, true)?),
            Rule::def_item => ItemKind::Def(self.definition(parts)?),
            Rule::action_item => ItemKind::Action(Box::new(self.action(parts)?)),
            Rule::pack_item => ItemKind::Pack(self.pack(parts)?),
            Rule::waive_item => ItemKind::Waive(self.waive(parts)?),
            Rule::test_item => ItemKind::Test(self.test(parts)?),
            _ => return Err(unexpected(span).into()),
        };
        Ok((head, kind))
    }

    /// Reads doc comments and annotations.
    pub(super) fn head(&mut self, parts: &mut Parts<'_>, span: Span) -> Outcome<Head> {
        let mut head = Head { span, ..Head::default() };
        loop {
            if let Some(doc) = parts.next_of(Rule::doc) {
                head.docs.push(doc_line(&doc));
            } else if let Some(annotation) = parts.next_of(Rule::annotation) {
                head.annotations.push(self.annotation(annotation)?);
            } else {
                return Ok(head);
            }
        }
    }

    fn annotation(&self, pair: Pair<'_>) -> Outcome<Annotation> {
        let mut parts = Parts::of(pair);
        let name = self.next_ident(&mut parts)?;
        let mut args = Vec::new();
        while let Some(argument) = parts.next_of(Rule::annotation_arg) {
            let mut pieces: Vec<Pair<'_>> = Parts::of(argument).collect();
            let value = pieces.pop().ok_or_else(|| unexpected(name.span))?;
            let key = pieces.pop().map(|key| self.ident(&key));
            let value = match value.as_rule() {
                Rule::plain_string => self.plain_text(value)?,
                _ => self.ident(&value),
            };
            args.push((key, value));
        }
        Ok(Annotation { name, args })
    }

    /// Reads `edition n`.
    pub(super) fn edition(&mut self, pair: Pair<'_>) -> Outcome<Spanned<i64>> {
        let mut parts = Parts::of(pair);
        self.head(&mut parts, Span::default())?;
        let number = self.need(&mut parts, Rule::integer)?;
        Ok(Spanned::new(self.integer(&number)?, self.span(&number)))
    }

    /// Reads `module a.b`.
    pub(super) fn module(&mut self, pair: Pair<'_>) -> Outcome<Ident> {
        let mut parts = Parts::of(pair);
        self.head(&mut parts, Span::default())?;
        self.next_ident(&mut parts)
    }

    /// Reads an import; `span` is all of it.
    pub(super) fn import(&mut self, pair: Pair<'_>, span: Span) -> Outcome<Import> {
        let mut parts = Parts::of(pair);
        self.head(&mut parts, span)?;
        let path = self.plain_text(self.need(&mut parts, Rule::plain_string)?)?;
        let mut import = Import { path, alias: None, names: Vec::new(), span };
        if let Some(alias) = parts.next_of(Rule::import_alias) {
            import.alias = Some(self.next_ident(&mut Parts::of(alias))?);
        } else if let Some(names) = parts.next_of(Rule::import_names) {
            import.names = Parts::of(names).map(|name| self.ident(&name)).collect();
        }
        Ok(import)
    }

    fn enumeration(&mut self, mut parts: Parts<'_>) -> Outcome<Enum> {
        let name = self.next_ident(&mut parts)?;
        let mut values = Vec::new();
        while let Some(value) = parts.next_of(Rule::enum_value) {
            let mut pieces = Parts::of(value);
            let docs = pieces.every(Rule::doc).iter().map(doc_line).collect();
            values.push((self.next_ident(&mut pieces)?, docs));
        }
        Ok(Enum { name, values })
    }

    fn type_alias(&mut self, mut parts: Parts<'_>) -> Outcome<TypeAlias> {
        let name = self.next_ident(&mut parts)?;
        let base = self.next_qualified(&mut parts)?;
        let pattern = parts.next_of(Rule::regex);
        let pattern = pattern.map(|pair| Spanned::new(regex_pattern(pair.as_str()), self.span(&pair)));
        Ok(TypeAlias { name, base, pattern })
    }

    fn entity(&mut self, mut parts: Parts<'_>) -> Outcome<Entity> {
        let is_abstract = parts.next_of(Rule::entity_abstract).is_some();
        let name = self.next_ident(&mut parts)?;
        let parent = match parts.next_of(Rule::entity_parent) {
            Some(parent) => Some(self.next_qualified(&mut Parts::of(parent))?),
            None => None,
        };
        let key = match parts.next_of(Rule::entity_key) {
            Some(key) => {
                let mut parts = Parts::of(key);
                Some((self.next_ident(&mut parts)?, self.next_type(&mut parts)?))
            }
            None => None,
        };
        Ok(Entity { is_abstract, name, parent, key, attributes: self.attributes(parts)? })
    }

    fn extension(&mut self, mut parts: Parts<'_>) -> Outcome<Extend> {
        let name = self.next_qualified(&mut parts)?;
        Ok(Extend { name, attributes: self.attributes(parts)? })
    }

    fn attributes(&mut self, mut parts: Parts<'_>) -> Outcome<Vec<Attribute>> {
        let mut attributes = Vec::new();
        while let Some(attribute) = parts.next_of(Rule::attribute) {
            attributes.push(self.attribute(attribute)?);
        }
        Ok(attributes)
    }

    fn attribute(&mut self, pair: Pair<'_>) -> Outcome<Attribute> {
        let start = self.span(&pair);
        let mut parts = Parts::of(pair);
        let mut head = self.head(&mut parts, start)?;
        let name = self.next_ident(&mut parts)?;
        let ty = self.next_type(&mut parts)?;
        let mut end = ty.span;
        let inverse = match parts.next_of(Rule::inverse) {
            Some(inverse) => Some(self.next_ident(&mut Parts::of(inverse))?),
            None => None,
        };
        end = inverse.as_ref().map_or(end, |inverse| inverse.span);
        let history = parts.next_of(Rule::history_mark);
        end = history.as_ref().map_or(end, |history| self.span(history));
        head.span = Span { end: end.end, ..start };
        Ok(Attribute { head, name, ty, inverse, history: history.is_some() })
    }

    fn parameter(&mut self, mut parts: Parts<'_>, is_const: bool) -> Outcome<Param> {
        let name = self.next_ident(&mut parts)?;
        let ty = self.next_type(&mut parts)?;
        let value = match parts.next_of(Rule::expr) {
            Some(value) => Some(self.expression(value)?),
            None => None,
        };
        Ok(Param { name, ty, value, is_const })
    }

    fn formals(&self, parts: &mut Parts<'_>) -> Outcome<Vec<Formal>> {
        let mut formals = Vec::new();
        for formal in Parts::of(self.need(parts, Rule::formals)?) {
            let mut parts = Parts::of(formal);
            formals.push(Formal { name: self.next_ident(&mut parts)?, ty: self.next_type(&mut parts)? });
        }
        Ok(formals)
    }

    fn definition(&mut self, mut parts: Parts<'_>) -> Outcome<Def> {
        let name = self.next_ident(&mut parts)?;
        let formals = self.formals(&mut parts)?;
        let result = self.next_type(&mut parts)?;
        let body = match parts.next_of(Rule::expr) {
            Some(body) => DefBody::Expr(self.expression(body)?),
            None => DefBody::Branches(self.branches(parts)?),
        };
        Ok(Def { name, formals, result, body })
    }

    fn branches(&mut self, mut parts: Parts<'_>) -> Outcome<Vec<(Ident, Expr)>> {
        let mut branches = Vec::new();
        while let Some(branch) = parts.next_of(Rule::branch) {
            let mut pieces = Parts::of(branch);
            pieces.every(Rule::doc);
            branches.push((self.next_ident(&mut pieces)?, self.next_expression(&mut pieces)?));
        }
        Ok(branches)
    }

    fn action(&mut self, mut parts: Parts<'_>) -> Outcome<Action> {
        let name = self.next_ident(&mut parts)?;
        let formals = self.formals(&mut parts)?;
        let mut action = Action {
            name,
            formals,
            mode: None,
            identity: None,
            actor: None,
            needs: Vec::new(),
            requires: Vec::new(),
            effects: Vec::new(),
            undo: None,
            irreversible: None,
            paths: Vec::new(),
            verify: None,
            remedy: None,
        };
        let mut once = Once::default();
        while let Some(clause) = parts.next_of(Rule::action_clause) {
            if let Some(clause) = Parts::of(clause).next() {
                let repeatable =
                    matches!(clause.as_rule(), Rule::needs_clause | Rule::requires_clause | Rule::effect_clause | Rule::path_clause);
                if !repeatable {
                    once.check(self, &clause, clause.as_rule());
                }
                let outcome = self.action_clause(clause, &mut action);
                self.keep(outcome);
            }
        }
        Ok(action)
    }

    fn action_clause(&mut self, clause: Pair<'_>, action: &mut Action) -> Outcome<()> {
        let rule = clause.as_rule();
        let span = self.span(&clause);
        let mut parts = Parts::of(clause);
        match rule {
            Rule::mode_clause => {
                action.mode = Some(self.next_ident(&mut parts)?);
                if let Some(identity) = parts.next_of(Rule::expr) {
                    action.identity = Some(self.expression(identity)?);
                }
            }
            Rule::actor_clause => {
                let name = self.next_ident(&mut parts)?;
                let ty = self.next_qualified(&mut parts)?;
                let filter = match parts.next_of(Rule::expr) {
                    Some(filter) => Some(self.expression(filter)?),
                    None => None,
                };
                action.actor = Some((name, ty, filter));
            }
            Rule::needs_clause => {
                let text = self.need(&mut parts, Rule::plain_string)?;
                action.needs.push(self.plain_text(text)?);
            }
            Rule::requires_clause => action.requires.push(self.next_expression(&mut parts)?),
            Rule::effect_clause => {
                let effect = self.next(&mut parts)?;
                action.effects.push(self.effect(effect)?);
            }
            Rule::undo_clause => {
                let name = self.next_ident(&mut parts)?;
                let arguments = self.need(&mut parts, Rule::arguments)?;
                action.undo = Some((name, self.arguments(arguments)?));
            }
            Rule::irreversible_clause => {
                let text = self.need(&mut parts, Rule::plain_string)?;
                action.irreversible = Some(self.plain_text(text)?);
            }
            Rule::path_clause => {
                let text = self.need(&mut parts, Rule::string)?;
                let text = self.message(text)?;
                let page = self.plain_text(self.need(&mut parts, Rule::plain_string)?)?;
                let read = self.plain_text(self.need(&mut parts, Rule::plain_string)?)?;
                action.paths.push(ClickPath { text, page, read });
            }
            Rule::verify_clause => {
                let text = self.need(&mut parts, Rule::string)?;
                action.verify = Some(self.message(text)?);
            }
            Rule::remedy_clause => {
                let text = self.need(&mut parts, Rule::string)?;
                action.remedy = Some(self.message(text)?);
            }
            _ => return Err(unexpected(span).into()),
        }
        Ok(())
    }

    fn effect(&mut self, pair: Pair<'_>) -> Outcome<Effect> {
        let rule = pair.as_rule();
        let mut parts = Parts::of(pair);
        Ok(match rule {
            Rule::effect_create => {
                let ty = self.next_qualified(&mut parts)?;
                let record = self.need(&mut parts, Rule::record)?;
                let fields = self.record(record)?;
                let name = parts.next_of(Rule::ident).map(|name| self.ident(&name));
                Effect::Create(ty, fields, name)
            }
            Rule::effect_delete => Effect::Delete(self.next_expression(&mut parts)?),
            Rule::effect_forget => Effect::Forget(self.next_expression(&mut parts)?),
            _ => {
                parts.next_of(Rule::kw_set);
                Effect::Set(self.next_expression(&mut parts)?, self.next_expression(&mut parts)?)
            }
        })
    }

    /// Reads `{ name: expression, … }`.
    pub(super) fn record(&mut self, pair: Pair<'_>) -> Outcome<Vec<(Ident, Expr)>> {
        let mut fields = Vec::new();
        for field in Parts::of(pair) {
            let mut parts = Parts::of(field);
            fields.push((self.next_ident(&mut parts)?, self.next_expression(&mut parts)?));
        }
        Ok(fields)
    }
}

/// Clauses that may stand only once.
#[derive(Default)]
pub(super) struct Once {
    seen: Vec<(Rule, Span)>,
}

impl Once {
    /// Reports the clause if one with the same key came before.
    pub(super) fn check(&mut self, builder: &mut Builder, clause: &Pair<'_>, key: Rule) {
        let span = builder.span(clause);
        let word = clause.as_str().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or("");
        let span = Span { end: span.start.saturating_add(u32::try_from(word.len()).unwrap_or(0)), ..span };
        match self.seen.iter().find(|(rule, _)| *rule == key) {
            Some((_, first)) => builder.diagnostics.push(
                Diagnostic::error("T0008", span, format!("`{word}` stands here a second time"))
                    .label(*first, "the first one")
                    .help("keep one of them"),
            ),
            None => self.seen.push((key, span)),
        }
    }
}

/// Returns the text of a doc comment without slashes.
fn doc_line(pair: &Pair<'_>) -> String {
    let text = pair.as_str().trim_start_matches('/').trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}

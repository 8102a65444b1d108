//! Rules.

use super::Context;
use super::expression::{Checker, known_type};
use super::modules::former_ids;
use super::scope::Global;
use super::typed::{Binder, Fix, FixStep, Requirement, Rule, VarId, Waivable};
use crate::model::{Base, RuleSeverity, Type};
use crate::syntax::ast::{self, RuleClause};
use crate::text::{Diagnostic, did_you_mean};

/// A rule that says nothing is waivable for so long.
const WAIVABLE_BY_DEFAULT: i64 = 90 * 86_400;

impl Context<'_> {
    /// Checks all rules, in the order of their ids.
    pub(super) fn rules(&mut self) {
        let mut rules: Vec<(usize, &ast::Item, &ast::Rule)> = Vec::new();
        for (module, item) in self.items() {
            if let ast::ItemKind::Rule(rule) = &item.kind {
                rules.push((module, item, rule));
            }
        }
        rules.sort_by(|a, b| a.2.id.value.cmp(&b.2.id.value));
        for (module, item, rule) in rules {
            let checked = self.rule(module, item, rule);
            self.policies.rules.push(checked);
        }
    }

    fn rule(&mut self, module: usize, item: &ast::Item, rule: &ast::Rule) -> Rule {
        let entity = self.globals.schema.entity_named(&rule.entity.name.value).map(|ty| ty.id);
        let mut checker = self.checker(module);
        if entity.is_none() {
            let names = self.globals.schema.entities.iter().map(|ty| ty.name.as_str());
            let help = did_you_mean(&rule.entity.name.value, names).map(|near| format!("did you mean `{near}`?"));
            let text = format!("there is no entity `{}`", rule.entity.name.value);
            self.diagnostics.push(Diagnostic::error("T0116", rule.entity.span(), text).maybe_help(help));
        }
        let base = entity.map_or(Base::Nothing, Base::Entity);
        let subject = checker.declare(&rule.subject, Type::of(base));
        let mut checked = Rule {
            id: rule.id.value.clone(),
            was: former_ids(item).into_iter().map(|(id, _)| id).collect(),
            module: self.globals.modules.get(module).map_or_else(String::new, |names| names.name.clone()),
            subject,
            entity: entity.unwrap_or(crate::model::EntityTypeId(u32::MAX)),
            filter: None,
            title: String::new(),
            why: None,
            severity: RuleSeverity::Medium,
            refs: Vec::new(),
            tags: Vec::new(),
            lets: Vec::new(),
            due: None,
            requirements: Vec::new(),
            fixes: Vec::new(),
            remedy: None,
            waivable: Waivable::UpTo { limit: WAIVABLE_BY_DEFAULT, by: Vec::new() },
            n_slots: 0,
            slot_names: Vec::new(),
            docs: item.head.docs.clone(),
            span: item.head.span,
        };
        // Without its entity every path in it would be reported again.
        if entity.is_some() {
            self.plain_clauses(&mut checked, rule);
            checker.allows_known = checked.severity == RuleSeverity::Advice;
            checked.filter = rule.filter.as_ref().map(|filter| {
                let filter = checker.condition(filter);
                checker.assume(&filter, true);
                filter
            });
            self.logic_clauses(&mut checker, &mut checked, rule, module);
            self.required_clauses(&checked, rule);
        }
        self.unused_lets(&checker, &checked);
        let (n_slots, slot_names, _) = self.finish(checker, module);
        Rule { n_slots, slot_names, ..checked }
    }

    /// Clauses that are texts and words.
    fn plain_clauses(&mut self, checked: &mut Rule, rule: &ast::Rule) {
        for clause in &rule.clauses {
            match clause {
                RuleClause::Title(title) => checked.title.clone_from(&title.value),
                RuleClause::Why(why) => checked.why = Some(why.value.clone()),
                RuleClause::Refs(refs) => checked.refs.extend(refs.iter().map(|text| text.value.clone())),
                RuleClause::Tags(tags) => checked.tags.extend(tags.iter().map(|text| text.value.clone())),
                RuleClause::Severity(severity) => match RuleSeverity::from_name(&severity.value) {
                    Some(known) => checked.severity = known,
                    None => {
                        let names = RuleSeverity::ALL.map(RuleSeverity::name);
                        let help = did_you_mean(&severity.value, names).map(|near| format!("did you mean `{near}`?"));
                        let text = format!("`{}` is no severity", severity.value);
                        let diagnostic = Diagnostic::error("T0204", severity.span, text)
                            .help("write critical, high, medium, low or advice")
                            .maybe_help(help);
                        self.diagnostics.push(diagnostic);
                    }
                },
                RuleClause::NotWaivable(_) => checked.waivable = Waivable::No,
                RuleClause::Waivable(limit, by, _) => {
                    let limit = limit.as_ref().map_or(WAIVABLE_BY_DEFAULT, |limit| limit.value);
                    checked.waivable = Waivable::UpTo { limit, by: by.iter().map(|name| name.value.clone()).collect() };
                }
                _ => {}
            }
        }
    }

    /// Clauses with expressions, in the order in which names become known: `let`, `due`, `require`, then the rest.
    fn logic_clauses(&mut self, checker: &mut Checker<'_>, checked: &mut Rule, rule: &ast::Rule, module: usize) {
        for clause in &rule.clauses {
            match clause {
                RuleClause::Let(name, value) => {
                    let value = checker.expr(value, None);
                    let var = checker.declare(name, known_type(&value));
                    checked.lets.push((var, value));
                }
                RuleClause::Due(due) => {
                    let due = checker.expr(due, Some(Type::of(Base::Instant)));
                    checked.due = Some(checker.require(due, Type::of(Base::Instant)));
                }
                RuleClause::Require(name, condition, message) => {
                    let condition = checker.scoped_keeping(|checker| checker.condition(condition));
                    let message = message.as_ref().map(|message| checker.template(message));
                    checker.warn_constant(&condition);
                    if let Some(other) = checked.requirements.iter().find(|other| other.name == name.value) {
                        let text = format!("there are two requirements `{}`", name.value);
                        self.diagnostics.push(Diagnostic::error("T0109", name.span, text).label(other.span, "the other one"));
                    }
                    checked.requirements.push(Requirement { name: name.value.clone(), condition, message, span: name.span });
                }
                _ => {}
            }
        }
        for clause in &rule.clauses {
            match clause {
                RuleClause::Fix(fix) => {
                    let fix = self.fix(checker, checked, fix, module);
                    checked.fixes.push(fix);
                }
                RuleClause::Remedy(text) => checked.remedy = Some(checker.template(text)),
                _ => {}
            }
        }
    }

    fn required_clauses(&mut self, checked: &Rule, rule: &ast::Rule) {
        // What is missing may stand in a clause that could not be read.
        if rule.broken {
            return;
        }
        if checked.requirements.is_empty() {
            let diagnostic = Diagnostic::error("T0201", rule.id.span, format!("rule `{}` requires nothing", rule.id.value))
                .help("add `require name: condition`");
            self.diagnostics.push(diagnostic);
        }
        if checked.title.is_empty() {
            self.error("T0210", rule.id.span, format!("rule `{}` has no title", rule.id.value));
        }
    }

    fn fix(&mut self, checker: &mut Checker<'_>, checked: &Rule, fix: &ast::Fix, module: usize) -> Fix {
        let mut requirements = Vec::new();
        for name in &fix.requirements {
            match checked.requirements.iter().position(|requirement| requirement.name == name.value) {
                Some(at) => requirements.push(at),
                None => {
                    let names = checked.requirements.iter().map(|requirement| requirement.name.as_str());
                    let help = did_you_mean(&name.value, names).map(|near| format!("did you mean `{near}`?"));
                    let text = format!("rule `{}` has no requirement `{}`", checked.id, name.value);
                    self.diagnostics.push(Diagnostic::error("T0203", name.span, text).maybe_help(help));
                }
            }
        }
        checker.scoped(|checker| {
            let when = fix.when.as_ref().map(|when| {
                let when = checker.condition(when);
                checker.assume(&when, true);
                when
            });
            let steps = self.fix_steps(checker, &fix.steps, module);
            Fix { name: fix.name.value.clone(), requirements, when, steps }
        })
    }

    fn fix_steps(&mut self, checker: &mut Checker<'_>, steps: &[ast::FixStep], module: usize) -> Vec<FixStep> {
        let mut checked = Vec::new();
        for step in steps {
            match step {
                ast::FixStep::Loop(binder, inner) => {
                    let looped = checker.scoped(|checker| {
                        let binder: Option<Binder> = checker.binders(std::slice::from_ref(binder)).pop();
                        let inner = self.fix_steps(checker, inner, module);
                        binder.map(|binder| FixStep::Loop(Box::new(binder), inner))
                    });
                    checked.extend(looped);
                }
                ast::FixStep::Call(name, args, span) => {
                    let Some((id, signature)) = self.action_named(checker, name, module) else { continue };
                    let args = checker.arguments(&name.name.value, &signature.formals, signature.span, args, *span);
                    checked.push(FixStep::Call(id, args));
                }
            }
        }
        checked
    }

    fn action_named(
        &mut self,
        checker: &mut Checker<'_>,
        name: &ast::Qualified,
        module: usize,
    ) -> Option<(super::typed::ActionId, super::scope::Signature)> {
        let names = self.globals.modules.get(module)?;
        let found = match &name.module {
            None => names.get(&name.name.value).map(|(global, _)| global),
            Some(alias) => match names.get(&alias.value) {
                Some((Global::Module(target), _)) => {
                    checker.used_names.insert(alias.value.clone());
                    let target = self.globals.modules.get(target)?;
                    target.own.get(&name.name.value).map(|(global, _)| *global)
                }
                _ => None,
            },
        };
        checker.used_names.insert(name.name.value.clone());
        if let Some(Global::Action(id)) = found {
            return self.globals.actions.get(id.0 as usize).map(|signature| (id, signature.clone()));
        }
        let known = self.globals.actions.iter().map(|action| action.name.as_str());
        let help = did_you_mean(&name.name.value, known).map(|near| format!("did you mean `{near}`?"));
        let diagnostic = Diagnostic::error("T0208", name.span(), format!("there is no action `{}` here", name.name.value))
            .help("actions are imported: import \"actions/partner\" { … }")
            .maybe_help(help);
        self.diagnostics.push(diagnostic);
        None
    }

    fn unused_lets(&mut self, checker: &Checker<'_>, checked: &Rule) {
        for (VarId(at), _) in &checked.lets {
            if let Some(variable) = checker.variables.get(*at as usize).filter(|variable| !variable.used) {
                let text = format!("`{}` is never used", variable.name);
                self.diagnostics.push(Diagnostic::warning("T0305", variable.span, text));
            }
        }
    }
}

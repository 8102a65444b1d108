//! Rules, packs, waivers and tests: from pairs to the tree.

use jiff::Timestamp;

use super::ast::{
    Expect, Fix, FixStep, GivenPath, GivenStep, Head, Ident, ItemKind, Pack, PackUse, Rule as RuleItem, RuleClause, Test, Waive,
};
use super::builder::{Builder, Outcome, unexpected};
use super::grammar::{Pair, Parts, Rule};
use super::items::Once;
use crate::text::{Span, Spanned};

/// An end of an interval, if it is given.
type Bound = Option<Spanned<Timestamp>>;

impl Builder {
    /// Reads a rule; `span` is all of it.
    pub(super) fn rule(&mut self, mut parts: Parts<'_>, span: Span) -> Outcome<(Head, ItemKind)> {
        let header = self.need(&mut parts, Rule::rule_header)?;
        let (head, mut rule) = self.rule_header(header, span)?;
        (rule.clauses, rule.broken) = self.rule_clauses(parts);
        Ok((head, ItemKind::Rule(rule)))
    }

    /// Reads the header of a rule, without clauses.
    pub(super) fn rule_header(&mut self, pair: Pair<'_>, span: Span) -> Outcome<(Head, RuleItem)> {
        let mut parts = Parts::of(pair);
        let head = self.head(&mut parts, span)?;
        let id = self.next_ident(&mut parts)?;
        let subject = self.next_ident(&mut parts)?;
        let entity = self.next_qualified(&mut parts)?;
        let filter = match parts.next_of(Rule::expr) {
            Some(filter) => Some(self.expression(filter)?),
            None => None,
        };
        Ok((head, RuleItem { id, subject, entity, filter, clauses: Vec::new(), broken: false }))
    }

    /// Reads the clauses that can be read, and reports the others and repeated ones; tells whether any could not be read.
    pub(super) fn rule_clauses<'i>(&mut self, clauses: impl Iterator<Item = Pair<'i>>) -> (Vec<RuleClause>, bool) {
        let mut once = Once::default();
        let mut kept = Vec::new();
        let mut broken = false;
        for clause in clauses.filter(|pair| pair.as_rule() == Rule::rule_clause) {
            let Some(clause) = Parts::of(clause).next() else { continue };
            match clause.as_rule() {
                Rule::let_clause | Rule::require_clause | Rule::fix_clause => {}
                Rule::not_waivable_clause => once.check(self, &clause, Rule::waivable_clause),
                rule => once.check(self, &clause, rule),
            }
            let outcome = self.rule_clause(clause);
            broken |= outcome.is_err();
            kept.extend(self.keep(outcome));
        }
        (kept, broken)
    }

    fn rule_clause(&mut self, pair: Pair<'_>) -> Outcome<RuleClause> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut parts = Parts::of(pair);
        Ok(match rule {
            Rule::title_clause => RuleClause::Title(self.next_text(&mut parts)?),
            Rule::why_clause => RuleClause::Why(self.next_text(&mut parts)?),
            Rule::severity_clause => RuleClause::Severity(self.next_ident(&mut parts)?),
            Rule::refs_clause => RuleClause::Refs(self.texts(&mut parts)?),
            Rule::tags_clause => RuleClause::Tags(self.texts(&mut parts)?),
            Rule::let_clause => RuleClause::Let(self.next_ident(&mut parts)?, self.next_expression(&mut parts)?),
            Rule::due_clause => RuleClause::Due(self.next_expression(&mut parts)?),
            Rule::require_clause => self.require(parts)?,
            Rule::fix_clause => RuleClause::Fix(self.fix(parts)?),
            Rule::remedy_clause => {
                let text = self.need(&mut parts, Rule::string)?;
                RuleClause::Remedy(self.message(text)?)
            }
            Rule::waivable_clause => self.waivable(parts, span)?,
            Rule::not_waivable_clause => RuleClause::NotWaivable(span),
            _ => return Err(unexpected(span).into()),
        })
    }

    fn next_text(&self, parts: &mut Parts<'_>) -> Outcome<Ident> {
        self.plain_text(self.need(parts, Rule::plain_string)?)
    }

    fn texts(&self, parts: &mut Parts<'_>) -> Outcome<Vec<Ident>> {
        parts.every(Rule::plain_string).into_iter().map(|text| self.plain_text(text)).collect()
    }

    fn require(&mut self, mut parts: Parts<'_>) -> Outcome<RuleClause> {
        let name = self.next_ident(&mut parts)?;
        let condition = self.next_expression(&mut parts)?;
        let message = match parts.next_of(Rule::string) {
            Some(message) => Some(self.message(message)?),
            None => None,
        };
        Ok(RuleClause::Require(name, condition, message))
    }

    fn waivable(&mut self, mut parts: Parts<'_>, span: Span) -> Outcome<RuleClause> {
        let mut end = Span { end: span.start.saturating_add(8), ..span };
        let limit = match parts.next_of(Rule::duration) {
            Some(limit) => Some(self.duration(limit)?),
            None => None,
        };
        end = limit.as_ref().map_or(end, |limit| limit.span);
        let approvers = self.texts(&mut parts)?;
        end = approvers.last().map_or(end, |approver| approver.span);
        Ok(RuleClause::Waivable(limit, approvers, Span { end: end.end, ..span }))
    }

    fn fix(&mut self, mut parts: Parts<'_>) -> Outcome<Fix> {
        let name = self.next_ident(&mut parts)?;
        let requirements = parts.every(Rule::ident).iter().map(|pair| self.ident(pair)).collect();
        let when = match parts.next_of(Rule::expr) {
            Some(when) => Some(self.expression(when)?),
            None => None,
        };
        let body = self.need(&mut parts, Rule::fix_body)?;
        Ok(Fix { name, requirements, when, steps: self.fix_steps(body)? })
    }

    fn fix_steps(&mut self, body: Pair<'_>) -> Outcome<Vec<FixStep>> {
        let mut steps = Vec::new();
        for step in Parts::of(body) {
            let Some(step) = Parts::of(step).next() else { continue };
            let span = self.span(&step);
            let rule = step.as_rule();
            let mut parts = Parts::of(step);
            steps.push(if rule == Rule::fix_loop {
                let binder = self.need(&mut parts, Rule::binder)?;
                let binder = self.binder(binder)?;
                let body = self.need(&mut parts, Rule::fix_body)?;
                FixStep::Loop(Box::new(binder), self.fix_steps(body)?)
            } else {
                let action = self.next_qualified(&mut parts)?;
                let arguments = self.need(&mut parts, Rule::arguments)?;
                FixStep::Call(action, self.arguments(arguments)?, span)
            });
        }
        Ok(steps)
    }

    /// Reads a pack behind its head.
    pub(super) fn pack(&mut self, mut parts: Parts<'_>) -> Outcome<Pack> {
        let name = self.next_ident(&mut parts)?;
        let title = match parts.next_of(Rule::title_clause) {
            Some(title) => Some(self.next_text(&mut Parts::of(title))?),
            None => None,
        };
        let mut uses = Vec::new();
        while let Some(used) = parts.next_of(Rule::pack_use) {
            let mut pieces = Parts::of(used);
            let rule = self.next_ident(&mut pieces)?;
            let params = match pieces.next_of(Rule::record) {
                Some(record) => self.record(record)?,
                None => Vec::new(),
            };
            let level = pieces.next_of(Rule::ident).map(|level| self.ident(&level));
            uses.push(PackUse { rule, params, level });
        }
        Ok(Pack { name, title, uses })
    }

    /// Reads a waiver behind its head.
    pub(super) fn waive(&mut self, mut parts: Parts<'_>) -> Outcome<Waive> {
        let rule = self.next_ident(&mut parts)?;
        let mut names: Vec<Ident> = parts.every(Rule::ident).iter().map(|pair| self.ident(pair)).collect();
        let subject = names.pop().ok_or_else(|| unexpected(rule.span))?;
        let entity = self.next_qualified(&mut parts)?;
        let filter = match parts.next_of(Rule::expr) {
            Some(filter) => Some(self.expression(filter)?),
            None => None,
        };
        let mut waive = Waive {
            rule,
            requirement: names.pop(),
            subject,
            entity,
            filter,
            from: None,
            until: None,
            because: None,
            approved_by: Vec::new(),
            ticket: None,
        };
        let mut once = Once::default();
        while let Some(clause) = parts.next_of(Rule::waive_clause) {
            let Some(clause) = Parts::of(clause).next() else { continue };
            once.check(self, &clause, clause.as_rule());
            let outcome = self.waive_clause(clause, &mut waive);
            self.keep(outcome);
        }
        Ok(waive)
    }

    fn waive_clause(&mut self, clause: Pair<'_>, waive: &mut Waive) -> Outcome<()> {
        let rule = clause.as_rule();
        let mut parts = Parts::of(clause);
        match rule {
            Rule::waive_from => waive.from = Some(self.next_instant(&mut parts)?),
            Rule::waive_until => waive.until = Some(self.next_instant(&mut parts)?),
            Rule::waive_because => waive.because = Some(self.next_text(&mut parts)?),
            Rule::waive_approved => waive.approved_by = self.texts(&mut parts)?,
            _ => waive.ticket = Some(self.next_text(&mut parts)?),
        }
        Ok(())
    }

    fn next_instant(&self, parts: &mut Parts<'_>) -> Outcome<Spanned<Timestamp>> {
        self.instant(&self.need(parts, Rule::instant)?)
    }

    /// Reads a test behind its head.
    pub(super) fn test(&mut self, mut parts: Parts<'_>) -> Outcome<Test> {
        let name = self.next_text(&mut parts)?;
        let mut given = Vec::new();
        let mut once = Once::default();
        if let Some(world) = parts.next_of(Rule::given) {
            for step in Parts::of(world) {
                let Some(step) = Parts::of(step).next() else { continue };
                if step.as_rule() == Rule::given_now {
                    once.check(self, &step, Rule::given_now);
                }
                let outcome = self.given_step(step);
                given.extend(self.keep(outcome));
            }
        }
        let mut expects = Vec::new();
        while let Some(expect) = parts.next_of(Rule::expect) {
            let outcome = self.expect(expect);
            expects.extend(self.keep(outcome));
        }
        Ok(Test { name, given, expects })
    }

    fn given_step(&mut self, step: Pair<'_>) -> Outcome<GivenStep> {
        let rule = step.as_rule();
        let mut parts = Parts::of(step);
        Ok(match rule {
            Rule::given_now => {
                parts.next_of(Rule::now);
                GivenStep::Now(self.next_instant(&mut parts)?)
            }
            Rule::given_param => GivenStep::Param(self.next_qualified(&mut parts)?, self.next_expression(&mut parts)?),
            Rule::given_missing => {
                let path = self.given_path(&mut parts)?;
                let before = match parts.next_of(Rule::instant) {
                    Some(before) => Some(self.instant(&before)?),
                    None => None,
                };
                GivenStep::Missing(path, before, self.next_text(&mut parts)?)
            }
            Rule::given_link => {
                let path = self.given_path(&mut parts)?;
                let member = self.next_ident(&mut parts)?;
                let (from, until) = self.interval(&mut parts)?;
                GivenStep::Link(path, member, from, until)
            }
            Rule::given_history => {
                let path = self.given_path(&mut parts)?;
                let value = self.next_expression(&mut parts)?;
                let (from, until) = self.interval(&mut parts)?;
                GivenStep::History(path, value, from, until)
            }
            _ => {
                let ty = self.next_qualified(&mut parts)?;
                let name = self.next_ident(&mut parts)?;
                let key = match parts.next_of(Rule::plain_string) {
                    Some(key) => Some(self.plain_text(key)?),
                    None => None,
                };
                let record = self.need(&mut parts, Rule::record)?;
                GivenStep::Entity(ty, name, key, self.record(record)?)
            }
        })
    }

    fn given_path(&self, parts: &mut Parts<'_>) -> Outcome<GivenPath> {
        let mut pieces = Parts::of(self.need(parts, Rule::given_path)?);
        let base = self.next_ident(&mut pieces)?;
        Ok(GivenPath { base, member: pieces.next().map(|member| self.ident(&member)) })
    }

    fn interval(&self, parts: &mut Parts<'_>) -> Outcome<(Bound, Bound)> {
        let mut bound = |rule| match parts.next_of(rule) {
            Some(pair) => self.next_instant(&mut Parts::of(pair)).map(Some),
            None => Ok(None),
        };
        Ok((bound(Rule::span_from)?, bound(Rule::span_until)?))
    }

    fn expect(&mut self, pair: Pair<'_>) -> Outcome<Expect> {
        let start = self.span(&pair);
        let mut parts = Parts::of(pair);
        let rule = self.next_ident(&mut parts)?;
        let mut names: Vec<Ident> = parts.every(Rule::ident).iter().map(|pair| self.ident(pair)).collect();
        let subject = names.pop().ok_or_else(|| unexpected(start))?;
        let requirement = names.pop();
        let verdict = self.next_ident(&mut parts)?;
        let because: Vec<Ident> = parts.every(Rule::ident).iter().map(|pair| self.ident(pair)).collect();
        let after_fix = parts.next_of(Rule::after_fix).map(|pair| self.span(&pair));
        let end = because.last().map_or(verdict.span, |name| name.span);
        let span = Span { end: after_fix.unwrap_or(end).end, ..start };
        Ok(Expect { rule, requirement, subject, verdict, because, after_fix: after_fix.is_some(), span })
    }
}

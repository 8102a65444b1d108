//! Quantifiers and aggregates: binders, range restriction, variables that nothing mentions.

use std::collections::BTreeSet;

use super::expression::{Checker, REPORTED, failed, known_type};
use super::typed::{Binder, Expr, ExprKind, VarId};
use crate::model::{Base, Type};
use crate::syntax::ast::{self, Aggregate, Quantifier};
use crate::text::{Diagnostic, Span};

const BOOL: Type = Type { base: Base::Bool, alias: None, optional: false, set: false };

impl Checker<'_> {
    pub(super) fn quantified(&mut self, kind: Quantifier, binders: &[ast::Binder], body: Option<&ast::Expr>, span: Span) -> Expr {
        if let Quantifier::Exactly(n) | Quantifier::AtMost(n) | Quantifier::AtLeast(n) = kind
            && n < 0
        {
            self.error("T0103", span, "a number of members is never below 0");
        }
        self.scoped(|this| {
            let binders = this.binders(binders);
            let body = body.map(|body| this.condition(body));
            if body.is_none() && matches!(kind, Quantifier::All | Quantifier::AllNonempty) {
                this.diagnostics.push(
                    Diagnostic::error("T0105", span, "`all` needs something to hold for each: `all x in … : …`")
                        .help("to ask for a member, write `some x in …`"),
                );
            }
            this.restrict(&binders, body.as_ref(), span);
            if let Some(body) = &body {
                let vars: Vec<VarId> = binders.iter().map(|binder| binder.var).collect();
                this.warn_unmentioned(&vars, body.span);
            }
            Expr { kind: ExprKind::Quantified(kind, binders, body.map(Box::new)), ty: BOOL, span }
        })
    }

    pub(super) fn aggregate(&mut self, kind: Aggregate, binders: &[ast::Binder], body: Option<&ast::Expr>, span: Span) -> Expr {
        self.scoped(|this| {
            let binders = this.binders(binders);
            if kind == Aggregate::Count {
                let body = body.map(|body| this.condition(body));
                this.restrict(&binders, body.as_ref(), span);
                return Expr { kind: ExprKind::Aggregate(kind, binders, body.map(Box::new)), ty: Type::of(Base::Int), span };
            }
            let word = if kind == Aggregate::Min { "min" } else { "max" };
            let Some(body) = body.map(|body| this.expr(body, None)) else {
                this.error("T0105", span, format!("`{word}` needs a value for each: `{word}(x in … : x.value)`"));
                return failed(span, Type::of(Base::Int));
            };
            this.restrict(&binders, Some(&body), span);
            if !matches!(body.kind, ExprKind::Error) && (body.ty.set || !matches!(body.ty.base, Base::Int | Base::Instant | Base::Duration))
            {
                this.error(
                    "T0104",
                    body.span,
                    format!("{} has no order; `{word}` takes numbers, instants and durations", this.type_name(body.ty)),
                );
                return failed(span, body.ty.member());
            }
            // Members without a value do not count; the smallest of nothing is none.
            let ty = body.ty.member().or_none();
            Expr { kind: ExprKind::Aggregate(kind, binders, Some(Box::new(body))), ty, span }
        })
    }

    pub(super) fn binders(&mut self, binders: &[ast::Binder]) -> Vec<Binder> {
        binders.iter().map(|binder| self.binder(binder)).collect()
    }

    fn binder(&mut self, binder: &ast::Binder) -> Binder {
        let set = self.expr(&binder.set, None);
        if !set.ty.set && !matches!(set.kind, ExprKind::Error) {
            let text = format!("`{}` must run over a set, and this is {}", binder.var.value, self.type_name(set.ty));
            self.error("T0106", set.span, text);
        }
        let var = self.declare(&binder.var, if set.ty.set { known_type(&set).member() } else { REPORTED });
        let filter = binder.filter.as_ref().map(|filter| {
            let filter = self.condition(filter);
            self.assume(&filter, true);
            filter
        });
        Binder { var, set, filter }
    }

    /// Two variables that run over whole types need a condition that joins them: otherwise every pair would be looked at.
    fn restrict(&mut self, binders: &[Binder], body: Option<&Expr>, span: Span) {
        let unbounded: Vec<&Binder> = binders.iter().filter(|binder| is_extent(&binder.set)).collect();
        let conditions = || binders.iter().filter_map(|binder| binder.filter.as_ref()).chain(body);
        for (at, one) in unbounded.iter().enumerate() {
            for two in unbounded.iter().skip(at + 1) {
                let joined = conditions().flat_map(conjuncts).any(|part| {
                    let mentioned = variables(part);
                    mentioned.contains(&one.var) && mentioned.contains(&two.var)
                });
                if !joined {
                    let name = |var: VarId| self.variables.get(var.0 as usize).map_or_else(String::new, |v| v.name.clone());
                    let text = format!("nothing joins `{}` and `{}`, so every pair would be looked at", name(one.var), name(two.var));
                    let diagnostic = Diagnostic::error("T0113", span, text)
                        .help("let one of them run over a navigation of the other, or add a condition that mentions both");
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    /// Warns about a condition that mentions none of the variables it was written for.
    pub(super) fn warn_unmentioned(&mut self, vars: &[VarId], span: Span) {
        let unused = vars.iter().all(|var| self.variables.get(var.0 as usize).is_some_and(|variable| !variable.used));
        if unused && let Some(name) = vars.first().and_then(|var| self.variables.get(var.0 as usize)).map(|v| v.name.clone()) {
            self.diagnostics.push(Diagnostic::warning("T0304", span, format!("this condition does not mention `{name}`")));
        }
    }
}

fn is_extent(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Extent(_) => true,
        ExprKind::Filter(binder) => is_extent(&binder.set),
        ExprKind::Union(a, b) => is_extent(a) || is_extent(b),
        _ => false,
    }
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        _ => vec![expr],
    }
}

/// Returns the variables an expression reads.
pub(super) fn variables(expr: &Expr) -> BTreeSet<VarId> {
    let mut found = BTreeSet::new();
    super::walk::walk(expr, &mut |expr| {
        if let ExprKind::Var(var) = expr.kind {
            found.insert(var);
        }
    });
    found
}

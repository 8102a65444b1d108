//! Visits every expression below one.

use super::typed::{Binder, Expr, ExprKind};

/// Calls `visit` for `expr` and everything in it, outermost first.
pub fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for child in children(expr) {
        walk(child, visit);
    }
}

fn binder(binder: &Binder) -> impl Iterator<Item = &Expr> {
    std::iter::once(&binder.set).chain(binder.filter.as_ref())
}

/// Returns the expressions directly below one, in the order they are written.
#[must_use]
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Value(_)
        | ExprKind::None
        | ExprKind::Now
        | ExprKind::Var(_)
        | ExprKind::Param(_)
        | ExprKind::Extent(_)
        | ExprKind::Error => Vec::new(),
        ExprKind::Call(_, items) | ExprKind::Set(items) | ExprKind::And(items) | ExprKind::Or(items) => items.iter().collect(),
        ExprKind::Attribute { base, at, .. } | ExprKind::Navigation { base, at, .. } | ExprKind::Closure { base, at, .. } => {
            std::iter::once(&**base).chain(at.as_deref()).collect()
        }
        ExprKind::Filter(inner) => binder(inner).collect(),
        ExprKind::Not(inner)
        | ExprKind::IsNone(inner, _)
        | ExprKind::IsType(inner, _, _)
        | ExprKind::Matches(inner, _)
        | ExprKind::Known(inner) => vec![inner],
        ExprKind::Branches(branches) => branches.iter().map(|(_, branch)| branch).collect(),
        ExprKind::Union(a, b)
        | ExprKind::Implies(a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::Covers(a, b)
        | ExprKind::Overlaps(a, b)
        | ExprKind::Coalesce(a, b)
        | ExprKind::Add(a, b)
        | ExprKind::Subtract(a, b)
        | ExprKind::Interval(a, b) => vec![a, b],
        ExprKind::In { item, set, .. } => vec![item, set],
        ExprKind::Quantified(_, binders, body) | ExprKind::Aggregate(_, binders, body) => {
            binders.iter().flat_map(binder).chain(body.as_deref()).collect()
        }
    }
}

//! Operators between two expressions.

use super::expression::{Checker, failed};
use super::narrow::path_of;
use super::schema::anchored;
use super::typed::{Comparison, Expr, ExprKind};
use crate::model::{Base, Type, Value};
use crate::syntax::ast::{self, BinaryOp};
use crate::text::{Diagnostic, Span};

const BOOL: Type = Type { base: Base::Bool, alias: None, optional: false, set: false };

impl Checker<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, span: Span, expected: Option<Type>) -> Expr {
        match op {
            BinaryOp::And | BinaryOp::Or => self.connective(op, left, right, span),
            BinaryOp::Implies => self.implies(left, right, span),
            BinaryOp::Equal => self.comparison(Comparison::Equal, left, right, span),
            BinaryOp::NotEqual => self.comparison(Comparison::NotEqual, left, right, span),
            BinaryOp::Less => self.comparison(Comparison::Less, left, right, span),
            BinaryOp::LessEqual => self.comparison(Comparison::LessEqual, left, right, span),
            BinaryOp::Greater => self.comparison(Comparison::Greater, left, right, span),
            BinaryOp::GreaterEqual => self.comparison(Comparison::GreaterEqual, left, right, span),
            BinaryOp::In => self.membership(left, right, false, span),
            BinaryOp::NotIn => self.membership(left, right, true, span),
            BinaryOp::Covers | BinaryOp::Overlaps => self.cover(op, left, right, span),
            BinaryOp::Matches => self.matches(left, right, span),
            BinaryOp::Coalesce => self.coalesce(left, right, span, expected),
            BinaryOp::Add => self.add(left, right, span, expected),
            BinaryOp::Subtract => self.subtract(left, right, span),
        }
    }

    /// Flattens a chain of one connective; each part is checked knowing that the earlier ones hold (`and`) or fail (`or`).
    fn connective(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let mut parts = vec![right];
        let mut current = left;
        while let ast::ExprKind::Binary(inner, left, right) = &current.kind {
            if *inner != op {
                break;
            }
            parts.push(right);
            current = left;
        }
        parts.push(current);
        parts.reverse();
        let holds = op == BinaryOp::And;
        let checked = self.scoped_keeping(|this| {
            let mut checked: Vec<Expr> = Vec::new();
            for part in parts {
                let part = this.condition(part);
                this.assume(&part, holds);
                checked.push(part);
            }
            checked
        });
        if holds {
            self.warn_contradictions(&checked);
        }
        for part in &checked {
            self.warn_constant(part);
        }
        let kind = if holds { ExprKind::And(checked) } else { ExprKind::Or(checked) };
        Expr { kind, ty: BOOL, span }
    }

    /// Two conjuncts that give one path two values can never both hold.
    fn warn_contradictions(&mut self, parts: &[Expr]) {
        let mut seen: Vec<(Vec<u32>, Value, Span)> = Vec::new();
        for part in parts {
            let ExprKind::Compare(Comparison::Equal, left, right) = &part.kind else { continue };
            let (Some(path), ExprKind::Value(value)) = (path_of(left), &right.kind) else { continue };
            if let Some((_, _, earlier)) = seen.iter().find(|(known, other, _)| *known == path && other != value) {
                let diagnostic = Diagnostic::warning("T0302", part.span, "this can never hold together with an earlier condition")
                    .label(*earlier, "which asks for another value");
                self.diagnostics.push(diagnostic);
            }
            seen.push((path, value.clone(), part.span));
        }
    }

    fn implies(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        self.scoped_keeping(|this| {
            let left = this.condition(left);
            this.assume(&left, true);
            let right = this.condition(right);
            Expr { kind: ExprKind::Implies(Box::new(left), Box::new(right)), ty: BOOL, span }
        })
    }

    /// Checks two sides so that each can give the other's bare enum values and literals their type.
    fn sides(&mut self, left: &ast::Expr, right: &ast::Expr) -> (Expr, Expr) {
        if is_bare(left) && !is_bare(right) {
            let right = self.expr(right, None);
            let left = self.expr(left, Some(right.ty.member()));
            return (left, right);
        }
        let left = self.expr(left, None);
        let right = self.expr(right, Some(left.ty.member()));
        (left, right)
    }

    fn comparison(&mut self, op: Comparison, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let (left, right) = self.sides(left, right);
        let fine = self.comparable(op, &left, &right, span);
        if !fine {
            return failed(span, BOOL);
        }
        Expr { kind: ExprKind::Compare(op, Box::new(left), Box::new(right)), ty: BOOL, span }
    }

    fn comparable(&mut self, op: Comparison, left: &Expr, right: &Expr, span: Span) -> bool {
        if is_failed(left) || is_failed(right) {
            return false;
        }
        if let Some(side) = [left, right].into_iter().find(|side| side.ty.base == Base::Nothing) {
            let help = "write `is none` or `is not none`";
            self.diagnostics.push(Diagnostic::error("T0104", side.span, "`none` is not compared").help(help));
            return false;
        }
        for side in [left, right] {
            if side.ty.set {
                let help = "write `in`, or a quantifier over the set";
                self.diagnostics.push(Diagnostic::error("T0107", side.span, "a set is not compared with a single value").help(help));
                return false;
            }
            if side.ty.optional {
                self.unguarded(side.clone());
                return false;
            }
        }
        let schema = self.globals.schema;
        let related = match (left.ty.base, right.ty.base) {
            (Base::Entity(a), Base::Entity(b)) => schema.is_subtype(a, b) || schema.is_subtype(b, a),
            (a, b) => a == b,
        };
        if !related {
            let text = format!("{} and {} are never equal", self.type_name(left.ty), self.type_name(right.ty));
            self.error("T0104", span, text);
            return false;
        }
        let ordered = matches!(left.ty.base, Base::Int | Base::Instant | Base::Duration);
        if !ordered && !matches!(op, Comparison::Equal | Comparison::NotEqual) {
            let text = format!("{} has no order; only numbers, instants and durations do", self.type_name(left.ty));
            self.error("T0104", span, text);
            return false;
        }
        true
    }

    fn membership(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool, span: Span) -> Expr {
        let (item, set) = if is_bare(left) {
            let set = self.expr(right, None);
            (self.expr(left, Some(set.ty.member())), set)
        } else {
            let item = self.expr(left, None);
            let set = self.expr(right, Some(item.ty.member()));
            (item, set)
        };
        if is_failed(&item) || is_failed(&set) {
            return failed(span, BOOL);
        }
        if !set.ty.set {
            self.error("T0106", set.span, format!("`in` needs a set, and this is {}", self.type_name(set.ty)));
            return failed(span, BOOL);
        }
        if item.ty.optional {
            self.unguarded(item);
            return failed(span, BOOL);
        }
        let member = Expr { kind: set.kind.clone(), ty: set.ty.member(), span: set.span };
        let empty = set.ty.base == Base::Nothing;
        if !empty && !self.comparable(Comparison::Equal, &item, &member, span) {
            return failed(span, BOOL);
        }
        Expr { kind: ExprKind::In { item: Box::new(item), set: Box::new(set), negated }, ty: BOOL, span }
    }

    fn cover(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let left = self.expr(left, None);
        let right = self.expr(right, None);
        if is_failed(&left) || is_failed(&right) {
            return failed(span, BOOL);
        }
        for side in [&left, &right] {
            if side.ty.optional {
                self.unguarded(side.clone());
                return failed(span, BOOL);
            }
        }
        let scope = self.globals.schema.entity_named("Scope").map(|ty| ty.id);
        let is_scope =
            |ty: Type| !ty.set && ty.entity().zip(scope).is_some_and(|(entity, scope)| self.globals.schema.is_subtype(entity, scope));
        let interval = |ty: Type| !ty.set && ty.base == Base::Interval;
        let instant = |ty: Type| !ty.set && ty.base == Base::Instant;
        let fits = match op {
            BinaryOp::Overlaps => interval(left.ty) && interval(right.ty),
            _ => (is_scope(left.ty) && is_scope(right.ty)) || (interval(left.ty) && (interval(right.ty) || instant(right.ty))),
        };
        if !fits {
            let word = if op == BinaryOp::Covers { "covers" } else { "overlaps" };
            let wanted = if op == BinaryOp::Covers { "two scopes, or an interval and an instant" } else { "two intervals" };
            let text = format!("`{word}` compares {wanted}, not {} and {}", self.type_name(left.ty), self.type_name(right.ty));
            self.error("T0104", span, text);
            return failed(span, BOOL);
        }
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = if op == BinaryOp::Covers { ExprKind::Covers(left, right) } else { ExprKind::Overlaps(left, right) };
        Expr { kind, ty: BOOL, span }
    }

    fn matches(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let left = self.expr(left, None);
        let ast::ExprKind::Regex(pattern) = &right.kind else {
            self.error("T0103", right.span, "`matches` needs a regular expression: `matches /…/`");
            return failed(span, BOOL);
        };
        let regex = match anchored(pattern) {
            Ok(regex) => regex,
            Err(text) => {
                self.error("T0123", right.span, text);
                return failed(span, BOOL);
            }
        };
        if is_failed(&left) {
            return failed(span, BOOL);
        }
        if left.ty.set || !matches!(left.ty.base, Base::String | Base::Guid | Base::ArmId) {
            self.error("T0104", left.span, format!("`matches` reads a text, not {}", self.type_name(left.ty)));
            return failed(span, BOOL);
        }
        if left.ty.optional {
            self.unguarded(left);
            return failed(span, BOOL);
        }
        Expr { kind: ExprKind::Matches(Box::new(left), regex), ty: BOOL, span }
    }

    fn coalesce(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span, expected: Option<Type>) -> Expr {
        let left = self.expr(left, expected);
        let right = self.expr(right, Some(left.ty.member()));
        if is_failed(&left) || is_failed(&right) {
            return failed(span, left.ty.required());
        }
        if left.ty.set {
            self.error("T0107", left.span, "a set is never none, so `??` has nothing to replace");
            return failed(span, left.ty);
        }
        if !left.ty.optional {
            let text = format!("this is {} and never none, so `??` has nothing to replace", self.type_name(left.ty));
            self.diagnostics.push(Diagnostic::warning("T0302", left.span, text));
        }
        let wanted = Type { optional: right.ty.optional, ..left.ty };
        let right = self.require(right, Type { alias: None, ..wanted });
        Expr { kind: ExprKind::Coalesce(Box::new(left), Box::new(right)), ty: wanted, span }
    }

    fn add(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span, expected: Option<Type>) -> Expr {
        let left = self.expr(left, expected);
        let right = self.expr(right, Some(left.ty));
        if is_failed(&left) || is_failed(&right) {
            return failed(span, left.ty);
        }
        if left.ty.set && right.ty.set {
            return self.union(left, right, span);
        }
        let base = match (left.ty.base, right.ty.base) {
            (Base::Int, Base::Int) => Base::Int,
            (Base::Duration, Base::Duration) => Base::Duration,
            (Base::Instant, Base::Duration) | (Base::Duration, Base::Instant) => Base::Instant,
            _ => return self.no_arithmetic("+", &left, &right, span),
        };
        if !self.required_sides(&left, &right) {
            return failed(span, Type::of(base));
        }
        Expr { kind: ExprKind::Add(Box::new(left), Box::new(right)), ty: Type::of(base), span }
    }

    fn union(&mut self, left: Expr, right: Expr, span: Span) -> Expr {
        let schema = self.globals.schema;
        let ty = match (left.ty.base, right.ty.base) {
            (Base::Entity(a), Base::Entity(b)) if schema.is_subtype(b, a) => left.ty,
            (Base::Entity(a), Base::Entity(b)) if schema.is_subtype(a, b) => right.ty,
            (Base::Entity(a), Base::Entity(b)) => {
                let root = |id| schema.entity(id).map(|ty| ty.root);
                match root(a) {
                    Some(above) if root(b) == Some(above) => Type::set_of(Base::Entity(above)),
                    _ => return self.no_arithmetic("+", &left, &right, span),
                }
            }
            (a, b) if a == b || b == Base::Nothing => left.ty,
            (Base::Nothing, _) => right.ty,
            _ => return self.no_arithmetic("+", &left, &right, span),
        };
        Expr { kind: ExprKind::Union(Box::new(left), Box::new(right)), ty, span }
    }

    fn subtract(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let left = self.expr(left, None);
        let right = self.expr(right, None);
        if is_failed(&left) || is_failed(&right) {
            return failed(span, left.ty);
        }
        let base = match (left.ty.base, right.ty.base) {
            _ if left.ty.set || right.ty.set => return self.no_arithmetic("-", &left, &right, span),
            (Base::Int, Base::Int) => Base::Int,
            (Base::Duration, Base::Duration) | (Base::Instant, Base::Instant) => Base::Duration,
            (Base::Instant, Base::Duration) => Base::Instant,
            _ => return self.no_arithmetic("-", &left, &right, span),
        };
        if !self.required_sides(&left, &right) {
            return failed(span, Type::of(base));
        }
        Expr { kind: ExprKind::Subtract(Box::new(left), Box::new(right)), ty: Type::of(base), span }
    }

    fn required_sides(&mut self, left: &Expr, right: &Expr) -> bool {
        for side in [left, right] {
            if side.ty.optional {
                self.unguarded(side.clone());
                return false;
            }
        }
        true
    }

    fn no_arithmetic(&mut self, op: &str, left: &Expr, right: &Expr, span: Span) -> Expr {
        let text = format!("`{op}` does not work on {} and {}", self.type_name(left.ty), self.type_name(right.ty));
        self.error("T0104", span, text);
        failed(span, left.ty)
    }
}

fn is_bare(expr: &ast::Expr) -> bool {
    matches!(expr.kind, ast::ExprKind::Name(_) | ast::ExprKind::Text(_))
}

fn is_failed(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Error)
}

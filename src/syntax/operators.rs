//! Operator precedence: two stacks, no recursion.

use super::ast::{BinaryOp, ExprKind, Qualified};
use super::builder::Outcome;
use super::expression::Tall;
use crate::text::{Diagnostic, Span};

/// An operator of a flat list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    /// `not`, in front of its operand
    Not,
    /// `is T`, behind its operand; no type for `none`; negated
    Is(Option<Qualified>, bool),
    /// `as of`
    AsOf,
    /// Any other, between two operands
    Binary(BinaryOp),
}

/// How the last operand ends, if what follows could be taken for a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// With the body of a quantifier.
    Body,
    /// With the condition of a binder.
    Where,
}

/// The two stacks.
#[derive(Default)]
pub(super) struct Operators {
    operands: Vec<Tall>,
    pending: Vec<(Operator, Span)>,
    tail: Option<(Tail, Span)>,
}

const COMPARISON: u8 = 4;
const NOT: u8 = 3;

impl Operator {
    fn precedence(&self) -> u8 {
        match self {
            Self::Binary(BinaryOp::Implies) => 1,
            Self::Binary(BinaryOp::And | BinaryOp::Or) => 2,
            Self::Not => NOT,
            Self::AsOf => 5,
            Self::Binary(BinaryOp::Coalesce) => 6,
            Self::Binary(BinaryOp::Add | BinaryOp::Subtract) => 7,
            Self::Is(..) | Self::Binary(_) => COMPARISON,
        }
    }

    fn is_right_associative(&self) -> bool {
        matches!(self, Self::Binary(BinaryOp::Implies | BinaryOp::Coalesce))
    }
}

impl Operators {
    /// Adds an operand.
    pub(super) fn push_operand(&mut self, operand: Tall, tail: Option<Tail>) {
        self.tail = tail.map(|tail| (tail, operand.expr.span));
        self.operands.push(operand);
    }

    /// Adds a `not` in front of the next operand.
    pub(super) fn push_not(&mut self, span: Span) -> Outcome<()> {
        if self.pending.last().is_some_and(|(operator, _)| operator.precedence() > NOT) {
            let message = "`not` behind this operator needs parentheses";
            return Err(error("T0001", span, message, "write `(not …)`").into());
        }
        self.pending.push((Operator::Not, span));
        Ok(())
    }

    /// Adds an operator behind the last operand.
    pub(super) fn push(&mut self, operator: Operator, span: Span) -> Outcome<()> {
        self.check_tail(&operator, span)?;
        let precedence = operator.precedence();
        while let Some((top, _)) = self.pending.last() {
            let tighter = top.precedence() > precedence;
            let leftward = top.precedence() == precedence && !operator.is_right_associative();
            if !tighter && !leftward {
                break;
            }
            if !tighter {
                self.check_neighbors(&operator, span)?;
            }
            self.reduce()?;
        }
        self.pending.push((operator, span));
        Ok(())
    }

    /// Refuses `some x in s : a or b`, which reads as if the body went on.
    fn check_tail(&mut self, operator: &Operator, span: Span) -> Outcome<()> {
        let loose = matches!(operator, Operator::Binary(BinaryOp::Or | BinaryOp::Implies));
        let Some((tail, quantifier)) = self.tail.take_if(|_| loose) else { return Ok(()) };
        let (message, help) = match tail {
            Tail::Body => {
                ("a body with `or` or `implies` needs parentheses", "write `… : (a or b)`, or put the whole quantifier in parentheses")
            }
            Tail::Where => (
                "a condition with `or` or `implies` needs parentheses",
                "write `where (a or b)`, or put the whole quantifier in parentheses",
            ),
        };
        let diagnostic = Diagnostic::error("T0007", span, message).help(help);
        Err(Box::new(diagnostic.label(quantifier, "the quantifier begins here")))
    }

    /// Refuses mixed and chained operators of one precedence.
    fn check_neighbors(&self, operator: &Operator, span: Span) -> Outcome<()> {
        let Some((top, before)) = self.pending.last() else { return Ok(()) };
        let diagnostic = match (top, operator) {
            (Operator::Binary(BinaryOp::And), Operator::Binary(BinaryOp::Or))
            | (Operator::Binary(BinaryOp::Or), Operator::Binary(BinaryOp::And)) => {
                error("T0006", span, "`and` and `or` are mixed without parentheses", "put the part that belongs together in parentheses")
            }
            _ if operator.precedence() == COMPARISON => error("T0011", span, "comparisons cannot be chained", "write `a < b and b < c`"),
            _ => return Ok(()),
        };
        Err(Box::new(diagnostic.label(*before, "the other operator")))
    }

    /// Applies the last operator to the last operands.
    fn reduce(&mut self) -> Outcome<()> {
        let Some((operator, span)) = self.pending.pop() else { return Ok(()) };
        let last = self.operands.pop().ok_or_else(|| missing(span))?;
        let below = last.height;
        let made = match operator {
            Operator::Not => {
                let whole = span.to(last.expr.span);
                Tall::on(below, ExprKind::Not(Box::new(last.expr)), whole)?
            }
            Operator::Is(ty, negated) => {
                let whole = last.expr.span.to(span);
                Tall::on(below, ExprKind::Is(Box::new(last.expr), ty, negated), whole)?
            }
            operator => {
                let first = self.operands.pop().ok_or_else(|| missing(span))?;
                let below = below.max(first.height);
                let whole = first.expr.span.to(last.expr.span);
                let (left, right) = (Box::new(first.expr), Box::new(last.expr));
                let kind = match operator {
                    Operator::Binary(op) => ExprKind::Binary(op, left, right),
                    _ => ExprKind::AsOf(left, right),
                };
                Tall::on(below, kind, whole)?
            }
        };
        self.operands.push(made);
        Ok(())
    }

    /// Applies all operators that are left.
    pub(super) fn finish(mut self) -> Outcome<Tall> {
        while !self.pending.is_empty() {
            self.reduce()?;
        }
        Ok(self.operands.pop().ok_or_else(|| missing(Span::default()))?)
    }
}

fn missing(span: Span) -> Diagnostic {
    error("T0001", span, "an operand is missing", "write an expression on both sides")
}

fn error(code: &'static str, span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error(code, span, message).help(help)
}

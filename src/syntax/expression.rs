//! Expressions: from flat lists of operands and operators to trees.
//!
//! Precedence, loosest first: `implies` (to the right), `and` | `or` (never mixed), `not`, comparison (never chained),
//! `as of`, `??` (to the right), `+ -`. The height of every tree is bounded, so that later recursion over it is safe.

use super::ast::{Aggregate, BinaryOp, Binder, Expr, ExprKind, Qualified, Quantifier, TextPart};
use super::builder::{Builder, Outcome, unexpected};
use super::grammar::{Pair, Parts, Rule};
use super::literal::regex_pattern;
use super::operators::{Operator, Operators, Tail};
use crate::text::{Diagnostic, Span};

/// How high the tree of one expression may be.
pub(super) const MAX_EXPRESSION_HEIGHT: u32 = 200;

/// An expression and the height of its tree.
pub(super) struct Tall {
    /// The expression.
    pub(super) expr: Expr,
    /// One for a leaf.
    pub(super) height: u32,
}

impl Tall {
    /// Makes an expression on top of parts of which the highest has `below`.
    pub(super) fn on(below: u32, kind: ExprKind, span: Span) -> Outcome<Self> {
        if below >= MAX_EXPRESSION_HEIGHT {
            let message = format!("an expression is at most {MAX_EXPRESSION_HEIGHT} operations deep");
            let help = "give parts of it a name with `def` or `let`";
            return Err(Box::new(Diagnostic::error("T0002", span, message).help(help)));
        }
        Ok(Self { expr: Expr { kind, span }, height: below + 1 })
    }

    fn boxed(self) -> Box<Expr> {
        Box::new(self.expr)
    }
}

impl Builder {
    /// Reads `expr`, `tight` or `set_expr`.
    pub(super) fn expression(&mut self, pair: Pair<'_>) -> Outcome<Expr> {
        Ok(self.tall(pair)?.expr)
    }

    /// Reads the next child, an expression.
    pub(super) fn next_expression(&mut self, parts: &mut Parts<'_>) -> Outcome<Expr> {
        let pair = self.need(parts, Rule::expr)?;
        self.expression(pair)
    }

    fn next_tall(&mut self, parts: &mut Parts<'_>) -> Outcome<Tall> {
        let pair = self.next(parts)?;
        self.tall(pair)
    }

    fn tall(&mut self, pair: Pair<'_>) -> Outcome<Tall> {
        let mut operators = Operators::default();
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::operand => self.operand(part, &mut operators)?,
                Rule::is_test => operators.push(self.is_test(part)?, span)?,
                _ => operators.push(infix(part.as_str()).ok_or_else(|| unexpected(span))?, span)?,
            }
        }
        operators.finish()
    }

    fn operand(&mut self, pair: Pair<'_>, operators: &mut Operators) -> Outcome<()> {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let mut first = parts.next();
        while let Some(not) = first.take_if(|part| part.as_rule() == Rule::kw_not) {
            operators.push_not(self.span(&not))?;
            first = parts.next();
        }
        let first = first.ok_or_else(|| unexpected(span))?;
        let (mut tall, tail) = match first.as_rule() {
            Rule::quantifier => self.quantifier(first)?,
            _ => (self.primary(first)?, None),
        };
        for suffix in parts {
            tall = self.suffix(tall, suffix)?;
        }
        operators.push_operand(tall, tail);
        Ok(())
    }

    fn is_test(&mut self, pair: Pair<'_>) -> Outcome<Operator> {
        let mut parts = Parts::of(pair);
        let negated = parts.next_of(Rule::kw_not).is_some();
        let target = self.next(&mut parts)?;
        let ty: Option<Qualified> = match target.as_rule() {
            Rule::none => None,
            _ => Some(self.qualified(target)?),
        };
        Ok(Operator::Is(ty, negated))
    }

    fn primary(&mut self, pair: Pair<'_>) -> Outcome<Tall> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::name => self.name(&pair)?,
            Rule::string => return self.text(pair),
            Rule::group => return self.group(pair),
            Rule::set_literal => {
                let (members, below) = self.list(pair)?;
                return Tall::on(below, ExprKind::SetLiteral(members), span);
            }
            Rule::aggregate => return self.aggregate(pair),
            Rule::none => ExprKind::None,
            Rule::now => ExprKind::Now,
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::instant => ExprKind::Instant(self.instant(&pair)?.value),
            Rule::duration => ExprKind::Duration(self.duration(pair)?.value),
            Rule::integer => ExprKind::Int(self.integer(&pair)?),
            Rule::regex => ExprKind::Regex(regex_pattern(pair.as_str())),
            _ => return Err(unexpected(span).into()),
        };
        Tall::on(0, kind, span)
    }

    fn name(&self, pair: &Pair<'_>) -> Outcome<ExprKind> {
        let name = pair.as_str();
        if matches!(name, "null" | "nil") {
            let message = format!("`{name}` is no word of the language");
            return Err(Box::new(Diagnostic::error("T0001", self.span(pair), message).help("write `none`")));
        }
        Ok(ExprKind::Name(name.to_owned()))
    }

    fn group(&mut self, pair: Pair<'_>) -> Outcome<Tall> {
        let span = self.span(&pair);
        let mut tall = self.next_tall(&mut Parts::of(pair))?;
        tall.expr.span = span;
        Ok(tall)
    }

    /// Reads the expressions of a set or of arguments, and the height of the highest.
    fn list(&mut self, pair: Pair<'_>) -> Outcome<(Vec<Expr>, u32)> {
        let mut below = 0;
        let mut members = Vec::new();
        for part in Parts::of(pair) {
            let tall = self.tall(part)?;
            below = below.max(tall.height);
            members.push(tall.expr);
        }
        Ok((members, below))
    }

    /// Reads the arguments of a call.
    pub(super) fn arguments(&mut self, pair: Pair<'_>) -> Outcome<Vec<Expr>> {
        Ok(self.list(pair)?.0)
    }

    fn text(&mut self, pair: Pair<'_>) -> Outcome<Tall> {
        let span = self.span(&pair);
        let mut below = 0;
        let mut parts = Vec::new();
        let mut literal = String::new();
        for piece in Parts::of(pair) {
            if piece.as_rule() != Rule::interpolation {
                self.text_piece(&piece, &mut literal)?;
                continue;
            }
            if !literal.is_empty() {
                parts.push(TextPart::Text(std::mem::take(&mut literal)));
            }
            let tall = self.next_tall(&mut Parts::of(piece))?;
            below = below.max(tall.height);
            parts.push(TextPart::Expr(tall.expr));
        }
        if !literal.is_empty() {
            parts.push(TextPart::Text(literal));
        }
        Tall::on(below, ExprKind::Text(parts), span)
    }

    /// Reads a text with interpolations.
    pub(super) fn message(&mut self, pair: Pair<'_>) -> Outcome<Expr> {
        Ok(self.text(pair)?.expr)
    }

    fn suffix(&mut self, base: Tall, pair: Pair<'_>) -> Outcome<Tall> {
        let own = self.span(&pair);
        let span = base.expr.span.to(own);
        let below = base.height;
        let rule = pair.as_rule();
        match rule {
            Rule::member | Rule::safe_member => {
                let name = self.next_ident(&mut Parts::of(pair))?;
                Tall::on(below, ExprKind::Member(base.boxed(), name, rule == Rule::safe_member), span)
            }
            Rule::closure => Tall::on(below, ExprKind::Closure(base.boxed(), pair.as_str() == "^*"), span),
            Rule::filter => {
                let mut parts = Parts::of(pair);
                let name = self.next_ident(&mut parts)?;
                let body = self.next_tall(&mut parts)?;
                Tall::on(below.max(body.height), ExprKind::Filter(base.boxed(), name, body.boxed()), span)
            }
            Rule::arguments => {
                let (arguments, highest) = self.list(pair)?;
                Tall::on(below.max(highest), ExprKind::Call(base.boxed(), arguments), span)
            }
            _ => Err(unexpected(own).into()),
        }
    }

    fn quantifier(&mut self, pair: Pair<'_>) -> Outcome<(Tall, Option<Tail>)> {
        let mut parts = Parts::of(pair);
        let kind_pair = self.need(&mut parts, Rule::quantifier_kind)?;
        let start = self.span(&kind_pair);
        let kind = self.quantifier_kind(kind_pair)?;
        let (binders, mut below, mut end) = self.binders(&mut parts)?;
        let narrowed = binders.last().is_some_and(|binder| binder.filter.is_some());
        let mut tail = narrowed.then_some(Tail::Where);
        let mut body = None;
        if let Some(pair) = parts.next_of(Rule::tight) {
            tail = (!is_grouped(&pair)).then_some(Tail::Body);
            let tall = self.tall(pair)?;
            below = below.max(tall.height);
            end = tall.expr.span;
            body = Some(tall.boxed());
        }
        Ok((Tall::on(below, ExprKind::Quantified(kind, binders, body), start.to(end))?, tail))
    }

    fn quantifier_kind(&self, pair: Pair<'_>) -> Outcome<Quantifier> {
        let text = pair.as_str();
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        if parts.next_of(Rule::quant_word).is_some() {
            return Ok(match text {
                "some" => Quantifier::Some,
                "no" => Quantifier::No,
                "all" => Quantifier::All,
                _ => Quantifier::AllNonempty,
            });
        }
        let count = self.integer(&self.need(&mut parts, Rule::integer)?)?;
        if count < 0 {
            return Err(Box::new(Diagnostic::error("T0010", span, "a count is never negative")));
        }
        let words = text.trim_start_matches("at").trim_start();
        Ok(match words {
            _ if text.starts_with("exactly") => Quantifier::Exactly(count),
            _ if words.starts_with("most") => Quantifier::AtMost(count),
            _ => Quantifier::AtLeast(count),
        })
    }

    /// Reads all binders that come next; also the height of the highest part and the span of the last one.
    fn binders(&mut self, parts: &mut Parts<'_>) -> Outcome<(Vec<Binder>, u32, Span)> {
        let mut below = 0;
        let mut end = Span::default();
        let mut binders = Vec::new();
        while let Some(pair) = parts.next_of(Rule::binder) {
            let (binder, height) = self.tall_binder(pair)?;
            below = below.max(height);
            end = binder.filter.as_ref().map_or(binder.set.span, |filter| filter.span);
            binders.push(binder);
        }
        Ok((binders, below, end))
    }

    fn tall_binder(&mut self, pair: Pair<'_>) -> Outcome<(Binder, u32)> {
        let mut parts = Parts::of(pair);
        let var = self.next_ident(&mut parts)?;
        let set = self.next_tall(&mut parts)?;
        let mut below = set.height;
        let mut filter = None;
        if let Some(pair) = parts.next_of(Rule::tight) {
            let tall = self.tall(pair)?;
            below = below.max(tall.height);
            filter = Some(tall.expr);
        }
        Ok((Binder { var, set: set.expr, filter }, below))
    }

    /// Reads one binder, of the loop of a fix.
    pub(super) fn binder(&mut self, pair: Pair<'_>) -> Outcome<Binder> {
        Ok(self.tall_binder(pair)?.0)
    }

    fn aggregate(&mut self, pair: Pair<'_>) -> Outcome<Tall> {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        let kind = match self.need(&mut parts, Rule::aggregate_kind)?.as_str() {
            "count" => Aggregate::Count,
            "min" => Aggregate::Min,
            _ => Aggregate::Max,
        };
        let (binders, mut below, _) = self.binders(&mut parts)?;
        let mut body = None;
        if let Some(pair) = parts.next_of(Rule::expr) {
            let tall = self.tall(pair)?;
            below = below.max(tall.height);
            body = Some(tall.boxed());
        }
        Tall::on(below, ExprKind::Aggregate(kind, binders, body), span)
    }
}

/// Tells whether the body of a quantifier stands in parentheses.
fn is_grouped(tight: &Pair<'_>) -> bool {
    let mut operands = tight.clone().into_inner();
    let only = operands.next().filter(|_| operands.next().is_none());
    only.is_some_and(|operand| {
        let mut parts = operand.into_inner();
        parts.next().is_some_and(|part| part.as_rule() == Rule::group) && parts.next().is_none()
    })
}

fn infix(text: &str) -> Option<Operator> {
    let op = match text {
        "implies" => BinaryOp::Implies,
        "and" => BinaryOp::And,
        "or" => BinaryOp::Or,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "in" => BinaryOp::In,
        "covers" => BinaryOp::Covers,
        "overlaps" => BinaryOp::Overlaps,
        "matches" => BinaryOp::Matches,
        "??" => BinaryOp::Coalesce,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Subtract,
        _ if text.starts_with("not") => BinaryOp::NotIn,
        _ if text.starts_with("as") => return Some(Operator::AsOf),
        _ => return None,
    };
    Some(Operator::Binary(op))
}

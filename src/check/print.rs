//! Writes a checked expression as a reader would, for explanations.

use super::typed::{Binder, Expr, ExprKind, Policies, VarId};
use crate::model::{PropertyId, Value};
use crate::syntax::ast::{Aggregate, Quantifier};

/// Writes expressions of one rule or definition.
#[derive(Debug, Clone, Copy)]
pub struct Printer<'a> {
    /// Where names are looked up.
    pub policies: &'a Policies,
    /// Names of the variables.
    pub slots: &'a [String],
}

impl Printer<'_> {
    /// Returns the name of a variable.
    #[must_use]
    pub fn variable(&self, var: VarId) -> String {
        self.slots.get(var.0 as usize).cloned().unwrap_or_else(|| "?".to_owned())
    }

    fn property(&self, id: PropertyId) -> String {
        self.policies.schema.property(id).map_or_else(|| "?".to_owned(), |property| property.name.clone())
    }

    fn as_of(&self, at: Option<&Expr>) -> String {
        at.map_or_else(String::new, |at| format!(" as of {}", self.print(at)))
    }

    fn list(&self, items: &[Expr]) -> String {
        items.iter().map(|item| self.print(item)).collect::<Vec<_>>().join(", ")
    }

    fn joined(&self, items: &[Expr], word: &str) -> String {
        items.iter().map(|item| self.group(item)).collect::<Vec<_>>().join(word)
    }

    /// Writes an operand, in parentheses where it would read wrongly without.
    fn group(&self, expr: &Expr) -> String {
        let loose = matches!(
            expr.kind,
            ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Implies(..) | ExprKind::Quantified(..) | ExprKind::Branches(_)
        );
        if loose { format!("({})", self.print(expr)) } else { self.print(expr) }
    }

    /// Writes one expression.
    #[must_use]
    pub fn print(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Value(value) => self.literal(value),
            ExprKind::None => "none".to_owned(),
            ExprKind::Now => "now".to_owned(),
            ExprKind::Var(var) => self.variable(*var),
            ExprKind::Param(id) => self.policies.params.get(id.0 as usize).map_or_else(|| "?".to_owned(), |param| param.name.clone()),
            ExprKind::Call(def, args) => {
                let name = self.policies.defs.get(def.0 as usize).map_or("?", |def| def.name.as_str());
                format!("{name}({})", self.list(args))
            }
            ExprKind::Attribute { base, property, safe, at } => {
                let dot = if *safe { "?." } else { "." };
                format!("{}{dot}{}{}", self.group(base), self.property(*property), self.as_of(at.as_deref()))
            }
            ExprKind::Navigation { base, property, at } => {
                format!("{}.{}{}", self.group(base), self.property(*property), self.as_of(at.as_deref()))
            }
            ExprKind::Closure { base, property, reflexive, at } => {
                let mark = if *reflexive { "^*" } else { "^+" };
                format!("{}.{}{mark}{}", self.group(base), self.property(*property), self.as_of(at.as_deref()))
            }
            ExprKind::Extent(ty) => self.policies.schema.entity_name(*ty).to_owned(),
            ExprKind::Filter(binder) => {
                let filter = binder.filter.as_ref().map_or_else(String::new, |filter| self.print(filter));
                format!("{}[{} | {filter}]", self.group(&binder.set), self.variable(binder.var))
            }
            ExprKind::Union(a, b) | ExprKind::Add(a, b) => format!("{} + {}", self.group(a), self.group(b)),
            ExprKind::Subtract(a, b) => format!("{} - {}", self.group(a), self.group(b)),
            ExprKind::Set(items) => format!("{{{}}}", self.list(items)),
            ExprKind::Not(inner) => format!("not {}", self.group(inner)),
            ExprKind::And(parts) => self.joined(parts, " and "),
            ExprKind::Or(parts) => self.joined(parts, " or "),
            ExprKind::Implies(a, b) => format!("{} implies {}", self.group(a), self.group(b)),
            ExprKind::Branches(branches) => branches.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" or "),
            ExprKind::Compare(op, a, b) => format!("{} {} {}", self.group(a), op.symbol(), self.group(b)),
            ExprKind::In { item, set, negated } => {
                let not = if *negated { "not " } else { "" };
                format!("{} {not}in {}", self.group(item), self.group(set))
            }
            ExprKind::IsNone(inner, negated) => format!("{} is {}none", self.group(inner), if *negated { "not " } else { "" }),
            ExprKind::IsType(inner, ty, negated) => {
                let not = if *negated { "not " } else { "" };
                format!("{} is {not}{}", self.group(inner), self.policies.schema.entity_name(*ty))
            }
            ExprKind::Covers(a, b) => format!("{} covers {}", self.group(a), self.group(b)),
            ExprKind::Overlaps(a, b) => format!("{} overlaps {}", self.group(a), self.group(b)),
            ExprKind::Matches(text, pattern) => {
                let pattern = pattern.as_str().trim_start_matches("^(?:").trim_end_matches(")$");
                format!("{} matches /{pattern}/", self.group(text))
            }
            ExprKind::Coalesce(a, b) => format!("{} ?? {}", self.group(a), self.group(b)),
            ExprKind::Interval(a, b) => format!("interval({}, {})", self.print(a), self.print(b)),
            ExprKind::Known(inner) => format!("known({})", self.print(inner)),
            ExprKind::Quantified(kind, binders, body) => self.quantified(*kind, binders, body.as_deref()),
            ExprKind::Aggregate(kind, binders, body) => {
                let word = match kind {
                    Aggregate::Count => "count",
                    Aggregate::Min => "min",
                    Aggregate::Max => "max",
                };
                let body = body.as_ref().map_or_else(String::new, |body| format!(" : {}", self.print(body)));
                format!("{word}({}{body})", self.binders(binders))
            }
            ExprKind::Error => "?".to_owned(),
        }
    }

    fn quantified(&self, kind: Quantifier, binders: &[Binder], body: Option<&Expr>) -> String {
        let word = match kind {
            Quantifier::Some => "some".to_owned(),
            Quantifier::No => "no".to_owned(),
            Quantifier::All => "all".to_owned(),
            Quantifier::AllNonempty => "all nonempty".to_owned(),
            Quantifier::Exactly(n) => format!("exactly {n}"),
            Quantifier::AtMost(n) => format!("at most {n}"),
            Quantifier::AtLeast(n) => format!("at least {n}"),
        };
        let body = body.map_or_else(String::new, |body| format!(" : {}", self.group(body)));
        format!("{word} {}{body}", self.binders(binders))
    }

    fn binders(&self, binders: &[Binder]) -> String {
        let written = binders.iter().map(|binder| {
            let filter = binder.filter.as_ref().map_or_else(String::new, |filter| format!(" where {}", self.group(filter)));
            format!("{} in {}{filter}", self.variable(binder.var), self.group(&binder.set))
        });
        written.collect::<Vec<_>>().join(", ")
    }

    fn literal(&self, value: &Value) -> String {
        let text = value.display(&self.policies.schema);
        if matches!(value, Value::Text(_)) { format!("\"{text}\"") } else { text }
    }
}

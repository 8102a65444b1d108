//! Messages: templates filled with what is known.

use super::evaluator::{Evaluator, Frame};
use super::value::{Range, SetValue, Val};
use crate::check::{Expr, ExprKind, Template, TemplatePart};
use crate::model::Value;

/// Members of a set that a message names; the rest is counted.
const NAMED_MAX: usize = 5;

impl Evaluator<'_> {
    /// Fills a template. What is not known says so; entities appear by their name.
    #[must_use]
    pub fn message(&self, template: &Template, frame: &mut Frame) -> String {
        let mut text = String::new();
        for part in template {
            match part {
                TemplatePart::Text(literal) => text.push_str(literal),
                TemplatePart::Expr(expr) => {
                    let value = self.value(expr, frame);
                    text.push_str(&self.named_by_key(expr, &value, frame).unwrap_or_else(|| self.show(&value)));
                }
            }
        }
        text
    }

    /// Names an entity by its key where its display name is not known: a message must say whom it is about.
    fn named_by_key(&self, expr: &Expr, value: &Val, frame: &mut Frame) -> Option<String> {
        let ExprKind::Attribute { base, property, .. } = &expr.kind else { return None };
        let is_name = self.snapshot.schema().property(*property).is_some_and(|property| property.name == "display_name");
        match (is_name, value, self.value(base, frame)) {
            (true, Val::Unknown | Val::None, Val::Known(Value::Entity(id))) => Some(self.snapshot.key(id).into_owned()),
            _ => None,
        }
    }

    /// Writes a value for people.
    #[must_use]
    pub fn show(&self, value: &Val) -> String {
        match value {
            Val::Known(value) => self.show_value(value),
            Val::None => "none".to_owned(),
            Val::Unknown => "(unknown)".to_owned(),
            Val::Unseen(_) => "(one that was not read)".to_owned(),
            Val::Range(range) => self.show_range(range),
            Val::Set(set) => self.show_set(set),
        }
    }

    /// Writes a known value for people; an entity by its name, with its key where they differ.
    #[must_use]
    pub fn show_value(&self, value: &Value) -> String {
        match value {
            Value::Entity(id) => self.snapshot.label(*id),
            other => other.display(self.snapshot.schema()),
        }
    }

    fn show_range(&self, range: &Range) -> String {
        match (&range.low, &range.high) {
            (Some(low), None) => format!("{} or more", self.show_value(low)),
            (None, Some(high)) => format!("at most {}", self.show_value(high)),
            (Some(low), Some(high)) => format!("between {} and {}", self.show_value(low), self.show_value(high)),
            (None, None) => "(unknown)".to_owned(),
        }
    }

    fn show_set(&self, set: &SetValue) -> String {
        let mut names: Vec<String> = set.members.iter().take(NAMED_MAX).map(|member| self.show_value(&member.value)).collect();
        if set.members.len() > NAMED_MAX {
            names.push(format!("{} more", set.members.len() - NAMED_MAX));
        }
        if !set.unseen.is_empty() {
            names.push("perhaps others".to_owned());
        }
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }
}

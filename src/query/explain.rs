//! Plans as text: an indented tree, with what was expected and what came.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plan::{Node, Operator};
use super::term::{FunctionId, TermId};

/// What was counted of one term while rules were evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Actual {
    /// Rows it was evaluated for.
    pub rows: u64,
    /// Rows for which it is certainly true; for sets the sure members.
    pub sure: u64,
    /// Rows for which it is neither true nor false; for sets the members in doubt, unseen ones included.
    pub open: u64,
    /// Steps, with those of its parts.
    pub steps: u64,
}

/// What was counted while a rule was evaluated. A term that stands in several places is counted once for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actuals {
    /// Subjects of the rule.
    pub subjects: u64,
    /// By term.
    pub terms: BTreeMap<TermId, Actual>,
    /// By set and test: the ways that were taken, with the rows.
    pub ways: BTreeMap<(TermId, FunctionId), BTreeMap<&'static str, u64>>,
}

/// Lines of a plan; the rest is counted.
pub(super) const LINES_MAX: usize = 400;

/// Writes a plan; `counted` says whether the estimates rest on a snapshot.
#[must_use]
pub fn plan_text(plan: &Node, counted: bool, actuals: Option<&Actuals>) -> String {
    let mut lines = Vec::new();
    write(plan, 0, counted, actuals, &mut lines);
    let more = lines.len().saturating_sub(LINES_MAX);
    let mut text = lines.into_iter().take(LINES_MAX).map(|line| line + "\n").collect::<String>();
    if more > 0 {
        let _ = writeln!(text, "… and {more} more lines");
    }
    text
}

fn write(node: &Node, depth: usize, counted: bool, actuals: Option<&Actuals>, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let name = [node.operator.name(), node.text.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let numbers = if counted { numbers(node, actuals) } else { String::new() };
    lines.push(format!("{indent}{name}{numbers}"));
    let taken = node.joined.and_then(|joined| actuals?.ways.get(&joined));
    let taken = taken
        .map(|ways| format!("went {}", ways.iter().map(|(way, rows)| format!("{way} for {rows} rows")).collect::<Vec<_>>().join(", ")));
    for note in node.notes.iter().cloned().chain(taken) {
        lines.push(format!("{indent}  | {note}"));
    }
    for part in &node.parts {
        write(part, depth + 1, counted, actuals, lines);
    }
}

fn numbers(node: &Node, actuals: Option<&Actuals>) -> String {
    let is_rule = node.term.is_none();
    let expected = if is_rule { rounded(node.rows) } else { format!("{} -> {}", rounded(node.rows), rounded(node.yields)) };
    let came = actuals.map_or_else(String::new, |actuals| match node.term {
        None => format!(", actual {}", actuals.subjects),
        Some(term) => match actuals.terms.get(&term) {
            Some(actual) => format!(", actual {}", of(*actual, node.operator)),
            None => ", not evaluated".to_owned(),
        },
    });
    format!("  (estimated {expected}{came})")
}

fn of(actual: Actual, operator: Operator) -> String {
    let Actual { rows, sure, open, steps } = actual;
    let open = if open > 0 { format!(" + {open} open") } else { String::new() };
    let steps = if operator == Operator::Part { format!(", {steps} steps") } else { String::new() };
    format!("{rows} -> {sure}{open}{steps}")
}

/// Whole rows; less than one as such.
fn rounded(rows: f64) -> String {
    if rows > 0.0 && rows < 0.5 { "<1".to_owned() } else { format!("{rows:.0}") }
}

//! Which rules of a run are decided one after the other, and which side by side.
//!
//! Rules that share a costly function, such as the owners of a scope, belong together: what one computes the others find.
//! The units follow from the rules alone, never from the number of threads, so that work is counted alike in every run.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Plan;
use super::shape::Shapes;
use crate::query::{FunctionId, Query, RuleQuery, Term, TermId, calls, parts};
use crate::snapshot::columns::Columns;

/// Groups the rules of a plan, by place; those that promise the most work first.
pub(super) fn units(plan: &Plan, columns: &Columns, entity_of: impl Fn(usize) -> Option<crate::model::EntityTypeId>) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..plan.runs.len()).collect();
    let mut first: BTreeMap<FunctionId, usize> = BTreeMap::new();
    let mut work = Vec::with_capacity(plan.runs.len());
    for (at, (_, functions)) in plan.runs.iter().enumerate() {
        let subjects = entity_of(at).map_or(0, |entity| columns.domain(entity).len() as u64);
        work.push(subjects.saturating_mul(weight(&plan.query, &plan.shapes, functions)));
        for function in costly(&plan.query, &plan.shapes, functions) {
            let other = *first.entry(function).or_insert(at);
            let (from, to) = (find(&group, at), find(&group, other));
            if let Some(slot) = group.get_mut(from.max(to)) {
                *slot = from.min(to);
            }
        }
    }
    let mut units: BTreeMap<usize, (u64, Vec<usize>)> = BTreeMap::new();
    for (at, work) in work.into_iter().enumerate() {
        let unit = units.entry(find(&group, at)).or_default();
        unit.0 = unit.0.saturating_add(work);
        unit.1.push(at);
    }
    let mut units: Vec<(u64, Vec<usize>)> = units.into_values().collect();
    units.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    units.into_iter().map(|(_, unit)| unit).collect()
}

fn find(group: &[usize], at: usize) -> usize {
    let mut at = at;
    while let Some(next) = group.get(at).copied().filter(|next| *next != at) {
        at = next;
    }
    at
}

fn bodies(query: &Query, functions: &RuleQuery) -> Vec<TermId> {
    let all = functions.applies.into_iter().chain(functions.due).chain(functions.requirements.iter().copied());
    all.filter_map(|function| query.get_function(function)).map(|function| function.body).collect()
}

fn weight(query: &Query, shapes: &Shapes, functions: &RuleQuery) -> u64 {
    bodies(query, functions).into_iter().map(|body| u64::from(shapes.weight(body))).sum()
}

/// The functions a rule applies that go over closures or sets of sets.
fn costly(query: &Query, shapes: &Shapes, functions: &RuleQuery) -> BTreeSet<FunctionId> {
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<TermId> = BTreeSet::new();
    let mut queue = bodies(query, functions);
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        let term = query.get(id);
        let called: Vec<(FunctionId, TermId)> =
            calls(term).into_iter().filter_map(|function| Some((function, query.get_function(function)?.body))).collect();
        if let (Term::Apply(..), [(function, body)]) = (term, called.as_slice())
            && shapes.goes_far(*body)
        {
            found.insert(*function);
        }
        queue.extend(parts(term));
        queue.extend(called.into_iter().map(|(_, body)| body));
    }
    found
}

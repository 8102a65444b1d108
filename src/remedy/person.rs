//! Who carries out an action, and what a person is told.
//!
//! In: a checked action, an evaluator over the world its step finds, the frame of the action with its arguments (and the actor)
//! in place. Out: plain texts and lists.

use crate::check::{Action, ActionMode, Binder, Expr, ExprKind};
use crate::evaluate::{Evaluator, Frame, Truth, Val};
use crate::model::{Base, Type, Value};

/// People named in one manual step; the snapshot may hold many more.
const NAMED_MAX: usize = 20;

impl Action {
    /// Tells who carries the action out if `principal`, an object id, is signed in; none if that is not known.
    ///
    /// An action of `mode api as e` is a service's only for the identity `e` itself: for anybody else, and where either is
    /// not known, it is a person's. The source of the rule: a Partner Admin Link belongs to the identity whose token is used,
    /// and no other can be passed (domain notes, section 2.7).
    #[must_use]
    pub fn mode_for(&self, evaluator: &Evaluator<'_>, frame: &mut Frame, principal: Option<&str>) -> ActionMode {
        let Some(identity) = &self.identity else { return self.mode };
        match (evaluator.value(identity, frame), principal) {
            (Val::Known(Value::Entity(id)), Some(principal)) if evaluator.snapshot().key(id).eq_ignore_ascii_case(principal) => self.mode,
            _ => ActionMode::Human,
        }
    }
}

/// Says what a person does: each click path with the date of its page, the one to try first at the top; else the remedy.
#[must_use]
pub fn instructions(action: &Action, evaluator: &Evaluator<'_>, frame: &mut Frame) -> String {
    let mut lines = Vec::new();
    for path in &action.paths {
        let text = evaluator.message(&path.text, frame);
        lines.push(format!("{text} ({}, as of {})", path.page, path.read));
    }
    if lines.is_empty() {
        lines.extend(action.remedy.as_ref().map(|remedy| evaluator.message(remedy, frame)));
    }
    lines.join("\nOr: ")
}

/// Says how it will be seen that a person did it.
#[must_use]
pub fn verified_by(action: &Action, evaluator: &Evaluator<'_>, frame: &mut Frame) -> Option<String> {
    action.verify.as_ref().map(|verify| evaluator.message(verify, frame))
}

/// Names everybody who certainly may do it, by name and key, in the order of the snapshot: the identity itself if only that can,
/// else who fits the `actor` clause. Beyond a limit the last entry says how many more there are.
#[must_use]
pub fn who(action: &Action, evaluator: &Evaluator<'_>, frame: &mut Frame) -> Vec<String> {
    if let Some(identity) = &action.identity {
        let Val::Known(value) = evaluator.value(identity, frame) else { return Vec::new() };
        return vec![named(evaluator, &value)];
    }
    let Some((var, ty, filter)) = &action.actor else { return Vec::new() };
    let set = Expr { kind: ExprKind::Extent(*ty), ty: Type::set_of(Base::Entity(*ty)), span: action.span };
    let people = certain_members(evaluator, &Binder { var: *var, set, filter: filter.clone() }, frame);
    let mut names: Vec<String> = people.iter().take(NAMED_MAX).map(|person| named(evaluator, person)).collect();
    if people.len() > NAMED_MAX {
        names.push(format!("and {} more", people.len() - NAMED_MAX));
    }
    names
}

/// Members of a set that are in it, and fit its filter, for certain; the slot of the binder is as it was afterwards.
pub(super) fn certain_members(evaluator: &Evaluator<'_>, binder: &Binder, frame: &mut Frame) -> Vec<Value> {
    let at = binder.var.0 as usize;
    let before = frame.get(at).cloned();
    let set = evaluator.set(&binder.set, frame);
    let mut certain = Vec::new();
    for member in set.members.iter().filter(|member| member.sure) {
        if let Some(slot) = frame.get_mut(at) {
            *slot = Val::Known(member.value.clone());
        }
        if binder.filter.as_ref().is_none_or(|filter| evaluator.truth(filter, frame) == Truth::True) {
            certain.push(member.value.clone());
        }
    }
    if let (Some(slot), Some(before)) = (frame.get_mut(at), before) {
        *slot = before;
    }
    certain
}

fn named(evaluator: &Evaluator<'_>, value: &Value) -> String {
    let name = evaluator.show_value(value);
    let key = value.entity().map(|id| evaluator.snapshot().key(id));
    match key {
        Some(key) if key != name => format!("{name} ({key})"),
        _ => name,
    }
}

//! Actions tried on an overlay: what they require, what they change, and what that rests on.
//!
//! Invariants: an argument, an actor or a loop's member is certain, or nothing is tried; the world is only ever an overlay.

use std::collections::BTreeSet;

use super::person::{certain_members, instructions, verified_by, who};
use super::problem::{Involved, Problem, ProblemKind, involved};
use crate::check::{Action, ActionId, ActionMode, Effect, Expr, ExprKind, FixStep, Policies, Rule};
use crate::evaluate::{Evaluator, Frame, Scan, Truth, Val};
use crate::model::{Base, EntityId, EntityTypeId, PropertyId, Type, Value};
use crate::snapshot::{CellState, Change, Fact, Overlay, Snapshot};

/// Actions one proposal may have.
pub const ACTIONS_MAX: usize = 1_000;

/// An action with its arguments, as it was tried.
#[derive(Debug, Clone)]
pub struct Act {
    /// The action.
    pub action: ActionId,
    /// Its arguments; entities are of the overlay it was tried on.
    pub values: Vec<Value>,
    /// Its arguments, for people.
    pub arguments: Vec<String>,
    /// What a person does, in the words of the action.
    pub remedy: Option<String>,
    /// Whether a service carries it out for who is signed in; else a person does.
    pub api: bool,
    /// The number of the first entity it makes, in the world it was tried in.
    pub first_made: u32,
    /// Facts that its conditions rest on.
    pub reads: BTreeSet<Fact>,
    /// Facts that it changes.
    pub touches: BTreeSet<Fact>,
    /// What it changes.
    pub changes: Vec<Change>,
}

impl Act {
    /// Tells whether it is the same action with the same arguments.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.action == other.action && self.values == other.values
    }

    /// Writes the call.
    #[must_use]
    pub fn call(&self, policies: &Policies) -> String {
        format!("{}({})", action_name(policies, self.action), self.arguments.join(", "))
    }
}

pub(super) fn action_name(policies: &Policies, id: ActionId) -> &str {
    policies.actions.get(id.0 as usize).map_or("?", |action| action.name.as_str())
}

/// What a person is told of an action.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Who may do it, by name and key.
    pub(super) who: Vec<String>,
    /// Where they click.
    pub(super) instructions: String,
    /// How it is seen that they did it.
    pub(super) verified_by: Option<String>,
}

impl Act {
    /// Says what a person is told, in the world before the action.
    pub(super) fn told(&self, policies: &Policies, scan: &Scan, run: usize, world: &Snapshot) -> Option<Told> {
        let action = policies.actions.get(self.action.0 as usize)?;
        let evaluator = scan.evaluator(policies, world, run)?;
        let mut frame: Frame = vec![Val::Unknown; action.n_slots as usize];
        for (slot, value) in frame.iter_mut().zip(&self.values) {
            *slot = Val::Known(value.clone());
        }
        Some(Told {
            who: who(action, &evaluator, &mut frame),
            instructions: instructions(action, &evaluator, &mut frame),
            verified_by: verified_by(action, &evaluator, &mut frame),
        })
    }
}

/// Actions on their way.
pub(super) struct Trial<'a> {
    pub(super) policies: &'a Policies,
    pub(super) scan: &'a Scan,
    pub(super) run: usize,
    /// Object id of who applies the plan.
    pub(super) principal: Option<&'a str>,
    pub(super) world: Overlay,
    pub(super) acts: Vec<Act>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(policies: &'a Policies, scan: &'a Scan, run: usize, world: &Overlay) -> Self {
        let mut world = world.clone();
        world.begin();
        Self { policies, scan, run, principal: None, world, acts: Vec::new(), problems: Vec::new() }
    }

    /// Tries the fixes of a rule that are for one of the failing requirements; returns their names and what they are for.
    pub(super) fn fixes(&mut self, rule: &Rule, subject: EntityId, failing: &[usize]) -> (Vec<String>, Vec<usize>) {
        let before = self.world.snapshot();
        let Some(evaluator) = self.scan.evaluator(self.policies, &before, self.run) else { return Default::default() };
        let mut frame = rule_frame(&evaluator, rule, subject);
        let (mut names, mut repaired) = (Vec::new(), Vec::new());
        for fix in rule.fixes.iter().filter(|fix| fix.requirements.iter().any(|at| failing.contains(at))) {
            match fix.when.as_ref().map_or(Truth::True, |when| evaluator.truth(when, &mut frame)) {
                Truth::True => {}
                Truth::False => continue,
                Truth::Unknown => {
                    self.doubt(format!("whether the fix {} applies is not known", fix.name), &[subject]);
                    continue;
                }
            }
            let n_acts = self.acts.len();
            self.steps(&evaluator, &fix.steps, &mut frame);
            if self.acts.len() > n_acts {
                names.push(fix.name.clone());
                repaired.extend(fix.requirements.iter().filter(|at| failing.contains(at)).copied());
            }
        }
        repaired.sort_unstable();
        repaired.dedup();
        (names, repaired)
    }

    fn steps(&mut self, evaluator: &Evaluator<'_>, steps: &[FixStep], frame: &mut Frame) {
        for step in steps {
            match step {
                FixStep::Call(action, args) => {
                    let values = args.iter().map(|arg| evaluator.value(arg, frame)).collect();
                    self.act(*action, values);
                }
                FixStep::Loop(binder, inner) => {
                    for value in certain_members(evaluator, binder, frame) {
                        set_slot(frame, binder.var.0, Val::Known(value));
                        self.steps(evaluator, inner, frame);
                    }
                }
            }
        }
    }

    fn doubt(&mut self, text: String, about: &[EntityId]) {
        let world = self.involved(about);
        self.problems.push(Problem { kind: ProblemKind::Unknown, text, world });
    }

    pub(super) fn involved(&self, ids: &[EntityId]) -> Vec<Involved> {
        involved(&self.world.snapshot(), ids)
    }

    /// Tries one action in the world as the earlier ones leave it.
    pub(super) fn act(&mut self, id: ActionId, arguments: Vec<Val>) {
        let Some(action) = self.policies.actions.get(id.0 as usize) else { return };
        if self.acts.len() >= ACTIONS_MAX {
            let text = format!("it takes more than {ACTIONS_MAX} actions");
            self.problems.push(Problem { kind: ProblemKind::Limit, text, world: Vec::new() });
            return;
        }
        let now = self.world.snapshot();
        let Some(evaluator) = self.scan.evaluator(self.policies, &now, self.run).map(Evaluator::traced) else { return };
        let shown: Vec<String> = arguments.iter().map(|value| evaluator.show(value)).collect();
        let call = format!("{}({})", action.name, shown.join(", "));
        let mut values = Vec::new();
        for argument in &arguments {
            match argument {
                Val::Known(value) => values.push(value.clone()),
                _ => return self.doubt(format!("{call}: an argument is not known"), &[]),
            }
        }
        let about: Vec<EntityId> = values.iter().filter_map(Value::entity).collect();
        if about.iter().any(|id| self.world.is_added(*id)) {
            let text = format!("{call} would change what the plan itself makes");
            let world = self.involved(&about);
            self.problems.push(Problem { kind: ProblemKind::Cycle, text, world });
            return;
        }
        let mut frame: Frame = vec![Val::Unknown; action.n_slots as usize];
        for (slot, value) in frame.iter_mut().zip(arguments) {
            *slot = value;
        }
        self.actor(&evaluator, action, &mut frame, &call, &about);
        self.required(&evaluator, action, &mut frame, &call, &about);
        let first_made = self.world.n_entities();
        let changes = self.changes(&evaluator, action, &mut frame, &call, &about);
        let reads = evaluator.reads();
        let act = Act {
            action: id,
            values,
            arguments: shown,
            remedy: action.remedy.as_ref().map(|remedy| evaluator.message(remedy, &mut frame)),
            api: action.mode_for(&evaluator, &mut frame, self.principal) == ActionMode::Api,
            first_made,
            reads,
            touches: self.world.change_all(&changes),
            changes,
        };
        self.acts.push(act);
    }

    /// Somebody who may do it takes part in what the action requires and does; which of them makes no difference to a plan.
    fn actor(&mut self, evaluator: &Evaluator<'_>, action: &Action, frame: &mut Frame, call: &str, about: &[EntityId]) {
        let Some((var, ty, filter)) = &action.actor else { return };
        let set = Expr { kind: ExprKind::Extent(*ty), ty: Type::set_of(Base::Entity(*ty)), span: action.span };
        let everybody = evaluator.set(&set, frame);
        for member in everybody.members.iter().filter(|member| member.sure) {
            set_slot(frame, var.0, Val::Known(member.value.clone()));
            if filter.as_ref().is_none_or(|filter| evaluator.truth(filter, frame) == Truth::True) {
                return;
            }
        }
        set_slot(frame, var.0, Val::Unknown);
        let world = self.involved(about);
        self.problems.push(Problem { kind: ProblemKind::Actor, text: format!("{call}: nobody is known who may do it"), world });
    }

    /// Obligation one, in the world as the earlier actions leave it.
    fn required(&mut self, evaluator: &Evaluator<'_>, action: &Action, frame: &mut Frame, call: &str, about: &[EntityId]) {
        for requires in &action.requires {
            let (kind, text) = match evaluator.truth(requires, frame) {
                Truth::True => continue,
                Truth::False => (ProblemKind::Requires, format!("{call}: what it requires does not hold")),
                Truth::Unknown => (ProblemKind::Unknown, format!("{call}: whether what it requires holds is not known")),
            };
            let world = self.involved(about);
            self.problems.push(Problem { kind, text, world });
        }
    }

    fn changes(&mut self, evaluator: &Evaluator<'_>, action: &Action, frame: &mut Frame, call: &str, about: &[EntityId]) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut next = self.world.n_entities();
        for effect in &action.effects {
            match self.effect(evaluator, effect, frame) {
                Ok(change) => {
                    if let Effect::Create(_, _, made) = effect {
                        if let Some(var) = made {
                            set_slot(frame, var.0, Val::Known(Value::Entity(EntityId(next))));
                        }
                        next = next.saturating_add(1);
                    }
                    changes.push(change);
                }
                Err(what) => self.doubt(format!("{call}: {what} is not known"), about),
            }
        }
        changes
    }

    /// What an effect comes to; an error names what is not known.
    fn effect(&self, evaluator: &Evaluator<'_>, effect: &Effect, frame: &mut Frame) -> Result<Change, String> {
        let target = |expr: &Expr, frame: &mut Frame| match evaluator.value(expr, frame) {
            Val::Known(Value::Entity(id)) => Ok(id),
            _ => Err("what it changes".to_owned()),
        };
        match effect {
            Effect::Delete(expr) => Ok(Change::End(target(expr, frame)?, self.scan.now)),
            Effect::Set(expr, property, value) => {
                let id = target(expr, frame)?;
                Ok(Change::Set(id, *property, self.state(*property, &evaluator.value(value, frame))?))
            }
            Effect::Create(ty, fields, _) => {
                let mut cells = Vec::new();
                for (property, value) in fields {
                    cells.push((*property, self.state(*property, &evaluator.value(value, frame))?));
                }
                self.places(*ty, &cells)?;
                Ok(Change::Create(*ty, cells))
            }
        }
    }

    /// A value that is not known may be written only where nothing is found by it: a reference says where something belongs.
    ///
    /// Sets cannot be made by a simulation: one that read as empty would be a gap that looks green.
    fn state(&self, property: PropertyId, value: &Val) -> Result<CellState, String> {
        match value {
            _ if self.policies.schema.property(property).is_some_and(|property| property.ty.set) => {
                Err(format!("what becomes of the set {}", self.property_name(property)))
            }
            Val::Known(value) => Ok(CellState::Known(value.clone())),
            Val::None => Ok(CellState::None),
            _ if self.is_place(property) => Err(self.property_name(property)),
            _ => Ok(CellState::Unknown(Some("the simulation does not know it".into()))),
        }
    }

    fn places(&self, ty: EntityTypeId, cells: &[(PropertyId, CellState)]) -> Result<(), String> {
        let schema = &self.policies.schema;
        let places = schema.entity(ty).into_iter().flat_map(|ty| ty.properties.values()).copied();
        let mut missing = places.filter(|id| {
            let required = schema.property(*id).is_some_and(|property| !property.ty.optional);
            required && self.is_place(*id) && !cells.iter().any(|(known, _)| known == id)
        });
        missing.next().map_or(Ok(()), |property| Err(self.property_name(property)))
    }

    fn is_place(&self, property: PropertyId) -> bool {
        self.policies.schema.property(property).is_some_and(|property| !property.ty.set && property.inverse.is_some())
    }

    fn property_name(&self, id: PropertyId) -> String {
        self.policies.schema.property(id).map_or_else(String::new, |property| property.name.clone())
    }
}

/// Makes the changes of some actions on a world, whatever they require.
pub(super) fn replayed<'w>(world: &Overlay, acts: impl Iterator<Item = &'w Act>) -> Overlay {
    let mut world = world.clone();
    world.begin();
    for act in acts {
        replay(&mut world, act);
    }
    world
}

/// Makes the changes of an action. What it makes is numbered as the world goes, which may not be the one it was tried in.
pub(super) fn replay(world: &mut Overlay, act: &Act) {
    let (tried, now) = (act.first_made, world.n_entities());
    let id = |id: EntityId| if id.0 >= tried { EntityId(id.0 - tried + now) } else { id };
    let state = |state: &CellState| match state {
        CellState::Known(Value::Entity(target)) => CellState::Known(Value::Entity(id(*target))),
        other => other.clone(),
    };
    for change in &act.changes {
        world.change(match change {
            Change::Create(ty, cells) => Change::Create(*ty, cells.iter().map(|(property, cell)| (*property, state(cell))).collect()),
            Change::End(target, at) => Change::End(id(*target), *at),
            Change::Set(target, property, cell) => Change::Set(id(*target), *property, state(cell)),
        });
    }
}

pub(super) fn rule_frame(evaluator: &Evaluator<'_>, rule: &Rule, subject: EntityId) -> Frame {
    evaluator.begin();
    let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
    set_slot(&mut frame, rule.subject.0, Val::Known(Value::Entity(subject)));
    for (var, value) in &rule.lets {
        let value = evaluator.value(value, &mut frame);
        set_slot(&mut frame, var.0, value);
    }
    frame
}

pub(super) fn set_slot(frame: &mut Frame, at: u32, value: Val) {
    if let Some(slot) = frame.get_mut(at as usize) {
        *slot = value;
    }
}

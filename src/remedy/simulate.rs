//! Tries the fixes of a finding on a copy of the snapshot and checks four obligations.
//!
//! The obligations are those of the language document, section 7: what an action requires holds; the requirements named by
//! the fix pass afterwards; no verdict gets worse; doing it twice equals doing it once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::person::certain_members;
use crate::check::{Action, ActionId, Binder, Effect, Expr, FixStep, Policies, Rule};
use crate::evaluate::{Evaluator, Frame, Scan, Truth, Val, scan_again};
use crate::model::{Base, Completeness, EntityId, FactSource, SourceId, SourceKind, Value, Verdict};
use crate::snapshot::{BuildError, Handle, Snapshot, SnapshotBuilder};

/// Steps one proposal may have.
const STEPS_MAX: usize = 1_000;

/// One action of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The action.
    pub action: ActionId,
    /// Its arguments, for people.
    pub arguments: Vec<String>,
    /// What a person does, if the action is theirs.
    pub remedy: Option<String>,
}

/// What the fixes of a finding would do.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Names of the fixes that apply.
    pub fixes: Vec<String>,
    /// What they do, in order.
    pub steps: Vec<Step>,
    /// Why the proposal may not be shown as a fix, in words; empty if all obligations hold.
    pub problems: Vec<String>,
    /// The world afterwards.
    pub after: Snapshot,
}

/// Tries all fixes that apply to the failing requirements of one rule and subject; nothing if none does.
#[must_use]
pub fn propose(policies: &Policies, snapshot: &Snapshot, before: &Scan, run: usize, subject: EntityId) -> Option<Proposal> {
    let rule = policies.rules.get(before.runs.get(run)?.rule.0 as usize)?;
    let failing: Vec<usize> = before
        .findings
        .iter()
        .filter(|finding| finding.run == run && finding.subject == Some(subject) && finding.verdict == Verdict::Fail)
        .filter_map(|finding| finding.requirement)
        .collect();
    let mut trial = Trial::run(policies, snapshot, before, run, subject, rule, &failing)?;
    let after = trial.freeze(snapshot);
    trial.compare(snapshot, before, &after, rule, &failing, subject);
    trial.repeat(&after, before, rule, &failing, subject);
    Some(Proposal { fixes: trial.fixes, steps: trial.steps, problems: trial.problems, after })
}

struct Trial<'a> {
    policies: &'a Policies,
    run: usize,
    builder: SnapshotBuilder,
    source: SourceId,
    now: jiff::Timestamp,
    fixes: Vec<String>,
    repaired: Vec<usize>,
    steps: Vec<Step>,
    problems: Vec<String>,
    created: usize,
}

impl<'a> Trial<'a> {
    fn run(
        policies: &'a Policies,
        snapshot: &Snapshot,
        before: &Scan,
        run: usize,
        subject: EntityId,
        rule: &Rule,
        failing: &[usize],
    ) -> Option<Self> {
        let evaluator = before.evaluator(policies, snapshot, run)?;
        let mut builder = SnapshotBuilder::from_records(Arc::clone(&policies.schema), snapshot.records().into_owned());
        let source = builder.source(FactSource::new(SourceKind::Derived, "simulation"));
        let mut trial = Self {
            policies,
            run,
            builder,
            source,
            now: before.now,
            fixes: Vec::new(),
            repaired: Vec::new(),
            steps: Vec::new(),
            problems: Vec::new(),
            created: 0,
        };
        let mut frame = rule_frame(&evaluator, rule, subject);
        for fix in rule.fixes.iter().filter(|fix| fix.requirements.iter().any(|at| failing.contains(at))) {
            let applies = fix.when.as_ref().is_none_or(|when| evaluator.truth(when, &mut frame) == Truth::True);
            if !applies {
                continue;
            }
            let n_steps = trial.steps.len();
            trial.fix_steps(&evaluator, &fix.steps, &mut frame);
            if trial.steps.len() > n_steps {
                trial.fixes.push(fix.name.clone());
                trial.repaired.extend(fix.requirements.iter().filter(|at| failing.contains(at)));
            }
        }
        (!trial.steps.is_empty()).then_some(trial)
    }

    fn fix_steps(&mut self, evaluator: &Evaluator<'_>, steps: &[FixStep], frame: &mut Frame) {
        for step in steps {
            match step {
                FixStep::Call(action, args) => self.act(evaluator, *action, args, frame),
                FixStep::Loop(binder, inner) => {
                    for value in certain_members(evaluator, binder, frame) {
                        set_slot(frame, binder.var.0, Val::Known(value));
                        self.fix_steps(evaluator, inner, frame);
                    }
                }
            }
        }
    }

    fn act(&mut self, evaluator: &Evaluator<'_>, id: ActionId, args: &[Expr], frame: &mut Frame) {
        let Some(action) = self.policies.actions.get(id.0 as usize) else { return };
        if self.steps.len() >= STEPS_MAX {
            self.problems.push(format!("the fix has more than {STEPS_MAX} steps"));
            return;
        }
        let mut inner: Frame = vec![Val::Unknown; action.n_slots as usize];
        for (slot, arg) in inner.iter_mut().zip(args) {
            *slot = evaluator.value(arg, frame);
        }
        let arguments: Vec<String> = inner.iter().take(args.len()).map(|value| evaluator.show(value)).collect();
        let call = format!("{}({})", action.name, arguments.join(", "));
        if let Some((var, ty, filter)) = &action.actor {
            let binder = Binder {
                var: *var,
                set: Expr {
                    kind: crate::check::ExprKind::Extent(*ty),
                    ty: crate::model::Type::set_of(Base::Entity(*ty)),
                    span: action.span,
                },
                filter: filter.clone(),
            };
            match certain_members(evaluator, &binder, &mut inner).into_iter().next() {
                Some(actor) => set_slot(&mut inner, var.0, Val::Known(actor)),
                None => self.problems.push(format!("{call}: nobody is known who may do it")),
            }
        }
        self.required(evaluator, action, &inner, &call);
        for effect in &action.effects {
            if let Err(error) = self.apply(evaluator, effect, &mut inner) {
                self.problems.push(format!("{call}: {error}"));
            }
        }
        let remedy = action.remedy.as_ref().map(|remedy| evaluator.message(remedy, &mut inner));
        self.steps.push(Step { action: id, arguments, remedy });
    }

    /// Obligation one, on the world as the earlier steps leave it.
    fn required(&mut self, evaluator: &Evaluator<'_>, action: &Action, frame: &Frame, call: &str) {
        if action.requires.is_empty() {
            return;
        }
        let so_far = self.freeze(evaluator.snapshot());
        let evaluator = evaluator.over(&so_far);
        let mut frame: Frame = frame.iter().map(|value| self.moved(value, &so_far)).collect();
        for requires in &action.requires {
            match evaluator.truth(requires, &mut frame) {
                Truth::True => {}
                Truth::False => self.problems.push(format!("{call}: what it requires does not hold")),
                Truth::Unknown => self.problems.push(format!("{call}: whether what it requires holds is unknown")),
            }
        }
    }

    /// Finds an entity of the builder in a snapshot made of it, which numbers entities anew.
    fn moved(&self, value: &Val, to: &Snapshot) -> Val {
        if matches!(value, Val::Set(_)) {
            return Val::Unknown;
        }
        let Val::Known(Value::Entity(id)) = value else { return value.clone() };
        let handle = Handle::of(*id);
        let found = self.builder.type_of(handle).and_then(|ty| to.find(ty, self.builder.key_of(handle)));
        found.map_or(Val::Unknown, |id| Val::Known(Value::Entity(id)))
    }

    fn apply(&mut self, evaluator: &Evaluator<'_>, effect: &Effect, frame: &mut Frame) -> Result<(), BuildError> {
        match effect {
            Effect::Delete(target) => {
                if let Val::Known(Value::Entity(id)) = evaluator.value(target, frame) {
                    self.builder.end(Handle::of(id), self.now);
                }
            }
            Effect::Set(target, property, value) => {
                let name = self.property_name(*property);
                let value = evaluator.value(value, frame);
                if let Val::Known(Value::Entity(id)) = evaluator.value(target, frame) {
                    match value {
                        Val::Known(value) => self.builder.overwrite(Handle::of(id), &name, Some(value), self.source)?,
                        Val::None => self.builder.overwrite(Handle::of(id), &name, None, self.source)?,
                        _ => self.builder.overwrite_unknown(Handle::of(id), &name, self.source)?,
                    }
                }
            }
            Effect::Create(ty, fields, name) => {
                self.created += 1;
                let handle = self.builder.entity(*ty, &format!("/simulated/{}", self.created))?;
                let schema = Arc::clone(self.builder.schema());
                for name in schema.entity(*ty).into_iter().flat_map(|ty| ty.properties.keys()) {
                    self.builder.claim(handle, name, Completeness::now(Some(self.source)))?;
                }
                for (property, value) in fields {
                    let name = self.property_name(*property);
                    match evaluator.value(value, frame) {
                        Val::Known(value) => self.builder.set(handle, &name, value, self.source)?,
                        Val::None => self.builder.set_none(handle, &name, self.source)?,
                        _ => {}
                    }
                }
                for (name, property) in schema.entity(*ty).into_iter().flat_map(|ty| &ty.properties) {
                    let stated = fields.iter().any(|(known, _)| known == property);
                    let optional = schema.property(*property).is_some_and(|p| p.ty.optional && !p.ty.set);
                    if optional && !stated {
                        self.builder.set_none(handle, name, self.source)?;
                    }
                }
                if let Some(name) = name {
                    set_slot(frame, name.0, Val::Known(handle.value()));
                }
            }
        }
        Ok(())
    }

    fn property_name(&self, id: crate::model::PropertyId) -> String {
        self.policies.schema.property(id).map_or_else(String::new, |property| property.name.clone())
    }

    fn freeze(&self, snapshot: &Snapshot) -> Snapshot {
        Snapshot::freeze(Arc::clone(snapshot.schema()), self.builder.clone().records())
    }

    /// Obligations two and three: what was to be repaired passes, and nothing else gets worse.
    fn compare(&mut self, snapshot: &Snapshot, before: &Scan, after: &Snapshot, rule: &Rule, failing: &[usize], subject: EntityId) {
        let rescan = scan_again(self.policies, after, before);
        let old = verdicts(snapshot, before);
        let new = verdicts(after, &rescan);
        for at in failing.iter().filter(|at| self.repaired.contains(at)) {
            let key = subject_key(self.run, Some(*at), &snapshot.key(subject));
            let whole = subject_key(self.run, None, &snapshot.key(subject));
            // A subject that is gone, or that the rule no longer speaks about, is mended too.
            let now = new.get(&key).or_else(|| new.get(&whole)).copied().unwrap_or(Verdict::NotApplicable);
            if !matches!(now, Verdict::Pass | Verdict::NotApplicable) {
                let name = rule.requirements.get(*at).map_or("?", |requirement| requirement.name.as_str());
                self.problems.push(format!("{name} would be {} afterwards, not pass", now.name()));
            }
        }
        for (key, verdict) in &new {
            let worse = match old.get(key) {
                Some(Verdict::NotApplicable) | None => *verdict == Verdict::Fail,
                Some(was) => verdict > was,
            };
            if worse {
                let id = self
                    .policies
                    .rules
                    .get(before.runs.get(key.0).map_or(usize::MAX, |run| run.rule.0 as usize))
                    .map_or("?", |rule| rule.id.as_str());
                self.problems.push(format!("{id} would become {} on {}", verdict.name(), key.2));
            }
        }
    }

    /// Obligation four: afterwards the same fixes have nothing left to do.
    fn repeat(&mut self, after: &Snapshot, before: &Scan, rule: &Rule, failing: &[usize], subject: EntityId) {
        let Some(ty) = after.schema().entity(rule.entity) else { return };
        let key = self.builder.key_of(Handle::of(subject)).to_owned();
        let Some(subject) = after.find(ty.id, &key) else { return };
        let rescan = scan_again(self.policies, after, before);
        let still: Vec<usize> = rescan
            .findings
            .iter()
            .filter(|finding| finding.run == self.run && finding.subject == Some(subject) && finding.verdict == Verdict::Fail)
            .filter_map(|finding| finding.requirement)
            .filter(|at| failing.contains(at))
            .collect();
        if Trial::run(self.policies, after, &rescan, self.run, subject, rule, &still).is_some() {
            self.problems.push("doing it twice is not the same as doing it once".to_owned());
        }
    }
}

type Key = (usize, usize, String);

fn verdicts(snapshot: &Snapshot, scan: &Scan) -> BTreeMap<Key, Verdict> {
    let keyed = scan.findings.iter().map(|finding| {
        let subject = finding.subject.map(|id| snapshot.key(id)).unwrap_or_default();
        (subject_key(finding.run, finding.requirement, &subject), finding.verdict)
    });
    keyed.collect()
}

/// The key of a verdict; place 0 is the rule as a whole.
fn subject_key(run: usize, requirement: Option<usize>, subject: &str) -> Key {
    (run, requirement.map_or(0, |at| at + 1), subject.to_owned())
}

fn rule_frame(evaluator: &Evaluator<'_>, rule: &Rule, subject: EntityId) -> Frame {
    evaluator.begin();
    let mut frame: Frame = vec![Val::Unknown; rule.n_slots as usize];
    set_slot(&mut frame, rule.subject.0, Val::Known(Value::Entity(subject)));
    for (var, value) in &rule.lets {
        let value = evaluator.value(value, &mut frame);
        set_slot(&mut frame, var.0, value);
    }
    frame
}

fn set_slot(frame: &mut Frame, at: u32, value: Val) {
    if let Some(slot) = frame.get_mut(at as usize) {
        *slot = value;
    }
}

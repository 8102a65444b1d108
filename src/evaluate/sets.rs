//! Sets: navigations, closures, extents, filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::evaluator::{Evaluator, Frame};
use super::value::{Member, SetValue, Truth, Unseen, Val};
use crate::check::{Binder, Expr, ExprKind};
use crate::model::{Base, Bound, EntityId, EntityTypeId, Interval, Property, PropertyId, Value};
use crate::snapshot::{CellState, Edge, Fact};

impl Evaluator<'_> {
    /// Evaluates a set.
    pub fn set(&self, expr: &Expr, frame: &mut Frame) -> Arc<SetValue> {
        match &expr.kind {
            ExprKind::Navigation { base, property, at } => {
                let base_value = self.value(base, frame);
                match self.instant_of(at.as_deref(), frame) {
                    Ok(at) => Arc::new(self.navigate(&base_value, *property, at)),
                    Err(()) => Arc::new(SetValue::open(expr.ty.base)),
                }
            }
            ExprKind::Closure { base, property, reflexive, at } => {
                let base_value = self.value(base, frame);
                match self.instant_of(at.as_deref(), frame) {
                    Ok(at) => self.closure(&base_value, *property, *reflexive, at, expr.ty.base),
                    Err(()) => {
                        let mut set = if *reflexive { starts(&base_value) } else { SetValue::default() };
                        set.unseen.push(Unseen { base: expr.ty.base, origin: None });
                        Arc::new(set.normalized())
                    }
                }
            }
            ExprKind::Extent(ty) => Arc::new(self.extent(*ty)),
            ExprKind::Filter(binder) => Arc::new(self.filtered(binder, frame)),
            ExprKind::Union(left, right) => {
                let (left, right) = (self.set(left, frame), self.set(right, frame));
                let mut union = (*left).clone();
                union.members.extend(right.members.iter().cloned());
                union.unseen.extend(right.unseen.iter().cloned());
                Arc::new(union.normalized())
            }
            ExprKind::Set(items) => {
                let mut set = SetValue::default();
                for item in items {
                    match self.value(item, frame) {
                        Val::Known(value) => set.members.push(Member { value, sure: true }),
                        Val::None => {}
                        _ => set.unseen.push(Unseen { base: expr.ty.base, origin: None }),
                    }
                }
                Arc::new(set.normalized())
            }
            _ => match self.value(expr, frame) {
                Val::Set(set) => set,
                _ => Arc::new(SetValue::open(expr.ty.base)),
            },
        }
    }

    pub(super) fn navigate(&self, base: &Val, property: PropertyId, at: Option<Timestamp>) -> SetValue {
        let Some(declared) = self.snapshot.schema().property(property) else { return SetValue::default() };
        match base {
            Val::Known(Value::Entity(id)) => self.step(*id, declared, at),
            Val::None => SetValue::default(),
            Val::Set(set) => {
                let mut gathered = SetValue::default();
                for member in &set.members {
                    let Value::Entity(id) = member.value else { continue };
                    let reached = self.step(id, declared, at);
                    gathered.members.extend(reached.members.into_iter().map(|m| Member { sure: m.sure && member.sure, ..m }));
                    gathered.unseen.extend(reached.unseen);
                }
                if !set.unseen.is_empty() {
                    gathered.unseen.push(Unseen { base: declared.ty.base, origin: None });
                }
                gathered.normalized()
            }
            Val::Unseen(_) | Val::Unknown | Val::Range(_) | Val::Known(_) => SetValue::open(declared.ty.base),
        }
    }

    /// One step from one entity over a set or a single-valued property.
    pub(super) fn step(&self, id: EntityId, property: &Property, at: Option<Timestamp>) -> SetValue {
        if !property.ty.set {
            return match self.state(id, property.id, at) {
                CellState::Known(value) => SetValue { members: vec![Member { value, sure: true }], unseen: Vec::new() },
                CellState::None => SetValue::default(),
                CellState::Unknown(_) => SetValue::open(property.ty.base),
            };
        }
        self.note(Fact::List(id, property.id));
        let nav = self.snapshot.nav(id, property.id);
        let past = self.past(property, at);
        let members = nav.members.iter().filter_map(|edge| self.member(edge, past)).collect();
        let whole = match past {
            None => nav.completeness.complete,
            Some(at) => self.covers_time(&nav.completeness, at),
        } && self.is_reliable(&nav.completeness);
        let origin = property
            .inverse
            .filter(|inverse| self.snapshot.schema().property(*inverse).is_some_and(|inverse| !inverse.ty.set && !inverse.history));
        let unseen = Unseen { base: property.ty.base, origin: origin.map(|inverse| (inverse, id)) };
        SetValue { members, unseen: if whole { Vec::new() } else { vec![unseen] } }.normalized()
    }

    /// The instant as of which a list is read, if that is not the capture: lists with a history, and lists of entities that
    /// come and go, were not at an earlier `now` what they were at the capture.
    pub(super) fn past(&self, property: &Property, at: Option<Timestamp>) -> Option<Timestamp> {
        let fleeting = || property.ty.entity().is_some_and(|member| self.is_fleeting(member));
        at.filter(|_| property.history).or_else(|| self.instant_before_capture().filter(|_| property.history || fleeting()))
    }

    /// Tells whether entities of a type say since when and until when they exist.
    pub(super) fn is_fleeting(&self, ty: EntityTypeId) -> bool {
        let says = |ty: &crate::model::EntityType| ty.lifetime_from.is_some() || ty.lifetime_to.is_some();
        self.snapshot.schema().subtypes(ty).any(says)
    }

    /// Tells whether a list lacks nothing of how it was at `at`.
    pub(super) fn covers_time(&self, completeness: &crate::model::Completeness, at: Timestamp) -> bool {
        let captured = self.snapshot.meta().captured_to;
        let after_capture = captured.is_some_and(|captured| captured <= at) && at <= self.now;
        completeness.covers(at) || (completeness.complete && after_capture)
    }

    /// A register's claim to be complete lapses with its review date.
    pub(super) fn is_reliable(&self, completeness: &crate::model::Completeness) -> bool {
        self.rely_on(completeness.source)
    }

    pub(super) fn member(&self, edge: &Edge, at: Option<Timestamp>) -> Option<Member> {
        let inside = match at {
            Some(at) => edge.interval.contains(at),
            None => self.holds_now(edge.interval),
        };
        let sure = match inside {
            Some(false) => return None,
            Some(true) => self.rely_on(edge.source),
            None => false,
        };
        Some(Member { value: edge.member.clone(), sure })
    }

    /// What was read as current holds now, whenever it began.
    fn holds_now(&self, interval: Interval) -> Option<bool> {
        let from = if interval.from == Bound::Unknown { Bound::Unbounded } else { interval.from };
        Interval { from, ..interval }.contains(self.now)
    }

    pub(super) fn extent(&self, ty: EntityTypeId) -> SetValue {
        self.note(Fact::Extent(ty));
        let member = |id: EntityId, sure: bool| Member { value: Value::Entity(id), sure };
        let alive =
            |id: EntityId, typed: bool| self.lives(id, ty).map_or(Some(false), |lives| lives.then_some(typed)).map(|sure| member(id, sure));
        let known = self.snapshot.extent(ty).filter_map(|id| alive(id, true));
        let possible = self.snapshot.possible(ty).filter_map(|id| alive(id, false));
        let members = known.chain(possible).collect();
        let unseen = if self.is_whole(ty) { Vec::new() } else { self.unseen_of(ty) };
        SetValue { members, unseen }.normalized()
    }

    /// Tells whether an entity exists at `now`; `ty` is the type it is listed under.
    fn lives(&self, id: EntityId, ty: EntityTypeId) -> Option<bool> {
        match self.instant_before_capture().filter(|_| self.is_fleeting(ty)) {
            Some(at) => self.snapshot.lifetime(id).contains(at),
            None => self.holds_now(self.snapshot.lifetime(id)),
        }
    }

    /// Tells whether an entity is among those of a type, and whether it is for certain, as [`Evaluator::extent`] has it.
    pub(super) fn membership_in_extent(&self, id: EntityId, ty: EntityTypeId) -> Option<bool> {
        let schema = self.snapshot.schema();
        let actual = self.snapshot.entity_type(id)?;
        let typed = schema.is_subtype(actual, ty);
        if !typed && !schema.is_subtype(ty, actual) {
            return None;
        }
        match self.lives(id, ty) {
            Some(false) => None,
            Some(true) => Some(typed),
            None => Some(false),
        }
    }

    /// Tells whether the list of all entities of a type was whole at `now`.
    pub(super) fn is_whole(&self, ty: EntityTypeId) -> bool {
        let completeness = self.snapshot.extent_completeness(ty);
        let whole = match self.instant_before_capture().filter(|_| self.is_fleeting(ty)) {
            Some(at) => completeness.covers(at),
            None => completeness.complete,
        };
        whole && self.is_reliable(completeness)
    }

    /// What may be missing from a type: of an abstract one, those kinds of it that are not known to be all here.
    pub(super) fn unseen_of(&self, ty: EntityTypeId) -> Vec<Unseen> {
        let schema = self.snapshot.schema();
        let kinds = schema.subtypes(ty).filter(|kind| !kind.is_abstract && !self.is_whole(kind.id));
        let unseen: Vec<Unseen> = kinds.map(|kind| Unseen { base: Base::Entity(kind.id), origin: None }).collect();
        let is_abstract = schema.entity(ty).is_some_and(|ty| ty.is_abstract);
        if is_abstract && !unseen.is_empty() { unseen } else { vec![Unseen { base: Base::Entity(ty), origin: None }] }
    }

    fn filtered(&self, binder: &Binder, frame: &mut Frame) -> SetValue {
        let set = self.set(&binder.set, frame);
        let Some(filter) = &binder.filter else { return (*set).clone() };
        let mut kept = SetValue::default();
        for member in &set.members {
            bind(frame, binder, Val::Known(member.value.clone()));
            match self.truth(filter, frame) {
                Truth::False => {}
                truth => kept.members.push(Member { value: member.value.clone(), sure: member.sure && truth == Truth::True }),
            }
        }
        for unseen in &set.unseen {
            bind(frame, binder, Val::Unseen(unseen.clone()));
            if self.truth(filter, frame) != Truth::False {
                kept.unseen.push(unseen.clone());
            }
        }
        kept
    }

    pub(super) fn closure(&self, base: &Val, property: PropertyId, reflexive: bool, at: Option<Timestamp>, result: Base) -> Arc<SetValue> {
        if let (Val::Known(Value::Entity(id)), false) = (base, reflexive) {
            return self.closure_of(*id, property, at);
        }
        let start = starts(base);
        let mut gathered = if reflexive { start.clone() } else { SetValue::default() };
        for member in &start.members {
            let Value::Entity(id) = member.value else { continue };
            let reached = self.closure_of(id, property, at);
            gathered.members.extend(reached.members.iter().map(|m| Member { value: m.value.clone(), sure: m.sure && member.sure }));
            gathered.unseen.extend(reached.unseen.iter().cloned());
        }
        if !start.unseen.is_empty() {
            gathered.unseen.push(Unseen { base: result, origin: None });
        }
        Arc::new(gathered.normalized())
    }

    /// Everything reached from one entity by one or more steps. Circles end the walk; each entity is visited at most twice,
    /// once unsurely and once surely.
    pub(super) fn closure_of(&self, start: EntityId, property: PropertyId, at: Option<Timestamp>) -> Arc<SetValue> {
        let key = (start, property, at);
        // Where facts are attested the walk is done again: its sources are noted for the verdict that rests on them.
        // A traced evaluator is not asked for them.
        if (!self.has_attested || self.trace.is_some())
            && let Some(known) = self.closures.borrow().get(&key)
        {
            self.note_closure(key);
            return Arc::clone(known);
        }
        let before = self.begin_closure();
        let result = Arc::new(self.walk(start, property, at));
        self.end_closure(key, before);
        self.closures.borrow_mut().insert(key, Arc::clone(&result));
        result
    }

    fn walk(&self, start: EntityId, property: PropertyId, at: Option<Timestamp>) -> SetValue {
        let schema = self.snapshot.schema();
        let Some(declared) = schema.property(property) else { return SetValue::default() };
        let mut reached: BTreeMap<EntityId, bool> = BTreeMap::new();
        let mut open = false;
        let mut queue = vec![(start, true)];
        while let Some((id, sure)) = queue.pop() {
            match self.takes_step(id, declared.owner) {
                Truth::False => continue,
                Truth::Unknown => {
                    open = true;
                    continue;
                }
                Truth::True => {}
            }
            let step = self.step(id, declared, at);
            open |= !step.unseen.is_empty();
            for member in step.members {
                let Value::Entity(next) = member.value else { continue };
                let sure = sure && member.sure;
                let known = reached.get(&next).copied();
                if known.is_none() || (known == Some(false) && sure) {
                    reached.insert(next, sure);
                    queue.push((next, sure));
                }
            }
        }
        let members = reached.into_iter().map(|(id, sure)| Member { value: Value::Entity(id), sure }).collect();
        let unseen = if open { vec![Unseen { base: declared.ty.base, origin: None }] } else { Vec::new() };
        SetValue { members, unseen }
    }

    /// Tells whether an entity has the property: a user has no members, a principal of unknown type may be a group.
    pub(super) fn takes_step(&self, id: EntityId, owner: EntityTypeId) -> Truth {
        let schema = self.snapshot.schema();
        match self.snapshot.entity_type(id) {
            Some(ty) if schema.is_subtype(ty, owner) => Truth::True,
            Some(ty) if schema.is_subtype(owner, ty) => Truth::Unknown,
            _ => Truth::False,
        }
    }
}

pub(super) fn starts(base: &Val) -> SetValue {
    match base {
        Val::Known(value) => SetValue { members: vec![Member { value: value.clone(), sure: true }], unseen: Vec::new() },
        Val::Set(set) => (**set).clone(),
        Val::None => SetValue::default(),
        Val::Unseen(unseen) => SetValue { members: Vec::new(), unseen: vec![unseen.clone()] },
        Val::Unknown | Val::Range(_) => SetValue::open(Base::Nothing),
    }
}

pub(super) fn bind(frame: &mut Frame, binder: &Binder, value: Val) {
    if let Some(slot) = frame.get_mut(binder.var.0 as usize) {
        *slot = value;
    }
}

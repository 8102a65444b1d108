//! What would have to be known: the smallest set of facts whose arrival could decide an unknown.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::evaluator::{Evaluator, Frame};
use super::sets::bind;
use super::value::{Truth, Unseen, Val};
use crate::check::{Binder, Expr, ExprKind, Quantifier};
use crate::model::{Base, EntityId, EntityTypeId, PropertyId, Provenance, Value, format_instant};
use crate::snapshot::CellState;

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingWhat {
    /// The value of an attribute.
    Attribute(EntityId, PropertyId),
    /// The rest of a list.
    List(EntityId, PropertyId),
    /// The list of all entities of a type.
    Extent(EntityTypeId),
    /// The concrete type of an entity.
    Type(EntityId),
    /// Attributes of members nobody has seen.
    UnseenMember(EntityTypeId),
}

/// A fact that is missing, with what it takes to get it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MissingFact {
    /// What.
    pub what: MissingWhat,
    /// As of when; now without.
    pub at: Option<Timestamp>,
    /// Why it is missing.
    pub reason: String,
    /// The read, permission or register that would give it.
    pub source: Provenance,
}

/// A hole in what is known: what is missing, and as of when. Put into words only for the few that are shown.
type Hole = (MissingWhat, Option<Timestamp>);

type Facts = BTreeSet<Hole>;

/// Attributes that an id alone can tell, such as the service of a subscription.
const TOLD_BY_ID: usize = 1;
/// Facts gathered for one unknown; more would not help a reader.
const FACTS_MAX: usize = 200;

impl Evaluator<'_> {
    /// Returns the facts that could decide an unknown condition; empty if it is not unknown.
    ///
    /// Of the two ways to decide it the one that needs fewer facts is returned.
    pub fn missing(&self, expr: &Expr, frame: &mut Frame) -> BTreeSet<MissingFact> {
        self.holes(expr, frame).into_iter().map(|hole| self.describe(hole)).collect()
    }

    fn holes(&self, expr: &Expr, frame: &mut Frame) -> Facts {
        let holds = self.deciding(expr, true, frame);
        let fails = self.deciding(expr, false, frame);
        smaller(holds, fails).unwrap_or_default()
    }

    /// Returns facts that could make a condition come out as `wanted`; nothing if it is known to come out otherwise.
    fn deciding(&self, expr: &Expr, wanted: bool, frame: &mut Frame) -> Option<Facts> {
        match self.truth(expr, frame) {
            Truth::Unknown => {}
            decided => return (decided == Truth::of(wanted)).then(Facts::new),
        }
        match &expr.kind {
            ExprKind::Not(inner) => self.deciding(inner, !wanted, frame),
            ExprKind::And(parts) if wanted => self.all_of(parts.iter(), true, frame),
            ExprKind::And(parts) => self.one_of(parts.iter(), false, frame),
            ExprKind::Or(parts) if wanted => self.one_of(parts.iter(), true, frame),
            ExprKind::Or(parts) => self.all_of(parts.iter(), false, frame),
            ExprKind::Branches(branches) if wanted => self.one_of(branches.iter().map(|(_, branch)| branch), true, frame),
            ExprKind::Branches(branches) => self.all_of(branches.iter().map(|(_, branch)| branch), false, frame),
            ExprKind::Implies(left, right) if wanted => smaller(self.deciding(left, false, frame), self.deciding(right, true, frame)),
            ExprKind::Implies(left, right) => both(self.deciding(left, true, frame), self.deciding(right, false, frame)),
            ExprKind::Call(def, args) => self.call(*def, args, frame, |this, body, frame| this.deciding(body, wanted, frame))?,
            ExprKind::Quantified(Quantifier::Some, binders, body) => self.deciding_some(binders, body.as_deref(), false, wanted, frame),
            ExprKind::Quantified(Quantifier::No, binders, body) => self.deciding_some(binders, body.as_deref(), false, !wanted, frame),
            ExprKind::Quantified(Quantifier::All, binders, body) => self.deciding_some(binders, body.as_deref(), true, !wanted, frame),
            _ => Some(self.unknowns(expr, frame)),
        }
    }

    fn all_of<'e>(&self, parts: impl Iterator<Item = &'e Expr>, wanted: bool, frame: &mut Frame) -> Option<Facts> {
        let mut gathered = Facts::new();
        for part in parts {
            gathered.extend(self.deciding(part, wanted, frame)?);
        }
        Some(gathered)
    }

    fn one_of<'e>(&self, parts: impl Iterator<Item = &'e Expr>, wanted: bool, frame: &mut Frame) -> Option<Facts> {
        parts.fold(None, |best, part| smaller(best, self.deciding(part, wanted, frame)))
    }

    /// `some`: one member has to turn out right, or (`wanted` false) every member that might has to turn out wrong.
    fn deciding_some(&self, binders: &[Binder], body: Option<&Expr>, negated: bool, wanted: bool, frame: &mut Frame) -> Option<Facts> {
        let Some((binder, rest)) = binders.split_first() else {
            return body.map_or_else(|| wanted.then(Facts::new), |body| self.deciding(body, wanted != negated, frame));
        };
        let set = self.set(&binder.set, frame);
        let doubts = if set.unseen.is_empty() && set.members.iter().all(|member| member.sure) {
            Facts::new()
        } else {
            self.set_unknowns(&binder.set, frame)
        };
        let known = set.members.iter().map(|member| (Val::Known(member.value.clone()), member.sure));
        let unseen = set.unseen.iter().map(|unseen| (Val::Unseen(unseen.clone()), false));
        let mut best = None;
        let mut all = Facts::new();
        for (value, sure) in known.chain(unseen) {
            let is_unseen = matches!(value, Val::Unseen(_));
            bind(frame, binder, value);
            let filter = |this: &Self, wanted: bool, frame: &mut Frame| {
                binder.filter.as_ref().map_or_else(|| wanted.then(Facts::new), |filter| this.deciding(filter, wanted, frame))
            };
            let membership = if sure { Facts::new() } else { doubts.clone() };
            if wanted {
                // What an unseen member is like comes with the list it is in.
                let inner =
                    if is_unseen && filter(self, true, frame).is_some() && self.deciding_some(rest, body, negated, true, frame).is_some() {
                        Some(Facts::new())
                    } else if is_unseen {
                        None
                    } else {
                        both(filter(self, true, frame), self.deciding_some(rest, body, negated, true, frame))
                    };
                best = smaller(best, both(Some(membership), inner));
                continue;
            }
            let out = smaller(filter(self, false, frame), self.deciding_some(rest, body, negated, false, frame));
            let out = if is_unseen {
                out.map(|facts| if facts.is_empty() { facts } else { membership.clone() })
            } else {
                smaller(out, (!sure).then(|| membership.clone()))
            };
            // A member that nothing can rule out leaves only the other way.
            all.extend(out?);
            if all.len() > FACTS_MAX {
                break;
            }
        }
        if wanted { best } else { Some(all) }
    }

    /// Returns every fact that a value or a set reads and that is not known.
    pub(super) fn missing_of(&self, expr: &Expr, frame: &mut Frame) -> BTreeSet<MissingFact> {
        self.read_unknowns(expr, frame).into_iter().map(|hole| self.describe(hole)).collect()
    }

    fn read_unknowns(&self, expr: &Expr, frame: &mut Frame) -> Facts {
        if expr.ty.set { self.set_unknowns(expr, frame) } else { self.unknowns(expr, frame) }
    }

    /// Returns every fact an expression reads that is not known.
    fn unknowns(&self, expr: &Expr, frame: &mut Frame) -> Facts {
        let mut facts = Facts::new();
        self.add_unknowns(expr, frame, &mut facts);
        facts
    }

    fn add_unknowns(&self, expr: &Expr, frame: &mut Frame, facts: &mut Facts) {
        if facts.len() > FACTS_MAX {
            return;
        }
        match &expr.kind {
            ExprKind::Attribute { base, property, at, .. } => {
                let base_value = self.value(base, frame);
                let instant = self.instant_of(at.as_deref(), frame);
                match (&base_value, instant) {
                    (Val::Known(Value::Entity(id)), Ok(at)) => facts.extend(self.unknown_attribute(*id, *property, at)),
                    (Val::Unseen(unseen), _) => facts.extend(self.unseen_fact(unseen)),
                    _ => {
                        self.add_unknowns(base, frame, facts);
                        if let Some(at) = at {
                            self.add_unknowns(at, frame, facts);
                        }
                    }
                }
            }
            ExprKind::Navigation { .. } | ExprKind::Closure { .. } | ExprKind::Extent(_) | ExprKind::Filter(_) | ExprKind::Union(..) => {
                facts.extend(self.set_unknowns(expr, frame));
            }
            ExprKind::Call(def, args) => {
                let inner =
                    self.call(
                        *def,
                        args,
                        frame,
                        |this, body, frame| {
                            if body.ty.set { this.set_unknowns(body, frame) } else { this.unknowns(body, frame) }
                        },
                    );
                facts.extend(inner.unwrap_or_default());
                for arg in self.looked_at(*def, args) {
                    self.add_unknowns(arg, frame, facts);
                }
            }
            ExprKind::Quantified(_, binders, body) | ExprKind::Aggregate(_, binders, body) => {
                self.quantifier_unknowns(binders, body.as_deref(), frame, facts);
            }
            ExprKind::IsType(inner, _, _) => {
                if let Val::Known(Value::Entity(id)) = self.value(inner, frame)
                    && self.truth(expr, frame) == Truth::Unknown
                {
                    facts.insert((MissingWhat::Type(id), None));
                }
                self.add_unknowns(inner, frame, facts);
            }
            ExprKind::Covers(left, right) => {
                if let (Val::Known(Value::Entity(_)), Val::Known(Value::Entity(lower))) =
                    (self.value(left, frame), self.value(right, frame))
                    && let Some(scope) = self.snapshot.schema().entity_named("Scope")
                    && let Some(parent) = self.snapshot.schema().property_named(scope.id, "parent")
                {
                    facts.extend(self.closure_gaps(lower, parent.id, None));
                }
                self.add_unknowns(left, frame, facts);
                self.add_unknowns(right, frame, facts);
            }
            ExprKind::Var(_) => {
                if let Val::Unseen(unseen) = self.value(expr, frame) {
                    facts.extend(self.unseen_fact(&unseen));
                }
            }
            _ => {
                for child in crate::check::children(expr) {
                    self.add_unknowns(child, frame, facts);
                }
            }
        }
    }

    fn quantifier_unknowns(&self, binders: &[Binder], body: Option<&Expr>, frame: &mut Frame, facts: &mut Facts) {
        let Some((binder, rest)) = binders.split_first() else {
            if let Some(body) = body {
                let unknown = if body.ty.base == Base::Bool { self.holes(body, frame) } else { self.unknowns(body, frame) };
                facts.extend(unknown);
            }
            return;
        };
        let set = self.set(&binder.set, frame);
        facts.extend(self.set_unknowns(&binder.set, frame));
        for member in &set.members {
            bind(frame, binder, Val::Known(member.value.clone()));
            if let Some(filter) = &binder.filter {
                match self.truth(filter, frame) {
                    Truth::False => continue,
                    Truth::Unknown => facts.extend(self.holes(filter, frame)),
                    Truth::True => {}
                }
            }
            if facts.len() > FACTS_MAX {
                return;
            }
            self.quantifier_unknowns(rest, body, frame, facts);
        }
    }

    fn unknown_attribute(&self, id: EntityId, property: PropertyId, at: Option<Timestamp>) -> Option<Hole> {
        let declared = self.snapshot.schema().property(property)?;
        let unknown = matches!(self.state(id, property, at), CellState::Unknown(_));
        unknown.then_some((MissingWhat::Attribute(id, property), at.filter(|_| declared.history)))
    }

    fn unseen_fact(&self, unseen: &Unseen) -> Option<Hole> {
        let Base::Entity(ty) = unseen.base else { return None };
        if let Some((inverse, from)) = unseen.origin {
            let list = self.snapshot.schema().property(inverse)?.inverse?;
            return self.list_gap(from, list, None);
        }
        Some((MissingWhat::UnseenMember(ty), None))
    }

    /// Returns what is missing of a list, if anything is.
    fn list_gap(&self, id: EntityId, property: PropertyId, at: Option<Timestamp>) -> Option<Hole> {
        let declared = self.snapshot.schema().property(property)?;
        if !declared.ty.set {
            return self.unknown_attribute(id, property, at);
        }
        let past = self.past(declared, at);
        let completeness = &self.snapshot.nav(id, property).completeness;
        let whole = match past {
            None => completeness.complete,
            Some(at) => self.covers_time(completeness, at),
        };
        (!whole || self.is_expired(completeness.source)).then_some((MissingWhat::List(id, property), past))
    }

    /// Puts a hole into words: why it is one, and what would fill it.
    fn describe(&self, (what, at): Hole) -> MissingFact {
        let schema = self.snapshot.schema();
        let unread = || "not read".to_owned();
        let of_property = |id| schema.property(id).map(|property| property.source.clone());
        let of_entity = |id| schema.entity(id).map(|ty| ty.source.clone());
        let (reason, source) = match what {
            MissingWhat::Attribute(id, property) => {
                let reason = match self.state(id, property, at) {
                    CellState::Unknown(Some(reason)) => reason.to_string(),
                    _ => self.unread(id, Some(property)),
                };
                (reason, of_property(property))
            }
            MissingWhat::List(id, property) => (self.list_reason(id, property, at), of_property(property)),
            MissingWhat::Extent(ty) | MissingWhat::UnseenMember(ty) => (self.extent_reason(ty).unwrap_or_else(unread), of_entity(ty)),
            MissingWhat::Type(id) => {
                let below = self.snapshot.entity_type(id).into_iter().flat_map(|ty| schema.subtypes(ty));
                let read = below.into_iter().find(|sub| !sub.is_abstract && sub.source != Provenance::default());
                ("what kind of entity it is was not read".to_owned(), read.map(|sub| sub.source.clone()))
            }
        };
        MissingFact { what, at, reason, source: source.unwrap_or_else(Provenance::default) }
    }

    /// Why something was not read of an entity: if it comes from the list in which the entity stands, or if a reference alone
    /// tells of the entity, why that list is open.
    fn unread(&self, id: EntityId, attribute: Option<PropertyId>) -> String {
        let schema = self.snapshot.schema();
        let plain = || "not read".to_owned();
        let Some(ty) = self.snapshot.entity_type(id).and_then(|ty| schema.entity(ty)) else { return plain() };
        let is_listed = attribute.and_then(|id| schema.property(id)).is_some_and(|property| property.source == ty.source);
        let own = ty.properties.values().filter_map(|id| schema.property(*id));
        let own = own.filter(|property| !property.ty.set && property.source == ty.source);
        let known = own.filter(|property| !matches!(self.state(id, property.id, None), CellState::Unknown(_)));
        if !is_listed && known.count() > TOLD_BY_ID {
            return plain();
        }
        self.extent_reason(ty.id).map_or_else(plain, |reason| format!("not read: {reason}"))
    }

    /// Why not all entities of a type are known; for a type that others are below, why those of the first open one are not.
    fn extent_reason(&self, ty: EntityTypeId) -> Option<String> {
        let below = self.snapshot.schema().subtypes(ty).map(|below| below.id);
        std::iter::once(ty).chain(below).find_map(|ty| {
            let completeness = self.snapshot.extent_completeness(ty);
            completeness.reason.clone().filter(|_| !completeness.complete)
        })
    }

    fn list_reason(&self, id: EntityId, property: PropertyId, at: Option<Timestamp>) -> String {
        let nav = self.snapshot.nav(id, property);
        let completeness = &nav.completeness;
        if self.is_expired(completeness.source) || nav.members.iter().any(|edge| self.is_expired(edge.source)) {
            return "its attestation is past its review date".to_owned();
        }
        match (&completeness.reason, at) {
            (Some(reason), _) => reason.clone(),
            (None, Some(at)) if completeness.complete => format!("the history does not reach back to {}", format_instant(at)),
            (None, _) => self.unread(id, None),
        }
    }

    /// Returns what is missing of a set.
    fn set_unknowns(&self, expr: &Expr, frame: &mut Frame) -> Facts {
        match &expr.kind {
            ExprKind::Navigation { base, property, at } => {
                let base_value = self.value(base, frame);
                let Ok(instant) = self.instant_of(at.as_deref(), frame) else {
                    return at.as_deref().map(|at| self.unknowns(at, frame)).unwrap_or_default();
                };
                match base_value {
                    Val::Known(Value::Entity(id)) => self.step_gaps(id, *property, instant),
                    Val::Set(set) => {
                        let mut facts = self.set_unknowns(base, frame);
                        for member in &set.members {
                            if let Value::Entity(id) = member.value {
                                facts.extend(self.step_gaps(id, *property, instant));
                            }
                        }
                        facts
                    }
                    Val::Unseen(unseen) => self.unseen_fact(&unseen).into_iter().collect(),
                    _ => self.unknowns(base, frame),
                }
            }
            ExprKind::Closure { base, property, at, .. } => {
                let base_value = self.value(base, frame);
                let Ok(instant) = self.instant_of(at.as_deref(), frame) else {
                    return at.as_deref().map(|at| self.unknowns(at, frame)).unwrap_or_default();
                };
                let mut facts = if base.ty.set { self.set_unknowns(base, frame) } else { self.unknowns(base, frame) };
                let starts = match base_value {
                    Val::Known(Value::Entity(id)) => vec![id],
                    Val::Set(set) => set.members.iter().filter_map(|member| member.value.entity()).collect(),
                    _ => Vec::new(),
                };
                for start in starts {
                    facts.extend(self.closure_gaps(start, *property, instant));
                }
                facts
            }
            ExprKind::Extent(ty) => self.extent_holes(*ty),
            ExprKind::Filter(binder) => {
                let mut facts = self.set_unknowns(&binder.set, frame);
                let set = self.set(&binder.set, frame);
                for member in &set.members {
                    bind(frame, binder, Val::Known(member.value.clone()));
                    if let Some(filter) = &binder.filter
                        && self.truth(filter, frame) == Truth::Unknown
                    {
                        facts.extend(self.holes(filter, frame));
                    }
                }
                facts
            }
            ExprKind::Union(left, right) => {
                let mut facts = self.set_unknowns(left, frame);
                facts.extend(self.set_unknowns(right, frame));
                facts
            }
            ExprKind::Call(def, args) => {
                let mut facts = self.call(*def, args, frame, |this, body, frame| this.set_unknowns(body, frame)).unwrap_or_default();
                // Inside the definition an argument is a mere value, which does not say where it came from.
                for arg in self.looked_at(*def, args) {
                    facts.extend(self.read_unknowns(arg, frame));
                }
                facts
            }
            ExprKind::Set(items) => items.iter().flat_map(|item| self.unknowns(item, frame)).collect(),
            _ => Facts::new(),
        }
    }

    fn step_gaps(&self, id: EntityId, property: PropertyId, at: Option<Timestamp>) -> Facts {
        let mut facts: Facts = self.list_gap(id, property, at).into_iter().collect();
        let Some(declared) = self.snapshot.schema().property(property) else { return facts };
        let past = self.past(declared, at);
        for edge in &self.snapshot.nav(id, property).members {
            if self.member(edge, past).is_some_and(|member| !member.sure) {
                let since = edge.member.entity().filter(|_| !self.is_expired(edge.source)).and_then(|member| self.lifetime_gap(member));
                facts.insert(since.unwrap_or((MissingWhat::List(id, property), past)));
            }
        }
        facts
    }

    /// Returns the attribute that does not say since when an entity exists, or until when.
    pub(super) fn lifetime_gap(&self, id: EntityId) -> Option<Hole> {
        let ty = self.snapshot.schema().entity(self.snapshot.entity_type(id)?)?;
        [ty.lifetime_from, ty.lifetime_to].into_iter().flatten().find_map(|property| self.unknown_attribute(id, property, None))
    }

    /// Returns what keeps it open whether an entity is one of a rule's subjects.
    pub fn subject_gap(&self, id: EntityId, ty: EntityTypeId) -> BTreeSet<MissingFact> {
        let schema = self.snapshot.schema();
        let typed = self.snapshot.entity_type(id).is_some_and(|known| schema.is_subtype(known, ty));
        let hole = if typed { self.lifetime_gap(id) } else { Some((MissingWhat::Type(id), None)) };
        hole.into_iter().map(|hole| self.describe(hole)).collect()
    }

    fn closure_gaps(&self, start: EntityId, property: PropertyId, at: Option<Timestamp>) -> Facts {
        let reached = self.closure_of(start, property, at);
        let Some(declared) = self.snapshot.schema().property(property) else { return Facts::new() };
        let mut facts = Facts::new();
        for id in std::iter::once(start).chain(reached.members.iter().filter_map(|member| member.value.entity())) {
            match self.takes_step(id, declared.owner) {
                Truth::True => facts.extend(self.step_gaps(id, property, at)),
                Truth::Unknown => {
                    facts.insert((MissingWhat::Type(id), None));
                }
                Truth::False => {}
            }
        }
        facts
    }

    fn extent_holes(&self, ty: EntityTypeId) -> Facts {
        let mut facts: Facts = (!self.is_whole(ty)).then_some((MissingWhat::Extent(ty), None)).into_iter().collect();
        facts.extend(self.snapshot.possible(ty).take(FACTS_MAX).map(|id| (MissingWhat::Type(id), None)));
        let doubtful = self.extent(ty).members.into_iter().filter(|member| !member.sure).filter_map(|member| member.value.entity());
        facts.extend(doubtful.take(FACTS_MAX).filter_map(|id| self.lifetime_gap(id)));
        facts
    }

    /// Returns the facts that keep the list of all entities of a type from being whole.
    #[must_use]
    pub fn extent_gap(&self, ty: EntityTypeId) -> BTreeSet<MissingFact> {
        self.extent_holes(ty).into_iter().map(|hole| self.describe(hole)).collect()
    }
}

fn smaller(a: Option<Facts>, b: Option<Facts>) -> Option<Facts> {
    match (a, b) {
        // A way that needs no fact is no way to decide an unknown: it only means that nothing more can be said.
        (Some(a), Some(b)) if a.is_empty() => Some(b),
        (Some(a), Some(b)) if b.is_empty() => Some(a),
        (Some(a), Some(b)) => Some(if b.len() < a.len() { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn both(a: Option<Facts>, b: Option<Facts>) -> Option<Facts> {
    let (mut a, b) = (a?, b?);
    a.extend(b);
    Some(a)
}

//! From what differs between two snapshots to the arguments for which a term may have another value.
//!
//! Followed in the new snapshot alone: where a way to a difference was another one before, the first step that differs is a
//! difference itself, and the way to it is the same in both.

use std::rc::Rc;

use super::super::HashMap;
use super::back::Back;
use super::ids::{Ids, Touch};
use crate::model::{Base, EntityTypeId, PropertyId};
use crate::query::{FunctionId, Lambda, Query, Term, TermId, parts};
use crate::snapshot::columns::delta::Delta;

/// What else differs between two runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// `now`.
    pub(super) now: bool,
    /// `now` or the end of the capture: what was read as of an instant may be read otherwise.
    pub(super) history: bool,
}

/// Navigations that follow from others that follow from others, the most.
const DERIVED_DEPTH_MAX: usize = 16;

/// Finds what each term of a query is touched by.
pub(super) struct Tracer<'a> {
    query: &'a Query,
    back: Back<'a>,
    delta: &'a Delta,
    moved: Moved,
    touches: Vec<Rc<Touch>>,
    /// Entities that answer otherwise over a property, what it follows from included.
    steps: HashMap<PropertyId, Option<Rc<Ids>>>,
}

/// Adds what is found, or gives up and says all.
fn or_all(found: Option<Touch>) -> Touch {
    found.unwrap_or_else(Touch::all)
}

impl<'a> Tracer<'a> {
    pub(super) fn new(query: &'a Query, back: Back<'a>, delta: &'a Delta, moved: Moved) -> Self {
        let mut tracer = Self { query, back, delta, moved, touches: Vec::with_capacity(query.terms.len()), steps: HashMap::default() };
        for property in delta_properties(query) {
            tracer.back.begin();
            let found = tracer.differing(property, 0);
            tracer.steps.insert(property, found.map(Rc::new));
        }
        // A term stands after those it is made of, and after the bodies of the functions it calls.
        for (term, _) in &query.terms {
            tracer.back.begin();
            let touch = or_all(tracer.touch(term));
            tracer.touches.push(Rc::new(touch));
        }
        tracer
    }

    /// Returns for which arguments a function may have another value.
    pub(super) fn function(&self, function: FunctionId) -> Rc<Touch> {
        match self.query.get_function(function) {
            Some(function) => self.of(function.body),
            None => Rc::new(Touch::all()),
        }
    }

    fn of(&self, term: TermId) -> Rc<Touch> {
        self.touches.get(term.0 as usize).map_or_else(|| Rc::new(Touch::all()), Rc::clone)
    }

    /// Entities for which one step over a property differs.
    fn differing(&self, property: PropertyId, depth: usize) -> Option<Ids> {
        if depth > DERIVED_DEPTH_MAX {
            return None;
        }
        let mut found = Ids::of(self.delta.of(property).to_vec());
        if let Some(rule) = self.back.schema.property(property).and_then(|declared| declared.derived) {
            // Whoever walks to a list that differs, or by a step that differs.
            let mut on_the_way = self.differing(rule.from, depth + 1)?;
            on_the_way.add(&self.differing(rule.along, depth + 1)?);
            found.add(&self.back.before(rule.along, &on_the_way)?);
        }
        Some(found)
    }

    fn step(&self, property: PropertyId) -> Option<Rc<Ids>> {
        self.steps.get(&property).cloned().flatten()
    }

    /// Returns for which arguments a term may have another value; `None` for all.
    fn touch(&self, term: &Term) -> Option<Touch> {
        let mut touch = Touch::default();
        for part in parts(term) {
            touch.add(&self.of(part));
        }
        match term {
            Term::Now if self.moved.now => return None,
            Term::Attribute { base, property, at } | Term::Navigate { base, property, at } => {
                if at.is_some() && self.moved.history {
                    return None;
                }
                touch.add(&self.leading_to(*base, &*self.step(*property)?)?);
            }
            Term::Closure { base, property, at, .. } => {
                if at.is_some() && self.moved.history {
                    return None;
                }
                let before = self.back.before(*property, &*self.step(*property)?)?;
                touch.add(&self.leading_to(*base, &before)?);
            }
            Term::Extent(ty) if self.delta.extents.contains(ty) => return None,
            Term::Filter { set, test } | Term::Exists { set, test } | Term::Tally { set, test } => {
                touch.add(&self.tested(*set, test)?);
            }
            Term::Extreme { set, value, .. } => touch.add(&self.tested(*set, value)?),
            Term::Apply(function, argument) => touch.add(&self.called(self.function(*function), 0, *argument)?),
            Term::In(item, _) => {
                // Whether an item may be a member nobody has seen is told by where it leads back to.
                for (property, ids) in &self.delta.changed {
                    let declared = self.back.schema.property(*property);
                    if declared.is_some_and(|declared| !declared.ty.set && declared.inverse.is_some()) {
                        touch.add(&self.leading_to(*item, &Ids::of(ids.clone()))?);
                    }
                }
            }
            Term::Covers(_, lower) => {
                let parent = self.back.schema.entity_named("Scope").and_then(|scope| self.back.schema.property_named(scope.id, "parent"));
                if let Some(parent) = parent {
                    let before = self.back.before(parent.id, &Ids::of(self.delta.of(parent.id).to_vec()))?;
                    touch.add(&self.leading_to(*lower, &before)?);
                }
            }
            _ => {}
        }
        (!touch.all).then_some(touch)
    }

    /// A test of the members of a set: for which rows a member or a capture is among those it may differ for.
    fn tested(&self, set: TermId, test: &Lambda) -> Option<Touch> {
        let inner = self.function(test.function);
        let mut touch = self.called(Rc::clone(&inner), 0, set)?;
        for (at, capture) in (1..).zip(&test.captures) {
            touch.add(&self.called(Rc::clone(&inner), at, *capture)?);
        }
        Some(touch)
    }

    /// For which rows an argument of a function is among those the function may differ for.
    fn called(&self, inner: Rc<Touch>, at: u32, argument: TermId) -> Option<Touch> {
        if inner.all {
            return None;
        }
        inner.by_argument.get(&at).map_or(Some(Touch::default()), |ids| self.leading_to(argument, ids))
    }

    /// For which rows a term is one of these entities, or a set that has one of them; `None` for all.
    fn leading_to(&self, term: TermId, ids: &Ids) -> Option<Touch> {
        if ids.is_empty() || !matches!(self.query.type_of(term).base, Base::Entity(_) | Base::Nothing) {
            return Some(Touch::default());
        }
        if self.back.is_too_much(ids.known.len() + 1) {
            return None;
        }
        match self.query.get(term) {
            Term::Argument(at) => Some(Touch::argument(*at, ids.clone())),
            Term::None | Term::Unknown => Some(Touch::default()),
            Term::Attribute { base, property, .. } | Term::Navigate { base, property, .. } => {
                self.leading_to(*base, &self.back.holders(*property, ids)?)
            }
            Term::Closure { base, property, reflexive, .. } => {
                let known = Ids { known: ids.known.clone(), unseen: Vec::new() };
                let mut before = self.back.before(*property, &known)?;
                if *reflexive {
                    before.add(ids);
                }
                self.leading_to(*base, &before)
            }
            Term::Extent(ty) => self.is_apart(*ty, ids).then(Touch::default),
            Term::Filter { set, .. } => self.leading_to(*set, ids),
            Term::Union(a, b) | Term::Coalesce(a, b) => {
                let mut touch = self.leading_to(*a, ids)?;
                touch.add(&self.leading_to(*b, ids)?);
                Some(touch)
            }
            Term::Listed(items) => {
                let mut touch = Touch::default();
                for item in items {
                    touch.add(&self.leading_to(*item, ids)?);
                }
                Some(touch)
            }
            Term::Apply(function, argument) => {
                let body = self.query.get_function(*function)?.body;
                let inner = self.leading_to(body, ids)?;
                self.called(Rc::new(inner), 0, *argument)
            }
            _ => None,
        }
    }

    /// Tells whether none of these can be of a type.
    fn is_apart(&self, ty: EntityTypeId, ids: &Ids) -> bool {
        // One whose type is not known may be of any type of its root.
        let root = self.back.schema.entity(ty).map_or(ty, |entity| entity.root);
        let domain = self.back.columns.domain(root);
        !ids.known.iter().any(|id| domain.contains(id))
    }
}

/// Properties a query steps over.
fn delta_properties(query: &Query) -> Vec<PropertyId> {
    let mut properties: Vec<PropertyId> = query
        .terms
        .iter()
        .filter_map(|(term, _)| match term {
            Term::Attribute { property, .. } | Term::Navigate { property, .. } | Term::Closure { property, .. } => Some(*property),
            _ => None,
        })
        .collect();
    properties.sort_unstable();
    properties.dedup();
    properties
}

//! Lists that follow from others along a walk, such as assignments inherited from the scopes above.
//!
//! Nothing is stored for them: each is gathered when it is asked for, from lists that were filtered beforehand where the
//! filter looks at nothing but the member.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::value::Unseen;
use super::facts::{List, Whole};
use super::machine::{Machine, Outcome};
use super::sets::{Gathered, push_list};
use super::vector::{DOUBT, FALSE, Rows, Sets, TRUE, is_known};
use crate::model::{Completeness, DerivedFrom, EntityId, Property, PropertyId};
use crate::query::{FunctionId, Lambda, Term, TermId};
use crate::snapshot::WALK_STEPS_MAX;
use crate::snapshot::columns::{CodeClass, MemberTimes, Members as Stored, NONE, UNBOUNDED, UNKNOWN};

/// What a walk came to.
pub(super) struct Walk {
    /// Everything reached, sorted.
    reached: Vec<u32>,
    /// Whether what is reached, or what lies beyond, is not known for sure.
    gap: bool,
}

/// What is known of walks along one navigation.
#[derive(Default)]
pub(super) struct Walks {
    known: HashMap<u32, Rc<Walk>>,
    circling: Option<Rc<HashSet<u32>>>,
}

impl<'a> Machine<'a> {
    /// Gathers the members of a derived list; returns whether it lacks nothing.
    pub(super) fn step_derived(&self, id: u32, declared: &Property, level: u8, gathered: &mut Gathered) -> Outcome<bool> {
        let Some(rule) = declared.derived else { return Ok(false) };
        if self.reference.past(declared, None).is_some() {
            let set = self.reference.step(EntityId(id), declared, None);
            for member in &set.members {
                let code = self.facts.code_of(CodeClass::Entity, &member.value);
                gathered.push(code, if member.sure { level } else { DOUBT });
            }
            return Ok(set.unseen.is_empty());
        }
        let walk = self.walk_along(id, rule.along)?;
        if let Some(stated) = self.list(declared.id) {
            push_list(&stated, id, level, gathered);
        }
        if let Some(from) = self.list(rule.from) {
            for step in walk.reached.iter().filter(|step| **step != id) {
                push_list(&from, *step, level, gathered);
            }
        }
        self.spend(walk.reached.len() as u64)?;
        Ok(self.is_derived_whole(id, declared, rule, &walk))
    }

    fn is_derived_whole(&self, id: u32, declared: &Property, rule: DerivedFrom, walk: &Walk) -> bool {
        let lists_lack =
            || walk.reached.iter().filter(|step| **step != id).any(|step| !self.stated_completeness(rule.from, *step).complete);
        let spoken = self.spoken_of(declared.id, id);
        match spoken {
            Some(claim) if claim.complete => !self.reference.is_expired(claim.source),
            Some(_) if self.columns.meta().closed_world => false,
            _ => !walk.gap && !lists_lack(),
        }
    }

    fn stated_completeness(&self, property: PropertyId, id: u32) -> &'a Completeness {
        self.spoken_of(property, id).unwrap_or_else(|| self.columns.unspoken())
    }

    /// Returns what the snapshot says of a list, if it says more than of any other.
    fn spoken_of(&self, property: PropertyId, id: u32) -> Option<&'a Completeness> {
        let column = self.columns.list(property)?;
        let at = id.checked_sub(column.first)? as usize;
        if at + 1 >= column.offsets.len() {
            return None;
        }
        let kind = column.completeness_kinds.get(column.completeness.get(at)? as usize)?;
        (kind != self.columns.unspoken()).then_some(kind)
    }

    pub(super) fn walk_along(&self, id: u32, along: PropertyId) -> Outcome<Rc<Walk>> {
        if let Some(walk) = self.walks.borrow().get(&along).and_then(|walks| walks.known.get(&id)) {
            return Ok(Rc::clone(walk));
        }
        let circling = self.circling(along);
        let walk = Rc::new(self.walk_anew(id, along, &circling)?);
        self.walks.borrow_mut().entry(along).or_default().known.insert(id, Rc::clone(&walk));
        Ok(walk)
    }

    fn walk_anew(&self, id: u32, along: PropertyId, circling: &HashSet<u32>) -> Outcome<Walk> {
        let mut seen = HashSet::new();
        let mut level = vec![id];
        let mut steps = 0;
        while !level.is_empty() && steps < WALK_STEPS_MAX {
            let mut next = Vec::new();
            for node in level {
                self.each_target(node, along, &mut |target| {
                    if seen.insert(target) {
                        next.push(target);
                    }
                });
            }
            self.spend(next.len() as u64)?;
            level = next;
            steps += 1;
        }
        let more = !level.is_empty();
        let mut reached: Vec<u32> = seen.into_iter().collect();
        reached.sort_unstable();
        let gap = more || std::iter::once(&id).chain(&reached).any(|step| circling.contains(step) || self.step_lacks(*step, along));
        Ok(Walk { reached, gap })
    }

    /// Tells whether one step of a walk is not known.
    fn step_lacks(&self, id: u32, along: PropertyId) -> bool {
        if self.schema.property(along).is_some_and(|property| property.ty.set) {
            return !self.stated_completeness(along, id).complete;
        }
        self.stored(along, id) == UNKNOWN
    }

    fn stored(&self, property: PropertyId, id: u32) -> u32 {
        let Some(column) = self.columns.attribute(property) else { return UNKNOWN };
        let at = id.wrapping_sub(column.first);
        if at >= column.len { UNKNOWN } else { column.codes.get(at as usize).unwrap_or(UNKNOWN) }
    }

    /// Calls `visit` with what one step leads to, as it was stated and has not ended.
    fn each_target(&self, id: u32, along: PropertyId, visit: &mut dyn FnMut(u32)) {
        if self.schema.property(along).is_none_or(|property| !property.ty.set) {
            let code = self.stored(along, id);
            if code != NONE && is_known(code) {
                visit(code);
            }
            return;
        }
        let Some(column) = self.columns.list(along) else { return };
        let at = id.wrapping_sub(column.first) as usize;
        let (Some(from), Some(to)) = (column.offsets.get(at), column.offsets.get(at.wrapping_add(1))) else { return };
        for place in *from..*to {
            let member = match &column.members {
                Stored::Consecutive(first) => first + place,
                Stored::Each(codes) => codes.get(place as usize).copied().unwrap_or(UNKNOWN),
            };
            let lasts = match &column.times {
                MemberTimes::Always => true,
                MemberTimes::Lifetime => self.facts.lasts(member),
                MemberTimes::Each { to, .. } => to.get(place as usize) == Some(UNBOUNDED),
            };
            if lasts {
                visit(member);
            }
        }
    }

    /// Returns the entities that reach themselves along a navigation.
    fn circling(&self, along: PropertyId) -> Rc<HashSet<u32>> {
        if let Some(known) = self.walks.borrow().get(&along).and_then(|walks| walks.circling.clone()) {
            return known;
        }
        let owner = self.schema.property(along).map(|property| property.owner);
        let domain = owner.map_or(0..0, |owner| self.columns.domain(self.schema.entity(owner).map_or(owner, |ty| ty.root)));
        let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(domain.len(), domain.len());
        domain.clone().for_each(|_| {
            graph.add_node(());
        });
        for id in domain.clone() {
            self.each_target(id, along, &mut |target| {
                if domain.contains(&target) {
                    let node = |id: u32| NodeIndex::new((id - domain.start) as usize);
                    graph.add_edge(node(id), node(target), ());
                }
            });
        }
        let mut circling = HashSet::new();
        // Without a circle there is an order; looking for one is cheaper than looking for the circles.
        if petgraph::algo::toposort(&graph, None).is_err() {
            for part in kosaraju_scc(&graph) {
                let circle = part.len() > 1 || part.iter().any(|node| graph.contains_edge(*node, *node));
                circling
                    .extend(part.into_iter().filter(|_| circle).filter_map(|node| Some(domain.start + u32::try_from(node.index()).ok()?)));
            }
        }
        let circling = Rc::new(circling);
        self.walks.borrow_mut().entry(along).or_default().circling = Some(Rc::clone(&circling));
        circling
    }

    /// Filters unions part by part, and derived lists by filtering what they gather from: for tests of the member alone.
    pub(super) fn filtered_steps(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Sets<'a>>> {
        if !test.captures.is_empty() || self.shapes.is_closed(set) {
            return Ok(None);
        }
        match self.query.get(set) {
            Term::Union(a, b) => {
                let (a, b) = (self.filter(*a, test, rows)?, self.filter(*b, test, rows)?);
                Ok(Some(self.union(&a, &b)?))
            }
            Term::Navigate { base, property, at: None } if !self.query.type_of(*base).set => {
                let Some(declared) = self.schema.property(*property) else { return Ok(None) };
                let Some(rule) = declared.derived else { return Ok(None) };
                if self.reference.past(declared, None).is_some() {
                    return Ok(None);
                }
                let base = self.evaluate(*base, rows)?;
                let codes = self.codes(&base, CodeClass::Entity, rows.n);
                self.gather_filtered(&codes, declared, rule, test.function).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn gather_filtered(&self, codes: &[u32], declared: &Property, rule: DerivedFrom, test: FunctionId) -> Outcome<Sets<'a>> {
        let (stated, from) = (self.filtered_list(declared.id, test)?, self.filtered_list(rule.from, test)?);
        let mut gathered = Gathered::new(CodeClass::Entity, codes.len());
        for code in codes {
            match *code {
                NONE => {}
                id if is_known(id) => {
                    let walk = self.walk_along(id, rule.along)?;
                    if let Some(stated) = &stated {
                        push_list(stated, id, TRUE, &mut gathered);
                    }
                    if let Some(from) = &from {
                        for step in walk.reached.iter().filter(|step| **step != id) {
                            push_list(from, *step, TRUE, &mut gathered);
                        }
                    }
                    self.spend(walk.reached.len() as u64)?;
                    if !self.is_derived_whole(id, declared, rule, &walk) {
                        self.push_unseen(declared, Some(id), test, &mut gathered)?;
                    }
                }
                _ => self.push_unseen(declared, None, test, &mut gathered)?,
            }
            gathered.end_row();
        }
        Ok(gathered.finish(false))
    }

    /// Adds an unseen member if it may pass the test.
    fn push_unseen(&self, declared: &Property, holder: Option<u32>, test: FunctionId, gathered: &mut Gathered) -> Outcome<()> {
        let origin = holder.and_then(|id| self.origin(declared, id));
        let code = self.unseen_code(Unseen { base: declared.ty.base, origin });
        let tested = self.apply(test, &super::vector::Vector::codes(CodeClass::Entity, vec![code]), 1)?;
        if self.truths(&tested, 1).first() != Some(&FALSE) {
            gathered.push(code, DOUBT);
        }
        Ok(())
    }

    /// Returns the members of a property's lists that may pass a test of the member alone.
    fn filtered_list(&self, property: PropertyId, test: FunctionId) -> Outcome<Option<Rc<List<'a>>>> {
        let key = (property, test);
        if let Some(known) = self.filtered.borrow().get(&key) {
            return Ok(Some(Rc::clone(known)));
        }
        let Some(list) = self.list(property) else { return Ok(None) };
        let spans: Vec<(u32, u32)> = list.offsets.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
        let sets =
            Sets { class: list.class, spans: Rc::new(spans), members: list.members.clone(), levels: list.levels.clone(), distinct: true };
        let lambda = Lambda { function: test, captures: Vec::new() };
        let kept = self.filter_sets(&sets, &lambda, &Rows::new(sets.spans.len(), Vec::new()))?;
        let offsets: Vec<u32> = std::iter::once(0).chain(kept.spans.iter().map(|(_, to)| *to)).collect();
        let kept = Rc::new(List {
            class: list.class,
            first: list.first,
            offsets: offsets.into(),
            members: kept.members,
            levels: kept.levels,
            whole: Whole::All,
            others_whole: true,
        });
        self.filtered.borrow_mut().insert(key, Rc::clone(&kept));
        Ok(Some(kept))
    }
}

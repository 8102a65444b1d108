//! Derived navigations, gathered when they are asked for.

use std::collections::BTreeSet;
use std::ops::Range;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::answer::LOST;
use super::{Columns, MemberTimes, UNBOUNDED};
use crate::model::{Bound, Completeness, DerivedFrom, Property, PropertyId};
use crate::snapshot::graph::STEPS_MAX;
use crate::snapshot::read::Nav;
use crate::snapshot::records::CellState;

impl Columns {
    /// Gathers a derived navigation as freezing does: members of `from` of everything that `along` leads to.
    pub(super) fn gathered(&self, id: u32, property: &Property) -> Nav {
        let stated = self.stated_nav(id, property);
        let Some(rule) = property.derived else { return stated };
        let mut members = stated.members;
        let (reached, more) = self.reachable(id, rule, property.id);
        let mut gap = self.step_gap(id, rule.along, property.id);
        for step in reached.iter().copied().filter(|step| *step != id) {
            let nav = self.nav_before(step, rule.from, property.id);
            members.extend(nav.members);
            gap = gap.or_else(|| self.step_gap(step, rule.along, property.id));
            if !nav.completeness.complete {
                let unread = || format!("{} of {} was not read", self.property_name(rule.from), self.label(step));
                gap = gap.or_else(|| Some(nav.completeness.reason.unwrap_or_else(unread)));
            }
        }
        let circling = self.circles(rule.along, property.id);
        if let Some(step) = reached.iter().chain([&id]).find(|step| circling.binary_search(step).is_ok()) {
            gap = gap.or_else(|| Some(format!("{} is contained in itself", self.label(*step))));
        }
        if more {
            gap = gap.or_else(|| Some(format!("{} is followed over at most {STEPS_MAX} steps", self.property_name(rule.along))));
        }
        members.sort();
        // Told by two sources it stays twice: one of them may be past its review.
        members.dedup();
        let claim = self.list(property.id).and_then(|column| column.completeness_of(id)).filter(|(_, claimed)| *claimed);
        let spoken = claim.map(|(claim, _)| claim);
        // What cannot be read any more may be a step or a member, whatever was claimed of the list.
        let completeness = match self.trouble() {
            Some(_) => Completeness::open(Some(LOST.to_owned()), None),
            None => gathered_completeness(spoken, gap, self.meta.closed_world),
        };
        Nav { members, completeness }
    }

    /// Returns a navigation as it was when a derived one was gathered: of the derived ones only earlier ones were.
    fn nav_before(&self, id: u32, property: PropertyId, before: PropertyId) -> Nav {
        match self.schema.property(property) {
            Some(other) if other.derived.is_some() && other.id >= before => self.stated_nav(id, other),
            _ => self.nav(id, property),
        }
    }

    /// Says what keeps one step of a walk from being known, if anything does.
    fn step_gap(&self, id: u32, along: PropertyId, before: PropertyId) -> Option<String> {
        let property = self.schema.property(along)?;
        let unread = || format!("{} of {} was not read", property.name, self.label(id));
        if property.ty.set {
            let completeness = self.nav_before(id, along, before).completeness;
            return (!completeness.complete).then(|| completeness.reason.unwrap_or_else(unread));
        }
        match self.cell(id, along).state {
            CellState::Unknown(reason) => Some(reason.map_or_else(unread, |reason| reason.to_string())),
            _ => None,
        }
    }

    fn property_name(&self, id: PropertyId) -> &str {
        self.schema.property(id).map_or("?", |property| property.name.as_str())
    }

    /// Returns what is reachable by one to [`STEPS_MAX`] steps, sorted, and whether there is more beyond.
    fn reachable(&self, start: u32, rule: DerivedFrom, before: PropertyId) -> (BTreeSet<u32>, bool) {
        let mut seen = BTreeSet::new();
        let mut level = vec![start];
        for _ in 0..STEPS_MAX {
            let mut next = Vec::new();
            for step in level {
                next.extend(self.targets(step, rule.along, before).into_iter().filter(|target| seen.insert(*target)));
            }
            if next.is_empty() {
                return (seen, false);
            }
            level = next;
        }
        (seen, true)
    }

    /// Returns the ids from which a step over a navigation may lead somewhere.
    fn leading(&self, along: PropertyId) -> Range<u32> {
        let range = match self.schema.property(along) {
            Some(property) if property.derived.is_some() => None,
            Some(property) if property.ty.set => {
                let covered = |column: &super::ListColumn| {
                    let n = u32::try_from(column.offsets.len().saturating_sub(1)).unwrap_or(u32::MAX);
                    column.first..column.first.saturating_add(n)
                };
                Some(self.list(along).map_or(0..0, covered))
            }
            _ => Some(self.attribute(along).map_or(0..0, |column| column.first..column.first.saturating_add(column.len))),
        };
        range.unwrap_or(0..self.n)
    }

    /// Returns where one step leads to.
    fn targets(&self, id: u32, along: PropertyId, before: PropertyId) -> Vec<u32> {
        let mut targets = Vec::new();
        self.each_target(id, along, before, &mut |target| targets.push(target));
        targets
    }

    /// Calls `visit` with where one step leads to: the value of a reference, or the present members of a list.
    fn each_target(&self, id: u32, along: PropertyId, before: PropertyId, visit: &mut dyn FnMut(u32)) {
        let Some(property) = self.schema.property(along) else { return };
        let Some(entity) = property.ty.entity() else { return };
        if !property.ty.set {
            let column = self.attribute(along);
            let at = column.and_then(|column| Some((column, id.checked_sub(column.first).filter(|at| *at < column.len)?)));
            let code = at.and_then(|(column, at)| column.codes.get(at as usize));
            code.filter(|code| *code < self.n).into_iter().for_each(visit);
            return;
        }
        if property.derived.is_some() {
            let nav = self.nav_before(id, along, before);
            let current = nav.members.iter().filter(|edge| edge.interval.to == Bound::Unbounded);
            current.filter_map(|edge| edge.member.entity()).for_each(|id| visit(id.0));
            return;
        }
        let Some(column) = self.list(along) else { return };
        let root = self.schema.entity(entity).map(|ty| ty.root);
        let never_end = root.is_some_and(|root| self.lifetime_ends(root).is_none_or(|ends| ends.never()));
        let is_current = |at: usize, member: u32| match &column.times {
            MemberTimes::Always => true,
            MemberTimes::Lifetime => never_end || self.lifetime(member).to == Bound::Unbounded,
            MemberTimes::Each { to, .. } => to.get(at) == Some(UNBOUNDED),
        };
        let members = column.places(id).filter_map(|at| Some((at, column.members.get(at)?)));
        members.filter(|(at, member)| *member < self.n && is_current(*at, *member)).for_each(|(_, member)| visit(member));
    }

    /// Returns the entities that reach themselves over a navigation that is stored, sorted.
    pub(crate) fn circles_along(&self, along: PropertyId) -> std::borrow::Cow<'_, [u32]> {
        self.circles(along, along)
    }

    /// Returns the entities that reach themselves over a navigation, sorted.
    fn circles(&self, along: PropertyId, before: PropertyId) -> std::borrow::Cow<'_, [u32]> {
        let derived = self.schema.property(along).is_some_and(|property| property.derived.is_some());
        match self.circles.get(along.0 as usize).filter(|_| !derived) {
            Some(known) => known.get_or_init(|| self.find_circles(along, before)).as_slice().into(),
            None => self.find_circles(along, before).into(),
        }
    }

    fn find_circles(&self, along: PropertyId, before: PropertyId) -> Vec<u32> {
        // What leads nowhere lies on no circle, so only what the column covers is looked at.
        let range = self.leading(along);
        let place = |target: u32| target.checked_sub(range.start).map_or(usize::MAX, |at| at as usize);
        let mut waiting = vec![0_u32; range.len()];
        for id in range.clone() {
            self.each_target(id, along, before, &mut |target| {
                if let Some(count) = waiting.get_mut(place(target)) {
                    *count = count.saturating_add(1);
                }
            });
        }
        // What nothing leads to lies on no circle; taken away step by step, it leaves circles and what follows from them.
        let mut free: Vec<u32> = range.clone().zip(&waiting).filter(|(_, count)| **count == 0).map(|(id, _)| id).collect();
        while let Some(id) = free.pop() {
            self.each_target(id, along, before, &mut |target| {
                if let Some(count) = waiting.get_mut(place(target)) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        free.push(target);
                    }
                }
            });
        }
        let left: Vec<u32> = range.zip(&waiting).filter(|(_, count)| **count > 0).map(|(id, _)| id).collect();
        self.circles_among(&left, along, before)
    }

    fn circles_among(&self, left: &[u32], along: PropertyId, before: PropertyId) -> Vec<u32> {
        let mut graph: DiGraph<u32, ()> = DiGraph::with_capacity(left.len(), left.len());
        let nodes: Vec<NodeIndex> = left.iter().map(|id| graph.add_node(*id)).collect();
        for (id, node) in left.iter().zip(&nodes) {
            for target in self.targets(*id, along, before) {
                let known = left.binary_search(&target).ok().and_then(|at| nodes.get(at));
                if let Some(other) = known {
                    graph.add_edge(*node, *other, ());
                }
            }
        }
        let parts = kosaraju_scc(&graph).into_iter();
        let circles = parts.filter(|part| part.len() > 1 || part.iter().any(|node| graph.contains_edge(*node, *node)));
        let mut ids: Vec<u32> = circles.flatten().filter_map(|node| graph.node_weight(node).copied()).collect();
        ids.sort_unstable();
        ids
    }
}

/// Says whether a gathered list is whole, from what was claimed of it and from what keeps it from being known.
pub(in crate::snapshot) fn gathered_completeness(spoken: Option<&Completeness>, gap: Option<String>, closed_world: bool) -> Completeness {
    match (spoken, gap) {
        (Some(claim), _) if claim.complete => claim.clone(),
        // In a test's world a list that was opened by name stays open although it would follow from closed ones.
        (Some(claim), None) if closed_world => claim.clone(),
        (_, None) => Completeness::now(None),
        (Some(claim), Some(_)) if claim.reason.is_some() => claim.clone(),
        (_, Some(gap)) => Completeness::open(Some(gap), None),
    }
}

//! Lists that follow from others along a walk, such as assignments inherited from the scopes above.
//!
//! Nothing is stored for them: each is gathered when it is asked for.

use super::HashSet;
use super::gathered::Gathered;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, is_known};
use crate::model::{Completeness, DerivedFrom, EntityId, Property, PropertyId};
use crate::snapshot::WALK_STEPS_MAX;
use crate::snapshot::columns::{CodeClass, MemberTimes, NONE, UNBOUNDED, UNKNOWN};

/// What is known of walks along one navigation.
#[derive(Default)]
pub(super) struct Walks {
    /// For each id from `first` on where its walk begins in `reached` and one more than its length; 0 for walks not yet made.
    /// The highest bit of the length says that something is not known.
    places: Vec<(u32, u32)>,
    first: u32,
    reached: Vec<u32>,
}

/// The mark of a walk on which something is not known.
const GAP: u32 = 1 << 31;

impl<'a> Machine<'a> {
    /// Gathers the members of a derived list; returns whether it lacks nothing.
    pub(super) fn step_derived(&self, id: u32, declared: &Property, level: u8, gathered: &mut Gathered) -> Outcome<bool> {
        let Some(rule) = declared.derived else { return Ok(false) };
        if self.reference().past(declared, None).is_some() {
            let set = self.reference().step(EntityId(id), declared, None);
            for member in &set.members {
                let code = self.facts.code_of(CodeClass::Entity, &member.value);
                gathered.push(code, if member.sure { level } else { DOUBT });
            }
            return Ok(set.unseen.is_empty());
        }
        let mut walk = Vec::new();
        let gap = self.walk_into(id, rule.along, &mut walk)?;
        if let Some(stated) = self.list_as_read(declared.id) {
            gathered.extend_list(stated, id, level);
        }
        if let Some(from) = self.list_as_read(rule.from) {
            for step in walk.iter().filter(|step| **step != id) {
                gathered.extend_list(from, *step, level);
            }
        }
        self.spend(walk.len() as u64)?;
        Ok(self.is_derived_whole(id, declared, &walk, gap))
    }

    pub(super) fn is_derived_whole(&self, id: u32, declared: &Property, walk: &[u32], gap: bool) -> bool {
        let Some(rule) = declared.derived else { return false };
        if self.always_whole(declared, rule) {
            return !gap;
        }
        let lists_lack = || walk.iter().filter(|step| **step != id).any(|step| !self.stated_completeness(rule.from, *step).complete);
        match self.spoken_of(declared.id, id) {
            Some(claim) if claim.complete => !self.reference().is_expired(claim.source),
            Some(_) if self.columns.meta().closed_world => false,
            _ => !gap && !lists_lack(),
        }
    }

    /// Tells whether nothing was said of a derived list itself and every list it gathers from is whole.
    fn always_whole(&self, declared: &Property, rule: DerivedFrom) -> bool {
        if let Some(known) = self.always_whole.borrow().get(&declared.id) {
            return *known;
        }
        let covered = |property: PropertyId| {
            let domain = self.schema.property(property).map_or(0..0, |property| self.facts.root_domain(property.owner));
            self.columns.list(property).is_some_and(|list| {
                let len = u32::try_from(list.offsets.len().saturating_sub(1)).unwrap_or(0);
                let all = list.first <= domain.start && list.first + len >= domain.end;
                list.completeness_kinds.iter().all(|kind| kind.complete) && (all || self.columns.unspoken().complete)
            })
        };
        let whole = self.columns.list(declared.id).is_none() && covered(rule.from);
        self.always_whole.borrow_mut().insert(declared.id, whole);
        whole
    }

    fn stated_completeness(&self, property: PropertyId, id: u32) -> &'a Completeness {
        let stated = self.columns.list(property).and_then(|column| column.completeness_of(id));
        stated.map_or_else(|| self.columns.unspoken(), |(completeness, _)| completeness)
    }

    /// Returns what was claimed of a list.
    fn spoken_of(&self, property: PropertyId, id: u32) -> Option<&'a Completeness> {
        let (completeness, claimed) = self.columns.list(property)?.completeness_of(id)?;
        claimed.then_some(completeness)
    }

    /// Puts everything reached from an entity along a navigation into `reached`, sorted; tells whether anything on the way is
    /// not known.
    pub(super) fn walk_into(&self, id: u32, along: PropertyId, reached: &mut Vec<u32>) -> Outcome<bool> {
        reached.clear();
        if let Some(walks) = self.walks.borrow().get(&along)
            && let Some((begin, len)) = walks.places.get(id.wrapping_sub(walks.first) as usize).filter(|(_, len)| *len != 0)
        {
            let (begin, len) = (*begin as usize, (len & !GAP) as usize - 1);
            reached.extend_from_slice(walks.reached.get(begin..begin + len).unwrap_or(&[]));
            return Ok(walks.places.get(id.wrapping_sub(walks.first) as usize).is_some_and(|(_, len)| len & GAP != 0));
        }
        let gap = self.walk_anew(id, along, reached)?;
        self.keep_walk(id, along, reached, gap);
        Ok(gap)
    }

    fn keep_walk(&self, id: u32, along: PropertyId, reached: &[u32], gap: bool) {
        let mut walks = self.walks.borrow_mut();
        let walks = walks.entry(along).or_insert_with(|| {
            let domain = self.schema.property(along).map_or(0..0, |property| self.facts.root_domain(property.owner));
            Walks { places: vec![(0, 0); domain.len()], first: domain.start, reached: Vec::new() }
        });
        let (Ok(begin), Ok(len)) = (u32::try_from(walks.reached.len()), u32::try_from(reached.len() + 1)) else { return };
        if let Some(slot) = walks.places.get_mut(id.wrapping_sub(walks.first) as usize)
            && len < GAP
        {
            *slot = (begin, len | if gap { GAP } else { 0 });
            walks.reached.extend_from_slice(reached);
        }
    }

    fn walk_anew(&self, id: u32, along: PropertyId, reached: &mut Vec<u32>) -> Outcome<bool> {
        let is_set = self.schema.property(along).is_some_and(|property| property.ty.set);
        let more = if is_set { self.walk_lists(id, along, reached)? } else { self.walk_chain(id, along, reached) };
        if more {
            reached.sort_unstable();
            return Ok(true);
        }
        let circles = self.columns.circles_along(along);
        reached.sort_unstable();
        let on_circle = || std::iter::once(&id).chain(reached.iter()).any(|step| circles.binary_search(step).is_ok());
        let lacks = || is_set && std::iter::once(&id).chain(reached.iter()).any(|step| self.step_lacks(*step, along));
        Ok((!circles.is_empty() && on_circle()) || lacks())
    }

    /// Follows single references; tells whether there is or may be more than what was reached.
    fn walk_chain(&self, id: u32, along: PropertyId, reached: &mut Vec<u32>) -> bool {
        let Some(column) = self.columns.attribute(along) else { return true };
        let mut at = id;
        for _ in 0..WALK_STEPS_MAX {
            let place = at.wrapping_sub(column.first);
            let next = if place < column.len { column.codes.get(place as usize).unwrap_or(UNKNOWN) } else { UNKNOWN };
            if next == NONE || !is_known(next) || reached.contains(&next) {
                return next == UNKNOWN;
            }
            reached.push(next);
            at = next;
        }
        true
    }

    fn walk_lists(&self, id: u32, along: PropertyId, reached: &mut Vec<u32>) -> Outcome<bool> {
        /// Walks up to this length are searched without a table.
        const SHORT: usize = 24;
        let mut seen = HashSet::default();
        let mut next = Vec::new();
        let mut begin = 0;
        for step in 0..WALK_STEPS_MAX {
            let end = reached.len();
            if step > 0 && begin == end {
                return Ok(false);
            }
            next.clear();
            if step == 0 {
                self.each_target(id, along, &mut |target| next.push(target));
            } else {
                let level = reached.get(begin..end).unwrap_or(&[]);
                for node in level {
                    self.each_target(*node, along, &mut |target| next.push(target));
                }
            }
            for target in &next {
                if reached.len() < SHORT {
                    if !reached.contains(target) {
                        reached.push(*target);
                    }
                    continue;
                }
                if seen.is_empty() {
                    seen.extend(reached.iter().copied());
                }
                if seen.insert(*target) {
                    reached.push(*target);
                }
            }
            self.spend((reached.len() - end) as u64)?;
            begin = end;
        }
        Ok(begin != reached.len())
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
        for place in column.places(id) {
            let Some(member) = column.members.get(place) else { continue };
            let lasts = match &column.times {
                MemberTimes::Always => true,
                MemberTimes::Lifetime => self.facts.lasts(member),
                MemberTimes::Each { to, .. } => to.get(place) == Some(UNBOUNDED),
            };
            if lasts {
                visit(member);
            }
        }
    }
}

//! Facts of two snapshots, side by side.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use super::super::{
    AttributeColumn, CODES_MAX, CodeClass, Codes, Columns, HistoryColumn, ListColumn, MemberTimes, Part, SourceColumn, UNBOUNDED, UNKNOWN,
};
use super::Delta;
use super::keys::{codes, entities, is_same_part};
use super::mapping::Mapping;
use crate::model::{Completeness, EntityTypeId, Property, PropertyId, SourceId, SourceKind, Type};

/// Compares two snapshots in some properties.
pub(super) fn compare(old: &Columns, new: &Columns, properties: &BTreeSet<PropertyId>) -> Delta {
    let mapping = entities(old, new);
    let ids = (!(mapping.keeps(old.n()) && old.n() == new.n())).then_some(&mapping);
    let instants = codes(old, new, CodeClass::Instant, ids);
    let pair = Pair {
        old,
        new,
        mapping: &mapping,
        ids,
        instants: instants.as_ref(),
        sources: Sources::new(old, new),
        classes: RefCell::default(),
    };
    let mut delta = Delta {
        added: mapping.added(new.n()),
        removed: mapping.removed(old.n()),
        captured: (old.meta().captured_to, new.meta().captured_to),
        everything: old.meta().closed_world != new.meta().closed_world || !pair.same_claim(old.unspoken(), new.unspoken()),
        ..Delta::default()
    };
    for root in new.schema().entities.iter().filter(|ty| ty.root == ty.id) {
        pair.lifetimes(root.id, &mut delta.lifetimes);
    }
    delta.lifetimes.sort_unstable();
    for property in properties.iter().filter_map(|id| new.schema().property(*id)) {
        let mut found = Vec::new();
        if !property.is_key {
            pair.attribute(property, &mut found);
            pair.list(property, &mut found);
            pair.history(property, &mut found);
        }
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup();
            delta.changed.insert(property.id, found);
        }
    }
    delta.extents = pair.extents(&delta);
    drop(pair);
    delta.entities = mapping;
    delta
}

/// Which sources are the same, of those that decide anything: somebody vouches for them, until a date.
struct Sources {
    place: Vec<Option<u32>>,
    old: Vec<bool>,
    new: Vec<bool>,
    any: bool,
}

impl Sources {
    fn new(old: &Columns, new: &Columns) -> Self {
        let decide = |columns: &Columns| -> Vec<bool> {
            let vouched = columns.sources().iter().map(|source| source.kind == SourceKind::Register || source.attestation.is_some());
            vouched.collect()
        };
        let known: BTreeMap<_, u32> = new.sources().iter().zip(0..).collect();
        let place = old.sources().iter().map(|source| known.get(source).copied()).collect();
        let (old, new) = (decide(old), decide(new));
        let any = old.iter().chain(&new).any(|decides| *decides);
        Self { place, old, new, any }
    }

    fn is_same(&self, old: Option<u32>, new: Option<u32>) -> bool {
        let decides = |which: &[bool], source: Option<u32>| source.filter(|at| which.get(*at as usize).copied().unwrap_or(false));
        match (decides(&self.old, old), decides(&self.new, new)) {
            (None, None) => true,
            (Some(old), Some(new)) => self.place.get(old as usize).copied().flatten() == Some(new),
            _ => false,
        }
    }

    fn are_same(&self, old: Option<&SourceColumn>, new: Option<&SourceColumn>, (old_at, new_at): (usize, usize)) -> bool {
        let code = |column: Option<&SourceColumn>, at| column.and_then(|column| column.0.get(at));
        !self.any || self.is_same(code(old, old_at), code(new, new_at))
    }
}

struct Pair<'c> {
    old: &'c Columns,
    new: &'c Columns,
    mapping: &'c Mapping,
    /// `None` where all ids stay as they are.
    ids: Option<&'c Mapping>,
    instants: Option<&'c Mapping>,
    sources: Sources,
    classes: RefCell<BTreeMap<CodeClass, Rc<Option<Mapping>>>>,
}

fn is_same_code(mapping: Option<&Mapping>, old: u32, new: u32) -> bool {
    match mapping {
        Some(mapping) if old <= CODES_MAX => mapping.get(old) == Some(new),
        _ => old == new,
    }
}

/// Returns the part of a range that falls into `len` places from `start` on, as places from there.
fn inside(range: &Range<u32>, start: u32, len: u32) -> Range<u32> {
    let place = |at: u32| at.saturating_sub(start).min(len);
    place(range.start)..place(range.end)
}

impl Pair<'_> {
    /// Calls `visit` with the old and the new id of every entity that either range covers, and perhaps of more.
    fn each(&self, old: &Range<u32>, new: &Range<u32>, mut visit: impl FnMut(u32, u32)) {
        for run in self.mapping.runs() {
            let len = run.old.end - run.old.start;
            let (a, b) = (inside(old, run.old.start, len), inside(new, run.new, len));
            let both = match (a.is_empty(), b.is_empty()) {
                (true, true) => continue,
                (true, false) => b,
                (false, true) => a,
                (false, false) => a.start.min(b.start)..a.end.max(b.end),
            };
            both.for_each(|at| visit(run.old.start + at, run.new + at));
        }
    }

    fn codes_of(&self, property: &Property) -> Rc<Option<Mapping>> {
        let Some(class) = self.new.class_of(Type { set: false, ..property.ty }, None) else { return Rc::new(None) };
        let made = || Rc::new(codes(self.old, self.new, class, self.ids));
        Rc::clone(self.classes.borrow_mut().entry(class).or_insert_with(made))
    }

    /// Tells whether parts need not be looked at: the same bytes that mean the same.
    fn is_same(&self, values: Option<&Mapping>, parts: &[Part], sources: Part) -> bool {
        let as_stored = self.ids.is_none() && values.is_none() && self.instants.is_none();
        as_stored
            && parts.iter().all(|part| is_same_part(self.old, self.new, *part))
            && (!self.sources.any || (self.old.sources() == self.new.sources() && is_same_part(self.old, self.new, sources)))
    }

    fn attribute(&self, property: &Property, found: &mut Vec<u32>) {
        let id = property.id;
        let known = self.codes_of(property);
        let values = known.as_ref().as_ref();
        if property.ty.set || self.is_same(values, &[Part::Attribute(id)], Part::AttributeSources(id)) {
            return;
        }
        let (old, new) = (self.old.attribute(id), self.new.attribute(id));
        let sources = |columns| if self.sources.any { Columns::attribute_sources(columns, id) } else { None };
        let (old_sources, new_sources) = (sources(self.old), sources(self.new));
        let range = |column: Option<&AttributeColumn>| column.map_or(0..0, |column| column.first..column.first + column.len);
        let at = |column: Option<&AttributeColumn>, id: u32| match column {
            Some(column) if id.wrapping_sub(column.first) < column.len => {
                let at = (id - column.first) as usize;
                (column.codes.get(at).unwrap_or(UNKNOWN), at)
            }
            _ => (UNKNOWN, usize::MAX),
        };
        self.each(&range(old), &range(new), |x, y| {
            let ((before, old_at), (after, new_at)) = (at(old, x), at(new, y));
            let same = is_same_code(values, before, after);
            if !same || !self.sources.are_same(old_sources, new_sources, (old_at, new_at)) {
                found.push(y);
            }
        });
    }

    fn list(&self, property: &Property, found: &mut Vec<u32>) {
        let id = property.id;
        let known = self.codes_of(property);
        let values = known.as_ref().as_ref();
        let root = property.ty.entity().and_then(|member| self.new.schema().entity(member)).map(|ty| ty.root);
        let mut parts = vec![Part::List(id)];
        parts.extend(root.map(Part::Lifetimes));
        if self.is_same(values, &parts, Part::ListSources(id)) {
            return;
        }
        let (old, new) = (self.old.list(id), self.new.list(id));
        let sources = |columns| if self.sources.any { Columns::list_sources(columns, id) } else { None };
        let (old_sources, new_sources) = (sources(self.old), sources(self.new));
        let range = |column: Option<&ListColumn>| column.map_or(0..0, |column| covered(column.first, &column.offsets));
        self.each(&range(old), &range(new), |x, y| {
            let places = |column: Option<&ListColumn>, id| column.map_or(0..0, |column| column.places(id));
            let (a, b) = (places(old, x), places(new, y));
            let is_same_member = |(p, q): (usize, usize)| {
                let code = |column: Option<&ListColumn>, at| column.and_then(|column| column.members.get(at)).unwrap_or(UNKNOWN);
                let (before, after) = (code(old, p), code(new, q));
                is_same_code(values, before, after)
                    && self.is_same_time(times(self.old, old, root, before, p), times(self.new, new, root, after, q))
                    && self.sources.are_same(old_sources, new_sources, (p, q))
            };
            if !self.is_same_claim(old, x, new, y) || a.len() != b.len() || !a.zip(b).all(is_same_member) {
                found.push(y);
            }
        });
    }

    fn is_same_time(&self, old: (u32, u32), new: (u32, u32)) -> bool {
        is_same_code(self.instants, old.0, new.0) && is_same_code(self.instants, old.1, new.1)
    }

    fn is_same_claim(&self, old: Option<&ListColumn>, x: u32, new: Option<&ListColumn>, y: u32) -> bool {
        let claim = |column: Option<&'_ ListColumn>, id| {
            column.and_then(|column| column.completeness_of(id).map(|(claim, told)| (claim.clone(), told)))
        };
        match (claim(old, x), claim(new, y)) {
            (None, None) => true,
            (before, after) => {
                let unspoken = |columns: &Columns| (columns.unspoken().clone(), false);
                let (before, after) = (before.unwrap_or_else(|| unspoken(self.old)), after.unwrap_or_else(|| unspoken(self.new)));
                before.1 == after.1 && self.same_claim(&before.0, &after.0)
            }
        }
    }

    fn same_claim(&self, old: &Completeness, new: &Completeness) -> bool {
        let code = |source: Option<SourceId>| source.map(|source| source.0);
        old.complete == new.complete && old.covered == new.covered && self.sources.is_same(code(old.source), code(new.source))
    }

    fn history(&self, property: &Property, found: &mut Vec<u32>) {
        let id = property.id;
        let known = self.codes_of(property);
        let values = known.as_ref().as_ref();
        if self.is_same(values, &[Part::History(id)], Part::HistorySources(id)) {
            return;
        }
        let (old, new) = (self.old.history(id), self.new.history(id));
        let sources = |columns| if self.sources.any { Columns::history_sources(columns, id) } else { None };
        let (old_sources, new_sources) = (sources(self.old), sources(self.new));
        let range = |column: Option<&HistoryColumn>| column.map_or(0..0, |column| covered(column.first, &column.offsets));
        let code = |codes: &Codes, at| codes.get(at).unwrap_or(UNKNOWN);
        self.each(&range(old), &range(new), |x, y| {
            let places = |column: Option<&HistoryColumn>, id| column.map_or(0..0, |column| column.places(id));
            let (a, b) = (places(old, x), places(new, y));
            let is_same_entry = |(p, q): (usize, usize)| {
                let (Some(old), Some(new)) = (old, new) else { return false };
                is_same_code(values, code(&old.codes, p), code(&new.codes, q))
                    && self.is_same_time((code(&old.from, p), code(&old.to, p)), (code(&new.from, q), code(&new.to, q)))
                    && self.sources.are_same(old_sources, new_sources, (p, q))
            };
            if a.len() != b.len() || !a.zip(b).all(is_same_entry) {
                found.push(y);
            }
        });
    }

    fn lifetimes(&self, root: EntityTypeId, found: &mut Vec<u32>) {
        if self.ids.is_none() && self.instants.is_none() && is_same_part(self.old, self.new, Part::Lifetimes(root)) {
            return;
        }
        let range = |columns: &Columns| columns.lifetimes(root).map_or(0..0, |column| column.first..column.first + column.len);
        self.each(&range(self.old), &range(self.new), |x, y| {
            if !self.is_same_time(lifetime(self.old, Some(root), x), lifetime(self.new, Some(root), y)) {
                found.push(y);
            }
        });
    }

    /// Types whose list of entities differs: an entity came, went, lives for another time, or is one perhaps; or a claim.
    fn extents(&self, delta: &Delta) -> BTreeSet<EntityTypeId> {
        let schema = self.new.schema();
        let mut own: BTreeSet<EntityTypeId> = BTreeSet::new();
        own.extend(delta.added.iter().chain(&delta.lifetimes).filter_map(|id| self.new.type_of(*id)));
        own.extend(delta.removed.iter().filter_map(|id| self.old.type_of(*id)));
        let claim_differs = |ty| !self.same_claim(self.old.extent_completeness(ty), self.new.extent_completeness(ty));
        let claims: BTreeSet<EntityTypeId> = schema.entities.iter().map(|ty| ty.id).filter(|ty| claim_differs(*ty)).collect();
        let differs = |ty: EntityTypeId| {
            own.iter().any(|other| schema.is_subtype(*other, ty) || schema.is_subtype(ty, *other))
                || claims.iter().any(|other| schema.is_subtype(*other, ty))
        };
        schema.entities.iter().map(|ty| ty.id).filter(|ty| differs(*ty)).collect()
    }
}

fn covered(first: u32, offsets: &[u32]) -> Range<u32> {
    first..first + u32::try_from(offsets.len().saturating_sub(1)).unwrap_or(0)
}

/// Returns from when until when a member is one.
fn times(columns: &Columns, list: Option<&ListColumn>, root: Option<EntityTypeId>, member: u32, at: usize) -> (u32, u32) {
    match list.map(|list| &list.times) {
        None | Some(MemberTimes::Always) => (UNBOUNDED, UNBOUNDED),
        Some(MemberTimes::Lifetime) => lifetime(columns, root, member),
        Some(MemberTimes::Each { from, to }) => (from.get(at).unwrap_or(UNKNOWN), to.get(at).unwrap_or(UNKNOWN)),
    }
}

/// Returns from when until when an entity exists.
fn lifetime(columns: &Columns, root: Option<EntityTypeId>, id: u32) -> (u32, u32) {
    match root.and_then(|root| columns.lifetimes(root)) {
        Some(column) if id.wrapping_sub(column.first) < column.len => {
            let at = (id - column.first) as usize;
            (column.from.get(at).unwrap_or(UNKNOWN), column.to.get(at).unwrap_or(UNKNOWN))
        }
        _ => (UNBOUNDED, UNBOUNDED),
    }
}

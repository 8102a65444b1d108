//! Columns as they hold at the instant of the run: attestations past their review are unknown, what ended is left out.
//!
//! Most columns hold as they lie; they are lent. Where `now` lies before the capture, or a source lapsed, a column is made
//! anew, by the reference evaluator where it is about the past.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::super::evaluator::Evaluator;
use super::vector::{DOUBT, FALSE, Members, Sets, TRUE, truth_of_code};
use crate::model::{EntityId, EntityTypeId, Property, Schema, SourceId, Value};
use crate::snapshot::CellState;
use crate::snapshot::columns::{
    CodeClass, Codes, Columns, LifetimeColumn, LifetimeEnds, ListColumn, MemberTimes, NO_SOURCE, NONE, UNBOUNDED, UNKNOWN,
};

/// A single-valued property as it holds now.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) class: CodeClass,
    pub(super) first: u32,
    pub(super) len: u32,
    pub(super) codes: Cow<'a, Codes>,
    /// Whether nothing that is covered is unknown.
    pub(super) known: bool,
    /// How many values there are, if the column holds as it lies.
    n_known: Option<u32>,
    /// Of a Bool a byte for each entity.
    truths: OnceLock<Vec<u8>>,
}

impl Attribute<'_> {
    /// Tells whether the value of each of these is known, or known to be absent.
    pub(super) fn all_known(&self, ids: &std::ops::Range<u32>) -> bool {
        self.known && (ids.is_empty() || (self.first <= ids.start && ids.end <= self.first + self.len))
    }

    /// Returns how many entities have a value, if that is known without counting.
    pub(super) fn n_known(&self) -> Option<usize> {
        self.n_known.map(|n| n as usize)
    }

    /// Returns a truth for each entity that is covered, if values differ.
    pub(super) fn truths(&self) -> Option<&[u8]> {
        let Codes::Each(codes) = &*self.codes else { return None };
        Some(self.truths.get_or_init(|| codes.iter().map(|code| truth_of_code(*code)).collect()))
    }

    pub(super) fn get(&self, id: u32) -> u32 {
        let at = id.wrapping_sub(self.first);
        if at >= self.len {
            return UNKNOWN;
        }
        self.codes.get(at as usize).unwrap_or(UNKNOWN)
    }
}

/// Which lists lack nothing.
#[derive(Debug)]
pub(super) enum Whole {
    /// All that are covered.
    All,
    /// None that is covered.
    None,
    /// Each by place.
    Each(Vec<bool>),
}

/// A set property as it holds now.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) class: CodeClass,
    pub(super) first: u32,
    pub(super) offsets: Cow<'a, [u32]>,
    pub(super) members: Members<'a>,
    pub(super) levels: Option<Arc<Vec<u8>>>,
    pub(super) whole: Whole,
    /// Whether a list outside of what is covered lacks nothing.
    pub(super) others_whole: bool,
}

impl List<'_> {
    /// Returns where the members of a holder stand.
    pub(super) fn span(&self, id: u32) -> (u32, u32) {
        let at = id.wrapping_sub(self.first) as usize;
        match (self.offsets.get(at), self.offsets.get(at.wrapping_add(1))) {
            (Some(from), Some(to)) => (*from, *to),
            _ => (0, 0),
        }
    }

    /// Calls `visit` with each member of a holder and how sure it is.
    pub(super) fn each(&self, id: u32, visit: &mut dyn FnMut(u32, u8)) {
        let (from, to) = self.span(id);
        for at in from..to {
            let member = match &self.members {
                Members::Consecutive(first) => first + at,
                Members::Stored(codes) => codes.get(at as usize).copied().unwrap_or(UNKNOWN),
                Members::Made(codes) => codes.get(at as usize).copied().unwrap_or(UNKNOWN),
            };
            visit(member, self.levels.as_ref().and_then(|levels| levels.get(at as usize)).copied().unwrap_or(TRUE));
        }
    }

    pub(super) fn is_whole(&self, id: u32) -> bool {
        let at = id.wrapping_sub(self.first) as usize;
        if at + 1 >= self.offsets.len() {
            return self.others_whole;
        }
        match &self.whole {
            Whole::All => true,
            Whole::None => false,
            Whole::Each(whole) => whole.get(at).copied().unwrap_or(false),
        }
    }

    /// Tells whether no list of the property lacks anything.
    pub(super) fn all_whole(&self) -> bool {
        self.others_whole && matches!(self.whole, Whole::All)
    }
}

/// Reads columns for one instant.
pub(super) struct Facts<'a> {
    pub(super) columns: &'a Columns,
    pub(super) schema: &'a Schema,
    pub(super) reference: Evaluator<'a>,
    /// How many of the snapshot's instants are not after now; counted when it is first asked for.
    now_rank: OnceLock<u32>,
    now: Timestamp,
}

impl<'a> Facts<'a> {
    pub(super) fn new(columns: &'a Columns, schema: &'a Schema, reference: Evaluator<'a>, now: Timestamp) -> Self {
        Self { columns, schema, reference, now_rank: OnceLock::new(), now }
    }

    fn now_rank(&self) -> u32 {
        *self.now_rank.get_or_init(|| self.columns.rank(self.now))
    }

    pub(super) fn attribute(&self, property: &Property) -> Attribute<'a> {
        let class = self.columns.class_of(property.ty, Some(property)).unwrap_or(CodeClass::Bool);
        if property.history && self.reference.instant_before_capture().is_some() {
            return self.attribute_then(property, class);
        }
        let Some(column) = self.columns.attribute(property.id) else {
            return Attribute {
                class,
                first: 0,
                len: 0,
                codes: Cow::Owned(Codes::Constant(UNKNOWN)),
                known: false,
                n_known: None,
                truths: OnceLock::new(),
            };
        };
        let mut codes = Cow::Borrowed(&column.codes);
        let mut known = column.n_unknown == 0;
        let mut n_known = column.len.checked_sub(column.n_none.saturating_add(column.n_unknown));
        if self.reference.has_expired()
            && let Some(sources) = self.columns.attribute_sources(property.id)
        {
            let valid = (0..column.len as usize).map(|at| match (column.codes.get(at), sources.0.get(at)) {
                (Some(code), Some(source)) if !self.is_expired(source) => code,
                _ => UNKNOWN,
            });
            codes = Cow::Owned(Codes::Each(valid.collect()));
            (known, n_known) = (false, None);
        }
        Attribute { class, first: column.first, len: column.len, codes, known, n_known, truths: OnceLock::new() }
    }

    /// What an attribute with a history was at a `now` before the capture.
    fn attribute_then(&self, property: &Property, class: CodeClass) -> Attribute<'a> {
        let domain = self.root_domain(property.owner);
        let code = |id: u32| match self.reference.state(EntityId(id), property.id, None) {
            CellState::Known(value) => self.columns.code(class, &value).unwrap_or(UNKNOWN),
            CellState::None => NONE,
            CellState::Unknown(_) => UNKNOWN,
        };
        let codes: Vec<u32> = domain.clone().map(code).collect();
        Attribute {
            class,
            first: domain.start,
            len: domain.end - domain.start,
            codes: Cow::Owned(Codes::Each(codes)),
            known: false,
            n_known: None,
            truths: OnceLock::new(),
        }
    }

    /// Returns the ids of the topmost type a type inherits from: everything its properties may have been stated for.
    pub(super) fn root_domain(&self, ty: EntityTypeId) -> std::ops::Range<u32> {
        self.columns.domain(self.schema.entity(ty).map_or(ty, |entity| entity.root))
    }

    fn is_expired(&self, source: u32) -> bool {
        source != NO_SOURCE && self.reference.is_expired(Some(SourceId(source)))
    }

    pub(super) fn list(&self, property: &Property) -> List<'a> {
        if self.reference.past(property, None).is_some() {
            let class = self.columns.class_of(property.ty, Some(property)).unwrap_or(CodeClass::Entity);
            return self.list_then(property, class);
        }
        self.list_as_read(property)
    }

    /// Returns a set property as it was read, with the members that are members now: what derived lists gather from.
    pub(super) fn list_as_read(&self, property: &Property) -> List<'a> {
        let class = self.columns.class_of(property.ty, Some(property)).unwrap_or(CodeClass::Entity);
        let unspoken = self.columns.unspoken();
        let others_whole = unspoken.complete && !self.reference.is_expired(unspoken.source);
        let Some(column) = self.columns.list(property.id) else {
            let offsets = Cow::Owned(Vec::new());
            return List { class, first: 0, offsets, members: Members::Consecutive(0), levels: None, whole: Whole::All, others_whole };
        };
        let whole = self.whole(column);
        let first = column.first;
        if self.holds_as_it_lies(property, column) {
            let members = match &column.members {
                crate::snapshot::columns::Members::Consecutive(first) => Members::Consecutive(*first),
                crate::snapshot::columns::Members::Each(codes) => Members::Stored(codes),
            };
            return List { class, first, offsets: Cow::Borrowed(&column.offsets), members, levels: None, whole, others_whole };
        }
        let (offsets, members, levels) = self.in_force(property, column);
        List {
            class,
            first,
            offsets: Cow::Owned(offsets),
            members: Members::Made(Arc::new(members)),
            levels: Some(Arc::new(levels)),
            whole,
            others_whole,
        }
    }

    fn whole(&self, column: &ListColumn) -> Whole {
        let kinds: Vec<bool> =
            column.completeness_kinds.iter().map(|kind| kind.complete && !self.reference.is_expired(kind.source)).collect();
        let of = |kind: u32| kinds.get(kind as usize).copied().unwrap_or(false);
        match &column.completeness {
            Codes::Constant(kind) if of(*kind) => Whole::All,
            Codes::Constant(_) => Whole::None,
            Codes::Each(_) if kinds.iter().all(|whole| *whole) => Whole::All,
            Codes::Each(each) => Whole::Each(each.iter().map(|kind| of(*kind)).collect()),
        }
    }

    /// Tells whether every stated member is one now, for sure.
    fn holds_as_it_lies(&self, property: &Property, column: &ListColumn) -> bool {
        if self.reference.has_expired() {
            return false;
        }
        match &column.times {
            MemberTimes::Always => true,
            MemberTimes::Lifetime => {
                self.root_of(property).and_then(|root| self.columns.lifetime_ends(root)).is_none_or(|ends| self.all_alive(ends))
            }
            MemberTimes::Each { .. } => false,
        }
    }

    /// Returns the topmost type of the members of a property.
    fn root_of(&self, property: &Property) -> Option<EntityTypeId> {
        let member = property.ty.entity()?;
        Some(self.schema.entity(member).map_or(member, |ty| ty.root))
    }

    fn all_alive(&self, ends: LifetimeEnds) -> bool {
        ends.from_max.is_none_or(|from| from < self.now_rank()) && ends.to_min.is_none_or(|to| to >= self.now_rank()) && !ends.to_unknown
    }

    /// Decides whether half-open bounds hold now; what was read as current holds whenever it began.
    fn bounds_hold(&self, from: u32, to: u32) -> u8 {
        let begun = from == UNBOUNDED || from == UNKNOWN || from < self.now_rank();
        match to {
            _ if !begun => FALSE,
            UNBOUNDED => TRUE,
            UNKNOWN => DOUBT,
            to if to >= self.now_rank() => TRUE,
            _ => FALSE,
        }
    }

    fn alive(&self, lifetimes: Option<&LifetimeColumn>, id: u32) -> u8 {
        let Some(column) = lifetimes else { return TRUE };
        let at = id.wrapping_sub(column.first);
        if at >= column.len {
            return TRUE;
        }
        match (column.from.get(at as usize), column.to.get(at as usize)) {
            (Some(from), Some(to)) => self.bounds_hold(from, to),
            _ => DOUBT,
        }
    }

    /// Tells whether an entity's end was not stated.
    pub(super) fn lasts(&self, id: u32) -> bool {
        let Some(root) = self.columns.type_of(id).and_then(|ty| self.schema.entity(ty)).map(|ty| ty.root) else { return true };
        if self.columns.lifetime_ends(root).is_none_or(|ends| ends.never()) {
            return true;
        }
        let Some(column) = self.columns.lifetimes(root) else { return true };
        let at = id.wrapping_sub(column.first);
        at >= column.len || column.to.get(at as usize) == Some(UNBOUNDED)
    }

    /// Keeps the members that are members now, with how sure that is.
    fn in_force(&self, property: &Property, column: &ListColumn) -> (Vec<u32>, Vec<u32>, Vec<u8>) {
        let lifetimes = self.root_of(property).and_then(|root| self.columns.lifetimes(root));
        let sources = if self.reference.has_expired() { self.columns.list_sources(property.id) } else { None };
        let (mut offsets, mut members, mut levels) = (vec![0_u32], Vec::new(), Vec::new());
        for pair in column.offsets.windows(2) {
            let &[from, to] = pair else { continue };
            let begin = members.len();
            for at in from..to {
                let member = column.members.get(at as usize).unwrap_or(UNKNOWN);
                let holds = match &column.times {
                    MemberTimes::Always => TRUE,
                    MemberTimes::Lifetime => self.alive(lifetimes, member),
                    MemberTimes::Each { from, to } => match (from.get(at as usize), to.get(at as usize)) {
                        (Some(from), Some(to)) => self.bounds_hold(from, to),
                        _ => DOUBT,
                    },
                };
                let lapsed = sources.and_then(|sources| sources.0.get(at as usize)).is_some_and(|source| self.is_expired(source));
                let level = if lapsed { holds.min(DOUBT) } else { holds };
                if holds == FALSE {
                    continue;
                }
                match (members.len() > begin).then(|| members.last().copied()).flatten() {
                    Some(last) if last == member => {
                        if let Some(known) = levels.last_mut() {
                            *known = level.max(*known);
                        }
                    }
                    _ => {
                        members.push(member);
                        levels.push(level);
                    }
                }
            }
            offsets.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
        }
        (offsets, members, levels)
    }

    /// What a list was at a `now` before the capture.
    fn list_then(&self, property: &Property, class: CodeClass) -> List<'a> {
        let domain = self.root_domain(property.owner);
        let (mut offsets, mut members, mut levels, mut whole) = (vec![0_u32], Vec::new(), Vec::new(), Vec::new());
        for id in domain.clone() {
            let step = self.reference.step(EntityId(id), property, None);
            for member in &step.members {
                members.push(self.code_of(class, &member.value));
                levels.push(if member.sure { TRUE } else { DOUBT });
            }
            whole.push(step.unseen.is_empty());
            offsets.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
        }
        List {
            class,
            first: domain.start,
            offsets: Cow::Owned(offsets),
            members: Members::Made(Arc::new(members)),
            levels: Some(Arc::new(levels)),
            whole: Whole::Each(whole),
            others_whole: false,
        }
    }

    pub(super) fn code_of(&self, class: CodeClass, value: &Value) -> u32 {
        match value {
            Value::Entity(id) => id.0,
            other => self.columns.code(class, other).unwrap_or(UNKNOWN),
        }
    }

    /// Returns all entities of a type that exist now, as the set of one row, without those nobody has seen.
    pub(super) fn extent(&self, ty: EntityTypeId) -> Sets<'a> {
        let domain = self.columns.domain(ty);
        let root = self.schema.entity(ty).map_or(ty, |entity| entity.root);
        let past = self.reference.instant_before_capture().filter(|_| self.reference.is_fleeting(ty));
        let above = self.schema.entities.iter().filter(|above| above.id != ty && self.schema.is_subtype(ty, above.id));
        let possible: Vec<u32> = above.flat_map(|above| self.columns.own(above.id)).collect();
        if past.is_none() && possible.is_empty() && self.columns.lifetime_ends(root).is_none_or(|ends| self.all_alive(ends)) {
            let n = domain.end - domain.start;
            let members = Members::Consecutive(domain.start);
            return Sets { class: CodeClass::Entity, spans: Arc::new(vec![(0, n)]), members, levels: None, distinct: true };
        }
        let lifetimes = self.columns.lifetimes(root);
        let holds = |id: u32| match past {
            Some(at) => match self.reference.snapshot().lifetime(EntityId(id)).contains(at) {
                Some(true) => TRUE,
                Some(false) => FALSE,
                None => DOUBT,
            },
            None => self.alive(lifetimes, id),
        };
        let mut found: Vec<(u32, u8)> = possible.into_iter().map(|id| (id, holds(id).min(DOUBT))).collect();
        found.extend(domain.map(|id| (id, holds(id))));
        found.retain(|(_, level)| *level != FALSE);
        found.sort_unstable();
        let n = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let (members, levels): (Vec<u32>, Vec<u8>) = found.into_iter().unzip();
        Sets {
            class: CodeClass::Entity,
            spans: Arc::new(vec![(0, n)]),
            members: Members::Made(Arc::new(members)),
            levels: Some(Arc::new(levels)),
            distinct: true,
        }
    }
}

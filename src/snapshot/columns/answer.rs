//! Single facts, answered from columns as a snapshot of records answers them.

use std::ops::Range;
use std::sync::Arc;

use super::{Codes, Columns, HistoryColumn, ListColumn, MemberTimes, NO_SOURCE, NONE, Part, Reasons, SourceColumn, UNBOUNDED, UNKNOWN};
use crate::model::{Bound, Completeness, EntityTypeId, Interval, Property, PropertyId, SourceId, Value};
use crate::snapshot::read::Nav;
use crate::snapshot::records::{Cell, CellState, Edge, HistoryEntry};

/// Why something is unknown that was read once.
pub(super) const LOST: &str = "the columns of the snapshot cannot be read";

impl Columns {
    /// Returns the entities that may turn out to be of a type: those recorded with an abstract type above it.
    pub fn possible(&self, ty: EntityTypeId) -> impl Iterator<Item = u32> {
        let above = self.schema.entities.iter().filter(move |above| above.id != ty && self.schema.is_subtype(ty, above.id));
        above.flat_map(|above| self.own(above.id))
    }

    /// Returns for which time an entity exists.
    #[must_use]
    pub fn lifetime(&self, id: u32) -> Interval {
        let Some(root) = self.type_of(id).and_then(|ty| self.schema.entity(ty)).map(|ty| ty.root) else { return Interval::CURRENT };
        if let Some(column) = self.lifetimes(root)
            && let Some(at) = id.checked_sub(column.first).filter(|at| *at < column.len)
        {
            return self.interval(&column.from, &column.to, at as usize);
        }
        let lost = Interval { from: Bound::Unknown, to: Bound::Unknown };
        if self.failed(Part::Lifetimes(root)) { lost } else { Interval::ALWAYS }
    }

    pub(super) fn interval(&self, from: &Codes, to: &Codes, at: usize) -> Interval {
        Interval { from: self.bound(from.get(at)), to: self.bound(to.get(at)) }
    }

    fn bound(&self, code: Option<u32>) -> Bound {
        match code {
            Some(UNBOUNDED) => Bound::Unbounded,
            Some(code) => self.instants().get(code as usize).map_or(Bound::Unknown, Bound::At),
            None => Bound::Unknown,
        }
    }

    /// Returns what is known of a single-valued property.
    #[must_use]
    pub fn cell(&self, id: u32, property: PropertyId) -> Cell {
        let unread = Cell { state: CellState::Unknown(None), source: None };
        let Some(property) = self.schema.property(property) else { return unread };
        if property.is_key {
            return self.key_cell(id, property).unwrap_or(unread);
        }
        if let Some(column) = self.attribute(property.id)
            && let Some(at) = id.checked_sub(column.first).filter(|at| *at < column.len)
        {
            let state = self.state(property, column.codes.get(at as usize), || self.attribute_reasons(property.id), at);
            return Cell { state, source: source_at(self.attribute_sources(property.id), at as usize) };
        }
        if self.failed(Part::Attribute(property.id)) { Cell { state: lost(), source: None } } else { unread }
    }

    pub(super) fn key_cell(&self, id: u32, property: &Property) -> Option<Cell> {
        let class = self.class_of(property.ty, Some(property))?;
        let value = self.value(class, id).filter(|_| self.domain(property.owner).contains(&id))?;
        Some(Cell { state: CellState::Known(value), source: Some(SourceId(self.identity)) })
    }

    pub(super) fn state<'c>(
        &'c self,
        property: &Property,
        code: Option<u32>,
        reasons: impl FnOnce() -> Option<&'c Reasons>,
        at: u32,
    ) -> CellState {
        match code {
            Some(NONE) => CellState::None,
            Some(UNKNOWN) => CellState::Unknown(reasons().and_then(|reasons| reasons.get(at)).cloned()),
            Some(code) => self.property_value(property, code).map_or_else(lost, CellState::Known),
            None => lost(),
        }
    }

    pub(super) fn property_value(&self, property: &Property, code: u32) -> Option<Value> {
        self.value_of(property.ty, self.class_of(property.ty, None)?, code)
    }

    /// Returns the recorded earlier values of a property, sorted by time.
    pub fn entries(&self, id: u32, property: PropertyId) -> impl Iterator<Item = HistoryEntry> {
        let column = self.schema.property(property).and_then(|property| Some((property, self.history(property.id)?)));
        column.into_iter().flat_map(move |(property, column)| {
            column.places(id).filter_map(move |at| Some(self.entry(property, column, u32::try_from(at).ok()?)))
        })
    }

    pub(super) fn entry(&self, property: &Property, column: &HistoryColumn, at: u32) -> HistoryEntry {
        HistoryEntry {
            interval: self.interval(&column.from, &column.to, at as usize),
            state: self.state(property, column.codes.get(at as usize), || self.history_reasons(property.id), at),
            source: source_at(self.history_sources(property.id), at as usize),
        }
    }

    /// Returns a set navigation; a derived one is gathered.
    #[must_use]
    pub fn nav(&self, id: u32, property: PropertyId) -> Nav {
        match self.schema.property(property) {
            Some(property) if property.derived.is_some() && self.domain(property.owner).contains(&id) => self.gathered(id, property),
            Some(property) => self.stated_nav(id, property),
            None => Nav { members: Vec::new(), completeness: self.unspoken.clone() },
        }
    }

    /// Returns a list as it is stored: without what is gathered for it.
    pub(super) fn stated_nav(&self, id: u32, property: &Property) -> Nav {
        let Some(column) = self.list(property.id) else {
            let lost = || Completeness::open(Some(LOST.to_owned()), None);
            let completeness = if self.failed(Part::List(property.id)) { lost() } else { self.unspoken.clone() };
            return Nav { members: Vec::new(), completeness };
        };
        let sources = self.list_sources(property.id);
        let mut members = Vec::new();
        let mut completeness = column.completeness_of(id).map_or_else(|| self.unspoken.clone(), |(claim, _)| claim.clone());
        for at in column.places(id) {
            match self.edge(property, column, sources, at) {
                Some(edge) => members.push(edge),
                None => completeness = Completeness::open(Some(LOST.to_owned()), None),
            }
        }
        Nav { members, completeness }
    }

    pub(super) fn edge(&self, property: &Property, column: &ListColumn, sources: Option<&SourceColumn>, at: usize) -> Option<Edge> {
        let code = column.members.get(at)?;
        let interval = match &column.times {
            MemberTimes::Always => Interval::ALWAYS,
            MemberTimes::Lifetime => self.lifetime(code),
            MemberTimes::Each { from, to } => self.interval(from, to, at),
        };
        Some(Edge { member: self.property_value(property, code)?, interval, source: source_at(sources, at) })
    }

    /// Returns a name for people: the display name if it is known, else the key.
    #[must_use]
    pub fn label(&self, id: u32) -> String {
        let property = self.type_of(id).and_then(|ty| self.schema.property_named(ty, "display_name"));
        match property.map(|property| self.cell(id, property.id).state) {
            Some(CellState::Known(Value::Text(name))) if !name.is_empty() => name.to_string(),
            _ => self.key(id).into_owned(),
        }
    }
}

fn lost() -> CellState {
    CellState::Unknown(Some(Arc::from(LOST)))
}

pub(super) fn source_at(sources: Option<&SourceColumn>, at: usize) -> Option<SourceId> {
    sources?.0.get(at).filter(|source| *source != NO_SOURCE).map(SourceId)
}

impl Reasons {
    /// Returns why the value at a place is unknown, if somebody said so.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<&Arc<str>> {
        let found = self.0.binary_search_by_key(&at, |(place, _)| *place).ok()?;
        self.0.get(found).map(|(_, reason)| reason)
    }
}

/// Returns the places between two neighbouring offsets; none for an id that is not covered.
fn places(first: u32, offsets: &[u32], id: u32) -> Range<usize> {
    let bounds = id.checked_sub(first).and_then(|at| Some((*offsets.get(at as usize)?, *offsets.get(at as usize + 1)?)));
    bounds.map_or(0..0, |(from, to)| from as usize..to as usize)
}

impl ListColumn {
    /// Returns the places of the members of an entity's list.
    #[must_use]
    pub fn places(&self, id: u32) -> Range<usize> {
        places(self.first, &self.offsets, id)
    }

    /// Returns the completeness of an entity's list and whether somebody claimed it; `None` for an id that is not covered.
    #[must_use]
    pub fn completeness_of(&self, id: u32) -> Option<(&Completeness, bool)> {
        let at = id.checked_sub(self.first).filter(|at| (*at as usize + 1) < self.offsets.len())?;
        let kind = self.completeness.get(at as usize)?;
        Some((self.completeness_kinds.get(kind as usize)?, kind < self.n_claimed))
    }
}

impl HistoryColumn {
    /// Returns the places of the entries of an entity.
    #[must_use]
    pub fn places(&self, id: u32) -> Range<usize> {
        places(self.first, &self.offsets, id)
    }
}

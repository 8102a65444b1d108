//! Columns of a snapshot that was frozen from records.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use rayon::prelude::*;

use super::{
    AttributeColumn, CODES_MAX, Codes, Columns, Frame, HistoryColumn, Instants, Keys, LifetimeColumn, LifetimeEnds, ListColumn,
    MemberTimes, Members, NO_SOURCE, NONE, Part, PartData, Reasons, SourceColumn, Texts, UNBOUNDED, UNKNOWN,
};
use crate::model::{Base, Bound, Completeness, EntityTypeId, Interval, Property, PropertyId, Schema, SourceId, Type, Value};
use crate::snapshot::freeze::claim_of;
use crate::snapshot::records::{Cell, CellState, Edge, HistoryEntry, Record, Records};
use crate::snapshot::rows::Rows;

type Built = Vec<(Part, Result<PartData, String>)>;

impl Columns {
    /// Makes the columns of a snapshot that holds records.
    pub(in crate::snapshot) fn of_rows(snapshot: &Rows) -> Self {
        let schema = Arc::clone(&snapshot.schema);
        let records = &snapshot.records;
        let frame = Frame {
            meta: records.meta.clone(),
            sources: records.sources.clone(),
            own: own_ranges(&schema, records),
            extents: snapshot.extents.clone(),
            claims: records.extents.clone(),
            unspoken: snapshot.open_nav.completeness.clone(),
            capture_rank: None,
        };
        let mut columns = Self::new(Arc::clone(&schema), frame, None);
        let codes = Dictionary::of(&schema, records);
        let facts = Facts::of(snapshot);
        let of_properties: Vec<Built> = schema.properties.par_iter().map(|property| facts.property(property, &codes, records)).collect();
        let mut parts: Built = of_properties.into_iter().flatten().collect();
        for ty in &schema.entities {
            parts.extend(keys(records, ty.id, &columns.own(ty.id)));
            if ty.root == ty.id {
                parts.extend(lifetimes(records, ty.id, columns.domain(ty.id), &codes));
            }
        }
        parts.extend(codes.parts());
        for (part, data) in parts {
            match data {
                Ok(data) => columns.insert(part, data),
                Err(trouble) => columns.fail(part, trouble),
            }
        }
        columns
    }
}

fn own_ranges(schema: &Schema, records: &Records) -> Vec<Range<u32>> {
    let mut own = vec![0..0; schema.entities.len()];
    for (id, record) in (0_u32..).zip(&records.entities) {
        if let Some(range) = own.get_mut(record.entity_type.0 as usize) {
            *range = if range.start == range.end { id..id + 1 } else { range.start..id + 1 };
        }
    }
    own
}

fn keys(records: &Records, ty: EntityTypeId, own: &Range<u32>) -> Option<(Part, Result<PartData, String>)> {
    let entities = records.entities.get(own.start as usize..own.end as usize).filter(|entities| !entities.is_empty())?;
    let keys: Vec<&str> = entities.iter().map(|record| &*record.key).collect();
    Some((Part::Keys(ty), Keys::from_sorted(&keys).map(PartData::Keys).ok_or_else(|| too_long("keys"))))
}

fn too_long(what: &str) -> String {
    format!("{what} of one kind take more than 4 GiB")
}

/// All values of a snapshot, sorted by class.
struct Dictionary<'r> {
    instants: Vec<Timestamp>,
    integers: Vec<i64>,
    texts: Vec<Vec<&'r str>>,
    text_codes: Vec<HashMap<&'r str, u32>>,
}

impl<'r> Dictionary<'r> {
    fn of(schema: &Schema, records: &'r Records) -> Self {
        let mut made = Self {
            instants: Vec::new(),
            integers: Vec::new(),
            texts: vec![Vec::new(); schema.aliases.len() + 3],
            text_codes: vec![HashMap::new(); schema.aliases.len() + 3],
        };
        for record in &records.entities {
            made.take_interval(record.lifetime);
            for (property, cell) in &record.cells {
                made.take_state(schema, *property, &cell.state);
            }
            for (property, entry) in &record.history {
                made.take_interval(entry.interval);
                made.take_state(schema, *property, &entry.state);
            }
            for (property, edge) in &record.edges {
                made.take_interval(edge.interval);
                made.take_value(schema, *property, &edge.member);
            }
        }
        made.instants.sort_unstable();
        made.instants.dedup();
        made.integers.sort_unstable();
        made.integers.dedup();
        for (texts, codes) in made.texts.iter_mut().zip(&mut made.text_codes) {
            texts.sort_unstable();
            for (code, text) in (0..).zip(texts.iter()) {
                codes.insert(text, code);
            }
        }
        made
    }

    fn take_interval(&mut self, interval: Interval) {
        for bound in [interval.from, interval.to] {
            // Many facts in a row have the same time.
            if let Bound::At(instant) = bound
                && self.instants.last() != Some(&instant)
            {
                self.instants.push(instant);
            }
        }
    }

    fn take_state(&mut self, schema: &Schema, property: PropertyId, state: &'r CellState) {
        if let CellState::Known(value) = state {
            self.take_value(schema, property, value);
        }
    }

    fn take_value(&mut self, schema: &Schema, property: PropertyId, value: &'r Value) {
        match value {
            Value::Instant(instant) => self.instants.push(*instant),
            Value::Int(number) | Value::Duration(number) => self.integers.push(*number),
            Value::Text(text) => {
                let ty = schema.property(property).filter(|property| !property.is_key).map(|property| property.ty);
                let class = ty.and_then(|ty| Columns::text_class(schema, ty)).map(|class| class as usize);
                let lists = class.and_then(|class| Some((self.texts.get_mut(class)?, self.text_codes.get_mut(class)?)));
                if let Some((texts, seen)) = lists
                    && seen.insert(text, 0).is_none()
                {
                    texts.push(text);
                }
            }
            _ => {}
        }
    }

    fn bound(&self, bound: Bound) -> u32 {
        match bound {
            Bound::Unbounded => UNBOUNDED,
            Bound::At(instant) => super::dictionary::place(self.instants.binary_search(&instant)).unwrap_or(UNKNOWN),
            Bound::Unknown => UNKNOWN,
        }
    }

    /// Returns the code of a value that fits its type.
    fn value(&self, schema: &Schema, ty: Type, value: &Value) -> Option<u32> {
        let place = super::dictionary::place;
        let code = match (ty.base, value) {
            (Base::Bool, Value::Bool(value)) => Some(u32::from(*value)),
            (Base::Enum(id), Value::Enum(of, at)) if id == *of => Some(*at),
            (Base::Instant, Value::Instant(instant)) => place(self.instants.binary_search(instant)),
            (Base::Int, Value::Int(number)) | (Base::Duration, Value::Duration(number)) => place(self.integers.binary_search(number)),
            (Base::String | Base::Guid | Base::ArmId, Value::Text(text)) => {
                let class = Columns::text_class(schema, ty)?;
                self.text_codes.get(class as usize)?.get(&**text).copied()
            }
            (Base::Entity(_), Value::Entity(id)) => Some(id.0),
            _ => None,
        };
        code.filter(|code| *code <= CODES_MAX)
    }

    fn parts(self) -> Built {
        let mut parts: Built = Vec::new();
        for (class, texts) in (0..).zip(self.texts).filter(|(_, texts)| !texts.is_empty()) {
            parts.push((Part::Texts(class), Texts::from_sorted(texts).map(PartData::Texts).ok_or_else(|| too_long("texts"))));
        }
        parts.push((Part::Instants, Ok(PartData::Instants(Instants::from_sorted(&self.instants)))));
        parts.push((Part::Integers, Ok(PartData::Integers(self.integers))));
        parts
    }
}

/// One list of one entity.
struct ListFact<'s> {
    members: &'s [Edge],
    completeness: &'s Completeness,
    claimed: bool,
}

/// The facts of a snapshot by property, each in the order of ids.
struct Facts<'s> {
    cells: Vec<Vec<(u32, &'s Cell)>>,
    history: Vec<Vec<(u32, &'s HistoryEntry)>>,
    lists: Vec<Vec<(u32, ListFact<'s>)>>,
    unspoken: &'s Completeness,
    schema: &'s Schema,
}

impl<'s> Facts<'s> {
    fn of(snapshot: &'s Rows) -> Self {
        let schema = &*snapshot.schema;
        let n = schema.properties.len();
        let mut facts = Self {
            cells: vec![Vec::new(); n],
            history: vec![Vec::new(); n],
            lists: (0..n).map(|_| Vec::new()).collect(),
            unspoken: &snapshot.open_nav.completeness,
            schema,
        };
        for (id, record) in (0_u32..).zip(&snapshot.records.entities) {
            for (property, cell) in &record.cells {
                if let Some(cells) = facts.cells.get_mut(property.0 as usize) {
                    cells.push((id, cell));
                }
            }
            for (property, entry) in &record.history {
                if let Some(entries) = facts.history.get_mut(property.0 as usize) {
                    entries.push((id, entry));
                }
            }
            facts.take_lists(snapshot, id, record);
        }
        facts
    }

    /// Takes the lists as they were frozen; of what is gathered when it is read, only what was stated.
    fn take_lists(&mut self, snapshot: &'s Rows, id: u32, record: &'s Record) {
        let is_list = |property: PropertyId| self.schema.property(property).is_some_and(|property| property.ty.set);
        let claims = record.completeness.iter().filter(|(property, _)| !is_list(*property));
        let of_history = claims.map(|(property, claim)| (*property, ListFact { members: &[], completeness: claim, claimed: true }));
        let frozen = snapshot.navs.get(id as usize).map_or(&[][..], Vec::as_slice);
        let lists = frozen.iter().filter(|(property, _)| is_list(*property)).map(|(property, nav)| {
            let claim = claim_of(record, *property);
            let gathered = self
                .schema
                .property(*property)
                .is_some_and(|property| property.derived.is_some() && self.schema.is_subtype(record.entity_type, property.owner));
            let stated = || snapshot.stated.get(&(*property, crate::model::EntityId(id))).map_or(&[][..], Vec::as_slice);
            let (members, completeness) =
                if gathered { (stated(), claim.unwrap_or(self.unspoken)) } else { (nav.members.as_slice(), &nav.completeness) };
            (*property, ListFact { members, completeness, claimed: claim.is_some() })
        });
        let spoken = |fact: &ListFact| fact.claimed || !fact.members.is_empty() || fact.completeness != self.unspoken;
        let found: Vec<_> = of_history.chain(lists).filter(|(_, fact)| spoken(fact)).collect();
        for (property, fact) in found {
            if let Some(lists) = self.lists.get_mut(property.0 as usize) {
                lists.push((id, fact));
            }
        }
    }

    fn property(&self, property: &Property, codes: &Dictionary, records: &Records) -> Built {
        let at = property.id.0 as usize;
        let mut parts = Built::new();
        if let Some(cells) = self.cells.get(at).filter(|cells| !cells.is_empty() && !property.is_key) {
            parts.extend(self.attribute(property, cells, codes));
        }
        if let Some(entries) = self.history.get(at).filter(|entries| !entries.is_empty()) {
            parts.extend(self.history_of(property, entries, codes));
        }
        if let Some(lists) = self.lists.get(at).filter(|lists| !lists.is_empty()) {
            parts.extend(self.list(property, lists, codes, records));
        }
        parts
    }

    fn attribute(&self, property: &Property, cells: &[(u32, &Cell)], codes: &Dictionary) -> Built {
        let part = Part::Attribute(property.id);
        let (first, len) = covered(cells);
        let mut column = vec![UNKNOWN; len as usize];
        let mut sources = vec![NO_SOURCE; len as usize];
        let mut reasons = Reasons::default();
        for (id, cell) in cells {
            let at = id - first;
            let Some(code) = self.state(property, &cell.state, codes) else { return vec![(part, Err(self.misfit(property, &cell.state)))] };
            if let (Some(slot), Some(source)) = (column.get_mut(at as usize), sources.get_mut(at as usize)) {
                *slot = code;
                *source = source_code(cell.source);
            }
            if let CellState::Unknown(Some(reason)) = &cell.state {
                reasons.0.push((at, Arc::clone(reason)));
            }
        }
        let count = |wanted: u32| u32::try_from(column.iter().filter(|code| **code == wanted).count()).unwrap_or(u32::MAX);
        let (n_none, n_unknown) = (count(NONE), count(UNKNOWN));
        let column = AttributeColumn { first, len, codes: Codes::compact(column), n_none, n_unknown };
        let mut parts = vec![(part, Ok(PartData::Attribute(column)))];
        parts.push((Part::AttributeSources(property.id), Ok(PartData::Sources(SourceColumn(Codes::compact(sources))))));
        if !reasons.0.is_empty() {
            parts.push((Part::AttributeReasons(property.id), Ok(PartData::Reasons(reasons))));
        }
        parts
    }

    fn state(&self, property: &Property, state: &CellState, codes: &Dictionary) -> Option<u32> {
        match state {
            CellState::Known(value) => codes.value(self.schema, property.ty, value),
            CellState::None => Some(NONE),
            CellState::Unknown(_) => Some(UNKNOWN),
        }
    }

    fn misfit(&self, property: &Property, state: &CellState) -> String {
        let value = match state {
            CellState::Known(value) => value.display(self.schema),
            _ => "none".to_owned(),
        };
        let owner = self.schema.entity_name(property.owner);
        format!("`{value}` cannot be stored as {owner}.{}, which is {}", property.name, self.schema.type_name(property.ty))
    }

    fn history_of(&self, property: &Property, entries: &[(u32, &HistoryEntry)], codes: &Dictionary) -> Built {
        let (first, len) = covered(entries);
        let mut values = Vec::with_capacity(entries.len());
        let mut reasons = Reasons::default();
        for (at, (_, entry)) in (0_u32..).zip(entries) {
            let Some(code) = self.state(property, &entry.state, codes) else {
                return vec![(Part::History(property.id), Err(self.misfit(property, &entry.state)))];
            };
            values.push(code);
            if let CellState::Unknown(Some(reason)) = &entry.state {
                reasons.0.push((at, Arc::clone(reason)));
            }
        }
        let bounds = |bound: fn(&Interval) -> Bound| entries.iter().map(|(_, entry)| codes.bound(bound(&entry.interval))).collect();
        let column = HistoryColumn {
            first,
            offsets: offsets(first, len, entries.iter().map(|(id, _)| (*id, 1))),
            from: Codes::compact(bounds(|interval| interval.from)),
            to: Codes::compact(bounds(|interval| interval.to)),
            codes: Codes::compact(values),
        };
        let sources = entries.iter().map(|(_, entry)| source_code(entry.source)).collect();
        let mut parts = vec![(Part::History(property.id), Ok(PartData::History(column)))];
        parts.push((Part::HistorySources(property.id), Ok(PartData::Sources(SourceColumn(Codes::compact(sources))))));
        if !reasons.0.is_empty() {
            parts.push((Part::HistoryReasons(property.id), Ok(PartData::Reasons(reasons))));
        }
        parts
    }

    fn list(&self, property: &Property, lists: &[(u32, ListFact)], codes: &Dictionary, records: &Records) -> Built {
        let part = Part::List(property.id);
        let (first, len) = covered(lists);
        let edges = || lists.iter().flat_map(|(_, fact)| fact.members);
        let n_members = edges().count();
        if u32::try_from(n_members).is_err() {
            return vec![(part, Err(format!("{} has more than 4 294 967 295 members", property.name)))];
        }
        let mut members = Vec::with_capacity(n_members);
        for edge in edges() {
            match codes.value(self.schema, property.ty, &edge.member) {
                Some(code) => members.push(code),
                None => return vec![(part, Err(self.misfit(property, &CellState::Known(edge.member.clone()))))],
            }
        }
        let (completeness, completeness_kinds, n_claimed) = self.completeness(first, len, lists);
        let column = ListColumn {
            first,
            offsets: offsets(first, len, lists.iter().map(|(id, fact)| (*id, fact.members.len()))),
            members: Members::compact(members, property.ty.entity().is_some()),
            times: times(edges, codes, records),
            completeness,
            completeness_kinds,
            n_claimed,
        };
        let sources: Vec<u32> = edges().map(|edge| source_code(edge.source)).collect();
        let mut parts = vec![(part, Ok(PartData::List(column)))];
        if n_members > 0 {
            parts.push((Part::ListSources(property.id), Ok(PartData::Sources(SourceColumn(Codes::compact(sources))))));
        }
        parts
    }

    fn completeness(&self, first: u32, len: u32, lists: &[(u32, ListFact)]) -> (Codes, Vec<Completeness>, u32) {
        let silent = (true, self.unspoken);
        let mut kinds: Vec<(bool, &Completeness)> = Vec::new();
        let mut last = None;
        for (_, fact) in lists {
            let kind = (!fact.claimed, fact.completeness);
            if last != Some(kind) {
                kinds.push(kind);
                last = Some(kind);
            }
        }
        if lists.len() < len as usize {
            kinds.push(silent);
        }
        kinds.sort_unstable();
        kinds.dedup();
        let place = |kind: (bool, &Completeness)| super::dictionary::place(kinds.binary_search(&kind)).unwrap_or(UNKNOWN);
        let mut codes = vec![place(silent); len as usize];
        for (id, fact) in lists {
            if let Some(slot) = codes.get_mut((id - first) as usize) {
                *slot = place((!fact.claimed, fact.completeness));
            }
        }
        let n_claimed = u32::try_from(kinds.partition_point(|(silent, _)| !silent)).unwrap_or(u32::MAX);
        (Codes::compact(codes), kinds.into_iter().map(|(_, kind)| kind.clone()).collect(), n_claimed)
    }
}

fn times<'e, E: Iterator<Item = &'e Edge>>(edges: impl Fn() -> E, codes: &Dictionary, records: &Records) -> MemberTimes {
    if edges().all(|edge| edge.interval == Interval::ALWAYS) {
        return MemberTimes::Always;
    }
    let lifetime = |edge: &Edge| records.entities.get(edge.member.entity()?.0 as usize).map(|record| record.lifetime);
    if edges().all(|edge| lifetime(edge) == Some(edge.interval)) {
        return MemberTimes::Lifetime;
    }
    let bounds = |bound: fn(&Interval) -> Bound| Codes::compact(edges().map(|edge| codes.bound(bound(&edge.interval))).collect());
    MemberTimes::Each { from: bounds(|interval| interval.from), to: bounds(|interval| interval.to) }
}

fn lifetimes(records: &Records, root: EntityTypeId, domain: Range<u32>, codes: &Dictionary) -> Option<(Part, Result<PartData, String>)> {
    let entities = records.entities.get(domain.start as usize..domain.end as usize)?;
    let lives: Vec<(u32, Interval)> = domain.zip(entities).map(|(id, record)| (id, record.lifetime)).collect();
    let told = |(_, lifetime): &(u32, Interval)| *lifetime != Interval::ALWAYS;
    let lives = lives.get(lives.iter().position(told)?..=lives.iter().rposition(told)?)?;
    let (first, len) = covered(lives);
    let from: Vec<u32> = lives.iter().map(|(_, lifetime)| codes.bound(lifetime.from)).collect();
    let to: Vec<u32> = lives.iter().map(|(_, lifetime)| codes.bound(lifetime.to)).collect();
    let column = LifetimeColumn { first, len, from: Codes::compact(from), to: Codes::compact(to) };
    Some((Part::Lifetimes(root), Ok(PartData::Lifetimes(column))))
}

impl LifetimeColumn {
    /// Sums up what its bounds are.
    #[must_use]
    pub fn ends(&self) -> LifetimeEnds {
        let Self { from, to, .. } = self;
        let is_instant = |code: &u32| *code != UNBOUNDED && *code != UNKNOWN;
        let (from_max, from_unknown) = (from.iter().filter(is_instant).max(), from.iter().any(|code| code == UNKNOWN));
        let (to_min, to_unknown) = (to.iter().filter(is_instant).min(), to.iter().any(|code| code == UNKNOWN));
        LifetimeEnds { from_max, to_min, from_unknown, to_unknown }
    }
}

impl LifetimeEnds {
    /// Tells whether no end is stated or unknown.
    #[must_use]
    pub fn never(&self) -> bool {
        self.to_min.is_none() && !self.to_unknown
    }
}

impl Codes {
    /// Makes the most compact form.
    #[must_use]
    pub fn compact(codes: Vec<u32>) -> Self {
        match codes.split_first() {
            Some((first, rest)) if rest.iter().all(|code| code == first) => Self::Constant(*first),
            _ => Self::Each(codes),
        }
    }

    /// Iterates over the codes that are stored: one if they are all the same.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let (one, each) = match self {
            Self::Constant(code) => (Some(*code), &[][..]),
            Self::Each(codes) => (None, codes.as_slice()),
        };
        one.into_iter().chain(each.iter().copied())
    }
}

impl Members {
    /// Makes the most compact form.
    #[must_use]
    pub fn compact(codes: Vec<u32>, entities: bool) -> Self {
        match codes.first().copied() {
            Some(first) if entities && (first..).zip(&codes).all(|(expected, code)| expected == *code) => Self::Consecutive(first),
            _ => Self::Each(codes),
        }
    }

    /// Returns a member.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Consecutive(first) => first.checked_add(u32::try_from(at).ok()?),
            Self::Each(codes) => codes.get(at).copied(),
        }
    }
}

/// Returns the range of ids that sorted facts are about: the first, and how many.
fn covered<T>(facts: &[(u32, T)]) -> (u32, u32) {
    let first = facts.first().map_or(0, |(id, _)| *id);
    (first, facts.last().map_or(0, |(id, _)| id - first + 1))
}

/// Returns where what belongs to each id begins, given how many there are for sorted ids.
fn offsets(first: u32, len: u32, counts: impl Iterator<Item = (u32, usize)>) -> Vec<u32> {
    let mut offsets = Vec::with_capacity(len as usize + 1);
    let mut end = 0_usize;
    for (id, count) in counts {
        let end_of_earlier = u32::try_from(end).unwrap_or(u32::MAX);
        offsets.resize((id - first) as usize + 1, end_of_earlier);
        end += count;
    }
    offsets.resize(len as usize + 1, u32::try_from(end).unwrap_or(u32::MAX));
    offsets
}

fn source_code(source: Option<SourceId>) -> u32 {
    source.map_or(NO_SOURCE, |source| source.0)
}

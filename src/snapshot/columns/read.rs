//! What is asked of columns: parts, loaded when they are first asked for.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use rayon::prelude::*;

use super::{
    AttributeColumn, Columns, HistoryColumn, Instants, Keys, LifetimeColumn, LifetimeEnds, ListColumn, Part, PartData, PartStore, Reasons,
    Slot, SourceColumn, Texts,
};
use crate::model::{Completeness, EntityTypeId, FactSource, PropertyId, Schema, SourceKind};
use crate::snapshot::records::{Extent, SnapshotMeta};

/// How many parts belong to each property.
const OF_PROPERTY: usize = 8;
/// What is read by one thread: to wake others takes longer.
const PARALLEL_BYTES_MIN: u64 = 1 << 20;
/// How many parts belong to each entity type.
const OF_TYPE: usize = 3;

/// What everything in a snapshot shares, and is always in memory.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What the snapshot says of itself.
    pub meta: SnapshotMeta,
    /// All sources.
    pub sources: Vec<FactSource>,
    /// By entity type: the ids of the type itself, without subtypes; empty where there are none.
    pub own: Vec<Range<u32>>,
    /// By entity type: whether all are known, with what follows from other claims.
    pub extents: Vec<Completeness>,
    /// What was claimed of whole types, sorted.
    pub claims: Vec<Extent>,
    /// The completeness of a list nobody spoke of.
    pub unspoken: Completeness,
    /// How many instants are not after the end of the capture, if that was counted: most runs ask for no other place.
    pub capture_rank: Option<u32>,
}

impl Columns {
    /// Makes columns whose parts come from `store`, or are put in by [`Columns::insert`].
    #[must_use]
    pub fn new(schema: Arc<Schema>, frame: Frame, store: Option<Arc<dyn PartStore>>) -> Self {
        let Frame { meta, mut sources, mut own, extents, claims, unspoken, capture_rank } = frame;
        own.resize(schema.entities.len(), 0..0);
        let ids = (0..).map(EntityTypeId);
        let mut types: Vec<(u32, EntityTypeId)> =
            own.iter().zip(ids).filter(|(range, _)| !range.is_empty()).map(|(range, ty)| (range.start, ty)).collect();
        types.sort_unstable();
        let domains: Vec<Range<u32>> = schema.entities.iter().map(|ty| domain(&schema, &own, ty.id)).collect();
        let identity = sources.iter().position(|source| source.kind == SourceKind::Derived && source.name == "identity");
        let identity = identity.unwrap_or_else(|| {
            sources.push(FactSource::new(SourceKind::Derived, "identity"));
            sources.len() - 1
        });
        let n_classes = schema.aliases.len() + 3;
        let n_parts = schema.properties.len() * OF_PROPERTY + schema.entities.len() * OF_TYPE + n_classes + 2;
        let columns = Self {
            n: own.iter().map(|range| range.end).max().unwrap_or(0),
            identity: u32::try_from(identity).unwrap_or(u32::MAX),
            circles: schema.properties.iter().map(|_| OnceLock::new()).collect(),
            statistics: schema.properties.iter().map(|_| OnceLock::new()).collect(),
            schema,
            meta,
            sources,
            own,
            domains,
            types,
            extents,
            claims,
            unspoken,
            capture_rank,
            parts: (0..n_parts).map(|_| OnceLock::new()).collect(),
            store,
            replaced: false,
            trouble: OnceLock::new(),
        };
        columns.check_ranges();
        columns
    }

    /// Ids have to be numbered without a hole, subtypes next to each other.
    fn check_ranges(&self) {
        let mut end = 0;
        for (start, ty) in &self.types {
            if *start != end {
                self.note(format!("the ids of {} begin at {start} and not at {end}", self.schema.entity_name(*ty)));
            }
            end = self.own(*ty).end;
        }
        for ty in &self.schema.entities {
            let below: usize = self.schema.subtypes(ty.id).map(|sub| self.own(sub.id).len()).sum();
            if below != self.domain(ty.id).len() {
                self.note(format!("the ids of {} and its subtypes are not one range", ty.name));
            }
        }
    }

    /// Returns what is not in parts, to store it.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame {
            meta: self.meta.clone(),
            sources: self.sources.clone(),
            own: self.own.clone(),
            extents: self.extents.clone(),
            claims: self.claims.clone(),
            unspoken: self.unspoken.clone(),
            capture_rank: self.capture_rank,
        }
    }

    /// Puts a part in, in place of what was there; with lifetimes goes what they come to.
    pub fn insert(&mut self, part: Part, data: PartData) {
        if let (Part::Lifetimes(root), PartData::Lifetimes(column)) = (part, &data) {
            self.insert(Part::LifetimeEnds(root), PartData::LifetimeEnds(column.ends()));
        }
        let slot = self.slot(part).and_then(|at| self.parts.get_mut(at));
        self.replaced = true;
        match slot {
            Some(slot) if part.fits(&data) => *slot = OnceLock::from(Slot::Loaded(Arc::new(data))),
            _ => self.note(format!("{part:?} cannot hold this")),
        }
    }

    /// Iterates over the parts that are in memory, in the order of [`Part`]s by property, type and text class.
    pub fn parts_present(&self) -> impl Iterator<Item = (Part, Arc<PartData>)> {
        self.all_parts().filter_map(|part| match self.parts.get(self.slot(part)?)?.get()? {
            Slot::Loaded(data) => Some((part, Arc::clone(data))),
            Slot::Absent | Slot::Failed => None,
        })
    }

    /// Iterates over every part there can be.
    pub fn all_parts(&self) -> impl Iterator<Item = Part> + use<> {
        let count = |n: usize| 0..u32::try_from(n).unwrap_or(u32::MAX);
        let of_property = |id| {
            [
                Part::Attribute(id),
                Part::AttributeSources(id),
                Part::AttributeReasons(id),
                Part::List(id),
                Part::ListSources(id),
                Part::History(id),
                Part::HistorySources(id),
                Part::HistoryReasons(id),
            ]
        };
        let properties = count(self.schema.properties.len()).map(PropertyId).flat_map(of_property);
        let types = count(self.schema.entities.len())
            .map(EntityTypeId)
            .flat_map(|ty| [Part::Lifetimes(ty), Part::Keys(ty), Part::LifetimeEnds(ty)]);
        let texts = count(self.schema.aliases.len() + 3).map(Part::Texts);
        properties.chain(types).chain(texts).chain([Part::Instants, Part::Integers])
    }

    /// Returns the place of a part among all parts.
    fn slot(&self, part: Part) -> Option<usize> {
        let property = |id: PropertyId, kind: usize| {
            let at = id.0 as usize;
            (at < self.schema.properties.len()).then_some(at * OF_PROPERTY + kind)
        };
        let types = self.schema.properties.len() * OF_PROPERTY;
        let of_type = |id: EntityTypeId, kind: usize| {
            let at = id.0 as usize;
            (at < self.schema.entities.len()).then_some(types + at * OF_TYPE + kind)
        };
        let texts = types + self.schema.entities.len() * OF_TYPE;
        let n_classes = self.schema.aliases.len() + 3;
        match part {
            Part::Attribute(id) => property(id, 0),
            Part::AttributeSources(id) => property(id, 1),
            Part::AttributeReasons(id) => property(id, 2),
            Part::List(id) => property(id, 3),
            Part::ListSources(id) => property(id, 4),
            Part::History(id) => property(id, 5),
            Part::HistorySources(id) => property(id, 6),
            Part::HistoryReasons(id) => property(id, 7),
            Part::Lifetimes(id) => of_type(id, 0),
            Part::Keys(id) => of_type(id, 1),
            Part::LifetimeEnds(id) => of_type(id, 2),
            Part::Texts(class) => ((class as usize) < n_classes).then_some(texts + class as usize),
            Part::Instants => Some(texts + n_classes),
            Part::Integers => Some(texts + n_classes + 1),
        }
    }

    /// Returns a part, loaded if it was not; `None` if nothing was stated or it cannot be read, see [`Columns::trouble`].
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&PartData> {
        match self.parts.get(self.slot(part)?)?.get_or_init(|| self.load(part)) {
            Slot::Loaded(data) => Some(data),
            Slot::Absent | Slot::Failed => None,
        }
    }

    /// Returns the digest of a part as it is stored, empty if nothing is stored for it; `None` where nothing has a digest.
    #[must_use]
    pub fn digest(&self, part: Part) -> Option<&str> {
        self.store.as_ref().filter(|_| !self.replaced)?.digest(part)
    }

    /// Tells whether a part was asked for and could not be read.
    #[must_use]
    pub fn failed(&self, part: Part) -> bool {
        let slot = self.slot(part).and_then(|at| self.parts.get(at)?.get());
        matches!(slot, Some(Slot::Failed))
    }

    fn load(&self, part: Part) -> Slot {
        match self.store.as_ref().map_or(Ok(None), |store| store.load(part)) {
            Ok(None) => Slot::Absent,
            Ok(Some(data)) if part.fits(&data) => Slot::Loaded(Arc::new(data)),
            Ok(Some(_)) => {
                self.note(format!("{part:?} holds something else"));
                Slot::Failed
            }
            Err(error) => {
                self.note(error);
                Slot::Failed
            }
        }
    }

    /// Keeps the first trouble.
    pub(super) fn note(&self, trouble: String) {
        let _ = self.trouble.set(trouble);
    }

    /// Columns of which nothing can be read, for a reason.
    pub(in crate::snapshot) fn unreadable(schema: Arc<Schema>, reason: &str) -> Self {
        let open = Completeness::open(Some(reason.to_owned()), None);
        let frame = Frame {
            meta: SnapshotMeta::default(),
            sources: Vec::new(),
            own: Vec::new(),
            extents: vec![open.clone(); schema.entities.len()],
            claims: Vec::new(),
            unspoken: open,
            capture_rank: None,
        };
        let columns = Self::new(schema, frame, None);
        columns.note(reason.to_owned());
        columns
    }

    /// Marks a part as one that nothing can be said of, and why.
    pub(super) fn fail(&mut self, part: Part, trouble: String) {
        if let Some(slot) = self.slot(part).and_then(|at| self.parts.get_mut(at)) {
            *slot = OnceLock::from(Slot::Failed);
        }
        self.note(trouble);
    }

    /// Loads the parts that are not in memory yet, several at a time, the largest first.
    ///
    /// A part that somebody else asks for meanwhile may be read twice; nobody waits for another one's part here, so threads
    /// that are lent to other work in between cannot wait for each other.
    pub fn load_all(&self, parts: &[Part]) {
        let Some(store) = &self.store else { return };
        let mut wanted: Vec<(u64, Part, &OnceLock<Slot>)> = Vec::new();
        for part in parts {
            if let Some(slot) = self.slot(*part).and_then(|at| self.parts.get(at)).filter(|slot| slot.get().is_none()) {
                wanted.push((store.bytes(*part), *part, slot));
            }
        }
        wanted.sort_unstable_by(|(bytes, part, _), (other, next, _)| other.cmp(bytes).then(part.cmp(next)));
        wanted.dedup_by_key(|(_, part, _)| *part);
        let load = |(_, part, slot): (u64, Part, &OnceLock<Slot>)| {
            // Somebody else was faster: what they loaded stays.
            let _ = slot.set(self.load(part));
        };
        if wanted.iter().map(|(bytes, ..)| bytes).sum::<u64>() < PARALLEL_BYTES_MIN {
            wanted.into_iter().for_each(load);
        } else {
            wanted.into_iter().par_bridge().for_each(load);
        }
    }

    /// Returns the first thing that went wrong: a part that could not be read, ids out of order. Whoever decided something
    /// from these columns has to look here afterwards, and must not report the decision if there is any trouble.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// Returns how many entities there are; ids run from 0.
    #[must_use]
    pub fn n(&self) -> u32 {
        self.n
    }

    /// Returns the schema.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns what the snapshot says of itself.
    #[must_use]
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// Returns all sources; codes of [`SourceColumn`]s are places here.
    #[must_use]
    pub fn sources(&self) -> &[FactSource] {
        &self.sources
    }

    /// Returns the source of keys read as attributes: a place in [`Columns::sources`].
    #[must_use]
    pub fn identity_source(&self) -> u32 {
        self.identity
    }

    /// Returns the ids of a type and its subtypes; placeholders of the type itself come first.
    #[must_use]
    pub fn domain(&self, ty: EntityTypeId) -> Range<u32> {
        self.domains.get(ty.0 as usize).cloned().unwrap_or_default()
    }

    /// Returns the ids of a type itself, without subtypes.
    #[must_use]
    pub fn own(&self, ty: EntityTypeId) -> Range<u32> {
        self.own.get(ty.0 as usize).cloned().unwrap_or_default()
    }

    /// Returns the type of an entity; an abstract one means that the concrete type is not known.
    #[must_use]
    pub fn type_of(&self, id: u32) -> Option<EntityTypeId> {
        let after = self.types.partition_point(|(start, _)| *start <= id);
        let (_, ty) = self.types.get(after.checked_sub(1)?)?;
        self.own(*ty).contains(&id).then_some(*ty)
    }

    /// Tells whether the list of all entities of a type is whole.
    #[must_use]
    pub fn extent_completeness(&self, ty: EntityTypeId) -> &Completeness {
        self.extents.get(ty.0 as usize).unwrap_or(&self.unspoken)
    }

    /// Returns what was claimed of whole types, without what follows from it.
    #[must_use]
    pub fn extent_claims(&self) -> &[Extent] {
        &self.claims
    }

    /// Returns the completeness of a list that nobody spoke of.
    #[must_use]
    pub fn unspoken(&self) -> &Completeness {
        &self.unspoken
    }

    /// Returns what is known of a single-valued property; `None` for a key, whose codes are the ids.
    #[must_use]
    pub fn attribute(&self, property: PropertyId) -> Option<&AttributeColumn> {
        match self.part(Part::Attribute(property))? {
            PartData::Attribute(column) => Some(column),
            _ => None,
        }
    }

    /// Returns who states an attribute, parallel to its codes.
    #[must_use]
    pub fn attribute_sources(&self, property: PropertyId) -> Option<&SourceColumn> {
        self.source_column(Part::AttributeSources(property))
    }

    /// Returns why values of an attribute are unknown.
    #[must_use]
    pub fn attribute_reasons(&self, property: PropertyId) -> Option<&Reasons> {
        self.reasons(Part::AttributeReasons(property))
    }

    /// Returns the lists of a set property; of a derived one only what was stated of it. For a single-valued property it
    /// holds what was claimed of its history, and no members.
    #[must_use]
    pub fn list(&self, property: PropertyId) -> Option<&ListColumn> {
        match self.part(Part::List(property))? {
            PartData::List(column) => Some(column),
            _ => None,
        }
    }

    /// Returns who states the members of a set property, parallel to them.
    #[must_use]
    pub fn list_sources(&self, property: PropertyId) -> Option<&SourceColumn> {
        self.source_column(Part::ListSources(property))
    }

    /// Returns the earlier values of a property.
    #[must_use]
    pub fn history(&self, property: PropertyId) -> Option<&HistoryColumn> {
        match self.part(Part::History(property))? {
            PartData::History(column) => Some(column),
            _ => None,
        }
    }

    /// Returns who states earlier values, parallel to them.
    #[must_use]
    pub fn history_sources(&self, property: PropertyId) -> Option<&SourceColumn> {
        self.source_column(Part::HistorySources(property))
    }

    /// Returns why earlier values are unknown.
    #[must_use]
    pub fn history_reasons(&self, property: PropertyId) -> Option<&Reasons> {
        self.reasons(Part::HistoryReasons(property))
    }

    /// Returns when the entities of a root type and its subtypes exist; `None` if all exist at all times.
    #[must_use]
    pub fn lifetimes(&self, root: EntityTypeId) -> Option<&LifetimeColumn> {
        match self.part(Part::Lifetimes(root))? {
            PartData::Lifetimes(column) => Some(column),
            _ => None,
        }
    }

    /// Returns what the lifetimes of a root type come to; `None` if all exist at all times.
    #[must_use]
    pub fn lifetime_ends(&self, root: EntityTypeId) -> Option<LifetimeEnds> {
        match self.part(Part::LifetimeEnds(root))? {
            PartData::LifetimeEnds(ends) => Some(*ends),
            _ => None,
        }
    }

    /// Returns how many instants are not after `at`.
    #[must_use]
    pub fn rank(&self, at: Timestamp) -> u32 {
        let counted = self.capture_rank.filter(|_| self.meta.captured_to == Some(at));
        counted.unwrap_or_else(|| self.instants().partition_point(|instant| instant <= at))
    }

    /// Returns the keys of the entities of a type itself, in the order of their ids.
    #[must_use]
    pub fn keys(&self, ty: EntityTypeId) -> Option<&Keys> {
        match self.part(Part::Keys(ty))? {
            PartData::Keys(keys) => Some(keys),
            _ => None,
        }
    }

    /// Returns the texts of a class; none if there are none.
    #[must_use]
    pub fn texts(&self, class: u32) -> &Texts {
        static NO_TEXTS: Texts = Texts { offsets: Vec::new(), bytes: Vec::new() };
        match self.part(Part::Texts(class)) {
            Some(PartData::Texts(texts)) => texts,
            _ => &NO_TEXTS,
        }
    }

    /// Returns all instants, sorted.
    #[must_use]
    pub fn instants(&self) -> &Instants {
        match self.part(Part::Instants) {
            Some(PartData::Instants(instants)) => instants,
            _ => Instants::NONE,
        }
    }

    /// Returns all whole numbers and durations in seconds, sorted.
    #[must_use]
    pub fn integers(&self) -> &[i64] {
        match self.part(Part::Integers) {
            Some(PartData::Integers(integers)) => integers,
            _ => &[],
        }
    }

    fn source_column(&self, part: Part) -> Option<&SourceColumn> {
        match self.part(part)? {
            PartData::Sources(column) => Some(column),
            _ => None,
        }
    }

    fn reasons(&self, part: Part) -> Option<&Reasons> {
        match self.part(part)? {
            PartData::Reasons(reasons) => Some(reasons),
            _ => None,
        }
    }
}

/// Returns the smallest range that holds the ids of a type and its subtypes.
fn domain(schema: &Schema, own: &[Range<u32>], ty: EntityTypeId) -> Range<u32> {
    let ranges = schema.subtypes(ty).filter_map(|sub| own.get(sub.id.0 as usize)).filter(|range| !range.is_empty());
    ranges.cloned().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

impl Part {
    /// Tells whether data are of the kind that this part holds.
    #[must_use]
    pub fn fits(self, data: &PartData) -> bool {
        match self {
            Self::Attribute(_) => matches!(data, PartData::Attribute(_)),
            Self::AttributeSources(_) | Self::ListSources(_) | Self::HistorySources(_) => matches!(data, PartData::Sources(_)),
            Self::AttributeReasons(_) | Self::HistoryReasons(_) => matches!(data, PartData::Reasons(_)),
            Self::List(_) => matches!(data, PartData::List(_)),
            Self::History(_) => matches!(data, PartData::History(_)),
            Self::Lifetimes(_) => matches!(data, PartData::Lifetimes(_)),
            Self::LifetimeEnds(_) => matches!(data, PartData::LifetimeEnds(_)),
            Self::Keys(_) => matches!(data, PartData::Keys(_)),
            Self::Texts(_) => matches!(data, PartData::Texts(_)),
            Self::Instants => matches!(data, PartData::Instants(_)),
            Self::Integers => matches!(data, PartData::Integers(_)),
        }
    }
}

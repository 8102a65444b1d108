//! The snapshot as arrays over dense ids: what the engine reads, and what the derived index on disk holds.
//!
//! Entities are numbered so that every type with its subtypes is one range of ids (`Columns::domain`). A single-valued
//! property is one array of codes, a set property an offset array; both cover the smallest range of ids that anything was
//! stated for, and whatever lies outside is unread. A part is loaded when it is first asked for.
//!
//! Invariants: equal codes of one [`CodeClass`] mean equal values, and smaller codes smaller values; text is needed to look
//! a constant up and to write output, never to compare two facts of one class.
//!
//! - `build`: columns of a snapshot that was frozen from records
//! - `read`: parts, loaded when they are first asked for
//! - `dictionary`: codes to values and back
//! - `instants`: all instants, sorted
//! - `answer`: what the reference evaluator asks, answered from columns
//! - `gather`: derived navigations
//! - `delta`: what differs between two snapshots
//! - `rebuild`: records of columns
//! - `statistics`: how many there are of what

mod answer;
mod build;
pub mod delta;
mod dictionary;
mod gather;
mod instants;
mod read;
mod rebuild;
mod statistics;
#[cfg(test)]
mod tests;

pub(super) use gather::gathered_completeness;

pub use dictionary::{format_guid, parse_guid};
pub use instants::{Instants, Seconds};
pub use read::Frame;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::model::{Base, Completeness, EntityTypeId, EnumId, FactSource, PropertyCounts, PropertyId, Schema};

use super::records::{Extent, SnapshotMeta};

/// The code of what is known to be absent.
pub const NONE: u32 = u32::MAX;
/// The code of what is not known.
pub const UNKNOWN: u32 = u32::MAX - 1;
/// Every value and every entity has a smaller code; larger ones are free for an engine's own use.
pub const CODES_MAX: u32 = 0xBFFF_FFFF;
/// The end of an interval that has none.
pub const UNBOUNDED: u32 = u32::MAX;
/// The source of a fact that names none.
pub const NO_SOURCE: u32 = u32::MAX;

/// The kinds of code. Codes of one class can be compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeClass {
    /// 0 for false, 1 for true.
    Bool,
    /// The place of the value in its enumeration.
    Enum(EnumId),
    /// Places in the sorted list of all instants of the snapshot.
    Instant,
    /// Places in the sorted list of all whole numbers and durations (in seconds) of the snapshot.
    Integer,
    /// Places in the sorted list of all texts of one kind: each named type, and `String`, `Guid` and `ArmId` without a name,
    /// has its own list, by place in [`Columns::text_class`]'s numbering.
    Text(u32),
    /// Entity ids.
    Entity,
    /// The key of an entity of a type (or its subtypes) as a value: its entity id. Not stored; follows from the id.
    Key(EntityTypeId),
}

/// One code for each place of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codes {
    /// The same code everywhere.
    Constant(u32),
    /// A code for each place.
    Each(Vec<u32>),
}

impl Codes {
    /// Returns the code of a place; `None` beyond the end of what is stored.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Constant(code) => Some(*code),
            Self::Each(codes) => codes.get(at).copied(),
        }
    }
}

/// A single-valued property over the ids `first .. first + len`; elsewhere it is unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeColumn {
    /// The first id covered.
    pub first: u32,
    /// How many ids are covered.
    pub len: u32,
    /// The codes: values, [`NONE`] or [`UNKNOWN`].
    pub codes: Codes,
    /// How many of them are [`NONE`].
    pub n_none: u32,
    /// How many of them are [`UNKNOWN`].
    pub n_unknown: u32,
}

/// Who states the facts of a column: places in the list of sources, or [`NO_SOURCE`]; parallel to what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumn(pub Codes);

/// Why single values are unknown: (place in the column, reason), sorted by place; a place that is not listed was not read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasons(pub Vec<(u32, Arc<str>)>);

/// The members of all lists of one property, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// Consecutive ids from this one on.
    Consecutive(u32),
    /// A code for each.
    Each(Vec<u32>),
}

/// When the members of lists are members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberTimes {
    /// At all times.
    Always,
    /// As long as the member itself exists: lists that follow from a reference its entities hold.
    Lifetime,
    /// Half-open, each as places in the list of instants, [`UNBOUNDED`] or [`UNKNOWN`].
    Each {
        /// First instant.
        from: Codes,
        /// The instant at which it is no member any more.
        to: Codes,
    },
}

/// A set property over the ids `first .. first + offsets.len() - 1`; elsewhere it has no known member and the completeness
/// of a list nobody spoke of. For a derived property: only what was stated of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListColumn {
    /// The first id covered.
    pub first: u32,
    /// Where the members of each list begin; one more than there are lists.
    pub offsets: Vec<u32>,
    /// The members, sorted within each list; one with several intervals stands several times.
    pub members: Members,
    /// When they are members.
    pub times: MemberTimes,
    /// For each list its place in `completeness_kinds`.
    pub completeness: Codes,
    /// The different claims: first those that somebody made, then those that follow from other facts or from silence.
    pub completeness_kinds: Vec<Completeness>,
    /// How many of the kinds somebody claimed.
    pub n_claimed: u32,
}

/// Earlier values of a property over the ids `first .. first + offsets.len() - 1`, sorted by time within each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryColumn {
    /// The first id covered.
    pub first: u32,
    /// Where the entries of each entity begin; one more than there are entities.
    pub offsets: Vec<u32>,
    /// First instants, as in [`MemberTimes::Each`].
    pub from: Codes,
    /// Ends.
    pub to: Codes,
    /// Values, [`NONE`] or [`UNKNOWN`].
    pub codes: Codes,
}

/// When the entities `first .. first + len` exist; elsewhere at all times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifetimeColumn {
    /// The first id covered.
    pub first: u32,
    /// How many ids are covered.
    pub len: u32,
    /// First instants, as in [`MemberTimes::Each`].
    pub from: Codes,
    /// Ends.
    pub to: Codes,
}

/// What the lifetimes of a root type come to: where all of its entities exist at an instant, none is looked at one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LifetimeEnds {
    /// The largest `from` that is an instant, if any is.
    pub from_max: Option<u32>,
    /// The smallest `to` that is an instant, if any is.
    pub to_min: Option<u32>,
    /// Whether any `from` is [`UNKNOWN`].
    pub from_unknown: bool,
    /// Whether any `to` is [`UNKNOWN`].
    pub to_unknown: bool,
}

/// A sorted list of texts, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Where each text begins in `bytes`; one more than there are texts.
    pub offsets: Vec<u32>,
    /// The texts, one after the other.
    pub bytes: Vec<u8>,
}

/// The keys of the entities of one concrete type, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Canonical GUIDs as numbers.
    Guids(Vec<u128>),
    /// Texts that end in a canonical GUID: the place of the rest among `prefixes`, and the GUID.
    Prefixed {
        /// The texts before the GUIDs, sorted.
        prefixes: Texts,
        /// For each key the place of its prefix.
        prefix: Vec<u32>,
        /// For each key its GUID.
        guid: Vec<u128>,
    },
    /// Other texts, sorted.
    Texts(Texts),
}

/// One part of the columns; what an index on disk stores as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// [`AttributeColumn`]
    Attribute(PropertyId),
    /// [`SourceColumn`] of an attribute
    AttributeSources(PropertyId),
    /// [`Reasons`] of an attribute
    AttributeReasons(PropertyId),
    /// [`ListColumn`]
    List(PropertyId),
    /// [`SourceColumn`] of a list, parallel to its members
    ListSources(PropertyId),
    /// [`HistoryColumn`]
    History(PropertyId),
    /// [`SourceColumn`] of a history
    HistorySources(PropertyId),
    /// [`Reasons`] of a history
    HistoryReasons(PropertyId),
    /// [`LifetimeColumn`] of a root type
    Lifetimes(EntityTypeId),
    /// [`LifetimeEnds`] of a root type
    LifetimeEnds(EntityTypeId),
    /// [`Keys`] of a concrete type, or of the entities of an abstract type whose concrete type is not known
    Keys(EntityTypeId),
    /// [`Texts`] of a text class
    Texts(u32),
    /// The sorted instants
    Instants,
    /// The sorted numbers and durations
    Integers,
}

/// A part, loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartData {
    /// For [`Part::Attribute`].
    Attribute(AttributeColumn),
    /// For the parts that name sources.
    Sources(SourceColumn),
    /// For the parts that give reasons.
    Reasons(Reasons),
    /// For [`Part::List`].
    List(ListColumn),
    /// For [`Part::History`].
    History(HistoryColumn),
    /// For [`Part::Lifetimes`].
    Lifetimes(LifetimeColumn),
    /// For [`Part::LifetimeEnds`].
    LifetimeEnds(LifetimeEnds),
    /// For [`Part::Keys`].
    Keys(Keys),
    /// For [`Part::Texts`].
    Texts(Texts),
    /// For [`Part::Instants`].
    Instants(Instants),
    /// For [`Part::Integers`].
    Integers(Vec<i64>),
}

/// Where parts come from that are not in memory: an index on disk. It checks each part against its digest.
pub trait PartStore: Send + Sync + std::fmt::Debug {
    /// Loads a part; `None` if nothing is stored for it, which means that nothing was stated.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    fn load(&self, part: Part) -> Result<Option<PartData>, String>;

    /// Returns a digest of a part that was not loaded, empty if nothing is stored for it; `None` if there are no digests.
    /// Parts with equal digests have equal bytes.
    fn digest(&self, _part: Part) -> Option<&str> {
        None
    }

    /// Returns how many bytes loading a part reads; 0 if nothing is stored for it.
    fn bytes(&self, part: Part) -> u64;
}

/// What became of a part that was asked for.
#[derive(Debug)]
enum Slot {
    Absent,
    Loaded(Arc<PartData>),
    Failed,
}

/// A snapshot as columns.
#[derive(Debug)]
pub struct Columns {
    schema: Arc<Schema>,
    meta: SnapshotMeta,
    sources: Vec<FactSource>,
    /// The source of keys that are read as attributes.
    identity: u32,
    n: u32,
    /// By entity type: the ids of the type itself, without subtypes.
    own: Vec<Range<u32>>,
    /// By entity type: the ids of the type and its subtypes.
    domains: Vec<Range<u32>>,
    /// The types that have entities, by their first id.
    types: Vec<(u32, EntityTypeId)>,
    /// By entity type, with what follows from claims.
    extents: Vec<Completeness>,
    /// What was claimed of extents.
    claims: Vec<Extent>,
    /// The completeness of a list nobody spoke of.
    unspoken: Completeness,
    capture_rank: Option<u32>,
    parts: Vec<OnceLock<Slot>>,
    store: Option<Arc<dyn PartStore>>,
    /// Whether a part was put in, so that digests of the store may be of others.
    replaced: bool,
    /// The first part that could not be loaded, in words. What it holds reads as unknown.
    trouble: OnceLock<String>,
    /// By property: the entities that reach themselves over it, sorted; found when first asked for.
    circles: Vec<OnceLock<Vec<u32>>>,
    /// By property: what is counted of it; counted when first asked for.
    statistics: Vec<OnceLock<PropertyCounts>>,
}

impl Columns {
    /// Returns the text class of a type: named types first, by place, then `String`, `Guid` and `ArmId`.
    #[must_use]
    pub fn text_class(schema: &Schema, ty: crate::model::Type) -> Option<u32> {
        let n_aliases = u32::try_from(schema.aliases.len()).ok()?;
        match (ty.alias, ty.base) {
            (Some(alias), Base::String | Base::Guid | Base::ArmId) => Some(alias.0),
            (None, Base::String) => Some(n_aliases),
            (None, Base::Guid) => Some(n_aliases + 1),
            (None, Base::ArmId) => Some(n_aliases + 2),
            _ => None,
        }
    }
}

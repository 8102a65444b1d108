//! Names, kinds and limits of parts.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Placed;
use crate::model::{Base, PropertyId, Schema, Type};
use crate::snapshot::columns::{Columns, Keys, Part, PartData};

/// Returns the name of a part in an index: names of the schema, not numbers, which differ between runs.
pub(super) fn name(schema: &Schema, part: Part) -> Option<String> {
    let of = |kind: &str, id: PropertyId| {
        let property = schema.property(id)?;
        Some(format!("{kind}.{}.{}", schema.entity(property.owner)?.name, property.name))
    };
    match part {
        Part::Attribute(id) => of("attribute", id),
        Part::AttributeSources(id) => of("attribute_sources", id),
        Part::AttributeReasons(id) => of("attribute_reasons", id),
        Part::List(id) => of("list", id),
        Part::ListSources(id) => of("list_sources", id),
        Part::History(id) => of("history", id),
        Part::HistorySources(id) => of("history_sources", id),
        Part::HistoryReasons(id) => of("history_reasons", id),
        Part::Lifetimes(id) => Some(format!("lifetimes.{}", schema.entity(id)?.name)),
        Part::LifetimeEnds(id) => Some(format!("lifetime_ends.{}", schema.entity(id)?.name)),
        Part::Keys(id) => Some(format!("keys.{}", schema.entity(id)?.name)),
        Part::Texts(class) => Some(format!("texts.{}", class_name(schema, class)?)),
        Part::Instants => Some("instants".to_owned()),
        Part::Integers => Some("integers".to_owned()),
    }
}

/// Returns the name of a text class: that of a named type, or of the type its values have without one.
fn class_name(schema: &Schema, class: u32) -> Option<&str> {
    let unnamed = [Base::String, Base::Guid, Base::ArmId].into_iter().zip(["String", "Guid", "ArmId"]);
    let named = schema.aliases.get(class as usize).map(|alias| alias.name.as_str());
    named
        .or_else(|| unnamed.into_iter().find(|(base, _)| Columns::text_class(schema, Type::of(*base)) == Some(class)).map(|(_, name)| name))
}

/// Returns the number that stands for a kind of part in its header.
pub(super) fn kind(part: Part) -> u32 {
    match part {
        Part::Attribute(_) => 1,
        Part::AttributeSources(_) | Part::ListSources(_) | Part::HistorySources(_) => 2,
        Part::AttributeReasons(_) | Part::HistoryReasons(_) => 3,
        Part::List(_) => 4,
        Part::History(_) => 5,
        Part::Lifetimes(_) => 6,
        Part::Keys(_) => 7,
        Part::Texts(_) => 8,
        Part::Instants => 9,
        Part::Integers => 10,
        Part::LifetimeEnds(_) => 11,
    }
}

/// Returns how many rows a part has: what parallel parts have too, and what codes that point to it are below.
pub(super) fn rows(data: &PartData) -> u64 {
    let n = match data {
        PartData::Attribute(column) => return u64::from(column.len),
        PartData::Lifetimes(column) => return u64::from(column.len),
        PartData::Sources(_) | PartData::LifetimeEnds(_) => 0,
        PartData::Reasons(reasons) => reasons.0.len(),
        PartData::List(column) => return u64::from(column.offsets.last().copied().unwrap_or(0)),
        PartData::History(column) => return u64::from(column.offsets.last().copied().unwrap_or(0)),
        PartData::Keys(Keys::Guids(guids) | Keys::Prefixed { guid: guids, .. }) => guids.len(),
        PartData::Keys(Keys::Texts(texts)) | PartData::Texts(texts) => texts.offsets.len().saturating_sub(1),
        PartData::Instants(instants) => instants.len(),
        PartData::Integers(integers) => integers.len(),
    };
    n as u64
}

/// What the codes of a part are below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    /// How many entities there are.
    pub(super) entities: u32,
    /// How many instants.
    pub(super) instants: u32,
    /// How many sources.
    pub(super) sources: u32,
    /// How many values of the class the part's codes are of.
    pub(super) values: u32,
    /// How many rows the part has, or the part it is parallel to.
    pub(super) rows: u64,
}

impl Limits {
    /// Returns the limits of a part.
    pub(super) fn of(schema: &Schema, parts: &BTreeMap<String, Placed>, part: Part, own: &[Range<u32>], sources: u32) -> Self {
        let entities = own.iter().map(|own| own.end).max().unwrap_or(0);
        let rows = |part: Part| name(schema, part).and_then(|name| parts.get(&name)).map_or(0, |part| part.entry.rows);
        let count = |part: Part| u32::try_from(rows(part)).unwrap_or(0);
        let values = |id: PropertyId| {
            let Some(property) = schema.property(id) else { return 0 };
            match property.ty.base {
                Base::Bool => 2,
                Base::Int | Base::Duration => count(Part::Integers),
                Base::Instant => count(Part::Instants),
                Base::Enum(id) => schema.enumeration(id).and_then(|found| u32::try_from(found.values.len()).ok()).unwrap_or(0),
                Base::String | Base::Guid | Base::ArmId => {
                    Columns::text_class(schema, property.ty.member()).map_or(0, |class| count(Part::Texts(class)))
                }
                Base::Entity(_) => entities,
                Base::Interval | Base::Nothing => 0,
            }
        };
        let (values, parallel) = match part {
            Part::Attribute(id) | Part::List(id) | Part::History(id) => (values(id), part),
            Part::AttributeSources(id) | Part::AttributeReasons(id) => (0, Part::Attribute(id)),
            Part::ListSources(id) => (0, Part::List(id)),
            Part::HistorySources(id) | Part::HistoryReasons(id) => (0, Part::History(id)),
            _ => (0, part),
        };
        let rows = match part {
            Part::Keys(ty) => own.get(ty.0 as usize).map_or(0, |own| own.len() as u64),
            _ => rows(parallel),
        };
        Self { entities, instants: count(Part::Instants), sources, values, rows }
    }
}

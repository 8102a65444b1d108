//! What most entities of a type have in common, so that `_facts` says it once: a row without a key is about every entity of
//! its type that has no row of its own.
//!
//! A default of state `value` gives the source of the values in a column. One of state `none` or `unknown` is about the
//! empty cells of a column; then an entity of which nothing was read has a row of state `unread`.

use std::collections::BTreeMap;

use super::encode::{bounds, fits};
use super::tables::{PropertyColumn, property_columns};
use crate::model::{Bound, EntityType, EntityTypeId, PropertyId, Schema, SourceId, Value};
use crate::snapshot::{CellState, Record, Records};

/// The defaults of one property of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usual {
    /// The source of values.
    pub(super) value: Option<SourceId>,
    /// What empty cells say.
    pub(super) empty: Option<(CellState, SourceId)>,
}

/// Defaults by type and property.
pub(super) type Defaults = BTreeMap<(EntityTypeId, PropertyId), Usual>;

/// How often what was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) values: BTreeMap<SourceId, usize>,
    pub(super) empty: BTreeMap<(CellState, SourceId), usize>,
    /// Facts of any kind.
    pub(super) n_facts: usize,
}

impl Tally {
    /// Chooses what is said most often, of equals the first; what is said once is not worth a default.
    pub(super) fn choose(&self, n_entities: usize) -> Option<Usual> {
        let value = most(&self.values);
        let n_unread = n_entities.saturating_sub(self.n_facts);
        let empty = most(&self.empty).filter(|(_, n)| *n > n_unread);
        let chosen = Usual { value: value.map(|(source, _)| source), empty: empty.map(|(said, _)| said) };
        (chosen != Usual::default()).then_some(chosen)
    }
}

fn most<K: Ord + Clone>(counts: &BTreeMap<K, usize>) -> Option<(K, usize)> {
    let best = counts.iter().min_by_key(|(key, n)| (std::cmp::Reverse(**n), *key))?;
    (*best.1 > 1).then(|| (best.0.clone(), *best.1))
}

/// Finds the defaults of records.
pub(super) fn defaults(schema: &Schema, records: &Records) -> Defaults {
    let mut n_entities: BTreeMap<EntityTypeId, usize> = BTreeMap::new();
    let mut columns: BTreeMap<EntityTypeId, BTreeMap<PropertyId, PropertyColumn>> = BTreeMap::new();
    let mut tallies: BTreeMap<(EntityTypeId, PropertyId), Tally> = BTreeMap::new();
    for record in &records.entities {
        *n_entities.entry(record.entity_type).or_default() += 1;
        let columns = columns.entry(record.entity_type).or_insert_with(|| {
            property_columns(schema, record.entity_type).into_iter().map(|column| (column.property.id, column)).collect()
        });
        for (property, cell) in &record.cells {
            let Some(column) = columns.get(property) else { continue };
            let tally = tallies.entry((record.entity_type, *property)).or_default();
            tally.n_facts += 1;
            let Some(source) = cell.source else { continue };
            match &cell.state {
                CellState::Known(value) if fits(column.kind(), value) => *tally.values.entry(source).or_default() += 1,
                CellState::Known(_) => {}
                state => *tally.empty.entry((state.clone(), source)).or_default() += 1,
            }
        }
    }
    let chosen = tallies.into_iter().filter_map(|(at, tally)| Some((at, tally.choose(n_entities.get(&at.0).copied()?)?)));
    chosen.collect()
}

/// Returns the bounds of a lifetime that do not follow from the attributes of the entity.
pub(super) fn stated_bounds(ty: Option<&EntityType>, record: &Record) -> [Option<super::tables::Datum>; 2] {
    let instant = |property: Option<PropertyId>| {
        let cell = record.cells.iter().find(|(known, _)| Some(*known) == property);
        match cell.map(|(_, cell)| &cell.state) {
            Some(CellState::Known(Value::Instant(instant))) => Some(Bound::At(*instant)),
            _ => None,
        }
    };
    let from = instant(ty.and_then(|ty| ty.lifetime_from)).unwrap_or(Bound::Unknown);
    let to = instant(ty.and_then(|ty| ty.lifetime_to)).unwrap_or(Bound::Unbounded);
    let [stated_from, stated_to] = bounds(record.lifetime);
    [(record.lifetime.from != from).then_some(stated_from), (record.lifetime.to != to).then_some(stated_to)]
}

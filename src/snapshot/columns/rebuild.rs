//! Records of columns: what a snapshot was made from, for export and for simulations.

use super::Columns;
use crate::model::{EntityId, Property};
use crate::snapshot::records::{Cell, CellState, Record, Records};
use crate::snapshot::resolve::is_home;

impl Columns {
    /// Makes the records again that the columns come from.
    #[must_use]
    pub fn records(&self) -> Records {
        let mut entities: Vec<Record> = (0..self.n)
            .filter_map(|id| {
                Some(Record {
                    entity_type: self.type_of(id)?,
                    key: self.key(id).into(),
                    lifetime: self.lifetime(id),
                    cells: Vec::new(),
                    history: Vec::new(),
                    edges: Vec::new(),
                    completeness: Vec::new(),
                })
            })
            .collect();
        // By property, so that what is said of an entity is sorted by it.
        for property in &self.schema.properties {
            self.fill_cells(property, &mut entities);
            self.fill_history(property, &mut entities);
            self.fill_lists(property, &mut entities);
        }
        Records { meta: self.meta.clone(), sources: self.sources.clone(), entities, extents: self.claims.clone() }
    }

    fn fill_cells(&self, property: &Property, entities: &mut [Record]) {
        let covered = match self.attribute(property.id) {
            _ if property.is_key => self.domain(property.owner),
            Some(column) => column.first..column.first.saturating_add(column.len),
            None => return,
        };
        for id in covered {
            let cell = self.cell(id, property.id);
            if cell != (Cell { state: CellState::Unknown(None), source: None })
                && let Some(record) = entities.get_mut(id as usize)
            {
                record.cells.push((property.id, cell));
            }
        }
    }

    fn fill_history(&self, property: &Property, entities: &mut [Record]) {
        let Some(column) = self.history(property.id) else { return };
        for (id, record) in (column.first..).zip(entities.iter_mut().skip(column.first as usize)) {
            record.history.extend(self.entries(id, property.id).map(|entry| (property.id, entry)));
        }
    }

    /// Memberships are stated on one side only, and claims where somebody made them.
    fn fill_lists(&self, property: &Property, entities: &mut [Record]) {
        let Some(column) = self.list(property.id) else { return };
        let sources = self.list_sources(property.id);
        let inverse = property.inverse.and_then(|id| self.schema.property(id));
        let implied = !property.ty.set || inverse.is_some_and(|inverse| !inverse.ty.set);
        let lists = column.offsets.len().saturating_sub(1);
        for (id, record) in (column.first..).zip(entities.iter_mut().skip(column.first as usize)).take(lists) {
            if let Some((claim, true)) = column.completeness_of(id) {
                record.completeness.push((property.id, claim.clone()));
            }
            if implied {
                continue;
            }
            let home = |member: u32| match (inverse, self.type_of(member)) {
                (Some(inverse), Some(ty)) => {
                    is_home(&self.schema, (record.entity_type, property.id, EntityId(id)), (ty, inverse.id, EntityId(member)))
                }
                _ => true,
            };
            for at in column.places(id).filter(|at| column.members.get(*at).is_some_and(&home)) {
                if let Some(edge) = self.edge(property, column, sources, at) {
                    record.edges.push((property.id, edge));
                }
            }
        }
    }
}

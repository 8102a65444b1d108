//! Completeness to a fixpoint, as when records are frozen, for lists that are claimed or concluded for whole ranges of ids.

use std::ops::Range;

use super::assemble::Attribute;
use crate::model::{Completeness, EntityTypeId, Property, PropertyId, Schema};
use crate::snapshot::contradictions_type;
use crate::sources::tables::mapping::Mapping;

/// Of which entities a list is whole.
#[derive(Debug, Clone, Default)]
pub(super) struct WholeList {
    /// Where the mapping says so.
    pub(super) claimed: Vec<Range<u32>>,
    /// Where it follows from whole extents.
    pub(super) concluded: Range<u32>,
}

/// What is whole.
#[derive(Debug)]
pub(super) struct Settled {
    lists: Vec<WholeList>,
    extents: Vec<Option<Completeness>>,
}

/// What completeness follows from.
pub(super) struct Ground<'a> {
    pub(super) schema: &'a Schema,
    pub(super) own: &'a [Range<u32>],
    pub(super) domains: &'a [Range<u32>],
    pub(super) attributes: &'a [Attribute],
}

impl Settled {
    /// Settles what the mapping claims and what follows from it; `claim` is what a claim says.
    pub(super) fn of(ground: &Ground<'_>, mapping: &Mapping, claim: &Completeness) -> Self {
        let mut settled =
            Self { lists: vec![WholeList::default(); ground.schema.properties.len()], extents: vec![None; ground.schema.entities.len()] };
        if let Some(ty) = contradictions_type(ground.schema) {
            settled.complete(ty);
        }
        for ty in &mapping.complete {
            if let Some(slot) = settled.extents.get_mut(ty.0 as usize) {
                *slot = Some(claim.clone());
            }
        }
        for (holder, list) in &mapping.whole_lists {
            let range = ground.domains.get(holder.0 as usize).cloned().unwrap_or(0..0);
            if let Some(list) = settled.lists.get_mut(list.0 as usize).filter(|_| !range.is_empty()) {
                list.claimed.push(range);
            }
        }
        for _ in 0..=ground.schema.entities.len() {
            let grown = settled.extents_from_subtypes(ground) | settled.extents_from_lists(ground);
            if !(grown | settled.lists_from_extents(ground)) {
                break;
            }
        }
        settled
    }

    pub(super) fn list(&self, property: PropertyId) -> Option<&WholeList> {
        self.lists.get(property.0 as usize)
    }

    /// Returns what is known of extents; `unspoken` where nothing is.
    pub(super) fn extents(&self, unspoken: &Completeness) -> Vec<Completeness> {
        self.extents.iter().map(|extent| extent.clone().unwrap_or_else(|| unspoken.clone())).collect()
    }

    fn is_complete(&self, ty: EntityTypeId) -> bool {
        self.extents.get(ty.0 as usize).is_some_and(|claim| claim.as_ref().is_some_and(|claim| claim.complete))
    }

    fn complete(&mut self, ty: EntityTypeId) -> bool {
        match self.extents.get_mut(ty.0 as usize) {
            Some(slot @ None) => {
                *slot = Some(Completeness::now(None));
                true
            }
            _ => false,
        }
    }

    fn extents_from_subtypes(&mut self, ground: &Ground<'_>) -> bool {
        let mut grown = false;
        for ty in ground.schema.entities.iter().filter(|ty| ty.is_abstract) {
            let concrete: Vec<_> = ground.schema.subtypes(ty.id).filter(|sub| !sub.is_abstract).collect();
            if !concrete.is_empty() && concrete.iter().all(|sub| self.is_complete(sub.id)) {
                grown |= self.complete(ty.id);
            }
        }
        grown
    }

    fn extents_from_lists(&mut self, ground: &Ground<'_>) -> bool {
        let mut grown = false;
        for property in &ground.schema.properties {
            let Some((holder, list)) = holder_of(ground.schema, property) else { continue };
            let concrete = ground.schema.entity(property.owner).is_some_and(|entity| !entity.is_abstract);
            if concrete && self.all_listed(ground, holder, list) {
                grown |= self.complete(property.owner);
            }
        }
        grown
    }

    fn all_listed(&self, ground: &Ground<'_>, holder: EntityTypeId, list: PropertyId) -> bool {
        let Some(whole) = self.lists.get(list.0 as usize) else { return false };
        let covered = |id: u32| whole.concluded.contains(&id) || whole.claimed.iter().any(|range| range.contains(&id));
        let all = |range: Range<u32>| {
            let at_once = |whole: &Range<u32>| whole.start <= range.start && range.end <= whole.end;
            range.is_empty() || at_once(&whole.concluded) || whole.claimed.iter().any(at_once) || range.clone().all(covered)
        };
        self.is_complete(holder) && ground.ranges(holder).all(all)
    }

    fn all_placed(&self, ground: &Ground<'_>, member: EntityTypeId, place: PropertyId) -> bool {
        if !self.is_complete(member) {
            return false;
        }
        let attribute = ground.attributes.iter().find(|attribute| attribute.property == place);
        ground.ranges(member).all(|range| range.is_empty() || attribute.is_some_and(|attribute| !attribute.unknown_in(&range)))
    }

    fn lists_from_extents(&mut self, ground: &Ground<'_>) -> bool {
        let mut grown = false;
        for list in ground.schema.properties.iter().filter(|list| list.ty.set) {
            let inverse = list.inverse.and_then(|id| ground.schema.property(id));
            let (Some(inverse), Some(member)) = (inverse, list.ty.entity()) else { continue };
            let domain = ground.domains.get(list.owner.0 as usize).cloned().unwrap_or(0..0);
            if self.lists.get(list.id.0 as usize).is_none_or(|whole| whole.concluded == domain || domain.is_empty()) {
                continue;
            }
            let follows =
                if inverse.ty.set { self.all_listed(ground, member, inverse.id) } else { self.all_placed(ground, member, inverse.id) };
            if let Some(whole) = self.lists.get_mut(list.id.0 as usize).filter(|_| follows) {
                whole.concluded = domain;
                grown = true;
            }
        }
        grown
    }
}

impl Ground<'_> {
    /// Returns the ids of a type, and of the abstract types above it: what may turn out to be of the type.
    fn ranges(&self, ty: EntityTypeId) -> impl Iterator<Item = Range<u32>> {
        let above = self.schema.entities.iter().filter(move |above| above.id != ty && self.schema.is_subtype(ty, above.id));
        let own = above.filter_map(|above| self.own.get(above.id.0 as usize).cloned());
        self.domains.get(ty.0 as usize).cloned().into_iter().chain(own)
    }
}

/// Returns the type and the list that hold every entity with this property: a required reference with an inverse set.
fn holder_of(schema: &Schema, property: &Property) -> Option<(EntityTypeId, PropertyId)> {
    let inverse = schema.property(property.inverse?)?;
    let holder = property.ty.entity()?;
    (!property.ty.set && !property.ty.optional && inverse.ty.set).then_some((holder, inverse.id))
}

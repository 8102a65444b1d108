//! The same entities and the same values of two snapshots.

use std::cmp::Ordering;

use super::super::{CodeClass, Columns, Instants, Keys, Part, Texts};
use super::mapping::Mapping;
use crate::model::EntityTypeId;

/// Tells whether a part is the same bytes on both sides, as far as digests say so.
pub(super) fn is_same_part(old: &Columns, new: &Columns, part: Part) -> bool {
    match (old.digest(part), new.digest(part)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    }
}

/// Finds the entities of the old snapshot in the new one.
pub(super) fn entities(old: &Columns, new: &Columns) -> Mapping {
    let mut all = Mapping::default();
    // Types follow each other in the order of their first ids, which is the same on both sides.
    let mut types: Vec<EntityTypeId> = new.schema().entities.iter().map(|ty| ty.id).collect();
    types.retain(|ty| !old.own(*ty).is_empty() && !new.own(*ty).is_empty());
    types.sort_by_key(|ty| old.own(*ty).start);
    for ty in types {
        let (first_old, first_new) = (old.own(ty), new.own(ty));
        let mapping = if is_same_part(old, new, Part::Keys(ty)) && first_old.len() == first_new.len() {
            Mapping::same(first_old.end - first_old.start)
        } else {
            match (old.keys(ty), new.keys(ty)) {
                (Some(old), Some(new)) => keys(old, new),
                _ => Mapping::default(),
            }
        };
        for run in mapping.runs() {
            all.push(first_old.start + run.old.start, first_new.start + run.new, run.old.end - run.old.start);
        }
    }
    all
}

fn keys(old: &Keys, new: &Keys) -> Mapping {
    match (old, new) {
        (Keys::Guids(a), Keys::Guids(b)) => Mapping::merged(old.len(), new.len(), |x, y| a.get(x as usize).cmp(&b.get(y as usize))),
        (
            Keys::Prefixed { prefixes: old_prefixes, prefix: old_prefix, guid: old_guid },
            Keys::Prefixed { prefixes: new_prefixes, prefix: new_prefix, guid: new_guid },
        ) => {
            let known = texts(old_prefixes, new_prefixes);
            let order = |x: u32, y: u32| {
                let (before, after) = (x as usize, y as usize);
                match (old_prefix.get(before).and_then(|place| known.get(*place)), new_prefix.get(after)) {
                    (Some(same), Some(other)) if same == *other => old_guid.get(before).cmp(&new_guid.get(after)),
                    _ => old.get(x).cmp(&new.get(y)),
                }
            };
            Mapping::merged(old.len(), new.len(), order)
        }
        _ => Mapping::merged(old.len(), new.len(), |x, y| old.get(x).cmp(&new.get(y))),
    }
}

fn texts(old: &Texts, new: &Texts) -> Mapping {
    Mapping::merged(old.len(), new.len(), |x, y| old.bytes(x).cmp(&new.bytes(y)))
}

fn sorted<T: Ord>(old: &[T], new: &[T]) -> Mapping {
    let len = |list: &[T]| u32::try_from(list.len()).unwrap_or(u32::MAX);
    let order = |x: u32, y: u32| -> Ordering { old.get(x as usize).cmp(&new.get(y as usize)) };
    Mapping::merged(len(old), len(new), order)
}

fn instants(old: &Instants, new: &Instants) -> Mapping {
    let order = |x: u32, y: u32| old.get(x as usize).cmp(&new.get(y as usize));
    Mapping::merged(n_instants(old), n_instants(new), order)
}

fn n_instants(instants: &Instants) -> u32 {
    u32::try_from(instants.len()).unwrap_or(u32::MAX)
}

/// Finds the codes of a class; `None` where equal codes mean equal values.
pub(super) fn codes(old: &Columns, new: &Columns, class: CodeClass, entities: Option<&Mapping>) -> Option<Mapping> {
    let part = match class {
        CodeClass::Bool | CodeClass::Enum(_) => return None,
        CodeClass::Entity | CodeClass::Key(_) => return entities.cloned(),
        CodeClass::Text(class) => Part::Texts(class),
        CodeClass::Instant => Part::Instants,
        CodeClass::Integer => Part::Integers,
    };
    if is_same_part(old, new, part) {
        return None;
    }
    let (mapping, n) = match class {
        CodeClass::Text(class) => (texts(old.texts(class), new.texts(class)), old.texts(class).len()),
        CodeClass::Instant => (instants(old.instants(), new.instants()), n_instants(old.instants())),
        _ => (sorted(old.integers(), new.integers()), u32::try_from(old.integers().len()).unwrap_or(u32::MAX)),
    };
    (!mapping.keeps(n)).then_some(mapping)
}

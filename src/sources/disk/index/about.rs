//! What goes with all parts: what the snapshot says of itself, sources, ids of types, and claims about types.

use std::ops::Range;

use super::packed::{Packer, Unpacker};
use crate::model::{Completeness, EntityTypeId, Schema};
use crate::snapshot::columns::{CODES_MAX, Columns, Frame};
use crate::snapshot::{Extent, SnapshotMeta};

/// Writes it. Types go by name, so that their places may differ when it is read.
pub(super) fn pack(columns: &Columns) -> Vec<u8> {
    let schema = columns.schema();
    let mut out = Packer::default();
    let meta = columns.meta();
    out.option(meta.tenant.as_deref(), Packer::text);
    out.option(meta.captured_from, Packer::instant);
    out.option(meta.captured_to, Packer::instant);
    out.number(meta.problems.len());
    meta.problems.iter().for_each(|problem| out.text(problem));
    out.number(columns.sources().len());
    columns.sources().iter().for_each(|source| out.source(source));
    out.number(schema.entities.len());
    for entity in &schema.entities {
        out.text(&entity.name);
        let own = columns.own(entity.id);
        out.number(own.start as usize);
        out.number(own.end as usize);
        out.completeness(columns.extent_completeness(entity.id));
    }
    out.number(columns.extent_claims().len());
    for claim in columns.extent_claims() {
        out.text(schema.entity_name(claim.entity_type));
        out.completeness(&claim.completeness);
    }
    out.completeness(columns.unspoken());
    out.option(columns.meta().captured_to.map(|at| columns.rank(at)), |out, rank| out.number(rank as usize));
    out.0
}

/// Reads it.
pub(super) fn unpack(schema: &Schema, bytes: &[u8]) -> Result<Frame, String> {
    let mut from = Unpacker(bytes);
    let mut meta = SnapshotMeta {
        tenant: from.option(Unpacker::text)?,
        captured_from: from.option(Unpacker::instant)?,
        captured_to: from.option(Unpacker::instant)?,
        ..SnapshotMeta::default()
    };
    for _ in 0..from.count()? {
        meta.problems.push(from.text()?);
    }
    let n_sources = from.count()?;
    let mut sources = Vec::new();
    for _ in 0..n_sources {
        sources.push(from.source()?);
    }
    let n_sources = u32::try_from(n_sources).map_err(|_| "there are too many sources")?;
    let (own, extents) = types(schema, &mut from, n_sources)?;
    let mut claims = Vec::new();
    for _ in 0..from.count()? {
        let entity_type = type_named(schema, &from.text()?)?;
        claims.push(Extent { entity_type, completeness: from.completeness(n_sources)? });
    }
    let unspoken = from.completeness(n_sources)?;
    let capture_rank = from.option(Unpacker::number32)?;
    from.end()?;
    Ok(Frame { meta, sources, own, extents, claims, unspoken, capture_rank })
}

type Types = (Vec<Range<u32>>, Vec<Completeness>);

fn types(schema: &Schema, from: &mut Unpacker<'_>, n_sources: u32) -> Result<Types, String> {
    let mut found: Vec<Option<(Range<u32>, Completeness)>> = vec![None; schema.entities.len()];
    for _ in 0..from.count()? {
        let ty = type_named(schema, &from.text()?)?;
        let own = from.number32()?..from.number32()?;
        if own.start > own.end || own.end > CODES_MAX {
            return Err(format!("the ids of {} are no range", schema.entity_name(ty)));
        }
        let completeness = from.completeness(n_sources)?;
        if let Some(slot) = found.get_mut(ty.0 as usize) {
            *slot = Some((own, completeness));
        }
    }
    let all: Option<Vec<_>> = found.into_iter().collect();
    all.map(|all| all.into_iter().unzip()).ok_or_else(|| "a type is missing".to_owned())
}

fn type_named(schema: &Schema, name: &str) -> Result<EntityTypeId, String> {
    schema.entity_named(name).map(|entity| entity.id).ok_or_else(|| format!("the schema has no type {name}"))
}

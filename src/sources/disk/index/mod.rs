//! The derived index of a snapshot: its columns as files that are read as they lie on disk, part by part when they are asked for.
//!
//! In: [`Columns`](crate::snapshot::columns::Columns). Out: a folder `NAME.snapshot/index/KEY/` with all parts in the file
//! `columns`, `index.json` with the place and digest of each, and `index.sha256` with that of `index.json`; and from it columns
//! again. One file and not one a part: opening dozens of small files takes longer than reading them.
//!
//! Invariants: the tables stay the authority: an index says which manifest, schema and registers it was made from, and one
//! that does not fit is not used; a byte is believed only after the digest of its part; no bytes, however made, give a code
//! of something that is not there; equal columns give equal bytes.
//!
//! - `frame`: one part, header and arrays
//! - `parts`: names and limits of parts
//! - `encode`, `decode`, `check`: parts to bytes and back
//! - `packed`, `about`: what is no array
//! - `write`, `store`: the folder

mod about;
mod check;
mod decode;
mod encode;
mod frame;
mod packed;
mod parts;
mod store;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{hex, schema_digest};
use crate::model::Schema;

pub use store::{IndexStore, OpenIndex, open_index};
pub use write::{IndexWriter, write_index};

/// The format this program writes; one more with every change of what columns hold or how it is laid out.
const FORMAT: u32 = 2;
/// The format as `index.json` says it.
const FORMAT_NAME: &str = "tenet.index/v2";
/// The folder of all indexes of a snapshot.
pub(super) const FOLDER: &str = "index";
/// What the index holds.
const CONTENTS: &str = "index.json";
/// The sha256 of `index.json`, as `sha256sum` writes it.
const SEAL: &str = "index.sha256";
/// The file of all parts, one after the other.
const COLUMNS: &str = "columns";
/// What goes with all parts, and comes last.
const ABOUT: &str = "about";
/// The largest `index.json` that is read.
const CONTENTS_BYTES_MAX: u64 = 8 << 20;
/// The most parts of an index.
const PARTS_MAX: usize = 65_536;
/// The most indexes kept beside one snapshot: one for each set of registers and schemas it is read with.
const KEPT_MAX: usize = 4;

/// What an index is made from. One with another key is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    schema: String,
    manifest: String,
    registers: Option<String>,
}

impl IndexKey {
    /// Makes the key of a snapshot read with a schema, and with registers merged in if `registers` gives their digest.
    #[must_use]
    pub fn new(schema: &Schema, manifest_digest: impl Into<String>, registers: Option<String>) -> Self {
        Self { schema: full_schema_digest(schema), manifest: manifest_digest.into(), registers }
    }

    /// Returns the folder of the index of a snapshot folder.
    #[must_use]
    pub fn folder(&self, snapshot: &Path) -> PathBuf {
        let registers = self.registers.as_deref().unwrap_or("none");
        let text = format!("{FORMAT_NAME}\n{}\n{}\n{}\n{registers}\n", env!("CARGO_PKG_VERSION"), self.schema, self.manifest);
        let mut name = hex(&Sha256::digest(text));
        name.truncate(16);
        snapshot.join(FOLDER).join(name)
    }
}

/// Digests everything of a schema that columns depend on: more than what tables depend on.
fn full_schema_digest(schema: &Schema) -> String {
    let name = |id| schema.property(id).map_or("", |property| property.name.as_str());
    let mut lines = vec![schema_digest(schema)];
    lines.extend(schema.aliases.iter().map(|alias| format!("type {} = {:?} {:?}", alias.name, alias.base, alias.pattern_text)));
    lines.extend(schema.entities.iter().map(|entity| {
        let (from, to) = (entity.lifetime_from.map(name), entity.lifetime_to.map(name));
        format!("entity {} key {} {} from {from:?} to {to:?}", entity.name, entity.key_name, schema.type_name(entity.key))
    }));
    lines.extend(schema.properties.iter().filter_map(|property| {
        let derived = property.derived?;
        Some(format!("{}.{} is {} along {}", schema.entity_name(property.owner), property.name, name(derived.from), name(derived.along)))
    }));
    lines.sort();
    hex(&Sha256::digest(lines.join("\n")))
}

/// What stands in `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// `tenet.index/v2`.
    format: String,
    /// The version of the program that wrote it.
    tool_version: String,
    /// The digest of the schema it was made with.
    schema: String,
    /// The sha256 of the manifest of the tables.
    manifest: String,
    /// The digest of the registers that were merged in.
    registers: Option<String>,
    /// The parts, in the order in which they lie in their file, without a gap.
    parts: Vec<PartEntry>,
}

/// One part of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartEntry {
    /// Its name.
    name: String,
    /// How many rows it has.
    rows: u64,
    /// How many bytes it has.
    bytes: u64,
    /// Its digest: the BLAKE3 over its header and the BLAKE3 of each block of its arrays.
    digest: String,
}

/// A part and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Placed {
    at: u64,
    entry: PartEntry,
}

impl Contents {
    fn new(key: &IndexKey, parts: Vec<PartEntry>) -> Self {
        Self {
            format: FORMAT_NAME.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: key.schema.clone(),
            manifest: key.manifest.clone(),
            registers: key.registers.clone(),
            parts,
        }
    }

    fn is_of(&self, key: &IndexKey) -> bool {
        let Self { format, tool_version, schema, manifest, registers, parts: _ } = self;
        format == FORMAT_NAME
            && tool_version == env!("CARGO_PKG_VERSION")
            && *schema == key.schema
            && *manifest == key.manifest
            && *registers == key.registers
    }

    /// Returns the parts by name, and how long their file is; `None` if that is more than a number holds.
    fn by_name(self) -> Option<(BTreeMap<String, Placed>, u64)> {
        let mut end = 0_u64;
        let mut placed = BTreeMap::new();
        for entry in self.parts {
            let at = end;
            end = end.checked_add(entry.bytes)?;
            placed.insert(entry.name.clone(), Placed { at, entry });
        }
        Some((placed, end))
    }
}

/// Writes a digest as `sha256sum` does.
fn seal(digest: &str) -> String {
    format!("{digest}  {CONTENTS}\n")
}

#[cfg(test)]
mod tests;

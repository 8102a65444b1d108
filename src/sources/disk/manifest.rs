//! `manifest.json`: what a snapshot folder holds, and the digest of each file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DiskError;
use super::tables::is_table_name;
use crate::model::Schema;
use crate::snapshot::SnapshotMeta;

/// The format this program writes.
pub const FORMAT: &str = "tenet.snapshot/v1";
/// The file's name.
pub(super) const MANIFEST: &str = "manifest.json";
/// The largest manifest read.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 << 20;
const FORMAT_FAMILY: &str = "tenet.snapshot/v";
/// More tables than any schema has types.
const FILES_MAX: usize = 4_096;
/// The most files of recorded answers.
const EVIDENCE_FILES_MAX: usize = 100_000;
/// The folder of recorded answers.
pub(super) const EVIDENCE: &str = "evidence";

/// What stands in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `tenet.snapshot/v1`.
    pub format: String,
    /// The version of the program that wrote it.
    pub tool_version: String,
    /// The schema it was written with.
    pub schema: SchemaStamp,
    /// The directory it describes.
    pub tenant: Option<String>,
    /// Begin of the capture window, RFC 3339.
    pub captured_from: Option<String>,
    /// End of the capture window, RFC 3339.
    pub captured_to: Option<String>,
    /// What did not fit together.
    pub problems: Vec<String>,
    /// The files, by name.
    pub files: Vec<FileEntry>,
    /// The answers it was made of, in the folder `evidence`, by name; none where it was made of something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceEntry>,
}

/// One file of recorded answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEntry {
    /// Its name in the folder `evidence`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The schema a snapshot was written with; facts of another schema are read as far as names and types agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaStamp {
    /// The edition of the schema language.
    pub version: u32,
    /// The sha256 of its types and properties.
    pub digest: String,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name: that of its table with `.parquet`.
    pub name: String,
    /// For entities: the topmost type theirs inherits from, or itself.
    pub root: Option<String>,
    /// How many rows it has.
    pub rows: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What tables do not say of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The directory described.
    pub tenant: Option<String>,
    /// Begin of the capture window.
    pub captured_from: Option<Timestamp>,
    /// End of the capture window.
    pub captured_to: Option<Timestamp>,
    /// What did not fit together.
    pub problems: Vec<String>,
    /// The topmost type of each entity table.
    pub roots: BTreeMap<String, String>,
}

impl About {
    /// Takes over what the records of a snapshot say.
    #[must_use]
    pub fn of(schema: &Schema, meta: &SnapshotMeta) -> Self {
        let roots = schema.entities.iter().map(|entity| (entity.name.clone(), schema.entity_name(entity.root).to_owned()));
        Self {
            tenant: meta.tenant.clone(),
            captured_from: meta.captured_from,
            captured_to: meta.captured_to,
            problems: meta.problems.clone(),
            roots: roots.collect(),
        }
    }
}

impl Manifest {
    /// Makes the manifest of a snapshot; `files` sorted by name.
    pub(super) fn new(schema: &Schema, about: &About, files: Vec<FileEntry>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: SchemaStamp { version: 1, digest: schema_digest(schema) },
            tenant: about.tenant.clone(),
            captured_from: about.captured_from.map(|at| at.to_string()),
            captured_to: about.captured_to.map(|at| at.to_string()),
            problems: about.problems.clone(),
            files,
            evidence: Vec::new(),
        }
    }

    /// Writes it as stored.
    ///
    /// # Errors
    /// [`DiskError::Manifest`], which does not happen for what this program makes.
    pub fn to_json(&self) -> Result<String, DiskError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| DiskError::Manifest { message: error.to_string() })?;
        Ok(text + "\n")
    }

    /// Returns the digest of the snapshot: that of its manifest, which holds those of all files.
    ///
    /// # Errors
    /// As [`Manifest::to_json`].
    pub fn digest(&self) -> Result<String, DiskError> {
        Ok(super::sha256_hex(self.to_json()?.as_bytes()))
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`DiskError::Newer`] for a later format, [`DiskError::Manifest`] for anything else that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, DiskError> {
        let wrong = |message: String| DiskError::Manifest { message };
        let probe: FormatProbe = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if probe.format != FORMAT {
            return Err(match probe.format.strip_prefix(FORMAT_FAMILY).map(str::parse::<u32>) {
                Some(Ok(version)) if version > 1 => DiskError::Newer { format: probe.format },
                _ => wrong(format!("`{}` is not the format {FORMAT}", probe.format)),
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        manifest.check_files().map_err(wrong)?;
        Ok(manifest)
    }

    fn check_files(&self) -> Result<(), String> {
        if self.files.len() > FILES_MAX {
            return Err(format!("it names {} files; at most {FILES_MAX} are read", self.files.len()));
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            if file.table().is_none() {
                return Err(format!("`{}` is not the name of a table file", file.name));
            }
            if !names.insert(&file.name) {
                return Err(format!("`{}` is named twice", file.name));
            }
        }
        if self.evidence.len() > EVIDENCE_FILES_MAX {
            return Err(format!("it names {} files of evidence; at most {EVIDENCE_FILES_MAX} are read", self.evidence.len()));
        }
        let mut names = BTreeSet::new();
        for file in &self.evidence {
            if !is_evidence_name(&file.name) || !names.insert(&file.name) {
                return Err(format!("`{}` is not the name of a file of evidence, or is named twice", file.name));
            }
        }
        Ok(())
    }

    /// Returns what the tables need to know.
    ///
    /// # Errors
    /// [`DiskError::Manifest`] for a capture window that is no time.
    pub(super) fn about(&self) -> Result<About, DiskError> {
        let instant = |text: &Option<String>| -> Result<Option<Timestamp>, DiskError> {
            let read = |text: &String| text.parse().map_err(|_| DiskError::Manifest { message: format!("`{text}` is not a time") });
            text.as_ref().map(read).transpose()
        };
        let roots = self.files.iter().filter_map(|file| Some((file.table()?.to_owned(), file.root.clone()?)));
        Ok(About {
            tenant: self.tenant.clone(),
            captured_from: instant(&self.captured_from)?,
            captured_to: instant(&self.captured_to)?,
            problems: self.problems.clone(),
            roots: roots.collect(),
        })
    }
}

impl FileEntry {
    /// Returns the table's name, if the file's name is that of a table: no folders, no `..`.
    pub(super) fn table(&self) -> Option<&str> {
        self.name.strip_suffix(".parquet").filter(|table| is_table_name(table))
    }
}

/// No folders, no `..`, and a file that an import takes.
fn is_evidence_name(name: &str) -> bool {
    let plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_');
    name.strip_suffix(".jsonl").is_some() && !name.starts_with('.') && name.len() <= 200 && name.chars().all(plain)
}

#[derive(Deserialize)]
struct FormatProbe {
    format: String,
}

/// Returns the digest of a schema: its types, properties and enumeration values, without docs and sources.
#[must_use]
pub fn schema_digest(schema: &Schema) -> String {
    let mut lines: Vec<String> = schema
        .properties
        .iter()
        .map(|property| {
            let inverse = property.inverse.and_then(|id| schema.property(id)).map_or("", |inverse| inverse.name.as_str());
            let (owner, name, ty) = (schema.entity_name(property.owner), &property.name, schema.type_name(property.ty));
            format!("property {owner}.{name}: {ty} inverse {inverse} history {} key {}", property.history, property.is_key)
        })
        .collect();
    lines.extend(schema.entities.iter().map(|entity| {
        let parent = entity.parent.map_or("", |id| schema.entity_name(id));
        format!("entity {} is {parent} abstract {}", entity.name, entity.is_abstract)
    }));
    lines.extend(schema.enums.iter().map(|e| format!("enum {} {}", e.name, e.values.join(","))));
    lines.sort();
    super::sha256_hex(lines.join("\n").as_bytes())
}

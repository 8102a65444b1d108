//! The snapshot before: what it knew of the past goes into the new one.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::exit::Failure;
use super::load;
use crate::model::{Schema, format_instant};
use crate::snapshot::{FoldError, Records, can_fold, fold};

/// Letters of the digest by which facts name the earlier snapshot.
const DIGEST_LETTERS: usize = 12;

/// An earlier snapshot that can be folded into a new one.
pub(super) struct Earlier {
    records: Records,
    label: String,
    shown: String,
}

impl Earlier {
    /// Reads it.
    pub(super) fn open(schema: &Arc<Schema>, path: &Path) -> anyhow::Result<Self> {
        let (builder, manifest) = load::read(schema, path)?;
        let records = builder.records();
        let digest: String = manifest.digest()?.chars().take(DIGEST_LETTERS).collect();
        let when = records.meta.captured_to.map_or_else(|| "an unknown time".to_owned(), format_instant);
        Ok(Self { records, label: format!("snapshot {digest} of {when}"), shown: path.display().to_string() })
    }

    /// Refuses one that cannot be folded into what is captured of a directory from now on, before anything is read.
    pub(super) fn check(&self, tenant: &str, begins_at: Timestamp) -> anyhow::Result<()> {
        can_fold(&self.records.meta, Some(tenant), Some(begins_at)).map_err(|error| self.refusal(&error))?;
        Ok(())
    }

    /// Takes into new records what it knew.
    pub(super) fn into_new(self, schema: &Arc<Schema>, new: Records) -> anyhow::Result<Records> {
        fold(schema, &self.records, new, &self.label).map_err(|error| self.refusal(&error))
    }

    fn refusal(&self, error: &FoldError) -> anyhow::Error {
        Failure::usage(format!("--previous {}: {error}", self.shown)).into()
    }
}

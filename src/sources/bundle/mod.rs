//! Evidence bundles: files in one tar, with a manifest of their digests and a signature over it.
//!
//! In: files with the names they have in the bundle. Out: a tar whose bytes follow from them alone, and back: files in a folder.
//!
//! Invariants: a bundle is believed only whole. Every file is named in the manifest with its sha256, none is there that is not, and
//! the tar has the bytes that writing the same files gives, so that no byte between files can differ either. A name leads nowhere but
//! into the folder the bundle is read to; links and devices are refused.
//!
//! - `manifest`: the in-toto statement
//! - `write`, `read`: the tar

mod manifest;
mod read;
mod write;

use std::path::PathBuf;

use thiserror::Error;

pub use manifest::{Manifest, Outcome, Predicate};
pub use read::{CheckSignature, Opened, open_bundle};
pub use write::{Member, write_bundle};

/// What signatures over bundles are made for.
pub const NAMESPACE: &str = "tenet-evidence";
/// The name of the manifest; it stands first.
pub const MANIFEST: &str = "manifest.json";
/// The name of the signature over the manifest; it stands second.
pub const SIGNATURE: &str = "manifest.json.sig";

/// The most files of a bundle.
pub const FILES_MAX: usize = 100_000;
/// The largest file of a bundle.
pub const FILE_BYTES_MAX: u64 = 16 << 30;
/// The largest bundle.
pub const BUNDLE_BYTES_MAX: u64 = 64 << 30;
/// The largest manifest.
pub const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Why a bundle cannot be written, or is not believed.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The operating system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A name that a bundle cannot have.
    #[error("`{name}`: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// More or larger than is read.
    #[error("{what}: more than {limit}, the limit")]
    Limit {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// A file that is not as the manifest says.
    #[error("{name}: {reason}")]
    Changed {
        /// The file in the bundle.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl BundleError {
    /// Tells whether the bundle is not the one that was written, and not merely out of reach.
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    fn changed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Changed { name: name.into(), reason: reason.into() }
    }
}

/// Tells why a name cannot be one of a bundle.
fn wrong_name(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 250 {
        return Some("a name has from 1 to 250 bytes");
    }
    if name.chars().any(|c| c.is_control() || c == '\\' || c == ':') {
        return Some("a name has no control characters, backslashes or colons");
    }
    let inside = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    (!inside).then_some("a name leads out of the bundle, or has empty parts")
}

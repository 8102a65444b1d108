//! The field's nouns as plain types: schema, types, values, identities, facts with their sources, verdicts.
//!
//! Nothing here reads policy text or a snapshot; both meet in these types.
//!
//! - `types`, `schema`: what entities exist and what their attributes hold
//! - `value`: a datum, and how text from outside becomes one
//! - `identity`: canonical forms of ARM ids and GUIDs
//! - `canonical`: JSON with one text for one value
//! - `instant`: tolerant reading and strict writing of times
//! - `fact`: sources, attestations, completeness
//! - `counts`: what is counted of a snapshot
//! - `verdict`: what a scan says

mod canonical;
mod counts;
mod fact;
mod identity;
mod instant;
mod schema;
mod types;
mod value;
mod verdict;

pub use canonical::{NotCanonical, canonical_json, sha256_hex};
pub use counts::PropertyCounts;
pub use fact::{Attestation, Bound, Completeness, FactSource, Interval, SourceId, SourceKind};
pub use identity::{canonical_arm_id, canonical_guid, canonical_key, covers_path, is_guid, parent_path, trailing_guid};
pub use instant::{format_duration, format_instant, parse_duration, parse_instant};
pub use schema::{AliasType, DerivedFrom, EntityType, EnumType, NamedType, Property, Provenance, Schema};
pub use types::{AliasId, Base, EntityTypeId, EnumId, PropertyId, Type};
pub use value::{EntityId, Value, ValueError, parse_scalar};
pub use verdict::{RuleSeverity, Verdict};

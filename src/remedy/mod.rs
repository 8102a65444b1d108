//! Remedies: what would mend a finding, tried on a copy of the snapshot before anybody is told.
//!
//! In: policies, a snapshot, a scan of it. Out: a [`Proposal`]: the steps of the rule's fixes and whether they may be shown.
//! Invariants: the snapshot is never changed; nothing is proposed from an unknown; loops run over certain members only.
//!
//! - `simulate`: fixes tried on a copy
//! - `plan`: the nouns of a plan
//! - `bind`: actions to requests
//! - `person`: who carries out an action, and what a person is told
//! - `target`: what apply works with

pub mod bind;
pub mod person;
pub mod plan;
mod simulate;
pub mod target;

pub use simulate::{Proposal, Step, propose};

//! Remedies: what would mend a finding, tried on a copy of the snapshot before anybody is told.
//!
//! In: policies, a snapshot, a scan of it. Out: a [`Proposal`]: the steps of the rule's fixes and whether they may be shown.
//! Invariants: the snapshot is never changed; nothing is proposed from an unknown; loops run over certain members only.
//!
//! - `simulate`: fixes tried on a copy
//! - `plan`: the nouns of a plan
//! - `approval`, `gate`: who approved a plan, and why one is refused
//! - `apply`, `step`, `verify`, `reconcile`: carrying it out
//! - `expect`, `answer`: comparing what is found with what must be found
//! - `journal`: what was done, and the state of each step
//! - `undo`: the way back
//! - `bind`: actions to requests
//! - `target`: what apply works with

mod answer;
pub mod apply;
pub mod approval;
pub mod bind;
mod expect;
pub mod gate;
pub mod journal;
pub mod plan;
mod reconcile;
mod simulate;
mod step;
pub mod target;
pub mod undo;
pub mod verify;

pub use simulate::{Proposal, Step, propose};

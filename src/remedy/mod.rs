//! Remedies: what would mend a finding, tried on an overlay of the snapshot before anybody is told.
//!
//! In: policies, a snapshot, a scan of it. Out: a [`Proposal`]: the actions of the rule's fixes and whether they may be
//! shown; and a plan: what is done for all findings together.
//! Invariants: the snapshot is never changed; nothing is proposed from an unknown; loops run over certain members only;
//! nothing here can write, and what is read of a live tenant comes through [`target::ReadTarget`].
//!
//! - `trial`, `obligations`, `proposal`, `problem`: fixes tried, and what they must keep
//! - `access`: who is Owner, and how
//! - `search`: what would mend a finding for which no fix is named
//! - `guard`: what is never done by a plan
//! - `order`: which step comes first
//! - `planner`: all findings together
//! - `plan`: the nouns of a plan
//! - `approval`, `gate`: who approved a plan, and why one is refused
//! - `apply`, `step`, `verify`, `reconcile`: carrying it out
//! - `expect`, `answer`: comparing what is found with what must be found
//! - `journal`: what was done, and the state of each step
//! - `undo`: the way back
//! - `bind`: actions to requests
//! - `person`: who carries out an action, and what a person is told
//! - `target`: what apply works with

mod access;
mod answer;
pub mod apply;
pub mod approval;
pub mod bind;
mod expect;
pub mod gate;
mod guard;
pub mod journal;
mod obligations;
mod order;
pub mod person;
pub mod plan;
mod planner;
mod problem;
mod proposal;
mod reconcile;
mod search;
mod step;
pub mod target;
mod trial;
pub mod undo;
pub mod verify;

pub use obligations::LEFT_OUT_MAX;
pub use planner::{PlanError, Planned, ROUNDS_MAX, Request, Selection, make_plan};
pub use problem::{Involved, Problem, ProblemKind};
pub use proposal::{Proposal, propose};
pub use search::{CANDIDATES_MAX, Counterfactual, SIZE_MAX, TRIALS_MAX, counterfactual};
pub use trial::{ACTIONS_MAX, Act};

//! The engine: rules as shared functions over columns, a whole batch of subjects at a time.
//!
//! In: policies without errors, a snapshot, the same options as for the reference evaluator. Out: the same scan. Three-valued
//! throughout: a truth is false, in doubt or true, and a set has members that are sure, in doubt, or unseen.
//!
//! Invariants: decides as the reference evaluator does (`tests/integration/agree`); evaluates a part that several rules
//! share once; memory and work are bounded, and a limit that is reached names the rule, the limit and the value.
//!
//! - `vector`: values, truths and sets of a batch
//! - `facts`: columns as they hold now
//! - `shared`: what all threads share
//! - `machine`, `compare`, `sets`, `derived`, `filtered`, `count`, `lookup`, `repeated`, `image`: terms over a batch
//! - `gathered`: sets under construction, walks and closures
//! - `memo`: functions computed once for each entity
//! - `prefetch`: what is loaded beforehand
//! - `parallel`: plain conditions on all threads
//! - `shape`: what is told of terms beforehand
//! - `sizes`: where batches are cut
//! - `units`: rules that are decided together
//! - `decide`: verdicts
//! - `delta`: what has to be decided again after something changed
//! - `profile`, `shown`: plans with what was counted
//! - `judged`: verdicts as columns, with waivers and attestations

mod compare;
mod count;
mod decide;
pub mod delta;
mod derived;
mod facts;
mod filtered;
mod gathered;
mod image;
mod judged;
mod lookup;
mod machine;
mod memo;
mod parallel;
mod prefetch;
mod profile;
mod repeated;
mod sets;
mod shape;
mod shared;
mod shown;
mod sizes;
mod units;
mod vector;

/// Tables that are looked up very often, with a hash that is the same in every run.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
type HashSet<K> = std::collections::HashSet<K, foldhash::fast::FixedState>;

pub use decide::{Decided, Decision, EngineError, Plan, Subjects, decide, scan, scan_by};
pub use judged::{Judged, judge, judge_by};
pub use machine::{MEMBERS_MAX, WORK_MAX};
pub use sizes::Sizes;

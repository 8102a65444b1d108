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
//! - `machine`, `compare`, `sets`, `derived`, `count`, `lookup`, `image`: terms over a batch
//! - `memo`: functions computed once for each entity
//! - `shape`: what is told of terms beforehand
//! - `decide`: verdicts

mod compare;
mod count;
mod decide;
mod derived;
mod facts;
mod gathered;
mod image;
mod lookup;
mod machine;
mod memo;
mod sets;
mod parallel;
mod repeated;
mod shape;
mod sizes;
mod units;
mod shared;
mod vector;

/// Tables that are looked up very often, with a hash that is the same in every run.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
type HashSet<K> = std::collections::HashSet<K, foldhash::fast::FixedState>;

pub use decide::{Decided, Decision, EngineError, Plan, decide, scan, scan_by};
pub use sizes::Sizes;
pub use machine::{MEMBERS_MAX, WORK_MAX};

//! What rules ask, lowered to functions over entities: the logical plan.
//!
//! In: checked rules. Out: a [`Query`], in which equal parts of all rules of a run are one, and each rule as functions of its
//! subject.
//!
//! Invariants: knows no snapshot; a lowered term has the three-valued meaning of the expression it came from; lowering is
//! bounded.
//!
//! - `term`: terms and functions
//! - `lower`: expressions to terms
//! - `footprint`: what a rule reads
//! - `digest`: what a rule asks, as a number

mod digest;
mod footprint;
mod lower;
mod term;

pub use digest::Digests;
pub use footprint::{Footprint, footprint};
pub use lower::{LOWERED_PARTS_MAX, RuleQuery, TooLarge, lower_condition, lower_rule};
pub use term::{Function, FunctionId, Lambda, ParamVersion, Pattern, Query, Term, TermId, calls, parts};

//! What rules ask, lowered to functions over entities: the logical plan.
//!
//! In: checked rules. Out: a [`Query`], in which equal parts of all rules of a run are one, and each rule as functions of its
//! subject.
//!
//! Invariants: knows no snapshot; a lowered term has the three-valued meaning of the expression it came from; lowering is
//! bounded.
//!
//! - `term`: terms and functions
//! - `lower`: expressions to terms, plainly
//! - `rewrite`: terms that mean the same and are less work, one a file
//! - `access`: ways to the members of a set
//! - `counts`, `cost`: what a term may cost and yield over a snapshot
//! - `footprint`: what a rule reads
//! - `digest`: what a rule asks, as a number
//! - `plan`, `explain`, `words`: the plan of a rule, shown with estimated and actual rows

mod access;
mod cost;
mod counts;
mod digest;
mod explain;
mod footprint;
mod lower;
mod plan;
mod rewrite;
mod term;
mod words;

pub use access::{EQUALITIES_MAX, Equality, MemberValue, conjuncts, equalities, has_far_end};
pub use cost::{Estimate, Estimates, FAR_END_FROM};
pub use counts::{Counts, properties_read};
pub use digest::Digests;
pub use explain::{Actual, Actuals, plan_text};
pub use footprint::{Footprint, footprint};
pub use lower::{LOWERED_PARTS_MAX, RuleQuery, TooLarge, lower_rule};
pub use plan::{Node, Operator, Planned, plan, shared_by};
pub use rewrite::{REWRITES_MAX, Rewrites, rewrite};
pub use term::{Function, FunctionId, Lambda, ParamVersion, Pattern, Query, Term, TermId, calls, parts};

//! Checked policies over a snapshot: verdicts, and why.
//!
//! In: [`Policies`](crate::check::Policies) without errors, a frozen [`Snapshot`](crate::snapshot::Snapshot), the instant
//! `now`, parameters. Out: a [`Scan`], findings sorted by rule, pack, subject and requirement, and explanations on request.
//!
//! Invariants: no I/O and no clock; missing data gives unknown, never pass; true holds in every completion of the
//! snapshot and false fails in every one; each verdict counts its steps against a limit; equal inputs give equal results.
//!
//! - `value`: truth, values, sets that may have more members
//! - `evaluator`, `sets`, `quantify`, `arithmetic`: expressions
//! - `params`: values of parameters
//! - `run`: rules over subjects
//! - `verdicts`: what reports read of a scan
//! - `waiver`: the overlay
//! - `engine`: the same verdicts, a whole batch of subjects at a time
//! - `trace`, `watch`: which facts verdicts rest on, and verdicts of a world that changes a little at a time
//! - `explain`, `missing`: why, and what would have to be known

mod arithmetic;
pub mod engine;
mod evaluator;
mod explain;
mod message;
mod missing;
mod params;
mod quantify;
mod run;
mod sets;
mod trace;
mod value;
mod verdicts;
mod waiver;
mod watch;

pub use evaluator::{Evaluator, Frame, STEPS_MAX};
pub use explain::{Detail, Evidence, Explanation, Line, explain};
pub use missing::{MissingFact, MissingWhat};
pub use params::{ParamError, parameter_values, parse_parameter, used_parameters};
pub use run::{Finding, Options, RuleRun, Scan, scan, scan_again};
pub use value::{Member, Range, SetValue, Truth, Unseen, Val};
pub use verdicts::{Tally, Verdicts};
pub use waiver::{WaiverState, WaiverUse, waiver_state};
pub use watch::{Judged, Pair, READS_MAX, Rejudged, Table, Watch, verdict_of};

//! Tests written in policy files: a small world, and the verdicts that must come out.
//!
//! In: checked policies. Out: what did not come out as expected, in words, with the place of the expectation. The same
//! runner serves the project's own suite and `tenet test`.

mod knock_out;
mod run;
mod world;

pub use knock_out::{knock_out, knocked_out};
pub use run::{TestFailure, run_test, with_world};
pub use world::{WorldError, test_instant, world};

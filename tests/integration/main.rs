//! Tests of the whole pipeline, from files to verdicts.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests read files, and some print")]

mod docs;
mod faults;
mod generated;
#[path = "../oracle/mod.rs"]
mod oracle;
mod soundness;
mod stories;
mod tenant;

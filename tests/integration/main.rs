//! Tests of the whole pipeline, from files to verdicts, of the program itself, and of the house it is built of.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be, and works with files and the program"
)]

mod cli;
mod faults;
mod hostile;
mod layers;
mod program;
mod stories;
mod tenant;

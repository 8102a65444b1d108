//! Tests of the whole pipeline, from files to verdicts, of the program itself, and of the house it is built of.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::pedantic,
    reason = "a test that cannot go on fails; it works with files and the program"
)]

mod actions;
mod agree;
mod apply;
mod azure;
#[path = "../support/azure/mod.rs"]
mod azure_server;
mod canonical;
mod cli;
mod collect;
mod docs;
mod faults;
#[path = "../support/generate.rs"]
mod generate;
mod generated;
mod generator;
mod hostile;
mod index;
mod layers;
mod memory;
mod open_world;
#[path = "../oracle/mod.rs"]
mod oracle;
mod overlay;
mod plans;
mod previous;
mod program;
mod query_plans;
mod remedies;
mod soundness;
mod stories;
mod tables;
mod tenant;

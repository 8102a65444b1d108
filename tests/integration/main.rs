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
mod attestations;
mod azure;
#[path = "../support/azure/mod.rs"]
mod azure_server;
mod browser;
mod canonical;
mod cli;
mod collect;
mod comparisons;
#[path = "../support/directory.rs"]
mod directory;
mod docs;
mod evidence;
mod faults;
mod fold;
mod formats;
#[path = "../support/generate.rs"]
mod generate;
mod generated;
mod generator;
mod graph;
mod hostile;
mod html;
mod impact;
mod index;
mod layers;
mod memory;
mod open_world;
mod openapi;
#[path = "../oracle/mod.rs"]
mod oracle;
mod overlay;
mod plans;
mod previous;
mod program;
mod pseudonyms;
mod query_plans;
mod remedies;
mod soundness;
mod stories;
mod tables;
mod tenant;
mod waivers;

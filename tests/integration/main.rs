//! Tests of the whole pipeline, from files to verdicts.

mod docs;
mod faults;
mod generated;
mod stories;
mod tenant;

//! Tests of the whole pipeline, from files to verdicts.

mod faults;
mod stories;
mod tenant;

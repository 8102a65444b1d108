//! Tests of the whole pipeline, from files to verdicts.

mod stories;
mod tenant;

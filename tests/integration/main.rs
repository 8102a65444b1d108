//! Tests of the whole pipeline, from files to verdicts.

mod docs;
mod generated;

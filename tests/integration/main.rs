//! Tests of the whole pipeline, from files to verdicts, of the program itself, and of the house it is built of.

mod faults;
mod layers;
mod stories;
mod tenant;

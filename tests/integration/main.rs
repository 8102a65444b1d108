//! Tests over the whole pipeline.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "../oracle/mod.rs"]
mod oracle;
mod soundness;

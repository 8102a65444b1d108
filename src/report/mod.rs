//! Results and diagnostics for people and machines, one format a file.
//!
//! In: a scan with its policies and snapshot, or diagnostics with their sources. Out: text. Invariants: canonical order;
//! everything that comes from a tenant is escaped for the format it is written to; a summary shows every count.

mod diagnostics;

pub use diagnostics::{DiagnosticFormat, render_diagnostics};

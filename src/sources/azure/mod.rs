//! The services of the Microsoft cloud: a model of them in memory, and the client that reads and writes the real ones.
//!
//! - `memory`: a deterministic tenant in memory, for tests and for the demo
//! - `address`: how addresses are written and read
//! - `operation`: long-running operations
//!
//! Invariants: a client that reads has no way to write; a token is never shown, logged or stored.

pub mod address;
pub mod memory;
mod operation;

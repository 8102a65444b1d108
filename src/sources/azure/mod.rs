//! The services of the Microsoft cloud: a model of them in memory, and the client that reads and writes the real ones.
//!
//! - `memory`: a deterministic tenant in memory, for tests and for the demo
//! - `cloud`, `credentials`: where the services are, and who signs in
//! - `environment`, `certificate`: an application signs in; `challenge`: claims that a service demands of a token
//! - `client`: reading, and writing for apply; `target`: the same as apply sees it
//! - `retry`, `buckets`, `pace`: how long to wait; how fast to ask; the clock and the dice of this machine
//! - `wire`, `address`, `continuation`, `operation`: transport, addresses, how a list goes on, long-running operations
//! - `requests`: actions to requests
//!
//! Invariants: a client that reads has no way to write; a token is never shown, logged or stored, and goes to the hosts of
//! the cloud and nowhere else.

pub mod address;
mod buckets;
mod certificate;
pub mod challenge;
pub mod client;
pub mod cloud;
pub mod continuation;
pub mod credentials;
mod environment;
pub mod memory;
mod operation;
pub mod pace;
pub mod requests;
pub mod retry;
pub mod target;
mod wire;

pub use requests::AzureRequests;
pub use wire::{Carrier, Outgoing, Received, Unanswered, install_crypto};

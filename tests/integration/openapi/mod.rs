//! Requests and the answers of the tenant in memory, held to the official descriptions of the services in `fixtures/openapi`.
//!
//! What a whole collection sends is checked in `collect/described.rs`, what apply sends in `apply/described.rs`.

mod actions;
mod description;
mod wrong;

pub(crate) use description::{Asked, Descriptions};

//! `tenet`: policy compliance for partner-of-record governance in Microsoft cloud tenants.

pub mod check;
pub mod evaluate;
pub mod model;
pub mod snapshot;
pub mod sources;
pub mod syntax;
pub mod text;
pub mod remedy;
pub mod testing;

//! `tenet`: policy compliance for partner-of-record governance in Microsoft cloud tenants.

pub mod model;
pub mod snapshot;
pub mod sources;
// pub mod syntax;
pub mod text;

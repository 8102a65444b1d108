//! Azure Resource Manager and Microsoft Graph: the facts about these services that acting on them takes.
//!
//! - `requests`: actions to requests

pub mod requests;

pub use requests::AzureRequests;

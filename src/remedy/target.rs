//! What apply works with: a tenant that can be read and written, a journal, a clock. Their I/O lives at the edge.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::plan::{Read, Request};

/// Who is signed in where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The directory.
    pub tenant: String,
    /// Object id of the identity.
    pub principal: String,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, if it is JSON; a list is whole, its pages put together under `/value`.
    pub body: Option<Json>,
    /// The id the service gave the request.
    pub request_id: Option<String>,
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Refused, with the permission that is missing as far as it is known.
    #[error("reading {path} was refused: {reason}")]
    Refused {
        /// What was read.
        path: String,
        /// What the service said.
        reason: String,
    },
    /// No answer that can be used, after all tries.
    #[error("reading {path} failed: {reason}")]
    Failed {
        /// What was read.
        path: String,
        /// What went wrong.
        reason: String,
    },
}

/// Why a write has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Certainly not sent: nothing has changed.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// Sent, and no answer came: whether it took effect is not known.
    #[error("no answer came, so its outcome is not known: {0}")]
    Lost(String),
}

/// The reading side of a tenant.
pub trait ReadTarget {
    /// Tells who is signed in.
    ///
    /// # Errors
    /// [`ReadError`].
    fn signed_in(&mut self) -> Result<SignedIn, ReadError>;

    /// Reads one place; an answer of any status that says something about the place (200, 204, 404) is an answer.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&mut self, read: &Read) -> Result<Answer, ReadError>;
}

/// A tenant that apply writes to.
pub trait Target: ReadTarget {
    /// Sends one request once, and waits for a long-running operation to end. Only a request that was certainly not
    /// accepted (429 before any effect) is tried again inside.
    ///
    /// # Errors
    /// [`WriteError`]. A refusal by the service is an [`Answer`] with its status.
    fn write(&mut self, request: &Request) -> Result<Answer, WriteError>;
}

/// The time, and waiting for it.
pub trait Clock {
    /// Returns the time.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn wait(&self, duration: Duration);
    /// Tells whether somebody asked to stop (Ctrl-C); asked between writes only.
    fn stop_requested(&self) -> bool;
}

//! What carries out an action: the requests behind it. The facts about services live at the edge (`sources::azure`).

use jiff::Timestamp;

use super::plan::{Op, Operation, Risk, Undo};
use crate::model::Value;
use crate::snapshot::Snapshot;

/// An action with its arguments, in the world its step finds.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The world before the step; entities among the arguments are of it.
    pub snapshot: &'a Snapshot,
    /// The instant of the plan.
    pub now: Timestamp,
    /// Name of the action.
    pub action: &'a str,
    /// Arguments in the order the action declares them, with the names of its parameters. Only certain values come here.
    pub arguments: &'a [(&'a str, Value)],
}

/// One request of an action. An action of several requests gives several, each to be verified before the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// What it does to the world.
    pub op: Op,
    /// How much harm it could do.
    pub risk: Risk,
    /// One line for people.
    pub title: String,
    /// Id of what is changed.
    pub target: String,
    /// What is sent, and what must be found before and after.
    pub operation: Operation,
    /// How it is undone.
    pub undo: Undo,
}

/// Turns actions into requests.
pub trait Bind {
    /// Returns the requests of an action of mode `api`, in order.
    ///
    /// # Errors
    /// Why it cannot be carried out, in words: the reason a finding is not planned.
    fn bind(&self, call: &Call<'_>) -> Result<Vec<Bound>, String>;
}

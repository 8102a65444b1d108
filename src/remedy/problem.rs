//! Why a fix is not offered, in words, with the entities it is about.

use crate::model::EntityId;
use crate::snapshot::Snapshot;

/// What kind of obligation is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// What an action requires does not hold.
    Requires,
    /// Nobody is known who may do it.
    Actor,
    /// It would rest on something that is not known.
    Unknown,
    /// What was to be repaired does not pass afterwards.
    NotRepaired,
    /// A verdict gets worse.
    Worse,
    /// Doing it twice is not the same as doing it once.
    Twice,
    /// It takes something that mends nothing.
    NeedLess,
    /// It would change what the plan itself makes.
    Cycle,
    /// Something that is never done by a plan.
    Guard,
    /// A limit.
    Limit,
}

/// An entity that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Involved {
    /// Its type.
    pub entity: String,
    /// Its key.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An obligation that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// What is wrong, in words.
    pub text: String,
    /// The small world it can be seen in.
    pub world: Vec<Involved>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names entities, each once, in the order given.
pub(super) fn involved(world: &Snapshot, ids: &[EntityId]) -> Vec<Involved> {
    let mut found: Vec<Involved> = Vec::new();
    for id in ids {
        let Some(ty) = world.entity_type(*id) else { continue };
        let one = Involved { entity: world.schema().entity_name(ty).to_owned(), id: world.key(*id).into_owned(), name: world.label(*id) };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

//! An oracle for the evaluator: random policies and worlds, holes in them, and what the language document says of each
//! world without holes.
//!
//! - `random`: the generator of random numbers
//! - `schema`: the small schema of the worlds
//! - `policy`: random rules as text
//! - `world`: complete worlds
//! - `facts`: what is said of a world, with holes, and the snapshot of that
//! - `complete`: all worlds that agree with the facts
//! - `naive`: a second interpreter, two-valued, over complete worlds

pub(crate) mod complete;
pub(crate) mod facts;
pub(crate) mod naive;
pub(crate) mod policy;
pub(crate) mod random;
pub(crate) mod schema;
pub(crate) mod world;

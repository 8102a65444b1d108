//! The engines that are held against each other.

use tenet::check::Policies;
use tenet::evaluate::{Options, ParamError, Scan, scan};
use tenet::snapshot::Snapshot;

/// Anything that scans.
pub(crate) type Engine = fn(&Policies, &Snapshot, &Options<'_>) -> Result<Scan, Vec<ParamError>>;

/// The reference evaluator: what it says is right.
pub(crate) const REFERENCE: Engine = |policies, snapshot, options| scan(policies, snapshot, options);

/// The engine that has to agree with it. Until there is another one, the reference stands in for it.
pub(crate) const FAST: Engine = |policies, snapshot, options| scan(policies, snapshot, options);

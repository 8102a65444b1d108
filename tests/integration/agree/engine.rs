//! The engines that are held against each other.

use tenet::check::Policies;
use tenet::evaluate::{Options, ParamError, Scan, scan};
use tenet::snapshot::Snapshot;

/// What a scan gives.
pub(crate) type Scanned = Result<Scan, Vec<ParamError>>;

/// Anything that scans.
pub(crate) type Engine<'e> = &'e (dyn Fn(&Policies, &Snapshot, &Options<'_>) -> Scanned + Sync);

/// The reference evaluator: what it says is right.
pub(crate) const REFERENCE: Engine<'static> = &scan;

/// The engine that has to agree with it. Until there is another one, the reference stands in for it.
pub(crate) const FAST: Engine<'static> = &scan;

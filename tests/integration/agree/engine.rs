//! The engines that are held against each other, and the stores they read.

use std::borrow::Cow;
use std::sync::Arc;

use tenet::check::Policies;
use tenet::evaluate::{Options, Scan, engine, scan};
use tenet::query::Rewrites;
use tenet::snapshot::Snapshot;

/// What a scan gives: the reason in words if nothing was evaluated.
pub(crate) type Scanned = Result<Scan, String>;

/// Anything that scans.
pub(crate) type Engine<'e> = &'e (dyn Fn(&Policies, &Snapshot, &Options<'_>) -> Scanned + Sync);

/// The reference evaluator: what it says is right.
pub(crate) const REFERENCE: Engine<'static> = &|policies, snapshot, options| {
    scan(policies, snapshot, options).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
};

/// The engine that has to agree with it.
pub(crate) const FAST: Engine<'static> =
    &|policies, snapshot, options| engine::scan(policies, snapshot, options).map_err(|error| error.to_string());

/// The engine with some rewrites of plans only.
pub(crate) fn rewritten(on: Rewrites) -> impl Fn(&Policies, &Snapshot, &Options<'_>) -> Scanned + Sync {
    move |policies, snapshot, options| {
        let plan = engine::Plan::rewritten(policies, options, on).map_err(|error| error.to_string())?;
        engine::scan_by(&plan, policies, snapshot, options).map_err(|error| error.to_string())
    }
}

/// What a snapshot is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// As it is.
    Records,
    /// Columns, which everything that is asked of it is answered from.
    Columns,
}

impl Store {
    pub(crate) fn of(self, snapshot: &Snapshot) -> Cow<'_, Snapshot> {
        match self {
            Self::Records => Cow::Borrowed(snapshot),
            Self::Columns => Cow::Owned(Snapshot::from_columns(Arc::clone(snapshot.columns()))),
        }
    }
}

/// The two that are compared: the first over records, the second over a store.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'e> {
    pub(crate) one: Engine<'e>,
    pub(crate) other: Engine<'e>,
    pub(crate) store: Store,
}

/// The engine against the reference evaluator, reading from a store.
pub(crate) fn fast_over(store: Store) -> Pair<'static> {
    Pair { one: REFERENCE, other: FAST, store }
}

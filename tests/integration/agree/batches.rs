//! However a scan is cut into batches, and on however many threads it runs, it says the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenet::check::Policies;
use tenet::evaluate::{Options, engine};
use tenet::snapshot::Snapshot;
use tenet::{BuiltinModules, compile};

use super::engine::Scanned;
use crate::generate::{NOW, Shape, tenant};

/// The same in its smallest batches, on a number of threads: small worlds go all ways, too.
pub(crate) fn in_small_batches(threads: usize) -> impl Fn(&Policies, &Snapshot, &Options<'_>) -> Scanned + Sync {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    move |policies, snapshot, options| {
        let mut plan = engine::Plan::new(policies, options).map_err(|error| error.to_string())?;
        plan.sizes = engine::Sizes::SMALLEST;
        let (now, params, packs, subject, waivers) = (options.now, options.params, options.packs, options.subject, options.waivers);
        pool.install(|| {
            let options = Options { now, params, packs, select: &|_| true, subject, waivers };
            engine::scan_by(&plan, policies, snapshot, &options).map_err(|error| error.to_string())
        })
    }
}

#[test]
fn threads_and_batches_make_no_difference() {
    let policies = compile(BuiltinModules::All, &[]).policies;
    let params = BTreeMap::new();
    let options = Options { now: NOW.parse().unwrap(), params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
    let mut plan = engine::Plan::new(&policies, &options).unwrap();
    let usual = plan.sizes;
    for gaps in [0, 60] {
        let records = tenant(&policies.schema, Shape { seed: 11, subscriptions: 40, gaps }).unwrap();
        let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), records);
        let mut seen = Vec::new();
        for sizes in [usual, engine::Sizes::SMALLEST] {
            plan.sizes = sizes;
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let decided = {
                    let (now, params) = (options.now, options.params);
                    pool.install(|| {
                        let options = Options { now, params, packs: None, select: &|_| true, subject: None, waivers: true };
                        engine::decide(&plan, &policies, &snapshot, &options, true).unwrap()
                    })
                };
                seen.push((threads, sizes == usual, format!("{decided:?}")));
            }
        }
        let (_, _, first) = seen.first().unwrap();
        assert!(first.contains("Fail") && first.contains("Pass") && (gaps == 0 || first.contains("Unknown")));
        let others: Vec<_> = seen.iter().filter(|(_, _, text)| text != first).map(|(threads, usual, _)| (threads, usual)).collect();
        assert!(others.is_empty(), "gaps {gaps}: {others:?} differ from one thread");
    }
}

//! The tenants of the fixtures, judged by both engines.

use std::sync::Arc;

use jiff::SignedDuration;
use tenet::evaluate::Options;
use tenet::query::Rewrites;
use tenet::snapshot::Snapshot;

use super::compare::{Depth, compare};
use super::engine::{Pair, REFERENCE, Store, fast_over, rewritten};
use super::written::written_apart;
use crate::stories::STORIES;
use crate::tenant::Tenant;

/// Days after the end of the capture at which the tenants are judged.
const DAYS: [i64; 5] = [0, -1, -400, 1, 400];

fn differences(folder: &str) -> Vec<String> {
    let tenant = Tenant::open(folder);
    let policies = &tenant.compiled.policies;
    let records = tenant.records(&tenant.answers(), false).unwrap();
    let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), records);
    let mut found = Vec::new();
    for days in DAYS {
        tenant.with_options(&snapshot, None, |options| {
            let now = options.now + SignedDuration::from_hours(24 * days);
            let every_rule = Options { now, packs: None, ..*options };
            for options in [Options { now, ..*options }, every_rule] {
                if days == 0 {
                    found.extend(
                        written_apart(policies, &snapshot, &options)
                            .into_iter()
                            .map(|difference| format!("{folder}, written: {difference}")),
                    );
                }
                let depth = if days == 0 { Depth::Reasons } else { Depth::Attestations };
                let slow_over_columns = Pair { one: REFERENCE, other: REFERENCE, store: Store::Columns };
                let plain = rewritten(Rewrites::none());
                let as_written = Pair { one: REFERENCE, other: &plain, store: Store::Columns };
                for pair in [fast_over(Store::Records), fast_over(Store::Columns), slow_over_columns, as_written] {
                    let compared = compare(policies, &snapshot, &options, pair, depth);
                    assert!(compared.scan.is_some_and(|scan| !scan.findings.is_empty()), "{folder}: nothing was judged");
                    found.extend(compared.differences.into_iter().map(|difference| format!("{folder}, {days} days later: {difference}")));
                }
            }
        });
    }
    found
}

#[test]
fn the_engines_agree_on_fixtures() {
    let found: Vec<String> = STORIES.iter().chain(&["contoso"]).flat_map(|folder| differences(folder)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

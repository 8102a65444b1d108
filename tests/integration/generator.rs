//! The generator of tenants gives what it promises.

use std::collections::BTreeSet;
use std::sync::Arc;

use tenet::snapshot::{Records, Snapshot};
use tenet::{BuiltinModules, compile};

use super::generate::{Shape, tenant};

fn made(seed: u64, gaps: u32) -> Records {
    let compiled = compile(BuiltinModules::WithoutRules, &[]);
    tenant(&compiled.policies.schema, Shape { seed, subscriptions: 30, gaps }).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_tenant() {
    for gaps in [0, 100] {
        let records = made(7, gaps);
        assert!(records.entities.len() > 500, "{} entities", records.entities.len());
        assert_eq!(records, made(7, gaps));
        assert_ne!(records, made(8, gaps));
    }
}

#[test]
fn gaps_take_nothing_but_knowledge() {
    let keys = |records: Records| records.entities.into_iter().map(|record| record.key).collect::<BTreeSet<_>>();
    assert_eq!(keys(made(7, 0)), keys(made(7, 300)));
}

#[test]
fn without_gaps_lists_are_whole_and_with_them_some_are_not() {
    let compiled = compile(BuiltinModules::WithoutRules, &[]);
    let open = |gaps| {
        let snapshot = Snapshot::freeze(Arc::clone(&compiled.policies.schema), made(7, gaps));
        let property = |name| compiled.policies.schema.entity_named("Scope").unwrap().properties[name];
        let ids = snapshot.extent(compiled.policies.schema.entity_named("Subscription").unwrap().id).collect::<Vec<_>>();
        ids.into_iter().filter(|id| !snapshot.nav(*id, property("role_assignments")).completeness.complete).count()
    };
    assert_eq!(open(0), 0);
    assert!(open(300) > 0);
}

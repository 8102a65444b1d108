//! One canonical text of a policy, and one form of a snapshot whatever the order of facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenet::check::builtin_files;
use tenet::evaluate::{Options, scan};
use tenet::snapshot::Snapshot;
use tenet::syntax::{format, parse};
use tenet::text::{FileId, SourceFile};

use crate::oracle::facts::Facts;
use crate::oracle::policy::policy;
use crate::oracle::random::Random;
use crate::oracle::schema::{Ids, Shape};
use crate::oracle::world::World;
use crate::soundness::compiled;

/// The tree of a file as text, without the places where things stand.
fn tree(text: &str) -> String {
    let (tree, diagnostics) = parse(FileId(0), &SourceFile::new("case.tenet", text));
    assert!(diagnostics.is_empty(), "{diagnostics:?}\n{text}");
    let shown = format!("{tree:?}");
    let mut bare = String::with_capacity(shown.len());
    let mut rest = shown.as_str();
    while let Some((before, after)) = rest.split_once("Span { ") {
        bare.push_str(before);
        rest = after.split_once('}').unwrap().1;
    }
    bare + rest
}

fn survives_formatting(name: &str, text: &str) {
    let once = format(FileId(0), &SourceFile::new(name, text)).unwrap();
    let twice = format(FileId(0), &SourceFile::new(name, once.as_str())).unwrap();
    assert_eq!(once, twice, "{name}: formatting twice is not formatting once");
    assert!(tree(text) == tree(&once), "{name}: formatting changed the meaning of\n{text}\nto\n{once}");
}

#[test]
fn formatting_keeps_the_tree_of_shipped_policies() {
    for file in builtin_files() {
        survives_formatting(file.path, file.text);
    }
}

#[test]
fn formatting_keeps_the_tree_of_random_policies() {
    for seed in 1..=400 {
        let mut random = Random::new(seed);
        let shape = Shape::random(&mut random);
        let text = policy(&mut random, shape);
        survives_formatting(&format!("seed {seed}"), &text);
        // Line breaks where the author may put them.
        survives_formatting(&format!("seed {seed}, broken"), &text.replace(" and ", "\n  and ").replace(" : ", "\n :   "));
    }
}

#[test]
fn facts_in_any_order_give_equal_snapshots_and_equal_scans() {
    let mut compared = 0;
    for seed in 1..=300 {
        let mut random = Random::new(seed);
        let shape = Shape::random(&mut random);
        let (policies, errors) = compiled(&policy(&mut random, shape));
        if !errors.is_empty() {
            continue;
        }
        let ids = Ids::of(&policies);
        let world = World::random(&mut random, shape, &ids);
        let mut facts = Facts::full(&world, &mut random);
        for _ in 0..3 {
            facts.dig(&world, &mut random);
        }
        let records = facts.records(&world, &policies, &ids, facts.order);
        let params = BTreeMap::new();
        let options = Options { now: world.now, params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
        let findings = |records| scan(&policies, &Snapshot::freeze(policies.schema.clone(), records), &options).unwrap().findings;
        let expected = findings(records.clone());
        for turn in 1..4 {
            let other = facts.records(&world, &policies, &ids, facts.order.wrapping_add(turn));
            assert_eq!(records, other, "seed {seed}: another order of facts");
            assert_eq!(expected, findings(other), "seed {seed}: another scan");
        }
        let frozen = Snapshot::freeze(policies.schema.clone(), records);
        let columnar = Snapshot::from_columns(Arc::clone(frozen.columns()));
        assert_eq!(expected, scan(&policies, &columnar, &options).unwrap().findings, "seed {seed}: from columns");
        assert_eq!(*columnar.records(), *frozen.records(), "seed {seed}: records from columns");
        compared += 1;
    }
    assert!(compared > 200, "only {compared} policies were compared");
}

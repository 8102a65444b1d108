//! What the oracle found in snapshots that are read, and not given whole as the worlds of tests are.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tenet::check::Policies;
use tenet::evaluate::{Detail, Options, explain, scan};
use tenet::model::{Attestation, Completeness, FactSource, SourceId, SourceKind, Verdict};
use tenet::snapshot::{Snapshot, SnapshotBuilder};

use crate::soundness::compiled;

const SCHEMA: &str = "edition 1
module cases
abstract entity Party key id: String { assets: set Asset inverse owner }
entity Person is Party { boss: Person? inverse reports reports: set Person inverse boss }
entity Team is Party {}
entity Asset key id: String { owner: Party inverse assets }
@lifetime(from: \"made_at\", to: \"gone_at\")
entity Ticket key id: String { made_at: Instant? gone_at: Instant? gate: Gate inverse tickets }
entity Gate key id: String { tickets: set Ticket inverse gate }
";

fn policies(rule: &str) -> Policies {
    let (policies, errors) = compiled(&format!("{SCHEMA}{rule}"));
    assert!(errors.is_empty(), "{errors:?}");
    policies
}

fn instant(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

/// A snapshot read on the first of April that has all entities of these types.
fn builder(policies: &Policies, whole: &[&str]) -> (SnapshotBuilder, SourceId) {
    let mut builder = SnapshotBuilder::new(Arc::clone(&policies.schema));
    builder.captured_at(instant("2026-04-01"));
    for ty in whole {
        let ty = builder.entity_type(ty).unwrap();
        builder.claim_extent(ty, Completeness::now(None));
    }
    let source = builder.source(FactSource::new(SourceKind::Api, "test"));
    (builder, source)
}

/// The verdicts by key, and whether each unknown one names something that is missing.
fn verdicts(policies: &Policies, builder: SnapshotBuilder, now: &str) -> BTreeMap<String, Verdict> {
    let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), builder.records());
    let params = BTreeMap::new();
    let options = Options { now: instant(now), params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
    let scan = scan(policies, &snapshot, &options).unwrap();
    let evaluator = scan.evaluator(policies, &snapshot, 0).unwrap();
    for finding in scan.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown) {
        assert!(!explain(&evaluator, &scan, finding, Detail::Brief).missing.is_empty(), "unknown, and nothing is missing");
    }
    let name =
        |finding: &tenet::evaluate::Finding| finding.subject.map_or_else(|| "?".to_owned(), |subject| snapshot.key(subject).into_owned());
    scan.findings.iter().map(|finding| (name(finding), finding.verdict)).collect()
}

#[test]
fn what_ended_before_the_capture_is_in_no_list() {
    let of_list = "rule R for g: Gate { title \"X\" require r: no t in g.tickets }";
    let of_all = "rule R for g: Gate { title \"X\" require r: no t in Ticket where t.gate == g }";
    for rule in [of_list, of_all] {
        let policies = policies(rule);
        for (now, expected) in [("2026-04-01", Verdict::Pass), ("2026-03-01", Verdict::Unknown)] {
            let (mut builder, _) = builder(&policies, &["Ticket", "Gate"]);
            builder.entity_named("Gate", "gate").unwrap();
            assert_eq!(verdicts(&policies, builder, now)["gate"], expected, "{rule} at {now}");
        }
    }
}

#[test]
fn what_may_be_a_person_may_belong_to_a_list_of_persons() {
    let policies = policies("rule R for p: Person { title \"X\" require r: no r in p.reports }");
    let (mut builder, source) = builder(&policies, &["Person", "Team"]);
    let alice = builder.entity_named("Person", "alice").unwrap();
    builder.set_none(alice, "boss", source).unwrap();
    builder.entity_named("Party", "somebody").unwrap();
    let found = verdicts(&policies, builder, "2026-04-01");
    assert_eq!(found["alice"], Verdict::Unknown);
    assert_eq!(found["somebody"], Verdict::Unknown);
}

#[test]
fn a_lapsed_record_is_doubtful_where_it_was_and_nowhere_else() {
    let policies = policies("rule R for p: Person { title \"X\" require r: no a in p.assets }");
    for (due, expected) in [("2026-05-01", Verdict::Fail), ("2026-03-01", Verdict::Unknown)] {
        let (mut builder, _) = builder(&policies, &["Person", "Team", "Asset"]);
        let attestation = Attestation {
            id: "a".to_owned(),
            attested_by: "somebody".to_owned(),
            attested_at: None,
            evidence_file: None,
            evidence_hash: None,
            review_due_at: Some(instant(due)),
        };
        let register = builder.source(FactSource { attestation: Some(attestation), ..FactSource::new(SourceKind::Register, "r") });
        builder.entity_named("Person", "alice").unwrap();
        let bob = builder.entity_named("Person", "bob").unwrap();
        let asset = builder.entity_named("Asset", "asset").unwrap();
        builder.refer(asset, "owner", bob, register).unwrap();
        let found = verdicts(&policies, builder, "2026-04-01");
        assert_eq!(found["alice"], Verdict::Pass, "review due {due}");
        assert_eq!(found["bob"], expected, "review due {due}");
    }
}

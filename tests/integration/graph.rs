//! Pictures: of the demo tenant, of dense tenants, of hostile names; the same bytes each time.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tenet::check::core_schema;
use tenet::model::EntityId;
use tenet::report::graph::{Limits, Marked, NodeKind, Picture, Seed, draw, write_dot, write_json, write_mermaid, write_svg};
use tenet::snapshot::{Snapshot, SnapshotBuilder};

use crate::formats::repo;
use crate::generate::{NOW, Shape, tenant};
use crate::program::tenet;

fn generated(subscriptions: u32, gaps: u32) -> Snapshot {
    let schema = core_schema();
    let records = tenant(&schema, Shape { seed: 7, subscriptions, gaps }).unwrap();
    Snapshot::freeze(schema, records)
}

fn picture(snapshot: &Snapshot, seed: Seed, limits: Limits) -> Picture {
    draw(snapshot, NOW.parse().unwrap(), &Marked::default(), seed, limits)
}

/// Every edge has two ends, every label stands once, and no entity is drawn twice.
fn is_sound(picture: &Picture, limits: Limits) {
    let keys: Vec<(&str, &str)> = picture.nodes.iter().filter_map(|node| Some((node.entity.as_str(), node.id.as_deref()?))).collect();
    assert!(keys.len() <= limits.nodes, "{} nodes", keys.len());
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "an entity is drawn twice");
    for edge in &picture.edges {
        assert!(edge.from < picture.nodes.len() && edge.to < picture.nodes.len());
        assert_eq!(edge.labels.iter().collect::<BTreeSet<_>>().len(), edge.labels.len(), "{:?}", edge.labels);
    }
}

/// A file of XML that holds these elements and no other.
fn is_plain_svg(svg: &str) {
    let known = ["svg", "desc", "title", "style", "path", "text", "rect", "g"];
    for (at, _) in svg.match_indices('<') {
        let name: String = svg[at + 1..].trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(known.contains(&name.as_str()) || svg[at..].starts_with("<?xml"), "<{name}> in a picture");
    }
}

#[test]
fn the_demo_tenant_is_drawn_in_four_languages() {
    let folder = repo("contoso");
    let run = |args: &[&str]| tenet(folder.path(), args).ends(0, "ok").stdout;
    let json: Value = serde_json::from_str(&run(&["graph", "-f", "json"])).unwrap();
    assert_eq!(json["format"], "tenet.graph/v1");
    let schema: Value = serde_json::from_str(&run(&["schema", "graph"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let nodes = json["nodes"].as_array().unwrap();
    let node = |name: &str| nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("{name} is not drawn"));
    assert_eq!(node("HR Systems")["type"], "Subscription");
    assert!(node("HR Systems")["marks"]["fail"].as_u64().unwrap() > 0);
    assert_eq!(node("Synergy Advisors")["type"], "Partner");
    assert!(node("Logistics")["gaps"][0].as_str().unwrap().starts_with("role assignments: throttled"));
    let svg = run(&["graph"]);
    assert!(svg.contains("✗ 5 fail") && svg.contains("Logistics") && svg.contains("prefers-color-scheme"));
    is_plain_svg(&svg);
    let dot = run(&["graph", "-f", "dot"]);
    assert!(dot.starts_with("digraph tenet {\n") && dot.ends_with("}\n") && dot.contains("HR Systems"));
    let mermaid = run(&["graph", "-f", "mermaid"]);
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("HR Systems"));
    assert_eq!(run(&["graph"]), svg, "the same bytes each time");
    assert_eq!(run(&["--jobs", "1", "graph"]), svg, "and with one thread");
}

#[test]
fn a_subject_is_drawn_with_what_reaches_it() {
    let folder = repo("contoso");
    let drawn = |subject: &str| {
        let text = tenet(folder.path(), &["graph", subject, "-f", "json"]).ends(0, "ok").stdout;
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let names = |picture: &Value| -> BTreeSet<String> {
        picture["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    };
    let designation = drawn("hr-2025");
    assert!(names(&designation).is_superset(&["HR Systems", "Synergy Advisors", "Parker Sloan"].map(str::to_owned).into()));
    assert_eq!(designation["nodes"].as_array().unwrap().iter().filter(|node| node["focus"] == true).count(), 1);
    let subscription = drawn("HR Systems");
    assert!(names(&subscription).contains("DPOR, from 2025-07-21"), "{:?}", names(&subscription));
    let missing = tenet(folder.path(), &["graph", "HR System"]).ends(2, "usage");
    assert!(missing.stderr.contains("did you mean `HR Systems`?"), "{}", missing.stderr);
    tenet(folder.path(), &["graph", "-o", "tenant.svg"]).ends(0, "ok");
    assert!(folder.path().join("tenant.svg").is_file());
}

#[test]
fn dense_tenants_are_cut_and_say_so() {
    let snapshot = generated(300, 20);
    for limits in [Limits::WHOLE, Limits::SMALL] {
        let made = picture(&snapshot, Seed::Tenant, limits);
        is_sound(&made, limits);
        let cut = made.nodes.iter().any(|node| node.left_out > 0);
        assert!(cut && !made.notes.is_empty(), "300 subscriptions do not fit");
        assert!(made.nodes.iter().any(|node| node.kind == NodeKind::More), "members of long lists are counted");
        is_plain_svg(&write_svg(&made));
    }
}

#[test]
fn every_entity_can_be_drawn() {
    let snapshot = generated(3, 100);
    for id in (0..u32::try_from(snapshot.len()).unwrap()).map(EntityId) {
        let made = picture(&snapshot, Seed::Subject(id), Limits::SMALL);
        is_sound(&made, Limits::SMALL);
        assert!(!made.nodes.is_empty());
        is_plain_svg(&write_svg(&made));
        assert_eq!(write_svg(&made), write_svg(&picture(&snapshot, Seed::Subject(id), Limits::SMALL)));
    }
}

#[test]
fn circles_are_drawn() {
    for story in ["stories/management_group_cycle", "stories/nested_group_cycle"] {
        let folder = repo(story);
        let svg = tenet(folder.path(), &["graph"]).ends(0, "ok").stdout;
        is_plain_svg(&svg);
    }
}

#[test]
fn hostile_names_stay_text() {
    let names = [
        "</text></svg><script>alert(1)</script>",
        "\"]; n0 -> n1 [label=\"x",
        "\"] --> n0[\"`x`\"]:::evil",
        "\u{1b}]0;x\u{7}\u{202e}\r\n%%{init: {}}%%",
        "a\\\"b\\N\\G\n]]>&amp;<!--",
        "\u{0}\u{ffff}\u{fffe}",
    ];
    for name in names {
        let snapshot = named(name);
        let made = picture(&snapshot, Seed::Tenant, Limits::WHOLE);
        assert_eq!(made.nodes.len(), 2, "a tenant and a subscription");
        let svg = write_svg(&made);
        is_plain_svg(&svg);
        let (dot, mermaid, json) = (write_dot(&made), write_mermaid(&made), write_json(&made).unwrap());
        for text in [&svg, &dot, &mermaid, &json] {
            let controls = text.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
            assert_eq!(controls.count(), 0, "{text:?}");
        }
        assert_eq!(dot.lines().filter(|line| line.contains("->")).count() - usize::from(name.contains("->")), 1, "{dot}");
        assert_eq!(quotes(&dot) % 2, 0, "{dot}");
        let lines: Vec<&str> = mermaid.lines().filter(|line| line.starts_with("  n")).collect();
        assert_eq!(lines.len(), 3, "{mermaid}");
        assert!(lines.iter().all(|line| line.matches('"').count() == 2 && !line.contains('`')), "{mermaid}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["nodes"][1]["name"], name, "JSON keeps the name as it is");
    }
}

/// Quotes of DOT that no backslash stands before.
fn quotes(dot: &str) -> usize {
    let (mut n, mut escaped) = (0, false);
    for c in dot.chars() {
        n += usize::from(c == '"' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    n
}

/// A directory with one subscription of this name.
fn named(name: &str) -> Snapshot {
    use tenet::model::{FactSource, SourceKind, Value};
    let schema = core_schema();
    let mut builder = SnapshotBuilder::new(Arc::clone(&schema));
    builder.meta_mut().tenant = Some("7e000000-0000-4000-8000-000000000000".to_owned());
    let source = builder.source(FactSource::new(SourceKind::Api, "arm:subscriptions"));
    builder.entity_named("Tenant", "7e000000-0000-4000-8000-000000000000").unwrap();
    let subscription = builder.entity_named("Subscription", "/subscriptions/50000000-0000-4000-8000-000000000000").unwrap();
    builder.set(subscription, "display_name", Value::text(name), source).unwrap();
    Snapshot::freeze(schema, builder.records())
}

//! A snapshot folded into the next one knows what either knew, and nothing that was not so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tenet::check::Policies;
use tenet::evaluate::{Options, engine, scan};
use tenet::model::{Bound, Completeness, FactSource, Interval, SourceId, SourceKind, Value, Verdict};
use tenet::snapshot::{FoldError, Handle, Records, Snapshot, SnapshotBuilder, fold};
use tenet::sources::azure::pace::MachinePace;
use tenet::sources::azure::retry::Pace as _;
use tenet::sources::disk::{read_snapshot, to_tables, write_snapshot};
use tenet::{BuiltinModules, PolicyFile, compile};

use crate::soundness::compiled;

const RULES: &str = "edition 1
module cases
enum Color { Red, Blue }
abstract entity Scope key id: String {
  parent: Scope? inverse children history
  children: set Scope inverse parent history
  grants: set Grant inverse scope history
  color: Color history
}
entity Place is Scope {}
abstract entity Party key id: String { member_of: set Team inverse members history grants: set Grant inverse party }
entity Person is Party {}
entity Team is Party { members: set Party inverse member_of history }
@lifetime(from: \"made_at\", to: \"ends_at\")
entity Grant key id: String { scope: Scope inverse grants party: Party inverse grants strong: Bool made_at: Instant? ends_at: Instant? }
entity Event key id: String { scope: Scope by: Party when_at: Instant }
rule OWNER for e: Event { title \"X\" require was: some x in e.scope.parent^* as of e.when_at, g in x.grants as of e.when_at
  : g.strong and (g.party == e.by or (g.party is Team and e.by in g.party.members^+ as of e.when_at)) }
rule NEVER for e: Event { title \"X\" require nobody: no g in e.scope.grants as of e.when_at where g.strong : g.party == e.by }
rule COLOR for e: Event { title \"X\" require red: e.scope.color as of e.when_at == Red }
rule CHILDREN for e: Event { title \"X\" require few: at most 1 c in e.scope.children as of e.when_at : c.id != \"p0\" }
rule TEAMS for e: Event { title \"X\" require nowhere: no t in e.by.member_of as of e.when_at : t.id != \"t0\" }
rule TODAY for e: Event { title \"X\" require few: at most 1 g in e.scope.grants : g.strong }
rule MINE for p: Party { title \"X\" require few: at most 1 g in p.grants : g.strong }
rule EACH for g: Grant { title \"X\" require strong: g.strong }
rule EMPTY for p: Place { title \"X\" require lone: no c in p.children : c.id != \"p0\" }
";

/// A grant while it lasted.
#[derive(Debug, Clone)]
struct Granted {
    id: usize,
    scope: usize,
    party: usize,
    strong: bool,
    from: i64,
    to: Option<i64>,
}

/// What happened in a tenant, in hours. Parties are two persons, then two teams.
#[derive(Debug, Default)]
struct Story {
    /// Place, hour and value of each change, in order.
    parents: Vec<(usize, i64, Option<usize>)>,
    colors: Vec<(usize, i64, u32)>,
    /// Team, member, from, to.
    members: Vec<(usize, usize, i64, Option<i64>)>,
    grants: Vec<Granted>,
    events: Vec<(usize, usize, i64)>,
}

const N_PLACES: usize = 3;
const N_PARTIES: usize = 4;
const HOURS: u64 = 60;

fn hour(at: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + at * 3600).unwrap()
}

struct Dice(MachinePace);

impl Dice {
    fn roll(&self, below: u64) -> usize {
        usize::try_from(self.0.random() % below).unwrap()
    }

    fn often(&self, percent: u64) -> bool {
        self.0.random() % 100 < percent
    }
}

fn story(dice: &Dice) -> Story {
    let mut story = Story::default();
    for place in 0..N_PLACES {
        // Places hang under those of smaller numbers, so that there are no circles.
        let parent = |dice: &Dice| (place > 0 && dice.often(70)).then(|| dice.roll(place as u64));
        story.parents.push((place, -1000, parent(dice)));
        story.colors.push((place, -1000, dice.roll(2) as u32));
        if dice.often(30) {
            story.parents.push((place, dice.roll(HOURS) as i64, parent(dice)));
        }
        if dice.often(40) {
            story.colors.push((place, dice.roll(HOURS) as i64, dice.roll(2) as u32));
        }
    }
    for team in [2, 3] {
        for member in 0..N_PARTIES {
            if member < team && dice.often(50) {
                let from = if dice.often(50) { -900 } else { dice.roll(HOURS) as i64 };
                let to = dice.often(40).then(|| from.max(0) + 1 + dice.roll(HOURS) as i64);
                story.members.push((team, member, from, to));
            }
        }
    }
    for id in 0..5 {
        let mut from = if dice.often(60) { -500 - dice.roll(9) as i64 } else { dice.roll(HOURS) as i64 };
        for _ in 0..2 {
            let to = dice.often(60).then(|| from.max(0) + 1 + dice.roll(HOURS / 2) as i64);
            let (scope, party, strong) = (dice.roll(N_PLACES as u64), dice.roll(N_PARTIES as u64), dice.often(80));
            story.grants.push(Granted { id, scope, party, strong, from, to });
            match to.filter(|_| dice.often(25)) {
                // The same id is used again.
                Some(to) => from = to + 1 + dice.roll(9) as i64,
                None => break,
            }
        }
    }
    for _ in 0..4 {
        story.events.push((dice.roll(N_PLACES as u64), dice.roll(N_PARTIES as u64), dice.roll(HOURS) as i64));
    }
    story
}

/// Facts as they are made up.
struct World<'p> {
    builder: SnapshotBuilder,
    source: SourceId,
    policies: &'p Policies,
}

impl<'p> World<'p> {
    fn new(policies: &'p Policies, at: i64) -> Self {
        let mut builder = SnapshotBuilder::new(Arc::clone(&policies.schema));
        builder.captured_at(hour(at));
        builder.meta_mut().tenant = Some("tenant".to_owned());
        let source = FactSource { read_at: Some(hour(at)), ..FactSource::new(SourceKind::Api, "test").at("answers.jsonl:1") };
        let source = builder.source(source);
        let mut world = Self { builder, source, policies };
        for at in 0..N_PLACES {
            world.place(at);
        }
        for at in 0..N_PARTIES {
            world.party(at);
        }
        world
    }

    fn entity(&mut self, ty: &str, key: &str) -> Handle {
        self.builder.entity_named(ty, key).unwrap()
    }

    fn place(&mut self, at: usize) -> Handle {
        self.entity("Place", &format!("p{at}"))
    }

    fn party(&mut self, at: usize) -> Handle {
        self.entity(if at < 2 { "Person" } else { "Team" }, &format!("t{at}"))
    }

    fn grant(&mut self, key: &str, one: &Granted, made_at: Option<i64>, ended: Option<i64>) {
        let (scope, party) = (self.place(one.scope), self.party(one.party));
        let (grant, source) = (self.entity("Grant", key), self.source);
        self.builder.refer(grant, "scope", scope, source).unwrap();
        self.builder.refer(grant, "party", party, source).unwrap();
        self.builder.set(grant, "strong", Value::Bool(one.strong), source).unwrap();
        if let Some(at) = made_at {
            self.builder.set(grant, "made_at", Value::Instant(hour(at)), source).unwrap();
        }
        let from = made_at.map_or(Bound::Unknown, |at| Bound::At(hour(at)));
        self.builder.existed(grant, Interval { from, to: ended.map_or(Bound::Unbounded, |at| Bound::At(hour(at))) });
    }

    fn events(&mut self, story: &Story) {
        let ty = self.builder.entity_type("Event").unwrap();
        self.builder.claim_extent(ty, Completeness::now(Some(self.source)));
        for (n, (scope, by, at)) in story.events.iter().enumerate() {
            let (event, scope, by) = (self.entity("Event", &format!("e{n}")), self.place(*scope), self.party(*by));
            self.builder.refer(event, "scope", scope, self.source).unwrap();
            self.builder.refer(event, "by", by, self.source).unwrap();
            self.builder.set(event, "when_at", Value::Instant(hour(*at)), self.source).unwrap();
        }
    }

    fn color(&self, color: u32) -> Value {
        let tenet::model::NamedType::Enum(id) = self.policies.schema.named("Color").unwrap() else { panic!() };
        Value::Enum(id, color)
    }
}

fn last<T: Copy>(changes: &[(usize, i64, T)], of: usize, at: i64) -> T {
    changes.iter().filter(|(one, since, _)| *one == of && *since <= at).max_by_key(|(_, since, _)| *since).unwrap().2
}

/// Everything that ever was, as of `at`.
fn truth(policies: &Policies, story: &Story, at: i64) -> Records {
    let mut world = World::new(policies, at);
    world.builder.meta_mut().closed_world = true;
    let source = world.source;
    for place in 0..N_PLACES {
        let handle = world.place(place);
        let until = |times: Vec<i64>, since: i64| times.into_iter().filter(|time| *time > since && *time <= at).min();
        for (_, since, parent) in story.parents.iter().filter(|(one, since, _)| *one == place && *since <= at) {
            let parent = parent.map(|parent| world.place(parent).value());
            let times = story.parents.iter().filter(|(one, ..)| *one == place).map(|(_, since, _)| *since).collect();
            match until(times, *since) {
                Some(to) => {
                    let interval = Interval { from: Bound::At(hour(*since)), to: Bound::At(hour(to)) };
                    world.builder.had(handle, "parent", parent, interval, source).unwrap();
                }
                None => match parent {
                    Some(parent) => world.builder.set(handle, "parent", parent, source).unwrap(),
                    None => world.builder.set_none(handle, "parent", source).unwrap(),
                },
            }
        }
        for (_, since, color) in story.colors.iter().filter(|(one, since, _)| *one == place && *since <= at) {
            let value = world.color(*color);
            let times = story.colors.iter().filter(|(one, ..)| *one == place).map(|(_, since, _)| *since).collect();
            match until(times, *since) {
                Some(to) => {
                    let interval = Interval { from: Bound::At(hour(*since)), to: Bound::At(hour(to)) };
                    world.builder.had(handle, "color", Some(value), interval, source).unwrap();
                }
                None => world.builder.set(handle, "color", value, source).unwrap(),
            }
        }
    }
    for (team, member, from, to) in story.members.iter().filter(|(.., from, _)| *from <= at) {
        let (team, member) = (world.party(*team), world.party(*member));
        let interval = Interval { from: Bound::At(hour(*from)), to: to.map_or(Bound::Unbounded, |to| Bound::At(hour(to))) };
        world.builder.link(team, "members", member, interval, source).unwrap();
    }
    for (n, one) in story.grants.iter().enumerate().filter(|(_, one)| one.from <= at) {
        let key = format!("g{}#{n}", one.id);
        world.grant(&key, one, Some(one.from), one.to);
        // Where all is known, an end that is not stated is one that nobody knows.
        let grant = world.entity("Grant", &key);
        match one.to {
            Some(to) => world.builder.set(grant, "ends_at", Value::Instant(hour(to)), source).unwrap(),
            None => world.builder.set_none(grant, "ends_at", source).unwrap(),
        }
    }
    world.events(story);
    world.builder.records()
}

/// What somebody reads at `at`, with gaps.
fn capture(policies: &Policies, story: &Story, at: i64, dice: &Dice) -> Records {
    let mut world = World::new(policies, at);
    let source = world.source;
    for ty in ["Place", "Person", "Team"] {
        let ty = world.builder.entity_type(ty).unwrap();
        world.builder.claim_extent(ty, Completeness::now(Some(source)));
    }
    let claim =
        |whole: bool| if whole { Completeness::now(Some(source)) } else { Completeness::open(Some("denied".to_owned()), Some(source)) };
    let told = dice.often(80);
    for place in 0..N_PLACES {
        let handle = world.place(place);
        if dice.often(90) {
            match last(&story.parents, place, at) {
                Some(parent) => {
                    let parent = world.place(parent);
                    world.builder.refer(handle, "parent", parent, source).unwrap();
                }
                None => world.builder.set_none(handle, "parent", source).unwrap(),
            }
        }
        if dice.often(80) {
            let color = world.color(last(&story.colors, place, at));
            world.builder.set(handle, "color", color, source).unwrap();
        }
        let whole = dice.often(80);
        for one in story.grants.iter().filter(|one| one.scope == place && one.from <= at && one.to.is_none_or(|to| to > at)) {
            if whole || dice.often(40) {
                world.grant(&format!("g{}", one.id), one, told.then_some(one.from), None);
            }
        }
        let handle = world.place(place);
        world.builder.claim(handle, "grants", claim(whole)).unwrap();
        if whole && dice.often(50) {
            events_of(&mut world, story, place, at, 10 + dice.roll(30) as i64);
        }
    }
    for team in [2, 3] {
        let whole = dice.often(80);
        for (_, member, ..) in story.members.iter().filter(|(of, _, from, to)| *of == team && *from <= at && to.is_none_or(|to| to > at)) {
            if whole || dice.often(40) {
                let (team, member) = (world.party(team), world.party(*member));
                world.builder.link(team, "members", member, Interval::CURRENT, source).unwrap();
            }
        }
        let team = world.party(team);
        world.builder.claim(team, "members", claim(whole)).unwrap();
    }
    world.events(story);
    world.builder.records()
}

/// How many hours an event takes to show.
const DELAY: i64 = 3;

/// What a log of the last hours tells of the grants of a place: events show late, and what was removed in the last hours is in no
/// list and no event. Of an id that was used twice it tells nothing.
fn events_of(world: &mut World<'_>, story: &Story, place: usize, at: i64, back: i64) {
    let (since, until) = (at - back, at - DELAY);
    let of_place: Vec<&Granted> =
        story.grants.iter().filter(|one| one.scope == place && one.from <= at && one.to.is_none_or(|to| to > since)).collect();
    let used = |id: usize| story.grants.iter().filter(|one| one.id == id && one.from <= at).count();
    if of_place.iter().any(|one| used(one.id) > 1) {
        return;
    }
    let mut clear = true;
    for one in of_place {
        let key = format!("g{}", one.id);
        match one.to.filter(|to| *to <= at) {
            Some(to) if to <= until => {
                world.grant(&key, one, (one.from >= since).then_some(one.from), Some(to));
                if one.from < since {
                    // It was there when the log begins.
                    let grant = world.entity("Grant", &key);
                    world.builder.existed(grant, Interval { from: Bound::At(hour(since)), to: Bound::Unbounded });
                }
            }
            // It was made, it is not there, and nothing says that it went.
            Some(_) if (since..=until).contains(&one.from) => clear = false,
            _ => {}
        }
    }
    if clear && since < until {
        let covered = vec![Interval { from: Bound::At(hour(since)), to: Bound::At(hour(until)) }];
        let place = world.place(place);
        let claim = Completeness { complete: false, reason: None, covered, source: Some(world.source) };
        world.builder.claim(place, "grants", claim).unwrap();
    }
}

/// A snapshot by itself: without an earlier one events cover nothing.
fn alone(mut records: Records) -> Records {
    for claim in records.entities.iter_mut().flat_map(|record| &mut record.completeness) {
        claim.1.covered.clear();
    }
    records
}

fn verdicts(policies: &Policies, records: &Records, now: i64) -> BTreeMap<(String, String), Verdict> {
    let snapshot = Snapshot::freeze(Arc::clone(&policies.schema), records.clone());
    let params = BTreeMap::new();
    let options = Options { now: hour(now), params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
    let found = scan(policies, &snapshot, &options).unwrap();
    let fast = engine::scan(policies, &snapshot, &options).unwrap();
    assert_eq!(found.findings, fast.findings);
    let key = |finding: &tenet::evaluate::Finding| {
        let rule = found.rule(policies, finding).unwrap().id.clone();
        (rule, finding.subject.map_or_else(|| "*".to_owned(), |subject| snapshot.key(subject).into_owned()))
    };
    found.findings.iter().map(|finding| (key(finding), finding.verdict)).collect()
}

fn is_definite(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::Fail)
}

#[test]
fn whatever_a_chain_of_snapshots_decides_was_so() {
    let (policies, errors) = compiled(RULES);
    assert!(errors.is_empty(), "{errors:?}");
    let schema = &policies.schema;
    let seeds: u64 = std::env::var("TENET_FOLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let mut tally: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let mut rules_decided: BTreeSet<String> = BTreeSet::new();
    for seed in 0..seeds {
        let dice = Dice(MachinePace::seeded(seed));
        let mut story = story(&dice);
        let mut times: Vec<i64> = (0..3).map(|_| dice.roll(HOURS) as i64).collect();
        times.sort_unstable();
        times.dedup();
        let end = *times.last().unwrap();
        story.events.iter_mut().for_each(|event| event.2 = if dice.often(25) { times[0] } else { event.2.min(end) });
        let captures: Vec<Records> = times.iter().map(|at| capture(&policies, &story, *at, &dice)).collect();
        let mut folded = alone(captures[0].clone());
        for capture in &captures[1..] {
            folded = fold(schema, &folded, capture.clone(), "snapshot a of b").unwrap();
        }
        let before_all = verdicts(&policies, &alone(captures.last().unwrap().clone()), end);
        let after = verdicts(&policies, &folded, end);
        let known = verdicts(&policies, &truth(&policies, &story, end), end);
        for (key, verdict) in &after {
            let before = before_all.get(key);
            let kind = if key.1.starts_with('e') { "events" } else { "others" };
            let counted = tally.entry(kind).or_default();
            counted[0] += 1;
            counted[1] += u64::from(before.is_some_and(|before| is_definite(*before)));
            counted[2] += u64::from(is_definite(*verdict));
            // Grants have other names where all is known.
            if key.1.starts_with('e') || key.1.starts_with('t') || key.1.starts_with('p') {
                assert!(
                    !is_definite(*verdict) || known[key] == *verdict,
                    "seed {seed}: {key:?} is {verdict:?}, was {before:?}, and in truth {:?}; captured at {times:?}: {story:?}",
                    known[key]
                );
            }
            if is_definite(*verdict) && !before.is_some_and(|before| is_definite(*before)) {
                rules_decided.insert(key.0.clone());
            }
        }
        for (key, verdict) in before_all.iter().filter(|(_, verdict)| is_definite(**verdict)) {
            assert_eq!(after.get(key), Some(verdict), "seed {seed}: {key:?} was decided by the new snapshot alone");
        }
        assert_eq!(before_all.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "seed {seed}");
    }
    println!("{seeds} stories: {tally:?} (all, decided alone, decided when folded); decided by folding: {rules_decided:?}");
    assert!(rules_decided.contains("OWNER") && rules_decided.contains("NEVER") && rules_decided.contains("COLOR"), "{rules_decided:?}");
}

#[test]
fn a_folded_snapshot_is_stored_as_it_is() {
    let (policies, _) = compiled(RULES);
    let schema = &policies.schema;
    let dice = Dice(MachinePace::seeded(7));
    let story = story(&dice);
    let captures: Vec<Records> = [10, 30, 50].iter().map(|at| capture(&policies, &story, *at, &dice)).collect();
    let make = || {
        let first = fold(schema, &captures[0], captures[1].clone(), "snapshot a of 10").unwrap();
        fold(schema, &first, captures[2].clone(), "snapshot b of 30").unwrap()
    };
    let folded = make();
    assert!(to_tables(schema, &folded) == to_tables(schema, &make()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.snapshot");
    write_snapshot(schema, &folded, &path, false).unwrap();
    let (read, _) = read_snapshot(schema, &path).unwrap();
    assert!(read.records() == folded);
    let places: BTreeSet<&str> = folded.sources.iter().filter_map(|source| source.location.as_deref()).collect();
    assert!(places.contains("snapshot a of 10: answers.jsonl:1") && places.contains("snapshot b of 30: answers.jsonl:1"), "{places:?}");
}

#[test]
fn only_an_earlier_snapshot_of_the_same_directory_is_folded() {
    let (policies, _) = compiled(RULES);
    let schema = &policies.schema;
    let at = |hours| World::new(&policies, hours).builder.records();
    let of = |tenant: Option<&str>| {
        let mut records = at(1);
        records.meta.tenant = tenant.map(str::to_owned);
        records
    };
    let refused = |earlier: &Records| fold(schema, earlier, at(9), "x").unwrap_err();
    assert!(matches!(refused(&of(Some("other"))), FoldError::OtherTenant { .. }));
    assert!(matches!(refused(&of(None)), FoldError::NoTenant { which: "earlier" }));
    assert!(matches!(refused(&at(9)), FoldError::NotEarlier { .. }));
    assert!(matches!(refused(&at(10)), FoldError::NotEarlier { .. }));
    let mut timeless = of(Some("tenant"));
    timeless.meta.captured_to = None;
    assert!(matches!(refused(&timeless), FoldError::NoTime { which: "earlier" }));
    assert!(fold(schema, &of(Some("TENANT")), at(9), "x").is_ok());
}

const SUBSCRIPTION: &str = "/subscriptions/5b0e0000-0000-0000-0000-000000000001";
const NEWCOMER: &str = "/subscriptions/5b0e0000-0000-0000-0000-000000000002";
const ALICE: &str = "a11ce000-0000-0000-0000-000000000001";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const TENANT: &str = "c0a70500-0000-4000-8000-000000000001";

/// A tenant of one subscription whose Owner is Alice, or nobody any more; the designation was made on a day of February.
fn small(schema: &Arc<tenet::model::Schema>, day: &str, owned: bool, newcomer: bool) -> Records {
    let mut builder = SnapshotBuilder::new(Arc::clone(schema));
    let read_at: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
    builder.captured_at(read_at);
    builder.meta_mut().tenant = Some(TENANT.to_owned());
    let made = |name: &str| FactSource { read_at: Some(read_at), ..FactSource::new(SourceKind::Api, name) };
    let (source, alias) = (builder.source(made("arm:roleAssignments")), builder.source(made("arm:subscriptionAliases")));
    let root = builder.entity_named("RootScope", "/").unwrap();
    builder.set_none(root, "parent", source).unwrap();
    for key in [Some(SUBSCRIPTION), newcomer.then_some(NEWCOMER)].into_iter().flatten() {
        let subscription = builder.entity_named("Subscription", key).unwrap();
        builder.refer(subscription, "parent", root, source).unwrap();
        builder.claim(subscription, "role_assignments", Completeness::now(Some(source))).unwrap();
        for (name, value) in [("service", "Azure"), ("agreement", "EnterpriseAgreement"), ("state", "Enabled")] {
            builder.set_text(subscription, name, value, source).unwrap();
        }
    }
    let subscription = builder.find("Scope", SUBSCRIPTION).unwrap();
    if owned {
        builder.set_text(subscription, "acquired_at", "2025-12-01", alias).unwrap();
        let assignment = builder
            .entity_named("RoleAssignment", &format!("{SUBSCRIPTION}/providers/microsoft.authorization/roleassignments/{ALICE}"))
            .unwrap();
        let (user, role) = (builder.entity_named("User", ALICE).unwrap(), builder.entity_named("RoleDefinition", OWNER).unwrap());
        builder.refer(assignment, "scope", subscription, source).unwrap();
        builder.refer(assignment, "principal", user, source).unwrap();
        builder.refer(assignment, "role", role, source).unwrap();
        builder.set(assignment, "effective", Value::Bool(true), source).unwrap();
        builder.set_text(assignment, "created_at", "2026-01-01", source).unwrap();
    }
    builder.records()
}

#[test]
fn who_was_owner_is_known_when_the_assignment_is_gone() {
    let file = PolicyFile { name: "x.tenet".to_owned(), path: "x".to_owned(), text: "edition 1\nmodule x\nimport \"tenant/core\"\nimport \"lib/dpor\" as dpor\nrule X-1 for d: Designation { title \"X\" require owner: d.designated_by is not none and dpor.was_owner(d.designated_by, d.subscription, d.designated_at) }".to_owned() };
    let compiled = compile(BuiltinModules::WithoutRules, &[file]);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    let schema = &compiled.policies.schema;
    let (first, second) = (small(schema, "2026-02-10", true, false), small(schema, "2026-03-10", false, true));
    let third = small(schema, "2026-04-10", false, true);
    let folded = fold(schema, &first, second.clone(), "snapshot a of b").unwrap();
    let chain = fold(schema, &folded, third.clone(), "snapshot c of d").unwrap();
    let verdict = |records: &Records, day: &str| {
        let mut builder = SnapshotBuilder::from_records(Arc::clone(schema), records.clone());
        let register = builder.source(FactSource::new(SourceKind::Register, "designations"));
        let (subscription, user) = (builder.find("Scope", SUBSCRIPTION).unwrap(), builder.entity_named("User", ALICE).unwrap());
        let designation = builder.entity_named("Designation", "d").unwrap();
        builder.refer(designation, "subscription", subscription, register).unwrap();
        builder.refer(designation, "designated_by", user, register).unwrap();
        builder.set_text(designation, "designated_at", day, register).unwrap();
        let snapshot = Snapshot::freeze(Arc::clone(schema), builder.records());
        let (now, params) = (snapshot.meta().captured_to.unwrap(), BTreeMap::new());
        let options = Options { now, params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
        let found = scan(&compiled.policies, &snapshot, &options).unwrap();
        assert_eq!(found.findings, engine::scan(&compiled.policies, &snapshot, &options).unwrap().findings);
        found.findings[0].verdict
    };
    for (records, on_the_day) in [(&second, Verdict::Unknown), (&folded, Verdict::Pass), (&chain, Verdict::Pass)] {
        assert_eq!(verdict(records, "2026-02-01"), on_the_day);
        // At the capture itself it was seen; afterwards nobody knows when it went.
        assert_eq!(verdict(records, "2026-02-10"), on_the_day);
        assert_eq!(verdict(records, "2026-02-20"), Verdict::Unknown);
        assert_eq!(verdict(records, "2025-12-24"), Verdict::Unknown);
    }
    // Who is Owner today is what the last reading says.
    let today = Snapshot::freeze(Arc::clone(schema), chain.clone());
    let ty = schema.entity_named("RoleAssignment").unwrap().id;
    let lives = |id| today.lifetime(id).contains(today.meta().captured_to.unwrap()) != Some(false);
    assert_eq!(today.extent(ty).filter(|id| lives(*id)).count(), 0);
    // When it was acquired and first seen.
    let shown = |key: &str, name: &str| {
        let ty = schema.entity_named("Subscription").unwrap().id;
        let (id, property) = (today.find(ty, key).unwrap(), schema.property_named(ty, name).unwrap().id);
        let cell = today.cell(id, property).into_owned();
        let source = cell.source.and_then(|id| today.source(id)).map(FactSource::display);
        (format!("{:?}", cell.state), source)
    };
    assert!(shown(SUBSCRIPTION, "acquired_at").0.contains("2025-12-01"), "{:?}", shown(SUBSCRIPTION, "acquired_at"));
    assert_eq!(shown(SUBSCRIPTION, "acquired_at").1.unwrap(), "arm:subscriptionAliases (snapshot a of b)");
    assert!(shown(SUBSCRIPTION, "first_seen_at").0.contains("2026-02-10"));
    assert!(shown(NEWCOMER, "first_seen_at").0.contains("2026-03-10"));
    assert!(shown(NEWCOMER, "acquired_at").0.contains("Unknown"));
}

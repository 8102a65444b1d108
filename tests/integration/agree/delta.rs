//! A scan that takes over what a change cannot touch says what a whole scan says: random policies over random worlds with
//! random edits, of facts, entities, claims, instants, parameters and rules.
//!
//! `TENET_DELTA_PAIRS` says on how many pairs of a rule and an edit, `TENET_AGREE_SEED` where to begin; a case that is printed
//! is run again with `TENET_DELTA_CASE=own:12:3:4`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use tenet::check::{ParamId, Policies};
use tenet::evaluate::engine::delta::{Share, carried, delta_between, rescan};
use tenet::evaluate::engine::{Plan, decide};
use tenet::evaluate::{Options, Val};
use tenet::model::Schema;

use super::case::{CaseId, Files, Kind, asked, policy_of, world_of};
use super::compare::{Depth, compare};
use super::engine::{FAST, Pair, Store};
use super::policy::Policy;
use super::setting;
use super::world::{Datum, Fact, World};
use crate::oracle::random::Random;

/// Two worlds in one: what is said in which.
#[derive(Clone)]
struct Edited {
    /// Everything of both, with what the new one says of itself.
    world: World,
    /// For each fact whether the old world has it and whether the new one has it.
    facts: Vec<(bool, bool)>,
    entities: Vec<(bool, bool)>,
    /// What the old world says of itself.
    closed: bool,
    captured: Option<jiff::Timestamp>,
    now: jiff::Timestamp,
}

impl Edited {
    fn side(&self, old: bool) -> World {
        let of = |(before, after): (bool, bool)| if old { before } else { after };
        let mut world = self.world.clone();
        let mut kept = self.facts.iter();
        world.facts.retain(|_| of(*kept.next().unwrap()));
        for (at, sides) in self.entities.iter().enumerate() {
            if !of(*sides) && world.entities[at].is_some() {
                world = world.without_entity(at);
            }
        }
        if old {
            (world.closed, world.captured, world.now) = (self.closed, self.captured, self.now);
        }
        world
    }

    fn new(world: World, random: &mut Random, schema: &Schema) -> Self {
        let (closed, captured, now) = (world.closed, world.captured, world.now);
        let (facts, entities) = (vec![(true, true); world.facts.len()], vec![(true, true); world.entities.len()]);
        let mut edited = Self { world, facts, entities, closed, captured, now };
        for _ in 0..*random.pick(&[0, 1, 1, 1, 2, 3, 6]) {
            edited.edit(random, schema);
        }
        let days = |random: &mut Random| SignedDuration::from_hours(24 * *random.pick(&[-40, -10, -2, -1, 1, 2, 10, 30]));
        if random.chance(12) {
            edited.now += days(random);
        }
        if random.chance(6) {
            edited.captured = edited.captured.map(|at| at + days(random));
        }
        if random.chance(2) {
            edited.closed = !edited.closed;
        }
        edited
    }

    /// Says something otherwise in one of the worlds.
    fn edit(&mut self, random: &mut Random, schema: &Schema) {
        if !self.entities.is_empty() && random.chance(10) {
            let at = random.below(self.entities.len());
            self.entities[at] = *random.pick(&[(true, false), (false, true)]);
            return;
        }
        if self.world.facts.is_empty() {
            return;
        }
        let at = random.below(self.world.facts.len());
        if random.chance(25) {
            self.facts[at] = *random.pick(&[(true, false), (false, true)]);
            return;
        }
        let other = self.otherwise(at, random, schema);
        self.facts[at] = if random.chance(80) { (true, false) } else { (true, true) };
        self.world.facts.push(other);
        self.facts.push((false, true));
    }

    /// A fact like another one, in one thing different.
    fn otherwise(&self, at: usize, random: &mut Random, schema: &Schema) -> Fact {
        let mut fact = self.world.facts[at].clone();
        let like = |at: usize| -> Vec<usize> {
            let Some((ty, _)) = &self.world.entities[at] else { return vec![at] };
            let is_like =
                |other: &tenet::model::EntityTypeId| schema.entity(*other).map(|ty| ty.root) == schema.entity(*ty).map(|ty| ty.root);
            let all = self.world.entities.iter().enumerate();
            all.filter(|(_, entity)| entity.as_ref().is_some_and(|(other, _)| is_like(other))).map(|(at, _)| at).collect()
        };
        let values: Vec<Datum> = self.world.facts.iter().filter_map(|other| value_like(&fact, other)).collect();
        match &mut fact {
            Fact::List { claim, .. } | Fact::Extent { claim, .. } if random.chance(70) => claim.complete = !claim.complete,
            Fact::Set { value, .. } | Fact::Member { value, .. } if random.chance(70) => match value {
                Datum::Entity(at) => *at = *random.pick(&like(*at)),
                Datum::Scalar(_) => *value = random.pick(&values).clone(),
            },
            Fact::Set { of, property, from, .. } if random.chance(50) => {
                return Fact::Unknown { of: *of, property: *property, from: *from };
            }
            Fact::Lives { interval, .. } | Fact::Had { interval, .. } | Fact::Member { interval, .. } => {
                let days = SignedDuration::from_hours(24 * *random.pick(&[-20, -1, 1, 20]));
                let moved = |bound| match bound {
                    tenet::model::Bound::At(at) => tenet::model::Bound::At(at + days),
                    other => other,
                };
                (interval.from, interval.to) = (moved(interval.from), moved(interval.to));
            }
            Fact::Set { of, .. } | Fact::None { of, .. } | Fact::Unknown { of, .. } => *of = *random.pick(&like(*of)),
            Fact::List { of, .. } => *of = *random.pick(&like(*of)),
            Fact::Extent { claim, .. } => claim.covered.clear(),
        }
        if random.chance(10)
            && let Fact::Set { from, .. } | Fact::Member { from, .. } | Fact::List { from, .. } | Fact::Extent { from, .. } = &mut fact
        {
            *from = random.below(8);
        }
        fact
    }
}

fn value_like(fact: &Fact, other: &Fact) -> Option<Datum> {
    match (fact, other) {
        (Fact::Set { property: a, .. }, Fact::Set { property: b, value, .. })
        | (Fact::Member { property: a, .. }, Fact::Member { property: b, value, .. })
            if a == b =>
        {
            Some(value.clone())
        }
        _ => None,
    }
}

/// Everything about one case.
struct Case<'a> {
    id: CaseId,
    files: &'a Files,
    policies: &'a Policies,
    before: &'a Policies,
    edited: Edited,
    /// Leaves out what differs, to see that it is missed.
    forgets: bool,
}

/// What one case came to.
#[derive(Default)]
struct Seen {
    differences: Vec<String>,
    shares: Vec<Share>,
}

impl Case<'_> {
    fn judge(&self, depth: Depth) -> Seen {
        let (old, new) = (self.edited.side(true), self.edited.side(false));
        let schema = self.files.schema();
        let (old_snapshot, new_snapshot) = (old.snapshot(schema), new.snapshot(schema));
        let asked_new = asked(self.id, self.policies, &new);
        // Other parameters and packs at times.
        let shifted = if self.id.batch.is_multiple_of(3) { CaseId { world: self.id.world + 1, ..self.id } } else { self.id };
        let asked_old = asked(shifted, self.before, &old);
        let (params, packs) = (asked_new.params(self.policies), asked_new.packs.clone());
        let options = self.options(&new, &params, packs.as_deref(), asked_new.waivers);
        let shares = std::sync::Mutex::new(Vec::new());
        let again = |policies: &Policies, snapshot: &tenet::snapshot::Snapshot, options: &Options<'_>| {
            let said = |error: tenet::evaluate::engine::EngineError| error.to_string();
            let old_params = asked_old.params(self.before);
            let old_options = self.options(&old, &old_params, asked_old.packs.as_deref(), true);
            let plan = Plan::new(policies, options).map_err(said)?;
            // Where the old policies lack a parameter nothing stands from before.
            let Ok(old_plan) = Plan::new(self.before, &old_options) else { return FAST(policies, snapshot, options) };
            let decided = decide(&old_plan, self.before, &old_snapshot, &old_options, false).map_err(said)?;
            let previous = carried(old.now, (&old_plan, self.before, decided), (&plan, policies));
            let mut delta = delta_between(&plan, old_snapshot.columns(), snapshot.columns()).map_err(said)?;
            if self.forgets {
                delta.changed.clear();
            }
            let (judged, found) = rescan(&plan, policies, snapshot, options, previous, &delta).map_err(said)?;
            *shares.lock().unwrap() = found;
            Ok(judged.to_scan())
        };
        let store = if self.id.batch.is_multiple_of(2) { Store::Records } else { Store::Columns };
        let compared = compare(self.policies, &new_snapshot, &options, Pair { one: FAST, other: &again, store }, depth);
        Seen { differences: compared.differences, shares: shares.into_inner().unwrap() }
    }

    fn options<'o>(&self, world: &World, params: &'o BTreeMap<ParamId, Val>, packs: Option<&'o [String]>, waivers: bool) -> Options<'o> {
        Options { now: world.now, params, packs, select: &|_| true, subject: None, waivers }
    }

    /// Drops edits and facts as long as the scans differ.
    fn shrink(&mut self, depth: Depth) {
        let mut smaller = true;
        while smaller {
            smaller = false;
            let tries: Vec<Edited> = self.smaller();
            for tried in tries {
                let kept = std::mem::replace(&mut self.edited, tried);
                if self.judge(depth).differences.is_empty() {
                    self.edited = kept;
                } else {
                    smaller = true;
                    break;
                }
            }
        }
    }

    fn smaller(&self) -> Vec<Edited> {
        let edited = &self.edited;
        let mut tries = Vec::new();
        let mut with = |change: &dyn Fn(&mut Edited)| {
            let mut tried = edited.clone();
            change(&mut tried);
            tries.push(tried);
        };
        if edited.now != edited.world.now {
            with(&|tried| tried.now = tried.world.now);
        }
        if edited.captured != edited.world.captured {
            with(&|tried| tried.captured = tried.world.captured);
        }
        for (at, sides) in edited.facts.iter().enumerate() {
            if *sides != (false, false) {
                with(&|tried| tried.facts[at] = (false, false));
            }
            if *sides == (true, false) || *sides == (false, true) {
                with(&|tried| tried.facts[at] = (true, true));
            }
        }
        for (at, sides) in edited.entities.iter().enumerate() {
            if *sides != (false, false) && edited.world.entities[at].is_some() {
                with(&|tried| tried.entities[at] = (false, false));
            }
        }
        tries
    }
}

/// Drops a rule or a definition of a policy at times.
fn earlier(policy: &Policy, random: &mut Random) -> Policy {
    let mut earlier = policy.clone();
    if random.chance(30) && !earlier.items.is_empty() {
        earlier.items.remove(random.below(earlier.items.len()));
    }
    if random.chance(10) {
        earlier.items.reverse();
    }
    earlier
}

#[derive(Default)]
struct Tally {
    pairs: u64,
    again: u64,
    of: u64,
    whole: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, shares: &[Share]) {
        for share in shares {
            self.pairs += 1;
            self.again += share.again as u64;
            self.of += share.of as u64;
            *self.whole.entry(share.whole.map_or("in part", |whole| whole.reason())).or_default() += 1;
        }
    }
}

fn one(id: CaseId, files: &Files, forgets: bool, tally: &mut Tally) {
    let mut random = Random::new(id.batch.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((id.policy as u64) << 20) ^ ((id.world as u64) << 40));
    let policy = (id.kind != Kind::Builtin).then(|| policy_of(id, files));
    let compiled = match &policy {
        Some(policy) => match files.compile(&policy.text()) {
            Ok(policies) => Some(policies),
            Err(_) => return,
        },
        None => None,
    };
    let earlier = policy.as_ref().map(|policy| earlier(policy, &mut random));
    let before = earlier.as_ref().and_then(|policy| files.compile(&policy.text()).ok());
    let policies = compiled.as_ref().unwrap_or(files.shipped());
    let before = before.as_ref().unwrap_or(policies);
    let edited = Edited::new(world_of(id, files), &mut random, files.schema());
    let mut case = Case { id, files, policies, before, edited, forgets };
    let depth = if id.batch.is_multiple_of(29) { Depth::Reasons } else { Depth::Attestations };
    let seen = case.judge(depth);
    tally.add(&seen.shares);
    if !seen.differences.is_empty() && forgets {
        tally.failures.push(seen.differences.join(", "));
    } else if !seen.differences.is_empty() {
        case.shrink(depth);
        let left = case.judge(depth);
        let (old, new) = (case.edited.side(true).describe(files.schema()), case.edited.side(false).describe(files.schema()));
        tally.failures.push(format!(
            "TENET_DELTA_CASE={id}\ndifferences (whole and again):\n  {}\nmade smaller:\n  {}\n{}\nbefore:\n{old}\nafter:\n{new}",
            seen.differences.join("\n  "),
            left.differences.join("\n  "),
            policy.map_or(String::new(), |policy| policy.text()),
        ));
    }
}

fn batch(number: u64, shared: &[Files; 2], forgets: bool, tally: &mut Tally) {
    let kind = Kind::of_batch(number);
    let own;
    let files = match kind {
        Kind::Own => {
            own = Files::open(Kind::Own, number);
            &own
        }
        Kind::Core => &shared[0],
        Kind::Builtin => &shared[1],
    };
    let n_policies = if kind == Kind::Builtin { 1 } else { 6 };
    for policy in 0..n_policies {
        for world in 0..5 {
            one(CaseId { kind, batch: number, policy, world }, files, forgets, tally);
        }
    }
}

#[test]
fn a_scan_again_says_what_a_whole_scan_says() {
    let shared = || [Files::open(Kind::Core, 0), Files::open(Kind::Builtin, 0)];
    if let Ok(text) = std::env::var("TENET_DELTA_CASE") {
        let id: CaseId = text.parse().unwrap();
        let mut tally = Tally::default();
        one(id, &Files::open(id.kind, id.batch), false, &mut tally);
        assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
        return;
    }
    let (seed, pairs) = (setting("TENET_AGREE_SEED", 1) + 9_000_000, setting("TENET_DELTA_PAIRS", 10_000));
    let (next, done) = (AtomicU64::new(seed), AtomicU64::new(0));
    let mut total = Tally::default();
    std::thread::scope(|scope| {
        let work = || {
            let (mut tally, shared) = (Tally::default(), shared());
            while done.load(Ordering::Relaxed) < pairs && tally.failures.is_empty() {
                let before = tally.pairs;
                batch(next.fetch_add(1, Ordering::Relaxed), &shared, false, &mut tally);
                done.fetch_add((tally.pairs - before).max(1), Ordering::Relaxed);
            }
            tally
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let tally = worker.join().unwrap();
            total.pairs += tally.pairs;
            total.again += tally.again;
            total.of += tally.of;
            tally.whole.into_iter().for_each(|(why, n)| *total.whole.entry(why).or_default() += n);
            total.failures.extend(tally.failures);
        }
    });
    eprintln!("seed {seed}, {} pairs: {} of {} subjects decided again; {:?}", total.pairs, total.again, total.of, total.whole);
    assert!(total.failures.is_empty(), "{}", total.failures.join("\n\n"));
    assert!(total.whole.get("in part").copied().unwrap_or(0) * 4 > total.pairs, "most rules are decided whole: {:?}", total.whole);
}

/// Edits do touch verdicts: where a difference is left out, the scans differ.
#[test]
fn a_difference_that_is_left_out_is_seen() {
    let shared = [Files::open(Kind::Core, 0), Files::open(Kind::Builtin, 0)];
    let mut tally = Tally::default();
    let seed = setting("TENET_AGREE_SEED", 1) + 9_500_000;
    for number in (seed..).take(16) {
        batch(number, &shared, true, &mut tally);
    }
    assert!(tally.failures.len() > 5, "of {} pairs {} were seen", tally.pairs, tally.failures.len());
}

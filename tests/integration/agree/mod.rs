//! The fast engine says what the reference evaluator says: on random policies over random worlds, on the rules that ship
//! over random worlds, and on all fixtures. The reference evaluator says the same over records and over columns.
//!
//! `TENET_AGREE_PAIRS` says on how many pairs of a rule and a world, `TENET_AGREE_SEED` where to begin; a case that is
//! printed is run again with `TENET_AGREE_CASE=own:12:3:4`. `TENET_AGREE_DEPTH=verdicts` leaves reasons alone, and
//! `TENET_AGREE_FAILURES` says how many differences are shown.
//!
//! - `engine`: the two engines
//! - `batches`: the fast one in its smallest batches, on several threads
//! - `schema`, `pools`: a schema with every kind of property, and few values
//! - `policy`, `condition`, `value`, `set`: random policies as text
//! - `world`: random snapshots with holes
//! - `case`: one policy over one world
//! - `compare`: what differs
//! - `shrink`: the smallest case that still differs
//! - `coverage`: what the policies were made of
//! - `fixtures`: the tenants of the fixtures
//! - `mutants`: engines that are wrong in one thing, to see that it is found
//! - `rewrites`: what may be laid out differently
//! - `delta`: what a change cannot touch is taken over
//! - `written`: results that are written while they are made

mod batches;
mod case;
mod compare;
mod condition;
mod coverage;
mod delta;
mod engine;
mod fixtures;
mod mutants;
mod policy;
mod pools;
mod rewrites;
mod schema;
mod set;
mod shrink;
mod value;
mod world;
mod written;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tenet::snapshot::Snapshot;

use self::batches::in_small_batches;
use self::case::{CaseId, Files, Kind, asked, judge, policy_of, world_of};
use self::compare::Depth;
use self::coverage::Coverage;
use self::engine::{Pair, REFERENCE, Store, fast_over};
use self::shrink::Shrinker;
use self::world::World;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// What was seen.
#[derive(Debug, Default)]
struct Tally {
    policies: u64,
    refused: u64,
    refusals: BTreeMap<String, u64>,
    pairs: u64,
    by_kind: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<&'static str, u64>,
    explained: u64,
    unset: u64,
    exhausted: u64,
    waived: u64,
    unseen: u64,
    attested: u64,
    coverage: Coverage,
}

impl Tally {
    fn add(&mut self, other: Self) {
        for (name, n) in other.refusals {
            *self.refusals.entry(name).or_default() += n;
        }
        for (mine, others) in [(&mut self.by_kind, other.by_kind), (&mut self.verdicts, other.verdicts)] {
            others.into_iter().for_each(|(name, n)| *mine.entry(name).or_default() += n);
        }
        self.policies += other.policies;
        self.refused += other.refused;
        self.pairs += other.pairs;
        self.explained += other.explained;
        self.unset += other.unset;
        self.exhausted += other.exhausted;
        self.waived += other.waived;
        self.unseen += other.unseen;
        self.attested += other.attested;
        self.coverage.add(other.coverage);
    }
}

/// Policies and worlds of a batch: each policy is judged over each world.
fn sizes(kind: Kind) -> (usize, usize) {
    match kind {
        Kind::Own => (8, 6),
        Kind::Core => (8, 4),
        Kind::Builtin => (1, 3),
    }
}

/// One of this many comparisons goes down to the reasons.
const EXPLAINED_EVERY: u64 = 23;

/// What is looked for.
#[derive(Clone, Copy)]
struct Search<'e> {
    seed: u64,
    pairs: u64,
    failures_max: usize,
    /// What is compared, for one world after the other.
    turns: &'e [&'e [Pair<'e>]],
    /// Whether a case that differs is made smaller.
    shrinks: bool,
    /// How closely; only some go down to the reasons.
    depth: Depth,
}

/// What one thread keeps.
struct Worker<'e> {
    core: Files,
    builtin: Files,
    search: Search<'e>,
    tally: Tally,
    failures: Vec<String>,
}

impl<'e> Worker<'e> {
    fn new(search: Search<'e>) -> Self {
        let (core, builtin) = (Files::open(Kind::Core, 0), Files::open(Kind::Builtin, 0));
        Self { core, builtin, search, tally: Tally::default(), failures: Vec::new() }
    }

    /// Judges a batch and gives the number of pairs in it.
    fn batch(&mut self, batch: u64) -> u64 {
        let before = self.tally.pairs;
        let kind = Kind::of_batch(batch);
        let own;
        let files = match kind {
            Kind::Own => {
                own = Files::open(Kind::Own, batch);
                &own
            }
            Kind::Core => &self.core,
            Kind::Builtin => &self.builtin,
        };
        let (n_policies, n_worlds) = sizes(kind);
        let id = |policy, world| CaseId { kind, batch, policy, world };
        let worlds: Vec<(World, Snapshot)> = (0..n_worlds)
            .map(|at| {
                let world = world_of(id(0, at), files);
                let snapshot = world.snapshot(files.schema());
                (world, snapshot)
            })
            .collect();
        for policy in 0..n_policies {
            let compiled;
            let policies = if kind == Kind::Builtin {
                files.shipped()
            } else {
                self.tally.policies += 1;
                match files.compile(&policy_of(id(policy, 0), files).text()) {
                    Ok(policies) => {
                        compiled = policies;
                        &compiled
                    }
                    Err(errors) => {
                        self.tally.refused += 1;
                        let first = errors.first().unwrap();
                        *self.tally.refusals.entry(format!("{} {}", first.code, first.message)).or_default() += 1;
                        continue;
                    }
                }
            };
            self.tally.coverage.policies(policies);
            let failed = self.failures.len();
            for (at, (world, snapshot)) in worlds.iter().enumerate() {
                // One difference of a policy is enough to look at.
                if self.failures.len() > failed {
                    break;
                }
                let case = id(policy, at);
                let asked = asked(case, policies, world);
                let turn = batch + at as u64;
                let depth = match self.search.depth {
                    Depth::Reasons if !turn.is_multiple_of(EXPLAINED_EVERY) => Depth::Attestations,
                    depth => depth,
                };
                let pairs = self.search.turns[turn as usize % self.search.turns.len()];
                let mut judged = None;
                for pair in pairs {
                    let compared = judge(policies, snapshot, world, &asked, *pair, depth);
                    if !compared.differences.is_empty() {
                        self.failures.push(if self.search.shrinks {
                            report(case, files, *pair, depth, &compared.differences)
                        } else {
                            format!("{case}: {}", compared.differences.join(", "))
                        });
                    }
                    judged = compared.scan;
                }
                let tally = &mut self.tally;
                tally.explained += u64::from(depth == Depth::Reasons);
                match judged {
                    None => tally.unset += 1,
                    Some(scan) => {
                        let pairs = scan.runs.len() as u64;
                        tally.pairs += pairs;
                        *tally.by_kind.entry(["own", "core", "builtin"][kind as usize]).or_default() += pairs;
                        for finding in &scan.findings {
                            *tally.verdicts.entry(finding.verdict.name()).or_default() += 1;
                            tally.exhausted += u64::from(finding.exhausted);
                            tally.waived += u64::from(finding.waiver.is_some());
                            tally.unseen += u64::from(finding.subject.is_none());
                            tally.attested += u64::from(!finding.attested.is_empty());
                        }
                    }
                }
            }
        }
        self.tally.pairs - before
    }
}

/// Writes everything about a case that differs, as small as it can be made.
fn report(id: CaseId, files: &Files, pair: Pair<'_>, depth: Depth, differences: &[String]) -> String {
    let world = world_of(id, files);
    let policy = (id.kind != Kind::Builtin).then(|| policy_of(id, files));
    let policies = policy.as_ref().map(|policy| files.compile(&policy.text()).unwrap());
    let asked = asked(id, policies.as_ref().unwrap_or(files.shipped()), &world);
    let mut shrinker = Shrinker { files, asked: &asked, pair, depth, tries: 0 };
    let (small, world) = shrinker.shrink(policy.clone(), world);
    let policies = small.as_ref().map(|policy| files.compile(&policy.text()).unwrap());
    let policies = policies.as_ref().unwrap_or(files.shipped());
    let snapshot = world.snapshot(files.schema());
    let left = judge(policies, &snapshot, &world, &asked, pair, depth).differences;
    let schema = if id.kind == Kind::Own { schema_text(id) } else { String::new() };
    format!(
        "TENET_AGREE_CASE={id} (over {:?})\ndifferences (reference and engine):\n  {}\nmade smaller ({} tries):\n  {}\nasked: {asked:?}\n{schema}{}\n{}",
        pair.store,
        differences.join("\n  "),
        shrinker.tries,
        left.join("\n  "),
        small.map_or(String::new(), |policy| policy.text()),
        world.describe(files.schema()),
    )
}

/// The marks of the schema that were drawn.
fn schema_text(id: CaseId) -> String {
    let text = case::own_text(id.batch);
    let drawn = text.lines().filter(|line| line.contains(" history") || line.starts_with("@lifetime") || line.contains("? inverse"));
    format!("schema: {}\n", drawn.map(str::trim).collect::<Vec<_>>().join(" | "))
}

/// Judges batches from a seed on until there were enough pairs.
fn run(search: Search<'_>) -> (Tally, Vec<String>) {
    let Search { seed, pairs, failures_max, .. } = search;
    let (next, done) = (AtomicU64::new(seed), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let work = || {
            let mut worker = Worker::new(search);
            while done.load(Ordering::Relaxed) < pairs && worker.failures.len() < failures_max {
                let n = worker.batch(next.fetch_add(1, Ordering::Relaxed));
                done.fetch_add(n.max(1), Ordering::Relaxed);
            }
            (worker.tally, worker.failures)
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (found, failed) = worker.join().unwrap();
            tally.add(found);
            failures.extend(failed);
        }
    });
    failures.truncate(failures_max);
    (tally, failures)
}

#[test]
fn the_engines_agree_on_random_policies() {
    if let Ok(text) = std::env::var("TENET_AGREE_CASE") {
        return again(text.parse().unwrap());
    }
    let seed = setting("TENET_AGREE_SEED", 1);
    let pairs = setting("TENET_AGREE_PAIRS", 200_000);
    let failures_max = usize::try_from(setting("TENET_AGREE_FAILURES", 3)).unwrap();
    let depth = match std::env::var("TENET_AGREE_DEPTH").as_deref() {
        Ok("verdicts") => Depth::Verdicts,
        Ok("attestations") => Depth::Attestations,
        _ => Depth::Reasons,
    };
    let (records, columns) = (fast_over(Store::Records), fast_over(Store::Columns));
    let (alone, together) = (in_small_batches(1), in_small_batches(2));
    let small = |other, store| Pair { one: REFERENCE, other, store };
    let (small_alone, small_together) = (small(&alone, Store::Columns), small(&together, Store::Records));
    let turns: [&[Pair<'_>]; 4] = [&[records], &[columns], &[small_alone], &[small_together]];
    let started = std::time::Instant::now();
    let (tally, failures) = run(Search { seed, pairs, failures_max, turns: &turns, shrinks: true, depth });
    eprintln!("seed {seed}, {} pairs in {:?}\n{tally:#?}", tally.pairs, started.elapsed());
    let accepted = (tally.policies - tally.refused) * 100 / tally.policies.max(1);
    eprintln!("{accepted} % of {} policies pass the checker", tally.policies);
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n\n"));
    assert!(accepted >= 80, "the checker refuses too many of the generated policies");
    if pairs >= 50_000 {
        let never = tally.coverage.never();
        assert!(never.is_empty(), "never written: {never:?}");
    }
}

/// The reference evaluator says the same whatever it reads from.
#[test]
fn the_stores_agree_on_random_policies() {
    let (seed, failures_max) = (setting("TENET_AGREE_SEED", 1) + 5_000_000, 1);
    let pairs = setting("TENET_AGREE_STORED", 20_000);
    let slow = Pair { one: REFERENCE, other: REFERENCE, store: Store::Columns };
    let (_, failures) = run(Search { seed, pairs, failures_max, turns: &[&[slow]], shrinks: true, depth: Depth::Reasons });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one case and prints it.
fn again(id: CaseId) {
    let files = Files::open(id.kind, id.batch);
    let world = world_of(id, &files);
    let policy = (id.kind != Kind::Builtin).then(|| policy_of(id, &files));
    let text = policy.as_ref().map_or(String::new(), |policy| policy.text());
    eprintln!("{text}\n{}", world.describe(files.schema()));
    let compiled = policy.as_ref().map(|policy| files.compile(&policy.text()));
    let policies = match &compiled {
        Some(Ok(policies)) => policies,
        Some(Err(errors)) => panic!("the checker refuses it: {errors:#?}"),
        None => files.shipped(),
    };
    let snapshot = world.snapshot(files.schema());
    let asked = asked(id, policies, &world);
    let slow = Pair { one: REFERENCE, other: REFERENCE, store: Store::Columns };
    for pair in [fast_over(Store::Records), fast_over(Store::Columns), slow] {
        let compared = judge(policies, &snapshot, &world, &asked, pair, Depth::Reasons);
        if !compared.differences.is_empty() {
            panic!("{}", report(id, &files, pair, Depth::Reasons, &compared.differences));
        }
    }
}

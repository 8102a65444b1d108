//! True holds in every completion, false in none; and complete worlds leave nothing unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tenet::check::{ModuleFile, Policies, check};
use tenet::evaluate::{Detail, Finding, Options, Scan, Val, explain, scan};
use tenet::model::Verdict;
use tenet::snapshot::Snapshot;
use tenet::syntax::parse;
use tenet::text::{Diagnostic, FileId, SourceFile};

use crate::oracle::complete::Completions;
use crate::oracle::facts::Facts;
use crate::oracle::naive::{Datum, Naive, Outcome, constant};
use crate::oracle::policy::policy;
use crate::oracle::random::Random;
use crate::oracle::schema::{Ids, Shape};
use crate::oracle::world::World;

/// What was seen.
#[derive(Debug, Default)]
struct Tally {
    policies: u64,
    refused: u64,
    refusals: BTreeMap<String, u64>,
    /// Verdicts on worlds with holes.
    verdicts: BTreeMap<&'static str, u64>,
    /// Unknown although all completions agree, over the cases where all completions were looked at, and over the others.
    needless: [u64; 2],
    judged: [u64; 2],
    completions: u64,
    complete_verdicts: u64,
    unexplained: u64,
}

fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is told by the environment how long to run")]
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

pub(crate) fn compiled(text: &str) -> (Policies, Vec<Diagnostic>) {
    let file = SourceFile::new("oracle.tenet", text);
    let (tree, mut diagnostics) = parse(FileId(0), &file);
    let (policies, found) = check(&[ModuleFile { fallback_name: "oracle".to_owned(), builtin: false, file: &tree }]);
    diagnostics.extend(found);
    diagnostics.retain(Diagnostic::is_error);
    (policies, diagnostics)
}

fn scanned(policies: &Policies, snapshot: &Snapshot, world: &World) -> Scan {
    let params: BTreeMap<_, Val> = BTreeMap::new();
    let options = Options { now: world.now, params: &params, packs: None, select: &|_| true, subject: None, waivers: true };
    scan(policies, snapshot, &options).unwrap()
}

/// The verdicts of a scan: of a rule on an entity, or (no entity) on entities nobody has seen.
struct Verdicts<'a> {
    found: BTreeMap<(usize, Option<usize>), Vec<&'a Finding>>,
}

impl<'a> Verdicts<'a> {
    fn of(scan: &'a Scan, snapshot: &Snapshot, world: &World) -> Self {
        let slots: BTreeMap<&str, usize> = world.ents.iter().enumerate().map(|(slot, ent)| (ent.key.as_str(), slot)).collect();
        let mut found: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
        for finding in &scan.findings {
            let rule = scan.runs[finding.run].rule.0 as usize;
            let slot = finding.subject.map(|subject| slots[&*snapshot.key(subject)]);
            found.entry((rule, slot)).or_default().push(finding);
        }
        Self { found }
    }

    /// The verdict on one requirement, and whether it is about the whole rule.
    fn on(&self, rule: usize, slot: usize, requirement: usize) -> Option<(&'a Finding, bool)> {
        let findings = self.found.get(&(rule, Some(slot)))?;
        findings
            .iter()
            .find(|finding| finding.requirement.is_none_or(|at| at == requirement))
            .map(|finding| (*finding, finding.requirement.is_none()))
    }
}

struct Case<'a> {
    policies: &'a Policies,
    ids: &'a Ids,
    params: &'a [Datum],
}

impl Case<'_> {
    fn outcomes(&self, world: &World) -> Vec<Vec<Vec<Outcome>>> {
        let naive = Naive { policies: self.policies, ids: self.ids, world, params: self.params };
        let rules = self.policies.rules.iter();
        rules.map(|rule| (0..world.ents.len()).map(|slot| naive.rule(rule, slot)).collect()).collect()
    }

    /// On a world without holes everything is decided, and as the language says.
    fn complete_world(&self, world: &World, random: &mut Random, tally: &mut Tally) -> Result<(), String> {
        let facts = Facts::full(world, random);
        let snapshot = facts.snapshot(world, self.policies, self.ids);
        let scan = scanned(self.policies, &snapshot, world);
        let verdicts = Verdicts::of(&scan, &snapshot, world);
        for (rule, by_slot) in self.outcomes(world).iter().enumerate() {
            if verdicts.found.contains_key(&(rule, None)) {
                return Err(format!("complete (closed: {}), rule {rule}: unseen subjects", facts.closed));
            }
            for (slot, outcomes) in by_slot.iter().enumerate() {
                for (at, outcome) in outcomes.iter().enumerate() {
                    let verdict = verdicts.on(rule, slot, at).map(|(finding, _)| finding.verdict);
                    tally.complete_verdicts += 1;
                    if verdict != verdict_of(*outcome) {
                        let key = &world.ents[slot].key;
                        let what = format!("complete, rule {rule}.q{at} on {key}: {verdict:?}, expected {outcome:?}");
                        return Err(format!("{what}\n{}", facts.describe(world)));
                    }
                }
            }
        }
        Ok(())
    }
}

fn verdict_of(outcome: Outcome) -> Option<Verdict> {
    match outcome {
        Outcome::Absent => None,
        Outcome::NotApplicable => Some(Verdict::NotApplicable),
        Outcome::Pass => Some(Verdict::Pass),
        Outcome::Pending => Some(Verdict::Pending),
        Outcome::Fail => Some(Verdict::Fail),
    }
}

/// One policy, one world, one set of holes.
fn case(seed: u64, limit: u64, tally: &mut Tally) -> Result<(), String> {
    let mut random = Random::new(seed);
    let shape = Shape::random(&mut random);
    let text = policy(&mut random, shape);
    tally.policies += 1;
    let (policies, errors) = compiled(&text);
    if let Some(error) = errors.first() {
        tally.refused += 1;
        *tally.refusals.entry(format!("{} {}", error.code, error.message)).or_default() += 1;
        return Ok(());
    }
    let ids = Ids::of(&policies);
    let params: Vec<Datum> = policies.params.iter().map(|param| constant(param.value.as_ref())).collect();
    let case = Case { policies: &policies, ids: &ids, params: &params };
    let truth = World::random(&mut random, shape, &ids);
    case.complete_world(&truth, &mut random, tally)?;
    let mut facts = Facts::full(&truth, &mut random);
    if random.chance(40) {
        facts.forget_ended();
    }
    let wanted = 1 + random.below(3);
    let dug = (0..20).filter(|_| facts.dig(&truth, &mut random)).take(wanted).count();
    if dug == 0 {
        return Ok(());
    }
    holes(&case, &facts, &truth, &mut random, limit, tally)
}

fn holes(case: &Case<'_>, facts: &Facts, truth: &World, random: &mut Random, limit: u64, tally: &mut Tally) -> Result<(), String> {
    if !facts.admits(truth, truth) {
        return Err("the oracle's facts do not admit the world they were said of".to_owned());
    }
    let snapshot = facts.snapshot(truth, case.policies, case.ids);
    let scan = scanned(case.policies, &snapshot, truth);
    let verdicts = Verdicts::of(&scan, &snapshot, truth);
    let completions = Completions::of(facts, truth, case.ids);
    let mut seen: Vec<Vec<Vec<BTreeSet<Outcome>>>> = case.outcomes(truth).into_iter().map(collected).collect();
    let mut example: Option<World> = None;
    completions.each(facts, truth, limit, random, &mut |world| {
        tally.completions += 1;
        let naive = Naive { policies: case.policies, ids: case.ids, world, params: case.params };
        for (rule, by_slot) in seen.iter_mut().enumerate() {
            for (slot, by_requirement) in by_slot.iter_mut().enumerate() {
                // What is unknown and has come out differently has nothing more to show.
                let settled = |(at, outcomes): (usize, &BTreeSet<Outcome>)| {
                    let verdict = verdicts.on(rule, slot, at).map(|(finding, whole)| (finding.verdict, whole));
                    verdict == Some((Verdict::Unknown, false)) && outcomes.len() > 1
                };
                if by_requirement.iter().enumerate().all(settled) {
                    continue;
                }
                let outcomes = naive.rule(&case.policies.rules[rule], slot);
                by_requirement.iter_mut().zip(outcomes).for_each(|(seen, outcome)| {
                    seen.insert(outcome);
                });
            }
        }
        if example.is_none() && random_enough(world, truth) {
            example = Some(world.clone());
        }
        true
    });
    if let Some(world) = example {
        let mut order = Random::new(facts.order);
        case.complete_world(&world, &mut order, tally)?;
    }
    let sampled = usize::from(completions.total > limit);
    judge(case, facts, truth, &scan, &snapshot, &verdicts, &seen, sampled, tally)
        .map_err(|message| format!("{message}\n{}", facts.describe(truth)))
}

fn collected(by_slot: Vec<Vec<Outcome>>) -> Vec<Vec<BTreeSet<Outcome>>> {
    by_slot.into_iter().map(|outcomes| outcomes.into_iter().map(|outcome| BTreeSet::from([outcome])).collect()).collect()
}

/// Whether a completion differs from the truth in which entities there are.
fn random_enough(world: &World, truth: &World) -> bool {
    let alive = |world: &World| world.ents.iter().map(|ent| ent.exists).collect::<Vec<_>>();
    alive(world) != alive(truth)
}

#[expect(clippy::too_many_arguments, reason = "everything about one case")]
fn judge(
    case: &Case<'_>,
    facts: &Facts,
    truth: &World,
    scan: &Scan,
    snapshot: &Snapshot,
    verdicts: &Verdicts<'_>,
    seen: &[Vec<Vec<BTreeSet<Outcome>>>],
    sampled: usize,
    tally: &mut Tally,
) -> Result<(), String> {
    for (rule, by_slot) in seen.iter().enumerate() {
        for (slot, by_requirement) in by_slot.iter().enumerate() {
            for (at, outcomes) in by_requirement.iter().enumerate() {
                let wrong = |what: &str| {
                    let key = &truth.ents[slot].key;
                    Err(format!("rule {rule}.q{at} on {key} (closed: {}): {what}; completions: {outcomes:?}", facts.closed))
                };
                if !facts.present[slot] {
                    let may_fail = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Pending | Outcome::Fail));
                    if may_fail && !verdicts.found.contains_key(&(rule, None)) {
                        return wrong("an unseen subject may fail, and nothing says so");
                    }
                    continue;
                }
                let Some((finding, whole)) = verdicts.on(rule, slot, at) else {
                    if outcomes.iter().any(|outcome| *outcome != Outcome::Absent) {
                        return wrong("no verdict");
                    }
                    continue;
                };
                *tally.verdicts.entry(finding.verdict.name()).or_default() += 1;
                tally.judged[sampled] += 1;
                let sound = match finding.verdict {
                    Verdict::NotApplicable => outcomes.iter().all(|outcome| matches!(outcome, Outcome::NotApplicable | Outcome::Absent)),
                    Verdict::Unknown => true,
                    verdict => outcomes.iter().all(|outcome| verdict_of(*outcome) == Some(verdict)),
                };
                if !sound {
                    return wrong(&format!("UNSOUND {}", finding.verdict.name()));
                }
                if finding.verdict == Verdict::Unknown {
                    let applies = |outcome: &Outcome| !matches!(outcome, Outcome::NotApplicable | Outcome::Absent);
                    let agreed = if whole { outcomes.iter().all(applies) || !outcomes.iter().any(applies) } else { outcomes.len() == 1 };
                    tally.needless[sampled] += u64::from(agreed);
                    let evaluator = scan.evaluator(case.policies, snapshot, finding.run).unwrap();
                    let explained = explain(&evaluator, scan, finding, Detail::Brief);
                    if explained.missing.is_empty() {
                        tally.unexplained += 1;
                        if !agreed {
                            return wrong("unknown, and no fact is missing");
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// One share of the cases.
fn share(seeds: impl Iterator<Item = u64>, limit: u64, stop_after: usize) -> (Tally, Vec<String>) {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let result = catch_unwind(AssertUnwindSafe(|| case(seed, limit, &mut tally)));
        let message = match result {
            Ok(Ok(())) => continue,
            Ok(Err(message)) => message,
            Err(_) => "panicked".to_owned(),
        };
        let mut random = Random::new(seed);
        let shape = Shape::random(&mut random);
        failures.push(format!("TENET_SEED={seed} TENET_CASES=1 {message}\n{}", policy(&mut random, shape)));
        if failures.len() >= stop_after {
            break;
        }
    }
    (tally, failures)
}

impl Tally {
    fn add(&mut self, other: Self) {
        let sum = |mine: &mut BTreeMap<_, u64>, other: BTreeMap<_, u64>| {
            other.into_iter().for_each(|(name, n)| *mine.entry(name).or_default() += n);
        };
        sum(&mut self.verdicts, other.verdicts);
        for (name, n) in other.refusals {
            *self.refusals.entry(name).or_default() += n;
        }
        for at in 0..2 {
            self.needless[at] += other.needless[at];
            self.judged[at] += other.judged[at];
        }
        self.policies += other.policies;
        self.refused += other.refused;
        self.completions += other.completions;
        self.complete_verdicts += other.complete_verdicts;
        self.unexplained += other.unexplained;
    }
}

#[test]
fn verdicts_hold_in_every_completion() {
    let seed = setting("TENET_SEED", 1);
    let cases = setting("TENET_CASES", 20_000);
    let limit = setting("TENET_COMPLETIONS", 30);
    let stop_after = usize::try_from(setting("TENET_FAILURES", 3)).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let shares: Vec<_> =
            (0..threads).map(|at| scope.spawn(move || share((seed..seed + cases).skip(at).step_by(threads), limit, stop_after))).collect();
        for share in shares {
            let (found, failed) = share.join().unwrap();
            tally.add(found);
            failures.extend(failed);
        }
    });
    let verdicts: u64 = tally.verdicts.values().sum();
    let percent = |part: u64, whole: u64| part * 10_000 / whole.max(1);
    eprintln!(
        "{tally:#?}\nverdicts {verdicts}, needless per 10,000: {} (all completions seen), {} (sampled)",
        percent(tally.needless[0], tally.judged[0]),
        percent(tally.needless[1], tally.judged[1]),
    );
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(tally.refused * 5 <= tally.policies, "the checker refuses too many of the generated policies");
    if cases >= 1_000 {
        assert!(percent(tally.needless[0], tally.judged[0]) <= 300, "needlessly unknown too often");
    }
}

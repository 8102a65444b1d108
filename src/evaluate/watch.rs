//! Verdicts of a world that changes a little at a time: what read a changed fact is judged again, and nothing else.
//!
//! In: a scan, and overlays of its snapshot with the facts they touch. Out: the same verdicts as scanning each overlay
//! anew (`tests/integration/overlay.rs` compares the two on random worlds).
//!
//! Invariant: what is noted of a subject's reads is never too little. Reads of a world that was tried are added when it is
//! accepted; those of the world before are kept, for they do no harm.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::evaluator::Evaluator;
use super::run::{Runner, Scan};
use super::trace::Reads;
use super::value::Val;
use crate::check::{Policies, Rule};
use crate::model::{EntityId, PropertyId, Verdict};
use crate::snapshot::{Fact, Overlay, Snapshot};

/// A subject of a run; none stands for subjects nobody has seen.
pub type Pair = (usize, Option<EntityId>);

/// A verdict of a pair: the requirement (none: whether the rule applies), and what became of it.
pub type Judged = (Option<usize>, Verdict);

/// Verdicts by pair. A pair the rule has no subject for is not there.
pub type Table = BTreeMap<Pair, Vec<Judged>>;

/// A subject that reads more facts than this is judged again whenever any fact of the same properties changes.
pub const READS_MAX: usize = 4_096;

/// Who reads what.
#[derive(Debug, Default)]
struct Readers {
    of_facts: HashMap<Fact, Vec<u32>>,
    /// For subjects that read very much: by property.
    of_properties: HashMap<PropertyId, Vec<u32>>,
    of_extents: HashMap<crate::model::EntityTypeId, Vec<u32>>,
    /// Closures that read a fact, and who reads a closure.
    closures_of_facts: HashMap<Fact, Vec<u32>>,
    of_closures: Vec<Vec<u32>>,
}

/// The verdicts of a world, and what they rest on.
#[derive(Debug)]
pub struct Watch {
    pairs: Vec<Pair>,
    places: HashMap<Pair, u32>,
    readers: Readers,
    table: Table,
}

/// What a trial gives: pairs that were judged again, with their verdicts (none: no subject any more) and reads.
#[derive(Debug, Default)]
pub struct Rejudged {
    /// Verdicts, sorted by pair.
    pub verdicts: BTreeMap<Pair, Option<Vec<Judged>>>,
    reads: Vec<(Pair, Vec<Fact>)>,
}

impl Watch {
    /// Judges every subject of every run once, and notes what it reads.
    #[must_use]
    pub fn new(policies: &Policies, snapshot: &Snapshot, scan: &Scan) -> Self {
        let mut watch = Self { pairs: Vec::new(), places: HashMap::new(), readers: Readers::default(), table: Table::new() };
        for (params, runs) in by_parameters(scan) {
            let evaluator = Evaluator::new(policies, snapshot, scan.now, params.clone()).traced();
            let first = watch.readers.of_closures.len();
            for at in runs {
                let Some(rule) = rule_of(policies, scan, at) else { continue };
                watch.run(&evaluator, at, rule, first);
            }
            watch.closures(&evaluator, first);
        }
        watch
    }

    fn run(&mut self, evaluator: &Evaluator<'_>, at: usize, rule: &Rule, first: usize) {
        let runner = Runner { evaluator, run: at };
        let extent = evaluator.extent(rule.entity);
        let _ = evaluator.take_reads();
        for member in &extent.members {
            let Some(id) = member.value.entity() else { continue };
            let judged = judge(&runner, rule, Some(id), member.sure);
            self.note((at, Some(id)), judged, evaluator.take_reads(), first);
        }
        // Whether there are unseen subjects is not changed by anything a simulation does.
        if !extent.unseen.is_empty() {
            let judged = extent.unseen.iter().find_map(|unseen| runner.unseen(rule, unseen)).map(|finding| vec![(None, finding.verdict)]);
            self.note((at, None), judged, evaluator.take_reads(), first);
        }
    }

    fn place(&mut self, pair: Pair) -> u32 {
        let next = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let pairs = &mut self.pairs;
        *self.places.entry(pair).or_insert_with(|| {
            pairs.push(pair);
            next
        })
    }

    fn note(&mut self, pair: Pair, judged: Option<Vec<Judged>>, (facts, closures): Reads, first: usize) {
        let place = self.place(pair);
        self.table.extend(judged.map(|judged| (pair, judged)));
        self.note_facts(place, facts);
        for closure in closures {
            let at = first + closure as usize;
            if self.readers.of_closures.len() <= at {
                self.readers.of_closures.resize_with(at + 1, Vec::new);
            }
            if let Some(readers) = self.readers.of_closures.get_mut(at) {
                readers.push(place);
            }
        }
    }

    fn note_facts(&mut self, place: u32, facts: Vec<Fact>) {
        if facts.len() <= READS_MAX {
            for fact in facts {
                self.readers.of_facts.entry(fact).or_default().push(place);
            }
            return;
        }
        let properties: BTreeSet<PropertyId> = facts.iter().filter_map(property_of).collect();
        for property in properties {
            self.readers.of_properties.entry(property).or_default().push(place);
        }
        for fact in facts {
            if let Fact::Extent(ty) = fact {
                self.readers.of_extents.entry(ty).or_default().push(place);
            }
        }
    }

    fn closures(&mut self, evaluator: &Evaluator<'_>, first: usize) {
        let Some(trace) = &evaluator.trace else { return };
        let trace = trace.borrow();
        self.readers.of_closures.resize_with((first + trace.of_closures.len()).max(self.readers.of_closures.len()), Vec::new);
        for (at, facts) in trace.of_closures.iter().enumerate() {
            let place = u32::try_from(first + at).unwrap_or(u32::MAX);
            for fact in facts {
                self.readers.closures_of_facts.entry(*fact).or_default().push(place);
            }
        }
    }

    /// Returns the verdicts of the world as it was last accepted.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the subjects whose verdicts rest on one of the facts, sorted.
    fn affected(&self, touched: &BTreeSet<Fact>) -> BTreeSet<Pair> {
        let readers = &self.readers;
        let mut places: BTreeSet<u32> = BTreeSet::new();
        for fact in touched {
            places.extend(readers.of_facts.get(fact).into_iter().flatten());
            places.extend(property_of(fact).and_then(|property| readers.of_properties.get(&property)).into_iter().flatten());
            if let Fact::Extent(ty) = fact {
                places.extend(readers.of_extents.get(ty).into_iter().flatten());
            }
            let closures = readers.closures_of_facts.get(fact).into_iter().flatten();
            places.extend(closures.filter_map(|closure| readers.of_closures.get(*closure as usize)).flatten());
        }
        places.into_iter().filter_map(|place| self.pairs.get(place as usize).copied()).collect()
    }

    /// Judges again what reads a fact that an overlay touched, and what came or went.
    #[must_use]
    pub fn again(&self, policies: &Policies, scan: &Scan, world: &Overlay) -> Rejudged {
        let touched = world.touched();
        let snapshot = world.snapshot();
        let mut pairs = self.affected(touched);
        for (at, run) in scan.runs.iter().enumerate() {
            let Some(rule) = policies.rules.get(run.rule.0 as usize) else { continue };
            let fits = |id: &EntityId| {
                let ty = snapshot.entity_type(*id);
                ty.is_some_and(|ty| policies.schema.is_subtype(ty, rule.entity) || policies.schema.is_subtype(rule.entity, ty))
            };
            pairs.extend(world.moved().iter().filter(|id| fits(id)).map(|id| (at, Some(*id))));
        }
        let mut rejudged = Rejudged::default();
        for (params, runs) in by_parameters(scan) {
            if !runs.iter().any(|at| pairs.range((*at, None)..(*at + 1, None)).next().is_some()) {
                continue;
            }
            let evaluator = Evaluator::new(policies, &snapshot, scan.now, params.clone()).traced();
            for at in runs {
                let Some(rule) = rule_of(policies, scan, at) else { continue };
                for pair in pairs.range((at, None)..(at + 1, None)).copied() {
                    rejudge(&evaluator, rule, pair, &mut rejudged);
                }
            }
        }
        rejudged
    }

    /// Judges one pair in a world, whatever it touched; returns its verdicts (none: no subject) and the facts they rest on.
    #[must_use]
    pub fn one(policies: &Policies, scan: &Scan, world: &Snapshot, pair: Pair) -> (Option<Vec<Judged>>, BTreeSet<Fact>) {
        let mut rejudged = Rejudged::default();
        if let (Some(evaluator), Some(rule)) = (scan.evaluator(policies, world, pair.0), rule_of(policies, scan, pair.0)) {
            rejudge(&evaluator.traced(), rule, pair, &mut rejudged);
        }
        let reads = rejudged.reads.into_iter().flat_map(|(_, facts)| facts).collect();
        (rejudged.verdicts.remove(&pair).flatten(), reads)
    }

    /// Takes what was tried for what is.
    pub fn accept(&mut self, rejudged: Rejudged) {
        for (pair, judged) in rejudged.verdicts {
            match judged {
                Some(judged) => drop(self.table.insert(pair, judged)),
                None => drop(self.table.remove(&pair)),
            }
        }
        for (pair, facts) in rejudged.reads {
            let place = self.place(pair);
            self.note_facts(place, facts);
        }
    }
}

fn rejudge(evaluator: &Evaluator<'_>, rule: &Rule, pair: Pair, into: &mut Rejudged) {
    let runner = Runner { evaluator, run: pair.0 };
    let judged = match pair.1 {
        Some(id) => {
            let sure = evaluator.membership_in_extent(id, rule.entity);
            let _ = evaluator.take_reads();
            sure.and_then(|sure| judge(&runner, rule, Some(id), sure))
        }
        None => {
            let unseen = evaluator.extent(rule.entity).unseen;
            let _ = evaluator.take_reads();
            unseen.iter().find_map(|unseen| runner.unseen(rule, unseen)).map(|finding| vec![(None, finding.verdict)])
        }
    };
    let (mut facts, closures) = evaluator.take_reads();
    if let Some(trace) = &evaluator.trace {
        let trace = trace.borrow();
        facts.extend(closures.iter().filter_map(|at| trace.of_closures.get(*at as usize)).flatten());
    }
    facts.sort_unstable();
    facts.dedup();
    into.verdicts.insert(pair, judged);
    into.reads.push((pair, facts));
}

fn judge(runner: &Runner<'_>, rule: &Rule, subject: Option<EntityId>, sure: bool) -> Option<Vec<Judged>> {
    let mut findings = Vec::new();
    runner.subject(rule, subject?, sure, &mut findings);
    Some(findings.into_iter().map(|finding| (finding.requirement, finding.verdict)).collect())
}

fn property_of(fact: &Fact) -> Option<PropertyId> {
    match fact {
        Fact::Cell(_, property) | Fact::List(_, property) => Some(*property),
        Fact::Extent(_) => None,
    }
}

fn rule_of<'p>(policies: &'p Policies, scan: &Scan, at: usize) -> Option<&'p Rule> {
    policies.rules.get(scan.runs.get(at)?.rule.0 as usize)
}

/// Runs that have the same parameters share what was walked.
fn by_parameters(scan: &Scan) -> Vec<(&Vec<Val>, Vec<usize>)> {
    let mut groups: Vec<(&Vec<Val>, Vec<usize>)> = Vec::new();
    for (at, run) in scan.runs.iter().enumerate() {
        match groups.iter_mut().find(|(params, _)| **params == run.params) {
            Some((_, runs)) => runs.push(at),
            None => groups.push((&run.params, vec![at])),
        }
    }
    groups
}

/// Returns what is said of a requirement; what is said of the whole rule is said of each.
#[must_use]
pub fn verdict_of(judged: Option<&[Judged]>, requirement: usize) -> Verdict {
    let judged = judged.unwrap_or(&[]);
    let own = judged.iter().find(|(at, _)| *at == Some(requirement)).or_else(|| judged.iter().find(|(at, _)| at.is_none()));
    own.map_or(Verdict::NotApplicable, |(_, verdict)| *verdict)
}

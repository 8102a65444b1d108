//! A scan again after something changed: only what the change can touch is decided again.
//!
//! In: what was decided over another snapshot, at another instant or of other rules, and what differs between the snapshots.
//! Out: what a whole scan says.
//!
//! A rule keeps its verdicts if it asks the same with the same parameters. What differs is followed back through what it asks,
//! over references, lists, closures and derived lists, to the subjects it may be told of; those and the new ones are decided,
//! the others stand. Where a difference may touch every subject, a list of all entities among them, the rule is decided whole.
//! When in doubt, more is decided.
//!
//! - `ids`: what may be touched
//! - `back`: from entities to those that hold them
//! - `trace`: through terms

mod back;
mod ids;
mod time;
mod trace;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::run::Options;
use super::decide::{Decided, Decider, Decision, EngineError, Only, Plan, Subjects, limit_of};
use super::judged::Judged;
use super::machine::Machine;
use super::shared::Shared;
use crate::check::Policies;
use crate::model::{PropertyId, Schema, Verdict};
use crate::query::{Digests, RuleQuery, footprint};
use crate::snapshot::Snapshot;
use crate::snapshot::columns::Columns;
use crate::snapshot::columns::delta::{Delta, Mapping};
use back::Back;
use ids::Ids;
use trace::Tracer;

pub use back::TRACED_MAX;

/// What was decided before, for the runs of a plan.
#[derive(Debug, Clone)]
pub struct Previous {
    /// The instant it was decided at.
    pub now: Timestamp,
    /// For each run of the plan at hand what was decided of a rule that asks the same, over the old snapshot.
    pub decisions: Vec<Option<Decision>>,
}

/// How much of one run was decided again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Subjects that were decided again.
    pub again: usize,
    /// Subjects there are.
    pub of: usize,
    /// Why all of them were, if they were.
    pub whole: Option<Whole>,
}

/// Why a rule is decided whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Nothing is known of a rule that asks the same.
    New,
    /// Time passed for something it reads.
    Time,
    /// A difference may touch every subject.
    Everything,
    /// More than half of the subjects are touched.
    Most,
}

impl Whole {
    /// Says it in words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::New => "the previous result has no such rule",
            Self::Time => "it depends on the instant of the run",
            Self::Everything => "what changed may touch every subject",
            Self::Most => "what changed touches most subjects",
        }
    }
}

impl Plan {
    /// Returns a digest for each run: of what its rule asks, with the values of its parameters.
    #[must_use]
    pub fn digests(&self, policies: &Policies) -> Vec<String> {
        let value = |version| format!("{:?}", self.params.get(&version));
        let digests = Digests::new(&self.query, &policies.schema, &value);
        let of = |(run, functions): &(super::super::run::RuleRun, RuleQuery)| {
            policies.rules.get(run.rule.0 as usize).map_or_else(String::new, |rule| digests.rule(rule.entity, functions))
        };
        self.runs.iter().map(of).collect()
    }

    /// Tells whether a rule says when it must hold.
    #[must_use]
    pub fn has_due(&self, functions: &RuleQuery) -> bool {
        functions.due.is_some()
    }

    /// Returns the properties that decide anything: what two snapshots have to be compared in.
    #[must_use]
    pub fn properties(&self, schema: &Schema) -> BTreeSet<PropertyId> {
        self.runs.iter().flat_map(|(_, functions)| footprint(&self.query, schema, functions).properties).collect()
    }
}

/// Decides the rules of a plan, as [`super::decide`] does; what stands from before is taken over.
///
/// `delta` tells what differs between the snapshot of `previous` and this one, in the [`Plan::properties`].
///
/// # Errors
/// [`EngineError`], as of a whole scan.
pub fn redecide(
    plan: &Plan,
    policies: &Policies,
    snapshot: &Snapshot,
    options: &Options<'_>,
    previous: Previous,
    delta: &Delta,
) -> Result<(Decided, Vec<Share>), EngineError> {
    let columns = snapshot.columns();
    let shared = Shared::new(plan, policies, snapshot, options.now);
    let machine = Machine::new(&shared);
    let time = time::Passed::new(columns, &policies.schema, previous.now, options.now, delta);
    let tracer = Tracer::new(&plan.query, Back::new(columns, &policies.schema), delta, time.moved());
    let (mut decisions, mut shares) = (Vec::new(), Vec::new());
    let before = previous.decisions.into_iter().chain(std::iter::repeat_with(|| None));
    for ((run, functions), before) in plan.runs.iter().zip(before) {
        let Some(rule) = policies.rules.get(run.rule.0 as usize) else { continue };
        machine.begin();
        let decider = Decider { machine: &machine, rule, functions, now: options.now, witnesses: false };
        let again = Again { decider, tracer: &tracer, delta, time: &time, query: &plan.query };
        let (decision, share) = again.decide(before).map_err(|overrun| limit_of(rule, overrun))?;
        if let Some(trouble) = columns.trouble() {
            return Err(EngineError::Unreadable(trouble.to_owned()));
        }
        decisions.push(decision);
        shares.push(share);
    }
    Ok((Decided { decisions }, shares))
}

/// Evaluates all selected rules, as [`super::judge`] does; what stands from before is taken over.
///
/// # Errors
/// [`EngineError`], as of a whole scan.
pub fn rescan(
    plan: &Plan,
    policies: &Policies,
    snapshot: &Snapshot,
    options: &Options<'_>,
    previous: Previous,
    delta: &Delta,
) -> Result<(Judged, Vec<Share>), EngineError> {
    let (decided, shares) = redecide(plan, policies, snapshot, options, previous, delta)?;
    Ok((Judged::new(plan, policies, snapshot, options, decided), shares))
}

/// One rule.
struct Again<'d, 'm, 'a> {
    decider: Decider<'m, 'a>,
    tracer: &'d Tracer<'d>,
    delta: &'d Delta,
    time: &'d time::Passed<'d>,
    query: &'d crate::query::Query,
}

type Outcome<T> = super::machine::Outcome<T>;

impl Again<'_, '_, '_> {
    fn decide(&self, before: Option<Decision>) -> Outcome<(Decision, Share)> {
        let whole = |why| {
            let decision = self.decider.decide(Only::All)?;
            let n = decision.subjects.len();
            Ok((decision, Share { again: n, of: n, whole: Some(why) }))
        };
        let n_requirements = self.decider.functions.requirements.len();
        let Some(before) = before.filter(|before| before.verdicts.len() == n_requirements) else { return whole(Whole::New) };
        if self.delta.everything {
            return whole(Whole::Everything);
        }
        if self.time.concerns(self.query, self.decider.functions, self.decider.rule.entity) {
            return whole(Whole::Time);
        }
        let Some(touched) = self.touched() else { return whole(Whole::Everything) };
        let (subjects, levels, unseen) = self.decider.subjects(Only::All);
        let old_places = places(&before.subjects, &subjects, &self.delta.entities);
        let is_touched = |subject: u32| touched.known.binary_search(&subject).is_ok();
        let again: Vec<usize> = match &old_places {
            // Ids and places stay as they are: what is touched is found without a look at the others.
            Places::Shifted => touched.known.iter().filter_map(|subject| subjects.place(*subject)).collect(),
            Places::Each(places) => {
                let is_new = |at: &usize| places.get(*at).copied().flatten().is_none() || subjects.get(*at).is_none_or(is_touched);
                (0..subjects.len()).filter(is_new).collect()
            }
        };
        if again.len() * 2 > subjects.len() {
            return whole(Whole::Most);
        }
        let share = Share { again: again.len(), of: subjects.len(), whole: None };
        let ids = Subjects::Ids(again.iter().filter_map(|at| subjects.get(*at)).collect());
        let own_levels = levels.as_ref().map(|levels| again.iter().filter_map(|at| levels.get(*at).copied()).collect());
        let anew = self.decider.decide_among(ids, own_levels, &unseen)?;
        let mut decision = moved(before, subjects, &old_places);
        patch(&mut decision, &anew, &again);
        decision.unseen = anew.unseen;
        Ok((decision, share))
    }

    /// Returns the subjects for which the rule may say something else; `None` for all.
    fn touched(&self) -> Option<Ids> {
        let functions = self.decider.functions;
        let mut touched = Ids::default();
        for function in functions.applies.iter().chain(&functions.due).chain(&functions.requirements) {
            let touch = self.tracer.function(*function);
            if touch.all {
                return None;
            }
            if let Some(ids) = touch.by_argument.get(&0) {
                touched.add(ids);
            }
        }
        // How sure it is that a subject is one depends on when it exists.
        touched.add(&Ids::of(self.delta.lifetimes.clone()));
        Some(touched)
    }
}

/// Where the subjects of a rule stood before.
enum Places {
    /// Where they stand now.
    Shifted,
    /// For each its old place, unless it is new.
    Each(Vec<Option<usize>>),
}

fn places(old: &Subjects, new: &Subjects, entities: &Mapping) -> Places {
    if let (Subjects::Range(old), Subjects::Range(new)) = (old, new)
        && old.len() == new.len()
        && entities.moves_together(old.clone(), new.start)
    {
        return Places::Shifted;
    }
    let place = |id: u32| old.place(entities.back(id)?);
    Places::Each((0..new.len()).map(|at| new.get(at).and_then(place)).collect())
}

/// Puts what was decided before where its subjects stand now; what is not known is unknown until it is decided.
fn moved(before: Decision, subjects: Subjects, places: &Places) -> Decision {
    let Places::Each(places) = places else { return Decision { subjects, ..before } };
    fn pick<T: Copy>(from: &[T], places: &[Option<usize>], other: T) -> Vec<T> {
        places.iter().map(|place| place.and_then(|place| from.get(place)).copied().unwrap_or(other)).collect()
    }
    Decision {
        applies: pick(&before.applies, places, Verdict::Unknown),
        verdicts: before.verdicts.iter().map(|verdicts| pick(verdicts, places, Verdict::Unknown)).collect(),
        due: before.due.as_ref().map(|due| pick(due, places, None)),
        subjects,
        unseen: before.unseen,
        witnesses: vec![Vec::new(); before.verdicts.len()],
    }
}

/// Puts what was decided for some subjects in; `places` says where they stand.
fn patch(decision: &mut Decision, anew: &Decision, places: &[usize]) {
    fn put<T: Copy>(into: &mut [T], from: &[T], places: &[usize]) {
        for (place, value) in places.iter().zip(from) {
            if let Some(slot) = into.get_mut(*place) {
                *slot = *value;
            }
        }
    }
    put(&mut decision.applies, &anew.applies, places);
    for (into, from) in decision.verdicts.iter_mut().zip(&anew.verdicts) {
        put(into, from, places);
    }
    if let (Some(into), Some(from)) = (&mut decision.due, &anew.due) {
        put(into, from, places);
    }
}

/// Takes over what was decided by another plan: of rules with the same digest, in the same pack.
#[must_use]
pub fn carried(now: Timestamp, old: (&Plan, &Policies, Decided), new: (&Plan, &Policies)) -> Previous {
    let pack = |policies: &Policies, plan: &Plan, at: usize| {
        let pack = plan.runs.get(at).and_then(|(run, _)| run.pack);
        pack.and_then(|pack| policies.packs.get(pack)).map(|pack| pack.name.clone())
    };
    let (old_plan, old_policies, decided) = old;
    let mut known: std::collections::BTreeMap<_, Decision> = std::collections::BTreeMap::new();
    for (at, (digest, decision)) in old_plan.digests(old_policies).into_iter().zip(decided.decisions).enumerate() {
        known.insert((pack(old_policies, old_plan, at), digest), decision);
    }
    let digests = new.0.digests(new.1).into_iter().enumerate();
    Previous { now, decisions: digests.map(|(at, digest)| known.get(&(pack(new.1, new.0, at), digest)).cloned()).collect() }
}

/// Compares two snapshots in what a plan reads.
///
/// # Errors
/// What could not be read, in words.
pub fn delta_between(plan: &Plan, old: &Columns, new: &Columns) -> Result<Delta, EngineError> {
    Delta::between(old, new, &plan.properties(new.schema())).map_err(EngineError::Unreadable)
}

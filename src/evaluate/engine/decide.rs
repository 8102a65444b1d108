//! Verdicts of all rules of a run.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use rayon::prelude::*;
use thiserror::Error;

use super::super::params::ParamError;
use super::super::run::{Options, RuleRun, Scan, rule_runs};
use super::super::value::Val;
use super::HashMap;
use super::judged::judge_by;
use super::machine::{Machine, Outcome, Overrun};
use super::prefetch;
use super::shape::Shapes;
use super::shared::Shared;
use super::sizes::Sizes;
use super::units::units;
use super::vector::{DOUBT, FALSE, Rows, Sets, TRUE, Vector, is_known, is_unseen};
use crate::check::{ParamId, Policies, Rule};
use crate::model::{EntityId, PropertyId, SourceKind, Value, Verdict};
use crate::query::{Footprint, ParamVersion, Query, Rewrites, RuleQuery, Term, TermId, TooLarge, footprint, lower_rule, rewrite};
use crate::snapshot::Snapshot;
use crate::snapshot::columns::{CodeClass, Columns};

/// Why a scan could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Parameters without a value.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Params(Vec<ParamError>),
    /// A rule that is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A rule that asks for more than a scan may take.
    #[error("rule `{rule}`: {limit} are limited to {max}, and it takes {value}; narrow the sets it combines")]
    Limit {
        /// The rule.
        rule: String,
        /// What is limited.
        limit: &'static str,
        /// The limit.
        max: u64,
        /// What was asked for.
        value: u64,
    },
    /// A part of the snapshot that could not be read.
    #[error("{0}")]
    Unreadable(String),
}

/// The rules of a run, lowered once; good for any snapshot.
#[derive(Debug)]
pub struct Plan {
    /// What all of them ask.
    pub query: Query,
    /// The rules that run, with their functions.
    pub runs: Vec<(RuleRun, RuleQuery)>,
    /// What each of them reads, in the same order, as its author wrote it.
    pub footprints: Vec<Footprint>,
    pub(super) params: HashMap<ParamVersion, Val>,
    pub(super) shapes: Shapes,
    /// Where batches are cut.
    pub sizes: Sizes,
}

impl Plan {
    /// Lowers the rules that `options` select.
    ///
    /// # Errors
    /// [`EngineError::Params`] and [`EngineError::TooLarge`].
    pub fn new(policies: &Policies, options: &Options<'_>) -> Result<Self, EngineError> {
        Self::rewritten(policies, options, Rewrites::all())
    }

    /// Lowers the rules that `options` select, with some rewrites only: what they say stays the same.
    ///
    /// # Errors
    /// [`EngineError::Params`] and [`EngineError::TooLarge`].
    pub fn rewritten(policies: &Policies, options: &Options<'_>, on: Rewrites) -> Result<Self, EngineError> {
        let runs = rule_runs(policies, options).map_err(EngineError::Params)?;
        let mut query = Query::default();
        let mut versions: Vec<Vec<Val>> = vec![Vec::new(); policies.params.len()];
        let (mut running, mut lowered) = (Vec::new(), Vec::new());
        for run in runs {
            let Some(rule) = policies.rules.get(run.rule.0 as usize) else { continue };
            let version: Vec<u32> = versions.iter_mut().zip(&run.params).map(|(known, value)| version_of(known, value)).collect();
            let of = |param: ParamId| version.get(param.0 as usize).copied().unwrap_or(0);
            let functions = lower_rule(&mut query, policies, rule, &of, on)?;
            lowered.push(functions);
            running.push(run);
        }
        let mut params = HashMap::default();
        for (param, values) in (0_u32..).zip(versions) {
            for (version, value) in (0_u32..).zip(values) {
                params.insert(ParamVersion { param: ParamId(param), version }, value);
            }
        }
        let footprints = lowered.iter().map(|functions| footprint(&query, &policies.schema, functions)).collect();
        let (query, functions) = rewrite(&query, &policies.schema, &lowered, on);
        let shapes = Shapes::new(&query);
        let runs = running.into_iter().zip(functions).collect();
        Ok(Self { query, runs, footprints, params, shapes, sizes: Sizes::default() })
    }
}

fn version_of(known: &mut Vec<Val>, value: &Val) -> u32 {
    let at = known.iter().position(|other| other == value).unwrap_or_else(|| {
        known.push(value.clone());
        known.len() - 1
    });
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The subjects of a rule, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects {
    /// Consecutive ids.
    Range(Range<u32>),
    /// Ids.
    Ids(Vec<u32>),
}

impl Subjects {
    /// Returns the subject at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Range(range) => u32::try_from(at).ok().and_then(|at| range.start.checked_add(at)).filter(|id| range.contains(id)),
            Self::Ids(ids) => ids.get(at).copied(),
        }
    }

    /// Returns the place of a subject.
    #[must_use]
    pub fn place(&self, subject: u32) -> Option<usize> {
        match self {
            Self::Range(range) => range.contains(&subject).then(|| (subject - range.start) as usize),
            Self::Ids(ids) => ids.binary_search(&subject).ok(),
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Ids(ids) => ids.len(),
        }
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What became of one rule.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Its subjects that are known.
    pub subjects: Subjects,
    /// For each subject: a pass if the rule speaks about it, else not applicable or unknown.
    pub applies: Vec<Verdict>,
    /// For each requirement and each subject its verdict; not applicable where `applies` is no pass.
    pub verdicts: Vec<Vec<Verdict>>,
    /// For each subject the instant by which it must hold, for rules that have one.
    pub due: Option<Vec<Option<Timestamp>>>,
    /// Whether subjects nobody has seen may fail.
    pub unseen: bool,
    /// For each requirement of the form `no x in … : …` the members that make its subjects fail, with the place of the
    /// subject, if they were asked for.
    pub witnesses: Vec<Vec<(u32, u32)>>,
}

impl Decision {
    fn empty(functions: &RuleQuery, n: usize) -> Self {
        Self {
            subjects: Subjects::Range(0..0),
            applies: Vec::with_capacity(n),
            verdicts: functions.requirements.iter().map(|_| Vec::with_capacity(n)).collect(),
            due: functions.due.map(|_| Vec::with_capacity(n)),
            unseen: false,
            witnesses: vec![Vec::new(); functions.requirements.len()],
        }
    }

    /// Adds what became of further subjects.
    fn add(&mut self, part: Self) {
        self.applies.extend(part.applies);
        self.verdicts.iter_mut().zip(part.verdicts).for_each(|(all, part)| all.extend(part));
        if let (Some(all), Some(part)) = (&mut self.due, part.due) {
            all.extend(part);
        }
        self.witnesses.iter_mut().zip(part.witnesses).for_each(|(all, part)| all.extend(part));
    }
}

/// What became of all rules of a plan, in its order.
#[derive(Debug, Clone)]
pub struct Decided {
    /// One for each run.
    pub decisions: Vec<Decision>,
}

/// Decides all rules of a plan.
///
/// # Errors
/// [`EngineError::Limit`] and [`EngineError::Unreadable`].
pub fn decide(
    plan: &Plan,
    policies: &Policies,
    snapshot: &Snapshot,
    options: &Options<'_>,
    witnesses: bool,
) -> Result<Decided, EngineError> {
    let columns = snapshot.columns();
    // One subject needs little of most parts, and perhaps none of some.
    if options.subject.is_none() {
        columns.load_all(&prefetch::parts(plan, &policies.schema));
    }
    let shared = Shared::new(plan, policies, snapshot, options.now);
    let run = Run { shared: &shared, subject: options.subject, witnesses };
    let entity_of = |at: usize| run.rule(at).map(|rule| rule.entity);
    let units = units(plan, columns, entity_of);
    let threads = rayon::current_num_threads();
    let decided: Vec<Vec<(usize, Result<Decision, EngineError>)>> = if threads == 1 || units.len() == 1 {
        units.iter().map(|unit| run.unit(plan, unit)).collect()
    } else {
        units.par_iter().with_max_len(1).map(|unit| run.unit(plan, unit)).collect()
    };
    let mut decided: Vec<(usize, Result<Decision, EngineError>)> = decided.into_iter().flatten().collect();
    decided.sort_by_key(|(at, _)| *at);
    let decisions = decided.into_iter().map(|(_, decision)| decision).collect::<Result<Vec<_>, _>>()?;
    Ok(Decided { decisions })
}

/// What all units of a run are decided by.
struct Run<'a> {
    shared: &'a Shared<'a>,
    subject: Option<EntityId>,
    witnesses: bool,
}

impl<'a> Run<'a> {
    fn rule(&self, at: usize) -> Option<&'a Rule> {
        let (run, _) = self.shared.plan.runs.get(at)?;
        self.shared.policies.rules.get(run.rule.0 as usize)
    }

    /// Decides rules that share what they compute, up to the first that cannot be decided.
    fn unit(&self, plan: &'a Plan, unit: &[usize]) -> Vec<(usize, Result<Decision, EngineError>)> {
        let machine = Machine::new(self.shared);
        let mut decided = Vec::with_capacity(unit.len());
        for at in unit {
            let (Some(rule), Some((_, functions))) = (self.rule(*at), plan.runs.get(*at)) else { continue };
            machine.begin();
            let decider = Decider { machine: &machine, rule, functions, now: self.shared.now, witnesses: self.witnesses };
            let mut decision = decider.decide(Only::of(self.subject)).map_err(|overrun| limit_of(rule, overrun));
            if let Some(trouble) = self.shared.columns.trouble() {
                decision = Err(EngineError::Unreadable(trouble.to_owned()));
            }
            let failed = decision.is_err();
            decided.push((*at, decision));
            if failed {
                break;
            }
        }
        decided
    }
}

pub(super) fn limit_of(rule: &Rule, overrun: Overrun) -> EngineError {
    EngineError::Limit { rule: rule.id.clone(), limit: overrun.limit, max: overrun.max, value: overrun.value }
}

/// Which subjects of a rule are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only {
    /// All of them.
    All,
    /// One.
    One(EntityId),
}

impl Only {
    pub(super) fn of(subject: Option<EntityId>) -> Self {
        subject.map_or(Self::All, Self::One)
    }
}

/// Decides one rule.
pub(super) struct Decider<'m, 'a> {
    pub(super) machine: &'m Machine<'a>,
    pub(super) rule: &'m Rule,
    pub(super) functions: &'m RuleQuery,
    pub(super) now: Timestamp,
    pub(super) witnesses: bool,
}

/// Subjects that are known, how sure each of them is one (all are without), and those nobody has seen.
pub(super) type Extent = (Subjects, Option<Vec<u8>>, Vec<u32>);

impl<'a> Decider<'_, 'a> {
    pub(super) fn decide(&self, only: Only) -> Outcome<Decision> {
        let (subjects, levels, unseen) = self.subjects(only);
        self.decide_among(subjects, levels, &unseen)
    }

    /// Returns the subjects of the rule.
    pub(super) fn subjects(&self, only: Only) -> Extent {
        let only = match only {
            Only::All => None,
            Only::One(subject) => Some(subject),
        };
        split(&self.machine.extent(self.rule.entity), only)
    }

    /// Decides the rule for some subjects, sorted, and for those nobody has seen.
    pub(super) fn decide_among(&self, subjects: Subjects, levels: Option<Vec<u8>>, unseen: &[u32]) -> Outcome<Decision> {
        let n = subjects.len();
        let mut decision = Decision { unseen: self.unseen(unseen)?, subjects, ..Decision::empty(self.functions, n) };
        let subjects = decision.subjects.clone();
        let chunk = self.machine.shared.sizes.chunk;
        if n > chunk && rayon::current_num_threads() > 1 && self.is_plain() {
            self.side_by_side(&subjects, levels.as_deref(), &mut decision)?;
            return Ok(decision);
        }
        for begin in (0..n).step_by(chunk) {
            self.chunk(&subjects, begin, levels.as_deref(), &mut decision)?;
        }
        Ok(decision)
    }

    /// Tells whether the rule looks at no sets: then nothing is remembered from one subject to the next.
    fn is_plain(&self) -> bool {
        let functions = self.functions.applies.iter().chain(&self.functions.due).chain(&self.functions.requirements);
        functions.filter_map(|function| self.body(*function)).all(|body| !self.machine.shapes.has_sets(body))
    }

    /// Decides chunks of subjects on all threads, and puts them together in their order.
    fn side_by_side(&self, subjects: &Subjects, levels: Option<&[u8]>, decision: &mut Decision) -> Outcome<()> {
        let (shared, rule, functions, now, witnesses) = (self.machine.shared, self.rule, self.functions, self.now, self.witnesses);
        let begins: Vec<usize> = (0..subjects.len()).step_by(shared.sizes.chunk).collect();
        let parts: Vec<Outcome<(Decision, u64)>> = begins
            .into_par_iter()
            .map_init(
                || Machine::new(shared),
                |machine, begin| {
                    machine.begin();
                    let mut part = Decision::empty(functions, shared.sizes.chunk);
                    Decider { machine, rule, functions, now, witnesses }.chunk(subjects, begin, levels, &mut part)?;
                    Ok((part, machine.work()))
                },
            )
            .collect();
        for part in parts {
            let (part, work) = part?;
            self.machine.add_work(work)?;
            decision.add(part);
        }
        Ok(())
    }

    fn body(&self, function: crate::query::FunctionId) -> Option<TermId> {
        self.machine.query.get_function(function).map(|function| function.body)
    }

    /// Decides a chunk of the subjects and adds it to `decision`.
    fn chunk(&self, subjects: &Subjects, begin: usize, levels: Option<&[u8]>, decision: &mut Decision) -> Outcome<()> {
        let end = (begin + self.machine.shared.sizes.chunk).min(subjects.len());
        let subject = match subjects {
            Subjects::Range(range) => {
                let place = |at: usize| range.start + u32::try_from(at).unwrap_or(0);
                Vector::Range(place(begin), place(end))
            }
            Subjects::Ids(ids) => Vector::codes(CodeClass::Entity, ids.get(begin..end).unwrap_or(&[]).to_vec()),
        };
        let rows = Rows::new(end - begin, vec![Arc::new(subject)]);
        if self.functions.applies.is_none() && levels.is_none() {
            decision.applies.resize(decision.applies.len() + rows.n, Verdict::Pass);
            return self.requirements(&rows, None, begin, decision);
        }
        let mut applies = match self.functions.applies.and_then(|applies| self.body(applies)) {
            Some(body) => self.machine.truth(body, &rows)?,
            None => vec![TRUE; rows.n],
        };
        if let Some(levels) = levels {
            let levels = levels.get(begin..end).unwrap_or(&[]);
            applies.iter_mut().zip(levels).for_each(|(applies, level)| *applies = (*applies).min(*level));
        }
        decision.applies.extend(applies.iter().map(|truth| match *truth {
            TRUE => Verdict::Pass,
            FALSE => Verdict::NotApplicable,
            _ => Verdict::Unknown,
        }));
        if applies.iter().all(|truth| *truth == TRUE) {
            return self.requirements(&rows, None, begin, decision);
        }
        let places: Vec<u32> = (0_u32..).zip(&applies).filter(|(_, truth)| **truth == TRUE).map(|(place, _)| place).collect();
        self.requirements(&rows.gather(&places), Some((&places, rows.n)), begin, decision)
    }

    /// Decides the requirements for the rows a rule speaks about; `among` says where they stand.
    fn requirements(&self, rows: &Rows<'a>, among: Option<(&[u32], usize)>, begin: usize, decision: &mut Decision) -> Outcome<()> {
        let due = match self.functions.due.and_then(|due| self.body(due)) {
            Some(body) if rows.n > 0 => {
                let vector = self.machine.evaluate(body, rows)?;
                let date = |row| match self.machine.value_at(&vector, row) {
                    Val::Known(Value::Instant(at)) => Some(at),
                    _ => None,
                };
                Some((0..rows.n).map(date).collect::<Vec<_>>())
            }
            Some(_) => Some(Vec::new()),
            None => None,
        };
        for (at, function) in self.functions.requirements.iter().enumerate() {
            let Some(body) = self.body(*function) else { continue };
            let truths = if rows.n > 0 { self.machine.truth(body, rows)? } else { Vec::new() };
            let verdicts: Vec<Verdict> = match &due {
                None => truths.iter().map(|truth| self.verdict(*truth, None)).collect(),
                Some(due) => {
                    truths.iter().enumerate().map(|(row, truth)| self.verdict(*truth, Some(due.get(row).copied().flatten()))).collect()
                }
            };
            if self.witnesses {
                self.witness(body, rows, among, begin, &verdicts, decision.witnesses.get_mut(at))?;
            }
            if let Some(slot) = decision.verdicts.get_mut(at) {
                match among {
                    None => slot.extend(verdicts),
                    Some((places, n)) => slot.extend(scattered(&verdicts, places, n, Verdict::NotApplicable)),
                }
            }
        }
        if let (Some(slot), Some(due)) = (&mut decision.due, due) {
            match among {
                None => slot.extend(due),
                Some((places, n)) => slot.extend(scattered(&due, places, n, None)),
            }
        }
        Ok(())
    }

    /// What holds passes; what does not is pending until it is due; an unknown date leaves it unknown.
    fn verdict(&self, truth: u8, due: Option<Option<Timestamp>>) -> Verdict {
        match (truth, due) {
            (TRUE, _) => Verdict::Pass,
            (DOUBT, _) | (_, Some(None)) => Verdict::Unknown,
            (_, Some(Some(date))) if self.now < date => Verdict::Pending,
            _ => Verdict::Fail,
        }
    }

    /// Collects the members that make `no x in … : …` fail.
    fn witness(
        &self,
        body: TermId,
        rows: &Rows<'a>,
        among: Option<(&[u32], usize)>,
        begin: usize,
        verdicts: &[Verdict],
        found: Option<&mut Vec<(u32, u32)>>,
    ) -> Outcome<()> {
        let Term::Not(inner) = self.machine.query.get(body) else { return Ok(()) };
        let (Term::Exists { set, test }, Some(found)) = (self.machine.query.get(*inner), found) else { return Ok(()) };
        let failing: Vec<u32> = (0_u32..).zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Fail).map(|(row, _)| row).collect();
        let sets = self.machine.filter(*set, test, &rows.gather(&failing))?;
        let sets = self.machine.distinct(sets)?;
        for (row, (from, to)) in failing.iter().zip(sets.spans.iter()) {
            let place = among.map_or(Some(*row), |(places, _)| places.get(*row as usize).copied());
            let place = place.unwrap_or(0) + u32::try_from(begin).unwrap_or(0);
            for at in *from..*to {
                if sets.level(at) == TRUE && is_known(sets.member(at)) {
                    found.push((place, sets.member(at)));
                }
            }
        }
        Ok(())
    }

    /// Subjects that nobody has seen: in doubt, unless the rule cannot speak about them or must hold for them.
    fn unseen(&self, unseen: &[u32]) -> Outcome<bool> {
        for code in unseen {
            let rows = Rows::new(1, vec![Arc::new(Vector::codes(CodeClass::Entity, vec![*code]))]);
            if let Some(body) = self.functions.applies.and_then(|applies| self.body(applies))
                && self.machine.truth(body, &rows)?.first() == Some(&FALSE)
            {
                continue;
            }
            for function in &self.functions.requirements {
                let Some(body) = self.body(*function) else { continue };
                if self.machine.truth(body, &rows)?.first() != Some(&TRUE) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn scattered<T: Copy>(values: &[T], places: &[u32], n: usize, other: T) -> Vec<T> {
    let mut all = vec![other; n];
    for (value, place) in values.iter().zip(places) {
        if let Some(slot) = all.get_mut(*place as usize) {
            *slot = *value;
        }
    }
    all
}

/// Parts an extent: known subjects with how sure they are, and unseen ones, which a single subject asked for leaves out.
fn split(extent: &Sets<'_>, only: Option<EntityId>) -> Extent {
    let (from, to) = extent.spans.first().copied().unwrap_or((0, 0));
    if let (Vector::Range(first, end), None) = (extent.flat(), &extent.levels) {
        let range = match only {
            None => first..end,
            Some(id) if (first..end).contains(&id.0) => id.0..id.0 + 1,
            Some(_) => 0..0,
        };
        return (Subjects::Range(range), None, Vec::new());
    }
    let (mut ids, mut levels, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
    for at in from..to {
        let code = extent.member(at);
        if is_unseen(code) {
            unseen.push(code);
        } else if only.is_none_or(|only| only.0 == code) {
            ids.push(code);
            levels.push(extent.level(at));
        }
    }
    if only.is_some() {
        unseen.clear();
    }
    (Subjects::Ids(ids), Some(levels), unseen)
}

/// Evaluates all selected rules, with the same outcome as the reference evaluator, and makes all findings; for a whole tenant
/// that is much more than [`judge`](super::judge) keeps.
///
/// # Errors
/// [`EngineError`].
pub fn scan(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Result<Scan, EngineError> {
    scan_by(&Plan::new(policies, options)?, policies, snapshot, options)
}

/// Evaluates the rules of a plan, which was made with the same options, and makes all findings.
///
/// # Errors
/// [`EngineError`].
pub fn scan_by(plan: &Plan, policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Result<Scan, EngineError> {
    judge_by(plan, policies, snapshot, options).map(|judged| judged.to_scan())
}

/// What somebody vouches for in a snapshot.
pub(super) enum Attested {
    /// Nothing.
    Nothing,
    /// These properties; the list of a whole type stands for all.
    Properties(BTreeSet<PropertyId>),
    /// The list of a whole type.
    Everything,
}

pub(super) fn attested_properties(columns: &Columns) -> Attested {
    let register: BTreeSet<u32> =
        (0_u32..).zip(columns.sources()).filter(|(_, source)| source.kind == SourceKind::Register).map(|(at, _)| at).collect();
    if register.is_empty() {
        return Attested::Nothing;
    }
    let vouched = |source: Option<crate::model::SourceId>| source.is_some_and(|source| register.contains(&source.0));
    if columns.schema().entities.iter().any(|ty| vouched(columns.extent_completeness(ty.id).source)) {
        return Attested::Everything;
    }
    let has = |codes: Option<&crate::snapshot::columns::SourceColumn>| match codes.map(|column| &column.0) {
        Some(crate::snapshot::columns::Codes::Constant(code)) => register.contains(code),
        Some(crate::snapshot::columns::Codes::Each(codes)) => codes.iter().any(|code| register.contains(code)),
        None => false,
    };
    let of = |id: PropertyId| {
        has(columns.attribute_sources(id))
            || has(columns.list_sources(id))
            || has(columns.history_sources(id))
            || columns.list(id).is_some_and(|list| list.completeness_kinds.iter().any(|kind| vouched(kind.source)))
    };
    Attested::Properties(columns.schema().properties.iter().map(|property| property.id).filter(|id| of(*id)).collect())
}

/// Tells whether a rule reads anything that somebody vouches for.
pub(super) fn reads_any(read: &Footprint, attested: &Attested) -> bool {
    let vouched = match attested {
        Attested::Nothing => return false,
        Attested::Everything => return true,
        Attested::Properties(vouched) => vouched,
    };
    read.properties.iter().any(|property| vouched.contains(property))
}

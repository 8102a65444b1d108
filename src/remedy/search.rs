//! What would mend a finding for which no fix is named: the smallest set of declared actions that makes its requirements
//! true and keeps all obligations.
//!
//! Bounded, and the same every time: actions by name, arguments among the entities that the finding's verdict rests on,
//! sets by size and then by cost. A search that ends at a limit says so.

use std::collections::BTreeSet;

use super::obligations::Case;
use super::trial::{Act, Trial};
use crate::check::{Action, ActionId, ActionMode, Policies};
use crate::evaluate::{Scan, Val, Watch, verdict_of};
use crate::model::{Base, EntityId, Type, Value, Verdict};
use crate::snapshot::{CellState, Change, Fact, Overlay, Snapshot};

/// Actions with arguments that are tried for one finding.
pub const CANDIDATES_MAX: usize = 256;
/// Sets of actions that are tried for one finding.
pub const TRIALS_MAX: usize = 600;
/// Actions one set may have.
pub const SIZE_MAX: usize = 2;
/// Values that one argument may take.
const DOMAIN_MAX: usize = 16;
/// Ways that are named.
const WAYS_MAX: usize = 5;

/// The smallest ways to mend a finding.
#[derive(Debug, Clone, Default)]
pub struct Counterfactual {
    /// Each of them: actions in order. All are equally small and equally cheap.
    pub ways: Vec<Vec<Act>>,
    /// Whether there are more such ways than are named.
    pub more: bool,
    /// The limit at which the search ended, if it did: there may be other ways.
    pub limit: Option<String>,
}

/// Searches for the smallest way to mend all failing requirements of a subject.
#[must_use]
pub fn counterfactual(policies: &Policies, snapshot: &Snapshot, scan: &Scan, run: usize, subject: EntityId) -> Counterfactual {
    let world = Overlay::new(snapshot);
    let watch = Watch::new(policies, snapshot, scan);
    Search { policies, scan, watch: &watch, world: &world }.ways(run, subject)
}

pub(super) struct Search<'a> {
    pub(super) policies: &'a Policies,
    pub(super) scan: &'a Scan,
    pub(super) watch: &'a Watch,
    pub(super) world: &'a Overlay,
}

type Candidate = (ActionId, Vec<Value>);

struct Spent {
    trials: usize,
    limit: Option<String>,
}

impl Search<'_> {
    pub(super) fn ways(&self, run: usize, subject: EntityId) -> Counterfactual {
        let rule = self.scan.runs.get(run).and_then(|run| self.policies.rules.get(run.rule.0 as usize));
        let failing = super::proposal::failing(self.scan, self.watch, run, subject);
        let Some(rule) = rule.filter(|_| !failing.is_empty()) else { return Counterfactual::default() };
        let case = Case { rule, subject, failing: &failing, repaired: &failing };
        let (candidates, cut) = self.candidates(run, subject);
        let mut spent = Spent { trials: 0, limit: cut };
        let singles: Vec<Vec<&Candidate>> = candidates.iter().map(|one| vec![one]).collect();
        let mut found = self.try_all(&singles, run, case, &mut spent);
        if found.is_empty() && SIZE_MAX > 1 {
            let pairs: Vec<Vec<&Candidate>> = candidates
                .iter()
                .flat_map(|first| candidates.iter().filter(move |second| *second != first).map(move |second| vec![first, second]))
                .take(TRIALS_MAX)
                .collect();
            found = self.try_all(&pairs, run, case, &mut spent);
        }
        let cheapest = found.iter().map(|acts| cost(self.policies, acts)).min();
        found.retain(|acts| Some(cost(self.policies, acts)) == cheapest);
        found.sort_by_key(|acts| acts.iter().map(|act| act.call(self.policies)).collect::<Vec<_>>());
        found.dedup_by(|a, b| same(a, b));
        let more = found.len() > WAYS_MAX;
        found.truncate(WAYS_MAX);
        Counterfactual { ways: found, more, limit: spent.limit }
    }

    fn try_all(&self, sets: &[Vec<&Candidate>], run: usize, case: Case<'_>, spent: &mut Spent) -> Vec<Vec<Act>> {
        let mut found = Vec::new();
        for set in sets {
            if spent.trials >= TRIALS_MAX {
                spent.limit = Some(format!("{TRIALS_MAX} sets of actions were tried"));
                break;
            }
            spent.trials += 1;
            found.extend(self.try_one(set, run, case));
        }
        found
    }

    fn try_one(&self, set: &[&Candidate], run: usize, case: Case<'_>) -> Option<Vec<Act>> {
        let mut trial = Trial::new(self.policies, self.scan, run, self.world);
        for (action, values) in set {
            trial.act(*action, values.iter().cloned().map(Val::Known).collect());
            if !trial.problems.is_empty() {
                return None;
            }
        }
        // Whether it mends anything is told soon; whether it breaks anything takes longer.
        let (judged, _) = Watch::one(self.policies, self.scan, &trial.world.snapshot(), (run, Some(case.subject)));
        if !case.failing.iter().all(|at| verdict_of(judged.as_deref(), *at) == Verdict::Pass) {
            return None;
        }
        trial.check(self.watch, self.world, case, false);
        trial.problems.is_empty().then_some(trial.acts)
    }

    /// Actions with arguments among what the verdict rests on; the limit that left some out.
    fn candidates(&self, run: usize, subject: EntityId) -> (Vec<Candidate>, Option<String>) {
        let snapshot = self.world.snapshot();
        let (_, reads) = Watch::one(self.policies, self.scan, &snapshot, (run, Some(subject)));
        let near = near(&snapshot, &reads, subject, self.world);
        let mut actions: Vec<(ActionId, &Action)> = (0..).map(ActionId).zip(&self.policies.actions).collect();
        actions.sort_by_key(|(_, action)| (&action.name, &action.module));
        let (mut found, mut limit) = (Vec::new(), None);
        for (id, action) in actions {
            let domains: Vec<Vec<Value>> =
                action.formals.iter().map(|(_, ty)| self.domain(*ty, &near, &snapshot, run, &mut limit)).collect();
            for values in product(&domains) {
                if found.len() >= CANDIDATES_MAX {
                    limit = Some(format!("{CANDIDATES_MAX} actions with their arguments were looked at"));
                    return (found, limit);
                }
                found.push((id, values));
            }
        }
        (found, limit)
    }

    fn domain(&self, ty: Type, near: &BTreeSet<EntityId>, snapshot: &Snapshot, run: usize, limit: &mut Option<String>) -> Vec<Value> {
        let schema = &self.policies.schema;
        let mut values: Vec<Value> = match ty.base {
            Base::Entity(wanted) => {
                let fits = |id: &&EntityId| snapshot.entity_type(**id).is_some_and(|ty| schema.is_subtype(ty, wanted));
                let mut ids: Vec<EntityId> = near.iter().filter(fits).copied().collect();
                ids.sort_by_key(|id| snapshot.key(*id).into_owned());
                ids.into_iter().map(Value::Entity).collect()
            }
            // Values of parameters of the same kind: the partner that is expected.
            _ => {
                let params = self.scan.runs.get(run).map_or(&[][..], |run| &run.params);
                let of_kind =
                    self.policies.params.iter().zip(params).filter(|(param, _)| param.ty.base == ty.base && param.ty.alias == ty.alias);
                let known = of_kind.filter_map(|(_, value)| if let Val::Known(value) = value { Some(value.clone()) } else { None });
                let mut known: Vec<Value> = known.collect();
                known.sort();
                known.dedup();
                known
            }
        };
        if values.len() > DOMAIN_MAX {
            *limit = Some(format!("of more than {DOMAIN_MAX} values of one argument the first were looked at"));
            values.truncate(DOMAIN_MAX);
        }
        values
    }
}

fn same(a: &[Act], b: &[Act]) -> bool {
    a.len() == b.len() && a.iter().all(|one| b.iter().any(|other| one.is_same(other)))
}

/// Settings are cheaper than new things, and these cheaper than what is taken away; what people do costs more than what a
/// service does.
fn cost(policies: &Policies, acts: &[Act]) -> (usize, u32) {
    let of_change = |change: &Change| match change {
        Change::Set(..) => 1,
        Change::Create(..) => 2,
        Change::End(..) => 3,
    };
    let human = |act: &Act| u32::from(policies.actions.get(act.action.0 as usize).is_some_and(|action| action.mode == ActionMode::Human));
    (acts.len(), acts.iter().map(|act| human(act) + act.changes.iter().map(of_change).sum::<u32>()).sum())
}

/// The subject, the entities whose facts were read, and those that these facts name; nothing that a plan made.
fn near(snapshot: &Snapshot, reads: &BTreeSet<Fact>, subject: EntityId, world: &Overlay) -> BTreeSet<EntityId> {
    let mut near = BTreeSet::from([subject]);
    for fact in reads {
        match fact {
            Fact::Cell(id, property) => {
                near.insert(*id);
                if let CellState::Known(Value::Entity(named)) = &snapshot.cell(*id, *property).state {
                    near.insert(*named);
                }
            }
            Fact::List(id, property) => {
                near.insert(*id);
                near.extend(snapshot.nav(*id, *property).members.iter().take(DOMAIN_MAX).filter_map(|edge| edge.member.entity()));
            }
            Fact::Extent(ty) => near.extend(snapshot.extent(*ty).take(DOMAIN_MAX)),
        }
    }
    near.retain(|id| !world.is_added(*id));
    near
}

fn product(domains: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for domain in domains {
        rows = rows
            .iter()
            .flat_map(|row| {
                domain.iter().map(move |value| {
                    let mut longer = row.clone();
                    longer.push(value.clone());
                    longer
                })
            })
            .take(CANDIDATES_MAX + 1)
            .collect();
    }
    rows
}

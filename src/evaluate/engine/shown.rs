//! Plans that are shown: what the engine does for a rule, and what came of it.

use super::super::run::Options;
use super::decide::{Decider, EngineError, Only, Plan, limit_of};
use super::machine::Machine;
use super::profile::Profile;
use super::shape::counts;
use super::shared::Shared;
use crate::check::{Policies, Rule};
use crate::query::{Actuals, Planned, RuleQuery, plan, plan_text, shared_by};
use crate::snapshot::Snapshot;

impl Plan {
    /// Writes the plan of a rule as an indented tree: once, or once for each way in which packs run it. Over a snapshot the
    /// rule is evaluated, and each line has the rows that were expected and those that came; a part that other rules of this
    /// plan share says which. Empty if the rule does not run.
    ///
    /// # Errors
    /// [`EngineError::Limit`] and [`EngineError::Unreadable`].
    pub fn shown(&self, policies: &Policies, id: &str, over: Option<(&Snapshot, &Options<'_>)>) -> Result<String, EngineError> {
        let rule_of = |place: usize| self.runs.get(place).and_then(|(run, _)| policies.rules.get(run.rule.0 as usize));
        let named = self.runs.iter().enumerate().filter_map(|(at, (_, functions))| Some((rule_of(at)?.id.as_str(), functions)));
        let shared = shared_by(&self.query, named);
        let counted = over.map(|(snapshot, _)| counts(&self.query, snapshot.columns()));
        let planned = Planned { query: &self.query, policies, counts: counted.as_ref(), shared: &shared };
        let mut text = String::new();
        let mut known: Vec<&RuleQuery> = Vec::new();
        for (at, (run, functions)) in self.runs.iter().enumerate() {
            let Some(rule) = rule_of(at).filter(|rule| rule.id == id) else { continue };
            // Packs that set the same values run the same plan.
            if known.contains(&functions) {
                continue;
            }
            known.push(functions);
            let pack = run.pack.and_then(|pack| policies.packs.get(pack));
            if let Some(pack) = pack {
                text += &format!("pack {}\n", pack.name);
            }
            let actuals = over.map(|(snapshot, options)| self.profiled(policies, rule, functions, snapshot, options)).transpose()?;
            text += &plan_text(&plan(&planned, rule, functions), counted.is_some(), actuals.as_ref());
        }
        Ok(text)
    }

    /// Evaluates one rule and counts.
    fn profiled(
        &self,
        policies: &Policies,
        rule: &Rule,
        functions: &RuleQuery,
        snapshot: &Snapshot,
        options: &Options<'_>,
    ) -> Result<Actuals, EngineError> {
        let shared = Shared::new(self, policies, snapshot, options.now);
        let mut machine = Machine::new(&shared);
        machine.profile = Some(Profile::default());
        let decider = Decider { machine: &machine, rule, functions, now: options.now, witnesses: false };
        let decision = decider.decide(Only::of(options.subject)).map_err(|overrun| limit_of(rule, overrun))?;
        if let Some(trouble) = shared.columns.trouble() {
            return Err(EngineError::Unreadable(trouble.to_owned()));
        }
        let actuals = machine.profile.take().map(Profile::into_actuals).unwrap_or_default();
        Ok(Actuals { subjects: decision.subjects.len() as u64, ..actuals })
    }
}

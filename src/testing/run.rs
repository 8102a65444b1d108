//! Runs one test and says what did not come out as expected.

use std::collections::BTreeMap;

use super::world::{test_instant, world};
use crate::check::{Expectation, ExprKind, ParamId, Policies, Rule, Test, walk};
use crate::evaluate::{Evaluator, Options, Scan, Val, parameter_values, scan, scan_again};
use crate::model::{EntityId, Verdict};
use crate::remedy::propose;
use crate::snapshot::Snapshot;
use crate::text::Span;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// Where the expectation stands.
    pub span: Span,
    /// What came out in its place.
    pub message: String,
}

/// Runs one test; nothing comes back if everything came out as expected.
#[must_use]
pub fn run_test(policies: &Policies, test: &Test) -> Vec<TestFailure> {
    if let Some(rule) = reads_now_unsaid(policies, test) {
        let message = format!("`{}` reads `now`: say it in the world, `now = 2026-01-01`", rule.id);
        return vec![TestFailure { span: test.span, message }];
    }
    let result = judged(policies, test, |judge, ids| test.expects.iter().filter_map(|expect| judge.expectation(expect, ids)).collect());
    result.unwrap_or_else(|messages| messages.into_iter().map(|message| TestFailure { span: test.span, message }).collect())
}

/// Returns the verdict each expectation is about, whatever was expected.
pub(super) fn outcomes(policies: &Policies, test: &Test) -> Result<Vec<String>, Vec<String>> {
    judged(policies, test, |judge, ids| {
        let verdict = |expect: &Expectation| {
            let run = judge.scan.runs.iter().position(|run| run.rule == expect.rule)?;
            Some(outcome(judge.scan, run, *ids.get(expect.subject)?, expect.requirement).0)
        };
        test.expects.iter().map(|expect| verdict(expect).unwrap_or_else(|| gone().0)).collect()
    })
}

/// Builds the world of a test, scans it with the rules the test names, and hands both to `judge`.
fn judged<T>(policies: &Policies, test: &Test, judge: impl FnOnce(&Judge<'_>, &[EntityId]) -> T) -> Result<T, Vec<String>> {
    prepared(policies, test, |bare, snapshot, options, ids| {
        let result = scan(bare, snapshot, options).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(judge(&Judge { policies: bare, snapshot, scan: &result }, ids))
    })?
}

/// Builds the world of a test and hands over what is scanned for it: the policies without packs, the snapshot, the options.
///
/// # Errors
/// What is wrong with the world, in words.
pub fn with_world<T>(
    policies: &Policies,
    test: &Test,
    look: impl FnOnce(&Policies, &Snapshot, &Options<'_>) -> T,
) -> Result<T, Vec<String>> {
    prepared(policies, test, |bare, snapshot, options, _| look(bare, snapshot, options))
}

fn prepared<T>(
    policies: &Policies,
    test: &Test,
    look: impl FnOnce(&Policies, &Snapshot, &Options<'_>, &[EntityId]) -> T,
) -> Result<T, Vec<String>> {
    let (snapshot, ids) = world(policies, test).map_err(|error| vec![error.to_string()])?;
    let now = test_instant(test);
    let values = parameter_values(policies, &BTreeMap::new());
    let evaluator = Evaluator::new(policies, &snapshot, now, values);
    let params: BTreeMap<ParamId, Val> = test.params.iter().map(|(id, value)| (*id, evaluator.value(value, &mut Vec::new()))).collect();
    let named: Vec<&str> =
        test.expects.iter().filter_map(|expect| policies.rules.get(expect.rule.0 as usize)).map(|rule| rule.id.as_str()).collect();
    let select = |rule: &Rule| named.contains(&rule.id.as_str());
    let bare = Policies { packs: Vec::new(), ..policies.clone() };
    let options = Options { now, params: &params, packs: None, select: &select, subject: None, waivers: true };
    Ok(look(&bare, &snapshot, &options, &ids))
}

/// Finds a rule under test that reads `now` although the world does not say when it is.
fn reads_now_unsaid<'p>(policies: &'p Policies, test: &Test) -> Option<&'p Rule> {
    if test.now.is_some() {
        return None;
    }
    let rules = test.expects.iter().filter_map(|expect| policies.rules.get(expect.rule.0 as usize));
    rules.into_iter().find(|rule| {
        let mut found = rule.due.is_some();
        let conditions = rule.requirements.iter().map(|requirement| &requirement.condition);
        let lets = rule.lets.iter().map(|(_, value)| value);
        let mut queue: Vec<&crate::check::Expr> = rule.filter.iter().chain(lets).chain(conditions).collect();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(expr) = queue.pop() {
            walk(expr, &mut |expr| match &expr.kind {
                ExprKind::Now => found = true,
                ExprKind::Call(def, _) if seen.insert(*def) => {
                    queue.extend(policies.defs.get(def.0 as usize).map(|def| &def.body));
                }
                _ => {}
            });
        }
        found
    })
}

struct Judge<'a> {
    policies: &'a Policies,
    snapshot: &'a Snapshot,
    scan: &'a Scan,
}

impl Judge<'_> {
    fn expectation(&self, expect: &Expectation, ids: &[EntityId]) -> Option<TestFailure> {
        let fail = |message: String| Some(TestFailure { span: expect.span, message });
        let Some(subject) = ids.get(expect.subject).copied() else { return fail("the subject is not in the world".to_owned()) };
        let Some(run) = self.scan.runs.iter().position(|run| run.rule == expect.rule) else {
            return fail("the rule was not run".to_owned());
        };
        if expect.after_fix {
            return self.after_fix(expect, run, subject);
        }
        let (verdict, because) = outcome(self.scan, run, subject, expect.requirement);
        self.matches(expect, &verdict, &because)
    }

    /// Judges the world after the fixes; a fix that may not be shown, or does not apply, leaves it as it is.
    fn after_fix(&self, expect: &Expectation, run: usize, subject: EntityId) -> Option<TestFailure> {
        let unchanged = |why: String| {
            let (verdict, because) = outcome(self.scan, run, subject, expect.requirement);
            let failure = self.matches(expect, &verdict, &because)?;
            Some(TestFailure { message: format!("{}: {why}", failure.message), ..failure })
        };
        let Some(proposal) = propose(self.policies, self.snapshot, self.scan, run, subject) else {
            return unchanged("no fix applies".to_owned());
        };
        if !proposal.problems.is_empty() {
            return unchanged(format!(
                "the fix may not be shown: {}",
                proposal.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            ));
        }
        // An overlay keeps the numbers of entities; a subject that is gone has no verdict.
        let after = scan_again(self.policies, &proposal.after, self.scan);
        let (verdict, because) = outcome(&after, run, subject, expect.requirement);
        self.matches(expect, &verdict, &because)
    }

    fn matches(&self, expect: &Expectation, verdict: &str, because: &[usize]) -> Option<TestFailure> {
        let names = |places: &[usize]| {
            let rule = self.policies.rules.get(expect.rule.0 as usize);
            let names = places.iter().filter_map(|at| rule?.requirements.get(*at)).map(|requirement| requirement.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let reasons_fit =
            expect.because.is_empty() || expect.because.iter().all(|at| because.contains(at)) && because.len() == expect.because.len();
        if verdict == expect.verdict && reasons_fit {
            return None;
        }
        let why = if because.is_empty() { String::new() } else { format!(" because {}", names(because)) };
        let wanted = if expect.because.is_empty() { String::new() } else { format!(" because {}", names(&expect.because)) };
        Some(TestFailure { span: expect.span, message: format!("expected {}{wanted}, got {verdict}{why}", expect.verdict) })
    }
}

/// What is said of a subject that is not among the rule's subjects.
fn gone() -> (String, Vec<usize>) {
    (Verdict::NotApplicable.name().to_owned(), Vec::new())
}

/// Returns the worst verdict of a rule on a subject and the requirements that have it.
fn outcome(scan: &Scan, run: usize, subject: EntityId, requirement: Option<usize>) -> (String, Vec<usize>) {
    let findings: Vec<_> = scan
        .findings
        .iter()
        .filter(|finding| finding.run == run && finding.subject == Some(subject))
        .filter(|finding| requirement.is_none() || finding.requirement == requirement || finding.requirement.is_none())
        .collect();
    let Some(worst) = findings.iter().map(|finding| finding.verdict).max() else { return gone() };
    let deciding: Vec<_> = findings.iter().filter(|finding| finding.verdict == worst).collect();
    let waived = worst == Verdict::Fail && deciding.iter().all(|finding| finding.waiver.is_some());
    let name = if waived { "waived" } else { worst.name() };
    (name.to_owned(), deciding.iter().filter_map(|finding| finding.requirement).collect())
}

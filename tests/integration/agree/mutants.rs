//! Engines that are wrong in one thing: each has to be found, or the comparison would show nothing.

use std::sync::Arc;

use tenet::check::{Comparison, Expr, ExprKind, Policies};
use tenet::evaluate::{Options, Scan};
use tenet::model::{Bound, Completeness, Interval, Value, Verdict};
use tenet::snapshot::{CellState, Records, Snapshot};
use tenet::syntax::ast::{Aggregate, Quantifier};

use super::compare::Depth;
use super::engine::{Engine, Pair, REFERENCE, Scanned, Store};
use super::{Search, Tally, run};

/// What is changed.
enum Mutant {
    Scan(fn(&mut Scan)),
    Expression(fn(&mut Expr)),
    Policies(fn(&mut Policies)),
    Records(fn(&mut Records)),
}

/// The most pairs that are judged until a mutant is found.
const PAIRS_MAX: u64 = 30_000;

const MUTANTS: &[(&str, Mutant)] = &[
    (
        "one fail passes",
        Mutant::Scan(|scan| {
            if let Some(finding) = scan.findings.iter_mut().find(|finding| finding.verdict == Verdict::Fail) {
                finding.verdict = Verdict::Pass;
            }
        }),
    ),
    (
        "an unknown fails",
        Mutant::Scan(|scan| {
            if let Some(finding) = scan.findings.iter_mut().rfind(|finding| finding.verdict == Verdict::Unknown) {
                finding.verdict = Verdict::Fail;
            }
        }),
    ),
    ("no unseen subjects", Mutant::Scan(|scan| scan.findings.retain(|finding| finding.subject.is_some()))),
    ("no dates", Mutant::Scan(|scan| scan.findings.iter_mut().for_each(|finding| finding.due = None))),
    ("no waivers", Mutant::Scan(|scan| scan.findings.iter_mut().for_each(|finding| finding.waiver = None))),
    ("fails of waivers not counted", Mutant::Scan(|scan| scan.waivers.iter_mut().for_each(|waiver| waiver.fails = 0))),
    ("subjects of waivers not counted", Mutant::Scan(|scan| scan.waivers.iter_mut().for_each(|waiver| waiver.subjects = 0))),
    ("subjects not counted", Mutant::Scan(|scan| scan.runs.iter_mut().for_each(|run| run.n_assessed = run.n_subjects))),
    ("findings in another order", Mutant::Scan(|scan| scan.findings.reverse())),
    ("a finding too many", Mutant::Scan(|scan| scan.findings.extend(scan.findings.last().cloned()))),
    ("exhausted", Mutant::Scan(|scan| scan.findings.iter_mut().for_each(|finding| finding.exhausted = true))),
    ("everything blocks", Mutant::Scan(|scan| scan.runs.iter_mut().for_each(|run| run.blocking = true))),
    (
        "parameters of packs ignored",
        Mutant::Policies(|policies| {
            policies.packs.iter_mut().flat_map(|pack| &mut pack.uses).for_each(|used| used.params.clear());
        }),
    ),
    ("due ignored", Mutant::Policies(|policies| policies.rules.iter_mut().for_each(|rule| rule.due = None))),
    ("where ignored", Mutant::Policies(|policies| policies.rules.iter_mut().for_each(|rule| rule.filter = None))),
    ("where of waivers ignored", Mutant::Policies(|policies| policies.waivers.iter_mut().for_each(|waiver| waiver.filter = None))),
    (
        "requirement of waivers ignored",
        Mutant::Policies(|policies| policies.waivers.iter_mut().for_each(|waiver| waiver.requirement = None)),
    ),
    (
        "attributes as of now",
        Mutant::Expression(|expr| {
            if let ExprKind::Attribute { at, .. } = &mut expr.kind {
                *at = None
            }
        }),
    ),
    (
        "navigations as of now",
        Mutant::Expression(|expr| {
            if let ExprKind::Navigation { at, .. } = &mut expr.kind {
                *at = None
            }
        }),
    ),
    (
        "closures as of now",
        Mutant::Expression(|expr| {
            if let ExprKind::Closure { at, .. } = &mut expr.kind {
                *at = None
            }
        }),
    ),
    (
        "closures with their start",
        Mutant::Expression(|expr| {
            if let ExprKind::Closure { reflexive, .. } = &mut expr.kind {
                *reflexive = true
            }
        }),
    ),
    (
        "closures without their start",
        Mutant::Expression(|expr| {
            if let ExprKind::Closure { reflexive, .. } = &mut expr.kind {
                *reflexive = false
            }
        }),
    ),
    (
        "no second way out",
        Mutant::Expression(|expr| {
            if let ExprKind::Coalesce(left, _) = &mut expr.kind {
                *expr = (**left).clone()
            }
        }),
    ),
    (
        "less is less or equal",
        Mutant::Expression(|expr| {
            if let ExprKind::Compare(op @ Comparison::Less, ..) = &mut expr.kind {
                *op = Comparison::LessEqual
            }
        }),
    ),
    (
        "greater is not less",
        Mutant::Expression(|expr| {
            if let ExprKind::Compare(op @ Comparison::Greater, ..) = &mut expr.kind {
                *op = Comparison::GreaterEqual
            }
        }),
    ),
    (
        "in is not in",
        Mutant::Expression(|expr| {
            if let ExprKind::In { negated, .. } = &mut expr.kind {
                *negated = !*negated
            }
        }),
    ),
    (
        "unions of one side",
        Mutant::Expression(|expr| {
            if let ExprKind::Union(left, _) = &mut expr.kind {
                *expr = (**left).clone()
            }
        }),
    ),
    (
        "filters keep everything",
        Mutant::Expression(|expr| {
            if let ExprKind::Filter(binder) = &mut expr.kind {
                *expr = binder.set.clone()
            }
        }),
    ),
    (
        "sets of their first member",
        Mutant::Expression(|expr| {
            if let ExprKind::Set(items) = &mut expr.kind {
                items.truncate(1)
            }
        }),
    ),
    (
        "nobody is of a type",
        Mutant::Expression(|expr| {
            if let ExprKind::IsType(_, _, negated) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(negated))
            }
        }),
    ),
    (
        "nothing is none",
        Mutant::Expression(|expr| {
            if let ExprKind::IsNone(_, negated) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(negated))
            }
        }),
    ),
    (
        "nothing covers",
        Mutant::Expression(|expr| {
            if let ExprKind::Covers(..) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(false))
            }
        }),
    ),
    (
        "nothing overlaps",
        Mutant::Expression(|expr| {
            if let ExprKind::Overlaps(..) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(false))
            }
        }),
    ),
    (
        "everything matches",
        Mutant::Expression(|expr| {
            if let ExprKind::Matches(..) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(true))
            }
        }),
    ),
    (
        "everything is known",
        Mutant::Expression(|expr| {
            if let ExprKind::Known(_) = expr.kind {
                expr.kind = ExprKind::Value(Value::Bool(true))
            }
        }),
    ),
    (
        "nothing is added",
        Mutant::Expression(|expr| {
            if let ExprKind::Add(left, _) = &mut expr.kind {
                *expr = (**left).clone()
            }
        }),
    ),
    (
        "implies is and",
        Mutant::Expression(|expr| {
            if let ExprKind::Implies(left, right) = &expr.kind {
                expr.kind = ExprKind::And(vec![(**left).clone(), (**right).clone()])
            }
        }),
    ),
    (
        "all is all nonempty",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(kind @ Quantifier::All, ..) = &mut expr.kind {
                *kind = Quantifier::AllNonempty
            }
        }),
    ),
    (
        "all nonempty is all",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(kind @ Quantifier::AllNonempty, ..) = &mut expr.kind {
                *kind = Quantifier::All
            }
        }),
    ),
    (
        "exactly is at least",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(kind, ..) = &mut expr.kind
                && let Quantifier::Exactly(n) = *kind
            {
                *kind = Quantifier::AtLeast(n);
            }
        }),
    ),
    (
        "at most one more",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(Quantifier::AtMost(n), ..) = &mut expr.kind {
                *n += 1
            }
        }),
    ),
    (
        "variables without where",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(_, binders, _) | ExprKind::Aggregate(_, binders, _) = &mut expr.kind {
                binders.iter_mut().for_each(|binder| binder.filter = None);
            }
        }),
    ),
    (
        "one variable only",
        Mutant::Expression(|expr| {
            if let ExprKind::Quantified(_, binders, None) = &mut expr.kind {
                binders.truncate(1)
            }
        }),
    ),
    (
        "the smallest is the largest",
        Mutant::Expression(|expr| {
            if let ExprKind::Aggregate(kind @ Aggregate::Min, ..) = &mut expr.kind {
                *kind = Aggregate::Max
            }
        }),
    ),
    (
        "reviews are never due",
        Mutant::Records(|records| {
            records
                .sources
                .iter_mut()
                .filter_map(|source| source.attestation.as_mut())
                .for_each(|attestation| attestation.review_due_at = None);
        }),
    ),
    ("captured at no time", Mutant::Records(|records| records.meta.captured_to = None)),
    (
        "everything exists for ever",
        Mutant::Records(|records| records.entities.iter_mut().for_each(|record| record.lifetime = Interval::ALWAYS)),
    ),
    ("no histories", Mutant::Records(|records| records.entities.iter_mut().for_each(|record| record.history.clear()))),
    (
        "histories with known bounds",
        Mutant::Records(|records| {
            let known = |bound: &mut Bound| {
                if *bound == Bound::Unknown {
                    *bound = Bound::Unbounded
                }
            };
            for (_, entry) in records.entities.iter_mut().flat_map(|record| &mut record.history) {
                known(&mut entry.interval.from);
                known(&mut entry.interval.to);
            }
        }),
    ),
    (
        "members for ever",
        Mutant::Records(|records| {
            records.entities.iter_mut().flat_map(|record| &mut record.edges).for_each(|(_, edge)| edge.interval = Interval::ALWAYS);
        }),
    ),
    (
        "types are never whole",
        Mutant::Records(|records| {
            records.extents.iter_mut().for_each(|extent| extent.completeness.complete = false);
        }),
    ),
    (
        "open types are whole",
        Mutant::Records(|records| {
            records.extents.iter_mut().for_each(|extent| extent.completeness = Completeness::now(extent.completeness.source));
        }),
    ),
    (
        "open lists are whole",
        Mutant::Records(|records| {
            let claims = records.entities.iter_mut().flat_map(|record| &mut record.completeness);
            claims.for_each(|(_, claim)| *claim = Completeness { complete: true, ..claim.clone() });
        }),
    ),
    (
        "lists cover all times",
        Mutant::Records(|records| {
            let claims = records.entities.iter_mut().flat_map(|record| &mut record.completeness);
            claims.filter(|(_, claim)| claim.complete).for_each(|(_, claim)| claim.covered = vec![Interval::ALWAYS]);
        }),
    ),
    (
        "unknown is none",
        Mutant::Records(|records| {
            let cells = records.entities.iter_mut().flat_map(|record| &mut record.cells);
            cells.filter(|(_, cell)| matches!(cell.state, CellState::Unknown(_))).for_each(|(_, cell)| cell.state = CellState::None);
        }),
    ),
    (
        "none is unknown",
        Mutant::Records(|records| {
            let cells = records.entities.iter_mut().flat_map(|record| &mut record.cells);
            cells.filter(|(_, cell)| cell.state == CellState::None).for_each(|(_, cell)| cell.state = CellState::Unknown(None));
        }),
    ),
];

impl Mutant {
    fn scan(&self, policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Scanned {
        match self {
            Self::Scan(change) => REFERENCE(policies, snapshot, options).map(|mut scan| {
                change(&mut scan);
                scan
            }),
            Self::Expression(change) => {
                let mut policies = policies.clone();
                each_expression(&mut policies, change);
                REFERENCE(&policies, snapshot, options)
            }
            Self::Policies(change) => {
                let mut policies = policies.clone();
                change(&mut policies);
                REFERENCE(&policies, snapshot, options)
            }
            Self::Records(change) => {
                let mut records = snapshot.records().into_owned();
                change(&mut records);
                REFERENCE(policies, &Snapshot::freeze(Arc::clone(snapshot.schema()), records), options)
            }
        }
    }
}

pub(super) fn each_expression(policies: &mut Policies, change: &dyn Fn(&mut Expr)) {
    for rule in &mut policies.rules {
        let lets = rule.lets.iter_mut().map(|(_, value)| value);
        let conditions = rule.requirements.iter_mut().map(|requirement| &mut requirement.condition);
        rule.filter.iter_mut().chain(&mut rule.due).chain(lets).chain(conditions).for_each(|expr| each(expr, change));
    }
    policies.defs.iter_mut().for_each(|def| each(&mut def.body, change));
}

/// Changes an expression and everything in it, innermost first.
pub(super) fn each(expr: &mut Expr, change: &dyn Fn(&mut Expr)) {
    match &mut expr.kind {
        ExprKind::Value(_)
        | ExprKind::None
        | ExprKind::Now
        | ExprKind::Var(_)
        | ExprKind::Param(_)
        | ExprKind::Extent(_)
        | ExprKind::Error => {}
        ExprKind::Call(_, items) | ExprKind::Set(items) | ExprKind::And(items) | ExprKind::Or(items) => {
            items.iter_mut().for_each(|item| each(item, change));
        }
        ExprKind::Attribute { base, at, .. } | ExprKind::Navigation { base, at, .. } | ExprKind::Closure { base, at, .. } => {
            each(base, change);
            at.iter_mut().for_each(|at| each(at, change));
        }
        ExprKind::Filter(binder) => {
            each(&mut binder.set, change);
            binder.filter.iter_mut().for_each(|filter| each(filter, change));
        }
        ExprKind::Not(inner)
        | ExprKind::IsNone(inner, _)
        | ExprKind::IsType(inner, _, _)
        | ExprKind::Matches(inner, _)
        | ExprKind::Known(inner) => each(inner, change),
        ExprKind::Branches(branches) => branches.iter_mut().for_each(|(_, branch)| each(branch, change)),
        ExprKind::Union(a, b)
        | ExprKind::Implies(a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::In { item: a, set: b, .. }
        | ExprKind::Covers(a, b)
        | ExprKind::Overlaps(a, b)
        | ExprKind::Coalesce(a, b)
        | ExprKind::Add(a, b)
        | ExprKind::Subtract(a, b)
        | ExprKind::Interval(a, b) => {
            each(a, change);
            each(b, change);
        }
        ExprKind::Quantified(_, binders, body) | ExprKind::Aggregate(_, binders, body) => {
            for binder in binders {
                each(&mut binder.set, change);
                binder.filter.iter_mut().for_each(|filter| each(filter, change));
            }
            body.iter_mut().for_each(|body| each(body, change));
        }
    }
    change(expr);
}

fn found(seed: u64, engine: Engine<'_>, shrinks: bool) -> (Tally, Vec<String>) {
    let pair = Pair { one: REFERENCE, other: engine, store: Store::Records };
    run(Search { seed, pairs: PAIRS_MAX, failures_max: 1, turns: &[&[pair]], shrinks, depth: Depth::Reasons })
}

#[test]
fn an_engine_that_is_wrong_is_found() {
    let mut unseen = Vec::new();
    for (name, mutant) in MUTANTS {
        let engine = |policies: &Policies, snapshot: &Snapshot, options: &Options<'_>| mutant.scan(policies, snapshot, options);
        let engine: Engine<'_> = &engine;
        let (tally, failures) = found(1_000_000, engine, false);
        if std::env::var("TENET_AGREE_MUTANTS").is_ok() {
            eprintln!("{name}: after {} pairs", tally.pairs);
        }
        if failures.is_empty() {
            unseen.push(name);
        }
    }
    assert!(unseen.is_empty(), "nobody noticed: {unseen:?}");
}

#[test]
fn a_difference_is_made_small() {
    for name in ["closures without their start", "reviews are never due", "exactly is at least"] {
        let (_, mutant) = MUTANTS.iter().find(|(known, _)| *known == name).unwrap();
        let engine = |policies: &Policies, snapshot: &Snapshot, options: &Options<'_>| mutant.scan(policies, snapshot, options);
        let engine: Engine<'_> = &engine;
        let (_, failures) = found(2_000_000, engine, true);
        let report = failures.first().unwrap();
        if std::env::var("TENET_AGREE_MUTANTS").is_ok() {
            eprintln!("{name}\n{report}\n");
        }
        assert!(report.contains("TENET_AGREE_CASE="), "{report}");
        let own = report.lines().skip_while(|line| !line.starts_with("made smaller")).count();
        assert!(own < 50, "{name}: {own} lines\n{report}");
    }
}

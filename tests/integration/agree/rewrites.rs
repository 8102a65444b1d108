//! What may be laid out differently: rewrites of checked policies after which the reference evaluator says the same, and
//! some after which it does not, though they look as if it would. And rewrites of plans, all off, each one off, each one on.

use tenet::check::{Binder, Comparison, Expr, ExprKind, Policies, VarId};
use tenet::evaluate::Options;
use tenet::model::{Base, Type, Value};
use tenet::query::Rewrites;
use tenet::snapshot::Snapshot;
use tenet::syntax::ast::{Aggregate, Quantifier};

use super::compare::Depth;
use super::engine::{Engine, Pair, REFERENCE, Store, rewritten};
use super::mutants::{each, each_expression};
use super::{Search, run, setting};

/// How many pairs may be judged until a difference is found.
const PAIRS_MAX: u64 = 60_000;

type Rewrite = (&'static str, fn(&mut Policies));

const NEUTRAL: &[Rewrite] = &[
    ("conditions in another order", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::And(parts) | ExprKind::Or(parts) = &mut expr.kind {
                parts.reverse();
            }
        });
    }),
    ("branches in another order", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Branches(branches) = &mut expr.kind {
                branches.reverse();
            }
        });
    }),
    ("unions and equal sides the other way round", |policies| {
        each_expression(policies, &|expr| match &mut expr.kind {
            ExprKind::Union(left, right)
            | ExprKind::Compare(Comparison::Equal | Comparison::NotEqual, left, right)
            | ExprKind::Overlaps(left, right) => std::mem::swap(left, right),
            _ => {}
        });
    }),
    ("less as greater", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Compare(op, left, right) = &mut expr.kind {
                let other = match op {
                    Comparison::Less => Comparison::Greater,
                    Comparison::LessEqual => Comparison::GreaterEqual,
                    _ => return,
                };
                *op = other;
                std::mem::swap(left, right);
            }
        });
    }),
    ("implies as or", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Implies(left, right) = &expr.kind {
                expr.kind = ExprKind::Or(vec![not((**left).clone()), (**right).clone()]);
            }
        });
    }),
    ("and as or of what is not", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::And(parts) = &expr.kind {
                let parts = parts.iter().cloned().map(not).collect();
                expr.kind = ExprKind::Not(Box::new(Expr { kind: ExprKind::Or(parts), ..expr.clone() }));
            }
        });
    }),
    ("all as no", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Quantified(kind @ Quantifier::All, _, Some(body)) = &mut expr.kind {
                *kind = Quantifier::No;
                **body = not((**body).clone());
            }
        });
    }),
    ("all nonempty as two conditions", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Quantified(Quantifier::AllNonempty, binders, body) = &expr.kind {
                let all = Expr { kind: ExprKind::Quantified(Quantifier::All, binders.clone(), body.clone()), ..expr.clone() };
                let some = Expr { kind: ExprKind::Quantified(Quantifier::Some, binders.clone(), None), ..expr.clone() };
                expr.kind = ExprKind::And(vec![all, some]);
            }
        });
    }),
    ("some as at least one, no as at most none", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Quantified(kind, ..) = &mut expr.kind {
                *kind = match *kind {
                    Quantifier::Some => Quantifier::AtLeast(1),
                    Quantifier::No => Quantifier::AtMost(0),
                    other => other,
                };
            }
        });
    }),
    ("numbers of members as counts", |policies| {
        each_expression(policies, &|expr| {
            let ExprKind::Quantified(kind, binders, body) = &expr.kind else { return };
            let (op, n) = match kind {
                Quantifier::Exactly(n) => (Comparison::Equal, *n),
                Quantifier::AtMost(n) => (Comparison::LessEqual, *n),
                Quantifier::AtLeast(n) => (Comparison::GreaterEqual, *n),
                _ => return,
            };
            let int = |kind| Box::new(Expr { kind, ty: Type::of(Base::Int), span: expr.span });
            let count = int(ExprKind::Aggregate(Aggregate::Count, binders.clone(), body.clone()));
            expr.kind = ExprKind::Compare(op, count, int(ExprKind::Value(Value::Int(n))));
        });
    }),
    ("where as a part of the body", |policies| {
        each_expression(policies, &|expr| {
            let ExprKind::Quantified(kind, binders, body) = &mut expr.kind else { return };
            if *kind == Quantifier::AllNonempty {
                return;
            }
            let Some(filter) = binders.last_mut().and_then(|binder| binder.filter.take()) else { return };
            let joined = match (&*kind, body.as_deref()) {
                (_, None) => filter,
                (Quantifier::All, Some(body)) => truth(ExprKind::Implies(Box::new(filter), Box::new(body.clone())), body),
                (_, Some(body)) => truth(ExprKind::And(vec![filter, body.clone()]), body),
            };
            *body = Some(Box::new(joined));
        });
    }),
    ("filters of sets as where", |policies| {
        each_expression(policies, &|expr| {
            if let ExprKind::Quantified(_, binders, _) | ExprKind::Aggregate(_, binders, _) = &mut expr.kind {
                binders.iter_mut().for_each(unfiltered);
            }
        });
    }),
    ("some of a union as some of either", |policies| {
        each_expression(policies, &|expr| {
            let ExprKind::Quantified(Quantifier::Some, binders, body) = &expr.kind else { return };
            let Some((first, rest)) = binders.split_first() else { return };
            let ExprKind::Union(left, right) = &first.set.kind else { return };
            let of = |set: &Expr| {
                let binder = Binder { set: set.clone(), ..first.clone() };
                let binders = std::iter::once(binder).chain(rest.iter().cloned()).collect();
                Expr { kind: ExprKind::Quantified(Quantifier::Some, binders, body.clone()), ..expr.clone() }
            };
            expr.kind = ExprKind::Or(vec![of(left), of(right)]);
        });
    }),
    ("what is let written where it is used", |policies| {
        for rule in &mut policies.rules {
            let mut lets = rule.lets.clone();
            for at in 0..lets.len() {
                let (var, value) = lets[at].clone();
                let written = |expr: &mut Expr| substituted(expr, var, &value);
                lets[at + 1..].iter_mut().for_each(|(_, later)| written(later));
                rule.due.iter_mut().for_each(written);
                rule.requirements.iter_mut().for_each(|requirement| written(&mut requirement.condition));
            }
        }
    }),
];

const NOT_NEUTRAL: &[Rewrite] = &[
    // `x in S[f | c]` is unknown where `S` is open, though `c` is known to be false of `x`.
    ("a member of a filtered set as a member and the filter", |policies| {
        each_expression(policies, &|expr| {
            let ExprKind::In { item, set, negated: false } = &expr.kind else { return };
            let ExprKind::Filter(binder) = &set.kind else { return };
            let Some(mut filter) = binder.filter.clone() else { return };
            substituted(&mut filter, binder.var, item);
            let member =
                Expr { kind: ExprKind::In { item: item.clone(), set: Box::new(binder.set.clone()), negated: false }, ..expr.clone() };
            expr.kind = ExprKind::And(vec![member, filter]);
        });
    }),
    // `in` knows that an entity which is known to belong elsewhere is not the unseen member of a list; an equation with a
    // variable that stands for the unseen member does not.
    ("a member as some member that is equal", |policies| {
        each_expression(policies, &|expr| {
            let ExprKind::In { item, set, negated: false } = &expr.kind else { return };
            // The variable stands in a slot that nothing else uses.
            let var = VarId(900);
            let here = Expr { kind: ExprKind::Var(var), ty: set.ty.member(), span: expr.span };
            let equal = truth(ExprKind::Compare(Comparison::Equal, item.clone(), Box::new(here)), expr);
            let binder = Binder { var, set: (**set).clone(), filter: None };
            expr.kind = ExprKind::Quantified(Quantifier::Some, vec![binder], Some(Box::new(equal)));
        });
        policies.rules.iter_mut().for_each(|rule| rule.n_slots = 901);
        policies.defs.iter_mut().for_each(|def| def.n_slots = 901);
        policies.waivers.iter_mut().for_each(|waiver| waiver.n_slots = 901);
    }),
];

fn truth(kind: ExprKind, like: &Expr) -> Expr {
    Expr { kind, ty: Type::of(Base::Bool), span: like.span }
}

fn not(expr: Expr) -> Expr {
    let (ty, span) = (expr.ty, expr.span);
    Expr { kind: ExprKind::Not(Box::new(expr)), ty, span }
}

fn substituted(expr: &mut Expr, var: VarId, value: &Expr) {
    each(expr, &|expr| {
        if matches!(expr.kind, ExprKind::Var(known) if known == var) {
            *expr = value.clone();
        }
    });
}

/// Turns `v in S[f | c] where d` into `v in S where c and d`.
fn unfiltered(binder: &mut Binder) {
    let ExprKind::Filter(inner) = &binder.set.kind else { return };
    let inner = (**inner).clone();
    let Some(mut filter) = inner.filter else { return };
    let here = Expr { kind: ExprKind::Var(binder.var), ty: inner.set.ty.member(), span: inner.set.span };
    substituted(&mut filter, inner.var, &here);
    let outer = binder.filter.take();
    let like = filter.clone();
    binder.filter = Some(match outer {
        Some(outer) => truth(ExprKind::And(vec![filter, outer]), &like),
        None => filter,
    });
    binder.set = inner.set;
}

fn differs(rewrite: fn(&mut Policies), pairs: u64, shrinks: bool) -> Vec<String> {
    let engine = move |policies: &Policies, snapshot: &Snapshot, options: &Options<'_>| {
        let mut policies = policies.clone();
        rewrite(&mut policies);
        REFERENCE(&policies, snapshot, options)
    };
    let engine: Engine<'_> = &engine;
    let pair = Pair { one: REFERENCE, other: engine, store: Store::Records };
    run(Search { seed: 3_000_000, pairs, failures_max: 1, turns: &[&[pair]], shrinks, depth: Depth::Verdicts }).1
}

#[test]
fn what_is_only_laid_out_differently_means_the_same() {
    // How many pairs a rewrite has to leave as they are.
    let pairs = setting("TENET_AGREE_REWRITTEN", 6_000);
    for (name, rewrite) in NEUTRAL {
        let failures = differs(*rewrite, pairs, true);
        assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    }
    for (name, rewrite) in NOT_NEUTRAL {
        assert!(!differs(*rewrite, PAIRS_MAX, false).is_empty(), "{name}: no difference was found");
    }
}

/// Verdicts, reasons and blocking facts are the same whichever rewrites of plans are made.
#[test]
fn rewrites_of_plans_change_nothing_that_is_said() {
    let pairs = setting("TENET_AGREE_PLANNED", 1_500);
    let mut sets = vec![("none of them".to_owned(), Rewrites::none())];
    for name in Rewrites::names() {
        sets.push((format!("all but {name}"), Rewrites::all().without(name)));
        sets.push((format!("only {name}"), Rewrites::none().with(name)));
    }
    for (seed, (name, on)) in (6_000_000..).step_by(10_000).zip(sets) {
        let engine = rewritten(on);
        let pair = Pair { one: REFERENCE, other: &engine, store: Store::Columns };
        let search = Search { seed, pairs, failures_max: 1, turns: &[&[pair]], shrinks: true, depth: Depth::Reasons };
        let (tally, failures) = run(search);
        assert!(tally.pairs >= pairs || !failures.is_empty(), "{name}: only {} pairs", tally.pairs);
        assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    }
}

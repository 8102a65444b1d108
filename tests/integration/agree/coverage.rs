//! What policies were made of: every kind of expression has to have been there.

use std::collections::BTreeMap;

use tenet::check::{Comparison, ExprKind, Policies, TemplatePart, walk};
use tenet::model::{Base, Type};
use tenet::syntax::ast::{Aggregate, Quantifier};

#[derive(Debug, Default)]
pub(crate) struct Coverage {
    seen: BTreeMap<String, u64>,
}

/// What has to be seen in a run that is long enough.
const WANTED: &[&str] = &[
    "value of Bool",
    "value of Int",
    "value of String",
    "value of Instant",
    "value of Duration",
    "value of Guid",
    "value of ArmId",
    "value of Enum",
    "none",
    "now",
    "var",
    "param",
    "call giving Bool",
    "call giving entity",
    "call giving entity set",
    "call giving scalar",
    "call giving optional",
    "attribute",
    "attribute as of",
    "safe attribute",
    "navigation",
    "navigation as of",
    "navigation of a set",
    "navigation of a set as of",
    "single step of a set",
    "safe navigation",
    "closure",
    "closure as of",
    "closure of a set",
    "reflexive closure",
    "closure over single",
    "closure over set",
    "extent",
    "filter",
    "union",
    "set of entities",
    "set of scalars",
    "not",
    "and",
    "or",
    "implies",
    "branches",
    "compare Int",
    "compare Instant",
    "compare Duration",
    "compare Bool",
    "compare String",
    "compare Guid",
    "compare ArmId",
    "compare Enum",
    "compare Entity",
    "equal",
    "not equal",
    "less",
    "less or equal",
    "greater",
    "greater or equal",
    "in entities",
    "in scalars",
    "not in",
    "is none",
    "is not none",
    "is type",
    "is not type",
    "covers scopes",
    "covers interval",
    "overlaps",
    "matches",
    "coalesce",
    "add Int",
    "add Instant",
    "add Duration",
    "subtract Int",
    "subtract Instant",
    "subtract Duration",
    "difference of instants",
    "interval",
    "known",
    "some",
    "no",
    "all",
    "all nonempty",
    "exactly",
    "at most",
    "at least",
    "two variables",
    "three variables",
    "variable with where",
    "count",
    "min",
    "max",
    "where",
    "let",
    "due",
    "several requirements",
    "message",
    "pack",
    "pack with parameter",
    "waiver",
    "waiver with where",
    "waiver of a requirement",
    "derived navigation",
];

impl Coverage {
    pub(crate) fn add(&mut self, other: Self) {
        other.seen.into_iter().for_each(|(name, n)| *self.seen.entry(name).or_default() += n);
    }

    pub(crate) fn never(&self) -> Vec<&'static str> {
        WANTED.iter().copied().filter(|name| !self.seen.contains_key(*name)).collect()
    }

    fn note(&mut self, name: impl Into<String>) {
        *self.seen.entry(name.into()).or_default() += 1;
    }

    /// Takes stock of the rules of some policies and what they call.
    pub(crate) fn policies(&mut self, policies: &Policies) {
        for rule in &policies.rules {
            let conditions = rule.requirements.iter().map(|requirement| &requirement.condition);
            for expr in rule.filter.iter().chain(&rule.due).chain(rule.lets.iter().map(|(_, value)| value)).chain(conditions) {
                walk(expr, &mut |expr| self.expression(policies, expr));
            }
            for (here, name) in [
                (rule.filter.is_some(), "where"),
                (!rule.lets.is_empty(), "let"),
                (rule.due.is_some(), "due"),
                (rule.requirements.len() > 1, "several requirements"),
            ] {
                if here {
                    self.note(name);
                }
            }
            let messages = rule.requirements.iter().filter_map(|requirement| requirement.message.as_ref());
            if messages.flatten().any(|part| matches!(part, TemplatePart::Expr(_))) {
                self.note("message");
            }
        }
        for def in &policies.defs {
            walk(&def.body, &mut |expr| self.expression(policies, expr));
        }
        for used in policies.packs.iter().flat_map(|pack| &pack.uses) {
            self.note(if used.params.is_empty() { "pack" } else { "pack with parameter" });
        }
        for waiver in &policies.waivers {
            self.note(if waiver.filter.is_some() { "waiver with where" } else { "waiver" });
            if waiver.requirement.is_some() {
                self.note("waiver of a requirement");
            }
        }
    }

    fn expression(&mut self, policies: &Policies, expr: &tenet::check::Expr) {
        let is_set = |id| policies.schema.property(id).is_some_and(|property| property.ty.set);
        match &expr.kind {
            ExprKind::Value(_) => self.note(format!("value of {}", base(expr.ty))),
            ExprKind::None => self.note("none"),
            ExprKind::Now => self.note("now"),
            ExprKind::Var(_) => self.note("var"),
            ExprKind::Param(_) => self.note("param"),
            ExprKind::Call(..) => {
                let result = match expr.ty {
                    ty if ty.set && ty.entity().is_some() => "entity set",
                    ty if ty.set => "scalar set",
                    ty if ty.optional => "optional",
                    ty if ty.entity().is_some() => "entity",
                    ty if ty.base == Base::Bool => "Bool",
                    _ => "scalar",
                };
                self.note(format!("call giving {result}"));
            }
            ExprKind::Attribute { safe, at, .. } => {
                let name = if *safe { "safe attribute" } else { "attribute" };
                self.note(name);
                if at.is_some() {
                    self.note("attribute as of");
                }
            }
            ExprKind::Navigation { base, property, at } => {
                let of = if base.ty.set { " of a set" } else { "" };
                self.note(if base.ty.set && !is_set(*property) { "single step of a set".to_owned() } else { format!("navigation{of}") });
                if at.is_some() {
                    self.note(format!("navigation{of} as of"));
                }
                if base.ty.optional {
                    self.note("safe navigation");
                }
                if policies.schema.property(*property).is_some_and(|property| property.derived.is_some()) {
                    self.note("derived navigation");
                }
            }
            ExprKind::Closure { base, property, reflexive, at } => {
                self.note("closure");
                self.note(if is_set(*property) { "closure over set" } else { "closure over single" });
                for (here, name) in [(at.is_some(), "closure as of"), (base.ty.set, "closure of a set"), (*reflexive, "reflexive closure")]
                {
                    if here {
                        self.note(name);
                    }
                }
            }
            ExprKind::Extent(_) => self.note("extent"),
            ExprKind::Filter(_) => self.note("filter"),
            ExprKind::Union(..) => self.note("union"),
            ExprKind::Set(_) => self.note(if expr.ty.entity().is_some() { "set of entities" } else { "set of scalars" }),
            ExprKind::Not(_) => self.note("not"),
            ExprKind::And(_) => self.note("and"),
            ExprKind::Or(_) => self.note("or"),
            ExprKind::Implies(..) => self.note("implies"),
            ExprKind::Branches(_) => self.note("branches"),
            ExprKind::Compare(op, left, _) => {
                self.note(format!("compare {}", base(left.ty)));
                self.note(match op {
                    Comparison::Equal => "equal",
                    Comparison::NotEqual => "not equal",
                    Comparison::Less => "less",
                    Comparison::LessEqual => "less or equal",
                    Comparison::Greater => "greater",
                    Comparison::GreaterEqual => "greater or equal",
                });
            }
            ExprKind::In { item, negated, .. } => {
                self.note(if item.ty.entity().is_some() { "in entities" } else { "in scalars" });
                if *negated {
                    self.note("not in");
                }
            }
            ExprKind::IsNone(_, negated) => self.note(if *negated { "is not none" } else { "is none" }),
            ExprKind::IsType(_, _, negated) => self.note(if *negated { "is not type" } else { "is type" }),
            ExprKind::Covers(left, _) => self.note(if left.ty.entity().is_some() { "covers scopes" } else { "covers interval" }),
            ExprKind::Overlaps(..) => self.note("overlaps"),
            ExprKind::Matches(..) => self.note("matches"),
            ExprKind::Coalesce(..) => self.note("coalesce"),
            ExprKind::Add(..) => self.note(format!("add {}", base(expr.ty))),
            ExprKind::Subtract(left, _) if left.ty.base == Base::Instant && expr.ty.base == Base::Duration => {
                self.note("difference of instants");
            }
            ExprKind::Subtract(..) => self.note(format!("subtract {}", base(expr.ty))),
            ExprKind::Interval(..) => self.note("interval"),
            ExprKind::Known(_) => self.note("known"),
            ExprKind::Quantified(kind, binders, _) => {
                self.note(match kind {
                    Quantifier::Some => "some",
                    Quantifier::No => "no",
                    Quantifier::All => "all",
                    Quantifier::AllNonempty => "all nonempty",
                    Quantifier::Exactly(_) => "exactly",
                    Quantifier::AtMost(_) => "at most",
                    Quantifier::AtLeast(_) => "at least",
                });
                self.binders(binders);
            }
            ExprKind::Aggregate(kind, binders, _) => {
                self.note(match kind {
                    Aggregate::Count => "count",
                    Aggregate::Min => "min",
                    Aggregate::Max => "max",
                });
                self.binders(binders);
            }
            ExprKind::Error => self.note("error"),
        }
    }

    fn binders(&mut self, binders: &[tenet::check::Binder]) {
        match binders.len() {
            2 => self.note("two variables"),
            3.. => self.note("three variables"),
            _ => {}
        }
        if binders.iter().any(|binder| binder.filter.is_some()) {
            self.note("variable with where");
        }
    }
}

fn base(ty: Type) -> &'static str {
    match ty.base {
        Base::Bool => "Bool",
        Base::Int => "Int",
        Base::String => "String",
        Base::Instant => "Instant",
        Base::Duration => "Duration",
        Base::Guid => "Guid",
        Base::ArmId => "ArmId",
        Base::Interval => "Interval",
        Base::Enum(_) => "Enum",
        Base::Entity(_) => "Entity",
        Base::Nothing => "nothing",
    }
}

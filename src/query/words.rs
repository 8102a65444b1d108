//! Terms in the words of the language, for plans that are shown.

use super::term::{Lambda, ParamVersion, Query, Term, TermId};
use crate::check::Policies;
use crate::model::{PropertyId, Type, Value};

/// Longer texts are cut.
const WORDS_MAX: usize = 160;
/// Deeper terms are not written out.
const DEPTH_MAX: usize = 12;

/// Writes terms.
#[derive(Clone, Copy)]
pub(super) struct Words<'q> {
    pub(super) query: &'q Query,
    pub(super) policies: &'q Policies,
}

/// Returns the name of a variable of a type that is not among those in use: the first letter, and a number if need be.
pub(super) fn fresh_name(policies: &Policies, ty: Type, used: &[String]) -> String {
    let letter = ty.entity().map_or('v', |id| policies.schema.entity_name(id).chars().next().unwrap_or('v').to_ascii_lowercase());
    let mut names = std::iter::once(letter.to_string()).chain((2_u32..).map(|n| format!("{letter}{n}")));
    names.find(|name| !used.contains(name)).unwrap_or_default()
}

impl Words<'_> {
    /// Writes a term; `names` are those of the arguments of its function.
    pub(super) fn of(self, term: TermId, names: &[String]) -> String {
        let text = self.write(term, names, 0);
        if text.chars().count() <= WORDS_MAX {
            return text;
        }
        text.chars().take(WORDS_MAX).chain(['…']).collect()
    }

    /// Writes the arguments of a test: the member under a new name, and what its captures are outside.
    pub(super) fn inside(self, test: &Lambda, names: &[String]) -> Vec<String> {
        let member = self.query.get_function(test.function).and_then(|function| function.arguments.first().copied());
        let member = fresh_name(self.policies, member.unwrap_or(Type::of(crate::model::Base::Nothing)), names);
        std::iter::once(member).chain(test.captures.iter().map(|capture| self.of(*capture, names))).collect()
    }

    fn property(self, id: PropertyId) -> String {
        self.policies.schema.property(id).map_or("?", |property| property.name.as_str()).to_owned()
    }

    fn param(self, version: ParamVersion) -> String {
        self.policies.params.get(version.param.0 as usize).map_or("?", |param| param.name.as_str()).to_owned()
    }

    fn write(self, term: TermId, names: &[String], depth: usize) -> String {
        if depth > DEPTH_MAX {
            return "…".to_owned();
        }
        let go = |part: TermId| self.write(part, names, depth + 1);
        let all = |parts: &[TermId], between: &str| parts.iter().map(|part| go(*part)).collect::<Vec<_>>().join(between);
        let at = |at: &Option<TermId>| at.map_or_else(String::new, |at| format!(" as of {}", go(at)));
        let two = |a: TermId, between: &str, b: TermId| format!("{} {between} {}", go(a), go(b));
        match self.query.get(term) {
            Term::Argument(place) => names.get(*place as usize).cloned().unwrap_or_else(|| "?".to_owned()),
            Term::Value(Value::Text(text)) => format!("{text:?}"),
            Term::Value(value) => value.display(&self.policies.schema),
            Term::None => "none".to_owned(),
            Term::Unknown => "unknown".to_owned(),
            Term::Now => "now".to_owned(),
            Term::Param(version) => self.param(*version),
            Term::Attribute { base, property, at: when } | Term::Navigate { base, property, at: when } => {
                format!("{}.{}{}", go(*base), self.property(*property), at(when))
            }
            Term::Closure { base, property, reflexive, at: when } => {
                format!("{}.{}^{}{}", go(*base), self.property(*property), if *reflexive { "*" } else { "+" }, at(when))
            }
            Term::Extent(entity) => self.policies.schema.entity_name(*entity).to_owned(),
            Term::Filter { set, test } => format!("{}[{}]", go(*set), self.lambda(test, names, " | ", depth)),
            Term::Union(a, b) => format!("({})", two(*a, "+", *b)),
            Term::Listed(items) => format!("{{{}}}", all(items, ", ")),
            Term::Not(inner) => format!("not {}", go(*inner)),
            Term::And(parts) if parts.is_empty() => "true".to_owned(),
            Term::Or(parts) if parts.is_empty() => "false".to_owned(),
            Term::And(parts) => format!("({})", all(parts, " and ")),
            Term::Or(parts) => format!("({})", all(parts, " or ")),
            Term::Compare(op, a, b) => two(*a, op.symbol(), *b),
            Term::In(item, set) => two(*item, "in", *set),
            Term::IsNone(inner) => format!("{} is none", go(*inner)),
            Term::IsType(inner, entity) => format!("{} is {}", go(*inner), self.policies.schema.entity_name(*entity)),
            Term::Covers(a, b) => two(*a, "covers", *b),
            Term::Overlaps(a, b) => two(*a, "overlaps", *b),
            Term::Matches(inner, pattern) => format!("{} matches /{}/", go(*inner), pattern.0.as_str()),
            Term::Coalesce(a, b) => two(*a, "??", *b),
            Term::Add(a, b) => two(*a, "+", *b),
            Term::Subtract(a, b) => two(*a, "-", *b),
            Term::Interval(a, b) => format!("interval({}, {})", go(*a), go(*b)),
            Term::Known(inner) => format!("known({})", go(*inner)),
            Term::Exists { set, test } => format!("(some {})", self.counted(*set, test, names, depth)),
            Term::Tally { set, test } => self.counted(*set, test, names, depth),
            Term::AtLeast(tally, n) => format!("(at least {n} {})", go(*tally)),
            Term::Exactly(tally, n) => format!("(exactly {n} {})", go(*tally)),
            Term::Number(tally) => format!("count({})", go(*tally)),
            Term::Extreme { largest, set, value, .. } => {
                format!("{}({})", if *largest { "max" } else { "min" }, self.counted(*set, value, names, depth))
            }
            Term::Apply(function, argument) => format!("{}({})", self.function(*function), go(*argument)),
        }
    }

    /// The name of a function: the definition it was, or its number.
    pub(super) fn function(self, function: super::FunctionId) -> String {
        self.query.name_of(function).map_or_else(|| format!("f{}", function.0), |name| name.replace(' ', "_"))
    }

    fn counted(self, set: TermId, test: &Lambda, names: &[String], depth: usize) -> String {
        let inside = self.inside(test, names);
        let member = inside.first().cloned().unwrap_or_default();
        let set = self.write(set, names, depth + 1);
        match self.body(test, &inside, depth) {
            Some(body) => format!("{member} in {set} : {body}"),
            None => format!("{member} in {set}"),
        }
    }

    fn lambda(self, test: &Lambda, names: &[String], between: &str, depth: usize) -> String {
        let inside = self.inside(test, names);
        let member = inside.first().cloned().unwrap_or_default();
        format!("{member}{between}{}", self.body(test, &inside, depth).unwrap_or_default())
    }

    fn body(self, test: &Lambda, inside: &[String], depth: usize) -> Option<String> {
        let body = self.query.get_function(test.function)?.body;
        let always = matches!(self.query.get(body), Term::And(parts) if parts.is_empty());
        (!always).then(|| self.write(body, inside, depth + 1))
    }
}

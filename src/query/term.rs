//! Terms: what a rule asks, as functions that share their parts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use regex::Regex;

use crate::check::{Comparison, ParamId};
use crate::model::{EntityTypeId, PropertyId, Type, Value};

/// A term, by its place in [`Query::terms`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

/// A function, by its place in [`Query::functions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// A parameter with one of the values it has in a run: packs may set it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamVersion {
    /// The parameter.
    pub param: ParamId,
    /// Which of its values, as numbered by the caller.
    pub version: u32,
}

/// A function of one member and of values of its surroundings: argument 0 is the member, the captures follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lambda {
    /// The function.
    pub function: FunctionId,
    /// Terms of the surroundings.
    pub captures: Vec<TermId>,
}

/// A pattern; equal if written alike.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

/// The kinds of term. Arguments are those of the function the term belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// An argument of the function.
    Argument(u32),
    /// A literal.
    Value(Value),
    /// `none`
    None,
    /// Nothing is known: stands where an error was reported.
    Unknown,
    /// The instant of the run.
    Now,
    /// A parameter.
    Param(ParamVersion),
    /// A single-valued property of an entity.
    Attribute {
        /// The entity.
        base: TermId,
        /// The property.
        property: PropertyId,
        /// As of when.
        at: Option<TermId>,
    },
    /// A step from an entity or a set of them.
    Navigate {
        /// The entity or set.
        base: TermId,
        /// The property.
        property: PropertyId,
        /// As of when.
        at: Option<TermId>,
    },
    /// Everything reached over one property.
    Closure {
        /// Where it starts.
        base: TermId,
        /// The property.
        property: PropertyId,
        /// Whether the start belongs to it.
        reflexive: bool,
        /// As of when.
        at: Option<TermId>,
    },
    /// All entities of a type.
    Extent(EntityTypeId),
    /// The members of a set that satisfy a test.
    Filter {
        /// The set.
        set: TermId,
        /// The test.
        test: Lambda,
    },
    /// Members of either set.
    Union(TermId, TermId),
    /// Listed members.
    Listed(Vec<TermId>),
    /// `not`
    Not(TermId),
    /// `and`, flattened and without repetition.
    And(Vec<TermId>),
    /// `or`, flattened and without repetition.
    Or(Vec<TermId>),
    /// A comparison.
    Compare(Comparison, TermId, TermId),
    /// Membership.
    In(TermId, TermId),
    /// `is none`
    IsNone(TermId),
    /// `is T`
    IsType(TermId, EntityTypeId),
    /// `covers`
    Covers(TermId, TermId),
    /// `overlaps`
    Overlaps(TermId, TermId),
    /// `matches`
    Matches(TermId, Pattern),
    /// `??`
    Coalesce(TermId, TermId),
    /// `+`
    Add(TermId, TermId),
    /// `-`
    Subtract(TermId, TermId),
    /// `interval(from, to)`
    Interval(TermId, TermId),
    /// `known(e)`
    Known(TermId),
    /// Whether some member satisfies the test; from here `some`, `no` and `all` follow.
    Exists {
        /// The set.
        set: TermId,
        /// The test.
        test: Lambda,
    },
    /// How many members satisfy the test; the test may itself be a tally, of combinations of several members.
    Tally {
        /// The set.
        set: TermId,
        /// The test: a truth or a tally.
        test: Lambda,
    },
    /// Whether a tally is `n` or more.
    AtLeast(TermId, u64),
    /// Whether a tally is just `n`.
    Exactly(TermId, u64),
    /// A tally as a number.
    Number(TermId),
    /// The smallest or largest value over the members.
    Extreme {
        /// Whether the largest is wanted.
        largest: bool,
        /// Whether the value is an extreme over further members of the same aggregate.
        nested: bool,
        /// The set.
        set: TermId,
        /// The value; another extreme, of combinations of several members.
        value: Lambda,
    },
    /// A function of one entity or value, computed once for each.
    Apply(FunctionId, TermId),
}

/// A closed function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// The types of its arguments.
    pub arguments: Vec<Type>,
    /// What it gives.
    pub body: TermId,
}

/// What all rules of a run ask. Equal parts stand here once, whoever asks for them.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Terms with their types. A term stands after those it is made of.
    pub terms: Vec<(Term, Type)>,
    /// Functions.
    pub functions: Vec<Function>,
    known_terms: HashMap<(Term, Type), TermId>,
    known_functions: HashMap<Function, FunctionId>,
    names: BTreeMap<FunctionId, String>,
}

impl Query {
    /// Returns the place of a term, which is new if no equal one stands there.
    pub fn term(&mut self, term: Term, ty: Type) -> TermId {
        let key = (term, ty);
        if let Some(id) = self.known_terms.get(&key) {
            return *id;
        }
        let id = TermId(u32::try_from(self.terms.len()).unwrap_or(u32::MAX));
        self.terms.push(key.clone());
        self.known_terms.insert(key, id);
        id
    }

    /// Returns the place of a function.
    pub fn function(&mut self, function: Function) -> FunctionId {
        if let Some(id) = self.known_functions.get(&function) {
            return *id;
        }
        let id = FunctionId(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
        self.functions.push(function.clone());
        self.known_functions.insert(function, id);
        id
    }

    /// Returns a term; `Unknown` for a place that does not exist.
    #[must_use]
    pub fn get(&self, id: TermId) -> &Term {
        self.terms.get(id.0 as usize).map_or(&Term::Unknown, |(term, _)| term)
    }

    /// Returns the type of a term.
    #[must_use]
    pub fn type_of(&self, id: TermId) -> Type {
        self.terms.get(id.0 as usize).map_or(Type::of(crate::model::Base::Nothing), |(_, ty)| *ty)
    }

    /// Names a function after what it was made of; the first name stays.
    pub fn name(&mut self, function: FunctionId, name: &str) {
        self.names.entry(function).or_insert_with(|| name.to_owned());
    }

    /// Returns the name of a function that was a definition.
    #[must_use]
    pub fn name_of(&self, function: FunctionId) -> Option<&str> {
        self.names.get(&function).map(String::as_str)
    }

    /// Returns a function.
    #[must_use]
    pub fn get_function(&self, id: FunctionId) -> Option<&Function> {
        self.functions.get(id.0 as usize)
    }
}

/// Returns the terms a term is made of, the captures of its lambdas included.
#[must_use]
pub fn parts(term: &Term) -> Vec<TermId> {
    match term {
        Term::Argument(_) | Term::Value(_) | Term::None | Term::Unknown | Term::Now | Term::Param(_) | Term::Extent(_) => Vec::new(),
        Term::Attribute { base, at, .. } | Term::Navigate { base, at, .. } | Term::Closure { base, at, .. } => {
            std::iter::once(*base).chain(*at).collect()
        }
        Term::Filter { set, test } | Term::Exists { set, test } | Term::Tally { set, test } => {
            std::iter::once(*set).chain(test.captures.iter().copied()).collect()
        }
        Term::Extreme { set, value, .. } => std::iter::once(*set).chain(value.captures.iter().copied()).collect(),
        Term::Listed(items) | Term::And(items) | Term::Or(items) => items.clone(),
        Term::Not(a)
        | Term::IsNone(a)
        | Term::IsType(a, _)
        | Term::Matches(a, _)
        | Term::Known(a)
        | Term::AtLeast(a, _)
        | Term::Exactly(a, _)
        | Term::Number(a)
        | Term::Apply(_, a) => vec![*a],
        Term::Union(a, b)
        | Term::Compare(_, a, b)
        | Term::In(a, b)
        | Term::Covers(a, b)
        | Term::Overlaps(a, b)
        | Term::Coalesce(a, b)
        | Term::Add(a, b)
        | Term::Subtract(a, b)
        | Term::Interval(a, b) => vec![*a, *b],
    }
}

/// Returns the functions a term calls directly.
#[must_use]
pub fn calls(term: &Term) -> Vec<FunctionId> {
    match term {
        Term::Filter { test, .. } | Term::Exists { test, .. } | Term::Tally { test, .. } => vec![test.function],
        Term::Extreme { value, .. } => vec![value.function],
        Term::Apply(function, _) => vec![*function],
        _ => Vec::new(),
    }
}

/// Returns the term with each of its parts, and each function it calls, replaced.
pub(super) fn map_term(term: &Term, map: &mut dyn FnMut(TermId) -> TermId, called: &mut dyn FnMut(FunctionId) -> FunctionId) -> Term {
    let mut lambda = |lambda: &Lambda, map: &mut dyn FnMut(TermId) -> TermId| Lambda {
        function: called(lambda.function),
        captures: lambda.captures.iter().map(|part| map(*part)).collect(),
    };
    match term {
        Term::Argument(_) | Term::Value(_) | Term::None | Term::Unknown | Term::Now | Term::Param(_) | Term::Extent(_) => term.clone(),
        Term::Attribute { base, property, at } => Term::Attribute { base: map(*base), property: *property, at: at.map(map) },
        Term::Navigate { base, property, at } => Term::Navigate { base: map(*base), property: *property, at: at.map(map) },
        Term::Closure { base, property, reflexive, at } => {
            Term::Closure { base: map(*base), property: *property, reflexive: *reflexive, at: at.map(map) }
        }
        Term::Filter { set, test } => Term::Filter { set: map(*set), test: lambda(test, map) },
        Term::Exists { set, test } => Term::Exists { set: map(*set), test: lambda(test, map) },
        Term::Tally { set, test } => Term::Tally { set: map(*set), test: lambda(test, map) },
        Term::Extreme { largest, nested, set, value } => {
            Term::Extreme { largest: *largest, nested: *nested, set: map(*set), value: lambda(value, map) }
        }
        Term::Listed(items) => Term::Listed(items.iter().map(|part| map(*part)).collect()),
        Term::And(items) => Term::And(items.iter().map(|part| map(*part)).collect()),
        Term::Or(items) => Term::Or(items.iter().map(|part| map(*part)).collect()),
        Term::Not(a) => Term::Not(map(*a)),
        Term::IsNone(a) => Term::IsNone(map(*a)),
        Term::IsType(a, ty) => Term::IsType(map(*a), *ty),
        Term::Matches(a, pattern) => Term::Matches(map(*a), pattern.clone()),
        Term::Known(a) => Term::Known(map(*a)),
        Term::AtLeast(a, n) => Term::AtLeast(map(*a), *n),
        Term::Exactly(a, n) => Term::Exactly(map(*a), *n),
        Term::Number(a) => Term::Number(map(*a)),
        Term::Apply(function, a) => Term::Apply(called(*function), map(*a)),
        Term::Union(a, b) => Term::Union(map(*a), map(*b)),
        Term::Compare(op, a, b) => Term::Compare(*op, map(*a), map(*b)),
        Term::In(a, b) => Term::In(map(*a), map(*b)),
        Term::Covers(a, b) => Term::Covers(map(*a), map(*b)),
        Term::Overlaps(a, b) => Term::Overlaps(map(*a), map(*b)),
        Term::Coalesce(a, b) => Term::Coalesce(map(*a), map(*b)),
        Term::Add(a, b) => Term::Add(map(*a), map(*b)),
        Term::Subtract(a, b) => Term::Subtract(map(*a), map(*b)),
        Term::Interval(a, b) => Term::Interval(map(*a), map(*b)),
    }
}

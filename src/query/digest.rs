//! What a rule asks, as a number: rules with equal digests give equal verdicts over equal facts.
//!
//! Covered are the schema, the lowered functions with the values of their parameters, and the version of the program. Names of
//! rules and requirements, messages, layout and order of conjuncts are not.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::lower::RuleQuery;
use super::term::{FunctionId, ParamVersion, Query, Term, TermId, calls, parts};
use crate::model::{EntityTypeId, Schema};

type Hash = [u8; 32];

/// Digests of the terms of a query.
pub struct Digests<'a> {
    query: &'a Query,
    schema: Hash,
    terms: Vec<Hash>,
}

impl<'a> Digests<'a> {
    /// Digests every term; `param` writes the value of a parameter so that equal texts mean equal values.
    #[must_use]
    pub fn new(query: &'a Query, schema: &Schema, param: &dyn Fn(ParamVersion) -> String) -> Self {
        let mut digests = Self { query, schema: schema_digest(schema), terms: Vec::with_capacity(query.terms.len()) };
        // A term stands after those it is made of, and after the bodies of the functions it calls.
        for (term, ty) in &query.terms {
            let hash = digests.of(term, &format!("{ty:?} {}", leaf(term, param)));
            digests.terms.push(hash);
        }
        digests
    }

    fn of(&self, term: &Term, leaf: &str) -> Hash {
        let mut inner: Vec<Hash> = parts(term).into_iter().map(|part| self.term(part)).collect();
        if matches!(term, Term::And(_) | Term::Or(_) | Term::Union(..)) {
            inner.sort_unstable();
        }
        inner.extend(calls(term).into_iter().map(|function| self.function(function)));
        let mut hasher = Sha256::new();
        hasher.update((leaf.len() as u64).to_le_bytes());
        hasher.update(leaf);
        for hash in &inner {
            hasher.update(hash);
        }
        hasher.finalize().into()
    }

    fn term(&self, id: TermId) -> Hash {
        self.terms.get(id.0 as usize).copied().unwrap_or_default()
    }

    fn function(&self, id: FunctionId) -> Hash {
        let Some(function) = self.query.get_function(id) else { return Hash::default() };
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?}", function.arguments));
        hasher.update(self.term(function.body));
        hasher.finalize().into()
    }

    /// Returns the digest of a rule about entities of a type, in hexadecimal digits.
    #[must_use]
    pub fn rule(&self, entity: EntityTypeId, rule: &RuleQuery) -> String {
        let mut hasher = Sha256::new();
        hasher.update(concat!("tenet ", env!("CARGO_PKG_VERSION"), " rule\n"));
        hasher.update(self.schema);
        hasher.update(entity.0.to_le_bytes());
        for functions in [&rule.applies.into_iter().collect(), &rule.due.into_iter().collect(), &rule.requirements, &rule.lets] {
            let functions: &Vec<FunctionId> = functions;
            hasher.update((functions.len() as u64).to_le_bytes());
            for function in functions {
                hasher.update(self.function(*function));
            }
        }
        hasher.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Writes what a term is besides the terms it is made of. Ids are of the schema, whose digest is covered, too.
fn leaf(term: &Term, param: &dyn Fn(ParamVersion) -> String) -> String {
    match term {
        Term::Argument(at) => format!("argument {at}"),
        Term::Value(value) => format!("value {value:?}"),
        Term::None => "none".to_owned(),
        Term::Unknown => "unknown".to_owned(),
        Term::Now => "now".to_owned(),
        Term::Param(version) => format!("param {}", param(*version)),
        Term::Attribute { property, at, .. } => format!("attribute {} {}", property.0, at.is_some()),
        Term::Navigate { property, at, .. } => format!("navigate {} {}", property.0, at.is_some()),
        Term::Closure { property, reflexive, at, .. } => format!("closure {} {reflexive} {}", property.0, at.is_some()),
        Term::Extent(ty) => format!("extent {}", ty.0),
        Term::Filter { .. } => "filter".to_owned(),
        Term::Union(..) => "union".to_owned(),
        Term::Listed(items) => format!("listed {}", items.len()),
        Term::Not(_) => "not".to_owned(),
        Term::And(_) => "and".to_owned(),
        Term::Or(_) => "or".to_owned(),
        Term::Compare(op, ..) => format!("compare {op:?}"),
        Term::In(..) => "in".to_owned(),
        Term::IsNone(_) => "is none".to_owned(),
        Term::IsType(_, ty) => format!("is type {}", ty.0),
        Term::Covers(..) => "covers".to_owned(),
        Term::Overlaps(..) => "overlaps".to_owned(),
        Term::Matches(_, pattern) => format!("matches {}", pattern.0.as_str()),
        Term::Coalesce(..) => "coalesce".to_owned(),
        Term::Add(..) => "add".to_owned(),
        Term::Subtract(..) => "subtract".to_owned(),
        Term::Interval(..) => "interval".to_owned(),
        Term::Known(_) => "known".to_owned(),
        Term::Exists { .. } => "exists".to_owned(),
        Term::Tally { .. } => "tally".to_owned(),
        Term::AtLeast(_, n) => format!("at least {n}"),
        Term::Exactly(_, n) => format!("exactly {n}"),
        Term::Number(_) => "number".to_owned(),
        Term::Extreme { largest, nested, .. } => format!("extreme {largest} {nested}"),
        Term::Apply(..) => "apply".to_owned(),
    }
}

/// Digests everything of a schema that evaluation depends on, ids included: docs, modules and sources are left aside.
fn schema_digest(schema: &Schema) -> Hash {
    let mut hasher = Sha256::new();
    for ty in &schema.entities {
        let (life, key) = ((ty.lifetime_from, ty.lifetime_to), (&ty.key_name, ty.key));
        hasher.update(format!("{:?}\n", (ty.id, &ty.name, ty.is_abstract, ty.parent, ty.root, key, &ty.properties, life)));
    }
    for one in &schema.properties {
        hasher.update(format!("{:?}\n", (one.id, one.owner, &one.name, one.ty, one.inverse, one.history, one.derived, one.is_key)));
    }
    for one in &schema.enums {
        hasher.update(format!("{:?}\n", (one.id, &one.name, &one.values)));
    }
    for one in &schema.aliases {
        hasher.update(format!("{:?}\n", (one.id, &one.name, one.base, &one.pattern_text)));
    }
    hasher.finalize().into()
}

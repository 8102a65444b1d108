//! Evaluates terms for a batch of rows.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::super::evaluator::Evaluator;
use super::super::value::{Unseen, Val};
use super::HashMap;
use super::facts::{Attribute, Facts, List};
use super::memo::Memo;
use super::shape::Shapes;
use super::shared::Shared;
use super::vector::{DOUBT, FALSE, FOREIGN_FIRST, Rows, Sets, TRUE, UNSEEN_FIRST, Vector, is_unseen, truth_code, truth_of_code};
use crate::model::{Base, EntityId, Property, PropertyId, Schema, Type, Value};
use crate::query::{FunctionId, Query, Term, TermId};
use crate::snapshot::columns::{CODES_MAX, CodeClass, Codes, Columns, NONE, UNKNOWN};

/// The work one rule may take: rows, members and combinations looked at.
pub const WORK_MAX: u64 = 4_000_000_000;
/// Members and combinations held at one time.
pub const MEMBERS_MAX: u64 = 100_000_000;

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overrun {
    /// What is limited.
    pub(super) limit: &'static str,
    /// The limit.
    pub(super) max: u64,
    /// What was asked for.
    pub(super) value: u64,
}

pub(super) type Outcome<T> = Result<T, Overrun>;
pub(super) type Lent<'a> = Arc<Vector<'a>>;

/// Values that a policy names and no fact has, and the place of each.
type Foreign = (Vec<Value>, HashMap<(CodeClass, Value), u32>);

/// Look-ups by the set they are over and the equalities they go by.
type Lookups = HashMap<(TermId, Vec<crate::query::Equality>), Arc<super::lookup::Lookup>>;

/// The key of an entity nobody has seen is not known.
fn key_code(code: u32) -> u32 {
    if is_unseen(code) { UNKNOWN } else { code }
}

pub(super) struct Machine<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) query: &'a Query,
    pub(super) shapes: &'a Shapes,
    pub(super) columns: &'a Columns,
    pub(super) schema: &'a Schema,
    pub(super) facts: Facts<'a>,
    pub(super) memos: RefCell<HashMap<FunctionId, Memo<'a>>>,
    constants: RefCell<HashMap<TermId, Lent<'a>>>,
    pub(super) walks: RefCell<HashMap<PropertyId, super::derived::Walks>>,
    pub(super) visits: RefCell<super::gathered::Visits>,
    pub(super) closures: RefCell<HashMap<PropertyId, super::gathered::Closures>>,
    pub(super) always_whole: RefCell<HashMap<PropertyId, bool>>,
    pub(super) filtered: RefCell<HashMap<(PropertyId, FunctionId), Arc<List<'a>>>>,
    pub(super) indexes: RefCell<Lookups>,
    unseen: RefCell<(Vec<Unseen>, HashMap<Unseen, u32>)>,
    foreign: RefCell<Foreign>,
    pub(super) translations: RefCell<HashMap<(CodeClass, CodeClass), HashMap<u32, u32>>>,
    work: Cell<u64>,
    /// What is counted, for a plan that is shown.
    pub(super) profile: Option<super::profile::Profile>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            query: shared.query,
            shapes: shared.shapes,
            columns: shared.columns,
            schema: shared.schema,
            facts: Facts::new(shared.columns, shared.schema, shared.evaluator(), shared.now),
            memos: RefCell::default(),
            constants: RefCell::default(),
            walks: RefCell::default(),
            visits: RefCell::default(),
            closures: RefCell::default(),
            always_whole: RefCell::default(),
            filtered: RefCell::default(),
            indexes: RefCell::default(),
            unseen: RefCell::default(),
            foreign: RefCell::default(),
            translations: RefCell::default(),
            work: Cell::new(0),
            profile: None,
        }
    }

    /// The evaluator that is asked for what is rare.
    pub(super) fn reference(&self) -> &Evaluator<'a> {
        &self.facts.reference
    }

    /// Starts counting the work of a rule.
    pub(super) fn begin(&self) {
        self.work.set(0);
    }

    /// Counts work, before it is done.
    pub(super) fn spend(&self, n: u64) -> Outcome<()> {
        if n > MEMBERS_MAX {
            return Err(Overrun { limit: "members held at one time", max: MEMBERS_MAX, value: n });
        }
        let work = self.work.get().saturating_add(n);
        self.work.set(work);
        if work > WORK_MAX {
            return Err(Overrun { limit: "members and combinations looked at", max: WORK_MAX, value: work });
        }
        Ok(())
    }

    /// Counts work that was done elsewhere.
    pub(super) fn add_work(&self, n: u64) -> Outcome<()> {
        self.work.set(self.work.get().saturating_add(n));
        self.spend(0)
    }

    /// Returns the work counted since the last beginning.
    pub(super) fn work(&self) -> u64 {
        self.work.get()
    }

    pub(super) fn attribute(&self, property: PropertyId) -> Option<&'a Attribute<'a>> {
        self.shared.attribute(self.schema.property(property)?, &self.facts)
    }

    pub(super) fn list(&self, property: PropertyId) -> Option<&'a List<'a>> {
        self.shared.list(self.schema.property(property)?, &self.facts)
    }

    /// Returns a set property as it was read, for lists that are gathered from it.
    pub(super) fn list_as_read(&self, property: PropertyId) -> Option<&'a List<'a>> {
        let declared = self.schema.property(property)?;
        if self.reference().past(declared, None).is_none() {
            return self.list(property);
        }
        self.shared.list_as_read(declared, &self.facts)
    }

    /// Returns the code of a member nobody has seen.
    pub(super) fn unseen_code(&self, unseen: Unseen) -> u32 {
        let mut table = self.unseen.borrow_mut();
        if let Some(code) = table.1.get(&unseen) {
            return *code;
        }
        let code = UNSEEN_FIRST + u32::try_from(table.0.len()).unwrap_or(0).min(FOREIGN_FIRST - UNSEEN_FIRST - 1);
        table.0.push(unseen.clone());
        table.1.insert(unseen, code);
        code
    }

    pub(super) fn unseen_of(&self, code: u32) -> Unseen {
        let found = self.unseen.borrow().0.get((code - UNSEEN_FIRST) as usize).cloned();
        found.unwrap_or(Unseen { base: Base::Nothing, origin: None })
    }

    /// Returns the code of a value that a policy names and no fact has.
    fn foreign_code(&self, class: CodeClass, value: &Value) -> u32 {
        let mut table = self.foreign.borrow_mut();
        let next = u32::try_from(table.0.len()).unwrap_or(u32::MAX);
        let at = *table.1.entry((class, value.clone())).or_insert(next);
        if at == next {
            table.0.push(value.clone());
        }
        FOREIGN_FIRST.saturating_add(at).min(UNKNOWN - 1)
    }

    /// Returns the code a stored value has here.
    pub(super) fn own_code(&self, declared: &Property, class: CodeClass, code: u32) -> u32 {
        if class != CodeClass::Integer || code > CODES_MAX {
            return code;
        }
        let value = self.columns.value_of(Type { set: false, ..declared.ty }, class, code);
        value.map_or(UNKNOWN, |value| self.foreign_code(class, &value))
    }

    pub(super) fn class_of(&self, ty: Type) -> CodeClass {
        self.columns.class_of(Type { set: false, optional: false, ..ty }, None).unwrap_or(CodeClass::Integer)
    }

    pub(super) fn code(&self, class: CodeClass, value: &Val) -> u32 {
        match value {
            Val::Known(Value::Entity(id)) => id.0,
            Val::Known(Value::Bool(value)) => u32::from(*value),
            Val::Known(Value::Enum(_, at)) => *at,
            // Whole numbers and durations share their codes in columns, so here each has one of its own.
            Val::Known(value) if class == CodeClass::Integer => self.foreign_code(class, value),
            Val::Known(value) => self.columns.code(class, value).unwrap_or_else(|| self.foreign_code(class, value)),
            Val::None => NONE,
            Val::Unseen(unseen) => self.unseen_code(unseen.clone()),
            Val::Unknown | Val::Range(_) | Val::Set(_) => UNKNOWN,
        }
    }

    pub(super) fn decode(&self, class: CodeClass, code: u32) -> Val {
        match code {
            NONE => Val::None,
            UNKNOWN => Val::Unknown,
            code if is_unseen(code) => Val::Unseen(self.unseen_of(code)),
            code if code >= FOREIGN_FIRST => {
                let found = self.foreign.borrow().0.get((code - FOREIGN_FIRST) as usize).cloned();
                found.map_or(Val::Unknown, Val::Known)
            }
            code if class == CodeClass::Entity => Val::Known(Value::Entity(EntityId(code))),
            code => self.columns.value(class, code).map_or(Val::Unknown, Val::Known),
        }
    }

    /// Returns the value of a row.
    pub(super) fn value_at(&self, vector: &Vector<'a>, row: usize) -> Val {
        match vector {
            Vector::Same(value) => value.clone(),
            Vector::Range(first, _) => Val::Known(Value::Entity(EntityId(first + u32::try_from(row).unwrap_or(0)))),
            Vector::Codes(class, codes) => self.decode(*class, codes.get(row).copied().unwrap_or(UNKNOWN)),
            Vector::Truth(truths) => Val::of_truth(super::vector::truth_of(truths.get(row).copied().unwrap_or(DOUBT))),
            Vector::Tally(tallies) => tallies.get(row).map_or(Val::Unknown, |tally| super::count::number(*tally)),
            Vector::Sets(sets) => Val::Set(Arc::new(self.set_value(sets, row))),
            Vector::Values(values) => values.get(row).cloned().unwrap_or(Val::Unknown),
        }
    }

    /// Returns codes of a class for all rows.
    pub(super) fn codes<'v>(&self, vector: &'v Vector<'a>, class: CodeClass, n: usize) -> Cow<'v, [u32]> {
        match vector {
            Vector::Codes(own, codes) if *own == class => Cow::Borrowed(codes),
            Vector::Range(first, end) => Cow::Owned((*first..*end).collect()),
            Vector::Same(value) => Cow::Owned(vec![self.code(class, value); n]),
            other => Cow::Owned((0..n).map(|row| self.code(class, &self.value_at(other, row))).collect()),
        }
    }

    /// Returns truths for all rows.
    pub(super) fn truths(&self, vector: &Vector<'a>, n: usize) -> Vec<u8> {
        match vector {
            Vector::Truth(truths) => truths.clone(),
            Vector::Same(value) => vec![truth_code(value.truth()); n],
            Vector::Codes(CodeClass::Bool, codes) => codes.iter().map(|code| truth_of_code(*code)).collect(),
            other => (0..n).map(|row| truth_code(self.value_at(other, row).truth())).collect(),
        }
    }

    pub(super) fn truth(&self, term: TermId, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        if let Some(truths) = self.read_truths(term, rows)? {
            return Ok(truths);
        }
        let vector = self.evaluate(term, rows)?;
        Ok(match Arc::try_unwrap(vector) {
            Ok(Vector::Truth(truths)) => truths,
            Ok(other) => self.truths(&other, rows.n),
            Err(shared) => self.truths(&shared, rows.n),
        })
    }

    pub(super) fn sets(&self, term: TermId, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let vector = self.evaluate(term, rows)?;
        Ok(match &*vector {
            Vector::Sets(sets) => sets.clone(),
            other => self.as_sets(other, self.query.type_of(term), rows.n),
        })
    }

    /// Evaluates a term for all rows. What does not depend on the rows is evaluated once.
    pub(super) fn evaluate(&self, term: TermId, rows: &Rows<'a>) -> Outcome<Lent<'a>> {
        if self.shapes.is_closed(term) {
            return self.constant(term, rows.n);
        }
        if let Term::Argument(at) = self.query.get(term) {
            return Ok(rows.arguments.get(*at as usize).map_or_else(|| Arc::new(Vector::Same(Val::Unknown)), Arc::clone));
        }
        if let Some(known) = rows.known.borrow().get(&term) {
            return Ok(Arc::clone(known));
        }
        let work = self.work.get();
        let made = Arc::new(self.compute(term, rows)?);
        self.note(term, rows.n, &made, work);
        rows.known.borrow_mut().insert(term, Arc::clone(&made));
        Ok(made)
    }

    fn note(&self, term: TermId, n: usize, made: &Vector<'a>, work_before: u64) {
        if let Some(profile) = &self.profile {
            profile.note(term, n, made, self.work.get() - work_before);
        }
    }

    fn constant(&self, term: TermId, n: usize) -> Outcome<Lent<'a>> {
        let known = self.constants.borrow().get(&term).map(Arc::clone);
        let vector = match known {
            Some(vector) => vector,
            None => {
                let rows = Rows::new(1, Vec::new());
                let work = self.work.get();
                let vector = match self.compute(term, &rows)? {
                    Vector::Sets(sets) => Vector::Sets(sets),
                    other => Vector::Same(self.value_at(&other, 0)),
                };
                let vector = Arc::new(vector);
                self.note(term, 1, &vector, work);
                self.constants.borrow_mut().insert(term, Arc::clone(&vector));
                vector
            }
        };
        match &*vector {
            Vector::Sets(sets) if n != 1 => {
                let span = sets.spans.first().copied().unwrap_or((0, 0));
                Ok(Arc::new(Vector::Sets(Sets { spans: Arc::new(vec![span; n]), ..sets.clone() })))
            }
            _ => Ok(vector),
        }
    }

    fn compute(&self, id: TermId, rows: &Rows<'a>) -> Outcome<Vector<'a>> {
        let ty = self.query.type_of(id);
        self.spend(rows.n as u64)?;
        Ok(match self.query.get(id) {
            Term::Argument(_) | Term::Unknown => Vector::Same(Val::Unknown),
            Term::Value(value) => Vector::Same(Val::Known(value.clone())),
            Term::None => Vector::Same(Val::None),
            Term::Now => Vector::Same(Val::Known(Value::Instant(self.reference().now))),
            Term::Param(version) => {
                let value = self.shared.params.get(version).cloned().unwrap_or(Val::Unknown);
                if ty.set { Vector::Sets(self.as_sets(&Vector::Same(value), ty, rows.n)) } else { Vector::Same(value) }
            }
            Term::Attribute { base, property, at } => self.read(*base, *property, *at, rows)?,
            Term::Navigate { base, property, at } => Vector::Sets(self.navigate(*base, *property, *at, rows)?),
            Term::Closure { base, property, reflexive, at } => Vector::Sets(self.closure(*base, *property, *reflexive, *at, ty, rows)?),
            Term::Extent(entity) => Vector::Sets(self.extent(*entity)),
            Term::Filter { set, test } => Vector::Sets(self.filter(*set, test, rows)?),
            Term::Union(a, b) => {
                let (a, b) = (self.sets(*a, rows)?, self.sets(*b, rows)?);
                Vector::Sets(self.union(&a, &b)?)
            }
            Term::Listed(items) => Vector::Sets(self.listed(items, ty, rows)?),
            Term::Not(inner) => {
                let mut truths = self.truth(*inner, rows)?;
                for truth in &mut truths {
                    *truth = TRUE - *truth;
                }
                Vector::Truth(truths)
            }
            Term::And(parts) => Vector::Truth(self.junction(parts, FALSE, rows)?),
            Term::Or(parts) => Vector::Truth(self.junction(parts, TRUE, rows)?),
            Term::Exists { set, test } => Vector::Truth(self.exists(*set, test, rows)?),
            Term::Tally { set, test } => Vector::Tally(self.tally(*set, test, rows)?),
            Term::AtLeast(tally, n) => Vector::Truth(self.at_least(*tally, *n, rows)?),
            Term::Exactly(tally, n) => Vector::Truth(self.exactly(*tally, *n, rows)?),
            Term::Number(tally) => Vector::Tally(self.tallies(*tally, rows)?),
            Term::Extreme { largest, nested, set, value } => Vector::Values(self.extreme(*largest, *nested, *set, value, rows)?),
            Term::Apply(function, argument) => {
                let argument = self.evaluate(*argument, rows)?;
                self.apply(*function, &argument, rows.n)?
            }
            other => self.compare_kind(other, ty, rows)?,
        })
    }

    /// Reads a single-valued property.
    fn read(&self, base: TermId, property: PropertyId, at: Option<TermId>, rows: &Rows<'a>) -> Outcome<Vector<'a>> {
        let base = self.evaluate(base, rows)?;
        let Some(declared) = self.schema.property(property) else { return Ok(Vector::Same(Val::Unknown)) };
        if let Some(at) = at.filter(|_| declared.history) {
            return self.read_then(&base, property, at, rows);
        }
        if declared.is_key {
            let codes = self.codes(&base, CodeClass::Entity, rows.n).iter().map(|code| key_code(*code)).collect();
            return Ok(Vector::codes(CodeClass::Key(declared.owner), codes));
        }
        let Some(column) = self.attribute(property) else { return Ok(Vector::Same(Val::Unknown)) };
        if column.class == CodeClass::Integer {
            let codes = self.codes(&base, CodeClass::Entity, rows.n);
            return Ok(Vector::Values(
                codes.iter().map(|code| self.number_of(declared.ty, self.read_one(column, property, *code))).collect(),
            ));
        }
        if let Vector::Range(first, end) = *base
            && first >= column.first
            && end - column.first <= column.len
        {
            let (from, to) = ((first - column.first) as usize, (end - column.first) as usize);
            return Ok(match &*column.codes {
                Codes::Each(lent) => Vector::Codes(column.class, Cow::Borrowed(lent.get(from..to).unwrap_or(&[]))),
                // Values that need no dictionary.
                Codes::Constant(code) if *code > CODES_MAX || !matches!(column.class, CodeClass::Text(_) | CodeClass::Instant) => {
                    Vector::Same(self.decode(column.class, *code))
                }
                Codes::Constant(code) => Vector::codes(column.class, vec![*code; rows.n]),
            });
        }
        let base = self.codes(&base, CodeClass::Entity, rows.n);
        let read = |code: &u32| self.read_one(column, property, *code);
        let codes = match &*column.codes {
            Codes::Each(codes) => {
                base.iter().map(|code| codes.get(code.wrapping_sub(column.first) as usize).copied().unwrap_or_else(|| read(code))).collect()
            }
            Codes::Constant(_) => base.iter().map(read).collect(),
        };
        Ok(Vector::codes(column.class, codes))
    }

    /// Reads a Bool as truths: from a byte for each entity.
    fn read_truths(&self, term: TermId, rows: &Rows<'a>) -> Outcome<Option<Vec<u8>>> {
        let Term::Attribute { base, property, at: None } = self.query.get(term) else { return Ok(None) };
        if self.shapes.is_closed(term) || rows.n < self.shared.sizes.table_from || rows.known.borrow().contains_key(&term) {
            return Ok(None);
        }
        let (Some(declared), Some(column)) = (self.schema.property(*property), self.attribute(*property)) else { return Ok(None) };
        if declared.is_key || column.class != CodeClass::Bool {
            return Ok(None);
        }
        let Codes::Each(each) = &*column.codes else { return Ok(None) };
        self.spend(rows.n as u64)?;
        let base = self.evaluate(*base, rows)?;
        if let Vector::Range(first, end) = *base {
            let range = first.wrapping_sub(column.first) as usize..end.wrapping_sub(column.first) as usize;
            if let Some(codes) = each.get(range) {
                return Ok(Some(codes.iter().map(|code| truth_of_code(*code)).collect()));
            }
        }
        let Some(table) = column.truths() else { return Ok(None) };
        let base = self.codes(&base, CodeClass::Entity, rows.n);
        let read = |code: &u32| match table.get(code.wrapping_sub(column.first) as usize) {
            Some(truth) => *truth,
            None => truth_of_code(self.read_one(column, *property, *code)),
        };
        Ok(Some(base.iter().map(read).collect()))
    }

    /// Whole numbers and durations share their codes; the type tells them apart.
    fn number_of(&self, ty: Type, code: u32) -> Val {
        match (self.decode(CodeClass::Integer, code), ty.base) {
            (Val::Known(Value::Int(n) | Value::Duration(n)), Base::Duration) => Val::Known(Value::Duration(n)),
            (Val::Known(Value::Int(n) | Value::Duration(n)), _) => Val::Known(Value::Int(n)),
            (other, _) => other,
        }
    }

    fn read_one(&self, column: &Attribute<'a>, property: PropertyId, code: u32) -> u32 {
        if code == NONE {
            return NONE;
        }
        if is_unseen(code) {
            return match self.unseen_of(code).origin {
                Some((inverse, from)) if inverse == property => from.0,
                _ => UNKNOWN,
            };
        }
        column.get(code)
    }

    /// Reads a property as of an instant, row by row.
    fn read_then(&self, base: &Vector<'a>, property: PropertyId, at: TermId, rows: &Rows<'a>) -> Outcome<Vector<'a>> {
        let at = self.evaluate(at, rows)?;
        let values = (0..rows.n).map(|row| match self.value_at(&at, row) {
            Val::Known(Value::Instant(at)) => self.reference().attribute(&self.value_at(base, row), property, Some(at)),
            _ => Val::Unknown,
        });
        Ok(Vector::Values(values.collect()))
    }

    /// Conjunctions and disjunctions: first what decides the most for the least work; what is decided by then is not looked at
    /// again.
    fn junction(&self, parts: &[TermId], deciding: u8, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        let parts = self.shared.estimates().ordered(parts, deciding == FALSE);
        let Some((first, others)) = parts.split_first() else { return Ok(vec![TRUE - deciding; rows.n]) };
        let mut result = self.truth(*first, rows)?;
        let mut narrowed: Option<(Vec<u32>, Rows<'a>)> = None;
        let merge = |known: u8, new: u8| if deciding == FALSE { known.min(new) } else { known.max(new) };
        for part in others {
            let n_open = result.iter().filter(|truth| **truth != deciding).count();
            if n_open == 0 {
                break;
            }
            let n_now = narrowed.as_ref().map_or(rows.n, |(places, _)| places.len());
            let worth = if self.shapes.has_sets(*part) {
                n_open * 4 < n_now * 3
            } else {
                n_now >= self.shared.sizes.narrow_from && n_open * 8 < n_now
            };
            if worth {
                let open: Vec<u32> = (0_u32..).zip(&result).filter(|(_, truth)| **truth != deciding).map(|(row, _)| row).collect();
                let inner = rows.gather(&open);
                narrowed = Some((open, inner));
            }
            match &narrowed {
                None => result.iter_mut().zip(self.truth(*part, rows)?).for_each(|(slot, truth)| *slot = merge(*slot, truth)),
                Some((open, inner)) => {
                    for (row, truth) in open.iter().zip(self.truth(*part, inner)?) {
                        if let Some(slot) = result.get_mut(*row as usize) {
                            *slot = merge(*slot, truth);
                        }
                    }
                }
            }
        }
        Ok(result)
    }
}

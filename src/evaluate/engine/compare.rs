//! Comparisons and tests of values, a whole batch at a time where both sides have codes of one class.

use super::super::evaluator::{is_none, overlaps};
use super::super::value::{Unseen, Val};
use super::HashMap;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, FOREIGN_FIRST, Rows, Sets, TRUE, Tally, Vector, is_known, is_unseen, truth_code};
use crate::check::Comparison;
use crate::model::{Base, EntityId, EntityTypeId, Type, Value};
use crate::query::{Term, TermId};
use crate::snapshot::columns::{CODES_MAX, CodeClass, NONE, UNKNOWN};

fn negate(truth: u8) -> u8 {
    TRUE - truth
}

fn decided(holds: bool) -> u8 {
    if holds { TRUE } else { FALSE }
}

impl<'a> Machine<'a> {
    pub(super) fn compare_kind(&self, term: &Term, ty: Type, rows: &Rows<'a>) -> Outcome<Vector<'a>> {
        Ok(match term {
            Term::Compare(op, a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                Vector::Truth(self.compared(*op, &a, &b, rows.n))
            }
            Term::In(item, set) => Vector::Truth(self.member_of(*item, *set, rows)?),
            Term::IsNone(inner) => {
                let inner = self.evaluate(*inner, rows)?;
                Vector::Truth(self.each_truth(
                    &inner,
                    rows.n,
                    |code| match code {
                        NONE => TRUE,
                        UNKNOWN => DOUBT,
                        _ => FALSE,
                    },
                    |value| truth_code(is_none(value)),
                ))
            }
            Term::IsType(inner, entity) => {
                let inner = self.evaluate(*inner, rows)?;
                Vector::Truth(self.are_of_type(&inner, *entity, rows.n))
            }
            Term::Known(inner) => self.knows(*inner, rows)?,
            Term::Covers(a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                self.spend(rows.n as u64 * 8)?;
                Vector::Truth(
                    (0..rows.n).map(|row| truth_code(self.reference().covers(&self.value_at(&a, row), &self.value_at(&b, row)))).collect(),
                )
            }
            Term::Overlaps(a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                Vector::Truth((0..rows.n).map(|row| truth_code(overlaps(&self.value_at(&a, row), &self.value_at(&b, row)))).collect())
            }
            Term::Matches(text, pattern) => {
                let text = self.evaluate(*text, rows)?;
                let holds = |value: &Val| match value {
                    Val::Known(Value::Text(text)) => decided(pattern.0.is_match(text)),
                    _ => DOUBT,
                };
                Vector::Truth(self.by_code(&text, rows.n, &holds))
            }
            Term::Coalesce(a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                self.coalesced(&a, &b, rows.n)
            }
            Term::Add(a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                Vector::Values(
                    (0..rows.n).map(|row| super::super::arithmetic::add(&self.value_at(&a, row), &self.value_at(&b, row))).collect(),
                )
            }
            Term::Subtract(a, b) => {
                let (a, b) = (self.evaluate(*a, rows)?, self.evaluate(*b, rows)?);
                let each = |row| super::super::arithmetic::subtract(&self.value_at(&a, row), &self.value_at(&b, row));
                Vector::Values((0..rows.n).map(each).collect())
            }
            Term::Interval(from, to) => {
                let (from, to) = (self.evaluate(*from, rows)?, self.evaluate(*to, rows)?);
                let each = |row| match (self.value_at(&from, row), self.value_at(&to, row)) {
                    (Val::Known(Value::Instant(from)), Val::Known(Value::Instant(to))) => Val::Known(Value::Interval(Box::new([from, to]))),
                    _ => Val::Unknown,
                };
                Vector::Values((0..rows.n).map(each).collect())
            }
            _ if ty.set => Vector::Sets(Sets::empty(self.class_of(ty), rows.n)),
            _ => Vector::Same(Val::Unknown),
        })
    }

    fn each_truth(&self, vector: &Vector<'a>, n: usize, of_code: impl Fn(u32) -> u8, of_value: impl Fn(&Val) -> u8) -> Vec<u8> {
        match vector {
            Vector::Codes(_, codes) => codes.iter().map(|code| of_code(*code)).collect(),
            Vector::Range(first, end) => (*first..*end).map(of_code).collect(),
            Vector::Same(value) => vec![of_value(value); n],
            other => (0..n).map(|row| of_value(&self.value_at(other, row))).collect(),
        }
    }

    /// A test of text, made once for each different code.
    fn by_code(&self, vector: &Vector<'a>, n: usize, holds: &dyn Fn(&Val) -> u8) -> Vec<u8> {
        let Vector::Codes(class, codes) = vector else {
            return match vector {
                Vector::Same(value) => vec![holds(value); n],
                other => (0..n).map(|row| holds(&self.value_at(other, row))).collect(),
            };
        };
        let mut known = HashMap::default();
        codes.iter().map(|code| *known.entry(*code).or_insert_with(|| holds(&self.decode(*class, *code)))).collect()
    }

    fn are_of_type(&self, vector: &Vector<'a>, entity: EntityTypeId, n: usize) -> Vec<u8> {
        let domain = self.columns.domain(entity);
        let above = self.schema.entities.iter().filter(|above| above.id != entity && self.schema.is_subtype(entity, above.id));
        let untyped: Vec<std::ops::Range<u32>> = above.map(|above| self.columns.own(above.id)).filter(|own| !own.is_empty()).collect();
        let of_code = |code: u32| {
            if code > CODES_MAX {
                return self.code_is_of_type(code, entity);
            }
            if domain.contains(&code) {
                return TRUE;
            }
            if untyped.iter().any(|own| own.contains(&code)) { DOUBT } else { FALSE }
        };
        self.codes(vector, CodeClass::Entity, n).iter().map(|code| of_code(*code)).collect()
    }

    fn code_is_of_type(&self, code: u32, entity: EntityTypeId) -> u8 {
        if code <= CODES_MAX {
            return self.is_of_type(code, entity);
        }
        if code == NONE {
            return FALSE;
        }
        match is_unseen(code).then(|| self.unseen_of(code).base) {
            Some(Base::Entity(declared)) if self.schema.is_subtype(declared, entity) => TRUE,
            Some(Base::Entity(declared)) if !self.schema.is_subtype(entity, declared) => FALSE,
            _ => DOUBT,
        }
    }

    fn knows(&self, inner: TermId, rows: &Rows<'a>) -> Outcome<Vector<'a>> {
        let ty = self.query.type_of(inner);
        if ty.set {
            // One sure sighting of a member is enough.
            let sets = self.distinct(self.sets(inner, rows)?)?;
            let sure = |(from, to): &(u32, u32)| decided((*from..*to).all(|at| sets.level(at) == TRUE && !is_unseen(sets.member(at))));
            return Ok(Vector::Truth(sets.spans.iter().map(sure).collect()));
        }
        if ty.base == Base::Bool {
            let truths = self.truth(inner, rows)?;
            return Ok(Vector::Truth(truths.into_iter().map(|truth| decided(truth != DOUBT)).collect()));
        }
        let vector = self.evaluate(inner, rows)?;
        let of_code = |code| decided(code == NONE || is_known(code));
        Ok(Vector::Truth(self.each_truth(&vector, rows.n, of_code, |value| decided(matches!(value, Val::Known(_) | Val::None)))))
    }

    fn coalesced(&self, a: &Vector<'a>, b: &Vector<'a>, n: usize) -> Vector<'a> {
        if let Vector::Codes(class, left) = a
            && b.has_codes()
        {
            let right = self.codes(b, *class, n);
            let codes = left.iter().zip(right.iter()).map(|(left, right)| if *left == NONE { *right } else { *left });
            return Vector::codes(*class, codes.collect());
        }
        let each = |row| match self.value_at(a, row) {
            Val::None => self.value_at(b, row),
            Val::Range(range) if range.maybe_none => Val::Unknown,
            left => left,
        };
        Vector::Values((0..n).map(each).collect())
    }

    pub(super) fn compared(&self, op: Comparison, a: &Vector<'a>, b: &Vector<'a>, n: usize) -> Vec<u8> {
        if let (Vector::Tally(tallies), Vector::Same(Val::Known(Value::Int(k)))) = (a, b) {
            return tallies.iter().map(|tally| compare_tally(op, *tally, *k)).collect();
        }
        if let (Vector::Same(a), Vector::Same(b)) = (a, b) {
            return vec![truth_code(self.reference().compare(op, a, b)); n];
        }
        let by_value = |row| truth_code(self.reference().compare(op, &self.value_at(a, row), &self.value_at(b, row)));
        if !a.has_codes() || !b.has_codes() {
            return (0..n).map(by_value).collect();
        }
        if let (Vector::Codes(class, codes), Vector::Codes(other, others)) = (a, b)
            && matches!(op, Comparison::Equal | Comparison::NotEqual)
        {
            // A key is compared with a text by the code the text has.
            match (class, other) {
                (CodeClass::Key(_), CodeClass::Text(_)) => {
                    let codes = self.translated(*class, *other, codes);
                    return self.compared_codes(op, *other, &Vector::codes(*other, codes), b, n);
                }
                (CodeClass::Text(_), CodeClass::Key(_)) => {
                    let others = self.translated(*other, *class, others);
                    return self.compared_codes(op, *class, a, &Vector::codes(*class, others), n);
                }
                _ => {}
            }
        }
        let class = match (a, b) {
            (Vector::Codes(class, _), Vector::Codes(other, _)) if class == other => Some(*class),
            (Vector::Codes(class, _), Vector::Same(_)) | (Vector::Same(_), Vector::Codes(class, _)) => Some(*class),
            (Vector::Range(..), Vector::Codes(CodeClass::Entity, _) | Vector::Range(..) | Vector::Same(_))
            | (Vector::Codes(CodeClass::Entity, _) | Vector::Same(_), Vector::Range(..)) => Some(CodeClass::Entity),
            _ => None,
        };
        let ordering = !matches!(op, Comparison::Equal | Comparison::NotEqual);
        match class {
            // A value that no fact has stands outside of the order of codes; instants and numbers are compared as such.
            Some(class) if !ordering => self.compared_codes(op, class, a, b, n),
            Some(CodeClass::Instant) if is_native(a) && is_native(b) => self.compared_instants(op, a, b, n),
            // Keys are numbered type by type, which is not their order.
            Some(class) if both_codes(a, b) && !matches!(class, CodeClass::Key(_)) => self.compared_codes(op, class, a, b, n),
            _ => (0..n).map(by_value).collect(),
        }
    }

    /// Returns the codes of the same values in another class.
    pub(super) fn translated(&self, from: CodeClass, to: CodeClass, codes: &[u32]) -> Vec<u32> {
        let mut known = self.translations.borrow_mut();
        let known = known.entry((from, to)).or_default();
        codes.iter().map(|code| *known.entry(*code).or_insert_with(|| self.code(to, &self.decode(from, *code)))).collect()
    }

    fn compared_codes(&self, op: Comparison, class: CodeClass, a: &Vector<'a>, b: &Vector<'a>, n: usize) -> Vec<u8> {
        let equal = |a: u32, b: u32| self.equal_codes(a, b);
        if let (Vector::Codes(_, codes), Vector::Same(value)) | (Vector::Same(value), Vector::Codes(_, codes)) = (a, b)
            && !matches!(op, Comparison::Less | Comparison::LessEqual | Comparison::Greater | Comparison::GreaterEqual)
        {
            let constant = self.code(class, value);
            let yes = decided(op == Comparison::Equal);
            if is_known(constant) && !is_unseen(constant) {
                let no = negate(yes);
                // The common case first: a plain code is equal or it is not.
                return codes
                    .iter()
                    .map(|code| match *code {
                        code if code == constant => yes,
                        code if code <= CODES_MAX || code == NONE => no,
                        code => {
                            if op == Comparison::Equal {
                                equal(code, constant)
                            } else {
                                negate(equal(code, constant))
                            }
                        }
                    })
                    .collect();
            }
        }
        let (a, b) = (self.codes(a, class, n), self.codes(b, class, n));
        let less = |a: u32, b: u32| if is_known(a) && is_known(b) { decided(a < b) } else { DOUBT };
        let each = |(a, b): (&u32, &u32)| match op {
            Comparison::Equal => equal(*a, *b),
            Comparison::NotEqual => negate(equal(*a, *b)),
            Comparison::Less => less(*a, *b),
            Comparison::Greater => less(*b, *a),
            Comparison::LessEqual => negate(less(*b, *a)),
            Comparison::GreaterEqual => negate(less(*a, *b)),
        };
        a.iter().zip(b.iter()).map(each).collect()
    }

    /// Instants by their place among all instants; a constant by how many of them are before it.
    fn compared_instants(&self, op: Comparison, a: &Vector<'a>, b: &Vector<'a>, n: usize) -> Vec<u8> {
        let instants = self.columns.instants();
        let constant = |value: &Val| match value {
            Val::Known(Value::Instant(at)) => {
                Some((instants.partition_point(|known| known < *at), instants.partition_point(|known| known <= *at)))
            }
            _ => None,
        };
        match (a, b) {
            (Vector::Codes(_, codes), Vector::Same(value)) => {
                let Some((before, through)) = constant(value) else { return vec![DOUBT; n] };
                codes.iter().map(|code| against(op, *code, before, through)).collect()
            }
            (Vector::Same(value), Vector::Codes(_, codes)) => {
                let Some((before, through)) = constant(value) else { return vec![DOUBT; n] };
                codes.iter().map(|code| against(op.flipped(), *code, before, through)).collect()
            }
            _ => self.compared_codes(op, CodeClass::Instant, a, b, n),
        }
    }

    pub(super) fn equal_codes(&self, a: u32, b: u32) -> u8 {
        match (a, b) {
            (NONE, NONE) => TRUE,
            (NONE, other) | (other, NONE) if is_known(other) => FALSE,
            (a, b) if is_known(a) && is_known(b) => decided(a == b),
            (unseen, id) | (id, unseen) if is_unseen(unseen) && id <= CODES_MAX => self.may_be(id, &self.unseen_of(unseen)),
            _ => DOUBT,
        }
    }

    /// Whether an entity can be a member that nobody has seen, by its type.
    fn may_be(&self, id: u32, unseen: &Unseen) -> u8 {
        if !matches!(unseen.base, Base::Entity(_)) {
            return DOUBT;
        }
        if self.reference().may_be(EntityId(id), unseen.base) { DOUBT } else { FALSE }
    }

    fn member_of(&self, item: TermId, set: TermId, rows: &Rows<'a>) -> Outcome<Vec<u8>> {
        let item = self.evaluate(item, rows)?;
        let sets = self.sets(set, rows)?;
        self.spend(sets.n_members())?;
        if !item.has_codes() {
            let each = |row| truth_code(self.reference().membership(&self.value_at(&item, row), &self.set_value(&sets, row)));
            return Ok((0..rows.n).map(each).collect());
        }
        let codes = self.codes(&item, sets.class, rows.n);
        Ok(codes.iter().zip(sets.spans.iter()).map(|(code, span)| self.is_member(*code, &sets, *span)).collect())
    }

    pub(super) fn is_member(&self, item: u32, sets: &Sets<'a>, (from, to): (u32, u32)) -> u8 {
        if item == NONE {
            return FALSE;
        }
        let mut result = FALSE;
        for at in from..to {
            let member = sets.member(at);
            let here =
                if is_unseen(member) { self.may_be_unseen(item, member) } else { self.equal_codes(item, member).min(sets.level(at)) };
            result = result.max(here);
            if result == TRUE {
                break;
            }
        }
        result
    }

    /// Whether an item can be an unseen member of a set.
    fn may_be_unseen(&self, item: u32, member: u32) -> u8 {
        if item > CODES_MAX {
            return DOUBT;
        }
        let unseen = self.unseen_of(member);
        // Codes of scalars are no entities; an unseen scalar may be any value.
        if !matches!(unseen.base, Base::Entity(_)) {
            return DOUBT;
        }
        let possible = self.reference().may_be(EntityId(item), unseen.base) && self.reference().leads_back(EntityId(item), &unseen);
        if possible { DOUBT } else { FALSE }
    }
}

/// Tells whether no code stands for a value that no fact has.
fn is_native(vector: &Vector<'_>) -> bool {
    match vector {
        Vector::Codes(_, codes) => codes.iter().all(|code| !(FOREIGN_FIRST..UNKNOWN).contains(code)),
        _ => true,
    }
}

fn both_codes(a: &Vector<'_>, b: &Vector<'_>) -> bool {
    let coded = |vector: &Vector<'_>| matches!(vector, Vector::Range(..) | Vector::Codes(..)) && is_native(vector);
    coded(a) && coded(b)
}

/// Compares a place among sorted values with a constant before which `before` of them stand, and `through` up to it.
fn against(op: Comparison, code: u32, before: u32, through: u32) -> u8 {
    if code > CODES_MAX {
        return DOUBT;
    }
    decided(match op {
        Comparison::Less => code < before,
        Comparison::LessEqual => code < through,
        Comparison::Greater => code >= through,
        Comparison::GreaterEqual => code >= before,
        Comparison::Equal => code >= before && code < through,
        Comparison::NotEqual => code < before || code >= through,
    })
}

fn compare_tally(op: Comparison, tally: Tally, k: i64) -> u8 {
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let high = (tally.high != u64::MAX).then(|| int(tally.high));
    let low = int(tally.low);
    let less = match high {
        Some(high) if high < k => TRUE,
        _ if low >= k => FALSE,
        _ => DOUBT,
    };
    let greater = match high {
        _ if k < low => TRUE,
        Some(high) if k >= high => FALSE,
        _ => DOUBT,
    };
    let equal = match (less, greater) {
        (TRUE, _) | (_, TRUE) => FALSE,
        (FALSE, FALSE) => TRUE,
        _ => DOUBT,
    };
    match op {
        Comparison::Equal => equal,
        Comparison::NotEqual => negate(equal),
        Comparison::Less => less,
        Comparison::LessEqual => negate(greater),
        Comparison::Greater => greater,
        Comparison::GreaterEqual => negate(less),
    }
}

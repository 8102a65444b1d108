//! Functions of one entity or value, computed once for each.

use std::ops::Range;
use std::sync::Arc;

use super::super::value::Val;
use super::HashMap;
use super::gathered::Gathered;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, Rows, Sets, Tally, Vector};
use crate::model::{Base, Value};
use crate::query::{FunctionId, TermId};
use crate::snapshot::columns::{CODES_MAX, CodeClass, UNKNOWN};

/// What was computed of a function.
#[derive(Default)]
pub(super) struct Memo<'a> {
    /// For the ids of one range, all of them.
    dense: Option<(Range<u32>, Arc<Vector<'a>>)>,
    /// For single codes their place among `rows`, once any was asked for.
    places: Option<Places>,
    rows: Stored<'a>,
    /// How many codes were asked for one by one.
    asked: u64,
}

/// Places of codes: by the code itself for a range of codes, looked up for others.
struct Places {
    first: u32,
    /// One more than the place; 0 for codes that are not known.
    near: Vec<u32>,
    far: HashMap<u32, u32>,
}

/// The place of a code whose result is being computed.
const ASKED: u32 = u32::MAX;

impl Places {
    fn new(codes: Range<u32>) -> Self {
        Self { first: codes.start, near: vec![0; codes.len()], far: HashMap::default() }
    }

    fn get(&self, code: u32) -> Option<u32> {
        match self.near.get(code.wrapping_sub(self.first) as usize) {
            Some(place) => place.checked_sub(1),
            None => self.far.get(&code).copied(),
        }
    }

    /// Tells whether a code has no place yet; it is asked for then, and not again.
    fn ask(&mut self, code: u32) -> bool {
        match self.near.get_mut(code.wrapping_sub(self.first) as usize) {
            Some(slot @ 0) => *slot = ASKED,
            Some(_) => return false,
            None => match self.far.entry(code) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(ASKED);
                }
                std::collections::hash_map::Entry::Occupied(_) => return false,
            },
        }
        true
    }

    fn set(&mut self, code: u32, place: u32) {
        match self.near.get_mut(code.wrapping_sub(self.first) as usize) {
            Some(slot) => *slot = place.saturating_add(1),
            None => {
                self.far.insert(code, place);
            }
        }
    }
}

/// Results of single codes, one after the other.
#[derive(Default)]
enum Stored<'a> {
    #[default]
    Nothing,
    Truth(Vec<u8>),
    Codes(CodeClass, Vec<u32>),
    Tally(Vec<Tally>),
    Sets(Sets<'a>),
    Values(Vec<Val>),
}

/// A plain function is computed for a whole type at once if it is asked for more than one in so many: in a row a value takes a
/// few steps of the processor, picked here and there some twenty times as many.
const DENSE_SHARE: u64 = 16;

impl<'a> Machine<'a> {
    /// Applies a function of one argument to every row.
    pub(super) fn apply(&self, function: FunctionId, argument: &Vector<'a>, n: usize) -> Outcome<Vector<'a>> {
        let Some(body) = self.query.get_function(function).map(|function| function.body) else { return Ok(Vector::Same(Val::Unknown)) };
        match argument {
            Vector::Same(_) => {
                let vector = self.evaluate(body, &Rows::new(1, vec![Arc::new(argument.clone())]))?;
                Ok(match &*vector {
                    Vector::Sets(_) | Vector::Tally(_) => vector.spread(&[(0, u32::try_from(n).unwrap_or(u32::MAX))], n),
                    other => Vector::Same(self.value_at(other, 0)),
                })
            }
            Vector::Sets(_) | Vector::Tally(_) | Vector::Values(_) | Vector::Truth(_) => {
                let rows = Rows::new(n, vec![Arc::new(argument.clone())]);
                Ok((*self.evaluate(body, &rows)?).clone())
            }
            Vector::Range(first, end) => self.apply_range(function, *first..*end).map(Arc::unwrap_or_clone),
            Vector::Codes(class, codes) => self.apply_codes(function, *class, codes),
        }
    }

    /// Applies a function of one argument to consecutive entities.
    pub(super) fn apply_range(&self, function: FunctionId, range: Range<u32>) -> Outcome<Arc<Vector<'a>>> {
        if let Some(known) = self.known_range(function, &range) {
            return Ok(known);
        }
        let made = self.over_range(function, range.clone())?;
        let shared = Arc::new(made);
        let mut memos = self.memos.borrow_mut();
        let memo = memos.entry(function).or_default();
        if memo.dense.as_ref().is_none_or(|(known, _)| known.len() < range.len()) {
            memo.dense = Some((range, Arc::clone(&shared)));
        }
        Ok(shared)
    }

    fn over_range(&self, function: FunctionId, range: Range<u32>) -> Outcome<Vector<'a>> {
        let Some(body) = self.query.get_function(function).map(|function| function.body) else { return Ok(Vector::Same(Val::Unknown)) };
        if let Some(truths) = self.truths_of_range(body, range.clone())? {
            return Ok(Vector::Truth(truths));
        }
        let n = range.len();
        let rows = Rows::new(n, vec![Arc::new(Vector::Range(range.start, range.end))]);
        Ok((*self.evaluate(body, &rows)?).clone())
    }

    fn known_range(&self, function: FunctionId, range: &Range<u32>) -> Option<Arc<Vector<'a>>> {
        let memos = self.memos.borrow();
        let (known, vector) = memos.get(&function)?.dense.as_ref()?;
        if known == range {
            return Some(Arc::clone(vector));
        }
        if known.start <= range.start && range.end <= known.end {
            if let Vector::Truth(truths) = &**vector {
                let part = (range.start - known.start) as usize..(range.end - known.start) as usize;
                return Some(Arc::new(Vector::Truth(truths.get(part).unwrap_or(&[]).to_vec())));
            }
            let rows: Vec<u32> = (range.start - known.start..range.end - known.start).collect();
            return Some(Arc::new(vector.gather(&rows)));
        }
        None
    }

    fn apply_codes(&self, function: FunctionId, class: CodeClass, codes: &[u32]) -> Outcome<Vector<'a>> {
        if class == CodeClass::Entity {
            self.prepare_range(function, codes.len() as u64)?;
        }
        let dense = self.memos.borrow().get(&function).and_then(|memo| memo.dense.clone());
        if let Some((range, vector)) = dense.filter(|_| class == CodeClass::Entity) {
            let outside: Vec<u32> = codes.iter().copied().filter(|code| !range.contains(code)).collect();
            if outside.is_empty() {
                return Ok(gather_dense(&vector, range.start, codes));
            }
            if let Vector::Truth(truths) = &*vector {
                // Members nobody has seen stand among the others.
                let others = self.apply_each(function, class, &outside)?;
                let mut others = self.truths(&others, outside.len()).into_iter();
                let truth = |code: &u32| match truths.get(code.wrapping_sub(range.start) as usize) {
                    Some(truth) => *truth,
                    None => others.next().unwrap_or(DOUBT),
                };
                return Ok(Vector::Truth(codes.iter().map(truth).collect()));
            }
        }
        self.apply_each(function, class, codes)
    }

    /// Applies a function of one argument to codes one by one.
    fn apply_each(&self, function: FunctionId, class: CodeClass, codes: &[u32]) -> Outcome<Vector<'a>> {
        self.prepare_codes(function, class, codes)?;
        let memos = self.memos.borrow();
        let Some(memo) = memos.get(&function) else { return Ok(Vector::Same(Val::Unknown)) };
        let places = codes.iter().map(|code| memo.place(*code).unwrap_or(u32::MAX));
        Ok(memo.rows.gather(places))
    }

    /// Computes a plain function for a whole type at once, if a good part of it is asked for.
    pub(super) fn prepare_range(&self, function: FunctionId, n: u64) -> Outcome<()> {
        let Some(known) = self.query.get_function(function) else { return Ok(()) };
        let plain = !self.shapes.has_sets(known.body);
        let Some(Base::Entity(ty)) = known.arguments.first().map(|argument| argument.base) else { return Ok(()) };
        let domain = self.columns.domain(ty);
        if !plain || domain.is_empty() {
            return Ok(());
        }
        {
            let mut memos = self.memos.borrow_mut();
            let memo = memos.entry(function).or_default();
            memo.asked = memo.asked.saturating_add(n);
            if memo.dense.is_some() || memo.asked.saturating_mul(DENSE_SHARE) < domain.len() as u64 {
                return Ok(());
            }
        }
        let made = Arc::new(self.over_range(function, domain.clone())?);
        self.memos.borrow_mut().entry(function).or_default().dense = Some((domain, made));
        Ok(())
    }

    /// Computes what is not known yet.
    fn prepare_codes(&self, function: FunctionId, class: CodeClass, codes: &[u32]) -> Outcome<()> {
        let range = self.codes_of(function, class);
        let mut wanted: Vec<u32> = {
            let mut memos = self.memos.borrow_mut();
            let places = memos.entry(function).or_default().places.get_or_insert_with(|| Places::new(range));
            codes.iter().copied().filter(|code| places.ask(*code)).collect()
        };
        if !wanted.is_sorted() {
            wanted.sort_unstable();
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let Some(body) = self.query.get_function(function).map(|function| function.body) else { return Ok(()) };
        if self.query.type_of(body).set && self.shapes.goes_far(body) && wanted.len() > self.shared.sizes.sets {
            return self.by_slices(function, body, class, &wanted);
        }
        let made = self.evaluate(body, &Rows::new(wanted.len(), vec![Arc::new(argument_of(class, &wanted))]))?;
        self.keep(function, &made, &wanted)
    }

    /// Computes sets for some codes at a time, so that what is gathered on the way stays near.
    fn by_slices(&self, function: FunctionId, body: TermId, class: CodeClass, wanted: &[u32]) -> Outcome<()> {
        for slice in wanted.chunks(self.shared.sizes.sets.max(1)) {
            let made = self.evaluate(body, &Rows::new(slice.len(), vec![Arc::new(argument_of(class, slice))]))?;
            self.keep(function, &made, slice)?;
        }
        Ok(())
    }

    /// Keeps what was computed for some codes; sets are folded once, for all who ask.
    fn keep(&self, function: FunctionId, made: &Vector<'a>, wanted: &[u32]) -> Outcome<()> {
        let folded;
        let made = match made {
            Vector::Sets(sets) if !sets.distinct => {
                folded = Vector::Sets(self.distinct(sets.clone())?);
                &folded
            }
            other => other,
        };
        let mut memos = self.memos.borrow_mut();
        let memo = memos.entry(function).or_default();
        let places = memo.places.get_or_insert_with(|| Places::new(0..0));
        let begin = memo.rows.append(self, made, wanted.len());
        for (code, place) in wanted.iter().zip(begin..) {
            places.set(*code, place);
        }
        Ok(())
    }

    /// Returns the codes a function may be asked about, where these are few enough to keep a place for each.
    fn codes_of(&self, function: FunctionId, class: CodeClass) -> Range<u32> {
        match class {
            CodeClass::Entity => match self.query.get_function(function).and_then(|known| known.arguments.first()).map(|ty| ty.base) {
                Some(Base::Entity(ty)) => self.columns.domain(ty),
                _ => 0..self.columns.n(),
            },
            CodeClass::Text(class) => 0..self.columns.texts(class).len(),
            _ => 0..0,
        }
    }
}

/// Sorted codes as an argument: consecutive entities as a range, for which columns are lent.
fn argument_of<'a>(class: CodeClass, wanted: &[u32]) -> Vector<'a> {
    match (wanted.first(), wanted.last()) {
        (Some(first), Some(last)) if class == CodeClass::Entity && is_run(wanted) => Vector::Range(*first, last + 1),
        _ => Vector::codes(class, wanted.to_vec()),
    }
}

fn is_run(sorted: &[u32]) -> bool {
    match (sorted.first(), sorted.last()) {
        (Some(first), Some(last)) => *last <= CODES_MAX && (last - first) as usize + 1 == sorted.len(),
        _ => false,
    }
}

fn gather_dense<'a>(vector: &Vector<'a>, start: u32, codes: &[u32]) -> Vector<'a> {
    match vector {
        Vector::Truth(truths) => {
            Vector::Truth(codes.iter().map(|code| truths.get((code - start) as usize).copied().unwrap_or(DOUBT)).collect())
        }
        other => {
            let rows: Vec<u32> = codes.iter().map(|code| code - start).collect();
            other.gather(&rows)
        }
    }
}

impl Memo<'_> {
    fn place(&self, code: u32) -> Option<u32> {
        self.places.as_ref()?.get(code)
    }
}

impl<'a> Stored<'a> {
    /// Adds the rows of a result; returns the place of the first.
    fn append(&mut self, machine: &Machine<'a>, made: &Vector<'a>, n: usize) -> u32 {
        if let Self::Nothing = self {
            *self = match made {
                Vector::Truth(_) => Self::Truth(Vec::new()),
                Vector::Codes(class, _) => Self::Codes(*class, Vec::new()),
                Vector::Range(..) => Self::Codes(CodeClass::Entity, Vec::new()),
                Vector::Tally(_) => Self::Tally(Vec::new()),
                Vector::Sets(sets) => Self::Sets(Sets::empty(sets.class, 0)),
                // Others may differ, so what has codes is kept as codes.
                Vector::Same(Val::Known(Value::Bool(_))) => Self::Codes(CodeClass::Bool, Vec::new()),
                Vector::Same(Val::Known(Value::Enum(of, _))) => Self::Codes(CodeClass::Enum(*of), Vec::new()),
                Vector::Same(Val::Known(Value::Entity(_))) => Self::Codes(CodeClass::Entity, Vec::new()),
                Vector::Same(_) | Vector::Values(_) => Self::Values(Vec::new()),
            };
        }
        let len = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match self {
            Self::Truth(known) => {
                let begin = len(known.len());
                known.extend(machine.truths(made, n));
                begin
            }
            Self::Codes(class, known) => {
                let begin = len(known.len());
                known.extend_from_slice(&machine.codes(made, *class, n));
                begin
            }
            Self::Tally(known) => {
                let begin = len(known.len());
                if let Vector::Tally(tallies) = made {
                    known.extend_from_slice(tallies);
                }
                known.resize(begin as usize + n, Tally { low: 0, high: u64::MAX });
                begin
            }
            Self::Sets(known) => {
                let begin = len(known.spans.len());
                if let Vector::Sets(sets) = made {
                    let had = std::mem::replace(known, Sets::empty(sets.class, 0));
                    *known = if had.spans.is_empty() { sets.clone() } else { joined(had, sets) };
                }
                begin
            }
            Self::Values(known) => {
                let begin = len(known.len());
                known.extend((0..n).map(|row| machine.value_at(made, row)));
                begin
            }
            Self::Nothing => 0,
        }
    }

    fn gather(&self, places: impl Iterator<Item = u32>) -> Vector<'a> {
        match self {
            Self::Nothing => Vector::Same(Val::Unknown),
            Self::Truth(known) => Vector::Truth(places.map(|at| known.get(at as usize).copied().unwrap_or(DOUBT)).collect()),
            Self::Codes(class, known) => {
                Vector::codes(*class, places.map(|at| known.get(at as usize).copied().unwrap_or(UNKNOWN)).collect())
            }
            Self::Tally(known) => {
                let other = Tally { low: 0, high: u64::MAX };
                Vector::Tally(places.map(|at| known.get(at as usize).copied().unwrap_or(other)).collect())
            }
            Self::Sets(known) => Vector::Sets(known.gather(places.map(|at| at as usize))),
            Self::Values(known) => Vector::Values(places.map(|at| known.get(at as usize).cloned().unwrap_or(Val::Unknown)).collect()),
        }
    }
}

/// Puts the sets of two batches after each other in one array.
fn joined<'a>(a: Sets<'a>, b: &Sets<'a>) -> Sets<'a> {
    let distinct = a.distinct && b.distinct;
    let mut gathered = Gathered::resume(a);
    gathered.add_rows(b);
    gathered.finish(distinct)
}

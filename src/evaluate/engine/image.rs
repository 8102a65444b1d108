//! Existence over long ways, asked from the far end.
//!
//! Before: `some p in principals_reaching(s) : test(p, q)` gathers everybody who reaches each subscription. After: whoever
//! passes the test is found first, for up to 64 values of `q` at a time, and followed back step by step to the subscriptions
//! he reaches; what passes is few, what reaches is many. Each step keeps for every entity which questions some member beyond
//! it answers, for certain and perhaps; a list that may lack members answers perhaps whatever an unseen member may.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::value::Unseen;
use super::HashMap;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, Rows, TRUE, Vector, is_known, is_unseen};
use crate::model::{Base, Property, PropertyId};
use crate::query::{Lambda, Term, TermId, conjuncts, has_far_end, parts};
use crate::snapshot::columns::{CODES_MAX, CodeClass, NONE};

/// Which questions are answered: for certain, and perhaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bits {
    certain: u64,
    possible: u64,
}

impl Bits {
    fn of(level: u8, bit: u64) -> Self {
        Self { certain: if level == TRUE { bit } else { 0 }, possible: if level == FALSE { 0 } else { bit } }
    }

    fn perhaps(possible: u64) -> Self {
        Self { certain: 0, possible }
    }

    fn at(self, level: u8) -> Self {
        if level == TRUE { self } else { Self { certain: 0, possible: self.possible } }
    }

    fn or(self, other: Self) -> Self {
        Self { certain: self.certain | other.certain, possible: self.possible | other.possible }
    }

    fn is_empty(self) -> bool {
        self.possible == 0
    }
}

/// What entities answer; those that answer nothing are left out.
#[derive(Debug, Clone, Default)]
struct Image(Vec<(u32, Bits)>);

impl Image {
    fn new(mut entries: Vec<(u32, Bits)>) -> Self {
        entries.sort_unstable_by_key(|(id, _)| *id);
        entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.or(next.1);
            }
            same
        });
        entries.retain(|(_, bits)| !bits.is_empty());
        Self(entries)
    }

    fn get(&self, id: u32) -> Bits {
        let found = self.0.binary_search_by_key(&id, |(known, _)| *known);
        found.ok().and_then(|at| self.0.get(at)).map_or_else(Bits::default, |(_, bits)| *bits)
    }
}

/// An image laid out for many look-ups.
struct Table {
    first: u32,
    bits: Vec<Bits>,
}

impl Table {
    fn new(image: &Image) -> Self {
        let first = image.0.first().map_or(0, |(id, _)| *id);
        let end = image.0.last().map_or(0, |(id, _)| *id + 1);
        let mut bits = vec![Bits::default(); (end - first) as usize];
        for (id, answer) in &image.0 {
            if let Some(slot) = bits.get_mut((id - first) as usize) {
                *slot = *answer;
            }
        }
        Self { first, bits }
    }

    fn get(&self, id: u32) -> Bits {
        self.bits.get(id.wrapping_sub(self.first) as usize).copied().unwrap_or_default()
    }
}

/// What unseen members may answer.
type OfUnseen<'f> = &'f dyn Fn(&[u32]) -> Outcome<Vec<u64>>;

/// What one unseen member may answer.
fn one(unseen: OfUnseen<'_>, code: u32) -> Outcome<u64> {
    Ok(unseen(&[code])?.first().copied().unwrap_or(u64::MAX))
}

/// Values of the captures asked about together.
const QUESTIONS_MAX: usize = 64;
/// Rows whose sets are gathered to see how long they are.
const SAMPLE: usize = 3;

impl<'a> Machine<'a> {
    /// Decides an existence from the far end, if that promises to be less work; `None` if it does not or cannot be done.
    pub(super) fn exists_by_image(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Vec<u8>>> {
        if rows.n < self.shared.sizes.image_from
            || self.shapes.is_closed(set)
            || !has_far_end(self.query, self.schema, set)
            || !self.sample_is_long(set, rows)?
        {
            return Ok(None);
        }
        let Some(questions) = self.questions(test, rows)? else { return Ok(None) };
        let mut result = vec![FALSE; rows.n];
        for round in questions.values.chunks(QUESTIONS_MAX) {
            let begin = questions.values.iter().position(|value| round.first() == Some(value)).unwrap_or(0);
            let Some(seed) = self.seed(set, test, round)? else { return Ok(None) };
            let known: RefCell<HashMap<u32, u64>> = RefCell::default();
            let unseen = |codes: &[u32]| self.answers_of_unseen(codes, test, round, &known);
            let Some(answers) = self.pull(set, &seed, &unseen, rows)? else { return Ok(None) };
            for ((slot, bits), question) in result.iter_mut().zip(answers).zip(&questions.of_row) {
                let at = (*question as usize).wrapping_sub(begin);
                if at < round.len() {
                    *slot = match (bits.certain >> at & 1, bits.possible >> at & 1) {
                        (1, _) => TRUE,
                        (_, 1) => DOUBT,
                        _ => FALSE,
                    };
                }
            }
        }
        Ok(Some(result))
    }

    fn sample_is_long(&self, set: TermId, rows: &Rows<'a>) -> Outcome<bool> {
        let sample: Vec<u32> = (0..SAMPLE).filter_map(|at| u32::try_from(at * rows.n / SAMPLE).ok()).collect();
        let sets = self.sets(set, &rows.gather(&sample))?;
        Ok(sets.n_members() > self.shared.sizes.image_short * sample.len() as u64)
    }

    /// Finds the different values of the captures, and which of them each row asks about.
    fn questions(&self, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Questions>> {
        let mut columns = Vec::new();
        for capture in &test.captures {
            let vector = self.evaluate(*capture, rows)?;
            let class = match &*vector {
                Vector::Codes(class, _) => *class,
                Vector::Range(..) => CodeClass::Entity,
                Vector::Same(_) if vector.has_codes() => self.class_of(self.query.type_of(*capture)),
                _ => return Ok(None),
            };
            columns.push((class, self.codes(&vector, class, rows.n).into_owned()));
        }
        let mut known: HashMap<Vec<(CodeClass, u32)>, u32> = HashMap::default();
        let mut questions = Questions { values: Vec::new(), of_row: Vec::with_capacity(rows.n) };
        for row in 0..rows.n {
            let value: Vec<(CodeClass, u32)> =
                columns.iter().map(|(class, codes)| (*class, codes.get(row).copied().unwrap_or(NONE))).collect();
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let at = *known.entry(value).or_insert_with_key(|value| {
                questions.values.push(value.clone());
                next
            });
            questions.of_row.push(at);
            if questions.values.len() > QUESTIONS_MAX * 4 {
                return Ok(None);
            }
        }
        Ok(Some(questions))
    }

    /// Tests all entities that may be members, for each question.
    fn seed(&self, set: TermId, test: &Lambda, round: &[Vec<(CodeClass, u32)>]) -> Outcome<Option<Image>> {
        let Some(function) = self.query.get_function(test.function) else { return Ok(None) };
        let Base::Entity(ty) = self.query.type_of(set).base else { return Ok(None) };
        let domain = self.facts.root_domain(ty);
        let ids: Vec<u32> = match self.holders(function.body) {
            Some(holders) => holders,
            None => domain.collect(),
        };
        let rows = Rows::new(ids.len(), vec![Arc::new(Vector::codes(CodeClass::Entity, ids.clone()))]);
        let upper = self.upper(function.body, &rows, 1)?;
        let ids: Vec<u32> = ids.into_iter().zip(upper).filter(|(_, truth)| *truth != FALSE).map(|(id, _)| id).collect();
        let mut entries: Vec<(u32, Bits)> = ids.iter().map(|id| (*id, Bits::default())).collect();
        for (at, question) in round.iter().enumerate() {
            let truths = self.ask(test, question, Vector::codes(CodeClass::Entity, ids.clone()), ids.len())?;
            for ((_, bits), truth) in entries.iter_mut().zip(truths) {
                *bits = bits.or(Bits::of(truth, 1 << at));
            }
        }
        Ok(Some(Image::new(entries)))
    }

    fn ask(&self, test: &Lambda, question: &[(CodeClass, u32)], members: Vector<'a>, n: usize) -> Outcome<Vec<u8>> {
        let Some(function) = self.query.get_function(test.function) else { return Ok(vec![DOUBT; n]) };
        let captures = question.iter().map(|(class, code)| Arc::new(Vector::Same(self.decode(*class, *code))));
        let arguments = std::iter::once(Arc::new(members)).chain(captures).collect();
        self.truth(function.body, &Rows::new(n, arguments))
    }

    fn answers_of_unseen(
        &self,
        codes: &[u32],
        test: &Lambda,
        round: &[Vec<(CodeClass, u32)>],
        known: &RefCell<HashMap<u32, u64>>,
    ) -> Outcome<Vec<u64>> {
        let mut wanted: Vec<u32> = codes.iter().copied().filter(|code| !known.borrow().contains_key(code)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            let mut bits = vec![0; wanted.len()];
            for (at, question) in round.iter().enumerate() {
                let truths = self.ask(test, question, Vector::codes(CodeClass::Entity, wanted.clone()), wanted.len())?;
                bits.iter_mut().zip(truths).for_each(|(bits, truth)| *bits |= u64::from(truth != FALSE) << at);
            }
            known.borrow_mut().extend(wanted.into_iter().zip(bits));
        }
        let known = known.borrow();
        Ok(codes.iter().map(|code| known.get(code).copied().unwrap_or(u64::MAX)).collect())
    }

    /// Finds a conjunct that asks for a member of a list that most do not have; returns those who have one.
    fn holders(&self, body: TermId) -> Option<Vec<u32>> {
        conjuncts(self.query, body).into_iter().find_map(|part| {
            let Term::Exists { set, .. } = self.query.get(part) else { return None };
            let Term::Navigate { base, property, at: None } = self.query.get(*set) else { return None };
            let declared = self.schema.property(*property)?;
            if !matches!(self.query.get(*base), Term::Argument(0)) || !declared.ty.set || declared.derived.is_some() {
                return None;
            }
            let list = self.list(*property).filter(|list| list.all_whole())?;
            let spans = (list.first..).zip(list.offsets.windows(2));
            Some(spans.filter(|(_, pair)| pair.first() != pair.last()).map(|(id, _)| id).collect())
        })
    }

    /// An upper bound of a truth whatever the arguments from `from` on are: false only if it is false for all of them.
    fn upper(&self, term: TermId, rows: &Rows<'a>, from: u32) -> Outcome<Vec<u8>> {
        if !self.mentions_from(term, from) {
            return self.truth(term, rows);
        }
        match self.query.get(term) {
            Term::And(parts) => {
                let mut result = vec![TRUE; rows.n];
                for part in parts {
                    result.iter_mut().zip(self.upper(*part, rows, from)?).for_each(|(slot, truth)| *slot = (*slot).min(truth));
                }
                Ok(result)
            }
            Term::Or(parts) => {
                let mut result = vec![FALSE; rows.n];
                for part in parts {
                    result.iter_mut().zip(self.upper(*part, rows, from)?).for_each(|(slot, truth)| *slot = (*slot).max(truth));
                }
                Ok(result)
            }
            Term::Exists { set, .. } if !self.mentions_from(*set, from) => {
                let sets = self.sets(*set, rows)?;
                Ok(sets.spans.iter().map(|(begin, end)| if begin == end { FALSE } else { TRUE }).collect())
            }
            _ => Ok(vec![TRUE; rows.n]),
        }
    }

    fn mentions_from(&self, term: TermId, from: u32) -> bool {
        let mut queue = vec![term];
        while let Some(id) = queue.pop() {
            match self.query.get(id) {
                Term::Argument(at) if *at >= from => return true,
                other => queue.extend(parts(other)),
            }
        }
        false
    }

    /// Follows an image back through the steps of a set; returns what each row answers.
    fn pull(&self, set: TermId, image: &Image, unseen: OfUnseen<'_>, rows: &Rows<'a>) -> Outcome<Option<Vec<Bits>>> {
        self.spend(rows.n as u64 + image.0.len() as u64)?;
        match self.query.get(set) {
            Term::Apply(function, argument) => {
                let argument = self.evaluate(*argument, rows)?;
                let codes = self.codes(&argument, CodeClass::Entity, rows.n);
                let mut distinct = codes.to_vec();
                distinct.sort_unstable();
                distinct.dedup();
                if distinct.iter().any(|code| *code > CODES_MAX) {
                    return Ok(None);
                }
                let Some(function) = self.query.get_function(*function) else { return Ok(None) };
                let inner = Rows::new(distinct.len(), vec![Arc::new(Vector::codes(CodeClass::Entity, distinct.clone()))]);
                let Some(answers) = self.pull(function.body, image, unseen, &inner)? else { return Ok(None) };
                let of = |code: &u32| distinct.binary_search(code).ok().and_then(|at| answers.get(at)).copied().unwrap_or_default();
                Ok(Some(codes.iter().map(of).collect()))
            }
            Term::Union(a, b) => {
                let (Some(a), Some(b)) = (self.pull(*a, image, unseen, rows)?, self.pull(*b, image, unseen, rows)?) else {
                    return Ok(None);
                };
                Ok(Some(a.into_iter().zip(b).map(|(a, b)| a.or(b)).collect()))
            }
            Term::Filter { set, test } if test.captures.is_empty() => {
                let ids: Vec<u32> = image.0.iter().map(|(id, _)| *id).collect();
                let truths = self.apply(test.function, &Vector::codes(CodeClass::Entity, ids), image.0.len())?;
                let truths = self.truths(&truths, image.0.len());
                let kept = image.0.iter().zip(truths).filter(|(_, truth)| *truth != FALSE);
                let kept = Image(kept.map(|((id, bits), truth)| (*id, bits.at(truth))).collect());
                let inner = |codes: &[u32]| {
                    let truths = self.apply(test.function, &Vector::codes(CodeClass::Entity, codes.to_vec()), codes.len())?;
                    let truths = self.truths(&truths, codes.len());
                    let answers = unseen(codes)?;
                    Ok(answers.into_iter().zip(truths).map(|(bits, truth)| if truth == FALSE { 0 } else { bits }).collect())
                };
                self.pull(*set, &kept, &inner, rows)
            }
            Term::Navigate { base, property, at: None } => {
                let Some(declared) = self.schema.property(*property) else { return Ok(None) };
                if self.query.type_of(*base).set {
                    self.pull_step(*base, declared, image, unseen, rows)
                } else {
                    self.pull_first(*base, declared, image, unseen, rows)
                }
            }
            Term::Closure { base, property, reflexive, at: None } => {
                let Some(declared) = self.schema.property(*property) else { return Ok(None) };
                let ty = self.query.type_of(set).base;
                self.pull_closure(*base, declared, *reflexive, ty, image, unseen, rows)
            }
            _ => Ok(None),
        }
    }

    /// A step from a set: the image moves to the members that lead to it.
    fn pull_step(
        &self,
        base: TermId,
        declared: &Property,
        image: &Image,
        unseen: OfUnseen<'_>,
        rows: &Rows<'a>,
    ) -> Outcome<Option<Vec<Bits>>> {
        if declared.derived.is_some() || declared.is_key {
            return Ok(None);
        }
        let Some(mut entries) = self.leading_to(declared, image)? else { return Ok(None) };
        let beyond = self.unseen_code(Unseen { base: declared.ty.base, origin: None });
        let untyped = self.untyped(declared).into_iter().flat_map(|ids| self.lacking_among(declared, ids));
        let open: Vec<u32> = self.lacking(declared).into_iter().chain(untyped).collect();
        let origin = |id: &u32| if declared.ty.set { self.origin(declared, *id) } else { None };
        let codes: Vec<u32> = open.iter().map(|id| self.unseen_code(Unseen { base: declared.ty.base, origin: origin(id) })).collect();
        entries.extend(open.into_iter().zip(unseen(&codes)?).map(|(id, bits)| (id, Bits::perhaps(bits))));
        self.spend(entries.len() as u64)?;
        let inner = |codes: &[u32]| Ok(vec![one(unseen, beyond)?; codes.len()]);
        self.pull(base, &Image::new(entries), &inner, rows)
    }

    /// A step from one entity a row.
    fn pull_first(
        &self,
        base: TermId,
        declared: &Property,
        image: &Image,
        unseen: OfUnseen<'_>,
        rows: &Rows<'a>,
    ) -> Outcome<Option<Vec<Bits>>> {
        let base = self.evaluate(base, rows)?;
        let codes = self.codes(&base, CodeClass::Entity, rows.n);
        if !declared.ty.set
            || codes.iter().any(|code| *code > CODES_MAX && *code != NONE)
            || self.reference().past(declared, None).is_some()
        {
            return Ok(None);
        }
        let (from, along) = match declared.derived {
            Some(rule) => match self.schema.property(rule.from) {
                Some(from) if self.reference().past(from, None).is_none() => (Some(from), Some(rule.along)),
                _ => return Ok(None),
            },
            None => (None, None),
        };
        let Some(own) = self.leading_to(declared, image)? else { return Ok(None) };
        let own = Table::new(&Image::new(own));
        let gathered = match from {
            Some(from) => match self.leading_to(from, image)? {
                Some(entries) => Some(Table::new(&Image::new(entries))),
                None => return Ok(None),
            },
            None => None,
        };
        let mut answers = Vec::with_capacity(rows.n);
        let (mut scratch, mut open) = (Vec::new(), Vec::new());
        for (row, code) in codes.iter().enumerate() {
            if *code == NONE {
                answers.push(Bits::default());
                continue;
            }
            let mut bits = own.get(*code);
            let mut whole = true;
            if let (Some(gathered), Some(along)) = (&gathered, along) {
                let gap = self.walk_into(*code, along, &mut scratch)?;
                for step in scratch.iter().filter(|step| *step != code) {
                    bits = bits.or(gathered.get(*step));
                }
                whole = self.is_derived_whole(*code, declared, &scratch, gap);
            } else if let Some(list) = self.list(declared.id) {
                whole = list.is_whole(*code);
            }
            if !whole {
                let origin = self.origin(declared, *code);
                open.push((row, self.unseen_code(Unseen { base: declared.ty.base, origin })));
            }
            answers.push(bits);
        }
        let beyond = unseen(&open.iter().map(|(_, code)| *code).collect::<Vec<_>>())?;
        for ((row, _), possible) in open.into_iter().zip(beyond) {
            if let Some(bits) = answers.get_mut(row) {
                *bits = bits.or(Bits::perhaps(possible));
            }
        }
        Ok(Some(answers))
    }

    /// A closure: answers travel back over as many steps as there are.
    #[expect(clippy::too_many_arguments, reason = "the parts of one closure and what is asked of it")]
    fn pull_closure(
        &self,
        base: TermId,
        declared: &Property,
        reflexive: bool,
        ty: Base,
        image: &Image,
        unseen: OfUnseen<'_>,
        rows: &Rows<'a>,
    ) -> Outcome<Option<Vec<Bits>>> {
        if declared.derived.is_some() || self.reference().past(declared, None).is_some() {
            return Ok(None);
        }
        let open = one(unseen, self.unseen_code(Unseen { base: declared.ty.base, origin: None }))?;
        let mut reached: HashMap<u32, Bits> = HashMap::default();
        if open != 0 {
            let unsure = self.untyped(declared).into_iter().flatten();
            for id in self.lacking(declared).into_iter().chain(unsure) {
                reached.insert(id, Bits::perhaps(open));
            }
        }
        let first = image.0.iter().copied().chain(reached.iter().map(|(id, bits)| (*id, *bits)));
        let mut frontier = Image::new(first.collect());
        while !frontier.0.is_empty() {
            let Some(before) = self.leading_to(declared, &frontier)? else { return Ok(None) };
            self.spend((before.len() + frontier.0.len()) as u64)?;
            let mut changed = Vec::new();
            for (holder, bits) in before {
                if self.is_of_type(holder, declared.owner) != TRUE {
                    continue;
                }
                let known = reached.entry(holder).or_default();
                let more = known.or(bits);
                if more != *known {
                    *known = more;
                    changed.push(holder);
                }
            }
            changed.sort_unstable();
            changed.dedup();
            let here = |id: u32| image.get(id).or(reached.get(&id).copied().unwrap_or_default());
            frontier = Image(changed.into_iter().map(|id| (id, here(id))).collect());
        }
        let mut entries: Vec<(u32, Bits)> = reached.into_iter().collect();
        if reflexive {
            entries.extend(image.0.iter().copied());
        }
        let image = Image::new(entries);
        let beyond = one(unseen, self.unseen_code(Unseen { base: ty, origin: None }))?;
        if self.query.type_of(base).set {
            let inner = |codes: &[u32]| {
                let own = if reflexive { unseen(codes)? } else { vec![0; codes.len()] };
                Ok(own.into_iter().map(|own| own | beyond).collect())
            };
            return self.pull(base, &image, &inner, rows);
        }
        let base = self.evaluate(base, rows)?;
        let codes = self.codes(&base, CodeClass::Entity, rows.n);
        if codes.iter().any(|code| *code > CODES_MAX && *code != NONE) {
            return Ok(None);
        }
        Ok(Some(codes.iter().map(|code| if *code == NONE { Bits::default() } else { image.get(*code) }).collect()))
    }

    /// Entities with a property whose step over it may lead to something unseen.
    fn lacking(&self, declared: &Property) -> Vec<u32> {
        self.lacking_among(declared, self.columns.domain(declared.owner))
    }

    fn lacking_among(&self, declared: &Property, among: std::ops::Range<u32>) -> Vec<u32> {
        if declared.ty.set {
            return match self.list(declared.id) {
                Some(list) if list.all_whole() => Vec::new(),
                Some(list) => among.filter(|id| !list.is_whole(*id)).collect(),
                None => Vec::new(),
            };
        }
        match self.attribute(declared.id) {
            Some(column) if column.all_known(&among) => Vec::new(),
            Some(column) => among.filter(|id| column.get(*id) == crate::snapshot::columns::UNKNOWN).collect(),
            None => Vec::new(),
        }
    }

    /// Entities whose type is not known and may have a property.
    fn untyped(&self, declared: &Property) -> Vec<std::ops::Range<u32>> {
        let above = self.schema.entities.iter();
        let above = above.filter(|above| above.id != declared.owner && self.schema.is_subtype(declared.owner, above.id));
        above.map(|above| self.columns.own(above.id)).collect()
    }

    /// Returns the entities whose step over a property leads to the image, with what they answer by it.
    fn leading_to(&self, declared: &Property, image: &Image) -> Outcome<Option<Vec<(u32, Bits)>>> {
        let mut entries = Vec::new();
        if !declared.ty.set {
            let Some(column) = self.attribute(declared.id) else { return Ok(Some(entries)) };
            let inverse = declared.inverse.filter(|_| !declared.history);
            for (id, bits) in &image.0 {
                match inverse {
                    Some(inverse) => self.each_stated(inverse, *id, &mut |holder| {
                        if column.get(holder) == *id {
                            entries.push((holder, *bits));
                        }
                    }),
                    None => {
                        if let Some(back) = self.reverse_of(declared) {
                            back.each(*id, &mut |holder, _| entries.push((holder, *bits)));
                        }
                    }
                }
            }
            self.spend(entries.len() as u64)?;
            return Ok(Some(entries));
        }
        let Some(list) = self.list(declared.id) else { return Ok(Some(entries)) };
        let single =
            declared.inverse.and_then(|inverse| self.schema.property(inverse)).filter(|inverse| !inverse.ty.set && !inverse.history);
        if let (Some(single), None, false) = (single, &list.levels, self.reference().has_expired())
            && let Some(column) = self.attribute(single.id)
        {
            // Whoever refers to its holder by one lasting reference is in no other list.
            entries.extend(image.0.iter().map(|(id, bits)| (column.get(*id), *bits)).filter(|(holder, _)| is_known(*holder)));
            return Ok(Some(entries));
        }
        let other_side = declared.inverse.and_then(|inverse| self.schema.property(inverse)).filter(|inverse| inverse.ty.set);
        let other_side =
            other_side.filter(|inverse| self.reference().past(inverse, None).is_none()).and_then(|inverse| self.list(inverse.id));
        if let Some(other_side) = other_side.filter(|_| self.reference().past(declared, None).is_none()) {
            // Both sides of a membership hold the same facts.
            for (id, bits) in &image.0 {
                other_side.each(*id, &mut |holder, level| entries.push((holder, bits.at(level))));
            }
        } else if let Some(back) = self.reverse_of(declared) {
            for (id, bits) in &image.0 {
                back.each(*id, &mut |holder, level| entries.push((holder, bits.at(level))));
            }
        }
        self.spend(entries.len() as u64)?;
        Ok(Some(entries))
    }

    /// Calls `visit` with the members of a list as they were stated, whether they hold or not.
    fn each_stated(&self, property: PropertyId, id: u32, visit: &mut dyn FnMut(u32)) {
        let Some(column) = self.columns.list(property) else { return };
        let mut last = NONE;
        for member in column.places(id).filter_map(|place| column.members.get(place)) {
            if member != last && is_known(member) && !is_unseen(member) {
                visit(member);
            }
            last = member;
        }
    }

    /// Returns a property the other way round, as it holds now.
    fn reverse_of(&self, declared: &Property) -> Option<&'a Reverse> {
        self.shared.reverse(declared.id, || self.reversed(declared))
    }

    fn reversed(&self, declared: &Property) -> Reverse {
        let mut pairs: Vec<(u32, u32, u8)> = Vec::new();
        if declared.ty.set {
            if let Some(list) = self.list(declared.id) {
                for (holder, _) in (list.first..).zip(list.offsets.windows(2)) {
                    list.each(holder, &mut |member, level| pairs.push((member, holder, level)));
                }
            }
        } else if let Some(column) = self.attribute(declared.id) {
            for holder in column.first..column.first + column.len {
                pairs.push((column.get(holder), holder, TRUE));
            }
        }
        pairs.retain(|(member, _, _)| *member <= CODES_MAX);
        pairs.sort_unstable();
        Reverse(pairs)
    }
}

/// A property the other way round: member, holder, how sure; sorted.
pub(super) struct Reverse(Vec<(u32, u32, u8)>);

impl Reverse {
    fn each(&self, member: u32, visit: &mut dyn FnMut(u32, u8)) {
        let begin = self.0.partition_point(|(known, _, _)| *known < member);
        for (_, holder, level) in self.0.iter().skip(begin).take_while(|(known, _, _)| *known == member) {
            visit(*holder, *level);
        }
    }
}

struct Questions {
    values: Vec<Vec<(CodeClass, u32)>>,
    of_row: Vec<u32>,
}

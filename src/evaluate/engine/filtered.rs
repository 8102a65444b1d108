//! Lists filtered beforehand, by tests that look at nothing but the member: once for everybody who asks.

use std::sync::Arc;

use super::super::value::Unseen;
use super::facts::{List, Whole};
use super::gathered::Gathered;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, Members, Rows, Sets, TRUE, Vector, is_known};
use crate::model::{DerivedFrom, Property, PropertyId};
use crate::query::{FunctionId, Lambda, Term, TermId};
use crate::snapshot::columns::{CODES_MAX, CodeClass, Codes, NONE};

impl<'a> Machine<'a> {
    /// Filters unions part by part, and derived lists by filtering what they gather from: for tests of the member alone.
    pub(super) fn filtered_steps(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Sets<'a>>> {
        if !test.captures.is_empty() || self.shapes.is_closed(set) {
            return Ok(None);
        }
        match self.query.get(set) {
            Term::Union(a, b) => {
                let (a, b) = (self.filter(*a, test, rows)?, self.filter(*b, test, rows)?);
                Ok(Some(self.union(&a, &b)?))
            }
            Term::Navigate { base, property, at: None } if !self.query.type_of(*base).set => {
                let Some(declared) = self.schema.property(*property) else { return Ok(None) };
                let from = declared.derived.map_or(*property, |rule| rule.from);
                if self.reference().past(declared, None).is_some() || self.is_for_few(from, test.function, rows.n) {
                    return Ok(None);
                }
                let Some(rule) = declared.derived else { return self.pick_filtered(*base, declared, test.function, rows) };
                let base = self.evaluate(*base, rows)?;
                let codes = self.codes(&base, CodeClass::Entity, rows.n);
                self.gather_filtered(&codes, declared, rule, test.function).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Tells whether so few rows ask that it is less work to gather for each than to filter every list beforehand.
    fn is_for_few(&self, from: PropertyId, test: FunctionId, n: usize) -> bool {
        /// What is gathered for one row, about.
        const GATHERED: u64 = 256;
        let known = self.filtered.borrow().contains_key(&(from, test));
        let total = || self.columns.list(from).and_then(|list| list.offsets.last().copied()).unwrap_or(0);
        !known && (n as u64).saturating_mul(GATHERED) < u64::from(total())
    }

    fn gather_filtered(&self, codes: &[u32], declared: &Property, rule: DerivedFrom, test: FunctionId) -> Outcome<Sets<'a>> {
        let (stated, from) = (self.filtered_list(declared.id, test)?, self.filtered_list(rule.from, test)?);
        let mut gathered = Gathered::new(CodeClass::Entity, codes.len());
        let (mut walk, mut open) = (Vec::new(), Vec::new());
        for (row, code) in codes.iter().enumerate() {
            match *code {
                NONE => {}
                id if is_known(id) => {
                    let gap = self.walk_into(id, rule.along, &mut walk)?;
                    if let Some(stated) = &stated {
                        gathered.extend_list(stated, id, TRUE);
                    }
                    if let Some(from) = &from {
                        for step in walk.iter().filter(|step| **step != id) {
                            gathered.extend_list(from, *step, TRUE);
                        }
                    }
                    self.spend(walk.len() as u64)?;
                    if !self.is_derived_whole(id, declared, &walk, gap) {
                        open.push((row, self.unseen_member(declared, Some(id))));
                    }
                }
                _ => open.push((row, self.unseen_member(declared, None))),
            }
            gathered.end_row();
        }
        self.add_unseen(gathered.finish(false), &open, test)
    }

    /// Takes stated lists from those that were filtered beforehand, if that was done or is little work.
    fn pick_filtered(&self, base: TermId, declared: &Property, test: FunctionId, rows: &Rows<'a>) -> Outcome<Option<Sets<'a>>> {
        let Some(list) = self.list_as_read(declared.id) else { return Ok(None) };
        let known = self.filtered.borrow().get(&(declared.id, test)).map(Arc::clone);
        let kept = match known {
            Some(kept) => kept,
            None => match self.passing_by_holder(declared, list, test)? {
                Some(kept) => self.remember_filtered(declared.id, test, kept),
                None => return Ok(None),
            },
        };
        let base = self.evaluate(base, rows)?;
        let codes = self.codes(&base, CodeClass::Entity, rows.n);
        self.spend(codes.len() as u64)?;
        if codes.iter().all(|code| *code <= CODES_MAX && list.is_whole(*code)) {
            let spans = Arc::new(codes.iter().map(|code| kept.span(*code)).collect());
            let (members, levels) = (kept.members.clone(), kept.levels.clone());
            return Ok(Some(Sets { class: kept.class, spans, members, levels, distinct: true }));
        }
        let mut gathered = Gathered::new(kept.class, codes.len());
        let mut open = Vec::new();
        for (row, code) in codes.iter().copied().enumerate() {
            if is_known(code) {
                gathered.extend_list(&kept, code, TRUE);
            }
            if code != NONE && !(is_known(code) && list.is_whole(code)) {
                open.push((row, self.unseen_member(declared, is_known(code).then_some(code))));
            }
            gathered.end_row();
        }
        self.add_unseen(gathered.finish(true), &open, test).map(Some)
    }

    /// Filters the lists of a property by the references that are their other side: members are tested in the order of their
    /// ids, and only those that pass are looked at again. `None` where the lists are not just the other side of what is stored.
    fn passing_by_holder(&self, declared: &Property, list: &List<'a>, test: FunctionId) -> Outcome<Option<List<'a>>> {
        let inverse = declared.inverse.and_then(|inverse| self.schema.property(inverse));
        let Some(inverse) = inverse.filter(|inverse| !inverse.ty.set && !inverse.history && !declared.history) else { return Ok(None) };
        let plain = self.query.get_function(test).is_some_and(|function| !self.shapes.has_sets(function.body));
        let Some(column) = self.attribute(inverse.id) else { return Ok(None) };
        let Codes::Each(holders) = &*column.codes else { return Ok(None) };
        let n_listed = list.offsets.last().zip(list.offsets.first()).map(|(end, first)| (end - first) as usize);
        if !plain || list.class != CodeClass::Entity || list.levels.is_some() || n_listed != column.n_known() {
            return Ok(None);
        }
        let truths = self.apply_range(test, column.first..column.first + column.len)?;
        let known;
        let truths = if let Vector::Truth(truths) = &*truths {
            truths
        } else {
            known = self.truths(&truths, holders.len());
            &known
        };
        self.spend(holders.len() as u64)?;
        let n_lists = list.offsets.len().saturating_sub(1);
        let mut offsets = vec![0_u32; n_lists + 1];
        let mut passing: Vec<(u32, u32, u8)> = Vec::new();
        for (at, truth) in truths.iter().enumerate().filter(|(_, truth)| **truth != FALSE) {
            let place = holders.get(at).filter(|holder| **holder <= CODES_MAX).map(|holder| holder.wrapping_sub(list.first));
            if let Some(place) = place
                && let Some(count) = offsets.get_mut(place as usize + 1)
            {
                *count += 1;
                passing.push((place, column.first + u32::try_from(at).unwrap_or(u32::MAX), *truth));
            }
        }
        let mut sum = 0;
        for offset in &mut offsets {
            sum += *offset;
            *offset = sum;
        }
        let mut next = offsets.clone();
        let (mut members, mut levels) = (vec![0_u32; passing.len()], vec![TRUE; passing.len()]);
        for (place, id, truth) in passing {
            let Some(at) = next.get_mut(place as usize) else { continue };
            if let (Some(member), Some(level)) = (members.get_mut(*at as usize), levels.get_mut(*at as usize)) {
                (*member, *level) = (id, truth);
            }
            *at += 1;
        }
        let levels = levels.iter().any(|level| *level != TRUE).then(|| Arc::new(levels));
        Ok(Some(filtered_from(list, offsets, Members::Made(Arc::new(members)), levels)))
    }

    fn remember_filtered(&self, property: PropertyId, test: FunctionId, kept: List<'a>) -> Arc<List<'a>> {
        let kept = Arc::new(kept);
        self.filtered.borrow_mut().insert((property, test), Arc::clone(&kept));
        kept
    }

    fn unseen_member(&self, declared: &Property, holder: Option<u32>) -> u32 {
        let origin = holder.and_then(|id| self.origin(declared, id));
        self.unseen_code(Unseen { base: declared.ty.base, origin })
    }

    /// Adds unseen members that may pass the test, each to its row; they stand in the order of the rows.
    fn add_unseen(&self, sets: Sets<'a>, open: &[(usize, u32)], test: FunctionId) -> Outcome<Sets<'a>> {
        if open.is_empty() {
            return Ok(sets);
        }
        let codes: Vec<u32> = open.iter().map(|(_, code)| *code).collect();
        let tested = self.apply(test, &Vector::codes(CodeClass::Entity, codes), open.len())?;
        let truths = self.truths(&tested, open.len());
        let mut passing = open.iter().zip(truths).filter(|(_, truth)| *truth != FALSE).map(|(open, _)| *open).peekable();
        if passing.peek().is_none() {
            return Ok(sets);
        }
        let mut gathered = Gathered::new(sets.class, sets.spans.len());
        for (row, span) in sets.spans.iter().enumerate() {
            gathered.extend(&sets, *span, TRUE);
            while let Some((_, code)) = passing.next_if(|(open, _)| *open == row) {
                gathered.push(code, DOUBT);
            }
            gathered.end_row();
        }
        Ok(gathered.finish(sets.distinct))
    }

    /// Returns the members of a property's lists that may pass a test of the member alone.
    fn filtered_list(&self, property: PropertyId, test: FunctionId) -> Outcome<Option<Arc<List<'a>>>> {
        let key = (property, test);
        if let Some(known) = self.filtered.borrow().get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(list) = self.list_as_read(property) else { return Ok(None) };
        let by_holder = self.schema.property(property).map(|declared| self.passing_by_holder(declared, list, test));
        if let Some(kept) = by_holder.transpose()?.flatten() {
            return Ok(Some(self.remember_filtered(property, test, kept)));
        }
        let spans: Vec<(u32, u32)> = list.offsets.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
        let sets =
            Sets { class: list.class, spans: Arc::new(spans), members: list.members.clone(), levels: list.levels.clone(), distinct: true };
        let lambda = Lambda { function: test, captures: Vec::new() };
        let kept = self.filter_sets(&sets, &lambda, &Rows::new(sets.spans.len(), Vec::new()))?;
        let offsets: Vec<u32> = std::iter::once(0).chain(kept.spans.iter().map(|(_, to)| *to)).collect();
        let kept = filtered_from(list, offsets, kept.members, kept.levels);
        Ok(Some(self.remember_filtered(property, test, kept)))
    }
}

/// The lists of the same holders with other members; whether they are whole is asked of the lists they come from.
fn filtered_from<'a>(list: &List<'a>, offsets: Vec<u32>, members: Members<'a>, levels: Option<Arc<Vec<u8>>>) -> List<'a> {
    List { class: list.class, first: list.first, offsets: offsets.into(), members, levels, whole: Whole::All, others_whole: true }
}

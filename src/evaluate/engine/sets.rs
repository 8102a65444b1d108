//! Sets of a batch: steps, closures, extents, filters, unions.

use std::sync::Arc;

use super::super::value::{Member, SetValue, Unseen, Val};
use super::gathered::{Closures, Gathered, Visits};
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, Rows, Sets, TRUE, Vector, is_known, is_unseen};
use crate::model::{Base, EntityTypeId, Property, PropertyId, Type, Value};
use crate::query::{Lambda, TermId};
use crate::snapshot::columns::{CodeClass, NONE, UNKNOWN};

impl<'a> Machine<'a> {
    /// Returns a set as the reference evaluator has it.
    pub(super) fn set_value(&self, sets: &Sets<'a>, row: usize) -> SetValue {
        let mut value = SetValue::default();
        let (from, to) = sets.spans.get(row).copied().unwrap_or((0, 0));
        for at in from..to {
            match self.decode(sets.class, sets.member(at)) {
                Val::Known(member) => value.members.push(Member { value: member, sure: sets.level(at) == TRUE }),
                Val::Unseen(unseen) => value.unseen.push(unseen),
                _ => {}
            }
        }
        value.normalized()
    }

    pub(super) fn push_set(&self, gathered: &mut Gathered, class: CodeClass, value: &SetValue) {
        for member in &value.members {
            gathered.push(self.code(class, &Val::Known(member.value.clone())), if member.sure { TRUE } else { DOUBT });
        }
        for unseen in &value.unseen {
            gathered.push(self.unseen_code(unseen.clone()), DOUBT);
        }
    }

    /// Returns whatever stands for a set as sets: a parameter, or nothing known.
    pub(super) fn as_sets(&self, vector: &Vector<'a>, ty: Type, n: usize) -> Sets<'a> {
        let class = self.class_of(ty);
        let mut gathered = Gathered::new(class, n);
        for row in 0..n {
            match self.value_at(vector, row) {
                Val::Set(set) => self.push_set(&mut gathered, class, &set),
                _ => gathered.push(self.unseen_code(Unseen { base: ty.base, origin: None }), DOUBT),
            }
            gathered.end_row();
        }
        gathered.finish(true)
    }

    /// Folds members that stand in a set more than once.
    pub(super) fn distinct(&self, sets: Sets<'a>) -> Outcome<Sets<'a>> {
        if sets.distinct {
            return Ok(sets);
        }
        self.spend(sets.n_members())?;
        let mut gathered = Gathered::new(sets.class, sets.spans.len());
        for span in sets.spans.iter() {
            gathered.extend(&sets, *span, TRUE);
            gathered.fold_row();
            gathered.end_row();
        }
        Ok(gathered.finish(true))
    }

    pub(super) fn extent(&self, ty: EntityTypeId) -> Sets<'a> {
        let known = self.facts.extent(ty);
        if self.reference().is_whole(ty) {
            return known;
        }
        let mut gathered = Gathered::new(CodeClass::Entity, 1);
        for (from, to) in known.spans.iter() {
            for at in *from..*to {
                gathered.push(known.member(at), known.level(at));
            }
        }
        for unseen in self.reference().unseen_of(ty) {
            gathered.push(self.unseen_code(unseen), DOUBT);
        }
        gathered.fold_row();
        gathered.end_row();
        gathered.finish(true)
    }

    pub(super) fn listed(&self, items: &[TermId], ty: Type, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let class = self.class_of(ty);
        let mut columns = Vec::new();
        for item in items {
            let vector = self.evaluate(*item, rows)?;
            columns.push(self.codes(&vector, class, rows.n).into_owned());
        }
        let mut gathered = Gathered::new(class, rows.n);
        for row in 0..rows.n {
            for codes in &columns {
                match codes.get(row).copied().unwrap_or(UNKNOWN) {
                    NONE => {}
                    code if is_known(code) => gathered.push(code, TRUE),
                    _ => gathered.push(self.unseen_code(Unseen { base: ty.base, origin: None }), DOUBT),
                }
            }
            gathered.fold_row();
            gathered.end_row();
        }
        Ok(gathered.finish(true))
    }

    pub(super) fn union(&self, a: &Sets<'a>, b: &Sets<'a>) -> Outcome<Sets<'a>> {
        self.spend(a.n_members() + b.n_members())?;
        let mut gathered = Gathered::new(a.class, a.spans.len());
        for (left, right) in a.spans.iter().zip(b.spans.iter()) {
            gathered.extend(a, *left, TRUE);
            if a.class == b.class {
                gathered.extend(b, *right, TRUE);
            } else {
                // The same text has other codes among the values of another property.
                let members: Vec<u32> = (right.0..right.1).map(|at| b.member(at)).collect();
                let levels = (right.0..right.1).map(|at| b.level(at));
                self.translated(b.class, a.class, &members).into_iter().zip(levels).for_each(|(code, level)| gathered.push(code, level));
            }
            gathered.end_row();
        }
        Ok(gathered.finish(false))
    }

    pub(super) fn filter(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let sets = match self.candidates(set, test, rows)? {
            Some(sets) => sets,
            None => match self.filtered_steps(set, test, rows)? {
                Some(done) => {
                    self.took("over lists filtered beforehand", set, test, rows.n);
                    return Ok(done);
                }
                None => self.sets(set, rows)?,
            },
        };
        self.filter_sets(&sets, test, rows)
    }

    pub(super) fn filter_sets(&self, sets: &Sets<'a>, test: &Lambda, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let mut gathered = Gathered::new(sets.class, rows.n);
        self.by_blocks(sets, test, rows, |this, sets, rows| {
            let total = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
            let truths = this.test(sets, test, rows)?;
            let truths = this.truths(&truths, total);
            let mut rest = truths.as_slice();
            for (from, to) in sets.spans.iter() {
                let (own, others) = rest.split_at_checked((to - from) as usize).unwrap_or((rest, &[]));
                rest = others;
                if own.iter().all(|truth| *truth == TRUE) {
                    gathered.extend(sets, (*from, *to), TRUE);
                } else if own.iter().any(|truth| *truth != FALSE) {
                    for (at, truth) in (*from..*to).zip(own).filter(|(_, truth)| **truth != FALSE) {
                        gathered.push(sets.member(at), sets.level(at).min(*truth));
                    }
                }
                gathered.end_row();
            }
            Ok(())
        })?;
        Ok(gathered.finish(sets.distinct))
    }

    pub(super) fn navigate(&self, base: TermId, property: PropertyId, at: Option<TermId>, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let Some(declared) = self.schema.property(property) else { return Ok(Sets::empty(CodeClass::Entity, rows.n)) };
        let class = self.step_class(declared);
        if let Some(at) = at.filter(|_| declared.history) {
            return self.navigate_then(base, property, at, class, rows);
        }
        if self.query.type_of(base).set {
            let sets = self.sets(base, rows)?;
            return self.step_sets(&sets, declared);
        }
        let base = self.evaluate(base, rows)?;
        self.step_all(&base, declared, rows.n)
    }

    fn step_class(&self, declared: &Property) -> CodeClass {
        self.columns.class_of(Type { set: false, ..declared.ty }, Some(declared)).unwrap_or(CodeClass::Entity)
    }

    /// One step from one entity a row.
    pub(super) fn step_all(&self, base: &Vector<'a>, declared: &Property, n: usize) -> Outcome<Sets<'a>> {
        let class = self.step_class(declared);
        let codes = self.codes(base, CodeClass::Entity, n);
        if declared.ty.set && declared.derived.is_none() && class != CodeClass::Integer {
            let Some(list) = self.list(declared.id) else { return Ok(Sets::empty(class, n)) };
            if codes.iter().all(|code| *code <= crate::snapshot::columns::CODES_MAX && list.is_whole(*code)) {
                let spans = codes.iter().map(|code| list.span(*code)).collect();
                return Ok(Sets {
                    class,
                    spans: Arc::new(spans),
                    members: list.members.clone(),
                    levels: list.levels.clone(),
                    distinct: true,
                });
            }
        }
        let mut gathered = Gathered::new(class, n);
        for code in codes.iter() {
            match *code {
                NONE => {}
                code if is_known(code) => self.step(code, declared, TRUE, &mut gathered)?,
                _ => gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: None }), DOUBT),
            }
            gathered.end_row();
        }
        Ok(gathered.finish(declared.derived.is_none()))
    }

    /// One step from every member of every set, flattened.
    fn step_sets(&self, sets: &Sets<'a>, declared: &Property) -> Outcome<Sets<'a>> {
        let beyond = self.unseen_code(Unseen { base: declared.ty.base, origin: None });
        let mut gathered = Gathered::new(self.step_class(declared), sets.spans.len());
        let plain = !declared.is_key && declared.derived.is_none() && gathered.class != CodeClass::Integer;
        let column = if plain && !declared.ty.set { self.attribute(declared.id) } else { None };
        let list = if plain && declared.ty.set { self.list(declared.id).filter(|list| list.all_whole()) } else { None };
        self.spend(sets.n_members())?;
        for (from, to) in sets.spans.iter() {
            for at in *from..*to {
                let member = sets.member(at);
                // The common cases first: a known value, a whole list.
                if let Some(code) = column.filter(|_| is_known(member)).map(|column| column.get(member)).filter(|code| is_known(*code)) {
                    gathered.push(code, sets.level(at));
                } else if let Some(list) = list.filter(|_| is_known(member)) {
                    gathered.extend_list(list, member, sets.level(at));
                } else if is_known(member) {
                    self.step(member, declared, sets.level(at), &mut gathered)?;
                } else {
                    gathered.push(beyond, DOUBT);
                }
            }
            gathered.end_row();
        }
        self.spend(gathered.len())?;
        Ok(gathered.finish(false))
    }

    /// One step from one entity: members no surer than `level`, and one unseen if the list may lack some.
    pub(super) fn step(&self, id: u32, declared: &Property, level: u8, gathered: &mut Gathered) -> Outcome<()> {
        if !declared.ty.set {
            let code = if declared.is_key { id } else { self.attribute(declared.id).map_or(UNKNOWN, |column| column.get(id)) };
            match code {
                NONE => {}
                code if is_known(code) => gathered.push(self.own_code(declared, gathered.class, code), level),
                _ => gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: None }), DOUBT),
            }
            return Ok(());
        }
        let whole = if declared.derived.is_some() {
            self.step_derived(id, declared, level, gathered)?
        } else {
            let Some(list) = self.list(declared.id) else { return Ok(()) };
            let begin = gathered.members.len();
            gathered.extend_list(list, id, level);
            if gathered.class == CodeClass::Integer {
                gathered.members.iter_mut().skip(begin).for_each(|code| *code = self.own_code(declared, CodeClass::Integer, *code));
            }
            list.is_whole(id)
        };
        self.spend(1)?;
        if !whole {
            gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: self.origin(declared, id) }), DOUBT);
        }
        Ok(())
    }

    /// Where an unseen member of a list leads back to: the holder, if members refer to it by one lasting reference.
    pub(super) fn origin(&self, declared: &Property, id: u32) -> Option<(PropertyId, crate::model::EntityId)> {
        let inverse = declared.inverse.and_then(|inverse| self.schema.property(inverse));
        inverse.filter(|inverse| !inverse.ty.set && !inverse.history).map(|inverse| (inverse.id, crate::model::EntityId(id)))
    }

    /// Steps as of an instant, by the reference evaluator.
    fn navigate_then(&self, base: TermId, property: PropertyId, at: TermId, class: CodeClass, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let ty = self.schema.property(property).map_or(Base::Nothing, |property| property.ty.base);
        let (base, at) = (self.evaluate(base, rows)?, self.evaluate(at, rows)?);
        let mut gathered = Gathered::new(class, rows.n);
        for row in 0..rows.n {
            let set = match self.value_at(&at, row) {
                Val::Known(Value::Instant(at)) => self.reference().navigate(&self.value_at(&base, row), property, Some(at)),
                _ => SetValue::open(ty),
            };
            self.push_set(&mut gathered, class, &set);
            gathered.end_row();
        }
        self.spend(gathered.len())?;
        Ok(gathered.finish(true))
    }

    pub(super) fn closure(
        &self,
        base: TermId,
        property: PropertyId,
        reflexive: bool,
        at: Option<TermId>,
        ty: Type,
        rows: &Rows<'a>,
    ) -> Outcome<Sets<'a>> {
        let Some(declared) = self.schema.property(property) else { return Ok(Sets::empty(CodeClass::Entity, rows.n)) };
        let vector = self.evaluate(base, rows)?;
        if let Some(at) = at {
            return self.closure_then(&vector, property, reflexive, at, ty, rows);
        }
        let starts = match &*vector {
            Vector::Sets(sets) => sets.clone(),
            other => self.starts(other, rows.n),
        };
        let starts = self.distinct(starts)?;
        let mut gathered = Gathered::new(CodeClass::Entity, rows.n);
        let beyond = self.unseen_code(Unseen { base: ty.base, origin: None });
        let mut closures = self.closures.take();
        let known = closures.entry(property).or_default();
        for (from, to) in starts.spans.iter() {
            let together = (to - from) as usize >= self.shared.sizes.together_from;
            let mut queue = Vec::new();
            for at in *from..*to {
                let (start, level) = (starts.member(at), starts.level(at));
                if reflexive {
                    gathered.push(start, level);
                }
                if !is_known(start) {
                    gathered.push(beyond, DOUBT);
                } else if together {
                    queue.push((start, level));
                } else {
                    self.add_closure(start, declared, level, known, &mut gathered)?;
                }
            }
            if !queue.is_empty() {
                self.add_closures(queue, declared, &mut gathered)?;
            }
            gathered.fold_row();
            gathered.end_row();
        }
        self.closures.replace(closures);
        self.spend(gathered.len())?;
        Ok(gathered.finish(true))
    }

    /// A single value as a set of starts.
    fn starts(&self, vector: &Vector<'a>, n: usize) -> Sets<'a> {
        let mut gathered = Gathered::new(CodeClass::Entity, n);
        for code in self.codes(vector, CodeClass::Entity, n).iter() {
            match *code {
                NONE => {}
                UNKNOWN => gathered.push(self.unseen_code(Unseen { base: Base::Nothing, origin: None }), DOUBT),
                code => gathered.push(code, if is_unseen(code) { DOUBT } else { TRUE }),
            }
            gathered.end_row();
        }
        gathered.finish(true)
    }

    /// Closures as of an instant, by the reference evaluator.
    fn closure_then(
        &self,
        base: &Vector<'a>,
        property: PropertyId,
        reflexive: bool,
        at: TermId,
        ty: Type,
        rows: &Rows<'a>,
    ) -> Outcome<Sets<'a>> {
        let at = self.evaluate(at, rows)?;
        let mut gathered = Gathered::new(CodeClass::Entity, rows.n);
        for row in 0..rows.n {
            let start = self.value_at(base, row);
            let set = match self.value_at(&at, row) {
                Val::Known(Value::Instant(at)) => self.reference().closure(&start, property, reflexive, Some(at), ty.base),
                _ => {
                    let mut set = if reflexive { super::super::sets::starts(&start) } else { SetValue::default() };
                    set.unseen.push(Unseen { base: ty.base, origin: None });
                    Arc::new(set.normalized())
                }
            };
            self.push_set(&mut gathered, CodeClass::Entity, &set);
            gathered.end_row();
        }
        self.spend(gathered.len())?;
        Ok(gathered.finish(true))
    }

    /// Adds everything reached from one entity; one unseen member if any list on the way may lack some.
    fn add_closure(&self, start: u32, declared: &Property, level: u8, known: &mut Closures, gathered: &mut Gathered) -> Outcome<()> {
        let open = match known.add_known(start, level, gathered) {
            Some(open) => open,
            None => self.walk(start, declared, level, known, gathered)?,
        };
        if open {
            gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: None }), DOUBT);
        }
        Ok(())
    }

    /// Adds everything reached from many entities, walking from all of them at once: what several lead to is visited once.
    fn add_closures(&self, starts: Vec<(u32, u8)>, declared: &Property, gathered: &mut Gathered) -> Outcome<()> {
        let mut visit = self.visits.take();
        let open = self.walk_from(starts, declared, &mut visit)?;
        let reached = visit.reached().to_vec();
        for id in reached {
            gathered.push(id, visit.level(id));
        }
        self.visits.replace(visit);
        if open {
            gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: None }), DOUBT);
        }
        Ok(())
    }

    /// Walks from one entity, and remembers what was reached; tells whether any list on the way may lack members.
    fn walk(&self, start: u32, declared: &Property, level: u8, known: &mut Closures, gathered: &mut Gathered) -> Outcome<bool> {
        let mut visit = self.visits.take();
        let open = self.walk_from(vec![(start, TRUE)], declared, &mut visit)?;
        let reached = visit.reached().to_vec();
        for id in &reached {
            gathered.push(*id, visit.level(*id).min(level));
        }
        known.remember(start, reached.iter().map(|id| (*id, visit.level(*id))), open);
        self.visits.replace(visit);
        Ok(open)
    }

    /// Walks from entities, each with how surely it is one to start from; tells whether any list on the way may lack members.
    fn walk_from(&self, mut queue: Vec<(u32, u8)>, declared: &Property, visit: &mut Visits) -> Outcome<bool> {
        visit.begin(self.facts.root_domain(declared.owner));
        let mut step = Gathered::new(CodeClass::Entity, 1);
        let mut open = false;
        while let Some((id, sure)) = queue.pop() {
            match self.is_of_type(id, declared.owner) {
                FALSE => continue,
                DOUBT => {
                    open = true;
                    continue;
                }
                _ => {}
            }
            step.clear();
            self.step(id, declared, TRUE, &mut step)?;
            for (next, step_level) in step.each() {
                if !is_known(next) {
                    open = true;
                } else if visit.reach(next, sure.min(step_level)) {
                    queue.push((next, sure.min(step_level)));
                }
            }
        }
        Ok(open)
    }

    /// Tells whether an entity is of a type.
    pub(super) fn is_of_type(&self, id: u32, ty: EntityTypeId) -> u8 {
        if self.columns.domain(ty).contains(&id) {
            return TRUE;
        }
        match self.columns.type_of(id) {
            Some(actual) if self.schema.is_subtype(ty, actual) => DOUBT,
            _ => FALSE,
        }
    }
}

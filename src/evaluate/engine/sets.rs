//! Sets of a batch: steps, closures, extents, filters, unions.

use std::sync::Arc;

use super::super::value::{Member, SetValue, Unseen, Val};
use super::facts::List;
use super::machine::{Machine, Outcome};
use super::vector::{DOUBT, FALSE, Members, Rows, Sets, TRUE, Vector, is_known, is_unseen};
use crate::model::{Base, EntityTypeId, Property, PropertyId, Type, Value};
use crate::query::{Lambda, TermId};
use crate::snapshot::columns::{CodeClass, NONE, UNKNOWN};

/// Sets under construction, row after row.
pub(super) struct Gathered {
    class: CodeClass,
    spans: Vec<(u32, u32)>,
    members: Vec<u32>,
    levels: Vec<u8>,
    /// Whether any member is in doubt.
    doubtful: bool,
    begin: u32,
}

impl Gathered {
    pub(super) fn new(class: CodeClass, n: usize) -> Self {
        Self { class, spans: Vec::with_capacity(n), members: Vec::new(), levels: Vec::new(), doubtful: false, begin: 0 }
    }

    pub(super) fn push(&mut self, member: u32, level: u8) {
        self.members.push(member);
        self.levels.push(level);
        self.doubtful |= level != TRUE;
    }

    pub(super) fn end_row(&mut self) {
        let end = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.spans.push((self.begin, end));
        self.begin = end;
    }

    /// Sorts the members of the row under construction and folds repeated ones: one sure sighting is enough.
    pub(super) fn fold_row(&mut self) {
        let begin = self.begin as usize;
        let mut row: Vec<(u32, u8)> = self.members.drain(begin..).zip(self.levels.drain(begin..)).collect();
        row.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        row.dedup_by_key(|(member, _)| *member);
        for (member, level) in row {
            self.members.push(member);
            self.levels.push(level);
        }
    }

    fn clear(&mut self) {
        self.members.clear();
        self.levels.clear();
        self.begin = 0;
    }

    pub(super) fn finish<'a>(self, distinct: bool) -> Sets<'a> {
        Sets {
            class: self.class,
            spans: Arc::new(self.spans),
            members: Members::Made(Arc::new(self.members)),
            levels: self.doubtful.then(|| Arc::new(self.levels)),
            distinct,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.members.len() as u64
    }
}

/// What one walk came to: for each entity of a range how surely it is reached. Used again for the next walk.
#[derive(Default)]
pub(super) struct Visits {
    first: u32,
    levels: Vec<u8>,
    touched: Vec<u32>,
}

impl Visits {
    fn begin(&mut self, domain: std::ops::Range<u32>) {
        for id in self.touched.drain(..) {
            if let Some(level) = self.levels.get_mut(id.wrapping_sub(self.first) as usize) {
                *level = FALSE;
            }
        }
        if self.first != domain.start || self.levels.len() < domain.len() {
            self.first = domain.start;
            self.levels = vec![FALSE; domain.len()];
        }
    }

    /// Notes that an entity is reached; tells whether that is new.
    fn reach(&mut self, id: u32, level: u8) -> bool {
        let Some(known) = self.levels.get_mut(id.wrapping_sub(self.first) as usize) else { return false };
        if *known >= level {
            return false;
        }
        if *known == FALSE {
            self.touched.push(id);
        }
        *known = level;
        true
    }

    fn reached(&mut self) -> Vec<u32> {
        let mut reached = self.touched.clone();
        reached.sort_unstable();
        reached
    }

    fn level(&self, id: u32) -> u8 {
        self.levels.get(id.wrapping_sub(self.first) as usize).copied().unwrap_or(DOUBT)
    }
}

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
        for (from, to) in sets.spans.iter() {
            for at in *from..*to {
                gathered.push(sets.member(at), sets.level(at));
            }
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
            let base = self.query.type_of(*item).base;
            let vector = self.evaluate(*item, rows)?;
            columns.push((base, self.codes(&vector, class, rows.n).into_owned()));
        }
        let mut gathered = Gathered::new(class, rows.n);
        for row in 0..rows.n {
            for (base, codes) in &columns {
                match codes.get(row).copied().unwrap_or(UNKNOWN) {
                    NONE => {}
                    code if is_known(code) => gathered.push(code, TRUE),
                    _ => gathered.push(self.unseen_code(Unseen { base: *base, origin: None }), DOUBT),
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
            for at in left.0..left.1 {
                gathered.push(a.member(at), a.level(at));
            }
            for at in right.0..right.1 {
                gathered.push(b.member(at), b.level(at));
            }
            gathered.end_row();
        }
        Ok(gathered.finish(false))
    }

    pub(super) fn filter(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let sets = match self.candidates(set, test, rows)? {
            Some(sets) => sets,
            None => match self.filtered_steps(set, test, rows)? {
                Some(done) => return Ok(done),
                None => self.sets(set, rows)?,
            },
        };
        self.filter_sets(&sets, test, rows)
    }

    pub(super) fn filter_sets(&self, sets: &Sets<'a>, test: &Lambda, rows: &Rows<'a>) -> Outcome<Sets<'a>> {
        let mut gathered = Gathered::new(sets.class, rows.n);
        self.by_blocks(sets, rows, |this, sets, rows| {
            let total = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
            let truths = this.test(sets, test, rows)?;
            let truths = this.truths(&truths, total);
            let mut truths = truths.iter();
            for (from, to) in sets.spans.iter() {
                for (at, truth) in (*from..*to).zip(truths.by_ref()) {
                    if *truth != FALSE {
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
        for (from, to) in sets.spans.iter() {
            for at in *from..*to {
                let member = sets.member(at);
                if is_known(member) {
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
            push_list(&list, id, level, gathered);
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
        for (from, to) in starts.spans.iter() {
            for at in *from..*to {
                let (start, level) = (starts.member(at), starts.level(at));
                if reflexive {
                    gathered.push(start, level);
                }
                if is_known(start) {
                    self.walk(start, declared, level, &mut gathered)?;
                } else {
                    gathered.push(beyond, DOUBT);
                }
            }
            gathered.fold_row();
            gathered.end_row();
        }
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

    /// Everything reached from one entity; one unseen member if any list on the way may lack some.
    fn walk(&self, start: u32, declared: &Property, level: u8, gathered: &mut Gathered) -> Outcome<()> {
        let mut visit = self.visits.take();
        visit.begin(self.facts.root_domain(declared.owner));
        let mut step = Gathered::new(CodeClass::Entity, 1);
        let mut open = false;
        let mut queue = vec![(start, TRUE)];
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
            for (next, step_level) in step.members.iter().zip(&step.levels) {
                if !is_known(*next) {
                    open = true;
                } else if visit.reach(*next, sure.min(*step_level)) {
                    queue.push((*next, sure.min(*step_level)));
                }
            }
        }
        for id in visit.reached() {
            gathered.push(id, visit.level(id).min(level));
        }
        self.visits.replace(visit);
        if open {
            gathered.push(self.unseen_code(Unseen { base: declared.ty.base, origin: None }), DOUBT);
        }
        Ok(())
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

pub(super) fn push_list(list: &List<'_>, id: u32, level: u8, gathered: &mut Gathered) {
    list.each(id, &mut |member, own| gathered.push(member, own.min(level)));
}

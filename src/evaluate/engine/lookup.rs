//! Members of a constant set found by the value of one attribute, instead of testing them all for every row.

use std::rc::Rc;

use super::machine::{Machine, Outcome};
use super::sets::Gathered;
use super::vector::{Rows, Sets, Vector, is_known};
use crate::check::Comparison;
use crate::query::{Lambda, Term, TermId, parts};
use crate::snapshot::columns::{CodeClass, NONE};

/// The members of a set by the value of a term.
pub(super) struct Lookup {
    class: CodeClass,
    /// Value and place, sorted.
    known: Vec<(u32, u32)>,
    /// Places of members whose value is not known.
    others: Vec<u32>,
}

/// Sets smaller than this are not worth a lookup.
const WORTH_FROM: u64 = 8;

impl<'a> Machine<'a> {
    /// Returns for each row the members of a constant set that an equality in the test does not rule out.
    pub(super) fn candidates(&self, set: TermId, test: &Lambda, rows: &Rows<'a>) -> Outcome<Option<Sets<'a>>> {
        if !self.shapes.is_closed(set) || test.captures.is_empty() || rows.n < 2 {
            return Ok(None);
        }
        let Some((of_member, wanted)) = self.equality(test) else { return Ok(None) };
        let sets = self.sets(set, &Rows::new(1, Vec::new()))?;
        if sets.n_members() < WORTH_FROM {
            return Ok(None);
        }
        let Some(lookup) = self.lookup(set, &sets, of_member)? else { return Ok(None) };
        let mut arguments = vec![Rc::new(Vector::Same(super::super::value::Val::Unknown))];
        for capture in &test.captures {
            arguments.push(self.evaluate(*capture, rows)?);
        }
        let wanted = self.evaluate(wanted, &Rows::new(rows.n, arguments))?;
        let wanted = self.codes(&wanted, lookup.class, rows.n);
        let mut gathered = Gathered::new(sets.class, rows.n);
        let (from, to) = sets.spans.first().copied().unwrap_or((0, 0));
        for code in wanted.iter() {
            let mut push = |at: u32| gathered.push(sets.member(at), sets.level(at));
            if *code == NONE || is_known(*code) {
                let begin = lookup.known.partition_point(|(known, _)| known < code);
                lookup.known.iter().skip(begin).take_while(|(known, _)| known == code).for_each(|(_, at)| push(*at));
                lookup.others.iter().for_each(|at| push(*at));
            } else {
                (from..to).for_each(push);
            }
            gathered.end_row();
            self.spend(1)?;
        }
        self.spend(gathered.len())?;
        Ok(Some(gathered.finish(sets.distinct)))
    }

    /// Finds `f(member) == g(captures)` among the conjuncts of a test.
    fn equality(&self, test: &Lambda) -> Option<(TermId, TermId)> {
        let body = self.query.get_function(test.function)?.body;
        let conjuncts = match self.query.get(body) {
            Term::And(parts) => parts.clone(),
            _ => vec![body],
        };
        conjuncts.into_iter().find_map(|part| {
            let Term::Compare(Comparison::Equal, a, b) = self.query.get(part) else { return None };
            match (self.arguments_of(*a), self.arguments_of(*b)) {
                ((true, false), (false, true)) => Some((*a, *b)),
                ((false, true), (true, false)) => Some((*b, *a)),
                _ => None,
            }
        })
    }

    /// Tells whether a term mentions the member, and whether it mentions captures.
    fn arguments_of(&self, term: TermId) -> (bool, bool) {
        let (mut member, mut captures) = (false, false);
        let mut queue = vec![term];
        while let Some(id) = queue.pop() {
            match self.query.get(id) {
                Term::Argument(0) => member = true,
                Term::Argument(_) => captures = true,
                other => queue.extend(parts(other)),
            }
        }
        (member, captures)
    }

    fn lookup(&self, set: TermId, sets: &Sets<'a>, of_member: TermId) -> Outcome<Option<Rc<Lookup>>> {
        if let Some(known) = self.indexes.borrow().get(&(set, of_member)) {
            return Ok(Some(Rc::clone(known)));
        }
        let n = usize::try_from(sets.n_members()).unwrap_or(usize::MAX);
        let rows = Rows::new(n, vec![Rc::new(sets.flat())]);
        let values = self.evaluate(of_member, &rows)?;
        let class = match &*values {
            Vector::Codes(class, _) => *class,
            Vector::Range(..) => CodeClass::Entity,
            _ => return Ok(None),
        };
        let first = sets.spans.first().map_or(0, |(from, _)| *from);
        let (mut known, mut others) = (Vec::new(), Vec::new());
        for (at, code) in (first..).zip(self.codes(&values, class, n).iter()) {
            if *code == NONE || is_known(*code) {
                known.push((*code, at));
            } else {
                others.push(at);
            }
        }
        known.sort_unstable();
        let lookup = Rc::new(Lookup { class, known, others });
        self.indexes.borrow_mut().insert((set, of_member), Rc::clone(&lookup));
        Ok(Some(lookup))
    }
}

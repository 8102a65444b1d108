//! Sets under construction, and what walks come to.

use std::sync::Arc;

use super::facts::List;
use super::vector::{DOUBT, FALSE, Members, Sets, TRUE};
use crate::snapshot::columns::CodeClass;

/// Sets under construction, row after row.
pub(super) struct Gathered {
    pub(super) class: CodeClass,
    spans: Vec<(u32, u32)>,
    pub(super) members: Vec<u32>,
    /// How sure each member is; empty as long as all are.
    levels: Vec<u8>,
    begin: u32,
    scratch: Vec<u64>,
}

impl Gathered {
    pub(super) fn new(class: CodeClass, n: usize) -> Self {
        Self { class, spans: Vec::with_capacity(n), members: Vec::new(), levels: Vec::new(), begin: 0, scratch: Vec::new() }
    }

    /// Goes on with sets that were finished; they are copied only if somebody else holds them.
    pub(super) fn resume(sets: Sets<'_>) -> Self {
        let fits = |members: &Arc<Vec<u32>>| Arc::strong_count(members) == 1 || members.len() as u64 <= sets.n_members() * 2;
        if let Members::Made(members) = &sets.members
            && fits(members)
        {
            let members = Arc::clone(members);
            let sets = Sets { members: Members::Consecutive(0), ..sets };
            let (members, levels) = (Arc::unwrap_or_clone(members), sets.levels.map(Arc::unwrap_or_clone).unwrap_or_default());
            let begin = u32::try_from(members.len()).unwrap_or(u32::MAX);
            return Self { class: sets.class, spans: Arc::unwrap_or_clone(sets.spans), members, levels, begin, scratch: Vec::new() };
        }
        let mut gathered = Self::new(sets.class, sets.spans.len());
        gathered.add_rows(&sets);
        gathered
    }

    /// Adds all rows of finished sets.
    pub(super) fn add_rows(&mut self, sets: &Sets<'_>) {
        for span in sets.spans.iter() {
            self.extend(sets, *span, TRUE);
            self.end_row();
        }
    }

    pub(super) fn push(&mut self, member: u32, level: u8) {
        if level != TRUE && self.levels.is_empty() {
            self.levels.resize(self.members.len(), TRUE);
            self.levels.push(level);
        } else if !self.levels.is_empty() {
            self.levels.push(level);
        }
        self.members.push(member);
    }

    /// Adds members that stand together in finished sets, no surer than `level`.
    pub(super) fn extend(&mut self, sets: &Sets<'_>, span: (u32, u32), level: u8) {
        self.extend_from(&sets.members, sets.levels.as_ref().map(|levels| levels.as_slice()), span, level);
    }

    /// Adds the members of a list.
    pub(super) fn extend_list(&mut self, list: &List<'_>, id: u32, level: u8) {
        self.extend_from(&list.members, list.levels.as_ref().map(|levels| levels.as_slice()), list.span(id), level);
    }

    fn extend_from(&mut self, members: &Members<'_>, levels: Option<&[u8]>, (from, to): (u32, u32), level: u8) {
        let range = from as usize..to as usize;
        let had = self.members.len();
        match members {
            Members::Consecutive(first) => self.members.extend(first + from..first + to),
            Members::Stored(codes) => self.members.extend_from_slice(codes.get(range.clone()).unwrap_or(&[])),
            Members::Made(codes) => self.members.extend_from_slice(codes.get(range.clone()).unwrap_or(&[])),
        }
        self.extend_levels(had, levels.map(|levels| levels.get(range).unwrap_or(&[])), level);
    }

    /// Notes how sure the members after the first `had` are.
    fn extend_levels(&mut self, had: usize, levels: Option<&[u8]>, level: u8) {
        if had == self.members.len() || (levels.is_none() && level == TRUE && self.levels.is_empty()) {
            return;
        }
        self.levels.resize(had, TRUE);
        self.levels.extend(levels.unwrap_or(&[]).iter().map(|own| level.min(*own)));
        self.levels.resize(self.members.len(), if levels.is_none() { level } else { DOUBT });
    }

    pub(super) fn end_row(&mut self) {
        let end = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.spans.push((self.begin, end));
        self.begin = end;
    }

    /// Sorts the members of the row under construction and folds repeated ones: one sure sighting is enough.
    pub(super) fn fold_row(&mut self) {
        let begin = self.begin as usize;
        if self.members.get(begin..).is_some_and(|row| row.is_sorted_by(|a, b| a < b)) {
            return;
        }
        self.scratch.clear();
        if self.levels.is_empty() {
            self.scratch.extend(self.members.drain(begin..).map(u64::from));
            self.scratch.sort_unstable();
            self.scratch.dedup();
            self.members.extend(self.scratch.iter().map(|member| low(*member)));
            return;
        }
        // The surest sighting of a member comes first.
        let both = self.members.drain(begin..).zip(self.levels.drain(begin..));
        self.scratch.extend(both.map(|(member, level)| u64::from(member) << 8 | u64::from(TRUE - level)));
        self.scratch.sort_unstable();
        self.scratch.dedup_by_key(|member| *member >> 8);
        self.members.extend(self.scratch.iter().map(|member| low(*member >> 8)));
        let level = |member: &u64| match member & 0xFF {
            0 => TRUE,
            1 => DOUBT,
            _ => FALSE,
        };
        self.levels.extend(self.scratch.iter().map(level));
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.levels.clear();
        self.begin = 0;
    }

    /// Returns all members with how sure they are.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, u8)> {
        let level = |at: usize| if self.levels.is_empty() { TRUE } else { self.levels.get(at).copied().unwrap_or(DOUBT) };
        self.members.iter().enumerate().map(move |(at, member)| (*member, level(at)))
    }

    pub(super) fn finish<'a>(self, distinct: bool) -> Sets<'a> {
        let levels = (!self.levels.is_empty()).then(|| Arc::new(self.levels));
        Sets { class: self.class, spans: Arc::new(self.spans), members: Members::Made(Arc::new(self.members)), levels, distinct }
    }

    pub(super) fn len(&self) -> u64 {
        self.members.len() as u64
    }
}

fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// What one walk came to: for each entity of a range how surely it is reached. Used again for the next walk.
#[derive(Default)]
pub(super) struct Visits {
    first: u32,
    levels: Vec<u8>,
    touched: Vec<u32>,
}

impl Visits {
    pub(super) fn begin(&mut self, domain: std::ops::Range<u32>) {
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
    pub(super) fn reach(&mut self, id: u32, level: u8) -> bool {
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

    /// Returns what was reached, sorted.
    pub(super) fn reached(&mut self) -> &[u32] {
        self.touched.sort_unstable();
        &self.touched
    }

    pub(super) fn level(&self, id: u32) -> u8 {
        self.levels.get(id.wrapping_sub(self.first) as usize).copied().unwrap_or(DOUBT)
    }
}

/// Everything reached over one navigation from entities that were asked about.
#[derive(Default)]
pub(super) struct Closures {
    places: super::HashMap<u32, Walked>,
    members: Vec<u32>,
    levels: Vec<u8>,
}

/// One walk: where its members stand, and whether all of them are sure and all that is on the way is known.
#[derive(Clone, Copy)]
struct Walked {
    from: usize,
    to: usize,
    sure: bool,
    open: bool,
}

/// Members of closures that are remembered; longer ones are walked again.
const REMEMBERED_MAX: usize = 16_000_000;

impl Closures {
    /// Adds what is reached from a start to a row; `None` if that was not walked yet, else whether anything on the way is open.
    pub(super) fn add_known(&self, start: u32, level: u8, gathered: &mut Gathered) -> Option<bool> {
        let Walked { from, to, sure, open } = *self.places.get(&start)?;
        let had = gathered.members.len();
        gathered.members.extend_from_slice(self.members.get(from..to)?);
        let levels = if sure { None } else { self.levels.get(from..to) };
        gathered.extend_levels(had, levels, level);
        Some(open)
    }

    /// Remembers what a walk came to.
    pub(super) fn remember(&mut self, start: u32, reached: impl Iterator<Item = (u32, u8)>, open: bool) {
        let from = self.members.len();
        let mut sure = true;
        for (member, level) in reached {
            self.members.push(member);
            self.levels.push(level);
            sure &= level == TRUE;
        }
        let to = self.members.len();
        if to <= REMEMBERED_MAX {
            self.places.insert(start, Walked { from, to, sure, open });
        } else {
            self.members.truncate(from);
            self.levels.truncate(from);
        }
    }
}

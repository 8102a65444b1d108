//! What is said of a world: everything, or everything with holes; and the snapshot made of it.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use tenet::check::Policies;
use tenet::model::{Attestation, Bound, Completeness, FactSource, Interval, SourceId, SourceKind, Value};
use tenet::snapshot::{Handle, Records, Snapshot, SnapshotBuilder};

use super::random::Random;
use super::schema::{ERAS, Ids, MANYS, Many, ONES, One, Ty, day, era_of, era_start, grid};
use super::world::{World, slot};

/// What is said of one attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// The eras for which it is known.
    pub(crate) known: [bool; ERAS],
    /// Somebody said it, and is past the review date.
    pub(crate) expired: bool,
    /// Only the value at the capture is said, and not since when it holds.
    pub(crate) bare: bool,
    /// In a closed world: the era from which on the present value holds, so that it needs no history.
    pub(crate) tail: usize,
}

/// How a membership is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// With its times.
    Times,
    /// As it was at the capture.
    Bare,
    /// By a source past its review date.
    Expired,
}

/// What is said of one membership of a set on both sides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) shown: [bool; ERAS],
    pub(crate) said: Said,
}

/// What is claimed of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    pub(crate) complete: bool,
    pub(crate) covered: [bool; ERAS],
    pub(crate) expired: bool,
}

/// Everything that is said.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) closed: bool,
    pub(crate) present: Vec<bool>,
    pub(crate) type_known: Vec<bool>,
    pub(crate) cells: Vec<Vec<Cell>>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) lists: Vec<Vec<List>>,
    pub(crate) extents: [bool; 5],
    /// Whether the lists of all entities hold those that ended before the capture, too.
    pub(crate) extents_always: bool,
    /// A seed for the order in which facts are given.
    pub(crate) order: u64,
}

/// How sure a list is of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    No,
    Unsure,
    Yes,
}

pub(crate) fn captured() -> Timestamp {
    day("2026-04-01")
}

const FULL: List = List { complete: true, covered: [true; ERAS], expired: false };

impl Facts {
    /// Says everything.
    pub(crate) fn full(world: &World, random: &mut Random) -> Self {
        let n = world.ents.len();
        // A closed world has no capture, so everything is read as of `now`.
        let closed = random.chance(40) && world.now >= captured();
        let mut facts = Self {
            closed,
            present: world.ents.iter().map(|ent| ent.exists).collect(),
            type_known: vec![true; n],
            cells: vec![vec![Cell { known: [true; ERAS], expired: false, bare: false, tail: ERAS - 1 }; ONES.len()]; n],
            edges: world.edges.iter().map(|shown| Edge { shown: *shown, said: Said::Times }).collect(),
            lists: vec![vec![FULL; MANYS.len()]; n],
            extents: [true; 5],
            extents_always: true,
            order: random.next(),
        };
        if closed {
            for slot in 0..n {
                for one in ONES {
                    let eras = &world.ents[slot].ones[one as usize];
                    let from = (0..ERAS).find(|era| eras[*era..].iter().all(|value| *value == eras[ERAS - 1])).unwrap();
                    if random.chance(60) {
                        facts.cells[slot][one as usize].tail = from;
                    }
                }
            }
        }
        facts
    }

    fn list(&mut self, slot: usize, many: Many) -> &mut List {
        &mut self.lists[slot][many as usize]
    }

    fn open(&mut self, world: &World, slot: usize, many: Many, eras: &[usize]) {
        let history = world.shape.set_history(many);
        let list = self.list(slot, many);
        for era in eras {
            list.covered[*era] = false;
            list.complete &= history && *era != ERAS - 1;
        }
        if !history {
            list.covered = [false; ERAS];
        }
    }

    /// Takes back that the lists of all entities hold what ended before the capture.
    pub(crate) fn forget_ended(&mut self) {
        self.extents_always = self.closed;
    }

    /// Makes a hole; returns whether there was something to take away.
    pub(crate) fn dig(&mut self, world: &World, random: &mut Random) -> bool {
        match random.below(15) {
            0..=5 => self.forget_cell(world, random),
            6..=8 => self.forget_edge(world, random),
            9 | 10 => self.forget_rest(world, random),
            11 => self.forget_extent(world, random),
            12 => self.forget_type(world, random),
            13 => self.forget_grant(world, random),
            _ => self.forget_claims(random),
        }
    }

    fn some_eras(history: bool, random: &mut Random) -> Vec<usize> {
        if !history {
            return (0..ERAS).collect();
        }
        match random.below(4) {
            0 => (0..ERAS).collect(),
            1 => vec![random.below(ERAS)],
            2 => vec![ERAS - 1],
            _ => (0..=random.below(ERAS - 1)).collect(),
        }
    }

    fn forget_cell(&mut self, world: &World, random: &mut Random) -> bool {
        let slot = random.below(world.ents.len());
        let ent = &world.ents[slot];
        let fitting: Vec<One> = ONES.iter().copied().filter(|one| ent.ty.is_below(one.owner())).collect();
        let one = *random.pick(&fitting);
        let lifetime = matches!(one, One::MadeAt | One::GoneAt) && world.shape.lifetime;
        if !self.present[slot] || (lifetime && !(world.alive(slot, captured()) && world.alive(slot, world.now) && later_gone(world, slot)))
        {
            return false;
        }
        let history = world.shape.history(one);
        let eras = Self::some_eras(history, random);
        let all = eras.len() == ERAS;
        let cell = &mut self.cells[slot][one as usize];
        if all && !lifetime && !history && random.chance(20) {
            cell.expired = true;
        }
        if history && !self.closed && random.chance(25) {
            cell.bare = true;
            cell.known = [false, false, false, true];
        }
        if !cell.bare {
            eras.iter().for_each(|era| cell.known[*era] = false);
            cell.tail = ERAS - 1;
        }
        let (expired, bare) = (cell.expired, cell.bare);
        let eras: Vec<usize> = if bare { (0..ERAS - 1).collect() } else { eras };
        let Some(many) = one.inverse() else { return true };
        for era in eras {
            if let Some(target) = &ent.ones[one as usize][era]
                && !(expired && random.chance(50))
            {
                self.open(world, super::world::slot(target), many, &[era]);
            }
        }
        // Others it could belong to.
        for other in 0..world.ents.len() {
            if world.ents[other].exists && random.chance(40) {
                self.open(world, other, many, &(0..ERAS).collect::<Vec<_>>());
            }
        }
        true
    }

    fn forget_edge(&mut self, world: &World, random: &mut Random) -> bool {
        let n = world.ents.len();
        let edges: Vec<usize> = (0..n * n).filter(|at| self.edges[*at].shown.contains(&true)).collect();
        if edges.is_empty() {
            return false;
        }
        let at = *random.pick(&edges);
        let (team, member) = (at / n, at % n);
        match random.below(4) {
            0 => self.edges[at].said = Said::Expired,
            1 if world.shape.members_history && !self.closed && self.edges[at].shown[ERAS - 1] => {
                self.edges[at].said = Said::Bare;
                let past: Vec<usize> = (0..ERAS - 1).collect();
                self.open(world, team, Many::Members, &past);
                self.open(world, member, Many::Groups, &past);
            }
            _ => {
                let eras = Self::some_eras(world.shape.members_history, random);
                eras.iter().for_each(|era| self.edges[at].shown[*era] = false);
                self.open(world, team, Many::Members, &eras);
                self.open(world, member, Many::Groups, &eras);
            }
        }
        true
    }

    /// Opens a list although nothing is missing from it.
    fn forget_rest(&mut self, world: &World, random: &mut Random) -> bool {
        let slot = random.below(world.ents.len());
        let ent = &world.ents[slot];
        if !self.present[slot] || ent.ty == Ty::Grant {
            return false;
        }
        let fitting: Vec<Many> = MANYS.iter().copied().filter(|many| *many != Many::Codes && ent.ty.is_below(many.owner())).collect();
        let many = *random.pick(&fitting);
        let eras = Self::some_eras(world.shape.set_history(many), random);
        self.open(world, slot, many, &eras);
        if random.chance(15) {
            *self.list(slot, many) = List { expired: true, ..FULL };
        }
        true
    }

    fn forget_extent(&mut self, world: &World, random: &mut Random) -> bool {
        let ty = *random.pick(&[Ty::Person, Ty::Team, Ty::Asset, Ty::Grant, Ty::Grant]);
        self.extents[ty as usize] = false;
        self.extents[Ty::Party as usize] &= !ty.is_below(Ty::Party);
        if self.closed && ty.is_below(Ty::Party) && random.chance(30) {
            self.extents[Ty::Person as usize] = false;
            self.extents[Ty::Team as usize] = false;
        }
        // Lists that the unseen could be in.
        for slot in 0..world.ents.len() {
            for many in MANYS {
                if many != Many::Codes && random.chance(30) {
                    self.open(world, slot, many, &(0..ERAS).collect::<Vec<_>>());
                }
            }
        }
        true
    }

    /// Forgets whether a party is a person or a team, if nothing else gives it away.
    fn forget_type(&mut self, world: &World, random: &mut Random) -> bool {
        let n = world.ents.len();
        let refers = |slot: usize| {
            (0..n).any(|other| world.ents[other].ones[One::Boss as usize].contains(&Some(super::world::entity(slot))))
                || (0..n).any(|member| world.edges[slot * n + member].contains(&true))
                || world.ents[slot].ones[One::Boss as usize].iter().any(Option::is_some)
        };
        let fitting: Vec<usize> =
            (0..n).filter(|slot| world.ents[*slot].exists && world.ents[*slot].ty.is_below(Ty::Party) && !refers(*slot)).collect();
        if fitting.is_empty() {
            return false;
        }
        let slot = *random.pick(&fitting);
        self.type_known[slot] = false;
        for one in [One::Color, One::Kind] {
            if random.chance(30) {
                self.cells[slot][one as usize] = Cell { known: [false; ERAS], expired: false, bare: false, tail: ERAS - 1 };
            }
        }
        true
    }

    /// Takes a grant away.
    fn forget_grant(&mut self, world: &World, random: &mut Random) -> bool {
        let fitting: Vec<usize> = (0..world.ents.len()).filter(|slot| self.present[*slot] && world.ents[*slot].ty == Ty::Grant).collect();
        if fitting.is_empty() {
            return false;
        }
        let gone = *random.pick(&fitting);
        self.present[gone] = false;
        self.extents[Ty::Grant as usize] = false;
        if let Some(asset) = &world.ents[gone].ones[One::Asset as usize][0] {
            self.open(world, slot(asset), Many::Grants, &(0..ERAS).collect::<Vec<_>>());
        }
        true
    }

    /// Takes back claims that follow from other claims.
    fn forget_claims(&mut self, random: &mut Random) -> bool {
        if self.closed {
            return false;
        }
        let many = *random.pick(&[Many::Assets, Many::Reports, Many::Grants]);
        for lists in &mut self.lists {
            if random.chance(60) {
                let list = &mut lists[many as usize];
                *list = List { complete: false, covered: [false; ERAS], expired: false };
            }
        }
        if random.chance(30) {
            self.extents[Ty::Grant as usize] = false;
        }
        true
    }

    /// Writes the world and what is not said of it, for a failure.
    pub(crate) fn describe(&self, world: &World) -> String {
        let mut text = format!("now {} closed {} extents {:?} {:?}\n", world.now, self.closed, self.extents, world.shape);
        let n = world.ents.len();
        for (slot, ent) in world.ents.iter().enumerate().filter(|(slot, ent)| ent.exists || self.present[*slot]) {
            let _ = write!(text, "#{slot} {} present {} typed {}", ent.key, self.present[slot], self.type_known[slot]);
            for one in ONES.iter().filter(|one| ent.ty.is_below(one.owner())) {
                let cell = &self.cells[slot][*one as usize];
                let history = world.shape.history(*one);
                let shown = |era: usize| {
                    let value = match &ent.ones[*one as usize][era] {
                        None => "none".to_owned(),
                        Some(Value::Entity(id)) => format!("#{}", id.0),
                        Some(Value::Enum(_, at)) => format!("color {at}"),
                        Some(Value::Instant(at)) => at.to_string().chars().take(10).collect(),
                        Some(value) => format!("{value:?}"),
                    };
                    format!("{value}{}", if cell.known[era] { "" } else { "?" })
                };
                let eras = if history { (0..ERAS).map(shown).collect::<Vec<_>>().join("/") } else { shown(ERAS - 1) };
                let mark = format!("{}{}", if cell.expired { " expired" } else { "" }, if cell.bare { " bare" } else { "" });
                let _ = write!(text, "\n    {} = {eras}{mark}", one.name());
            }
            for many in MANYS.iter().filter(|many| ent.ty.is_below(many.owner())) {
                let list = &self.lists[slot][*many as usize];
                if !list.complete || list.expired || list.covered.contains(&false) {
                    let _ = write!(text, "\n    {} {list:?}", many.name());
                }
            }
            text.push('\n');
        }
        for at in (0..n * n).filter(|at| world.edges[*at].contains(&true)) {
            let _ = writeln!(text, "  #{} has #{} {:?} shown {:?}", at / n, at % n, world.edges[at], self.edges[at]);
        }
        text
    }

    // ---- what follows

    /// Tells whether nothing is missing from a list as it was at an instant.
    pub(crate) fn covers(&self, slot: usize, many: Many, at: Timestamp) -> bool {
        let list = &self.lists[slot][many as usize];
        if list.expired {
            return false;
        }
        list.covered[era_of(at)] || (list.complete && !self.closed && captured() <= at)
    }

    /// Tells whether a list shows a member at an instant.
    pub(crate) fn shown(&self, world: &World, slot: usize, many: Many, other: usize, at: Timestamp) -> Shown {
        let n = world.ents.len();
        let era = if world.shape.set_history(many) { era_of(at) } else { ERAS - 1 };
        let one = match many {
            Many::Groups => return self.edge(other * n + slot, era, world),
            Many::Members => return self.edge(slot * n + other, era, world),
            Many::Assets => One::Owner,
            Many::Reports => One::Boss,
            Many::Grants => One::Asset,
            Many::Codes => return Shown::Yes,
        };
        if !self.present[other] || !world.ents[other].ty.is_below(one.owner()) && self.type_known[other] {
            return Shown::No;
        }
        let cell = &self.cells[other][one as usize];
        let value = &world.ents[other].ones[one as usize];
        let here = |era: usize| value[era] == Some(super::world::entity(slot));
        let fits = if cell.bare && era < ERAS - 1 { here(ERAS - 1) } else { here(era) && (cell.known[era] || cell.expired) };
        let sure = cell.known[era] && !cell.expired;
        match fits {
            false => Shown::No,
            true if !sure => Shown::Unsure,
            true if many == Many::Grants && world.shape.lifetime => self.lives(world, other, at),
            true => Shown::Yes,
        }
    }

    /// Tells whether a grant is known to exist at an instant.
    fn lives(&self, world: &World, slot: usize, at: Timestamp) -> Shown {
        let made_known = self.cells[slot][One::MadeAt as usize].known[0];
        match (world.alive(slot, at), made_known) {
            (true, true) => Shown::Yes,
            (false, true) => Shown::No,
            _ => Shown::Unsure,
        }
    }

    fn edge(&self, at: usize, era: usize, world: &World) -> Shown {
        let edge = &self.edges[at];
        match edge.said {
            Said::Bare if world.shape.members_history && era < ERAS - 1 => Shown::Unsure,
            _ if !edge.shown[era] => Shown::No,
            Said::Expired => Shown::Unsure,
            _ => Shown::Yes,
        }
    }

    /// Tells whether a world with the same slots agrees with everything that is said; `truth` is the world it was said of.
    pub(crate) fn admits(&self, world: &World, truth: &World) -> bool {
        let n = world.ents.len();
        for slot in 0..n {
            let ent = &world.ents[slot];
            if !ent.exists {
                continue;
            }
            let listed = self.extents[ent.ty as usize] || (ent.ty.is_below(Ty::Party) && self.extents[Ty::Party as usize]);
            let ever = world.alive(slot, captured()) || (self.extents_always && grid().into_iter().any(|at| world.alive(slot, at)));
            if !self.present[slot] && listed && ever {
                return false;
            }
            for one in ONES.iter().filter(|one| ent.ty.is_below(one.owner())) {
                let Some(target) = one.target() else { continue };
                let fits = |value: &Option<Value>| {
                    value.as_ref().is_none_or(|value| {
                        let other = &world.ents[super::world::slot(value)];
                        other.exists && other.ty.is_below(target)
                    })
                };
                if !ent.ones[*one as usize].iter().all(fits) {
                    return false;
                }
            }
            for many in MANYS.iter().filter(|many| **many != Many::Codes && ent.ty.is_below(many.owner())) {
                if self.present[slot] && !self.list_admits(world, truth, slot, *many) {
                    return false;
                }
            }
        }
        (0..n * n).all(|at| {
            let fits = world.ents[at / n].exists && world.ents[at % n].exists && world.ents[at / n].ty == Ty::Team;
            fits || !world.edges[at].contains(&true)
        })
    }

    fn list_admits(&self, world: &World, truth: &World, slot: usize, many: Many) -> bool {
        let history = world.shape.set_history(many) || (many == Many::Grants && world.shape.lifetime);
        let instants = if history { grid() } else { vec![captured()] };
        instants.into_iter().all(|at| {
            let complete = self.lists[slot][many as usize].complete && !self.lists[slot][many as usize].expired;
            let covered = if history { self.covers(slot, many, at) } else { complete };
            let missing = |other: usize| world.is_member_at(slot, many, other, at) && self.shown(truth, slot, many, other, at) == Shown::No;
            !covered || !(0..world.ents.len()).any(missing)
        })
    }

    // ---- the snapshot

    /// Builds the snapshot of what is said.
    pub(crate) fn snapshot(&self, world: &World, policies: &Policies, ids: &Ids) -> Snapshot {
        Snapshot::freeze(Arc::clone(&policies.schema), self.records(world, policies, ids, self.order))
    }

    /// Builds the records; facts are given in an order that `order` decides.
    pub(crate) fn records(&self, world: &World, policies: &Policies, ids: &Ids, order: u64) -> Records {
        let mut random = Random::new(order);
        let mut builder = SnapshotBuilder::new(Arc::clone(&policies.schema));
        builder.meta_mut().closed_world = self.closed;
        if !self.closed {
            builder.captured_at(captured());
        }
        let mut slots: Vec<usize> = (0..world.ents.len()).filter(|slot| self.present[*slot]).collect();
        random.shuffle(&mut slots);
        let mut handles: Vec<Option<Handle>> = vec![None; world.ents.len()];
        let fresh = FactSource::new(SourceKind::Api, "oracle");
        let stale = FactSource {
            attestation: Some(Attestation {
                id: "old".to_owned(),
                attested_by: "nobody".to_owned(),
                attested_at: None,
                evidence_file: None,
                evidence_hash: None,
                review_due_at: Some(day("2026-01-01")),
            }),
            ..FactSource::new(SourceKind::Register, "oracle")
        };
        let mut sources = [fresh, stale];
        if random.chance(50) {
            sources.swap(0, 1);
        }
        let numbers: Vec<(SourceKind, SourceId)> = sources.iter().map(|source| (source.kind, builder.source(source.clone()))).collect();
        let source = |kind: SourceKind| numbers.iter().find(|(known, _)| *known == kind).unwrap().1;
        let (fresh, stale) = (source(SourceKind::Api), source(SourceKind::Register));
        for slot in &slots {
            let ent = &world.ents[*slot];
            let ty = if self.type_known[*slot] { ent.ty } else { Ty::Party };
            handles[*slot] = Some(builder.entity(ids.entity(ty), &ent.key).unwrap());
        }
        let mut emit = Emit { facts: self, world, builder, handles, fresh, stale };
        let mut tasks: Vec<(usize, usize)> = slots.iter().flat_map(|slot| (0..4).map(|task| (*slot, task))).collect();
        random.shuffle(&mut tasks);
        for (slot, task) in tasks {
            match task {
                0 => emit.cells(slot, ids),
                1 => emit.edges(slot),
                2 => emit.lists(slot),
                _ => emit.life(slot),
            }
        }
        emit.extents(ids);
        emit.builder.records()
    }
}

/// Whether an entity ends, if ever, after everything that is asked about.
fn later_gone(world: &World, slot: usize) -> bool {
    world.alive(slot, day("2026-04-05"))
}

struct Emit<'a> {
    facts: &'a Facts,
    world: &'a World,
    builder: SnapshotBuilder,
    handles: Vec<Option<Handle>>,
    fresh: SourceId,
    stale: SourceId,
}

fn interval(from: usize, to: usize) -> Interval {
    Interval {
        from: if from == 0 { Bound::Unbounded } else { Bound::At(era_start(from)) },
        to: if to == ERAS - 1 { Bound::Unbounded } else { Bound::At(era_start(to + 1)) },
    }
}

/// Splits eras into runs of those that are `kept` and alike.
fn runs(kept: impl Fn(usize) -> bool, alike: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for era in (0..ERAS).filter(|era| kept(*era)) {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == era && alike(*to, era) => *to = era,
            _ => runs.push((era, era)),
        }
    }
    runs
}

impl Emit<'_> {
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Entity(_) => self.handles[slot(value)].expect("a fact refers to an entity that is said").value(),
            other => other.clone(),
        }
    }

    fn cells(&mut self, slot: usize, _ids: &Ids) {
        let ent = &self.world.ents[slot];
        let handle = self.handles[slot].unwrap();
        for one in ONES {
            let fits =
                ent.ty.is_below(one.owner()) || (!self.facts.type_known[slot] && one.owner().is_below(Ty::Party) && one != One::Boss);
            let cell = &self.facts.cells[slot][one as usize];
            if !fits {
                continue;
            }
            let history = self.world.shape.history(one);
            let eras = &ent.ones[one as usize];
            let said = |this: &Self, era: usize| eras[era].as_ref().map(|value| this.value(value));
            if history && !cell.bare {
                let tail = if self.facts.closed && cell.known.iter().all(|known| *known) { cell.tail } else { ERAS };
                let tail = if tail == ERAS - 1 { ERAS } else { tail };
                for (from, to) in runs(|era| cell.known[era] && era < tail, |a, b| eras[a] == eras[b]) {
                    let value = said(self, from);
                    self.builder.had(handle, one.name(), value, interval(from, to), self.fresh).unwrap();
                }
            }
            let source = if cell.expired { self.stale } else { self.fresh };
            if !cell.known[ERAS - 1] && !cell.expired {
                if self.facts.order.is_multiple_of(3) {
                    self.builder.set_unknown(handle, one.name(), "not readable", self.fresh).unwrap();
                }
                continue;
            }
            match said(self, ERAS - 1) {
                Some(value) => self.builder.set(handle, one.name(), value, source).unwrap(),
                None => self.builder.set_none(handle, one.name(), source).unwrap(),
            }
        }
        if ent.ty == Ty::Asset {
            for code in &ent.codes {
                self.builder.add_value(handle, "codes", Value::Int(*code), self.fresh).unwrap();
            }
        }
    }

    fn edges(&mut self, team: usize) {
        let n = self.world.ents.len();
        for member in 0..n {
            let edge = self.facts.edges[team * n + member];
            let source = if edge.said == Said::Expired { self.stale } else { self.fresh };
            let (Some(handle), Some(other)) = (self.handles[team], self.handles[member]) else { continue };
            if !edge.shown.contains(&true) {
                continue;
            }
            let intervals: Vec<Interval> = match edge.said {
                Said::Bare => vec![Interval::CURRENT],
                _ if !self.world.shape.members_history => vec![Interval::ALWAYS],
                _ => runs(|era| edge.shown[era], |_, _| true).into_iter().map(|(from, to)| interval(from, to)).collect(),
            };
            for interval in intervals {
                // Either side may state it.
                let result = if (team + member).is_multiple_of(2) || self.world.ents[team].ty != Ty::Team {
                    self.builder.link(handle, "members", other, interval, source)
                } else {
                    self.builder.link(other, "groups", handle, interval, source)
                };
                result.unwrap();
            }
        }
    }

    fn lists(&mut self, slot: usize) {
        let ent = &self.world.ents[slot];
        let handle = self.handles[slot].unwrap();
        for many in MANYS {
            let fits = ent.ty.is_below(many.owner()) || (!self.facts.type_known[slot] && many.owner().is_below(Ty::Party));
            if !fits {
                continue;
            }
            let list = &self.facts.lists[slot][many as usize];
            let full = list.complete && list.covered.iter().all(|covered| *covered) && !list.expired;
            if (full && self.facts.closed)
                || (!list.complete && !list.covered.contains(&true) && !self.facts.closed && slot.is_multiple_of(2))
            {
                continue;
            }
            let covered = runs(|era| list.covered[era], |_, _| true).into_iter().map(|(from, to)| interval(from, to)).collect();
            let source = if list.expired { self.stale } else { self.fresh };
            let reason = (!full).then(|| "page 2 was throttled".to_owned());
            let claim = Completeness { complete: list.complete, reason, covered, source: Some(source) };
            self.builder.claim(handle, many.name(), claim).unwrap();
        }
    }

    /// What is not said to begin at some instant was always there.
    fn life(&mut self, slot: usize) {
        let made = &self.facts.cells[slot][One::MadeAt as usize];
        let stated = self.world.ents[slot].ty == Ty::Grant
            && self.world.shape.lifetime
            && (!made.known[0] || self.world.ents[slot].ones[One::MadeAt as usize][0].is_some());
        if !stated && !self.facts.closed {
            self.builder.existed(self.handles[slot].unwrap(), Interval::ALWAYS);
        }
    }

    fn extents(&mut self, ids: &Ids) {
        for ty in [Ty::Person, Ty::Team, Ty::Asset, Ty::Grant] {
            let complete = self.facts.extents[ty as usize];
            if complete != self.facts.closed {
                let covered = if self.facts.extents_always { vec![Interval::ALWAYS] } else { Vec::new() };
                let claim = if complete {
                    Completeness { covered, ..Completeness::now(Some(self.fresh)) }
                } else {
                    Completeness::open(Some("not readable".to_owned()), Some(self.fresh))
                };
                self.builder.claim_extent(ids.entity(ty), claim);
            }
        }
    }
}

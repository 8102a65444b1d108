//! All worlds that agree with what is said, or a sample of them where they are too many.

use super::facts::{Facts, Said};
use super::random::Random;
use super::schema::{ERAS, Ids, Many, ONES, One, Ty};
use super::world::World;
use tenet::model::Value;

/// Something that is not said.
#[derive(Debug, Clone)]
enum Hole {
    /// The value of an attribute in some eras.
    Cell { slot: usize, one: One, eras: Vec<usize>, domain: Vec<Option<Value>> },
    /// A membership in some eras.
    Edge { at: usize, eras: Vec<usize> },
    /// Person or team.
    Type { slot: usize },
    /// Whether an entity that nobody has seen exists.
    Exists { slot: usize },
}

/// The holes of what is said of a world.
pub(crate) struct Completions {
    holes: Vec<Hole>,
    /// How many combinations there are.
    pub(crate) total: u64,
}

impl Completions {
    pub(crate) fn of(facts: &Facts, world: &World, ids: &Ids) -> Self {
        let mut holes = Vec::new();
        let n = world.ents.len();
        for slot in 0..n {
            let ty = world.ents[slot].ty;
            let opened = !facts.extents[ty as usize] || (ty == Ty::Grant && world.shape.lifetime && !facts.extents_always);
            if !facts.present[slot] && !opened {
                continue;
            }
            if !facts.present[slot] {
                holes.push(Hole::Exists { slot });
            }
            if !facts.type_known[slot] {
                holes.push(Hole::Type { slot });
            }
            for one in ONES {
                let fits = ty.is_below(one.owner())
                    || (!facts.type_known[slot] && one.owner() == if ty == Ty::Team { Ty::Person } else { Ty::Team });
                if fits {
                    holes.extend(cell_holes(facts, world, ids, slot, one));
                }
            }
        }
        for at in 0..n * n {
            holes.extend(edge_holes(facts, world, at));
        }
        let total = holes.iter().fold(1_u64, |total, hole| total.saturating_mul(hole.size() as u64));
        Self { holes, total }
    }

    /// Calls `visit` with each world that agrees, up to `limit` of them tried, until it says stop.
    pub(crate) fn each(&self, facts: &Facts, truth: &World, limit: u64, random: &mut Random, visit: &mut dyn FnMut(&World) -> bool) {
        let mut world = truth.clone();
        let all = self.total <= limit;
        // A step that has no divisor in common with the number of combinations visits each of them once, in a mixed order.
        let step = (0..).map(|_| 1 + random.next() % self.total).find(|step| gcd(*step, self.total) == 1).unwrap();
        let mut at = random.next() % self.total;
        for tried in 0..self.total.min(limit) {
            if all {
                at = (at + step) % self.total;
            } else if tried > 0 {
                at = random.next();
            }
            let mut rest = at;
            let mut draw = Random::new(at);
            let mut pointless = false;
            for hole in &self.holes {
                let size = hole.size() as u64;
                let digit = if all { rest % size } else { draw.next() % size };
                rest /= size;
                pointless |= hole.fill(&mut world, facts, usize::try_from(digit).unwrap(), all);
            }
            if !pointless && facts.admits(&world, truth) && !visit(&world) {
                return;
            }
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn cell_holes(facts: &Facts, world: &World, ids: &Ids, slot: usize, one: One) -> Vec<Hole> {
    let cell = &facts.cells[slot][one as usize];
    let present = facts.present[slot];
    let mut domain = world.domain(one, ids, true);
    if present && world.shape.lifetime && one == One::GoneAt {
        // What was read as current has not ended.
        domain.retain(|value| value.as_ref().is_none_or(|value| *value == Value::Instant(super::schema::day("2026-05-01"))));
    }
    if present && one == One::Boss && !facts.type_known[slot] {
        domain = vec![None];
    }
    let unknown: Vec<usize> = (0..ERAS).filter(|era| !present || !cell.known[*era] || cell.expired).collect();
    let eras: Vec<Vec<usize>> = match unknown.len() {
        0 => Vec::new(),
        _ if !world.shape.history(one) => vec![unknown],
        // One that nobody has seen does not change: there are enough of them as it is.
        _ if !present => vec![unknown],
        _ => unknown.into_iter().map(|era| vec![era]).collect(),
    };
    let hole = |eras: Vec<usize>| {
        let mut domain = domain.clone();
        if one.inverse().is_some() && cell.expired {
            // Where a record belongs identifies it: lapsed, it may be void, and is not about somebody else.
            domain.retain(|value| value.is_none() || world.ents[slot].ones[one as usize][eras[0]] == *value);
        }
        if let (Some(many), true, false) = (one.inverse(), present, world.shape.lifetime) {
            domain.retain(|value| {
                value.as_ref().is_none_or(|value| {
                    let target = super::world::slot(value);
                    let here = world.ents[slot].ones[one as usize][eras[0]].as_ref() == Some(value);
                    let list = &facts.lists[target][many as usize];
                    let covered = if world.shape.set_history(many) { list.covered[eras[0]] } else { list.complete };
                    here || cell.bare || !facts.present[target] || !covered || list.expired
                })
            });
        }
        Hole::Cell { slot, one, eras, domain }
    };
    eras.into_iter().map(hole).filter(|hole| hole.size() > 0).collect()
}

fn edge_holes(facts: &Facts, world: &World, at: usize) -> Vec<Hole> {
    let n = world.ents.len();
    let (team, member) = (at / n, at % n);
    let is_team = world.ents[team].ty == Ty::Team || !facts.type_known[team];
    let gone = |slot: usize| !facts.present[slot] && facts.extents[world.ents[slot].ty as usize];
    if !is_team || !world.ents[member].ty.is_below(Ty::Party) || gone(team) || gone(member) {
        return Vec::new();
    }
    let edge = &facts.edges[at];
    let open = |slot: usize, many: Many, era: usize| {
        let list = &facts.lists[slot][many as usize];
        let covered = if world.shape.members_history { list.covered[era] } else { list.complete };
        !facts.present[slot] || !covered || list.expired
    };
    let free = |era: usize| match edge.said {
        Said::Bare => era < ERAS - 1,
        Said::Expired if edge.shown[era] => true,
        _ => !edge.shown[era] && open(team, Many::Members, era) && open(member, Many::Groups, era),
    };
    let eras: Vec<usize> = (0..ERAS).filter(|era| free(*era)).collect();
    let unseen = !facts.present[team] || !facts.present[member];
    match eras.len() {
        0 => Vec::new(),
        _ if !world.shape.members_history || unseen => vec![Hole::Edge { at, eras }],
        _ => eras.into_iter().map(|era| Hole::Edge { at, eras: vec![era] }).collect(),
    }
}

impl Hole {
    fn size(&self) -> usize {
        match self {
            Self::Cell { domain, .. } => domain.len(),
            Self::Edge { .. } | Self::Type { .. } | Self::Exists { .. } => 2,
        }
    }

    /// Fills the hole; returns whether the filling only repeats another world.
    fn fill(&self, world: &mut World, facts: &Facts, digit: usize, all: bool) -> bool {
        match self {
            Self::Cell { slot, one, eras, domain } => {
                for era in eras {
                    world.ents[*slot].ones[*one as usize][*era].clone_from(&domain[digit]);
                }
                all && !world.ents[*slot].exists && !facts.present[*slot] && digit != 0
            }
            Self::Edge { at, eras } => {
                let n = world.ents.len();
                let exist = world.ents[at / n].exists && world.ents[at % n].exists;
                for era in eras {
                    world.edges[*at][*era] = digit == 1 && exist;
                }
                all && !exist && digit == 1
            }
            Self::Type { slot } => {
                world.ents[*slot].ty = if digit == 0 { Ty::Person } else { Ty::Team };
                false
            }
            Self::Exists { slot } => {
                world.ents[*slot].exists = digit == 1;
                false
            }
        }
    }
}

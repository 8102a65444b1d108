//! Complete worlds: every attribute has a value in every era.

use jiff::Timestamp;
use tenet::model::{EntityId, Value};

use super::random::Random;
use super::schema::{ERAS, Ids, Many, ONES, One, Shape, Ty, day, era_of};

/// One entity. It has values for the properties of all types below its root; only those of its type mean anything.
#[derive(Debug, Clone)]
pub(crate) struct Ent {
    pub(crate) key: String,
    pub(crate) ty: Ty,
    pub(crate) exists: bool,
    pub(crate) ones: Vec<[Option<Value>; ERAS]>,
    pub(crate) codes: Vec<i64>,
}

/// A world. Entities are slots; some of them do not exist, so that completions can bring them in.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) now: Timestamp,
    pub(crate) ents: Vec<Ent>,
    /// Team times number of entities plus member.
    pub(crate) edges: Vec<[bool; ERAS]>,
}

pub(crate) fn entity(slot: usize) -> Value {
    Value::Entity(EntityId(u32::try_from(slot).unwrap()))
}

pub(crate) fn slot(value: &Value) -> usize {
    match value {
        Value::Entity(id) => id.0 as usize,
        other => panic!("{other:?} is no entity"),
    }
}

impl World {
    pub(crate) fn random(random: &mut Random, shape: Shape, ids: &Ids) -> Self {
        let now = match random.below(10) {
            0..=4 => day("2026-04-01"),
            5..=7 => day("2026-04-05"),
            _ => day("2026-03-10"),
        };
        let mut ents = Vec::new();
        let counts = [
            (Ty::Person, 1 + random.below(3)),
            (Ty::Team, 1 + random.below(2)),
            (Ty::Asset, 1 + random.below(3)),
            (Ty::Grant, random.below(4)),
        ];
        for (ty, n) in counts {
            // The last one of each type has been seen by nobody and does not exist at first.
            for at in 0..=n {
                let key = format!("{}{at}", ty.name().to_lowercase());
                let ones = ONES.iter().map(|_| [const { None }; ERAS]).collect();
                ents.push(Ent { key, ty, exists: at < n, ones, codes: Vec::new() });
            }
        }
        let n = ents.len();
        let mut world = Self { shape, now, ents, edges: vec![[false; ERAS]; n * n] };
        for slot in 0..n {
            for one in ONES {
                world.draw(random, slot, one, ids);
            }
            world.ents[slot].codes = (0..3).filter(|_| random.chance(35)).collect();
        }
        for team in 0..n {
            for member in 0..n {
                let alive = world.ents[team].exists && world.ents[member].exists;
                if alive && world.ents[team].ty == Ty::Team && world.ents[member].ty.is_below(Ty::Party) && random.chance(45) {
                    let from = if shape.members_history && random.chance(40) { random.below(ERAS) } else { 0 };
                    let to = if shape.members_history && random.chance(30) { random.below(ERAS) } else { ERAS - 1 };
                    (from..=to).for_each(|era| world.edges[team * n + member][era] = true);
                }
            }
        }
        world
    }

    fn draw(&mut self, random: &mut Random, slot: usize, one: One, ids: &Ids) {
        let domain = self.domain(one, ids, false);
        if domain.is_empty() {
            // Only an asset that must have an owner finds nobody; persons come first, so there is one.
            return;
        }
        let mut value = random.pick(&domain).clone();
        for era in 0..ERAS {
            if self.shape.history(one) && random.chance(35) {
                value = random.pick(&domain).clone();
            }
            self.ents[slot].ones[one as usize][era] = value.clone();
        }
    }

    /// Returns every value that a property can have; `all` brings in entities that do not exist yet.
    pub(crate) fn domain(&self, one: One, ids: &Ids, all: bool) -> Vec<Option<Value>> {
        let mut values: Vec<Value> = match one {
            One::Active | One::Flag => vec![Value::Bool(true), Value::Bool(false)],
            One::Level => vec![Value::Int(0), Value::Int(2)],
            One::Cost => vec![Value::Int(0), Value::Int(1), Value::Int(3)],
            One::Color | One::Shade => (0..3).map(|at| ids.color(at)).collect(),
            One::Kind => (0..2).map(|at| ids.color(at)).collect(),
            // Never after `now`, so that `as of` it can always be answered.
            One::Since => ["2026-01-05", "2026-02-10", "2026-03-10"].iter().map(|text| Value::Instant(day(text))).collect(),
            One::Stamp => ["2026-02-10", "2026-03-20", "2026-05-01"].iter().map(|text| Value::Instant(day(text))).collect(),
            One::MadeAt => ["2026-01-05", "2026-02-10", "2026-03-20"].iter().map(|text| Value::Instant(day(text))).collect(),
            One::GoneAt => ["2026-02-01", "2026-03-20", "2026-05-01"].iter().map(|text| Value::Instant(day(text))).collect(),
            One::Boss | One::Owner | One::Parent | One::Asset | One::Holder => Vec::new(),
        };
        if let Some(target) = one.target() {
            let fits = |ent: &Ent| {
                if all {
                    ent.ty.is_below(target) || target == Ty::Person && ent.ty == Ty::Team
                } else {
                    ent.ty.is_below(target) && ent.exists
                }
            };
            values = self.ents.iter().enumerate().filter(|(_, ent)| fits(ent)).map(|(slot, _)| entity(slot)).collect();
        }
        let mut domain: Vec<Option<Value>> = values.into_iter().map(Some).collect();
        if self.shape.optional(one) {
            domain.push(None);
        }
        domain
    }

    pub(crate) fn era(&self, history: bool, at: Option<Timestamp>) -> usize {
        if history { era_of(at.unwrap_or(self.now)) } else { ERAS - 1 }
    }

    /// Reads a single-valued property.
    pub(crate) fn one(&self, slot: usize, one: One, at: Option<Timestamp>) -> Option<Value> {
        let ent = &self.ents[slot];
        assert!(ent.exists && ent.ty.is_below(one.owner()), "{} has no {}", ent.key, one.name());
        ent.ones[one as usize][self.era(self.shape.history(one), at)].clone()
    }

    /// Tells whether an entity exists at an instant.
    pub(crate) fn alive(&self, slot: usize, at: Timestamp) -> bool {
        let ent = &self.ents[slot];
        let instant = |one: One| match &ent.ones[one as usize][ERAS - 1] {
            Some(Value::Instant(at)) => Some(*at),
            _ => None,
        };
        if ent.ty != Ty::Grant || !self.shape.lifetime {
            return ent.exists;
        }
        ent.exists && instant(One::MadeAt).is_none_or(|made| made <= at) && instant(One::GoneAt).is_none_or(|gone| at < gone)
    }

    /// Reads a set.
    pub(crate) fn many(&self, slot: usize, many: Many, at: Option<Timestamp>) -> Vec<Value> {
        let ent = &self.ents[slot];
        assert!(ent.exists && ent.ty.is_below(many.owner()), "{} has no {}", ent.key, many.name());
        if many == Many::Codes {
            return ent.codes.iter().map(|code| Value::Int(*code)).collect();
        }
        let at = at.filter(|_| self.shape.set_history(many)).unwrap_or(self.now);
        (0..self.ents.len()).filter(|other| self.is_member_at(slot, many, *other, at)).map(entity).collect()
    }

    /// Tells whether a set had a member at an instant; a set without history is what it always was, as far as its members
    /// existed.
    pub(crate) fn is_member_at(&self, slot: usize, many: Many, other: usize, at: Timestamp) -> bool {
        let era = if self.shape.set_history(many) { era_of(at) } else { ERAS - 1 };
        self.is_member(slot, many, other, era, at)
    }

    fn is_member(&self, slot: usize, many: Many, other: usize, era: usize, at: Timestamp) -> bool {
        let n = self.ents.len();
        let member = &self.ents[other];
        let refers = |ty: Ty, one: One, era: usize| member.ty == ty && member.ones[one as usize][era] == Some(entity(slot));
        member.exists
            && match many {
                Many::Groups => member.ty == Ty::Team && self.edges[other * n + slot][era],
                Many::Members => self.edges[slot * n + other][era],
                Many::Assets => refers(Ty::Asset, One::Owner, era),
                Many::Reports => refers(Ty::Person, One::Boss, era),
                Many::Grants => refers(Ty::Grant, One::Asset, ERAS - 1) && self.alive(other, at),
                Many::Codes => false,
            }
    }
}

//! The schema of the worlds: an abstract type with two concrete ones, references with and without inverse, sets on both
//! sides, steps from a type to itself, histories and lifetimes. What keeps a history is drawn at random.

use jiff::Timestamp;
use tenet::check::Policies;
use tenet::model::{EntityTypeId, EnumId, PropertyId, Value};

use super::random::Random;

/// Entity types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ty {
    Party,
    Person,
    Team,
    Asset,
    Grant,
}

pub(crate) const TYPES: [Ty; 5] = [Ty::Party, Ty::Person, Ty::Team, Ty::Asset, Ty::Grant];

impl Ty {
    pub(crate) fn name(self) -> &'static str {
        ["Party", "Person", "Team", "Asset", "Grant"][self as usize]
    }

    pub(crate) fn is_below(self, above: Self) -> bool {
        self == above || (above == Self::Party && matches!(self, Self::Person | Self::Team))
    }
}

/// Single-valued properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum One {
    Active,
    Level,
    Color,
    Boss,
    Kind,
    Owner,
    Cost,
    Since,
    Flag,
    Parent,
    Asset,
    Holder,
    Shade,
    Stamp,
    MadeAt,
    GoneAt,
}

pub(crate) const ONES: [One; 16] = [
    One::Active,
    One::Level,
    One::Color,
    One::Boss,
    One::Kind,
    One::Owner,
    One::Cost,
    One::Since,
    One::Flag,
    One::Parent,
    One::Asset,
    One::Holder,
    One::Shade,
    One::Stamp,
    One::MadeAt,
    One::GoneAt,
];

impl One {
    pub(crate) fn name(self) -> &'static str {
        [
            "active", "level", "color", "boss", "kind", "owner", "cost", "since", "flag", "parent", "asset", "holder", "shade", "stamp",
            "made_at", "gone_at",
        ][self as usize]
    }

    pub(crate) fn owner(self) -> Ty {
        match self {
            Self::Active | Self::Level => Ty::Party,
            Self::Color | Self::Boss => Ty::Person,
            Self::Kind => Ty::Team,
            Self::Owner | Self::Cost | Self::Since | Self::Flag | Self::Parent => Ty::Asset,
            Self::Asset | Self::Holder | Self::Shade | Self::Stamp | Self::MadeAt | Self::GoneAt => Ty::Grant,
        }
    }

    /// What it refers to.
    pub(crate) fn target(self) -> Option<Ty> {
        match self {
            Self::Boss => Some(Ty::Person),
            Self::Owner | Self::Holder => Some(Ty::Party),
            Self::Parent | Self::Asset => Some(Ty::Asset),
            _ => None,
        }
    }

    /// The set on the other side.
    pub(crate) fn inverse(self) -> Option<Many> {
        match self {
            Self::Boss => Some(Many::Reports),
            Self::Owner => Some(Many::Assets),
            Self::Asset => Some(Many::Grants),
            _ => None,
        }
    }
}

/// Sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Many {
    Groups,
    Assets,
    Reports,
    Members,
    Codes,
    Grants,
}

pub(crate) const MANYS: [Many; 6] = [Many::Groups, Many::Assets, Many::Reports, Many::Members, Many::Codes, Many::Grants];

impl Many {
    pub(crate) fn name(self) -> &'static str {
        ["groups", "assets", "reports", "members", "codes", "grants"][self as usize]
    }

    pub(crate) fn owner(self) -> Ty {
        match self {
            Self::Groups | Self::Assets => Ty::Party,
            Self::Reports => Ty::Person,
            Self::Members => Ty::Team,
            Self::Codes | Self::Grants => Ty::Asset,
        }
    }
}

/// What varies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) members_history: bool,
    pub(crate) owner_history: bool,
    pub(crate) color_history: bool,
    pub(crate) boss_history: bool,
    pub(crate) parent_history: bool,
    pub(crate) grants_history: bool,
    pub(crate) lifetime: bool,
    pub(crate) owner_required: bool,
}

impl Shape {
    pub(crate) fn random(random: &mut Random) -> Self {
        Self {
            members_history: random.chance(40),
            owner_history: random.chance(35),
            color_history: random.chance(35),
            boss_history: random.chance(30),
            parent_history: random.chance(30),
            grants_history: random.chance(40),
            lifetime: random.chance(40),
            owner_required: random.chance(30),
        }
    }

    pub(crate) fn history(&self, one: One) -> bool {
        match one {
            One::Owner => self.owner_history,
            One::Color => self.color_history,
            One::Boss => self.boss_history,
            One::Parent => self.parent_history,
            _ => false,
        }
    }

    pub(crate) fn set_history(&self, many: Many) -> bool {
        match many {
            Many::Groups | Many::Members => self.members_history,
            Many::Assets => self.owner_history,
            Many::Reports => self.boss_history,
            Many::Grants => self.grants_history,
            Many::Codes => false,
        }
    }

    pub(crate) fn optional(&self, one: One) -> bool {
        match one {
            One::Owner => !self.owner_required,
            One::Level | One::Boss | One::Kind | One::Flag | One::Parent | One::Holder | One::Stamp | One::MadeAt | One::GoneAt => true,
            _ => false,
        }
    }

    pub(crate) fn text(&self) -> String {
        let h = |on: bool| if on { " history" } else { "" };
        format!(
            "enum Color {{ Red, Green, Blue }}
abstract entity Party key party_id: String {{
  active: Bool
  level: Int?
  groups: set Team inverse members{members}
  assets: set Asset inverse owner{owner}
}}
entity Person is Party {{
  color: Color{color}
  boss: Person? inverse reports{boss}
  reports: set Person inverse boss{boss}
}}
entity Team is Party {{
  kind: Color?
  members: set Party inverse groups{members}
}}
entity Asset key asset_id: String {{
  owner: Party{owner_mark} inverse assets{owner}
  cost: Int
  since: Instant
  flag: Bool?
  parent: Asset?{parent}
  codes: set Int
  grants: set Grant inverse asset{grants}
}}
{lifetime}entity Grant key grant_id: String {{
  asset: Asset inverse grants
  holder: Party?
  shade: Color
  stamp: Instant?
  made_at: Instant?
  gone_at: Instant?
}}
",
            members = h(self.members_history),
            owner = h(self.owner_history),
            color = h(self.color_history),
            boss = h(self.boss_history),
            parent = h(self.parent_history),
            grants = h(self.grants_history),
            owner_mark = if self.owner_required { "" } else { "?" },
            lifetime = if self.lifetime { "@lifetime(from: \"made_at\", to: \"gone_at\")\n" } else { "" },
        )
    }
}

/// What the checker calls the parts of the schema.
#[derive(Debug)]
pub(crate) struct Ids {
    types: Vec<EntityTypeId>,
    pub(crate) color: EnumId,
    ones: Vec<PropertyId>,
    manys: Vec<PropertyId>,
    keys: Vec<PropertyId>,
}

impl Ids {
    pub(crate) fn of(policies: &Policies) -> Self {
        let schema = &policies.schema;
        let entity = |ty: Ty| schema.entity_named(ty.name()).unwrap();
        let property = |ty: Ty, name: &str| schema.property_named(entity(ty).id, name).unwrap().id;
        Self {
            types: TYPES.iter().map(|ty| entity(*ty).id).collect(),
            color: schema.enums.iter().find(|e| e.name == "Color").unwrap().id,
            ones: ONES.iter().map(|one| property(one.owner(), one.name())).collect(),
            manys: MANYS.iter().map(|many| property(many.owner(), many.name())).collect(),
            keys: TYPES.iter().map(|ty| property(*ty, &entity(*ty).key_name.clone())).collect(),
        }
    }

    pub(crate) fn entity(&self, ty: Ty) -> EntityTypeId {
        self.types[ty as usize]
    }

    pub(crate) fn ty(&self, id: EntityTypeId) -> Ty {
        TYPES[self.types.iter().position(|known| *known == id).unwrap()]
    }

    pub(crate) fn one(&self, id: PropertyId) -> Option<One> {
        self.ones.iter().position(|known| *known == id).map(|at| ONES[at])
    }

    pub(crate) fn many(&self, id: PropertyId) -> Option<Many> {
        self.manys.iter().position(|known| *known == id).map(|at| MANYS[at])
    }

    pub(crate) fn is_key(&self, id: PropertyId) -> bool {
        self.keys.contains(&id)
    }

    pub(crate) fn color(&self, at: u32) -> Value {
        Value::Enum(self.color, at)
    }
}

/// The four spans of time in which nothing changes; the last begins with the capture.
pub(crate) const ERAS: usize = 4;

pub(crate) fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

/// The first instant of an era other than the first.
pub(crate) fn era_start(era: usize) -> Timestamp {
    day(["2025-01-01", "2026-02-01", "2026-03-01", "2026-04-01"][era])
}

pub(crate) fn era_of(at: Timestamp) -> usize {
    (1..ERAS).rev().find(|era| era_start(*era) <= at).unwrap_or(0)
}

/// Instants that tell all states of a world apart.
pub(crate) fn grid() -> Vec<Timestamp> {
    ["2026-01-05", "2026-02-01", "2026-02-10", "2026-03-01", "2026-03-10", "2026-03-20", "2026-04-01", "2026-04-05"]
        .iter()
        .map(|text| day(text))
        .collect()
}

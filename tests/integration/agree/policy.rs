//! Random policies as text, led by the types of any schema so that most of them pass the checker.
//!
//! - here: what names mean, parameters, definitions, rules, packs, waivers
//! - `condition`: truth values
//! - `value`: single values
//! - `set`: sets

use tenet::model::{Base, EntityTypeId, Property, Schema, Type};

use super::pools;
use crate::oracle::random::Random;

/// A policy in parts that can be left out one by one.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) head: String,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) head: String,
    pub(crate) clauses: Vec<String>,
    pub(crate) tail: String,
}

impl Policy {
    pub(crate) fn text(&self) -> String {
        let items = self.items.iter().map(|item| format!("{}{}{}", item.head, item.clauses.concat(), item.tail));
        format!("{}{}", self.head, items.collect::<String>())
    }
}

impl Item {
    fn whole(text: String) -> Self {
        Self { head: text, clauses: Vec::new(), tail: String::new() }
    }
}

/// A definition that can be called.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// What stands in front of the parenthesis.
    pub(crate) name: String,
    pub(crate) formals: Vec<Type>,
    pub(crate) result: Type,
}

/// Something that a path of names leads to; nothing but a variable and single steps from it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) text: String,
    pub(super) ty: Type,
}

/// What names mean where an expression is written; the closest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) places: Vec<Place>,
}

impl Scope {
    pub(super) fn with(&self, text: impl Into<String>, ty: Type) -> Self {
        let mut scope = self.clone();
        scope.push(Place { text: text.into(), ty });
        scope
    }

    /// Adds a place, or what is now known of its type.
    pub(super) fn push(&mut self, place: Place) {
        self.places.retain(|known| known.text != place.text);
        self.places.push(place);
    }

    /// Returns the type of a path after what is known of it here.
    pub(super) fn narrowed(&self, text: &str, ty: Type) -> Type {
        self.places.iter().find(|place| place.text == text).map_or(ty, |place| place.ty)
    }
}

/// An expression as text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) ty: Type,
    /// Whether `as of` may stand after it.
    pub(super) history: bool,
    /// Whether what is known of its type holds of the present only.
    pub(super) present: bool,
    /// Whether the checker takes it for the set of all entities of a type.
    pub(super) extent: bool,
}

impl Text {
    pub(super) fn new(text: impl Into<String>, ty: Type) -> Self {
        Self { text: text.into(), ty, history: false, present: false, extent: false }
    }
}

/// What a policy is written over.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) schema: &'a Schema,
    /// Lines below `edition 1`.
    pub(crate) imports: &'a str,
    pub(crate) library: &'a [Signature],
}

/// What a waiver has to know of a rule.
#[derive(Clone, Copy)]
struct About {
    ty: EntityTypeId,
    waivable_days: usize,
}

pub(super) struct Writer<'a> {
    pub(super) random: Random,
    pub(super) schema: &'a Schema,
    pub(super) defs: Vec<Signature>,
    pub(super) params: Vec<(String, Type)>,
    settable: Vec<(String, Type)>,
    names: usize,
    /// Parts that may still be written in this item.
    pub(super) budget: isize,
    /// Whether `known` may be asked.
    pub(super) knows: bool,
    /// Whether `as of` is written.
    pub(super) time: bool,
}

/// Writes a policy of up to `n_rules` rules.
pub(crate) fn policy(seed: u64, ground: Ground<'_>, n_rules: usize) -> Policy {
    let mut random = Random::new(seed);
    let time = random.chance(70);
    let defs = if random.chance(70) { ground.library.to_vec() } else { Vec::new() };
    let mut writer =
        Writer { random, schema: ground.schema, defs, params: Vec::new(), settable: Vec::new(), names: 0, budget: 0, knows: false, time };
    let mut items = Vec::new();
    for _ in 0..writer.random.below(5) {
        items.push(Item::whole(writer.param()));
    }
    for _ in 0..writer.random.below(6) {
        items.push(Item::whole(writer.def()));
    }
    let mut rules = Vec::new();
    for at in 0..n_rules {
        let (item, about) = writer.rule(at);
        items.push(item);
        rules.push(about);
    }
    for at in 0..writer.random.below(3) {
        items.push(writer.pack(at, n_rules));
    }
    for _ in 0..writer.random.below(4) {
        let at = writer.random.below(n_rules);
        if rules[at].waivable_days > 0 {
            items.push(Item::whole(writer.waiver(at, rules[at])));
        }
    }
    Policy { head: format!("edition 1\nmodule generated\n{}\n", ground.imports), items }
}

const SCALARS: [Base; 7] = [Base::Bool, Base::Int, Base::String, Base::Instant, Base::Duration, Base::Guid, Base::ArmId];

impl Writer<'_> {
    pub(super) fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    pub(super) fn literal(&mut self, ty: Type) -> String {
        pools::literal(&mut self.random, self.schema, ty)
    }

    pub(super) fn entity_type(&mut self) -> EntityTypeId {
        self.random.pick(&self.schema.entities).id
    }

    pub(super) fn type_name(&self, ty: Type) -> String {
        self.schema.type_name(ty)
    }

    /// A type of single scalars, at times a named one or an enumeration.
    pub(super) fn scalar_type(&mut self) -> Type {
        match self.random.below(10) {
            0..=2 if !self.schema.enums.is_empty() => Type::of(Base::Enum(self.random.pick(&self.schema.enums).id)),
            3 if !self.schema.aliases.is_empty() => {
                let alias = self.random.pick(&self.schema.aliases);
                Type { alias: Some(alias.id), ..Type::of(alias.base) }
            }
            _ => Type::of(*self.random.pick(&SCALARS)),
        }
    }

    pub(super) fn properties(&self, ty: EntityTypeId, fits: &dyn Fn(&Property) -> bool) -> Vec<Property> {
        let entity = self.schema.entity(ty).unwrap();
        entity.properties.values().filter_map(|id| self.schema.property(*id)).filter(|property| fits(property)).cloned().collect()
    }

    pub(super) fn is_below(&self, ty: EntityTypeId, above: EntityTypeId) -> bool {
        self.schema.is_subtype(ty, above)
    }

    pub(super) fn subtypes(&self, ty: EntityTypeId) -> Vec<EntityTypeId> {
        self.schema.subtypes(ty).map(|sub| sub.id).filter(|sub| *sub != ty).collect()
    }

    fn param(&mut self) -> String {
        let name = self.name("p");
        let mut ty = self.scalar_type();
        let value = match self.random.below(6) {
            0 | 1 => {
                ty.set = true;
                let items: Vec<String> = (0..self.random.below(4)).map(|_| self.literal(ty.member())).collect();
                format!("{{{}}}", items.join(", "))
            }
            2 if self.random.chance(50) => {
                ty.optional = true;
                if self.random.chance(40) { "none".to_owned() } else { self.literal(ty) }
            }
            3 if matches!(ty.base, Base::Int | Base::Duration) => format!("{} + {}", self.literal(ty), self.literal(ty)),
            _ => self.literal(ty),
        };
        let is_const = self.random.chance(30);
        // Some parameters have to be set by whoever runs the rules.
        let value = if !is_const && self.random.chance(4) { String::new() } else { format!(" = {value}") };
        self.params.push((name.clone(), ty));
        if !is_const {
            self.settable.push((name.clone(), ty));
        }
        format!("{} {name}: {}{value}\n", if is_const { "const" } else { "param" }, self.type_name(ty))
    }

    fn formal_type(&mut self) -> Type {
        match self.random.below(10) {
            0..=4 => Type::of(Base::Entity(self.entity_type())),
            5 => Type::of(Base::Entity(self.entity_type())).or_none(),
            6 => Type::set_of(Base::Entity(self.entity_type())),
            7 => Type { set: true, ..self.scalar_type() },
            8 => self.scalar_type().or_none(),
            _ => self.scalar_type(),
        }
    }

    fn def(&mut self) -> String {
        self.budget = 25;
        let name = self.name("d");
        let mut scope = Scope::default();
        let mut formals = Vec::new();
        for _ in 0..=self.random.below(3) {
            let ty = if formals.is_empty() { Type::of(Base::Entity(self.entity_type())) } else { self.formal_type() };
            let formal = self.name("x");
            scope = scope.with(formal.clone(), ty);
            formals.push((formal, ty));
        }
        let (result, body) = self.def_body(&scope);
        let written: Vec<String> = formals.iter().map(|(name, ty)| format!("{name}: {}", self.type_name(*ty))).collect();
        let text = format!("def {name}({}): {} ={body}\n", written.join(", "), self.type_name(result));
        self.defs.push(Signature { name, formals: formals.into_iter().map(|(_, ty)| ty).collect(), result });
        text
    }

    fn def_body(&mut self, scope: &Scope) -> (Type, String) {
        match self.random.below(10) {
            0..=2 => {
                let branches = (0..2 + self.random.below(2)).map(|at| format!("\n  | way{at}: {}", self.condition(scope, 2)));
                (Type::of(Base::Bool), branches.collect::<String>())
            }
            3 | 4 => {
                if let Some(set) = self.entity_set(scope, 2) {
                    return (Type { optional: false, ..set.ty }, format!(" {}", set.text));
                }
                (Type::of(Base::Bool), format!(" {}", self.condition(scope, 2)))
            }
            5 if self.random.chance(50) => {
                let schema = self.schema;
                if let Some(entity) = self.attribute(scope, &|ty| ty.entity().is_some(), 1) {
                    let ty = entity.ty.entity().unwrap();
                    let other = if entity.ty.optional { self.entity(scope, &|have| schema.is_subtype(have, ty), 0) } else { None };
                    match other {
                        _ if !entity.ty.optional => return (entity.ty, format!(" {}", entity.text)),
                        Some(other) => return (entity.ty.required(), format!(" ({} ?? {})", entity.text, other.text)),
                        None => {}
                    }
                }
                (Type::of(Base::Int), format!(" {}", self.required(scope, Type::of(Base::Int), 2)))
            }
            5 => {
                if let Some(reference) = self.optional(scope, &|ty| ty.entity().is_some(), 1) {
                    return (reference.ty.or_none(), format!(" {}", reference.text));
                }
                (Type::of(Base::Int), format!(" {}", self.required(scope, Type::of(Base::Int), 2)))
            }
            6 => {
                let ty = self.scalar_type();
                match self.typed(scope, ty.base, 2) {
                    Some(value) => (value.ty, format!(" {}", value.text)),
                    None => (Type::of(Base::Int), format!(" {}", self.required(scope, Type::of(Base::Int), 2))),
                }
            }
            7 => (Type::of(Base::Instant), format!(" {}", self.required(scope, Type::of(Base::Instant), 2))),
            8 => (Type::of(Base::Int), format!(" {}", self.required(scope, Type::of(Base::Int), 2))),
            _ => (Type::of(Base::Bool), format!(" {}", self.condition(scope, 3))),
        }
    }

    fn rule(&mut self, at: usize) -> (Item, About) {
        self.budget = 60;
        let ty = self.entity_type();
        let var = self.name("s");
        let mut scope = Scope::default().with(var.clone(), Type::of(Base::Entity(ty)));
        self.knows = self.random.chance(6);
        let mut clauses = Vec::new();
        if self.knows {
            clauses.push("  severity advice\n".to_owned());
        }
        let mut filter = String::new();
        if self.random.chance(45) {
            if self.random.chance(40)
                && let Some(fact) = self.fact(&scope)
            {
                filter = format!(" where {}", fact.holds);
                scope.push(fact.narrowed);
            } else {
                filter = format!(" where {}", self.condition(&scope, 1));
            }
        }
        for _ in 0..self.random.below(3) {
            let name = self.name("l");
            let value = match self.random.below(4) {
                0 => self.entity_set(&scope, 2),
                1 => self.optional(&scope, &|_| true, 1),
                2 => self.any_set(&scope, 2),
                _ => {
                    let ty = self.scalar_type();
                    self.typed(&scope, ty.base, 2)
                }
            };
            if let Some(value) = value {
                clauses.push(format!("  let {name} = {}\n", value.text));
                scope = scope.with(name, value.ty);
            }
        }
        if self.random.chance(25) {
            clauses.push(format!("  due {}\n", self.required(&scope, Type::of(Base::Instant), 2)));
        }
        for at in 0..=self.random.below(3) {
            let condition = self.condition(&scope, 3);
            let message = if self.random.chance(40) { format!(" else {}", self.message(&scope)) } else { String::new() };
            clauses.push(format!("  require q{at}: {condition}{message}\n"));
        }
        let (waivable_days, waivable) = match self.random.below(10) {
            0 => (0, "  not waivable\n"),
            1 | 2 => (30, "  waivable up to 30 days\n"),
            3 => (200, "  waivable up to 200 days by \"board\"\n"),
            _ => (90, ""),
        };
        clauses.push(waivable.to_owned());
        if self.random.chance(20) {
            clauses.push(format!("  remedy {}\n", self.message(&scope)));
        }
        self.knows = false;
        let head = format!("rule R-{at} for {var}: {}{filter} {{\n  title \"A rule\"\n", self.schema.entity_name(ty));
        (Item { head, clauses, tail: "}\n".to_owned() }, About { ty, waivable_days })
    }

    fn message(&mut self, scope: &Scope) -> String {
        let shown = match self.random.below(3) {
            0 => self.any_set(scope, 1),
            1 => self.optional(scope, &|_| true, 1),
            _ => None,
        };
        let shown = shown.map_or_else(|| self.required(scope, Type::of(Base::Int), 1), |shown| shown.text);
        let place = self.random.pick(&scope.places).text.clone();
        format!("\"{{{place}}} has {{{shown}}}.\"")
    }

    fn pack(&mut self, at: usize, n_rules: usize) -> Item {
        let mut clauses = Vec::new();
        for rule in 0..n_rules {
            if !self.random.chance(60) {
                continue;
            }
            let settable = self.settable.clone();
            let set = settable.into_iter().filter(|_| self.random.chance(25)).collect::<Vec<_>>();
            let set: Vec<String> = set
                .into_iter()
                .map(|(name, ty)| {
                    let value = self.literal(ty.member());
                    if ty.set { format!("{name}: {{{value}}}") } else { format!("{name}: {value}") }
                })
                .collect();
            let record = if set.is_empty() { String::new() } else { format!(" {{ {} }}", set.join(", ")) };
            let level = *self.random.pick(&["", "", " at advisory", " at blocking"]);
            clauses.push(format!("  use R-{rule}{record}{level}\n"));
        }
        Item { head: format!("pack pack{at} {{\n"), clauses, tail: "}\n".to_owned() }
    }

    fn waiver(&mut self, rule: usize, About { ty, waivable_days }: About) -> String {
        self.budget = 15;
        let var = self.name("w");
        let scope = Scope::default().with(var.clone(), Type::of(Base::Entity(ty)));
        let filter = if self.random.chance(60) { format!(" where {}", self.condition(&scope, 1)) } else { String::new() };
        let requirement = if self.random.chance(40) { ".q0" } else { "" };
        let first = 2 + self.random.below(7);
        // From the first to the last day; there are ten days between one and the next.
        let until = first + self.random.below(8).min((waivable_days - 1) / 10);
        let date = |at: usize| tenet::model::format_instant(pools::day(at));
        let from = if self.random.chance(60) { format!("  from {}\n", date(first)) } else { String::new() };
        let name = self.schema.entity_name(ty);
        format!(
            "waive R-{rule}{requirement} for {var}: {name}{filter} {{\n{from}  until {}\n  because \"x\"\n  approved by \"y\"\n}}\n",
            date(until)
        )
    }
}

//! The schema: which entities exist, and what is known of each.

use std::collections::BTreeMap;

use regex::Regex;

use super::types::{AliasId, Base, EntityTypeId, EnumId, PropertyId, Type};

/// Where a fact comes from when it is collected, and what reading it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provenance {
    /// The read, such as `arm:roleAssignments`.
    pub api: Option<String>,
    /// The permission the read needs.
    pub permission: Option<String>,
    /// The register that may bring it.
    pub register: Option<String>,
}

/// An enumeration. It is open in data: other spellings load as unknown.
#[derive(Debug, Clone)]
pub struct EnumType {
    /// Its place.
    pub id: EnumId,
    /// Its name.
    pub name: String,
    /// Its values, in declared order.
    pub values: Vec<String>,
    /// Its doc lines.
    pub docs: Vec<String>,
}

/// A named type over `String` or `Guid`.
#[derive(Debug, Clone)]
pub struct AliasType {
    /// Its place.
    pub id: AliasId,
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub base: Base,
    /// The pattern every value matches, anchored.
    pub pattern: Option<Regex>,
    /// The pattern as written.
    pub pattern_text: Option<String>,
    /// Its doc lines.
    pub docs: Vec<String>,
}

/// One kind of node.
#[derive(Debug, Clone)]
pub struct EntityType {
    /// Its place.
    pub id: EntityTypeId,
    /// Its name.
    pub name: String,
    /// Whether it has no entities of its own.
    pub is_abstract: bool,
    /// What it inherits from; always an abstract type.
    pub parent: Option<EntityTypeId>,
    /// The topmost type it inherits from, or itself. Keys are unique within a root.
    pub root: EntityTypeId,
    /// The name of its key attribute.
    pub key_name: String,
    /// The type of its key.
    pub key: Type,
    /// Its properties by name, inherited ones included.
    pub properties: BTreeMap<String, PropertyId>,
    /// Where the list of its entities comes from.
    pub source: Provenance,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// The module that declares it.
    pub module: String,
    /// The attribute that says since when an entity exists, where there is one.
    pub lifetime_from: Option<PropertyId>,
    /// The attribute that says until when an entity exists, where there is one.
    pub lifetime_to: Option<PropertyId>,
}

/// How a navigation follows from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedFrom {
    /// The navigation whose members are gathered.
    pub from: PropertyId,
    /// The navigation to walk, one or more steps.
    pub along: PropertyId,
}

/// An attribute or navigation of an entity.
#[derive(Debug, Clone)]
pub struct Property {
    /// Its place.
    pub id: PropertyId,
    /// The entity type that declares it.
    pub owner: EntityTypeId,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The property of the other side.
    pub inverse: Option<PropertyId>,
    /// Whether earlier values are kept.
    pub history: bool,
    /// How it follows from others, if it does.
    pub derived: Option<DerivedFrom>,
    /// Where it comes from.
    pub source: Provenance,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Whether it is the key.
    pub is_key: bool,
}

/// What a type name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedType {
    /// A built-in type.
    Builtin(Base),
    /// An enumeration.
    Enum(EnumId),
    /// A named text or GUID type.
    Alias(AliasId),
    /// An entity.
    Entity(EntityTypeId),
}

/// All types of a run. Ids are places in the vectors.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Entity types.
    pub entities: Vec<EntityType>,
    /// Enumerations.
    pub enums: Vec<EnumType>,
    /// Named types.
    pub aliases: Vec<AliasType>,
    /// Properties.
    pub properties: Vec<Property>,
    /// Types by name.
    pub names: BTreeMap<String, NamedType>,
}

impl Schema {
    /// Returns what a type name stands for.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<NamedType> {
        let base = match name {
            "Bool" => Base::Bool,
            "Int" => Base::Int,
            "String" => Base::String,
            "Instant" | "Date" => Base::Instant,
            "Duration" => Base::Duration,
            "Guid" => Base::Guid,
            "ArmId" => Base::ArmId,
            _ => return self.names.get(name).copied(),
        };
        Some(NamedType::Builtin(base))
    }

    /// Returns an entity type by id.
    #[must_use]
    pub fn entity(&self, id: EntityTypeId) -> Option<&EntityType> {
        self.entities.get(id.0 as usize)
    }

    /// Returns an entity type by name.
    #[must_use]
    pub fn entity_named(&self, name: &str) -> Option<&EntityType> {
        match self.names.get(name)? {
            NamedType::Entity(id) => self.entity(*id),
            _ => None,
        }
    }

    /// Returns a property by id.
    #[must_use]
    pub fn property(&self, id: PropertyId) -> Option<&Property> {
        self.properties.get(id.0 as usize)
    }

    /// Returns a property of an entity type, inherited ones included.
    #[must_use]
    pub fn property_named(&self, entity: EntityTypeId, name: &str) -> Option<&Property> {
        self.property(*self.entity(entity)?.properties.get(name)?)
    }

    /// Returns an enumeration by id.
    #[must_use]
    pub fn enumeration(&self, id: EnumId) -> Option<&EnumType> {
        self.enums.get(id.0 as usize)
    }

    /// Returns a named type by id.
    #[must_use]
    pub fn alias(&self, id: AliasId) -> Option<&AliasType> {
        self.aliases.get(id.0 as usize)
    }

    /// Tells whether `ty` is `ancestor` or inherits from it.
    #[must_use]
    pub fn is_subtype(&self, ty: EntityTypeId, ancestor: EntityTypeId) -> bool {
        let mut current = Some(ty);
        while let Some(id) = current {
            if id == ancestor {
                return true;
            }
            current = self.entity(id).and_then(|entity| entity.parent);
        }
        false
    }

    /// Returns the types that are `ty` or inherit from it, in declared order.
    pub fn subtypes(&self, ty: EntityTypeId) -> impl Iterator<Item = &EntityType> {
        self.entities.iter().filter(move |entity| self.is_subtype(entity.id, ty))
    }

    /// Returns for each entity type its place in the order by the names from the root type down: every type is followed by
    /// all its subtypes.
    #[must_use]
    pub fn depth_first(&self) -> Vec<u32> {
        let mut order: Vec<(Vec<&str>, EntityTypeId)> = self.entities.iter().map(|ty| (self.type_path(ty), ty.id)).collect();
        order.sort();
        let mut ranks = vec![0; self.entities.len()];
        for (rank, (_, id)) in (0_u32..).zip(order) {
            if let Some(slot) = ranks.get_mut(id.0 as usize) {
                *slot = rank;
            }
        }
        ranks
    }

    fn type_path<'s>(&'s self, ty: &'s EntityType) -> Vec<&'s str> {
        let mut names = Vec::new();
        let mut current = Some(ty);
        while let Some(entity) = current.filter(|_| names.len() <= self.entities.len()) {
            names.push(entity.name.as_str());
            current = entity.parent.and_then(|id| self.entity(id));
        }
        names.reverse();
        names
    }

    /// Returns the name of an entity type for messages.
    #[must_use]
    pub fn entity_name(&self, id: EntityTypeId) -> &str {
        self.entity(id).map_or("?", |entity| entity.name.as_str())
    }

    /// Writes a type as its author would.
    #[must_use]
    pub fn type_name(&self, ty: Type) -> String {
        let alias = ty.alias.and_then(|id| self.alias(id)).map(|alias| alias.name.clone());
        let base = alias.unwrap_or_else(|| self.base_name(ty.base));
        let set = if ty.set { "set " } else { "" };
        let mark = if ty.optional { "?" } else { "" };
        format!("{set}{base}{mark}")
    }

    fn base_name(&self, base: Base) -> String {
        match base {
            Base::Bool => "Bool".into(),
            Base::Int => "Int".into(),
            Base::String => "String".into(),
            Base::Instant => "Instant".into(),
            Base::Duration => "Duration".into(),
            Base::Guid => "Guid".into(),
            Base::ArmId => "ArmId".into(),
            Base::Interval => "Interval".into(),
            Base::Nothing => "none".into(),
            Base::Enum(id) => self.enumeration(id).map_or("?".into(), |e| e.name.clone()),
            Base::Entity(id) => self.entity_name(id).into(),
        }
    }
}

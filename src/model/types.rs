//! Types of the language.

/// An entity type, by its place in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityTypeId(pub u32);

/// An enumeration, by its place in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnumId(pub u32);

/// A named text or GUID type, by its place in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasId(pub u32);

/// An attribute or navigation, by its place in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyId(pub u32);

/// What one value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// `Bool`
    Bool,
    /// `Int`, 64 bits
    Int,
    /// `String`
    String,
    /// `Instant` and `Date`, in UTC; a date is its first instant
    Instant,
    /// `Duration`, in seconds
    Duration,
    /// `Guid`, canonical: lower case, hyphens, no braces
    Guid,
    /// `ArmId`, canonical: lower case, one leading slash, none trailing
    ArmId,
    /// Two instants, from `interval(a, b)`
    Interval,
    /// An enumeration
    Enum(EnumId),
    /// An entity
    Entity(EntityTypeId),
    /// The type of `none` on its own
    Nothing,
}

/// The type of an expression or a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type {
    /// What one value is.
    pub base: Base,
    /// The named type it was declared with, which adds a pattern.
    pub alias: Option<AliasId>,
    /// Whether `none` is allowed.
    pub optional: bool,
    /// Whether it is a set of such values.
    pub set: bool,
}

impl Type {
    /// Returns the plain type of `base`.
    #[must_use]
    pub fn of(base: Base) -> Self {
        Self { base, alias: None, optional: false, set: false }
    }

    /// Returns the set of `base`.
    #[must_use]
    pub fn set_of(base: Base) -> Self {
        Self { set: true, ..Self::of(base) }
    }

    /// Returns this type with `none` allowed.
    #[must_use]
    pub fn or_none(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Returns this type without `none`.
    #[must_use]
    pub fn required(self) -> Self {
        Self { optional: false, ..self }
    }

    /// Returns the type of one member of this set.
    #[must_use]
    pub fn member(self) -> Self {
        Self { set: false, optional: false, ..self }
    }

    /// Returns the entity type, if values of this type are entities.
    #[must_use]
    pub fn entity(self) -> Option<EntityTypeId> {
        match self.base {
            Base::Entity(id) => Some(id),
            _ => None,
        }
    }
}

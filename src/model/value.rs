//! Values, and how text from outside becomes one.

use std::sync::Arc;

use jiff::Timestamp;

use super::identity::{canonical_arm_id, canonical_guid};
use super::instant::{format_duration, format_instant, parse_duration, parse_instant};
use super::schema::Schema;
use super::types::{Base, EnumId, Type};

/// A node of one snapshot, by its dense id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u32);

/// One datum. GUIDs and ARM ids are canonical text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, a GUID or an ARM id.
    Text(Arc<str>),
    /// A point in time.
    Instant(Timestamp),
    /// A length of time in seconds.
    Duration(i64),
    /// A value of an enumeration, by its place.
    Enum(EnumId, u32),
    /// A node.
    Entity(EntityId),
    /// From the first instant up to, not including, the second. It is rare, and must not make every other value larger.
    Interval(Box<[Timestamp; 2]>),
}

impl Value {
    /// Makes a text value.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// Returns the node, if the value is one.
    #[must_use]
    pub fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Entity(id) => Some(*id),
            _ => None,
        }
    }

    /// Writes the value for people; an entity is left to the caller, who knows the snapshot.
    #[must_use]
    pub fn display(&self, schema: &Schema) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Instant(instant) => format_instant(*instant),
            Self::Duration(seconds) => format_duration(*seconds),
            Self::Enum(id, at) => {
                let name = schema.enumeration(*id).and_then(|e| e.values.get(*at as usize));
                name.cloned().unwrap_or_else(|| "?".to_owned())
            }
            Self::Entity(id) => format!("#{}", id.0),
            Self::Interval(bounds) => bounds.map(format_instant).join(" to "),
        }
    }
}

/// Why a text from outside is no value of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueError {
    /// The services say so in place of a value: a date of year 0001.
    Unset,
    /// The text does not fit; the sentence says why, and quotes it.
    Misfit(String),
}

/// Reads a scalar of type `ty` from text; enumerations are matched without regard to case, blanks and punctuation.
///
/// # Errors
/// [`ValueError::Misfit`] for a text that does not fit, entity and set types included.
pub fn parse_scalar(schema: &Schema, ty: Type, text: &str) -> Result<Value, ValueError> {
    let misfit = ValueError::Misfit;
    let value = match ty.base {
        Base::Bool => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" => Value::Bool(true),
            "false" | "no" => Value::Bool(false),
            _ => return Err(misfit(format!("`{text}` is neither true nor false"))),
        },
        Base::Int => Value::Int(text.trim().parse().map_err(|_| misfit(format!("`{text}` is not a whole number")))?),
        Base::String => Value::text(text),
        Base::Guid => Value::text(canonical_guid(text)),
        Base::ArmId => Value::text(canonical_arm_id(text)),
        Base::Instant => Value::Instant(parse_instant(text).map_err(misfit)?.ok_or(ValueError::Unset)?),
        Base::Duration => Value::Duration(parse_duration(text).map_err(misfit)?),
        Base::Enum(id) => parse_enum(schema, id, text)?,
        Base::Interval | Base::Entity(_) | Base::Nothing => {
            return Err(misfit(format!("`{text}` cannot be read as {}", schema.type_name(ty))));
        }
    };
    check_pattern(schema, ty, text)?;
    Ok(value)
}

fn check_pattern(schema: &Schema, ty: Type, text: &str) -> Result<(), ValueError> {
    let Some(alias) = ty.alias.and_then(|id| schema.alias(id)) else { return Ok(()) };
    match (&alias.pattern, &alias.pattern_text) {
        (Some(pattern), Some(shown)) if !pattern.is_match(text) => {
            Err(ValueError::Misfit(format!("`{text}` is no {}: it does not match /{shown}/", alias.name)))
        }
        _ => Ok(()),
    }
}

fn parse_enum(schema: &Schema, id: EnumId, text: &str) -> Result<Value, ValueError> {
    let fold = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect() };
    let wanted = fold(text);
    let found = schema.enumeration(id).and_then(|e| e.values.iter().position(|value| fold(value) == wanted));
    let at = found.and_then(|at| u32::try_from(at).ok());
    let name = schema.enumeration(id).map_or("?", |e| e.name.as_str());
    at.map(|at| Value::Enum(id, at)).ok_or_else(|| ValueError::Misfit(format!("`{text}` is a value of {name} that is not known here")))
}

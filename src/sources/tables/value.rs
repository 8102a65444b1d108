//! From the cells of a row to what they state.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::batch::{Cell, RowRef};
use super::mapping::{NullMeaning, Parts, Piece, ValueRule};
use crate::model::{Base, EntityTypeId, Schema, Type, Value, ValueError, format_instant, parse_scalar};
use crate::snapshot::CellState;

/// What the cells of one value say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Read<'b> {
    /// Nothing.
    Absent,
    /// That there is none.
    Null,
    Text(Cow<'b, str>),
    Bool(bool),
    Int(i64),
    Instant(Timestamp),
    /// Nothing that can be a value; says what they are.
    Other(&'static str),
}

/// What a value states of a property.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stated<'b> {
    Nothing,
    State(CellState),
    /// A reference to the entity of this type and key.
    Reference(EntityTypeId, Cow<'b, str>),
}

const NONE_WHERE_REQUIRED: &str = "the source says none where a value is required";
const EMPTY: &str = "the source leaves it empty";

impl ValueRule {
    /// Reads the cells of a row, with the meaning of spellings put in.
    pub(super) fn read<'b>(&'b self, row: RowRef<'b>) -> Read<'b> {
        let read = match &self.parts {
            Parts::Column(column) => Read::of(row.cell(*column)),
            Parts::Template(pieces) => template(pieces, row),
            Parts::Constant(constant) => constant.as_ref().map_or(Read::Null, |text| Read::Text(Cow::Borrowed(text))),
        };
        let read = if self.last_segment { read.last_segment() } else { read };
        if self.values.is_empty() {
            return read;
        }
        let Some(text) = read.text() else { return read };
        match self.values.get(&*text) {
            None => read,
            Some(None) => Read::Null,
            Some(Some(meant)) => Read::Text(Cow::Borrowed(meant)),
        }
    }

    /// Says what was read of a property of type `ty`.
    pub(super) fn stated<'b>(&self, schema: &Schema, ty: Type, read: Read<'b>) -> Stated<'b> {
        let unknown = |reason: &str| Stated::State(CellState::Unknown(Some(Arc::from(reason))));
        let read = match read {
            Read::Absent => return Stated::Nothing,
            Read::Null => {
                return match self.empty {
                    NullMeaning::Unread => Stated::Nothing,
                    NullMeaning::Unknown => unknown(EMPTY),
                    NullMeaning::None if ty.optional => Stated::State(CellState::None),
                    NullMeaning::None => unknown(NONE_WHERE_REQUIRED),
                };
            }
            Read::Other(what) => return unknown(&format!("the source gives {what}, which is no {}", schema.type_name(ty.required()))),
            read => read,
        };
        match (ty.base, &read) {
            (Base::Bool, Read::Bool(value)) => return Stated::State(CellState::Known(Value::Bool(*value))),
            (Base::Int, Read::Int(value)) => return Stated::State(CellState::Known(Value::Int(*value))),
            (Base::Duration, Read::Int(value)) => return Stated::State(CellState::Known(Value::Duration(*value))),
            (Base::Instant, Read::Instant(value)) => return Stated::State(CellState::Known(Value::Instant(*value))),
            _ => {}
        }
        let Some(text) = read.into_text() else { return Stated::Nothing };
        if let Base::Entity(target) = ty.base {
            return Stated::Reference(target, text);
        }
        Stated::State(match parse_scalar(schema, ty.member(), &text) {
            Ok(value) => CellState::Known(value),
            Err(ValueError::Unset) if ty.optional => CellState::None,
            Err(ValueError::Unset) => CellState::Unknown(Some(Arc::from(NONE_WHERE_REQUIRED))),
            Err(ValueError::Misfit(reason)) => CellState::Unknown(Some(Arc::from(reason))),
        })
    }
}

impl<'b> Read<'b> {
    pub(super) fn of(cell: Cell<'b>) -> Self {
        match cell {
            Cell::Absent => Self::Absent,
            Cell::Null => Self::Null,
            Cell::Text(text) => Self::Text(Cow::Borrowed(text)),
            Cell::Bool(value) => Self::Bool(value),
            Cell::Int(value) => Self::Int(value),
            Cell::Instant(value) => Self::Instant(value),
            Cell::Other(what) => Self::Other(what),
        }
    }

    /// Keeps what follows the last slash of a text.
    fn last_segment(self) -> Self {
        let after = |text: &str| text.trim_end_matches('/').rfind('/').map_or(0, |slash| slash + 1);
        match self {
            Self::Text(Cow::Borrowed(text)) => Self::Text(Cow::Borrowed(text.get(after(text)..).unwrap_or(text).trim_end_matches('/'))),
            Self::Text(Cow::Owned(text)) => {
                let at = after(&text);
                Self::Text(Cow::Owned(text.get(at..).unwrap_or(&text).trim_end_matches('/').to_owned()))
            }
            other => other,
        }
    }

    /// Returns it as text, as far as it is a value.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Int(value) => Some(Cow::Owned(value.to_string())),
            Self::Instant(value) => Some(Cow::Owned(format_instant(*value))),
            Self::Absent | Self::Null | Self::Other(_) => None,
        }
    }

    /// Returns it as text, as far as it is a value.
    pub(super) fn into_text(self) -> Option<Cow<'b, str>> {
        match self {
            Self::Text(text) => Some(text),
            other => other.text().map(|text| Cow::Owned(text.into_owned())),
        }
    }
}

fn template<'b>(pieces: &[Piece], row: RowRef<'b>) -> Read<'b> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Column(column) => match Read::of(row.cell(*column)) {
                read @ (Read::Absent | Read::Null | Read::Other(_)) => return read,
                read => text.push_str(&read.text().unwrap_or_default()),
            },
        }
    }
    Read::Text(Cow::Owned(text))
}

//! Texts and keys as sorted lists, and codes as values.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{CODES_MAX, CodeClass, Columns, Keys, Texts};
use crate::model::{Base, EntityId, EntityTypeId, Property, Type, Value};

/// How many bytes a canonical GUID takes.
const GUID_BYTES: usize = 36;

impl Texts {
    /// Makes a list of texts that are sorted bytewise, each once; `None` if they take more than 4 GiB.
    pub fn from_sorted<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let mut made = Self { offsets: vec![0], bytes: Vec::new() };
        for text in texts {
            made.bytes.extend_from_slice(text.as_bytes());
            made.offsets.push(u32::try_from(made.bytes.len()).ok()?);
        }
        Some(made)
    }

    /// Returns how many texts there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.offsets.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.len() < 2
    }

    /// Returns the bytes of a text.
    #[must_use]
    pub fn bytes(&self, at: u32) -> Option<&[u8]> {
        let from = *self.offsets.get(at as usize)? as usize;
        let to = *self.offsets.get(at as usize + 1)? as usize;
        self.bytes.get(from..to)
    }

    /// Returns a text.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<&str> {
        std::str::from_utf8(self.bytes(at)?).ok()
    }

    /// Returns the place of a text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        search(self.len(), |at| self.bytes(at).map(|known| known.cmp(text.as_bytes())))
    }

    /// Iterates over all texts.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Finds the place among `len` sorted ones that compares as equal.
fn search(len: u32, compare: impl Fn(u32) -> Option<Ordering>) -> Option<u32> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(middle)? {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Some(middle),
        }
    }
    None
}

/// Reads a canonical GUID (lower case, hyphens) as a number; smaller texts are smaller numbers.
#[must_use]
pub fn parse_guid(text: &[u8]) -> Option<u128> {
    if text.len() != GUID_BYTES {
        return None;
    }
    let mut number = 0_u128;
    for (at, byte) in text.iter().enumerate() {
        let digit = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

/// Writes a number as a canonical GUID.
#[must_use]
pub fn format_guid(number: u128) -> [u8; GUID_BYTES] {
    let mut text = [b'-'; GUID_BYTES];
    let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, at) in number.to_be_bytes().iter().zip(places) {
        if let (Some(slot), Some(digits)) = (text.get_mut(at..at + 2), DIGITS.get(usize::from(*byte))) {
            slot.copy_from_slice(digits);
        }
    }
    text
}

/// The two digits of every byte.
const DIGITS: [[u8; 2]; 256] = digits();

const fn digits() -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut at = 0;
    #[expect(clippy::indexing_slicing, reason = "a table of 256 made while compiling")]
    while at < 256 {
        table[at] = [b"0123456789abcdef"[at >> 4], b"0123456789abcdef"[at & 15]];
        at += 1;
    }
    table
}

impl Keys {
    /// Makes the most compact form of sorted keys; `None` if they take more than 4 GiB.
    #[must_use]
    pub fn from_sorted<T: AsRef<str>>(keys: &[T]) -> Option<Self> {
        let bytes = |key: &T| parse_guid(key.as_ref().as_bytes());
        if let Some(guids) = keys.iter().map(bytes).collect::<Option<Vec<u128>>>() {
            return Some(Self::Guids(guids));
        }
        let split = |key: &'_ T| -> Option<(usize, u128)> {
            let at = key.as_ref().len().checked_sub(GUID_BYTES)?;
            Some((at, parse_guid(key.as_ref().as_bytes().get(at..)?)?))
        };
        let Some(parts) = keys.iter().map(split).collect::<Option<Vec<_>>>() else {
            return Some(Self::Texts(Texts::from_sorted(keys.iter().map(AsRef::as_ref))?));
        };
        let before: Vec<&str> = keys.iter().zip(&parts).map(|(key, (at, _))| key.as_ref().get(..*at).unwrap_or_default()).collect();
        let mut sorted = before.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let place = |text: &&str| sorted.binary_search(text).ok().and_then(|at| u32::try_from(at).ok());
        let prefix = before.iter().map(place).collect::<Option<Vec<u32>>>()?;
        let guid = parts.iter().map(|(_, guid)| *guid).collect();
        Some(Self::Prefixed { prefixes: Texts::from_sorted(sorted)?, prefix, guid })
    }

    /// Returns how many keys there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        match self {
            Self::Guids(guids) | Self::Prefixed { guid: guids, .. } => u32::try_from(guids.len()).unwrap_or(u32::MAX),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a key.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<Cow<'_, str>> {
        let text = |guid: u128| String::from_utf8(format_guid(guid).to_vec()).ok();
        match self {
            Self::Guids(guids) => Some(Cow::Owned(text(*guids.get(at as usize)?)?)),
            Self::Prefixed { prefixes, prefix, guid } => {
                let before = prefixes.get(*prefix.get(at as usize)?)?;
                let last = format_guid(*guid.get(at as usize)?);
                let mut key = String::with_capacity(before.len() + last.len());
                key.push_str(before);
                key.push_str(std::str::from_utf8(&last).ok()?);
                Some(Cow::Owned(key))
            }
            Self::Texts(texts) => texts.get(at).map(Cow::Borrowed),
        }
    }

    /// Returns the place of a key in canonical form.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<u32> {
        match self {
            Self::Guids(guids) => {
                let wanted = parse_guid(key.as_bytes())?;
                guids.binary_search(&wanted).ok().and_then(|at| u32::try_from(at).ok())
            }
            Self::Prefixed { prefixes, prefix, guid } => search(self.len(), |at| {
                let before = prefixes.bytes(*prefix.get(at as usize)?)?;
                let last = format_guid(*guid.get(at as usize)?);
                Some(before.iter().chain(&last).cmp(key.as_bytes()))
            }),
            Self::Texts(texts) => texts.find(key),
        }
    }
}

impl Columns {
    /// Returns the class of the codes of a type; that of a key property is the ids themselves. `None` for what is not
    /// stored: intervals and `none` on its own.
    #[must_use]
    pub fn class_of(&self, ty: Type, property: Option<&Property>) -> Option<CodeClass> {
        if let Some(property) = property.filter(|property| property.is_key) {
            return Some(CodeClass::Key(property.owner));
        }
        Some(match ty.base {
            Base::Bool => CodeClass::Bool,
            Base::Int | Base::Duration => CodeClass::Integer,
            Base::Instant => CodeClass::Instant,
            Base::Enum(id) => CodeClass::Enum(id),
            Base::Entity(_) => CodeClass::Entity,
            Base::String | Base::Guid | Base::ArmId => CodeClass::Text(Self::text_class(&self.schema, ty)?),
            Base::Interval | Base::Nothing => return None,
        })
    }

    /// Returns the value of a code; of [`CodeClass::Integer`] a whole number, see [`Columns::value_of`].
    #[must_use]
    pub fn value(&self, class: CodeClass, code: u32) -> Option<Value> {
        if code > CODES_MAX {
            return None;
        }
        match class {
            CodeClass::Bool => Some(Value::Bool(code != 0)),
            CodeClass::Enum(id) => Some(Value::Enum(id, code)),
            CodeClass::Instant => self.instants().get(code as usize).map(Value::Instant),
            CodeClass::Integer => self.integers().get(code as usize).copied().map(Value::Int),
            CodeClass::Text(class) => self.texts(class).get(code).map(Value::text),
            CodeClass::Entity => Some(Value::Entity(EntityId(code))),
            CodeClass::Key(_) => {
                let key = self.key(code);
                let integer = self.type_of(code).and_then(|ty| self.schema.entity(ty)).is_some_and(|ty| ty.key.base == Base::Int);
                let number = key.parse().ok().filter(|_| integer);
                Some(number.map_or_else(|| Value::text(key), Value::Int))
            }
        }
    }

    /// Returns the value of a code of a type: like [`Columns::value`], and durations as such.
    #[must_use]
    pub fn value_of(&self, ty: Type, class: CodeClass, code: u32) -> Option<Value> {
        match self.value(class, code)? {
            Value::Int(seconds) if ty.base == Base::Duration => Some(Value::Duration(seconds)),
            value => Some(value),
        }
    }

    /// Returns the code of a value; `None` if it does not occur in the snapshot or is of another class.
    #[must_use]
    pub fn code(&self, class: CodeClass, value: &Value) -> Option<u32> {
        match (class, value) {
            (CodeClass::Bool, Value::Bool(value)) => Some(u32::from(*value)),
            (CodeClass::Enum(id), Value::Enum(of, at)) => (id == *of).then_some(*at),
            (CodeClass::Instant, Value::Instant(instant)) => self.instants().find(*instant),
            (CodeClass::Integer, Value::Int(number) | Value::Duration(number)) => place(self.integers().binary_search(number)),
            (CodeClass::Text(class), Value::Text(text)) => self.texts(class).find(text),
            (CodeClass::Entity, Value::Entity(id)) => (id.0 < self.n()).then_some(id.0),
            (CodeClass::Key(ty), Value::Text(text)) => self.find_below(ty, text),
            (CodeClass::Key(ty), Value::Int(number)) => self.find_below(ty, &number.to_string()),
            _ => None,
        }
    }

    fn find_below(&self, ty: EntityTypeId, key: &str) -> Option<u32> {
        let mut subtypes = self.types.iter().filter(|(_, own)| self.schema.is_subtype(*own, ty));
        subtypes.find_map(|(start, own)| Some(start + self.keys(*own)?.find(key)?))
    }

    /// Returns the entity of a canonical key, which is unique below its root type.
    #[must_use]
    pub fn find(&self, ty: EntityTypeId, key: &str) -> Option<u32> {
        self.find_below(self.schema.entity(ty)?.root, key)
    }

    /// Returns the canonical key of an entity; empty for an id that does not exist.
    #[must_use]
    pub fn key(&self, id: u32) -> Cow<'_, str> {
        let found = self.type_of(id).and_then(|ty| self.keys(ty)?.get(id - self.own(ty).start));
        found.unwrap_or_default()
    }
}

pub(super) fn place<E>(found: Result<usize, E>) -> Option<u32> {
    found.ok().and_then(|at| u32::try_from(at).ok())
}

//! Closed lists of words, as files write them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

use super::document::WaiverOutcome;
use crate::evaluate::{Truth, WaiverState};
use crate::model::{RuleSeverity, Verdict};

/// One of a closed list.
pub(super) trait Word: Copy {
    /// What the list is of.
    const WHAT: &'static str;
    /// Writes it.
    fn word(self) -> &'static str;
    /// Reads it.
    fn from_word(word: &str) -> Option<Self>;
}

impl Word for Verdict {
    const WHAT: &'static str = "verdict";

    fn word(self) -> &'static str {
        self.name()
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::from_name(word)
    }
}

impl Word for RuleSeverity {
    const WHAT: &'static str = "severity";

    fn word(self) -> &'static str {
        self.name()
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::from_name(word)
    }
}

impl Word for Truth {
    const WHAT: &'static str = "outcome of a condition";

    fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown].into_iter().find(|truth| truth.word() == word)
    }
}

impl Word for WaiverOutcome {
    const WHAT: &'static str = "state of a waiver";

    fn word(self) -> &'static str {
        self.name()
    }

    fn from_word(word: &str) -> Option<Self> {
        let states = WaiverState::ALL.map(Self::Is);
        states.into_iter().chain([Self::Unneeded, Self::Unmatched]).find(|outcome| outcome.name() == word)
    }
}

pub(super) fn serialize<T: Word, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.word())
}

pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(OneOf(PhantomData))
}

/// Reads a word without keeping its text.
struct OneOf<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for OneOf<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::from_word(word).ok_or_else(|| E::custom(format_args!("there is no {} `{}`", T::WHAT, super::plain(word))))
    }
}

/// The same for a word that may be missing.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::Word;

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(in super::super) fn serialize<T: Word, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Word::word).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<OneWord<T>>::deserialize(deserializer)?.map(|OneWord(word)| word))
    }

    struct OneWord<T>(T);

    impl<'de, T: Word> Deserialize<'de> for OneWord<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            super::deserialize(deserializer).map(Self)
        }
    }
}

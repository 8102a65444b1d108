//! The few filters that are asked for.

use serde_json::Value as Json;

/// A filter whose every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// `atScope()`: this scope and the ones above it.
    pub(super) at_scope: bool,
    /// `atScopeAndBelow()`.
    pub(super) and_below: bool,
    /// `assignedTo('id')`: also through groups.
    pub(super) assigned_to: Option<String>,
    /// `field eq 'value'`.
    equals: Vec<(String, String)>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// The condition that is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for condition in text.split(" and ").map(str::trim).filter(|condition| !condition.is_empty()) {
            filter.condition(condition).ok_or_else(|| condition.to_owned())?;
        }
        Ok(filter)
    }

    fn condition(&mut self, text: &str) -> Option<()> {
        match text.to_lowercase().as_str() {
            "atscope()" => self.at_scope = true,
            "atscopeandbelow()" => self.and_below = true,
            lower if lower.starts_with("assignedto(") => {
                self.assigned_to = Some(lower.strip_prefix("assignedto(")?.strip_suffix(')')?.trim_matches('\'').to_owned());
            }
            _ => {
                let (field, value) = text.split_once(" eq ")?;
                self.equals.push((field.trim().to_owned(), value.trim().trim_matches('\'').to_owned()));
            }
        }
        Some(())
    }

    /// Tells whether a filter asks for one principal.
    pub(super) fn names_principal(&self) -> bool {
        self.assigned_to.is_some() || self.equals.iter().any(|(field, _)| field.eq_ignore_ascii_case("principalId"))
    }

    /// Tells whether an object has the values that are asked for.
    pub(super) fn matches(&self, body: &Json) -> bool {
        self.equals.iter().all(|(field, wanted)| {
            let places = [body.get("properties"), Some(body)];
            let found = places
                .into_iter()
                .flatten()
                .filter_map(Json::as_object)
                .find_map(|object| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value));
            match found {
                Some(Json::String(text)) => text.eq_ignore_ascii_case(wanted),
                Some(Json::Bool(truth)) => wanted == if *truth { "true" } else { "false" },
                Some(Json::Null) | None => wanted == "null",
                Some(other) => other.as_i64().is_some_and(|number| wanted.parse() == Ok(number)),
            }
        })
    }
}

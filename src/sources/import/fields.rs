//! Tolerant reading of the fields of one object.

use serde_json::Value;

/// The fields of an object: those under `properties` go before those beside it, since tools flatten objects.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Fields<'v> {
    item: &'v Value,
    properties: Option<&'v Value>,
}

impl<'v> Fields<'v> {
    pub(in crate::sources) fn of(item: &'v Value) -> Self {
        Self { item, properties: item.get("properties").filter(|value| value.is_object()) }
    }

    /// Returns a field, `null` included; `None` if it is absent.
    pub(in crate::sources) fn get(&self, name: &str) -> Option<&'v Value> {
        self.properties.and_then(|properties| properties.get(name)).or_else(|| self.item.get(name))
    }

    /// Returns a field beside `properties`.
    pub(in crate::sources) fn outer(&self, name: &str) -> Option<&'v Value> {
        self.item.get(name)
    }

    /// Returns a field as text that is not empty.
    pub(in crate::sources) fn text(&self, name: &str) -> Option<&'v str> {
        self.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns the first of several fields as text that is not empty.
    pub(in crate::sources) fn any_text(&self, names: &[&str]) -> Option<&'v str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// Returns the members of a field that is a list; none if it is absent or something else.
    pub(in crate::sources) fn list(&self, name: &str) -> &'v [Value] {
        self.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the id as the service wrote it.
    pub(in crate::sources) fn id(&self) -> Result<&'v str, super::Refusal> {
        let id = self.item.get("id").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
        id.ok_or_else(|| super::Refusal::new("it has no id"))
    }

    /// Tells whether the object has its own `properties`, as the service sends it.
    pub(in crate::sources) fn is_nested(&self) -> bool {
        self.properties.is_some()
    }
}

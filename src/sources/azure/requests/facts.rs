//! What the snapshot says of the arguments of an action, or why it cannot be used, in words.

use jiff::Timestamp;

use crate::model::{Base, EntityId, PropertyId, Type, Value};
use crate::remedy::bind::Call;
use crate::snapshot::{CellState, Snapshot};

/// The world of one step.
pub(super) struct World<'a> {
    call: &'a Call<'a>,
}

impl<'a> World<'a> {
    pub(super) fn of(call: &'a Call<'a>) -> Self {
        Self { call }
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.call.snapshot
    }

    pub(super) fn now(&self) -> Timestamp {
        self.call.now
    }

    /// Returns the argument at a place.
    pub(super) fn argument(&self, at: usize) -> Result<&'a Value, String> {
        let found = self.call.arguments.get(at).map(|(_, value)| value);
        found.ok_or_else(|| format!("argument {} of {} is missing", at + 1, self.call.action))
    }

    /// Tells whether there is an argument at a place: one that is none is left out.
    pub(super) fn has_argument(&self, at: usize) -> bool {
        self.call.arguments.len() > at
    }

    /// Returns how many arguments there are.
    pub(super) fn n_arguments(&self) -> usize {
        self.call.arguments.len()
    }

    /// Returns the argument at a place, an entity.
    pub(super) fn entity(&self, at: usize) -> Result<EntityId, String> {
        let found = self.argument(at)?.entity();
        found.ok_or_else(|| format!("argument {} of {} is no entity", at + 1, self.call.action))
    }

    /// Returns the argument at a place, a text or an id.
    pub(super) fn text_argument(&self, at: usize) -> Result<&'a str, String> {
        match self.argument(at)? {
            Value::Text(text) => Ok(text),
            _ => Err(format!("argument {} of {} is no text", at + 1, self.call.action)),
        }
    }

    /// Returns the argument at a place, a truth value.
    pub(super) fn bool_argument(&self, at: usize) -> Result<bool, String> {
        match self.argument(at)? {
            Value::Bool(value) => Ok(*value),
            _ => Err(format!("argument {} of {} is neither true nor false", at + 1, self.call.action)),
        }
    }

    /// Names an entity for people.
    pub(super) fn label(&self, id: EntityId) -> String {
        self.snapshot().label(id)
    }

    /// Returns the key of an entity.
    pub(super) fn key(&self, id: EntityId) -> String {
        self.snapshot().key(id).into_owned()
    }

    /// Returns the name of the type of an entity.
    pub(super) fn type_name(&self, id: EntityId) -> &'a str {
        let ty = self.snapshot().entity_type(id);
        ty.map_or("", |ty| self.snapshot().schema().entity_name(ty))
    }

    /// Tells whether an entity is certainly of a type, or of one below it.
    pub(super) fn is_a(&self, id: EntityId, name: &str) -> bool {
        let schema = self.snapshot().schema();
        let wanted = schema.entity_named(name).map(|ty| ty.id);
        matches!((self.snapshot().entity_type(id), wanted), (Some(ty), Some(wanted)) if schema.is_subtype(ty, wanted))
    }

    /// Returns a value: none if the source says that there is none.
    pub(super) fn value(&self, id: EntityId, name: &str) -> Result<Option<Value>, String> {
        let (property, _) = self.property(id, name)?;
        match &self.snapshot().cell(id, property).state {
            CellState::Known(value) => Ok(Some(value.clone())),
            CellState::None => Ok(None),
            CellState::Unknown(_) => Err(self.unknown(id, name)),
        }
    }

    /// Returns a text or an id.
    pub(super) fn text(&self, id: EntityId, name: &str) -> Result<Option<String>, String> {
        match self.value(id, name)? {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(self.unknown(id, name)),
        }
    }

    /// Returns a text that has to be there.
    pub(super) fn required_text(&self, id: EntityId, name: &str) -> Result<String, String> {
        self.text(id, name)?.ok_or_else(|| format!("{} has no {}", self.label(id), words(name)))
    }

    /// Returns a truth value.
    pub(super) fn bool(&self, id: EntityId, name: &str) -> Result<bool, String> {
        match self.value(id, name)? {
            Some(Value::Bool(value)) => Ok(value),
            _ => Err(self.unknown(id, name)),
        }
    }

    /// Returns the name of a value of an enumeration.
    pub(super) fn choice(&self, id: EntityId, name: &str) -> Result<String, String> {
        match self.value(id, name)? {
            Some(value @ Value::Enum(..)) => Ok(value.display(self.snapshot().schema())),
            _ => Err(self.unknown(id, name)),
        }
    }

    /// Returns the entity a reference leads to.
    pub(super) fn refers(&self, id: EntityId, name: &str) -> Result<EntityId, String> {
        self.value(id, name)?.and_then(|value| value.entity()).ok_or_else(|| format!("{} has no {}", self.label(id), words(name)))
    }

    /// Returns the members of a list that is whole.
    pub(super) fn members(&self, id: EntityId, name: &str) -> Result<Vec<Value>, String> {
        let (property, _) = self.property(id, name)?;
        let nav = self.snapshot().nav(id, property);
        if !nav.completeness.complete {
            return Err(format!("the list of {} of {} is not known as a whole", words(name), self.label(id)));
        }
        let now = nav.members.iter().filter(|edge| edge.interval.contains(self.now()) != Some(false));
        Ok(now.map(|edge| edge.member.clone()).collect())
    }

    /// Returns the members of a list that are known now; there may be others. An edge whose beginning is not known holds now.
    pub(super) fn certain_members(&self, id: EntityId, name: &str) -> Vec<Value> {
        let Ok((property, _)) = self.property(id, name) else { return Vec::new() };
        let nav = self.snapshot().nav(id, property);
        let certain = nav.members.iter().filter(|edge| edge.interval.contains(self.now()) != Some(false));
        certain.map(|edge| edge.member.clone()).collect()
    }

    /// Returns the texts of a list that is whole.
    pub(super) fn texts(&self, id: EntityId, name: &str) -> Result<Vec<String>, String> {
        let text = |value: Value| match value {
            Value::Text(text) => text.to_string(),
            Value::Entity(id) => self.key(id),
            other => other.display(self.snapshot().schema()),
        };
        Ok(self.members(id, name)?.into_iter().map(text).collect())
    }

    fn property(&self, id: EntityId, name: &str) -> Result<(PropertyId, Type), String> {
        let schema = self.snapshot().schema();
        let ty = self.snapshot().entity_type(id);
        let found = ty.and_then(|ty| schema.property_named(ty, name));
        let found = found.ok_or_else(|| format!("{} is a {}, which has no {}", self.label(id), self.type_name(id), words(name)))?;
        debug_assert!(found.ty.base != Base::Nothing, "a property has a type");
        Ok((found.id, found.ty))
    }

    fn unknown(&self, id: EntityId, name: &str) -> String {
        format!("the {} of {} is not known", words(name), self.label(id))
    }
}

/// Returns the name of a property as people say it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

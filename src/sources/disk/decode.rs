//! Tables to a builder. Nothing in the tables is trusted: each name, key, state and number is checked.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::DiskError;
use super::defaults::Usual;
use super::manifest::About;
use super::tables::{
    COMPLETENESS, Datum, EDGES, FACTS, HISTORY, KEY, LIFETIME_FROM, LIFETIME_TO, SIDE_TABLES, SOURCES, Table, find_property, layout,
    property_columns,
};
use crate::model::{
    Attestation, Base, Bound, Completeness, EntityType, FactSource, Interval, Property, Schema, SourceId, SourceKind, Value, ValueError,
    parse_instant, parse_scalar,
};
use crate::snapshot::{CellState, Handle, SnapshotBuilder};
use crate::text::did_you_mean;

/// Reads tables into a builder, so that registers can be added before it is frozen.
///
/// A column or fact of a property that the schema does not have is left out, with a problem note: no rule can ask for it.
/// A table of a type that the schema does not have is left out the same way if nothing of the schema can refer to it, that
/// is, if its topmost type is not in the schema either; else leaving it out could make a list look whole, and it is an error.
///
/// # Errors
/// [`DiskError::Table`] names the table and the row of the first thing that does not fit.
pub fn from_tables(schema: &Arc<Schema>, about: &About, tables: Vec<Table>) -> Result<SnapshotBuilder, DiskError> {
    let mut decoder = Decoder {
        schema: Arc::clone(schema),
        builder: SnapshotBuilder::new(Arc::clone(schema)),
        sources: HashMap::new(),
        facts: HashMap::new(),
        usual: HashMap::new(),
        listed: HashSet::new(),
        skipped: BTreeSet::new(),
        left_out: BTreeMap::new(),
    };
    let meta = decoder.builder.meta_mut();
    meta.tenant.clone_from(&about.tenant);
    meta.captured_from = about.captured_from;
    meta.captured_to = about.captured_to;
    meta.problems.clone_from(&about.problems);
    let tables = decoder.sort_tables(about, tables)?;
    decoder.run(&tables)?;
    for ((kind, property), n) in std::mem::take(&mut decoder.left_out) {
        decoder.builder.problem(format!("{kind}.{property} is not in the schema in use; what is said of it {n} times is left out"));
    }
    Ok(decoder.builder)
}

struct Decoder {
    schema: Arc<Schema>,
    builder: SnapshotBuilder,
    sources: HashMap<i64, SourceId>,
    /// What `_facts` says, by entity and property: the row.
    facts: HashMap<(Handle, Arc<str>), usize>,
    /// What `_facts` says of all entities of a type without a row there: by type and property.
    usual: HashMap<(String, Arc<str>), Usual>,
    /// Entities that have a row.
    listed: HashSet<Handle>,
    /// Types left out.
    skipped: BTreeSet<String>,
    left_out: BTreeMap<(String, String), usize>,
}

/// One row, for errors.
#[derive(Clone, Copy)]
struct Row<'t> {
    table: &'t Table,
    at: usize,
}

impl<'t> Row<'t> {
    fn text(self, column: &str) -> Option<&'t Arc<str>> {
        self.table.text(column, self.at)
    }

    fn needed(self, column: &str) -> Result<&'t Arc<str>, DiskError> {
        self.text(column).ok_or_else(|| self.error(format!("`{column}` is empty")))
    }

    fn error(self, message: impl Into<String>) -> DiskError {
        DiskError::Table { table: self.table.name.clone(), row: self.at + 1, message: message.into() }
    }

    fn instant(self, column: &str) -> Result<Option<Timestamp>, DiskError> {
        let read = |text: &Arc<str>| read_instant(text).map_err(|message| self.error(format!("`{column}`: {message}")));
        Ok(self.text(column).map(read).transpose()?.flatten())
    }

    fn bound(self, column: &str, default: Bound) -> Result<Bound, DiskError> {
        match self.text(column).map(|text| &**text) {
            None => Ok(default),
            Some("unbounded") => Ok(Bound::Unbounded),
            Some("unknown") => Ok(Bound::Unknown),
            Some(_) => Ok(self.instant(column)?.map_or(Bound::Unknown, Bound::At)),
        }
    }

    fn interval(self, from: &str, to: &str) -> Result<Interval, DiskError> {
        Ok(Interval { from: self.bound(from, Bound::Unknown)?, to: self.bound(to, Bound::Unbounded)? })
    }

    fn optional(self, column: &str) -> Option<String> {
        self.text(column).map(ToString::to_string)
    }
}

fn rows(table: &Table) -> impl Iterator<Item = Row<'_>> {
    (0..table.n_rows()).map(move |at| Row { table, at })
}

/// Reads a time exactly; people may also write a bare date.
fn read_instant(text: &str) -> Result<Option<Timestamp>, String> {
    match text.parse::<Timestamp>() {
        Ok(instant) => Ok(Some(instant)),
        Err(_) => parse_instant(text),
    }
}

impl Decoder {
    /// Checks names and columns; leaves out what the schema cannot know.
    fn sort_tables(&mut self, about: &About, tables: Vec<Table>) -> Result<BTreeMap<String, Table>, DiskError> {
        let mut sorted: BTreeMap<String, Table> = BTreeMap::new();
        for table in tables {
            let Some(wanted) = layout(&self.schema, &table.name) else {
                self.skip_kind(about, &table)?;
                continue;
            };
            let is_side = SIDE_TABLES.contains(&table.name.as_str());
            for column in &table.columns {
                if column.cells.len() != table.n_rows() {
                    return Err(table_error(&table, format!("column `{}` is not as long as the others", column.name)));
                }
                match wanted.iter().find(|(name, _)| *name == column.name) {
                    Some((_, kind)) if *kind == column.kind => {}
                    Some((_, kind)) => {
                        let message = format!("column `{}` holds {}, not {}", column.name, column.kind.name(), kind.name());
                        return Err(table_error(&table, message));
                    }
                    None if is_side => return Err(table_error(&table, format!("there is no column `{}`", column.name))),
                    None => *self.left_out.entry((table.name.clone(), column.name.clone())).or_default() += table.n_rows(),
                }
            }
            if let Some(twice) = sorted.insert(table.name.clone(), table) {
                return Err(table_error(&twice, "the table is there twice"));
            }
        }
        Ok(sorted)
    }

    fn skip_kind(&mut self, about: &About, table: &Table) -> Result<(), DiskError> {
        let root = about.roots.get(&table.name);
        if table.name.starts_with('_') || root.is_none_or(|root| self.schema.entity_named(root).is_some()) {
            let names: Vec<&str> = self.schema.entities.iter().map(|entity| entity.name.as_str()).collect();
            return Err(DiskError::UnknownKind { kind: table.name.clone(), hint: hint(&table.name, names) });
        }
        self.builder.problem(format!(
            "the entity type {} is not in the schema in use; its {} entities are left out",
            table.name,
            table.n_rows()
        ));
        self.skipped.insert(table.name.clone());
        Ok(())
    }

    fn run(&mut self, tables: &BTreeMap<String, Table>) -> Result<(), DiskError> {
        if let Some(table) = tables.get(SOURCES) {
            self.read_sources(table)?;
        }
        let kinds = || tables.values().filter(|table| !table.name.starts_with('_'));
        for table in kinds() {
            self.read_keys(table)?;
        }
        if let Some(table) = tables.get(FACTS) {
            self.index_facts(table)?;
        }
        for table in kinds() {
            self.read_values(table, tables.get(FACTS))?;
        }
        if let Some(table) = tables.get(FACTS) {
            self.read_other_facts(table)?;
        }
        for (name, read) in [
            (EDGES, Self::read_edge as fn(&mut Self, Row<'_>) -> Result<(), DiskError>),
            (HISTORY, Self::read_history),
            (COMPLETENESS, Self::read_claim),
        ] {
            for row in tables.get(name).into_iter().flat_map(rows) {
                read(self, row)?;
            }
        }
        Ok(())
    }

    fn read_sources(&mut self, table: &Table) -> Result<(), DiskError> {
        for row in rows(table) {
            let Some(Datum::Int(id)) = table.cell("id", row.at) else { return Err(row.error("`id` is empty")) };
            let kind = match &**row.needed("kind")? {
                "api" => SourceKind::Api,
                "table" => SourceKind::Table,
                "register" => SourceKind::Register,
                "derived" => SourceKind::Derived,
                "test" => SourceKind::Test,
                other => return Err(row.error(format!("`{other}` is no kind of source"))),
            };
            let attestation = match row.optional("attestation") {
                None => None,
                Some(id) => Some(Attestation {
                    id,
                    attested_by: row.needed("attested_by")?.to_string(),
                    attested_at: row.instant("attested_at")?,
                    evidence_file: row.optional("evidence_file"),
                    evidence_hash: row.optional("evidence_hash"),
                    review_due_at: row.instant("review_due_at")?,
                }),
            };
            let source = FactSource {
                kind,
                name: row.needed("name")?.to_string(),
                location: row.optional("location"),
                request: row.optional("request"),
                read_at: row.instant("read_at")?,
                attestation,
            };
            let source = self.builder.source(source);
            if self.sources.insert(*id, source).is_some() {
                return Err(row.error(format!("the source {id} is there twice")));
            }
        }
        Ok(())
    }

    fn source(&self, row: Row<'_>) -> Result<Option<SourceId>, DiskError> {
        match row.table.cell("source", row.at) {
            None => Ok(None),
            Some(Datum::Int(id)) => match self.sources.get(id) {
                Some(source) => Ok(Some(*source)),
                None => Err(row.error(format!("there is no source {id} in {SOURCES}"))),
            },
            Some(_) => Err(row.error("`source` is no number")),
        }
    }

    /// Returns the source of a fact that names none: the table itself.
    fn own_source(&mut self, row: Row<'_>) -> Result<SourceId, DiskError> {
        let stated = self.source(row)?;
        Ok(stated.unwrap_or_else(|| self.builder.source(FactSource::new(SourceKind::Table, "import:tables").at(row.table.name.clone()))))
    }

    fn read_keys(&mut self, table: &Table) -> Result<(), DiskError> {
        for row in rows(table) {
            let handle = self.entity(row, &table.name, row.needed(KEY)?)?;
            if !self.listed.insert(handle) {
                return Err(row.error(format!("the key `{}` is there twice", row.needed(KEY)?)));
            }
            self.builder.existed(handle, row.interval(LIFETIME_FROM, LIFETIME_TO)?);
        }
        Ok(())
    }

    fn entity(&mut self, row: Row<'_>, kind: &str, key: &str) -> Result<Handle, DiskError> {
        self.builder.entity_named(kind, key).map_err(|error| row.error(error.to_string()))
    }

    /// Returns the entity a side table's row is about; `None` if its type is left out.
    fn subject(&mut self, row: Row<'_>) -> Result<Option<Handle>, DiskError> {
        let kind = row.needed("kind")?;
        if self.skipped.contains(&**kind) {
            return Ok(None);
        }
        let key = row.needed("key")?;
        match self.builder.find(kind, key) {
            Some(handle) => Ok(Some(handle)),
            None => Err(row.error(format!("there is no {kind} with the key `{key}`"))),
        }
    }

    /// Returns a property of an entity or, for one of an abstract type, of a subtype; `None` if the schema does not have it.
    fn property(&mut self, row: Row<'_>, handle: Handle, name: &str) -> Result<Option<Property>, DiskError> {
        let Some(ty) = self.builder.type_of(handle) else { return Err(row.error("the entity is lost")) };
        let found = find_property(&self.schema, ty, name).cloned();
        if found.is_none() {
            *self.left_out.entry((self.schema.entity_name(ty).to_owned(), name.to_owned())).or_default() += 1;
        }
        Ok(found)
    }

    fn index_facts(&mut self, table: &Table) -> Result<(), DiskError> {
        for row in rows(table) {
            if row.text(KEY).is_none() {
                self.index_default(row)?;
                continue;
            }
            let Some(handle) = self.subject(row)? else { continue };
            let property = row.needed("property")?;
            if self.facts.insert((handle, Arc::clone(property)), row.at).is_some() {
                return Err(row.error(format!("`{property}` of `{}` is there twice", row.needed("key")?)));
            }
        }
        Ok(())
    }

    /// Takes up a row that is about all entities of a type.
    fn index_default(&mut self, row: Row<'_>) -> Result<(), DiskError> {
        let kind = row.needed("kind")?;
        if self.skipped.contains(&**kind) {
            return Ok(());
        }
        self.builder.entity_type(kind).map_err(|error| row.error(error.to_string()))?;
        let property = row.needed("property")?;
        let source = self.own_source(row)?;
        let state = match &**row.needed("state")? {
            "value" => None,
            "none" => Some(CellState::None),
            "unknown" => Some(CellState::Unknown(row.text("reason").map(Arc::clone))),
            other => return Err(row.error(format!("`{other}` is no state of all entities; it is value, none or unknown"))),
        };
        let usual = self.usual.entry((kind.to_string(), Arc::clone(property))).or_default();
        let twice = match state {
            None => usual.value.replace(source).is_some(),
            Some(state) => usual.empty.replace((state, source)).is_some(),
        };
        if twice { Err(row.error(format!("all entities are told twice of `{property}`"))) } else { Ok(()) }
    }

    fn read_values(&mut self, table: &Table, facts: Option<&Table>) -> Result<(), DiskError> {
        let Some(ty) = self.schema.entity_named(&table.name).map(|entity| entity.id) else { return Ok(()) };
        for column in property_columns(&Arc::clone(&self.schema), ty) {
            let Some(cells) = table.column(&column.column) else { continue };
            let name: Arc<str> = Arc::from(column.property.name.as_str());
            let usual = self.usual.get(&(table.name.clone(), Arc::clone(&name))).cloned().unwrap_or_default();
            for (at, datum) in cells.cells.iter().enumerate() {
                if datum.is_none() && usual.empty.is_none() {
                    continue;
                }
                let row = Row { table, at };
                let handle = self.entity(row, &table.name, row.needed(KEY)?)?;
                let Some(datum) = datum else {
                    if let Some((state, source)) = usual.empty.as_ref().filter(|_| !self.facts.contains_key(&(handle, Arc::clone(&name)))) {
                        self.builder.restate(handle, column.property.id, state.clone(), *source);
                    }
                    continue;
                };
                let fact = self.facts.remove(&(handle, Arc::clone(&name)));
                let stated = fact.and_then(|at| Some(Row { table: facts?, at }));
                if let Some(fact) = stated
                    && (&**fact.needed("state")? != "value" || fact.text("exact").is_some())
                {
                    return Err(row.error(format!("`{name}` has a value here and {FACTS} says otherwise in row {}", fact.at + 1)));
                }
                let source = match (stated, usual.value) {
                    (None, Some(source)) => source,
                    (stated, _) => self.own_source(stated.unwrap_or(row))?,
                };
                let kind = column.type_column.as_deref().and_then(|column| row.text(column));
                let value = match datum {
                    Datum::Text(text) => self.value(row, &column.property, kind.map(|kind| &**kind), text)?,
                    typed => {
                        Ok(typed_value(column.property.ty.base, typed).ok_or_else(|| row.error(format!("`{name}` is of another kind")))?)
                    }
                };
                self.state(handle, &column.property, value, source);
            }
        }
        Ok(())
    }

    /// States a value, or that it is unknown because its text does not fit: enumerations are open in data.
    fn state(&mut self, handle: Handle, property: &Property, value: Result<Value, String>, source: SourceId) {
        let state = match value {
            Ok(value) => CellState::Known(value),
            Err(reason) => CellState::Unknown(Some(Arc::from(reason))),
        };
        self.builder.restate(handle, property.id, state, source);
    }

    /// Reads the facts that no typed column holds.
    fn read_other_facts(&mut self, table: &Table) -> Result<(), DiskError> {
        let mut rest: Vec<(usize, Handle, Arc<str>)> =
            std::mem::take(&mut self.facts).into_iter().map(|((handle, name), at)| (at, handle, name)).collect();
        rest.sort();
        for (at, handle, name) in rest {
            let row = Row { table, at };
            let Some(property) = self.property(row, handle, &name)? else { continue };
            if &**row.needed("state")? == "unread" {
                continue;
            }
            let source = self.own_source(row)?;
            if property.ty.set {
                return Err(row.error(format!("`{name}` is a set; its members stand in {EDGES}")));
            }
            match &**row.needed("state")? {
                "none" => self.builder.restate(handle, property.id, CellState::None, source),
                "unknown" => {
                    let reason = row.text("reason").map(Arc::clone);
                    self.builder.restate(handle, property.id, CellState::Unknown(reason), source);
                }
                "value" => {
                    let Some(exact) = row.text("exact") else {
                        return Err(row.error(format!("`{name}` has a value that is in no column")));
                    };
                    let value = self.value(row, &property, None, exact)?;
                    self.state(handle, &property, value, source);
                }
                other => return Err(row.error(format!("`{other}` is no state; it is value, none, unknown or unread"))),
            }
        }
        Ok(())
    }

    fn read_edge(&mut self, row: Row<'_>) -> Result<(), DiskError> {
        let Some(handle) = self.subject(row)? else { return Ok(()) };
        let name = row.needed("property")?;
        let Some(property) = self.property(row, handle, name)? else { return Ok(()) };
        let source = self.own_source(row)?;
        let interval = row.interval("from", "to")?;
        let kind = row.text("member_kind").map(|kind| &**kind);
        if !property.ty.set {
            return Err(row.error(format!("`{name}` is a single value, not a set")));
        }
        let value = self.value(row, &property, kind, row.needed("member")?)?.map_err(|message| row.error(message))?;
        if property.ty.entity().is_none() && interval != Interval::CURRENT {
            return Err(row.error("a member that is no entity has no time"));
        }
        let inverse = property.inverse.and_then(|id| self.schema.property(id));
        if inverse.is_none_or(|inverse| inverse.ty.set) {
            self.builder.restate_edge(handle, property.id, value, interval, source);
            return Ok(());
        }
        // Tables written by hand may list members where ours hold the reference of the other side.
        let member = self.target(row, &property, kind, row.needed("member")?)?;
        self.builder.link(handle, &property.name, member, interval, source).map_err(|error| row.error(error.to_string()))
    }

    fn read_history(&mut self, row: Row<'_>) -> Result<(), DiskError> {
        let Some(handle) = self.subject(row)? else { return Ok(()) };
        let name = row.needed("property")?;
        let Some(property) = self.property(row, handle, name)? else { return Ok(()) };
        let source = self.own_source(row)?;
        if property.ty.set {
            return Err(row.error(format!("`{name}` is a set; its members stand in {EDGES}")));
        }
        let state = match &**row.needed("state")? {
            "none" => CellState::None,
            "value" => {
                let kind = row.text("value_kind").map(|kind| &**kind);
                CellState::Known(self.value(row, &property, kind, row.needed("value")?)?.map_err(|message| row.error(message))?)
            }
            other => return Err(row.error(format!("`{other}` is no state of an earlier value; it is value or none"))),
        };
        let interval = row.interval("from", "to")?;
        self.builder.restate_history(handle, property.id, interval, state, source);
        Ok(())
    }

    fn read_claim(&mut self, row: Row<'_>) -> Result<(), DiskError> {
        let Some(Datum::Bool(complete)) = row.table.cell("complete", row.at) else { return Err(row.error("`complete` is empty")) };
        let covered = match (row.text("covered_from"), row.text("covered_to")) {
            (None, None) => Vec::new(),
            (Some(_), Some(_)) => vec![row.interval("covered_from", "covered_to")?],
            _ => return Err(row.error("`covered_from` and `covered_to` go together")),
        };
        let claim = Completeness { complete: *complete, reason: row.optional("reason"), covered, source: self.source(row)? };
        let kind = row.needed("kind")?;
        if self.skipped.contains(&**kind) {
            return Ok(());
        }
        match (row.text(KEY), row.text("property")) {
            (None, None) => match self.builder.entity_type(kind) {
                Ok(ty) => self.builder.claim_extent(ty, claim),
                Err(error) => return Err(row.error(error.to_string())),
            },
            (Some(_), Some(name)) => {
                let Some(handle) = self.subject(row)? else { return Ok(()) };
                if let Some(property) = self.property(row, handle, name)? {
                    self.builder.restate_claim(handle, property.id, claim);
                }
            }
            _ => return Err(row.error("`key` and `property` go together")),
        }
        Ok(())
    }

    /// Returns the entity a reference means; `kind` names its type where the declared one is abstract.
    fn target(&mut self, row: Row<'_>, property: &Property, kind: Option<&str>, key: &str) -> Result<Handle, DiskError> {
        let Some(declared) = property.ty.entity().and_then(|id| self.schema.entity(id)) else {
            return Err(row.error(format!("`{}` does not refer to an entity", property.name)));
        };
        let kind = kind.unwrap_or(&declared.name);
        let fits = |ty: &EntityType| self.schema.is_subtype(ty.id, declared.id) || self.schema.is_subtype(declared.id, ty.id);
        if !self.schema.entity_named(kind).is_some_and(fits) {
            return Err(row.error(format!("`{}` refers to a {}, not to a {kind}", property.name, declared.name)));
        }
        let kind = kind.to_owned();
        // An entity with a row has the type of its table, also where that is abstract because sources disagree on it.
        let known = self.builder.find(&kind, key).filter(|handle| self.listed.contains(handle));
        let Some(handle) = known else { return self.entity(row, &kind, key) };
        let ty = self.builder.type_of(handle).and_then(|ty| self.schema.entity(ty));
        match ty {
            Some(ty) if self.schema.is_subtype(ty.id, declared.id) || self.schema.is_subtype(declared.id, ty.id) => Ok(handle),
            _ => Err(row.error(format!("`{}` refers to a {}, and `{key}` is none", property.name, declared.name))),
        }
    }

    /// Reads a value from its exact text; the inner error says why the text does not fit.
    fn value(&mut self, row: Row<'_>, property: &Property, kind: Option<&str>, text: &str) -> Result<Result<Value, String>, DiskError> {
        if property.ty.entity().is_some() {
            return Ok(Ok(self.target(row, property, kind, text)?.value()));
        }
        if kind.is_some() {
            return Err(row.error(format!("`{}` does not refer to an entity", property.name)));
        }
        Ok(scalar(&self.schema, property, text))
    }
}

fn scalar(schema: &Schema, property: &Property, text: &str) -> Result<Value, String> {
    match property.ty.base {
        Base::Instant => read_instant(text)?.map(Value::Instant).ok_or_else(|| format!("`{text}` means that there is none")),
        Base::Duration => match text.parse() {
            Ok(seconds) => Ok(Value::Duration(seconds)),
            Err(_) => crate::model::parse_duration(text).map(Value::Duration),
        },
        _ => parse_scalar(schema, property.ty.member(), text).map_err(|error| match error {
            ValueError::Misfit(reason) => reason,
            ValueError::Unset => format!("`{text}` means that there is none"),
        }),
    }
}

fn typed_value(base: Base, datum: &Datum) -> Option<Value> {
    match (base, datum) {
        (Base::Bool, Datum::Bool(value)) => Some(Value::Bool(*value)),
        (Base::Int, Datum::Int(value)) => Some(Value::Int(*value)),
        (Base::Duration, Datum::Int(value)) => Some(Value::Duration(*value)),
        (Base::Instant, Datum::Instant(value)) => Some(Value::Instant(*value)),
        _ => None,
    }
}

fn table_error(table: &Table, message: impl Into<String>) -> DiskError {
    DiskError::Table { table: table.name.clone(), row: 0, message: message.into() }
}

fn hint(word: &str, candidates: Vec<&str>) -> String {
    did_you_mean(word, candidates)
        .map_or_else(|| "read it together with the governance repo that declares it".to_owned(), |near| format!("did you mean {near}?"))
}

//! The mapping file: which table holds what, checked against the schema.
//!
//! In: YAML and a schema. Out: a [`Mapping`] with all names resolved, or everything that is wrong with the file, each with its place.

use std::collections::BTreeMap;

use crate::model::{EntityTypeId, PropertyId, Schema};
use crate::sources::register::yaml::{Node, NodeKind, parse};
use crate::text::{Diagnostic, FileId, Span, Spanned, did_you_mean, sort_diagnostics};

/// More entries than any schema has types and lists.
const ENTRIES_MAX: usize = 1_024;
const TOP_KEYS: [&str; 6] = ["version", "snapshot", "tables", "absent", "complete", "note"];
const SNAPSHOT_KEYS: [&str; 3] = ["file", "tenant", "captured_at"];
const ENTITY_KEYS: [&str; 7] = ["table", "where", "join", "entity", "key", "fields", "note"];
const MEMBER_KEYS: [&str; 7] = ["table", "where", "join", "list", "of", "member", "note"];
const ABSENT_KEYS: [&str; 4] = ["of", "entity", "fields", "note"];
const VALUE_KEYS: [&str; 6] = ["column", "template", "constant", "values", "part", "empty"];

/// A mapping whose names are those of a schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapping {
    /// What the file of the snapshot's tenant and time is called, and its fields.
    pub(super) about: Option<AboutRule>,
    /// The source tables, each once.
    pub(super) tables: Vec<TableRule>,
    pub(super) absent: Vec<AbsentRule>,
    /// Types of which the tables hold all entities.
    pub(super) complete: Vec<EntityTypeId>,
    /// Lists that are whole for every holder of this type.
    pub(super) whole_lists: Vec<(EntityTypeId, PropertyId)>,
}

/// Where the snapshot's tenant and time are said.
#[derive(Debug, Clone)]
pub(super) struct AboutRule {
    pub(super) file: Spanned<String>,
    pub(super) tenant: Option<String>,
    pub(super) captured_at: Option<String>,
}

/// A source table and what its rows are.
#[derive(Debug, Clone)]
pub(super) struct TableRule {
    pub(super) name: Spanned<String>,
    /// The columns that are read.
    pub(super) columns: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

/// One meaning of the rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Cells a row must have for the entry to be about it.
    pub(super) conditions: Vec<(Column, String)>,
    pub(super) join: Option<JoinRule>,
    pub(super) kind: EntryKind,
}

/// A table whose rows are put beside those of another one.
#[derive(Debug, Clone)]
pub(super) struct JoinRule {
    pub(super) name: Spanned<String>,
    /// The column of the table at hand.
    pub(super) on: usize,
    /// The columns of the joined table; the first one is that on which it is joined.
    pub(super) columns: Vec<String>,
}

/// What a row becomes.
#[derive(Debug, Clone)]
pub(super) enum EntryKind {
    Entity(EntityRule),
    Member(MemberRule),
}

/// How a row becomes an entity.
#[derive(Debug, Clone)]
pub(super) struct EntityRule {
    pub(super) ty: EntityTypeId,
    pub(super) key: ValueRule,
    pub(super) fields: Vec<FieldRule>,
}

/// How cells become a fact.
#[derive(Debug, Clone)]
pub(super) struct FieldRule {
    pub(super) property: PropertyId,
    pub(super) value: ValueRule,
}

/// How a row becomes a member of a list.
#[derive(Debug, Clone)]
pub(super) struct MemberRule {
    pub(super) holder: EntityTypeId,
    pub(super) property: PropertyId,
    pub(super) of: ValueRule,
    pub(super) member: ValueRule,
}

/// What becomes of entities that are referred to and have no row.
#[derive(Debug, Clone)]
pub(super) struct AbsentRule {
    pub(super) ty: EntityTypeId,
    pub(super) fields: Vec<FieldRule>,
}

/// How cells of a row make one value.
#[derive(Debug, Clone)]
pub(super) struct ValueRule {
    pub(super) parts: Parts,
    /// Whether only what follows the last slash counts.
    pub(super) last_segment: bool,
    /// What spellings mean; `None` is *none*. Those that are not listed mean themselves.
    pub(super) values: BTreeMap<String, Option<String>>,
    pub(super) empty: NullMeaning,
}

/// A column of the table at hand, or of the joined one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Own(usize),
    Joined(usize),
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parts {
    /// A cell.
    Column(Column),
    /// Text with cells in it.
    Template(Vec<Piece>),
    /// The same in each row; `None` is *none*.
    Constant(Option<String>),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Column(Column),
}

/// What an empty cell means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullMeaning {
    /// That there is none.
    None,
    /// That it is not known.
    Unknown,
    /// Nothing: the fact is not stated.
    Unread,
}

/// Reads a mapping; spans point into `file`.
///
/// # Errors
/// All diagnostics, sorted by place.
pub(super) fn read_mapping(schema: &Schema, text: &str, file: FileId) -> Result<Mapping, Vec<Diagnostic>> {
    let root = parse(text, file, "mapping").map_err(|error| vec![Diagnostic { code: "M0001", ..error }])?;
    let mut reader = Reader { schema, diagnostics: Vec::new(), columns: Vec::new(), join: None };
    let mapping = reader.mapping(&root);
    if reader.diagnostics.is_empty() {
        return Ok(mapping);
    }
    sort_diagnostics(&mut reader.diagnostics);
    Err(reader.diagnostics)
}

struct Reader<'s> {
    schema: &'s Schema,
    diagnostics: Vec<Diagnostic>,
    /// The columns of the table at hand, and the table joined to it.
    columns: Vec<String>,
    join: Option<JoinRule>,
}

impl Reader<'_> {
    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, message));
    }

    fn near(&mut self, code: &'static str, span: Span, message: String, near: Option<&str>) {
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.diagnostics.push(Diagnostic::error(code, span, message).maybe_help(help));
    }

    /// Returns the entries of a mapping.
    fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Spanned<String>, Node)] {
        if !matches!(node.kind, NodeKind::Map(_)) {
            self.error("M0003", node.span, format!("{what} is a mapping, not {}", node.what()));
        }
        node.entries()
    }

    /// Returns the entries of a mapping, after a complaint about keys that are not `known`.
    fn entries<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> &'n [(Spanned<String>, Node)] {
        for (key, _) in self.map(node, what) {
            if !known.contains(&key.value.as_str()) {
                let help = did_you_mean(&key.value, known.iter().copied())
                    .map_or_else(|| format!("known keys are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
                self.diagnostics.push(Diagnostic::error("M0002", key.span, format!("{what} has no key `{}`", key.value)).help(help));
            }
        }
        node.entries()
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match node.text() {
            Some(text) if !text.trim().is_empty() => return Some(Spanned::new(text.to_owned(), node.span)),
            Some(_) => self.error("M0003", node.span, format!("{what} is empty")),
            None => self.error("M0003", node.span, format!("{what} is text, not {}", node.what())),
        }
        None
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            NodeKind::List(items) => items,
            _ => {
                self.error("M0003", node.span, format!("{what} is a list, not {}", node.what()));
                &[]
            }
        }
    }

    fn need<'n>(&mut self, node: &'n Node, key: &str, what: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() && matches!(node.kind, NodeKind::Map(_)) {
            let span = node.entries().first().map_or(node.span, |(key, _)| key.span);
            self.error("M0005", span, format!("{what} needs `{key}`"));
        }
        found
    }

    fn mapping(&mut self, root: &Node) -> Mapping {
        let mut mapping = Mapping::default();
        for (key, node) in self.entries(root, "a mapping", &TOP_KEYS) {
            match key.value.as_str() {
                "version" if node.text() != Some("1") => self.error("M0003", node.span, "this program reads mappings of version 1"),
                "snapshot" => mapping.about = self.about(node),
                "tables" => self.tables(node, &mut mapping),
                "absent" => {
                    for item in self.list(node, "`absent`") {
                        mapping.absent.extend(self.absent(item));
                    }
                }
                "complete" => {
                    for item in self.list(node, "`complete`") {
                        self.complete(item, &mut mapping);
                    }
                }
                _ => {}
            }
        }
        for key in ["version", "tables"] {
            self.need(root, key, "a mapping");
        }
        mapping.complete.sort();
        mapping.complete.dedup();
        mapping.whole_lists.sort();
        mapping.whole_lists.dedup();
        mapping
    }

    fn about(&mut self, node: &Node) -> Option<AboutRule> {
        let mut about = AboutRule { file: Spanned::new(String::new(), node.span), tenant: None, captured_at: None };
        for (key, value) in self.entries(node, "`snapshot`", &SNAPSHOT_KEYS) {
            let Some(text) = self.text(value, &format!("`{}`", key.value)) else { continue };
            match key.value.as_str() {
                "file" => about.file = self.file_name(text)?,
                "tenant" => about.tenant = Some(text.value),
                "captured_at" => about.captured_at = Some(text.value),
                _ => {}
            }
        }
        self.need(node, "file", "`snapshot`").map(|_| about)
    }

    fn file_name(&mut self, name: Spanned<String>) -> Option<Spanned<String>> {
        if name.value.contains(['/', '\\']) || name.value.starts_with('.') {
            self.error("M0003", name.span, "a file is named without its folder");
            return None;
        }
        Some(name)
    }

    /// Reads `Type` or `Type.list`.
    fn complete(&mut self, node: &Node, mapping: &mut Mapping) {
        let Some(name) = self.text(node, "what is complete") else { return };
        if name.value.contains('.') {
            mapping.whole_lists.extend(self.list_name(&name));
        } else if let Some(ty) = self.entity_named(&name) {
            mapping.complete.extend(self.schema.subtypes(ty).map(|ty| ty.id));
        }
    }

    fn list_name(&mut self, name: &Spanned<String>) -> Option<(EntityTypeId, PropertyId)> {
        let Some((ty, list)) = name.value.split_once('.') else {
            self.error("M0003", name.span, "a list is written as `Type.list`");
            return None;
        };
        let ty = self.entity_named(&Spanned::new(ty.to_owned(), name.span))?;
        let Some(property) = self.schema.property_named(ty, list).filter(|property| property.ty.set) else {
            self.no_property(ty, &Spanned::new(list.to_owned(), name.span), "set");
            return None;
        };
        Some((ty, property.id))
    }

    fn entity_named(&mut self, name: &Spanned<String>) -> Option<EntityTypeId> {
        let schema = self.schema;
        let found = schema.entity_named(&name.value).map(|ty| ty.id);
        if found.is_none() {
            let near = did_you_mean(&name.value, schema.entities.iter().map(|ty| ty.name.as_str()));
            self.near("M0004", name.span, format!("there is no entity type `{}` in the schema", name.value), near);
        }
        found
    }

    fn entity_type(&mut self, node: &Node) -> Option<EntityTypeId> {
        let name = self.text(node, "an entity type")?;
        self.entity_named(&name)
    }

    fn no_property(&mut self, ty: EntityTypeId, name: &Spanned<String>, shape: &str) {
        let schema = self.schema;
        let known = schema.entity(ty).into_iter().flat_map(|ty| ty.properties.keys().map(String::as_str));
        let near = did_you_mean(&name.value, known);
        self.near("M0004", name.span, format!("{} has no {shape} property `{}`", schema.entity_name(ty), name.value), near);
    }

    fn absent(&mut self, node: &Node) -> Option<AbsentRule> {
        self.entries(node, "an entry of `absent`", &ABSENT_KEYS);
        self.columns.clear();
        self.join = None;
        let of = self.need(node, "of", "an entry of `absent`").and_then(|of| self.entity_type(of));
        let entity = self.need(node, "entity", "an entry of `absent`");
        let ty = entity.and_then(|entity| self.entity_type(entity))?;
        if !of.is_none_or(|of| self.schema.is_subtype(ty, of)) {
            self.error("M0004", node.span, "`entity` is a kind of `of`");
            return None;
        }
        let fields = self.fields(ty, node);
        if !self.columns.is_empty() {
            self.error("M0003", node.span, "what has no row has no columns; its values are constants");
            return None;
        }
        Some(AbsentRule { ty, fields })
    }

    fn tables(&mut self, node: &Node, mapping: &mut Mapping) {
        let items = self.list(node, "`tables`");
        if items.len() > ENTRIES_MAX {
            self.error("M0001", node.span, format!("there are {} entries; at most {ENTRIES_MAX} are read", items.len()));
            return;
        }
        for item in items {
            let name = self.need(item, "table", "an entry of `tables`").and_then(|name| self.text(name, "`table`"));
            let Some(name) = name.and_then(|name| self.file_name(name)) else { continue };
            let known = mapping.tables.iter().position(|table| table.name.value == name.value);
            let at = known.unwrap_or_else(|| {
                mapping.tables.push(TableRule { name: name.clone(), columns: Vec::new(), entries: Vec::new() });
                mapping.tables.len() - 1
            });
            let Some(table) = mapping.tables.get_mut(at) else { continue };
            self.columns = std::mem::take(&mut table.columns);
            self.join = None;
            let entry = self.entry(item);
            table.columns = std::mem::take(&mut self.columns);
            table.entries.extend(entry);
        }
    }

    fn entry(&mut self, node: &Node) -> Option<Entry> {
        let is_list = node.get("list").is_some();
        self.entries(node, "an entry of `tables`", if is_list { &MEMBER_KEYS } else { &ENTITY_KEYS });
        if let Some(join) = node.get("join") {
            self.join = Some(self.join(join)?);
        }
        let mut conditions = Vec::new();
        if let Some(node) = node.get("where") {
            for (column, wanted) in self.map(node, "`where`") {
                let column = self.column(&column.value);
                conditions.extend(wanted.text().map(|text| (column, text.to_owned())));
                if wanted.text().is_none() {
                    self.error("M0003", wanted.span, format!("a single value is wanted here, not {}", wanted.what()));
                }
            }
        }
        let kind = if is_list { EntryKind::Member(self.member(node)?) } else { EntryKind::Entity(self.entity(node)?) };
        Some(Entry { conditions, join: self.join.take(), kind })
    }

    fn join(&mut self, node: &Node) -> Option<JoinRule> {
        self.entries(node, "`join`", &["table", "on"]);
        let name = self.need(node, "table", "`join`").and_then(|name| self.text(name, "`table`"));
        let on = self.need(node, "on", "`join`").and_then(|on| self.text(on, "`on`"))?;
        let name = name.and_then(|name| self.file_name(name))?;
        let at = place(&mut self.columns, &on.value);
        Some(JoinRule { name, on: at, columns: vec![on.value] })
    }

    fn entity(&mut self, node: &Node) -> Option<EntityRule> {
        let ty = self.need(node, "entity", "an entry of `tables` (without `list`)").and_then(|entity| self.entity_type(entity));
        let key = self.need(node, "key", "an entity").and_then(|key| self.value(key));
        let ty = ty?;
        let fields = self.fields(ty, node);
        Some(EntityRule { ty, key: key?, fields })
    }

    fn fields(&mut self, ty: EntityTypeId, node: &Node) -> Vec<FieldRule> {
        let Some(node) = node.get("fields") else { return Vec::new() };
        let entries = self.map(node, "`fields`");
        entries.iter().filter_map(|(name, value)| self.field(ty, name, value)).collect()
    }

    fn field(&mut self, ty: EntityTypeId, name: &Spanned<String>, node: &Node) -> Option<FieldRule> {
        let Some(property) = self.schema.property_named(ty, &name.value) else {
            self.no_property(ty, name, "single-valued");
            return None;
        };
        if property.ty.set {
            let message = format!("`{}` is a set; its members stand in an entry of their own, with `list`", name.value);
            self.error("M0004", name.span, message);
            return None;
        }
        if property.is_key {
            self.error("M0004", name.span, format!("`{}` is the key; it is given by `key`", name.value));
            return None;
        }
        Some(FieldRule { property: property.id, value: self.value(node)? })
    }

    fn member(&mut self, node: &Node) -> Option<MemberRule> {
        let name = node.get("list").and_then(|name| self.text(name, "`list`"));
        let of = self.need(node, "of", "a list").and_then(|of| self.value(of));
        let member = self.need(node, "member", "a list").and_then(|member| self.value(member));
        let name = name?;
        let (holder, property) = self.list_name(&name)?;
        if self.schema.property(property).is_none_or(|property| property.derived.is_some()) {
            self.error("M0004", name.span, format!("`{}` follows from other facts and cannot be stated", name.value));
            return None;
        }
        Some(MemberRule { holder, property, of: of?, member: member? })
    }

    /// Returns the place of a column; `table.column` is one of the joined table.
    fn column(&mut self, name: &str) -> Column {
        if let Some(join) = &mut self.join
            && let Some(column) = name.strip_prefix(&join.name.value).and_then(|rest| rest.strip_prefix('.'))
        {
            return Column::Joined(place(&mut join.columns, column));
        }
        Column::Own(place(&mut self.columns, name))
    }

    fn value(&mut self, node: &Node) -> Option<ValueRule> {
        let parts = Parts::Constant(None);
        let mut rule = ValueRule { parts, last_segment: false, values: BTreeMap::new(), empty: NullMeaning::Unknown };
        if node.text().is_some() {
            let name = self.text(node, "a column")?;
            rule.parts = Parts::Column(self.column(&name.value));
            return Some(rule);
        }
        let mut parts = Vec::new();
        for (key, value) in self.entries(node, "a value", &VALUE_KEYS) {
            match key.value.as_str() {
                "column" => parts.push(self.text(value, "`column`").map(|name| Parts::Column(self.column(&name.value)))),
                "template" => parts.push(self.text(value, "`template`").and_then(|text| self.template(&text))),
                "constant" => parts.push(self.outcome(value).map(Parts::Constant)),
                "values" => {
                    for (from, to) in self.map(value, "`values`") {
                        rule.values.extend(self.outcome(to).map(|to| (from.value.clone(), to)));
                    }
                }
                "part" if value.text() == Some("last_segment") => rule.last_segment = true,
                "part" => self.error("M0003", value.span, "`part` is last_segment"),
                "empty" => match value.text() {
                    Some("none") => rule.empty = NullMeaning::None,
                    Some("unknown") => rule.empty = NullMeaning::Unknown,
                    Some("unread") => rule.empty = NullMeaning::Unread,
                    _ => self.error("M0003", value.span, "`empty` is none, unknown or unread"),
                },
                _ => {}
            }
        }
        if parts.len() != 1 && matches!(node.kind, NodeKind::Map(_)) {
            let span = node.entries().first().map_or(node.span, |(key, _)| key.span);
            self.error("M0005", span, "a value has one of `column`, `template` and `constant`");
        }
        rule.parts = parts.pop()??;
        if rule.parts == Parts::Constant(None) {
            rule.empty = NullMeaning::None;
        }
        Some(rule)
    }

    /// Reads what something means: text, or *none* written without quotes.
    fn outcome(&mut self, node: &Node) -> Option<Option<String>> {
        match &node.kind {
            NodeKind::Text { text, quoted: false } if text == "none" => Some(None),
            NodeKind::Text { text, .. } => Some(Some(text.clone())),
            _ => {
                self.error("M0003", node.span, format!("a single value is wanted here, not {}", node.what()));
                None
            }
        }
    }

    /// Reads text with columns in braces.
    fn template(&mut self, text: &Spanned<String>) -> Option<Parts> {
        let mut pieces = Vec::new();
        let mut rest = text.value.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}').filter(|(name, _)| !name.is_empty() && !name.contains('{')) else {
                self.error("M0003", text.span, "a brace is not closed; a column stands in braces, such as `{id}`");
                return None;
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Column(self.column(name)));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}'))) {
            self.error("M0003", text.span, "a brace is not opened; a column stands in braces, such as `{id}`");
            return None;
        }
        Some(Parts::Template(pieces))
    }
}

/// Returns the place of a name in a list, to which it is added if it is new.
fn place(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

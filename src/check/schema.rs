//! Schema items to a [`Schema`].

use std::collections::BTreeMap;

use regex::Regex;

use crate::model::{
    AliasId, AliasType, Base, DerivedFrom, EntityType, EntityTypeId, EnumId, EnumType, NamedType, Property, PropertyId, Provenance, Schema,
    Type,
};
use crate::syntax::ast;
use crate::text::{Diagnostic, Span, did_you_mean};

/// The most levels of inheritance.
const INHERITED_MAX: usize = 32;

/// What a schema is built from: the module's name and its tree.
pub(super) type Module<'a> = (&'a str, &'a ast::File);

struct Builder<'a> {
    schema: Schema,
    spans: BTreeMap<String, Span>,
    entities: Vec<(&'a ast::Item, &'a ast::Entity)>,
    property_spans: Vec<Span>,
    inverses: Vec<(PropertyId, &'a ast::Ident)>,
    diagnostics: Vec<Diagnostic>,
}

/// Builds the schema of all modules; what is wrong is left out and reported.
pub(super) fn build_schema(modules: &[Module<'_>]) -> (Schema, Vec<Diagnostic>) {
    let mut builder = Builder {
        schema: Schema::default(),
        spans: BTreeMap::new(),
        entities: Vec::new(),
        property_spans: Vec::new(),
        inverses: Vec::new(),
        diagnostics: Vec::new(),
    };
    for (module, file) in modules {
        for item in &file.items {
            builder.declare(module, item);
        }
    }
    builder.resolve_parents();
    builder.add_keys();
    builder.add_properties(modules);
    builder.inherit();
    builder.resolve_inverses();
    builder.resolve_annotations(modules);
    (builder.schema, builder.diagnostics)
}

impl<'a> Builder<'a> {
    fn name(&mut self, name: &ast::Ident, named: NamedType) -> bool {
        if self.schema.named(&name.value).is_some() {
            let mut diagnostic = Diagnostic::error("T0109", name.span, format!("`{}` is declared twice", name.value));
            if let Some(span) = self.spans.get(&name.value) {
                diagnostic = diagnostic.label(*span, "declared here first");
            }
            self.diagnostics.push(diagnostic);
            return false;
        }
        self.schema.names.insert(name.value.clone(), named);
        self.spans.insert(name.value.clone(), name.span);
        true
    }

    fn declare(&mut self, module: &str, item: &'a ast::Item) {
        match &item.kind {
            ast::ItemKind::Enum(e) => self.declare_enum(item, e),
            ast::ItemKind::Type(alias) => self.declare_alias(item, alias),
            ast::ItemKind::Entity(entity) => self.declare_entity(module, item, entity),
            _ => {}
        }
    }

    fn declare_enum(&mut self, item: &ast::Item, e: &ast::Enum) {
        let id = EnumId(count(self.schema.enums.len()));
        if !self.name(&e.name, NamedType::Enum(id)) {
            return;
        }
        let mut values: Vec<String> = Vec::new();
        for (value, _) in &e.values {
            if values.contains(&value.value) {
                self.diagnostics.push(Diagnostic::error("T0109", value.span, format!("`{}` is listed twice", value.value)));
            } else {
                values.push(value.value.clone());
            }
        }
        self.schema.enums.push(EnumType { id, name: e.name.value.clone(), values, docs: item.head.docs.clone() });
    }

    fn declare_alias(&mut self, item: &ast::Item, alias: &ast::TypeAlias) {
        let base = match alias.base.name.value.as_str() {
            "String" => Base::String,
            "Guid" => Base::Guid,
            "ArmId" => Base::ArmId,
            other => {
                let text = format!("a named type stands for String, Guid or ArmId, not `{other}`");
                self.diagnostics.push(Diagnostic::error("T0103", alias.base.span(), text));
                return;
            }
        };
        let pattern = alias.pattern.as_ref().and_then(|pattern| match anchored(&pattern.value) {
            Ok(regex) => Some(regex),
            Err(text) => {
                self.diagnostics.push(Diagnostic::error("T0123", pattern.span, text));
                None
            }
        });
        let id = AliasId(count(self.schema.aliases.len()));
        if self.name(&alias.name, NamedType::Alias(id)) {
            self.schema.aliases.push(AliasType {
                id,
                name: alias.name.value.clone(),
                base,
                pattern,
                pattern_text: alias.pattern.as_ref().map(|pattern| pattern.value.clone()),
                docs: item.head.docs.clone(),
            });
        }
    }

    fn declare_entity(&mut self, module: &str, item: &'a ast::Item, entity: &'a ast::Entity) {
        let id = EntityTypeId(count(self.schema.entities.len()));
        if !self.name(&entity.name, NamedType::Entity(id)) {
            return;
        }
        self.entities.push((item, entity));
        self.schema.entities.push(EntityType {
            id,
            name: entity.name.value.clone(),
            is_abstract: entity.is_abstract,
            parent: None,
            root: id,
            key_name: "id".to_owned(),
            key: Type::of(Base::String),
            properties: BTreeMap::new(),
            source: provenance(&item.head.annotations),
            docs: item.head.docs.clone(),
            module: module.to_owned(),
            lifetime_from: None,
            lifetime_to: None,
        });
    }

    fn resolve_parents(&mut self) {
        for at in 0..self.entities.len() {
            let Some((_, entity)) = self.entities.get(at).copied() else { continue };
            let Some(parent) = &entity.parent else { continue };
            let found = self.schema.entity_named(&parent.name.value).map(|ty| (ty.id, ty.is_abstract));
            match found {
                Some((id, true)) => {
                    if let Some(ty) = self.schema.entities.get_mut(at) {
                        ty.parent = Some(id);
                    }
                }
                Some((_, false)) => self.diagnostics.push(
                    Diagnostic::error(
                        "T0103",
                        parent.span(),
                        format!("`{}` is not abstract, so nothing can inherit from it", parent.name.value),
                    )
                    .help("only abstract entities are inherited from: a fact about a concrete type must not turn out to be about another"),
                ),
                None => self.unknown_type(&parent.name),
            }
        }
        self.resolve_roots();
    }

    fn resolve_roots(&mut self) {
        for at in 0..self.schema.entities.len() {
            let mut root = EntityTypeId(count(at));
            let mut steps = 0;
            let mut endless = false;
            while let Some(parent) = self.schema.entity(root).and_then(|ty| ty.parent) {
                root = parent;
                steps += 1;
                let circular = root.0 as usize == at;
                if circular || steps > INHERITED_MAX {
                    let span = self.entities.get(at).map(|(_, entity)| entity.name.span);
                    let (code, text) = if circular {
                        ("T0112", "this entity inherits from itself".to_owned())
                    } else {
                        ("T0002", format!("entities inherit at most {INHERITED_MAX} levels deep"))
                    };
                    self.diagnostics.extend(span.map(|span| Diagnostic::error(code, span, text)));
                    endless = true;
                    break;
                }
            }
            let circular = endless;
            if let Some(ty) = self.schema.entities.get_mut(at) {
                ty.root = if circular { ty.id } else { root };
                ty.parent = ty.parent.filter(|_| !circular);
            }
        }
    }

    fn add_keys(&mut self) {
        for at in 0..self.entities.len() {
            let Some((_, entity)) = self.entities.get(at).copied() else { continue };
            let Some(ty) = self.schema.entities.get(at).cloned() else { continue };
            let (name, key_type, span) = match (&entity.key, ty.parent) {
                (Some((name, _)), Some(_)) => {
                    let text = format!("`{}` has the key of what it inherits from", ty.name);
                    self.diagnostics.push(Diagnostic::error("T0103", name.span, text));
                    continue;
                }
                (None, Some(_)) => continue,
                (Some((name, key_type)), None) => match self.type_of(key_type) {
                    Some(resolved) if !resolved.set && !resolved.optional && resolved.entity().is_none() => {
                        (name.value.clone(), resolved, name.span)
                    }
                    Some(_) => {
                        self.diagnostics.push(Diagnostic::error("T0103", key_type.span, "a key is a single required scalar"));
                        continue;
                    }
                    None => continue,
                },
                (None, None) => ("id".to_owned(), Type::of(Base::String), entity.name.span),
            };
            let id = self.push_property(ty.id, name.clone(), key_type, span, true);
            if let Some(ty) = self.schema.entities.get_mut(at) {
                ty.key_name.clone_from(&name);
                ty.key = key_type;
                ty.properties.insert(name, id);
            }
        }
    }

    fn push_property(&mut self, owner: EntityTypeId, name: String, ty: Type, span: Span, is_key: bool) -> PropertyId {
        let id = PropertyId(count(self.schema.properties.len()));
        self.property_spans.push(span);
        self.schema.properties.push(Property {
            id,
            owner,
            name,
            ty,
            inverse: None,
            history: false,
            derived: None,
            source: Provenance::default(),
            docs: Vec::new(),
            is_key,
        });
        id
    }

    fn add_properties(&mut self, modules: &[Module<'a>]) {
        for at in 0..self.entities.len() {
            let Some((_, entity)) = self.entities.get(at).copied() else { continue };
            let id = EntityTypeId(count(at));
            self.add_attributes(id, &entity.attributes);
        }
        for item in modules.iter().flat_map(|(_, file)| &file.items) {
            if let ast::ItemKind::Extend(extend) = &item.kind {
                match self.schema.entity_named(&extend.name.name.value).map(|ty| ty.id) {
                    Some(id) => self.add_attributes(id, &extend.attributes),
                    None => self.unknown_type(&extend.name.name),
                }
            }
        }
    }

    fn add_attributes(&mut self, owner: EntityTypeId, attributes: &'a [ast::Attribute]) {
        for attribute in attributes {
            let Some(ty) = self.type_of(&attribute.ty) else { continue };
            let taken = self.schema.entity(owner).is_some_and(|ty| ty.properties.contains_key(&attribute.name.value));
            if taken {
                let text = format!("`{}` has `{}` already", self.schema.entity_name(owner), attribute.name.value);
                self.diagnostics.push(Diagnostic::error("T0109", attribute.name.span, text));
                continue;
            }
            let id = self.push_property(owner, attribute.name.value.clone(), ty, attribute.name.span, false);
            let inherited = self.schema.entity(owner).map(|ty| ty.source.clone());
            let stated = provenance(&attribute.head.annotations);
            if let Some(property) = self.schema.properties.last_mut() {
                property.history = attribute.history;
                property.docs.clone_from(&attribute.head.docs);
                property.source = if stated == Provenance::default() { inherited.unwrap_or(stated) } else { stated };
            }
            if let Some(ty) = self.schema.entities.get_mut(owner.0 as usize) {
                ty.properties.insert(attribute.name.value.clone(), id);
            }
            if let Some(inverse) = &attribute.inverse {
                self.inverses.push((id, inverse));
            }
        }
    }

    /// Copies the properties of abstract types down; a type's own name may not repeat an inherited one.
    fn inherit(&mut self) {
        for at in 0..self.schema.entities.len() {
            let mut gathered: BTreeMap<String, PropertyId> = BTreeMap::new();
            let mut current = self.schema.entities.get(at).and_then(|ty| ty.parent);
            let mut key = None;
            while let Some(ty) = current.and_then(|id| self.schema.entity(id)) {
                for (name, id) in ty.properties.iter().filter(|(_, id)| self.schema.property(**id).is_some_and(|p| p.owner == ty.id)) {
                    gathered.insert(name.clone(), *id);
                }
                key = Some((ty.key_name.clone(), ty.key));
                current = ty.parent;
            }
            let Some(ty) = self.schema.entities.get_mut(at) else { continue };
            if let Some((name, key)) = key {
                ty.key_name = name;
                ty.key = key;
            }
            for (name, id) in gathered {
                if let Some(own) = ty.properties.insert(name.clone(), id)
                    && own != id
                    && let Some(span) = self.property_spans.get(own.0 as usize)
                {
                    let text = format!("`{}` inherits `{name}` already", ty.name);
                    self.diagnostics.push(Diagnostic::error("T0109", *span, text));
                }
            }
        }
    }

    fn resolve_inverses(&mut self) {
        for (id, inverse) in std::mem::take(&mut self.inverses) {
            let Some(property) = self.schema.property(id).cloned() else { continue };
            let other = property.ty.entity().and_then(|ty| self.schema.property_named(ty, &inverse.value)).cloned();
            let fits = other.as_ref().is_some_and(|other| {
                other.ty.entity().is_some_and(|ty| self.schema.is_subtype(property.owner, ty) || self.schema.is_subtype(ty, property.owner))
                    && other.inverse.is_none_or(|back| back == id)
            });
            let (Some(other), true) = (other, fits) else {
                let text = format!("`{}` is not the other side of `{}`", inverse.value, property.name);
                self.diagnostics.push(
                    Diagnostic::error("T0119", inverse.span, text)
                        .help("both sides refer to the entity of the other, and each property has one inverse"),
                );
                continue;
            };
            for (one, two) in [(id, other.id), (other.id, id)] {
                if let Some(slot) = self.schema.properties.get_mut(one.0 as usize) {
                    slot.inverse = Some(two);
                }
            }
        }
    }

    /// `@derived(from:, along:)` on navigations and `@lifetime(from:, to:)` on entities name properties of the same type.
    fn resolve_annotations(&mut self, modules: &[Module<'a>]) {
        for item in modules.iter().flat_map(|(_, file)| &file.items) {
            let (name, attributes) = match &item.kind {
                ast::ItemKind::Entity(entity) => (&entity.name.value, &entity.attributes),
                ast::ItemKind::Extend(extend) => (&extend.name.name.value, &extend.attributes),
                _ => continue,
            };
            let Some(ty) = self.schema.entity_named(name).map(|ty| ty.id) else { continue };
            self.known_annotations(&item.head.annotations, &["source", "lifetime"]);
            let from = self.annotated(ty, &item.head.annotations, "lifetime", "from");
            let to = self.annotated(ty, &item.head.annotations, "lifetime", "to");
            if let Some(entity) = self.schema.entities.get_mut(ty.0 as usize) {
                entity.lifetime_from = from.or(entity.lifetime_from);
                entity.lifetime_to = to.or(entity.lifetime_to);
            }
            for attribute in attributes {
                self.known_annotations(&attribute.head.annotations, &["source", "derived"]);
                let from = self.annotated(ty, &attribute.head.annotations, "derived", "from");
                let along = self.annotated(ty, &attribute.head.annotations, "derived", "along");
                let id = self.schema.property_named(ty, &attribute.name.value).map(|property| property.id);
                if let (Some(from), Some(along), Some(id)) = (from, along, id)
                    && let Some(property) = self.schema.properties.get_mut(id.0 as usize)
                {
                    property.derived = Some(DerivedFrom { from, along });
                }
            }
        }
    }

    fn known_annotations(&mut self, annotations: &[ast::Annotation], known: &[&str]) {
        for annotation in annotations {
            if !known.contains(&annotation.name.value.as_str()) {
                let text = format!("there is no annotation `@{}` here", annotation.name.value);
                let help = did_you_mean(&annotation.name.value, known.iter().copied()).map(|near| format!("did you mean `@{near}`?"));
                self.diagnostics.push(Diagnostic::error("T0101", annotation.name.span, text).maybe_help(help));
            }
        }
    }

    fn annotated(&mut self, ty: EntityTypeId, annotations: &[ast::Annotation], name: &str, key: &str) -> Option<PropertyId> {
        let annotation = annotations.iter().find(|annotation| annotation.name.value == name)?;
        let (_, value) = annotation.args.iter().find(|(known, _)| known.as_ref().is_some_and(|known| known.value == key))?;
        let found = self.schema.property_named(ty, &value.value).map(|property| property.id);
        if found.is_none() {
            let text = format!("`{}` has no property `{}`", self.schema.entity_name(ty), value.value);
            self.diagnostics.push(Diagnostic::error("T0102", value.span, text));
        }
        found
    }

    fn type_of(&mut self, ty: &ast::TypeExpr) -> Option<Type> {
        let found = resolve_type(&self.schema, ty);
        if let Err(diagnostic) = found {
            self.diagnostics.push(diagnostic);
            return None;
        }
        found.ok()
    }

    fn unknown_type(&mut self, name: &ast::Ident) {
        let diagnostic = unknown_type(&self.schema, name);
        self.diagnostics.push(diagnostic);
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn provenance(annotations: &[ast::Annotation]) -> Provenance {
    let source = annotations.iter().find(|annotation| annotation.name.value == "source");
    let arg = |key: &str| {
        let args = source.map_or(&[][..], |annotation| &annotation.args);
        let found = args.iter().find(|(known, _)| known.as_ref().is_some_and(|known| known.value == key));
        found.map(|(_, value)| value.value.clone())
    };
    Provenance { api: arg("api"), permission: arg("permission"), register: arg("register") }
}

/// Compiles a pattern that must match the whole text; compiled programs are limited to 1 MiB.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("not a regular expression: {}", error.to_string().lines().last().unwrap_or("").trim()))
}

/// Resolves a type as written.
pub(super) fn resolve_type(schema: &Schema, ty: &ast::TypeExpr) -> Result<Type, Diagnostic> {
    let Some(named) = schema.named(&ty.name.name.value) else { return Err(unknown_type(schema, &ty.name.name)) };
    let (base, alias) = match named {
        NamedType::Builtin(base) => (base, None),
        NamedType::Enum(id) => (Base::Enum(id), None),
        NamedType::Entity(id) => (Base::Entity(id), None),
        NamedType::Alias(id) => (schema.alias(id).map_or(Base::String, |alias| alias.base), Some(id)),
    };
    if ty.set && ty.optional {
        return Err(Diagnostic::error("T0103", ty.span, "a set is never none; an empty set says as much"));
    }
    Ok(Type { base, alias, optional: ty.optional, set: ty.set })
}

fn unknown_type(schema: &Schema, name: &ast::Ident) -> Diagnostic {
    let builtin = ["Bool", "Int", "String", "Instant", "Date", "Duration", "Guid", "ArmId"];
    let names = schema.names.keys().map(String::as_str).chain(builtin);
    let help = did_you_mean(&name.value, names).map(|near| format!("did you mean `{near}`?"));
    Diagnostic::error("T0116", name.span, format!("there is no type `{}`", name.value)).maybe_help(help)
}

//! Rows checked against the schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::attest::{self, Evidence};
use super::fill::claims::{self, ReadyClaim};
use super::{Cell, CellValue, RegisterDeclaration, RegisterForm, RegisterText, Row};
use crate::model::{
    Attestation, Base, EntityType, FactSource, Property, Schema, SourceKind, Type, Value, ValueError, canonical_key, parse_scalar,
};
use crate::snapshot::SnapshotBuilder;
use crate::sources::disk::hex;
use crate::text::{Diagnostic, FileId, SourceSet, Span, did_you_mean};

/// A register without errors: ready to be filled in.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) rows: Vec<ReadyRow>,
    pub(super) claims: Vec<ReadyClaim>,
    pub(super) evidence: Vec<Evidence>,
}

/// A row that fits the schema.
#[derive(Debug)]
pub(super) struct ReadyRow {
    pub(super) id: EntityRef,
    pub(super) facts: Vec<Fact>,
    pub(super) source: FactSource,
    pub(super) span: Span,
}

/// An entity by type and canonical key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntityRef {
    pub(super) entity: String,
    pub(super) key: String,
}

/// One fact, mostly of the row's own entity.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) of: EntityRef,
    pub(super) property: String,
    pub(super) state: State,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Unknown(String),
    None,
    Value(Value),
    Refers(EntityRef),
    Members(Vec<State>),
}

/// Other names of properties, by entity type.
const ALIASES: [(&str, &str, &str); 20] = [
    ("Designation", "designated_on", "designated_at"),
    ("Designation", "valid_from", "designated_at"),
    ("Designation", "removed_on", "removed_at"),
    ("Designation", "valid_to", "removed_at"),
    ("Designation", "agreement", "agreement_then"),
    ("Designation", "subscription_id", "subscription"),
    ("PartnerLink", "linked_on", "linked_at"),
    ("PartnerLink", "tenant_id", "tenant"),
    ("PartnerLink", "principal", "identity"),
    ("Partner", "name", "display_name"),
    ("Partner", "partner_name", "display_name"),
    ("Partner", "tenant_id", "tenant"),
    ("AccessReview", "completed_on", "completed_at"),
    ("AccessReview", "next_due", "next_due_at"),
    ("AccessReview", "next_due_on", "next_due_at"),
    ("User", "reviewed_on", "last_reviewed_at"),
    ("Subscription", "acquired_on", "acquired_at"),
    ("Subscription", "name", "display_name"),
    ("Principal", "name", "display_name"),
    ("User", "name", "display_name"),
];

/// Other names of keys, by entity type.
const KEY_ALIASES: [(&str, &str); 8] = [
    ("Partner", "partner_id"),
    ("Subscription", "subscription"),
    ("Subscription", "subscription_id"),
    ("Principal", "principal"),
    ("User", "principal"),
    ("User", "user"),
    ("Group", "principal"),
    ("ServicePrincipal", "principal"),
];

/// Columns that are read beside the properties, by entity type.
const EXTRAS: [(&str, &str); 6] = [
    ("Designation", "service"),
    ("Designation", "designated_by_upn"),
    ("Designation", "partner_name"),
    ("Designation", "tenant_id"),
    ("PartnerLink", "identity_type"),
    ("PartnerLink", "partner_name"),
];

/// What makes a row without an id the same row again, by entity type.
const IDENTITIES: [(&str, &[&str]); 3] = [
    ("Designation", &["subscription", "mechanism", "partner_id", "designated_at"]),
    ("PartnerLink", &["identity", "tenant", "partner_id"]),
    ("AccessReview", &["subject", "completed_at"]),
];

/// Checks all rows and claims. What is wrong is added to `diagnostics`; the result counts only if no error is there.
pub(super) fn check(
    builder: &mut SnapshotBuilder,
    declaration: &RegisterDeclaration,
    sources: &SourceSet,
    file: FileId,
    parsed: &RegisterText,
    diagnostics: &mut Vec<Diagnostic>,
) -> Checked {
    let schema = Arc::clone(builder.schema());
    let mut checked = Checked::default();
    let Some(entity) = schema.entity_named(declaration.form.entity()) else {
        let names: Vec<&str> = schema.entities.iter().map(|entity| entity.name.as_str()).collect();
        let message = format!("the register fills `{}`, and there is no such entity type", declaration.form.entity());
        let help = did_you_mean(declaration.form.entity(), names).map(|near| format!("did you mean `{near}`?"));
        diagnostics.push(Diagnostic::error("R0013", Span::new(file, 0, 0), message).maybe_help(help));
        return checked;
    };
    let meta = builder.meta_mut();
    let mut checker = Checker {
        schema: &schema,
        declaration,
        tenant: meta.tenant.clone(),
        sources,
        diagnostics,
        evidence: Vec::new(),
        attestations: BTreeMap::new(),
    };
    for row in &parsed.rows {
        checked.rows.extend(checker.row(row, entity, &parsed.defaults));
    }
    checker.contradictions(&mut checked.rows);
    checked.evidence = std::mem::take(&mut checker.evidence);
    let captured_to = meta.captured_to;
    checked.claims = claims::check(&mut checker, entity, parsed, &checked.rows, captured_to);
    checked
}

/// What the checks of one register share.
pub(super) struct Checker<'a> {
    pub(super) schema: &'a Schema,
    pub(super) declaration: &'a RegisterDeclaration,
    pub(super) tenant: Option<String>,
    pub(super) sources: &'a SourceSet,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    evidence: Vec<Evidence>,
    /// How often a row of an id came before.
    attestations: BTreeMap<String, usize>,
}

/// What a column says.
enum Column {
    Key,
    Beside,
    Property(Box<Property>),
}

impl Checker<'_> {
    pub(super) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, message));
    }

    fn row(&mut self, row: &Row, declared: &EntityType, defaults: &[Cell]) -> Option<ReadyRow> {
        let row = &Row { span: row.span, cells: row.cells.iter().map(|cell| Cell { name: fold(&cell.name), ..cell.clone() }).collect() };
        let entity = self.entity_of(row, declared)?;
        let service = cell(row, "service").and_then(text).map(str::to_owned);
        let mut key = None;
        let mut states: BTreeMap<String, (State, Span)> = BTreeMap::new();
        let mut sound = true;
        for cell in &row.cells {
            match self.column(&entity, cell) {
                None => sound = false,
                Some(Column::Beside) => {}
                Some(Column::Key) if key.is_some() => {
                    self.error("R0004", cell.name_span, format!("`{}` names the row a second time", cell.name));
                    sound = false;
                }
                Some(Column::Key) => key = Some(cell),
                Some(Column::Property(property)) => match self.state(&property, cell, service.as_deref()) {
                    None => sound = false,
                    Some(state) => {
                        if let Some((_, first)) = states.insert(property.name.clone(), (state, cell.span)) {
                            let twice = Diagnostic::error(
                                "R0004",
                                cell.name_span,
                                format!("`{}` says `{}` a second time", cell.name, property.name),
                            );
                            self.diagnostics.push(twice.label(first, "first said here"));
                            sound = false;
                        }
                    }
                },
            }
        }
        sound &= self.same_tenant(row, &entity);
        self.fill_in(&entity, &mut states, row.span);
        let (attestation, evidence) = attest::attestation(row, defaults, self.declaration, self.diagnostics);
        self.evidence.extend(evidence);
        let key = self.key(row, &entity, key, &states, service.as_deref())?;
        if !sound {
            return None;
        }
        let id = EntityRef { entity: entity.name.clone(), key };
        let mut facts: Vec<Fact> =
            states.into_iter().map(|(property, (state, span))| Fact { of: id.clone(), property, state, span }).collect();
        self.beside(row, &id, service.as_deref(), &mut facts);
        let source = self.attest(row, &id, attestation?, &mut facts);
        self.warn_open_end(&id, &facts, row);
        Some(ReadyRow { id, facts, source, span: row.span })
    }

    /// Returns the type of a row: the declared one, or a subtype that the column `type` names.
    fn entity_of(&mut self, row: &Row, declared: &EntityType) -> Option<EntityType> {
        let is_user_review = || ["user", "principal", "reviewed_on", "last_reviewed_at"].iter().any(|name| cell(row, name).is_some());
        if self.declaration.form == RegisterForm::Reviews && is_user_review() {
            return self.schema.entity_named("User").cloned();
        }
        let Some(named) = cell(row, "type").filter(|_| has_subtypes(self.schema, declared)) else { return Some(declared.clone()) };
        let Some(name) = text(named) else { return Some(declared.clone()) };
        let below: Vec<&EntityType> = self.schema.subtypes(declared.id).collect();
        let wanted = fold(name).replace('_', "");
        let found = below.iter().find(|entity| entity.name.to_lowercase() == wanted).map(|entity| (*entity).clone());
        if found.is_none() {
            let names: Vec<&str> = below.iter().filter(|entity| !entity.is_abstract).map(|entity| entity.name.as_str()).collect();
            let message = format!("`{name}` is no kind of {}; there are {}", declared.name, names.join(", "));
            let help = did_you_mean(name, names).map(|near| format!("did you mean `{near}`?"));
            self.diagnostics.push(Diagnostic::error("R0006", named.span, message).maybe_help(help));
        }
        found
    }

    fn column(&mut self, entity: &EntityType, cell: &Cell) -> Option<Column> {
        let name = cell.name.as_str();
        if KEY_ALIASES.contains(&(entity.name.as_str(), name)) || name == "id" || name == entity.key_name {
            return Some(Column::Key);
        }
        if attest::COLUMNS.contains(&name) || EXTRAS.contains(&(entity.name.as_str(), name)) {
            return Some(Column::Beside);
        }
        let alias = ALIASES.iter().find(|(of, alias, _)| *of == entity.name && *alias == name).map_or(name, |(_, _, property)| property);
        if let Some(property) = self.schema.property_named(entity.id, alias) {
            return Some(Column::Property(Box::new(property.clone())));
        }
        if name == "type" && (has_subtypes(self.schema, entity) || entity.parent.is_some()) {
            return Some(Column::Beside);
        }
        let own = entity.properties.keys().map(String::as_str);
        let aliases = ALIASES.iter().filter(|(of, ..)| *of == entity.name).map(|(_, alias, _)| *alias);
        let extras = EXTRAS.iter().filter(|(of, _)| *of == entity.name).map(|(_, name)| *name);
        let near = did_you_mean(name, own.chain(aliases).chain(extras).chain(attest::COLUMNS));
        let error = Diagnostic::error("R0004", cell.name_span, format!("{} has no column `{name}`", entity.name));
        self.diagnostics.push(error.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
        None
    }

    fn state(&mut self, property: &Property, cell: &Cell, service: Option<&str>) -> Option<State> {
        match &cell.value {
            CellValue::Blank => Some(State::Unknown("the cell is blank".to_owned())),
            CellValue::None if property.ty.set => Some(State::Members(Vec::new())),
            CellValue::None if property.ty.optional => Some(State::None),
            CellValue::None => {
                let error = Diagnostic::error("R0006", cell.span, format!("`{}` always has a value, so it cannot be none", cell.name));
                self.diagnostics.push(error.help("leave the cell blank if the value is not known"));
                None
            }
            CellValue::Text(text) if property.ty.set => {
                let members = text.split(';').map(str::trim).filter(|text| !text.is_empty());
                members.map(|text| self.value(property.ty, text, cell.span, None)).collect::<Option<_>>().map(State::Members)
            }
            CellValue::Text(text) => self.value(property.ty, text, cell.span, service),
            CellValue::List(items) if property.ty.set => {
                items.iter().map(|item| self.value(property.ty, &item.value, item.span, None)).collect::<Option<_>>().map(State::Members)
            }
            CellValue::List(_) => {
                self.error("R0006", cell.span, format!("`{}` is a single value, not a list", cell.name));
                None
            }
        }
    }

    fn value(&mut self, ty: Type, text: &str, span: Span, service: Option<&str>) -> Option<State> {
        if let Some(target) = ty.entity().and_then(|id| self.schema.entity(id)) {
            let key = self.entity_key(target, text, span, service)?;
            return Some(State::Refers(EntityRef { entity: target.name.clone(), key }));
        }
        self.warn_shape(ty.base, text, span);
        match parse_scalar(self.schema, ty.member(), service_name(self.schema, ty, text)) {
            Ok(value) => Some(State::Value(value)),
            Err(ValueError::Unset) => {
                self.error("R0006", span, format!("`{text}` is a date of year 0001, which services write for none"));
                None
            }
            Err(ValueError::Misfit(reason)) => {
                let values = match ty.base {
                    Base::Enum(id) => self.schema.enumeration(id).map(|e| e.values.clone()).unwrap_or_default(),
                    _ => Vec::new(),
                };
                let near = did_you_mean(text, values.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                let listed = (!values.is_empty()).then(|| format!("write one of {}", values.join(", ")));
                self.diagnostics.push(Diagnostic::error("R0006", span, reason).maybe_help(listed).maybe_help(near));
                None
            }
        }
    }

    /// Returns the canonical key a text means; a bare id of a subscription becomes its ARM id.
    pub(super) fn entity_key(&mut self, target: &EntityType, text: &str, span: Span, service: Option<&str>) -> Option<String> {
        let is_subscription = target.name == "Subscription";
        if is_subscription && !text.trim().starts_with('/') {
            self.warn_shape(Base::Guid, text, span);
        } else {
            self.warn_shape(target.key.base, text, span);
        }
        let text = if is_subscription { subscription_id(text, service) } else { text.to_owned() };
        let key = canonical_key(target.key.base, &text);
        if key.is_empty() || key == "/" && target.name != "RootScope" {
            self.error("R0006", span, format!("`{text}` cannot identify a {}", target.name));
            return None;
        }
        if let Err(ValueError::Misfit(reason)) = parse_scalar(self.schema, target.key, &key) {
            self.error("R0006", span, reason);
            return None;
        }
        Some(key)
    }

    /// A slip in an id is the likeliest error of all, and would tie the row to something that is not there.
    fn warn_shape(&mut self, base: Base, text: &str, span: Span) {
        if base == Base::Guid && !crate::model::is_guid(text.trim()) {
            self.diagnostics.push(Diagnostic::warning("R0012", span, format!("`{text}` does not look like a GUID")));
        }
    }

    fn same_tenant(&mut self, row: &Row, entity: &EntityType) -> bool {
        let Some(stated) = cell(row, "tenant_id").filter(|_| entity.name == "Designation") else { return true };
        let (Some(tenant), Some(id)) = (&self.tenant, text(stated)) else { return true };
        let same = canonical_key(Base::Guid, id) == canonical_key(Base::Guid, tenant);
        if !same {
            let message = format!("the row is about the tenant {id}, and the snapshot about {tenant}");
            self.error("R0014", stated.span, message);
        }
        same
    }

    /// States what follows from other cells, and that required facts left out are unknown.
    fn fill_in(&mut self, entity: &EntityType, states: &mut BTreeMap<String, (State, Span)>, span: Span) {
        let has = |name: &str| self.schema.property_named(entity.id, name).is_some();
        if entity.name == "PartnerLink"
            && !states.contains_key("tenant")
            && let Some(tenant) = &self.tenant
        {
            states.insert("tenant".to_owned(), (State::Value(Value::text(canonical_key(Base::Guid, tenant))), span));
        }
        if has("partner_id") && has("partner") && !states.contains_key("partner") {
            let partner = match states.get("partner_id") {
                Some((State::Value(Value::Text(id)), at)) => {
                    Some((State::Refers(EntityRef { entity: "Partner".to_owned(), key: id.to_string() }), *at))
                }
                Some((other, at)) => Some((other.clone(), *at)),
                None => None,
            };
            states.extend(partner.map(|partner| ("partner".to_owned(), partner)));
        }
        if !self.owns(entity) {
            return;
        }
        for (name, id) in &entity.properties {
            let required = self.schema.property(*id).is_some_and(|property| !property.ty.optional && !property.ty.set && !property.is_key);
            if required && !states.contains_key(name) {
                states.insert(name.clone(), (State::Unknown("the register does not say".to_owned()), span));
            }
        }
    }

    /// Tells whether registers list the entities of a type, or only add to what services list.
    pub(super) fn owns(&self, entity: &EntityType) -> bool {
        match self.declaration.form {
            RegisterForm::Principals | RegisterForm::Subscriptions => false,
            RegisterForm::Entity(_) => entity.source.register.is_some() || entity.source.api.is_none() && !entity.is_abstract,
            _ => entity.name == self.declaration.form.entity(),
        }
    }

    fn key(
        &mut self,
        row: &Row,
        entity: &EntityType,
        cell: Option<&Cell>,
        states: &BTreeMap<String, (State, Span)>,
        service: Option<&str>,
    ) -> Option<String> {
        match cell {
            Some(Cell { value: CellValue::Text(text), span, .. }) => return self.entity_key(entity, text, *span, service),
            Some(Cell { value: CellValue::List(_) | CellValue::None, span, .. }) => {
                self.error("R0005", *span, "this cannot be the id of a row");
                return None;
            }
            Some(Cell { value: CellValue::Blank, .. }) | None => {}
        }
        if entity.key.base != Base::String || entity.key.alias.is_some() {
            let message = format!("the row does not say which {} it is about: `{}` is missing", entity.name, entity.key_name);
            self.error("R0005", row.span, message);
            return None;
        }
        let wanted = IDENTITIES.iter().find(|(of, _)| *of == entity.name).map(|(_, names)| *names);
        let mut digest = Sha256::new();
        for (name, (state, _)) in states.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(&name.as_str()))) {
            digest.update(format!("{name}={}\n", self.show(state)));
        }
        let digest = hex(&digest.finalize());
        Some(format!("{}-{}", self.declaration.name, digest.get(..16).unwrap_or(&digest)))
    }

    fn show(&self, state: &State) -> String {
        match state {
            State::Unknown(_) => "unknown".to_owned(),
            State::None => "none".to_owned(),
            State::Value(value) => value.display(self.schema),
            State::Refers(target) => target.key.clone(),
            State::Members(members) => members.iter().map(|member| self.show(member)).collect::<Vec<_>>().join(";"),
        }
    }

    /// Reads the columns that say something of another entity.
    fn beside(&mut self, row: &Row, id: &EntityRef, service: Option<&str>, facts: &mut Vec<Fact>) {
        let refers = |facts: &[Fact], name: &str| {
            facts.iter().find(|fact| fact.property == name).and_then(|fact| match &fact.state {
                State::Refers(target) => Some(target.clone()),
                _ => None,
            })
        };
        let own = |name: &str| EXTRAS.contains(&(id.entity.as_str(), name)).then(|| cell(row, name)).flatten();
        if let (Some(cell), Some(partner)) = (own("partner_name"), refers(facts, "partner"))
            && let Some(name) = text(cell)
        {
            facts.push(Fact { of: partner, property: "display_name".to_owned(), state: State::Value(Value::text(name)), span: cell.span });
        }
        if let (Some(cell), Some(subscription), Some(service)) = (own("service"), refers(facts, "subscription"), service)
            && let Some(property) = self.schema.entity_named("Subscription").and_then(|ty| self.schema.property_named(ty.id, "service"))
            && let Some(state) = self.value(property.ty, service, cell.span, None)
        {
            facts.push(Fact { of: subscription, property: "service".to_owned(), state, span: cell.span });
        }
        if let Some(cell) = own("designated_by_upn")
            && let Some(name) = text(cell)
        {
            self.designator(name, cell.span, id, facts);
        }
        if let Some(cell) = own("identity_type") {
            self.refine(cell, facts);
        }
    }

    /// Only people have a user principal name, so the designator is a user.
    fn designator(&mut self, name: &str, span: Span, id: &EntityRef, facts: &mut Vec<Fact>) {
        let has_user = self.schema.entity_named("User").is_some_and(|user| user.properties.contains_key("user_principal_name"));
        let Some(fact) = facts.iter_mut().find(|fact| fact.property == "designated_by") else {
            let state = State::Unknown(format!("only the name {name} is stated, not the object id"));
            facts.push(Fact { of: id.clone(), property: "designated_by".to_owned(), state, span });
            return;
        };
        match &mut fact.state {
            State::Unknown(reason) => *reason = format!("only the name {name} is stated, not the object id"),
            State::Refers(person) if has_user => {
                "User".clone_into(&mut person.entity);
                let of = person.clone();
                facts.push(Fact { of, property: "user_principal_name".to_owned(), state: State::Value(Value::text(name)), span });
            }
            State::None => self.error("R0007", span, format!("`designated_by` is none, and `designated_by_upn` is {name}")),
            _ => {}
        }
    }

    /// Takes over the type of an identity: `user`, `servicePrincipal`.
    fn refine(&mut self, cell: &Cell, facts: &mut [Fact]) {
        let Some(name) = text(cell) else { return };
        let wanted = fold(name).replace('_', "");
        let principal = self.schema.entity_named("Principal").map(|entity| entity.id);
        let found = principal.and_then(|id| self.schema.subtypes(id).find(|entity| entity.name.to_lowercase() == wanted));
        match found {
            Some(entity) => {
                for fact in facts.iter_mut().filter(|fact| fact.property == "identity") {
                    if let State::Refers(target) = &mut fact.state {
                        target.entity.clone_from(&entity.name);
                    }
                }
            }
            None => self.error("R0006", cell.span, format!("`{name}` is no kind of Principal")),
        }
    }

    /// Makes the source of a row, and the facts of the attestation itself.
    fn attest(&mut self, row: &Row, id: &EntityRef, attestation: Attestation, facts: &mut Vec<Fact>) -> FactSource {
        let base = format!("{}:{}", self.declaration.name, id.key);
        let n = self.attestations.entry(base.clone()).and_modify(|n| *n += 1).or_insert(1);
        let key = if *n == 1 { base } else { format!("{base}#{n}") };
        let attestation = Attestation { id: key.clone(), ..attestation };
        if let Some(entity) = self.schema.entity_named("Attestation") {
            let of = EntityRef { entity: entity.name.clone(), key };
            let optional = |text: &Option<String>| text.as_ref().map_or(State::None, |text| State::Value(Value::text(text)));
            let time = |at: Option<jiff::Timestamp>| at.map_or(State::None, |at| State::Value(Value::Instant(at)));
            for (property, state) in [
                ("attested_by", State::Value(Value::text(&attestation.attested_by))),
                ("attested_at", time(attestation.attested_at)),
                ("review_due_at", time(attestation.review_due_at)),
                ("evidence_file", optional(&attestation.evidence_file)),
                ("evidence_hash", optional(&attestation.evidence_hash)),
            ] {
                facts.push(Fact { of: of.clone(), property: property.to_owned(), state, span: row.span });
            }
            let own = self.schema.entity_named(&id.entity).and_then(|own| self.schema.property_named(own.id, "attestation"));
            if own.is_some_and(|property| property.ty.entity() == Some(entity.id)) {
                facts.retain(|fact| fact.of != *id || fact.property != "attestation");
                facts.push(Fact { of: id.clone(), property: "attestation".to_owned(), state: State::Refers(of), span: row.span });
            }
        }
        self.source(row.span, Some(attestation))
    }

    pub(super) fn source(&self, span: Span, attestation: Option<Attestation>) -> FactSource {
        let file = self.sources.get(span.file);
        let location = file.map(|file| format!("{}:{}", file.name, file.line_column(span.start).0));
        FactSource { location, attestation, ..FactSource::new(SourceKind::Register, self.declaration.name.clone()) }
    }

    /// A designation whose end is not known is neither live nor over, which is seldom what the author means.
    fn warn_open_end(&mut self, id: &EntityRef, facts: &[Fact], row: &Row) {
        let removed = facts.iter().find(|fact| fact.of == *id && fact.property == "removed_at");
        let is_open = removed.is_none_or(|fact| matches!(fact.state, State::Unknown(_)));
        if id.entity == "Designation" && is_open {
            let span = removed.map_or(row.span, |fact| fact.span);
            let warning = Diagnostic::warning("R0015", span, "it is not known whether this designation was removed");
            self.diagnostics.push(warning.help("write `removed_on: none` if it is still in force"));
        }
    }

    /// Finds rows that contradict each other, and drops rows that only repeat an earlier one.
    fn contradictions(&mut self, rows: &mut Vec<ReadyRow>) {
        let mut first: BTreeMap<(u32, String), usize> = BTreeMap::new();
        let mut starts: BTreeMap<String, usize> = BTreeMap::new();
        let mut keep = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let root = self.schema.entity_named(&row.id.entity).map_or(u32::MAX, |entity| entity.root.0);
            let earlier = *first.entry((root, row.id.key.clone())).or_insert(at);
            let known = rows.get(earlier).filter(|_| earlier != at);
            keep.push(known.is_none_or(|known| self.compare(known, row)));
            if known.is_none() && row.id.entity == "Designation" {
                self.one_partner_a_start(rows, row, at, &mut starts);
            }
        }
        let mut keep = keep.into_iter();
        rows.retain(|_| keep.next().unwrap_or(true));
    }

    /// Compares two rows of one id; returns whether the later one adds anything.
    fn compare(&mut self, known: &ReadyRow, row: &ReadyRow) -> bool {
        let own = |row: &ReadyRow| -> BTreeMap<String, (State, Span)> {
            let facts = row.facts.iter().filter(|fact| fact.of.key == row.id.key && fact.property != "attestation");
            facts.map(|fact| (fact.property.clone(), (fact.state.clone(), fact.span))).collect()
        };
        let (known_facts, facts) = (own(known), own(row));
        let mut same = facts.len() == known_facts.len();
        for (property, (state, span)) in &facts {
            let Some((other, other_span)) = known_facts.get(property) else {
                same = false;
                continue;
            };
            let differ = state != other;
            same &= !differ;
            if differ && ![state, other].iter().any(|state| matches!(state, State::Unknown(_))) {
                let message = format!(
                    "two rows about {} contradict each other: `{property}` is {} here and {} above",
                    row.id.key,
                    self.show(state),
                    self.show(other)
                );
                self.diagnostics.push(Diagnostic::error("R0007", *span, message).label(*other_span, "the other row"));
            }
        }
        if same {
            let repeated = Diagnostic::warning("R0008", row.span, format!("this row repeats an earlier one about {}", row.id.key));
            self.diagnostics.push(repeated.label(known.span, "the earlier row"));
        }
        !same
    }

    fn one_partner_a_start(&mut self, rows: &[ReadyRow], row: &ReadyRow, at: usize, starts: &mut BTreeMap<String, usize>) {
        let value = |row: &ReadyRow, name: &str| {
            let fact = row.facts.iter().find(|fact| fact.of == row.id && fact.property == name);
            fact.filter(|fact| matches!(fact.state, State::Value(_) | State::Refers(_))).map(|fact| (self.show(&fact.state), fact.span))
        };
        let names = ["subscription", "mechanism", "designated_at"];
        let Some(start) = names.iter().map(|name| Some(value(row, name)?.0)).collect::<Option<Vec<_>>>() else { return };
        let earlier = *starts.entry(start.join(" ")).or_insert(at);
        let Some(known) = rows.get(earlier).filter(|_| earlier != at) else { return };
        if let (Some((partner, span)), Some((other, other_span))) = (value(row, "partner_id"), value(known, "partner_id"))
            && partner != other
        {
            let message =
                format!("two rows name different partners for {} from the same instant: {partner} here and {other} above", start.join(" "));
            self.diagnostics.push(Diagnostic::error("R0007", span, message).label(other_span, "the other row"));
        }
    }
}

/// Folds the spelling of a column's name: `Attested On` is `attested_on`.
fn fold(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

fn cell<'r>(row: &'r Row, name: &str) -> Option<&'r Cell> {
    row.cells.iter().find(|cell| cell.name == name)
}

fn text(cell: &Cell) -> Option<&str> {
    match &cell.value {
        CellValue::Text(text) => Some(text),
        _ => None,
    }
}

fn has_subtypes(schema: &Schema, entity: &EntityType) -> bool {
    schema.subtypes(entity.id).nth(1).is_some()
}

/// Returns the name the schema has for a service that people write in short.
fn service_name<'t>(schema: &Schema, ty: Type, text: &'t str) -> &'t str {
    let is_service = matches!(ty.base, Base::Enum(id) if schema.enumeration(id).is_some_and(|e| e.name == "Service"));
    match text.trim().to_lowercase().as_str() {
        "m365" | "office365" | "o365" if is_service => "Microsoft365",
        "d365" if is_service => "Dynamics365",
        "ems" if is_service => "EnterpriseMobility",
        _ => text,
    }
}

/// Returns the ARM id of a subscription; licence subscriptions have none and get one of our own.
fn subscription_id(text: &str, service: Option<&str>) -> String {
    let text = text.trim();
    match service.map(|service| service.trim().to_lowercase()) {
        _ if text.starts_with('/') => text.to_owned(),
        None => format!("/subscriptions/{text}"),
        Some(service) if service == "azure" || service.is_empty() => format!("/subscriptions/{text}"),
        Some(_) => format!("/commercesubscriptions/{text}"),
    }
}

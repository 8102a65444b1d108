//! What decoders work on: the builder, the origin of the facts at hand, and conclusions left for the end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{Fields, ImportOptions};
use crate::model::{
    Base, Completeness, FactSource, Interval, SourceId, SourceKind, canonical_arm_id, canonical_guid, parent_path, parse_instant,
};
use crate::snapshot::{BuildError, Handle, SnapshotBuilder};
use crate::sources::arm::activity_log::{About, Doubts, Event};

/// Why an object was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Refusal(pub(in crate::sources) String);

impl Refusal {
    pub(in crate::sources) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        Self(error.to_string())
    }
}

/// What a decoder answers.
pub(in crate::sources) type Taken = Result<(), Refusal>;

/// Where the facts at hand come from.
#[derive(Debug, Clone, Default)]
pub(in crate::sources) struct Origin {
    pub(in crate::sources) file: String,
    pub(in crate::sources) request: Option<String>,
    pub(in crate::sources) read_at: Option<Timestamp>,
    /// What an absent `condition` means: that there is none, or that the export does not say.
    pub(in crate::sources) says_conditions: bool,
    /// Whether the objects come from the list of deleted ones.
    pub(in crate::sources) deleted: bool,
    /// The customer whose objects were asked for at Partner Center.
    pub(in crate::sources) customer: Option<String>,
    /// Whether Partner Center was asked for the account of whoever is signed in.
    pub(in crate::sources) own_profile: bool,
}

/// What can be said only when all files are read.
#[derive(Debug, Default)]
pub(in crate::sources) struct Later {
    /// When a subscription was acquired, by rank of the source.
    pub(in crate::sources) acquired: BTreeMap<Handle, BTreeSet<(u8, String, SourceId)>>,
    /// Whether a role assignment has a condition, as each source says.
    pub(in crate::sources) conditions: BTreeMap<Handle, BTreeSet<(Condition, SourceId)>>,
    /// The text of conditions.
    pub(in crate::sources) condition_texts: BTreeSet<(Handle, String, SourceId)>,
    /// Lighthouse definitions by id.
    pub(in crate::sources) definitions: BTreeMap<String, Vec<(Value, SourceId)>>,
    /// Lighthouse assignments and the id of their definition.
    pub(in crate::sources) delegations: BTreeSet<(Handle, String)>,
    /// Directories said to be the one the files describe.
    pub(in crate::sources) home: BTreeSet<String>,
    /// What belongs to the home directory, with the attribute that says so.
    pub(in crate::sources) residents: BTreeSet<(Handle, &'static str, SourceId)>,
    /// Names of customers, by tenant and attribute, where nothing better tells them.
    pub(in crate::sources) customer_names: BTreeSet<(Handle, &'static str, String, SourceId)>,
    /// Settings of the home directory.
    pub(in crate::sources) settings: Vec<(Value, SourceId)>,
    /// Template ids of directory roles by object id.
    pub(in crate::sources) role_templates: BTreeMap<String, String>,
    /// Who holds a directory role, by the object id of the role.
    pub(in crate::sources) role_members: Vec<(String, Handle, SourceId)>,
    /// Principals that were read, or proved deleted.
    pub(in crate::sources) settled: BTreeSet<Handle>,
    /// Principals that may live in another directory.
    pub(in crate::sources) foreign: BTreeSet<Handle>,
    /// Lists of the whole directory that are whole.
    pub(in crate::sources) whole: BTreeMap<super::ListKind, SourceId>,
    /// Why lists of the whole directory are open.
    pub(in crate::sources) open: BTreeMap<super::ListKind, String>,
    /// All scopes by key, once all files are read.
    scopes: BTreeMap<String, Handle>,
    /// The source that stands for the user's word.
    user: Option<SourceId>,
    /// Management groups that are the root of their directory.
    pub(in crate::sources) roots: BTreeSet<Handle>,
    /// Directories named in the cross-tenant policy.
    pub(in crate::sources) partners: BTreeSet<Handle>,
    /// Groups whose members are hidden from who has no permission for them, by key.
    pub(in crate::sources) hidden_groups: BTreeSet<String>,
    /// Settings of the home directory that were refused: properties, reason.
    pub(in crate::sources) refused_settings: Vec<(&'static [&'static str], String, SourceId)>,
    /// Events of the activity log, by what they are about.
    pub(in crate::sources) events: BTreeMap<(About, String), Vec<Event>>,
    /// What events ended.
    pub(in crate::sources) removed: BTreeSet<Handle>,
    /// What events leave in doubt.
    pub(in crate::sources) doubts: Doubts,
    /// Role assignments made above a scope, by the scope.
    pub(in crate::sources) upper: BTreeMap<String, BTreeSet<(Handle, SourceId)>>,
}

/// What a source says of the condition of a role assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum Condition {
    Attached,
    None,
    NotSaid,
}

/// The state of one import.
pub(in crate::sources) struct Intake<'b> {
    pub(in crate::sources) builder: &'b mut SnapshotBuilder,
    pub(in crate::sources) options: &'b ImportOptions,
    pub(in crate::sources) origin: Origin,
    pub(in crate::sources) later: Later,
    /// Role assignments and deny assignments of the answer at hand.
    pub(in crate::sources) grants: Vec<Grant>,
}

/// A role assignment or a deny assignment and the scope it was made on, canonical.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Grant {
    pub(in crate::sources) handle: Handle,
    pub(in crate::sources) scope: String,
    pub(in crate::sources) denies: bool,
    pub(in crate::sources) source: SourceId,
}

impl<'b> Intake<'b> {
    pub(in crate::sources) fn new(builder: &'b mut SnapshotBuilder, options: &'b ImportOptions) -> Self {
        let mut later = Later::default();
        later.home.extend(options.tenant.iter().map(|tenant| canonical_guid(tenant)));
        Self { builder, options, origin: Origin::default(), later, grants: Vec::new() }
    }

    /// Returns the source of the facts at hand.
    pub(in crate::sources) fn source(&mut self, name: &str) -> SourceId {
        let mut source = FactSource::new(SourceKind::Api, name).at(self.origin.file.clone());
        source.request.clone_from(&self.origin.request);
        source.read_at = self.origin.read_at.or(self.options.captured_at);
        self.builder.source(source)
    }

    /// Notes that a list of the whole directory is whole.
    pub(in crate::sources) fn note_whole(&mut self, kind: super::ListKind, source: Option<SourceId>) {
        if let Some(source) = source {
            self.later.whole.entry(kind).or_insert(source);
        }
    }

    /// Returns who says that a list of the whole directory is whole.
    pub(in crate::sources) fn whole(&self, kind: super::ListKind) -> Option<SourceId> {
        self.later.whole.get(&kind).copied()
    }

    /// Tells whether a source is the user's word for a list.
    pub(in crate::sources) fn is_user_claim(&self, source: SourceId) -> bool {
        self.later.user == Some(source)
    }

    /// Returns the source that stands for the user's word.
    pub(in crate::sources) fn user_claim(&mut self) -> SourceId {
        let source = self.builder.source(FactSource::new(SourceKind::Register, "claim of the user"));
        self.later.user = Some(source);
        source
    }

    /// Returns the permission that reading such a list takes, as the schema states it.
    pub(in crate::sources) fn permission(&self, kind: super::ListKind) -> Option<String> {
        let schema = self.builder.schema();
        let (ty, property) = kind.permission_of();
        let entity = schema.entity_named(ty)?;
        let own = property.and_then(|name| schema.property_named(entity.id, name)).and_then(|it| it.source.permission.clone());
        own.or_else(|| entity.source.permission.clone())
    }

    /// Returns the handles of all entities of a type, or of a type below it.
    pub(in crate::sources) fn of_type(&self, name: &str) -> Vec<Handle> {
        let schema = self.builder.schema();
        let Some(wanted) = schema.entity_named(name).map(|ty| ty.id) else { return Vec::new() };
        let of = |handle: &Handle| self.builder.type_of(*handle).is_some_and(|ty| schema.is_subtype(ty, wanted));
        self.builder.handles().filter(of).collect()
    }

    /// Returns the handles of all scopes below a canonical one. All files must have been read.
    pub(in crate::sources) fn scopes_below(&mut self, upper: &str) -> Vec<Handle> {
        if self.later.scopes.is_empty() {
            let scopes = self.of_type("Scope").into_iter();
            self.later.scopes = scopes.map(|handle| (self.builder.key_of(handle).to_owned(), handle)).collect();
        }
        let start = format!("{upper}/");
        let from = self.later.scopes.range(start.clone()..);
        from.take_while(|(key, _)| key.starts_with(&start)).map(|(_, handle)| *handle).collect()
    }

    /// Returns the scope of an id, with the parent that the id itself names.
    pub(in crate::sources) fn scope(&mut self, id: &str) -> Result<Handle, Refusal> {
        let id = canonical_arm_id(id);
        let handle = self.builder.entity_named(scope_type(&id), &id)?;
        let source = self.builder.source(FactSource::new(SourceKind::Derived, "scope path"));
        if scope_type(&id) == "Subscription" && id.starts_with("/subscriptions/") {
            self.builder.set_text(handle, "service", "Azure", source)?;
        }
        let Some(parent) = parent_path(&id) else { return Ok(handle) };
        let upper = self.scope(&parent)?;
        self.builder.refer(handle, "parent", upper, source)?;
        if scope_type(&id) == "ResourceGroup" {
            self.builder.refer(handle, "subscription", upper, source)?;
        }
        Ok(handle)
    }

    /// Returns the principal of an object id; `kind` as services spell it.
    pub(in crate::sources) fn principal(&mut self, id: &str, kind: Option<&str>) -> Result<Handle, Refusal> {
        let folded = kind.map(str::to_ascii_lowercase);
        let ty = match folded.as_deref().map(|kind| kind.trim_start_matches("#microsoft.graph.")) {
            Some("user") => "User",
            Some("group") => "Group",
            Some("serviceprincipal" | "msi") => "ServicePrincipal",
            Some("foreigngroup") => "ForeignGroup",
            Some("device") => "Device",
            _ => "Principal",
        };
        Ok(self.builder.entity_named(ty, id)?)
    }

    /// States an attribute from a field: nothing if it is absent, none if it is null.
    pub(in crate::sources) fn copy(&mut self, handle: Handle, name: &str, field: Option<&Value>, source: SourceId) -> Taken {
        match field {
            None => {}
            Some(Value::Null) => self.builder.set_none(handle, name, source)?,
            Some(Value::String(text)) if text.trim().is_empty() => self.builder.set_none(handle, name, source)?,
            Some(Value::String(text)) => self.builder.set_text(handle, name, text, source)?,
            Some(Value::Number(number)) if matches!(self.expected(handle, name), Some(Base::String | Base::Int)) => {
                self.builder.set_text(handle, name, &number.to_string(), source)?;
            }
            Some(Value::Bool(value)) if self.expected(handle, name) == Some(Base::Bool) => {
                self.builder.set(handle, name, crate::model::Value::Bool(*value), source)?;
            }
            Some(other) => {
                let shown: String = other.to_string().chars().take(40).collect();
                self.builder.set_unknown(handle, name, &format!("the source holds {shown}, which does not fit"), source)?;
            }
        }
        Ok(())
    }

    fn expected(&self, handle: Handle, name: &str) -> Option<Base> {
        let schema = self.builder.schema();
        let ty = self.builder.type_of(handle)?;
        schema.property_named(ty, name).map(|property| property.ty.base)
    }

    /// States several attributes, each from the field of its own name on the right.
    pub(in crate::sources) fn copy_all(&mut self, handle: Handle, fields: &Fields<'_>, pairs: &[(&str, &str)], source: SourceId) -> Taken {
        for (name, field) in pairs {
            self.copy(handle, name, fields.get(field), source)?;
        }
        Ok(())
    }

    /// Adds texts to a set; `change` brings each to the form the set holds. Tells whether all members were texts.
    pub(in crate::sources) fn add_texts(
        &mut self,
        handle: Handle,
        name: &str,
        texts: &[Value],
        change: fn(&str) -> String,
        source: SourceId,
    ) -> Result<bool, Refusal> {
        for text in texts.iter().filter_map(Value::as_str) {
            self.builder.add_value(handle, name, crate::model::Value::text(change(text)), source)?;
        }
        Ok(texts.iter().all(Value::is_string))
    }

    /// Claims of a list that came inside an object that it is whole, or that some of it could not be read.
    pub(in crate::sources) fn claim_inner(&mut self, handle: Handle, name: &str, whole: bool, source: SourceId) -> Taken {
        let reason = || Some("a part of the list could not be read".to_owned());
        let claim = if whole { Completeness::now(Some(source)) } else { Completeness::open(reason(), Some(source)) };
        Ok(self.builder.claim(handle, name, claim)?)
    }

    /// States since when an entity exists.
    pub(in crate::sources) fn since(&mut self, handle: Handle, field: Option<&Value>) {
        if let Some(Ok(Some(instant))) = field.and_then(Value::as_str).map(parse_instant) {
            self.builder.existed(handle, Interval::since(instant));
        }
    }

    /// Notes when a subscription was acquired; the lowest rank goes first.
    pub(in crate::sources) fn acquired(&mut self, handle: Handle, rank: u8, field: Option<&Value>, source: SourceId) {
        let text = field.and_then(Value::as_str).filter(|text| matches!(parse_instant(text), Ok(Some(_))));
        if let Some(text) = text {
            self.later.acquired.entry(handle).or_default().insert((rank, text.to_owned(), source));
        }
    }
}

/// Returns the source of which directory is the one at hand.
pub(in crate::sources) fn home_source() -> FactSource {
    FactSource::new(SourceKind::Derived, "home directory")
}

/// Returns the type of a scope by the shape of its canonical id.
fn scope_type(id: &str) -> &'static str {
    let segments: Vec<&str> = id.split('/').skip(1).collect();
    match segments.as_slice() {
        [""] | [] => "RootScope",
        ["providers", "microsoft.management", "managementgroups", _] => "ManagementGroup",
        ["subscriptions" | "commercesubscriptions", _] => "Subscription",
        ["subscriptions", _, "resourcegroups", _] => "ResourceGroup",
        _ => "ResourceScope",
    }
}

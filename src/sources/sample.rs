//! A small schema for the tests of this room, written as lines of `Type.property: Type`.

#![expect(clippy::cast_possible_truncation, reason = "seeds are small")]

use std::sync::Arc;

use crate::model::{
    AliasId, AliasType, Base, EntityType, EntityTypeId, EnumId, EnumType, NamedType, Property, PropertyId, Provenance, Schema, Type,
};

const ENUMS: &[(&str, &[&str])] = &[
    ("Service", &["Azure", "Microsoft365", "Dynamics365", "BusinessCentral", "Intune", "EnterpriseMobility", "PowerBi"]),
    ("Agreement", &["EnterpriseAgreement", "MicrosoftCustomerAgreement"]),
    ("Mechanism", &["Dpor", "Cpor", "Csp"]),
    ("LinkState", &["Active", "Removed"]),
    ("PartnerAccountKind", &["Location", "Global"]),
    ("ReviewSubject", &["Guests", "PrivilegedRoles", "SubscriptionRoles"]),
];

/// Name, parent, whether abstract, key name, key type, register.
const ENTITIES: &[(&str, &str, bool, &str, &str, &str)] = &[
    ("Scope", "", true, "id", "ArmId", ""),
    ("Subscription", "Scope", false, "id", "ArmId", ""),
    ("Principal", "", true, "object_id", "Guid", ""),
    ("User", "Principal", false, "object_id", "Guid", ""),
    ("Group", "Principal", false, "object_id", "Guid", ""),
    ("ServicePrincipal", "Principal", false, "object_id", "Guid", ""),
    ("Partner", "", false, "id", "PartnerId", "partners"),
    ("PartnerLink", "", false, "id", "String", "partner_links"),
    ("Designation", "", false, "id", "String", "designations"),
    ("Attestation", "", false, "id", "String", "any"),
    ("AccessReview", "", false, "id", "String", "reviews"),
    ("CostCenter", "", false, "code", "String", "cost_centers"),
];

const PROPERTIES: &[&str] = &[
    "Scope.parent: Scope? history",
    "Subscription.display_name: String",
    "Subscription.service: Service",
    "Subscription.agreement: Agreement history",
    "Subscription.acquired_at: Instant?",
    "Subscription.grace: Duration?",
    "Subscription.seats: Int?",
    "Subscription.is_trial: Bool?",
    "Subscription.predecessor: Subscription?",
    "Subscription.designations: set Designation inverse subscription",
    "Principal.display_name: String?",
    "Principal.home_tenant: Guid?",
    "Principal.works_for: PartnerId?",
    "Principal.is_break_glass: Bool?",
    "Principal.member_of: set Group inverse members",
    "Principal.partner_links: set PartnerLink inverse identity",
    "User.user_principal_name: String",
    "User.last_reviewed_at: Instant?",
    "Group.members: set Principal inverse member_of history",
    "ServicePrincipal.app_id: Guid",
    "Partner.display_name: String?",
    "Partner.kind: PartnerAccountKind",
    "Partner.verified: Bool",
    "Partner.allowed: Bool",
    "Partner.tenant: Guid?",
    "PartnerLink.identity: Principal inverse partner_links",
    "PartnerLink.tenant: Guid",
    "PartnerLink.partner: Partner",
    "PartnerLink.partner_id: PartnerId",
    "PartnerLink.state: LinkState",
    "PartnerLink.linked_at: Instant?",
    "Designation.subscription: Subscription inverse designations",
    "Designation.mechanism: Mechanism",
    "Designation.partner: Partner",
    "Designation.partner_id: PartnerId",
    "Designation.designated_by: Principal?",
    "Designation.designated_at: Instant",
    "Designation.removed_at: Instant?",
    "Designation.agreement_then: Agreement?",
    "Designation.attestation: Attestation?",
    "Attestation.attested_by: String",
    "Attestation.attested_at: Instant",
    "Attestation.review_due_at: Instant?",
    "Attestation.evidence_file: String?",
    "Attestation.evidence_hash: String?",
    "AccessReview.subject: ReviewSubject",
    "AccessReview.completed_at: Instant",
    "AccessReview.next_due_at: Instant?",
    "CostCenter.owner: Principal?",
    "CostCenter.budget: Int",
    "CostCenter.tags: set String",
    "CostCenter.subscriptions: set Subscription",
];

/// Returns the schema of the tests.
pub(crate) fn schema() -> Arc<Schema> {
    schema_without(&[])
}

/// Returns the schema without some types (`CostCenter`) or properties (`Subscription.seats`).
pub(crate) fn schema_without(left_out: &[&str]) -> Arc<Schema> {
    let mut schema = Schema::default();
    for (name, values) in ENUMS {
        let id = EnumId(schema.enums.len() as u32);
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        schema.enums.push(EnumType { id, name: (*name).to_owned(), values, docs: Vec::new() });
        schema.names.insert((*name).to_owned(), NamedType::Enum(id));
    }
    let pattern = regex::Regex::new("^(?:[0-9]{5,8})$").unwrap();
    schema.aliases.push(AliasType {
        id: AliasId(0),
        name: "PartnerId".into(),
        base: Base::String,
        pattern: Some(pattern),
        pattern_text: Some("[0-9]{5,8}".into()),
        docs: Vec::new(),
    });
    schema.names.insert("PartnerId".into(), NamedType::Alias(AliasId(0)));
    for (name, parent, is_abstract, key_name, key, register) in ENTITIES.iter().filter(|entity| !left_out.contains(&entity.0)) {
        let id = EntityTypeId(schema.entities.len() as u32);
        let parent = schema.entity_named(parent).map(|parent| parent.id);
        let key = ty(&schema, key);
        let source = Provenance {
            register: (!register.is_empty()).then(|| (*register).to_owned()),
            api: register.is_empty().then(|| "arm:things".to_owned()),
            permission: None,
        };
        schema.entities.push(EntityType {
            id,
            name: (*name).to_owned(),
            is_abstract: *is_abstract,
            parent,
            root: parent.unwrap_or(id),
            key_name: (*key_name).to_owned(),
            lifetime_from: None,
            lifetime_to: None,
            key,
            properties: std::collections::BTreeMap::default(),
            source,
            docs: Vec::new(),
            module: "sample".into(),
        });
        schema.names.insert((*name).to_owned(), NamedType::Entity(id));
        if parent.is_none() {
            add(&mut schema, name, key_name, key, true, false);
        }
    }
    let mut inverses = Vec::new();
    for line in PROPERTIES {
        let (path, rest) = line.split_once(": ").unwrap();
        let (owner, name) = path.split_once('.').unwrap();
        if left_out.contains(&path) || left_out.contains(&owner) {
            continue;
        }
        let mut words = rest.split(' ').peekable();
        let set = words.next_if(|word| *word == "set").is_some();
        let word = words.next().unwrap();
        let mut ty = ty(&schema, word.trim_end_matches('?'));
        ty.optional = word.ends_with('?');
        ty.set = set;
        let rest: Vec<&str> = words.collect();
        let id = add(&mut schema, owner, name, ty, false, rest.contains(&"history"));
        if rest.first() == Some(&"inverse") {
            inverses.push((id, ty.entity().unwrap(), rest[1]));
        }
    }
    for at in 0..schema.entities.len() {
        if let Some(parent) = schema.entities[at].parent {
            let inherited = schema.entities[parent.0 as usize].properties.clone();
            schema.entities[at].properties.extend(inherited);
        }
    }
    for (id, other, name) in inverses {
        let inverse = schema.property_named(other, name).map(|property| property.id);
        schema.properties[id.0 as usize].inverse = inverse;
    }
    Arc::new(schema)
}

fn ty(schema: &Schema, name: &str) -> Type {
    match schema.named(name).unwrap() {
        NamedType::Builtin(base) => Type::of(base),
        NamedType::Enum(id) => Type::of(Base::Enum(id)),
        NamedType::Alias(id) => Type { alias: Some(id), ..Type::of(Base::String) },
        NamedType::Entity(id) => Type::of(Base::Entity(id)),
    }
}

fn add(schema: &mut Schema, owner: &str, name: &str, ty: Type, is_key: bool, history: bool) -> PropertyId {
    let owner = schema.entity_named(owner).unwrap().id;
    let id = PropertyId(schema.properties.len() as u32);
    schema.properties.push(Property {
        id,
        owner,
        name: name.to_owned(),
        ty,
        inverse: None,
        history,
        derived: None,
        source: Provenance::default(),
        docs: Vec::new(),
        is_key,
    });
    schema.entities[owner.0 as usize].properties.insert(name.to_owned(), id);
    id
}

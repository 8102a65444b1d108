//! AzureHound collections: one file of many objects, read as a stream.

use std::fmt;
use std::path::PathBuf;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::import::{
    FileReport, ImportError, ImportOptions, InputFile, Intake, Kind, ListKind, Lists, Origin, Refusal, Taken, Tally, decode, find, finish,
    open,
};
use super::{arm, graph};
use crate::snapshot::SnapshotBuilder;

const BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
const OPEN: &str = "AzureHound does not record completeness";
/// The lists that a collection fills in part or whole.
const LISTS: [ListKind; 10] = [
    ListKind::Tenants,
    ListKind::Subscriptions,
    ListKind::ManagementGroups,
    ListKind::ResourceGroups,
    ListKind::RoleAssignments,
    ListKind::Users,
    ListKind::Groups,
    ListKind::ServicePrincipals,
    ListKind::DirectoryRoles,
    ListKind::DirectoryRoleAssignments,
];

pub(super) fn import(builder: &mut SnapshotBuilder, paths: &[PathBuf], options: &ImportOptions) -> Result<Vec<FileReport>, ImportError> {
    let mut intake = Intake::new(builder, options);
    let mut lists = Lists::default();
    let mut tallies = Vec::new();
    for file in find(paths)? {
        let mut tally = Tally::new(&file.label);
        if !file.wanted {
            tally.skip("file", "its name does not end in .json");
            tallies.push(tally);
            continue;
        }
        intake.origin = Origin { file: file.label.clone(), ..Origin::default() };
        match stream(&mut intake, &file, &mut tally) {
            Err(error) if options.skip_unreadable => {
                tally.skip("file", &error.to_string());
                lists.broken.insert(file.label.clone());
            }
            outcome => outcome?,
        }
        let source = intake.source("azurehound");
        for kind in LISTS {
            lists.push_open(kind, OPEN, source);
        }
        tallies.push(tally);
    }
    Ok(finish(&mut intake, &lists, tallies))
}

fn stream(intake: &mut Intake<'_>, file: &InputFile, tally: &mut Tally) -> Result<(), ImportError> {
    let reader = open(file, BYTES_MAX)?;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut collection = Collection { intake, tally, seen: 0 };
    let outcome = deserializer.deserialize_map(&mut collection).and_then(|meta| deserializer.end().map(|()| meta));
    let seen = collection.seen;
    let broken =
        |line: usize, column: usize, reason: String| ImportError::Broken { file: file.label.clone(), line, column: column.max(1), reason };
    let meta = outcome.map_err(|error| {
        let reason = if error.is_eof() { "the collection is truncated; collect it again" } else { "it is no AzureHound collection" };
        broken(error.line(), error.column(), format!("{reason} ({error})"))
    })?;
    let count = meta.get("count").and_then(Value::as_u64);
    if count != Some(seen) {
        let says = count.map_or("does not say how many objects it holds".to_owned(), |count| format!("says that it holds {count} objects"));
        return Err(broken(1, 1, format!("the collection is truncated: it {says} and holds {seen}; collect it again")));
    }
    match meta.get("version").and_then(Value::as_u64) {
        Some(5 | 6) => {}
        other => tally.note(format!("the collection has version {}, import knows 5", other.map_or("none".to_owned(), |v| v.to_string()))),
    }
    Ok(())
}

/// Takes the objects one by one and gives `meta`.
struct Collection<'a, 'b> {
    intake: &'a mut Intake<'b>,
    tally: &'a mut Tally,
    seen: u64,
}

impl<'de> Visitor<'de> for &mut Collection<'_, '_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with `data` and `meta`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut meta = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => map.next_value_seed(Objects(&mut *self))?,
                "meta" => meta = Some(map.next_value::<Value>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        meta.ok_or_else(|| A::Error::custom("`meta` is missing: the collection was cut off or is something else"))
    }
}

struct Objects<'c, 'a, 'b>(&'c mut Collection<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of objects")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Value>()? {
            self.0.seen += 1;
            take(self.0.intake, self.0.tally, &item);
        }
        Ok(())
    }
}

fn take(intake: &mut Intake<'_>, tally: &mut Tally, item: &Value) {
    let kind = item.get("kind").and_then(Value::as_str).unwrap_or("object without kind");
    let data = item.get("data").unwrap_or(&Value::Null);
    let taken = match kind {
        "AZTenant" => decode(intake, Kind::Tenant, data),
        "AZSubscription" => decode(intake, Kind::Subscription, data),
        "AZResourceGroup" => decode(intake, Kind::ResourceGroup, data),
        "AZManagementGroup" => decode(intake, Kind::ManagementGroup, data),
        "AZManagementGroupDescendant" => take_descendant(intake, data),
        "AZUser" => decode(intake, Kind::User, data),
        "AZGroup" => decode(intake, Kind::Group, data),
        "AZServicePrincipal" => decode(intake, Kind::ServicePrincipal, data),
        "AZGroupMember" => take_members(intake, data),
        "AZRole" => decode(intake, Kind::DirectoryRole, data),
        "AZRoleAssignment" => take_directory_roles(intake, data),
        _ => match grant_names(kind) {
            Some((list, inner)) => take_grants(intake, data, list, inner),
            None => return tally.skip(kind, "import takes nothing from this kind"),
        },
    };
    match taken {
        Ok(()) => tally.take(kind),
        Err(Refusal(why)) => tally.skip(kind, &why),
    }
}

/// Descendants of a management group are groups and subscriptions.
fn take_descendant(intake: &mut Intake<'_>, data: &Value) -> Taken {
    let subscription = data.get("type").and_then(Value::as_str).is_some_and(|ty| ty.to_lowercase().ends_with("subscriptions"));
    if subscription {
        return arm::management_groups::take_subscription(intake, data);
    }
    arm::management_groups::take(intake, data)
}

/// Returns the names of the list and of the assignment in it, for kinds that hold role assignments.
fn grant_names(kind: &str) -> Option<(&'static str, &'static str)> {
    let scoped = ["AZSubscription", "AZManagementGroup", "AZResourceGroup"];
    let role = scoped.iter().find_map(|scope| kind.strip_prefix(scope))?;
    Some(match role {
        "Owner" => ("owners", "owner"),
        "Contributor" => ("contributors", "contributor"),
        "UserAccessAdmin" => ("userAccessAdmins", "userAccessAdmin"),
        "RoleAssignment" => ("assignees", "assignee"),
        _ => return None,
    })
}

fn take_grants(intake: &mut Intake<'_>, data: &Value, list: &str, inner: &str) -> Taken {
    let names = [list, "roleAssignments", "assignments"];
    let mut outcome = Ok(());
    for item in members(names.iter().find_map(|name| data.get(*name)))? {
        let inner = [inner, "roleAssignment", "assignment"].iter().find_map(|name| item.get(*name)).unwrap_or(item);
        outcome = outcome.and(arm::role_assignments::take(intake, inner));
    }
    intake.grants.clear();
    outcome
}

/// Returns the members of a list, which the collector writes as null if it is empty.
fn members(list: Option<&Value>) -> Result<&[Value], Refusal> {
    match list {
        Some(Value::Null) => Ok(&[]),
        Some(Value::Array(members)) => Ok(members),
        _ => Err(Refusal::new("its list is missing or no list")),
    }
}

fn take_members(intake: &mut Intake<'_>, data: &Value) -> Taken {
    let group = data.get("groupId").and_then(Value::as_str).ok_or_else(|| Refusal::new("it has no groupId"))?;
    let mut outcome = Ok(());
    for item in members(data.get("members"))? {
        let member = item.get("member").unwrap_or(item);
        outcome = outcome.and(graph::principals::take_member(intake, group, member));
    }
    outcome
}

fn take_directory_roles(intake: &mut Intake<'_>, data: &Value) -> Taken {
    let mut outcome = Ok(());
    for item in members(data.get("roleAssignments"))? {
        outcome = outcome.and(graph::directory_roles::take_assignment(intake, item));
    }
    outcome
}

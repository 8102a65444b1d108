//! Compares what is found with what must be found.
//!
//! Only the fields that are named are compared. Ids are compared without regard to case, and ids of role definitions by their
//! last GUID, since services write both in several ways (`domain`: reads of role assignments).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::answer::{error_code, is_absent};
use super::plan::{Expectation, Found, Read};
use super::target::{Answer, ReadTarget};
use crate::model::{is_guid, trailing_guid};

/// What one look at several expectations gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Look {
    /// What is otherwise than it must be, or could not be read, in words; empty if everything holds.
    pub(super) differs: Vec<String>,
    /// Whether something could not be read, so that nothing follows from the rest.
    pub(super) unreadable: bool,
    /// What was read.
    pub(super) answers: Vec<(Read, Answer)>,
}

impl Look {
    /// Tells whether everything was read and found as it must be.
    pub(super) fn holds(&self) -> bool {
        self.differs.is_empty() && !self.unreadable
    }
}

/// Reads every place once and compares. Paths with parts that the answer to the step gives are completed by `answered`; one
/// that cannot be completed counts as not readable.
pub(super) fn look<T: ReadTarget + ?Sized>(target: &mut T, expectations: &[Expectation], answered: &BTreeMap<String, String>) -> Look {
    let mut look = Look::default();
    for expectation in expectations {
        let Some(path) = complete_path(&expectation.read.path, answered) else {
            look.unreadable = true;
            look.differs.push(format!("{}: the answer that names it is not known", expectation.what));
            continue;
        };
        let read = Read { path, ..expectation.read.clone() };
        let known = look.answers.iter().find(|(known, _)| *known == read).map(|(_, answer)| answer.clone());
        let answer = match known.map_or_else(|| target.read(&read), Ok) {
            Ok(answer) => answer,
            Err(error) => {
                look.unreadable = true;
                look.differs.push(format!("{}: {error}", expectation.what));
                continue;
            }
        };
        if let Err(message) = compare(&expectation.found, &answer) {
            look.differs.push(format!("{}: {message}", expectation.what));
        }
        if !look.answers.iter().any(|(known, _)| *known == read) {
            look.answers.push((read, answer));
        }
    }
    look
}

/// Returns the expectations whose place is known with these answers.
pub(super) fn readable(expectations: &[Expectation], answered: &BTreeMap<String, String>) -> Vec<Expectation> {
    expectations.iter().filter(|expectation| complete_path(&expectation.read.path, answered).is_some()).cloned().collect()
}

/// Puts values of an answer in place of `{/pointer}`; none if one is not known.
pub(super) fn complete_path(path: &str, answered: &BTreeMap<String, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("{/") {
        let (pointer, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(answered.get(&format!("/{pointer}"))?);
        rest = after;
    }
    Some(out + rest)
}

/// Returns the pointers that a path asks an answer for.
pub(super) fn pointers(path: &str) -> Vec<String> {
    let parts = path.split("{/").skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(pointer, _)| format!("/{pointer}")).collect()
}

/// Compares an answer with what must be found; the error says in what it differs.
pub(super) fn compare(found: &Found, answer: &Answer) -> Result<(), String> {
    match found {
        Found::Absent if is_absent(answer) => Ok(()),
        Found::Absent if answer.status == 200 => Err("it is there".to_owned()),
        Found::Absent => Err(unexpected(answer)),
        Found::Present(_) if is_absent(answer) => Err("it is not there".to_owned()),
        Found::Present(fields) => match &answer.body {
            Some(body) if answer.status == 200 => differences(fields, body),
            _ => Err(unexpected(answer)),
        },
        Found::Some(fields) => {
            let items = items(answer)?;
            if items.iter().any(|item| differences(fields, item).is_ok()) {
                Ok(())
            } else {
                Err("no item of the list is like that".to_owned())
            }
        }
        Found::Nothing(fields) => {
            let items = items(answer)?;
            if items.iter().any(|item| differences(fields, item).is_ok()) {
                Err("an item of the list is like that".to_owned())
            } else {
                Ok(())
            }
        }
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("the service answered {}{}", answer.status, error_code(answer).map_or_else(String::new, |code| format!(" {code}")))
}

fn items(answer: &Answer) -> Result<&Vec<Json>, String> {
    let list = answer.body.as_ref().filter(|_| answer.status == 200).and_then(|body| body.pointer("/value")).and_then(Json::as_array);
    list.ok_or_else(|| unexpected(answer) + ", and no list")
}

fn differences(fields: &BTreeMap<String, Json>, body: &Json) -> Result<(), String> {
    for (pointer, wanted) in fields {
        let found = body.pointer(pointer).unwrap_or(&Json::Null);
        if !same(wanted, found) {
            return Err(format!("`{pointer}` is {found}, not {wanted}"));
        }
    }
    Ok(())
}

/// Tells whether a value is the one that is wanted: of objects only the members that are wanted, of lists all items in any order.
pub(super) fn same(wanted: &Json, found: &Json) -> bool {
    match (wanted, found) {
        (Json::String(a), Json::String(b)) => a == b || same_id(a, b),
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Object(a), Json::Object(b)) => a.iter().all(|(name, wanted)| same(wanted, b.get(name).unwrap_or(&Json::Null))),
        (Json::Array(a), Json::Array(b)) => same_list(a, b),
        _ => wanted == found,
    }
}

fn same_list(wanted: &[Json], found: &[Json]) -> bool {
    let mut left: Vec<&Json> = found.iter().collect();
    let all = wanted.iter().all(|item| match left.iter().position(|other| same(item, other)) {
        Some(at) => {
            left.swap_remove(at);
            true
        }
        None => false,
    });
    all && left.is_empty()
}

fn same_id(a: &str, b: &str) -> bool {
    if (a.starts_with('/') && b.starts_with('/')) || (is_guid(a) && is_guid(b)) {
        return a.eq_ignore_ascii_case(b) || (is_role_definition(a) && is_role_definition(b) && trailing_guid(a) == trailing_guid(b));
    }
    false
}

fn is_role_definition(id: &str) -> bool {
    id.to_ascii_lowercase().contains("/providers/microsoft.authorization/roledefinitions/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Json) -> Answer {
        Answer { status, body: Some(body), request_id: None }
    }

    fn fields(pairs: &[(&str, Json)]) -> BTreeMap<String, Json> {
        pairs.iter().map(|(pointer, value)| ((*pointer).to_owned(), value.clone())).collect()
    }

    #[test]
    fn only_named_fields_count_and_ids_in_any_case() {
        let body = json!({"properties": {
            "principalId": "AAAAAAAA-0000-0000-0000-000000000001", "description": "Text", "more": 1,
            "roleDefinitionId": "/subscriptions/S/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        }});
        let holds =
            |pointer: &str, wanted: Json| compare(&Found::Present(fields(&[(pointer, wanted)])), &answer(200, body.clone())).is_ok();
        assert!(holds("/properties/principalId", json!("aaaaaaaa-0000-0000-0000-000000000001")));
        assert!(holds(
            "/properties/roleDefinitionId",
            json!("/providers/microsoft.authorization/roledefinitions/8E3AF657-A8FF-443C-A75C-2FE8C4BCB635")
        ));
        assert!(!holds("/properties/description", json!("text")), "a text is not an id");
        assert!(holds("/properties/condition", json!(null)));
        assert!(!holds("/properties/more", json!(null)));
        assert!(holds("/properties/more", json!(1.0)));
    }

    #[test]
    fn absence_is_said_by_the_place_and_not_by_its_parent() {
        assert!(compare(&Found::Absent, &answer(404, json!({"error": {"code": "RoleAssignmentNotFound"}}))).is_ok());
        assert!(compare(&Found::Absent, &answer(404, json!({"error": {"code": "SubscriptionNotFound"}}))).is_err());
        assert!(compare(&Found::Absent, &answer(403, json!(null))).is_err());
        assert!(compare(&Found::Absent, &answer(200, json!({}))).is_err());
        assert!(compare(&Found::Present(BTreeMap::new()), &answer(404, json!(null))).is_err());
    }

    #[test]
    fn lists_are_looked_through() {
        let list = answer(200, json!({"value": [{"a": 1}, {"a": 2, "b": [1, 2]}]}));
        assert!(compare(&Found::Some(fields(&[("/b", json!([2, 1]))])), &list).is_ok());
        assert!(compare(&Found::Some(fields(&[("/b", json!([1]))])), &list).is_err());
        assert!(compare(&Found::Nothing(fields(&[("/a", json!(3))])), &list).is_ok());
        assert!(compare(&Found::Nothing(fields(&[("/a", json!(1))])), &list).is_err());
        assert!(compare(&Found::Nothing(fields(&[("/a", json!(1))])), &answer(404, json!(null))).is_err(), "no list proves nothing");
    }

    #[test]
    fn paths_are_completed_by_answers() {
        let answered = BTreeMap::from([("/user/id".to_owned(), "u1".to_owned())]);
        assert_eq!(complete_path("/v1.0/users/{/user/id}/x", &answered).as_deref(), Some("/v1.0/users/u1/x"));
        assert_eq!(complete_path("/v1.0/users/{/other}", &answered), None);
        assert_eq!(pointers("/a/{/b/c}/{/d}"), ["/b/c", "/d"]);
    }
}

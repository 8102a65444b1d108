//! What the answer of a service says, in the shapes in which services say it.

use serde_json::Value as Json;

use super::target::Answer;

/// Codes of a 404 that is about what the thing would lie in, so that nothing follows about the thing.
const PARENT_IS_MISSING: [&str; 4] = ["SubscriptionNotFound", "ResourceGroupNotFound", "InvalidSubscriptionId", "TenantNotFound"];

/// Tells whether an answer says that there is no such thing.
pub(super) fn is_absent(answer: &Answer) -> bool {
    let parent = || error_code(answer).is_some_and(|code| PARENT_IS_MISSING.contains(&code));
    answer.status == 204 || (answer.status == 404 && !parent())
}

/// Returns the code of an error: `{"error":{"code"}}`, or without wrapper as `code` or `Code`.
pub(super) fn error_code(answer: &Answer) -> Option<&str> {
    text(answer, &["/error/code", "/code", "/Code"])
}

/// Says what a refusal is about: status, code, message.
pub(super) fn refusal(answer: &Answer) -> String {
    let message = text(answer, &["/error/message", "/message", "/Message"]);
    let parts = [Some(answer.status.to_string()), error_code(answer).map(str::to_owned), message.map(|message| format!("({message})"))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Returns the id of the role assignment that a 409 `RoleAssignmentExists` names in its message, with dashes.
pub(super) fn existing_assignment(answer: &Answer) -> Option<String> {
    if answer.status != 409 || error_code(answer) != Some("RoleAssignmentExists") {
        return None;
    }
    let message = text(answer, &["/error/message", "/message"])?;
    let words = message.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let digits = words.map(|word| word.replace('-', "").to_ascii_lowercase()).rfind(|word| word.len() == 32)?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("");
    Some([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

fn text<'a>(answer: &'a Answer, pointers: &[&str]) -> Option<&'a str> {
    let body = answer.body.as_ref()?;
    pointers.iter().find_map(|pointer| body.pointer(pointer)).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_in_every_shape() {
        for body in [json!({"error": {"code": "X"}}), json!({"code": "X"}), json!({"Code": "X"})] {
            let answer = Answer { status: 400, body: Some(body), request_id: None };
            assert_eq!(error_code(&answer), Some("X"));
        }
        assert_eq!(error_code(&Answer { status: 404, body: None, request_id: None }), None);
    }

    #[test]
    fn the_assignment_that_is_there() {
        let body = json!({"error": {"code": "RoleAssignmentExists", "message":
            "The role assignment already exists. The ID of the existing role assignment is 0123456789abcdef0123456789abcdef."}});
        let answer = Answer { status: 409, body: Some(body), request_id: None };
        assert_eq!(existing_assignment(&answer).as_deref(), Some("01234567-89ab-cdef-0123-456789abcdef"));
        assert_eq!(existing_assignment(&Answer { status: 400, ..answer }), None);
    }
}

//! The attestation file that the holder of a Partner Admin Link makes with a published script: a JSON object, or several.
//!
//! `{tenantId, tenantDisplayName, tenantDefaultDomain, type, displayName, userPrincipalName, appId, objectId,
//! partnerAdminLink, partnerName, partnerId, assignments}`; what the holder cannot see is `Unavailable` and stays unknown.
//! The role assignments in it are not taken over: they are read from the service.

use super::yaml::{Node, NodeKind};
use super::{Cell, CellValue, CompletenessClaim, RegisterText, Row, Subjects};
use crate::text::{Diagnostic, Span, Spanned};

const KEYS: [&str; 12] = [
    "tenantId",
    "tenantDisplayName",
    "tenantDefaultDomain",
    "type",
    "displayName",
    "userPrincipalName",
    "appId",
    "objectId",
    "partnerAdminLink",
    "partnerName",
    "partnerId",
    "assignments",
];
/// Keys that a row may have in addition, to say who vouches and with which evidence.
const OURS: [&str; 6] = ["attested_by", "attested_on", "review_due", "evidence_file", "evidence_sha256", "note"];

/// Tells whether a document is such a file.
pub(super) fn is_pal(node: &Node) -> bool {
    let first = match &node.kind {
        NodeKind::List(items) => items.first(),
        _ => Some(node),
    };
    first.is_some_and(|node| node.get("partnerAdminLink").is_some() || node.get("tenantId").is_some() && node.get("objectId").is_some())
}

/// Returns the links as rows of the form `partner_links`.
pub(super) fn rows(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> RegisterText {
    let items = match &node.kind {
        NodeKind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut register = RegisterText::default();
    for item in items {
        if let Some(is_linked) = is_linked(item, diagnostics) {
            register.rows.extend(is_linked.then(|| row(item, diagnostics)));
            register.claims.extend(claim(item));
        }
    }
    register
}

/// An identity has at most one link in a directory, so the holder's word about it is the whole list.
fn claim(node: &Node) -> Option<CompletenessClaim> {
    let id = node.get("objectId")?;
    known(node.get("partnerAdminLink")?)?;
    Some(CompletenessClaim {
        subjects: Subjects::Listed(vec![Spanned::new(known(id)?.to_owned(), id.span)]),
        attested_by: node.get("attested_by").and_then(known).or_else(|| holder(node)).map(str::to_owned),
        attested_on: node.get("attested_on").and_then(known).map(str::to_owned),
        span: id.span,
        ..CompletenessClaim::default()
    })
}

/// The file is made by the identity itself, with its own token.
fn holder(node: &Node) -> Option<&str> {
    ["userPrincipalName", "displayName", "appId"].iter().find_map(|key| known(node.get(key)?))
}

/// Returns the row of an entry with a link.
fn row(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Row {
    let entries = node.entries();
    let span = entries.first().map_or(node.span, |(key, _)| key.span);
    for (key, _) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.value.as_str()) && !OURS.contains(&key.value.as_str())) {
        let message = format!("`{}` is not part of an attestation of a partner link; it is not read", key.value);
        diagnostics.push(Diagnostic::warning("R0004", key.span, message));
    }
    let mut cells: Vec<Cell> = [
        ("identity", "objectId"),
        ("identity_type", "type"),
        ("tenant", "tenantId"),
        ("partner_id", "partnerId"),
        ("partner_name", "partnerName"),
    ]
    .into_iter()
    .map(|(column, key)| cell(node, column, key, span))
    .collect();
    cells.push(Cell { name: "state".to_owned(), name_span: span, value: CellValue::Text("Active".to_owned()), span });
    cells.extend(OURS.iter().filter(|name| node.get(name).is_some()).map(|name| cell(node, name, name, span)));
    if node.get("attested_by").is_none()
        && let Some(holder) = holder(node)
    {
        cells.push(Cell { name: "attested_by".to_owned(), name_span: span, value: CellValue::Text(holder.to_owned()), span });
    }
    Row { span, cells }
}

/// Tells whether the identity has a link. One that says it has none is no row: absence is claimed, not listed.
fn is_linked(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<bool> {
    if !matches!(node.kind, NodeKind::Map(_)) {
        diagnostics.push(Diagnostic::error("R0003", node.span, "an attestation of a partner link is a JSON object"));
        return None;
    }
    let span = node.entries().first().map_or(node.span, |(key, _)| key.span);
    let Some(link) = node.get("partnerAdminLink") else {
        diagnostics.push(Diagnostic::error("R0005", span, "`partnerAdminLink` is missing: it says whether there is a link"));
        return None;
    };
    match (&link.kind, known(link).map(str::to_lowercase).as_deref()) {
        (NodeKind::Blank, _) | (_, Some("false" | "no" | "none" | "not linked")) => Some(false),
        (_, Some(_)) => Some(true),
        (NodeKind::Text { .. }, None) => {
            let warning =
                Diagnostic::warning("R0004", link.span, "whether this identity has a partner link is Unavailable; the entry is not read");
            diagnostics.push(warning);
            Some(false)
        }
        _ => {
            diagnostics.push(Diagnostic::error("R0003", link.span, "`partnerAdminLink` is true or false"));
            None
        }
    }
}

fn known(node: &Node) -> Option<&str> {
    node.text().map(str::trim).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("unavailable"))
}

fn cell(node: &Node, column: &str, key: &str, span: Span) -> Cell {
    let found = node.get(key);
    let value = found.and_then(known).map_or(CellValue::Blank, |text| CellValue::Text(text.to_owned()));
    let span = found.map_or(span, |node| node.span);
    Cell { name: column.to_owned(), name_span: span, value, span }
}

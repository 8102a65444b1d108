//! Exports of Partner Center Insights: usage of subscriptions by month and meter, with the partner it was credited to.
//!
//! Headings are told apart without case and blanks, since the names of the columns differ between the reports ("Azure usage",
//! "Office usage", their API forms). Rows of one subscription, month, partner and kind become one. An export holds usage only:
//! a subscription that used nothing has no row, so absence proves nothing and the list stays open.
//!
//! Source: "Insights: download reports", "Programmatic access: Azure usage dataset" (Partner Center documentation).

use std::collections::BTreeSet;

use super::{Cell, CellValue, RegisterText, Row};
use crate::text::{Diagnostic, Span};

const SUBSCRIPTION: [&str; 1] = ["subscriptionid"];
const KIND: [&str; 3] = ["partnerattributiontype", "partnerattachtype", "associationtype"];
const PARTNER: [&str; 3] = ["mpnid", "partnerid", "partnermpnid"];
const MONTH: [&str; 2] = ["month", "usagemonth"];

/// What the exports call a way of being credited, and the value of `AttributionKind`.
const KINDS: [(&str, &str); 7] = [
    ("partneradminlink", "PartnerAdminLink"),
    ("partnerofrecord", "PartnerOfRecord"),
    ("csptier1", "CspTierOne"),
    ("csptier2", "CspTierTwo"),
    ("transactingpartnerofrecord", "TransactingPartnerOfRecord"),
    ("partnerasend-customer", "PartnerAsEndCustomer"),
    ("dealregistration", "DealRegistration"),
];

/// Tells whether the columns are those of such an export.
pub(super) fn is_insights(parsed: &RegisterText) -> bool {
    parsed.rows.first().is_some_and(|row| find(row, &SUBSCRIPTION).is_some() && find(row, &KIND).is_some())
}

/// Returns the rows of `PartnerAttribution`.
pub(super) fn rows(parsed: &RegisterText, diagnostics: &mut Vec<Diagnostic>) -> RegisterText {
    let mut seen = BTreeSet::new();
    let mut register = RegisterText::default();
    let mut n_without = 0_usize;
    for row in &parsed.rows {
        let (Some(subscription), Some(kind), Some(partner)) = (text(row, &SUBSCRIPTION), text(row, &KIND), text(row, &PARTNER)) else {
            n_without += 1;
            continue;
        };
        let month = text(row, &MONTH).unwrap_or_default();
        let folded = fold(kind);
        let known = KINDS.iter().find(|(name, _)| *name == folded).map(|(_, value)| (*value).to_owned());
        let id = format!("{}/{month}/{partner}/{folded}", subscription.to_lowercase());
        if !seen.insert(id.clone()) {
            continue;
        }
        let place = |names: &[&str]| find(row, names).map_or(row.span, |cell| cell.span);
        if known.is_none() {
            let message = format!("`{kind}` is no way of being credited that is known here; it stays unknown");
            diagnostics.push(Diagnostic::warning("R0004", place(&KIND), message));
        }
        let instant = first_day(month);
        if instant.is_none() && !month.is_empty() {
            diagnostics.push(Diagnostic::warning("R0004", place(&MONTH), format!("`{month}` is read as no month; it stays unknown")));
        }
        register.rows.push(Row {
            span: row.span,
            cells: vec![
                cell("id", Some(id), row.span),
                cell("subscription", Some(subscription.to_owned()), place(&SUBSCRIPTION)),
                cell("partner", Some(partner.to_owned()), place(&PARTNER)),
                cell("partner_id", Some(partner.to_owned()), place(&PARTNER)),
                cell("kind", known, place(&KIND)),
                cell("month", instant, place(&MONTH)),
            ],
        });
    }
    if n_without > 0 {
        let span = parsed.rows.first().map_or_else(Span::default, |row| row.span);
        let message = format!("{n_without} rows name no subscription, no partner or no way of being credited; they are not read");
        diagnostics.push(Diagnostic::warning("R0004", span, message));
    }
    register
}

fn cell(name: &str, text: Option<String>, span: Span) -> Cell {
    Cell { name: name.to_owned(), name_span: span, value: text.map_or(CellValue::Blank, CellValue::Text), span }
}

fn fold(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_whitespace() && *letter != '_').flat_map(char::to_lowercase).collect()
}

fn find<'r>(row: &'r Row, names: &[&str]) -> Option<&'r Cell> {
    names.iter().find_map(|name| row.cells.iter().find(|cell| fold(&cell.name) == *name && cell.value != CellValue::Blank))
}

fn text<'r>(row: &'r Row, names: &[&str]) -> Option<&'r str> {
    match &find(row, names)?.value {
        CellValue::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Reads a month as its first day: `2026-10`, `2026-10-01`, `2026-10-01T00:00:00`, `202610`, `10/1/2026`.
fn first_day(month: &str) -> Option<String> {
    let date = month.split(['T', ' ']).next().unwrap_or(month);
    let digits = |text: &str| !text.is_empty() && text.chars().all(|one| one.is_ascii_digit());
    let parts: Vec<&str> = date.split(['-', '/']).collect();
    let (year, month) = match parts.as_slice() {
        [year, month] | [year, month, _] if year.len() == 4 && date.contains('-') => (*year, *month),
        [month, _, year] if year.len() == 4 && date.contains('/') => (*year, *month),
        [one] if one.len() == 6 => (one.get(..4)?, one.get(4..)?),
        _ => return None,
    };
    let number: u8 = month.parse().ok()?;
    (digits(year) && digits(month) && (1..=12).contains(&number)).then(|| format!("{year}-{number:02}-01"))
}

#[cfg(test)]
mod tests {
    use crate::check::core_schema;
    use crate::snapshot::{Snapshot, SnapshotBuilder};
    use crate::sources::register::{RegisterDeclaration, RegisterForm, load_register};
    use crate::text::SourceSet;

    #[test]
    fn an_export_gives_one_fact_a_month_and_partner_and_its_list_stays_open() {
        let text = "PGAMpnId,Subscription Id,Month,MeterCategory,MPNID,Partner Attribution Type\n\
            1,5B000001-0000-4000-8000-000000000000,2026-09,Storage,3664167,Partner of record\n\
            1,5b000001-0000-4000-8000-000000000000,2026-09,Network,3664167,Partner of record\n\
            1,5b000001-0000-4000-8000-000000000000,2026-09,Network,4455667,Partner admin link\n\
            1,5b000002-0000-4000-8000-000000000000,10/1/2026,Network,3664167,Something new\n\
            1,5b000002-0000-4000-8000-000000000000,2026-09,Network,,CSP Tier 1\n";
        let mut builder = SnapshotBuilder::new(core_schema());
        let mut declaration = RegisterDeclaration::new("usage.csv", RegisterForm::Entity("PartnerAttribution".to_owned()));
        declaration.attested_by = Some("jo@partner.example".to_owned());
        declaration.attested_on = Some("2026-11-05".to_owned());
        let mut sources = SourceSet::default();
        let found = load_register(&mut builder, &declaration, "usage.csv", text, &mut sources);
        let told: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
        assert!(found.iter().all(|one| !one.is_error()), "{told:?}");
        assert!(told.iter().any(|text| text.contains("`Something new` is no way of being credited")), "{told:?}");
        assert!(told.iter().any(|text| text.contains("1 rows name no subscription")), "{told:?}");
        let schema = core_schema();
        let snapshot = Snapshot::freeze(schema.clone(), builder.records());
        let ty = schema.entity_named("PartnerAttribution").unwrap().id;
        assert_eq!(snapshot.extent(ty).count(), 3);
        let subscription = schema.entity_named("Subscription").unwrap().id;
        let id = snapshot.find(subscription, "/subscriptions/5b000001-0000-4000-8000-000000000000").unwrap();
        let nav = snapshot.nav(id, schema.property_named(subscription, "partner_attributions").unwrap().id);
        assert_eq!((nav.members.len(), nav.completeness.complete), (2, false));
        for month in ["2026-10", "2026-10-01", "2026-10-01T00:00:00", "202610", "10/1/2026"] {
            assert_eq!(super::first_day(month).as_deref(), Some("2026-10-01"), "{month}");
        }
        for month in ["", "October", "2026-13", "10-2026", "1/2"] {
            assert_eq!(super::first_day(month), None, "{month}");
        }
    }
}

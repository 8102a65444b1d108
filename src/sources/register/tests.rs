#![expect(clippy::unnecessary_wraps, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

use std::fs;
use std::sync::Arc;

use super::{CompletenessClaim, REGISTER_BYTES_MAX, RegisterDeclaration, RegisterForm, Subjects, load_register, load_register_file};
use crate::check::core_schema;
use crate::model::{Bound, Completeness, FactSource, SourceKind, Value};
use crate::snapshot::{CellState, Record, Records, SnapshotBuilder};
use crate::sources::disk::sha256_hex;
use crate::sources::sample;
use crate::text::{Diagnostic, SourceSet};

const ALICE: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const SUB: &str = "5b0e0000-0000-0000-0000-000000000001";
const HEAD: &str = "attested_by: jo@contoso.example\nattested_on: 2026-10-01\n";

fn builder() -> SnapshotBuilder {
    SnapshotBuilder::new(sample::schema())
}

fn shown(diagnostics: &[Diagnostic], sources: &SourceSet) -> Vec<String> {
    let show = |d: &Diagnostic| {
        let (line, column) = sources.get(d.span.file).map_or((0, 0), |file| file.line_column(d.span.start));
        format!("{line}:{column} {} {}", d.code, d.message)
    };
    diagnostics.iter().map(show).collect()
}

fn load(form: RegisterForm, file: &str, text: &str) -> (Records, Vec<String>) {
    load_into(builder(), &RegisterDeclaration::new(file, form), text)
}

fn load_into(mut builder: SnapshotBuilder, declaration: &RegisterDeclaration, text: &str) -> (Records, Vec<String>) {
    let mut sources = SourceSet::default();
    let diagnostics = load_register(&mut builder, declaration, &declaration.file, text, &mut sources);
    (builder.records(), shown(&diagnostics, &sources))
}

fn designations(text: &str) -> (Records, Vec<String>) {
    load(RegisterForm::Designations, "r.yaml", &format!("{HEAD}rows:\n{text}"))
}

fn the<'r>(records: &'r Records, entity: &str) -> &'r Record {
    let ty = sample::schema().entity_named(entity).unwrap().id;
    records.entities.iter().find(|record| record.entity_type == ty).unwrap_or_else(|| panic!("no {entity}"))
}

fn state(record: &Record, name: &str) -> Option<CellState> {
    let property = sample::schema().property_named(record.entity_type, name).unwrap().id;
    record.cells.iter().find(|(id, _)| *id == property).map(|(_, cell)| cell.state.clone())
}

fn list<'r>(record: &'r Record, name: &str) -> Option<&'r Completeness> {
    let property = sample::schema().property_named(record.entity_type, name).unwrap().id;
    record.completeness.iter().find(|(id, _)| *id == property).map(|(_, claim)| claim)
}

fn unknown(reason: &str) -> Option<CellState> {
    Some(CellState::Unknown(Some(Arc::from(reason))))
}

fn text(text: &str) -> Option<CellState> {
    Some(CellState::Known(Value::text(text)))
}

#[test]
fn a_designation_becomes_attested_facts() {
    let row = format!(
        "  - id: d1\n    subscription: {SUB}\n    service: azure\n    mechanism: dpor\n    partner_id: 0366416\n    partner_name: Fabrikam\n    designated_by: {ALICE}\n    designated_by_upn: alice@x\n    designated_on: 2026-01-10\n    removed_on: none\n    agreement: EnterpriseAgreement\n    evidence: {{file: e.png, sha256: {}}}\n    review_due: 2027-01-01\n",
        "0".repeat(64)
    );
    let (records, errors) = designations(&row);
    assert_eq!(errors, [""; 0]);
    let d = the(&records, "Designation");
    assert_eq!(&*d.key, "d1");
    assert_eq!(state(d, "partner_id"), text("0366416"));
    assert_eq!(state(d, "removed_at"), Some(CellState::None));
    assert_eq!(&*the(&records, "Subscription").key, format!("/subscriptions/{SUB}"));
    assert_eq!(state(the(&records, "User"), "user_principal_name"), text("alice@x"));
    assert_eq!(state(the(&records, "Partner"), "display_name"), text("Fabrikam"));
    assert!(state(the(&records, "Subscription"), "service").is_some());
    let a = the(&records, "Attestation");
    assert_eq!(&*a.key, "designations:d1");
    assert_eq!(state(a, "attested_by"), text("jo@contoso.example"));
    let source = &records.sources[d.cells[0].1.source.unwrap().0 as usize];
    assert_eq!((source.kind, source.location.as_deref()), (SourceKind::Register, Some("r.yaml:4")));
    let attestation = source.attestation.as_ref().unwrap();
    assert_eq!(attestation.review_due_at.unwrap().to_string(), "2027-01-01T23:59:59Z");
    let silent = Some("the register does not say that it is complete".to_owned());
    assert_eq!(list(the(&records, "Subscription"), "designations").unwrap().reason, silent);
    assert_eq!(records.extents[0].completeness.reason, silent);
}

#[test]
fn blank_is_unknown_and_none_is_absence() {
    let (records, errors) =
        designations(&format!("  - subscription: {SUB}\n    mechanism: Dpor\n    partner_id:\n    removed_on:\n    designated_by: none\n"));
    assert_eq!(errors, ["7:5 R0015 it is not known whether this designation was removed"]);
    let d = the(&records, "Designation");
    assert_eq!(state(d, "partner_id"), unknown("the cell is blank"));
    assert_eq!(state(d, "partner"), unknown("the cell is blank"));
    assert_eq!(state(d, "removed_at"), unknown("the cell is blank"));
    assert_eq!(state(d, "designated_at"), unknown("the register does not say"));
    assert_eq!(state(d, "designated_by"), Some(CellState::None));
    assert_eq!(state(d, "agreement_then"), None);
}

#[test]
fn all_errors_come_at_once_with_their_places() {
    let (records, errors) = designations(
        "  - id: d1\n    subscription: abc\n    mechanizm: dpor\n    partner_id: 12\n    designated_on: soon\n  - id: d2\n    mechanism: dpr\n    partner_id: none\n    removed_on: [a]\n  - just text\n",
    );
    assert_eq!(
        errors,
        [
            "5:19 R0012 `abc` does not look like a GUID",
            "6:5 R0004 Designation has no column `mechanizm`",
            "7:17 R0006 `12` is no PartnerId: it does not match /[0-9]{5,8}/",
            "8:20 R0006 `soon` is not a time; write 2026-12-31 or 2026-12-31T10:00:00Z",
            "10:16 R0006 `dpr` is a value of Mechanism that is not known here",
            "11:17 R0006 `partner_id` always has a value, so it cannot be none",
            "12:17 R0006 `removed_on` is a single value, not a list",
            "13:5 R0003 a row is a mapping such as `id: …`, not a single value",
        ]
    );
    assert!(records.entities.is_empty(), "a register with errors brings nothing");
}

#[test]
fn csv_has_places_too() {
    let csv = format!(
        "\u{feff}Id;Subscription;Mechanism;Partner ID;Designated On;Removed On;Attested By;Attested On\r\nd1;{SUB};dpor;3664167;2026-01-10;none;jo;2026-10-01\r\nd2;{SUB};dpor;\"36\"\"x\";2026-01-11;none;jo;\r\n\r\n"
    );
    let (_, errors) = load(RegisterForm::Designations, "r.csv", &csv);
    let expected = [
        "3:1 R0005 nobody vouches for this row: `attested_on` is missing",
        "3:46 R0006 `36\"x` is no PartnerId: it does not match /[0-9]{5,8}/",
    ];
    assert_eq!(errors, expected);
    let (records, errors) =
        load(RegisterForm::Designations, "r.csv", &csv.replace("\"36\"\"x\"", "3664167").replace("jo;\r", "jo;2026-10-01\r"));
    assert_eq!(errors, [""; 0]);
    assert_eq!(records.entities.iter().filter(|r| r.entity_type == sample::schema().entity_named("Designation").unwrap().id).count(), 2);
    for (csv, message) in [
        ("id,partner\n\"open", "2:1 R0001 the quoted cell that begins here does not end"),
        ("id,id\n", "1:4 R0003 the column `id` is there twice"),
        ("id,x\n1,2,3\n", "2:1 R0003 the row has 3 cells, and the heading has 2"),
        ("id,x\n\"a\"b,2\n", "2:4 R0001 there is text after the closing quote"),
    ] {
        let (_, errors) = load(RegisterForm::Partners, "r.csv", csv);
        assert!(errors.iter().any(|error| error == message), "{errors:?}");
    }
}

#[test]
fn contradictions_name_both_rows() {
    let row = |id: &str, partner: &str, removed: &str| {
        format!(
            "  - {id}subscription: {SUB}\n    mechanism: dpor\n    partner_id: {partner}\n    designated_on: 2026-01-10\n    removed_on: {removed}\n"
        )
    };
    let (_, errors) = designations(&(row("id: a\n    ", "3664167", "none") + &row("id: a\n    ", "3664168", "none")));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("R0007 two rows about a contradict each other"));
    let (_, errors) = designations(&(row("", "3664167", "none") + &row("", "3664168", "none")));
    assert!(errors[0].starts_with("11:17 R0007 two rows name different partners"), "{errors:?}");
    let (_, errors) = designations(&(row("", "3664167", "none") + &row("", "3664167", "2026-02-01")));
    assert!(errors[0].contains("`removed_at` is 2026-02-01 here and none above"), "{errors:?}");
    let (records, errors) = designations(&(row("", "3664167", "none") + &row("", "3664167", "none")));
    assert!(errors[0].contains("R0008 this row repeats an earlier one"), "{errors:?}");
    assert!(the(&records, "Designation").key.starts_with("designations-"));
}

#[test]
fn what_a_reading_contradicts_is_kept_as_an_entity() {
    let schema = core_schema();
    let records = |readings: &[(&str, &str)], attested: &str| {
        let mut builder = SnapshotBuilder::new(core_schema());
        let subscription = builder.entity_named("Subscription", &format!("/subscriptions/{SUB}")).unwrap();
        for (file, agreement) in readings {
            let source = builder.source(FactSource::new(SourceKind::Api, "billing:billingProperty").at(*file));
            builder.set_text(subscription, "agreement", agreement, source).unwrap();
        }
        let text = format!("{HEAD}rows:\n  - id: {SUB}\n    agreement: {attested}\n");
        let (records, errors) = load_into(builder, &RegisterDeclaration::new("r.yaml", RegisterForm::Subscriptions), &text);
        assert_eq!(errors, [""; 0]);
        records
    };
    let contradictions = |records: &Records| -> Vec<Record> {
        let ty = schema.entity_named("Contradiction").unwrap().id;
        records.entities.iter().filter(|record| record.entity_type == ty).cloned().collect()
    };
    let cell = |record: &Record, name: &str| {
        let property = schema.property_named(record.entity_type, name).unwrap().id;
        record.cells.iter().find(|(id, _)| *id == property).map(|(_, cell)| cell.clone()).unwrap()
    };
    let differs = records(&[("b.json", "MicrosoftCustomerAgreement")], "EnterpriseAgreement");
    let found = contradictions(&differs);
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].key, format!("Subscription.agreement of /subscriptions/{SUB}"));
    for (name, value, source) in [
        ("attested_value", "EnterpriseAgreement", "subscriptions (r.yaml:4)"),
        ("read_value", "MicrosoftCustomerAgreement", "billing:billingProperty (b.json)"),
        ("subject_type", "Subscription", "contradictions"),
    ] {
        let cell = cell(&found[0], name);
        assert_eq!(Some(cell.state), text(value), "{name}");
        assert_eq!(differs.sources[cell.source.unwrap().0 as usize].display(), source, "{name}");
    }
    assert_eq!(differs.meta.problems.len(), 1, "{:?}", differs.meta.problems);
    // What agrees, and what was not read, is none.
    assert!(contradictions(&records(&[("b.json", "EnterpriseAgreement")], "EnterpriseAgreement")).is_empty());
    assert!(contradictions(&records(&[], "EnterpriseAgreement")).is_empty());
    // Readings that disagree leave it open what counts, in whatever order they come.
    let readings = [("a.json", "EnterpriseAgreement"), ("b.json", "MicrosoftCustomerAgreement")];
    let disagree = records(&readings, "EnterpriseAgreement");
    let found = contradictions(&disagree);
    assert!(matches!(cell(&found[0], "read_value").state, CellState::Unknown(Some(_))), "{found:?}");
    assert_eq!(disagree, records(&[readings[1], readings[0]], "EnterpriseAgreement"));
}

#[test]
fn the_order_of_rows_makes_no_difference() {
    let one = format!(
        "  - subscription: {SUB}\n    mechanism: dpor\n    partner_id: 3664167\n    designated_on: 2026-01-10\n    removed_on: none\n"
    );
    let two = one.replace("3664167", "9999999").replace("01-10", "02-10");
    let keys = |records: &Records| records.entities.iter().map(|r| (r.entity_type, r.key.clone())).collect::<Vec<_>>();
    assert_eq!(keys(&designations(&(one.clone() + &two)).0), keys(&designations(&(two + &one)).0));
}

#[test]
fn completeness_is_what_somebody_claims() {
    let row = format!(
        "rows:\n  - subscription: {SUB}\n    mechanism: dpor\n    partner_id: 3664167\n    designated_on: 2026-01-10\n    removed_on: none\n"
    );
    let with = |claim: &str| load(RegisterForm::Designations, "r.yaml", &format!("{HEAD}{claim}\n{row}"));
    let (records, errors) = with("complete: {subjects: all, from: 2025-01-01}");
    assert_eq!(errors, [""; 0]);
    let extent = &records.extents[0].completeness;
    assert!(extent.complete);
    assert_eq!(extent.covered[0].to, Bound::Unbounded);
    let (records, errors) = with(&format!("complete:\n  subjects: [{SUB}]\n  from: 2025-01-01\n  attested_by: kim"));
    assert_eq!(errors, [""; 0]);
    assert!(!records.extents[0].completeness.complete);
    let claim = list(the(&records, "Subscription"), "designations").unwrap();
    assert!(claim.complete);
    let source = &records.sources[claim.source.unwrap().0 as usize];
    assert_eq!(source.attestation.as_ref().unwrap().attested_by, "kim");
    let (records, _) = with("complete: {subjects: all, from: 2025-01-01, to: 2025-12-31}");
    let extent = &records.extents[0].completeness;
    assert_eq!(extent.reason.as_deref(), Some("the register is complete up to 2025-12-31 only"));
    assert_eq!(extent.covered[0].to, Bound::At("2026-01-01T00:00:00Z".parse().unwrap()));
    for (claim, message) in [
        ("complete: {from: 2025-01-01}", "says for which `subjects`"),
        ("complete: {subjects: all, from: 2026-01-01, to: 2025-01-01}", "ends before it begins"),
        ("complete: {subjects: all, to: 2025-01-01}", "says since when it held"),
        ("complete: all", "is a mapping"),
        ("complete: {subjects: all, list: x, form: y}", "has no key `form`"),
    ] {
        let (records, errors) = with(claim);
        assert!(errors.iter().any(|error| error.contains(message)), "{errors:?}");
        assert!(records.extents.is_empty());
    }
}

#[test]
fn a_register_cannot_claim_what_a_service_lists() {
    let text = format!(
        "{HEAD}complete: {{subjects: all}}\nrows:\n  - principal: {ALICE}\n    type: user\n    works_for: 3664167\n    is_break_glass: no\n"
    );
    let (_, errors) = load(RegisterForm::Principals, "r.yaml", &text);
    assert!(errors[0].contains("R0011 which Principal there are is read from a service"), "{errors:?}");
    let (records, errors) = load(RegisterForm::Principals, "r.yaml", &text.replace("complete: {subjects: all}\n", ""));
    assert_eq!(errors, [""; 0]);
    let user = the(&records, "User");
    assert_eq!(state(user, "is_break_glass"), Some(CellState::Known(Value::Bool(false))));
    assert_eq!(state(user, "user_principal_name"), None);
    assert!(records.extents.is_empty());
}

#[test]
fn the_other_forms() {
    let (records, errors) = load(
        RegisterForm::Partners,
        "r.yaml",
        &format!("{HEAD}rows:\n  - {{id: 3664167, name: Fabrikam, kind: location, verified: yes, allowed: true, tenant: none}}\n"),
    );
    assert_eq!(errors, [""; 0]);
    assert_eq!(state(the(&records, "Partner"), "tenant"), Some(CellState::None));
    let reviews = format!(
        "{HEAD}rows:\n  - {{user: {ALICE}, reviewed_on: 2026-05-01}}\n  - {{subject: guests, completed_on: 2026-05-01, next_due: none}}\n"
    );
    let (records, errors) = load(RegisterForm::Reviews, "r.yaml", &reviews);
    assert_eq!(errors, [""; 0]);
    assert!(state(the(&records, "User"), "last_reviewed_at").is_some());
    assert_eq!(state(the(&records, "AccessReview"), "next_due_at"), Some(CellState::None));
    let (records, errors) = load(
        RegisterForm::Subscriptions,
        "r.csv",
        &format!("id,service,acquired_on,predecessor,attested_by,attested_on\n{SUB},m365,2026-01-01,none,jo,2026-10-01\n"),
    );
    assert_eq!(errors, [""; 0]);
    assert_eq!(&*the(&records, "Subscription").key, format!("/commercesubscriptions/{SUB}"));
    let own = format!(
        "{HEAD}complete: {{subjects: all}}\nrows:\n  - code: CC-1\n    budget: 100\n    tags: [a, b]\n    subscriptions: [{SUB}]\n    owner: {ALICE}\n"
    );
    let (records, errors) = load(RegisterForm::Entity("CostCenter".into()), "r.yaml", &own);
    assert_eq!(errors, [""; 0]);
    let center = the(&records, "CostCenter");
    assert_eq!(center.edges.len(), 3);
    assert!(list(center, "tags").unwrap().complete);
    let (_, errors) = load(RegisterForm::Entity("CostCentre".into()), "r.yaml", "[]");
    assert_eq!(errors, ["1:1 R0013 the register fills `CostCentre`, and there is no such entity type"]);
}

#[test]
fn attestation_files_of_partner_links_are_read() {
    let json = format!(
        "[\n\t{{\n\t\t\"tenantId\": \"bbbbbbbb-0000-0000-0000-000000000001\",\n\t\t\"type\": \"servicePrincipal\",\n\t\t\"displayName\": \"Backup\",\n\t\t\"userPrincipalName\": \"Unavailable\",\n\t\t\"objectId\": \"{ALICE}\",\n\t\t\"partnerAdminLink\": true,\n\t\t\"partnerName\": \"Fabrikam\",\n\t\t\"partnerId\": \"3664167\",\n\t\t\"assignments\": [{{\"scope\": \"/\", \"id\": \"x\", \"roleName\": \"Owner\", \"roleType\": \"BuiltInRole\"}}]\n\t}},\n\t{{\"tenantId\": \"bbbbbbbb-0000-0000-0000-000000000001\", \"type\": \"user\", \"objectId\": \"aaaaaaaa-0000-0000-0000-000000000002\", \"displayName\": \"Bo\", \"partnerAdminLink\": false, \"partnerId\": \"Unavailable\"}}\n]\n"
    );
    let declaration =
        RegisterDeclaration { attested_on: Some("2026-10-01".into()), ..RegisterDeclaration::new("pal.json", RegisterForm::PartnerLinks) };
    let (records, errors) = load_into(builder(), &declaration, &json);
    assert_eq!(errors, [""; 0]);
    let link = the(&records, "PartnerLink");
    assert_eq!(state(link, "partner_id"), text("3664167"));
    let holder = the(&records, "ServicePrincipal");
    assert!(list(holder, "partner_links").unwrap().complete);
    let source = &records.sources[link.cells[0].1.source.unwrap().0 as usize];
    assert_eq!(source.attestation.as_ref().unwrap().attested_by, "Backup");
    assert!(list(the(&records, "Principal"), "partner_links").unwrap().complete, "the second identity says that it has no link");
    let hidden = json.replace(ALICE, "Unavailable");
    let (records, _) = load_into(builder(), &declaration, &hidden);
    assert_eq!(state(the(&records, "PartnerLink"), "identity"), unknown("the cell is blank"));
}

#[test]
fn rows_of_another_tenant_are_refused() {
    let mut builder = builder();
    builder.meta_mut().tenant = Some("bbbbbbbb-0000-0000-0000-000000000001".into());
    let text = format!("{HEAD}rows:\n  - {{tenant_id: cccccccc-0000-0000-0000-000000000001, subscription: {SUB}, removed_on: none}}\n");
    let (_, errors) = load_into(builder, &RegisterDeclaration::new("r.yaml", RegisterForm::Designations), &text);
    assert!(errors[0].starts_with("4:17 R0014 the row is about the tenant"), "{errors:?}");
}

#[test]
fn hostile_yaml_is_refused_with_its_place() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n";
    for (text, place) in [
        (bomb, "R0001 a register has no anchors, aliases or merge keys"),
        ("- {id: 1}\n- {<<: {id: 2}}\n", "2:"),
        ("- id: 1\n  id: 2\n", "2:3 R0001 the key `id` stands twice"),
        ("- id: 1\n\tname: x\n", "found a tab"),
        ("rows:\n- id: [\n", "R0001"),
        ("a: 1\n---\nb: 2\n", "a register is one document"),
        (&"[".repeat(100_000), "R0001"),
        ("text", "1:1 R0003 a register is a list of rows"),
        ("rowz: []\n", "1:1 R0004 a register has no key `rowz`"),
    ] {
        let (_, errors) = load(RegisterForm::Partners, "r.yaml", text);
        assert!(errors.first().is_some_and(|error| error.contains(place)), "{place}: {errors:?}");
    }
    let (_, errors) = load(RegisterForm::Partners, "r.yaml", &" ".repeat(REGISTER_BYTES_MAX + 1));
    assert!(errors[0].contains("R0002 the register has"), "{errors:?}");
    for text in [
        "",
        "\u{feff}",
        "# nothing\n",
        "[]",
        "rows:\n",
        "\u{0}",
        "- !!binary x\n",
        "? [a]\n: b\n",
        "- {id: .nan}\n",
        "- id: 0o17\n  name: 1:30:00\n",
    ] {
        let _ = load(RegisterForm::Partners, "r.yaml", text);
    }
}

#[test]
fn odd_scalars_are_read_as_written() {
    let (records, errors) = load(
        RegisterForm::Partners,
        "r.yaml",
        &format!(
            "\u{feff}{HEAD}rows:\n  - {{id: 0123456, name: no}}\n  - {{id: 1234567, name: 1e3}}\n  - {{id: '7654321', name: \"none\"}}\n"
        ),
    );
    assert_eq!(errors, [""; 0]);
    let names: Vec<_> =
        records.entities.iter().filter(|r| r.key.len() == 7).map(|r| (r.key.to_string(), state(r, "display_name"))).collect();
    assert_eq!(names, [("0123456".to_owned(), text("no")), ("1234567".to_owned(), text("1e3")), ("7654321".to_owned(), text("none"))]);
}

#[test]
fn evidence_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("e.png"), "picture").unwrap();
    let read = |evidence: &str| {
        let text = format!("{HEAD}rows:\n  - id: 3664167\n    evidence: {evidence}\n");
        fs::write(folder.path().join("r.yaml"), text).unwrap();
        let (mut builder, mut sources) = (builder(), SourceSet::default());
        let declaration = RegisterDeclaration::new("r.yaml", RegisterForm::Partners);
        let diagnostics = load_register_file(&mut builder, &declaration, folder.path(), &mut sources);
        (builder.records().entities.len(), shown(&diagnostics, &sources))
    };
    assert_eq!(read(&format!("{{file: e.png, sha256: {}}}", sha256_hex(b"picture"))), (2, vec![]));
    let (n, errors) = read(&format!("{{file: e.png, sha256: {}}}", sha256_hex(b"other")));
    assert_eq!(n, 0);
    assert!(errors[0].starts_with("5:37 R0009 the evidence file `e.png` is not the one"), "{errors:?}");
    let (n, errors) = read("{file: gone.png}");
    assert_eq!(n, 2);
    assert!(errors[0].starts_with("5:22 R0010 the evidence file `gone.png` cannot be read"), "{errors:?}");
    assert!(read("{file: ../e.png}").1[0].contains("leads out of the folder"));
    assert!(read("{file: e.png, sha256: abc}").1[0].contains("is not a sha256"));
}

#[test]
fn a_missing_file_is_an_error_unless_optional() {
    let folder = tempfile::tempdir().unwrap();
    let mut declaration = RegisterDeclaration::new("r.yaml", RegisterForm::Partners);
    let read =
        |declaration: &RegisterDeclaration| load_register_file(&mut builder(), declaration, folder.path(), &mut SourceSet::default());
    assert_eq!(read(&declaration)[0].code, "R0002");
    declaration.optional = true;
    assert!(read(&declaration).is_empty());
    fs::write(folder.path().join("r.yaml"), b"- \xff\n").unwrap();
    assert!(read(&declaration)[0].message.contains("is not UTF-8: see line 1"));
    declaration.file = "../r.yaml".into();
    assert!(read(&declaration)[0].message.contains("leads out of the folder"));
}

#[test]
fn a_declaration_can_claim_for_a_csv() {
    let complete = CompletenessClaim { subjects: Subjects::All, attested_by: Some("jo".into()), ..CompletenessClaim::default() };
    let declaration = RegisterDeclaration { complete: Some(complete), ..RegisterDeclaration::new("r.csv", RegisterForm::Designations) };
    let (records, errors) = load_into(builder(), &declaration, "id,subscription\n");
    assert_eq!(errors, [""; 0]);
    assert!(records.extents[0].completeness.complete);
}

#[test]
fn all_forms_fit_the_real_schema() {
    let schema = crate::check::core_schema();
    let files = [
        (
            RegisterForm::Designations,
            format!(
                "  - {{id: d1, subscription: {SUB}, service: azure, mechanism: dpor, partner_id: 3664167, partner_name: Fabrikam, designated_by: {ALICE}, designated_by_upn: a@x, designated_on: 2026-01-01, removed_on: none, agreement: EnterpriseAgreement}}"
            ),
        ),
        (
            RegisterForm::PartnerLinks,
            format!(
                "  - {{identity: {ALICE}, identity_type: user, tenant: {SUB}, partner_id: 3664167, state: active, linked_on: 2026-01-01}}"
            ),
        ),
        (
            RegisterForm::Partners,
            "  - {id: 3664167, name: Fabrikam, kind: location, verified: true, allowed: true, tenant: none}".to_owned(),
        ),
        (
            RegisterForm::Reviews,
            format!(
                "  - {{user: {ALICE}, reviewed_on: 2026-05-01}}\n  - {{subject: guests, completed_on: 2026-05-01, next_due: 2026-11-01}}"
            ),
        ),
        (
            RegisterForm::Principals,
            format!("  - {{principal: {ALICE}, type: user, home_tenant: {SUB}, works_for: 3664167, is_break_glass: false}}"),
        ),
        (RegisterForm::Subscriptions, format!("  - {{subscription: {SUB}, acquired_on: 2026-01-01, predecessor: none}}")),
    ];
    let mut builder = SnapshotBuilder::new(Arc::clone(&schema));
    let mut sources = SourceSet::default();
    for (form, rows) in files {
        let claim = match form {
            RegisterForm::Principals | RegisterForm::Subscriptions => "",
            _ => "complete: {subjects: all, from: 2025-01-01}\n",
        };
        let text = format!("{HEAD}{claim}{}:\n{rows}\n", form.name());
        let declaration = RegisterDeclaration::new("r.yaml", form);
        let diagnostics = load_register(&mut builder, &declaration, "r.yaml", &text, &mut sources);
        assert_eq!(shown(&diagnostics, &sources), [""; 0], "{text}");
    }
    let records = builder.records();
    assert_eq!(records.meta.problems, [""; 0]);
    let snapshot = crate::snapshot::Snapshot::freeze(schema, records);
    assert!(snapshot.len() >= 10);
}

#[test]
fn altered_bytes_are_never_a_panic() {
    let yaml = format!(
        "{HEAD}complete: {{subjects: [{SUB}], from: 2025-01-01}}\nrows:\n  - {{subscription: {SUB}, removed_on: none, evidence: {{file: \"ä.png\"}}}}\n"
    );
    let csv = format!("id;subscription;designated_by\n\"a\"\"b\";{SUB};none\n");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides as u64) as usize
    };
    let letters: Vec<char> = "\"'[]{}:,;-#&*!|>%@`\t\n\r \u{feff}\u{0}äx1~?<".chars().collect();
    for _ in 0..2_000 {
        for (name, text) in [("r.yaml", &yaml), ("r.csv", &csv)] {
            let mut altered: Vec<char> = text.chars().collect();
            for _ in 0..=roll(4) {
                let at = roll(altered.len());
                match roll(3) {
                    0 => altered[at] = letters[roll(letters.len())],
                    1 => altered.insert(at, letters[roll(letters.len())]),
                    _ => drop(altered.remove(at)),
                }
            }
            let altered: String = altered.into_iter().collect();
            let _ = load(RegisterForm::Designations, name, &altered);
            let _ = load(RegisterForm::PartnerLinks, name, &altered);
            let _ = crate::sources::config::load_config(&altered, "tenet.toml");
        }
    }
}

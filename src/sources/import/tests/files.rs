use super::*;

fn error(files: &[(&str, &str)]) -> String {
    records_of(import_arm, files, &ImportOptions::default()).unwrap_err().to_string()
}

#[test]
fn a_broken_file_is_an_error_with_its_place() {
    let text = error(&[("cut.json", "{\"value\": [\n {\"id\": ")]);
    assert!(text.starts_with("cut.json:2:"), "{text}");
    assert!(text.contains("ends early"), "{text}");
    assert!(error(&[("empty.json", "")]).contains("empty"));
    assert!(error(&[("u16.json", "\u{0}{\u{0}}")]).contains("UTF-16"));
}

#[test]
fn a_broken_file_may_be_passed_over_but_keeps_claims_from_being_taken() {
    let options = ImportOptions { skip_unreadable: true, ..complete(&["users"]) };
    let files = [("cut.json", "{"), ("u.json", r#"{"value":[{"id":"u1","userType":"Member"}]}"#)];
    let (records, reports) = records_of(import_arm, &files, &options).unwrap();
    let snapshot = Snapshot::freeze(core_schema(), records);
    assert!(skipped(&reports).contains("cut.json:1:1"));
    assert!(extent(&snapshot, "User").contains("open"));
}

#[test]
fn a_byte_order_mark_and_lines_of_json_are_read() {
    let lines = "\u{feff}{\"id\":\"u1\",\"userType\":\"Member\"}\n{\"id\":\"u2\",\"userType\":\"Guest\"}\n";
    let (snapshot, reports) = arm(&[("u.jsonl", lines)], &ImportOptions::default());
    assert!(extent(&snapshot, "User").starts_with("u1 u2"));
    assert_eq!(reports[0].taken, vec![("users".to_owned(), 2)]);
}

#[test]
fn what_is_not_known_is_counted_with_a_reason() {
    let text = r#"[{"id":"/subscriptions/x/providers/Microsoft.Storage/storageAccounts/y","type":"Microsoft.Storage/storageAccounts"},
        7, {"what":1}, {"partnerAdminLink":"x","objectId":"y","partnerId":"1"}, {"eventTimestamp":"t","operationName":{}}]"#;
    let (_, reports) = arm(&[("x.json", text)], &ImportOptions::default());
    let text = skipped(&reports);
    for part in ["microsoft.storage/storageaccounts", "no JSON object", "its kind is not known", "register", "it names no operation"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_folder_is_read_in_depth_and_its_links_do_not_loop() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join("u.json"), r#"{"id":"u1","userType":"Member"}"#).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), inner.join("up")).unwrap();
    let mut builder = SnapshotBuilder::new(core_schema());
    let reports = import_arm(&mut builder, &[folder.path().to_owned()], &ImportOptions::default()).unwrap();
    let names: Vec<&str> = reports.iter().map(|report| report.file.as_str()).collect();
    assert_eq!(names, ["a/b/u.json", "notes.txt"]);
    assert!(skipped(&reports).contains("its name ends neither"));
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let grants = format!(r#"{{"value":[{}]}}"#, assignment(SUB, "r1", "u1", r#","principalType":"User""#));
    let users =
        exchange("https://graph.microsoft.com/v1.0/users", 200, r#"{"value":[{"id":"u1","userType":"Member","deletedDateTime":null}]}"#);
    let subscription = format!(r#"{{"id":"{SUB}","tenantId":"{TENANT}","displayName":"Prod","subscriptionPolicies":{{}}}}"#);
    let files = [("g.json", grants.as_str()), ("u.json", users.as_str()), ("s.json", subscription.as_str())];
    let mut back = files;
    back.reverse();
    let options = complete(&["roleAssignments"]);
    let (one, _) = records_of(import_arm, &files, &options).unwrap();
    let (two, _) = records_of(import_arm, &back, &options).unwrap();
    assert_eq!(one, two);
    assert_eq!(one.meta.captured_to.unwrap().to_string(), "2026-11-01T10:00:00Z");
}

#[test]
fn fixtures_are_taken_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/import/arm");
    let mut builder = SnapshotBuilder::new(core_schema());
    let reports = import_arm(&mut builder, &[folder], &ImportOptions::default()).unwrap();
    assert_eq!(skipped(&reports), "");
    let snapshot = Snapshot::freeze(core_schema(), builder.records());
    assert!(extent(&snapshot, "User").ends_with("(whole)"));
    assert!(list(&snapshot, "Scope", SUB, "role_assignments").ends_with("(whole)"));
}

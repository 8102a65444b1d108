//! The tenants of the fixtures, each with the verdicts it must get.
//!
//! A line of `expected.txt` is `RULE subject verdict` or `RULE.requirement subject verdict`. Without a requirement it is about
//! the worst of the rule. A rule that is named has no other verdicts besides *not applicable*.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::tenant::{Tenant, Verdicts};

const STORIES: [&str; 9] = [
    "stories/bare_role_assignments",
    "stories/ea_to_mca",
    "stories/foreign_group_owner",
    "stories/guest_designates",
    "stories/management_group_cycle",
    "stories/nested_group_cycle",
    "stories/orphan",
    "stories/throttled_page",
    "stories/unreadable_users",
];

/// The order in which verdicts count, worst first.
const ORDER: [&str; 6] = ["fail", "waived", "unknown", "pending", "pass", "not_applicable"];

type Lines = BTreeMap<(String, String), &'static str>;

fn expected(folder: &str) -> Lines {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder).join("expected.txt");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [rule, subject, verdict] = words.as_slice() else { panic!("{}: {line}", path.display()) };
            let verdict = ORDER.iter().find(|known| *known == verdict).unwrap_or_else(|| panic!("{}: {line}", path.display()));
            (((*rule).to_owned(), (*subject).to_owned()), *verdict)
        })
        .collect()
}

/// Says of the verdicts what the lines of a file say of them, in the same terms.
fn told(verdicts: &Verdicts, lines: &Lines) -> Lines {
    let mut told = Lines::new();
    for ((rule, requirement, subject), verdict) in verdicts {
        let is = |name: &str| lines.keys().any(|(known, _)| known == name);
        let one = format!("{rule}.{requirement}");
        let by_requirement = lines.keys().any(|(known, _)| known.starts_with(&format!("{rule}.")));
        let name = match (is(rule), is(&one), by_requirement && requirement == "*") {
            (true, ..) => rule.clone(),
            (_, true, _) => one,
            (.., true) => rule.clone(),
            _ => continue,
        };
        let key = (name, subject.clone());
        let worst = told.entry(key).or_insert(*verdict);
        if ORDER.iter().position(|known| known == verdict) < ORDER.iter().position(|known| known == worst) {
            *worst = verdict;
        }
    }
    told.retain(|key, verdict| *verdict != "not_applicable" || lines.contains_key(key));
    told
}

fn judged(tenant: &Tenant) -> Verdicts {
    let records = tenant.records(&tenant.answers(), false).unwrap();
    let (snapshot, scan) = tenant.scan(records, None);
    tenant.verdicts(&snapshot, &scan)
}

fn compare(folder: &str) {
    let lines = expected(folder);
    let verdicts = judged(&Tenant::open(folder));
    let told = told(&verdicts, &lines);
    if told != lines {
        let show = |lines: &Lines, sign: char, other: &Lines| {
            let differing = lines.iter().filter(|(key, verdict)| other.get(*key) != Some(verdict));
            differing.map(|((rule, subject), verdict)| format!("{sign} {rule} {subject} {verdict}\n")).collect::<String>()
        };
        panic!("{folder}: expected (-) and got (+)\n{}{}", show(&lines, '-', &told), show(&told, '+', &lines));
    }
}

#[test]
fn each_story_is_told() {
    STORIES.iter().for_each(|folder| compare(folder));
}

#[test]
fn contoso_is_told() {
    compare("contoso");
}

#[test]
#[ignore = "prints; for those who write fixtures"]
fn print() {
    let folder = std::env::var("FOLDER").unwrap();
    let tenant = Tenant::open(&folder);
    let records = tenant.records(&tenant.answers(), false).unwrap();
    let (snapshot, scan) = tenant.scan(records, None);
    let document = tenet::report::result_document(&tenant.compiled.policies, &snapshot, &scan, Default::default(), tenet::evaluate::Detail::Brief);
    println!("{:?}", document.summary);
    println!("{:#?}", document.problems);
    for finding in &document.findings {
        let subject = finding.subject.as_ref().map_or("*", |s| &s.id);
        println!(
            "{}.{} {subject} {}{}",
            finding.rule,
            finding.requirement.as_deref().unwrap_or("*"),
            if finding.waived { "waived " } else { "" },
            finding.verdict
        );
        if finding.verdict == "fail" {
            println!("    {:?}", finding.message)
        }
        for m in finding.missing.iter().take(4) {
            println!("    ? {} -- {} {:?}", m.what, m.reason, m.as_of);
        }
    }
}

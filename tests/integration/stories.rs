//! The tenants of the fixtures, each with the verdicts it must get.
//!
//! A line of `expected.txt` is `RULE subject verdict` or `RULE.requirement subject verdict`. Without a requirement it is about
//! the worst of the rule. A rule that is named has no other verdicts besides *not applicable*.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tenant::{Tenant, Verdicts};

pub(crate) const STORIES: [&str; 10] = [
    "stories/bare_role_assignments",
    "stories/ea_to_mca",
    "stories/foreign_group_owner",
    "stories/guest_designates",
    "stories/management_group_cycle",
    "stories/nested_group_cycle",
    "stories/orphan",
    "stories/reader_only_link",
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
        // Where a rule is named by its requirements, what is about the rule as a whole counts too.
        let name = match (by_requirement, requirement.as_str()) {
            (true, "*") => rule.clone(),
            (true, _) if is(&one) => one,
            (false, _) if is(rule) => rule.clone(),
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
            differing.map(|((rule, subject), verdict)| format!("{sign} {rule} {subject} {verdict}")).collect::<Vec<_>>().join("\n")
        };
        panic!("{folder}: expected (-) and got (+)\n{}\n{}", show(&lines, '-', &told), show(&told, '+', &lines));
    }
}

#[test]
fn each_story_is_told() {
    for folder in STORIES {
        compare(folder);
    }
}

#[test]
fn contoso_is_told() {
    compare("contoso");
}

/// Any order will do, as long as it is the same each time.
fn shuffled(answers: &[PathBuf], turn: usize) -> Vec<PathBuf> {
    let mut answers = answers.to_vec();
    let rank =
        |path: &PathBuf| path.to_str().unwrap().bytes().fold(turn, |sum, byte| sum.wrapping_mul(31 + turn).wrapping_add(usize::from(byte)));
    answers.sort_by_key(rank);
    answers
}

#[test]
fn the_order_of_files_makes_no_difference() {
    for folder in STORIES.iter().chain(&["contoso"]) {
        let tenant = Tenant::open(folder);
        let answers = tenant.answers();
        let records = format!("{:?}", tenant.records(&answers, false).unwrap());
        let verdicts = judged(&tenant);
        for turn in 1..4 {
            let shuffled = shuffled(&answers, turn);
            assert_eq!(records, format!("{:?}", tenant.records(&shuffled, false).unwrap()), "{folder}: order {turn}");
            // Under other names they are also read in another order.
            let scratch = tempfile::tempdir().unwrap();
            let renamed = shuffled.iter().enumerate().map(|(at, path)| {
                let new = scratch.path().join(format!("{at:03}.json"));
                fs::copy(path, &new).unwrap();
                new
            });
            let (snapshot, scan) = tenant.scan(tenant.records(&renamed.collect::<Vec<_>>(), false).unwrap(), None);
            assert_eq!(verdicts, tenant.verdicts(&snapshot, &scan), "{folder}: names {turn}");
        }
    }
}

/// Prints the verdicts of a folder of fixtures as lines of `expected.txt`.
#[test]
#[ignore = "for those who write fixtures: FOLDER=stories/orphan cargo test --test integration -- --ignored --nocapture"]
fn print() {
    let Ok(folder) = std::env::var("FOLDER") else { return };
    for ((rule, requirement, subject), verdict) in judged(&Tenant::open(&folder)) {
        let rule = if requirement == "*" { rule } else { format!("{rule}.{requirement}") };
        println!("{rule} {subject} {verdict}");
    }
}

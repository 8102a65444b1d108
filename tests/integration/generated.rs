//! Pages made from declarations; `UPDATE_EXPECT=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tenet::check::{CODES, Policies, Rule};
use tenet::sources::{CONFIG_CODES, MAPPING_CODES, REGISTER_CODES};
use tenet::text::CodePage;
use tenet::{BuiltinModules, compile};

#[test]
fn rules_page_is_current() {
    let compiled = compile(BuiltinModules::All, &[]);
    assert!(!compiled.has_errors());
    current("docs/rules.md", &rules_page(&compiled.policies));
}

#[test]
fn codes_page_is_current() {
    current("docs/codes.md", &codes_page());
}

fn current(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{page} is not current; run the tests with UPDATE_EXPECT=1 and read the difference");
}

const RULES_HEAD: &str = "\
# Rules

The rules that ship with tenet, by family. `tenet explain ID` shows the text of a rule; the packs are in the last section.
This page is made from the rules themselves.

*About* is the entity type whose members a rule judges. *Sources* are the `refs` of the rule: `seed:` is the customer's own
statement, `domain:` and `A-` the collected facts about the cloud, the rest are numbers of public benchmarks.
";

fn rules_page(policies: &Policies) -> String {
    let mut families: Vec<&str> = policies.rules.iter().map(family).collect();
    families.sort_unstable();
    families.dedup();
    let mut page = RULES_HEAD.to_owned();
    let _ = writeln!(page, "\nThere are {} rules.", policies.rules.len());
    for name in families {
        let _ = writeln!(page, "\n## {name}\n");
        page.push_str("| id | title | severity | about | sources | requirements |\n|---|---|---|---|---|---|\n");
        for rule in policies.rules.iter().filter(|rule| family(rule) == name) {
            rule_row(&mut page, policies, rule);
        }
    }
    page.push_str("\n## Packs\n\n| pack | title | blocking | advisory |\n|---|---|---|---|\n");
    for pack in &policies.packs {
        let used = |blocking: bool| {
            let uses = pack.uses.iter().filter(|used| used.blocking == blocking);
            let ids = uses.filter_map(|used| policies.rules.get(used.rule.0 as usize)).map(|rule| rule.id.as_str());
            ids.collect::<Vec<_>>().join(", ")
        };
        let title = cell(pack.title.as_deref().unwrap_or(""));
        let _ = writeln!(page, "| `{}` | {title} | {} | {} |", pack.name, used(true), used(false));
    }
    page
}

fn family(rule: &Rule) -> &str {
    rule.module.split('.').next().unwrap_or(&rule.module)
}

fn rule_row(page: &mut String, policies: &Policies, rule: &Rule) {
    let about = policies.schema.entity_name(rule.entity);
    let requirements: Vec<String> = rule.requirements.iter().map(|requirement| format!("`{}`", requirement.name)).collect();
    let _ = writeln!(
        page,
        "| {} | {} | {} | {about} | {} | {} |",
        rule.id,
        cell(&rule.title),
        rule.severity.name(),
        cell(&rule.refs.join(", ")),
        requirements.join(", ")
    );
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const CODES_HEAD: &str = "\
# Diagnostic codes

Codes are stable. `tenet explain CODE` prints the same text. This page is made from the declarations.
";

fn codes_page() -> String {
    let mut page = CODES_HEAD.to_owned();
    for (title, codes) in [("Policies", CODES), ("Registers", REGISTER_CODES), ("Configuration", CONFIG_CODES), ("Mappings", MAPPING_CODES)]
    {
        let _ = writeln!(page, "\n## {title}");
        codes.iter().for_each(|code| code_section(&mut page, code));
    }
    page
}

fn code_section(page: &mut String, code: &CodePage) {
    let _ = writeln!(page, "\n### {}: {}\n\n{}", code.code, code.title, code.text);
}

/// Every limit of the code stands in the table of limits, with its file.
#[test]
fn limits_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let mut limits = Vec::new();
    collect_limits(&root.join("src"), &mut limits);
    assert!(!limits.is_empty());
    for (file, name) in limits {
        let listed = page.lines().any(|line| line.contains(&format!("`{name}`")) && line.contains(&format!("`{file}`")));
        assert!(listed, "docs/architecture.md does not list the limit {name} of {file}");
    }
}

fn collect_limits(folder: &Path, limits: &mut Vec<(String, String)>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect_limits(&path, limits);
            continue;
        }
        let file = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().display().to_string().replace('\\', "/");
        for line in fs::read_to_string(&path).unwrap().lines() {
            let name = line.split("const ").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or("");
            let is_limit = name.ends_with("_MAX") || name.starts_with("MAX_");
            if is_limit && line.contains(": u") {
                limits.push((file.clone(), name.to_owned()));
            }
        }
    }
}

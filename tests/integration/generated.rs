//! Pages made from declarations; `UPDATE_EXPECT=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tenet::check::{Action, ActionMode, CODES, Policies, Rule, Template, TemplatePart};
use tenet::sources::azure::AzureRequests;
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
fn actions_page_is_current() {
    let compiled = compile(BuiltinModules::All, &[]);
    let sources = |action: &Action| compiled.sources.get(action.span.file).map(|file| file.text.to_string()).unwrap_or_default();
    current("docs/actions.md", &actions_page(&compiled.policies, &sources));
}

#[test]
fn reads_of_the_collector_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/collect.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once("<!-- reads -->").unwrap();
    let (_, tail) = rest.split_once("<!-- /reads -->").unwrap();
    let mut table = "<!-- reads -->\n| read | of | request | least permission |\n|---|---|---|---|\n".to_owned();
    for operation in tenet::sources::collect::Operation::ALL {
        let of = operation.what().trim_start_matches("of ");
        let verb = if operation.question().is_some() { "POST " } else { "" };
        let _ = writeln!(table, "| `{}` | {of} | {verb}`{}` | {} |", operation.name(), operation.shown(), operation.permission().name());
    }
    current("docs/collect.md", &format!("{head}{table}<!-- /reads -->{tail}"));
}

const ACTIONS_HEAD: &str = "\
# Actions

What tenet can do about a finding, or ask a person to do, by module. This page is made from the actions themselves.

*By* says who carries it out: `tenet`, through an API; `tenet as x`, only where `x` itself is signed in, and a person otherwise; a person.
*Needs* is the permission. *Undo* is the action that takes it back. Click paths bear the date of the page they were read on: portals are
renamed often.
";

fn actions_page(policies: &Policies, text: &dyn Fn(&Action) -> String) -> String {
    let mut actions: Vec<&Action> = policies.actions.iter().collect();
    actions.sort_by(|a, b| (&a.module, &a.name).cmp(&(&b.module, &b.name)));
    let mut page = ACTIONS_HEAD.to_owned();
    let mut module = "";
    for action in &actions {
        if action.module != module {
            module = &action.module;
            let _ = writeln!(page, "\n## {module}\n\n| action | by | needs | undo |\n|---|---|---|---|");
        }
        let formals: Vec<&str> = action.formals.iter().map(|(name, _)| name.as_str()).collect();
        let by = match (action.mode, &action.identity) {
            (ActionMode::Human, _) => "a person".to_owned(),
            (ActionMode::Api, None) => "tenet".to_owned(),
            (ActionMode::Api, Some(identity)) => {
                let text = text(action);
                format!("tenet as `{}`", &text[identity.span.start as usize..identity.span.end as usize])
            }
        };
        let undo = match (&action.undo, &action.irreversible) {
            (Some(undo), _) => format!("`{undo}`"),
            (None, Some(reason)) => format!("none: {reason}"),
            (None, None) => String::new(),
        };
        let needs = cell(&action.needs.join(", "));
        let _ = writeln!(
            page,
            "| `{}({})`: {} | {by} | {needs} | {} |",
            action.name,
            formals.join(", "),
            cell(&action.docs.join(" ")),
            cell(&undo)
        );
    }
    page.push_str("\n## Click paths\n");
    for action in actions.iter().filter(|action| !action.paths.is_empty()) {
        let _ = writeln!(page, "\n### {}\n", action.name);
        for path in &action.paths {
            let _ = writeln!(page, "- {} ({}, read {})", shown(&path.text), path.page, path.read);
        }
        let verify = action.verify.as_ref().map(shown).unwrap_or_default();
        let _ = writeln!(page, "- Verified: {verify}");
    }
    page
}

/// A text with dots in place of what differs from case to case.
fn shown(template: &Template) -> String {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.clone(),
        TemplatePart::Expr(_) => "…".to_owned(),
    };
    template.iter().map(part).collect()
}

/// Everything a service does can be taken back or says why not, and has a request; everything a person does says how and how it is seen.
#[test]
fn shipped_actions_are_whole() {
    let policies = compile(BuiltinModules::All, &[]).policies;
    let with_requests: Vec<&str> = AzureRequests::actions().collect();
    for action in &policies.actions {
        let name = &action.name;
        assert!(action.undo.is_some() || action.irreversible.is_some(), "{name} does not say how it is undone");
        assert!(action.remedy.is_some(), "{name} says no remedy");
        let person = action.mode == ActionMode::Human || action.identity.is_some();
        assert_eq!(person, !action.paths.is_empty(), "{name}: click paths are for people");
        assert_eq!(person, action.verify.is_some(), "{name}: what people do is verified");
        assert_eq!(
            action.mode == ActionMode::Api,
            with_requests.contains(&name.as_str()),
            "{name}: a request for each action of a service"
        );
        assert!(action.mode == ActionMode::Human || !action.needs.is_empty(), "{name} says no permission");
    }
    for name in with_requests {
        assert!(policies.actions.iter().any(|action| action.name == name), "{name} has a request and no action");
    }
}

/// What is never automated (domain notes, section 5.2) is a person's or is no action at all.
#[test]
fn some_things_are_never_automated() {
    let policies = compile(BuiltinModules::All, &[]).policies;
    let mode = |name: &str| policies.actions.iter().find(|action| action.name == name).map(|action| action.mode);
    for name in ["remove_foreign_access", "end_relationship", "accept_relationship", "accept_customer_agreement"] {
        assert_eq!(mode(name), Some(ActionMode::Human), "{name}");
    }
    let schema = &policies.schema;
    let owner_of = |name: &str| schema.entity_named(name).map(|ty| ty.id);
    for action in policies.actions.iter().filter(|action| action.mode == ActionMode::Api) {
        for effect in &action.effects {
            let tenet::check::Effect::Set(_, property, _) = effect else { continue };
            let property = schema.property(*property).unwrap();
            let subject = Some(property.owner);
            assert!(subject != owner_of("DelegatedAdminRelationship"), "{} changes a delegated admin relationship", action.name);
            let refused = ["agreement", "billing_account", "tenant"];
            let of_subscription = subject == owner_of("Subscription") && refused.contains(&property.name.as_str());
            assert!(!of_subscription, "{} moves a subscription between agreements or directories", action.name);
        }
        for effect in &action.effects {
            if let tenet::check::Effect::Delete(target) = effect {
                let ty = target.ty.entity().unwrap();
                let principal = owner_of("Principal").unwrap();
                assert!(!schema.is_subtype(ty, principal), "{} deletes a principal", action.name);
                assert!(Some(ty) != owner_of("DelegatedAdminRelationship"), "{} ends a relationship", action.name);
            }
        }
    }
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

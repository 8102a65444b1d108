//! The catalogue: a page for each rule, in Markdown and HTML.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use askama::Template;

use super::comparison::markdown;
use super::document::FixResult;
use super::explanation::waivable_text;
use super::result::fixes;
use crate::check::{Policies, Printer, Rule, TemplatePart};
use crate::evaluate::used_parameters;
use crate::model::{EntityTypeId, PropertyId, Provenance};
use crate::text::SourceSet;

const CSS: &str = include_str!("../../templates/catalogue/style.css");
/// Tests shown as examples of one rule.
const TESTS_MAX: usize = 12;

/// A parameter of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterLine {
    /// Its full name.
    pub name: String,
    /// Its type.
    pub ty: String,
    /// Its value if nobody sets it.
    pub value: String,
    /// What it means.
    pub docs: String,
}

/// A fact that a rule reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadLine {
    /// The fact, such as `Subscription.agreement`.
    pub fact: String,
    /// The read that gives it.
    pub api: String,
    /// The permission the read needs.
    pub permission: String,
    /// The register that may bring it.
    pub register: String,
}

/// What the page of a rule says.
#[derive(Debug, Clone)]
pub struct RulePage {
    /// The name of its file.
    pub file: String,
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: &'static str,
    /// The type of its subjects.
    pub about: String,
    /// The module that declares it.
    pub module: String,
    /// Packs that use it.
    pub packs: Vec<String>,
    /// Ids it had before.
    pub was: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its sources.
    pub refs: Vec<String>,
    /// For how long and by whom it may be waived.
    pub waivable: String,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Why it exists.
    pub why: Option<String>,
    /// Its requirements with their conditions.
    pub requirements: Vec<(String, String)>,
    /// Its text.
    pub text: String,
    /// Its parameters.
    pub parameters: Vec<ParameterLine>,
    /// What it reads.
    pub reads: Vec<ReadLine>,
    /// What a person can do.
    pub remedy: Option<String>,
    /// Its fixes.
    pub fixes: Vec<FixResult>,
    /// Tests that name it, with their text.
    pub tests: Vec<(String, String)>,
}

/// Makes the page of a rule that reads these properties and lists.
#[must_use]
pub fn rule_page(
    policies: &Policies,
    sources: &SourceSet,
    rule: &Rule,
    properties: &BTreeSet<PropertyId>,
    extents: &BTreeSet<EntityTypeId>,
) -> RulePage {
    let place = policies.rules.iter().position(|other| other.id == rule.id);
    let is_it = |id: crate::check::RuleId| Some(id.0 as usize) == place;
    let packs = policies.packs.iter().filter(|pack| pack.uses.iter().any(|used| is_it(used.rule)));
    let tests = policies.tests.iter().filter(|test| test.expects.iter().any(|expect| is_it(expect.rule)));
    let printer = Printer { policies, slots: &rule.slot_names };
    let requirement = |at: &crate::check::Requirement| (at.name.clone(), printer.print(&at.condition));
    RulePage {
        file: rule.id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect(),
        id: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity.name(),
        about: policies.schema.entity_name(rule.entity).to_owned(),
        module: rule.module.clone(),
        packs: packs.map(|pack| pack.name.clone()).collect(),
        was: rule.was.clone(),
        tags: rule.tags.clone(),
        refs: rule.refs.clone(),
        waivable: waivable_text(rule),
        docs: rule.docs.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect(),
        why: rule.why.clone(),
        requirements: rule.requirements.iter().map(requirement).collect(),
        text: sources.slice(rule.span).to_owned(),
        parameters: parameters(policies, sources, rule),
        reads: reads(policies, rule, properties, extents),
        remedy: rule.remedy.as_ref().map(|remedy| words(remedy, printer)),
        fixes: fixes(policies, rule),
        tests: tests.take(TESTS_MAX).map(|test| (test.name.clone(), sources.slice(test.span).to_owned())).collect(),
    }
}

/// Writes a text with its values as they are computed.
fn words(template: &crate::check::Template, printer: Printer<'_>) -> String {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.clone(),
        TemplatePart::Expr(value) => format!("{{{}}}", printer.print(value)),
    };
    template.iter().map(part).collect()
}

fn parameters(policies: &Policies, sources: &SourceSet, rule: &Rule) -> Vec<ParameterLine> {
    let used = used_parameters(policies, rule).into_iter().filter_map(|id| policies.params.get(id.0 as usize));
    let line = |param: &crate::check::Param| ParameterLine {
        name: format!("{}.{}", param.module, param.name),
        ty: policies.schema.type_name(param.ty),
        value: param.value.as_ref().map_or_else(|| "none: it has to be set".to_owned(), |value| sources.slice(value.span).to_owned()),
        docs: param.docs.join(" ").trim().to_owned(),
    };
    used.filter(|param| !param.is_const).map(line).collect()
}

fn reads(policies: &Policies, rule: &Rule, properties: &BTreeSet<PropertyId>, extents: &BTreeSet<EntityTypeId>) -> Vec<ReadLine> {
    let schema = &policies.schema;
    let line = |fact: String, source: &Provenance| {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        ReadLine { fact, api: said(&source.api), permission: said(&source.permission), register: said(&source.register) }
    };
    let every = extents.iter().chain([&rule.entity]).filter_map(|id| schema.entity(*id));
    let mut lines: BTreeSet<ReadLine> = every.map(|entity| line(format!("every {}", entity.name), &entity.source)).collect();
    for property in properties.iter().filter_map(|id| schema.property(*id)) {
        lines.insert(line(format!("{}.{}", schema.entity_name(property.owner), property.name), &property.source));
    }
    lines.into_iter().collect()
}

#[derive(Template)]
#[template(path = "catalogue/rule.html")]
struct RuleHtml<'p> {
    page: &'p RulePage,
    css: &'static str,
}

#[derive(Template)]
#[template(path = "catalogue/index.html")]
struct IndexHtml<'p> {
    pages: &'p [RulePage],
    css: &'static str,
}

impl RulePage {
    /// Writes it as HTML.
    ///
    /// # Errors
    /// What the template says.
    pub fn html(&self) -> Result<String, askama::Error> {
        RuleHtml { page: self, css: CSS }.render()
    }

    /// Writes it as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# {} {}\n\n", markdown(&self.id), markdown(&self.title));
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(out, "- {name}: {}", markdown(value));
            }
        };
        line("severity", self.severity);
        line("about", &format!("each {}", self.about));
        line("module", &self.module);
        line("packs", &self.packs.join(", "));
        line("formerly", &self.was.join(", "));
        line("tags", &self.tags.join(", "));
        line("sources", &self.refs.join(", "));
        line("waivers", &self.waivable);
        for text in self.docs.iter().chain(&self.why) {
            let _ = write!(out, "\n{}\n", markdown(text));
        }
        let _ = write!(out, "\n## The rule\n\n{}", fenced(&self.text));
        self.parameters_markdown(&mut out);
        self.reads_markdown(&mut out);
        self.fixes_markdown(&mut out);
        out.push_str("\n## Examples\n");
        if self.tests.is_empty() {
            out.push_str("\nNo test names this rule.\n");
        }
        for (name, text) in &self.tests {
            let _ = write!(out, "\n### {}\n\n{}", markdown(name), fenced(text));
        }
        out
    }

    fn parameters_markdown(&self, out: &mut String) {
        out.push_str("\n## Parameters\n\n");
        let rows = self.parameters.iter().map(|parameter| [&*parameter.name, &parameter.ty, &parameter.value, &parameter.docs]);
        table(out, ["name", "type", "default", "meaning"], rows, "None.");
    }

    fn reads_markdown(&self, out: &mut String) {
        out.push_str("\n## What it reads\n\n");
        let rows = self.reads.iter().map(|read| [&*read.fact, &read.api, &read.permission, &read.register]);
        table(out, ["fact", "read", "permission", "register"], rows, "Nothing beside its subjects.");
    }

    fn fixes_markdown(&self, out: &mut String) {
        out.push_str("\n## What can be done\n\n");
        if let Some(remedy) = &self.remedy {
            let _ = write!(out, "{}\n\n", markdown(remedy));
        }
        let rows: Vec<[String; 5]> = self
            .fixes
            .iter()
            .map(|fix| {
                let by = if fix.by_a_person { "a person" } else { "tenet" };
                [fix.name.clone(), fix.requirements.join(", "), fix.action.clone(), by.to_owned(), fix.needs.join(", ")]
            })
            .collect();
        let nothing = if self.remedy.is_some() { "" } else { "The rule names nothing; `tenet explain` looks for the smallest change." };
        let rows = rows.iter().map(|row| [&*row[0], &row[1], &row[2], &row[3], &row[4]]);
        table(out, ["fix", "for", "action", "by", "needs"], rows, nothing);
    }
}

fn table<'t, const N: usize>(out: &mut String, heading: [&str; N], rows: impl Iterator<Item = [&'t str; N]>, nothing: &str) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        let _ = writeln!(out, "{nothing}");
        return;
    }
    let _ = writeln!(out, "| {} |\n|{}", heading.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| markdown(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

/// Puts a text between fences that are longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}tenet\n{}\n{fence}\n", super::escape::plain_lines(text.trim_end()))
}

/// Writes the page that leads to the others, as HTML.
///
/// # Errors
/// What the template says.
pub fn catalogue_html(pages: &[RulePage]) -> Result<String, askama::Error> {
    IndexHtml { pages, css: CSS }.render()
}

/// Writes the page that leads to the others, as Markdown.
#[must_use]
pub fn catalogue_markdown(pages: &[RulePage]) -> String {
    let mut out = format!("# Rules\n\n{} rules.\n\n| rule | title | severity | about |\n|---|---|---|---|\n", pages.len());
    for page in pages {
        let id = markdown(&page.id);
        let _ = writeln!(out, "| [{id}]({}.md) | {} | {} | {} |", page.file, markdown(&page.title), page.severity, markdown(&page.about));
    }
    out
}

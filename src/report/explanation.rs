//! A rule, and why one verdict of it is what it is, for an auditor to read.

use std::fmt::Write as _;

use super::document::FindingResult;
use super::escape::{plain, shorten};
use super::table::missing_line;
use crate::check::{Policies, Rule, Waivable};
use crate::evaluate::Truth;
use crate::model::format_duration;
use crate::text::SourceSet;

/// Missing facts written one by one; the rest is counted.
const MISSING_MAX: usize = 12;
/// Evidence written for one condition; the rest is counted.
const EVIDENCE_MAX: usize = 24;

/// Writes what a rule says: title, reason, sources, its own text.
#[must_use]
pub fn explain_rule(policies: &Policies, sources: &SourceSet, rule: &Rule) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", rule.id, rule.title);
    let _ = writeln!(out, "severity {}, about each {}", rule.severity.name(), policies.schema.entity_name(rule.entity));
    if let Some(why) = &rule.why {
        let _ = writeln!(out, "why: {why}");
    }
    if !rule.refs.is_empty() {
        let _ = writeln!(out, "sources: {}", rule.refs.join(", "));
    }
    if !rule.was.is_empty() {
        let _ = writeln!(out, "formerly: {}", rule.was.join(", "));
    }
    let waivable = match &rule.waivable {
        Waivable::No => "never waived".to_owned(),
        Waivable::UpTo { limit, by } if by.is_empty() => format!("may be waived for {}", format_duration(*limit)),
        Waivable::UpTo { limit, by } => format!("may be waived for {} by {}", format_duration(*limit), by.join(", ")),
    };
    let _ = writeln!(out, "{waivable}");
    if let Some(file) = sources.get(rule.span.file) {
        let (line, _) = file.line_column(rule.span.start);
        let _ = writeln!(out, "\n{}:{line}", file.name);
        for text in sources.slice(rule.span).lines() {
            let _ = writeln!(out, "  | {text}");
        }
    }
    out
}

/// Writes why one verdict is what it is.
#[must_use]
pub fn explain_verdict(finding: &FindingResult) -> String {
    let mut out = String::new();
    heading(finding, &mut out);
    if let Some(message) = &finding.message {
        let _ = writeln!(out, "  {}", plain(message));
    }
    for line in &finding.explanation {
        let indent = "  ".repeat(line.depth + 1);
        let mark = match line.outcome {
            Some(Truth::True) => "holds: ",
            Some(Truth::False) => "does not hold: ",
            Some(Truth::Unknown) => "cannot be decided: ",
            None => "",
        };
        let _ = writeln!(out, "{indent}{mark}{}", shorten(&plain(&line.text), 300));
        for item in line.evidence.iter().take(EVIDENCE_MAX) {
            let source = item.source.as_ref().map_or_else(String::new, |source| format!("   [{}]", plain(source)));
            let whose = if item.subject.name == item.subject.id { plain(&item.subject.id) } else { plain(&item.subject.name) };
            let _ = writeln!(out, "{indent}    {} of {whose} is {}{source}", item.property, plain(&item.value));
        }
        if line.evidence.len() > EVIDENCE_MAX {
            let _ = writeln!(out, "{indent}    … and {} more facts", line.evidence.len() - EVIDENCE_MAX);
        }
    }
    if !finding.missing.is_empty() {
        let _ = writeln!(out, "  It could be decided by knowing:");
        for missing in finding.missing.iter().take(MISSING_MAX) {
            let _ = writeln!(out, "    - {}", missing_line(missing));
        }
        if finding.missing.len() > MISSING_MAX {
            let _ = writeln!(out, "    - … and {} more facts", finding.missing.len() - MISSING_MAX);
        }
    }
    for attested in &finding.attested {
        let due = attested.review_due.as_ref().map_or_else(String::new, |due| format!(", to be reviewed by {due}"));
        let _ = writeln!(out, "  Rests on the word of {}{due}   [{}]", plain(&attested.by), plain(&attested.source));
    }
    if let Some(remedy) = &finding.remedy {
        let _ = writeln!(out, "  What can be done: {}", plain(remedy));
    }
    out
}

fn heading(finding: &FindingResult, out: &mut String) {
    let subject = finding.subject.as_ref().map_or_else(
        || "subjects that were not read".to_owned(),
        |subject| {
            let name = if subject.name == subject.id { String::new() } else { format!("{} ", plain(&subject.name)) };
            format!("{} {name}{}", subject.entity, plain(&subject.id))
        },
    );
    let what = match (&finding.requirement, finding.applicability) {
        (Some(requirement), _) => requirement.clone(),
        (None, true) => "whether the rule applies".to_owned(),
        (None, false) => "the rule as a whole".to_owned(),
    };
    let waived = if finding.waived { ", waived" } else { "" };
    let pack = finding.pack.as_ref().map_or_else(String::new, |pack| format!(" (pack {pack})"));
    let due = finding.due.as_ref().map_or_else(String::new, |due| format!(", due {due}"));
    let _ = writeln!(out, "{}{waived}{due}: {}.{what}{pack} on {subject}", finding.verdict.name().to_uppercase(), finding.rule);
}

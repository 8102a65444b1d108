//! Lines that logs of GitHub Actions and Azure DevOps show beside the code.
//!
//! Sources: GitHub, *Workflow commands for GitHub Actions*; Microsoft, *Logging commands* of Azure Pipelines. In both a value
//! ends at characters that are escaped here, as the runners take them back: `%` itself, line breaks, and what separates values.

use std::io::{self, Write};

use super::said::{self, Place};
use crate::model::RuleSeverity;
use crate::report::document::{FindingResult, ResultDocument, Standing};
use crate::report::escape::shorten;
use crate::report::saved::ResultSource;
use crate::report::table::counts_line;

/// Annotations of one report; the rest is counted. The services show fewer.
const ANNOTATIONS_MAX: usize = 1_000;
/// Characters of one message.
const MESSAGE_MAX: usize = 1_000;

/// Whose commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// GitHub Actions.
    Github,
    /// Azure DevOps.
    Azure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Notice,
    Warning,
    Error,
}

pub(super) fn write(service: Service, result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    let mut n = 0;
    result.findings(&mut |finding| {
        let Some(level) = level(finding) else { return Ok(()) };
        n += 1;
        if n <= ANNOTATIONS_MAX { output.write_all(line(service, level, head, finding).as_bytes()) } else { Ok(()) }
    })?;
    if n > ANNOTATIONS_MAX {
        writeln!(output, "{} more findings are not annotated", n - ANNOTATIONS_MAX)?;
    }
    writeln!(output, "{}; {} rest on attestations", counts_line(&head.summary), head.summary.attested)
}

fn level(finding: &FindingResult) -> Option<Level> {
    match finding.standing() {
        Standing::Fail => Some(match finding.severity {
            RuleSeverity::Critical | RuleSeverity::High => Level::Error,
            RuleSeverity::Medium => Level::Warning,
            RuleSeverity::Low | RuleSeverity::Advice => Level::Notice,
        }),
        Standing::Unknown => Some(Level::Warning),
        Standing::Waived | Standing::Pending => Some(Level::Notice),
        Standing::Pass | Standing::NotApplicable => None,
    }
}

fn line(service: Service, level: Level, head: &ResultDocument, finding: &FindingResult) -> String {
    let Place { file, builtin, line } = said::shown_at(finding, head.rule_of(finding));
    let name = said::place(finding);
    let text = format!("{}: {}: {}", finding.standing().name(), said::subject(finding), said::sentence(head, finding));
    let text = shorten(&text, MESSAGE_MAX);
    match service {
        Service::Github => {
            let level = match level {
                Level::Notice => "notice",
                Level::Warning => "warning",
                Level::Error => "error",
            };
            // A file that is not in the repository would be shown nowhere.
            let place = if builtin { String::new() } else { format!("file={},line={line},", github_property(&file)) };
            format!("::{level} {place}title={}::{}\n", github_property(&name), github_data(&text))
        }
        Service::Azure => {
            let level = if level == Level::Error { "error" } else { "warning" };
            let place = if builtin { String::new() } else { format!(";sourcepath={};linenumber={line}", azure(&file)) };
            format!("##vso[task.logissue type={level}{place};code={}]{}\n", azure(&name), azure(&text))
        }
    }
}

fn github_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn azure(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A").replace(';', "%3B").replace(']', "%5D")
}

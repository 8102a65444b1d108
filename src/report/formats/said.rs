//! What reports say of a finding, in one wording. Everything that comes from a tenant is [`plain`] already.

use crate::report::document::{AttestedBy, FindingResult, ResultDocument, RuleResult, Standing, Unread, WaiverResult};
use crate::report::escape::plain;
use crate::report::table::{missing_line, remedy_of};

/// Missing facts named in one sentence; the rest is counted.
const MISSING_MAX: usize = 5;

/// Returns the requirement, or what it is about where there is none.
pub(super) fn requirement(finding: &FindingResult) -> String {
    match (&finding.requirement, finding.applicability) {
        (Some(requirement), _) => plain(requirement),
        (None, true) => "applies".to_owned(),
        (None, false) => "-".to_owned(),
    }
}

/// Names the finding without its subject: `RULE.requirement`.
pub(super) fn place(finding: &FindingResult) -> String {
    match &finding.requirement {
        Some(requirement) => format!("{}.{}", plain(&finding.rule), plain(requirement)),
        None => plain(&finding.rule),
    }
}

/// Names the subject for people: name and id.
pub(super) fn subject(finding: &FindingResult) -> String {
    match &finding.subject {
        None => "subjects that were not read".to_owned(),
        Some(subject) if subject.name == subject.id => plain(&subject.id),
        Some(subject) => format!("{} ({})", plain(&subject.name), plain(&subject.id)),
    }
}

/// Says how a finding stands and why, in one line.
pub(super) fn sentence(head: &ResultDocument, finding: &FindingResult) -> String {
    let message = || finding.message.as_deref().map_or_else(|| format!("`{}` does not hold", requirement(finding)), plain);
    let text = match finding.standing() {
        Standing::Fail => message(),
        Standing::Waived => {
            let waiver = head.waiver_of(finding).map_or_else(String::new, |waiver| format!(": {}", waiver_text(waiver)));
            format!("{} Waived{waiver}", ended(message()))
        }
        Standing::Unknown => format!("Cannot be decided: {}", missing(finding)),
        Standing::Pending => {
            format!("{} Due {}", ended(message()), finding.due.as_deref().map_or_else(|| "at a time that is not known".to_owned(), plain))
        }
        Standing::Pass => "Holds".to_owned(),
        Standing::NotApplicable => "The rule does not speak about it".to_owned(),
    };
    match attested(finding) {
        Some(attested) => format!("{} {attested}", ended(text)),
        None => text,
    }
}

fn ended(text: String) -> String {
    if text.ends_with(['.', '!', '?']) { text } else { text + "." }
}

/// Says what would have to be known.
pub(super) fn missing(finding: &FindingResult) -> String {
    if finding.missing.is_empty() {
        return "what is missing is not known".to_owned();
    }
    let mut lines: Vec<String> = finding.missing.iter().take(MISSING_MAX).map(missing_line).collect();
    if finding.missing.len() > MISSING_MAX {
        lines.push(format!("and {} more facts", finding.missing.len() - MISSING_MAX));
    }
    lines.join("; ")
}

/// Says on whose word a verdict rests.
pub(super) fn attested(finding: &FindingResult) -> Option<String> {
    let words: Vec<String> = finding.attested.iter().map(attested_by).collect();
    (!words.is_empty()).then(|| format!("Rests on an attestation: {}", words.join("; ")))
}

fn attested_by(attested: &AttestedBy) -> String {
    let due = attested.review_due.as_ref().map_or_else(String::new, |due| format!(", to be reviewed by {}", plain(due)));
    format!("{} by {}{due}, in {}", plain(&attested.id), plain(&attested.by), plain(&attested.source))
}

/// Says what a waiver says.
pub(super) fn waiver_text(waiver: &WaiverResult) -> String {
    let ticket = waiver.ticket.as_ref().map_or_else(String::new, |ticket| format!(", ticket {}", plain(ticket)));
    let by: Vec<String> = waiver.approved_by.iter().map(|by| plain(by)).collect();
    format!("{} (approved by {}{ticket}, until the end of {})", plain(&waiver.because), by.join(", "), plain(&waiver.until))
}

/// Says of a kind of missing fact what waits for it and how it can be got.
pub(super) fn unread(unread: &Unread) -> String {
    let reasons: Vec<String> = unread.reasons.iter().map(|reason| plain(reason)).collect();
    let remedy = remedy_of(unread.api.as_deref(), unread.permission.as_deref(), unread.register.as_deref());
    let waits = if unread.verdicts == 1 { "1 verdict waits".to_owned() } else { format!("{} verdicts wait", unread.verdicts) };
    format!("{} was not read: {waits} for it ({}). Get it by {}", plain(&unread.what), reasons.join("; "), plain(&remedy))
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, with slashes.
    pub(super) file: String,
    /// Whether it is built into the program.
    pub(super) builtin: bool,
    /// Counted from 1.
    pub(super) line: usize,
}

/// Returns the line a finding is shown at: the row of the register it rests on, else its rule, else the configuration.
pub(super) fn shown_at(finding: &FindingResult, rule: Option<&RuleResult>) -> Place {
    let row = finding.attested.iter().find_map(|attested| row_of(&attested.source));
    row.or_else(|| {
        let source = rule?.source.as_ref()?;
        Some(Place { file: plain(&source.file), builtin: source.builtin, line: source.line.max(1) })
    })
    .unwrap_or_else(|| Place { file: "tenet.toml".to_owned(), builtin: false, line: 1 })
}

/// Reads the place out of `designations (registers/designations.yaml:12)`.
fn row_of(source: &str) -> Option<Place> {
    let (file, line) = source.strip_suffix(')')?.split_once(" (")?.1.rsplit_once(':')?;
    let line = line.parse().ok().filter(|line| *line > 0)?;
    // A register elsewhere than in the repo is no file of it.
    let inside = !file.starts_with('/') && !file.split('/').any(|part| part == "..");
    inside.then(|| Place { file: plain(file), builtin: false, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_register_is_a_place() {
        let place = |file: &str, line| Some(Place { file: file.to_owned(), builtin: false, line });
        assert_eq!(row_of("designations (registers/designations.yaml:12)"), place("registers/designations.yaml", 12));
        assert_eq!(row_of("designations (registers/a (1).yaml:3)"), place("registers/a (1).yaml", 3));
        for none in ["arm:users", "x (y)", "x (y:0)", "x (/etc/y:1)", "x (../y:1)", "x (y:1"] {
            assert_eq!(row_of(none), None, "{none}");
        }
    }
}

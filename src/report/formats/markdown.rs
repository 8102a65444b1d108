//! A summary for a pull request: at most [`LINES_MAX`] lines of CommonMark.
//!
//! Everything that comes from a tenant stands in code spans, where neither markup nor HTML, links or mentions work.

use std::io::{self, Write};

use super::said;
use crate::report::document::{FindingResult, ResultDocument, Standing, WaiverOutcome};
use crate::report::escape::{plain, shorten};
use crate::report::saved::ResultSource;

/// Lines of a whole summary.
const LINES_MAX: usize = 60;
/// Fails listed; the rest is counted.
const FAILS_MAX: usize = 16;
/// Kinds of missing facts listed; the rest is counted.
const UNREAD_MAX: usize = 8;
/// Pending findings, and waivers that need somebody, listed; the rest is counted.
const OTHERS_MAX: usize = 4;
/// Characters of one text.
const WIDTH_MAX: usize = 160;

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    let (mut fails, mut pending) = (Vec::new(), Vec::new());
    result.findings(&mut |finding| {
        let (list, max) = match finding.standing() {
            Standing::Fail => (&mut fails, FAILS_MAX),
            Standing::Pending => (&mut pending, OTHERS_MAX),
            Standing::Waived | Standing::Unknown | Standing::Pass | Standing::NotApplicable => return Ok(()),
        };
        // The worst come first, as they come within one severity.
        let at = list.partition_point(|other: &FindingResult| other.severity >= finding.severity);
        if at < max {
            list.insert(at, finding.clone());
            list.truncate(max);
        }
        Ok(())
    })?;
    let mut lines = summary(head);
    section(
        &mut lines,
        "What could not be looked at",
        head.unread.len(),
        UNREAD_MAX,
        head.unread.iter().map(|unread| code(&said::unread(unread))),
    );
    let fail = head.summary.verdicts.fail;
    section(&mut lines, "Does not hold", fail, FAILS_MAX, fails.iter().map(|finding| line(head, finding)));
    let open = head.summary.verdicts.pending;
    section(&mut lines, "Does not hold yet", open, OTHERS_MAX, pending.iter().map(|finding| line(head, finding)));
    waivers(head, &mut lines);
    lines.truncate(LINES_MAX);
    output.write_all((lines.join("\n") + "\n").as_bytes())
}

fn summary(head: &ResultDocument) -> Vec<String> {
    let (counts, summary) = (&head.summary.verdicts, &head.summary);
    let tenant = head.tenant.as_deref().map_or_else(|| "not known".to_owned(), code);
    let vacuous = if summary.vacuous.is_empty() { String::new() } else { format!("; {} rules applied to nothing", summary.vacuous.len()) };
    vec![
        format!("### tenet: {}", code(&summary.outcome)),
        String::new(),
        format!("Tenant {tenant} as of {}, policies {}", code(&head.now), code(&shorten(&head.run.policies_digest, 13))),
        String::new(),
        "| fail | unknown | pending | waived | pass | not applicable |".to_owned(),
        "|--:|--:|--:|--:|--:|--:|".to_owned(),
        format!(
            "| {} | {} | {} | {} | {} | {} |",
            counts.fail, counts.unknown, counts.pending, counts.waived, counts.pass, counts.not_applicable
        ),
        String::new(),
        format!(
            "Evaluated {} of {} verdicts of {} rules; {} rest on attestations{vacuous}.",
            summary.evaluated, summary.of, summary.rules, summary.attested
        ),
    ]
}

fn section(lines: &mut Vec<String>, title: &str, have: usize, max: usize, items: impl Iterator<Item = String>) {
    if have == 0 {
        return;
    }
    lines.extend([String::new(), format!("**{title}** ({have})"), String::new()]);
    lines.extend(items.take(max).map(|item| format!("- {item}")));
    if have > max {
        lines.push(format!("- … and {} more", have - max));
    }
}

fn line(head: &ResultDocument, finding: &FindingResult) -> String {
    let severity = if finding.blocking { finding.severity.name().to_owned() } else { format!("{}, advisory", finding.severity.name()) };
    format!("{} ({severity}) {}: {}", code(&said::place(finding)), code(&said::subject(finding)), code(&said::sentence(head, finding)))
}

fn waivers(head: &ResultDocument, lines: &mut Vec<String>) {
    let watched: Vec<_> =
        head.waivers.iter().filter(|waiver| waiver.state != WaiverOutcome::Is(crate::evaluate::WaiverState::Active)).collect();
    let items =
        watched.iter().map(|waiver| format!("{} {}: {}", code(&waiver.rule), waiver.state.name(), code(&said::waiver_text(waiver))));
    section(lines, "Waivers that need somebody", watched.len(), OTHERS_MAX, items);
}

/// Writes a text as a code span that nothing in it can end (CommonMark, section 6.1).
fn code(text: &str) -> String {
    let text = shorten(&plain(text), WIDTH_MAX);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // Blanks keep backticks at its ends apart from the fence, and make a span of nothing.
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    let text = if text.is_empty() { "-" } else { &text };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn nothing_ends_a_code_span() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a\nb"), "`a\\u{a}b`");
    }
}

//! JUnit XML, as Jenkins reads it (`junit-10.xsd` of its xUnit plugin): a test suite a rule, a test case a subject.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::said;
use crate::report::document::{FindingResult, ResultDocument, Standing};
use crate::report::escape::plain;
use crate::report::saved::ResultSource;
use crate::report::table::counts_line;

pub(super) fn write(result: &dyn ResultSource, output: &mut dyn Write) -> io::Result<()> {
    let head = result.head();
    let tenant = head.tenant.as_deref().map_or_else(|| "not known".to_owned(), plain);
    let mut report = Report::new(format!("tenet, tenant {tenant}, as of {}: {}", plain(&head.now), counts_line(&head.summary)));
    let mut suite: Option<(String, TestSuite)> = None;
    result.findings(&mut |finding| {
        let name = suite_name(finding);
        match &mut suite {
            Some((last, suite)) if *last == name => drop(suite.add_test_case(case(head, finding))),
            other => {
                let mut next = new_suite(head, finding, &name);
                next.add_test_case(case(head, finding));
                if let Some((_, done)) = other.replace((name, next)) {
                    report.add_test_suite(done);
                }
            }
        }
        Ok(())
    })?;
    report.add_test_suites(suite.map(|(_, suite)| suite));
    let xml = report.to_string().map_err(io::Error::other)?;
    output.write_all(without_skipped(&xml).as_bytes())
}

/// The schema knows no `skipped` of all suites together, and Jenkins refuses what its schema does not know.
fn without_skipped(xml: &str) -> String {
    let Some((before, rest)) = xml.split_once("<testsuites ") else { return xml.to_owned() };
    let Some((tag, after)) = rest.split_once('>') else { return xml.to_owned() };
    // The name stands first and may say anything; in an attribute `"` is escaped, so the last one of this form is the attribute.
    let tag = match tag.rsplit_once(" skipped=\"") {
        Some((first, value)) => format!("{first}{}", value.split_once('"').map_or("", |(_, last)| last)),
        None => tag.to_owned(),
    };
    format!("{before}<testsuites {tag}>{after}")
}

fn suite_name(finding: &FindingResult) -> String {
    match &finding.pack {
        Some(pack) => format!("{} ({})", plain(&finding.rule), plain(pack)),
        None => plain(&finding.rule),
    }
}

fn new_suite(head: &ResultDocument, finding: &FindingResult, name: &str) -> TestSuite {
    let mut suite = TestSuite::new(name);
    if let Some(rule) = head.rule_of(finding) {
        let counts = &rule.verdicts;
        let numbers = [
            ("fail", counts.fail),
            ("unknown", counts.unknown),
            ("pending", counts.pending),
            ("waived", counts.waived),
            ("pass", counts.pass),
            ("not_applicable", counts.not_applicable),
            ("evaluated", counts.decided()),
            ("of", counts.assessed()),
        ];
        suite.add_property(Property::new("title", plain(&rule.title)));
        suite.add_property(Property::new("severity", rule.severity.name()));
        suite.add_properties(numbers.map(|(name, n)| Property::new(name, n.to_string())));
    }
    suite
}

fn case(head: &ResultDocument, finding: &FindingResult) -> TestCase {
    let sentence = said::sentence(head, finding);
    let standing = finding.standing();
    let mut status = match standing {
        Standing::Pass => TestCaseStatus::success(),
        Standing::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Standing::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Standing::Waived | Standing::Pending | Standing::NotApplicable => TestCaseStatus::skipped(),
    };
    if standing != Standing::Pass {
        status.set_message(sentence.as_str());
        status.set_type(standing.name());
    }
    if let (Standing::Fail, Some(remedy)) = (standing, &finding.remedy) {
        status.set_description(format!("What can be done: {}", plain(remedy)));
    }
    let mut case = TestCase::new(format!("{} on {}", said::requirement(finding), said::subject(finding)), status);
    case.set_classname(plain(&finding.rule));
    if let Some(attested) = said::attested(finding) {
        case.set_system_out(attested);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::without_skipped;

    #[test]
    fn only_the_attribute_is_left_out() {
        let xml = "<?xml?>\n<testsuites name=\" skipped=&quot;1\" tests=\"3\" skipped=\"2\" failures=\"0\">\n<testsuite skipped=\"2\"/>";
        let left = "<?xml?>\n<testsuites name=\" skipped=&quot;1\" tests=\"3\" failures=\"0\">\n<testsuite skipped=\"2\"/>";
        assert_eq!(without_skipped(xml), left);
    }
}

//! Reports of the sample, as they stand in `tests/reports`; `UPDATE_EXPECT=1` writes them anew.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use tenet::report::{FindingResult, Format, Rendering, ResultDocument, ResultSource, SavedResult, TableStyle, write_report};

use super::sample::{sample, summary};

/// How reports to files are drawn.
pub(super) const PLAIN: Rendering<'static> = Rendering { table: TableStyle { lines: false, width: 160 }, surroundings: None };

pub(super) fn rendered(format: Format, result: &dyn ResultSource) -> String {
    let mut bytes = Vec::new();
    write_report(format, result, PLAIN, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn golden(format: Format) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports").join(format!("sample.{}", format.name()))
}

#[test]
fn reports_of_the_sample_are_these() {
    let sample = sample();
    for format in Format::ALL {
        let found = rendered(format, &sample);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(golden(format), &found).unwrap();
        }
        let wanted = fs::read_to_string(golden(format)).unwrap_or_default();
        let differ = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
        assert!(found == wanted, "{} differs: {differ:?}; UPDATE_EXPECT=1 writes it anew", format.name());
    }
}

/// A result that was kept is read by every later version, and gives the same reports.
#[test]
fn the_kept_result_is_read() {
    let kept = fs::read(golden(Format::Json)).unwrap();
    let saved = SavedResult::open(Cursor::new(kept)).unwrap();
    let sample = sample();
    for format in Format::ALL {
        assert!(rendered(format, &saved) == rendered(format, &sample), "{}", format.name());
        assert!(rendered(format, &saved) == rendered(format, &saved), "{} is the same a second time", format.name());
    }
}

/// Wherever there is a summary it has every count, and how much was evaluated.
#[test]
fn a_summary_shows_every_count() {
    let sample = sample();
    let counts = "1 fail, 2 unknown, 1 pending, 1 waived, 2 pass, 1 not applicable; evaluated 5 of 7 verdicts of 3 rules";
    for format in [Format::Table, Format::Sarif, Format::Junit, Format::Github, Format::Azure, Format::Oscal] {
        let text = rendered(format, &sample);
        assert!(text.contains(counts), "{}: {text}", format.name());
    }
    let markdown = rendered(Format::Markdown, &sample);
    assert!(markdown.contains("| 1 | 2 | 1 | 1 | 2 | 1 |") && markdown.contains("Evaluated 5 of 7 verdicts of 3 rules"), "{markdown}");
    for format in Format::ALL {
        // The only `%` are escapes of the services' commands, and lengths in the style of the page.
        let mut text = rendered(format, &sample);
        if let (Some(from), Some(to)) = (text.find("<style>"), text.find("</style>")) {
            text.replace_range(from..to, "");
        }
        let percentage = text.match_indices('%').any(|(at, _)| text[..at].ends_with(|c: char| c.is_ascii_digit()));
        assert!(!percentage, "{} shows a percentage", format.name());
    }
}

/// A verdict that rests on an attestation says so in every format that shows it.
#[test]
fn attested_verdicts_say_so() {
    let sample = sample();
    for format in Format::ALL {
        let text = rendered(format, &sample);
        let says = ["Rests on an attestation", "attested", "ATTESTED", "rest on it"].iter().any(|words| text.contains(words));
        assert!(says, "{}", format.name());
        assert!(!text.contains("shop-2025") || text.contains("harper.lang@contoso.example"), "{} says who", format.name());
    }
}

/// The sample with its findings repeated; one of them is longer than what is read at a time.
fn large() -> ResultDocument {
    let base = sample();
    let mut findings: Vec<FindingResult> = (0..400).flat_map(|_| base.findings.clone()).collect();
    findings[1_000].message = Some("long and \"quoted\" ü ".repeat(40_000));
    ResultDocument { summary: summary(&findings, base.rules.len(), Vec::new()), findings, ..base }
}

/// Findings are read ahead, out of a buffer: the reports are those of the whole document, and what is wrong has the place that
/// a parser of the whole text gives it.
#[test]
fn a_large_result_is_read_finding_by_finding() {
    let document = large();
    let text = rendered(Format::Json, &document);
    let saved = SavedResult::open(Cursor::new(text.clone().into_bytes())).unwrap();
    for format in [Format::Json, Format::Csv, Format::Sarif] {
        assert!(rendered(format, &saved) == rendered(format, &document), "{}", format.name());
    }
    let refused = |text: String| SavedResult::open(Cursor::new(text.into_bytes())).err().expect("it is refused").to_string();
    let place = |text: &str| {
        let error = serde_json::from_str::<ResultDocument>(text).expect_err("it is no result");
        format!("{}:{}: ", error.line(), error.column())
    };
    let at = text.match_indices("\"verdict\": \"").nth(2_500).unwrap().0;
    let with = |from: &str, to: &str| format!("{}{}", &text[..at], text[at..].replacen(from, to, 1));
    let cases = [
        ("there is no verdict `fine`", with("\"verdict\": \"", "\"verdict\": \"fine\", \"verdict\": \"")),
        ("missing field `severity`", with("\"severity\"", "\"severe\"")),
        ("invalid type: string \"x\", expected a boolean", with("\"waived\": false", "\"waived\": \"x\"")),
        ("expected `,` or `]`", with("    },\n    {", "    }\n    {")),
        ("trailing comma", with("    },\n    {", "    },\n    ], \"x\": [{")),
        ("EOF while parsing", text[..at + 200].to_owned()),
    ];
    for (wanted, text) in cases {
        let told = refused(text.clone());
        assert!(told.contains(wanted) && told.starts_with(&place(&text)), "{wanted}: {told}, and its place is {}", place(&text));
    }
    assert!(refused(with("\"waiver\": null", "\"waiver\": 9")).contains("names a waiver that is not in the file"));
    assert!(refused(with("\"verdict\": \"pass\"", "\"verdict\": \"unknown\"")).contains("its summary counts"));
}

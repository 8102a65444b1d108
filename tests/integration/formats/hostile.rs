//! Ten thousand hostile names through every format: no element, formula, escape sequence or command of a log comes out.
//!
//! It goes over [`Format::ALL`], so a new format is held to it as it is added.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tenet::model::Verdict;
use tenet::report::{AttestedBy, EvidenceItem, ExplanationLine, FindingResult, Format, Missing, ResultDocument, RuleResult, Subject};

use super::golden::rendered;
use super::sample::{finding, sample, summary};
use super::schemas::{Schemas, junit_is_valid};

const NAMES: usize = 10_000;
/// Names of one document: no more than a table and a Markdown summary show one by one.
const AT_ONCE: usize = 16;
/// Names this long are rare, or the test would take long.
const LONG_EVERY: usize = 1_000;
/// One in so many documents is held to the schemas, too.
const VALIDATED_EVERY: usize = 25;
const LONG_BYTES: usize = 64 << 10;

/// What a name can hold. Each is a way into some format.
const PIECES: [&str; 56] = [
    "<hostile-x>",
    "</script><hostile-x src=1>",
    "\"><hostile-x onmouseover=\"x\">",
    "' onmouseover='hostile",
    "<!-- hostile",
    "]]><hostile-x/>",
    "&lt;hostile&gt;",
    "&#60;hostile-x&#62;",
    "</testcase><hostile-x/>",
    "<?hostile?>",
    "<!DOCTYPE hostile [<!ENTITY x \"y\">]>",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://hostile\")",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "\"=1+1\"",
    "\",\"=1+1",
    ";=1+1",
    "＝1+1",
    "\u{1b}[31mhostile",
    "\u{1b}]0;hostile\u{7}",
    "\u{1b}]8;;http://hostile\u{1b}\\",
    "\u{9b}31m",
    "\u{9d}0;x\u{9c}",
    "\u{202e}elitsoh",
    "\u{2066}\u{2067}x\u{2069}",
    "\u{200f}",
    "\u{feff}",
    "\u{e0041}\u{e0042}",
    "\u{2028}\u{2029}\u{85}",
    "a\r\n::error::hostile",
    "::error file=a,line=1::hostile",
    " ::set-output name=a::b",
    "::add-mask::x",
    ":",
    "::",
    "##vso[task.setvariable variable=hostile]x",
    "##[command]hostile",
    "#",
    "##",
    "`hostile`",
    "``` hostile ```",
    "```\n# hostile",
    "\0",
    "a\0b",
    "[hostile](javascript:hostile)",
    "![x](http://hostile/x.png)",
    "@hostile #1 http://hostile",
    "{0}{{1}}",
    "%0A::error::hostile%0D",
    "\\",
    "|*_~hostile_*|",
];

/// Numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// Makes a name of one to four pieces, some with letters between; each piece comes first in some.
fn name(n: usize, numbers: &mut Numbers) -> String {
    let mut name = PIECES[n % PIECES.len()].to_owned();
    for _ in 0..numbers.next(4) {
        name.push_str(["", "a", " ", "ü", "'", "\n"][numbers.next(6)]);
        name.push_str(PIECES[numbers.next(PIECES.len())]);
    }
    if n.is_multiple_of(LONG_EVERY) {
        name = name.repeat(LONG_BYTES / name.len() + 1);
    }
    name
}

/// A document with a name wherever something from a tenant, a register or a policy can stand.
fn document(names: &[String]) -> ResultDocument {
    let base = sample();
    let of = |n: usize| names[n % names.len()].clone();
    let verdicts = [Verdict::Fail, Verdict::Unknown, Verdict::Pending, Verdict::Pass, Verdict::Fail, Verdict::NotApplicable];
    let findings: Vec<FindingResult> = (0..names.len())
        .map(|n| {
            let subject = Subject { entity: "Subscription".to_owned(), id: format!("{}{n}", of(n)), name: of(n) };
            let waived = n % verdicts.len() == 4;
            FindingResult {
                waived,
                waiver: waived.then_some(0),
                message: Some(of(n)),
                remedy: Some(of(n + 1)),
                due: None,
                explanation: vec![ExplanationLine {
                    depth: 0,
                    text: of(n),
                    outcome: None,
                    evidence: vec![EvidenceItem { subject: subject.clone(), property: of(n), value: of(n + 1), source: Some(of(n)) }],
                }],
                missing: vec![Missing {
                    what: of(n),
                    reason: of(n + 1),
                    as_of: None,
                    api: Some(of(n)),
                    permission: Some(of(n)),
                    register: Some(of(n)),
                }],
                attested: vec![AttestedBy {
                    id: of(n),
                    by: of(n + 1),
                    source: format!("{} ({}:3)", of(n), of(n)),
                    review_due: Some(of(n)),
                }],
                ..finding(&of(n), Some(&of(n + 2)), Some(subject), verdicts[n % verdicts.len()])
            }
        })
        .collect();
    let rules: Vec<RuleResult> = (0..names.len())
        .map(|n| {
            let mut rule = base.rules[0].clone();
            rule.id = of(n);
            (rule.title, rule.why, rule.refs, rule.tags) = (of(n), Some(of(n + 1)), vec![of(n)], vec![of(n)]);
            let source = rule.source.as_mut().unwrap();
            (source.file, source.text) = (of(n), of(n + 1));
            rule.fixes.iter_mut().for_each(|fix| (fix.action, fix.needs) = (of(n), vec![of(n + 1)]));
            rule
        })
        .collect();
    let mut waivers = base.waivers.clone();
    for (n, waiver) in waivers.iter_mut().enumerate() {
        (waiver.rule, waiver.because, waiver.approved_by, waiver.ticket) = (of(n), of(n + 1), vec![of(n)], Some(of(n + 2)));
    }
    let mut unread = base.unread.clone();
    for (n, hole) in unread.iter_mut().enumerate() {
        (hole.what, hole.reasons, hole.api, hole.register) = (of(n), vec![of(n + 1)], Some(of(n)), Some(of(n)));
    }
    ResultDocument {
        summary: summary(&findings, rules.len(), vec![of(0), of(1)]),
        tenant: Some(of(0)),
        problems: vec![of(0), of(1)],
        findings,
        rules,
        waivers,
        unread,
        ..base
    }
}

#[test]
fn ten_thousand_hostile_names_do_nothing_in_any_format() {
    let mut numbers = Numbers(6);
    let names: Vec<String> = (0..NAMES).map(|n| name(n, &mut numbers)).collect();
    assert!(PIECES.iter().all(|piece| names.iter().any(|name| name.starts_with(piece))));
    let schemas = Schemas::read();
    // The same document with names that are only letters: what a page is made of, whatever the names.
    let plain: Vec<String> = (0..AT_ONCE).map(|n| format!("name {n}")).collect();
    let known = tags(&rendered(Format::Html, &document(&plain)));
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let mut n_documents = 0;
    for names in names.chunks(AT_ONCE) {
        let document = document(names);
        for format in Format::ALL {
            let text = rendered(format, &document);
            if let Err(found) = harmless(format, &text, &document, &known) {
                let shown: String = found.chars().take(300).collect();
                panic!(
                    "{}: {shown}\nnames {:?}",
                    format.name(),
                    names.iter().map(|name| name.chars().take(60).collect::<String>()).collect::<Vec<_>>()
                );
            }
        }
        if n_documents % VALIDATED_EVERY == 0 {
            schemas.valid("hostile", &|format| rendered(format, &document));
            files.push(folder.path().join(format!("{n_documents}.xml")));
            fs::write(files.last().unwrap(), rendered(Format::Junit, &document)).unwrap();
        }
        n_documents += 1;
    }
    junit_is_valid(&files);
    assert_eq!(n_documents, NAMES.div_ceil(AT_ONCE));
    println!("{NAMES} names in {n_documents} documents, {} formats", Format::ALL.len());
}

/// Says what of a report does something.
fn harmless(format: Format, text: &str, document: &ResultDocument, known: &BTreeSet<String>) -> Result<(), String> {
    no_escapes(format, text)?;
    no_commands(format, text, document)?;
    match format.name() {
        "csv" | "actions" => no_formulas(text),
        "json" => same_again(text, document),
        "sarif" | "oscal" => decoded(&serde_json::from_str(text).map_err(|error| error.to_string())?, format),
        "ocsf" => text.lines().try_for_each(|line| decoded(&serde_json::from_str(line).map_err(|error| error.to_string())?, format)),
        "junit" => only_tags(text),
        "markdown" => only_code(text),
        "table" | "github" | "azure" => Ok(()),
        // HTML, and what else may be read by a browser.
        _ => no_elements(text, known),
    }
}

fn is_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

fn no_escapes(format: Format, text: &str) -> Result<(), String> {
    let lines = if matches!(format.name(), "csv" | "actions") { text.replace("\r\n", "\n") } else { text.to_owned() };
    match lines.char_indices().find(|(_, c)| is_escape(*c) && *c != '\n') {
        Some((at, c)) => Err(format!("{c:?} after {:?}", &lines[..at].chars().rev().take(40).collect::<String>())),
        None => Ok(()),
    }
}

/// What runners take for a command: `::` at the beginning of a line, `##vso[` and `##[` anywhere.
fn no_commands(format: Format, text: &str, document: &ResultDocument) -> Result<(), String> {
    let n_annotated = document.findings.iter().filter(|finding| !matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable)).count();
    let (mut n_github, mut n_azure) = (0, 0);
    for line in text.lines() {
        let (github, azure) = (line.trim_start().starts_with("::"), line.contains("##vso[") || line.contains("##["));
        if !github && !azure {
            continue;
        }
        let own = match format.name() {
            "github" => github_line(line) && !azure,
            "azure" => azure_line(line) && !github,
            _ => false,
        };
        if !own {
            return Err(format!("a command: {line}"));
        }
        n_github += usize::from(github);
        n_azure += usize::from(azure);
    }
    let wanted = |name: &str| if format.name() == name { n_annotated } else { 0 };
    if (n_github, n_azure) == (wanted("github"), wanted("azure")) { Ok(()) } else { Err(format!("{n_github} and {n_azure} commands")) }
}

/// Tells whether a line is one annotation whose properties and text are as they were meant.
fn github_line(line: &str) -> bool {
    let Some((level, rest)) = line.strip_prefix("::").and_then(|rest| rest.split_once(' ')) else { return false };
    let Some((properties, _)) = rest.split_once("::") else { return false };
    let names: Vec<&str> = properties.split(',').map(|property| property.split('=').next().unwrap()).collect();
    ["error", "warning", "notice"].contains(&level)
        && [&["file", "line", "title"][..], &["title"]].contains(&names.as_slice())
        && escaped(rest, "%25", &["%0A", "%0D", "%3A", "%2C"])
}

fn azure_line(line: &str) -> bool {
    let Some((properties, rest)) = line.strip_prefix("##vso[task.logissue ").and_then(|rest| rest.split_once(']')) else { return false };
    let names: Vec<&str> = properties.split(';').map(|property| property.split('=').next().unwrap()).collect();
    let known = [&["type", "sourcepath", "linenumber", "code"][..], &["type", "code"]].contains(&names.as_slice());
    known && !rest.contains("##vso[") && !rest.contains("##[") && escaped(line, "%AZP25", &["%0A", "%0D", "%3B", "%5D"])
}

/// Tells whether each `%` belongs to an escape, so that none that stood in a name is undone.
fn escaped(text: &str, percent: &str, others: &[&str]) -> bool {
    text.match_indices('%').all(|(at, _)| {
        let rest = &text[at..];
        rest.starts_with(percent) || others.iter().any(|other| rest.starts_with(other))
    })
}

fn no_formulas(text: &str) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        for cell in &record {
            if cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r']) {
                return Err(format!("a formula: {cell}"));
            }
        }
    }
    Ok(())
}

/// The saved result holds every name as it was.
fn same_again(text: &str, document: &ResultDocument) -> Result<(), String> {
    let again: ResultDocument = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let same = serde_json::to_string(&again).unwrap() == serde_json::to_string(document).unwrap();
    if same { Ok(()) } else { Err("it says something else".to_owned()) }
}

/// What readers get of a JSON document that is meant for other tools.
fn decoded(value: &Value, format: Format) -> Result<(), String> {
    match value {
        Value::String(text) => match text.chars().find(|c| is_escape(*c)) {
            Some(c) => Err(format!("{c:?} in {text}")),
            None if text.contains("##vso[") || text.contains("##[") => Err(format!("a command in {text}")),
            None => Ok(()),
        },
        Value::Array(list) => list.iter().try_for_each(|value| decoded(value, format)),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            // Titles and texts of OSCAL are markup.
            if let Value::String(text) = value {
                let markup = format == Format::Oscal && ["title", "description", "statement", "remarks"].contains(&key.as_str());
                if markup && (text.contains(['<', '>']) || bare(text, &['[', ']', '`', '*', '_'])) {
                    return Err(format!("markup: {text}"));
                }
            }
            if format == Format::Sarif && key == "message" {
                let text = value["text"].as_str().unwrap_or("");
                let rest = text.replace("{{", "").replace("}}", "");
                if text.contains("](") || rest.contains(['{', '}']) {
                    return Err(format!("a link or a placeholder: {text}"));
                }
            }
            decoded(value, format)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Tells whether one of these characters stands there without a backslash.
fn bare(text: &str, signs: &[char]) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if !escaped && signs.contains(&c) {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

/// Every `<` begins a tag that JUnit knows.
fn only_tags(text: &str) -> Result<(), String> {
    let known = ["?xml ", "testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped", "system-out"];
    for piece in text.split('<').skip(1) {
        let tag = piece.trim_start_matches('/');
        if !known.iter().any(|name| tag.strip_prefix(name).is_some_and(|rest| name.starts_with('?') || rest.starts_with([' ', '>', '/']))) {
            return Err(format!("a tag: <{piece}"));
        }
    }
    Ok(())
}

/// Outside of code spans there are only the words of the report.
fn only_code(text: &str) -> Result<(), String> {
    for line in text.lines() {
        let mut rest = line;
        let mut outside = String::new();
        while let Some(at) = rest.find('`') {
            outside.push_str(&rest[..at]);
            let fence = rest[at..].chars().take_while(|c| *c == '`').count();
            let inner = &rest[at + fence..];
            let Some(end) = ends(inner, fence) else { return Err(format!("a code span without an end: {line}")) };
            rest = &inner[end + fence..];
        }
        outside.push_str(rest);
        let word = |c: char| c.is_ascii_alphanumeric() || " |:-#*(),;.…".contains(c);
        if !outside.chars().all(word) || outside.contains("ostile") || (outside.contains('#') && !outside.starts_with("### tenet: ")) {
            return Err(format!("outside of code: {outside}"));
        }
    }
    if text.lines().count() <= 60 { Ok(()) } else { Err("too many lines".to_owned()) }
}

/// Finds the next run of exactly this many backticks.
fn ends(text: &str, fence: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].chars().take_while(|c| *c == '`').count();
        if run == fence {
            return Some(start);
        }
        at = start + run;
    }
    None
}

/// For what a browser reads: no hostile element, and no element or attribute that a page of plain names does not have.
fn no_elements(text: &str, known: &BTreeSet<String>) -> Result<(), String> {
    let found = ["<hostile", "</hostile", "<?hostile", "<!-- hostile", "<!DOCTYPE hostile", "\" onmouseover=\"", "' onmouseover='"];
    if let Some(piece) = found.iter().find(|piece| text.contains(**piece)) {
        return Err(format!("it holds {piece}"));
    }
    match tags(text).difference(known).next() {
        Some(tag) => Err(format!("a plain page has no {tag}")),
        None => Ok(()),
    }
}

/// Lists the elements of a page, and each with the names of its attributes.
fn tags(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let (tag, after) = tag(&rest[at + 1..]);
        let mut words = tag.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        let name = words.next().unwrap_or("").to_owned();
        found.extend(words.map(|attribute| format!("{name} {attribute}")));
        rest = after;
        if ["script", "style"].contains(&name.as_str()) {
            rest = &after[after.find(&format!("</{name}")).unwrap_or(after.len())..];
        }
        found.insert(name);
    }
    found
}

/// Returns a tag without the values of its attributes, and what follows it.
fn tag(text: &str) -> (String, &str) {
    let mut kept = String::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '>' => return (kept, &text[at + 1..]),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                kept.push(' ');
            }
            None => kept.push(c),
        }
    }
    (kept, "")
}

#[test]
fn tags_are_found_whatever_stands_in_their_values() {
    let found = tags("<!DOCTYPE html><p class=\"a>b\" id='x'>1 &lt; 2<br/><script>if (a<b) {}</script></p>");
    let wanted = ["!DOCTYPE", "!DOCTYPE html", "/p", "/script", "br/", "p", "p class", "p id", "script"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}
